/* SPDX-License-Identifier: Apache-2.0 */
/* What control does about markets by itself: results become final in time, refused rows go back. */
#include <errno.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets.h"
#include "tests/control/temporary.h"

static const struct audit_entry who = {
	.uid = AUDIT_UID_CONTROL,
	.user = "control",
	.action = "market final",
	.outcome = "done",
};

/* Markets 1 to 3 by commands 1 to 3. */
static void begin(struct temporary *at)
{
	static const char text[] = "market,event,name,start,kind,line,selections\n"
	                           "1,1,a - b,2026-11-21T12:00:00Z,1x2,,a:2;draw:3;b:4\n"
	                           "2,1,a - b,2026-11-21T12:00:00Z,1x2,,a:2;draw:3;b:4\n"
	                           "3,1,a - b,2026-11-21T12:00:00Z,1x2,,a:2;draw:3;b:4\n";
	struct market_list list;
	char message[256];
	uint64_t first, last;

	temporary_begin(at);
	assert_int_equal(
	    market_list_read(text, sizeof(text) - 1, 0, &list, message, sizeof(message)), 0);
	assert_int_equal(
	    markets_import(at->database, &list, 0, &who, &first, &last, message, sizeof(message)),
	    0);
	market_list_free(&list);
	assert_int_equal(commands_mark(at->database, 1, 3, CONTROL_COMMAND_DONE), 0);
}

static uint64_t give(struct temporary *at, uint64_t market_id, const char *word)
{
	struct market_result result = { .market_id = market_id };
	struct record_control_market row;
	char message[512];
	uint64_t sequence = 0;

	assert_int_equal(market_result_parse(word, &result, message, sizeof(message)), 0);
	assert_int_equal(
	    markets_result(at->database, &result, &who, &sequence, &row, message, sizeof(message)),
	    0);
	return sequence;
}

/* What is found for results done up to `done_by_ns`, from the first market on. */
static size_t look(struct temporary *at, uint64_t done_by_ns, struct market_care found[4])
{
	struct market_care_search search = { .done_by_ns = done_by_ns, .look = 100 };
	size_t count;

	assert_int_equal(markets_care_look(at->database, &search, found, 4, &count), 0);
	assert_true(search.next == 0);
	return count;
}

TEST(a_result_is_made_final_when_it_has_stood_long_enough)
{
	struct market_care found[4];
	struct record_control_market row;
	struct temporary at;
	uint64_t sequence, before_ns = database_now_ns(), last;
	json_t *command, *shown;

	begin(&at);
	assert_int_equal(look(&at, UINT64_MAX, found), 0);
	sequence = give(&at, 2, "2:1");
	/* Its time begins when all shards have done it. */
	assert_int_equal(look(&at, UINT64_MAX, found), 0);
	assert_int_equal(commands_mark(at.database, sequence, sequence, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(look(&at, before_ns, found), 0);
	assert_int_equal(look(&at, database_now_ns(), found), 1);
	assert_int_equal(found[0].kind, MARKET_CARE_FINAL);
	assert_int_equal(found[0].market_id, 2);
	assert_int_equal(markets_final(at.database, &found[0], &who), 0);
	assert_int_equal(commands_last(at.database, &last), 0);
	assert_int_equal(commands_get(at.database, last, &command), 0);
	assert_string_equal(json_string_value(json_object_get(command, "op")), "final");
	json_decref(command);
	assert_int_equal(markets_get(at.database, 2, &row), 0);
	shown = markets_json(&row);
	assert_true(json_is_true(json_object_get(shown, "final")));
	json_decref(shown);
	/* Once. */
	assert_int_equal(markets_final(at.database, &found[0], &who), -EALREADY);
	assert_int_equal(look(&at, UINT64_MAX, found), 0);
	temporary_end(&at);
}

TEST(a_result_taken_back_meanwhile_is_not_made_final)
{
	struct market_care found[4];
	struct temporary at;
	uint64_t sequence;

	begin(&at);
	sequence = give(&at, 1, "2:1");
	assert_int_equal(commands_mark(at.database, sequence, sequence, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(look(&at, UINT64_MAX, found), 1);
	sequence = give(&at, 1, "rollback");
	assert_int_equal(markets_final(at.database, &found[0], &who), -EALREADY);
	sequence = give(&at, 1, "0:1");
	assert_int_equal(markets_final(at.database, &found[0], &who), -EALREADY);
	assert_int_equal(
	    commands_mark(at.database, sequence - 1, sequence, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(look(&at, UINT64_MAX, found), 1);
	assert_true(found[0].version == sequence);
	assert_int_equal(markets_final(at.database, &found[0], &who), 0);
	temporary_end(&at);
}

TEST(the_row_of_a_refused_command_is_brought_back_to_what_the_shards_have)
{
	struct market_shown shown = { .state = MARKET_SETTLED,
		.kind = MARKET_KIND_1X2,
		.selection_count = 3,
		.final = 1,
		.odds = { 2000, 3000, 4000 } };
	struct market_care found[4];
	struct record_control_market settled, row;
	struct temporary at;
	uint64_t sequence, set;

	begin(&at);
	set = give(&at, 3, "2:1");
	assert_int_equal(commands_mark(at.database, set, set, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(markets_get(at.database, 3, &settled), 0);
	sequence = give(&at, 3, "rollback");
	assert_int_equal(
	    commands_mark(at.database, sequence, sequence, CONTROL_COMMAND_REFUSED), 0);
	assert_int_equal(look(&at, 0, found), 1);
	assert_int_equal(found[0].kind, MARKET_CARE_REPAIR);
	shown.version = sequence;
	settlement_1x2((struct settlement_score){ 2, 1 }, &shown.outcomes);
	assert_int_equal(markets_repair(at.database, &found[0], &shown, &who), -EINVAL);
	shown.version = set;
	assert_int_equal(markets_repair(at.database, &found[0], &shown, &who), 0);
	assert_int_equal(markets_get(at.database, 3, &row), 0);
	settled.final = 1;
	assert_memory_equal(&row, &settled, sizeof(row));
	assert_int_equal(look(&at, UINT64_MAX, found), 0);
	assert_int_equal(markets_repair(at.database, &found[0], &shown, &who), -EALREADY);
	temporary_end(&at);
}

TEST(many_markets_are_looked_at_a_few_at_a_time)
{
	struct market_care_search search = { .done_by_ns = UINT64_MAX, .look = 2 };
	struct market_care found[4];
	struct temporary at;
	size_t count;

	begin(&at);
	for (uint64_t market = 1; market <= 3; market++) {
		uint64_t sequence = give(&at, market, "2:1");

		assert_int_equal(
		    commands_mark(at.database, sequence, sequence, CONTROL_COMMAND_DONE), 0);
	}
	assert_int_equal(markets_care_look(at.database, &search, found, 4, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(markets_care_look(at.database, &search, found, 4, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(found[0].market_id, 3);
	assert_int_equal(markets_care_look(at.database, &search, found, 1, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(found[0].market_id, 1);
	temporary_end(&at);
}

TEST_MAIN()
