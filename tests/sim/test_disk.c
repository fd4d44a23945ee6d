/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated disk does what its model says, and nothing it does not allow. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/sim/sim.h"
#include "tests/test.h"

#define SECTOR  512u
#define SECTORS 64u
#define STAMPS  256u

static void begin(uint64_t seed)
{
	sim_seed(seed);
	sim_disk_reset();
}

static void sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static void crash(int kill_only)
{
	sim_disk_power_off(kill_only);
	sim_disk_power_on();
}

/* What a sector may hold after a power cut: stamps of writes, the last one is what is read now. */
struct sector {
	uint32_t stamps[STAMPS];
	uint32_t count;
	uint32_t certain; /* stamps[0 .. certain - 1] can no longer be what is found: a sync was */
};

struct model {
	struct sector sectors[SECTORS];
	uint32_t stamp;
	int fd;
};

static void model_open(struct model *model)
{
	model->fd = open(SIM_ROOT "/file", O_RDWR | O_CREAT, 0600);
	assert_true(model->fd >= 0);
}

static void model_write(struct model *model, int durable)
{
	static uint8_t bytes[SECTORS * SECTOR];
	uint32_t first = (uint32_t)sim_below(SECTORS);
	uint32_t count = 1 + (uint32_t)sim_below(SECTORS - first);
	struct iovec part = { bytes, count * SECTOR };

	model->stamp++;
	for (uint32_t i = 0; i < count; i++) {
		struct sector *sector = &model->sectors[first + i];

		for (uint32_t k = 0; k < SECTOR; k += 4)
			memcpy(bytes + i * SECTOR + k, &model->stamp, 4);
		if (durable)
			sector->count = 0;
		assert_true(sector->count < STAMPS);
		sector->stamps[sector->count++] = model->stamp;
	}
	assert_int_equal(
	    pwritev2(model->fd, &part, 1, first * SECTOR, durable ? RWF_DSYNC : 0), count * SECTOR);
}

static uint32_t sector_read(const struct model *model, uint32_t number)
{
	uint8_t bytes[SECTOR] = { 0 };
	uint32_t stamp;

	assert_true(pread(model->fd, bytes, SECTOR, number * SECTOR) >= 0);
	memcpy(&stamp, bytes, 4);
	for (uint32_t k = 4; k < SECTOR; k += 4) /* never half a sector */
		assert_memory_equal(bytes, bytes + k, 4);
	return stamp;
}

static void model_check_now(const struct model *model)
{
	for (uint32_t i = 0; i < SECTORS; i++) {
		const struct sector *sector = &model->sectors[i];

		assert_int_equal(sector_read(model, i), sector->stamps[sector->count - 1]);
	}
}

/* After a power cut; what is found is what is durable from now on. */
static void model_check_crash(struct model *model)
{
	for (uint32_t i = 0; i < SECTORS; i++) {
		struct sector *sector = &model->sectors[i];
		uint32_t found = sector_read(model, i), k = 0;

		while (k < sector->count && sector->stamps[k] != found)
			k++;
		if (k == sector->count)
			fail_msg("sector %u holds %u, which cannot be", i, found);
		sector->stamps[0] = found;
		sector->count = 1;
	}
}

static void model_sync(struct model *model)
{
	if (fsync(model->fd) != 0)
		return; /* nothing is certain, and no later sync makes it so */
	for (uint32_t i = 0; i < SECTORS; i++) {
		struct sector *sector = &model->sectors[i];
		/* What came behind the last failed sync is durable; what was before it is gone. */
		if (sector->certain < sector->count) {
			sector->stamps[0] = sector->stamps[sector->count - 1];
			sector->count = 1;
		}
	}
}

static void model_fail_sync(struct model *model)
{
	const struct sim_disk_faults broken = { .sync_error = 1000000 }, none = { 0 };

	sim_disk_set_faults(&broken);
	errno = 0;
	assert_int_equal(fsync(model->fd), -1);
	assert_int_equal(errno, EIO);
	sim_disk_set_faults(&none);
	for (uint32_t i = 0; i < SECTORS; i++)
		model->sectors[i].certain = model->sectors[i].count;
}

TEST(any_order_of_writes_syncs_and_cuts_leaves_only_what_the_model_allows)
{
	uint64_t seed = test_seed();
	struct model model = { 0 };

	begin(seed);
	model_open(&model);
	for (uint32_t i = 0; i < SECTORS; i++)
		model.sectors[i].count = 1; /* zeros */
	assert_int_equal(ftruncate(model.fd, SECTORS * SECTOR), 0);
	model_sync(&model);
	sync_directory(SIM_ROOT);
	for (uint32_t step = 0; step < 4000; step++) {
		uint64_t what = sim_below(20);

		if (what < 10)
			model_write(&model, 0);
		else if (what < 13)
			model_write(&model, 1);
		else if (what < 15)
			model_sync(&model);
		else if (what == 15)
			model_fail_sync(&model);
		model_check_now(&model);
		if (what < 18 && step % 40 != 39)
			continue;
		crash(0);
		model_open(&model);
		model_check_crash(&model);
		for (uint32_t i = 0; i < SECTORS; i++)
			model.sectors[i].certain = 0;
	}
	assert_true(sim_disk_counts().torn > 10);
	assert_true(sim_disk_counts().lost > 10);
}

TEST(a_kill_loses_no_write)
{
	struct model model = { 0 };

	begin(2);
	model_open(&model);
	for (uint32_t i = 0; i < SECTORS; i++)
		model.sectors[i].count = 1;
	for (uint32_t step = 0; step < 200; step++) {
		model_write(&model, step % 3 == 0);
		crash(1);
		model.fd = open(SIM_ROOT "/file", O_RDWR);
		assert_true(model.fd >= 0); /* nor a name */
		model_check_now(&model);
	}
}

/* Names "0", "1" ... are made one behind the other, each instead of the one before. */
TEST(names_not_synced_are_kept_or_lost_in_order)
{
	unsigned kept[11] = { 0 };

	for (uint64_t seed = 1; seed <= 300; seed++) {
		char name[32], next[32];
		unsigned found = 0;

		begin(seed);
		assert_int_equal(mkdir(SIM_ROOT "/d", 0700), 0);
		sync_directory(SIM_ROOT);
		for (int i = 1; i <= 10; i++) {
			snprintf(name, sizeof(name), SIM_ROOT "/d/%d", i - 1);
			snprintf(next, sizeof(next), SIM_ROOT "/d/%d", i);
			if (i == 1)
				close(open(next, O_RDWR | O_CREAT, 0600));
			else
				assert_int_equal(rename(name, next), 0);
		}
		crash(0);
		for (unsigned i = 1; i <= 10; i++) {
			struct stat status;

			snprintf(name, sizeof(name), SIM_ROOT "/d/%u", i);
			if (stat(name, &status) != 0)
				continue;
			assert_int_equal(found, 0); /* one name, never two */
			found = i;
		}
		kept[found]++;
	}
	for (unsigned i = 0; i <= 10; i++)
		assert_true(kept[i] > 0); /* every outcome comes */
}

TEST(names_synced_are_kept)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		begin(seed);
		assert_int_equal(mkdir(SIM_ROOT "/d", 0700), 0);
		sync_directory(SIM_ROOT);
		close(open(SIM_ROOT "/d/a", O_RDWR | O_CREAT, 0600));
		close(open(SIM_ROOT "/d/gone", O_RDWR | O_CREAT, 0600));
		assert_int_equal(rename(SIM_ROOT "/d/a", SIM_ROOT "/d/b"), 0);
		assert_int_equal(unlink(SIM_ROOT "/d/gone"), 0);
		sync_directory(SIM_ROOT "/d");
		crash(0);
		assert_int_equal(access(SIM_ROOT "/d/b", F_OK), 0);
		assert_int_equal(access(SIM_ROOT "/d/a", F_OK), -1);
		assert_int_equal(access(SIM_ROOT "/d/gone", F_OK), -1);
	}
}

TEST(calls_answer_as_a_linux_file_system_does)
{
	uint8_t bytes[4096 + SECTOR] = { 0 }, *aligned = bytes + SECTOR - (uintptr_t)bytes % SECTOR;
	struct stat status;
	int a, b;

	begin(3);
	assert_int_equal(open(SIM_ROOT "/none", O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
	a = open(SIM_ROOT "/f", O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0600);
	assert_true(a >= 0);
	assert_int_equal(open(SIM_ROOT "/f", O_RDWR | O_CREAT | O_EXCL, 0600), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(pwrite(a, aligned + 1, SECTOR, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pwrite(a, aligned, SECTOR, 1), -1);
	assert_int_equal(pwrite(a, aligned, 4096, 4096), 4096);
	assert_int_equal(fstat(a, &status), 0);
	assert_int_equal(status.st_size, 8192);
	assert_int_equal(pread(a, aligned, 4096, 8192), 0);
	b = open(SIM_ROOT "/f", O_RDONLY);
	assert_int_equal(pread(b, bytes, 100, 8100), 92);
	assert_int_equal(pwrite(b, bytes, 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(flock(a, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(flock(b, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(a);
	assert_int_equal(flock(b, LOCK_EX | LOCK_NB), 0);
	close(open(SIM_ROOT "/g", O_RDWR | O_CREAT, 0600));
	assert_int_equal(renameat2(AT_FDCWD, SIM_ROOT "/f", AT_FDCWD, SIM_ROOT "/g", 1), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(rmdir(SIM_ROOT "/g"), -1);
	assert_int_equal(pread(a, bytes, 1, 0), -1); /* closed */
	assert_int_equal(errno, EBADF);
	/* What is not below SIM_ROOT is real. */
	a = open("/dev/zero", O_RDONLY);
	assert_true(a >= 0 && a < 100000);
	assert_int_equal(read(a, bytes, 100), 100);
	close(a);
}

TEST(without_power_every_call_fails_and_does_nothing)
{
	uint8_t bytes[SECTOR] = { 1 };
	int fd;

	begin(4);
	fd = open(SIM_ROOT "/f", O_RDWR | O_CREAT, 0600);
	sync_directory(SIM_ROOT);
	sim_disk_cut_after(2);
	assert_int_equal(pwrite(fd, bytes, SECTOR, 0), SECTOR);
	assert_false(sim_disk_cut_due());
	assert_int_equal(fsync(fd), -1); /* the second */
	assert_int_equal(errno, EIO);
	assert_true(sim_disk_cut_due());
	assert_int_equal(open(SIM_ROOT "/g", O_RDWR | O_CREAT, 0600), -1);
	sim_disk_power_off(0);
	assert_int_equal(close(fd), -1);
	sim_disk_power_on();
	assert_false(sim_disk_cut_due());
	assert_int_equal(access(SIM_ROOT "/g", F_OK), -1);
	assert_int_equal(access(SIM_ROOT "/f", F_OK), 0);
}

TEST(faults_come_when_they_are_asked_for)
{
	static const struct {
		struct sim_disk_faults faults;
		int error;
	} cases[] = {
		{ { .no_space = 1000000 }, ENOSPC },
		{ { .read_error = 1000000 }, EIO },
		{ { .sync_error = 1000000 }, EIO },
	};
	uint8_t bytes[SECTOR] = { 0 };

	for (int i = 0; i < 3; i++) {
		int fd, result = 0;

		begin(5);
		fd = open(SIM_ROOT "/f", O_RDWR | O_CREAT, 0600);
		assert_int_equal(pwrite(fd, bytes, SECTOR, 0), SECTOR);
		sim_disk_set_faults(&cases[i].faults);
		result = i == 0   ? fallocate(fd, 0, 0, 8192)
		         : i == 1 ? (int)pread(fd, bytes, SECTOR, 0)
		                  : fsync(fd);
		assert_case_equal(i, result, -1);
		assert_case_equal(i, errno, cases[i].error);
	}
}

TEST(damage_changes_one_bit_or_one_block_of_what_was_durable)
{
	static uint8_t bytes[4 * 4096], after[4 * 4096];
	unsigned bits = 0, blocks = 0;
	int fd;

	begin(6);
	assert_int_equal(sim_disk_flip_bit("journal-", 0), -ENOENT);
	fd = open(SIM_ROOT "/journal-1", O_RDWR | O_CREAT | O_DSYNC, 0600);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 251 + 1);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	sync_directory(SIM_ROOT);
	crash(0);
	assert_int_equal(sim_disk_flip_bit("other", 0), -ENOENT);
	assert_int_equal(sim_disk_flip_bit("journal-", 0), 0);
	assert_int_equal(sim_disk_peek(SIM_ROOT "/journal-1", 0, after, sizeof(after)), 16384);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bits += (unsigned)__builtin_popcount((unsigned)(bytes[i] ^ after[i]));
	assert_int_equal(bits, 1);
	memcpy(bytes, after, sizeof(bytes));
	assert_int_equal(sim_disk_misdirect("journal-"), 0);
	assert_int_equal(sim_disk_peek(SIM_ROOT "/journal-1", 0, after, sizeof(after)), 16384);
	for (unsigned i = 0; i < 4; i++)
		blocks += memcmp(bytes + 4096 * i, after + 4096 * i, 4096) != 0;
	assert_int_equal(blocks, 1);
	crash(0); /* it stays */
	assert_int_equal(sim_disk_peek(SIM_ROOT "/journal-1", 0, bytes, sizeof(bytes)), 16384);
	assert_memory_equal(bytes, after, sizeof(after));
}

TEST(a_patch_is_durable_and_so_is_what_was_written_before)
{
	uint8_t bytes[4096], after[3];
	int fd;

	begin(7);
	fd = open(SIM_ROOT "/file", O_RDWR | O_CREAT, 0600);
	memset(bytes, 1, sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	sync_directory(SIM_ROOT);
	assert_int_equal(sim_disk_patch(SIM_ROOT "/none", 0, "x", 1), -ENOENT);
	assert_int_equal(sim_disk_patch(SIM_ROOT "/file", 4096, "x", 1), -EINVAL);
	assert_int_equal(sim_disk_patch(SIM_ROOT "/file", 100, "x", 1), 0);
	crash(0);
	assert_int_equal(sim_disk_peek(SIM_ROOT "/file", 99, after, 3), 3);
	assert_memory_equal(after, "\1x\1", 3);
}

TEST(a_seed_makes_the_same_run_again)
{
	static uint8_t bytes[2][SECTORS * SECTOR];

	for (int run = 0; run < 2; run++) {
		struct model model = { 0 };

		begin(77);
		model_open(&model);
		for (uint32_t i = 0; i < SECTORS; i++)
			model.sectors[i].count = 1;
		for (int i = 0; i < 100; i++)
			model_write(&model, 0);
		sync_directory(SIM_ROOT);
		crash(0);
		assert_true(sim_disk_peek(SIM_ROOT "/file", 0, bytes[run], sizeof(bytes[run])) > 0);
	}
	assert_memory_equal(bytes[0], bytes[1], sizeof(bytes[0]));
}

TEST_MAIN()
