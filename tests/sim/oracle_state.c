/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: workers, followers and what the logs make must be the same; limits hold over all shards. */
#include "tests/sim/world.h"

static void hash_same(const struct world *world, uint32_t shard, struct ledger *a, const char *what)
{
	struct ledger *shadow = world->oracle.shards[shard].shadow;

	if (ledger_shard(a)->lsn != ledger_shard(shadow)->lsn)
		world_violation(world, world->damaged ? "damage-missed" : "state-hash",
		    "shard %u: %s is at LSN %llu, the log at %llu", shard, what,
		    (unsigned long long)ledger_shard(a)->lsn,
		    (unsigned long long)ledger_shard(shadow)->lsn);
	if (ledger_state_hash_full(a) != ledger_state_hash_full(shadow))
		world_violation(world, world->damaged ? "damage-missed" : "state-hash",
		    "shard %u: %s is not what the log makes, LSN %llu", shard, what,
		    (unsigned long long)ledger_shard(a)->lsn);
	if (ledger_state_hash(a) != ledger_state_hash_full(a))
		world_violation(world, "state-hash",
		    "shard %u: the hash %s keeps is not that of its rows", shard, what);
}

static struct ledger *follower(const struct world *world, uint32_t shard)
{
	return (struct ledger *)(uintptr_t)store_ledger(world->process.stores[shard]);
}

/* Customers' balances by own arithmetic against the worker's rows. */
static void balances_same(const struct world *world, uint32_t number)
{
	const struct oracle_shard *shard = &world->oracle.shards[number];
	const struct ledger *ledger = world->process.workers[number]->ledger;

	for (uint32_t i = 0; i < shard->derive.accounts.count; i++) {
		const struct derived_account *account = table_at(&shard->derive.accounts, i);
		const struct account_row *row = ledger_account(ledger, account->id);

		if (row == NULL ? account->balance != 0 : row->balance != account->balance)
			world_violation(world, "money",
			    "shard %u, account %llx: the row holds %lld, the log gives %lld",
			    number, (unsigned long long)account->id,
			    row == NULL ? 0ll : (long long)row->balance,
			    (long long)account->balance);
	}
}

void oracle_check_start(struct world *world)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		const struct ledger *ledger = world->process.workers[i]->ledger;

		hash_same(world, i, world->process.workers[i]->ledger, "the worker's ledger");
		hash_same(world, i, follower(world, i), "the follower's ledger");
		balances_same(world, i);
		for (uint64_t id = 1; id <= WORLD_MARKETS; id++) {
			const struct market_row_state *market = ledger_market(ledger, id);
			uint64_t seen = world->oracle.shards[i].market_seen[id];

			if (seen != 0 && (market == NULL || market->version < seen))
				world_violation(world, "read-undurable",
				    "shard %u, market %llu: version %llu was shown and is gone", i,
				    (unsigned long long)id, (unsigned long long)seen);
		}
	}
}

void oracle_check_sums(struct world *world)
{
	static const uint16_t currencies[] = { CURRENCY_MAIN, CURRENCY_OTHER, 392 };

	for (uint32_t i = 0; i < world->plan.shards; i++)
		for (unsigned c = 0; c < SLUICE_ARRAY_COUNT(currencies); c++) {
			int64_t sum =
			    ledger_balance_sum(world->process.workers[i]->ledger, currencies[c]);

			if (sum != 0)
				world_violation(world, "money",
				    "shard %u, LSN %llu: currency %u sums to %lld", i,
				    (unsigned long long)ledger_shard(
				        world->process.workers[i]->ledger)
				        ->lsn,
				    currencies[c], (long long)sum);
		}
}

void oracle_check_limits(struct world *world)
{
	if (!world->plan.limits_fixed)
		return;
	for (uint64_t id = 1; id <= world->control.market_last; id++) {
		int64_t market = 0, selections[WORLD_SELECTIONS] = { 0 };

		for (uint32_t i = 0; i < world->plan.shards; i++) {
			const struct ledger *ledger = world->process.workers[i]->ledger;

			market += ledger_market_exposure(ledger, id, -1);
			for (int k = 0; k < WORLD_SELECTIONS; k++)
				selections[k] += ledger_market_exposure(ledger, id, k);
		}
		if (market > MARKET_MAX)
			world_violation(world, "limit", "market %llu: %lld may have to be paid",
			    (unsigned long long)id, (long long)market);
		for (int k = 0; k < WORLD_SELECTIONS; k++)
			if (selections[k] > SELECTION_MAX)
				world_violation(world, "limit",
				    "market %llu, selection %d: %lld may have to be paid",
				    (unsigned long long)id, k, (long long)selections[k]);
	}
	for (uint32_t partner = 1; partner <= WORLD_PARTNERS; partner++) {
		int64_t sum = 0;

		for (uint32_t i = 0; i < world->plan.shards; i++)
			sum += ledger_partner_exposure(world->process.workers[i]->ledger, partner);
		if (sum > PARTNER_MAX)
			world_violation(world, "limit", "partner %u: %lld may have to be paid",
			    partner, (long long)sum);
	}
}

void oracle_check_quiet(struct world *world)
{
	struct transit_shard shards[WORLD_SHARDS_MAX];
	struct damage damage = { 0 };

	for (uint32_t i = 0; i < world->plan.shards; i++) {
		struct oracle_shard *shard = &world->oracle.shards[i];

		hash_same(world, i, world->process.workers[i]->ledger, "the worker's ledger");
		hash_same(world, i, follower(world, i), "the follower's ledger");
		balances_same(world, i);
		shards[i] = (struct transit_shard){
			.derive = &shard->derive, .strict_lsn = shard->audited, .ok = 1
		};
		if (derive_end(&shard->derive, 0) != 0 || shard->derive.transfers_open != 0)
			world_violation(world, "money",
			    "shard %u: %u transfers are open and nothing is on its way", i,
			    shard->derive.transfers_open);
	}
	if (transit_check(shards, world->plan.shards, world->plan.shards, &damage) != 0)
		world_violation(world, "money", "shard %u, LSN %llu: %s", damage.shard,
		    (unsigned long long)damage.lsn, damage.what);
	oracle_check_sums(world);
	oracle_check_limits(world);
}
