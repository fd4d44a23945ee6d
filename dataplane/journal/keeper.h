/* SPDX-License-Identifier: Apache-2.0 */
/* The rings between keeper (store thread) and writer (worker). Private to the journal. */
#ifndef SLUICE_JOURNAL_KEEPER_H
#define SLUICE_JOURNAL_KEEPER_H

#include <stdatomic.h>

#include "dataplane/journal/journal.h"
#include "wire/spsc.h"

struct journal_sealer;

/* A segment handed over: whoever holds it owns the descriptor. */
struct journal_segment {
	uint64_t generation;
	uint64_t size;
	uint64_t last_lsn; /* on the way back: the last event in it */
	int32_t fd;
	uint32_t reserved;
};

struct journal_keeper {
	struct spsc_ring *ready;    /* keeper -> writer; the first one is the segment to go on in */
	struct spsc_ring *finished; /* writer -> keeper, once the next one holds a durable batch */
	/* All below: the store thread's. */
	int directory_fd; /* locked as long as the keeper lives */
	uint64_t segment_size;
	uint32_t segments_ready, segments_max;
	int buffered_too;
	uint32_t files;  /* segment files there are, the one being made included */
	uint64_t newest; /* highest generation given out */
	/* Finished ones, oldest first; fd -1: not open. */
	struct journal_segment *kept;
	uint32_t kept_count, kept_max;
	/* The one being made: fd -1 none. */
	int making_fd;
	uint64_t making_offset;
	uint8_t *zeros;
	int failed; /* a directory sync failed: what a name means is no longer known */
	uint64_t errors;
	/* What may be used again must be sealed, if there is a sealer; set before the threads. */
	const struct journal_sealer *sealer;
	/* For the sealer's thread. Newest segment the writer has left: stored with release in
	 * keep_one, loaded with acquire in finished_generation of the sealer. */
	_Atomic uint64_t finished_generation;
	/* Oldest file of them, 0 none: release in oldest_publish, acquire in the sealer's retain.
	 */
	_Atomic uint64_t oldest_generation;
};

#endif
