/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judged cases: confirmed and dismissed ones, of an account, its terminal and its partner. They
 * come from alerts that are closed and from files of labels, days late (labels.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "control/commands/commands.h"
#include "control/subjects/subjects.h"

#define NS_PER_S 1000000000ull

/*
 * Since when the shards know the verdict that is taken back: what is left of it there depends on
 * that. 1 with *learned_s, 0 meaning that they learn it right before; 0: they never will.
 */
static int verdict_learned(
    struct db_txn *txn, const struct feedback_case *judged, uint32_t *learned_s)
{
	struct record_control_command record;
	int error = -ENOENT;

	if (judged->given != 0)
		error = commands_record(txn, judged->given, &record);
	if (error != 0 && error != -ENOENT)
		return error;
	if (error == -ENOENT)
		*learned_s = (uint32_t)(judged->given_ns / NS_PER_S);
	else if (record.state == CONTROL_COMMAND_REFUSED)
		return 0;
	else
		*learned_s = record.state == CONTROL_COMMAND_DONE
		                 ? (uint32_t)(le64_get(record.done_ns) / NS_PER_S)
		                 : 0;
	return 1;
}

/*
 * The one place from which the shards hear of a judged case, or that its verdict was taken back: a
 * command like any other, numbered in the transaction that counts the case, so each shard learns it
 * exactly once.
 */
static int feedback_send(struct db_txn *txn, const struct feedback_case *judged, uint64_t *sequence)
{
	int withdrawn = judged->confirmed < 0 || judged->dismissed < 0;
	uint32_t learned_s = 0;
	json_t *command;
	int error;

	*sequence = 0;
	if ((judged->confirmed == 0 && judged->dismissed == 0) ||
	    (judged->account_id == 0 && judged->terminal_id == 0 && judged->partner_id == 0))
		return 0;
	error = withdrawn ? verdict_learned(txn, judged, &learned_s) : 1;
	if (error <= 0)
		return error;
	command = json_pack("{s:s, s:I, s:b}", "type", "feedback", "transaction_ns",
	    (json_int_t)judged->time_ns, "confirmed", judged->confirmed != 0);
	if (command == NULL)
		return -ENOMEM;
	if (withdrawn) {
		json_object_set_new(command, "withdrawn", json_true());
		json_object_set_new(command, "learned_s", json_integer(learned_s));
	}
	if (judged->account_id != 0)
		json_object_set_new(
		    command, "account_id", json_integer((json_int_t)judged->account_id));
	if (judged->terminal_id != 0)
		json_object_set_new(
		    command, "terminal_id", json_integer((json_int_t)judged->terminal_id));
	if (judged->partner_id != 0)
		json_object_set_new(
		    command, "partner_id", json_integer((json_int_t)judged->partner_id));
	error = commands_append(txn, command, sequence);
	json_decref(command);
	return error;
}

static struct le32 counted(struct le32 count, int change)
{
	uint32_t value = le32_get(count);

	if (change > 0 && value < UINT32_MAX)
		value++;
	if (change < 0 && value > 0)
		value--;
	return le32_make(value);
}

static int subject_count(
    struct db_txn *txn, const struct subject *subject, const struct feedback_case *judged)
{
	struct record_control_subject row;
	struct db_key key = db_key_make_pair(subject->kind, subject->id);
	int known, error;

	if (subject->id == 0)
		return 0;
	error = subject_row(txn, subject, &row, &known);
	if (error != 0)
		return error;
	row.confirmed = counted(row.confirmed, judged->confirmed);
	row.dismissed = counted(row.dismissed, judged->dismissed);
	row.changed_ns = le64_make(database_now_ns());
	return database_put(
	    txn, CONTROL_TABLE_SUBJECT, db_key(&key), (struct db_bytes){ &row, sizeof(row) });
}

int feedback_apply(struct db_txn *txn, const struct feedback_case *judged, uint64_t *sequence)
{
	const struct subject subjects[] = {
		{ CONTROL_SUBJECT_ACCOUNT, judged->account_id },
		{ CONTROL_SUBJECT_TERMINAL, judged->terminal_id },
		{ CONTROL_SUBJECT_PARTNER, judged->partner_id },
	};
	int error = 0;

	for (size_t i = 0; error == 0 && i < SLUICE_ARRAY_COUNT(subjects); i++)
		error = subject_count(txn, &subjects[i], judged);
	return error != 0 ? error : feedback_send(txn, judged, sequence);
}
