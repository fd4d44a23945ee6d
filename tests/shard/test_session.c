/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that end while things are on their way: by control, or by their time. */
#include <errno.h>

#include "tests/shard/bed.h"

static int32_t command(struct bed *bed, uint32_t shard, struct shard_command what, int send_only)
{
	struct shard_result result;

	what.ticket = 77;
	assert_true(spsc_ring_push(bed->workers[shard]->rings.command, &what));
	if (send_only)
		return 0;
	bed_turn(bed, shard);
	assert_true(spsc_ring_pop(bed->workers[shard]->rings.result, &result));
	assert_int_equal(result.ticket, 77);
	return result.error;
}

static struct shard_command end_of(const struct bed *bed, unsigned terminal)
{
	return (struct shard_command){ .kind = SHARD_SESSION_END,
		.session_id = bed->terminals[terminal].session_id };
}

static int32_t install(struct bed *bed, unsigned terminal, uint64_t expires_ns)
{
	struct shard_command again = { .kind = SHARD_SESSION_INSTALL };

	again.install = bed_install(&bed->terminals[terminal]);
	again.install.expires_ns = expires_ns;
	return command(bed, bed->terminals[terminal].home, again, 0);
}

static uint64_t dropped(const struct bed *bed, enum drop_reason reason)
{
	return stats_get(&bed->workers[0]->stats.drops[reason]);
}

static uint64_t lost(const struct bed *bed)
{
	return stats_get(&bed->workers[0]->stats.answers_lost);
}

/* With the clock set back, deadlines made of the time in answers were all long past. */
TEST(switch_time_never_goes_back_and_meets_the_clock_again)
{
	struct bed *bed = bed_open(1, 0);
	const struct worker *worker = bed->workers[0];
	uint64_t told_ns, before_ns;
	unsigned turns = 0;

	bed_turn(bed, 0);
	told_ns = worker->now_ns;
	assert_int_equal(told_ns, bed->now_ns);
	bed->now_ns -= 100 * SECOND;
	for (before_ns = told_ns; worker->now_ns != bed->now_ns; before_ns = worker->now_ns) {
		bed_turn(bed, 0);
		assert_true(worker->now_ns >= before_ns);
		assert_true(turns++ < 1000);
		bed->now_ns += SECOND / 2;
		if (turns == 10)
			assert_in_range(worker->now_ns, told_ns + 2 * SECOND, told_ns + 3 * SECOND);
	}
	assert_in_range(turns, 390, 410); /* at half speed twice as long */
	bed->now_ns += 1000 * SECOND;
	bed_turn(bed, 0);
	assert_int_equal(worker->now_ns, bed->now_ns);
	bed_close(bed);
}

TEST(nothing_is_sealed_for_a_session_that_has_ended)
{
	struct bed *bed = bed_open(2, 0);
	struct shard_result result;

	/* One answer waits for the disk, one request is at the other shard. */
	bed_send(bed, 0, bed_bet(1, bed_account(bed, 0, 0), 100));
	bed_send(bed, 0, bed_bet(2, bed_account(bed, 1, 0), 100));
	/* The result comes in order behind the answers that wait; the end is now. */
	(void)command(bed, 0, end_of(bed, 0), 1);
	bed_turn(bed, 0);
	/* A datagram that was in a ring or queue is not opened. */
	bed_send(bed, 0, bed_balance(3, bed_account(bed, 0, 0)));
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(lost(bed), 2);
	assert_int_equal(dropped(bed, DROP_UNKNOWN_SESSION), 1);
	assert_true(spsc_ring_pop(bed->workers[0]->rings.result, &result));
	assert_int_equal(result.error, 0);
	assert_int_equal(command(bed, 0, end_of(bed, 0), 0), -ENOENT);
	/* What was decided stays decided. */
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_DONE);
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_DONE);
	bed_close(bed);
}

/* The answer lies open in the turn that ends its session and gives the slot to another terminal. */
TEST(an_open_answer_never_reaches_the_next_holder_of_the_slot)
{
	struct bed *bed = bed_open(1, 0);
	struct bed_terminal next = bed->terminals[1];
	struct shard_command give = { .kind = SHARD_SESSION_INSTALL };
	struct wire_request balance = bed_balance(1, bed_account(bed, 0, 0));
	struct shard_result result;

	next.session_id = bed->terminals[0].session_id + (1u << LIMIT_SESSION_SLOT_BITS);
	give.install = bed_install(&next);
	bed_send_all(bed, 0, &balance, 1);
	(void)command(bed, 0, end_of(bed, 0), 1);
	(void)command(bed, 0, give, 1);
	bed_turn(bed, 0);
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(lost(bed), 1);
	for (int i = 0; i < 2; i++) {
		assert_true(spsc_ring_pop(bed->workers[0]->rings.result, &result));
		assert_int_equal(result.error, 0);
	}
	/* An open answer of somebody else is left alone. */
	bed_send_all(bed, 1, &balance, 1);
	give = (struct shard_command){ .kind = SHARD_SESSION_END, .session_id = next.session_id };
	assert_int_equal(command(bed, 0, give, 0), 0);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	bed_close(bed);
}

TEST(a_session_past_its_time_is_unknown)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);

	assert_int_equal(install(bed, 0, bed->now_ns), -EINVAL); /* over already */
	assert_int_equal(install(bed, 0, bed->now_ns + 1000), 0);
	bed->now_ns += 999;
	bed_send(bed, 0, bed_bet(1, account, 100));
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_RUNNING);
	bed->now_ns += 1;
	/* Neither the answer that became durable after it, nor a RESET, nor anything new. */
	bed_send(bed, 0, bed_balance(2, account));
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(lost(bed), 1);
	assert_int_equal(dropped(bed, DROP_SESSION_EXPIRED), 1);
	assert_int_equal(stats_get(&bed->workers[0]->stats.resets_sent), 0);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_DONE);
	/* The same session does not come back; a later generation does. */
	assert_int_equal(install(bed, 0, 0), -EEXIST);
	bed->terminals[0].session_id += 1u << LIMIT_SESSION_SLOT_BITS;
	bed->terminals[0].packet_number = 0;
	assert_int_equal(install(bed, 0, 0), 0);
	bed_close(bed);
}

TEST(sessions_past_their_time_are_wiped_and_their_slots_freed)
{
	struct bed *bed = bed_open(1, 0);
	struct session_table *sessions = bed->workers[0]->sessions;

	assert_int_equal(session_count(sessions), BED_TERMINALS_MAX);
	assert_int_equal(install(bed, 0, bed->now_ns + 1000), 0);
	assert_int_equal(install(bed, 2, bed->now_ns + 2000000000), 0);
	bed->now_ns += 1000000000;
	bed_turn(bed, 0);
	assert_int_equal(session_count(sessions), BED_TERMINALS_MAX - 1);
	assert_null(session_find(sessions, bed->terminals[0].session_id));
	assert_int_equal(atomic_load(&bed->slot_home[0]), 0xff);
	assert_int_equal(atomic_load(&bed->slot_home[2]), 0);
	/* Prolonged in time. */
	assert_int_equal(install(bed, 2, bed->now_ns + 9000000000), 0);
	bed->now_ns += 2000000000;
	bed_turn(bed, 0);
	assert_int_equal(session_count(sessions), BED_TERMINALS_MAX - 1);
	bed_close(bed);
}

TEST(a_session_ends_beside_a_long_range_of_accounts)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command open = { .kind = SHARD_ACCOUNTS_OPEN };
	struct ledger_command none = { .type = EVENT_COMMAND_MARK, .control_sequence = 2 };
	struct shard_command after = { .kind = SHARD_LEDGER, .ledger = none };

	open.accounts.first = 500000;
	open.accounts.count = 2 * WORKER_ACCOUNTS_PER_TURN;
	open.accounts.control_sequence = 1;
	open.accounts.currency = KRW;
	(void)command(bed, 0, open, 1);
	bed_turn(bed, 0);
	assert_int_equal(bed->workers[0]->range.ticket, 77);
	assert_int_equal(command(bed, 0, end_of(bed, 0), 0), 0);
	/* The next number waits for the range. */
	(void)command(bed, 0, after, 1);
	bed_settle(bed, 1);
	bed_settle(bed, 1);
	assert_int_equal(ledger_shard(bed->workers[0]->ledger)->control_sequence, 2);
	bed_close(bed);
}

BED_MAIN()
