/* SPDX-License-Identifier: Apache-2.0 */
/* A port without a device: the peer travels where the frame's headers would be. */
#include <rte_mbuf.h>

#include "tests/shard/fake.h"

#define QUEUES    6 /* BED_WORKERS_MAX */
#define INBOX_MAX 1024

static struct {
	struct rte_mbuf *mbufs[INBOX_MAX];
	unsigned head, tail;
} inbox[QUEUES];

_Static_assert(sizeof(struct wire_peer) <= PORT_HEADROOM, "the peer fits before the payload");

void fake_port_reset(void)
{
	memset(inbox, 0, sizeof(inbox));
}

void fake_port_push(uint16_t queue, struct rte_mbuf *mbuf)
{
	SLUICE_REQUIRE(queue < QUEUES && inbox[queue].tail - inbox[queue].head < INBOX_MAX);
	inbox[queue].mbufs[inbox[queue].tail++ % INBOX_MAX] = mbuf;
}

uint16_t port_receive(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t max)
{
	uint16_t count = 0;

	(void)port;
	while (count < max && inbox[queue].head != inbox[queue].tail)
		mbufs[count++] = inbox[queue].mbufs[inbox[queue].head++ % INBOX_MAX];
	return count;
}

int port_classify(const struct port *port, struct rte_mbuf *mbuf, struct port_packet *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);

	(void)port;
	memset(packet, 0, sizeof(*packet));
	packet->payload = port_payload(mbuf);
	packet->size = (uint16_t)(mbuf->data_len - PORT_HEADROOM);
	memcpy(&packet->peer, frame, sizeof(packet->peer));
	return DROP_NONE;
}

uint8_t *port_payload(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod(mbuf, uint8_t *) + PORT_HEADROOM;
}

void port_build_udp(const struct port *port, struct rte_mbuf *mbuf, const struct wire_peer *peer,
    uint16_t payload_size)
{
	(void)port;
	memcpy(rte_pktmbuf_mtod(mbuf, uint8_t *), peer, sizeof(*peer));
	mbuf->data_len = (uint16_t)(PORT_HEADROOM + payload_size);
	mbuf->pkt_len = mbuf->data_len;
}

uint16_t port_transmit(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	if (port->limited && count > port->room)
		count = (uint16_t)port->room;
	port->room -= port->limited ? count : 0;
	for (uint16_t i = 0; i < count; i++) {
		struct fake_port_sent sent = {
			.payload = port_payload(mbufs[i]),
			.size = (uint16_t)(mbufs[i]->data_len - PORT_HEADROOM),
			.queue = queue,
		};

		memcpy(&sent.peer, rte_pktmbuf_mtod(mbufs[i], uint8_t *), sizeof(sent.peer));
		port->sink(port->context, &sent);
		rte_pktmbuf_free(mbufs[i]);
	}
	return count;
}
