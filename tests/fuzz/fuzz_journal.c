/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: journal_header_check, journal_body_check, journal_reader_open, journal_reader_seek,
 * journal_reader_next, journal_recover.
 *
 * The input is the beginning of segment 1. First byte, bit 0: checksums of the batches are made
 * right first, since no fuzzer finds one; bit 1: recovery with a floor, so that damage is refused
 * instead of cut. The files live in a folder of their own, made anew for each input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal/batch.h"
#include "dataplane/journal/journal.h"
#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"
#include "tests/fuzz/fuzz.h"

#define SEGMENT_SIZE LIMIT_JOURNAL_SEGMENT_SIZE_MIN
#define INPUT_MAX    (64u * 1024u)

static char folder[64];
static uint8_t segment[SEGMENT_SIZE];

static void folder_remove(void)
{
	char command_path[128];
	static const char *const names[] = { JOURNAL_META_NAME, JOURNAL_META_NAME_NEW,
		JOURNAL_NAME_NEW };
	char name[JOURNAL_NAME_SIZE];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++) {
		snprintf(command_path, sizeof(command_path), "%s/%s", folder, names[i]);
		(void)unlink(command_path);
	}
	for (uint64_t generation = 1; generation <= 4; generation++) {
		journal_segment_name(name, generation);
		snprintf(command_path, sizeof(command_path), "%s/%s", folder, name);
		(void)unlink(command_path);
	}
}

static void folder_end(void)
{
	folder_remove();
	(void)rmdir(folder);
}

static void folder_start(void)
{
	if (folder[0] != '\0')
		return;
	/* Memory: speed matters here, durability does not. */
	snprintf(folder, sizeof(folder), "/dev/shm/sluice-fuzz-XXXXXX");
	SLUICE_REQUIRE(mkdtemp(folder) != NULL);
	atexit(folder_end);
}

/* Gives every batch that looks like one its right checksums and chain. */
static void fix_checksums(size_t size)
{
	uint64_t previous = 0;
	size_t offset = 0;

	while (offset + JOURNAL_HEADER_SIZE <= size) {
		struct journal_batch_header header;
		uint32_t length;

		memcpy(&header, segment + offset, sizeof(header));
		length = le32_get(header.body_length);
		if (length > LIMIT_JOURNAL_BATCH_SIZE_MAX ||
		    offset + journal_batch_padded(length) > SEGMENT_SIZE)
			return;
		header.previous_checksum = le64_make(previous);
		journal_batch_seal(&header, segment + offset + sizeof(header));
		previous = le64_get(header.header_checksum);
		memcpy(segment + offset, &header, sizeof(header));
		offset += journal_batch_padded(length);
	}
}

static void write_files(void)
{
	struct journal_meta meta = { .incarnation = 1, .boot_counter = 1 };
	char path[128], name[JOURNAL_NAME_SIZE];
	int directory = open(folder, O_RDONLY | O_DIRECTORY), fd;

	SLUICE_REQUIRE(directory >= 0 && journal_meta_write(directory, &meta) == 0);
	close(directory);
	journal_segment_name(name, 1);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	SLUICE_REQUIRE(fd >= 0 && write(fd, segment, sizeof(segment)) == (ssize_t)sizeof(segment));
	close(fd);
}

struct replay {
	uint64_t next_lsn, batches;
};

/* Recovery hands over batches in order, without gaps. */
static int replay_apply(void *context, const struct journal_batch *batch)
{
	struct replay *replay = context;
	uint64_t first = le64_get(batch->header.first_lsn);

	SLUICE_REQUIRE(replay->next_lsn == 0 || first == replay->next_lsn);
	SLUICE_REQUIRE(journal_body_check(&batch->header, batch->events));
	replay->next_lsn = first + le32_get(batch->header.event_count);
	replay->batches++;
	return 0;
}

static void check_header(void)
{
	const struct journal_expect expect = { .incarnation = 1,
		.generation = 1,
		.segment_size = SEGMENT_SIZE,
		.boot_counter_max = UINT64_MAX };
	struct journal_batch_header header;
	const char *why = NULL;

	if (journal_header_check(segment, &expect, &header, &why) == JOURNAL_BATCH_VALID)
		SLUICE_REQUIRE(journal_batch_padded(le32_get(header.body_length)) <= SEGMENT_SIZE);
}

static void check_reader(const struct journal_config *config)
{
	struct journal_reader *reader;
	struct journal_batch batch;
	uint64_t next_lsn = 0;
	const char *why;

	SLUICE_REQUIRE(journal_reader_open(&reader, config) == 0);
	if (journal_reader_seek(reader, 1) == 0) {
		while (journal_reader_next(reader, &batch, &why) == 1) {
			uint64_t first = le64_get(batch.header.first_lsn);

			SLUICE_REQUIRE(next_lsn == 0 || first == next_lsn);
			next_lsn = first + le32_get(batch.header.event_count);
		}
	}
	journal_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct journal_config config = { .directory = folder,
		.segment_size = SEGMENT_SIZE,
		.segments_ready = 1,
		.segments_max = 4,
		.depth = 1,
		.allow_volatile = 1 };
	struct journal_report report = { 0 };
	struct replay first = { 0 }, again = { 0 };
	int result;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	folder_start();
	folder_remove();
	memset(segment, 0, sizeof(segment));
	memcpy(segment, data + 1, size - 1);
	if (data[0] & 1)
		fix_checksums(size - 1);
	write_files();
	check_header();
	check_reader(&config);
	result = journal_recover(&config, 1, data[0] & 2 ? 2 : 0, replay_apply, &first, &report);
	if (result != 0)
		return 0;
	/* After the cut a second recovery finds the same and nothing to discard. */
	memset(&report, 0, sizeof(report));
	SLUICE_REQUIRE(journal_recover(&config, 1, first.next_lsn > 0 ? first.next_lsn - 1 : 0,
	                   replay_apply, &again, &report) == 0);
	SLUICE_REQUIRE(again.batches == first.batches && again.next_lsn == first.next_lsn);
	SLUICE_REQUIRE(report.batches_discarded == 0);
	return 0;
}
