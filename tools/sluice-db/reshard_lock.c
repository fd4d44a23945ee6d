/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody may write into the old root while it is re-sharded: what came in meanwhile would be in
 * neither. Taken, and held to the end, is what those who write take: the process lock of data plane
 * and control, and the lock of each journal, as a pid file may be gone while its process runs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tools/sluice-db/reshard.h"

/* 1: held by us from now on (or there is nothing to hold), 0: by somebody else. */
static int hold(struct reshard *reshard, int fd)
{
	if (fd < 0)
		return 1;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		close(fd);
		return 0;
	}
	SLUICE_REQUIRE(reshard->lock_count < RESHARD_LOCKS_MAX);
	reshard->locks[reshard->lock_count++] = fd;
	return 1;
}

/* Made where it is not, so that nobody begins; where it cannot be made, nobody else can. */
static int process_lock(struct reshard *reshard, const char *root, const char *name)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%.4000s/run/sluice", root);
	(void)directories_make(path);
	snprintf(path, sizeof(path), "%.4000s/run/sluice/%s.pid", root, name);
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return hold(reshard, fd);
}

static int journals_lock(struct reshard *reshard, const char *root)
{
	struct options old = *reshard->options;
	uint32_t shards[LIMIT_SHARDS];
	int count;

	old.root = root;
	old.shard = -1;
	count = shards_find(&old, shards);
	for (int i = 0; i < count; i++) {
		char shard[PATH_MAX], path[PATH_MAX + 16];

		shard_path(&old, shards[i], shard);
		snprintf(path, sizeof(path), "%s/journal", shard);
		if (!hold(reshard, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
			return 0;
	}
	return 1;
}

/* LMDB's own lock, which every process that has the database open shares. 0, or one of them. */
static pid_t database_user(const char *root)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	char path[PATH_MAX + 64];
	pid_t user = 0;
	int fd;

	snprintf(path, sizeof(path), "%.4000s/" BACKUP_DATA "/control/lock.mdb", root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		user = lock.l_pid;
	close(fd);
	return user;
}

int reshard_lock(struct reshard *reshard, const char *root)
{
	struct restore *restore = &reshard->restore;
	char path[PATH_MAX + 64];
	pid_t user;

	/* No lock is made where there is no root. */
	snprintf(path, sizeof(path), "%.4000s/" BACKUP_DATA, root);
	if (access(path, F_OK) != 0)
		return 0;
	if (!process_lock(reshard, root, "dataplane") || !journals_lock(reshard, root))
		return restore_fail(restore, EXIT_MISMATCH,
		    "the data plane of %.300s runs; drain and stop it first", root);
	if (!process_lock(reshard, root, "control"))
		return restore_fail(restore, EXIT_MISMATCH,
		    "sluice-control of %.300s runs, and what it commits meanwhile would be lost; "
		    "stop it first",
		    root);
	user = database_user(root);
	if (user != 0)
		return restore_fail(restore, EXIT_MISMATCH,
		    "process %d has the database of sluice-control in %.300s open, and what it "
		    "commits meanwhile would be lost; stop it first",
		    (int)user, root);
	return 0;
}

void reshard_unlock(struct reshard *reshard)
{
	while (reshard->lock_count > 0)
		close(reshard->locks[--reshard->lock_count]);
}
