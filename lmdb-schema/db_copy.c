/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of an environment that its owner goes on writing. A file of its own, so that who does not
 * copy needs no such function of LMDB. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/db_env.h"
#include "lmdb-schema/path_sync.h"

#define TRIES 40 /* doublings of the map by its owner, meanwhile */

static int copy_once(struct db_env *env, const char *directory)
{
	int error;

	/* The map must not be changed by this process while the copy reads it. */
	pthread_rwlock_rdlock(&env->map_lock);
	error = mdb_env_copy2(env->env, directory, MDB_CP_COMPACT);
	pthread_rwlock_unlock(&env->map_lock);
	return db_error(error);
}

int db_env_copy(struct db_env *env, const char *directory)
{
	char file[PATH_MAX];
	int error = -ESTALE;

	if ((size_t)snprintf(file, sizeof(file), "%s/data.mdb", directory) >= sizeof(file))
		return -ENAMETOOLONG;
	if (mkdir(directory, 0750) != 0 && errno != EEXIST)
		return -errno;
	if (access(file, F_OK) == 0)
		return -EEXIST;
	for (int i = 0; i < TRIES && error == -ESTALE; i++) {
		if (i > 0) {
			(void)unlink(file);
			error = db_env_resize(env, 0);
			if (error != 0)
				return error;
		}
		error = copy_once(env, directory);
	}
	if (error == 0)
		error = path_sync(file);
	return error != 0 ? error : path_sync(directory);
}
