/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/journal/seal_fixture.h"

static struct journal_seal seal_of(uint64_t generation)
{
	struct journal_seal seal = {
		.generation = generation,
		.first_lsn = generation * 100 + 1,
		.last_lsn = generation * 100 + 100,
		.events = 100,
		.batches = 7,
		.length = 40960,
		.time_ns = 1800000000000000000ull + generation,
		.sealed_ns = 1800000000000000000ull + generation,
	};

	memset(seal.sha256, '0' + (char)(generation % 10), JOURNAL_SHA256_TEXT - 1);
	return seal;
}

static void manifest_make(
    struct harness *harness, struct journal_manifest *manifest, uint64_t seals)
{
	assert_int_equal(journal_manifest_begin(
	                     harness->directory_fd, HARNESS_SHARD, HARNESS_INCARNATION, 1, NULL),
	    0);
	assert_int_equal(journal_manifest_read(harness->directory_fd, HARNESS_SHARD,
	                     HARNESS_INCARNATION, manifest, NULL, 0),
	    0);
	for (uint64_t i = 1; i <= seals; i++) {
		struct journal_seal seal = seal_of(i);

		assert_int_equal(
		    journal_manifest_append(harness->directory_fd, manifest, &seal), 0);
	}
}

static int read_again(struct harness *harness, struct journal_manifest *manifest, char why[256])
{
	return journal_manifest_read(
	    harness->directory_fd, HARNESS_SHARD, HARNESS_INCARNATION, manifest, why, 256);
}

/* Walks all lines. Seals found; *result: 0 or the error. */
static uint64_t walk_all(struct harness *harness, int *result, char why[256])
{
	static struct journal_manifest_walk walk;
	struct journal_seal seal;
	uint64_t seals = 0;

	assert_int_equal(journal_manifest_walk_open(
	                     &walk, harness->directory_fd, JOURNAL_MANIFEST_NAME, why, 256),
	    0);
	while ((*result = journal_manifest_walk_next(&walk, &seal, why, 256)) == 1) {
		struct journal_seal expected = seal_of(++seals);

		memcpy(expected.chain, seal.chain, sizeof(seal.chain));
		assert_memory_equal(&seal, &expected, sizeof(seal));
	}
	journal_manifest_walk_close(&walk);
	return seals;
}

TEST(what_is_appended_is_read_and_continues_the_chain)
{
	struct journal_manifest manifest, again;
	struct harness harness;
	char why[256];
	int result;

	harness_begin(&harness);
	assert_int_equal(read_again(&harness, &manifest, why), -ENOENT);
	for (uint64_t seals = 0; seals < 40; seals++) {
		manifest_make(&harness, &manifest, seals);
		assert_int_equal(read_again(&harness, &again, why), 0);
		assert_int_equal(again.next_generation, seals + 1);
		assert_int_equal(again.last_lsn, seals == 0 ? 0 : seals * 100 + 100);
		assert_int_equal(again.size, manifest.size);
		assert_int_equal(again.torn, 0);
		assert_string_equal(again.chain, manifest.chain);
		assert_int_equal(walk_all(&harness, &result, why), seals);
		assert_int_equal(result, 0);
	}
	harness_end(&harness);
}

/* By nothing but the text, as an auditor would: chain = SHA-256(chain before, line without it). */
TEST(the_chain_is_what_the_format_says)
{
	char text[8192], before[JOURNAL_SHA256_TEXT] = "", joined[1024], hex[JOURNAL_SHA256_TEXT];
	struct journal_manifest manifest;
	struct harness harness;
	unsigned char digest[32];
	unsigned lines = 0;
	ssize_t size;
	int fd;

	harness_begin(&harness);
	manifest_make(&harness, &manifest, 5);
	fd = openat(harness.directory_fd, JOURNAL_MANIFEST_NAME, O_RDONLY);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(size > 0);
	text[size] = '\0';
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		char *end = strstr(line, ",\"chain\":\"");

		assert_non_null(end);
		*end = '\0';
		snprintf(joined, sizeof(joined), "%s%s", before, line);
		assert_int_equal(
		    EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha256(), NULL), 1);
		hex_encode(digest, sizeof(digest), hex);
		memcpy(before, end + strlen(",\"chain\":\""), JOURNAL_SHA256_TEXT - 1);
		assert_string_equal(before, hex);
	}
	assert_int_equal(lines, 6);
	assert_string_equal(before, manifest.chain);
	harness_end(&harness);
}

/* A line cut short anywhere, or with a sector missing, is an append that a crash cut. */
TEST(a_torn_last_line_is_cut_and_written_again)
{
	struct journal_manifest manifest, again;
	struct journal_seal seal = seal_of(3);
	struct harness harness;
	uint64_t size, before;
	char why[256];

	harness_begin(&harness);
	manifest_make(&harness, &manifest, 2);
	before = manifest.size;
	assert_int_equal(journal_manifest_append(harness.directory_fd, &manifest, &seal), 0);
	size = manifest.size;
	for (uint64_t cut = before; cut < size; cut += 13) {
		int fd = openat(harness.directory_fd, JOURNAL_MANIFEST_NAME, O_RDWR);

		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		close(fd);
		assert_int_equal(read_again(&harness, &again, why), 0);
		assert_int_equal(again.next_generation, 3);
		assert_int_equal(again.last_lsn, 300);
		assert_int_equal(again.size, before);
		assert_int_equal(again.torn, cut - before);
		assert_int_equal(journal_manifest_append(harness.directory_fd, &again, &seal), 0);
		assert_int_equal(again.size, size);
		assert_string_equal(again.chain, manifest.chain);
	}
	file_flip(harness.directory_fd, JOURNAL_MANIFEST_NAME, (off_t)before + 20);
	assert_int_equal(read_again(&harness, &again, why), 0);
	assert_int_equal(again.torn, size - before);
	harness_end(&harness);
}

/* Any byte changed, anywhere but in the last line, is damage with its place. */
TEST(a_changed_line_is_found)
{
	struct journal_manifest manifest, again;
	struct harness harness;
	uint64_t last_line;
	char why[256];
	int result;

	harness_begin(&harness);
	manifest_make(&harness, &manifest, 5);
	last_line = manifest.size;
	manifest_make(&harness, &manifest, 6);
	for (off_t at = 0; at < (off_t)last_line; at += 7) {
		static struct journal_manifest_walk walk;

		file_flip(harness.directory_fd, JOURNAL_MANIFEST_NAME, at);
		result = journal_manifest_walk_open(
		    &walk, harness.directory_fd, JOURNAL_MANIFEST_NAME, why, sizeof(why));
		if (result == 0) {
			struct journal_seal seal;

			do {
				result = journal_manifest_walk_next(&walk, &seal, why, sizeof(why));
			} while (result == 1);
			journal_manifest_walk_close(&walk);
		}
		/* A higher digit in "version" reads as a newer program's. */
		assert_true(result == -EBADMSG || result == -EPROTO);
		assert_non_null(strstr(why, JOURNAL_MANIFEST_NAME));
		file_flip(harness.directory_fd, JOURNAL_MANIFEST_NAME, at);
	}
	assert_int_equal(walk_all(&harness, &result, why), 6);
	assert_int_equal(read_again(&harness, &again, why), 0);
	harness_end(&harness);
}

TEST(a_newer_version_and_another_journal_are_refused)
{
	struct journal_manifest manifest;
	struct harness harness;
	char why[256];
	int fd;

	harness_begin(&harness);
	manifest_make(&harness, &manifest, 2);
	assert_int_equal(journal_manifest_read(harness.directory_fd, HARNESS_SHARD + 1,
	                     HARNESS_INCARNATION, &manifest, why, sizeof(why)),
	    -EBADMSG);
	assert_non_null(strstr(why, "another journal"));
	assert_int_equal(journal_manifest_read(harness.directory_fd, HARNESS_SHARD,
	                     HARNESS_INCARNATION + 1, &manifest, why, sizeof(why)),
	    -EBADMSG);
	fd = openat(harness.directory_fd, JOURNAL_MANIFEST_NAME, O_RDWR);
	assert_int_equal(pwrite(fd, "2", 1,
	                     (off_t)strlen("{\"format\":\"sluice-journal-manifest\",\"version\":")),
	    1);
	close(fd);
	assert_int_equal(read_again(&harness, &manifest, why), -EPROTO);
	assert_non_null(strstr(why, "newer version"));
	harness_end(&harness);
}

static int count_batches(void *context, const struct journal_batch *batch)
{
	(void)batch;
	++*(unsigned *)context;
	return 0;
}

/* The seal says more was durable than the headers that are left do; inspecting writes nothing. */
TEST(recovery_takes_the_seals_for_proof)
{
	struct journal_seal seal = { .generation = 1, .first_lsn = 1, .last_lsn = 12 };
	struct journal_manifest manifest;
	struct journal_report report;
	struct harness harness;
	unsigned batches = 0;

	harness_begin(&harness);
	harness_meta(&harness, 1, 0);
	harness_segment(&harness, 1);
	for (unsigned i = 0; i < 4; i++)
		harness_batch(&harness, 3, 0, NULL);
	/* The last batch is lost, and nothing behind it is left to say so. */
	harness_zero(&harness, 3, 0, LIMIT_JOURNAL_BLOCK_SIZE);
	for (unsigned i = 0; i < 2; i++) { /* twice: nothing was written */
		assert_int_equal(
		    journal_inspect(&harness.config, 1, 0, count_batches, &batches, &report), 0);
		assert_int_equal(report.cut_lsn, 9);
		assert_int_equal(report.boot_counter, 0);
	}
	assert_int_equal(batches, 6);
	memset(seal.sha256, 'a', JOURNAL_SHA256_TEXT - 1);
	manifest_make(&harness, &manifest, 0);
	assert_int_equal(journal_manifest_append(harness.directory_fd, &manifest, &seal), 0);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	assert_int_equal(report.floor_lsn, 12);
	assert_string_equal(report.floor_source, JOURNAL_MANIFEST_NAME);
	assert_int_equal(report.damage_lsn, 10);
	assert_non_null(strstr(report.damage, JOURNAL_MANIFEST_NAME));
	harness_end(&harness);
}

TEST(seals_missing_before_the_oldest_segment_are_damage)
{
	struct journal_manifest manifest;
	struct journal_report report;
	struct harness harness;

	harness_begin(&harness);
	harness_meta(&harness, 1, 0);
	harness.at.next_lsn = 401;
	harness_segment(&harness, 4);
	harness_batch(&harness, 3, 400, NULL);
	assert_int_equal(harness_recover(&harness, 401, 400, &report), 0); /* none: not sealed */
	manifest_make(&harness, &manifest, 2);
	assert_int_equal(harness_recover(&harness, 401, 400, &report), -EBADMSG);
	assert_int_equal(report.damage_generation, 3);
	manifest_make(&harness, &manifest, 3);
	assert_int_equal(harness_recover(&harness, 401, 400, &report), 0);
	assert_int_equal(report.sealed_generation, 3);
	assert_int_equal(report.sealed_lsn, 400);
	harness_end(&harness);
}

TEST_MAIN()
