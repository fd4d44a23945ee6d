/* SPDX-License-Identifier: Apache-2.0 */
/* What operators may set of the rules, and files of it: lines "key: value", each checked with its
 * place and what was expected. Pure, for control and tools/sluice-db. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/markets/rule_fields.h"

#define FIELDS_MAX 256

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

const struct rule_field rule_fields[] = {
#define RULES_FIELD(field, field_unit, field_help)                                                 \
	{ #field, field_unit, field_help, offsetof(struct risk_rules, field),                      \
		sizeof(((struct risk_rules *)NULL)->field) },
	RULES_FIELDS(RULES_FIELD)
#undef RULES_FIELD
};
const size_t rule_fields_count = SLUICE_ARRAY_COUNT(rule_fields);

int64_t rule_field_get(const struct risk_rules *rules, const struct rule_field *field)
{
	const uint8_t *at = (const uint8_t *)rules + field->offset;
	uint64_t value = 0;

	/* The host is little-endian, as everything here; rules hold no negative numbers. */
	memcpy(&value, at, field->size);
	return (int64_t)value;
}

int rule_field_set(struct risk_rules *rules, const struct rule_field *field, int64_t value)
{
	/* Amounts are signed and have 8 bytes; all else is narrower and unsigned. */
	unsigned bits = field->size == 8 ? 63 : (unsigned)(8 * field->size);
	uint64_t raw = (uint64_t)value;

	if (value < 0 || raw >> bits != 0)
		return -ERANGE;
	memcpy((uint8_t *)rules + field->offset, &raw, field->size);
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

/* ---- Ranges ---- */

static int good_at(const struct risk_rules *rules, const struct rule_field *field, int64_t value)
{
	struct risk_rules tried = *rules;
	const char *wrong;

	return rule_field_set(&tried, field, value) == 0 && risk_rules_check(&tried, &wrong) == 0;
}

/* The last good value from a good one towards a wrong one: what is good is one interval. */
static int64_t edge_find(
    const struct risk_rules *rules, const struct rule_field *field, int64_t good, int64_t wrong)
{
	while (good - wrong > 1 || wrong - good > 1) {
		int64_t middle = good + (wrong - good) / 2;

		if (good_at(rules, field, middle))
			good = middle;
		else
			wrong = middle;
	}
	return good;
}

void rule_field_range(const struct risk_rules *rules, const struct rule_field *field,
    int64_t *lowest, int64_t *highest)
{
	int64_t now = rule_field_get(rules, field);

	*lowest = good_at(rules, field, 0) ? 0 : edge_find(rules, field, now, 0);
	*highest = edge_find(rules, field, now, INT64_MAX);
}

/* ---- Files ---- */

struct reading {
	const struct risk_rules *before; /* good ones */
	struct risk_rules *rules;
	unsigned line;
	unsigned lines[FIELDS_MAX]; /* where each field was named, 0: not yet */
	char *message;
	size_t message_size;
};

__attribute__((format(printf, 2, 3))) static int line_refused(
    const struct reading *reading, const char *format, ...)
{
	int used = snprintf(reading->message, reading->message_size, "line %u: ", reading->line);
	va_list arguments;

	va_start(arguments, format);
	if (used > 0 && (size_t)used < reading->message_size)
		vsnprintf(reading->message + used, reading->message_size - (size_t)used, format,
		    arguments);
	va_end(arguments);
	return -EINVAL;
}

/* "key: value", blanks around both taken off. */
static int line_apply(struct reading *reading, char *line)
{
	char *colon = strchr(line, ':'), *value, *end;
	const struct rule_field *field;
	int64_t lowest, highest;
	long long number;
	size_t length;

	if (colon == NULL)
		return line_refused(reading,
		    "\"%.60s\" is not key: value; write it like large_amount: 1000000", line);
	length = (size_t)(colon - line);
	while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	field = rule_field_find(line, length);
	if (field == NULL)
		return line_refused(reading,
		    "there is no rule \"%.*s\"; `sluicectl rules show` lists them", (int)length,
		    line);
	if (reading->lines[field - rule_fields] != 0)
		return line_refused(reading, "%s is named in line %u already; keep one of both",
		    field->name, reading->lines[field - rule_fields]);
	reading->lines[field - rule_fields] = reading->line;
	value = colon + 1 + strspn(colon + 1, " \t");
	errno = 0;
	number = strtoll(value, &end, 10);
	end += strspn(end, " \t");
	rule_field_range(reading->before, field, &lowest, &highest);
	if (*value == '\0' || *end != '\0' || errno != 0)
		return line_refused(reading,
		    "%s: expected a whole number from %lld to %lld (%s), found \"%.40s\"",
		    field->name, (long long)lowest, (long long)highest, field->unit, value);
	if (!good_at(reading->before, field, number))
		return line_refused(reading, "%s: expected %lld to %lld (%s), found %lld",
		    field->name, (long long)lowest, (long long)highest, field->unit, number);
	return rule_field_set(reading->rules, field, number);
}

int rules_file_apply(const char *text, struct risk_rules *rules, char *message, size_t message_size)
{
	struct risk_rules before = *rules, applied = *rules;
	struct reading reading = { .before = &before,
		.rules = &applied,
		.message = message,
		.message_size = message_size };
	int error = 0;

	SLUICE_REQUIRE(rule_fields_count <= FIELDS_MAX);
	while (error == 0 && *text != '\0') {
		size_t length = strcspn(text, "\n"), kept;
		char line[256];
		const char *begin = text + strspn(text, " \t\r");

		reading.line++;
		kept = begin < text + length ? (size_t)(text + length - begin) : 0;
		if (kept > 0 && memchr(begin, '#', kept) != NULL)
			kept = (size_t)((const char *)memchr(begin, '#', kept) - begin);
		while (kept > 0 && strchr(" \t\r", begin[kept - 1]) != NULL)
			kept--;
		if (kept >= sizeof(line))
			return line_refused(&reading, "is too long; a line has one rule");
		memcpy(line, begin, kept);
		line[kept] = '\0';
		if (kept > 0)
			error = line_apply(&reading, line);
		text += length;
		text += *text == '\n';
	}
	if (error == 0)
		*rules = applied;
	return error;
}

char *rules_file_text(const struct risk_rules *rules)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	fprintf(stream, "# Rules, version %u. `sluicectl rules set --file` takes this file.\n",
	    rules->version);
	for (size_t i = 0; i < rule_fields_count; i++)
		fprintf(stream, "%s: %lld # %s; %s\n", rule_fields[i].name,
		    (long long)rule_field_get(rules, &rule_fields[i]), rule_fields[i].unit,
		    rule_fields[i].help);
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
