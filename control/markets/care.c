/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What markets want without an operator's word: results that have stood long enough become final,
 * and the row of a command that the shards refused is brought back to what they have.
 *
 * The time of a result is that of its command, whose number is the market's version: the moment it
 * was durable on all shards.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets_internal.h"

json_t *markets_result_command(enum result_op op, const struct record_control_market *row)
{
	struct settlement_outcomes outcomes;
	json_t *list, *command = json_pack("{s:s, s:I, s:s}", "type", "market_result", "market_id",
	                  (json_int_t)le64_get(row->id), "op",
	                  op == RESULT_SET        ? "set"
	                  : op == RESULT_ROLLBACK ? "rollback"
	                                          : "final");

	if (command == NULL || op != RESULT_SET || market_row_outcomes(row, &outcomes) != 0)
		return command;
	list = json_array();
	for (unsigned i = 0; i < row->market.selection_count; i++) {
		const struct settlement_outcome *outcome = &outcomes.of[i];

		json_array_append_new(list,
		    json_integer(outcome->kind | outcome->places << 8 | outcome->winners << 16));
	}
	json_object_set_new(command, "outcomes", list);
	return command;
}

/* ---- Looking ---- */

struct look_context {
	struct market_care_search *search;
	struct market_care *found;
	size_t max, count;
};

/* What a row wants, 0: nothing. */
static int row_care(struct db_txn *txn, const struct record_control_market *row,
    const struct market_care_search *search, enum market_care_kind *kind)
{
	struct record_control_command command;
	int error = commands_record(txn, le64_get(row->market.version), &command);

	*kind = 0;
	if (error != 0)
		return error == -ENOENT ? 0 : error; /* set by no command of this database */
	if (command.state == CONTROL_COMMAND_REFUSED)
		*kind = MARKET_CARE_REPAIR;
	else if (command.state == CONTROL_COMMAND_DONE && row->market.state >= MARKET_SETTLED &&
	         !row->final && le64_get(command.done_ns) <= search->done_by_ns)
		*kind = MARKET_CARE_FINAL;
	return 0;
}

static int look_body(struct db_txn *txn, void *argument)
{
	struct look_context *context = argument;
	struct market_care_search *search = context->search;
	struct db_key key = db_key_make(search->next > 0 ? search->next - 1 : 0);
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_MARKET);

	if (error != 0)
		return error;
	error = db_cursor_seek_below(&cursor, db_key(&key));
	error = error == 0         ? db_cursor_next(&cursor)
	        : error == -ENOENT ? db_cursor_first(&cursor)
	                           : error;
	for (unsigned looked = 0;
	     error == 0 && looked < search->look && context->count < context->max; looked++) {
		struct record_control_market row;
		enum market_care_kind kind;

		error = record_control_market_read(cursor.value, &row);
		if (error == 0)
			error = row_care(txn, &row, search, &kind);
		if (error != 0)
			break;
		search->next = le64_get(row.id) + 1;
		if (kind != 0)
			context->found[context->count++] = (struct market_care){
				.market_id = le64_get(row.id),
				.version = le64_get(row.market.version),
				.kind = kind,
			};
		error = db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	if (error == -ENOENT)
		search->next = 0; /* from the beginning again */
	return error == -ENOENT ? 0 : error;
}

int markets_care_look(const struct database *database, struct market_care_search *search,
    struct market_care *found, size_t max, size_t *count)
{
	struct look_context context = { search, found, max, 0 };
	int error = database_read(database, look_body, &context);

	*count = error == 0 ? context.count : 0;
	return error;
}

/* ---- Doing ---- */

struct care_context {
	const struct market_care *care;
	const struct market_shown *shown;
	const struct audit_entry *who;
};

/* The row, if it is still the one that was looked at. */
static int care_row(
    struct db_txn *txn, const struct market_care *care, struct record_control_market *row)
{
	int error = market_row_get(txn, care->market_id, row);

	return error != 0 ? error : le64_get(row->market.version) == care->version ? 0 : -EALREADY;
}

static int final_body(struct db_txn *txn, void *argument)
{
	const struct care_context *context = argument;
	struct record_control_market before, row;
	json_t *command;
	uint64_t sequence;
	int error = care_row(txn, context->care, &before);

	if (error == 0 && (before.final || before.market.state < MARKET_SETTLED))
		error = -EALREADY;
	if (error != 0)
		return error;
	row = before;
	row.final = 1;
	command = markets_result_command(RESULT_FINAL, &row);
	if (command == NULL)
		return -ENOMEM;
	error = market_row_put(txn, &row);
	if (error == 0)
		error = commands_append(txn, command, &sequence);
	json_decref(command);
	return error != 0 ? error : market_audit(txn, context->who, &before, &row);
}

int markets_final(
    struct database *database, const struct market_care *care, const struct audit_entry *who)
{
	struct care_context context = { .care = care, .who = who };

	return database_write(database, final_body, &context);
}

static int repair_body(struct db_txn *txn, void *argument)
{
	const struct care_context *context = argument;
	const struct market_shown *shown = context->shown;
	struct settlement_outcomes_disk disk = { 0 };
	struct record_control_market before, row;
	int error = care_row(txn, context->care, &before);

	if (error != 0)
		return error;
	row = before;
	row.market.version = le64_make(shown->version);
	row.market.state = (uint8_t)shown->state;
	row.market.kind = shown->kind;
	row.market.line = le16_make((uint16_t)shown->line);
	row.market.selection_count = shown->selection_count;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		row.market.odds[i] = le32_make(shown->odds[i]);
	row.final = shown->state >= MARKET_SETTLED && shown->final;
	if (shown->state >= MARKET_SETTLED)
		settlement_outcomes_write(&shown->outcomes, shown->selection_count, &disk);
	memcpy(row.outcomes, &disk, sizeof(disk));
	error = market_row_put(txn, &row);
	return error != 0 ? error : market_audit(txn, context->who, &before, &row);
}

int markets_repair(struct database *database, const struct market_care *care,
    const struct market_shown *shown, const struct audit_entry *who)
{
	struct care_context context = { care, shown, who };

	if (shown->version == care->version || shown->state < MARKET_BEFORE ||
	    shown->state > MARKET_VOID || shown->selection_count == 0 ||
	    shown->selection_count > LIMIT_MARKET_SELECTIONS_MAX ||
	    (shown->state >= MARKET_SETTLED &&
	        !settlement_outcomes_complete(&shown->outcomes, shown->selection_count)))
		return -EINVAL;
	return database_write(database, repair_body, &context);
}
