/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before any shard is made or changed: a directory that is missing or empty beside shards that hold
 * events is a disk that is not mounted or was lost, not a new shard. All shards of an instance are
 * made before its first event, so none of them can be new then. Where no shard is left to say so,
 * the mark beside them does (schema.h), written before that event. Each start writes into it how
 * often each journal was begun: recovery holds an older copy against it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"
#include "dataplane/log.h"
#include "dataplane/switch.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"

/* Missing, or nothing in it but what a file system has of its own. */
static int is_absent(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int found = 0;

	if (stream == NULL)
		return errno == ENOENT; /* what cannot be read is recovery's to report */
	while (!found && (entry = readdir(stream)) != NULL)
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		        strcmp(entry->d_name, "lost+found") != 0;
	closedir(stream);
	return !found;
}

static int stop_at_first(void *context, const struct journal_batch *batch)
{
	(void)context, (void)batch;
	return -ECANCELED;
}

/* A batch, or anything that says there was one. */
static int journal_has_events(const struct journal_config *config)
{
	struct journal_report report;
	int result = journal_inspect(config, 1, 0, stop_at_first, NULL, &report);

	return report.floor_lsn > 0 || report.state_lsn > 0 || result == -ECANCELED ||
	       result == -EBADMSG || result == -EPROTO;
}

static int newest_has_events(const char *directory, uint64_t first_lsn)
{
	struct db_env *env;
	uint64_t last_lsn = 0;
	int found;

	if (schema_log_open(&env, directory, first_lsn, 1) != 0)
		return 0; /* being made when the process ended */
	found = log_env_last(env, first_lsn, &last_lsn) == 0 && last_lsn >= first_lsn;
	db_env_close(env);
	return found;
}

static int log_has_events(const char *directory)
{
	uint64_t *list = NULL;
	int count = schema_log_list(directory, &list), found;

	if (count <= 0)
		return 0;
	found = list[count - 1] > 1 || newest_has_events(directory, list[count - 1]);
	free(list);
	return found;
}

/* Neither rows nor a journal: what both are made for at the first start. */
static int is_bare(const char *directory)
{
	static const char *const parts[] = { "rows/data.mdb", "journal/" JOURNAL_META_NAME };
	char path[4400];

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, parts[i]);
		if (access(path, F_OK) == 0 || errno != ENOENT)
			return 0; /* what cannot be read is recovery's to report */
	}
	return 1;
}

/* No shard speaks for the one that is absent, but the mark does. */
static int marked_check(struct switch_process *process)
{
	struct schema_made_shard said[LIMIT_SHARDS];
	char data[4400];
	int made;

	snprintf(data, sizeof(data), "%s/var/lib/sluice", process->root);
	made = schema_made_read(data, said, process->shared.shard_count);
	for (uint32_t shard = 0; made != 0 && shard < process->shared.shard_count; shard++) {
		const char *directory = process->shards[shard].directory;

		process->shards[shard].journal_config.known_incarnation = said[shard].incarnation;
		process->shards[shard].journal_config.known_boot_counter = said[shard].starts;
		if (!is_bare(directory))
			continue;
		snprintf(process->message, sizeof(process->message),
		    "shard %u: %.400s is missing or empty, and %.400s/" SCHEMA_MADE_NAME
		    " says that it was made: nothing was made anew. Mount its disk there, or "
		    "restore the switch from a backup (sluice-db backup restore)",
		    shard, directory, data);
		return EXIT_REFUSED;
	}
	return 0;
}

int switch_shards_present(struct switch_process *process)
{
	uint32_t count = process->shared.shard_count, absent = count;

	for (uint32_t shard = count; shard-- > 0;)
		if (is_absent(process->shards[shard].directory))
			absent = shard;
	if (absent == count)
		return marked_check(process);
	for (uint32_t shard = 0; shard < count; shard++) {
		const struct shard_parts *parts = &process->shards[shard];

		if (is_absent(parts->directory) || (!journal_has_events(&parts->journal_config) &&
		                                       !log_has_events(parts->directory)))
			continue;
		snprintf(process->message, sizeof(process->message),
		    "shard %u: %.512s is missing or empty, and shard %u holds events: nothing was "
		    "made. Mount its disk there, or restore the shards from a backup (sluice-db "
		    "backup restore); if the configuration's shards were raised, set them back",
		    absent, process->shards[absent].directory, shard);
		return EXIT_REFUSED;
	}
	return marked_check(process);
}

int switch_shards_made(struct switch_process *process)
{
	struct schema_made_shard made[LIMIT_SHARDS];
	uint32_t count = process->shared.shard_count;
	char data[4400];
	int error;

	snprintf(data, sizeof(data), "%s/var/lib/sluice", process->root);
	for (uint32_t shard = 0; shard < count; shard++)
		made[shard] = (struct schema_made_shard){
			process->shards[shard].journal_report.incarnation,
			process->shards[shard].journal_report.boot_counter,
		};
	error = schema_made_write(data, made, count);
	if (error == 0)
		return 0;
	/* One of an earlier start says less, and that does. */
	if (schema_made_read(data, made, count) == 1) {
		log_line(LOG_LEVEL_WARNING, "start",
		    "%.512s/" SCHEMA_MADE_NAME " cannot be written: %s; it stays as it was", data,
		    strerror(-error));
		return 0;
	}
	snprintf(process->message, sizeof(process->message),
	    "%.512s/" SCHEMA_MADE_NAME " cannot be made: %s; check space and permissions", data,
	    strerror(-error));
	return EXIT_UNREACHABLE;
}
