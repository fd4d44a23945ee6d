/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader finds, and how it is said. Private to dataplane/reader. */
#ifndef SLUICE_READER_LOOKUP_H
#define SLUICE_READER_LOOKUP_H

#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"
#include "lmdb-schema/past.h"

#define READER_BUSY_MS 100

struct reader_files {
	struct switch_shared *shared;
	struct log_history **histories;
	struct log_past *past; /* of a re-sharded switch; NULL: none */
};

/*
 * Answers one question. `complete` 0: what was durable when it was asked is not all there yet, and
 * nothing may be said to be missing.
 */
void reader_look_up(const struct reader_files *files, const struct history_query *query,
    int complete, struct history_found *found);

/* Answers one that is not looked at: BUSY. */
void reader_busy(const struct history_query *query, struct history_found *found);

/* 1 when the kept logs do not reach back to the first event. Exact after a failed look-up. */
int reader_log_retired(const struct reader_files *files);

/* statement.c: the entries of an account, newest first. */
void reader_statement(
    const struct reader_files *files, const struct history_query *query, struct wire_reply *reply);

#endif
