/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "lmdb-schema/db_env.h"

#define GROW_TRIES 40 /* doublings: more than any address space */

/* The error of a begin; notes that there will be no other. */
static int begin_error(struct db_env *env, int code)
{
	if (code == MDB_PANIC)
		atomic_store_explicit(&env->failed, 1, memory_order_relaxed);
	return db_error(code);
}

/* Begins a transaction of either kind; takes over a map that another process has grown. */
static int txn_begin(struct db_env *env, unsigned flags, MDB_txn **txn)
{
	for (int i = 0; i < GROW_TRIES; i++) {
		int error;

		pthread_rwlock_rdlock(&env->map_lock);
		error = mdb_txn_begin(env->env, NULL, flags, txn);
		if (error == 0)
			return 0;
		pthread_rwlock_unlock(&env->map_lock);
		if (error != MDB_MAP_RESIZED)
			return begin_error(env, error);
		error = db_env_resize(env, 0);
		if (error != 0)
			return error;
	}
	return -ESTALE;
}

int db_write_begin(struct db_txn *txn, struct db_env *env)
{
	MDB_txn *begun;
	int error;

	if (env->read_only)
		return -EROFS;
	error = txn_begin(env, 0, &begun);
	if (error != 0)
		return error;
	*txn = (struct db_txn){ .env = env, .txn = begun, .writes = 1, .active = 1 };
	return 0;
}

int db_write_commit(struct db_txn *txn)
{
	int error;

	SLUICE_REQUIRE(txn->writes && txn->active);
	error = mdb_txn_commit(txn->txn);
	pthread_rwlock_unlock(&txn->env->map_lock);
	*txn = (struct db_txn){ 0 };
	return db_error(error);
}

void db_write_abort(struct db_txn *txn)
{
	if (!txn->active)
		return;
	SLUICE_REQUIRE(txn->writes);
	mdb_txn_abort(txn->txn);
	pthread_rwlock_unlock(&txn->env->map_lock);
	*txn = (struct db_txn){ 0 };
}

int db_write(struct db_env *env, db_write_body *body, void *context)
{
	int error = -EXFULL;

	for (int i = 0; i < GROW_TRIES && error == -EXFULL; i++) {
		uint64_t size = db_env_map_size(env);
		struct db_txn txn;

		error = db_write_begin(&txn, env);
		if (error != 0)
			return error;
		error = body(&txn, context);
		if (error == 0)
			error = db_write_commit(&txn);
		else
			db_write_abort(&txn);
		if (error == -EXFULL && db_env_resize(env, 2 * size) != 0)
			return error;
	}
	return error;
}

int db_read_open(struct db_txn *txn, struct db_env *env)
{
	MDB_txn *begun;
	int error = txn_begin(env, MDB_RDONLY, &begun);

	if (error != 0)
		return error;
	mdb_txn_reset(begun);
	pthread_rwlock_unlock(&env->map_lock);
	*txn = (struct db_txn){ .env = env, .txn = begun };
	return 0;
}

int db_read_begin(struct db_txn *txn)
{
	SLUICE_REQUIRE(!txn->active && !txn->writes);
	for (int i = 0; i < GROW_TRIES; i++) {
		int error;

		pthread_rwlock_rdlock(&txn->env->map_lock);
		error = mdb_txn_renew(txn->txn);
		if (error == 0) {
			txn->active = 1;
			return 0;
		}
		pthread_rwlock_unlock(&txn->env->map_lock);
		if (error != MDB_MAP_RESIZED)
			return begin_error(txn->env, error);
		error = db_env_resize(txn->env, 0);
		if (error != 0)
			return error;
	}
	return -ESTALE;
}

void db_read_end(struct db_txn *txn)
{
	SLUICE_REQUIRE(txn->active && !txn->writes);
	mdb_txn_reset(txn->txn);
	txn->active = 0;
	pthread_rwlock_unlock(&txn->env->map_lock);
}

void db_read_close(struct db_txn *txn)
{
	if (txn->txn == NULL)
		return;
	if (txn->active)
		db_read_end(txn);
	mdb_txn_abort(txn->txn);
	*txn = (struct db_txn){ 0 };
}

/* LMDB's API takes pointers to non-const and does not write through them. */
static MDB_val value_of(struct db_bytes bytes)
{
	MDB_val value = { .mv_size = bytes.size };

	memcpy(&value.mv_data, &bytes.data, sizeof(value.mv_data));
	return value;
}

static int put(
    struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes value, unsigned flags)
{
	MDB_val k = value_of(key), v = value_of(value);

	SLUICE_REQUIRE(txn->active && txn->writes && table < txn->env->table_count);
	return db_error(mdb_put(txn->txn, txn->env->tables[table], &k, &v, flags));
}

int db_put(struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes value)
{
	return put(txn, table, key, value, 0);
}

int db_append(struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes value)
{
	return put(txn, table, key, value, MDB_APPEND);
}

int db_get(struct db_txn *txn, unsigned table, struct db_bytes key, struct db_bytes *value)
{
	MDB_val k = value_of(key), v;
	int error;

	SLUICE_REQUIRE(txn->active && table < txn->env->table_count);
	if (!txn->env->present[table])
		return -ENOENT;
	error = mdb_get(txn->txn, txn->env->tables[table], &k, &v);
	if (error == 0)
		*value = (struct db_bytes){ v.mv_data, v.mv_size };
	return db_error(error);
}

int db_delete(struct db_txn *txn, unsigned table, struct db_bytes key)
{
	MDB_val k = value_of(key);

	SLUICE_REQUIRE(txn->active && txn->writes && table < txn->env->table_count);
	return db_error(mdb_del(txn->txn, txn->env->tables[table], &k, NULL));
}

int db_count(struct db_txn *txn, unsigned table, uint64_t *count)
{
	MDB_stat stat = { 0 };
	int error = 0;

	SLUICE_REQUIRE(txn->active && table < txn->env->table_count);
	if (txn->env->present[table])
		error = mdb_stat(txn->txn, txn->env->tables[table], &stat);
	if (error == 0)
		*count = stat.ms_entries;
	return db_error(error);
}

int db_cursor_open(struct db_cursor *cursor, struct db_txn *txn, unsigned table)
{
	SLUICE_REQUIRE(txn->active && table < txn->env->table_count);
	*cursor = (struct db_cursor){ 0 };
	if (!txn->env->present[table])
		return 0;
	return db_error(mdb_cursor_open(txn->txn, txn->env->tables[table], &cursor->cursor));
}

void db_cursor_close(struct db_cursor *cursor)
{
	if (cursor->cursor != NULL)
		mdb_cursor_close(cursor->cursor);
	cursor->cursor = NULL;
}

int db_cursor_put(struct db_cursor *cursor, struct db_bytes key, struct db_bytes value)
{
	MDB_val k = value_of(key), v = value_of(value);

	SLUICE_REQUIRE(cursor->cursor != NULL);
	return db_error(mdb_cursor_put(cursor->cursor, &k, &v, 0));
}

static int cursor_move(struct db_cursor *cursor, MDB_val *key, MDB_cursor_op operation)
{
	MDB_val value;
	int error;

	if (cursor->cursor == NULL)
		return -ENOENT;
	error = mdb_cursor_get(cursor->cursor, key, &value, operation);
	if (error == 0) {
		cursor->key = (struct db_bytes){ key->mv_data, key->mv_size };
		cursor->value = (struct db_bytes){ value.mv_data, value.mv_size };
	}
	return db_error(error);
}

int db_cursor_first(struct db_cursor *cursor)
{
	MDB_val key = { 0 };

	return cursor_move(cursor, &key, MDB_FIRST);
}

int db_cursor_last(struct db_cursor *cursor)
{
	MDB_val key = { 0 };

	return cursor_move(cursor, &key, MDB_LAST);
}

int db_cursor_next(struct db_cursor *cursor)
{
	MDB_val key = { 0 };

	return cursor_move(cursor, &key, MDB_NEXT);
}

int db_cursor_previous(struct db_cursor *cursor)
{
	MDB_val key = { 0 };

	return cursor_move(cursor, &key, MDB_PREV);
}

int db_cursor_seek_below(struct db_cursor *cursor, struct db_bytes wanted)
{
	MDB_val key = value_of(wanted);
	int error = cursor_move(cursor, &key, MDB_SET_RANGE);

	if (error == -ENOENT)
		return db_cursor_last(cursor);
	if (error != 0)
		return error;
	if (cursor->key.size == wanted.size &&
	    memcmp(cursor->key.data, wanted.data, wanted.size) == 0)
		return 0;
	return cursor_move(cursor, &key, MDB_PREV);
}

static void store_big_endian(uint8_t *out, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(number >> (56 - 8 * i));
}

struct db_key db_key_make(uint64_t number)
{
	struct db_key key = { .size = 8 };

	store_big_endian(key.bytes, number);
	return key;
}

struct db_key db_key_make_pair(uint64_t first, uint64_t second)
{
	struct db_key key = { .size = 16 };

	store_big_endian(key.bytes, first);
	store_big_endian(key.bytes + 8, second);
	return key;
}

int db_key_number(struct db_bytes key, uint64_t *number)
{
	const uint8_t *bytes = key.data;
	uint64_t value = 0;

	if (key.size != 8)
		return -EBADMSG;
	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	*number = value;
	return 0;
}
