/* SPDX-License-Identifier: Apache-2.0 */
/* What operators may set of the rules, and one setting checked with all others: what was expected
 * is said. Pure, for control and tools/sluice-db. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "control/markets/rule_fields.h"

#define SCORE_NEVER 101u /* no score is as high */

/* X(field, unit, help): what operators may set. Ranges: risk_rules_check. */
#define RULES_FIELDS(X)                                                                            \
	X(currency, "ISO 4217", "currency the amounts are in")                                     \
	X(alert_score, "0..100", "a score from here on raises an alert; 101 never")                \
	X(refuse_score, "0..100", "a score from here on refuses the bet; 101 never")               \
	X(stake_single_max, "minor units", "highest stake of one bet")                             \
	X(stake_daily_max, "minor units", "highest stakes of an account in a day")                 \
	X(terminal_daily_max, "minor units", "highest stakes of a terminal in a day")              \
	X(payout_max, "minor units", "highest potential payout of one bet")                        \
	X(large_amount, "minor units", "a stake from here on scores points_large")                 \
	X(longshot_liability, "minor units", "payout less stake that counts at longshot odds")     \
	X(longshot_odds, "1/1000", "combined odds from here on are a longshot")                    \
	X(cancel_window_s, "s", "how long a bet may be cancelled")                                 \
	X(utc_offset_s, "s", "begin of the day, east of UTC; Asia/Seoul 32400")                    \
	X(deviation_z_tenths, "1/10", "deviations from the account's own amounts that count")      \
	X(deviation_observations, "bets", "history needed before deviations count")                \
	X(frequency_count, "bets", "bets in 24 h above which frequency counts")                    \
	X(frequency_ratio_tenths, "1/10", "multiple of the daily average that counts")             \
	X(points_large, "points", "of a large amount")                                             \
	X(points_behaviour, "points", "of unusual behaviour, by share")                            \
	X(points_odds, "points", "of claimed odds that differ, and of longshots")                  \
	X(partner_confirmed_tenths, "1/10", "decayed confirmed cases of a partner; 0: never")      \
	X(withdraw_pending_min, "minor units", "a withdrawal from here on waits; 0: none does")    \
	X(withdraw_timeout_s, "s", "a waiting withdrawal is given back after it")                  \
	X(exposure_selection_max, "minor units",                                                   \
	    "payouts of open bets on a selection; 0: no limit")                                    \
	X(exposure_market_max, "minor units", "payouts of open bets on a market; 0: no limit")     \
	X(partner_key_hold_s, "s", "how long a partner's idempotency keys are kept")               \
	X(ticket_expiry_s, "s", "how long winnings of a cash ticket may be collected")             \
	X(result_final_s, "s", "after it control makes a result final: no rollback any more")      \
	X(limit_raise_delay_s, "s", "a customer's higher limits act after it")                     \
	X(sprinkle_window_max_s, "s", "longest time a sprinkle may be claimed")

/* Of the risk states. X(field, unit, help) of struct risk_rules_extra. */
#define EXTRA_FIELDS(X)                                                                            \
	X(report_threshold, "minor units", "amounts in 90 to 100 % of it are near; 0: none are")   \
	X(points_country, "points", "of an account from a country of higher risk")                 \
	X(points_watch_list, "points", "of an account on a watch list")                            \
	X(points_model_max, "points", "the most the model adds")                                   \
	X(points_partner_confirmed, "points", "of the factor PARTNER_CONFIRMED")                   \
	X(model_version, "version", "of the model, as model list has it; 0: none")                 \
	X(model_state, "0..2", "0 off, 1 shadow: scored and recorded only, 2 active")
/* Of struct risk_factor_rules. */
#define FACTOR_FIELDS(X)                                                                           \
	X(structuring_window_s, "s", "amounts near the report threshold count so long")            \
	X(rapid_window_s, "s", "a deposit that leaves sooner is rapid")                            \
	X(rapid_moved_percent, "%", "share of the deposits that leaves")                           \
	X(rapid_staked_percent, "%", "when less of them was staked")                               \
	X(ladder_steps, "amounts", "growing ones in a row")                                        \
	X(repeated_transfers, "transfers", "to the same account in a row")                         \
	X(selection_repeats, "bets", "of an account on one selection within an hour")              \
	X(selection_terminals, "bits", "of 8, of the terminals these came from")                   \
	X(selection_at_terminal, "bets", "at a terminal on one selection within an hour")          \
	X(late_s, "s", "before the market closes; 0: never late")                                  \
	X(counterparties, "bits", "of 64, different ones in two weeks; 65: never")                 \
	X(velocity_count, "requests", "of a terminal in an hour, above which velocity counts")     \
	X(velocity_ratio_tenths, "1/10", "multiple of the terminal's hourly average")              \
	X(confirmed_percent, "%", "of the judged cases of 7 days were fraud")                      \
	X(terminal_confirmed_tenths, "1/10", "of a terminal; 0: confirmed_tenths")                 \
	X(confirmed_tenths, "1/10", "decayed number of them")                                      \
	X(young_s, "s", "so long is an account new")
/* X(field, factor): points of one factor. */
#define POINT_FIELDS(X)                                                                            \
	X(points_time_deviation, TIME_DEVIATION)                                                   \
	X(points_structuring, STRUCTURING)                                                         \
	X(points_rapid_movement, RAPID_MOVEMENT)                                                   \
	X(points_stake_ladder, STAKE_LADDER)                                                       \
	X(points_repeated_transfer, REPEATED_TRANSFER)                                             \
	X(points_selection_repeated, SELECTION_REPEATED)                                           \
	X(points_selection_terminals, SELECTION_TERMINALS)                                         \
	X(points_selection_at_terminal, SELECTION_AT_TERMINAL)                                     \
	X(points_late_bet, LATE_BET)                                                               \
	X(points_counterparties, COUNTERPARTIES)                                                   \
	X(points_terminal_velocity, TERMINAL_VELOCITY)                                             \
	X(points_account_confirmed, ACCOUNT_CONFIRMED)                                             \
	X(points_terminal_confirmed, TERMINAL_CONFIRMED)                                           \
	X(points_composite, COMPOSITE)

#define SET_MEMBER(field) ((struct rule_set *)NULL)->field

const struct rule_field rule_fields[] = {
#define RULES_FIELD(field, field_unit, field_help)                                                 \
	{ #field, field_unit, field_help, offsetof(struct rule_set, rules.field),                  \
		sizeof(SET_MEMBER(rules.field)), 0 },
	RULES_FIELDS(RULES_FIELD)
#undef RULES_FIELD
	/* Before all it opens the way to. */
	{ "factors", "0..1",
	    "1: the factors of the states are learnt and looked at; 0: none, and all behind it is "
	    "nothing",
	    offsetof(struct rule_set, extra.present), 1, 0 },
#define RULES_FIELD(field, field_unit, field_help)                                                 \
	{ #field, field_unit, field_help, offsetof(struct rule_set, extra.field),                  \
		sizeof(SET_MEMBER(extra.field)), 1 },
	EXTRA_FIELDS(RULES_FIELD)
#undef RULES_FIELD
#define RULES_FIELD(field, field_unit, field_help)                                                 \
	{ #field, field_unit, field_help, offsetof(struct rule_set, extra.factors.field),          \
		sizeof(SET_MEMBER(extra.factors.field)), 1 },
	    FACTOR_FIELDS(RULES_FIELD)
#undef RULES_FIELD
#define RULES_FIELD(field, factor)                                                                 \
	{ #field, "points", "of the factor " #factor,                                              \
		offsetof(struct rule_set, extra.factors.points) + RISK_STATE_##factor, 1, 1 },
	        POINT_FIELDS(RULES_FIELD)
#undef RULES_FIELD
};
const size_t rule_fields_count = SLUICE_ARRAY_COUNT(rule_fields);

void rule_set_default(struct rule_set *set)
{
	memset(set, 0, sizeof(*set));
	risk_rules_default(&set->rules);
}

int rule_set_check(const struct rule_set *set, const char **field)
{
	int error = risk_rules_check(&set->rules, field);

	return error != 0 ? error : risk_rules_extra_check(&set->rules, &set->extra, field);
}

int64_t rule_field_get(const struct rule_set *set, const struct rule_field *field)
{
	const uint8_t *at = (const uint8_t *)set + field->offset;
	uint64_t value = 0;

	/* The host is little-endian, as everything here; rules hold no negative numbers. */
	memcpy(&value, at, field->size);
	return (int64_t)value;
}

int rule_field_set(struct rule_set *set, const struct rule_field *field, int64_t value)
{
	/* Amounts are signed and have 8 bytes; all else is narrower and unsigned. */
	unsigned bits = field->size == 8 ? 63 : (unsigned)(8 * field->size);
	uint64_t raw = (uint64_t)value;

	if (value < 0 || raw >> bits != 0)
		return -ERANGE;
	if (field->offset == offsetof(struct rule_set, extra.present)) {
		if (value > 1)
			return -ERANGE;
		if (value == 0)
			memset(&set->extra, 0, sizeof(set->extra));
		else if (!set->extra.present)
			risk_rules_extra_default(&set->extra);
		return 0;
	}
	if (field->extra && !set->extra.present)
		return -ENODEV;
	memcpy((uint8_t *)set + field->offset, &raw, field->size);
	return 0;
}

const struct rule_field *rule_field_find(const char *name, size_t length)
{
	for (size_t i = 0; i < rule_fields_count; i++)
		if (strlen(rule_fields[i].name) == length &&
		    strncmp(rule_fields[i].name, name, length) == 0)
			return &rule_fields[i];
	return NULL;
}

/* ---- Amounts of other currencies ---- */

const char *const rule_amount_names[RULE_AMOUNTS] = { "stake_single_max", "stake_daily_max",
	"payout_max", "large_amount", "longshot_liability", "report_threshold",
	"withdraw_pending_min" };

int64_t rule_amount_get(const struct risk_amounts *amounts, unsigned which)
{
	const int64_t values[RULE_AMOUNTS] = { amounts->stake_single_max, amounts->stake_daily_max,
		amounts->payout_max, amounts->large_amount, amounts->longshot_liability,
		amounts->report_threshold, amounts->withdraw_pending_min };

	return values[which];
}

static void amount_put(struct risk_amounts *amounts, unsigned which, int64_t value)
{
	int64_t *const places[RULE_AMOUNTS] = { &amounts->stake_single_max,
		&amounts->stake_daily_max, &amounts->payout_max, &amounts->large_amount,
		&amounts->longshot_liability, &amounts->report_threshold,
		&amounts->withdraw_pending_min };

	*places[which] = value;
}

/* The place of a currency; a new one is put in its order. NULL: there is no room. */
static struct risk_amounts *amounts_place(struct risk_rules_extra *extra, uint16_t currency)
{
	unsigned at = 0;

	while (at < extra->currency_count && extra->currencies[at].currency < currency)
		at++;
	if (at < extra->currency_count && extra->currencies[at].currency == currency)
		return &extra->currencies[at];
	if (extra->currency_count == LIMIT_RULES_CURRENCIES_MAX)
		return NULL;
	memmove(&extra->currencies[at + 1], &extra->currencies[at],
	    (extra->currency_count - at) * sizeof(extra->currencies[0]));
	extra->currencies[at] = (struct risk_amounts){ .currency = currency };
	extra->currency_count++;
	return &extra->currencies[at];
}

/* A currency without any amount is none of the rules. */
static void amounts_drop(struct risk_rules_extra *extra, struct risk_amounts *amounts)
{
	struct risk_amounts *end = &extra->currencies[extra->currency_count];

	for (unsigned i = 0; i < RULE_AMOUNTS; i++)
		if (rule_amount_get(amounts, i) != 0)
			return;
	memmove(amounts, amounts + 1, (size_t)((char *)end - (char *)(amounts + 1)));
	extra->currency_count--;
	memset(&extra->currencies[extra->currency_count], 0, sizeof(*amounts));
}

/* "currency.840.large_amount". 0 or -ENOENT. */
static int amount_name(const char *name, size_t length, unsigned *currency_out, unsigned *which_out)
{
	size_t prefix = strlen(RULE_AMOUNT_PREFIX), digits = 0;
	unsigned currency = 0, which = 0;

	if (length <= prefix || strncmp(name, RULE_AMOUNT_PREFIX, prefix) != 0)
		return -ENOENT;
	name += prefix;
	length -= prefix;
	while (digits < length && digits < 3 && name[digits] >= '0' && name[digits] <= '9')
		currency = currency * 10 + (unsigned)(name[digits++] - '0');
	if (digits == 0 || currency == 0 || digits == length || name[digits] != '.')
		return -ENOENT;
	name += digits + 1;
	length -= digits + 1;
	while (which < RULE_AMOUNTS && (strlen(rule_amount_names[which]) != length ||
	                                   strncmp(rule_amount_names[which], name, length) != 0))
		which++;
	if (which == RULE_AMOUNTS)
		return -ENOENT;
	*currency_out = currency;
	*which_out = which;
	return 0;
}

int rule_amount_set(struct rule_set *set, const char *name, size_t length, int64_t value)
{
	struct risk_amounts *amounts;
	unsigned currency, which;

	if (amount_name(name, length, &currency, &which) != 0)
		return -ENOENT;
	if (!set->extra.present)
		return -ENODEV;
	if (value < 0)
		return -ERANGE;
	amounts = amounts_place(&set->extra, (uint16_t)currency);
	if (amounts == NULL)
		return -ENOSPC;
	amount_put(amounts, which, value);
	amounts_drop(&set->extra, amounts);
	return 0;
}

/* ---- Ranges ---- */

static int good_at(const struct rule_set *set, const struct rule_field *field, int64_t value)
{
	struct rule_set tried = *set;
	const char *wrong;

	return rule_field_set(&tried, field, value) == 0 && rule_set_check(&tried, &wrong) == 0;
}

/* The last good value from a good one towards a wrong one: what is good is one interval. */
static int64_t edge_find(
    const struct rule_set *set, const struct rule_field *field, int64_t good, int64_t wrong)
{
	while (good - wrong > 1 || wrong - good > 1) {
		int64_t middle = good + (wrong - good) / 2;

		if (good_at(set, field, middle))
			good = middle;
		else
			wrong = middle;
	}
	return good;
}

void rule_field_range(
    const struct rule_set *set, const struct rule_field *field, int64_t *lowest, int64_t *highest)
{
	int64_t now = rule_field_get(set, field);

	*lowest = good_at(set, field, 0) ? 0 : edge_find(set, field, now, 0);
	*highest = edge_find(set, field, now, INT64_MAX);
}

/* ---- One setting ---- */

struct setting {
	const char *name;
	int length;
	const char *value;
	char *message;
	size_t message_size;
};

__attribute__((format(printf, 2, 3))) static int setting_refused(
    const struct setting *setting, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(setting->message, setting->message_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* A whole number, blanks around it. */
static int number_read(const char *text, int64_t *number)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	end += strspn(end, " \t");
	if (end == text || *end != '\0' || errno != 0)
		return 0;
	*number = value;
	return 1;
}

/* What stands against it lies in other rules than the one that was to be set. */
static int others_refuse(
    const struct setting *setting, const struct rule_set *tried, const char *fault)
{
	if (strcmp(fault, "model") == 0)
		return setting_refused(setting,
		    "%.*s: a model that is on needs its number; set model_version to one of "
		    "`sluicectl model list` first, or model_state to off",
		    setting->length, setting->name);
	if (strncmp(fault, "currencies", 10) == 0)
		return setting_refused(setting,
		    "%.*s: %s has amounts of its own (" RULE_AMOUNT_PREFIX
		    "%u...); set all of these to 0 first",
		    setting->length, setting->name, setting->value, tried->rules.currency);
	return setting_refused(setting, "%.*s: %s does not go with the present %s", setting->length,
	    setting->name, setting->value, fault);
}

static int field_setting(
    const struct setting *setting, const struct rule_field *field, struct rule_set *set)
{
	static const char *const states[] = { "off", "shadow", "active" };
	struct rule_set tried = *set;
	const char *fault = field->name;
	int64_t lowest, highest, number = 0;
	int is_number = number_read(setting->value, &number);

	if (strcmp(field->name, "model_state") == 0)
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(states); i++)
			if (strcmp(setting->value, states[i]) == 0) {
				number = i;
				is_number = 1;
			}
	if (field->extra && !set->extra.present)
		return setting_refused(setting,
		    "%s is of the factors of the states; set factors to 1 "
		    "before it",
		    field->name);
	if (is_number && rule_field_set(&tried, field, number) == 0 &&
	    rule_set_check(&tried, &fault) == 0) {
		*set = tried;
		return 0;
	}
	if ((!is_number || number < 0 || number > RISK_MODEL_ACTIVE) &&
	    strcmp(field->name, "model_state") == 0)
		return setting_refused(setting,
		    "%s: expected off, shadow or active, found \"%.40s\"", field->name,
		    setting->value);
	if (is_number && rule_field_get(&tried, field) == number && number != 0 &&
	    strcmp(fault, field->name) != 0 && rule_field_find(fault, strlen(fault)) == NULL &&
	    strcmp(fault, "points") != 0)
		return others_refuse(setting, &tried, fault);
	rule_field_range(set, field, &lowest, &highest);
	return setting_refused(setting,
	    "%s: expected a whole number from %lld to %lld (%s), found %s%.40s%s", field->name,
	    (long long)lowest, (long long)highest, field->unit, is_number ? "" : "\"",
	    setting->value, is_number ? "" : "\"");
}

/* The highest amount of this name that the check takes. */
static int64_t amount_highest(const struct rule_set *set, const char *name, size_t length)
{
	int64_t good = 0, wrong = INT64_MAX;

	while (wrong - good > 1) {
		int64_t middle = good + (wrong - good) / 2;
		struct rule_set tried = *set;
		const char *fault;

		if (rule_amount_set(&tried, name, length, middle) == 0 &&
		    rule_set_check(&tried, &fault) == 0)
			good = middle;
		else
			wrong = middle;
	}
	return good;
}

static int amount_setting(const struct setting *setting, struct rule_set *set)
{
	struct rule_set tried = *set;
	const char *fault;
	unsigned currency, which;
	int64_t number = -1;
	int error;

	if (amount_name(setting->name, (size_t)setting->length, &currency, &which) != 0)
		return setting_refused(setting,
		    "there is no rule \"%.*s\"; `sluicectl rules show` lists them", setting->length,
		    setting->name);
	if (!set->extra.present)
		return setting_refused(setting,
		    "%.*s is of the factors of the states; set factors to 1 before it",
		    setting->length, setting->name);
	if (currency == set->rules.currency)
		return setting_refused(setting,
		    "%.*s: %u is the rules' own currency; set %s itself", setting->length,
		    setting->name, currency, rule_amount_names[which]);
	(void)number_read(setting->value, &number);
	error = rule_amount_set(&tried, setting->name, (size_t)setting->length, number);
	if (error == -ENOSPC)
		return setting_refused(setting, "%.*s: there is room for %u other currencies",
		    setting->length, setting->name, LIMIT_RULES_CURRENCIES_MAX);
	if (error != 0 || rule_set_check(&tried, &fault) != 0)
		return setting_refused(setting,
		    "%.*s: expected a whole number from 0 to %lld (minor units; 0: none), found "
		    "\"%.40s\"",
		    setting->length, setting->name,
		    (long long)amount_highest(set, setting->name, (size_t)setting->length),
		    setting->value);
	*set = tried;
	return 0;
}

int rule_setting_apply(struct rule_set *set, const char *name, size_t length, const char *value,
    char *message, size_t message_size)
{
	const struct setting setting = { name, (int)length, value, message, message_size };
	const struct rule_field *field = rule_field_find(name, length);

	return field != NULL ? field_setting(&setting, field, set) : amount_setting(&setting, set);
}

int rule_scores_check(
    const struct rule_set *before, const struct rule_set *set, char *message, size_t message_size)
{
	const struct setting setting = { .message = message, .message_size = message_size };
	unsigned alert = set->rules.alert_score, refuse = set->rules.refuse_score;

	if (alert <= refuse || alert >= SCORE_NEVER)
		return 0;
	if (before != NULL && before->rules.alert_score == alert &&
	    before->rules.refuse_score == refuse)
		return 0;
	return setting_refused(&setting,
	    "alert_score %u is above refuse_score %u: bets between them would be refused without "
	    "an alert; set alert_score to %u or less, or to %u for no alerts at all",
	    alert, refuse, refuse, SCORE_NEVER);
}
