/* SPDX-License-Identifier: Apache-2.0 */
#include "control/replication/typed.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/ledger/ledger.h"

#define TRANSACTION_COLUMNS                                                                        \
	"lsn, time, account, terminal, request, amount, balance, object, payout, factor_bits, "    \
	"rule_version, cashier, shard, type, code, currency, score, flags"
#define COPY_SQL(table, columns) "copy " table " (" columns ") from stdin (format binary)"

const char typed_transaction_columns[] = TRANSACTION_COLUMNS;

const char *const typed_copy_sql[TYPED_TABLE_COUNT] = {
	[TYPED_TRANSACTIONS] = COPY_SQL("sluice.transactions", TRANSACTION_COLUMNS),
	[TYPED_BETS] = COPY_SQL("sluice.bets",
	    "bet, time, lsn, account, terminal, stake, payout, shard, currency, score, legs"),
	[TYPED_LEGS] = COPY_SQL("sluice.bet_legs", "bet, time, market, odds, leg, selection"),
	[TYPED_CANCELS] =
	    COPY_SQL("sluice.bet_cancels", "bet, time, lsn, amount, terminal, shard, reason"),
	[TYPED_BLOCKS] = COPY_SQL(
	    "sluice.log_block", "first_lsn, last_lsn, time, incarnation, xxh3, shard, events"),
	[TYPED_ACCOUNTS] =
	    COPY_SQL("pg_temp.account_batch", "id, balance, lsn, changed, shard, currency, frozen"),
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

/* Events that were carried out say what the balance is now; a refusal changes nothing. */
static int account_note(struct typed *typed, uint16_t shard, const struct event_record *record)
{
	uint64_t id = le64_get(record->account_id);
	uint16_t type = le16_get(record->type);
	struct typed_account *account;

	if (id == 0 || le16_get(record->code) != WIRE_CODE_OK)
		return 0;
	if (typed->account_count * 2 >= typed->account_room && accounts_grow(typed) != 0)
		return -ENOMEM;
	account = account_slot(typed->accounts, typed->account_room, id);
	if (account->id == 0) {
		*account = (struct typed_account){ .id = id, .shard = shard, .frozen = -1 };
		typed->account_count++;
	}
	account->lsn = le64_get(record->lsn);
	account->changed_ns = le64_get(record->time_ns);
	account->balance = le64s_get(record->balance);
	account->currency = le16_get(record->currency);
	if (type == EVENT_ACCOUNT_OPEN)
		account->frozen = 0;
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

static int bet_add(struct typed *typed, uint16_t shard, const struct event_record *record)
{
	struct copy *copy = &typed->tables[TYPED_BETS];
	uint8_t *at = copy_row(copy, 2 + 11 * COPY_FIELD_INT8);

	if (at == NULL)
		return -ENOMEM;
	at = copy_put16(at, 11);
	at = copy_int8(at, le64_get(record->object_id));
	at = copy_time(at, le64_get(record->time_ns));
	at = copy_int8(at, le64_get(record->lsn));
	at = copy_int8(at, le64_get(record->account_id));
	at = copy_int8(at, le64_get(record->terminal_id));
	at = copy_int8(at, 0 - (uint64_t)le64s_get(record->amount));
	at = copy_int8(at, (uint64_t)le64s_get(record->payout));
	at = copy_int2(at, shard);
	at = copy_int2(at, le16_get(record->currency));
	at = copy_int2(at, record->score);
	copy_end(copy, copy_int2(at, record->leg_count));
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

int typed_event(struct typed *typed, uint16_t shard, struct db_bytes event)
{
	const uint8_t *bytes = event.data;
	struct event_record record;
	uint16_t type;
	int error;

	if (event_check(event.data, event.size) != 0)
		return -EBADMSG;
	memcpy(&record, bytes, sizeof(record));
	error = month_note(typed, le64_get(record.time_ns));
	if (error == 0)
		error = transaction_add(typed, shard, &record);
	if (error == 0)
		error = account_note(typed, shard, &record);
	type = le16_get(record.type);
	if (error == 0 && le16_get(record.code) == WIRE_CODE_OK) {
		if (type == EVENT_PLACE_BET) {
			error = bet_add(typed, shard, &record);
			if (error == 0)
				error = legs_add(typed, &record, bytes + sizeof(record));
		} else if (type == EVENT_CANCEL_BET) {
			error = cancel_add(typed, shard, &record);
		}
	}
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
		at = copy_row(copy, 2 + 7 * COPY_FIELD_INT8);
		if (at == NULL)
			return -ENOMEM;
		at = copy_put16(at, 7);
		at = copy_int8(at, account->id);
		at = copy_int8(at, (uint64_t)account->balance);
		at = copy_int8(at, account->lsn);
		at = copy_time(at, account->changed_ns);
		at = copy_int2(at, account->shard);
		at = copy_int2(at, account->currency);
		copy_end(
		    copy, account->frozen < 0 ? copy_null(at) : copy_bool(at, account->frozen));
	}
	return 0;
}
