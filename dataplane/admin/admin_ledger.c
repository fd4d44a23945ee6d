/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered commands for the ledger, one parser a type. What a shard would refuse whatever its state
 * is refused here, before the number is used.
 */
#include "dataplane/admin/admin.h"
#include "dataplane/admin/admin_fields.h"

static void parse_market_set(struct admin_fields *fields, struct ledger_command *command)
{
	json_t *odds = json_object_get(fields->object, "odds");
	size_t count = json_array_size(odds);

	command->type = EVENT_MARKET_SET;
	command->market_id = admin_field_number(fields, "market_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->market.event_id =
	    le64_make(admin_field_number(fields, "event_id", 1, LIMIT_ACCOUNT_ID_MAX));
	command->market.version = le64_make(command->control_sequence);
	command->market.start_time_ns =
	    le64_make(admin_field_number(fields, "start_time_ns", 0, INT64_MAX));
	command->market.state =
	    (uint8_t)admin_field_number(fields, "state", MARKET_BEFORE, MARKET_CLOSED);
	command->market.kind = (uint8_t)admin_field_number(fields, "kind", 1, 255);
	/* Two's complement, in quarters; a market without a line has none. */
	if (json_object_get(fields->object, "line") != NULL)
		command->market.line = le16_make((uint16_t)admin_field_signed(
		    fields, "line", -SETTLEMENT_LINE_MAX, SETTLEMENT_LINE_MAX));
	if (fields->error == NULL && (count == 0 || count > LIMIT_MARKET_SELECTIONS_MAX)) {
		fields->error = admin_error(
		    "\"odds\" must be a list of 1 to %u prices", LIMIT_MARKET_SELECTIONS_MAX);
		return;
	}
	command->market.selection_count = (uint8_t)count;
	for (size_t i = 0; i < count && fields->error == NULL; i++) {
		const json_t *value = json_array_get(odds, i);
		json_int_t price = json_integer_value(value);

		if (!json_is_integer(value) ||
		    (price != 0 && (price < LIMIT_ODDS_MIN || price > LIMIT_ODDS_MAX)))
			fields->error =
			    admin_error("\"odds\"[%zu] is out of range; give thousandths, "
			                "%u to %u, or 0: not on offer",
			        i, LIMIT_ODDS_MIN, LIMIT_ODDS_MAX);
		command->market.odds[i] = le32_make((uint32_t)price);
	}
	/* What a shard would refuse must not use up the number. */
	if (fields->error == NULL && event_market_check(&command->market) != 0)
		fields->error = admin_error(
		    "\"kind\", \"line\" and the number of \"odds\" do not fit; give kind "
		    "%d (1X2, 3 odds), %d (over/under, 2 odds and the line in "
		    "quarters), %d (handicap, the same) or %d (other)",
		    MARKET_KIND_1X2, MARKET_KIND_OVER_UNDER, MARKET_KIND_HANDICAP,
		    MARKET_KIND_OTHER);
}

/* Its version is the command's number, as a market's: later commands are newer. */
static void parse_terminal_set(struct admin_fields *fields, struct ledger_command *command)
{
	struct event_terminal *terminal = &command->terminal;

	command->type = EVENT_TERMINAL_SET;
	command->terminal_id = admin_field_number(fields, "terminal_id", 1, LIMIT_TERMINAL_ID_MAX);
	terminal->version = le64_make(command->control_sequence);
	terminal->rights = le32_make((uint32_t)admin_field_number(fields, "rights", 0, RIGHT_ALL));
	terminal->blocked = (uint8_t)admin_field_bool(fields, "blocked");
	terminal->daily_max =
	    le64s_make((int64_t)admin_field_optional(fields, "daily_max", LIMIT_BALANCE_MAX, 0));
	if (fields->error == NULL && event_terminal_check(terminal) != 0)
		fields->error = admin_error("the terminal's fields are out of range");
}

static void parse_account_freeze(struct admin_fields *fields, struct ledger_command *command)
{
	command->type = EVENT_ACCOUNT_FREEZE;
	command->account_id = admin_field_number(fields, "account_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->flags = admin_field_bool(fields, "frozen") ? EVENT_FLAG_FROZEN : 0;
}

/* Every member of the rules that may be given; the rest keeps the default. */
static void parse_rules_set(struct admin_fields *fields, struct ledger_command *command)
{
	struct risk_rules *rules = &command->rules;
	struct admin_fields inner = { json_object_get(fields->object, "rules"), NULL, NULL };
	const char *field = NULL;

	command->type = EVENT_RULES_SET;
	risk_rules_default(rules);
	if (fields->error == NULL && !json_is_object(inner.object)) {
		fields->error = admin_error("\"rules\" must be an object");
		return;
	}
#define RULE(name, highest)                                                                        \
	rules->name = (__typeof__(rules->name))admin_field_optional(                               \
	    &inner, #name, highest, (uint64_t)rules->name)
	rules->version = (uint32_t)admin_field_number(&inner, "version", 1, UINT32_MAX);
	RULE(currency, UINT16_MAX);
	RULE(alert_score, 101);
	RULE(refuse_score, 101);
	RULE(stake_single_max, LIMIT_STAKE_MAX);
	RULE(stake_daily_max, LIMIT_BALANCE_MAX);
	RULE(terminal_daily_max, LIMIT_BALANCE_MAX);
	RULE(payout_max, LIMIT_PAYOUT_MAX);
	RULE(large_amount, LIMIT_BALANCE_MAX);
	RULE(longshot_liability, LIMIT_BALANCE_MAX);
	RULE(longshot_odds, UINT32_MAX);
	RULE(cancel_window_s, UINT32_MAX);
	RULE(utc_offset_s, 86399);
	RULE(deviation_z_tenths, UINT16_MAX);
	RULE(deviation_observations, UINT16_MAX);
	RULE(frequency_count, UINT16_MAX);
	RULE(frequency_ratio_tenths, UINT16_MAX);
	RULE(points_large, 100);
	RULE(points_behaviour, 100);
	RULE(points_odds, 100);
	RULE(partner_confirmed_tenths, 255);
	RULE(withdraw_pending_min, LIMIT_STAKE_MAX);
	RULE(exposure_selection_max, LIMIT_BALANCE_MAX);
	RULE(exposure_market_max, LIMIT_BALANCE_MAX);
	RULE(partner_key_hold_s, UINT32_MAX);
	RULE(withdraw_timeout_s, UINT32_MAX);
	RULE(ticket_expiry_s, UINT32_MAX);
	RULE(result_final_s, UINT32_MAX);
	RULE(limit_raise_delay_s, UINT32_MAX);
	RULE(sprinkle_window_max_s, UINT32_MAX);
#undef RULE
	admin_rules_extra_parse(&inner, &command->extra);
	if (fields->error == NULL && inner.error != NULL)
		fields->error = inner.error;
	else if (inner.error != NULL)
		json_decref(inner.error);
	else if (fields->error == NULL && risk_rules_check(rules, &field) != 0)
		fields->error = admin_error("rules.%s is out of range", field);
	else if (fields->error == NULL &&
	         risk_rules_extra_check(rules, &command->extra, &field) != 0)
		fields->error = admin_error("rules.%s is out of range", field);
}

/* kind | places << 8 | winners << 16 */
static struct settlement_outcome outcome_read(struct admin_fields *fields, const json_t *value)
{
	json_int_t number = json_integer_value(value);
	struct settlement_outcome outcome = {
		.kind = (uint8_t)number,
		.places = (uint8_t)(number >> 8),
		.winners = (uint8_t)(number >> 16),
	};

	if (fields->error == NULL &&
	    (number < 0 || number >> 24 != 0 || outcome.kind == SETTLEMENT_OPEN ||
	        !settlement_outcome_valid(outcome)))
		fields->error =
		    admin_error("\"outcomes\": give 1 win, 2 lose, 3 void, 4 half win, 5 half lose "
		                "or a dead heat "
		                "(6 + 256 x places + 65536 x winners) for each selection");
	return outcome;
}

static void parse_market_result(struct admin_fields *fields, struct ledger_command *command)
{
	const char *op = json_string_value(json_object_get(fields->object, "op"));
	const json_t *outcomes = json_object_get(fields->object, "outcomes");
	size_t count = json_array_size(outcomes);
	struct settlement_outcomes result = { 0 };
	struct settlement_outcomes_disk disk;

	command->type = EVENT_MARKET_RESULT;
	command->market_id = admin_field_number(fields, "market_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->result.version = le64_make(command->control_sequence);
	if (op != NULL && strcmp(op, "set") == 0)
		command->result.op = RESULT_SET;
	else if (op != NULL && strcmp(op, "rollback") == 0)
		command->result.op = RESULT_ROLLBACK;
	else if (op != NULL && strcmp(op, "final") == 0)
		command->result.op = RESULT_FINAL;
	else if (fields->error == NULL)
		fields->error = admin_error("\"op\" must be set, rollback or final");
	if (fields->error != NULL || command->result.op != RESULT_SET)
		return;
	if (count == 0 || count > LIMIT_MARKET_SELECTIONS_MAX) {
		fields->error = admin_error(
		    "\"outcomes\" must be a list of 1 to %u outcomes", LIMIT_MARKET_SELECTIONS_MAX);
		return;
	}
	for (size_t i = 0; i < count; i++)
		result.of[i] = outcome_read(fields, json_array_get(outcomes, i));
	if (fields->error != NULL)
		return;
	settlement_outcomes_write(&result, (unsigned)count, &disk);
	command->result.selection_count = (uint8_t)count;
	memcpy(command->result.outcomes, &disk, sizeof(command->result.outcomes));
}

static void parse_bet_void(struct admin_fields *fields, struct ledger_command *command)
{
	command->type = EVENT_BET_VOID;
	command->object_id = admin_field_id(fields, "bet_id");
	command->reason = (uint32_t)admin_field_optional(fields, "reason", UINT32_MAX, 0);
}

static void parse_adjust(struct admin_fields *fields, struct ledger_command *command)
{
	command->type = EVENT_ADJUST;
	command->account_id = admin_field_number(fields, "account_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->amount =
	    admin_field_signed(fields, "amount", -LIMIT_BALANCE_MAX, LIMIT_BALANCE_MAX);
	command->currency = (uint16_t)admin_field_number(fields, "currency", 1, 999);
	command->reason = (uint32_t)admin_field_optional(fields, "reason", UINT32_MAX, 0);
	if (fields->error == NULL && command->amount == 0)
		fields->error = admin_error("\"amount\" is 0; give what is to be added or taken");
}

static void parse_withdraw_close(struct admin_fields *fields, struct ledger_command *command)
{
	command->type = EVENT_WITHDRAW_CLOSE;
	command->object_id = admin_field_id(fields, "withdrawal_id");
	command->flags = admin_field_bool(fields, "paid") ? EVENT_FLAG_PAID : 0;
	command->reason = (uint32_t)admin_field_optional(fields, "reason", UINT32_MAX, 0);
}

/* Limits complete, in the order of enum play_limit; -1: none. */
static void parse_play_set(struct admin_fields *fields, struct ledger_command *command)
{
	const json_t *limits = json_object_get(fields->object, "limits");

	command->type = EVENT_PLAY_SET;
	command->account_id = admin_field_number(fields, "account_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->play.account_id = le64_make(command->account_id);
	command->play.excluded_until_ns = le64_make(admin_field_time(fields, "excluded_until_ns"));
	command->play.cooloff_until_ns = le64_make(admin_field_time(fields, "cooloff_until_ns"));
	if (fields->error == NULL && json_array_size(limits) != PLAY_LIMITS)
		fields->error = admin_error("\"limits\" must be a list of %d amounts", PLAY_LIMITS);
	for (unsigned i = 0; fields->error == NULL && i < PLAY_LIMITS; i++) {
		const json_t *value = json_array_get(limits, i);
		json_int_t amount = json_integer_value(value);

		if (!json_is_integer(value) || amount < -1 || amount > LIMIT_BALANCE_MAX)
			fields->error =
			    admin_error("\"limits\"[%u] is out of range; give -1 (none) to %lld", i,
			        (long long)LIMIT_BALANCE_MAX);
		command->play.active[i] = le64s_make(amount);
	}
}

/* Its version is the command's number, as a market's. */
static void parse_partner_set(struct admin_fields *fields, struct ledger_command *command)
{
	struct object_partner *partner = &command->partner;

	command->type = EVENT_PARTNER_SET;
	command->object_id = admin_field_number(fields, "partner_id", 1, LIMIT_PARTNER_ID_MAX);
	partner->version = le64_make(command->control_sequence);
	partner->exposure_max =
	    le64s_make((int64_t)admin_field_optional(fields, "exposure_max", LIMIT_BALANCE_MAX, 0));
	partner->keys_max =
	    le32_make((uint32_t)admin_field_number(fields, "keys_max", 0, UINT32_MAX));
	partner->currency = le16_make((uint16_t)admin_field_number(fields, "currency", 1, 999));
	partner->blocked = (uint8_t)admin_field_bool(fields, "blocked");
}

static void parse_none(struct admin_fields *fields, struct ledger_command *command)
{
	(void)fields;
	command->type = EVENT_COMMAND_MARK; /* nothing but the mark */
}

static const struct {
	const char *type;
	void (*parse)(struct admin_fields *fields, struct ledger_command *command);
} types[] = {
	{ "market_set", parse_market_set },
	{ "market_result", parse_market_result },
	{ "rules_set", parse_rules_set },
	{ "account_freeze", parse_account_freeze },
	{ "terminal_set", parse_terminal_set },
	{ "partner_set", parse_partner_set },
	{ "play_set", parse_play_set },
	{ "bet_void", parse_bet_void },
	{ "adjust", parse_adjust },
	{ "withdraw_close", parse_withdraw_close },
	{ "account_flags", admin_account_flags_parse },
	{ "feedback", admin_feedback_parse },
	{ "none", parse_none },
};

void admin_ledger_parse(
    struct admin_fields *fields, const char *type, struct ledger_command *command)
{
	for (size_t i = 0; type != NULL && i < SLUICE_ARRAY_COUNT(types); i++) {
		if (strcmp(types[i].type, type) == 0) {
			types[i].parse(fields, command);
			return;
		}
	}
	if (fields->error == NULL)
		fields->error = admin_error(
		    "\"type\" must be accounts_open, market_set, market_result, rules_set, "
		    "account_freeze, terminal_set, partner_set, play_set, bet_void, adjust, "
		    "withdraw_close, account_flags, feedback or none");
}
