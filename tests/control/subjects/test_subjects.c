/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects, labels that come late, countries, and the lines of CSV they come in. */
#include "control/commands/commands.h"
#include "control/subjects/subjects.h"

#include <errno.h>
#include <string.h>

#include "tests/control/temporary.h"

static const struct audit_entry kim = {
	.uid = 1001, .user = "kim (risk)", .action = "subject set", .outcome = "done"
};

static struct record_control_subject subject_get(
    const struct temporary *at, enum control_subject_kind kind, uint64_t id)
{
	const struct subject subject = { kind, id };
	struct record_control_subject row;
	int known;

	assert_int_equal(subjects_get(at->database, &subject, &row, &known), 0);
	return row;
}

TEST(a_subject_keeps_name_and_country)
{
	const struct subject subject = { CONTROL_SUBJECT_ACCOUNT, 1000 };
	struct record_control_subject row;
	struct temporary at;
	uint64_t entries;

	temporary_begin(&at);
	assert_int_equal(subjects_set(at.database, &subject,
	                     &(struct subject_settings){ "Hong Gil-dong", "KOR" }, &kim, &row),
	    0);
	assert_int_equal(subjects_set(at.database, &subject,
	                     &(struct subject_settings){ NULL, "PRK" }, &kim, &row),
	    0);
	assert_string_equal((const char *)row.name, "Hong Gil-dong");
	assert_memory_equal(row.country, "PRK", 3);
	assert_int_equal(subjects_set(at.database, &subject,
	                     &(struct subject_settings){ NULL, "pr" }, &kim, &row),
	    -EINVAL);
	assert_int_equal(subjects_set(at.database, &subject,
	                     &(struct subject_settings){ "a\nb", NULL }, &kim, &row),
	    -EILSEQ);
	/* The same again changes nothing. */
	assert_int_equal(subjects_set(at.database, &subject,
	                     &(struct subject_settings){ NULL, "PRK" }, &kim, &row),
	    0);
	assert_int_equal(audit_count(at.database, &entries), 0);
	assert_int_equal(entries, 2);
	temporary_end(&at);
}

#define LATEST_NS (1795219199ull * 1000000000) /* the end of 2026-11-20 */

static int import(struct temporary *at, const char *text, unsigned *added, unsigned *skipped)
{
	char message[256] = "";
	int error = feedback_import(at->database, text, strlen(text), LATEST_NS, &kim, added,
	    skipped, message, sizeof(message));

	if (error != 0)
		assert_true(strncmp(message, "line ", 5) == 0);
	return error;
}

TEST(labels_count_once_and_late)
{
	struct temporary at;
	unsigned added = 0, skipped = 0;
	uint64_t sequence = 0;
	json_t *command = NULL;
	static const char labels[] = "kind,id,label,date\n"
	                             "account,7,confirmed,2026-11-01\n"
	                             "terminal,5,confirmed,2026-11-01\r\n"
	                             "account,7,false,2026-11-02T10:00:00\n"
	                             "\n"
	                             "partner,3,\"confirmed\",2026-11-01";

	temporary_begin(&at);
	assert_int_equal(import(&at, labels, &added, &skipped), 0);
	assert_int_equal(added, 4);
	/* Shards hear of each once. */
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 4);
	assert_int_equal(commands_get(at.database, 1, &command), 0);
	assert_string_equal(json_string_value(json_object_get(command, "type")), "feedback");
	assert_int_equal(json_integer_value(json_object_get(command, "account_id")), 7);
	assert_true(json_is_true(json_object_get(command, "confirmed")));
	assert_null(json_object_get(command, "partner_id"));
	json_decref(command);
	assert_int_equal(commands_get(at.database, 4, &command), 0);
	assert_null(json_object_get(command, "account_id"));
	assert_int_equal(json_integer_value(json_object_get(command, "partner_id")), 3);
	json_decref(command);
	assert_int_equal(skipped, 0);
	assert_int_equal(import(&at, labels, &added, &skipped), 0);
	assert_int_equal(added, 0);
	assert_int_equal(skipped, 4);
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

/* As an older program noted them: not replicated. */
static int labels_make_older(struct db_txn *txn, void *argument)
{
	unsigned *count = argument;
	struct db_cursor cursor;
	int error = 0;

	while (error == 0) {
		uint8_t bytes[64];
		struct db_bytes key = { bytes, 0 };

		error = db_cursor_open(&cursor, txn, CONTROL_TABLE_LABEL);
		if (error != 0)
			return error;
		error = db_cursor_first(&cursor);
		if (error == 0 && cursor.key.size <= sizeof(bytes)) {
			key.size = cursor.key.size;
			memcpy(bytes, cursor.key.data, key.size);
		}
		db_cursor_close(&cursor);
		if (error == 0)
			error =
			    db_put(txn, CONTROL_TABLE_ALERT_INDEX, key, (struct db_bytes){ "", 1 });
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
	unsigned added = 0, skipped = 0, older = 0;
	uint64_t changes = 0;
	struct temporary at;
	size_t size = 0;

	for (unsigned i = 1; i <= 2500; i++)
		size += (size_t)snprintf(
		    labels + size, sizeof(labels) - size, "account,%u,false,2026-11-01\n", i);
	temporary_begin(&at);
	assert_int_equal(import(&at, labels, &added, &skipped), 0);
	assert_int_equal(added, 2500);
	assert_int_equal(database_read(at.database, labels_count, &changes), 0);
	assert_int_equal(changes, 2500);
	assert_int_equal(database_write(at.database, labels_make_older, &older), 0);
	assert_int_equal(older, 2500);
	assert_int_equal(feedback_labels_take(at.database), 0);
	changes = 0;
	assert_int_equal(database_read(at.database, labels_count, &changes), 0);
	assert_int_equal(changes, 5000);
	assert_int_equal(import(&at, labels, &added, &skipped), 0);
	assert_int_equal(added, 0);
	assert_int_equal(skipped, 2500);
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
	unsigned added = 0, skipped = 0;
	json_t *command = NULL;

	temporary_begin(&at);
	assert_int_equal(database_write(at.database, profile_put, &profile), 0);
	assert_int_equal(import(&at, "account,7,confirmed,2026-11-01\nterminal,5,false,2026-11-01",
	                     &added, &skipped),
	    0);
	assert_int_equal(added, 2);
	assert_int_equal(commands_get(at.database, 1, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(command, "account_id")), 7);
	assert_int_equal(json_integer_value(json_object_get(command, "partner_id")), 3);
	json_decref(command);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_PARTNER, 3).confirmed), 1);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_PARTNER, 3).dismissed), 0);
	temporary_end(&at);
}

TEST(a_file_of_labels_is_taken_whole_or_not_at_all)
{
	static const char *const wrong[] = {
		"account,7,confirmed,2026-11-01\naccount,x,confirmed,2026-11-01\n",
		"account,7,confirmed,2026-11-01\naccount,7,maybe,2026-11-01\n",
		"account,7,confirmed,2026-11-01\nshop,7,confirmed,2026-11-01\n",
		"account,7,confirmed,2026-11-01\naccount,7,confirmed,yesterday\n",
		"account,7,confirmed,2026-11-01\naccount,7,confirmed\n",
		"account,7,confirmed,2026-11-01\n\"account,7\n",
		"account,7,confirmed,2026-11-01\nterminal,99999999999,false,2026-11-01\n",
		"account,7,confirmed,2026-11-01\naccount,0,false,2026-11-01\n",
		"account,7,confirmed,2026-11-01\naccount,18446744073709551616,false,2026-11-01\n",
		"account,7,confirmed,2026-11-20\naccount,7,confirmed,2026-11-21\n",
		"account,7,confirmed,2026-11-01\naccount,7,confirmed,2099-01-01\n",
	};
	struct temporary at;
	unsigned added, skipped;

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++)
		assert_int_equal(import(&at, wrong[i], &added, &skipped), -EINVAL);
	assert_int_equal(le32_get(subject_get(&at, CONTROL_SUBJECT_ACCOUNT, 7).confirmed), 0);
	temporary_end(&at);
}

TEST(a_list_of_countries_replaces_the_one_before)
{
	struct temporary at;
	struct record_control_country row;
	char message[256];
	unsigned count = 0;
	static const char first[] = "iso3,fatf_status\n"
	                            "PRK,High-Risk (Call for Action)\n"
	                            "BFA,Increased Monitoring (Grey List)\n";
	static const char second[] = "IRN,High-Risk (Call for Action)\n";
	json_t *list;

	temporary_begin(&at);
	assert_int_equal(countries_import(at.database, first, strlen(first), "2024-10-25", &kim,
	                     &count, message, sizeof(message)),
	    0);
	assert_int_equal(count, 2);
	list = countries_list(at.database);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(list, 0), "level")), "monitored");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(list, 1), "level")), "high");
	json_decref(list);
	assert_int_equal(countries_import(at.database, second, strlen(second), "2026-02-01", &kim,
	                     &count, message, sizeof(message)),
	    0);
	assert_int_equal(country_set(at.database, "XYZ", CONTROL_COUNTRY_MONITORED, &kim, &row), 0);
	assert_int_equal(country_set(at.database, "xy", CONTROL_COUNTRY_HIGH, &kim, &row), -EINVAL);
	list = countries_list(at.database);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	assert_int_equal(countries_import(at.database, "PR,High\n", 8, "x", &kim, &count, message,
	                     sizeof(message)),
	    -EINVAL);
	assert_int_equal(
	    countries_import(at.database, "", 0, "x", &kim, &count, message, sizeof(message)),
	    -EINVAL);
	list = countries_list(at.database);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	temporary_end(&at);
}

TEST(csv_lines)
{
	static const struct {
		const char *text;
		int result;
		unsigned count;
		const char *last;
	} cases[] = {
		{ "a,b,c\n", 1, 3, "c" },
		{ " a , b \r\n", 1, 2, "b" },
		{ "\n \n x", 1, 1, "x" },
		{ "\"a,\"\"b\"\"\",\" c \"\n", 1, 2, " c " },
		{ "a,\n", 1, 2, "" },
		{ "\xef\xbb\xbfname\n", 1, 1, "name" },
		{ "\"a", -EINVAL, 0, NULL },
		{ "\"a\nb\"", -EINVAL, 0, NULL },
		{ "\"a\"b\n", -EINVAL, 0, NULL },
		{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n", -EINVAL, 0, NULL },
		{ "", 0, 0, NULL },
		{ "\n\n", 0, 0, NULL },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct csv csv;

		csv_begin(&csv, cases[i].text, strlen(cases[i].text));
		assert_int_equal(csv_next(&csv), cases[i].result);
		if (cases[i].result != 1)
			continue;
		assert_int_equal(csv.count, cases[i].count);
		assert_string_equal(csv.fields[csv.count - 1], cases[i].last);
	}
}

TEST_MAIN()
