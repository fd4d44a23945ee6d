/* SPDX-License-Identifier: Apache-2.0 */
/* A start finds windows, drawers and open transfers as they were when
 * everything was durable. */
#include "tests/shard/library.h"

static uint64_t next_id;

static struct wire_reply ask(struct library *library, struct wire_request request)
{
	request.request_id = ++next_id;
	return library_ask(library, request);
}

static struct wire_request sprinkle(uint64_t account)
{
	struct wire_request request = bed_request(WIRE_SPRINKLE_CREATE, 0);

	request.sprinkle_create.account_id = account;
	request.sprinkle_create.amount = 900;
	request.sprinkle_create.room = 5;
	request.sprinkle_create.deadline_ns = NO_DEADLINE;
	request.sprinkle_create.window_s = 600;
	request.sprinkle_create.shares = 3;
	request.sprinkle_create.currency = KRW;
	return request;
}

static struct wire_request claim(uint64_t token, uint64_t account)
{
	struct wire_request request = bed_request(WIRE_CLAIM, 0);

	request.claim.token = token;
	request.claim.account_id = account;
	request.claim.room = 5;
	request.claim.deadline_ns = NO_DEADLINE;
	return request;
}

static struct wire_request round_of(
    uint16_t template_id, uint64_t account, int64_t amount, uint64_t transaction, uint64_t target)
{
	struct wire_request request = bed_request(template_id, 0);

	request.round.account_id = account;
	request.round.amount = amount;
	request.round.deadline_ns = NO_DEADLINE;
	request.round.round = 7;
	request.round.transaction[0] = transaction;
	request.round.target[0] = target;
	request.round.game = 3;
	request.round.currency = KRW;
	request.round.partner_id = 1;
	return request;
}

static struct wire_request shift(uint16_t template_id)
{
	struct wire_request request = bed_request(template_id, 0);

	request.shift.deadline_ns = NO_DEADLINE;
	request.shift.cash = 500;
	request.shift.cashier_id = 3;
	request.shift.currency = KRW;
	return request;
}

static struct wire_request open_account(uint64_t account)
{
	struct wire_request request = bed_request(WIRE_OPEN_ACCOUNT, 0);

	request.open_account.account_id = account;
	request.open_account.deadline_ns = NO_DEADLINE;
	request.open_account.currency = KRW;
	request.open_account.partner_id = 1;
	return request;
}

static struct wire_request play_set(uint64_t account)
{
	struct wire_request request = bed_request(WIRE_PLAY_SET, 0);

	request.play_set.account_id = account;
	request.play_set.deadline_ns = NO_DEADLINE;
	for (unsigned i = 0; i < 6; i++)
		request.play_set.limits[i] = 1000000000;
	return request;
}

static struct wire_request reprint(uint64_t bet_id)
{
	struct wire_request request = bed_request(WIRE_REPRINT, 0);

	request.reprint.bet_id = bet_id;
	request.reprint.deadline_ns = NO_DEADLINE;
	return request;
}

static void partner_set(struct bed *bed)
{
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER };
	struct shard_result result;

	command.ledger.type = EVENT_PARTNER_SET;
	command.ledger.control_sequence = 1;
	command.ledger.object_id = 1;
	command.ledger.partner.version = le64_make(1);
	command.ledger.partner.keys_max = le32_make(100);
	command.ledger.partner.currency = le16_make(KRW);
	for (uint32_t i = 0; i < bed->count; i++)
		assert_true(spsc_ring_push(bed->workers[i]->rings.command, &command));
	bed_settle(bed, 1);
	for (uint32_t i = 0; i < bed->count; i++) {
		assert_true(spsc_ring_pop(bed->workers[i]->rings.result, &result));
		assert_int_equal(result.error, 0);
	}
}

/* One of every message that changes something, done or refused, near and far.
 */
static void everything(struct library *library)
{
	uint64_t near = bed_account(library->bed, 0, 0), far = bed_account(library->bed, 1, 0);
	struct wire_request withdraw = bed_deposit(0, far, 40);
	uint64_t player = bed_account(library->bed, 1, 50);
	uint64_t bet_id, token;

	partner_set(library->bed);
	withdraw.template_id = WIRE_WITHDRAW;
	(void)ask(library, shift(WIRE_SHIFT_OPEN));
	(void)ask(library, open_account(player));
	(void)ask(library, bed_deposit(0, near, 100));
	(void)ask(library, bed_deposit(0, far, 200));
	(void)ask(library, withdraw);
	(void)ask(library, bed_transfer(0, near, bed_account(library->bed, 0, 1), 7));
	(void)ask(library, bed_transfer(0, near, far, 8));
	(void)ask(library, bed_transfer(0, far, bed_account(library->bed, 0, 99), 9));
	bet_id = ask(library, bed_bet(0, far, 300)).object_id;
	(void)ask(library, reprint(bet_id));
	(void)ask(library, bed_cancel(0, bet_id));
	(void)ask(library, bed_bet(0, 0, 60));
	(void)ask(library, bed_bet(0, near, BED_OPENING * 5));
	(void)ask(library, play_set(near));
	token = ask(library, sprinkle(far)).object_id;
	/* The same answer from both sides of the way to the giver's shard. */
	for (uint32_t shard = 0; shard < 2; shard++) {
		struct wire_reply reply =
		    ask(library, claim(token, bed_account(library->bed, shard, shard)));

		assert_case_equal(shard, reply.code, WIRE_CODE_OK);
		assert_true(reply.object_id == token);
		assert_true(reply.payout > 0);
		assert_case_equal(shard, reply.balance,
		    bed_money(library->bed, bed_account(library->bed, shard, shard)));
	}
	for (uint32_t shard = 0; shard < 2; shard++) {
		struct wire_reply reply =
		    ask(library, claim(token, bed_account(library->bed, shard, 77)));

		assert_case_equal(shard, reply.code, WIRE_CODE_ACCOUNT_UNKNOWN);
		assert_true(reply.object_id == token);
		assert_case_equal(shard, reply.payout, 0);
	}
	(void)ask(library, claim(token, far)); /* the giver */
	(void)ask(library, bed_deposit(0, player, 100));
	(void)ask(library, round_of(WIRE_ROUND_DEBIT, player, 20, 1, 0));
	(void)ask(library, round_of(WIRE_ROUND_CREDIT, player, 30, 2, 0));
	(void)ask(library, round_of(WIRE_ROUND_ROLLBACK, player, 0, 3, 1));
	(void)ask(library, round_of(WIRE_ROUND_CLOSE, player, 0, 0, 0));
	next_id += 2;
	(void)ask(library, bed_target(WIRE_FENCE, 0, next_id - 1));
	(void)ask(library, bed_target(WIRE_REVERSE, 0, next_id - 1));
	(void)ask(library, bed_target(WIRE_REVERSE, 0, 4)); /* a deposit there */
	(void)ask(library, bed_target(WIRE_REVERSE, 0, 4));
	(void)ask(library, bed_target(WIRE_FENCE, 0, 3));
	(void)ask(library, bed_bet(0, far, 70)); /* its stake comes back, to the day's limit too */
	(void)ask(library, bed_target(WIRE_REVERSE, 0, next_id));
	(void)ask(library, shift(WIRE_SHIFT_CLOSE));
}

TEST(every_outcome_fence_and_drawer_is_found_again)
{
	struct library library;
	struct worker *workers[BED_WORKERS_MAX], *home;
	const struct terminal_window *before, *after;
	unsigned done = 0;

	library_open(&library, 2);
	for (unsigned i = 0; i < TICKET_KEY_SIZE; i++)
		library.bed->shared.ticket_key[i] = (uint8_t)(i + 1);
	next_id = 0;
	everything(&library);
	home = bed_restarted(library.bed, workers);
	before = bed_window(library.bed, 0);
	after = &home->windows[worker_window(home, library.bed->terminals[0].id)];
	for (unsigned i = 0; i < LIMIT_REQUEST_WINDOW; i++) {
		if (memcmp(&before->entries[i], &after->entries[i], sizeof(struct window_entry)) !=
		    0)
			fail_msg(
			    "id %llu: template %#x code %#x object %llx, restored %#x %#x %llx",
			    (unsigned long long)before->entries[i].request_id,
			    before->entries[i].template_id, (unsigned)before->entries[i].code,
			    (unsigned long long)before->entries[i].object_id,
			    after->entries[i].template_id, (unsigned)after->entries[i].code,
			    (unsigned long long)after->entries[i].object_id);
		done += before->entries[i].state == WINDOW_DONE;
	}
	assert_int_equal(done, next_id); /* the two that were left out are fenced */
	assert_true(before->highest_done == after->highest_done);
	assert_int_equal(before->staked_today, 60);
	assert_int_equal(after->staked_today, 60);
	assert_true(worker_cash(library.bed->workers[0], 0, KRW) ==
	            worker_cash(home, worker_window(home, library.bed->terminals[0].id), KRW));
	assert_int_equal(home->resend_count, 0);
	for (uint32_t i = 0; i < library.bed->count; i++)
		worker_free(workers[i]);
	library_close(&library);
}

/* What a terminal may stake a day is what all shards took of it, also behind a restart. */
TEST(what_a_terminal_staked_today_is_the_sum_over_the_shards)
{
	struct library library;
	struct worker *workers[BED_WORKERS_MAX], *home;
	const struct terminal_window *window;
	int64_t staked = 0;

	library_open(&library, 2);
	for (uint32_t shard = 0; shard < 2; shard++) {
		int64_t stake = shard == 0 ? 300 : 500;
		struct wire_request bet =
		    bed_bet(shard + 1, bed_account(library.bed, shard, 0), stake);

		assert_int_equal(library_ask(&library, bet).code, WIRE_CODE_OK);
		staked += stake;
	}
	assert_int_equal(bed_window(library.bed, 0)->staked_today, staked);
	home = bed_restarted(library.bed, workers);
	window = &home->windows[worker_window(home, library.bed->terminals[0].id)];
	assert_int_equal(window->staked_today, staked);
	for (uint32_t i = 0; i < library.bed->count; i++)
		worker_free(workers[i]);
	library_close(&library);
}

TEST(an_open_transfer_is_pending_and_to_be_sent_again)
{
	struct library library;
	struct worker *workers[BED_WORKERS_MAX], *home;
	const struct window_entry *entry;
	uint64_t near, far;

	library_open(&library, 2);
	near = bed_account(library.bed, 0, 0);
	far = bed_account(library.bed, 1, 0);
	for (uint64_t id = 1; id <= 3; id++)
		bed_send(library.bed, 0, bed_transfer(id, near, far, 5));
	fake_journal_complete_all(library.bed->journals[0]);
	home = bed_restarted(library.bed, workers);
	assert_int_equal(home->resend_count, 3);
	assert_int_equal(home->transfers_open, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(home->resend[i].sequence == i + 1);
	entry = window_find(&home->windows[worker_window(home, library.bed->terminals[0].id)], 2);
	assert_non_null(entry);
	assert_int_equal(entry->code, WIRE_CODE_PENDING);
	assert_int_equal(entry->template_id, WIRE_TRANSFER);
	for (uint32_t i = 0; i < library.bed->count; i++)
		worker_free(workers[i]);
	bed_settle(library.bed, 1);
	while (bed_waiting(library.bed) != 0)
		assert_int_equal(bed_take(library.bed).code, WIRE_CODE_OK);
	library_close(&library);
}

BED_MAIN()
