/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self-registering tests over cmocka. A test program is one or more files with TEST(name) { ... }
 * and one TEST_MAIN(); every TEST in the program runs, in order of definition within a file.
 *
 * Randomised tests take their seed from test_seed(), which prints it; SLUICE_TEST_SEED repeats a
 * run.
 */
#ifndef SLUICE_TESTS_TEST_H
#define SLUICE_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define TEST_COUNT_MAX 256

struct test_registry {
	struct CMUnitTest tests[TEST_COUNT_MAX];
	size_t count;
};
extern struct test_registry test_registry;

#define TEST(name)                                                                                 \
	static void test_##name(void **state);                                                     \
	__attribute__((constructor)) static void test_register_##name(void)                        \
	{                                                                                          \
		if (test_registry.count == TEST_COUNT_MAX)                                         \
			abort();                                                                   \
		test_registry.tests[test_registry.count++] =                                       \
		    (struct CMUnitTest){ #name, test_##name, NULL, NULL, NULL };                   \
	}                                                                                          \
	static void test_##name(void **state __attribute__((unused)))

#define TEST_MAIN()                                                                                \
	struct test_registry test_registry;                                                        \
	int main(void)                                                                             \
	{                                                                                          \
		return _cmocka_run_group_tests(                                                    \
		           __FILE__, test_registry.tests, test_registry.count, NULL, NULL) == 0    \
		           ? 0                                                                     \
		           : 1;                                                                    \
	}

/* How much of a loop: all of it, and a part where sanitizers make it many times as slow; who uses
 * it runs in the release build too. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SHARE(all, part) (part)
#else
#define TEST_SHARE(all, part) (all)
#endif

static inline uint64_t test_seed(void)
{
	const char *text = getenv("SLUICE_TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	printf("seed %llu (repeat with SLUICE_TEST_SEED)\n", (unsigned long long)seed);
	return seed;
}

/* SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to vary inputs. */
static inline uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* cmocka's assert_int_equal compares as unsigned long; this one names the case of a table. */
#define assert_case_equal(number, actual, expected)                                                \
	do {                                                                                       \
		long long actual_ = (long long)(actual), expected_ = (long long)(expected);        \
		if (actual_ != expected_)                                                          \
			fail_msg("case %d: got %lld, expected %lld", (int)(number), actual_,       \
			    expected_);                                                            \
	} while (0)

#endif
