/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balances derived from the events alone, by code that shares nothing with the ledger: a second
 * opinion on every amount. The account kinds and the sides of each event are written down here
 * again on purpose (specification: lmdb-schema/event.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/db.h"

/* ---- Table ---- */

void table_init(struct table *table, size_t entry_size)
{
	*table = (struct table){ .entry_size = entry_size };
}

void *table_at(const struct table *table, uint32_t number)
{
	return table->entries + (size_t)number * table->entry_size;
}

static uint64_t key_at(const struct table *table, uint32_t number)
{
	uint64_t key;

	memcpy(&key, table_at(table, number), sizeof(key));
	return key;
}

static uint32_t slot_of(const struct table *table, uint64_t key)
{
	uint64_t hash = (key ^ key >> 31) * 0x9e3779b97f4a7c15ull;
	uint32_t mask = table->slot_count - 1, slot = (uint32_t)(hash >> 32) & mask;

	while (table->slots[slot] != 0 && key_at(table, table->slots[slot] - 1) != key)
		slot = (slot + 1) & mask;
	return slot;
}

void *table_find(const struct table *table, uint64_t key)
{
	uint32_t slot;

	if (table->slot_count == 0)
		return NULL;
	slot = slot_of(table, key);
	return table->slots[slot] == 0 ? NULL : table_at(table, table->slots[slot] - 1);
}

static void *allocate(void *memory, size_t size)
{
	void *grown = realloc(memory, size);

	if (grown == NULL) {
		fprintf(stderr, "sluice-db: out of memory; run it on a machine with more\n");
		exit(EXIT_MISSING);
	}
	return grown;
}

static void table_grow(struct table *table)
{
	uint32_t room = table->room == 0 ? 1024 : table->room * 2;

	table->entries = allocate(table->entries, (size_t)room * table->entry_size);
	table->room = room;
	free(table->slots);
	table->slot_count = room * 2;
	table->slots = allocate(NULL, (size_t)table->slot_count * sizeof(*table->slots));
	memset(table->slots, 0, (size_t)table->slot_count * sizeof(*table->slots));
	for (uint32_t i = 0; i < table->count; i++)
		table->slots[slot_of(table, key_at(table, i))] = i + 1;
}

void *table_get(struct table *table, uint64_t key)
{
	void *entry = table_find(table, key);

	if (entry != NULL)
		return entry;
	if (table->count == table->room)
		table_grow(table);
	table->slots[slot_of(table, key)] = table->count + 1;
	entry = table_at(table, table->count++);
	memset(entry, 0, table->entry_size);
	memcpy(entry, &key, sizeof(key));
	return entry;
}

void table_free(struct table *table)
{
	free(table->entries);
	free(table->slots);
	*table = (struct table){ 0 };
}

/* ---- Derivation ---- */

struct derived_terminal {
	uint64_t id, lsn;
};

#define OWN_SYSTEM_BIT (1ull << 63)
#define OWN_FUNDING    1ull
#define OWN_CASH       2ull
#define OWN_STAKES     3ull

static uint64_t own_system_id(uint64_t kind, uint16_t currency, uint64_t terminal_id)
{
	return OWN_SYSTEM_BIT | kind << 56 | (uint64_t)currency << 40 | (terminal_id & 0xffffffffu);
}

void derive_init(struct derive *derive, uint64_t first_lsn, struct damage *damage)
{
	memset(derive, 0, sizeof(*derive));
	table_init(&derive->accounts, sizeof(struct derived_account));
	table_init(&derive->terminals, sizeof(struct derived_terminal));
	table_init(&derive->bets, sizeof(struct derived_bet));
	derive->next_lsn = first_lsn;
	derive->complete = first_lsn == 1;
	derive->damage = damage;
}

void derive_free(struct derive *derive)
{
	table_free(&derive->accounts);
	table_free(&derive->terminals);
	table_free(&derive->bets);
}

#define WRONG(...)                                                                                 \
	do {                                                                                       \
		damage_note(derive->damage, lsn, __VA_ARGS__);                                     \
		return -EBADMSG;                                                                   \
	} while (0)

static int derive_terminal(struct derive *derive, const struct event_record *record, uint64_t lsn)
{
	uint64_t id = le64_get(record->terminal_id), previous = le64_get(record->prev_terminal_lsn);
	int is_new = table_find(&derive->terminals, id) == NULL;
	struct derived_terminal *terminal;

	if (id == 0)
		return 0;
	terminal = table_get(&derive->terminals, id);
	if (terminal->lsn != previous && !(is_new && !derive->complete))
		WRONG("terminal %llu: chain names LSN %llu, its last event is %llu",
		    (unsigned long long)id, (unsigned long long)previous,
		    (unsigned long long)terminal->lsn);
	terminal->lsn = lsn;
	return 0;
}

/* The customer's side: chain and balance after the event. */
static int derive_account(struct derive *derive, const struct event_record *record, uint64_t lsn)
{
	uint64_t id = le64_get(record->account_id), previous = le64_get(record->prev_account_lsn);
	int64_t change = le16_get(record->code) == WIRE_CODE_OK ? le64s_get(record->amount) : 0;
	int opens = le16_get(record->type) == EVENT_ACCOUNT_OPEN;
	struct derived_account *account;

	if (id == 0 || id > LIMIT_ACCOUNT_ID_MAX)
		return 0;
	account = table_find(&derive->accounts, id);
	if (account == NULL) {
		if (!opens && previous == 0)
			return change == 0 ? 0 : -EBADMSG; /* refused: no such account */
		if (!opens && derive->complete)
			WRONG("account %llu: used before it was opened", (unsigned long long)id);
		account = table_get(&derive->accounts, id);
		account->currency = le16_get(record->currency);
		account->balance = opens ? 0 : le64s_get(record->balance) - change;
		account->lsn = previous;
		derive->customers++;
	} else if (opens) {
		WRONG("account %llu: opened twice", (unsigned long long)id);
	}
	if (account->lsn != previous)
		WRONG("account %llu: chain names LSN %llu, its last event is %llu",
		    (unsigned long long)id, (unsigned long long)previous,
		    (unsigned long long)account->lsn);
	if (__builtin_add_overflow(account->balance, change, &account->balance) ||
	    account->balance < 0 || account->balance != le64s_get(record->balance))
		WRONG("account %llu: balance %lld in the event, %lld derived",
		    (unsigned long long)id, (long long)le64s_get(record->balance),
		    (long long)account->balance);
	account->lsn = lsn;
	return 0;
}

static int derive_counter(struct derive *derive, const struct event_record *record, uint64_t lsn)
{
	uint16_t type = le16_get(record->type), currency = le16_get(record->currency);
	struct derived_account *counter;
	uint64_t kind, terminal_id = 0;

	if (le16_get(record->code) != WIRE_CODE_OK || le64s_get(record->amount) == 0)
		return 0;
	if (type == EVENT_ACCOUNT_OPEN) {
		kind = OWN_FUNDING;
	} else if (type == EVENT_DEPOSIT) {
		kind = OWN_CASH;
		terminal_id = le64_get(record->terminal_id);
	} else if (type == EVENT_PLACE_BET || type == EVENT_CANCEL_BET) {
		kind = OWN_STAKES;
	} else {
		WRONG("event type %u moves money", type);
	}
	counter = table_get(&derive->accounts, own_system_id(kind, currency, terminal_id));
	counter->currency = currency;
	counter->lsn = lsn;
	if (__builtin_sub_overflow(counter->balance, le64s_get(record->amount), &counter->balance))
		WRONG("counter account overflows");
	return 0;
}

static int derive_bet(struct derive *derive, const struct event_record *record, uint64_t lsn)
{
	uint64_t id = le64_get(record->object_id), account_id = le64_get(record->account_id);
	int64_t amount = le64s_get(record->amount);
	uint16_t type = le16_get(record->type);
	struct derived_bet *bet;

	if (le16_get(record->code) != WIRE_CODE_OK)
		return 0;
	if (type == EVENT_PLACE_BET) {
		if (table_find(&derive->bets, id) != NULL)
			WRONG("bet %llu: placed twice", (unsigned long long)id);
		if (amount >= 0)
			WRONG("bet %llu: stake not above zero", (unsigned long long)id);
		bet = table_get(&derive->bets, id);
		bet->account_id = account_id;
		bet->stake = -amount;
		bet->currency = le16_get(record->currency);
		bet->open = 1;
	} else if (type == EVENT_CANCEL_BET) {
		bet = table_find(&derive->bets, id);
		if (bet == NULL && !derive->complete)
			return 0;
		if (bet == NULL || !bet->open)
			WRONG("bet %llu: cancelled and not open", (unsigned long long)id);
		if (bet->stake != amount || bet->account_id != account_id ||
		    bet->currency != le16_get(record->currency))
			WRONG("bet %llu: cancelled with another stake or account",
			    (unsigned long long)id);
		bet->open = 0;
	}
	return 0;
}

int derive_event(struct derive *derive, struct db_bytes event)
{
	struct event_record record;
	uint64_t lsn;
	int error;

	memcpy(&record, event.data, sizeof(record));
	lsn = le64_get(record.lsn);
	if (lsn != derive->next_lsn)
		WRONG("LSN %llu expected", (unsigned long long)derive->next_lsn);
	if (le64_get(record.time_ns) < derive->time_ns)
		WRONG("event time runs backwards");
	error = derive_terminal(derive, &record, lsn);
	if (error == 0)
		error = derive_account(derive, &record, lsn);
	if (error == 0)
		error = derive_counter(derive, &record, lsn);
	if (error == 0)
		error = derive_bet(derive, &record, lsn);
	if (error != 0) {
		damage_note(derive->damage, lsn, "money moved on an account that does not exist");
		return error;
	}
	derive->time_ns = le64_get(record.time_ns);
	derive->next_lsn++;
	derive->events++;
	return 0;
}

int derive_sums(struct derive *derive, struct table *sums)
{
	uint64_t lsn = derive->next_lsn - 1;

	table_init(sums, sizeof(struct derived_sum));
	for (uint32_t i = 0; i < derive->accounts.count; i++) {
		const struct derived_account *account = table_at(&derive->accounts, i);
		struct derived_sum *sum = table_get(sums, account->currency);

		sum->balances += account->balance;
		if (account->id == own_system_id(OWN_STAKES, account->currency, 0))
			sum->stakes_account = account->balance;
	}
	for (uint32_t i = 0; i < derive->bets.count; i++) {
		const struct derived_bet *bet = table_at(&derive->bets, i);
		struct derived_sum *sum = table_get(sums, bet->currency);

		sum->stakes += bet->open ? bet->stake : 0;
	}
	for (uint32_t i = 0; i < sums->count && derive->complete; i++) {
		const struct derived_sum *sum = table_at(sums, i);

		if (sum->balances != 0)
			WRONG("currency %llu: balances sum to %lld, not zero",
			    (unsigned long long)sum->currency, (long long)sum->balances);
		if (sum->stakes != sum->stakes_account)
			WRONG("currency %llu: open bets hold %lld, the STAKES account %lld",
			    (unsigned long long)sum->currency, (long long)sum->stakes,
			    (long long)sum->stakes_account);
	}
	return 0;
}
