/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/session/source.h"

#include <string.h>

#define LEVEL_ONE 256u
#define LEVEL_MAX (SESSION_SOURCE_FAILED_PER_S * LEVEL_ONE + LEVEL_ONE)
/* Time in which the highest level decays to zero, rounded up. */
#define LEVEL_LIFE_NS 1100000000ull

_Static_assert(sizeof(struct source_entry) * SOURCE_WAYS == SLUICE_CACHE_LINE_SIZE, "set = line");
_Static_assert(LEVEL_MAX <= UINT16_MAX, "a level fits its field");
_Static_assert((SOURCE_SETS & (SOURCE_SETS - 1)) == 0, "sets: power of two");
_Static_assert(LEVEL_LIFE_NS *SESSION_SOURCE_FAILED_PER_S *LEVEL_ONE >= LEVEL_MAX * 1000000000ull,
    "the longest life covers the highest level");

void source_table_init(struct source_table *table, uint64_t seed)
{
	memset(table, 0, sizeof(*table));
	table->seed = seed;
}

/* Multiply and fold (the mixing step of wyhash): secret seed, top bits. */
static uint32_t set_of(const struct source_table *table, const struct wire_peer *peer)
{
	uint64_t key = (uint64_t)peer->ipv4 << 16 | peer->udp_port;
	unsigned __int128 product =
	    (unsigned __int128)(key ^ table->seed) * (0x9e3779b97f4a7c15ull ^ table->seed >> 1);
	uint64_t folded = (uint64_t)(product >> 64) ^ (uint64_t)product;

	return (uint32_t)(folded >> 32) & (SOURCE_SETS - 1);
}

static uint32_t level_at(const struct source_entry *entry, uint64_t now_ns)
{
	uint64_t elapsed = now_ns - entry->updated_ns;
	uint64_t decay;

	/* A time in the future (the clock went back) wraps to a long one: forgiven, not kept. */
	if (elapsed >= LEVEL_LIFE_NS)
		return 0;
	decay = elapsed * (SESSION_SOURCE_FAILED_PER_S * LEVEL_ONE) / 1000000000u;
	return decay >= entry->level ? 0 : entry->level - (uint32_t)decay;
}

static int entry_is(const struct source_entry *entry, const struct wire_peer *peer)
{
	return entry->level != 0 && entry->ipv4 == peer->ipv4 && entry->udp_port == peer->udp_port;
}

int source_refused(const struct source_table *table, const struct wire_peer *peer, uint64_t now_ns)
{
	const struct source_entry *set;

	if (now_ns >= table->quiet_from_ns)
		return 0;
	set = table->sets[set_of(table, peer)];
	for (unsigned way = 0; way < SOURCE_WAYS; way++) {
		if (entry_is(&set[way], peer))
			return level_at(&set[way], now_ns) >
			       SESSION_SOURCE_FAILED_PER_S * LEVEL_ONE - LEVEL_ONE;
	}
	return 0;
}

void source_failed(struct source_table *table, const struct wire_peer *peer, uint64_t now_ns)
{
	struct source_entry *set = table->sets[set_of(table, peer)];
	struct source_entry *entry = NULL;
	uint32_t level;

	for (unsigned way = 0; way < SOURCE_WAYS && entry == NULL; way++) {
		if (entry_is(&set[way], peer))
			entry = &set[way];
	}
	if (entry == NULL) {
		entry = &set[0];
		for (unsigned way = 1; way < SOURCE_WAYS; way++) {
			if (level_at(&set[way], now_ns) < level_at(entry, now_ns))
				entry = &set[way];
		}
		*entry = (struct source_entry){ peer->ipv4, peer->udp_port, 0, now_ns };
	}
	level = level_at(entry, now_ns) + LEVEL_ONE;
	entry->level = (uint16_t)(level > LEVEL_MAX ? LEVEL_MAX : level);
	entry->updated_ns = now_ns;
	if (now_ns + LEVEL_LIFE_NS > table->quiet_from_ns)
		table->quiet_from_ns = now_ns + LEVEL_LIFE_NS;
}
