/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzy checkpoint, in pieces.
 *
 * Begin takes the shard row. Then, table by table: row numbers are taken off the ledger's dirty
 * list until it is empty (every row that an event up to the begin has changed is then taken or
 * written); ids are looked up and sorted in runs; the runs are merged into the environment in key
 * order, some hundred rows per turn, in transactions ("slices") that dirty half a MiB of pages at
 * most. A row is written as it is at that moment, so it may be newer than the begin; before a slice
 * commits, the log is committed, so rows never run ahead of it. The last transaction writes the
 * begin into `meta`, and only that makes the checkpoint.
 *
 * A row that had retired when its number was taken goes into the closed table and out of the open
 * one in one transaction; its number is released only once that is committed, as the ledger gives
 * it to another row then. One that retires between taking and writing is written as open (its bytes
 * stay as they were) and is taken again as retired. An id can be in one cycle several times (an
 * object that retired and was made again): in the order in which the ledger listed them, the last
 * one wins.
 *
 * Each slice also writes the horizon, the last event applied: what is missing from the open tables
 * has retired by an event up to it.
 *
 * A crash anywhere leaves the checkpoint before, with some rows newer than it: what replay expects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/store/store_internal.h"

#define LOW_PAUSE_NS 1000000000ull /* between checkpoints that are to make room */
/* Between cycles: so many times what the last one took, but no longer than this. */
#define PAUSE_CYCLES  4u
#define LONG_PAUSE_NS 2000000000ull
#define GATHER_PIECE  4096u /* row numbers a turn */
#define WRITE_PIECE   256u  /* rows a turn */
/* Map kept free above the high-water mark: a slice with its branch pages, and the free list. */
#define MAP_RESERVE (64ull * LIMIT_CHECKPOINT_SLICE_SIZE)

int checkpoint_begin(struct store *store, uint64_t now_ns)
{
	struct checkpoint *checkpoint = &store->checkpoint;

	SLUICE_REQUIRE(checkpoint->phase == CHECKPOINT_IDLE);
	checkpoint->begin = *ledger_shard(store->ledger);
	checkpoint->begun_ns = now_ns;
	checkpoint->table = LEDGER_ACCOUNT;
	checkpoint->count = 0;
	checkpoint->phase = CHECKPOINT_GATHER;
	return 0;
}

static int rows_room(struct checkpoint *checkpoint, uint32_t more)
{
	uint32_t room = checkpoint->room == 0 ? 2 * GATHER_PIECE : checkpoint->room;
	struct checkpoint_row *grown;

	while (room - checkpoint->count < more)
		room *= 2;
	if (room == checkpoint->room)
		return 0;
	grown = realloc(checkpoint->rows, room * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	checkpoint->rows = grown;
	checkpoint->room = room;
	return 0;
}

static int table_retires(enum ledger_table table)
{
	return table == LEDGER_BET || table == LEDGER_OBJECT;
}

static void row_note(struct store *store, uint32_t row)
{
	struct checkpoint *checkpoint = &store->checkpoint;

	checkpoint->rows[checkpoint->count] = (struct checkpoint_row){
		.row = row,
		.retired = table_retires(checkpoint->table) &&
		           ledger_row_retired(store->ledger, checkpoint->table, row),
	};
	checkpoint->count++;
}

static int gather(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint32_t numbers[512], taken = 0;
	int error = rows_room(checkpoint, GATHER_PIECE);

	if (error != 0)
		return error;
	while (taken < GATHER_PIECE) {
		unsigned count = ledger_dirty_take(
		    store->ledger, checkpoint->table, numbers, SLUICE_ARRAY_COUNT(numbers));

		for (unsigned i = 0; i < count; i++)
			row_note(store, numbers[i]);
		taken += count;
		if (count < SLUICE_ARRAY_COUNT(numbers)) {
			checkpoint->sorted = 0;
			checkpoint->phase = CHECKPOINT_SORT;
			break;
		}
	}
	return 1;
}

static int slice_begin(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	int error = db_env_reserve(store->rows, MAP_RESERVE);

	if (error == 0)
		error = db_write_begin(&checkpoint->txn, store->rows);
	checkpoint->slice_left = LIMIT_CHECKPOINT_SLICE_SIZE;
	checkpoint->released_count = 0;
	checkpoint->slice_heap_count = checkpoint->heap_count;
	memcpy(checkpoint->slice_heap, checkpoint->heap,
	    checkpoint->heap_count * sizeof(*checkpoint->heap));
	return error;
}

/* The transaction is undone, the cursor in it closed before. */
static void slice_abort(struct checkpoint *checkpoint)
{
	db_cursor_close(&checkpoint->cursor);
	db_write_abort(&checkpoint->txn);
}

/* The log first: what the rows hold must be in it. */
static int slice_end(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint64_t applied = ledger_shard(store->ledger)->lsn;
	/* Under replay rows are missing that later events have retired. */
	uint64_t horizon = applied > store->compare_from_lsn ? applied : store->compare_from_lsn;
	int error = schema_horizon_write(&checkpoint->txn, horizon);

	if (error == 0)
		error = log_writer_commit(&store->log);
	if (error != 0) {
		slice_abort(checkpoint);
		return error;
	}
	db_cursor_close(&checkpoint->cursor);
	error = db_write_commit(&checkpoint->txn);
	for (uint32_t i = 0; i < checkpoint->released_count && error == 0; i++)
		ledger_row_release(store->ledger, checkpoint->table, checkpoint->released[i]);
	if (error == 0)
		checkpoint->released_total += checkpoint->released_count;
	return error;
}

/* Into the closed table, out of the open one (where it may never have been). */
static int retired_write(
    struct store *store, const struct checkpoint_row *row, const struct rows_record *record)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	struct db_key key = db_key_make(record->id);
	struct db_bytes value = { record, record->size };
	int error =
	    db_put(&checkpoint->txn, rows_closed_table(checkpoint->table), db_key(&key), value);

	if (error == 0)
		error = db_delete(&checkpoint->txn, rows_table(checkpoint->table), db_key(&key));
	if (error != 0 && error != -ENOENT)
		return error;
	SLUICE_REQUIRE(checkpoint->released_count < CHECKPOINT_SLICE_ROWS_MAX);
	checkpoint->released[checkpoint->released_count++] = row->row;
	return 0;
}

/* Rows come in key order: the cursor mostly is in the page already. */
static int open_write(struct store *store, const struct rows_record *record)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	struct db_key key = db_key_make(record->id);
	int error = 0;

	if (checkpoint->cursor.cursor == NULL)
		error = db_cursor_open(
		    &checkpoint->cursor, &checkpoint->txn, rows_table(checkpoint->table));
	return error != 0 ? error
	                  : db_cursor_put(&checkpoint->cursor, db_key(&key),
	                        (struct db_bytes){ record, record->size });
}

static int write_top(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	struct checkpoint_run *top = &checkpoint->heap[0];
	const struct checkpoint_row *row = &checkpoint->rows[top->next];
	struct rows_record record;
	int error;

	rows_record_make(&record, store->ledger, checkpoint->table, row->row);
	error = row->retired ? retired_write(store, row, &record) : open_write(store, &record);
	if (error != 0)
		return error;
	if (++top->next == top->end) {
		*top = checkpoint->heap[--checkpoint->heap_count];
	} else {
		/* Its turn comes when those of the other runs have had theirs. */
		top->id = row[1].id;
		ledger_prefetch_row(store->ledger, checkpoint->table, row[1].row);
	}
	checkpoint_heap_sift(checkpoint, 0);
	return 0;
}

/* Nothing of this slice is written: its rows come again. */
static void slice_back(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;

	slice_abort(checkpoint);
	checkpoint->heap_count = checkpoint->slice_heap_count;
	memcpy(checkpoint->heap, checkpoint->slice_heap,
	    checkpoint->heap_count * sizeof(*checkpoint->heap));
}

/* The reserve was not enough: grow, and write this slice's rows again. */
static int slice_again(struct store *store)
{
	int error;

	slice_back(store);
	error = db_env_reserve(store->rows, db_env_map_size(store->rows) + MAP_RESERVE);
	return error != 0 ? error : 1;
}

static int table_end(struct checkpoint *checkpoint)
{
	checkpoint->count = 0;
	checkpoint->table++;
	checkpoint->phase =
	    checkpoint->table == LEDGER_TABLE_COUNT ? CHECKPOINT_FINISH : CHECKPOINT_GATHER;
	return 1;
}

static int write_piece(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint64_t cost;
	int error = 0;

	if (checkpoint->heap_count == 0 && !checkpoint->txn.active)
		return table_end(checkpoint);
	if (!checkpoint->txn.active) {
		error = slice_begin(store);
		if (error != 0)
			return error;
	}
	/* A retired row dirties pages of two tables. */
	cost = checkpoint->row_cost * (table_retires(checkpoint->table) ? 2 : 1);
	for (uint32_t i = 0; i < WRITE_PIECE && checkpoint->heap_count > 0; i++) {
		if (checkpoint->slice_left < cost)
			break;
		error = write_top(store);
		if (error != 0)
			break;
		checkpoint->slice_left -= cost;
	}
	if (error == 0 && (checkpoint->heap_count == 0 || checkpoint->slice_left < cost))
		error = slice_end(store);
	if (error == -EXFULL)
		return slice_again(store);
	if (error != 0)
		slice_back(store); /* the disk may be full only for now */
	return error != 0 ? error : 1;
}

static int finish_body(struct db_txn *txn, void *context)
{
	struct store *store = context;
	struct record_checkpoint record;
	int error;

	rows_checkpoint_make(&record, &store->checkpoint.begin);
	record.log_lsn = le64_make(store->log.committed_lsn);
	record.incarnation = le64_make(store->incarnation);
	record.boot_counter = le64_make(store->boot_counter);
	record.clean = store->checkpoint.clean;
	error = schema_checkpoint_write(txn, &record);
	/* Nothing was applied since the begin: the rows are this state and no other. */
	if (error == 0 && store->checkpoint.clean)
		error = schema_state_write(
		    txn, store->checkpoint.begin.lsn, ledger_state_hash(store->ledger));
	return error;
}

/*
 * What goes is said first, durably: at the next start a log that is not there and of which nothing
 * says so was lost.
 */
static int retire(struct store *store)
{
	uint64_t kept_lsn = log_writer_kept(&store->log, store->checkpoint.lsn);
	int error = store_log_begin_set(store, kept_lsn);

	return error != 0 ? error : log_writer_retire(&store->log, kept_lsn);
}

static int finish(struct store *store, uint64_t now_ns)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	int error = log_writer_commit(&store->log);

	if (error == 0)
		error = db_write(store->rows, finish_body, store);
	if (error != 0)
		return error;
	checkpoint->lsn = checkpoint->begin.lsn;
	checkpoint->cycle_ns = now_ns > checkpoint->begun_ns ? now_ns - checkpoint->begun_ns : 0;
	checkpoint->finished_ns = now_ns;
	checkpoint->phase = CHECKPOINT_IDLE;
	error = retire(store);
	return error != 0 ? error : 1;
}

/*
 * Nothing to write, but less may be kept than before (a start with another log_keep_mib). At its
 * quota a switch takes no event, so no checkpoint would come to make the room it waits for.
 */
static int idle_retire(struct store *store, uint64_t now_ns)
{
	uint32_t before = store->log.env_count;
	int error = retire(store);

	store->checkpoint.finished_ns = now_ns;
	store->checkpoint.cycle_ns = 0; /* what comes next is little */
	return error != 0 ? error : store->log.env_count != before;
}

/* How long after the last cycle the next one begins. */
static uint64_t pause_between(const struct store *store)
{
	uint64_t pause_ns = store->config.checkpoint_interval_ms * 1000000ull;
	uint64_t easy_ns = PAUSE_CYCLES * store->checkpoint.cycle_ns;

	if (easy_ns > LONG_PAUSE_NS)
		easy_ns = LONG_PAUSE_NS;
	return pause_ns > easy_ns ? pause_ns : easy_ns;
}

int checkpoint_work(struct store *store, uint64_t now_ns)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint64_t pause_ns;

	switch (checkpoint->phase) {
	case CHECKPOINT_IDLE:
		pause_ns = pause_between(store);
		if (pause_ns > LOW_PAUSE_NS && store_room_low(store))
			pause_ns = LOW_PAUSE_NS;
		if (now_ns - checkpoint->finished_ns < pause_ns)
			return 0;
		if (ledger_shard(store->ledger)->lsn == checkpoint->lsn)
			return idle_retire(store, now_ns);
		checkpoint->clean = 0;
		return checkpoint_begin(store, now_ns) == 0;
	case CHECKPOINT_GATHER:
		return gather(store);
	case CHECKPOINT_SORT:
		return checkpoint_sort(store);
	case CHECKPOINT_WRITE:
		return write_piece(store);
	case CHECKPOINT_FINISH:
		return finish(store, now_ns);
	}
	return -EINVAL;
}

void checkpoint_free(struct store *store)
{
	slice_abort(&store->checkpoint);
	free(store->checkpoint.rows);
	free(store->checkpoint.heap);
	free(store->checkpoint.slice_heap);
	memset(&store->checkpoint, 0, sizeof(store->checkpoint));
}
