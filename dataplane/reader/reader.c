/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/reader/reader.h"

#include <errno.h>

#define READER_WAITING_MAX 1024
#define READER_REFRESH_NS  10000000000ull
#define READER_BUSY_MS     100
/* Longer than any commit interval of the log; then the terminal is told to ask again. */
#define READER_PATIENCE_NS 2000000000ull

struct reader_waiting {
	struct history_query query;
	uint64_t needs_lsn[LIMIT_SHARDS]; /* durable when asked: must be committed to say "never" */
	uint64_t asked_ns;
	uint32_t worker;
	uint32_t used;
};

struct reader {
	struct switch_shared *shared;
	struct worker **workers;
	struct store **stores;
	struct log_history **histories;
	struct reader_waiting waiting[READER_WAITING_MAX];
	uint32_t waiting_count;
	uint64_t refreshed_ns;
};

struct reader *reader_create(struct switch_shared *shared, struct worker **workers,
    struct store **stores, struct log_history **histories)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->shared = shared;
	reader->workers = workers;
	reader->stores = stores;
	reader->histories = histories;
	return reader;
}

/* 1 when the logs hold everything that was durable at the time of the question. */
static int history_complete(const struct reader *reader, const struct reader_waiting *waiting)
{
	for (uint32_t shard = 0; shard < reader->shared->shard_count; shard++) {
		struct store_status status;

		store_status(reader->stores[shard], &status);
		if (status.committed_lsn < waiting->needs_lsn[shard])
			return 0;
	}
	return 1;
}

static void outcome_found(const struct history_query *query, const struct event_record *record,
    uint32_t shard, struct outcome *outcome)
{
	if (le64_get(record->body_hash[0]) != query->body_hash[0] ||
	    le64_get(record->body_hash[1]) != query->body_hash[1]) {
		outcome->code = WIRE_CODE_MISMATCH;
		return;
	}
	outcome->code = le16_get(record->code);
	outcome->lsn = le64_get(record->lsn);
	outcome->object_id = le64_get(record->object_id);
	outcome->balance = le64s_get(record->balance);
	outcome->payout = le64s_get(record->payout);
	outcome->score = record->score;
	outcome->shard = (uint8_t)shard;
	outcome->flags = MESSAGE_FLAG_ANSWER_REPLAYED;
}

/* 1 when the kept logs do not reach back to the first event. Exact after a failed look-up. */
static int log_retired(const struct reader *reader)
{
	for (uint32_t shard = 0; shard < reader->shared->shard_count; shard++)
		if (log_history_first_lsn(reader->histories[shard]) > 1)
			return 1;
	return 0;
}

/* In no log: what may be said of it. */
static void outcome_not_found(
    const struct reader *reader, const struct history_query *query, struct outcome *outcome)
{
	if (log_retired(reader)) {
		/* Nobody here can tell what ran in that time: the archive must be asked. */
		outcome->code = WIRE_CODE_OUTCOME_UNKNOWN;
	} else if (query->below_durable) {
		/*
		 * Below the window that durable outcomes alone have moved: it was never carried out
		 * and, since that window only moves up, never will be.
		 */
		outcome->code = WIRE_CODE_EXPIRED;
	} else {
		/* Only below entries taken by younger ids: a restart could still admit it. */
		outcome->code = WIRE_CODE_BUSY;
		outcome->detail = READER_BUSY_MS;
	}
}

/* The outcome of one old request. */
static void look_up(
    struct reader *reader, const struct history_query *query, struct outcome *outcome)
{
	for (uint32_t shard = 0; shard < reader->shared->shard_count; shard++) {
		struct event_buffer event;
		struct event_record record;
		int length = log_history_request(
		    reader->histories[shard], query->origin.terminal_id, query->request_id, &event);

		if (length == -ENOENT)
			continue;
		if (length < 0) {
			outcome->code = WIRE_CODE_STORAGE_UNAVAILABLE;
			outcome->detail = READER_BUSY_MS;
			return;
		}
		memcpy(&record, event.bytes, sizeof(record));
		outcome_found(query, &record, shard, outcome);
		return;
	}
	outcome_not_found(reader, query, outcome);
}

/* 1 when the question is dealt with, 0 when it must wait. */
static int answer(struct reader *reader, const struct reader_waiting *waiting, uint64_t now_ns)
{
	struct worker *worker = reader->workers[waiting->worker];
	struct outcome *outcome = spsc_ring_reserve(worker->rings.history_found);
	int complete = history_complete(reader, waiting);

	if (outcome == NULL || (!complete && now_ns - waiting->asked_ns < READER_PATIENCE_NS))
		return 0;
	memset(outcome, 0, sizeof(*outcome));
	outcome->origin = waiting->query.origin;
	outcome->request_id = waiting->query.request_id;
	outcome->template_id = waiting->query.template_id;
	if (complete)
		look_up(reader, &waiting->query, outcome);
	else
		outcome->code = WIRE_CODE_IN_PROGRESS;
	spsc_ring_publish(worker->rings.history_found);
	return 1;
}

static int take(struct reader *reader, uint32_t worker, uint64_t now_ns)
{
	struct reader_waiting *waiting = &reader->waiting[reader->waiting_count];

	if (reader->waiting_count == READER_WAITING_MAX ||
	    !spsc_ring_pop(reader->workers[worker]->rings.history_query, &waiting->query))
		return 0;
	waiting->worker = worker;
	waiting->asked_ns = now_ns;
	for (uint32_t shard = 0; shard < reader->shared->shard_count; shard++)
		/* W4: what its worker had made durable when it (or another) let the window slide.
		 */
		waiting->needs_lsn[shard] =
		    atomic_load_explicit(&reader->shared->durable_lsn[shard], memory_order_acquire);
	reader->waiting_count++;
	return 1;
}

int reader_work(struct reader *reader, uint64_t now_ns)
{
	int moved = 0;

	if (now_ns - reader->refreshed_ns >= READER_REFRESH_NS) {
		reader->refreshed_ns = now_ns;
		/* Retired logs keep their disk space while they are open. A failure shows at
		 * look-up. */
		for (uint32_t i = 0; i < reader->shared->shard_count; i++)
			(void)!log_history_refresh(reader->histories[i]);
	}

	for (uint32_t worker = 0; worker < reader->shared->shard_count; worker++)
		while (take(reader, worker, now_ns))
			moved = 1;
	for (uint32_t i = 0; i < reader->waiting_count;) {
		if (!answer(reader, &reader->waiting[i], now_ns)) {
			i++;
			continue;
		}
		reader->waiting[i] = reader->waiting[--reader->waiting_count];
		moved = 1;
	}
	return moved;
}

void reader_free(struct reader *reader)
{
	free(reader);
}
