/* SPDX-License-Identifier: Apache-2.0 */
/* A backup of a root whose switch may run. Layout, order and what they promise: backup.h. */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/sluice-db/create.h"

#define TAIL_PIECE   (1u << 20)
#define COPY_TRIES   5 /* log environments may be retired under our eyes */
#define NICE_OF_COPY 10

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void paths_make(
    const struct create *create, uint32_t shard, char from[PATH_MAX], char to[PATH_MAX + 64])
{
	shard_path(&create->options, shard, from);
	snprintf(to, PATH_MAX + 64, "%s/" BACKUP_DATA "/shard-%u", create->building, shard);
}

/* ---- Rows and log ---- */

static int rows_copy(struct create *create, uint32_t shard, const char *from, const char *to)
{
	struct backup_shard *entry = &create->backup.shards[shard];
	struct journal_identity journal = { 0 };
	struct journal_config config = { .shard = shard, .allow_volatile = 1 };
	char path[PATH_MAX + 80];
	struct schema_rows_meta meta = { 0 };
	struct db_env *env;
	int error = schema_rows_open(&env, from, 1);

	snprintf(path, sizeof(path), "%s/rows", to);
	if (error == 0) {
		error = db_env_copy(env, path);
		db_env_close(env);
	}
	if (error == 0)
		error = schema_rows_meta_read(to, &meta);
	if (error == -EPROTO)
		return backup_say(&create->backup,
		    "shard %u: schema version %u, this program knows %u; use the sluice-db of the "
		    "program that wrote it",
		    shard, meta.version, SCHEMA_VERSION);
	if (error != 0)
		return backup_say(&create->backup, "shard %u: %.200s/rows cannot be copied: %s",
		    shard, from, strerror(-error));
	entry->horizon_lsn =
	    meta.checkpoint_lsn > meta.horizon_lsn ? meta.checkpoint_lsn : meta.horizon_lsn;
	entry->incarnation = meta.incarnation;
	snprintf(path, sizeof(path), "%s/journal", from);
	config.directory = path;
	error = journal_identity_read(&config, &journal);
	if (error == -EPROTO)
		return backup_say(&create->backup,
		    "shard %u: the journal is of a newer version than this program knows; use the "
		    "sluice-db of the program that wrote it",
		    shard);
	if (error == 0)
		entry->incarnation = journal.incarnation;
	if (create->backup.shard_count == 0)
		create->backup.shard_count = le16_get(meta.identity.shard_count);
	return le16_get(meta.identity.shard) == shard &&
	               le16_get(meta.identity.shard_count) == create->backup.shard_count
	           ? 0
	           : backup_say(&create->backup,
	                 "shard %u: its rows are of another shard or shard count; run sluice-db "
	                 "verify",
	                 shard);
}

/* Last LSN of an environment, or the one before its first. */
static int env_copy(const char *from, const char *to, uint64_t first_lsn, uint64_t *last_lsn)
{
	char path[2 * PATH_MAX];
	struct db_env *env;
	int error = schema_log_open(&env, from, first_lsn, 1);

	if (error != 0)
		return error;
	snprintf(path, sizeof(path), "%s/log-%016" PRIx64, to, first_lsn);
	error = db_env_copy(env, path);
	db_env_close(env);
	if (error == 0)
		error = schema_log_open(&env, to, first_lsn, 1);
	if (error != 0)
		return error;
	error = log_env_last(env, first_lsn, last_lsn);
	db_env_close(env);
	return error;
}

static int logs_remove(const char *to)
{
	uint64_t *list = NULL;
	int count = schema_log_list(to, &list), error = 0;

	for (int i = 0; i < count && error == 0; i++)
		error = schema_log_remove(to, list[i]);
	free(list);
	return count < 0 ? count : error;
}

static int logs_copy_once(struct create *create, uint32_t shard, const char *from, const char *to)
{
	uint64_t *list = NULL;
	int count = schema_log_list(from, &list), error = 0;

	create->backup.shards[shard].first_lsn = count > 0 ? list[0] : 1;
	create->copied_last[shard] = create->backup.shards[shard].first_lsn - 1;
	for (int i = 0; i < count && error == 0; i++)
		error = env_copy(from, to, list[i], &create->copied_last[shard]);
	free(list);
	return count < 0 ? count : error;
}

static int shard_copy(struct create *create, uint32_t shard)
{
	char from[PATH_MAX], to[PATH_MAX + 64];
	struct damage damage = { .shard = shard };
	int error;

	paths_make(create, shard, from, to);
	if (shard_log_check(from, shard, &damage) != 0)
		return backup_say(&create->backup, "shard %u: %.300s", shard, damage.what);
	error = directories_make(to);
	if (error != 0)
		return backup_say(
		    &create->backup, "%.300s cannot be made: %s", to, strerror(-error));
	if (rows_copy(create, shard, from, to) != 0)
		return -1;
	error = -ENOENT;
	for (int i = 0; i < COPY_TRIES && error == -ENOENT; i++) {
		error = logs_remove(to);
		if (error == 0)
			error = logs_copy_once(create, shard, from, to);
	}
	if (error == 0 && create->copied_last[shard] < create->backup.shards[shard].horizon_lsn)
		error = -EBADMSG;
	if (error != 0)
		return backup_say(&create->backup,
		    "shard %u: the log in %.200s cannot be copied: %s", shard, from,
		    strerror(-error));
	return 0;
}

/* ---- What only the journal has ---- */

struct tail {
	struct db_env *env;
	const char *to;
	uint8_t *bytes;
	size_t size;
	uint64_t first_lsn; /* of bytes */
};

static int tail_flush(struct tail *tail)
{
	int error = 0;

	if (tail->size == 0)
		return 0;
	if (tail->env == NULL)
		error = schema_log_open(&tail->env, tail->to, tail->first_lsn, 0);
	if (error == 0)
		error = schema_log_write(tail->env, tail->bytes, tail->size, tail->first_lsn);
	tail->size = 0;
	return error;
}

static int tail_take(struct tail *tail, struct db_bytes event)
{
	struct event_record record;

	memcpy(&record, event.data, sizeof(record));
	if (tail->size + event.size > TAIL_PIECE) {
		int error = tail_flush(tail);

		if (error != 0)
			return error;
	}
	if (tail->size == 0)
		tail->first_lsn = le64_get(record.lsn);
	memcpy(tail->bytes + tail->size, event.data, event.size);
	tail->size += event.size;
	return 0;
}

static int tail_read(struct create *create, uint32_t shard, const char *from, struct tail *tail,
    struct damage *damage)
{
	struct backup_shard *entry = &create->backup.shards[shard];
	struct events events;
	struct db_bytes event;
	int result;

	entry->covered_ns = clock_ns();
	result = events_open(&events, from, shard, damage);
	if (result != 0)
		return result;
	events_seek(&events, create->copied_last[shard] + 1);
	while ((result = events_next(&events, &event)) == 1) {
		result = tail_take(tail, event);
		if (result != 0)
			break;
	}
	if (result == 0)
		result = tail_flush(tail);
	entry->last_lsn = events.next_lsn - 1;
	/* The journal's last batch says what the worker's state was behind it. */
	if (result == 0 && events.batch_last_lsn == entry->last_lsn && entry->last_lsn != 0) {
		entry->state_hash = events.batch_state_hash;
		entry->control_sequence = le64_get(events.batch.header.control_sequence);
	} else if (result == 0) {
		entry->state_hash = 0;
		entry->control_sequence = UINT64_MAX; /* not known yet */
	}
	events_close(&events);
	return result;
}

static int tail_copy(struct create *create, uint32_t shard)
{
	char from[PATH_MAX], to[PATH_MAX + 64];
	struct damage damage = { .shard = shard };
	struct tail tail = { .to = to, .bytes = malloc(TAIL_PIECE) };
	int error = tail.bytes == NULL ? -ENOMEM : 0;

	paths_make(create, shard, from, to);
	if (error == 0)
		error = tail_read(create, shard, from, &tail, &damage);
	db_env_close(tail.env);
	free(tail.bytes);
	if (error != 0)
		return backup_say(&create->backup,
		    "shard %u: LSN %" PRIu64 ": %s; run sluice-db verify on the root", shard,
		    damage.lsn, damage.what[0] != '\0' ? damage.what : strerror(-error));
	return 0;
}

/* Event time at an LSN of the copy; 0 when it has no such event. */
static int time_at(const char *path, uint32_t shard, uint64_t lsn, uint64_t *time_ns)
{
	struct damage damage = { .shard = shard };
	struct event_record record;
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, &damage);

	*time_ns = 0;
	if (result != 0)
		return result;
	if (lsn >= events.first_lsn) {
		events_seek(&events, lsn);
		result = events_next(&events, &event);
		if (result == 1) {
			memcpy(&record, event.data, sizeof(record));
			*time_ns = le64_get(record.time_ns);
			result = 0;
		}
	}
	events_close(&events);
	return result;
}

/*
 * Every event of the copy, by its block's checksum and its place in line: a backup that does not
 * read is none, and whoever makes one hears of it now, not when it is needed.
 */
static int log_check(
    const char *path, uint32_t shard, const struct backup_shard *entry, struct damage *damage)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	while ((result = events_next(&events, &event)) == 1)
		;
	if (result == 0 && events.next_lsn != entry->last_lsn + 1) {
		damage_note(damage, events.next_lsn, "log: it ends here, not at LSN %" PRIu64,
		    entry->last_lsn);
		result = -EBADMSG;
	}
	events_close(&events);
	return result;
}

static int shard_finish(struct create *create, uint32_t shard)
{
	struct backup_shard *entry = &create->backup.shards[shard];
	char from[PATH_MAX], to[PATH_MAX + 64];
	struct damage damage = { .shard = shard };
	int error;

	paths_make(create, shard, from, to);
	error = log_check(to, shard, entry, &damage);
	if (error != 0)
		return backup_say(&create->backup,
		    "shard %u: LSN %" PRIu64 ": %s; run sluice-db verify on the root, and restore "
		    "it from what is whole",
		    shard, damage.lsn, damage.what[0] != '\0' ? damage.what : strerror(-error));
	error = time_at(to, shard, entry->first_lsn, &entry->first_time_ns);
	if (error == 0)
		error = time_at(to, shard, entry->last_lsn, &entry->last_time_ns);
	if (error == 0)
		error = time_at(to, shard, entry->horizon_lsn, &entry->horizon_time_ns);
	if (error == 0 && entry->control_sequence == UINT64_MAX)
		error = backup_state_hash(to, shard, entry->last_lsn, &entry->state_hash,
		    &entry->control_sequence, &damage);
	return error == 0 ? 0
	                  : backup_say(&create->backup, "shard %u: the copy does not read: %s",
	                        shard, damage.what[0] != '\0' ? damage.what : strerror(-error));
}

/* ---- All of it ---- */

static int entry_finish(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	if (kind == FTW_F && strcmp(path + place->base, "lock.mdb") == 0)
		return unlink(path);
	return kind == FTW_DP ? path_sync(path) : 0;
}

static int names_take(struct create *create, const char *directory)
{
	char parent[PATH_MAX];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", directory);
	slash = strrchr(parent, '/');
	if (slash != NULL)
		slash[slash == parent] = '\0';
	if (nftw(create->building, entry_finish, 16, FTW_PHYS | FTW_DEPTH) != 0 ||
	    rename(create->building, directory) != 0 ||
	    path_sync(slash == NULL ? "." : parent) != 0)
		return backup_say(&create->backup, "%.300s cannot be finished: %s",
		    create->building, strerror(errno));
	return 0;
}

/* Nothing is made of a root that lacks what it must have. */
static int whole_check(struct create *create)
{
	struct damage damage = { 0 };
	uint32_t shards[LIMIT_SHARDS], generations;
	int count = shards_find(&create->options, shards);
	int error = root_shards_check(&create->options, &damage);

	for (int i = 0; i < count && error == 0; i++)
		error = root_journal_check(&create->options, shards[i], &damage);
	if (error == 0)
		error = root_past_check(&create->options, &generations, &damage);
	if (error == 0)
		return 0;
	return backup_say(&create->backup, "%s", damage.what);
}

static int all_copy(struct create *create)
{
	uint32_t shards[LIMIT_SHARDS];
	struct backup *backup = &create->backup;
	int count = shards_find(&create->options, shards), error = 0;

	if (count < 0)
		return backup_say(backup, "no shard under %.300s/" BACKUP_DATA "; check the root",
		    create->options.root);
	error = whole_check(create);
	for (int i = 0; i < count && error == 0; i++)
		error = shards[i] == (uint32_t)i ? shard_copy(create, shards[i])
		                                 : backup_say(backup, "shard %d is missing", i);
	if (error == 0 && (uint32_t)count != backup->shard_count)
		error = backup_say(backup, "%d of %u shards are there; run sluice-db verify", count,
		    backup->shard_count);
	for (int i = 0; i < count && error == 0; i++)
		error = tail_copy(create, (uint32_t)i);
	if (error == 0)
		error = create_control_copy(create);
	if (error == 0)
		error = create_files_copy(create);
	for (int i = 0; i < count && error == 0; i++)
		error = shard_finish(create, (uint32_t)i);
	return error;
}

static void print(const struct create *create, const char *directory, int json)
{
	const struct backup *backup = &create->backup;
	char text[32];
	uint64_t bytes = 0, covered = UINT64_MAX, hash = 0, events = 0;
	json_t *file, *target;
	const char *link;
	size_t i;

	json_array_foreach(backup->files, i, file) bytes +=
	    (uint64_t)json_integer_value(json_object_get(file, "size"));
	for (uint32_t shard = 0; shard < backup->shard_count; shard++) {
		const struct backup_shard *entry = &backup->shards[shard];

		covered = entry->covered_ns < covered ? entry->covered_ns : covered;
		hash += entry->state_hash;
		events += entry->last_lsn - entry->first_lsn + 1;
	}
	backup_time_text(covered, text);
	if (json) {
		json_t *root = json_pack("{s:s, s:b, s:s, s:s, s:I, s:I, s:s, s:I, s:s}", "schema",
		    "sluice-db.backup/1", "ok", 1, "directory", directory, "covered", text,
		    "covered_ns", (json_int_t)covered, "bytes", (json_int_t)bytes, "digest",
		    backup->digest, "events", (json_int_t)events, "deployment", backup->deployment);
		char hash_text[24];

		snprintf(hash_text, sizeof(hash_text), "%016" PRIx64, hash);
		json_object_set_new(root, "state_hash", json_string(hash_text));
		json_object_set(root, "links_followed", create->links.followed);
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(root);
		return;
	}
	printf("backup %s: %u shards, %" PRIu64 " events, %" PRIu64 " bytes\n"
	       "covers everything acknowledged before %s\nstate    %016" PRIx64 "\ndigest   %s\n",
	    directory, backup->shard_count, events, bytes, text, hash, backup->digest);
	json_object_foreach(create->links.followed, link, target) printf(
	    "followed %s: in the backup is what %s holds\n", link, json_string_value(target));
}

/* It is a backup; a switch made of it lacks these. */
static void warn(const struct create *create, const char *directory)
{
	char path[2 * PATH_MAX];
	struct stat status;

	/* In the backup, not in the root: what counts is what was copied. */
	snprintf(path, sizeof(path), "%s/" BACKUP_DATA "/ticket.key", directory);
	if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
		fprintf(stderr,
		    "sluice-db: warning: no ticket.key in it, as %.300s/" BACKUP_DATA "/ticket.key "
		    "is missing: without the key no data plane starts on what is restored; save "
		    "it separately\n",
		    create->options.root);
	if (!create->backup.has_control)
		fprintf(stderr,
		    "sluice-db: warning: no database of sluice-control in it, as "
		    "%.300s/" BACKUP_DATA "/control is missing\n",
		    create->options.root);
}

int backup_create(const struct options *options, const char *root, const char *directory)
{
	struct create *create = calloc(1, sizeof(*create));
	int error;

	if (create == NULL)
		return EXIT_MISSING;
	create->links.followed = json_object();
	create->options = *options;
	create->options.root = root;
	create->options.shard = -1;
	create->backup.begun_ns = clock_ns();
	snprintf(create->backup.label, sizeof(create->backup.label), "%s",
	    options->label == NULL ? "" : options->label);
	snprintf(create->building, sizeof(create->building), "%s.tmp", directory);
	/* The switch comes first. */
	(void)setpriority(PRIO_PROCESS, 0, NICE_OF_COPY);
	if (access(directory, F_OK) == 0)
		error = backup_say(
		    &create->backup, "%.300s is there already; choose another name", directory);
	else if (directory_claim(create->building, 0750, create->backup.message,
	             sizeof(create->backup.message)) != 0)
		error = -1;
	else {
		error = all_copy(create);
		create->backup.ended_ns = clock_ns();
		if (error == 0)
			error = backup_manifest_write(&create->backup, create->building);
		if (error == 0)
			error = names_take(create, directory);
		if (error != 0)
			(void)tree_remove(create->building);
	}
	if (error == 0 && !options->quiet) {
		print(create, directory, options->json);
		warn(create, directory);
	}
	if (error != 0)
		fprintf(stderr, "sluice-db: %s\n", create->backup.message);
	json_decref(create->links.followed);
	backup_free(&create->backup);
	free(create);
	return error == 0 ? EXIT_DONE : EXIT_MISMATCH;
}
