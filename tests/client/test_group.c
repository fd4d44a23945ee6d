/* SPDX-License-Identifier: Apache-2.0 */
/* Linked groups, and REVERSE of what has no answer at its deadline. */
#include <errno.h>

#include "tests/client/harness.h"
#include "tests/test.h"

#define GROUP 3

static const struct client_config plain;
static const struct client_config reversing = { .reverse = 1 };

static void group_fill(struct wire_request requests[LIMIT_LINKED_MAX])
{
	memset(requests, 0, LIMIT_LINKED_MAX * sizeof(requests[0]));
	for (unsigned i = 0; i < LIMIT_LINKED_MAX; i++) {
		requests[i].template_id = WIRE_DEPOSIT;
		requests[i].deposit.account_id = 42;
		requests[i].deposit.amount = 100 + (int64_t)i;
		requests[i].deposit.deadline_ns = UINT64_MAX;
		requests[i].deposit.currency = 410;
	}
	requests[1].template_id = WIRE_WITHDRAW;
}

static uint64_t group_send(struct harness *harness, unsigned count, uint64_t timeout_ns)
{
	struct wire_request requests[LIMIT_LINKED_MAX];

	group_fill(requests);
	assert_int_equal(client_request_linked(
	                     harness->client, requests, count, timeout_ns, 70, harness->now_ns),
	    0);
	for (unsigned i = 0; i < count; i++)
		assert_true(requests[i].request_id == requests[0].request_id + i);
	return requests[0].request_id;
}

TEST(a_group_goes_out_in_one_datagram_whatever_messages_max_says)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t first;
	unsigned before;

	harness_connect(harness);
	before = harness->sim.datagrams;
	first = group_send(harness, GROUP, 0);
	assert_true(harness_run(harness, harness->now_ns + 1000 * MS, CLIENT_ANSWERED, GROUP));
	assert_int_equal(harness->sim.datagrams, before + 1);
	assert_int_equal(harness->sim.messages_max, GROUP);
	assert_int_equal(harness->sim.executed, GROUP);
	for (unsigned i = 0; i < GROUP; i++) {
		assert_true(harness->sim.outcomes[i].group_first == first);
		assert_true(harness->sim.outcomes[i].request_id == first + i);
	}
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

/* The network loses, the switch is busy and starts anew, and bets are in between. */
static void group_storm(uint64_t seed)
{
	struct client_config config = { .messages_max = (uint8_t)(1 + seed % 4 * 5),
		.jitter_seed = seed };
	struct harness *harness = harness_make(&config, seed);
	unsigned sent = 0, total = 90, restarts = 2;

	harness_connect(harness);
	harness->loss = 30;
	harness->doubled = 15;
	harness->delay_max_ns = 30 * MS;
	while (harness_count(harness, CLIENT_ANSWERED) < total) {
		while (sent < total && client_outstanding(harness->client) < 40) {
			if (test_random(&harness->random) % 3 == 0 || total - sent < GROUP) {
				harness_bet(harness, 0);
				sent++;
			} else {
				group_send(harness, GROUP, 0);
				sent += GROUP;
			}
		}
		if (test_random(&harness->random) % 10 == 0)
			harness->sim.busy_next = (unsigned)(test_random(&harness->random) % 4);
		if (restarts > 0 && test_random(&harness->random) % 20 == 0) {
			sim_switch_restart(&harness->sim, harness->sim.boot_id + 1, 1);
			restarts--;
		}
		harness_run(harness, harness->now_ns + 20 * MS, CLIENT_ANSWERED, total);
		assert_true(harness->now_ns < 600000 * MS);
	}
	assert_int_equal(harness->sim.executed, total);
	assert_int_equal(harness_count(harness, CLIENT_ANSWERED), total);
	assert_int_equal(harness->sim.links_open, 0);
	assert_int_equal(harness->sim.mismatches, 0);
	assert_true(harness->sim.retransmissions > 0);
	/* Whoever came in a group was carried out in it: never alone, never with a part of it. */
	for (unsigned i = 0; i < total; i++) {
		const struct sim_outcome *outcome = &harness->sim.outcomes[i];
		unsigned members = 0;

		for (unsigned k = 0; k < total; k++)
			members += harness->sim.outcomes[k].group_first == outcome->group_first;
		assert_int_equal(members, outcome->template_id == WIRE_PLACE_BET ? 1 : GROUP);
	}
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(a_group_is_never_carried_out_in_parts)
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < 6; i++)
		group_storm(seed + i);
}

TEST(a_member_with_its_answer_goes_along_until_the_last_one_has_its_own)
{
	struct harness *harness = harness_make(&plain, 1);
	uint64_t first;

	harness_connect(harness);
	first = client_next_id(harness->client);
	harness->sim.retransmissions = 0;
	harness->sim.deaf_id = first + 1; /* as if its answer were lost every time */
	assert_true(group_send(harness, GROUP, 0) == first);
	harness_run(harness, harness->now_ns + 3000 * MS, CLIENT_ANSWERED, GROUP);
	assert_int_equal(harness_count(harness, CLIENT_ANSWERED), GROUP - 1);
	assert_int_equal(client_outstanding(harness->client), 1);
	assert_true(harness->sim.retransmissions >= 2 * GROUP);
	assert_int_equal(harness->sim.retransmissions % GROUP, 0);
	harness->sim.deaf_id = 0;
	assert_true(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_ANSWERED, GROUP));
	assert_int_equal(client_outstanding(harness->client), 0);
	/* Every place is free again. */
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++)
		harness_bet(harness, 0);
	harness_free(harness);
}

TEST(what_cannot_be_a_group_is_refused_and_costs_no_id)
{
	struct wire_request requests[LIMIT_LINKED_MAX];
	struct harness *harness = harness_make(&plain, 1);
	struct client *client = harness->client;
	uint64_t next;

	group_fill(requests);
	assert_int_equal(client_request_linked(client, requests, 2, 0, 0, 0), -ENOTCONN);
	harness_connect(harness);
	next = client_next_id(client);
	assert_int_equal(client_request_linked(client, requests, 1, 0, 0, 0), -EINVAL);
	assert_int_equal(client_request_linked(client, requests, 9, 0, 0, 0), -EINVAL);
	requests[1].template_id = WIRE_BALANCE;
	assert_int_equal(client_request_linked(client, requests, 2, 0, 0, 0), -EINVAL);
	group_fill(requests);
	requests[1].flags = MESSAGE_FLAG_NO_REPLY;
	assert_int_equal(client_request_linked(client, requests, 2, 0, 0, 0), -EINVAL);
	/* Eight bets of ten legs have 1,728 bytes. */
	for (unsigned i = 0; i < LIMIT_LINKED_MAX; i++) {
		requests[i] = (struct wire_request){ .template_id = WIRE_PLACE_BET };
		requests[i].place_bet.leg_count = 10;
	}
	assert_int_equal(client_request_linked(client, requests, 8, 0, 0, 0), -EMSGSIZE);
	assert_true(client_next_id(client) == next);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX - 1; i++)
		harness_bet(harness, 0);
	group_fill(requests);
	assert_int_equal(client_request_linked(client, requests, 2, 0, 0, 0), -EAGAIN);
	assert_int_equal(client_outstanding(client), CLIENT_REQUESTS_MAX - 1);
	harness_free(harness);
}

/* ---- REVERSE ---- */

static const struct event *event_of(
    const struct harness *harness, enum client_event_kind kind, uint64_t request_id)
{
	for (unsigned i = 0; i < harness->event_count; i++)
		if (harness->events[i].kind == kind && harness->events[i].request_id == request_id)
			return &harness->events[i];
	return NULL;
}

TEST(a_bet_that_never_came_is_fenced_at_its_deadline)
{
	struct harness *harness = harness_make(&reversing, 1);
	const struct event *event;
	uint64_t id;

	harness_connect(harness);
	id = client_next_id(harness->client);
	harness->sim.deaf_id = id;
	assert_true(harness_bet(harness, 1000 * MS) == id);
	assert_true(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_REVERSED, 1));
	assert_non_null(event_of(harness, CLIENT_OUTCOME_UNKNOWN, id));
	event = event_of(harness, CLIENT_REVERSED, id);
	assert_non_null(event);
	assert_int_equal(event->code, WIRE_CODE_FENCED_NOW);
	assert_int_equal(event->template_id, WIRE_PLACE_BET);
	assert_true(harness->sim.fenced_id == id);
	assert_int_equal(harness_count(harness, CLIENT_ANSWERED), 0);
	/* And it is not asked for any more. */
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(a_deposit_whose_answer_is_lost_is_undone_at_its_deadline)
{
	struct wire_request request = { .template_id = WIRE_DEPOSIT };
	struct harness *harness = harness_make(&reversing, 1);

	harness_connect(harness);
	request.deposit.account_id = 42;
	request.deposit.amount = 500;
	request.deposit.currency = 410;
	assert_int_equal(
	    client_request(harness->client, &request, 1000 * MS, 0, harness->now_ns), 0);
	/* It is carried out, then its answers are lost. */
	harness_run(harness, harness->now_ns + 1, CLIENT_ANSWERED, 1);
	harness->sim.outcomes[0] = (struct sim_outcome){
		.request_id = request.request_id, .template_id = WIRE_DEPOSIT, .lsn = 1
	};
	harness->sim.executed = 1;
	harness->sim.deaf_id = request.request_id;
	assert_true(harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_REVERSED, 1));
	assert_int_equal(
	    event_of(harness, CLIENT_REVERSED, request.request_id)->code, WIRE_CODE_OK);
	assert_int_equal(harness->sim.reversed, 1);
	assert_int_equal(client_outstanding(harness->client), 0);
	harness_free(harness);
}

TEST(what_moves_no_money_or_is_not_told_to_is_not_reversed)
{
	struct wire_request request = { .template_id = WIRE_PLAY_SET };
	struct harness *harness = harness_make(&reversing, 1);

	harness_connect(harness);
	request.play_set.account_id = 42;
	harness->sim.deaf_id = client_next_id(harness->client);
	assert_int_equal(
	    client_request(harness->client, &request, 500 * MS, 0, harness->now_ns), 0);
	harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_REVERSED, 1);
	assert_int_equal(harness_count(harness, CLIENT_OUTCOME_UNKNOWN), 1);
	assert_int_equal(harness_count(harness, CLIENT_REVERSED), 0);
	assert_int_equal(harness->sim.executed, 0);
	harness_free(harness);

	harness = harness_make(&plain, 1);
	harness_connect(harness);
	harness->sim.deaf_id = client_next_id(harness->client);
	harness_bet(harness, 500 * MS);
	harness_run(harness, harness->now_ns + 5000 * MS, CLIENT_REVERSED, 1);
	assert_int_equal(harness_count(harness, CLIENT_REVERSED), 0);
	assert_int_equal(harness->sim.executed, 0);
	harness_free(harness);
}

TEST(markets_of_one_event_come_under_the_other_template)
{
	assert_true(wire_template_answers(WIRE_EVENT_QUERY, WIRE_EVENT_QUERY));
	assert_true(wire_template_answers(WIRE_EVENT_QUERY, WIRE_MARKET_QUERY));
	assert_false(wire_template_answers(WIRE_MARKET_QUERY, WIRE_EVENT_QUERY));
	assert_false(wire_template_answers(WIRE_BALANCE, WIRE_MARKET_QUERY));
}

TEST_MAIN()
