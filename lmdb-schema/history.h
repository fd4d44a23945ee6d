/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in the log environments of one shard, by LSN and by (terminal, request id), and of rows
 * that have retired, with own read-only transactions: for the reader thread, control and tools. One
 * owning thread per handle.
 */
#ifndef SLUICE_LMDB_SCHEMA_HISTORY_H
#define SLUICE_LMDB_SCHEMA_HISTORY_H

#include <stdint.h>

#include "lmdb-schema/event.h"
#include "lmdb-schema/rows.h"
#include "wire/assert.h"

struct log_history;

/* What look-ups could not read: each is answered -EIO, never "not there". */
struct log_damage {
	uint64_t count;         /* since the handle was opened */
	uint64_t env_first_lsn; /* of the last: the environment, log-<16 hex> */
	uint64_t lsn;           /* the event, or key of the run or block; 0: not known */
};

/* `directory` is the shard's. 0 or -errno. */
SLUICE_MUST_USE int log_history_open(
    struct log_history **out, const char *directory, uint32_t shard);
/* Copies the event at `lsn` out. Its length; -ENOENT; -EIO. */
SLUICE_MUST_USE int log_history_event(
    struct log_history *history, uint64_t lsn, struct event_buffer *event);
/* The event that holds the outcome of (terminal, request id): sparse index, then the chain. */
SLUICE_MUST_USE int log_history_request(struct log_history *history, uint64_t terminal_id,
    uint64_t request_id, struct event_buffer *event);
/* The newest event that fences the id: it was never carried out and never will be. */
SLUICE_MUST_USE int log_history_fence(struct log_history *history, uint64_t terminal_id,
    uint64_t target_id, struct event_buffer *event);
/*
 * A bet, or an object, that has retired from memory. 0; -ENOENT: there is none; -EAGAIN: it is
 * among the open rows still, as of their last checkpoint: the worker has it, or has let it go since
 * and the next checkpoint will show it here; -EIO. The rows environment is opened at the first
 * call: in the process of its writer after the writer has (db.h, one open per process).
 */
SLUICE_MUST_USE int log_history_closed_bet(
    struct log_history *history, uint64_t bet_id, struct record_bet_full *bet);
SLUICE_MUST_USE int log_history_closed_object(
    struct log_history *history, uint64_t object_id, struct object_bytes *object);
/* Lets go of log environments that were retired. 0 or -errno: an environment cannot be opened. */
SLUICE_MUST_USE int log_history_refresh(struct log_history *history);
struct log_damage log_history_damage(const struct log_history *history);
/* First LSN the kept log holds, 0 when there is no log: above 1, older events were retired. */
uint64_t log_history_first_lsn(const struct log_history *history);
void log_history_close(struct log_history *history);

#endif
