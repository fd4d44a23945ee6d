/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponential decay in integers: a count falls to 1/e of itself in `tau` (1, 7 or 30 days), so
 * under a steady rate it comes to rest at rate * tau: the number of events one window holds.
 *
 * Time is cut into steps of 1/1,024 of a half-life (tau * ln 2): 58.5 s, 6.8 min and 29 min. The
 * number of steps between two times is the difference of their absolute step numbers, so many small
 * intervals add up to exactly the steps of the large one: a busy account decays like a quiet one.
 *
 * Error bound, for counts in 1/65,536: quantising time costs at most one step, a factor within
 * 2^(+-1/1,024) (0.07 %); each application rounds down by less than 1/65,536 plus 2^-31 of the
 * count, and at most one application happens per step, so the losses sum to less than 1 / (1 -
 * 2^(-1/1,024)) = 1,478 units = 0.023 of a count.
 */
#ifndef SLUICE_RISK_DECAY_H
#define SLUICE_RISK_DECAY_H

#include <stdint.h>

#define RISK_STEPS_PER_HALF_LIFE 1024u
#define RISK_STEP_24H_NS         58484293360ull /* 86,400 s * ln 2 / 1,024 */
#define RISK_STEP_7D_NS          409390053518ull
#define RISK_STEP_30D_NS         1754528800792ull

/* value * 2^(-steps / 1,024), rounded down; value < 2^63. */
uint64_t risk_decay(uint64_t value, uint64_t steps);

/* round(2^32 * 2^(-i / 32)) and round(2^32 * 2^(-i / 1,024)) */
extern const uint64_t risk_decay_coarse[32], risk_decay_fine[32];

/* 2^-1 <= factor <= 1 in 1/2^32; whole half-lives are shifts. */
static inline uint64_t risk_decay_part(uint64_t steps)
{
	return (risk_decay_coarse[steps >> 5 & 31] * (risk_decay_fine[steps & 31] >> 1)) >> 31;
}

/* 2^(-steps / 1,024) in 1/2^32, rounded down: risk_decay(2^32, steps), for many counts at once. */
static inline uint64_t risk_decay_factor(uint64_t steps)
{
	return steps < 63ull * RISK_STEPS_PER_HALF_LIFE
	           ? risk_decay_part(steps) >> steps / RISK_STEPS_PER_HALF_LIFE
	           : 0;
}

/* Steps from `from_ns` to `to_ns`; 0 when the clock stands or went back. */
#define RISK_STEPS(from_ns, to_ns, step_ns)                                                        \
	((to_ns) > (from_ns) ? (to_ns) / (step_ns) - (from_ns) / (step_ns) : 0)

#endif
