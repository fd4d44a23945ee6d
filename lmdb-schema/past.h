/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The past of a re-sharded switch: what its shards were before (sluice-db reshard), for look-ups of
 * old outcomes and statements. Nothing there ever changes.
 *
 *   history/<generation>/var/lib/sluice/shard-<number>/rows    generations from 1; each is laid out
 *   history/<generation>/var/lib/sluice/shard-<number>/log-*   like a root, so sluice-db reads it
 *
 * The rows of a generation's successor say how many there are and what the logs of its shards held
 * ("past" in their meta); those of programs from before say nothing, then what is there is taken.
 *
 * LSNs: the shards of a generation begin behind the highest LSN of the generation before, those of
 * today behind the highest of the newest one. An event of an account is in the log of the shard
 * that its bucket was of then; the outcome of a request in that of any shard.
 *
 * One owning thread per handle.
 */
#ifndef SLUICE_LMDB_SCHEMA_PAST_H
#define SLUICE_LMDB_SCHEMA_PAST_H

#include "lmdb-schema/history.h"

struct log_past;

/*
 * `directory` is the data directory (var/lib/sluice); `left` what the rows of today say was left,
 * NULL: they say nothing. 0 and *out, NULL when there is no past; -errno: a generation is not there
 * wholly or cannot be read, and `what` (of `size` bytes, may be NULL) names it in one sentence
 * without a full stop.
 */
SLUICE_MUST_USE int log_past_open(struct log_past **out, const char *directory,
    const struct record_past *left, char *what, size_t size);
/*
 * What the rows under a data directory say was left; not in the process that has them open for
 * writing. 1; 0: nothing, or no rows can be read; -EBADMSG: shards say different things.
 */
SLUICE_MUST_USE int log_past_left(const char *directory, struct record_past *left);
/*
 * Where the log in a shard's directory begins and ends (first - 1: no event). 0; -ENOENT: none;
 * -EBADMSG: an environment is missing from the middle; -errno.
 */
SLUICE_MUST_USE int log_past_range(
    const char *shard_directory, uint64_t *first_lsn, uint64_t *last_lsn);
/* How many generations; NULL: 0. */
uint32_t log_past_count(const struct log_past *past);
void log_past_close(struct log_past *past);
/* The event that holds the outcome of (terminal, request id), newest generation first; *shard is
 * the one it was then. Its length; -ENOENT; -EIO. NULL: -ENOENT. */
SLUICE_MUST_USE int log_past_request(struct log_past *past, uint64_t terminal_id,
    uint64_t request_id, struct event_buffer *event, uint8_t *shard);
/* The event that fences the id, as log_history_fence. NULL: -ENOENT. */
SLUICE_MUST_USE int log_past_fence(struct log_past *past, uint64_t terminal_id, uint64_t target_id,
    struct event_buffer *event, uint8_t *shard);
/* The event at `lsn` of the account's chain. Its length; -ENOENT; -EIO. NULL: -ENOENT. */
SLUICE_MUST_USE int log_past_event(
    struct log_past *past, uint64_t account_id, uint64_t lsn, struct event_buffer *event);
/* 1 when the logs of the past hold all there ever was before `first_lsn`, where a log of today
 * begins: from the first event of every shard on, and without a gap. NULL: 0. */
int log_past_reaches(const struct log_past *past, uint64_t first_lsn);

#endif
