/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: the limit that a request was refused for, and the odds that had changed, with the
 * numbers that were compared. The event tells them (event_limit); of older logs only the limits of
 * the rules are known, and those of a terminal, a customer or a partner are not.
 */
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "dataplane/risk/risk_extra.h"
#include "lmdb-schema/event_sections.h"
#include "lmdb-schema/object.h"
#include "wire/codes.h"

static void number_set(json_t *object, const char *name, int64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* A limit by the rule or setting that has it; `most` 0: not known. */
static void limit_set(json_t *object, const char *rule, int64_t most)
{
	json_object_set_new(object, "rule", json_string(rule));
	if (most != 0)
		number_set(object, "limit", most);
}

/* The leg whose market the refusal names. */
static void leg_set(json_t *object, const struct event_view *view)
{
	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, view->body + i * sizeof(leg), sizeof(leg));
		if (le64_get(leg.market_id) != le64_get(view->record.object_id))
			continue;
		number_set(object, "market", (int64_t)le64_get(leg.market_id));
		number_set(object, "selection", le16_get(leg.selection));
	}
}

/* By the rules of then. 0: the code is of no limit of theirs. */
static int rule_set_of(json_t *object, const struct event_view *view, const struct rule_set *set)
{
	const struct event_record *record = &view->record;
	struct risk_amounts amounts;

	(void)risk_amounts_of(&set->rules, &set->extra, le16_get(record->currency), &amounts);
	switch (le16_get(record->code)) {
	case WIRE_CODE_LIMIT_SINGLE_STAKE:
		limit_set(object, "stake_single_max", amounts.stake_single_max);
		return 1;
	case WIRE_CODE_LIMIT_DAILY_STAKE:
		limit_set(object, "stake_daily_max", amounts.stake_daily_max);
		return 1;
	case WIRE_CODE_LIMIT_TERMINAL_DAILY:
		limit_set(object, "terminal_daily_max", set->rules.terminal_daily_max);
		return 1;
	case WIRE_CODE_PAYOUT_LIMIT:
		limit_set(object, "payout_max",
		    amounts.payout_max > 0 ? amounts.payout_max : LIMIT_PAYOUT_MAX);
		return 1;
	case WIRE_CODE_EXPOSURE_SELECTION:
		limit_set(object, "exposure_selection_max", set->rules.exposure_selection_max);
		return 1;
	case WIRE_CODE_EXPOSURE_MARKET:
		limit_set(object, "exposure_market_max", set->rules.exposure_market_max);
		return 1;
	case WIRE_CODE_EXPOSURE_PARTNER:
		limit_set(object, "partner's exposure_max", 0);
		return 1;
	default:
		return 0;
	}
}

static int is_exposure(unsigned code)
{
	return code == WIRE_CODE_EXPOSURE_SELECTION || code == WIRE_CODE_EXPOSURE_MARKET ||
	       code == WIRE_CODE_EXPOSURE_PARTNER;
}

/* What the event tells: the limit that held, which may be the terminal's own or the customer's, and
 * what stood against it. */
static void numbers_set(json_t *object, const struct event_view *view, const struct rule_set *set)
{
	unsigned code = le16_get(view->record.code);
	struct event_limit limit;

	memcpy(&limit, view->limit, sizeof(limit));
	number_set(object, "limit", le64s_get(limit.limit));
	if (limit.own != 0)
		json_object_set_new(object, "rule", json_string(play_limit_name(limit.own - 1u)));
	if (code == WIRE_CODE_LIMIT_TERMINAL_DAILY &&
	    le64s_get(limit.limit) < set->rules.terminal_daily_max)
		json_object_set_new(object, "rule", json_string("terminal's daily_max"));
	if (is_exposure(code)) {
		number_set(object, "exposed_here", le64s_get(limit.counted));
		number_set(object, "credit_here", le64s_get(limit.credit));
	} else {
		/* A terminal's is counted at its home, with what was on its way. */
		number_set(object, "counted_before", le64s_get(limit.counted));
	}
}

/* What was claimed, and what the book had. */
static void odds_add(const struct event_view *view, json_t *object)
{
	struct event_limit limit;
	json_t *odds = json_object();

	memcpy(&limit, view->limit, sizeof(limit));
	leg_set(odds, view);
	number_set(odds, "claimed_odds", le64s_get(limit.counted));
	number_set(odds, "book_odds", le64s_get(limit.limit));
	json_object_set_new(object, "odds", odds);
}

void explain_limit_add(struct control *control, const struct event_view *view, json_t *object)
{
	const struct event_record *record = &view->record;
	unsigned code = le16_get(record->code);
	struct rule_set set;
	json_t *limit;
	int known;

	if (code == WIRE_CODE_ODDS_CHANGED && view->limit != NULL) {
		odds_add(view, object);
		return;
	}
	if (rules_get_version(control->database, le32_get(record->rule_version), &set) != 0)
		return;
	limit = json_object();
	known = rule_set_of(limit, view, &set);
	if (view->limit != NULL)
		numbers_set(limit, view, &set);
	if (!known && view->limit == NULL) {
		json_decref(limit);
		return;
	}
	if (is_exposure(code))
		leg_set(limit, view);
	number_set(limit, le16_get(record->type) == EVENT_DEPOSIT ? "amount" : "stake",
	    explain_amount(view));
	if (le64s_get(record->payout) != 0)
		number_set(limit, "payout", le64s_get(record->payout));
	json_object_set_new(object, "limit", limit);
}
