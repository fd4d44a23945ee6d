/* SPDX-License-Identifier: Apache-2.0 */
#include "control/markets/markets.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

#define HEADER "market,event,name,start,kind,selections\n"
#define SEASON                                                                                     \
	"date,home,away,home_goals,away_goals,odds_home,odds_draw,odds_away,odds_over25,"          \
	"odds_under25\n"
#define FULL "market,event,name,start,kind,line,state,selections\n"

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

TEST(lines_are_quarters_and_states_and_missing_prices_are_taken)
{
	static const struct {
		const char *kind, *line;
		int quarters;
	} cases[] = {
		{ "handicap", "-0.75", -3 },
		{ "handicap", "+0.25", 1 },
		{ "handicap", "0", 0 },
		{ "handicap", "-0", 0 },
		{ "handicap", "-1.50", -6 },
		{ "handicap", "1000", 4000 },
		{ "over_under", "2.5", 10 },
		{ "over_under", "2.00", 8 },
		{ "over_under", "0.25", 1 },
		{ "1x2", "", 0 },
		{ "other", "0", 0 },
	};
	struct market_list list = { 0 };
	char message[256] = "", text[512];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		snprintf(text, sizeof(text),
		    FULL "7,1,a - b,2026-11-21T12:00:00Z,%s,%s,suspended,home:1.9;away:-\n",
		    cases[i].kind, cases[i].line);
		if (read_text(text, &list, message) != 0)
			fail_msg("case %zu: %s", i, message);
		assert_case_equal(
		    i, (int16_t)le16_get(list.markets[0].market.line), cases[i].quarters);
		assert_case_equal(i, list.markets[0].market.state, MARKET_SUSPENDED);
		assert_case_equal(i, le32_get(list.markets[0].market.odds[1]), 0);
		market_list_free(&list);
	}
	assert_int_equal(read_text("market,event,name,start,kind,state,selections\n"
	                           "7,1,a,2026-11-21T12:00:00Z,other,before,y:2\n"
	                           "8,1,a,2026-11-21T12:00:00Z,other,,y:2\n",
	                     &list, message),
	    0);
	assert_int_equal(list.markets[0].market.state, MARKET_BEFORE);
	assert_int_equal(list.markets[1].market.state, MARKET_OPEN);
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
	assert_int_equal(le16_get(list.markets[1].market.line), 10);
	market_list_free(&list);
}

/* Found by fuzz_import: the name was cut inside a character and the file refused without a word. */
TEST(long_names_of_a_season_are_cut_between_characters)
{
	struct market_list list = { 0 };
	char message[256] = "", name[96] = "";

	for (int i = 0; i < 20; i++)
		memcpy(name + 3 * i, "가", 3);
	memcpy(name + 60, " - ", 3);
	for (int i = 0; i < 10; i++)
		memcpy(name + 63 + 3 * i, "나", 3);
	assert_int_equal(
	    read_text(SEASON
	        "2021-08-13,가가가가가가가가가가가가가가가가가가가가,"
	        "나나나나나나나나나나나나나나나나나나나나,2,0,4.02,3.43,2.02,2.16,1.73\n",
	        &list, message),
	    0);
	assert_string_equal((const char *)list.markets[0].name, name);
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
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2\n", "line 2: not 6 columns" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,1x2,a:2,b:3\n", "not 6 columns" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,1x2,a:2;b:3\n", "not 8 columns" },
		{ "market,event,name,start,kind,state,line,selections\n", "unknown header" },
		{ "market,event,name,start,kind,selections,line\n", "unknown header" },
		{ HEADER "0,1,a,2026-11-21T12:00:00Z,1x2,a:2\n", "column market" },
		{ HEADER "-1,1,a,2026-11-21T12:00:00Z,1x2,a:2\n", "column market" },
		{ HEADER "1,9223372036854775808,a,2026-11-21T12:00:00Z,1x2,a:2\n", "column event" },
		{ HEADER "1,1,a\tb,2026-11-21T12:00:00Z,1x2,a:2\n", "column name" },
		{ HEADER "1,1,a,2026-11-21,1x2,a:2\n", "column start" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,asian,a:2\n", "column kind" },
		{ HEADER "1,1,a,2026-11-21T12:00:00Z,handicap,a:2\n", "needs the column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,0.3,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,--1,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,1.,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,1.255,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,1000.25,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,handicap,99999999999,,a:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,over_under,0,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,over_under,-2.5,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,1x2,2.5,,a:2;b:2\n", "column line" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,1x2,,closed,a:2;b:2\n", "column state" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,1x2,,settled,a:2;b:2\n", "column state" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,1x2,,now,a:2;b:2\n", "column state" },
		{ FULL "1,1,a,2026-11-21T12:00:00Z,1x2,,,a:--;b:2\n", "no odds" },
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
		/* Found by fuzz_import: times beyond 2262 became others, names had no sentence. */
		{ HEADER "1,1,a,2262-04-11T23:47:17Z,1x2,a:2\n", "column start" },
		{ HEADER "1,1,a,9999-12-31T23:59:59Z,1x2,a:2\n", "column start" },
		{ SEASON "1970-01-01,A,B,2,0,4.02,3.43,2.02,2.16,1.73\n"
		         "9999-12-31,A,B,2,0,4.02,3.43,2.02,2.16,1.73\n",
		    "line 3: its day" },
		{ SEASON "2021-08-13,A\001,B,2,0,4.02,3.43,2.02,2.16,1.73\n", "line 2: a name" },
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
