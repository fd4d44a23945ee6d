/* SPDX-License-Identifier: Apache-2.0 */
/* Ids as small numbers, so that states lie in arrays. Grows; linear probing. */
#include "tools/risk-eval/ids.h"

#include <errno.h>
#include <stdlib.h>

struct eval_ids_entry {
	uint64_t id;
	uint32_t number; /* from 1; 0: free */
};

static uint64_t mix(uint64_t id)
{
	id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9ull;
	id = (id ^ (id >> 27)) * 0x94d049bb133111ebull;
	return id ^ (id >> 31);
}

static struct eval_ids_entry *place_of(struct eval_ids_entry *entries, size_t size, uint64_t id)
{
	size_t at = mix(id) & (size - 1);

	while (entries[at].number != 0 && entries[at].id != id)
		at = (at + 1) & (size - 1);
	return &entries[at];
}

static int grow(struct eval_ids *ids)
{
	size_t size = ids->size != 0 ? ids->size * 2 : 1024;
	struct eval_ids_entry *entries = calloc(size, sizeof(*entries));

	if (entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < ids->size; i++)
		if (ids->entries[i].number != 0)
			*place_of(entries, size, ids->entries[i].id) = ids->entries[i];
	free(ids->entries);
	ids->entries = entries;
	ids->size = size;
	return 0;
}

int eval_ids_number(struct eval_ids *ids, uint64_t id, uint32_t *number)
{
	struct eval_ids_entry *entry;

	if (ids->count * 2 >= ids->size) {
		int result = grow(ids);

		if (result != 0)
			return result;
	}
	entry = place_of(ids->entries, ids->size, id);
	if (entry->number == 0)
		*entry = (struct eval_ids_entry){ id, (uint32_t)++ids->count };
	*number = entry->number - 1;
	return 0;
}

void eval_ids_free(struct eval_ids *ids)
{
	free(ids->entries);
	*ids = (struct eval_ids){ 0 };
}
