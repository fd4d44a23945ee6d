/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's io_uring: every feature wanted, each one given up alone when the kernel has it not.
 *
 *   wanted                                      without it
 *   SINGLE_ISSUER DEFER_TASKRUN TASKRUN_FLAG    COOP_TASKRUN TASKRUN_FLAG, then a plain ring
 *   (6.1)                                       (completions interrupt the worker)
 *   registered buffers                          pages are pinned anew for each write
 *   registered files                            the descriptor is looked up for each write
 *   registered ring (5.18)                      the same for the ring
 */
#include "dataplane/journal/writer.h"

#include <errno.h>
#include <stdarg.h>

/* Headers of liburing older than the kernel. */
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

#define RING_ENTRIES (4u * LIMIT_JOURNAL_DEPTH_MAX)

unsigned writer_ring_flags_refused;

__attribute__((format(printf, 3, 4))) static void note(
    char *message, size_t size, const char *format, ...)
{
	size_t used = strnlen(message, size);
	va_list arguments;

	if (used >= size)
		return;
	va_start(arguments, format);
	vsnprintf(message + used, size - used, format, arguments);
	va_end(arguments);
}

static int setup(struct journal_writer *writer, unsigned flags)
{
	struct io_uring_params params = { .flags = flags };
	int result = -EINVAL;

	if ((flags & writer_ring_flags_refused) == 0)
		result = io_uring_queue_init_params(RING_ENTRIES, &writer->ring, &params);
	if (result == 0)
		writer->taskrun_flag = (flags & IORING_SETUP_TASKRUN_FLAG) != 0;
	return result;
}

static int setup_best(struct journal_writer *writer, char *message, size_t size)
{
	int result = setup(writer,
	    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG);

	if (result == -EINVAL) {
		result = setup(writer, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
		if (result == -EINVAL)
			result = setup(writer, 0);
		if (result == 0)
			note(message, size,
			    "io_uring without DEFER_TASKRUN: slower, "
			    "Linux 6.1 or newer has it. ");
	}
	if (result == -ENOSYS || result == -EPERM)
		note(message, size,
		    "io_uring is not available: Linux 5.11 or newer and "
		    "sysctl kernel.io_uring_disabled=0 are needed");
	else if (result != 0)
		note(message, size, "io_uring: %s", strerror(-result));
	return result;
}

static uint32_t file_table_size(const struct journal_feed *feed)
{
	uint32_t size = 2;

	/* Every closed batch may be in another segment; and the current and the next one. */
	while (size < feed->buffers + 2)
		size *= 2;
	return size;
}

int writer_ring_open(struct journal_writer *writer, char *message, size_t size)
{
	struct iovec pool = { writer->feed->pool, writer->feed->pool_size };
	int result = setup_best(writer, message, size);

	if (result != 0)
		return result;
	writer->ring_ready = 1;
	result = io_uring_register_buffers(&writer->ring, &pool, 1);
	writer->buffers_fixed = result == 0;
	if (result != 0)
		note(message, size,
		    "journal buffers not registered (%s): slower, raise LimitMEMLOCK. ",
		    strerror(-result));
	result = io_uring_register_files_sparse(&writer->ring, file_table_size(writer->feed));
	writer->files_fixed = result == 0 ? file_table_size(writer->feed) : 0;
	if (result != 0)
		note(message, size, "journal files not registered (%s): slower. ",
		    strerror(-result));
	/* Saves a descriptor look-up for each system call; not worth a message. */
	(void)io_uring_register_ring_fd(&writer->ring);
	return 0;
}

void writer_ring_use_file(struct journal_writer *writer, struct writer_segment *segment)
{
	segment->index = -1;
	if (writer->files_fixed == 0)
		return;
	segment->index = (int32_t)(segment->file.generation % writer->files_fixed);
	if (io_uring_register_files_update(
	        &writer->ring, (unsigned)segment->index, &segment->file.fd, 1) != 1)
		segment->index = -1; /* written by its plain descriptor */
}

void writer_ring_write(struct journal_writer *writer, uint64_t ticket)
{
	const struct writer_slot *slot = &writer->slots[ticket & writer->order.mask];
	const uint8_t *bytes = journal_feed_buffer(writer->feed, slot->buffer);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&writer->ring);
	int fd = slot->index >= 0 ? slot->index : slot->fd;

	SLUICE_REQUIRE(sqe != NULL); /* the ring is deeper than any depth */
	if (writer->buffers_fixed)
		io_uring_prep_write_fixed(sqe, fd, bytes, slot->size, slot->offset, 0);
	else
		io_uring_prep_write(sqe, fd, bytes, slot->size, slot->offset);
	sqe->rw_flags = RWF_DSYNC;
	if (slot->index >= 0)
		sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = ticket;
}

int writer_ring_submit(struct journal_writer *writer)
{
	int result = io_uring_submit(&writer->ring);

	if (result < 0 && result != -EAGAIN && result != -EBUSY && result != -EINTR)
		return result;
	/* What the kernel did not take now stays queued and is tried again at the next poll. */
	writer->submit_again = io_uring_sq_ready(&writer->ring) > 0;
	return 0;
}
