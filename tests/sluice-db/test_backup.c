/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup and restore over random streams of four shards: at its end, at any time, by LSN, with an
 * archive behind it; what is damaged, newer or does not fit is refused and named.
 */
#include <inttypes.h>

#include "tests/sluice-db/bed.h"

TEST(a_backup_verifies_and_restores_to_the_same_state)
{
	struct bed bed;
	char said[1024], command[900];
	json_t *answer;

	bed_make(&bed, 5, 3);
	snprintf(command, sizeof(command),
	    "mkdir -p '%s/etc/sluice/ca' && cd '%s/etc/sluice' && printf 'root: /else\\nshards: "
	    "4\\n' >dataplane.yaml && echo x >ca/key && chmod 600 ca/key && head -c 16 "
	    "/dev/zero >'%s/var/lib/sluice/ticket.key'",
	    bed.root, bed.root, bed.root);
	assert_int_equal(system(command), 0);
	must_run("backup create '%s' '%s' --label 'before the match'", bed.root, bed.backup);
	must_run("backup verify '%s'", bed.backup);
	snprintf(command, sizeof(command), "backup list --json '%s'", bed.top);
	assert_int_equal(root_run(command, &answer), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "backups")), 1);
	assert_string_equal(text_of(json_array_get(json_object_get(answer, "backups"), 0), "label"),
	    "before the match");
	json_decref(answer);
	must_run("backup restore '%s' '%s'", bed.backup, bed.restored);
	root_is(bed.shards, bed.restored, bed.last);
	/* Everything beside the shards came along, and the configuration names the new root. */
	snprintf(command, sizeof(command),
	    "cd '%s' && cmp var/lib/sluice/ticket.key '%s/var/lib/sluice/ticket.key' && "
	    "grep -qx 'root: \"%s\"' etc/sluice/dataplane.yaml && grep -qx 'shards: 4' "
	    "etc/sluice/dataplane.yaml && test $(stat -c %%a etc/sluice/ca/key) = 600",
	    bed.restored, bed.root, bed.restored);
	assert_int_equal(system(command), 0);
	/* Not a second time, and no backup over a backup. */
	assert_int_equal(say_run(said, "backup restore '%s' '%s'", bed.backup, bed.restored), 1);
	assert_non_null(strstr(said, "holds data"));
	assert_int_equal(say_run(said, "backup create '%s' '%s'", bed.root, bed.backup), 1);
	assert_non_null(strstr(said, "is there already"));
	/* A backup of what was restored is one of the same state. */
	must_run("backup create '%s' '%s/second'", bed.restored, bed.top);
	must_run("backup verify '%s/second'", bed.top);
	bed_remove(&bed);
}

/* Secrets may lie on another disk, behind links: their content is in the backup, and it is said. */
TEST(what_a_link_names_is_backed_up_and_anything_else_is_refused_by_name)
{
	static const struct {
		const char *command; /* run in the root */
		const char *named;
	} refused[] = {
		{ "ln -s ../../../secret/none var/lib/sluice/more.key", "lib/sluice/more.key" },
		{ "ln -s ../../../secret etc/sluice/folder", "etc/sluice/folder" },
		{ "ln -s loop etc/sluice/loop", "etc/sluice/loop" },
		{ "mkfifo etc/sluice/pipe", "etc/sluice/pipe" },
		{ "mkdir -p var/lib/sluice/models && ln -s /none var/lib/sluice/models/1",
		    "sluice/models/1" },
		{ "ln -s /none var/lib/sluice/models", "sluice/models" },
	};
	struct bed bed;
	char said[1024], command[900];
	json_t *answer;

	bed_make(&bed, 71, 3);
	snprintf(command, sizeof(command),
	    "cd '%s' && mkdir -p secret/models etc/sluice/ca && echo t >secret/ticket.key && "
	    "echo c >secret/ca.key && echo m >secret/models/1 && chmod 600 secret/ca.key && "
	    "ln -s ../../../secret/ticket.key var/lib/sluice/ticket.key && ln -s "
	    "'%s/secret/ca.key' etc/sluice/ca/ca.key && ln -s ../../../secret/models "
	    "var/lib/sluice/models && ln -s ../../../secret var/lib/sluice/archive",
	    bed.root, bed.root);
	assert_int_equal(system(command), 0);
	snprintf(
	    command, sizeof(command), "backup create '%s' '%s/first' --json", bed.root, bed.top);
	assert_int_equal(root_run(command, &answer), 0);
	assert_int_equal(json_object_size(json_object_get(answer, "links_followed")), 3);
	json_decref(answer);
	assert_int_equal(say_run(said, "backup create '%s' '%s'", bed.root, bed.backup), 0);
	assert_null(strstr(said, "no ticket.key"));
	assert_non_null(strstr(said, "etc/sluice/ca/ca.key"));
	must_run("backup verify '%s'", bed.backup);
	must_run("backup restore '%s' '%s'", bed.backup, bed.restored);
	snprintf(command, sizeof(command),
	    "cd '%s' && test -z \"$(find . -type l)\" && grep -qx t var/lib/sluice/ticket.key && "
	    "grep -qx c etc/sluice/ca/ca.key && grep -qx m var/lib/sluice/models/1 && test "
	    "$(stat -c %%a etc/sluice/ca/ca.key) = 600",
	    bed.restored);
	assert_int_equal(system(command), 0);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(refused); i++) {
		snprintf(command, sizeof(command),
		    "cd '%s' && rm -rf var/lib/sluice/more.key var/lib/sluice/models "
		    "etc/sluice/folder etc/sluice/loop etc/sluice/pipe && %s",
		    bed.root, refused[i].command);
		assert_int_equal(system(command), 0);
		assert_int_equal(
		    say_run(said, "backup create '%s' '%s/third'", bed.root, bed.top), 1);
		if (strstr(said, refused[i].named) == NULL ||
		    strstr(said, "neither a file nor a link to one") == NULL)
			fail_msg("%s: %s", refused[i].command, said);
	}
	bed_remove(&bed);
}

TEST(any_time_is_restored_as_it_was_on_all_shards)
{
	uint64_t seed = test_seed();

	for (unsigned round = 0; round < 2; round++) {
		struct bed bed;
		uint64_t first, span;

		/* Once with old checkpoints, so that rows are used, once with young ones. */
		bed_make(&bed, seed + round, round == 0 ? 1000 : 3);
		must_run("backup create '%s' '%s'", bed.root, bed.backup);
		first = le64_get(shards_record(bed.shards, 0, 1).time_ns);
		span = bed.shards->time_ns - first;
		for (unsigned i = 0; i < 3; i++) {
			uint64_t time_ns = first + span / 3 * i + span / 7, lsns[SHARDS];

			for (uint32_t shard = 0; shard < SHARDS; shard++)
				lsns[shard] = lsn_until(bed.shards, shard, time_ns);
			must_run("backup restore '%s' '%s' --to-time %" PRIu64, bed.backup,
			    bed.restored, time_ns);
			root_is(bed.shards, bed.restored, lsns);
			again(&bed);
		}
		bed_remove(&bed);
	}
}

TEST(an_archive_rolls_a_backup_forward)
{
	struct bed bed;
	uint64_t first, span, middle[SHARDS], lsns[SHARDS];
	char early[96], said[1024];

	bed_make(&bed, 11, 4);
	snprintf(early, sizeof(early), "%s/early", bed.top);
	first = le64_get(shards_record(bed.shards, 0, 1).time_ns);
	span = bed.shards->time_ns - first;
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		middle[shard] = lsn_until(bed.shards, shard, first + span / 2);
		(void)root_shard_write(bed.shards, shard, early, middle[shard], 4, NULL);
	}
	must_run("backup create '%s' '%s'", early, bed.backup);
	must_run("backup create '%s' '%s/later'", bed.root, bed.top);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t time_ns = first + span / 4 * 3 + i * span / 9;

		for (uint32_t shard = 0; shard < SHARDS; shard++)
			lsns[shard] = lsn_until(bed.shards, shard, time_ns);
		must_run("backup restore '%s' '%s' --to-time %" PRIu64 " --archive '%s/%s'",
		    bed.backup, bed.restored, time_ns, bed.top, i == 0 ? "later" : "root");
		root_is(bed.shards, bed.restored, lsns);
		again(&bed);
	}
	must_run(
	    "backup restore '%s' '%s' --archive '%s/later'", bed.backup, bed.restored, bed.top);
	root_is(bed.shards, bed.restored, bed.last);
	again(&bed);
	/* An archive of another switch is not appended. */
	{
		struct bed other;

		bed_make(&other, 12, 4);
		assert_int_equal(say_run(said, "backup restore '%s' '%s' --archive '%s'",
		                     bed.backup, bed.restored, other.root),
		    1);
		assert_non_null(strstr(said, "does not go on from LSN"));
		bed_remove(&other);
	}
	bed_remove(&bed);
}

/* An arrival on one shard whose departure the cut of another leaves out. */
static int arrival_find(const struct bed *bed, uint32_t *shard, uint64_t *lsn)
{
	for (*shard = 0; *shard < SHARDS; (*shard)++)
		for (*lsn = 1; *lsn <= bed->last[*shard]; (*lsn)++)
			if (le16_get(shards_record(bed->shards, *shard, *lsn).type) ==
			    EVENT_TRANSFER_IN)
				return 1;
	return 0;
}

TEST(shards_that_do_not_fit_are_refused_or_cut)
{
	struct bed bed;
	uint32_t shard;
	uint64_t lsn;
	char said[1024], lsns[128], arguments[300];
	size_t at = 0;
	json_t *answer;

	bed_make(&bed, 21, 1000);
	assert_true(arrival_find(&bed, &shard, &lsn));
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	for (uint32_t i = 0; i < SHARDS; i++)
		at += (size_t)snprintf(lsns + at, sizeof(lsns) - at, "%s%u:%" PRIu64,
		    i == 0 ? "" : ",", i, i == shard ? lsn : (uint64_t)1);
	assert_int_equal(
	    say_run(said, "backup restore '%s' '%s' --to-lsn %s", bed.backup, bed.restored, lsns),
	    1);
	assert_non_null(strstr(said, "different moments"));
	must_run("backup restore '%s' '%s' --to-lsn %s --cut", bed.backup, bed.restored, lsns);
	snprintf(arguments, sizeof(arguments), "verify --json --root '%s' --transit-max 999999999",
	    bed.restored);
	assert_int_equal(root_run(arguments, &answer), 0);
	json_decref(answer);
	/* Beyond the end, and a time nobody has looked at yet. */
	again(&bed);
	assert_int_equal(say_run(said, "backup restore '%s' '%s' --to-lsn 0:%" PRIu64, bed.backup,
	                     bed.restored, bed.last[0] + 1),
	    1);
	assert_non_null(strstr(said, "before the one asked for"));
	assert_int_equal(say_run(said, "backup restore '%s' '%s' --to-time 2099-01-01T00:00:00Z",
	                     bed.backup, bed.restored),
	    1);
	assert_non_null(strstr(said, "is held up to"));
	assert_int_equal(
	    say_run(said, "backup restore '%s' '%s' --to-time yesterday", bed.backup, bed.restored),
	    2);
	bed_remove(&bed);
}

TEST(a_linked_group_is_never_cut_inside)
{
	struct bed bed;
	uint64_t lsn = 0, lsns[SHARDS];

	bed_make(&bed, 31, 1000);
	for (uint64_t at = 1; at < bed.last[0] && lsn == 0; at++)
		if ((shards_record(bed.shards, 0, at).flags & EVENT_FLAG_LINKED) != 0)
			lsn = at;
	assert_true(lsn > 0);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	/* Alone in front of everything another shard has heard of it: all others end with it. */
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		lsns[shard] = lsn_until(
		    bed.shards, shard, le64_get(shards_record(bed.shards, 0, lsn).time_ns));
	must_run("backup restore '%s' '%s' --to-lsn 0:%" PRIu64 ",1:%" PRIu64 ",2:%" PRIu64
	         ",3:%" PRIu64 " --cut",
	    bed.backup, bed.restored, lsn, lsns[1], lsns[2], lsns[3]);
	lsns[0] = lsn - 1;
	root_is(bed.shards, bed.restored, lsns);
	bed_remove(&bed);
}

TEST(an_end_that_cannot_be_meant_is_refused)
{
	static const struct {
		const char *option, *said;
	} ends[] = {
		{ "--to-lsn 0:-1", "write SHARD:LSN" },
		{ "--to-lsn 0:18446744073709551615", "write SHARD:LSN" },
		{ "--to-lsn ''", "write SHARD:LSN" },
		{ "--to-lsn 0:1,", "write SHARD:LSN" },
		{ "--to-lsn 4:1", "there is no shard 4, the backup has 4" },
		{ "--to-lsn 1:1,0:1,1:2", "shard 1 is named twice" },
		{ "--to-time 2026-02-31T00:00:00Z", "is no time" },
		{ "--to-time 2026-02-28T00:00:60Z", "is no time" },
		{ "--to-time 2554-07-21T23:34:33Z", "is no time" }, /* not in 64 bits of ns */
		{ "--to-time 9999-12-31T23:59:59Z", "is no time" },
	};
	struct bed bed;
	char said[1024];

	bed_make(&bed, 61, 3);
	assert_int_equal(say_run(said, "backup create '%s' '%s'", bed.root, bed.backup), 0);
	/* What a switch made of it would lack. */
	assert_non_null(strstr(said, "warning: no ticket.key"));
	assert_non_null(strstr(said, "warning: no database of sluice-control"));
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(ends); i++)
		if (say_run(said, "backup restore '%s' '%s' %s", bed.backup, bed.restored,
		        ends[i].option) != 2 ||
		    strstr(said, ends[i].said) == NULL)
			fail_msg("%s: %s", ends[i].option, said);
	bed_remove(&bed);
}

/* ---- What was changed ---- */

struct change {
	const char *command; /* run in the backup's directory */
	const char *said;
	int restore; /* restore refuses it as well */
};

TEST(a_backup_that_was_changed_or_is_newer_is_refused_by_name)
{
	static const struct change changes[] = {
		{ "printf x | dd of=var/lib/sluice/shard-2/rows/data.mdb bs=1 seek=9000 "
		  "conv=notrunc status=none",
		    "var/lib/sluice/shard-2/rows/data.mdb was changed", 1 },
		{ "truncate -s -1 var/lib/sluice/shard-1/log-0000000000000001/data.mdb",
		    "shard-1/log-0000000000000001/data.mdb was changed", 1 },
		{ "rm var/lib/sluice/shard-3/rows/data.mdb", "data.mdb is missing", 1 },
		{ "touch var/lib/sluice/more", "var/lib/sluice/more is no part of this backup", 1 },
		{ "sed -i s/1,/2,/ manifest.json", "newer than this program", 1 },
		{ "sed -i '/\"schema\"/s/3/4/' manifest.json",
		    "version 4 of schema is newer than this program's 3", 1 },
		{ "sed -i '/\"journal\"/s/1/7/' manifest.json",
		    "version 7 of journal is newer than this program's", 1 },
		{ "sed -i '/\"last_lsn\"/s/[0-9]*,/5,/' manifest.json", "its manifest was changed",
		    1 },
		{ "echo '{' >manifest.json", "its manifest is damaged", 1 },
		{ "rm manifest.json", "no backup", 1 },
	};
	struct bed bed;

	bed_make(&bed, 41, 3);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(changes); i++) {
		char command[1200], said[1024];

		snprintf(command, sizeof(command),
		    "rm -rf '%s/copy' && cp -a '%s' '%s/copy' && cd '%s/copy' && %s", bed.top,
		    bed.backup, bed.top, bed.top, changes[i].command);
		assert_int_equal(system(command), 0);
		assert_int_equal(say_run(said, "backup verify '%s/copy'", bed.top), 1);
		if (strstr(said, changes[i].said) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", changes[i].command, said,
			    changes[i].said);
		assert_int_equal(
		    say_run(said, "backup restore '%s/copy' '%s'", bed.top, bed.restored), 1);
		if (strstr(said, changes[i].said) == NULL)
			fail_msg("restore after %s: \"%s\"", changes[i].command, said);
	}
	bed_remove(&bed);
}

TEST(a_backup_cut_short_is_none)
{
	struct bed bed;
	char said[1024], command[900];
	json_t *answer;

	bed_make(&bed, 51, 3);
	snprintf(command, sizeof(command), "mkdir '%s.tmp'", bed.backup);
	assert_int_equal(system(command), 0);
	assert_int_equal(say_run(said, "backup create '%s' '%s'", bed.root, bed.backup), 1);
	assert_non_null(strstr(said, "cut short"));
	snprintf(command, sizeof(command), "backup list --json '%s'", bed.top);
	assert_int_equal(root_run(command, &answer), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "backups")), 0);
	json_decref(answer);
	/* A shard is missing. */
	snprintf(command, sizeof(command), "rm -rf '%s.tmp' '%s/var/lib/sluice/shard-1'",
	    bed.backup, bed.root);
	assert_int_equal(system(command), 0);
	assert_int_equal(say_run(said, "backup create '%s' '%s'", bed.root, bed.backup), 1);
	assert_non_null(strstr(said, "shard-1 is missing"));
	snprintf(command, sizeof(command), "test ! -e '%s' && test ! -e '%s.tmp'", bed.backup,
	    bed.backup);
	assert_int_equal(system(command), 0);
	bed_remove(&bed);
}

TEST_MAIN()
