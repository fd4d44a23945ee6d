/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shard's journal holds, read by own code while the switch is down (damage_look.c), and what
 * the disk does to it (damage.c).
 */
#ifndef SLUICE_TESTS_SIM_DAMAGE_H
#define SLUICE_TESTS_SIM_DAMAGE_H

#include "dataplane/journal/journal.h"
#include "tests/sim/world.h"

#define CHAIN_BATCHES  4096u
#define CHAIN_SEGMENTS 16u
#define CHAIN_BLOCK    4096u
#define CHAIN_PATH     128u

/* A batch of the chain, and where it lies. */
struct chain_batch {
	struct journal_batch_header header;
	uint64_t generation, offset;
	uint64_t size; /* with header and padding */
	uint64_t first, last, durable_through;
};

/* One shard's journal. */
struct chain {
	uint32_t shard;
	uint64_t incarnation, boot_counter, kept_lsn, base_lsn; /* journal.meta */
	uint64_t generations[CHAIN_SEGMENTS], sizes[CHAIN_SEGMENTS];
	uint32_t segment_count;
	struct chain_batch batches[CHAIN_BATCHES];
	uint32_t count;
	struct journal_position end; /* where the next batch would go */
};

void chain_path(uint32_t shard, const char *name, char path[CHAIN_PATH]);
void chain_segment_path(uint32_t shard, uint64_t generation, char path[CHAIN_PATH]);
/* An intact header of this place: 1. `incarnation` 0: any. */
int chain_header_is(const struct journal_batch_header *header, uint64_t incarnation,
    uint64_t generation, uint64_t offset);
/* The three checksums of a header that was made up. */
void chain_header_seal(struct journal_batch_header *header, const uint8_t *body);
/*
 * The chain that reaches LSN `least`, from the oldest segment one can be followed from. 0; -1:
 * there is none, or no journal.
 */
int chain_read(struct chain *chain, uint32_t shard, uint64_t least);

#endif
