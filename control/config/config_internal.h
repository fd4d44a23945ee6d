/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/config: the rows of config_table.h as data. */
#ifndef SLUICE_CONTROL_CONFIG_INTERNAL_H
#define SLUICE_CONTROL_CONFIG_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "control/config/config.h"

enum config_form {
	CONFIG_FORM_NUMBER,
	CONFIG_FORM_NAME,
	CONFIG_FORM_HOST,
	CONFIG_FORM_IPV4,
	CONFIG_FORM_PATH,
	CONFIG_FORM_CONNECTION,
	CONFIG_FORM_GROUP,
	CONFIG_FORM_LEVEL,
	CONFIG_FORM_COUNT,
};

enum config_change {
	CONFIG_CHANGE_RESTART,
	CONFIG_CHANGE_RELOAD,
};

struct config_row {
	const char *path; /* "keys.port" */
	enum config_form form;
	enum config_change change;
	size_t offset, size; /* of the member */
	uint32_t lowest, highest, number_default;
	const char *text_default, *unit, *help;
};

extern const struct config_row config_rows[];
extern const size_t config_rows_count;

struct config_section {
	const char *name, *about;
};
extern const struct config_section config_sections[];
extern const size_t config_sections_count;

static inline uint32_t config_row_number(
    const struct control_config *config, const struct config_row *row)
{
	return *(const uint32_t *)(const void *)((const uint8_t *)config + row->offset);
}

static inline const char *config_row_text(
    const struct control_config *config, const struct config_row *row)
{
	return (const char *)config + row->offset;
}

/*
 * Checks a text against its form. NULL when it fits (an empty text always does, but for NAME and
 * LEVEL), else what was expected; *quotable is 0 when the text must not be shown.
 */
const char *config_text_check(
    enum config_form form, const char *text, char *buffer, size_t size, int *quotable);
/* What a form takes, for the reference. */
const char *config_form_name(enum config_form form);

#endif
