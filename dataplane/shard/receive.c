/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets in. Stages over one burst: classify and find the home worker; fetch the sessions; open;
 * frame and decode. Nothing behind this file sees a byte that was not authenticated.
 */
#include <errno.h>
#include <rte_mbuf.h>

#include "dataplane/shard/worker.h"

/* Datagrams ahead of the one being opened whose keys are fetched: an opening takes some 50 ns. */
#define OPEN_AHEAD 4

struct burst_packet {
	struct rte_mbuf *mbuf;
	struct port_packet packet;
};

static void send_reset(
    struct worker *worker, struct session *session, const struct burst_packet *packet)
{
	struct frame_header trigger;
	struct frame_reset reset;
	struct rte_mbuf *mbuf;

	memcpy(&trigger, packet->packet.payload, sizeof(trigger));
	if (session_make_reset(session, worker->shared->boot_id, &trigger, packet->packet.size,
	        &packet->packet.peer, worker->now_ns, &reset) != 0)
		return;
	mbuf = rte_pktmbuf_alloc(worker->shared->pool);
	if (mbuf == NULL)
		return;
	memcpy(port_payload(mbuf), &reset, sizeof(reset));
	port_build_udp(worker->shared->ports[packet->packet.peer.port_index], mbuf,
	    &packet->packet.peer, sizeof(reset));
	stats_add(&worker->stats.resets_sent, 1);
	worker_transmit(worker, packet->packet.peer.port_index, mbuf);
}

/* Decodes the messages of one opened datagram into the burst. */
static void decode_text(
    struct worker *worker, struct session *session, const uint8_t *text, size_t text_size)
{
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	int count = wire_frame_messages(text, text_size, offsets);
	unsigned resends = 0, within;

	if (count < 0) {
		worker_drop(worker, count == -E2BIG ? DROP_TOO_MANY_MESSAGES : DROP_BAD_FRAMING);
		return;
	}
	stats_add(&worker->stats.datagrams_in, 1);
	stats_add(&worker->stats.messages_in, (uint64_t)count);
	within = session_charge(session, (unsigned)count);
	for (int i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : text_size;
		struct burst_message *message = &worker->burst[worker->burst_count++];

		message->session = session;
		message->last = i + 1 == count;
		message->code =
		    wire_request_decode(text + offsets[i], end - offsets[i], &message->request);
		if (SLUICE_UNLIKELY((unsigned)i >= within))
			message->code = WIRE_CODE_RATE_LIMITED;
		resends += (message->request.flags & MESSAGE_FLAG_RETRANSMISSION) != 0;
	}
	session->resends += resends;
	stats_add(&worker->stats.resends, resends);
}

/* 1 when its messages are in the burst. */
static unsigned open_packet(struct worker *worker, struct burst_packet *packet)
{
	struct session *session = NULL;
	uint8_t *text;
	size_t text_size;
	enum drop_reason reason = session_open(worker->sessions, packet->packet.payload,
	    packet->packet.size, &packet->packet.peer, worker->now_ns, &session, &text, &text_size);

	STAMP(worker, open);
	if (reason == DROP_NONE) {
		decode_text(worker, session, text, text_size);
		return 1;
	}
	worker_drop(worker, reason);
	/* A live slot under other keys: tell the terminal which boot id and epoch to derive. */
	if (session != NULL)
		send_reset(worker, session, packet);
	return 0;
}

/* 1 when the packet is ours to open; else it was answered, handed over or dropped. */
static int sort_packet(struct worker *worker, struct burst_packet *packet)
{
	struct ring_handover item;
	uint32_t session_id = 0;
	enum drop_reason reason =
	    session_peek(packet->packet.payload, packet->packet.size, &session_id);
	uint32_t slot = session_id & (LIMIT_SESSION_SLOTS - 1);
	uint8_t home = 0xff;

	if (reason == DROP_NONE && slot < worker->shared->slots_max)
		/* W3: the home's table holds the session. */
		home = atomic_load_explicit(&worker->shared->slot_home[slot], memory_order_acquire);
	if (reason == DROP_NONE && home == 0xff)
		reason = DROP_UNKNOWN_SESSION;
	if (reason == DROP_NONE && home == worker->shard) {
		session_prefetch(worker->sessions, session_id);
		return 1;
	}
	if (reason == DROP_NONE) {
		item.mbuf = packet->mbuf;
		item.packet = packet->packet;
		if (spsc_ring_push(worker->rings.handover_out[home], &item)) {
			stats_add(&worker->stats.handed_over, 1);
			return 0;
		}
		reason = DROP_HANDOVER_FULL;
	}
	worker_drop(worker, reason);
	rte_pktmbuf_free(packet->mbuf);
	return 0;
}

static unsigned receive_port(struct worker *worker, uint32_t port_index, struct burst_packet *ours,
    uint16_t room, unsigned *ours_count)
{
	struct rte_mbuf *mbufs[LIMIT_BURST];
	struct port *port = worker->shared->ports[port_index];
	uint16_t count = port_receive(port, worker->queue, mbufs, room);

	STAMP(worker, receive);
	for (uint16_t i = 0; i < count; i++) {
		struct burst_packet *packet = &ours[*ours_count];
		int result = port_classify(port, mbufs[i], &packet->packet);

		packet->mbuf = mbufs[i];
		if (result == PORT_ANSWERED) {
			stats_add(&worker->stats.arp_icmp_answered, 1);
			worker_transmit(worker, port_index, mbufs[i]);
		} else if (result != DROP_NONE) {
			worker_drop(worker, (enum drop_reason)result);
			rte_pktmbuf_free(mbufs[i]);
		} else if (sort_packet(worker, packet)) {
			(*ours_count)++;
		}
	}
	return count;
}

unsigned worker_forward(struct worker *worker)
{
	unsigned moved = 0;

	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct ring_transmit item;

		while (worker->rings.transmit_in[i] != NULL && moved < 4 * LIMIT_BURST &&
		       spsc_ring_pop(worker->rings.transmit_in[i], &item)) {
			worker_transmit(worker, item.port_index, item.mbuf);
			moved++;
		}
	}
	return moved;
}

/* At most `max` datagrams that are ours, from ports and other workers. */
static unsigned collect(struct worker *worker, struct burst_packet *ours, unsigned max,
    unsigned *ours_count, uint32_t port_first)
{
	uint32_t ports = worker->owns_port_queues ? worker->shared->port_count : 0;
	unsigned moved = 0;

	for (uint32_t i = 0; i < ports && *ours_count < max; i++)
		moved += receive_port(worker, (port_first + i) % ports, ours,
		    (uint16_t)(max - *ours_count), ours_count);
	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct ring_handover item;

		while (worker->rings.handover_in[i] != NULL && *ours_count < max &&
		       spsc_ring_pop(worker->rings.handover_in[i], &item)) {
			ours[(*ours_count)++] = (struct burst_packet){ item.mbuf, item.packet };
			moved++;
		}
	}
	return moved;
}

/*
 * What is dropped leaves its place in the burst to what comes behind it: a turn has costs of its
 * own, and a flood must not make the others pay them for fewer requests. The ports take turns in
 * being first, so that one that is always full leaves the others their share.
 */
unsigned worker_receive(struct worker *worker)
{
	struct burst_packet ours[LIMIT_BURST];
	unsigned room = LIMIT_BURST, moved = 0;

	worker->port_first++;
	for (unsigned round = 0; round < WORKER_RECEIVE_ROUNDS && room > 0; round++) {
		unsigned count = 0, got, opened = 0;

		got = collect(worker, ours, room, &count, worker->port_first + round);
		STAMP(worker, classify);
		STAMP_COUNT_ADD(worker, datagrams, count);
		STAMP_COUNT_ADD(worker, bursts, round == 0 && count > 0);
		for (unsigned i = 0; i < count && i < OPEN_AHEAD; i++)
			session_prefetch_open(worker->sessions, ours[i].packet.payload);
		for (unsigned i = 0; i < count; i++) {
			if (i + OPEN_AHEAD < count)
				session_prefetch_open(
				    worker->sessions, ours[i + OPEN_AHEAD].packet.payload);
			opened += open_packet(worker, &ours[i]);
			rte_pktmbuf_free(ours[i].mbuf);
			STAMP(worker, decode);
		}
		moved += got;
		if (got < room)
			break; /* nothing waits */
		room -= opened;
	}
	return moved;
}
