/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMDB as a model: an environment is a set of sorted maps; a commit is atomic and durable, a reader
 * keeps the state it began with. What is in an environment belongs to the file data.mdb, so that
 * removing the file, or losing its name in a power cut, loses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk_calls.h"
#include "tests/sim/lmdb_model.h"

#define PAGES_OF_META 4u

static int fail_next;
static uint64_t commits;

void sim_lmdb_fail_next(int error)
{
	fail_next = error;
}

uint64_t sim_lmdb_commits(void)
{
	return commits;
}

void sim_lmdb_reset(void)
{
	fail_next = 0;
	commits = 0;
}

static void snapshot_release(struct sim_snapshot *snapshot)
{
	if (snapshot == NULL || --snapshot->refs > 0)
		return;
	for (uint32_t i = 0; i < snapshot->table_count; i++)
		sim_tree_release(snapshot->tables[i].root);
	free(snapshot);
}

static struct sim_snapshot *snapshot_copy(const struct sim_snapshot *from)
{
	struct sim_snapshot *copy = malloc(sizeof(*copy));

	SLUICE_REQUIRE(copy != NULL);
	*copy = *from;
	copy->refs = 1;
	copy->number++;
	for (uint32_t i = 0; i < copy->table_count; i++)
		sim_tree_hold(copy->tables[i].root);
	return copy;
}

static uint64_t snapshot_pages(const struct sim_snapshot *snapshot)
{
	uint64_t pages = PAGES_OF_META;

	for (uint32_t i = 0; i < snapshot->table_count; i++)
		pages += 1 + snapshot->tables[i].pages / 16;
	return pages;
}

void sim_environment_free(void *pointer)
{
	struct sim_environment *environment = pointer;

	if (environment == NULL)
		return;
	snapshot_release(environment->committed);
	free(environment);
}

/* ---- Environments ---- */

int mdb_env_create(MDB_env **out)
{
	MDB_env *env = calloc(1, sizeof(*env));

	if (env == NULL)
		return ENOMEM;
	env->map_size = 1u << 20;
	*out = env;
	return 0;
}

static struct sim_environment *environment_make(void)
{
	struct sim_environment *made = calloc(1, sizeof(*made));

	SLUICE_REQUIRE(made != NULL);
	made->committed = calloc(1, sizeof(*made->committed));
	SLUICE_REQUIRE(made->committed != NULL);
	made->committed->refs = 1;
	made->pages_high = PAGES_OF_META;
	return made;
}

/* The file is made as any file is: its name is durable when the directory is synced. */
static int file_make(const char *path, int flags)
{
	int fd = __wrap_open(path, flags, 0640);

	if (fd < 0)
		return errno;
	(void)__wrap_close(fd);
	return 0;
}

int mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
	int create = (flags & MDB_RDONLY) != 0 ? O_RDONLY : O_RDWR | O_CREAT, error;
	char name[4096 + 16];

	(void)mode;
	SLUICE_REQUIRE(sim_path_is(AT_FDCWD, path));
	snprintf(name, sizeof(name), "%s/lock.mdb", path);
	error = file_make(name, create);
	if (error == 0) {
		snprintf(name, sizeof(name), "%s/data.mdb", path);
		error = file_make(name, create);
	}
	if (error != 0)
		return error;
	env->file = sim_path_find(AT_FDCWD, name);
	if (env->file == NULL)
		return EIO;
	if (env->file->environment == NULL)
		env->file->environment = environment_make();
	env->environment = env->file->environment;
	env->flags = flags;
	sim_inode_hold(env->file);
	if (env->map_size < env->environment->pages_high * SIM_PAGE_SIZE)
		env->map_size = env->environment->pages_high * SIM_PAGE_SIZE;
	return 0;
}

void mdb_env_close(MDB_env *env)
{
	SLUICE_REQUIRE(env->writer == NULL);
	sim_inode_release(env->file);
	free(env);
}

/* The copy holds what was committed; as bytes its file is empty, as every environment's here is. */
int mdb_env_copy2(MDB_env *env, const char *path, unsigned flags)
{
	struct sim_environment *copy;
	struct sim_inode *file;
	char name[4096 + 16];
	int error;

	(void)flags;
	SLUICE_REQUIRE(sim_path_is(AT_FDCWD, path));
	snprintf(name, sizeof(name), "%s/data.mdb", path);
	error = file_make(name, O_RDWR | O_CREAT | O_EXCL);
	if (error != 0)
		return error;
	file = sim_path_find(AT_FDCWD, name);
	if (file == NULL)
		return EIO;
	copy = environment_make();
	snapshot_release(copy->committed);
	copy->committed = env->environment->committed;
	copy->committed->refs++;
	memcpy(copy->names, env->environment->names, sizeof(copy->names));
	copy->pages_high = snapshot_pages(copy->committed);
	file->environment = copy;
	return 0;
}

int mdb_env_set_mapsize(MDB_env *env, size_t size)
{
	uint64_t least =
	    env->environment == NULL ? 0 : env->environment->pages_high * SIM_PAGE_SIZE;

	if (env->writer != NULL)
		return EINVAL;
	if (size != 0)
		env->map_size = size;
	if (env->map_size < least)
		env->map_size = least;
	return 0;
}

int mdb_env_set_maxdbs(MDB_env *env, MDB_dbi count)
{
	(void)env;
	return count > SIM_TABLES_MAX ? EINVAL : 0;
}

/* The model asserts nothing. */
int mdb_env_set_assert(MDB_env *env, MDB_assert_func *function)
{
	(void)env, (void)function;
	return 0;
}

int mdb_env_info(MDB_env *env, MDB_envinfo *info)
{
	*info = (MDB_envinfo){
		.me_mapsize = env->map_size,
		.me_last_pgno = env->environment->pages_high - 1,
		.me_last_txnid = env->environment->committed->number,
		.me_maxreaders = 126,
	};
	return 0;
}

int mdb_env_stat(MDB_env *env, MDB_stat *stat)
{
	*stat = (MDB_stat){ .ms_psize = SIM_PAGE_SIZE,
		.ms_entries = env->environment->committed->table_count };
	return 0;
}

int mdb_reader_check(MDB_env *env, int *stale)
{
	(void)env;
	*stale = 0;
	return sim_call() == 0 ? 0 : EIO;
}

/* ---- Transactions ---- */

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **out)
{
	MDB_txn *txn;
	int writes = (flags & MDB_RDONLY) == 0;

	SLUICE_REQUIRE(parent == NULL);
	if (sim_call() != 0)
		return EIO;
	if (writes && (env->flags & MDB_RDONLY) != 0)
		return EACCES;
	/* LMDB would wait for itself for ever. */
	SLUICE_REQUIRE(!writes || env->writer == NULL);
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return ENOMEM;
	txn->env = env;
	txn->writes = writes;
	if (writes) {
		txn->snapshot = snapshot_copy(env->environment->committed);
		env->writer = txn;
	} else {
		txn->snapshot = env->environment->committed;
		txn->snapshot->refs++;
	}
	*out = txn;
	return 0;
}

void mdb_txn_abort(MDB_txn *txn)
{
	if (txn->writes)
		txn->env->writer = NULL;
	snapshot_release(txn->snapshot);
	free(txn);
}

static int commit_error(void)
{
	int error = fail_next;

	fail_next = 0;
	if (error == 0 && sim_call() != 0)
		error = EIO;
	if (error == 0 && sim_chance(sim_faults.sync_error))
		error = EIO;
	if (error != 0)
		sim_counts.errors++;
	return error;
}

int mdb_txn_commit(MDB_txn *txn)
{
	struct sim_environment *environment = txn->env->environment;
	uint64_t pages;
	int error;

	if (!txn->writes) {
		mdb_txn_abort(txn);
		return 0;
	}
	error = txn->failed ? MDB_BAD_TXN : commit_error();
	if (error != 0) {
		mdb_txn_abort(txn);
		return error;
	}
	pages = snapshot_pages(txn->snapshot);
	if (pages > environment->pages_high)
		environment->pages_high = pages;
	snapshot_release(environment->committed);
	environment->committed = txn->snapshot;
	txn->snapshot = NULL;
	commits++;
	mdb_txn_abort(txn);
	return 0;
}

void mdb_txn_reset(MDB_txn *txn)
{
	SLUICE_REQUIRE(!txn->writes);
	snapshot_release(txn->snapshot);
	txn->snapshot = NULL;
}

int mdb_txn_renew(MDB_txn *txn)
{
	SLUICE_REQUIRE(!txn->writes);
	if (txn->snapshot != NULL)
		return EINVAL;
	if (sim_is_dead())
		return EIO;
	txn->snapshot = txn->env->environment->committed;
	txn->snapshot->refs++;
	return 0;
}

int mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *out)
{
	struct sim_environment *environment = txn->env->environment;
	struct sim_snapshot *snapshot = txn->snapshot;
	uint32_t i;

	for (i = 0; i < snapshot->table_count; i++)
		if (strcmp(environment->names[i], name) == 0)
			break;
	if (i == snapshot->table_count) {
		if ((flags & MDB_CREATE) == 0)
			return MDB_NOTFOUND;
		if (!txn->writes)
			return EACCES;
		if (i == SIM_TABLES_MAX)
			return MDB_DBS_FULL;
		snprintf(environment->names[i], SIM_NAME_SIZE, "%s", name);
		snapshot->tables[snapshot->table_count++] = (struct sim_table){ 0 };
	}
	*out = i + 2; /* as LMDB counts: two of its own come first */
	return 0;
}
