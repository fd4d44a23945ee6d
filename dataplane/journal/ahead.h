/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches from one thread to another, in order: recovery reads and checks the journal in a thread
 * of its own while its caller applies. Private to the journal.
 */
#ifndef SLUICE_JOURNAL_AHEAD_H
#define SLUICE_JOURNAL_AHEAD_H

#include "dataplane/journal/journal.h"

struct journal_ahead;

/* What the thread does; gives batches by journal_ahead_put and ends when that is not 0. */
typedef int journal_ahead_run(void *context, struct journal_ahead *ahead);

/* `size`: bytes of batches that may wait. 0, or -errno: no memory or no thread. */
SLUICE_MUST_USE int journal_ahead_start(
    struct journal_ahead **out, size_t size, journal_ahead_run *run, void *context);
/* In the thread: a copy of the batch. Waits for room. 0; -ECANCELED: nobody takes any more. */
SLUICE_MUST_USE int journal_ahead_put(
    struct journal_ahead *ahead, const struct journal_batch *batch);
/* The next batch, whose events are valid until the next call. 1; 0: the thread gives no more. */
int journal_ahead_next(struct journal_ahead *ahead, struct journal_batch *batch);
/* Takes no more, waits for the thread's end and frees. What `run` returned. */
int journal_ahead_end(struct journal_ahead *ahead);

#endif
