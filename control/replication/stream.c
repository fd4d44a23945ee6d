/* SPDX-License-Identifier: Apache-2.0 */
/* From the logs into PostgreSQL: gather a batch, send it in one transaction, go on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/replication_internal.h"
#include "lmdb-schema/event.h"

#define SOURCES_PAUSE_MS 1000    /* between looks at the shards' identities */
#define AHEAD_PAUSE_MS   3600000 /* between looks at the partitions to come */

static const char accounts_sql[] =
    "insert into sluice.accounts as a (id, balance, lsn, changed, shard, currency, frozen, "
    "partner) select id, balance, lsn, changed, shard, currency, frozen, partner "
    "from pg_temp.account_batch "
    "on conflict (id) do update set balance = excluded.balance, lsn = excluded.lsn, "
    "changed = excluded.changed, frozen = coalesce(excluded.frozen, a.frozen), "
    "partner = coalesce(excluded.partner, a.partner)";

static int log_error(struct stream *stream, const struct stream_shard *shard, int error)
{
	if (error == -ENODATA)
		return session_say_fatal(&stream->session, -EPERM,
		    "shard %u: the log does not hold LSN %" PRIu64 " any more; it was retired "
		    "before it was replicated. Raise store.log_keep_mib, and begin a new "
		    "database from a backup that holds it",
		    shard->shard, shard->gathered + 1);
	if (error == -EBADMSG)
		return session_say_fatal(&stream->session, -EPERM,
		    "shard %u: the log is damaged at LSN %" PRIu64 " or behind; see sluice-db "
		    "verify",
		    shard->shard, shard->gathered + 1);
	return session_say(&stream->session, error, "shard %u: the log cannot be read (%s)",
	    shard->shard, strerror(-error));
}

static int piece_add(
    struct stream *stream, struct stream_shard *shard, const struct log_tail_piece *piece)
{
	const uint8_t *at = piece->events, *end = at + piece->size;
	struct event_record record;

	while (at < end) {
		int error;

		memcpy(&record, at, sizeof(record));
		error = typed_event(&stream->typed, (uint16_t)shard->shard,
		    (struct db_bytes){ at, le16_get(record.length) });
		if (error != 0)
			return error;
		at += le16_get(record.length);
	}
	shard->gathered = piece->last_lsn;
	return typed_block(&stream->typed, (uint16_t)shard->shard, shard->incarnation,
	    piece->first_lsn, piece->last_lsn, (struct db_bytes){ piece->events, piece->size });
}

/* Takes pieces of each shard in turn until the batch is full or the logs are used up. */
static int gather(struct stream *stream)
{
	int more = 1;

	while (more && stream->typed.events < stream->config->replication.batch_events_max &&
	       stream->typed.month_count < TYPED_MONTHS_MAX / 2) {
		more = 0;
		for (uint32_t i = 0; i < stream->shard_count; i++) {
			struct stream_shard *shard = &stream->shards[i];
			struct log_tail_piece piece;
			int result;

			if (shard->incarnation == 0)
				continue;
			result = log_tail_next(shard->tail, &piece);
			if (result == 1) {
				result = piece_add(stream, shard, &piece);
				more = 1;
			}
			if (result < 0)
				return log_error(stream, shard, result);
		}
	}
	return 0;
}

static int gather_changes(struct stream *stream)
{
	int error;

	if (changes_count(stream->changes) > 0)
		return 0;
	error = changes_gather(
	    stream->changes, stream->database, stream->change_lsn, &stream->change_gathered);
	if (error == -ENODATA)
		return session_say_fatal(&stream->session, -EPERM,
		    "control's database does not hold change %" PRIu64 "; restore it",
		    stream->change_lsn + 1);
	return error == 0 ? 0
	                  : session_say(&stream->session, error, "control's database: %s",
	                        strerror(-error));
}

/* A list of one column of an array parameter: "{1,2}". */
struct array {
	char text[LIMIT_SHARDS * 24];
	size_t size;
};

static void array_add(struct array *array, int64_t value)
{
	array->size += (size_t)snprintf(array->text + array->size,
	    sizeof(array->text) - array->size, "%c%" PRId64, array->size == 0 ? '{' : ',', value);
}

/*
 * Moves the cursors, from where this batch begins only. A backend of a lost connection that still
 * commits the same batch holds these rows: we wait for it here, and then find them moved.
 */
static int cursors_move(struct stream *stream)
{
	struct array columns[4] = { 0 };
	struct session_params params = { .values = { columns[0].text, columns[1].text,
		                             columns[2].text, columns[3].text },
		.count = 4 };
	PGresult *result;
	int64_t moved = 0;
	int error;

	for (uint32_t i = 0; i < stream->shard_count; i++) {
		const struct stream_shard *shard = &stream->shards[i];

		if (shard->gathered == shard->lsn)
			continue;
		array_add(&columns[0], shard->shard);
		array_add(&columns[1], (int64_t)shard->incarnation);
		array_add(&columns[2], (int64_t)shard->lsn);
		array_add(&columns[3], (int64_t)shard->gathered);
		moved++;
	}
	if (stream->change_gathered != stream->change_lsn) {
		array_add(&columns[0], CURSOR_CONTROL);
		array_add(&columns[1], 0);
		array_add(&columns[2], (int64_t)stream->change_lsn);
		array_add(&columns[3], (int64_t)stream->change_gathered);
		moved++;
	}
	for (unsigned i = 0; i < 4; i++)
		snprintf(columns[i].text + columns[i].size,
		    sizeof(columns[i].text) - columns[i].size, "}");
	error = session_query(&stream->session,
	    "update sluice.cursor c set lsn = v.next, changed = now() from unnest($1::smallint[], "
	    "$2::bigint[], $3::bigint[], $4::bigint[]) as v (shard, incarnation, lsn, next) "
	    "where c.shard = v.shard and c.incarnation = v.incarnation and c.lsn = v.lsn",
	    &params, &result);
	if (error != 0)
		return error;
	if (session_changed(result) != moved)
		error = session_say(&stream->session, -ESTALE,
		    "the cursor in PostgreSQL was moved meanwhile; it is read again");
	PQclear(result);
	return error;
}

static int months_make(struct stream *stream)
{
	int error = 0;

	for (uint32_t i = 0; i < stream->typed.month_count && error == 0; i++)
		error = stream_month_make(stream, stream->typed.months[i], 1);
	return error;
}

static int rows_send(struct stream *stream)
{
	struct typed *typed = &stream->typed;
	int error = typed_accounts_write(typed);

	if (error != 0)
		return session_say(&stream->session, error, "out of memory for a batch");
	for (unsigned i = 0; i < TYPED_TABLE_COUNT && error == 0; i++)
		error = session_copy(&stream->session, typed_copy_sql[i], &typed->tables[i]);
	if (error == 0 && typed->account_count > 0)
		error = session_run(&stream->session, accounts_sql);
	return error;
}

static void batch_forget(struct stream *stream)
{
	typed_clear(&stream->typed);
	changes_clear(stream->changes);
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++)
		stream->shards[i].gathered = stream->shards[i].lsn;
	stream->change_gathered = stream->change_lsn;
	stream->gather_begun_ms = 0;
}

static int batch_send(struct stream *stream)
{
	int error = months_make(stream);

	if (error == 0)
		error = session_run(&stream->session, "begin");
	if (error == 0)
		error = cursors_move(stream);
	if (error == 0)
		error = rows_send(stream);
	if (error == 0)
		error = changes_send(stream->changes, &stream->session);
	if (error == 0)
		error = session_run(&stream->session, "commit");
	if (error != 0)
		return error;
	for (uint32_t i = 0; i < stream->shard_count; i++)
		stream->shards[i].lsn = stream->shards[i].gathered;
	stream->change_lsn = stream->change_gathered;
	stream->events += stream->typed.events;
	stream->transactions++;
	batch_forget(stream);
	return 1;
}

int stream_work(struct stream *stream)
{
	const struct control_config *config = stream->config;
	int64_t now_ms = replication_monotonic_ms();
	int error = 0, full;

	if (now_ms - stream->sources_read_ms >= SOURCES_PAUSE_MS)
		error = stream_sources(stream);
	if (error == 0 && now_ms - stream->ahead_made_ms >= AHEAD_PAUSE_MS)
		error = stream_partitions(stream);
	if (error == 0)
		error = gather(stream);
	if (error == 0)
		error = gather_changes(stream);
	if (error != 0)
		return error;
	if (stream->typed.events == 0 && changes_count(stream->changes) == 0)
		return 0;
	if (stream->gather_begun_ms == 0)
		stream->gather_begun_ms = now_ms;
	full = stream->typed.events >= config->replication.batch_events_max ||
	       changes_count(stream->changes) == CHANGES_MAX ||
	       stream->typed.month_count >= TYPED_MONTHS_MAX / 2;
	if (!full && now_ms - stream->gather_begun_ms < config->replication.batch_delay_ms)
		return 0;
	return batch_send(stream);
}

void stream_end(struct stream *stream)
{
	session_close(&stream->session);
	batch_forget(stream);
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		stream->shards[i].incarnation = 0; /* the cursor is read again */
		if (stream->shards[i].tail != NULL)
			log_tail_release(stream->shards[i].tail);
	}
}

void stream_free(struct stream *stream)
{
	stream_end(stream);
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++)
		log_tail_close(stream->shards[i].tail);
	typed_free(&stream->typed);
	changes_free(stream->changes);
}
