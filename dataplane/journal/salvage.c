/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a damaged journal still has: the chain is followed over places that are damaged, as long as
 * the store's log holds every event that is missing there. Reads only.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"
#include "dataplane/journal/reader.h"

struct salvage {
	struct journal_reader *reader;
	struct journal_segment_list list;
	struct journal_salvage *found;
	uint64_t log_lsn;
	journal_apply_batch *apply;
	void *context;
};

/* The next batch of a chain. 1 go on; 0: it lies behind what is missing; what apply returned. */
static int take(struct salvage *salvage, const struct journal_batch *batch)
{
	struct journal_salvage *found = salvage->found;
	uint64_t last = journal_batch_last_lsn(&batch->header);
	int result = 0;

	if (le64_get(batch->header.first_lsn) > found->last_lsn + 1)
		return 0;
	found->seen_lsn = last;
	if (last <= found->last_lsn)
		return 1;
	if (salvage->apply != NULL)
		result = salvage->apply(salvage->context, batch);
	if (result != 0)
		return result < 0 ? result : -ECANCELED;
	found->last_lsn = last;
	return 1;
}

/* The batch at this place, whole by itself. 1, 0, -EPROTO newer, -errno. */
static int look(struct salvage *salvage, const struct journal_expect *expect,
    struct journal_batch_header *header)
{
	struct journal_reader *reader = salvage->reader;
	const uint8_t *bytes;
	const char *why;
	int error = 0;
	enum journal_batch_kind kind;

	bytes = journal_reader_load(reader, expect->offset, LIMIT_JOURNAL_BLOCK_SIZE, 0, &error);
	if (bytes == NULL)
		return error;
	kind = journal_header_check(bytes, expect, header, &why);
	if (kind != JOURNAL_BATCH_VALID)
		return kind == JOURNAL_BATCH_NEWER ? -EPROTO : 0;
	bytes = journal_reader_load(reader, expect->offset,
	    (size_t)journal_batch_padded(le32_get(header->body_length)), 0, &error);
	if (bytes == NULL)
		return error;
	return journal_body_check(header, bytes + JOURNAL_HEADER_SIZE);
}

static void hole_note(struct salvage *salvage, const struct journal_position *broken, uint64_t to)
{
	struct journal_salvage *found = salvage->found;

	if (found->hole_count < JOURNAL_HOLES_MAX)
		found->holes[found->hole_count] = (struct journal_hole){
			.generation = broken->generation,
			.offset = broken->offset,
			.from_lsn = broken->next_lsn,
			.to_lsn = to,
		};
	found->hole_count++;
}

/*
 * Behind the end of a chain: the next whole batch, if the log holds all in between. The reader is
 * placed there. Once events beyond the log were taken only their own chain may go on. 1 found, 0
 * none, -errno.
 */
static int resume(struct salvage *salvage)
{
	struct journal_reader *reader = salvage->reader;
	const struct journal_position broken = reader->at;
	struct journal_batch_header header;
	int result = 0;

	if (salvage->found->last_lsn != salvage->log_lsn)
		return 0;
	for (size_t i = 0; i < salvage->list.count && result == 0; i++) {
		struct journal_expect expect = { .shard = reader->shard,
			.incarnation = reader->incarnation,
			.generation = salvage->list.generations[i],
			.boot_counter_min = reader->boot_counter,
			.boot_counter_max = reader->boot_counter_max };

		if (expect.generation < broken.generation)
			continue;
		result = journal_reader_use(reader, expect.generation);
		if (result != 0)
			break;
		expect.segment_size = reader->size;
		if (expect.generation == broken.generation)
			expect.offset = broken.offset;
		for (; expect.offset < expect.segment_size;
		     expect.offset += LIMIT_JOURNAL_BLOCK_SIZE) {
			result = look(salvage, &expect, &header);
			if (result == 1 && le64_get(header.first_lsn) > salvage->log_lsn + 1)
				return 0;
			if (result < 0 ||
			    (result == 1 && le64_get(header.first_lsn) > salvage->found->seen_lsn))
				break;
			result = 0;
		}
		if (result != 1)
			continue;
		hole_note(salvage, &broken, le64_get(header.first_lsn) - 1);
		reader->at = (struct journal_position){ .generation = expect.generation,
			.offset = expect.offset,
			.next_lsn = le64_get(header.first_lsn),
			.previous_checksum = le64_get(header.previous_checksum) };
	}
	return result;
}

static int walk(struct salvage *salvage)
{
	struct journal_batch batch;
	const char *why;
	int result;

	for (;;) {
		result = journal_reader_step(salvage->reader, &batch, 1, &why);
		if (result == 1)
			result = take(salvage, &batch);
		else if (result == 0 || result == -EBADMSG)
			result = resume(salvage);
		if (result != 1)
			return result;
	}
}

static int salvage_open(
    struct salvage *salvage, const struct journal_config *config, int directory_fd)
{
	struct journal_position start = { .generation = 1 };
	struct journal_meta meta;
	int result = journal_meta_read(directory_fd, config->shard, &meta);

	if (result == 0)
		result = journal_segment_list(directory_fd, &salvage->list);
	if (result == 0)
		result = journal_reader_open_at(&salvage->reader, directory_fd, config->shard,
		    meta.incarnation, config->allow_volatile);
	if (result != 0)
		return result;
	salvage->reader->boot_counter_max = meta.boot_counter;
	if (salvage->list.count > 0)
		start.generation = salvage->list.generations[0];
	if (start.generation == 1)
		start.next_lsn = meta.base_lsn + 1;
	journal_reader_seek_position(salvage->reader, &start);
	result = journal_reader_floor(salvage->reader, &salvage->found->floor_lsn);
	if (meta.base_lsn > salvage->found->floor_lsn)
		salvage->found->floor_lsn = meta.base_lsn;
	return result;
}

int journal_salvage(const struct journal_config *config, uint64_t log_lsn,
    journal_apply_batch *apply, void *context, struct journal_salvage *found)
{
	struct salvage salvage = {
		.found = found, .log_lsn = log_lsn, .apply = apply, .context = context
	};
	int directory_fd = -1, result;

	*found = (struct journal_salvage){ .last_lsn = log_lsn };
	result = journal_directory_open(config, 0, &directory_fd, NULL, 0);
	if (result == 0)
		result = salvage_open(&salvage, config, directory_fd);
	if (result == 0)
		result = walk(&salvage);
	journal_reader_close(salvage.reader);
	journal_segment_list_free(&salvage.list);
	if (directory_fd >= 0)
		close(directory_fd);
	return result;
}
