/* SPDX-License-Identifier: Apache-2.0 */
/* The archive's directory: its list, the copy of the manifest, what is kept. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/manifest.h"

#define COPY_PIECE 65536u

void journal_archive_manifest_name(char name[JOURNAL_ARCHIVE_NAME_SIZE], uint64_t incarnation)
{
	snprintf(name, JOURNAL_ARCHIVE_NAME_SIZE, "%016" PRIx64 JOURNAL_ARCHIVE_MANIFEST_EXT,
	    incarnation);
}

static int is_archive_name(const char *name)
{
	unsigned long long incarnation, generation;
	char again[JOURNAL_ARCHIVE_NAME_SIZE];

	if (sscanf(name, "%16llx-%16llx.seg.zst", &incarnation, &generation) != 2)
		return 0;
	journal_archive_name(again, incarnation, generation);
	return strcmp(name, again) == 0;
}

int journal_archive_list(const char *directory, journal_archive_visit *visit, void *context)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : opendir(directory);
	struct journal_archive_file file;
	struct dirent *entry;
	int result = 0;

	if (stream == NULL) {
		result = -errno;
		if (fd >= 0)
			close(fd);
		return result;
	}
	while (result == 0 && (errno = 0, entry = readdir(stream)) != NULL) {
		if (!is_archive_name(entry->d_name))
			continue;
		result = journal_archive_header_read(fd, entry->d_name, &file);
		if (result == -ENOENT) {
			result = 0; /* removed since */
			continue;
		}
		if (result == -EBADMSG || result == -EPROTO) {
			/* Shown by its name alone; a check says what is wrong. */
			file = (struct journal_archive_file){
				.incarnation = strtoull(entry->d_name, NULL, 16),
			};
			snprintf(file.name, sizeof(file.name), "%.63s", entry->d_name);
			result = 0;
		}
		if (result == 0)
			result = visit(context, &file);
	}
	if (result == 0 && entry == NULL && errno != 0)
		result = -errno;
	closedir(stream);
	close(fd);
	return result;
}

int journal_archive_extract(const char *directory, const char *name, int out_fd,
    struct journal_archive_file *file, char *why, size_t why_size)
{
	struct journal_archive_reader reader;
	int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = directory_fd < 0
	                 ? -errno
	                 : journal_archive_open(&reader, directory_fd, name, out_fd, file);

	if (result == 0) {
		do {
			result = journal_archive_step(&reader, file);
		} while (result == 1);
		journal_archive_close(&reader);
	}
	if (directory_fd >= 0)
		close(directory_fd);
	if (result != 0)
		snprintf(why, why_size, "%s: %s", name,
		    result == -EBADMSG ? "damaged: it does not give the bytes that were sealed"
		    : result == -EPROTO
		        ? "written by a newer version: use the sluice-db of that version"
		        : strerror(-result));
	return result;
}

/* ---- Copy of the manifest ---- */

/* The next piece of both at `at`; 1 when they are the same. */
static int same_piece(int one, int other, uint64_t at, size_t size)
{
	char left[COPY_PIECE], right[COPY_PIECE];

	return pread(one, left, size, (off_t)at) == (ssize_t)size &&
	       pread(other, right, size, (off_t)at) == (ssize_t)size &&
	       memcmp(left, right, size) == 0;
}

/* The end of a copy proves all of it: each line's chain is over everything before it. */
static int copy_is_beginning(int from, int to, uint64_t at, uint64_t size)
{
	size_t last = at < COPY_PIECE ? (size_t)at : COPY_PIECE;

	return at <= size && (at == 0 || same_piece(from, to, at - last, last));
}

/* Where the whole lines of a copy end; 0: it has none. */
static uint64_t copy_lines(const char *directory, const char *name)
{
	struct journal_manifest_walk *walk = malloc(sizeof(*walk));
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal_seal seal;
	uint64_t end = 0;

	if (walk != NULL && fd >= 0 && journal_manifest_walk_open(walk, fd, name, NULL, 0) == 0) {
		while (journal_manifest_walk_next(walk, &seal, NULL, 0) == 1)
			;
		end = walk->offset;
		journal_manifest_walk_close(walk);
	}
	if (fd >= 0)
		close(fd);
	free(walk);
	return end;
}

uint64_t journal_archive_sealed_lsn(const char *directory, uint32_t shard, uint64_t incarnation)
{
	struct journal_manifest_walk *walk = malloc(sizeof(*walk));
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[JOURNAL_ARCHIVE_NAME_SIZE];
	struct journal_seal seal;
	uint64_t lsn = 0;

	journal_archive_manifest_name(name, incarnation);
	if (walk != NULL && fd >= 0 && journal_manifest_walk_open(walk, fd, name, NULL, 0) == 0) {
		if (walk->header.shard == shard && walk->header.incarnation == incarnation)
			while (journal_manifest_walk_next(walk, &seal, NULL, 0) == 1)
				lsn = seal.last_lsn;
		journal_manifest_walk_close(walk);
	}
	if (fd >= 0)
		close(fd);
	free(walk);
	return lsn;
}

int journal_archive_manifest_copy(
    const char *directory, int journal_fd, uint64_t incarnation, uint64_t size)
{
	char name[JOURNAL_ARCHIVE_NAME_SIZE], path[PATH_MAX], piece[COPY_PIECE];
	int from, to, result = 0;
	uint64_t at;
	off_t have;

	journal_archive_manifest_name(name, incarnation);
	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	from = openat(journal_fd, JOURNAL_MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	have = to < 0 ? -1 : lseek(to, 0, SEEK_END);
	if (have < 0) {
		result = -errno;
		goto out;
	}
	at = (uint64_t)have;
	if (!copy_is_beginning(from, to, at, size)) {
		/* A crash may have left the end of the copy torn: its whole lines count. */
		at = copy_lines(directory, name);
		if (at == 0 || !copy_is_beginning(from, to, at, size))
			result = -EBADMSG;
		else if (ftruncate(to, (off_t)at) != 0)
			result = -errno;
		have = (off_t)at;
	}
	while (result == 0 && at < size) {
		size_t want = size - at < COPY_PIECE ? (size_t)(size - at) : COPY_PIECE;

		errno = EIO;
		if (pread(from, piece, want, (off_t)at) != (ssize_t)want ||
		    pwrite(to, piece, want, (off_t)at) != (ssize_t)want)
			result = -errno;
		at += want;
	}
	if (result == 0 && (uint64_t)have < size && fsync(to) != 0)
		result = -errno;
	/* Half a piece is not what the next look expects. */
	if (result != 0 && result != -EBADMSG)
		(void)!ftruncate(to, have);
out:
	if (to >= 0)
		close(to);
	close(from);
	return result;
}

/* ---- Retention ---- */

struct kept {
	uint64_t incarnation, generation, size, time_ns;
};

struct look {
	struct journal_archive_keep *keep;
	struct kept *files;
	size_t count, room;
};

static int look_at(void *context, const struct journal_archive_file *file)
{
	struct look *look = context;

	if (file->seal.generation == 0)
		return 0; /* damaged: it stays, as evidence */
	if (look->count == look->room) {
		size_t room = look->room * 2 + 256;
		struct kept *grown = reallocarray(look->files, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		look->files = grown;
		look->room = room;
	}
	look->files[look->count++] = (struct kept){ file->incarnation, file->seal.generation,
		file->size, file->seal.time_ns };
	look->keep->bytes += file->size;
	return 0;
}

static int compare_kept(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->incarnation != y->incarnation)
		return x->incarnation > y->incarnation ? 1 : -1;
	return (x->generation > y->generation) - (x->generation < y->generation);
}

/* Each file's time as if no step from one to the next were longer than counts. */
static void steps_bound(const struct journal_archive_keep *keep, struct look *look)
{
	uint64_t next_ns = keep->newest_ns, beyond_ns = 0;

	for (size_t i = look->count; keep->step_max_ns != 0 && i-- > 0;) {
		uint64_t time_ns = look->files[i].time_ns;

		if (time_ns < next_ns && next_ns - time_ns > keep->step_max_ns)
			beyond_ns += next_ns - time_ns - keep->step_max_ns;
		if (time_ns < next_ns)
			next_ns = time_ns;
		look->files[i].time_ns = time_ns + beyond_ns;
	}
}

static int goes(const struct journal_archive_keep *keep, const struct kept *file, uint64_t bytes)
{
	if (file->incarnation > keep->incarnation ||
	    (file->incarnation == keep->incarnation && file->generation >= keep->generation))
		return 0;
	return file->time_ns < keep->before_ns || (keep->bytes_max != 0 && bytes > keep->bytes_max);
}

/* How many go, the oldest first; *from: the first one of the running journal that stays, 0: none of
 * it goes. */
static size_t going(
    const struct journal_archive_keep *keep, const struct look *look, uint64_t *from)
{
	uint64_t bytes = keep->bytes;
	size_t count = 0;

	*from = 0;
	while (count < look->count && goes(keep, &look->files[count], bytes)) {
		bytes -= look->files[count].size;
		if (look->files[count].incarnation == keep->incarnation)
			*from = look->files[count].generation + 1;
		count++;
	}
	return count;
}

int journal_archive_retain(const char *directory, struct journal_archive_keep *keep)
{
	struct look look = { .keep = keep };
	char path[PATH_MAX], name[JOURNAL_ARCHIVE_NAME_SIZE];
	uint64_t from = 0;
	size_t count;
	int result;

	keep->bytes = keep->removed = 0;
	result = journal_archive_list(directory, look_at, &look);
	if (result == 0 && look.count > 1)
		qsort(look.files, look.count, sizeof(*look.files), compare_kept);
	steps_bound(keep, &look);
	count = result == 0 ? going(keep, &look, &from) : 0;
	if (count > 0 && from != 0 && keep->announce != NULL)
		result = keep->announce(keep->context, from);
	for (size_t i = 0; result == 0 && i < count; i++) {
		journal_archive_name(name, look.files[i].incarnation, look.files[i].generation);
		if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
			result = -ENAMETOOLONG;
		else if (unlink(path) != 0 && errno != ENOENT)
			result = -errno;
		if (result != 0)
			break;
		keep->bytes -= look.files[i].size;
		keep->removed++;
	}
	keep->files = look.count - keep->removed;
	free(look.files);
	return result;
}
