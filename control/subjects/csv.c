/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "control/subjects/subjects.h"

const char *text_begin(const char *text)
{
	return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

void csv_begin(struct csv *csv, const char *text, size_t size)
{
	csv->at = text;
	csv->end = text + size;
	csv->line = 0;
	csv->count = 0;
	/* A byte order mark says nothing in UTF-8. */
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		csv->at += 3;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes one field to `out` (room for the rest of the buffer). Its length, or -EINVAL. */
static long field_take(struct csv *csv, char *out, size_t room)
{
	size_t length = 0;
	int quoted;

	while (csv->at < csv->end && is_blank(*csv->at))
		csv->at++;
	quoted = csv->at < csv->end && *csv->at == '"';
	csv->at += quoted;
	for (;;) {
		char c;

		if (csv->at == csv->end) {
			if (quoted)
				return -EINVAL;
			break;
		}
		c = *csv->at;
		if (!quoted && (c == ',' || c == '\n'))
			break;
		csv->at++;
		if (quoted && c == '"') {
			if (csv->at == csv->end || *csv->at != '"')
				break;
			csv->at++;
		}
		if (c == '\0' || c == '\n' || length + 1 >= room)
			return -EINVAL;
		out[length++] = c;
	}
	while (csv->at < csv->end && is_blank(*csv->at))
		csv->at++;
	if (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n')
		return -EINVAL;
	while (!quoted && length > 0 && is_blank(out[length - 1]))
		length--;
	out[length] = '\0';
	return (long)length;
}

/* Passes over empty lines. 0 at the end. */
static int line_begin(struct csv *csv)
{
	while (csv->at < csv->end) {
		const char *at = csv->at;

		while (at < csv->end && is_blank(*at))
			at++;
		if (at == csv->end)
			return 0;
		csv->line++;
		if (*at != '\n')
			return 1;
		csv->at = at + 1;
	}
	return 0;
}

int csv_next(struct csv *csv)
{
	size_t used = 0;

	csv->count = 0;
	if (!line_begin(csv))
		return 0;
	for (;;) {
		long length;

		if (csv->count == CSV_FIELDS_MAX || used >= sizeof(csv->buffer))
			return -EINVAL;
		length = field_take(csv, csv->buffer + used, sizeof(csv->buffer) - used);
		if (length < 0)
			return -EINVAL;
		csv->fields[csv->count++] = csv->buffer + used;
		used += (size_t)length + 1;
		if (csv->at == csv->end)
			return 1;
		if (*csv->at++ == '\n')
			return 1;
	}
}
