/* SPDX-License-Identifier: Apache-2.0 */
/* One shard out of the raw events in PostgreSQL: store, checkpoint, then a journal behind them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/store/store.h"
#include "tools/sluice-db/restore.h"

struct position {
	uint64_t incarnation, lsn;
};

static int shard_unwritten(struct restore *restore, int error, uint32_t shard, const char *what)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/shard-%u/%s", restore->building, shard, what);
	return restore_unwritten(restore, error, path);
}

/* Where replication stands; a shard without a row was never replicated and stays empty. */
static int position_read(struct restore *restore, uint32_t shard, struct position *position)
{
	char number[16];
	const char *const values[4] = { number };
	PGresult *result;

	snprintf(number, sizeof(number), "%u", shard);
	result = restore_query(restore,
	    "select incarnation, lsn from sluice.cursor where shard = $1::smallint", 1, values);
	if (result == NULL)
		return -1;
	*position = (struct position){ 0 };
	if (PQntuples(result) == 1)
		*position =
		    (struct position){ restore_u64(result, 0, 0), restore_u64(result, 0, 1) };
	PQclear(result);
	return 0;
}

/* Room for the tables of the ledger: what the events will make, and some. */
static int capacity_read(struct restore *restore, uint32_t shard, struct ledger_config *config)
{
	char number[16];
	const char *const values[4] = { number };
	uint64_t opened, bets, markets, terminals, currencies, events, bytes, partners, objects;
	const uint64_t most = (1u << 30) - 1;
	PGresult *result;

	snprintf(number, sizeof(number), "%u", shard);
	result = restore_query(restore,
	    "select count(*) filter (where type = 1), count(*) filter (where type = 3 and code = "
	    "0), count(*) filter (where type = 5), (select count(*) from (select terminal from "
	    "sluice.transactions where shard = $1::smallint group by terminal) t), (select "
	    "count(*) "
	    "from (select currency from sluice.accounts group by currency) c), count(*), (select "
	    "coalesce(sum(octet_length(events)), 0)::bigint from sluice.log_block where shard = "
	    "$1::smallint), count(*) filter (where type = 37) from "
	    "sluice.transactions where shard = $1::smallint",
	    1, values);
	if (result == NULL)
		return -1;
	opened = restore_u64(result, 0, 0);
	bets = restore_u64(result, 0, 1);
	markets = restore_u64(result, 0, 2);
	terminals = restore_u64(result, 0, 3);
	currencies = restore_u64(result, 0, 4) + 1;
	events = restore_u64(result, 0, 5);
	bytes = restore_u64(result, 0, 6);
	partners = restore_u64(result, 0, 7);
	PQclear(result);
	/* System accounts: one a terminal, partner, shard and currency, and some a currency. */
	opened += (terminals + partners + LIMIT_SHARDS + 16) * currencies + 1000;
	/* Objects are in sections behind the records. */
	bytes -= events * sizeof(struct event_record) < bytes ? events * sizeof(struct event_record)
	                                                      : bytes;
	objects = bytes / sizeof(struct event_object) + 1000;
	config->accounts_max = (uint32_t)(opened < most ? opened : most);
	config->bets_max = (uint32_t)(bets + 1000 < most ? bets + 1000 : most);
	config->markets_max = (uint32_t)(markets + 1000 < most / 4 ? markets + 1000 : most / 4);
	config->terminals_max = (uint32_t)(terminals + 1000 < most ? terminals + 1000 : most);
	config->objects_max = (uint32_t)(objects < most ? objects : most);
	return 0;
}

/* Bytes of the block's events up to an LSN. 0: the block is malformed. */
static size_t size_until(const uint8_t *events, size_t size, uint64_t until)
{
	struct event_record record;
	size_t at = 0;

	while (size - at >= sizeof(record)) {
		memcpy(&record, events + at, sizeof(record));
		if (le64_get(record.lsn) > until)
			return at;
		if (le16_get(record.length) < sizeof(record) || le16_get(record.length) > size - at)
			return 0;
		at += le16_get(record.length);
	}
	return at;
}

/* The events of one row, up to `until`: what lies above was committed together with another cursor
 * than the one that was read. */
static int block_apply(struct restore *restore, struct store *store, uint32_t shard, uint64_t until,
    const PGresult *result, int row, uint64_t *next)
{
	uint64_t first = restore_u64(result, row, 0), last = restore_u64(result, row, 1);
	const uint8_t *events = (const uint8_t *)PQgetvalue(result, row, 3);
	size_t size = (size_t)PQgetlength(result, row, 3);
	int error;

	if (first != *next || last < first)
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: sluice.log_block has no event with LSN %" PRIu64
		    "; PostgreSQL itself must be restored first",
		    shard, *next);
	if (XXH3_64bits(events, size) != restore_u64(result, row, 2))
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: the block of LSN %" PRIu64 " in sluice.log_block is damaged; "
		    "PostgreSQL itself must be restored first",
		    shard, first);
	if (last > until)
		size = size_until(events, size, until);
	error = store_restore_events(store, events, size);
	if (error != 0)
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: events from LSN %" PRIu64 " on cannot be applied (%s)", shard, first,
		    strerror(-error));
	/* The checksum is of the events alone: that they are those of the row, they tell. */
	if (last > until)
		last = until;
	if (ledger_shard(store_ledger(store))->lsn != last)
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: the block of LSN %" PRIu64
		    " in sluice.log_block does not hold what its row says, up to LSN %" PRIu64
		    "; PostgreSQL itself must be restored first",
		    shard, first, last);
	*next = last + 1;
	return 0;
}

static int events_apply(
    struct restore *restore, struct store *store, uint32_t shard, const struct position *position)
{
	char number[16], from[24];
	const char *const values[4] = { number, from };
	uint64_t next = 1;
	int error = 0;

	snprintf(number, sizeof(number), "%u", shard);
	while (error == 0 && next <= position->lsn) {
		PGresult *result;

		snprintf(from, sizeof(from), "%" PRIu64, next);
		result = restore_query(restore,
		    "select first_lsn, last_lsn, xxh3, events from sluice.log_block where shard = "
		    "$1::smallint and first_lsn >= $2::bigint order by first_lsn limit 128",
		    2, values);
		if (result == NULL)
			return -1;
		if (PQntuples(result) == 0)
			error = restore_fail(restore, EXIT_MISMATCH,
			    "shard %u: sluice.log_block ends at LSN %" PRIu64
			    ", the cursor says %" PRIu64,
			    shard, next - 1, position->lsn);
		for (int row = 0; row < PQntuples(result) && error == 0 && next <= position->lsn;
		     row++)
			error =
			    block_apply(restore, store, shard, position->lsn, result, row, &next);
		PQclear(result);
		if (error == 0) {
			error = store_commit(store);
			if (error != 0)
				error = shard_unwritten(restore, error, shard, "log-*");
		}
	}
	return error;
}

static int store_build(struct restore *restore, const char *path, uint32_t shard,
    const struct position *position, uint64_t *hash)
{
	struct store_report report = { 0 };
	struct store *store = NULL;
	struct store_config config = {
		.directory = path,
		.shard = shard,
		.ledger = { .shard = shard,
		    .shard_count = restore->shard_count,
		    .buckets = restore->buckets },
		.log_rotate_size = 1ull << 30,
		.checkpoint_interval_ms = 1000,
	};
	int error = capacity_read(restore, shard, &config.ledger);

	if (error != 0)
		return error;
	error = store_open(&store, &config, &report);
	if (error == 0)
		error = store_load(store, &report);
	if (restore_disk_is_full(restore, error))
		error = restore_unwritten(restore, error, path);
	else if (error != 0)
		error = restore_fail(restore, EXIT_MISSING, "shard %u: %s", shard, report.message);
	if (error == 0)
		error = events_apply(restore, store, shard, position);
	if (error == 0) {
		error = store_checkpoint_now(store);
		if (error != 0)
			error = shard_unwritten(restore, error, shard, "rows");
	}
	if (error == 0)
		error = restore_hash_make(restore, &config.ledger, store_ledger(store), hash);
	if (error == 0)
		error = restore_links_take(restore, shard, store_ledger(store));
	store_close(store);
	return error;
}

int restore_shard(struct restore *restore, uint32_t shard)
{
	char path[PATH_MAX + 16];
	struct position position;
	uint64_t hash = 0;

	snprintf(path, sizeof(path), "%s/shard-%u", restore->building, shard);
	if (position_read(restore, shard, &position) != 0)
		return -1;
	if (position.lsn > restore->until[shard])
		position.lsn = restore->until[shard];
	if (store_build(restore, path, shard, &position, &hash) != 0)
		return -1;
	return restore_shard_finish(restore, shard, position.lsn, position.incarnation, hash);
}
