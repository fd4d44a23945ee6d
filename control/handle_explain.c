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
#include "dataplane/ledger/ledger.h"
#include "dataplane/risk/risk_extra.h"
#include "lmdb-schema/event_sections.h"
#include "lmdb-schema/past.h"
#include "wire/codes.h"

#define EXPLAIN_STEPS_MAX 100000u /* events of one account looked through for a bet */
#define EXPLAIN_TRIES     20      /* for an event that is not in the log yet */
#define EXPLAIN_PAUSE_NS  100000000ll

static const char *const event_names[EVENT_TYPE_MAX + 1] = {
	[EVENT_ACCOUNT_OPEN] = "account opened",
	[EVENT_DEPOSIT] = "deposit",
	[EVENT_PLACE_BET] = "bet",
	[EVENT_CANCEL_BET] = "cancellation",
	[EVENT_MARKET_SET] = "market changed",
	[EVENT_RULES_SET] = "rules changed",
	[EVENT_COMMAND_MARK] = "command done",
	[EVENT_TICK] = "clock tick",
	[EVENT_ACCOUNT_FREEZE] = "account frozen or unfrozen",
	[EVENT_TERMINAL_SET] = "terminal changed",
	[EVENT_WITHDRAW] = "withdrawal",
	[EVENT_WITHDRAW_CLOSE] = "withdrawal paid or given back",
	[EVENT_TRANSFER] = "transfer",
	[EVENT_TRANSFER_OUT] = "transfer sent to another shard",
	[EVENT_TRANSFER_IN] = "transfer received from another shard",
	[EVENT_TRANSFER_DONE] = "transfer completed",
	[EVENT_ADJUST] = "adjustment",
	[EVENT_BET_SETTLE] = "settlement",
	[EVENT_BET_VOID] = "bet voided",
	[EVENT_MARKET_RESULT] = "result of a market",
	[EVENT_REDEEM] = "ticket paid",
	[EVENT_TICKET_EXPIRE] = "ticket expired",
	[EVENT_BET_RETIRE] = "bets put away",
	[EVENT_OBJECT_RETIRE] = "objects put away",
	[EVENT_ROUND_DEBIT] = "game round: stake",
	[EVENT_ROUND_CREDIT] = "game round: win",
	[EVENT_ROUND_ROLLBACK] = "game round: rollback",
	[EVENT_ROUND_CLOSE] = "game round closed",
	[EVENT_SPRINKLE_CREATE] = "sprinkle",
	[EVENT_CLAIM] = "claim of a sprinkle",
	[EVENT_SPRINKLE_END] = "sprinkle ended",
	[EVENT_FENCE] = "request fenced",
	[EVENT_REVERSE] = "reversal refused",
	[EVENT_PLAY_SET] = "customer's own limits",
	[EVENT_SHIFT] = "shift opened or closed",
	[EVENT_REPRINT] = "ticket printed again",
	[EVENT_PARTNER_SET] = "partner changed",
	[EVENT_LEASE] = "credit of a limit moved between shards",
	[EVENT_ACCOUNT_FLAGS] = "what lists say of the account",
	[EVENT_FEEDBACK] = "a case was judged",
};

static const char *event_name(uint16_t type)
{
	return type <= EVENT_TYPE_MAX && event_names[type] != NULL ? event_names[type]
	                                                           : "unknown event";
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

/* Every posting besides the account's own, by its account's name. */
static json_t *lines_json(const struct event_view *view)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < view->line_count; i++) {
		uint64_t id = view->lines[i].account_id;
		json_t *line = json_object();

		if ((id & SYSTEM_ACCOUNT_BIT) != 0)
			json_object_set_new(
			    line, "system_account", json_string(view_system_account(id)));
		else
			number_set(line, "account", id);
		number_set(line, "amount", (uint64_t)view->lines[i].amount);
		json_array_append_new(list, line);
	}
	return list;
}

static json_t *objects_json(const struct event_view *view)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < view->object_count; i++) {
		const struct object_bytes *object = &view->objects[i];

		json_array_append_new(list, view_object_bytes(object));
	}
	return list;
}

/* What the fixed body of its type says besides. */
static void body_add(const struct event_view *view, json_t *object)
{
	struct event_bet_change change;
	struct event_result result;

	switch (le16_get(view->record.type)) {
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
	case EVENT_REDEEM:
	case EVENT_TICKET_EXPIRE:
		memcpy(&change, view->body, sizeof(change));
		if (change.to == 0)
			return;
		json_object_set_new(object, "from", json_string(view_bet_state(change.from)));
		json_object_set_new(object, "to", json_string(view_bet_state(change.to)));
		number_set(object, "payout_before", (uint64_t)le64s_get(change.payout_before));
		if (le64_get(change.market_id) != 0)
			number_set(object, "market", le64_get(change.market_id));
		if (le16_get(view->record.type) == EVENT_BET_SETTLE)
			json_object_set_new(object, "class",
			    json_string(
			        settlement_class_name((enum settlement_class)change.class)));
		return;
	case EVENT_MARKET_RESULT:
		memcpy(&result, view->body, sizeof(result));
		json_object_set_new(object, "op",
		    json_string(result.op == RESULT_SET        ? "set"
		                : result.op == RESULT_ROLLBACK ? "rollback"
		                : result.op == RESULT_WALKED   ? "all bets settled"
		                                               : "final"));
		return;
	default:
		return;
	}
}

static void bet_add(
    struct control *control, const struct event_view *view, const uint8_t *bytes, json_t *object)
{
	const struct event_record *record = &view->record;

	json_object_set_new(object, "odds_policy",
	    json_string(record->odds_policy == 0 ? "exact" : "same or better"));
	json_object_set_new(object, "legs", legs_json(control, record, bytes));
}

/* Who sold, or why it was done: one field of the record, by type (event.h). 0: not told. */
static void person_add(const struct event_record *record, json_t *object)
{
	uint32_t extra = le32_get(record->cashier_id);
	const char *name;

	switch (le16_get(record->type)) {
	case EVENT_PLACE_BET:
	case EVENT_SHIFT:
		name = "cashier";
		break;
	case EVENT_ACCOUNT_OPEN:
		name = "partner";
		break;
	default:
		name = "reason";
	}
	if (extra != 0)
		number_set(object, name, extra);
}

static json_t *event_json(struct control *control, uint32_t shard, const struct event_buffer *event)
{
	const struct event_record *record;
	json_t *object = json_object();
	struct event_view view;
	uint16_t code, type;

	if (event_view_read(event->bytes, sizeof(event->bytes), &view) != 0) {
		json_object_set_new(object, "event", json_string("damaged"));
		return object;
	}
	record = &view.record;
	code = le16_get(record->code);
	type = le16_get(record->type);
	json_object_set_new(object, "event", json_string(event_name(type)));
	json_object_set_new(object, "code", json_string(wire_code_name(code)));
	json_object_set_new(object, "meaning", json_string(wire_code_text(code, WIRE_ENGLISH)));
	number_set(object, "shard", shard);
	number_set(object, "lsn", le64_get(record->lsn));
	number_set(object, "time_ns", le64_get(record->time_ns));
	number_set(object, "terminal", le64_get(record->terminal_id));
	text_set(object, "request", le64_get(record->request_id));
	number_set(object, "account", le64_get(record->account_id));
	text_set(object, "object", le64_get(record->object_id));
	number_set(object, "amount", (uint64_t)le64s_get(record->amount));
	number_set(object, "balance", (uint64_t)le64s_get(record->balance));
	number_set(object, "currency", le16_get(record->currency));
	if (le64s_get(record->payout) != 0 || type == EVENT_PLACE_BET)
		number_set(object, "payout", (uint64_t)le64s_get(record->payout));
	person_add(record, object);
	if ((record->flags & EVENT_FLAG_TIMER) != 0)
		json_object_set_new(object, "by", json_string("time"));
	if ((record->flags & EVENT_FLAG_REVERSAL) != 0)
		json_object_set_new(object, "by", json_string("a reversal"));
	if (type == EVENT_PLACE_BET || (record->flags & EVENT_FLAG_SCORED) != 0 ||
	    le32_get(record->factor_bits) != 0)
		explain_risk_add(control, &view, object);
	explain_limit_add(control, &view, object);
	if (type == EVENT_PLACE_BET)
		bet_add(control, &view, event->bytes, object);
	body_add(&view, object);
	if (view.line_count > 0)
		json_object_set_new(object, "lines", lines_json(&view));
	if (view.object_count > 0)
		json_object_set_new(object, "objects", objects_json(&view));
	return object;
}

/* ---- Looking up ---- */

struct bet_facts {
	uint64_t id, lsn, account_id, placed_at_ns;
};

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
	int found = handle_history_open(control, shard, &history);

	if (found == 0)
		found = look_patiently(look_lsn, history, &lsn, &event);
	if (found > 0)
		*result = event_json(control, shard, &event);
	log_history_close(history);
	return found > 0 ? 0 : found;
}

/* Where the account's event before this one is: the account may stand in a line only. Of an event
 * that is not on its chain (the bet was put away by it), the one before in the log. */
static uint64_t lsn_before(const struct event_view *view, uint64_t account_id)
{
	if (account_id == 0) /* a cash ticket: its events are on no chain */
		return le64_get(view->record.lsn) - 1;
	if (le64_get(view->record.account_id) == account_id)
		return le64_get(view->record.prev_account_lsn);
	for (unsigned i = 0; i < view->line_count; i++)
		if (view->lines[i].account_id == account_id)
			return view->lines[i].prev_lsn;
	return le64_get(view->record.lsn) - 1;
}

/* A transfer between shards is told by its end; it was decided when it left, at its source, earlier
 * in the account's chain. 1 with *event exchanged, 0 when there is none, -errno. */
static int transfer_decision(struct log_history *history, struct event_buffer *event)
{
	struct event_buffer earlier;
	struct event_view end, view;
	uint64_t lsn;
	int found;

	if (event_view_read(event->bytes, sizeof(event->bytes), &end) != 0 ||
	    le16_get(end.record.type) != EVENT_TRANSFER_DONE)
		return 0;
	lsn = lsn_before(&end, le64_get(end.record.account_id));
	for (uint32_t step = 0; lsn != 0 && step < EXPLAIN_STEPS_MAX; step++) {
		found = log_history_event(history, lsn, &earlier);
		if (found <= 0 || event_view_read(earlier.bytes, sizeof(earlier.bytes), &view) != 0)
			return found == -ENOENT ? 0 : found < 0 ? found : -EIO;
		if (le16_get(view.record.type) == EVENT_TRANSFER_OUT &&
		    le64_get(view.record.request_id) == le64_get(end.record.request_id) &&
		    le64_get(view.record.terminal_id) == le64_get(end.record.terminal_id)) {
			*event = earlier;
			return 1;
		}
		lsn = lsn_before(&view, le64_get(end.record.account_id));
	}
	return 0;
}

/* ---- What the shards were before a re-sharding ---- */

static int past_open(struct control *control, struct log_past **past)
{
	char path[CONTROL_PATH_SIZE];
	int error = control_path(control, "var/lib/sluice", path, sizeof(path));

	return error != 0 ? error : log_past_open(past, path, NULL, NULL, 0);
}

/* Shard and LSN are those of then. */
static json_t *past_json(struct control *control, uint32_t shard, const struct event_buffer *event)
{
	json_t *told = event_json(control, shard, event);

	json_object_set_new(told, "before_resharding", json_true());
	return told;
}

static int past_request(
    struct control *control, uint64_t terminal_id, uint64_t request_id, json_t **result)
{
	struct log_past *past = NULL;
	struct event_buffer event;
	uint8_t shard = 0;
	int found = past_open(control, &past);

	if (found == 0)
		found = log_past_request(past, terminal_id, request_id, &event, &shard);
	if (found > 0)
		*result = past_json(control, shard, &event);
	log_past_close(past);
	return found > 0 ? 0 : found;
}

static int request_look(
    struct control *control, uint64_t terminal_id, uint64_t request_id, json_t **result)
{
	int result_error = -ENOENT;

	for (uint32_t shard = 0; shard < LIMIT_SHARDS && result_error == -ENOENT; shard++) {
		struct log_history *history = NULL;
		struct event_buffer event;
		json_t *end;
		int found;

		if (handle_history_open(control, shard, &history) != 0)
			break; /* one behind the last shard */
		found = log_history_request(history, terminal_id, request_id, &event);
		if (found > 0) {
			json_t *told = event_json(control, shard, &event);

			found = transfer_decision(history, &event);
			if (found > 0) { /* why it was let go, and how it ended */
				end = told;
				told = event_json(control, shard, &event);
				json_object_set_new(told, "end", end);
			}
			*result = told;
			result_error = 0;
		} else if (found != -ENOENT) {
			result_error = found;
		}
		log_history_close(history);
	}
	return result_error;
}

/* A decision is in the log's tables a moment after its answer. */
static int explain_request(
    struct control *control, uint64_t terminal_id, uint64_t request_id, json_t **result)
{
	const struct timespec pause = { .tv_nsec = EXPLAIN_PAUSE_NS };
	uint64_t until_ns = database_now_ns() + EXPLAIN_TRIES * EXPLAIN_PAUSE_NS;
	int found = request_look(control, terminal_id, request_id, result);

	if (found == -ENOENT)
		found = past_request(control, terminal_id, request_id, result);
	while (found == -ENOENT && database_now_ns() < until_ns) {
		(void)nanosleep(&pause, NULL);
		found = request_look(control, terminal_id, request_id, result);
	}
	return found;
}

static int is_of_bet(const struct event_view *view, uint64_t bet_id)
{
	switch (le16_get(view->record.type)) {
	case EVENT_PLACE_BET:
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
	case EVENT_REDEEM:
	case EVENT_TICKET_EXPIRE:
	case EVENT_REPRINT:
		return le64_get(view->record.object_id) == bet_id;
	default:
		return 0;
	}
}

/* All events of a bet, newest first: from its last change back along the account's chain. */
static int bet_events(
    struct control *control, uint32_t shard, const struct bet_facts *bet, json_t *events)
{
	struct log_history *history = NULL;
	struct log_past *past = NULL;
	int found = handle_history_open(control, shard, &history);
	uint64_t lsn = bet->lsn;
	uint16_t type = 0;

	if (found == 0)
		found = past_open(control, &past);

	for (uint32_t step = 0;
	     found >= 0 && lsn != 0 && step < EXPLAIN_STEPS_MAX && type != EVENT_PLACE_BET;
	     step++) {
		struct event_buffer event;
		struct event_view view;
		int before = past != NULL && lsn < log_history_first_lsn(history);

		if (before && bet->account_id == 0)
			break; /* of a cash ticket: on no chain, and its log of then is not known */
		found = before ? log_past_event(past, bet->account_id, lsn, &event)
		               : look_patiently(look_lsn, history, &lsn, &event);
		if (found <= 0 || event_view_read(event.bytes, sizeof(event.bytes), &view) != 0 ||
		    le64_get(view.record.time_ns) < bet->placed_at_ns)
			break;
		lsn = lsn_before(&view, bet->account_id);
		if (!is_of_bet(&view, bet->id))
			continue;
		type = le16_get(view.record.type);
		json_array_append_new(events, before ? past_json(control, shard, &event)
		                                     : event_json(control, shard, &event));
	}
	log_past_close(past);
	log_history_close(history);
	return found < 0 ? found : json_array_size(events) > 0 ? 0 : -ENOENT;
}

static int explain_bet(
    struct control *control, json_t *id, json_t **result, char *message, size_t message_size)
{
	json_t *answer = NULL, *events = json_array();
	struct bet_facts bet = { .id = json_is_string(id)
		                           ? strtoull(json_string_value(id), NULL, 10)
		                           : (uint64_t)json_integer_value(id) };
	const char *placed;
	int error = handle_bet_find(control, bet.id, &answer, message, message_size);

	if (error == 0) {
		bet.lsn = (uint64_t)json_integer_value(json_object_get(answer, "lsn"));
		bet.account_id =
		    (uint64_t)json_integer_value(json_object_get(answer, "account_id"));
		placed = json_string_value(json_object_get(answer, "placed_at_ns"));
		bet.placed_at_ns = placed != NULL ? strtoull(placed, NULL, 10) : 0;
		error = bet_events(control,
		    (uint32_t)json_integer_value(json_object_get(answer, "shard")), &bet, events);
	}
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
	struct rule_set set;

	if (version != NULL &&
	    rules_get_version(control->database, (uint32_t)json_integer_value(version), &set) == 0)
		json_object_set_new(event, "rules", rules_object(&set));
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
		    "the log holds no such decision: of the last seconds it may not be in it yet, "
		    "then ask again; of the past it was never made, or was retired "
		    "(store.log_keep_mib)");
	if (error != 0 && message[0] != '\0')
		return CONTROL_UNREACHABLE;
	if (error != 0)
		return handle_error(error, "log", message, message_size);
	rules_add(control, *result);
	return CONTROL_DONE;
}
