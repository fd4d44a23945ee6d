/* SPDX-License-Identifier: Apache-2.0 */
/* The store thread's turn: batches in, log out, a piece of checkpoint. */
#include <errno.h>
#include <string.h>

#include "dataplane/store/store_internal.h"

#define COMMIT_PAUSE_NS 100000000ull   /* nothing waits longer for its commit */
#define READER_CHECK_NS 60000000000ull /* reader slots of dead processes */
/*
 * What ends a turn's taking: a fifth of a millisecond of CPU. The kernel threads that complete the
 * journal's writes wait for a turn to end, and every request in them. Measured: a thread that
 * computes for 1 ms at a time, two fifths of this CPU, takes 40 % of the closed loop's throughput;
 * one that does so for 0.1 ms at a time, and as much of it, 10 %.
 */
#define EVENTS_PER_TURN 200u
/* The journal runs out of segments: catching up comes before the latency of those beside. */
#define EVENTS_PER_TURN_HURRIED 8000u
/*
 * A commit takes as long as the disk takes to sync, however little is in it. So it holds two blocks
 * while the follower keeps up, as the journal's writes wait behind it, and one more for each
 * 32 Ki events that it is behind: a disk that takes 12 ms gets larger commits until they are
 * enough.
 */
#define COMMIT_BLOCKS         2u
#define COMMIT_BLOCKS_MAX     24u
#define COMMIT_EVENTS_A_BLOCK (32u * 1024u)
_Static_assert(COMMIT_BLOCKS_MAX < LOG_PENDING_BLOCKS, "before memory is full");

static uint64_t applied_lsn(const struct store *store)
{
	return ledger_shard(store->ledger)->lsn;
}

/* Durable events that are not applied, as of the last look. */
static uint64_t events_behind(const struct store *store)
{
	uint64_t applied = applied_lsn(store);

	return store->seen_lsn > applied ? store->seen_lsn - applied : 0;
}

static uint32_t commit_blocks(const struct store *store)
{
	uint64_t blocks = COMMIT_BLOCKS + events_behind(store) / COMMIT_EVENTS_A_BLOCK;

	return blocks < COMMIT_BLOCKS_MAX ? (uint32_t)blocks : COMMIT_BLOCKS_MAX;
}

static int event_take(
    struct store *store, const uint8_t *event, size_t room, uint64_t lsn, size_t *length)
{
	struct event_record record;
	int error;

	if (room < sizeof(record))
		return -EBADMSG;
	memcpy(&record, event, sizeof(record));
	*length = le16_get(record.length);
	if (*length < sizeof(record) || *length > room || le64_get(record.lsn) != lsn)
		return -EBADMSG;
	log_index_ahead(store->log.index, &record);
	if (lsn > applied_lsn(store)) {
		error = store_event_apply(store, event, *length);
		if (error != 0)
			return error;
	}
	return lsn > store->log.last_lsn ? log_writer_append(&store->log, event, *length) : 0;
}

static int incarnation_check(struct store *store, const struct journal_batch_header *header)
{
	uint64_t incarnation = le64_get(header->incarnation);

	if (store->incarnation != 0 && incarnation != store->incarnation)
		return -EBADMSG; /* another journal than the one the rows came from */
	store->incarnation = incarnation;
	store->boot_counter = le64_get(header->boot_counter);
	return 0;
}

/* All events of a batch. 0, -errno. */
static int events_take(struct store *store, const struct journal_batch *batch)
{
	uint64_t lsn = le64_get(batch->header.first_lsn);
	uint32_t count = le32_get(batch->header.event_count);
	size_t left = le32_get(batch->header.body_length), length = 0;
	const uint8_t *at = batch->events;
	struct ledger_ahead ahead;

	ledger_ahead_begin(store->ledger, &ahead, at, left);
	for (uint32_t i = 0; i < count; i++, lsn++) {
		int error;

		ledger_ahead_step(store->ledger, &ahead);
		error = event_take(store, at, left, lsn, &length);

		if (error != 0)
			return error;
		at += length;
		left -= length;
	}
	return left != 0 ? -EBADMSG : 0;
}

static int batch_apply(struct store *store, const struct journal_batch *batch)
{
	uint64_t first = le64_get(batch->header.first_lsn);
	uint64_t last = first + le32_get(batch->header.event_count) - 1;
	int error = incarnation_check(store, &batch->header);

	if (error != 0)
		return error;
	/* A gap: in the rows, or between log and rows. */
	if (first > applied_lsn(store) + 1 || first > store->log.last_lsn + 1)
		return -EBADMSG;
	store->batch_begin = *ledger_shard(store->ledger);
	store->in_batch = 1;
	error = events_take(store, batch);
	store->in_batch = 0;
	if (error != 0)
		return error;
	if (last == applied_lsn(store))
		journal_batch_end(batch, &store->after);
	if (last != applied_lsn(store) || last < store->compare_from_lsn)
		return 0; /* not the state the worker had when it closed the batch */
	if (ledger_state_hash(store->ledger) != le64_get(batch->header.state_hash)) {
		store_count(&store->status_divergences);
		return -EBADMSG;
	}
	return 0;
}

int store_apply_batch(struct store *store, const struct journal_batch *batch)
{
	int error;

	SLUICE_REQUIRE(store->loaded);
	if (store->failed != 0)
		return store->failed;
	error = batch_apply(store, batch);
	return error != 0 ? store_fail(store, error) : 0;
}

int store_check_state(struct store *store, uint64_t lsn, uint64_t state_hash)
{
	SLUICE_REQUIRE(store->loaded);
	if (store->failed != 0)
		return store->failed;
	if (lsn == 0 || lsn != applied_lsn(store) || ledger_state_hash(store->ledger) == state_hash)
		return 0;
	store_count(&store->status_divergences);
	return store_fail(store, -EBADMSG);
}

int store_commit(struct store *store)
{
	int error;

	if (store->failed != 0)
		return store->failed;
	error = log_writer_commit(&store->log);
	if (error != 0)
		return store_fail(store, error);
	store_publish(store);
	return 0;
}

int store_checkpoint_now(struct store *store)
{
	uint64_t now_ns = store->checkpoint.finished_ns;
	int result = 1;

	if (store->failed != 0)
		return store->failed;
	while (result > 0 && store->checkpoint.phase != CHECKPOINT_IDLE)
		result = checkpoint_work(store, now_ns);
	if (result >= 0)
		result = checkpoint_begin(store, UINT64_MAX);
	store->checkpoint.clean = 1;
	while (result >= 0 && store->checkpoint.phase != CHECKPOINT_IDLE)
		result = checkpoint_work(store, now_ns);
	store->checkpoint.clean = 0;
	if (result < 0)
		return store_fail(store, result);
	store_publish(store);
	return 0;
}

/* One batch of the segment files, up to `until`. 1 applied, 0 not there yet, -errno. */
static int file_batch(struct store *store, struct journal_reader *reader, uint64_t until)
{
	uint64_t next = applied_lsn(store) + 1;
	struct journal_batch batch;
	const char *why;
	int result;

	/*
	 * Behind a batch that came from memory the place in the files is known; looking for an LSN
	 * would read the segment from its beginning.
	 */
	if (store->reader_next_lsn != next && store->after.generation != 0 &&
	    store->after.next_lsn == next) {
		journal_reader_seek_position(reader, &store->after);
	} else if (store->reader_next_lsn != next) {
		result = journal_reader_seek(reader, next);
		if (result != 0)
			return result;
	}
	store->reader_next_lsn = 0;
	result = journal_reader_next(reader, &batch, &why);
	if (result <= 0)
		return result;
	/* Beyond what is durable the file may hold what recovery would cut. */
	if (le64_get(batch.header.first_lsn) + le32_get(batch.header.event_count) - 1 > until)
		return 0;
	result = batch_apply(store, &batch);
	if (result != 0)
		return result;
	store->reader_next_lsn = applied_lsn(store) + 1;
	store_count(&store->status_batches_from_files);
	return 1;
}

/* One batch from wherever it is to be had. 1 applied, 0 nothing there, -errno. */
static int next_batch(struct store *store, struct journal_feed *feed, struct journal_reader *reader)
{
	uint64_t durable_lsn = 0, first;
	int result;

	if (!store->is_held) {
		store->is_held = journal_feed_take(feed, &store->held, &durable_lsn) == 1;
		if (durable_lsn > store->seen_lsn)
			store->seen_lsn = durable_lsn;
		if (!store->is_held) {
			/* Durable and not lent: only the files have it. */
			if (durable_lsn <= applied_lsn(store))
				return 0;
			return reader == NULL ? -ENOENT : file_batch(store, reader, durable_lsn);
		}
	}
	first = le64_get(store->held.header.first_lsn);
	if (first > applied_lsn(store) + 1)
		return reader == NULL ? -ENOENT : file_batch(store, reader, first - 1);
	result = batch_apply(store, &store->held);
	journal_feed_return(feed);
	store->is_held = 0;
	return result != 0 ? result : 1;
}

static int batches(struct store *store, struct journal_feed *feed, struct journal_reader *reader)
{
	uint64_t begin = applied_lsn(store);
	int did = 0;

	/* Not only where one is taken: what is held stays so while the files are read up to it. */
	if (journal_feed_durable_lsn(feed) > store->seen_lsn)
		store->seen_lsn = journal_feed_durable_lsn(feed);
	do {
		int result = 0;

		/* So that no commit, which may find the disk full, comes in the middle of one. */
		if (!log_writer_has_room(&store->log))
			result = log_writer_commit(&store->log);
		if (result == 0)
			result = next_batch(store, feed, reader);
		if (result < 0)
			return result;
		if (result == 0)
			break;
		did = 1;
	} while (applied_lsn(store) - begin <
	         (store->hurried ? EVENTS_PER_TURN_HURRIED : EVENTS_PER_TURN));
	return did;
}

static int commit_due(struct store *store, uint64_t now_ns)
{
	struct log_writer *log = &store->log;
	int error;

	if (log->committed_lsn == log->last_lsn) {
		store->commit_ns = now_ns; /* the wait begins with the next event */
		return 0;
	}
	if (log_writer_full(log) < commit_blocks(store) &&
	    now_ns - store->commit_ns < COMMIT_PAUSE_NS && store->waiting == 0)
		return 0;
	error = log_writer_commit(log);
	store->commit_ns = now_ns;
	return error != 0 ? error : 1;
}

int store_work(
    struct store *store, struct journal_feed *feed, struct journal_reader *reader, uint64_t now_ns)
{
	int did, committed, piece;

	SLUICE_REQUIRE(store->loaded);
	if (store->failed != 0)
		return store->failed;
	if (store_waits(store, now_ns))
		return 0;
	did = batches(store, feed, reader);
	if (did < 0)
		return store_wait(store, did, now_ns);
	committed = commit_due(store, now_ns);
	if (committed < 0)
		return store_wait(store, committed, now_ns);
	piece = checkpoint_work(store, now_ns);
	if (piece < 0)
		return store_wait(store, piece, now_ns);
	store_wait_end(store);
	if (now_ns - store->reader_check_ns >= READER_CHECK_NS) {
		store->reader_check_ns = now_ns;
		if (db_env_reader_check(store->rows) < 0 || db_env_reader_check(store->log.env) < 0)
			store_count(&store->status_errors);
	}
	if (did || committed || piece)
		store_publish(store);
	return did || committed || piece;
}

void store_hurry(struct store *store, int hurry)
{
	store->hurried = hurry != 0;
}

int store_more(const struct store *store)
{
	return store->failed == 0 && store->waiting == 0 &&
	       (store->checkpoint.phase != CHECKPOINT_IDLE || events_behind(store) > 0);
}
