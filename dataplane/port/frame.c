/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/port/frame.h"

#include <string.h>

#define ETHER_SIZE        14u
#define ETHER_GROUP_BIT   0x01u
#define ETHER_TYPE_OFFSET 12u
#define ETHER_TYPE_IPV4   0x0800u
#define ETHER_TYPE_ARP    0x0806u

/* ARP packet for IPv4 on Ethernet, offsets behind the Ethernet header. */
#define ARP_SIZE        28u
#define ARP_OPERATION   6u
#define ARP_SENDER_MAC  8u
#define ARP_SENDER_IPV4 14u
#define ARP_TARGET_MAC  18u
#define ARP_TARGET_IPV4 24u
#define ARP_REQUEST     1u
#define ARP_REPLY       2u

#define IPV4_SIZE          20u
#define IPV4_VERSION_IHL   0x45u /* version 4, five words: no options */
#define IPV4_TOTAL         2u
#define IPV4_ID            4u
#define IPV4_FRAGMENT      6u
#define IPV4_TTL           8u
#define IPV4_PROTOCOL      9u
#define IPV4_CHECKSUM      10u
#define IPV4_SOURCE        12u
#define IPV4_DESTINATION   16u
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_FRAGMENT_MASK 0x3fffu /* more fragments, offset */
#define IPV4_TTL_OURS      64u
#define PROTOCOL_ICMP      1u
#define PROTOCOL_UDP       17u

#define ICMP_SIZE         8u
#define ICMP_CHECKSUM     2u
#define ICMP_ECHO_REQUEST 8u
#define ICMP_ECHO_REPLY   0u

#define UDP_SIZE        8u
#define UDP_DESTINATION 2u
#define UDP_LENGTH      4u
#define UDP_CHECKSUM    6u

_Static_assert(ETHER_SIZE + IPV4_SIZE + UDP_SIZE == PORT_HEADROOM, "headers before a payload");

static uint16_t be16_get(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t be32_get(const uint8_t *bytes)
{
	return (uint32_t)be16_get(bytes) << 16 | be16_get(bytes + 2);
}

static void be16_put(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static void be32_put(uint8_t *bytes, uint32_t value)
{
	be16_put(bytes, (uint16_t)(value >> 16));
	be16_put(bytes + 2, (uint16_t)value);
}

uint16_t port_frame_checksum(const uint8_t *bytes, uint32_t size)
{
	uint32_t sum = 0;
	uint32_t i;

	/* At most 32 Ki words fit an IPv4 packet, so 32 bits hold the sum. */
	for (i = 0; i + 1 < size; i += 2)
		sum += be16_get(bytes + i);
	if (i < size)
		sum += (uint32_t)bytes[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void ipv4_checksum_put(uint8_t *ip)
{
	be16_put(ip + IPV4_CHECKSUM, 0);
	be16_put(ip + IPV4_CHECKSUM, port_frame_checksum(ip, IPV4_SIZE));
}

static int arp_answer(const struct port_frame_self *self, uint8_t *frame, uint32_t size)
{
	/* Hardware type Ethernet, protocol IPv4, lengths 6 and 4, operation request. */
	static const uint8_t request[8] = { 0, 1, 8, 0, 6, 4, 0, ARP_REQUEST };
	uint8_t *arp = frame + ETHER_SIZE;

	if (size < ETHER_SIZE + ARP_SIZE || memcmp(arp, request, sizeof(request)) != 0)
		return DROP_NOT_IPV4;
	if (arp[ARP_SENDER_MAC] & ETHER_GROUP_BIT)
		return DROP_NOT_IPV4;
	if (be32_get(arp + ARP_TARGET_IPV4) != self->ipv4)
		return DROP_NOT_OUR_ADDRESS;
	arp[ARP_OPERATION + 1] = ARP_REPLY;
	memcpy(arp + ARP_TARGET_MAC, arp + ARP_SENDER_MAC, 6);
	memcpy(arp + ARP_TARGET_IPV4, arp + ARP_SENDER_IPV4, 4);
	memcpy(arp + ARP_SENDER_MAC, self->mac, 6);
	be32_put(arp + ARP_SENDER_IPV4, self->ipv4);
	memcpy(frame, arp + ARP_TARGET_MAC, 6);
	memcpy(frame + 6, self->mac, 6);
	/* The padding is the asker's; nothing of it goes back. */
	memset(arp + ARP_SIZE, 0, size - ETHER_SIZE - ARP_SIZE);
	return PORT_ANSWERED;
}

/* An address no datagram can come from: nothing is answered to it. */
static int source_impossible(const struct port_frame_self *self, uint32_t ipv4)
{
	return ipv4 >> 24 == 0 || ipv4 >> 24 == 127 || ipv4 >> 28 >= 14 || ipv4 == self->ipv4;
}

/* DROP_NONE when the header is sound, ours and whole; `size` is what the frame has behind Ethernet.
 */
static int ipv4_check(const struct port_frame_self *self, const uint8_t *ip, uint32_t size)
{
	uint32_t total;

	if (size < IPV4_SIZE || ip[0] != IPV4_VERSION_IHL)
		return DROP_BAD_IP_HEADER;
	total = be16_get(ip + IPV4_TOTAL);
	if (total < IPV4_SIZE || total > size)
		return DROP_BAD_IP_HEADER;
	if (port_frame_checksum(ip, IPV4_SIZE) != 0)
		return DROP_BAD_IP_HEADER;
	if (source_impossible(self, be32_get(ip + IPV4_SOURCE)))
		return DROP_BAD_IP_HEADER;
	if (be16_get(ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK)
		return DROP_FRAGMENT;
	if (be32_get(ip + IPV4_DESTINATION) != self->ipv4)
		return DROP_NOT_OUR_ADDRESS;
	return DROP_NONE;
}

static int icmp_answer(const struct port_frame_self *self, uint8_t *frame, uint32_t size)
{
	uint8_t *ip = frame + ETHER_SIZE;
	uint8_t *icmp = ip + IPV4_SIZE;
	uint32_t total = be16_get(ip + IPV4_TOTAL);
	uint32_t icmp_size = total - IPV4_SIZE;

	if (icmp_size < ICMP_SIZE || icmp[0] != ICMP_ECHO_REQUEST || icmp[1] != 0)
		return DROP_NOT_UDP;
	if (port_frame_checksum(icmp, icmp_size) != 0)
		return DROP_NOT_UDP;
	icmp[0] = ICMP_ECHO_REPLY;
	be16_put(icmp + ICMP_CHECKSUM, 0);
	be16_put(icmp + ICMP_CHECKSUM, port_frame_checksum(icmp, icmp_size));
	memcpy(ip + IPV4_DESTINATION, ip + IPV4_SOURCE, 4);
	be32_put(ip + IPV4_SOURCE, self->ipv4);
	be16_put(ip + IPV4_ID, 0);
	be16_put(ip + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
	ip[IPV4_TTL] = IPV4_TTL_OURS;
	ipv4_checksum_put(ip);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, self->mac, 6);
	memset(ip + total, 0, size - ETHER_SIZE - total);
	return PORT_ANSWERED;
}

static int udp_take(const struct port_frame_self *self, uint8_t *frame, struct port_packet *packet)
{
	uint8_t *ip = frame + ETHER_SIZE;
	uint8_t *udp = ip + IPV4_SIZE;
	uint32_t udp_size = be16_get(ip + IPV4_TOTAL) - IPV4_SIZE;
	uint16_t source, destination;

	if (udp_size < UDP_SIZE || be16_get(udp + UDP_LENGTH) != udp_size)
		return DROP_BAD_UDP_LENGTH;
	source = be16_get(udp);
	destination = be16_get(udp + UDP_DESTINATION);
	if (source == 0 || destination < self->udp_port_base ||
	    destination - self->udp_port_base >= self->udp_port_count)
		return DROP_NOT_OUR_PORT;
	packet->payload = udp + UDP_SIZE;
	packet->size = (uint16_t)(udp_size - UDP_SIZE);
	packet->worker = (uint16_t)(destination - self->udp_port_base);
	memcpy(packet->peer.mac, frame + 6, 6);
	packet->peer.ipv4 = be32_get(ip + IPV4_SOURCE);
	packet->peer.udp_port = source;
	packet->peer.port_index = self->port_index;
	packet->peer.local_udp_port = destination;
	return DROP_NONE;
}

int port_frame_classify(
    const struct port_frame_self *self, uint8_t *frame, uint32_t size, struct port_packet *packet)
{
	uint8_t *ip = frame + ETHER_SIZE;
	uint16_t type;
	int reason;

	if (size < ETHER_SIZE || frame[6] & ETHER_GROUP_BIT)
		return DROP_NOT_IPV4;
	type = be16_get(frame + ETHER_TYPE_OFFSET);
	if (type == ETHER_TYPE_ARP)
		return arp_answer(self, frame, size);
	if (type != ETHER_TYPE_IPV4)
		return DROP_NOT_IPV4;
	reason = ipv4_check(self, ip, size - ETHER_SIZE);
	if (reason != DROP_NONE)
		return reason;
	if (ip[IPV4_PROTOCOL] == PROTOCOL_UDP)
		return udp_take(self, frame, packet);
	if (ip[IPV4_PROTOCOL] == PROTOCOL_ICMP)
		return icmp_answer(self, frame, size);
	return DROP_NOT_UDP;
}

uint16_t port_frame_build_udp(const struct port_frame_self *self, uint8_t *frame,
    const struct wire_peer *peer, uint16_t payload_size)
{
	uint8_t *ip = frame + ETHER_SIZE;
	uint8_t *udp = ip + IPV4_SIZE;

	memcpy(frame, peer->mac, 6);
	memcpy(frame + 6, self->mac, 6);
	be16_put(frame + ETHER_TYPE_OFFSET, ETHER_TYPE_IPV4);
	ip[0] = IPV4_VERSION_IHL;
	ip[1] = 0;
	be16_put(ip + IPV4_TOTAL, (uint16_t)(IPV4_SIZE + UDP_SIZE + payload_size));
	be16_put(ip + IPV4_ID, 0); /* atomic datagram: RFC 6864 4.1 */
	be16_put(ip + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
	ip[IPV4_TTL] = IPV4_TTL_OURS;
	ip[IPV4_PROTOCOL] = PROTOCOL_UDP;
	be32_put(ip + IPV4_SOURCE, self->ipv4);
	be32_put(ip + IPV4_DESTINATION, peer->ipv4);
	ipv4_checksum_put(ip);
	be16_put(udp, peer->local_udp_port);
	be16_put(udp + UDP_DESTINATION, peer->udp_port);
	be16_put(udp + UDP_LENGTH, (uint16_t)(UDP_SIZE + payload_size));
	be16_put(udp + UDP_CHECKSUM, 0); /* none: RFC 768; the tag covers the payload */
	return (uint16_t)(PORT_HEADROOM + payload_size);
}
