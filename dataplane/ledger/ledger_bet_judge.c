/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PLACE_BET, CANCEL_BET, and the operator's void.
 *
 * Cash tickets are bets of account 0: the stake comes from the terminal's cash, and neither a
 * profile nor limits of an account are there to be looked at; the limits of a bet, of the terminal
 * and of exposure hold as for all. They are amounts in the rules' currency, so cash is taken in no
 * other one: nothing would limit it. Exposure is judged last, so that credit for it is asked of
 * other shards for bets only that nothing else stands against.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_risk.h"

/* ---- PLACE_BET ---- */

/* One leg against the book. Writes the odds to take. */
static uint16_t leg_judge(const struct decision *decision, const struct wire_leg *leg,
    uint32_t *odds, uint64_t *event_id, uint64_t *start_time_ns)
{
	uint32_t row = market_find(decision->ledger, leg->market_id);
	const struct market_row_state *market;

	if (row == ROW_NONE)
		return WIRE_CODE_MARKET_UNKNOWN;
	market = &decision->ledger->markets[row].row;
	if (market->state != MARKET_OPEN)
		return WIRE_CODE_MARKET_NOT_OPEN;
	if (decision->time_ns >= market->start_time_ns)
		return WIRE_CODE_EVENT_STARTED;
	if (leg->selection >= market->selection_count)
		return WIRE_CODE_SELECTION_UNKNOWN;
	*odds = market->odds[leg->selection];
	*event_id = market->event_id;
	*start_time_ns = market->start_time_ns;
	/* A selection without a price (0) never equals a claim. */
	if (*odds < LIMIT_ODDS_MIN || *odds < leg->odds ||
	    (*odds > leg->odds && decision->odds_policy == ODDS_EXACT))
		return WIRE_CODE_ODDS_CHANGED;
	return WIRE_CODE_OK;
}

static uint16_t legs_judge(struct decision *decision, struct risk_case *input)
{
	const struct wire_leg *legs = decision->request->place_bet.legs;
	uint64_t event_ids[LIMIT_BET_LEGS_MAX];
	uint64_t product = 1000, start_time_ns;

	for (unsigned i = 0; i < decision->leg_count; i++) {
		uint16_t code = leg_judge(
		    decision, &legs[i], &decision->odds[i], &event_ids[i], &start_time_ns);

		for (unsigned before = 0; before < i && code == WIRE_CODE_OK; before++) {
			if (legs[before].market_id == legs[i].market_id)
				code = WIRE_CODE_LEGS_DUPLICATE;
			else if (event_ids[before] == event_ids[i])
				code = WIRE_CODE_LEGS_RELATED;
		}
		if (code != WIRE_CODE_OK) {
			decision->object_id = legs[i].market_id; /* the leg it was refused for */
			if (code == WIRE_CODE_ODDS_CHANGED)
				decision_limit(decision, decision->odds[i], legs[i].odds)
				    ->selection = (uint8_t)legs[i].selection;
			return code;
		}
		input->odds_differ |= decision->odds[i] != legs[i].odds;
		input->close_in_s =
		    ledger_closes_in_s(decision->time_ns, start_time_ns, input->close_in_s);
		product = product * decision->odds[i] / 1000;
		if (product > UINT32_MAX)
			product = UINT32_MAX;
	}
	input->odds_product = (uint32_t)product;
	input->selection_id =
	    risk_selection_id(decision->leg_count, legs[0].market_id, legs[0].selection);
	return WIRE_CODE_OK;
}

/* 0: no such limit. */
static int above(int64_t amount, int64_t limit)
{
	return limit > 0 && amount > limit;
}

/* Amounts in the rules hold for their currencies; the limits of the format hold for all. */
uint16_t stake_limits_judge(
    struct decision *decision, const struct risk_amounts *amounts, int64_t stake)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	const struct account_row *account = decision->account;
	int64_t staked, terminal_max = rules->terminal_daily_max;

	if (above(stake, amounts->stake_single_max))
		return WIRE_CODE_LIMIT_SINGLE_STAKE;
	if (account != NULL) {
		staked = ledger_staked_on(account->staked_today, account->staked_day,
		    ledger_clock(decision->ledger, decision->time_ns)->local_day);
		/* Without a limit of its currency: what the row can count. */
		if (staked > INT64_MAX - stake || above(staked + stake, amounts->stake_daily_max)) {
			(void)decision_limit(decision, amounts->stake_daily_max, staked);
			return WIRE_CODE_LIMIT_DAILY_STAKE;
		}
	}
	if (decision->currency != rules->currency)
		return WIRE_CODE_OK;
	if (decision->asked->terminal_daily_max > 0 &&
	    decision->asked->terminal_daily_max < terminal_max)
		terminal_max = decision->asked->terminal_daily_max;
	if (decision->asked->terminal_staked_today <= terminal_max - stake)
		return WIRE_CODE_OK;
	(void)decision_limit(decision, terminal_max, decision->asked->terminal_staked_today);
	return WIRE_CODE_LIMIT_TERMINAL_DAILY;
}

void stake_count(struct decision *decision)
{
	if (decision->currency != decision->ledger->shard.rules.currency)
		decision->flags |= EVENT_FLAG_UNCOUNTED;
}

/* Who pays: the account, or cash. */
static uint16_t stake_take(struct decision *decision, int64_t stake)
{
	stake_count(decision);
	if (decision->account == NULL) {
		decision->amount = 0;
		decision_line(decision,
		    ledger_system_account(SYSTEM_CASH, decision->currency, decision->terminal_id),
		    -stake);
		decision_new_id(decision, decision->terminal_id);
		return WIRE_CODE_OK;
	}
	if (SLUICE_UNLIKELY(decision->account->flags & ACCOUNT_PLAY))
		play_count(decision, 0, stake, stake);
	decision_new_id(decision, decision->account_id);
	return WIRE_CODE_OK;
}

uint16_t bet_judge(struct decision *decision)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	int64_t stake = decision->request->place_bet.stake;
	struct risk_case input = { .amount = stake };
	struct risk_amounts amounts;
	int cash = decision->account_id == 0;
	int64_t payout;
	uint16_t code;

	if (stake <= 0 || stake > LIMIT_STAKE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	if (cash)
		code = decision->currency == rules->currency ? WIRE_CODE_OK
		                                             : WIRE_CODE_CURRENCY_MISMATCH;
	else
		code = decision_account_usable(decision);
	if (code == WIRE_CODE_OK)
		code = legs_judge(decision, &input);
	if (code != WIRE_CODE_OK)
		return code;
	payout = ledger_payout(stake, decision->odds, decision->leg_count);
	decision->payout = payout <= LIMIT_PAYOUT_MAX ? payout : LIMIT_PAYOUT_MAX;
	(void)risk_amounts_of(rules, &decision->ledger->shard.extra, decision->currency, &amounts);
	if (payout > LIMIT_PAYOUT_MAX || above(payout, amounts.payout_max))
		code = WIRE_CODE_PAYOUT_LIMIT;
	else
		code = stake_limits_judge(decision, &amounts, stake);
	if (code == WIRE_CODE_OK && !cash &&
	    SLUICE_UNLIKELY(decision->account->flags & ACCOUNT_PLAY))
		code = play_judge_stake(decision, stake);
	input.payout = decision->payout;
	input.amounts = &amounts;
	code = ledger_risk_judge_limited(decision, &input, code);
	if (code != WIRE_CODE_OK)
		return code;
	if (!cash && decision->account->balance < stake)
		return WIRE_CODE_FUNDS_INSUFFICIENT;
	code = exposure_judge(
	    decision, decision->request->place_bet.legs, decision->leg_count, payout);
	return code == WIRE_CODE_OK ? stake_take(decision, stake) : code;
}

/* ---- The stake goes back: CANCEL_BET, BET_VOID ---- */

static int legs_running(const struct decision *decision, const struct bet_slot *bet)
{
	for (unsigned i = 0; i < bet->leg_count; i++) {
		uint64_t id = bet_leg_at(decision->ledger, bet, i)->market_id;
		uint32_t row = market_find(decision->ledger, id);
		const struct market_row_state *market;

		if (row == ROW_NONE)
			return 1;
		market = &decision->ledger->markets[row].row;
		if (market->state >= MARKET_CLOSED || decision->time_ns >= market->start_time_ns)
			return 1;
	}
	return 0;
}

static uint16_t stake_give_back(
    struct decision *decision, const struct bet_slot *bet, uint8_t to, uint64_t cash_account)
{
	uint16_t code = WIRE_CODE_OK;

	decision->payout = bet->stake;
	decision->body.change = (struct event_bet_change){
		.stake = le64s_make(bet->stake),
		.placed_at_ns = le64_make(bet->placed_at_ns),
		.from = BET_OPEN,
		.to = to,
	};
	if (bet->account_id == 0) {
		decision->amount = 0;
		decision_line(decision, cash_account, bet->stake);
		return WIRE_CODE_OK;
	}
	if (decision->account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	code = decision_credit(decision, bet->stake);
	if (code == WIRE_CODE_OK)
		play_count_later(decision, bet->placed_at_ns, 0, -bet->stake, -bet->stake);
	return code;
}

uint16_t cancel_judge(struct decision *decision)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	uint32_t row = bet_find(decision->ledger, decision->object_id);
	const struct bet_slot *bet;

	if (row == ROW_NONE)
		return WIRE_CODE_BET_UNKNOWN;
	bet = &decision->ledger->bets[row];
	/* Before this nothing of the account goes into the answer. */
	if (bet->terminal_id != decision->terminal_id)
		return WIRE_CODE_NOT_YOUR_BET;
	decision_account(decision, bet->account_id);
	decision->amount = bet->stake;
	decision->currency = bet->currency;
	if (bet->state != BET_OPEN)
		return WIRE_CODE_BET_NOT_OPEN;
	if (decision->time_ns - bet->placed_at_ns > rules->cancel_window_s * 1000000000ull ||
	    legs_running(decision, bet))
		return WIRE_CODE_CANCEL_TOO_LATE;
	stake_count(decision);
	return stake_give_back(decision, bet, BET_CANCELLED,
	    ledger_system_account(SYSTEM_CASH, bet->currency, decision->terminal_id));
}

/* A void cash ticket is redeemed for its stake (or expires), like one with winnings. */
int bet_void_command(struct decision *decision, const struct ledger_command *command)
{
	uint32_t row = bet_find(decision->ledger, command->object_id);
	const struct bet_slot *bet;

	if (command->object_id == 0)
		return -EINVAL;
	if (row == ROW_NONE)
		return -ENOENT;
	bet = &decision->ledger->bets[row];
	if (bet->state == BET_VOID)
		return 0; /* done before: a command may come again */
	if (bet->state != BET_OPEN)
		return -EALREADY;
	decision->object_id = bet->id;
	decision->currency = bet->currency;
	decision->cashier_id = command->reason;
	decision_account(decision, bet->account_id);
	switch (stake_give_back(
	    decision, bet, BET_VOID, ledger_system_account(SYSTEM_PAYABLE, bet->currency, 0))) {
	case WIRE_CODE_OK:
		return 1;
	case WIRE_CODE_BALANCE_LIMIT:
		return -ERANGE;
	default: /* no such account: the bet is not of this shard */
		return -ENOENT;
	}
}
