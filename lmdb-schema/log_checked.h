/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which runs of one log environment have been checked, so that look-ups check each once. A run is
 * known by its key, under which no other is ever put; one that was merged away stays noted, as few
 * are put (one in thousands of events). Without memory a run is checked again.
 */
#ifndef SLUICE_LMDB_SCHEMA_LOG_CHECKED_H
#define SLUICE_LMDB_SCHEMA_LOG_CHECKED_H

#include <stdint.h>

/* 512 KB. Beyond it all is forgotten, and checked anew. */
#define LOG_CHECKED_MAX 65536u

/* Zeros: none. */
struct log_checked {
	uint64_t *keys; /* ascending */
	uint32_t count, room;
	uint64_t damaged_lsn; /* key of the run or block that a look-up last found damaged; 0 */
};

int log_checked_has(const struct log_checked *checked, uint64_t key);
void log_checked_add(struct log_checked *checked, uint64_t key);
/* Forgets all. */
void log_checked_free(struct log_checked *checked);

#endif
