/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects, and rows that retire, over a random stream of everything there is: the store killed at
 * any moment of its checkpoints comes back to the same state, and what has retired is in the closed
 * tables.
 */
#include <errno.h>
#include <unistd.h>

#include "dataplane/store/store_internal.h"
#include "lmdb-schema/schema.h"
#include "tests/ledger/shards_stream.h"

#define STEPS       9000
#define BATCHES_MAX 20000u
#define ROOM_SPARE  24u

struct batch {
	struct journal_batch_header header;
	const uint8_t *events;
};

struct source {
	struct shards *shards;
	uint32_t shard;
	struct batch *batches;
	uint32_t count;
	uint32_t objects_live; /* at most, at any time */
	uint32_t objects_room; /* of followers; 0: what the store gives them */
	uint32_t interval_ms;  /* of checkpoints */
};

static void source_make(struct source *source, uint64_t seed)
{
	struct shards_stream *stream;
	struct ledger *ledger;
	const struct shard_log *log;
	uint64_t lsn = 1, last;

	source->shards = shards_new(seed);
	source->shard = (uint32_t)(seed % SHARDS);
	stream = shards_stream_new(source->shards, 0);
	for (unsigned i = 0; i < STEPS; i++)
		shards_stream_step(stream);
	shards_stream_finish(stream);
	shards_stream_free(stream);
	source->batches = calloc(BATCHES_MAX, sizeof(*source->batches));
	assert_non_null(source->batches);
	ledger = ledger_create(&source->shards->config[source->shard]);
	assert_non_null(ledger);
	log = &source->shards->log[source->shard];
	last = ledger_shard(source->shards->ledger[source->shard])->lsn;
	source->count = 0;
	while (lsn <= last) {
		struct batch *batch = &source->batches[source->count++];
		uint64_t first = lsn, events = 1 + shards_pick(source->shards, 12);
		size_t size = 0;

		assert_true(source->count < BATCHES_MAX);
		batch->events = log->bytes + log->at[first - 1];
		for (; lsn <= last && lsn < first + events; lsn++) {
			struct event_record record =
			    shards_record(source->shards, source->shard, lsn);

			assert_int_equal(
			    ledger_apply(ledger, batch->events + size, le16_get(record.length)), 0);
			size += le16_get(record.length);
		}
		batch->header = (struct journal_batch_header){
			.first_lsn = le64_make(first),
			.incarnation = le64_make(77),
			.event_count = le32_make((uint32_t)(lsn - first)),
			.body_length = le32_make((uint32_t)size),
			.state_hash = le64_make(ledger_state_hash(ledger)),
		};
	}
	/* Numbers are used again at once in a worker's ledger. */
	source->objects_live = ledger_row_count(ledger, LEDGER_OBJECT);
	source->objects_room = 0;
	source->interval_ms = 1;
	ledger_free(ledger);
}

static void source_free(struct source *source)
{
	free(source->batches);
	shards_free(source->shards);
}

static int batch_apply(struct store *store, const struct batch *batch)
{
	struct journal_batch view = { .header = batch->header, .events = batch->events };

	return store_apply_batch(store, &view);
}

static void directory_make(char path[64])
{
	memcpy(path, "/var/tmp/sluice-retire-XXXXXX", sizeof("/var/tmp/sluice-retire-XXXXXX"));
	assert_non_null(mkdtemp(path));
}

static void directory_copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp -r '%s'/. '%s'", from, to);
	assert_int_equal(system(command), 0);
}

static void directory_remove(const char *path)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static struct store *store_start(
    const struct source *source, const char *directory, struct store_report *report)
{
	struct store_config config = { .directory = directory,
		.shard = source->shard,
		.ledger = source->shards->config[source->shard],
		.checkpoint_interval_ms = source->interval_ms };
	struct store *store = NULL;

	if (store_open(&store, &config, report) != 0)
		fail_msg("%s", report->message);
	if (source->objects_room != 0) {
		ledger_free(store->ledger);
		store->config.ledger.objects_max = source->objects_room;
		store->config.ledger.objects_spare = 0;
		store->ledger = ledger_create(&store->config.ledger);
		assert_non_null(store->ledger);
	}
	if (store_load(store, report) != 0)
		fail_msg("%s", report->message);
	return store;
}

/* One beside a feed, with checkpoints this far apart, in a directory of its own. */
static struct store *store_begin(struct source *source, uint32_t interval_ms,
    struct journal_feed **feed, char path[64], struct store_report *report)
{
	source->interval_ms = interval_ms;
	assert_int_equal(journal_feed_create(feed, 64, 2), 0);
	directory_make(path);
	return store_start(source, path, report);
}

/* The worker's copy fits its own capacity, whatever waits in the follower's. */
static uint64_t state_hash(const struct source *source, struct store *store)
{
	struct ledger *copy = ledger_create(&source->shards->config[source->shard]);
	uint64_t hash;

	assert_non_null(copy);
	assert_int_equal(ledger_copy(copy, store_ledger(store)), 0);
	hash = ledger_state_hash(copy);
	assert_true(hash == ledger_state_hash_full(copy));
	ledger_free(copy);
	return hash;
}

/* Everything that retired up to `through` can be looked up; what did not cannot. */
static unsigned closed_check(
    const struct source *source, const char *directory, uint64_t through, uint64_t last)
{
	struct log_history *history;
	unsigned found = 0;

	assert_int_equal(log_history_open(&history, directory, source->shard), 0);
	for (uint64_t lsn = 1; lsn <= last; lsn++) {
		struct event_record record = shards_record(source->shards, source->shard, lsn);
		const struct shard_log *log = &source->shards->log[source->shard];
		int bets = le16_get(record.type) == EVENT_BET_RETIRE;

		if (!bets && le16_get(record.type) != EVENT_OBJECT_RETIRE)
			continue;
		for (unsigned i = 0; i < record.leg_count; i++) {
			struct record_bet_full bet;
			struct object_bytes object;
			struct le64 id;
			int error;

			memcpy(&id, log->bytes + log->at[lsn - 1] + sizeof(record) + 8 * i,
			    sizeof(id));
			error = bets ? log_history_closed_bet(history, le64_get(id), &bet)
			             : log_history_closed_object(history, le64_get(id), &object);
			if (lsn <= through)
				assert_int_equal(error, 0);
			else
				assert_true(error == 0 || error == -ENOENT || error == -EAGAIN);
			if (error == 0 && bets) {
				assert_int_equal(le64_get(bet.bet.id), le64_get(id));
				assert_true(bet.bet.state != BET_OPEN);
			}
			found += error == 0;
		}
	}
	log_history_close(history);
	return found;
}

/* A store on a copy of the directory as a kill leaves it: recovers to the last batch. */
static unsigned kill_and_recover(
    const struct source *source, const char *path, uint32_t applied, unsigned *fuzzy)
{
	const struct batch *last = &source->batches[applied - 1];
	uint64_t last_lsn =
	    le64_get(last->header.first_lsn) + le32_get(last->header.event_count) - 1;
	struct store_report report;
	struct store *store;
	char copy[64];
	unsigned found;

	directory_make(copy);
	directory_copy(path, copy);
	store = store_start(source, copy, &report);
	*fuzzy += report.applied_lsn > report.checkpoint_lsn;
	(void)closed_check(source, copy, report.checkpoint_lsn, last_lsn);
	for (uint32_t i = 0; i < applied; i++) {
		const struct batch *batch = &source->batches[i];
		uint64_t end =
		    le64_get(batch->header.first_lsn) + le32_get(batch->header.event_count) - 1;

		if (end > report.checkpoint_lsn)
			assert_int_equal(batch_apply(store, batch), 0);
	}
	assert_int_equal(ledger_shard(store_ledger(store))->lsn, last_lsn);
	assert_true(state_hash(source, store) == le64_get(last->header.state_hash));
	assert_int_equal(store_checkpoint_now(store), 0);
	found = closed_check(source, copy, last_lsn, last_lsn);
	store_close(store);
	store = store_start(source, copy, &report);
	assert_int_equal(report.checkpoint_lsn, last_lsn);
	assert_true(state_hash(source, store) == le64_get(last->header.state_hash));
	store_close(store);
	directory_remove(copy);
	return found;
}

TEST(killed_at_any_moment_it_recovers_with_all_that_retired)
{
	struct source source;
	struct journal_feed *feed = NULL;
	struct store_report report;
	struct store *store;
	unsigned fuzzy = 0, found = 0, kills = 0;
	uint64_t now = 0;
	char path[64];

	source_make(&source, test_seed());
	assert_int_equal(journal_feed_create(&feed, 64, 2), 0);
	directory_make(path);
	store = store_start(&source, path, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
		now += shards_pick(source.shards, 40000000);
		for (uint64_t turns = shards_pick(source.shards, 4); turns > 0; turns--)
			assert_true(store_work(store, feed, NULL, now) >= 0);
		/* Often at the begin, when rows are missing that others name. */
		if (shards_pick(source.shards, i < 60 ? 5 : source.count / 12) == 0) {
			found = kill_and_recover(&source, path, i + 1, &fuzzy);
			kills++;
		}
	}
	found = kill_and_recover(&source, path, source.count, &fuzzy);
	print_message("  %u batches, %u kills, %u of them with rows ahead, %u rows retired\n",
	    source.count, kills, fuzzy, found);
	assert_true(fuzzy > 0 && found > 100);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	source_free(&source);
}

/* What is open is not closed, and what never was is neither. */
TEST(open_rows_and_unknown_ids_are_told_apart)
{
	struct source source;
	struct log_history *history;
	struct store_report report;
	struct record_bet_full bet;
	struct object_bytes object;
	struct store *store;
	const struct ledger *ledger;
	unsigned bets = 0;
	char path[64];

	source_make(&source, 78);
	directory_make(path);
	assert_int_equal(log_history_open(&history, path, source.shard), 0);
	assert_int_equal(log_history_closed_bet(history, 1, &bet), -ENOENT); /* no rows at all */
	store = store_start(&source, path, &report);
	for (uint32_t i = 0; i < source.count / 2; i++)
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
	assert_int_equal(store_checkpoint_now(store), 0);
	ledger = store_ledger(store);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_BET); i++) {
		struct bet_row row;

		if (ledger_row_retired(ledger, LEDGER_BET, i))
			continue;
		ledger_bet_at(ledger, i, &row);
		assert_int_equal(log_history_closed_bet(history, row.id, &bet), -EAGAIN);
		bets++;
	}
	assert_true(bets > 0);
	assert_int_equal(log_history_closed_bet(history, UINT64_MAX, &bet), -ENOENT);
	assert_int_equal(log_history_closed_object(history, UINT64_MAX, &object), -ENOENT);
	log_history_close(history);
	store_close(store);
	directory_remove(path);
	source_free(&source);
}

/* Events alone, as from replication: the same state, and the same rows after a start. */
TEST(restored_from_its_events_it_is_the_same)
{
	struct source source;
	struct store_report report;
	struct store *store;
	uint64_t hash, last;
	char path[64];

	source_make(&source, 79);
	directory_make(path);
	store = store_start(&source, path, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		const struct batch *batch = &source.batches[i];

		assert_int_equal(
		    store_restore_events(store, batch->events, le32_get(batch->header.body_length)),
		    0);
		if (i == source.count / 2)
			assert_int_equal(store_checkpoint_now(store), 0);
	}
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_checkpoint_now(store), 0);
	hash = le64_get(source.batches[source.count - 1].header.state_hash);
	last = ledger_shard(store_ledger(store))->lsn;
	assert_true(state_hash(&source, store) == hash);
	store_close(store);
	store = store_start(&source, path, &report);
	assert_int_equal(report.checkpoint_lsn, last);
	assert_true(state_hash(&source, store) == hash);
	assert_true(closed_check(&source, path, last, last) > 0);
	store_close(store);
	directory_remove(path);
	source_free(&source);
}

/* Retired rows of the follower wait for the checkpoint, then their numbers are used again. */
TEST(numbers_of_retired_rows_are_used_again)
{
	struct source source;
	struct store_report report;
	struct store *with, *without;
	char path[64], other[64];
	uint32_t rows[2];

	source_make(&source, 77);
	directory_make(path);
	directory_make(other);
	with = store_start(&source, path, &report);
	without = store_start(&source, other, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		assert_int_equal(batch_apply(with, &source.batches[i]), 0);
		assert_int_equal(batch_apply(without, &source.batches[i]), 0);
		if (i % 40 == 39)
			assert_int_equal(store_checkpoint_now(with), 0);
	}
	rows[0] = ledger_row_count(store_ledger(with), LEDGER_OBJECT);
	rows[1] = ledger_row_count(store_ledger(without), LEDGER_OBJECT);
	print_message("  object rows: %u with checkpoints, %u without\n", rows[0], rows[1]);
	assert_true(rows[0] < rows[1]);
	assert_true(state_hash(&source, with) == state_hash(&source, without));
	store_close(with);
	store_close(without);
	directory_remove(path);
	directory_remove(other);
	source_free(&source);
}

/* No checkpoint but those it writes for want of room: as it runs, and under recovery. */
TEST(full_of_retired_rows_it_writes_them_out_and_goes_on)
{
	struct source source;
	struct store_report report;
	struct store *store;
	unsigned fuzzy = 0;
	char path[64];

	source_make(&source, 77);
	source.interval_ms = UINT32_MAX;
	source.objects_room = source.objects_live + ROOM_SPARE;
	directory_make(path);
	store = store_start(&source, path, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
		if (i % TEST_SHARE(13, 39) == 12)
			(void)kill_and_recover(&source, path, i + 1, &fuzzy);
	}
	print_message("  room for %u objects: %llu rows written out and released\n",
	    source.objects_room, (unsigned long long)store->checkpoint.released_total);
	assert_true(store->checkpoint.released_total > 0 && fuzzy > 0);
	(void)kill_and_recover(&source, path, source.count, &fuzzy);
	store_close(store);
	directory_remove(path);
	source_free(&source);
}

/* Churn alone: a checkpoint begins when rows run short, long before its interval is over. */
TEST(a_checkpoint_begins_when_rows_run_short)
{
	struct source source;
	struct journal_feed *feed = NULL;
	struct store_report report;
	struct store *store;
	uint64_t now_ns = 1000000000;
	unsigned low = 0;
	char path[64];

	source_make(&source, 77);
	source.objects_room = source.objects_live + ROOM_SPARE;
	store = store_begin(&source, UINT32_MAX, &feed, path, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
		now_ns += 100000000;
		if (store->checkpoint.phase == CHECKPOINT_IDLE &&
		    now_ns - store->checkpoint.finished_ns >= 1000000000 &&
		    ledger_rows_free(store->ledger, LEDGER_OBJECT) < source.objects_room / 8) {
			assert_true(store_work(store, feed, NULL, now_ns) >= 0);
			assert_int_not_equal(store->checkpoint.phase, CHECKPOINT_IDLE);
			low++;
		}
		assert_true(store_work(store, feed, NULL, now_ns) >= 0);
	}
	assert_true(low > 0 && store->checkpoint.released_total > 0);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	source_free(&source);
}

/* The log alone, with a checkpoint cut short: rows are missing that later events retire. */
TEST(recovery_finds_room_while_rows_are_ahead)
{
	struct source source;
	struct journal_feed *feed = NULL;
	struct store_report report;
	struct store *store;
	unsigned fuzzy = 0;
	uint32_t room;
	char path[64];

	source_make(&source, 77);
	room = source.objects_live + ROOM_SPARE;
	store = store_begin(&source, 1000000, &feed, path, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
		if (i == source.count / 8)
			assert_int_equal(store_checkpoint_now(store), 0);
		if (i < source.count / 2 || i % TEST_SHARE(8, 24) != 0)
			continue;
		/* One piece more of a checkpoint that never ends. */
		assert_true(store_work(store, feed, NULL, 1000000000000ull) >= 0);
		source.objects_room = room;
		(void)kill_and_recover(&source, path, i + 1, &fuzzy);
		source.objects_room = 0;
	}
	assert_true(fuzzy > 0);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	source_free(&source);
}

/*
 * The same, and it dies once more while it recovers, behind a slice that has made room: the rows
 * are as new as those of its first life, or what is missing among them is taken for damage.
 */
TEST(killed_again_under_recovery_it_still_knows_how_new_its_rows_are)
{
	struct source source;
	struct journal_feed *feed = NULL;
	struct store_report report;
	struct store *store;
	unsigned fuzzy = 0, slices = 0;
	uint64_t released = 0;
	char path[64];

	source_make(&source, 77);
	store = store_begin(&source, 1000000, &feed, path, &report);
	for (uint32_t i = 0; i < source.count; i++) {
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
		if (i == source.count * 7 / 10)
			assert_int_equal(store_checkpoint_now(store), 0);
	}
	/* All rows of a second checkpoint, not its end: what retired since the first is gone. */
	while (store->checkpoint.phase != CHECKPOINT_FINISH)
		assert_true(store_work(store, feed, NULL, 1000000000000ull) >= 0);
	store_close(store);
	source.objects_room = source.objects_live + ROOM_SPARE / 4;
	store = store_start(&source, path, &report);
	assert_true(report.checkpoint_lsn < report.applied_lsn);
	for (uint32_t i = 0; i < source.count; i++) {
		if (le64_get(source.batches[i].header.first_lsn) <= report.checkpoint_lsn)
			continue;
		assert_int_equal(batch_apply(store, &source.batches[i]), 0);
		if (store->checkpoint.released_total == released)
			continue;
		released = store->checkpoint.released_total;
		slices++;
		(void)kill_and_recover(&source, path, source.count, &fuzzy);
	}
	assert_true(slices > 0 && fuzzy > 0);
	store_close(store);
	journal_feed_free(feed);
	directory_remove(path);
	source_free(&source);
}

/* Restored events fill the same room. */
TEST(restored_events_find_room)
{
	struct source source;
	struct store_report report;
	struct store *store;
	char path[64];

	source_make(&source, 77);
	source.objects_room = source.objects_live;
	directory_make(path);
	store = store_start(&source, path, &report);
	for (uint32_t i = 0; i < source.count; i++)
		assert_int_equal(store_restore_events(store, source.batches[i].events,
		                     le32_get(source.batches[i].header.body_length)),
		    0);
	assert_true(store->checkpoint.released_total > 0);
	assert_true(state_hash(&source, store) ==
	            le64_get(source.batches[source.count - 1].header.state_hash));
	store_close(store);
	/* Rows in use alone: that is refused. */
	directory_remove(path);
	directory_make(path);
	source.objects_room = 20;
	store = store_start(&source, path, &report);
	for (uint32_t i = 0, error = 0; error == 0; i++) {
		assert_true(i < source.count);
		error = (uint32_t)batch_apply(store, &source.batches[i]);
		assert_true(error == 0 || error == (uint32_t)-ENOSPC);
	}
	store_close(store);
	directory_remove(path);
	source_free(&source);
}

TEST_MAIN()
