/* SPDX-License-Identifier: Apache-2.0 */
/* The list of countries with a status of their own; the others are not on it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/subjects/subjects.h"

static const char *const level_names[] = {
	[CONTROL_COUNTRY_NONE] = "none",
	[CONTROL_COUNTRY_MONITORED] = "monitored",
	[CONTROL_COUNTRY_HIGH] = "high",
};

const char *country_level_name(unsigned level)
{
	return level < SLUICE_ARRAY_COUNT(level_names) ? level_names[level] : NULL;
}

int country_level_parse(const char *name)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(level_names); i++)
		if (strcmp(level_names[i], name) == 0)
			return (int)i;
	return -1;
}

json_t *country_json(const struct record_control_country *row)
{
	return json_pack("{s:s%, s:s, s:s, s:s, s:I}", "country", (const char *)row->code,
	    (size_t)3, "level", country_level_name(row->level), "status", (const char *)row->status,
	    "dated", (const char *)row->dated, "changed_ns", (json_int_t)le64_get(row->changed_ns));
}

static struct db_bytes code_key(const uint8_t code[3])
{
	return (struct db_bytes){ code, 3 };
}

int country_row(struct db_txn *txn, const uint8_t code[3], struct record_control_country *row)
{
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_COUNTRY, code_key(code), &value);

	return error != 0 ? error : record_control_country_read(value, row);
}

static int row_put(struct db_txn *txn, struct record_control_country *row)
{
	row->changed_ns = le64_make(database_now_ns());
	return database_put(txn, CONTROL_TABLE_COUNTRY, code_key(row->code),
	    (struct db_bytes){ row, sizeof(*row) });
}

/* The words of FATF's lists ("High-Risk Jurisdictions subject to a Call for Action"); what is none
 * of them is monitored: better once too often. */
static enum control_country_level status_level(const char *status)
{
	if (strcasestr(status, "call for action") != NULL || strcasestr(status, "black") != NULL ||
	    strcasestr(status, "high") != NULL)
		return CONTROL_COUNTRY_HIGH;
	return strcasecmp(status, "none") == 0 ? CONTROL_COUNTRY_NONE : CONTROL_COUNTRY_MONITORED;
}

struct country_context {
	const char *code, *text, *dated;
	size_t size;
	enum control_country_level level;
	const struct audit_entry *who;
	struct record_control_country row;
	unsigned count;
	char *message;
	size_t message_size;
};

static int set_body(struct db_txn *txn, void *argument)
{
	struct country_context *context = argument;
	struct record_control_country before, *row = &context->row;
	struct audit_entry entry = *context->who;
	char object[24];
	uint8_t code[3];
	int known, error;

	if (strlen(context->code) != sizeof(code))
		return -EINVAL;
	memcpy(code, context->code, sizeof(code));
	if (country_number(code) == 0)
		return -EINVAL;
	error = country_row(txn, code, &before);
	known = error == 0;
	if (error != 0 && error != -ENOENT)
		return error;
	*row = (struct record_control_country){
		.header = record_control_header(RECORD_CONTROL_COUNTRY, sizeof(*row)),
		.level = (uint8_t)context->level,
	};
	memcpy(row->code, code, sizeof(code));
	error = database_text(row->status, sizeof(row->status), "set by hand");
	if (error == 0)
		error = row_put(txn, row);
	snprintf(object, sizeof(object), "country %.3s", context->code);
	entry.object = object;
	entry.before = known ? country_json(&before) : NULL;
	entry.after = country_json(row);
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

int country_set(struct database *database, const char *code, enum control_country_level level,
    const struct audit_entry *who, struct record_control_country *row)
{
	struct country_context context = { .code = code, .level = level, .who = who };
	int error = database_write(database, set_body, &context);

	if (error == 0)
		*row = context.row;
	return error;
}

/* ---- Import ---- */

static int line_refused(
    const struct country_context *context, const struct csv *csv, const char *what)
{
	snprintf(context->message, context->message_size, "line %u: %s", csv->line, what);
	return -EINVAL;
}

static int all_delete(struct db_txn *txn)
{
	int error = 0;

	while (error == 0) {
		struct db_cursor cursor;
		uint8_t code[3];

		error = db_cursor_open(&cursor, txn, CONTROL_TABLE_COUNTRY);
		if (error != 0)
			return error;
		error = db_cursor_first(&cursor);
		if (error == 0 && cursor.key.size != sizeof(code))
			error = -EBADMSG;
		if (error == 0)
			memcpy(code, cursor.key.data, sizeof(code));
		db_cursor_close(&cursor);
		if (error == 0)
			error = database_delete(txn, CONTROL_TABLE_COUNTRY, code_key(code));
	}
	return error == -ENOENT ? 0 : error;
}

static int line_put(struct db_txn *txn, struct country_context *context, const struct csv *csv)
{
	struct record_control_country known, row = {
		.header = record_control_header(RECORD_CONTROL_COUNTRY, sizeof(row)),
	};
	int error;

	if (csv->count < 2 || strlen(csv->fields[0]) != sizeof(row.code))
		return line_refused(context, csv,
		    "expected iso3,status like PRK,High-Risk or BGR,Increased Monitoring");
	memcpy(row.code, csv->fields[0], sizeof(row.code));
	if (!control_country_code_fits(row.code))
		return line_refused(context, csv, "the country must be three letters A-Z");
	if (country_number(row.code) == 0)
		return line_refused(context, csv, "there is no such country in ISO 3166-1");
	error = country_row(txn, row.code, &known);
	if (error == 0)
		return line_refused(context, csv, "the country stands in a line above already");
	if (error != -ENOENT)
		return error;
	row.level = (uint8_t)status_level(csv->fields[1]);
	if (database_text(row.status, sizeof(row.status), csv->fields[1]) != 0 ||
	    database_text(row.dated, sizeof(row.dated), context->dated) != 0)
		return line_refused(context, csv, "the status is too long, or is not UTF-8");
	context->count++;
	return row_put(txn, &row);
}

static int import_body(struct db_txn *txn, void *argument)
{
	struct country_context *context = argument;
	struct audit_entry entry = *context->who;
	struct csv csv;
	int more, error = all_delete(txn);

	context->count = 0;
	csv_begin(&csv, context->text, context->size);
	while (error == 0 && (more = csv_next(&csv)) != 0) {
		if (more < 0)
			return line_refused(
			    context, &csv, "is too long, or holds a quote that is not closed");
		if (csv.line == 1 && strcmp(csv.fields[0], "iso3") == 0)
			continue;
		error = line_put(txn, context, &csv);
	}
	if (error == 0 && context->count == 0) {
		snprintf(context->message, context->message_size, "the file names no country");
		error = -EINVAL;
	}
	if (error != 0)
		return error;
	entry.object = "countries";
	entry.after =
	    json_pack("{s:i, s:s}", "countries", (int)context->count, "dated", context->dated);
	error = audit_append(txn, &entry);
	json_decref(entry.after);
	return error;
}

int countries_import(struct database *database, const char *text, size_t size, const char *dated,
    const struct audit_entry *who, unsigned *count, char *message, size_t message_size)
{
	struct country_context context = { .text = text,
		.size = size,
		.dated = dated,
		.who = who,
		.message = message,
		.message_size = message_size };
	int error = database_write(database, import_body, &context);

	if (error == 0)
		*count = context.count;
	return error;
}

static int list_body(struct db_txn *txn, void *argument)
{
	json_t *list = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_COUNTRY);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_country row;

		error = record_control_country_read(cursor.value, &row);
		if (error != 0)
			break;
		json_array_append_new(list, country_json(&row));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *countries_list(const struct database *database)
{
	json_t *list = json_array();

	if (list != NULL && database_read(database, list_body, list) != 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}
