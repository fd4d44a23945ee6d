/* SPDX-License-Identifier: Apache-2.0 */
/* What every restored shard gets, wherever its events came from: its hash, and a journal. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/ledger/ledger_links.h"
#include "tools/sluice-db/restore.h"

int restore_hash_make(struct restore *restore, const struct ledger_config *config,
    const struct ledger *ledger, uint64_t *hash)
{
	struct ledger *copy = ledger_create(config);

	if (copy == NULL || ledger_copy(copy, ledger) != 0) {
		ledger_free(copy);
		return restore_fail(restore, EXIT_MISSING, "not enough memory");
	}
	*hash = ledger_state_hash(copy);
	ledger_free(copy);
	return 0;
}

int restore_links_take(struct restore *restore, uint32_t shard, const struct ledger *ledger)
{
	struct object_link **links = &restore->links[shard];

	if (*links == NULL)
		*links = calloc(LIMIT_SHARDS, sizeof(**links));
	if (*links == NULL)
		return restore_fail(restore, EXIT_MISSING, "not enough memory");
	for (uint32_t peer = 0; peer < LIMIT_SHARDS; peer++)
		ledger_link_read(ledger, peer, &(*links)[peer]);
	return 0;
}

void restore_links_free(struct restore *restore)
{
	for (uint32_t shard = 0; shard < LIMIT_SHARDS; shard++)
		free(restore->links[shard]);
}

int restore_shard_finish(struct restore *restore, uint32_t shard, uint64_t lsn,
    uint64_t incarnation_above, uint64_t hash)
{
	char journal_path[PATH_MAX + 32], why[256] = "", hash_text[24];
	struct journal_config journal = {
		.directory = journal_path, .shard = shard, .allow_volatile = 1
	};
	uint64_t incarnation = 0;
	int error = 0;

	if (restore->known[shard] > lsn)
		restore->cut[shard] = restore->known[shard] - lsn;
	snprintf(
	    journal_path, sizeof(journal_path), "%s/shard-%u/journal", restore->building, shard);
	if (lsn > 0)
		error =
		    journal_begin(&journal, lsn, incarnation_above, &incarnation, why, sizeof(why));
	if (restore_disk_is_full(restore, error))
		return restore_unwritten(restore, error, journal_path);
	if (error != 0)
		return restore_fail(restore, EXIT_MISSING, "shard %u: %s", shard, why);
	snprintf(hash_text, sizeof(hash_text), "%016" PRIx64, hash);
	if (json_array_size(restore->shards) > shard)
		json_array_remove(restore->shards, shard); /* restored again */
	json_array_insert_new(restore->shards, shard,
	    json_pack("{s:i, s:I, s:I, s:I, s:s}", "shard", (int)shard, "lsn", (json_int_t)lsn,
	        "cut", (json_int_t)restore->cut[shard], "incarnation", (json_int_t)incarnation,
	        "state_hash", hash_text));
	restore->events += lsn - restore->shard_events[shard];
	restore->state_hash += hash - restore->shard_hash[shard];
	restore->shard_events[shard] = lsn;
	restore->shard_hash[shard] = hash;
	return 0;
}
