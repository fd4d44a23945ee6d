/* SPDX-License-Identifier: Apache-2.0 */
/* A growing table of fixed-size entries by a 64-bit key. */
#ifndef SLUICE_TOOLS_TABLE_H
#define SLUICE_TOOLS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table {
	uint8_t *entries; /* each begins with its key */
	uint32_t *slots;  /* entry number + 1; 0 free */
	size_t entry_size;
	uint32_t count, room, slot_count;
};
void table_init(struct table *table, size_t entry_size);
void *table_find(const struct table *table, uint64_t key);
/* The entry, new ones zeroed but for the key; ends the program when out of memory. */
void *table_get(struct table *table, uint64_t key);
void *table_at(const struct table *table, uint32_t number);
/* realloc that ends the program when out of memory. */
void *table_allocate(void *memory, size_t size);
void table_free(struct table *table);

#endif
