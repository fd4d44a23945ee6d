/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying an event: the plan has checked everything and found the rows (ledger_plan.c); the parts
 * are carried out here, and nothing can fail any more.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_plain.h"
#include "dataplane/ledger/ledger_plan.h"
#include "dataplane/ledger/ledger_risk.h"
#include "dataplane/ledger/ledger_round.h"

/* ---- Days ---- */

static void staked_add(int64_t *staked_today, uint16_t *staked_day, uint32_t day, int64_t stake)
{
	if (*staked_day < day) {
		*staked_day = (uint16_t)day;
		*staked_today = 0;
	}
	SLUICE_REQUIRE(!__builtin_add_overflow(*staked_today, stake, staked_today));
}

/* A stake that goes back no longer counts against the day it was placed on, if that is still today.
 */
static void staked_back(const struct ledger *ledger, const struct plan *plan, int64_t stake,
    uint64_t placed_at_ns, int64_t *staked_today, uint32_t staked_day)
{
	uint32_t day = risk_day(&ledger->shard.rules, plan->time_ns);

	if (staked_day != day || risk_day(&ledger->shard.rules, placed_at_ns) != day)
		return;
	*staked_today = *staked_today > stake ? *staked_today - stake : 0;
}

/* Of a cancelled bet. */
static void staked_remove(const struct ledger *ledger, const struct plan *plan,
    int64_t *staked_today, uint32_t staked_day)
{
	staked_back(ledger, plan, le64s_get(plan->change.stake),
	    le64_get(plan->change.placed_at_ns), staked_today, staked_day);
}

/* Of a game round's debit, for the account's day or the terminal's (`whose`: round_counted). The
 * terminal's is left alone when another one takes it back: that one's row is not the event's. */
static void staked_round(const struct ledger *ledger, const struct plan *plan, unsigned whose,
    int64_t *staked_today, uint16_t *staked_day)
{
	struct ledger_round_stake stake;

	if (!ledger_event_round_stake(&plan->view, &stake) || !(stake.counted & whose))
		return;
	if (!stake.back)
		staked_add(staked_today, staked_day, risk_day(&ledger->shard.rules, plan->time_ns),
		    stake.amount);
	else if (whose == ROUND_COUNTED_ACCOUNT || stake.terminal_id == plan->terminal_id)
		staked_back(ledger, plan, stake.amount, stake.done_ns, staked_today, *staked_day);
}

/* ---- Accounts ---- */

static void account_opened(struct ledger *ledger, struct plan *plan)
{
	struct account_row *row;

	plan->account = ledger_account_create(ledger, plan->account_id, plan->currency, 0);
	ledger_group_save(ledger, LEDGER_ACCOUNT, plan->account, 1);
	row = &ledger->accounts[plan->account].row;
	row->partner_id = (uint16_t)le32_get(plan->view.record.cashier_id);
	risk_profile_init(&row->profile, plan->time_ns);
}

static void balance_add(struct account_row *row, int64_t amount)
{
	SLUICE_REQUIRE(!__builtin_add_overflow(row->balance, amount, &row->balance));
	if (!(row->flags & ACCOUNT_SYSTEM))
		SLUICE_REQUIRE(row->balance >= 0 && row->balance <= LIMIT_BALANCE_MAX);
}

/* What the event says of the account beyond money. */
static void account_note(struct ledger *ledger, const struct plan *plan, struct account_row *row)
{
	if (plan->moves && plan->type == EVENT_PLACE_BET) {
		const struct risk_clock *clock = ledger_clock(ledger, plan->time_ns);

		staked_add(&row->staked_today, &row->staked_day, clock->local_day, -plan->amount);
		risk_profile_bet_clock(
		    &row->profile, clock, plan->time_ns, -plan->amount, plan->view.record.score);
	} else if (plan->moves && plan->type == EVENT_CANCEL_BET) {
		staked_remove(ledger, plan, &row->staked_today, row->staked_day);
		risk_profile_cancel(&row->profile);
	} else if (plan->type == EVENT_ACCOUNT_FREEZE) {
		row->flags &= (uint16_t)~ACCOUNT_FROZEN;
		if (plan->view.record.flags & EVENT_FLAG_FROZEN)
			row->flags |= ACCOUNT_FROZEN;
	} else if (plan->type == EVENT_ACCOUNT_FLAGS) {
		struct event_account_flags listed;

		memcpy(&listed, plan->view.body, sizeof(listed));
		row->flags &= (uint16_t)~ACCOUNT_LIST_FLAGS;
		row->flags |= le16_get(listed.flags);
		row->profile.country = le16_get(listed.country);
	} else {
		staked_round(
		    ledger, plan, ROUND_COUNTED_ACCOUNT, &row->staked_today, &row->staked_day);
	}
	for (unsigned i = 0; i < plan->view.object_count; i++)
		if (plan->view.objects[i].kind == OBJECT_PLAY_LIMITS)
			row->flags |= ACCOUNT_PLAY;
}

static void apply_account(struct ledger *ledger, struct plan *plan)
{
	struct account_slot *slot;

	if (plan->account == ROW_NONE)
		account_opened(ledger, plan);
	else
		ledger_group_save(ledger, LEDGER_ACCOUNT, plan->account, 0);
	slot = &ledger->accounts[plan->account];
	if (plan->moves)
		balance_add(&slot->row, plan->amount);
	account_note(ledger, plan, &slot->row);
	ledger_risk_learn_account(ledger, plan, plan->account);
	slot->row.lsn = plan->lsn;
	ledger_row_changed(ledger, LEDGER_ACCOUNT, plan->account, &slot->meta);
}

/* A RECEIVABLE line is the other side of what a customer owes. Due with that customer's own part.
 */
static void owed_change(struct ledger *ledger, const struct plan *plan, unsigned i)
{
	const struct ledger_line *line = &plan->lines[i];
	uint32_t row = line->owner < 0 ? plan->account : plan->line_rows[line->owner];
	int due = line->owner < 0 ? plan->account_due : plan->line_due[line->owner];
	struct account_row *account;

	if (!due)
		return;
	SLUICE_REQUIRE(row != ROW_NONE);
	account = &ledger->accounts[row].row;
	SLUICE_REQUIRE(!__builtin_sub_overflow(account->owed, line->amount, &account->owed));
	SLUICE_REQUIRE(account->owed >= 0 && !(account->flags & ACCOUNT_SYSTEM));
}

static void apply_lines(struct ledger *ledger, struct plan *plan)
{
	const uint64_t receivable = ledger_system_account(SYSTEM_RECEIVABLE, plan->currency, 0);

	for (unsigned i = 0; i < plan->line_count; i++) {
		const struct ledger_line *line = &plan->lines[i];
		struct account_slot *slot;
		int created;

		if (line->account_id == receivable)
			owed_change(ledger, plan, i);
		if (!plan->line_due[i])
			continue;
		/* Two lines may name the same new system account. */
		if (plan->line_rows[i] == ROW_NONE)
			plan->line_rows[i] = account_find(ledger, line->account_id);
		created = plan->line_rows[i] == ROW_NONE;
		if (created)
			plan->line_rows[i] = ledger_account_create(
			    ledger, line->account_id, plan->currency, ACCOUNT_SYSTEM);
		ledger_group_save(ledger, LEDGER_ACCOUNT, plan->line_rows[i], created);
		slot = &ledger->accounts[plan->line_rows[i]];
		SLUICE_REQUIRE(slot->row.currency == plan->currency);
		balance_add(&slot->row, line->amount);
		if (!(slot->row.flags & ACCOUNT_SYSTEM))
			ledger_risk_learn_receiver(ledger, plan, plan->line_rows[i], line->amount);
		slot->row.lsn = plan->lsn;
		ledger_row_changed(ledger, LEDGER_ACCOUNT, plan->line_rows[i], &slot->meta);
	}
	if (plan->type == EVENT_PLACE_BET && plan->line_count == 1)
		ledger->stakes_seen = plan->line_rows[0];
}

/* ---- Terminal ---- */

static void terminal_allow(struct terminal_row *row, const uint8_t *body)
{
	struct event_terminal allowed;

	memcpy(&allowed, body, sizeof(allowed));
	row->rights = le32_get(allowed.rights);
	row->daily_max = le64s_get(allowed.daily_max);
	row->version = le64_get(allowed.version);
	row->blocked = allowed.blocked;
}

static void terminal_shift(struct terminal_row *row, const struct plan *plan)
{
	struct event_shift shift;

	memcpy(&shift, plan->view.body, sizeof(shift));
	row->shift_open = shift.op == SHIFT_OPEN;
	row->shift_number = le32_get(shift.number);
	row->shift_currency = row->shift_open ? le16_get(plan->view.record.currency) : 0;
	row->cashier_id = row->shift_open ? le32_get(plan->view.record.cashier_id) : 0;
	row->shift_cash = row->shift_open ? le64s_get(shift.cash) : 0;
	row->shift_cash_total = row->shift_open ? le64s_get(shift.cash_total) : 0;
	row->shift_opened_ns = row->shift_open ? plan->time_ns : 0;
}

static void apply_terminal(struct ledger *ledger, struct plan *plan)
{
	uint64_t request_id = le64_get(plan->view.record.request_id);
	struct terminal_slot *slot;
	struct terminal_row *row;
	uint16_t day;
	int created = plan->terminal == ROW_NONE;
	int counted = (plan->view.record.flags & EVENT_FLAG_UNCOUNTED) == 0;

	if (created)
		plan->terminal = ledger_terminal_create(ledger, plan->terminal_id);
	ledger_group_save(ledger, LEDGER_TERMINAL, plan->terminal, created);
	slot = &ledger->terminals[plan->terminal];
	row = &slot->row;
	if (request_id > row->highest_request_id)
		row->highest_request_id = request_id;
	day = (uint16_t)row->staked_day;
	if (plan->moves && plan->type == EVENT_PLACE_BET && counted) {
		staked_add(&row->staked_today, &day, ledger_clock(ledger, plan->time_ns)->local_day,
		    ledger_event_stake(&plan->view));
		row->staked_day = day;
	} else if (plan->moves && plan->type == EVENT_CANCEL_BET && counted) {
		staked_remove(ledger, plan, &row->staked_today, row->staked_day);
	} else if (plan->type == EVENT_TERMINAL_SET) {
		terminal_allow(row, plan->view.body);
	} else if (plan->moves && plan->type == EVENT_SHIFT) {
		terminal_shift(row, plan);
	} else {
		staked_round(ledger, plan, ROUND_COUNTED_TERMINAL, &row->staked_today, &day);
		row->staked_day = day;
	}
	ledger_risk_learn_terminal(ledger, plan, plan->terminal);
	row->lsn = plan->lsn;
	ledger_row_changed(ledger, LEDGER_TERMINAL, plan->terminal, &slot->meta);
}

/* ---- Bet ---- */

static void bet_placed(struct ledger *ledger, struct plan *plan)
{
	uint8_t leg_count = plan->view.record.leg_count & 15u;
	uint32_t overflow;

	plan->bet =
	    ledger_bet_begin(ledger, plan->object_id, leg_count, &plan->bet_place, &overflow);
	ledger->bets[plan->bet] = (struct bet_slot){
		.id = plan->object_id,
		.lsn = plan->lsn,
		.account_id = plan->account_id,
		.terminal_id = plan->terminal_id,
		.stake = ledger_event_stake(&plan->view),
		.payout = le64s_get(plan->view.record.payout),
		.placed_at_ns = plan->time_ns,
		.currency = plan->currency,
		.state = BET_OPEN,
		.leg_count = leg_count & 15u,
		.overflow = overflow,
	};
	for (unsigned i = 0; i < leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, plan->view.body + i * sizeof(leg), sizeof(leg));
		ledger_bet_leg_set(ledger, plan->bet, i,
		    (struct bet_leg_kept){ .market_id = le64_get(leg.market_id),
		        .odds = le32_get(leg.odds),
		        .selection = le16_get(leg.selection) });
	}
	SLUICE_REQUIRE(ledger_bet_enter(ledger, plan->bet) == 0); /* its markets are there */
	ledger_group_save(ledger, LEDGER_BET, plan->bet, 1);
}

static void bet_changed(struct ledger *ledger, const struct plan *plan)
{
	struct bet_slot *bet = &ledger->bets[plan->bet];
	int was_open = bet->state == BET_OPEN, is_open;

	ledger_group_save(ledger, LEDGER_BET, plan->bet, 0);
	if (plan->type == EVENT_REPRINT) {
		/* As the answer says: in older logs it stays at 15. */
		bet_reprints_set(bet, (uint8_t)le64s_get(plan->view.record.payout));
		bet->lsn = plan->lsn;
		return;
	}
	is_open = plan->change.to == BET_OPEN;
	/* The exposure is of the potential payout: taken off before it changes, put on after. */
	if (was_open && !is_open)
		ledger_exposure_change(ledger, plan->bet, -1);
	bet->state = plan->change.to & 15u;
	bet->payout = le64s_get(plan->view.record.payout);
	bet->lsn = plan->lsn;
	if (is_open && !was_open)
		ledger_exposure_change(ledger, plan->bet, 1);
	ledger->bets_open += (uint64_t)(int64_t)(is_open - was_open);
}

static void apply_bet(struct ledger *ledger, struct plan *plan)
{
	/* A new bet is OPEN and on no queue: nothing is due. */
	if (plan->type == EVENT_PLACE_BET) {
		bet_placed(ledger, plan);
	} else {
		bet_changed(ledger, plan);
		ledger_due_note(ledger, LEDGER_BET, plan->bet, 0);
	}
	ledger_row_changed(ledger, LEDGER_BET, plan->bet, &ledger->bet_meta[plan->bet]);
}

/* ---- Market ---- */

static void market_set(struct ledger *ledger, struct plan *plan)
{
	struct market_row_state *row;
	struct event_market market;
	int created = plan->market == ROW_NONE;

	memcpy(&market, plan->view.body, sizeof(market));
	if (created)
		plan->market = ledger_table_insert(ledger, LEDGER_MARKET, plan->object_id);
	row = &ledger->markets[plan->market].row;
	row->id = plan->object_id;
	row->event_id = le64_get(market.event_id);
	row->version = le64_get(market.version);
	row->start_time_ns = le64_get(market.start_time_ns);
	row->state = market.state;
	row->kind = market.kind;
	row->selection_count = market.selection_count;
	row->line = (int16_t)le16_get(market.line);
	if (created)
		row->walked = 1;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		row->odds[i] = le32_get(market.odds[i]);
	row->lsn = plan->lsn;
	ledger_market_order_set(ledger, plan->market);
	ledger_event_index_add(ledger, plan->market);
	ledger_due_note(ledger, LEDGER_MARKET, plan->market, 0);
}

static int all_void(const struct event_result *result)
{
	struct settlement_outcomes_disk outcomes;

	memcpy(&outcomes, result->outcomes, sizeof(outcomes));
	for (unsigned i = 0; i < result->selection_count; i++)
		if (outcomes.of[i].kind != SETTLEMENT_VOID)
			return 0;
	return 1;
}

static void market_result(struct ledger *ledger, struct plan *plan)
{
	struct market_row_state *row = &ledger->markets[plan->market].row;
	struct event_result result;

	memcpy(&result, plan->view.body, sizeof(result));
	row->lsn = plan->lsn;
	switch (result.op) {
	case RESULT_SET:
		row->state = all_void(&result) ? MARKET_VOID : MARKET_SETTLED;
		break;
	case RESULT_ROLLBACK:
		row->state = MARKET_CLOSED;
		break;
	case RESULT_WALKED:
		row->walked = 1;
		row->walked_ns = plan->time_ns;
		break;
	default: /* RESULT_FINAL */
		row->final = 1;
		break;
	}
	if (result.op == RESULT_SET || result.op == RESULT_ROLLBACK) {
		memcpy(&row->outcomes, result.outcomes, sizeof(row->outcomes));
		row->version = le64_get(result.version);
		row->walked = 0;
		row->walked_ns = 0;
		ledger_market_order_set(ledger, plan->market);
	}
	ledger_event_index_add(ledger, plan->market);
	ledger_due_note(ledger, LEDGER_MARKET, plan->market, 0);
}

static void market_lease(struct ledger *ledger, const struct plan *plan)
{
	struct market_row_state *row = &ledger->markets[plan->market].row;
	struct event_lease lease;
	int64_t *moved;

	memcpy(&lease, plan->view.body, sizeof(lease));
	moved = lease.scope == LEASE_MARKET ? &row->credit_moved_market
	                                    : &row->credit_moved[lease.selection];
	SLUICE_REQUIRE(!__builtin_add_overflow(*moved, le64s_get(lease.amount), moved));
	row->lsn = plan->lsn;
}

static void apply_market(struct ledger *ledger, struct plan *plan)
{
	if (plan->type == EVENT_MARKET_SET)
		market_set(ledger, plan);
	else if (plan->type == EVENT_MARKET_RESULT)
		market_result(ledger, plan);
	else
		market_lease(ledger, plan);
	ledger_row_changed(
	    ledger, LEDGER_MARKET, plan->market, &ledger->markets[plan->market].meta);
}

/* ---- Objects and retirement ---- */

static void apply_object(struct ledger *ledger, const struct plan *plan, unsigned i)
{
	const struct object_bytes *object = &plan->view.objects[i];
	uint32_t row = plan->object_rows[i];
	int created = row == ROW_NONE;
	struct object_slot *slot;

	if (created)
		row = ledger_table_insert(ledger, LEDGER_OBJECT, le64_get(object->id));
	ledger_group_save(ledger, LEDGER_OBJECT, row, created);
	slot = &ledger->objects[row];
	if (!created)
		ledger_object_count(ledger, row, -1);
	slot->row.id = le64_get(object->id);
	slot->row.lsn = plan->lsn;
	slot->row.due_ns = le64_get(object->due_ns);
	slot->row.kind = object->kind;
	slot->row.state = object->state;
	slot->row.currency = le16_get(object->currency);
	slot->row.partner_id = le32_get(object->partner_id);
	memcpy(slot->row.body, object->body, sizeof(slot->row.body));
	ledger_object_count(ledger, row, 1);
	ledger_due_note(ledger, LEDGER_OBJECT, row, slot->row.due_ns);
	ledger_row_changed(ledger, LEDGER_OBJECT, row, &slot->meta);
}

static void apply_retired(struct ledger *ledger, const struct plan *plan)
{
	for (unsigned i = 0; i < plan->view.record.leg_count; i++) {
		enum ledger_table table =
		    plan->type == EVENT_BET_RETIRE ? LEDGER_BET : LEDGER_OBJECT;
		int known;
		uint32_t row = ledger_retired_row(ledger, plan, i, &known);

		if (row != ROW_NONE)
			ledger_row_retire(ledger, table, row);
	}
}

static void apply_shard(struct ledger *ledger, const struct plan *plan)
{
	struct shard_row *shard = &ledger->shard;

	shard->lsn = plan->lsn;
	shard->time_ns = plan->time_ns;
	if (ledger_event_counts(&plan->view))
		shard->bet_counter++; /* compared with the id in ledger_plan.c */
	else if (plan->type == EVENT_COMMAND_MARK)
		shard->control_sequence++;
	else if (plan->type == EVENT_RULES_SET)
		SLUICE_REQUIRE(ledger_event_rules(&plan->view, &shard->rules, &shard->extra) == 0);
}

/* What the follower found for it is where the rest of the bet's applying looks first. */
static void apply_plain_bet(struct ledger *ledger, const struct plan *plan)
{
	const struct derived_hint *hint = derived_hint(ledger, plan->lsn);
	const struct plain_bet bet = {
		.record = &plan->view.record,
		.legs = plan->view.body,
		.rows = plan->plain_rows,
		.place = plan->bet_place,
		.transaction = plan->learns ? plan->transaction : NULL,
		.traits = plan->learns ? plan->traits : NULL,
	};

	ledger->decided = plan->plain_rows;
	if (hint != NULL && hint->market_record != 0)
		ledger->derived->found = hint->market_record;
	ledger_plain_apply(ledger, &bet);
}

static int apply_view(struct ledger *ledger, struct plan *plan)
{
	int error = ledger_plan_make(ledger, plan);

	if (error != 0)
		return error;
	ledger_risk_learn_prepare(ledger, plan);
	if (SLUICE_LIKELY(plan->plain)) {
		apply_plain_bet(ledger, plan);
		return 0;
	}
	/* The rules of before the event hold; owed changes with the customer's own part. */
	if (plan->account_due)
		apply_account(ledger, plan);
	apply_lines(ledger, plan);
	if (plan->terminal_due)
		apply_terminal(ledger, plan);
	if (plan->bet_due)
		apply_bet(ledger, plan);
	if (plan->market_due)
		apply_market(ledger, plan);
	for (unsigned i = 0; i < plan->view.object_count; i++)
		if (plan->object_due[i])
			apply_object(ledger, plan, i);
	if (plan->retire_due)
		apply_retired(ledger, plan);
	if (plan->shard_due)
		apply_shard(ledger, plan);
	return 0;
}

int ledger_apply(struct ledger *ledger, const uint8_t *event, size_t length)
{
	struct plan plan;

	/* That its lines come to zero is found out with its plan. */
	if (event_view_read(event, length, &plan.view) != 0 ||
	    event_view_values_check(&plan.view) != 0)
		return -EBADMSG;
	plan.own = 0;
	return apply_view(ledger, &plan);
}

int ledger_apply_own(struct ledger *ledger, const uint8_t *event, size_t length)
{
	struct plan plan;

	if (SLUICE_LIKELY(ledger_plain_apply_decided(ledger, event, length)))
		return 0;
	if (event_view_read(event, length, &plan.view) != 0)
		return -EBADMSG;
	plan.own = 1;
	return apply_view(ledger, &plan);
}
