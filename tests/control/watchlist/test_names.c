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

static uint64_t random_state;

static unsigned random_below(unsigned below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random_state >> 33) % below;
}

/* Marks a hit by the default threshold. */
#define THRESHOLD 780u

TEST(korean_names_are_compared_by_syllables)
{
	static const struct {
		const char *a, *b;
		unsigned similarity;
	} cases[] = {
		{ "김정은", "김정은", 1000 },
		{ "김정은", "김 정은", 1000 },
		{ "김 정은", "정은 김", 1000 },
		{ "김정은", "정은 김", 707 }, /* which is the surname, nothing says */
		{ "김정은", "\u1100\u1175\u11b7\u110c\u1165\u11bc\u110b\u1173\u11ab",
		    1000 }, /* jamo */
		{ "김정은", "김정운", 516 },
		{ "김정은", "김성은", 516 },
		{ "김정은", "박정은", 516 },
		{ "김정은", "정은", 650 },
		{ "김구", "김정구", 650 },
		{ "박민수", "박수민", 516 },
		{ "남궁민수", "남궁민주", 600 },
		{ "북경과학기술유한공사", "북경과학기술유한회사", 900 },
		{ "김정은", "KIM JONG UN", 0 },
		/* Beyond 16 bits. */
		{ "\U00020000", "\U00010000", 0 },
		{ "\U00020000", "\U00020000", 1000 },
		{ "\U00020001 abc", "\U00010001 abc", 800 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		unsigned found = like(cases[i].a, cases[i].b);

		if (found != cases[i].similarity)
			fail_msg("%s, %s: %u", cases[i].a, cases[i].b, found);
	}
}

/* Every one of 8,000 names that three syllables make, against a list of 20 of them: a hit refuses
 * bets, so there must be none but of those that are on it. */
TEST(korean_names_hit_the_same_name_only)
{
	static const char surnames[] = "김이박최정강조윤장임한오서신권황안송류전";
	static const char firsts[] = "민서지현예도하준수영정성재은동진태승경상";
	static const char seconds[] = "준윤우호현민수진영희은연아원석철훈경미주";
	enum { COUNT = 20, SYLLABLE = 3, LISTED = 20 };
	struct name_index *index = name_index_create();
	char listed[LISTED][3 * SYLLABLE + 1];
	unsigned hits = 0, same = 0;

	random_state = 7;
	assert_non_null(index);
	for (unsigned i = 0; i < LISTED; i++) {
		struct name name;

		snprintf(listed[i], sizeof(listed[i]), "%.3s%.3s%.3s",
		    surnames + random_below(COUNT) * SYLLABLE,
		    firsts + random_below(COUNT) * SYLLABLE,
		    seconds + random_below(COUNT) * SYLLABLE);
		name = make(listed[i]);
		assert_int_equal(name_index_add(index, &name), 0);
	}
	for (unsigned i = 0; i < COUNT * COUNT * COUNT; i++) {
		char text[3 * SYLLABLE + 1];
		struct name_hit hit;
		struct name name;

		snprintf(text, sizeof(text), "%.3s%.3s%.3s",
		    surnames + i / COUNT / COUNT * SYLLABLE, firsts + i / COUNT % COUNT * SYLLABLE,
		    seconds + i % COUNT * SYLLABLE);
		name = make(text);
		if (name_index_find(index, &name, THRESHOLD, &hit, 1) == 0)
			continue;
		hits++;
		same += strcmp(text, listed[hit.place]) == 0;
	}
	name_index_free(index);
	assert_true(same > 0);
	assert_int_equal(hits, same);
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
