/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of what the house may have to pay: per selection and per market (rules), per partner
 * (object PARTNER). What counts is the full potential payout of every open bet.
 *
 * A limit L holds for all shards together. Shard s of n owns the base L / n (the first L % n shards
 * one more, so that the bases come to L) and whatever leases moved: its credit is base +
 * credit_moved. It accepts a bet when exposure + payout <= credit. A lease leaves the donor's
 * credit with the donor's event and enters the receiver's with the receiver's, which comes later:
 * the sum of all credit is never above L, whatever is on its way or was lost by a crash and is sent
 * again.
 *
 * A limit that is lowered, or first set where bets are open already, takes its part from every
 * shard's base, whatever was sold there; and a rollback opens bets again that were within the limit
 * of then. So a shard may be OVERDRAWN (free below zero) while others have credit left. It accepts
 * nothing then, and asks the others for what it lacks by itself (ledger_overdrawn_next, and
 * dataplane/shard/overdraft.c), until it is not, or they have nothing left. From then on nothing is
 * accepted anywhere until all open bets together are below the limit.
 *
 * What remains by nature is above the limit:
 *   - what was sold before, and what a rollback opens again;
 *   - what other shards accept of their own credit in the moment between the new limit (or the
 *     rollback) and their leases: until each has the new rules, has been asked and has given, some
 *     ms; longer, at most until it asks again within a second, where one cannot give at once;
 *   - likewise what they accept of credit that comes free there (bets that lose, or are cancelled)
 *     while another one is overdrawn, until that asks again: within a second, too.
 * Never more than each has free at that moment. Shards learn of new rules at different times:
 * meanwhile the sum of all credit is between the old limit and the new one.
 *
 * Amounts are in the rules' currency (a partner's limit in the partner's, when that is the same):
 * bets in other currencies are not limited.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_transfer.h"

/* One limit, as this shard sees it. */
struct exposure_limit {
	uint64_t id;   /* market or partner */
	int64_t whole; /* over all shards */
	int64_t credit, exposure;
	uint8_t scope; /* lease_scope */
	uint8_t selection;
};

static int64_t limit_base(const struct ledger *ledger, int64_t limit)
{
	int64_t count = ledger->config.shard_count;

	return limit / count + (ledger->config.shard < limit % count);
}

static int limit_of_partner(
    const struct ledger *ledger, uint16_t currency, struct exposure_limit *limit)
{
	const struct object_row *row = ledger_partner(ledger, limit->id);
	struct object_partner partner;

	if (row == NULL)
		return 0;
	memcpy(&partner, row->body, sizeof(partner));
	if (le64s_get(partner.exposure_max) == 0 || le16_get(partner.currency) != currency)
		return 0;
	limit->whole = le64s_get(partner.exposure_max);
	limit->credit = limit_base(ledger, limit->whole) + le64s_get(partner.credit_moved);
	limit->exposure = ledger_partner_exposure(ledger, (uint32_t)limit->id);
	return 1;
}

/* Credit and exposure of the limit that scope, id and selection name. 0: there is no such limit in
 * this currency. */
static int limit_read(const struct ledger *ledger, uint16_t currency, struct exposure_limit *limit)
{
	const struct risk_rules *rules = &ledger->shard.rules;
	int of_market = limit->scope == LEASE_MARKET;
	int64_t most = of_market ? rules->exposure_market_max : rules->exposure_selection_max;
	const struct market_row_state *market;

	if (currency != rules->currency)
		return 0;
	if (limit->scope == LEASE_PARTNER)
		return limit_of_partner(ledger, currency, limit);
	if (most == 0)
		return 0;
	market = ledger_market(ledger, limit->id);
	if (market == NULL || limit->selection >= LIMIT_MARKET_SELECTIONS_MAX)
		return 0;
	limit->whole = most;
	limit->credit =
	    limit_base(ledger, most) +
	    (of_market ? market->credit_moved_market : market->credit_moved[limit->selection]);
	limit->exposure =
	    ledger_market_exposure(ledger, limit->id, of_market ? -1 : limit->selection);
	return 1;
}

/* What of the limit is not taken by bets; below zero: overdrawn. */
static int64_t limit_free(const struct exposure_limit *limit)
{
	return limit->credit - limit->exposure;
}

struct exposure_bet {
	const struct wire_leg *legs;
	unsigned count;
	int64_t payout;
	uint16_t currency, partner_id;
};

/* The bet's limits: two of each leg and the partner's. 0: there is no such limit. */
static int limit_of_bet(const struct ledger *ledger, const struct exposure_bet *bet, unsigned index,
    struct exposure_limit *limit)
{
	if (index == 2 * bet->count) {
		*limit = (struct exposure_limit){ .id = bet->partner_id, .scope = LEASE_PARTNER };
		return bet->partner_id != 0 && limit_read(ledger, bet->currency, limit);
	}
	*limit = (struct exposure_limit){ .id = bet->legs[index / 2].market_id };
	limit->scope = index % 2 == 0 ? LEASE_SELECTION : LEASE_MARKET;
	if (limit->scope == LEASE_SELECTION)
		limit->selection = (uint8_t)bet->legs[index / 2].selection;
	return limit_read(ledger, bet->currency, limit);
}

/* The first limit the bet would pass. OK: none. */
static uint16_t exposure_find(
    const struct ledger *ledger, const struct exposure_bet *bet, struct exposure_limit *limit)
{
	for (unsigned i = 0; i <= 2 * bet->count; i++) {
		if (limit_of_bet(ledger, bet, i, limit) && bet->payout > limit_free(limit))
			return limit->scope == LEASE_PARTNER  ? WIRE_CODE_EXPOSURE_PARTNER
			       : limit->scope == LEASE_MARKET ? WIRE_CODE_EXPOSURE_MARKET
			                                      : WIRE_CODE_EXPOSURE_SELECTION;
	}
	return WIRE_CODE_OK;
}

/* 1: with all the credit there is the bet would still pass one of its limits. */
static int exposure_hopeless(const struct ledger *ledger, const struct exposure_bet *bet)
{
	struct exposure_limit limit;

	for (unsigned i = 0; i <= 2 * bet->count; i++) {
		if (limit_of_bet(ledger, bet, i, &limit) && bet->payout > limit.whole)
			return 1;
	}
	return 0;
}

/* 1: no limit holds for a bet of this account in this currency. Limits are the operator's choice,
 * and most sites and partners have none. */
static int exposure_unlimited(
    const struct ledger *ledger, uint16_t currency, const struct account_row *account)
{
	const struct risk_rules *rules = &ledger->shard.rules;

	if (currency != rules->currency)
		return 1;
	return rules->exposure_selection_max == 0 && rules->exposure_market_max == 0 &&
	       (account == NULL || account->partner_id == 0 ||
	           ledger_partner(ledger, account->partner_id) == NULL);
}

uint16_t exposure_judge(
    struct decision *decision, const struct wire_leg *legs, unsigned count, int64_t payout)
{
	const struct exposure_bet bet = {
		.legs = legs,
		.count = count,
		.payout = payout,
		.currency = decision->currency,
		.partner_id = decision->account == NULL ? 0 : decision->account->partner_id,
	};
	struct exposure_limit limit;
	struct event_limit *told;
	uint16_t code;

	if (exposure_unlimited(decision->ledger, decision->currency, decision->account))
		return WIRE_CODE_OK;
	code = exposure_find(decision->ledger, &bet, &limit);
	if (code == WIRE_CODE_OK)
		return code;
	if (limit.scope != LEASE_PARTNER)
		decision->object_id = limit.id; /* the leg it was refused for */
	told = decision_limit(decision, limit.whole, limit.exposure);
	told->credit = le64s_make(limit.credit);
	told->selection = limit.selection;
	return code;
}

/* ---- Leases ---- */

int ledger_shortage(const struct ledger *ledger, const struct wire_request *request,
    uint64_t time_ns, struct ledger_shortage *shortage)
{
	const struct account_row *account;
	uint32_t odds[LIMIT_BET_LEGS_MAX];
	struct exposure_bet bet = { .legs = request->place_bet.legs };
	struct exposure_limit limit;

	(void)time_ns; /* a bet is short of credit at any time of its market */
	if (request->template_id != WIRE_PLACE_BET ||
	    request->place_bet.leg_count > LIMIT_BET_LEGS_MAX)
		return 0;
	bet.count = request->place_bet.leg_count;
	bet.currency = request->place_bet.currency;
	for (unsigned i = 0; i < bet.count; i++) {
		const struct market_row_state *market =
		    ledger_market(ledger, bet.legs[i].market_id);

		if (market == NULL || bet.legs[i].selection >= market->selection_count)
			return 0;
		odds[i] = market->odds[bet.legs[i].selection];
	}
	account = ledger_account(ledger, request->place_bet.account_id);
	if (account != NULL)
		bet.partner_id = account->partner_id;
	bet.payout = ledger_payout(request->place_bet.stake, odds, bet.count);
	if (bet.payout <= 0 || bet.payout > LIMIT_PAYOUT_MAX || exposure_hopeless(ledger, &bet) ||
	    exposure_find(ledger, &bet, &limit) == WIRE_CODE_OK)
		return 0;
	*shortage = (struct ledger_shortage){
		.id = limit.id,
		.amount = bet.payout - limit_free(&limit),
		.currency = bet.currency,
		.scope = limit.scope,
		.selection = limit.selection,
	};
	return 1;
}

/* Credit in (amount > 0) or out of here. */
static uint16_t lease_move(
    struct decision *decision, unsigned scope, uint64_t id, unsigned selection, int64_t amount)
{
	struct event_lease *lease = &decision->body.lease;

	memset(lease, 0, sizeof(*lease));
	lease->id = le64_make(id);
	lease->amount = le64s_make(amount);
	lease->scope = (uint8_t)scope;
	lease->selection = (uint8_t)selection;
	if (scope == LEASE_PARTNER) {
		const struct object_row *row = ledger_partner(decision->ledger, id);
		struct object_partner partner;

		if (row == NULL)
			return WIRE_CODE_PARTNER_UNKNOWN;
		memcpy(&partner, row->body, sizeof(partner));
		partner.credit_moved = le64s_make(le64s_get(partner.credit_moved) + amount);
		memcpy(decision_object(decision, row)->body, &partner, sizeof(partner));
		return WIRE_CODE_OK;
	}
	return ledger_market(decision->ledger, id) == NULL ? WIRE_CODE_MARKET_UNKNOWN
	                                                   : WIRE_CODE_OK;
}

uint16_t lease_take(
    struct decision *decision, unsigned scope, uint64_t id, unsigned selection, int64_t amount)
{
	return lease_move(decision, scope, id, selection, amount);
}

/* The limit of a question. 0: there is none. */
static int limit_asked(const struct ledger *ledger, const struct ledger_shortage *shortage,
    struct exposure_limit *limit)
{
	*limit = (struct exposure_limit){
		.id = shortage->id, .scope = shortage->scope, .selection = shortage->selection
	};
	return shortage->scope >= LEASE_SELECTION && shortage->scope <= LEASE_PARTNER &&
	       limit_read(ledger, shortage->currency, limit);
}

int64_t ledger_credit_free(const struct ledger *ledger, const struct ledger_shortage *shortage)
{
	struct exposure_limit limit;

	if (!limit_asked(ledger, shortage, &limit) || limit_free(&limit) < 0)
		return 0;
	return limit_free(&limit);
}

int64_t ledger_credit_lacks(const struct ledger *ledger, const struct ledger_shortage *shortage)
{
	struct exposure_limit limit;

	if (!limit_asked(ledger, shortage, &limit) || limit_free(&limit) >= 0)
		return 0;
	return -limit_free(&limit);
}

/* ---- Limits that are overdrawn ---- */

/* The market's limits from walk->limit on: the selections, then its own. 1: one is overdrawn. */
static int overdrawn_in_market(const struct ledger *ledger, const struct market_row_state *market,
    struct ledger_overdrawn_walk *walk, struct ledger_shortage *shortage)
{
	while (walk->limit <= market->selection_count) {
		unsigned at = walk->limit++;

		*shortage = (struct ledger_shortage){
			.id = market->id,
			.currency = ledger->shard.rules.currency,
			.scope = at < market->selection_count ? LEASE_SELECTION : LEASE_MARKET,
			.selection = (uint8_t)(at < market->selection_count ? at : 0),
		};
		shortage->amount = ledger_credit_lacks(ledger, shortage);
		if (shortage->amount > 0)
			return 1;
	}
	return 0;
}

/* 0: none of the market's limits can be overdrawn. No selection has more than its market. */
static int market_may_be_overdrawn(
    const struct ledger *ledger, const struct market_row_state *market)
{
	const struct risk_rules *rules = &ledger->shard.rules;
	int64_t exposure = ledger_market_exposure(ledger, market->id, -1), moved = 0;

	for (unsigned i = 0; i < market->selection_count; i++)
		if (market->credit_moved[i] < moved)
			moved = market->credit_moved[i];
	return (rules->exposure_selection_max != 0 &&
	           exposure > limit_base(ledger, rules->exposure_selection_max) + moved) ||
	       (rules->exposure_market_max != 0 &&
	           exposure > limit_base(ledger, rules->exposure_market_max) +
	                          market->credit_moved_market);
}

static int overdrawn_market(const struct ledger *ledger, struct ledger_overdrawn_walk *walk,
    unsigned *looked, unsigned look_max, struct ledger_shortage *shortage)
{
	const struct risk_rules *rules = &ledger->shard.rules;

	if (rules->exposure_selection_max == 0 && rules->exposure_market_max == 0)
		return 0;
	for (; walk->market < ledger_row_count(ledger, LEDGER_MARKET); walk->market++) {
		const struct market_row_state *market = ledger_market_at(ledger, walk->market);

		if (walk->limit == 0 && (*looked)++ == look_max)
			return -EAGAIN;
		if (!ledger_row_retired(ledger, LEDGER_MARKET, walk->market) && market->id != 0 &&
		    market_may_be_overdrawn(ledger, market) &&
		    overdrawn_in_market(ledger, market, walk, shortage))
			return 1;
		walk->limit = 0;
	}
	return 0;
}

/* The partner of a row of objects, or by number where there are more rows than numbers. */
static uint64_t overdrawn_partner_id(
    const struct ledger *ledger, const struct ledger_overdrawn_walk *walk)
{
	const struct object_row *row;
	struct object_key key;

	if (walk->by_number)
		return walk->partner;
	row = ledger_object_at(ledger, walk->partner);
	if (row->kind != OBJECT_PARTNER ||
	    ledger_row_retired(ledger, LEDGER_OBJECT, walk->partner) ||
	    object_key_of(row->kind, row->partner_id, row->body, &key) != 0)
		return 0;
	return key.words[0];
}

static int overdrawn_partner(const struct ledger *ledger, struct ledger_overdrawn_walk *walk,
    unsigned *looked, unsigned look_max, struct ledger_shortage *shortage)
{
	uint32_t end;

	if (walk->partner == 0)
		walk->by_number = ledger_row_count(ledger, LEDGER_OBJECT) > LIMIT_PARTNER_ID_MAX;
	end = walk->by_number ? LIMIT_PARTNER_ID_MAX + 1u : ledger_row_count(ledger, LEDGER_OBJECT);
	while (walk->partner < end) {
		if ((*looked)++ >= look_max)
			return -EAGAIN;
		*shortage = (struct ledger_shortage){
			.id = overdrawn_partner_id(ledger, walk),
			.currency = ledger->shard.rules.currency,
			.scope = LEASE_PARTNER,
		};
		walk->partner++;
		shortage->amount = shortage->id == 0 ? 0 : ledger_credit_lacks(ledger, shortage);
		if (shortage->amount > 0)
			return 1;
	}
	return 0;
}

int ledger_overdrawn_next(const struct ledger *ledger, struct ledger_overdrawn_walk *walk,
    unsigned look_max, struct ledger_shortage *shortage)
{
	struct ledger_shortage found;
	unsigned looked = 0;
	int result = overdrawn_market(ledger, walk, &looked, look_max, &found);

	if (result == 0)
		result = overdrawn_partner(ledger, walk, &looked, look_max, &found);
	if (result > 0)
		*shortage = found;
	return result;
}

/* ---- Giving ---- */

int ledger_decide_lease(struct ledger *ledger, const struct ledger_shortage *shortage,
    uint32_t receiver, uint64_t time_ns, struct event_buffer *event)
{
	struct exposure_limit limit;
	struct decision decision;
	int64_t available, amount;

	if (receiver == ledger->config.shard || receiver >= ledger->config.shard_count)
		return -EINVAL;
	if (!limit_asked(ledger, shortage, &limit))
		return 0;
	available = limit_free(&limit);
	if (available <= 0)
		return 0;
	/* Half, so that further bets there need not ask again; all that is needed, when that is
	 * more. */
	amount = shortage->amount < available ? shortage->amount : available;
	if (amount < available / 2)
		amount = available / 2;
	if (amount <= 0)
		return 0;
	decision_begin(&decision, ledger, EVENT_LEASE, time_ns);
	decision.currency = shortage->currency;
	if (lease_move(&decision, limit.scope, limit.id, limit.selection, -amount) != WIRE_CODE_OK)
		return 0;
	transfer_open(&decision, &(struct transfer_order){
	                             .reference = limit.id,
	                             .amount = amount,
	                             .peer = receiver,
	                             .purpose = TRANSFER_LEASE,
	                             .lease_scope = limit.scope,
	                             .lease_selection = limit.selection,
	                         });
	return decision_write(&decision, WIRE_CODE_OK, event);
}
