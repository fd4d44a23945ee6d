/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target: port_frame_classify. The input is an Ethernet frame. A datagram that is let through lies
 * inside the frame, and the answer built for its sender would be let through by the sender.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/port/frame.h"
#include "tests/fuzz/fuzz.h"
#include "wire/assert.h"

static const struct port_frame_self self = { .mac = { 2, 0, 0, 0, 0, 1 },
	.ipv4 = 198u << 24 | 18u << 16 | 1u,
	.udp_port_base = 7400,
	.udp_port_count = 2 };

static void check_answer(const struct port_packet *packet)
{
	const struct port_frame_self peer = { .mac = { 0 },
		.ipv4 = packet->peer.ipv4,
		.udp_port_base = packet->peer.udp_port,
		.udp_port_count = 1 };
	uint8_t answer[PORT_HEADROOM + 64] = { 0 };
	struct port_packet at_peer;

	if (packet->peer.ipv4 == self.ipv4)
		return;
	SLUICE_REQUIRE(port_frame_build_udp(&self, answer, &packet->peer, 64) == sizeof(answer));
	SLUICE_REQUIRE(
	    port_frame_classify(&peer, answer, sizeof(answer), &at_peer) == (int)DROP_NONE);
	SLUICE_REQUIRE(at_peer.size == 64 && at_peer.peer.ipv4 == self.ipv4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct port_packet packet;
	uint8_t *frame;
	int result;

	if (size > 2048)
		return 0;
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	frame = malloc(size > 0 ? size : 1);
	SLUICE_REQUIRE(frame != NULL);
	if (size > 0)
		memcpy(frame, data, size);
	result = port_frame_classify(&self, frame, (uint32_t)size, &packet);
	if (result == (int)DROP_NONE) {
		SLUICE_REQUIRE(
		    packet.payload >= frame && packet.payload + packet.size <= frame + size);
		SLUICE_REQUIRE(packet.worker < self.udp_port_count);
		check_answer(&packet);
	} else {
		SLUICE_REQUIRE(
		    result == PORT_ANSWERED || (result >= 0 && result < DROP_REASON_COUNT));
	}
	free(frame);
	return 0;
}
