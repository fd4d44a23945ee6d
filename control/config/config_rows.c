/* SPDX-License-Identifier: Apache-2.0 */
/* The table as data, and what is made of it for people: config show, reload, the reference. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/config/config_internal.h"
#include "control/config/config_table.h"

#define MEMBER_SIZE(member) sizeof(((struct control_config *)NULL)->member)

#define ROW_NUMBER(section, key, low, high, start, unit_text, changes, help_text)                  \
	{ .path = #section "." #key,                                                               \
		.form = CONFIG_FORM_NUMBER,                                                        \
		.change = CONFIG_CHANGE_##changes,                                                 \
		.offset = offsetof(struct control_config, section.key),                            \
		.size = MEMBER_SIZE(section.key),                                                  \
		.lowest = (low),                                                                   \
		.highest = (high),                                                                 \
		.number_default = (start),                                                         \
		.text_default = "",                                                                \
		.unit = (unit_text),                                                               \
		.help = (help_text) },
#define ROW_TEXT(section, key, how, start, changes, help_text)                                     \
	{ .path = #section "." #key,                                                               \
		.form = CONFIG_FORM_##how,                                                         \
		.change = CONFIG_CHANGE_##changes,                                                 \
		.offset = offsetof(struct control_config, section.key),                            \
		.size = MEMBER_SIZE(section.key),                                                  \
		.text_default = (start),                                                           \
		.unit = "",                                                                        \
		.help = (help_text) },
#define ROW_TOP(key, how, start, changes, help_text)                                               \
	{ .path = #key,                                                                            \
		.form = CONFIG_FORM_##how,                                                         \
		.change = CONFIG_CHANGE_##changes,                                                 \
		.offset = offsetof(struct control_config, key),                                    \
		.size = MEMBER_SIZE(key),                                                          \
		.text_default = (start),                                                           \
		.unit = "",                                                                        \
		.help = (help_text) },
#define ROWS(section, about) CONFIG_ROWS_##section(ROW_NUMBER, ROW_TEXT)

const struct config_row config_rows[] = { CONFIG_ROW_DEPLOYMENT(ROW_TOP) CONFIG_SECTIONS(ROWS) };
const size_t config_rows_count = SLUICE_ARRAY_COUNT(config_rows);

/* Every NUMBER row's member is what config_row_number reads. */
#define ROW_IS_U32(section, key, low, high, start, unit_text, changes, help_text)                  \
	_Static_assert(MEMBER_SIZE(section.key) == sizeof(uint32_t), #section "." #key);           \
	_Static_assert((low) <= (start) && (start) <= (high), #section "." #key " default");
#define ROW_NO_CHECK(section, key, how, start, changes, help_text)                                 \
	_Static_assert(sizeof(start) <= MEMBER_SIZE(section.key), #section "." #key);
#define ROWS_CHECK(section, about) CONFIG_ROWS_##section(ROW_IS_U32, ROW_NO_CHECK)
CONFIG_SECTIONS(ROWS_CHECK)

#define SECTION(name, about) { #name, about },
const struct config_section config_sections[] = { CONFIG_SECTIONS(SECTION) };
const size_t config_sections_count = SLUICE_ARRAY_COUNT(config_sections);

void control_config_default(struct control_config *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < config_rows_count; i++) {
		const struct config_row *row = &config_rows[i];
		uint8_t *member = (uint8_t *)out + row->offset;

		if (row->form == CONFIG_FORM_NUMBER)
			memcpy(member, &row->number_default, sizeof(row->number_default));
		else
			memcpy(member, row->text_default, strlen(row->text_default));
	}
}

static json_t *row_value(const struct control_config *config, const struct config_row *row)
{
	return row->form == CONFIG_FORM_NUMBER
	           ? json_integer((json_int_t)config_row_number(config, row))
	           : json_string(config_row_text(config, row));
}

json_t *control_config_show(const struct control_config *config)
{
	struct control_config defaults;
	json_t *list = json_array();

	control_config_default(&defaults);
	for (size_t i = 0; i < config_rows_count; i++) {
		const struct config_row *row = &config_rows[i];

		json_array_append_new(
		    list, json_pack("{s:s, s:o, s:o, s:s, s:s, s:s}", "key", row->path, "value",
		              row_value(config, row), "default", row_value(&defaults, row), "unit",
		              row->unit, "change",
		              row->change == CONFIG_CHANGE_RELOAD ? "reload" : "restart", "help",
		              row->help));
	}
	return list;
}

static int row_differs(const struct control_config *one, const struct control_config *other,
    const struct config_row *row)
{
	if (row->form == CONFIG_FORM_NUMBER)
		return config_row_number(one, row) != config_row_number(other, row);
	return strcmp(config_row_text(one, row), config_row_text(other, row)) != 0;
}

int control_config_reload(struct control_config *current, const struct control_config *fresh,
    char *restart_keys, size_t restart_keys_size)
{
	size_t used = 0;
	int changed = 0;

	restart_keys[0] = '\0';
	for (size_t i = 0; i < config_rows_count; i++) {
		const struct config_row *row = &config_rows[i];

		if (!row_differs(current, fresh, row))
			continue;
		if (row->change == CONFIG_CHANGE_RELOAD) {
			memcpy((uint8_t *)current + row->offset,
			    (const uint8_t *)fresh + row->offset, row->size);
			changed++;
		} else if (used < restart_keys_size) {
			int written = snprintf(restart_keys + used, restart_keys_size - used,
			    "%s%s", used > 0 ? "," : "", row->path);

			used += written > 0 ? (size_t)written : 0;
		}
	}
	return changed;
}

/* ---- The reference ---- */

struct page {
	char *out;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void page_add(
    struct page *page, const char *format, ...)
{
	va_list arguments;
	int written;

	if (page->used + 1 >= page->size)
		return;
	va_start(arguments, format);
	written = vsnprintf(page->out + page->used, page->size - page->used, format, arguments);
	va_end(arguments);
	if (written > 0)
		page->used += (size_t)written;
}

static void page_row(struct page *page, const struct config_row *row)
{
	page_add(page, "| `%s` | ", row->path);
	if (row->form == CONFIG_FORM_NUMBER)
		page_add(page, "%u to %u | %u%s%s", row->lowest, row->highest, row->number_default,
		    row->unit[0] != '\0' && row->unit[0] != '/' ? " " : "", row->unit);
	else if (strcmp(row->path, "deployment") == 0)
		page_add(page, "%s | must be given", config_form_name(row->form));
	else
		page_add(page, "%s | %s", config_form_name(row->form),
		    row->text_default[0] != '\0' ? row->text_default : "empty");
	page_add(page, " | %s | %s |\n", row->change == CONFIG_CHANGE_RELOAD ? "reload" : "restart",
	    row->help);
}

void control_config_reference(char *out, size_t size)
{
	struct page page = { out, size, 0 };

	if (size > 0)
		out[0] = '\0';
	page_add(&page, "| key | takes | default | change | what |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < config_rows_count; i++)
		page_row(&page, &config_rows[i]);
}
