/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the data plane answers, in the words of the verbs (tools/sluicectl/README.md, "What verbs
 * answer"): its admin socket has numbers for states and rights, and strings for times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "control/terminals/terminals.h"
#include "wire/messages.h"

static void member_rename(json_t *object, const char *from, const char *to)
{
	json_t *value = json_object_get(object, from);

	if (value == NULL)
		return;
	json_object_set(object, to, value);
	json_object_del(object, from);
}

/* A string of digits becomes the number. */
static void member_integer(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text != NULL)
		json_object_set_new(
		    object, name, json_integer((json_int_t)strtoull(text, NULL, 10)));
}

static void member_word(json_t *object, const char *name, const char *word)
{
	json_object_set_new(object, name, json_string(word != NULL ? word : "unknown"));
}

const char *view_bet_state(json_int_t state)
{
	static const char *const names[] = {
		[BET_OPEN] = "open",
		[BET_CANCELLED] = "cancelled",
		[BET_SETTLED] = "settled",
		[BET_VOID] = "void",
		[BET_PAID] = "paid",
		[BET_EXPIRED] = "expired",
	};

	return state >= BET_OPEN && state <= BET_STATE_MAX ? names[state] : "unknown";
}

/* A time as a string of digits becomes the number; for ever is the last there is. */
static void member_time(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	unsigned long long value = text != NULL ? strtoull(text, NULL, 10) : 0;

	if (text != NULL)
		json_object_set_new(object, name,
		    json_integer(value > INT64_MAX ? (json_int_t)INT64_MAX : (json_int_t)value));
}

void view_object(json_t *answer)
{
	static const char *const times[] = { "due_ns", "created_ns", "closed_ns", "opened_ns",
		"ends_ns", "excluded_until_ns", "cooloff_until_ns" };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(times); i++)
		member_time(answer, times[i]);
	member_rename(answer, "object_id", "object");
	member_rename(answer, "account_id", "account");
	member_rename(answer, "terminal_id", "terminal");
	member_rename(answer, "request_id", "request");
	member_rename(answer, "partner_id", "partner");
}

void view_account(json_t *answer)
{
	json_t *profile = json_object_get(answer, "profile");
	json_t *limits = json_object_get(answer, "limits");
	json_t *counters = json_object_get(answer, "counters");

	member_rename(answer, "account_id", "account");
	member_rename(answer, "partner_id", "partner");
	if (json_is_object(limits))
		view_object(limits);
	if (json_is_object(counters))
		view_object(counters);
	member_integer(profile, "first_ns");
	member_integer(profile, "updated_ns");
}

void view_bet(json_t *answer)
{
	json_t *leg;
	size_t index;

	member_rename(answer, "bet_id", "bet");
	member_rename(answer, "account_id", "account");
	member_rename(answer, "terminal_id", "terminal");
	member_integer(answer, "placed_at_ns");
	member_word(
	    answer, "state", view_bet_state(json_integer_value(json_object_get(answer, "state"))));
	json_array_foreach(json_object_get(answer, "legs"), index, leg)
	    member_rename(leg, "market_id", "market");
}

void view_terminal(json_t *answer)
{
	const json_t *rights = json_object_get(answer, "rights");

	member_rename(answer, "terminal_id", "terminal");
	member_rename(answer, "highest_request_id", "highest_request");
	if (rights != NULL)
		json_object_set_new(
		    answer, "rights", terminals_rights_json((uint32_t)json_integer_value(rights)));
}

void view_market(json_t *answer)
{
	const json_t *state = json_object_get(answer, "state");
	const json_t *kind = json_object_get(answer, "kind");

	member_rename(answer, "market_id", "market");
	member_rename(answer, "event_id", "event");
	member_integer(answer, "start_time_ns");
	if (state != NULL)
		member_word(answer, "state",
		    markets_state_name((enum market_state)json_integer_value(state)));
	if (kind != NULL)
		member_word(
		    answer, "kind", markets_kind_name((enum market_kind)json_integer_value(kind)));
}
