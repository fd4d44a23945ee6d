/* SPDX-License-Identifier: Apache-2.0 */
/* Journals to damage: a directory beside the tests, images built batch by batch, a recovery. */
#ifndef SLUICE_TESTS_JOURNAL_HARNESS_H
#define SLUICE_TESTS_JOURNAL_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal/batch.h"
#include "dataplane/journal/journal.h"
#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"
#include "tests/test.h"

#define HARNESS_SHARD       3
#define HARNESS_INCARNATION 0x1122334455667788ull
#define HARNESS_SEGMENT     LIMIT_JOURNAL_SEGMENT_SIZE_MIN
#define HARNESS_EVENT       4000u /* three fill three blocks */
#define HARNESS_BATCHES     64

struct harness {
	char directory[64];
	struct journal_config config;
	int directory_fd;
	/* Image being built. */
	struct journal_position at;
	uint64_t boot_counter;
	struct journal_position batches[HARNESS_BATCHES]; /* where each batch begins */
	uint32_t batch_count;
	/* What apply saw. */
	uint64_t applied_first, applied_last, applied_events;
};

void harness_begin(struct harness *harness);
void harness_end(struct harness *harness);
/* A journal.meta as if `boot_counter` starts had happened. */
void harness_meta(struct harness *harness, uint64_t boot_counter, uint64_t kept_lsn);
/* A zeroed segment of that generation. */
void harness_segment(struct harness *harness, uint64_t generation);
int harness_open(struct harness *harness, uint64_t generation);
void harness_path(const struct harness *harness, const char *name, char path[128]);
/* Appends a batch of `count` events; `change` (or NULL) edits the header before it is sealed. */
void harness_batch(struct harness *harness, uint32_t count, uint64_t durable_through,
    void (*change)(struct journal_batch_header *header));
/* Bytes at a batch: zeroes `size` from `from`. */
void harness_zero(struct harness *harness, uint32_t batch, uint64_t from, uint64_t size);
void harness_flip(struct harness *harness, uint32_t batch, uint64_t byte);
/* Recovers and checks that what was applied is gapless. */
int harness_recover(
    struct harness *harness, uint64_t from_lsn, uint64_t floor_lsn, struct journal_report *report);

/* A running journal: keeper, feed and writer behind a recovery. */
struct running {
	struct journal_keeper *keeper;
	struct journal_feed *feed;
	struct journal_writer *writer;
	uint64_t next_lsn, checkpoint_lsn;
	char message[256];
};
void running_start(struct running *running, struct harness *harness,
    const struct journal_report *report, uint32_t buffers);
void running_stop(struct running *running);
/* One event of `size` bytes; waits out a full batch. 0 when the journal has no room or has failed.
 */
int running_event(struct running *running, size_t size);
/* Closes and waits until all is durable or failed. Returns the durable LSN. */
uint64_t running_drain(struct running *running);

/* Contents of an event follow from its LSN. */
void harness_fill(uint8_t *event, uint64_t lsn, size_t size);

#endif
