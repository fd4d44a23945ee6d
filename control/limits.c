/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes near a limit: payouts of open bets of selections, markets and partners, stakes of the
 * day of terminals. Once a second some of each are asked of the shards, for a time that does not
 * depend on how many there are; where there is no limit nobody is asked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/alerts/alerts.h"
#include "control/control.h"
#include "control/desk/desk.h"
#include "control/log/log.h"
#include "control/markets/markets.h"
#include "control/terminals/terminals.h"

#define TURN_MARKETS 64u /* at a time, for TURN_NS */
#define TURN_NS      150000000ull
#define TURN_OTHERS  32u
#define ASK_MS       1000

static const char *const scopes[LIMIT_SCOPES] = { "selection", "market", "partner", "terminal" };

const char *limits_scope_name(unsigned scope)
{
	return scopes[scope];
}

/* 0; -errno: the database. */
static int limit_see(struct control *control, unsigned scope, const struct alert_limit *limit)
{
	int near = 0, error;
	uint64_t number = 0;

	error = alerts_limit_see(control->database, limit, &near, &number);
	if (error != 0)
		return error;
	control->limits.counting[scope] += (unsigned)near;
	if (number != 0)
		log_event(LOG_WARNING, "limits", "limit_near", NULL,
		    "%s %" PRIu64 " is near its limit: %" PRId64 " of %" PRId64 "; alert %" PRIu64
		    ", `sluicectl report liability`",
		    scopes[scope], limit->subject.id, limit->amount, limit->limit, number);
	return 0;
}

/* One pass over all of a kind is over. */
static void pass_over(struct control *control, unsigned scope)
{
	atomic_store_explicit(&control->limits.near[scope], control->limits.counting[scope],
	    memory_order_relaxed); /* a figure */
	control->limits.counting[scope] = 0;
}

static int ask(struct control *control, json_t *question, json_t **answer)
{
	char why[256];

	return link_ask(control->link, question, ASK_MS, answer, why, sizeof(why));
}

static int market_see(struct control *control, const struct risk_rules *rules, json_t *market)
{
	const char *name = json_string_value(json_object_get(market, "name"));
	struct alert_limit limit = { .selection = -1,
		.limit = rules->exposure_market_max,
		.currency = rules->currency,
		.text = name != NULL ? name : "" };
	json_t *answer = NULL, *exposure;
	size_t index;
	int error;

	limit.subject = (struct subject){ CONTROL_SUBJECT_MARKET,
		(uint64_t)json_integer_value(json_object_get(market, "market")) };
	error = ask(control,
	    json_pack(
	        "{s:s, s:I}", "cmd", "market_show", "market_id", (json_int_t)limit.subject.id),
	    &answer);
	if (error != 0)
		return error;
	limit.amount = json_integer_value(json_object_get(answer, "exposure_market"));
	error = limit_see(control, LIMIT_SCOPE_MARKET, &limit);
	limit.limit = rules->exposure_selection_max;
	json_array_foreach(json_object_get(answer, "exposure"), index, exposure)
	{
		limit.selection = (int)index;
		limit.amount = json_integer_value(exposure);
		if (error == 0)
			error = limit_see(control, LIMIT_SCOPE_SELECTION, &limit);
	}
	json_decref(answer);
	return error;
}

static int partner_see(struct control *control, json_t *partner)
{
	struct alert_limit limit = { .selection = -1, .text = "" };
	json_t *answer = NULL, *object;
	size_t index;
	int error;

	limit.subject = (struct subject){ CONTROL_SUBJECT_PARTNER,
		(uint64_t)json_integer_value(json_object_get(partner, "partner")) };
	limit.limit = json_integer_value(json_object_get(partner, "exposure_max"));
	limit.currency = (uint16_t)json_integer_value(json_object_get(partner, "currency"));
	if (limit.limit > 0) {
		error = ask(control,
		    json_pack("{s:s, s:s, s:[I]}", "cmd", "object_show", "kind", "partner", "words",
		        (json_int_t)limit.subject.id),
		    &answer);
		if (error != 0)
			return error;
		json_array_foreach(json_object_get(answer, "objects"), index, object)
		    limit.amount += json_integer_value(json_object_get(object, "exposure"));
		json_decref(answer);
	}
	return limit_see(control, LIMIT_SCOPE_PARTNER, &limit);
}

static int terminal_see(struct control *control, const struct risk_rules *rules, json_t *terminal)
{
	struct alert_limit limit = { .selection = -1,
		.limit = rules->terminal_daily_max,
		.currency = rules->currency,
		.text = "stakes of the day" };
	json_t *answer = NULL;
	int64_t own = json_integer_value(json_object_get(terminal, "daily_max"));
	int error;

	limit.subject = (struct subject){ CONTROL_SUBJECT_TERMINAL,
		(uint64_t)json_integer_value(json_object_get(terminal, "terminal")) };
	if (own > 0)
		limit.limit = own;
	error = ask(control,
	    json_pack(
	        "{s:s, s:I}", "cmd", "terminal_show", "terminal_id", (json_int_t)limit.subject.id),
	    &answer);
	if (error != 0)
		return error;
	limit.amount = json_integer_value(json_object_get(answer, "staked_today"));
	json_decref(answer);
	return limit_see(control, LIMIT_SCOPE_TERMINAL, &limit);
}

/* Some of a list; *next: where to go on, 0 behind the last. */
static int some_see(struct control *control, unsigned scope, const struct risk_rules *rules,
    json_t *list, unsigned asked, const char *key)
{
	uint64_t *next = &control->limits.next[scope];
	json_t *row;
	size_t index;
	int error = list == NULL ? -EIO : 0;

	json_array_foreach(list, index, row)
	{
		if (error != 0)
			break;
		error = scope == LIMIT_SCOPE_MARKET    ? market_see(control, rules, row)
		        : scope == LIMIT_SCOPE_PARTNER ? partner_see(control, row)
		                                       : terminal_see(control, rules, row);
		if (error == 0)
			*next = (uint64_t)json_integer_value(json_object_get(row, key)) + 1;
	}
	if (error == 0 && json_array_size(list) < asked) {
		*next = 0;
		pass_over(control, scope);
		if (scope == LIMIT_SCOPE_MARKET)
			pass_over(control, LIMIT_SCOPE_SELECTION);
	}
	json_decref(list);
	return error;
}

void limits_turn(struct control *control, const struct risk_rules *rules)
{
	struct limits_watch *watch = &control->limits;
	uint64_t begun_ns = database_now_ns();
	int error = 0,
	    markets = rules->exposure_selection_max > 0 || rules->exposure_market_max > 0;

	/* What stood near a limit that was taken away is looked at once more. */
	while (error == 0 && (markets || watch->had_markets) &&
	       database_now_ns() - begun_ns < TURN_NS) {
		error = some_see(control, LIMIT_SCOPE_MARKET, rules,
		    markets_list(
		        control->database, watch->next[LIMIT_SCOPE_MARKET], TURN_MARKETS, 0),
		    TURN_MARKETS, "market");
		if (watch->next[LIMIT_SCOPE_MARKET] == 0)
			break;
	}
	if (error == 0 && watch->next[LIMIT_SCOPE_MARKET] == 0)
		watch->had_markets = (uint8_t)markets;
	if (error == 0)
		error = some_see(control, LIMIT_SCOPE_PARTNER, rules,
		    partners_list(control->database, watch->next[LIMIT_SCOPE_PARTNER], TURN_OTHERS),
		    TURN_OTHERS, "partner");
	if (error == 0)
		error = some_see(control, LIMIT_SCOPE_TERMINAL, rules,
		    terminals_list(
		        control->database, watch->next[LIMIT_SCOPE_TERMINAL], TURN_OTHERS),
		    TURN_OTHERS, "terminal");
	(void)error; /* no answer now: gone on with in the next turn */
}
