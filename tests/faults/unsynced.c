/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files. Each one with writes that are not durable has a list of them in order, with what was there
 * before. A cut takes all of them back, the newest first, and then writes again, the oldest first,
 * what chance keeps: so any mixture of overlapping writes comes out as a disk could leave it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/unsynced_internal.h"

#define SECTOR  512
#define BLOCK   4096
#define BUCKETS 1024u

struct record {
	struct record *next, *before;
	uint64_t ticket;
	uint8_t is_resize, durable;
	off_t offset;
	size_t size;       /* of the write; of the tail cut off by a resize */
	uint8_t *bytes;    /* what was there before; while a cut is made: the write itself */
	size_t bytes_size; /* fewer than `size` where the file ended */
	off_t size_before, size_after; /* of the file */
};

struct file {
	struct file *next;
	dev_t device;
	ino_t inode;
	int fd; /* our own: the file may lose its name and all other descriptors */
	struct record *oldest, *newest;
};

pthread_mutex_t unsynced_lock = PTHREAD_MUTEX_INITIALIZER;
uint64_t unsynced_tickets;
static int is_cut;
static struct file *files[BUCKETS];
static uint64_t record_count, record_bytes;

uint64_t unsynced_chance(struct chance *chance, uint64_t below)
{
	/* splitmix64 */
	uint64_t z = (chance->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

int unsynced_alive_locked(void)
{
	return is_cut ? -EIO : 0;
}

int unsynced_alive(void)
{
	int error;

	pthread_mutex_lock(&unsynced_lock);
	error = unsynced_alive_locked();
	pthread_mutex_unlock(&unsynced_lock);
	return error;
}

static struct file **file_place(const struct stat *status)
{
	struct file **place = &files[status->st_ino % BUCKETS];

	while (*place != NULL &&
	       ((*place)->inode != status->st_ino || (*place)->device != status->st_dev))
		place = &(*place)->next;
	return place;
}

static struct file *file_get(int fd, const struct stat *status)
{
	struct file **place = file_place(status), *file = *place;

	if (file != NULL)
		return file;
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return NULL;
	*file = (struct file){ .device = status->st_dev,
		.inode = status->st_ino,
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0) };
	if (file->fd < 0) {
		free(file);
		return NULL;
	}
	*place = file;
	return file;
}

static void record_free(struct record *record)
{
	record_count--;
	record_bytes -= record->size;
	free(record->bytes);
	free(record);
}

/* Durable records with nothing older that is not need no memory any more. */
static void file_trim(struct file *file)
{
	struct file **place;
	struct stat status;

	while (file->oldest != NULL && file->oldest->durable) {
		struct record *record = file->oldest;

		file->oldest = record->next;
		if (file->oldest != NULL)
			file->oldest->before = NULL;
		else
			file->newest = NULL;
		record_free(record);
	}
	if (file->oldest != NULL || fstat(file->fd, &status) != 0)
		return;
	place = file_place(&status);
	*place = file->next;
	close(file->fd);
	free(file);
}

static struct record *record_add(int fd, off_t offset, size_t size, off_t size_after)
{
	struct record *record = calloc(1, sizeof(*record));
	struct stat status;
	struct file *file;
	ssize_t got;

	if (record == NULL || fstat(fd, &status) != 0)
		goto fail;
	record->bytes = malloc(size + 1);
	file = file_get(fd, &status);
	if (record->bytes == NULL || file == NULL)
		goto fail;
	got = pread(fd, record->bytes, size, offset);
	if (got < 0)
		goto fail;
	record->ticket = ++unsynced_tickets;
	record->offset = offset;
	record->size = size;
	record->bytes_size = (size_t)got;
	record->size_before = status.st_size;
	record->size_after = size_after < 0 ? status.st_size : size_after;
	if (size_after < 0 && offset + (off_t)size > status.st_size)
		record->size_after = offset + (off_t)size;
	record->before = file->newest;
	if (file->newest != NULL)
		file->newest->next = record;
	else
		file->oldest = record;
	file->newest = record;
	record_count++;
	record_bytes += size;
	return record;
fail:
	if (record != NULL)
		free(record->bytes);
	free(record);
	return NULL;
}

int64_t unsynced_write(int fd, const void *bytes, size_t size, off_t offset, uint64_t *ticket)
{
	struct record *record;
	int64_t result = -EIO;

	pthread_mutex_lock(&unsynced_lock);
	if (!is_cut) {
		record = record_add(fd, offset, size, -1);
		result = record == NULL ? -ENOMEM : pwrite(fd, bytes, size, offset);
		if (record != NULL)
			*ticket = record->ticket;
		if (record != NULL && result != (int64_t)size)
			result = result < 0 ? -errno : -EIO;
	}
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

int unsynced_resize(int fd, off_t size)
{
	struct record *record;
	struct stat status;
	int result = -EIO;

	pthread_mutex_lock(&unsynced_lock);
	if (!is_cut && fstat(fd, &status) == 0) {
		size_t tail = size < status.st_size ? (size_t)(status.st_size - size) : 0;

		record = record_add(fd, size, tail, size);
		if (record != NULL)
			record->is_resize = 1;
		result = record == NULL ? -ENOMEM : ftruncate(fd, size) != 0 ? -errno : 0;
	}
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

/* All up to `mark`, or only the one with that ticket. */
static int durable(int fd, uint64_t mark, int only)
{
	struct file *file;
	struct stat status;
	int result = -EIO;

	pthread_mutex_lock(&unsynced_lock);
	if (!is_cut && fstat(fd, &status) == 0) {
		result = 0;
		file = *file_place(&status);
		for (struct record *r = file != NULL ? file->oldest : NULL; r != NULL; r = r->next)
			if (r->ticket == mark || (!only && r->ticket < mark))
				r->durable = 1;
		if (file != NULL)
			file_trim(file);
	}
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}

int unsynced_durable(int fd, uint64_t ticket)
{
	return durable(fd, ticket, 1);
}

uint64_t unsynced_sync_begin(void)
{
	uint64_t mark;

	pthread_mutex_lock(&unsynced_lock);
	mark = is_cut ? 0 : unsynced_tickets;
	pthread_mutex_unlock(&unsynced_lock);
	return mark;
}

int unsynced_sync_end(int fd, uint64_t mark)
{
	return durable(fd, mark, 0);
}

void unsynced_counts(struct unsynced_count *count)
{
	pthread_mutex_lock(&unsynced_lock);
	*count = (struct unsynced_count){ record_count, record_bytes, unsynced_names_count() };
	pthread_mutex_unlock(&unsynced_lock);
}

/* Takes a record back; a write's own bytes are remembered in place of what was before. */
static int record_undo(int fd, struct record *record)
{
	uint8_t *written = record->is_resize ? NULL : malloc(record->size + 1);
	int result = 0;

	if (!record->is_resize && (written == NULL || pread(fd, written, record->size,
	                                                  record->offset) != (ssize_t)record->size))
		result = -EIO;
	if (record->size_before != record->size_after && ftruncate(fd, record->size_before) != 0)
		result = -errno;
	if (record->bytes_size > 0 && pwrite(fd, record->bytes, record->bytes_size,
	                                  record->offset) != (ssize_t)record->bytes_size)
		result = -EIO;
	if (written != NULL) {
		free(record->bytes);
		record->bytes = written;
	}
	return result;
}

static int part_write(int fd, const struct record *record, off_t from, off_t to)
{
	const uint8_t *bytes = record->bytes + (from - record->offset);
	size_t size = (size_t)(to - from);

	return pwrite(fd, bytes, size, from) == (ssize_t)size ? 0 : -EIO;
}

/* Writes the units that chance keeps; `first`: once one is lost, so are all behind it. */
static int record_tear(int fd, const struct record *record, off_t unit, int first,
    struct chance *chance, struct cut_report *report)
{
	off_t end = record->offset + (off_t)record->size, at = record->offset;
	unsigned kept = 0, lost = 0;
	uint64_t whole = (uint64_t)(end - at) / (uint64_t)unit + 2;
	uint64_t stop = first ? unsynced_chance(chance, whole) : UINT64_MAX;
	int result = 0;

	for (uint64_t i = 0; at < end && result == 0; i++) {
		off_t next = (at / unit + 1) * unit;

		next = next < end ? next : end;
		if (first ? i < stop : unsynced_chance(chance, 2) == 0) {
			result = part_write(fd, record, at, next);
			kept++;
		} else {
			lost++;
		}
		at = next;
	}
	if (lost == 0)
		report->writes_kept++;
	else if (kept == 0)
		report->writes_lost++;
	else
		report->writes_torn++;
	return result;
}

static int record_redo(
    int fd, const struct record *record, struct chance *chance, struct cut_report *report)
{
	uint64_t way = unsynced_chance(chance, 5);

	if (record->durable || way == 0) {
		report->writes_kept += !record->durable;
		if (record->is_resize)
			return ftruncate(fd, record->size_after) != 0 ? -errno : 0;
		return part_write(fd, record, record->offset, record->offset + (off_t)record->size);
	}
	if (record->is_resize || way == 1) {
		report->writes_lost++;
		return 0;
	}
	return record_tear(fd, record, way == 2 ? BLOCK : SECTOR, way == 4, chance, report);
}

static int file_cut(struct file *file, struct chance *chance, struct cut_report *report)
{
	int result = 0;

	for (struct record *r = file->newest; r != NULL && result == 0; r = r->before)
		result = record_undo(file->fd, r);
	for (struct record *r = file->oldest; r != NULL; r = r->next) {
		if (result == 0)
			result = record_redo(file->fd, r, chance, report);
		r->durable = 1;
	}
	file_trim(file);
	return result;
}

int unsynced_cut(uint64_t seed, struct cut_report *report)
{
	struct chance chance = { seed };
	int result;

	*report = (struct cut_report){ 0 };
	pthread_mutex_lock(&unsynced_lock);
	result = unsynced_alive_locked();
	is_cut = 1;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (files[i] != NULL && result == 0)
			result = file_cut(files[i], &chance, report);
	if (result == 0)
		result = unsynced_names_cut(&chance, report);
	pthread_mutex_unlock(&unsynced_lock);
	return result;
}
