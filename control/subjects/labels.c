/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of labels. A file is read and checked whole, then counted a few lines at a time: each such
 * lot is one transaction, and the next waits until the shards have it, so that whatever else an
 * operator orders meanwhile waits behind a few labels and not behind the file.
 *
 * Which labels were counted is remembered in the table `label`: with the reference of what was
 * judged, that it was; without, how many of its subject, verdict and time. It is replicated, so a
 * database that is restored knows them too. Lines of a file are
 * numbered among those that are alike, and the third of them is new when two were counted before.
 * So a file adds nothing the second time, whole or cut off, and a longer one adds what is new.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/commands/commands.h"
#include "control/subjects/dates.h"
#include "control/subjects/subjects.h"

#define NS_PER_S       1000000000ull
#define REFERENCE_SIZE 64 /* with its zero */

struct label {
	struct subject subject;
	uint64_t time_ns; /* as written: for the key */
	uint64_t day_ns;
	uint64_t transaction_ns;
	char reference[REFERENCE_SIZE];
	uint8_t confirmed, zoned;
	uint32_t line, occurrence; /* the how manieth alike in the file, from 1 */
};

struct labels {
	struct label_import *import;
	struct label *list;
	size_t count, room;
	size_t from, to; /* of the lot */
	struct label_counts before;
	uint64_t sequence; /* of its last command; 0: none */
	char *message;
	size_t message_size;
};

/* ---- Lines ---- */

static int line_refused(const struct labels *labels, unsigned line, const char *what)
{
	snprintf(labels->message, labels->message_size, "line %u: %s", line, what);
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

static int time_take(const struct labels *labels, const struct csv *csv, struct label *label)
{
	const struct label_import *import = labels->import;
	uint64_t offset_ns = import->utc_offset_s * NS_PER_S;
	struct date_time time;

	if (date_time_parse(csv->fields[3], &time) != 0)
		return line_refused(labels, csv->line,
		    "the date must be like 2026-11-21, 2026-11-21T10:00:00 or "
		    "2026-11-21T10:00:00+09:00, of a day that there is, from 2000 on");
	label->day_ns = time.day_ns;
	label->time_ns = time.time_ns;
	label->zoned = time.zoned;
	label->transaction_ns = time.zoned ? time.time_ns : time.time_ns - offset_ns;
	if (label->transaction_ns > import->now_ns)
		return line_refused(labels, csv->line,
		    "the date is in the future; it is that of the transaction that was judged");
	return 0;
}

static int line_take(const struct labels *labels, const struct csv *csv, struct label *label)
{
	static const uint64_t highest[] = { 0, LIMIT_ACCOUNT_ID_MAX, LIMIT_TERMINAL_ID_MAX,
		LIMIT_PARTNER_ID_MAX };
	const char *reference = csv->count > 4 ? csv->fields[4] : "";

	if (csv->count < 4 || csv->count > 5)
		return line_refused(labels, csv->line,
		    "expected kind,id,label,date[,reference] like "
		    "account,1000,confirmed,2026-11-21T10:00:00,7-1200");
	label->line = csv->line;
	label->subject.kind = subject_kind_parse(csv->fields[0]);
	if (label->subject.kind == 0)
		return line_refused(
		    labels, csv->line, "the kind must be account, terminal or partner");
	if (id_parse(csv->fields[1], highest[label->subject.kind], &label->subject.id) != 0)
		return line_refused(labels, csv->line, "the id is no number of such a one");
	label->confirmed = strcmp(csv->fields[2], "confirmed") == 0;
	if (!label->confirmed && strcmp(csv->fields[2], "false") != 0)
		return line_refused(labels, csv->line, "the label must be confirmed or false");
	if (strlen(reference) >= sizeof(label->reference))
		return line_refused(
		    labels, csv->line, "the reference is longer than 63 characters");
	memcpy(label->reference, reference, strlen(reference));
	return time_take(labels, csv, label);
}

static struct label *label_new(struct labels *labels)
{
	if (labels->count == labels->room) {
		size_t room = labels->room == 0 ? 1024 : labels->room * 2;
		void *grown = realloc(labels->list, room * sizeof(labels->list[0]));

		if (grown == NULL)
			return NULL;
		labels->list = grown;
		labels->room = room;
	}
	labels->list[labels->count] = (struct label){ .line = 0 };
	return &labels->list[labels->count];
}

static int heading_is(const struct labels *labels, const struct csv *csv, int *error)
{
	if (labels->count > 0 || strcmp(csv->fields[0], "kind") != 0)
		return 0;
	if (csv->count > 5 || (csv->count == 5 && strcmp(csv->fields[4], "reference") != 0))
		*error = line_refused(labels, csv->line,
		    "the columns must be kind,id,label,date and, if there is a fifth, reference");
	return 1;
}

static int lines_take(struct labels *labels)
{
	struct csv csv;
	int more, error = 0;

	csv_begin(&csv, labels->import->text, labels->import->size);
	while (error == 0 && (more = csv_next(&csv)) != 0) {
		struct label *label;

		if (more < 0)
			return line_refused(
			    labels, csv.line, "is too long, or holds a quote that is not closed");
		if (heading_is(labels, &csv, &error))
			continue;
		label = label_new(labels);
		if (label == NULL)
			return -ENOMEM;
		error = line_take(labels, &csv, label);
		labels->count++;
	}
	if (error == 0 && labels->count == 0) {
		snprintf(labels->message, labels->message_size, "the file holds no label");
		error = -EINVAL;
	}
	return error;
}

/* ---- Which lines are alike ---- */

static int number_order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Of the same thing: with a reference, whatever the verdict and time are. */
static int thing_order(const struct label *a, const struct label *b)
{
	int order = number_order(a->subject.kind, b->subject.kind);

	if (order == 0)
		order = number_order(a->subject.id, b->subject.id);
	if (order == 0)
		order = strcmp(a->reference, b->reference);
	if (order != 0 || a->reference[0] != '\0')
		return order;
	order = number_order(a->zoned, b->zoned);
	if (order == 0)
		order = number_order(a->time_ns, b->time_ns);
	return order != 0 ? order : number_order(a->confirmed, b->confirmed);
}

static int thing_compare(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	int order = thing_order(x, y);

	return order != 0 ? order : number_order(x->line, y->line);
}

static int line_compare(const void *a, const void *b)
{
	return number_order(((const struct label *)a)->line, ((const struct label *)b)->line);
}

static int occurrences_number(struct labels *labels)
{
	struct label *list = labels->list;

	qsort(list, labels->count, sizeof(list[0]), thing_compare);
	list[0].occurrence = 1;
	for (size_t i = 1; i < labels->count; i++) {
		int alike = thing_order(&list[i - 1], &list[i]) == 0;

		list[i].occurrence = alike ? list[i - 1].occurrence + 1 : 1;
		if (!alike || list[i].confirmed == list[i - 1].confirmed)
			continue;
		snprintf(labels->message, labels->message_size,
		    "lines %u and %u: %s is confirmed in one and false in the other; keep the one "
		    "that is right",
		    list[i - 1].line, list[i].line, list[i].reference);
		return -EINVAL;
	}
	qsort(list, labels->count, sizeof(list[0]), line_compare);
	return 0;
}

/* ---- What was counted before ---- */

/* At most 64 bytes, as keys of replicated tables are. */
struct label_key {
	struct {
		char table[8];           /* "label"; from when these keys lay among others */
		uint8_t kind, confirmed; /* confirmed: 0 with a reference */
		uint8_t form;            /* LABEL_... */
		uint8_t reserved[5];
		struct le64 id, time_ns; /* time_ns: 0 with a reference */
	} head;
	struct le64 reference[2]; /* XXH3-128 of it; in the key of LABEL_OF_REFERENCE alone */
};
ASSERT_SIZE(struct label_key, 48);

enum {
	LABEL_OF_DAY = 0, /* of older programs: one of that day was counted; a byte, no record */
	LABEL_OF_TIME = 1,
	LABEL_OF_ZONED_TIME = 2,
	LABEL_OF_REFERENCE = 3,
};

static struct db_bytes key_make(const struct label *label, unsigned form, struct label_key *key)
{
	int named = form == LABEL_OF_REFERENCE;
	uint64_t time_ns = form == LABEL_OF_DAY ? label->day_ns : label->time_ns;

	*key = (struct label_key){ .head = { .table = "label",
		                       .kind = (uint8_t)label->subject.kind,
		                       .confirmed = named ? 0 : label->confirmed,
		                       .form = (uint8_t)form,
		                       .id = le64_make(label->subject.id),
		                       .time_ns = le64_make(named ? 0 : time_ns) } };
	if (named) {
		XXH128_hash_t hash = XXH3_128bits(label->reference, strlen(label->reference));

		key->reference[0] = le64_make(hash.low64);
		key->reference[1] = le64_make(hash.high64);
	}
	return (struct db_bytes){ key, named ? sizeof(*key) : sizeof(key->head) };
}

static unsigned form_of(const struct label *label)
{
	return label->reference[0] != '\0' ? LABEL_OF_REFERENCE
	       : label->zoned              ? LABEL_OF_ZONED_TIME
	                                   : LABEL_OF_TIME;
}

/* A label that an older program counted stands for one line of its day, whichever comes first.
 * 1: it stood for this one, and is gone. */
static int day_take_over(struct db_txn *txn, const struct label *label)
{
	struct label_key bytes;
	struct db_bytes key = key_make(label, LABEL_OF_DAY, &bytes), value;
	int error = db_get(txn, CONTROL_TABLE_LABEL, key, &value);

	if (error == 0)
		error = database_delete(txn, CONTROL_TABLE_LABEL, key);
	return error == 0 ? 1 : error == -ENOENT ? 0 : error;
}

/* Notes it. What it is besides new is counted here. 1: new; 0. */
static int label_note(struct db_txn *txn, struct label_counts *counts, const struct label *label)
{
	struct record_control_label row = { .count = le32_make(0) };
	struct label_key bytes;
	struct db_bytes key = key_make(label, form_of(label), &bytes), value;
	int error = db_get(txn, CONTROL_TABLE_LABEL, key, &value), taken;

	if (error == 0)
		error = record_control_label_read(value, &row);
	if (error != 0 && error != -ENOENT)
		return error;
	if (error == 0 && label->reference[0] != '\0') {
		*(row.confirmed != label->confirmed ? &counts->contradicting
		    : label->occurrence > 1         ? &counts->repeated
		                                    : &counts->already) += 1;
		return 0;
	}
	if (label->reference[0] != '\0' && label->occurrence > 1) {
		counts->repeated++;
		return 0;
	}
	if (label->occurrence <= le32_get(row.count)) {
		counts->already++;
		return 0;
	}
	taken = day_take_over(txn, label);
	if (taken < 0)
		return taken;
	row = (struct record_control_label){
		.header = record_control_header(RECORD_CONTROL_LABEL, sizeof(row)),
		.count = le32_make(label->occurrence),
		.confirmed = label->confirmed,
	};
	error = database_put(txn, CONTROL_TABLE_LABEL, key, (struct db_bytes){ &row, sizeof(row) });
	if (error != 0)
		return error;
	counts->already += (unsigned)taken;
	return !taken;
}

/* ---- Counting ---- */

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

/* Terminals and partners are control's own; which accounts there are, only the shards know. 1; 0;
 * -errno. */
static int subject_known(struct db_txn *txn, const struct subject *subject)
{
	struct db_key key = db_key_make(subject->id);
	struct db_bytes value;
	int error;

	if (subject->kind == CONTROL_SUBJECT_ACCOUNT)
		return 1;
	error = db_get(txn,
	    subject->kind == CONTROL_SUBJECT_TERMINAL ? CONTROL_TABLE_TERMINAL
	                                              : CONTROL_TABLE_PARTNER,
	    db_key(&key), &value);
	return error == 0 ? 1 : error == -ENOENT ? 0 : error;
}

static int label_apply(struct db_txn *txn, struct labels *labels, const struct label *label)
{
	struct label_counts *counts = &labels->import->counts;
	struct feedback_case judged = { .time_ns = label->transaction_ns,
		.confirmed = label->confirmed,
		.dismissed = !label->confirmed };
	uint64_t sequence = 0;
	int error = subject_known(txn, &label->subject);

	if (error == 0) {
		counts->unknown++;
		return 0;
	}
	if (error > 0)
		error = label_note(txn, counts, label);
	if (error <= 0)
		return error;
	counts->added++;
	*(label->subject.kind == CONTROL_SUBJECT_ACCOUNT      ? &judged.account_id
	    : label->subject.kind == CONTROL_SUBJECT_TERMINAL ? &judged.terminal_id
	                                                      : &judged.partner_id) =
	    label->subject.id;
	error = 0;
	if (label->subject.kind == CONTROL_SUBJECT_ACCOUNT)
		error = account_partner(txn, label->subject.id, &judged.partner_id);
	if (error == 0)
		error = feedback_apply(txn, &judged, &sequence);
	if (sequence != 0)
		labels->sequence = sequence;
	return error;
}

json_t *label_counts_json(const struct label_counts *counts)
{
	unsigned skipped =
	    counts->already + counts->repeated + counts->contradicting + counts->unknown;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "labels",
	    (json_int_t)counts->labels, "added", (json_int_t)counts->added, "skipped",
	    (json_int_t)skipped, "already_imported", (json_int_t)counts->already, "repeated",
	    (json_int_t)counts->repeated, "contradicting", (json_int_t)counts->contradicting,
	    "unknown", (json_int_t)counts->unknown);
}

static int audit_put(struct db_txn *txn, const struct labels *labels)
{
	struct audit_entry entry = *labels->import->who;
	int error;

	entry.object = "labels";
	entry.after = label_counts_json(&labels->import->counts);
	if (entry.after == NULL)
		return -ENOMEM;
	error = audit_append(txn, &entry);
	json_decref(entry.after);
	return error;
}

/* In the log: that it begins, with the first lot, and what came of it, with the last. */
static int lot_body(struct db_txn *txn, void *argument)
{
	struct labels *labels = argument;
	int error = 0;

	labels->import->counts = labels->before;
	labels->sequence = 0;
	for (size_t i = labels->from; error == 0 && i < labels->to; i++)
		error = label_apply(txn, labels, &labels->list[i]);
	if (error == 0 && (labels->from == 0 || labels->to == labels->count))
		error = audit_put(txn, labels);
	return error;
}

static int stopped_body(struct db_txn *txn, void *argument)
{
	return audit_put(txn, argument);
}

/* The shards do not take what was counted: the rest is for another time. */
static int import_stopped(struct labels *labels, struct database *database, int error)
{
	const struct label_import *import = labels->import;
	int audited = database_write(database, stopped_body, labels);

	snprintf(labels->message, labels->message_size,
	    "%u labels are counted, those from line %u on are not: the shards do not take them "
	    "(%s). Import the same file again when they do; what is counted stays counted once.%s",
	    import->counts.added, labels->list[labels->to].line, strerror(-error),
	    audited != 0 ? " (The audit log could not be written.)" : "");
	return error;
}

static int lots_count(struct labels *labels, struct database *database)
{
	struct label_import *import = labels->import;
	size_t size = import->wait != NULL ? LABELS_LOT : labels->count;
	int error = 0;

	import->counts = (struct label_counts){ .labels = (unsigned)labels->count };
	for (labels->from = 0; error == 0 && labels->from < labels->count;
	     labels->from = labels->to) {
		labels->to =
		    labels->count - labels->from < size ? labels->count : labels->from + size;
		labels->before = import->counts;
		error = database_write(database, lot_body, labels);
		if (error != 0) {
			import->counts = labels->before;
			break;
		}
		if (labels->sequence != 0)
			import->sequence = labels->sequence;
		if (labels->sequence != 0 && import->wait != NULL && labels->to < labels->count) {
			error = import->wait(import->context, labels->sequence);
			if (error != 0)
				return import_stopped(labels, database, error);
		}
	}
	return error;
}

int feedback_import(
    struct database *database, struct label_import *import, char *message, size_t message_size)
{
	struct labels labels = {
		.import = import, .message = message, .message_size = message_size
	};
	int error = lines_take(&labels);

	import->sequence = 0;
	if (error == 0)
		error = occurrences_number(&labels);
	if (error == 0)
		error = lots_count(&labels, database);
	free(labels.list);
	return error;
}
