/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anti-replay window by RFC 6479: a ring of bitmap words, 256 numbers wide, one per epoch and lane.
 * Check before the tag is verified, set after: a forged number never moves the window.
 */
#ifndef SLUICE_WIRE_REPLAY_H
#define SLUICE_WIRE_REPLAY_H

#include <stdint.h>

#include "wire/limits.h"

#define REPLAY_WORDS (LIMIT_REPLAY_WINDOW / 64 + 1) /* one spare word, RFC 6479 3 */

struct replay_window {
	uint64_t highest; /* highest number set; 0 at first */
	uint64_t words[8];
};
_Static_assert(REPLAY_WORDS <= 8, "the ring has a power of two of words");

/* 1 when `number` (from 1) is new and inside or above the window, 0 when seen, too old or 0. */
int replay_check(const struct replay_window *window, uint64_t number);
/* Marks a number that replay_check accepted. */
void replay_set(struct replay_window *window, uint64_t number);
void replay_reset(struct replay_window *window);

#endif
