/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking an event against the state. What an event assumes about a row (previous position,
 * balance after it) is compared for every part that is due, so a log that does not belong to the
 * rows is noticed at once.
 */
#include "dataplane/ledger/ledger_plan.h"

#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_plain.h"

static int plan_shard(const struct ledger *ledger, struct plan *plan)
{
	const struct shard_row *shard = &ledger->shard;

	if (plan->lsn <= shard->lsn)
		return 0;
	if (plan->lsn != shard->lsn + 1 || plan->time_ns < shard->time_ns)
		return -EBADMSG;
	if (plan->type == EVENT_RULES_SET &&
	    le32_get(plan->view.record.rule_version) <= shard->rules.version)
		return -EBADMSG;
	if (plan->type == EVENT_COMMAND_MARK && plan->object_id != shard->control_sequence + 1)
		return -EBADMSG;
	plan->shard_due = 1;
	return 0;
}

/* account_find, terminal_find, market_find: first where the row was fetched from ahead of a replay.
 * A hint: the id is compared, as a row found by its tag may be another's. */
static uint32_t account_ahead(
    const struct ledger *ledger, const struct derived_hint *hint, uint64_t id)
{
	return hint != NULL && hint->account != ROW_NONE &&
	               ledger->accounts[hint->account].row.id == id
	           ? hint->account
	           : account_find(ledger, id);
}

static uint32_t terminal_ahead(
    const struct ledger *ledger, const struct derived_hint *hint, uint64_t id)
{
	return hint != NULL && hint->terminal != ROW_NONE &&
	               ledger->terminals[hint->terminal].row.id == id
	           ? hint->terminal
	           : terminal_find(ledger, id);
}

static uint32_t market_ahead(
    const struct ledger *ledger, const struct derived_hint *hint, uint64_t id)
{
	return hint != NULL && hint->market != ROW_NONE &&
	               ledger->markets[hint->market].row.id == id
	           ? hint->market
	           : market_find(ledger, id);
}

static int plan_terminal(const struct ledger *ledger, struct plan *plan)
{
	struct event_terminal allowed;
	uint64_t last = 0;

	if (plan->terminal_id == 0)
		return 0;
	plan->terminal = terminal_ahead(ledger, derived_hint(ledger, plan->lsn), plan->terminal_id);
	if (plan->terminal != ROW_NONE)
		last = ledger->terminals[plan->terminal].row.lsn;
	else if (!table_room(ledger, LEDGER_TERMINAL, 1))
		return -ENOSPC;
	if (last >= plan->lsn)
		return 0;
	if (last != le64_get(plan->view.record.prev_terminal_lsn))
		return -EBADMSG;
	if (plan->type == EVENT_TERMINAL_SET && plan->terminal != ROW_NONE) {
		memcpy(&allowed, plan->view.body, sizeof(allowed));
		if (le64_get(allowed.version) <= ledger->terminals[plan->terminal].row.version)
			return -EBADMSG;
	}
	plan->terminal_due = 1;
	return 0;
}

/* What the row would be after `amount`, with the position before: 1 fits. */
static int customer_fits(const struct account_row *row, uint64_t prev_lsn, int64_t amount,
    int64_t balance, uint16_t currency, int moves)
{
	int64_t after;

	if (row->lsn != prev_lsn || __builtin_add_overflow(row->balance, amount, &after) ||
	    after != balance)
		return 0;
	return !moves || amount == 0 || row->currency == currency;
}

static int plan_account(const struct ledger *ledger, struct plan *plan)
{
	const struct event_record *record = &plan->view.record;
	const struct account_row *row;

	if (plan->account_id == 0 || plan->account_id > LIMIT_ACCOUNT_ID_MAX)
		return 0;
	plan->account = account_ahead(ledger, derived_hint(ledger, plan->lsn), plan->account_id);
	if (plan->account == ROW_NONE) {
		/* Else only a refusal, about an account this shard does not have. */
		if (plan->type != EVENT_ACCOUNT_OPEN || !plan->moves)
			return plan->moves || le64_get(record->prev_account_lsn) != 0 ||
			               le64s_get(record->balance) != 0
			           ? -EBADMSG
			           : 0;
		plan->account_due = 1;
		return table_room(ledger, LEDGER_ACCOUNT, 1) ? 0 : -ENOSPC;
	}
	row = &ledger->accounts[plan->account].row;
	if (row->lsn >= plan->lsn)
		return 0;
	if (!customer_fits(row, le64_get(record->prev_account_lsn), plan->moves ? plan->amount : 0,
	        le64s_get(record->balance), plan->currency, plan->moves) ||
	    (plan->type == EVENT_ACCOUNT_OPEN && plan->moves))
		return -EBADMSG;
	plan->account_due = 1;
	return 0;
}

static int line_fits(const struct ledger *ledger, const struct plan *plan, unsigned i)
{
	const struct ledger_line *line = &plan->lines[i];
	const struct account_row *row;
	int64_t balance = 0;

	if (plan->line_rows[i] != ROW_NONE)
		balance = ledger->accounts[plan->line_rows[i]].row.balance;
	if (line->account_id <= LIMIT_ACCOUNT_ID_MAX) {
		row = &ledger->accounts[plan->line_rows[i]].row;
		/* Of this currency even when it moves nothing: its debt is repaid in it. */
		return row->currency == plan->currency &&
		       customer_fits(
		           row, line->prev_lsn, line->amount, line->balance, plan->currency, 1);
	}
	return !__builtin_add_overflow(balance, line->amount, &balance) &&
	       balance <= SYSTEM_BALANCE_MAX && balance >= -SYSTEM_BALANCE_MAX;
}

static int plan_lines(const struct ledger *ledger, struct plan *plan)
{
	uint32_t needed = plan->account_due && plan->account == ROW_NONE;
	int count = ledger_lines(&plan->view, plan->lines);

	if (count < 0)
		return count;
	plan->line_count = (uint8_t)count;
	for (unsigned i = 0; i < plan->line_count; i++) {
		uint64_t id = plan->lines[i].account_id;

		plan->line_rows[i] = account_find(ledger, id);
		plan->line_due[i] = plan->line_rows[i] == ROW_NONE ||
		                    ledger->accounts[plan->line_rows[i]].row.lsn < plan->lsn;
		if (plan->line_rows[i] == ROW_NONE) {
			if (id <= LIMIT_ACCOUNT_ID_MAX)
				return -EBADMSG;
			needed++;
		}
		if (plan->line_due[i] && !line_fits(ledger, plan, i))
			return -EBADMSG;
	}
	return needed == 0 || table_room(ledger, LEDGER_ACCOUNT, needed) ? 0 : -ENOSPC;
}

/* A row an event names that is not there: retired since, when the rows are newer than the event. */
static int missing(const struct ledger *ledger, const struct plan *plan)
{
	return plan->lsn <= ledger->horizon_lsn ? 0 : -EBADMSG;
}

/* Whether a row that is not there is made by the event: one that was applied before, to rows that
 * may have retired since, makes none. */
static uint8_t made_now(const struct ledger *ledger, const struct plan *plan)
{
	return plan->shard_due || missing(ledger, plan) != 0;
}

static int plan_place(const struct ledger *ledger, struct plan *plan)
{
	const struct bet_slot *bet;

	for (unsigned i = 0; i < plan->view.record.leg_count && !plan->own; i++) {
		struct event_leg leg;

		memcpy(&leg, plan->view.body + i * sizeof(leg), sizeof(leg));
		if (market_find(ledger, le64_get(leg.market_id)) == ROW_NONE)
			return -EBADMSG;
	}
	plan->bet = bet_find_place(ledger, plan->object_id, &plan->bet_place);
	if (plan->bet == ROW_NONE) {
		plan->bet_due = made_now(ledger, plan);
		return !plan->bet_due || table_room(ledger, LEDGER_BET, 1) ? 0 : -ENOSPC;
	}
	bet = &ledger->bets[plan->bet];
	/* Its own event, seen before. */
	return bet->lsn >= plan->lsn && bet->account_id == plan->account_id &&
	               bet->terminal_id == plan->terminal_id &&
	               bet->stake == ledger_event_stake(&plan->view)
	           ? 0
	           : -EBADMSG;
}

static int plan_bet(const struct ledger *ledger, struct plan *plan)
{
	const struct bet_slot *bet;

	if (!plan->moves)
		return 0;
	if (plan->type == EVENT_PLACE_BET)
		return plan_place(ledger, plan);
	if (!type_changes_bet(plan->type) && plan->type != EVENT_REPRINT)
		return 0;
	plan->bet = bet_find(ledger, plan->object_id);
	if (plan->bet == ROW_NONE)
		return missing(ledger, plan);
	bet = &ledger->bets[plan->bet];
	if (type_changes_bet(plan->type)) {
		/* True of the bet at any time, so also when this part is not due. */
		if (bet->stake != le64s_get(plan->change.stake) ||
		    bet->placed_at_ns != le64_get(plan->change.placed_at_ns) ||
		    bet->currency != plan->currency || bet->account_id != plan->account_id)
			return -EBADMSG;
		if (bet->lsn < plan->lsn && bet->state != plan->change.from)
			return -EBADMSG;
	}
	plan->bet_due = bet->lsn < plan->lsn;
	return 0;
}

static int market_version_fits(const struct plan *plan, const struct market_row_state *row)
{
	struct event_market market;
	struct event_result result;

	if (plan->type == EVENT_MARKET_SET) {
		memcpy(&market, plan->view.body, sizeof(market));
		return le64_get(market.version) > row->version;
	}
	if (plan->type != EVENT_MARKET_RESULT)
		return 1;
	memcpy(&result, plan->view.body, sizeof(result));
	if (result.op == RESULT_SET || result.op == RESULT_ROLLBACK)
		return le64_get(result.version) > row->version &&
		       result.selection_count == row->selection_count;
	return result.selection_count == row->selection_count;
}

static int plan_market(const struct ledger *ledger, struct plan *plan)
{
	const struct market_row_state *row;
	uint64_t id = plan->object_id;

	if (plan->type == EVENT_LEASE) {
		struct event_lease lease;

		memcpy(&lease, plan->view.body, sizeof(lease));
		if (lease.scope == LEASE_PARTNER)
			return 0;
		id = le64_get(lease.id);
	} else if (plan->type != EVENT_MARKET_SET && plan->type != EVENT_MARKET_RESULT) {
		return 0;
	}
	plan->market = market_find(ledger, id);
	if (plan->market == ROW_NONE) {
		if (plan->type != EVENT_MARKET_SET)
			return -EBADMSG;
		plan->market_due = 1;
		return table_room(ledger, LEDGER_MARKET, 1) ? 0 : -ENOSPC;
	}
	row = &ledger->markets[plan->market].row;
	if (row->lsn >= plan->lsn)
		return 0;
	if (!market_version_fits(plan, row))
		return -EBADMSG;
	plan->market_due = 1;
	return 0;
}

static int plan_objects(const struct ledger *ledger, struct plan *plan)
{
	uint32_t needed = 0;

	for (unsigned i = 0; i < plan->view.object_count; i++) {
		const struct object_bytes *object = &plan->view.objects[i];
		const struct object_row *row;

		plan->object_rows[i] = object_find(ledger, le64_get(object->id));
		if (plan->object_rows[i] == ROW_NONE) {
			plan->object_due[i] = made_now(ledger, plan);
			needed += plan->object_due[i];
			continue;
		}
		row = &ledger->objects[plan->object_rows[i]].row;
		if (row->kind != object->kind)
			return -EBADMSG;
		plan->object_due[i] = row->lsn < plan->lsn;
	}
	return needed == 0 || table_room(ledger, LEDGER_OBJECT, needed) ? 0 : -ENOSPC;
}

uint32_t ledger_retired_row(
    const struct ledger *ledger, const struct plan *plan, unsigned i, int *known)
{
	struct le64 id;
	uint64_t lsn = 0;
	uint32_t row;

	memcpy(&id, plan->view.body + 8 * i, sizeof(id));
	if (plan->type == EVENT_BET_RETIRE) {
		row = bet_find(ledger, le64_get(id));
		if (row != ROW_NONE)
			lsn = ledger->bets[row].lsn;
	} else {
		row = object_find(ledger, le64_get(id));
		if (row != ROW_NONE)
			lsn = ledger->objects[row].row.lsn;
	}
	*known = row != ROW_NONE;
	return lsn < plan->lsn ? row : ROW_NONE;
}

static int plan_retired(const struct ledger *ledger, struct plan *plan)
{
	for (unsigned i = 0; i < plan->view.record.leg_count; i++) {
		int known;
		uint32_t row = ledger_retired_row(ledger, plan, i, &known);

		if (row == ROW_NONE && !known && missing(ledger, plan) != 0)
			return -EBADMSG;
		if (row != ROW_NONE && plan->type == EVENT_BET_RETIRE &&
		    ledger->bets[row].state == BET_OPEN)
			return -EBADMSG;
		plan->retire_due |= row != ROW_NONE;
	}
	return 0;
}

static int parts_due(const struct plan *plan)
{
	int due = plan->account_due || plan->terminal_due || plan->bet_due || plan->market_due ||
	          plan->retire_due;

	for (unsigned i = 0; i < plan->line_count; i++)
		due |= plan->line_due[i];
	for (unsigned i = 0; i < plan->view.object_count; i++)
		due |= plan->object_due[i];
	return due;
}

/* An id of the shard's counter: a bet's, or an object's with a printed id. */
static int counter_fits(const struct ledger *ledger, const struct plan *plan)
{
	if (!plan->shard_due || !ledger_event_counts(&plan->view))
		return 1;
	return (plan->object_id & IDS_COUNTER_MAX) == ledger->shard.bet_counter + 1;
}

/* The rows of a plain bet that somebody else decided: all are there, its markets too, and it itself
 * is not. 1 found. */
static int plain_bet_rows(const struct ledger *ledger, struct plan *plan, struct decided_bet *rows)
{
	const struct derived_hint *hint = derived_hint(ledger, plan->lsn);
	uint64_t stakes = ledger_system_account(SYSTEM_STAKES, plan->currency, 0);

	if (plan->account_id > LIMIT_ACCOUNT_ID_MAX)
		return 0;
	rows->lsn = plan->lsn;
	rows->scene = NULL;
	rows->account = account_ahead(ledger, hint, plan->account_id);
	rows->terminal = terminal_ahead(ledger, hint, plan->terminal_id);
	/* Nearly always where the bet before had it; only the id counts. */
	rows->stakes = ledger->stakes_seen;
	if (SLUICE_UNLIKELY(ledger->accounts[rows->stakes].row.id != stakes))
		rows->stakes = account_find(ledger, stakes);
	for (unsigned i = 0; i < plan->view.record.leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, plan->view.body + i * sizeof(leg), sizeof(leg));
		if (market_ahead(ledger, i == 0 ? hint : NULL, le64_get(leg.market_id)) == ROW_NONE)
			return 0;
	}
	return rows->account != ROW_NONE && rows->terminal != ROW_NONE &&
	       rows->stakes != ROW_NONE &&
	       bet_find_place(ledger, plan->object_id, &plan->bet_place) == ROW_NONE;
}

/* Of an own one that is plain there is no plan (ledger_plain_apply_decided). */
static int plan_plain_bet(const struct ledger *ledger, struct plan *plan)
{
	if (plan->own || plan->type != EVENT_PLACE_BET || plan->code != WIRE_CODE_OK ||
	    plan->amount >= 0 || plan->view.line_count != 0 || plan->view.object_count != 0)
		return 0;
	/* Rows are not ahead of the shard's, and none can have retired. */
	if (plan->lsn <= ledger->horizon_lsn || !plain_bet_rows(ledger, plan, &plan->plain_rows) ||
	    !ledger_plain_fits(ledger, &plan->view.record, &plan->plain_rows))
		return 0;
	plan->account = plan->plain_rows.account;
	plan->terminal = plan->plain_rows.terminal;
	plan->plain = 1;
	return 1;
}

int ledger_plan_make(const struct ledger *ledger, struct plan *plan)
{
	typedef int planner(const struct ledger *, struct plan *);
	static planner *const planners[] = { plan_shard, plan_terminal, plan_account, plan_lines,
		plan_bet, plan_market, plan_objects };
	const struct event_record *record = &plan->view.record;
	int error = 0;

	plan->lsn = le64_get(record->lsn);
	plan->time_ns = le64_get(record->time_ns);
	plan->account_id = le64_get(record->account_id);
	plan->terminal_id = le64_get(record->terminal_id);
	plan->object_id = le64_get(record->object_id);
	plan->amount = le64s_get(record->amount);
	plan->type = le16_get(record->type);
	plan->code = le16_get(record->code);
	plan->currency = le16_get(record->currency);
	plan->moves = (uint8_t)event_moves(plan->type, plan->code);
	plan->account = plan->terminal = plan->bet = plan->market = ROW_NONE;
	plan->account_due = plan->terminal_due = plan->bet_due = plan->market_due = 0;
	plan->shard_due = plan->retire_due = plan->line_count = 0;
	if (type_changes_bet(plan->type))
		memcpy(&plan->change, plan->view.body, sizeof(plan->change));
	plan->plain = 0;
	if (SLUICE_LIKELY(plan_plain_bet(ledger, plan)))
		return 0;
	for (unsigned i = 0; i < sizeof(planners) / sizeof(planners[0]) && error == 0; i++)
		error = planners[i](ledger, plan);
	if (error == 0 && (plan->type == EVENT_BET_RETIRE || plan->type == EVENT_OBJECT_RETIRE))
		error = plan_retired(ledger, plan);
	if (error != 0)
		return error;
	if (!counter_fits(ledger, plan))
		return -EBADMSG;
	/*
	 * Rows are never older than the shard row. If one is, this is not the event that was
	 * applied under this LSN, and carrying out some of its parts could move one side of the
	 * money only.
	 */
	return !plan->shard_due && parts_due(plan) ? -EBADMSG : 0;
}
