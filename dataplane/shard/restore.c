/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuilds the request windows before ports open. A window is a derived cache: on every shard each
 * terminal's events form a chain, newest first; walking it until ids fall two windows below the
 * newest id gives every outcome the window can still hold.
 *
 * Why two windows: ids that run at a time lie within 64 (window.c). When an event with id Y was
 * journalled no id above Y + 63 was done or running, and the chain is in order of journalling; so
 * behind an event with id <= H - 128 there is none above H - 65.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"

static void restore_entry(
    struct terminal_window *window, const struct event_record *record, const uint8_t shard)
{
	struct window_entry done = {
		.request_id = le64_get(record->request_id),
		.body_hash = { le64_get(record->body_hash[0]), le64_get(record->body_hash[1]) },
		.lsn = le64_get(record->lsn),
		.object_id = le64_get(record->object_id),
		.balance = le64s_get(record->balance),
		.payout = le64s_get(record->payout),
		.code = le16_get(record->code),
		.state = WINDOW_DONE,
		.shard = shard,
		.score = record->score,
	};

	switch (le16_get(record->type)) {
	case EVENT_PLACE_BET:
		done.template_id = WIRE_PLACE_BET;
		break;
	case EVENT_CANCEL_BET:
		done.template_id = WIRE_CANCEL_BET;
		break;
	default:
		done.template_id = WIRE_DEPOSIT;
		break;
	}
	window_restore(window, &done);
}

/* One terminal's chain on one shard. */
static int restore_chain(struct terminal_window *window, struct log_history *history, uint8_t shard,
    const struct terminal_row *row)
{
	uint64_t lsn = row->lsn;

	while (lsn != 0) {
		struct event_buffer event;
		struct event_record record;
		uint64_t request_id;
		int length = log_history_event(history, lsn, &event);

		if (length == -ENOENT) {
			/* Retired: what ran before it is not known here any more. */
			window_restore_retired(window, row->highest_request_id);
			return 0;
		}
		if (length < 0)
			return length;
		memcpy(&record, event.bytes, sizeof(record));
		request_id = le64_get(record.request_id);
		/* An event without an id (TERMINAL_SET) is only passed over. */
		if (request_id != 0 &&
		    request_id + 2 * LIMIT_REQUEST_WINDOW <= row->highest_request_id)
			return 0;
		if (request_id != 0)
			restore_entry(window, &record, shard);
		SLUICE_REQUIRE(le64_get(record.prev_terminal_lsn) < lsn);
		lsn = le64_get(record.prev_terminal_lsn);
	}
	return 0;
}

static int restore_shard(struct worker **workers, struct log_history *history, uint32_t shard)
{
	const struct ledger *ledger = workers[shard]->ledger;
	uint32_t rows = ledger_row_count(ledger, LEDGER_TERMINAL);

	for (uint32_t i = 0; i < rows; i++) {
		const struct terminal_row *row = ledger_terminal_at(ledger, i);
		struct worker *home =
		    workers[workers[shard]->shared->buckets.shard[ids_bucket_of_key(row->id)]];
		uint32_t index = worker_window(home, row->id);
		struct terminal_window *window;
		int error;

		if (index == UINT32_MAX)
			return -ENOSPC;
		window = &home->windows[index];
		error = restore_chain(window, history, (uint8_t)shard, row);
		if (error != 0)
			return error;
		if (window->highest_done < row->highest_request_id)
			return -EBADMSG; /* the chain does not hold what the row says */
		/* What the terminal has staked today is the sum over the shards of its newest day.
		 */
		if (row->staked_day > window->staked_day) {
			window->staked_day = row->staked_day;
			window->staked_today = row->staked_today;
		} else if (row->staked_day == window->staked_day) {
			window->staked_today += row->staked_today;
		}
	}
	return 0;
}

int worker_restore(struct worker **workers, struct log_history **histories, uint32_t count)
{
	for (uint32_t shard = 0; shard < count; shard++) {
		int error = restore_shard(workers, histories[shard], shard);

		if (error != 0)
			return error;
	}
	return 0;
}
