/* SPDX-License-Identifier: Apache-2.0 */
/* Files of labels: what counts once, what counts again, and how few commands wait at a time. */
#include "control/commands/commands.h"
#include "control/subjects/dates.h"
#include "control/subjects/subjects.h"

#include <errno.h>
#include <string.h>

#include "tests/control/temporary.h"

static const struct audit_entry kim = {
	.uid = 1001, .user = "kim (risk)", .action = "feedback import", .outcome = "done"
};

#define KOREA_S 32400u
#define NOW_NS  ((1795219199ull - KOREA_S) * 1000000000) /* the end of 2026-11-20 in Korea */

static struct record_control_subject subject_get(
    const struct temporary *at, enum control_subject_kind kind, uint64_t id)
{
	const struct subject subject = { kind, id };
	struct record_control_subject row;
	int known;

	assert_int_equal(subjects_get(at->database, &subject, &row, &known), 0);
	return row;
}

/* Terminals 5 and 6 and partner 3. */
static int places_put(struct db_txn *txn, void *argument)
{
	struct db_key terminal = db_key_make(5), other = db_key_make(6), partner = db_key_make(3);
	struct db_bytes value = { "here", 4 };
	int error = database_put(txn, CONTROL_TABLE_TERMINAL, db_key(&terminal), value);

	(void)argument;
	if (error == 0)
		error = database_put(txn, CONTROL_TABLE_TERMINAL, db_key(&other), value);
	return error != 0 ? error
	                  : database_put(txn, CONTROL_TABLE_PARTNER, db_key(&partner), value);
}

static void bed_begin(struct temporary *at)
{
	temporary_begin(at);
	assert_int_equal(database_write(at->database, places_put, NULL), 0);
}

static struct label_import import_of(const char *text)
{
	return (struct label_import){ .text = text,
		.size = strlen(text),
		.now_ns = NOW_NS,
		.utc_offset_s = KOREA_S,
		.who = &kim };
}

static struct label_counts import(struct temporary *at, const char *text)
{
	struct label_import import = import_of(text);
	char message[256] = "";
	int error = feedback_import(at->database, &import, message, sizeof(message));

	if (error != 0)
		fail_msg("%d: %s", error, message);
	return import.counts;
}

static void counts_are(struct label_counts counts, unsigned added, unsigned already)
{
	assert_int_equal(counts.added, added);
	assert_int_equal(counts.already, already);
	assert_int_equal(counts.labels,
	    added + already + counts.repeated + counts.contradicting + counts.unknown);
}

TEST(labels_count_once_and_late)
{
	struct temporary at;
	uint64_t sequence = 0;
	json_t *command = NULL;
	static const char labels[] = "kind,id,label,date\n"
	                             "account,7,confirmed,2026-11-01\n"
	                             "terminal,5,confirmed,2026-11-01\r\n"
	                             "account,7,false,2026-11-02T10:00:00\n"
	                             "\n"
	                             "partner,3,\"confirmed\",2026-11-01";

	bed_begin(&at);
	counts_are(import(&at, labels), 4, 0);
	/* Shards hear of each once. */
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 4);
	assert_int_equal(commands_get(at.database, 1, &command), 0);
	assert_string_equal(json_string_value(json_object_get(command, "type")), "feedback");
	assert_int_equal(json_integer_value(json_object_get(command, "account_id")), 7);
	assert_true(json_is_true(json_object_get(command, "confirmed")));
	assert_null(json_object_get(command, "partner_id"));
	json_decref(command);
	/* Ten o'clock in Korea. */
	assert_int_equal(commands_get(at.database, 3, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(command, "transaction_ns")),
	    (1793577600ll + 36000 - KOREA_S) * 1000000000);
	json_decref(command);
	assert_int_equal(commands_get(at.database, 4, &command), 0);
	assert_null(json_object_get(command, "account_id"));
	assert_int_equal(json_integer_value(json_object_get(command, "partner_id")), 3);
	json_decref(command);
	counts_are(import(&at, labels), 0, 4);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_ACCOUNT, 7).confirmed), 1);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_ACCOUNT, 7).dismissed), 1);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_TERMINAL, 5).confirmed), 1);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_PARTNER, 3).confirmed), 1);
	temporary_end(&at);
}

/* Changes of labels: all that a restore has of them. */
static int labels_count(struct db_txn *txn, void *argument)
{
	uint64_t *changes = argument, sequence;
	struct record_control_change change;
	struct db_bytes key, value;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CHANGE);

	for (sequence = 0;
	     error == 0 &&
	     (error = sequence++ == 0 ? db_cursor_first(&cursor) : db_cursor_next(&cursor)) == 0;) {
		error = record_control_change_read(cursor.value, &change, &key, &value);
		*changes += error == 0 && change.table == CONTROL_TABLE_LABEL;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

/* What is read of them is what a restore plays. */
TEST(a_long_reference_is_a_change_that_can_be_read)
{
	uint64_t changes = 0;
	struct temporary at;

	bed_begin(&at);
	counts_are(import(&at, "account,7,false,2026-11-01,"
	                       "012345678901234567890123456789012345678901234567890123456789012\n"
	                       "account,7,false,2026-11-01,"
	                       "012345678901234567890123456789012345678901234567890123456789013\n"),
	    2, 0);
	assert_int_equal(database_read(at.database, labels_count, &changes), 0);
	assert_int_equal(changes, 2);
	temporary_end(&at);
}

/* As an older program noted them: not replicated. */
static int labels_make_older(struct db_txn *txn, void *argument)
{
	unsigned *count = argument;
	struct db_cursor cursor;
	int error = 0;

	while (error == 0) {
		uint8_t bytes[64], row[sizeof(struct record_control_label)];
		struct db_bytes key = { bytes, 0 }, value = { row, sizeof(row) };

		error = db_cursor_open(&cursor, txn, CONTROL_TABLE_LABEL);
		if (error != 0)
			return error;
		error = db_cursor_first(&cursor);
		if (error == 0 && cursor.key.size <= sizeof(bytes)) {
			key.size = cursor.key.size;
			memcpy(bytes, cursor.key.data, key.size);
			assert_int_equal(cursor.value.size, sizeof(row));
			memcpy(row, cursor.value.data, sizeof(row));
		}
		db_cursor_close(&cursor);
		if (error == 0)
			error = db_put(txn, CONTROL_TABLE_ALERT_INDEX, key, value);
		if (error == 0)
			error = db_delete(txn, CONTROL_TABLE_LABEL, key);
		*count += error == 0;
	}
	return error == -ENOENT ? 0 : error;
}

/* Restores play the changes: what is not in them is forgotten. */
TEST(imported_labels_are_changes_older_ones_too)
{
	static char labels[2600 * 32];
	unsigned older = 0;
	uint64_t changes = 0;
	struct temporary at;
	size_t size = 0;

	for (unsigned i = 1; i <= 2500; i++)
		size += (size_t)snprintf(
		    labels + size, sizeof(labels) - size, "account,%u,false,2026-11-01\n", i);
	bed_begin(&at);
	counts_are(import(&at, labels), 2500, 0);
	assert_int_equal(database_read(at.database, labels_count, &changes), 0);
	assert_int_equal(changes, 2500);
	assert_int_equal(database_write(at.database, labels_make_older, &older), 0);
	assert_int_equal(older, 2500);
	assert_int_equal(feedback_labels_take(at.database), 0);
	changes = 0;
	assert_int_equal(database_read(at.database, labels_count, &changes), 0);
	assert_int_equal(changes, 5000);
	counts_are(import(&at, labels), 0, 2500);
	/* And not once more. */
	assert_int_equal(feedback_labels_take(at.database), 0);
	changes = 0;
	assert_int_equal(database_read(at.database, labels_count, &changes), 0);
	assert_int_equal(changes, 5000);
	temporary_end(&at);
}

static int profile_put(struct db_txn *txn, void *argument)
{
	const struct record_control_profile *row = argument;
	struct db_key key = db_key_make(le64_get(row->account_id));

	return database_put(
	    txn, CONTROL_TABLE_PROFILE, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
}

/* Control knows whose customer it is from the logs. */
TEST(a_label_of_an_account_is_one_of_its_partner)
{
	struct record_control_profile profile = {
		.header = record_control_header(
		    RECORD_CONTROL_PROFILE, sizeof(struct record_control_profile)),
		.account_id = le64_make(7),
		.partner_id = le32_make(3),
	};
	struct temporary at;
	json_t *command = NULL;

	bed_begin(&at);
	assert_int_equal(database_write(at.database, profile_put, &profile), 0);
	counts_are(
	    import(&at, "account,7,confirmed,2026-11-01\nterminal,5,false,2026-11-01"), 2, 0);
	assert_int_equal(commands_get(at.database, 1, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(command, "account_id")), 7);
	assert_int_equal(json_integer_value(json_object_get(command, "partner_id")), 3);
	json_decref(command);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_PARTNER, 3).confirmed), 1);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_PARTNER, 3).dismissed), 0);
	temporary_end(&at);
}

/* What is behind the date of a line, around two numbers that tell it from the others. */
struct form {
	const char *before, *between, *after;
};
static const struct form alike = { NULL, NULL, NULL };

/* `count` lines "terminal,5,false,2026-11-05", and one that is confirmed. */
static void lines_write(char *text, size_t size, unsigned count, const struct form *form)
{
	size_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		at += (size_t)snprintf(text + at, size - at, "terminal,5,false,2026-11-05");
		if (form->before != NULL)
			at += (size_t)snprintf(text + at, size - at, "%s%u%s%02u%s", form->before,
			    i / 60 + 10, form->between, i % 60, form->after);
		at += (size_t)snprintf(text + at, size - at, "\n");
	}
	snprintf(text + at, size - at, "terminal,5,confirmed,2026-11-05\n");
}

/* A terminal of a hundred cases of one day is 1 % confirmed, whatever says which is which. */
TEST(each_case_of_a_day_counts)
{
	static const struct form forms[] = {
		{ "T", ":", ":00" },
		{ "T", ":", ":00Z" },
		{ " 10:00:00.", "", "" },
		{ ",", "-", "" },
		{ NULL, NULL, NULL },
	};
	static char text[16384];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(forms); i++) {
		struct record_control_subject row;
		struct temporary at;

		bed_begin(&at);
		lines_write(text, sizeof(text), 99, &forms[i]);
		counts_are(import(&at, text), 100, 0);
		counts_are(import(&at, text), 0, 100);
		row = subject_get(&at, CONTROL_SUBJECT_TERMINAL, 5);
		assert_int_equal(le32_get(row.dismissed), 99);
		assert_int_equal(le32_get(row.confirmed), 1);
		/* A longer file adds what is new. */
		lines_write(text, sizeof(text), 120, &forms[i]);
		counts_are(import(&at, text), 21, 100);
		temporary_end(&at);
	}
}

TEST(a_reference_counts_once_and_keeps_its_verdict)
{
	struct temporary at;
	struct label_counts counts;
	struct label_import wrong;
	char message[256] = "";

	bed_begin(&at);
	counts = import(&at, "kind,id,label,date,reference\n"
	                     "account,7,false,2026-11-05,5-1200\n"
	                     "account,7,false,2026-11-06,5-1200\n"
	                     "account,8,false,2026-11-05,5-1200\n"
	                     "account,7,false,2026-11-05,\n");
	assert_int_equal(counts.repeated, 1);
	counts_are(counts, 3, 0);
	counts = import(&at, "account,7,confirmed,2026-11-05,5-1200\n"
	                     "account,7,confirmed,2026-11-05,5-1201\n");
	assert_int_equal(counts.contradicting, 1);
	counts_are(counts, 1, 0);
	wrong = import_of("account,7,confirmed,2026-11-05,5-1300\n"
	                  "account,7,confirmed,2026-11-05,5-1301\n"
	                  "account,7,false,2026-11-05,5-1300\n");
	assert_int_equal(feedback_import(at.database, &wrong, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "lines 1 and 3: 5-1300"));
	temporary_end(&at);
}

/* What programs from before wrote: subject, verdict, midnight of the day -> one byte. */
static int older_put(struct db_txn *txn, void *argument)
{
	struct {
		char table[8];
		uint8_t kind, confirmed, reserved[6];
		struct le64 id, time_ns;
	} key = { "label", CONTROL_SUBJECT_TERMINAL, 0, { 0 }, le64_make(5),
		le64_make(1793836800ull * 1000000000) }; /* 2026-11-05 */

	(void)argument;
	return db_put(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ &key, sizeof(key) },
	    (struct db_bytes){ "", 1 });
}

TEST(a_label_of_an_older_program_stands_for_one_of_its_day)
{
	static const struct form forms[] = {
		{ "T", ":", ":00" },
		{ "T", ":", ":00+09:00" },
		{ ",", "-", "" },
		{ NULL, NULL, NULL },
	};
	static char text[1024];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(forms); i++) {
		struct temporary at;

		bed_begin(&at);
		assert_int_equal(database_write(at.database, older_put, NULL), 0);
		assert_int_equal(feedback_labels_take(at.database), 0);
		lines_write(text, sizeof(text), 9, &forms[i]);
		counts_are(import(&at, text), 9, 1);
		counts_are(import(&at, text), 0, 10);
		temporary_end(&at);
	}
}

TEST(labels_of_what_there_is_not_are_counted_and_sent_to_nobody)
{
	struct temporary at;
	struct label_counts counts;
	uint64_t sequence = 0;

	bed_begin(&at);
	counts = import(&at, "terminal,77,confirmed,2026-11-05\npartner,9,false,2026-11-05\n"
	                     "terminal,5,confirmed,2026-11-05\n");
	assert_int_equal(counts.unknown, 2);
	counts_are(counts, 1, 0);
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 1);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_TERMINAL, 77).confirmed), 0);
	temporary_end(&at);
}

TEST(a_file_of_labels_is_taken_whole_or_not_at_all)
{
	static const char *const wrong[] = {
		"account,x,confirmed,2026-11-01",
		"account,7,maybe,2026-11-01",
		"shop,7,confirmed,2026-11-01",
		"account,7,confirmed",
		"account,7,confirmed,2026-11-01,1-1,more",
		"\"account,7",
		"terminal,99999999999,false,2026-11-01",
		"account,0,false,2026-11-01",
		"account,18446744073709551616,false,2026-11-01",
		"account,7,confirmed,2026-11-21",
		"account,7,confirmed,2099-01-01",
		"account,7,confirmed,2026-11-20T15:00:00Z",
		"account,7,confirmed,yesterday",
		"account,7,confirmed,2026-02-31",
		"account,7,confirmed,1970-01-01",
		"account,7,confirmed,2026-1-5",
		"account,7,confirmed,2026-11-05Tgarbage",
		"account,7,confirmed,2026-11-01,"
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	struct temporary at;
	char text[512], message[256];
	struct label_import import;

	bed_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++) {
		snprintf(text, sizeof(text), "account,7,confirmed,2026-11-01\n%s\n", wrong[i]);
		import = import_of(text);
		message[0] = '\0';
		if (feedback_import(at.database, &import, message, sizeof(message)) != -EINVAL ||
		    strncmp(message, "line 2: ", 8) != 0)
			fail_msg("%s: %s", wrong[i], message);
	}
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_ACCOUNT, 7).confirmed), 0);
	import = import_of("kind,id,label,date\n");
	assert_int_equal(feedback_import(at.database, &import, message, sizeof(message)), -EINVAL);
	assert_string_equal(message, "the file holds no label");
	import = import_of("kind,id,label,date,note\naccount,7,false,2026-11-05,x\n");
	assert_int_equal(feedback_import(at.database, &import, message, sizeof(message)), -EINVAL);
	temporary_end(&at);
}

/* ---- Lots ---- */

struct shards {
	struct temporary *at;
	uint64_t done;     /* commands they have */
	unsigned waits;    /* of the import */
	unsigned stop_at;  /* then they are away; 0: never */
	uint64_t in_front; /* of another's command, at most */
};

/* Somebody else's command comes in between, right before the shards take all there are. */
static int shards_take(void *context, uint64_t sequence)
{
	struct shards *shards = context;
	uint64_t last = 0;

	assert_int_equal(commands_last(shards->at->database, &last), 0);
	assert_int_equal(sequence, last);
	if (last - shards->done > shards->in_front)
		shards->in_front = last - shards->done;
	if (++shards->waits == shards->stop_at)
		return -ETIMEDOUT;
	shards->done = last;
	return 0;
}

TEST(another_command_waits_for_one_lot_of_labels_at_most)
{
	enum { COUNT = 10 * LABELS_LOT + 5 };
	static char text[64 * COUNT];
	char message[256] = "";
	struct temporary at;
	struct shards shards = { &at, 0, 0, 0, 0 };
	struct label_import import;
	uint64_t entries = 0;

	bed_begin(&at);
	lines_write(text, sizeof(text), COUNT - 1, &alike);
	import = import_of(text);
	import.wait = shards_take;
	import.context = &shards;
	shards.stop_at = 4;
	assert_int_equal(
	    feedback_import(at.database, &import, message, sizeof(message)), -ETIMEDOUT);
	assert_non_null(strstr(message, "256 labels are counted, those from line 257 on"));
	assert_int_equal(import.counts.added, 4 * LABELS_LOT);
	/* The same file again goes on where it ended, and control may have started anew. */
	shards.stop_at = 0;
	temporary_again(&at);
	assert_int_equal(feedback_import(at.database, &import, message, sizeof(message)), 0);
	counts_are(import.counts, COUNT - 4 * LABELS_LOT, 4 * LABELS_LOT);
	assert_int_equal(import.sequence, COUNT);
	assert_int_equal(shards.waits, 4 + 6);
	assert_in_range(shards.in_front, 1, 2 * LABELS_LOT);
	assert_int_equal(
	    le32_get(subject_get(&at, CONTROL_SUBJECT_TERMINAL, 5).dismissed), COUNT - 1);
	/* Begun and stopped; begun and done. */
	assert_int_equal(audit_count(at.database, &entries), 0);
	assert_int_equal(entries, 4);
	temporary_end(&at);
}

TEST(a_dry_run_says_what_would_be_and_does_nothing)
{
	static char text[64 * 200];
	struct temporary at;
	uint64_t sequence = 1;

	bed_begin(&at);
	lines_write(text, sizeof(text), 150, &alike);
	database_dry_run(1);
	counts_are(import(&at, text), 151, 0);
	database_dry_run(0);
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 0);
	counts_are(import(&at, text), 151, 0);
	temporary_end(&at);
}

/* ---- Dates ---- */

TEST(dates_are_of_days_that_there_are)
{
	static const struct {
		const char *text;
		int result, zoned;
		uint64_t time_s;
	} cases[] = {
		{ "2026-11-21", 0, 0, 1795219200 },
		{ "2000-01-01", 0, 0, 946684800 },
		{ "2024-02-29", 0, 0, 1709164800 },
		{ "2100-03-01", 0, 0, 4107542400 },
		{ "2026-11-21T10:00:01", 0, 0, 1795255201 },
		{ "2026-11-21 23:59:59.999999999", 0, 0, 1795305599 },
		{ "2026-11-21T00:00:00Z", 0, 1, 1795219200 },
		{ "2026-11-21T09:00:00+09:00", 0, 1, 1795219200 },
		{ "2026-11-20T19:30:00-04:30", 0, 1, 1795219200 },
		{ "1999-12-31", -EINVAL, 0, 0 },
		{ "1970-01-01", -EINVAL, 0, 0 },
		{ "2026-02-29", -EINVAL, 0, 0 },
		{ "2100-02-29", -EINVAL, 0, 0 },
		{ "2026-02-31", -EINVAL, 0, 0 },
		{ "2026-13-01", -EINVAL, 0, 0 },
		{ "2026-00-10", -EINVAL, 0, 0 },
		{ "2026-04-00", -EINVAL, 0, 0 },
		{ "2026-1-5", -EINVAL, 0, 0 },
		{ "2026-11-5", -EINVAL, 0, 0 },
		{ "20261105", -EINVAL, 0, 0 },
		{ " 2026-11-05", -EINVAL, 0, 0 },
		{ "2026-11-05 ", -EINVAL, 0, 0 },
		{ "2026-11-05T", -EINVAL, 0, 0 },
		{ "2026-11-05Tgarbage", -EINVAL, 0, 0 },
		{ "2026-11-05T24:00:00", -EINVAL, 0, 0 },
		{ "2026-11-05T10:60:00", -EINVAL, 0, 0 },
		{ "2026-11-05T10:00", -EINVAL, 0, 0 },
		{ "2026-11-05T10:00:00.", -EINVAL, 0, 0 },
		{ "2026-11-05T10:00:00.1234567890", -EINVAL, 0, 0 },
		{ "2026-11-05T10:00:00z", -EINVAL, 0, 0 },
		{ "2026-11-05T10:00:00+9", -EINVAL, 0, 0 },
		{ "2026-11-05T10:00:00+15:00", -EINVAL, 0, 0 },
		{ "tomorrow", -EINVAL, 0, 0 },
		{ "", -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct date_time time;
		int result = date_time_parse(cases[i].text, &time);

		if (result != cases[i].result ||
		    (result == 0 && (time.time_ns / 1000000000 != cases[i].time_s ||
		                        time.zoned != cases[i].zoned)))
			fail_msg("%s", cases[i].text);
		assert_int_equal(
		    date_fits(cases[i].text), result == 0 && strlen(cases[i].text) == 10);
	}
}

TEST_MAIN()
