/* SPDX-License-Identifier: Apache-2.0 */
#include "control/commands/commands.h"

#include <errno.h>
#include <string.h>

#include "tests/control/temporary.h"

static int append_body(struct db_txn *txn, void *sequence)
{
	json_t *command = json_pack("{s:s, s:i}", "type", "market_set", "state", 2);
	int error = commands_append(txn, command, sequence);

	json_decref(command);
	return error;
}

static int append_and_fail(struct db_txn *txn, void *sequence)
{
	int error = append_body(txn, sequence);

	return error != 0 ? error : -ECANCELED;
}

static uint64_t append(struct temporary *at)
{
	uint64_t sequence = 0;

	assert_int_equal(database_write(at->database, append_body, &sequence), 0);
	return sequence;
}

static const char *state_of(struct temporary *at, uint64_t sequence)
{
	static char text[16];
	json_t *list = commands_list(at->database, sequence + 1, 1);
	json_t *entry = json_array_get(list, 0);

	assert_int_equal(json_integer_value(json_object_get(entry, "sequence")), sequence);
	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(entry, "state")));
	json_decref(list);
	return text;
}

TEST(numbers_are_gapless_over_restarts_and_aborted_transactions)
{
	struct temporary at;
	uint64_t sequence = 99;

	temporary_begin(&at);
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 0);
	assert_int_equal(append(&at), 1);
	assert_int_equal(database_write(at.database, append_and_fail, &sequence), -ECANCELED);
	assert_int_equal(append(&at), 2);
	temporary_again(&at);
	assert_int_equal(append(&at), 3);
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 3);
	temporary_end(&at);
}

TEST(a_command_comes_back_ready_to_send)
{
	struct temporary at;
	json_t *command = NULL;

	temporary_begin(&at);
	append(&at);
	assert_int_equal(commands_get(at.database, 1, &command), 0);
	assert_string_equal(json_string_value(json_object_get(command, "cmd")), "command");
	assert_string_equal(json_string_value(json_object_get(command, "type")), "market_set");
	assert_int_equal(json_integer_value(json_object_get(command, "sequence")), 1);
	assert_int_equal(json_integer_value(json_object_get(command, "state")), 2);
	json_decref(command);
	assert_int_equal(commands_get(at.database, 2, &command), -ENOENT);
	temporary_end(&at);
}

TEST(a_mark_is_kept)
{
	struct temporary at;

	temporary_begin(&at);
	for (int i = 0; i < 4; i++)
		append(&at);
	assert_int_equal(commands_mark(at.database, 2, 2, CONTROL_COMMAND_REFUSED), 0);
	assert_int_equal(commands_mark(at.database, 1, 3, CONTROL_COMMAND_DONE), 0);
	temporary_again(&at);
	assert_string_equal(state_of(&at, 1), "done");
	assert_string_equal(state_of(&at, 2), "refused");
	assert_string_equal(state_of(&at, 3), "done");
	assert_string_equal(state_of(&at, 4), "committed");
	temporary_end(&at);
}

TEST(adopting_fills_the_numbers_the_shards_know)
{
	struct temporary at;
	json_t *command = NULL;

	temporary_begin(&at);
	append(&at);
	assert_int_equal(commands_adopt(at.database, 3), 0);
	assert_string_equal(state_of(&at, 3), "done");
	assert_int_equal(commands_get(at.database, 3, &command), 0);
	assert_string_equal(json_string_value(json_object_get(command, "type")), "none");
	json_decref(command);
	assert_int_equal(append(&at), 4);
	temporary_end(&at);
}

static int gate_result;
static unsigned gate_adoptions;

static int gate_open(void *context)
{
	(void)context;
	return gate_result;
}

static void gate_adopted(void *context)
{
	(void)context;
	gate_adoptions++;
}

TEST(a_closed_gate_lets_nothing_be_appended_but_an_adoption)
{
	const struct commands_gate gate = { gate_open, gate_adopted, NULL };
	static const int results[] = { -EAGAIN, -ESTALE };
	struct temporary at;
	uint64_t sequence;

	temporary_begin(&at);
	commands_gate_set(&gate);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(results); i++) {
		gate_result = results[i];
		assert_int_equal(database_write(at.database, append_body, &sequence), results[i]);
	}
	assert_int_equal(commands_last(at.database, &sequence), 0);
	assert_int_equal(sequence, 0);
	assert_int_equal(commands_adopt(at.database, 2), 0);
	assert_int_equal(gate_adoptions, 1);
	gate_result = 0;
	assert_int_equal(append(&at), 3);
	gate_result = -EAGAIN;
	commands_gate_set(NULL);
	assert_int_equal(append(&at), 4);
	/* Of a range only what is there is marked. */
	assert_int_equal(
	    commands_mark_late(at.database, 4, 9, CONTROL_COMMAND_REFUSED, &sequence), 0);
	assert_int_equal(sequence, 4);
	assert_string_equal(state_of(&at, 3), "committed");
	assert_string_equal(state_of(&at, 4), "refused");
	assert_int_equal(
	    commands_mark_late(at.database, 5, 9, CONTROL_COMMAND_REFUSED, &sequence), 0);
	assert_int_equal(sequence, 4);
	temporary_end(&at);
}

TEST_MAIN()
