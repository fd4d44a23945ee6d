/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/reader/reader.h"

#include "dataplane/reader/lookup.h"

#define READER_WAITING_MAX 1024
/* Of one terminal: what a busy one asks at once, and no more than its part of the places. */
#define READER_TERMINAL_MAX 32
#define READER_REFRESH_NS   10000000000ull
/* Longer than any commit interval of the log; then the terminal is told to ask again. */
#define READER_PATIENCE_NS 2000000000ull

struct reader_waiting {
	struct history_query query;
	uint64_t needs_lsn[LIMIT_SHARDS]; /* durable when asked: must be committed to say "never" */
	uint64_t asked_ns;
	uint8_t looked; /* 1: looked at once before it was complete */
};

struct reader {
	struct reader_files files;
	struct worker **workers;
	struct store **stores;
	struct reader_waiting waiting[READER_WAITING_MAX];
	uint64_t terminals[READER_WAITING_MAX]; /* who asked: waiting[i].query.origin.terminal_id */
	uint32_t waiting_count;
	uint32_t worker_next; /* the one whose turn it is */
	uint64_t refreshed_ns;
};

struct reader *reader_create(struct switch_shared *shared, struct worker **workers,
    struct store **stores, struct log_history **histories)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->files.shared = shared;
	reader->files.histories = histories;
	reader->workers = workers;
	reader->stores = stores;
	return reader;
}

void reader_past_set(struct reader *reader, struct log_past *past)
{
	reader->files.past = past;
}

/* Questions that closed rows answer. */
static int of_rows(uint8_t kind)
{
	return kind == HISTORY_BET || kind == HISTORY_SPRINKLE || kind == HISTORY_TICKET;
}

/* 1 when the logs, and for what has left memory the rows, hold everything that was there at the
 * time of the question. */
static int history_complete(const struct reader *reader, const struct reader_waiting *waiting)
{
	const struct history_query *query = &waiting->query;

	for (uint32_t shard = 0; shard < reader->files.shared->shard_count; shard++) {
		struct store_status status;

		store_status(reader->stores[shard], &status);
		if (status.committed_lsn < waiting->needs_lsn[shard])
			return 0;
		if (of_rows(query->kind) && query->shard == shard &&
		    status.checkpoint_lsn < query->lsn)
			return 0;
	}
	return 1;
}

/* 1 when the rows show what has left memory: that stands, whatever is still on its way. */
static int row_found(const struct history_found *found)
{
	if (found->kind == HISTORY_TICKET)
		return wire_code_is_final(found->code) && found->code != WIRE_CODE_BET_UNKNOWN;
	return of_rows(found->kind) && found->reply.code == WIRE_CODE_OK;
}

/* 1 when the question is dealt with, 0 when it must wait. */
static int answer(struct reader *reader, struct reader_waiting *waiting, uint64_t now_ns)
{
	struct worker *home = reader->workers[waiting->query.origin.home];
	struct history_found *found = spsc_ring_reserve(home->rings.history_found);
	int complete = history_complete(reader, waiting);
	int over = now_ns - waiting->asked_ns >= READER_PATIENCE_NS;

	if (found == NULL)
		return 0;
	if (!complete && !waiting->looked) {
		waiting->looked = 1;
		reader_look_up(&reader->files, &waiting->query, 1, found);
		complete = over = row_found(found);
	} else if (complete || over) {
		reader_look_up(&reader->files, &waiting->query, complete, found);
	}
	if (!complete && !over)
		return 0;
	spsc_ring_publish(home->rings.history_found);
	return 1;
}

static unsigned terminal_waiting(const struct reader *reader, uint64_t terminal_id)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < reader->waiting_count; i++)
		count += reader->terminals[i] == terminal_id;
	return count;
}

/* A terminal that has all its places taken is told to ask again. 0: no room for the answer. */
static int refuse(struct reader *reader, const struct history_query *query)
{
	struct spsc_ring *ring = reader->workers[query->origin.home]->rings.history_found;
	struct history_found *found = spsc_ring_reserve(ring);

	if (found == NULL)
		return 0;
	reader_busy(query, found);
	spsc_ring_publish(ring);
	return 1;
}

/* The oldest question of a worker's ring. 1: dealt with, or it waits here now. */
static int take(struct reader *reader, uint32_t worker, uint64_t now_ns)
{
	struct reader_waiting *waiting = &reader->waiting[reader->waiting_count];
	struct spsc_ring *ring = reader->workers[worker]->rings.history_query;
	struct switch_shared *shared = reader->files.shared;
	const struct history_query *query = spsc_ring_peek(ring);

	if (query == NULL || reader->waiting_count == READER_WAITING_MAX)
		return 0;
	if (terminal_waiting(reader, query->origin.terminal_id) >= READER_TERMINAL_MAX) {
		if (!refuse(reader, query))
			return 0;
		spsc_ring_release(ring);
		return 1;
	}
	waiting->query = *query;
	spsc_ring_release(ring);
	waiting->asked_ns = now_ns;
	waiting->looked = !of_rows(waiting->query.kind);
	for (uint32_t shard = 0; shard < shared->shard_count; shard++)
		/* W4: what its worker had made durable when it (or another) let the window slide.
		 */
		waiting->needs_lsn[shard] =
		    atomic_load_explicit(&shared->durable_lsn[shard], memory_order_acquire);
	/* A statement begins with what the account's row says, durable or not. */
	if (waiting->query.kind == HISTORY_STATEMENT &&
	    waiting->needs_lsn[waiting->query.shard] < waiting->query.lsn)
		waiting->needs_lsn[waiting->query.shard] = waiting->query.lsn;
	reader->terminals[reader->waiting_count++] = waiting->query.origin.terminal_id;
	return 1;
}

/* One of each worker in turn, until none has any or all places are taken. */
static int take_all(struct reader *reader, uint64_t now_ns)
{
	uint32_t count = reader->files.shared->shard_count;
	int moved = 0;

	for (uint32_t idle = 0; idle < count;) {
		uint32_t worker = reader->worker_next;

		if (reader->waiting_count == READER_WAITING_MAX)
			break;
		reader->worker_next = (worker + 1) % count;
		if (take(reader, worker, now_ns)) {
			idle = 0;
			moved = 1;
		} else {
			idle++;
		}
	}
	return moved;
}

int reader_work(struct reader *reader, uint64_t now_ns)
{
	int moved = 0;

	if (now_ns - reader->refreshed_ns >= READER_REFRESH_NS) {
		reader->refreshed_ns = now_ns;
		/* Retired logs keep their disk space while they are open. A failure shows at
		 * look-up. */
		for (uint32_t i = 0; i < reader->files.shared->shard_count; i++)
			(void)!log_history_refresh(reader->files.histories[i]);
	}

	moved = take_all(reader, now_ns);
	for (uint32_t i = 0; i < reader->waiting_count;) {
		if (!answer(reader, &reader->waiting[i], now_ns)) {
			i++;
			continue;
		}
		reader->waiting[i] = reader->waiting[--reader->waiting_count];
		reader->terminals[i] = reader->terminals[reader->waiting_count];
		moved = 1;
	}
	return moved;
}

void reader_free(struct reader *reader)
{
	free(reader);
}
