/* SPDX-License-Identifier: Apache-2.0 */
#include "control/replication/typed.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/replication/typed_money.h"
#include "dataplane/ledger/ledger_internal.h" /* ledger_event_stake */

#define TRANSACTION_COLUMNS                                                                        \
	"lsn, time, account, terminal, request, amount, balance, object, payout, factor_bits, "    \
	"rule_version, cashier, shard, type, code, currency, score, flags"
#define COPY_SQL(table, columns) "copy " table " (" columns ") from stdin (format binary)"

const char typed_transaction_columns[] = TRANSACTION_COLUMNS;

const char *const typed_copy_sql[TYPED_TABLE_COUNT] = {
	[TYPED_TRANSACTIONS] = COPY_SQL("sluice.transactions", TRANSACTION_COLUMNS),
	[TYPED_BETS] = COPY_SQL("sluice.bets",
	    "bet, time, lsn, terminal, stake, payout, shard, currency, score, legs, account"),
	[TYPED_LEGS] = COPY_SQL("sluice.bet_legs", "bet, time, market, odds, leg, selection"),
	[TYPED_CANCELS] =
	    COPY_SQL("sluice.bet_cancels", "bet, time, lsn, amount, terminal, shard, reason"),
	[TYPED_BET_CHANGES] = COPY_SQL("sluice.bet_changes", TYPED_BET_CHANGE_COLUMNS),
	[TYPED_POSTINGS] = COPY_SQL("sluice.postings", TYPED_POSTING_COLUMNS),
	[TYPED_OBJECTS] = COPY_SQL("sluice.object_changes", TYPED_OBJECT_COLUMNS),
	[TYPED_BLOCKS] = COPY_SQL(
	    "sluice.log_block", "first_lsn, last_lsn, time, incarnation, xxh3, shard, events"),
	[TYPED_ACCOUNTS] = COPY_SQL(
	    "pg_temp.account_batch", "id, balance, lsn, changed, shard, currency, frozen, partner"),
};

void typed_free(struct typed *typed)
{
	for (unsigned i = 0; i < TYPED_TABLE_COUNT; i++)
		copy_free(&typed->tables[i]);
	free(typed->accounts);
	*typed = (struct typed){ 0 };
}

void typed_clear(struct typed *typed)
{
	for (unsigned i = 0; i < TYPED_TABLE_COUNT; i++)
		copy_clear(&typed->tables[i]);
	if (typed->account_count > 0)
		memset(typed->accounts, 0, typed->account_room * sizeof(*typed->accounts));
	typed->account_count = 0;
	typed->events = 0;
	typed->month_count = 0;
	typed->month_begin_ns = typed->month_end_ns = 0;
}

void typed_month(uint64_t time_ns, uint64_t *begin_ns, uint64_t *end_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	struct tm parts;

	gmtime_r(&seconds, &parts);
	parts.tm_mday = 1;
	parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
	*begin_ns = (uint64_t)timegm(&parts) * 1000000000u;
	parts.tm_mon++; /* timegm carries it into the year */
	*end_ns = (uint64_t)timegm(&parts) * 1000000000u;
}

static int month_note(struct typed *typed, uint64_t time_ns)
{
	uint64_t begin, end;

	if (time_ns >= typed->month_begin_ns && time_ns < typed->month_end_ns)
		return 0;
	typed_month(time_ns, &begin, &end);
	for (uint32_t i = 0;; i++) {
		if (i == TYPED_MONTHS_MAX)
			return -ENOSPC;
		if (i == typed->month_count)
			typed->months[typed->month_count++] = begin;
		if (typed->months[i] == begin)
			break;
	}
	typed->month_begin_ns = begin;
	typed->month_end_ns = end;
	return 0;
}

static struct typed_account *account_slot(
    struct typed_account *accounts, uint32_t room, uint64_t id)
{
	uint64_t hash = id * 0x9e3779b97f4a7c15ull;
	uint32_t at = (uint32_t)(hash >> 32) & (room - 1);

	while (accounts[at].id != 0 && accounts[at].id != id)
		at = (at + 1) & (room - 1);
	return &accounts[at];
}

const struct typed_account *typed_account_find(const struct typed *typed, uint64_t id)
{
	const struct typed_account *account;

	if (id == 0 || typed->account_count == 0)
		return NULL;
	account = account_slot(typed->accounts, typed->account_room, id);
	return account->id == id ? account : NULL;
}

static int accounts_grow(struct typed *typed)
{
	uint32_t room = typed->account_room == 0 ? 4096 : typed->account_room * 2;
	struct typed_account *grown = calloc(room, sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < typed->account_room; i++)
		if (typed->accounts[i].id != 0)
			*account_slot(grown, room, typed->accounts[i].id) = typed->accounts[i];
	free(typed->accounts);
	typed->accounts = grown;
	typed->account_room = room;
	return 0;
}

/* The row of an account that an event says the balance of; NULL: out of memory. */
static struct typed_account *account_touch(
    struct typed *typed, uint16_t shard, const struct event_record *record, uint64_t id)
{
	struct typed_account *account;

	if (typed->account_count * 2 >= typed->account_room && accounts_grow(typed) != 0)
		return NULL;
	account = account_slot(typed->accounts, typed->account_room, id);
	if (account->id == 0) {
		*account =
		    (struct typed_account){ .id = id, .shard = shard, .frozen = -1, .partner = -1 };
		typed->account_count++;
	}
	account->lsn = le64_get(record->lsn);
	account->changed_ns = le64_get(record->time_ns);
	account->currency = le16_get(record->currency);
	return account;
}

/* Events that move money say what balances are now; a refusal changes nothing. */
static int accounts_note(struct typed *typed, uint16_t shard, const struct event_view *view)
{
	const struct event_record *record = &view->record;
	uint64_t id = le64_get(record->account_id);
	uint16_t type = le16_get(record->type);
	struct typed_account *account;

	if (!event_moves(type, le16_get(record->code)))
		return 0;
	for (unsigned i = 0; i < view->line_count; i++) {
		if (view->lines[i].account_id > LIMIT_ACCOUNT_ID_MAX)
			continue;
		account = account_touch(typed, shard, record, view->lines[i].account_id);
		if (account == NULL)
			return -ENOMEM;
		account->balance = view->lines[i].balance;
	}
	if (id == 0)
		return 0;
	account = account_touch(typed, shard, record, id);
	if (account == NULL)
		return -ENOMEM;
	account->balance = le64s_get(record->balance);
	/* One that is opened again stays as it is. */
	if (type == EVENT_ACCOUNT_OPEN && le64_get(record->prev_account_lsn) == 0) {
		account->frozen = 0;
		account->partner = (int32_t)le32_get(record->cashier_id);
	}
	if (type == EVENT_ACCOUNT_FREEZE)
		account->frozen = (record->flags & EVENT_FLAG_FROZEN) != 0;
	return 0;
}

uint8_t *typed_transaction(uint8_t *at, uint16_t shard, const struct event_record *record)
{
	uint64_t account_id = le64_get(record->account_id);
	uint32_t cashier = le32_get(record->cashier_id);
	uint16_t currency = le16_get(record->currency);

	at = copy_int8(at, le64_get(record->lsn));
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8_or_null(at, account_id);
	at = copy_int8_or_null(at, le64_get(record->terminal_id));
	at = copy_int8_or_null(at, le64_get(record->request_id));
	at = copy_int8(at, (uint64_t)le64s_get(record->amount));
	at = copy_int8(at, (uint64_t)le64s_get(record->balance));
	at = copy_int8_or_null(at, le64_get(record->object_id));
	at = copy_int8_or_null(at, (uint64_t)le64s_get(record->payout));
	at = copy_int4(at, le32_get(record->factor_bits));
	at = copy_int4(at, le32_get(record->rule_version));
	at = cashier == 0 ? copy_null(at) : copy_int4(at, cashier);
	at = copy_int2(at, shard);
	at = copy_int2(at, le16_get(record->type));
	at = copy_int2(at, le16_get(record->code));
	at = currency == 0 ? copy_null(at) : copy_int2(at, currency);
	at = copy_int2(at, record->score);
	return copy_int2(at, record->flags);
}

static int transaction_add(struct typed *typed, uint16_t shard, const struct event_record *record)
{
	struct copy *copy = &typed->tables[TYPED_TRANSACTIONS];
	uint8_t *at = copy_row(copy, 2 + TYPED_TRANSACTION_SIZE);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, TYPED_TRANSACTION_FIELDS);
	copy_end(copy, typed_transaction(at, shard, record));
	return 0;
}

static int legs_add(struct typed *typed, const struct event_record *record, const uint8_t *legs)
{
	struct copy *copy = &typed->tables[TYPED_LEGS];

	for (unsigned i = 0; i < record->leg_count; i++) {
		struct event_leg leg;
		uint8_t *at = copy_row(copy, 2 + 6 * COPY_FIELD_INT8);

		if (at == NULL)
			return -ENOMEM;
		memcpy(&leg, legs + i * sizeof(leg), sizeof(leg));
		at = copy_put16(at, 6);
		at = copy_int8(at, le64_get(record->object_id));
		at = copy_time(at, le64_get(record->time_ns));
		at = copy_int8(at, le64_get(leg.market_id));
		at = copy_int4(at, le32_get(leg.odds));
		at = copy_int2(at, (uint16_t)i);
		copy_end(copy, copy_int2(at, le16_get(leg.selection)));
	}
	return 0;
}

static int bet_add(struct typed *typed, uint16_t shard, const struct event_view *view)
{
	const struct event_record *record = &view->record;
	struct copy *copy = &typed->tables[TYPED_BETS];
	uint8_t *at = copy_row(copy, 2 + 11 * COPY_FIELD_INT8);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, 11);
	at = copy_int8(at, le64_get(record->object_id));
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8(at, le64_get(record->lsn));
	at = copy_int8(at, le64_get(record->terminal_id));
	at = copy_int8(at, (uint64_t)ledger_event_stake(view));
	at = copy_int8(at, (uint64_t)le64s_get(record->payout));
	at = copy_int2(at, shard);
	at = copy_int2(at, le16_get(record->currency));
	at = copy_int2(at, record->score);
	at = copy_int2(at, record->leg_count);
	/* A cash ticket has none. */
	copy_end(copy, copy_int8_or_null(at, le64_get(record->account_id)));
	return 0;
}

static int cancel_add(struct typed *typed, uint16_t shard, const struct event_record *record)
{
	struct copy *copy = &typed->tables[TYPED_CANCELS];
	uint8_t *at = copy_row(copy, 2 + 7 * COPY_FIELD_INT8);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, 7);
	at = copy_int8(at, le64_get(record->object_id));
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8(at, le64_get(record->lsn));
	at = copy_int8(at, (uint64_t)le64s_get(record->amount));
	at = copy_int8(at, le64_get(record->terminal_id));
	at = copy_int2(at, shard);
	copy_end(copy, copy_int4(at, le32_get(record->cashier_id)));
	return 0;
}

static int rows_add(struct typed *typed, uint16_t shard, const struct event_view *view)
{
	const struct event_record *record = &view->record;
	uint16_t type = le16_get(record->type);
	int error = transaction_add(typed, shard, record);

	if (error == 0)
		error = accounts_note(typed, shard, view);
	if (error == 0)
		error = typed_postings(&typed->tables[TYPED_POSTINGS], shard, view);
	if (error == 0)
		error = typed_objects(&typed->tables[TYPED_OBJECTS], shard, view);
	if (error == 0)
		error = typed_bet_change(&typed->tables[TYPED_BET_CHANGES], shard, view);
	if (error != 0 || !event_moves(type, le16_get(record->code)))
		return error;
	if (type == EVENT_PLACE_BET) {
		error = bet_add(typed, shard, view);
		if (error == 0)
			error = legs_add(typed, record, view->body);
	} else if (type == EVENT_CANCEL_BET) {
		error = cancel_add(typed, shard, record);
	}
	return error;
}

int typed_event(struct typed *typed, uint16_t shard, struct db_bytes event)
{
	struct event_view view;
	int error;

	if (event_check(event.data, event.size) != 0 ||
	    event_view_read(event.data, event.size, &view) != 0)
		return -EBADMSG;
	error = month_note(typed, le64_get(view.record.time_ns));
	if (error == 0)
		error = rows_add(typed, shard, &view);
	typed->events += error == 0;
	return error;
}

int typed_block(struct typed *typed, uint16_t shard, uint64_t incarnation, uint64_t first_lsn,
    uint64_t last_lsn, struct db_bytes events)
{
	struct copy *copy = &typed->tables[TYPED_BLOCKS];
	uint8_t *at = copy_row(copy, 2 + 7 * COPY_FIELD_INT8 + events.size);
	struct event_record first;

	if (at == NULL)
		return -ENOMEM;
	memcpy(&first, events.data, sizeof(first));
	at = copy_put16(at, 7);
	at = copy_int8(at, first_lsn);
	at = copy_int8(at, last_lsn);
	at = copy_time(at, le64_get(first.time_ns));
	at = copy_int8(at, incarnation);
	at = copy_int8(at, XXH3_64bits(events.data, events.size));
	at = copy_int2(at, shard);
	copy_end(copy, copy_bytes(at, events.data, events.size));
	return 0;
}

int typed_accounts_write(struct typed *typed)
{
	struct copy *copy = &typed->tables[TYPED_ACCOUNTS];

	for (uint32_t i = 0; i < typed->account_room; i++) {
		const struct typed_account *account = &typed->accounts[i];
		uint8_t *at;

		if (account->id == 0)
			continue;
		at = copy_row(copy, 2 + 8 * COPY_FIELD_INT8);
		if (at == NULL)
			return -ENOMEM;
		at = copy_put16(at, 8);
		at = copy_int8(at, account->id);
		at = copy_int8(at, (uint64_t)account->balance);
		at = copy_int8(at, account->lsn);
		at = copy_time(at, account->changed_ns);
		at = copy_int2(at, account->shard);
		at = copy_int2(at, account->currency);
		at = account->frozen < 0 ? copy_null(at) : copy_bool(at, account->frozen);
		copy_end(copy, account->partner < 0 ? copy_null(at)
		                                    : copy_int4(at, (uint32_t)account->partner));
	}
	return 0;
}
