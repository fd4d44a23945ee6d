/* SPDX-License-Identifier: Apache-2.0 */
/* Results for people. What a value is, time, money, odds, is told by its name. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/sluicectl/sluicectl.h"

/* Unix times in ns are above this since 1973; durations are not. */
#define TIME_NS_MIN 100000000000000000ll
#define NS_PER_S    1000000000ll
/* Objects in objects; below that a value is shown as JSON. */
#define DEPTH_MAX 8

static int ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

static int name_is_one_of(const char *name, const char *const *names, size_t count)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; i < count; i++)
		if (strcmp(dot != NULL ? dot + 1 : name, names[i]) == 0)
			return 1;
	return 0;
}

/* A number below TIME_NS_MIN is never a time. */
int ctl_name_is_time(const char *name)
{
	static const char *const names[] = { "time", "start", "last_seen", "expires", "committed",
		"done", "not_before", "not_after", "enrolled", "placed", "since", "created",
		"changed", "issued", "revoked", "received", "start_time", "placed_at", "proposed",
		"decided", "due", "closed", "opened", "ends", "until", "excluded_until",
		"cooloff_until", "from", "to", "replicated_through" };
	char base[VERB_NAME_SIZE_MAX];
	size_t length = strlen(name);

	if (length < sizeof(base) && ends_with(name, "_ns")) {
		snprintf(base, sizeof(base), "%.*s", (int)(length - 3), name);
		name = base;
	}
	return name_is_one_of(name, names, SLUICE_ARRAY_COUNT(names));
}

static int is_money_name(const char *name)
{
	static const char *const names[] = { "balance", "stake", "payout", "amount", "daily_max",
		"staked_today", "opening_balance", "balance_sum", "sum_difference", "balance_after",
		"balance_before", "turnover", "limit", "stake_single_max", "stake_daily_max",
		"payout_max", "liability", "owed", "exposure_max", "stakes", "payouts", "refunds",
		"net", "rounds_debited", "rounds_credited", "rounds_net", "fees", "total",
		"remaining", "debited", "credited" };

	return name_is_one_of(name, names, SLUICE_ARRAY_COUNT(names));
}

static int is_odds_name(const char *name)
{
	static const char *const names[] = { "odds" };

	return name_is_one_of(name, names, SLUICE_ARRAY_COUNT(names));
}

/* Whole numbers of 64 bits may come as strings of digits. */
static int whole_number(const json_t *value, int64_t *number)
{
	const char *text = json_string_value(value);

	if (json_is_integer(value)) {
		*number = json_integer_value(value);
		return 1;
	}
	return text != NULL && ctl_value_number(text, 0, INT64_MAX, number) == 0;
}

/* Local time with its zone: 2026-11-21T21:00:00+09:00. */
static void time_text(int64_t ns, char *out, size_t size)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	char text[40], zone[8];
	struct tm parts;

	if (localtime_r(&seconds, &parts) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts) == 0 ||
	    strftime(zone, sizeof(zone), "%z", &parts) != 5)
		snprintf(out, size, "%" PRId64, ns);
	else
		snprintf(out, size, "%s%.3s:%s", text, zone, zone + 3);
}

static int is_uptime_name(const char *name)
{
	static const char *const names[] = { "uptime_ns" };

	return name_is_one_of(name, names, SLUICE_ARRAY_COUNT(names));
}

/* 3 d 04:05:06 */
static void uptime_text(int64_t ns, char *out, size_t size)
{
	int64_t s = ns / NS_PER_S;

	snprintf(out, size, "%" PRId64 " d %02d:%02d:%02d", s / 86400, (int)(s / 3600 % 24),
	    (int)(s / 60 % 60), (int)(s % 60));
}

/* 1234567 -> 1,234,567 */
static void money_text(int64_t number, char *out, size_t size)
{
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	char digits[32];
	size_t length, used = 0;

	length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, left);
	if (number < 0 && used + 1 < size)
		out[used++] = '-';
	for (size_t i = 0; i < length && used + 2 < size; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
}

int ctl_value_is_time(const char *name, const json_t *value)
{
	int64_t number = 0;

	return (ctl_name_is_time(name) || ends_with(name, "_ns") ||
	           ends_with(name, "established")) &&
	       whole_number(value, &number) && number >= TIME_NS_MIN;
}

static void number_text(const char *name, int64_t number, int is_time, char *out, size_t size)
{
	if (is_time)
		time_text(number, out, size);
	else if (is_uptime_name(name))
		uptime_text(number, out, size);
	else if (is_money_name(name))
		money_text(number, out, size);
	else if (is_odds_name(name))
		ctl_odds_text(number, out);
	else
		snprintf(out, size, "%" PRId64, number);
}

static char *copy_text(const char *text)
{
	char *copy = strdup(text);

	SLUICE_REQUIRE(copy != NULL);
	return copy;
}

static char *scalar_text(const char *name, const json_t *value)
{
	char text[64];
	int64_t number = 0;

	if (value == NULL || json_is_null(value))
		return copy_text("-");
	if (json_is_boolean(value))
		return copy_text(json_is_true(value) ? "yes" : "no");
	if (whole_number(value, &number) &&
	    (json_is_integer(value) || is_money_name(name) || ctl_name_is_time(name) ||
	        ctl_value_is_time(name, value))) {
		/* No time at all, not the year 1970. */
		if (number == 0 && ctl_name_is_time(name))
			return copy_text("-");
		number_text(name, number, ctl_value_is_time(name, value), text, sizeof(text));
		return copy_text(text);
	}
	if (json_is_string(value) && ctl_name_is_time(name) &&
	    ctl_value_time(json_string_value(value), &number) == 0) {
		time_text(number, text, sizeof(text));
		return copy_text(text);
	}
	if (json_is_real(value)) {
		snprintf(text, sizeof(text), "%.3f", json_real_value(value));
		return copy_text(text);
	}
	if (json_is_string(value))
		return copy_text(json_string_length(value) > 0 ? json_string_value(value) : "-");
	return NULL;
}

/* Values of a list behind each other; lists of anything else as JSON. */
static char *list_text(const char *name, const json_t *list)
{
	const char *between = " ";
	size_t index, size = 0;
	const json_t *value;
	char *text = NULL;
	FILE *out;

	json_array_foreach(list, index, value)
	{
		if (json_is_object(value) || json_is_array(value))
			return json_dumps(list, JSON_COMPACT);
		if (json_is_string(value) && strchr(json_string_value(value), ' ') != NULL)
			between = "; "; /* sentences */
	}
	if (json_array_size(list) == 0)
		return copy_text("-");
	out = open_memstream(&text, &size);
	SLUICE_REQUIRE(out != NULL);
	json_array_foreach(list, index, value)
	{
		char *one = scalar_text(name, value);

		fprintf(out, "%s%s", index > 0 ? between : "", one);
		free(one);
	}
	SLUICE_REQUIRE(fclose(out) == 0);
	return text;
}

char *ctl_value_text(const char *name, const json_t *value)
{
	char *text = json_is_array(value)    ? list_text(name, value)
	             : json_is_object(value) ? json_dumps(value, JSON_COMPACT)
	                                     : scalar_text(name, value);

	return text != NULL ? text : copy_text("?");
}

/* ---- lists of key and value ---- */

static int is_table(const json_t *value)
{
	size_t index;
	const json_t *row;

	if (!json_is_array(value) || json_array_size(value) == 0)
		return 0;
	json_array_foreach(value, index, row)
	{
		if (!json_is_object(row))
			return 0;
	}
	return 1;
}

struct line {
	char name[256];
	char *text;          /* NULL: a table, shown behind the lines */
	const json_t *table; /* borrowed */
};

struct lines {
	struct line *line;
	size_t count, size;
};

static struct line *lines_add(struct lines *lines, const char *name)
{
	if (lines->count == lines->size) {
		lines->size = lines->size == 0 ? 64 : lines->size * 2;
		lines->line = realloc(lines->line, lines->size * sizeof(*lines->line));
		SLUICE_REQUIRE(lines->line != NULL);
	}
	lines->line[lines->count] = (struct line){ 0 };
	snprintf(lines->line[lines->count].name, sizeof(lines->line[0].name), "%s", name);
	return &lines->line[lines->count++];
}

static void name_without_unit(char *name)
{
	if (ends_with(name, "_ns"))
		name[strlen(name) - 3] = '\0';
}

/* Objects in objects become dotted names, by a stack of our own: what is nested is not ours. */
static void lines_collect(struct lines *lines, const json_t *object, const char *skip)
{
	struct {
		json_t *object;
		void *member;
		size_t name_length;
	} stack[DEPTH_MAX];
	char name[256] = "";
	size_t depth = 1;

	stack[0].object = (json_t *)(uintptr_t)object;
	stack[0].member = json_object_iter(stack[0].object);
	stack[0].name_length = 0;
	while (depth > 0) {
		size_t top = depth - 1, length;
		const char *key;
		json_t *value;

		if (stack[top].member == NULL) {
			depth--;
			continue;
		}
		key = json_object_iter_key(stack[top].member);
		value = json_object_iter_value(stack[top].member);
		stack[top].member = json_object_iter_next(stack[top].object, stack[top].member);
		if (top == 0 && skip != NULL && strcmp(key, skip) == 0)
			continue;
		length = stack[top].name_length;
		snprintf(name + length, sizeof(name) - length, "%s%s", length > 0 ? "." : "", key);
		if (json_is_object(value) && json_object_size(value) > 0 && depth < DEPTH_MAX) {
			stack[depth].object = value;
			stack[depth].member = json_object_iter(value);
			stack[depth].name_length = strlen(name);
			depth++;
		} else if (is_table(value)) {
			lines_add(lines, name)->table = value;
		} else {
			struct line *line = lines_add(lines, name);

			line->text = ctl_value_text(name, value);
			/* The unit is not that of what is shown. */
			if (ctl_value_is_time(name, value) || is_uptime_name(name) ||
			    strcmp(line->text, "-") == 0)
				name_without_unit(line->name);
		}
	}
}

/* A text of several lines (a certificate) is shown below its name as it is. */
static void line_print(FILE *out, const struct line *line, size_t width)
{
	size_t used = ctl_text_print(out, line->name);
	const char *at = line->text, *end;

	fputc(':', out);
	if (strchr(line->text, '\n') == NULL) {
		fprintf(out, "%*s", (int)(width - used + 1), "");
		ctl_text_print(out, line->text);
		fputc('\n', out);
		return;
	}
	fputc('\n', out);
	for (; *at != '\0'; at = *end == '\n' ? end + 1 : end) {
		char *one;

		end = at + strcspn(at, "\n");
		one = strndup(at, (size_t)(end - at));
		SLUICE_REQUIRE(one != NULL);
		ctl_text_print(out, one);
		fputc('\n', out);
		free(one);
	}
}

/* `blank`: something stands above. */
static void lines_render(FILE *out, const json_t *object, const char *skip, int blank)
{
	struct lines lines = { 0 };
	size_t width = 0;

	lines_collect(&lines, object, skip);
	for (size_t i = 0; i < lines.count; i++)
		if (lines.line[i].text != NULL && ctl_text_width(lines.line[i].name) > width)
			width = ctl_text_width(lines.line[i].name);
	for (size_t i = 0; i < lines.count; i++) {
		if (lines.line[i].text == NULL)
			continue;
		if (blank == 1)
			fputc('\n', out);
		blank = 2;
		line_print(out, &lines.line[i], width);
		free(lines.line[i].text);
	}
	for (size_t i = 0; i < lines.count; i++) {
		if (lines.line[i].table == NULL)
			continue;
		if (blank != 0)
			fputc('\n', out);
		blank = 1;
		ctl_text_print(out, lines.line[i].name);
		fputs(":\n", out);
		ctl_table_render(out, lines.line[i].table, NULL);
	}
	free(lines.line);
}

void ctl_render(FILE *out, const struct verb *verb, const json_t *result)
{
	const json_t *rows = verb->rows != NULL ? json_object_get(result, verb->rows) : NULL;

	if (json_is_array(rows))
		ctl_table_render(out, rows, verb->columns);
	else
		rows = NULL;
	lines_render(out, result, rows != NULL ? verb->rows : NULL, rows != NULL);
}
