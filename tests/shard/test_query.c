/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of main: each is answered from the worker's rows, and only when those are durable. */
#include <errno.h>

#include "tests/shard/bed.h"

static struct shard_query area;

static void ask(struct bed *bed, uint32_t shard, uint64_t ticket)
{
	struct shard_command command = {
		.ticket = ticket,
		.kind = SHARD_QUERY,
		.query = &area,
	};

	assert_true(spsc_ring_push(bed->workers[shard]->rings.command, &command));
	bed_turn(bed, shard);
}

static int result(struct bed *bed, uint32_t shard, struct shard_result *out)
{
	return spsc_ring_pop(bed->workers[shard]->rings.result, out);
}

static void ask_about(struct bed *bed, uint32_t shard, enum shard_query_kind kind, uint64_t id)
{
	memset(&area, 0xa5, sizeof(area));
	area.kind = kind;
	area.id = id;
	ask(bed, shard, 77);
}

static void answered(struct bed *bed, uint32_t shard, int error)
{
	struct shard_result got;

	assert_true(result(bed, shard, &got));
	assert_int_equal(got.ticket, 77);
	assert_int_equal(got.error, error);
	assert_false(result(bed, shard, &got));
}

TEST(rows_that_are_durable_are_told_at_once)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 1), bet_id;

	bed_send(bed, 0, bed_bet(1, account, 5000));
	bed_settle(bed, 1);
	bet_id = bed_take_only(bed, 1, WIRE_CODE_OK).object_id;

	ask_about(bed, 0, QUERY_ACCOUNT, account);
	answered(bed, 0, 0);
	assert_int_equal(area.found, 1);
	assert_int_equal(area.account.row.id, account);
	assert_int_equal(area.account.row.balance, BED_OPENING - 5000);
	assert_int_equal(area.lsn, bed_lsn(bed, 0));

	ask_about(bed, 0, QUERY_BET, bet_id);
	answered(bed, 0, 0);
	assert_int_equal(area.found, 1);
	assert_int_equal(area.bet.account_id, account);
	assert_int_equal(area.bet.stake, 5000);
	assert_int_equal(area.bet.leg_count, 1);
	assert_int_equal(area.bet.legs[0].market_id, BED_MARKET);

	ask_about(bed, 0, QUERY_MARKET, BED_MARKET);
	answered(bed, 0, 0);
	assert_int_equal(area.markets[0].found, 1);
	assert_int_equal(area.markets[0].row.selection_count, 3);

	ask_about(bed, 0, QUERY_TERMINAL, bed->terminals[0].id);
	answered(bed, 0, 0);
	assert_int_equal(area.found, 1);
	assert_int_equal(area.terminal.rights, RIGHT_ALL);
	assert_int_equal(area.terminal.staked_today, 5000);
	assert_int_equal(area.terminal.highest_request_id, 1);
	bed_close(bed);
}

TEST(what_is_not_there_is_not_found_and_makes_nothing)
{
	static const enum shard_query_kind kinds[] = { QUERY_ACCOUNT, QUERY_BET, QUERY_TERMINAL };
	struct bed *bed = bed_open(1, 0);
	uint32_t windows = bed->workers[0]->windows_count;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(kinds); i++) {
		ask_about(bed, 0, kinds[i], 123456789);
		answered(bed, 0, 0);
		assert_case_equal(i, area.found, 0);
		assert_case_equal(i, area.lsn, 0);
	}
	ask_about(bed, 0, QUERY_MARKET, 123456789);
	answered(bed, 0, 0);
	assert_int_equal(area.markets[0].found, 0);
	assert_int_equal(bed->workers[0]->windows_count, windows);
	bed_close(bed);
}

TEST(a_row_that_is_not_durable_is_told_when_it_is)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);
	struct shard_result got;

	bed_send(bed, 0, bed_bet(1, account, 5000));
	ask_about(bed, 0, QUERY_ACCOUNT, account);
	for (int i = 0; i < 3; i++) {
		assert_false(result(bed, 0, &got));
		bed_turn(bed, 0);
	}
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	answered(bed, 0, 0);
	assert_int_equal(area.account.row.balance, BED_OPENING - 5000);
	bed_close(bed);
}

TEST(a_row_that_will_never_be_durable_is_an_error)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), other = bed_account(bed, 0, 1);

	fake_journal_fail(bed->journals[0], EIO);
	ask_about(bed, 0, QUERY_ACCOUNT, other);
	answered(bed, 0, 0);
	assert_int_equal(area.found, 1);
	bed_close(bed);

	bed = bed_open(1, 0);
	bed_send(bed, 0, bed_bet(1, account, 5000));
	fake_journal_fail(bed->journals[0], EIO);
	ask_about(bed, 0, QUERY_ACCOUNT, account);
	assert_int_equal(area.found, 0);
	assert_int_equal(area.lsn, 0);
	bed_close(bed);
}

TEST(what_control_allows_a_terminal_is_told_once_it_is_durable)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command set = { .ticket = 5, .kind = SHARD_LEDGER };
	struct shard_result got;

	set.ledger = (struct ledger_command){ .type = EVENT_TERMINAL_SET,
		.control_sequence = 1,
		.terminal_id = bed->terminals[0].id };
	set.ledger.terminal.version = le64_make(1);
	set.ledger.terminal.rights = le32_make(RIGHT_BET);
	set.ledger.terminal.blocked = 1;
	set.ledger.terminal.daily_max = le64s_make(7000);
	assert_true(spsc_ring_push(bed->workers[0]->rings.command, &set));
	ask_about(bed, 0, QUERY_TERMINAL, bed->terminals[0].id);
	assert_false(result(bed, 0, &got));
	bed_settle(bed, 1);
	assert_true(result(bed, 0, &got) && got.ticket == 5 && got.error == 0);
	answered(bed, 0, 0);
	assert_int_equal(area.found, 1);
	assert_int_equal(area.terminal.rights, RIGHT_BET);
	assert_int_equal(area.terminal.blocked, 1);
	assert_int_equal(area.terminal.daily_max, 7000);
	bed_close(bed);
}

static struct wire_request heartbeat(uint32_t sequence, uint8_t state)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = sequence;
	request.template_id = WIRE_HEARTBEAT;
	request.heartbeat.local_time_ns = 5000 + sequence;
	request.heartbeat.sequence = sequence;
	request.heartbeat.firmware = 0x010203;
	request.heartbeat.error_code = 17;
	request.heartbeat.state = state;
	request.heartbeat.battery_percent = 80;
	return request;
}

static void list_slots(struct bed *bed, uint32_t count)
{
	memset(&area, 0, sizeof(area));
	area.kind = QUERY_SESSIONS;
	area.sessions_count = count;
	for (uint32_t i = 0; i < count; i++) {
		area.sessions[i].slot = i % BED_TERMINALS_MAX;
		area.sessions[i].home = atomic_load(&bed->slot_home[i % BED_TERMINALS_MAX]);
	}
}

TEST(sessions_are_filled_in_by_their_homes_and_carry_the_last_heartbeat)
{
	struct bed *bed = bed_open(2, 0);
	struct wire_request again = bed_balance(9, bed_account(bed, 0, 0));
	struct shard_result got;

	bed_send(bed, 0, heartbeat(1, HEARTBEAT_PAPER_LOW));
	bed->now_ns += SECOND;
	bed_send(bed, 0, heartbeat(2, HEARTBEAT_DOOR_OPEN));
	again.flags = MESSAGE_FLAG_RETRANSMISSION;
	bed_send(bed, 2, again);
	bed_settle(bed, 1);
	while (bed_waiting(bed) != 0)
		(void)bed_take(bed);

	list_slots(bed, BED_TERMINALS_MAX);
	ask(bed, 0, 5);
	assert_true(result(bed, 0, &got));
	assert_int_equal(area.sessions[2].session_id, 0); /* the other shard's */
	ask(bed, 1, 5);
	assert_true(result(bed, 1, &got));

	for (unsigned i = 0; i < BED_TERMINALS_MAX; i++) {
		assert_case_equal(i, area.sessions[i].session_id, bed->terminals[i].session_id);
		assert_case_equal(i, area.sessions[i].terminal_id, bed->terminals[i].id);
		assert_case_equal(i, area.sessions[i].epoch, 1);
		assert_case_equal(i, area.sessions[i].wants_rotation, 0);
		if (i != 0)
			assert_case_equal(i, area.sessions[i].heartbeat.received_ns, 0);
	}
	assert_int_equal(area.sessions[0].datagrams, 2);
	assert_int_equal(area.sessions[0].messages, 2);
	assert_int_equal(area.sessions[0].resends, 0);
	assert_int_equal(area.sessions[0].last_seen_ns, bed->now_ns);
	assert_int_equal(area.sessions[0].heartbeat.received_ns, bed->now_ns);
	assert_int_equal(area.sessions[0].heartbeat.sequence, 2);
	assert_int_equal(area.sessions[0].heartbeat.local_time_ns, 5002);
	assert_int_equal(area.sessions[0].heartbeat.firmware, 0x010203);
	assert_int_equal(area.sessions[0].heartbeat.error_code, 17);
	assert_int_equal(area.sessions[0].heartbeat.state, HEARTBEAT_DOOR_OPEN);
	assert_int_equal(area.sessions[0].heartbeat.battery_percent, 80);
	assert_int_equal(area.sessions[2].messages, 1);
	assert_int_equal(area.sessions[2].resends, 1);
	assert_int_equal(stats_get(&bed->workers[1]->stats.resends), 1);
	assert_int_equal(stats_get(&bed->workers[0]->stats.heartbeats), 2);
	bed_close(bed);
}

TEST(a_long_list_takes_several_turns_and_the_worker_works_on)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);
	struct shard_result got;
	unsigned turns = 1;

	list_slots(bed, QUERY_SESSIONS_MAX);
	ask(bed, 0, 5);
	while (!result(bed, 0, &got)) {
		bed_send(bed, 0, bed_balance(turns, account));
		turns++;
	}
	assert_int_equal(turns, QUERY_SESSIONS_MAX / QUERY_SESSIONS_PER_TURN);
	assert_int_equal(bed_waiting(bed), turns - 1);
	while (bed_waiting(bed) != 0)
		(void)bed_take(bed);
	for (unsigned i = 0; i < QUERY_SESSIONS_MAX; i++)
		assert_case_equal(i, area.sessions[i].session_id,
		    bed->terminals[i % BED_TERMINALS_MAX].session_id);
	assert_int_equal(bed->workers[0]->query_next, 0);
	bed_close(bed);
}

TEST(a_session_that_ended_meanwhile_is_left_out)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command end = { .ticket = 4, .kind = SHARD_SESSION_END };
	struct shard_result got;

	list_slots(bed, BED_TERMINALS_MAX);
	end.session_id = bed->terminals[1].session_id;
	assert_true(spsc_ring_push(bed->workers[0]->rings.command, &end));
	ask(bed, 0, 5);
	assert_true(result(bed, 0, &got) && got.ticket == 4);
	assert_true(result(bed, 0, &got) && got.ticket == 5);
	assert_int_equal(area.sessions[1].session_id, 0);
	assert_int_equal(area.sessions[3].session_id, bed->terminals[3].session_id);
	bed_close(bed);
}

BED_MAIN()
