/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuilds the request windows before ports open. A window is a derived cache: on every shard each
 * terminal's events form a chain, newest first; walking it until ids fall two windows below the
 * newest id gives every outcome the window can still hold.
 *
 * Why two windows: ids that run at a time lie within 64 (window.c). When an event with id Y was
 * journalled no id above Y + 63 was done or running, and the chain is in order of journalling; so
 * behind an event with id <= H - 128 there is none above H - 65.
 *
 * Of a request's events the newest counts: a TRANSFER_DONE before its TRANSFER_OUT, which alone is
 * PENDING until the receipt comes. A FENCE gives its own entry and its target's.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"

static void restore_entry(struct terminal_window *window, const struct event_buffer *event,
    const struct switch_shared *shared, uint8_t shard)
{
	struct event_record record;
	struct window_outcome done;

	memcpy(&record, event->bytes, sizeof(record));
	done = (struct window_outcome){
		.request_id = le64_get(record.request_id),
		.body_hash = { le64_get(record.body_hash[0]), le64_get(record.body_hash[1]) },
		.lsn = le64_get(record.lsn),
		.object_id = le64_get(record.object_id),
		.balance = le64s_get(record.balance),
		.payout = le64s_get(record.payout),
		.code = le16_get(record.code),
		.template_id = outcome_template(event),
		.shard = shard,
		.score = record.score,
	};
	outcome_transfer(event, &done.object_id, &done.balance, &done.payout);
	outcome_ticket(shared->ticket_key, event, done.ticket);
	window_restore(window, &done);
	if (done.code == WIRE_CODE_FENCED_NOW)
		window_fence(window, done.object_id, shard, done.lsn);
}

/* One terminal's chain on one shard. */
static int restore_chain(struct terminal_window *window, struct log_history *history,
    const struct switch_shared *shared, uint8_t shard, const struct terminal_row *row)
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
		/* An event without an id (TERMINAL_SET) is only passed over; the end of a transfer
		 * that was open over a restart may be of an id long gone by. */
		if (request_id != 0 && le16_get(record.type) != EVENT_TRANSFER_DONE &&
		    request_id + 2 * LIMIT_REQUEST_WINDOW <= row->highest_request_id)
			return 0;
		if (request_id != 0)
			restore_entry(window, &event, shared, shard);
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
		error = restore_chain(window, history, workers[shard]->shared, (uint8_t)shard, row);
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

/* What lies in the drawers: the CASH accounts of all shards. */
static int restore_cash(struct worker **workers, uint32_t shard)
{
	const struct ledger *ledger = workers[shard]->ledger;
	uint32_t rows = ledger_row_count(ledger, LEDGER_ACCOUNT);

	for (uint32_t i = 0; i < rows; i++) {
		const struct account_row *row = ledger_account_at(ledger, i);
		uint64_t terminal_id = row->id & UINT32_MAX;
		struct worker *home;
		uint32_t window;

		if (row->id != ledger_system_account(SYSTEM_CASH, row->currency, terminal_id))
			continue;
		home =
		    workers[workers[shard]->shared->buckets.shard[ids_bucket_of_key(terminal_id)]];
		window = worker_window(home, terminal_id);
		if (window == UINT32_MAX)
			return -ENOSPC;
		if (worker_cash_add(home, window, row->currency, -row->balance) != 0)
			continue; /* one currency too many is not counted */
	}
	return 0;
}

int worker_restore(struct worker **workers, struct log_history **histories, uint32_t count)
{
	for (uint32_t shard = 0; shard < count; shard++) {
		int error = restore_shard(workers, histories[shard], shard);

		if (error == 0)
			error = restore_cash(workers, shard);
		if (error == 0)
			error = worker_transfers_restore(workers[shard]);
		workers[shard]->bets_retired_lsn = workers[shard]->objects_retired_lsn =
		    ledger_shard(workers[shard]->ledger)->lsn;
		if (error != 0)
			return error;
	}
	return 0;
}
