/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying an event: first everything that could be wrong is checked and the rows are found (plan),
 * then the parts are carried out, and nothing can fail any more.
 *
 * Parts of an event: account, counter account, terminal, bet, market, shard. A row part is due when
 * the row does not exist or is older than the event (row.lsn < event.lsn); the shard part when the
 * event is the next one. What an event assumes about a row (previous position, balance after it) is
 * compared for every part that is due, so a log that does not belong to the rows is noticed at
 * once.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_internal.h"

struct plan {
	struct event_record record;
	const uint8_t *body;
	uint64_t lsn, time_ns, account_id, terminal_id, object_id, counter_id;
	int64_t amount;
	uint32_t account, counter, terminal, bet, market; /* rows; ROW_NONE: to be created */
	uint16_t type, currency;
	uint8_t done; /* code OK: money moves */
	uint8_t account_due, counter_due, terminal_due, bet_due, market_due, shard_due;
};

/* ---- Checking ---- */

static int plan_terminal(const struct ledger *ledger, struct plan *plan)
{
	struct event_terminal allowed;
	uint64_t last = 0;

	if (plan->terminal_id == 0)
		return 0;
	plan->terminal = terminal_find(ledger, plan->terminal_id);
	if (plan->terminal != ROW_NONE)
		last = ledger->terminals[plan->terminal].row.lsn;
	else if (!table_room(ledger, LEDGER_TERMINAL, 1))
		return -ENOSPC;
	if (last >= plan->lsn)
		return 0;
	if (last != le64_get(plan->record.prev_terminal_lsn))
		return -EBADMSG;
	if (plan->type == EVENT_TERMINAL_SET && plan->terminal != ROW_NONE) {
		memcpy(&allowed, plan->body, sizeof(allowed));
		if (le64_get(allowed.version) <= ledger->terminals[plan->terminal].row.version)
			return -EBADMSG;
	}
	plan->terminal_due = 1;
	return 0;
}

static int plan_account(const struct ledger *ledger, struct plan *plan)
{
	const struct account_row *row;
	int64_t balance;

	if (plan->account_id == 0 || plan->account_id > LIMIT_ACCOUNT_ID_MAX)
		return 0;
	plan->account = account_find(ledger, plan->account_id);
	if (plan->account == ROW_NONE) {
		/* Else only a refusal, about an account this shard does not have. */
		if (plan->type != EVENT_ACCOUNT_OPEN)
			return plan->done || le64_get(plan->record.prev_account_lsn) != 0 ||
			               le64s_get(plan->record.balance) != 0
			           ? -EBADMSG
			           : 0;
		plan->account_due = 1;
		return 0;
	}
	row = &ledger->accounts[plan->account].row;
	if (row->lsn >= plan->lsn)
		return 0;
	balance = row->balance + (plan->done ? plan->amount : 0); /* both within 10^15 */
	if (row->lsn != le64_get(plan->record.prev_account_lsn) ||
	    balance != le64s_get(plan->record.balance) || plan->type == EVENT_ACCOUNT_OPEN ||
	    (plan->done && row->currency != plan->currency))
		return -EBADMSG;
	plan->account_due = 1;
	return 0;
}

static int plan_counter(const struct ledger *ledger, struct plan *plan)
{
	uint32_t needed = plan->account_due && plan->account == ROW_NONE;
	int64_t balance = 0;

	if (plan->done && plan->amount != 0) {
		plan->counter_id =
		    ledger_counter_account(plan->type, plan->currency, plan->terminal_id);
		plan->counter = account_find(ledger, plan->counter_id);
		plan->counter_due = plan->counter == ROW_NONE ||
		                    ledger->accounts[plan->counter].row.lsn < plan->lsn;
		if (plan->counter == ROW_NONE)
			needed++;
		else
			balance = ledger->accounts[plan->counter].row.balance;
	}
	if (needed > 0 && !table_room(ledger, LEDGER_ACCOUNT, needed))
		return -ENOSPC;
	if (plan->counter_due && (balance > SYSTEM_BALANCE_MAX + plan->amount ||
	                             balance < plan->amount - SYSTEM_BALANCE_MAX))
		return -EBADMSG;
	return 0;
}

static int plan_bet(const struct ledger *ledger, struct plan *plan)
{
	const struct bet_slot *bet;

	if (!plan->done || (plan->type != EVENT_PLACE_BET && plan->type != EVENT_CANCEL_BET))
		return 0;
	plan->bet = bet_find(ledger, plan->object_id);
	if (plan->type == EVENT_PLACE_BET && plan->shard_due &&
	    (plan->object_id & IDS_COUNTER_MAX) != ledger->shard.bet_counter + 1)
		return -EBADMSG;
	if (plan->bet == ROW_NONE) {
		if (plan->type == EVENT_CANCEL_BET)
			return -EBADMSG;
		plan->bet_due = 1;
		return table_room(ledger, LEDGER_BET, 1) ? 0 : -ENOSPC;
	}
	bet = &ledger->bets[plan->bet];
	/* True of the bet at any time, so also when this part is not due. */
	if (bet->account_id != plan->account_id || bet->terminal_id != plan->terminal_id ||
	    bet->currency != plan->currency ||
	    bet->stake != (plan->type == EVENT_PLACE_BET ? -plan->amount : plan->amount))
		return -EBADMSG;
	if (bet->lsn >= plan->lsn)
		return 0;
	if (plan->type == EVENT_PLACE_BET || bet->state != BET_OPEN)
		return -EBADMSG;
	plan->bet_due = 1;
	return 0;
}

static int plan_market(const struct ledger *ledger, struct plan *plan)
{
	const struct market_row_state *row;
	struct event_market market;

	if (plan->type != EVENT_MARKET_SET)
		return 0;
	plan->market = market_find(ledger, plan->object_id);
	if (plan->market == ROW_NONE) {
		plan->market_due = 1;
		return table_room(ledger, LEDGER_MARKET, 1) ? 0 : -ENOSPC;
	}
	row = &ledger->markets[plan->market].row;
	if (row->lsn >= plan->lsn)
		return 0;
	memcpy(&market, plan->body, sizeof(market));
	if (le64_get(market.version) <= row->version)
		return -EBADMSG;
	plan->market_due = 1;
	return 0;
}

static int plan_shard(const struct ledger *ledger, struct plan *plan)
{
	const struct shard_row *shard = &ledger->shard;

	if (plan->lsn <= shard->lsn)
		return 0;
	if (plan->lsn != shard->lsn + 1 || plan->time_ns < shard->time_ns)
		return -EBADMSG;
	if (plan->type == EVENT_RULES_SET &&
	    le32_get(plan->record.rule_version) <= shard->rules.version)
		return -EBADMSG;
	if (plan->type == EVENT_COMMAND_MARK && plan->object_id != shard->control_sequence + 1)
		return -EBADMSG;
	plan->shard_due = 1;
	return 0;
}

static int plan_make(const struct ledger *ledger, const uint8_t *event, struct plan *plan)
{
	int error;

	memset(plan, 0, sizeof(*plan));
	memcpy(&plan->record, event, sizeof(plan->record));
	plan->body = event + sizeof(plan->record);
	plan->lsn = le64_get(plan->record.lsn);
	plan->time_ns = le64_get(plan->record.time_ns);
	plan->account_id = le64_get(plan->record.account_id);
	plan->terminal_id = le64_get(plan->record.terminal_id);
	plan->object_id = le64_get(plan->record.object_id);
	plan->amount = le64s_get(plan->record.amount);
	plan->type = le16_get(plan->record.type);
	plan->currency = le16_get(plan->record.currency);
	plan->done = le16_get(plan->record.code) == WIRE_CODE_OK;
	error = plan_shard(ledger, plan);
	if (error == 0)
		error = plan_terminal(ledger, plan);
	if (error == 0)
		error = plan_account(ledger, plan);
	if (error == 0)
		error = plan_counter(ledger, plan);
	if (error == 0)
		error = plan_bet(ledger, plan);
	if (error == 0)
		error = plan_market(ledger, plan);
	if (error != 0)
		return error;
	/*
	 * Rows are never older than the shard row. If one is, this is not the event that was
	 * applied under this LSN, and carrying out some of its parts could move one side of the
	 * money only.
	 */
	if (!plan->shard_due && (plan->account_due || plan->counter_due || plan->terminal_due ||
	                            plan->bet_due || plan->market_due))
		return -EBADMSG;
	return 0;
}

/* ---- Carrying out ---- */

static void staked_add(int64_t *staked_today, uint32_t *staked_day, uint32_t day, int64_t stake)
{
	if (*staked_day < day) {
		*staked_day = day;
		*staked_today = 0;
	}
	SLUICE_REQUIRE(!__builtin_add_overflow(*staked_today, stake, staked_today));
}

/* A cancelled bet no longer counts against the day it was placed on, if that is still today. */
static void staked_remove(const struct ledger *ledger, const struct plan *plan,
    int64_t *staked_today, uint32_t staked_day)
{
	const struct bet_slot *bet = &ledger->bets[plan->bet];
	uint32_t day = risk_day(&ledger->shard.rules, plan->time_ns);

	if (staked_day != day || risk_day(&ledger->shard.rules, bet->placed_at_ns) != day)
		return;
	*staked_today = *staked_today > plan->amount ? *staked_today - plan->amount : 0;
}

static void apply_account(struct ledger *ledger, struct plan *plan)
{
	struct account_slot *slot;
	struct account_row *row;

	if (plan->account == ROW_NONE) {
		plan->account = ledger_account_create(ledger, plan->account_id, plan->currency, 0);
		risk_profile_init(&ledger->accounts[plan->account].row.profile, plan->time_ns);
	}
	slot = &ledger->accounts[plan->account];
	row = &slot->row;
	if (plan->done) {
		SLUICE_REQUIRE(!__builtin_add_overflow(row->balance, plan->amount, &row->balance));
		SLUICE_REQUIRE(row->balance >= 0 && row->balance <= LIMIT_BALANCE_MAX);
	}
	if (plan->done && plan->type == EVENT_PLACE_BET) {
		staked_add(&row->staked_today, &row->staked_day,
		    risk_day(&ledger->shard.rules, plan->time_ns), -plan->amount);
		risk_profile_bet(&row->profile, plan->time_ns, -plan->amount, plan->record.score);
	} else if (plan->done && plan->type == EVENT_CANCEL_BET) {
		staked_remove(ledger, plan, &row->staked_today, row->staked_day);
		risk_profile_cancel(&row->profile);
	} else if (plan->type == EVENT_ACCOUNT_FREEZE) {
		row->flags &= (uint16_t)~ACCOUNT_FROZEN;
		if (plan->record.flags & EVENT_FLAG_FROZEN)
			row->flags |= ACCOUNT_FROZEN;
	}
	row->lsn = plan->lsn;
	ledger_row_changed(ledger, LEDGER_ACCOUNT, plan->account, &slot->meta);
}

static void apply_counter(struct ledger *ledger, struct plan *plan)
{
	struct account_slot *slot;
	int64_t credit = -plan->amount;

	if (plan->counter == ROW_NONE)
		plan->counter =
		    ledger_account_create(ledger, plan->counter_id, plan->currency, ACCOUNT_SYSTEM);
	slot = &ledger->accounts[plan->counter];
	SLUICE_REQUIRE(slot->row.flags & ACCOUNT_SYSTEM && slot->row.currency == plan->currency);
	SLUICE_REQUIRE(plan->amount + credit == 0);
	SLUICE_REQUIRE(!__builtin_add_overflow(slot->row.balance, credit, &slot->row.balance));
	slot->row.lsn = plan->lsn;
	ledger_row_changed(ledger, LEDGER_ACCOUNT, plan->counter, &slot->meta);
}

static void terminal_allow(struct terminal_row *row, const uint8_t *body)
{
	struct event_terminal allowed;

	memcpy(&allowed, body, sizeof(allowed));
	row->rights = le32_get(allowed.rights);
	row->daily_max = le64s_get(allowed.daily_max);
	row->version = le64_get(allowed.version);
	row->blocked = allowed.blocked;
}

static void apply_terminal(struct ledger *ledger, struct plan *plan)
{
	uint64_t request_id = le64_get(plan->record.request_id);
	struct terminal_slot *slot;
	struct terminal_row *row;

	if (plan->terminal == ROW_NONE)
		plan->terminal = ledger_terminal_create(ledger, plan->terminal_id);
	slot = &ledger->terminals[plan->terminal];
	row = &slot->row;
	if (request_id > row->highest_request_id)
		row->highest_request_id = request_id;
	if (plan->done && plan->type == EVENT_PLACE_BET)
		staked_add(&row->staked_today, &row->staked_day,
		    risk_day(&ledger->shard.rules, plan->time_ns), -plan->amount);
	else if (plan->done && plan->type == EVENT_CANCEL_BET)
		staked_remove(ledger, plan, &row->staked_today, row->staked_day);
	else if (plan->type == EVENT_TERMINAL_SET)
		terminal_allow(row, plan->body);
	row->lsn = plan->lsn;
	ledger_row_changed(ledger, LEDGER_TERMINAL, plan->terminal, &slot->meta);
}

static void apply_bet(struct ledger *ledger, struct plan *plan)
{
	if (plan->type == EVENT_CANCEL_BET) {
		ledger->bets[plan->bet].state = BET_CANCELLED;
		ledger->bets[plan->bet].lsn = plan->lsn;
		ledger->bets_open--;
	} else {
		struct bet_row bet;

		bet.id = plan->object_id;
		bet.lsn = plan->lsn;
		bet.account_id = plan->account_id;
		bet.terminal_id = plan->terminal_id;
		bet.stake = -plan->amount;
		bet.payout = le64s_get(plan->record.payout);
		bet.placed_at_ns = plan->time_ns;
		bet.currency = plan->currency;
		bet.state = BET_OPEN;
		bet.leg_count = plan->record.leg_count;
		bet.reserved = 0;
		for (unsigned i = 0; i < bet.leg_count; i++) {
			struct event_leg leg;

			memcpy(&leg, plan->body + i * sizeof(leg), sizeof(leg));
			bet.legs[i].market_id = le64_get(leg.market_id);
			bet.legs[i].odds = le32_get(leg.odds);
			bet.legs[i].selection = le16_get(leg.selection);
		}
		plan->bet = ledger_bet_create(ledger, &bet);
	}
	ledger_row_changed(ledger, LEDGER_BET, plan->bet, &ledger->bet_meta[plan->bet]);
}

static void apply_market(struct ledger *ledger, struct plan *plan)
{
	struct market_slot *slot;
	struct event_market market;

	memcpy(&market, plan->body, sizeof(market));
	if (plan->market == ROW_NONE)
		plan->market = ledger_table_insert(ledger, LEDGER_MARKET, plan->object_id);
	slot = &ledger->markets[plan->market];
	slot->row.id = plan->object_id;
	slot->row.lsn = plan->lsn;
	slot->row.event_id = le64_get(market.event_id);
	slot->row.version = le64_get(market.version);
	slot->row.start_time_ns = le64_get(market.start_time_ns);
	slot->row.state = market.state;
	slot->row.kind = market.kind;
	slot->row.selection_count = market.selection_count;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		slot->row.odds[i] = le32_get(market.odds[i]);
	ledger_market_order_set(ledger, plan->market);
	ledger_row_changed(ledger, LEDGER_MARKET, plan->market, &slot->meta);
}

static void apply_shard(struct ledger *ledger, const struct plan *plan)
{
	struct shard_row *shard = &ledger->shard;

	shard->lsn = plan->lsn;
	shard->time_ns = plan->time_ns;
	if (plan->type == EVENT_PLACE_BET && plan->done)
		shard->bet_counter++; /* compared with the bet's id in plan_bet */
	else if (plan->type == EVENT_COMMAND_MARK)
		shard->control_sequence++;
	else if (plan->type == EVENT_RULES_SET) {
		struct event_rules rules;

		memcpy(&rules, plan->body, sizeof(rules));
		SLUICE_REQUIRE(risk_rules_decode(&rules, &shard->rules) == 0);
	}
}

int ledger_apply(struct ledger *ledger, const uint8_t *event, size_t length)
{
	struct plan plan;
	int error;

	if (event_check(event, length) != 0)
		return -EBADMSG;
	error = plan_make(ledger, event, &plan);
	if (error != 0)
		return error;
	/* The bet last: the others read what it was placed on; the rules of before the event hold.
	 */
	if (plan.account_due)
		apply_account(ledger, &plan);
	if (plan.counter_due)
		apply_counter(ledger, &plan);
	if (plan.terminal_due)
		apply_terminal(ledger, &plan);
	if (plan.bet_due)
		apply_bet(ledger, &plan);
	if (plan.market_due)
		apply_market(ledger, &plan);
	if (plan.shard_due)
		apply_shard(ledger, &plan);
	return 0;
}
