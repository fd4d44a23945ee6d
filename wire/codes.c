/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/codes.h"

#include <stddef.h>

#include "wire/assert.h"

struct code_entry {
	const char *name;
	const char *texts[2]; /* by enum wire_language */
	uint16_t code;
};

static const struct code_entry entries[] = {
#define WIRE_CODE_ENTRY(number, name, english, korean) { #name, { english, korean }, number },
	WIRE_CODES(WIRE_CODE_ENTRY)
#undef WIRE_CODE_ENTRY
};

static const struct code_entry unregistered = {
	"UNREGISTERED",
	{ "Unknown answer. Update the terminal or call the operator.",
	    "알 수 없는 응답입니다. 단말기를 업데이트하거나 운영자에게 문의하십시오." },
	0xffff,
};

int wire_code_index(uint16_t code)
{
	unsigned low = 0, high = SLUICE_ARRAY_COUNT(entries);

	/* OK, as nearly all are. */
	if (SLUICE_LIKELY(code == entries[0].code))
		return 0;
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (entries[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return low < SLUICE_ARRAY_COUNT(entries) && entries[low].code == code ? (int)low : -1;
}

static const struct code_entry *entry_of(uint16_t code)
{
	int index = wire_code_index(code);

	return index < 0 ? &unregistered : &entries[index];
}

const char *wire_code_name(uint16_t code)
{
	return entry_of(code)->name;
}

const char *wire_code_text(uint16_t code, enum wire_language language)
{
	return entry_of(code)->texts[language == WIRE_KOREAN];
}

unsigned wire_code_count(void)
{
	return SLUICE_ARRAY_COUNT(entries);
}

uint16_t wire_code_at(unsigned index)
{
	SLUICE_DEBUG_ASSERT(index < SLUICE_ARRAY_COUNT(entries));
	return entries[index].code;
}
