/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/db_env.h"
#include "lmdb-schema/path_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_STEP  4096u  /* LMDB wants whole pages */
#define LOCK_ROOM 16384u /* more than LMDB's lock file of 126 readers needs */

/*
 * One open per process: all open environments, by real path. The lock is held over the whole open,
 * so nobody sees an environment that has no tables yet.
 */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct db_env *registry;

/* Set before the first open, read by any thread afterwards. */
static void (*on_damage)(void);

void db_env_on_damage(void (*function)(void))
{
	on_damage = function;
}

/* LMDB ends the process behind this: what it read is no page of its own. */
static void asserted(MDB_env *env, const char *text)
{
	(void)env, (void)text;
	if (on_damage != NULL)
		on_damage();
}

int db_error(int code)
{
	switch (code) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_MAP_FULL:
		return -EXFULL; /* not -ENOSPC: that is the disk, and growing does not help */
	case MDB_READERS_FULL:
	case MDB_TLS_FULL:
		return -EUSERS;
	case MDB_VERSION_MISMATCH:
		return -EPROTO;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_PANIC:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
		return -EBADMSG;
	case MDB_MAP_RESIZED:
		return -ESTALE;
	case MDB_TXN_FULL:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
		return -EFBIG;
	default:
		break;
	}
	/* System errors are positive; what is left of LMDB's own are misuses by the caller. */
	return code > 0 ? -code : -EINVAL;
}

static int names_sync(const char *path)
{
	char parent[PATH_MAX];
	size_t size = strlen(path);
	char *slash;
	int error = path_sync(path);

	if (error != 0)
		return error;
	if (size >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, size + 1);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		return -EINVAL;
	slash[slash == parent ? 1 : 0] = '\0';
	return path_sync(parent);
}

static int tables_open(struct db_env *env, const struct db_options *options)
{
	MDB_txn *txn;
	int error = mdb_txn_begin(env->env, NULL, options->read_only ? MDB_RDONLY : 0, &txn);

	if (error != 0)
		return db_error(error);
	for (unsigned i = 0; i < options->table_count; i++) {
		error = mdb_dbi_open(
		    txn, options->tables[i], options->read_only ? 0 : MDB_CREATE, &env->tables[i]);
		if (error == MDB_NOTFOUND && options->read_only)
			continue; /* being created by its owner: empty for us */
		if (error != 0) {
			mdb_txn_abort(txn);
			return db_error(error);
		}
		env->present[i] = 1;
	}
	env->table_count = options->table_count;
	return db_error(mdb_txn_commit(txn));
}

/*
 * LMDB maps its lock file after an ftruncate: without blocks of its own the first write to a page
 * of it would end the process by SIGBUS on a full disk. The size stays LMDB's to set.
 */
static int lock_reserve(const char *directory, int read_only)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/lock.mdb", directory), error = 0, fd;

	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENAMETOOLONG;
	/* LMDB makes it for a reader, too. */
	fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT, 0640);
	if (fd < 0)
		return read_only ? 0 : -errno; /* a reader says in mdb_env_open what it lacks */
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_ROOM) != 0 && errno != EOPNOTSUPP)
		error = -errno;
	close(fd);
	return error;
}

static uint64_t map_size_rounded(uint64_t size)
{
	return (size + MAP_STEP - 1) / MAP_STEP * MAP_STEP;
}

/* 0 or LMDB's code. */
static int environment_open(struct db_env *env, const char *path, const struct db_options *options)
{
	int stale, error = mdb_env_set_maxdbs(env->env, DB_TABLES_MAX);

	if (error == 0)
		error = mdb_env_set_assert(env->env, asserted);
	if (error == 0)
		error = mdb_env_set_mapsize(env->env, map_size_rounded(options->map_size));
	if (error == 0)
		error = mdb_env_open(
		    env->env, path, MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0), 0640);
	if (error == 0)
		error = mdb_reader_check(env->env, &stale);
	return error;
}

static int env_create(struct db_env **out, char *path, const struct db_options *options)
{
	struct db_env *env = calloc(1, sizeof(*env));
	int error;

	if (env == NULL)
		return -ENOMEM;
	error = mdb_env_create(&env->env);
	if (error != 0) {
		free(env);
		return db_error(error);
	}
	pthread_rwlock_init(&env->map_lock, NULL);
	env->read_only = options->read_only;
	error = lock_reserve(path, options->read_only);
	if (error == 0)
		error = db_error(environment_open(env, path, options));
	if (error == 0)
		error = tables_open(env, options);
	if (error == 0 && !options->read_only)
		error = names_sync(path);
	if (error != 0) {
		mdb_env_close(env->env);
		pthread_rwlock_destroy(&env->map_lock);
		free(env);
		return error;
	}
	env->path = path;
	*out = env;
	return 0;
}

int db_env_open(struct db_env **out, const struct db_options *options)
{
	struct db_env *env = NULL;
	char *path;
	int error = 0;

	SLUICE_REQUIRE(options->table_count <= DB_TABLES_MAX);
	pthread_mutex_lock(&registry_lock);
	if (!options->read_only && mkdir(options->directory, 0750) != 0 && errno != EEXIST) {
		error = -errno;
		goto out;
	}
	path = realpath(options->directory, NULL);
	if (path == NULL) {
		error = -errno;
		goto out;
	}
	for (env = registry; env != NULL; env = env->next)
		if (strcmp(env->path, path) == 0)
			break;
	if (env != NULL) {
		free(path);
		if (env->read_only && !options->read_only)
			error = -EBUSY;
		else
			env->handles++;
		goto out;
	}
	error = env_create(&env, path, options);
	if (error != 0) {
		free(path);
		goto out;
	}
	env->handles = 1;
	env->next = registry;
	registry = env;
out:
	pthread_mutex_unlock(&registry_lock);
	if (error == 0)
		*out = env;
	return error;
}

void db_env_close(struct db_env *env)
{
	struct db_env **link;

	if (env == NULL)
		return;
	pthread_mutex_lock(&registry_lock);
	SLUICE_REQUIRE(env->handles > 0);
	if (--env->handles == 0) {
		for (link = &registry; *link != env; link = &(*link)->next)
			;
		*link = env->next;
		mdb_env_close(env->env);
		pthread_rwlock_destroy(&env->map_lock);
		free(env->path);
		free(env);
	}
	pthread_mutex_unlock(&registry_lock);
}

int db_env_failed(const struct db_env *env)
{
	return atomic_load_explicit(&env->failed, memory_order_relaxed);
}

uint64_t db_env_used(struct db_env *env)
{
	MDB_envinfo info;
	MDB_stat stat;

	if (mdb_env_info(env->env, &info) != 0 || mdb_env_stat(env->env, &stat) != 0)
		return 0;
	return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

uint64_t db_env_map_size(struct db_env *env)
{
	MDB_envinfo info;

	return mdb_env_info(env->env, &info) == 0 ? info.me_mapsize : 0;
}

int db_env_resize(struct db_env *env, uint64_t size)
{
	int error;

	pthread_rwlock_wrlock(&env->map_lock);
	error = mdb_env_set_mapsize(env->env, map_size_rounded(size));
	pthread_rwlock_unlock(&env->map_lock);
	return db_error(error);
}

int db_env_reserve(struct db_env *env, uint64_t free_size)
{
	uint64_t size = db_env_map_size(env), wanted = db_env_used(env) + free_size;

	if (size >= wanted)
		return 0;
	return db_env_resize(env, wanted > 2 * size ? wanted : 2 * size);
}

int db_env_reader_check(struct db_env *env)
{
	int dead = 0;
	int error = mdb_reader_check(env->env, &dead);

	return error != 0 ? db_error(error) : dead;
}
