/* SPDX-License-Identifier: Apache-2.0 */
/* The age of a lag and the share of a second, from looks at counters. */
#include "dataplane/admin/admin_sample.h"
#include "tests/test.h"

TEST(a_lag_is_as_old_as_the_oldest_thing_not_done)
{
	static struct admin_lag lag;

	memset(&lag, 0, sizeof(lag));
	admin_lag_see(&lag, 1000, 10, 10);
	assert_int_equal(admin_lag_ns(&lag, 1000), 0);
	admin_lag_see(&lag, 2000, 20, 10);
	admin_lag_see(&lag, 3000, 30, 10);
	assert_int_equal(admin_lag_ns(&lag, 3500), 1500);
	admin_lag_see(&lag, 4000, 30, 20); /* 21 was first seen at 3000 */
	assert_int_equal(admin_lag_ns(&lag, 4000), 1000);
	admin_lag_see(&lag, 5000, 30, 29);
	assert_int_equal(admin_lag_ns(&lag, 5000), 2000);
	admin_lag_see(&lag, 6000, 30, 30);
	assert_int_equal(admin_lag_ns(&lag, 6000), 0);
}

TEST(a_long_lag_is_too_young_by_a_32nd_at_most)
{
	static struct admin_lag lag;

	memset(&lag, 0, sizeof(lag));
	for (uint64_t i = 1; i <= 10000; i++)
		admin_lag_see(&lag, i, i, 0);
	for (uint64_t done = 0; done < 10000; done += 97) {
		uint64_t age;

		admin_lag_see(&lag, 10000, 10000, done);
		age = admin_lag_ns(&lag, 10000);
		assert_true(age <= 10000 - done && age + 10000 / 32 + 1 >= 10000 - done);
	}
}

TEST(a_share_is_of_whole_seconds_and_never_above_all)
{
	struct admin_share share = { 0 };

	admin_share_see(&share, 1000, 500);
	admin_share_see(&share, 1000 + ADMIN_SHARE_NS / 2, 600);
	assert_int_equal(share.permille, 0);
	admin_share_see(&share, 1000 + 2 * ADMIN_SHARE_NS, 500 + ADMIN_SHARE_NS / 2);
	assert_int_equal(share.permille, 250);
	admin_share_see(&share, 1000 + 3 * ADMIN_SHARE_NS, 500 + 2 * ADMIN_SHARE_NS);
	assert_int_equal(share.permille, 1000);
}

TEST_MAIN()
