/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: the queue of what waits for the disk, its release in LSN order, and the datagrams that
 * carry answers out. Answers for one terminal that are released together share a datagram.
 */
#include <rte_mbuf.h>

#include "dataplane/shard/worker.h"
#include "wire/canary.h"

/* Room kept for what is already under way when a request is admitted. */
#define PENDING_RESERVE (PENDING_MAX / 16)

int worker_pending_full(const struct worker *worker)
{
	return worker->pending_tail - worker->pending_head >= PENDING_MAX - PENDING_RESERVE;
}

void worker_pending_push(struct worker *worker, const struct pending *entry)
{
	SLUICE_REQUIRE(worker->pending_tail - worker->pending_head < PENDING_MAX);
	worker->pending[worker->pending_tail % PENDING_MAX] = *entry;
	worker->pending_tail++;
}

/* To the terminal's home: here, or by ring. 0 when the ring is full. */
static int outcome_deliver(struct worker *worker, const struct outcome *outcome)
{
	if (outcome->origin.home == worker->shard) {
		worker_complete(worker, outcome);
		return 1;
	}
	return spsc_ring_push(worker->rings.answer_out[outcome->origin.home], outcome);
}

static void code_count(struct worker *worker, uint16_t code)
{
	int index = wire_code_index(code);

	if (index >= 0 && index < STATS_CODES_MAX)
		stats_add(&worker->stats.codes[index], 1);
}

/* A read whose row will never be durable in this life of the process: ask again after it. */
static int read_lost(const struct worker *worker, uint64_t gate_lsn, const struct outcome *outcome)
{
	return SLUICE_UNLIKELY(outcome->kind == OUTCOME_READ && gate_lsn > worker->durable_lsn &&
	                       journal_writer_error(worker->journal) != 0);
}

static void read_clear(struct outcome *outcome)
{
	outcome->code = WIRE_CODE_STORAGE_UNAVAILABLE;
	outcome->detail = 100; /* ms: the process is about to be started again */
	outcome->lsn = 0;
	memset(&outcome->bet, 0, sizeof(outcome->bet));
	outcome->balance = outcome->payout = outcome->stake = 0;
	outcome->currency = 0;
	outcome->bet_state = outcome->leg_count = outcome->reprints = 0;
}

struct outcome *worker_answer_begin(struct worker *worker)
{
	SLUICE_REQUIRE(worker->pending_tail - worker->pending_head < PENDING_MAX);
	return &worker->pending[worker->pending_tail % PENDING_MAX].outcome;
}

void worker_answer(struct worker *worker, uint64_t gate_lsn, const struct outcome *outcome)
{
	struct pending *entry;
	struct outcome lost;

	if (read_lost(worker, gate_lsn, outcome)) {
		gate_lsn = 0;
		lost = *outcome;
		/* Nothing of the row it read: not even that there is one. */
		read_clear(&lost);
		outcome = &lost;
	}
	if (SLUICE_CANARY(SLIDE_EARLY) && outcome->kind == OUTCOME_MUTATION &&
	    outcome->journalled && outcome->origin.home == worker->shard)
		worker_window_slide(worker, outcome);
	if (SLUICE_CANARY(ACKNOWLEDGE_EARLY) && outcome->kind == OUTCOME_MUTATION)
		gate_lsn = 0;
	if (gate_lsn <= worker->durable_lsn && outcome_deliver(worker, outcome))
		return;
	SLUICE_REQUIRE(worker->pending_tail - worker->pending_head < PENDING_MAX);
	entry = &worker->pending[worker->pending_tail++ % PENDING_MAX];
	entry->gate_lsn = gate_lsn;
	entry->kind = PENDING_OUTCOME;
	if (outcome != &entry->outcome)
		entry->outcome = *outcome;
}

void worker_result(
    struct worker *worker, uint64_t gate_lsn, uint64_t ticket, int error, int already)
{
	struct pending entry;

	memset(&entry, 0, sizeof(entry));
	entry.gate_lsn = gate_lsn;
	entry.kind = PENDING_RESULT;
	entry.result.ticket = ticket;
	entry.result.error = error;
	entry.result.already = (uint8_t)already;
	worker->results_pending++;
	worker_pending_push(worker, &entry);
}

static int result_deliver(struct worker *worker, const struct pending *entry)
{
	struct shard_result result = {
		.ticket = entry->result.ticket,
		.error = entry->result.error,
		.already = entry->result.already,
	};

	if (!spsc_ring_push(worker->rings.result, &result))
		return 0;
	worker->results_pending--;
	return 1;
}

static int entry_deliver(struct worker *worker, const struct pending *entry)
{
	switch ((enum pending_kind)entry->kind) {
	case PENDING_OUTCOME:
		return outcome_deliver(worker, &entry->outcome);
	case PENDING_RESULT:
		return result_deliver(worker, entry);
	case PENDING_PARCEL:
		return worker_parcel_send(worker, entry->transfer_id);
	case PENDING_RECEIPT:
		return spsc_ring_push(
		    worker->rings.receipt_out[entry->receipt.source], &entry->receipt);
	}
	SLUICE_REQUIRE(!"no such entry");
	return 1;
}

/*
 * Entries ahead of the one being released: what its answer touches was last touched a group commit
 * ago, and hundreds of other terminals' since. First window and session, then the session's key.
 */
#define RELEASE_AHEAD      10
#define RELEASE_AHEAD_KEYS 4

static const struct outcome *outcome_ahead(const struct worker *worker, uint32_t at)
{
	const struct pending *entry = &worker->pending[at % PENDING_MAX];

	if (at - worker->pending_head >= worker->pending_tail - worker->pending_head ||
	    entry->gate_lsn > worker->durable_lsn || entry->kind != PENDING_OUTCOME ||
	    entry->outcome.origin.home != worker->shard)
		return NULL;
	return &entry->outcome;
}

static void release_prefetch(const struct worker *worker, uint32_t at)
{
	const struct outcome *outcome = outcome_ahead(worker, at);

	if (outcome == NULL)
		return;
	if (outcome->kind == OUTCOME_MUTATION)
		window_prefetch(
		    &worker->windows[outcome->origin.terminal_index], outcome->request_id);
	session_prefetch(worker->sessions, outcome->origin.session_id);
}

static void release_prefetch_keys(const struct worker *worker, uint32_t at)
{
	const struct outcome *outcome = outcome_ahead(worker, at);

	if (outcome != NULL)
		session_prefetch_seal(worker->sessions, outcome->origin.session_id);
}

/* Lets go what has become durable, oldest first. A full ring ends the turn's release. */
unsigned worker_release(struct worker *worker)
{
	unsigned released = 0;

	for (uint32_t i = 0; i < RELEASE_AHEAD; i++)
		release_prefetch(worker, worker->pending_head + i);
	for (uint32_t i = 0; i < RELEASE_AHEAD_KEYS; i++)
		release_prefetch_keys(worker, worker->pending_head + i);
	while (worker->pending_head != worker->pending_tail) {
		const struct pending *entry = &worker->pending[worker->pending_head % PENDING_MAX];

		if (entry->gate_lsn > worker->durable_lsn)
			break;
		release_prefetch(worker, worker->pending_head + RELEASE_AHEAD);
		release_prefetch_keys(worker, worker->pending_head + RELEASE_AHEAD_KEYS);
		if (!entry_deliver(worker, entry))
			break;
		worker->latency.released += entry->kind == PENDING_OUTCOME;
		worker->pending_head++;
		released++;
	}
	STAMP_COUNT_ADD(worker, released, released);
	STAMP_COUNT_ADD(worker, releases, released != 0);
	return released;
}

/* ---- Datagrams out ---- */

void worker_drop(struct worker *worker, enum drop_reason reason)
{
	SLUICE_DEBUG_ASSERT(reason >= 0 && reason < DROP_REASON_COUNT);
	stats_add(&worker->stats.drops[reason], 1);
}

void worker_reply_flush(struct worker *worker)
{
	struct reply_builder *builder = &worker->builder;
	struct rte_mbuf *mbuf = builder->mbuf;
	struct session *session = builder->session;
	uint8_t *datagram;
	int size;

	if (mbuf == NULL)
		return;
	builder->mbuf = NULL;
	STAMP(worker, encode);
	datagram = port_payload(mbuf);
	size = session_seal(worker->sessions, session, datagram, builder->text_size);
	if (size < 0 || !session->peer_known) {
		rte_pktmbuf_free(mbuf); /* no current key: the terminal re-keys and asks again */
		stats_add(&worker->stats.answers_lost, builder->messages);
		return;
	}
	port_build_udp(
	    worker->shared->ports[session->peer.port_index], mbuf, &session->peer, (uint16_t)size);
	STAMP(worker, seal);
	stats_add(&worker->stats.datagrams_out, 1);
	stats_add(&worker->stats.messages_out, builder->messages);
	worker_transmit(worker, session->peer.port_index, mbuf);
	STAMP(worker, transmit);
}

void worker_reply_discard(struct worker *worker, uint32_t session_id)
{
	struct reply_builder *builder = &worker->builder;

	if (builder->mbuf == NULL || builder->session->session_id != session_id)
		return;
	rte_pktmbuf_free(builder->mbuf);
	builder->mbuf = NULL;
	stats_add(&worker->stats.answers_lost, builder->messages);
}

void worker_reply(struct worker *worker, struct session *session, struct wire_reply *reply)
{
	struct reply_builder *builder = &worker->builder;
	size_t size = wire_reply_size(reply);
	uint8_t *text;

	STAMP(worker, complete);
	code_count(worker, reply->code);
	if (builder->mbuf != NULL &&
	    (builder->session != session || builder->text_size + size > LIMIT_PAYLOAD_SIZE_MAX ||
	        builder->messages == LIMIT_MESSAGES_PER_DATAGRAM))
		worker_reply_flush(worker);
	if (builder->mbuf == NULL) {
		builder->mbuf = rte_pktmbuf_alloc(worker->shared->pool);
		if (builder->mbuf == NULL) {
			/* The outcome is stored: the terminal's retransmission brings it. */
			worker_drop(worker, DROP_NO_BUFFER);
			return;
		}
		builder->session = session;
		builder->text_size = 0;
		builder->messages = 0;
	}
	text = port_payload(builder->mbuf) + LIMIT_FRAME_HEADER_SIZE + builder->text_size;
	builder->text_size = (uint16_t)(builder->text_size + wire_reply_encode(reply, text));
	builder->messages++;
	STAMP(worker, encode);
}
