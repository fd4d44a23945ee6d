/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/journal/batch.h"

/* Inline: the library's own is made for the least CPU, this for ours. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "wire/canary.h"

static uint64_t header_checksum(const struct journal_batch_header *header)
{
	return XXH3_128bits(header, offsetof(struct journal_batch_header, header_checksum)).low64;
}

void journal_batch_seal(struct journal_batch_header *header, const uint8_t *body)
{
	XXH128_hash_t hash = XXH3_128bits(body, le32_get(header->body_length));

	header->magic = le64_make(JOURNAL_MAGIC);
	header->version = le16_make(JOURNAL_VERSION);
	header->header_size = le32_make(JOURNAL_HEADER_SIZE);
	header->body_checksum = le64_make(hash.low64);
	header->body_checksum_high = le64_make(hash.high64);
	header->header_checksum = le64_make(header_checksum(header));
}

/* Rules 2 and 3: is this a batch of this journal, and does it belong to this place? */
static enum journal_batch_kind check_place(const struct journal_batch_header *header,
    const struct journal_expect *expect, const char **why)
{
	uint64_t generation = le64_get(header->segment_generation);

	if (le16_get(header->version) > JOURNAL_VERSION) {
		*why = "written by a newer version of the format";
		return JOURNAL_BATCH_NEWER;
	}
	*why = "version or header size unknown";
	if (le16_get(header->version) != JOURNAL_VERSION ||
	    le32_get(header->header_size) != JOURNAL_HEADER_SIZE)
		return JOURNAL_BATCH_BROKEN;
	*why = "batch of another shard";
	if (le16_get(header->shard) != expect->shard)
		return JOURNAL_BATCH_BROKEN;
	*why = "batch of another incarnation of this journal";
	if (le64_get(header->incarnation) != expect->incarnation)
		return JOURNAL_BATCH_BROKEN;
	*why = "batch of an older generation of this segment";
	if (generation < expect->generation)
		return JOURNAL_BATCH_NONE;
	*why = "batch of another segment";
	if (generation > expect->generation)
		return JOURNAL_BATCH_BROKEN;
	*why = "batch of another offset";
	if (le64_get(header->segment_offset) != expect->offset)
		return JOURNAL_BATCH_BROKEN;
	return JOURNAL_BATCH_VALID;
}

/* Rule 4: are its sizes possible? */
static enum journal_batch_kind check_sizes(const struct journal_batch_header *header,
    const struct journal_expect *expect, const char **why)
{
	uint32_t length = le32_get(header->body_length);
	uint32_t count = le32_get(header->event_count);
	uint64_t first = le64_get(header->first_lsn);

	*why = "sizes out of range";
	if (length == 0 || length % 8 != 0 ||
	    length > LIMIT_JOURNAL_BATCH_SIZE_MAX - JOURNAL_HEADER_SIZE)
		return JOURNAL_BATCH_BROKEN;
	if (count == 0 || count > length / 8)
		return JOURNAL_BATCH_BROKEN;
	if (journal_batch_padded(length) > expect->segment_size ||
	    expect->offset > expect->segment_size - journal_batch_padded(length))
		return JOURNAL_BATCH_BROKEN;
	*why = "LSNs out of range";
	if (first == 0 || first > UINT64_MAX - count || le64_get(header->durable_through) >= first)
		return JOURNAL_BATCH_BROKEN;
	return JOURNAL_BATCH_VALID;
}

/* Rule 5: does it continue what is before it? */
static enum journal_batch_kind check_chain(const struct journal_batch_header *header,
    const struct journal_expect *expect, const char **why)
{
	uint64_t boot_counter = le64_get(header->boot_counter);

	*why = "boot counter runs backwards";
	if (boot_counter < expect->boot_counter_min)
		return JOURNAL_BATCH_BROKEN;
	*why = "boot counter is ahead of journal.meta";
	if (boot_counter > expect->boot_counter_max)
		return JOURNAL_BATCH_BROKEN;
	if (expect->next_lsn == 0)
		return JOURNAL_BATCH_VALID;
	*why = "another LSN than the next one";
	if (le64_get(header->first_lsn) != expect->next_lsn)
		return JOURNAL_BATCH_BROKEN;
	*why = "does not follow the batch before it (checksum chain)";
	if (le64_get(header->previous_checksum) != expect->previous_checksum &&
	    !SLUICE_CANARY(SKIP_CHAIN))
		return JOURNAL_BATCH_BROKEN;
	return JOURNAL_BATCH_VALID;
}

enum journal_batch_kind journal_header_check(const uint8_t *bytes,
    const struct journal_expect *expect, struct journal_batch_header *header, const char **why)
{
	struct journal_batch_header copy;
	enum journal_batch_kind kind;

	memcpy(&copy, bytes, sizeof(copy));
	*why = "no batch here";
	if (le64_get(copy.magic) != JOURNAL_MAGIC)
		return JOURNAL_BATCH_NONE;
	*why = "header checksum wrong (torn or damaged header)";
	if (le64_get(copy.header_checksum) != header_checksum(&copy))
		return JOURNAL_BATCH_BROKEN;
	kind = check_place(&copy, expect, why);
	if (kind == JOURNAL_BATCH_VALID)
		kind = check_sizes(&copy, expect, why);
	if (kind == JOURNAL_BATCH_VALID)
		kind = check_chain(&copy, expect, why);
	if (kind == JOURNAL_BATCH_VALID || kind == JOURNAL_BATCH_NEWER)
		*header = copy;
	if (kind == JOURNAL_BATCH_VALID)
		*why = "";
	return kind;
}

int journal_body_check(const struct journal_batch_header *header, const uint8_t *body)
{
	XXH128_hash_t hash = XXH3_128bits(body, le32_get(header->body_length));

	if (SLUICE_CANARY(SKIP_CHECKSUM))
		return 1;
	return hash.low64 == le64_get(header->body_checksum) &&
	       hash.high64 == le64_get(header->body_checksum_high);
}

int journal_group_commit_due(unsigned in_flight, unsigned depth, size_t close_size, size_t size)
{
	if (size == 0)
		return 0;
	if (in_flight == 0)
		return 1;
	if (in_flight < depth && size >= close_size)
		return 1;
	/* "At 128 KiB": the longest event would no longer fit. */
	return size + LIMIT_EVENT_SIZE_MAX > LIMIT_JOURNAL_BATCH_SIZE_MAX;
}
