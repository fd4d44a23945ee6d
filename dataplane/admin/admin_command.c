/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a line of JSON to a command. Every field is checked for presence, type and range before
 * anything is sent to a shard; the error names the field and what was expected.
 */
#include "dataplane/admin/admin.h"
#include "wire/hex.h"

#include <errno.h>

/* A parse in progress: the first error sticks, later reads give 0. */
struct fields {
	json_t *object;
	json_t *error;
	const char *kind; /* of the error; NULL: malformed */
};

static uint64_t field_number(
    struct fields *fields, const char *name, uint64_t lowest, uint64_t highest)
{
	json_t *value = json_object_get(fields->object, name);
	json_int_t number;

	if (fields->error != NULL)
		return 0;
	if (!json_is_integer(value)) {
		fields->error = admin_error("\"%s\" is missing or not a whole number", name);
		return 0;
	}
	number = json_integer_value(value);
	if (number < 0 || (uint64_t)number < lowest || (uint64_t)number > highest) {
		fields->error = admin_error("\"%s\" is out of range; give %llu to %llu", name,
		    (unsigned long long)lowest, (unsigned long long)highest);
		return 0;
	}
	return (uint64_t)number;
}

static uint64_t field_optional(
    struct fields *fields, const char *name, uint64_t highest, uint64_t otherwise)
{
	if (json_object_get(fields->object, name) == NULL)
		return otherwise;
	return field_number(fields, name, 0, highest);
}

static int field_bool(struct fields *fields, const char *name)
{
	json_t *value = json_object_get(fields->object, name);

	if (fields->error == NULL && !json_is_boolean(value))
		fields->error = admin_error("\"%s\" is missing or neither true nor false", name);
	return json_is_true(value);
}

static void field_hex(struct fields *fields, const char *name, uint8_t *out, size_t size)
{
	const char *text = json_string_value(json_object_get(fields->object, name));

	if (fields->error != NULL)
		return;
	if (text == NULL || strlen(text) != 2 * size) {
		fields->error =
		    admin_error("\"%s\" must be %zu hexadecimal digits", name, 2 * size);
		return;
	}
	if (hex_decode(text, out, size) != 0)
		fields->error =
		    admin_error("\"%s\" holds a character that is not hexadecimal", name);
}

static void parse_session_install(
    const struct admin_context *context, struct fields *fields, struct admin_request *request)
{
	struct session_install *install = &request->command.install;
	json_t *current = json_object_get(fields->object, "current");
	uint8_t home;

	request->command.kind = SHARD_SESSION_INSTALL;
	install->session_id = (uint32_t)field_number(fields, "session_id", 1, UINT32_MAX);
	install->terminal_id = field_number(fields, "terminal_id", 1, LIMIT_TERMINAL_ID_MAX);
	install->rights = (uint32_t)field_number(fields, "rights", 0, RIGHT_ALL);
	install->epoch = (uint16_t)field_number(fields, "epoch", 0, UINT16_MAX);
	install->current = current == NULL || json_is_true(current);
	install->rate_per_s = (uint32_t)field_optional(fields, "rate_per_s", UINT32_MAX, 0);
	install->rate_burst = (uint32_t)field_optional(fields, "rate_burst", UINT32_MAX, 0);
	install->expires_ns = field_optional(fields, "expires_ns", INT64_MAX, 0);
	field_hex(fields, "to_switch_key", install->to_switch_key, AEAD_KEY_SIZE);
	field_hex(fields, "to_switch_iv", install->to_switch_iv, AEAD_IV_SIZE);
	field_hex(fields, "to_terminal_key", install->to_terminal_key, AEAD_KEY_SIZE);
	field_hex(fields, "to_terminal_iv", install->to_terminal_iv, AEAD_IV_SIZE);
	field_hex(fields, "reset_key", install->reset_key, KEYS_RESET_SIZE);
	if (fields->error == NULL &&
	    (install->session_id & (LIMIT_SESSION_SLOTS - 1)) >= context->shared->slots_max)
		fields->error = admin_error("session slot %u is above capacity.sessions (%u)",
		    install->session_id & (LIMIT_SESSION_SLOTS - 1), context->shared->slots_max);
	request->kind = ADMIN_ONE_SHARD;
	request->shard = context->shared->buckets.shard[ids_bucket_of_key(install->terminal_id)];
	if (fields->error != NULL)
		return;
	/* own store */
	home = atomic_load_explicit(
	    &context->shared->slot_home[install->session_id & (LIMIT_SESSION_SLOTS - 1)],
	    memory_order_relaxed);
	if (home != 0xff && home != request->shard) {
		fields->error = admin_error("the session slot is live for a terminal of another "
		                            "shard; end that session first");
		fields->kind = "slot_live";
	}
}

static void parse_session_end(
    const struct admin_context *context, struct fields *fields, struct admin_request *request)
{
	uint32_t id = (uint32_t)field_number(fields, "session_id", 1, UINT32_MAX);
	uint32_t slot = id & (LIMIT_SESSION_SLOTS - 1);
	uint64_t terminal_id = 0;
	uint8_t home = 0xff;

	if (json_object_get(fields->object, "terminal_id") != NULL)
		terminal_id = field_number(fields, "terminal_id", 1, LIMIT_TERMINAL_ID_MAX);
	if (fields->error == NULL && slot < context->shared->slots_max) {
		/* own store */
		home =
		    atomic_load_explicit(&context->shared->slot_home[slot], memory_order_relaxed);
		/* Behind an installation that is still on its way, in the same ring. */
		if (terminal_id != 0)
			home = context->shared->buckets.shard[ids_bucket_of_key(terminal_id)];
	}
	if (fields->error == NULL && home == 0xff) {
		fields->error = admin_error("no such session");
		fields->kind = "unknown_session";
	}
	request->command.kind = SHARD_SESSION_END;
	request->command.session_id = id;
	request->kind = ADMIN_ONE_SHARD;
	request->shard = home;
}

static void parse_market_set(struct fields *fields, struct ledger_command *command)
{
	json_t *odds = json_object_get(fields->object, "odds");
	size_t count = json_array_size(odds);

	command->type = EVENT_MARKET_SET;
	command->market_id = field_number(fields, "market_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->market.event_id =
	    le64_make(field_number(fields, "event_id", 1, LIMIT_ACCOUNT_ID_MAX));
	command->market.version = le64_make(command->control_sequence);
	command->market.start_time_ns =
	    le64_make(field_number(fields, "start_time_ns", 0, INT64_MAX));
	command->market.state =
	    (uint8_t)field_number(fields, "state", MARKET_BEFORE, MARKET_CLOSED);
	command->market.kind = (uint8_t)field_number(fields, "kind", 1, 255);
	if (fields->error == NULL && (count == 0 || count > LIMIT_MARKET_SELECTIONS_MAX)) {
		fields->error = admin_error(
		    "\"odds\" must be a list of 1 to %u prices", LIMIT_MARKET_SELECTIONS_MAX);
		return;
	}
	command->market.selection_count = (uint8_t)count;
	for (size_t i = 0; i < count && fields->error == NULL; i++) {
		json_int_t price = json_integer_value(json_array_get(odds, i));

		if (price < LIMIT_ODDS_MIN || price > LIMIT_ODDS_MAX)
			fields->error =
			    admin_error("\"odds\"[%zu] is out of range; give thousandths, "
			                "%u to %u",
			        i, LIMIT_ODDS_MIN, LIMIT_ODDS_MAX);
		command->market.odds[i] = le32_make((uint32_t)price);
	}
	/* What a shard would refuse must not use up the number. */
	if (fields->error == NULL && event_market_check(&command->market) != 0)
		fields->error =
		    admin_error("\"kind\" is unknown; give %d (1X2), %d (over/under) or "
		                "%d (other)",
		        MARKET_KIND_1X2, MARKET_KIND_OVER_UNDER, MARKET_KIND_OTHER);
}

/* Its version is the command's number, as a market's: later commands are newer. */
static void parse_terminal_set(struct fields *fields, struct ledger_command *command)
{
	struct event_terminal *terminal = &command->terminal;

	command->type = EVENT_TERMINAL_SET;
	command->terminal_id = field_number(fields, "terminal_id", 1, LIMIT_TERMINAL_ID_MAX);
	terminal->version = le64_make(command->control_sequence);
	terminal->rights = le32_make((uint32_t)field_number(fields, "rights", 0, RIGHT_ALL));
	terminal->blocked = (uint8_t)field_bool(fields, "blocked");
	terminal->daily_max =
	    le64s_make((int64_t)field_optional(fields, "daily_max", LIMIT_BALANCE_MAX, 0));
	if (fields->error == NULL && event_terminal_check(terminal) != 0)
		fields->error = admin_error("the terminal's fields are out of range");
}

static void parse_account_freeze(struct fields *fields, struct ledger_command *command)
{
	command->type = EVENT_ACCOUNT_FREEZE;
	command->account_id = field_number(fields, "account_id", 1, LIMIT_ACCOUNT_ID_MAX);
	command->flags = field_bool(fields, "frozen") ? EVENT_FLAG_FROZEN : 0;
}

/* Every member of the rules that may be given; the rest keeps the default. */
static void parse_rules_set(struct fields *fields, struct ledger_command *command)
{
	struct risk_rules *rules = &command->rules;
	struct fields inner = { json_object_get(fields->object, "rules"), NULL, NULL };
	const char *field = NULL;

	command->type = EVENT_RULES_SET;
	risk_rules_default(rules);
	if (fields->error == NULL && !json_is_object(inner.object)) {
		fields->error = admin_error("\"rules\" must be an object");
		return;
	}
#define RULE(name, highest)                                                                        \
	rules->name =                                                                              \
	    (__typeof__(rules->name))field_optional(&inner, #name, highest, (uint64_t)rules->name)
	rules->version = (uint32_t)field_number(&inner, "version", 1, UINT32_MAX);
	RULE(currency, UINT16_MAX);
	RULE(alert_score, 100);
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
#undef RULE
	if (fields->error == NULL && inner.error != NULL)
		fields->error = inner.error;
	else if (inner.error != NULL)
		json_decref(inner.error);
	else if (fields->error == NULL && risk_rules_check(rules, &field) != 0)
		fields->error = admin_error("rules.%s is out of range", field);
}

/* A dry run checks all fields, the number only if it is there. */
static int field_dry_run(struct fields *fields)
{
	if (json_object_get(fields->object, "dry_run") == NULL)
		return 0;
	return field_bool(fields, "dry_run");
}

static void parse_command(struct fields *fields, struct admin_request *request)
{
	const char *type = json_string_value(json_object_get(fields->object, "type"));
	int dry_run = field_dry_run(fields);
	int unnumbered = dry_run && json_object_get(fields->object, "sequence") == NULL;
	uint64_t sequence = unnumbered ? 1 : field_number(fields, "sequence", 1, INT64_MAX);
	struct ledger_command *ledger = &request->command.ledger;

	request->kind = ADMIN_ALL_SHARDS;
	request->command.kind = SHARD_LEDGER;
	request->command.check = dry_run ? SHARD_CHECK_DRY_RUN : SHARD_DO;
	if (type != NULL && strcmp(type, "accounts_open") == 0) {
		request->command.kind = SHARD_ACCOUNTS_OPEN;
		request->command.accounts.control_sequence = sequence;
		request->command.accounts.first =
		    field_number(fields, "first", 1, LIMIT_ACCOUNT_ID_MAX / 2);
		request->command.accounts.count =
		    field_number(fields, "count", 1, ADMIN_ACCOUNTS_MAX);
		if (fields->error != NULL && json_integer_value(json_object_get(
		                                 fields->object, "count")) > ADMIN_ACCOUNTS_MAX) {
			json_decref(fields->error);
			fields->error =
			    admin_error("\"count\" is out of range; give 1 to %d, and open "
			                "more accounts by several commands",
			        ADMIN_ACCOUNTS_MAX);
		}
		request->command.accounts.currency =
		    (uint16_t)field_number(fields, "currency", 1, 999);
		request->command.accounts.opening_balance =
		    (int64_t)field_optional(fields, "opening_balance", LIMIT_STAKE_MAX, 0);
		return;
	}
	ledger->control_sequence = sequence;
	if (type != NULL && strcmp(type, "market_set") == 0) {
		parse_market_set(fields, ledger);
	} else if (type != NULL && strcmp(type, "rules_set") == 0) {
		parse_rules_set(fields, ledger);
	} else if (type != NULL && strcmp(type, "account_freeze") == 0) {
		parse_account_freeze(fields, ledger);
	} else if (type != NULL && strcmp(type, "terminal_set") == 0) {
		parse_terminal_set(fields, ledger);
	} else if (type != NULL && strcmp(type, "none") == 0) {
		ledger->type = EVENT_COMMAND_MARK; /* nothing but the mark */
	} else if (fields->error == NULL) {
		fields->error =
		    admin_error("\"type\" must be market_set, accounts_open, rules_set, "
		                "account_freeze, terminal_set or none");
	}
}

/* Commands that need no shard. */
static json_t *answer_here(const struct admin_context *context, const char *name)
{
	if (strcmp(name, "status") == 0)
		return admin_status(context);
	if (strcmp(name, "histograms") == 0)
		return admin_histograms(context);
	if (strcmp(name, "open") == 0) {
		/* W1: all sessions installed so far are visible to workers that see the flag. */
		atomic_store_explicit(&context->shared->open, 1, memory_order_release);
		return json_pack("{s:b}", "ok", 1);
	}
	if (strcmp(name, "stop") == 0) {
		/* W2 */
		atomic_store_explicit(&context->shared->stop, 1, memory_order_release);
		return json_pack("{s:b}", "ok", 1);
	}
	return admin_error(
	    "unknown command; use status, histograms, sessions, session_install, session_end, "
	    "command, account_show, bet_show, terminal_show, market_show, open or stop");
}

void admin_parse(const struct admin_context *context, const char *line, size_t size,
    struct admin_request *request, json_t **answer)
{
	json_error_t problem;
	struct fields fields = { json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem), NULL,
		NULL };
	const char *name;

	memset(request, 0, sizeof(*request));
	request->kind = ADMIN_ANSWER;
	name = json_string_value(json_object_get(fields.object, "cmd"));
	if (fields.object == NULL)
		fields.error =
		    admin_error("not a JSON object: %s (column %d)", problem.text, problem.column);
	else if (name == NULL)
		fields.error = admin_error("\"cmd\" is missing");
	else if (strcmp(name, "session_install") == 0)
		parse_session_install(context, &fields, request);
	else if (strcmp(name, "session_end") == 0)
		parse_session_end(context, &fields, request);
	else if (strcmp(name, "command") == 0)
		parse_command(&fields, request);
	else if (!admin_query_parse(context, fields.object, name, request, &fields.error))
		*answer = answer_here(context, name);
	if (fields.error != NULL) {
		request->kind = ADMIN_ANSWER;
		*answer = admin_kind(fields.error, fields.kind != NULL ? fields.kind : "malformed");
	}
	json_decref(fields.object);
}
