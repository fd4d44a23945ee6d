/* SPDX-License-Identifier: Apache-2.0 */
/* journal.archive: an archive that is gone told from a new one, gaps from what retention took. */
#include "dataplane/journal/archive_mark.h"
#include "tests/journal/seal_fixture.h"

static void said(const struct sealing *sealing, const char *what)
{
	if (strstr(sealing->message, what) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", what, sealing->message);
}

static struct journal_archive_mark mark_of(const struct sealing *sealing)
{
	struct journal_archive_mark mark;

	assert_int_equal(journal_archive_mark_read(sealing->harness.directory_fd,
	                     sealing->harness.config.shard, sealing->report.incarnation, &mark),
	    0);
	return mark;
}

static void mark_away(const struct sealing *sealing)
{
	assert_int_equal(unlinkat(sealing->harness.directory_fd, JOURNAL_ARCHIVE_MARK_NAME, 0), 0);
}

/* A journal whose first segments were used again, with an archive or without one; stopped. */
static void old_journal(struct sealing *sealing, int with_archive)
{
	sealing_begin(sealing, with_archive);
	sealing->running.checkpoint_lsn = UINT64_MAX;
	for (int i = 0; i < 6; i++) {
		assert_true(sealing_fill(sealing, 1));
		assert_int_equal(sealing_seal(sealing), 0);
	}
	sealing_keep(sealing);
	assert_true(sealing->running.keeper->oldest_generation > 2);
	/* Recovery reads from the oldest segment on. */
	sealing->running.checkpoint_lsn = sealing_status(sealing).sealed_lsn;
	sealing_stop(sealing);
}

static void again(struct sealing *sealing)
{
	sealing_stop(sealing);
	sealing_open(sealing);
}

/* Another folder; the one of before keeps its files. */
static void archive_change(struct sealing *sealing, const char *name)
{
	snprintf(sealing->archive.directory, sizeof(sealing->archive.directory), "%s-%s",
	    sealing->harness.directory, name);
	snprintf(sealing->archive.name, sizeof(sealing->archive.name), "%s", name);
	if (mkdir(sealing->archive.directory, 0700) != 0)
		assert_int_equal(errno, EEXIST);
}

static void file_remove(const struct sealing *sealing, uint64_t generation)
{
	char name[64], path[4500];

	journal_archive_name(name, sealing->report.incarnation, generation);
	snprintf(path, sizeof(path), "%s/%s", sealing->archive.directory, name);
	assert_int_equal(unlink(path), 0);
}

TEST(a_mark_is_read_as_it_was_written_and_damage_is_no_mark)
{
	struct journal_archive_mark mark = { .shard = 3, .incarnation = 77, .from = 5 }, read;
	struct sealing sealing;
	uint64_t size;
	int fd;

	sealing_begin(&sealing, 0);
	fd = sealing.harness.directory_fd;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(mark.directory, sizeof(mark.directory), "%s",
		    i == 0   ? ""
		    : i == 1 ? "archive"
		             : "/mnt/a \"name\"\t\xc3\xa9 from 9");
		assert_int_equal(journal_archive_mark_write(fd, &mark), 0);
		assert_int_equal(journal_archive_mark_read(fd, 3, 77, &read), 0);
		assert_int_equal(read.from, 5);
		assert_string_equal(read.directory, mark.directory);
	}
	assert_int_equal(journal_archive_mark_read(fd, 2, 77, &read), -ENOENT);
	assert_int_equal(journal_archive_mark_read(fd, 3, 78, &read), -ENOENT);
	size = file_size(fd, JOURNAL_ARCHIVE_MARK_NAME);
	for (uint64_t at = 0; at < size; at++) {
		file_flip(fd, JOURNAL_ARCHIVE_MARK_NAME, (off_t)at);
		assert_case_equal(at, journal_archive_mark_read(fd, 3, 77, &read), -EBADMSG);
		file_flip(fd, JOURNAL_ARCHIVE_MARK_NAME, (off_t)at);
	}
	assert_int_equal(journal_archive_mark_read(fd, 3, 77, &read), 0);
	snprintf(mark.directory, sizeof(mark.directory), "two\nlines");
	assert_int_equal(journal_archive_mark_write(fd, &mark), -EINVAL);
	assert_int_equal(journal_archive_mark_read(fd, 3, 77, &read), 0);
	mark_away(&sealing);
	assert_int_equal(journal_archive_mark_read(fd, 3, 77, &read), -ENOENT);
	sealing_end(&sealing);
}

/* The switch is old, its archive new: that is said, and nothing is missing. */
TEST(a_new_archive_of_an_old_journal_is_no_lost_one)
{
	struct sealing sealing;
	uint64_t oldest;

	old_journal(&sealing, 0);
	sealing_open(&sealing);
	assert_string_equal(sealing.message, "");
	assert_string_equal(mark_of(&sealing).directory, "");
	sealing_stop(&sealing);
	archive_change(&sealing, "archive");
	sealing_open(&sealing);
	oldest = mark_of(&sealing).from;
	assert_true(oldest > 2);
	said(&sealing, "begins with segment");
	said(&sealing, "take a backup");
	assert_int_equal(sealing_status(&sealing).archive_lacks, 0);
	assert_string_equal(mark_of(&sealing).directory, "archive");
	again(&sealing);
	assert_string_equal(sealing.message, "");
	assert_int_equal(mark_of(&sealing).from, oldest);
	sealing_end(&sealing);
}

TEST(an_archive_that_is_gone_is_said_at_each_start_until_it_is_back)
{
	struct sealing sealing;
	char away[4400], command[14000];

	old_journal(&sealing, 1);
	snprintf(away, sizeof(away), "%s-away", sealing.archive.directory);
	assert_int_equal(rename(sealing.archive.directory, away), 0);
	assert_int_equal(mkdir(sealing.archive.directory, 0700), 0);
	for (int i = 0; i < 2; i++) {
		sealing_open(&sealing);
		said(&sealing, "has not what was archived");
		said(&sealing, sealing.archive.directory);
		assert_true(sealing_status(&sealing).archive_lacks >= 2);
		assert_int_equal(mark_of(&sealing).from, 1);
		assert_true(sealing_check(&sealing).lost >= 2);
		sealing_stop(&sealing);
	}
	snprintf(command, sizeof(command), "cp '%s'/* '%s' && rm -r '%s'", away,
	    sealing.archive.directory, away);
	assert_int_equal(system(command), 0);
	sealing_start(&sealing);
	assert_int_equal(sealing_status(&sealing).archive_lacks, 0);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing_stop(&sealing);
	/* One in front, or the newest: others that are there hide nothing. */
	file_remove(&sealing, 1);
	sealing_open(&sealing);
	said(&sealing, "has not what was archived");
	sealing_stop(&sealing);
	/* Given up, as it says. */
	mark_away(&sealing);
	sealing_start(&sealing);
	assert_int_equal(mark_of(&sealing).from, 2);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing_end(&sealing);
}

TEST(another_archive_and_none_are_said_once)
{
	struct sealing sealing;
	char first[4300], command[14000];
	uint64_t oldest;

	old_journal(&sealing, 1);
	snprintf(first, sizeof(first), "%s", sealing.archive.directory);
	archive_change(&sealing, "other");
	sealing_open(&sealing);
	said(&sealing, "the archive is other now");
	said(&sealing, "archived before is in archive");
	assert_int_equal(sealing_status(&sealing).archive_lacks, 0);
	oldest = mark_of(&sealing).from;
	assert_true(oldest > 2);
	again(&sealing);
	assert_string_equal(sealing.message, "");
	sealing_stop(&sealing);
	folder_remove(sealing.archive.directory);
	/* Moved: what it had before counts on. */
	archive_change(&sealing, "third");
	snprintf(command, sizeof(command), "cp '%s'/* '%s'", first, sealing.archive.directory);
	assert_int_equal(system(command), 0);
	sealing_open(&sealing);
	assert_string_equal(sealing.message, "");
	assert_int_equal(mark_of(&sealing).from, oldest);
	sealing_stop(&sealing);
	folder_remove(sealing.archive.directory);
	sealing.archive.directory[0] = sealing.archive.name[0] = '\0';
	sealing_open(&sealing);
	said(&sealing, "there is no archive any more");
	said(&sealing, "it was third");
	again(&sealing);
	assert_string_equal(sealing.message, "");
	folder_remove(first);
	sealing_end(&sealing);
}

/* Of a program that made no marks: it cannot be told, and is said so, once. */
TEST(without_a_mark_an_archive_that_knows_nothing_may_be_either)
{
	struct sealing sealing;

	old_journal(&sealing, 1);
	mark_away(&sealing);
	/* All is there: it goes on. */
	sealing_start(&sealing);
	assert_int_equal(mark_of(&sealing).from, 1);
	/* A damaged one is none, and is said. */
	file_flip(sealing.harness.directory_fd, JOURNAL_ARCHIVE_MARK_NAME, 30);
	again(&sealing);
	said(&sealing, "journal.archive was damaged and is made anew");
	assert_int_equal(mark_of(&sealing).from, 1);
	sealing_stop(&sealing);
	mark_away(&sealing);
	folder_remove(sealing.archive.directory);
	assert_int_equal(mkdir(sealing.archive.directory, 0700), 0);
	sealing_open(&sealing);
	said(&sealing, "no mark tells whether it is gone or new");
	assert_true(sealing_status(&sealing).archive_lacks >= 2);
	again(&sealing);
	assert_string_equal(sealing.message, "");
	assert_int_equal(sealing_status(&sealing).archive_lacks, 0);
	sealing_end(&sealing);
}

TEST(gaps_are_named_and_what_retention_takes_is_none)
{
	struct sealing sealing;
	struct journal_check_report report;

	old_journal(&sealing, 1);
	sealing.archive.keep_bytes = 1;
	sealing_start(&sealing);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_true(sealing_status(&sealing).archive_removed >= 2);
	assert_true(mark_of(&sealing).from > sealing_status(&sealing).archive_removed);
	report = sealing_check(&sealing);
	assert_int_equal(report.bad, 0);
	assert_true(report.archives_missing >= 2);
	assert_int_equal(report.lost, 0);
	again(&sealing);
	assert_string_equal(sealing.message, "");
	assert_int_equal(sealing_status(&sealing).archive_lacks, 0);
	sealing_end(&sealing);
	/* The first, and then nothing else: no file tells of it, the mark does. */
	old_journal(&sealing, 1);
	sealing_start(&sealing);
	file_remove(&sealing, 1);
	report = sealing_check(&sealing);
	assert_int_equal(report.lost, 1);
	assert_string_equal(report.lost_text, "1");
	assert_int_equal(report.bad_lsn, 1);
	file_remove(&sealing, 2);
	assert_string_equal(sealing_check(&sealing).lost_text, "1 to 2");
	sealing_end(&sealing);
}

/* The copy beside the files is the journal's own manifest. */
TEST(the_copy_of_the_manifest_is_held_against_the_journals)
{
	struct journal_manifest_header header = { .first_generation = 1 };
	struct journal_manifest fresh;
	struct sealing sealing;
	char name[64], path[4500];
	int fd;

	old_journal(&sealing, 1);
	sealing_start(&sealing);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	journal_archive_manifest_name(name, sealing.report.incarnation);
	snprintf(path, sizeof(path), "%s/%s", sealing.archive.directory, name);
	assert_int_equal(truncate(path, 300), 0);
	assert_int_equal(sealing_check(&sealing).bad, 1); /* shorter than the files go */
	assert_int_equal(unlink(path), 0);
	assert_non_null(strstr(sealing_check(&sealing).what, "is missing"));
	/* Of another copy of the journal: the same names, another chain. */
	header.shard = sealing.harness.config.shard;
	header.incarnation = sealing.report.incarnation;
	memset(header.follows, 'a', sizeof(header.follows) - 1);
	fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	assert_int_equal(journal_manifest_create(fd, &header, &fresh), 0);
	assert_int_equal(renameat(fd, JOURNAL_MANIFEST_NAME, fd, name), 0);
	close(fd);
	assert_non_null(strstr(sealing_check(&sealing).what, "differ"));
	/* The journal is the older of both. */
	assert_int_equal(unlink(path), 0);
	again(&sealing);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	snprintf(
	    path, sizeof(path), "%s/%s", sealing.harness.config.directory, JOURNAL_MANIFEST_NAME);
	assert_int_equal(
	    truncate(
	        path, (off_t)file_size(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME) - 300),
	    0);
	assert_true(sealing_check(&sealing).bad > 0);
	sealing_end(&sealing);
}

TEST_MAIN()
