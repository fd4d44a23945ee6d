/* SPDX-License-Identifier: Apache-2.0 */
/* How far PostgreSQL is told to be behind: control's changes too, and after a restart. */
#include "tests/control/replication/bed.h"
#include "tests/control/replication/control_rows.h"

static void makers_add(struct bed *bed, uint64_t count)
{
	for (uint32_t i = 0; i < BED_SHARDS; i++)
		maker_events(bed->makers[i], count);
}

static int changes_body(struct db_txn *txn, void *context)
{
	(void)context;
	for (uint64_t id = 1; id <= 5; id++)
		terminal_put(txn, id, "kiosk", CONTROL_TERMINAL_ACTIVE);
	return 0;
}

/* Waits until `changes` are told as not replicated, and the lag's age is more than `ms`. */
static struct replication_report changes_expect(struct bed *bed, uint64_t changes, uint64_t ms)
{
	struct replication_report report = { 0 };

	for (unsigned i = 0; i < 1000 && (report.lag_changes != changes || report.lag_ms <= ms);
	     i++) {
		bed_sleep_ms(10);
		replication_report(bed->replication, &report);
	}
	assert_int_equal(report.lag_changes, changes);
	assert_true(report.lag_ms > ms);
	return report;
}

TEST(changes_of_control_count_as_lag_and_age_while_it_is_paused_or_failed)
{
	struct replication_report report;
	json_t *status;
	struct bed bed;

	bed_open(&bed);
	bed.config.replication.backoff_ms_max = 60000; /* longer than the test waits */
	bed_start(&bed);
	bed_settle(&bed);
	replication_report(bed.replication, &report);
	assert_int_equal(report.lag_changes, 0);
	replication_pause(bed.replication, 1);
	assert_int_equal(database_write(bed.database, changes_body, NULL), 0);
	report = changes_expect(&bed, 5, 0);
	assert_int_equal(report.lag_events, 0);
	(void)changes_expect(&bed, 5, report.lag_ms + 300);
	status = replication_status(bed.replication);
	assert_int_equal(bed_number(status, "lag_changes"), 5);
	assert_true(bed_number(status, "lag_ms") > 300);
	json_decref(status);
	bed_stop(&bed);
	bed_sql("update sluice.deployment set name = 'other' returning 1");
	bed_start(&bed);
	bed_expect_failed(&bed, "belongs to deployment other");
	/* More come while it waits: they are told long before it tries again. */
	assert_int_equal(database_write(bed.database, changes_body, NULL), 0);
	report = changes_expect(&bed, 10, 0);
	report = changes_expect(&bed, 10, report.lag_ms + 300);
	assert_int_equal(report.state, REPLICATION_FAILED);
	assert_int_equal(report.errors, 1);
	bed_close(&bed);
}

/* A new start while the server is away, and what it tells once it tried in vain. */
static void restarted_lag_expect(struct bed *bed, uint64_t events, uint64_t changes)
{
	struct replication_report report = { 0 };

	bed_start(bed);
	for (unsigned i = 0; i < 500 && report.errors == 0; i++) {
		bed_sleep_ms(10);
		replication_report(bed->replication, &report);
	}
	assert_true(report.errors > 0);
	assert_int_equal(report.lag_events, events);
	assert_int_equal(report.lag_changes, changes);
	if (events == 0 && changes == 0)
		assert_int_equal(report.lag_ms, 0);
	bed_stop(bed);
}

TEST(restarted_without_the_server_it_starts_from_the_cursors_known_last)
{
	struct replication_report report = { 0 };
	struct bed bed;
	char *connection = bed.config.replication.connection;
	size_t room = sizeof(bed.config.replication.connection), length;
	uint64_t before;

	bed_open(&bed);
	makers_add(&bed, 1000);
	assert_int_equal(database_write(bed.database, changes_body, NULL), 0);
	bed_start(&bed);
	bed_settle(&bed);
	for (unsigned i = 0; i < 500 && report.change_sequence != 5; i++) {
		bed_sleep_ms(10);
		replication_report(bed.replication, &report);
	}
	assert_int_equal(report.change_sequence, 5);
	bed_stop(&bed);
	bed_order("kill");
	/* Twice: what was recalled is not lost by a run that never reached the server. */
	restarted_lag_expect(&bed, 0, 0);
	restarted_lag_expect(&bed, 0, 0);
	before = maker_lsn(bed.makers[0]) + maker_lsn(bed.makers[1]);
	makers_add(&bed, 100);
	assert_int_equal(database_write(bed.database, changes_body, NULL), 0);
	restarted_lag_expect(&bed, 200, 5);
	/* A position in another database is not believed: all counts. */
	length = strlen(connection);
	snprintf(connection + length, room - length, " connect_timeout=3");
	restarted_lag_expect(&bed, before + 200, 10);
	connection[length] = '\0';
	bed_order("start");
	bed_start(&bed);
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_close(&bed);
}

TEST(a_position_of_another_incarnation_counts_as_unknown)
{
	struct maker_options options;
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	bed_settle(&bed);
	bed_stop(&bed);
	bed_order("kill");
	maker_free(bed.makers[1]);
	options = bed_maker_options(&bed, 1);
	options.incarnation = 2000;
	options.resume = 1;
	bed.makers[1] = maker_open(&options);
	makers_add(&bed, 10);
	assert_int_equal(store_checkpoint_now(bed.makers[1]->store), 0);
	restarted_lag_expect(&bed, 10 + maker_lsn(bed.makers[1]), 0);
	bed_order("start");
	bed_close(&bed);
}

TEST_MAIN()
