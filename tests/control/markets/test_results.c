/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets.h"
#include "tests/control/temporary.h"

static const struct audit_entry who = {
	.user = "kim (operator)",
	.action = "market result",
	.outcome = "done",
};

static void import(struct temporary *at)
{
	static const char text[] =
	    "market,event,name,start,kind,line,selections\n"
	    "11,1,a - b,2026-11-21T12:00:00Z,1x2,,a:2;draw:3;b:4\n"
	    "12,1,a - b,2026-11-21T12:00:00Z,over_under,2.25,over:2;under:1.8\n"
	    "13,1,a - b,2026-11-21T12:00:00Z,handicap,-0.75,a:2;b:1.8\n"
	    "14,1,a - b,2026-11-21T12:00:00Z,other,,x:2;y:3;z:4\n";
	struct market_list list;
	char message[256];
	uint64_t first, last;

	assert_int_equal(
	    market_list_read(text, sizeof(text) - 1, 0, &list, message, sizeof(message)), 0);
	assert_int_equal(
	    markets_import(at->database, &list, 0, &who, &first, &last, message, sizeof(message)),
	    0);
	assert_int_equal(last, 4);
	market_list_free(&list);
}

/* Gives `word` to a market; what it says on failure is in `message`. */
static int give(struct temporary *at, uint64_t market_id, const char *word, uint64_t *sequence,
    struct record_control_market *row, char *message)
{
	struct market_result result = { .market_id = market_id };

	assert_int_equal(market_result_parse(word, &result, message, 512), 0);
	return markets_result(at->database, &result, &who, sequence, row, message, 512);
}

/* "1 2 2" of the command's outcomes. */
static void command_text(struct temporary *at, uint64_t sequence, char *out, size_t size)
{
	json_t *command = NULL, *outcome;
	size_t index, used;

	assert_int_equal(commands_get(at->database, sequence, &command), 0);
	used = (size_t)snprintf(out, size, "%s %d %s",
	    json_string_value(json_object_get(command, "type")),
	    (int)json_integer_value(json_object_get(command, "market_id")),
	    json_string_value(json_object_get(command, "op")));
	json_array_foreach(json_object_get(command, "outcomes"), index, outcome) used +=
	    (size_t)snprintf(out + used, size - used, " %d", (int)json_integer_value(outcome));
	json_decref(command);
}

TEST(a_result_becomes_outcomes_state_and_command)
{
	static const struct {
		uint64_t market_id;
		const char *word, *command;
		enum market_state state;
	} cases[] = {
		{ 11, "2:1", "market_result 11 set 1 2 2", MARKET_SETTLED },
		{ 11, "0:0", "market_result 11 set 2 1 2", MARKET_SETTLED },
		{ 11, "win;win;lose", "market_result 11 set 1 1 2", MARKET_SETTLED },
		{ 11, "dead_heat 1/2;dead_heat 1/2;lose", "market_result 11 set 131334 131334 2",
		    MARKET_SETTLED },
		{ 12, "1:1", "market_result 12 set 5 4", MARKET_SETTLED },
		{ 12, "3:0", "market_result 12 set 1 2", MARKET_SETTLED },
		{ 13, "1:0", "market_result 13 set 4 5", MARKET_SETTLED },
		{ 13, "2:0", "market_result 13 set 1 2", MARKET_SETTLED },
		{ 14, "half_win;half_lose;void", "market_result 14 set 4 5 3", MARKET_SETTLED },
		{ 14, "void", "market_result 14 set 3 3 3", MARKET_VOID },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct record_control_market row;
		char message[512] = "", text[128];
		struct temporary at;
		uint64_t sequence = 0;
		json_t *shown;

		temporary_begin(&at);
		import(&at);
		if (give(&at, cases[i].market_id, cases[i].word, &sequence, &row, message) != 0)
			fail_msg("case %zu: %s", i, message);
		assert_case_equal(i, sequence, 5);
		assert_case_equal(i, row.market.state, cases[i].state);
		assert_case_equal(i, le64_get(row.market.version), 5);
		command_text(&at, 5, text, sizeof(text));
		assert_string_equal(text, cases[i].command);
		temporary_again(&at);
		assert_int_equal(markets_get(at.database, cases[i].market_id, &row), 0);
		shown = markets_json(&row);
		assert_non_null(json_object_get(
		    json_array_get(json_object_get(shown, "selections"), 1), "outcome"));
		assert_true(json_is_false(json_object_get(shown, "final")));
		json_decref(shown);
		temporary_end(&at);
	}
}

TEST(results_are_taken_back_once_and_final_ones_never)
{
	static const struct {
		const char *word;
		int error;
		enum market_state state; /* then; when it was done */
	} steps[] = {
		{ "rollback", -EALREADY, 0 },
		{ "final", -EALREADY, 0 },
		{ "2:1", 0, MARKET_SETTLED },
		{ "1:1", -EALREADY, 0 },
		{ "void", -EALREADY, 0 },
		{ "3:0", 0, MARKET_SETTLED }, /* the same outcomes */
		{ "rollback", 0, MARKET_CLOSED },
		{ "rollback", -EALREADY, 0 },
		{ "void", 0, MARKET_VOID },
		{ "void", 0, MARKET_VOID },
		{ "rollback", 0, MARKET_CLOSED },
		{ "0:3", 0, MARKET_SETTLED },
		{ "final", 0, MARKET_SETTLED },
		{ "rollback", -EPERM, 0 },
		{ "final", -EPERM, 0 },
		{ "2:1", -EPERM, 0 },
		{ "0:3", 0, MARKET_SETTLED },
	};
	struct record_control_market row;
	struct temporary at;
	char message[512], text[128];
	uint64_t sequence = 0;

	temporary_begin(&at);
	import(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(steps); i++) {
		message[0] = '\0';
		assert_case_equal(
		    i, give(&at, 11, steps[i].word, &sequence, &row, message), steps[i].error);
		if (steps[i].error == 0)
			assert_case_equal(i, row.market.state, steps[i].state);
		else
			assert_non_null(strstr(message, "market 11"));
	}
	command_text(&at, sequence, text, sizeof(text));
	assert_string_equal(text, "market_result 11 set 2 2 1");
	assert_int_equal(
	    markets_state_set(at.database, 11, MARKET_OPEN, &who, &sequence, &row), -EPERM);
	assert_int_equal(give(&at, 99, "1:1", &sequence, &row, message), -ENOENT);
	assert_int_equal(give(&at, 14, "1:1", &sequence, &row, message), -EINVAL);
	assert_int_equal(give(&at, 11, "win;lose;void", &sequence, &row, message), -EPERM);
	assert_int_equal(give(&at, 12, "win;lose;lose", &sequence, &row, message), -EINVAL);
	assert_non_null(strstr(message, "market 12 has 2 selections, 3 outcomes"));
	temporary_end(&at);
}

TEST(a_settled_market_is_not_imported_again)
{
	struct record_control_market row;
	struct temporary at;
	char message[512];
	uint64_t sequence = 0;

	temporary_begin(&at);
	import(&at);
	assert_int_equal(give(&at, 11, "2:1", &sequence, &row, message), 0);
	{
		static const char text[] = "market,event,name,start,kind,selections\n"
		                           "11,1,a,2026-11-21T12:00:00Z,1x2,a:2;d:3;b:4\n";
		struct market_list list;
		uint64_t first, last;

		assert_int_equal(
		    market_list_read(text, sizeof(text) - 1, 0, &list, message, sizeof(message)),
		    0);
		assert_int_equal(markets_import(at.database, &list, 0, &who, &first, &last, message,
		                     sizeof(message)),
		    0);
		assert_int_equal(last, 0);
		market_list_free(&list);
	}
	assert_int_equal(markets_get(at.database, 11, &row), 0);
	assert_int_equal(row.market.state, MARKET_SETTLED);
	temporary_end(&at);
}

static int read_results(const char *text, struct market_result_list *list, char *message)
{
	return market_result_list_read(text, strlen(text), list, message, 512);
}

TEST(a_file_of_results_is_done_whole_or_not_at_all)
{
	struct market_result_list list = { 0 };
	struct record_control_market row;
	struct temporary at;
	char message[512] = "", text[128];
	uint64_t first = 0, last = 0;
	json_t *entries;

	temporary_begin(&at);
	import(&at);
	assert_int_equal(
	    read_results("market,result\r\n11,2:1\r\n\n12,2:1\n14,win;void;lose", &list, message),
	    0);
	assert_int_equal(list.count, 3);
	assert_int_equal(
	    markets_results(at.database, &list, &who, &first, &last, message, sizeof(message)), 0);
	assert_int_equal(first, 5);
	assert_int_equal(last, 7);
	command_text(&at, 7, text, sizeof(text));
	assert_string_equal(text, "market_result 14 set 1 3 2");
	entries = audit_tail(at.database, 0, 10);
	assert_int_equal(json_array_size(entries), 2);
	json_decref(entries);
	market_result_list_free(&list);

	/* The last line cannot be done: nothing was. */
	assert_int_equal(
	    read_results("market,result\n11,rollback\n11,0:0\n12,1:1\n", &list, message), 0);
	assert_int_equal(
	    markets_results(at.database, &list, &who, &first, &last, message, sizeof(message)),
	    -EALREADY);
	assert_non_null(strstr(message, "market 12 has a result"));
	assert_int_equal(markets_get(at.database, 11, &row), 0);
	assert_int_equal(row.outcomes[0], SETTLEMENT_WIN);
	market_result_list_free(&list);
	temporary_end(&at);
}

TEST(bad_result_files_are_refused_with_their_line)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "no result behind the header" },
		{ "market,result\n", "no result behind the header" },
		{ "11,2:1\n", "line 1: unknown header" },
		{ "market,result\n11\n", "line 2: \"11\" is not MARKET,RESULT" },
		{ "market,result\n0,2:1\n", "is not MARKET,RESULT" },
		{ "market,result\n-1,2:1\n", "is not MARKET,RESULT" },
		{ "market,result\n9223372036854775808,2:1\n", "is not MARKET,RESULT" },
		{ "market,result\n11,2:1\n12,\n", "line 3: \"\" is no result" },
		{ "market,result\n11,2:\n", "is no result" },
		{ "market,result\n11,65536:0\n", "is no result" },
		{ "market,result\n11,2:1:0\n", "is no result" },
		{ "market,result\n11,open\n", "is no result" },
		{ "market,result\n11,win;won\n", "is no result" },
		{ "market,result\n11,dead_heat\n", "is no result" },
		{ "market,result\n11,dead_heat 2/2\n", "is no result" },
		{ "market,result\n11,dead_heat 0/2\n", "is no result" },
		{ "market,result\n11,dead_heat 1/256\n", "is no result" },
		{ "market,result\n11,"
		  "win;win;win;win;win;win;win;win;win;win;win;win;win;win;win;win;win\n",
		    "is no result" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct market_result_list list = { 0 };
		char message[512] = "";

		assert_case_equal(i, read_results(cases[i].text, &list, message), -EINVAL);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, message, cases[i].says);
		assert_null(list.results);
	}
}

TEST_MAIN()
