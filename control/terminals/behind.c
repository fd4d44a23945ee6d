/* SPDX-License-Identifier: Apache-2.0 */
/* Who would be locked out by a change of the authority. */
#include <errno.h>

#include "control/terminals/terminals.h"

struct behind_context {
	uint64_t since_s, now_s;
	unsigned count;
	uint64_t example;
};

static int certificate_is_behind(
    const struct behind_context *context, const struct record_control_certificate *row)
{
	return row->state != CONTROL_CERTIFICATE_REVOKED &&
	       le64_get(row->not_after_s) >= context->now_s &&
	       le64_get(row->issued_ns) / 1000000000u <= context->since_s;
}

/* 1, 0 or -errno. */
static int terminal_is_behind(
    struct db_txn *txn, const struct behind_context *context, uint64_t terminal_id)
{
	struct record_control_certificate row;
	struct db_cursor cursor;
	int behind = 0, error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CERTIFICATE);

	if (error != 0)
		return error;
	for (error = terminals_certificates_first(&cursor, terminal_id, &row);
	     error == 0 && !behind; error = terminals_certificates_next(&cursor, terminal_id, &row))
		behind = certificate_is_behind(context, &row);
	db_cursor_close(&cursor);
	if (behind)
		return 1;
	return error == -ENOENT ? 0 : error;
}

static int behind_body(struct db_txn *txn, void *argument)
{
	struct behind_context *context = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_TERMINAL);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_terminal row;
		int behind;

		error = record_control_terminal_read(cursor.value, &row);
		if (error != 0)
			break;
		if (row.state == CONTROL_TERMINAL_REVOKED)
			continue;
		behind = terminal_is_behind(txn, context, le64_get(row.id));
		if (behind < 0) {
			error = behind;
			break;
		}
		context->count += (unsigned)behind;
		context->example = behind ? le64_get(row.id) : context->example;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

int terminals_behind_count(
    const struct database *database, uint64_t since_s, unsigned *count, uint64_t *example)
{
	struct behind_context context = {
		.since_s = since_s,
		.now_s = database_now_ns() / 1000000000u,
	};
	int error = database_read(database, behind_body, &context);

	if (error == 0) {
		*count = context.count;
		*example = context.example;
	}
	return error;
}
