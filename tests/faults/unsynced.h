/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a folder would lose in a power cut. The folder on the real file system always holds what is
 * readable; beside it these records say how to take back what was not synced.
 *
 * THE FAULT MODEL
 *   data        A write is durable when an fsync or fdatasync of its file, begun after it, has
 * ended, or, written with O_DSYNC, when it has been answered itself; that says nothing of writes
 * before it. At a cut each other write is kept whole, lost whole, kept in any of its 512 B sectors,
 * in any of its 4 KiB blocks, or in its first sectors: by chance, each write for itself, so a later
 * one may be kept and an earlier lost. length      goes with the write that grew the file, so
 * fdatasync makes it durable too. A truncation or fallocate not synced is kept or lost. names
 * Creations, removals, renames of a directory are durable when that directory was synced. At a cut
 * a prefix of what was not is kept, in order, each directory for itself: an fsync of a file does
 * not save its name, an fsync of a directory not the directory's own name in its parent. A file
 * whose name is lost is lost. left out    Renames between directories or of directories are durable
 * at once. Owner, mode, times and extended attributes are not told apart. What a mapped file holds
 * in memory only, the kernel has not written, and is lost.
 */
#ifndef SLUICE_FAULTS_UNSYNCED_H
#define SLUICE_FAULTS_UNSYNCED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a cut did. */
struct cut_report {
	uint64_t writes_kept, writes_torn, writes_lost;
	uint64_t names_kept, names_lost;
};

struct unsynced_count {
	uint64_t writes, bytes, names;
};

/* `backing`: descriptor of the folder. Makes the folder for removed files in it. 0, -errno. */
int unsynced_begin(int backing);
/* The name of that folder in the backing folder: not shown. */
const char *unsynced_grave(void);

/* All of these return -EIO after a cut. `fd` is open for reading and writing. */
/* Writes; the ticket is for unsynced_durable. The bytes written or -errno. */
int64_t unsynced_write(int fd, const void *bytes, size_t size, off_t offset, uint64_t *ticket);
int unsynced_resize(int fd, off_t size);
/* The write of this ticket is durable. */
int unsynced_durable(int fd, uint64_t ticket);
/* A sync begins: all up to here will be durable by unsynced_sync_end. 0 after a cut. */
uint64_t unsynced_sync_begin(void);
int unsynced_sync_end(int fd, uint64_t mark);
int unsynced_sync_directory_end(const char *path, uint64_t mark);

/* Paths are relative to the backing folder. 0, a descriptor, or -errno. */
int unsynced_create(const char *path, int flags, mode_t mode);
int unsynced_mkdir(const char *path, mode_t mode);
int unsynced_unlink(const char *path);
int unsynced_rmdir(const char *path);
int unsynced_rename(const char *from, const char *to, unsigned flags);

/* -EIO when the power is off. */
int unsynced_alive(void);
void unsynced_counts(struct unsynced_count *count);
/* The power cut: decides by chance, takes back, and refuses everything from now on. 0, -errno. */
int unsynced_cut(uint64_t seed, struct cut_report *report);

#endif
