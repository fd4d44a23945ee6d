/* SPDX-License-Identifier: Apache-2.0 */
/* The code registry, and the specification's copy of it. */
#include "tests/test.h"

#include "wire/assert.h"
#include "wire/codes.h"

TEST(numbers_ascend_so_they_are_unique)
{
	assert_true(wire_code_count() > 30);
	assert_int_equal(wire_code_at(0), WIRE_CODE_OK);
	for (unsigned i = 1; i < wire_code_count(); i++)
		assert_true(wire_code_at(i - 1) < wire_code_at(i));
}

TEST(index_is_the_inverse_of_at)
{
	for (unsigned i = 0; i < wire_code_count(); i++)
		assert_case_equal(i, wire_code_index(wire_code_at(i)), i);
	for (unsigned code = 0, next = 0; code <= 0xffff; code++) {
		if (next < wire_code_count() && code == wire_code_at(next))
			next++;
		else
			assert_case_equal(code, wire_code_index((uint16_t)code), -1);
	}
}

TEST(names_are_unique_and_texts_differ_by_language)
{
	for (unsigned i = 0; i < wire_code_count(); i++) {
		uint16_t code = wire_code_at(i);
		const char *english = wire_code_text(code, WIRE_ENGLISH);
		const char *korean = wire_code_text(code, WIRE_KOREAN);

		assert_true(strlen(english) > 3 && strlen(korean) > 3);
		assert_string_not_equal(english, korean);
		/* English is ASCII, Korean is not. */
		for (const char *c = english; *c != '\0'; c++)
			assert_true(*c > 0);
		assert_true(strpbrk(korean, "\xea\xeb\xec\xed") != NULL); /* Hangul in UTF-8 */
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
			    wire_code_name(code), wire_code_name(wire_code_at(k)));
	}
}

TEST(known_codes)
{
	assert_string_equal(wire_code_name(0x5004), "FUNDS_INSUFFICIENT");
	assert_string_equal(wire_code_name(WIRE_CODE_OK), "OK");
	assert_string_equal(wire_code_text(WIRE_CODE_OK, WIRE_ENGLISH), "Done.");
}

TEST(unregistered_numbers_have_a_name_and_a_text)
{
	static const uint16_t codes[] = { 0x0004, 0x1000, 0x50ff, 0x8000, 0xffff };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(codes); i++) {
		assert_string_equal(wire_code_name(codes[i]), "UNREGISTERED");
		assert_non_null(wire_code_text(codes[i], WIRE_ENGLISH));
		assert_non_null(wire_code_text(codes[i], WIRE_KOREAN));
	}
}

TEST(classes_and_finality)
{
	static const struct {
		uint16_t code;
		uint8_t class, final;
	} rows[] = {
		{ WIRE_CODE_OK, WIRE_CLASS_DONE, 1 },
		{ WIRE_CODE_BAD_LENGTH, WIRE_CLASS_FRAME, 0 },
		{ WIRE_CODE_NO_RIGHT, WIRE_CLASS_SESSION, 0 },
		{ WIRE_CODE_BUSY, WIRE_CLASS_TRANSIENT, 0 },
		{ WIRE_CODE_STORAGE_UNAVAILABLE, WIRE_CLASS_TRANSIENT, 0 },
		{ WIRE_CODE_MISMATCH, WIRE_CLASS_IDEMPOTENCY, 0 },
		{ WIRE_CODE_FENCED, WIRE_CLASS_IDEMPOTENCY, 0 },
		{ WIRE_CODE_PENDING, WIRE_CLASS_DONE, 1 },
		{ WIRE_CODE_FENCED_NOW, WIRE_CLASS_DONE, 1 },
		{ WIRE_CODE_FUNDS_INSUFFICIENT, WIRE_CLASS_BUSINESS, 1 },
		{ WIRE_CODE_EXPIRED, WIRE_CLASS_BUSINESS, 1 },
		{ WIRE_CODE_RISK_SCORE, WIRE_CLASS_POLICY, 1 },
		{ WIRE_CODE_OUTCOME_UNKNOWN, WIRE_CLASS_UNKNOWN, 0 },
		{ WIRE_CODE_INVARIANT_BROKEN, WIRE_CLASS_INVARIANT, 0 },
		{ 0x0fff, WIRE_CLASS_DONE, 1 },
		{ 0x6fff, WIRE_CLASS_POLICY, 1 },
		{ 0x7000, WIRE_CLASS_UNKNOWN, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		assert_case_equal(i, wire_code_class(rows[i].code), rows[i].class);
		assert_case_equal(i, wire_code_is_final(rows[i].code), rows[i].final);
	}
}

/* wire/README.md 10 lists exactly the registry, in its order. */
TEST(specification_lists_every_code)
{
	FILE *file = fopen(SLUICE_SOURCE_ROOT "/wire/README.md", "r");
	char line[1024], want[1024];
	unsigned next = 0;
	int inside = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "## ", 3) == 0)
			inside = strncmp(line, "## 10 ", 6) == 0;
		if (!inside || strncmp(line, "| 0x", 4) != 0)
			continue;
		assert_true(next < wire_code_count());
		snprintf(want, sizeof(want), "| 0x%04x | %s | %s |\n", wire_code_at(next),
		    wire_code_name(wire_code_at(next)),
		    wire_code_text(wire_code_at(next), WIRE_ENGLISH));
		assert_string_equal(line, want);
		next++;
	}
	fclose(file);
	assert_int_equal(next, wire_code_count());
}

TEST_MAIN()
