/* SPDX-License-Identifier: Apache-2.0 */
#include "control/subjects/subjects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[CONTROL_SUBJECT_KIND_MAX + 1] = {
	[CONTROL_SUBJECT_ACCOUNT] = "account",
	[CONTROL_SUBJECT_TERMINAL] = "terminal",
	[CONTROL_SUBJECT_PARTNER] = "partner",
	[CONTROL_SUBJECT_MARKET] = "market",
};

const char *subject_kind_name(unsigned kind)
{
	return kind <= CONTROL_SUBJECT_KIND_MAX ? kind_names[kind] : NULL;
}

enum control_subject_kind subject_kind_parse(const char *name)
{
	for (unsigned kind = 1; kind <= CONTROL_SUBJECT_PARTNER; kind++)
		if (strcmp(kind_names[kind], name) == 0)
			return (enum control_subject_kind)kind;
	return (enum control_subject_kind)0;
}

void subject_text(const struct subject *subject, char out[SUBJECT_TEXT_SIZE])
{
	snprintf(out, SUBJECT_TEXT_SIZE, "%s %" PRIu64, kind_names[subject->kind], subject->id);
}

json_t *subject_json(const struct record_control_subject *row)
{
	return json_pack("{s:s, s:I, s:s, s:s%, s:I, s:I, s:I}", "kind",
	    subject_kind_name(row->kind), "id", (json_int_t)le64_get(row->id), "name",
	    (const char *)row->name, "country", (const char *)row->country,
	    row->country[0] != 0 ? (size_t)3 : (size_t)0, "confirmed",
	    (json_int_t)le32_get(row->confirmed), "dismissed", (json_int_t)le32_get(row->dismissed),
	    "changed_ns", (json_int_t)le64_get(row->changed_ns));
}

int subject_row(struct db_txn *txn, const struct subject *subject,
    struct record_control_subject *row, int *known)
{
	struct db_key key = db_key_make_pair(subject->kind, subject->id);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_SUBJECT, db_key(&key), &value);

	*known = error == 0;
	if (error == 0)
		return record_control_subject_read(value, row);
	if (error != -ENOENT)
		return error;
	*row = (struct record_control_subject){
		.header = record_control_header(RECORD_CONTROL_SUBJECT, sizeof(*row)),
		.id = le64_make(subject->id),
		.kind = (uint8_t)subject->kind,
	};
	return 0;
}

static int row_put(struct db_txn *txn, struct record_control_subject *row)
{
	struct db_key key = db_key_make_pair(row->kind, le64_get(row->id));

	row->changed_ns = le64_make(database_now_ns());
	return database_put(
	    txn, CONTROL_TABLE_SUBJECT, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
}

int subject_touch(struct db_txn *txn, const struct subject *subject)
{
	struct record_control_subject row;
	int known, error = subject_row(txn, subject, &row, &known);

	return error != 0 || !known ? error : row_put(txn, &row);
}

struct row_context {
	const struct subject *subject;
	const struct subject_settings *settings;
	const struct audit_entry *who;
	struct record_control_subject row;
	int known;
};

static int get_body(struct db_txn *txn, void *argument)
{
	struct row_context *context = argument;

	return subject_row(txn, context->subject, &context->row, &context->known);
}

int subjects_get(const struct database *database, const struct subject *subject,
    struct record_control_subject *row, int *known)
{
	struct row_context context = { .subject = subject };
	int error = database_read(database, get_body, &context);

	if (error == 0) {
		*row = context.row;
		*known = context.known;
	}
	return error;
}

static int set_body(struct db_txn *txn, void *argument)
{
	struct row_context *context = argument;
	const struct subject_settings *settings = context->settings;
	struct record_control_subject before, *row = &context->row;
	struct audit_entry entry = *context->who;
	char object[SUBJECT_TEXT_SIZE];
	int error = subject_row(txn, context->subject, row, &context->known);

	if (error != 0)
		return error;
	before = *row;
	if (settings->name != NULL)
		error = database_text(row->name, sizeof(row->name), settings->name);
	if (error == 0 && settings->country != NULL) {
		memset(row->country, 0, sizeof(row->country));
		if (strlen(settings->country) == sizeof(row->country))
			memcpy(row->country, settings->country, sizeof(row->country));
		if (settings->country[0] != '\0' && country_number(row->country) == 0)
			return -EINVAL;
	}
	if (error != 0 || (context->known && memcmp(&before, row, sizeof(before)) == 0))
		return error;
	error = row_put(txn, row);
	subject_text(context->subject, object);
	entry.object = object;
	entry.before = context->known ? subject_json(&before) : NULL;
	entry.after = subject_json(row);
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

int subjects_set(struct database *database, const struct subject *subject,
    const struct subject_settings *settings, const struct audit_entry *who,
    struct record_control_subject *row)
{
	struct row_context context = { .subject = subject, .settings = settings, .who = who };
	int error = database_write(database, set_body, &context);

	if (error == 0)
		*row = context.row;
	return error;
}

struct list_context {
	json_t *list;
	enum control_subject_kind kind;
	uint64_t first;
	unsigned count;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_SUBJECT);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor);
	     error == 0 && json_array_size(context->list) < context->count;
	     error = db_cursor_next(&cursor)) {
		struct record_control_subject row;

		error = record_control_subject_read(cursor.value, &row);
		if (error != 0)
			break;
		if ((context->kind == 0 || row.kind == context->kind) &&
		    le64_get(row.id) >= context->first)
			json_array_append_new(context->list, subject_json(&row));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *subjects_list(const struct database *database, enum control_subject_kind kind,
    uint64_t first_id, unsigned count)
{
	struct list_context context = { json_array(), kind, first_id, count };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
