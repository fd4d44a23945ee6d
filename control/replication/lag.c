/* SPDX-License-Identifier: Apache-2.0 */
/* How far PostgreSQL is behind, connected or not. */
#include <string.h>

#include "control/replication/replication_internal.h"
#include "lmdb-schema/event.h"

/* Event time of the first event behind the cursor that the log still holds. */
static uint64_t oldest_time(struct stream_shard *shard, uint64_t first)
{
	struct log_tail_piece piece;
	struct event_record record;
	uint64_t time_ns = 0;

	log_tail_seek(shard->tail, shard->lsn + 1 > first ? shard->lsn + 1 : first);
	if (log_tail_next(shard->tail, &piece) == 1) {
		memcpy(&record, piece.events, sizeof(record));
		time_ns = le64_get(record.time_ns);
	}
	log_tail_seek(shard->tail, shard->gathered + 1);
	if (time_ns != 0)
		return time_ns;
	/* It cannot be read: as old as it was known, or from now on. */
	return shard->oldest_ns != 0 ? shard->oldest_ns : database_now_ns();
}

void stream_recall(struct stream *stream)
{
	if (position_load(stream->database, stream->config, &stream->recalled) == 0)
		stream->change_lsn = stream->change_gathered = stream->recalled.change_sequence;
}

/* The position kept counts when it is of this very log; if not, the cursor counts as 0. */
static void shard_recall(const struct stream *stream, struct stream_shard *shard)
{
	uint64_t incarnation = stream->recalled.shards[shard->shard].incarnation;
	uint64_t lsn = stream->recalled.shards[shard->shard].lsn, first, last;
	struct source_identity identity;

	if (shard->lsn_incarnation != 0 || incarnation == 0 ||
	    source_identity_read(shard->path, &identity) != 0 ||
	    identity.incarnation != incarnation ||
	    log_tail_range(shard->tail, &first, &last) != 0 || last < lsn)
		return;
	shard->lsn = shard->gathered = lsn;
	shard->lsn_incarnation = incarnation;
	log_tail_seek(shard->tail, lsn + 1);
}

/* Shards as their directories say, while PostgreSQL is not asked. */
static void shards_discover(struct stream *stream)
{
	struct source_identity identity;
	char path[PATH_MAX];

	source_path(path, stream->root, 0);
	if (stream->shard_count == 0 && source_identity_read(path, &identity) == 0)
		stream->shard_count = identity.shard_count;
	for (uint32_t i = 0; i < stream->shard_count; i++) {
		struct stream_shard *shard = &stream->shards[i];

		if (shard->tail != NULL)
			continue;
		shard->shard = i;
		source_path(shard->path, stream->root, i);
		if (log_tail_open(&shard->tail, shard->path, shard->lsn + 1) != 0)
			shard->tail = NULL;
		else
			shard_recall(stream, shard);
	}
}

void stream_log_positions(struct stream *stream)
{
	if (stream->session.conn == NULL)
		shards_discover(stream);
	for (uint32_t i = 0; i < stream->shard_count; i++) {
		struct stream_shard *shard = &stream->shards[i];
		uint64_t first = 1, last;

		if (shard->tail != NULL && log_tail_range(shard->tail, &first, &last) == 0)
			shard->log_lsn = last;
		shard->oldest_ns = shard->tail != NULL && shard->log_lsn > shard->lsn
		                       ? oldest_time(shard, first)
		                       : 0;
		/* Nothing is held while it waits: a retired log's space is to be freed. */
		if (shard->tail != NULL && stream->session.conn == NULL)
			log_tail_release(shard->tail);
	}
	/* Unread, it stays as it was known. */
	(void)!changes_behind(
	    stream->database, stream->change_lsn, &stream->change_last, &stream->change_oldest_ns);
}

uint64_t stream_lag(const struct stream *stream)
{
	uint64_t lag = 0;

	for (uint32_t i = 0; i < stream->shard_count; i++)
		if (stream->shards[i].log_lsn > stream->shards[i].lsn)
			lag += stream->shards[i].log_lsn - stream->shards[i].lsn;
	return lag;
}

uint64_t stream_lag_changes(const struct stream *stream)
{
	return stream->change_last > stream->change_lsn ? stream->change_last - stream->change_lsn
	                                                : 0;
}

uint64_t stream_oldest_ns(const struct stream *stream)
{
	uint64_t oldest = stream_lag_changes(stream) > 0 ? stream->change_oldest_ns : 0;

	for (uint32_t i = 0; i < stream->shard_count; i++) {
		const struct stream_shard *shard = &stream->shards[i];

		if (shard->log_lsn > shard->lsn && shard->oldest_ns != 0 &&
		    (oldest == 0 || shard->oldest_ns < oldest))
			oldest = shard->oldest_ns;
	}
	return oldest;
}
