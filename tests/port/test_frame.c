/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"
#include "wire/bytes.h"

#include "dataplane/port/frame.h"
#include "wire/assert.h"

#define OURS   0x0a090001u /* 10.9.0.1 */
#define THEIRS 0x0a090002u
#define BASE   4700
#define COUNT  2

static const struct port_frame_self self = {
	.mac = { 0x02, 0, 0, 0, 0, 0x01 },
	.port_index = 3,
	.ipv4 = OURS,
	.udp_port_base = BASE,
	.udp_port_count = COUNT,
};

static const uint8_t their_mac[6] = { 0x02, 0, 0, 0, 0, 0x02 };

/* Checksums in these frames are those scapy computes. A datagram of 40 payload bytes 1, 2, 3 ...
 * from 10.9.0.2:5000 to 10.9.0.1:4701, byte by byte. */
static const uint8_t udp_frame[82] = { 0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x08,
	0x00,                                                    /* Ethernet */
	0x45, 0, 0, 68, 0x12, 0x34, 0x40, 0, 64, 17, 0x14, 0x61, /* IPv4 */
	10, 9, 0, 2, 10, 9, 0, 1,                                /* addresses */
	0x13, 0x88, 0x12, 0x5d, 0, 48, 0xde, 0xad,               /* UDP, bad checksum */
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, /* payload */
	21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40 };

static void checksum_fix(uint8_t *frame)
{
	uint16_t sum;

	frame[24] = frame[25] = 0;
	sum = port_frame_checksum(frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
}

TEST(checksum_of_the_example_of_rfc_1071)
{
	static const uint8_t bytes[8] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	assert_int_equal(port_frame_checksum(bytes, 8), (uint16_t)~0xddf2);
	assert_int_equal(port_frame_checksum(bytes, 3), (uint16_t)~0xf201);
	assert_int_equal(port_frame_checksum(bytes, 0), 0xffff);
}

TEST(a_datagram_to_us)
{
	uint8_t frame[sizeof(udp_frame)];
	struct port_packet packet;

	memcpy(frame, udp_frame, sizeof(frame));
	assert_int_equal(port_frame_classify(&self, frame, sizeof(frame), &packet), DROP_NONE);
	assert_ptr_equal(packet.payload, frame + PORT_HEADROOM);
	assert_int_equal(packet.size, 40);
	assert_int_equal(packet.worker, 1);
	assert_memory_equal(packet.peer.mac, their_mac, 6);
	assert_int_equal(packet.peer.ipv4, THEIRS);
	assert_int_equal(packet.peer.udp_port, 5000);
	assert_int_equal(packet.peer.port_index, 3);
	assert_int_equal(packet.peer.local_udp_port, 4701);
	assert_memory_equal(frame, udp_frame, sizeof(frame));
}

TEST(an_empty_datagram_is_passed_on_and_judged_behind)
{
	uint8_t frame[60];
	struct port_packet packet;

	memset(frame, 0, sizeof(frame));
	memcpy(frame, udp_frame, PORT_HEADROOM);
	frame[17] = 28;
	frame[39] = 8;
	checksum_fix(frame);
	assert_int_equal(port_frame_classify(&self, frame, sizeof(frame), &packet), DROP_NONE);
	assert_int_equal(packet.size, 0);
}

TEST(ethernet_padding_is_not_payload)
{
	uint8_t frame[sizeof(udp_frame) + 18];
	struct port_packet packet;

	memset(frame, 0xff, sizeof(frame));
	memcpy(frame, udp_frame, sizeof(udp_frame));
	assert_int_equal(port_frame_classify(&self, frame, sizeof(frame), &packet), DROP_NONE);
	assert_int_equal(packet.size, 40);
}

/* Up to two bytes of the good frame changed; `fix` repairs the header checksum afterwards. */
static const struct {
	int offset, value, offset2, value2, fix, expected;
} malformed[] = {
	{ 0, 0x02, -1, 0, 0, DROP_NONE },
	{ 5, 0x77, -1, 0, 0, DROP_NONE },     /* another MAC: the address decides */
	{ 6, 0x03, -1, 0, 0, DROP_NOT_IPV4 }, /* from a group */
	{ 6, 0xff, -1, 0, 0, DROP_NOT_IPV4 }, { 12, 0x81, 13, 0x00, 0, DROP_NOT_IPV4 }, /* VLAN */
	{ 12, 0x88, 13, 0xa8, 0, DROP_NOT_IPV4 },   /* provider VLAN */
	{ 12, 0x86, 13, 0xdd, 0, DROP_NOT_IPV4 },   /* IPv6 */
	{ 12, 0x00, 13, 0x2e, 0, DROP_NOT_IPV4 },   /* 802.3 length */
	{ 14, 0x65, -1, 0, 1, DROP_BAD_IP_HEADER }, /* version 6 */
	{ 14, 0x05, -1, 0, 1, DROP_BAD_IP_HEADER },
	{ 14, 0x44, -1, 0, 1, DROP_BAD_IP_HEADER }, /* header of 16 B */
	{ 14, 0x46, -1, 0, 1, DROP_BAD_IP_HEADER }, /* options */
	{ 14, 0x4f, -1, 0, 1, DROP_BAD_IP_HEADER },
	{ 15, 0xb8, -1, 0, 1, DROP_NONE }, /* DSCP is free */
	{ 17, 19, -1, 0, 1, DROP_BAD_IP_HEADER }, { 17, 0, -1, 0, 1, DROP_BAD_IP_HEADER },
	{ 17, 69, -1, 0, 1, DROP_BAD_IP_HEADER }, /* one byte more than there is */
	{ 16, 0xff, 17, 0xff, 1, DROP_BAD_IP_HEADER }, { 17, 67, -1, 0, 1, DROP_BAD_UDP_LENGTH },
	{ 17, 27, 39, 7, 1, DROP_BAD_UDP_LENGTH }, /* no room for a UDP header */
	{ 17, 20, -1, 0, 1, DROP_BAD_UDP_LENGTH },
	{ 24, 0x00, -1, 0, 0, DROP_BAD_IP_HEADER }, /* checksum */
	{ 25, 0x00, -1, 0, 0, DROP_BAD_IP_HEADER }, { 22, 63, -1, 0, 0, DROP_BAD_IP_HEADER },
	{ 22, 0, -1, 0, 1, DROP_NONE },            /* TTL 0 at its destination */
	{ 26, 127, -1, 0, 1, DROP_BAD_IP_HEADER }, /* loopback source */
	{ 26, 0, -1, 0, 1, DROP_BAD_IP_HEADER },
	{ 26, 224, -1, 0, 1, DROP_BAD_IP_HEADER }, /* multicast source */
	{ 26, 255, -1, 0, 1, DROP_BAD_IP_HEADER },
	{ 29, 1, -1, 0, 1, DROP_BAD_IP_HEADER }, /* our own address */
	{ 26, 223, -1, 0, 1, DROP_NONE },
	{ 20, 0x60, -1, 0, 1, DROP_FRAGMENT }, /* more fragments */
	{ 20, 0x20, -1, 0, 1, DROP_FRAGMENT }, { 21, 0x01, -1, 0, 1, DROP_FRAGMENT }, /* offset */
	{ 20, 0x5f, 21, 0xff, 1, DROP_FRAGMENT },
	{ 20, 0x00, -1, 0, 1, DROP_NONE }, /* DF is not asked of senders */
	{ 33, 2, -1, 0, 1, DROP_NOT_OUR_ADDRESS },
	{ 33, 255, -1, 0, 1, DROP_NOT_OUR_ADDRESS }, /* subnet broadcast */
	{ 30, 224, -1, 0, 1, DROP_NOT_OUR_ADDRESS }, { 23, 6, -1, 0, 1, DROP_NOT_UDP }, /* TCP */
	{ 23, 0, -1, 0, 1, DROP_NOT_UDP }, { 23, 47, -1, 0, 1, DROP_NOT_UDP },
	{ 23, 1, -1, 0, 1, DROP_NOT_UDP }, /* ICMP, not an echo request */
	{ 39, 47, -1, 0, 0, DROP_BAD_UDP_LENGTH }, { 39, 49, -1, 0, 0, DROP_BAD_UDP_LENGTH },
	{ 39, 0, -1, 0, 0, DROP_BAD_UDP_LENGTH }, { 38, 0xff, 39, 0xff, 0, DROP_BAD_UDP_LENGTH },
	{ 37, 0x5b, -1, 0, 0, DROP_NOT_OUR_PORT }, /* 4699 */
	{ 37, 0x5c, -1, 0, 0, DROP_NONE },         /* 4700 */
	{ 37, 0x5e, -1, 0, 0, DROP_NOT_OUR_PORT }, /* 4702 */
	{ 36, 0, 37, 0, 0, DROP_NOT_OUR_PORT },
	{ 34, 0, 35, 0, 0, DROP_NOT_OUR_PORT }, /* nobody to answer */
	{ 40, 0x12, 41, 0x34, 0, DROP_NONE },   /* UDP checksum is not looked at */
};

TEST(each_malformed_frame_has_its_reason)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(malformed); i++) {
		uint8_t frame[sizeof(udp_frame)], before[sizeof(udp_frame)];
		struct port_packet packet, untouched;

		memcpy(frame, udp_frame, sizeof(frame));
		frame[malformed[i].offset] = (uint8_t)malformed[i].value;
		if (malformed[i].offset2 >= 0)
			frame[malformed[i].offset2] = (uint8_t)malformed[i].value2;
		if (malformed[i].fix)
			checksum_fix(frame);
		memcpy(before, frame, sizeof(frame));
		memset(&packet, 0x5a, sizeof(packet));
		untouched = packet;
		assert_case_equal(i, port_frame_classify(&self, frame, sizeof(frame), &packet),
		    malformed[i].expected);
		assert_memory_equal(frame, before, sizeof(frame));
		if (malformed[i].expected != DROP_NONE)
			assert_memory_equal(&packet, &untouched, sizeof(packet));
	}
}

/* In a heap block of exactly the frame's size, so that a sanitizer sees every byte read too far. */
static int classify_exact(const uint8_t *bytes, size_t size)
{
	uint8_t *frame = malloc(size == 0 ? 1 : size);
	struct port_packet packet;
	int result;

	assert_non_null(frame);
	memcpy(frame, bytes, size);
	result = port_frame_classify(&self, frame, (uint32_t)size, &packet);
	free(frame);
	return result;
}

TEST(a_frame_cut_at_any_byte_is_dropped)
{
	for (size_t size = 0; size < sizeof(udp_frame); size++)
		assert_case_equal(size, classify_exact(udp_frame, size),
		    size < 14 ? DROP_NOT_IPV4 : DROP_BAD_IP_HEADER);
}

TEST(a_datagram_cut_with_its_lengths_fixed_is_dropped_or_passed)
{
	for (size_t size = 34; size < sizeof(udp_frame); size++) {
		uint8_t frame[sizeof(udp_frame)];

		memcpy(frame, udp_frame, sizeof(frame));
		frame[17] = (uint8_t)(size - 14);
		if (size >= 42)
			frame[39] = (uint8_t)(size - 34);
		checksum_fix(frame);
		assert_case_equal(
		    size, classify_exact(frame, size), size < 42 ? DROP_BAD_UDP_LENGTH : DROP_NONE);
	}
}

/* ---- ARP ---- */

static const uint8_t arp_request[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x02,
	0x08, 0x06,                   /* Ethernet */
	0, 1, 0x08, 0x00, 6, 4, 0, 1, /* request */
	0x02, 0, 0, 0, 0, 0x02, 10, 9, 0, 2, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1 };

TEST(arp_request_becomes_its_reply)
{
	static const uint8_t reply[42] = { 0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08,
		0x06, /* back to the asker */
		0, 1, 0x08, 0x00, 6, 4, 0, 2, 0x02, 0, 0, 0, 0, 0x01, 10, 9, 0, 1, 0x02, 0, 0, 0, 0,
		0x02, 10, 9, 0, 2 };
	uint8_t frame[60], zero[18] = { 0 };
	struct port_packet packet;

	memset(frame, 0xcc, sizeof(frame));
	memcpy(frame, arp_request, sizeof(arp_request));
	assert_int_equal(port_frame_classify(&self, frame, sizeof(frame), &packet), PORT_ANSWERED);
	assert_memory_equal(frame, reply, sizeof(reply));
	assert_memory_equal(frame + sizeof(reply), zero, sizeof(zero));
}

TEST(arp_probe_of_a_host_without_address_is_answered)
{
	uint8_t frame[42];
	struct port_packet packet;

	memcpy(frame, arp_request, sizeof(frame));
	memset(frame + 28, 0, 4);
	assert_int_equal(port_frame_classify(&self, frame, sizeof(frame), &packet), PORT_ANSWERED);
	assert_true(bytes_all_zero(frame + 38, 4));
}

TEST(arp_that_is_not_for_us_or_malformed)
{
	static const struct {
		int offset, value, expected;
	} cases[] = {
		{ 41, 2, DROP_NOT_OUR_ADDRESS },
		{ 21, 2, DROP_NOT_IPV4 }, /* a reply: we never ask */
		{ 21, 0, DROP_NOT_IPV4 },
		{ 15, 6, DROP_NOT_IPV4 }, /* hardware type */
		{ 17, 1, DROP_NOT_IPV4 }, /* protocol */
		{ 18, 8, DROP_NOT_IPV4 },
		{ 19, 16, DROP_NOT_IPV4 },
		{ 22, 0x03, DROP_NOT_IPV4 }, /* group sender */
		{ 6, 0x03, DROP_NOT_IPV4 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint8_t frame[42];
		struct port_packet packet;

		memcpy(frame, arp_request, sizeof(frame));
		frame[cases[i].offset] = (uint8_t)cases[i].value;
		assert_case_equal(i, port_frame_classify(&self, frame, sizeof(frame), &packet),
		    cases[i].expected);
	}
	for (size_t size = 0; size < sizeof(arp_request); size++)
		assert_case_equal(size, classify_exact(arp_request, size), DROP_NOT_IPV4);
}

/* ---- ICMP echo ---- */

/* Echo request, id 0x0102, sequence 7, five data bytes (an odd length), TTL 3, id 0x1234. */
static const uint8_t echo_request[47] = { 0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x08,
	0x00, 0x45, 0, 0, 33, 0x12, 0x34, 0, 0, 3, 1, 0x91, 0x94, 10, 9, 0, 2, 10, 9, 0, 1, 8, 0,
	0xb3, 0x24, 0x01, 0x02, 0, 7, 'h', 'e', 'l', 'l', 'o' };

TEST(echo_request_becomes_its_reply)
{
	static const uint8_t reply[47] = { 0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08,
		0x00,                                             /* back */
		0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 1, 0x26, 0xc8, /* DF, TTL 64, new checksum */
		10, 9, 0, 1, 10, 9, 0, 2, 0, 0, 0xbb, 0x24, 0x01, 0x02, 0, 7, 'h', 'e', 'l', 'l',
		'o' };
	uint8_t frame[60], zero[13] = { 0 };
	struct port_packet packet;

	memset(frame, 0xcc, sizeof(frame));
	memcpy(frame, echo_request, sizeof(echo_request));
	assert_int_equal(port_frame_classify(&self, frame, sizeof(frame), &packet), PORT_ANSWERED);
	assert_memory_equal(frame, reply, sizeof(reply));
	assert_memory_equal(frame + sizeof(reply), zero, sizeof(zero));
	assert_int_equal(port_frame_checksum(frame + 14, 20), 0);
	assert_int_equal(port_frame_checksum(frame + 34, 13), 0);
}

TEST(other_icmp_is_not_answered)
{
	static const struct {
		int offset, value, expected;
	} cases[] = {
		{ 34, 0, DROP_NOT_UDP },  /* echo reply */
		{ 34, 13, DROP_NOT_UDP }, /* timestamp */
		{ 34, 5, DROP_NOT_UDP },  /* redirect */
		{ 35, 1, DROP_NOT_UDP },
		{ 36, 0, DROP_NOT_UDP }, /* checksum */
		{ 46, 'x', DROP_NOT_UDP },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint8_t frame[sizeof(echo_request)];
		struct port_packet packet;

		memcpy(frame, echo_request, sizeof(frame));
		frame[cases[i].offset] = (uint8_t)cases[i].value;
		assert_case_equal(i, port_frame_classify(&self, frame, sizeof(frame), &packet),
		    cases[i].expected);
	}
	for (size_t size = 34; size < 42; size++) {
		uint8_t frame[sizeof(echo_request)];

		memcpy(frame, echo_request, sizeof(frame));
		frame[17] = (uint8_t)(size - 14);
		checksum_fix(frame);
		assert_case_equal(size, classify_exact(frame, size), DROP_NOT_UDP);
	}
}

/* ---- Answers ---- */

TEST(answer_headers_byte_by_byte)
{
	static const uint8_t headers[PORT_HEADROOM] = {
		0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00,   /* Ethernet */
		0x45, 0, 0, 68, 0, 0, 0x40, 0, 64, 17, 0x26, 0x95,            /* DF, TTL 64 */
		10, 9, 0, 1, 10, 9, 0, 2, 0x12, 0x5d, 0x13, 0x88, 0, 48, 0, 0 /* no checksum */
	};
	uint8_t asked[sizeof(udp_frame)], frame[PORT_HEADROOM + 41];
	struct port_packet packet;

	memcpy(asked, udp_frame, sizeof(asked));
	assert_int_equal(port_frame_classify(&self, asked, sizeof(asked), &packet), DROP_NONE);
	memset(frame, 0xcc, sizeof(frame));
	assert_int_equal(port_frame_build_udp(&self, frame, &packet.peer, 40), 82);
	assert_memory_equal(frame, headers, sizeof(headers));
	for (size_t i = PORT_HEADROOM; i < sizeof(frame); i++)
		assert_int_equal(frame[i], 0xcc);
}

TEST(an_answer_is_sound_at_the_other_end_at_every_size)
{
	static const struct port_frame_self terminal = { .mac = { 0x02, 0, 0, 0, 0, 0x02 },
		.ipv4 = THEIRS,
		.udp_port_base = 5000,
		.udp_port_count = 1 };
	struct wire_peer peer = { .ipv4 = THEIRS, .udp_port = 5000, .local_udp_port = 4700 };
	static uint8_t frame[2048];

	memcpy(peer.mac, their_mac, sizeof(their_mac));
	for (uint16_t size = 0; size <= 1472; size++) {
		struct port_packet packet;
		uint16_t frame_size = port_frame_build_udp(&self, frame, &peer, size);

		assert_int_equal(frame_size, 42 + size);
		assert_int_equal(
		    port_frame_classify(&terminal, frame, frame_size, &packet), DROP_NONE);
		assert_int_equal(packet.size, size);
		assert_int_equal(packet.peer.ipv4, OURS);
		assert_int_equal(packet.peer.udp_port, 4700);
		assert_memory_equal(packet.peer.mac, self.mac, 6);
	}
}

/* Random damage to sound frames: the judgement stays inside the frame and inside its results. */
TEST(random_damage)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
	} good[] = { { udp_frame, sizeof(udp_frame) }, { arp_request, sizeof(arp_request) },
		{ echo_request, sizeof(echo_request) } };
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200000; round++) {
		unsigned which = (unsigned)(test_random(&random) % 3);
		size_t size = good[which].size;
		uint8_t *frame = malloc(size);
		struct port_packet packet;
		int result;

		assert_non_null(frame);
		memcpy(frame, good[which].bytes, size);
		for (unsigned i = 0; i < 1 + round % 4; i++)
			frame[test_random(&random) % size] = (uint8_t)test_random(&random);
		if (which != 1 && round % 2 == 0)
			checksum_fix(frame);
		if (round % 3 == 0)
			size = test_random(&random) % (size + 1);
		result = port_frame_classify(&self, frame, (uint32_t)size, &packet);
		assert_true(result >= PORT_ANSWERED && result <= DROP_NOT_OUR_PORT);
		if (result == DROP_NONE) {
			assert_true(packet.payload == frame + PORT_HEADROOM);
			assert_true((size_t)PORT_HEADROOM + packet.size <= size);
			assert_true(packet.worker < COUNT);
		}
		free(frame);
	}
}

TEST_MAIN()
