/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal text of vector files. */
#ifndef SLUICE_TESTS_WIRE_HEX_H
#define SLUICE_TESTS_WIRE_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline int hex_digit(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)(found - digits) : -1;
}

/* Returns the bytes written ("-" and "" are none), or -1 for anything that is not hexadecimal. */
static inline int hex_parse(const char *text, uint8_t *out, size_t room)
{
	size_t length = strlen(text);

	if (strcmp(text, "-") == 0)
		return 0;
	if (length % 2 != 0 || length / 2 > room)
		return -1;
	for (size_t i = 0; i < length / 2; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(length / 2);
}

#endif
