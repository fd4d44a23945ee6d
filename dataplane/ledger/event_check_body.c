/* SPDX-License-Identifier: Apache-2.0 */
/* Check of the fixed bodies of events (see event_check.c). */
#include <errno.h>

#include "dataplane/ledger/ledger_plan.h"

static int legs_valid(const struct event_view *view)
{
	int done = le16_get(view->record.code) == WIRE_CODE_OK;
	int64_t stake;

	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, view->body + i * sizeof(leg), sizeof(leg));
		if (!bytes_all_zero(leg.reserved, sizeof(leg.reserved)))
			return 0;
		if (done &&
		    (le64_get(leg.market_id) == 0 ||
		        le16_get(leg.selection) >= LIMIT_MARKET_SELECTIONS_MAX ||
		        le32_get(leg.odds) < LIMIT_ODDS_MIN || le32_get(leg.odds) > LIMIT_ODDS_MAX))
			return 0;
	}
	if (!done)
		return 1;
	stake = ledger_event_stake(view);
	return stake > 0 && stake <= LIMIT_STAKE_MAX;
}

int event_market_check(const struct event_market *market)
{
	int line = (int16_t)le16_get(market->line);

	if (market->state < MARKET_BEFORE || market->state > MARKET_CLOSED ||
	    market->selection_count == 0 || market->selection_count > LIMIT_MARKET_SELECTIONS_MAX)
		return -EINVAL;
	if (market->kind != MARKET_KIND_1X2 && market->kind != MARKET_KIND_OVER_UNDER &&
	    market->kind != MARKET_KIND_HANDICAP && market->kind != MARKET_KIND_OTHER)
		return -EINVAL;
	if (!in_range(line, -SETTLEMENT_LINE_MAX, SETTLEMENT_LINE_MAX))
		return -EINVAL;
	if (!bytes_all_zero(market->reserved, sizeof(market->reserved)) ||
	    !bytes_all_zero(market->reserved_tail, sizeof(market->reserved_tail)) ||
	    le64_get(market->version) == 0 || le64_get(market->event_id) == 0)
		return -EINVAL;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		uint32_t odds = le32_get(market->odds[i]);

		if (odds != 0 && (i >= market->selection_count || odds < LIMIT_ODDS_MIN ||
		                     odds > LIMIT_ODDS_MAX))
			return -EINVAL;
	}
	return 0;
}

int event_terminal_check(const struct event_terminal *terminal)
{
	if (le64_get(terminal->version) == 0 || (le32_get(terminal->rights) & ~RIGHT_ALL) != 0 ||
	    terminal->blocked > 1 ||
	    !in_range(le64s_get(terminal->daily_max), 0, LIMIT_BALANCE_MAX) ||
	    !bytes_all_zero(terminal->reserved, sizeof(terminal->reserved)))
		return -EINVAL;
	return 0;
}

int event_result_check(const struct event_result *result)
{
	struct settlement_outcomes outcomes;
	struct settlement_outcomes_disk disk;

	memcpy(&disk, result->outcomes, sizeof(disk));
	if (result->op < RESULT_SET || result->op > RESULT_FINAL || result->selection_count == 0 ||
	    result->selection_count > LIMIT_MARKET_SELECTIONS_MAX ||
	    !bytes_all_zero(result->reserved, sizeof(result->reserved)))
		return -EINVAL;
	if ((result->op == RESULT_SET || result->op == RESULT_ROLLBACK) !=
	    (le64_get(result->version) != 0))
		return -EINVAL;
	if (result->op != RESULT_SET)
		return bytes_all_zero(&disk, sizeof(disk)) ? 0 : -EINVAL;
	return settlement_outcomes_read(&disk, result->selection_count, &outcomes) == 0 ? 0
	                                                                                : -EINVAL;
}

/* Which changes of state a type makes: bits from << 3 | to. */
static int transition_valid(uint16_t type, unsigned from, unsigned to)
{
	switch (type) {
	case EVENT_CANCEL_BET:
		return from == BET_OPEN && to == BET_CANCELLED;
	case EVENT_BET_SETTLE:
		return (from == BET_OPEN && to == BET_SETTLED) ||
		       (from == BET_SETTLED && (to == BET_OPEN || to == BET_SETTLED));
	case EVENT_BET_VOID:
		return from == BET_OPEN && to == BET_VOID;
	case EVENT_REDEEM: /* of a ticket with winnings, or one that was voided: its stake */
		return (from == BET_SETTLED || from == BET_VOID) && to == BET_PAID;
	default: /* TICKET_EXPIRE */
		return (from == BET_SETTLED || from == BET_VOID) && to == BET_EXPIRED;
	}
}

static int change_valid(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	struct event_bet_change change;

	memcpy(&change, view->body, sizeof(change));
	if (!event_moves(type, le16_get(view->record.code)))
		return bytes_all_zero(&change, sizeof(change));
	return in_range(le64s_get(change.stake), 1, LIMIT_STAKE_MAX) &&
	       in_range(le64s_get(change.payout_before), 0, LIMIT_PAYOUT_MAX) &&
	       bytes_all_zero(change.reserved, sizeof(change.reserved)) &&
	       (type == EVENT_BET_SETTLE) == (le64_get(change.market_id) != 0) &&
	       (type == EVENT_BET_SETTLE || change.class == 0) &&
	       change.class <= SETTLEMENT_PART_LOST &&
	       transition_valid(type, change.from, change.to);
}

static int shift_valid(const struct event_view *view)
{
	struct event_shift shift;

	memcpy(&shift, view->body, sizeof(shift));
	if (le16_get(view->record.code) != WIRE_CODE_OK)
		return bytes_all_zero(shift.reserved, sizeof(shift.reserved));
	return (shift.op == SHIFT_OPEN || shift.op == SHIFT_CLOSE) &&
	       bytes_all_zero(shift.reserved, sizeof(shift.reserved)) &&
	       le32_get(shift.number) != 0 && in_range(le64s_get(shift.cash), 0, LIMIT_BALANCE_MAX);
}

static int lease_valid(const struct event_view *view)
{
	struct event_lease lease;

	memcpy(&lease, view->body, sizeof(lease));
	return lease.scope >= LEASE_SELECTION && lease.scope <= LEASE_PARTNER &&
	       bytes_all_zero(lease.reserved, sizeof(lease.reserved)) &&
	       lease.selection < LIMIT_MARKET_SELECTIONS_MAX && le64s_get(lease.amount) != 0 &&
	       in_range(le64s_get(lease.amount), -LIMIT_BALANCE_MAX, LIMIT_BALANCE_MAX);
}

int ledger_event_rules(
    const struct event_view *view, struct risk_rules *rules, struct risk_rules_extra *extra)
{
	struct event_rules_currency currencies[LIMIT_RULES_CURRENCIES_MAX];
	struct event_factor_rules factors;
	struct event_rules body;
	int error;

	memcpy(&body, view->body, sizeof(body));
	error = risk_rules_decode(&body, rules);
	if (error != 0)
		return error;
	if (view->factor_rules != NULL)
		memcpy(&factors, view->factor_rules, sizeof(factors));
	for (unsigned i = 0; i < view->currency_count; i++)
		memcpy(&currencies[i], view->currencies[i], sizeof(currencies[i]));
	return risk_rules_extra_decode(rules, view->factor_rules == NULL ? NULL : &factors,
	    currencies, view->currency_count, extra);
}

static int rules_valid(const struct event_view *view)
{
	struct risk_rules_extra extra;
	struct risk_rules rules;

	return ledger_event_rules(view, &rules, &extra) == 0 &&
	       rules.version == le32_get(view->record.rule_version);
}

int event_account_flags_check(const struct event_account_flags *flags)
{
	return (le16_get(flags->flags) & ~ACCOUNT_LIST_FLAGS) == 0 &&
	               le16_get(flags->country) <= 999 &&
	               bytes_all_zero(flags->reserved, sizeof(flags->reserved))
	           ? 0
	           : -EINVAL;
}

int event_feedback_check(const struct event_feedback *feedback)
{
	uint64_t account_id = le64_get(feedback->account_id);
	uint64_t terminal_id = le64_get(feedback->terminal_id);

	return account_id <= LIMIT_ACCOUNT_ID_MAX && terminal_id <= LIMIT_TERMINAL_ID_MAX &&
	               (account_id != 0 || terminal_id != 0 ||
	                   le16_get(feedback->partner_id) != 0) &&
	               feedback->confirmed <= 1 && feedback->withdrawn <= 1 &&
	               (feedback->withdrawn || le32_get(feedback->learned_s) == 0)
	           ? 0
	           : -EINVAL;
}

/* The rows it changes here are the ones it is about; of objects only that of its partner. */
static int feedback_valid(const struct event_view *view)
{
	uint64_t account_id = le64_get(view->record.account_id);
	uint64_t terminal_id = le64_get(view->record.terminal_id);
	struct event_feedback feedback;

	memcpy(&feedback, view->body, sizeof(feedback));
	if (view->object_count > 1 ||
	    (view->object_count == 1 &&
	        (view->objects[0].kind != OBJECT_PARTNER ||
	            le32_get(view->objects[0].partner_id) != le16_get(feedback.partner_id))))
		return 0;
	return event_feedback_check(&feedback) == 0 &&
	       (account_id != 0 || terminal_id != 0 || view->object_count == 1) &&
	       (account_id == 0 || account_id == le64_get(feedback.account_id)) &&
	       (terminal_id == 0 || terminal_id == le64_get(feedback.terminal_id));
}

int event_body_valid(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	struct event_account_flags account_flags;
	struct event_terminal terminal;
	struct event_market market;
	struct event_result result;

	if (type_changes_bet(type))
		return change_valid(view);
	switch (type) {
	case EVENT_PLACE_BET:
		return legs_valid(view);
	case EVENT_MARKET_SET:
		memcpy(&market, view->body, sizeof(market));
		return event_market_check(&market) == 0;
	case EVENT_MARKET_RESULT:
		memcpy(&result, view->body, sizeof(result));
		return event_result_check(&result) == 0;
	case EVENT_RULES_SET:
		return rules_valid(view);
	case EVENT_TERMINAL_SET:
		memcpy(&terminal, view->body, sizeof(terminal));
		return event_terminal_check(&terminal) == 0;
	case EVENT_SHIFT:
		return shift_valid(view);
	case EVENT_LEASE:
		return lease_valid(view);
	case EVENT_ACCOUNT_FLAGS:
		memcpy(&account_flags, view->body, sizeof(account_flags));
		return event_account_flags_check(&account_flags) == 0;
	case EVENT_FEEDBACK:
		return feedback_valid(view);
	default:
		return 1;
	}
}
