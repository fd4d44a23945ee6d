/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup proven: every file by its hash, then what `sluice-db verify` does to a root (chains,
 * balances derived again, rows brought up to date by the log), then its state hashes. And a list.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/sluice-db/backup.h"

static int lock_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	if (kind == FTW_F && strcmp(path + place->base, "lock.mdb") == 0)
		(void)unlink(path);
	return 0;
}

static int hashes_compare(struct backup *backup, json_t *verified)
{
	json_t *shard;
	size_t i;

	json_array_foreach(json_object_get(verified, "shards"), i, shard)
	{
		const char *hash = json_string_value(json_object_get(shard, "state_hash"));
		uint64_t last = (uint64_t)json_integer_value(json_object_get(shard, "last_lsn"));

		if (i >= backup->shard_count || hash == NULL)
			return backup_say(backup, "it has more shards than its manifest says");
		if (last != backup->shards[i].last_lsn)
			return backup_say(backup,
			    "shard %zu ends at LSN %" PRIu64 ", its manifest says %" PRIu64, i,
			    last, backup->shards[i].last_lsn);
		if (strtoull(hash, NULL, 16) != backup->shards[i].state_hash)
			return backup_say(backup,
			    "shard %zu: state hash %s, its manifest says %016" PRIx64
			    "; take another backup",
			    i, hash, backup->shards[i].state_hash);
	}
	if (i != backup->shard_count)
		return backup_say(backup, "%zu of %u shards are there", i, backup->shard_count);
	return 0;
}

/* What the shards' own proof says. */
static int content_check(struct backup *backup, const struct options *options, json_t **verified)
{
	struct options own = *options;
	int code, error;

	own.root = backup->path;
	own.shard = -1;
	own.transit_max_s = UINT32_MAX; /* what was under way at that moment stays so */
	*verified = verify_root(&own, &code);
	if (*verified == NULL)
		return backup_say(backup, "%.300s cannot be verified", backup->path);
	if (code != EXIT_DONE) {
		json_t *damage = json_object_get(*verified, "first_damage");

		error = backup_say(backup, "shard %d, LSN %" JSON_INTEGER_FORMAT ": %s",
		    (int)json_integer_value(json_object_get(damage, "shard")),
		    json_integer_value(json_object_get(damage, "lsn")),
		    json_string_value(json_object_get(damage, "what")));
	} else {
		error = hashes_compare(backup, *verified);
	}
	(void)nftw(backup->path, lock_remove, 16, FTW_PHYS);
	return error;
}

int backup_verify(const struct options *options, const char *directory)
{
	struct backup *backup = calloc(1, sizeof(*backup));
	json_t *verified = NULL;
	int error;

	if (backup == NULL)
		return EXIT_MISSING;
	error = backup_manifest_read(backup, directory);
	if (error == 0)
		error = backup_files_check(backup);
	if (error == 0)
		error = content_check(backup, options, &verified);
	if (options->json) {
		json_t *answer = json_pack("{s:s, s:b, s:s, s:s, s:s, s:s*, s:O*}", "schema",
		    "sluice-db.backup-verify/1", "ok", error == 0, "directory", directory, "label",
		    backup->label, "digest", backup->digest, "why",
		    error == 0 ? NULL : backup->message, "verified", verified);

		json_dumpf(answer, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(answer);
	} else if (error == 0) {
		printf("ok: %zu files, %u shards, state %s\ndigest %s\n",
		    json_array_size(backup->files), backup->shard_count,
		    json_string_value(json_object_get(verified, "state_hash")), backup->digest);
	}
	if (error != 0)
		fprintf(stderr, "sluice-db: %s\n", backup->message);
	json_decref(verified);
	backup_free(backup);
	free(backup);
	return error == 0 ? EXIT_DONE : EXIT_MISMATCH;
}

/* ---- List ---- */

static uint64_t covered(const struct backup *backup)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t i = 0; i < backup->shard_count; i++)
		if (backup->shards[i].covered_ns < lowest)
			lowest = backup->shards[i].covered_ns;
	return lowest;
}

static json_t *entry_make(const struct backup *backup, const char *name, int readable)
{
	uint64_t bytes = 0;
	char time[32] = "", earliest[32] = "";
	json_t *file;
	size_t i;

	if (!readable)
		return json_pack("{s:s, s:b, s:s}", "name", name, "ok", 0, "why", backup->message);
	json_array_foreach(backup->files, i, file) bytes +=
	    (uint64_t)json_integer_value(json_object_get(file, "size"));
	backup_time_text(covered(backup), time);
	backup_time_text(backup->shards[0].first_time_ns, earliest);
	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:i, s:I, s:s, s:s}", "name", name, "ok", 1,
	    "label", backup->label, "covered", time, "first_event", earliest, "shards",
	    (int)backup->shard_count, "bytes", (json_int_t)bytes, "digest", backup->digest,
	    "software", backup->software);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All in `directory`, by name. NULL: it cannot be read. */
static json_t *entries_read(const char *directory)
{
	struct dirent **names;
	json_t *list = json_array();
	int count = scandir(directory, &names, NULL, by_name);

	if (count < 0) {
		json_decref(list);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX], manifest[PATH_MAX + 32];
		struct backup *backup = calloc(1, sizeof(*backup));

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
		snprintf(manifest, sizeof(manifest), "%s/" BACKUP_MANIFEST, path);
		/* What is being made, or was cut short, is none. */
		if (backup != NULL && names[i]->d_name[0] != '.' && access(manifest, F_OK) == 0 &&
		    (strlen(path) < 4 || strcmp(path + strlen(path) - 4, ".tmp") != 0)) {
			int readable = backup_manifest_read(backup, path) == 0;

			json_array_append_new(list, entry_make(backup, names[i]->d_name, readable));
			backup_free(backup);
		}
		free(backup);
		free(names[i]);
	}
	free(names);
	return list;
}

int backup_list(const struct options *options, const char *directory)
{
	json_t *list = entries_read(directory), *entry;
	size_t i;

	if (list == NULL) {
		fprintf(stderr, "sluice-db: %s cannot be read: %s\n", directory, strerror(errno));
		return EXIT_MISSING;
	}
	if (options->json) {
		json_t *answer =
		    json_pack("{s:s, s:o}", "schema", "sluice-db.backups/1", "backups", list);

		json_dumpf(answer, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(answer);
		return EXIT_DONE;
	}
	json_array_foreach(list, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (json_is_true(json_object_get(entry, "ok")))
			printf("%s  up to %s  %" JSON_INTEGER_FORMAT " bytes  %s\n", name,
			    json_string_value(json_object_get(entry, "covered")),
			    json_integer_value(json_object_get(entry, "bytes")),
			    json_string_value(json_object_get(entry, "label")));
		else
			printf("%s  NOT READABLE: %s\n", name,
			    json_string_value(json_object_get(entry, "why")));
	}
	json_decref(list);
	return EXIT_DONE;
}
