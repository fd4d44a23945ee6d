/* SPDX-License-Identifier: Apache-2.0 */
/* What repair knows of a shard before it does anything: which part is damaged, and the remedy. */
#ifndef SLUICE_TOOLS_REPAIR_CHECK_H
#define SLUICE_TOOLS_REPAIR_CHECK_H

#include "tools/sluice-db/db.h"

/*
 * verify_shard_alone in a process of its own, so that a page that cannot be read, or one that is
 * not what LMDB wrote, ends the check and not the repair: it is damage of the part looked at then.
 */
void repair_check(const char *path, uint32_t shard, int log_only, struct verify_found *found);
/*
 * `run` in such a process, with a copy of the `size` bytes of `shared`, which get what it made of
 * them. Its result, or -EIO when it did not come to its end.
 */
SLUICE_MUST_USE int repair_guarded(int (*run)(void *shared), void *shared, size_t size);
/*
 * Says what was found by a check that ended with damage: part, place, remedy. As JSON on stdout
 * too, if that was asked for. `journal`: the check went beyond the log. Returns EXIT_MISMATCH.
 */
int repair_part_tell(
    const struct options *options, uint32_t shard, const struct verify_found *found, int journal);

/*
 * What was made in `fresh` (below `parent`, as all of them) takes the name `current`, and what had
 * it the name `aside`, which is free. In one step: a power cut leaves the one or the other in its
 * place, and never removes the old one. 0 or -errno.
 */
SLUICE_MUST_USE int repair_exchange(
    const char *parent, const char *fresh, const char *aside, const char *current);

/* Names that a repair gives below a shard's directory: `before`, the moment, `behind`. */
struct repair_name {
	const char *before, *behind;
};
#define REPAIR_WHEN_SIZE 24
/* The present second (UTC), or the next one, up to ten, for which none of the names is taken: of
 * two repairs in one second the second was refused, or wrote over the report of the first. */
#define REPAIR_WHEN_AHEAD_S 10
void repair_when_make(
    char when[REPAIR_WHEN_SIZE], const char *path, const struct repair_name *names, unsigned count);

/* repair --rebuild-rows (repair_rows.c). An exit code. */
int repair_rows(const struct options *options, uint32_t shard, const char *path,
    const struct verify_found *damaged);

#endif
