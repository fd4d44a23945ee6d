/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/zipf.h"

#include <math.h>

#define RANK_ONE 256u
/* A prime above 2^31: no count of accounts that fits a benchmark has it as a factor. */
#define SPREAD 2654435761ull

void zipf_init(struct zipf *zipf, uint32_t count, double s)
{
	double total = 0, sum = 0;
	uint32_t cell = 0;

	zipf->count = count;
	for (uint32_t rank = 1; rank <= count; rank++)
		total += pow((double)rank, -s);
	for (uint32_t rank = 1; rank <= count; rank++) {
		double share = pow((double)rank, -s) / total;

		/* All quantiles that lie within this rank, as far into it as they do. */
		while (cell < ZIPF_CELLS && (double)cell / ZIPF_CELLS < sum + share) {
			double into = ((double)cell / ZIPF_CELLS - sum) / share;

			zipf->quantiles[cell++] = (uint64_t)((rank - 1 + into) * RANK_ONE);
		}
		sum += share;
	}
	while (cell <= ZIPF_CELLS)
		zipf->quantiles[cell++] = (uint64_t)count * RANK_ONE;
}

uint32_t zipf_rank(const struct zipf *zipf, uint32_t random)
{
	uint32_t cell = random >> (32 - ZIPF_CELLS_LOG);
	uint32_t into = random & ((1u << (32 - ZIPF_CELLS_LOG)) - 1);
	uint64_t low = zipf->quantiles[cell], high = zipf->quantiles[cell + 1];
	uint32_t rank =
	    (uint32_t)((low + ((high - low) * into >> (32 - ZIPF_CELLS_LOG))) / RANK_ONE);

	return rank < zipf->count ? rank : zipf->count - 1;
}

uint32_t zipf_draw(const struct zipf *zipf, uint32_t random)
{
	return (uint32_t)(zipf_rank(zipf, random) * SPREAD % zipf->count);
}
