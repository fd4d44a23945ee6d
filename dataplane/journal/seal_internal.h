/* SPDX-License-Identifier: Apache-2.0 */
/* The sealer's parts, shared by seal.c and seal_pass.c. Private to the journal. */
#ifndef SLUICE_JOURNAL_SEAL_INTERNAL_H
#define SLUICE_JOURNAL_SEAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/archive_mark.h"
#include "dataplane/journal/keeper.h"
#include "dataplane/journal/manifest.h"
#include "dataplane/journal/reader.h"

#define JOURNAL_SEAL_SLICE (256u * 1024u)

enum journal_pass_phase {
	JOURNAL_PASS_NONE,
	JOURNAL_PASS_BATCHES, /* in order, each checked */
	JOURNAL_PASS_RAW,     /* the whole file as it is: its batches are damaged */
};

/* One segment on its way into the manifest, the archive or both. */
struct journal_pass {
	enum journal_pass_phase phase;
	uint8_t to_seal, to_archive;
	uint32_t tries;    /* damage is believed when it was read three times */
	uint64_t last_lsn; /* of the segment, by the one behind it; 0: not known */
	struct journal_seal seal;
	uint64_t raw_offset;
	int raw_fd;
};

struct journal_sealer {
	struct journal_config config; /* directory: ours */
	struct journal_archive_config archive;
	struct journal_keeper *keeper;
	int directory_fd;
	struct journal_reader *reader;
	struct journal_manifest manifest;
	struct journal_manifest_walk *walk; /* to look up one seal */
	struct journal_archive_writer writer;
	EVP_MD_CTX *digest;
	uint8_t *raw; /* JOURNAL_SEAL_SLICE bytes, block-aligned */
	struct journal_pass pass;
	uint64_t archived_generation;
	struct journal_archive_mark mark;           /* as it is written down, or should be */
	uint64_t now_ns;                            /* of this call */
	uint64_t seal_failed_ns, archive_failed_ns; /* 0: not waiting */
	uint64_t retained_ns;
	struct journal_check *check;
	struct journal_check_report check_report;
	/* What the keeper may recycle, stored with release by the sealer: pairs with the acquire in
	 * journal_sealer_released. */
	_Atomic uint64_t released_generation;
	/* Requests of other threads: stored relaxed, taken relaxed; they publish nothing else. */
	_Atomic uint32_t retry_wanted, verify_wanted;
	/* Figures: one writer (the sealer's thread), read by anyone; relaxed, each by itself. */
	struct {
#define JOURNAL_SEALER_ATOMIC(name) _Atomic uint64_t name;
		JOURNAL_SEALER_FIGURES(JOURNAL_SEALER_ATOMIC)
#undef JOURNAL_SEALER_ATOMIC
	} figures;
	pthread_mutex_t text_lock; /* over the two texts; never held for longer than a copy */
	char verify_text[256];
	char chain[JOURNAL_SHA256_TEXT];
};

#define JOURNAL_FIGURE_SET(sealer, name, value)                                                    \
	atomic_store_explicit(&(sealer)->figures.name, (value), memory_order_relaxed)
#define JOURNAL_FIGURE_GET(sealer, name)                                                           \
	atomic_load_explicit(&(sealer)->figures.name, memory_order_relaxed)
#define JOURNAL_FIGURE_ADD(sealer, name, value)                                                    \
	JOURNAL_FIGURE_SET(sealer, name, JOURNAL_FIGURE_GET(sealer, name) + (value))

/* Any thread: segments up to this one may be recycled, as far as sealing goes. */
uint64_t journal_sealer_released(const struct journal_sealer *sealer);

/* Begins a segment. 0, -errno. */
SLUICE_MUST_USE int journal_pass_begin(
    struct journal_sealer *sealer, uint64_t generation, int to_seal, int to_archive);
/* A slice of it. 1: goes on; 0: all read, pass->seal has everything but chain and clock; -errno. */
SLUICE_MUST_USE int journal_pass_step(struct journal_sealer *sealer);
void journal_pass_end(struct journal_sealer *sealer);
/* The archive failed: counted; the pass goes on without it. */
void journal_pass_archive_failed(struct journal_sealer *sealer, int error);

/*
 * Looks at the archive, keeps the mark of it (archive_mark.h) and brings the manifest's copy there.
 * `oldest`: generation of the oldest segment still here. `message`: as of journal_sealer_create;
 * what stands there already stays. Nothing that is wrong here hinders a start.
 */
void journal_seal_archive_begin(
    struct journal_sealer *sealer, uint64_t oldest, char *message, size_t message_size);
/* journal_archive_keep.announce of a sealer: the mark says so before files go. */
SLUICE_MUST_USE int journal_seal_archive_announce(void *sealer, uint64_t from);

#endif
