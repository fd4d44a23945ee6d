/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TOOLS_DAMAGE_H
#define SLUICE_TOOLS_DAMAGE_H

#include <stdint.h>

/* The first thing found wrong in a shard. */
struct damage {
	uint32_t shard;
	uint64_t lsn;
	char what[640]; /* with its remedy; empty: none */
};
__attribute__((format(printf, 3, 4))) void damage_note(
    struct damage *damage, uint64_t lsn, const char *format, ...);

/* Of rows that are not the state their own `meta` says (dataplane/store/rows.h). */
#define ROWS_DIFFER                                                                                \
	"rows: their state is not the one that was written down with them: a row has changed "     \
	"since; restore this shard"

#endif
