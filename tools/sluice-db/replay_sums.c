/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows without their past: a re-sharded shard's log begins behind what made them, another's oldest
 * environments were put away. What is counted and compared here needs no event.
 */
#include <errno.h>
#include <inttypes.h>

#include "tools/sluice-db/db.h"
#include "tools/sluice-db/derive.h"
#include "tools/sluice-db/postings.h"

/* Wraps: damaged rows may hold anything. */
static void add(int64_t *sum, int64_t amount)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)amount);
}

static void accounts_sum(const struct ledger *ledger, struct derive *derive)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_ACCOUNT);

	for (uint32_t i = 0; i < count; i++) {
		const struct account_row *row = ledger_account_at(ledger, i);
		struct derived_sum *sum = table_get(&derive->sums, row->currency);

		add(&sum->balances, row->balance);
		derive->customers += row->id <= LIMIT_ACCOUNT_ID_MAX;
	}
}

static void bets_sum(const struct ledger *ledger, struct derive *derive, struct table *stakes)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_BET);

	for (uint32_t i = 0; i < count; i++) {
		struct derived_sum *sum;
		struct bet_row bet;

		if (ledger_row_retired(ledger, LEDGER_BET, i))
			continue;
		ledger_bet_at(ledger, i, &bet);
		if (bet.state != BET_OPEN)
			continue;
		derive->rows_bets_open++;
		sum = table_get(stakes, bet.currency);
		add(&sum->balances, bet.stake);
	}
}

static int stakes_compare(const struct ledger *ledger, const struct derive *derive,
    struct table *stakes, struct damage *damage)
{
	for (uint32_t i = 0; i < derive->sums.count; i++) {
		const struct derived_sum *sum = table_at(&derive->sums, i);
		uint16_t currency = (uint16_t)sum->currency;
		const struct derived_sum *behind = table_get(stakes, currency);
		const struct account_row *row =
		    ledger_account(ledger, own_account_id(OWN_STAKES, currency, 0));
		int64_t held = row == NULL ? 0 : row->balance;

		if (held == behind->balances)
			continue;
		damage_note(damage, derive->next_lsn - 1,
		    "rows: STAKES of currency %u holds %" PRId64 ", the open bets %" PRId64,
		    currency, held, behind->balances);
		return -EBADMSG;
	}
	return 0;
}

int replay_sums(const struct replay *replay, struct derive *derive, struct damage *damage)
{
	struct table stakes;
	int error;

	if (replay->ledger == NULL || derive->complete)
		return 0;
	/* What was derived began somewhere in the middle. */
	table_free(&derive->sums);
	table_init(&derive->sums, sizeof(struct derived_sum));
	derive->customers = derive->rows_bets_open = 0;
	table_init(&stakes, sizeof(struct derived_sum));
	accounts_sum(replay->ledger, derive);
	bets_sum(replay->ledger, derive, &stakes);
	error = stakes_compare(replay->ledger, derive, &stakes, damage);
	table_free(&stakes);
	for (uint32_t i = 0; i < derive->sums.count && error == 0; i++) {
		const struct derived_sum *sum = table_at(&derive->sums, i);

		if (sum->balances == 0)
			continue;
		damage_note(damage, derive->next_lsn - 1,
		    "rows: all accounts of currency %" PRIu64 " come to %" PRId64 ", not to zero",
		    sum->currency, sum->balances);
		error = -EBADMSG;
	}
	return error;
}
