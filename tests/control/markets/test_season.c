/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "tests/test.h"
#include "control/markets/season.h"

#define HEADER                                                                                     \
	"date,home,away,home_goals,away_goals,odds_home,odds_draw,odds_away,odds_over25,"          \
	"odds_under25\n"
#define GOOD "2022-08-05,Crystal Palace,Arsenal,0,2,4.39,3.59,1.88,2.09,1.76\n"

static int load_text(const char *text, struct season *season, char *message, size_t size)
{
	char path[] = "/tmp/sluice-season-XXXXXX";
	int fd = mkstemp(path), result;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	result = season_load(path, season, message, size);
	unlink(path);
	return result;
}

TEST(odds_become_thousandths_without_rounding)
{
	static const struct {
		const char *text;
		int result;
		uint32_t odds;
	} cases[] = {
		{ "1.85", 0, 1850 },
		{ "11", 0, 11000 },
		{ "11.0", 0, 11000 },
		{ "1.001", 0, 1001 },
		{ "10000", 0, 10000000 },
		{ "4.10", 0, 4100 },
		{ "1.000", -EINVAL, 0 },
		{ "10000.001", -EINVAL, 0 },
		{ "1.8555", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-2", -EINVAL, 0 },
		{ "2,5", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1..5", -EINVAL, 0 },
		{ "99999999999999999999", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t odds = 0;

		assert_case_equal(i, season_odds_parse(cases[i].text, &odds), cases[i].result);
		assert_case_equal(i, odds, cases[i].odds);
	}
}

TEST(dates_are_checked_and_counted)
{
	static const struct {
		const char *text;
		int result;
		int64_t day;
	} cases[] = {
		{ "1970-01-01", 0, 0 },
		{ "2000-02-29", 0, 11016 },
		{ "2022-08-05", 0, 19209 },
		{ "2024-12-31", 0, 20088 },
		{ "2100-02-29", -EINVAL, -1 },
		{ "2023-02-29", -EINVAL, -1 },
		{ "2023-13-01", -EINVAL, -1 },
		{ "2023-00-10", -EINVAL, -1 },
		{ "2023-04-31", -EINVAL, -1 },
		{ "1969-12-31", -EINVAL, -1 },
		{ "05/08/2022", -EINVAL, -1 },
		{ "2022-8-5", -EINVAL, -1 },
		{ "2022-08-05T", -EINVAL, -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t day = -1;

		assert_case_equal(i, season_date_parse(cases[i].text, &day), cases[i].result);
		assert_case_equal(i, day, cases[i].day);
	}
}

TEST(a_good_file_is_read_whole)
{
	struct season season;
	char message[256] = "";

	assert_int_equal(load_text(HEADER GOOD "2022-08-03,A,B,10,0,1.5,3,9.25,1.9,1.9\r\n",
	                     &season, message, sizeof(message)),
	    0);
	assert_int_equal(season.count, 2);
	assert_string_equal(season.matches[0].home, "Crystal Palace");
	assert_int_equal(season.matches[0].odds_1x2[2], 1880);
	assert_int_equal(season.matches[0].odds_over_under[1], 1760);
	assert_int_equal(season.matches[1].home_goals, 10);
	assert_int_equal(season.day_first, season.matches[1].day);
	season_free(&season);
}

TEST(last_line_may_lack_its_end)
{
	struct season season;
	char message[256] = "";

	assert_int_equal(load_text(HEADER "2022-08-03,A,B,1,0,1.5,3,9.25,1.9,1.9", &season, message,
	                     sizeof(message)),
	    0);
	assert_int_equal(season.count, 1);
	season_free(&season);
}

TEST(a_bad_file_names_line_column_and_remedy_and_gives_nothing)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "no match" },
		{ HEADER, "no match" },
		{ "home,away\n", ":1: the header" },
		{ HEADER GOOD "2022-08-06,A,B,1,0,1.5,3,9.25,1.9\n", ":3: not 10 columns" },
		{ HEADER "2022-08-06,A,B,1,0,1.5,3,9.25,1.9,1.9,7\n", ":2: not 10 columns" },
		{ HEADER GOOD "2022-08-32,A,B,1,0,1.5,3,9,1.9,1.9\n", ":3: column date" },
		{ HEADER "2022-08-06,,B,1,0,1.5,3,9,1.9,1.9\n", "column home" },
		{ HEADER "2022-08-06,A,A,1,0,1.5,3,9,1.9,1.9\n", "column away" },
		{ HEADER "2022-08-06,A,B,x,0,1.5,3,9,1.9,1.9\n", "column home_goals" },
		{ HEADER "2022-08-06,A,B,1,,1.5,3,9,1.9,1.9\n", "column away_goals" },
		{ HEADER "2022-08-06,A,B,1,0,1.5,,9,1.9,1.9\n", "column odds_draw" },
		{ HEADER "2022-08-06,A,B,1,0,1.5,3,9,1.9,0.9\n", "column odds_under25" },
		{ HEADER "2022-08-06,A,B,1,0,1.5,3,9,nan,1.9\n", "column odds_over25" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct season season = { 0 };
		char message[256] = "";

		assert_case_equal(
		    i, load_text(cases[i].text, &season, message, sizeof(message)), -EINVAL);
		assert_case_equal(i, season.matches == NULL, 1);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\"", i, message);
	}
}

TEST(a_missing_file_is_named)
{
	struct season season;
	char message[256] = "";

	assert_int_equal(
	    season_load("/nonexistent/season.csv", &season, message, sizeof(message)), -ENOENT);
	assert_non_null(strstr(message, "/nonexistent/season.csv"));
}

TEST_MAIN()
