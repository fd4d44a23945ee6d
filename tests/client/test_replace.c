/* SPDX-License-Identifier: Apache-2.0 */
/* A new session in place of one the switch no longer knows. */
#include <errno.h>

#include "tests/client/harness.h"
#include "tests/test.h"

#define OTHER_SESSION (8u << 20 | 6)

static const struct client_config plain;

static int replace(struct harness *harness, uint64_t boot_id, uint16_t epoch)
{
	/* Packet numbers start at 1 again, under another key. */
	harness->last_packet_number = 0;
	return client_session_replace(harness->client, harness->sim.session_id, harness->sim.root,
	    boot_id, epoch, harness->now_ns);
}

static void outcomes_check(struct harness *harness, unsigned total)
{
	assert_int_equal(harness->sim.executed, total);
	assert_int_equal(harness_count(harness, CLIENT_ANSWERED), total);
	for (unsigned i = 0; i < total; i++) {
		const struct sim_outcome *outcome = &harness->sim.outcomes[i];
		unsigned told = 0;

		for (unsigned k = 0; k < harness->event_count; k++) {
			if (harness->events[k].request_id != outcome->request_id)
				continue;
			told += harness->events[k].kind == CLIENT_ANSWERED;
			assert_int_equal(harness->events[k].code, outcome->code);
		}
		assert_int_equal(told, 1);
	}
}

/* What the terminal knows of boot id and epoch when the new session begins. */
static const struct {
	uint64_t boot_id;
	uint16_t epoch;
	unsigned resets; /* RESETs it takes */
} knowledge[] = {
	{ 1000, 3, 0 },
	{ 0, 1, 1 },
	{ 999, 7, 1 },
};

TEST(requests_in_flight_have_one_outcome_each_under_the_new_session)
{
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(knowledge); i++) {
		struct harness *harness = harness_make(&plain, 1);
		unsigned resets;
		uint64_t first;

		harness_connect(harness);
		first = harness_bet(harness, 0);
		for (unsigned k = 1; k < 40; k++)
			harness_bet(harness, 0);
		/* Some are carried out and their answers lost, some never arrive. */
		harness_run(harness, harness->now_ns + MS, CLIENT_ANSWERED, 99);
		sim_switch_session(&harness->sim, OTHER_SESSION, 99);
		assert_int_equal(
		    harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_SILENT, 1), 1);
		assert_true(harness->sim.unknown_sessions > 0);
		resets = (unsigned)client_stats(harness->client)->resets;
		assert_int_equal(replace(harness, knowledge[i].boot_id, knowledge[i].epoch), 0);
		assert_int_equal(client_session_id(harness->client), OTHER_SESSION);
		assert_int_equal(
		    harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_ANSWERED, 40), 1);
		outcomes_check(harness, 40);
		assert_int_equal(harness->sim.outcomes[0].request_id, first);
		assert_int_equal(
		    client_stats(harness->client)->resets - resets, knowledge[i].resets);
		assert_int_equal(client_stats(harness->client)->replaced, 1);
		assert_int_equal(client_outstanding(harness->client), 0);
		harness_free(harness);
	}
}

TEST(a_session_replaced_again_and_again_in_a_bad_network_loses_nothing)
{
	struct client_config config = { .messages_max = 4, .heartbeat = 1 };
	uint64_t seed = test_seed();
	struct harness *harness;
	unsigned sent = 0, changes = 0;

	config.jitter_seed = seed;
	harness = harness_make(&config, seed);
	harness_connect(harness);
	harness->loss = 20;
	harness->doubled = 10;
	harness->delay_max_ns = 20 * MS;
	while (harness_count(harness, CLIENT_ANSWERED) < 300) {
		while (sent < 300 && client_outstanding(harness->client) < 50) {
			harness_bet(harness, 0);
			sent++;
		}
		harness_run(harness, harness->now_ns + 30 * MS, CLIENT_ANSWERED, 300);
		if (test_random(&harness->random) % 8 == 0 && changes < 12) {
			sim_switch_session(
			    &harness->sim, OTHER_SESSION + changes, (uint8_t)(changes + 3));
			if (changes % 3 == 0)
				sim_switch_restart(&harness->sim, harness->sim.boot_id + 1, 2);
			changes++;
			assert_int_equal(replace(harness, 1000, 3), 0);
		}
		assert_true(harness->now_ns < 600000 * MS);
	}
	outcomes_check(harness, 300);
	assert_true(changes > 0);
	harness_free(harness);
}

TEST(the_round_trip_and_the_next_id_stay)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t rtt_ns, next;

	harness_connect(harness);
	harness_bet(harness, 0);
	harness_run(harness, harness->now_ns + 100 * MS, CLIENT_ANSWERED, 1);
	rtt_ns = client_rtt_ns(harness->client);
	next = client_next_id(harness->client);
	assert_true(rtt_ns > 0);
	sim_switch_session(&harness->sim, OTHER_SESSION, 99);
	assert_int_equal(replace(harness, 1000, 3), 0);
	assert_int_equal(client_rtt_ns(harness->client), rtt_ns);
	assert_int_equal(client_next_id(harness->client), next);
	assert_int_equal(client_ready(harness->client), 1);
	assert_int_equal(harness_bet(harness, 0), next);
	assert_int_equal(harness_run(harness, harness->now_ns + 100 * MS, CLIENT_ANSWERED, 2), 1);
	harness_free(harness);
}

TEST(an_answer_under_the_old_session_is_not_taken)
{
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	harness_bet(harness, 0);
	/* The bet arrives and its answer is under way when the session is replaced. */
	harness_run(harness, harness->now_ns + MS, CLIENT_ANSWERED, 1);
	assert_int_equal(harness->sim.executed, 1);
	sim_switch_session(&harness->sim, OTHER_SESSION, 99);
	harness->switch_down = 1;
	assert_int_equal(replace(harness, 1000, 3), 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 10 * MS, CLIENT_ANSWERED, 1), 0);
	assert_int_equal(client_stats(harness->client)->dropped[DROP_UNKNOWN_SESSION], 1);
	harness->switch_down = 0;
	assert_int_equal(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, 1), 1);
	outcomes_check(harness, 1);
	harness_free(harness);
}

TEST(a_new_session_that_nobody_answers_is_silent_again)
{
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	harness->switch_down = 1;
	harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_SILENT, 1), 1);
	/* Once, however long it lasts. */
	assert_int_equal(harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_SILENT, 2), 0);
	assert_int_equal(replace(harness, 1000, 3), 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_SILENT, 2), 1);
	harness_free(harness);
}

TEST(without_requests_hello_shows_whether_the_switch_knows_the_session)
{
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 1);
	assert_int_equal(client_session_replace(harness->client, OTHER_SESSION, harness->sim.root,
	                     1000, 3, harness->now_ns),
	    0);
	harness->last_packet_number = 0;
	assert_int_equal(harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_SILENT, 1), 1);
	harness_free(harness);
}

TEST(a_session_replaced_before_hello_was_answered_becomes_ready)
{
	struct harness *harness = harness_make(&plain, 1);

	harness->switch_down = 1;
	assert_int_equal(harness_run(harness, harness->now_ns + 60000 * MS, CLIENT_SILENT, 1), 1);
	harness->switch_down = 0;
	sim_switch_session(&harness->sim, OTHER_SESSION, 99);
	assert_int_equal(replace(harness, 1000, 3), 0);
	harness_connect(harness);
	harness_free(harness);
}

TEST(a_key_that_is_used_up_is_helped_by_a_new_session)
{
	struct client_config config = { .packet_number_first = LIMIT_PACKET_COUNTER_MAX };
	struct harness *harness = harness_make(&config, 1);
	uint8_t out[LIMIT_DATAGRAM_SIZE_MAX];

	harness->last_packet_number = 0;
	assert_true(client_poll(harness->client, harness->now_ns, out) > 0);
	harness->now_ns += 5000 * MS;
	assert_int_equal(client_poll(harness->client, harness->now_ns, out), -EKEYEXPIRED);
	sim_switch_session(&harness->sim, OTHER_SESSION, 99);
	assert_int_equal(replace(harness, 1000, 3), 0);
	harness_connect(harness);
	harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 1), 1);
	harness_free(harness);
}

TEST(session_id_zero_is_refused_and_the_old_session_goes_on)
{
	struct harness *harness = harness_make(&plain, 1);

	harness_connect(harness);
	assert_int_equal(
	    client_session_replace(harness->client, 0, harness->sim.root, 1000, 3, harness->now_ns),
	    -EINVAL);
	harness_bet(harness, 0);
	assert_int_equal(harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, 1), 1);
	assert_int_equal(client_stats(harness->client)->replaced, 0);
	harness_free(harness);
}

TEST_MAIN()
