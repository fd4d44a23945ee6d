/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions on requests of terminals. Reads the state, changes nothing. */
#include <errno.h>

#include "dataplane/ledger/ledger_internal.h"

/* A decision in the making, in host order; the record's fields that are not yet settled. */
struct decision {
	const struct ledger *ledger;
	const struct wire_request *request;
	uint64_t terminal_id;
	int64_t terminal_staked_today, terminal_daily_max;
	const struct account_row *account;   /* NULL: not on this shard */
	const struct terminal_row *terminal; /* NULL: new here */
	uint64_t time_ns, account_id, object_id, deadline_ns;
	int64_t amount, payout;
	uint32_t factor_bits, cashier_id;
	uint16_t type, currency;
	uint8_t score, odds_policy, leg_count, reserved;
	uint32_t odds[LIMIT_BET_LEGS_MAX]; /* to be written to the legs */
};

/* ---- Writing the event ---- */

static int decision_write(
    const struct decision *decision, uint16_t code, struct event_buffer *event)
{
	const struct wire_request *request = decision->request;
	const struct shard_row *shard = &decision->ledger->shard;
	const struct account_row *account = decision->account;
	size_t length =
	    sizeof(struct event_record) + decision->leg_count * sizeof(struct event_leg);
	int64_t balance = account == NULL ? 0 : account->balance;

	if (code == WIRE_CODE_OK)
		balance += decision->amount;

	const struct event_record record = {
		.lsn = le64_make(shard->lsn + 1),
		.time_ns = le64_make(decision->time_ns),
		.type = le16_make(decision->type),
		.length = le16_make((uint16_t)length),
		.code = le16_make(code),
		.leg_count = decision->leg_count,
		.score = decision->score,
		.terminal_id = le64_make(decision->terminal_id),
		.request_id = le64_make(request->request_id),
		.body_hash = { le64_make(request->body_hash[0]), le64_make(request->body_hash[1]) },
		.prev_terminal_lsn =
		    le64_make(decision->terminal == NULL ? 0 : decision->terminal->lsn),
		.account_id = le64_make(decision->account_id),
		.prev_account_lsn = le64_make(account == NULL ? 0 : account->lsn),
		.amount = le64s_make(decision->amount),
		.balance = le64s_make(balance),
		.object_id = le64_make(decision->object_id),
		.payout = le64s_make(decision->payout),
		.factor_bits = le32_make(decision->factor_bits),
		.rule_version = le32_make(shard->rules.version),
		.currency = le16_make(decision->currency),
		.odds_policy = decision->odds_policy,
		.cashier_id = le32_make(decision->cashier_id),
		.deadline_ns = le64_make(decision->deadline_ns),
	};

	memcpy(event->bytes, &record, sizeof(record));
	for (unsigned i = 0; i < decision->leg_count; i++) {
		const struct wire_leg *claimed = &request->place_bet.legs[i];
		const struct event_leg leg = {
			.market_id = le64_make(claimed->market_id),
			.selection = le16_make(claimed->selection),
			.odds = le32_make(code == WIRE_CODE_OK ? decision->odds[i] : claimed->odds),
		};

		memcpy(event->bytes + sizeof(record) + i * sizeof(leg), &leg, sizeof(leg));
	}
	return (int)length;
}

/* ---- Starting: what the request says, and the rows it names ---- */

static void decision_account(struct decision *decision, uint64_t account_id)
{
	uint32_t row;

	decision->account_id = account_id;
	/* A system account's number in a request is an unknown account. */
	if (account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX)
		return;
	row = account_find(decision->ledger, account_id);
	if (row != ROW_NONE)
		decision->account = &decision->ledger->accounts[row].row;
}

static int decision_start_bet(struct decision *decision, const struct wire_request *request)
{
	if (request->place_bet.leg_count == 0 ||
	    request->place_bet.leg_count > LIMIT_BET_LEGS_MAX ||
	    request->place_bet.odds_policy > ODDS_SAME_OR_BETTER)
		return -EINVAL;
	decision->type = EVENT_PLACE_BET;
	decision->leg_count = request->place_bet.leg_count;
	decision->odds_policy = request->place_bet.odds_policy;
	decision->cashier_id = request->place_bet.cashier_id;
	decision->currency = request->place_bet.currency;
	decision->deadline_ns = request->place_bet.deadline_ns;
	decision->amount =
	    request->place_bet.stake == INT64_MIN ? INT64_MAX : -request->place_bet.stake;
	decision_account(decision, request->place_bet.account_id);
	return 0;
}

static int decision_start(struct decision *decision, const struct ledger *ledger,
    const struct ledger_request *request, uint64_t time_ns)
{
	const struct wire_request *wire = request->wire;
	uint32_t row;

	if (wire->request_id == 0 || request->terminal_id == 0 ||
	    request->terminal_id > LIMIT_TERMINAL_ID_MAX)
		return -EINVAL;
	*decision = (struct decision){
		.ledger = ledger,
		.request = wire,
		.terminal_id = request->terminal_id,
		.terminal_staked_today = request->terminal_staked_today,
		.terminal_daily_max = request->terminal_daily_max,
		.time_ns = time_ns > ledger->shard.time_ns ? time_ns : ledger->shard.time_ns,
	};
	row = terminal_find(ledger, request->terminal_id);
	if (row != ROW_NONE)
		decision->terminal = &ledger->terminals[row].row;
	else if (!table_room(ledger, LEDGER_TERMINAL, 1))
		return -EBUSY;
	switch (wire->template_id) {
	case WIRE_PLACE_BET:
		return decision_start_bet(decision, wire);
	case WIRE_CANCEL_BET:
		decision->type = EVENT_CANCEL_BET;
		decision->object_id = wire->cancel_bet.bet_id;
		decision->deadline_ns = wire->cancel_bet.deadline_ns;
		decision->cashier_id = wire->cancel_bet.reason;
		return 0;
	case WIRE_DEPOSIT:
		decision->type = EVENT_DEPOSIT;
		decision->currency = wire->deposit.currency;
		decision->deadline_ns = wire->deposit.deadline_ns;
		decision->amount = wire->deposit.amount;
		decision_account(decision, wire->deposit.account_id);
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- PLACE_BET ---- */

static uint16_t account_usable(const struct decision *decision)
{
	if (decision->account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (decision->account->flags & ACCOUNT_FROZEN)
		return WIRE_CODE_ACCOUNT_FROZEN;
	if (decision->account->currency != decision->currency)
		return WIRE_CODE_CURRENCY_MISMATCH;
	return WIRE_CODE_OK;
}

/* One leg against the book. Writes the odds to take. */
static uint16_t leg_judge(
    const struct decision *decision, const struct wire_leg *leg, uint32_t *odds, uint64_t *event_id)
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
	/* A selection without a price (0) never equals a claim. */
	if (*odds < LIMIT_ODDS_MIN || *odds < leg->odds ||
	    (*odds > leg->odds && decision->odds_policy == ODDS_EXACT))
		return WIRE_CODE_ODDS_CHANGED;
	return WIRE_CODE_OK;
}

static uint16_t legs_judge(struct decision *decision, struct risk_input *input)
{
	uint64_t event_ids[LIMIT_BET_LEGS_MAX];
	uint64_t product = 1000;

	for (unsigned i = 0; i < decision->leg_count; i++) {
		const struct wire_leg *leg = &decision->request->place_bet.legs[i];
		uint16_t code = leg_judge(decision, leg, &decision->odds[i], &event_ids[i]);

		for (unsigned before = 0; before < i && code == WIRE_CODE_OK; before++) {
			if (event_ids[before] == event_ids[i])
				code = WIRE_CODE_LEGS_DUPLICATE;
		}
		if (code != WIRE_CODE_OK) {
			decision->object_id = leg->market_id; /* the leg it was refused for */
			return code;
		}
		input->odds_differ |= decision->odds[i] != leg->odds;
		product = product * decision->odds[i] / 1000;
		if (product > UINT32_MAX)
			product = UINT32_MAX;
	}
	input->odds_product = (uint32_t)product;
	return WIRE_CODE_OK;
}

/* Amounts in the rules hold for the rules' currency; the limits of the format hold for all. */
static uint16_t limits_judge(const struct decision *decision, int64_t stake)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	const struct account_row *account = decision->account;
	int64_t staked, terminal_max = rules->terminal_daily_max;

	if (decision->currency != rules->currency)
		return WIRE_CODE_OK;
	if (stake > rules->stake_single_max)
		return WIRE_CODE_LIMIT_SINGLE_STAKE;
	staked = ledger_staked_on(
	    account->staked_today, account->staked_day, risk_day(rules, decision->time_ns));
	if (staked > rules->stake_daily_max - stake)
		return WIRE_CODE_LIMIT_DAILY_STAKE;
	if (decision->terminal_daily_max > 0 && decision->terminal_daily_max < terminal_max)
		terminal_max = decision->terminal_daily_max;
	if (decision->terminal_staked_today > terminal_max - stake)
		return WIRE_CODE_LIMIT_TERMINAL_DAILY;
	return WIRE_CODE_OK;
}

static uint16_t bet_judge(struct decision *decision)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	int64_t stake = decision->request->place_bet.stake;
	struct risk_input input = { .time_ns = decision->time_ns, .stake = stake };
	struct risk_result risk;
	int64_t payout;
	uint16_t code;

	if (decision->time_ns > decision->deadline_ns)
		return WIRE_CODE_EXPIRED;
	if (stake <= 0 || stake > LIMIT_STAKE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	code = account_usable(decision);
	if (code != WIRE_CODE_OK)
		return code;
	code = legs_judge(decision, &input);
	if (code != WIRE_CODE_OK)
		return code;
	payout = ledger_payout(stake, decision->odds, decision->leg_count);
	decision->payout = payout <= LIMIT_PAYOUT_MAX ? payout : LIMIT_PAYOUT_MAX;
	if (payout > LIMIT_PAYOUT_MAX ||
	    (decision->currency == rules->currency && payout > rules->payout_max))
		return WIRE_CODE_PAYOUT_LIMIT;
	code = limits_judge(decision, stake);
	if (code != WIRE_CODE_OK)
		return code;
	input.payout = payout;
	input.currency = decision->currency;
	risk_evaluate(rules, &decision->account->profile, &input, &risk);
	decision->score = risk.score;
	decision->factor_bits = risk.factor_bits;
	if (risk.score >= rules->refuse_score)
		return WIRE_CODE_RISK_SCORE;
	if (decision->account->balance < stake)
		return WIRE_CODE_FUNDS_INSUFFICIENT;
	return WIRE_CODE_OK;
}

/* ---- CANCEL_BET ---- */

static int legs_running(const struct decision *decision, const struct bet_slot *bet)
{
	for (unsigned i = 0; i < bet->leg_count; i++) {
		uint64_t id = bet_leg_at(decision->ledger, bet, i)->market_id;
		uint32_t row = market_find(decision->ledger, id);
		const struct market_row_state *market;

		if (row == ROW_NONE)
			return 1;
		market = &decision->ledger->markets[row].row;
		if (market->state == MARKET_CLOSED || decision->time_ns >= market->start_time_ns)
			return 1;
	}
	return 0;
}

static uint16_t cancel_judge(struct decision *decision)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	const struct bet_slot *bet;
	uint32_t row;

	if (decision->time_ns > decision->deadline_ns)
		return WIRE_CODE_EXPIRED;
	row = bet_find(decision->ledger, decision->object_id);
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
	if (decision->account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (decision->account->balance > LIMIT_BALANCE_MAX - bet->stake)
		return WIRE_CODE_BALANCE_LIMIT;
	return WIRE_CODE_OK;
}

/* ---- DEPOSIT ---- */

static uint16_t deposit_judge(struct decision *decision)
{
	uint16_t code;

	if (decision->time_ns > decision->deadline_ns)
		return WIRE_CODE_EXPIRED;
	code = account_usable(decision);
	if (code != WIRE_CODE_OK)
		return code;
	if (decision->amount <= 0 || decision->amount > LIMIT_BALANCE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	if (decision->account->balance > LIMIT_BALANCE_MAX - decision->amount)
		return WIRE_CODE_BALANCE_LIMIT;
	return WIRE_CODE_OK;
}

/* Room for the rows that carrying out the decision would make, and for its counter posting. */
static int decision_room(const struct decision *decision)
{
	const struct ledger *ledger = decision->ledger;
	uint64_t counter =
	    ledger_counter_account(decision->type, decision->currency, decision->terminal_id);
	uint32_t row = account_find(ledger, counter);

	if (row == ROW_NONE) {
		if (!table_room(ledger, LEDGER_ACCOUNT, 1))
			return -EBUSY;
	} else {
		int64_t balance = ledger->accounts[row].row.balance - decision->amount;

		if (balance > SYSTEM_BALANCE_MAX || balance < -SYSTEM_BALANCE_MAX)
			return -EBUSY;
	}
	if (decision->type == EVENT_PLACE_BET &&
	    (!table_room(ledger, LEDGER_BET, 1) || ledger->shard.bet_counter >= IDS_COUNTER_MAX))
		return -EBUSY;
	return 0;
}

int ledger_decide(struct ledger *ledger, const struct ledger_request *request, uint64_t time_ns,
    struct event_buffer *event)
{
	struct decision decision;
	uint16_t code;
	int error = decision_start(&decision, ledger, request, time_ns);

	if (error != 0)
		return error;
	if (decision.type == EVENT_PLACE_BET)
		code = bet_judge(&decision);
	else if (decision.type == EVENT_CANCEL_BET)
		code = cancel_judge(&decision);
	else
		code = deposit_judge(&decision);
	if (code == WIRE_CODE_OK) {
		error = decision_room(&decision);
		if (error != 0)
			return error;
		if (decision.type == EVENT_PLACE_BET)
			decision.object_id = ids_make(
			    ids_bucket_of_key(decision.account_id), ledger->shard.bet_counter + 1);
	}
	return decision_write(&decision, code, event);
}

int ledger_decide_expired(struct ledger *ledger, const struct ledger_request *request,
    uint64_t time_ns, struct event_buffer *event)
{
	struct decision decision;
	int error = decision_start(&decision, ledger, request, time_ns);

	if (error != 0)
		return error;
	return decision_write(&decision, WIRE_CODE_EXPIRED, event);
}
