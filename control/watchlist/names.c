/* SPDX-License-Identifier: Apache-2.0 */
#include "control/watchlist/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define WORDS_MAX       32
#define THIN_LENGTH_MAX 8
/* A surname and a given name, both of two syllables, and one more. */
#define THIN_HANGUL_MAX 5

/* Legal forms and words that stand in any name. */
static const char *const common[] = { "ab", "ag", "and", "as", "bhd", "bv", "co", "company", "corp",
	"corporation", "cv", "eurl", "fzc", "fzco", "fze", "gmbh", "group", "holding", "holdings",
	"inc", "incorporated", "jsc", "kft", "kg", "kk", "limited", "llc", "llp", "lp", "ltd",
	"ltda", "nv", "oao", "of", "ojsc", "ooo", "oy", "pao", "pjsc", "plc", "pte", "pty", "pvt",
	"sa", "sal", "sarl", "sas", "sdn", "sl", "spa", "srl", "the", "zao" };

/* Letters that decompose into nothing. */
static const struct {
	uint32_t point;
	const char *text;
} letters[] = { { 0x00e6, "ae" }, { 0x00f0, "d" }, { 0x00f8, "o" }, { 0x00fe, "th" },
	{ 0x0111, "d" }, { 0x0127, "h" }, { 0x0131, "i" }, { 0x0142, "l" }, { 0x0153, "oe" },
	{ 0x0167, "t" } };

struct word {
	uint16_t begin, length; /* in `points` */
	uint8_t is_common;
};

struct words {
	uint32_t points[NAME_LENGTH_MAX];
	unsigned used, count;
	struct word words[WORDS_MAX];
	int open; /* the last word still grows */
};

static void point_add(struct words *words, uint32_t point)
{
	if (words->used == NAME_LENGTH_MAX)
		return;
	if (!words->open) {
		if (words->count == WORDS_MAX)
			return;
		words->words[words->count++] = (struct word){ .begin = (uint16_t)words->used };
		words->open = 1;
	}
	words->points[words->used++] = point;
	words->words[words->count - 1].length++;
}

static int is_joining(uint32_t point)
{
	return point == '.' || point == '\'' || point == '`' || point == 0x2019 ||
	       point == 0x2018 || point == 0x02bc || point == 0x00b4;
}

/*
 * Hangul comes apart into two or three letters a syllable, of which names that have nothing in
 * common share many; put together again. (Unicode, chapter 3.12.)
 */
#define SYLLABLE_FIRST 0xac00u
#define SYLLABLES      11172u
#define LEADING_FIRST  0x1100u
#define LEADINGS       19u
#define VOWEL_FIRST    0x1161u
#define VOWELS         21u
#define TRAILING_FIRST 0x11a8u
#define TRAILINGS      27u /* besides none */

static int is_syllable(uint32_t point)
{
	return point - SYLLABLE_FIRST < SYLLABLES;
}

/* 1: `last` and `point` are one, which *last is then. */
static int syllable_join(uint32_t *last, uint32_t point)
{
	if (*last - LEADING_FIRST < LEADINGS && point - VOWEL_FIRST < VOWELS) {
		*last = SYLLABLE_FIRST +
		        ((*last - LEADING_FIRST) * VOWELS + point - VOWEL_FIRST) * (TRAILINGS + 1);
		return 1;
	}
	if (is_syllable(*last) && (*last - SYLLABLE_FIRST) % (TRAILINGS + 1) == 0 &&
	    point - TRAILING_FIRST < TRAILINGS) {
		*last += point - TRAILING_FIRST + 1;
		return 1;
	}
	return 0;
}

static void point_take(struct words *words, uint32_t point)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (letters[i].point != point)
			continue;
		for (const char *at = letters[i].text; *at != '\0'; at++)
			point_add(words, (uint8_t)*at);
		return;
	}
	if (uc_is_general_category_withtable(point, UC_CATEGORY_MASK_M) || is_joining(point))
		return;
	if (words->open && syllable_join(&words->points[words->used - 1], point))
		return;
	if (uc_is_general_category_withtable(point, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N))
		point_add(words, point);
	else
		words->open = 0;
}

static int common_is(const struct words *words, const struct word *word)
{
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		size_t length = strlen(common[i]), same = 0;

		if (length != word->length)
			continue;
		while (
		    same < length && words->points[word->begin + same] == (uint8_t)common[i][same])
			same++;
		if (same == length)
			return 1;
	}
	return 0;
}

static void form_add(
    struct name_text *form, const struct words *words, const struct word *word, int blank)
{
	if (blank && form->length > 0 && form->length < NAME_LENGTH_MAX)
		form->points[form->length++] = ' ';
	for (unsigned i = 0; i < word->length && form->length < NAME_LENGTH_MAX; i++)
		form->points[form->length++] = words->points[word->begin + i];
}

static int word_before(const struct words *words, const struct word *a, const struct word *b)
{
	for (unsigned i = 0; i < a->length && i < b->length; i++)
		if (words->points[a->begin + i] != words->points[b->begin + i])
			return words->points[a->begin + i] < words->points[b->begin + i];
	return a->length < b->length;
}

/* Mostly Hangul, and short. */
static int short_hangul_is(const struct name_text *joined)
{
	unsigned syllables = 0;

	for (unsigned i = 0; i < joined->length; i++)
		syllables += (unsigned)is_syllable(joined->points[i]);
	return joined->length <= THIN_HANGUL_MAX && 2 * syllables > joined->length;
}

static void forms_make(struct words *words, struct name *name)
{
	struct word sorted[WORDS_MAX];
	unsigned telling = 0, count = 0;

	for (unsigned i = 0; i < words->count; i++) {
		words->words[i].is_common = (uint8_t)common_is(words, &words->words[i]);
		telling += !words->words[i].is_common;
		form_add(&name->forms[NAME_WHOLE], words, &words->words[i], 1);
	}
	for (unsigned i = 0; i < words->count; i++) {
		unsigned at = count;

		/* A name of nothing but such words is made of them. */
		if (telling > 0 && words->words[i].is_common)
			continue;
		form_add(&name->forms[NAME_JOINED], words, &words->words[i], 0);
		while (at > 0 && word_before(words, &words->words[i], &sorted[at - 1])) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		sorted[at] = words->words[i];
		count++;
	}
	for (unsigned i = 0; i < count; i++)
		form_add(&name->forms[NAME_SORTED], words, &sorted[i], 1);
	name->thin = (telling == 1 && words->count > 1 && sorted[0].length <= THIN_LENGTH_MAX) ||
	             short_hangul_is(&name->forms[NAME_JOINED]);
}

int name_make(const char *text, size_t size, struct name *name)
{
	const uint8_t *bytes = (const uint8_t *)text;
	struct words words = { 0 };
	uint8_t *folded = NULL;
	size_t length = 0;

	memset(name, 0, sizeof(*name));
	if (size > 8 * NAME_LENGTH_MAX)
		size = 8 * NAME_LENGTH_MAX;
	/* Cut inside a character, or not UTF-8 at all: up to there. */
	bytes = u8_check(bytes, size);
	if (bytes != NULL)
		size = (size_t)(bytes - (const uint8_t *)text);
	bytes = (const uint8_t *)text;
	if (size == 0)
		return 0;
	folded = u8_casefold(bytes, size, NULL, UNINORM_NFKD, NULL, &length);
	if (folded == NULL)
		return -ENOMEM;
	for (size_t at = 0; at < length;) {
		ucs4_t point;
		int step = u8_mbtouc(&point, folded + at, length - at);

		if (step <= 0)
			break;
		point_take(&words, point);
		at += (size_t)step;
	}
	free(folded);
	forms_make(&words, name);
	return 0;
}

uint64_t name_hash(const struct name *name)
{
	const struct name_text *form = &name->forms[NAME_WHOLE];
	uint16_t units[2 * NAME_LENGTH_MAX];
	size_t count = 0;

	/* As 16 bits, in which hashes of names are on disk. */
	for (unsigned i = 0; i < form->length; i++) {
		uint32_t point = form->points[i];

		if (point > 0xffff) {
			units[count++] = (uint16_t)(0xd7c0 + (point >> 10));
			point = 0xdc00 | (point & 0x3ff);
		}
		units[count++] = (uint16_t)point;
	}
	return XXH3_64bits(units, count * sizeof(units[0]));
}
