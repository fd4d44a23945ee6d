/* SPDX-License-Identifier: Apache-2.0 */
/* Damage to whole files: missing, truncated, half made, half renamed; journal.meta; the reader. */
#include <sys/file.h>

#include "dataplane/journal/keeper.h"
#include "tests/journal/harness.h"

/* Segments first..last, three batches of three events each; the last batches prove what precedes.
 */
static void chain(struct harness *harness, uint64_t first, uint64_t last)
{
	harness_begin(harness);
	harness_meta(harness, 1, 0);
	harness->at.next_lsn = (first - 1) * 9 + 1;
	harness->at.previous_checksum = first == 1 ? 0 : 77;
	for (uint64_t generation = first; generation <= last; generation++) {
		harness_segment(harness, generation);
		for (int i = 0; i < 3; i++) {
			uint64_t next = harness->at.next_lsn;

			harness_batch(harness, 3, next > 6 ? next - 4 : 0, NULL);
		}
	}
}

static void remove_segment(struct harness *harness, uint64_t generation)
{
	char name[JOURNAL_NAME_SIZE];

	journal_segment_name(name, generation);
	assert_int_equal(unlinkat(harness->directory_fd, name, 0), 0);
}

static void rename_segment(struct harness *harness, uint64_t from, uint64_t to)
{
	char from_name[JOURNAL_NAME_SIZE], to_name[JOURNAL_NAME_SIZE];

	journal_segment_name(from_name, from);
	journal_segment_name(to_name, to);
	assert_int_equal(
	    renameat(harness->directory_fd, from_name, harness->directory_fd, to_name), 0);
}

static const struct {
	uint64_t first, last, remove, from_lsn, floor_lsn;
	int result;
	uint64_t lsn; /* cut or damage */
} missing_cases[] = {
	{ 1, 3, 0, 1, 0, 0, 27 },          /* 0: all there */
	{ 1, 3, 2, 1, 0, -EBADMSG, 10 },   /* 1: one in the middle */
	{ 1, 3, 1, 1, 0, -EBADMSG, 1 },    /* 2: the oldest, still needed */
	{ 1, 3, 1, 12, 0, 0, 27 },         /* 3: the oldest, not needed */
	{ 1, 3, 3, 1, 0, 0, 18 },          /* 4: the newest: nothing left that knows of it ... */
	{ 1, 3, 3, 1, 19, -EBADMSG, 19 },  /* 5: ... but the store does */
	{ 1, 4, 2, 29, 0, -EBADMSG, 0 },   /* 6: a gap below what is needed: a file was removed */
	{ 5, 7, 0, 37, 0, 0, 63 },         /* 7: older ones recycled */
	{ 5, 7, 0, 36, 0, -EBADMSG, 36 },  /* 8: recycled too early */
	{ 5, 7, 0, 64, 63, 0, 63 },        /* 9: all of it is in the store */
	{ 5, 7, 0, 65, 64, -EBADMSG, 64 }, /* 10: the journal lost acknowledged events */
};

TEST(missing_segments)
{
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(missing_cases); i++) {
		struct journal_report report;
		struct harness harness;

		chain(&harness, missing_cases[i].first, missing_cases[i].last);
		if (missing_cases[i].remove != 0)
			remove_segment(&harness, missing_cases[i].remove);
		assert_case_equal(i,
		    harness_recover(
		        &harness, missing_cases[i].from_lsn, missing_cases[i].floor_lsn, &report),
		    missing_cases[i].result);
		assert_case_equal(i,
		    missing_cases[i].result == 0 ? report.cut_lsn : report.damage_lsn,
		    missing_cases[i].lsn);
		harness_end(&harness);
	}
}

TEST(damage_in_a_middle_segment_is_proved_by_a_later_one)
{
	struct journal_report report;
	struct harness harness;

	chain(&harness, 1, 3);
	/* All three batches of the second segment. */
	for (uint32_t i = 3; i < 6; i++)
		harness_zero(&harness, i, 0, 12288);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	assert_int_equal(report.damage_lsn, 10);
	assert_int_equal(report.floor_lsn, 21);
	harness_end(&harness);
}

TEST(cut_at_the_end_of_a_segment_discards_the_next_one_s_first_batch)
{
	struct journal_report report;
	struct harness harness;

	chain(&harness, 1, 1);
	/* In flight together: LSN 10 at the end of segment 1 (lost), LSN 13 in segment 2. */
	harness.at.next_lsn = 13;
	harness_segment(&harness, 2);
	harness_batch(&harness, 3, 9, NULL);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.cut_lsn, 9);
	assert_int_equal(report.batches_discarded, 1);
	assert_int_equal(report.end.generation, 1);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.batches_discarded, 0);
	harness_end(&harness);
}

TEST(valid_batches_far_behind_the_cut_lose_their_headers)
{
	struct journal_report report;
	struct harness harness;

	chain(&harness, 1, 1);
	harness_segment(&harness, 2);
	harness_segment(&harness, 3);
	harness.at.next_lsn = 40;
	harness_batch(&harness, 3, 9, NULL);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.batches_discarded, 1);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.batches_discarded, 0);
	harness_end(&harness);
}

TEST(empty_directory_is_a_new_journal)
{
	struct journal_report report;
	struct harness harness;
	uint64_t incarnation;

	harness_begin(&harness);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.end.generation, 1);
	assert_int_equal(report.end.offset, 0);
	assert_int_equal(report.end.next_lsn, 1);
	assert_int_equal(report.boot_counter, 1);
	assert_true(report.incarnation != 0);
	/* Crash before the first segment: the same journal. */
	incarnation = report.incarnation;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_true(report.incarnation == incarnation);
	assert_int_equal(report.boot_counter, 2);
	harness_end(&harness);
}

TEST(missing_directory_is_made)
{
	struct journal_report report;
	struct harness harness;
	char path[128];

	harness_begin(&harness);
	harness_path(&harness, "inner", path);
	harness.config.directory = path;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(unlinkat(harness.directory_fd, "inner/journal.meta", 0), 0);
	assert_int_equal(unlinkat(harness.directory_fd, "inner", AT_REMOVEDIR), 0);
	harness_end(&harness);
}

TEST(empty_directory_though_the_store_has_events_is_damage)
{
	struct journal_report report;
	struct harness harness;

	harness_begin(&harness);
	assert_int_equal(harness_recover(&harness, 1, 5, &report), -EBADMSG);
	assert_int_equal(harness_recover(&harness, 6, 0, &report), -EBADMSG);
	assert_int_equal(faccessat(harness.directory_fd, JOURNAL_META_NAME, F_OK, 0), -1);
	harness_end(&harness);
}

static void meta_corrupt(struct harness *harness, off_t at)
{
	int fd = openat(harness->directory_fd, JOURNAL_META_NAME, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

TEST(journal_meta_missing_damaged_or_of_another_shard_is_refused)
{
	struct journal_report report;
	struct harness harness;

	chain(&harness, 1, 2);
	harness.config.shard = HARNESS_SHARD + 1;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	harness.config.shard = HARNESS_SHARD;
	for (off_t at = 0; at < 4096; at += 511) {
		meta_corrupt(&harness, at);
		assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
		meta_corrupt(&harness, at);
	}
	assert_int_equal(unlinkat(harness.directory_fd, JOURNAL_META_NAME, 0), 0);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	/* Crash between the writing of the new page and the rename. */
	harness_meta(&harness, 1, 0);
	assert_true(
	    openat(harness.directory_fd, JOURNAL_META_NAME_NEW, O_CREAT | O_WRONLY, 0600) > 0);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.cut_lsn, 18);
	harness_end(&harness);
}

TEST(crash_while_a_segment_was_made)
{
	struct journal_report report;
	struct journal_keeper *keeper;
	struct harness harness;
	int fd;

	chain(&harness, 1, 2);
	fd = openat(harness.directory_fd, JOURNAL_NAME_NEW, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, 65536), 0);
	close(fd);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.cut_lsn, 18);
	assert_int_equal(journal_keeper_create(&keeper, &harness.config, &report.end), 0);
	assert_int_equal(faccessat(harness.directory_fd, JOURNAL_NAME_NEW, F_OK, 0), -1);
	journal_keeper_free(keeper);
	harness_end(&harness);
}

/* Segment 1 was being renamed to generation 4; the crash leaves the old name or the new one. */
TEST(crash_between_rename_and_directory_sync)
{
	for (int renamed = 0; renamed < 2; renamed++) {
		struct journal_report report;
		struct running running;
		struct harness harness;

		chain(&harness, 1, 3);
		if (renamed)
			rename_segment(&harness, 1, 4);
		assert_int_equal(harness_recover(&harness, 12, 11, &report), 0);
		assert_int_equal(report.cut_lsn, 27);
		assert_int_equal(report.end.generation, 3);
		running_start(&running, &harness, &report, 8);
		/* Into the recycled one: its old batches do not come back. */
		for (int i = 0; i < 12; i++)
			for (int j = 0; j < 25; j++)
				while (!running_event(&running, 4096))
					(void)running_drain(&running);
		assert_int_equal(running_drain(&running), 327);
		running_stop(&running);
		assert_int_equal(harness_recover(&harness, 12, 11, &report), 0);
		assert_int_equal(report.cut_lsn, 327);
		assert_int_equal(report.batches_discarded, 0);
		harness_end(&harness);
	}
}

TEST(segments_the_checkpoint_does_not_let_go_of_crowd_the_journal)
{
	struct journal_keeper *keeper;
	struct journal_report report;
	struct harness harness;

	chain(&harness, 1, 3);
	assert_int_equal(harness_recover(&harness, 12, 11, &report), 0);
	assert_int_equal(report.end.generation, 3);
	harness.config.segments_max = 3;
	harness.config.segments_ready = 1;
	assert_int_equal(journal_keeper_create(&keeper, &harness.config, &report.end), 0);
	/* Two are finished, with events 1 to 9 and 10 to 18; half of three is one. */
	assert_int_equal(journal_keeper_crowded(keeper, 0), 1);
	assert_int_equal(journal_keeper_crowded(keeper, 9), 1);
	assert_int_equal(journal_keeper_crowded(keeper, 10), 0);
	assert_int_equal(journal_keeper_crowded(keeper, 19), 0);
	journal_keeper_free(keeper);
	harness_end(&harness);
}

TEST(a_second_process_is_kept_out)
{
	struct journal_report report, second;
	struct journal_keeper *keeper;
	struct harness harness;

	chain(&harness, 1, 1);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(journal_keeper_create(&keeper, &harness.config, &report.end), 0);
	assert_int_equal(harness_recover(&harness, 1, 0, &second), -EBUSY);
	assert_non_null(strstr(second.damage, "in use"));
	journal_keeper_free(keeper);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	harness_end(&harness);
}

TEST(settings_out_of_range_are_refused)
{
	struct journal_report report;
	struct harness harness;

	harness_begin(&harness);
	harness.config.depth = LIMIT_JOURNAL_DEPTH_MAX + 1;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EINVAL);
	harness.config.depth = 1;
	harness.config.segment_size += 512;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EINVAL);
	harness_end(&harness);
}

TEST(volatile_file_system_is_refused)
{
	char directory[] = "/dev/shm/journal-test-XXXXXX", meta[64];
	struct journal_report report;
	struct harness harness;

	harness_begin(&harness);
	if (mkdtemp(directory) == NULL) {
		harness_end(&harness);
		skip();
	}
	harness.config.directory = directory;
	harness.config.allow_volatile = 0;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -ENOTSUP);
	assert_non_null(strstr(report.damage, "tmpfs"));
	harness.config.allow_volatile = 1;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	snprintf(meta, sizeof(meta), "%s/%s", directory, JOURNAL_META_NAME);
	unlink(meta);
	rmdir(directory);
	harness_end(&harness);
}

TEST(reader_seeks_across_segments_and_reports_what_is_broken)
{
	struct journal_reader *reader;
	struct journal_batch batch;
	struct harness harness;
	uint64_t oldest, newest;
	const char *why;

	chain(&harness, 5, 7);
	assert_int_equal(journal_reader_open(&reader, &harness.config), 0);
	assert_int_equal(journal_reader_range(reader, &oldest, &newest), 0);
	assert_int_equal(oldest, 5);
	assert_int_equal(newest, 7);
	for (uint64_t lsn = 37; lsn < 64; lsn++) {
		assert_int_equal(journal_reader_seek(reader, lsn), 0);
		for (uint64_t first = lsn - (lsn - 1) % 3; first < 64; first += 3) {
			assert_int_equal(journal_reader_next(reader, &batch, &why), 1);
			assert_int_equal(le64_get(batch.header.first_lsn), first);
			assert_int_equal(batch.generation, (first - 1) / 9 + 1);
		}
		assert_int_equal(journal_reader_next(reader, &batch, &why), 0);
	}
	assert_int_equal(journal_reader_seek(reader, 1), 0); /* begins after it */
	assert_int_equal(journal_reader_next(reader, &batch, &why), 1);
	assert_int_equal(le64_get(batch.header.first_lsn), 37);
	assert_int_equal(journal_reader_seek(reader, 64), 0); /* the next one to be written */
	assert_int_equal(journal_reader_next(reader, &batch, &why), 0);
	assert_int_equal(journal_reader_seek(reader, 65), -ENOENT);
	/* What comes later is seen without opening anew. */
	assert_int_equal(journal_reader_seek(reader, 64), 0);
	harness_batch(&harness, 2, 0, NULL);
	harness_segment(&harness, 8);
	harness_batch(&harness, 1, 0, NULL);
	assert_int_equal(journal_reader_next(reader, &batch, &why), 1);
	assert_int_equal(journal_reader_next(reader, &batch, &why), 1);
	assert_int_equal(batch.generation, 8);
	journal_reader_seek_position(reader, &harness.batches[4]);
	harness_flip(&harness, 4, 5000);
	assert_int_equal(journal_reader_next(reader, &batch, &why), -EBADMSG);
	assert_non_null(strstr(why, "body"));
	journal_reader_close(reader);
	harness_end(&harness);
}

TEST_MAIN()
