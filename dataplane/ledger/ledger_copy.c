/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole ledger into an empty one. Accounts and bets, of which there are millions, are copied as
 * they lie in memory, with their index, chains, exposures and hashes: row numbers stay. The other
 * tables, few and smaller, are loaded row by row, which makes what is derived of them anew.
 *
 * A follower's retired bets, which wait there for the checkpoint, are free numbers in the copy. A
 * table whose numbers do not fit the copy's smaller capacity is loaded row by row too: then the
 * rows in use alone count.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"
#include "wire/canary.h"

#define INDEX_AHEAD 16 /* rows whose line of the index is fetched before they are entered */

/* ---- As they lie in memory ---- */

/* 1: the rows of a table keep their numbers. */
static int numbers_fit(const struct ledger *to, const struct ledger *from, enum ledger_table table)
{
	return from->tables[table].count <= to->tables[table].capacity;
}

/* The numbers of rows, the changes not yet hashed, and the index where it has the same size. */
static void core_copy(struct ledger *to, const struct ledger *from, enum ledger_table table)
{
	const struct ledger_table_core *source = &from->tables[table];
	struct ledger_table_core *core = &to->tables[table];

	core->count = source->count;
	/* A row whose making was undone may still be on the list, behind the last one. */
	for (uint32_t i = 0; i < source->hash_count; i++)
		if (source->hash_list[i] < source->count)
			core->hash_list[core->hash_count++] = source->hash_list[i];
	if (core->index_mask == source->index_mask)
		memcpy(core->index, source->index, (source->index_mask + 1) * sizeof(*core->index));
}

/* Part of the state hash, and on none of the lists of the follower's checkpoint. */
static void meta_copied(struct ledger *to, struct row_meta *meta)
{
	meta->listed &= ~(uint32_t)LISTED_CHECKPOINT;
	to->hash_sum += meta->hash;
}

static void accounts_copy(struct ledger *to, const struct ledger *from)
{
	uint32_t count = from->tables[LEDGER_ACCOUNT].count;
	int index_too =
	    to->tables[LEDGER_ACCOUNT].index_mask == from->tables[LEDGER_ACCOUNT].index_mask;

	core_copy(to, from, LEDGER_ACCOUNT);
	to->system_count = from->system_count;
	for (uint32_t row = 0; row < count; row++) {
		to->accounts[row] = from->accounts[row];
		if (from->accounts[row].meta.listed & LISTED_STATE)
			to->account_states[row] = from->account_states[row];
		meta_copied(to, &to->accounts[row].meta);
		if (index_too)
			continue;
		if (row + INDEX_AHEAD < count)
			ledger_prefetch_index(
			    to, LEDGER_ACCOUNT, from->accounts[row + INDEX_AHEAD].row.id);
		ledger_index_enter(to, LEDGER_ACCOUNT, row, from->accounts[row].row.id);
	}
}

/* Chains and exposures. Passes over chains begin anew, as after every start. */
static void chains_copy(struct ledger *to, const struct ledger *from)
{
	const struct ledger_derived *source = from->derived;
	struct ledger_derived *derived = to->derived;
	uint32_t bets = from->tables[LEDGER_BET].count;

	memcpy(derived->markets, source->markets, source->market_count * sizeof(*source->markets));
	for (uint32_t i = 0; i < source->market_count; i++)
		derived->markets[i].swept = 0;
	memcpy(derived->market_heads, source->market_heads,
	    (source->market_mask + 1u) * sizeof(*source->market_heads));
	derived->market_count = source->market_count;
	derived->unknown_count = source->unknown_count;
	derived->currency = source->currency;
	derived->partners_stale = source->partners_stale;
	memcpy(derived->partners, source->partners,
	    (LIMIT_PARTNER_ID_MAX + 1u) * sizeof(*source->partners));
	memcpy(derived->links, source->links, bets * sizeof(*source->links));
	memcpy(derived->links_overflow, source->links_overflow,
	    from->bet_overflow_count * sizeof(*source->links_overflow));
}

/* A number that is free here, whether or not it waits for the checkpoint over there. */
static void bet_free(struct ledger *to, uint32_t row)
{
	if (to->bets[row].overflow != 0)
		to->bet_overflow_free[to->bet_overflow_free_count++] = to->bets[row].overflow;
	memset(&to->bets[row], 0, sizeof(to->bets[row]));
	ledger_table_free(to, LEDGER_BET, row);
}

static void bets_copy(struct ledger *to, const struct ledger *from)
{
	uint32_t count = from->tables[LEDGER_BET].count;
	int index_too = to->tables[LEDGER_BET].index_mask == from->tables[LEDGER_BET].index_mask;

	core_copy(to, from, LEDGER_BET);
	to->bets_open = from->bets_open;
	to->bet_overflow_count = from->bet_overflow_count;
	to->bet_overflow_free_count = from->bet_overflow_free_count;
	memcpy(to->bet_overflow, from->bet_overflow,
	    from->bet_overflow_count * sizeof(*from->bet_overflow));
	memcpy(to->bet_overflow_free, from->bet_overflow_free,
	    from->bet_overflow_free_count * sizeof(*from->bet_overflow_free));
	for (uint32_t row = 0; row < count; row++) {
		to->bets[row] = from->bets[row];
		to->bet_meta[row] = from->bet_meta[row];
		meta_copied(to, &to->bet_meta[row]);
		if (!ledger_row_live(&to->bet_meta[row])) {
			bet_free(to, row);
			continue;
		}
		if (!index_too && row + INDEX_AHEAD < count)
			ledger_prefetch_index(to, LEDGER_BET, from->bets[row + INDEX_AHEAD].id);
		if (!index_too)
			ledger_index_enter(to, LEDGER_BET, row, to->bets[row].id);
		if (to->bets[row].state != BET_OPEN)
			ledger_due_note(to, LEDGER_BET, row, 0);
	}
}

/* ---- Row by row ---- */

static int accounts_load(struct ledger *to, const struct ledger *from)
{
	uint32_t count = from->tables[LEDGER_ACCOUNT].count;
	int error = 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		if (i + INDEX_AHEAD < count)
			ledger_prefetch_index(
			    to, LEDGER_ACCOUNT, from->accounts[i + INDEX_AHEAD].row.id);
		error = ledger_load_account(to, &from->accounts[i].row);
		if (error == 0 && ledger_account_state_at(from, i) != NULL)
			error = ledger_load_account_state(
			    to, from->accounts[i].row.id, &from->account_states[i]);
	}
	return error;
}

static int bets_load(struct ledger *to, const struct ledger *from)
{
	int error = 0;

	for (uint32_t i = 0; i < from->tables[LEDGER_BET].count && error == 0; i++) {
		struct bet_row bet;

		ledger_copy_ahead(to, from, i);
		if (!ledger_row_live(&from->bet_meta[i]))
			continue;
		ledger_bet_at(from, i, &bet);
		error = ledger_load_bet(to, &bet);
	}
	return error;
}

static int others_load(struct ledger *to, const struct ledger *from)
{
	int error = 0;

	for (uint32_t i = 0; i < from->tables[LEDGER_OBJECT].count && error == 0; i++)
		if (ledger_row_live(&from->objects[i].meta))
			error = ledger_load_object(to, &from->objects[i].row);
	for (uint32_t i = 0; i < from->tables[LEDGER_TERMINAL].count && error == 0; i++) {
		error = ledger_load_terminal(to, &from->terminals[i].row);
		if (error == 0 && ledger_terminal_state_at(from, i) != NULL)
			error = ledger_load_terminal_state(
			    to, from->terminals[i].row.id, &from->terminal_states[i]);
	}
	return error;
}

/* What bets name comes before them. */
static int tables_copy(struct ledger *to, const struct ledger *from)
{
	int bets_as_they_lie =
	    numbers_fit(to, from, LEDGER_BET) && to->config.markets_max == from->config.markets_max;
	int error = 0;

	if (numbers_fit(to, from, LEDGER_ACCOUNT))
		accounts_copy(to, from);
	else
		error = accounts_load(to, from);
	if (bets_as_they_lie)
		chains_copy(to, from);
	for (uint32_t i = 0; i < from->tables[LEDGER_MARKET].count && error == 0; i++)
		error = ledger_load_market(to, &from->markets[i].row);
	if (error == 0 && bets_as_they_lie)
		bets_copy(to, from);
	else if (error == 0)
		error = bets_load(to, from);
	return error == 0 ? others_load(to, from) : error;
}

int ledger_copy(struct ledger *to, const struct ledger *from)
{
	const struct market_row_state *first;
	int more, error;

	for (unsigned i = 0; i < LEDGER_TABLE_COUNT; i++) {
		if (to->tables[i].count != 0)
			return -EEXIST;
	}
	/* First: when a row is due is computed as it is loaded, by the rules of the shard's row. */
	ledger_load_shard(to, &from->shard);
	error = tables_copy(to, from);
	if (error != 0)
		return error;
	to->horizon_lsn = from->horizon_lsn;
	/* What would otherwise be done at first use, on the packet path. */
	(void)ledger_markets_since(to, 0, &first, 1, &more);
	(void)ledger_state_hash(to);
	if (SLUICE_CANARY(ALIAS_FOLLOWER))
		to->accounts = from->accounts;
	return 0;
}
