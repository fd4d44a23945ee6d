/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to the ports, in bursts. What a full port does not take is kept and goes first once it
 * does: behind a slow write of the disk the answers of many turns become due at once, more than a
 * port's ring holds, and a terminal that does not get its answer asks again only 200 ms later.
 *
 * A port whose peer is gone takes nothing: it keeps its share of the buffers and everything more is
 * dropped, counted as TX_FULL. The outcomes are stored; the terminals' resends fetch them.
 */
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/shard/worker.h"

/* Datagrams a port may have waiting: an eighth of all buffers, so that four leave half of them. */
static uint32_t held_most(const struct worker *worker)
{
	uint32_t share = worker->shared->pool->size / 8;

	return share < WORKER_HELD_MAX ? share : WORKER_HELD_MAX;
}

static void hold(
    struct worker *worker, uint32_t port_index, struct rte_mbuf *const *mbufs, uint16_t count)
{
	struct transmit_held *held = &worker->held[port_index];
	uint32_t most = held_most(worker);

	for (uint16_t i = 0; i < count; i++) {
		if (held->tail - held->head < most) {
			held->ring[held->tail++ % WORKER_HELD_MAX] = mbufs[i];
			stats_add(&worker->stats.datagrams_held, 1);
			continue;
		}
		rte_pktmbuf_free(mbufs[i]);
		worker_drop(worker, DROP_TX_FULL);
	}
}

static uint16_t port_give(
    struct worker *worker, uint32_t port_index, struct rte_mbuf **mbufs, uint16_t count)
{
	return port_transmit(worker->shared->ports[port_index], worker->queue, mbufs, count);
}

/* Sends what waits, oldest first. 1: nothing waits any more. */
static int held_send(struct worker *worker, uint32_t port_index)
{
	struct transmit_held *held = &worker->held[port_index];

	while (held->head != held->tail) {
		uint32_t at = held->head % WORKER_HELD_MAX, count = held->tail - held->head;
		uint16_t sent;

		if (count > WORKER_HELD_MAX - at)
			count = WORKER_HELD_MAX - at;
		if (count > LIMIT_BURST)
			count = LIMIT_BURST;
		sent = port_give(worker, port_index, &held->ring[at], (uint16_t)count);
		held->head += sent;
		if (sent < count)
			return 0;
	}
	return 1;
}

static void transmit_burst(struct worker *worker, uint32_t port_index)
{
	uint16_t count = worker->transmit_count[port_index], sent = 0;
	struct rte_mbuf **mbufs = worker->transmit[port_index];

	worker->transmit_count[port_index] = 0;
	if (held_send(worker, port_index))
		sent = port_give(worker, port_index, mbufs, count);
	if (SLUICE_UNLIKELY(sent < count))
		hold(worker, port_index, mbufs + sent, (uint16_t)(count - sent));
}

void worker_transmit(struct worker *worker, uint32_t port_index, struct rte_mbuf *mbuf)
{
	struct ring_transmit item = { mbuf, port_index };

	if (!worker->owns_port_queues) {
		if (spsc_ring_push(worker->rings.transmit_out, &item))
			return;
		rte_pktmbuf_free(mbuf);
		worker_drop(worker, DROP_TX_FULL);
		return;
	}
	worker->transmit[port_index][worker->transmit_count[port_index]++] = mbuf;
	if (worker->transmit_count[port_index] == LIMIT_BURST)
		transmit_burst(worker, port_index);
}

unsigned worker_transmit_flush(struct worker *worker)
{
	unsigned moved = 0;

	for (uint32_t i = 0; i < worker->shared->port_count; i++) {
		struct transmit_held *held = &worker->held[i];
		uint32_t head = held->head;

		if (worker->transmit_count[i] != 0)
			transmit_burst(worker, i);
		else if (SLUICE_UNLIKELY(held->head != held->tail))
			(void)held_send(worker, i);
		moved += held->head - head;
	}
	return moved;
}
