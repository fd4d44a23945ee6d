/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <wchar.h>

#include "tools/sluicectl/sluicectl.h"

/*
 * The next character of UTF-8 text and its length in bytes; U+FFFD and 1 for what is none. JSON
 * texts are UTF-8 already; command lines may be anything.
 */
static uint32_t next_character(const char *text, size_t *length)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)text;
	uint32_t character;
	size_t bytes = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	*length = 1;
	if (bytes == 1)
		return at[0];
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0xfffd;
	character = at[0] & (0xffu >> (bytes + 1));
	for (size_t i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0xfffd;
		character = character << 6 | (at[i] & 0x3fu);
	}
	if (character < smallest[bytes] || character > 0x10ffff)
		return 0xfffd;
	*length = bytes;
	return character;
}

/* What moves the cursor, or turns the direction of what follows, is no text of ours. */
static int is_unsafe(uint32_t character)
{
	return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
	       (character >= 0x200e && character <= 0x200f) ||
	       (character >= 0x2028 && character <= 0x202e) ||
	       (character >= 0x2066 && character <= 0x2069) || character == 0xfeff ||
	       character == 0xfffd;
}

static size_t text_walk(FILE *out, const char *text)
{
	size_t width = 0, length;

	for (; *text != '\0'; text += length) {
		uint32_t character = next_character(text, &length);
		int columns = is_unsafe(character) ? -1 : wcwidth((wchar_t)character);

		if (out != NULL && columns < 0)
			fputc('?', out);
		else if (out != NULL)
			fwrite(text, 1, length, out);
		width += columns < 0 ? 1 : (size_t)columns;
	}
	return width;
}

size_t ctl_text_width(const char *text)
{
	return text_walk(NULL, text);
}

size_t ctl_text_print(FILE *out, const char *text)
{
	return text_walk(out, text);
}
