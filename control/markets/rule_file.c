/* SPDX-License-Identifier: Apache-2.0 */
/* Files of rules: lines "key: value", each checked with its place. Pure, as rule_fields.c. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/markets/rule_fields.h"

#define FIELDS_MAX 256

struct reading {
	struct rule_set *set; /* good ones, after every line */
	unsigned line, named;
	struct {
		uint64_t hash; /* FNV-1a of its name */
		unsigned line;
	} names[FIELDS_MAX];
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

/* The line that names a rule for the second time says where the first one was. */
static int name_first(struct reading *reading, const char *name, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	unsigned i = 0;

	for (size_t k = 0; k < length; k++)
		hash = (hash ^ (uint8_t)name[k]) * 0x100000001b3ull;
	while (i < reading->named && reading->names[i].hash != hash)
		i++;
	if (i < reading->named)
		return line_refused(reading, "%.*s is named in line %u already; keep one of both",
		    (int)length, name, reading->names[i].line);
	if (i < FIELDS_MAX) {
		reading->names[i].hash = hash;
		reading->names[i].line = reading->line;
		reading->named++;
	}
	return 0;
}

/* "key: value", blanks around both taken off. */
static int line_apply(struct reading *reading, char *line)
{
	char *colon = strchr(line, ':'), message[256];
	size_t length;

	if (colon == NULL)
		return line_refused(reading,
		    "\"%.60s\" is not key: value; write it like large_amount: 1000000", line);
	length = (size_t)(colon - line);
	while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	if (rule_setting_apply(reading->set, line, length, colon + 1 + strspn(colon + 1, " \t"),
	        message, sizeof(message)) != 0)
		return line_refused(reading, "%s", message);
	return name_first(reading, line, length);
}

int rules_file_apply(const char *text, struct rule_set *set, char *message, size_t message_size)
{
	struct rule_set applied = *set;
	struct reading reading = {
		.set = &applied, .message = message, .message_size = message_size
	};
	int error = 0;

	/* A byte order mark says nothing in UTF-8. */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
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
		*set = applied;
	return error;
}

char *rules_file_text(const struct rule_set *set)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	fprintf(stream, "# Rules, version %u. `sluicectl rules set --file` takes this file.\n",
	    set->rules.version);
	for (size_t i = 0; i < rule_fields_count; i++)
		if (!rule_fields[i].extra || set->extra.present)
			fprintf(stream, "%s: %lld # %s; %s\n", rule_fields[i].name,
			    (long long)rule_field_get(set, &rule_fields[i]), rule_fields[i].unit,
			    rule_fields[i].help);
	for (unsigned i = 0; i < set->extra.currency_count; i++)
		for (unsigned k = 0; k < RULE_AMOUNTS; k++)
			fprintf(stream, RULE_AMOUNT_PREFIX "%u.%s: %lld # minor units; 0: none\n",
			    set->extra.currencies[i].currency, rule_amount_names[k],
			    (long long)rule_amount_get(&set->extra.currencies[i], k));
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
