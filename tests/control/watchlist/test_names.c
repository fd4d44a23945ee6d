/* SPDX-License-Identifier: Apache-2.0 */
/* Names made comparable; similarity against a slow, plain computation of it; the index against
 * both. */
#include "control/watchlist/names.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/test.h"
#include "wire/assert.h"

static struct name make(const char *text)
{
	struct name name;

	assert_int_equal(name_make(text, strlen(text), &name), 0);
	return name;
}

static void form_equals(const struct name_text *form, const char *text)
{
	char out[NAME_LENGTH_MAX + 1] = "";

	for (unsigned i = 0; i < form->length; i++)
		out[i] = form->points[i] < 128 ? (char)form->points[i] : '?';
	assert_string_equal(out, text);
}

TEST(forms)
{
	static const struct {
		const char *text, *sorted, *joined, *whole;
	} cases[] = {
		{ "CECOEX, S.A.", "cecoex", "cecoex", "cecoex sa" },
		{ "ANGLO-CARIBBEAN CO., LTD.", "anglo caribbean", "anglocaribbean",
		    "anglo caribbean co ltd" },
		{ "Al-ZAWAHIRI, Ayman", "al ayman zawahiri", "alzawahiriayman",
		    "al zawahiri ayman" },
		{ "M\xc3\xbcller & S\xc3\xb8n GmbH", "muller son", "mullerson", "muller son gmbh" },
		{ "Stra\xc3\x9f"
		  "e",
		    "strasse", "strasse", "strasse" },
		{ "\xc5\x81\xc3\xb3"
		  "d\xc5\xba",
		    "lodz", "lodz", "lodz" },
		{ "O'Brien", "obrien", "obrien", "obrien" },
		{ "The Company", "company the", "thecompany", "the company" },
		{ "\xef\xbc\xa1\xef\xbc\xa3 1", "1 ac", "ac1", "ac 1" }, /* full width */
		{ "...", "", "", "" }, { "", "", "", "" },
		{ "abc\xff\xfe", "abc", "abc", "abc" }, /* no UTF-8: up to there */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct name name = make(cases[i].text);

		form_equals(&name.forms[NAME_SORTED], cases[i].sorted);
		form_equals(&name.forms[NAME_JOINED], cases[i].joined);
		form_equals(&name.forms[NAME_WHOLE], cases[i].whole);
	}
}

static unsigned like(const char *a, const char *b)
{
	struct name one = make(a), other = make(b);
	unsigned found = name_similarity(&one, &other);

	assert_int_equal(found, name_similarity(&other, &one));
	return found;
}

TEST(what_is_the_same_name)
{
	assert_int_equal(like("HUSSEIN, Saddam", "Saddam Hussein"), 1000);
	assert_int_equal(like("AERO-CARIBBEAN", "AEROCARIBBEAN"), 1000);
	assert_int_equal(like("CUBANA AIRLINES, S.A.", "Cubana Airlines"), 1000);
	assert_int_equal(like("Jos\xc3\xa9 Mart\xc3\xad", "JOSE MARTI"), 1000);
	assert_true(like("Muammar Gaddafi", "Moammar Gadhafi") >= 780);
	assert_true(like("HERMANN", "Hegmann Inc") < 780); /* thin */
	assert_true(like("Frami Group", "RAMOR GROUP") < 780);
	assert_true(like("Kim Jong Un", "Park Geun Hye") < 780);
	assert_int_equal(like("", "x"), 0);
	assert_int_equal(like("...", "..."), 0);
}

static unsigned common_plain(const struct name_text *a, const struct name_text *b)
{
	static unsigned table[NAME_LENGTH_MAX + 1][NAME_LENGTH_MAX + 1];

	for (unsigned i = 1; i <= a->length; i++)
		for (unsigned j = 1; j <= b->length; j++)
			table[i][j] = a->points[i - 1] == b->points[j - 1] ? table[i - 1][j - 1] + 1
			              : table[i - 1][j] > table[i][j - 1]  ? table[i - 1][j]
			                                                   : table[i][j - 1];
	return table[a->length][b->length];
}

static unsigned plain(const struct name *a, const struct name *b)
{
	unsigned found[NAME_FORMS], telling;

	for (unsigned form = 0; form < NAME_FORMS; form++) {
		unsigned sum = a->forms[form].length + b->forms[form].length;

		found[form] = a->forms[form].length == 0 || b->forms[form].length == 0
		                  ? 0
		                  : 2000 * common_plain(&a->forms[form], &b->forms[form]) / sum;
	}
	telling = found[NAME_SORTED] > found[NAME_JOINED] ? found[NAME_SORTED] : found[NAME_JOINED];
	if ((a->thin || b->thin) && telling < 1000)
		return telling > 150 ? telling - 150 : 0;
	return telling >= 700 && found[NAME_WHOLE] > telling ? found[NAME_WHOLE] : telling;
}

static uint64_t random_state;

static unsigned random_below(unsigned below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random_state >> 33) % below;
}

/* Few letters, so that much is alike; words, legal forms, letters beyond ASCII. */
static void random_text(char *text, size_t size)
{
	static const char *const parts[] = { "a", "b", "ab", "ba", "aab", " ", " ", "-", " ltd",
		".", "\xec\x84\x9c", "\xec\x9a\xb8", "\xd0\x96", "c", "1" };
	unsigned count = random_below(60);
	size_t used = 0;

	for (unsigned i = 0; i < count; i++) {
		const char *part = parts[random_below(SLUICE_ARRAY_COUNT(parts))];

		if (used + strlen(part) >= size)
			break;
		memcpy(text + used, part, strlen(part));
		used += strlen(part);
	}
	text[used] = '\0';
}

TEST(bits_count_as_the_plain_table_does_and_the_index_finds_what_is_there)
{
	enum { NAMES = 200 };
	static struct name names[NAMES];
	struct name_index *index = name_index_create();
	struct name_hit hits[NAMES];

	random_state = (uint64_t)time(NULL);
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (unsigned i = 0; i < NAMES; i++) {
		char text[200];

		random_text(text, sizeof(text));
		names[i] = make(text);
		assert_int_equal(name_index_add(index, &names[i]), 0);
	}
	assert_int_equal(name_index_count(index), NAMES);
	for (unsigned i = 0; i < NAMES; i++) {
		unsigned threshold = 1 + random_below(1000), wanted = 0, count;

		for (unsigned k = 0; k < NAMES; k++) {
			unsigned expected = plain(&names[i], &names[k]);

			assert_int_equal(name_similarity(&names[i], &names[k]), expected);
			wanted += expected >= threshold;
		}
		count = name_index_find(index, &names[i], threshold, hits, NAMES);
		assert_int_equal(count, wanted);
		for (unsigned k = 0; k < count; k++) {
			assert_int_equal(
			    hits[k].similarity, plain(&names[i], &names[hits[k].place]));
			assert_true(k == 0 || hits[k].similarity <= hits[k - 1].similarity);
		}
		if (wanted > 1) {
			struct name_hit best = hits[0];

			assert_int_equal(name_index_find(index, &names[i], threshold, hits, 1), 1);
			assert_int_equal(hits[0].similarity, best.similarity);
		}
	}
	name_index_free(index);
}

TEST(long_names_are_cut_not_refused)
{
	char text[2000];
	struct name name;

	memset(text, 'x', sizeof(text));
	assert_int_equal(name_make(text, sizeof(text), &name), 0);
	assert_int_equal(name.forms[NAME_WHOLE].length, NAME_LENGTH_MAX);
	assert_int_equal(name_similarity(&name, &name), 1000);
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = ' ';
	assert_int_equal(name_make(text, sizeof(text), &name), 0);
	assert_true(name.forms[NAME_WHOLE].length <= NAME_LENGTH_MAX);
	assert_int_equal(name_similarity(&name, &name), 1000);
}

TEST_MAIN()
