/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for one more event. A retired row keeps its number in the follower until a checkpoint has
 * put it into its closed table. So a checkpoint begins before its time when a table has less than
 * an eighth of its rows free. Where events come faster than checkpoints (recovery and restore have
 * none of their own) the table fills with retired rows; then a checkpoint is written on the spot,
 * at least until it has released some.
 */
#include <errno.h>

#include "dataplane/store/store_internal.h"

/* 1: numbers were released; 0: a whole cycle released none, the rows are all in use; -errno. */
static int room_make(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint64_t released = checkpoint->released_total;
	int own = 0; /* the cycle has begun behind the last event, so it sees all that retired */

	for (;;) {
		int result;

		if (checkpoint->phase == CHECKPOINT_IDLE && own)
			return 0;
		if (checkpoint->phase == CHECKPOINT_IDLE) {
			result = checkpoint_begin(store, UINT64_MAX);
			/* A checkpoint lies between batches: recovery begins with a whole one. */
			if (result == 0 && store->in_batch)
				checkpoint->begin = store->batch_begin;
			own = 1;
		} else {
			result = checkpoint_work(store, checkpoint->finished_ns);
		}
		if (result < 0)
			return result;
		if (checkpoint->released_total != released)
			return 1;
	}
}

static int table_low(const struct store *store, enum ledger_table table, uint32_t capacity)
{
	return ledger_rows_free(store->ledger, table) < capacity / 8;
}

int store_room_low(const struct store *store)
{
	const struct ledger_config *config = &store->config.ledger;

	return table_low(store, LEDGER_BET, config->bets_max) ||
	       table_low(store, LEDGER_OBJECT, config->objects_max);
}

int store_event_apply(struct store *store, const uint8_t *event, size_t length)
{
	int error, room;

	while ((error = ledger_apply(store->ledger, event, length)) == -ENOSPC) {
		room = room_make(store);
		if (room < 0)
			return room;
		if (room == 0) {
			store->table_full = 1;
			return -ENOSPC;
		}
	}
	return error;
}
