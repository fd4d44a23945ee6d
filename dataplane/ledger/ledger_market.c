/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Markets in the order of their versions.
 *
 * An append-only array of (version, row), ascending. Setting a market appends an entry and makes
 * the old one stale; a stale entry names where to look on, and lookups shorten those paths, so
 * finding the next live entry costs next to nothing however many are stale. The first entry after a
 * version is found by bisection. A full array is packed; it has four times the room of the table,
 * so that is one step per set on average. After loading (rows come in key order) or a version below
 * the newest, the order is rebuilt at the next use, in place.
 */
#include "dataplane/ledger/ledger_internal.h"

static int entry_before(const struct ledger *ledger, const struct market_order_entry *a,
    const struct market_order_entry *b)
{
	if (a->version != b->version)
		return a->version < b->version;
	return ledger->markets[a->row].row.id < ledger->markets[b->row].row.id;
}

static void heap_sift(const struct ledger *ledger, uint32_t root, uint32_t count)
{
	struct market_order_entry *entries = ledger->market_order->entries;

	for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
		struct market_order_entry swap = entries[root];

		if (child + 1 < count && entry_before(ledger, &entries[child], &entries[child + 1]))
			child++;
		if (!entry_before(ledger, &entries[root], &entries[child]))
			return;
		entries[root] = entries[child];
		entries[child] = swap;
	}
}

/* Heap sort: in place and without recursion or allocation, unlike qsort. */
static void order_sort(const struct ledger *ledger)
{
	struct market_order *order = ledger->market_order;

	for (uint32_t i = order->count / 2; i-- > 0;)
		heap_sift(ledger, i, order->count);
	for (uint32_t i = order->count; i-- > 1;) {
		struct market_order_entry swap = order->entries[0];

		order->entries[0] = order->entries[i];
		order->entries[i] = swap;
		heap_sift(ledger, 0, i);
	}
}

static void order_number(const struct ledger *ledger)
{
	struct market_order *order = ledger->market_order;

	for (uint32_t i = 0; i < order->count; i++) {
		order->entries[i].next = i;
		ledger->markets[order->entries[i].row].meta.order = i;
	}
}

/* Drops stale entries; keeps the order. */
static void order_pack(const struct ledger *ledger)
{
	struct market_order *order = ledger->market_order;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < order->count; i++) {
		if (order->entries[i].next == i)
			order->entries[kept++] = order->entries[i];
	}
	order->count = kept;
	order_number(ledger);
}

void ledger_market_order_set(struct ledger *ledger, uint32_t row)
{
	struct market_order *order = ledger->market_order;
	struct market_slot *slot = &ledger->markets[row];
	uint32_t old = slot->meta.order;

	/* A new row has order 0, which is its own only if the entry there names it. */
	if (old < order->count && order->entries[old].row == row && order->entries[old].next == old)
		order->entries[old].next = old + 1;
	if (order->count == order->capacity)
		order_pack(ledger);
	SLUICE_REQUIRE(order->count < order->capacity);
	order->entries[order->count] = (struct market_order_entry){
		.version = slot->row.version, .row = row, .next = order->count
	};
	if (order->count > 0 &&
	    !entry_before(ledger, &order->entries[order->count - 1], &order->entries[order->count]))
		order->unsorted = 1;
	slot->meta.order = order->count++;
}

/* First live entry at or after `at`; count when there is none. */
static uint32_t order_live(struct market_order *order, uint32_t at)
{
	while (at < order->count && order->entries[at].next != at) {
		uint32_t next = order->entries[at].next;

		if (next < order->count)
			order->entries[at].next = order->entries[next].next;
		at = next;
	}
	return at;
}

unsigned ledger_markets_since(const struct ledger *ledger, uint64_t since_version,
    const struct market_row_state **rows, unsigned max, int *more)
{
	struct market_order *order = ledger->market_order;
	uint32_t low = 0, high, at;
	unsigned found = 0, whole = 0;

	if (order->unsorted) {
		order_pack(ledger);
		order_sort(ledger);
		order_number(ledger);
		order->unsorted = 0;
	}
	for (high = order->count; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (order->entries[middle].version > since_version)
			high = middle;
		else
			low = middle + 1;
	}
	for (at = order_live(order, low); at < order->count && found < max;
	     at = order_live(order, at + 1)) {
		const struct market_row_state *row = &ledger->markets[order->entries[at].row].row;

		if (found > 0 && row->version != rows[found - 1]->version)
			whole = found;
		rows[found++] = row;
	}
	*more = at < order->count;
	/*
	 * The reader asks again from the last version it was given, so markets of one version must
	 * not be parted, unless they alone are more than `max`.
	 */
	if (*more && whole > 0 && order->entries[at].version == rows[found - 1]->version)
		found = whole;
	return found;
}

const struct market_row_state *ledger_market(const struct ledger *ledger, uint64_t market_id)
{
	uint32_t row = market_find(ledger, market_id);

	return row == ROW_NONE ? NULL : &ledger->markets[row].row;
}

const struct market_row_state *ledger_market_at(const struct ledger *ledger, uint32_t row)
{
	return &ledger->markets[row].row;
}
