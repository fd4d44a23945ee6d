/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay and loading wait for memory more than they compute: accounts are at random places. These
 * fetch what comes a few rows later. They change nothing and check nothing.
 */
#include <sys/mman.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_internal.h"

/* First the line of the index, some rows later (it has come) the row it names. */
#define AHEAD_LINES 16
#define AHEAD_ROWS  8
#define AHEAD_BYTES 1024

void ledger_prefetch_index(const struct ledger *ledger, enum ledger_table table, uint64_t id)
{
	const struct ledger_table_core *core = &ledger->tables[table];
	uint32_t tag;
	uint64_t at = index_start(table, id, &tag);

	__builtin_prefetch(&core->index[at & core->index_mask], 1);
}

static void ahead_lines(const void *from, size_t size)
{
	const char *bytes = from;

	for (size_t line = 0; line < size; line += SLUICE_CACHE_LINE_SIZE)
		__builtin_prefetch(bytes + line, 1);
}

void ledger_prefetch_row(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	switch (table) {
	case LEDGER_ACCOUNT:
		ahead_lines(&ledger->accounts[row], sizeof(ledger->accounts[0]));
		if (ledger->shard.extra.present)
			ahead_lines(
			    &ledger->account_states[row], sizeof(ledger->account_states[0]));
		return;
	case LEDGER_BET:
		ahead_lines(&ledger->bets[row], sizeof(ledger->bets[0]));
		return;
	case LEDGER_OBJECT:
		ahead_lines(&ledger->objects[row], sizeof(ledger->objects[0]));
		return;
	case LEDGER_MARKET:
	case LEDGER_TERMINAL:
	case LEDGER_TABLE_COUNT:
		return; /* few: in the cache */
	}
}

/* What an event of a replay touches at places of its own. */
struct ahead_names {
	uint64_t account_id, terminal_id;
	uint64_t market_ids[LIMIT_BET_LEGS_MAX];
	unsigned market_count;
};

/* The names in the event at *at, and on to the next. 0: there is none. */
static int ahead_next(const uint8_t **at, const uint8_t *end, struct ahead_names *names)
{
	struct event_record record;
	size_t length;

	if ((size_t)(end - *at) < sizeof(record))
		return 0;
	memcpy(&record, *at, sizeof(record));
	length = le16_get(record.length);
	if (length < sizeof(record) || length > (size_t)(end - *at))
		return 0;
	names->account_id = le64_get(record.account_id);
	names->terminal_id = le64_get(record.terminal_id);
	names->market_count = 0;
	if (le16_get(record.type) == EVENT_PLACE_BET && record.leg_count <= LIMIT_BET_LEGS_MAX &&
	    length >= sizeof(record) + record.leg_count * sizeof(struct event_leg))
		names->market_count = record.leg_count;
	for (unsigned i = 0; i < names->market_count; i++) {
		struct event_leg leg;

		memcpy(&leg, *at + sizeof(record) + i * sizeof(leg), sizeof(leg));
		names->market_ids[i] = le64_get(leg.market_id);
	}
	*at += length;
	return 1;
}

static void ahead_line(const struct ledger *ledger, struct ledger_ahead *ahead)
{
	struct ahead_names names;

	/* The events themselves come from another thread's writes: two lines each, mostly. */
	__builtin_prefetch((const void *)((uintptr_t)ahead->line + AHEAD_BYTES));
	__builtin_prefetch(
	    (const void *)((uintptr_t)ahead->line + AHEAD_BYTES + SLUICE_CACHE_LINE_SIZE));
	if (!ahead_next(&ahead->line, ahead->end, &names))
		return;
	ledger_prefetch_index(ledger, LEDGER_ACCOUNT, names.account_id);
	ledger_prefetch_index(ledger, LEDGER_TERMINAL, names.terminal_id);
	for (unsigned i = 0; i < names.market_count; i++)
		ledger_prefetch_index(ledger, LEDGER_MARKET, names.market_ids[i]);
}

/* Markets and terminals are few, but the follower shares its CPU's caches with others: without this
 * it waited for them a fifth of its time. */
static void ahead_row(const struct ledger *ledger, struct ledger_ahead *ahead)
{
	struct ahead_names names;

	if (!ahead_next(&ahead->row, ahead->end, &names))
		return;
	if (names.account_id != 0)
		ledger_prefetch_account(ledger, names.account_id);
	ledger_prefetch_terminal(ledger, names.terminal_id);
	for (unsigned i = 0; i < names.market_count; i++)
		ledger_prefetch_market(ledger, names.market_ids[i]);
}

void ledger_ahead_begin(
    const struct ledger *ledger, struct ledger_ahead *ahead, const uint8_t *events, size_t size)
{
	*ahead = (struct ledger_ahead){ events, events, events + size };
	for (unsigned i = 0; i < AHEAD_LINES; i++)
		ahead_line(ledger, ahead);
	for (unsigned i = 0; i < AHEAD_ROWS; i++)
		ahead_row(ledger, ahead);
}

void ledger_ahead_step(const struct ledger *ledger, struct ledger_ahead *ahead)
{
	ahead_line(ledger, ahead);
	ahead_row(ledger, ahead);
}

void ledger_copy_ahead(const struct ledger *to, const struct ledger *from, uint32_t bet_row)
{
	uint32_t count = from->tables[LEDGER_BET].count;

	/* A row that is not in use has account 0. */
	if (bet_row + AHEAD_LINES < count)
		ledger_prefetch_index(
		    to, LEDGER_ACCOUNT, from->bets[bet_row + AHEAD_LINES].account_id);
	if (bet_row + AHEAD_ROWS < count)
		ledger_prefetch_account(to, from->bets[bet_row + AHEAD_ROWS].account_id);
}

/* Whole pages of the size that arena_map asks for. */
#define POPULATE_PAGE ((uintptr_t)2 << 20)

static void populate(const void *table, uint64_t first, uint64_t end, size_t size)
{
	uintptr_t begin = (uintptr_t)table + first * size, behind = (uintptr_t)table + end * size;
	/* The page a part of the table begins in was populated with the part before. */
	uintptr_t from =
	    first == 0 ? begin : (begin + POPULATE_PAGE - 1) / POPULATE_PAGE * POPULATE_PAGE;
	uintptr_t to = (behind + 4095) / 4096 * 4096;

	if (from < to)
		(void)madvise((void *)from, to - from, MADV_POPULATE_WRITE);
}

void ledger_bets_populate(const struct ledger *ledger, uint64_t first)
{
	const struct ledger_table_core *core = &ledger->tables[LEDGER_BET];
	uint64_t end = first + LEDGER_POPULATE_ROWS;

	if (end > core->capacity)
		end = core->capacity;
	if (first >= end)
		return;
	if (first == 0)
		populate(core->index, 0, core->index_mask + 1, sizeof(*core->index));
	populate(ledger->bets, first, end, sizeof(*ledger->bets));
	populate(ledger->bet_meta, first, end, sizeof(*ledger->bet_meta));
	populate(ledger->derived->links, first, end, sizeof(*ledger->derived->links));
	if (core->dirty_ring != NULL)
		populate(core->dirty_ring, first, end, sizeof(*core->dirty_ring));
}
