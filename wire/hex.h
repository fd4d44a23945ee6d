/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal text and bytes: keys in session files and on the admin socket, hashes for people. */
#ifndef SLUICE_WIRE_HEX_H
#define SLUICE_WIRE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* 0..15, or -1. Upper and lower case. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Decodes exactly 2 * size digits. 0, or -1 at the first character that is none (the end of a
 * shorter string included, so nothing behind it is read); bytes before it are written.
 */
static inline int hex_decode(const char *text, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0)
			return -1;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* Writes 2 * size lower-case digits and a zero. */
static inline void hex_encode(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * size] = '\0';
}

#endif
