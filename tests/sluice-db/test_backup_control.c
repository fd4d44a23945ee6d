/* SPDX-License-Identifier: Apache-2.0 */
/* Control's database in a restore: out of which of two it comes, and that no transaction of its is
 * cut apart. */
#include <inttypes.h>

#include "tests/sluice-db/bed.h"
#include "tests/sluice-db/control.h"

#define COMMANDS 1000000 /* more than the shards have done */

/* Changes in the root restored last, by the report; *left_out too. */
static json_int_t restored_changes(const struct bed *bed, const char *options, json_int_t *left_out)
{
	char arguments[500];
	json_t *answer;
	json_int_t changes;

	snprintf(arguments, sizeof(arguments), "backup restore '%s' '%s' --json %s", bed->backup,
	    bed->restored, options);
	if (root_run(arguments, &answer) != 0)
		fail_msg("%s", arguments);
	changes = json_integer_value(json_object_get(answer, "changes"));
	if (left_out != NULL)
		*left_out = json_integer_value(json_object_get(answer, "changes_left_out"));
	json_decref(answer);
	root_remove(bed->restored);
	return changes;
}

/* An operator's command, then an import of four names, then one more command; times in front of and
 * behind the import are T + 10 and T + 20. */
static unsigned import_make(struct control_line lines[12], uint64_t time_ns, int one_time)
{
	unsigned count = 0;

	lines[count++] = (struct control_line){ 1, CONTROL_TABLE_COMMAND, COMMANDS };
	lines[count++] = (struct control_line){ one_time ? 1 : 2, CONTROL_TABLE_AUDIT, 1 };
	for (unsigned i = 0; i < 4; i++)
		lines[count++] = (struct control_line){ time_ns + 10 + (one_time ? 0 : i),
			CONTROL_TABLE_WATCH_NAME, i + 1 };
	lines[count++] =
	    (struct control_line){ time_ns + 10 + (one_time ? 0 : 4), CONTROL_TABLE_AUDIT, 2 };
	lines[count++] = (struct control_line){ time_ns + 20, CONTROL_TABLE_MARKET, 1 };
	lines[count++] =
	    (struct control_line){ time_ns + (one_time ? 20 : 21), CONTROL_TABLE_AUDIT, 3 };
	return count;
}

TEST(a_transaction_of_control_is_never_cut_apart)
{
	static const struct {
		int one_time;
		unsigned behind; /* T: the cut is here */
		json_int_t changes, left_out;
	} cuts[] = {
		{ 1, 9, 2, 0 },
		{ 1, 10, 7, 0 },
		{ 1, 19, 7, 0 },
		{ 1, 20, 9, 0 },
		{ 0, 9, 2, 0 },
		{ 0, 10, 2, 1 }, /* one name of four */
		{ 0, 13, 2, 4 }, /* all names, without the entry that they were imported */
		{ 0, 14, 7, 0 },
		{ 0, 20, 7, 1 },
		{ 0, 21, 9, 0 },
	};
	struct bed bed;
	uint64_t time_ns;

	bed_make(&bed, 71, 3);
	time_ns = bed.shards->time_ns - 100;
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cuts); i++) {
		struct control_line lines[12];
		struct control_lines all = { lines, import_make(lines, time_ns, cuts[i].one_time),
			1, cuts[i].one_time != 0, 'x' };
		char option[64];
		json_int_t left_out;

		if (i == 0 || cuts[i].one_time != cuts[i - 1].one_time) {
			char command[500];

			snprintf(command, sizeof(command),
			    "rm -rf '%s' '%s/var/lib/sluice/control'; mkdir -p "
			    "'%s/var/lib/sluice/control'",
			    bed.backup, bed.root, bed.root);
			assert_int_equal(system(command), 0);
			control_write(bed.root, &all);
			must_run("backup create '%s' '%s'", bed.root, bed.backup);
		}
		snprintf(option, sizeof(option), "--to-time %" PRIu64, time_ns + cuts[i].behind);
		assert_int_equal(restored_changes(&bed, option, &left_out), cuts[i].changes);
		assert_int_equal(left_out, cuts[i].left_out);
	}
	assert_int_equal(restored_changes(&bed, "", NULL), 9);
	bed_remove(&bed);
}

/* An older program's changes, then those of one that gives a transaction one time. */
TEST(changes_of_an_older_program_in_front_do_not_blur_the_later_ones)
{
	struct bed bed;
	uint64_t time_ns;
	char option[64];
	json_int_t left_out;

	bed_make(&bed, 72, 3);
	time_ns = bed.shards->time_ns - 100;
	{
		const struct control_line lines[] = {
			{ 1, CONTROL_TABLE_COMMAND, COMMANDS },
			{ time_ns, CONTROL_TABLE_MARKET, 1 },
			{ time_ns + 5, CONTROL_TABLE_MARKET, 2 }, /* by itself, no audit */
			{ time_ns + 6, CONTROL_TABLE_MARKET, 3 },
			{ time_ns + 6, CONTROL_TABLE_AUDIT, 1 },
		};
		struct control_lines all = { lines, SLUICE_ARRAY_COUNT(lines), 1, 3, 'x' };

		control_write(bed.root, &all);
	}
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	snprintf(option, sizeof(option), "--to-time %" PRIu64, time_ns + 5);
	assert_int_equal(restored_changes(&bed, option, &left_out), 3);
	assert_int_equal(left_out, 0);
	bed_remove(&bed);
}

TEST(the_newer_of_two_databases_is_taken_and_two_histories_are_refused)
{
	static const struct control_line begin[] = {
		{ 1, CONTROL_TABLE_COMMAND, COMMANDS },
		{ 2, CONTROL_TABLE_AUDIT, 1 },
	};
	static const struct control_line more[] = {
		{ 3, CONTROL_TABLE_ALERT, 1 },
		{ 4, CONTROL_TABLE_AUDIT, 2 },
	};
	struct control_lines lines = { begin, 2, 1, 0, 'x' };
	struct bed bed;
	char option[128], said[1024], command[300];

	bed_make(&bed, 73, 3);
	control_write(bed.root, &lines);
	must_run("backup create '%s' '%s/old'", bed.root, bed.top);
	must_run("backup create '%s' '%s/other'", bed.root, bed.top);
	lines = (struct control_lines){ more, 2, 3, 0, 'x' };
	control_write(bed.root, &lines);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	/* An older archive takes nothing back; a later one goes on; itself. */
	snprintf(option, sizeof(option), "--archive '%s/old'", bed.top);
	assert_int_equal(restored_changes(&bed, option, NULL), 4);
	snprintf(option, sizeof(option), "--archive '%s'", bed.backup);
	assert_int_equal(restored_changes(&bed, option, NULL), 4);
	snprintf(bed.backup, sizeof(bed.backup), "%s/old", bed.top);
	snprintf(option, sizeof(option), "--archive '%s/backup'", bed.top);
	assert_int_equal(restored_changes(&bed, option, NULL), 4);
	assert_int_equal(restored_changes(&bed, "", NULL), 2);
	/* The same numbers, other changes. */
	snprintf(command, sizeof(command), "rm -rf '%s/var/lib/sluice/control'", bed.root);
	assert_int_equal(system(command), 0);
	lines = (struct control_lines){ begin, 2, 1, 0, 'x' };
	control_write(bed.root, &lines);
	lines = (struct control_lines){ more, 2, 3, 0, 'y' };
	control_write(bed.root, &lines);
	assert_int_equal(say_run(said, "backup restore '%s/backup' '%s' --archive '%s'", bed.top,
	                     bed.restored, bed.root),
	    1);
	assert_non_null(strstr(said, "two histories from change 3"));
	bed_remove(&bed);
}

TEST_MAIN()
