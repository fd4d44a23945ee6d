/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold after every event of a random stream. */
#include <errno.h>

#include "tests/ledger/stream.h"

TEST(invariants_hold_after_every_event)
{
	struct stream *stream = stream_new(test_seed());
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0);
	struct ledger *twin = fixture_create(STREAM_CAPACITY, 1);
	unsigned by_class[16] = { 0 };

	while (stream->count < STREAM_EVENTS_MAX) {
		uint64_t before = ledger_state_hash(ledger);

		if (!stream_step(stream, ledger))
			continue;
		stream_apply(stream, twin, stream->count - 1, stream->count);
		by_class[wire_code_class(fixture_code(&stream->events[stream->count - 1]))]++;
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(stream_currencies); i++)
			assert_int_equal(ledger_balance_sum(ledger, stream_currencies[i]), 0);
		assert_true(before != ledger_state_hash(ledger));
		assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(ledger));
		/* The twin hashes now and then only: the same sum all the same. */
		if (stream->count % 37 == 0)
			assert_true(ledger_state_hash(ledger) == ledger_state_hash(twin));
	}
	stream_assert_same_state(ledger, twin);
	/* The stream is worth something: many of each kind of outcome. */
	assert_true(by_class[WIRE_CLASS_DONE] > STREAM_EVENTS_MAX / 5);
	assert_true(by_class[WIRE_CLASS_BUSINESS] > STREAM_EVENTS_MAX / 10);
	assert_true(by_class[WIRE_CLASS_POLICY] > 0);
	ledger_free(ledger);
	ledger_free(twin);
	free(stream);
}

TEST(open_stakes_equal_the_stakes_account)
{
	struct stream *stream = stream_new(test_seed() + 1);
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0);

	stream_fill(stream, ledger, 1500);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(stream_currencies); i++) {
		const struct account_row *stakes = ledger_account(
		    ledger, ledger_system_account(SYSTEM_STAKES, stream_currencies[i], 0));
		int64_t open = 0;

		for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_BET); row++) {
			struct bet_row bet;

			ledger_bet_at(ledger, row, &bet);
			if (bet.state == BET_OPEN && bet.currency == stream_currencies[i])
				open += bet.stake;
		}
		assert_int_equal(stakes == NULL ? 0 : stakes->balance, open);
	}
	for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_ACCOUNT); row++) {
		const struct account_row *account = ledger_account_at(ledger, row);

		if (!(account->flags & ACCOUNT_SYSTEM))
			assert_true(account->balance >= 0 && account->balance <= LIMIT_BALANCE_MAX);
	}
	ledger_free(ledger);
	free(stream);
}

/* Walking back from each head meets every event of the terminal, and of the account, once. */
TEST(chains_lead_back_to_the_first_event)
{
	struct stream *stream = stream_new(test_seed() + 2);
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0);
	unsigned walked = 0, expected = 0;

	stream_fill(stream, ledger, 1000);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_TERMINAL); i++) {
		const struct terminal_row *row = ledger_terminal_at(ledger, i);
		uint64_t highest = 0;

		/* The newest event may be TERMINAL_SET, which is no request. */
		for (uint64_t lsn = row->lsn; lsn != 0; walked++) {
			struct event_record record = fixture_record(&stream->events[lsn - 1]);

			assert_int_equal(le64_get(record.terminal_id), row->id);
			if (le64_get(record.request_id) > highest)
				highest = le64_get(record.request_id);
			lsn = le64_get(record.prev_terminal_lsn);
		}
		assert_int_equal(row->highest_request_id, highest);
	}
	for (unsigned i = 0; i < stream->count; i++)
		expected += le64_get(fixture_record(&stream->events[i]).terminal_id) != 0;
	assert_int_equal(walked, expected);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_ACCOUNT); i++) {
		const struct account_row *row = ledger_account_at(ledger, i);
		int64_t balance = 0;

		if (row->flags & ACCOUNT_SYSTEM)
			continue;
		for (uint64_t lsn = row->lsn; lsn != 0;) {
			struct event_record record = fixture_record(&stream->events[lsn - 1]);

			assert_int_equal(le64_get(record.account_id), row->id);
			if (le16_get(record.code) == WIRE_CODE_OK)
				balance += le64s_get(record.amount);
			lsn = le64_get(record.prev_account_lsn);
		}
		assert_int_equal(balance, row->balance);
	}
	ledger_free(ledger);
	free(stream);
}

TEST(a_copy_is_equal_and_goes_on_equally)
{
	struct stream *stream = stream_new(test_seed() + 3);
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 1),
	              *copy = fixture_create(STREAM_CAPACITY, 0);

	stream_fill(stream, ledger, 500);
	assert_int_equal(ledger_copy(copy, ledger), 0);
	stream_assert_same_state(ledger, copy);
	stream_fill(stream, ledger, 1000);
	stream_apply(stream, copy, 500, 1000);
	stream_assert_same_state(ledger, copy);
	assert_int_equal(ledger_copy(copy, ledger), -EEXIST);
	ledger_free(ledger);
	ledger_free(copy);
	free(stream);
}

/*
 * A follower's rows lie in the copy as they lie there, by an index of the same size or of another,
 * up to the last number: the same state, with the same derived of it, that goes on equally. Numbers
 * that do not fit: tests/store/test_retire.c.
 */
TEST(a_copy_of_any_capacity_is_the_same_state)
{
	static const uint32_t capacities[] = { STREAM_CAPACITY, 4 * STREAM_CAPACITY, 0 };
	struct stream *stream = stream_new(test_seed() + 13);
	struct ledger *from = fixture_create(STREAM_CAPACITY, 1);
	struct ledger *copies[SLUICE_ARRAY_COUNT(capacities)];

	stream_fill(stream, from, 500);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(capacities); i++) {
		struct ledger_config config = fixture_config(STREAM_CAPACITY, 0);

		/* The rows in use fill it to the last one. */
		config.bets_max =
		    capacities[i] != 0 ? capacities[i] : ledger_row_count(from, LEDGER_BET);
		config.accounts_max = capacities[i] != 0 ? capacities[i] : STREAM_CAPACITY;
		copies[i] = ledger_create(&config);
		assert_non_null(copies[i]);
		assert_int_equal(ledger_copy(copies[i], from), 0);
		stream_assert_same_state(from, copies[i]);
		assert_true(ledger_state_hash(copies[i]) == ledger_state_hash_full(from));
		for (uint32_t m = 0; m < ledger_row_count(from, LEDGER_MARKET); m++) {
			uint64_t id = ledger_market_at(from, m)->id;

			assert_int_equal(ledger_market_exposure(copies[i], id, -1),
			    ledger_market_exposure(from, id, -1));
			assert_int_equal(
			    ledger_market_open(copies[i], id), ledger_market_open(from, id));
		}
	}
	stream_fill(stream, from, 1000);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(capacities); i++) {
		if (capacities[i] != 0) {
			stream_apply(stream, copies[i], 500, 1000);
			stream_assert_same_state(from, copies[i]);
		}
		ledger_free(copies[i]);
	}
	ledger_free(from);
	free(stream);
}

/* Applying what is applied already changes nothing; a jump is refused. */
TEST(applying_again_changes_nothing)
{
	struct stream *stream = stream_new(test_seed() + 4);
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0),
	              *other = fixture_create(STREAM_CAPACITY, 0);

	stream_fill(stream, ledger, 600);
	stream_apply(stream, other, 0, 600);
	stream_apply(stream, other, 0, 600);
	stream_apply(stream, other, 250, 400);
	stream_assert_same_state(ledger, other);
	ledger_free(other);
	other = fixture_create(STREAM_CAPACITY, 0);
	stream_apply(stream, other, 0, 10);
	assert_int_equal(
	    ledger_apply(other, stream->events[11].bytes, stream->lengths[11]), -EBADMSG);
	assert_int_equal(ledger_shard(other)->lsn, 10);
	ledger_free(ledger);
	ledger_free(other);
	free(stream);
}

/* A log that is not the one of the rows is noticed, and nothing of the event is applied. */
TEST(an_event_that_does_not_fit_the_rows_is_refused_whole)
{
	struct stream *stream = stream_new(test_seed() + 7);
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0);
	struct ledger *other = fixture_create(STREAM_CAPACITY, 0);
	unsigned refused = 0;

	stream_fill(stream, ledger, 800);
	stream_apply(stream, other, 0, 1); /* the first may have any time */
	for (unsigned i = 1; i < 800; i++) {
		struct event_buffer broken = stream->events[i];
		struct event_record record = fixture_record(&broken);
		uint64_t before = ledger_state_hash(other);
		struct ledger_totals totals_before, totals_after;
		int error;

		ledger_totals(other, &totals_before);
		switch (stream_pick(stream, 4)) {
		case 0:
			record.balance = le64s_make(le64s_get(record.balance) + 1);
			break;
		case 1:
			record.prev_account_lsn = le64_make(le64_get(record.prev_account_lsn) ^ 1);
			break;
		case 2:
			record.prev_terminal_lsn.raw ^= 1; /* any other */
			break;
		default:
			record.time_ns = le64_make(1);
			break;
		}
		memcpy(broken.bytes, &record, sizeof(record));
		error = ledger_apply(other, broken.bytes, stream->lengths[i]);
		if (error == 0)
			fail_msg("event %u type %u code %x applied though broken", i + 1,
			    le16_get(record.type), le16_get(record.code));
		assert_int_equal(error, -EBADMSG);
		refused++;
		assert_true(ledger_state_hash(other) == before);
		ledger_totals(other, &totals_after);
		assert_memory_equal(&totals_before, &totals_after, sizeof(totals_before));
		stream_apply(stream, other, i, i + 1);
	}
	assert_int_equal(refused, 799);
	stream_assert_same_state(ledger, other);
	ledger_free(ledger);
	ledger_free(other);
	free(stream);
}

TEST_MAIN()
