/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets in. Stages over one burst: classify and find the home worker; fetch the sessions; open;
 * frame and decode. Nothing behind this file sees a byte that was not authenticated.
 */
#include <errno.h>
#include <rte_mbuf.h>

#include "dataplane/shard/worker.h"

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
	        worker->now_ns, &reset) != 0)
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

static void open_packet(struct worker *worker, struct burst_packet *packet)
{
	struct session *session = NULL;
	uint8_t *text;
	size_t text_size;
	enum drop_reason reason = session_open(worker->sessions, packet->packet.payload,
	    packet->packet.size, &packet->packet.peer, worker->now_ns, &session, &text, &text_size);

	if (reason == DROP_NONE) {
		decode_text(worker, session, text, text_size);
		return;
	}
	worker_drop(worker, reason);
	/* A live slot under other keys: tell the terminal which boot id and epoch to derive. */
	if (session != NULL)
		send_reset(worker, session, packet);
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

static unsigned receive_port(
    struct worker *worker, uint32_t port_index, struct burst_packet *ours, unsigned *ours_count)
{
	struct rte_mbuf *mbufs[LIMIT_BURST];
	struct port *port = worker->shared->ports[port_index];
	uint16_t room = (uint16_t)(LIMIT_BURST - *ours_count);
	uint16_t count = port_receive(port, worker->queue, mbufs, room);

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

unsigned worker_receive(struct worker *worker)
{
	struct burst_packet ours[LIMIT_BURST];
	unsigned ours_count = 0, moved = 0;

	if (worker->owns_port_queues) {
		for (uint32_t i = 0; i < worker->shared->port_count && ours_count < LIMIT_BURST;
		     i++)
			moved += receive_port(worker, i, ours, &ours_count);
	}
	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct ring_handover item;

		while (worker->rings.handover_in[i] != NULL && ours_count < LIMIT_BURST &&
		       spsc_ring_pop(worker->rings.handover_in[i], &item)) {
			ours[ours_count++] = (struct burst_packet){ item.mbuf, item.packet };
			moved++;
		}
	}
	for (unsigned i = 0; i < ours_count; i++) {
		open_packet(worker, &ours[i]);
		rte_pktmbuf_free(ours[i].mbuf);
	}
	return moved;
}
