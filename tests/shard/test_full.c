/* SPDX-License-Identifier: Apache-2.0 */
/* What is full: answered BUSY or kept, never lost and never done twice. */
#include <rte_mempool.h>

#include "tests/shard/bed.h"

/* Balance questions in whole datagrams of a terminal, taken in by one turn. */
static void ask_balances(struct bed *bed, unsigned terminal, uint64_t account, unsigned count)
{
	struct wire_request requests[LIMIT_MESSAGES_PER_DATAGRAM];

	for (unsigned sent = 0; sent < count;) {
		int now = 0;

		while (now < LIMIT_MESSAGES_PER_DATAGRAM && sent + (unsigned)now < count) {
			requests[now] = bed_balance(1 + sent + (unsigned)now, account);
			now++;
		}
		bed_send_all(bed, terminal, requests, now);
		sent += (unsigned)now;
		if (sent % (16 * LIMIT_MESSAGES_PER_DATAGRAM) == 0 || sent == count)
			bed_turn(bed, bed->terminals[terminal].home);
	}
}

static uint64_t drops(const struct bed *bed, enum drop_reason reason)
{
	return stats_get(&bed->workers[0]->stats.drops[reason]);
}

TEST(answers_a_full_port_does_not_take_wait_and_leave_in_order)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), start = bed_lsn(bed, 0);
	const struct worker_stats *stats = &bed->workers[0]->stats;

	bed->port.limited = 1;
	bed->port.room = 3;
	for (uint64_t id = 1; id <= 40; id++) {
		bed_send(bed, 0, bed_bet(id, account, 100));
		bed_settle(bed, 1);
	}
	assert_int_equal(bed_waiting(bed), 3);
	assert_int_equal(stats_get(&stats->datagrams_held), 37);
	/* Room again: the oldest first, and what comes meanwhile stays behind them. */
	bed->port.room = 20;
	bed_send(bed, 0, bed_bet(41, account, 100));
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 23);
	bed->port.limited = 0;
	bed_settle(bed, 1);
	for (uint64_t id = 1; id <= 41; id++) {
		struct wire_reply reply = bed_take(bed);

		assert_int_equal(reply.request_id, id);
		assert_int_equal(reply.lsn, start + id);
	}
	assert_int_equal(drops(bed, DROP_TX_FULL), 0);
	bed_close(bed);
}

TEST(a_port_that_stays_full_keeps_its_share_of_the_buffers_and_no_more)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);
	const struct worker_stats *stats = &bed->workers[0]->stats;
	unsigned share = bed->shared.pool->size / 8, asked = share + 50;

	bed->port.limited = 1;
	bed->port.room = 0;
	for (unsigned id = 1; id <= asked; id++) {
		bed_send(bed, 0, bed_balance(id, account));
		bed_settle(bed, 1);
		bed->now_ns += SECOND / 10;
	}
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(stats_get(&stats->datagrams_held), share);
	assert_int_equal(drops(bed, DROP_TX_FULL), 50);
	bed->port.limited = 0;
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), share);
	for (unsigned id = 1; id <= share; id++)
		assert_int_equal(bed_take(bed).request_id, id);
	bed_close(bed);
}

TEST(a_full_pending_table_is_busy_and_lets_nothing_in)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), start = bed_lsn(bed, 0);
	uint32_t room = 0;

	bed_send(bed, 0, bed_bet(1, account, 5000));
	/* Each balance waits behind the bet. */
	while (!worker_pending_full(bed->workers[0])) {
		ask_balances(bed, 1, account, 256);
		bed->now_ns += SECOND;
		assert_true(++room < 100);
	}
	while (bed_waiting(bed) != 0) /* the overhang of the last round */
		assert_int_equal(bed_take(bed).code, WIRE_CODE_BUSY);
	room = bed->workers[0]->pending_tail - bed->workers[0]->pending_head;
	assert_true(room < PENDING_MAX);

	bed_send(bed, 0, bed_bet(2, account, 6000));
	(void)bed_take_only(bed, 2, WIRE_CODE_BUSY);
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_FREE);
	assert_int_equal(bed_window(bed, 0)->staked_today, 5000);
	bed_send(bed, 0, bed_balance(3, account));
	(void)bed_take_only(bed, 3, WIRE_CODE_BUSY);
	assert_int_equal(bed_lsn(bed, 0), start + 1);

	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), room);
	assert_int_equal(bed_take(bed).lsn, start + 1);
	while (bed_waiting(bed) != 0)
		assert_int_equal(bed_take(bed).balance, BED_OPENING - 5000);
	bed_send(bed, 0, bed_bet(2, account, 6000));
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 2, WIRE_CODE_OK);
	bed_close(bed);
}

TEST(a_full_request_ring_is_busy_and_gives_the_stake_back)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t far = bed_account(bed, 1, 0), near = bed_account(bed, 0, 0);
	uint64_t start = bed_lsn(bed, 1);

	ask_balances(bed, 1, far, RING_REQUEST_COUNT);
	assert_int_equal(bed_waiting(bed), 0);
	bed_send(bed, 0, bed_bet(1, far, 5000));
	(void)bed_take_only(bed, 1, WIRE_CODE_BUSY);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_FREE);
	assert_int_equal(bed_window(bed, 0)->staked_today, 0);
	bed_send(bed, 0, bed_balance(7, far));
	(void)bed_take_only(bed, 7, WIRE_CODE_BUSY);
	/* Accounts at home do not suffer. */
	bed_send(bed, 0, bed_bet(2, near, 100));
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_RUNNING);

	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), RING_REQUEST_COUNT + 1);
	while (bed_waiting(bed) != 0)
		assert_int_equal(bed_take(bed).code, WIRE_CODE_OK);
	assert_int_equal(bed_lsn(bed, 1), start);
	bed_send(bed, 0, bed_bet(1, far, 5000));
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(bed_lsn(bed, 1), start + 1);
	assert_int_equal(bed_window(bed, 0)->staked_today, 5100);
	bed_close(bed);
}

TEST(a_full_answer_ring_keeps_outcomes_and_delivers_them_later)
{
	struct bed *bed = bed_open(2, 0);
	struct spsc_ring *ring = bed->workers[1]->rings.answer_out[0];
	uint64_t far = bed_account(bed, 1, 0), start = bed_lsn(bed, 1);
	struct outcome filler;
	struct wire_reply reply;

	for (uint64_t id = 1; id <= 5; id++)
		bed_send(bed, 0, bed_bet(id, far, 100));
	memset(&filler, 0, sizeof(filler));
	filler.origin.no_reply = 1; /* goes nowhere */
	while (spsc_ring_push(ring, &filler))
		;
	bed_turn(bed, 1);
	fake_journal_complete_all(bed->journals[1]);
	for (int i = 0; i < 3; i++)
		bed_turn(bed, 1);
	assert_int_equal(bed->workers[1]->durable_lsn, start + 5);
	assert_int_equal(bed->workers[1]->pending_tail - bed->workers[1]->pending_head, 5);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_RUNNING);

	/* Room for two. */
	assert_true(spsc_ring_pop(ring, &filler) && spsc_ring_pop(ring, &filler));
	bed_turn(bed, 1);
	assert_int_equal(bed->workers[1]->pending_tail - bed->workers[1]->pending_head, 3);
	bed_turn(bed, 0);
	assert_int_equal(bed_waiting(bed), 2);
	bed_settle(bed, 0);
	assert_int_equal(bed_waiting(bed), 5);
	for (uint64_t id = 1; id <= 5; id++) {
		reply = bed_take(bed);
		assert_int_equal(reply.request_id, id);
		assert_int_equal(reply.lsn, start + id);
		assert_int_equal(bed_state(bed, 0, id), WINDOW_DONE);
	}
	bed_close(bed);
}

/* An outcome that is durable already does not overtake or push out what a full ring holds up. */
TEST(a_read_behind_a_full_answer_ring_waits_too)
{
	struct bed *bed = bed_open(2, 0);
	struct spsc_ring *ring = bed->workers[1]->rings.answer_out[0];
	struct outcome filler;

	memset(&filler, 0, sizeof(filler));
	filler.origin.no_reply = 1;
	while (spsc_ring_push(ring, &filler))
		;
	bed_send(bed, 0, bed_balance(1, bed_account(bed, 1, 0)));
	/* Home has drained its ring in that turn: fill it again. */
	while (spsc_ring_push(ring, &filler))
		;
	bed_turn(bed, 1);
	assert_int_equal(bed->workers[1]->pending_tail - bed->workers[1]->pending_head, 1);
	bed_settle(bed, 0);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	bed_close(bed);
}

BED_MAIN()
