/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/session/window.h"

#include <string.h>

void window_init(struct terminal_window *window, uint64_t terminal_id)
{
	memset(window, 0, sizeof(*window));
	window->terminal_id = terminal_id;
	window->rights = RIGHT_ALL;
}

uint64_t window_base(const struct terminal_window *window)
{
	uint64_t base = 1;

	if (window->highest_done >= LIMIT_REQUEST_WINDOW)
		base = window->highest_done - LIMIT_REQUEST_WINDOW + 1;
	/* evicted <= highest_done, so the sum does not wrap before ids themselves do. */
	if (window->evicted >= base)
		base = window->evicted + 1;
	return base;
}

int window_is_past(const struct terminal_window *window, uint64_t request_id)
{
	return request_id + LIMIT_REQUEST_WINDOW <= window->highest_done ||
	       (window->evicted_kept && request_id <= window->evicted);
}

static struct window_entry *entry_of(struct terminal_window *window, uint64_t request_id)
{
	return &window->entries[request_id % LIMIT_REQUEST_WINDOW];
}

static int same_hash(const uint64_t left[2], const uint64_t right[2])
{
	return left[0] == right[0] && left[1] == right[1];
}

static uint64_t running_highest(const struct terminal_window *window)
{
	return window->running_lowest + window->running_span;
}

static void running_bounds(struct terminal_window *window)
{
	uint64_t lowest = UINT64_MAX, highest = 0;

	for (unsigned i = 0; i < LIMIT_REQUEST_WINDOW; i++) {
		uint64_t id = window->entries[i].request_id;

		if (window->entries[i].state != WINDOW_RUNNING)
			continue;
		if (id < lowest)
			lowest = id;
		if (id > highest)
			highest = id;
	}
	window->running_lowest = lowest;
	window->running_span = (uint8_t)(highest - lowest);
}

static int within_bounds(const struct terminal_window *window, uint64_t id)
{
	return (id <= window->running_lowest ||
	           id - window->running_lowest < LIMIT_REQUEST_WINDOW) &&
	       (id >= running_highest(window) ||
	           running_highest(window) - id < LIMIT_REQUEST_WINDOW);
}

/*
 * All ids that run at a time lie within 64. The walk back along a terminal's chain relies on it: an
 * event with id Y was journalled when no id above Y + 63 was done or running, so behind it there is
 * none. The bounds are only widened by admissions; the exact ones are looked up when they refuse.
 */
static int near_running(struct terminal_window *window, uint64_t id)
{
	if (window->running == 0) {
		window->running_lowest = id;
		window->running_span = 0;
		return 1;
	}
	if (within_bounds(window, id))
		return 1;
	running_bounds(window);
	return within_bounds(window, id);
}

/* Takes an entry for an id that runs from now on. */
static void entry_take(
    struct terminal_window *window, struct window_entry *entry, uint64_t request_id)
{
	if (entry->state == WINDOW_DONE && entry->request_id > window->evicted) {
		window->evicted = entry->request_id;
		window->evicted_kept = 0;
	}
	memset(entry, 0, sizeof(*entry));
	entry->request_id = request_id;
	entry->state = WINDOW_RUNNING;
	window->running++;
	/* Within 64 of both bounds (near_running), so the span stays below that. */
	if (entry->request_id < window->running_lowest) {
		window->running_span += (uint8_t)(window->running_lowest - entry->request_id);
		window->running_lowest = entry->request_id;
	} else if (entry->request_id > running_highest(window)) {
		window->running_span = (uint8_t)(entry->request_id - window->running_lowest);
	}
}

/* What is to be said of the entry that holds this very id. */
static enum window_verdict entry_verdict(
    const struct window_entry *entry, const uint64_t body_hash[2])
{
	if (!entry->fence && body_hash != NULL && !same_hash(entry->body_hash, body_hash))
		return WINDOW_MISMATCH;
	if (entry->state == WINDOW_RUNNING)
		return WINDOW_IN_PROGRESS;
	return entry->fence ? WINDOW_FENCED : WINDOW_REPLAY;
}

/* body_hash NULL: any body. */
static enum window_verdict judge(
    struct terminal_window *window, uint64_t id, const uint64_t body_hash[2])
{
	const struct window_entry *own = entry_of(window, id);

	if (id == 0)
		return WINDOW_BAD_ID;
	if (id > window->highest_done && id - window->highest_done > LIMIT_REQUEST_JUMP_MAX)
		return WINDOW_BAD_ID;
	if (own->state != WINDOW_FREE && own->request_id == id)
		return entry_verdict(own, body_hash);
	if (id < window_base(window))
		return WINDOW_BELOW;
	return near_running(window, id) ? WINDOW_ADMITTED : WINDOW_FULL;
}

enum window_verdict window_judge(
    struct terminal_window *window, uint64_t request_id, const uint64_t body_hash[2])
{
	return judge(window, request_id, body_hash);
}

const struct window_entry *window_find(const struct terminal_window *window, uint64_t request_id)
{
	const struct window_entry *entry = &window->entries[request_id % LIMIT_REQUEST_WINDOW];

	return entry->state != WINDOW_FREE && entry->request_id == request_id ? entry : NULL;
}

static struct window_entry *admit(struct terminal_window *window, uint64_t id)
{
	struct window_entry *own = entry_of(window, id);

	SLUICE_REQUIRE(own->state != WINDOW_RUNNING); /* its id would be 64 away */
	/* In the window a DONE entry can only be of an earlier id: a later one is above its base.
	 */
	SLUICE_REQUIRE(own->state == WINDOW_FREE || own->request_id < id);
	entry_take(window, own, id);
	return own;
}

enum window_verdict window_admit(struct terminal_window *window, const struct wire_request *request,
    const struct window_entry **entry)
{
	uint64_t id = request->request_id;
	enum window_verdict verdict = judge(window, id, request->body_hash);

	*entry = window_find(window, id);
	if (verdict == WINDOW_ADMITTED) {
		struct window_entry *own = admit(window, id);

		own->body_hash[0] = request->body_hash[0];
		own->body_hash[1] = request->body_hash[1];
		own->template_id = (uint8_t)request->template_id;
		*entry = own;
	} else if (verdict == WINDOW_BAD_ID) {
		*entry = NULL;
	}
	return verdict;
}

static void outcome_check(const struct window_outcome *done)
{
	SLUICE_REQUIRE(done->balance >= -WINDOW_AMOUNT_MAX && done->balance <= WINDOW_AMOUNT_MAX);
	SLUICE_REQUIRE(done->payout >= -WINDOW_AMOUNT_MAX && done->payout <= WINDOW_AMOUNT_MAX);
	SLUICE_REQUIRE(done->lsn <= WINDOW_LSN_MAX && done->shard < LIMIT_SHARDS);
	SLUICE_REQUIRE(done->template_id <= WIRE_TEMPLATE_MAX && done->score <= WINDOW_SCORE_MAX);
}

static void entry_store(
    struct terminal_window *window, struct window_entry *entry, const struct window_outcome *done)
{
	outcome_check(done);
	memset(entry, 0, sizeof(*entry));
	entry->request_id = done->request_id;
	entry->body_hash[0] = done->body_hash[0];
	entry->body_hash[1] = done->body_hash[1];
	entry->object_id = done->object_id;
	entry->balance = done->balance;
	entry->payout = done->payout;
	entry->lsn = done->lsn & WINDOW_LSN_MAX;
	entry->code = done->code;
	entry->state = WINDOW_DONE;
	entry->shard = done->shard & (LIMIT_SHARDS - 1);
	entry->score = done->score & WINDOW_SCORE_MAX;
	entry->template_id = (uint8_t)done->template_id;
	memcpy(entry->ticket, done->ticket, sizeof(entry->ticket));
	if (done->request_id > window->highest_done)
		window->highest_done = done->request_id;
}

void window_complete(struct terminal_window *window, const struct window_outcome *done)
{
	struct window_entry *entry = entry_of(window, done->request_id);

	SLUICE_REQUIRE(entry->state == WINDOW_RUNNING && !entry->fence);
	SLUICE_REQUIRE(entry->request_id == done->request_id);
	SLUICE_REQUIRE(same_hash(entry->body_hash, done->body_hash));
	SLUICE_REQUIRE(window->running > 0);
	window->running--;
	entry_store(window, entry, done);
}

void window_abandon(struct terminal_window *window, uint64_t request_id)
{
	struct window_entry *entry = entry_of(window, request_id);

	SLUICE_REQUIRE(entry->state == WINDOW_RUNNING);
	SLUICE_REQUIRE(entry->request_id == request_id);
	SLUICE_REQUIRE(window->running > 0);
	window->running--;
	memset(entry, 0, sizeof(*entry));
}

enum window_verdict window_fence_hold(struct terminal_window *window, uint64_t target_id)
{
	enum window_verdict verdict = judge(window, target_id, NULL);

	if (verdict == WINDOW_ADMITTED)
		admit(window, target_id)->fence = 1;
	return verdict;
}

void window_fence(struct terminal_window *window, uint64_t target_id, uint8_t shard, uint64_t lsn)
{
	struct window_outcome fenced = {
		.request_id = target_id,
		.lsn = lsn,
		.code = WIRE_CODE_FENCED,
		.shard = shard,
	};
	struct window_entry *entry = entry_of(window, target_id);

	if (entry->state != WINDOW_FREE && entry->request_id == target_id) {
		if (entry->state != WINDOW_RUNNING || !entry->fence)
			return; /* it has an outcome of its own */
		window->running--;
	} else if (target_id < window_base(window) || entry->state == WINDOW_RUNNING ||
	           (entry->state == WINDOW_DONE && entry->request_id > target_id)) {
		return;
	}
	entry_store(window, entry, &fenced);
	entry->fence = 1;
}

void window_update(struct terminal_window *window, const struct window_outcome *final)
{
	struct window_entry *entry = entry_of(window, final->request_id);

	if (entry->state != WINDOW_DONE || entry->request_id != final->request_id ||
	    entry->code != WIRE_CODE_PENDING || !same_hash(entry->body_hash, final->body_hash))
		return;
	entry_store(window, entry, final);
}

void window_restore(struct terminal_window *window, const struct window_outcome *done)
{
	struct window_entry *entry = entry_of(window, done->request_id);

	SLUICE_REQUIRE(window->running == 0);
	SLUICE_REQUIRE(done->request_id != 0);
	if (done->request_id < window_base(window))
		return;
	if (entry->state == WINDOW_DONE && entry->request_id == done->request_id)
		return;
	/* What it replaces is at least 64 older, so the new highest_done puts it below the base. */
	SLUICE_REQUIRE(entry->state == WINDOW_FREE || entry->request_id < done->request_id);
	entry_store(window, entry, done);
}

void window_restore_retired(struct terminal_window *window, uint64_t request_id)
{
	SLUICE_REQUIRE(window->running == 0);
	if (request_id > window->highest_done)
		window->highest_done = request_id;
	if (request_id > window->evicted)
		window->evicted = request_id;
	window->evicted_kept = 1;
}

void window_reply(const struct window_entry *entry, struct wire_reply *reply)
{
	reply->request_id = entry->request_id;
	reply->lsn = entry->lsn;
	reply->object_id = entry->object_id;
	reply->template_id = entry->template_id;
	reply->code = (uint16_t)entry->code;
	reply->detail = 0;
	reply->shard = (uint8_t)entry->shard;
	reply->flags = MESSAGE_FLAG_ANSWER_REPLAYED;
	reply->score = (uint8_t)entry->score;
	memcpy(reply->ticket, entry->ticket, sizeof(reply->ticket));
	reply->balance = entry->balance;
	reply->payout = entry->payout;
}
