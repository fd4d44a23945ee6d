/* SPDX-License-Identifier: Apache-2.0 */
/* Archive files made a journal again: how far, of which journal, and what must be there. */
#include "tests/journal/seal_fixture.h"

static void name_of(const struct sealing *sealing, uint64_t generation, char name[64])
{
	journal_archive_name(name, sealing->report.incarnation, generation);
}

/* LSNs of what was unpacked, read by the journal's own reader: last one, 0 when there is none. */
static uint64_t unpacked_last(const struct journal_unpack *unpack, uint64_t *first)
{
	struct journal_config config = {
		.directory = unpack->directory,
		.shard = unpack->shard,
		.allow_volatile = 1,
	};
	struct journal_reader *reader;
	struct journal_batch batch;
	const char *why = "";
	uint64_t last = 0;

	assert_int_equal(journal_reader_open(&reader, &config), 0);
	for (*first = 0; journal_reader_next(reader, &batch, &why) == 1;) {
		if (*first == 0)
			*first = le64_get(batch.header.first_lsn);
		last = le64_get(batch.header.first_lsn) + le32_get(batch.header.event_count) - 1;
	}
	journal_reader_close(reader);
	return last;
}

/* From an LSN on, to a folder beside the journal's whose path is written to `directory`. */
static struct journal_unpack unpack_all(
    const struct sealing *sealing, char directory[4400], uint64_t from_lsn)
{
	snprintf(directory, 4400, "%s-unpacked", sealing->harness.directory);
	return (struct journal_unpack){
		.archive = sealing->archive.directory,
		.directory = directory,
		.shard = sealing->harness.config.shard,
		.incarnation = sealing->report.incarnation,
		.from_lsn = from_lsn,
		.until_ns = UINT64_MAX,
	};
}

TEST(an_archive_is_unpacked_into_a_journal_that_can_be_read)
{
	struct journal_unpack unpack;
	char directory[4400], why[256], name[64], kept[64];
	struct journal_archive_file third;
	struct sealing sealing;
	uint64_t first;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 5));
	assert_int_equal(sealing_seal(&sealing), 0);
	name_of(&sealing, 3, name);
	assert_int_equal(
	    journal_archive_extract(sealing.archive.directory, name, -1, &third, why, sizeof(why)),
	    0);
	unpack = unpack_all(&sealing, directory, third.seal.first_lsn);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), 0);
	assert_true(unpacked_last(&unpack, &first) > third.seal.last_lsn);
	assert_int_equal(first, third.seal.first_lsn);
	folder_remove(directory);

	/* No further than the moment wanted. */
	unpack.until_ns = third.seal.time_ns - 1;
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), 0);
	assert_int_equal(unpacked_last(&unpack, &first), third.seal.last_lsn);
	folder_remove(directory);
	unpack.until_ns = UINT64_MAX;

	/* Nothing that new; another journal's; one in the middle is missing; a damaged one. */
	assert_int_equal(mkdir(directory, 0700), 0);
	unpack.from_lsn = UINT64_MAX;
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), -ENOENT);
	unpack.from_lsn = 1;
	unpack.incarnation++;
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), -EBADMSG);
	assert_non_null(strstr(why, "another journal"));
	folder_remove(directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	unpack.incarnation--;
	int fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	snprintf(kept, sizeof(kept), "kept");
	assert_int_equal(renameat(fd, name, fd, kept), 0);
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), -EBADMSG);
	assert_non_null(strstr(why, "segment 3"));
	assert_int_equal(renameat(fd, kept, fd, name), 0);
	folder_remove(directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	file_flip(fd, name, 300);
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), -EBADMSG);
	assert_non_null(strstr(why, name));
	file_flip(fd, name, 300);
	close(fd);
	folder_remove(directory);
	sealing_end(&sealing);
}

TEST(a_newest_archive_file_that_is_missing_is_named)
{
	struct journal_unpack unpack;
	char directory[4400], why[256], name[64];
	struct journal_archive_file newest;
	struct sealing sealing;
	uint64_t first;
	int fd;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 5));
	assert_int_equal(sealing_seal(&sealing), 0);
	name_of(&sealing, sealing_status(&sealing).archived_segment, name);
	assert_int_equal(
	    journal_archive_extract(sealing.archive.directory, name, -1, &newest, why, sizeof(why)),
	    0);
	unpack = unpack_all(&sealing, directory, 1);
	fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdir(directory, 0700), 0);
	for (unsigned i = 0; i < 3; i++) {
		if (i == 0)
			file_flip(fd, name, 9); /* its header */
		else if (i == 1)
			assert_int_equal(ftruncate(openat(fd, name, O_WRONLY | O_CLOEXEC), 0), 0);
		else
			assert_int_equal(unlinkat(fd, name, 0), 0);
		assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), -EBADMSG);
		assert_non_null(strstr(why, name));
		if (i == 0)
			file_flip(fd, name, 9);
	}
	/* What does not need it can be had. */
	unpack.until_lsn = newest.seal.first_lsn - 1;
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), 0);
	assert_int_equal(unpacked_last(&unpack, &first), newest.seal.first_lsn - 1);
	folder_remove(directory);
	unpack.until_lsn = 0;
	unpack.end_open = 1;
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(journal_archive_unpack(&unpack, why, sizeof(why)), 0);
	assert_int_equal(unpacked_last(&unpack, &first), newest.seal.first_lsn - 1);
	close(fd);
	folder_remove(directory);
	sealing_end(&sealing);
}

/* A header alone, of generation 1 of another journal: all that is looked at of what is not wanted.
 */
static void other_begin(const struct sealing *sealing, uint64_t incarnation, uint64_t first_lsn)
{
	struct journal_archive_header header;
	char name[64];
	int directory = open(sealing->archive.directory, O_RDONLY | O_DIRECTORY), fd;

	name_of(sealing, 1, name);
	fd = openat(directory, name, O_RDONLY);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	header.incarnation = le64_make(incarnation);
	header.first_lsn = le64_make(first_lsn);
	header.last_lsn = le64_make(first_lsn + le64_get(header.events) - 1);
	header.checksum = le64_make(
	    XXH3_128bits(&header, offsetof(struct journal_archive_header, checksum)).low64);
	journal_archive_name(name, incarnation, 1);
	fd = openat(directory, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	close(directory);
}

/* One unpacking into a directory of its own. */
static int unpack_once(const struct journal_unpack *unpack, char why[256])
{
	int result;

	assert_int_equal(mkdir(unpack->directory, 0700), 0);
	result = journal_archive_unpack(unpack, why, 256);
	folder_remove(unpack->directory);
	return result;
}

TEST(a_later_journal_is_never_passed_over)
{
	struct journal_unpack unpack;
	char directory[4400], why[256], name[64], later[64], number[24];
	struct journal_archive_file second, third;
	struct sealing sealing;
	uint64_t incarnation;
	int fd;

	sealing_begin(&sealing, 1);
	assert_true(sealing_fill(&sealing, 5));
	assert_int_equal(sealing_seal(&sealing), 0);
	incarnation = sealing.report.incarnation;
	fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	name_of(&sealing, 2, name);
	assert_int_equal(journal_archive_header_read(fd, name, &second), 0);
	name_of(&sealing, 3, name);
	assert_int_equal(journal_archive_header_read(fd, name, &third), 0);
	unpack = unpack_all(&sealing, directory, 1);

	/* An earlier one is the past: nothing newer is in it. */
	other_begin(&sealing, incarnation - 1, 1);
	assert_int_equal(unpack_once(&unpack, why), 0);
	unpack.from_lsn = UINT64_MAX;
	assert_int_equal(unpack_once(&unpack, why), -ENOENT);
	unpack.from_lsn = 1;

	/* A restore went back to the end of segment 2: from there on this history was discarded. */
	other_begin(&sealing, incarnation + 1, third.seal.first_lsn);
	for (unsigned i = 0; i < 2; i++) {
		unpack.end_open = i == 1; /* nor with the word that there may be less */
		assert_int_equal(unpack_once(&unpack, why), -ESTALE);
		snprintf(number, sizeof(number), "%016" PRIx64, incarnation);
		assert_non_null(strstr(why, number));
		snprintf(number, sizeof(number), "%016" PRIx64, incarnation + 1);
		assert_non_null(strstr(why, number));
		snprintf(number, sizeof(number), "LSN %" PRIu64 ",", third.seal.first_lsn);
		assert_non_null(strstr(why, number));
	}
	unpack.end_open = 0;
	/* What lies before that both histories share. */
	unpack.until_lsn = second.seal.last_lsn;
	assert_int_equal(unpack_once(&unpack, why), 0);
	unpack.until_lsn++;
	assert_int_equal(unpack_once(&unpack, why), -ESTALE);
	unpack.until_lsn = 0;
	unpack.until_ns = second.seal.time_ns - 1;
	assert_int_equal(unpack_once(&unpack, why), 0);
	unpack.until_ns = third.seal.time_ns - 1;
	assert_int_equal(unpack_once(&unpack, why), -ESTALE);
	/* Its first file damaged; none of it but its manifest: nobody knows from where on. */
	unpack.until_ns = second.seal.time_ns - 1;
	journal_archive_name(later, incarnation + 1, 1);
	file_flip(fd, later, 9);
	assert_int_equal(unpack_once(&unpack, why), -ESTALE);
	journal_archive_manifest_name(name, incarnation + 1);
	assert_int_equal(renameat(fd, later, fd, name), 0);
	assert_int_equal(unpack_once(&unpack, why), -ESTALE);
	assert_non_null(strstr(why, "is not known"));
	close(fd);
	sealing_end(&sealing);
}

TEST(a_copy_of_the_manifest_that_is_missing_is_asked_for)
{
	struct journal_unpack unpack;
	char directory[4400], why[256], name[64];
	struct journal_archive_file third;
	struct sealing sealing;
	int fd;

	sealing_begin(&sealing, 1);
	/* It is there before the first segment is full. */
	fd = open(sealing.archive.directory, O_RDONLY | O_DIRECTORY);
	journal_archive_manifest_name(name, sealing.report.incarnation);
	assert_int_equal(
	    file_size(fd, name), file_size(sealing.harness.directory_fd, JOURNAL_MANIFEST_NAME));
	unpack = unpack_all(&sealing, directory, 1);
	assert_int_equal(unpack_once(&unpack, why), -ENOENT);
	assert_true(sealing_fill(&sealing, 5));
	assert_int_equal(sealing_seal(&sealing), 0);
	name_of(&sealing, 3, why);
	assert_int_equal(journal_archive_header_read(fd, why, &third), 0);
	assert_int_equal(unlinkat(fd, name, 0), 0);
	assert_int_equal(unpack_once(&unpack, why), -EBADMSG);
	assert_non_null(strstr(why, name));
	/* What reaches beyond the end that is wanted needs nobody's list; or the word is given. */
	unpack.until_ns = third.seal.time_ns - 1;
	assert_int_equal(unpack_once(&unpack, why), 0);
	unpack.until_ns = UINT64_MAX;
	unpack.until_lsn = third.seal.last_lsn;
	assert_int_equal(unpack_once(&unpack, why), 0);
	unpack.until_lsn = 0;
	unpack.end_open = 1;
	assert_int_equal(unpack_once(&unpack, why), 0);
	close(fd);
	sealing_end(&sealing);
}

TEST_MAIN()
