/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered commands: what they hold up, when they count as done, what is found before they begin.
 */
#include <errno.h>

#include "tests/shard/bed.h"

#define FIRST 500000ull

static void push(struct bed *bed, uint32_t shard, uint64_t ticket, struct shard_command command)
{
	command.ticket = ticket;
	assert_true(spsc_ring_push(bed->workers[shard]->rings.command, &command));
}

static struct shard_command range(uint64_t sequence, uint64_t count, int64_t balance)
{
	struct shard_command command = { .kind = SHARD_ACCOUNTS_OPEN };

	command.accounts.first = FIRST;
	command.accounts.count = count;
	command.accounts.control_sequence = sequence;
	command.accounts.currency = KRW;
	command.accounts.opening_balance = balance;
	return command;
}

static struct shard_command none(uint64_t sequence)
{
	struct ledger_command mark = { .type = EVENT_COMMAND_MARK, .control_sequence = sequence };

	return (struct shard_command){ .kind = SHARD_LEDGER, .ledger = mark };
}

static struct shard_command freeze(uint64_t sequence, uint64_t account)
{
	struct ledger_command command = { .type = EVENT_ACCOUNT_FREEZE,
		.account_id = account,
		.flags = EVENT_FLAG_FROZEN,
		.control_sequence = sequence };

	return (struct shard_command){ .kind = SHARD_LEDGER, .ledger = command };
}

static struct shard_command checked(struct shard_command command, enum shard_check check)
{
	command.check = check;
	return command;
}

static struct shard_command end_of(uint32_t session_id)
{
	return (struct shard_command){ .kind = SHARD_SESSION_END, .session_id = session_id };
}

/* The next result, which must be of this ticket. */
static struct shard_result answered(struct bed *bed, uint32_t shard, uint64_t ticket)
{
	struct shard_result result;

	assert_true(spsc_ring_pop(bed->workers[shard]->rings.result, &result));
	assert_int_equal(result.ticket, ticket);
	return result;
}

static int silent(struct bed *bed, uint32_t shard)
{
	return spsc_ring_count(bed->workers[shard]->rings.result) == 0;
}

/* Turns of shard 0 until it has answered; the disk writes nothing meanwhile. */
static int32_t ask(struct bed *bed, struct shard_command command)
{
	push(bed, 0, 9, command);
	for (int i = 0; i < 1000 && silent(bed, 0); i++)
		bed_turn(bed, 0);
	return answered(bed, 0, 9).error;
}

static uint64_t durable(const struct bed *bed)
{
	return stats_get(&bed->workers[0]->stats.control_sequence);
}

static uint64_t applied(const struct bed *bed)
{
	return stats_get(&bed->workers[0]->stats.control_sequence_applied);
}

static uint64_t accounts(const struct bed *bed, uint32_t shard)
{
	struct ledger_totals totals;

	ledger_totals(bed->workers[shard]->ledger, &totals);
	return totals.accounts;
}

TEST(numbered_commands_that_meet_a_range_hold_nothing_else_up)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t before = accounts(bed, 0);

	push(bed, 0, 1, range(1, 4 * WORKER_ACCOUNTS_PER_TURN, 0));
	push(bed, 0, 2, none(2));
	push(bed, 0, 3, end_of(bed->terminals[0].session_id));
	bed_turn(bed, 0);
	assert_int_equal(bed->workers[0]->range.ticket, 1);
	assert_int_equal(bed->workers[0]->waiting.ticket, 2);
	assert_int_equal(answered(bed, 0, 3).error, 0);
	/* Later ones too, until the range is over; a third number keeps its place in the ring. */
	push(bed, 0, 4, end_of(bed->terminals[1].session_id));
	bed_turn(bed, 0);
	assert_int_equal(bed->workers[0]->range.ticket, 1);
	assert_int_equal(answered(bed, 0, 4).error, 0);
	push(bed, 0, 5, none(3));
	bed_settle(bed, 1);
	for (uint64_t ticket = 1; ticket <= 5; ticket += ticket == 2 ? 3 : 1) {
		struct shard_result result = answered(bed, 0, ticket);

		assert_int_equal(result.error, 0);
		assert_int_equal(result.already, 0);
	}
	assert_int_equal(durable(bed), 3);
	assert_int_equal(accounts(bed, 0), before + 4 * WORKER_ACCOUNTS_PER_TURN);
	assert_int_equal(bed->workers[0]->waiting.ticket, 0);
	bed_close(bed);
}

TEST(a_full_journal_holds_up_numbered_commands_alone)
{
	struct bed *bed = bed_open(1, 0);

	fake_journal_refuse(bed->journals[0], 4);
	push(bed, 0, 1, none(1));
	push(bed, 0, 2, end_of(bed->terminals[0].session_id));
	bed_turn(bed, 0);
	assert_int_equal(answered(bed, 0, 2).error, 0);
	bed_settle(bed, 1);
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 0, 1).error, 0);
	bed_close(bed);
}

TEST(a_number_is_published_when_its_mark_is_durable)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t lsn;

	push(bed, 0, 1, none(1));
	bed_settle(bed, 0);
	lsn = bed_lsn(bed, 0);
	assert_int_equal(applied(bed), 1);
	assert_int_equal(durable(bed), 0);
	/* Asked again: it was done before, but is not to be told yet. */
	push(bed, 0, 2, none(1));
	push(bed, 0, 3, none(2));
	bed_settle(bed, 0);
	assert_true(silent(bed, 0));
	assert_int_equal(applied(bed), 2);
	fake_journal_complete(bed->journals[0], lsn);
	bed_turn(bed, 0);
	assert_int_equal(durable(bed), 1);
	assert_int_equal(answered(bed, 0, 1).already, 0);
	bed_settle(bed, 1);
	assert_int_equal(durable(bed), 2);
	assert_int_equal(answered(bed, 0, 2).already, 1);
	assert_int_equal(answered(bed, 0, 3).already, 0);
	bed_close(bed);
}

TEST(many_marks_on_their_way_to_the_disk_are_published_in_the_end)
{
	struct bed *bed = bed_open(1, 0);
	unsigned count = 3 * WORKER_MARKS_MAX;

	for (unsigned i = 1; i <= count; i++) {
		push(bed, 0, i, none(i));
		bed_turn(bed, 0);
		assert_int_equal(durable(bed), 0);
	}
	for (unsigned i = 1; i <= count; i++) {
		fake_journal_complete(bed->journals[0], bed->start_lsn[0] + i);
		bed_turn(bed, 0);
		/* Never ahead of the disk. */
		assert_true(durable(bed) <= i);
		assert_int_equal(answered(bed, 0, i).error, 0);
	}
	assert_int_equal(durable(bed), count);
	bed_close(bed);
}

TEST(a_refusal_that_uses_up_its_number_waits_for_the_mark)
{
	struct bed *bed = bed_open(1, 0);

	push(bed, 0, 1, freeze(1, FIRST));
	bed_settle(bed, 0);
	assert_true(silent(bed, 0));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 0, 1).error, -ENOENT);
	assert_int_equal(durable(bed), 1);
	bed_close(bed);
}

/* Otherwise it would be sent again for ever, and all later ones wait for it. */
TEST(a_malformed_command_of_any_type_uses_up_its_number_on_all_shards)
{
	static const uint16_t types[] = { EVENT_ACCOUNT_OPEN, EVENT_MARKET_SET, EVENT_RULES_SET,
		EVENT_TERMINAL_SET, EVENT_ADJUST, EVENT_BET_VOID, EVENT_MARKET_RESULT,
		EVENT_PARTNER_SET };
	struct bed *bed = bed_open(2, 0);
	uint64_t sequence = 0;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(types); i++) {
		struct shard_command command = { .kind = SHARD_LEDGER };
		int refused = 0;

		command.ledger.type = types[i];
		command.ledger.control_sequence = ++sequence;
		for (uint32_t shard = 0; shard < 2; shard++)
			push(bed, shard, sequence, command);
		bed_settle(bed, 1);
		for (uint32_t shard = 0; shard < 2; shard++) {
			int32_t error = answered(bed, shard, sequence).error;

			/* What is about a row of one shard is not looked at by the other. */
			assert_true(error == -EINVAL || error == 0);
			refused += error == -EINVAL;
			assert_case_equal(
			    i, stats_get(&bed->workers[shard]->stats.control_sequence), sequence);
		}
		assert_true(refused >= 1);
	}
	for (uint32_t shard = 0; shard < 2; shard++)
		push(bed, shard, 99, none(sequence + 1));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 0, 99).error, 0);
	assert_int_equal(durable(bed), sequence + 1);
	bed_close(bed);
}

TEST(done_before_cannot_be_told_after_a_failed_write)
{
	struct bed *bed = bed_open(1, 0);

	push(bed, 0, 1, none(1));
	bed_settle(bed, 0);
	fake_journal_fail(bed->journals[0], EIO);
	assert_int_equal(bed->workers[0]->results_pending, 1);
	bed->workers[0]->pending_head = bed->workers[0]->pending_tail; /* the first asker's */
	bed->workers[0]->results_pending = 0;
	assert_int_equal(ask(bed, none(1)), -EIO);
	assert_int_equal(durable(bed), 0);
	bed_close(bed);
}

TEST(a_check_tells_what_would_happen_and_changes_nothing)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t lsn = bed_lsn(bed, 0), here = bed_account(bed, 0, 50),
	         there = bed_account(bed, 1, 50);
	/* 4096 rows of a table; the bed uses one market and a few accounts. */
	const struct {
		struct shard_command command;
		int error;
	} cases[] = {
		{ range(1, 1000, 5), 0 },
		{ range(1, 20000, 5), -EBUSY },
		{ range(1, 40, LIMIT_BALANCE_MAX), 0 },
		{ freeze(1, bed_account(bed, 0, 0)), 0 },
		{ freeze(1, here), -ENOENT },
		{ freeze(1, there), 0 }, /* the other shard knows */
		{ none(1), 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		assert_case_equal(
		    i, ask(bed, checked(cases[i].command, SHARD_CHECK_DRY_RUN)), cases[i].error);
		assert_case_equal(
		    i, ask(bed, checked(cases[i].command, SHARD_CHECK)), cases[i].error);
	}
	assert_int_equal(bed_lsn(bed, 0), lsn);
	assert_int_equal(applied(bed), 0);
	bed_close(bed);
}

TEST(a_market_too_many_is_found_by_a_check)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command command = { .kind = SHARD_LEDGER };
	struct ledger *ledger = bed->workers[0]->ledger;

	/* Until the table is full; the worker is not asked in between. */
	for (uint64_t id = 1;
	     fixture_market(ledger, id, 90, 1 + id, MARKET_OPEN, NOW + 100 * HOUR) >= 0; id++)
		;
	command.ledger = fixture_market_command(100000, 90, 100000, MARKET_OPEN, NOW + 100 * HOUR);
	command.ledger.control_sequence = 1;
	assert_int_equal(ask(bed, checked(command, SHARD_CHECK_DRY_RUN)), -EBUSY);
	assert_int_equal(ask(bed, checked(command, SHARD_CHECK)), -EBUSY);
	command.ledger.market_id = 7;
	assert_int_equal(ask(bed, checked(command, SHARD_CHECK)), 0);
	bed_close(bed);
}

TEST(a_range_that_does_not_fit_opens_no_account)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t lsn = bed_lsn(bed, 0), before = accounts(bed, 0);
	struct shard_command dollars;

	assert_int_equal(ask(bed, range(1, 5000, 5)), -EBUSY);
	assert_int_equal(bed_lsn(bed, 0), lsn);
	assert_int_equal(accounts(bed, 0), before);
	/* One that fits is done, and what of it is open takes no further room. */
	push(bed, 0, 1, range(1, 4000, 5));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 0, 1).error, 0);
	assert_int_equal(accounts(bed, 0), before + 4000);
	push(bed, 0, 2, range(2, 4010, 5));
	bed_settle(bed, 1);
	assert_int_equal(answered(bed, 0, 2).error, 0);
	assert_int_equal(accounts(bed, 0), before + 4010);
	/* Done before: whether it would fit now does not matter, but to a dry run. */
	assert_int_equal(ask(bed, checked(range(1, 9000, 5), SHARD_CHECK)), 0);
	/* In another currency than some of them have: refused, unless its number is done. */
	dollars = range(3, 4001, 0);
	dollars.accounts.currency = 840;
	assert_int_equal(ask(bed, checked(dollars, SHARD_CHECK)), -EALREADY);
	assert_int_equal(ask(bed, checked(dollars, SHARD_CHECK_DRY_RUN)), -EALREADY);
	dollars.accounts.control_sequence = 1;
	assert_int_equal(ask(bed, checked(dollars, SHARD_CHECK)), 0);
	assert_int_equal(ask(bed, checked(range(1, 9000, 5), SHARD_CHECK_DRY_RUN)), -EBUSY);
	bed_close(bed);
}

TEST(an_id_that_was_ended_before_it_came_is_not_installed)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command install = { .kind = SHARD_SESSION_INSTALL };
	struct bed_terminal next = bed->terminals[0];
	uint32_t generation = 1u << LIMIT_SESSION_SLOT_BITS;

	/* The second of the slot is ended while the first lives, the first after it. */
	next.session_id += generation;
	assert_int_equal(ask(bed, end_of(next.session_id)), -ENOENT);
	assert_int_equal(ask(bed, end_of(bed->terminals[0].session_id)), 0);
	install.install = bed_install(&next);
	assert_int_equal(ask(bed, install), -EEXIST);
	/* In an empty slot as well. */
	next.session_id += generation;
	assert_int_equal(ask(bed, end_of(next.session_id)), -ENOENT);
	install.install.session_id = next.session_id;
	assert_int_equal(ask(bed, install), -EEXIST);
	/* An earlier one does not undo it; a later one lives. */
	assert_int_equal(ask(bed, end_of(next.session_id - generation)), -ENOENT);
	assert_int_equal(ask(bed, install), -EEXIST);
	install.install.session_id += generation;
	assert_int_equal(ask(bed, install), 0);
	/* Slots that are not there. */
	assert_int_equal(ask(bed, end_of(BED_TERMINALS_MAX | generation)), -ENOENT);
	bed_close(bed);
}

BED_MAIN()
