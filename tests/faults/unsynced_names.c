/* SPDX-License-Identifier: Apache-2.0 */
/* Names: what was done in directories that were not synced since, and how to take it back. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/unsynced_internal.h"

#define GRAVE ".faultfs"

enum name_kind { NAME_CREATE, NAME_UNLINK, NAME_MKDIR, NAME_RMDIR, NAME_RENAME };

struct name_change {
	struct name_change *next, *before;
	uint64_t ticket;
	enum name_kind kind;
	mode_t mode;
	char *path;  /* made, removed, or renamed to */
	char *from;  /* renamed from */
	char *grave; /* where what was removed or replaced lies */
	uint8_t lost;
};

static int backing_fd = -1;
static struct name_change *oldest, *newest;
static uint64_t change_count, graves;

const char *unsynced_grave(void)
{
	return GRAVE;
}

uint64_t unsynced_names_count(void)
{
	return change_count;
}

int unsynced_begin(int backing)
{
	backing_fd = backing;
	if (mkdirat(backing, GRAVE, 0700) != 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* The directory a path is in, "" for the top. */
static size_t parent_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? 0 : (size_t)(slash - path);
}

static int same_parent(const char *a, const char *b)
{
	size_t length = parent_length(a);

	return length == parent_length(b) && memcmp(a, b, length) == 0;
}

static int in_directory(const char *path, const char *directory)
{
	size_t length = parent_length(path);

	return strlen(directory) == length && memcmp(path, directory, length) == 0;
}

static char *grave_name(void)
{
	char *name = NULL;

	/* The process id: graves of an earlier process stay until its folder is removed. */
	if (asprintf(&name, GRAVE "/%d-%llu", (int)getpid(), (unsigned long long)++graves) < 0)
		return NULL;
	return name;
}

static int bury(const char *path, char **grave)
{
	char *name = grave_name();

	if (name == NULL)
		return -ENOMEM;
	if (renameat(backing_fd, path, backing_fd, name) != 0) {
		int error = -errno;

		free(name);
		return error;
	}
	*grave = name;
	return 0;
}

static void change_free(struct name_change *change)
{
	free(change->path);
	free(change->from);
	free(change->grave);
	free(change);
}

/* Takes over `grave`. */
static int note(enum name_kind kind, const char *path, const char *from, char *grave, mode_t mode)
{
	struct name_change *change = calloc(1, sizeof(*change));

	if (change == NULL)
		return -ENOMEM;
	*change = (struct name_change){ .ticket = ++unsynced_tickets,
		.kind = kind,
		.mode = mode,
		.path = strdup(path),
		.from = from != NULL ? strdup(from) : NULL,
		.grave = grave,
		.before = newest };
	if (newest != NULL)
		newest->next = change;
	else
		oldest = change;
	newest = change;
	change_count++;
	return 0;
}

static void change_remove(struct name_change *change)
{
	if (change->before != NULL)
		change->before->next = change->next;
	else
		oldest = change->next;
	if (change->next != NULL)
		change->next->before = change->before;
	else
		newest = change->before;
	change_count--;
	if (change->grave != NULL)
		unlinkat(backing_fd, change->grave, 0);
	change_free(change);
}

int unsynced_sync_directory_end(const char *path, uint64_t mark)
{
	struct name_change *change, *next;
	int result;

	pthread_mutex_lock(&unsynced_lock);
	result = unsynced_alive_locked();
	for (change = oldest; change != NULL && result == 0; change = next) {
		next = change->next;
		if (change->ticket <= mark && in_directory(change->path, path))
			change_remove(change);
	}
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

int unsynced_create(const char *path, int flags, mode_t mode)
{
	int fd = -EIO;

	pthread_mutex_lock(&unsynced_lock);
	if (unsynced_alive_locked() == 0) {
		fd = openat(backing_fd, path, flags | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd < 0)
			fd = -errno;
		else
			(void)note(NAME_CREATE, path, NULL, NULL, 0);
	}
	pthread_mutex_unlock(&unsynced_lock);
	return fd;
}

int unsynced_mkdir(const char *path, mode_t mode)
{
	int result;

	pthread_mutex_lock(&unsynced_lock);
	result = unsynced_alive_locked();
	if (result == 0 && mkdirat(backing_fd, path, mode) != 0)
		result = -errno;
	if (result == 0)
		result = note(NAME_MKDIR, path, NULL, NULL, mode);
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

int unsynced_unlink(const char *path)
{
	char *grave = NULL;
	int result;

	pthread_mutex_lock(&unsynced_lock);
	result = unsynced_alive_locked();
	if (result == 0)
		result = bury(path, &grave);
	if (result == 0)
		result = note(NAME_UNLINK, path, NULL, grave, 0);
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

int unsynced_rmdir(const char *path)
{
	struct stat status;
	int result;

	pthread_mutex_lock(&unsynced_lock);
	result = unsynced_alive_locked();
	if (result == 0 && fstatat(backing_fd, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
		result = -errno;
	if (result == 0 && unlinkat(backing_fd, path, AT_REMOVEDIR) != 0)
		result = -errno;
	if (result == 0)
		result = note(NAME_RMDIR, path, NULL, NULL, status.st_mode & 07777);
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

static int rename_locked(const char *from, const char *to, unsigned flags)
{
	struct stat status, replaced;
	char *grave = NULL;
	int result;

	if (fstatat(backing_fd, from, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (S_ISDIR(status.st_mode) || !same_parent(from, to) ||
	    (flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return renameat2(backing_fd, from, backing_fd, to, flags) != 0 ? -errno : 0;
	if (fstatat(backing_fd, to, &replaced, AT_SYMLINK_NOFOLLOW) == 0) {
		if ((flags & RENAME_NOREPLACE) != 0)
			return -EEXIST;
		result = bury(to, &grave);
		if (result != 0)
			return result;
	}
	if (renameat(backing_fd, from, backing_fd, to) != 0)
		return -errno;
	return note(NAME_RENAME, to, from, grave, 0);
}

int unsynced_rename(const char *from, const char *to, unsigned flags)
{
	int result;

	pthread_mutex_lock(&unsynced_lock);
	result = unsynced_alive_locked();
	if (result == 0)
		result = rename_locked(from, to, flags);
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

static int move(const char *from, const char *to)
{
	return renameat(backing_fd, from, backing_fd, to) != 0 ? -errno : 0;
}

static int change_undo(struct name_change *change)
{
	char *grave = NULL;
	int result = 0;

	switch (change->kind) {
	case NAME_CREATE:
	case NAME_MKDIR: /* with all that is in it */
		result = bury(change->path, &grave);
		free(grave);
		break;
	case NAME_UNLINK:
		result = move(change->grave, change->path);
		break;
	case NAME_RMDIR:
		result = mkdirat(backing_fd, change->path, change->mode) != 0 ? -errno : 0;
		break;
	case NAME_RENAME:
		result = move(change->path, change->from);
		if (result == 0 && change->grave != NULL)
			result = move(change->grave, change->path);
		break;
	}
	if (change->grave != NULL) {
		free(change->grave);
		change->grave = NULL; /* it is back */
	}
	return result;
}

/* Of each directory's changes the first few are kept. */
static void choose_lost(struct chance *chance)
{
	for (struct name_change *first = oldest; first != NULL; first = first->next) {
		uint64_t count = 0, keep;
		int done = 0;

		for (struct name_change *c = oldest; c != first && !done; c = c->next)
			done = same_parent(c->path, first->path);
		if (done)
			continue;
		for (struct name_change *c = first; c != NULL; c = c->next)
			count += (uint64_t)same_parent(c->path, first->path);
		keep = unsynced_chance(chance, count + 1);
		for (struct name_change *c = first; c != NULL; c = c->next) {
			if (!same_parent(c->path, first->path))
				continue;
			c->lost = keep == 0;
			keep -= keep > 0;
		}
	}
}

int unsynced_names_cut(struct chance *chance, struct cut_report *report)
{
	struct name_change *before;
	int result = 0;

	choose_lost(chance);
	for (struct name_change *c = newest; c != NULL && result == 0; c = before) {
		before = c->before;
		if (c->lost)
			result = change_undo(c);
		report->names_lost += c->lost;
		report->names_kept += !c->lost;
		if (result == 0)
			change_remove(c);
	}
	return result;
}
