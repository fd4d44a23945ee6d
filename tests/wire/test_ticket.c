/* SPDX-License-Identifier: Apache-2.0 */
/* Ticket codes against vectors of another implementation, and the printed form. */
#include "tests/test.h"

#include <errno.h>

#include "tests/wire/hex.h"
#include "wire/ticket.h"

struct vector {
	uint8_t key[TICKET_KEY_SIZE], ticket[TICKET_SIZE];
	struct ticket_facts facts;
	char code[TICKET_TEXT_SIZE];
};

static void odds_read(char *text, struct ticket_facts *facts)
{
	for (char *one = strtok(text, ","); one != NULL; one = strtok(NULL, ",")) {
		assert_true(facts->leg_count < LIMIT_BET_LEGS_MAX);
		facts->odds[facts->leg_count++] = (uint32_t)strtoul(one, NULL, 10);
	}
}

static void vector_line(struct vector *vector, const char *line)
{
	char name[24], value[96];

	if (sscanf(line, "%23s = %95s", name, value) != 2)
		fail_msg("malformed: %s", line);
	if (strcmp(name, "key") == 0)
		assert_int_equal(hex_parse(value, vector->key, TICKET_KEY_SIZE), TICKET_KEY_SIZE);
	else if (strcmp(name, "ticket") == 0)
		assert_int_equal(hex_parse(value, vector->ticket, TICKET_SIZE), TICKET_SIZE);
	else if (strcmp(name, "bet") == 0)
		vector->facts.bet_id = strtoull(value, NULL, 10);
	else if (strcmp(name, "stake") == 0)
		vector->facts.stake = strtoll(value, NULL, 10);
	else if (strcmp(name, "payout") == 0)
		vector->facts.payout = strtoll(value, NULL, 10);
	else if (strcmp(name, "placed_at_ns") == 0)
		vector->facts.placed_at_ns = strtoull(value, NULL, 10);
	else if (strcmp(name, "odds") == 0)
		odds_read(value, &vector->facts);
	else if (strcmp(name, "code") == 0)
		snprintf(vector->code, sizeof(vector->code), "%.27s", value);
	else
		fail_msg("unknown field %s", name);
}

static unsigned vectors_read(struct vector *vectors, unsigned room)
{
	FILE *file = fopen(SLUICE_TEST_DATA "/vectors/sluice-tickets.txt", "r");
	char line[128];
	unsigned count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (strcmp(line, "[ticket]\n") == 0) {
			assert_true(count < room);
			memset(&vectors[count++], 0, sizeof(vectors[0]));
		} else {
			assert_true(count > 0);
			vector_line(&vectors[count - 1], line);
		}
	}
	fclose(file);
	return count;
}

TEST(vectors)
{
	struct vector vectors[32];
	unsigned count = vectors_read(vectors, 32);

	assert_true(count >= 8);
	for (unsigned i = 0; i < count; i++) {
		const struct vector *one = &vectors[i];
		uint8_t ticket[TICKET_SIZE];
		char text[TICKET_TEXT_SIZE];
		uint64_t bet_id;

		ticket_make(one->key, &one->facts, ticket);
		assert_memory_equal(ticket, one->ticket, TICKET_SIZE);
		assert_int_equal(ticket_verify(one->key, &one->facts, ticket), 1);
		ticket_format(one->facts.bet_id, ticket, text);
		assert_string_equal(text, one->code);
		memset(ticket, 0, sizeof(ticket));
		assert_int_equal(ticket_parse(one->code, &bet_id, ticket), 0);
		assert_true(bet_id == one->facts.bet_id);
		assert_memory_equal(ticket, one->ticket, TICKET_SIZE);
	}
}

TEST(anything_changed_is_not_genuine)
{
	struct vector vectors[32], changed;

	assert_true(vectors_read(vectors, 32) > 0);
	for (unsigned bit = 0; bit < 8 * TICKET_SIZE; bit++) {
		changed = vectors[0];
		changed.ticket[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_case_equal(
		    bit, ticket_verify(changed.key, &changed.facts, changed.ticket), 0);
	}
	for (unsigned bit = 0; bit < 8 * TICKET_KEY_SIZE; bit++) {
		changed = vectors[0];
		changed.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_case_equal(
		    bit, ticket_verify(changed.key, &changed.facts, changed.ticket), 0);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t flip = 1ull << bit;

		for (unsigned field = 0; field < 4; field++) {
			changed = vectors[0];
			changed.facts.bet_id ^= field == 0 ? flip : 0;
			changed.facts.stake ^= (int64_t)(field == 1 ? flip : 0);
			changed.facts.payout ^= (int64_t)(field == 2 ? flip : 0);
			changed.facts.placed_at_ns ^= field == 3 ? flip : 0;
			assert_case_equal(
			    bit, ticket_verify(changed.key, &changed.facts, changed.ticket), 0);
		}
	}
}

/* Other odds that come to the same payout, fewer legs or another order are another bet. */
TEST(the_odds_of_each_leg_are_bound)
{
	const uint8_t key[TICKET_KEY_SIZE] = { 1, 2, 3 };
	const struct ticket_facts sold = { 5, 100, 300, 9, 2, { 2000, 1500 } };
	uint8_t ticket[TICKET_SIZE];
	struct ticket_facts changed;

	ticket_make(key, &sold, ticket);
	for (unsigned leg = 0; leg < 2; leg++)
		for (unsigned bit = 0; bit < 32; bit++) {
			changed = sold;
			changed.odds[leg] ^= 1u << bit;
			assert_case_equal(bit, ticket_verify(key, &changed, ticket), 0);
		}
	changed = (struct ticket_facts){ 5, 100, 300, 9, 2, { 1500, 2000 } };
	assert_int_equal(ticket_verify(key, &changed, ticket), 0);
	changed = (struct ticket_facts){ 5, 100, 300, 9, 1, { 3000 } };
	assert_int_equal(ticket_verify(key, &changed, ticket), 0);
	changed = (struct ticket_facts){ 5, 100, 300, 9, 3, { 2000, 1500 } };
	assert_int_equal(ticket_verify(key, &changed, ticket), 0);
	changed = (struct ticket_facts){ 5, 100, 300, 9, 2, { 2000, 1500, 7 } };
	assert_int_equal(ticket_verify(key, &changed, ticket), 1);
}

TEST(printed_and_read_again)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 20000; i++) {
		uint64_t bet_id = test_random(&random), found = 0;
		uint8_t ticket[TICKET_SIZE], read[TICKET_SIZE];
		char text[TICKET_TEXT_SIZE];

		for (unsigned k = 0; k < TICKET_SIZE; k++)
			ticket[k] = (uint8_t)test_random(&random);
		ticket_format(bet_id, ticket, text);
		assert_int_equal(strlen(text), TICKET_TEXT_SIZE - 1);
		assert_null(strpbrk(text, "ILOU"));
		assert_int_equal(ticket_parse(text, &found, read), 0);
		assert_true(found == bet_id);
		assert_memory_equal(read, ticket, TICKET_SIZE);
	}
}

TEST(what_people_write)
{
	static const struct {
		const char *text;
		int rc;
	} rows[] = {
		{ "000000-000000-000000-000000", 0 },
		{ "000000000000000000000000", 0 },
		{ "oO0000-000000-000000-000000", 0 },
		{ "00000000-0000000000000000-", 0 },
		{ "", -EINVAL },
		{ "00000000000000000000000", -EINVAL },
		{ "0000000000000000000000000", -EINVAL },
		{ "U00000-000000-000000-000000", -EINVAL },
		{ "000000 000000-000000-000000", -EINVAL },
		{ "00000\xc3-000000-000000-000000", -EINVAL },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		uint8_t ticket[TICKET_SIZE] = { 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77 };
		uint64_t bet_id = 0x77;

		assert_case_equal(i, ticket_parse(rows[i].text, &bet_id, ticket), rows[i].rc);
		/* Untouched on failure. */
		assert_case_equal(i, bet_id, rows[i].rc == 0 ? 0 : 0x77);
		assert_case_equal(i, ticket[6], rows[i].rc == 0 ? 0 : 0x77);
	}
}

TEST(letters_that_look_like_digits)
{
	uint8_t first[TICKET_SIZE], second[TICKET_SIZE];
	uint64_t one, other;

	assert_int_equal(ticket_parse("il1Lo0-abcdef-ghjkmn-pqrstv", &one, first), 0);
	assert_int_equal(ticket_parse("111100-ABCDEF-GHJKMN-PQRSTV", &other, second), 0);
	assert_true(one == other);
	assert_memory_equal(first, second, TICKET_SIZE);
}

TEST_MAIN()
