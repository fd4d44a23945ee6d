/* SPDX-License-Identifier: Apache-2.0 */
/* TERMINAL_SET: what control allows a terminal, beside what the terminal does. */
#include <errno.h>
#include <xxhash.h>

#include "tests/ledger/fixture.h"
#include "wire/codes.h"

#define TERMINAL 77

static struct ledger_command allow(
    uint64_t version, uint32_t rights, uint8_t blocked, int64_t daily_max)
{
	struct ledger_command command = {
		.type = EVENT_TERMINAL_SET, .terminal_id = TERMINAL, .control_sequence = 5
	};

	command.terminal.version = le64_make(version);
	command.terminal.rights = le32_make(rights);
	command.terminal.blocked = blocked;
	command.terminal.daily_max = le64s_make(daily_max);
	return command;
}

static struct ledger *world(void)
{
	struct ledger *ledger = fixture_create(64, 0);

	assert_true(fixture_account(ledger, 1000, 1000000, KRW) > 0);
	assert_true(fixture_market(ledger, 11, 1, 1, MARKET_OPEN, NOW + HOUR) > 0);
	return ledger;
}

/* Decides a bet of this stake; the code, with the event applied. */
static uint16_t bet(struct ledger *ledger, uint64_t request_id, int64_t stake, int64_t staked,
    int64_t daily_max, uint16_t currency)
{
	struct wire_request wire = { .template_id = WIRE_PLACE_BET, .request_id = request_id };
	struct ledger_request request = { .wire = &wire,
		.terminal_id = TERMINAL,
		.terminal_staked_today = staked,
		.terminal_daily_max = daily_max };
	struct event_buffer event;
	int length;

	wire.place_bet.account_id = 1000;
	wire.place_bet.stake = stake;
	wire.place_bet.deadline_ns = NO_DEADLINE;
	wire.place_bet.currency = currency;
	wire.place_bet.leg_count = 1;
	wire.place_bet.legs[0] = (struct wire_leg){ .market_id = 11, .odds = 2000 };
	length = ledger_decide(ledger, &request, NOW, &event);
	assert_true(length > 0);
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
	return fixture_code(&event);
}

TEST(terminal_without_a_command_has_all_rights_and_is_not_blocked)
{
	struct ledger *ledger = world();
	const struct terminal_row *row;

	assert_int_equal(bet(ledger, 1, 1000, 0, 0, KRW), WIRE_CODE_OK);
	row = ledger_terminal(ledger, TERMINAL);
	assert_int_equal(row->rights, RIGHT_ALL);
	assert_int_equal(row->blocked, 0);
	assert_int_equal(row->daily_max, 0);
	assert_int_equal(row->version, 0);
	ledger_free(ledger);
}

TEST(newer_versions_are_applied_older_ones_are_nothing_to_do)
{
	struct ledger *ledger = world();
	struct ledger_command command = allow(3, RIGHT_BET | RIGHT_MARKET, 0, 5000);
	const struct terminal_row *row;
	struct event_record record;
	struct event_buffer event;
	uint64_t before;
	int length;

	assert_int_equal(bet(ledger, 9, 1000, 0, 0, KRW), WIRE_CODE_OK);
	before = ledger_terminal(ledger, TERMINAL)->lsn;
	length = ledger_decide_command(ledger, &command, NOW, &event);
	assert_int_equal(length, sizeof(struct event_record) + sizeof(struct event_terminal));
	assert_int_equal(event_check(event.bytes, (size_t)length), 0);
	memcpy(&record, event.bytes, sizeof(record));
	assert_int_equal(le64_get(record.prev_terminal_lsn), before);
	assert_int_equal(le64_get(record.request_id), 0);
	assert_int_equal(le64_get(record.object_id), 5);
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
	row = ledger_terminal(ledger, TERMINAL);
	assert_int_equal(row->rights, RIGHT_BET | RIGHT_MARKET);
	assert_int_equal(row->daily_max, 5000);
	assert_int_equal(row->version, 3);
	/* What the terminal did stays. */
	assert_int_equal(row->highest_request_id, 9);
	assert_int_equal(row->staked_today, 1000);
	assert_int_equal(row->lsn, before + 1);
	assert_int_equal(ledger_balance_sum(ledger, KRW), 0);

	/* The same and older: done before. */
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	command = allow(2, 0, 1, 0);
	assert_int_equal(fixture_command(ledger, &command, NOW), 0);
	/* The event again, as replay over newer rows meets it. */
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
	assert_int_equal(row->version, 3);
	command = allow(4, 0, 1, 0);
	assert_true(fixture_command(ledger, &command, NOW) > 0);
	assert_int_equal(row->blocked, 1);
	assert_int_equal(row->rights, 0);
	/* And it goes on behind it. */
	assert_int_equal(bet(ledger, 10, 1000, 0, 0, KRW), WIRE_CODE_OK);
	ledger_free(ledger);
}

TEST(commands_out_of_range_are_refused)
{
	struct ledger *ledger = world();
	struct ledger_command command = allow(1, RIGHT_ALL, 0, 0);
	struct event_buffer event;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		command = allow(1, RIGHT_ALL, 0, 0);                                               \
		change;                                                                            \
		assert_int_equal(ledger_decide_command(ledger, &command, NOW, &event), -EINVAL);   \
	} while (0)
	REFUSED(command.terminal_id = 0);
	REFUSED(command.terminal_id = (uint64_t)LIMIT_TERMINAL_ID_MAX + 1);
	REFUSED(command.control_sequence = 0);
	REFUSED(command.terminal.version = le64_make(0));
	REFUSED(command.terminal.rights = le32_make(RIGHT_ALL + 1));
	REFUSED(command.terminal.blocked = 2);
	REFUSED(command.terminal.reserved[0] = 1);
	REFUSED(command.terminal.daily_max = le64s_make(-1));
	REFUSED(command.terminal.daily_max = le64s_make(LIMIT_BALANCE_MAX + 1));
#undef REFUSED
	assert_null(ledger_terminal(ledger, TERMINAL));
	ledger_free(ledger);
}

/* Each changed field of a good event makes it one that no ledger takes. */
TEST(malformed_events_are_refused)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} cases[] = {
		{ offsetof(struct event_record, code), 1 },
		{ offsetof(struct event_record, leg_count), 1 },
		{ offsetof(struct event_record, terminal_id), 0 },
		{ offsetof(struct event_record, terminal_id) + 4, 1 },
		{ offsetof(struct event_record, request_id), 1 },
		{ offsetof(struct event_record, body_hash), 1 },
		{ offsetof(struct event_record, account_id), 1 },
		{ offsetof(struct event_record, amount), 1 },
		{ offsetof(struct event_record, balance), 1 },
		{ offsetof(struct event_record, object_id), 0 },
		{ offsetof(struct event_record, flags), 1 },
		{ offsetof(struct event_record, length), 136 },
		{ 136 + offsetof(struct event_terminal, version), 0 },
		{ 136 + offsetof(struct event_terminal, rights) + 1, 0x10 },
		{ 136 + offsetof(struct event_terminal, blocked), 2 },
		{ 136 + offsetof(struct event_terminal, reserved), 1 },
		{ 136 + offsetof(struct event_terminal, daily_max) + 7, 0x80 },
	};
	struct ledger *ledger = world();
	struct ledger_command command = allow(1, RIGHT_ALL, 1, 0);
	struct event_buffer event, changed;
	int length = ledger_decide_command(ledger, &command, NOW, &event);

	assert_int_equal(event_check(event.bytes, (size_t)length), 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		memcpy(&changed, &event, sizeof(changed));
		changed.bytes[cases[i].offset] = cases[i].value;
		assert_case_equal(i, event_check(changed.bytes, (size_t)length), -EBADMSG);
	}
	/* Well formed, but not of this state. */
	memcpy(&changed, &event, sizeof(changed));
	changed.bytes[offsetof(struct event_record, prev_terminal_lsn)] = 1;
	assert_int_equal(ledger_apply(ledger, changed.bytes, (size_t)length), -EBADMSG);
	assert_null(ledger_terminal(ledger, TERMINAL));
	ledger_free(ledger);
}

/* In the rules' currency; the default of the rules is 1,000,000,000 a day. */
TEST(the_lower_of_the_terminals_and_the_rules_daily_limit_holds)
{
	static const struct {
		int64_t staked, daily_max, stake;
		uint16_t code;
	} cases[] = {
		{ 0, 0, 5000, WIRE_CODE_OK },
		{ 0, 5000, 5000, WIRE_CODE_OK },
		{ 0, 4999, 5000, WIRE_CODE_LIMIT_TERMINAL_DAILY },
		{ 1, 5000, 5000, WIRE_CODE_LIMIT_TERMINAL_DAILY },
		{ 999999999, 0, 5000, WIRE_CODE_LIMIT_TERMINAL_DAILY },
		{ 999999999, LIMIT_BALANCE_MAX, 5000, WIRE_CODE_LIMIT_TERMINAL_DAILY },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct ledger *ledger = world();

		assert_case_equal(i,
		    bet(ledger, 1, cases[i].stake, cases[i].staked, cases[i].daily_max, KRW),
		    cases[i].code);
		ledger_free(ledger);
	}
}

/* Applies what was decided, with this flag or without; the terminal's stakes of the day after it.
 */
static int64_t counted(
    struct ledger *ledger, const struct wire_request *wire, int older, struct event_buffer *event)
{
	struct ledger_request request = { .wire = wire, .terminal_id = TERMINAL };
	struct event_record record;
	int length = ledger_decide(ledger, &request, NOW, event);

	assert_true(length > 0);
	assert_int_equal(fixture_code(event), WIRE_CODE_OK);
	memcpy(&record, event->bytes, sizeof(record));
	assert_int_equal(record.flags, EVENT_FLAG_UNCOUNTED);
	if (older)
		record.flags = 0;
	memcpy(event->bytes, &record, sizeof(record));
	assert_int_equal(ledger_apply(ledger, event->bytes, (size_t)length), 0);
	return ledger_terminal(ledger, TERMINAL)->staked_today;
}

/* The day counts stakes in the rules' currency; events of older logs count in any, as they did. */
TEST(stakes_in_other_currencies_are_no_part_of_the_terminals_day)
{
	for (int older = 0; older <= 1; older++) {
		struct ledger *ledger = world();
		struct wire_request wire = { .template_id = WIRE_PLACE_BET, .request_id = 2 };
		struct event_buffer event;

		assert_true(fixture_account(ledger, 1001, 1000000, 840) > 0);
		assert_int_equal(bet(ledger, 1, 1000, 0, 0, KRW), WIRE_CODE_OK);
		wire.place_bet.account_id = 1001;
		wire.place_bet.stake = 300;
		wire.place_bet.deadline_ns = NO_DEADLINE;
		wire.place_bet.currency = 840;
		wire.place_bet.leg_count = 1;
		wire.place_bet.legs[0] = (struct wire_leg){ .market_id = 11, .odds = 2000 };
		assert_int_equal(counted(ledger, &wire, older, &event), 1000 + 300 * older);
		wire = (struct wire_request){ .template_id = WIRE_CANCEL_BET,
			.request_id = 3,
			.cancel_bet = { .bet_id = le64_get(fixture_record(&event).object_id),
			    .deadline_ns = NO_DEADLINE } };
		assert_int_equal(counted(ledger, &wire, older, &event), 1000);
		ledger_free(ledger);
	}
}

TEST_MAIN()
