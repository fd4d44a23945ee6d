/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TOOLS_DAMAGE_H
#define SLUICE_TOOLS_DAMAGE_H

#include <stdint.h>

/* The first thing found wrong in a shard. */
struct damage {
	uint32_t shard;
	uint64_t lsn;
	char what[160]; /* empty: none */
};
__attribute__((format(printf, 3, 4))) void damage_note(
    struct damage *damage, uint64_t lsn, const char *format, ...);

#endif
