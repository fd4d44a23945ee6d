/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request window of a terminal, at its home worker: 64 entries of 64 B, a derived cache of journalled
 * outcomes. Rebuilt from the logs of all shards before ports open; slides on durable completion only.
 *
 *   FREE --admit--> RUNNING --complete (durable)--> DONE --(window slides past)--> FREE
 *                      \--abandon (transient refusal: nothing journalled)--> FREE
 */
#ifndef SLUICE_WINDOW_H
#define SLUICE_WINDOW_H

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
	uint64_t highest_done; /* highest durably completed id; window = (highest_done - 64, ...] */
	uint32_t running;      /* entries in RUNNING */
	uint32_t reserved;
	int64_t staked_today; /* over all shards: accepted, durable or running */
	uint32_t staked_day;
	uint32_t reserved1;
	struct window_entry entries[LIMIT_REQUEST_WINDOW]; /* index = request_id % 64 */
};

enum window_verdict {
	WINDOW_ADMITTED,     /* new: entry is RUNNING now */
	WINDOW_REPLAY,	     /* done before, same body: *entry holds the outcome */
	WINDOW_IN_PROGRESS,  /* running: answer IN_PROGRESS */
	WINDOW_MISMATCH,     /* same id, other body */
	WINDOW_BELOW,	     /* older than the window: history must be asked */
	WINDOW_BAD_ID,	     /* zero, or more than 65,536 above the highest */
	WINDOW_FULL,	     /* too many in flight, or the entry's slot is still running: BUSY */
};

void window_init(struct terminal_window *window, uint64_t terminal_id);
/* Judges a mutating request. On WINDOW_REPLAY *entry points into the window. */
enum window_verdict window_admit(struct terminal_window *window,
    const struct wire_request *request, const struct window_entry **entry);
/* The outcome is durable. `done` holds id, hash and outcome; slides the window. */
void window_complete(struct terminal_window *window, const struct window_entry *done);
/* Nothing was journalled: the id is free again. */
void window_abandon(struct terminal_window *window, uint64_t request_id);
/* Rebuild at start: like complete for an id that was never admitted here; older ids are ignored. */
void window_restore(struct terminal_window *window, const struct window_entry *done);
/* Fills the reply of a stored outcome (flags get ANSWER_REPLAYED). */
void window_reply(const struct window_entry *entry, struct wire_reply *reply);

#endif
