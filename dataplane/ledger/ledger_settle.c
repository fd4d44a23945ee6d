/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of markets, and the walk that brings a market's bets to what the results say.
 *
 * Any result, rollback or other result is the same walk: each bet of the market's chain is compared
 * with what settlement_bet says of all its legs, and one that differs gets one BET_SETTLE event. So
 * a walk can stop anywhere, begin again, or run twice, and comes to the same end. A bet whose legs'
 * markets are walked at the same time is looked at in each, and done by the first.
 *
 * Not touched: CANCELLED and VOID bets, whose stake was given back, and tickets PAID or EXPIRED,
 * which are final. A payout taken back from a customer who has spent it becomes owed. A payout that
 * would put a balance above its limit leaves the bet OPEN: it is for the operator, who sees it
 * among the market's open bets, and who, once the account has room, gives the same result again
 * (that walks, on a final market too, and changes nothing else) or voids the bet.
 *
 * The walk must be begun anew when the market gets another result while it runs. It cannot miss a
 * bet: the market is not open meanwhile, so none comes in at the head of the chain, and none
 * retires before the result is final.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"
#include "dataplane/ledger/ledger_derived.h"

/* ---- Results ---- */

static int result_known(const struct market_row_state *market)
{
	return market->state == MARKET_SETTLED || market->state == MARKET_VOID;
}

static int result_set(const struct market_row_state *market, const struct event_result *result)
{
	struct settlement_outcomes outcomes;
	struct settlement_outcomes_disk disk;

	memcpy(&disk, result->outcomes, sizeof(disk));
	if (result->selection_count != market->selection_count ||
	    settlement_outcomes_read(&disk, market->selection_count, &outcomes) != 0)
		return -EINVAL;
	if (le64_get(result->version) <= market->version)
		return 0;
	/*
	 * Another result comes after a rollback only, so that none is replaced by mistake. The same
	 * one only walks again, for bets whose payout had no room before: also a final one.
	 */
	return result_known(market) && memcmp(&disk, &market->outcomes, sizeof(disk)) != 0
	           ? -EALREADY
	           : 1;
}

/* Who takes a result back need not say how many selections there are. */
static int result_rollback(const struct market_row_state *market, const struct event_result *result)
{
	if ((result->selection_count != 0 && result->selection_count != market->selection_count) ||
	    !bytes_all_zero(result->outcomes, sizeof(result->outcomes)))
		return -EINVAL;
	if (le64_get(result->version) <= market->version)
		return 0;
	return !result_known(market) || market->final ? -EALREADY : 1;
}

static int result_final(const struct market_row_state *market)
{
	if (market->final)
		return 0;
	if (!result_known(market))
		return -EALREADY;
	return market->walked ? 1 : -EBUSY;
}

static void result_write(struct decision *decision, const struct market_row_state *market,
    enum result_op op, const struct event_result *from)
{
	struct event_result *result = &decision->body.result;

	decision->object_id = market->id;
	*result = (struct event_result){
		.op = (uint8_t)op,
		.selection_count = market->selection_count,
	};
	if (op == RESULT_SET || op == RESULT_ROLLBACK)
		result->version = from->version;
	if (op == RESULT_SET)
		memcpy(result->outcomes, from->outcomes, sizeof(result->outcomes));
}

int market_result_command(struct decision *decision, const struct ledger_command *command)
{
	const struct market_row_state *market = ledger_market(decision->ledger, command->market_id);
	int todo;

	if (command->market_id == 0 ||
	    !bytes_all_zero(command->result.reserved, sizeof(command->result.reserved)))
		return -EINVAL;
	if (market == NULL)
		return -ENOENT;
	switch (command->result.op) {
	case RESULT_SET:
		todo = result_set(market, &command->result);
		break;
	case RESULT_ROLLBACK:
		todo = result_rollback(market, &command->result);
		break;
	case RESULT_FINAL:
		todo = result_final(market);
		break;
	default: /* WALKED is no command */
		return -EINVAL;
	}
	if (todo == 1)
		result_write(
		    decision, market, (enum result_op)command->result.op, &command->result);
	return todo;
}

/* ---- What a bet should be ---- */

struct bet_target {
	int64_t payout;
	uint8_t state;
	uint8_t class;
};

static struct settlement_outcome leg_outcome(
    const struct market_row_state *market, const struct bet_leg_kept *leg)
{
	struct settlement_outcome outcome = { .kind = SETTLEMENT_OPEN };

	if (market != NULL && result_known(market) && leg->selection < market->selection_count) {
		const struct settlement_outcome_disk *disk = &market->outcomes.of[leg->selection];

		outcome.kind = disk->kind;
		outcome.places = disk->places;
		outcome.winners = disk->winners;
	}
	return outcome;
}

static void bet_target(const struct ledger *ledger, const struct bet_slot *bet,
    const struct market_row_state *walked, struct bet_target *target)
{
	struct settlement_leg legs[LIMIT_BET_LEGS_MAX];
	uint32_t odds[LIMIT_BET_LEGS_MAX];
	struct settlement_result result;

	for (unsigned i = 0; i < bet->leg_count; i++) {
		const struct bet_leg_kept *leg = bet_leg_at(ledger, bet, i);
		const struct market_row_state *market =
		    leg->market_id == walked->id ? walked : ledger_market(ledger, leg->market_id);

		legs[i].outcome = leg_outcome(market, leg);
		legs[i].odds = odds[i] = leg->odds;
	}
	result = settlement_bet(bet->stake, legs, bet->leg_count);
	target->class = (uint8_t)result.class;
	target->state = BET_SETTLED;
	target->payout = result.payout;
	if (result.class == SETTLEMENT_UNDECIDED) {
		target->state = BET_OPEN;
		target->payout = ledger_payout(bet->stake, odds, bet->leg_count);
	}
}

/* ---- One bet ---- */

/* What it was worth to its owner: nothing while it is open. */
static int64_t bet_worth(uint8_t state, int64_t payout)
{
	return state == BET_SETTLED ? payout : 0;
}

static uint16_t settle_money(
    struct decision *decision, const struct bet_slot *bet, const struct bet_target *target)
{
	int64_t before = bet_worth(bet->state, bet->payout);
	int64_t change = bet_worth(target->state, target->payout) - before;

	if (bet->account_id == 0) {
		decision_line(
		    decision, ledger_system_account(SYSTEM_PAYABLE, bet->currency, 0), change);
		return WIRE_CODE_OK;
	}
	if (decision->account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (change > 0) {
		uint16_t code = decision_credit(decision, change);

		if (code != WIRE_CODE_OK)
			return code;
	} else if (change < 0) {
		decision_debit_owing(decision, -change);
	}
	if (decision->account->flags & ACCOUNT_PLAY)
		play_count_later(decision, bet->placed_at_ns, 0, 0, -change);
	return WIRE_CODE_OK;
}

/* Length of its BET_SETTLE; 0: it is as it should be, or cannot be brought there; -EBUSY. */
static int bet_settle(struct ledger *ledger, const struct bet_slot *bet,
    const struct market_row_state *market, uint64_t time_ns, struct event_buffer *event)
{
	struct decision decision;
	struct bet_target target;

	if (bet->state != BET_OPEN && bet->state != BET_SETTLED)
		return 0;
	bet_target(ledger, bet, market, &target);
	if (target.state == bet->state &&
	    (target.state == BET_OPEN || target.payout == bet->payout))
		return 0;
	decision_begin(&decision, ledger, EVENT_BET_SETTLE, time_ns);
	decision.object_id = bet->id;
	decision.currency = bet->currency;
	decision_account(&decision, bet->account_id);
	if (settle_money(&decision, bet, &target) != WIRE_CODE_OK)
		return 0;
	decision.payout = target.payout;
	decision.body.change = (struct event_bet_change){
		.stake = le64s_make(bet->stake),
		.placed_at_ns = le64_make(bet->placed_at_ns),
		.payout_before = le64s_make(bet_worth(bet->state, bet->payout)),
		.market_id = le64_make(market->id),
		.from = bet->state,
		.to = target.state,
		.class = target.class,
	};
	return decision_write(&decision, WIRE_CODE_OK, event);
}

/* ---- Looking ahead ---- */

/*
 * A bet on the chain, its owner's row and their index lines are anywhere in memory. Each step of
 * the walk asks for those of later bets: 16 bets ahead the bet itself, 8 ahead (it has come by
 * then) the index lines of bet and account, 4 ahead the account.
 */
#define AHEAD_INDEX   8
#define AHEAD_ACCOUNT 4

static void prefetch_bet(const struct ledger *ledger, uint32_t row)
{
	const char *bet = (const char *)&ledger->bets[row];

	__builtin_prefetch(bet, 1);
	__builtin_prefetch(bet + 64, 1);
	__builtin_prefetch(&ledger->bet_meta[row], 1);
}

static void prefetch_index(const struct ledger *ledger, enum ledger_table table, uint64_t id)
{
	const struct ledger_table_core *core = &ledger->tables[table];
	uint32_t tag;
	uint64_t at = index_start(table, id, &tag);

	__builtin_prefetch(&core->index[at & core->index_mask]);
}

static void prefetch_account(const struct ledger *ledger, uint64_t account_id)
{
	uint32_t row = account_id == 0 ? ROW_NONE : account_find(ledger, account_id);

	if (row != ROW_NONE) {
		__builtin_prefetch(&ledger->accounts[row], 1);
		__builtin_prefetch((const char *)&ledger->accounts[row].meta, 1);
	}
}

static void ahead_take(const struct ledger *ledger, struct derived_ahead *ahead)
{
	uint32_t row = link_row(ahead->link);

	prefetch_bet(ledger, row);
	ahead->rows[(ahead->begin + ahead->count++) % WALK_AHEAD] = row;
	ahead->link = ledger_chain_next(ledger, ahead->market_id, ahead->link);
	if (ahead->link != 0)
		__builtin_prefetch(&ledger->derived->links[link_row(ahead->link)]);
}

/* `link` is the bet whose turn it is. */
static void ahead_step(const struct ledger *ledger, uint64_t market_id, uint32_t link)
{
	struct derived_ahead *ahead = &ledger->derived->ahead;

	if (ahead->market_id != market_id || ahead->expected != link) {
		*ahead = (struct derived_ahead){ .market_id = market_id, .link = link };
		while (ahead->link != 0 && ahead->count < WALK_AHEAD)
			ahead_take(ledger, ahead);
	}
	ahead->expected = 0; /* until the caller has gone on */
	/* Out goes the present one, in comes the sixteenth behind it. */
	ahead->begin = (ahead->begin + 1) % WALK_AHEAD;
	ahead->count--;
	if (ahead->link != 0)
		ahead_take(ledger, ahead);
	if (ahead->count > AHEAD_INDEX) {
		const struct bet_slot *bet =
		    &ledger->bets[ahead->rows[(ahead->begin + AHEAD_INDEX) % WALK_AHEAD]];

		prefetch_index(ledger, LEDGER_BET, bet->id);
		prefetch_index(ledger, LEDGER_ACCOUNT, bet->account_id);
	}
	if (ahead->count > AHEAD_ACCOUNT)
		prefetch_account(
		    ledger, ledger->bets[ahead->rows[(ahead->begin + AHEAD_ACCOUNT) % WALK_AHEAD]]
		                .account_id);
}

/* ---- The walk ---- */

/* Link of the bet whose turn it is; 0 at the end. */
static uint32_t walk_link(const struct ledger *ledger, const struct ledger_walk *walk)
{
	const struct derived_market *market = derived_market_find(ledger, walk->market_id);
	uint32_t last;

	if (market == NULL)
		return 0;
	if (walk->next == 0)
		return market->first;
	last = ledger_chain_link(ledger, walk->market_id, walk->next - 1);
	SLUICE_REQUIRE(last != 0); /* no bet of the market retires during the walk */
	return ledger_chain_next(ledger, walk->market_id, last);
}

int ledger_walk_next(struct ledger *ledger, struct ledger_walk *walk, unsigned look_max,
    uint64_t time_ns, struct event_buffer *event)
{
	const struct market_row_state *market = ledger_market(ledger, walk->market_id);
	uint32_t link;
	int length;

	if (market == NULL)
		return 0;
	walk->started = 1;
	link = walk_link(ledger, walk);
	for (unsigned looked = 0; link != 0; looked++) {
		uint32_t row = link_row(link);

		if (looked == look_max)
			return -EAGAIN;
		ahead_step(ledger, walk->market_id, link);
		length = bet_settle(ledger, &ledger->bets[row], market, time_ns, event);
		if (length < 0)
			return length;
		walk->next = row + 1;
		walk->looked++;
		link = ledger_chain_next(ledger, walk->market_id, link);
		ledger->derived->ahead.expected = link;
		if (length > 0)
			return length;
	}
	return 0;
}

int ledger_decide_walked(struct ledger *ledger, const struct ledger_walk *walk, uint64_t time_ns,
    struct event_buffer *event)
{
	const struct market_row_state *market = ledger_market(ledger, walk->market_id);
	struct decision decision;

	if (market == NULL || market->walked || !walk->started)
		return 0;
	decision_begin(&decision, ledger, EVENT_MARKET_RESULT, time_ns);
	result_write(&decision, market, RESULT_WALKED, NULL);
	return decision_write(&decision, WIRE_CODE_OK, event);
}

const struct market_row_state *ledger_walk_due(const struct ledger *ledger, uint32_t *row)
{
	for (; *row < ledger->tables[LEDGER_MARKET].count; ++*row) {
		const struct market_row_state *market = &ledger->markets[*row].row;

		if (!market->walked && market->id != 0) {
			++*row;
			return market;
		}
	}
	return NULL;
}
