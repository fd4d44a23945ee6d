/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request window of a terminal, at its home worker: 64 entries of 64 B, a derived cache of
 * journalled outcomes. Rebuilt from the logs of all shards before ports open; slides on durable
 * completion only.
 *
 *   FREE --admit--> RUNNING --complete (durable)--> DONE --(entry needed by a later id)--> RUNNING
 *                      \--abandon (transient refusal: nothing journalled)--> FREE
 *
 * Request id r lives in entry r % 64. The judgement of an id, in this order:
 *
 *   0, or more than 65,536 above highest_done       BAD_ID
 *   its entry holds this id, another body           MISMATCH
 *   its entry holds this id, RUNNING                IN_PROGRESS
 *   its entry holds this id, DONE                   REPLAY
 *   below window_base()                             BELOW
 *   its entry is RUNNING under another id           FULL
 *   otherwise                                       ADMITTED
 *
 * window_base() = max(highest_done - 63, evicted + 1) and never falls, so an id once BELOW stays
 * BELOW. `evicted` is the highest DONE id whose entry was taken by the admission of a later id;
 * without it, an admission followed by an abandon would leave a FREE entry under an id that was
 * executed, and that id would run twice. Hence: every executed id from window_base() on has its
 * entry, and an id in the window without one was never executed.
 */
#ifndef SLUICE_WINDOW_H
#define SLUICE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/codec.h"
#include "wire/limits.h"

enum window_state {
	WINDOW_FREE = 0,
	WINDOW_RUNNING = 1,
	WINDOW_DONE = 2,
};

struct window_entry {
	uint64_t request_id;
	uint64_t body_hash[2];
	uint64_t lsn;
	uint64_t object_id;
	int64_t balance;
	int64_t payout;
	uint16_t code;
	uint16_t template_id;
	uint8_t state; /* window_state */
	uint8_t shard;
	uint8_t score;
	uint8_t reserved;
};
_Static_assert(sizeof(struct window_entry) == 64, "one cache line");

struct terminal_window {
	uint64_t terminal_id;
	uint64_t highest_done; /* highest durably completed id */
	uint64_t evicted;      /* highest DONE id that lost its entry to an admission; 0: none */
	uint8_t running;       /* entries in RUNNING: 0..64 */
	uint8_t running_span;  /* the RUNNING ids lie in running_lowest .. + this; may be wider */
	uint8_t blocked;       /* 1: no request of this terminal is taken */
	uint8_t reserved;
	uint32_t rights;      /* what control allows the terminal; a copy of the ledger's row */
	int64_t daily_max;    /* its own daily limit; 0: none. A copy too */
	int64_t staked_today; /* over all shards: accepted, durable or running */
	uint64_t running_lowest;
	uint32_t staked_day;
	uint32_t reserved1;
	struct window_entry entries[LIMIT_REQUEST_WINDOW]; /* index = request_id % 64 */
};

_Static_assert(offsetof(struct terminal_window, entries) == 64, "entries keep their cache lines");

enum window_verdict {
	WINDOW_ADMITTED,    /* new: entry is RUNNING now */
	WINDOW_REPLAY,      /* done before, same body: *entry holds the outcome */
	WINDOW_IN_PROGRESS, /* running: answer IN_PROGRESS */
	WINDOW_MISMATCH,    /* same id, other body */
	WINDOW_BELOW,       /* older than the window: history must be asked */
	WINDOW_BAD_ID,      /* zero, or more than 65,536 above the highest */
	WINDOW_FULL,        /* 64 or more away from an id that is running: BUSY */
};

/* A new terminal: nothing done, all rights. */
void window_init(struct terminal_window *window, uint64_t terminal_id);

/* Lowest id that may still be admitted; every id below it and without an entry is BELOW for ever.
 */
uint64_t window_base(const struct terminal_window *window);

/*
 * Judges a mutating request and, on WINDOW_ADMITTED, takes its entry (RUNNING). *entry is set on
 * every verdict that has one: ADMITTED, REPLAY, IN_PROGRESS, MISMATCH; NULL otherwise. It points
 * into the window and holds until the next call that changes the window.
 */
enum window_verdict window_admit(struct terminal_window *window, const struct wire_request *request,
    const struct window_entry **entry);

/*
 * The outcome is durable. `done` holds id, hash and outcome (its state is ignored); slides the
 * window. The id must be RUNNING here with the same hash: anything else is a broken invariant.
 */
void window_complete(struct terminal_window *window, const struct window_entry *done);

/*
 * Nothing was journalled: the id is free again. Only for an id of which no event was handed to the
 * journal; one that was handed over stays RUNNING until it is durable. The id must be RUNNING here.
 */
void window_abandon(struct terminal_window *window, uint64_t request_id);

/*
 * Rebuild at start: like complete for an id that was never admitted here. Events may come in any
 * order between shards: the verdict on every id in the window depends on their set only. Ids older
 * than the window are ignored, and so is an id restored before. Nothing may be RUNNING yet.
 */
void window_restore(struct terminal_window *window, const struct window_entry *done);

/*
 * Rebuild at start, where the log that held older outcomes was retired: no id up to `request_id`
 * may be taken for one that never ran. Those without an entry are BELOW, and history cannot name
 * them.
 */
void window_restore_retired(struct terminal_window *window, uint64_t request_id);

/*
 * Fills the answer of a stored outcome: ids, code, LSN, object, balance, payout, score and
 * flags = ANSWER_REPLAYED, detail = 0. switch_time_ns stays as it is: the caller's clock.
 */
void window_reply(const struct window_entry *entry, struct wire_reply *reply);

/* Second stage of a burst: the line the request's entry is in. */
static inline void window_prefetch(const struct terminal_window *window, uint64_t request_id)
{
	__builtin_prefetch(window, 1);
	__builtin_prefetch(&window->entries[request_id % LIMIT_REQUEST_WINDOW], 1);
}

#endif
