/* SPDX-License-Identifier: Apache-2.0 */
/* Who is slow, many, mute or gone: limits, deadlines, and what is taken back. */
#include "tests/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/keys/limiter.h"
#include "tests/control/keys/bed.h"

#define SECOND 1000000000ull

static uint8_t body[KEYING_BODY_SIZE_MAX];

static uint64_t ipv4(const char *last)
{
	struct sockaddr_storage storage = { .ss_family = AF_INET };
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_addr.s_addr = (uint32_t)strtoul(last, NULL, 0);
	memcpy(&storage, &address, sizeof(address));
	return limiter_address(&storage);
}

TEST(a_bucket_holds_its_burst_and_fills_at_its_rate)
{
	static struct limiter limiter;
	uint64_t one = ipv4("1"), other = ipv4("2"), now = 5 * SECOND;

	memset(&limiter, 0, sizeof(limiter));
	for (int i = 0; i < 3; i++)
		assert_int_equal(limiter_take(&limiter, one, now, 2, 3), 1);
	assert_int_equal(limiter_take(&limiter, one, now, 2, 3), 0);
	assert_int_equal(limiter_take(&limiter, other, now, 2, 3), 1);
	assert_int_equal(limiter_take(&limiter, one, now + SECOND / 2 - 1000, 2, 3), 0);
	assert_int_equal(limiter_take(&limiter, one, now + SECOND / 2, 2, 3), 1);
	assert_int_equal(limiter_take(&limiter, one, now + SECOND / 2, 2, 3), 0);
	/* A long rest gives the burst and no more; a clock that stands gives nothing. */
	now += 1000000 * SECOND;
	for (int i = 0; i < 3; i++)
		assert_int_equal(limiter_take(&limiter, one, now, 2, 3), 1);
	assert_int_equal(limiter_take(&limiter, one, now - SECOND, 2, 3), 0);
}

TEST(many_addresses_do_not_free_a_busy_one_soon)
{
	static struct limiter limiter;
	uint64_t busy = ipv4("7"), now = SECOND;
	uint64_t random = test_seed();
	char text[24];
	int refused = 0;

	memset(&limiter, 0, sizeof(limiter));
	limiter.secret = test_random(&random);
	for (int i = 0; i < 20000; i++) {
		now += 1000;
		refused += !limiter_take(&limiter, busy, now, 1, 1);
		snprintf(text, sizeof(text), "%u", 1000u + (unsigned)i);
		assert_int_equal(limiter_take(&limiter, ipv4(text), now, 1, 1), 1);
	}
	/* 20 ms: the busy one is always the newest of its places. */
	assert_int_equal(refused, 19999);
}

TEST(ipv6_is_limited_by_network)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	struct sockaddr_storage a = { 0 }, b = { 0 }, c = { 0 };

	address.sin6_addr.s6_addr[0] = 0x20;
	memcpy(&a, &address, sizeof(address));
	address.sin6_addr.s6_addr[15] = 9;
	memcpy(&b, &address, sizeof(address));
	address.sin6_addr.s6_addr[6] = 9;
	memcpy(&c, &address, sizeof(address));
	assert_true(limiter_address(&a) == limiter_address(&b));
	assert_true(limiter_address(&a) != limiter_address(&c));
	assert_true(limiter_address(&a) != 0);
}

/* 1 when the server closes this connection without a byte. */
static int closed_at_once(const struct bed *bed)
{
	int fd = bed_tcp(bed);
	char byte;
	ssize_t size = recv(fd, &byte, 1, 0);

	assert_true(fd >= 0);
	close(fd);
	return size == 0 || (size < 0 && errno == ECONNRESET);
}

TEST(an_address_over_its_rate_is_closed_before_tls)
{
	struct keying_established answer;
	struct bed_client client;
	struct bed bed;
	struct pki own;
	unsigned refusal;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed.config.keys.address_rate_per_s = 0;
	bed.config.keys.address_burst = 2;
	bed_restart(&bed);
	for (int i = 0; i < 2; i++) {
		bed_client_make(&bed, &client, &own);
		assert_int_equal(bed_client_connect(&bed, &client), 1);
		assert_int_equal(
		    bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
		bed_client_free(&client);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(closed_at_once(&bed), 1);
	assert_int_equal(bed_counts(&bed).rate_refused, 5);
	assert_int_equal(bed_counts(&bed).connections, 7);
	assert_int_equal(bed_counts(&bed).handshake_failures, 0);

	/* More is allowed by a reload, without a restart. */
	bed.config.keys.address_rate_per_s = 100000;
	bed.config.keys.address_burst = 1000;
	key_server_reload(bed.server, &bed.config);
	for (int i = 0; i < 2000; i++) {
		int fd = bed_tcp(&bed);

		close(fd);
		if (bed_counts(&bed).handshake_failures > 0)
			break;
		(void)poll(NULL, 0, 1);
	}
	assert_true(bed_counts(&bed).handshake_failures > 0);
	pki_free(&own);
	bed_free(&bed);
}

static void open_wait(const struct bed *bed, unsigned count)
{
	for (int i = 0; i < 20000 && bed_counts(bed).open != count; i++)
		(void)poll(NULL, 0, 1);
	assert_int_equal(bed_counts(bed).open, count);
}

TEST(more_than_the_most_at_once_are_closed_before_tls)
{
	int fds[3];
	struct bed bed;

	bed_make(&bed, 1);
	bed.config.keys.handshakes_parallel_max = 3;
	bed.config.keys.handshake_timeout_ms = 60000;
	bed_restart(&bed);
	for (int i = 0; i < 3; i++)
		fds[i] = bed_tcp(&bed);
	open_wait(&bed, 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(closed_at_once(&bed), 1);
	assert_int_equal(bed_counts(&bed).parallel_refused, 4);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	bed_nothing_made(&bed);
	bed_free(&bed);
}

/* Slots held by those who say nothing go to those who do. */
TEST(a_full_house_drops_the_oldest_mute_one)
{
	struct keying_established answer;
	struct bed_client client;
	struct bed bed;
	struct pki own;
	unsigned refusal;
	int fds[3];

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed.config.keys.handshakes_parallel_max = 3;
	bed.config.keys.handshake_timeout_ms = 2000;
	bed_restart(&bed);
	for (int i = 0; i < 3; i++)
		fds[i] = bed_tcp(&bed);
	open_wait(&bed, 3);
	(void)poll(NULL, 0, 600); /* a quarter of their time is over */
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	assert_true(bed_counts(&bed).timeouts >= 1);
	assert_int_equal(bed_counts(&bed).parallel_refused, 0);
	bed_client_free(&client);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	pki_free(&own);
	bed_free(&bed);
}

enum pest {
	PEST_MUTE,    /* connects and says nothing */
	PEST_SLOW,    /* a byte of a ClientHello now and then */
	PEST_GARBAGE, /* not TLS */
	PEST_PLAIN_HTTP,
	PEST_HALF_CLOSED, /* shuts its side at once */
	PEST_RESET,
	PEST_COUNT,
};

static int pest_make(const struct bed *bed, enum pest pest, uint64_t *random)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	struct linger hard = { .l_onoff = 1 };
	uint8_t bytes[512];
	int fd = bed_tcp(bed);

	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)test_random(random);
	bytes[0] = 0xff;
	if (pest == PEST_SLOW)
		for (size_t i = 0; i < sizeof(hello) - 1; i++)
			(void)send(fd, hello + i, 1, MSG_NOSIGNAL);
	if (pest == PEST_GARBAGE)
		(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
	if (pest == PEST_PLAIN_HTTP)
		(void)send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, MSG_NOSIGNAL);
	if (pest == PEST_HALF_CLOSED)
		(void)shutdown(fd, SHUT_WR);
	if (pest == PEST_RESET)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (pest == PEST_RESET) {
		close(fd);
		return -1;
	}
	return fd;
}

TEST(pests_are_closed_and_leave_nothing)
{
	uint64_t random = test_seed();
	struct bed bed;
	int fds[PEST_COUNT];

	bed_make(&bed, 1);
	bed.config.keys.handshake_timeout_ms = 100;
	bed_restart(&bed);
	for (int i = 0; i < PEST_COUNT; i++)
		fds[i] = pest_make(&bed, (enum pest)i, &random);
	/* The server ends them, none of them does. */
	for (int i = 0; i < PEST_COUNT; i++) {
		ssize_t size = 1;

		if (fds[i] < 0)
			continue;
		while (size > 0)
			size = recv(fds[i], body, sizeof(body), 0);
		assert_case_equal(i, size == 0 || errno == ECONNRESET, 1);
		close(fds[i]);
	}
	bed_nothing_made(&bed);
	assert_int_equal(bed_counts(&bed).connections, PEST_COUNT);
	assert_int_equal(bed_counts(&bed).handshakes, 0);
	assert_int_equal(bed_counts(&bed).timeouts, 2); /* mute and slow */
	bed_free(&bed);
}

TEST(one_that_is_verified_and_then_mute_is_closed_too)
{
	struct bed_client client;
	struct bed bed;
	struct pki own;
	size_t size, written;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed.config.keys.handshake_timeout_ms = 300;
	bed_restart(&bed);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(SSL_write_ex(client.ssl, "\1\0\1", 3, &written), 1);
	assert_int_equal(bed_client_read(&client, body, &size), 0);
	bed_client_free(&client);
	bed_nothing_made(&bed);
	assert_int_equal(bed_counts(&bed).timeouts, 1);
	pki_free(&own);
	bed_free(&bed);
}

TEST(without_a_data_plane_the_answer_comes_all_the_same)
{
	struct keying_established answer;
	struct sessions_counts counts;
	struct bed_client client;
	struct bed bed;
	struct pki own;
	unsigned refusal;

	bed_make(&bed, 1);
	atomic_store(&bed.installs, 0);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	sessions_counts(bed.sessions, &counts);
	assert_int_equal(counts.pending, 1);
	bed_client_free(&client);
	pki_free(&own);
	bed_free(&bed);
}

static void pending_wait(struct bed *bed)
{
	struct sessions_counts counts = { 0 };

	for (int i = 0; i < 20000 && counts.pending == 0; i++) {
		sessions_counts(bed->sessions, &counts);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(counts.pending, 1);
}

static void request_send(struct bed_client *client)
{
	static const uint8_t request[24] = { 1, 0, 1, 0, 16, 0, 0, 0, 2 };
	size_t written;

	assert_int_equal(SSL_write_ex(client->ssl, request, sizeof(request), &written), 1);
}

/* Its terminal never heard of the session: nobody would use it. */
TEST(a_session_whose_terminal_is_gone_before_the_answer_is_taken_back)
{
	struct linger hard = { .l_onoff = 1 };
	struct bed_client client;
	struct bed bed;
	struct pki own;

	bed_make(&bed, 1);
	atomic_store(&bed.installs, 0);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	request_send(&client);
	pending_wait(&bed);
	(void)setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	bed_client_free(&client);
	bed_nothing_made(&bed);
	pki_free(&own);
	bed_free(&bed);
}

TEST(stopping_the_server_takes_back_what_was_not_answered)
{
	struct sessions_counts counts;
	struct bed_client client;
	struct bed bed;
	struct pki own;

	bed_make(&bed, 1);
	atomic_store(&bed.installs, 0);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	request_send(&client);
	pending_wait(&bed);
	bed_restart(&bed);
	sessions_counts(bed.sessions, &counts);
	assert_int_equal(counts.pending + counts.live + counts.reserved, 0);
	bed_client_free(&client);
	pki_free(&own);
	bed_free(&bed);
}

TEST(a_terminal_blocked_while_it_waits_is_refused)
{
	struct audit_entry who = { .user = "test", .action = "test", .outcome = "done" };
	struct terminal_change change;
	struct keying_refused refused;
	struct bed_client client;
	struct bed bed;
	struct pki own;
	size_t size = 0;

	bed_make(&bed, 1);
	atomic_store(&bed.installs, 0);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	request_send(&client);
	pending_wait(&bed);
	assert_int_equal(
	    terminals_state_set(bed.database, 42, CONTROL_TERMINAL_BLOCKED, &who, &change), 0);
	assert_int_equal(sessions_end_terminal(bed.sessions, 42), 1);
	assert_int_equal(bed_client_read(&client, body, &size), KEYING_REFUSED);
	memcpy(&refused, body, sizeof(refused));
	assert_int_equal(le16_get(refused.code), KEYING_REFUSAL_TERMINAL_BLOCKED);
	bed_client_free(&client);
	bed_nothing_made(&bed);
	pki_free(&own);
	bed_free(&bed);
}

TEST(busy_when_no_slot_is_free)
{
	struct keying_refused refused;
	struct sessions_offer offer;
	struct bed_client client;
	struct bed bed;
	struct pki own;
	size_t size = 0;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	for (uint64_t id = 1000; sessions_reserve(bed.sessions, id, 1, &offer) == 0; id++)
		assert_true(id < 2000);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	request_send(&client);
	assert_int_equal(bed_client_read(&client, body, &size), KEYING_REFUSED);
	memcpy(&refused, body, sizeof(refused));
	assert_int_equal(le16_get(refused.code), KEYING_REFUSAL_BUSY);
	assert_true(le16_get(refused.retry_after_s) > 0);
	bed_client_free(&client);
	pki_free(&own);
	bed_free(&bed);
}

TEST_MAIN()
