/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session files: what key establishment will hand out later, for tests and benchmarks. Text, one
 * line per session: `session_id terminal_id rights_hex root_hex`, `#` begins a comment line. The
 * file holds secrets: made with mode 0600, refused when others may read it.
 */
#ifndef SLUICE_TOOLS_PROVISION_SESSIONS_H
#define SLUICE_TOOLS_PROVISION_SESSIONS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/keys.h"

struct session_entry {
	uint64_t terminal_id;
	uint32_t session_id;
	uint32_t rights;
	uint8_t root[KEYS_ROOT_SIZE];
};

struct session_list {
	struct session_entry *entries;
	size_t count;
};

/*
 * Writes `count` sessions for the terminals from `terminal_first`: slots 1.., generation 1, roots
 * from the kernel's random source. The file must not exist. 0, or -errno with `message` filled; an
 * unfinished file is removed.
 */
SLUICE_MUST_USE int sessions_make(const char *path, uint64_t terminal_first, uint32_t count,
    uint32_t rights, char *message, size_t message_size);
/* Reads and checks a whole file. 0, or -errno with `message` naming file, line and remedy. */
SLUICE_MUST_USE int sessions_load(
    const char *path, struct session_list *list, char *message, size_t message_size);
/* Wipes the roots and releases. */
void sessions_free(struct session_list *list);

#endif
