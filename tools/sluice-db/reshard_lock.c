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
		reshard->holder = lock_holder(fd);
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

/* 1: the process is one of sluice-db; `verb`: which command, "" when it cannot be told. */
static int is_own_program(long process, char verb[32])
{
	char path[64], text[256] = "";
	const char *second;
	FILE *file;
	size_t got;

	verb[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%ld/comm", process);
	file = process > 0 ? fopen(path, "re") : NULL;
	if (file == NULL)
		return 0;
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	if (got != strlen("sluice-db\n") || memcmp(text, "sluice-db\n", got) != 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", process);
	file = fopen(path, "re");
	if (file == NULL)
		return 1;
	memset(text, 0, sizeof(text));
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	second = text + strlen(text) + 1;
	if (second < text + got && strspn(second, "abcdefghijklmnopqrstuvwxyz") == strlen(second))
		snprintf(verb, 32, " %.30s", second);
	return 1;
}

/* Somebody has the lock of data plane or control: these, or one of our own kind, as a second
 * re-sharding meets the first. */
static int held(struct reshard *reshard, const char *root, const char *program, const char *why)
{
	char verb[32], process[40] = "";

	if (is_own_program(reshard->holder, verb))
		return restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "process %ld, sluice-db%s, works on %.300s now; wait for its end, or stop it, "
		    "and begin again",
		    reshard->holder, verb, root);
	if (reshard->holder > 0)
		snprintf(process, sizeof(process), " (process %ld)", reshard->holder);
	return restore_fail(&reshard->restore, EXIT_MISMATCH, "%s of %.300s runs%s%s first",
	    program, root, process, why);
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
		return held(reshard, root, "the data plane", "; drain and stop it");
	if (!process_lock(reshard, root, "control"))
		return held(reshard, root, "sluice-control",
		    ", and what it commits meanwhile would be lost; stop it");
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
