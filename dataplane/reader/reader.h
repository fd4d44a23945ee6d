/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader: answers questions about requests older than the window, from the logs of all shards, in
 * its own thread: a worker never waits for a disk read.
 */
#ifndef SLUICE_READER_H
#define SLUICE_READER_H

#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"
#include "lmdb-schema/past.h"

struct reader;

/* `stores`: their status tells how far the log is committed. Everything stays the caller's. */
struct reader *reader_create(struct switch_shared *shared, struct worker **workers,
    struct store **stores, struct log_history **histories);
/* What the shards were before the switch was re-sharded, NULL for nothing: asked where their own
 * logs do not reach. Before the first turn. */
void reader_past_set(struct reader *reader, struct log_past *past);
/* One turn: takes queries, answers those whose history is complete. 1 when it did something. */
int reader_work(struct reader *reader, uint64_t now_ns);
void reader_free(struct reader *reader);

#endif
