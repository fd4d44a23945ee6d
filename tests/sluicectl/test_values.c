/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>

#include "tests/test.h"
#include "tools/sluicectl/sluicectl.h"

TEST(numbers)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1,000", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t value = -7;

		assert_case_equal(
		    i, ctl_value_number(cases[i].text, 0, INT64_MAX, &value), cases[i].result);
		assert_case_equal(i, value, cases[i].result == 0 ? cases[i].value : -7);
	}
}

TEST(a_number_out_of_its_range_is_refused)
{
	int64_t value = -7;

	assert_int_equal(ctl_value_number("4", 5, 9, &value), -ERANGE);
	assert_int_equal(ctl_value_number("10", 5, 9, &value), -ERANGE);
	assert_int_equal(value, -7);
	assert_int_equal(ctl_value_number("5", 5, 9, &value), 0);
	assert_int_equal(ctl_value_number("9", 5, 9, &value), 0);
}

TEST(odds_become_thousandths_without_rounding)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} cases[] = {
		{ "1.85", 0, 1850 },
		{ "2", 0, 2000 },
		{ "2.0", 0, 2000 },
		{ "1.001", 0, 1001 },
		{ "1.1", 0, 1100 },
		{ "10000", 0, 10000000 },
		{ "10000.000", 0, 10000000 },
		{ "10000.001", -ERANGE, 0 },
		{ "1", -ERANGE, 0 },
		{ "1.000", -ERANGE, 0 },
		{ "0.999", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "1.8501", -EINVAL, 0 }, /* a digit would be lost */
		{ "1.850000", -EINVAL, 0 },
		{ "1,85", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1.8.5", -EINVAL, 0 },
		{ "1..5", -EINVAL, 0 },
		{ "-1.85", -EINVAL, 0 },
		{ "1.8 ", -EINVAL, 0 },
		{ "1.8e1", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ ".", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t value = -7;

		assert_case_equal(
		    i, ctl_value_odds(cases[i].text, 1001, 10000000, &value), cases[i].result);
		assert_case_equal(i, value, cases[i].result == 0 ? cases[i].value : -7);
	}
}

TEST(every_odds_text_reads_back)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 20000; i++) {
		int64_t odds = 1001 + (int64_t)(test_random(&random) % 9998999), back = 0;
		char text[32];

		ctl_odds_text(odds, text);
		assert_int_equal(ctl_value_odds(text, 1001, 10000000, &back), 0);
		assert_int_equal(back, odds);
	}
}

TEST(times_need_a_zone_and_a_day_that_exists)
{
	static const struct {
		const char *text;
		int result;
		int64_t seconds;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2000-02-29T23:59:59Z", 0, 951868799 },
		{ "2026-11-21T12:00:00Z", 0, 1795262400 },
		{ "2026-11-21T12:00Z", 0, 1795262400 },
		{ "2026-11-21T21:00+09:00", 0, 1795262400 },
		{ "2026-11-21T07:30:00-04:30", 0, 1795262400 },
		{ "2024-12-31T23:59:59Z", 0, 1735689599 },
		{ "2100-03-01T00:00:00Z", 0, 4107542400 },
		{ "2261-12-31T23:59:59Z", 0, 9214646399 },
		{ "2262-01-01T00:00:00Z", -ERANGE, 0 },
		{ "1969-12-31T23:59:59Z", -ERANGE, 0 },
		{ "1970-01-01T00:00:00+09:00", -ERANGE, 0 },
		{ "2026-11-21T12:00:00", -EINVAL, 0 },
		{ "2026-11-21", -EINVAL, 0 },
		{ "2026-11-21 12:00:00Z", -EINVAL, 0 },
		{ "2026-11-21T12:00:00z", -EINVAL, 0 },
		{ "2026-11-21T12:00:00.5Z", -EINVAL, 0 },
		{ "2026-11-21T12:00:00Zx", -EINVAL, 0 },
		{ "2026-11-21T12:00:00+0900", -EINVAL, 0 },
		{ "2026-11-21T12:00:00+15:00", -EINVAL, 0 },
		{ "2026-02-29T12:00:00Z", -EINVAL, 0 },
		{ "2100-02-29T12:00:00Z", -EINVAL, 0 },
		{ "2026-13-01T12:00:00Z", -EINVAL, 0 },
		{ "2026-00-01T12:00:00Z", -EINVAL, 0 },
		{ "2026-11-31T12:00:00Z", -EINVAL, 0 },
		{ "2026-11-00T12:00:00Z", -EINVAL, 0 },
		{ "2026-11-21T24:00:00Z", -EINVAL, 0 },
		{ "2026-11-21T12:60:00Z", -EINVAL, 0 },
		{ "2026-11-21T12:00:60Z", -EINVAL, 0 },
		{ "26-11-21T12:00:00Z", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t value = -7;

		assert_case_equal(i, ctl_value_time(cases[i].text, &value), cases[i].result);
		assert_case_equal(
		    i, value, cases[i].result == 0 ? cases[i].seconds * 1000000000 : -7);
	}
}

TEST(times_agree_with_the_c_library)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 5000; i++) {
		time_t seconds = (time_t)(test_random(&random) % 9214646400u);
		struct tm parts;
		char text[64];
		int64_t value = 0;

		assert_non_null(gmtime_r(&seconds, &parts));
		assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
		assert_int_equal(ctl_value_time(text, &value), 0);
		assert_int_equal(value / 1000000000, seconds);
	}
}

TEST(on_and_off_only)
{
	int value = -7;

	assert_int_equal(ctl_value_on_off("yes", &value), -EINVAL);
	assert_int_equal(ctl_value_on_off("", &value), -EINVAL);
	assert_int_equal(value, -7);
	assert_int_equal(ctl_value_on_off("on", &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(ctl_value_on_off("off", &value), 0);
	assert_int_equal(value, 0);
}

TEST_MAIN()
