/* SPDX-License-Identifier: Apache-2.0 */
/* Files of rules: lines "key: value", each checked with its place and what was expected. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/markets/markets_internal.h"

#define FIELDS_MAX 256

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
