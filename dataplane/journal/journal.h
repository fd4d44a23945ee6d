/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal: the durability point of one shard. io_uring group commit into preallocated, pre-written
 * segment files.
 *
 * (The byte table, "valid if and only if", the sync order and the crash table belong into this
 * comment; see dataplane/journal/README.md for decisions.)
 *
 * Who calls what:
 *   recovery (before threads)   journal_recover
 *   worker thread               journal_writer_*
 *   store thread                journal_feed_*, journal_reader_*, journal_keeper_*
 *   tools                       journal_reader_*
 */
#ifndef SLUICE_JOURNAL_H
#define SLUICE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/bytes.h"
#include "wire/limits.h"

#define JOURNAL_MAGIC       0x4c4e524a45435553ull /* "SUCEJRNL" little-endian */
#define JOURNAL_VERSION     1
#define JOURNAL_HEADER_SIZE 128

struct journal_batch_header {
	struct le64 magic;
	struct le16 version;
	struct le16 shard;
	struct le32 header_size;
	struct le64 incarnation;
	struct le64 boot_counter;
	struct le64 segment_generation;
	struct le64 first_lsn;
	struct le32 event_count;
	struct le32 body_length;     /* bytes of events behind this header */
	struct le64 time_ns;         /* event time of the last event */
	struct le64 durable_through; /* last LSN known durable when the batch closed */
	struct le64 control_sequence;
	struct le64 state_hash; /* of the ledger after the last event */
	struct le64
	    previous_checksum;     /* header_checksum of the batch before; 0 for the first ever */
	struct le64 body_checksum; /* low 64 bits of XXH3-128 over the events */
	struct le64 body_checksum_high;
	struct le64 segment_offset;  /* where in the segment this batch begins */
	struct le64 header_checksum; /* low 64 bits of XXH3-128 over bytes 0..119 */
};
ASSERT_SIZE(struct journal_batch_header, 128);
ASSERT_OFFSET(struct journal_batch_header, incarnation, 16);
ASSERT_OFFSET(struct journal_batch_header, first_lsn, 40);
ASSERT_OFFSET(struct journal_batch_header, durable_through, 64);
ASSERT_OFFSET(struct journal_batch_header, state_hash, 80);
ASSERT_OFFSET(struct journal_batch_header, previous_checksum, 88);
ASSERT_OFFSET(struct journal_batch_header, segment_offset, 112);
ASSERT_OFFSET(struct journal_batch_header, header_checksum, 120);

struct journal_config {
	const char *directory; /* of this shard; created when missing */
	uint32_t shard;
	uint64_t segment_size;   /* bytes, a multiple of 4,096 */
	uint32_t segments_ready; /* pre-written segments kept ahead */
	uint32_t segments_max;   /* quota: never more files than this */
	uint32_t depth;          /* writes in flight */
	uint8_t allow_volatile;  /* tests only: accept tmpfs and the like (no O_DIRECT) */
};

/* Where the next batch goes. */
struct journal_position {
	uint64_t generation; /* of the segment, from 1, gapless */
	uint64_t offset;
	uint64_t next_lsn;
	uint64_t previous_checksum;
};

/* ---- Reading: recovery, follower fall-back, tools ---- */

struct journal_batch {
	struct journal_batch_header header;
	const uint8_t *events; /* body_length bytes, valid until the next read */
	uint64_t generation, offset;
};

struct journal_reader;
SLUICE_MUST_USE int journal_reader_open(
    struct journal_reader **out, const struct journal_config *config);
/* Oldest and newest segment generations present. 0 or -ENOENT when there are none. */
SLUICE_MUST_USE int journal_reader_range(
    const struct journal_reader *reader, uint64_t *oldest, uint64_t *newest);
/* Positions at the batch that contains `lsn` (or begins after it). 0, -ENOENT, -EIO. */
SLUICE_MUST_USE int journal_reader_seek(struct journal_reader *reader, uint64_t lsn);
void journal_reader_seek_position(
    struct journal_reader *reader, const struct journal_position *position);
/*
 * Next batch in order. 1: *batch set; 0: end (no valid batch follows); -EBADMSG: an invalid batch,
 * *why names what failed; -EIO.
 */
SLUICE_MUST_USE int journal_reader_next(
    struct journal_reader *reader, struct journal_batch *batch, const char **why);
void journal_reader_close(struct journal_reader *reader);

/* ---- Recovery ---- */

struct journal_report {
	struct journal_position end; /* where writing goes on */
	uint64_t from_lsn;           /* first LSN replayed */
	uint64_t events, batches, segments;
	uint64_t floor_lsn;                 /* A: everything up to here must be valid */
	uint64_t cut_lsn;                   /* last LSN kept */
	uint64_t batches_discarded;         /* valid batches after the cut */
	uint64_t incarnation, boot_counter; /* the new boot counter, already durable */
	uint64_t time_ns;                   /* event time of the last event kept */
	/* Damage only. */
	uint64_t damage_generation, damage_offset, damage_lsn;
	char damage[160]; /* what failed, for a person */
};

/*
 * Scans from the batch that contains from_lsn, calls `apply` for each batch up to the cut, cuts the
 * tail (zeroes depth x 128 KiB behind it, DSYNC) and raises the boot counter durably. `floor_lsn`
 * is the highest LSN known durable from outside (store's applied LSN); headers' durable_through may
 * raise it further. An empty directory is a new journal: generation 1, LSN 1.
 * 0; -EBADMSG: damage at or below the floor (see report); -EIO, -ENOSPC and others with report->
 * damage filled with what and where.
 */
typedef int journal_apply_batch(void *context, const struct journal_batch *batch);
SLUICE_MUST_USE int journal_recover(const struct journal_config *config, uint64_t from_lsn,
    uint64_t floor_lsn, journal_apply_batch *apply, void *context, struct journal_report *report);

/* ---- Feed: durable batches from the worker to the store thread, in memory ---- */

/*
 * Batch buffers live in one pool. The worker lends a durable batch's buffer to the store thread,
 * which hands it back; when too few buffers are left the worker does not lend, and the store thread
 * sees the gap in LSNs and reads the segment files instead. The worker never waits.
 */
struct journal_feed;
SLUICE_MUST_USE int journal_feed_create(
    struct journal_feed **out, uint32_t buffers, uint32_t depth);
void journal_feed_free(struct journal_feed *feed);
/* Store thread: next lent batch or 0; `*durable_lsn` is set in any case. */
int journal_feed_take(
    struct journal_feed *feed, struct journal_batch *batch, uint64_t *durable_lsn);
/* Store thread: hands the batch of the last take back. */
void journal_feed_return(struct journal_feed *feed);

/* ---- Keeper: makes, recycles and retires segment files; store thread ---- */

struct journal_keeper;
SLUICE_MUST_USE int journal_keeper_create(struct journal_keeper **out,
    const struct journal_config *config, const struct journal_position *end);
/*
 * One slice of work (< 1 ms of CPU): recycles segments wholly below `checkpoint_lsn`, keeps
 * segments_ready ahead. Returns 1 when it did something, 0 idle, or -errno (counted, tried again).
 */
int journal_keeper_work(struct journal_keeper *keeper, uint64_t checkpoint_lsn);
void journal_keeper_free(struct journal_keeper *keeper);

/* ---- Writer: worker thread only ---- */

struct journal_writer;
/* Call in the worker thread itself: the ring is SINGLE_ISSUER. `message` gets what and the remedy.
 */
SLUICE_MUST_USE int journal_writer_open(struct journal_writer **out,
    const struct journal_config *config, const struct journal_report *start,
    struct journal_feed *feed, struct journal_keeper *keeper, char *message, size_t message_size);
/*
 * Room for `size` bytes of event in the open batch, or NULL: no buffer or no ready segment (the
 * caller answers BUSY) or the journal has failed.
 */
void *journal_writer_reserve(struct journal_writer *writer, size_t size);
/* The event written there counts: its LSN must be the next one. */
void journal_writer_append(
    struct journal_writer *writer, uint64_t lsn, uint64_t time_ns, size_t size);
/*
 * 1 when the open batch should be closed now by the group-commit rule: nothing in flight; or fewer
 * than depth in flight and >= 16 KiB; or at 128 KiB.
 */
int journal_writer_should_close(const struct journal_writer *writer);
/* Closes and submits the open batch. 0, or -errno: the writer has failed. */
SLUICE_MUST_USE int journal_writer_close_batch(
    struct journal_writer *writer, uint64_t state_hash, uint64_t control_sequence);
/* Reaps completions, lends buffers to the feed. Returns the durable LSN (monotone). */
uint64_t journal_writer_poll(struct journal_writer *writer);
/* 0, or the errno of the write that failed; nothing is durable after it. */
int journal_writer_error(const struct journal_writer *writer);
unsigned journal_writer_in_flight(const struct journal_writer *writer);
/* Waits (enter with timeout) until a completion or `timeout_us`. For adaptive workers and shutdown.
 */
void journal_writer_wait(struct journal_writer *writer, unsigned timeout_us);

struct journal_counters {
	uint64_t batches, events, bytes, write_errors, buffers_not_lent, no_segment, no_buffer;
	uint64_t write_ns_total, write_ns_max;
};
const struct journal_counters *journal_writer_counters(const struct journal_writer *writer);
void journal_writer_free(struct journal_writer *writer);

#endif
