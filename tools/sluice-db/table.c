/* SPDX-License-Identifier: Apache-2.0 */
/* A growing table of fixed-size entries by a 64-bit key. */
#include "tools/sluice-db/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_NO_MEMORY 3

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

void *table_allocate(void *memory, size_t size)
{
	void *grown = realloc(memory, size);

	if (grown == NULL) {
		fprintf(stderr, "sluice-db: out of memory; run it on a machine with more\n");
		exit(EXIT_NO_MEMORY);
	}
	return grown;
}

static void table_grow(struct table *table)
{
	uint32_t room = table->room == 0 ? 1024 : table->room * 2;

	table->entries = table_allocate(table->entries, (size_t)room * table->entry_size);
	table->room = room;
	free(table->slots);
	table->slot_count = room * 2;
	table->slots = table_allocate(NULL, (size_t)table->slot_count * sizeof(*table->slots));
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
