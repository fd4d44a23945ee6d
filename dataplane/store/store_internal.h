/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the store. Private to dataplane/store. */
#ifndef SLUICE_STORE_INTERNAL_H
#define SLUICE_STORE_INTERNAL_H

#include <stdatomic.h>

#include "dataplane/store/rows.h"
#include "dataplane/store/store.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"

/* ---- Log writer ---- */

#define LOG_PENDING_BLOCKS 32 /* in memory at most; about 2 MiB */

struct log_block {
	uint64_t first_lsn;
	uint32_t count, length;              /* of the events */
	uint8_t stored;                      /* a shorter form is in the environment already */
	uint8_t changed;                     /* not as stored */
	uint8_t bytes[LIMIT_LOG_BLOCK_SIZE]; /* room for log_block_header in front */
};

struct log_env_info {
	uint64_t first_lsn, size;
};

struct log_writer {
	const char *directory;
	uint64_t rotate_size, keep_size;
	struct db_env *env;        /* the newest */
	struct log_env_info *envs; /* ascending */
	uint32_t env_count, env_room;
	uint64_t last_lsn;        /* in memory */
	uint64_t committed_lsn;   /* in the environment */
	struct log_block *blocks; /* LOG_PENDING_BLOCKS; [0] may be stored in a shorter form */
	uint32_t block_count;
	struct log_index *index; /* events that are in no run of the environment yet */
	/* Refused at the open: the environment and the next one the list has, by their first LSNs,
	 * that do not follow each other; gap_next 0: none. */
	uint64_t gap_env, gap_last, gap_next;
	uint8_t puts_run; /* the commit under way puts one */
	uint8_t is_old;   /* the newest environment is of schema version 2: not appended to */
};

/* Sizes and log_run_events of the configuration; `directory` must last. */
SLUICE_MUST_USE int log_writer_open(
    struct log_writer *log, const char *directory, const struct store_config *config);
void log_writer_close(struct log_writer *log);
/* Adds one event with LSN last_lsn + 1. Commits by itself when memory is full. */
SLUICE_MUST_USE int log_writer_append(struct log_writer *log, const uint8_t *event, size_t length);
/* All that is in memory becomes durable. May begin a new environment afterwards. */
SLUICE_MUST_USE int log_writer_commit(struct log_writer *log);
/* First LSN of what is left when the oldest environments above keep_size are retired, all their
 * events being below `lsn`. */
uint64_t log_writer_kept(const struct log_writer *log, uint64_t lsn);
/* Removes those that begin before it. */
SLUICE_MUST_USE int log_writer_retire(struct log_writer *log, uint64_t kept_lsn);
/* Blocks that are full and not committed. */
static inline uint32_t log_writer_full(const struct log_writer *log)
{
	return log->block_count <= 1 ? 0 : log->block_count - 1 - !log->blocks[0].changed;
}
uint64_t log_writer_size(const struct log_writer *log);
/* 1: a whole batch of the journal fits into memory, so that taking it commits nothing. */
int log_writer_has_room(const struct log_writer *log);

/* ---- Checkpoint ---- */

enum checkpoint_phase {
	CHECKPOINT_IDLE,
	CHECKPOINT_GATHER, /* row numbers off the dirty list */
	CHECKPOINT_SORT,   /* in runs */
	CHECKPOINT_WRITE,  /* runs merged into slices */
	CHECKPOINT_FINISH, /* meta */
};

/* A row costs 1/16 page at least (checkpoint.c). */
#define CHECKPOINT_SLICE_ROWS_MAX (LIMIT_CHECKPOINT_SLICE_SIZE / 256)

struct checkpoint_row {
	uint64_t id;
	uint32_t row;
	uint32_t retired; /* 1: when its number was taken */
};

/* One sorted stretch of `rows`; merged by a heap on the id at `next`. */
struct checkpoint_run {
	uint64_t id; /* of rows[next] */
	uint32_t next, end;
};
#define CHECKPOINT_RUN 4096u /* rows of a run; one is sorted a turn */

struct checkpoint {
	enum checkpoint_phase phase;
	enum ledger_table table;
	struct shard_row begin; /* shard row as of the begin: begin.lsn is the checkpoint */
	struct checkpoint_row *rows;
	uint32_t count, sorted, room;
	struct checkpoint_run *heap;
	uint32_t heap_count, heap_room;
	struct checkpoint_run *slice_heap; /* as the open slice began */
	uint32_t slice_heap_count;
	uint32_t released_count; /* numbers of retired rows the open slice has written */
	uint32_t released[CHECKPOINT_SLICE_ROWS_MAX];
	uint64_t released_total; /* since the start */
	struct db_txn txn;       /* of the open slice */
	struct db_cursor cursor; /* where it writes open rows; cursor NULL: not begun */
	struct checkpoint_row scratch[CHECKPOINT_RUN]; /* for sorting a run */
	uint64_t slice_left; /* bytes of pages the open slice may still dirty */
	uint64_t row_cost;   /* estimate of dirty page bytes per row */
	uint64_t begun_ns;
	uint64_t finished_ns, cycle_ns; /* of the last cycle */
	uint64_t lsn;                   /* durable checkpoint */
	uint8_t clean;                  /* the cycle ends an orderly stop */
};

struct store {
	struct store_config config;
	char *directory;
	struct ledger *ledger;
	struct db_env *rows;
	struct log_writer log;
	struct checkpoint checkpoint;
	uint64_t incarnation, boot_counter;
	struct schema_log_begin log_begin; /* as the rows say */
	uint64_t compare_from_lsn;         /* rows may be ahead of the shard row up to here */
	struct shard_row batch_begin;      /* as of the begin of the batch being applied */
	uint8_t in_batch;
	uint64_t commit_ns; /* time of the last commit seen by store_work */
	uint64_t reader_check_ns;
	int failed; /* 0 or the -errno that stopped it */
	/* The disk is full: nothing is taken, what is due is tried again. 0 or the -errno. */
	int waiting;
	uint64_t waiting_ns; /* of the last try */
	uint8_t table_full;  /* -ENOSPC is of the ledger: rows in use fill a table */
	uint8_t loaded;
	uint8_t has_past;
	struct record_past past; /* of the rows' meta */
	/* A batch taken from the feed while the gap before it is read from the files. */
	struct journal_batch held;
	uint64_t seen_lsn; /* durable when it was last looked for a batch */
	uint8_t is_held;
	uint8_t hurried;               /* store_hurry */
	struct journal_position after; /* the last batch applied; generation 0: unknown */
	uint64_t reader_next_lsn;      /* where the reader stands; 0 unknown */
	/* Published: each stored with release in the store thread, loaded with acquire in
	 * store_status. */
	_Atomic uint64_t status_applied_lsn, status_committed_lsn, status_checkpoint_lsn;
	_Atomic uint64_t status_batches_from_files, status_divergences, status_errors;
	_Atomic uint64_t status_log_bytes, status_row_bytes, status_log_map, status_row_map;
	_Atomic uint64_t status_waiting, status_waits, status_table_full;
};

/* Writes where the log begins, unless the rows say so already. 0 or -errno. */
SLUICE_MUST_USE int store_log_begin_set(struct store *store, uint64_t first_lsn);

/*
 * An error of a turn. Of a full disk (or a map that cannot grow): remembered, and the turn is tried
 * again a second later, as everything is still in memory or in the journal's segments: 0. Else
 * final, as store_fail.
 */
int store_wait(struct store *store, int error, uint64_t now_ns);
/* 1: it is too early to try again. */
int store_waits(const struct store *store, uint64_t now_ns);
/* The turn went through. */
void store_wait_end(struct store *store);
/* Remembers a failure: the store does nothing more. Returns it. */
int store_fail(struct store *store, int error);
void store_publish(struct store *store);
/* Adds one to a published counter; store thread only. */
void store_count(_Atomic uint64_t *counter);

/*
 * ledger_apply; where a table is full of retired rows they are written to their closed tables
 * first. -ENOSPC: the rows in use alone fill it.
 */
SLUICE_MUST_USE int store_event_apply(struct store *store, const uint8_t *event, size_t length);
/* 1: a table for rows that retire is nearly full: a checkpoint should not wait for its interval. */
int store_room_low(const struct store *store);

/* One piece of checkpoint work: 1 did something, 0 idle, -errno. */
SLUICE_MUST_USE int checkpoint_work(struct store *store, uint64_t now_ns);
/* now_ns: UINT64_MAX where the time is not known; then how long it takes is not, either. */
SLUICE_MUST_USE int checkpoint_begin(struct store *store, uint64_t now_ns);
/* Sorts the next run of the rows taken; after the last one the merge begins. 1, -errno. */
SLUICE_MUST_USE int checkpoint_sort(struct store *store);
/* The run at `at` of the heap has moved on: puts the heap right again. */
void checkpoint_heap_sift(struct checkpoint *checkpoint, uint32_t at);
void checkpoint_free(struct store *store);

#endif
