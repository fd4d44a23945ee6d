/* SPDX-License-Identifier: Apache-2.0 */
/* A switch out of PostgreSQL, and what replication does with a restored one. */
#include <sys/wait.h>

#include "lmdb-schema/schema.h"
#include "tests/control/replication/bed.h"
#include "tests/control/replication/control_rows.h"

/* Output of a program; its exit status in *status. */
static json_t *program_json(const char *command, int *status)
{
	FILE *stream = popen(command, "r");
	json_t *result;

	assert_non_null(stream);
	result = json_loadf(stream, 0, NULL);
	*status = WEXITSTATUS(pclose(stream));
	return result;
}

static json_t *restore(const char *root, int *status)
{
	char command[1024];

	snprintf(command, sizeof(command), "'%s' restore --from-postgres '%s' --root '%s' --json",
	    bed_environment("SLUICE_DB"), bed_environment("SLUICE_TEST_POSTGRES"), root);
	return program_json(command, status);
}

static void tables_equal(struct db_txn *a, struct db_txn *b, unsigned table)
{
	struct db_cursor x, y;
	int more_x, more_y;

	assert_int_equal(db_cursor_open(&x, a, table), 0);
	assert_int_equal(db_cursor_open(&y, b, table), 0);
	more_x = db_cursor_first(&x);
	more_y = db_cursor_first(&y);
	while (more_x == 0 && more_y == 0) {
		assert_int_equal(x.key.size, y.key.size);
		assert_memory_equal(x.key.data, y.key.data, x.key.size);
		assert_int_equal(x.value.size, y.value.size);
		assert_memory_equal(x.value.data, y.value.data, x.value.size);
		more_x = db_cursor_next(&x);
		more_y = db_cursor_next(&y);
	}
	assert_int_equal(more_x, more_y);
	db_cursor_close(&x);
	db_cursor_close(&y);
}

/* Row by row: all tables from `first` to before `end`. */
static void environments_equal(struct db_env *a, struct db_env *b, unsigned first, unsigned end)
{
	struct db_txn x, y;

	assert_int_equal(db_read_open(&x, a), 0);
	assert_int_equal(db_read_open(&y, b), 0);
	assert_int_equal(db_read_begin(&x), 0);
	assert_int_equal(db_read_begin(&y), 0);
	for (unsigned table = first; table < end; table++)
		tables_equal(&x, &y, table);
	db_read_close(&x);
	db_read_close(&y);
}

static void rows_equal(const char *root_a, const char *root_b, uint32_t shard)
{
	char path[128];
	struct db_env *a, *b;

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root_a, shard);
	assert_int_equal(schema_rows_open(&a, path, 1), 0);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root_b, shard);
	assert_int_equal(schema_rows_open(&b, path, 1), 0);
	environments_equal(a, b, SCHEMA_ACCOUNT, SCHEMA_ROW_TABLE_COUNT);
	db_env_close(a);
	db_env_close(b);
}

static void control_equal(const char *root_a, const char *root_b)
{
	char path[128];
	struct db_env *a, *b;

	snprintf(path, sizeof(path), "%s/var/lib/sluice/control", root_a);
	assert_int_equal(control_schema_open(&a, path, 1), 0);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/control", root_b);
	assert_int_equal(control_schema_open(&b, path, 1), 0);
	environments_equal(a, b, CONTROL_TABLE_TERMINAL, CONTROL_TABLE_COUNT);
	db_env_close(a);
	db_env_close(b);
}

static void control_typed(void)
{
	assert_string_equal(
	    bed_sql("select string_agg(id || ' ' || state || ' ' || name, ',' order "
	            "by id) from sluice.terminals"),
	    "1 2 kiosk,3 1 Caf\xc3\xa9 'x'");
	assert_string_equal(
	    bed_sql("select changed at time zone 'UTC' from sluice.terminals where id = 1"),
	    "2026-01-01 00:00:00.023456");
	assert_string_equal(
	    bed_sql("select state || ' ' || (done is not null) || detail from sluice.commands"),
	    "2 true{\"command\": \"a\"}");
	assert_string_equal(
	    bed_sql("select (uid is null) || detail || encode(substr(hash, 1, 2), 'hex') from "
	            "sluice.audit"),
	    "true{\"verb\": \"x\"}abab");
	assert_string_equal(
	    bed_sql("select name || array_to_string(selections, ';') || odds[3] from "
	            "sluice.markets"),
	    "A v BO'Brien \"United\";Draw, {1};K\xc3\xb6ln\\1502");
	assert_string_equal(
	    bed_sql("select count(*) || ' ' || count(value) from sluice.control_change"), "20 19");
}

/* ---- Tests ---- */

static void hash_expect(const json_t *shard, const struct maker *maker)
{
	char text[24];

	snprintf(
	    text, sizeof(text), "%016llx", (unsigned long long)ledger_state_hash(maker->ledger));
	assert_string_equal(json_string_value(json_object_get(shard, "state_hash")), text);
	assert_int_equal(bed_number(shard, "lsn"), maker_lsn(maker));
	assert_true(bed_number(shard, "incarnation") > (int64_t)maker->options.incarnation);
}

static void verify_expect(const char *root, const json_t *restored)
{
	char command[512];
	json_t *result;
	int status;

	snprintf(command, sizeof(command), "'%s' verify --root '%s' --json",
	    bed_environment("SLUICE_DB"), root);
	result = program_json(command, &status);
	assert_int_equal(status, 0);
	assert_true(json_is_true(json_object_get(result, "ok")));
	assert_string_equal(json_string_value(json_object_get(result, "state_hash")),
	    json_string_value(json_object_get(restored, "state_hash")));
	json_decref(result);
}

TEST(a_restored_root_equals_the_one_that_was_lost_and_goes_on)
{
	char root[96], lost[96], command[512];
	json_t *restored, *refused;
	struct bed bed;
	size_t i;
	json_t *shard;
	int status;

	bed_open(&bed);
	assert_int_equal(database_write(bed.database, control_rows_body, NULL), 0);
	for (uint32_t k = 0; k < BED_SHARDS; k++)
		maker_events(bed.makers[k], 4000 + k);
	bed_start(&bed);
	refused = restore(bed.root, &status);
	assert_int_equal(status, 1); /* replication holds the lock, or the root holds data */
	json_decref(refused);
	bed_settle(&bed);
	for (unsigned k = 0; k < 500; k++) {
		struct replication_report report;

		replication_report(bed.replication, &report);
		if (report.change_sequence == CONTROL_ROWS_CHANGES)
			break;
		bed_sleep_ms(10);
	}
	control_typed();
	bed_stop(&bed);
	refused = restore(bed.root, &status);
	assert_int_equal(status, 1); /* the root holds data */
	json_decref(refused);

	snprintf(root, sizeof(root), "%s/new", bed.root);
	restored = restore(root, &status);
	assert_int_equal(status, 0);
	json_array_foreach(json_object_get(restored, "shards"), i, shard)
	    hash_expect(shard, bed.makers[i]);
	assert_int_equal(i, BED_SHARDS);
	assert_int_equal(bed_number(restored, "changes"), CONTROL_ROWS_CHANGES);
	bed_makers_close(&bed);
	for (uint32_t k = 0; k < BED_SHARDS; k++)
		rows_equal(bed.root, root, k);
	control_equal(bed.root, root);
	verify_expect(root, restored);
	json_decref(restored);

	/* The restored switch replicates into the same database, behind what is there. */
	database_close(bed.database);
	snprintf(lost, sizeof(lost), "%s/lost", bed.root);
	snprintf(command, sizeof(command), "mv '%s/var' '%s' && mv '%s/var' '%s/var'", bed.root,
	    lost, root, bed.root);
	assert_int_equal(system(command), 0);
	for (uint32_t k = 0; k < BED_SHARDS; k++) {
		struct maker_options options = bed_maker_options(&bed, k);

		options.resume = 1;
		options.incarnation = 2000;
		options.seed = 99;
		options.time_ns = BED_TIME + 3600000000000ull;
		bed.makers[k] = maker_open(&options);
		maker_events(bed.makers[k], 1500);
	}
	bed_database_open(&bed);
	bed_start(&bed);
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_accounts_equal(&bed);
	assert_string_equal(
	    bed_sql("select count(*) from sluice.incarnation where shard >= 0"), "4");
	assert_string_equal(bed_sql("select count(*) from sluice.log_superseded"), "0");
	bed_close(&bed);
}

TEST(events_above_the_restore_point_of_an_older_backup_are_superseded)
{
	char backup[96], command[512];
	uint64_t kept[BED_SHARDS], lost = 0;
	char expected[64];
	struct bed bed;

	bed_open(&bed);
	for (uint32_t k = 0; k < BED_SHARDS; k++) {
		struct maker_options options = bed.makers[k]->options;

		maker_events(bed.makers[k], 1000 + 100 * k);
		kept[k] = maker_lsn(bed.makers[k]);
		maker_free(bed.makers[k]);
		snprintf(backup, sizeof(backup), "%s/backup", bed.root);
		snprintf(command, sizeof(command),
		    "mkdir -p '%s' && cp -r '%s/var/lib/sluice/shard-%u' '%s/'", backup, bed.root,
		    k, backup);
		assert_int_equal(system(command), 0);
		options.resume = 1; /* the same journal: incarnation as before */
		options.time_ns = BED_TIME + 600000000000ull;
		bed.makers[k] = maker_open(&options);
		maker_events(bed.makers[k], 2000);
		lost += 2000;
	}
	bed_start(&bed);
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_stop(&bed);
	bed_makers_close(&bed);

	for (uint32_t k = 0; k < BED_SHARDS; k++) {
		struct maker_options options = bed_maker_options(&bed, k);

		snprintf(command, sizeof(command),
		    "rm -r '%s/var/lib/sluice/shard-%u' && mv '%s/shard-%u' '%s/var/lib/sluice/'",
		    bed.root, k, backup, k, bed.root);
		assert_int_equal(system(command), 0);
		options.resume = 1;
		options.incarnation = 5000;
		options.seed = 77;
		options.time_ns = BED_TIME + 600000000000ull;
		bed.makers[k] = maker_open(&options);
		assert_int_equal(maker_lsn(bed.makers[k]), kept[k]);
		maker_events(bed.makers[k], 700);
	}
	bed_start(&bed);
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_accounts_equal(&bed);
	snprintf(expected, sizeof(expected), "%llu", (unsigned long long)lost);
	assert_string_equal(
	    bed_sql("select sum(last_lsn - greatest(first_lsn, superseded_from) + 1) from "
	            "sluice.log_superseded"),
	    expected);
	assert_string_equal(
	    bed_sql("select count(*) from sluice.bets b where not exists (select "
	            "from sluice.transactions t where t.shard = b.shard and t.lsn = "
	            "b.lsn and t.object = b.bet)"),
	    "0");
	bed_close(&bed);
}

TEST(an_older_incarnation_is_refused)
{
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	bed_settle(&bed);
	bed_stop(&bed);
	bed_sql("update sluice.cursor set incarnation = 1001 where shard = 1 returning 1");
	bed_start(&bed);
	bed_expect_failed(&bed, "replaced by a restored one");
	bed_close(&bed);
}

TEST_MAIN()
