/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/desk/desk.h"

static const char *const state_names[] = {
	[CONTROL_ADJUSTMENT_WAITING] = "waiting",
	[CONTROL_ADJUSTMENT_APPROVED] = "approved",
	[CONTROL_ADJUSTMENT_REJECTED] = "rejected",
};

enum control_adjustment_state adjustment_state_parse(const char *name)
{
	for (unsigned i = CONTROL_ADJUSTMENT_WAITING; i < SLUICE_ARRAY_COUNT(state_names); i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum control_adjustment_state)i;
	return (enum control_adjustment_state)0;
}

json_t *adjustment_json(const struct record_control_adjustment *row)
{
	return json_pack("{s:I, s:s, s:I, s:I, s:i, s:I, s:s, s:s, s:I, s:s, s:I, s:I}",
	    "adjustment", (json_int_t)le64_get(row->number), "state", state_names[row->state],
	    "account", (json_int_t)le64_get(row->account_id), "amount",
	    (json_int_t)le64s_get(row->amount), "currency", (int)le16_get(row->currency), "reason",
	    (json_int_t)le32_get(row->reason), "note", (const char *)row->note, "proposed_by",
	    (const char *)row->proposed_by, "proposed_ns", (json_int_t)le64_get(row->proposed_ns),
	    "decided_by", (const char *)row->decided_by, "decided_ns",
	    (json_int_t)le64_get(row->decided_ns), "command", (json_int_t)le64_get(row->command));
}

json_t *adjustment_command(const struct adjustment *adjustment)
{
	return json_pack("{s:s, s:I, s:I, s:i, s:I}", "type", "adjust", "account_id",
	    (json_int_t)adjustment->account_id, "amount", (json_int_t)adjustment->amount,
	    "currency", (int)adjustment->currency, "reason", (json_int_t)adjustment->reason);
}

static int row_get(struct db_txn *txn, uint64_t number, struct record_control_adjustment *row)
{
	struct db_key key = db_key_make(number);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_ADJUSTMENT, db_key(&key), &value);

	return error != 0 ? error : record_control_adjustment_read(value, row);
}

/* The row, and the audit entry that says what became of it. `before` may be NULL. */
static int row_put(struct db_txn *txn, const struct record_control_adjustment *before,
    const struct record_control_adjustment *row, const struct audit_entry *who)
{
	struct db_key key = db_key_make(le64_get(row->number));
	struct audit_entry entry = *who;
	char object[64];
	int error = database_put(
	    txn, CONTROL_TABLE_ADJUSTMENT, db_key(&key), (struct db_bytes){ row, sizeof(*row) });

	snprintf(object, sizeof(object), "adjustment %" PRIu64, le64_get(row->number));
	entry.object = object;
	entry.before = before != NULL ? adjustment_json(before) : NULL;
	entry.after = adjustment_json(row);
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

struct decision {
	const struct adjustment *adjustment; /* of a proposal */
	const struct audit_entry *who;
	enum control_adjustment_state state;
	uint64_t number, sequence;
	struct record_control_adjustment row;
};

static int propose_body(struct db_txn *txn, void *argument)
{
	struct decision *decision = argument;
	const struct adjustment *adjustment = decision->adjustment;
	struct record_control_adjustment *row = &decision->row;
	uint64_t last;
	int error = database_last(txn, CONTROL_TABLE_ADJUSTMENT, &last);

	if (error != 0)
		return error;
	*row = (struct record_control_adjustment){
		.header = record_control_header(RECORD_CONTROL_ADJUSTMENT, sizeof(*row)),
		.number = le64_make(last + 1),
		.account_id = le64_make(adjustment->account_id),
		.amount = le64s_make(adjustment->amount),
		.proposed_ns = le64_make(database_now_ns()),
		.reason = le32_make(adjustment->reason),
		.proposed_uid = le32_make(decision->who->uid),
		.currency = le16_make(adjustment->currency),
		.state = CONTROL_ADJUSTMENT_WAITING,
	};
	error = database_text(row->proposed_by, sizeof(row->proposed_by), decision->who->user);
	if (error == 0)
		error = database_text(row->note, sizeof(row->note), adjustment->note);
	return error != 0 ? error : row_put(txn, NULL, row, decision->who);
}

int adjustments_propose(struct database *database, const struct adjustment *adjustment,
    const struct audit_entry *who, struct record_control_adjustment *row)
{
	struct decision decision = { .adjustment = adjustment, .who = who };
	int error = database_write(database, propose_body, &decision);

	if (error == 0)
		*row = decision.row;
	return error;
}

static int command_append(struct db_txn *txn, struct decision *decision)
{
	struct record_control_adjustment *row = &decision->row;
	const struct adjustment adjustment = {
		.account_id = le64_get(row->account_id),
		.amount = le64s_get(row->amount),
		.reason = le32_get(row->reason),
		.currency = le16_get(row->currency),
	};
	json_t *command = adjustment_command(&adjustment);
	int error = command == NULL ? -ENOMEM : commands_append(txn, command, &decision->sequence);

	json_decref(command);
	row->command = le64_make(decision->sequence);
	return error;
}

static int decide_body(struct db_txn *txn, void *argument)
{
	struct decision *decision = argument;
	struct record_control_adjustment *row = &decision->row, before;
	int error = row_get(txn, decision->number, &before);

	if (error != 0)
		return error;
	if (before.state != CONTROL_ADJUSTMENT_WAITING)
		return -EALREADY;
	if (decision->state == CONTROL_ADJUSTMENT_APPROVED &&
	    le32_get(before.proposed_uid) == decision->who->uid)
		return -EPERM;
	*row = before;
	row->state = (uint8_t)decision->state;
	row->decided_ns = le64_make(database_now_ns());
	row->decided_uid = le32_make(decision->who->uid);
	error = database_text(row->decided_by, sizeof(row->decided_by), decision->who->user);
	if (error == 0 && decision->state == CONTROL_ADJUSTMENT_APPROVED)
		error = command_append(txn, decision);
	return error != 0 ? error : row_put(txn, &before, row, decision->who);
}

int adjustments_approve(struct database *database, uint64_t number, const struct audit_entry *who,
    uint64_t *sequence, struct record_control_adjustment *row)
{
	struct decision decision = {
		.who = who, .state = CONTROL_ADJUSTMENT_APPROVED, .number = number
	};
	int error = database_write(database, decide_body, &decision);

	if (error == 0) {
		*sequence = decision.sequence;
		*row = decision.row;
	}
	return error;
}

int adjustments_reject(struct database *database, uint64_t number, const struct audit_entry *who,
    struct record_control_adjustment *row)
{
	struct decision decision = {
		.who = who, .state = CONTROL_ADJUSTMENT_REJECTED, .number = number
	};
	int error = database_write(database, decide_body, &decision);

	if (error == 0)
		*row = decision.row;
	return error;
}

static int get_body(struct db_txn *txn, void *argument)
{
	struct decision *decision = argument;

	return row_get(txn, decision->number, &decision->row);
}

int adjustments_get(
    const struct database *database, uint64_t number, struct record_control_adjustment *row)
{
	struct decision decision = { .number = number };
	int error = database_read(database, get_body, &decision);

	if (error == 0)
		*row = decision.row;
	return error;
}

struct list_context {
	json_t *list;
	uint64_t before;
	unsigned count;
	enum control_adjustment_state state;
	uint64_t waiting, oldest_ns;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	uint64_t last, at;
	int error = database_last(txn, CONTROL_TABLE_ADJUSTMENT, &last);

	at = context->before == 0 || context->before > last ? last : context->before - 1;
	for (; error == 0 && at > 0 && json_array_size(context->list) < context->count; at--) {
		struct record_control_adjustment row;

		error = row_get(txn, at, &row);
		if (error == 0 && (context->state == 0 || row.state == context->state))
			json_array_append_new(context->list, adjustment_json(&row));
	}
	return error;
}

json_t *adjustments_list(const struct database *database, uint64_t before, unsigned count,
    enum control_adjustment_state state)
{
	struct list_context context = { json_array(), before, count, state, 0, 0 };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}

static int waiting_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	uint64_t last;
	int error = database_last(txn, CONTROL_TABLE_ADJUSTMENT, &last);
	uint64_t end = last > ADJUSTMENTS_LOOK_MAX ? last - ADJUSTMENTS_LOOK_MAX : 0;

	for (uint64_t at = last; error == 0 && at > end; at--) {
		struct record_control_adjustment row;

		error = row_get(txn, at, &row);
		if (error != 0 || row.state != CONTROL_ADJUSTMENT_WAITING)
			continue;
		context->waiting++;
		context->oldest_ns = le64_get(row.proposed_ns);
	}
	return error;
}

int adjustments_waiting(const struct database *database, uint64_t *count, uint64_t *oldest_ns)
{
	struct list_context context = { 0 };
	int error = database_read(database, waiting_body, &context);

	if (error == 0) {
		*count = context.waiting;
		*oldest_ns = context.oldest_ns;
	}
	return error;
}
