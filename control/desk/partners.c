/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/desk/desk.h"

#define PARTNER_KEYS_MAX_DEFAULT 1000000u
#define PARTNER_CURRENCY_DEFAULT 410

json_t *partner_json(const struct record_control_partner *row)
{
	return json_pack("{s:I, s:s, s:I, s:I, s:i, s:b, s:I, s:I, s:I}", "partner",
	    (json_int_t)le64_get(row->id), "name", (const char *)row->name, "exposure_max",
	    (json_int_t)le64s_get(row->exposure_max), "keys_max",
	    (json_int_t)le32_get(row->keys_max), "currency", (int)le16_get(row->currency),
	    "blocked", (int)row->blocked, "version", (json_int_t)le64_get(row->version),
	    "created_ns", (json_int_t)le64_get(row->created_ns), "changed_ns",
	    (json_int_t)le64_get(row->changed_ns));
}

static int row_get(struct db_txn *txn, uint64_t partner_id, struct record_control_partner *row)
{
	struct db_key key = db_key_make(partner_id);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_PARTNER, db_key(&key), &value);

	return error != 0 ? error : record_control_partner_read(value, row);
}

struct set_context {
	uint64_t partner_id, sequence;
	const struct partner_settings *settings;
	uint16_t rules_currency;
	const struct audit_entry *who;
	struct record_control_partner row;
};

static int settings_apply(
    const struct partner_settings *settings, struct record_control_partner *row)
{
	if (settings->exposure_max > LIMIT_BALANCE_MAX || settings->keys_max > UINT32_MAX ||
	    settings->currency > 999 || settings->currency == 0)
		return -EINVAL;
	if (settings->exposure_max >= 0)
		row->exposure_max = le64s_make(settings->exposure_max);
	if (settings->keys_max >= 0)
		row->keys_max = le32_make((uint32_t)settings->keys_max);
	if (settings->currency > 0)
		row->currency = le16_make((uint16_t)settings->currency);
	if (settings->blocked >= 0)
		row->blocked = settings->blocked != 0;
	if (settings->name == NULL)
		return 0;
	memset(row->name, 0, sizeof(row->name));
	return database_text(row->name, sizeof(row->name), settings->name);
}

static int row_store(
    struct db_txn *txn, struct set_context *context, const struct record_control_partner *before)
{
	struct record_control_partner *row = &context->row;
	struct db_key key = db_key_make(context->partner_id);
	struct audit_entry entry = *context->who;
	char object[64];
	json_t *command = json_pack("{s:s, s:I, s:I, s:I, s:i, s:b}", "type", "partner_set",
	    "partner_id", (json_int_t)context->partner_id, "exposure_max",
	    (json_int_t)le64s_get(row->exposure_max), "keys_max",
	    (json_int_t)le32_get(row->keys_max), "currency", (int)le16_get(row->currency),
	    "blocked", (int)row->blocked);
	int error = command == NULL ? -ENOMEM : commands_append(txn, command, &context->sequence);

	json_decref(command);
	row->version = le64_make(context->sequence);
	row->changed_ns = le64_make(database_now_ns());
	if (error == 0)
		error = database_put(txn, CONTROL_TABLE_PARTNER, db_key(&key),
		    (struct db_bytes){ row, sizeof(*row) });
	snprintf(object, sizeof(object), "partner %" PRIu64, context->partner_id);
	entry.object = object;
	entry.before = before != NULL ? partner_json(before) : NULL;
	entry.after = partner_json(row);
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

static int set_body(struct db_txn *txn, void *argument)
{
	struct set_context *context = argument;
	struct record_control_partner before = { 0 }, *row = &context->row;
	int error = row_get(txn, context->partner_id, &before);
	int known = error == 0;

	context->sequence = 0;
	if (error != 0 && error != -ENOENT)
		return error;
	*row = before;
	if (!known)
		*row = (struct record_control_partner){
			.header = record_control_header(RECORD_CONTROL_PARTNER, sizeof(*row)),
			.id = le64_make(context->partner_id),
			.created_ns = le64_make(database_now_ns()),
			.keys_max = le32_make(PARTNER_KEYS_MAX_DEFAULT),
			.currency = le16_make(PARTNER_CURRENCY_DEFAULT),
		};
	error = settings_apply(context->settings, row);
	if (error != 0)
		return error;
	/* Credit of its limit may be on its way between shards: some would take it, some not. */
	if (known && le16_get(row->currency) != le16_get(before.currency))
		return -EPERM;
	/* The shards limit bets in the rules' currency only: it would be a limit in name. */
	if (context->settings->exposure_max > 0 &&
	    le16_get(row->currency) != context->rules_currency)
		return -EDOM;
	if (known && memcmp(&before, row, sizeof(before)) == 0)
		return 0;
	return row_store(txn, context, known ? &before : NULL);
}

int partners_set(struct database *database, uint64_t partner_id,
    const struct partner_settings *settings, uint16_t rules_currency, const struct audit_entry *who,
    uint64_t *sequence, struct record_control_partner *row)
{
	struct set_context context = { .partner_id = partner_id,
		.settings = settings,
		.rules_currency = rules_currency,
		.who = who };
	int error = database_write(database, set_body, &context);

	if (error == 0) {
		*sequence = context.sequence;
		*row = context.row;
	}
	return error;
}

static int get_body(struct db_txn *txn, void *argument)
{
	struct set_context *context = argument;

	return row_get(txn, context->partner_id, &context->row);
}

int partners_get(
    const struct database *database, uint64_t partner_id, struct record_control_partner *row)
{
	struct set_context context = { .partner_id = partner_id };
	int error = database_read(database, get_body, &context);

	if (error == 0)
		*row = context.row;
	return error;
}

struct list_context {
	json_t *list;
	uint64_t first;
	unsigned count;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_PARTNER);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor);
	     error == 0 && json_array_size(context->list) < context->count;
	     error = db_cursor_next(&cursor)) {
		struct record_control_partner row;

		error = record_control_partner_read(cursor.value, &row);
		if (error != 0)
			break;
		if (le64_get(row.id) >= context->first)
			json_array_append_new(context->list, partner_json(&row));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *partners_list(const struct database *database, uint64_t first_id, unsigned count)
{
	struct list_context context = { json_array(), first_id, count };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
