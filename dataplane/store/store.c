/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "dataplane/store/store_internal.h"

__attribute__((format(printf, 3, 4))) static int say(
    struct store_report *report, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(report->message, sizeof(report->message), format, arguments);
	va_end(arguments);
	return error;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void identity_make(const struct store_config *config, struct record_identity *identity)
{
	*identity = (struct record_identity){
		.header = record_header_make(RECORD_IDENTITY, sizeof(*identity)),
		.shard = le16_make((uint16_t)config->shard),
		.shard_count = le16_make((uint16_t)config->ledger.shard_count),
	};
	memcpy(identity->bucket_shard, config->ledger.buckets.shard, LIMIT_BUCKETS);
}

struct meta_open {
	const struct store_config *config;
	struct record_checkpoint checkpoint; /* out; begin_lsn 0 when there is none */
	struct record_past past;
	struct schema_log_begin log_begin;
	uint32_t version;
	uint8_t other_identity, has_past;
	uint16_t shard_found; /* with other_identity: whose rows these are */
};

/*
 * Version, identity and checkpoint; a new environment gets the first two, an older one this
 * version. Clears the clean flag.
 */
static int meta_body(struct db_txn *txn, void *context)
{
	struct meta_open *meta = context;
	struct record_identity wanted, found;
	int error = schema_version_read(txn, &meta->version);

	memset(&meta->checkpoint, 0, sizeof(meta->checkpoint));
	identity_make(meta->config, &wanted);
	if (error == -ENOENT) {
		meta->version = SCHEMA_VERSION;
		error = schema_version_write(txn);
		return error != 0 ? error : schema_identity_write(txn, &wanted);
	}
	if (error == 0)
		error = schema_identity_read(txn, &found);
	if (error != 0)
		return error == -ENOENT ? -EBADMSG : error;
	if (memcmp(&found, &wanted, sizeof(found)) != 0) {
		meta->other_identity = 1;
		meta->shard_found = le16_get(found.shard);
		return -EINVAL;
	}
	if (meta->version < SCHEMA_VERSION) {
		error = schema_version_write(txn);
		if (error != 0)
			return error;
		meta->version = SCHEMA_VERSION;
	}
	memset(&meta->log_begin, 0, sizeof(meta->log_begin));
	error = schema_log_begin_read(txn, &meta->log_begin);
	if (error != 0 && error != -ENOENT)
		return error;
	error = schema_past_read(txn, &meta->past);
	meta->has_past = error == 0;
	if (error == 0 || error == -ENOENT)
		error = schema_checkpoint_read(txn, &meta->checkpoint);
	if (error == -ENOENT)
		return 0;
	if (error == 0 && meta->checkpoint.clean) {
		meta->checkpoint.clean = 0;
		error = schema_checkpoint_write(txn, &meta->checkpoint);
	}
	return error;
}

static int meta_read(struct store *store, struct store_report *report)
{
	struct meta_open meta = { .config = &store->config };
	int error = db_write(store->rows, meta_body, &meta);

	if (error == -EPROTO && meta.version < SCHEMA_VERSION_FIRST)
		return say(report, error,
		    "%s: written by an older program (schema version %u, this one's is %u), which "
		    "cannot be read on. Begin anew: another root, or tools/down --wipe.",
		    store->directory, meta.version, SCHEMA_VERSION);
	if (error == -EPROTO)
		return say(report, error,
		    "%s/rows: schema version %u is newer than this program's %u. Run the program "
		    "version that wrote it, or a newer one.",
		    store->directory, meta.version, SCHEMA_VERSION);
	/* Nothing is lost then: to begin anew would lose it. */
	if (error != 0 && meta.other_identity && meta.shard_found != store->config.shard)
		return say(report, error,
		    "%s/rows: these are the rows of shard %u, not of shard %u. Give each shard's "
		    "directory its own name again; nothing else is wrong.",
		    store->directory, meta.shard_found, store->config.shard);
	if (error != 0 && meta.other_identity)
		return say(report, error,
		    "%s/rows: written with another shard count. Start with that count, or give "
		    "another root (tools/up: --root DIR, or tools/down --wipe to begin anew).",
		    store->directory);
	if (error != 0)
		return say(report, error, "%s/rows: meta cannot be read (%s). Restore this shard.",
		    store->directory, strerror(-error));
	report->schema_version = meta.version;
	store->checkpoint.lsn = le64_get(meta.checkpoint.begin_lsn);
	store->past = meta.past;
	store->has_past = meta.has_past;
	store->log_begin = meta.log_begin;
	store->incarnation = le64_get(meta.checkpoint.incarnation);
	store->boot_counter = le64_get(meta.checkpoint.boot_counter);
	if (le64_get(meta.checkpoint.log_lsn) > store->log.committed_lsn)
		return say(report, -EBADMSG,
		    "%s: the log ends at LSN %llu, the checkpoint says it held %llu. A log-* "
		    "directory is missing or old; restore it.",
		    store->directory, (unsigned long long)store->log.committed_lsn,
		    (unsigned long long)le64_get(meta.checkpoint.log_lsn));
	return 0;
}

static int parts_open(struct store *store, struct store_report *report)
{
	int error;

	if (mkdir(store->directory, 0750) != 0 && errno != EEXIST)
		return say(report, -errno, "%s: cannot be created (%s).", store->directory,
		    strerror(errno));
	store->ledger = ledger_create(&store->config.ledger);
	if (store->ledger == NULL)
		return say(report, -ENOMEM,
		    "Not enough memory for the store's copy of shard %u. Lower the capacity.",
		    store->config.shard);
	error = schema_rows_open(&store->rows, store->directory, 0);
	if (error != 0)
		return say(report, error, "%s/rows: cannot be opened (%s).", store->directory,
		    strerror(-error));
	error = log_writer_open(&store->log, store->directory, &store->config);
	if (error == -EBADMSG && store->log.gap_last + 1 >= store->log.gap_env &&
	    store->log.gap_next != 0)
		return say(report, error,
		    "%s: log-%016llx ends at LSN %llu, the next one is log-%016llx: one between is "
		    "missing, or not whole. Put it back, or restore this shard.",
		    store->directory, (unsigned long long)store->log.gap_env,
		    (unsigned long long)store->log.gap_last,
		    (unsigned long long)store->log.gap_next);
	if (error != 0 && store->log.gap_next != 0)
		return say(report, error,
		    "%s/log-%016llx: cannot be read (%s). Put it back, or restore this shard.",
		    store->directory, (unsigned long long)store->log.gap_env, strerror(-error));
	if (error != 0)
		return say(report, error, "%s/log-*: cannot be opened (%s)%s.", store->directory,
		    strerror(-error), error == -EBADMSG ? "; the last block is damaged" : "");
	return meta_read(store, report);
}

static uint32_t room_more(uint32_t capacity)
{
	uint64_t more = (uint64_t)capacity + capacity / 4 + 4096, most = (1u << 30) - 1;

	return (uint32_t)(more < most ? more : most);
}

struct ledger_config store_ledger_config(const struct ledger_config *worker)
{
	struct ledger_config config = *worker;

	config.track_checkpoint = 1;
	config.bets_max = room_more(worker->bets_max);
	config.objects_max = room_more(worker->objects_max);
	/* Used only while retired rows wait for a checkpoint. */
	config.bets_spare = config.bets_max - worker->bets_max;
	config.objects_spare = config.objects_max - worker->objects_max;
	return config;
}

int store_open(struct store **out, const struct store_config *config, struct store_report *report)
{
	struct store *store = calloc(1, sizeof(*store));
	uint64_t begun = monotonic_ns();
	int error;

	memset(report, 0, sizeof(*report));
	if (store == NULL)
		return say(report, -ENOMEM, "Out of memory.");
	store->config = *config;
	store->config.ledger = store_ledger_config(&config->ledger);
	store->directory = strdup(config->directory);
	store->config.directory = store->directory;
	error = store->directory == NULL ? say(report, -ENOMEM, "Out of memory.")
	                                 : parts_open(store, report);
	if (error != 0) {
		store_close(store);
		return error;
	}
	report->checkpoint_lsn = store->checkpoint.lsn;
	report->applied_lsn = store->log.committed_lsn;
	report->incarnation = store->incarnation;
	report->nanoseconds = monotonic_ns() - begun;
	store_publish(store);
	*out = store;
	return 0;
}

int store_load(struct store *store, struct store_report *report)
{
	static const char *const names[] = {
#define TABLE_NAME(name, text) [SCHEMA_##name] = text,
		SCHEMA_ROW_TABLES(TABLE_NAME)
#undef TABLE_NAME
	};
	uint64_t begun = monotonic_ns();
	struct rows_loaded loaded = { 0 };
	struct db_txn txn;
	int error;

	SLUICE_REQUIRE(!store->loaded);
	error = db_read_open(&txn, store->rows);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0) {
			error = rows_load(&txn, store->ledger, &loaded);
			db_read_end(&txn);
		}
		db_read_close(&txn);
	}
	if (error == -ENOSPC)
		return say(report, error,
		    "%s/rows: more rows in table %s than the configuration "
		    "has room for. Raise the capacity.",
		    store->directory, names[loaded.table]);
	if (error != 0)
		return say(report, error,
		    "%s/rows: table %s, key %llu cannot be loaded (%s). Restore this shard.",
		    store->directory, names[loaded.table], (unsigned long long)loaded.key,
		    strerror(-error));
	if (loaded.lsn_max > store->log.committed_lsn)
		return say(report, -EBADMSG,
		    "%s: rows hold LSN %llu, the log ends at %llu. A log-* directory is missing or "
		    "old; restore it.",
		    store->directory, (unsigned long long)loaded.lsn_max,
		    (unsigned long long)store->log.committed_lsn);
	if (rows_state_differs(&loaded, store->ledger)) {
		store_count(&store->status_divergences);
		return say(report, -EBADMSG,
		    "the rows in %s/rows are damaged: their state at LSN %llu is not the one that "
		    "was written down with them. Run sluice-db verify to see what log and journal "
		    "hold, then restore this shard (sluice-db backup restore, or restore "
		    "--from-postgres)",
		    store->directory, (unsigned long long)loaded.begin_lsn);
	}
	store->compare_from_lsn = loaded.lsn_max;
	store->loaded = 1;
	report->accounts = loaded.rows[LEDGER_ACCOUNT];
	report->bets = loaded.rows[LEDGER_BET];
	report->markets = loaded.rows[LEDGER_MARKET];
	report->terminals = loaded.rows[LEDGER_TERMINAL];
	report->objects = loaded.rows[LEDGER_OBJECT];
	report->nanoseconds = monotonic_ns() - begun;
	store_publish(store);
	return 0;
}

const struct ledger *store_ledger(const struct store *store)
{
	return store->ledger;
}

const struct record_past *store_past(const struct store *store)
{
	return store->has_past ? &store->past : NULL;
}

uint64_t store_checkpoint_lsn(const struct store *store)
{
	return store->checkpoint.lsn;
}

void store_count(_Atomic uint64_t *counter)
{
	/* Release: pairs with the acquire in store_status. One writer, so load and store suffice.
	 */
	atomic_store_explicit(
	    counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_release);
}

int store_fail(struct store *store, int error)
{
	if (store->failed == 0) {
		store->failed = error;
		db_write_abort(&store->checkpoint.txn);
		store_count(&store->status_errors);
	}
	return store->failed;
}

void store_publish(struct store *store)
{
	/* Release: pairs with the acquire in store_status. */
#define PUBLISH(field, value) atomic_store_explicit(&store->field, value, memory_order_release)
	PUBLISH(status_checkpoint_lsn, store->checkpoint.lsn);
	PUBLISH(status_committed_lsn, store->log.committed_lsn);
	PUBLISH(status_applied_lsn, ledger_shard(store->ledger)->lsn);
	PUBLISH(status_log_bytes, log_writer_size(&store->log));
	PUBLISH(status_row_bytes, db_env_used(store->rows));
	PUBLISH(status_log_map, db_env_map_size(store->log.env));
	PUBLISH(status_row_map, db_env_map_size(store->rows));
	PUBLISH(status_waiting, (uint64_t)-store->waiting);
	PUBLISH(status_table_full, store->table_full);
#undef PUBLISH
}

void store_status(const struct store *store, struct store_status *status)
{
	/* Acquire: pairs with the release in store_publish and store_count. */
#define TAKE(field) atomic_load_explicit(&store->status_##field, memory_order_acquire)
	*status = (struct store_status){
		.checkpoint_lsn = TAKE(checkpoint_lsn),
		.committed_lsn = TAKE(committed_lsn),
		.applied_lsn = TAKE(applied_lsn),
		.batches_from_files = TAKE(batches_from_files),
		.divergences = TAKE(divergences),
		.errors = TAKE(errors),
		.log_bytes = TAKE(log_bytes),
		.row_bytes = TAKE(row_bytes),
		.log_map = TAKE(log_map),
		.row_map = TAKE(row_map),
		.waiting = TAKE(waiting),
		.waits = TAKE(waits),
		.table_full = TAKE(table_full),
	};
#undef TAKE
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	checkpoint_free(store);
	log_writer_close(&store->log);
	db_env_close(store->rows);
	ledger_free(store->ledger);
	free(store->directory);
	free(store);
}
