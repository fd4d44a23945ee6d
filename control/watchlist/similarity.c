/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest common subsequence by bits (Hyyro 2004): one 128-bit addition for each character of
 * the other string. Most names of an index are passed over before, by an upper bound that is cheap:
 * no character can be common more often than it is in both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/watchlist/names.h"

#define BUCKETS 32 /* of characters, for the bound */
#define OTHERS  256
/* The whole form, legal forms and all, counts where the other words are at least this alike:
 * otherwise "Frami Group" would be like "Ramor Group" for the group they both are. */
#define TELLING_MIN 700u
#define THIN_LESS   150u

__extension__ typedef unsigned __int128 bits128;

/* Where in a string each character is: a bit for each place. */
struct pattern {
	bits128 ascii[128];
	bits128 other[OTHERS];
	uint32_t other_point[OTHERS]; /* 0: free */
	unsigned length;
};

static bits128 *pattern_other(struct pattern *pattern, uint32_t point)
{
	unsigned slot = point * 40503u >> 4 & (OTHERS - 1);

	/* At most NAME_LENGTH_MAX characters are in 256 places: one is always free. */
	while (pattern->other_point[slot] != 0 && pattern->other_point[slot] != point)
		slot = (slot + 1) & (OTHERS - 1);
	pattern->other_point[slot] = point;
	return &pattern->other[slot];
}

static bits128 pattern_get(const struct pattern *pattern, uint32_t point)
{
	unsigned slot = point * 40503u >> 4 & (OTHERS - 1);

	if (point < 128)
		return pattern->ascii[point];
	while (pattern->other_point[slot] != 0) {
		if (pattern->other_point[slot] == point)
			return pattern->other[slot];
		slot = (slot + 1) & (OTHERS - 1);
	}
	return 0;
}

static void pattern_make(struct pattern *pattern, const struct name_text *text)
{
	memset(pattern, 0, sizeof(*pattern));
	pattern->length = text->length;
	for (unsigned i = 0; i < text->length; i++) {
		bits128 bit = (bits128)1 << i;

		if (text->points[i] < 128)
			pattern->ascii[text->points[i]] |= bit;
		else
			*pattern_other(pattern, text->points[i]) |= bit;
	}
}

static unsigned pattern_common(
    const struct pattern *pattern, const uint32_t *points, unsigned length)
{
	bits128 row = ~(bits128)0, mask;

	for (unsigned i = 0; i < length; i++) {
		bits128 both = row & pattern_get(pattern, points[i]);

		row = (row + both) | (row - both);
	}
	mask = pattern->length == 128 ? ~(bits128)0 : ((bits128)1 << pattern->length) - 1;
	row = ~row & mask;
	return (unsigned)(__builtin_popcountll((uint64_t)row) +
	                  __builtin_popcountll((uint64_t)(row >> 64)));
}

static unsigned thousandths(unsigned common, unsigned length_a, unsigned length_b)
{
	return length_a == 0 || length_b == 0 ? 0 : 2000 * common / (length_a + length_b);
}

/* What three similarities make together: the whole form counts only where the telling words are
 * alike. */
static unsigned together(const unsigned found[NAME_FORMS], int thin)
{
	unsigned telling =
	    found[NAME_SORTED] > found[NAME_JOINED] ? found[NAME_SORTED] : found[NAME_JOINED];

	if (thin && telling < 1000)
		return telling > THIN_LESS ? telling - THIN_LESS : 0;
	return telling >= TELLING_MIN && found[NAME_WHOLE] > telling ? found[NAME_WHOLE] : telling;
}

unsigned name_similarity(const struct name *a, const struct name *b)
{
	unsigned found[NAME_FORMS];

	for (unsigned form = 0; form < NAME_FORMS; form++) {
		const struct name_text *other = &b->forms[form];
		struct pattern pattern;

		pattern_make(&pattern, &a->forms[form]);
		found[form] = thousandths(pattern_common(&pattern, other->points, other->length),
		    pattern.length, other->length);
	}
	return together(found, a->thin || b->thin);
}

/* ---- Index ---- */

struct entry {
	uint32_t begin; /* in `points` */
	uint8_t length;
	uint8_t thin; /* the name is, in each of its forms */
	uint8_t counts[BUCKETS];
};

struct name_index {
	struct entry (*entries)[NAME_FORMS];
	uint32_t *points;
	uint32_t count, room, points_used, points_room;
};

static void counts_make(const struct name_text *text, uint8_t counts[BUCKETS])
{
	memset(counts, 0, BUCKETS);
	for (unsigned i = 0; i < text->length; i++)
		counts[text->points[i] & (BUCKETS - 1)]++;
}

struct name_index *name_index_create(void)
{
	return calloc(1, sizeof(struct name_index));
}

void name_index_free(struct name_index *index)
{
	if (index == NULL)
		return;
	free(index->entries);
	free(index->points);
	free(index);
}

uint32_t name_index_count(const struct name_index *index)
{
	return index->count;
}

static int room_make(struct name_index *index)
{
	if (index->count == index->room) {
		uint32_t room = index->room == 0 ? 1024 : index->room * 2;
		void *grown = realloc(index->entries, room * sizeof(*index->entries));

		if (grown == NULL)
			return -ENOMEM;
		index->entries = grown;
		index->room = room;
	}
	if (index->points_room - index->points_used < NAME_FORMS * NAME_LENGTH_MAX) {
		uint32_t room = index->points_room == 0 ? 65536 : index->points_room * 2;
		void *grown = realloc(index->points, room * sizeof(*index->points));

		if (grown == NULL)
			return -ENOMEM;
		index->points = grown;
		index->points_room = room;
	}
	return 0;
}

int name_index_add(struct name_index *index, const struct name *name)
{
	int error = room_make(index);

	if (error != 0)
		return error;
	for (unsigned form = 0; form < NAME_FORMS; form++) {
		const struct name_text *text = &name->forms[form];
		struct entry *entry = &index->entries[index->count][form];

		entry->begin = index->points_used;
		entry->length = (uint8_t)text->length;
		entry->thin = name->thin;
		counts_make(text, entry->counts);
		memcpy(index->points + entry->begin, text->points,
		    text->length * sizeof(text->points[0]));
		index->points_used += text->length;
	}
	index->count++;
	return 0;
}

/* The query, ready to be compared. */
struct query {
	struct pattern patterns[NAME_FORMS];
	uint8_t counts[NAME_FORMS][BUCKETS];
	uint8_t thin;
};

static unsigned form_similarity(const struct name_index *index, const struct query *query,
    uint32_t place, unsigned form, unsigned threshold)
{
	const struct entry *entry = &index->entries[place][form];
	unsigned length = query->patterns[form].length, bound = 0;
	unsigned shorter = length < entry->length ? length : entry->length;

	if (thousandths(shorter, length, entry->length) < threshold)
		return 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		bound += query->counts[form][i] < entry->counts[i] ? query->counts[form][i]
		                                                   : entry->counts[i];
	if (thousandths(bound, length, entry->length) < threshold)
		return 0;
	return thousandths(
	    pattern_common(&query->patterns[form], index->points + entry->begin, entry->length),
	    length, entry->length);
}

static unsigned entry_similarity(
    const struct name_index *index, const struct query *query, uint32_t place, unsigned threshold)
{
	unsigned found[NAME_FORMS];
	unsigned below = threshold < TELLING_MIN ? threshold : TELLING_MIN;

	found[NAME_WHOLE] = form_similarity(index, query, place, NAME_WHOLE, threshold);
	/* Only where the whole form is alike does it matter how little these are. */
	if (found[NAME_WHOLE] < threshold)
		below = threshold;
	found[NAME_SORTED] = form_similarity(index, query, place, NAME_SORTED, below);
	found[NAME_JOINED] = form_similarity(index, query, place, NAME_JOINED, below);
	return together(found, query->thin || index->entries[place][NAME_WHOLE].thin);
}

unsigned name_index_find(const struct name_index *index, const struct name *name,
    unsigned threshold, struct name_hit *hits, unsigned max)
{
	struct query query;
	unsigned count = 0;

	for (unsigned form = 0; form < NAME_FORMS; form++) {
		pattern_make(&query.patterns[form], &name->forms[form]);
		counts_make(&name->forms[form], query.counts[form]);
	}
	query.thin = name->thin;
	if (threshold == 0)
		threshold = 1;
	for (uint32_t place = 0; place < index->count && max > 0; place++) {
		unsigned found = entry_similarity(index, &query, place, threshold), at;

		if (found < threshold || (count == max && found <= hits[max - 1].similarity))
			continue;
		at = count < max ? count++ : max - 1;
		for (; at > 0 && hits[at - 1].similarity < found; at--)
			hits[at] = hits[at - 1];
		hits[at] = (struct name_hit){ place, (uint16_t)found };
	}
	return count;
}
