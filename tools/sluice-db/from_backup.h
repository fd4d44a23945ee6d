/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db backup restore: what its parts share. */
#ifndef SLUICE_TOOLS_FROM_BACKUP_H
#define SLUICE_TOOLS_FROM_BACKUP_H

#include "tools/sluice-db/backup.h"

enum restore_target {
	TARGET_LATEST,
	TARGET_TIME,
	TARGET_LSN,
};

struct from_backup {
	struct backup base;
	struct backup archive;       /* its manifest, if it is a backup */
	char archive_path[PATH_MAX]; /* of what holds the shards' directories; empty: none */
	uint8_t archive_is_backup;
	char unpacked[PATH_MAX]; /* of compressed archives, removed at the end; empty: none */
	enum restore_target target;
	uint64_t time_ns;
	uint64_t lsns[LIMIT_SHARDS]; /* TARGET_LSN; all ones: the shard's last */
	uint64_t cut_time_ns;        /* of the newest event kept, over all shards */
	uint64_t command_sequence;   /* the highest a restored shard has done */
};

/* Where a shard's events lie. */
void from_backup_path(const struct from_backup *from, uint32_t shard, char path[PATH_MAX + 64]);
void from_archive_path(const struct from_backup *from, uint32_t shard, char path[PATH_MAX + 64]);

/* Each: 0, or -1 with the failure noted. */
/* restore->until[]: the last event of every shard that is wanted; known[]: that there is. A time
 * before every event is refused, with those there are (backup_cut.c). */
int backup_cut_find(struct restore *restore);
/* until[] leaves something. */
int backup_cut_keeps(struct restore *restore);
/* The archive's directory, its compressed segments unpacked beside the root (backup_archive.c). */
int backup_archive_find(struct restore *restore, const char *directory);
/* Of the journal it was taken from, or of the root; 0: not known, as of one that was unpacked. */
uint64_t backup_archive_incarnation(const struct from_backup *from, uint32_t shard);
/* Removes what was unpacked. */
void backup_archive_leave(struct from_backup *from);
/* One shard up to until[] (backup_shard.c). */
int backup_shard_make(struct restore *restore, uint32_t shard);
/* Control's database up to the same moment (backup_control.c). */
int backup_control_make(struct restore *restore);

/* ---- Control's database: which, and how far (backup_control_end.c) ---- */

struct control_end {
	uint64_t last;     /* change to be restored */
	uint64_t left_out; /* changes behind it not later than the cut: of a transaction that is */
	uint64_t timed_from; /* from this change on, one time a transaction; all ones: none */
};

/* The newer of backup's and archive's, opened to be read; NULL: neither has one. 0 or -1, noted. */
int backup_control_source(struct restore *restore, struct db_env **out);
/* Where the changes of `source` are cut for what is wanted. 0 or -1, noted. */
int backup_control_end(struct restore *restore, struct db_env *source, struct control_end *end);

#endif
