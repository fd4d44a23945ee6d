/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etc/sluice of a root made by backup restore or reshard: stopped at each of its steps, by a kill
 * or a full disk, the repetition ends with all of it; what is there already stays, and is said.
 */
#include <inttypes.h>

#include "tests/sluice-db/backup.h"
#include "tests/sluice-db/stop.h"

#define STEPS_LEAST 8 /* three directories and files, two renames */

struct bed {
	char top[64], root[96], backup[96], wanted[96], made[96];
};

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
	char command[1400];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof(command), format, list);
	va_end(list);
	return system(command);
}

/* Nothing is under way between the shards: each has one account. */
static void bed_make(struct bed *bed)
{
	struct shards *shards = shards_new(1);

	root_make(bed->top);
	snprintf(bed->root, sizeof(bed->root), "%s/root", bed->top);
	snprintf(bed->backup, sizeof(bed->backup), "%s/backup", bed->top);
	snprintf(bed->wanted, sizeof(bed->wanted), "%s/wanted", bed->top);
	snprintf(bed->made, sizeof(bed->made), "%s/made", bed->top);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		shards_account(shards, shards_id_on(shards, shard, 1, 0), 100, KRW);
		(void)root_shard_write(shards, shard, bed->root, root_last(shards, shard), 1, NULL);
	}
	shards_free(shards);
	assert_int_equal(
	    shell("mkdir -p '%s/etc/sluice/ca' && cd '%s/etc/sluice' && printf 'root: "
	          "/else\\nshards: 4\\nmore: 1\\n' >dataplane.yaml && echo c >control.yaml && "
	          "echo x >ca/ca.key && chmod 600 ca/ca.key && head -c 16 /dev/zero "
	          ">'%s/var/lib/sluice/ticket.key'",
	        bed->root, bed->root, bed->root),
	    0);
	must_run("backup create '%s' '%s'", bed->root, bed->backup);
}

/* All of the configuration is there, as after a run that nobody stopped, and nothing beside it. */
static void configuration_is(const struct bed *bed, unsigned at)
{
	if (shell("cd '%s' && sed 's|%s|%s|' '%s/etc/sluice/dataplane.yaml' | cmp - "
	          "etc/sluice/dataplane.yaml && diff -r -x dataplane.yaml etc "
	          "'%s/etc' && test $(stat -c %%a etc/sluice/ca/ca.key) = 600 && cmp "
	          "var/lib/sluice/ticket.key '%s/var/lib/sluice/ticket.key'",
	        bed->made, bed->wanted, bed->made, bed->wanted, bed->wanted, bed->root) != 0)
		fail_msg("stopped at step %u, then repeated: another configuration", at);
}

/* Repeated as it tells, until there is nothing left in the way. */
static void repeat(const struct bed *bed, const char *arguments, unsigned at)
{
	char said[1024];

	for (unsigned i = 0; i < 4; i++) {
		int code = say_run(said, "%s", arguments);

		if (code == 0 || strstr(said, "holds data") != NULL)
			return;
		if (strstr(said, "cut short; remove ") == NULL)
			break;
		assert_int_equal(shell("rm -rf '%s/var/lib/sluice.restoring' '%s/reshard.tmp'",
		                     bed->made, bed->made),
		    0);
	}
	fail_msg("stopped at step %u, then repeated: %s", at, said);
}

/* Killed at each step; told that the disk is full at every `full_every`th. */
static void stopped_everywhere(const struct bed *bed, const char *arguments, unsigned full_every)
{
	for (unsigned stop = STOP_KILL; stop <= STOP_NO_SPACE; stop++) {
		unsigned at = 1, every = stop == STOP_KILL ? 1 : full_every;
		int reached = 1;

		for (; reached; at += every) {
			int code = stop_run((enum stop)stop, at, &reached, "%s", arguments);

			if (!reached)
				assert_int_equal(code, 0);
			else if (stop == STOP_NO_SPACE)
				assert_true(code == 1 || code == 3);
			if (reached)
				repeat(bed, arguments, at);
			configuration_is(bed, at);
			root_remove(bed->made);
		}
		print_message("  %s: up to step %u\n", stop == STOP_KILL ? "killed" : "disk full",
		    at - every);
		assert_true(at - every > STEPS_LEAST);
	}
}

TEST(a_restore_stopped_anywhere_ends_with_all_of_the_configuration)
{
	struct bed bed;
	char arguments[300];

	bed_make(&bed);
	must_run("backup restore '%s' '%s'", bed.backup, bed.wanted);
	snprintf(arguments, sizeof(arguments), "backup restore '%s' '%s'", bed.backup, bed.made);
	stopped_everywhere(&bed, arguments, 2);
	root_remove(bed.top);
}

TEST(a_re_sharding_stopped_anywhere_ends_with_all_of_the_configuration)
{
	struct bed bed;
	char arguments[300];

	bed_make(&bed);
	must_run("reshard '%s' '%s' --shards 3", bed.root, bed.wanted);
	assert_int_equal(shell("grep -qx 'shards: 3' '%s/etc/sluice/dataplane.yaml' && grep -qx "
	                       "'root: \"%s\"' '%s/etc/sluice/dataplane.yaml'",
	                     bed.wanted, bed.wanted, bed.wanted),
	    0);
	snprintf(arguments, sizeof(arguments), "reshard '%s' '%s' --shards 3", bed.root, bed.made);
	stopped_everywhere(&bed, arguments, 4);
	root_remove(bed.top);
}

/* What is there is not overwritten, and not passed over without a word. */
TEST(a_configuration_that_is_there_stays_and_is_said)
{
	struct bed bed;
	char said[1024], arguments[300], json[320], in[120];
	json_t *answer;

	bed_make(&bed);
	for (unsigned reshard = 0; reshard <= 1; reshard++) {
		snprintf(in, sizeof(in), "%s/etc/sluice", reshard ? bed.root : bed.backup);
		if (reshard)
			snprintf(arguments, sizeof(arguments), "reshard '%s' '%s' --shards 2",
			    bed.root, bed.made);
		else
			snprintf(arguments, sizeof(arguments), "backup restore '%s' '%s'",
			    bed.backup, bed.made);
		assert_int_equal(shell("mkdir -p '%s/etc/sluice' && touch '%s/etc/sluice/.keep'",
		                     bed.made, bed.made),
		    0);
		assert_int_equal(say_run(said, "%s", arguments), 0);
		assert_non_null(strstr(said, "configuration NOT restored"));
		assert_non_null(strstr(said, in));
		assert_int_equal(shell("test \"$(ls -A '%s/etc/sluice')\" = .keep && test "
		                       "\"$(ls '%s/etc')\" = sluice",
		                     bed.made, bed.made),
		    0);
		assert_int_equal(shell("rm -rf '%s/var' && echo", bed.made), 0);
		snprintf(json, sizeof(json), "%s --json", arguments);
		assert_int_equal(root_run(json, &answer), 0);
		assert_string_equal(text_of(answer, "configuration"), "kept");
		assert_string_equal(text_of(answer, "configuration_in"), in);
		json_decref(answer);
		/* An empty directory is none, and what is the same already is restored. */
		assert_int_equal(
		    shell("rm -rf '%s/var' && rm '%s/etc/sluice/.keep'", bed.made, bed.made), 0);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(root_run(json, &answer), 0);
			assert_string_equal(text_of(answer, "configuration"), "restored");
			json_decref(answer);
			assert_int_equal(shell("test -e '%s/etc/sluice/ca/ca.key' && rm -rf "
			                       "'%s/var'",
			                     bed.made, bed.made),
			    0);
		}
		root_remove(bed.made);
	}
	root_remove(bed.top);
}

TEST_MAIN()
