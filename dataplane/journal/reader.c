/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads batches in order. O_DIRECT, so that what it sees is what the device holds, whoever else
 * writes; a window of 1 MiB, re-read once before a place is called empty or broken, because beside
 * a running writer the window may be older than the batch.
 */
#include "dataplane/journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"

int journal_reader_open_at(struct journal_reader **out, int directory_fd, uint32_t shard,
    uint64_t incarnation, int buffered_too)
{
	struct journal_reader *reader = calloc(1, sizeof(*reader));
	int result = -ENOMEM;

	if (reader == NULL)
		return -ENOMEM;
	*reader = (struct journal_reader){ .shard = shard,
		.incarnation = incarnation,
		.boot_counter_max = UINT64_MAX,
		.buffered_too = buffered_too,
		.at = { .generation = 1 },
		.fd = -1,
		.directory_fd = -1 };
	reader->window = journal_aligned_alloc(JOURNAL_WINDOW_SIZE);
	if (reader->window == NULL)
		goto fail;
	reader->directory_fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (reader->directory_fd < 0) {
		result = -errno;
		goto fail;
	}
	*out = reader;
	return 0;
fail:
	journal_reader_close(reader);
	return result;
}

int journal_reader_open(struct journal_reader **out, const struct journal_config *config)
{
	struct journal_reader *reader;
	struct journal_meta meta;
	uint64_t newest;
	int result, fd = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	result = journal_meta_read(fd, config->shard, &meta);
	if (result == 0)
		result = journal_reader_open_at(&reader, fd, meta.shard, meta.incarnation, 1);
	close(fd);
	if (result != 0)
		return result;
	/* Without a seek, reading begins at the oldest segment; none yet: at the first to come. */
	result = journal_reader_range(reader, &reader->at.generation, &newest);
	if (result != 0 && result != -ENOENT) {
		journal_reader_close(reader);
		return result;
	}
	*out = reader;
	return 0;
}

void journal_reader_close(struct journal_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	if (reader->directory_fd >= 0)
		close(reader->directory_fd);
	free(reader->window);
	free(reader);
}

int journal_reader_range(const struct journal_reader *reader, uint64_t *oldest, uint64_t *newest)
{
	struct journal_segment_list list;
	int result = journal_segment_list(reader->directory_fd, &list);

	if (result != 0)
		return result;
	if (list.count == 0) {
		result = -ENOENT;
	} else {
		*oldest = list.generations[0];
		*newest = list.generations[list.count - 1];
	}
	journal_segment_list_free(&list);
	return result;
}

int journal_reader_use(struct journal_reader *reader, uint64_t generation)
{
	uint64_t size;
	int fd, result;

	if (reader->fd >= 0 && reader->generation == generation)
		return 0;
	result = journal_segment_open(
	    reader->directory_fd, generation, O_RDONLY, reader->buffered_too, &fd, &size);
	if (result != 0)
		return result;
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = fd;
	reader->generation = generation;
	reader->size = size;
	reader->window_length = 0;
	return 0;
}

const uint8_t *journal_reader_load(
    struct journal_reader *reader, uint64_t offset, size_t size, int fresh, int *error)
{
	int64_t got;

	if (offset > reader->size || size > reader->size - offset)
		return NULL;
	if (!fresh && offset >= reader->window_offset &&
	    offset + size <= reader->window_offset + reader->window_length)
		return reader->window + (offset - reader->window_offset);
	reader->window_length = 0;
	got = journal_file_read(reader->fd, reader->window, offset, JOURNAL_WINDOW_SIZE);
	if (got < 0) {
		*error = (int)got;
		return NULL;
	}
	reader->window_offset = offset;
	reader->window_length = (size_t)got;
	return (size_t)got < size ? NULL : reader->window;
}

int journal_reader_first_lsn(struct journal_reader *reader, uint64_t generation, uint64_t *lsn)
{
	struct journal_expect expect = { .shard = reader->shard,
		.incarnation = reader->incarnation,
		.generation = generation,
		.boot_counter_max = reader->boot_counter_max };
	struct journal_batch_header header;
	const char *why;
	uint8_t *block = journal_aligned_alloc(LIMIT_JOURNAL_BLOCK_SIZE);
	int64_t got;
	int fd, result;

	if (block == NULL)
		return -ENOMEM;
	result = journal_segment_open(reader->directory_fd, generation, O_RDONLY,
	    reader->buffered_too, &fd, &expect.segment_size);
	if (result != 0)
		goto out;
	got = journal_file_read(fd, block, 0, LIMIT_JOURNAL_BLOCK_SIZE);
	close(fd);
	if (got < 0)
		result = (int)got;
	else if (got < (int64_t)LIMIT_JOURNAL_BLOCK_SIZE ||
	         journal_header_check(block, &expect, &header, &why) != JOURNAL_BATCH_VALID)
		result = -ENOENT;
	else
		*lsn = le64_get(header.first_lsn);
out:
	free(block);
	return result;
}

/* The batch at the position of the open segment. VALID fills `batch`. */
static enum journal_batch_kind check_here(struct journal_reader *reader, int with_body, int fresh,
    struct journal_batch *batch, const char **why, int *error)
{
	struct journal_expect expect = { .shard = reader->shard,
		.incarnation = reader->incarnation,
		.generation = reader->at.generation,
		.offset = reader->at.offset,
		.segment_size = reader->size,
		.next_lsn = reader->at.next_lsn,
		.previous_checksum = reader->at.previous_checksum,
		.boot_counter_min = reader->boot_counter,
		.boot_counter_max = reader->boot_counter_max };
	struct journal_batch_header header;
	enum journal_batch_kind kind;
	const uint8_t *bytes;

	*why = "end of the segment";
	bytes = journal_reader_load(reader, expect.offset, LIMIT_JOURNAL_BLOCK_SIZE, fresh, error);
	if (bytes == NULL)
		return JOURNAL_BATCH_NONE;
	kind = journal_header_check(bytes, &expect, &header, why);
	if (kind != JOURNAL_BATCH_VALID)
		return kind;
	*why = "body missing: the segment is truncated";
	bytes = journal_reader_load(reader, expect.offset,
	    (size_t)journal_batch_padded(le32_get(header.body_length)), 0, error);
	if (bytes == NULL)
		return JOURNAL_BATCH_BROKEN;
	*why = "body checksum wrong (torn or damaged body)";
	if (with_body && !journal_body_check(&header, bytes + JOURNAL_HEADER_SIZE))
		return JOURNAL_BATCH_BROKEN;
	*why = "";
	*batch = (struct journal_batch){ .header = header,
		.events = bytes + JOURNAL_HEADER_SIZE,
		.generation = expect.generation,
		.offset = expect.offset };
	return JOURNAL_BATCH_VALID;
}

static void move_behind(struct journal_reader *reader, const struct journal_batch *batch)
{
	reader->at.offset =
	    batch->offset + journal_batch_padded(le32_get(batch->header.body_length));
	reader->at.next_lsn = journal_batch_last_lsn(&batch->header) + 1;
	reader->at.previous_checksum = le64_get(batch->header.header_checksum);
	reader->boot_counter = le64_get(batch->header.boot_counter);
}

/* At most two places are looked at: here, and the start of the next segment. */
int journal_reader_step(
    struct journal_reader *reader, struct journal_batch *batch, int with_body, const char **why)
{
	struct journal_position here = reader->at;
	enum journal_batch_kind kind = JOURNAL_BATCH_NONE;
	const char *ignored;
	int error = 0, result;

	*why = "segment file missing";
	result = journal_reader_use(reader, here.generation);
	if (result == 0) {
		kind = check_here(reader, with_body, 0, batch, why, &error);
		if (kind != JOURNAL_BATCH_VALID && error == 0)
			kind = check_here(reader, with_body, 1, batch, why, &error);
	} else if (result != -ENOENT) {
		return result;
	}
	if (error != 0)
		return error;
	if (kind == JOURNAL_BATCH_NEWER)
		return -EPROTO;
	if (kind != JOURNAL_BATCH_VALID && here.offset != 0) {
		/* A batch never spans segments: what did not fit begins the next one. */
		uint64_t lsn;

		result = journal_reader_first_lsn(reader, here.generation + 1, &lsn);
		if (result != 0 && result != -ENOENT)
			return result;
		if (result == 0 && lsn == here.next_lsn) {
			reader->at.generation++;
			reader->at.offset = 0;
			result = journal_reader_use(reader, reader->at.generation);
			if (result == 0 && check_here(reader, with_body, 1, batch, &ignored,
			                       &error) == JOURNAL_BATCH_VALID)
				kind = JOURNAL_BATCH_VALID;
			else
				reader->at = here;
		}
	}
	if (error != 0)
		return error;
	if (kind == JOURNAL_BATCH_VALID) {
		move_behind(reader, batch);
		return 1;
	}
	return kind == JOURNAL_BATCH_NONE ? 0 : -EBADMSG;
}

int journal_reader_next(
    struct journal_reader *reader, struct journal_batch *batch, const char **why)
{
	const char *reason;
	int result = journal_reader_step(reader, batch, 1, &reason);

	if (result != 1 && why != NULL)
		*why = reason;
	return result;
}

void journal_batch_end(const struct journal_batch *batch, struct journal_position *after)
{
	*after = (struct journal_position){
		.generation = batch->generation,
		.offset = batch->offset + journal_batch_padded(le32_get(batch->header.body_length)),
		.next_lsn = journal_batch_last_lsn(&batch->header) + 1,
		.previous_checksum = le64_get(batch->header.header_checksum),
	};
}

void journal_reader_seek_position(
    struct journal_reader *reader, const struct journal_position *position)
{
	/* The window stays: what is not a batch in it is read again before it is called none. */
	reader->at = *position;
	reader->boot_counter = 0;
}

/* The newest segment that begins at or below `lsn`, else the oldest that holds anything. */
static int find_segment(struct journal_reader *reader, uint64_t lsn, uint64_t *generation)
{
	struct journal_segment_list list;
	int result = journal_segment_list(reader->directory_fd, &list);
	uint64_t chosen = 0, first;

	if (result != 0)
		return result;
	for (size_t i = list.count; i-- > 0;) {
		result = journal_reader_first_lsn(reader, list.generations[i], &first);
		if (result == -ENOENT)
			continue;
		if (result != 0)
			break;
		chosen = list.generations[i];
		if (first <= lsn)
			break;
	}
	journal_segment_list_free(&list);
	if (result != 0 && result != -ENOENT)
		return result;
	if (chosen == 0)
		return -ENOENT;
	*generation = chosen;
	return 0;
}

int journal_reader_seek(struct journal_reader *reader, uint64_t lsn)
{
	struct journal_position before = reader->at, start = { 0 };
	uint64_t boot_counter_before = reader->boot_counter, boot_counter;
	struct journal_batch batch;
	const char *why;
	int result = find_segment(reader, lsn, &start.generation);

	if (result != 0)
		return result;
	journal_reader_seek_position(reader, &start);
	for (;;) {
		start = reader->at;
		boot_counter = reader->boot_counter;
		result = journal_reader_step(reader, &batch, 0, &why);
		if (result == 1 && journal_batch_last_lsn(&batch.header) < lsn)
			continue;
		/* The next one to be written: positioned at the end, whatever lies there yet. */
		if (result == 1 ||
		    ((result == 0 || result == -EBADMSG) && reader->at.next_lsn == lsn)) {
			reader->at = start;
			reader->boot_counter = boot_counter;
			return 0;
		}
		break;
	}
	reader->at = before;
	reader->boot_counter = boot_counter_before;
	return result == 0 ? -ENOENT : result == -EBADMSG ? -EIO : result;
}

/* The part of journal_reader_floor that lies in one open segment, from `offset` on. */
static int segment_floor(
    struct journal_reader *reader, uint64_t generation, uint64_t offset, uint64_t *floor_lsn)
{
	struct journal_expect expect = { .shard = reader->shard,
		.incarnation = reader->incarnation,
		.generation = generation,
		.offset = offset,
		.segment_size = reader->size,
		.boot_counter_max = reader->boot_counter_max };
	struct journal_batch_header header;
	const char *why;
	int error = 0;

	reader->window_length = 0; /* beside a running writer it may be old */
	for (; expect.offset < reader->size; expect.offset += LIMIT_JOURNAL_BLOCK_SIZE) {
		const uint8_t *bytes =
		    journal_reader_load(reader, expect.offset, LIMIT_JOURNAL_BLOCK_SIZE, 0, &error);

		if (bytes == NULL)
			break;
		if (journal_header_check(bytes, &expect, &header, &why) == JOURNAL_BATCH_VALID &&
		    le64_get(header.durable_through) > *floor_lsn)
			*floor_lsn = le64_get(header.durable_through);
	}
	return error;
}

int journal_reader_floor(struct journal_reader *reader, uint64_t *floor_lsn)
{
	struct journal_segment_list list;
	struct journal_meta meta;
	uint64_t highest;
	int result = journal_meta_read(reader->directory_fd, reader->shard, &meta);

	if (result != 0)
		return result;
	highest = meta.kept_lsn;
	result = journal_segment_list(reader->directory_fd, &list);
	if (result != 0)
		return result;
	for (size_t i = 0; i < list.count && result == 0; i++) {
		uint64_t generation = list.generations[i];

		if (generation < reader->at.generation)
			continue;
		result = journal_reader_use(reader, generation);
		if (result == 0)
			result = segment_floor(reader, generation,
			    generation == reader->at.generation ? reader->at.offset : 0, &highest);
		else if (result == -ENOENT)
			result = 0; /* recycled since it was listed */
	}
	journal_segment_list_free(&list);
	if (result == 0)
		*floor_lsn = highest;
	return result;
}
