/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal: the durability point of one shard. io_uring group commit into preallocated, pre-written
 * segment files. This comment is the specification of the format; README.md holds the decisions.
 *
 * Who calls what:
 *   recovery (before threads)   journal_recover
 *   worker thread               journal_writer_*
 *   store thread                journal_feed_*, journal_reader_*, journal_keeper_*
 *   sealer's thread             journal_sealer_* (seal.h)
 *   tools                       journal_reader_*, journal_inspect, journal_salvage,
 *                               journal_check_* (seal.h)
 * Life: journal_recover -> journal_keeper_create, journal_feed_create -> journal_writer_open in the
 * worker -> ... -> journal_writer_free -> journal_keeper_free, journal_feed_free.
 *
 * FILES, in one directory per shard
 *   journal-<generation, 16 hex digits>.seg   a segment; generations from 1, without a gap
 *   segment.new                               a segment being made; deleted at start
 *   journal.meta                              4 KiB: identity and boot counter
 *   journal.meta.new                          the next journal.meta, before its rename
 *   journal.manifest                          seals of finished segments (manifest.h)
 *   journal.manifest.new                      the manifest being made, before its rename
 * The directory is locked (flock) by recovery and by the keeper: one process at a time.
 *
 * journal.meta, little-endian
 *      0  8  magic "SUCEMETA"          32  8  last LSN the recovery of this boot kept
 *      8  2  version 2                 40  8  base: the first batch begins at base + 1
 *     10  2  shard                     48     zero
 *     12  4  size 4096               4088  8  low 64 bits of XXH3-128 over bytes 0..4087
 *     16  8  incarnation, never 0: seconds of its beginning << 31 | 31 random bits, and above
 *            that of the journal it follows (base > 0)
 *     24  8  boot counter, raised by each recovery; begins at 0, or, with base > 0, at the seconds
 *            of the clock, above what any earlier journal of the shard counted to
 * Version 1 has no base (0). The events up to base are in the store only, restored from elsewhere.
 *
 * BATCH: header, events, zeros up to a whole block of 4 KiB. It begins at a block, is at most
 * 128 KiB long and never spans segments; what does not fit the rest of a segment begins the next
 * one at offset 0. The events are opaque here. Header, little-endian:
 *      0  8  magic "SUCEJRNL"          64  8  durable through: last LSN durable when it closed
 *      8  2  version 1                 72  8  control sequence number
 *     10  2  shard                     80  8  state hash after the last event
 *     12  4  header size 128           88  8  header checksum of the batch before, 0 for base + 1
 *     16  8  incarnation               96  8  body checksum, low 64 bits of XXH3-128
 *     24  8  boot counter             104  8  the same, high 64 bits
 *     32  8  segment generation       112  8  offset of this batch in the segment
 *     40  8  first LSN                120  8  header checksum: low 64 bits of XXH3-128 over 0..119
 *     48  4  number of events
 *     52  4  length of the events
 *     56  8  event time of the last event
 *
 * A batch is VALID if and only if
 *   1. the magic and the header checksum are right;
 *   2. version and header size are known (an intact newer version is refused, never cut away);
 *   3. shard, incarnation, segment generation and offset are those of the place it is read from;
 *   4. 0 < number of events <= length / 8; the length is a positive multiple of 8 and with the
 *      header at most 128 KiB; the batch ends inside its segment; durable through < first LSN;
 *   5. first LSN and previous checksum continue the batch before; the boot counter is not below
 *      that batch's and not above journal.meta's;
 *   6. both halves of the body checksum are right.
 * The zeros behind the events are not checked: damage there harms nothing.
 *
 * The journal is the longest chain of valid batches from the oldest segment. The next batch is at
 * the next block, or, when that is not valid, at the start of the next segment.
 *
 * RECOVERY. A, the floor, is the highest of: from_lsn - 1, floor_lsn (the store), the last LSN kept
 * and the base in journal.meta, the last LSN sealed by journal.manifest, and `durable through` of
 * any header behind the end of the chain that keeps rules 1 to 4. If the chain ends below A, events
 * that were acknowledged are missing: damage. Nothing is written, the report names file, offset,
 * LSN. Otherwise the chain ends because of a crash: what is behind it was never acknowledged and is
 * cut. Also damage: the oldest segment is not generation 1 and does not begin with a valid batch
 * (an older segment is recycled only once the next one holds a durable batch); a generation missing
 * below the segment needed; journal.meta missing, damaged, or older than a batch (its boot counter
 * is below that of a header behind the end that keeps rules 1 to 4); journal.manifest damaged, of
 * another journal, or ending before the segment in front of the oldest one (nothing is recycled
 * unsealed).
 * No manifest at all is no damage: the program before had none.
 *
 * SYNC ORDER, and what a crash between two steps leaves
 *   new journal   directory, sync of its parent | journal.meta | segment 1 ...
 *                 An empty directory, or a journal without segments: both are a new journal.
 *                 An empty directory below a store that holds events is refused: somebody took
 *                 the journal away. journal_begin says that it is meant.
 *   journal.meta  write .new, fsync | rename | fsync of the directory
 *                 The old one or the new one. The boot counter may not have been raised: no batch
 *                 with the new one exists before the last step.
 *   new segment   fallocate, zeros | fdatasync | rename to its name | fsync of the directory | used
 *                 segment.new of any length, deleted at start; or an empty segment, used.
 *   recycling     rename to the next generation | fsync of the directory | used
 *                 The old name: a segment below the checkpoint, recycled later. The new name: its
 *                 batches are of an older generation, not valid (rule 3). If the sync fails the
 *                 name is never used: the keeper stops and the writer runs out of segments.
 *                 Sealed before: the line in journal.manifest is durable, and with an archive the
 *                 file and its name there.
 *   batch         write with RWF_DSYNC | completion | durable LSN = end of the contiguous prefix |
 *                 answers. Up to `depth` batches are written at the same time and may reach the
 *                 device in any order; a torn or missing one and all behind it are cut.
 *   recovery      fdatasync of the segments read (a killed process leaves batches that are in the
 *                 device's cache only) | zeros, DSYNC, 1 MiB behind the cut, and over every intact
 *                 header farther behind | journal.meta
 *                 Each step may be done again: the chain ends at the same place.
 * What was cut cannot come back: it is zeroed, and it continues neither the checksum nor (rule 5)
 * the boot counter of what is written over it.
 *
 * UNDETECTABLE: loss of the last batches when nothing that survives speaks of them: they were
 * written, completed and acknowledged, no later header was written, the store had not committed
 * them, no recovery followed, and then the device lost them. The store commits after 100 ms without
 * new batches, so the window is 100 ms, and only for a device that breaks its promise of a flush or
 * dies in part; replication covers that case. Likewise all files and the store deleted together.
 * Checksums find damage, not forgery: XXH3 has no key (sealed segments are chained with SHA-256).
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

struct journal_batch;

struct journal_config {
	const char *directory; /* of this shard; created when missing */
	uint32_t shard;
	uint64_t segment_size;   /* bytes, a multiple of 4,096 */
	uint32_t segments_ready; /* pre-written segments kept ahead */
	uint32_t segments_max;   /* quota: never more files than this */
	uint32_t depth;          /* writes in flight */
	uint32_t close_size; /* a batch this large is written beside others; 0: as in limits.h */
	/*
	 * journal_recover alone: what is known from elsewhere of an earlier start; 0: nothing. A
	 * journal that knows of fewer is an older copy.
	 */
	uint64_t known_incarnation, known_boot_counter;
	uint8_t allow_volatile; /* tests only: accept tmpfs and the like (no O_DIRECT) */
	/*
	 * journal_recover alone: it reads and checks in a thread of its own while the caller's
	 * applies, so many bytes ahead; 0: one after the other in the caller's thread. The rest is
	 * the same, also what is found and reported.
	 */
	size_t recovery_ahead;
	/* NULL, or called there for each batch before it is given to apply. */
	void (*recovery_look)(void *context, const struct journal_batch *batch);
	void *recovery_look_context;
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
/*
 * Positions at the batch that contains `lsn`, at the oldest one when `lsn` is older, or at the end
 * when `lsn` is the next one to be written. 0; -ENOENT beyond that, or nothing there; -EIO. Reads
 * up to one segment, headers only.
 */
SLUICE_MUST_USE int journal_reader_seek(struct journal_reader *reader, uint64_t lsn);
void journal_reader_seek_position(
    struct journal_reader *reader, const struct journal_position *position);
/* The place right behind a batch, for journal_reader_seek_position. */
void journal_batch_end(const struct journal_batch *batch, struct journal_position *after);
/*
 * Next batch in order. 1: *batch set; 0: end (no valid batch follows); -EBADMSG: an invalid batch,
 * *why names what failed; -EIO.
 */
SLUICE_MUST_USE int journal_reader_next(
    struct journal_reader *reader, struct journal_batch *batch, const char **why);
/*
 * The highest LSN that journal.meta or an intact header (rules 1 to 4) at or behind the reader's
 * position says is durable; 0 when none does. An end of the chain at or below it is damage, not a
 * crash. Reads every block from the position to the newest segment's end; the position stays.
 */
SLUICE_MUST_USE int journal_reader_floor(struct journal_reader *reader, uint64_t *floor_lsn);
void journal_reader_close(struct journal_reader *reader);

/* ---- Recovery ---- */

struct journal_report {
	struct journal_position end; /* where writing goes on */
	uint64_t from_lsn;           /* first LSN replayed */
	uint64_t events, batches, segments;
	uint64_t floor_lsn;                     /* A: everything up to here must be valid */
	uint64_t cut_lsn;                       /* last LSN kept */
	const char *floor_source;               /* who says so */
	uint64_t batches_discarded;             /* valid batches after the cut */
	uint64_t bytes_discarded;               /* of all batches there with an intact header */
	uint64_t discarded_lsn;                 /* the highest LSN of these; 0: none */
	uint64_t sealed_generation, sealed_lsn; /* by the manifest; 0: nothing is sealed */
	uint64_t nanoseconds;
	uint64_t incarnation, boot_counter; /* the new boot counter, already durable */
	uint64_t base_lsn; /* what a restore or re-sharding began it behind; 0: it began at LSN 1 */
	uint64_t time_ns;  /* event time of the last event kept */
	/* Last LSN and state hash of the last batch kept, also when it lies below from_lsn and was
	 * not given to apply; state_lsn 0: there is none. */
	uint64_t state_lsn, state_hash;
	/* Damage only. */
	uint64_t damage_generation, damage_offset, damage_lsn;
	char damage[336]; /* what failed, for a person */
};

/*
 * Scans from the batch that contains from_lsn, calls `apply` for each batch up to the cut, cuts the
 * tail (zeroes depth x 128 KiB behind it, DSYNC) and raises the boot counter durably. `floor_lsn`
 * is the highest LSN known durable from outside (store's applied LSN); headers' durable_through may
 * raise it further. An empty directory is a new journal: generation 1, LSN 1; one that
 * journal_begin made goes on behind its base, and from_lsn may not be above that + 1 then.
 * 0; -EBADMSG: damage at or below the floor (see report); -EIO, -ENOSPC and others with report->
 * damage filled with what and where.
 */
typedef int journal_apply_batch(void *context, const struct journal_batch *batch);
SLUICE_MUST_USE int journal_recover(const struct journal_config *config, uint64_t from_lsn,
    uint64_t floor_lsn, journal_apply_batch *apply, void *context, struct journal_report *report);

/*
 * The same without writing anything: what recovery would find. 0: it would cut there and go on;
 * the journal may not exist (-ENOENT). boot_counter in the report stays 0.
 */
SLUICE_MUST_USE int journal_inspect(const struct journal_config *config, uint64_t from_lsn,
    uint64_t floor_lsn, journal_apply_batch *apply, void *context, struct journal_report *report);

/* ---- What a damaged journal still has ---- */

#define JOURNAL_HOLES_MAX 16
/* A damaged place whose events the log holds. */
struct journal_hole {
	uint64_t generation, offset;
	uint64_t from_lsn, to_lsn; /* from_lsn 0: the oldest segment's beginning, not known */
};
struct journal_salvage {
	uint64_t
	    last_lsn; /* log and journal together have all up to here; never below the log's end */
	uint64_t seen_lsn; /* of the last whole batch that fits; 0: there is none */
	uint64_t
	    floor_lsn; /* journal.meta or an intact header say that all up to here was durable */
	uint32_t hole_count; /* also of those for which there is no room in `holes` */
	struct journal_hole holes[JOURNAL_HOLES_MAX];
};

/*
 * Follows the journal from its oldest segment over damaged places, as long as the log, which ends
 * at log_lsn, holds every event missing there: behind each the next whole batch goes on. Calls
 * `apply` (may be NULL) for the batches that hold events above log_lsn; these are one chain, and
 * the first continues the log's LSNs. That it also continues the log's history is not known here:
 * compare state hashes (store_apply_batch). Writes nothing, locks as recovery does.
 * journal.manifest is not looked at. 0, also when the journal has nothing above the log; -ENOENT,
 * -EBADMSG, -EPROTO: no journal.meta, or one that is damaged or newer; what apply returns; -errno.
 */
SLUICE_MUST_USE int journal_salvage(const struct journal_config *config, uint64_t log_lsn,
    journal_apply_batch *apply, void *context, struct journal_salvage *found);

/* ---- Beginning a journal behind restored events ---- */

/*
 * Makes the journal of a shard whose events up to last_lsn came from elsewhere (backup,
 * PostgreSQL): the next journal_recover finds a new journal whose first event is last_lsn + 1.
 *
 * Used by `sluice-db restore`, no data plane running, for each shard in this order:
 *   1. the store: store_open, then either all log blocks (store_restore_events, store.h) and
 *      store_checkpoint_now, or the copied environments as they are; store_close. Its log must end
 *      at last_lsn exactly. The checkpoint may be older: the data plane replays the log.
 *   2. journal_begin(config, last_lsn, the highest incarnation known of this shard: that of
 *      store_report, of PostgreSQL's cursor, of the journal lost; 0 none, ...).
 *      config: directory (<root>/var/lib/sluice/shard-N/journal, made if missing), shard and
 *      allow_volatile are used; the sizes are not.
 *   3. start the data plane: it tells the store about the new incarnation itself.
 *
 * *incarnation gets the new one: above incarnation_above, below 2^63. Durable when it returns 0.
 * -EEXIST: there is a journal.meta or a segment (nothing is changed: restore goes into an empty
 * place only); -EINVAL: last_lsn 0 or near 2^64; -ERANGE: incarnation_above is 2^63 - 1 or more;
 * -EBUSY: in use; -ENOTSUP: on a volatile file system; other -errno. `message` (may be NULL) gets
 * one sentence on failure.
 */
SLUICE_MUST_USE int journal_begin(const struct journal_config *config, uint64_t last_lsn,
    uint64_t incarnation_above, uint64_t *incarnation, char *message, size_t message_size);

struct journal_identity {
	uint64_t incarnation, boot_counter;
	uint64_t kept_lsn; /* what the last recovery kept */
	uint64_t base_lsn; /* the first batch begins behind it; 0: the journal began at LSN 1 */
};
/* What journal.meta says; takes no lock. 0; -ENOENT no journal; -EPROTO; -EBADMSG; -errno. */
SLUICE_MUST_USE int journal_identity_read(
    const struct journal_config *config, struct journal_identity *identity);

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
/* Up to where the worker has said that its events are durable. */
uint64_t journal_feed_durable_lsn(const struct journal_feed *feed);

/* ---- Keeper: makes, recycles and retires segment files; store thread ---- */

struct journal_keeper;
SLUICE_MUST_USE int journal_keeper_create(struct journal_keeper **out,
    const struct journal_config *config, const struct journal_position *end);
/*
 * One slice of work (< 1 ms of CPU): recycles segments wholly below `checkpoint_lsn`, keeps
 * segments_ready ahead. Returns 1 when it did something, 0 idle, or -errno (counted, tried again).
 */
int journal_keeper_work(struct journal_keeper *keeper, uint64_t checkpoint_lsn);
/* Any thread: segments made and not yet taken by the writer, about. */
unsigned journal_keeper_ready(const struct journal_keeper *keeper);
/*
 * Store thread: more than half of segments_max are finished and not below `checkpoint_lsn`, so
 * the writer will run out of segments unless the checkpoint moves.
 */
int journal_keeper_crowded(const struct journal_keeper *keeper, uint64_t checkpoint_lsn);
/* Store thread: bytes of all segment files. */
uint64_t journal_keeper_bytes(const struct journal_keeper *keeper);
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
/* Bytes of events that the open batch still takes, of a new one if none is open; 0: failed. */
size_t journal_writer_room(const struct journal_writer *writer);
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

#define JOURNAL_WRITES_RECENT 8
_Static_assert(JOURNAL_WRITES_RECENT >= LIMIT_JOURNAL_DEPTH_MAX, "no write of a poll is missed");
struct journal_counters {
	uint64_t batches, events, bytes, write_errors, buffers_not_lent, no_segment, no_buffer;
	uint64_t write_ns_total, write_ns_max;
	/* Completed writes, and how long each of the last ones took, at writes % WRITES_RECENT. One
	 * poll completes no more than there are places. */
	uint64_t writes;
	uint64_t write_ns_recent[JOURNAL_WRITES_RECENT];
};
const struct journal_counters *journal_writer_counters(const struct journal_writer *writer);
void journal_writer_free(struct journal_writer *writer);

#endif
