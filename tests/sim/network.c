/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network between terminals and the switch, and the switch's port: datagrams are lost, come
 * twice, late and in another order. It stands where dataplane/port stands (port.h); the peer
 * travels where the frame's headers would be.
 */
#include <rte_mbuf.h>

#include "tests/sim/world.h"

#define FLYING_MAX 2048u
#define INBOX_MAX  256u

struct flying {
	uint64_t due_ns, number;
	uint32_t terminal;
	uint16_t size;
	uint8_t to_switch;
	uint8_t bytes[LIMIT_DATAGRAM_SIZE_MAX];
};

static struct flying flying[FLYING_MAX];
static uint16_t free_slots[FLYING_MAX], heap[FLYING_MAX]; /* heap: by due time, then number */
static uint32_t free_count, heap_count;
static uint64_t numbers;
static struct world *owner;
static struct {
	struct rte_mbuf *mbufs[INBOX_MAX];
	uint32_t head, tail;
} inbox;

_Static_assert(sizeof(struct wire_peer) <= PORT_HEADROOM, "the peer fits before the payload");

void network_reset(struct world *world)
{
	owner = world;
	heap_count = 0;
	numbers = 0;
	free_count = FLYING_MAX;
	for (uint32_t i = 0; i < FLYING_MAX; i++)
		free_slots[i] = (uint16_t)i;
	network_crash();
}

void network_crash(void)
{
	while (inbox.head != inbox.tail)
		rte_pktmbuf_free(inbox.mbufs[inbox.head++ % INBOX_MAX]);
}

/* ---- A heap of what is on its way ---- */

static int earlier(uint16_t a, uint16_t b)
{
	if (flying[a].due_ns != flying[b].due_ns)
		return flying[a].due_ns < flying[b].due_ns;
	return flying[a].number < flying[b].number;
}

static void heap_push(uint16_t slot)
{
	uint32_t at = heap_count++;

	while (at > 0 && earlier(slot, heap[(at - 1) / 2])) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = slot;
}

static uint16_t heap_pop(void)
{
	uint16_t first = heap[0], last = heap[--heap_count];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= heap_count)
			break;
		if (child + 1 < heap_count && earlier(heap[child + 1], heap[child]))
			child++;
		if (!earlier(heap[child], last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return first;
}

static uint64_t delay(const struct world *world)
{
	if (!world->ending && sim_chance(world->plan.delay_long))
		return sim_below(2 * SECOND_NS);
	return 10000 + sim_below(world->plan.delay_ns);
}

static void fly(
    struct world *world, uint32_t terminal, int to_switch, const uint8_t *bytes, size_t size)
{
	unsigned copies = 1;

	if (!world->ending) {
		if (sim_chance(world->plan.loss))
			copies = 0;
		else if (sim_chance(world->plan.duplicate))
			copies = 2 + (unsigned)sim_below(2);
	}
	if (copies == 0)
		trace_note(TRACE_LOST, numbers, terminal, (uint64_t)to_switch, 0);
	while (copies-- > 0 && free_count > 0) {
		uint16_t slot = free_slots[--free_count];

		flying[slot].due_ns = sim_clock_ns() + delay(world);
		flying[slot].number = numbers++;
		flying[slot].terminal = terminal;
		flying[slot].to_switch = (uint8_t)to_switch;
		flying[slot].size = (uint16_t)size;
		memcpy(flying[slot].bytes, bytes, size);
		heap_push(slot);
	}
}

void network_to_switch(struct world *world, uint32_t terminal, const uint8_t *bytes, size_t size)
{
	fly(world, terminal, 1, bytes, size);
}

static void arrive(struct world *world, const struct flying *datagram)
{
	struct wire_peer peer = { .ipv4 = 0x0a000001 + datagram->terminal, .udp_port = 5000 };
	struct rte_mbuf *mbuf;

	if (!world->running || inbox.tail - inbox.head == INBOX_MAX) {
		trace_note(TRACE_LOST, datagram->number, datagram->terminal, 2, 0);
		return;
	}
	mbuf = rte_pktmbuf_alloc(world->process.shared.pool);
	if (mbuf == NULL)
		world_violation(world, "buffers", "the pool of packet buffers is empty");
	memcpy(rte_pktmbuf_mtod(mbuf, uint8_t *), &peer, sizeof(peer));
	memcpy(port_payload(mbuf), datagram->bytes, datagram->size);
	mbuf->data_len = (uint16_t)(PORT_HEADROOM + datagram->size);
	mbuf->pkt_len = mbuf->data_len;
	inbox.mbufs[inbox.tail++ % INBOX_MAX] = mbuf;
	trace_note(TRACE_ARRIVE, datagram->number, datagram->terminal, 0, 0);
}

int network_step(struct world *world)
{
	int moved = 0;

	while (heap_count > 0 && flying[heap[0]].due_ns <= sim_clock_ns()) {
		uint16_t slot = heap_pop();

		moved = 1;
		if (flying[slot].to_switch)
			arrive(world, &flying[slot]);
		else
			terminal_receive(
			    world, flying[slot].terminal, flying[slot].bytes, flying[slot].size);
		free_slots[free_count++] = slot;
	}
	return moved;
}

uint64_t network_next_ns(void)
{
	return heap_count == 0 ? UINT64_MAX : flying[heap[0]].due_ns;
}

/* ---- The port ---- */

uint16_t port_receive(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t max)
{
	uint16_t count = 0;

	(void)port;
	SLUICE_REQUIRE(queue == 0);
	while (count < max && inbox.head != inbox.tail)
		mbufs[count++] = inbox.mbufs[inbox.head++ % INBOX_MAX];
	return count;
}

int port_classify(const struct port *port, struct rte_mbuf *mbuf, struct port_packet *packet)
{
	(void)port;
	memset(packet, 0, sizeof(*packet));
	packet->payload = port_payload(mbuf);
	packet->size = (uint16_t)(mbuf->data_len - PORT_HEADROOM);
	memcpy(&packet->peer, rte_pktmbuf_mtod(mbuf, const uint8_t *), sizeof(packet->peer));
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
	(void)port;
	(void)queue;
	for (uint16_t i = 0; i < count; i++) {
		struct wire_peer peer;
		uint8_t *text = NULL;
		size_t size;

		memcpy(&peer, rte_pktmbuf_mtod(mbufs[i], uint8_t *), sizeof(peer));
		size = terminal_told(owner, peer.ipv4 - 0x0a000001, port_payload(mbufs[i]),
		    (size_t)(mbufs[i]->data_len - PORT_HEADROOM), &text);
		if (size > 0)
			fly(owner, peer.ipv4 - 0x0a000001, 0, text, size);
		rte_pktmbuf_free(mbufs[i]);
	}
	return count;
}
