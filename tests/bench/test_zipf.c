/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "bench/zipf.h"
#include "tests/test.h"
#include "wire/assert.h"

#define DRAWS 400000u

static struct zipf zipf;
static uint32_t counts[1000];

/* Draws evenly over all 32 bits: what is left is the table's own error. */
static void draw(uint32_t count, double s, uint32_t (*one)(const struct zipf *, uint32_t))
{
	zipf_init(&zipf, count, s);
	memset(counts, 0, sizeof(counts));
	for (uint32_t i = 0; i < DRAWS; i++) {
		uint32_t rank = one(&zipf, (uint32_t)(((uint64_t)i << 32) / DRAWS));

		assert_in_range(rank, 0, count - 1);
		counts[rank]++;
	}
}

TEST(ranks_come_by_their_law)
{
	static const double exponents[] = { 0, 0.5, 1, 1.2, 2 };

	for (size_t e = 0; e < SLUICE_ARRAY_COUNT(exponents); e++) {
		double total = 0;

		draw(1000, exponents[e], zipf_rank);
		for (uint32_t rank = 1; rank <= 1000; rank++)
			total += pow(rank, -exponents[e]);
		for (uint32_t rank = 1; rank <= 1000; rank++) {
			double want = DRAWS * pow(rank, -exponents[e]) / total;

			/* A tenth, and what one cell of the table can misplace. */
			assert_true(
			    fabs(counts[rank - 1] - want) <= want / 10 + DRAWS / ZIPF_CELLS);
		}
	}
}

TEST(spread_is_one_to_one)
{
	static const uint32_t sizes[] = { 1, 2, 3, 64, 999, 1000 };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(sizes); i++) {
		draw(sizes[i], 0, zipf_draw);
		for (uint32_t account = 0; account < sizes[i]; account++)
			assert_in_range(counts[account], DRAWS / sizes[i] * 9 / 10 - 30,
			    DRAWS / sizes[i] * 11 / 10 + 30);
	}
}

TEST(the_ends_stay_inside)
{
	zipf_init(&zipf, 7, ZIPF_S_MAX);
	assert_int_equal(zipf_rank(&zipf, 0), 0);
	assert_in_range(zipf_rank(&zipf, UINT32_MAX), 0, 6);
	zipf_init(&zipf, 10000000, 1.2);
	assert_int_equal(zipf_rank(&zipf, 0), 0);
	assert_in_range(zipf_rank(&zipf, UINT32_MAX), 9000000, 9999999);
}

TEST_MAIN()
