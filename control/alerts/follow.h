/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the shards' logs for alerts and profiles, each event once: what was found and the place it
 * was read to are one transaction. After a crash the same events are read again and nothing comes
 * twice.
 *
 * A log that is not the one read before (the switch was restored) is noticed by the event at the
 * cursor. Reading goes on behind the last alert whose event both logs have; alerts of events that
 * are no more stay: people may have worked on them.
 */
#ifndef SLUICE_CONTROL_ALERTS_FOLLOW_H
#define SLUICE_CONTROL_ALERTS_FOLLOW_H

#include <stdint.h>

#include "control/database/database.h"

/* ---- One reader, by one thread ---- */

struct alerts_reader;

/* `root`: of the switch. Neither is copied. 0 or -ENOMEM. */
SLUICE_MUST_USE int alerts_reader_create(
    struct alerts_reader **out, const char *root, struct database *database);
void alerts_reader_free(struct alerts_reader *reader);
/*
 * Reads until the logs have nothing newer, at most about `events_max` events. `now` 1: writes also
 * profiles that could wait (they are gathered for 2 s). Events read, or -errno: what was read and
 * not written is read again.
 */
SLUICE_MUST_USE int64_t alerts_reader_turn(
    struct alerts_reader *reader, uint64_t suppress_ns, uint64_t events_max, int now);

/* ---- A thread that does it all the time ---- */

struct alerts_follow;

struct alerts_follow_config {
	const char *root;
	struct database *database;
	uint32_t suppress_minutes;
	/* Called by the thread about every 200 ms, for what else alerts come from; may be NULL. */
	void (*on_turn)(void *context);
	void *context;
};
SLUICE_MUST_USE int alerts_follow_start(
    struct alerts_follow **out, const struct alerts_follow_config *config);
void alerts_follow_suppress(struct alerts_follow *follow, uint32_t minutes);
/* NULL is fine. */
void alerts_follow_stop(struct alerts_follow *follow);

#endif
