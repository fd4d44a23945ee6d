/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, made comparable, and how like two of them are. Pure: no database, no I/O.
 *
 * A name becomes three forms, in small letters without marks and punctuation (NFKD, full case
 * folding; letters that have no decomposition, like l with a stroke, by a table; "." and
 * apostrophes join, everything else that is no letter or digit parts):
 *
 *   sorted  its words without legal forms (LTD, GMBH, S.A.) and articles, sorted, with blanks
 *   joined  the same in their order, without blanks
 *   whole   all words in their order, with blanks
 *
 * The similarity of two strings is 2 * (length of their longest common subsequence) / (sum of their
 * lengths), the measure also known as normalised indel similarity; of two names the highest of
 * their three forms. A transposed pair of letters costs one letter, a missing word its letters. The
 * whole form counts only where the others are somewhat alike; and where one of two unequal names is
 * thin, 150 thousandths are taken off: one letter of a single short surname makes another family.
 * So is a name of up to five characters that is mostly Hangul: one syllable makes another person.
 */
#ifndef SLUICE_CONTROL_WATCHLIST_NAMES_H
#define SLUICE_CONTROL_WATCHLIST_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAME_LENGTH_MAX 128 /* characters; what is behind is not looked at */
#define NAME_FORMS      3

enum name_form {
	NAME_SORTED,
	NAME_JOINED,
	NAME_WHOLE,
};

struct name_text {
	uint16_t length;
	uint32_t points[NAME_LENGTH_MAX]; /* code points; Hangul by syllables */
};

struct name {
	struct name_text forms[NAME_FORMS];
	uint8_t thin; /* one short word beside legal forms, "Barton Inc", or a Korean name */
};

/* Of `size` bytes of UTF-8; what is none of it is passed over. A name without a letter or digit has
 * empty forms. 0 or -ENOMEM. */
int name_make(const char *text, size_t size, struct name *name);
/* Thousandths, rounded down; 0 when one is empty. */
unsigned name_similarity(const struct name *a, const struct name *b);
/* XXH3-64 of the whole form in UTF-16. */
uint64_t name_hash(const struct name *name);

/* ---- Many names against one ---- */

struct name_index;
struct name_hit {
	uint32_t place;      /* of the name, counted from 0 as they were added */
	uint16_t similarity; /* 1/1000 */
};

struct name_index *name_index_create(void);
void name_index_free(struct name_index *index);
/* 0 or -ENOMEM. */
int name_index_add(struct name_index *index, const struct name *name);
uint32_t name_index_count(const struct name_index *index);
/* The names at least `threshold` thousandths like this one, the likest first, at most `max` of
 * them. Any number of threads at a time. Their number. */
unsigned name_index_find(const struct name_index *index, const struct name *name,
    unsigned threshold, struct name_hit *hits, unsigned max);

#endif
