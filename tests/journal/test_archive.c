/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/journal/seal_fixture.h"

#define DAY_NS 86400000000000ull

static int count_file(void *context, const struct journal_archive_file *file)
{
	assert_true(file->seal.generation != 0);
	++*(unsigned *)context;
	return 0;
}

static unsigned count_archive(const struct sealing *sealing)
{
	unsigned count = 0;

	assert_int_equal(journal_archive_list(sealing->archive.directory, count_file, &count), 0);
	return count;
}

static void name_of(const struct sealing *sealing, uint64_t generation, char name[64])
{
	journal_archive_name(name, sealing->report.incarnation, generation);
}

TEST(archived_files_give_the_sealed_bytes_back)
{
	static uint8_t archived[HARNESS_SEGMENT], original[HARNESS_SEGMENT];
	struct journal_archive_file file;
	struct journal_check_report report;
	char name[64], segment[JOURNAL_NAME_SIZE], why[256];
	struct sealing sealing;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 4));
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(count_archive(&sealing), 3);
	for (uint64_t generation = 1; generation <= 3; generation++) {
		FILE *out = tmpfile();
		int fd;

		name_of(&sealing, generation, name);
		assert_int_equal(journal_archive_extract(sealing.archive.directory, name,
		                     fileno(out), &file, why, sizeof(why)),
		    0);
		assert_int_equal(file.seal.generation, generation);
		assert_int_equal(file.incarnation, sealing.report.incarnation);
		assert_int_equal(
		    pread(fileno(out), archived, sizeof(archived), 0), (ssize_t)file.seal.length);
		journal_segment_name(segment, generation);
		fd = openat(sealing.harness.directory_fd, segment, O_RDONLY);
		assert_int_equal(pread(fd, original, sizeof(original), 0), HARNESS_SEGMENT);
		assert_memory_equal(archived, original, file.seal.length);
		close(fd);
		fclose(out);
	}
	report = sealing_check(&sealing);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.archives, 3);
	/* The manifest lies beside them. */
	journal_archive_manifest_name(name, sealing.report.incarnation);
	{
		int fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);

		assert_int_equal(file_size(fd, name),
		    file_size(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME));
		close(fd);
	}
	sealing_end(&sealing);
}

/* An archive that is away: seals go on, nothing is recycled; it comes back: all is caught up. */
TEST(nothing_is_recycled_that_is_not_archived)
{
	char away[4400];
	struct sealing sealing;

	sealing_begin(&sealing, 1);
	sealing.running.checkpoint_lsn = UINT64_MAX;
	snprintf(away, sizeof(away), "%s-away", sealing.archive.directory);
	assert_true(sealing_fill(&sealing, 2));
	assert_int_equal(rename(sealing.archive.directory, away), 0);
	while (sealing_fill(&sealing, 1))
		(void)sealing_seal(&sealing);
	(void)sealing_seal(&sealing);
	assert_int_equal(sealing_status(&sealing).sealed_segment, 5);
	assert_int_equal(sealing_status(&sealing).archived_segment, 0);
	assert_int_equal(sealing_status(&sealing).archive_error, ENOENT);
	assert_true(sealing_status(&sealing).archive_errors > 0);
	assert_int_equal(sealing_status(&sealing).waiting_segments, 5);
	assert_int_equal(sealing.running.keeper->oldest_generation, 1);
	assert_int_equal(rename(away, sealing.archive.directory), 0);
	assert_int_equal(sealing_seal(&sealing), 0); /* waits for its second to be over */
	assert_int_equal(sealing_status(&sealing).archived_segment, 0);
	sealing.now_ns += 1000000000ull;
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).archived_segment, 5);
	assert_int_equal(sealing_status(&sealing).archive_error, 0);
	assert_int_equal(sealing_status(&sealing).waiting_segments, 0);
	sealing_keep(&sealing);
	assert_true(sealing_fill(&sealing, 2));
	assert_true(sealing.running.keeper->oldest_generation > 1);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing.running.checkpoint_lsn = 0;
	sealing_end(&sealing);
}

TEST(a_restart_knows_what_is_archived)
{
	struct sealing sealing;
	char name[64], path[4500];

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 4));
	assert_int_equal(sealing_seal(&sealing), 0);
	sealing_stop(&sealing);
	name_of(&sealing, 2, name);
	snprintf(path, sizeof(path), "%s/%s", sealing.archive.directory, name);
	assert_int_equal(unlink(path), 0); /* as if the crash came before it */
	sealing_start(&sealing);
	assert_int_equal(sealing_status(&sealing).archived_segment, 1);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).archived_segment, 3);
	assert_int_equal(sealing_status(&sealing).seals, 0);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing_end(&sealing);
}

/* An older copy of the journal goes on beside the archive of the newer one. */
TEST(what_another_copy_of_the_journal_archived_is_kept)
{
	struct sealing sealing;
	struct journal_archive_file file;
	struct journal_seal other;
	char name[64];
	int fd;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 4));
	assert_int_equal(sealing_seal(&sealing), 0);
	fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	name_of(&sealing, 2, name);
	assert_int_equal(journal_archive_header_read(fd, name, &file), 0);
	for (unsigned same = 0; same < 2; same++) {
		struct journal_archive_writer writer = { .directory_fd = -1, .fd = -1 };

		other = file.seal;
		if (!same)
			other.sha256[0] = other.sha256[0] == '0' ? '1' : '0';
		assert_int_equal(journal_archive_begin(&writer, sealing.archive.directory), 0);
		assert_int_equal(journal_archive_add(&writer, (const uint8_t *)"other", 5), 0);
		assert_int_equal(journal_archive_finish(&writer, sealing.harness.config.shard,
		                     sealing.report.incarnation, &other),
		    same ? 0 : -EEXIST);
		journal_archive_free(&writer);
		if (!same)
			assert_int_equal(sealing_check(&sealing).bad, 0);
	}
	close(fd);
	sealing_end(&sealing);
}

TEST(the_archive_tells_up_to_where_a_journal_was_sealed)
{
	const char *directory;
	struct sealing sealing;
	uint64_t sealed_lsn, incarnation;
	uint32_t shard;

	sealing_begin(&sealing, 1);
	directory = sealing.archive.directory;
	incarnation = sealing.report.incarnation;
	shard = sealing.harness.config.shard;
	assert_int_equal(journal_archive_sealed_lsn(directory, shard, incarnation), 0);
	assert_true(sealing_fill(&sealing, 4));
	assert_int_equal(sealing_seal(&sealing), 0);
	sealed_lsn = sealing_status(&sealing).sealed_lsn;
	assert_true(sealed_lsn > 0);
	assert_int_equal(journal_archive_sealed_lsn(directory, shard, incarnation), sealed_lsn);
	assert_int_equal(journal_archive_sealed_lsn(directory, shard + 1, incarnation), 0);
	assert_int_equal(journal_archive_sealed_lsn(directory, shard, incarnation + 1), 0);
	assert_int_equal(journal_archive_sealed_lsn("/nowhere", shard, incarnation), 0);
	sealing_end(&sealing);
}

/* Begun anew it would never fit the archive's copy, and nothing be archived any more. */
TEST(a_manifest_that_only_the_archive_has_is_asked_for)
{
	struct sealing sealing;
	char name[64], copy[4500], back[4500], command[9100];

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 3));
	assert_int_equal(sealing_seal(&sealing), 0);
	sealing_stop(&sealing);
	assert_int_equal(unlinkat(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME, 0), 0);
	assert_int_equal(harness_recover(&sealing.harness, sealing.running.checkpoint_lsn + 1,
	                     sealing.running.checkpoint_lsn, &sealing.report),
	    0);
	running_start(&sealing.running, &sealing.harness, &sealing.report, 16);
	assert_int_equal(
	    journal_sealer_create(&sealing.sealer, &sealing.harness.config, &sealing.archive,
	        sealing.running.keeper, sealing.message, sizeof(sealing.message)),
	    -EBADMSG);
	journal_archive_manifest_name(name, sealing.report.incarnation);
	snprintf(copy, sizeof(copy), "%s/%s", sealing.archive.directory, name);
	snprintf(
	    back, sizeof(back), "%s/%s", sealing.harness.config.directory, JOURNAL_MANIFEST_NAME);
	snprintf(command, sizeof(command), "copy %s to %s,", copy, back);
	if (strstr(sealing.message, command) == NULL)
		fail_msg("%s", sealing.message);
	/* As it says. */
	snprintf(command, sizeof(command), "cp '%s' '%s'", copy, back);
	assert_int_equal(system(command), 0);
	assert_int_equal(
	    journal_sealer_create(&sealing.sealer, &sealing.harness.config, &sealing.archive,
	        sealing.running.keeper, sealing.message, sizeof(sealing.message)),
	    0);
	assert_true(sealing_fill(&sealing, 1));
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_true(sealing_status(&sealing).archived_segment > 2);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing_end(&sealing);
}

/* A sealed segment that changed is not archived as if it were what was sealed. */
TEST(a_segment_changed_behind_its_seal_is_not_archived)
{
	struct sealing sealing;
	char segment[JOURNAL_NAME_SIZE], directory[4300];

	sealing_begin(&sealing, 1);
	memcpy(directory, sealing.archive.directory, sizeof(directory));
	sealing_stop(&sealing);
	sealing.archive.directory[0] = '\0';
	sealing_start(&sealing);
	assert_true(sealing_fill(&sealing, 3));
	assert_int_equal(sealing_seal(&sealing), 0);
	sealing_stop(&sealing);
	journal_segment_name(segment, 1);
	file_flip(sealing.harness.directory_fd, segment, 28 * 9 * 4096 - 1);
	memcpy(sealing.archive.directory, directory, sizeof(directory));
	sealing_start(&sealing);
	(void)sealing_seal(&sealing);
	assert_int_equal(sealing_status(&sealing).archive_error, EBADMSG);
	assert_int_equal(sealing_status(&sealing).archived_segment, 0);
	assert_int_equal(count_archive(&sealing), 0);
	sealing_end(&sealing);
}

TEST(damage_in_the_archive_is_found)
{
	struct journal_check_report report;
	struct journal_archive_file file;
	char name[64], path[4500], why[256];
	struct sealing sealing;
	uint64_t size;
	int fd;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 4));
	assert_int_equal(sealing_seal(&sealing), 0);
	name_of(&sealing, 2, name);
	fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	size = file_size(fd, name);
	for (off_t at = 0; at < (off_t)size; at += (off_t)size / 50) {
		file_flip(fd, name, at);
		assert_int_equal(journal_archive_extract(
		                     sealing.archive.directory, name, -1, &file, why, sizeof(why)),
		    -EBADMSG);
		report = sealing_check(&sealing);
		assert_int_equal(report.bad, 1);
		assert_int_equal(report.bad_generation, 2);
		assert_non_null(strstr(report.what, name));
		file_flip(fd, name, at);
	}
	assert_int_equal(sealing_check(&sealing).bad, 0);
	/* Cut short, one byte too many, another segment under its name. */
	snprintf(path, sizeof(path), "%s/%s", sealing.archive.directory, name);
	assert_int_equal(truncate(path, (off_t)size + 1), 0);
	assert_int_equal(sealing_check(&sealing).bad, 1);
	assert_int_equal(truncate(path, (off_t)size - 1), 0);
	assert_int_equal(sealing_check(&sealing).bad, 1);
	name_of(&sealing, 3, name);
	assert_int_equal(unlinkat(fd, path + strlen(sealing.archive.directory) + 1, 0), 0);
	assert_int_equal(linkat(fd, name, AT_FDCWD, path, 0), 0);
	report = sealing_check(&sealing);
	assert_int_equal(report.bad, 1);
	assert_non_null(strstr(report.what, "another segment"));
	close(fd);
	sealing_end(&sealing);
}

static void newer(struct journal_archive_header *header)
{
	header->version = le16_make(JOURNAL_ARCHIVE_VERSION + 1);
}

/* A journal.meta with it could not be read. */
static void incarnation_zero(struct journal_archive_header *header)
{
	header->incarnation = le64_make(0);
}

static void generation_zero(struct journal_archive_header *header)
{
	header->generation = le64_make(0);
}

/* A journal made of it would begin behind the last LSN there is. */
static void lsn_zero(struct journal_archive_header *header)
{
	header->first_lsn = le64_make(0);
}

static void lsn_backwards(struct journal_archive_header *header)
{
	header->last_lsn = le64_make(le64_get(header->first_lsn) - 1);
}

TEST(an_archive_file_whose_header_is_newer_or_makes_no_sense_is_refused)
{
	static const struct {
		void (*change)(struct journal_archive_header *header);
		int result;
		const char *why;
	} cases[] = {
		{ newer, -EPROTO, "newer version" },
		{ incarnation_zero, -EBADMSG, "damaged" },
		{ generation_zero, -EBADMSG, "damaged" },
		{ lsn_zero, -EBADMSG, "damaged" },
		{ lsn_backwards, -EBADMSG, "damaged" },
	};
	struct journal_archive_header whole;
	struct journal_archive_file file;
	struct sealing sealing;
	char name[64], why[256];
	int directory, fd;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 2));
	assert_int_equal(sealing_seal(&sealing), 0);
	name_of(&sealing, 1, name);
	directory = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	fd = openat(directory, name, O_RDWR);
	assert_int_equal(pread(fd, &whole, sizeof(whole), 0), sizeof(whole));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct journal_archive_header header = whole;

		cases[i].change(&header);
		header.checksum = le64_make(
		    XXH3_128bits(&header, offsetof(struct journal_archive_header, checksum)).low64);
		assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
		assert_case_equal(i,
		    journal_archive_extract(
		        sealing.archive.directory, name, -1, &file, why, sizeof(why)),
		    cases[i].result);
		assert_non_null(strstr(why, cases[i].why));
	}
	close(fd);
	close(directory);
	sealing_end(&sealing);
}

/* The copy of the manifest is gone on with; another history in its place is not written over. */
TEST(the_copy_of_the_manifest_heals_a_torn_end_and_nothing_else)
{
	struct sealing sealing;
	char name[64];
	uint64_t size;
	int directory, fd;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 3));
	assert_int_equal(sealing_seal(&sealing), 0);
	directory = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	journal_archive_manifest_name(name, sealing.report.incarnation);
	size = file_size(directory, name);
	fd = openat(directory, name, O_RDWR);
	assert_int_equal(pwrite(fd, "torn", 4, (off_t)size - 9), 4);
	assert_int_equal(journal_archive_manifest_copy(sealing.archive.directory,
	                     sealing.harness.directory_fd, sealing.report.incarnation, size),
	    0);
	assert_int_equal(file_size(directory, name), size);
	assert_int_equal(journal_archive_manifest_copy(sealing.archive.directory,
	                     sealing.harness.directory_fd, sealing.report.incarnation, size),
	    0);
	assert_int_equal(pwrite(fd, "X", 1, 3), 1);
	assert_int_equal(journal_archive_manifest_copy(sealing.archive.directory,
	                     sealing.harness.directory_fd, sealing.report.incarnation, size),
	    -EBADMSG);
	close(fd);
	close(directory);
	sealing_end(&sealing);
}

TEST(retention_by_age_and_by_bytes_takes_the_oldest)
{
	struct journal_archive_keep keep;
	struct sealing sealing;

	sealing_begin(&sealing, 1);
	sealing.running.checkpoint_lsn = UINT64_MAX;
	for (int i = 0; i < 6; i++) {
		assert_true(sealing_fill(&sealing, 1));
		assert_int_equal(sealing_seal(&sealing), 0);
	}
	assert_int_equal(count_archive(&sealing), 5);
	/* Event time of the last event of segment 2 is 10 ns * its LSN. */
	keep = (struct journal_archive_keep){ .before_ns = 10 * 2 * 8 * 28 + 1,
		.incarnation = sealing.report.incarnation,
		.generation = 5 };
	assert_int_equal(journal_archive_retain(sealing.archive.directory, &keep), 0);
	assert_int_equal(keep.removed, 2);
	assert_int_equal(keep.files, 3);
	assert_int_equal(count_archive(&sealing), 3);
	keep = (struct journal_archive_keep){ .bytes_max = keep.bytes - 1,
		.incarnation = sealing.report.incarnation,
		.generation = 5 };
	assert_int_equal(journal_archive_retain(sealing.archive.directory, &keep), 0);
	assert_int_equal(keep.removed, 1);
	/* What is still a segment of the journal stays, however little may be kept. */
	keep = (struct journal_archive_keep){
		.bytes_max = 1, .incarnation = sealing.report.incarnation, .generation = 4
	};
	assert_int_equal(journal_archive_retain(sealing.archive.directory, &keep), 0);
	assert_int_equal(keep.removed, 0);
	assert_int_equal(count_archive(&sealing), 2);
	sealing.running.checkpoint_lsn = 0;
	sealing_end(&sealing);
}

/* All before the jump are years old at once, and were sealed a moment ago. */
TEST(a_clock_that_jumped_under_load_leaves_the_newer_half)
{
	static const struct {
		uint64_t jump_days, step_days;
		uint64_t removed;
	} cases[] = { { 2920, 3, 0 }, { 9, 3, 0 }, { 2, 3, 0 }, { 2920, 0, 3 } };

	for (unsigned k = 0; k < SLUICE_ARRAY_COUNT(cases); k++) {
		struct journal_archive_keep keep;
		struct sealing sealing;

		sealing_begin(&sealing, 1);
		sealing.running.checkpoint_lsn = UINT64_MAX;
		for (int i = 0; i < 6; i++) {
			assert_true(sealing_fill(&sealing, 1));
			assert_int_equal(sealing_seal(&sealing), 0);
		}
		keep = (struct journal_archive_keep){ .newest_ns = cases[k].jump_days * DAY_NS,
			.before_ns = cases[k].jump_days < 6 ? 0 : (cases[k].jump_days - 6) * DAY_NS,
			.step_max_ns = cases[k].step_days * DAY_NS,
			.incarnation = sealing.report.incarnation,
			.generation = 4 };
		assert_int_equal(journal_archive_retain(sealing.archive.directory, &keep), 0);
		assert_int_equal(keep.removed, cases[k].removed);
		sealing.running.checkpoint_lsn = 0;
		sealing_end(&sealing);
	}
}

/* The sealer's own look: hourly, by the clock and never by a clock ahead of the events. */
TEST(a_clock_ahead_takes_nothing_away)
{
	struct sealing sealing;

	sealing_begin(&sealing, 1);
	sealing.archive.keep_days = 1;
	sealing_stop(&sealing);
	sealing.archive.keep_days = 1;
	sealing_start(&sealing);
	sealing.running.checkpoint_lsn = UINT64_MAX;
	for (int i = 0; i < 6; i++) {
		assert_true(sealing_fill(&sealing, 1));
		assert_int_equal(sealing_seal(&sealing), 0);
	}
	sealing.now_ns += 4000 * DAY_NS;
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).archive_removed, 0);
	assert_int_equal(sealing_status(&sealing).archive_files, 5);
	sealing.running.checkpoint_lsn = 0;
	sealing_end(&sealing);
}

TEST_MAIN()
