/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between shards. A TRANSFER_OUT or LEASE journalled here waits in the pending queue until it is
 * durable; then its parcel goes to the peer. The peer decides it, and its receipt goes back once
 * that is durable; the source closes the transfer (TRANSFER_DONE), and the terminal hears of it
 * when that is durable. Who waits is kept by transfer id; after a restart nobody is known, and home
 * only takes the final outcome into its window.
 *
 * Order: parcels leave in the order of their LSNs, so in the order of their sequences to each peer;
 * what the last life left open goes first, and until it has gone no new transfer is begun.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"
#include "wire/canary.h"

#define ORIGINS (2u * TRANSFERS_OPEN_MAX)
_Static_assert((ORIGINS & (ORIGINS - 1)) == 0, "a mask finds the slot");

/* ---- Who waits ---- */

static uint32_t origin_home(uint64_t transfer_id)
{
	return (uint32_t)XXH3_64bits(&transfer_id, sizeof(transfer_id)) & (ORIGINS - 1);
}

/* The slot of an id, or the free one where it belongs. At most half of the slots are used. */
static struct transfer_origin *origin_place(const struct worker *worker, uint64_t transfer_id)
{
	uint32_t at = origin_home(transfer_id);

	while (
	    worker->origins[at].transfer_id != 0 && worker->origins[at].transfer_id != transfer_id)
		at = (at + 1) & (ORIGINS - 1);
	return &worker->origins[at];
}

/* Frees a slot; what was pushed past it moves up, so that look-ups go on finding it. */
static void origin_free(struct worker *worker, struct transfer_origin *slot)
{
	uint32_t hole = (uint32_t)(slot - worker->origins), at = hole;

	for (;;) {
		uint32_t wanted;

		at = (at + 1) & (ORIGINS - 1);
		if (worker->origins[at].transfer_id == 0)
			break;
		wanted = origin_home(worker->origins[at].transfer_id);
		if (((at - wanted) & (ORIGINS - 1)) < ((at - hole) & (ORIGINS - 1)))
			continue; /* its own place lies behind the hole */
		worker->origins[hole] = worker->origins[at];
		hole = at;
	}
	worker->origins[hole].transfer_id = 0;
}

int worker_transfers_full(const struct worker *worker)
{
	return worker->transfers_open >= TRANSFERS_OPEN_MAX ||
	       worker->resend_next < worker->resend_count;
}

void worker_parcel_queue(struct worker *worker, const struct event_record *record)
{
	struct pending entry = {
		.gate_lsn = le64_get(record->lsn),
		.kind = PENDING_PARCEL,
		.transfer_id = le64_get(record->object_id),
	};

	worker->transfers_open++;
	stats_set(&worker->stats.transfers_open, worker->transfers_open);
	worker_pending_push(worker, &entry);
}

void worker_transfer_begin(
    struct worker *worker, const struct outcome *outcome, const struct event_record *record)
{
	struct transfer_origin *slot = origin_place(worker, le64_get(record->object_id));

	SLUICE_REQUIRE(slot->transfer_id == 0);
	*slot = (struct transfer_origin){
		.transfer_id = le64_get(record->object_id),
		.origin = outcome->origin,
		.request_id = outcome->request_id,
		.body_hash = { outcome->body_hash[0], outcome->body_hash[1] },
		.template_id = outcome->template_id,
	};
	worker_parcel_queue(worker, record);
}

/* ---- Parcels ---- */

int worker_parcel_send(struct worker *worker, uint64_t transfer_id)
{
	struct ledger_parcel parcel;

	/* Closed already: it was sent again and answered. */
	if (ledger_parcel_make(worker->ledger, transfer_id, &parcel) != 0)
		return 1;
	return spsc_ring_push(worker->rings.parcel_out[parcel.peer], &parcel);
}

static unsigned resend(struct worker *worker)
{
	unsigned sent = 0;

	while (sent < WORKER_PARCELS_PER_TURN && worker->resend_next < worker->resend_count) {
		if (!worker_parcel_send(worker, worker->resend[worker->resend_next].transfer_id))
			break;
		worker->resend_next++;
		sent++;
	}
	return sent;
}

/* At the peer. 1: done with the parcel; 0: it stays for a later turn. */
static int parcel_take(struct worker *worker, const struct ledger_parcel *parcel)
{
	struct event_buffer *event = worker_reserve(worker);
	struct pending entry = { .kind = PENDING_RECEIPT };
	int length;

	if (event == NULL)
		return 0;
	length = ledger_decide_parcel(
	    worker->ledger, parcel, worker_event_time(worker), event, &entry.receipt);
	if (length == -EAGAIN) {
		/* Never, by the order above; its source sends it again when it starts. */
		stats_add(&worker->stats.parcels_early, 1);
		return 1;
	}
	if (length == -ESTALE) {
		/* Of shards restored to different moments: its transfer stays open at the source,
		 * which tells of it as stuck. */
		stats_add(&worker->stats.parcels_stale, 1);
		return 1;
	}
	if (length < 0)
		return 0; /* a table is full */
	if (length > 0)
		(void)worker_commit(worker, event, (size_t)length);
	/* Done before: that may not be durable yet either. */
	entry.gate_lsn = ledger_shard(worker->ledger)->lsn;
	worker_pending_push(worker, &entry);
	if (parcel->purpose == TRANSFER_LEASE)
		worker_shortage_met(worker, parcel);
	return 1;
}

/* ---- Receipts ---- */

/* The final outcome of the request behind a transfer, to whoever waits for it. */
static void transfer_answer(
    struct worker *worker, const struct ledger_receipt *receipt, const struct event_buffer *event)
{
	struct transfer_origin *slot = origin_place(worker, receipt->transfer_id);
	struct event_record record;
	struct outcome outcome = { .journalled = 1, .shard = (uint8_t)worker->shard };

	memcpy(&record, event->bytes, sizeof(record));
	outcome.lsn = le64_get(record.lsn);
	outcome.code = le16_get(record.code);
	outcome.object_id = le64_get(record.object_id);
	outcome.balance = le64s_get(record.balance);
	outcome.payout = le64s_get(record.payout);
	outcome.currency = le16_get(record.currency);
	outcome.score = record.score;
	outcome_transfer(event, &outcome.object_id, &outcome.balance, &outcome.payout);
	if (slot->transfer_id != 0) {
		outcome.kind = OUTCOME_MUTATION;
		outcome.origin = slot->origin;
		outcome.request_id = slot->request_id;
		outcome.body_hash[0] = slot->body_hash[0];
		outcome.body_hash[1] = slot->body_hash[1];
		outcome.template_id = slot->template_id;
		origin_free(worker, slot);
	} else if (le64_get(record.terminal_id) != 0) {
		outcome.kind = OUTCOME_UPDATE;
		outcome.origin.terminal_id = le64_get(record.terminal_id);
		outcome.origin.home =
		    worker->shared->buckets.shard[ids_bucket_of_key(outcome.origin.terminal_id)];
		outcome.origin.no_reply = 1;
		outcome.request_id = le64_get(record.request_id);
		outcome.body_hash[0] = le64_get(record.body_hash[0]);
		outcome.body_hash[1] = le64_get(record.body_hash[1]);
		outcome.template_id = outcome_template(event);
	} else {
		return; /* a lease */
	}
	worker_answer(worker, outcome.lsn, &outcome);
}

/* At the source. 1: done with the receipt; 0: no room in the batch; -EBUSY: the money that goes
 * back finds no room in its account. */
static int receipt_close(struct worker *worker, const struct ledger_receipt *receipt)
{
	struct event_buffer *event = worker_reserve(worker);
	int length;

	if (event == NULL)
		return 0;
	length = ledger_decide_receipt(worker->ledger, receipt, worker_event_time(worker), event);
	if (length < 0)
		return -EBUSY;
	if (length == 0)
		return 1; /* closed before */
	(void)worker_commit(worker, event, (size_t)length);
	SLUICE_REQUIRE(worker->transfers_open > 0);
	worker->transfers_open--;
	stats_set(&worker->stats.transfers_open, worker->transfers_open);
	transfer_answer(worker, receipt, event);
	return 1;
}

/* 1: done with the receipt; 0: it stays for a later turn. A full account must not hold up the
 * receipts behind its own, which may be closed in any order. */
static int receipt_take(struct worker *worker, const struct ledger_receipt *receipt)
{
	int done = receipt_close(worker, receipt);

	if (done != -EBUSY)
		return done;
	if (worker->aside_count == WORKER_RECEIPTS_ASIDE)
		return 0;
	worker->aside[worker->aside_count++] = *receipt;
	return 1;
}

static unsigned receipts_again(struct worker *worker)
{
	unsigned closed = 0;

	if (worker->aside_count == 0 || worker->now_ns < worker->aside_due_ns)
		return 0;
	worker->aside_due_ns = worker->now_ns + WORKER_TICK_NS;
	for (uint32_t i = worker->aside_count; i-- > 0 && !worker_pending_full(worker);) {
		if (receipt_close(worker, &worker->aside[i]) != 1)
			continue;
		worker->aside[i] = worker->aside[--worker->aside_count];
		closed++;
	}
	return closed;
}

unsigned worker_parcels(struct worker *worker)
{
	unsigned moved = resend(worker) + receipts_again(worker);

	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct spsc_ring *receipts = worker->rings.receipt_in[i];
		struct spsc_ring *parcels = worker->rings.parcel_in[i];
		const void *item;

		for (unsigned k = 0; receipts != NULL && k < WORKER_PARCELS_PER_TURN; k++) {
			if (worker_pending_full(worker) ||
			    (item = spsc_ring_peek(receipts)) == NULL ||
			    !receipt_take(worker, item))
				break;
			spsc_ring_release(receipts);
			moved++;
		}
		for (unsigned k = 0; parcels != NULL && k < WORKER_PARCELS_PER_TURN; k++) {
			if (worker_pending_full(worker) ||
			    (item = spsc_ring_peek(parcels)) == NULL || !parcel_take(worker, item))
				break;
			spsc_ring_release(parcels);
			moved++;
		}
	}
	return moved;
}

/* ---- Start ---- */

static int resend_order(const void *left, const void *right)
{
	const struct transfer_resend *a = left, *b = right;

	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

int worker_transfers_restore(struct worker *worker)
{
	struct ledger_parcel parcel;
	uint32_t row = 0, count = 0;

	while (ledger_transfer_open(worker->ledger, &row) != 0)
		count++;
	worker->resend = calloc((size_t)count + 1, sizeof(*worker->resend));
	if (worker->resend == NULL)
		return -ENOMEM;
	row = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t id = ledger_transfer_open(worker->ledger, &row);

		SLUICE_REQUIRE(ledger_parcel_make(worker->ledger, id, &parcel) == 0);
		worker->resend[i] = (struct transfer_resend){ id, parcel.sequence };
	}
	qsort(worker->resend, count, sizeof(*worker->resend), resend_order);
	worker->resend_count = SLUICE_CANARY(FORGET_TRANSFER) ? 0 : count;
	worker->transfers_open = count;
	stats_set(&worker->stats.transfers_open, count);
	return 0;
}
