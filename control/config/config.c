/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: a walk over the keys (wire/yaml) finds what is wrong and where, then libcyaml reads the
 * values by the schema made of the same table. Keys that were not given keep their defaults.
 */
#include "control/config/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/config_internal.h"
#include "control/config/config_table.h"
#include "wire/yaml/yaml_walk.h"

#define FILE_SIZE_MAX (1u << 20)
#define ROWS_MAX      64

/* ---- libcyaml's schema ---- */

#define MEMBER_SIZE(member) ((uint32_t)sizeof(((struct control_config *)NULL)->member))
#define MEMBER_IN(section, key)                                                                    \
	((uint32_t)(offsetof(struct control_config, section.key) -                                 \
	            offsetof(struct control_config, section)))

#define FIELD_NUMBER(section, member, low, high, start, unit, change, help)                        \
	{ .key = #member,                                                                          \
		.data_offset = MEMBER_IN(section, member),                                         \
		.value = { .type = CYAML_UINT,                                                     \
		    .flags = CYAML_FLAG_OPTIONAL,                                                  \
		    .data_size = MEMBER_SIZE(section.member) } },
#define FIELD_TEXT(section, member, form, start, change, help)                                     \
	{ .key = #member,                                                                          \
		.data_offset = MEMBER_IN(section, member),                                         \
		.value = { .type = CYAML_STRING,                                                   \
		    .flags = CYAML_FLAG_OPTIONAL,                                                  \
		    .data_size = MEMBER_SIZE(section.member),                                      \
		    .string = { .min = 0, .max = MEMBER_SIZE(section.member) - 1 } } },
#define FIELDS(section, about)                                                                     \
	static const cyaml_schema_field_t section##_fields[] = { CONFIG_ROWS_##section(            \
	    FIELD_NUMBER, FIELD_TEXT) CYAML_FIELD_END };
CONFIG_SECTIONS(FIELDS)

#define FIELD_SECTION(section, about)                                                              \
	{ .key = #section,                                                                         \
		.data_offset = offsetof(struct control_config, section),                           \
		.value = { .type = CYAML_MAPPING,                                                  \
		    .flags = CYAML_FLAG_OPTIONAL,                                                  \
		    .data_size = MEMBER_SIZE(section),                                             \
		    .mapping = { .fields = section##_fields } } },
static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_STRING("deployment", CYAML_FLAG_DEFAULT, struct control_config, deployment, 1),
	CONFIG_SECTIONS(FIELD_SECTION) CYAML_FIELD_END
};
static const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct control_config, top_fields),
};

/* ---- What is wrong, and where ---- */

struct reading {
	const char *name;
	char *message;
	size_t message_size;
	unsigned row_lines[ROWS_MAX]; /* 0: not given */
	uint64_t sections;            /* given, by bit */
};

static int message_at(struct reading *reading, unsigned line, const char *path, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

static int message_at(
    struct reading *reading, unsigned line, const char *path, const char *format, ...)
{
	char place[32] = "", text[512];
	va_list arguments;

	if (line > 0)
		snprintf(place, sizeof(place), ":%u", line);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	snprintf(reading->message, reading->message_size, "%s%s: key \"%s\": %s", reading->name,
	    place, path, text);
	return -EINVAL;
}

static const struct config_row *row_find(const char *path)
{
	for (size_t i = 0; i < config_rows_count; i++)
		if (strcmp(config_rows[i].path, path) == 0)
			return &config_rows[i];
	return NULL;
}

static int section_find(const char *path)
{
	for (size_t i = 0; i < config_sections_count; i++)
		if (strcmp(config_sections[i].name, path) == 0)
			return (int)i;
	return -1;
}

/* The known key nearest to an unknown one: by whole path, or the same word in another section. */
static const char *nearest(const char *path)
{
	const char *word = strrchr(path, '.') != NULL ? strrchr(path, '.') + 1 : path;
	const char *best = NULL;
	unsigned least = 4;

	for (size_t i = 0; i < config_rows_count; i++) {
		const char *known = config_rows[i].path;
		const char *last = strchr(known, '.') != NULL ? strchr(known, '.') + 1 : known;
		unsigned whole = yaml_walk_distance(path, known);
		unsigned part = 1 + yaml_walk_distance(word, last);
		unsigned distance = whole < part ? whole : part;

		if (distance < least && distance < strlen(word)) {
			least = distance;
			best = known;
		}
	}
	for (size_t i = 0; i < config_sections_count; i++) {
		unsigned distance = yaml_walk_distance(path, config_sections[i].name);

		if (distance < least && distance < strlen(path)) {
			least = distance;
			best = config_sections[i].name;
		}
	}
	return best;
}

static int unknown_key(struct reading *reading, const struct yaml_walk_entry *entry)
{
	const char *near = nearest(entry->path);

	if (near != NULL)
		return message_at(reading, entry->line, entry->path,
		    "there is no such key; did you mean \"%s\"?", near);
	return message_at(reading, entry->line, entry->path,
	    "there is no such key; control/config/README.md lists them all");
}

static int check_number(
    struct reading *reading, const struct config_row *row, const struct yaml_walk_entry *entry)
{
	uint64_t value;
	char found[64];

	if (yaml_walk_number(entry->value, entry->size, &value) && value >= row->lowest &&
	    value <= row->highest)
		return 0;
	yaml_walk_quote(entry->value, entry->size, found, sizeof(found));
	return message_at(reading, entry->line, row->path,
	    "expected a whole number from %" PRIu32 " to %" PRIu32 "%s%s%s, found \"%s\"",
	    row->lowest, row->highest, row->unit[0] != '\0' ? " (" : "", row->unit,
	    row->unit[0] != '\0' ? ")" : "", found);
}

static int check_text(
    struct reading *reading, const struct config_row *row, const struct yaml_walk_entry *entry)
{
	char buffer[384], found[64];
	const char *expected;
	int quotable = row->form != CONFIG_FORM_CONNECTION;

	if (entry->size >= row->size)
		return message_at(reading, entry->line, row->path,
		    "expected at most %zu bytes, found %zu", row->size - 1, entry->size);
	for (size_t i = 0; i < entry->size; i++)
		if ((unsigned char)entry->value[i] < 0x20 || entry->value[i] == 0x7f)
			return message_at(reading, entry->line, row->path,
			    "expected one line of text, found control character 0x%02x",
			    (unsigned)(unsigned char)entry->value[i]);
	if (entry->plain && (strcmp(entry->value, "~") == 0 || strcmp(entry->value, "null") == 0))
		return message_at(reading, entry->line, row->path,
		    "expected text, found nothing (%s); remove the line for the default, or "
		    "write \"\"",
		    entry->value);
	expected = config_text_check(row->form, entry->value, buffer, sizeof(buffer), &quotable);
	if (expected == NULL)
		return 0;
	if (!quotable)
		return message_at(reading, entry->line, row->path, "expected %s", expected);
	yaml_walk_quote(entry->value, entry->size, found, sizeof(found));
	return message_at(
	    reading, entry->line, row->path, "expected %s, found \"%s\"", expected, found);
}

static int visit_section(
    struct reading *reading, unsigned section, const struct yaml_walk_entry *entry)
{
	const char *name = config_sections[section].name;

	if (entry->kind == YAML_WALK_SEQUENCE)
		return message_at(
		    reading, entry->line, name, "expected keys under it, found a list");
	if (entry->kind == YAML_WALK_TEXT)
		return message_at(reading, entry->line, name,
		    "expected keys under it, indented, found %s; remove the line if there are none",
		    entry->size > 0 ? "a value" : "nothing");
	if (reading->sections & 1ull << section)
		return message_at(reading, entry->line, name,
		    "given twice; put all its keys under one \"%s:\"", name);
	reading->sections |= 1ull << section;
	return 0;
}

static int visit_key(void *context, const struct yaml_walk_entry *entry)
{
	struct reading *reading = context;
	const struct config_row *row = row_find(entry->path);
	int section = section_find(entry->path);
	size_t index;

	if (section >= 0)
		return visit_section(reading, (unsigned)section, entry);
	if (row == NULL)
		return unknown_key(reading, entry);
	index = (size_t)(row - config_rows);
	if (reading->row_lines[index] != 0)
		return message_at(reading, entry->line, row->path,
		    "given twice, first in line %u; remove one", reading->row_lines[index]);
	reading->row_lines[index] = entry->line;
	if (entry->kind != YAML_WALK_TEXT)
		return message_at(reading, entry->line, row->path, "expected one value, found a %s",
		    entry->kind == YAML_WALK_SEQUENCE ? "list" : "mapping");
	return row->form == CONFIG_FORM_NUMBER ? check_number(reading, row, entry)
	                                       : check_text(reading, row, entry);
}

/* ---- Values that depend on one another ---- */

static unsigned line_of(const struct reading *reading, const char *path)
{
	const struct config_row *row = row_find(path);

	return row == NULL ? 0 : reading->row_lines[row - config_rows];
}

static int check_together(struct reading *reading, const struct control_config *config)
{
	uint32_t certificate = config->keys.terminal_certificate_days;
	const char *path = "keys.terminal_certificate_days";

	if (config->keys.epoch_minutes > config->keys.session_hours * 60)
		return message_at(reading, line_of(reading, "keys.epoch_minutes"),
		    "keys.epoch_minutes",
		    "expected at most keys.session_hours (%" PRIu32 " minutes), found %" PRIu32,
		    config->keys.session_hours * 60, config->keys.epoch_minutes);
	if (config->keys.server_certificate_days > certificate) {
		certificate = config->keys.server_certificate_days;
		path = "keys.server_certificate_days";
	}
	if (certificate > config->keys.authority_days)
		return message_at(reading, line_of(reading, path), path,
		    "expected at most keys.authority_days (%" PRIu32 "), found %" PRIu32,
		    config->keys.authority_days, certificate);
	if (config->keys.switch_udp_port + config->keys.switch_udp_port_count > 65536)
		return message_at(reading, line_of(reading, "keys.switch_udp_port_count"),
		    "keys.switch_udp_port_count",
		    "expected ports up to 65535, found %" PRIu32 " from %" PRIu32 " on",
		    config->keys.switch_udp_port_count, config->keys.switch_udp_port);
	return 0;
}

/* ---- Reading ---- */

/* libcyaml's own words, for what the walk did not find wrong. */
__attribute__((format(printf, 3, 0))) static void log_line(
    cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	char *words = context;

	if (level >= CYAML_LOG_ERROR && words[0] == '\0')
		vsnprintf(words, 128, format, arguments);
	words[strcspn(words, "\n")] = '\0';
}

static int values_read(
    struct reading *reading, const uint8_t *text, size_t size, struct control_config **values)
{
	char words[128] = "";
	cyaml_config_t cyaml = { .log_fn = log_line,
		.log_ctx = words,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		/* A small file must not unfold into a large one. */
		.flags = CYAML_CFG_NO_ALIAS };
	cyaml_data_t *data = NULL;
	cyaml_err_t result = cyaml_load_data(text, size, &cyaml, &config_schema, &data, NULL);

	if (result == CYAML_OK && data != NULL) {
		*values = data;
		return 0;
	}
	snprintf(reading->message, reading->message_size, "%s: %s%s%s", reading->name,
	    cyaml_strerror(result), words[0] != '\0' ? ": " : "", words);
	return result == CYAML_ERR_OOM ? -ENOMEM : -EINVAL;
}

static int walk_keys(struct reading *reading, const uint8_t *text, size_t size)
{
	struct yaml_walk_problem problem = { 0 };
	int error;

	reading->message[0] = '\0';
	error = yaml_walk(text, size, visit_key, reading, &problem);
	if (error == 0 && reading->row_lines[0] == 0) {
		snprintf(reading->message, reading->message_size,
		    "%s: key \"deployment\": missing; add \"deployment: NAME\" with the name in "
		    "the data plane's file",
		    reading->name);
		return -EINVAL;
	}
	if (error == 0 || reading->message[0] != '\0')
		return error;
	if (problem.line > 0)
		snprintf(reading->message, reading->message_size, "%s:%u:%u: %s", reading->name,
		    problem.line, problem.column, problem.text);
	else
		snprintf(
		    reading->message, reading->message_size, "%s: %s", reading->name, problem.text);
	return error;
}

int control_config_parse(const uint8_t *text, size_t size, const char *name,
    struct control_config *out, char *message, size_t message_size)
{
	struct reading reading = { .name = name, .message = message, .message_size = message_size };
	cyaml_config_t cyaml = { .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR };
	struct control_config *values = NULL;
	struct control_config config;
	int error;

	SLUICE_REQUIRE(config_rows_count <= ROWS_MAX);
	error = walk_keys(&reading, text, size);
	if (error == 0)
		error = values_read(&reading, text, size, &values);
	if (error != 0)
		return error;
	control_config_default(&config);
	for (size_t i = 0; i < config_rows_count; i++)
		if (reading.row_lines[i] != 0)
			memcpy((uint8_t *)&config + config_rows[i].offset,
			    (const uint8_t *)values + config_rows[i].offset, config_rows[i].size);
	(void)cyaml_free(&cyaml, &config_schema, values, 0);
	error = check_together(&reading, &config);
	if (error == 0)
		*out = config;
	return error;
}

int control_config_load(
    const char *path, struct control_config *out, char *message, size_t message_size)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *text;
	size_t size;
	int error;

	if (file == NULL) {
		error = errno;
		snprintf(message, message_size,
		    "%s: %s; write the file or name another with --config FILE", path,
		    strerror(error));
		return -error;
	}
	text = malloc(FILE_SIZE_MAX + 1);
	if (text == NULL) {
		fclose(file);
		snprintf(message, message_size, "%s: out of memory", path);
		return -ENOMEM;
	}
	errno = 0;
	size = fread(text, 1, FILE_SIZE_MAX + 1, file);
	if (ferror(file)) {
		error = errno != 0 ? -errno : -EIO;
		snprintf(message, message_size, "%s: %s; name a file that can be read", path,
		    strerror(-error));
	} else if (size > FILE_SIZE_MAX) {
		error = -EFBIG;
		snprintf(
		    message, message_size, "%s: larger than 1 MiB; is it the right file?", path);
	} else {
		error = control_config_parse(text, size, path, out, message, message_size);
	}
	fclose(file);
	free(text);
	return error;
}
