/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a restore ends: with the last event the backup has, also when the newest log environment is
 * still empty; nowhere that nobody can have meant; and what it leaves out is counted.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/sluice-db/backup.h"

#define STEPS 600

struct bed {
	struct shards *shards;
	char top[64], root[96], backup[96], restored[96];
	uint64_t last[SHARDS];
};

static void bed_make(struct bed *bed, uint64_t seed)
{
	memset(bed, 0, sizeof(*bed));
	bed->shards = stream_make(seed, STEPS);
	root_make(bed->top);
	snprintf(bed->root, sizeof(bed->root), "%s/root", bed->top);
	snprintf(bed->backup, sizeof(bed->backup), "%s/backup", bed->top);
	snprintf(bed->restored, sizeof(bed->restored), "%s/restored", bed->top);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		bed->last[shard] = root_last(bed->shards, shard);
		(void)root_shard_write(bed->shards, shard, bed->root, bed->last[shard], 3, NULL);
	}
}

static void bed_remove(struct bed *bed)
{
	root_remove(bed->top);
	shards_free(bed->shards);
}

TEST(a_backup_whose_newest_log_is_empty_restores_all)
{
	struct bed bed;
	uint64_t lsns[SHARDS];

	bed_make(&bed, 71);
	root_logs_rotate(bed.root, bed.last);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	must_run("backup verify '%s'", bed.backup);
	must_run("backup restore '%s' '%s'", bed.backup, bed.restored);
	root_is(bed.shards, bed.restored, bed.last);
	root_remove(bed.restored);
	/* By LSN, right before the empty one; and as an archive behind itself. */
	memcpy(lsns, bed.last, sizeof(lsns));
	lsns[0]--;
	must_run("backup restore '%s' '%s' --to-lsn 0:%" PRIu64 " --cut", bed.backup, bed.restored,
	    lsns[0]);
	must_run("verify --root '%s' --transit-max 999999999", bed.restored);
	root_remove(bed.restored);
	must_run("backup restore '%s' '%s' --archive '%s'", bed.backup, bed.restored, bed.root);
	root_is(bed.shards, bed.restored, bed.last);
	bed_remove(&bed);
}

/* Of the shard's entry in a restore's report. */
static uint64_t left_out(json_t *answer, uint32_t shard)
{
	return (uint64_t)json_integer_value(
	    json_object_get(json_array_get(json_object_get(answer, "shards"), shard), "cut"));
}

TEST(what_a_restore_leaves_out_is_counted_on_each_shard)
{
	struct bed bed;
	char arguments[500], said[1024], wanted[64];
	uint64_t first, time_ns;
	json_t *answer;

	bed_make(&bed, 72);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	first = le64_get(shards_record(bed.shards, 0, 1).time_ns);
	time_ns = first + (bed.shards->time_ns - first) / 2;
	for (unsigned round = 0; round < 2; round++) {
		/* The same with the root itself as archive: it has no more than the backup. */
		snprintf(arguments, sizeof(arguments),
		    "backup restore '%s' '%s' --to-time %" PRIu64 " --json %s%s", bed.backup,
		    bed.restored, time_ns, round == 0 ? "" : "--archive ",
		    round == 0 ? "" : bed.root);
		assert_int_equal(root_run(arguments, &answer), 0);
		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			uint64_t out = bed.last[shard] - lsn_until(bed.shards, shard, time_ns);

			assert_true(out > 0);
			assert_int_equal(left_out(answer, shard), out);
		}
		json_decref(answer);
		root_remove(bed.restored);
	}
	assert_int_equal(say_run(said, "backup restore '%s' '%s' --to-time %" PRIu64, bed.backup,
	                     bed.restored, time_ns),
	    0);
	snprintf(wanted, sizeof(wanted), " %" PRIu64 " events left out",
	    bed.last[0] - lsn_until(bed.shards, 0, time_ns));
	if (strstr(said, wanted) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", said, wanted);
	root_remove(bed.restored);
	/* All of it: nothing is. */
	snprintf(arguments, sizeof(arguments), "backup restore '%s' '%s' --json", bed.backup,
	    bed.restored);
	assert_int_equal(root_run(arguments, &answer), 0);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		assert_int_equal(left_out(answer, shard), 0);
	json_decref(answer);
	bed_remove(&bed);
}

TEST(a_time_that_cannot_be_meant_is_refused)
{
	static const struct {
		const char *time;
		int status;
		const char *said;
	} times[] = {
		{ "1763778000", 1, "before everything" }, /* seconds */
		{ "0", 1, "before everything" },
		{ "1970-01-01T00:00:00Z", 1, "before everything" },
		{ "2300-01-01T00:00:00Z", 1, "is held up to" },
		{ "9999-01-01T00:00:00Z", 2, "is no time" },
		{ "' 5'", 2, "is no time" },
		{ "'5 '", 2, "is no time" },
		{ "+5", 2, "is no time" },
		{ "-1", 2, "is no time" },
		{ "0x10", 2, "is no time" },
		{ "''", 2, "is no time" },
		{ "' 2026-11-22T10:00:00Z'", 2, "is no time" },
		{ "'2026-11-22T 1:00:00Z'", 2, "is no time" },
		{ "'2026-11-22 10:00:00Z'", 2, "is no time" },
		{ "2026-11-22T10:00:00", 2, "is no time" },
		{ "2026-11-22T10:00:00+09:00", 2, "is no time" },
		{ "2026-11-22T10:00:00.Z", 2, "is no time" },
		{ "2026-11-22T10:00:00.1234567891Z", 2, "is no time" },
		{ "2026-1-22T10:00:00Z", 2, "is no time" },
		{ "99999999999999999999", 2, "is no time" },
		{ "LATEST", 2, "is no time" },
	};
	struct bed bed;
	char said[1024], first[32];
	time_t seconds;
	struct tm parts;

	bed_make(&bed, 73);
	must_run("backup create '%s' '%s'", bed.root, bed.backup);
	seconds = (time_t)(le64_get(shards_record(bed.shards, 0, 1).time_ns) / 1000000000u);
	gmtime_r(&seconds, &parts);
	strftime(first, sizeof(first), "%Y-%m-%dT%H:%M", &parts);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(times); i++) {
		if (say_run(said, "backup restore '%s' '%s' --to-time %s", bed.backup, bed.restored,
		        times[i].time) != times[i].status ||
		    strstr(said, times[i].said) == NULL)
			fail_msg("%s: %s", times[i].time, said);
		/* Which there are is said with it. */
		if (strcmp(times[i].said, "before everything") == 0 && strstr(said, first) == NULL)
			fail_msg("%s: no %s in %s", times[i].time, first, said);
	}
	/* LSNs that leave nothing. */
	assert_int_equal(say_run(said, "backup restore '%s' '%s' --to-lsn 0:0,1:0,2:0,3:0",
	                     bed.backup, bed.restored),
	    1);
	assert_non_null(strstr(said, "nothing would be left"));
	must_run("backup restore '%s' '%s' --to-time latest", bed.backup, bed.restored);
	root_is(bed.shards, bed.restored, bed.last);
	bed_remove(&bed);
}

TEST(a_slash_behind_a_name_changes_nothing)
{
	struct bed bed;

	bed_make(&bed, 74);
	must_run("backup create '%s/' '%s/'", bed.root, bed.backup);
	must_run("backup verify '%s/'", bed.backup);
	must_run("backup list '%s//'", bed.top);
	must_run("backup restore '%s//' '%s/'", bed.backup, bed.restored);
	root_is(bed.shards, bed.restored, bed.last);
	bed_remove(&bed);
}

/* Says who makes it while it is locked, as its maker locks it; then that it is left over. */
static void made_elsewhere(const char *directory, const char *command)
{
	char said[1024], wanted[80], make[200];
	int fd;

	snprintf(make, sizeof(make), "mkdir -p '%s'", directory);
	assert_int_equal(system(make), 0);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	snprintf(wanted, sizeof(wanted), "is being made now by process %d; wait", (int)getpid());
	assert_int_equal(say_run(said, "%s", command), 1);
	if (strstr(said, wanted) == NULL || strstr(said, "remove") != NULL)
		fail_msg("\"%s\" does not say \"%s\"", said, wanted);
	close(fd);
	assert_int_equal(say_run(said, "%s", command), 1);
	if (strstr(said, "cut short; remove it") == NULL)
		fail_msg("%s", said);
}

TEST(what_another_process_makes_is_not_called_left_over)
{
	struct bed bed;
	char command[400], directory[160];

	bed_make(&bed, 75);
	snprintf(command, sizeof(command), "backup create '%s' '%s'", bed.root, bed.backup);
	snprintf(directory, sizeof(directory), "%s.tmp", bed.backup);
	made_elsewhere(directory, command);
	root_remove(directory);
	must_run("%s", command);
	snprintf(command, sizeof(command), "backup restore '%s' '%s'", bed.backup, bed.restored);
	snprintf(directory, sizeof(directory), "%s/var/lib/sluice.restoring", bed.restored);
	made_elsewhere(directory, command);
	snprintf(command, sizeof(command), "reshard '%s' '%s/new' --shards 2", bed.root, bed.top);
	snprintf(directory, sizeof(directory), "%s/new/reshard.tmp", bed.top);
	made_elsewhere(directory, command);
	bed_remove(&bed);
}

TEST_MAIN()
