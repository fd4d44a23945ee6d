/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Store of one shard: follower copy of the ledger, log and row environments in LMDB, fuzzy
 * checkpoints. One owning thread; lmdb-schema/ is the only code that calls LMDB.
 *
 * Life:   store_open -> store_load (rows into the follower's ledger)
 *         -> store_apply_batch for each batch of the journal's tail (journal_recover's callback)
 *         -> store_work in the store thread until stopped -> store_close
 */
#ifndef SLUICE_STORE_H
#define SLUICE_STORE_H

#include <stdint.h>

#include "dataplane/journal/journal.h"
#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/history.h"
#include "wire/assert.h"

struct store_config {
	const char *directory; /* of this shard */
	uint32_t shard;
	struct ledger_config ledger; /* the worker's; see store_ledger_config */
	uint64_t log_rotate_size;    /* bytes of one log environment before a new one is begun */
	uint64_t log_keep_size;      /* 0: keep all; else retire the oldest above this */
	uint32_t checkpoint_interval_ms; /* pause between fuzzy checkpoint cycles */
	uint32_t log_run_events;         /* 0: LOG_RUN_EVENTS (lmdb-schema/log_index.h); tests */
};

struct store;

struct store_report {
	uint64_t schema_version;
	uint64_t checkpoint_lsn; /* replay must begin right behind it */
	uint64_t applied_lsn;    /* highest LSN in the log environment: a floor for the journal */
	uint64_t incarnation;
	uint64_t accounts, bets, markets, terminals, objects;
	uint64_t nanoseconds;
	char message[512]; /* on failure: what, where, remedy */
};

/*
 * The configuration of the follower's ledger for a worker's: it tracks changes for checkpoints, and
 * has room for more bets and objects, as retired ones stay until a checkpoint has written them.
 */
struct ledger_config store_ledger_config(const struct ledger_config *worker);

/* 0; -EPROTO another schema version; -EBADMSG damage; others. report->message says what. */
SLUICE_MUST_USE int store_open(
    struct store **out, const struct store_config *config, struct store_report *report);
/* Reads all rows into the follower's ledger. */
SLUICE_MUST_USE int store_load(struct store *store, struct store_report *report);
/* The follower's ledger: at start the worker's copy is made from it; afterwards the store's alone.
 */
const struct ledger *store_ledger(const struct store *store);
/* What a re-sharding left, as the rows say; NULL: they came out of none, or say nothing. */
const struct record_past *store_past(const struct store *store);

/*
 * Applies one durable batch: follower's ledger, log blocks (in memory until committed), state-hash
 * comparison with the header (only once everything up to the batch has been applied without gaps).
 * Events at or below applied_lsn are applied to rows but not logged again. 0, -EBADMSG divergence.
 */
SLUICE_MUST_USE int store_apply_batch(struct store *store, const struct journal_batch *batch);
/*
 * After recovery: what was loaded and applied against the last batch of the journal, also when
 * nothing was replayed (the rows have no checksums of their own). 0: the same, or the state does
 * not stand at `lsn` (0: the journal has no batch); -EBADMSG divergence: the store takes nothing
 * more.
 */
SLUICE_MUST_USE int store_check_state(struct store *store, uint64_t lsn, uint64_t state_hash);
/* Commits what is pending in the log environment, synchronously. */
SLUICE_MUST_USE int store_commit(struct store *store);

/*
 * The journal is this one (journal_identity_read); call after store_load, before the journal's
 * tail. Where the journal begins behind restored events (base_lsn > 0) and the checkpoint is older,
 * the follower's ledger is brought to base_lsn by the log. A higher incarnation than the rows' is
 * taken when the checkpoint is not above base_lsn. 0; -EBADMSG: log, rows and journal do not belong
 * together; others. report->message says what. Recovery then begins at max(checkpoint, base) + 1.
 */
SLUICE_MUST_USE int store_join_journal(
    struct store *store, uint64_t incarnation, uint64_t base_lsn, struct store_report *report);
/*
 * Restore: applies and logs events that lie one behind the other, beginning at the LSN behind the
 * last (report->applied_lsn + 1; 1 in a new store). Call store_commit now and then, and
 * store_checkpoint_now at the end. 0; -EBADMSG: malformed, a gap, or not of this state;
 * -EINVAL: the log holds more than the rows; others. After a failure the store takes nothing more.
 */
SLUICE_MUST_USE int store_restore_events(struct store *store, const uint8_t *events, size_t size);

/*
 * One turn of the store thread: takes batches from the feed (or, after a gap, from `reader`),
 * applies them, commits the log when two 64 KiB blocks are full (more when it is behind) or 100 ms
 * have passed, writes one checkpoint slice when one is due. Every piece is under 1 ms of CPU.
 * Returns 1 when it did something, 0 idle, -errno when the store has failed (recorded in the
 * status; the worker is never touched). A full disk is no failure: it takes nothing more, so the
 * journal's segments keep what comes, and tries again every second (status: waiting).
 */
int store_work(
    struct store *store, struct journal_feed *feed, struct journal_reader *reader, uint64_t now_ns);
/* Store thread: turns may be long, as the journal runs out of segments (1), or not (0, at first).
 */
void store_hurry(struct store *store, int hurry);
/* Store thread: 1: as of the last turn more is there to do at once (batches, a checkpoint). */
int store_more(const struct store *store);
/* LSN below which the journal may be recycled: the durable checkpoint. */
uint64_t store_checkpoint_lsn(const struct store *store);
/* Runs a whole checkpoint cycle to its end and commits (orderly stop). */
SLUICE_MUST_USE int store_checkpoint_now(struct store *store);

/* Readable from any thread: a copy of the figures, published with release stores. */
struct store_status {
	uint64_t applied_lsn, committed_lsn, checkpoint_lsn, batches_from_files, divergences,
	    errors;
	uint64_t log_bytes, row_bytes; /* of the files */
	uint64_t log_map, row_map;     /* LMDB maps: grown before they are full */
	uint64_t waiting;              /* errno of the full disk it waits for, 0: none */
	uint64_t waits;                /* times it began to wait */
	uint64_t table_full;           /* failed: rows in use fill a table of the ledger */
};
void store_status(const struct store *store, struct store_status *status);
void store_close(struct store *store);

#endif
