/* SPDX-License-Identifier: Apache-2.0 */
/* Two workers: home and account apart; deadlines; what a terminal may stake in a day. */
#include "tests/shard/bed.h"

static struct event_record event_at(const struct bed *bed, uint32_t shard, uint64_t lsn)
{
	const struct event_buffer *event = fake_journal_event(bed->journals[shard], lsn);
	struct event_record record;

	assert_non_null(event);
	memcpy(&record, event->bytes, sizeof(record));
	return record;
}

static uint16_t outcome(struct bed *bed, struct wire_request request, struct wire_reply *reply)
{
	struct wire_reply taken;

	bed_send(bed, 0, request);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 1);
	taken = bed_take(bed);
	assert_int_equal(taken.request_id, request.request_id);
	if (reply != NULL)
		*reply = taken;
	return taken.code;
}

TEST(a_bet_is_decided_at_the_accounts_shard_and_completed_at_home)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t far = bed_account(bed, 1, 0);
	uint64_t start[2] = { bed_lsn(bed, 0), bed_lsn(bed, 1) };
	struct wire_reply reply, again;
	struct event_record record;

	bed_send(bed, 0, bed_bet(1, far, 5000));
	assert_int_equal(bed_lsn(bed, 1), start[1]);
	bed_turn(bed, 1);
	assert_int_equal(bed_lsn(bed, 1), start[1] + 1);
	assert_int_equal(ledger_account(bed->workers[1]->ledger, far)->balance, BED_OPENING - 5000);
	bed_settle(bed, 0);
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_RUNNING);
	bed_send(bed, 0, bed_bet(1, far, 5000));
	(void)bed_take_only(bed, 1, WIRE_CODE_IN_PROGRESS);

	/* Home's own journal does not matter, the account's does. */
	bed_send(bed, 0, bed_bet(2, bed_account(bed, 0, 0), 100));
	fake_journal_complete(bed->journals[1], start[1] + 1);
	bed_settle(bed, 0);
	reply = bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(reply.shard, 1);
	assert_int_equal(reply.lsn, start[1] + 1);
	assert_int_equal(bed->shared.buckets.shard[ids_bucket_of_printed(reply.object_id)], 1);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_DONE);
	assert_int_equal(bed_state(bed, 0, 2), WINDOW_RUNNING);
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 2, WIRE_CODE_OK);

	record = event_at(bed, 1, start[1] + 1);
	assert_int_equal(le64_get(record.terminal_id), bed->terminals[0].id);
	assert_int_equal(le64_get(record.request_id), 1);
	assert_int_equal(bed_lsn(bed, 0), start[0] + 1);

	/* Asked again, home answers alone. */
	bed_send(bed, 0, bed_bet(1, far, 5000));
	again = bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(again.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	assert_int_equal(again.shard, 1);
	assert_int_equal(again.lsn, reply.lsn);
	assert_int_equal(again.object_id, reply.object_id);
	assert_int_equal(again.balance, reply.balance);
	assert_int_equal(bed_lsn(bed, 1), start[1] + 1);

	/* Status and cancellation find the bet by its printed id. */
	assert_int_equal(outcome(bed, bed_bet_status(3, reply.object_id), &again), WIRE_CODE_OK);
	assert_int_equal(again.shard, 1);
	assert_int_equal(again.bet_status.account_id, far);
	assert_int_equal(outcome(bed, bed_cancel(4, reply.object_id), &again), WIRE_CODE_OK);
	assert_int_equal(again.balance, BED_OPENING);
	bed_close(bed);
}

TEST(a_datagram_at_the_wrong_queue_is_handed_to_its_home)
{
	struct bed *bed = bed_open(2, 0);
	struct wire_request bet = bed_bet(1, bed_account(bed, 1, 0), 100);

	bed->terminals[0].home = 1; /* sends to the other worker's queue */
	bed_send_all(bed, 0, &bet, 1);
	bed->terminals[0].home = 0;
	bed_turn(bed, 1);
	assert_int_equal(stats_get(&bed->workers[1]->stats.handed_over), 1);
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	bed_close(bed);
}

TEST(a_transient_refusal_of_the_other_shard_frees_the_id_at_home)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t far = bed_account(bed, 1, 0), start = bed_lsn(bed, 1);

	fake_journal_refuse(bed->journals[1], 2);
	bed_send(bed, 0, bed_bet(1, far, 5000));
	assert_int_equal(bed_window(bed, 0)->staked_today, 5000);
	bed_settle(bed, 0);
	(void)bed_take_only(bed, 1, WIRE_CODE_BUSY);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_FREE);
	assert_int_equal(bed_window(bed, 0)->staked_today, 0);
	assert_int_equal(bed_lsn(bed, 1), start);
	assert_int_equal(outcome(bed, bed_bet(1, far, 5000), NULL), WIRE_CODE_OK);
	bed_close(bed);
}

TEST(a_passed_deadline_is_journalled_at_home_as_expired)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t far = bed_account(bed, 1, 0);
	uint64_t start[2] = { bed_lsn(bed, 0), bed_lsn(bed, 1) };
	struct wire_request bet = bed_bet(1, far, 5000);
	struct wire_reply reply;
	struct event_record record;

	bet.place_bet.deadline_ns = bed->now_ns - 1;
	bed_send(bed, 0, bet);
	bed_settle(bed, 0);
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(bed_state(bed, 0, 1), WINDOW_RUNNING);
	assert_int_equal(bed_lsn(bed, 0), start[0] + 1);
	assert_int_equal(bed_lsn(bed, 1), start[1]);
	record = event_at(bed, 0, start[0] + 1);
	assert_int_equal(le16_get(record.code), WIRE_CODE_EXPIRED);
	assert_int_equal(le64_get(record.terminal_id), bed->terminals[0].id);
	bed_settle(bed, 1);
	reply = bed_take_only(bed, 1, WIRE_CODE_EXPIRED);
	assert_int_equal(reply.shard, 0);
	assert_int_equal(reply.lsn, start[0] + 1);
	assert_int_equal(bed_window(bed, 0)->staked_today, 0);

	/* The outcome is final: the same request later, and with time to spare it is another one.
	 */
	assert_int_equal(outcome(bed, bet, &reply), WIRE_CODE_EXPIRED);
	assert_int_equal(reply.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	bet.place_bet.deadline_ns = NO_DEADLINE;
	assert_int_equal(outcome(bed, bet, NULL), WIRE_CODE_MISMATCH);

	/* A deadline of this very moment has not passed. */
	bet.request_id = 2;
	bet.place_bet.deadline_ns = bed->now_ns;
	assert_int_equal(outcome(bed, bet, &reply), WIRE_CODE_OK);
	assert_int_equal(reply.shard, 1);
	bed_close(bed);
}

TEST(the_terminals_daily_limit_holds_over_both_shards_while_bets_run)
{
	struct bed *bed = bed_open(2, 1000);
	uint64_t near = bed_account(bed, 0, 0), far = bed_account(bed, 1, 0);
	uint16_t code[2];

	bed_send(bed, 0, bed_bet(1, far, 600));
	bed_send(bed, 0, bed_bet(2, near, 600));
	assert_int_equal(bed_window(bed, 0)->staked_today, 1200); /* reserved, both running */
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 2);
	for (int i = 0; i < 2; i++) {
		struct wire_reply reply = bed_take(bed);

		code[reply.request_id - 1] = reply.code;
	}
	assert_int_equal(code[0], WIRE_CODE_OK);
	assert_int_equal(code[1], WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(bed_window(bed, 0)->staked_today, 600);
	/* The other terminal has a limit of its own. */
	bed_send(bed, 1, bed_bet(1, near, 1000));
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	bed_close(bed);
}

TEST(refusals_and_cancellations_give_back_what_they_took)
{
	struct bed *bed = bed_open(2, 1000);
	uint64_t near = bed_account(bed, 0, 0), far = bed_account(bed, 1, 0);
	struct wire_reply bet, cancel;

	assert_int_equal(outcome(bed, bed_bet(1, near, 600), &bet), WIRE_CODE_OK);
	assert_int_equal(outcome(bed, bed_bet(2, far, 401), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(outcome(bed, bed_bet(3, 999999999, 400), NULL), WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(outcome(bed, bed_bet(4, near, 0), NULL), WIRE_CODE_AMOUNT_INVALID);
	assert_int_equal(outcome(bed, bed_bet(5, near, -400), NULL), WIRE_CODE_AMOUNT_INVALID);
	assert_int_equal(bed_window(bed, 0)->staked_today, 600);
	assert_int_equal(outcome(bed, bed_bet(6, far, 400), NULL), WIRE_CODE_OK);
	assert_int_equal(bed_window(bed, 0)->staked_today, 1000);
	assert_int_equal(outcome(bed, bed_bet(7, near, 1), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);

	/* A cancellation counts when it is durable, once, and not when it is refused. */
	bed_send(bed, 0, bed_cancel(8, bet.object_id));
	assert_int_equal(bed_window(bed, 0)->staked_today, 1000);
	bed_settle(bed, 1);
	cancel = bed_take_only(bed, 8, WIRE_CODE_OK);
	assert_int_equal(cancel.object_id, bet.object_id);
	assert_int_equal(bed_window(bed, 0)->staked_today, 400);
	assert_int_equal(outcome(bed, bed_cancel(8, bet.object_id), NULL), WIRE_CODE_OK);
	assert_int_equal(outcome(bed, bed_cancel(9, bet.object_id), NULL), WIRE_CODE_BET_NOT_OPEN);
	assert_int_equal(bed_window(bed, 0)->staked_today, 400);
	assert_int_equal(outcome(bed, bed_bet(10, far, 601), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(outcome(bed, bed_bet(11, far, 600), NULL), WIRE_CODE_OK);
	bed_close(bed);
}

/* A customer of another currency than the rules', with some money. */
static uint64_t foreign_account(struct bed *bed, uint32_t shard, uint64_t request_id)
{
	struct wire_request open = bed_request(WIRE_OPEN_ACCOUNT, request_id);
	struct wire_request deposit =
	    bed_deposit(request_id + 1, bed_account(bed, shard, 9), 100000);

	open.open_account.account_id = bed_account(bed, shard, 9);
	open.open_account.currency = 840;
	open.open_account.deadline_ns = NO_DEADLINE;
	deposit.deposit.currency = 840;
	assert_int_equal(outcome(bed, open, NULL), WIRE_CODE_OK);
	assert_int_equal(outcome(bed, deposit, NULL), WIRE_CODE_OK);
	return open.open_account.account_id;
}

static struct wire_request foreign_bet(uint64_t request_id, uint64_t account_id, int64_t stake)
{
	struct wire_request bet = bed_bet(request_id, account_id, stake);

	bet.place_bet.currency = 840;
	return bet;
}

/* The limit is an amount in the rules' currency: bets in others neither meet nor use it up, and
 * taken back they give nothing back. */
TEST(the_terminals_daily_limit_is_of_the_rules_currency)
{
	struct bed *bed = bed_open(2, 1000);
	uint64_t won = bed_account(bed, 0, 0), dollars;
	struct wire_reply bet;
	int64_t staked = 0;

	for (uint32_t shard = 0; shard < 2; shard++) {
		uint64_t id = 1 + 10 * shard;

		dollars = foreign_account(bed, shard, id);
		assert_int_equal(
		    outcome(bed, foreign_bet(id + 2, dollars, 5000), &bet), WIRE_CODE_OK);
		assert_int_equal(bed_window(bed, 0)->staked_today, shard * 600);
		assert_int_equal(
		    outcome(bed, bed_bet(id + 3, won, 600 - 200 * shard), NULL), WIRE_CODE_OK);
		assert_int_equal(
		    outcome(bed, bed_cancel(id + 4, bet.object_id), NULL), WIRE_CODE_OK);
		assert_int_equal(
		    outcome(bed, foreign_bet(id + 5, dollars, 700), NULL), WIRE_CODE_OK);
		assert_int_equal(
		    outcome(bed, foreign_bet(id + 7, dollars, 99999999), NULL) == WIRE_CODE_OK, 0);
		assert_int_equal(bed_window(bed, 0)->staked_today, 600 + 400 * shard);
	}
	assert_int_equal(outcome(bed, bed_bet(30, won, 1), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	/* What a start would count. */
	for (uint32_t shard = 0; shard < 2; shard++)
		staked += ledger_terminal(bed->workers[shard]->ledger, bed->terminals[0].id)
		              ->staked_today;
	assert_int_equal(staked, 1000);
	bed_close(bed);
}

static struct wire_request debit(
    uint64_t request_id, uint64_t account_id, uint64_t transaction, int64_t amount)
{
	struct wire_request wire = bed_request(WIRE_ROUND_DEBIT, request_id);

	wire.round.account_id = account_id;
	wire.round.amount = amount;
	wire.round.deadline_ns = NO_DEADLINE;
	wire.round.round = 5;
	wire.round.transaction[0] = transaction;
	wire.round.game = 3;
	wire.round.currency = bed_bet(1, account_id, 1).place_bet.currency;
	return wire;
}

/* A debit is a stake: it takes of the limit as a bet does, and gives back what is rolled back. */
TEST(debits_of_game_rounds_take_of_the_terminals_daily_limit)
{
	struct bed *bed = bed_open(2, 1000);
	uint64_t near = bed_account(bed, 0, 0), far = bed_account(bed, 1, 0);
	struct wire_request undo;
	int64_t staked = 0;

	bed_send(bed, 0, debit(1, far, 1, 600));
	assert_int_equal(bed_window(bed, 0)->staked_today, 600); /* reserved */
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(
	    outcome(bed, debit(2, near, 2, 401), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(outcome(bed, bed_bet(3, near, 401), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(outcome(bed, debit(4, far, 1, 600), NULL), WIRE_CODE_REPEATED);
	assert_int_equal(outcome(bed, debit(5, far, 3, -1), NULL), WIRE_CODE_AMOUNT_INVALID);
	assert_int_equal(bed_window(bed, 0)->staked_today, 600);
	assert_int_equal(outcome(bed, debit(6, near, 2, 400), NULL), WIRE_CODE_OK);
	assert_int_equal(bed_window(bed, 0)->staked_today, 1000);
	assert_int_equal(outcome(bed, bed_bet(7, near, 1), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);

	undo = debit(8, far, 9, 0);
	undo.template_id = WIRE_ROUND_ROLLBACK;
	undo.round.target[0] = 1;
	assert_int_equal(outcome(bed, undo, NULL), WIRE_CODE_OK);
	assert_int_equal(bed_window(bed, 0)->staked_today, 400);
	undo.request_id = 9;
	assert_int_equal(outcome(bed, undo, NULL), WIRE_CODE_REPEATED);
	assert_int_equal(bed_window(bed, 0)->staked_today, 400);
	undo.request_id = 10;
	undo.round.account_id = near;
	undo.round.target[0] = 2;
	assert_int_equal(outcome(bed, undo, NULL), WIRE_CODE_OK);
	assert_int_equal(bed_window(bed, 0)->staked_today, 0);
	assert_int_equal(outcome(bed, debit(11, near, 12, 70), NULL), WIRE_CODE_OK);
	/* What a start would count. */
	for (uint32_t shard = 0; shard < 2; shard++) {
		const struct terminal_row *row =
		    ledger_terminal(bed->workers[shard]->ledger, bed->terminals[0].id);

		staked += row->staked_today;
	}
	assert_int_equal(staked, 70);
	bed_close(bed);
}

TEST(what_comes_back_after_midnight_does_not_count_for_the_new_day)
{
	struct bed *bed = bed_open(1, 1000);
	uint64_t account = bed_account(bed, 0, 0);
	struct wire_reply bet;

	bed->now_ns = NOW + 15 * HOUR - 60 * SECOND; /* the operator's midnight is in a minute */
	assert_int_equal(outcome(bed, bed_bet(1, account, 600), &bet), WIRE_CODE_OK);
	bed_send(bed, 0, bed_bet(2, account, 500)); /* refused, told after midnight */
	bed->now_ns += 120 * SECOND;
	bed_send(bed, 0, bed_bet(3, account, 700));
	assert_int_equal(bed_window(bed, 0)->staked_today, 700);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 2);
	assert_int_equal(bed_take(bed).code, WIRE_CODE_LIMIT_TERMINAL_DAILY);
	assert_int_equal(bed_take(bed).code, WIRE_CODE_OK);
	assert_int_equal(outcome(bed, bed_cancel(4, bet.object_id), NULL), WIRE_CODE_OK);
	assert_int_equal(bed_window(bed, 0)->staked_today, 700);
	assert_int_equal(
	    outcome(bed, bed_bet(5, account, 301), NULL), WIRE_CODE_LIMIT_TERMINAL_DAILY);
	bed_close(bed);
}

BED_MAIN()
