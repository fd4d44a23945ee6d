/* SPDX-License-Identifier: Apache-2.0 */
/* Where to begin with a shard's log, after a start of control. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/alerts/alerts_internal.h"
#include "control/alerts/reader.h"
#include "control/log/log.h"

struct begin_context {
	uint32_t shard;
	struct record_control_alert_cursor cursor;
	uint64_t number; /* alerts below it are still to be looked at; 0: all were */
	struct record_control_alert alert;
	int known; /* there is a cursor */
};

static int cursor_body(struct db_txn *txn, void *argument)
{
	struct begin_context *context = argument;
	int error = alerts_cursor_get(txn, context->shard, &context->cursor);

	context->known = error == 0;
	if (error != 0 && error != -ENOENT)
		return error;
	return database_last(txn, CONTROL_TABLE_ALERT, &context->number);
}

/* The next older alert of the shard. -ENOENT. */
static int older_body(struct db_txn *txn, void *argument)
{
	struct begin_context *context = argument;

	for (; context->number > 0; context->number--) {
		int error = alert_row(txn, context->number, &context->alert);

		if (error != 0)
			return error;
		if (context->alert.reason == CONTROL_ALERT_RISK &&
		    le16_get(context->alert.source_shard) == context->shard) {
			context->number--;
			return 0;
		}
	}
	return -ENOENT;
}

/* 1 when the log holds this very event at `lsn`, 0 when another or none. */
static int holds(struct log_tail *tail, uint64_t lsn, uint64_t hash)
{
	struct log_tail_piece piece;
	struct event_record record;
	int result;

	log_tail_seek(tail, lsn);
	result = log_tail_next(tail, &piece);
	if (result == -ENODATA || result == 0)
		return 0;
	if (result < 0)
		return result;
	memcpy(&record, piece.events, sizeof(record));
	return XXH3_64bits(piece.events, le16_get(record.length)) == hash;
}

/* Which log it is, by the newest alert whose event it has; behind that with a cursor. */
static int common_find(
    struct alerts_reader *reader, struct reader_shard *shard, struct begin_context *context)
{
	uint32_t line_max = le32_get(context->cursor.line);
	int error;

	while ((error = database_read(reader->database, older_body, context)) == 0) {
		uint64_t lsn = le64_get(context->alert.source_lsn);
		uint32_t line = le32_get(context->alert.source_line);
		int same = holds(shard->tail, lsn, le64_get(context->alert.source_hash));

		if (same < 0)
			return same;
		if (line > line_max)
			line_max = line;
		if (!same)
			continue;
		/* Without a cursor (a restored database) it may be the log it was, and the profiles
		 * are gone: all of it is read again, for these. */
		shard->lsn = context->known ? lsn : 0;
		shard->hash = context->known ? le64_get(context->alert.source_hash) : 0;
		shard->line = context->known ? line_max + 1 : line;
		return 0;
	}
	if (error != -ENOENT)
		return error;
	shard->lsn = shard->hash = 0;
	shard->line = context->known ? line_max + 1 : line_max;
	return 0;
}

/* Alerts are raised in the order of events: up to the newest one's event all were decided. */
static int alerts_after_find(
    struct alerts_reader *reader, struct reader_shard *shard, uint32_t number)
{
	struct begin_context context = { .shard = number };
	int error = database_read(reader->database, cursor_body, &context);

	if (error == 0)
		error = database_read(reader->database, older_body, &context);
	if (error == 0 && le32_get(context.alert.source_line) == shard->line)
		shard->alerts_after = le64_get(context.alert.source_lsn);
	return error == -ENOENT ? 0 : error;
}

static int goes_on(struct reader_shard *shard, const struct begin_context *context,
    uint64_t first_lsn, uint64_t last_lsn)
{
	uint64_t lsn = le64_get(context->cursor.lsn);

	if (!context->known || last_lsn < lsn)
		return 0;
	/* What was retired cannot be compared any more. */
	return lsn == 0 || lsn < first_lsn ||
	       holds(shard->tail, lsn, le64_get(context->cursor.hash)) == 1;
}

int reader_begin(struct alerts_reader *reader, uint32_t number)
{
	struct reader_shard *shard = &reader->shards[number];
	struct begin_context context = { .shard = number };
	uint64_t first_lsn, last_lsn;
	int error = log_tail_range(shard->tail, &first_lsn, &last_lsn);

	if (error != 0)
		return error == -ENOENT ? 0 : error;
	error = database_read(reader->database, cursor_body, &context);
	if (error != 0)
		return error;
	if (goes_on(shard, &context, first_lsn, last_lsn)) {
		shard->lsn = le64_get(context.cursor.lsn);
		shard->hash = le64_get(context.cursor.hash);
		shard->line = le32_get(context.cursor.line);
	} else {
		error = common_find(reader, shard, &context);
		if (error == 0 && context.known)
			log_event(LOG_WARNING, "alerts", "another_log",
			    &(struct log_ids){ .shard_plus_1 = number + 1 },
			    "the log of shard %u is not the one that was read up to LSN %" PRIu64
			    "; alerts go on behind LSN %" PRIu64,
			    number, le64_get(context.cursor.lsn), shard->lsn);
	}
	if (error == 0)
		error = alerts_after_find(reader, shard, number);
	if (error != 0)
		return error;
	shard->written_lsn = shard->lsn;
	log_tail_seek(shard->tail, shard->lsn + 1);
	return 1;
}
