/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A restored switch: its log has a higher incarnation than the cursor. Both are the same up to some
 * event; what PostgreSQL holds above it never happened for the switch that runs now. The typed rows
 * above go, the raw events move to log_superseded, accounts go back to their last state below, and
 * the cursor takes the new incarnation: all in one transaction.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/log/log.h"
#include "control/replication/replication_internal.h"
#include "lmdb-schema/event.h"

/* A run of events of the log; shorter when the log ends before. */
struct run {
	uint8_t *bytes;
	size_t size, room;
	uint64_t last_lsn;
};

static int run_add(struct run *run, const uint8_t *bytes, size_t size)
{
	if (run->room - run->size < size) {
		size_t room = (run->size + size) * 2;
		uint8_t *grown = realloc(run->bytes, room);

		if (grown == NULL)
			return -ENOMEM;
		run->bytes = grown;
		run->room = room;
	}
	memcpy(run->bytes + run->size, bytes, size);
	run->size += size;
	return 0;
}

static int run_read(struct log_tail *tail, uint64_t first, uint64_t last, struct run *run)
{
	struct log_tail_piece piece;
	int result = 0;

	run->size = 0;
	run->last_lsn = first - 1;
	log_tail_seek(tail, first);
	while (run->last_lsn < last && (result = log_tail_next(tail, &piece)) == 1) {
		const uint8_t *at = piece.events, *end = at + piece.size;

		while (at < end && run->last_lsn < last) {
			struct event_record record;

			memcpy(&record, at, sizeof(record));
			at += le16_get(record.length);
			run->last_lsn++;
		}
		result = run_add(run, piece.events, (size_t)(at - piece.events));
		if (result != 0)
			return result;
	}
	return result < 0 ? result : 0;
}

/* How many events at the front are the same in both. *size: their bytes. */
static uint64_t same_events(const struct run *run, const uint8_t *bytes, size_t size, size_t *same)
{
	uint64_t count = 0;

	*same = 0;
	while (*same < run->size && *same < size) {
		struct event_record record;
		size_t length;

		memcpy(&record, run->bytes + *same, sizeof(record));
		length = le16_get(record.length);
		if (length > size - *same || memcmp(run->bytes + *same, bytes + *same, length) != 0)
			break;
		*same += length;
		count++;
	}
	return count;
}

struct common {
	uint64_t lsn;  /* last event both have */
	size_t size;   /* of the events kept of the block that holds lsn and more, 0: none */
	uint64_t xxh3; /* of these */
};

/* Walks PostgreSQL's blocks backwards until one is the same in the log. */
static int common_find(struct stream *stream, struct stream_shard *shard, uint64_t lsn_old,
    struct run *run, struct common *common)
{
	char number[16], below[24];
	struct session_params params = {
		.values = { number, below }, .count = 2, .binary_result = 1
	};
	uint64_t before = lsn_old + 1, log_first = 1, log_last = 0;
	int error = log_tail_range(shard->tail, &log_first, &log_last);

	if (error != 0 && error != -ENOENT)
		return error;
	*common = (struct common){ 0 };
	snprintf(number, sizeof(number), "%u", shard->shard);
	while (before > 1) {
		uint64_t first, last, hash, count;
		PGresult *result;
		size_t same = 0;

		snprintf(below, sizeof(below), "%" PRIu64, before);
		error = session_query(&stream->session,
		    "select first_lsn, last_lsn, xxh3, events from sluice.log_block where "
		    "shard = $1 and first_lsn < $2 order by first_lsn desc limit 1",
		    &params, &result);
		if (error != 0)
			return error;
		if (PQntuples(result) == 0) {
			PQclear(result);
			return 0;
		}
		memcpy(&first, PQgetvalue(result, 0, 0), 8);
		memcpy(&last, PQgetvalue(result, 0, 1), 8);
		memcpy(&hash, PQgetvalue(result, 0, 2), 8);
		first = be64toh(first);
		last = be64toh(last);
		/* What the log has retired cannot be compared: it was the same when it was sent. */
		error = last < log_first ? 0 : run_read(shard->tail, first, last, run);
		count = last < log_first
		            ? last - first + 1
		            : same_events(run, (const uint8_t *)PQgetvalue(result, 0, 3),
		                  (size_t)PQgetlength(result, 0, 3), &same);
		PQclear(result);
		if (error != 0 && error != -ENODATA)
			return error;
		if (count > 0) {
			common->lsn = first + count - 1;
			if (common->lsn != last) {
				common->size = same;
				common->xxh3 = XXH3_64bits(run->bytes, same);
			}
			return 0;
		}
		before = first;
	}
	return 0;
}

static int rows_remove(struct stream *stream, const struct session_params *params)
{
	/* $1 shard, $2 last LSN kept, $3 new incarnation. */
	static const char *const statements[] = {
		"insert into sluice.log_superseded select first_lsn, last_lsn, time, incarnation, "
		"xxh3, shard, events, $3::bigint, $2::bigint + 1 from sluice.log_block "
		"where shard = $1 and last_lsn > $2",
		"delete from sluice.log_block where shard = $1 and first_lsn > $2 "
		"and $3::bigint is not null",
		"delete from sluice.bet_legs l using sluice.bets b where b.shard = $1 and b.lsn > "
		"$2 "
		"and l.bet = b.bet and l.time = b.time and $3::bigint is not null",
		"delete from sluice.bets where shard = $1 and lsn > $2 and $3::bigint is not null",
		"delete from sluice.bet_cancels where shard = $1 and lsn > $2 "
		"and $3::bigint is not null",
		"with states as (select account, balance, lsn, time from sluice.transactions where "
		"shard = $1 and lsn <= $2 and account is not null and (code in (0, 1) or type = "
		"16) "
		"union all select account, balance, lsn, time from sluice.postings where shard = "
		"$1 "
		"and lsn <= $2 and balance is not null), "
		"back as (select distinct on (t.account) t.account, t.balance, t.lsn, t.time "
		"from states t join sluice.accounts a on a.id = t.account where "
		"a.shard = $1 and a.lsn > $2 order by t.account, t.lsn desc) update "
		"sluice.accounts a set balance = "
		"back.balance, lsn = back.lsn, changed = back.time, frozen = coalesce((select "
		"f.flags & 1 = 1 from sluice.transactions f where f.account = a.id and "
		"f.shard = $1 and f.type = 9 and f.code = 0 and f.lsn <= $2 order by f.lsn desc "
		"limit 1), false) from back where a.id = back.account and $3::bigint is not null",
		"delete from sluice.accounts where shard = $1 and lsn > $2 "
		"and $3::bigint is not null",
		"delete from sluice.bet_changes where shard = $1 and lsn > $2 "
		"and $3::bigint is not null",
		"delete from sluice.postings where shard = $1 and lsn > $2 "
		"and $3::bigint is not null",
		"delete from sluice.object_changes where shard = $1 and lsn > $2 "
		"and $3::bigint is not null",
		"delete from sluice.transactions where shard = $1 and lsn > $2 "
		"and $3::bigint is not null",
		"insert into sluice.incarnation (shard, incarnation, first_lsn) "
		"values ($1, $3, $2::bigint + 1)",
	};
	int error = 0;

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(statements) && error == 0; i++)
		error = session_query(&stream->session, statements[i], params, NULL);
	return error;
}

static int block_cut(
    struct stream *stream, const struct session_params *shard_and_lsn, const struct common *common)
{
	struct session_params params = *shard_and_lsn;
	char size[24], hash[24];

	if (common->size == 0)
		return 0;
	snprintf(size, sizeof(size), "%zu", common->size);
	snprintf(hash, sizeof(hash), "%" PRId64, (int64_t)common->xxh3);
	params.values[2] = size;
	params.values[3] = hash;
	params.count = 4;
	return session_query(&stream->session,
	    "update sluice.log_block set last_lsn = $2, events = substr(events, 1, $3), xxh3 = $4 "
	    "where shard = $1 and first_lsn <= $2 and last_lsn > $2",
	    &params, NULL);
}

static int cursor_take(struct stream *stream, const struct session_params *params)
{
	PGresult *result;
	int error = session_query(&stream->session,
	    "update sluice.cursor set incarnation = $3, lsn = $2, changed = now() where shard = $1 "
	    "and incarnation = $4 and lsn = $5",
	    params, &result);

	if (error != 0)
		return error;
	if (session_changed(result) != 1)
		error = session_say(&stream->session, -ESTALE,
		    "the cursor in PostgreSQL was moved meanwhile; it is read again");
	PQclear(result);
	return error;
}

/* An error of the session has its message already; one of the log has not. */
static int log_or_session(struct stream *stream, const struct stream_shard *shard, int error)
{
	if (stream->session.message[0] != '\0')
		return error;
	return session_say(&stream->session, error, "shard %u: the log cannot be read (%s)",
	    shard->shard, strerror(-error));
}

int cursor_check(struct stream *stream, struct stream_shard *shard, uint64_t lsn)
{
	struct run run = { 0 };
	struct common common;
	int error;

	if (lsn == 0)
		return 0;
	error = common_find(stream, shard, lsn, &run, &common);
	free(run.bytes);
	if (error != 0)
		return log_or_session(stream, shard, error);
	if (common.lsn == lsn)
		return 0;
	return session_say(&stream->session, -ESTALE,
	    "shard %u: PostgreSQL holds events up to LSN %" PRIu64 " that this log does not hold. "
	    "If the switch was restored, this ends with its first checkpoint; if not, the log lost "
	    "events: see sluice-db verify",
	    shard->shard, lsn);
}

int supersede(
    struct stream *stream, struct stream_shard *shard, uint64_t incarnation_old, uint64_t lsn_old)
{
	char texts[5][24];
	struct session_params params = {
		.values = { texts[0], texts[1], texts[2], texts[3], texts[4] }, .count = 5
	};
	struct run run = { 0 };
	struct common common;
	int error = common_find(stream, shard, lsn_old, &run, &common);

	free(run.bytes);
	if (error != 0)
		return log_or_session(stream, shard, error);
	snprintf(texts[0], sizeof(texts[0]), "%u", shard->shard);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, common.lsn);
	snprintf(texts[2], sizeof(texts[2]), "%" PRIu64, shard->incarnation);
	snprintf(texts[3], sizeof(texts[3]), "%" PRIu64, incarnation_old);
	snprintf(texts[4], sizeof(texts[4]), "%" PRIu64, lsn_old);
	error = session_run(&stream->session, "begin");
	if (error == 0)
		error = cursor_take(stream, &params);
	params.count = 3;
	if (error == 0)
		error = rows_remove(stream, &params);
	if (error == 0)
		error = block_cut(stream, &params, &common);
	if (error == 0)
		error = session_run(&stream->session, "commit");
	if (error != 0)
		return error;
	log_event(common.lsn == lsn_old ? LOG_INFO : LOG_WARNING, "replication",
	    "replication_superseded", &(struct log_ids){ .shard_plus_1 = shard->shard + 1 },
	    "restored switch: goes on behind LSN %" PRIu64 "; %" PRIu64
	    " events of the one before were moved to log_superseded",
	    common.lsn, lsn_old - common.lsn);
	shard->lsn = shard->gathered = common.lsn;
	return 0;
}
