/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal as it lies on the disk, read by the format's own words (dataplane/journal/journal.h)
 * and not by the code that is on trial.
 */
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"
#include "tests/sim/damage.h"

static uint8_t segment[1u << 20];

void chain_path(uint32_t shard, const char *name, char path[CHAIN_PATH])
{
	snprintf(path, CHAIN_PATH, SIM_ROOT "/var/lib/sluice/shard-%u/journal%s%s", shard,
	    name[0] == '\0' ? "" : "/", name);
}

void chain_segment_path(uint32_t shard, uint64_t generation, char path[CHAIN_PATH])
{
	char name[JOURNAL_NAME_SIZE];

	journal_segment_name(name, generation);
	chain_path(shard, name, path);
}

static uint64_t checksum(const struct journal_batch_header *header)
{
	return XXH3_128bits(header, offsetof(struct journal_batch_header, header_checksum)).low64;
}

int chain_header_is(const struct journal_batch_header *header, uint64_t incarnation,
    uint64_t generation, uint64_t offset)
{
	return le64_get(header->magic) == JOURNAL_MAGIC &&
	       le64_get(header->header_checksum) == checksum(header) &&
	       (incarnation == 0 || le64_get(header->incarnation) == incarnation) &&
	       le64_get(header->segment_generation) == generation &&
	       le64_get(header->segment_offset) == offset;
}

void chain_header_seal(struct journal_batch_header *header, const uint8_t *body)
{
	XXH128_hash_t hash = XXH3_128bits(body, le32_get(header->body_length));

	header->body_checksum = le64_make(hash.low64);
	header->body_checksum_high = le64_make(hash.high64);
	header->header_checksum = le64_make(checksum(header));
}

/* Journal.meta and the segments there are. */
static int files_read(struct chain *chain)
{
	struct journal_segment_list list = { 0 };
	struct journal_meta_block meta;
	char path[CHAIN_PATH];
	int fd, result;

	chain_path(chain->shard, JOURNAL_META_NAME, path);
	if (sim_disk_peek(path, 0, &meta, sizeof(meta)) != (int64_t)sizeof(meta))
		return -1;
	chain->incarnation = le64_get(meta.incarnation);
	chain->boot_counter = le64_get(meta.boot_counter);
	chain->kept_lsn = le64_get(meta.kept_lsn);
	chain->base_lsn = le64_get(meta.base_lsn);
	chain_path(chain->shard, "", path);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	result = fd < 0 ? -1 : journal_segment_list(fd, &list);
	if (fd >= 0)
		close(fd);
	if (result != 0)
		return -1;
	chain->segment_count = list.count < CHAIN_SEGMENTS ? (uint32_t)list.count : CHAIN_SEGMENTS;
	for (uint32_t i = 0; i < chain->segment_count; i++)
		chain->generations[i] = list.generations[i];
	journal_segment_list_free(&list);
	return 0;
}

/* The batch at this place, if it goes on from the one before (next_lsn 0: any). */
static int batch_read(struct chain *chain, struct chain_batch *batch, uint64_t size)
{
	struct journal_batch_header *header = &batch->header;
	const struct journal_position *end = &chain->end;
	XXH128_hash_t hash;
	uint32_t length;

	if (batch->offset + CHAIN_BLOCK > size)
		return 0;
	memcpy(header, segment + batch->offset, sizeof(*header));
	if (!chain_header_is(header, chain->incarnation, batch->generation, batch->offset))
		return 0;
	length = le32_get(header->body_length);
	batch->first = le64_get(header->first_lsn);
	batch->last = batch->first + le32_get(header->event_count) - 1;
	batch->durable_through = le64_get(header->durable_through);
	batch->size = (JOURNAL_HEADER_SIZE + length + CHAIN_BLOCK - 1) / CHAIN_BLOCK * CHAIN_BLOCK;
	if (batch->size > size - batch->offset ||
	    (end->next_lsn != 0 &&
	        (batch->first != end->next_lsn ||
	            le64_get(header->previous_checksum) != end->previous_checksum)))
		return 0;
	hash = XXH3_128bits(segment + batch->offset + JOURNAL_HEADER_SIZE, length);
	return hash.low64 == le64_get(header->body_checksum) &&
	       hash.high64 == le64_get(header->body_checksum_high);
}

/* What of the chain lies in this segment: 1 when the next one may go on. */
static int segment_follow(struct chain *chain, uint32_t number)
{
	char path[CHAIN_PATH];
	struct chain_batch batch = { .generation = chain->generations[number] };
	uint32_t before = chain->count;
	int64_t size;

	chain_segment_path(chain->shard, batch.generation, path);
	size = sim_disk_peek(path, 0, segment, sizeof(segment));
	chain->sizes[number] = size < 0 ? 0 : (uint64_t)size;
	while (chain->count < CHAIN_BATCHES && batch_read(chain, &batch, chain->sizes[number])) {
		chain->batches[chain->count++] = batch;
		batch.offset += batch.size;
		chain->end = (struct journal_position){ .generation = batch.generation,
			.offset = batch.offset,
			.next_lsn = batch.last + 1,
			.previous_checksum = le64_get(batch.header.header_checksum) };
	}
	return chain->count > before;
}

int chain_read(struct chain *chain, uint32_t shard, uint64_t least)
{
	int found = 0;

	*chain = (struct chain){ .shard = shard };
	sim_disk_look(1);
	if (files_read(chain) == 0)
		for (uint32_t start = 0; start < chain->segment_count && !found; start++) {
			chain->count = 0;
			chain->end = (struct journal_position){ 0 };
			for (uint32_t i = start; i < chain->segment_count; i++)
				if (!segment_follow(chain, i))
					break;
			found = chain->count > 0 && chain->end.next_lsn > least;
		}
	sim_disk_look(0);
	return found ? 0 : -1;
}
