/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the logs with PostgreSQL, event by event, up to the cursor: every typed row of
 * `transactions` field by field, and the raw runs byte by byte. Works in stretches of LSNs, so that
 * neither side keeps a long transaction or sorts much.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/replication/verify.h"

/* Page ranges that are not summarised yet would be read for every stretch. */
static const char summarise_sql[] =
    "do $$ declare i regclass; begin for i in select c.oid::regclass from pg_class c join pg_am m "
    "on m.oid = c.relam where c.relkind = 'i' and m.amname = 'brin' and c.relnamespace = "
    "'sluice'::regnamespace loop perform brin_summarize_new_values(i); end loop; end $$";

static uint64_t value_u64(const PGresult *result, int row, int column)
{
	uint64_t value;

	memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
	return be64toh(value);
}

static void first_note(struct verify *verify, uint32_t shard, uint64_t lsn, const char *what)
{
	if (verify->what[0] != '\0')
		return;
	snprintf(verify->what, sizeof(verify->what), "%s", what);
	verify->what_shard = shard;
	verify->what_lsn = lsn;
}

/* The row's fields against those the event makes. */
static int row_same(
    const PGresult *result, int row, uint16_t shard, const struct event_record *record)
{
	uint8_t expected[TYPED_TRANSACTION_SIZE];
	const uint8_t *at = expected;

	typed_transaction(expected, shard, record);
	for (int field = 0; field < TYPED_TRANSACTION_FIELDS; field++) {
		uint32_t length;

		memcpy(&length, at, sizeof(length));
		length = be32toh(length);
		at += sizeof(length);
		if (length == UINT32_MAX) {
			if (!PQgetisnull(result, row, field))
				return 0;
			continue;
		}
		if (PQgetisnull(result, row, field) ||
		    PQgetlength(result, row, field) != (int)length ||
		    memcmp(PQgetvalue(result, row, field), at, length) != 0)
			return 0;
		at += length;
	}
	return 1;
}

#define FIELD_AMOUNT 5

/* Rows of one LSN: `row` is moved behind them. */
static void event_compare(struct verify *verify, uint16_t shard, const struct event_record *record,
    const PGresult *result, int *row)
{
	uint64_t lsn = le64_get(record->lsn);
	unsigned found = 0;

	while (*row < PQntuples(result) && value_u64(result, *row, 0) < lsn) {
		verify->surplus++;
		first_note(verify, shard, value_u64(result, *row, 0), "a row without an event");
		(*row)++;
	}
	while (*row < PQntuples(result) && value_u64(result, *row, 0) == lsn) {
		verify->rows++;
		verify->sum += (int64_t)value_u64(result, *row, FIELD_AMOUNT);
		if (found++ > 0) {
			verify->doubled++;
			first_note(verify, shard, lsn, "two rows for one event");
		} else if (!row_same(result, *row, shard, record)) {
			verify->differing++;
			first_note(verify, shard, lsn, "a row that differs from its event");
		}
		(*row)++;
	}
	verify->events++;
	verify->sum -= le64s_get(record->amount);
	if (found == 0) {
		verify->missing++;
		first_note(verify, shard, lsn, "an event without a row");
	}
}

/* The raw runs that begin in the stretch: no gap, right checksum, same bytes. */
static void blocks_compare(struct verify *verify, uint32_t shard, const PGresult *result,
    const struct verify_stretch *stretch)
{
	for (int row = 0; row < PQntuples(result); row++) {
		uint64_t first = value_u64(result, row, 0), last = value_u64(result, row, 1);
		const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, row, 3);
		size_t size = (size_t)PQgetlength(result, row, 3), from, to;

		verify->blocks++;
		if (XXH3_64bits(bytes, size) != value_u64(result, row, 2)) {
			verify->block_errors++;
			first_note(verify, shard, first, "a raw block with a wrong checksum");
		}
		if (verify->block_next != 0 && first != verify->block_next) {
			verify->block_errors++;
			first_note(verify, shard, first, "raw blocks with a gap or an overlap");
		}
		verify->block_next = last + 1;
		if (first < stretch->first || last > stretch->last)
			continue; /* reaches out of what is in memory; see stretch_end */
		from = stretch->offsets[first - stretch->first];
		to = stretch->offsets[last + 1 - stretch->first];
		if (to - from != size || memcmp(stretch->bytes + from, bytes, size) != 0) {
			verify->block_errors++;
			first_note(verify, shard, first, "a raw block that differs from the log");
		}
	}
}

static int stretch_read(
    struct log_tail *tail, uint64_t first, uint64_t last, struct verify_stretch *stretch)
{
	struct log_tail_piece piece;
	uint64_t lsn = first;
	int result;

	stretch->first = first;
	stretch->size = 0;
	stretch->offsets[0] = 0;
	log_tail_seek(tail, first);
	while (lsn <= last && (result = log_tail_next(tail, &piece)) == 1) {
		const uint8_t *at = piece.events;

		while (lsn <= last && lsn <= piece.last_lsn) {
			struct event_record record;

			memcpy(&record, at, sizeof(record));
			SLUICE_REQUIRE(
			    stretch->size + le16_get(record.length) <= VERIFY_STRETCH_SIZE);
			memcpy(stretch->bytes + stretch->size, at, le16_get(record.length));
			at += le16_get(record.length);
			stretch->size += le16_get(record.length);
			stretch->offsets[++lsn - first] = stretch->size;
		}
	}
	stretch->last = lsn - 1;
	return lsn > last ? 0 : result < 0 ? result : -ENODATA;
}

static int stretch_verify(struct verify *verify, struct session *session, uint32_t shard,
    const struct verify_stretch *stretch)
{
	char texts[3][24];
	struct session_params params = {
		.values = { texts[0], texts[1], texts[2] }, .count = 3, .binary_result = 1
	};
	char sql[512];
	PGresult *result;
	int row = 0, error;

	snprintf(texts[0], sizeof(texts[0]), "%u", shard);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, stretch->first);
	snprintf(texts[2], sizeof(texts[2]), "%" PRIu64, stretch->last);
	snprintf(sql, sizeof(sql),
	    "select %s from sluice.transactions where shard = $1 and lsn between $2 and $3 "
	    "order by lsn",
	    typed_transaction_columns);
	error = session_query(session, sql, &params, &result);
	if (error != 0)
		return error;
	for (uint64_t lsn = stretch->first; lsn <= stretch->last; lsn++) {
		struct event_record record;

		memcpy(&record, stretch->bytes + stretch->offsets[lsn - stretch->first],
		    sizeof(record));
		event_compare(verify, (uint16_t)shard, &record, result, &row);
	}
	PQclear(result);
	error = session_query(session,
	    "select first_lsn, last_lsn, xxh3, events from sluice.log_block where shard = $1 and "
	    "first_lsn between $2 and $3 order by first_lsn",
	    &params, &result);
	if (error != 0)
		return error;
	blocks_compare(verify, shard, result, stretch);
	PQclear(result);
	return 0;
}

/* Ends a stretch where a raw run ends, so that none reaches over: the run that begins last. */
static int stretch_end(
    struct session *session, uint32_t shard, uint64_t first, uint64_t limit, uint64_t *last)
{
	char texts[3][24];
	struct session_params params = {
		.values = { texts[0], texts[1], texts[2] }, .count = 3, .binary_result = 1
	};
	PGresult *result;
	int error;

	snprintf(texts[0], sizeof(texts[0]), "%u", shard);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, first);
	snprintf(texts[2], sizeof(texts[2]), "%" PRIu64, limit);
	error = session_query(session,
	    "select max(last_lsn) from sluice.log_block where shard = $1 and first_lsn between $2 "
	    "and $3 and last_lsn <= $3",
	    &params, &result);
	if (error != 0)
		return error;
	*last = limit;
	if (!PQgetisnull(result, 0, 0) && value_u64(result, 0, 0) >= first)
		*last = value_u64(result, 0, 0);
	PQclear(result);
	return 0;
}

/* Rows outside of what the log should hold: behind the cursor, or of no shard. */
static int surplus_count(
    struct verify *verify, struct session *session, uint32_t shard, uint64_t through)
{
	char texts[2][24];
	struct session_params params = {
		.values = { texts[0], texts[1] }, .count = 2, .binary_result = 1
	};
	PGresult *result;
	int error;

	snprintf(texts[0], sizeof(texts[0]), "%u", shard);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, through);
	error = session_query(session,
	    "select count(*) from sluice.transactions where shard = $1 and lsn > $2 and lsn <= "
	    "(select lsn from sluice.cursor where shard = $1) and (select lsn from sluice.cursor "
	    "where shard = $1) = $2",
	    &params, &result);
	if (error != 0)
		return error;
	verify->surplus += value_u64(result, 0, 0);
	PQclear(result);
	return 0;
}

int verify_shard(struct verify *verify, struct session *session, const char *path, uint32_t shard,
    uint64_t through)
{
	struct verify_stretch *stretch = malloc(sizeof(*stretch));
	struct log_tail *tail = NULL;
	uint64_t first = 1, last;
	int error = stretch == NULL ? -ENOMEM : log_tail_open(&tail, path, 1);

	if (error == 0) {
		error = log_tail_range(tail, &first, &last);
		if (error == -ENOENT)
			error = 0;
	}
	if (error == 0)
		verify->retired += first - 1;
	verify->block_next = 0;
	while (error == 0 && first <= through) {
		uint64_t limit =
		    first + VERIFY_STRETCH - 1 < through ? first + VERIFY_STRETCH - 1 : through;

		error = stretch_end(session, shard, first, limit, &last);
		if (error == 0) {
			error = stretch_read(tail, first, last, stretch);
			if (error != 0)
				session_say(session, error,
				    "shard %u: the log at LSN %" PRIu64 ": %s", shard, first,
				    strerror(-error));
		}
		if (error == 0)
			error = stretch_verify(verify, session, shard, stretch);
		first = last + 1;
	}
	if (error == 0 && verify->block_next != 0 && verify->block_next != through + 1) {
		verify->block_errors++;
		first_note(verify, shard, verify->block_next, "raw blocks end before the cursor");
	}
	if (error == 0)
		error = surplus_count(verify, session, shard, through);
	log_tail_close(tail);
	free(stretch);
	return error;
}

int verify_prepare(struct session *session)
{
	return session_run(session, summarise_sql);
}
