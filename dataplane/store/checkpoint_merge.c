/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted runs of a table's changed rows, merged by a heap into the order of their keys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/store/store_internal.h"

#define PAGE_SIZE     4096u
#define ROWS_PER_PAGE 8u /* of accounts with a risk state, the largest there are many of */

/*
 * By id, a byte at a time from the lowest, only those that differ: ids of bets are a bucket and a
 * counter, with nothing in between. What has the same id keeps its order.
 */
static void run_sort(
    struct checkpoint_row *rows, uint32_t count, struct checkpoint_row scratch[CHECKPOINT_RUN])
{
	struct checkpoint_row *from = rows, *to = scratch, *swap;
	uint64_t differ = 0;

	for (uint32_t i = 1; i < count; i++)
		differ |= rows[i].id ^ rows[0].id;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		uint32_t place[256] = { 0 }, begin = 0;

		if ((differ >> shift & 255) == 0)
			continue;
		for (uint32_t i = 0; i < count; i++)
			place[from[i].id >> shift & 255]++;
		for (unsigned digit = 0; digit < 256; digit++) {
			uint32_t with = place[digit];

			place[digit] = begin;
			begin += with;
		}
		for (uint32_t i = 0; i < count; i++)
			to[place[from[i].id >> shift & 255]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != rows)
		memcpy(rows, from, count * sizeof(*rows));
}

/* ---- Heap of runs, lowest id on top ---- */

/* Of one id the row comes first that was taken first: in the earlier run. */
static int run_before(const struct checkpoint_run *a, const struct checkpoint_run *b)
{
	return a->id != b->id ? a->id < b->id : a->next < b->next;
}

void checkpoint_heap_sift(struct checkpoint *checkpoint, uint32_t at)
{
	struct checkpoint_run *heap = checkpoint->heap, moved = heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= checkpoint->heap_count)
			break;
		if (child + 1 < checkpoint->heap_count &&
		    run_before(&heap[child + 1], &heap[child]))
			child++;
		if (!run_before(&heap[child], &moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
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
	uint32_t runs = (checkpoint->count + CHECKPOINT_RUN - 1) / CHECKPOINT_RUN;
	uint64_t total = ledger_row_count(store->ledger, checkpoint->table), cost;
	int error = heap_room(checkpoint, runs);

	if (error != 0)
		return error;
	for (uint32_t i = 0; i < runs; i++) {
		uint32_t end = (i + 1) * CHECKPOINT_RUN;

		checkpoint->heap[i].id = checkpoint->rows[i * CHECKPOINT_RUN].id;
		checkpoint->heap[i].next = i * CHECKPOINT_RUN;
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
	uint32_t end = checkpoint->sorted + CHECKPOINT_RUN;

	if (checkpoint->sorted == checkpoint->count)
		return merge_begin(store);
	if (end > checkpoint->count)
		end = checkpoint->count;
	for (uint32_t i = checkpoint->sorted; i < end; i++)
		checkpoint->rows[i].id =
		    rows_id(store->ledger, checkpoint->table, checkpoint->rows[i].row);
	run_sort(
	    checkpoint->rows + checkpoint->sorted, end - checkpoint->sorted, checkpoint->scratch);
	checkpoint->sorted = end;
	return 1;
}
