/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: why a bet or request was decided as it was, out of the shards' logs. The log follows the
 * journal by a moment, so a decision just made is waited for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "dataplane/risk/risk.h"
#include "lmdb-schema/history.h"
#include "wire/codes.h"

#define EXPLAIN_STEPS_MAX 100000u /* events of one account looked through for a bet */
#define EXPLAIN_TRIES     20      /* for an event that is not in the log yet */
#define EXPLAIN_PAUSE_NS  100000000l

/* X(EVENT, what people call it) */
#define EVENT_NAMES(X)                                                                             \
	X(ACCOUNT_OPEN, "account opened")                                                          \
	X(DEPOSIT, "deposit")                                                                      \
	X(PLACE_BET, "bet")                                                                        \
	X(CANCEL_BET, "cancellation")                                                              \
	X(MARKET_SET, "market changed")                                                            \
	X(RULES_SET, "rules changed")                                                              \
	X(COMMAND_MARK, "command done")                                                            \
	X(TICK, "clock tick")                                                                      \
	X(ACCOUNT_FREEZE, "account frozen or unfrozen")                                            \
	X(TERMINAL_SET, "terminal changed")

static const char *event_name(uint16_t type)
{
	switch (type) {
#define EVENT_NAME(name, text)                                                                     \
	case EVENT_##name:                                                                         \
		return text;
		EVENT_NAMES(EVENT_NAME)
#undef EVENT_NAME
	default:
		return "unknown event";
	}
}

static void number_set(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* Bet and request ids use all 64 bits. */
static void text_set(json_t *object, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_object_set_new(object, name, json_string(text));
}

static json_t *factors_json(uint32_t bits)
{
	json_t *list = json_array();

	for (int factor = 0; factor < RISK_FACTOR_COUNT; factor++)
		if ((bits & 1u << factor) != 0)
			json_array_append_new(
			    list, json_pack("{s:s, s:s}", "factor",
			              risk_factor_name((enum risk_factor)factor), "why",
			              risk_factor_text((enum risk_factor)factor)));
	return list;
}

static json_t *legs_json(
    struct control *control, const struct event_record *record, const uint8_t *bytes)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < record->leg_count; i++) {
		struct record_control_market market;
		struct event_leg leg;
		json_t *object;

		memcpy(&leg, bytes + sizeof(*record) + i * sizeof(leg), sizeof(leg));
		object = json_pack("{s:I, s:i, s:I}", "market", (json_int_t)le64_get(leg.market_id),
		    "selection", (int)le16_get(leg.selection), "odds",
		    (json_int_t)le32_get(leg.odds));
		if (markets_get(control->database, le64_get(leg.market_id), &market) == 0) {
			json_object_set_new(object, "name", json_string((const char *)market.name));
			if (le16_get(leg.selection) < market.market.selection_count)
				json_object_set_new(object, "selection_name",
				    json_string(
				        (const char *)market.selections[le16_get(leg.selection)]));
		}
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *event_json(struct control *control, uint32_t shard, const struct event_buffer *event)
{
	struct event_record record;
	json_t *object = json_object();
	uint16_t code;

	memcpy(&record, event->bytes, sizeof(record));
	code = le16_get(record.code);
	json_object_set_new(object, "event", json_string(event_name(le16_get(record.type))));
	json_object_set_new(object, "code", json_string(wire_code_name(code)));
	json_object_set_new(object, "meaning", json_string(wire_code_text(code, WIRE_ENGLISH)));
	number_set(object, "shard", shard);
	number_set(object, "lsn", le64_get(record.lsn));
	number_set(object, "time_ns", le64_get(record.time_ns));
	number_set(object, "terminal", le64_get(record.terminal_id));
	text_set(object, "request", le64_get(record.request_id));
	number_set(object, "account", le64_get(record.account_id));
	text_set(object, "object", le64_get(record.object_id));
	number_set(object, "amount", (uint64_t)le64s_get(record.amount));
	number_set(object, "balance", (uint64_t)le64s_get(record.balance));
	number_set(object, "currency", le16_get(record.currency));
	if (le16_get(record.type) != EVENT_PLACE_BET)
		return object;
	number_set(object, "payout", (uint64_t)le64s_get(record.payout));
	number_set(object, "score", record.score);
	number_set(object, "rule_version", le32_get(record.rule_version));
	json_object_set_new(object, "odds_policy",
	    json_string(record.odds_policy == 0 ? "exact" : "same or better"));
	json_object_set_new(object, "factors", factors_json(le32_get(record.factor_bits)));
	json_object_set_new(object, "legs", legs_json(control, &record, event->bytes));
	return object;
}

/* ---- Looking up ---- */

static int history_open(struct control *control, uint32_t shard, struct log_history **history)
{
	char relative[64], path[CONTROL_PATH_SIZE];
	int error;

	snprintf(relative, sizeof(relative), "var/lib/sluice/shard-%" PRIu32, shard);
	error = control_path(control, relative, path, sizeof(path));
	return error != 0 ? error : log_history_open(history, path, shard);
}

/* Calls `look` until it finds something or the log has had time to follow. */
static int look_patiently(int (*look)(struct log_history *, const void *, struct event_buffer *),
    struct log_history *history, const void *what, struct event_buffer *event)
{
	const struct timespec pause = { .tv_nsec = EXPLAIN_PAUSE_NS };
	int found = -ENOENT;

	for (int i = 0; i < EXPLAIN_TRIES && found == -ENOENT; i++) {
		if (i > 0)
			(void)nanosleep(&pause, NULL);
		found = look(history, what, event);
	}
	return found;
}

static int look_lsn(struct log_history *history, const void *lsn, struct event_buffer *event)
{
	uint64_t wanted;

	memcpy(&wanted, lsn, sizeof(wanted));
	return log_history_event(history, wanted, event);
}

static int explain_lsn(struct control *control, uint32_t shard, uint64_t lsn, json_t **result)
{
	struct log_history *history = NULL;
	struct event_buffer event;
	int found = history_open(control, shard, &history);

	if (found == 0)
		found = look_patiently(look_lsn, history, &lsn, &event);
	if (found > 0)
		*result = event_json(control, shard, &event);
	log_history_close(history);
	return found > 0 ? 0 : found;
}

static int explain_request(
    struct control *control, uint64_t terminal_id, uint64_t request_id, json_t **result)
{
	int result_error = -ENOENT;

	for (uint32_t shard = 0; shard < LIMIT_SHARDS && result_error == -ENOENT; shard++) {
		struct log_history *history = NULL;
		struct event_buffer event;
		int found;

		if (history_open(control, shard, &history) != 0)
			break; /* one behind the last shard */
		found = log_history_request(history, terminal_id, request_id, &event);
		if (found > 0) {
			*result = event_json(control, shard, &event);
			result_error = 0;
		} else if (found != -ENOENT) {
			result_error = found;
		}
		log_history_close(history);
	}
	return result_error;
}

/* All events of a bet, newest first: from its last change back along the account's chain. */
static int bet_events(
    struct control *control, uint32_t shard, uint64_t lsn, uint64_t bet_id, json_t *events)
{
	struct log_history *history = NULL;
	int found = history_open(control, shard, &history);
	uint16_t type = 0;

	for (uint32_t step = 0;
	     found >= 0 && lsn != 0 && step < EXPLAIN_STEPS_MAX && type != EVENT_PLACE_BET;
	     step++) {
		struct event_record record;
		struct event_buffer event;

		found = look_patiently(look_lsn, history, &lsn, &event);
		if (found <= 0)
			break;
		memcpy(&record, event.bytes, sizeof(record));
		lsn = le64_get(record.prev_account_lsn);
		if (le64_get(record.object_id) != bet_id ||
		    (le16_get(record.type) != EVENT_PLACE_BET &&
		        le16_get(record.type) != EVENT_CANCEL_BET))
			continue;
		type = le16_get(record.type);
		json_array_append_new(events, event_json(control, shard, &event));
	}
	log_history_close(history);
	return found < 0 ? found : json_array_size(events) > 0 ? 0 : -ENOENT;
}

static int explain_bet(
    struct control *control, json_t *id, json_t **result, char *message, size_t message_size)
{
	json_t *answer = NULL, *events = json_array();
	uint64_t bet_id = json_is_string(id) ? strtoull(json_string_value(id), NULL, 10)
	                                     : (uint64_t)json_integer_value(id);
	int error =
	    link_ask(control->link, json_pack("{s:s, s:O}", "cmd", "bet_show", "bet_id", id), 5000,
	        &answer, message, message_size);

	if (error == 0 && !json_is_true(json_object_get(answer, "found")))
		error = -ENOENT;
	if (error == 0)
		error = bet_events(control,
		    (uint32_t)json_integer_value(json_object_get(answer, "shard")),
		    (uint64_t)json_integer_value(json_object_get(answer, "lsn")), bet_id, events);
	if (error == 0) {
		json_object_del(answer, "ok");
		json_object_del(answer, "found");
		view_bet(answer);
		*result = json_pack("{s:O, s:O, s:O}", "bet", json_object_get(answer, "bet"), "now",
		    answer, "events", events);
	}
	json_decref(answer);
	json_decref(events);
	return error;
}

/* The rules a decision was made under, beside it. */
static void rules_add(struct control *control, json_t *result)
{
	json_t *events = json_object_get(result, "events");
	json_t *event =
	    events != NULL ? json_array_get(events, json_array_size(events) - 1) : result;
	json_t *version = json_object_get(event, "rule_version");
	struct risk_rules rules;

	if (version != NULL && rules_get_version(control->database,
	                           (uint32_t)json_integer_value(version), &rules) == 0)
		json_object_set_new(event, "rules", rules_object(&rules));
}

int handle_explain(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *bet = json_object_get(request->arguments, "id");
	uint64_t lsn = (uint64_t)ops_number(request, "lsn", 0);
	uint64_t terminal_id = (uint64_t)ops_number(request, "terminal", 0);
	uint64_t request_id = (uint64_t)ops_number(request, "request", 0);
	int error;

	message[0] = '\0';
	if ((bet != NULL) + (lsn != 0) + (terminal_id != 0 && request_id != 0) != 1)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give a bet id, or --terminal and --request, or --lsn (with --shard)");
	if (bet != NULL)
		error = explain_bet(control, bet, result, message, message_size);
	else if (lsn != 0)
		error =
		    explain_lsn(control, (uint32_t)ops_number(request, "shard", 0), lsn, result);
	else
		error = explain_request(control, terminal_id, request_id, result);
	if (error == -ENOENT)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "the log holds no such decision; it may have been retired "
		    "(store.log_keep_mib)");
	if (error != 0 && message[0] != '\0')
		return CONTROL_UNREACHABLE;
	if (error != 0)
		return handle_error(error, "log", message, message_size);
	rules_add(control, *result);
	return CONTROL_DONE;
}
