/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ledger: tables, index, lists. Included by ledger_*.c only. */
#ifndef SLUICE_LEDGER_INTERNAL_H
#define SLUICE_LEDGER_INTERNAL_H

#include "dataplane/ledger/ledger.h"
#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model.h"
#include "lmdb-schema/event_sections.h"

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
	LISTED_GONE = 1u << 2, /* retired: not in the index, no part of the state hash */
	/* Of an account or terminal, no list: its risk state may be more than zeros. */
	LISTED_STATE = 1u << 3,
};

struct account_slot {
	struct account_row row;
	struct row_meta meta;
};
/*
 * An account's memory: this, its risk state (240 B) and its place in the index (16 B) are the 400 B
 * that are allowed. The 48 spare bytes of the profile are on disk and in the hash only.
 */
_Static_assert(sizeof(struct account_slot) == 144, "an account and its state: 400 B");
#define ACCOUNT_SPARE_SIZE 48
_Static_assert(sizeof(struct account_slot) + sizeof(struct risk_account_state) + 16 == 400,
    "budget of an account");

/* What a bet looks at is in the first two cache lines. */
struct market_slot {
	struct market_row_state row;
	struct row_meta meta;
};

struct object_slot {
	struct object_row row;
	struct row_meta meta;
};
_Static_assert(sizeof(struct object_slot) == 176, "no padding");

/* The lists first: then all that a request reads or changes is in the first cache line. */
struct terminal_slot {
	struct row_meta meta;
	struct terminal_row row;
	uint8_t reserved[16];
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
	uint8_t state : 4;         /* bet_state */
	uint8_t reprints_high : 4; /* in bits that were zero: the slot's bytes are hashed */
	uint8_t leg_count : 4;     /* at most 10 */
	uint8_t reprints_low : 4;
	uint32_t overflow;
	struct bet_leg_kept legs[BET_LEGS_INLINE];
};
_Static_assert(sizeof(struct bet_slot) == 128, "two cache lines");
_Static_assert(BET_STATE_MAX <= 15 && LIMIT_BET_LEGS_MAX <= 15, "four bits");

static inline uint8_t bet_reprints(const struct bet_slot *bet)
{
	return (uint8_t)(bet->reprints_high << 4 | bet->reprints_low);
}

static inline void bet_reprints_set(struct bet_slot *bet, uint8_t reprints)
{
	bet->reprints_high = reprints >> 4 & 15u;
	bet->reprints_low = reprints & 15u;
}
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

/* What the tables have in common. Rows themselves are in typed arrays of struct ledger. */
struct ledger_table_core {
	struct index_entry *index;
	uint64_t index_mask;
	uint32_t *hash_list;  /* rows changed since the last state hash */
	uint32_t *dirty_ring; /* rows changed since taken by the store; NULL unless tracked */
	uint32_t *free_rows;  /* numbers of retired rows; NULL where rows never retire */
	uint32_t count;       /* row numbers ever used: some may be free */
	uint32_t capacity;
	uint32_t free_count;
	uint32_t hash_count;
	uint32_t dirty_head, dirty_count;
};

/* A row as it was before a linked group changed it. */
struct group_entry {
	uint32_t row;
	uint8_t table; /* enum ledger_table */
	uint8_t created;
	uint8_t reserved[2];
	union {
		struct {
			struct account_row row;
			struct risk_account_state state;
		} account;
		struct {
			struct terminal_row row;
			struct risk_terminal_state state;
		} terminal;
		struct object_row object;
		struct bet_slot bet;
	};
};
/* Per member: account, six lines, terminal, bet, objects. */
#define GROUP_ENTRIES_MAX (LIMIT_LINKED_MAX * (9 + EVENT_OBJECTS_MAX))

struct ledger_group {
	struct shard_row shard;
	struct group_entry entries[GROUP_ENTRIES_MAX];
	uint32_t count;
	uint8_t active;
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

/* What a decision is judged by: it points into itself, and into the ledger's rows or a risk_fresh.
 */
struct risk_scene {
	struct risk_transaction transaction;
	struct risk_traits traits;
	struct risk_view view;
	struct risk_feedback_view partner; /* the view's, when it has one */
};

/* What the model said of the requests of one burst (ledger_model.c). */
struct model_score {
	uint64_t request_id, terminal_id, body_hash;
	uint64_t account_lsn, terminal_lsn; /* rows as they were then */
	int32_t margin;
	uint8_t has_scene; /* scenes[the same] can be decided by: it points into rows only */
};
struct model_scores {
	const struct risk_model *model; /* NULL: none */
	uint64_t time_ns;
	uint32_t version, rule_version, count;
	uint32_t parts; /* of the features, that it looks at */
	uint32_t next;  /* where the next one is looked for first */
	struct model_score scores[RISK_MODEL_BURST];
	int32_t margins[RISK_MODEL_STRIDE];
	_Alignas(64) float columns[RISK_FEATURE_COLUMNS * RISK_MODEL_STRIDE];
	struct risk_scene scenes[RISK_MODEL_BURST]; /* of the same requests */
	struct risk_scene single;                   /* of a request that has none of these */
};

/*
 * Rows of the bet decided last, so that applying it need not look for them again; and the scene it
 * was judged by, of which what does not point into rows still holds. `lsn` 0: none. A hint only:
 * whoever uses it compares the ids.
 */
struct decided_bet {
	uint64_t lsn; /* of its event */
	uint32_t account, terminal, stakes;
	const struct risk_scene *scene; /* NULL: judged without the states */
};

#define LEDGER_ARENAS_MAX 52

struct ledger {
	struct shard_row shard;
	struct ledger_table_core tables[LEDGER_TABLE_COUNT];
	struct account_slot *accounts;
	/* By row number, zero until learned: part of the account's and of the terminal's row. */
	struct risk_account_state *account_states;
	struct risk_terminal_state *terminal_states;
	struct bet_slot *bets;
	struct row_meta *bet_meta;
	struct bet_overflow *bet_overflow;
	struct market_slot *markets;
	struct terminal_slot *terminals;
	struct object_slot *objects;
	struct market_order *market_order;
	struct ledger_derived *derived; /* ledger_derived.h: chains, exposures, timers, events */
	struct ledger_group *group;
	struct model_scores *scores;
	struct decided_bet decided;
	struct risk_clock clock; /* of the last time that was asked for (ledger_clock) */
	uint32_t stakes_seen;    /* account row that the bet before was posted on; a hint only */
	uint32_t *partner_keys;  /* by partner: PARTNER_KEY objects here; derived */
	uint32_t *partner_rows;  /* by partner: row of its PARTNER object + 1, 0 none; derived */
	uint64_t hash_sum; /* over rows not on a hash list, and the last hashes of those that are */
	uint64_t bets_open;
	uint64_t horizon_lsn; /* events up to here may name rows that have retired since */
	uint32_t *bet_overflow_free;
	uint32_t bet_overflow_free_count;
	uint32_t bet_overflow_count;
	uint32_t system_count;
	struct ledger_config config;
	struct {
		void *start;
		size_t size;
		size_t spare; /* bytes at its end that `populate` leaves out */
	} arenas[LEDGER_ARENAS_MAX];
	unsigned arena_count;
};

/* ---- Index. Linear probing, at most half full; removal shifts what follows back. ---- */

static inline uint64_t ledger_mix(uint64_t id)
{
	id ^= id >> 32;
	id *= 0xd6e8feb86659fd93ull;
	id ^= id >> 32;
	id *= 0xd6e8feb86659fd93ull;
	return id ^ id >> 32;
}

/* Where the search for an id with this ledger_mix begins, but for bets; its low half is the tag. */
static inline uint64_t index_start_of(uint64_t hash)
{
	return hash >> 32;
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
	return index_start_of(hash);
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
INDEX_FIND(object_find, LEDGER_OBJECT, objects, row.id)
#undef INDEX_FIND

/* Where a bet that is not in the index would be entered, with its tag: found when it is looked for,
 * so that entering it need not look again. */
struct bet_place {
	uint64_t at;
	uint32_t tag;
};

/* bet_find; when it is not there, its place, good until a bet is entered or removed. */
static inline uint32_t bet_find_place(
    const struct ledger *ledger, uint64_t id, struct bet_place *place)
{
	const struct ledger_table_core *core = &ledger->tables[LEDGER_BET];

	for (place->at = index_start(LEDGER_BET, id, &place->tag);; place->at++) {
		struct index_entry entry = core->index[place->at & core->index_mask];

		if (entry.row_plus_one == 0)
			return ROW_NONE;
		if (entry.tag == place->tag && ledger->bets[entry.row_plus_one - 1].id == id)
			return entry.row_plus_one - 1;
	}
}

/* ledger_request.c: the lines of the row that the id with this ledger_mix names, by its tag alone:
 * to compare the id would be to wait for the row. The row; ROW_NONE. */
uint32_t ledger_prefetch_account(const struct ledger *ledger, uint64_t hash);
uint32_t ledger_prefetch_terminal_row(const struct ledger *ledger, uint64_t hash);
/* *record: what ledger_derived.h keeps of it, + 1; 0: nothing. */
uint32_t ledger_prefetch_market(const struct ledger *ledger, uint64_t hash, uint32_t *record);

/* ledger_ahead.c: before bet `bet_row` is copied. */
void ledger_copy_ahead(const struct ledger *to, const struct ledger *from, uint32_t bet_row);

static inline int table_room(const struct ledger *ledger, enum ledger_table table, uint32_t rows)
{
	const struct ledger_table_core *core = &ledger->tables[table];

	return core->capacity - core->count + core->free_count >= rows;
}

/*
 * Account rows that new customers and cash drawers leave free: for the system accounts that
 * settlements, transfers and timers make when they first need them, and without which they could
 * never go on. Small tables, of tests, are used up to the last row.
 */
static inline uint32_t system_rows_kept(const struct ledger *ledger)
{
	return ledger->tables[LEDGER_ACCOUNT].capacity < 1024 ? 0
	                                                      : 64 + 2 * ledger->config.shard_count;
}

/* Enters a free row number for an id that is not in the table; the caller has checked the room. */
uint32_t ledger_table_insert(struct ledger *ledger, enum ledger_table table, uint64_t id);
/* Enters a row whose id is not in the index. */
void ledger_index_enter(struct ledger *ledger, enum ledger_table table, uint32_t row, uint64_t id);
/* Takes the id out of the index; the row keeps its number until ledger_table_free. */
void ledger_table_remove(struct ledger *ledger, enum ledger_table table, uint32_t row);
/* The number may be used again. */
void ledger_table_free(struct ledger *ledger, enum ledger_table table, uint32_t row);
struct row_meta *ledger_row_meta(
    const struct ledger *ledger, enum ledger_table table, uint32_t row);
/* 1 for a row number in use and not retired. */
static inline int ledger_row_live(const struct row_meta *meta)
{
	return (meta->listed & LISTED_GONE) == 0;
}
/* A bet or object leaves memory; with track_checkpoint its number stays until it is released. */
void ledger_row_retire(struct ledger *ledger, enum ledger_table table, uint32_t row);

/* Keeps the row as it is for ledger_group_undo; nothing outside a group. Before every change. */
void ledger_group_save(struct ledger *ledger, enum ledger_table table, uint32_t row, int created);

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
/*
 * A row for a new bet, entered at `place` (NULL: to be looked for); the caller has checked the room
 * and writes the whole row. *overflow: what it has there for further legs.
 */
uint32_t ledger_bet_begin(struct ledger *ledger, uint64_t id, unsigned leg_count,
    const struct bet_place *place, uint32_t *overflow);
static inline void ledger_bet_leg_set(
    struct ledger *ledger, uint32_t row, unsigned leg, struct bet_leg_kept kept)
{
	struct bet_slot *bet = &ledger->bets[row];

	if (leg < BET_LEGS_INLINE)
		bet->legs[leg] = kept;
	else
		ledger->bet_overflow[bet->overflow - 1].legs[leg - BET_LEGS_INLINE] = kept;
}
/* A new bet: everything of `row` is copied; the caller has checked the room. */
uint32_t ledger_bet_create(struct ledger *ledger, const struct bet_row *row);
/* Enters it into what is derived. -ENOSPC: see ledger_chain_add; never for a bet that was decided.
 */
SLUICE_MUST_USE int ledger_bet_enter(struct ledger *ledger, uint32_t row);
uint64_t ledger_bet_hash(const struct ledger *ledger, uint32_t row);

/* Enters the market's present version as the newest; call after each change of row.version. */
void ledger_market_order_set(struct ledger *ledger, uint32_t row);

/* Idempotency keys a partner holds on this shard. */
static inline uint32_t ledger_partner_keys(const struct ledger *ledger, uint32_t partner_id)
{
	return partner_id <= LIMIT_PARTNER_ID_MAX ? ledger->partner_keys[partner_id] : 0;
}
/* The PARTNER object, without a look into the index: requests of its accounts ask for it. NULL:
 * there is none. */
static inline const struct object_row *ledger_partner(
    const struct ledger *ledger, uint64_t partner_id)
{
	uint32_t row = partner_id <= LIMIT_PARTNER_ID_MAX ? ledger->partner_rows[partner_id] : 0;

	return row == 0 ? NULL : &ledger->objects[row - 1].row;
}
/* An object row has been filled or changed, or is about to be or to leave: sign +1, -1. A key that
 * was set free is nobody's. */
static inline void ledger_object_count(struct ledger *ledger, uint32_t row, int sign)
{
	const struct object_row *object = &ledger->objects[row].row;

	if (object->kind == OBJECT_PARTNER_KEY && object->state == OBJECT_DONE &&
	    object->partner_id <= LIMIT_PARTNER_ID_MAX)
		ledger->partner_keys[object->partner_id] += (uint32_t)sign;
	if (object->kind == OBJECT_PARTNER && object->partner_id <= LIMIT_PARTNER_ID_MAX) {
		ledger->partner_rows[object->partner_id] = sign > 0 ? row + 1 : 0;
		ledger->scores->count = 0; /* they may have looked at its cases */
	}
}

/* The clock as of a time, by the rules in force. */
static inline const struct risk_clock *ledger_clock(struct ledger *ledger, uint64_t time_ns)
{
	risk_clock_at(&ledger->clock, time_ns, ledger->shard.rules.utc_offset_s);
	return &ledger->clock;
}

/* The risk state of a row that this ledger holds. */
static inline const struct risk_account_state *ledger_account_state(
    const struct ledger *ledger, const struct account_row *account)
{
	return &ledger->account_states[(const struct account_slot *)account - ledger->accounts];
}
static inline uint32_t ledger_terminal_number(
    const struct ledger *ledger, const struct terminal_row *terminal)
{
	const char *slot = (const char *)terminal - offsetof(struct terminal_slot, row);

	return (uint32_t)((const struct terminal_slot *)(const void *)slot - ledger->terminals);
}
static inline const struct risk_terminal_state *ledger_terminal_state(
    const struct ledger *ledger, const struct terminal_row *terminal)
{
	return &ledger->terminal_states[ledger_terminal_number(ledger, terminal)];
}

/* account_find, first where the bet decided last has its account. */
static inline uint32_t account_decided(const struct ledger *ledger, uint64_t id)
{
	uint32_t row = ledger->decided.account;

	return ledger->decided.lsn != 0 && ledger->accounts[row].row.id == id
	           ? row
	           : account_find(ledger, id);
}

/* ---- Double entry: ledger_lines.c ---- */

struct ledger_line {
	uint64_t account_id;
	int64_t amount;
	int64_t balance;   /* of a customer after the event */
	uint64_t prev_lsn; /* of a customer */
	uint8_t explicit;  /* 1: a line section; 0: implied by the type */
	int8_t owner;      /* RECEIVABLE: index of the customer's line, -1 the record's account */
};
#define LEDGER_LINES_MAX (EVENT_LINES_MAX + 2)

/*
 * Every posting of the event but the record's own: the line sections, the implied STAKES and the
 * counter account. Returns their number, or -EBADMSG: the lines do not come to zero where the type
 * has no counter account, or a sum does not fit 64 bits. 0 for an event that moves nothing.
 */
SLUICE_MUST_USE int ledger_lines(
    const struct event_view *view, struct ledger_line lines[LEDGER_LINES_MAX]);
/* 1 when the event's object_id is the next one of the shard's counter: a new bet, or an object with
 * a printed id. */
int ledger_event_counts(const struct event_view *view);
/* What a PLACE_BET stakes: from the account, or in cash. */
int64_t ledger_event_stake(const struct event_view *view);

static inline int in_range(int64_t value, int64_t low, int64_t high)
{
	return value >= low && value <= high;
}

/* event_check of an event that was taken apart; without whether its lines come to zero, for who
 * asks ledger_lines next; its fixed body alone: 1 valid. */
SLUICE_MUST_USE int event_view_check(const struct event_view *view);
SLUICE_MUST_USE int event_view_values_check(const struct event_view *view);
int event_body_valid(const struct event_view *view);
/* The rules of a RULES_SET. 0 or -EBADMSG. */
SLUICE_MUST_USE int ledger_event_rules(
    const struct event_view *view, struct risk_rules *rules, struct risk_rules_extra *extra);

/* The row of a natural key, ROW_NONE; *free_id is an id a new row of it may have. */
uint32_t ledger_object_find_key(
    const struct ledger *ledger, const struct object_key *key, uint64_t *free_id);

#endif
