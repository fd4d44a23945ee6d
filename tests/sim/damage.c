/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the disk does to a journal while the switch is down, at one shard at a time: only where it
 * must be found or can do no harm (README.md, "Damage"). A start that refuses must name it and
 * leave it as it is; then what was there before is put back, as somebody would with a good copy,
 * and the run goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/journal/manifest.h"
#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"
#include "tests/sim/damage.h"

#define SEGMENT_SIZE  (1u << 20)
#define PATCHES_MAX   80u
#define ZERO_MAX      32u /* blocks */
#define TRIES         12u
#define REFUSED_START "journal recovery refused: "

enum damage_kind {
	DAMAGE_FLIP,      /* a bit of a batch */
	DAMAGE_SECTOR,    /* 512 bytes of a batch: zeros, anything, or of another batch */
	DAMAGE_MISPLACED, /* a block of another batch, written here */
	DAMAGE_SWAP,      /* two batches, each at the other's place */
	DAMAGE_ZEROS,     /* a range of blocks */
	DAMAGE_OLDER,     /* blocks as an older generation of the segment had them */
	DAMAGE_GONE,      /* a segment's file */
	DAMAGE_META,      /* a bit of journal.meta */
	DAMAGE_META_OLD,  /* journal.meta as it was one start before */
	DAMAGE_MANIFEST,  /* a bit of journal.manifest */
	DAMAGE_STALE_END, /* behind the end: a batch of another past, right but for the chain */
	DAMAGE_STALE_FAR, /* farther behind the end than any write reaches */
	DAMAGE_KINDS,
};

static const char *const kind_names[DAMAGE_KINDS] = { "flipped bit", "sector overwritten",
	"block misplaced", "batches swapped", "zeroed range", "older content", "segment gone",
	"bit of journal.meta", "older journal.meta", "bit of journal.manifest",
	"stale batch at the end", "stale batch far behind the end" };

struct patch {
	char path[CHAIN_PATH];
	uint64_t offset;
	size_t size;
	uint8_t was[CHAIN_BLOCK], is[CHAIN_BLOCK];
};

static struct {
	struct patch patches[PATCHES_MAX];
	uint32_t count;
	uint32_t shard;
	enum damage_kind kind;
	uint64_t gone; /* generation */
	char where[64];
} damage;

static struct chain chain;
/* journal.meta of each shard, of this start and of the one before. */
static uint8_t meta_now[WORLD_SHARDS_MAX][CHAIN_BLOCK], meta_old[WORLD_SHARDS_MAX][CHAIN_BLOCK];

/* ---- Changing what is there ---- */

/* A block, or what of it lies inside the file. */
static void block_put(const char *path, uint64_t offset, const uint8_t *bytes)
{
	struct patch *patch = &damage.patches[damage.count++];

	SLUICE_REQUIRE(damage.count <= PATCHES_MAX);
	snprintf(patch->path, sizeof(patch->path), "%s", path);
	patch->offset = offset;
	patch->size = (size_t)sim_disk_peek(path, offset, patch->was, sizeof(patch->was));
	memcpy(patch->is, bytes, sizeof(patch->is));
	SLUICE_REQUIRE(sim_disk_patch(path, offset, bytes, patch->size) == 0);
}

static void block_get(uint64_t generation, uint64_t offset, uint8_t *bytes)
{
	char path[CHAIN_PATH];

	memset(bytes, 0, CHAIN_BLOCK);
	chain_segment_path(damage.shard, generation, path);
	(void)!sim_disk_peek(path, offset, bytes, CHAIN_BLOCK);
}

static void segment_put(uint64_t generation, uint64_t offset, const uint8_t *bytes)
{
	char path[CHAIN_PATH];

	chain_segment_path(damage.shard, generation, path);
	block_put(path, offset, bytes);
}

/* Bytes that somebody reads: header and events. */
static uint64_t used_size(const struct chain_batch *batch)
{
	return JOURNAL_HEADER_SIZE + le32_get(batch->header.body_length);
}

/* ---- Where it must be found ---- */

/*
 * Batches first..last lost: something that is left says that they were durable, or they never were,
 * and nobody heard of them. What lies between is what no journal could find (journal.h,
 * "UNDETECTABLE").
 */
static int may_be_lost(const struct world *world, uint32_t first, uint32_t last)
{
	uint64_t lsn = chain.batches[first].first, proven = world->committed_lsn[chain.shard];

	if (chain.kept_lsn > proven)
		proven = chain.kept_lsn;
	for (uint32_t i = 0; i < chain.count; i++)
		if ((i < first || i > last) && chain.batches[i].durable_through > proven)
			proven = chain.batches[i].durable_through;
	return lsn <= proven || lsn > world->durable_lsn[chain.shard];
}

/* Most often one of the last, or one the store has not committed: that is where proofs are few. -1:
 * none was found. */
static int batch_pick(const struct world *world)
{
	static const uint32_t near[] = { 1, 4, 40, CHAIN_BATCHES };
	uint32_t kept = 0;

	while (
	    kept < chain.count && chain.batches[kept].first <= world->committed_lsn[damage.shard])
		kept++;
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t most = near[sim_below(SLUICE_ARRAY_COUNT(near))], pick;

		if (most > chain.count)
			most = chain.count;
		if (kept < chain.count && sim_below(2) == 0)
			most = chain.count - kept;
		pick = chain.count - 1 - (uint32_t)sim_below(most);
		if (may_be_lost(world, pick, pick))
			return (int)pick;
	}
	return -1;
}

/* ---- Kinds ---- */

static int bit_flip(const char *path, uint64_t from, uint64_t size)
{
	uint64_t bit = from * 8 + sim_below(size * 8);
	uint64_t offset = bit / 8 / CHAIN_BLOCK * CHAIN_BLOCK;
	uint8_t bytes[CHAIN_BLOCK] = { 0 };

	if (size == 0 || sim_disk_peek(path, offset, bytes, sizeof(bytes)) <= 0)
		return 0;
	bytes[bit / 8 % CHAIN_BLOCK] ^= (uint8_t)(1u << bit % 8);
	block_put(path, offset, bytes);
	return 1;
}

static int damage_flip(const struct chain_batch *batch)
{
	char path[CHAIN_PATH];

	chain_segment_path(damage.shard, batch->generation, path);
	return bit_flip(path, batch->offset, used_size(batch));
}

/* Any block of the chain, its own or not. */
static void other_block(uint8_t *bytes)
{
	const struct chain_batch *other = &chain.batches[sim_below(chain.count)];

	block_get(other->generation,
	    other->offset + sim_below(other->size / CHAIN_BLOCK) * CHAIN_BLOCK, bytes);
}

static int damage_sector(const struct chain_batch *batch)
{
	uint64_t sector = sim_below((used_size(batch) + 511) / 512) * 512, kind = sim_below(3);
	uint64_t offset = batch->offset + sector / CHAIN_BLOCK * CHAIN_BLOCK;
	uint8_t bytes[CHAIN_BLOCK], other[CHAIN_BLOCK];

	block_get(batch->generation, offset, bytes);
	other_block(other);
	for (unsigned i = 0; i < 512; i++)
		bytes[sector % CHAIN_BLOCK + i] = kind == 0   ? 0
		                                  : kind == 1 ? (uint8_t)sim_random()
		                                              : other[sector % CHAIN_BLOCK + i];
	segment_put(batch->generation, offset, bytes);
	return 1;
}

static int damage_misplaced(const struct chain_batch *batch)
{
	uint8_t bytes[CHAIN_BLOCK];

	other_block(bytes);
	segment_put(batch->generation,
	    batch->offset + sim_below(batch->size / CHAIN_BLOCK) * CHAIN_BLOCK, bytes);
	return 1;
}

static int damage_swap(const struct world *world, uint32_t number)
{
	const struct chain_batch *a = &chain.batches[number], *b;
	uint8_t one[CHAIN_BLOCK], two[CHAIN_BLOCK];
	uint32_t other;

	for (unsigned i = 0; i < TRIES; i++) {
		other = (uint32_t)sim_below(chain.count);
		b = &chain.batches[other];
		/* What lies between is left, and proves nothing about the later of the two. */
		if (other == number || a->size != b->size || a->size > ZERO_MAX * CHAIN_BLOCK ||
		    !may_be_lost(
		        world, other < number ? other : number, other < number ? number : other))
			continue;
		for (uint64_t at = 0; at < a->size; at += CHAIN_BLOCK) {
			block_get(a->generation, a->offset + at, one);
			block_get(b->generation, b->offset + at, two);
			segment_put(a->generation, a->offset + at, two);
			segment_put(b->generation, b->offset + at, one);
		}
		return 1;
	}
	return 0;
}

static int damage_zeros(const struct world *world, uint32_t number)
{
	static const uint8_t zeros[CHAIN_BLOCK];
	const struct chain_batch *batch = &chain.batches[number];
	uint64_t end = batch->offset + (1 + sim_below(ZERO_MAX)) * CHAIN_BLOCK;
	uint32_t last = number;

	while (last + 1 < chain.count && chain.batches[last + 1].generation == batch->generation &&
	       chain.batches[last + 1].offset < end)
		last++;
	if (!may_be_lost(world, number, last))
		return 0;
	for (uint64_t at = batch->offset; at < end && at < SEGMENT_SIZE; at += CHAIN_BLOCK)
		segment_put(batch->generation, at, zeros);
	return 1;
}

/* Sector by sector, as the file's name had them before it was used again: an older segment's. */
static int damage_older(const struct chain_batch *batch)
{
	uint64_t older = chain.generations[0] < batch->generation ? chain.generations[0] : 0;
	uint8_t bytes[CHAIN_BLOCK], old[CHAIN_BLOCK] = { 0 };
	int whole = sim_below(2) == 0;

	for (uint64_t at = 0; at < batch->size && damage.count < PATCHES_MAX; at += CHAIN_BLOCK) {
		block_get(batch->generation, batch->offset + at, bytes);
		if (older != 0)
			block_get(older, batch->offset + at, old);
		for (unsigned i = 0; i < CHAIN_BLOCK; i += 512)
			if (whole || sim_below(2) == 0)
				memcpy(bytes + i, old + i, 512);
		segment_put(batch->generation, batch->offset + at, bytes);
	}
	return 1;
}

static void gone_rename(uint64_t generation, int back)
{
	char name[CHAIN_PATH], lost[CHAIN_PATH], directory[CHAIN_PATH];
	int fd;

	chain_segment_path(damage.shard, generation, name);
	chain_path(damage.shard, "lost", lost);
	chain_path(damage.shard, "", directory);
	sim_disk_look(1);
	SLUICE_REQUIRE(rename(back ? lost : name, back ? name : lost) == 0);
	fd = open(directory, O_RDONLY | O_DIRECTORY);
	SLUICE_REQUIRE(fd >= 0 && fsync(fd) == 0);
	close(fd);
	sim_disk_look(0);
}

static int damage_gone(const struct world *world, uint32_t number)
{
	uint64_t generation = chain.batches[number].generation;
	uint32_t first = number, last = number;

	while (first > 0 && chain.batches[first - 1].generation == generation)
		first--;
	while (last + 1 < chain.count && chain.batches[last + 1].generation == generation)
		last++;
	if (!may_be_lost(world, first, last))
		return 0;
	gone_rename(generation, 0);
	damage.gone = generation;
	return 1;
}

static int file_flip(const char *name)
{
	static uint8_t bytes[65536];
	char path[CHAIN_PATH];
	int64_t size;

	chain_path(damage.shard, name, path);
	size = sim_disk_peek(path, 0, bytes, sizeof(bytes));
	return size <= 0 ? 0 : bit_flip(path, 0, (uint64_t)size);
}

static int damage_meta_old(void)
{
	char path[CHAIN_PATH];

	if (le64_get(((struct journal_meta_block *)meta_old[damage.shard])->magic) !=
	    JOURNAL_META_MAGIC)
		return 0;
	chain_path(damage.shard, JOURNAL_META_NAME, path);
	block_put(path, 0, meta_old[damage.shard]);
	return 1;
}

/*
 * A batch that was written once and cut, or that a mirror's other half held: every checksum is
 * right. Its events are those of the last batch.
 */
static int damage_stale(uint64_t generation, uint64_t offset, uint64_t first)
{
	static uint8_t bytes[ZERO_MAX * CHAIN_BLOCK];
	const struct chain_batch *last = &chain.batches[chain.count - 1];
	struct journal_batch_header header = last->header;

	if (last->size > sizeof(bytes) || offset + last->size > SEGMENT_SIZE)
		return 0;
	for (uint64_t at = 0; at < last->size; at += CHAIN_BLOCK)
		block_get(last->generation, last->offset + at, bytes + at);
	header.segment_generation = le64_make(generation);
	header.segment_offset = le64_make(offset);
	header.first_lsn = le64_make(first);
	header.boot_counter = le64_make(chain.boot_counter);
	header.previous_checksum = le64_make(sim_random());
	chain_header_seal(&header, bytes + JOURNAL_HEADER_SIZE);
	memcpy(bytes, &header, sizeof(header));
	for (uint64_t at = 0; at < last->size; at += CHAIN_BLOCK)
		segment_put(generation, offset + at, bytes + at);
	return 1;
}

static int damage_stale_far(void)
{
	uint64_t newest = chain.generations[chain.segment_count - 1];

	if (newest < chain.end.generation + 2)
		return 0;
	return damage_stale(chain.end.generation + 2 + sim_below(newest - chain.end.generation - 1),
	    sim_below(3) == 0 ? 0 : sim_below(SEGMENT_SIZE / CHAIN_BLOCK) * CHAIN_BLOCK,
	    chain.end.next_lsn + sim_below(40));
}

static int damage_do(const struct world *world, uint32_t pick)
{
	const struct chain_batch *batch = &chain.batches[pick];

	switch (damage.kind) {
	case DAMAGE_FLIP:
		return damage_flip(batch);
	case DAMAGE_SECTOR:
		return damage_sector(batch);
	case DAMAGE_MISPLACED:
		return damage_misplaced(batch);
	case DAMAGE_SWAP:
		return damage_swap(world, pick);
	case DAMAGE_ZEROS:
		return damage_zeros(world, pick);
	case DAMAGE_OLDER:
		return damage_older(batch);
	case DAMAGE_GONE:
		return damage_gone(world, pick);
	case DAMAGE_META:
		return file_flip(JOURNAL_META_NAME);
	case DAMAGE_META_OLD:
		return damage_meta_old();
	case DAMAGE_MANIFEST:
		return file_flip(JOURNAL_MANIFEST_NAME);
	case DAMAGE_STALE_END:
		return damage_stale(chain.end.generation, chain.end.offset, chain.end.next_lsn);
	case DAMAGE_STALE_FAR:
		return damage_stale_far();
	case DAMAGE_KINDS:
		break;
	}
	return 0;
}

/* ---- What world.c calls ---- */

void damage_reset(void)
{
	memset(meta_now, 0, sizeof(meta_now));
	memset(meta_old, 0, sizeof(meta_old));
}

/* What hits batches twice as often as the rest. */
static enum damage_kind kind_pick(void)
{
	uint32_t pick = (uint32_t)sim_below(DAMAGE_KINDS + DAMAGE_GONE + 1);

	return (enum damage_kind)(pick < DAMAGE_KINDS ? pick : pick - DAMAGE_KINDS);
}

void damage_make(struct world *world)
{
	int pick;

	damage.count = 0;
	damage.gone = 0;
	damage.shard = (uint32_t)sim_below(world->plan.shards);
	damage.kind = kind_pick();
	if (chain_read(&chain, damage.shard, world->durable_lsn[damage.shard]) != 0)
		return;
	/* Nothing but journal.meta speaks of this start yet. */
	if (world->committed_lsn[damage.shard] <= chain.kept_lsn &&
	    world->durable_lsn[damage.shard] > chain.kept_lsn && sim_below(2) == 0)
		damage.kind = DAMAGE_META_OLD;
	pick = batch_pick(world);
	if (pick < 0 || !damage_do(world, (uint32_t)pick))
		return;
	world->damaged = 1;
	snprintf(damage.where, sizeof(damage.where), "%s, shard %u, LSN %llu",
	    kind_names[damage.kind], damage.shard, (unsigned long long)chain.batches[pick].first);
	trace_note(
	    TRACE_DAMAGE, damage.kind, damage.shard, chain.batches[pick].first, chain.end.next_lsn);
}

void damage_accepted(struct world *world)
{
	world->damaged = 0;
	world->counts.harmless++;
}

/* 1: nothing that was put there has been changed. */
static int is_left_alone(void)
{
	for (uint32_t i = damage.count; i-- > 0;) {
		const struct patch *patch = &damage.patches[i];
		uint8_t bytes[CHAIN_BLOCK] = { 0 };
		int64_t size = sim_disk_peek(patch->path, patch->offset, bytes, sizeof(bytes));

		if (size != (int64_t)patch->size || memcmp(bytes, patch->is, patch->size) != 0)
			return 0;
	}
	return 1;
}

void damage_refused(struct world *world)
{
	char named[64];

	snprintf(named, sizeof(named), "shard %u: " REFUSED_START, damage.shard);
	if (damage.kind == DAMAGE_STALE_END || damage.kind == DAMAGE_STALE_FAR)
		world_violation(world, "start-refused",
		    "%s: what was cut once is nothing to refuse for: %s", damage.where,
		    world->message);
	if (strncmp(world->message, named, strlen(named)) != 0)
		world_violation(world, "damage-missed",
		    "%s: not found by the shard's recovery, which was refused for: %s",
		    damage.where, world->message);
	if (!is_left_alone())
		world_violation(world, "damage-missed",
		    "%s: the start was refused and has changed the journal: %s", damage.where,
		    world->message);
	for (uint32_t i = damage.count; i-- > 0;)
		SLUICE_REQUIRE(sim_disk_patch(damage.patches[i].path, damage.patches[i].offset,
		                   damage.patches[i].was, damage.patches[i].size) == 0);
	if (damage.gone != 0)
		gone_rename(damage.gone, 1);
	world->damaged = 0;
	world->counts.detected++;
}

/* Nothing of an earlier life may be left behind the end: a later start could take it for its own.
 */
static void cut_check(struct world *world, uint32_t shard)
{
	const struct journal_report *report = &world->process.shards[shard].journal_report;
	struct journal_batch_header header;
	char path[CHAIN_PATH];

	for (uint64_t generation = report->end.generation;; generation++) {
		uint64_t at = generation == report->end.generation ? report->end.offset : 0;

		chain_segment_path(shard, generation, path);
		if (sim_disk_peek(path, 0, &header, sizeof(header)) <= 0)
			return;
		for (; sim_disk_peek(path, at, &header, sizeof(header)) > 0; at += CHAIN_BLOCK)
			if (chain_header_is(&header, report->incarnation, generation, at) &&
			    le64_get(header.boot_counter) < report->boot_counter)
				world_violation(world, "cut-kept",
				    "shard %u: the journal was cut behind LSN %llu; a batch of LSN "
				    "%llu is left at offset %llu of segment %llu",
				    shard, (unsigned long long)report->cut_lsn,
				    (unsigned long long)le64_get(header.first_lsn),
				    (unsigned long long)at, (unsigned long long)generation);
	}
}

void damage_started(struct world *world)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		char path[CHAIN_PATH];

		memcpy(meta_old[i], meta_now[i], CHAIN_BLOCK);
		chain_path(i, JOURNAL_META_NAME, path);
		(void)!sim_disk_peek(path, 0, meta_now[i], CHAIN_BLOCK);
		cut_check(world, i);
	}
}
