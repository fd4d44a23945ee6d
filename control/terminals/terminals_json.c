/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals as people and programs see them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/terminals/terminals.h"
#include "wire/hex.h"

static const char *state_name(uint8_t state)
{
	return state == CONTROL_TERMINAL_ACTIVE    ? "active"
	       : state == CONTROL_TERMINAL_BLOCKED ? "blocked"
	                                           : "revoked";
}

json_t *terminals_rights_json(uint32_t rights)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { RIGHT_BET, "bet" }, { RIGHT_BALANCE, "balance" },
		{ RIGHT_DEPOSIT, "deposit" }, { RIGHT_MARKET, "market" },
		{ RIGHT_WITHDRAW, "withdraw" }, { RIGHT_TRANSFER, "transfer" },
		{ RIGHT_ACCOUNT, "account" }, { RIGHT_CASH, "cash" },
		{ RIGHT_SPRINKLE, "sprinkle" }, { RIGHT_ROUND, "round" } };
	json_t *list = json_array();

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++)
		if ((rights & names[i].bit) != 0)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

json_t *terminals_json(const struct record_control_terminal *row)
{
	char sha256[65];

	hex_encode(row->certificate, sizeof(row->certificate), sha256);
	return json_pack("{s:I, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "terminal",
	    (json_int_t)le64_get(row->id), "state", state_name(row->state), "name",
	    (const char *)row->name, "location", (const char *)row->location, "rights",
	    terminals_rights_json(le32_get(row->rights)), "daily_max",
	    (json_int_t)le64s_get(row->daily_max), "rate_per_s",
	    (json_int_t)le32_get(row->rate_per_s), "rate_burst",
	    (json_int_t)le32_get(row->rate_burst), "version", (json_int_t)le64_get(row->version),
	    "created_ns", (json_int_t)le64_get(row->created_ns), "changed_ns",
	    (json_int_t)le64_get(row->changed_ns), "sha256", sha256);
}

struct list_context {
	json_t *list;
	uint64_t first;
	unsigned count;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	struct db_key key = db_key_make(context->first > 0 ? context->first - 1 : 0);
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_TERMINAL);

	if (error != 0)
		return error;
	error = db_cursor_seek_below(&cursor, db_key(&key));
	error = error == 0         ? db_cursor_next(&cursor)
	        : error == -ENOENT ? db_cursor_first(&cursor)
	                           : error;
	for (unsigned i = 0; error == 0 && i < context->count; i++) {
		struct record_control_terminal row;

		error = record_control_terminal_read(cursor.value, &row);
		if (error == 0 && json_array_append_new(context->list, terminals_json(&row)) != 0)
			error = -ENOMEM;
		if (error == 0)
			error = db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *terminals_list(const struct database *database, uint64_t first_id, unsigned count)
{
	struct list_context context = { json_array(), first_id, count };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}

static int count_body(struct db_txn *txn, void *argument)
{
	uint64_t *counts = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_TERMINAL);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_terminal row;

		if (record_control_terminal_read(cursor.value, &row) != 0) {
			error = -EBADMSG;
			break;
		}
		counts[row.state]++;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

int terminals_count(const struct database *database, uint64_t counts[4])
{
	memset(counts, 0, 4 * sizeof(counts[0]));
	return database_read(database, count_body, counts);
}

static json_t *certificate_json(const struct record_control_certificate *row)
{
	static const char *const states[] = { "", "valid", "replaced", "revoked" };
	char sha256[65], serial[41];

	hex_encode(row->sha256, sizeof(row->sha256), sha256);
	hex_encode(row->serial, sizeof(row->serial), serial);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "state", states[row->state],
	    "sha256", sha256, "serial", serial, "not_before_ns",
	    (json_int_t)(le64_get(row->not_before_s) * 1000000000ull), "not_after_ns",
	    (json_int_t)(le64_get(row->not_after_s) * 1000000000ull), "issued_ns",
	    (json_int_t)le64_get(row->issued_ns), "revoked_ns",
	    (json_int_t)le64_get(row->revoked_ns));
}

static int certificates_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	struct record_control_certificate row;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CERTIFICATE);

	if (error != 0)
		return error;
	for (error = terminals_certificates_first(&cursor, context->first, &row); error == 0;
	     error = terminals_certificates_next(&cursor, context->first, &row))
		if (json_array_append_new(context->list, certificate_json(&row)) != 0)
			error = -ENOMEM;
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *terminals_certificates(const struct database *database, uint64_t terminal_id)
{
	struct list_context context = { json_array(), terminal_id, 0 };

	if (context.list != NULL && database_read(database, certificates_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
