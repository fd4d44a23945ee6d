/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of rules: who set them, and what differs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/markets/markets_internal.h"
#include "lmdb-schema/control_alerts.h"

/* Amounts of a currency in one of both. */
static void amounts_diff(
    json_t *list, const struct rule_set *from, const struct rule_set *to, uint16_t currency)
{
	struct risk_amounts before = { 0 }, after = { 0 };

	for (unsigned i = 0; i < from->extra.currency_count; i++)
		if (from->extra.currencies[i].currency == currency)
			before = from->extra.currencies[i];
	for (unsigned i = 0; i < to->extra.currency_count; i++)
		if (to->extra.currencies[i].currency == currency)
			after = to->extra.currencies[i];
	for (unsigned i = 0; i < RULE_AMOUNTS; i++) {
		int64_t was = rule_amount_get(&before, i), is = rule_amount_get(&after, i);
		char key[64];

		snprintf(
		    key, sizeof(key), RULE_AMOUNT_PREFIX "%u.%s", currency, rule_amount_names[i]);
		if (was != is)
			json_array_append_new(list,
			    json_pack("{s:s, s:I, s:I, s:s}", "key", key, "from", (json_int_t)was,
			        "to", (json_int_t)is, "unit", "minor units"));
	}
}

json_t *rules_diff(const struct rule_set *from, const struct rule_set *to)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rule_fields_count; i++) {
		const struct rule_field *field = &rule_fields[i];
		int64_t before = rule_field_get(from, field), after = rule_field_get(to, field);

		if (before != after)
			json_array_append_new(list,
			    json_pack("{s:s, s:I, s:I, s:s}", "key", field->name, "from",
			        (json_int_t)before, "to", (json_int_t)after, "unit", field->unit));
	}
	for (unsigned currency = 1; currency <= 999; currency++)
		amounts_diff(list, from, to, (uint16_t)currency);
	return list;
}

struct versions_context {
	json_t *list;
	unsigned count;
	int in_force_seen;
};

static const char *state_of(struct versions_context *context, unsigned state)
{
	int first = !context->in_force_seen;

	if (state == CONTROL_RULES_STORED)
		return "stored";
	if (state == CONTROL_RULES_REFUSED)
		return "refused";
	context->in_force_seen = 1;
	return first ? "in_force" : "past";
}

static int version_add(
    struct db_txn *txn, struct versions_context *context, const struct record_control_rules *row)
{
	struct record_control_rules_note note = { 0 };
	struct db_key key = db_key_make(le32_get(row->rules.version));
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), &value);

	/* Versions of before there were notes have none. */
	if (error == 0)
		error = record_control_rules_note_read(value, &note);
	if (error != 0 && error != -ENOENT)
		return error;
	json_array_append_new(context->list,
	    json_pack("{s:I, s:s, s:I, s:s, s:I, s:s, s:s}", "version",
	        (json_int_t)le32_get(row->rules.version), "state", state_of(context, note.state),
	        "set_ns", (json_int_t)le64_get(row->set_ns), "set_by", (const char *)note.user,
	        "copied_from", (json_int_t)le32_get(note.copied_from), "note",
	        (const char *)note.note, "refusal", (const char *)note.refusal));
	return 0;
}

static int versions_body(struct db_txn *txn, void *argument)
{
	struct versions_context *context = argument;
	uint64_t number;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_RULES);

	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	while (error == 0 && json_array_size(context->list) < context->count) {
		struct record_control_rules row;
		struct db_key key;

		error = db_key_number(cursor.key, &number);
		if (error == 0)
			error = record_control_rules_read(cursor.value, &row);
		if (error == 0)
			error = version_add(txn, context, &row);
		key = db_key_make(number - 1);
		if (error == 0)
			error = number == 0 ? -ENOENT : db_cursor_seek_below(&cursor, db_key(&key));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *rules_versions(const struct database *database, unsigned count)
{
	struct versions_context context = { .list = json_array(), .count = count };

	if (context.list != NULL && database_read(database, versions_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	if (json_array_size(context.list) < count)
		json_array_append_new(
		    context.list, json_pack("{s:i, s:s, s:i, s:s, s:i, s:s, s:s}", "version", 1,
		                      "state", state_of(&context, 0), "set_ns", 0, "set_by", "",
		                      "copied_from", 0, "note", "the defaults", "refusal", ""));
	return context.list;
}
