/* SPDX-License-Identifier: Apache-2.0 */
/* explain: each factor of a decision with the numbers it saw and the rules it was measured by. */
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "dataplane/risk/risk_extra.h"
#include "lmdb-schema/event_sections.h"

static void number_set(json_t *object, const char *name, int64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* In tenths or hundredths. */
static void part_set(json_t *object, const char *name, double value, double of)
{
	json_object_set_new(object, name, json_real(value / of));
}

/* A rule by its name, as `rules show` has it. */
static void rule_set_number(json_t *rules, const struct rule_set *set, const char *name)
{
	const struct rule_field *field = rule_field_find(name, strlen(name));

	if (field != NULL)
		number_set(rules, name, rule_field_get(set, field));
}

/* Of the profile and the amount: factors of risk.h. */
static void base_factor(json_t *saw, json_t *rules, unsigned bit, const struct event_record *record,
    const struct event_risk *risk, const struct rule_set *set)
{
	int64_t amount = le64s_get(record->amount);
	struct risk_amounts amounts;

	(void)risk_amounts_of(&set->rules, &set->extra, le16_get(record->currency), &amounts);
	switch (bit) {
	case RISK_LARGE:
		number_set(saw, "amount", amount < 0 ? -amount : amount);
		number_set(rules, "large_amount", amounts.large_amount);
		rule_set_number(rules, set, "points_large");
		break;
	case RISK_AMOUNT_DEVIATION:
		part_set(saw, "deviations", le16_get(risk->amount_z_tenths), 10);
		number_set(saw, "mean", le64s_get(risk->amount_mean));
		rule_set_number(rules, set, "deviation_z_tenths");
		break;
	case RISK_FREQUENCY_DEVIATION:
		part_set(saw, "bets_24h", le16_get(risk->bets_24h_tenths), 10);
		part_set(saw, "bets_daily_7d", le16_get(risk->bets_daily_7d_tenths), 10);
		part_set(saw, "bets_daily_30d", le16_get(risk->bets_daily_30d_tenths), 10);
		rule_set_number(rules, set, "frequency_count");
		rule_set_number(rules, set, "frequency_ratio_tenths");
		break;
	case RISK_BEHAVIOUR:
		rule_set_number(rules, set, "points_behaviour");
		break;
	case RISK_ODDS_CLAIMED:
		rule_set_number(rules, set, "points_odds");
		break;
	case RISK_LONGSHOT:
		number_set(saw, "payout", le64s_get(record->payout));
		number_set(rules, "longshot_liability", amounts.longshot_liability);
		rule_set_number(rules, set, "longshot_odds");
		rule_set_number(rules, set, "points_odds");
		break;
	case RISK_ALERT:
		number_set(saw, "score", record->score);
		rule_set_number(rules, set, "alert_score");
		break;
	default:
		break;
	}
}

/* What an account did: STAKE_LADDER to COUNTERPARTIES and those about its past. */
static void account_factor(json_t *saw, json_t *rules, unsigned factor,
    const struct event_risk *risk, const struct rule_set *set)
{
	switch (factor) {
	case RISK_STATE_TIME_DEVIATION:
		number_set(saw, "hour", risk->hour);
		number_set(saw, "day", risk->day);
		json_object_set_new(saw, "outside",
		    json_string(risk->time_outside == 3   ? "hour and day"
		                : risk->time_outside == 2 ? "day"
		                                          : "hour"));
		break;
	case RISK_STATE_STRUCTURING:
		number_set(saw, "near_report_threshold", risk->near_report);
		rule_set_number(rules, set, "report_threshold");
		rule_set_number(rules, set, "structuring_window_s");
		break;
	case RISK_STATE_RAPID_MOVEMENT:
		number_set(saw, "received_24h", le64s_get(risk->received_amount));
		number_set(saw, "staked_since", le64s_get(risk->staked_since));
		rule_set_number(rules, set, "rapid_moved_percent");
		rule_set_number(rules, set, "rapid_staked_percent");
		break;
	case RISK_STATE_STAKE_LADDER:
		number_set(saw, "growing_amounts", risk->ladder);
		rule_set_number(rules, set, "ladder_steps");
		break;
	case RISK_STATE_REPEATED_TRANSFER:
		number_set(saw, "transfers_in_a_row", risk->transfers_repeated);
		rule_set_number(rules, set, "repeated_transfers");
		break;
	case RISK_STATE_SELECTION_REPEATED:
		number_set(saw, "bets_on_selection", risk->selection_bets);
		rule_set_number(rules, set, "selection_repeats");
		break;
	case RISK_STATE_SELECTION_TERMINALS:
		number_set(saw, "terminal_bits", risk->selection_sides);
		rule_set_number(rules, set, "selection_terminals");
		break;
	case RISK_STATE_LATE_BET:
		number_set(saw, "close_in_s", le32_get(risk->close_in_s));
		rule_set_number(rules, set, "late_s");
		break;
	case RISK_STATE_COUNTERPARTIES:
		number_set(saw, "counterparty_bits", risk->counterparties);
		rule_set_number(rules, set, "counterparties");
		break;
	case RISK_STATE_ACCOUNT_CONFIRMED:
		part_set(saw, "confirmed_7d", le16_get(risk->account_confirmed_tenths), 10);
		part_set(saw, "judged_7d", le16_get(risk->account_labelled_tenths), 10);
		rule_set_number(rules, set, "confirmed_tenths");
		rule_set_number(rules, set, "confirmed_percent");
		break;
	default:
		break;
	}
}

static void terminal_factor(json_t *saw, json_t *rules, unsigned factor,
    const struct event_risk *risk, const struct rule_set *set)
{
	switch (factor) {
	case RISK_STATE_SELECTION_AT_TERMINAL:
		number_set(saw, "bets_on_selection", risk->selection_at_terminal);
		rule_set_number(rules, set, "selection_at_terminal");
		break;
	case RISK_STATE_TERMINAL_VELOCITY:
		part_set(saw, "requests_1h", le16_get(risk->terminal_1h_tenths), 10);
		part_set(saw, "hourly_average_7d", le16_get(risk->terminal_hourly_hundredths), 100);
		rule_set_number(rules, set, "velocity_count");
		rule_set_number(rules, set, "velocity_ratio_tenths");
		break;
	case RISK_STATE_TERMINAL_CONFIRMED:
		part_set(saw, "confirmed_7d", le16_get(risk->terminal_confirmed_tenths), 10);
		part_set(saw, "judged_7d", le16_get(risk->terminal_labelled_tenths), 10);
		rule_set_number(rules, set, "confirmed_tenths");
		rule_set_number(rules, set, "confirmed_percent");
		break;
	default:
		break;
	}
}

static void flag_factor(json_t *saw, json_t *rules, unsigned bit, const struct event_risk *risk,
    const struct rule_set *set)
{
	switch (bit) {
	case RISK_BITS_COUNTRY:
		number_set(saw, "country", le16_get(risk->country));
		rule_set_number(rules, set, "points_country");
		break;
	case RISK_BITS_WATCH_LIST:
		number_set(saw, "account_flags", le16_get(risk->account_flags));
		rule_set_number(rules, set, "points_watch_list");
		break;
	case RISK_BITS_MODEL:
		number_set(saw, "model_version", le32_get(risk->model_version));
		rule_set_number(rules, set, "points_model_max");
		break;
	case RISK_BITS_PARTNER:
		part_set(saw, "confirmed_7d", le16_get(risk->partner_confirmed_tenths), 10);
		part_set(saw, "judged_7d", le16_get(risk->partner_labelled_tenths), 10);
		rule_set_number(rules, set, "partner_confirmed_tenths");
		rule_set_number(rules, set, "confirmed_percent");
		rule_set_number(rules, set, "points_partner_confirmed");
		break;
	default:
		break;
	}
}

/* The rule with the points of a state's factor. */
static void points_rule(json_t *rules, const struct rule_set *set, unsigned factor)
{
	if (factor < RISK_STATE_FACTOR_COUNT && set->extra.present)
		number_set(rules, "points", set->extra.factors.points[factor]);
}

static json_t *factor_json(unsigned bit, const struct event_record *record,
    const struct event_risk *risk, const struct rule_set *set)
{
	json_t *saw = json_object(), *rules = json_object();
	json_t *object =
	    json_pack("{s:s?, s:s?}", "factor", risk_bit_name(bit), "why", risk_bit_text(bit));
	unsigned factor = bit - RISK_STATE_SHIFT; /* wraps for those of risk.h */

	if (risk != NULL && set != NULL) {
		base_factor(saw, rules, bit, record, risk, set);
		if (bit >= RISK_STATE_SHIFT && factor < RISK_STATE_FACTOR_COUNT) {
			account_factor(saw, rules, factor, risk, set);
			terminal_factor(saw, rules, factor, risk, set);
			points_rule(rules, set, factor);
		}
		flag_factor(saw, rules, bit, risk, set);
	}
	if (json_object_size(saw) > 0)
		json_object_set(object, "saw", saw);
	if (json_object_size(rules) > 0)
		json_object_set(object, "rules", rules);
	json_decref(saw);
	json_decref(rules);
	return object;
}

/* Where the score comes from, and the model's part. */
static json_t *parts_json(const struct event_risk *risk)
{
	static const char *const states[] = { "off", "shadow", "active" };
	json_t *parts = json_object();

	number_set(parts, "profile", risk->points_base);
	number_set(parts, "states", risk->points_state);
	number_set(parts, "lists", risk->points_flags);
	number_set(parts, "model", risk->points_model);
	if (le32_get(risk->model_version) != 0) {
		number_set(parts, "model_version", le32_get(risk->model_version));
		json_object_set_new(parts, "model_state",
		    json_string(risk->model_state < SLUICE_ARRAY_COUNT(states)
		                    ? states[risk->model_state]
		                    : "unknown"));
		part_set(parts, "model_margin", (int32_t)le32_get(risk->model_margin), 1 << 24);
	}
	return parts;
}

void explain_risk_add(struct control *control, const struct event_view *view, json_t *object)
{
	const struct event_record *record = &view->record;
	uint32_t bits = le32_get(record->factor_bits);
	struct rule_set set;
	struct event_risk risk;
	json_t *factors = json_array();
	int has_risk = view->risk != NULL;
	int has_rules =
	    rules_get_version(control->database, le32_get(record->rule_version), &set) == 0;

	if (has_risk)
		memcpy(&risk, view->risk, sizeof(risk));
	for (unsigned bit = 0; bit < RISK_BITS_COUNT; bit++)
		if ((bits & 1u << bit) != 0)
			json_array_append_new(
			    factors, factor_json(bit, record, has_risk ? &risk : NULL,
			                 has_rules ? &set : NULL));
	number_set(object, "score", record->score);
	number_set(object, "rule_version", le32_get(record->rule_version));
	json_object_set_new(object, "factors", factors);
	if (has_risk)
		json_object_set_new(object, "points", parts_json(&risk));
}
