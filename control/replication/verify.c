/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the logs with PostgreSQL, event by event, up to the cursor: every typed row field by
 * field (verify_rows.c), and the raw runs byte by byte. Works in stretches of LSNs, so that memory
 * does not grow with the log.
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

/* The raw runs that begin in the stretch: no gap, right checksum, same bytes. */
static void blocks_compare(struct verify *verify, uint32_t shard, const PGresult *result,
    const struct verify_stretch *stretch)
{
	for (int row = 0; row < PQntuples(result); row++) {
		uint64_t first = verify_value(result, row, 0), last = verify_value(result, row, 1);
		const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, row, 3);
		size_t size = (size_t)PQgetlength(result, row, 3), from, to;

		verify->tables[VERIFY_BLOCKS].rows++;
		if (XXH3_64bits(bytes, size) != verify_value(result, row, 2)) {
			verify->tables[VERIFY_BLOCKS].differing++;
			verify_note(verify, VERIFY_BLOCKS, (int)shard, first,
			    "a raw block with a wrong checksum");
		}
		if (verify->block_next != 0 && first != verify->block_next) {
			verify->tables[VERIFY_BLOCKS].differing++;
			verify_note(verify, VERIFY_BLOCKS, (int)shard, first,
			    "raw blocks with a gap or an overlap");
		}
		verify->block_next = last + 1;
		if (first < stretch->first || last > stretch->last)
			continue; /* reaches out of what is in memory; see stretch_end */
		from = stretch->offsets[first - stretch->first];
		to = stretch->offsets[last + 1 - stretch->first];
		if (to - from != size || memcmp(stretch->bytes + from, bytes, size) != 0) {
			verify->tables[VERIFY_BLOCKS].differing++;
			verify_note(verify, VERIFY_BLOCKS, (int)shard, first,
			    "a raw block that differs from the log");
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
	PGresult *result;
	int error = verify_rows(verify, session, shard, stretch);

	if (error != 0)
		return error;
	snprintf(texts[0], sizeof(texts[0]), "%u", shard);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, stretch->first);
	snprintf(texts[2], sizeof(texts[2]), "%" PRIu64, stretch->last);
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
	if (!PQgetisnull(result, 0, 0) && verify_value(result, 0, 0) >= first)
		*last = verify_value(result, 0, 0);
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
	if (error == 0 && first > through + 1)
		first = through + 1;
	verify->log_first[shard] = first;
	if (error == 0)
		error = verify_retired(verify, session, shard, first);
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
		verify->tables[VERIFY_BLOCKS].differing++;
		verify_note(verify, VERIFY_BLOCKS, (int)shard, verify->block_next,
		    "raw blocks end before the cursor");
	}
	log_tail_close(tail);
	free(stretch);
	return error;
}

int verify_prepare(struct session *session)
{
	return session_run(session, summarise_sql);
}
