/* SPDX-License-Identifier: Apache-2.0 */
/* explain: each factor of a decision with the numbers it saw and the rules it was measured by. */
#include <string.h>
#include <time.h>

#include "control/control.h"
#include "control/markets/markets.h"
#include "control/subjects/subjects.h"
#include "dataplane/ledger/ledger.h"
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

/* What was asked, its numbers, and the rules of then. */
struct explained {
	const struct event_view *view;
	const struct event_record *record; /* the view's */
	const struct event_risk *risk;
	const struct rule_set *set;
	struct risk_amounts amounts; /* of its currency */
};

int64_t explain_amount(const struct event_view *view)
{
	int64_t amount = le64s_get(view->record.amount);

	/* A cash bet moves no account: its stake is the line of CASH. */
	if (amount == 0 && le64_get(view->record.account_id) == 0 && view->line_count > 0)
		amount = view->lines[0].amount;
	return amount < 0 ? -amount : amount;
}

/* The odds of each leg: of an accepted bet the book's; of a refused one those that were claimed,
 * which differ from the book's where ODDS_CLAIMED fired. */
static void legs_set(json_t *saw, const struct explained *of)
{
	int accepted = le16_get(of->record->code) == WIRE_CODE_OK;
	json_t *list = json_array();

	for (unsigned i = 0; i < of->record->leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, of->view->body + i * sizeof(leg), sizeof(leg));
		json_array_append_new(list,
		    json_pack("{s:I, s:i, s:I}", "market", (json_int_t)le64_get(leg.market_id),
		        "selection", (int)le16_get(leg.selection),
		        accepted ? "book_odds" : "claimed_odds", (json_int_t)le32_get(leg.odds)));
	}
	json_object_set_new(saw, "legs", list);
}

/* All legs together, as the decision works it out. */
static uint64_t legs_product(const struct explained *of)
{
	uint64_t product = 1000;

	for (unsigned i = 0; i < of->record->leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, of->view->body + i * sizeof(leg), sizeof(leg));
		product = product * le32_get(leg.odds) / 1000;
		product = product > UINT32_MAX ? UINT32_MAX : product;
	}
	return product;
}

/* The book's together: where a refused bet claimed others, the payout tells them. */
static uint64_t book_product(const struct explained *of)
{
	int64_t stake = explain_amount(of->view), payout = le64s_get(of->record->payout);

	if (le16_get(of->record->code) == WIRE_CODE_OK || stake <= 0 ||
	    (le32_get(of->record->factor_bits) & RISK_BIT(ODDS_CLAIMED)) == 0)
		return legs_product(of);
	return (uint64_t)payout * 1000 / (uint64_t)stake;
}

static void claimed_set(json_t *saw, const struct explained *of)
{
	legs_set(saw, of);
	number_set(saw, "book_odds", (int64_t)book_product(of));
	if (le16_get(of->record->code) != WIRE_CODE_OK)
		number_set(saw, "claimed_odds", (int64_t)legs_product(of));
}

/* What is compared with longshot_odds, and the liability. */
static void longshot_set(json_t *saw, const struct explained *of)
{
	int64_t payout = le64s_get(of->record->payout);

	legs_set(saw, of);
	number_set(saw, "odds", (int64_t)book_product(of));
	number_set(saw, "payout", payout);
	number_set(saw, "liability", payout - explain_amount(of->view));
}

/* Which deviations it is of, and what they gave: the rest of the profile's points. */
static void behaviour_set(json_t *saw, const struct explained *of)
{
	uint32_t bits = le32_get(of->record->factor_bits);
	int points = of->risk->points_base;
	json_t *list = json_array();

	for (unsigned bit = RISK_AMOUNT_DEVIATION; bit <= RISK_FREQUENCY_DEVIATION; bit++)
		if ((bits & 1u << bit) != 0)
			json_array_append_new(list, json_string(risk_bit_name(bit)));
	json_object_set_new(saw, "deviations", list);
	if ((bits & RISK_BIT(LARGE)) != 0)
		points -= of->set->rules.points_large;
	if ((bits & (RISK_BIT(ODDS_CLAIMED) | RISK_BIT(LONGSHOT))) != 0)
		points -= of->set->rules.points_odds;
	if (of->risk->points_base < 100) /* else it may have been more */
		number_set(saw, "points", points);
}

/* Of the profile and the amount: factors of risk.h. */
static void base_factor(json_t *saw, json_t *rules, unsigned bit, const struct explained *of)
{
	const struct event_risk *risk = of->risk;
	const struct rule_set *set = of->set;

	switch (bit) {
	case RISK_LARGE:
		number_set(saw, "amount", explain_amount(of->view));
		number_set(rules, "large_amount", of->amounts.large_amount);
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
		behaviour_set(saw, of);
		rule_set_number(rules, set, "points_behaviour");
		break;
	case RISK_ODDS_CLAIMED:
		claimed_set(saw, of);
		rule_set_number(rules, set, "points_odds");
		break;
	case RISK_LONGSHOT:
		longshot_set(saw, of);
		number_set(rules, "longshot_liability", of->amounts.longshot_liability);
		rule_set_number(rules, set, "longshot_odds");
		rule_set_number(rules, set, "points_odds");
		break;
	case RISK_ALERT:
		number_set(saw, "score", of->record->score);
		rule_set_number(rules, set, "alert_score");
		break;
	default:
		break;
	}
}

/* Hour and day are local, as the rules have it; beside the number of the day its name and date. */
static void time_set(json_t *saw, const struct explained *of)
{
	static const char *const names[] = { "Thursday", "Friday", "Saturday", "Sunday", "Monday",
		"Tuesday", "Wednesday" };
	time_t local =
	    (time_t)(le64_get(of->record->time_ns) / 1000000000ull + of->set->rules.utc_offset_s);
	uint8_t outside = of->risk->time_outside;
	struct tm parts;
	char date[16];

	number_set(saw, "hour", of->risk->hour);
	number_set(saw, "day", of->risk->day);
	if (of->risk->day < SLUICE_ARRAY_COUNT(names))
		json_object_set_new(saw, "weekday", json_string(names[of->risk->day]));
	if (gmtime_r(&local, &parts) != NULL && strftime(date, sizeof(date), "%F", &parts) > 0)
		json_object_set_new(saw, "date", json_string(date));
	json_object_set_new(saw, "outside",
	    json_string(outside == 3   ? "hour and day"
	                : outside == 2 ? "day"
	                               : "hour"));
}

/* Which factors made it, and what each combination gave. */
static void composite_set(json_t *saw, json_t *rules, const struct explained *of)
{
	uint32_t bits = le32_get(of->record->factor_bits), state = bits >> RISK_STATE_SHIFT;
	bool young = le32_get(of->risk->account_age_s) < of->set->extra.factors.young_s;
	unsigned points = 0, most = of->set->extra.factors.points[RISK_STATE_COMPOSITE];
	json_t *list = json_array();
	size_t count;
	const struct risk_composite *all = risk_composites(&count);

	for (size_t i = 0; i < count; i++) {
		uint32_t together = all[i].base_bits | all[i].bits << RISK_STATE_SHIFT;
		json_t *factors;

		if (!risk_composite_holds(&all[i], bits, state, young))
			continue;
		factors = json_array();
		for (unsigned bit = 0; bit < RISK_BITS_COUNT; bit++)
			if ((together & 1u << bit) != 0)
				json_array_append_new(factors, json_string(risk_bit_name(bit)));
		json_array_append_new(
		    list, json_pack("{s:o, s:b, s:i}", "factors", factors, "new_account",
		              all[i].young, "points", all[i].points));
		points += all[i].points;
	}
	json_object_set_new(saw, "combinations", list);
	number_set(saw, "points", points < most ? points : most);
	number_set(saw, "account_age_s", le32_get(of->risk->account_age_s));
	rule_set_number(rules, of->set, "young_s");
	rule_set_number(rules, of->set, "points_composite");
}

/* What an account did: STAKE_LADDER to COUNTERPARTIES and those about its past. */
static void account_factor(json_t *saw, json_t *rules, unsigned factor, const struct explained *of)
{
	const struct event_risk *risk = of->risk;
	const struct rule_set *set = of->set;

	switch (factor) {
	case RISK_STATE_TIME_DEVIATION:
		time_set(saw, of);
		break;
	case RISK_STATE_STRUCTURING:
		number_set(saw, "near_report_threshold", risk->near_report);
		number_set(saw, "amount", explain_amount(of->view));
		number_set(rules, "report_threshold", of->amounts.report_threshold);
		rule_set_number(rules, set, "structuring_window_s");
		break;
	case RISK_STATE_RAPID_MOVEMENT:
		number_set(saw, "amount", explain_amount(of->view));
		/* Deposits of a span (dataplane/risk): no more than a day from one to the next. */
		number_set(saw, "received", le64s_get(risk->received_amount));
		number_set(saw, "staked_since", le64s_get(risk->staked_since));
		if (risk->moved_percent != 0) /* older logs do not say */
			number_set(saw, "moved_percent", risk->moved_percent);
		rule_set_number(rules, set, "rapid_window_s");
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
		number_set(saw, "terminal_age_s", le32_get(risk->terminal_age_s));
		rule_set_number(rules, set, "velocity_count");
		rule_set_number(rules, set, "velocity_ratio_tenths");
		break;
	case RISK_STATE_TERMINAL_CONFIRMED:
		part_set(saw, "confirmed_7d", le16_get(risk->terminal_confirmed_tenths), 10);
		part_set(saw, "judged_7d", le16_get(risk->terminal_labelled_tenths), 10);
		rule_set_number(rules, set, "terminal_confirmed_tenths");
		rule_set_number(rules, set, "confirmed_tenths");
		rule_set_number(rules, set, "confirmed_percent");
		break;
	default:
		break;
	}
}

/* Numbers as the shards have them, and what they mean. */
static void list_set(json_t *saw, unsigned bit, const struct event_risk *risk)
{
	static const struct {
		uint16_t flag;
		const char *name;
	} names[] = {
		{ ACCOUNT_PEP, "politically exposed" },
		{ ACCOUNT_SANCTIONED, "on a watch list" },
		{ ACCOUNT_COUNTRY_RISK, "country of risk" },
	};
	const char *letters = country_letters(le16_get(risk->country));
	json_t *list;

	if (bit == RISK_BITS_COUNTRY) {
		number_set(saw, "country", le16_get(risk->country));
		if (letters != NULL)
			json_object_set_new(saw, "country_letters", json_string(letters));
		return;
	}
	list = json_array();
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++)
		if ((le16_get(risk->account_flags) & names[i].flag) != 0)
			json_array_append_new(list, json_string(names[i].name));
	number_set(saw, "account_flags", le16_get(risk->account_flags));
	json_object_set_new(saw, "flags", list);
}

static void flag_factor(json_t *saw, json_t *rules, unsigned bit, const struct event_risk *risk,
    const struct rule_set *set)
{
	switch (bit) {
	case RISK_BITS_COUNTRY:
		list_set(saw, bit, risk);
		rule_set_number(rules, set, "points_country");
		break;
	case RISK_BITS_WATCH_LIST:
		list_set(saw, bit, risk);
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
	/* Of COMPOSITE they are the most it gives: said by the rule's name. */
	if (factor < RISK_STATE_COMPOSITE && set->extra.present)
		number_set(rules, "points", set->extra.factors.points[factor]);
}

static json_t *factor_json(unsigned bit, const struct explained *of)
{
	json_t *saw = json_object(), *rules = json_object();
	json_t *object =
	    json_pack("{s:s?, s:s?}", "factor", risk_bit_name(bit), "why", risk_bit_text(bit));
	unsigned factor = bit - RISK_STATE_SHIFT; /* wraps for those of risk.h */

	if (of->risk != NULL && of->set != NULL) {
		base_factor(saw, rules, bit, of);
		if (bit >= RISK_STATE_SHIFT && factor < RISK_STATE_FACTOR_COUNT) {
			account_factor(saw, rules, factor, of);
			terminal_factor(saw, rules, factor, of->risk, of->set);
			points_rule(rules, of->set, factor);
		}
		if (factor == RISK_STATE_COMPOSITE)
			composite_set(saw, rules, of);
		flag_factor(saw, rules, bit, of->risk, of->set);
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

	struct explained of = { .view = view, .record = record };

	if (has_risk) {
		memcpy(&risk, view->risk, sizeof(risk));
		of.risk = &risk;
	}
	if (has_rules) {
		of.set = &set;
		(void)risk_amounts_of(
		    &set.rules, &set.extra, le16_get(record->currency), &of.amounts);
	}
	for (unsigned bit = 0; bit < RISK_BITS_COUNT; bit++)
		if ((bits & 1u << bit) != 0)
			json_array_append_new(factors, factor_json(bit, &of));
	number_set(object, "score", record->score);
	number_set(object, "rule_version", le32_get(record->rule_version));
	json_object_set_new(object, "factors", factors);
	if (has_risk)
		json_object_set_new(object, "points", parts_json(&risk));
}
