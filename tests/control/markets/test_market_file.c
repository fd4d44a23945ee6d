/* SPDX-License-Identifier: Apache-2.0 */
#include "control/markets/markets.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

#define HEADER "market,event,name,start,kind,selections\n"

static int read_text(const char *text, struct market_list *list, char *message)
{
	return market_list_read(text, strlen(text), 1000000000ull, list, message, 256);
}

TEST(a_line_a_market)
{
	struct market_list list = { 0 };
	char message[256] = "";

	assert_int_equal(
	    read_text(HEADER "21,2,서울 - 부산,2026-11-21T12:00:00Z,1x2,홈:1.85;무:3.4;원정:4.2\n"
	                     "\n"
	                     "12,1,Rain,2026-11-22T00:00:00Z,other,yes:1.001;no:10000\r\n",
	        &list, message),
	    0);
	assert_int_equal(list.count, 2);
	assert_int_equal(le64_get(list.markets[0].id), 12);
	assert_int_equal(le32_get(list.markets[0].market.odds[1]), 10000000);
	assert_int_equal(list.markets[1].market.selection_count, 3);
	assert_string_equal((const char *)list.markets[1].selections[2], "원정");
	assert_int_equal(le32_get(list.markets[1].market.odds[0]), 1850);
	assert_int_equal(
	    le64_get(list.markets[1].market.start_time_ns), 1795262400ull * 1000000000ull);
	market_list_free(&list);
}

TEST(a_season_becomes_two_markets_a_match)
{
	struct market_list list = { 0 };
	char message[256] = "";

	assert_int_equal(read_text("date,home,away,home_goals,away_goals,odds_home,odds_draw,"
	                           "odds_away,odds_over25,odds_under25\n"
	                           "2021-08-14,Burnley,Brighton,1,2,3.19,3.09,2.49,2.46,1.57\n"
	                           "2021-08-13,Brentford,Arsenal,2,0,4.02,3.43,2.02,2.16,1.73\n",
	                     &list, message),
	    0);
	assert_int_equal(list.count, 4);
	assert_int_equal(le64_get(list.markets[3].id), 22);
	assert_int_equal(le64_get(list.markets[3].market.start_time_ns), 1000000000ull);
	assert_int_equal(
	    le64_get(list.markets[0].market.start_time_ns), 1000000000ull + 86400000000000ull);
	assert_string_equal((const char *)list.markets[0].name, "Burnley - Brighton");
	market_list_free(&list);
}

TEST(bad_files_are_refused_with_their_line_and_leave_nothing)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "unknown header" },
		{ "hello\n", "unknown header" },
		{ HEADER, "no market" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2\n", "line 2: not six columns" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,a:2,b:3\n", "not six columns" },
		{ HEADER "0,1,a,2026-11-21T12:00:00Z,1x2,a:2\n", "column market" },
		{ HEADER "-1,1,a,2026-11-21T12:00:00Z,1x2,a:2\n", "column market" },
		{ HEADER "1,9223372036854775808,a,2026-11-21T12:00:00Z,1x2,a:2\n", "column event" },
		{ HEADER "1,1,a\tb,2026-11-21T12:00:00Z,1x2,a:2\n", "column name" },
		{ HEADER "1,1,a,2026-11-21,1x2,a:2\n", "column start" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,handicap,a:2\n", "column kind" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,\n", "column selections: none" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,a\n", "not NAME:ODDS" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,a:1\n", "no odds" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,a:1.8555\n", "no odds" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,"
		         "a:2;b:2;c:2;d:2;e:2;f:2;g:2;h:2;i:2;j:2;k:2;l:2;m:2;n:2;o:2;p:2;q:2\n",
		    "more than 16" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,a:2\n1,1,a,2026-11-21T12:00:00Z,1x2,a:2\n",
		    "market 1 stands there twice" },
		{ "date,home\n", "header" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct market_list list = { 0 };
		char message[256] = "";

		assert_int_equal(read_text(cases[i].text, &list, message), -EINVAL);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, message, cases[i].says);
		assert_null(list.markets);
	}
}

TEST_MAIN()
