/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted runs of a table's changed rows, merged by a heap into the order of their keys. */
#include <errno.h>
#include <stdlib.h>

#include "dataplane/store/store_internal.h"

#define SORT_RUN      1024u /* rows a run; one run a turn */
#define PAGE_SIZE     4096u
#define ROWS_PER_PAGE 8u /* of accounts with a risk state, the largest there are many of */

static int compare_rows(const void *a, const void *b)
{
	const struct checkpoint_row *x = a, *y = b;

	if (x->id != y->id)
		return x->id > y->id ? 1 : -1;
	return (x->order > y->order) - (x->order < y->order);
}

/* ---- Heap of runs, lowest id on top ---- */

/* 1: run a's next row comes before run b's. */
static int run_before(const struct checkpoint *checkpoint, uint32_t a, uint32_t b)
{
	return compare_rows(&checkpoint->rows[checkpoint->heap[a].next],
	           &checkpoint->rows[checkpoint->heap[b].next]) < 0;
}

void checkpoint_heap_sift(struct checkpoint *checkpoint, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		struct checkpoint_run swap = checkpoint->heap[at];

		if (child >= checkpoint->heap_count)
			return;
		if (child + 1 < checkpoint->heap_count && run_before(checkpoint, child + 1, child))
			child++;
		if (!run_before(checkpoint, child, at))
			return;
		checkpoint->heap[at] = checkpoint->heap[child];
		checkpoint->heap[child] = swap;
		at = child;
	}
}

/* The heap and where a slice began in it: room for `runs` runs each. */
static int heap_room(struct checkpoint *checkpoint, uint32_t runs)
{
	struct checkpoint_run *grown;

	if (runs <= checkpoint->heap_room)
		return 0;
	grown = realloc(checkpoint->heap, runs * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	checkpoint->heap = grown;
	grown = realloc(checkpoint->slice_heap, runs * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	checkpoint->slice_heap = grown;
	checkpoint->heap_room = runs;
	return 0;
}

/* Starts the merge of the table's rows. */
static int merge_begin(struct store *store)
{
	struct checkpoint *checkpoint = &store->checkpoint;
	uint32_t runs = (checkpoint->count + SORT_RUN - 1) / SORT_RUN;
	uint64_t total = ledger_row_count(store->ledger, checkpoint->table), cost;
	int error = heap_room(checkpoint, runs);

	if (error != 0)
		return error;
	for (uint32_t i = 0; i < runs; i++) {
		uint32_t end = (i + 1) * SORT_RUN;

		checkpoint->heap[i].next = i * SORT_RUN;
		checkpoint->heap[i].end = end < checkpoint->count ? end : checkpoint->count;
	}
	checkpoint->heap_count = runs;
	for (uint32_t i = runs / 2; i-- > 0;)
		checkpoint_heap_sift(checkpoint, i);
	/*
	 * A slice is bounded by the pages it dirties. In key order neighbours share a leaf: with
	 * all rows dirty a row costs 1/8 page, with few of many dirty each costs a page of its
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

int checkpoint_sort(struct store *store)
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
