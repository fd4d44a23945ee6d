/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request window of a terminal, at its home worker: 64 entries of 64 B, a derived cache of
 * journalled outcomes. Rebuilt from the logs of all shards before ports open; slides on durable
 * completion only.
 *
 *   FREE --admit--> RUNNING --complete (durable)--> DONE --(entry needed by a later id)--> RUNNING
 *                      \--abandon (transient refusal: nothing journalled)--> FREE
 *
 * A FENCE holds its target's entry (RUNNING, whatever body comes: IN_PROGRESS) while it runs;
 * durable, the entry is DONE with the code FENCED for any body.
 *
 * Request id r lives in entry r % 64. The judgement of an id, in this order:
 *
 *   0, or more than 65,536 above highest_done       BAD_ID
 *   its entry is a fence of this id                 IN_PROGRESS, FENCED
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

/* Largest amount an entry can hold, either sign: above every limit of balances and payouts. */
#define WINDOW_AMOUNT_BITS 52
#define WINDOW_AMOUNT_MAX  ((1ll << (WINDOW_AMOUNT_BITS - 1)) - 1)
#define WINDOW_LSN_MAX     ((1ull << 48) - 1)
#define WINDOW_SCORE_MAX   127
_Static_assert(LIMIT_BALANCE_MAX < WINDOW_AMOUNT_MAX && LIMIT_PAYOUT_MAX < WINDOW_AMOUNT_MAX,
    "what an answer can say fits an entry");
_Static_assert(LIMIT_SHARDS <= 64 && WIRE_TEMPLATE_MAX <= 255, "shard and template fit");

struct window_entry {
	uint64_t request_id;
	uint64_t body_hash[2]; /* of a fence: 0 */
	uint64_t object_id;
	int64_t balance : WINDOW_AMOUNT_BITS;
	uint64_t state : 2; /* window_state */
	uint64_t shard : 6;
	uint64_t fence : 1; /* 1: nothing is known of the body: any one is meant */
	uint64_t reserved0 : 3;
	int64_t payout : WINDOW_AMOUNT_BITS;
	uint64_t score : 7;
	uint64_t reserved1 : 5;
	uint64_t lsn : 48;
	uint64_t code : 16;
	uint8_t ticket[TICKET_SIZE]; /* of an accepted bet, else 0 */
	uint8_t template_id;
};
_Static_assert(sizeof(struct window_entry) == 64, "one cache line");

/* An outcome on its way into an entry. Values that do not fit are a broken invariant. */
struct window_outcome {
	uint64_t request_id;
	uint64_t body_hash[2];
	uint64_t lsn;
	uint64_t object_id;
	int64_t balance, payout;
	uint16_t code, template_id;
	uint8_t shard, score;
	uint8_t ticket[TICKET_SIZE];
};

struct terminal_window {
	uint64_t terminal_id;
	uint64_t highest_done; /* highest durably completed id */
	uint64_t evicted;      /* highest DONE id that lost its entry to an admission; 0: none */
	uint8_t running;       /* entries in RUNNING: 0..64 */
	uint8_t running_span;  /* the RUNNING ids lie in running_lowest .. + this; may be wider */
	uint8_t blocked;       /* 1: no request of this terminal is taken */
	uint8_t evicted_kept;  /* 1: `evicted` is what every later start finds too */
	uint32_t rights;       /* what control allows the terminal; a copy of the ledger's row */
	int64_t daily_max;     /* its own daily limit; 0: none. A copy too */
	int64_t staked_today;  /* over all shards: accepted, durable or running */
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
	WINDOW_FENCED,      /* a FENCE was first: it is never carried out; *entry says where */
};

/* A new terminal: nothing done, all rights. */
void window_init(struct terminal_window *window, uint64_t terminal_id);

/* 1: the id is below what durable outcomes alone have moved: whatever happens, a crash too, it is
 * never admitted again. */
int window_is_past(const struct terminal_window *window, uint64_t request_id);

/* Lowest id that may still be admitted; every id below it and without an entry is BELOW for ever.
 */
uint64_t window_base(const struct terminal_window *window);

/*
 * Judges a mutating request and, on WINDOW_ADMITTED, takes its entry (RUNNING). *entry is set on
 * every verdict that has one: ADMITTED, REPLAY, IN_PROGRESS, MISMATCH, FENCED; NULL otherwise. It
 * points into the window and holds until the next call that changes the window.
 */
enum window_verdict window_admit(struct terminal_window *window, const struct wire_request *request,
    const struct window_entry **entry);
/* The same verdict without taking anything: ADMITTED says that it would be. */
enum window_verdict window_judge(
    struct terminal_window *window, uint64_t request_id, const uint64_t body_hash[2]);
/* The entry of an id in whatever state, for questions about it; NULL: none. */
const struct window_entry *window_find(const struct terminal_window *window, uint64_t request_id);

/*
 * The outcome is durable: it slides the window. The id must be RUNNING here with the same hash:
 * anything else is a broken invariant.
 */
void window_complete(struct terminal_window *window, const struct window_outcome *done);

/*
 * Nothing was journalled: the id is free again. Only for an id of which no event was handed to the
 * journal; one that was handed over stays RUNNING until it is durable. The id must be RUNNING here.
 * Of a fence being held: its target.
 */
void window_abandon(struct terminal_window *window, uint64_t request_id);

/*
 * A FENCE of an id that is in the window and was never executed begins: ADMITTED, and nothing is
 * admitted under the id until window_fence or window_abandon. Any other verdict changes nothing:
 * IN_PROGRESS, REPLAY (it was executed), FENCED, BELOW, FULL.
 */
enum window_verdict window_fence_hold(struct terminal_window *window, uint64_t target_id);
/*
 * The FENCE is durable, with this position; at start, too. Nothing to do for a target below the
 * window (it is never admitted any more), or one that has an outcome.
 */
void window_fence(struct terminal_window *window, uint64_t target_id, uint8_t shard, uint64_t lsn);

/*
 * The final outcome of a request that was restored as PENDING: its entry says so from now on. No
 * entry, another body, or another code: nothing to do.
 */
void window_update(struct terminal_window *window, const struct window_outcome *final);

/*
 * Rebuild at start: like complete for an id that was never admitted here. Events may come in any
 * order between shards: the verdict on every id in the window depends on their set only. Ids older
 * than the window are ignored, and so is an id restored before: of one request's events the newest
 * comes first. Nothing may be RUNNING yet.
 */
void window_restore(struct terminal_window *window, const struct window_outcome *done);

/*
 * Rebuild at start, where the log that held older outcomes was retired: no id up to `request_id`
 * may be taken for one that never ran. Those without an entry are BELOW, and history cannot name
 * them (or has them from before a re-sharding). Every later start finds the same: its chain leads
 * to the same end, or to an id 128 and more above.
 */
void window_restore_retired(struct terminal_window *window, uint64_t request_id);

/*
 * Fills the answer of a stored outcome: ids, code, LSN, object, balance, payout, score, ticket and
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
