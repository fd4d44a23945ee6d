/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, state hash, loading and copying. */
#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_hash.h"
#include "dataplane/ledger/ledger_internal.h"

const struct account_row *ledger_account(const struct ledger *ledger, uint64_t account_id)
{
	uint32_t row = account_find(ledger, account_id);

	return row == ROW_NONE ? NULL : &ledger->accounts[row].row;
}

const struct terminal_row *ledger_terminal(const struct ledger *ledger, uint64_t terminal_id)
{
	uint32_t row = terminal_find(ledger, terminal_id);

	return row == ROW_NONE ? NULL : &ledger->terminals[row].row;
}

const struct object_row *ledger_object(const struct ledger *ledger, uint64_t object_id)
{
	uint32_t row = object_find(ledger, object_id);

	return row == ROW_NONE ? NULL : &ledger->objects[row].row;
}

uint32_t ledger_object_find_key(
    const struct ledger *ledger, const struct object_key *key, uint64_t *free_id)
{
	uint64_t id = object_key_hash(key);

	for (;; id++) {
		uint32_t row = object_find(ledger, id);
		const struct object_row *object;
		struct object_key held;

		*free_id = id;
		if (row == ROW_NONE)
			return ROW_NONE;
		object = &ledger->objects[row].row;
		if (object->kind == key->kind &&
		    object_key_of(object->kind, object->partner_id, object->body, &held) == 0 &&
		    memcmp(held.words, key->words, sizeof(held.words)) == 0)
			return row;
	}
}

const struct object_row *ledger_object_by_key(
    const struct ledger *ledger, const struct object_key *key)
{
	uint64_t free_id;
	uint32_t row = ledger_object_find_key(ledger, key, &free_id);

	return row == ROW_NONE ? NULL : &ledger->objects[row].row;
}

const struct shard_row *ledger_shard(const struct ledger *ledger)
{
	return &ledger->shard;
}

const struct account_row *ledger_account_at(const struct ledger *ledger, uint32_t row)
{
	return &ledger->accounts[row].row;
}

const struct terminal_row *ledger_terminal_at(const struct ledger *ledger, uint32_t row)
{
	return &ledger->terminals[row].row;
}

const struct risk_account_state *ledger_account_state_at(const struct ledger *ledger, uint32_t row)
{
	const struct risk_account_state *state = &ledger->account_states[row];

	return (ledger->accounts[row].meta.listed & LISTED_STATE) &&
	               !bytes_all_zero(state, sizeof(*state))
	           ? state
	           : NULL;
}

const struct risk_terminal_state *ledger_terminal_state_at(
    const struct ledger *ledger, uint32_t row)
{
	const struct risk_terminal_state *state = &ledger->terminal_states[row];

	return (ledger->terminals[row].meta.listed & LISTED_STATE) &&
	               !bytes_all_zero(state, sizeof(*state))
	           ? state
	           : NULL;
}

const struct risk_account_state *ledger_account_risk(
    const struct ledger *ledger, uint64_t account_id)
{
	uint32_t row = account_find(ledger, account_id);

	return row == ROW_NONE ? NULL : ledger_account_state_at(ledger, row);
}

const struct risk_terminal_state *ledger_terminal_risk(
    const struct ledger *ledger, uint64_t terminal_id)
{
	uint32_t row = terminal_find(ledger, terminal_id);

	return row == ROW_NONE ? NULL : ledger_terminal_state_at(ledger, row);
}

const struct object_row *ledger_object_at(const struct ledger *ledger, uint32_t row)
{
	return &ledger->objects[row].row;
}

static uint32_t rows_live(const struct ledger *ledger, enum ledger_table table)
{
	return ledger->tables[table].count - ledger->tables[table].free_count;
}

uint32_t ledger_rows_free(const struct ledger *ledger, enum ledger_table table)
{
	const struct ledger_table_core *core = &ledger->tables[table];

	return core->capacity - core->count + core->free_count;
}

uint32_t ledger_row_count(const struct ledger *ledger, enum ledger_table table)
{
	return ledger->tables[table].count;
}

void ledger_totals(const struct ledger *ledger, struct ledger_totals *totals)
{
	*totals = (struct ledger_totals){
		.accounts = ledger->tables[LEDGER_ACCOUNT].count - ledger->system_count,
		.bets_open = ledger->bets_open,
		.bets = rows_live(ledger, LEDGER_BET),
		.markets = ledger->tables[LEDGER_MARKET].count,
		.terminals = ledger->tables[LEDGER_TERMINAL].count,
		.objects = rows_live(ledger, LEDGER_OBJECT),
	};
}

int64_t ledger_balance_sum(const struct ledger *ledger, uint16_t currency)
{
	__int128 sum = 0;

	for (uint32_t i = 0; i < ledger->tables[LEDGER_ACCOUNT].count; i++) {
		const struct account_row *row = &ledger->accounts[i].row;

		if (row->currency == currency)
			sum += row->balance;
	}
	/* A broken sum must not wrap to zero. */
	return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

/* ---- New rows ---- */

uint32_t ledger_account_create(
    struct ledger *ledger, uint64_t id, uint16_t currency, uint16_t flags)
{
	uint32_t row = ledger_table_insert(ledger, LEDGER_ACCOUNT, id);
	struct account_row *account = &ledger->accounts[row].row;

	account->id = id;
	account->currency = currency;
	account->flags = flags;
	if (flags & ACCOUNT_SYSTEM)
		ledger->system_count++;
	return row;
}

uint32_t ledger_terminal_create(struct ledger *ledger, uint64_t id)
{
	uint32_t row = ledger_table_insert(ledger, LEDGER_TERMINAL, id);

	ledger->terminals[row].row.id = id;
	ledger->terminals[row].row.rights = RIGHT_ALL;
	return row;
}

/* ---- State hash ---- */

/* The risk state belongs to its row: two of them cannot be exchanged. One of zeros has no part, so
 * that a log from before there were states comes to its old hash. */
#define state_begun(state) ((state)->first_s != 0 || !bytes_all_zero(state, sizeof(*(state))))

static uint64_t account_hash(const struct ledger *ledger, uint32_t row)
{
	/* As it lies on disk: the profile's spare bytes are zeros. */
	struct {
		struct account_row row;
		uint8_t spare[ACCOUNT_SPARE_SIZE];
	} hashed = { .row = ledger->accounts[row].row };
	const struct risk_account_state *state = &ledger->account_states[row];
	uint64_t hash = hash_row(&hashed, sizeof(hashed), 0);

	if ((ledger->accounts[row].meta.listed & LISTED_STATE) && state_begun(state))
		hash += hash_row(state, sizeof(*state), hashed.row.id);
	return hash;
}

static uint64_t market_hash(const struct ledger *ledger, uint32_t row)
{
	return XXH3_64bits(&ledger->markets[row].row, sizeof(struct market_row_state));
}

static uint64_t terminal_hash(const struct ledger *ledger, uint32_t row)
{
	const struct terminal_slot *slot = &ledger->terminals[row];
	const struct risk_terminal_state *state = &ledger->terminal_states[row];
	uint64_t hash = XXH3_64bits(&slot->row, sizeof(slot->row));

	if ((slot->meta.listed & LISTED_STATE) && state_begun(state))
		hash += XXH3_64bits_withSeed(state, sizeof(*state), slot->row.id);
	return hash;
}

static uint64_t object_hash(const struct ledger *ledger, uint32_t row)
{
	return XXH3_64bits(&ledger->objects[row].row, sizeof(struct object_row));
}

static uint64_t shard_hash(const struct ledger *ledger)
{
	const struct risk_rules_extra *extra = &ledger->shard.extra;
	size_t size = offsetof(struct shard_row, extra);

	/* Absent, and the currencies not used: no part of it, so that older logs verify. */
	if (extra->present)
		size += offsetof(struct risk_rules_extra, currencies) +
		        extra->currency_count * sizeof(extra->currencies[0]);
	return XXH3_64bits(&ledger->shard, size);
}
_Static_assert(
    sizeof(struct shard_row) == 4 * 8 + sizeof(struct risk_rules) + sizeof(struct risk_rules_extra),
    "no padding");

#define REHASH(table, meta_of, hash_of)                                                            \
	do {                                                                                       \
		struct ledger_table_core *core = &ledger->tables[table];                           \
                                                                                                   \
		for (uint32_t i = 0; i < core->hash_count; i++) {                                  \
			uint32_t row = core->hash_list[i];                                         \
			struct row_meta *meta = &ledger->meta_of;                                  \
			uint64_t hash = ledger_row_live(meta) ? hash_of(ledger, row) : 0;          \
                                                                                                   \
			ledger->hash_sum += hash - meta->hash;                                     \
			meta->hash = hash;                                                         \
			meta->listed &= ~(uint32_t)LISTED_HASH;                                    \
		}                                                                                  \
		core->hash_count = 0;                                                              \
	} while (0)

uint64_t ledger_state_hash(struct ledger *ledger)
{
	REHASH(LEDGER_ACCOUNT, accounts[row].meta, account_hash);
	REHASH(LEDGER_BET, bet_meta[row], ledger_bet_hash);
	REHASH(LEDGER_MARKET, markets[row].meta, market_hash);
	REHASH(LEDGER_TERMINAL, terminals[row].meta, terminal_hash);
	REHASH(LEDGER_OBJECT, objects[row].meta, object_hash);
	return ledger->hash_sum + shard_hash(ledger);
}

/* Numbers of retired rows are free or wait for the checkpoint. */
static int row_in_use(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	return ledger_row_live(ledger_row_meta(ledger, table, row));
}

uint64_t ledger_state_hash_full(const struct ledger *ledger)
{
	uint64_t sum = shard_hash(ledger);

	for (uint32_t i = 0; i < ledger->tables[LEDGER_ACCOUNT].count; i++)
		sum += account_hash(ledger, i);
	for (uint32_t i = 0; i < ledger->tables[LEDGER_BET].count; i++)
		sum += row_in_use(ledger, LEDGER_BET, i) ? ledger_bet_hash(ledger, i) : 0;
	for (uint32_t i = 0; i < ledger->tables[LEDGER_MARKET].count; i++)
		sum += market_hash(ledger, i);
	for (uint32_t i = 0; i < ledger->tables[LEDGER_TERMINAL].count; i++)
		sum += terminal_hash(ledger, i);
	for (uint32_t i = 0; i < ledger->tables[LEDGER_OBJECT].count; i++)
		sum += row_in_use(ledger, LEDGER_OBJECT, i) ? object_hash(ledger, i) : 0;
	return sum;
}

/* ---- Loading: like a change, but the store has the row already ---- */

/* Hashed at once, while the row is in the cache. */
static void row_loaded(struct ledger *ledger, struct row_meta *meta, uint64_t hash)
{
	meta->hash = hash;
	ledger->hash_sum += hash;
}

int ledger_load_account(struct ledger *ledger, const struct account_row *row)
{
	uint32_t number;

	if (account_find(ledger, row->id) != ROW_NONE)
		return -EEXIST;
	if (!table_room(ledger, LEDGER_ACCOUNT, 1))
		return -ENOSPC;
	number = ledger_account_create(ledger, row->id, row->currency, row->flags);
	ledger->accounts[number].row = *row;
	row_loaded(ledger, &ledger->accounts[number].meta, account_hash(ledger, number));
	return 0;
}

int ledger_load_bet(struct ledger *ledger, const struct bet_row *row)
{
	uint32_t number;
	int error;

	if (bet_find(ledger, row->id) != ROW_NONE)
		return -EEXIST;
	if (row->leg_count > LIMIT_BET_LEGS_MAX)
		return -EINVAL;
	if (!table_room(ledger, LEDGER_BET, 1))
		return -ENOSPC;
	number = ledger_bet_create(ledger, row);
	/* In a fuzzy checkpoint its account or markets may still be missing: replay brings them. */
	error = ledger_bet_enter(ledger, number);
	if (error != 0)
		return error;
	ledger_due_note(ledger, LEDGER_BET, number, 0);
	row_loaded(ledger, &ledger->bet_meta[number], ledger_bet_hash(ledger, number));
	return 0;
}

int ledger_load_market(struct ledger *ledger, const struct market_row_state *row)
{
	uint32_t number;

	if (market_find(ledger, row->id) != ROW_NONE)
		return -EEXIST;
	if (row->selection_count > LIMIT_MARKET_SELECTIONS_MAX)
		return -EINVAL;
	if (!table_room(ledger, LEDGER_MARKET, 1))
		return -ENOSPC;
	number = ledger_table_insert(ledger, LEDGER_MARKET, row->id);
	ledger->markets[number].row = *row;
	ledger_market_order_set(ledger, number);
	ledger_event_index_add(ledger, number);
	ledger_due_note(ledger, LEDGER_MARKET, number, 0);
	row_loaded(ledger, &ledger->markets[number].meta, market_hash(ledger, number));
	return 0;
}

int ledger_load_terminal(struct ledger *ledger, const struct terminal_row *row)
{
	uint32_t number;

	if (terminal_find(ledger, row->id) != ROW_NONE)
		return -EEXIST;
	if (!table_room(ledger, LEDGER_TERMINAL, 1))
		return -ENOSPC;
	number = ledger_terminal_create(ledger, row->id);
	ledger->terminals[number].row = *row;
	row_loaded(ledger, &ledger->terminals[number].meta, terminal_hash(ledger, number));
	return 0;
}

int ledger_load_account_state(
    struct ledger *ledger, uint64_t account_id, const struct risk_account_state *state)
{
	uint32_t row = account_find(ledger, account_id);

	if (row == ROW_NONE)
		return -ENOENT;
	ledger->account_states[row] = *state;
	ledger->accounts[row].meta.listed |= LISTED_STATE;
	ledger->hash_sum -= ledger->accounts[row].meta.hash;
	row_loaded(ledger, &ledger->accounts[row].meta, account_hash(ledger, row));
	return 0;
}

int ledger_load_terminal_state(
    struct ledger *ledger, uint64_t terminal_id, const struct risk_terminal_state *state)
{
	uint32_t row = terminal_find(ledger, terminal_id);

	if (row == ROW_NONE)
		return -ENOENT;
	ledger->terminal_states[row] = *state;
	ledger->terminals[row].meta.listed |= LISTED_STATE;
	ledger->hash_sum -= ledger->terminals[row].meta.hash;
	row_loaded(ledger, &ledger->terminals[row].meta, terminal_hash(ledger, row));
	return 0;
}

int ledger_load_object(struct ledger *ledger, const struct object_row *row)
{
	uint32_t number;

	if (object_find(ledger, row->id) != ROW_NONE)
		return -EEXIST;
	if (!table_room(ledger, LEDGER_OBJECT, 1))
		return -ENOSPC;
	number = ledger_table_insert(ledger, LEDGER_OBJECT, row->id);
	ledger->objects[number].row = *row;
	ledger_object_count(ledger, number, 1);
	ledger_due_note(ledger, LEDGER_OBJECT, number, row->due_ns);
	row_loaded(ledger, &ledger->objects[number].meta, object_hash(ledger, number));
	return 0;
}

void ledger_load_horizon(struct ledger *ledger, uint64_t lsn_max)
{
	ledger->horizon_lsn = lsn_max;
}

void ledger_load_shard(struct ledger *ledger, const struct shard_row *row)
{
	ledger->shard = *row;
}
