/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed rows against those the events make. What is expected comes from the same typed_event
 * that replication sends; tests/control/replication compares that with the ledgers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/verify.h"
#include "wire/ids.h"

#define COPY_HEADER 19 /* bytes in front of the first row */

uint64_t verify_value(const PGresult *result, int row, int column)
{
	uint64_t value;

	memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
	return be64toh(value);
}

void verify_note(
    struct verify *verify, enum verify_table table, int shard, uint64_t lsn, const char *what)
{
	static const char *const names[] = {
#define VERIFY_TABLE_NAME(name, table) #table,
		VERIFY_TABLES(VERIFY_TABLE_NAME)
#undef VERIFY_TABLE_NAME
	};

	if (verify->what[0] != '\0')
		return;
	snprintf(verify->what, sizeof(verify->what), "%s", what);
	verify->what_table = names[table];
	verify->what_shard = shard;
	verify->what_lsn = lsn;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

/* Fields of the expected row at `at` against the result's; returns the end of the row. */
static const uint8_t *row_compare(const uint8_t *at, const PGresult *result, int row, int *same)
{
	unsigned fields = get16(at);

	*same = 1;
	at += 2;
	for (unsigned field = 0; field < fields; field++) {
		uint32_t length = get32(at);

		at += 4;
		if (row >= 0 && *same) {
			if (length == UINT32_MAX)
				*same = PQgetisnull(result, row, (int)field);
			else
				*same =
				    !PQgetisnull(result, row, (int)field) &&
				    (uint32_t)PQgetlength(result, row, (int)field) == length &&
				    memcmp(PQgetvalue(result, row, (int)field), at, length) == 0;
		}
		at += length == UINT32_MAX ? 0 : length;
	}
	return at;
}

/* The end of a row as COPY sends it. */
static const uint8_t *row_end(const uint8_t *at)
{
	unsigned fields = get16(at);

	for (at += 2; fields > 0; fields--) {
		uint32_t length = get32(at);

		at += 4 + (length == UINT32_MAX ? 0 : length);
	}
	return at;
}

void verify_merge(struct verify *verify, enum verify_table table, int shard,
    const struct copy *expected, verify_key *key_of, const PGresult *result)
{
	struct verify_count *count = &verify->tables[table];
	const uint8_t *at = expected->bytes + COPY_HEADER;
	int row = 0, rows = PQntuples(result), column = PQnfields(result) - 1;

	count->rows += (uint64_t)rows;
	for (uint64_t number = 0; number < expected->rows; number++) {
		uint64_t key = key_of(at, number);
		unsigned found = 0;
		int same;

		for (; row < rows && verify_value(result, row, column) < key; row++) {
			count->surplus++;
			verify_note(verify, table, shard, verify_value(result, row, column),
			    "a row that nothing in the log or in control's database makes");
		}
		for (; row < rows && verify_value(result, row, column) == key; row++) {
			if (found++ > 0) {
				count->doubled++;
				verify_note(verify, table, shard, key, "two rows for one event");
				continue;
			}
			row_compare(at, result, row, &same);
			if (!same) {
				count->differing++;
				verify_note(
				    verify, table, shard, key, "a row that differs from its event");
			}
		}
		if (found == 0) {
			count->missing++;
			verify_note(verify, table, shard, key, "an event without its row");
		}
		at = row_compare(at, result, -1, &same);
	}
	for (; row < rows; row++) {
		count->surplus++;
		verify_note(verify, table, shard, verify_value(result, row, column),
		    "a row that nothing in the log or in control's database makes");
	}
}

/* ---- Keys: where the columns are in a row of COPY, see typed.c ---- */

static uint64_t transaction_key(const uint8_t *row, uint64_t number)
{
	(void)number;
	return get64(row + 2 + 4);
}

static uint64_t bet_key(const uint8_t *row, uint64_t number)
{
	(void)number;
	return get64(row + 2 + 2 * COPY_FIELD_INT8 + 4);
}

#define COUNTER_MASK ((1ull << IDS_COUNTER_BITS) - 1)
#define LEG_TIME     (2 + COPY_FIELD_INT8 + 4)
#define LEG_NUMBER   (2 + 3 * COPY_FIELD_INT8 + COPY_FIELD_INT4 + 4)
#define LEG_SIZE     (2 + 3 * COPY_FIELD_INT8 + COPY_FIELD_INT4 + 2 * COPY_FIELD_INT2)
#define CANCEL_SIZE  (2 + 5 * COPY_FIELD_INT8 + COPY_FIELD_INT2 + COPY_FIELD_INT4)

/* Of rows of which one event makes several: LSN, then the number that stands in the fifth or, of
 * objects, the fourth column. */
static uint64_t posting_key(const uint8_t *row, uint64_t number)
{
	(void)number;
	return get64(row + 2 + 2 * COPY_FIELD_INT8 + 4) * 8 +
	       get16(row + 2 + 4 * COPY_FIELD_INT8 + 4);
}

static uint64_t object_key(const uint8_t *row, uint64_t number)
{
	(void)number;
	return get64(row + 2 + 2 * COPY_FIELD_INT8 + 4) * 8 +
	       get16(row + 2 + 3 * COPY_FIELD_INT8 + 4);
}

static uint64_t leg_key(const uint8_t *row, uint64_t number)
{
	(void)number;
	return (get64(row + 2 + 4) & COUNTER_MASK) * 64 + get16(row + LEG_NUMBER);
}

static uint64_t cancel_key(const uint8_t *row, uint64_t number)
{
	(void)row;
	return number + 1;
}

/* ---- A stretch ---- */

/* What the events make: rows into verify->typed, where accounts stay from stretch to stretch. */
static int rows_expect(struct verify *verify, uint32_t shard, const struct verify_stretch *stretch)
{
	struct typed *typed = &verify->typed;

	for (unsigned i = 0; i < TYPED_TABLE_COUNT; i++)
		copy_clear(&typed->tables[i]);
	for (uint64_t lsn = stretch->first; lsn <= stretch->last; lsn++) {
		size_t from = stretch->offsets[lsn - stretch->first];
		size_t to = stretch->offsets[lsn + 1 - stretch->first];
		struct event_record record;
		int error;

		typed->month_count = 0; /* of no use here, and there is an end to its room */
		error = typed_event(
		    typed, (uint16_t)shard, (struct db_bytes){ stretch->bytes + from, to - from });
		if (error != 0)
			return error;
		memcpy(&record, stretch->bytes + from, sizeof(record));
		verify->sum -= le64s_get(record.amount);
		verify->events++;
	}
	return 0;
}

struct texts {
	char values[5][24];
	struct session_params params;
};

static struct session_params *texts_make(struct texts *texts, const int64_t *values, int count)
{
	texts->params = (struct session_params){ .count = count, .binary_result = 1 };
	for (int i = 0; i < count; i++) {
		snprintf(texts->values[i], sizeof(texts->values[i]), "%" PRId64, values[i]);
		texts->params.values[i] = texts->values[i];
	}
	return &texts->params;
}

static __int128 sum_of(const PGresult *result, int column)
{
	__int128 sum = 0;

	for (int row = 0; row < PQntuples(result); row++)
		sum += (int64_t)verify_value(result, row, column);
	return sum;
}

static int transactions_and_bets(struct verify *verify, struct session *session, uint32_t shard,
    const struct verify_stretch *stretch)
{
	const struct copy *bets = &verify->typed.tables[TYPED_BETS];
	const uint8_t *row = bets->bytes + COPY_HEADER;
	const int64_t values[] = { shard, (int64_t)stretch->first, (int64_t)stretch->last };
	struct texts texts;
	char sql[512];
	PGresult *result;
	int error;

	snprintf(sql, sizeof(sql),
	    "select %s, lsn as key from sluice.transactions where shard = $1 and lsn between $2 "
	    "and $3 order by lsn",
	    typed_transaction_columns);
	error = session_query(session, sql, texts_make(&texts, values, 3), &result);
	if (error != 0)
		return error;
	verify->sum += sum_of(result, 5);
	verify_merge(verify, VERIFY_TRANSACTIONS, (int)shard,
	    &verify->typed.tables[TYPED_TRANSACTIONS], transaction_key, result);
	PQclear(result);
	error = session_query(session,
	    "select bet, time, lsn, terminal, stake, payout, shard, currency, score, legs, "
	    "account, lsn as key from sluice.bets where shard = $1 and lsn between $2 and $3 order "
	    "by "
	    "lsn",
	    &texts.params, &result);
	if (error != 0)
		return error;
	verify->stakes += sum_of(result, 4);
	verify->payouts += sum_of(result, 5);
	for (uint64_t i = 0; i < bets->rows; i++) {
		verify->stakes -= (int64_t)get64(row + 2 + 4 * COPY_FIELD_INT8 + 4);
		verify->payouts -= (int64_t)get64(row + 2 + 5 * COPY_FIELD_INT8 + 4);
		row = row_end(row);
	}
	verify_merge(verify, VERIFY_BETS, (int)shard, bets, bet_key, result);
	PQclear(result);
	return 0;
}

/* Of the stretch's bets: their ids' counters go up, so do their times. Nothing else in the rows
 * says of which shard they are. */
static int legs(struct verify *verify, struct session *session, uint32_t shard)
{
	const struct copy *expected = &verify->typed.tables[TYPED_LEGS];
	const uint8_t *first, *last;
	struct texts texts;
	PGresult *result;
	int error;

	if (expected->rows == 0)
		return 0;
	first = expected->bytes + COPY_HEADER;
	last = first + (expected->rows - 1) * LEG_SIZE;
	{
		const int64_t values[] = { shard, (int64_t)(get64(first + 6) & COUNTER_MASK),
			(int64_t)(get64(last + 6) & COUNTER_MASK), (int64_t)get64(first + LEG_TIME),
			(int64_t)get64(last + LEG_TIME) };

		error = session_query(session,
		    "select bet, l.time, market, odds, leg, selection, "
		    "(bet & 18014398509481983) * 64 + leg as key from sluice.bet_legs l "
		    "cross join sluice.deployment d where l.time between "
		    "'2000-01-01 00:00+00'::timestamptz + $4::bigint * '1 microsecond'::interval "
		    "and '2000-01-01 00:00+00'::timestamptz + $5::bigint * "
		    "'1 microsecond'::interval "
		    "and bet & 18014398509481983 between $2 and $3 "
		    "and get_byte(d.buckets, (bet >> 54 & 1023)::integer) = $1 order by key",
		    texts_make(&texts, values, 5), &result);
	}
	if (error != 0)
		return error;
	for (uint64_t i = 0; i < expected->rows; i++)
		verify->odds -= (int32_t)get32(first + i * LEG_SIZE + 2 + 3 * COPY_FIELD_INT8 + 4);
	for (int row = 0; row < PQntuples(result); row++)
		verify->odds += (int32_t)get32((const uint8_t *)PQgetvalue(result, row, 3));
	verify_merge(verify, VERIFY_LEGS, (int)shard, expected, leg_key, result);
	PQclear(result);
	return 0;
}

/* Found by the bets they cancel, which is their key. */
static int cancels(struct verify *verify, struct session *session, uint32_t shard)
{
	const struct copy *expected = &verify->typed.tables[TYPED_CANCELS];
	char *list;
	struct session_params params = { .count = 1, .binary_result = 1 };
	PGresult *result;
	size_t size = 0;
	int error;

	if (expected->rows == 0)
		return 0;
	list = malloc(expected->rows * 24 + 3);
	if (list == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < expected->rows; i++)
		size += (size_t)snprintf(list + size, expected->rows * 24 + 3 - size, "%c%" PRId64,
		    i == 0 ? '{' : ',',
		    (int64_t)get64(expected->bytes + COPY_HEADER + i * CANCEL_SIZE + 6));
	memcpy(list + size, "}", 2);
	params.values[0] = list;
	error = session_query(session,
	    "select c.bet, time, lsn, amount, terminal, shard, reason, n as key from "
	    "unnest($1::bigint[]) with ordinality u (bet, n) join sluice.bet_cancels c on "
	    "c.bet = u.bet order by n",
	    &params, &result);
	free(list);
	if (error != 0)
		return error;
	verify_merge(verify, VERIFY_CANCELS, (int)shard, expected, cancel_key, result);
	PQclear(result);
	return 0;
}

/* Insert-only tables that know shard and LSN of their rows. */
static const struct {
	enum verify_table to;
	enum typed_table from;
	verify_key *key_of;
	const char *sql;
} by_lsn[] = {
	{ VERIFY_BET_CHANGES, TYPED_BET_CHANGES, bet_key,
	    "select " TYPED_BET_CHANGE_COLUMNS ", lsn as key from sluice.bet_changes where "
	    "shard = $1 and lsn between $2 and $3 order by lsn" },
	{ VERIFY_POSTINGS, TYPED_POSTINGS, posting_key,
	    "select " TYPED_POSTING_COLUMNS ", lsn * 8 + line as key from sluice.postings where "
	    "shard = $1 and lsn between $2 and $3 order by lsn, line" },
	{ VERIFY_OBJECTS, TYPED_OBJECTS, object_key,
	    "select " TYPED_OBJECT_COLUMNS ", lsn * 8 + place as key from sluice.object_changes "
	    "where shard = $1 and lsn between $2 and $3 order by lsn, place" },
};

static int rows_by_lsn(struct verify *verify, struct session *session, uint32_t shard,
    const struct verify_stretch *stretch)
{
	const int64_t values[] = { shard, (int64_t)stretch->first, (int64_t)stretch->last };
	int error = 0;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(by_lsn) && error == 0; i++) {
		struct texts texts;
		PGresult *result;

		error =
		    session_query(session, by_lsn[i].sql, texts_make(&texts, values, 3), &result);
		if (error != 0)
			break;
		verify_merge(verify, by_lsn[i].to, (int)shard,
		    &verify->typed.tables[by_lsn[i].from], by_lsn[i].key_of, result);
		PQclear(result);
	}
	return error;
}

int verify_rows(struct verify *verify, struct session *session, uint32_t shard,
    const struct verify_stretch *stretch)
{
	int error = rows_expect(verify, shard, stretch);

	if (error != 0)
		return session_say(session, error, "shard %u: an event behind LSN %" PRIu64 ": %s",
		    shard, stretch->first - 1, strerror(-error));
	error = transactions_and_bets(verify, session, shard, stretch);
	if (error == 0)
		error = legs(verify, session, shard);
	if (error == 0)
		error = cancels(verify, session, shard);
	if (error == 0)
		error = rows_by_lsn(verify, session, shard, stretch);
	return error;
}
