/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judged cases: confirmed and dismissed ones, of an account, its terminal and its partner. They
 * come from alerts that are closed and from files of labels, days late.
 *
 * A label imported is remembered by kind, id, label and date in the table `label`, so that the same
 * file twice counts once. That table is replicated: a database that is restored knows them too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* ---- Files of labels ---- */

struct import_context {
	const char *text;
	size_t size;
	uint64_t latest_ns;
	const struct audit_entry *who;
	unsigned added, skipped;
	char *message;
	size_t message_size;
};

static int line_refused(
    const struct import_context *context, const struct csv *csv, const char *what)
{
	snprintf(context->message, context->message_size, "line %u: %s", csv->line, what);
	return -EINVAL;
}

static int id_parse(const char *text, uint64_t highest, uint64_t *id)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*id = strtoull(text, &end, 10);
	return *end != '\0' || errno != 0 || *id == 0 || *id > highest ? -EINVAL : 0;
}

/* Whose customer the account is, by what the logs have shown of it. */
static int account_partner(struct db_txn *txn, uint64_t account_id, uint64_t *partner_id)
{
	struct record_control_profile_entry entries[CONTROL_PROFILE_ENTRIES_MAX];
	struct record_control_profile profile;
	struct db_key key = db_key_make(account_id);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_PROFILE, db_key(&key), &value);

	if (error == 0)
		error = record_control_profile_read(value, &profile, entries);
	*partner_id = error == 0 ? le32_get(profile.partner_id) : 0;
	return error == -ENOENT ? 0 : error;
}

/* "2026-11-21", what follows (a time) is not looked at. */
static int date_parse(const char *text, uint64_t *time_ns)
{
	struct tm parts = { 0 };
	const char *end = strptime(text, "%Y-%m-%d", &parts);
	time_t time;

	if (end == NULL || (*end != '\0' && *end != 'T' && *end != ' ') || parts.tm_year < 70)
		return -EINVAL;
	time = timegm(&parts);
	*time_ns = (uint64_t)time * NS_PER_S;
	return 0;
}

struct label_key {
	char table[8]; /* "label"; from when these keys lay among others, in alert_index */
	uint8_t kind, confirmed, reserved[6];
	struct le64 id, time_ns;
};
ASSERT_SIZE(struct label_key, 32);

/* 1 when it is new, and noted; 0 when it was imported before. */
static int label_note(
    struct db_txn *txn, const struct feedback_case *judged, const struct subject *subject)
{
	struct label_key bytes = { "label", (uint8_t)subject->kind, judged->confirmed > 0, { 0 },
		le64_make(subject->id), le64_make(judged->time_ns) };
	struct db_bytes key = { &bytes, sizeof(bytes) }, value;
	int error = db_get(txn, CONTROL_TABLE_LABEL, key, &value);

	if (error != -ENOENT)
		return error;
	error = database_put(txn, CONTROL_TABLE_LABEL, key, (struct db_bytes){ "", 1 });
	return error == 0 ? 1 : error;
}

static int line_apply(struct db_txn *txn, struct import_context *context, const struct csv *csv)
{
	static const uint64_t highest[] = { 0, LIMIT_ACCOUNT_ID_MAX, LIMIT_TERMINAL_ID_MAX,
		LIMIT_PARTNER_ID_MAX };
	struct feedback_case judged = { 0 };
	struct subject subject;
	uint64_t sequence;
	int added;

	if (csv->count < 4)
		return line_refused(context, csv,
		    "expected kind,id,label,date like account,1000,confirmed,2026-11-21");
	subject.kind = subject_kind_parse(csv->fields[0]);
	if (subject.kind == 0)
		return line_refused(context, csv, "the kind must be account, terminal or partner");
	if (id_parse(csv->fields[1], highest[subject.kind], &subject.id) != 0)
		return line_refused(context, csv, "the id is no number of such a one");
	judged.confirmed = strcmp(csv->fields[2], "confirmed") == 0;
	judged.dismissed = strcmp(csv->fields[2], "false") == 0;
	if (!judged.confirmed && !judged.dismissed)
		return line_refused(context, csv, "the label must be confirmed or false");
	if (date_parse(csv->fields[3], &judged.time_ns) != 0)
		return line_refused(context, csv, "the date must be like 2026-11-21");
	if (judged.time_ns > context->latest_ns)
		return line_refused(context, csv,
		    "the date is in the future; it is that of the transaction that was judged");
	*(subject.kind == CONTROL_SUBJECT_ACCOUNT      ? &judged.account_id
	    : subject.kind == CONTROL_SUBJECT_TERMINAL ? &judged.terminal_id
	                                               : &judged.partner_id) = subject.id;
	added = label_note(txn, &judged, &subject);
	if (added <= 0) {
		context->skipped += added == 0;
		return added;
	}
	context->added++;
	if (subject.kind == CONTROL_SUBJECT_ACCOUNT) {
		int error = account_partner(txn, subject.id, &judged.partner_id);

		if (error != 0)
			return error;
	}
	return feedback_apply(txn, &judged, &sequence);
}

static int import_body(struct db_txn *txn, void *argument)
{
	struct import_context *context = argument;
	struct audit_entry entry = *context->who;
	struct csv csv;
	int more, error = 0;

	context->added = context->skipped = 0;
	csv_begin(&csv, context->text, context->size);
	while (error == 0 && (more = csv_next(&csv)) != 0) {
		if (more < 0)
			return line_refused(
			    context, &csv, "is too long, or holds a quote that is not closed");
		if (csv.line == 1 && csv.count >= 1 && strcmp(csv.fields[0], "kind") == 0)
			continue;
		error = line_apply(txn, context, &csv);
	}
	if (error != 0)
		return error;
	entry.object = "labels";
	entry.after =
	    json_pack("{s:i, s:i}", "added", (int)context->added, "skipped", (int)context->skipped);
	error = audit_append(txn, &entry);
	json_decref(entry.after);
	return error;
}

int feedback_import(struct database *database, const char *text, size_t size, uint64_t latest_ns,
    const struct audit_entry *who, unsigned *added, unsigned *skipped, char *message,
    size_t message_size)
{
	struct import_context context = { .text = text,
		.size = size,
		.latest_ns = latest_ns,
		.who = who,
		.message = message,
		.message_size = message_size };
	int error = database_write(database, import_body, &context);

	if (error == 0) {
		*added = context.added;
		*skipped = context.skipped;
	}
	return error;
}
