/* SPDX-License-Identifier: Apache-2.0 */
#include "control/replication/copy.h"

#include <errno.h>
#include <stdlib.h>

/* Signature, flags, length of the header's extension. */
static const uint8_t header[19] = "PGCOPY\n\377\r\n";

void copy_free(struct copy *copy)
{
	free(copy->bytes);
	*copy = (struct copy){ 0 };
}

void copy_clear(struct copy *copy)
{
	copy->size = 0;
	copy->rows = 0;
	copy->failed = 0;
}

static uint8_t *reserve(struct copy *copy, size_t size)
{
	if (copy->room - copy->size < size) {
		size_t room = (copy->size + size) * 2 + 4096;
		uint8_t *grown = realloc(copy->bytes, room);

		if (grown == NULL) {
			copy->failed = 1;
			return NULL;
		}
		copy->bytes = grown;
		copy->room = room;
	}
	return copy->bytes + copy->size;
}

uint8_t *copy_row(struct copy *copy, size_t size)
{
	if (copy->size == 0) {
		if (reserve(copy, sizeof(header) + size) == NULL)
			return NULL;
		memcpy(copy->bytes, header, sizeof(header));
		copy->size = sizeof(header);
	}
	return reserve(copy, size);
}

void copy_end(struct copy *copy, const uint8_t *at)
{
	copy->size = (size_t)(at - copy->bytes);
	SLUICE_REQUIRE(copy->size <= copy->room);
	copy->rows++;
}

int copy_finish(struct copy *copy)
{
	uint8_t *at;

	if (copy->failed)
		return -ENOMEM;
	at = reserve(copy, 2);
	if (at == NULL)
		return -ENOMEM;
	copy_put16(at, UINT16_MAX);
	copy->size += 2;
	return 0;
}
