/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: the limit that a stake was refused for, with the numbers that are known of it.
 *
 * What an account had staked that day is added up anew from its chain. What a terminal had staked
 * is counted at its home over all shards, and what was exposed moves with every bet of a market: no
 * event says either, so only what was asked for and the limit are told.
 */
#include <errno.h>
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "dataplane/risk/risk_extra.h"
#include "lmdb-schema/event_sections.h"
#include "lmdb-schema/history.h"
#include "lmdb-schema/object.h"
#include "wire/codes.h"

#define DAY_STEPS_MAX 100000u /* events of one account looked through for a day */

static void number_set(json_t *object, const char *name, int64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* What a game round's debit adds to the day, or takes off it when it is taken back on that day. */
static int64_t round_staked(
    const struct event_view *view, const struct risk_rules *rules, uint32_t day)
{
	for (unsigned i = 0; i < view->object_count; i++) {
		struct object_round_tx tx;

		if (view->objects[i].kind != OBJECT_ROUND_TX)
			continue;
		memcpy(&tx, view->objects[i].body, sizeof(tx));
		if (tx.op != ROUND_OP_DEBIT || !(tx.counted & ROUND_COUNTED_ACCOUNT))
			return 0;
		if (view->objects[i].state != OBJECT_REVERSED)
			return le64s_get(tx.amount);
		return risk_day(rules, le64_get(tx.done_ns)) == day ? -le64s_get(tx.amount) : 0;
	}
	return 0;
}

static int64_t event_staked(
    const struct event_view *view, const struct risk_rules *rules, uint32_t day)
{
	struct event_bet_change change;

	if (le16_get(view->record.code) != WIRE_CODE_OK)
		return 0;
	switch (le16_get(view->record.type)) {
	case EVENT_PLACE_BET:
		return -le64s_get(view->record.amount);
	case EVENT_CANCEL_BET:
		memcpy(&change, view->body, sizeof(change));
		return risk_day(rules, le64_get(change.placed_at_ns)) == day
		           ? -le64s_get(change.stake)
		           : 0;
	case EVENT_ROUND_DEBIT:
	case EVENT_ROUND_CREDIT:
	case EVENT_ROUND_ROLLBACK:
		return round_staked(view, rules, day);
	default:
		return 0;
	}
}

/* What the account had staked that day before this. 0, or -ENOENT: the log has not all of it. */
static int day_staked(struct log_history *history, const struct event_view *refused,
    const struct risk_rules *rules, int64_t *staked)
{
	uint64_t account_id = le64_get(refused->record.account_id);
	uint64_t lsn = le64_get(refused->record.prev_account_lsn);
	uint32_t day = risk_day(rules, le64_get(refused->record.time_ns));
	struct event_buffer event;
	struct event_view view;
	int found;

	*staked = 0;
	for (uint32_t step = 0; lsn != 0; step++) {
		found = step < DAY_STEPS_MAX ? log_history_event(history, lsn, &event) : -ENOENT;
		if (found <= 0 || event_view_read(event.bytes, sizeof(event.bytes), &view) != 0)
			return -ENOENT;
		if (risk_day(rules, le64_get(view.record.time_ns)) < day)
			return 0;
		if (le64_get(view.record.account_id) == account_id)
			*staked += event_staked(&view, rules, day);
		lsn = explain_lsn_before(&view, account_id);
	}
	return 0;
}

static void limit_set(json_t *limit, const char *rule, int64_t most)
{
	json_object_set_new(limit, "rule", json_string(rule));
	number_set(limit, "limit", most);
}

/* The leg whose market the refusal names. */
static void leg_set(json_t *limit, const struct event_view *view)
{
	for (unsigned i = 0; i < view->record.leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, view->body + i * sizeof(leg), sizeof(leg));
		if (le64_get(leg.market_id) != le64_get(view->record.object_id))
			continue;
		number_set(limit, "market", (int64_t)le64_get(leg.market_id));
		number_set(limit, "selection", le16_get(leg.selection));
	}
}

static void day_set(json_t *limit, struct log_history *history, const struct event_view *view,
    const struct risk_rules *rules)
{
	int64_t staked;

	if (history != NULL && day_staked(history, view, rules, &staked) == 0)
		number_set(limit, "staked_before", staked);
}

void explain_limit_add(struct control *control, struct log_history *history,
    const struct event_view *view, json_t *object)
{
	const struct event_record *record = &view->record;
	struct risk_amounts amounts;
	struct rule_set set;
	uint16_t code = le16_get(record->code);
	json_t *limit;

	if (rules_get_version(control->database, le32_get(record->rule_version), &set) != 0)
		return;
	(void)risk_amounts_of(&set.rules, &set.extra, le16_get(record->currency), &amounts);
	limit = json_object();
	if (code == WIRE_CODE_LIMIT_SINGLE_STAKE) {
		limit_set(limit, "stake_single_max", amounts.stake_single_max);
	} else if (code == WIRE_CODE_LIMIT_DAILY_STAKE) {
		limit_set(limit, "stake_daily_max", amounts.stake_daily_max);
		day_set(limit, history, view, &set.rules);
	} else if (code == WIRE_CODE_LIMIT_TERMINAL_DAILY) {
		/* The terminal's own limit may be lower: `terminal show`. */
		limit_set(limit, "terminal_daily_max", set.rules.terminal_daily_max);
	} else if (code == WIRE_CODE_PAYOUT_LIMIT) {
		limit_set(limit, "payout_max",
		    amounts.payout_max > 0 ? amounts.payout_max : LIMIT_PAYOUT_MAX);
	} else if (code == WIRE_CODE_EXPOSURE_SELECTION) {
		limit_set(limit, "exposure_selection_max", set.rules.exposure_selection_max);
		leg_set(limit, view);
	} else if (code == WIRE_CODE_EXPOSURE_MARKET) {
		limit_set(limit, "exposure_market_max", set.rules.exposure_market_max);
		leg_set(limit, view);
	} else {
		json_decref(limit);
		return;
	}
	number_set(limit, "stake", explain_amount(view));
	if (le64s_get(record->payout) != 0)
		number_set(limit, "payout", le64s_get(record->payout));
	json_object_set_new(object, "limit", limit);
}
