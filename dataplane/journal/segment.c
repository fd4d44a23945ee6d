/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif

void journal_segment_name(char name[JOURNAL_NAME_SIZE], uint64_t generation)
{
	snprintf(name, JOURNAL_NAME_SIZE, "journal-%016" PRIx64 ".seg", generation);
}

int journal_config_check(const struct journal_config *config)
{
	if (config->directory == NULL || config->shard >= LIMIT_SHARDS)
		return -EINVAL;
	if (config->segment_size < LIMIT_JOURNAL_SEGMENT_SIZE_MIN ||
	    config->segment_size % LIMIT_JOURNAL_BLOCK_SIZE != 0)
		return -EINVAL;
	if (config->segments_ready == 0 || config->segments_max < 2 || config->segments_max > 65536)
		return -EINVAL;
	if (config->depth == 0 || config->depth > LIMIT_JOURNAL_DEPTH_MAX)
		return -EINVAL;
	return 0;
}

/* NULL, or the name of a file system that does not outlive the machine. */
static const char *volatile_name(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return NULL;
	switch ((unsigned long)fs.f_type) {
	case TMPFS_MAGIC:
		return "tmpfs";
	case RAMFS_MAGIC:
		return "ramfs";
	case OVERLAYFS_SUPER_MAGIC:
		return "overlay";
	default:
		return NULL;
	}
}

/* mkdir, then fsync of the parent: a journal whose directory vanishes is a lost journal. */
static int directory_make(const char *path)
{
	int parent, result = 0;
	char *copy, *slash;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -errno;
	copy = strdup(path);
	if (copy == NULL)
		return -ENOMEM;
	for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--)
		copy[length - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash == copy)
		slash[1] = '\0';
	else if (slash != NULL)
		*slash = '\0';
	parent = open(slash == NULL ? "." : copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || fsync(parent) != 0)
		result = -errno;
	if (parent >= 0)
		close(parent);
	free(copy);
	return result;
}

int journal_directory_open(
    const struct journal_config *config, int create, int *out, char *why, size_t why_size)
{
	const char *name;
	int fd, result;

	if (why == NULL)
		why_size = 0;
	result = create ? directory_make(config->directory) : 0;
	fd = result == 0 ? open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0) {
		result = result != 0 ? result : -errno;
		snprintf(why, why_size, "cannot open journal directory %.80s: %s",
		    config->directory, strerror(-result));
		return result;
	}
	name = volatile_name(fd);
	if (name != NULL && !config->allow_volatile) {
		snprintf(why, why_size,
		    "%.60s is on %s, which does not survive a restart: put the journal on a disk",
		    config->directory, name);
		result = -ENOTSUP;
	} else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		result = errno == EWOULDBLOCK ? -EBUSY : -errno;
		snprintf(why, why_size, "%.60s is in use: stop the other process first",
		    config->directory);
	}
	if (result != 0)
		close(fd);
	else
		*out = fd;
	return result;
}

static int compare_generations(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* The generation a file name stands for, or 0. */
static uint64_t name_generation(const char *name)
{
	char again[JOURNAL_NAME_SIZE];
	uint64_t generation;

	if (strncmp(name, "journal-", 8) != 0)
		return 0;
	generation = strtoull(name + 8, NULL, 16);
	journal_segment_name(again, generation);
	return strcmp(name, again) == 0 ? generation : 0;
}

int journal_segment_list(int directory_fd, struct journal_segment_list *list)
{
	struct journal_segment_list found = { 0 };
	struct dirent *entry;
	int result = 0;
	DIR *dir;
	/* A descriptor of its own: fdopendir owns and moves the one it is given. */
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		result = -errno;
		if (fd >= 0)
			close(fd);
		return result;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		uint64_t generation = name_generation(entry->d_name), *grown;

		if (generation == 0)
			continue;
		grown = reallocarray(found.generations, found.count + 1, sizeof(*grown));
		if (grown == NULL) {
			errno = ENOMEM;
			break;
		}
		found.generations = grown;
		found.generations[found.count++] = generation;
	}
	result = -errno;
	closedir(dir);
	if (result != 0) {
		free(found.generations);
		return result;
	}
	if (found.count > 1)
		qsort(found.generations, found.count, sizeof(*found.generations),
		    compare_generations);
	*list = found;
	return 0;
}

void journal_segment_list_free(struct journal_segment_list *list)
{
	free(list->generations);
	*list = (struct journal_segment_list){ 0 };
}

int journal_file_open(int directory_fd, const char *name, int flags, int buffered_too, int *out)
{
	int fd = openat(directory_fd, name, flags | O_DIRECT | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EINVAL && buffered_too)
		fd = openat(directory_fd, name, (flags & ~O_EXCL) | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	*out = fd;
	return 0;
}

int journal_segment_open(
    int directory_fd, uint64_t generation, int flags, int buffered_too, int *out, uint64_t *size)
{
	char name[JOURNAL_NAME_SIZE];
	struct stat status;
	int fd, result;

	journal_segment_name(name, generation);
	result = journal_file_open(directory_fd, name, flags, buffered_too, &fd);
	if (result != 0)
		return result;
	if (fstat(fd, &status) != 0) {
		result = -errno;
		close(fd);
		return result;
	}
	*size = (uint64_t)status.st_size & ~(uint64_t)(LIMIT_JOURNAL_BLOCK_SIZE - 1);
	*out = fd;
	return 0;
}

int journal_file_zero(int fd, const uint8_t *zeros, uint64_t offset, uint64_t length, int dsync)
{
	while (length > 0) {
		size_t size = length < JOURNAL_ZEROS_SIZE ? (size_t)length : JOURNAL_ZEROS_SIZE;
		struct iovec part = { (void *)(uintptr_t)zeros, size };
		ssize_t written = pwritev2(fd, &part, 1, (off_t)offset, dsync ? RWF_DSYNC : 0);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		/* A part of a block: the device is full or broken; O_DIRECT could not go on. */
		if (written == 0 || written % LIMIT_JOURNAL_BLOCK_SIZE != 0)
			return -EIO;
		offset += (uint64_t)written;
		length -= (uint64_t)written;
	}
	return 0;
}

uint8_t *journal_aligned_alloc(size_t size)
{
	uint8_t *memory = aligned_alloc(LIMIT_JOURNAL_BLOCK_SIZE, size);

	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

int64_t journal_file_read(int fd, uint8_t *to, uint64_t offset, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(fd, to + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		done += (size_t)got;
		/* O_DIRECT can go on only at a block; anything else is the end of the file. */
		if (got == 0 || got % LIMIT_JOURNAL_BLOCK_SIZE != 0)
			break;
	}
	return (int64_t)done;
}
