/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/drop.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "wire/assert.h"

#define NAME_SIZE_MAX 32

static const char *const texts[DROP_REASON_COUNT] = {
#define DROP_TEXT(name, text) [DROP_##name] = (text),
	DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
};

/* The enum's names in lower case. Filled before main, so that the one table stays the only list. */
static char names[DROP_REASON_COUNT][NAME_SIZE_MAX] = {
#define DROP_NAME(name, text) [DROP_##name] = #name,
	DROP_REASONS(DROP_NAME)
#undef DROP_NAME
};

__attribute__((constructor)) static void names_lower(void)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++)
		for (char *c = names[i]; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
}

static int in_range(enum drop_reason reason)
{
	return reason > DROP_NONE && reason < DROP_REASON_COUNT;
}

const char *drop_reason_name(enum drop_reason reason)
{
	return in_range(reason) ? names[reason] : NULL;
}

const char *drop_reason_text(enum drop_reason reason)
{
	return in_range(reason) ? texts[reason] : NULL;
}
