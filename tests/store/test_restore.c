/* SPDX-License-Identifier: Apache-2.0 */
/* A shard whose events came from elsewhere: its journal begins behind them. */
#include "lmdb-schema/schema.h"
#include "tests/store/follow.h"

#define RESTORED 1000u

/* The events of all batches made so far into an empty store; returns the last LSN. */
static uint64_t restore_all(struct follow *follow, int checkpoint)
{
	struct store_report report;
	struct store *store = store_start(&follow->config, &report);
	uint64_t last;

	assert_int_equal(report.applied_lsn, 0);
	for (uint32_t i = 0; i < follow->world->batch_count; i++) {
		const struct world_batch *batch = &follow->world->batches[i];

		assert_int_equal(
		    store_restore_events(store, batch->events, le32_get(batch->header.body_length)),
		    0);
		/* A checkpoint in the middle: the rest is in the log only. */
		if (checkpoint && i == follow->world->batch_count / 2)
			assert_int_equal(store_checkpoint_now(store), 0);
	}
	assert_int_equal(store_commit(store), 0);
	last = ledger_shard(store_ledger(store))->lsn;
	assert_true(store_hash(store) == ledger_state_hash(follow->world->ledger));
	store_close(store);
	return last;
}

static void world_make(struct world *world)
{
	world_provision(world);
	(void)world_close(world);
	while (ledger_shard(world->ledger)->lsn < RESTORED)
		(void)world_batch(world, 50);
}

static void go_on(struct follow *follow, unsigned batches)
{
	for (unsigned i = 0; i < batches; i++)
		follow_write(follow, world_batch(follow->world, 20));
}

/* The inspector must find log, rows and a journal that begins late good; seen in a copy. */
static void verify(const struct follow *follow)
{
	char command[512];

	if (getenv("SLUICE_DB") == NULL) /* meson sets it */
		return;
	snprintf(command, sizeof(command),
	    "mkdir -p '%s/copy/var/lib/sluice/shard-0' && cd '%s' && "
	    "cp -r journal rows log-* copy/var/lib/sluice/shard-0 && "
	    "'%s' --root copy verify >copy/out 2>&1 || { cat copy/out; exit 1; } && rm -r copy",
	    follow->path, follow->path, getenv("SLUICE_DB"));
	assert_int_equal(system(command), 0);
}

static void check_begun_journal(int checkpoint)
{
	struct journal_identity identity;
	uint64_t last, incarnation = 0;
	struct follow follow;

	follow_begin(&follow);
	follow.config.log_rotate_size = 200000; /* several log environments */
	world_make(follow.world);
	last = restore_all(&follow, checkpoint);
	assert_true(last >= RESTORED);
	assert_int_equal(journal_begin(&follow.journal, last, 4711, &incarnation, NULL, 0), 0);
	assert_true(incarnation > 4711);
	verify(&follow); /* no batch yet */

	/* Starts, goes on, is killed before any checkpoint, recovers, goes on, recovers again. */
	for (unsigned round = 0; round < 3; round++) {
		follow_start(&follow, 64);
		assert_int_equal(ledger_shard(store_ledger(follow.store))->lsn,
		    ledger_shard(follow.world->ledger)->lsn);
		assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
		go_on(&follow, 5);
		if (round == 1)
			follow_work(&follow);
		follow_stop(&follow);
		verify(&follow);
	}
	follow_start(&follow, 64);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	assert_int_equal(store_checkpoint_now(follow.store), 0);
	follow_stop(&follow);
	follow_start(&follow, 64);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	follow_stop(&follow);
	assert_int_equal(journal_identity_read(&follow.journal, &identity), 0);
	assert_int_equal(identity.incarnation, incarnation);
	assert_int_equal(identity.base_lsn, last);
	follow_end(&follow);
}

TEST(journal_begun_behind_a_log_without_a_checkpoint)
{
	check_begun_journal(0);
}

TEST(journal_begun_behind_a_checkpoint_and_a_longer_log)
{
	check_begun_journal(1);
}

TEST(rows_of_an_older_incarnation_join_a_begun_journal_and_no_other)
{
	struct store_report report;
	struct follow follow;
	struct store *store;
	uint64_t last;

	follow_begin(&follow);
	world_make(follow.world);
	store = store_start(&follow.config, &report);
	for (uint32_t i = 0; i < follow.world->batch_count; i++)
		assert_int_equal(world_store(store, &follow.world->batches[i]), 0);
	assert_int_equal(store_checkpoint_now(store), 0); /* incarnation 77 */
	last = ledger_shard(store_ledger(store))->lsn;
	store_close(store);

	store = store_start(&follow.config, &report);
	assert_int_equal(report.incarnation, 77);
	/* Another journal that began at 1, one that begins below, above, or is older. */
	assert_int_equal(store_join_journal(store, 78, 0, &report), -EBADMSG);
	assert_int_equal(store_join_journal(store, 78, last - 1, &report), -EBADMSG);
	assert_int_equal(store_join_journal(store, 78, last + 1, &report), -EBADMSG);
	assert_non_null(strstr(report.message, "log ends at"));
	assert_int_equal(store_join_journal(store, 76, last, &report), -EBADMSG);
	assert_non_null(strstr(report.message, "not the one"));
	assert_int_equal(store_join_journal(store, 77, 0, &report), 0);
	assert_int_equal(store_join_journal(store, 78, last, &report), 0);
	assert_int_equal(world_store(store, world_batch(follow.world, 5)), -EBADMSG); /* 77 */
	store_close(store);
	follow_end(&follow);
}

TEST(restoring_refuses_a_gap_and_damage_and_then_takes_nothing_more)
{
	struct store_report report;
	const struct world_batch *first, *second;
	struct follow follow;
	struct store *store;

	follow_begin(&follow);
	world_provision(follow.world);
	first = world_close(follow.world);
	second = world_batch(follow.world, 10);
	store = store_start(&follow.config, &report);
	assert_int_equal(
	    store_restore_events(store, second->events, le32_get(second->header.body_length)),
	    -EBADMSG);
	assert_int_equal(
	    store_restore_events(store, first->events, le32_get(first->header.body_length)),
	    -EBADMSG);
	store_close(store);
	store = store_start(&follow.config, &report);
	assert_int_equal(
	    store_restore_events(store, first->events, le32_get(first->header.body_length) - 8),
	    -EBADMSG);
	store_close(store);
	follow_end(&follow);
}

/* What a person who lost the journal's directory must not get: a silent new beginning. */
TEST(store_without_its_journal_is_refused)
{
	struct journal_report journal;
	struct store_report report;
	struct follow follow;
	struct store *store;

	follow_begin(&follow);
	world_make(follow.world);
	(void)restore_all(&follow, 1);
	store = store_start(&follow.config, &report);
	assert_int_equal(journal_recover(&follow.journal, report.checkpoint_lsn + 1,
	                     report.applied_lsn, follow_apply, store, &journal),
	    -EBADMSG);
	assert_non_null(strstr(journal.damage, "no journal"));
	store_close(store);
	follow_end(&follow);
}

/* ---- Rows that have changed since they were written ---- */

struct flip {
	unsigned byte;        /* of the balance */
	uint8_t without_hash; /* as programs before wrote it: nothing says what the state must be */
};

/* One bit in the balance of the first account that has money. */
static int flip_body(struct db_txn *txn, void *context)
{
	const struct flip *flip = context;
	struct record_account_full record;
	struct db_cursor cursor;
	struct db_key key;
	int error = db_cursor_open(&cursor, txn, SCHEMA_ACCOUNT);

	for (error = error == 0 ? db_cursor_first(&cursor) : error; error == 0;
	     error = db_cursor_next(&cursor)) {
		assert_int_equal(record_account_read(cursor.value, &record), 0);
		if (le64s_get(record.account.balance) > 0)
			break;
	}
	db_cursor_close(&cursor);
	assert_int_equal(error, 0);
	((uint8_t *)&record.account.balance)[flip->byte] ^= 0x40;
	key = db_key_make(le64_get(record.account.id));
	error = db_put(txn, SCHEMA_ACCOUNT, db_key(&key),
	    (struct db_bytes){ &record, le16_get(record.account.header.size) });
	if (error == 0 && flip->without_hash)
		error = db_delete(txn, SCHEMA_META, (struct db_bytes){ "state", 5 });
	return error;
}

static void flip(const char *path, unsigned byte, int without_hash)
{
	struct flip flip = { .byte = byte, .without_hash = without_hash != 0 };
	struct db_env *env;

	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, flip_body, &flip), 0);
	db_env_close(env);
}

static int load(const struct store_config *config, struct store_report *report)
{
	struct store *store;
	int error;

	assert_int_equal(store_open(&store, config, report), 0);
	error = store_load(store, report);
	store_close(store);
	return error;
}

/* A restored journal has no batch that says what the state must be: the rows say it. */
TEST(a_bit_in_restored_rows_is_found_before_there_is_a_batch)
{
	uint64_t incarnation = 0, last;
	struct store_report report;
	struct follow follow;
	struct store *store;

	follow_begin(&follow);
	world_make(follow.world);
	last = restore_all(&follow, 1);
	assert_int_equal(journal_begin(&follow.journal, last, 1, &incarnation, NULL, 0), 0);
	store = store_start(&follow.config, &report);
	assert_int_equal(store_join_journal(store, incarnation, last, &report), 0);
	assert_int_equal(store_checkpoint_now(store), 0);
	store_close(store);
	assert_int_equal(load(&follow.config, &report), 0);
	for (unsigned byte = 0; byte < 6; byte++) {
		flip(follow.path, byte, 0);
		assert_int_equal(load(&follow.config, &report), -EBADMSG);
		print_message("  %s\n", report.message);
		assert_non_null(strstr(report.message, "/rows are damaged: their state at LSN"));
		flip(follow.path, byte, 0);
		assert_int_equal(load(&follow.config, &report), 0);
	}
	/* Newer rows are not held to an older state's hash. */
	follow_start(&follow, 64);
	go_on(&follow, 5);
	follow_work(&follow);
	follow_stop(&follow);
	follow_start(&follow, 64);
	assert_true(store_hash(follow.store) == ledger_state_hash(follow.world->ledger));
	assert_int_equal(store_checkpoint_now(follow.store), 0);
	follow_stop(&follow);
	assert_int_equal(load(&follow.config, &report), 0);
	/* A root of before is started on as it is. */
	flip(follow.path, 2, 1);
	assert_int_equal(load(&follow.config, &report), 0);
	follow_end(&follow);
}

TEST_MAIN()
