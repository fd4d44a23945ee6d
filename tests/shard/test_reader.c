/* SPDX-License-Identifier: Apache-2.0 */
/* Requests older than the window: what history may say about them. */
#include <errno.h>

#include "tests/shard/library.h"

/* As in reader.c. */
#define WAITING_MAX  1024
#define TERMINAL_MAX 32

/* A bet that is done. */
static struct wire_reply done(struct library *library, uint64_t id, uint64_t account, int64_t stake)
{
	bed_send(library->bed, 0, bed_bet(id, account, stake));
	bed_settle(library->bed, 1);
	return bed_take_only(library->bed, id, WIRE_CODE_OK);
}

/* A request that the window cannot answer: the reader and its worker each have a turn. */
static struct wire_reply ask(struct library *library, struct wire_request request, uint16_t code)
{
	const struct worker_stats *stats = &library->bed->workers[0]->stats;
	uint64_t asked = stats_get(&stats->history_asked);

	bed_send(library->bed, 0, request);
	assert_int_equal(stats_get(&stats->history_asked), asked + 1);
	assert_int_equal(bed_waiting(library->bed), 0);
	(void)reader_work(library->reader, library->bed->now_ns);
	bed_settle(library->bed, 0);
	return bed_take_only(library->bed, request.request_id, code);
}

TEST(below_the_window_history_gives_the_outcome_a_mismatch_or_expired)
{
	struct library library;
	struct wire_reply first, far_first, again;
	uint64_t account, far, lsn[2];

	library_open(&library, 2);
	account = bed_account(library.bed, 0, 0);
	far = bed_account(library.bed, 1, 0);
	first = done(&library, 1, account, 5000);
	far_first = done(&library, 2, far, 6000);
	(void)done(&library, 65, account, 50); /* take the entries of 1 and 2 */
	(void)done(&library, 66, account, 50);
	(void)done(&library, 120, account, 100);
	commit(&library);
	lsn[0] = bed_lsn(library.bed, 0);
	lsn[1] = bed_lsn(library.bed, 1);

	again = ask(&library, bed_bet(1, account, 5000), WIRE_CODE_OK);
	assert_int_equal(again.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	assert_int_equal(again.lsn, first.lsn);
	assert_int_equal(again.object_id, first.object_id);
	assert_int_equal(again.balance, first.balance);
	assert_int_equal(again.payout, first.payout);
	assert_int_equal(again.score, first.score);
	assert_int_equal(again.shard, 0);
	again = ask(&library, bed_bet(2, far, 6000), WIRE_CODE_OK);
	assert_int_equal(again.lsn, far_first.lsn);
	assert_int_equal(again.object_id, far_first.object_id);
	assert_int_equal(again.shard, 1);
	(void)ask(&library, bed_bet(1, account, 5001), WIRE_CODE_MISMATCH);
	(void)ask(&library, bed_bet(3, account, 5000), WIRE_CODE_EXPIRED);
	(void)ask(&library, bed_bet(56, account, 5000), WIRE_CODE_EXPIRED); /* 120 - 64 */
	/* Nothing of that was carried out, and nothing is left over. */
	assert_int_equal(bed_lsn(library.bed, 0), lsn[0]);
	assert_int_equal(bed_lsn(library.bed, 1), lsn[1]);
	assert_int_equal(bed_window(library.bed, 0)->running, 0);
	assert_int_equal(bed_window(library.bed, 0)->staked_today, 11200);
	library_close(&library);
}

/* The id below the window, and the shard and position of what fenced it. */
TEST(a_fenced_id_is_fenced_below_the_window_too)
{
	static const uint16_t templates[] = { WIRE_FENCE, WIRE_REVERSE };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		struct library library;
		struct wire_reply fenced, reply;
		uint64_t account;

		library_open(&library, 2);
		account = bed_account(library.bed, 1, 0);
		fenced = library_ask(&library, bed_target(templates[i], 70, 3));
		assert_case_equal(i, fenced.code, WIRE_CODE_FENCED_NOW);
		(void)done(&library, 100, account, 50);
		commit(&library);
		reply = ask(&library, bed_bet(3, account, 5000), WIRE_CODE_FENCED);
		assert_true(reply.lsn == fenced.lsn && reply.shard == fenced.shard);
		assert_true(reply.object_id == 3 && reply.flags == 0);
		(void)ask(&library, bed_bet(4, account, 5000), WIRE_CODE_EXPIRED);
		/* Whatever else of that time is kept no more. */
		library.stores[1].first_lsn = 2;
		(void)ask(&library, bed_bet(3, account, 5000), WIRE_CODE_FENCED);
		(void)ask(&library, bed_bet(4, account, 5000), WIRE_CODE_OUTCOME_UNKNOWN);
		assert_case_equal(i, library_ask(&library, bed_target(templates[i], 101, 3)).code,
		    WIRE_CODE_FENCED_NOW);
		assert_case_equal(i, library_ask(&library, bed_target(templates[i], 102, 4)).code,
		    WIRE_CODE_OUTCOME_UNKNOWN);
		assert_case_equal(i, library_ask(&library, bed_target(WIRE_TX_STATUS, 103, 3)).code,
		    WIRE_CODE_REQUEST_UNKNOWN);
		assert_case_equal(i, library_ask(&library, bed_target(WIRE_TX_STATUS, 104, 4)).code,
		    WIRE_CODE_OUTCOME_UNKNOWN);
		library_close(&library);
	}
}

/*
 * Started on the logs of a re-sharding: the terminal's chain ends before their first event, so no
 * id up to its highest one is admitted again, and all that was is in the past.
 */
TEST(after_a_re_sharding_what_never_came_is_expired_and_what_was_fenced_is_fenced)
{
	struct library library;
	struct store before;
	struct log_history history;
	struct log_past past;
	struct wire_reply first, reply;
	uint64_t account;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	first = done(&library, 60, account, 100);
	assert_int_equal(
	    library_ask(&library, bed_target(WIRE_FENCE, 70, 65)).code, WIRE_CODE_FENCED_NOW);
	before = library.stores[0];
	history = (struct log_history){ .journal = library.bed->journals[0], .store = &before };
	past = (struct log_past){ .history = &history, .last_lsn = before.committed_lsn };
	reader_past_set(library.reader, &past);
	library.stores[0].first_lsn = past.last_lsn + 1;
	window_init(bed_window(library.bed, 0), bed_window(library.bed, 0)->terminal_id);
	window_restore_retired(bed_window(library.bed, 0), 70);

	reply = ask(&library, bed_bet(60, account, 100), WIRE_CODE_OK);
	assert_int_equal(reply.lsn, first.lsn);
	(void)ask(&library, bed_bet(65, account, 100), WIRE_CODE_FENCED);
	(void)ask(&library, bed_bet(66, account, 100), WIRE_CODE_EXPIRED);
	(void)done(&library, 71, account, 100);
	commit(&library);
	(void)ask(&library, bed_bet(65, account, 100), WIRE_CODE_FENCED);
	(void)ask(&library, bed_bet(66, account, 100), WIRE_CODE_EXPIRED);
	/* Events from behind the re-sharding are retired: nobody knows what ran then. */
	library.stores[0].first_lsn++;
	(void)ask(&library, bed_bet(66, account, 100), WIRE_CODE_OUTCOME_UNKNOWN);
	library_close(&library);
}

/*
 * Below entries that younger, running ids have taken, but not 64 below a durable one: after a crash
 * the id could still be admitted, so nobody may call it dead.
 */
TEST(an_unknown_id_is_expired_only_when_64_below_the_highest_durable_one)
{
	struct library library;
	struct wire_reply reply;
	uint64_t account;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	(void)done(&library, 60, account, 100);
	(void)done(&library, 64, account, 100);
	bed_send(library.bed, 0, bed_bet(124, account, 100)); /* takes the entry of 60 */
	assert_int_equal(bed_state(library.bed, 0, 124), WINDOW_RUNNING);
	commit(&library);
	reply = ask(&library, bed_bet(50, account, 100), WIRE_CODE_BUSY);
	assert_true(reply.detail != 0);
	reply = ask(&library, bed_bet(60, account, 100), WIRE_CODE_OK); /* known it is */
	assert_int_equal(reply.flags, MESSAGE_FLAG_ANSWER_REPLAYED);

	bed_settle(library.bed, 1);
	(void)bed_take_only(library.bed, 124, WIRE_CODE_OK);
	commit(&library);
	(void)ask(&library, bed_bet(50, account, 100), WIRE_CODE_EXPIRED);
	library_close(&library);
}

TEST(history_waits_for_the_log_and_then_asks_for_patience)
{
	struct library library;
	uint64_t account;

	library_open(&library, 2);
	account = bed_account(library.bed, 0, 0);
	(void)done(&library, 1, account, 5000);
	(void)done(&library, 100, account, 100);
	commit(&library);
	library.stores[1].committed_lsn--; /* the other shard's log counts, too */
	bed_send(library.bed, 0, bed_bet(2, account, 100));
	for (int i = 0; i < 10; i++) {
		(void)reader_work(library.reader, library.bed->now_ns);
		bed_settle(library.bed, 0);
		library.bed->now_ns += SECOND / 10;
	}
	assert_int_equal(bed_waiting(library.bed), 0);
	commit(&library);
	(void)reader_work(library.reader, library.bed->now_ns);
	bed_settle(library.bed, 0);
	(void)bed_take_only(library.bed, 2, WIRE_CODE_EXPIRED);

	library.stores[1].committed_lsn--;
	bed_send(library.bed, 0, bed_bet(2, account, 100));
	(void)reader_work(library.reader, library.bed->now_ns);
	library.bed->now_ns += 3 * SECOND;
	(void)reader_work(library.reader, library.bed->now_ns);
	bed_settle(library.bed, 0);
	(void)bed_take_only(library.bed, 2, WIRE_CODE_IN_PROGRESS);
	library_close(&library);
}

TEST(what_history_cannot_read_or_keeps_no_more_is_not_called_expired)
{
	struct library library;
	uint64_t account;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	(void)done(&library, 100, account, 100);
	commit(&library);
	library.histories[0].error = -EIO;
	(void)ask(&library, bed_bet(2, account, 100), WIRE_CODE_STORAGE_UNAVAILABLE);
	library.histories[0].error = 0;
	library.stores[0].first_lsn = 2;
	(void)ask(&library, bed_bet(2, account, 100), WIRE_CODE_OUTCOME_UNKNOWN);
	bed_send(library.bed, 0, bed_bet(100, account, 100)); /* the window knows */
	(void)bed_take_only(library.bed, 100, WIRE_CODE_OK);
	library_close(&library);
}

/* Damage in the log of any shard, whichever has the request: told as an error until it is mended.
 */
TEST(with_damaged_history_a_request_of_before_is_neither_expired_nor_unknown_nor_done_again)
{
	struct library library;
	uint64_t account, lsn;
	struct wire_reply first, again;

	library_open(&library, 2);
	account = bed_account(library.bed, 0, 0);
	first = done(&library, 1, account, 5000);
	(void)done(&library, 65, account, 50); /* takes its entry */
	(void)done(&library, 120, account, 100);
	commit(&library);
	lsn = bed_lsn(library.bed, 0);
	for (uint64_t shard = 0; shard < 2; shard++) {
		library.histories[shard].error = -EIO;
		/* Of an id that never was, too: nobody can tell. */
		(void)ask(&library, bed_bet(3, account, 5000), WIRE_CODE_STORAGE_UNAVAILABLE);
		assert_case_equal(shard,
		    library_ask(&library, bed_target(WIRE_TX_STATUS, 121 + shard, 3)).code,
		    WIRE_CODE_STORAGE_UNAVAILABLE);
		if (shard == 0)
			(void)ask(
			    &library, bed_bet(1, account, 5000), WIRE_CODE_STORAGE_UNAVAILABLE);
		library.histories[shard].error = 0;
	}
	assert_int_equal(bed_lsn(library.bed, 0), lsn);
	again = ask(&library, bed_bet(1, account, 5000), WIRE_CODE_OK);
	assert_int_equal(again.lsn, first.lsn);
	assert_int_equal(again.balance, first.balance);
	library_close(&library);
}

TEST(a_full_history_ring_is_busy)
{
	struct library library;
	uint64_t account;
	struct wire_request request;
	struct wire_reply reply;
	unsigned expired = 0;

	library_open(&library, 1);
	account = bed_account(library.bed, 0, 0);
	(void)done(&library, 100, account, 100);
	commit(&library);
	request = bed_bet(2, account, 100);
	for (int i = 0; i < RING_HISTORY_COUNT; i++)
		bed_send(library.bed, 0, request);
	assert_int_equal(bed_waiting(library.bed), 0);
	bed_send(library.bed, 0, request);
	reply = bed_take_only(library.bed, 2, WIRE_CODE_BUSY);
	assert_true(reply.detail != 0);
	(void)reader_work(library.reader, library.bed->now_ns);
	bed_settle(library.bed, 0);
	assert_int_equal(bed_waiting(library.bed), RING_HISTORY_COUNT);
	while (bed_waiting(library.bed) != 0) {
		reply = bed_take(library.bed);
		expired += reply.code == WIRE_CODE_EXPIRED;
		assert_true(reply.code == WIRE_CODE_EXPIRED || reply.code == WIRE_CODE_BUSY);
		assert_true(reply.code == WIRE_CODE_EXPIRED || reply.detail != 0);
	}
	/* More than these the reader keeps of no terminal. */
	assert_int_equal(expired, TERMINAL_MAX);
	library_close(&library);
}

TEST(one_terminal_does_not_take_the_places_of_the_others)
{
	struct library library;
	uint64_t account;
	unsigned busy = 0;

	library_open(&library, 2);
	account = bed_account(library.bed, 0, 0);
	(void)done(&library, 100, account, 100);
	bed_send(library.bed, 1, bed_bet(100, account, 100));
	bed_settle(library.bed, 1);
	(void)bed_take_only(library.bed, 100, WIRE_CODE_OK);
	for (int i = 0; i < TERMINAL_MAX + 8; i++)
		bed_send(library.bed, 0, bed_bet(2, account, 100));
	bed_send(library.bed, 1, bed_bet(2, account, 100));
	(void)reader_work(library.reader, library.bed->now_ns);
	bed_settle(library.bed, 0);
	for (; bed_waiting(library.bed) != 0; busy++)
		assert_int_equal(bed_take(library.bed).code, WIRE_CODE_BUSY);
	assert_int_equal(busy, 8);
	/* They are free again when they are answered. */
	for (int round = 0; round < 2; round++) {
		commit(&library);
		(void)reader_work(library.reader, library.bed->now_ns);
		bed_settle(library.bed, 0);
		while (bed_waiting(library.bed) != 0)
			assert_true(bed_take(library.bed).code != WIRE_CODE_BUSY);
		bed_send(library.bed, 0, bed_bet(2, account, 100));
	}
	library_settle(&library);
	(void)bed_take_only(library.bed, 2, WIRE_CODE_EXPIRED);
	library_close(&library);
}

TEST(the_workers_questions_are_taken_in_turn)
{
	struct library library;
	struct history_query query = { .kind = HISTORY_OUTCOME };
	struct spsc_ring *rings[2];

	library_open(&library, 2);
	for (int i = 0; i < 2; i++)
		rings[i] = library.bed->workers[i]->rings.history_query;
	/* Nothing is committed, so that all of them wait. */
	for (unsigned i = 0; i < WAITING_MAX - 2; i++) {
		query.origin.terminal_id = 1000 + i / TERMINAL_MAX;
		assert_true(spsc_ring_push(rings[0], &query));
		(void)reader_work(library.reader, library.bed->now_ns);
	}
	assert_int_equal(spsc_ring_count(rings[0]), 0);
	query.origin.terminal_id = 5000;
	for (int i = 0; i < 10; i++)
		assert_true(spsc_ring_push(rings[0], &query));
	query.origin.terminal_id = 5001;
	assert_true(spsc_ring_push(rings[1], &query));
	(void)reader_work(library.reader, library.bed->now_ns);
	assert_int_equal(spsc_ring_count(rings[0]), 9);
	assert_int_equal(spsc_ring_count(rings[1]), 0);
	library_close(&library);
}

BED_MAIN()
