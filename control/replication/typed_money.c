/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Money and objects of an event as rows: every posting besides the account's own, what became of a
 * bet, what became of objects. With `transactions` they are the whole double entry, so that
 * statements and settlements with partners are SQL.
 */
#include "control/replication/typed_money.h"

#include <errno.h>

#include "dataplane/ledger/ledger_internal.h" /* ledger_lines: the postings a type implies */

#define POSTING_SIZE       (2 + 6 * COPY_FIELD_INT8 + 4 * COPY_FIELD_INT2)
#define BET_CHANGE_SIZE    (2 + 8 * COPY_FIELD_INT8 + 6 * COPY_FIELD_INT2)
#define OBJECT_CHANGE_SIZE (2 + 8 * COPY_FIELD_INT8 + OBJECT_BODY_SIZE)

/* Whom a posting on RECEIVABLE is about; otherwise 0. */
static uint64_t line_customer(
    const struct event_view *view, const struct ledger_line *lines, const struct ledger_line *line)
{
	uint64_t receivable =
	    ledger_system_account(SYSTEM_RECEIVABLE, le16_get(view->record.currency), 0);

	if (line->account_id != receivable)
		return 0;
	return line->owner >= 0 ? lines[line->owner].account_id : le64_get(view->record.account_id);
}

static int posting_add(struct copy *copy, uint16_t shard, const struct event_view *view,
    const struct ledger_line *lines, unsigned number)
{
	const struct event_record *record = &view->record;
	const struct ledger_line *line = &lines[number];
	uint8_t *at = copy_row(copy, POSTING_SIZE);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, 10);
	at = copy_int8(at, line->account_id);
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8(at, le64_get(record->lsn));
	at = copy_int8(at, (uint64_t)line->amount);
	at = copy_int2(at, (uint16_t)number);
	at = copy_int2(at, shard);
	at = copy_int2(at, le16_get(record->type));
	at = copy_int2(at, le16_get(record->currency));
	at = line->account_id <= LIMIT_ACCOUNT_ID_MAX ? copy_int8(at, (uint64_t)line->balance)
	                                              : copy_null(at);
	copy_end(copy, copy_int8_or_null(at, line_customer(view, lines, line)));
	return 0;
}

int typed_postings(struct copy *copy, uint16_t shard, const struct event_view *view)
{
	struct ledger_line lines[LEDGER_LINES_MAX];
	int count = ledger_lines(view, lines), error = count < 0 ? count : 0;

	for (int i = 0; i < count && error == 0; i++)
		error = posting_add(copy, shard, view, lines, (unsigned)i);
	return error;
}

static int changes_bet(uint16_t type)
{
	return type == EVENT_CANCEL_BET || type == EVENT_BET_SETTLE || type == EVENT_BET_VOID ||
	       type == EVENT_REDEEM || type == EVENT_TICKET_EXPIRE;
}

int typed_bet_change(struct copy *copy, uint16_t shard, const struct event_view *view)
{
	const struct event_record *record = &view->record;
	struct event_bet_change change;
	uint8_t *at;

	if (!changes_bet(le16_get(record->type)) ||
	    !event_moves(le16_get(record->type), le16_get(record->code)))
		return 0;
	at = copy_row(copy, BET_CHANGE_SIZE);
	if (at == NULL)
		return -ENOMEM;
	memcpy(&change, view->body, sizeof(change));
	at = copy_put16(at, 14);
	at = copy_int8(at, le64_get(record->object_id));
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8(at, le64_get(record->lsn));
	at = copy_int8(at, (uint64_t)le64s_get(change.stake));
	at = copy_int8(at, (uint64_t)le64s_get(record->payout));
	at = copy_int8(at, (uint64_t)le64s_get(change.payout_before));
	at = copy_int2(at, change.from);
	at = copy_int2(at, change.to);
	at = copy_int2(at, change.class);
	at = copy_int2(at, le16_get(record->type));
	at = copy_int2(at, shard);
	at = copy_int2(at, le16_get(record->currency));
	at = copy_int8_or_null(at, le64_get(record->account_id));
	copy_end(copy, copy_int8_or_null(at, le64_get(change.market_id)));
	return 0;
}

static int object_add(
    struct copy *copy, uint16_t shard, const struct event_view *view, unsigned number)
{
	const struct event_record *record = &view->record;
	const struct object_bytes *object = &view->objects[number];
	uint16_t currency = le16_get(object->currency);
	uint32_t partner_id = le32_get(object->partner_id);
	uint64_t due_ns = le64_get(object->due_ns);
	uint8_t *at = copy_row(copy, OBJECT_CHANGE_SIZE);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, 11);
	at = copy_int8(at, le64_get(object->id));
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8(at, le64_get(record->lsn));
	at = copy_int2(at, (uint16_t)number);
	at = copy_int2(at, object->kind);
	at = copy_int2(at, object->state);
	at = copy_int2(at, shard);
	/* A time beyond what PostgreSQL knows is as good as none. */
	at = due_ns == 0 || due_ns > INT64_MAX ? copy_null(at) : copy_time(at, due_ns);
	at = currency == 0 ? copy_null(at) : copy_int2(at, currency);
	at = partner_id == 0 ? copy_null(at) : copy_int4(at, partner_id);
	copy_end(copy, copy_bytes(at, object->body, object_body_told(object)));
	return 0;
}

int typed_objects(struct copy *copy, uint16_t shard, const struct event_view *view)
{
	int error = 0;

	for (unsigned i = 0; i < view->object_count && error == 0; i++)
		error = object_add(copy, shard, view, i);
	return error;
}
