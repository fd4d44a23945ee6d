/* SPDX-License-Identifier: Apache-2.0 */
/* Writes in flight: when they complete, in which order, and what is left of them. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/sim/sim.h"
#include "tests/test.h"

#define BLOCK 4096u

struct bed {
	struct io_uring ring;
	int fd;
	uint8_t *pool; /* 16 blocks, each filled with its number + 1 */
	int results[16];
	int order[16];
	unsigned done;
};

static void begin(struct bed *bed, uint64_t seed)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
		                                   IORING_SETUP_DEFER_TASKRUN |
		                                   IORING_SETUP_TASKRUN_FLAG };
	struct iovec pool;
	int directory;

	memset(bed, 0, sizeof(*bed));
	sim_seed(seed);
	sim_disk_reset();
	bed->fd = open(SIM_ROOT "/journal-1", O_RDWR | O_CREAT | O_DIRECT, 0600);
	assert_true(bed->fd >= 0);
	assert_int_equal(fallocate(bed->fd, 0, 0, 16 * BLOCK), 0);
	assert_int_equal(fsync(bed->fd), 0);
	directory = open(SIM_ROOT, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fsync(directory), 0);
	close(directory);
	bed->pool = aligned_alloc(BLOCK, 16 * BLOCK);
	for (unsigned i = 0; i < 16; i++)
		memset(bed->pool + i * BLOCK, (int)i + 1, BLOCK);
	pool = (struct iovec){ bed->pool, 16 * BLOCK };
	assert_int_equal(io_uring_queue_init_params(32, &bed->ring, &params), 0);
	assert_int_equal(io_uring_register_buffers(&bed->ring, &pool, 1), 0);
	assert_int_equal(io_uring_register_files_sparse(&bed->ring, 4), 0);
	assert_int_equal(io_uring_register_files_update(&bed->ring, 2, &bed->fd, 1), 1);
}

static void end(struct bed *bed)
{
	io_uring_queue_exit(&bed->ring);
	free(bed->pool);
}

static void submit(struct bed *bed, unsigned block)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&bed->ring);

	assert_non_null(sqe);
	io_uring_prep_write_fixed(sqe, 2, bed->pool + block * BLOCK, BLOCK, block * BLOCK, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->rw_flags = RWF_DSYNC;
	sqe->user_data = block;
	assert_int_equal(io_uring_submit(&bed->ring), 1);
	assert_int_equal(io_uring_sq_ready(&bed->ring), 0);
}

/* Takes what is complete, as the journal's writer does. */
static void reap(struct bed *bed)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	(void)sim_disk_step();
	if ((*bed->ring.sq.kflags & IORING_SQ_TASKRUN) == 0)
		return;
	(void)io_uring_get_events(&bed->ring);
	io_uring_for_each_cqe(&bed->ring, head, cqe)
	{
		bed->results[cqe->user_data] = cqe->res;
		bed->order[bed->done++] = (int)cqe->user_data;
		seen++;
	}
	io_uring_cq_advance(&bed->ring, seen);
}

/* The number the block is filled with; 0xff: it is not all the same. */
static unsigned block_read(unsigned block)
{
	uint8_t bytes[BLOCK];

	assert_int_equal(sim_disk_peek(SIM_ROOT "/journal-1", block * BLOCK, bytes, BLOCK), BLOCK);
	for (unsigned i = 1; i < BLOCK; i++)
		if (bytes[i] != bytes[0])
			return 0xff;
	return bytes[0];
}

TEST(a_write_is_there_when_its_time_has_come_and_not_before)
{
	struct bed bed;
	uint64_t due;

	begin(&bed, 1);
	submit(&bed, 3);
	due = sim_disk_next_ns();
	assert_true(due > sim_clock_ns() && due < sim_clock_ns() + 1000000);
	sim_clock_advance(due - sim_clock_ns() - 1);
	reap(&bed);
	assert_int_equal(bed.done, 0);
	assert_int_equal(block_read(3), 0);
	sim_clock_advance(1);
	reap(&bed);
	assert_int_equal(bed.done, 1);
	assert_int_equal(bed.results[3], BLOCK);
	assert_int_equal(block_read(3), 4);
	assert_int_equal(sim_disk_next_ns(), UINT64_MAX);
	end(&bed);
}

TEST(a_write_that_completed_is_durable_and_nothing_else_is_seen_through_it)
{
	unsigned seen[3] = { 0 };

	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint8_t *bytes = aligned_alloc(BLOCK, BLOCK);
		struct bed bed;
		unsigned written = 0;

		begin(&bed, seed);
		submit(&bed, 3);
		assert_int_equal(pread(bed.fd, bytes, BLOCK, 3 * BLOCK), BLOCK);
		for (unsigned i = 0; i < BLOCK; i++) {
			assert_true(bytes[i] == 0 || bytes[i] == 4);
			written += bytes[i] == 4;
		}
		seen[written == 0 ? 0 : written == BLOCK ? 1 : 2]++;
		sim_clock_advance(1000000);
		reap(&bed);
		assert_int_equal(bed.done, 1);
		sim_disk_power_off(0);
		sim_disk_power_on();
		assert_int_equal(block_read(3), 4);
		free(bytes);
		end(&bed);
	}
	assert_true(seen[0] > 0 && seen[2] > 0); /* while it was written: nothing, or a part */
}

TEST(writes_complete_in_order_unless_told_otherwise)
{
	const struct sim_disk_faults reorder = { .completion_reorder = 500000 };

	for (int with = 0; with < 2; with++) {
		unsigned other = 0;

		for (uint64_t seed = 1; seed <= 20; seed++) {
			struct bed bed;

			begin(&bed, seed);
			if (with)
				sim_disk_set_faults(&reorder);
			for (unsigned i = 0; i < 8; i++)
				submit(&bed, i);
			while (bed.done < 8) {
				sim_clock_advance(1000);
				reap(&bed);
			}
			for (int i = 0; i < 8; i++)
				other += bed.order[i] != i;
			end(&bed);
		}
		if (with)
			assert_true(other > 0);
		else
			assert_int_equal(other, 0);
	}
}

TEST(a_power_cut_leaves_any_part_of_what_was_in_flight)
{
	unsigned all = 0, none = 0, torn = 0;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct bed bed;
		unsigned found;

		begin(&bed, seed);
		submit(&bed, 0);
		sim_disk_power_off(0);
		reap(&bed); /* a dead process is told EIO, if anything */
		sim_disk_power_on();
		found = block_read(0);
		all += found == 1;
		none += found == 0;
		torn += found == 0xff;
		end(&bed);
	}
	assert_int_equal(all + none + torn, 100);
	assert_true(all > 10 && none > 10 && torn > 10);
}

TEST(a_kill_leaves_a_write_whole_or_not_begun)
{
	unsigned all = 0, none = 0;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct bed bed;

		begin(&bed, seed);
		submit(&bed, 0);
		sim_disk_power_off(1);
		sim_disk_power_on();
		all += block_read(0) == 1;
		none += block_read(0) == 0;
		end(&bed);
	}
	assert_int_equal(all + none, 100);
	assert_true(all > 10 && none > 10);
}

TEST(a_write_fails_with_eio_or_short)
{
	const struct sim_disk_faults broken = { .write_error = 1000000 };
	unsigned errors = 0, shorts = 0;

	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct bed bed;

		begin(&bed, seed);
		sim_disk_set_faults(&broken);
		submit(&bed, 5);
		sim_clock_advance(1000000);
		reap(&bed);
		assert_int_equal(bed.done, 1);
		assert_true(bed.results[5] < (int)BLOCK);
		errors += bed.results[5] == -EIO;
		shorts += bed.results[5] >= 0;
		end(&bed);
	}
	assert_true(errors > 5 && shorts > 5);
}

TEST(a_slow_write_takes_its_time)
{
	const struct sim_disk_faults slow = { .write_slow = 1000000 };
	uint64_t longest = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct bed bed;

		begin(&bed, seed);
		sim_disk_set_faults(&slow);
		submit(&bed, 0);
		if (sim_disk_next_ns() - sim_clock_ns() > longest)
			longest = sim_disk_next_ns() - sim_clock_ns();
		end(&bed);
	}
	assert_true(longest > 50000000 && longest <= 100000000);
}

TEST(waiting_lets_time_pass_until_the_completion)
{
	struct __kernel_timespec timeout = { .tv_sec = 1 };
	struct io_uring_cqe *cqe;
	struct bed bed;
	uint64_t due;

	begin(&bed, 2);
	submit(&bed, 1);
	due = sim_disk_next_ns();
	assert_int_equal(io_uring_submit_and_wait_timeout(&bed.ring, &cqe, 1, &timeout, NULL), 0);
	assert_int_equal(sim_clock_ns(), due);
	assert_int_equal(cqe->res, BLOCK);
	io_uring_cq_advance(&bed.ring, 1);
	assert_int_equal(
	    io_uring_submit_and_wait_timeout(&bed.ring, &cqe, 1, &timeout, NULL), -ETIME);
	end(&bed);
}

TEST_MAIN()
