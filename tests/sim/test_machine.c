/* SPDX-License-Identifier: Apache-2.0 */
/* The production journal, recovery and store on the simulated machine, through power cuts. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/sim/sim.h"
#include "tests/store/follow.h"

#define BUFFERS 8

static void machine_begin(struct follow *follow, uint64_t seed)
{
	int root;

	memset(follow, 0, sizeof(*follow));
	sim_seed(seed);
	sim_disk_reset();
	follow->world = world_create(seed);
	/* As dataplane/recover.c does before it opens a store. */
	assert_int_equal(mkdir(SIM_ROOT "/shard-0", 0755), 0);
	root = open(SIM_ROOT, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fsync(root), 0);
	close(root);
	snprintf(follow->path, sizeof(follow->path), SIM_ROOT "/shard-0");
	snprintf(follow->journal_path, sizeof(follow->journal_path), "%s/journal", follow->path);
	follow->journal = (struct journal_config){ .directory = follow->journal_path,
		.segment_size = LIMIT_JOURNAL_SEGMENT_SIZE_MIN,
		.segments_ready = 2,
		.segments_max = 8,
		.depth = 2 };
	follow->config = store_config_of(follow->world, follow->path);
	follow->config.checkpoint_interval_ms = 20;
	follow->config.log_rotate_size = 400000;
}

static void machine_crash(struct follow *follow, int kill_only)
{
	sim_disk_power_off(kill_only);
	follow_stop(follow);
	sim_disk_power_on();
}

TEST(crash_after_crash_loses_nothing_durable)
{
	uint64_t seed = test_seed(), last = 0;
	struct follow follow;

	machine_begin(&follow, seed);
	for (int round = 0; round < 20; round++) {
		follow_start(&follow, BUFFERS);
		assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn, last);
		if (last > 0)
			assert_true(
			    store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
		if (round == 0) {
			world_provision(follow.world);
			follow_write(&follow, world_close(follow.world));
		}
		for (uint64_t i = sim_below(40); i > 0; i--) {
			follow_write(&follow, world_batch(follow.world, 30));
			sim_clock_advance(1000000);
			if (sim_below(3) == 0)
				follow_work(&follow);
		}
		last = ledger_shard(follow.world->ledger)->lsn;
		if (round % 5 == 4)
			follow_stop(&follow);
		else
			machine_crash(&follow, round % 5 == 2);
	}
	assert_true(sim_disk_counts().completions > 0);
	assert_true(sim_lmdb_commits() > 0);
	world_free(follow.world);
}

TEST_MAIN()
