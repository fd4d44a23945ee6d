/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/log_checked.h"

#include <stdlib.h>
#include <string.h>

/* Where `key` is, or belongs. */
static uint32_t place_of(const struct log_checked *checked, uint64_t key)
{
	uint32_t low = 0, high = checked->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (checked->keys[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int log_checked_has(const struct log_checked *checked, uint64_t key)
{
	uint32_t place = place_of(checked, key);

	return place < checked->count && checked->keys[place] == key;
}

void log_checked_add(struct log_checked *checked, uint64_t key)
{
	uint32_t place;

	if (checked->count == LOG_CHECKED_MAX)
		checked->count = 0;
	if (checked->count == checked->room) {
		uint32_t room = checked->room == 0 ? 64 : 2 * checked->room;
		uint64_t *keys = realloc(checked->keys, room * sizeof(*keys));

		if (keys == NULL)
			return;
		checked->keys = keys;
		checked->room = room;
	}
	place = place_of(checked, key);
	if (place < checked->count && checked->keys[place] == key)
		return;
	memmove(&checked->keys[place + 1], &checked->keys[place],
	    (checked->count - place) * sizeof(*checked->keys));
	checked->keys[place] = key;
	checked->count++;
}

void log_checked_free(struct log_checked *checked)
{
	free(checked->keys);
	*checked = (struct log_checked){ 0 };
}
