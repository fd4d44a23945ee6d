/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts by Zipf's law: rank r is drawn in proportion to 1 / r^s. Made once; a draw is a look at
 * a table of quantiles and a line between two of them. Ranks are spread over the accounts, so that
 * busy ones do not lie side by side.
 */
#ifndef SLUICE_BENCH_ZIPF_H
#define SLUICE_BENCH_ZIPF_H

#include <stdint.h>

#define ZIPF_CELLS_LOG 14
#define ZIPF_CELLS     (1u << ZIPF_CELLS_LOG)
#define ZIPF_S_MAX     4.0

struct zipf {
	uint32_t count;
	/* Rank (in 1/256) below which a share of i / ZIPF_CELLS of all draws lies. */
	uint64_t quantiles[ZIPF_CELLS + 1];
};

/* Of ranks 0 .. count - 1; s from 0 (all alike) to ZIPF_S_MAX. Takes time in proportion to count.
 */
void zipf_init(struct zipf *zipf, uint32_t count, double s);
/* The rank of 32 random bits: 0 is the most frequent. */
uint32_t zipf_rank(const struct zipf *zipf, uint32_t random);
/* The same spread over 0 .. count - 1, one to one. */
uint32_t zipf_draw(const struct zipf *zipf, uint32_t random);

#endif
