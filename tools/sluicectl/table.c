/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: one line a row, columns aligned by what they take on a terminal. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

#define COLUMNS_MAX 32
#define GAP         2

struct column {
	char name[VERB_NAME_SIZE_MAX];
	size_t width;
	int right; /* numbers, and no other text */
};

static size_t columns_split(const char *names, struct column columns[COLUMNS_MAX])
{
	size_t count = 0;

	while (*names != '\0' && count < COLUMNS_MAX) {
		size_t length = strcspn(names, " ");

		if (length > 0)
			snprintf(columns[count++].name, VERB_NAME_SIZE_MAX, "%.*s",
			    (int)(length < VERB_NAME_SIZE_MAX ? length : VERB_NAME_SIZE_MAX - 1),
			    names);
		names += length;
		names += strspn(names, " ");
	}
	return count;
}

/* The members of all rows, in the order they first appear. */
static size_t columns_collect(const json_t *rows, struct column columns[COLUMNS_MAX])
{
	size_t count = 0, index;
	json_t *row, *value;
	const char *key;

	json_array_foreach(rows, index, row)
	{
		json_object_foreach(row, key, value)
		{
			size_t i = 0;

			while (
			    i < count && strncmp(columns[i].name, key, VERB_NAME_SIZE_MAX - 1) != 0)
				i++;
			if (i == count && count < COLUMNS_MAX)
				snprintf(columns[count++].name, VERB_NAME_SIZE_MAX, "%s", key);
		}
	}
	return count;
}

/* As its member's name says what it is: a column `imported` holds `imported_ns`, a time. */
static char *cell_text(const json_t *row, const char *name)
{
	char with_unit[VERB_NAME_SIZE_MAX + 4];
	const json_t *value;

	if (strcmp(name, "before->after") == 0)
		return ctl_change_text(row);
	value = json_object_get(row, name);
	if (value != NULL)
		return ctl_value_text(name, value);
	snprintf(with_unit, sizeof(with_unit), "%.*s_ns", VERB_NAME_SIZE_MAX - 1, name);
	value = json_object_get(row, with_unit);
	return ctl_value_text(value == NULL ? name : with_unit, value);
}

/* "issued_ns" over times in ISO form is wrong: the heading loses its unit then. */
static void column_heading(const json_t *rows, struct column *column)
{
	size_t index, length = strlen(column->name);
	const json_t *row;
	int times = ctl_name_is_time(column->name);

	if (length <= 3 || strcmp(column->name + length - 3, "_ns") != 0)
		return;
	json_array_foreach(rows, index, row)
	{
		times |= ctl_value_is_time(column->name, json_object_get(row, column->name));
	}
	if (times)
		column->name[length - 3] = '\0';
}

/* Numbers stand right, so that their digits stand below each other. */
static int looks_like_number(const char *text)
{
	size_t length = strspn(text, "0123456789,.-");

	return text[length] == '\0' || strcmp(text + length, "%") == 0;
}

static void column_measure(const json_t *rows, struct column *column)
{
	size_t index, numbers = 0, texts = 0;
	const json_t *row;

	column_heading(rows, column);
	column->width = strlen(column->name);
	json_array_foreach(rows, index, row)
	{
		char *text = cell_text(row, column->name);
		size_t width = ctl_text_width(text);

		if (width > column->width)
			column->width = width;
		if (strcmp(text, "-") != 0) { /* nothing there is neither */
			numbers += (size_t)looks_like_number(text);
			texts += (size_t)!looks_like_number(text);
		}
		free(text);
	}
	column->right = numbers > 0 && texts == 0;
}

static void cell_print(FILE *out, const struct column *column, const char *text, int last)
{
	size_t pad = column->width - ctl_text_width(text);

	if (column->right)
		fprintf(out, "%*s", (int)pad, "");
	ctl_text_print(out, text);
	/* No spaces at the end of a line. */
	if (!last)
		fprintf(out, "%*s", (int)(GAP + (column->right ? 0 : pad)), "");
}

void ctl_table_render(FILE *out, const json_t *rows, const char *names)
{
	static struct column columns[COLUMNS_MAX];
	size_t count =
	    names != NULL ? columns_split(names, columns) : columns_collect(rows, columns);
	size_t index;
	json_t *row;

	if (json_array_size(rows) == 0) {
		fputs("(none)\n", out);
		return;
	}
	for (size_t i = 0; i < count; i++)
		column_measure(rows, &columns[i]);
	for (size_t i = 0; i < count; i++) {
		char heading[VERB_NAME_SIZE_MAX];
		size_t at = 0;

		for (; columns[i].name[at] != '\0'; at++)
			heading[at] = (char)toupper((unsigned char)columns[i].name[at]);
		heading[at] = '\0';
		cell_print(out, &columns[i], heading, i + 1 == count);
	}
	fputc('\n', out);
	json_array_foreach(rows, index, row)
	{
		for (size_t i = 0; i < count; i++) {
			char *text = cell_text(row, columns[i].name);

			cell_print(out, &columns[i], text, i + 1 == count);
			free(text);
		}
		fputc('\n', out);
	}
}
