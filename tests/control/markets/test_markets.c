/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets.h"
#include "tests/control/temporary.h"

static const struct audit_entry who = {
	.user = "kim (operator)",
	.action = "market",
	.outcome = "done",
};

static void import(struct temporary *at, uint64_t *first, uint64_t *last)
{
	static const char text[] = "market,event,name,start,kind,selections\n"
	                           "11,1,a - b,2026-11-21T12:00:00Z,1x2,a:2;draw:3;b:4\n"
	                           "12,1,a - b,2026-11-21T12:00:00Z,over_under,over:2;under:1.8\n"
	                           "21,2,c - d,2026-11-22T12:00:00Z,1x2,c:2;draw:3;d:4\n";
	struct market_list list;
	char message[256];

	assert_int_equal(
	    market_list_read(text, sizeof(text) - 1, 0, &list, message, sizeof(message)), 0);
	assert_int_equal(
	    markets_import(at->database, &list, 0, &who, first, last, message, sizeof(message)), 0);
	market_list_free(&list);
}

TEST(an_import_is_one_transaction_with_a_command_each)
{
	struct temporary at;
	uint64_t first, last;
	json_t *list, *command = NULL;

	temporary_begin(&at);
	import(&at, &first, &last);
	assert_int_equal(first, 1);
	assert_int_equal(last, 3);
	assert_int_equal(commands_get(at.database, 2, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(command, "market_id")), 12);
	assert_int_equal(json_integer_value(json_object_get(command, "state")), MARKET_OPEN);
	assert_int_equal(json_array_size(json_object_get(command, "odds")), 2);
	json_decref(command);
	list = markets_list(at.database, 12, 10, 0);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	list = audit_tail(at.database, 0, 10);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	temporary_end(&at);
}

TEST(more_markets_than_the_switch_has_room_for_are_refused_whole)
{
	static const char text[] = "market,event,name,start,kind,selections\n"
	                           "21,2,c - d,2026-11-22T12:00:00Z,1x2,c:2.5;draw:3;d:4\n"
	                           "31,3,e - f,2026-11-22T12:00:00Z,1x2,e:2;draw:3;f:4\n"
	                           "41,4,g - h,2026-11-22T12:00:00Z,1x2,g:2;draw:3;h:4\n";
	struct record_control_market row;
	struct market_list list;
	struct temporary at;
	uint64_t first, last;
	char message[512];

	temporary_begin(&at);
	import(&at, &first, &last);
	assert_int_equal(market_list_read(text, sizeof(text) - 1, 0, &list, message, 512), 0);
	assert_int_equal(
	    markets_import(at.database, &list, 4, &who, &first, &last, message, 512), -E2BIG);
	assert_non_null(strstr(message, "2 markets of the file are new"));
	assert_non_null(strstr(message, "room for 1 more (capacity.markets: 4, in use: 3)"));
	assert_non_null(strstr(message, "import fewer"));
	assert_int_equal(markets_get(at.database, 31, &row), -ENOENT);
	assert_int_equal(
	    markets_import(at.database, &list, 5, &who, &first, &last, message, 512), 0);
	/* The next command's number was not used up; known ones need no room. */
	assert_int_equal(first, 4);
	assert_int_equal(
	    markets_import(at.database, &list, 1, &who, &first, &last, message, 512), 0);
	market_list_free(&list);
	temporary_end(&at);
}

/* One line of a file that is imported again. */
static int import_line(struct temporary *at, const char *line, uint64_t *last, char *message)
{
	struct market_list list;
	uint64_t first;
	char text[256];
	int error;

	snprintf(
	    text, sizeof(text), "market,event,name,start,kind,line,state,selections\n%s\n", line);
	assert_int_equal(market_list_read(text, strlen(text), 0, &list, message, 256), 0);
	error = markets_import(at->database, &list, 0, &who, &first, last, message, 256);
	market_list_free(&list);
	return error;
}

TEST(what_bets_are_settled_by_stays_once_a_market_was_offered)
{
	static const struct {
		const char *line;
		int error;
	} cases[] = {
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,2.5,before,over:2;under:1.8", 0 },
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,3.5,before,over:2;under:1.8", 0 },
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,3.5,open,over:2;under:1.8", 0 },
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,2.5,open,over:2;under:1.8", -EALREADY },
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,3.5,suspended,over:1.9;under:1.9", 0 },
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,2.5,open,over:2;under:1.8", -EALREADY },
		{ "31,3,n,2026-11-21T12:00:00Z,handicap,3.5,open,over:2;under:1.8", -EALREADY },
		{ "31,3,n,2026-11-21T12:00:00Z,over_under,3.5,open,a:2;b:3;c:4", -EALREADY },
	};
	struct record_control_market row;
	struct temporary at;
	uint64_t last;
	char message[256];

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t before = 0, after = 0;

		assert_int_equal(commands_last(at.database, &before), 0);
		assert_case_equal(
		    i, import_line(&at, cases[i].line, &last, message), cases[i].error);
		assert_int_equal(commands_last(at.database, &after), 0);
		assert_case_equal(i, after - before, cases[i].error == 0);
		if (cases[i].error != 0)
			assert_non_null(strstr(message, "market 31 has been offered"));
	}
	assert_int_equal(markets_get(at.database, 31, &row), 0);
	assert_int_equal((int16_t)le16_get(row.market.line), 14);
	assert_int_equal(row.market.selection_count, 2);
	temporary_end(&at);
}

TEST(states_change_until_closed)
{
	struct temporary at;
	struct record_control_market row;
	uint64_t first, last, sequence = 9;
	json_t *list;

	temporary_begin(&at);
	import(&at, &first, &last);
	assert_int_equal(
	    markets_state_set(at.database, 99, MARKET_OPEN, &who, &sequence, &row), -ENOENT);
	assert_int_equal(markets_state_set(at.database, 11, MARKET_OPEN, &who, &sequence, &row), 0);
	assert_int_equal(sequence, 0); /* it was open */
	assert_int_equal(row.market.state, MARKET_OPEN);
	assert_int_equal(
	    markets_state_set(at.database, 11, MARKET_SUSPENDED, &who, &sequence, &row), 0);
	assert_int_equal(sequence, 4);
	assert_int_equal(row.market.state, MARKET_SUSPENDED);
	assert_int_equal(le64_get(row.market.version), 4);
	assert_int_equal(
	    markets_state_set(at.database, 11, MARKET_CLOSED, &who, &sequence, &row), 0);
	temporary_again(&at);
	assert_int_equal(
	    markets_state_set(at.database, 11, MARKET_OPEN, &who, &sequence, &row), -EPERM);
	list = markets_list(at.database, 0, 10, MARKET_CLOSED);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	temporary_end(&at);
}

TEST(a_dry_run_gives_the_row_that_would_be)
{
	struct temporary at;
	struct record_control_market row;
	uint64_t first, last, sequence = 0;

	temporary_begin(&at);
	import(&at, &first, &last);
	database_dry_run(1);
	assert_int_equal(
	    markets_state_set(at.database, 11, MARKET_SUSPENDED, &who, &sequence, &row), 0);
	database_dry_run(0);
	assert_int_equal(row.market.state, MARKET_SUSPENDED);
	assert_int_equal(markets_get(at.database, 11, &row), 0);
	assert_int_equal(row.market.state, MARKET_OPEN);
	temporary_end(&at);
}

TEST(a_market_has_odds_in_thousandths)
{
	struct temporary at;
	struct record_control_market row;
	uint64_t first, last;
	json_t *shown, *selection;

	temporary_begin(&at);
	import(&at, &first, &last);
	assert_int_equal(markets_get(at.database, 11, &row), 0);
	shown = markets_json(&row);
	selection = json_array_get(json_object_get(shown, "selections"), 0);
	assert_int_equal(
	    json_integer_value(json_object_get(selection, "odds")), le32_get(row.market.odds[0]));
	assert_true(json_equal(
	    json_object_get(selection, "odds"), json_array_get(json_object_get(shown, "odds"), 0)));
	assert_true(json_is_integer(json_object_get(shown, "start_time_ns")));
	json_decref(shown);
	temporary_end(&at);
}

TEST(odds_need_every_selection)
{
	struct temporary at;
	struct record_control_market row;
	uint32_t odds[] = { 1500, 2500, 3500 };
	uint64_t first, last, sequence = 0;
	size_t count = 2;

	temporary_begin(&at);
	import(&at, &first, &last);
	assert_int_equal(
	    markets_odds_set(at.database, 11, odds, &count, &who, &sequence, &row), -EINVAL);
	assert_int_equal(count, 3);
	assert_int_equal(markets_odds_set(at.database, 11, odds, &count, &who, &sequence, &row), 0);
	assert_int_equal(sequence, 4);
	assert_int_equal(markets_get(at.database, 11, &row), 0);
	assert_int_equal(le32_get(row.market.odds[2]), 3500);
	assert_int_equal(le64_get(row.market.version), 4);
	temporary_end(&at);
}

TEST_MAIN()
