/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/client/harness.h"
#include "tests/test.h"

static const struct client_config plain;

TEST(a_terminal_that_knows_only_its_root_learns_boot_id_and_epoch_by_reset)
{
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	assert_int_equal(client_boot_id(harness->client), 1000);
	assert_int_equal(client_epoch(harness->client), 3);
	assert_int_equal(harness->sim.resets_sent, 1);
	assert_int_equal(harness_count(harness, CLIENT_REKEYED), 1);
	harness_free(harness);
}

TEST(no_request_is_taken_before_hello_is_answered)
{
	struct wire_request request = { .template_id = WIRE_BALANCE };
	struct harness *harness = harness_make(&plain, 1);

	assert_int_equal(client_request(harness->client, &request, 0, 0, 0), -ENOTCONN);
	harness_free(harness);
}

TEST(ids_go_above_what_the_switch_has_seen)
{
	struct harness *harness = harness_make(&plain, 1);

	harness->sim.hello_next_id = 500;
	harness_connect(harness);
	assert_int_equal(harness_bet(harness, 0), 500);
	assert_int_equal(harness_bet(harness, 0), 501);
	harness_free(harness);
}

TEST(questions_use_no_id_of_the_window)
{
	struct wire_request request = { .template_id = WIRE_BALANCE };
	struct harness *harness = harness_make(&plain, 1);
	uint64_t first, id;

	harness_connect(harness);
	first = harness_bet(harness, 0);
	request.balance.account_id = 42;
	assert_int_equal(client_request(harness->client, &request, 0, 0, harness->now_ns), 0);
	id = request.request_id;
	assert_true(id > CLIENT_QUERY_ID_FIRST);
	assert_int_equal(client_request(harness->client, &request, 0, 0, harness->now_ns), 0);
	assert_true(request.request_id > id);
	assert_int_equal(harness_bet(harness, 0), first + 1);
	harness_free(harness);
}

/*
 * The promise: whatever the network does and however often the switch starts anew, each request is
 * carried out once and told once, with the outcome the switch has stored.
 */
static void storm(uint64_t seed, uint8_t messages_max, unsigned restarts)
{
	static const struct client_config base = { .heartbeat = 1 };
	struct client_config config = base;
	struct harness *harness;
	unsigned sent = 0, total = 400;

	config.messages_max = messages_max;
	config.jitter_seed = seed;
	harness = harness_make(&config, seed);
	harness_connect(harness);
	harness->loss = 25;
	harness->doubled = 15;
	harness->delay_max_ns = 30 * MS;
	while (harness_count(harness, CLIENT_ANSWERED) < total) {
		while (sent < total && client_outstanding(harness->client) < 60) {
			harness_bet(harness, 0);
			sent++;
		}
		if (test_random(&harness->random) % 10 == 0)
			harness->sim.busy_next = (unsigned)(test_random(&harness->random) % 4);
		if (restarts > 0 && sent > total / (restarts + 1) &&
		    test_random(&harness->random) % 20 == 0) {
			sim_switch_restart(&harness->sim, harness->sim.boot_id + 1,
			    (uint16_t)(1 + test_random(&harness->random) % 5));
			restarts--;
		}
		harness_run(harness, harness->now_ns + 20 * MS, CLIENT_ANSWERED, total);
		assert_true(harness->now_ns < 600000 * MS);
	}
	assert_int_equal(harness->sim.executed, total);
	assert_int_equal(harness_count(harness, CLIENT_ANSWERED), total);
	for (unsigned i = 0; i < total; i++) {
		const struct sim_outcome *outcome = &harness->sim.outcomes[i];
		unsigned told = 0;

		for (unsigned k = 0; k < harness->event_count; k++) {
			const struct event *event = &harness->events[k];

			if (event->request_id == outcome->request_id) {
				assert_int_equal(event->code, outcome->code);
				told++;
			}
		}
		assert_int_equal(told, 1);
	}
	assert_true(harness->sim.retransmissions > 0);
	assert_true(harness->sim.messages_max <= messages_max);
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(loss_doubling_and_reordering_leave_one_outcome_per_request)
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < 3; i++)
		storm(seed + i, 1, 0);
}

TEST(restarts_of_the_switch_leave_one_outcome_per_request)
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < 3; i++)
		storm(seed + i, (uint8_t)(1 + 5 * i), 3);
}

/* Timeouts of one bet that is never answered, by the round trip measured before. */
static const struct {
	uint64_t delay_ns, first_ns; /* one way; expected first timeout */
} timings[] = {
	{ 1 * MS, 20 * MS },                            /* 3 x 2 ms is below the floor */
	{ 3 * MS, 20 * MS },                            /* 18 ms */
	{ 20 * MS, 120 * MS }, { 400 * MS, 2000 * MS }, /* 2.4 s is above the cap */
};

TEST(the_retransmission_timer)
{
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(timings); i++) {
		struct harness *harness = harness_make(&plain, 1);
		uint64_t last_ns;

		harness->delay_min_ns = harness->delay_max_ns = timings[i].delay_ns;
		harness_connect(harness);
		/* HELLO went out twice (RESET), so it gave no sample; a bet does, sooner or later.
		 */
		for (unsigned k = 1; k < 10 && client_rtt_ns(harness->client) == 0; k++) {
			harness_bet(harness, 0);
			assert_int_equal(
			    harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, k),
			    1);
		}
		assert_case_equal(i, client_rtt_ns(harness->client), 2 * timings[i].delay_ns);
		harness->switch_down = 1;
		harness->sends = 0;
		harness_bet(harness, 0);
		harness_run(harness, harness->now_ns + 30000 * MS, CLIENT_ANSWERED, 99);
		last_ns = harness->send_times[1] - harness->send_times[0];
		assert_case_equal(i, last_ns, timings[i].first_ns);
		/* To before the HELLO of the third timeout, which runs on its own timer. */
		for (unsigned k = 2; k < 4; k++) {
			uint64_t gap_ns = harness->send_times[k] - harness->send_times[k - 1];
			uint64_t low_ns = last_ns * 3 / 2, high_ns = last_ns * 5 / 2;

			low_ns = low_ns < 2000 * MS ? low_ns : 2000 * MS;
			high_ns = high_ns < 2000 * MS ? high_ns : 2000 * MS;
			if (gap_ns < low_ns || gap_ns > high_ns)
				fail_msg("case %d send %u: gap %lu ns", i, k, gap_ns);
			last_ns = gap_ns;
		}
		/* The cap holds: bet and HELLO each at most every 1.5 s, at least every 2 s. */
		assert_true(harness->sends >= 25 && harness->sends <= 50);
		harness_free(harness);
	}
}

TEST(before_the_first_measurement_the_timeout_is_200_ms)
{
	struct harness *harness = harness_make(&plain, 1);

	harness->switch_down = 1;
	harness_run(harness, harness->now_ns + 300 * MS, CLIENT_READY, 1);
	assert_int_equal(harness->sends, 2);
	assert_int_equal(harness->send_times[1] - harness->send_times[0], 200 * MS);
	harness_free(harness);
}

TEST(a_reset_sends_everything_unanswered_again_at_once)
{
	struct harness *harness = harness_make(&plain, 1);
	uint8_t reset[40];

	harness_connect(harness);
	harness->switch_down = 1;
	for (int i = 0; i < 20; i++)
		harness_bet(harness, 0);
	harness_run(harness, harness->now_ns + 10 * MS, CLIENT_ANSWERED, 1);
	harness->switch_down = 0;
	sim_switch_restart(&harness->sim, 2000, 1);
	sim_switch_reset(&harness->sim, 1, reset);
	harness->sends = 0;
	assert_int_equal(
	    client_datagram_in(harness->client, reset, sizeof(reset), harness->now_ns), DROP_NONE);
	harness_run(harness, harness->now_ns, CLIENT_ANSWERED, 20);
	assert_int_equal(harness->sends, 20);
	assert_int_equal(harness_run(harness, harness->now_ns + 10 * MS, CLIENT_ANSWERED, 20), 1);
	assert_int_equal(harness->sim.retransmissions, 21); /* with the HELLO of the first RESET */
	assert_int_equal(harness->sim.executed, 20);
	harness_free(harness);
}

TEST(a_transient_answer_is_waited_out_and_asked_again_with_the_same_id)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t start_ns, id;

	harness_connect(harness);
	harness->sim.busy_next = 1;
	harness->sim.busy_detail_ms = 500;
	start_ns = harness->now_ns;
	id = harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, 1), 1);
	assert_int_equal(harness->events[harness->event_count - 1].request_id, id);
	assert_int_equal(harness->events[harness->event_count - 1].code, WIRE_CODE_OK);
	assert_int_equal(harness->events[harness->event_count - 1].sends, 2);
	assert_int_equal(harness->now_ns - start_ns, 504 * MS);
	harness_free(harness);
}

/* A log that is damaged or put away says no more later: who asked hears so, and does not wait. */
TEST(a_question_that_cannot_be_answered_is_told_so_at_the_third_answer)
{
	static const struct {
		uint16_t code;
		unsigned answers; /* so many, then the outcome */
		uint16_t told;
	} cases[] = {
		{ WIRE_CODE_STORAGE_UNAVAILABLE, 3, WIRE_CODE_STORAGE_UNAVAILABLE },
		{ WIRE_CODE_STORAGE_UNAVAILABLE, 2, WIRE_CODE_OK },
		{ WIRE_CODE_OUTCOME_UNKNOWN, 3, WIRE_CODE_OUTCOME_UNKNOWN },
		{ WIRE_CODE_OUTCOME_UNKNOWN, 1, WIRE_CODE_OK },
		{ WIRE_CODE_BUSY, 10, WIRE_CODE_OK },
		{ WIRE_CODE_IN_PROGRESS, 10, WIRE_CODE_OK },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct wire_request ask = { .template_id = WIRE_TX_STATUS,
			.tx_status.target_request_id = 1 };
		struct harness *harness = harness_make(&plain, 1);
		uint64_t start_ns;

		harness_connect(harness);
		harness->sim.untold_next = cases[i].answers;
		harness->sim.untold_code = cases[i].code;
		start_ns = harness->now_ns;
		assert_int_equal(client_request(harness->client, &ask, 0, 0, harness->now_ns), 0);
		assert_case_equal(
		    i, harness_run(harness, harness->now_ns + 30000 * MS, CLIENT_ANSWERED, 1), 1);
		assert_case_equal(i, harness->events[harness->event_count - 1].code, cases[i].told);
		assert_case_equal(i, harness->events[harness->event_count - 1].sends,
		    cases[i].told == WIRE_CODE_OK ? cases[i].answers + 1 : 3);
		if (cases[i].told != WIRE_CODE_OK)
			assert_true(harness->now_ns - start_ns < 5000 * MS);
		harness_free(harness);
	}
}

/* What may have changed something is never given up: the switch has the answer, some day. */
TEST(an_outcome_is_asked_for_however_often_storage_is_unavailable)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t id;

	harness_connect(harness);
	harness->sim.busy_next = 10;
	harness->sim.busy_code = WIRE_CODE_STORAGE_UNAVAILABLE;
	id = harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_ANSWERED, 1), 1);
	assert_int_equal(harness->events[harness->event_count - 1].request_id, id);
	assert_int_equal(harness->events[harness->event_count - 1].code, WIRE_CODE_OK);
	assert_int_equal(harness->events[harness->event_count - 1].sends, 11);
	harness_free(harness);
}

TEST(at_its_deadline_the_outcome_is_unknown_and_asking_goes_on)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t start_ns;

	harness_connect(harness);
	harness->switch_down = 1;
	start_ns = harness->now_ns;
	harness_bet(harness, 3000 * MS);
	harness_run(harness, harness->now_ns + 20000 * MS, CLIENT_ANSWERED, 1);
	assert_int_equal(harness_count(harness, CLIENT_OUTCOME_UNKNOWN), 1);
	for (unsigned i = 0; i < harness->event_count; i++) {
		if (harness->events[i].kind == CLIENT_OUTCOME_UNKNOWN)
			assert_int_equal(harness->events[i].at_ns - start_ns, 3000 * MS);
	}
	harness->switch_down = 0;
	assert_int_equal(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, 1), 1);
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(what_was_never_sent_expires_with_a_definite_outcome)
{
	static const struct client_config one = { .in_flight_max = 1 };
	struct harness *harness = harness_make(&one, 1);
	uint64_t id;

	harness_connect(harness);
	harness->switch_down = 1;
	harness_bet(harness, 0);
	id = harness_bet(harness, 100 * MS);
	assert_int_equal(
	    harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_EXPIRED_UNSENT, 1), 1);
	assert_int_equal(harness->events[harness->event_count - 1].request_id, id);
	harness->switch_down = 0;
	assert_int_equal(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, 1), 1);
	harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, 2);
	assert_int_equal(harness->sim.executed, 1);
	harness_free(harness);
}

TEST(a_question_is_given_up_at_its_timeout)
{
	struct wire_request request = { .template_id = WIRE_BALANCE };
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	harness->switch_down = 1;
	request.balance.account_id = 1;
	assert_int_equal(
	    client_request(harness->client, &request, 700 * MS, 0, harness->now_ns), 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_GAVE_UP, 1), 1);
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(sixteen_bets_share_a_datagram)
{
	static const struct client_config batch = { .messages_max = 16 };
	struct harness *harness = harness_make(&batch, 1);

	harness_connect(harness);
	harness->sends = 0;
	for (int i = 0; i < 20; i++)
		harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 100 * MS, CLIENT_ANSWERED, 20), 1);
	assert_int_equal(harness->sends, 2);
	assert_int_equal(harness->sim.messages_max, 16);
	harness_free(harness);
}

TEST(no_id_goes_out_64_above_the_oldest_unanswered)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t first;

	harness_connect(harness);
	first = harness_bet(harness, 0);
	harness->sim.busy_id = first;
	harness->sim.busy_detail_ms = 50;
	for (int i = 0; i < 200; i++) {
		if (client_outstanding(harness->client) < 60)
			harness_bet(harness, 0);
		harness_run(harness, harness->now_ns + 10 * MS, CLIENT_ANSWERED, UINT32_MAX);
	}
	assert_int_equal(harness->sim.highest_id, first + 63);
	harness->sim.busy_id = 0;
	harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, UINT32_MAX);
	assert_int_equal(client_outstanding(harness->client), 0);
	assert_int_equal(harness->sim.highest_id + 1, client_next_id(harness->client));
	harness_free(harness);
}

TEST(the_deadline_is_switch_time_plus_timeout)
{
	struct wire_request request = { .template_id = WIRE_DEPOSIT };
	struct harness *harness = harness_make(&plain, 1);
	uint64_t switch_ns;

	harness_connect(harness);
	harness_bet(harness, 0); /* a sample with a known round trip */
	harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 1);
	switch_ns = 1700000000000000000ull + harness->now_ns;
	request.deposit.account_id = 1;
	request.deposit.amount = 1;
	request.deposit.currency = 410;
	assert_int_equal(
	    client_request(harness->client, &request, 250 * MS, 0, harness->now_ns), 0);
	assert_int_equal(request.deposit.deadline_ns, switch_ns + 250 * MS);
	harness_free(harness);
}

/* For ten seconds all deadlines were long past. */
TEST(a_switch_whose_clock_was_set_is_believed_at_once)
{
	static const int64_t set_ns[] = { 172800000000000, -172800000000000 };
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	harness_bet(harness, 0);
	harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 1);
	/* Slower from here on, so these are no better samples. */
	harness->delay_min_ns = harness->delay_max_ns = 20 * MS;
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(set_ns); i++) {
		uint64_t true_ns;
		int64_t wrong_ns;

		harness->clock_set_ns = set_ns[i];
		harness_bet(harness, 0);
		harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 2 + i);
		true_ns = 1700000000000000000ull + harness->now_ns + (uint64_t)set_ns[i];
		wrong_ns =
		    (int64_t)(client_switch_time_ns(harness->client, harness->now_ns) - true_ns);
		assert_true(wrong_ns > -50 * (int64_t)MS && wrong_ns < 50 * (int64_t)MS);
	}
	harness_free(harness);
}

TEST(a_mutating_request_is_kept_before_it_is_sent_or_it_is_not_sent)
{
	struct wire_request request = { .template_id = WIRE_DEPOSIT };
	struct harness *harness = harness_make(&plain, 1);
	uint64_t id;

	harness_connect(harness);
	assert_int_equal(harness->kept, 0); /* HELLO is no mutating request */
	id = harness_bet(harness, 0);
	assert_int_equal(harness->kept, 1);
	assert_int_equal(harness->kept_id, id);
	harness->keep_result = -ENOSPC;
	request.deposit.account_id = 1;
	request.deposit.amount = 1;
	assert_int_equal(client_request(harness->client, &request, 0, 0, harness->now_ns), -ENOSPC);
	harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 2);
	assert_int_equal(harness->sim.executed, 1);
	/* The id is burnt, not used for another body. */
	harness->keep_result = 0;
	assert_int_equal(harness_bet(harness, 0), id + 2);
	harness_free(harness);
}

TEST(three_timeouts_in_silence_ask_with_hello_and_tell_the_caller)
{
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	harness->switch_down = 1;
	harness_bet(harness, 0);
	harness->sends = 0;
	assert_int_equal(harness_run(harness, harness->now_ns + 10000 * MS, CLIENT_SILENT, 1), 1);
	assert_true(harness->sends >= 4);
	harness->switch_down = 0;
	sim_switch_restart(&harness->sim, 3000, 1);
	assert_int_equal(harness_run(harness, harness->now_ns + 10000 * MS, CLIENT_ANSWERED, 1), 1);
	assert_int_equal(harness_count(harness, CLIENT_SILENT), 1);
	assert_int_equal(harness_count(harness, CLIENT_READY), 1);
	harness_free(harness);
}

TEST(a_quiet_terminal_sends_heartbeats)
{
	static const struct client_config beating = { .heartbeat = 1 };
	struct harness *harness = harness_make(&beating, 1);

	harness_connect(harness);
	harness->sends = 0;
	harness_run(harness, harness->now_ns + 101000 * MS, CLIENT_ANSWERED, 1);
	assert_int_equal(harness->sends, 5); /* every 20 s: within the 25 s of HELLO's answer */
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(a_full_table_says_so_and_no_reply_frees_its_place_at_once)
{
	struct wire_request request = { .template_id = WIRE_HEARTBEAT,
		.flags = MESSAGE_FLAG_NO_REPLY };
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	assert_int_equal(client_request(harness->client, &request, 0, 0, harness->now_ns), 0);
	harness_run(harness, harness->now_ns + 10 * MS, CLIENT_ANSWERED, 1);
	assert_int_equal(client_outstanding(harness->client), 0);
	request.flags = 0;
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++)
		assert_int_equal(
		    client_request(harness->client, &request, 0, 0, harness->now_ns), 0);
	assert_int_equal(client_request(harness->client, &request, 0, 0, harness->now_ns), -EAGAIN);
	harness_free(harness);
}

TEST(values_outside_their_range_are_refused_at_creation)
{
	struct client_config good = { .session_id = 1, .epoch = 1, .packet_number_first = 1 };
	struct client *client;

	good.request_ids = (struct client_counter){ .next = 1, .limit = 10 };
	assert_int_equal(client_create(&good, &client), -EINVAL); /* no on_event */
	for (int i = 0; i < 5; i++) {
		struct harness *harness;
		struct client_config bad = plain;

		bad.messages_max = i == 0 ? 17 : 0;
		bad.in_flight_max = i == 1 ? 33 : 0;
		bad.request_ids.limit = bad.request_ids.next = i == 2 ? 1ull << 63 | 1 : 1;
		bad.packet_number_first = i == 3 ? 1ull << 56 : 1;
		if (i < 4) {
			bad.session_id = 1;
			bad.on_event = (void (*)(void *, const struct client_event *))abort;
			assert_case_equal(i, client_create(&bad, &client), -EINVAL);
		} else {
			harness = harness_make(&plain, 1);
			harness_free(harness);
		}
	}
}

TEST_MAIN()
