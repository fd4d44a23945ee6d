/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/journal/seal_fixture.h"

static void prefix_digest(
    int directory_fd, const char *name, uint64_t length, char text[JOURNAL_SHA256_TEXT])
{
	uint8_t *bytes = malloc(length);
	int fd = openat(directory_fd, name, O_RDONLY);
	unsigned char digest[32];

	assert_true(fd >= 0 && bytes != NULL);
	assert_int_equal(pread(fd, bytes, length, 0), (ssize_t)length);
	assert_int_equal(EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL), 1);
	hex_encode(digest, sizeof(digest), text);
	close(fd);
	free(bytes);
}

static struct journal_seal seal_at(const struct sealing *sealing, uint64_t generation)
{
	static struct journal_manifest_walk walk;
	struct journal_seal seal = { 0 };

	assert_int_equal(journal_manifest_walk_open(
	                     &walk, sealing->harness.directory_fd, JOURNAL_MANIFEST_NAME, NULL, 0),
	    0);
	while (seal.generation != generation)
		assert_int_equal(journal_manifest_walk_next(&walk, &seal, NULL, 0), 1);
	journal_manifest_walk_close(&walk);
	return seal;
}

TEST(finished_segments_are_sealed_in_order_with_what_they_hold)
{
	struct journal_check_report report;
	struct sealing sealing;

	sealing_begin(&sealing, 0);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).sealed_segment, 0);
	assert_true(sealing_fill(&sealing, 3));
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).finished_segment, 2);
	for (uint64_t generation = 1; generation <= 2; generation++) {
		struct journal_seal seal = seal_at(&sealing, generation);
		char name[JOURNAL_NAME_SIZE], expected[JOURNAL_SHA256_TEXT];

		journal_segment_name(name, generation);
		prefix_digest(sealing.harness.directory_fd, name, seal.length, expected);
		assert_string_equal(seal.sha256, expected);
		assert_int_equal(seal.first_lsn, (generation - 1) * 8 * 28 + 1);
		assert_int_equal(seal.last_lsn, generation * 8 * 28);
		assert_int_equal(seal.events, 8 * 28);
		assert_int_equal(seal.batches, 28);
		assert_int_equal(seal.length, 28 * 9 * 4096);
		assert_int_equal(seal.time_ns, seal.last_lsn * 10);
		assert_false(seal.damaged);
	}
	report = sealing_check(&sealing);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.seals, 2);
	assert_int_equal(report.segments, 2);
	assert_int_equal(report.last_lsn, 2 * 8 * 28);
	sealing_end(&sealing);
}

/* Below the checkpoint is not enough. */
TEST(a_segment_is_recycled_only_when_it_is_sealed)
{
	struct sealing sealing;

	sealing_begin(&sealing, 0);
	sealing.running.checkpoint_lsn = UINT64_MAX;
	while (sealing_fill(&sealing, 1))
		;
	assert_int_equal(sealing.running.keeper->oldest_generation, 1);
	assert_true(journal_writer_counters(sealing.running.writer)->no_segment > 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(sealing_seal(&sealing), 0);
		sealing_keep(&sealing);
		(void)sealing_fill(&sealing, 1);
	}
	assert_true(sealing.running.keeper->oldest_generation > 4);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing.running.checkpoint_lsn = 0; /* the next recovery begins where the journal does */
	sealing_end(&sealing);
}

/* The manifest is gone on with; half a line is written again. */
TEST(sealing_goes_on_after_a_restart)
{
	struct sealing sealing;
	uint64_t size;
	int fd;

	sealing_begin(&sealing, 0);
	assert_true(sealing_fill(&sealing, 3));
	assert_int_equal(sealing_seal(&sealing), 0);
	sealing_stop(&sealing);
	size = file_size(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME);
	fd = openat(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME, O_RDWR);
	assert_int_equal(ftruncate(fd, (off_t)size - 30), 0);
	close(fd);
	sealing_start(&sealing);
	assert_int_equal(sealing.report.sealed_generation, 1);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).sealed_segment, 2);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	assert_int_equal(sealing_check(&sealing).torn, 0);
	assert_int_equal(sealing_status(&sealing).seals, 1);
	sealing_end(&sealing);
}

/* It cannot be read to its end: it is sealed as it is, loudly, and the switch goes on. */
TEST(a_damaged_segment_is_sealed_as_it_is)
{
	struct journal_check_report report;
	char expected[JOURNAL_SHA256_TEXT];
	char name[JOURNAL_NAME_SIZE];
	struct journal_seal seal;
	struct sealing sealing;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 3));
	journal_segment_name(name, 1);
	file_flip(sealing.harness.directory_fd, name, 9 * 4096 * 5 + 5000);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).seals_damaged, 1);
	assert_int_equal(sealing_status(&sealing).archived_segment, 2);
	seal = seal_at(&sealing, 1);
	prefix_digest(sealing.harness.directory_fd, name, HARNESS_SEGMENT, expected);
	assert_true(seal.damaged);
	assert_int_equal(seal.length, HARNESS_SEGMENT);
	assert_string_equal(seal.sha256, expected);
	assert_int_equal(seal.first_lsn, 1);
	assert_int_equal(seal.last_lsn, 8 * 28);
	assert_int_equal(seal.batches, 5);
	assert_false(seal_at(&sealing, 2).damaged);
	report = sealing_check(&sealing);
	assert_int_equal(report.bad, 1);
	assert_int_equal(report.bad_generation, 1);
	assert_non_null(strstr(report.what, "damaged when it was sealed"));
	sealing_end(&sealing);
}

TEST(a_changed_byte_of_a_sealed_segment_is_found)
{
	struct journal_check_report report;
	char name[JOURNAL_NAME_SIZE];
	struct sealing sealing;

	sealing_begin(&sealing, 0);
	assert_true(sealing_fill(&sealing, 4));
	assert_int_equal(sealing_seal(&sealing), 0);
	journal_segment_name(name, 2);
	file_flip(sealing.harness.directory_fd, name, 28 * 9 * 4096 - 1); /* padding counts too */
	report = sealing_check(&sealing);
	assert_int_equal(report.bad, 1);
	assert_int_equal(report.bad_generation, 2);
	assert_int_equal(report.segments, 2);
	assert_non_null(strstr(report.what, "segment 2 (LSN 225 to 448"));
	/* Behind what is sealed nothing is anybody's. */
	file_flip(sealing.harness.directory_fd, name, 28 * 9 * 4096 - 1);
	file_flip(sealing.harness.directory_fd, name, 28 * 9 * 4096 + 1);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	/* The same in the sealer's own thread. */
	file_flip(sealing.harness.directory_fd, name, 5);
	journal_sealer_verify(sealing.sealer);
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_status(&sealing).verify_runs, 1);
	assert_int_equal(sealing_status(&sealing).verify_bad, 1);
	assert_int_equal(sealing_status(&sealing).verify_seals, 3);
	journal_sealer_verify_text(sealing.sealer, report.what, sizeof(report.what));
	assert_non_null(strstr(report.what, "segment 2"));
	sealing_end(&sealing);
}

TEST(a_manifest_that_begins_late_says_so)
{
	struct sealing sealing;

	sealing_begin(&sealing, 0);
	sealing.running.checkpoint_lsn = UINT64_MAX;
	for (int i = 0; i < 9; i++) {
		assert_true(sealing_fill(&sealing, 1));
		assert_int_equal(sealing_seal(&sealing), 0);
	}
	assert_true(sealing.running.keeper->oldest_generation > 1);
	sealing.running.checkpoint_lsn = sealing.running.next_lsn - 1;
	sealing_stop(&sealing);
	assert_int_equal(unlinkat(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME, 0), 0);
	assert_int_equal(harness_recover(&sealing.harness, sealing.running.checkpoint_lsn + 1,
	                     sealing.running.checkpoint_lsn, &sealing.report),
	    0);
	running_start(&sealing.running, &sealing.harness, &sealing.report, 16);
	assert_int_equal(
	    journal_sealer_create(&sealing.sealer, &sealing.harness.config, &sealing.archive,
	        sealing.running.keeper, sealing.message, sizeof(sealing.message)),
	    0);
	assert_non_null(strstr(sealing.message, "oldest segment"));
	assert_int_equal(sealing_seal(&sealing), 0);
	assert_int_equal(sealing_check(&sealing).bad, 0);
	sealing_end(&sealing);
}

TEST_MAIN()
