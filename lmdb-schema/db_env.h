/* SPDX-License-Identifier: Apache-2.0 */
/* An open environment. Private to db.c and db_env.c. */
#ifndef SLUICE_LMDB_SCHEMA_DB_ENV_H
#define SLUICE_LMDB_SCHEMA_DB_ENV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lmdb-schema/db.h"

struct db_env {
	struct db_env *next; /* registry; guarded by its lock */
	char *path;          /* real path */
	unsigned handles;    /* guarded by the registry's lock */
	MDB_env *env;
	MDB_dbi tables[DB_TABLES_MAX];
	uint8_t present[DB_TABLES_MAX];
	unsigned table_count;
	uint8_t read_only;
	/* Set by who met it, read by db_env_failed: relaxed both sides, it orders nothing. */
	_Atomic uint8_t failed;
	/* Shared: a transaction of this process is active. Exclusive: the map is being changed. */
	pthread_rwlock_t map_lock;
};

/* Doubles the map (at least), or takes over the size another process has set (size 0). */
SLUICE_MUST_USE int db_env_resize(struct db_env *env, uint64_t size);

#endif
