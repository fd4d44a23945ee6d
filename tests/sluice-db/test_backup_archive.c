/* SPDX-License-Identifier: Apache-2.0 */
/* What is given as --archive is whole, and of the history that goes on behind the backup. */
#include <inttypes.h>

#include "tests/sluice-db/bed.h"
#include "tests/sluice-db/control.h"

/* A backup of the first half of a stream, and control's database, which is in `root` too. */
static void halves_make(struct bed *bed, uint64_t seed)
{
	static const struct control_line lines[] = {
		{ 1, CONTROL_TABLE_COMMAND, 1000000 },
		{ 2, CONTROL_TABLE_AUDIT, 1 },
	};
	struct control_lines control = { lines, 2, 1, 0, 'x' };
	uint64_t first, middle;
	char early[96];

	bed_make(bed, seed, 4);
	snprintf(early, sizeof(early), "%s/early", bed->top);
	first = le64_get(shards_record(bed->shards, 0, 1).time_ns);
	middle = first + (bed->shards->time_ns - first) / 2;
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		(void)root_shard_write(
		    bed->shards, shard, early, lsn_until(bed->shards, shard, middle), 4, NULL);
	control_write(early, &control);
	control_write(bed->root, &control);
	must_run("backup create '%s' '%s'", early, bed->backup);
	must_run("backup create '%s' '%s/later'", bed->root, bed->top);
}

struct change {
	const char *command; /* run in a copy */
	const char *said;
};

/* Restored with `what` changed as --archive: refused, and it is said why. */
static void refused(const struct bed *bed, const char *what, const struct change *change)
{
	char command[900], said[1024];

	snprintf(command, sizeof(command),
	    "rm -rf '%s/copy' && cp -a '%s/%s' '%s/copy' && cd '%s/copy' && %s", bed->top, bed->top,
	    what, bed->top, bed->top, change->command);
	assert_int_equal(system(command), 0);
	if (say_run(said, "backup restore '%s' '%s' --archive '%s/copy'", bed->backup,
	        bed->restored, bed->top) != 1 ||
	    strstr(said, change->said) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", change->command, said, change->said);
	snprintf(command, sizeof(command), "test ! -e '%s/var/lib/sluice'", bed->restored);
	assert_int_equal(system(command), 0);
}

TEST(a_later_backup_is_held_against_its_own_manifest)
{
	static const struct change changes[] = {
		{ "rm -r var/lib/sluice/shard-1/log-*", "data.mdb is missing" },
		{ "truncate -s +1 var/lib/sluice/shard-1/rows/data.mdb", "data.mdb was changed" },
		{ "printf x | dd of=var/lib/sluice/control/data.mdb bs=1 seek=9000 conv=notrunc "
		  "status=none",
		    "var/lib/sluice/control/data.mdb was changed" },
		{ "rm -r var/lib/sluice/control", "var/lib/sluice/control/data.mdb is missing" },
		{ "rm -r var/lib/sluice/shard-3", "is missing" },
		{ "touch var/lib/sluice/more", "is no part of this backup" },
	};
	struct bed bed;

	halves_make(&bed, 81);
	must_run(
	    "backup restore '%s' '%s' --archive '%s/later'", bed.backup, bed.restored, bed.top);
	root_is(bed.shards, bed.restored, bed.last);
	again(&bed);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(changes); i++)
		refused(&bed, "later", &changes[i]);
	bed_remove(&bed);
}

TEST(a_root_that_lacks_something_goes_on_behind_nothing)
{
	static const struct change changes[] = {
		{ "rm -r var/lib/sluice/shard-1/*", "shard-1 holds nothing" },
		{ "rm -r var/lib/sluice/shard-1/journal",
		    "shard-1/journal/journal.meta is missing" },
		{ "rm -r var/lib/sluice/shard-1/rows var/lib/sluice/shard-1/journal",
		    "shard-1/journal/journal.meta is missing" },
		{ "rm -r var/lib/sluice/control", "control/ is missing" },
		{ "mv var/lib/sluice/shard-0 x && mv var/lib/sluice/shard-1 var/lib/sluice/shard-0 "
		  "&& mv x var/lib/sluice/shard-1",
		    "is shard 1 of 4" },
		{ "cp -a var/lib/sluice/* . && rm -r var shard-2/journal",
		    "shard-2/journal/journal.meta is missing" },
	};
	struct bed bed;

	halves_make(&bed, 82);
	must_run("backup restore '%s' '%s' --archive '%s'", bed.backup, bed.restored, bed.root);
	root_is(bed.shards, bed.restored, bed.last);
	again(&bed);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(changes); i++)
		refused(&bed, "root", &changes[i]);
	/* The operator says so: what there is. */
	must_run("backup restore '%s' '%s' --archive '%s/copy' --cut", bed.backup, bed.restored,
	    bed.top);
	root_is(bed.shards, bed.restored, bed.last);
	bed_remove(&bed);
}

/* What a restore discarded is in the root of before, and it would go on byte for byte. */
TEST(the_journal_of_before_a_restore_goes_on_behind_no_backup_of_after_it)
{
	struct bed bed;
	char said[1024], directory[160];

	halves_make(&bed, 83);
	must_run("backup restore '%s' '%s'", bed.backup, bed.restored);
	must_run("backup create '%s' '%s/after'", bed.restored, bed.top);
	again(&bed);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(say_run(said, "backup restore '%s/after' '%s' --archive '%s/%s'",
		                     bed.top, bed.restored, bed.top, i == 0 ? "root" : "later"),
		    1);
		assert_non_null(strstr(said, "begun later by a restore"));
		assert_non_null(strstr(said, "000000000000004e")); /* ROOT_INCARNATION */
	}
	/* The other way round it does. */
	snprintf(directory, sizeof(directory), "%s/var/lib/sluice/shard-0/journal", bed.root);
	root_journal_rename(directory, 0, ROOT_INCARNATION + 1);
	must_run("backup restore '%s' '%s' --archive '%s'", bed.backup, bed.restored, bed.root);
	root_is(bed.shards, bed.restored, bed.last);
	bed_remove(&bed);
}

/* After the loss of the machine there is the archive, and no root. */
TEST(an_archive_is_listed_and_verified_without_a_root)
{
	char top[64], said[1024], command[300];

	root_make(top);
	snprintf(command, sizeof(command), "mkdir -p '%s/archive/shard-0' '%s/archive/shard-1'",
	    top, top);
	assert_int_equal(system(command), 0);
	for (unsigned i = 0; i < 2; i++) {
		const char *verb = i == 0 ? "list" : "verify";

		assert_int_equal(say_run(said, "archive %s --archive '%s/archive' --root '%s/none'",
		                     verb, top, top),
		    0);
		assert_non_null(strstr(said, "shard 0: 0 files"));
		assert_non_null(strstr(said, "shard 1: 0 files"));
		assert_int_equal(
		    say_run(said, "archive %s --archive '%s' --root '%s/none'", verb, top, top), 3);
		assert_non_null(strstr(said, "no directory shard-N"));
	}
	/* A shard of the root that the archive lacks is no less missing. */
	snprintf(command, sizeof(command), "mkdir -p '%s/root/var/lib/sluice/shard-2'", top);
	assert_int_equal(system(command), 0);
	assert_int_equal(
	    say_run(said, "archive verify --archive '%s/archive' --root '%s/root'", top, top), 3);
	assert_non_null(strstr(said, "shard-2"));
	root_remove(top);
}

TEST_MAIN()
