/* SPDX-License-Identifier: Apache-2.0 */
/* What a change changed, in one short cell: "state open -> suspended". */
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

#define CHANGE_SIZE_MAX 80 /* bytes; --json has it whole */

/* They differ after every change and say nothing. */
static int is_noise(const char *key)
{
	return strcmp(key, "version") == 0 || strcmp(key, "changed_ns") == 0;
}

static int is_nested(const json_t *value)
{
	return json_is_object(value) ||
	       (json_is_array(value) && json_is_object(json_array_get(value, 0)));
}

static void one_print(FILE *out, const char *key, const json_t *before, const json_t *after)
{
	char *was, *is;

	if (is_nested(before) || is_nested(after)) {
		fprintf(out, "%s changed", key);
		return;
	}
	is = ctl_value_text(key, after);
	if (before == NULL) {
		fprintf(out, "%s %s", key, is);
	} else {
		was = ctl_value_text(key, before);
		fprintf(out, "%s %s -> %s", key, was, is);
		free(was);
	}
	free(is);
}

/* Cut between characters, not within one. */
static void shorten(char *text)
{
	size_t at = CHANGE_SIZE_MAX - 3;

	if (strlen(text) <= CHANGE_SIZE_MAX)
		return;
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, "...", 4);
}

char *ctl_change_text(const json_t *row)
{
	json_t *before = json_object_get(row, "before"), *after = json_object_get(row, "after");
	char *text = NULL;
	const char *key;
	json_t *value;
	size_t size = 0, shown = 0;
	FILE *out = open_memstream(&text, &size);

	SLUICE_REQUIRE(out != NULL);
	json_object_foreach(after, key, value)
	{
		const json_t *was = json_object_get(before, key);

		/* Plain values first: a list of objects often repeats them. */
		if (is_noise(key) || is_nested(value) || (was != NULL && json_equal(was, value)))
			continue;
		fputs(shown++ > 0 ? ", " : "", out);
		one_print(out, key, was, value);
	}
	json_object_foreach(after, key, value)
	{
		const json_t *was = json_object_get(before, key);

		if (shown > 0 || !is_nested(value) || (was != NULL && json_equal(was, value)))
			continue;
		shown++;
		one_print(out, key, was, value);
	}
	if (shown == 0)
		fputc('-', out);
	SLUICE_REQUIRE(fclose(out) == 0);
	shorten(text);
	return text;
}
