/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian fields, buckets and printed ids; the hash they rest on against published values. */
#include "tests/test.h"

#include "wire/assert.h"
#include "wire/ids.h"

TEST(fields_are_little_endian)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 0x88 };
	struct le16 two = le16_make(0x0201);
	struct le32 four = le32_make(0x04030201);
	struct le64 eight = le64_make(0x8807060504030201ull);
	struct le64s money = le64s_make(-2);

	assert_memory_equal(&two, bytes, 2);
	assert_memory_equal(&four, bytes, 4);
	assert_memory_equal(&eight, bytes, 8);
	assert_int_equal(le16_get(two), 0x0201);
	assert_int_equal(le32_get(four), 0x04030201);
	assert_true(le64_get(eight) == 0x8807060504030201ull);
	assert_true(le64s_get(money) == -2);
	assert_true(le64s_get(le64s_make(INT64_MIN)) == INT64_MIN);
	assert_true(le64s_get(le64s_make(INT64_MAX)) == INT64_MAX);
}

TEST(all_zero_sees_every_bit)
{
	uint8_t bytes[9] = { 0 };

	assert_true(bytes_all_zero(bytes, sizeof(bytes)));
	assert_true(bytes_all_zero(bytes, 0));
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] = (uint8_t)(1u << bit % 8);
		assert_false(bytes_all_zero(bytes, sizeof(bytes)));
		bytes[bit / 8] = 0;
	}
}

/* Rows: length, XXH3-64 and XXH3-128 (high, low) with seed 0 over the xxHash sanity buffer. */
TEST(xxh3_gives_the_published_values)
{
	static const struct {
		size_t length;
		uint64_t hash, high, low;
	} rows[] = {
		{ 0, 0x2d06800538d394c2ull, 0x99aa06d3014798d8ull, 0x6001c324468d497full },
		{ 1, 0xc44bdff4074eecdbull, 0xa6cd5e9392000f6aull, 0xc44bdff4074eecdbull },
		{ 3, 0x54247382a8d6b94dull, 0x20efc49ff02422eaull, 0x54247382a8d6b94dull },
		{ 4, 0xe5dc74bc51848a51ull, 0x970d585ac632bf8eull, 0x2e7d8d6876a39fe9ull },
		{ 6, 0x27b56a84cd2d7325ull, 0x082afe0b8162d12aull, 0x3e7039bdda43cfc6ull },
		{ 12, 0xa713daf0dfbb77e7ull, 0x6e3efd8fc7802b18ull, 0x061a192713f69ad9ull },
		{ 15, 0x45556d4d6e1798bcull, 0xc402609e57ee5772ull, 0x958955df1889e6bcull },
		{ 16, 0x981b17d36c7498c9ull, 0xc68c368ecf8a9c05ull, 0x562980258a998629ull },
		{ 31, 0x5d516692ca764c50ull, 0x301048a7ab476d21ull, 0xec8365e74dc00653ull },
		{ 80, 0xbcdefbbb2c47c90aull, 0xfdf2cefde9eaac8aull, 0x454ae6bf7a8a532dull },
		{ 195, 0xcd94217ee362ec3aull, 0x7729543a26b207eeull, 0x3fb593c086a66075ull },
		{ 240, 0x81c3c2b67f568ccfull, 0xaa4202daa2769dc8ull, 0x5c9aae94c8ebe5a0ull },
		{ 241, 0xc5a639ecd2030e5eull, 0x99a80ecf0ecfc647ull, 0xc5a639ecd2030e5eull },
		{ 256, 0x55de574ad89d0ac5ull, 0x8b1c66091423d288ull, 0x55de574ad89d0ac5ull },
		{ 403, 0xcdeb804d65c6dea4ull, 0x1b6de21e332dd73dull, 0xcdeb804d65c6dea4ull },
		{ 512, 0x617e49599013cb6bull, 0x18d2d110dcc9bca1ull, 0x617e49599013cb6bull },
		{ 1024, 0xdd85c9b5c1109c5cull, 0x0d30d24071c64c57ull, 0xdd85c9b5c1109c5cull },
	};
	uint8_t buffer[2048];
	uint64_t generator = 2654435761u;

	for (size_t i = 0; i < sizeof(buffer); i++) {
		buffer[i] = (uint8_t)(generator >> 56);
		generator *= 11400714785074694797ull;
	}
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		XXH128_hash_t wide = XXH3_128bits(buffer, rows[i].length);

		assert_true(XXH3_64bits(buffer, rows[i].length) == rows[i].hash);
		assert_true(wide.high64 == rows[i].high && wide.low64 == rows[i].low);
	}
}

TEST(bucket_is_the_top_ten_bits_of_the_hash)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 1000; i++) {
		uint64_t id = test_random(&random);
		uint8_t bytes[8];

		for (int k = 0; k < 8; k++)
			bytes[k] = (uint8_t)(id >> 8 * k);
		assert_case_equal(i, ids_bucket_of_key(id), XXH3_64bits(bytes, 8) >> 54);
	}
}

/* Stored data depends on these: they must never change. */
TEST(buckets_of_known_ids)
{
	static const struct {
		uint64_t id;
		uint32_t bucket;
	} rows[] = {
		{ 0x1ull, 190 },
		{ 0x2ull, 130 },
		{ 0x2aull, 854 },
		{ 0x3e9ull, 580 },
		{ 0x7fffffffffffffffull, 648 },
		{ 0xffffffffffffffffull, 324 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++)
		assert_case_equal(i, ids_bucket_of_key(rows[i].id), rows[i].bucket);
}

TEST(ids_in_a_row_spread_over_buckets)
{
	unsigned counts[LIMIT_BUCKETS] = { 0 };

	for (uint64_t id = 1; id <= 100 * LIMIT_BUCKETS; id++)
		counts[ids_bucket_of_key(id)]++;
	for (unsigned i = 0; i < LIMIT_BUCKETS; i++)
		assert_in_range(counts[i], 50, 160);
}

TEST(printed_id_carries_its_bucket)
{
	static const uint64_t counters[] = { 0, 1, IDS_COUNTER_MAX };

	for (uint32_t bucket = 0; bucket < LIMIT_BUCKETS; bucket++)
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(counters); i++) {
			uint64_t id = ids_make(bucket, counters[i]);

			assert_case_equal(i, ids_bucket_of_printed(id), bucket);
			assert_true((id & IDS_COUNTER_MAX) == counters[i]);
		}
}

TEST(default_map_is_contiguous_and_even)
{
	for (unsigned shards = 1; shards <= LIMIT_SHARDS; shards++) {
		unsigned counts[LIMIT_SHARDS] = { 0 };
		struct ids_bucket_map map;

		ids_bucket_map_default(&map, shards);
		assert_int_equal(map.shard[0], 0);
		assert_int_equal(map.shard[LIMIT_BUCKETS - 1], shards - 1);
		for (unsigned i = 0; i < LIMIT_BUCKETS; i++) {
			assert_true(i == 0 || map.shard[i] >= map.shard[i - 1]);
			counts[map.shard[i]]++;
		}
		for (unsigned i = 0; i < shards; i++)
			assert_in_range(
			    counts[i], LIMIT_BUCKETS / shards, LIMIT_BUCKETS / shards + 1);
	}
}

TEST_MAIN()
