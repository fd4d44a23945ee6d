/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring as the journal uses it: writes only. The rings lie in plain memory, where liburing's
 * inline functions work on them; what is submitted is in flight in the simulated disk. As with
 * DEFER_TASKRUN, a completion is seen only after the ring was entered (io_uring_get_events); the
 * flag in the ring says that it is worth it.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"

#define ENTRIES_MAX 128u

struct sim_ring {
	struct sim_ring *next;
	struct io_uring *ring;
	unsigned sq_head, sq_tail, cq_head, cq_tail, flags, overflow, dropped;
	unsigned entries;
	struct io_uring_sqe sqes[ENTRIES_MAX];
	struct io_uring_cqe cqes[2 * ENTRIES_MAX];
	/* Complete, and not told yet. */
	struct io_uring_cqe waiting[2 * ENTRIES_MAX];
	unsigned waiting_count;
	int *files;
	unsigned file_count;
	struct iovec buffers;
};

static struct sim_ring *rings;

static struct sim_ring *ring_of(const struct io_uring *ring)
{
	struct sim_ring *found = rings;

	while (found != NULL && found->ring != ring)
		found = found->next;
	SLUICE_REQUIRE(found != NULL);
	return found;
}

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
	struct sim_ring *made;

	if (sim_call() != 0)
		return -EIO;
	if (entries == 0 || entries > ENTRIES_MAX || (entries & (entries - 1)) != 0)
		return -EINVAL;
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	made->ring = ring;
	made->entries = entries;
	made->next = rings;
	rings = made;
	memset(ring, 0, sizeof(*ring));
	ring->flags = p->flags;
	ring->ring_fd = ring->enter_ring_fd = -1;
	ring->sq.khead = &made->sq_head;
	ring->sq.ktail = &made->sq_tail;
	ring->sq.kflags = &made->flags;
	ring->sq.kdropped = &made->dropped;
	ring->sq.sqes = made->sqes;
	ring->sq.ring_mask = entries - 1;
	ring->sq.ring_entries = entries;
	ring->cq.khead = &made->cq_head;
	ring->cq.ktail = &made->cq_tail;
	ring->cq.koverflow = &made->overflow;
	ring->cq.cqes = made->cqes;
	ring->cq.ring_mask = 2 * entries - 1;
	ring->cq.ring_entries = 2 * entries;
	return 0;
}

void io_uring_queue_exit(struct io_uring *ring)
{
	struct sim_ring *gone = ring_of(ring), **link = &rings;

	while (*link != gone)
		link = &(*link)->next;
	*link = gone->next;
	sim_flight_forget(gone);
	free(gone->files);
	free(gone);
}

int io_uring_register_buffers(struct io_uring *ring, const struct iovec *parts, unsigned count)
{
	if (sim_call() != 0)
		return -EIO;
	SLUICE_REQUIRE(count == 1);
	ring_of(ring)->buffers = parts[0];
	return 0;
}

int io_uring_register_files_sparse(struct io_uring *ring, unsigned count)
{
	struct sim_ring *here = ring_of(ring);

	if (sim_call() != 0)
		return -EIO;
	here->files = malloc(count * sizeof(*here->files));
	if (here->files == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		here->files[i] = -1;
	here->file_count = count;
	return 0;
}

int io_uring_register_files_update(
    struct io_uring *ring, unsigned offset, const int *files, unsigned count)
{
	struct sim_ring *here = ring_of(ring);

	if (sim_call() != 0)
		return -EIO;
	if (offset + count > here->file_count)
		return -EINVAL;
	memcpy(here->files + offset, files, count * sizeof(*files));
	return (int)count;
}

int io_uring_register_ring_fd(struct io_uring *ring)
{
	(void)ring_of(ring);
	return sim_call() == 0 ? 1 : -EIO;
}

static void done(void *context, uint64_t user_data, int result)
{
	struct sim_ring *ring = context;

	SLUICE_REQUIRE(ring->waiting_count < 2 * ring->entries);
	ring->waiting[ring->waiting_count++] =
	    (struct io_uring_cqe){ .user_data = user_data, .res = result };
	ring->flags |= IORING_SQ_TASKRUN;
}

/* Completions into the ring, as far as it has room. */
static void enter(struct sim_ring *ring)
{
	unsigned told = 0, mask = 2 * ring->entries - 1;

	while (told < ring->waiting_count && ring->cq_tail - ring->cq_head <= mask)
		ring->cqes[ring->cq_tail++ & mask] = ring->waiting[told++];
	ring->waiting_count -= told;
	memmove(ring->waiting, ring->waiting + told, ring->waiting_count * sizeof(*ring->waiting));
	if (ring->waiting_count == 0)
		ring->flags &= ~IORING_SQ_TASKRUN;
}

static int begin(struct sim_ring *ring, const struct io_uring_sqe *sqe)
{
	const uint8_t *bytes, *pool = ring->buffers.iov_base;
	int number = sqe->fd;
	struct sim_fd *fd;

	memcpy(&bytes, &sqe->addr, sizeof(bytes));
	if ((sqe->flags & IOSQE_FIXED_FILE) != 0)
		number = (unsigned)sqe->fd < ring->file_count ? ring->files[sqe->fd] : -1;
	fd = sim_fd(number);
	if (fd == NULL || fd->inode->is_directory)
		return -EBADF;
	/* The table of files keeps a file open when its descriptor was closed: not modelled. */
	if (sqe->opcode == IORING_OP_WRITE_FIXED &&
	    (bytes < pool || bytes + sqe->len > pool + ring->buffers.iov_len))
		return -EFAULT;
	if (sqe->opcode != IORING_OP_WRITE_FIXED && sqe->opcode != IORING_OP_WRITE)
		return -EINVAL;
	if (sqe->len == 0 || sqe->len % SIM_SECTOR_SIZE != 0 || sqe->off % SIM_SECTOR_SIZE != 0 ||
	    (uintptr_t)bytes % SIM_SECTOR_SIZE != 0)
		return -EINVAL;
	return sim_flight_begin(fd->inode, sqe->off, bytes, sqe->len,
	    ((unsigned)sqe->rw_flags & RWF_DSYNC) != 0, done, ring, sqe->user_data);
}

int io_uring_submit(struct io_uring *ring)
{
	struct sim_ring *here = ring_of(ring);
	int count = 0;

	if (sim_call() != 0)
		return -EIO;
	while (here->sq_head != ring->sq.sqe_tail) {
		struct io_uring_sqe *sqe = &here->sqes[here->sq_head++ & (here->entries - 1)];
		int error = begin(here, sqe);

		if (error != 0)
			done(here, sqe->user_data, error);
		count++;
	}
	return count;
}

int io_uring_get_events(struct io_uring *ring)
{
	if (sim_call() != 0)
		return -EIO;
	enter(ring_of(ring));
	return 0;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
    unsigned wanted, struct __kernel_timespec *timeout, sigset_t *mask)
{
	struct sim_ring *here = ring_of(ring);
	uint64_t until =
	    sim_clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u + (uint64_t)timeout->tv_nsec;

	(void)mask;
	/* A dead process's writes have ended: it is told so, that it may let go of them. */
	if (sim_is_dead()) {
		sim_flight_fail(here);
		enter(here);
	} else if (io_uring_submit(ring) < 0) {
		return -EIO;
	}
	for (;;) {
		uint64_t next = sim_disk_next_ns();

		(void)sim_disk_step();
		enter(here);
		if (here->cq_tail - here->cq_head >= wanted)
			break;
		if (sim_clock_ns() >= until || sim_flight_count(here) == 0)
			return -ETIME;
		next = next < until ? next : until;
		if (next > sim_clock_ns())
			sim_clock_advance(next - sim_clock_ns());
	}
	*cqe = &here->cqes[here->cq_head & (2 * here->entries - 1)];
	return 0;
}
