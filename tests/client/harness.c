/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/harness.h"

#include <string.h>

#include "tests/test.h"

static void event_take(void *context, const struct client_event *event)
{
	struct harness *harness = context;

	assert_true(harness->event_count < EVENTS_MAX);
	assert_int_equal(event->reply != NULL, event->kind == CLIENT_READY ||
	                                           event->kind == CLIENT_ANSWERED ||
	                                           event->kind == CLIENT_REVERSED);
	harness->events[harness->event_count++] =
	    (struct event){ event->kind, event->request_id, harness->now_ns, event->template_id,
		    event->reply == NULL ? 0xffff : event->reply->code, event->sends };
}

static int keep(void *context, const uint8_t *message, size_t size)
{
	struct harness *harness = context;
	struct message_header header;

	assert_true(size >= sizeof(header));
	memcpy(&header, message, sizeof(header));
	harness->kept++;
	harness->kept_id = le64_get(header.request_id);
	return harness->keep_result;
}

struct harness *harness_make(const struct client_config *config, uint64_t seed)
{
	struct harness *harness = aligned_alloc(64, (sizeof(*harness) + 63) / 64 * 64);
	struct client_config used = *config;

	assert_non_null(harness);
	memset(harness, 0, sizeof(*harness));
	sim_switch_init(&harness->sim, 1000, 3);
	memset(harness->due_ns, 0xff, sizeof(harness->due_ns));
	harness->random = seed;
	harness->now_ns = 5000 * MS;
	harness->delay_min_ns = harness->delay_max_ns = MS;
	used.session_id = harness->sim.session_id;
	memcpy(used.root, harness->sim.root, sizeof(used.root));
	if (used.epoch == 0)
		used.epoch = 1;
	if (used.request_ids.next == 0)
		used.request_ids = (struct client_counter){ .next = 1, .limit = UINT64_MAX };
	if (used.packet_number_first == 0)
		used.packet_number_first = 1;
	used.on_event = event_take;
	used.keep = keep;
	used.context = harness;
	assert_int_equal(client_create(&used, &harness->client), 0);
	return harness;
}

void harness_free(struct harness *harness)
{
	/* The client never uses a number twice; what the switch saw twice, the network doubled. */
	if (harness->doubled == 0)
		assert_int_equal(harness->sim.replays_seen, 0);
	assert_int_equal(harness->sim.mismatches, 0);
	client_free(harness->client);
	sim_switch_free(&harness->sim);
	free(harness);
}

static void network_put(
    struct harness *harness, const uint8_t *bytes, size_t size, uint8_t to_switch)
{
	unsigned copies = 1 + (test_random(&harness->random) % 100 < harness->doubled);

	if (test_random(&harness->random) % 100 < harness->loss)
		copies--;
	for (unsigned slot = 0; slot < PACKETS_MAX && copies > 0; slot++) {
		struct packet *packet = &harness->packets[slot];

		if (harness->due_ns[slot] != UINT64_MAX)
			continue;
		copies--;
		packet->to_switch = to_switch;
		packet->size = size;
		memcpy(packet->bytes, bytes, size);
		harness->due_ns[slot] = harness->now_ns + harness->delay_min_ns +
		                        test_random(&harness->random) %
		                            (harness->delay_max_ns - harness->delay_min_ns + 1);
	}
	assert_int_equal(copies, 0);
}

static void client_sends(struct harness *harness)
{
	uint8_t out[LIMIT_DATAGRAM_SIZE_MAX];
	struct frame_header header;
	int size;

	while ((size = client_poll(harness->client, harness->now_ns, out)) > 0) {
		memcpy(&header, out, sizeof(header));
		assert_true(le64_get(header.packet_number) > harness->last_packet_number);
		harness->last_packet_number = le64_get(header.packet_number);
		if (harness->sends < SENDS_MAX)
			harness->send_times[harness->sends] = harness->now_ns;
		harness->sends++;
		if (!harness->switch_down)
			network_put(harness, out, (size_t)size, 1);
	}
	assert_int_equal(size, 0);
	assert_true(client_outstanding(harness->client) - client_queued(harness->client) <=
	            LIMIT_IN_FLIGHT_PER_TERMINAL);
}

static void deliver(struct harness *harness, struct packet *packet)
{
	uint8_t out[LIMIT_DATAGRAM_SIZE_MAX];
	size_t size;

	if (!packet->to_switch) {
		(void)client_datagram_in(
		    harness->client, packet->bytes, packet->size, harness->now_ns);
		return;
	}
	if (harness->switch_down)
		return;
	harness->sim.time_ns =
	    1700000000000000000ull + harness->now_ns + (uint64_t)harness->clock_set_ns;
	size = sim_switch_take(&harness->sim, packet->bytes, packet->size, out);
	if (size > 0)
		network_put(harness, out, size, 0);
}

/* The slot of the packet that arrives next; its due_ns is UINT64_MAX when there is none. */
static unsigned packet_next(const struct harness *harness)
{
	unsigned next = 0;

	for (unsigned slot = 1; slot < PACKETS_MAX; slot++) {
		if (harness->due_ns[slot] < harness->due_ns[next])
			next = slot;
	}
	return next;
}

unsigned harness_count(const struct harness *harness, enum client_event_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < harness->event_count; i++)
		count += harness->events[i].kind == kind;
	return count;
}

int harness_run(
    struct harness *harness, uint64_t until_ns, enum client_event_kind kind, unsigned count)
{
	for (;;) {
		uint64_t next_ns;
		unsigned slot;

		client_sends(harness);
		if (harness_count(harness, kind) >= count)
			return 1;
		slot = packet_next(harness);
		next_ns = client_due_ns(harness->client, harness->now_ns);
		assert_true(next_ns > harness->now_ns); /* or the driver would spin */
		if (harness->due_ns[slot] < next_ns)
			next_ns = harness->due_ns[slot];
		if (next_ns > until_ns) {
			harness->now_ns = until_ns;
			return 0;
		}
		if (next_ns > harness->now_ns)
			harness->now_ns = next_ns;
		if (harness->due_ns[slot] <= next_ns) {
			harness->due_ns[slot] = UINT64_MAX;
			deliver(harness, &harness->packets[slot]);
		}
	}
}

void harness_connect(struct harness *harness)
{
	assert_int_equal(harness_run(harness, harness->now_ns + 10000 * MS, CLIENT_READY, 1), 1);
	assert_true(client_ready(harness->client));
}

uint64_t harness_bet(struct harness *harness, uint64_t timeout_ns)
{
	struct wire_request request = { .template_id = WIRE_PLACE_BET };

	request.place_bet.account_id = 42;
	request.place_bet.stake = 1000 + (int64_t)(test_random(&harness->random) % 1000);
	request.place_bet.currency = 410;
	request.place_bet.odds_policy = ODDS_SAME_OR_BETTER;
	request.place_bet.leg_count = 1;
	request.place_bet.legs[0] = (struct wire_leg){ 1001, 2150, 0 };
	if (timeout_ns == 0)
		request.place_bet.deadline_ns = UINT64_MAX;
	assert_int_equal(
	    client_request(harness->client, &request, timeout_ns, 9, harness->now_ns), 0);
	return request.request_id;
}
