/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATEMENT: walks an account's chain in its shard's log, newest first. An account is in an event
 * as its account_id, or as the customer of a line (the receiver of a transfer); each has its own
 * link to the event before.
 */
#include <errno.h>

#include "dataplane/reader/lookup.h"
#include "lmdb-schema/event_sections.h"

/* What one event says about the account. */
struct entry {
	int64_t amount, balance;
	uint64_t previous;
	int moves;
};

/* 0; -EBADMSG: the event does not name the account. */
static int entry_read(const struct event_view *view, uint64_t account_id, struct entry *entry)
{
	const struct event_record *record = &view->record;
	uint16_t type = le16_get(record->type), code = le16_get(record->code);

	*entry = (struct entry){ .moves = event_moves(type, code) };
	if (le64_get(record->account_id) == account_id) {
		entry->amount = le64s_get(record->amount);
		entry->balance = le64s_get(record->balance);
		entry->previous = le64_get(record->prev_account_lsn);
		return 0;
	}
	for (unsigned i = 0; i < view->line_count; i++) {
		if (view->lines[i].account_id != account_id)
			continue;
		entry->amount = view->lines[i].amount;
		entry->balance = view->lines[i].balance;
		entry->previous = view->lines[i].prev_lsn;
		return 0;
	}
	return -EBADMSG;
}

static void row_write(
    const struct event_view *view, const struct entry *entry, struct statement_row *row)
{
	const struct event_record *record = &view->record;
	int64_t before = entry->moves ? entry->balance - entry->amount : entry->balance;

	*row = (struct statement_row){
		.lsn = record->lsn,
		.time_ns = record->time_ns,
		.amount = le64s_make(entry->amount),
		.balance_before = le64s_make(before),
		.balance_after = le64s_make(entry->balance),
		.object_id = record->object_id,
		.type = record->type,
		.code = record->code,
		.currency = record->currency,
		.terminal_id = record->terminal_id,
		.request_id = record->request_id,
	};
}

/* Who is on a list, or was judged, must not be told so over the counter. */
static int confidential(const struct event_view *view)
{
	unsigned type = le16_get(view->record.type);

	return type == EVENT_ACCOUNT_FLAGS || type == EVENT_FEEDBACK;
}

void reader_statement(
    const struct reader_files *files, const struct history_query *query, struct wire_reply *reply)
{
	struct log_history *history = files->histories[query->shard];
	unsigned limit = query->count > LIMIT_STATEMENT_ROWS ? LIMIT_STATEMENT_ROWS : query->count;
	uint64_t lsn = query->lsn;
	unsigned count = 0;

	reply->object_id = query->id;
	reply->shard = query->shard;
	while (lsn != 0 && count < limit) {
		struct event_buffer event;
		struct event_view view;
		struct entry entry;
		int length = log_history_event(history, lsn, &event);

		if (length == -ENOENT)
			length = log_past_event(files->past, query->id, lsn, &event);
		if (length == -ENOENT) {
			/* Retired with its log: the statement ends here. */
			lsn = 0;
			break;
		}
		if (length < 0 || event_view_read(event.bytes, (size_t)length, &view) != 0) {
			reply->code = WIRE_CODE_STORAGE_UNAVAILABLE;
			reply->detail = READER_BUSY_MS;
			return;
		}
		if (entry_read(&view, query->id, &entry) != 0 || entry.previous >= lsn) {
			/* before_lsn is not from an answer about this account. */
			reply->code = count == 0 ? WIRE_CODE_BAD_FIELD : WIRE_CODE_OK;
			lsn = 0;
			break;
		}
		if (!confidential(&view)) {
			row_write(&view, &entry, &reply->statement.rows[count]);
			if (count++ == 0)
				reply->lsn = lsn;
		}
		lsn = entry.previous;
	}
	reply->statement.next_lsn = lsn;
	reply->statement.currency = query->currency;
	reply->statement.row_count = (uint8_t)count;
}
