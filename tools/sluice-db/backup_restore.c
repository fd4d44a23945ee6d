/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-db backup restore: a root out of a backup, at its end or at a moment before it, or, with
 * an archive, after it. Built in a directory of its own, which takes its name when all of it is
 * there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/from_backup.h"

/* ---- What is wanted ---- */

/* A number; the text behind it, or NULL. No sign, and not all ones, which mean "its last". */
static const char *lsn_number(const char *text, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno != 0 || *value == UINT64_MAX ? NULL : end;
}

/* "0:1500,1:1720"; a shard that is not named: its last. */
static int lsns_read(struct restore *restore, const char *option)
{
	struct from_backup *from = restore->backup;
	const char *text = option;

	memset(from->lsns, 0xff, sizeof(from->lsns));
	do {
		uint64_t shard, lsn;

		text = lsn_number(text, &shard);
		if (text == NULL || *text != ':' || (text = lsn_number(text + 1, &lsn)) == NULL ||
		    (*text != ',' && *text != '\0'))
			return restore_fail(restore, EXIT_USAGE,
			    "%.100s: write SHARD:LSN, several with commas", option);
		if (shard >= from->base.shard_count)
			return restore_fail(restore, EXIT_USAGE,
			    "%.100s: there is no shard %" PRIu64 ", the backup has %u", option,
			    shard, from->base.shard_count);
		if (from->lsns[shard] != UINT64_MAX)
			return restore_fail(restore, EXIT_USAGE,
			    "%.100s: shard %" PRIu64 " is named twice", option, shard);
		from->lsns[shard] = lsn;
	} while (*text++ == ',');
	return 0;
}

static int target_read(struct restore *restore, const struct options *options)
{
	struct from_backup *from = restore->backup;

	from->target = TARGET_LATEST;
	if (options->to_time != NULL && options->to_lsn != NULL)
		return restore_fail(restore, EXIT_USAGE, "--to-time or --to-lsn, not both");
	if (options->to_time != NULL && strcmp(options->to_time, "latest") != 0) {
		from->target = TARGET_TIME;
		if (backup_time_read(options->to_time, &from->time_ns) != 0)
			return restore_fail(restore, EXIT_USAGE,
			    "--to-time '%.100s' is no time; write 2026-11-21T10:00:00Z (UTC, up to "
			    "nine digits of a fraction of a second), nanoseconds since 1970, or "
			    "latest",
			    options->to_time);
	}
	if (options->to_lsn != NULL) {
		from->target = TARGET_LSN;
		if (lsns_read(restore, options->to_lsn) != 0)
			return -1;
	}
	/* The newest moment is where all shards fit together. */
	restore->cut_allowed = options->cut || from->target == TARGET_LATEST;
	return 0;
}

/* Shard count and bucket map, as the rows say. */
static int identity_take(struct restore *restore)
{
	const struct from_backup *from = restore->backup;
	struct schema_rows_meta meta;
	char path[PATH_MAX + 64];
	int error;

	from_backup_path(from, 0, path);
	error = schema_rows_meta_read(path, &meta);
	if (error != 0)
		return restore_fail(restore, EXIT_MISMATCH, "%.300s/rows cannot be read: %s", path,
		    strerror(-error));
	restore->shard_count = from->base.shard_count;
	memcpy(restore->buckets.shard, meta.identity.bucket_shard, LIMIT_BUCKETS);
	snprintf(restore->deployment, sizeof(restore->deployment), "%s", from->base.deployment);
	return 0;
}

/* ---- Files ---- */

static int configuration_copy(struct restore *restore)
{
	char from[PATH_MAX + 64];

	snprintf(from, sizeof(from), "%s/etc/sluice", restore->backup->base.path);
	return configuration_place(restore, from, from, 0);
}

/* ticket.key and what else lies beside the shards. */
static int files_copy(struct restore *restore)
{
	char from[PATH_MAX + 300], to[PATH_MAX + 300];
	struct dirent *entry;
	struct stat status;
	int error = 0;
	DIR *stream;

	snprintf(from, sizeof(from), "%s/" BACKUP_DATA, restore->backup->base.path);
	stream = opendir(from);
	if (stream == NULL)
		error = -errno;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		snprintf(from, sizeof(from), "%s/" BACKUP_DATA "/%s", restore->backup->base.path,
		    entry->d_name);
		snprintf(to, sizeof(to), "%s/%s", restore->building, entry->d_name);
		if (lstat(from, &status) == 0 && S_ISREG(status.st_mode))
			error = file_copy(from, to);
	}
	if (stream != NULL)
		closedir(stream);
	for (unsigned i = 0; error == 0 && i < BACKUP_FOLDERS; i++) {
		snprintf(from, sizeof(from), "%s/" BACKUP_DATA "/%s", restore->backup->base.path,
		    backup_folders[i]);
		snprintf(to, sizeof(to), "%s/%s", restore->building, backup_folders[i]);
		error = tree_copy(from, to, NULL);
		if (error == -ENOENT)
			error = 0;
	}
	if (restore_disk_is_full(restore, error))
		return restore_unwritten(restore, error, to);
	return error == 0 ? 0
	                  : restore_fail(restore, EXIT_MISSING, "%.300s cannot be copied: %s", from,
	                        strerror(-error));
}

/* ---- All of it ---- */

static int restore_run(
    struct restore *restore, const struct options *options, const char *directory, int *made)
{
	struct from_backup *from = restore->backup;
	int error = 0;

	if (backup_manifest_read(&from->base, directory) != 0 ||
	    backup_files_check(&from->base) != 0)
		return restore_fail(restore, EXIT_MISMATCH, "%s", from->base.message);
	error = target_read(restore, options);
	if (error == 0)
		error = backup_archive_find(restore, options->archive);
	if (error == 0)
		error = identity_take(restore);
	if (error == 0)
		error = backup_cut_find(restore);
	if (error == 0) {
		error = restore_directories_make(restore);
		*made = error == 0;
	}
	for (uint32_t shard = 0; error == 0 && shard < restore->shard_count; shard++)
		error = backup_shard_make(restore, shard);
	if (error == 0)
		error = restore_pairs(restore);
	if (error == 0)
		error = backup_cut_keeps(restore);
	if (error == 0)
		error = backup_control_make(restore);
	if (error == 0)
		error = files_copy(restore);
	if (error == 0)
		error = restore_models(restore);
	if (error == 0)
		error = configuration_copy(restore);
	return error == 0 ? restore_names_take(restore) : error;
}

int backup_restore(const struct options *options, const char *directory, const char *root)
{
	struct from_backup *from = calloc(1, sizeof(*from));
	struct restore restore = {
		.options = options,
		.root = root,
		.backup = from,
		.shard_make = backup_shard_make,
		.source_remedy = "; run sluice-db backup verify",
		.shards = json_array(),
	};
	struct timespec begun, ended;
	int made = 0, error;

	memset(restore.until, 0xff, sizeof(restore.until));
	clock_gettime(CLOCK_MONOTONIC, &begun);
	error = from == NULL ? restore_fail(&restore, EXIT_MISSING, "not enough memory")
	                     : restore_run(&restore, options, directory, &made);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	if (error == 0 && options->quiet)
		; /* a step of something else */
	else if (error == 0)
		restore_print(&restore, (double)(ended.tv_sec - begun.tv_sec) +
		                            (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	else
		fprintf(stderr, "sluice-db: %s\n", restore.message);
	if (error != 0 && made)
		(void)tree_remove(restore.building); /* nothing of it is needed */
	if (from != NULL) {
		backup_archive_leave(from);
		backup_free(&from->base);
		backup_free(&from->archive);
	}
	free(from);
	restore_links_free(&restore);
	json_decref(restore.shards);
	return error == 0 ? EXIT_DONE : restore.code;
}
