/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shard out of a backup: its rows and log, cut; the events behind its rows by the log; what
 * comes later out of the archive; a checkpoint; a journal. Rows that are ahead of the cut are of no
 * use: then all events from the first on make them anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/store/rows.h"
#include "dataplane/store/store.h"
#include "tools/sluice-db/from_backup.h"

#define PIECE     (1u << 20)
#define TABLE_MAX ((1u << 30) - 1)

void events_seek(struct events *events, uint64_t lsn)
{
	int at = 0;

	while (at + 1 < events->env_count && events->first_lsns[at + 1] <= lsn)
		at++;
	events->env_at = at;
	events->next_lsn = lsn;
}

/* ---- Room ---- */

static uint32_t room(uint64_t rows, uint64_t made, uint64_t most)
{
	uint64_t sum = rows + made;

	return (uint32_t)(sum < most ? sum : most);
}

int backup_ledger_size(
    const char *path, uint64_t last_lsn, uint32_t shards, struct ledger_config *config)
{
	uint64_t counts[LEDGER_TABLE_COUNT] = { 0 }, events = last_lsn;
	struct record_checkpoint checkpoint;
	struct db_env *env;
	struct db_txn txn;
	int error = schema_rows_open(&env, path, 1);

	if (error == 0) {
		error = db_read_open(&txn, env);
		if (error == 0) {
			error = db_read_begin(&txn);
			for (unsigned i = 0; i < LEDGER_TABLE_COUNT && error == 0; i++)
				error =
				    db_count(&txn, rows_table((enum ledger_table)i), &counts[i]);
			if (error == 0 && schema_checkpoint_read(&txn, &checkpoint) == 0 &&
			    le64_get(checkpoint.begin_lsn) <= last_lsn)
				events = last_lsn - le64_get(checkpoint.begin_lsn);
			db_read_close(&txn);
		}
		db_env_close(env);
	}
	if (error == -ENOENT)
		error = 0; /* made anew */
	/* An event makes at most four accounts of the system, and customers their own. */
	config->accounts_max =
	    room(counts[LEDGER_ACCOUNT], 6 * events + 4096 + 64u * shards, TABLE_MAX);
	config->bets_max = room(counts[LEDGER_BET], events + 4096, TABLE_MAX);
	config->markets_max = room(counts[LEDGER_MARKET], events + 4096, TABLE_MAX / 4);
	config->terminals_max = room(counts[LEDGER_TERMINAL], events + 4096, TABLE_MAX);
	config->objects_max =
	    room(counts[LEDGER_OBJECT], EVENT_OBJECTS_MAX * events + 4096, TABLE_MAX);
	return error;
}

/* ---- State hash of a copy ---- */

static int identity_read(const char *path, struct ledger_config *config)
{
	struct schema_rows_meta meta;
	int error = schema_rows_meta_read(path, &meta);

	if (error != 0)
		return error;
	config->shard = le16_get(meta.identity.shard);
	config->shard_count = le16_get(meta.identity.shard_count);
	memcpy(config->buckets.shard, meta.identity.bucket_shard, LIMIT_BUCKETS);
	return 0;
}

static int rows_read(const char *path, struct ledger *ledger, struct damage *damage)
{
	struct rows_loaded loaded = { 0 };
	struct db_env *env;
	struct db_txn txn;
	int error = schema_rows_open(&env, path, 1);

	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = rows_load(&txn, ledger, &loaded);
		db_read_close(&txn);
	}
	db_env_close(env);
	if (error == 0 && rows_state_differs(&loaded, ledger)) {
		damage_note(damage, loaded.begin_lsn, ROWS_DIFFER);
		error = -EBADMSG;
	}
	return error;
}

static int events_replay(
    struct ledger *ledger, const char *path, uint32_t shard, struct damage *damage)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	events_seek(&events, ledger_shard(ledger)->lsn + 1);
	while ((result = events_next(&events, &event)) == 1) {
		result = ledger_apply(ledger, event.data, event.size);
		if (result != 0) {
			damage_note(damage, events.next_lsn - 1, "event does not apply");
			break;
		}
	}
	events_close(&events);
	return result;
}

int backup_ledger_load(const char *shard_path, uint32_t shard, uint64_t last_lsn,
    struct ledger **out, struct ledger_config *config, struct damage *damage)
{
	struct ledger *ledger = NULL;
	int error;

	*config = (struct ledger_config){ 0 };
	error = identity_read(shard_path, config);
	if (error == 0)
		error = backup_ledger_size(shard_path, last_lsn, config->shard_count, config);
	if (error == 0) {
		ledger = ledger_create(config);
		error = ledger == NULL ? -ENOMEM : rows_read(shard_path, ledger, damage);
	}
	if (error == 0)
		error = events_replay(ledger, shard_path, shard, damage);
	if (error == 0)
		*out = ledger;
	else
		ledger_free(ledger);
	return error;
}

int backup_state_hash(const char *shard_path, uint32_t shard, uint64_t last_lsn, uint64_t *hash,
    uint64_t *control_sequence, struct damage *damage)
{
	struct ledger_config config;
	struct ledger *ledger;
	int error = backup_ledger_load(shard_path, shard, last_lsn, &ledger, &config, damage);

	if (error != 0)
		return error;
	*hash = ledger_state_hash(ledger);
	*control_sequence = ledger_shard(ledger)->control_sequence;
	ledger_free(ledger);
	return 0;
}

/* ---- Building ---- */

struct build {
	struct restore *restore;
	struct store *store;
	struct store_config config;
	char path[PATH_MAX + 16]; /* of the new shard */
	uint32_t shard;
	uint64_t until;
};

/* Writing failed: where, and what to do when it is the disk. */
static int build_unwritten(struct build *build, int error, const char *below)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s%s", build->path, below);
	return restore_unwritten(build->restore, error, path);
}

static int build_fail(struct build *build, const char *what)
{
	return restore_fail(build->restore, EXIT_MISSING, "shard %u: %s", build->shard, what);
}

/* The backup's rows and log, cut. */
static int base_copy(struct build *build)
{
	const struct from_backup *from = build->restore->backup;
	char source[PATH_MAX + 64];
	int error;

	from_backup_path(from, build->shard, source);
	error = tree_copy(source, build->path, NULL);
	if (error == 0 && build->until < from->base.shards[build->shard].last_lsn)
		error = schema_log_cut(build->path, build->until);
	if (restore_disk_is_full(build->restore, error))
		return build_unwritten(build, error, "");
	return error == 0 ? 0
	                  : restore_fail(build->restore, EXIT_MISSING,
	                        "shard %u: the backup's files cannot be copied: %s", build->shard,
	                        strerror(-error));
}

static int events_add(struct build *build, const char *source)
{
	const struct ledger *ledger = store_ledger(build->store);
	struct damage damage = { .shard = build->shard };
	struct events events;
	struct db_bytes event;
	uint8_t *piece = malloc(PIECE);
	size_t size = 0;
	int result = piece == NULL ? -ENOMEM : events_open(&events, source, build->shard, &damage);

	if (result != 0) {
		free(piece);
		return build_fail(build, damage.what[0] != '\0' ? damage.what : strerror(-result));
	}
	events_seek(&events, ledger_shard(ledger)->lsn + 1);
	while (events.next_lsn <= build->until && (result = events_next(&events, &event)) == 1) {
		if (size + event.size > PIECE) {
			result = store_restore_events(build->store, piece, size);
			size = 0;
			if (result != 0 || (result = store_commit(build->store)) != 0)
				break;
		}
		memcpy(piece + size, event.data, event.size);
		size += event.size;
		result = 0;
	}
	if (result == 0 && size > 0)
		result = store_restore_events(build->store, piece, size);
	if (result == 0)
		result = store_commit(build->store);
	events_close(&events);
	free(piece);
	if (restore_disk_is_full(build->restore, result))
		return build_unwritten(build, result, "/log-*");
	return result == 0
	           ? 0
	           : restore_fail(build->restore, EXIT_MISMATCH, "shard %u: LSN %" PRIu64 ": %s",
	                 build->shard, ledger_shard(ledger)->lsn + 1,
	                 damage.what[0] != '\0' ? damage.what : strerror(-result));
}

static int store_begin(struct build *build, int based)
{
	const struct backup_shard *entry = &build->restore->backup->base.shards[build->shard];
	struct store_report report = { 0 };
	uint64_t end = build->until < entry->last_lsn ? build->until : entry->last_lsn;
	int error;

	error = backup_ledger_size(
	    build->path, build->until, build->restore->shard_count, &build->config.ledger);
	if (restore_disk_is_full(build->restore, error))
		return build_unwritten(build, error, "");
	if (error != 0)
		return build_fail(build, "the rows cannot be counted");
	error = store_open(&build->store, &build->config, &report);
	if (error == 0)
		error = store_load(build->store, &report);
	if (error == 0 && based && end > 0)
		error = store_join_journal(build->store, entry->incarnation, end, &report);
	if (restore_disk_is_full(build->restore, error))
		return build_unwritten(build, error, "");
	return error == 0 ? 0 : build_fail(build, report.message);
}

static int shard_build(struct build *build, uint64_t *hash)
{
	struct from_backup *from = build->restore->backup;
	const struct backup_shard *entry = &from->base.shards[build->shard];
	int based = build->until >= entry->horizon_lsn, error = 0;
	char source[PATH_MAX + 64];

	/* The shards fit together only at a moment before the backup's rows. */
	if (!based && entry->first_lsn > 1)
		return restore_fail(build->restore, EXIT_MISMATCH,
		    "shard %u: to fit the other shards it must end at LSN %" PRIu64
		    ", and the backup goes back to LSN %" PRIu64 " at most, as its older logs had "
		    "been retired; use an older backup with this one as --archive",
		    build->shard, build->until, entry->horizon_lsn);
	if (based)
		error = base_copy(build);
	if (error == 0)
		error = store_begin(build, based);
	from_backup_path(from, build->shard, source);
	if (error == 0 && !based)
		error = events_add(build, source);
	from_archive_path(from, build->shard, source);
	if (error == 0 && build->until > entry->last_lsn)
		error = events_add(build, source);
	if (error == 0 && ledger_shard(store_ledger(build->store))->lsn != build->until)
		error = build_fail(build, "events are missing; run sluice-db backup verify");
	if (error == 0) {
		error = store_checkpoint_now(build->store);
		if (error != 0)
			error = build_unwritten(build, error, "/rows");
	}
	if (error == 0)
		error = restore_hash_make(
		    build->restore, &build->config.ledger, store_ledger(build->store), hash);
	if (error == 0)
		error =
		    restore_links_take(build->restore, build->shard, store_ledger(build->store));
	if (error == 0 &&
	    ledger_shard(store_ledger(build->store))->control_sequence > from->command_sequence)
		from->command_sequence = ledger_shard(store_ledger(build->store))->control_sequence;
	return error;
}

int backup_shard_make(struct restore *restore, uint32_t shard)
{
	const struct from_backup *from = restore->backup;
	const struct backup_shard *entry = &from->base.shards[shard];
	struct build build = {
		.restore = restore,
		.shard = shard,
		.until = restore->until[shard],
		.config = { .shard = shard,
		    .ledger = { .shard = shard,
		        .shard_count = restore->shard_count,
		        .buckets = restore->buckets },
		    .log_rotate_size = 1ull << 30,
		    .checkpoint_interval_ms = 1000 },
	};
	uint64_t hash = 0, incarnation = entry->incarnation;
	int error;

	snprintf(build.path, sizeof(build.path), "%s/shard-%u", restore->building, shard);
	build.config.directory = build.path;
	error = shard_build(&build, &hash);
	store_close(build.store);
	if (error != 0)
		return -1;
	/* Where the backup itself ends it says what the state must be. */
	if (build.until == entry->last_lsn && hash != entry->state_hash)
		return restore_fail(restore, EXIT_MISMATCH,
		    "shard %u: state hash %016" PRIx64 ", the backup says %016" PRIx64
		    "; run sluice-db backup verify",
		    shard, hash, entry->state_hash);
	if (from->archive_is_backup && from->archive.shards[shard].incarnation > incarnation)
		incarnation = from->archive.shards[shard].incarnation;
	return restore_shard_finish(restore, shard, build.until, incarnation, hash);
}
