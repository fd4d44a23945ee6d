/* SPDX-License-Identifier: Apache-2.0 */
/* What control allows a terminal: enforced at its home at once, and again after a restart. */
#include <errno.h>

#include "tests/shard/bed.h"
#include "wire/codes.h"

/* One numbered command to all shards, as main sends it; all must do it. */
static void command_all(struct bed *bed, const struct ledger_command *ledger)
{
	struct shard_command command = {
		.ticket = 1000 + ledger->control_sequence, .kind = SHARD_LEDGER, .ledger = *ledger
	};
	struct shard_result result;

	for (uint32_t i = 0; i < bed->count; i++)
		assert_true(spsc_ring_push(bed->workers[i]->rings.command, &command));
	bed_settle(bed, 1);
	for (uint32_t i = 0; i < bed->count; i++) {
		assert_true(spsc_ring_pop(bed->workers[i]->rings.result, &result));
		assert_int_equal(result.error, 0);
		assert_int_equal(result.already, 0);
	}
}

static void allow(struct bed *bed, unsigned terminal, uint64_t sequence, uint32_t rights,
    uint8_t blocked, int64_t daily_max)
{
	struct ledger_command command = { .type = EVENT_TERMINAL_SET,
		.control_sequence = sequence,
		.terminal_id = bed->terminals[terminal].id };

	command.terminal.version = le64_make(sequence);
	command.terminal.rights = le32_make(rights);
	command.terminal.blocked = blocked;
	command.terminal.daily_max = le64s_make(daily_max);
	command_all(bed, &command);
}

static struct wire_request plain(uint16_t template_id, uint64_t request_id)
{
	return (struct wire_request){ .template_id = template_id, .request_id = request_id };
}

static uint16_t ask(struct bed *bed, unsigned terminal, struct wire_request request)
{
	struct wire_reply reply;

	bed_send(bed, terminal, request);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 1);
	reply = bed_take(bed);
	assert_int_equal(reply.request_id, request.request_id);
	return reply.code;
}

TEST(blocked_terminal_is_refused_without_a_trace_and_goes_on_when_it_is_not)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t near = bed_account(bed, 0, 0), lsn[2];

	allow(bed, 0, 1, RIGHT_ALL, 1, 0);
	lsn[0] = bed_lsn(bed, 0);
	lsn[1] = bed_lsn(bed, 1);
	/* The other shard only has the number. */
	assert_null(ledger_terminal(bed->workers[1]->ledger, bed->terminals[0].id));
	assert_int_equal(ledger_shard(bed->workers[1]->ledger)->control_sequence, 1);

	assert_int_equal(ask(bed, 0, bed_bet(1, near, 100)), WIRE_CODE_TERMINAL_BLOCKED);
	assert_int_equal(
	    ask(bed, 0, bed_bet(2, bed_account(bed, 1, 0), 100)), WIRE_CODE_TERMINAL_BLOCKED);
	assert_int_equal(ask(bed, 0, bed_balance(3, near)), WIRE_CODE_TERMINAL_BLOCKED);
	assert_int_equal(ask(bed, 0, plain(WIRE_HEARTBEAT, 4)), WIRE_CODE_OK);
	assert_int_equal(ask(bed, 0, plain(WIRE_HELLO, 5)), WIRE_CODE_OK);
	assert_int_equal(ask(bed, 1, bed_bet(1, near, 100)), WIRE_CODE_OK); /* another terminal */
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_FREE);
	assert_int_equal(bed_lsn(bed, 0), lsn[0] + 1);
	assert_int_equal(bed_lsn(bed, 1), lsn[1]);

	allow(bed, 0, 2, RIGHT_ALL, 0, 0);
	assert_int_equal(ask(bed, 0, bed_bet(1, near, 100)), WIRE_CODE_OK);
	bed_close(bed);
}

TEST(what_was_on_its_way_when_a_terminal_is_blocked_is_carried_out)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t far = bed_account(bed, 1, 0);

	bed_send(bed, 0, bed_bet(1, far, 100)); /* forwarded, not decided yet */
	allow(bed, 0, 1, RIGHT_ALL, 1, 0);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	/* Asked again it is refused, and still known when the block ends. */
	assert_int_equal(ask(bed, 0, bed_bet(1, far, 100)), WIRE_CODE_TERMINAL_BLOCKED);
	allow(bed, 0, 2, RIGHT_ALL, 0, 0);
	bed_send(bed, 0, bed_bet(1, far, 100));
	assert_int_equal(bed_take_only(bed, 1, WIRE_CODE_OK).flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	bed_close(bed);
}

TEST(a_request_needs_the_right_of_session_and_terminal)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), lsn;
	struct shard_command again = { .ticket = 9, .kind = SHARD_SESSION_INSTALL };
	struct shard_result result;

	allow(bed, 0, 1, RIGHT_BET | RIGHT_BALANCE, 0, 0);
	lsn = bed_lsn(bed, 0);
	assert_int_equal(ask(bed, 0, plain(WIRE_MARKET_QUERY, 1)), WIRE_CODE_NO_RIGHT);
	assert_int_equal(bed_lsn(bed, 0), lsn);
	assert_int_equal(ask(bed, 0, bed_bet(2, account, 100)), WIRE_CODE_OK);

	/* The session again, with other rights: they hold at once. */
	again.install = bed_install(&bed->terminals[0]);
	again.install.rights = RIGHT_BET | RIGHT_MARKET;
	assert_true(spsc_ring_push(bed->workers[0]->rings.command, &again));
	bed_settle(bed, 1);
	assert_true(spsc_ring_pop(bed->workers[0]->rings.result, &result));
	assert_int_equal(result.error, 0);
	assert_int_equal(ask(bed, 0, bed_balance(3, account)), WIRE_CODE_NO_RIGHT);
	assert_int_equal(ask(bed, 0, plain(WIRE_MARKET_QUERY, 4)), WIRE_CODE_NO_RIGHT);
	assert_int_equal(ask(bed, 0, bed_bet(5, account, 100)), WIRE_CODE_OK);
	allow(bed, 0, 2, RIGHT_ALL, 0, 0);
	assert_int_equal(ask(bed, 0, plain(WIRE_MARKET_QUERY, 6)), WIRE_CODE_OK);
	bed_close(bed);
}

TEST(the_terminals_own_limit_holds_over_all_shards)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t near = bed_account(bed, 0, 0), far = bed_account(bed, 1, 0);

	allow(bed, 0, 1, RIGHT_ALL, 0, 5000);
	assert_int_equal(ask(bed, 0, bed_bet(1, far, 3000)), WIRE_CODE_OK);
	assert_int_equal(ask(bed, 0, bed_bet(2, far, 2001)), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(ask(bed, 0, bed_bet(3, near, 2001)), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(ask(bed, 0, bed_bet(4, near, 2000)), WIRE_CODE_OK);
	assert_int_equal(ask(bed, 0, bed_bet(5, far, 1)), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(ask(bed, 1, bed_bet(1, far, 9000)), WIRE_CODE_OK);
	allow(bed, 0, 2, RIGHT_ALL, 0, 0);
	assert_int_equal(ask(bed, 0, bed_bet(6, far, 9000)), WIRE_CODE_OK);
	bed_close(bed);
}

TEST(none_uses_up_the_number_and_changes_nothing)
{
	struct bed *bed = bed_open(2, 0);
	struct ledger_command none = { .type = EVENT_COMMAND_MARK, .control_sequence = 1 };
	uint64_t lsn[2] = { bed_lsn(bed, 0), bed_lsn(bed, 1) };

	command_all(bed, &none);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(bed_lsn(bed, i), lsn[i] + 1);
		assert_int_equal(ledger_shard(bed->workers[i]->ledger)->control_sequence, 1);
	}
	allow(bed, 0, 2, RIGHT_ALL, 0, 0);
	bed_close(bed);
}

/* A command whose mark finds no room is done again next turn, and its event only once. */
TEST(a_command_interrupted_between_event_and_mark_is_finished)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command command = { .ticket = 5, .kind = SHARD_LEDGER };
	uint64_t lsn = bed_lsn(bed, 0);
	struct shard_result result;

	command.ledger = (struct ledger_command){ .type = EVENT_TERMINAL_SET,
		.control_sequence = 1,
		.terminal_id = bed->terminals[0].id };
	command.ledger.terminal.version = le64_make(1);
	command.ledger.terminal.blocked = 1;
	for (unsigned refused = 1; refused < 5; refused++) {
		fake_journal_refuse(bed->journals[0], refused);
		assert_true(spsc_ring_push(bed->workers[0]->rings.command, &command));
		for (unsigned turns = 0; turns < 8; turns++)
			bed_turn(bed, 0);
		bed_settle(bed, 1);
		assert_true(spsc_ring_pop(bed->workers[0]->rings.result, &result));
		assert_int_equal(result.error, 0);
		command.ledger.control_sequence++;
		command.ledger.terminal.version = le64_make(refused + 1);
		assert_int_equal(bed_lsn(bed, 0), lsn + 2 * refused);
	}
	bed_close(bed);
}

TEST(a_restart_knows_it_without_control_and_the_outcomes_before_and_after_it)
{
	struct bed *bed = bed_open(2, 0);
	struct worker *workers[BED_WORKERS_MAX], *home;
	const struct terminal_window *window;
	uint64_t near = bed_account(bed, 0, 0), id = 100;

	/* Ids far above 128, so that an event without an id looks old. */
	for (; id < 130; id++)
		assert_int_equal(ask(bed, 0, bed_bet(id, near, 10)), WIRE_CODE_OK);
	allow(bed, 0, 1, RIGHT_BET, 0, 777);
	for (; id < 140; id++)
		assert_int_equal(ask(bed, 0, bed_bet(id, near, 10)), WIRE_CODE_OK);
	allow(bed, 0, 2, RIGHT_BET | RIGHT_MARKET, 1, 888);
	allow(bed, 2, 3, RIGHT_MARKET, 0, 0); /* a terminal that never did anything */
	home = bed_restarted(bed, workers);
	window = &home->windows[worker_window(home, bed->terminals[0].id)];
	assert_int_equal(window->rights, RIGHT_BET | RIGHT_MARKET);
	assert_int_equal(window->blocked, 1);
	assert_int_equal(window->daily_max, 888);
	assert_int_equal(window->highest_done, 139);
	assert_int_equal(window->staked_today, 400);
	for (uint64_t done = 100; done < 140; done++) {
		const struct window_entry *entry = &window->entries[done % LIMIT_REQUEST_WINDOW];

		assert_int_equal(entry->request_id, done);
		assert_int_equal(entry->state, WINDOW_DONE);
		assert_int_equal(entry->template_id, WIRE_PLACE_BET);
	}
	home = workers[bed->terminals[2].home];
	window = &home->windows[worker_window(home, bed->terminals[2].id)];
	assert_int_equal(window->rights, RIGHT_MARKET);
	assert_int_equal(window->highest_done, 0);
	window = &home->windows[worker_window(home, bed->terminals[3].id)];
	assert_int_equal(window->rights, RIGHT_ALL);
	worker_free(workers[0]);
	worker_free(workers[1]);
	bed_close(bed);
}

BED_MAIN()
