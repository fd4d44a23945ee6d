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

static void entry_take(
    struct terminal_window *window, struct window_entry *entry, const struct wire_request *request)
{
	if (entry->state == WINDOW_DONE && entry->request_id > window->evicted)
		window->evicted = entry->request_id;
	memset(entry, 0, sizeof(*entry));
	entry->request_id = request->request_id;
	entry->body_hash[0] = request->body_hash[0];
	entry->body_hash[1] = request->body_hash[1];
	entry->template_id = request->template_id;
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

enum window_verdict window_admit(struct terminal_window *window, const struct wire_request *request,
    const struct window_entry **entry)
{
	uint64_t id = request->request_id;
	struct window_entry *own = entry_of(window, id);

	*entry = NULL;
	if (id == 0)
		return WINDOW_BAD_ID;
	if (id > window->highest_done && id - window->highest_done > LIMIT_REQUEST_JUMP_MAX)
		return WINDOW_BAD_ID;
	if (own->state != WINDOW_FREE && own->request_id == id) {
		*entry = own;
		if (!same_hash(own->body_hash, request->body_hash))
			return WINDOW_MISMATCH;
		return own->state == WINDOW_RUNNING ? WINDOW_IN_PROGRESS : WINDOW_REPLAY;
	}
	if (id < window_base(window))
		return WINDOW_BELOW;
	if (!near_running(window, id))
		return WINDOW_FULL;
	SLUICE_REQUIRE(own->state != WINDOW_RUNNING); /* its id would be 64 away */
	/* In the window a DONE entry can only be of an earlier id: a later one is above its base.
	 */
	SLUICE_REQUIRE(own->state == WINDOW_FREE || own->request_id < id);
	entry_take(window, own, request);
	*entry = own;
	return WINDOW_ADMITTED;
}

static void entry_store(
    struct terminal_window *window, struct window_entry *entry, const struct window_entry *done)
{
	*entry = *done;
	entry->state = WINDOW_DONE;
	entry->reserved = 0;
	if (done->request_id > window->highest_done)
		window->highest_done = done->request_id;
}

void window_complete(struct terminal_window *window, const struct window_entry *done)
{
	struct window_entry *entry = entry_of(window, done->request_id);

	SLUICE_REQUIRE(entry->state == WINDOW_RUNNING);
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

void window_restore(struct terminal_window *window, const struct window_entry *done)
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
}

void window_reply(const struct window_entry *entry, struct wire_reply *reply)
{
	reply->request_id = entry->request_id;
	reply->lsn = entry->lsn;
	reply->object_id = entry->object_id;
	reply->template_id = entry->template_id;
	reply->code = entry->code;
	reply->detail = 0;
	reply->shard = entry->shard;
	reply->flags = MESSAGE_FLAG_ANSWER_REPLAYED;
	reply->score = entry->score;
	reply->balance = entry->balance;
	reply->payout = entry->payout;
}
