/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only door to LMDB: environments, transactions, cursors, error codes and keys.
 *
 * Rules kept here, so that no caller can break them:
 *   - An environment is open once per process. db_env_open hands out one shared, counted handle per
 *     real path (LMDB's file locks are lost when a process opens the same file twice).
 *   - Every commit is synced; MDB_NOSYNC and its kind are never used.
 *   - MDB_NOTLS: a read transaction belongs to its handle, not to a thread.
 *   - Stale reader slots of dead processes are cleared at each open.
 *   - A full map is doubled. Growing needs a moment without transactions in this process, so read
 *     transactions hold the environment's lock shared while they are active, and must be short.
 */
#ifndef SLUICE_LMDB_SCHEMA_DB_H
#define SLUICE_LMDB_SCHEMA_DB_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

#define DB_TABLES_MAX 24

struct db_env;
struct MDB_txn;
struct MDB_cursor;

struct db_options {
	const char *directory;
	const char *const *tables; /* names; table numbers are indexes into this array */
	unsigned table_count;
	uint64_t map_size; /* lower bound; a larger existing file wins */
	uint8_t read_only; /* nothing is created; a table that is missing reads as empty */
};

/*
 * Opens (or shares) an environment; unless read_only it is created with its directory and tables,
 * and the new names are synced. 0; -ENOENT; -EBUSY: open here read-only and now wanted writable;
 * -EBADMSG, -EPROTO: not an environment of this LMDB; others.
 */
SLUICE_MUST_USE int db_env_open(struct db_env **out, const struct db_options *options);
/*
 * Called where LMDB finds by an assertion that a page it read is none of its own; it must not
 * return (LMDB aborts behind it). Set before the first open; NULL: LMDB's own end.
 */
void db_env_on_damage(void (*function)(void));
/* Gives the handle back; the last one closes. NULL is allowed. */
void db_env_close(struct db_env *env);
/*
 * 1 once a write of the environment's head has failed: LMDB then refuses every transaction of this
 * process, reads too, with -EBADMSG. What was committed before is on the disk; what was being
 * committed then is found out by opening it anew, in another process or after the last close.
 */
int db_env_failed(const struct db_env *env);
/* Bytes of the data file in use (high-water mark: freed pages are kept for reuse). */
uint64_t db_env_used(struct db_env *env);
uint64_t db_env_map_size(struct db_env *env);
/* Makes sure `free_size` bytes of map lie above the high-water mark. No own write may be open. */
SLUICE_MUST_USE int db_env_reserve(struct db_env *env, uint64_t free_size);
/* Clears reader slots of processes that died. Their number, or -errno. */
int db_env_reader_check(struct db_env *env);

/*
 * A snapshot of the environment as data.mdb in `directory` (which is made, and must be empty),
 * without free pages, synced. Its owner may write meanwhile; pages it frees are kept until the copy
 * is done, so its file may grow. 0; -EEXIST: there is one already; -errno. (db_copy.c)
 */
SLUICE_MUST_USE int db_env_copy(struct db_env *env, const char *directory);

/* LMDB's return code as 0 or -errno: the one translator. -EXFULL: the map is full. */
int db_error(int code);

struct db_bytes {
	const void *data;
	size_t size;
};

struct db_txn {
	struct db_env *env;
	struct MDB_txn *txn; /* NULL: none */
	uint8_t writes;
	uint8_t active;
};

/* One write transaction per environment at a time, begun and ended by the same thread. */
SLUICE_MUST_USE int db_write_begin(struct db_txn *txn, struct db_env *env);
/* Synced. The transaction is over whatever the result. */
SLUICE_MUST_USE int db_write_commit(struct db_txn *txn);
void db_write_abort(struct db_txn *txn);

/*
 * Runs `body` in a write transaction and commits. When the map is full it is doubled and `body`
 * runs again from the start: it must depend on nothing it changed outside the transaction.
 */
typedef int db_write_body(struct db_txn *txn, void *context);
SLUICE_MUST_USE int db_write(struct db_env *env, db_write_body *body, void *context);

/* A read transaction that is kept (with its reader slot) and used many times, between begin and
 * end. */
SLUICE_MUST_USE int db_read_open(struct db_txn *txn, struct db_env *env);
SLUICE_MUST_USE int db_read_begin(struct db_txn *txn);
void db_read_end(struct db_txn *txn);
void db_read_close(struct db_txn *txn);

SLUICE_MUST_USE int db_put(
    struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes value);
/* The key must be above all keys of the table. -EEXIST when it is not. */
SLUICE_MUST_USE int db_append(
    struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes value);
/* *value points into the map: valid until the transaction ends or writes. 0 or -ENOENT, -errno. */
SLUICE_MUST_USE int db_get(
    struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes *value);
SLUICE_MUST_USE int db_delete(struct db_txn *txn, unsigned table, struct db_bytes key);
SLUICE_MUST_USE int db_count(struct db_txn *txn, unsigned table, uint64_t *count);

/* Cursor over one table. Moves give 0 with key and value set, or -ENOENT, -errno. */
struct db_cursor {
	struct MDB_cursor *cursor; /* NULL: the table is missing */
	struct db_bytes key, value;
};
SLUICE_MUST_USE int db_cursor_open(struct db_cursor *cursor, struct db_txn *txn, unsigned table);
void db_cursor_close(struct db_cursor *cursor);
SLUICE_MUST_USE int db_cursor_first(struct db_cursor *cursor);
SLUICE_MUST_USE int db_cursor_last(struct db_cursor *cursor);
SLUICE_MUST_USE int db_cursor_next(struct db_cursor *cursor);
SLUICE_MUST_USE int db_cursor_previous(struct db_cursor *cursor);
/* As db_put, and the cursor stays there: puts in key order find their page without a search from
 * the root. Only in a write transaction; closed before it ends. */
SLUICE_MUST_USE int db_cursor_put(
    struct db_cursor *cursor, struct db_bytes key, struct db_bytes value);
/* The highest key <= `key`. */
SLUICE_MUST_USE int db_cursor_seek_below(struct db_cursor *cursor, struct db_bytes key);

/*
 * Keys: one or two 64-bit numbers, big-endian, so that LMDB's byte order is the numbers' order.
 * db_key() gives the bytes of a key in place.
 */
struct db_key {
	uint8_t bytes[16];
	uint8_t size;
};
struct db_key db_key_make(uint64_t number);
struct db_key db_key_make_pair(uint64_t first, uint64_t second);
static inline struct db_bytes db_key(const struct db_key *key)
{
	return (struct db_bytes){ key->bytes, key->size };
}
/* 0, or -EBADMSG for a key that is not one number. */
SLUICE_MUST_USE int db_key_number(struct db_bytes key, uint64_t *number);

#endif
