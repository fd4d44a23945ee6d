/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is had of a damaged journal, by where the log ends: batches of two events, LSN 1 to 16, four
 * in segment 1, four in segment 2 (batch i holds LSN 2i + 1 and 2i + 2).
 */
#include "tests/journal/harness.h"

#define BATCHES 8
#define NONE    0xff

static void base(struct harness *harness, uint64_t first_generation)
{
	harness_begin(harness);
	harness_meta(harness, 1, 0);
	harness_segment(harness, first_generation);
	for (uint32_t i = 0; i < BATCHES; i++) {
		if (i == BATCHES / 2)
			harness_segment(harness, first_generation + 1);
		harness_batch(harness, 2, i == 0 ? 0 : 2 * i, NULL);
	}
}

struct applied {
	uint64_t first, last;
};

static int note(void *context, const struct journal_batch *batch)
{
	struct applied *applied = context;
	uint64_t first = le64_get(batch->header.first_lsn);

	if (applied->first == 0)
		applied->first = first;
	else
		assert_int_equal(first, applied->last + 1);
	applied->last = journal_batch_last_lsn(&batch->header);
	return 0;
}

TEST(the_chain_goes_on_behind_what_the_log_holds)
{
	static const struct {
		uint64_t log_lsn;
		uint8_t damaged[3]; /* batches; NONE: no more */
		uint64_t last_lsn;  /* had by log and journal */
		uint64_t first;     /* given: from there on, 0 nothing */
		uint32_t holes;
		struct journal_hole hole; /* the first */
	} cases[] = {
		{ 0, { NONE }, 16, 1, 0, { 0 } },
		{ 16, { NONE }, 16, 0, 0, { 0 } },
		{ 9, { NONE }, 16, 9, 0, { 0 } }, /* the batch that holds the log's end too */
		{ 8, { 1, NONE }, 16, 9, 1, { 1, 0, 3, 4 } },
		{ 4, { 1, NONE }, 16, 5, 1, { 1, 0, 3, 4 } }, /* the log ends with the damage */
		{ 3, { 1, NONE }, 3, 0, 0, { 0 } },           /* one event of it is in neither */
		{ 2, { 1, NONE }, 2, 0, 0, { 0 } },
		{ 0, { 1, NONE }, 2, 1, 0, { 0 } },
		{ 12, { 0, NONE }, 16, 13, 1, { 1, 0, 1, 2 } },
		{ 12, { 3, 4, NONE }, 16, 13, 1, { 1, 0, 7, 10 } }, /* over a segment's end */
		{ 12, { 1, 4, NONE }, 16, 13, 2, { 1, 0, 3, 4 } },
		{ 4, { 1, 6, NONE }, 12, 5, 1, { 1, 0, 3, 4 } }, /* the second is above the log */
		{ 10, { 7, NONE }, 14, 11, 0, { 0 } },
		{ 14, { 7, NONE }, 14, 0, 0, { 0 } },
		{ 16, { 7, NONE }, 16, 0, 0, { 0 } },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct applied applied = { 0 };
		struct journal_salvage found;
		struct harness harness;

		base(&harness, 1);
		for (size_t k = 0; k < 3 && cases[i].damaged[k] != NONE; k++)
			harness_flip(&harness, cases[i].damaged[k], 300);
		assert_case_equal(i,
		    journal_salvage(&harness.config, cases[i].log_lsn, note, &applied, &found), 0);
		assert_case_equal(i, found.last_lsn, cases[i].last_lsn);
		assert_case_equal(i, applied.first, cases[i].first);
		assert_case_equal(i, applied.last, cases[i].first == 0 ? 0 : cases[i].last_lsn);
		assert_case_equal(i, found.hole_count, cases[i].holes);
		assert_case_equal(i, found.holes[0].from_lsn, cases[i].hole.from_lsn);
		assert_case_equal(i, found.holes[0].to_lsn, cases[i].hole.to_lsn);
		/* Headers are whole: they say what was durable, whatever can be had. */
		assert_case_equal(i, found.floor_lsn, 14);
		harness_end(&harness);
	}
}

/* A segment that is gone, and one whose first batch is damaged, which nothing precedes. */
TEST(segments_gone_or_headless)
{
	struct applied applied = { 0 };
	struct journal_salvage found;
	struct harness harness;
	char name[JOURNAL_NAME_SIZE];

	base(&harness, 1);
	journal_segment_name(name, 1);
	assert_int_equal(unlinkat(harness.directory_fd, name, 0), 0);
	assert_int_equal(journal_salvage(&harness.config, 8, note, &applied, &found), 0);
	assert_int_equal(applied.first, 9);
	assert_int_equal(found.last_lsn, 16);
	assert_int_equal(journal_salvage(&harness.config, 7, NULL, NULL, &found), 0);
	assert_int_equal(found.last_lsn, 7);
	harness_end(&harness);

	base(&harness, 5);
	harness_flip(&harness, 0, 300);
	applied = (struct applied){ 0 };
	assert_int_equal(journal_salvage(&harness.config, 3, note, &applied, &found), 0);
	assert_int_equal(applied.first, 3);
	assert_int_equal(found.last_lsn, 16);
	assert_int_equal(found.hole_count, 1);
	assert_int_equal(found.holes[0].from_lsn, 0);
	assert_int_equal(found.holes[0].to_lsn, 2);
	harness_end(&harness);
}

static void older_boot(struct journal_batch_header *header)
{
	header->boot_counter = le64_make(1);
}

/* What a start cut away, and a power cut left lying, is of an older boot. */
TEST(a_batch_of_an_older_boot_does_not_go_on)
{
	struct applied applied = { 0 };
	struct journal_salvage found;
	struct harness harness;

	harness_begin(&harness);
	harness_meta(&harness, 3, 0);
	harness_segment(&harness, 1);
	harness.boot_counter = 3;
	harness_batch(&harness, 2, 0, NULL);
	harness_batch(&harness, 2, 2, NULL);
	harness_batch(&harness, 2, 4, older_boot);
	harness_flip(&harness, 1, 300);
	assert_int_equal(journal_salvage(&harness.config, 4, note, &applied, &found), 0);
	assert_int_equal(found.last_lsn, 4);
	assert_int_equal(applied.first, 0);
	harness_end(&harness);
}

static int refuse(void *context, const struct journal_batch *batch)
{
	(void)context, (void)batch;
	return -EBADMSG;
}

TEST(it_ends_with_what_apply_says_and_with_what_journal_meta_says)
{
	struct journal_salvage found;
	struct harness harness;
	int fd;

	base(&harness, 1);
	assert_int_equal(journal_salvage(&harness.config, 4, refuse, NULL, &found), -EBADMSG);
	assert_int_equal(found.last_lsn, 4);
	fd = openat(harness.directory_fd, JOURNAL_META_NAME, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 20), 1);
	close(fd);
	assert_int_equal(journal_salvage(&harness.config, 4, NULL, NULL, &found), -EBADMSG);
	assert_int_equal(found.last_lsn, 4);
	assert_int_equal(unlinkat(harness.directory_fd, JOURNAL_META_NAME, 0), 0);
	assert_int_equal(journal_salvage(&harness.config, 4, NULL, NULL, &found), -ENOENT);
	harness_end(&harness);
}

TEST_MAIN()
