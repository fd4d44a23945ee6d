/* SPDX-License-Identifier: Apache-2.0 */
/* REVERSE, FENCE, TX_STATUS and STATEMENT: what the window knows and what the reader finds. */
#include "tests/shard/library.h"

#include <errno.h>

/* Outcomes of 1..n, so that what is below n - 63 is history's. */
static void run_up(struct library *library, uint64_t first, uint64_t last)
{
	uint64_t account = bed_account(library->bed, 0, 3);

	for (uint64_t id = first; id <= last; id++)
		assert_int_equal(
		    library_ask(library, bed_deposit(id, account, 1)).code, WIRE_CODE_OK);
}

TEST(a_request_never_seen_is_fenced_for_any_body)
{
	static const uint16_t templates[] = { WIRE_FENCE, WIRE_REVERSE };

	for (size_t i = 0; i < 2; i++) {
		struct library library;
		uint64_t account;
		struct wire_reply reply;

		library_open(&library, 2);
		account = bed_account(library.bed, 1, 0);
		reply = library_ask(&library, bed_target(templates[i], 5, 3));
		assert_case_equal(i, reply.code, WIRE_CODE_FENCED_NOW);
		assert_case_equal(i, reply.object_id, 3);
		assert_case_equal(i, reply.shard, 0);
		/* As the log says of it later (test_reader). */
		assert_case_equal(i,
		    library_ask(&library, bed_target(WIRE_TX_STATUS, 1ull << 63, 3)).code,
		    WIRE_CODE_REQUEST_UNKNOWN);
		reply = library_ask(&library, bed_deposit(3, account, 5));
		assert_case_equal(i, reply.code, WIRE_CODE_FENCED);
		assert_case_equal(
		    i, library_ask(&library, bed_bet(3, account, 7)).code, WIRE_CODE_FENCED);
		assert_true(bed_money(library.bed, account) == BED_OPENING);
		/* The FENCE itself is answered again, its neighbours are free. */
		assert_case_equal(i, library_ask(&library, bed_target(templates[i], 5, 3)).flags,
		    MESSAGE_FLAG_ANSWER_REPLAYED);
		assert_case_equal(
		    i, library_ask(&library, bed_deposit(4, account, 5)).code, WIRE_CODE_OK);
		assert_int_equal(bed_window(library.bed, 0)->running, 0);
		library_close(&library);
	}
}

TEST(a_late_original_waits_for_the_fence_to_be_durable)
{
	struct library library;
	uint64_t account;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	bed_send(library.bed, 0, bed_target(WIRE_FENCE, 5, 3));
	bed_send(library.bed, 0, bed_deposit(3, account, 5));
	(void)bed_take_only(library.bed, 3, WIRE_CODE_IN_PROGRESS);
	bed_settle(library.bed, 1);
	(void)bed_take_only(library.bed, 5, WIRE_CODE_FENCED_NOW);
	assert_int_equal(library_ask(&library, bed_deposit(3, account, 5)).code, WIRE_CODE_FENCED);
	library_close(&library);
}

TEST(a_fence_that_is_not_journalled_holds_nothing)
{
	struct library library;
	uint64_t account;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	fake_journal_refuse(library.bed->journals[0], 2);
	assert_int_equal(library_ask(&library, bed_target(WIRE_FENCE, 5, 3)).code, WIRE_CODE_BUSY);
	assert_int_equal(bed_window(library.bed, 0)->running, 0);
	assert_int_equal(library_ask(&library, bed_deposit(3, account, 5)).code, WIRE_CODE_OK);
	library_close(&library);
}

TEST(a_target_that_runs_is_waited_for)
{
	struct library library;
	uint64_t account;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	bed_send(library.bed, 0, bed_deposit(3, account, 5));
	bed_send(library.bed, 0, bed_target(WIRE_REVERSE, 5, 3));
	(void)bed_take_only(library.bed, 5, WIRE_CODE_IN_PROGRESS);
	assert_int_equal(bed_state(library.bed, 0, 5), WINDOW_FREE);
	bed_settle(library.bed, 1);
	(void)bed_take_only(library.bed, 3, WIRE_CODE_OK);
	library_close(&library);
}

TEST(a_done_request_is_reversed_on_its_shard_and_a_fence_tells_of_it)
{
	struct library library;
	uint64_t account;

	library_open(&library, 2);
	for (uint32_t shard = 0; shard < 2; shard++) {
		uint64_t id = 10 * shard;
		struct wire_reply reply;

		account = bed_account(library.bed, shard, 0);
		assert_int_equal(
		    library_ask(&library, bed_deposit(id + 1, account, 500)).code, WIRE_CODE_OK);
		assert_int_equal(library_ask(&library, bed_target(WIRE_FENCE, id + 2, id + 1)).code,
		    WIRE_CODE_REQUEST_DONE);
		reply = library_ask(&library, bed_target(WIRE_REVERSE, id + 3, id + 1));
		assert_int_equal(reply.code, WIRE_CODE_OK);
		assert_int_equal(reply.shard, shard);
		assert_true(bed_money(library.bed, account) == BED_OPENING);
		assert_int_equal(
		    library_ask(&library, bed_target(WIRE_REVERSE, id + 4, id + 1)).code,
		    WIRE_CODE_REVERSED_BEFORE);
		/* The drawer is as before, too. */
		assert_int_equal(worker_cash(library.bed->workers[0], 0, KRW), 0);
	}
	library_close(&library);
}

/* The terminal's daily limit, which home keeps: on whatever shard the bet was, in cash too; and a
 * REVERSE that undoes nothing gives nothing back. */
TEST(a_reversed_bets_stake_no_longer_counts_for_the_day)
{
	struct library library;
	uint64_t accounts[3];

	library_open(&library, 2);
	accounts[0] = bed_account(library.bed, 0, 0);
	accounts[1] = bed_account(library.bed, 1, 0);
	accounts[2] = 0; /* in cash */
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t id = 10 * i;

		assert_int_equal(
		    library_ask(&library, bed_bet(id + 1, accounts[i], 5000)).code, WIRE_CODE_OK);
		assert_int_equal(
		    library_ask(&library, bed_bet(id + 2, accounts[i], 700)).code, WIRE_CODE_OK);
		assert_int_equal(bed_window(library.bed, 0)->staked_today, 5700 + 700 * (int)i);
		assert_int_equal(
		    library_ask(&library, bed_target(WIRE_REVERSE, id + 3, id + 1)).code,
		    WIRE_CODE_OK);
		assert_int_equal(bed_window(library.bed, 0)->staked_today, 700 + 700 * (int)i);
		assert_int_equal(
		    library_ask(&library, bed_target(WIRE_REVERSE, id + 5, id + 1)).code,
		    WIRE_CODE_REVERSED_BEFORE);
		assert_int_equal(
		    library_ask(&library, bed_target(WIRE_REVERSE, id + 6, id + 4)).code,
		    WIRE_CODE_FENCED_NOW);
		assert_int_equal(bed_window(library.bed, 0)->staked_today, 700 + 700 * (int)i);
	}
	library_close(&library);
}

TEST(targets_below_the_window_are_found_or_fenced)
{
	struct library library;

	library_open(&library, 2);
	run_up(&library, 1, 1);
	run_up(&library, 3, 70);
	assert_int_equal(library_ask(&library, bed_target(WIRE_REVERSE, 80, 1)).code, WIRE_CODE_OK);
	assert_int_equal(
	    library_ask(&library, bed_target(WIRE_REVERSE, 81, 2)).code, WIRE_CODE_FENCED_NOW);
	assert_int_equal(
	    library_ask(&library, bed_deposit(2, bed_account(library.bed, 0, 0), 5)).code,
	    WIRE_CODE_FENCED);
	library_close(&library);
}

TEST(a_target_is_an_earlier_request_and_history_must_be_readable)
{
	struct library library;

	library_open(&library, 1);
	assert_int_equal(
	    library_ask(&library, bed_target(WIRE_FENCE, 5, 5)).code, WIRE_CODE_BAD_FIELD);
	assert_int_equal(
	    library_ask(&library, bed_target(WIRE_FENCE, 5, 6)).code, WIRE_CODE_BAD_FIELD);
	run_up(&library, 1, 1);
	library.histories[0].error = -EIO;
	assert_int_equal(library_ask(&library, bed_target(WIRE_REVERSE, 5, 1)).code,
	    WIRE_CODE_STORAGE_UNAVAILABLE);
	assert_int_equal(bed_state(library.bed, 0, 5), WINDOW_FREE);
	library_close(&library);
}

TEST(tx_status_tells_of_every_state)
{
	struct library library;
	struct wire_reply first, reply;
	uint64_t account;

	library_open(&library, 2);
	account = bed_account(library.bed, 1, 0);
	first = library_ask(&library, bed_bet(1, account, 5000));
	bed_send(library.bed, 0, bed_deposit(2, account, 5));
	bed_send(library.bed, 0, bed_target(WIRE_TX_STATUS, 1ull << 63, 2));
	(void)bed_take_only(library.bed, 1ull << 63, WIRE_CODE_IN_PROGRESS);
	library_settle(&library);
	(void)bed_take_only(library.bed, 2, WIRE_CODE_OK);
	for (int old = 0; old < 2; old++) {
		reply = library_ask(&library, bed_target(WIRE_TX_STATUS, 1ull << 63, 1));
		assert_int_equal(reply.code, WIRE_CODE_OK);
		assert_int_equal(reply.tx_status.target_code, WIRE_CODE_OK);
		assert_int_equal(reply.tx_status.target_template, WIRE_PLACE_BET);
		assert_int_equal(reply.tx_status.target_shard, 1);
		assert_true(reply.lsn == first.lsn && reply.object_id == first.object_id);
		assert_true(reply.payout == first.payout && reply.balance == first.balance);
		run_up(&library, 10 + (uint64_t)old * 80, 10 + (uint64_t)old * 80 + 79);
	}
	assert_int_equal(library_ask(&library, bed_target(WIRE_TX_STATUS, 1ull << 63, 9)).code,
	    WIRE_CODE_REQUEST_UNKNOWN);
	assert_int_equal(library_ask(&library, bed_target(WIRE_TX_STATUS, 1ull << 63, 9999)).code,
	    WIRE_CODE_REQUEST_UNKNOWN);
	library_close(&library);
}

/* A command to one worker, carried out. */
static void command_do(struct bed *bed, uint32_t shard, const struct ledger_command *ledger)
{
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER, .ledger = *ledger };
	struct shard_result result;

	assert_true(spsc_ring_push(bed->workers[shard]->rings.command, &command));
	bed_settle(bed, 1);
	assert_true(spsc_ring_pop(bed->workers[shard]->rings.result, &result));
	assert_int_equal(result.error, 0);
}

static struct wire_reply status_of(struct library *library, uint64_t id)
{
	return library_ask(library, bed_target(WIRE_TX_STATUS, 1ull << 63, id));
}

/* At once, long before a checkpoint or a day has brought its row to where the reader looks: for an
 * account at home and at another shard, within the window and below it. */
TEST(tx_status_of_a_withdrawal_that_waited_is_what_became_of_it)
{
	for (uint32_t shard = 0; shard < 2; shard++) {
		struct ledger_command rules = { .type = EVENT_RULES_SET, .control_sequence = 1 };
		struct ledger_command close = { .type = EVENT_WITHDRAW_CLOSE,
			.control_sequence = 2 };
		struct library library;
		struct wire_reply first[2], reply;

		library_open(&library, 2);
		risk_rules_default(&rules.rules);
		rules.rules.version = 2;
		rules.rules.withdraw_pending_min = 100;
		command_do(library.bed, shard, &rules);
		for (unsigned i = 0; i < 2; i++) {
			struct wire_request withdraw =
			    bed_deposit(1 + i, bed_account(library.bed, shard, 0), 100);

			withdraw.template_id = WIRE_WITHDRAW;
			first[i] = library_ask(&library, withdraw);
			assert_int_equal(first[i].code, WIRE_CODE_PENDING);
			assert_int_equal(
			    status_of(&library, 1 + i).tx_status.target_code, WIRE_CODE_PENDING);
		}
		for (unsigned i = 0; i < 2; i++, close.control_sequence++) {
			close.object_id = first[i].object_id;
			close.flags = i == 0 ? EVENT_FLAG_PAID : 0;
			command_do(library.bed, shard, &close);
		}
		for (int old = 0; old < 2; old++) {
			for (unsigned i = 0; i < 2; i++) {
				reply = status_of(&library, 1 + i);
				assert_int_equal(reply.code, WIRE_CODE_OK);
				assert_int_equal(reply.tx_status.target_code,
				    i == 0 ? WIRE_CODE_OK : WIRE_CODE_WITHDRAWAL_CLOSED);
				assert_int_equal(reply.tx_status.target_template, WIRE_WITHDRAW);
				assert_int_equal(reply.tx_status.target_shard, shard);
				assert_true(reply.tx_status.time_ns != 0);
				assert_true(reply.lsn == first[i].lsn &&
				            reply.object_id == first[i].object_id &&
				            reply.balance == first[i].balance);
				assert_true(reply.payout == (i == 0 ? first[i].payout : 0));
			}
			run_up(&library, 10 + (uint64_t)old * 80, 10 + (uint64_t)old * 80 + 79);
		}
		assert_int_equal(library.bed->workers[0]->remote_running, 0);
		library_close(&library);
	}
}

/* Once it has left memory its closed row tells; between the two it is to be asked again. */
TEST(tx_status_of_a_withdrawal_that_left_memory_is_in_its_closed_row)
{
	struct ledger_command rules = { .type = EVENT_RULES_SET, .control_sequence = 1 };
	struct library library;
	struct wire_request withdraw;
	struct wire_reply first;

	library_open(&library, 2);
	risk_rules_default(&rules.rules);
	rules.rules.version = 2;
	rules.rules.withdraw_pending_min = 100;
	command_do(library.bed, 1, &rules);
	withdraw = bed_deposit(1, bed_account(library.bed, 1, 0), 100);
	withdraw.template_id = WIRE_WITHDRAW;
	first = library_ask(&library, withdraw);
	library.histories[1].closed_object = (struct object_bytes){
		.id = le64_make(first.object_id), .kind = OBJECT_WITHDRAWAL, .state = OBJECT_DONE
	};
	assert_int_equal(status_of(&library, 1).tx_status.target_code, WIRE_CODE_OK);
	library.histories[1].closed_object.state = OBJECT_REVERSED;
	assert_int_equal(status_of(&library, 1).tx_status.target_code, WIRE_CODE_WITHDRAWAL_CLOSED);
	library.histories[1].error = -EIO;
	assert_int_equal(status_of(&library, 1).code, WIRE_CODE_STORAGE_UNAVAILABLE);
	library_close(&library);
}

TEST(an_old_bets_ticket_is_the_one_it_was_sold_with)
{
	static const uint8_t none[TICKET_SIZE];
	struct library library;
	struct wire_reply first, again;

	library_open(&library, 1);
	for (unsigned i = 0; i < TICKET_KEY_SIZE; i++)
		library.bed->shared.ticket_key[i] = (uint8_t)(3 * i + 1);
	first = library_ask(&library, bed_bet(1, bed_account(library.bed, 0, 0), 5000));
	assert_memory_not_equal(first.ticket, none, TICKET_SIZE);
	again = library_ask(&library, bed_bet(1, bed_account(library.bed, 0, 0), 5000));
	assert_memory_equal(first.ticket, again.ticket, TICKET_SIZE);
	(void)library_ask(&library, bed_bet(2, 0, 700)); /* in cash: another way to its stake */
	first = library_ask(&library, bed_bet(2, 0, 700));
	assert_int_equal(first.code, WIRE_CODE_OK);
	run_up(&library, 60, 140);
	again = library_ask(&library, bed_bet(2, 0, 700));
	assert_int_equal(again.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	assert_memory_equal(first.ticket, again.ticket, TICKET_SIZE);
	library_close(&library);
}

static struct wire_request statement(
    uint64_t request_id, uint64_t account, uint8_t count, uint64_t before)
{
	struct wire_request request = bed_request(WIRE_STATEMENT, request_id);

	request.statement.account_id = account;
	request.statement.count = count;
	request.statement.before_lsn = before;
	return request;
}

TEST(a_statement_walks_back_page_by_page_for_payer_and_receiver)
{
	struct library library;
	struct wire_reply reply;
	uint64_t payer, receiver;
	int64_t balance;
	unsigned rows = 0;

	library_open(&library, 2);
	payer = bed_account(library.bed, 1, 0);
	receiver = bed_account(library.bed, 1, 1);
	(void)library_ask(&library, bed_deposit(1, payer, 100));
	(void)library_ask(&library, bed_transfer(2, payer, receiver, 30));
	(void)library_ask(&library, bed_bet(3, payer, BED_OPENING * 9)); /* refused */
	(void)library_ask(&library, bed_transfer(4, receiver, payer, 7));
	reply = library_ask(&library, statement(9, payer, 3, 0));
	balance = bed_money(library.bed, payer);
	for (;; reply = library_ask(&library, statement(9, payer, 3, reply.statement.next_lsn))) {
		assert_int_equal(reply.code, WIRE_CODE_OK);
		assert_int_equal(reply.object_id, payer);
		assert_int_equal(reply.statement.currency, KRW);
		for (unsigned i = 0; i < reply.statement.row_count; i++, rows++) {
			const struct statement_row *row = &reply.statement.rows[i];

			assert_true(le64s_get(row->balance_after) == balance);
			balance = le64s_get(row->balance_before);
			if (le16_get(row->code) == WIRE_CODE_OK)
				assert_true(le64s_get(row->balance_after) - balance ==
				            le64s_get(row->amount));
		}
		if (reply.statement.next_lsn == 0 || rows >= 4)
			break;
	}
	assert_true(rows >= 4);
	reply = library_ask(&library, statement(9, receiver, 14, 0));
	assert_int_equal(reply.statement.row_count >= 2, 1);
	assert_true(le64s_get(reply.statement.rows[1].amount) == 30);
	/* Not an entry of this account; nobody's account. */
	assert_int_equal(library_ask(&library, statement(9, payer, 1, 1)).statement.row_count, 0);
	assert_int_equal(
	    library_ask(&library, statement(9, 99999999, 1, 0)).code, WIRE_CODE_ACCOUNT_UNKNOWN);
	library_close(&library);
}

TEST(a_bet_that_has_left_memory_is_still_told)
{
	struct library library;
	struct wire_reply reply;
	uint64_t bet_id = ids_make(1023, 77);

	library_open(&library, 2);
	library.histories[1].closed_bet.bet = (struct record_bet){
		.id = le64_make(bet_id),
		.lsn = le64_make(3),
		.stake = le64s_make(500),
		.payout = le64s_make(900),
		.currency = le16_make(KRW),
		.state = BET_PAID,
		.leg_count = 2,
		.reprints = 1,
	};
	reply = library_ask(&library, bed_bet_status(9, bet_id));
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(reply.bet_status.state, BET_PAID);
	assert_true(reply.payout == 900 && reply.bet_status.stake == 500);
	assert_int_equal(reply.bet_status.reprints, 1);
	assert_int_equal(
	    library_ask(&library, bed_bet_status(9, bet_id + 1)).code, WIRE_CODE_BET_UNKNOWN);
	/* Objects that retire are no bets, and bets no objects. */
	library.bed->workers[1]->objects_retired_lsn = 99;
	assert_int_equal(
	    library_ask(&library, bed_bet_status(9, bet_id + 1)).code, WIRE_CODE_BET_UNKNOWN);
	/* Retired, but no checkpoint holds it yet: nobody may say that there is none. */
	library.bed->workers[1]->bets_retired_lsn = 99;
	bed_send(library.bed, 0, bed_bet_status(9, bet_id + 1));
	library_settle(&library);
	assert_int_equal(bed_waiting(library.bed), 0);
	/* One that the rows show is told all the same. */
	assert_int_equal(library_ask(&library, bed_bet_status(10, bet_id)).code, WIRE_CODE_OK);
	library.stores[1].checkpoint_lsn = 99;
	library_settle(&library);
	(void)bed_take_only(library.bed, 9, WIRE_CODE_BET_UNKNOWN);
	library_close(&library);
}

static struct wire_request redeem(uint64_t request_id, uint64_t bet_id, const uint8_t *ticket)
{
	struct wire_request request = bed_request(WIRE_REDEEM, request_id);

	request.redeem.bet_id = bet_id;
	request.redeem.deadline_ns = NO_DEADLINE;
	memcpy(request.redeem.ticket, ticket, TICKET_SIZE);
	return request;
}

TEST(a_ticket_whose_bet_has_left_memory_is_refused_for_what_became_of_it)
{
	static const struct {
		uint8_t state;
		uint16_t code;
	} cases[] = {
		{ BET_PAID, WIRE_CODE_TICKET_PAID },
		{ BET_EXPIRED, WIRE_CODE_TICKET_EXPIRED },
		{ BET_CANCELLED, WIRE_CODE_TICKET_NOT_PAYABLE },
	};
	uint8_t ticket[TICKET_SIZE], wrong[TICKET_SIZE] = { 0 };
	struct library library;
	uint64_t id = 0;

	library_open(&library, 2);
	for (uint32_t shard = 0; shard < 2; shard++) {
		struct record_bet_full *bet = &library.histories[shard].closed_bet;
		const struct ticket_facts facts = { ids_make(1023 * shard, 77), 500, 1000, 9, 1,
			{ 2000 } };

		ticket_make(library.bed->shared.ticket_key, &facts, ticket);
		bet->bet = (struct record_bet){ .id = le64_make(facts.bet_id),
			.stake = le64s_make(500),
			.placed_at_ns = le64_make(9),
			.leg_count = 1 };
		bet->legs[0].odds = le32_make(2000);
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
			struct wire_reply reply;

			bet->bet.state = cases[i].state;
			reply = library_ask(&library, redeem(++id, facts.bet_id, ticket));
			assert_case_equal(i, reply.code, cases[i].code);
			assert_case_equal(i, reply.lsn != 0, 1); /* journalled: final */
		}
		assert_int_equal(library_ask(&library, redeem(++id, facts.bet_id, wrong)).code,
		    WIRE_CODE_TICKET_INVALID);
		assert_int_equal(library_ask(&library, redeem(++id, facts.bet_id + 1, ticket)).code,
		    WIRE_CODE_BET_UNKNOWN);
	}
	assert_int_equal(library.bed->workers[0]->remote_running, 0);
	assert_int_equal(bed_window(library.bed, 0)->running, 0);
	library_close(&library);
}

BED_MAIN()
