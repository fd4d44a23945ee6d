/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and index of the tables. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_internal.h"

#define HUGE_PAGE_FROM (8u << 20) /* smaller tables gain nothing from huge pages */

/* Zeroed memory; address space only until touched. */
static void *arena_map(struct ledger *ledger, size_t count, size_t size)
{
	size_t bytes = count * size;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *start;

	if (ledger->arena_count == LEDGER_ARENAS_MAX)
		return NULL;
	start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (start == MAP_FAILED)
		return NULL;
	if (bytes >= HUGE_PAGE_FROM)
		(void)madvise(start, bytes, MADV_HUGEPAGE); /* advice: works without */
	ledger->arenas[ledger->arena_count].start = start;
	ledger->arenas[ledger->arena_count++].size = bytes;
	return start;
}

/*
 * `populate` leaves out the last `count` elements of what was mapped at `start`: what few rows use,
 * or the rows used last. Its pages come when they are first used.
 */
static void arena_spare(struct ledger *ledger, const void *start, size_t count, size_t size)
{
	for (unsigned i = 0; i < ledger->arena_count; i++)
		if (ledger->arenas[i].start == start)
			ledger->arenas[i].spare = count * size;
}

/*
 * Legs above four, what is queued to retire and numbers that have: few bets, or none for hours.
 * With them the tables of 36 million bets took half as much again, and there was no room for them.
 */
static void spares_mark(struct ledger *ledger)
{
	const struct ledger_config *config = &ledger->config;
	const struct ledger_derived *derived = ledger->derived;
	size_t bets = config->bets_max, spare = config->bets_spare;

	arena_spare(ledger, ledger->bet_overflow, bets, sizeof(*ledger->bet_overflow));
	arena_spare(ledger, ledger->bet_overflow_free, bets, sizeof(*ledger->bet_overflow_free));
	arena_spare(ledger, derived->links_overflow, bets, sizeof(*derived->links_overflow));
	arena_spare(ledger, derived->queue, bets, sizeof(*derived->queue));
	arena_spare(ledger, ledger->tables[LEDGER_BET].free_rows, bets, sizeof(uint32_t));
	arena_spare(ledger, ledger->bets, spare, sizeof(*ledger->bets));
	arena_spare(ledger, ledger->bet_meta, spare, sizeof(*ledger->bet_meta));
	arena_spare(ledger, derived->links, spare, sizeof(*derived->links));
	arena_spare(ledger, ledger->objects, config->objects_spare, sizeof(*ledger->objects));
	arena_spare(
	    ledger, ledger->tables[LEDGER_OBJECT].free_rows, config->objects_max, sizeof(uint32_t));
}

static int table_create(struct ledger *ledger, enum ledger_table table, uint32_t capacity)
{
	struct ledger_table_core *core = &ledger->tables[table];
	uint64_t entries = 16;

	while (entries < 2ull * capacity)
		entries *= 2;
	core->capacity = capacity;
	core->index_mask = entries - 1;
	core->index = arena_map(ledger, entries, sizeof(*core->index));
	core->hash_list = arena_map(ledger, capacity, sizeof(*core->hash_list));
	if (core->index == NULL || core->hash_list == NULL)
		return -ENOMEM;
	if (table == LEDGER_BET || table == LEDGER_OBJECT) {
		core->free_rows = arena_map(ledger, capacity, sizeof(*core->free_rows));
		if (core->free_rows == NULL)
			return -ENOMEM;
	}
	if (ledger->config.track_checkpoint) {
		core->dirty_ring = arena_map(ledger, capacity, sizeof(*core->dirty_ring));
		if (core->dirty_ring == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int rows_create(struct ledger *ledger)
{
	const struct ledger_config *config = &ledger->config;
	struct market_order *order = calloc(1, sizeof(*order));

	ledger->market_order = order;
	ledger->group = calloc(1, sizeof(*ledger->group));
	if (order == NULL || ledger->group == NULL)
		return -ENOMEM;
	ledger->objects = arena_map(ledger, config->objects_max, sizeof(*ledger->objects));
	ledger->partner_keys =
	    arena_map(ledger, LIMIT_PARTNER_ID_MAX + 1, sizeof(*ledger->partner_keys));
	ledger->partner_rows =
	    arena_map(ledger, LIMIT_PARTNER_ID_MAX + 1, sizeof(*ledger->partner_rows));
	ledger->bet_overflow_free =
	    arena_map(ledger, config->bets_max, sizeof(*ledger->bet_overflow_free));
	ledger->accounts = arena_map(ledger, config->accounts_max, sizeof(*ledger->accounts));
	ledger->scores = arena_map(ledger, 1, sizeof(*ledger->scores));
	ledger->account_states =
	    arena_map(ledger, config->accounts_max, sizeof(*ledger->account_states));
	ledger->terminal_states =
	    arena_map(ledger, config->terminals_max, sizeof(*ledger->terminal_states));
	ledger->bets = arena_map(ledger, config->bets_max, sizeof(*ledger->bets));
	ledger->bet_meta = arena_map(ledger, config->bets_max, sizeof(*ledger->bet_meta));
	ledger->bet_overflow = arena_map(ledger, config->bets_max, sizeof(*ledger->bet_overflow));
	ledger->markets = arena_map(ledger, config->markets_max, sizeof(*ledger->markets));
	ledger->terminals = arena_map(ledger, config->terminals_max, sizeof(*ledger->terminals));
	order->capacity = config->markets_max < 4 ? 16 : config->markets_max * 4;
	order->entries = arena_map(ledger, order->capacity, sizeof(*order->entries));
	if (ledger->accounts == NULL || ledger->bets == NULL || ledger->bet_meta == NULL ||
	    ledger->bet_overflow == NULL || ledger->markets == NULL || ledger->terminals == NULL ||
	    order->entries == NULL || ledger->objects == NULL || ledger->partner_keys == NULL ||
	    ledger->bet_overflow_free == NULL || ledger->account_states == NULL ||
	    ledger->scores == NULL || ledger->terminal_states == NULL ||
	    ledger->partner_rows == NULL)
		return -ENOMEM;
	return ledger_derived_create(ledger, arena_map);
}

uint64_t ledger_bytes(const struct ledger *ledger)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < ledger->arena_count; i++)
		bytes += ledger->arenas[i].size;
	return bytes;
}

uint64_t ledger_bytes_populated(const struct ledger *ledger)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < ledger->arena_count; i++)
		bytes += ledger->arenas[i].size - ledger->arenas[i].spare;
	return bytes;
}

/* A kernel before 5.14 has no such call: then pages come when they are first used, as without. */
static int tables_populate(struct ledger *ledger)
{
	for (unsigned i = 0; i < ledger->arena_count; i++)
		if (ledger->arenas[i].size > ledger->arenas[i].spare &&
		    madvise(ledger->arenas[i].start,
		        ledger->arenas[i].size - ledger->arenas[i].spare,
		        MADV_POPULATE_WRITE) != 0 &&
		    errno != EINVAL)
			return -errno;
	return 0;
}

static int capacity_valid(uint32_t capacity)
{
	return capacity >= 1 && capacity <= LEDGER_TABLE_MAX;
}

struct ledger *ledger_create(const struct ledger_config *config)
{
	struct ledger *ledger;

	if (!capacity_valid(config->accounts_max) || !capacity_valid(config->bets_max) ||
	    !capacity_valid(config->terminals_max) || !capacity_valid(config->markets_max) ||
	    !capacity_valid(config->objects_max) || config->markets_max > LEDGER_TABLE_MAX / 4 ||
	    config->bets_spare > config->bets_max || config->objects_spare > config->objects_max)
		return NULL;
	ledger = calloc(1, sizeof(*ledger));
	if (ledger == NULL)
		return NULL;
	ledger->config = *config;
	risk_rules_default(&ledger->shard.rules);
	if (rows_create(ledger) != 0 ||
	    table_create(ledger, LEDGER_ACCOUNT, config->accounts_max) != 0 ||
	    table_create(ledger, LEDGER_BET, config->bets_max) != 0 ||
	    table_create(ledger, LEDGER_MARKET, config->markets_max) != 0 ||
	    table_create(ledger, LEDGER_TERMINAL, config->terminals_max) != 0 ||
	    table_create(ledger, LEDGER_OBJECT, config->objects_max) != 0) {
		ledger_free(ledger);
		return NULL;
	}
	spares_mark(ledger);
	if (config->populate && tables_populate(ledger) != 0) {
		ledger_free(ledger);
		return NULL;
	}
	return ledger;
}

void ledger_free(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	for (unsigned i = 0; i < ledger->arena_count; i++)
		munmap(ledger->arenas[i].start, ledger->arenas[i].size);
	free(ledger->group);
	free(ledger->market_order);
	free(ledger);
}

void ledger_index_enter(struct ledger *ledger, enum ledger_table table, uint32_t row, uint64_t id)
{
	struct ledger_table_core *core = &ledger->tables[table];
	uint32_t tag;
	uint64_t at = index_start(table, id, &tag);

	while (core->index[at & core->index_mask].row_plus_one != 0)
		at++;
	core->index[at & core->index_mask] =
	    (struct index_entry){ .row_plus_one = row + 1, .tag = tag };
}

uint32_t ledger_table_insert(struct ledger *ledger, enum ledger_table table, uint64_t id)
{
	struct ledger_table_core *core = &ledger->tables[table];
	uint32_t row;

	SLUICE_REQUIRE(table_room(ledger, table, 1));
	row = core->free_count > 0 ? core->free_rows[--core->free_count] : core->count++;
	ledger_index_enter(ledger, table, row, id);
	ledger_row_meta(ledger, table, row)->listed &= ~(uint32_t)LISTED_GONE;
	return row;
}

static uint64_t row_id(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	switch (table) {
	case LEDGER_ACCOUNT:
		return ledger->accounts[row].row.id;
	case LEDGER_BET:
		return ledger->bets[row].id;
	case LEDGER_MARKET:
		return ledger->markets[row].row.id;
	case LEDGER_TERMINAL:
		return ledger->terminals[row].row.id;
	case LEDGER_OBJECT:
		return ledger->objects[row].row.id;
	case LEDGER_TABLE_COUNT:
		break;
	}
	SLUICE_REQUIRE(!"no such table");
	return 0;
}

/*
 * Removal from linear probing without tombstones (Knuth, TAOCP 3, 6.4 R): an entry behind the hole
 * moves into it unless its own start lies cyclically after the hole.
 */
void ledger_table_remove(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	struct ledger_table_core *core = &ledger->tables[table];
	uint64_t mask = core->index_mask, hole, at;
	uint32_t tag;

	hole = index_start(table, row_id(ledger, table, row), &tag) & mask;
	while (core->index[hole].row_plus_one != row + 1) {
		SLUICE_REQUIRE(core->index[hole].row_plus_one != 0);
		hole = (hole + 1) & mask;
	}
	for (at = (hole + 1) & mask; core->index[at].row_plus_one != 0; at = (at + 1) & mask) {
		uint32_t other = core->index[at].row_plus_one - 1;
		uint64_t start = index_start(table, row_id(ledger, table, other), &tag) & mask;

		if (((at - start) & mask) >= ((at - hole) & mask)) {
			core->index[hole] = core->index[at];
			hole = at;
		}
	}
	core->index[hole] = (struct index_entry){ 0 };
}

void ledger_table_free(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	struct ledger_table_core *core = &ledger->tables[table];

	if (row == core->count - 1 && core->free_rows == NULL) {
		core->count--;
		return;
	}
	SLUICE_REQUIRE(core->free_rows != NULL && core->free_count < core->capacity);
	core->free_rows[core->free_count++] = row;
}

uint32_t ledger_dirty_count(const struct ledger *ledger, enum ledger_table table)
{
	return ledger->tables[table].dirty_count;
}

struct row_meta *ledger_row_meta(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	switch (table) {
	case LEDGER_ACCOUNT:
		return &ledger->accounts[row].meta;
	case LEDGER_BET:
		return &ledger->bet_meta[row];
	case LEDGER_MARKET:
		return &ledger->markets[row].meta;
	case LEDGER_TERMINAL:
		return &ledger->terminals[row].meta;
	case LEDGER_OBJECT:
		return &ledger->objects[row].meta;
	case LEDGER_TABLE_COUNT:
		break;
	}
	SLUICE_REQUIRE(!"no such table");
	return NULL;
}

unsigned ledger_dirty_take(
    struct ledger *ledger, enum ledger_table table, uint32_t *rows, unsigned max)
{
	struct ledger_table_core *core = &ledger->tables[table];
	unsigned taken = 0;

	while (taken < max && core->dirty_count > 0) {
		uint32_t row = core->dirty_ring[core->dirty_head];

		ledger_row_meta(ledger, table, row)->listed &= ~(uint32_t)LISTED_CHECKPOINT;
		rows[taken++] = row;
		core->dirty_count--;
		if (++core->dirty_head == core->capacity)
			core->dirty_head = 0;
	}
	return taken;
}
