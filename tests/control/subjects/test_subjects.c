/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects, countries, and the lines of CSV they come in. */
#include "control/subjects/subjects.h"

#include <errno.h>
#include <string.h>

#include "tests/control/temporary.h"

static const struct audit_entry kim = {
	.uid = 1001, .user = "kim (risk)", .action = "subject set", .outcome = "done"
};

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
	assert_int_equal(country_set(at.database, "KEN", CONTROL_COUNTRY_MONITORED, &kim, &row), 0);
	assert_int_equal(
	    country_set(at.database, "ZZZ", CONTROL_COUNTRY_HIGH, &kim, &row), -EINVAL);
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

TEST(countries_that_there_are_once_each_by_the_words_of_the_list)
{
	static const struct {
		const char *text, *message; /* or the level of the first */
		int error;
	} cases[] = {
		{ "PRK,High-Risk\n", "high", 0 },
		{ "PRK,High Risk\n", "high", 0 },
		{ "PRK,high\n", "high", 0 },
		{ "PRK,High-Risk Jurisdictions subject to a Call for Action\n", "high", 0 },
		{ "\xef\xbb\xbfiso3,fatf_status\nIRN,Black List\n", "high", 0 },
		{ "BGR,Increased Monitoring (Grey List)\n", "monitored", 0 },
		{ "KOR,none\n", "none", 0 },
		{ "PRK,High\nIRN,High\nPRK,none\n",
		    "line 3: the country stands in a line above already", -EINVAL },
		{ "PRK,High\nZZZ,High\n", "line 2: there is no such country in ISO 3166-1",
		    -EINVAL },
		{ "XXX,High\n", "line 1: there is no such country in ISO 3166-1", -EINVAL },
	};
	struct temporary at;

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		const char *text = cases[i].text, *said;
		char message[256] = "";
		unsigned count = 0;
		json_t *list;
		int error = countries_import(at.database, text, strlen(text), "2026-10-24", &kim,
		    &count, message, sizeof(message));

		list = countries_list(at.database);
		said = error != 0
		           ? message
		           : json_string_value(json_object_get(json_array_get(list, 0), "level"));
		if (error != cases[i].error || strcmp(said, cases[i].message) != 0)
			fail_msg("%s: %d %s", text, error, said);
		json_decref(list);
	}
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
