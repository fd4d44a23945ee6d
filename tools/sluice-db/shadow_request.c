/* SPDX-License-Identifier: Apache-2.0 */
/* From an event back to the request it is the outcome of, and its decision by other rules. */
#include <errno.h>
#include <string.h>

#include "tools/sluice-db/shadow.h"

/* Refusals that rules, or nothing but the order of checks behind rules, can have led to. The others
 * stand whatever the rules say. */
static int rules_decide(uint16_t code)
{
	switch (code) {
	case WIRE_CODE_OK:
	case WIRE_CODE_PENDING:
	case WIRE_CODE_CURRENCY_MISMATCH: /* cash is taken in the rules' currency */
	case WIRE_CODE_PAYOUT_LIMIT:
	case WIRE_CODE_LIMIT_SINGLE_STAKE:
	case WIRE_CODE_LIMIT_DAILY_STAKE:
	case WIRE_CODE_LIMIT_TERMINAL_DAILY:
	case WIRE_CODE_LIMIT_DEPOSIT:
	case WIRE_CODE_LIMIT_STAKE:
	case WIRE_CODE_LIMIT_LOSS:
	case WIRE_CODE_SELF_EXCLUDED:
	case WIRE_CODE_COOLING_OFF:
	case WIRE_CODE_RISK_SCORE:
	case WIRE_CODE_FUNDS_INSUFFICIENT:
	case WIRE_CODE_BALANCE_LIMIT:
	case WIRE_CODE_EXPOSURE_SELECTION:
	case WIRE_CODE_EXPOSURE_MARKET:
	case WIRE_CODE_EXPOSURE_PARTNER:
		return 1;
	default:
		return 0;
	}
}

int shadow_is_undone(const struct event_record *record)
{
	return le16_get(record->code) == WIRE_CODE_LINKED_NOT_DONE;
}

static int bet_request(
    const struct db_bytes *event, const struct event_record *record, struct wire_request *request)
{
	int claimed_less = le16_get(record->code) == WIRE_CODE_OK &&
	                   (le32_get(record->factor_bits) & RISK_BIT(ODDS_CLAIMED)) != 0;

	request->template_id = WIRE_PLACE_BET;
	request->place_bet.account_id = le64_get(record->account_id);
	/* Of cash the amount of the account is 0: the stake is in the line of CASH. */
	request->place_bet.stake = -le64s_get(record->amount);
	request->place_bet.deadline_ns = le64_get(record->deadline_ns);
	request->place_bet.cashier_id = le32_get(record->cashier_id);
	request->place_bet.currency = le16_get(record->currency);
	request->place_bet.odds_policy = record->odds_policy;
	request->place_bet.leg_count = record->leg_count;
	for (unsigned i = 0; i < record->leg_count && i < LIMIT_BET_LEGS_MAX; i++) {
		struct event_leg leg;

		memcpy(&leg, (const uint8_t *)event->data + sizeof(*record) + i * sizeof(leg),
		    sizeof(leg));
		request->place_bet.legs[i] = (struct wire_leg){
			.market_id = le64_get(leg.market_id),
			.selection = le16_get(leg.selection),
			.odds = le32_get(leg.odds),
		};
	}
	/* The event of an accepted bet has the book's odds; that others were claimed only its
	 * factor tells, and only that matters. */
	if (claimed_less && request->place_bet.legs[0].odds > LIMIT_ODDS_MIN)
		request->place_bet.legs[0].odds--;
	if (request->place_bet.account_id == 0 && le16_get(record->code) == WIRE_CODE_OK) {
		struct event_line line;
		size_t at = sizeof(*record) + record->leg_count * sizeof(struct event_leg);

		if (event->size < at + sizeof(line))
			return 0;
		memcpy(&line, (const uint8_t *)event->data + at, sizeof(line));
		if (line.section.kind != SECTION_LINE)
			return 0;
		request->place_bet.stake = -le64s_get(line.amount);
	}
	return 1;
}

/* Where a transfer to another shard went: its object says. */
static int transfer_out_request(const struct db_bytes *event, struct wire_request *request)
{
	struct event_view view;

	if (event_view_read(event->data, event->size, &view) != 0)
		return 0;
	for (unsigned i = 0; i < view.object_count; i++) {
		struct object_transfer transfer;

		if (view.objects[i].kind != OBJECT_TRANSFER)
			continue;
		memcpy(&transfer, view.objects[i].body, sizeof(transfer));
		if (transfer.purpose != TRANSFER_MONEY)
			return 0;
		request->transfer.to_account = le64_get(transfer.to_account);
		return 1;
	}
	return 0;
}

/* Keys of partners are left out: what they decide no rule changes. */
static int wallet_request(const struct event_record *record, struct wire_request *request)
{
	int moved = event_moves(le16_get(record->type), le16_get(record->code));
	int deposit = le16_get(record->type) == EVENT_DEPOSIT;

	request->template_id = deposit ? WIRE_DEPOSIT : WIRE_WITHDRAW;
	request->deposit.account_id = le64_get(record->account_id);
	request->deposit.amount = deposit ? le64s_get(record->amount) : -le64s_get(record->amount);
	/* A deposit's amount is less when some of it went to what the customer owes. */
	if (deposit && moved)
		request->deposit.amount = le64s_get(record->payout);
	request->deposit.deadline_ns = le64_get(record->deadline_ns);
	request->deposit.currency = le16_get(record->currency);
	return 1;
}

static int transfer_request(
    const struct db_bytes *event, const struct event_record *record, struct wire_request *request)
{
	request->template_id = WIRE_TRANSFER;
	request->transfer.from_account = le64_get(record->account_id);
	request->transfer.to_account = le64_get(record->object_id);
	request->transfer.amount = -le64s_get(record->amount);
	request->transfer.deadline_ns = le64_get(record->deadline_ns);
	request->transfer.currency = le16_get(record->currency);
	return le16_get(record->type) == EVENT_TRANSFER || transfer_out_request(event, request);
}

/* Objects of the event, by kind; NULL: it has none. */
static const struct object_bytes *object_find(const struct event_view *view, unsigned kind)
{
	for (unsigned i = 0; i < view->object_count; i++)
		if (view->objects[i].kind == kind)
			return &view->objects[i];
	return NULL;
}

/* Refused, an event has no object: then of what rules do not look at anything valid will do. */
static int sprinkle_request(
    const struct db_bytes *event, const struct event_record *record, struct wire_request *request)
{
	const struct object_bytes *object;
	struct object_sprinkle sprinkle;
	struct event_view view;

	request->template_id = WIRE_SPRINKLE_CREATE;
	request->sprinkle_create.account_id = le64_get(record->account_id);
	request->sprinkle_create.amount = -le64s_get(record->amount);
	request->sprinkle_create.deadline_ns = le64_get(record->deadline_ns);
	request->sprinkle_create.currency = le16_get(record->currency);
	request->sprinkle_create.shares = request->sprinkle_create.window_s = 1;
	if (le16_get(record->code) != WIRE_CODE_OK)
		return 1;
	if (event_view_read(event->data, event->size, &view) != 0)
		return 0;
	object = object_find(&view, OBJECT_SPRINKLE);
	if (object == NULL)
		return 0;
	memcpy(&sprinkle, object->body, sizeof(sprinkle));
	request->sprinkle_create.room = le64_get(sprinkle.room);
	request->sprinkle_create.shares = le32_get(sprinkle.shares);
	request->sprinkle_create.equal = sprinkle.equal;
	request->sprinkle_create.window_s =
	    (uint32_t)((le64_get(sprinkle.ends_ns) - le64_get(sprinkle.created_ns)) / 1000000000u);
	return 1;
}

/* The same: refused for what rules say, it came to an open round or was the first of one, under a
 * transaction not known before. */
static int round_request(const struct ledger *ledger, const struct db_bytes *event,
    const struct event_record *record, struct wire_request *request)
{
	const struct account_row *account = ledger_account(ledger, le64_get(record->account_id));
	const struct object_bytes *object, *transaction;
	struct object_round round;
	struct object_round_tx tx;
	struct event_view view;

	if (account == NULL)
		return 0;
	request->template_id = WIRE_ROUND_DEBIT;
	request->round.account_id = le64_get(record->account_id);
	request->round.amount = -le64s_get(record->amount);
	request->round.deadline_ns = le64_get(record->deadline_ns);
	request->round.currency = le16_get(record->currency);
	request->round.partner_id = (uint16_t)account->partner_id;
	request->round.round = request->round.transaction[0] = request->round.transaction[1] =
	    UINT64_MAX - le64_get(record->lsn);
	if (le16_get(record->code) != WIRE_CODE_OK)
		return 1;
	if (event_view_read(event->data, event->size, &view) != 0)
		return 0;
	object = object_find(&view, OBJECT_ROUND);
	transaction = object_find(&view, OBJECT_ROUND_TX);
	if (object == NULL || transaction == NULL)
		return 0;
	memcpy(&round, object->body, sizeof(round));
	memcpy(&tx, transaction->body, sizeof(tx));
	request->round.game = le32_get(round.game);
	request->round.round = le64_get(round.round);
	request->round.transaction[0] = le64_get(tx.transaction[0]);
	request->round.transaction[1] = le64_get(tx.transaction[1]);
	return 1;
}

int shadow_request(const struct ledger *ledger, const struct db_bytes *event,
    const struct event_record *record, struct wire_request *request)
{
	/* REVERSAL: the opposite of a request, done by REVERSE. */
	if (le64_get(record->terminal_id) == 0 || le64_get(record->request_id) == 0 ||
	    (record->flags & (EVENT_FLAG_REVERSAL | EVENT_FLAG_TIMER)) != 0)
		return 0;
	if (!rules_decide(le16_get(record->code)))
		return 0;
	request->request_id = le64_get(record->request_id);
	request->body_hash[0] = le64_get(record->body_hash[0]);
	request->body_hash[1] = le64_get(record->body_hash[1]);
	request->flags = 0;
	switch (le16_get(record->type)) {
	case EVENT_PLACE_BET:
		memset(&request->place_bet, 0,
		    offsetof(struct wire_request, place_bet.legs) -
		        offsetof(struct wire_request, place_bet));
		return bet_request(event, record, request);
	case EVENT_DEPOSIT:
	case EVENT_WITHDRAW:
		memset(&request->deposit, 0, sizeof(request->deposit));
		return wallet_request(record, request);
	case EVENT_TRANSFER:
	case EVENT_TRANSFER_OUT:
		memset(&request->transfer, 0, sizeof(request->transfer));
		return transfer_request(event, record, request);
	case EVENT_SPRINKLE_CREATE:
		memset(&request->sprinkle_create, 0, sizeof(request->sprinkle_create));
		return sprinkle_request(event, record, request);
	case EVENT_ROUND_DEBIT:
		memset(&request->round, 0, sizeof(request->round));
		return round_request(ledger, event, record, request);
	default:
		return 0;
	}
}

/* ---- Deciding ---- */

/* What the terminal has staked that day over all shards, and its own limit, as its home has it. */
static void terminal_share(const struct shadow *shadow, const struct shadow_shard *shard,
    uint64_t time_ns, struct ledger_request *asked)
{
	const struct ledger *ledger = shard->replay.ledger;
	uint32_t day = risk_day(&ledger_shard(ledger)->rules, time_ns);

	for (uint32_t i = 0; i < shadow->shard_count; i++) {
		const struct terminal_row *row =
		    ledger_terminal(shadow->shards[i].replay.ledger, asked->terminal_id);

		if (row == NULL)
			continue;
		asked->terminal_staked_today +=
		    ledger_staked_on(row->staked_today, row->staked_day, day);
		if (row->version != 0)
			asked->terminal_daily_max = row->daily_max;
	}
}

/* Codes that stand behind the check of the terminal's day. */
static int terminal_day_passed(uint16_t code)
{
	switch (code) {
	case WIRE_CODE_OK:
	case WIRE_CODE_LIMIT_STAKE:
	case WIRE_CODE_LIMIT_LOSS:
	case WIRE_CODE_SELF_EXCLUDED:
	case WIRE_CODE_COOLING_OFF:
	case WIRE_CODE_RISK_SCORE:
	case WIRE_CODE_FUNDS_INSUFFICIENT:
	case WIRE_CODE_EXPOSURE_SELECTION:
	case WIRE_CODE_EXPOSURE_MARKET:
	case WIRE_CODE_EXPOSURE_PARTNER:
		return 1;
	default:
		return 0;
	}
}

/*
 * A terminal's day is counted at its home, with what is on its way: stakes of bets that may be
 * refused yet, and of cancels whose answer is not back. No log holds that. Where the rows say
 * otherwise than the outcome, by the rules of then, home had counted at least as much, or at most.
 */
static void home_count(struct shadow *shadow, const struct risk_rules *then,
    const struct event_record *record, struct ledger_request *asked)
{
	const struct wire_request *wire = asked->wire;
	int round = wire->template_id == WIRE_ROUND_DEBIT;
	int64_t most = then->terminal_daily_max, left;
	uint16_t code = le16_get(record->code);

	if ((round ? wire->round.currency : wire->place_bet.currency) != then->currency)
		return;
	if (asked->terminal_daily_max > 0 && asked->terminal_daily_max < most)
		most = asked->terminal_daily_max;
	left = most - (round ? wire->round.amount : wire->place_bet.stake);
	if (code == WIRE_CODE_LIMIT_TERMINAL_DAILY && asked->terminal_staked_today <= left)
		asked->terminal_staked_today = left + 1;
	else if (terminal_day_passed(code) && asked->terminal_staked_today > left)
		asked->terminal_staked_today = left;
	else
		return;
	shadow->home_counts++;
}

/* Payouts of open bets over all shards. */
static int64_t exposure_sum(const struct shadow *shadow, uint64_t market_id, int selection)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < shadow->shard_count; i++)
		sum +=
		    ledger_market_exposure(shadow->shards[i].replay.ledger, market_id, selection);
	return sum;
}

/* Limits of exposure that differ from those of then: against all shards together, for leases that
 * were made for other limits say nothing of these. */
static uint16_t exposure_judge_all(const struct shadow *shadow, const struct risk_rules *rules,
    const struct wire_request *request, int64_t payout)
{
	for (unsigned i = 0; i < request->place_bet.leg_count; i++) {
		const struct wire_leg *leg = &request->place_bet.legs[i];

		if (rules->exposure_selection_max != 0 &&
		    exposure_sum(shadow, leg->market_id, leg->selection) >
		        rules->exposure_selection_max - payout)
			return WIRE_CODE_EXPOSURE_SELECTION;
		if (rules->exposure_market_max != 0 &&
		    exposure_sum(shadow, leg->market_id, -1) > rules->exposure_market_max - payout)
			return WIRE_CODE_EXPOSURE_MARKET;
	}
	return WIRE_CODE_OK;
}

int shadow_decide(struct shadow *shadow, struct shadow_shard *shard,
    const struct event_record *record, const struct wire_request *request,
    struct shadow_outcome *outcome)
{
	struct ledger *ledger = shard->replay.ledger;
	const struct shard_row *row = ledger_shard(ledger);
	const struct risk_rules *now = &row->rules;
	const struct risk_rules rules = shadow->rules_text != NULL ? shadow->rules.rules : *now;
	struct risk_rules_extra extra =
	    shadow->rules_text != NULL ? shadow->rules.extra : row->extra;
	struct risk_rules judged = rules;
	int other_limits = rules.exposure_selection_max != now->exposure_selection_max ||
	                   rules.exposure_market_max != now->exposure_market_max ||
	                   rules.currency != now->currency;
	struct ledger_request asked = {
		.wire = request,
		.terminal_id = le64_get(record->terminal_id),
		.linked = (record->flags & EVENT_FLAG_LINKED) != 0,
	};
	struct event_record decided;
	struct event_buffer event;
	int length, model;

	if (request->template_id == WIRE_PLACE_BET || request->template_id == WIRE_ROUND_DEBIT) {
		terminal_share(shadow, shard, le64_get(record->time_ns), &asked);
		home_count(shadow, now, record, &asked);
	}
	if (other_limits)
		judged.exposure_selection_max = judged.exposure_market_max = 0;
	model = shadow_model_prepare(shadow, shard, &extra);
	shadow->model.missing += !model && extra.model_state != RISK_MODEL_OFF;
	length = ledger_decide_by_rules(
	    ledger, &asked, &judged, &extra, le64_get(record->time_ns), &event);
	if (length < 0)
		return length;
	memcpy(&decided, event.bytes, sizeof(decided));
	*outcome = (struct shadow_outcome){
		.payout = le64s_get(decided.payout),
		.factor_bits = le32_get(decided.factor_bits),
		.code = le16_get(decided.code),
		.score = decided.score,
	};
	if (model)
		shadow_model_take(shadow, &rules, &event, (size_t)length, outcome);
	if (outcome->code == WIRE_CODE_OK && other_limits &&
	    request->template_id == WIRE_PLACE_BET && request->place_bet.currency == rules.currency)
		outcome->code = exposure_judge_all(shadow, &rules, request, outcome->payout);
	return 0;
}
