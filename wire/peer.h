/* SPDX-License-Identifier: Apache-2.0 */
/* Where a datagram came from and where its answer goes: what port and session both speak of. */
#ifndef SLUICE_WIRE_PEER_H
#define SLUICE_WIRE_PEER_H

#include <stdint.h>

struct wire_peer {
	uint8_t mac[6];
	uint16_t udp_port;       /* host order */
	uint32_t ipv4;           /* host order */
	uint16_t port_index;     /* of the ethdev it came in by */
	uint16_t local_udp_port; /* ours, the one it sent to */
};

#endif
