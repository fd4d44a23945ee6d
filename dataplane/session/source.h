/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of failed tags: a small fixed table of (IPv4, UDP port) with a count that decays. A
 * source is refused while its count is above SESSION_SOURCE_FAILED_PER_S. 4 entries per set, one
 * set per cache line; a new source takes the entry with the lowest count of its set.
 */
#ifndef SLUICE_SESSION_SOURCE_H
#define SLUICE_SESSION_SOURCE_H

#include <stdint.h>

#include "dataplane/session/session.h"

#define SOURCE_SETS 256u
#define SOURCE_WAYS 4u

struct source_entry {
	uint32_t ipv4;
	uint16_t udp_port;
	uint16_t level; /* failures << 8 at updated_ns; 0: free */
	uint64_t updated_ns;
};

struct source_table {
	SLUICE_CACHE_ALIGNED struct source_entry sets[SOURCE_SETS][SOURCE_WAYS];
	uint64_t quiet_from_ns; /* from here on every count has decayed to nothing */
	uint64_t seed;          /* so that nobody can aim at a set */
};

void source_table_init(struct source_table *table, uint64_t seed);
/* 1: refuse this source now. Changes nothing. */
int source_refused(const struct source_table *table, const struct wire_peer *peer, uint64_t now_ns);
/* A datagram of this source had a wrong tag. */
void source_failed(struct source_table *table, const struct wire_peer *peer, uint64_t now_ns);

#endif
