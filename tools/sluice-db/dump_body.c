/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed bodies of events, in plain words and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/ledger/settlement.h"
#include "tools/sluice-db/dump.h"

#define READ(type, name)                                                                           \
	struct type name;                                                                          \
	memcpy(&name, view->body, sizeof(name))
#define NUMBER(name, value) json_object_set_new(object, name, json_integer((json_int_t)(value)))
#define TEXT(name, value)   json_object_set_new(object, name, json_string(value))

const char *bet_state_text(unsigned state)
{
	static const char *const names[] = { "none", "open", "cancelled", "settled", "void", "paid",
		"expired" };

	return state < SLUICE_ARRAY_COUNT(names) ? names[state] : "unknown";
}

static const char *result_op_text(unsigned op)
{
	static const char *const names[] = { "none", "set", "rollback", "walked", "final" };

	return op < SLUICE_ARRAY_COUNT(names) ? names[op] : "unknown";
}

static const char *lease_scope_text(unsigned scope)
{
	static const char *const names[] = { "none", "selection", "market", "partner" };

	return scope < SLUICE_ARRAY_COUNT(names) ? names[scope] : "unknown";
}

/* "home 1.850 ..." of one outcome: "win", "dead_heat 1/2". */
static void outcome_text(const uint8_t *at, char *text, size_t size)
{
	const char *name = settlement_kind_name(at[0]);

	if (at[0] == SETTLEMENT_DEAD_HEAT)
		snprintf(text, size, "%s %u/%u", name, at[1], at[2]);
	else
		snprintf(text, size, "%s", name != NULL ? name : "unknown");
}

static int changes_bet(unsigned type)
{
	return type == EVENT_CANCEL_BET || type == EVENT_BET_SETTLE || type == EVENT_BET_VOID ||
	       type == EVENT_REDEEM || type == EVENT_TICKET_EXPIRE;
}

/* ---- Text ---- */

static void legs_text(const struct event_view *view)
{
	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, view->body + i * sizeof(leg), sizeof(leg));
		printf("    leg: market %" PRIu64 " selection %u at %u.%03u\n",
		    le64_get(leg.market_id), le16_get(leg.selection), le32_get(leg.odds) / 1000,
		    le32_get(leg.odds) % 1000);
	}
}

static void ids_text(const struct event_view *view)
{
	printf("    retire:");
	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct le64 id;

		memcpy(&id, view->body + i * sizeof(id), sizeof(id));
		printf(" %" PRIu64, le64_get(id));
	}
	printf("\n");
}

static void change_text(const struct event_view *view)
{
	READ(event_bet_change, change);

	if (change.from == 0)
		return; /* refused */
	printf("    bet: %s -> %s, stake %" PRId64 ", payout %" PRId64 " (was %" PRId64 ")",
	    bet_state_text(change.from), bet_state_text(change.to), le64s_get(change.stake),
	    le64s_get(view->record.payout), le64s_get(change.payout_before));
	if (le64_get(change.market_id) != 0)
		printf(", %s, by market %" PRIu64,
		    settlement_class_name((enum settlement_class)change.class),
		    le64_get(change.market_id));
	printf("\n");
}

static void result_text(const struct event_view *view)
{
	READ(event_result, result);
	char outcome[40];

	printf("    result: %s, version %" PRIu64, result_op_text(result.op),
	    le64_get(result.version));
	for (unsigned i = 0; result.op == RESULT_SET && i < result.selection_count; i++) {
		outcome_text(result.outcomes + 4 * i, outcome, sizeof(outcome));
		printf("%s %u %s", i == 0 ? ":" : ",", i, outcome);
	}
	printf("\n");
}

static void market_text(const struct event_view *view)
{
	READ(event_market, market);

	printf("    market: event %" PRIu64 " version %" PRIu64 " start %" PRIu64
	       " state %u kind %u line %d, odds",
	    le64_get(market.event_id), le64_get(market.version), le64_get(market.start_time_ns),
	    market.state, market.kind, (int16_t)le16_get(market.line));
	for (unsigned i = 0; i < market.selection_count; i++)
		printf(
		    " %u.%03u", le32_get(market.odds[i]) / 1000, le32_get(market.odds[i]) % 1000);
	printf("\n");
}

static void shift_text(const struct event_view *view)
{
	READ(event_shift, shift);

	printf("    shift %u: %s by cashier %u, cash %" PRId64 ", over all %" PRId64
	       ", expected %" PRId64 "\n",
	    le32_get(shift.number), shift.op == SHIFT_OPEN ? "opened" : "closed",
	    le32_get(view->record.cashier_id), le64s_get(shift.cash), le64s_get(shift.cash_total),
	    le64s_get(shift.expected));
}

static void lease_text(const struct event_view *view)
{
	READ(event_lease, lease);

	printf("    credit: %+" PRId64 " of the limit of %s %" PRIu64, le64s_get(lease.amount),
	    lease_scope_text(lease.scope), le64_get(lease.id));
	if (lease.scope == LEASE_SELECTION)
		printf(" (%u)", lease.selection);
	printf("\n");
}

static void terminal_text(const struct event_view *view)
{
	READ(event_terminal, terminal);

	printf("    terminal: version %" PRIu64 " rights %u daily_max %" PRId64 "%s\n",
	    le64_get(terminal.version), le32_get(terminal.rights), le64s_get(terminal.daily_max),
	    terminal.blocked ? " blocked" : "");
}

static void flags_text(const struct event_view *view)
{
	READ(event_account_flags, flags);

	printf("    lists: %s%s%scountry %u\n",
	    le16_get(flags.flags) & ACCOUNT_PEP ? "politically exposed, " : "",
	    le16_get(flags.flags) & ACCOUNT_SANCTIONED ? "on a watch list, " : "",
	    le16_get(flags.flags) & ACCOUNT_COUNTRY_RISK ? "high-risk country, " : "",
	    le16_get(flags.country));
}

static void feedback_text(const struct event_view *view)
{
	READ(event_feedback, feedback);

	printf("    case: %s%s, account %" PRIu64 ", terminal %" PRIu64
	       ", partner %u, transaction of %" PRIu64 "\n",
	    feedback.confirmed ? "confirmed" : "dismissed",
	    feedback.withdrawn ? ", taken back" : "", le64_get(feedback.account_id),
	    le64_get(feedback.terminal_id), le16_get(feedback.partner_id),
	    le64_get(feedback.transaction_ns));
}

void event_body_text(const struct event_view *view)
{
	unsigned type = le16_get(view->record.type);

	if (changes_bet(type))
		change_text(view);
	else if (type == EVENT_PLACE_BET)
		legs_text(view);
	else if (type == EVENT_BET_RETIRE || type == EVENT_OBJECT_RETIRE)
		ids_text(view);
	else if (type == EVENT_MARKET_RESULT)
		result_text(view);
	else if (type == EVENT_MARKET_SET)
		market_text(view);
	else if (type == EVENT_SHIFT)
		shift_text(view);
	else if (type == EVENT_LEASE)
		lease_text(view);
	else if (type == EVENT_TERMINAL_SET)
		terminal_text(view);
	else if (type == EVENT_ACCOUNT_FLAGS)
		flags_text(view);
	else if (type == EVENT_FEEDBACK)
		feedback_text(view);
}

/* ---- JSON ---- */

static void legs_json(const struct event_view *view, json_t *object)
{
	json_t *legs = json_array();

	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, view->body + i * sizeof(leg), sizeof(leg));
		json_array_append_new(
		    legs, json_pack("{s:I, s:i, s:i}", "market",
		              (json_int_t)le64_get(leg.market_id), "selection",
		              (int)le16_get(leg.selection), "odds", (int)le32_get(leg.odds)));
	}
	json_object_set_new(object, "legs", legs);
}

static void ids_json(const struct event_view *view, json_t *object)
{
	json_t *ids = json_array();

	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct le64 id;

		memcpy(&id, view->body + i * sizeof(id), sizeof(id));
		json_array_append_new(ids, json_sprintf("%" PRIu64, le64_get(id)));
	}
	json_object_set_new(object, "retired", ids);
}

static void change_json(const struct event_view *view, json_t *object)
{
	READ(event_bet_change, change);

	if (change.from == 0)
		return; /* refused */
	TEXT("bet_before", bet_state_text(change.from));
	TEXT("bet_after", bet_state_text(change.to));
	NUMBER("stake", le64s_get(change.stake));
	NUMBER("payout_before", le64s_get(change.payout_before));
	json_object_set_new(
	    object, "placed_at_ns", json_sprintf("%" PRIu64, le64_get(change.placed_at_ns)));
	if (le64_get(change.market_id) == 0)
		return;
	NUMBER("market", le64_get(change.market_id));
	TEXT("class", settlement_class_name((enum settlement_class)change.class));
}

static void result_json(const struct event_view *view, json_t *object)
{
	READ(event_result, result);
	json_t *outcomes = json_array();
	char outcome[40];

	TEXT("result", result_op_text(result.op));
	NUMBER("market_version", le64_get(result.version));
	for (unsigned i = 0; result.op == RESULT_SET && i < result.selection_count; i++) {
		outcome_text(result.outcomes + 4 * i, outcome, sizeof(outcome));
		json_array_append_new(outcomes, json_string(outcome));
	}
	json_object_set_new(object, "outcomes", outcomes);
}

static void market_json(const struct event_view *view, json_t *object)
{
	READ(event_market, market);
	json_t *odds = json_array();

	NUMBER("event", le64_get(market.event_id));
	NUMBER("market_version", le64_get(market.version));
	NUMBER("start_time_ns", le64_get(market.start_time_ns));
	NUMBER("market_state", market.state);
	NUMBER("market_kind", market.kind);
	NUMBER("line", (int16_t)le16_get(market.line));
	for (unsigned i = 0; i < market.selection_count; i++)
		json_array_append_new(odds, json_integer(le32_get(market.odds[i])));
	json_object_set_new(object, "odds", odds);
}

static void shift_json(const struct event_view *view, json_t *object)
{
	READ(event_shift, shift);

	TEXT("shift", shift.op == SHIFT_OPEN ? "open" : "close");
	NUMBER("shift_number", le32_get(shift.number));
	NUMBER("cash", le64s_get(shift.cash));
	NUMBER("cash_total", le64s_get(shift.cash_total));
	NUMBER("expected", le64s_get(shift.expected));
}

static void lease_json(const struct event_view *view, json_t *object)
{
	READ(event_lease, lease);

	TEXT("lease", lease_scope_text(lease.scope));
	NUMBER("lease_of", le64_get(lease.id));
	NUMBER("lease_selection", lease.selection);
	NUMBER("lease_amount", le64s_get(lease.amount));
}

static void terminal_json(const struct event_view *view, json_t *object)
{
	READ(event_terminal, terminal);

	NUMBER("terminal_version", le64_get(terminal.version));
	NUMBER("rights", le32_get(terminal.rights));
	NUMBER("daily_max", le64s_get(terminal.daily_max));
	NUMBER("blocked", terminal.blocked);
}

static void flags_json(const struct event_view *view, json_t *object)
{
	READ(event_account_flags, flags);

	NUMBER("list_flags", le16_get(flags.flags));
	NUMBER("country", le16_get(flags.country));
}

static void feedback_json(const struct event_view *view, json_t *object)
{
	READ(event_feedback, feedback);

	TEXT("case", feedback.confirmed ? "confirmed" : "dismissed");
	json_object_set_new(object, "withdrawn", json_boolean(feedback.withdrawn));
	NUMBER("learned_s", le32_get(feedback.learned_s));
	NUMBER("case_account", le64_get(feedback.account_id));
	NUMBER("case_terminal", le64_get(feedback.terminal_id));
	NUMBER("case_partner", le16_get(feedback.partner_id));
	json_object_set_new(
	    object, "transaction_ns", json_sprintf("%" PRIu64, le64_get(feedback.transaction_ns)));
}

void event_body_json(const struct event_view *view, json_t *object)
{
	unsigned type = le16_get(view->record.type);

	if (changes_bet(type))
		change_json(view, object);
	else if (type == EVENT_PLACE_BET)
		legs_json(view, object);
	else if (type == EVENT_BET_RETIRE || type == EVENT_OBJECT_RETIRE)
		ids_json(view, object);
	else if (type == EVENT_MARKET_RESULT)
		result_json(view, object);
	else if (type == EVENT_MARKET_SET)
		market_json(view, object);
	else if (type == EVENT_SHIFT)
		shift_json(view, object);
	else if (type == EVENT_LEASE)
		lease_json(view, object);
	else if (type == EVENT_TERMINAL_SET)
		terminal_json(view, object);
	else if (type == EVENT_ACCOUNT_FLAGS)
		flags_json(view, object);
	else if (type == EVENT_FEEDBACK)
		feedback_json(view, object);
}
