/* SPDX-License-Identifier: Apache-2.0 */
/* Rows hashed in line: the library's own value, whatever the bytes and the seed. */
#include "dataplane/ledger/ledger_hash.h"
#include "tests/ledger/fixture.h"

#define ROUNDS 2000

struct bytes {
	uint8_t at[240];
};

static void bytes_fill(struct bytes *bytes, uint64_t *random)
{
	for (size_t i = 0; i < sizeof(bytes->at); i++)
		bytes->at[i] = (uint8_t)(test_random(random) >> 32);
}

#define SAME(size)                                                                                 \
	do {                                                                                       \
		assert_int_equal(hash_row(bytes.at, (size), 0), XXH3_64bits(bytes.at, (size)));    \
		assert_int_equal(hash_row(bytes.at, (size), seed),                                 \
		    XXH3_64bits_withSeed(bytes.at, (size), seed));                                 \
	} while (0)

TEST(every_size_has_the_value_of_the_library)
{
	uint64_t random = test_seed(), seed;
	struct bytes bytes;

	for (unsigned i = 0; i < ROUNDS; i++) {
		bytes_fill(&bytes, &random);
		seed = i % 4 == 0 ? i : test_random(&random);
		SAME(129);
		SAME(143);
		SAME(144);
		SAME(145);
		SAME(176);
		SAME(192);
		SAME(207);
		SAME(239);
		SAME(240);
	}
}

TEST(a_row_with_zeros_behind_it_too)
{
	uint64_t random = test_seed();
	struct bytes bytes;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct {
			uint8_t row[128], spare[48];
		} padded = { .row = { 0 } };

		bytes_fill(&bytes, &random);
		memcpy(padded.row, bytes.at, sizeof(padded.row));
		assert_int_equal(
		    hash_row(&padded, sizeof(padded), 0), XXH3_64bits(&padded, sizeof(padded)));
	}
}

TEST_MAIN()
