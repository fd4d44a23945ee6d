/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds for its shards: the turn of their store threads, and letting go. */
#include <stdlib.h>

#include "dataplane/switch.h"

/* A few slices: a worker without a ready segment answers BUSY, so they come before the store's
 * work. */
#define KEEPER_SLICES_PER_TURN 8

static int keeper_turn(struct shard_parts *parts, struct store *store)
{
	int result = 0;

	for (int i = 0; i < KEEPER_SLICES_PER_TURN; i++) {
		int slice = journal_keeper_work(parts->keeper, store_checkpoint_lsn(store));

		if (slice <= 0)
			return slice < 0 ? slice : result;
		result = 1;
	}
	return result;
}

struct switch_store_turn switch_store_turn(struct shard_parts *parts, uint64_t now_ns)
{
	struct store *store = parts->process->stores[parts->shard];
	struct switch_store_turn turn;

	turn.work = store_work(store, parts->feed, parts->journal_reader, now_ns);
	turn.keeper = keeper_turn(parts, store);
	if (turn.keeper < 0)
		atomic_store_explicit(&parts->keeper_error, turn.keeper, memory_order_relaxed);
	return turn;
}

void switch_shard_free(struct switch_process *process, uint32_t shard)
{
	struct shard_parts *parts = &process->shards[shard];

	log_history_close(process->histories[shard]);
	store_close(process->stores[shard]);
	journal_reader_close(parts->journal_reader);
	journal_keeper_free(parts->keeper);
	journal_feed_free(parts->feed);
	worker_free(process->workers[shard]);
}
