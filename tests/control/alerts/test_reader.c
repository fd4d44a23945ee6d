/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts and profiles out of logs: each event once, whatever dies when; logs that were retired, and
 * a switch that was restored.
 */
#include "control/alerts/follow.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control/alerts/alerts.h"
#include "dataplane/risk/risk.h"
#include "lmdb-schema/event.h"
#include "lmdb-schema/schema.h"
#include "tests/control/temporary.h"
#include "wire/codes.h"

#define SHARDS   2u
#define ACCOUNTS 20u
#define SECOND   1000000000ull

struct bed {
	struct temporary at;
	char root[64];
	struct db_env *logs[SHARDS];
	uint64_t lsn[SHARDS];
	uint64_t random, time_ns;
	uint64_t large[ACCOUNTS]; /* events with LARGE, by account */
	uint64_t alerts;
	struct alerts_reader *reader;
};

static uint64_t random_next(struct bed *bed)
{
	uint64_t z = (bed->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void path_of(const struct bed *bed, uint32_t shard, char path[128])
{
	snprintf(path, 128, "%s/var/lib/sluice/shard-%u", bed->root, shard);
}

static void log_make(struct bed *bed, uint32_t shard, uint64_t first_lsn)
{
	char path[128];

	path_of(bed, shard, path);
	assert_int_equal(schema_log_open(&bed->logs[shard], path, first_lsn, 0), 0);
	bed->lsn[shard] = first_lsn - 1;
}

static void bed_begin(struct bed *bed)
{
	char path[128];

	memset(bed, 0, sizeof(*bed));
	temporary_begin(&bed->at);
	snprintf(bed->root, sizeof(bed->root), "%s", "/var/tmp/sluice-alerts-XXXXXX");
	assert_non_null(mkdtemp(bed->root));
	snprintf(path, sizeof(path), "%s/var", bed->root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/var/lib", bed->root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/var/lib/sluice", bed->root);
	assert_int_equal(mkdir(path, 0755), 0);
	for (uint32_t i = 0; i < SHARDS; i++) {
		path_of(bed, i, path);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	bed->random = (uint64_t)time(NULL);
	print_message("seed %llu\n", (unsigned long long)bed->random);
	bed->time_ns = 1700000000 * SECOND;
	assert_int_equal(alerts_open(bed->at.database), 0);
	assert_int_equal(alerts_reader_create(&bed->reader, bed->root, bed->at.database), 0);
}

static void bed_end(struct bed *bed)
{
	alerts_reader_free(bed->reader);
	for (uint32_t i = 0; i < SHARDS; i++)
		db_env_close(bed->logs[i]);
	assert_int_equal(nftw(bed->root, temporary_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
	temporary_end(&bed->at);
}

/* Control dies: what its memory held is gone. */
static void control_again(struct bed *bed)
{
	alerts_reader_free(bed->reader);
	temporary_again(&bed->at);
	assert_int_equal(alerts_open(bed->at.database), 0);
	assert_int_equal(alerts_reader_create(&bed->reader, bed->root, bed->at.database), 0);
}

static struct event_record event_make(
    struct bed *bed, uint32_t shard, uint64_t account_id, uint32_t factor_bits)
{
	bed->time_ns += SECOND;
	return (struct event_record){ .lsn = le64_make(++bed->lsn[shard]),
		.time_ns = le64_make(bed->time_ns),
		.type = le16_make(EVENT_TICK),
		.length = le16_make(sizeof(struct event_record)),
		.code = le16_make(WIRE_CODE_OK),
		.account_id = le64_make(account_id),
		.terminal_id = le64_make(1 + account_id % 5),
		.factor_bits = le32_make(factor_bits),
		.score = 65 };
}

static void log_put(
    struct bed *bed, uint32_t shard, const struct event_record *events, size_t count)
{
	assert_int_equal(schema_log_write(bed->logs[shard], (const uint8_t *)events,
	                     count * sizeof(*events), le64_get(events[0].lsn)),
	    0);
}

/* An account is on one shard. About half of the events are none of risk's. */
static void events_random(struct bed *bed, uint32_t shard, size_t count)
{
	struct event_record events[600];

	for (size_t i = 0; i < count; i++) {
		uint64_t account = 1 + random_next(bed) % (ACCOUNTS / 2 - 1) + shard * ACCOUNTS / 2;
		uint64_t kind = random_next(bed) % 8;
		uint32_t bits = kind < 4   ? 0
		                : kind < 7 ? RISK_BIT(LARGE)
		                           : RISK_BIT(LARGE) | RISK_BIT(ALERT);

		events[i] = event_make(bed, shard, account, bits);
		bed->large[account] += (bits & RISK_BIT(LARGE)) != 0;
		bed->alerts += (bits & RISK_BIT(ALERT)) != 0;
	}
	log_put(bed, shard, events, count);
}

static uint64_t turn(struct bed *bed, uint64_t suppress_ns, int now)
{
	int64_t read = alerts_reader_turn(bed->reader, suppress_ns, UINT64_MAX, now);

	assert_true(read >= 0);
	return (uint64_t)read;
}

static struct alerts_counts counts_of(const struct bed *bed)
{
	struct alerts_counts counts;

	assert_int_equal(alerts_counts(bed->at.database, &counts), 0);
	return counts;
}

static void profiles_check(const struct bed *bed)
{
	for (uint64_t account = 1; account < ACCOUNTS; account++) {
		json_t *profile = profile_json(bed->at.database, account, 1);
		json_t *factor = json_array_get(json_object_get(profile, "factors"), 0);

		assert_int_equal(
		    json_integer_value(json_object_get(factor, "count")), bed->large[account]);
		json_decref(profile);
	}
}

TEST(every_event_counts_once_whenever_control_dies)
{
	struct bed bed;
	struct alerts_counts counts;

	bed_begin(&bed);
	for (uint32_t i = 0; i < SHARDS; i++)
		log_make(&bed, i, 1);
	for (unsigned round = 0; round < 60; round++) {
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			events_random(&bed, shard, 1 + random_next(&bed) % 599);
		if (random_next(&bed) % 3 != 0)
			(void)turn(&bed, 0, random_next(&bed) % 2);
		if (random_next(&bed) % 3 == 0)
			control_again(&bed);
	}
	(void)turn(&bed, 0, 1);
	assert_int_equal(turn(&bed, 0, 1), 0);
	counts = counts_of(&bed);
	assert_int_equal(counts.raised[CONTROL_ALERT_RISK - 1], bed.alerts);
	assert_int_equal(counts.suppressed, 0);
	profiles_check(&bed);
	bed_end(&bed);
}

TEST(within_the_window_each_event_is_an_alert_or_counted_in_one)
{
	struct bed bed;
	struct alerts_counts counts;

	bed_begin(&bed);
	for (uint32_t i = 0; i < SHARDS; i++)
		log_make(&bed, i, 1);
	for (unsigned round = 0; round < 30; round++) {
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			events_random(&bed, shard, 1 + random_next(&bed) % 599);
		(void)turn(&bed, 600 * SECOND, random_next(&bed) % 2);
		if (random_next(&bed) % 4 == 0)
			control_again(&bed);
	}
	(void)turn(&bed, 600 * SECOND, 1);
	counts = counts_of(&bed);
	assert_true(counts.suppressed > 0);
	assert_int_equal(counts.raised[CONTROL_ALERT_RISK - 1] + counts.suppressed, bed.alerts);
	profiles_check(&bed);
	bed_end(&bed);
}

TEST(what_was_retired_before_it_was_read_is_counted_as_skipped)
{
	struct bed bed;
	struct alerts_counts counts;
	struct event_record event;

	bed_begin(&bed);
	log_make(&bed, 0, 101);
	event = event_make(&bed, 0, 7, RISK_BIT(LARGE) | RISK_BIT(ALERT));
	log_put(&bed, 0, &event, 1);
	while (turn(&bed, 0, 1) > 0)
		;
	counts = counts_of(&bed);
	assert_int_equal(counts.skipped, 100);
	assert_int_equal(counts.raised[CONTROL_ALERT_RISK - 1], 1);
	control_again(&bed);
	assert_int_equal(turn(&bed, 0, 1), 0);
	assert_int_equal(counts_of(&bed).skipped, 100);
	bed_end(&bed);
}

static void log_remove(struct bed *bed, uint32_t shard)
{
	char path[128];

	db_env_close(bed->logs[shard]);
	bed->logs[shard] = NULL;
	path_of(bed, shard, path);
	assert_int_equal(nftw(path, temporary_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* The first `kept` of ten alerts are in both logs; the new one then goes another way. */
static void restored(uint64_t kept, uint64_t new_events)
{
	struct event_record first[10], second[32];
	struct bed bed;

	bed_begin(&bed);
	log_make(&bed, 0, 1);
	for (unsigned i = 0; i < 10; i++)
		first[i] = event_make(&bed, 0, 7, RISK_BIT(LARGE) | RISK_BIT(ALERT));
	log_put(&bed, 0, first, 10);
	assert_int_equal(turn(&bed, 0, 1), 10);
	assert_int_equal(counts_of(&bed).raised[CONTROL_ALERT_RISK - 1], 10);

	alerts_reader_free(bed.reader);
	log_remove(&bed, 0);
	log_make(&bed, 0, 1);
	memcpy(second, first, kept * sizeof(first[0]));
	bed.lsn[0] = kept;
	for (uint64_t i = kept; i < kept + new_events; i++)
		second[i] = event_make(&bed, 0, 8, RISK_BIT(LARGE) | RISK_BIT(ALERT));
	log_put(&bed, 0, second, kept + new_events);
	assert_int_equal(alerts_reader_create(&bed.reader, bed.root, bed.at.database), 0);
	assert_int_equal(turn(&bed, 0, 1), new_events);
	assert_int_equal(counts_of(&bed).raised[CONTROL_ALERT_RISK - 1], 10 + new_events);
	control_again(&bed);
	assert_int_equal(turn(&bed, 0, 1), 0);
	assert_int_equal(counts_of(&bed).raised[CONTROL_ALERT_RISK - 1], 10 + new_events);
	bed_end(&bed);
}

TEST(after_a_restore_of_the_switch_the_new_events_are_read)
{
	restored(4, 3);  /* ends below what was read */
	restored(4, 20); /* has gone on above it */
	restored(9, 1);  /* exactly as far */
}

static int cursor_delete_body(struct db_txn *txn, void *argument)
{
	static const struct {
		char table[8];
		uint8_t rest[24];
	} key = { .table = "cursor" };

	(void)argument;
	struct db_key account = db_key_make(7);

	assert_int_equal(db_delete(txn, CONTROL_TABLE_PROFILE, db_key(&account)), 0);
	return db_delete(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ &key, sizeof(key) });
}

/* Control's database came back from a backup or PostgreSQL, without cursors and profiles. */
TEST(without_a_cursor_profiles_are_read_anew_and_no_alert_comes_twice)
{
	struct event_record events[10];
	struct bed bed;

	bed_begin(&bed);
	log_make(&bed, 0, 1);
	for (unsigned i = 0; i < 10; i++)
		events[i] = event_make(&bed, 0, 7, RISK_BIT(LARGE) | (i < 8 ? RISK_BIT(ALERT) : 0));
	bed.large[7] = 10;
	log_put(&bed, 0, events, 10);
	assert_int_equal(turn(&bed, 3 * SECOND, 1), 10);
	assert_int_equal(counts_of(&bed).raised[CONTROL_ALERT_RISK - 1], 3);
	assert_int_equal(counts_of(&bed).suppressed, 5);
	alerts_reader_free(bed.reader);
	assert_int_equal(database_write(bed.at.database, cursor_delete_body, NULL), 0);
	assert_int_equal(alerts_reader_create(&bed.reader, bed.root, bed.at.database), 0);
	assert_int_equal(turn(&bed, 3 * SECOND, 1), 10);
	assert_int_equal(counts_of(&bed).raised[CONTROL_ALERT_RISK - 1], 3);
	assert_int_equal(counts_of(&bed).suppressed, 5);
	profiles_check(&bed);
	bed_end(&bed);
}

TEST(the_thread_follows_and_ends)
{
	struct alerts_follow *follow;
	struct timespec pause = { .tv_nsec = 20000000 };
	struct bed bed;

	bed_begin(&bed);
	log_make(&bed, 0, 1);
	const struct alerts_follow_config config = { .root = bed.root,
		.database = bed.at.database };

	assert_int_equal(alerts_follow_start(&follow, &config), 0);
	events_random(&bed, 0, 500);
	while (counts_of(&bed).raised[CONTROL_ALERT_RISK - 1] < bed.alerts)
		(void)nanosleep(&pause, NULL);
	alerts_follow_stop(follow);
	assert_int_equal(counts_of(&bed).raised[CONTROL_ALERT_RISK - 1], bed.alerts);
	profiles_check(&bed);
	bed_end(&bed);
}

TEST_MAIN()
