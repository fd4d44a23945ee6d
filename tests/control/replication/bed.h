/* SPDX-License-Identifier: Apache-2.0 */
/* A root with synthetic shards, control's database and a replication into the server that
 * with-postgres started. */
#ifndef SLUICE_TESTS_CONTROL_REPLICATION_BED_H
#define SLUICE_TESTS_CONTROL_REPLICATION_BED_H

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "control/replication/replication.h"
#include "tests/control/replication/make_log.h"
#include "tests/test.h"

#define BED_SHARDS 2u
#define BED_TIME   1767225599900000000ull /* 2025-12-31 23:59:59.9 */

struct bed {
	char root[64];
	struct control_config config;
	struct maker *makers[BED_SHARDS];
	struct database *database;
	struct replication *replication;
};

static inline const char *bed_environment(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL)
		fail_msg("%s is not set; run under with-postgres", name);
	return value;
}

/* One order to with-postgres; its answer is in a static buffer. */
static inline const char *bed_order(const char *order)
{
	static char answer[4096];
	FILE *orders = fopen(bed_environment("SLUICE_TEST_POSTGRES_CONTROL"), "w");
	FILE *done = fopen(bed_environment("SLUICE_TEST_POSTGRES_DONE"), "r");

	assert_true(orders != NULL && done != NULL);
	fprintf(orders, "%s\n", order);
	fclose(orders);
	assert_non_null(fgets(answer, sizeof(answer), done));
	fclose(done);
	answer[strcspn(answer, "\n")] = '\0';
	return answer;
}

static inline const char *bed_sql(const char *sql)
{
	char order[2048];

	snprintf(order, sizeof(order), "sql %s", sql);
	return bed_order(order);
}

static inline void bed_sleep_ms(unsigned ms)
{
	nanosleep(
	    &(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L }, NULL);
}

static inline struct maker_options bed_maker_options(const struct bed *bed, uint32_t shard)
{
	return (struct maker_options){
		.root = bed->root,
		.shard = shard,
		.shard_count = BED_SHARDS,
		.accounts = 50,
		.events_max = 200000,
		.incarnation = 1000,
		.rotate_size = 600000,
		.seed = shard + 1,
		.time_ns = BED_TIME,
		.step_ns = 100000000,
		.mixed = 1,
	};
}

static inline void bed_database_open(struct bed *bed)
{
	char path[128], message[256];

	snprintf(path, sizeof(path), "%s/var/lib/sluice/control", bed->root);
	if (database_open(&bed->database, path, "test", message, sizeof(message)) != 0)
		fail_msg("%s", message);
}

static inline void bed_open(struct bed *bed)
{
	memset(bed, 0, sizeof(*bed));
	memcpy(bed->root, "/var/tmp/sluice-repl-XXXXXX", sizeof("/var/tmp/sluice-repl-XXXXXX"));
	assert_non_null(mkdtemp(bed->root));
	memcpy(bed->config.deployment, "test", 5);
	snprintf(bed->config.replication.connection, sizeof(bed->config.replication.connection),
	    "%s", bed_environment("SLUICE_TEST_POSTGRES"));
	bed->config.replication.batch_events_max = 700;
	bed->config.replication.batch_delay_ms = 20;
	bed->config.replication.backoff_ms_max = 400;
	bed->config.replication.months_ahead = 2;
	bed_sql("drop schema if exists sluice cascade; select 1");
	for (uint32_t i = 0; i < BED_SHARDS; i++) {
		struct maker_options options = bed_maker_options(bed, i);

		bed->makers[i] = maker_open(&options);
	}
	bed_database_open(bed);
}

static inline void bed_start(struct bed *bed)
{
	assert_int_equal(
	    replication_start(&bed->replication, &bed->config, bed->root, bed->database), 0);
}

static inline void bed_stop(struct bed *bed)
{
	replication_stop(bed->replication);
	bed->replication = NULL;
}

static inline void bed_makers_close(struct bed *bed)
{
	for (uint32_t i = 0; i < BED_SHARDS; i++) {
		if (bed->makers[i] != NULL)
			maker_free(bed->makers[i]);
		bed->makers[i] = NULL;
	}
}

static inline void bed_remove(const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static inline void bed_close(struct bed *bed)
{
	bed_stop(bed);
	bed_makers_close(bed);
	database_close(bed->database);
	bed_remove(bed->root);
}

/* Waits until all that was logged has arrived. */
static inline void bed_settle(struct bed *bed)
{
	struct replication_report report = { 0 };

	for (unsigned i = 0; i < 3000; i++) {
		json_t *status = replication_status(bed->replication), *shard;
		unsigned equal = 0;
		size_t k;

		json_array_foreach(json_object_get(status, "shards"), k, shard) equal +=
		    (uint64_t)json_integer_value(json_object_get(shard, "lsn")) ==
		    maker_lsn(bed->makers[k]);
		json_decref(status);
		if (equal == BED_SHARDS)
			return;
		bed_sleep_ms(20);
	}
	replication_report(bed->replication, &report);
	fail_msg("replication does not arrive: %s", report.message);
}

/* Waits for FAILED with a message that holds `text`. */
static inline void bed_expect_failed(struct bed *bed, const char *text)
{
	struct replication_report report = { 0 };

	for (unsigned i = 0; i < 500; i++) {
		replication_report(bed->replication, &report);
		if (report.state == REPLICATION_FAILED && strstr(report.message, text) != NULL)
			return;
		bed_sleep_ms(20);
	}
	fail_msg("state %d, message \"%s\", expected \"%s\"", report.state, report.message, text);
}

static inline json_t *bed_verify(struct bed *bed)
{
	json_t *result = NULL;
	char message[256];

	if (replication_verify(bed->replication, &result, message, sizeof(message)) != 0)
		fail_msg("verify: %s", message);
	return result;
}

static inline int64_t bed_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static inline void bed_verify_ok(struct bed *bed)
{
	json_t *result = bed_verify(bed);
	uint64_t events = 0;

	for (uint32_t i = 0; i < BED_SHARDS; i++)
		events += maker_lsn(bed->makers[i]);
	if (!json_is_true(json_object_get(result, "ok")))
		fail_msg("%s", json_dumps(result, 0));
	assert_int_equal(bed_number(result, "rows"), events);
	assert_int_equal(bed_number(result, "lmdb_events"), events);
	json_decref(result);
}

/* The accounts table against the ledgers, one by one. */
static inline void bed_accounts_equal(struct bed *bed)
{
	for (uint32_t i = 0; i < BED_SHARDS; i++) {
		const struct maker *maker = bed->makers[i];
		char sql[160];
		uint64_t sum = 0, count = 0;

		for (uint32_t row = 0; row < ledger_row_count(maker->ledger, LEDGER_ACCOUNT);
		     row++) {
			const struct account_row *account = ledger_account_at(maker->ledger, row);

			if (account->id >> 63)
				continue;
			count++;
			sum += (uint64_t)account->balance * (account->id % 1009);
		}
		snprintf(sql, sizeof(sql),
		    "select count(*) = %llu and sum(balance * (id %% 1009)) = %llu from "
		    "sluice.accounts where shard = %u",
		    (unsigned long long)count, (unsigned long long)sum, i);
		assert_string_equal(bed_sql(sql), "t");
	}
}

#endif
