/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the journal of each shard was seen, across a restart of control. What is durable stays:
 * the same journal that ends before that is an older copy of it, which nothing in its own directory
 * tells when the mark of the starts (shards.made) was put back with it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/link/inside.h"
#include "control/log/log.h"
#include "lmdb-schema/control_rows.h"

/* A synced write each: not more often, while events come. */
#define SEEN_NS 5000000000ull

static const char seen_key_text[] = "journals"; /* in table `meta` */
static const struct db_bytes seen_key = { seen_key_text, sizeof(seen_key_text) - 1 };

struct record_control_seen record_control_seen_make(const struct link_seen *seen)
{
	struct record_control_seen record = {
		.header = record_control_header(
		    (enum record_control_kind)RECORD_CONTROL_SEEN, sizeof(record)),
	};

	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		record.shards[i].incarnation = le64_make(seen->shards[i].incarnation);
		record.shards[i].lsn = le64_make(seen->shards[i].lsn);
	}
	return record;
}

int record_control_seen_read(struct db_bytes bytes, struct link_seen *seen)
{
	struct record_control_seen record;
	struct link_seen read;

	if (bytes.size != sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	if (record.header.kind != RECORD_CONTROL_SEEN || record.header.version != RECORD_VERSION ||
	    le16_get(record.header.size) != sizeof(record) ||
	    !bytes_all_zero(record.header.reserved, sizeof(record.header.reserved)))
		return -EBADMSG;
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		read.shards[i].incarnation = le64_get(record.shards[i].incarnation);
		read.shards[i].lsn = le64_get(record.shards[i].lsn);
		/* An LSN of no journal says nothing. */
		if (read.shards[i].incarnation == 0 && read.shards[i].lsn != 0)
			return -EBADMSG;
	}
	*seen = read;
	return 0;
}

static int load_body(struct db_txn *txn, void *argument)
{
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_META, seen_key, &value);

	return error == 0 ? record_control_seen_read(value, argument) : error;
}

void link_seen_load(struct link *link)
{
	int error = database_read(link->config.database, load_body, &link->seen);

	if (error != 0 && error != -ENOENT)
		log_event(LOG_ERROR, "link", "seen_unreadable", NULL,
		    "how far the shards' journals were is not known, so an older copy of one may "
		    "not be told: %s",
		    strerror(-error));
	link->seen_kept = link->seen;
}

static int store_body(struct db_txn *txn, void *argument)
{
	const struct record_control_seen *record = argument;

	return database_put(
	    txn, CONTROL_TABLE_META, seen_key, (struct db_bytes){ record, sizeof(*record) });
}

/* 0: a data plane that does not say. */
static uint64_t incarnation_of(const json_t *shard)
{
	const char *text =
	    json_string_value(json_object_get(json_object_get(shard, "recovery"), "incarnation"));

	return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static uint64_t durable_of(const json_t *shard)
{
	return (uint64_t)json_integer_value(json_object_get(shard, "durable_lsn"));
}

void link_seen_compare(struct link *link, const json_t *shards)
{
	const json_t *shard;
	size_t index;

	json_array_foreach(shards, index, shard)
	{
		if (link->is_lost || index >= LIMIT_SHARDS || incarnation_of(shard) == 0 ||
		    incarnation_of(shard) != link->seen.shards[index].incarnation ||
		    durable_of(shard) >= link->seen.shards[index].lsn)
			continue;
		link->is_lost = link->lost_is_lsn = 1;
		link->lost_shard = (unsigned)index;
		link->lost_has = durable_of(shard);
		link->lost_done = link->seen.shards[index].lsn;
	}
}

void link_seen_keep(struct link *link, const json_t *shards)
{
	struct record_control_seen record;
	const json_t *shard;
	size_t index;
	int at_once = 0, given_up;

	pthread_mutex_lock(&link->mutex);
	given_up = link->seen_given_up;
	link->seen_given_up = 0;
	pthread_mutex_unlock(&link->mutex);
	json_array_foreach(shards, index, shard)
	{
		uint64_t incarnation = incarnation_of(shard), lsn = durable_of(shard);
		int same =
		    index < LIMIT_SHARDS && incarnation == link->seen.shards[index].incarnation;

		if (index >= LIMIT_SHARDS || incarnation == 0 ||
		    (same && lsn < link->seen.shards[index].lsn && !given_up))
			continue;
		at_once |= !same || lsn < link->seen.shards[index].lsn;
		link->seen.shards[index].incarnation = incarnation;
		link->seen.shards[index].lsn = lsn;
	}
	if ((!at_once && link_mono_ns() < link->seen_due_ns) ||
	    memcmp(&link->seen, &link->seen_kept, sizeof(link->seen)) == 0)
		return;
	link->seen_due_ns = link_mono_ns() + SEEN_NS;
	record = record_control_seen_make(&link->seen);
	/* A database that cannot be written is told by all who write; it is tried again. */
	if (database_write(link->config.database, store_body, &record) == 0)
		link->seen_kept = link->seen;
}
