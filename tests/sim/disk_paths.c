/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on names. Paths that are not simulated go to the real calls. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/disk_calls.h"

struct sim_dir {
	struct sim_dir *next;
	struct sim_names names; /* as they were at the first look */
	uint32_t at;
	int fd;
	struct dirent entry;
};

static struct sim_dir *dirs;

static int fail(int error)
{
	errno = error;
	return -1;
}

/* ---- Opening ---- */

static int open_new(int directory_fd, const char *path, int flags)
{
	char name[SIM_NAME_SIZE];
	struct sim_inode *parent = sim_path_parent(directory_fd, path, name), *file;
	int number;

	if (parent == NULL)
		return -1;
	if (sim_chance(sim_faults.no_space))
		return fail(ENOSPC);
	file = sim_inode_make(0);
	sim_directory_change(parent, "", name, file);
	number = sim_fd_make(file, flags);
	sim_inode_release(file);
	return number;
}

static int open_simulated(int directory_fd, const char *path, int flags)
{
	struct sim_inode *inode;

	if (sim_call() != 0)
		return -1;
	inode = sim_path_find(directory_fd, path);
	if (inode == NULL && errno == ENOENT && (flags & O_CREAT) != 0)
		return open_new(directory_fd, path, flags);
	if (inode == NULL)
		return -1;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return fail(EEXIST);
	if (inode->is_directory && (flags & O_ACCMODE) != O_RDONLY)
		return fail(EISDIR);
	if (!inode->is_directory && (flags & O_DIRECTORY) != 0)
		return fail(ENOTDIR);
	if ((flags & O_TRUNC) != 0)
		sim_content_resize(&inode->current, 0);
	return sim_fd_make(inode, flags);
}

static mode_t mode_of(int flags, va_list arguments)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return sim_path_is(AT_FDCWD, path) ? open_simulated(AT_FDCWD, path, flags)
	                                   : __real_open(path, flags, mode);
}

int __wrap_openat(int directory_fd, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return sim_path_is(directory_fd, path) ? open_simulated(directory_fd, path, flags)
	                                       : __real_openat(directory_fd, path, flags, mode);
}

/* ---- Changing names ---- */

int __wrap_mkdir(const char *path, mode_t mode)
{
	char name[SIM_NAME_SIZE];
	struct sim_inode *parent, *made;

	if (!sim_path_is(AT_FDCWD, path))
		return __real_mkdir(path, mode);
	if (sim_call() != 0)
		return -1;
	parent = sim_path_parent(AT_FDCWD, path, name);
	if (parent == NULL)
		return -1;
	if (sim_names_find(&parent->names, name) != NULL)
		return fail(EEXIST);
	if (sim_chance(sim_faults.no_space))
		return fail(ENOSPC);
	made = sim_inode_make(1);
	sim_directory_change(parent, "", name, made);
	sim_inode_release(made);
	return 0;
}

static int unlink_simulated(int directory_fd, const char *path, int is_directory)
{
	char name[SIM_NAME_SIZE];
	struct sim_inode *parent, *gone;

	if (sim_call() != 0)
		return -1;
	parent = sim_path_parent(directory_fd, path, name);
	if (parent == NULL)
		return -1;
	gone = sim_names_find(&parent->names, name);
	if (gone == NULL)
		return fail(ENOENT);
	if (is_directory && !gone->is_directory)
		return fail(ENOTDIR);
	if (!is_directory && gone->is_directory)
		return fail(EISDIR);
	if (gone->is_directory && gone->names.count > 0)
		return fail(ENOTEMPTY);
	sim_directory_change(parent, name, "", NULL);
	return 0;
}

int __wrap_unlink(const char *path)
{
	return sim_path_is(AT_FDCWD, path) ? unlink_simulated(AT_FDCWD, path, 0)
	                                   : __real_unlink(path);
}

int __wrap_unlinkat(int directory_fd, const char *path, int flags)
{
	return sim_path_is(directory_fd, path)
	           ? unlink_simulated(directory_fd, path, (flags & AT_REMOVEDIR) != 0)
	           : __real_unlinkat(directory_fd, path, flags);
}

int __wrap_rmdir(const char *path)
{
	return sim_path_is(AT_FDCWD, path) ? unlink_simulated(AT_FDCWD, path, 1)
	                                   : __real_rmdir(path);
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	char from_name[SIM_NAME_SIZE], to_name[SIM_NAME_SIZE];
	struct sim_inode *from_directory, *to_directory, *inode;

	if (!sim_path_is(from_fd, from))
		return __real_renameat2(from_fd, from, to_fd, to, flags);
	SLUICE_REQUIRE(sim_path_is(to_fd, to));
	if (sim_call() != 0)
		return -1;
	from_directory = sim_path_parent(from_fd, from, from_name);
	to_directory = from_directory == NULL ? NULL : sim_path_parent(to_fd, to, to_name);
	if (to_directory == NULL)
		return -1;
	inode = sim_names_find(&from_directory->names, from_name);
	if (inode == NULL)
		return fail(ENOENT);
	if ((flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return fail(EINVAL);
	if ((flags & RENAME_NOREPLACE) != 0 &&
	    sim_names_find(&to_directory->names, to_name) != NULL)
		return fail(EEXIST);
	if (from_directory == to_directory) {
		sim_directory_change(from_directory, from_name, to_name, inode);
		return 0;
	}
	/* Two changes: a power cut may leave both names, or, worse than any file system, none. */
	sim_directory_change(to_directory, "", to_name, inode);
	sim_directory_change(from_directory, from_name, "", NULL);
	return 0;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return sim_path_is(from_fd, from) ? __wrap_renameat2(from_fd, from, to_fd, to, 0)
	                                  : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_rename(const char *from, const char *to)
{
	return sim_path_is(AT_FDCWD, from) ? __wrap_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0)
	                                   : __real_rename(from, to);
}

/* ---- Looking ---- */

int __wrap_fstatat(int directory_fd, const char *path, struct stat *status, int flags)
{
	const struct sim_inode *inode;

	if (!sim_path_is(directory_fd, path))
		return __real_fstatat(directory_fd, path, status, flags);
	inode = sim_call() == 0 ? sim_path_find(directory_fd, path) : NULL;
	if (inode == NULL)
		return -1;
	sim_inode_stat(inode, status);
	return 0;
}

int __wrap_stat(const char *path, struct stat *status)
{
	return sim_path_is(AT_FDCWD, path) ? __wrap_fstatat(AT_FDCWD, path, status, 0)
	                                   : __real_stat(path, status);
}

int __wrap_lstat(const char *path, struct stat *status)
{
	return sim_path_is(AT_FDCWD, path) ? __wrap_fstatat(AT_FDCWD, path, status, 0)
	                                   : __real_lstat(path, status);
}

int __wrap_access(const char *path, int mode)
{
	if (!sim_path_is(AT_FDCWD, path))
		return __real_access(path, mode);
	return sim_call() == 0 && sim_path_find(AT_FDCWD, path) != NULL ? 0 : -1;
}

char *__wrap_realpath(const char *path, char *to)
{
	if (!sim_path_is(AT_FDCWD, path))
		return __real_realpath(path, to);
	SLUICE_REQUIRE(to == NULL);
	if (sim_call() != 0 || sim_path_find(AT_FDCWD, path) == NULL)
		return NULL;
	return strdup(path); /* no links, and the callers make no double slashes */
}

/* ---- Directory streams ---- */

static struct sim_dir *dir_of(const DIR *stream)
{
	for (struct sim_dir *dir = dirs; dir != NULL; dir = dir->next)
		if ((const void *)dir == (const void *)stream)
			return dir;
	return NULL;
}

DIR *__wrap_fdopendir(int number)
{
	struct sim_fd *fd;
	struct sim_dir *dir;

	if (!sim_fd_is(number))
		return __real_fdopendir(number);
	fd = sim_call() == 0 ? sim_fd(number) : NULL;
	if (fd == NULL)
		return NULL;
	if (!fd->inode->is_directory) {
		errno = ENOTDIR;
		return NULL;
	}
	dir = calloc(1, sizeof(*dir));
	SLUICE_REQUIRE(dir != NULL);
	for (uint32_t i = 0; i < fd->inode->names.count; i++)
		sim_names_set(&dir->names, fd->inode->names.entries[i].name,
		    fd->inode->names.entries[i].inode);
	dir->fd = number;
	dir->next = dirs;
	dirs = dir;
	return (DIR *)dir;
}

DIR *__wrap_opendir(const char *path)
{
	int fd;

	if (!sim_path_is(AT_FDCWD, path))
		return __real_opendir(path);
	fd = open_simulated(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? NULL : __wrap_fdopendir(fd);
}

struct dirent *__wrap_readdir(DIR *stream)
{
	struct sim_dir *dir = dir_of(stream);

	if (dir == NULL)
		return __real_readdir(stream);
	if (sim_is_dead() || dir->at == dir->names.count)
		return NULL;
	dir->entry.d_ino = dir->names.entries[dir->at].inode->number;
	dir->entry.d_type = dir->names.entries[dir->at].inode->is_directory ? DT_DIR : DT_REG;
	snprintf(
	    dir->entry.d_name, sizeof(dir->entry.d_name), "%s", dir->names.entries[dir->at++].name);
	return &dir->entry;
}

int __wrap_closedir(DIR *stream)
{
	struct sim_dir *dir = dir_of(stream), **link;

	if (dir == NULL)
		return __real_closedir(stream);
	for (link = &dirs; *link != dir; link = &(*link)->next)
		;
	*link = dir->next;
	sim_names_free(&dir->names);
	(void)__wrap_close(dir->fd);
	free(dir);
	return 0;
}

int64_t sim_disk_peek(const char *path, uint64_t offset, void *to, size_t size)
{
	const struct sim_inode *inode = sim_path_find(AT_FDCWD, path);

	if (inode == NULL)
		return -errno;
	if (inode->is_directory)
		return -EISDIR;
	if (offset >= inode->current.size)
		return 0;
	if (size > inode->current.size - offset)
		size = inode->current.size - offset;
	sim_content_read(&inode->current, offset, to, size);
	return (int64_t)size;
}

SIM_ALSO(open, open64);
SIM_ALSO(openat, openat64);
SIM_ALSO(fstatat, fstatat64);
SIM_ALSO(stat, stat64);
SIM_ALSO(lstat, lstat64);
SIM_ALSO(readdir, readdir64);
