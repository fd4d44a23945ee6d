/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a root is whole: what is not there cannot be found by reading what is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lmdb-schema/past.h"
#include "tools/sluice-db/backup.h"

#define REMEDY "put it back, or restore all (sluice-db backup restore, restore --from-postgres)"

int root_shards_check(const struct options *options, struct damage *damage)
{
	struct options all = *options;
	uint32_t shards[LIMIT_SHARDS], wanted = 0, said_by = 0;
	uint64_t there = 0;
	int count;

	_Static_assert(LIMIT_SHARDS <= 64, "a bit each");
	all.shard = -1;
	count = shards_find(&all, shards);
	for (int i = 0; i < count; i++) {
		struct schema_rows_meta meta;
		char path[PATH_MAX];

		there |= UINT64_C(1) << shards[i];
		shard_path(&all, shards[i], path);
		/* Rows that cannot be read are found by those who need them. */
		if (schema_rows_meta_read(path, &meta) == 0 &&
		    le16_get(meta.identity.shard_count) > wanted) {
			wanted = le16_get(meta.identity.shard_count);
			said_by = shards[i];
		}
	}
	for (uint32_t shard = 0; shard < wanted && shard < LIMIT_SHARDS; shard++) {
		if ((there >> shard & 1) != 0)
			continue;
		damage->shard = shard;
		damage_note(damage, 0,
		    "var/lib/sluice/shard-%u is missing: shard %u knows of %u shards; " REMEDY,
		    shard, said_by, wanted);
		return -EBADMSG;
	}
	return 0;
}

/* The root is what a re-sharding left of another (its history/N). */
static int is_past(const char *root)
{
	char path[PATH_MAX], *parent;

	if (realpath(root, path) == NULL || (parent = strrchr(path, '/')) == NULL)
		return 0;
	*parent = '\0';
	parent = strstr(path, "/" BACKUP_DATA "/history");
	return parent != NULL && strcmp(parent, "/" BACKUP_DATA "/history") == 0;
}

int root_has_journals(const char *root)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" BACKUP_MANIFEST, root) < (int)sizeof(path) &&
	    access(path, F_OK) == 0)
		return 0;
	return !is_past(root);
}

/* Something was committed here once, which went through a journal. */
static int was_used(const char *path)
{
	struct schema_rows_meta meta;
	uint64_t *list = NULL, last = 0;
	struct db_env *env;
	int count, used = 0;

	if (schema_rows_meta_read(path, &meta) == 0 &&
	    (meta.incarnation != 0 || meta.checkpoint_lsn != 0))
		return 1;
	count = schema_log_list(path, &list);
	if (count == 1 && schema_log_open(&env, path, list[0], 1) == 0) {
		used = log_env_last(env, list[0], &last) == 0 && last >= list[0];
		db_env_close(env);
	}
	free(list);
	return count > 1 || used;
}

int shard_journal_check(const char *path, uint32_t shard, struct damage *damage)
{
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	struct journal_identity identity;

	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (journal_identity_read(&config, &identity) != -ENOENT || !was_used(path))
		return 0;
	damage_note(damage, 0,
	    "shard-%u/journal/journal.meta is missing, and with it what only the journal had; "
	    "" REMEDY,
	    shard);
	return -EBADMSG;
}

/* LSN the journal's oldest segment begins with; 0: there is none, or its reading says why. */
static uint64_t journal_begin_read(const struct journal_config *config, uint64_t *base_lsn)
{
	struct journal_identity identity;
	struct journal_reader *reader;
	struct journal_batch batch;
	uint64_t first = 0;

	*base_lsn = 0;
	if (journal_identity_read(config, &identity) != 0 ||
	    journal_reader_open(&reader, config) != 0)
		return 0;
	*base_lsn = identity.base_lsn;
	if (journal_reader_next(reader, &batch, NULL) == 1)
		first = le64_get(batch.header.first_lsn);
	journal_reader_close(reader);
	return first;
}

int shard_rows_check(const char *path, uint32_t shard, struct damage *damage)
{
	static const char remedy[] = "put their newest state back, or sluice-db repair "
	                             "--rebuild-rows (if the log goes back to LSN 1), or restore";
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	struct schema_rows_meta meta;
	uint64_t base, first, from;
	int error;

	snprintf(directory, sizeof(directory), "%s/journal", path);
	/* The journal first: a running data plane writes a checkpoint before it uses a segment
	 * again. */
	first = journal_begin_read(&config, &base);
	error = schema_rows_meta_read(path, &meta);
	if (error == -ENOENT && (first != 0 || was_used(path))) {
		damage_note(
		    damage, 0, "rows: shard-%u/rows is missing or empty; %s", shard, remedy);
		return -EBADMSG;
	}
	/* What cannot be read others report. */
	if (error != 0)
		return 0;
	from = 1 + (meta.checkpoint_lsn > base ? meta.checkpoint_lsn : base);
	if (first <= from)
		return 0;
	damage_note(damage, meta.checkpoint_lsn,
	    "rows: they end at LSN %" PRIu64 ", the journal begins at LSN %" PRIu64
	    ": made anew, or of an older moment; %s",
	    meta.checkpoint_lsn, first, remedy);
	return -EBADMSG;
}

int shard_log_check(const char *path, uint32_t shard, struct damage *damage)
{
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	struct journal_identity identity;
	struct schema_rows_meta meta;
	uint64_t *list = NULL, first;
	/* The list first: a running data plane says what it retires before it does. */
	int count = schema_log_list(path, &list);

	first = count > 0 ? list[0] : 1;
	free(list);
	snprintf(directory, sizeof(directory), "%s/journal", path);
	/* Of another journal the rows say nothing; what cannot be read others report. */
	if (count < 0 || journal_identity_read(&config, &identity) != 0 ||
	    schema_rows_meta_read(path, &meta) != 0 ||
	    meta.log_begin.incarnation != identity.incarnation || first <= meta.log_begin.first_lsn)
		return 0;
	damage_note(damage, meta.log_begin.first_lsn,
	    "log: it begins at LSN %" PRIu64 ", and nothing was retired behind LSN %" PRIu64
	    ": the oldest log-* directories are missing; " REMEDY,
	    first, meta.log_begin.first_lsn - 1);
	return -EBADMSG;
}

int root_journal_check(const struct options *options, uint32_t shard, struct damage *damage)
{
	char path[PATH_MAX];

	shard_path(options, shard, path);
	return root_has_journals(options->root) ? shard_journal_check(path, shard, damage) : 0;
}

int root_past_check(const struct options *options, uint32_t *generations, struct damage *damage)
{
	char path[PATH_MAX + 32], what[200] = "shards tell of different pasts";
	struct log_past *past = NULL;
	struct record_past left;
	int found, error;

	*generations = 0;
	/* Of the past of a past its own root knows. */
	if (is_past(options->root))
		return 0;
	snprintf(path, sizeof(path), "%s/" BACKUP_DATA, options->root);
	found = log_past_left(path, &left);
	error = found < 0 ? found
	                  : log_past_open(&past, path, found ? &left : NULL, what, sizeof(what));
	*generations = log_past_count(past);
	log_past_close(past);
	if (error == 0)
		return 0;
	damage_note(damage, 0, "%s; put it back, or restore all", what);
	return -EBADMSG;
}
