/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-db reshard. The old root is only read: it is backed up, and the backup restored, beside
 * the new root; so what is moved is checkpointed and proven, and the old root is there if anything
 * goes wrong. What is done to the rows, and why: reshard.h.
 */
#include "tools/sluice-db/reshard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The steps' own place; removed at the end. */
#define WORK "reshard.tmp"

/* What is left of one that was cut short, all of it at once. Of one that is being made now
 * directory_claim tells. */
static int leftovers_check(struct reshard *reshard, const char *new_root)
{
	static const char *const names[] = { WORK, BACKUP_DATA ".restoring" };
	char path[PATH_MAX], left[400] = "";
	unsigned count = 0;

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(names); i++) {
		size_t used = strlen(left);
		int fd, is_made;

		snprintf(path, sizeof(path), "%.4000s/%s", new_root, names[i]);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		is_made = flock(fd, LOCK_EX | LOCK_NB) != 0;
		close(fd);
		if (is_made)
			return 0;
		snprintf(
		    left + used, sizeof(left) - used, "%s%.180s", count++ > 0 ? " and " : "", path);
	}
	if (count < 2)
		return 0; /* told where it is made */
	return restore_fail(&reshard->restore, EXIT_MISMATCH,
	    "%s are left of a re-sharding that was cut short; remove them and begin again", left);
}

/* Everything of the old root, checkpointed and proven, under the new root's work directory. */
static int copy_make(struct reshard *reshard, const char *root, const char *new_root)
{
	struct options quiet = *reshard->options;
	char work[PATH_MAX], backup[2 * PATH_MAX], copy[2 * PATH_MAX], why[400];
	int error;

	quiet.quiet = 1;
	quiet.to_time = quiet.to_lsn = quiet.archive = NULL;
	snprintf(work, sizeof(work), "%s/" WORK, new_root);
	snprintf(backup, sizeof(backup), "%s/backup", work);
	snprintf(copy, sizeof(copy), "%s/copy", work);
	error = directories_make(new_root);
	if (error != 0)
		return restore_fail(&reshard->restore, EXIT_MISSING, "%.300s cannot be made: %s",
		    new_root, strerror(-error));
	if (directory_claim(work, 0755, why, sizeof(why)) != 0)
		return restore_fail(&reshard->restore, EXIT_MISMATCH, "%s", why);
	if (backup_create(&quiet, root, backup) != EXIT_DONE ||
	    backup_restore(&quiet, backup, copy) != EXIT_DONE) {
		(void)tree_remove(work);
		return restore_fail(
		    &reshard->restore, EXIT_MISMATCH, "%.300s cannot be taken over", root);
	}
	(void)tree_remove(backup);
	return 0;
}

static int old_past_open(struct reshard *reshard, const char *new_root)
{
	char path[PATH_MAX], what[256] = "its shards tell of different pasts";
	struct record_past left;
	int found, error;

	snprintf(path, sizeof(path), "%.4000s/" WORK "/copy/" BACKUP_DATA, new_root);
	found = log_past_left(path, &left);
	error = found < 0
	            ? found
	            : log_past_open(&reshard->past, path, found ? &left : NULL, what, sizeof(what));
	return error == 0 ? 0
	                  : restore_fail(&reshard->restore, EXIT_MISMATCH,
	                        "the past of the old root is not whole: %s", what);
}

/* What the new rows say they came out of: their past is looked for by it. */
static int left_make(struct reshard *reshard)
{
	struct record_past *left = &reshard->left;

	*left = (struct record_past){
		.header = record_header_make(RECORD_PAST, sizeof(*left)),
		.generation = le16_make((uint16_t)(log_past_count(reshard->past) + 1)),
		.shard_count = le16_make((uint16_t)reshard->from_count),
	};
	for (uint32_t i = 0; i < reshard->from_count; i++) {
		uint64_t first_lsn, last_lsn;
		int error = log_past_range(reshard->from[i].path, &first_lsn, &last_lsn);

		if (error != 0)
			return restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "the log of shard %u cannot be read: %s", i, strerror(-error));
		left->logs[i].first_lsn = le64_make(first_lsn);
		left->logs[i].last_lsn = le64_make(last_lsn);
	}
	return 0;
}

static int old_shards_load(struct reshard *reshard, const char *new_root)
{
	uint32_t count = 1;

	for (uint32_t i = 0; i < count; i++) {
		struct reshard_shard *shard = &reshard->from[i];
		struct damage damage = { .shard = i };
		int error;

		snprintf(shard->path, sizeof(shard->path),
		    "%.4000s/" WORK "/copy/" BACKUP_DATA "/shard-%u", new_root, i);
		/* Checkpointed to its end: nothing lies behind the rows. */
		error =
		    backup_ledger_load(shard->path, i, 0, &shard->ledger, &shard->config, &damage);
		if (error == 0)
			error = log_history_open(&shard->history, shard->path, i);
		if (error != 0)
			return restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "shard %u cannot be read: %s", i,
			    damage.what[0] != '\0' ? damage.what : strerror(-error));
		reshard->from_count = i + 1;
		count = shard->config.shard_count;
		reshard->from_map = shard->config.buckets;
	}
	return old_past_open(reshard, new_root) == 0 ? left_make(reshard) : -1;
}

/* ---- What comes along ---- */

/* Everything beside the shards is moved; the old shards become the newest history. */
static int rest_move(struct reshard *reshard, const char *new_root)
{
	char copy[PATH_MAX], from[2 * PATH_MAX], to[2 * PATH_MAX];
	unsigned generation = le16_get(reshard->left.generation), shard;
	struct dirent *entry;
	DIR *stream;
	int error;

	snprintf(copy, sizeof(copy), "%.4000s/" WORK "/copy/" BACKUP_DATA, new_root);
	snprintf(to, sizeof(to), "%s/history", reshard->restore.building);
	snprintf(from, sizeof(from), "%s/history", copy);
	if (access(from, F_OK) == 0 && rename(from, to) != 0)
		return -errno;
	snprintf(
	    to, sizeof(to), "%s/history/%u/" BACKUP_DATA, reshard->restore.building, generation);
	error = directories_make(to);
	if (error != 0)
		return error;
	stream = opendir(copy);
	if (stream == NULL)
		return -errno;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(from, sizeof(from), "%s/%s", copy, entry->d_name);
		if (sscanf(entry->d_name, "shard-%u", &shard) == 1) {
			snprintf(to, sizeof(to), "%s/%s/journal", copy, entry->d_name);
			(void)tree_remove(to); /* of the restored copy; never used */
			snprintf(to, sizeof(to), "%s/history/%u/" BACKUP_DATA "/%s",
			    reshard->restore.building, generation, entry->d_name);
		} else {
			snprintf(to, sizeof(to), "%s/%s", reshard->restore.building, entry->d_name);
		}
		if (rename(from, to) != 0)
			error = -errno;
	}
	closedir(stream);
	snprintf(
	    to, sizeof(to), "%s/history/%u/" BACKUP_DATA, reshard->restore.building, generation);
	return error == 0 ? path_sync(to) : error;
}

static int configuration_move(struct reshard *reshard, const char *root, const char *new_root)
{
	char from[2 * PATH_MAX], named[2 * PATH_MAX];

	snprintf(from, sizeof(from), "%.4000s/" WORK "/copy/etc/sluice", new_root);
	snprintf(named, sizeof(named), "%.4000s/etc/sluice", root);
	return configuration_place(&reshard->restore, from, named, reshard->to_count);
}

/* ---- All of it ---- */

static void old_shards_leave(struct reshard *reshard)
{
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		ledger_free(reshard->from[i].ledger);
		log_history_close(reshard->from[i].history);
		reshard->from[i].ledger = NULL;
		reshard->from[i].history = NULL;
	}
	log_past_close(reshard->past);
	reshard->past = NULL;
}

static int shards_make(struct reshard *reshard, const char *root)
{
	struct restore *restore = &reshard->restore;
	uint64_t incarnation = 0;
	int error = reshard_check(reshard);

	if (error == 0)
		error = restore_directories_make(restore);
	if (error != 0)
		return error;
	error = reshard_build(reshard);
	if (error == 0)
		error = reshard_money(reshard);
	if (error == 0)
		error = reshard_write(reshard);
	if (error == 0)
		error = reshard_compare(reshard, root);
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++) {
		char path[2 * PATH_MAX];
		struct journal_config config = {
			.directory = path, .shard = i, .allow_volatile = 1
		};
		struct journal_identity identity;

		snprintf(path, sizeof(path), "%s/journal", reshard->from[i].path);
		if (journal_identity_read(&config, &identity) == 0 &&
		    identity.incarnation > incarnation)
			incarnation = identity.incarnation;
	}
	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++)
		error = restore_shard_finish(
		    restore, i, reshard->shard.lsn, incarnation, reshard->to[i].hash);
	if (error != 0)
		(void)tree_remove(restore->building);
	return error;
}

/* What is not of the shards, then the names; of what fails nothing is left in the way. */
static int rest_take(struct reshard *reshard, const char *root, const char *new_root)
{
	struct restore *restore = &reshard->restore;
	int error = rest_move(reshard, new_root);

	if (error != 0)
		error = restore_fail(restore, EXIT_MISSING,
		    "what lies beside the shards cannot be moved: %s", strerror(-error));
	if (error == 0)
		error = configuration_move(reshard, root, new_root);
	if (error == 0)
		error = restore_names_take(restore);
	if (error != 0)
		(void)tree_remove(restore->building);
	return error;
}

static int run(struct reshard *reshard, const char *root, const char *new_root)
{
	char work[PATH_MAX];
	int error = reshard_lock(reshard, root);

	snprintf(work, sizeof(work), "%.4000s/" BACKUP_DATA, new_root);
	if (error == 0 && directory_is_filled(work))
		error = restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "%.300s holds data; a new root must be empty", work);
	if (error == 0)
		error = leftovers_check(reshard, new_root);
	if (error == 0)
		error = copy_make(reshard, root, new_root);
	if (error == 0)
		error = old_shards_load(reshard, new_root);
	if (error == 0)
		error = shards_make(reshard, root);
	old_shards_leave(reshard);
	if (error == 0)
		error = rest_take(reshard, root, new_root);
	snprintf(work, sizeof(work), "%.4000s/" WORK, new_root);
	if (error == 0 || reshard->from_count > 0)
		(void)tree_remove(work);
	return error;
}

static void print(const struct reshard *reshard)
{
	const struct restore *restore = &reshard->restore;
	json_t *shard;
	size_t i;

	if (reshard->options->json) {
		json_t *root = json_pack("{s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:O}",
		    "schema", "sluice-db.reshard/1", "ok", 1, "shards_before",
		    (int)reshard->from_count, "shards_now", (int)reshard->to_count, "lsn",
		    (json_int_t)reshard->shard.lsn, "accounts", (json_int_t)reshard->accounts,
		    "accounts_moved", (json_int_t)reshard->moved, "bets", (json_int_t)reshard->bets,
		    "objects", (json_int_t)reshard->objects, "shards", restore->shards);

		configuration_report(restore, root);
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(root);
		return;
	}
	printf("%u shards became %u: %" PRIu64 " accounts (%" PRIu64 " moved), %" PRIu64
	       " bets, %" PRIu64 " objects; every balance as before, every shard comes to zero\n",
	    reshard->from_count, reshard->to_count, reshard->accounts, reshard->moved,
	    reshard->bets, reshard->objects);
	json_array_foreach(restore->shards, i, shard)
	    printf("shard %zu: goes on behind LSN %" JSON_INTEGER_FORMAT ", state hash %s\n", i,
	        json_integer_value(json_object_get(shard, "lsn")),
	        json_string_value(json_object_get(shard, "state_hash")));
	configuration_report(restore, NULL);
	printf("set `shards` and `lcores` in dataplane.yaml of the new root, run sluice-db verify "
	       "--root on it, then start it\n");
}

int command_reshard(const struct options *options)
{
	struct reshard *reshard;
	int error, code;

	if (options->word_count != 2 || options->shards_wanted < 1 ||
	    options->shards_wanted > LIMIT_SHARDS) {
		fprintf(stderr,
		    "sluice-db: reshard needs ROOT NEW_ROOT --shards N; see sluice-db --help\n");
		return EXIT_USAGE;
	}
	reshard = calloc(1, sizeof(*reshard));
	if (reshard == NULL)
		return EXIT_MISSING;
	reshard->options = options;
	reshard->to_count = (uint32_t)options->shards_wanted;
	ids_bucket_map_default(&reshard->to_map, reshard->to_count);
	reshard->restore.options = options;
	reshard->restore.root = options->words[1];
	reshard->restore.shards = json_array();
	table_init(&reshard->sums, sizeof(struct reshard_sum));
	table_init(&reshard->terminals, sizeof(struct reshard_terminal));
	table_init(&reshard->currencies, sizeof(uint64_t));
	error = run(reshard, options->words[0], options->words[1]);
	reshard_unlock(reshard);
	if (error == 0)
		print(reshard);
	else
		fprintf(stderr, "sluice-db: %s\n", reshard->restore.message);
	code = error == 0 ? EXIT_DONE : reshard->restore.code;
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++)
		ledger_free(reshard->to[i].ledger);
	table_free(&reshard->sums);
	table_free(&reshard->terminals);
	table_free(&reshard->currencies);
	json_decref(reshard->restore.shards);
	free(reshard);
	return code;
}
