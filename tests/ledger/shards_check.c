/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of the shards after every event. */
#include "dataplane/ledger/ledger_links.h"
#include "tests/ledger/shards.h"

#include "lmdb-schema/object.h"

static const uint16_t currencies[] = { KRW, 840, 392 };
#define CURRENCIES SLUICE_ARRAY_COUNT(currencies)

static unsigned currency_index(uint16_t currency)
{
	unsigned c = 0;

	while (currencies[c] != currency)
		assert_true(++c < CURRENCIES);
	return c;
}

/* What the system accounts of one currency must hold, by the rows. */
struct expected {
	int64_t stakes, payable, receivable, suspense, pots;
};

static int64_t system_balance(
    const struct ledger *ledger, enum system_account kind, uint16_t currency, uint64_t low)
{
	const struct account_row *row =
	    ledger_account(ledger, ledger_system_account(kind, currency, low));

	return row == NULL ? 0 : row->balance;
}

static void expect_bets(const struct ledger *ledger, struct expected expected[CURRENCIES])
{
	uint64_t open = 0;
	struct ledger_totals totals;

	for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_BET); row++) {
		struct bet_row bet;
		unsigned c;

		if (ledger_row_retired(ledger, LEDGER_BET, row))
			continue;
		ledger_bet_at(ledger, row, &bet);
		if (bet.id == 0)
			continue;
		c = currency_index(bet.currency);
		open += bet.state == BET_OPEN;
		if (bet.state == BET_OPEN)
			expected[c].stakes += bet.stake;
		if ((bet.state == BET_SETTLED || bet.state == BET_VOID) && bet.account_id == 0)
			expected[c].payable += bet.payout;
	}
	ledger_totals(ledger, &totals);
	assert_int_equal(totals.bets_open, open);
}

static void expect_objects(const struct ledger *ledger, struct expected expected[CURRENCIES])
{
	for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_OBJECT); row++) {
		const struct object_row *object = ledger_object_at(ledger, row);
		struct object_withdrawal withdrawal;
		struct object_sprinkle sprinkle;
		unsigned c;

		if (object->id == 0 || ledger_row_retired(ledger, LEDGER_OBJECT, row) ||
		    object->state != OBJECT_OPEN)
			continue;
		if (object->kind != OBJECT_WITHDRAWAL && object->kind != OBJECT_SPRINKLE)
			continue;
		c = currency_index(object->currency);
		if (object->kind == OBJECT_WITHDRAWAL) {
			memcpy(&withdrawal, object->body, sizeof(withdrawal));
			expected[c].suspense += le64s_get(withdrawal.amount);
		} else {
			memcpy(&sprinkle, object->body, sizeof(sprinkle));
			expected[c].pots += le64s_get(sprinkle.remaining);
		}
	}
}

static void expect_accounts(const struct ledger *ledger, struct expected expected[CURRENCIES])
{
	for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_ACCOUNT); row++) {
		const struct account_row *account = ledger_account_at(ledger, row);

		if (account->id == 0 || account->flags & ACCOUNT_SYSTEM)
			continue;
		assert_true(account->balance >= 0 && account->balance <= LIMIT_BALANCE_MAX);
		assert_true(account->owed >= 0);
		/* Whoever owes has nothing: every credit repays first. */
		assert_true(account->owed == 0 || account->balance == 0);
		expected[currency_index(account->currency)].receivable -= account->owed;
	}
}

#define CHECK_SUM(what, kind)                                                                      \
	do {                                                                                       \
		int64_t is_ = system_balance(ledger, kind, currencies[c], 0);                      \
		if (is_ != expected[c].what)                                                       \
			fail_msg("shard %u lsn %llu, %s %x: %s is %lld, rows say %lld", shard,     \
			    (unsigned long long)ledger_shard(ledger)->lsn,                         \
			    event_type_name(le16_get(last.type)), le16_get(last.code), #what,      \
			    (long long)is_, (long long)expected[c].what);                          \
	} while (0)

void shards_check(struct shards *shards, uint32_t shard)
{
	struct ledger *ledger = shards->ledger[shard];
	struct expected expected[CURRENCIES] = { 0 };
	struct event_record last = { 0 };

	if (ledger_shard(ledger)->lsn > 0)
		last = shards_record(shards, shard, ledger_shard(ledger)->lsn);
	expect_accounts(ledger, expected);
	expect_bets(ledger, expected);
	expect_objects(ledger, expected);
	for (unsigned c = 0; c < CURRENCIES; c++) {
		assert_int_equal(ledger_balance_sum(ledger, currencies[c]), 0);
		CHECK_SUM(stakes, SYSTEM_STAKES);
		CHECK_SUM(payable, SYSTEM_PAYABLE);
		CHECK_SUM(receivable, SYSTEM_RECEIVABLE);
		CHECK_SUM(suspense, SYSTEM_SUSPENSE);
		CHECK_SUM(pots, SYSTEM_POTS);
	}
	assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(ledger));
}

/* ---- Between ---- */

struct between {
	int64_t transit[SHARDS][SHARDS][CURRENCIES];         /* on the way, from, to */
	int64_t selections[64][LIMIT_MARKET_SELECTIONS_MAX]; /* credit on the way; markets 1..63 */
	int64_t markets[64], partners[16];
};

static int taken_at_peer(struct shards *shards, uint32_t from, const struct object_transfer *out)
{
	const struct object_key key = { .kind = OBJECT_TRANSFER_IN,
		.words = { from, le64_get(out->sequence) } };
	const struct object_key link_key = { .kind = OBJECT_LINK, .words = { from } };
	const struct ledger *peer = shards->ledger[le16_get(out->peer)];
	const struct object_row *in = ledger_object_by_key(peer, &key);
	const struct object_row *link_row = ledger_object_by_key(peer, &link_key);
	struct object_link link;

	/* An answer the source still waits for must be there: it may be asked for it again. */
	if (in == NULL && link_row != NULL) {
		memcpy(&link, link_row->body, sizeof(link));
		if (le64_get(out->sequence) <= le64_get(link.in_last))
			fail_msg("shard %u retired the answer of sequence %llu from %u",
			    le16_get(out->peer), (unsigned long long)le64_get(out->sequence), from);
	}
	return in != NULL && in->state == OBJECT_DONE;
}

static void between_add(
    struct shards *shards, uint32_t from, const struct object_row *row, struct between *between)
{
	struct object_transfer out;
	uint64_t reference;
	int64_t amount;

	memcpy(&out, row->body, sizeof(out));
	if (taken_at_peer(shards, from, &out))
		return;
	reference = le64_get(out.reference);
	amount = le64s_get(out.amount);
	if (out.purpose != TRANSFER_LEASE) {
		between->transit[from][le16_get(out.peer)][currency_index(row->currency)] += amount;
	} else if (out.lease_scope == LEASE_PARTNER) {
		assert_true(reference < 16);
		between->partners[reference] += amount;
	} else {
		assert_true(reference < 64);
		if (out.lease_scope == LEASE_MARKET)
			between->markets[reference] += amount;
		else
			between->selections[reference][out.lease_selection] += amount;
	}
}

static int64_t partner_moved(const struct ledger *ledger, uint64_t partner_id)
{
	const struct object_key key = { .kind = OBJECT_PARTNER, .words = { partner_id } };
	const struct object_row *row = ledger_object_by_key(ledger, &key);
	struct object_partner partner;

	if (row == NULL)
		return 0;
	memcpy(&partner, row->body, sizeof(partner));
	return le64s_get(partner.credit_moved);
}

/* Credit only moves: what all shards have got comes to nothing with what is on its way. */
static void check_credit(struct shards *shards, const struct between *between)
{
	for (uint64_t id = 1; id < 64; id++) {
		int64_t sum[LIMIT_MARKET_SELECTIONS_MAX + 1] = { 0 };

		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			const struct market_row_state *market =
			    ledger_market(shards->ledger[shard], id);

			if (market == NULL)
				continue;
			for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
				sum[i] += market->credit_moved[i];
			sum[LIMIT_MARKET_SELECTIONS_MAX] += market->credit_moved_market;
		}
		for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
			assert_int_equal(sum[i] + between->selections[id][i], 0);
		assert_int_equal(sum[LIMIT_MARKET_SELECTIONS_MAX] + between->markets[id], 0);
	}
	for (uint64_t id = 1; id < 16; id++) {
		int64_t sum = between->partners[id];

		for (uint32_t shard = 0; shard < SHARDS; shard++)
			sum += partner_moved(shards->ledger[shard], id);
		assert_int_equal(sum, 0);
	}
}

void shards_check_between(struct shards *shards)
{
	struct between between = { 0 };
	const struct ledger *ledgers[SHARDS];
	struct ledger_behind behind;

	memcpy(ledgers, shards->ledger, sizeof(ledgers));
	if (ledger_links_check(ledgers, SHARDS, &behind) != 0)
		fail_msg(LEDGER_BEHIND_FORMAT, LEDGER_BEHIND_VALUES(&behind));
	for (uint32_t from = 0; from < SHARDS; from++) {
		const struct ledger *ledger = shards->ledger[from];
		uint32_t row = 0;
		uint64_t id;

		while ((id = ledger_transfer_open(ledger, &row)) != 0)
			between_add(shards, from, ledger_object(ledger, id), &between);
	}
	for (uint32_t a = 0; a < SHARDS; a++)
		for (uint32_t b = 0; b < a; b++)
			for (unsigned c = 0; c < CURRENCIES; c++) {
				int64_t is = system_balance(shards->ledger[a], SYSTEM_TRANSIT,
				                 currencies[c], b) +
				             system_balance(shards->ledger[b], SYSTEM_TRANSIT,
				                 currencies[c], a);

				if (is != between.transit[a][b][c] + between.transit[b][a][c])
					fail_msg(
					    "transit of shards %u and %u: %lld, on the way %lld", a,
					    b, (long long)is,
					    (long long)(between.transit[a][b][c] +
					                between.transit[b][a][c]));
			}
	check_credit(shards, &between);
}

void shards_check_exposure(struct shards *shards, int64_t selection_max, int64_t market_max)
{
	for (uint64_t id = 1; id < 64; id++) {
		int64_t market = 0, selections[LIMIT_MARKET_SELECTIONS_MAX] = { 0 };

		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			const struct ledger *ledger = shards->ledger[shard];

			market += ledger_market_exposure(ledger, id, -1);
			for (int i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
				selections[i] += ledger_market_exposure(ledger, id, i);
		}
		assert_true(market_max == 0 || market <= market_max);
		for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
			assert_true(selection_max == 0 || selections[i] <= selection_max);
	}
}

void shards_check_partner(struct shards *shards, uint32_t partner_id, int64_t exposure_max)
{
	int64_t sum = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		sum += ledger_partner_exposure(shards->ledger[shard], partner_id);
	assert_true(sum <= exposure_max);
}
