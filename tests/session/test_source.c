/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "dataplane/session/source.h"

#define SECOND 1000000000ull
#define START  (1700000000ull * SECOND)

static struct source_table table;

static struct wire_peer peer_of(uint32_t ipv4, uint16_t udp_port)
{
	struct wire_peer peer;

	memset(&peer, 0, sizeof(peer));
	peer.ipv4 = ipv4;
	peer.udp_port = udp_port;
	return peer;
}

static void fail_times(const struct wire_peer *peer, unsigned times, uint64_t now_ns)
{
	for (unsigned i = 0; i < times; i++)
		source_failed(&table, peer, now_ns);
}

TEST(a_source_without_failures_passes)
{
	struct wire_peer peer = peer_of(1, 1);

	source_table_init(&table, 1);
	assert_false(source_refused(&table, &peer, START));
}

TEST(the_64th_failure_at_once_closes_the_source)
{
	struct wire_peer peer = peer_of(0x0a000001, 5000);

	source_table_init(&table, 1);
	fail_times(&peer, SESSION_SOURCE_FAILED_PER_S - 1, START);
	assert_false(source_refused(&table, &peer, START));
	fail_times(&peer, 1, START);
	assert_true(source_refused(&table, &peer, START));
}

TEST(only_this_address_and_port_are_refused)
{
	struct wire_peer bad = peer_of(0x0a000001, 5000);
	struct wire_peer port = peer_of(0x0a000001, 5001);
	struct wire_peer address = peer_of(0x0a000002, 5000);

	source_table_init(&table, 1);
	fail_times(&bad, 1000, START);
	assert_true(source_refused(&table, &bad, START));
	assert_false(source_refused(&table, &port, START));
	assert_false(source_refused(&table, &address, START));
}

TEST(failures_decay_within_a_second_and_a_bit)
{
	struct wire_peer peer = peer_of(0x0a000001, 5000);

	source_table_init(&table, 1);
	fail_times(&peer, 100000, START);
	assert_true(source_refused(&table, &peer, START + 10000000));
	assert_false(source_refused(&table, &peer, START + SECOND / 16));
	assert_false(source_refused(&table, &peer, START + 2 * SECOND));
}

/* What the limit is for: the number of openings a flood can force. */
TEST(a_flood_forces_64_openings_a_second)
{
	struct wire_peer peer = peer_of(0x0a000001, 5000);
	unsigned opened = 0;

	source_table_init(&table, 1);
	for (uint64_t us = 0; us < 10000000; us += 10) {
		uint64_t now = START + us * 1000;

		if (source_refused(&table, &peer, now))
			continue;
		source_failed(&table, &peer, now);
		opened++;
	}
	assert_in_range(opened, 600, 64 * 11 + 1);
}

TEST(slow_failures_are_never_refused)
{
	struct wire_peer peer = peer_of(0x0a000001, 5000);

	source_table_init(&table, 1);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t now = START + i * (SECOND / 50);

		assert_false(source_refused(&table, &peer, now));
		source_failed(&table, &peer, now);
	}
}

TEST(a_clock_that_goes_back_forgives)
{
	struct wire_peer peer = peer_of(0x0a000001, 5000);

	source_table_init(&table, 1);
	fail_times(&peer, 1000, START);
	assert_false(source_refused(&table, &peer, START - 100 * SECOND));
	fail_times(&peer, 64, START - 100 * SECOND);
	assert_true(source_refused(&table, &peer, START - 100 * SECOND));
}

/* Many weak sources must not wash a strong one out of the table. */
TEST(single_failures_of_many_do_not_free_a_flooding_source)
{
	uint64_t random = test_seed();
	struct wire_peer bad = peer_of(0x0a000001, 5000);

	source_table_init(&table, test_random(&random));
	fail_times(&bad, 64, START);
	for (unsigned i = 0; i < 100000; i++) {
		struct wire_peer other = peer_of(0x0b000000 + i, (uint16_t)test_random(&random));

		source_failed(&table, &other, START);
	}
	assert_true(source_refused(&table, &bad, START));
}

TEST_MAIN()
