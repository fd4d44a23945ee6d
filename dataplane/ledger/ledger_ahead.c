/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay and loading wait for memory more than they compute: accounts are at random places. These
 * fetch what comes a few rows later. They change nothing and check nothing.
 */
#include <sys/mman.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_internal.h"

/* First the line of the index, some rows later (it has come) the row it names. */
#define AHEAD_LINES LEDGER_AHEAD_LINES
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

/* A field of an event that is nobody's own memory: the record is not copied whole for a few. */
static uint64_t event_le64(const uint8_t *event, size_t offset)
{
	struct le64 field;

	memcpy(&field, event + offset, sizeof(field));
	return le64_get(field);
}

static uint16_t event_le16(const uint8_t *event, size_t offset)
{
	struct le16 field;

	memcpy(&field, event + offset, sizeof(field));
	return le16_get(field);
}

/* What the event touches at places of its own. `length`: its own, at least a record's. */
static void names_read(const uint8_t *event, size_t length, struct ledger_ahead_names *names)
{
	uint64_t account_id = event_le64(event, offsetof(struct event_record, account_id));
	uint8_t legs = event[offsetof(struct event_record, leg_count)];

	names->lsn = event_le64(event, offsetof(struct event_record, lsn));
	names->has_account = account_id != 0;
	names->account = ledger_mix(account_id);
	names->terminal = ledger_mix(event_le64(event, offsetof(struct event_record, terminal_id)));
	names->market_count = 0;
	if (event_le16(event, offsetof(struct event_record, type)) != EVENT_PLACE_BET ||
	    legs > LIMIT_BET_LEGS_MAX ||
	    length < sizeof(struct event_record) + legs * sizeof(struct event_leg))
		return;
	names->market_count = legs;
	for (unsigned i = 0; i < legs; i++)
		names->markets[i] = ledger_mix(
		    event_le64(event, sizeof(struct event_record) + i * sizeof(struct event_leg) +
		                          offsetof(struct event_leg, market_id)));
}

static void line_prefetch(const struct ledger *ledger, enum ledger_table table, uint64_t hash)
{
	const struct ledger_table_core *core = &ledger->tables[table];

	__builtin_prefetch(&core->index[index_start_of(hash) & core->index_mask], 1);
}

static void ahead_line(const struct ledger *ledger, struct ledger_ahead *ahead)
{
	struct ledger_ahead_names *names = &ahead->names[ahead->lines & (AHEAD_LINES - 1)];
	size_t left = (size_t)(ahead->end - ahead->line), length;

	/* The events themselves come from another thread's writes: two lines each, mostly. */
	__builtin_prefetch((const void *)((uintptr_t)ahead->line + AHEAD_BYTES));
	__builtin_prefetch(
	    (const void *)((uintptr_t)ahead->line + AHEAD_BYTES + SLUICE_CACHE_LINE_SIZE));
	if (left < sizeof(struct event_record))
		return;
	length = event_le16(ahead->line, offsetof(struct event_record, length));
	if (length < sizeof(struct event_record) || length > left)
		return;
	names_read(ahead->line, length, names);
	ahead->line += length;
	ahead->lines++;
	line_prefetch(ledger, LEDGER_ACCOUNT, names->account);
	line_prefetch(ledger, LEDGER_TERMINAL, names->terminal);
	for (unsigned i = 0; i < names->market_count; i++)
		line_prefetch(ledger, LEDGER_MARKET, names->markets[i]);
}

/* Markets and terminals are few, but the follower shares its CPU's caches with others: without this
 * it waited for them a fifth of its time. */
static void ahead_row(const struct ledger *ledger, struct ledger_ahead *ahead)
{
	const struct ledger_ahead_names *names;
	struct derived_hint hint = { .account = ROW_NONE, .market = ROW_NONE };
	uint32_t record;

	if (ahead->rows == ahead->lines)
		return;
	names = &ahead->names[ahead->rows++ & (AHEAD_LINES - 1)];
	hint.lsn = names->lsn;
	if (names->has_account)
		hint.account = ledger_prefetch_account(ledger, names->account);
	hint.terminal = ledger_prefetch_terminal_row(ledger, names->terminal);
	if (names->market_count > 0)
		hint.market =
		    ledger_prefetch_market(ledger, names->markets[0], &hint.market_record);
	for (unsigned i = 1; i < names->market_count; i++)
		(void)ledger_prefetch_market(ledger, names->markets[i], &record);
	ledger->derived->hints[hint.lsn & (AHEAD_LINES - 1)] = hint;
}

void ledger_ahead_begin(
    const struct ledger *ledger, struct ledger_ahead *ahead, const uint8_t *events, size_t size)
{
	ahead->line = events;
	ahead->end = events + size;
	ahead->lines = ahead->rows = 0;
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
		(void)ledger_prefetch_account(
		    to, ledger_mix(from->bets[bet_row + AHEAD_ROWS].account_id));
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
