/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --archive: what goes on behind a backup. Another backup, the shards of a root, or the switch's
 * archive of sealed segments (one *.seg.zst each). Those are unpacked beside the root first: as
 * many as the wanted moment takes.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/journal/seal.h"
#include "tools/sluice-db/from_backup.h"

static int path_keep(struct restore *restore, char to[PATH_MAX], const char *path)
{
	if ((size_t)snprintf(to, PATH_MAX, "%s", path) >= PATH_MAX)
		return restore_fail(restore, EXIT_USAGE, "the archive's name is too long");
	return 0;
}

/* 1 when compressed segments are in it, or the manifest that lists some; 0, or -errno. */
static int is_compressed(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	int found = 0;

	if (stream == NULL)
		return -errno;
	while (!found && (entry = readdir(stream)) != NULL) {
		size_t length = strlen(entry->d_name);

		found = (length > 8 && strcmp(entry->d_name + length - 8, ".seg.zst") == 0) ||
		        (length > 9 && strcmp(entry->d_name + length - 9, ".manifest") == 0);
	}
	closedir(stream);
	return found;
}

static int shard_unpack(struct restore *restore, uint32_t shard)
{
	struct from_backup *from = restore->backup;
	const struct backup_shard *entry = &from->base.shards[shard];
	char archive[PATH_MAX + 64], directory[PATH_MAX + 64], why[256];
	struct journal_unpack unpack = {
		.archive = archive,
		.directory = directory,
		.shard = shard,
		.incarnation = entry->incarnation,
		.from_lsn = entry->last_lsn,
		.until_ns = from->target == TARGET_TIME ? from->time_ns : UINT64_MAX,
		.until_lsn = from->target == TARGET_LSN && from->lsns[shard] != UINT64_MAX
		                 ? from->lsns[shard]
		                 : 0,
		.end_open = restore->options->cut,
	};
	int error;

	from_archive_path(from, shard, archive);
	snprintf(directory, sizeof(directory), "%.4000s/shard-%u/journal", from->unpacked, shard);
	error = directories_make(directory);
	if (error != 0)
		return restore_fail(
		    restore, EXIT_MISSING, "%.300s: %s", directory, strerror(-error));
	error = journal_archive_unpack(&unpack, why, sizeof(why));
	/* A shard with nothing newer than the backup is a shard with nothing to add. */
	if (error == 0 || error == -ENOENT)
		return 0;
	return restore_fail(restore, EXIT_MISMATCH,
	    "%.300s cannot be taken: %.240s; run sluice-db archive verify, ask for an earlier end "
	    "(--to-time, --to-lsn), or take what there is with --cut",
	    archive, why);
}

/* Compressed archives become directories that can be read. */
static int compressed_unpack(struct restore *restore)
{
	struct from_backup *from = restore->backup;
	char path[PATH_MAX + 64];
	int compressed = 0;

	for (uint32_t shard = 0; shard < from->base.shard_count; shard++) {
		from_archive_path(from, shard, path);
		if (is_compressed(path) == 1)
			compressed = 1;
	}
	if (!compressed)
		return 0;
	if ((size_t)snprintf(from->unpacked, sizeof(from->unpacked), "%s/var/lib/sluice.archive",
	        restore->root) >= sizeof(from->unpacked) - 64) {
		from->unpacked[0] = '\0';
		return restore_fail(restore, EXIT_USAGE, "the root's name is too long");
	}
	(void)tree_remove(from->unpacked); /* of a run that was stopped */
	for (uint32_t shard = 0; shard < from->base.shard_count; shard++)
		if (shard_unpack(restore, shard) != 0)
			return -1;
	return path_keep(restore, from->archive_path, from->unpacked);
}

int backup_archive_find(struct restore *restore, const char *directory)
{
	struct from_backup *from = restore->backup;
	char path[PATH_MAX + 64];
	int filled = 0;

	if (directory == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/" BACKUP_MANIFEST, directory);
	if (access(path, F_OK) == 0) {
		if (backup_manifest_read(&from->archive, directory) != 0)
			return restore_fail(
			    restore, EXIT_MISMATCH, "%.400s", from->archive.message);
		if (from->archive.shard_count != from->base.shard_count)
			return restore_fail(restore, EXIT_MISMATCH,
			    "the archive has %u shards, the backup %u", from->archive.shard_count,
			    from->base.shard_count);
		from->archive_is_backup = 1;
	}
	snprintf(path, sizeof(path), "%s/" BACKUP_DATA, directory);
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s", directory);
	if (path_keep(restore, from->archive_path, path) != 0)
		return -1;
	for (uint32_t shard = 0; shard < from->base.shard_count; shard++) {
		from_archive_path(from, shard, path);
		if (access(path, F_OK) != 0)
			return restore_fail(restore, EXIT_MISSING,
			    "%.300s is missing; an archive has a directory for each shard", path);
		filled |= directory_is_filled(path);
	}
	if (!filled)
		return restore_fail(restore, EXIT_MISMATCH,
		    "%.300s holds nothing; give what goes on behind the backup, or leave "
		    "--archive out",
		    from->archive_path);
	return compressed_unpack(restore);
}

void backup_archive_leave(struct from_backup *from)
{
	if (from->unpacked[0] != '\0')
		(void)tree_remove(from->unpacked);
	from->unpacked[0] = '\0';
}
