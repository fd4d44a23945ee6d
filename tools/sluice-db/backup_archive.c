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
	char archive[PATH_MAX + 64], directory[PATH_MAX + 64], why[256] = "";
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
	/* The backup reaches beyond the end that is wanted. */
	if ((from->target == TARGET_TIME && entry->last_time_ns > from->time_ns) ||
	    (unpack.until_lsn != 0 && unpack.until_lsn < entry->last_lsn))
		return 0;
	error = journal_archive_unpack(&unpack, why, sizeof(why));
	/* A shard with nothing newer than the backup is a shard with nothing to add. */
	if (error == 0 || error == -ENOENT)
		return 0;
	if (error == -ESTALE)
		return restore_fail(restore, EXIT_MISMATCH,
		    "%.200s cannot be followed: %.240s. Use a backup made since, or ask for an end "
		    "before that (--to-time, --to-lsn)",
		    archive, why);
	return restore_fail(restore, EXIT_MISMATCH,
	    "%.300s cannot be taken: %.240s; run sluice-db archive verify, ask for an earlier end "
	    "(--to-time, --to-lsn), or take what there is with --cut",
	    archive, why);
}

/* Compressed archives become directories that can be read. */
static int compressed_unpack(struct restore *restore)
{
	struct from_backup *from = restore->backup;

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

/* ---- Whether it is whole, and of the same history ---- */

/* A later backup is held against its own manifest, as the first one is. */
static int backup_is_whole(struct restore *restore)
{
	struct from_backup *from = restore->backup;

	if (backup_files_check(&from->archive) != 0)
		return restore_fail(
		    restore, EXIT_MISMATCH, "--archive: %.400s", from->archive.message);
	for (uint32_t shard = 0; shard < from->archive.shard_count; shard++) {
		const struct backup_shard *entry = &from->archive.shards[shard];
		struct damage damage = { .shard = shard };
		char path[PATH_MAX + 64];
		struct events events;
		struct db_bytes event;
		int result;

		if (entry->first_lsn > entry->last_lsn)
			continue;
		from_archive_path(from, shard, path);
		result = events_open(&events, path, shard, &damage);
		if (result == 0) {
			events_seek(&events, entry->last_lsn);
			result = events_next(&events, &event) == 1 ? 0 : -EBADMSG;
			events_close(&events);
		}
		if (result != 0)
			return restore_fail(restore, EXIT_MISMATCH,
			    "--archive: shard %u does not reach LSN %" PRIu64
			    ", which its manifest says; run sluice-db backup verify %.300s",
			    shard, entry->last_lsn, from->archive.path);
	}
	return 0;
}

static int archive_shard_refuse(struct restore *restore, const char *what)
{
	return restore_fail(restore, EXIT_MISMATCH,
	    "--archive: %.300s. Give one that is whole, or take what there is with --cut", what);
}

/* A shard's directory of a root, or one laid out so. */
static int shard_is_whole(struct restore *restore, const char *path, uint32_t shard, int journals)
{
	struct damage damage = { .shard = shard };
	struct schema_rows_meta meta;

	if (schema_rows_meta_read(path, &meta) == 0 &&
	    (le16_get(meta.identity.shard) != shard ||
	        le16_get(meta.identity.shard_count) != restore->backup->base.shard_count))
		return restore_fail(restore, EXIT_MISMATCH,
		    "--archive: %.300s is shard %u of %u, the backup has %u shards", path,
		    le16_get(meta.identity.shard), le16_get(meta.identity.shard_count),
		    restore->backup->base.shard_count);
	if (restore->options->cut || !journals || shard_journal_check(path, shard, &damage) == 0)
		return 0;
	return archive_shard_refuse(restore, damage.what);
}

/* A root, or what of one is left: nothing that the backup has may be missing in it. */
static int root_is_whole(struct restore *restore, const char *directory)
{
	const struct from_backup *from = restore->backup;
	struct options options = { .root = directory, .shard = -1 };
	struct damage damage = { 0 };
	char path[PATH_MAX + 64], control[PATH_MAX + 64];
	int journals = root_has_journals(directory);

	if (root_shards_check(&options, &damage) != 0)
		return archive_shard_refuse(restore, damage.what);
	for (uint32_t shard = 0; shard < from->base.shard_count; shard++) {
		from_archive_path(from, shard, path);
		if (shard_is_whole(restore, path, shard, journals) != 0)
			return -1;
	}
	snprintf(control, sizeof(control), "%s/control", from->archive_path);
	if (from->base.has_control && journals && !restore->options->cut &&
	    access(control, F_OK) != 0)
		return archive_shard_refuse(restore,
		    "control/ is missing beside the shards, and with it what control did behind "
		    "the backup");
	return 0;
}

uint64_t backup_archive_incarnation(const struct from_backup *from, uint32_t shard)
{
	struct schema_rows_meta meta;
	char path[PATH_MAX + 64], directory[PATH_MAX + 80];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	struct journal_identity identity;

	if (from->archive_is_backup)
		return from->archive.shards[shard].incarnation;
	from_archive_path(from, shard, path);
	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (journal_identity_read(&config, &identity) == 0)
		return identity.incarnation;
	return schema_rows_meta_read(path, &meta) == 0 ? meta.incarnation : 0;
}

/*
 * What an earlier journal holds behind the backup of a later one was discarded by the restore
 * between them. The other way round the event the backup ends with is proof: a later one goes on
 * from what was kept.
 */
static int history_check(struct restore *restore)
{
	const struct from_backup *from = restore->backup;

	for (uint32_t shard = 0; shard < from->base.shard_count; shard++) {
		uint64_t incarnation = backup_archive_incarnation(from, shard);

		if (incarnation != 0 && incarnation < from->base.shards[shard].incarnation)
			return restore_fail(restore, EXIT_MISMATCH,
			    "--archive: shard %u is of journal %016" PRIx64
			    ", the backup of %016" PRIx64
			    ", begun later by a restore or repair: nothing there goes on behind "
			    "the backup. Leave --archive out",
			    shard, incarnation, from->base.shards[shard].incarnation);
	}
	return 0;
}

/* ---- Which of them it is ---- */

static int backup_read(struct restore *restore, const char *directory)
{
	struct from_backup *from = restore->backup;

	if (backup_manifest_read(&from->archive, directory) != 0)
		return restore_fail(restore, EXIT_MISMATCH, "%.400s", from->archive.message);
	if (from->archive.shard_count != from->base.shard_count)
		return restore_fail(restore, EXIT_MISMATCH,
		    "the archive has %u shards, the backup %u", from->archive.shard_count,
		    from->base.shard_count);
	from->archive_is_backup = 1;
	return 0;
}

/* A directory for each shard, with something in it. */
static int shards_are_there(struct restore *restore, int *compressed)
{
	struct from_backup *from = restore->backup;
	char path[PATH_MAX + 64], what[PATH_MAX + 100];
	int filled = 0;

	*compressed = 0;
	for (uint32_t shard = 0; shard < from->base.shard_count; shard++) {
		from_archive_path(from, shard, path);
		if (access(path, F_OK) != 0)
			return restore_fail(restore, EXIT_MISSING,
			    "%.300s is missing; an archive has a directory for each shard", path);
		if (is_compressed(path) == 1)
			*compressed = 1;
		if (directory_is_filled(path)) {
			filled = 1;
			continue;
		}
		snprintf(what, sizeof(what), "%.200s holds nothing", path);
		if (!restore->options->cut)
			return archive_shard_refuse(restore, what);
	}
	if (filled)
		return 0;
	return restore_fail(restore, EXIT_MISMATCH,
	    "%.300s holds nothing; give what goes on behind the backup, or leave --archive out",
	    from->archive_path);
}

int backup_archive_find(struct restore *restore, const char *directory)
{
	struct from_backup *from = restore->backup;
	char path[PATH_MAX + 64];
	int compressed = 0, error;

	if (directory == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/" BACKUP_MANIFEST, directory);
	if (access(path, F_OK) == 0 && backup_read(restore, directory) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/" BACKUP_DATA, directory);
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s", directory);
	if (path_keep(restore, from->archive_path, path) != 0)
		return -1;
	if (from->archive_is_backup)
		error = backup_is_whole(restore);
	else
		error = shards_are_there(restore, &compressed);
	if (error == 0 && !from->archive_is_backup && compressed)
		return compressed_unpack(restore);
	if (error == 0 && !from->archive_is_backup)
		error = root_is_whole(restore, directory);
	return error == 0 ? history_check(restore) : error;
}

void backup_archive_leave(struct from_backup *from)
{
	if (from->unpacked[0] != '\0')
		(void)tree_remove(from->unpacked);
	from->unpacked[0] = '\0';
}
