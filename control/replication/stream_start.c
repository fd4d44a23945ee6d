/* SPDX-License-Identifier: Apache-2.0 */
/* How streaming begins: whose database this is, where it stands, which partitions there are. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/replication/migrate.h"
#include "control/replication/replication_internal.h"

/* One replicator at a time, for as long as it is connected. The number is "replica" in ASCII. */
static const char lock_sql[] = "select pg_try_advisory_lock(32199642169500513)";
static const char batch_table_sql[] =
    "create temporary table account_batch (id bigint, balance bigint, lsn bigint,"
    " changed timestamptz, shard smallint, currency smallint, frozen boolean,"
    " partner integer)"
    " on commit delete rows";

static int lock_take(struct stream *stream)
{
	struct session *session = &stream->session;
	PGresult *result;
	int error = session_query(session, lock_sql, NULL, &result);

	if (error != 0)
		return error;
	/* Our own backend of before may not have noticed yet that we are gone. */
	if (PQgetvalue(result, 0, 0)[0] != 't')
		error = session_say(session, -EHOSTDOWN,
		    "another sluice-control replicates into this database, or its connection has "
		    "not ended yet");
	PQclear(result);
	return error;
}

static void hex_make(char *hex, const uint8_t *bytes, size_t size)
{
	hex[0] = '\\';
	hex[1] = 'x';
	for (size_t i = 0; i < size; i++)
		snprintf(hex + 2 + 2 * i, 3, "%02x", bytes[i]);
}

/* The database belongs to this deployment with these shards; a new one is taken. */
static int deployment_check(struct stream *stream, const struct source_identity *identity)
{
	struct session *session = &stream->session;
	char count[16], buckets[2 + 2 * LIMIT_BUCKETS + 1];
	struct session_params params = { .values = { stream->config->deployment, count, buckets },
		.count = 3 };
	PGresult *result;
	int error;

	snprintf(count, sizeof(count), "%u", identity->shard_count);
	hex_make(buckets, identity->buckets, LIMIT_BUCKETS);
	error = session_query(session,
	    "insert into sluice.deployment (name, shard_count, buckets) values ($1, $2, $3) "
	    "on conflict do nothing",
	    &params, NULL);
	if (error == 0)
		error = session_query(session,
		    "select name, name = $1, shard_count = $2::smallint and buckets = $3::bytea "
		    "from sluice.deployment",
		    &params, &result);
	if (error != 0)
		return error;
	if (PQgetvalue(result, 0, 1)[0] != 't')
		error = session_say_fatal(session, -EPERM,
		    "this database belongs to deployment %.64s, not %s; name another database",
		    PQgetvalue(result, 0, 0), stream->config->deployment);
	else if (PQgetvalue(result, 0, 2)[0] != 't')
		error = session_say_fatal(session, -EPERM,
		    "this database holds another number of shards; re-sharding needs a new one");
	PQclear(result);
	return error;
}

/* The cursor of one shard, made when it is missing. */
static int cursor_read(
    struct stream *stream, int shard, uint64_t incarnation, uint64_t *found, uint64_t *lsn)
{
	char number[16], text[24];
	struct session_params params = { .values = { number, text }, .count = 2 };
	PGresult *result;
	int error;

	snprintf(number, sizeof(number), "%d", shard);
	snprintf(text, sizeof(text), "%" PRId64, (int64_t)incarnation);
	error = session_query(&stream->session,
	    "with made as (insert into sluice.cursor (shard, incarnation, lsn) values ($1, $2, 0) "
	    "on conflict do nothing returning shard) insert into sluice.incarnation "
	    "(shard, incarnation, first_lsn) select shard, $2::bigint, 1 from made",
	    &params, NULL);
	params.count = 1;
	if (error == 0)
		error = session_query(&stream->session,
		    "select incarnation, lsn from sluice.cursor where shard = $1", &params,
		    &result);
	if (error != 0)
		return error;
	*found = (uint64_t)strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	*lsn = (uint64_t)strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	PQclear(result);
	return 0;
}

static int shard_begin(struct stream *stream, struct stream_shard *shard, uint64_t incarnation)
{
	struct session *session = &stream->session;
	uint64_t found, lsn;
	int error = cursor_read(stream, (int)shard->shard, incarnation, &found, &lsn);

	if (error != 0)
		return error;
	if (found > incarnation)
		return session_say_fatal(session, -EPERM,
		    "shard %u: PostgreSQL holds incarnation %" PRIu64 ", this switch is the older "
		    "%" PRIu64 ": it was replaced by a restored one; stop it",
		    shard->shard, found, incarnation);
	shard->incarnation = incarnation;
	error = found < incarnation ? supersede(stream, shard, found, lsn)
	                            : cursor_check(stream, shard, lsn);
	if (error != 0)
		return error;
	if (found == incarnation)
		shard->lsn = shard->gathered = lsn;
	shard->lsn_incarnation = incarnation;
	return 0;
}

static int shard_source(struct stream *stream, uint32_t number)
{
	struct stream_shard *shard = &stream->shards[number];
	struct source_identity identity;
	int error;

	shard->shard = number;
	source_path(shard->path, stream->root, number);
	error = source_identity_read(shard->path, &identity);
	if (error == -ENOENT || (error == 0 && identity.incarnation == 0))
		return 0; /* it has no checkpoint yet; it will */
	if (error != 0)
		return session_say_fatal(&stream->session, -EPERM,
		    "shard %u: %s/rows cannot be read (%s); see sluice-db verify", number,
		    shard->path, strerror(-error));
	if (shard->incarnation == identity.incarnation)
		return 0;
	if (shard->incarnation != 0)
		return session_say(&stream->session, -ESTALE,
		    "shard %u was restored; replication begins again", number);
	if (shard->tail == NULL && log_tail_open(&shard->tail, shard->path, 1) != 0)
		return session_say(&stream->session, -ENOMEM, "out of memory");
	error = shard_begin(stream, shard, identity.incarnation);
	if (error == 0)
		log_tail_seek(shard->tail, shard->lsn + 1);
	else
		shard->incarnation = 0;
	return error;
}

int stream_sources(struct stream *stream)
{
	struct source_identity identity;
	char path[PATH_MAX];
	int error = 0;

	stream->sources_read_ms = replication_monotonic_ms();
	if (stream->shard_count == 0) {
		source_path(path, stream->root, 0);
		error = source_identity_read(path, &identity);
		if (error == -ENOENT)
			return 0; /* a data plane that was never started */
		if (error != 0)
			return session_say_fatal(&stream->session, -EPERM,
			    "%s/rows cannot be read (%s); see sluice-db verify", path,
			    strerror(-error));
		error = deployment_check(stream, &identity);
		if (error == 0)
			stream->shard_count = identity.shard_count;
	}
	for (uint32_t i = 0; error == 0 && i < stream->shard_count; i++)
		error = shard_source(stream, i);
	return error;
}

int stream_month_make(struct stream *stream, uint64_t begin_ns, unsigned months)
{
	char seconds[32], count[16];
	struct session_params params = { .values = { seconds, count }, .count = 2 };
	int error;

	for (uint32_t i = 0; months == 1 && i < stream->month_known_count; i++)
		if (stream->months_known[i] == begin_ns)
			return 0;
	snprintf(seconds, sizeof(seconds), "%" PRIu64, begin_ns / 1000000000u);
	snprintf(count, sizeof(count), "%u", months);
	error = session_query(&stream->session,
	    "select sluice.partitions_make(to_timestamp($1::double precision), $2)", &params, NULL);
	if (error != 0 || months != 1)
		return error;
	if (stream->month_known_count == TYPED_MONTHS_MAX)
		stream->month_known_count = 0;
	stream->months_known[stream->month_known_count++] = begin_ns;
	return 0;
}

int stream_partitions(struct stream *stream)
{
	stream->ahead_made_ms = replication_monotonic_ms();
	return stream_month_make(stream, (uint64_t)time(NULL) * 1000000000u,
	    stream->config->replication.months_ahead + 1);
}

int stream_begin(struct stream *stream, const _Atomic int *stop)
{
	uint64_t none, last;
	int error = session_open(&stream->session, stream->config->replication.connection,
	    stream->config->replication.password_file, stop);

	if (error != 0)
		return error;
	stream->month_known_count = 0;
	stream->shard_count = 0;
	if (error == 0)
		error = lock_take(stream);
	if (error == 0)
		error = migrate(&stream->session);
	if (error == 0)
		error = session_run(&stream->session, batch_table_sql);
	if (error == 0)
		error = stream_partitions(stream);
	if (error == 0)
		error = stream_sources(stream);
	if (error == 0)
		error = cursor_read(stream, CURSOR_CONTROL, 0, &none, &stream->change_lsn);
	if (error != 0)
		return error;
	stream->change_gathered = stream->change_lsn;
	error = changes_last(stream->database, &last);
	if (error != 0)
		return session_say(
		    &stream->session, -EIO, "control's database: %s", strerror(-error));
	if (last < stream->change_lsn)
		return session_say_fatal(&stream->session, -EPERM,
		    "control's database ends at change %" PRIu64 ", PostgreSQL holds %" PRIu64
		    ": it is an older copy; restore it with sluice-db restore --from-postgres",
		    last, stream->change_lsn);
	return 0;
}
