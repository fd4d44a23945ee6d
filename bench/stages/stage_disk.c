/* SPDX-License-Identifier: Apache-2.0 */
/* Journal and LMDB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/stages/stages.h"
#include "dataplane/journal/batch.h"
#include "dataplane/journal/journal.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"

#define EVENT_SIZE   264 /* of an accepted bet with one leg, about */
#define BATCH_EVENTS 61  /* 16 KiB with the header */
#define BLOCK_EVENTS (LOG_BLOCK_ROOM / EVENT_SIZE)
#define WAIT_US      100000
#define FEED_BUFFERS 64
#define RUNS_MAX     2000

/* ---- a batch in memory ---- */

struct batch_context {
	struct journal_batch_header header;
	uint8_t body[BATCH_EVENTS * EVENT_SIZE];
	uint8_t event[EVENT_SIZE];
};

static void *create_batch(const char *directory)
{
	(void)directory;
	return stages_alloc(sizeof(struct batch_context));
}

static void prepare_batch(void *opaque)
{
	struct batch_context *context = opaque;

	context->event[0]++;
	context->header = (struct journal_batch_header){ .first_lsn = le64_make(1),
		.event_count = le32_make(BATCH_EVENTS),
		.body_length = le32_make(sizeof(context->body)) };
}

STAGE_RUN(batch)
{
	struct batch_context *context = opaque;

	for (unsigned i = 0; i < BATCH_EVENTS; i++)
		memcpy(context->body + (size_t)i * EVENT_SIZE, context->event, EVENT_SIZE);
	journal_batch_seal(&context->header, context->body);
	stages_keep(le64_get(context->header.header_checksum));
}

/* ---- a journal on the disk ---- */

struct journal_context {
	char directory[512];
	struct journal_config config;
	struct journal_keeper *keeper;
	struct journal_feed *feed;
	struct journal_writer *writer;
	uint64_t next_lsn;
	uint8_t event[EVENT_SIZE];
};

static int nothing(void *context, const struct journal_batch *batch)
{
	(void)context;
	(void)batch;
	return 0;
}

static int journal_start(struct journal_context *context)
{
	struct journal_report report = { .damage = "" };
	char message[256] = "";
	int result = journal_recover(&context->config, 1, 0, nothing, NULL, &report);

	if (result == 0)
		result = journal_keeper_create(&context->keeper, &context->config, &report.end);
	if (result == 0)
		result = journal_feed_create(&context->feed, FEED_BUFFERS, context->config.depth);
	if (result == 0)
		result = journal_writer_open(&context->writer, &context->config, &report,
		    context->feed, context->keeper, message, sizeof(message));
	if (result != 0)
		fprintf(stderr, "Cannot make a journal in %s: %s%s.\n", context->directory,
		    report.damage, message);
	context->next_lsn = report.end.next_lsn;
	/* All files are made before anything is measured; later ones are recycled. */
	while (result == 0 && journal_keeper_work(context->keeper, 0) == 1)
		;
	return result;
}

static void journal_stop(struct journal_context *context)
{
	if (context->writer != NULL)
		journal_writer_free(context->writer);
	if (context->keeper != NULL)
		journal_keeper_free(context->keeper);
	if (context->feed != NULL)
		journal_feed_free(context->feed);
	free(context);
}

static void *create_journal(const char *directory)
{
	struct journal_context *context = stages_alloc(sizeof(*context));

	snprintf(context->directory, sizeof(context->directory), "%s/journal", directory);
	context->config = (struct journal_config){ .directory = context->directory,
		.segment_size = 32u << 20,
		.segments_ready = 2,
		.segments_max = 8,
		.depth = 2,
		.allow_volatile = 1 };
	if (journal_start(context) == 0)
		return context;
	journal_stop(context);
	return NULL;
}

static void finish_journal(void *opaque)
{
	struct journal_context *context = opaque;

	while (journal_writer_in_flight(context->writer) > 0) {
		journal_writer_wait(context->writer, WAIT_US);
		(void)journal_writer_poll(context->writer);
	}
	journal_stop(context);
}

static void batch_close(struct journal_context *context)
{
	SLUICE_REQUIRE(journal_writer_close_batch(context->writer, 0, 0) == 0);
}

/* What store thread and keeper do meanwhile; waits until nothing is in flight. */
static void upkeep(struct journal_context *context)
{
	uint64_t durable = journal_writer_poll(context->writer), lsn;
	struct journal_batch batch;

	while (journal_writer_in_flight(context->writer) > 0) {
		journal_writer_wait(context->writer, WAIT_US);
		durable = journal_writer_poll(context->writer);
	}
	SLUICE_REQUIRE(journal_writer_error(context->writer) == 0);
	while (journal_feed_take(context->feed, &batch, &lsn))
		journal_feed_return(context->feed);
	while (journal_keeper_work(context->keeper, durable) == 1)
		;
}

static void batch_fill(struct journal_context *context)
{
	for (unsigned i = 0; i < BATCH_EVENTS; i++) {
		void *room = journal_writer_reserve(context->writer, EVENT_SIZE);

		SLUICE_REQUIRE(room != NULL);
		memcpy(room, context->event, EVENT_SIZE);
		journal_writer_append(context->writer, context->next_lsn++, 0, EVENT_SIZE);
	}
}

static void prepare_append(void *opaque)
{
	struct journal_context *context = opaque;

	if (context->next_lsn > 1)
		batch_close(context);
	upkeep(context);
}

STAGE_RUN(journal_append)
{
	batch_fill(opaque);
}

static void prepare_submit(void *opaque)
{
	upkeep(opaque);
	batch_fill(opaque);
}

STAGE_RUN(journal_submit)
{
	batch_close(opaque);
}

/* Closed, submitted, waited for. */
STAGE_RUN(journal_write)
{
	struct journal_context *context = opaque;
	uint64_t target = context->next_lsn - 1;

	batch_close(context);
	while (journal_writer_poll(context->writer) < target)
		;
}

/* ---- LMDB ---- */

struct lmdb_context {
	struct db_env *env;
	struct db_txn txn;
	uint64_t next_lsn;
	int open;
	uint8_t block[LIMIT_LOG_BLOCK_SIZE];
};

static void *create_lmdb(const char *directory)
{
	struct lmdb_context *context = stages_alloc(sizeof(*context));

	context->next_lsn = 1;
	if (schema_log_open(&context->env, directory, 1, 0) == 0)
		return context;
	fprintf(stderr, "Cannot make an LMDB environment in %s.\n", directory);
	free(context);
	return NULL;
}

static void block_append(struct lmdb_context *context)
{
	struct db_key key = db_key_make(context->next_lsn);

	SLUICE_REQUIRE(db_append(&context->txn, SCHEMA_BLOCK, db_key(&key),
	                   (struct db_bytes){ context->block, sizeof(context->block) }) == 0);
	context->next_lsn += BLOCK_EVENTS;
}

static void transaction_begin(struct lmdb_context *context)
{
	SLUICE_REQUIRE(db_env_reserve(context->env, 16u << 20) == 0);
	SLUICE_REQUIRE(db_write_begin(&context->txn, context->env) == 0);
	context->open = 1;
}

static void transaction_commit(struct lmdb_context *context)
{
	context->open = 0;
	SLUICE_REQUIRE(db_write_commit(&context->txn) == 0);
}

static void prepare_block(void *opaque)
{
	struct lmdb_context *context = opaque;

	if (context->open)
		transaction_commit(context);
	transaction_begin(context);
}

STAGE_RUN(lmdb_block)
{
	struct lmdb_context *context = opaque;

	log_block_seal(context->block, BLOCK_EVENTS, BLOCK_EVENTS * EVENT_SIZE);
	block_append(context);
}

static void prepare_commit(void *opaque)
{
	struct lmdb_context *context = opaque;

	transaction_begin(context);
	block_append(context);
}

STAGE_RUN(lmdb_commit)
{
	transaction_commit(opaque);
}

static void finish_lmdb(void *opaque)
{
	struct lmdb_context *context = opaque;

	if (context->open)
		db_write_abort(&context->txn);
	db_env_close(context->env);
	free(context);
}

/* ---- a run of the request index ---- */

struct run_context {
	struct lmdb_context *lmdb;
	struct log_index *index;
	uint64_t next_lsn, random;
	uint64_t request_ids[STAGES_TERMINALS];
};

static void *create_run(const char *directory)
{
	struct run_context *context = stages_alloc(sizeof(*context));

	context->lmdb = create_lmdb(directory);
	if (context->lmdb == NULL) {
		free(context);
		return NULL;
	}
	context->index = log_index_create(LOG_RUN_EVENTS);
	SLUICE_REQUIRE(context->index != NULL);
	context->next_lsn = 1;
	context->random = STAGES_SEED;
	return context;
}

/* The events of a run, noted; its transaction begun. */
static void prepare_run(void *opaque)
{
	struct run_context *context = opaque;

	prepare_block(context->lmdb);
	log_index_begin(context->index, context->next_lsn);
	for (unsigned i = 0; i < LOG_RUN_EVENTS; i++) {
		uint64_t terminal = stages_random(&context->random) % STAGES_TERMINALS;
		struct event_record record = { .lsn = le64_make(context->next_lsn++),
			.terminal_id = le64_make(terminal + 1),
			.request_id = le64_make(++context->request_ids[terminal]),
			.type = le16_make(EVENT_PLACE_BET) };

		log_index_note(context->index, &record);
	}
}

STAGE_RUN(log_run)
{
	struct run_context *context = opaque;

	SLUICE_REQUIRE(log_index_put(context->index, &context->lmdb->txn, 0) == 0);
}

static void finish_run(void *opaque)
{
	struct run_context *context = opaque;

	finish_lmdb(context->lmdb);
	log_index_free(context->index);
	free(context);
}

/* clang-format off */
const struct stage stages_disk[] = {
	{ "batch", "event", "61 events copied into a batch of 16 KiB, both checksums",
	    create_batch, prepare_batch, stage_run_batch, free, BATCH_EVENTS, 0, 0, 0, 0 },
	{ "journal_append", "event", "the same into the open batch of a journal, no checksum yet",
	    create_journal, prepare_append, stage_run_journal_append, finish_journal,
	    BATCH_EVENTS, RUNS_MAX, 1, 0, 1 },
	{ "journal_submit", "batch", "that batch closed and submitted; the write goes on behind",
	    create_journal, prepare_submit, stage_run_journal_submit, finish_journal,
	    1, RUNS_MAX, 1, 0, 1 },
	{ "journal_write", "batch", "that batch until it is durable, one at a time",
	    create_journal, prepare_submit, stage_run_journal_write, finish_journal,
	    1, RUNS_MAX, 1, 0, 1 },
	{ "lmdb_block", "event", "a log block of 248 events sealed and put into a transaction",
	    create_lmdb, prepare_block, stage_run_lmdb_block, finish_lmdb,
	    BLOCK_EVENTS, RUNS_MAX, 1, 0, 0 },
	{ "log_run", "event", "a run of the request index of 4,096 events sorted, merged, put",
	    create_run, prepare_run, stage_run_log_run, finish_run,
	    LOG_RUN_EVENTS, RUNS_MAX, 1, 0, 0 },
	{ "lmdb_commit", "commit", "the commit of one such block, synced",
	    create_lmdb, prepare_commit, stage_run_lmdb_commit, finish_lmdb,
	    1, RUNS_MAX, 1, 0, 1 },
};
/* clang-format on */
const unsigned stages_disk_count = SLUICE_ARRAY_COUNT(stages_disk);
