/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every torn, lost, reordered and damaged case of the format. The base image, depth 2:
 *
 *   batch            0     1     2     3
 *   LSNs            1-3   4-6   7-9  10-12     each batch three blocks of 4 KiB
 *   durable_through  0     3     3     6      so A = 6 as long as the header of batch 3 is intact
 */
#include <xxhash.h>

#include "tests/journal/harness.h"

static void (*change_last)(struct journal_batch_header *header);

static void base(struct harness *harness)
{
	harness_begin(harness);
	harness_meta(harness, 1, 0);
	harness_segment(harness, 1);
	harness_batch(harness, 3, 0, NULL);
	harness_batch(harness, 3, 3, NULL);
	harness_batch(harness, 3, 3, NULL);
	harness_batch(harness, 3, 6, change_last);
}

static void other_shard(struct journal_batch_header *header)
{
	header->shard = le16_make(HARNESS_SHARD + 1);
}

static void other_incarnation(struct journal_batch_header *header)
{
	header->incarnation = le64_make(HARNESS_INCARNATION + 1);
}

static void older_generation(struct journal_batch_header *header)
{
	header->segment_generation = le64_make(0);
}

static void later_generation(struct journal_batch_header *header)
{
	header->segment_generation = le64_make(9);
}

static void other_chain(struct journal_batch_header *header)
{
	header->previous_checksum = le64_make(1);
}

static void other_offset(struct journal_batch_header *header)
{
	header->segment_offset = le64_make(0);
}

static void other_lsn(struct journal_batch_header *header)
{
	header->first_lsn = le64_make(le64_get(header->first_lsn) + 1);
}

static void boot_ahead(struct journal_batch_header *header)
{
	header->boot_counter = le64_make(2);
}

static void boot_behind(struct journal_batch_header *header)
{
	header->boot_counter = le64_make(0);
}

static void impossible_durable(struct journal_batch_header *header)
{
	header->durable_through = header->first_lsn;
}

static void impossible_count(struct journal_batch_header *header)
{
	header->event_count = le32_make(0);
}

enum damage { KEEP, ZERO, FLIP, TRUNCATE };

struct recover_case {
	const char *name;
	enum damage damage;
	uint32_t batch;
	uint64_t from, size;
	void (*change)(struct journal_batch_header *header);
	uint64_t floor_lsn;
	int result;
	uint64_t lsn; /* of the cut, or of the damage */
	uint64_t discarded;
};

static const struct recover_case cases[] = {
	/* Nothing wrong. */
	{ "intact", KEEP, 0, 0, 0, NULL, 0, 0, 12, 0 },
	{ "intact, all of it known to the store", KEEP, 0, 0, 0, NULL, 12, 0, 12, 0 },
	/* Crash while the last batch was written. */
	{ "torn header", ZERO, 3, 64, 448, NULL, 0, 0, 9, 0 },
	{ "torn body at 512 B", ZERO, 3, 512, 11000, NULL, 0, 0, 9, 0 },
	{ "torn body at 4 KiB", ZERO, 3, 4096, 8192, NULL, 0, 0, 9, 0 },
	{ "first sectors lost, rest written", ZERO, 3, 0, 4096, NULL, 0, 0, 9, 0 },
	{ "lost last write", ZERO, 3, 0, 12288, NULL, 0, 0, 9, 0 },
	{ "bit flip in the last header", FLIP, 3, 40, 0, NULL, 0, 0, 9, 0 },
	{ "bit flip in the last header's checksum", FLIP, 3, 120, 0, NULL, 0, 0, 9, 0 },
	{ "bit flip in the last body", FLIP, 3, 9000, 0, NULL, 0, 0, 9, 0 },
	{ "bit flip in the padding harms nothing", FLIP, 3, 12280, 0, NULL, 0, 0, 12, 0 },
	{ "batch N missing, N+1 present, above the floor", ZERO, 2, 0, 12288, NULL, 0, 0, 6, 1 },
	{ "batch N torn, N+1 present, above the floor", ZERO, 2, 4096, 4096, NULL, 0, 0, 6, 1 },
	{ "segment truncated in the last batch", TRUNCATE, 3, 5000, 0, NULL, 0, 0, 9, 0 },
	{ "segment truncated behind the last batch", TRUNCATE, 3, 12288, 0, NULL, 0, 0, 12, 0 },
	/* The same at or below the floor. */
	{ "batch N missing, N+1 proves it durable", ZERO, 1, 0, 12288, NULL, 0, -EBADMSG, 4, 2 },
	{ "first batch missing", ZERO, 0, 0, 12288, NULL, 0, -EBADMSG, 1, 3 },
	{ "bit flip in a durable header", FLIP, 1, 50, 0, NULL, 0, -EBADMSG, 4, 2 },
	{ "bit flip in a durable body", FLIP, 1, 12000, 0, NULL, 0, -EBADMSG, 4, 2 },
	{ "torn body at 512 B of a durable batch", ZERO, 1, 512, 3584, NULL, 0, -EBADMSG, 4, 2 },
	{ "lost last write the store knows of", ZERO, 3, 0, 12288, NULL, 10, -EBADMSG, 10, 0 },
	{ "N missing, the store knows of it", ZERO, 2, 0, 12288, NULL, 7, -EBADMSG, 7, 1 },
	{ "store ahead of the whole journal", KEEP, 0, 0, 0, NULL, 13, -EBADMSG, 13, 0 },
	{ "segment truncated below the floor", TRUNCATE, 1, 4096, 0, NULL, 6, -EBADMSG, 4, 0 },
	/* Valid batches that do not belong here. */
	{ "stale batch of an older generation", KEEP, 0, 0, 0, older_generation, 0, 0, 9, 0 },
	{ "misdirected: of a later segment", KEEP, 0, 0, 0, later_generation, 0, 0, 9, 0 },
	{ "misdirected: of another offset", KEEP, 0, 0, 0, other_offset, 0, 0, 9, 0 },
	{ "misdirected: of another shard", KEEP, 0, 0, 0, other_shard, 0, 0, 9, 0 },
	{ "wrong incarnation", KEEP, 0, 0, 0, other_incarnation, 0, 0, 9, 0 },
	{ "chain broken", KEEP, 0, 0, 0, other_chain, 0, 0, 9, 1 },
	{ "LSN skipped", KEEP, 0, 0, 0, other_lsn, 0, 0, 9, 1 },
	{ "boot counter ahead of journal.meta", KEEP, 0, 0, 0, boot_ahead, 0, -EBADMSG, 10, 1 },
	{ "boot counter runs backwards", KEEP, 0, 0, 0, boot_behind, 0, 0, 9, 1 },
	{ "durable through itself", KEEP, 0, 0, 0, impossible_durable, 0, 0, 9, 0 },
	{ "no events", KEEP, 0, 0, 0, impossible_count, 0, 0, 9, 0 },
	{ "wrong shard at the floor", KEEP, 0, 0, 0, other_shard, 12, -EBADMSG, 10, 0 },
};

static void inflict(struct harness *harness, const struct recover_case *c)
{
	switch (c->damage) {
	case KEEP:
		break;
	case ZERO:
		harness_zero(harness, c->batch, c->from, c->size);
		break;
	case FLIP:
		harness_flip(harness, c->batch, c->from);
		break;
	case TRUNCATE: {
		int fd = harness_open(harness, harness->batches[c->batch].generation);

		assert_int_equal(
		    ftruncate(fd, (off_t)(harness->batches[c->batch].offset + c->from)), 0);
		close(fd);
		break;
	}
	}
}

static void check_case(int number, const struct recover_case *c)
{
	struct journal_report report;
	struct harness harness;
	uint64_t boot_counter;

	change_last = c->change;
	base(&harness);
	change_last = NULL;
	inflict(&harness, c);
	assert_case_equal(number, harness_recover(&harness, 1, c->floor_lsn, &report), c->result);
	if (c->result == -EBADMSG) {
		assert_case_equal(number, report.damage_lsn, c->lsn);
		assert_case_equal(number, report.damage_generation, 1);
		assert_case_equal(number, report.damage_offset, (c->lsn - 1) / 3 * 12288);
		assert_case_equal(number, report.batches_discarded, c->discarded);
		/* A refusal changes nothing: the same again. */
		assert_case_equal(
		    number, harness_recover(&harness, 1, c->floor_lsn, &report), -EBADMSG);
		harness_end(&harness);
		return;
	}
	assert_case_equal(number, report.cut_lsn, c->lsn);
	assert_case_equal(number, report.batches_discarded, c->discarded);
	assert_case_equal(number, report.end.offset, c->lsn / 3 * 12288);
	assert_case_equal(number, report.end.next_lsn, c->lsn + 1);
	assert_case_equal(number, harness.applied_events, c->lsn);
	boot_counter = report.boot_counter;
	assert_case_equal(number, boot_counter, 2);
	/* Twice in a row: the same, one start later, nothing left to discard. */
	assert_case_equal(number, harness_recover(&harness, 1, c->floor_lsn, &report), 0);
	assert_case_equal(number, report.cut_lsn, c->lsn);
	assert_case_equal(number, report.boot_counter, boot_counter + 1);
	assert_case_equal(number, report.batches_discarded, 0);
	harness_end(&harness);
}

TEST(every_torn_lost_reordered_and_damaged_case)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		print_message("  %zu %s\n", i, cases[i].name);
		check_case((int)i, &cases[i]);
	}
}

TEST(the_refusal_names_file_offset_and_lsn)
{
	struct journal_report report;
	struct harness harness;

	base(&harness);
	harness_flip(&harness, 1, 9000);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	assert_non_null(strstr(report.damage, "journal-0000000000000001.seg"));
	assert_non_null(strstr(report.damage, "offset 12288"));
	assert_non_null(strstr(report.damage, "LSN 4"));
	assert_non_null(strstr(report.damage, "up to LSN 6"));
	harness_end(&harness);
}

/* An older copy put back, or a rename the device forgot: what later starts acknowledged is there.
 */
TEST(an_older_journal_meta_is_refused_and_named)
{
	struct journal_report report;
	struct harness harness;

	harness_begin(&harness);
	harness_meta(&harness, 2, 3);
	harness_segment(&harness, 1);
	harness_batch(&harness, 3, 0, NULL);
	harness.boot_counter = 2;
	harness_batch(&harness, 3, 3, NULL);
	harness_batch(&harness, 3, 6, NULL);
	harness_meta(&harness, 1, 0);
	assert_int_equal(harness_recover(&harness, 1, 3, &report), -EBADMSG);
	assert_non_null(strstr(report.damage, "journal.meta is an older one: it knows 1 starts"));
	assert_int_equal(report.damage_lsn, 4);
	assert_int_equal(report.floor_lsn, 6);
	/* The right one again: nothing was cut meanwhile. */
	harness_meta(&harness, 2, 3);
	assert_int_equal(harness_recover(&harness, 1, 3, &report), 0);
	assert_int_equal(report.cut_lsn, 9);
	harness_end(&harness);
}

/* All of a journal as it was one start before, whole by itself: only who has seen more knows. */
TEST(an_older_copy_is_refused_by_what_is_known_of_it)
{
	static const struct {
		int64_t incarnation;
		uint64_t boot_counter;
		int result;
	} copies[] = {
		{ 0, 2, 0 }, { 0, 3, -EBADMSG }, /* 1: one start more */
		{ -1, 9, 0 },                    /* 2: of before a restore */
		{ 1, 1, -EBADMSG },              /* 3: this is the one of before */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(copies); i++) {
		struct journal_report report;
		struct harness harness;

		harness_begin(&harness);
		harness_meta(&harness, 2, 0);
		harness_segment(&harness, 1);
		harness.boot_counter = 2;
		harness_batch(&harness, 3, 0, NULL);
		harness.config.known_incarnation =
		    HARNESS_INCARNATION + (uint64_t)copies[i].incarnation;
		harness.config.known_boot_counter = copies[i].boot_counter;
		assert_case_equal(i, harness_recover(&harness, 1, 0, &report), copies[i].result);
		if (copies[i].result != 0)
			assert_non_null(strstr(report.damage, "of an older copy: it knows 2"));
		/* What is given up: nothing was changed. */
		harness.config.known_incarnation = 0;
		assert_case_equal(i, harness_recover(&harness, 1, 0, &report), 0);
		assert_case_equal(i, report.boot_counter, copies[i].result == 0 ? 4 : 3);
		harness_end(&harness);
	}
}

/* What a recovery kept counts as acknowledged from then on, though no later header says so. */
TEST(what_a_recovery_kept_may_not_be_lost_afterwards)
{
	struct journal_report report;
	struct harness harness;

	base(&harness);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	harness_zero(&harness, 3, 0, 12288);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	assert_int_equal(report.floor_lsn, 12);
	assert_int_equal(report.damage_lsn, 10);
	harness_end(&harness);
}

/* Segment 1 as it lies there, to compare. The caller frees it. */
static uint8_t *image_read(struct harness *harness)
{
	uint8_t *image = malloc(HARNESS_SEGMENT);
	int fd = harness_open(harness, 1);

	assert_non_null(image);
	assert_int_equal(pread(fd, image, HARNESS_SEGMENT, 0), HARNESS_SEGMENT);
	close(fd);
	return image;
}

/*
 * Recovery zeroes behind the cut and then rewrites journal.meta; it may be killed in between, or
 * within the zeroing. Recovering again must give the same cut, the same image, the same end.
 */
TEST(crash_between_zeroing_and_journal_meta_recovers_to_the_same)
{
	static const uint64_t zeroed[] = { 0, 512, 4096, 12288, 20480, 24576, UINT64_MAX };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(zeroed); i++) {
		struct journal_report whole, again;
		struct journal_meta meta;
		uint8_t *expected, *image;
		struct harness harness;

		/* Undisturbed: batch 2 torn, batch 3 intact behind it; both are cut. */
		base(&harness);
		harness_zero(&harness, 2, 4096, 4096);
		assert_int_equal(harness_recover(&harness, 1, 0, &whole), 0);
		assert_int_equal(whole.cut_lsn, 6);
		expected = image_read(&harness);
		if (zeroed[i] == UINT64_MAX) {
			/* Killed after the zeroing: only journal.meta is as it was. */
			harness_meta(&harness, 1, 0);
		} else {
			harness_end(&harness);
			base(&harness);
			harness_zero(&harness, 2, 4096, 4096);
			harness_zero(&harness, 2, 0, zeroed[i]); /* killed within it */
		}
		assert_int_equal(journal_meta_read(harness.directory_fd, HARNESS_SHARD, &meta), 0);
		assert_int_equal(meta.boot_counter, 1);
		assert_int_equal(harness_recover(&harness, 1, 0, &again), 0);
		assert_case_equal(zeroed[i], again.cut_lsn, whole.cut_lsn);
		assert_case_equal(zeroed[i], harness.applied_events, 6);
		assert_memory_equal(&again.end, &whole.end, sizeof(again.end));
		assert_case_equal(zeroed[i], again.boot_counter, whole.boot_counter);
		image = image_read(&harness);
		assert_memory_equal(image, expected, HARNESS_SEGMENT);
		/* And it is over: from now on nothing is discarded, the next start counts on. */
		assert_int_equal(harness_recover(&harness, 1, 0, &again), 0);
		assert_case_equal(zeroed[i], again.cut_lsn, whole.cut_lsn);
		assert_case_equal(zeroed[i], again.batches_discarded, 0);
		assert_case_equal(zeroed[i], again.boot_counter, whole.boot_counter + 1);
		free(image);
		free(expected);
		harness_end(&harness);
	}
}

/* What a tool needs to tell a crash from damage: the same floor recovery finds, writing nothing. */
TEST(reader_finds_the_floor_behind_the_end_of_the_chain)
{
	struct journal_report report;
	struct journal_reader *reader;
	struct journal_batch batch;
	struct harness harness;
	uint64_t floor_lsn = 99;

	base(&harness);
	harness_flip(&harness, 1, 9000);
	assert_int_equal(journal_reader_open(&reader, &harness.config), 0);
	assert_int_equal(journal_reader_next(reader, &batch, NULL), 1);
	assert_int_equal(journal_reader_next(reader, &batch, NULL), -EBADMSG);
	assert_int_equal(journal_reader_floor(reader, &floor_lsn), 0);
	assert_int_equal(floor_lsn, 6);
	assert_int_equal(journal_reader_next(reader, &batch, NULL), -EBADMSG); /* it stays */
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	assert_int_equal(report.floor_lsn, 6);
	/* Behind the end of everything only journal.meta speaks. */
	harness_flip(&harness, 1, 9000);
	assert_int_equal(journal_reader_seek(reader, 13), 0);
	assert_int_equal(journal_reader_floor(reader, &floor_lsn), 0);
	assert_int_equal(floor_lsn, 0);
	harness_meta(&harness, 2, 12);
	assert_int_equal(journal_reader_floor(reader, &floor_lsn), 0);
	assert_int_equal(floor_lsn, 12);
	journal_reader_close(reader);
	harness_end(&harness);
}

TEST(batches_below_from_lsn_are_not_applied_but_checked)
{
	struct journal_report report;
	struct harness harness;

	base(&harness);
	assert_int_equal(harness_recover(&harness, 8, 7, &report), 0);
	assert_int_equal(harness.applied_first, 7);
	assert_int_equal(report.cut_lsn, 12);
	assert_int_equal(report.batches, 2);
	assert_int_equal(report.events, 6);
	assert_int_equal(report.time_ns, 1010);
	/* All of it below: nothing to apply, the end is found all the same. */
	assert_int_equal(harness_recover(&harness, 13, 12, &report), 0);
	assert_int_equal(harness.applied_events, 0);
	assert_int_equal(report.end.next_lsn, 13);
	harness_flip(&harness, 0, 300);
	assert_int_equal(harness_recover(&harness, 8, 7, &report), -EBADMSG);
	harness_end(&harness);
}

static void newer_version(struct harness *harness, uint32_t batch)
{
	int fd = harness_open(harness, 1);
	off_t at = (off_t)harness->batches[batch].offset;
	struct journal_batch_header header;

	assert_int_equal(pread(fd, &header, sizeof(header), at), sizeof(header));
	header.version = le16_make(JOURNAL_VERSION + 1);
	header.header_checksum = le64_make(XXH3_128bits(&header, 120).low64);
	assert_int_equal(pwrite(fd, &header, sizeof(header), at), sizeof(header));
	close(fd);
}

TEST(a_newer_version_is_refused_and_left_alone)
{
	for (uint32_t batch = 1; batch < 4; batch++) {
		struct journal_report report;
		struct harness harness;

		base(&harness);
		newer_version(&harness, batch);
		assert_int_equal(harness_recover(&harness, 1, 0, &report), -EPROTO);
		assert_non_null(strstr(report.damage, "newer version"));
		/* Also when it lies behind the cut. */
		harness_zero(&harness, 0, 0, 12288);
		assert_int_equal(harness_recover(&harness, 1, 0, &report), -EPROTO);
		harness_end(&harness);
	}
}

static int apply_refuses(void *context, const struct journal_batch *batch)
{
	(void)context;
	return le64_get(batch->header.first_lsn) == 7 ? -ENOMEM : 0;
}

TEST(an_error_of_apply_stops_recovery_before_anything_is_written)
{
	struct journal_report report;
	struct journal_meta meta;
	struct harness harness;

	base(&harness);
	assert_int_equal(
	    journal_recover(&harness.config, 1, 0, apply_refuses, NULL, &report), -ENOMEM);
	assert_int_equal(report.damage_lsn, 7);
	assert_int_equal(journal_meta_read(harness.directory_fd, HARNESS_SHARD, &meta), 0);
	assert_int_equal(meta.boot_counter, 1);
	harness_end(&harness);
}

/* Every single bit of the image: kept or cut, at or below the floor refused, never a wrong event.
 */
TEST(random_bit_flips_never_pass_a_changed_event)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 60; i++) {
		uint64_t byte = test_random(&random) % (4 * 12288);
		uint32_t batch = (uint32_t)(byte / 12288);
		uint64_t inside = byte % 12288;
		struct journal_report report;
		struct harness harness;
		int result;

		base(&harness);
		harness_flip(&harness, batch, inside);
		result = harness_recover(&harness, 1, 0, &report);
		if (inside >= JOURNAL_HEADER_SIZE + 3 * HARNESS_EVENT) {
			assert_case_equal(byte, result, 0);
			assert_case_equal(byte, report.cut_lsn, 12);
		} else if (batch < 2) {
			assert_case_equal(byte, result, -EBADMSG);
		} else {
			assert_case_equal(byte, result, 0);
			assert_case_equal(byte, report.cut_lsn, batch * 3);
		}
		harness_end(&harness);
	}
}

TEST(begun_journal_goes_on_behind_its_base)
{
	struct journal_identity identity;
	struct journal_report report;
	struct harness harness;
	uint64_t incarnation = 0;
	char message[120] = "";

	harness_begin(&harness);
	assert_int_equal(journal_begin(&harness.config, 0, 0, &incarnation, NULL, 0), -EINVAL);
	assert_int_equal(
	    journal_begin(&harness.config, 1000, INT64_MAX, &incarnation, NULL, 0), -ERANGE);
	assert_int_equal(journal_identity_read(&harness.config, &identity), -ENOENT);
	assert_int_equal(journal_begin(&harness.config, 1000, 1ull << 62, &incarnation, message,
	                     sizeof(message)),
	    0);
	assert_true(incarnation > 1ull << 62);
	/* Once only. */
	assert_int_equal(
	    journal_begin(&harness.config, 1000, 0, &incarnation, message, sizeof(message)),
	    -EEXIST);
	assert_non_null(strstr(message, "empty root"));
	assert_int_equal(journal_identity_read(&harness.config, &identity), 0);
	assert_int_equal(identity.base_lsn, 1000);
	assert_int_equal(identity.kept_lsn, 1000);
	assert_true(identity.boot_counter > 1000000);
	/* The store lacks some of what came before: damage. It has more than that: lost events. */
	assert_int_equal(harness_recover(&harness, 1001, 1001, &report), -EBADMSG);
	assert_int_equal(harness_recover(&harness, 1001, 1000, &report), 0);
	assert_int_equal(report.end.next_lsn, 1001);
	assert_int_equal(report.end.generation, 1);
	assert_int_equal(report.cut_lsn, 1000);
	assert_int_equal(report.boot_counter, identity.boot_counter + 1);
	harness_end(&harness);
}

TEST(batches_behind_a_base_are_found_again_and_one_at_lsn_1_is_not_taken)
{
	struct journal_report report;
	struct harness harness;
	struct journal_meta meta = { HARNESS_SHARD, HARNESS_INCARNATION, 1, 1000, 1000 };

	harness_begin(&harness);
	harness.at.next_lsn = 1001;
	harness_segment(&harness, 1);
	for (int i = 0; i < 4; i++)
		harness_batch(&harness, 3, 1000, NULL);
	assert_int_equal(journal_meta_write(harness.directory_fd, &meta), 0);
	/* The store's checkpoint must reach the base. */
	assert_int_equal(harness_recover(&harness, 900, 1000, &report), -EBADMSG);
	assert_int_equal(harness_recover(&harness, 1001, 1000, &report), 0);
	assert_int_equal(report.cut_lsn, 1012);
	assert_int_equal(harness.applied_events, 12);
	assert_int_equal(harness_recover(&harness, 1007, 1003, &report), 0);
	assert_int_equal(report.cut_lsn, 1012);
	harness_end(&harness);

	harness_begin(&harness);
	harness_segment(&harness, 1);
	harness_batch(&harness, 3, 0, NULL);
	assert_int_equal(journal_meta_write(harness.directory_fd, &meta), 0);
	assert_int_equal(harness_recover(&harness, 1001, 1000, &report), 0);
	assert_int_equal(report.cut_lsn, 1000);
	assert_int_equal(harness.applied_events, 0);
	harness_end(&harness);
}

TEST(journal_meta_of_version_1_is_read_as_a_journal_from_lsn_1)
{
	struct journal_meta_block block;
	struct journal_meta meta;
	struct harness harness;
	int fd;

	harness_begin(&harness);
	harness_meta(&harness, 3, 7);
	for (unsigned base = 0; base < 2; base++) {
		fd = openat(harness.directory_fd, JOURNAL_META_NAME, O_RDWR);
		assert_true(fd >= 0);
		assert_int_equal(pread(fd, &block, sizeof(block), 0), sizeof(block));
		block.version = le16_make(1);
		block.base_lsn = le64_make(base);
		block.checksum = le64_make(
		    XXH3_128bits(&block, offsetof(struct journal_meta_block, checksum)).low64);
		assert_int_equal(pwrite(fd, &block, sizeof(block), 0), sizeof(block));
		close(fd);
		assert_int_equal(journal_meta_read(harness.directory_fd, HARNESS_SHARD, &meta),
		    base == 0 ? 0 : -EBADMSG);
	}
	assert_int_equal(meta.boot_counter, 3);
	assert_int_equal(meta.kept_lsn, 7);
	assert_int_equal(meta.base_lsn, 0);
	harness_end(&harness);
}

TEST_MAIN()
