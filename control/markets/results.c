/* SPDX-License-Identifier: Apache-2.0 */
/* Results: from what an operator says of a market to its row and the command of the shards. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets_internal.h"

int market_row_outcomes(
    const struct record_control_market *row, struct settlement_outcomes *outcomes)
{
	struct settlement_outcomes_disk disk;

	memcpy(&disk, row->outcomes, sizeof(disk));
	return settlement_outcomes_read(&disk, row->market.selection_count, outcomes);
}

void market_outcome_text(struct settlement_outcome outcome, char out[MARKET_OUTCOME_SIZE])
{
	const char *name = settlement_kind_name(outcome.kind);

	if (outcome.kind == SETTLEMENT_DEAD_HEAT)
		snprintf(
		    out, MARKET_OUTCOME_SIZE, "%s %u/%u", name, outcome.places, outcome.winners);
	else
		snprintf(out, MARKET_OUTCOME_SIZE, "%s", name != NULL ? name : "?");
}

struct refusal {
	char *message;
	size_t message_size;
};

__attribute__((format(printf, 3, 4))) static int refuse(
    const struct refusal *refusal, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(refusal->message, refusal->message_size, format, arguments);
	va_end(arguments);
	return error;
}

/* The outcomes of a SET. 0 or -EINVAL. */
static int outcomes_make(const struct market_result *result,
    const struct record_control_market *row, struct settlement_outcomes *outcomes,
    const struct refusal *refusal)
{
	const struct event_market *market = &row->market;
	int line = (int16_t)le16_get(market->line), error = 0;

	if (result->all_void) {
		settlement_void(market->selection_count, outcomes);
		return 0;
	}
	if (!result->has_score) {
		*outcomes = result->outcomes;
		if (result->count == market->selection_count &&
		    settlement_outcomes_complete(outcomes, market->selection_count))
			return 0;
		return refuse(refusal, -EINVAL,
		    "market %" PRIu64
		    " has %u selections, %u outcomes were given; give one for each, "
		    "in order",
		    result->market_id, market->selection_count, result->count);
	}
	memset(outcomes, 0, sizeof(*outcomes));
	if (market->kind == MARKET_KIND_1X2 && market->selection_count == 3)
		settlement_1x2(result->score, outcomes);
	else if (market->kind == MARKET_KIND_OVER_UNDER && market->selection_count == 2)
		error = settlement_over_under(result->score, line, outcomes);
	else if (market->kind == MARKET_KIND_HANDICAP && market->selection_count == 2)
		error = settlement_handicap(result->score, line, outcomes);
	else
		error = -EINVAL;
	return error == 0 ? 0
	                  : refuse(refusal, -EINVAL,
	                        "market %" PRIu64 " does not follow from a score (kind, line or "
	                        "number of selections); give the outcome of each selection",
	                        result->market_id);
}

/*
 * 1 when the market has this very result: given again, it has the shards go through the bets once
 * more, for those whose payout had no room. 0 when not, -EINVAL.
 */
static int result_again(const struct market_result *result, const struct record_control_market *row,
    struct settlement_outcomes *outcomes, const struct refusal *refusal)
{
	struct settlement_outcomes_disk disk;
	int error;

	if (result->op != RESULT_SET || row->market.state < MARKET_SETTLED)
		return 0;
	error = outcomes_make(result, row, outcomes, refusal);
	if (error != 0)
		return error;
	settlement_outcomes_write(outcomes, row->market.selection_count, &disk);
	return memcmp(row->outcomes, &disk, sizeof(disk)) == 0;
}

/* Checks a result against the market as it is, and changes the row. */
static int result_apply(const struct market_result *result, struct record_control_market *row,
    struct settlement_outcomes *outcomes, const struct refusal *refusal)
{
	struct settlement_outcomes_disk disk = { 0 };
	int settled = row->market.state >= MARKET_SETTLED, error;

	error = result_again(result, row, outcomes, refusal);
	if (error != 0)
		return error > 0 ? 0 : error;
	if (row->final)
		return refuse(refusal, -EPERM,
		    "the result of market %" PRIu64 " is final; correct single accounts with "
		    "\"account adjust\"",
		    result->market_id);
	if (result->op == RESULT_SET ? settled : !settled)
		return refuse(refusal, -EALREADY,
		    settled ? "market %" PRIu64 " has a result; take it back first with \"market "
		              "rollback\""
		            : "market %" PRIu64 " has no result",
		    result->market_id);
	if (result->op == RESULT_FINAL) {
		row->final = 1;
		return 0;
	}
	row->market.state = MARKET_CLOSED;
	if (result->op == RESULT_SET) {
		error = outcomes_make(result, row, outcomes, refusal);
		if (error != 0)
			return error;
		settlement_outcomes_write(outcomes, row->market.selection_count, &disk);
		row->market.state = result->all_void ? MARKET_VOID : MARKET_SETTLED;
	}
	memcpy(row->outcomes, &disk, sizeof(disk));
	return 0;
}

static json_t *command_make(const struct market_result *result,
    const struct settlement_outcomes *outcomes, unsigned selection_count)
{
	const char *op = result->op == RESULT_SET        ? "set"
	                 : result->op == RESULT_ROLLBACK ? "rollback"
	                                                 : "final";
	json_t *list, *command = json_pack("{s:s, s:I, s:s}", "type", "market_result", "market_id",
	                  (json_int_t)result->market_id, "op", op);

	if (command == NULL || result->op != RESULT_SET)
		return command;
	list = json_array();
	for (unsigned i = 0; i < selection_count; i++) {
		const struct settlement_outcome *outcome = &outcomes->of[i];

		json_array_append_new(list,
		    json_integer(outcome->kind | outcome->places << 8 | outcome->winners << 16));
	}
	json_object_set_new(command, "outcomes", list);
	return command;
}

/* One result: row, command and the market's state. `audit`: with an entry of its own. */
static int result_store(struct db_txn *txn, const struct market_result *result,
    const struct audit_entry *who, int audit, uint64_t *sequence, struct record_control_market *row,
    const struct refusal *refusal)
{
	struct settlement_outcomes outcomes;
	struct record_control_market before;
	json_t *command;
	uint64_t next = 0;
	int error = market_row_get(txn, result->market_id, &before);

	if (error == -ENOENT)
		return refuse(refusal, -ENOENT, "there is no market %" PRIu64, result->market_id);
	if (error != 0)
		return error;
	*row = before;
	error = result_apply(result, row, &outcomes, refusal);
	if (error == 0)
		error = commands_next(txn, &next);
	if (error != 0)
		return error;
	if (result->op != RESULT_FINAL)
		row->market.version = le64_make(next);
	command = command_make(result, &outcomes, row->market.selection_count);
	if (command == NULL)
		return -ENOMEM;
	error = market_row_put(txn, row);
	if (error == 0)
		error = commands_append(txn, command, sequence);
	json_decref(command);
	if (error == 0 && audit)
		error = market_audit(txn, who, &before, row);
	return error;
}

struct result_context {
	const struct market_result *result;
	const struct audit_entry *who;
	uint64_t sequence;
	struct record_control_market row;
	struct refusal refusal;
};

static int result_body(struct db_txn *txn, void *argument)
{
	struct result_context *context = argument;

	return result_store(txn, context->result, context->who, 1, &context->sequence,
	    &context->row, &context->refusal);
}

int markets_result(struct database *database, const struct market_result *result,
    const struct audit_entry *who, uint64_t *sequence, struct record_control_market *row,
    char *message, size_t message_size)
{
	struct result_context context = {
		.result = result, .who = who, .refusal = { message, message_size }
	};
	int error;

	message[0] = '\0';
	error = database_write(database, result_body, &context);
	if (error == 0) {
		*sequence = context.sequence;
		*row = context.row;
	}
	return error;
}

struct results_context {
	const struct market_result_list *list;
	const struct audit_entry *who;
	uint64_t first, last;
	struct refusal refusal;
};

static int results_body(struct db_txn *txn, void *argument)
{
	struct results_context *context = argument;
	struct audit_entry entry = *context->who;
	struct record_control_market row;
	char object[64];
	int error = commands_next(txn, &context->first);

	for (size_t i = 0; error == 0 && i < context->list->count; i++)
		error = result_store(txn, &context->list->results[i], context->who, 0,
		    &context->last, &row, &context->refusal);
	if (error != 0)
		return error;
	snprintf(object, sizeof(object), "%zu results", context->list->count);
	entry.object = object;
	/* Who wants to know what each was finds it in the commands of these numbers. */
	entry.after = json_pack("{s:I, s:I}", "first_command", (json_int_t)context->first,
	    "last_command", (json_int_t)context->last);
	error = audit_append(txn, &entry);
	json_decref(entry.after);
	return error;
}

int markets_results(struct database *database, const struct market_result_list *list,
    const struct audit_entry *who, uint64_t *first, uint64_t *last, char *message,
    size_t message_size)
{
	struct results_context context = {
		.list = list, .who = who, .refusal = { message, message_size }
	};
	int error;

	message[0] = '\0';
	error = database_write(database, results_body, &context);
	if (error == 0) {
		*first = context.first;
		*last = context.last;
	}
	return error;
}
