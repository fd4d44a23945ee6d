/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables, their numbers and the schema version. A shard's directory holds
 *
 *   journal/        segment files (dataplane/journal)
 *   rows/           environment: state at the last checkpoint, tables below
 *   log-<16 hex>/   environments: all events, one after the other; the name is the first LSN
 *
 * Numbers are for ever: a table that goes away leaves its number unused.
 */
#ifndef SLUICE_LMDB_SCHEMA_SCHEMA_H
#define SLUICE_LMDB_SCHEMA_SCHEMA_H

#include "lmdb-schema/db.h"
#include "lmdb-schema/rows.h"

/*
 * 2: objects, closed rows, settlement. What version 1 wrote is refused, not migrated: its journal
 * and log hold events of another layout and other postings, so nothing in the directory could be
 * read on. It was in no release.
 * 3: the log's index of requests in runs (log_index.h). Version 2 is read as it is; the store
 * raises it when it opens the rows, as an older program would not find requests in what it writes.
 */
#define SCHEMA_VERSION       3
#define SCHEMA_VERSION_FIRST 2 /* the oldest that is read */

/* Rows environment. X(NAME, name). */
#define SCHEMA_ROW_TABLES(X)                                                                       \
	X(META, "meta")                                                                            \
	X(ACCOUNT, "account")                                                                      \
	X(BET, "bet")                                                                              \
	X(MARKET, "market")                                                                        \
	X(TERMINAL, "terminal")                                                                    \
	X(OBJECT, "object")                                                                        \
	X(CLOSED_BET, "closed_bet")       /* retired: no longer in memory, kept for look-ups */    \
	X(CLOSED_OBJECT, "closed_object") /* the same */

enum schema_row_table {
#define SCHEMA_ROW_TABLE_ENUM(name, text) SCHEMA_##name,
	SCHEMA_ROW_TABLES(SCHEMA_ROW_TABLE_ENUM)
#undef SCHEMA_ROW_TABLE_ENUM
	    SCHEMA_ROW_TABLE_COUNT,
};

/* Log environment. */
enum schema_log_table {
	SCHEMA_BLOCK = 0,   /* first LSN -> log_block_header, events */
	SCHEMA_REQUEST = 1, /* the index of schema version 2; empty in a newer environment */
	SCHEMA_RUN = 2,     /* last LSN covered -> log_run_header, entries (log_index.h) */
	SCHEMA_LOG_TABLE_COUNT,
};

/* Map sizes to begin with; a full map doubles (db_write, db_env_reserve). */
#define SCHEMA_ROWS_MAP_SIZE (256ull << 20)
#define SCHEMA_LOG_MAP_SIZE  (64ull << 20)

/* Opens the rows environment of `directory`/rows. No version check: see schema_meta_*. */
SLUICE_MUST_USE int schema_rows_open(struct db_env **out, const char *directory, int read_only);
/* Opens `directory`/log-<first_lsn>. */
SLUICE_MUST_USE int schema_log_open(
    struct db_env **out, const char *directory, uint64_t first_lsn, int read_only);
/*
 * First LSNs of the log environments, ascending, in an array of the caller's to free(). An
 * environment whose data file is gone (retirement cut short) is left out unless it is the newest.
 * Their number, or -errno.
 */
SLUICE_MUST_USE int schema_log_list(const char *directory, uint64_t **first_lsns);
/*
 * Cuts a log that nobody has open behind `last_lsn`: events, index of requests, whole environments.
 * What is left is as if the log had never gone on. 0; -ENOENT: it does not reach down to last_lsn
 * + 1; -EBADMSG: the block at the cut is damaged; -errno. (log_cut.c)
 */
SLUICE_MUST_USE int schema_log_cut(const char *directory, uint64_t last_lsn);
/*
 * Appends events that lie one behind the other, from `first_lsn` on, to a log environment that ends
 * before them. For backups; the store has a writer of its own. (log_cut.c)
 */
SLUICE_MUST_USE int schema_log_write(
    struct db_env *env, const uint8_t *events, size_t size, uint64_t first_lsn);
/* Unlinks an environment that nobody will open again. 0 or -errno. */
SLUICE_MUST_USE int schema_log_remove(const char *directory, uint64_t first_lsn);
/*
 * Removes to the end what is older than the oldest whole environment: a removal whose sync failed,
 * or that was cut short, is in no list any more, and were a younger one removed behind it, a power
 * cut could bring it back alone. For the owner, before it removes any. 0 or -errno.
 */
SLUICE_MUST_USE int schema_log_sweep(const char *directory);

/*
 * The mark beside the directories of a switch's shards (`data`, ROOT/var/lib/sluice) that they were
 * made: written once they are durable and before their first event, carried by backups, never
 * removed by a program. Without it a shard that is not mounted looks like one that never was. Each
 * start writes into it which journals it began: an older copy of a shard knows of fewer starts.
 */
#define SCHEMA_MADE_NAME "shards.made"
struct schema_made_shard {
	uint64_t incarnation; /* of its journal; 0: nothing is said of this shard */
	uint64_t starts;      /* the boot counter of that journal's last start */
};
/* 1 and what it says of shards 0 to count - 1; 0: no mark; -errno. Lines that are not whole say
 * nothing. (made.c) */
SLUICE_MUST_USE int schema_made_read(
    const char *data, struct schema_made_shard *shards, uint32_t count);
/* In the place of what was there, durable when it returns 0. `count` 0: a mark that is there
 * already stays as it is. 0 or -errno. */
SLUICE_MUST_USE int schema_made_write(
    const char *data, const struct schema_made_shard *shards, uint32_t count);

/*
 * meta: "version" -> le32, alone, so that any later layout can be recognised; "identity" ->
 * record_identity; "checkpoint" -> record_checkpoint; "horizon" -> le64; "log" -> two le64
 * (schema_log_begin); "state" -> record_state; "past" -> record_past. Version: 0; -ENOENT a new
 * environment; -EPROTO above SCHEMA_VERSION or below SCHEMA_VERSION_FIRST
 * (*version says which); -EBADMSG.
 */
SLUICE_MUST_USE int schema_version_read(struct db_txn *txn, uint32_t *version);
SLUICE_MUST_USE int schema_version_write(struct db_txn *txn);
SLUICE_MUST_USE int schema_identity_read(struct db_txn *txn, struct record_identity *identity);
SLUICE_MUST_USE int schema_identity_write(
    struct db_txn *txn, const struct record_identity *identity);
SLUICE_MUST_USE int schema_checkpoint_read(
    struct db_txn *txn, struct record_checkpoint *checkpoint);
SLUICE_MUST_USE int schema_checkpoint_write(
    struct db_txn *txn, const struct record_checkpoint *checkpoint);

/*
 * The last event that had been applied when rows were last written: no row is newer, and no row
 * retired into a closed table by a newer event. 0 when nothing was written yet.
 */
SLUICE_MUST_USE int schema_horizon_read(struct db_txn *txn, uint64_t *lsn);
SLUICE_MUST_USE int schema_horizon_write(struct db_txn *txn, uint64_t lsn);

/*
 * Where the log begins, as long as the journal is of `incarnation`: what lies before was retired or
 * never there. Written before an environment is removed, so that one that is lost is not taken for
 * retired. Read: 0; -ENOENT: nothing says; -EBADMSG.
 */
struct schema_log_begin {
	uint64_t first_lsn, incarnation;
};
SLUICE_MUST_USE int schema_log_begin_read(struct db_txn *txn, struct schema_log_begin *begin);
SLUICE_MUST_USE int schema_log_begin_write(
    struct db_txn *txn, const struct schema_log_begin *begin);

/* What the state must hash to, at one LSN. Read: 0; -ENOENT: nothing says; -EBADMSG. */
SLUICE_MUST_USE int schema_state_read(struct db_txn *txn, struct record_state *state);
SLUICE_MUST_USE int schema_state_write(struct db_txn *txn, uint64_t lsn, uint64_t state_hash);

/* What a re-sharding left. Read: 0; -ENOENT: these rows came out of none; -EBADMSG. */
SLUICE_MUST_USE int schema_past_read(struct db_txn *txn, struct record_past *past);
SLUICE_MUST_USE int schema_past_write(struct db_txn *txn, const struct record_past *past);

struct schema_rows_meta {
	struct record_identity identity;
	uint64_t checkpoint_lsn, incarnation; /* 0: no checkpoint yet */
	uint64_t horizon_lsn;
	struct schema_log_begin log_begin; /* zero: nothing says */
	uint32_t version;
	uint8_t has_past;
	struct record_past past; /* zero without */
};

/*
 * All of the above of `directory`/rows, opened for reading and closed again. 0, or an error of
 * those who open and read; -EPROTO: meta->version says which version cannot be read, nothing else
 * of *meta is set.
 */
SLUICE_MUST_USE int schema_rows_meta_read(const char *directory, struct schema_rows_meta *meta);

#endif
