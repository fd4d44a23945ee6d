/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6479: bitmap words in a ring. Moving up clears whole words, never shifts; the ring is longer
 * than the window, so the words cleared ahead hold nothing that is still inside it.
 */
#include "wire/replay.h"

#include <string.h>

#define RING_WORDS 8u
#define WORD_BITS  6 /* log2 of the bits in a word */
_Static_assert(sizeof(((struct replay_window *)0)->words) == RING_WORDS * sizeof(uint64_t), "ring");

static uint64_t word_of(uint64_t number)
{
	return number >> WORD_BITS;
}

static uint64_t bit_of(uint64_t number)
{
	return 1ull << (number & 63);
}

int replay_check(const struct replay_window *window, uint64_t number)
{
	if (number == 0)
		return 0;
	if (number > window->highest)
		return 1;
	if (window->highest - number >= LIMIT_REPLAY_WINDOW)
		return 0;
	return (window->words[word_of(number) % RING_WORDS] & bit_of(number)) == 0;
}

void replay_set(struct replay_window *window, uint64_t number)
{
	if (number > window->highest) {
		uint64_t from = word_of(window->highest);
		uint64_t steps = word_of(number) - from;

		if (steps > RING_WORDS)
			steps = RING_WORDS;
		for (uint64_t i = 1; i <= steps; i++)
			window->words[(from + i) % RING_WORDS] = 0;
		window->highest = number;
	}
	window->words[word_of(number) % RING_WORDS] |= bit_of(number);
}

void replay_reset(struct replay_window *window)
{
	memset(window, 0, sizeof(*window));
}
