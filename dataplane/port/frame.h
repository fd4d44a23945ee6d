/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP echo (RFC 792) and UDP (RFC 768) on plain bytes:
 * what the port does to a frame, without DPDK. Everything a frame says is checked here; no outer
 * filter is relied on.
 */
#ifndef SLUICE_PORT_FRAME_H
#define SLUICE_PORT_FRAME_H

#include <stdint.h>

#include "wire/drop.h"
#include "wire/peer.h"

/* Ethernet 14 + IPv4 20 + UDP 8: where the payload of an answer begins in its buffer. */
#define PORT_HEADROOM 42
/* port_classify: the frame was an ARP or echo request and now is its answer: transmit it. */
#define PORT_ANSWERED (-2)

/* Who we are on this port; host order. */
struct port_frame_self {
	uint8_t mac[6];
	uint16_t port_index; /* copied into wire_peer.port_index */
	uint32_t ipv4;
	uint16_t udp_port_base; /* worker w listens at base + w */
	uint16_t udp_port_count;
};

/* A UDP datagram to us. */
struct port_packet {
	uint8_t *payload; /* inside the frame */
	uint16_t size;
	uint16_t worker; /* local UDP port - base, below udp_port_count */
	struct wire_peer peer;
};

/*
 * Judges one frame of `size` contiguous bytes. DROP_NONE with *packet filled, PORT_ANSWERED with
 * the frame turned into its answer (same size), or a drop_reason; *packet and frame untouched then.
 *
 *   NOT_IPV4         shorter than Ethernet, VLAN, any other type, group source address, ARP that is
 *                    not a request for an IPv4 address on Ethernet
 *   BAD_IP_HEADER    version, options (header length other than 20), total length, checksum, or a
 *                    source address nobody can have
 *   FRAGMENT         more-fragments flag or an offset
 *   NOT_OUR_ADDRESS  IPv4 or ARP target
 *   NOT_UDP          another protocol, ICMP other than a sound echo request
 *   BAD_UDP_LENGTH   the UDP length is not that of the IPv4 payload
 *   NOT_OUR_PORT     outside base .. base + count - 1, or source port 0
 */
int port_frame_classify(
    const struct port_frame_self *self, uint8_t *frame, uint32_t size, struct port_packet *packet);

/*
 * Writes the 42 header bytes in front of a payload of `payload_size` B (at most 1,472) at
 * frame + PORT_HEADROOM, addressed to `peer` from the local port it used. Returns the frame's size.
 */
uint16_t port_frame_build_udp(const struct port_frame_self *self, uint8_t *frame,
    const struct wire_peer *peer, uint16_t payload_size);

/* Internet checksum (RFC 1071) of `size` bytes, in host order; 0 over data with a right checksum.
 */
uint16_t port_frame_checksum(const uint8_t *bytes, uint32_t size);

#endif
