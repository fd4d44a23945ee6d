/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal text of vector files. */
#ifndef SLUICE_TESTS_WIRE_HEX_H
#define SLUICE_TESTS_WIRE_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/hex.h"

/* Returns the bytes written ("-" and "" are none), or -1 for anything that is not hexadecimal. */
static inline int hex_parse(const char *text, uint8_t *out, size_t room)
{
	size_t length = strlen(text);

	if (strcmp(text, "-") == 0)
		return 0;
	if (length % 2 != 0 || length / 2 > room)
		return -1;
	if (hex_decode(text, out, length / 2) != 0)
		return -1;
	return (int)(length / 2);
}

#endif
