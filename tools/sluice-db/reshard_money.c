/* SPDX-License-Identifier: Apache-2.0 */
/* The system accounts of the new shards. What is done and why: reshard.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/sluice-db/postings.h"
#include "tools/sluice-db/reshard.h"

/* What one shard's rows of one currency come to. */
struct behind {
	int64_t stakes, payable, receivable, suspense, pots;
};

static void bets_add(const struct ledger *ledger, uint16_t currency, struct behind *behind)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_BET);

	for (uint32_t i = 0; i < count; i++) {
		struct bet_row bet;

		ledger_bet_at(ledger, i, &bet);
		if (bet.id == 0 || bet.currency != currency)
			continue;
		if (bet.state == BET_OPEN)
			behind->stakes += bet.stake;
		if ((bet.state == BET_SETTLED || bet.state == BET_VOID) && bet.account_id == 0)
			behind->payable += bet.payout;
	}
}

static void objects_add(const struct ledger *ledger, uint16_t currency, struct behind *behind)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_OBJECT);

	for (uint32_t i = 0; i < count; i++) {
		const struct object_row *object = ledger_object_at(ledger, i);
		struct object_withdrawal withdrawal;
		struct object_sprinkle sprinkle;

		if (object->id == 0 || object->currency != currency || object->state != OBJECT_OPEN)
			continue;
		if (object->kind == OBJECT_WITHDRAWAL) {
			memcpy(&withdrawal, object->body, sizeof(withdrawal));
			behind->suspense += le64s_get(withdrawal.amount);
		} else if (object->kind == OBJECT_SPRINKLE) {
			memcpy(&sprinkle, object->body, sizeof(sprinkle));
			behind->pots += le64s_get(sprinkle.remaining);
		}
	}
}

static void accounts_add(const struct ledger *ledger, uint16_t currency, struct behind *behind)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_ACCOUNT);

	for (uint32_t i = 0; i < count; i++) {
		const struct account_row *account = ledger_account_at(ledger, i);

		if (account->id <= LIMIT_ACCOUNT_ID_MAX && account->currency == currency)
			behind->receivable -= account->owed;
	}
}

static int system_put(
    struct reshard *reshard, uint32_t shard, uint64_t id, uint16_t currency, int64_t balance)
{
	struct account_row row = {
		.id = id,
		.lsn = reshard->shard.lsn,
		.balance = balance,
		.currency = currency,
		.flags = ACCOUNT_SYSTEM,
	};
	int error;

	if (balance == 0)
		return 0; /* made when it is used */
	error = ledger_load_account(reshard->to[shard].ledger, &row);
	return error == 0 ? 0
	                  : restore_fail(&reshard->restore, EXIT_MISMATCH,
	                        "system account %s of shard %u: %s", own_account_name(id), shard,
	                        strerror(-error));
}

/* One kind that rows stand behind: on every shard what its rows come to; together as before. */
static int kind_put(struct reshard *reshard, enum own_account kind, uint16_t currency,
    const int64_t amounts[LIMIT_SHARDS])
{
	uint64_t id = own_account_id(kind, currency, 0);
	const struct reshard_sum *sum = table_find(&reshard->sums, id);
	int64_t before = sum == NULL ? 0 : sum->balance, after = 0;
	int error = 0;

	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++) {
		after += amounts[i];
		error = system_put(reshard, i, id, currency, amounts[i]);
	}
	if (error == 0 && before != after)
		return restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "%s holds %" PRId64 " in currency %u, the rows behind it come to %" PRId64
		    "; run sluice-db verify",
		    own_account_name(id), before, currency, after);
	return error;
}

static int behind_put(struct reshard *reshard, uint16_t currency)
{
	int64_t stakes[LIMIT_SHARDS], payable[LIMIT_SHARDS], receivable[LIMIT_SHARDS],
	    suspense[LIMIT_SHARDS], pots[LIMIT_SHARDS];
	int error;

	for (uint32_t i = 0; i < reshard->to_count; i++) {
		struct behind behind = { 0 };

		bets_add(reshard->to[i].ledger, currency, &behind);
		objects_add(reshard->to[i].ledger, currency, &behind);
		accounts_add(reshard->to[i].ledger, currency, &behind);
		stakes[i] = behind.stakes;
		payable[i] = behind.payable;
		receivable[i] = behind.receivable;
		suspense[i] = behind.suspense;
		pots[i] = behind.pots;
	}
	error = kind_put(reshard, OWN_STAKES, currency, stakes);
	if (error == 0)
		error = kind_put(reshard, OWN_PAYABLE, currency, payable);
	if (error == 0)
		error = kind_put(reshard, OWN_RECEIVABLE, currency, receivable);
	if (error == 0)
		error = kind_put(reshard, OWN_SUSPENSE, currency, suspense);
	return error == 0 ? kind_put(reshard, OWN_POTS, currency, pots) : error;
}

/* Those nothing stands behind: CASH at its terminal's home, the others on shard 0. */
static int rest_put(struct reshard *reshard)
{
	int error = 0;

	for (uint32_t i = 0; i < reshard->sums.count && error == 0; i++) {
		const struct reshard_sum *sum = table_at(&reshard->sums, i);
		enum own_account kind = own_account_kind(sum->id);
		uint32_t shard = 0;

		if (kind == OWN_STAKES || kind == OWN_PAYABLE || kind == OWN_RECEIVABLE ||
		    kind == OWN_SUSPENSE || kind == OWN_POTS)
			continue;
		if (kind == OWN_TRANSIT) {
			if (sum->balance != 0)
				error = restore_fail(&reshard->restore, EXIT_MISMATCH,
				    "TRANSIT of all shards comes to %" PRId64
				    " in currency %u, not to nothing; run sluice-db verify",
				    sum->balance, sum->currency);
			continue;
		}
		if (kind == OWN_CASH)
			shard = reshard->to_map.shard[ids_bucket_of_key(own_account_part(sum->id))];
		error = system_put(reshard, shard, sum->id, sum->currency, sum->balance);
	}
	return error;
}

/* Each shard against shard 0, so that each comes to zero. */
static int transit_put(struct reshard *reshard, uint16_t currency)
{
	int error = 0;

	for (uint32_t i = 1; i < reshard->to_count && error == 0; i++) {
		int64_t sum = ledger_balance_sum(reshard->to[i].ledger, currency);

		error = system_put(
		    reshard, i, own_account_id(OWN_TRANSIT, currency, 0), currency, -sum);
		if (error == 0)
			error = system_put(
			    reshard, 0, own_account_id(OWN_TRANSIT, currency, i), currency, sum);
	}
	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++)
		if (ledger_balance_sum(reshard->to[i].ledger, currency) != 0)
			error = restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "shard %u would come to %" PRId64
			    " in currency %u, not to zero; run sluice-db verify",
			    i, ledger_balance_sum(reshard->to[i].ledger, currency), currency);
	return error;
}

int reshard_money(struct reshard *reshard)
{
	int error = rest_put(reshard);

	for (uint32_t i = 0; i < reshard->currencies.count && error == 0; i++) {
		const uint64_t *currency = table_at(&reshard->currencies, i);

		error = behind_put(reshard, (uint16_t)*currency);
		if (error == 0)
			error = transit_put(reshard, (uint16_t)*currency);
	}
	return error;
}
