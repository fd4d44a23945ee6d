/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/journal/harness.h"

#include <dirent.h>

void harness_path(const struct harness *harness, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%.60s", harness->directory, name);
}

void harness_begin(struct harness *harness)
{
	*harness = (struct harness){ .at = { .generation = 1, .next_lsn = 1 }, .boot_counter = 1 };
	snprintf(harness->directory, sizeof(harness->directory), "journal-test-XXXXXX");
	assert_non_null(mkdtemp(harness->directory));
	harness->config = (struct journal_config){ .directory = harness->directory,
		.shard = HARNESS_SHARD,
		.segment_size = HARNESS_SEGMENT,
		.segments_ready = 1,
		.segments_max = 4,
		.depth = 2,
		.allow_volatile = 1,
		.recovery_ahead = getenv("SLUICE_TEST_RECOVERY_AHEAD") != NULL };
	harness->directory_fd = open(harness->directory, O_RDONLY | O_DIRECTORY);
	assert_true(harness->directory_fd >= 0);
}

void harness_end(struct harness *harness)
{
	DIR *dir = fdopendir(harness->directory_fd);
	struct dirent *entry;

	assert_non_null(dir);
	rewinddir(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(harness->directory), 0);
}

void harness_meta(struct harness *harness, uint64_t boot_counter, uint64_t kept_lsn)
{
	struct journal_meta meta = { HARNESS_SHARD, HARNESS_INCARNATION, boot_counter, kept_lsn,
		0 };

	assert_int_equal(journal_meta_write(harness->directory_fd, &meta), 0);
}

int harness_open(struct harness *harness, uint64_t generation)
{
	char name[JOURNAL_NAME_SIZE];
	int fd;

	journal_segment_name(name, generation);
	fd = openat(harness->directory_fd, name, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	return fd;
}

void harness_segment(struct harness *harness, uint64_t generation)
{
	int fd = harness_open(harness, generation);

	assert_int_equal(ftruncate(fd, HARNESS_SEGMENT), 0);
	close(fd);
	harness->at.generation = generation;
	harness->at.offset = 0;
}

void harness_fill(uint8_t *event, uint64_t lsn, size_t size)
{
	uint64_t state = lsn;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = test_random(&state);

		memcpy(event + i, &word, 8);
	}
}

void harness_batch(struct harness *harness, uint32_t count, uint64_t durable_through,
    void (*change)(struct journal_batch_header *header))
{
	static uint8_t buffer[LIMIT_JOURNAL_BATCH_SIZE_MAX];
	uint32_t length = count * HARNESS_EVENT;
	size_t size = (size_t)journal_batch_padded(length);
	struct journal_batch_header header = {
		.shard = le16_make(HARNESS_SHARD),
		.incarnation = le64_make(HARNESS_INCARNATION),
		.boot_counter = le64_make(harness->boot_counter),
		.segment_generation = le64_make(harness->at.generation),
		.first_lsn = le64_make(harness->at.next_lsn),
		.event_count = le32_make(count),
		.body_length = le32_make(length),
		.time_ns = le64_make(1000 + harness->at.next_lsn),
		.durable_through = le64_make(durable_through),
		.previous_checksum = le64_make(harness->at.previous_checksum),
		.segment_offset = le64_make(harness->at.offset),
	};
	int fd = harness_open(harness, harness->at.generation);

	assert_true(size <= sizeof(buffer) && harness->batch_count < HARNESS_BATCHES);
	memset(buffer, 0, sizeof(buffer));
	for (uint32_t i = 0; i < count; i++)
		harness_fill(buffer + JOURNAL_HEADER_SIZE + i * HARNESS_EVENT,
		    harness->at.next_lsn + i, HARNESS_EVENT);
	if (change != NULL)
		change(&header);
	journal_batch_seal(&header, buffer + JOURNAL_HEADER_SIZE);
	memcpy(buffer, &header, sizeof(header));
	assert_int_equal(pwrite(fd, buffer, size, (off_t)harness->at.offset), (ssize_t)size);
	close(fd);
	harness->batches[harness->batch_count++] = harness->at;
	harness->at.offset += size;
	harness->at.next_lsn += count;
	harness->at.previous_checksum = le64_get(header.header_checksum);
}

void harness_zero(struct harness *harness, uint32_t batch, uint64_t from, uint64_t size)
{
	static const uint8_t zeros[LIMIT_JOURNAL_BATCH_SIZE_MAX];
	int fd = harness_open(harness, harness->batches[batch].generation);

	assert_int_equal(
	    pwrite(fd, zeros, size, (off_t)(harness->batches[batch].offset + from)), (ssize_t)size);
	close(fd);
}

void harness_flip(struct harness *harness, uint32_t batch, uint64_t byte)
{
	int fd = harness_open(harness, harness->batches[batch].generation);
	off_t at = (off_t)(harness->batches[batch].offset + byte);
	uint8_t value;

	assert_int_equal(pread(fd, &value, 1, at), 1);
	value ^= 0x10;
	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
}

static int apply(void *context, const struct journal_batch *batch)
{
	struct harness *harness = context;
	uint64_t first = le64_get(batch->header.first_lsn);

	if (harness->applied_last != 0)
		assert_int_equal(first, harness->applied_last + 1);
	else
		harness->applied_first = first;
	harness->applied_last = journal_batch_last_lsn(&batch->header);
	harness->applied_events += le32_get(batch->header.event_count);
	return 0;
}

int harness_recover(
    struct harness *harness, uint64_t from_lsn, uint64_t floor_lsn, struct journal_report *report)
{
	int result;

	harness->applied_first = harness->applied_last = harness->applied_events = 0;
	result = journal_recover(&harness->config, from_lsn, floor_lsn, apply, harness, report);
	if (result == 0 && harness->applied_last != 0)
		assert_int_equal(harness->applied_last, report->cut_lsn);
	if (result != 0)
		assert_true(report->damage[0] != '\0');
	return result;
}

void running_start(struct running *running, struct harness *harness,
    const struct journal_report *report, uint32_t buffers)
{
	*running = (struct running){ .next_lsn = report->end.next_lsn };
	assert_int_equal(
	    journal_keeper_create(&running->keeper, &harness->config, &report->end), 0);
	assert_int_equal(journal_feed_create(&running->feed, buffers, harness->config.depth), 0);
	assert_int_equal(
	    journal_writer_open(&running->writer, &harness->config, report, running->feed,
	        running->keeper, running->message, sizeof(running->message)),
	    0);
}

void running_stop(struct running *running)
{
	journal_writer_free(running->writer);
	journal_keeper_free(running->keeper);
	journal_feed_free(running->feed);
}

int running_event(struct running *running, size_t size)
{
	void *event = journal_writer_reserve(running->writer, size);

	if (event == NULL)
		return 0;
	harness_fill(event, running->next_lsn, size);
	journal_writer_append(running->writer, running->next_lsn, running->next_lsn * 10, size);
	running->next_lsn++;
	return 1;
}

uint64_t running_drain(struct running *running)
{
	int result = journal_writer_close_batch(running->writer, 0, 0);

	(void)result; /* a failed writer says so again below */
	while (journal_writer_in_flight(running->writer) > 0) {
		journal_writer_wait(running->writer, 10000);
		(void)journal_writer_poll(running->writer);
	}
	return journal_writer_poll(running->writer);
}
