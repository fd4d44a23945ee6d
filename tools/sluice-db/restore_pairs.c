/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restored shards against each other. Replication brings each shard on its own, so at the moment of
 * the loss one may have been further than another: money can have arrived that, by what is left of
 * the other shard, never went; or a transfer can be closed whose arrival is missing. A switch that
 * went on from there would make money, or lose it.
 *
 * The cut is the latest moment at which nothing of that kind is left: an arrival goes unless what
 * left is there, the closing of a transfer goes unless its arrival is; what goes takes all behind
 * it on its shard along, until nothing changes any more. A transfer that has left and not arrived
 * needs no cut: it is sent again.
 *
 * A log need not go back to the first event. What is older than it is known by number: every
 * transfer up to the one the log begins behind, or, when the log has none of that pair at all, up
 * to the last one the shard's own link has (derive_floors). At the end the links of all shards as
 * made are held against each other, for what lies before all logs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/ledger/ledger_links.h"
#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/derive.h"

struct pairs {
	uint32_t count;
	struct derive *shards;
	struct damage damage;
	uint64_t end[LIMIT_SHARDS];  /* LSN of the last event */
	uint64_t last[LIMIT_SHARDS]; /* the last one kept */
	char why[160];               /* the first cut */
};

static void shard_directory(const struct restore *restore, uint32_t shard, char path[PATH_MAX + 16])
{
	snprintf(path, PATH_MAX + 16, "%s/shard-%u", restore->building, shard);
}

static int shard_read(struct restore *restore, struct pairs *pairs, uint32_t shard)
{
	struct derive *derive = &pairs->shards[shard];
	char path[PATH_MAX + 16];
	struct events events;
	struct db_bytes event;
	int result;

	shard_directory(restore, shard, path);
	pairs->damage.shard = shard;
	result = events_open(&events, path, shard, &pairs->damage);
	if (result != 0)
		return result;
	derive_init(derive, shard, events.first_lsn, &pairs->damage);
	while ((result = events_next(&events, &event)) == 1) {
		result = derive_event(derive, event);
		if (result != 0)
			break;
	}
	pairs->end[shard] = pairs->last[shard] = events.next_lsn - 1;
	events_close(&events);
	derive_floors(derive, restore->links[shard]);
	return result;
}

static void cut_note(struct pairs *pairs, uint32_t shard, uint64_t lsn, uint64_t id,
    const char *what, uint32_t other)
{
	pairs->last[shard] = lsn - 1;
	if (pairs->why[0] == '\0')
		snprintf(pairs->why, sizeof(pairs->why),
		    "transfer %" PRIu64 " %s shard %u by LSN %" PRIu64 " of shard %u, and shard %u "
		    "ends before it at LSN %" PRIu64,
		    id, what, other, lsn, shard, other, pairs->end[other]);
}

static int arrived(const struct pairs *pairs, uint32_t from, const struct derived_transfer *out)
{
	const struct derived_arrival *in;

	if (out->peer >= pairs->count)
		return 0;
	if (out->sequence <= pairs->shards[out->peer].in_floor[from])
		return 1;
	in = table_find(
	    &pairs->shards[out->peer].arrivals, derived_arrival_key(from, out->sequence));
	return in != NULL && in->lsn <= pairs->last[out->peer] && transit_same(out, in);
}

static int left(const struct pairs *pairs, uint32_t shard, const struct derived_arrival *in)
{
	uint32_t from = (uint32_t)(in->key >> 56);
	const struct derived_transfer *out;

	if (from >= pairs->count)
		return 0;
	if ((in->key & 0xffffffffffffffull) <= pairs->shards[from].out_floor[shard])
		return 1;
	out = table_find(&pairs->shards[from].transfers, in->transfer_id);
	return out != NULL && out->open_lsn <= pairs->last[from] && transit_same(out, in);
}

/* One pass over a shard. 1: it had to be cut (further). */
static int shard_cut(struct pairs *pairs, uint32_t shard)
{
	const struct derive *derive = &pairs->shards[shard];
	uint64_t before = pairs->last[shard];

	for (uint32_t k = 0; k < derive->arrivals.count; k++) {
		const struct derived_arrival *in = table_at(&derive->arrivals, k);

		if (in->lsn <= pairs->last[shard] && !left(pairs, shard, in))
			cut_note(pairs, shard, in->lsn, in->transfer_id, "came from",
			    (uint32_t)(in->key >> 56));
	}
	for (uint32_t k = 0; k < derive->transfers.count; k++) {
		const struct derived_transfer *out = table_at(&derive->transfers, k);

		if (out->done_lsn != 0 && out->done_lsn <= pairs->last[shard] &&
		    !arrived(pairs, shard, out))
			cut_note(
			    pairs, shard, out->done_lsn, out->id, "was answered by", out->peer);
	}
	return pairs->last[shard] != before;
}

static void cut_find(struct pairs *pairs)
{
	int changed = 1;

	while (changed) {
		changed = 0;
		for (uint32_t shard = 0; shard < pairs->count; shard++)
			changed |= shard_cut(pairs, shard);
	}
}

static int made_remove(struct restore *restore, const char *path)
{
	int error = tree_remove(path);

	if (error == 0)
		return 0;
	return restore_fail(
	    restore, EXIT_MISSING, "%.300s cannot be removed: %s", path, strerror(-error));
}

static int refuse(struct restore *restore, const struct pairs *pairs)
{
	uint64_t events = 0;

	for (uint32_t shard = 0; shard < pairs->count; shard++)
		events += pairs->end[shard] - pairs->last[shard];
	if (made_remove(restore, restore->building) != 0)
		return -1;
	return restore_fail(restore, EXIT_MISMATCH,
	    "the shards are of different moments: %s. Nothing was restored. With "
	    "--cut the last %" PRIu64 " events of the shards that are ahead are left out, so that "
	    "all fit together",
	    pairs->why, events);
}

/* What no cut can mend, as it is older than the logs. */
static int links_fit(struct restore *restore, uint32_t count)
{
	struct ledger_behind behind;
	int error = 0;

	for (uint32_t source = 0; source < count && error == 0; source++)
		for (uint32_t peer = 0; peer < count && error == 0; peer++)
			if (source != peer)
				error = ledger_link_check(source, &restore->links[source][peer],
				    peer, &restore->links[peer][source], &behind);
	if (error == 0)
		return 0;
	if (made_remove(restore, restore->building) != 0)
		return -1;
	return restore_fail(restore, EXIT_MISMATCH,
	    "the shards are of different moments: " LEDGER_BEHIND_FORMAT
	    ". The logs do not go back to where they would fit together. Nothing was restored; use "
	    "an older backup with this one as --archive, or a later one",
	    LEDGER_BEHIND_VALUES(&behind));
}

static int shards_again(struct restore *restore, const struct pairs *pairs)
{
	int error = 0;

	for (uint32_t shard = 0; shard < pairs->count && error == 0; shard++) {
		char path[PATH_MAX + 16];

		if (pairs->last[shard] == pairs->end[shard])
			continue;
		restore->cut[shard] = pairs->end[shard] - pairs->last[shard];
		restore->until[shard] = pairs->last[shard];
		shard_directory(restore, shard, path);
		error = made_remove(restore, path);
		if (error == 0)
			error = restore->shard_make(restore, shard);
	}
	return error;
}

/* 0, and the cut in *pairs; -1. */
static int pairs_read(struct restore *restore, struct pairs *pairs)
{
	int error = 0;

	for (uint32_t shard = 0; shard < pairs->count && error == 0; shard++)
		error = shard_read(restore, pairs, shard);
	if (restore_disk_is_full(restore, error))
		return restore_unwritten(restore, error, restore->building);
	if (error != 0)
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u as restored does not prove: LSN %" PRIu64 ": %s%s",
		    pairs->damage.shard, pairs->damage.lsn,
		    pairs->damage.what[0] != '\0' ? pairs->damage.what : strerror(-error),
		    restore->source_remedy);
	cut_find(pairs);
	return 0;
}

int restore_pairs(struct restore *restore)
{
	struct pairs *pairs = calloc(1, sizeof(*pairs));
	int error = 0;

	if (pairs != NULL)
		pairs->shards = calloc(restore->shard_count, sizeof(*pairs->shards));
	if (pairs == NULL || pairs->shards == NULL) {
		free(pairs);
		return restore_fail(restore, EXIT_MISSING, "not enough memory");
	}
	pairs->count = restore->shard_count;
	error = pairs_read(restore, pairs);
	if (error == 0 && pairs->why[0] != '\0')
		error =
		    restore->cut_allowed ? shards_again(restore, pairs) : refuse(restore, pairs);
	if (error == 0)
		error = links_fit(restore, pairs->count);
	for (uint32_t shard = 0; shard < pairs->count; shard++)
		derive_free(&pairs->shards[shard]);
	free(pairs->shards);
	free(pairs);
	return error;
}
