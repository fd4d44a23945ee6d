/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lists say of an account, told to the shards: a command whenever it is another than what they
 * were told last, in the transaction that notes so. One that they refused, since there is no such
 * account yet, is told again when the account was opened.
 */
#include <errno.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/subjects/subjects.h"

static int row_put(struct db_txn *txn, struct record_control_subject *row)
{
	struct db_key key = db_key_make_pair(CONTROL_SUBJECT_ACCOUNT, le64_get(row->id));

	row->changed_ns = le64_make(database_now_ns());
	return database_put(
	    txn, CONTROL_TABLE_SUBJECT, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
}

static int row_get(
    struct db_txn *txn, uint64_t account_id, struct record_control_subject *row, int *known)
{
	const struct subject subject = { CONTROL_SUBJECT_ACCOUNT, account_id };

	return subject_row(txn, &subject, row, known);
}

int subject_flags_tell(
    struct db_txn *txn, uint64_t account_id, unsigned flags, uint16_t country, int *told)
{
	struct record_control_subject row;
	uint64_t sequence;
	json_t *command;
	int known, error = row_get(txn, account_id, &row, &known);

	*told = 0;
	if (error != 0 || (row.told == flags && le16_get(row.told_country) == country))
		return error;
	row.told = (uint8_t)flags;
	row.told_country = le16_make(country);
	if (row.told_waits)
		return row_put(txn, &row);
	command = json_pack("{s:s, s:I, s:b, s:b, s:b, s:i}", "type", "account_flags", "account_id",
	    (json_int_t)account_id, "pep", (flags & CONTROL_TOLD_PEP) != 0, "sanctioned",
	    (flags & CONTROL_TOLD_SANCTIONED) != 0, "country_risk",
	    (flags & CONTROL_TOLD_COUNTRY_RISK) != 0, "country", (int)country);
	if (command == NULL)
		return -ENOMEM;
	error = commands_append(txn, command, &sequence);
	json_decref(command);
	if (error == 0)
		error = row_put(txn, &row);
	*told = error == 0;
	return error;
}

int subject_flags_refused(struct db_txn *txn, const json_t *command)
{
	const char *type = json_string_value(json_object_get(command, "type"));
	struct record_control_subject row;
	uint64_t account_id = (uint64_t)json_integer_value(json_object_get(command, "account_id"));
	int known, error;

	if (type == NULL || strcmp(type, "account_flags") != 0)
		return 0;
	error = row_get(txn, account_id, &row, &known);
	if (error != 0 || !known)
		return error;
	row.told_waits = 1;
	return row_put(txn, &row);
}

int subject_flags_opened(struct db_txn *txn, uint64_t account_id)
{
	struct record_control_subject row;
	int known, error = row_get(txn, account_id, &row, &known);

	if (error != 0 || !known || !row.told_waits)
		return error;
	row.told_waits = row.told = 0;
	row.told_country = le16_make(0);
	return row_put(txn, &row);
}
