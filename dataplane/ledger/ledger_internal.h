/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ledger: tables, index, lists. Included by ledger_*.c only. */
#ifndef SLUICE_LEDGER_INTERNAL_H
#define SLUICE_LEDGER_INTERNAL_H

#include "dataplane/ledger/ledger.h"

#define ROW_NONE         UINT32_MAX
#define BET_LEGS_INLINE  4
#define LEDGER_TABLE_MAX (1u << 30)
#define TIME_NONE        UINT64_MAX /* "null" of a wire time: no deadline */
/* System accounts take any balance that int64 holds with room for one more transaction. */
#define SYSTEM_BALANCE_MAX 9000000000000000000ll

/* Beside every row: its part of the state hash, and the lists it is on. */
struct row_meta {
	uint64_t hash;
	uint32_t listed; /* LISTED_* */
	uint32_t order;  /* markets: position in the version order */
};
enum {
	LISTED_HASH = 1u << 0,
	LISTED_CHECKPOINT = 1u << 1,
};

struct account_slot {
	struct account_row row;
	struct row_meta meta;
};
_Static_assert(sizeof(struct account_slot) == 192, "three cache lines");

struct market_slot {
	struct market_row_state row;
	struct row_meta meta;
};
_Static_assert(sizeof(struct market_slot) == 128, "two cache lines");

/* The lists first: then all that a request reads or changes is in the first cache line. */
struct terminal_slot {
	struct row_meta meta;
	struct terminal_row row;
	uint8_t reserved[48];
};
_Static_assert(sizeof(struct terminal_slot) == 128, "two cache lines");

/* A leg as kept: like struct wire_leg with its padding named, so rows can be hashed as bytes. */
struct bet_leg_kept {
	uint64_t market_id;
	uint32_t odds;
	uint16_t selection;
	uint16_t reserved;
};

/* The head of struct bet_row; `overflow` is 0 or 1 + index into the slab of further legs. */
struct bet_slot {
	uint64_t id;
	uint64_t lsn;
	uint64_t account_id;
	uint64_t terminal_id;
	int64_t stake;
	int64_t payout;
	uint64_t placed_at_ns;
	uint16_t currency;
	uint8_t state;
	uint8_t leg_count;
	uint32_t overflow;
	struct bet_leg_kept legs[BET_LEGS_INLINE];
};
_Static_assert(sizeof(struct bet_slot) == 128, "two cache lines");
_Static_assert(sizeof(struct bet_leg_kept) == 16, "four legs in one cache line");

struct bet_overflow {
	struct bet_leg_kept legs[LIMIT_BET_LEGS_MAX - BET_LEGS_INLINE];
};

/* Index entry: row + 1 (0: empty) and 32 bits of the id's hash, so a probe rarely meets a wrong
 * row. */
struct index_entry {
	uint32_t row_plus_one;
	uint32_t tag;
};

/* What the four tables have in common. Rows themselves are in typed arrays of struct ledger. */
struct ledger_table_core {
	struct index_entry *index;
	uint64_t index_mask;
	uint32_t *hash_list;  /* rows changed since the last state hash */
	uint32_t *dirty_ring; /* rows changed since taken by the store; NULL unless tracked */
	uint32_t count, capacity;
	uint32_t hash_count;
	uint32_t dirty_head, dirty_count;
	uint32_t reserved;
};

/* Markets by version: an append-only array, see ledger_market.c. */
struct market_order_entry {
	uint64_t version;
	uint32_t row;
	uint32_t next; /* own position: live; else where to look on */
};
struct market_order {
	struct market_order_entry *entries;
	uint32_t count, capacity;
	uint32_t unsorted;
};

#define LEDGER_ARENAS_MAX 24

struct ledger {
	struct shard_row shard;
	struct ledger_table_core tables[LEDGER_TABLE_COUNT];
	struct account_slot *accounts;
	struct bet_slot *bets;
	struct row_meta *bet_meta;
	struct bet_overflow *bet_overflow;
	struct market_slot *markets;
	struct terminal_slot *terminals;
	struct market_order *market_order;
	uint64_t hash_sum; /* over rows not on a hash list, and the last hashes of those that are */
	uint64_t bets_open;
	uint32_t bet_overflow_count;
	uint32_t system_count;
	struct ledger_config config;
	struct {
		void *start;
		size_t size;
	} arenas[LEDGER_ARENAS_MAX];
	unsigned arena_count;
};

/* ---- Index. Linear probing, at most half full, nothing is ever deleted. ---- */

static inline uint64_t ledger_mix(uint64_t id)
{
	id ^= id >> 32;
	id *= 0xd6e8feb86659fd93ull;
	id ^= id >> 32;
	id *= 0xd6e8feb86659fd93ull;
	return id ^ id >> 32;
}

static inline uint64_t index_start(enum ledger_table table, uint64_t id, uint32_t *tag)
{
	uint64_t hash = ledger_mix(id);

	*tag = (uint32_t)hash;
	/*
	 * Bets: eight neighbours of the shard's counter share a cache line of the index, whatever
	 * buckets are in their ids, so a run of new bets touches one new line in eight.
	 */
	if (table == LEDGER_BET)
		return ledger_mix((id & IDS_COUNTER_MAX) >> 3) << 3 | (id & 7);
	return hash >> 32;
}

#define INDEX_FIND(name, table, rows, id_field)                                                    \
	static inline uint32_t name(const struct ledger *ledger, uint64_t id)                      \
	{                                                                                          \
		const struct ledger_table_core *core = &ledger->tables[table];                     \
		uint32_t tag;                                                                      \
		uint64_t at = index_start(table, id, &tag);                                        \
                                                                                                   \
		for (;; at++) {                                                                    \
			struct index_entry entry = core->index[at & core->index_mask];             \
                                                                                                   \
			if (entry.row_plus_one == 0)                                               \
				return ROW_NONE;                                                   \
			if (entry.tag == tag &&                                                    \
			    ledger->rows[entry.row_plus_one - 1].id_field == id)                   \
				return entry.row_plus_one - 1;                                     \
		}                                                                                  \
	}
INDEX_FIND(account_find, LEDGER_ACCOUNT, accounts, row.id)
INDEX_FIND(bet_find, LEDGER_BET, bets, id)
INDEX_FIND(market_find, LEDGER_MARKET, markets, row.id)
INDEX_FIND(terminal_find, LEDGER_TERMINAL, terminals, row.id)
#undef INDEX_FIND

static inline int table_room(const struct ledger *ledger, enum ledger_table table, uint32_t rows)
{
	const struct ledger_table_core *core = &ledger->tables[table];

	return core->capacity - core->count >= rows;
}

/* Enters the next row number for an id that is not in the table; the caller has checked the room.
 */
uint32_t ledger_table_insert(struct ledger *ledger, enum ledger_table table, uint64_t id);

/* Puts the row on the lists it is not on. Call after every change of a row. */
static inline void ledger_row_changed(
    struct ledger *ledger, enum ledger_table table, uint32_t row, struct row_meta *meta)
{
	struct ledger_table_core *core = &ledger->tables[table];

	if (!(meta->listed & LISTED_HASH)) {
		meta->listed |= LISTED_HASH;
		core->hash_list[core->hash_count++] = row;
	}
	if (core->dirty_ring != NULL && !(meta->listed & LISTED_CHECKPOINT)) {
		uint32_t at = core->dirty_head + core->dirty_count++;

		meta->listed |= LISTED_CHECKPOINT;
		core->dirty_ring[at >= core->capacity ? at - core->capacity : at] = row;
	}
}

/* ---- Rows ---- */

/* New rows; the caller has checked the room. All fields zero but those given. */
uint32_t ledger_account_create(
    struct ledger *ledger, uint64_t id, uint16_t currency, uint16_t flags);
uint32_t ledger_terminal_create(struct ledger *ledger, uint64_t id);

static inline const struct bet_leg_kept *bet_leg_at(
    const struct ledger *ledger, const struct bet_slot *bet, unsigned leg)
{
	return leg < BET_LEGS_INLINE
	           ? &bet->legs[leg]
	           : &ledger->bet_overflow[bet->overflow - 1].legs[leg - BET_LEGS_INLINE];
}
/* A new bet: everything of `row` is copied; the caller has checked the room. */
uint32_t ledger_bet_create(struct ledger *ledger, const struct bet_row *row);
uint64_t ledger_bet_hash(const struct ledger *ledger, uint32_t row);

/* Enters the market's present version as the newest; call after each change of row.version. */
void ledger_market_order_set(struct ledger *ledger, uint32_t row);

/* Name of the counter account of an event type that moves money; 0 for the others. */
uint64_t ledger_counter_account(uint16_t type, uint16_t currency, uint64_t terminal_id);

#endif
