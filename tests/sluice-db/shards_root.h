/* SPDX-License-Identifier: Apache-2.0 */
/* The logs of several shards (tests/ledger/shards.h) written as a root: log, rows, checkpoints. */
#ifndef SLUICE_TESTS_SLUICE_DB_SHARDS_ROOT_H
#define SLUICE_TESTS_SLUICE_DB_SHARDS_ROOT_H

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"
#include "dataplane/store/store.h"
#include "lmdb-schema/schema.h"
#include "tests/ledger/shards.h"

#define ROOT_BATCH_EVENTS 50
/* All roots of these streams are of one journal, however far they go: rows and journal say so. */
#define ROOT_INCARNATION 78

/* Changes an event before it is written; 1: it did. At most once a shard. */
typedef int root_change(struct event_view *view, uint8_t *event);

struct root_writer {
	struct ledger *ledger; /* the worker's view, for the state hash */
	struct store *store;
	uint8_t *batch;
	size_t size;
	uint32_t count;
	uint64_t first_lsn, changed_lsn, time_ns;
	unsigned batches;
};

static inline void root_batch_close(struct root_writer *writer, int checkpoint)
{
	struct journal_batch batch = { .events = writer->batch };

	if (writer->count == 0)
		return;
	batch.header = (struct journal_batch_header){
		.first_lsn = le64_make(writer->first_lsn),
		.incarnation = le64_make(ROOT_INCARNATION),
		.event_count = le32_make(writer->count),
		.body_length = le32_make((uint32_t)writer->size),
		.time_ns = le64_make(writer->time_ns),
		.state_hash = le64_make(ledger_state_hash(writer->ledger)),
	};
	assert_int_equal(store_apply_batch(writer->store, &batch), 0);
	if (checkpoint)
		assert_int_equal(store_checkpoint_now(writer->store), 0);
	else
		assert_int_equal(store_commit(writer->store), 0);
	writer->size = writer->count = 0;
	writer->batches++;
}

/* 0, or what the ledger says to an event that was changed (and is then the first not written). */
static inline int root_event(struct root_writer *writer, const uint8_t *event, size_t length)
{
	struct event_record record;
	int error = ledger_apply(writer->ledger, event, length);

	if (error != 0)
		return error;
	memcpy(&record, event, sizeof(record));
	if (writer->count == 0)
		writer->first_lsn = le64_get(record.lsn);
	memcpy(writer->batch + writer->size, event, length);
	writer->size += length;
	writer->count++;
	writer->time_ns = le64_get(record.time_ns);
	return 0;
}

static inline void root_journal_rename(const char *directory, uint32_t shard, uint64_t incarnation)
{
	struct journal_meta meta;
	int fd = open(directory, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	assert_int_equal(journal_meta_read(fd, shard, &meta), 0);
	meta.incarnation = incarnation;
	assert_int_equal(journal_meta_write(fd, &meta), 0);
	close(fd);
}

/* A journal that begins behind what was written: a root in use has one. */
static inline void root_journal_begin(const char *path, uint32_t shard, uint64_t last)
{
	char directory[180], why[256] = "";
	struct journal_config config = {
		.directory = directory,
		.shard = shard,
		.segment_size = LIMIT_JOURNAL_SEGMENT_SIZE_MIN,
		.segments_ready = 1,
		.segments_max = 2,
		.depth = 1,
		.allow_volatile = 1,
	};
	uint64_t incarnation = 0;

	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (last != 0 && journal_begin(&config, last, 77, &incarnation, why, sizeof(why)) != 0)
		fail_msg("%s: %s", directory, why);
	if (last != 0)
		root_journal_rename(directory, shard, ROOT_INCARNATION);
}

/* Bytes of log that root_shard_write keeps, so that older ones are put away; 0: all. */
static uint64_t root_logs_keep;

/*
 * One shard, up to LSN `last`. `every` batches a checkpoint; 1: the last one too. Returns the LSN
 * that was changed, 0 none.
 */
static inline uint64_t root_shard_write(const struct shards *shards, uint32_t shard,
    const char *root, uint64_t last, unsigned every, root_change *change)
{
	const struct shard_log *log = &shards->log[shard];
	struct store_config config = {
		.shard = shard,
		.ledger = shards->config[shard],
		.log_rotate_size = root_logs_keep / 2,
		.log_keep_size = root_logs_keep,
	};
	struct root_writer writer = { .batch = malloc(LIMIT_JOURNAL_BATCH_SIZE_MAX) };
	struct store_report report;
	char path[160], command[400];

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
	snprintf(command, sizeof(command), "rm -rf '%s'; mkdir -p '%s'", path, path);
	assert_int_equal(system(command), 0);
	config.directory = path;
	assert_non_null(writer.batch);
	writer.ledger = ledger_create(&config.ledger);
	if (store_open(&writer.store, &config, &report) != 0 ||
	    store_load(writer.store, &report) != 0)
		fail_msg("%s", report.message);
	for (uint64_t lsn = 1; lsn <= last; lsn++) {
		struct event_buffer event;
		struct event_view view;
		struct event_record record;
		size_t length;

		assert_int_equal(event_view_read(log->bytes + log->at[lsn - 1],
		                     log->size - log->at[lsn - 1], &view),
		    0);
		length = le16_get(view.record.length);
		memcpy(event.bytes, log->bytes + log->at[lsn - 1], length);
		if (change != NULL && writer.changed_lsn == 0 && change(&view, event.bytes))
			writer.changed_lsn = lsn;
		memcpy(&record, event.bytes, sizeof(record));
		length = le16_get(record.length);
		if (root_event(&writer, event.bytes, length) != 0) {
			/* Only a changed log stops fitting its own ledger. */
			assert_true(writer.changed_lsn != 0 && lsn > writer.changed_lsn);
			break;
		}
		if (writer.count == ROOT_BATCH_EVENTS)
			root_batch_close(&writer, writer.batches % every == every - 1);
	}
	root_batch_close(&writer, every == 1);
	store_close(writer.store);
	root_journal_begin(path, shard, ledger_shard(writer.ledger)->lsn);
	ledger_free(writer.ledger);
	free(writer.batch);
	return writer.changed_lsn;
}

static inline uint64_t root_last(const struct shards *shards, uint32_t shard)
{
	return ledger_shard(shards->ledger[shard])->lsn;
}

/* A new log environment on each shard, empty as yet: so it is until the next event, when the last
 * commit filled the one before. */
static inline void root_logs_rotate(const char *root, const uint64_t last[SHARDS])
{
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		char path[160];
		struct db_env *env;

		snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
		assert_int_equal(schema_log_open(&env, path, last[shard] + 1, 0), 0);
		db_env_close(env);
	}
}

static inline int root_log_begin_write(struct db_txn *txn, void *context)
{
	const uint64_t *first_lsn = context;
	struct schema_log_begin begin;
	int error = schema_log_begin_read(txn, &begin);

	begin.first_lsn = *first_lsn;
	return error != 0 ? error : schema_log_begin_write(txn, &begin);
}

/*
 * The only log environment of a shard is gone, behind its last event a new one begins. `said`: it
 * was retired, as the store does it: the rows say so; else it is lost.
 */
static inline void root_log_remove(const char *root, uint32_t shard, uint64_t last, int said)
{
	uint64_t first_lsn = last + 1;
	char path[160];
	struct db_env *env;

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
	if (said) {
		assert_int_equal(schema_rows_open(&env, path, 0), 0);
		assert_int_equal(db_write(env, root_log_begin_write, &first_lsn), 0);
		db_env_close(env);
	}
	assert_int_equal(schema_log_remove(path, 1), 0);
	assert_int_equal(schema_log_open(&env, path, first_lsn, 0), 0);
	db_env_close(env);
}

static inline void root_make(char path[64])
{
	memcpy(path, "/var/tmp/sluice-root-XXXXXX", sizeof("/var/tmp/sluice-root-XXXXXX"));
	assert_non_null(mkdtemp(path));
}

static inline void root_remove(const char *path)
{
	char command[240];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

/* Exit status of `sluice-db` with these arguments; *answer is its JSON or NULL. */
static inline int root_run(const char *arguments, json_t **answer)
{
	char command[2048];
	FILE *stream;
	int status;

	assert_non_null(getenv("SLUICE_DB")); /* meson sets it */
	snprintf(command, sizeof(command), "'%s' %s", getenv("SLUICE_DB"), arguments);
	stream = popen(command, "r");
	assert_non_null(stream);
	*answer = json_loadf(stream, 0, NULL);
	while (fgetc(stream) != EOF)
		;
	status = pclose(stream);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#endif
