/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ticket.h"

#include <errno.h>
#include <sodium/crypto_shorthash.h>
#include <sodium/utils.h>
#include <string.h>

#include "wire/bytes.h"

#define FACTS       5  /* words of the message before the odds */
#define CODE_SIZE   15 /* id and MAC */
#define SYMBOLS     24
#define GROUP       6
#define SYMBOL_BITS 5

_Static_assert(TICKET_KEY_SIZE == crypto_shorthash_KEYBYTES, "SipHash-2-4");
_Static_assert(TICKET_SIZE < crypto_shorthash_BYTES, "the MAC is cut");
_Static_assert(CODE_SIZE == 8 + TICKET_SIZE && CODE_SIZE * 8 == SYMBOLS * SYMBOL_BITS, "no rest");
_Static_assert(TICKET_TEXT_SIZE == SYMBOLS + SYMBOLS / GROUP, "dashes between, zero behind");

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ticket_make(const uint8_t key[TICKET_KEY_SIZE], const struct ticket_facts *facts,
    uint8_t ticket[TICKET_SIZE])
{
	struct le64 words[FACTS + LIMIT_BET_LEGS_MAX] = {
		le64_make(facts->bet_id),
		le64_make((uint64_t)facts->stake),
		le64_make((uint64_t)facts->payout),
		le64_make(facts->placed_at_ns),
		le64_make(facts->leg_count),
	};
	uint8_t hash[crypto_shorthash_BYTES]; /* little-endian: the low bits come first */

	SLUICE_REQUIRE(facts->leg_count <= LIMIT_BET_LEGS_MAX);
	for (unsigned i = 0; i < facts->leg_count; i++)
		words[FACTS + i] = le64_make(facts->odds[i]);
	(void)crypto_shorthash(
	    hash, (const uint8_t *)words, (FACTS + facts->leg_count) * sizeof(words[0]), key);
	memcpy(ticket, hash, TICKET_SIZE);
}

int ticket_verify(const uint8_t key[TICKET_KEY_SIZE], const struct ticket_facts *facts,
    const uint8_t ticket[TICKET_SIZE])
{
	uint8_t right[TICKET_SIZE];

	ticket_make(key, facts, right);
	return sodium_memcmp(right, ticket, TICKET_SIZE) == 0;
}

void ticket_format(uint64_t bet_id, const uint8_t ticket[TICKET_SIZE], char text[TICKET_TEXT_SIZE])
{
	uint8_t code[CODE_SIZE];
	char *at = text;

	for (unsigned i = 0; i < 8; i++)
		code[i] = (uint8_t)(bet_id >> (56 - 8 * i));
	memcpy(code + 8, ticket, TICKET_SIZE);
	for (unsigned i = 0; i < SYMBOLS; i++) {
		unsigned value = 0;

		for (unsigned bit = i * SYMBOL_BITS; bit < (i + 1) * SYMBOL_BITS; bit++)
			value = value << 1 | (code[bit / 8] >> (7 - bit % 8) & 1u);
		if (i != 0 && i % GROUP == 0)
			*at++ = '-';
		*at++ = alphabet[value];
	}
	*at = '\0';
}

/* The value of a symbol as people write it, or -1. */
static int symbol_value(char symbol)
{
	const char *found;

	if (symbol >= 'a' && symbol <= 'z')
		symbol = (char)(symbol - 'a' + 'A');
	if (symbol == 'O')
		symbol = '0';
	if (symbol == 'I' || symbol == 'L')
		symbol = '1';
	if (symbol == '\0')
		return -1;
	found = strchr(alphabet, symbol);
	return found == NULL ? -1 : (int)(found - alphabet);
}

int ticket_parse(const char *text, uint64_t *bet_id, uint8_t ticket[TICKET_SIZE])
{
	uint8_t code[CODE_SIZE] = { 0 };
	unsigned count = 0;
	uint64_t id = 0;

	for (; *text != '\0'; text++) {
		int value;

		if (*text == '-')
			continue;
		value = symbol_value(*text);
		if (value < 0 || count == SYMBOLS)
			return -EINVAL;
		for (unsigned i = 0; i < SYMBOL_BITS; i++) {
			unsigned bit = count * SYMBOL_BITS + i;
			unsigned set = (unsigned)value >> (SYMBOL_BITS - 1 - i) & 1u;

			code[bit / 8] |= (uint8_t)(set << (7 - bit % 8));
		}
		count++;
	}
	if (count != SYMBOLS)
		return -EINVAL;
	for (unsigned i = 0; i < 8; i++)
		id = id << 8 | code[i];
	*bet_id = id;
	memcpy(ticket, code + 8, TICKET_SIZE);
	return 0;
}
