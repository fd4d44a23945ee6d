/* SPDX-License-Identifier: Apache-2.0 */
/* A full disk below the store: it waits, the journal keeps what comes, and all is made up for. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lmdb-schema/schema.h"
#include "tests/store/follow.h"

static char small_path[100];

/* A file system of `size` for the store alone, seen by this process alone. 0: not allowed here. */
static int small_mount(struct follow *follow, const char *size)
{
	snprintf(small_path, sizeof(small_path), "%s/small", follow->path);
	assert_int_equal(mkdir(small_path, 0700), 0);
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", small_path, "tmpfs", 0, size) != 0)
		return 0;
	follow->config.directory = small_path;
	return 1;
}

static void small_size(const char *size)
{
	assert_int_equal(mount("tmpfs", small_path, "tmpfs", MS_REMOUNT, size), 0);
}

static struct store_status status_of(const struct follow *follow)
{
	struct store_status status;

	store_status(follow->store, &status);
	return status;
}

/* One look of the store thread, `later_ns` after the last. */
static void turn(struct follow *follow, uint64_t later_ns)
{
	follow->now += later_ns;
	assert_true(store_work(follow->store, follow->feed, follow->reader, follow->now) >= 0);
}

/* The worker goes on until the store has met the end of the disk, and for some batches behind. */
static void fill(struct follow *follow)
{
	for (int i = 0; i < 2000 && status_of(follow).waiting == 0; i++) {
		follow_write(follow, world_batch(follow->world, 200));
		turn(follow, 1000000);
	}
	assert_int_equal(status_of(follow).waiting, ENOSPC);
	for (int i = 0; i < 40; i++)
		follow_write(follow, world_batch(follow->world, 20));
}

static void waits_and_makes_up(uint32_t checkpoint_interval_ms, uint64_t log_rotate_size)
{
	struct store_status status;
	struct follow follow;
	uint64_t last, applied;

	follow_begin(&follow);
	follow.config.checkpoint_interval_ms = checkpoint_interval_ms;
	follow.config.log_rotate_size = log_rotate_size;
	if (!small_mount(&follow, "size=3m")) {
		follow_end(&follow);
		skip();
	}
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	for (int round = 1; round <= 2; round++) {
		fill(&follow);
		last = ledger_shard(follow.world->ledger)->lsn;
		applied = status_of(&follow).applied_lsn;
		assert_true(applied < last);
		/* Still full: nothing is taken, nothing has failed, and it is not tried all the
		 * time. */
		for (int i = 0; i < 5; i++)
			turn(&follow, 1100000000);
		status = status_of(&follow);
		assert_int_equal(status.waiting, ENOSPC);
		assert_int_equal(status.waits, round);
		assert_int_equal(status.errors, 0);
		small_size(round == 1 ? "size=8m" : "size=64m");
		turn(&follow, 1000000);
		assert_int_equal(status_of(&follow).waiting, ENOSPC); /* its second is not over */
		for (int i = 0; i < 200 && status_of(&follow).committed_lsn < last; i++)
			turn(&follow, 1100000000);
		status = status_of(&follow);
		assert_int_equal(status.committed_lsn, last);
		assert_int_equal(status.waiting, 0);
		assert_int_equal(status.divergences, 0);
		assert_true(status.batches_from_files > 0);
		assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	}
	assert_int_equal(store_checkpoint_now(follow.store), 0);
	follow_stop(&follow);
	follow_start(&follow, 16);
	assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn, last);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	assert_int_equal(umount(small_path), 0);
	follow_end(&follow);
}

TEST(a_full_disk_under_the_log_is_waited_out)
{
	waits_and_makes_up(3600000, 0);
}

TEST(a_full_disk_under_checkpoints_and_rotation_is_waited_out)
{
	waits_and_makes_up(1, 300000);
}

/* Killed while it waits: what was in memory is in the journal. */
TEST(a_restart_while_it_waits_loses_nothing)
{
	struct follow follow;
	uint64_t last;

	follow_begin(&follow);
	if (!small_mount(&follow, "size=3m")) {
		follow_end(&follow);
		skip();
	}
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	fill(&follow);
	last = ledger_shard(follow.world->ledger)->lsn;
	follow_stop(&follow);
	small_size("size=64m");
	follow_start(&follow, 16);
	assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn, last);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	assert_int_equal(umount(small_path), 0);
	follow_end(&follow);
}

/* LMDB's lock file is mapped: on a full disk the first write to it would be a SIGBUS. */
TEST(a_new_log_on_a_full_disk_is_refused_and_made_when_there_is_room)
{
	static const uint8_t block[4096];
	struct follow follow;
	struct db_env *env;
	char path[120];
	int fd;

	follow_begin(&follow);
	if (!small_mount(&follow, "size=1m")) {
		follow_end(&follow);
		skip();
	}
	snprintf(path, sizeof(path), "%s/filler", small_path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		;
	close(fd);
	assert_int_equal(schema_log_open(&env, small_path, 1, 0), -ENOSPC);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(schema_log_open(&env, small_path, 1, 0), 0);
	db_env_close(env);
	assert_int_equal(umount(small_path), 0);
	follow_end(&follow);
}

TEST_MAIN()
