/* SPDX-License-Identifier: Apache-2.0 */
/* What stands against re-sharding, by name. */
#include <inttypes.h>
#include <string.h>

#include "tools/sluice-db/reshard.h"

#define REMEDY                                                                                     \
	"; start the switch and sluice-control, wait until it is done, stop both and try again"

static int transfers_check(struct reshard *reshard, uint32_t shard)
{
	const struct ledger *ledger = reshard->from[shard].ledger;
	uint32_t row = 0;
	uint64_t id = ledger_transfer_open(ledger, &row);
	const struct object_row *object = id == 0 ? NULL : ledger_object(ledger, id);
	struct object_transfer transfer;

	if (object == NULL)
		return 0;
	memcpy(&transfer, object->body, sizeof(transfer));
	return restore_fail(&reshard->restore, EXIT_MISMATCH,
	    "transfer %" PRIu64 " of %" PRId64 " (currency %u) is under way from shard %u to shard "
	    "%u" REMEDY,
	    id, le64s_get(transfer.amount), object->currency, shard, le16_get(transfer.peer));
}

static int market_same(const struct market_row_state *a, const struct market_row_state *b)
{
	return b != NULL && a->version == b->version && a->state == b->state &&
	       a->event_id == b->event_id && a->start_time_ns == b->start_time_ns &&
	       memcmp(&a->outcomes, &b->outcomes, sizeof(a->outcomes)) == 0 &&
	       memcmp(a->odds, b->odds, sizeof(a->odds)) == 0;
}

static int markets_check(struct reshard *reshard, uint32_t shard)
{
	const struct ledger *ledger = reshard->from[shard].ledger;
	const struct ledger *first = reshard->from[0].ledger;
	uint32_t row = 0, count = ledger_row_count(ledger, LEDGER_MARKET);
	const struct market_row_state *due = ledger_walk_due(ledger, &row);

	if (due != NULL)
		return restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "market %" PRIu64 " is not settled yet on shard %u" REMEDY, due->id, shard);
	for (uint32_t i = 0; i < count; i++) {
		const struct market_row_state *market = ledger_market_at(ledger, i);

		if (!market_same(market, ledger_market(first, market->id)))
			return restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "market %" PRIu64 " is not the same on shard %u as on shard 0" REMEDY,
			    market->id, shard);
	}
	return count == ledger_row_count(first, LEDGER_MARKET)
	           ? 0
	           : restore_fail(&reshard->restore, EXIT_MISMATCH,
	                 "shard %u has not all markets of shard 0" REMEDY, shard);
}

int reshard_check(struct reshard *reshard)
{
	const struct shard_row *first = ledger_shard(reshard->from[0].ledger);
	int error = 0;

	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++) {
		const struct shard_row *shard = ledger_shard(reshard->from[i].ledger);

		error = transfers_check(reshard, i);
		if (error == 0 && shard->control_sequence != first->control_sequence)
			error = restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "shard %u has done command %" PRIu64
			    ", shard 0 command %" PRIu64 REMEDY,
			    i, shard->control_sequence, first->control_sequence);
		if (error == 0 &&
		    (memcmp(&shard->rules, &first->rules, sizeof(first->rules)) != 0 ||
		        memcmp(&shard->extra, &first->extra, sizeof(first->extra)) != 0))
			error = restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "shard %u has other rules than shard 0" REMEDY, i);
		if (error == 0)
			error = markets_check(reshard, i);
	}
	return error;
}
