/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzy checkpoint, in pieces.
 *
 * Begin takes the shard row. Then, table by table: row numbers are taken off the ledger's dirty
 * list until it is empty (every row that an event up to the begin has changed is then taken or
 * written); ids are looked up and sorted in runs; the runs are merged into the environment in key
 * order, some hundred rows per turn, in transactions ("slices") that dirty about 8 MiB of pages at
 * most. A row is written as it is at that moment, so it may be newer than the begin; before a slice
 * commits, the log is committed, so rows never run ahead of it. The last transaction writes the
 * begin into `meta`, and only that makes the checkpoint.
 *
 * A crash anywhere leaves the checkpoint before, with some rows newer than it: what replay expects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/store/store_internal.h"

#define GATHER_PIECE  16384u /* row numbers a turn */
#define SORT_RUN      4096u  /* rows a run; one run a turn */
#define WRITE_PIECE   512u   /* rows a turn */
#define PAGE_SIZE     4096u
#define ROWS_PER_PAGE 16u
/* Map kept free above the high-water mark: a slice with its branch pages, and the free list. */
#define MAP_RESERVE (8ull * LIMIT_CHECKPOINT_SLICE_SIZE)

int checkpoint_begin(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;

	SLUICE_REQUIRE(checkpoint->phase == CHECKPOINT_IDLE);
	checkpoint->begin = *ledger_shard(store->ledger);
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
			checkpoint->rows[checkpoint->count + i].row = numbers[i];
		checkpoint->count += count;
		taken += count;
		if (count < SLUICE_ARRAY_COUNT(numbers)) {
			checkpoint->sorted = 0;
			checkpoint->phase = CHECKPOINT_SORT;
			break;
		}
	}
	return 1;
}

static int compare_rows(const void *a, const void *b)
{
	const struct checkpoint_row *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* ---- Heap of runs, lowest id on top ---- */

static uint64_t run_id(const struct checkpoint *checkpoint, uint32_t run)
{
	return checkpoint->rows[checkpoint->heap[run].next].id;
}

static void heap_sift(struct checkpoint *checkpoint, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		struct checkpoint_run swap = checkpoint->heap[at];

		if (child >= checkpoint->heap_count)
			return;
		if (child + 1 < checkpoint->heap_count &&
		    run_id(checkpoint, child + 1) < run_id(checkpoint, child))
			child++;
		if (run_id(checkpoint, at) <= run_id(checkpoint, child))
			return;
		checkpoint->heap[at] = checkpoint->heap[child];
		checkpoint->heap[child] = swap;
		at = child;
	}
}

/* (Re)starts the merge of the table's rows. */
static int merge_begin(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint32_t runs = (checkpoint->count + SORT_RUN - 1) / SORT_RUN;
	uint64_t total = ledger_row_count(store->ledger, checkpoint->table), cost;

	if (runs > checkpoint->heap_room) {
		struct checkpoint_run *grown =
		    realloc(checkpoint->heap, runs * sizeof(*checkpoint->heap));

		if (grown == NULL)
			return -ENOMEM;
		checkpoint->heap = grown;
		checkpoint->heap_room = runs;
	}
	for (uint32_t i = 0; i < runs; i++) {
		uint32_t end = (i + 1) * SORT_RUN;

		checkpoint->heap[i].next = i * SORT_RUN;
		checkpoint->heap[i].end = end < checkpoint->count ? end : checkpoint->count;
	}
	checkpoint->heap_count = runs;
	for (uint32_t i = runs / 2; i-- > 0;)
		heap_sift(checkpoint, i);
	/*
	 * A slice is bounded by the pages it dirties. In key order neighbours share a leaf: with
	 * all rows dirty a row costs 1/16 page, with few of many dirty each costs a page of its
	 * own.
	 */
	cost = checkpoint->count == 0 ? PAGE_SIZE
	                              : PAGE_SIZE * total / ROWS_PER_PAGE / checkpoint->count;
	if (cost > PAGE_SIZE)
		cost = PAGE_SIZE;
	if (cost < PAGE_SIZE / ROWS_PER_PAGE)
		cost = PAGE_SIZE / ROWS_PER_PAGE;
	checkpoint->row_cost = cost;
	checkpoint->phase = CHECKPOINT_WRITE;
	return 1;
}

static int sort_run(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint32_t end = checkpoint->sorted + SORT_RUN;

	if (checkpoint->sorted == checkpoint->count)
		return merge_begin(store);
	if (end > checkpoint->count)
		end = checkpoint->count;
	for (uint32_t i = checkpoint->sorted; i < end; i++)
		checkpoint->rows[i].id =
		    rows_id(store->ledger, checkpoint->table, checkpoint->rows[i].row);
	qsort(checkpoint->rows + checkpoint->sorted, end - checkpoint->sorted,
	    sizeof(*checkpoint->rows), compare_rows);
	checkpoint->sorted = end;
	return 1;
}

static int slice_begin(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	int error = db_env_reserve(store->rows, MAP_RESERVE);

	if (error == 0)
		error = db_write_begin(&checkpoint->txn, store->rows);
	checkpoint->slice_left = LIMIT_CHECKPOINT_SLICE_SIZE;
	return error;
}

/* The log first: what the rows hold must be in it. */
static int slice_end(struct store *store)
{
	int error = log_writer_commit(&store->log);

	if (error != 0) {
		db_write_abort(&store->checkpoint.txn);
		return error;
	}
	return db_write_commit(&store->checkpoint.txn);
}

static int write_top(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	struct checkpoint_run *top = &checkpoint->heap[0];
	struct rows_record record;
	struct db_key key;
	int error;

	rows_record_make(
	    &record, store->ledger, checkpoint->table, checkpoint->rows[top->next].row);
	key = db_key_make(record.id);
	error = db_put(&checkpoint->txn, rows_table(checkpoint->table), db_key(&key),
	    (struct db_bytes){ &record, record.size });
	if (error != 0)
		return error;
	if (++top->next == top->end)
		*top = checkpoint->heap[--checkpoint->heap_count];
	heap_sift(checkpoint, 0);
	return 0;
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
	int error = 0;

	if (checkpoint->heap_count == 0 && !checkpoint->txn.active)
		return table_end(checkpoint);
	if (!checkpoint->txn.active) {
		error = slice_begin(store);
		if (error != 0)
			return error;
	}
	for (uint32_t i = 0; i < WRITE_PIECE && checkpoint->heap_count > 0; i++) {
		if (checkpoint->slice_left < checkpoint->row_cost)
			break;
		error = write_top(store);
		if (error != 0)
			break;
		checkpoint->slice_left -= checkpoint->row_cost;
	}
	if (error == -EXFULL) {
		/* The reserve was not enough: grow, and write this table's rows again. */
		db_write_abort(&checkpoint->txn);
		error = db_env_reserve(store->rows, db_env_map_size(store->rows) + MAP_RESERVE);
		return error != 0 ? error : merge_begin(store);
	}
	if (error != 0)
		return error;
	if (checkpoint->heap_count == 0 || checkpoint->slice_left < checkpoint->row_cost)
		error = slice_end(store);
	return error != 0 ? error : 1;
}

static int finish_body(struct db_txn *txn, void *context)
{
	const struct store *store = context;
	struct record_checkpoint record;

	rows_checkpoint_make(&record, &store->checkpoint.begin);
	record.log_lsn = le64_make(store->log.committed_lsn);
	record.incarnation = le64_make(store->incarnation);
	record.boot_counter = le64_make(store->boot_counter);
	record.clean = store->checkpoint.clean;
	return schema_checkpoint_write(txn, &record);
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
	checkpoint->finished_ns = now_ns;
	checkpoint->phase = CHECKPOINT_IDLE;
	error = log_writer_retire(&store->log, checkpoint->lsn);
	return error != 0 ? error : 1;
}

int checkpoint_work(struct store *store, uint64_t now_ns)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint64_t pause_ns = store->config.checkpoint_interval_ms * 1000000ull;

	switch (checkpoint->phase) {
	case CHECKPOINT_IDLE:
		if (now_ns - checkpoint->finished_ns < pause_ns ||
		    ledger_shard(store->ledger)->lsn == checkpoint->lsn)
			return 0;
		checkpoint->clean = 0;
		return checkpoint_begin(store) == 0;
	case CHECKPOINT_GATHER:
		return gather(store);
	case CHECKPOINT_SORT:
		return sort_run(store);
	case CHECKPOINT_WRITE:
		return write_piece(store);
	case CHECKPOINT_FINISH:
		return finish(store, now_ns);
	}
	return -EINVAL;
}

void checkpoint_free(struct store *store)
{
	db_write_abort(&store->checkpoint.txn);
	free(store->checkpoint.rows);
	free(store->checkpoint.heap);
	memset(&store->checkpoint, 0, sizeof(store->checkpoint));
}
