/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between shards.
 *
 * A transfer is TRANSFER_OUT here (money into TRANSIT of the peer, object TRANSFER open), a parcel
 * to the peer once that is durable, TRANSFER_IN there (object TRANSFER_IN keeps the answer), a
 * receipt back once that is durable, and TRANSFER_DONE here: closed, or reversed with the peer's
 * refusal as the final code of the request. Each shard sums to zero by itself all the time; TRANSIT
 * here of the peer and TRANSIT there of this shard come to zero together when nothing is on its
 * way.
 *
 * Sequences count per pair of shards and direction, from 1, without a gap (object LINK). The peer
 * takes them in order, each once: a parcel at or below in_last is answered from the TRANSFER_IN
 * that was kept. The watermark (out_done when a transfer was journalled, so durable with it) goes
 * with the parcel and tells the peer which answers nobody will ask for again.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_transfer.h"

#include "dataplane/ledger/ledger_risk.h"

/* How many receipts that came out of order go by for one search of the lowest open sequence. */
#define DONE_SEARCH_EVERY 256

/* ---- Links ---- */

const struct object_row *link_find(
    const struct ledger *ledger, uint32_t peer, struct object_link *link)
{
	const struct object_key key = { .kind = OBJECT_LINK, .words = { peer } };
	const struct object_row *row = ledger_object_by_key(ledger, &key);

	*link = (struct object_link){ .peer = le64_make(peer) };
	if (row != NULL)
		memcpy(link, row->body, sizeof(*link));
	return row;
}

void link_keep(struct decision *decision, const struct object_row *row, uint32_t peer,
    const struct object_link *link)
{
	const struct object_key key = { .kind = OBJECT_LINK, .words = { peer } };
	struct object_row *object =
	    row != NULL ? decision_object(decision, row) : decision_object_key(decision, &key);

	object->state = OBJECT_OPEN;
	memcpy(object->body, link, sizeof(*link));
}

/* ---- At the source ---- */

/* The bucket the printed id of a transfer is in: one of this shard. */
static uint32_t transfer_bucket(const struct decision *decision, const struct transfer_order *order)
{
	const struct ledger_config *config = &decision->ledger->config;
	const uint8_t *own;

	if (order->purpose == TRANSFER_MONEY)
		return ids_bucket_of_key(decision->account_id);
	if (order->purpose == TRANSFER_CLAIM)
		return ids_bucket_of_printed(order->reference);
	own = memchr(config->buckets.shard, (int)config->shard, LIMIT_BUCKETS);
	return own == NULL ? 0 : (uint32_t)(own - config->buckets.shard);
}

void transfer_open(struct decision *decision, const struct transfer_order *order)
{
	uint32_t bucket = transfer_bucket(decision, order);
	struct object_transfer transfer;
	struct object_link link;
	const struct object_row *link_row = link_find(decision->ledger, order->peer, &link);
	uint64_t sequence = le64_get(link.out_last) + 1, id;
	struct object_row *object;

	id = ids_make(bucket, decision_new_id(decision, decision->account_id) & IDS_COUNTER_MAX);
	decision->object_id = id;
	transfer = (struct object_transfer){
		.origin = { .terminal_id = le64_make(decision->terminal_id),
		    .request_id = le64_make(decision->request_id),
		    .body_hash = { le64_make(decision->body_hash[0]),
		        le64_make(decision->body_hash[1]) } },
		.to_account = le64_make(order->to_account),
		.amount = le64s_make(order->amount),
		.reference = le64_make(order->reference),
		.sequence = le64_make(sequence),
		.created_ns = le64_make(decision->time_ns),
		.peer = le16_make((uint16_t)order->peer),
		.code = le16_make(WIRE_CODE_PENDING),
		.purpose = order->purpose,
		.lease_scope = order->lease_scope,
		.lease_selection = order->lease_selection,
		.watermark = link.out_done,
	};
	if (order->purpose == TRANSFER_MONEY)
		transfer.from_account = le64_make(decision->account_id);
	object = decision_object_new(decision, OBJECT_TRANSFER, id);
	object->state = OBJECT_OPEN;
	object->currency = decision->currency;
	memcpy(object->body, &transfer, sizeof(transfer));
	link.out_last = le64_make(sequence);
	link_keep(decision, link_row, order->peer, &link);
}

uint16_t transfer_out(struct decision *decision, enum transfer_purpose purpose, uint32_t peer,
    uint64_t to_account, int64_t amount, uint64_t reference)
{
	transfer_open(decision, &(struct transfer_order){
	                            .to_account = to_account,
	                            .reference = reference,
	                            .amount = amount,
	                            .peer = peer,
	                            .purpose = (uint8_t)purpose,
	                        });
	return WIRE_CODE_PENDING;
}

uint16_t customer_usable(
    const struct ledger *ledger, const struct account_row *customer, uint16_t currency)
{
	struct object_partner partner;
	const struct object_row *row;

	if (customer == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (customer->flags & ACCOUNT_FROZEN)
		return WIRE_CODE_ACCOUNT_FROZEN;
	row = ledger_partner(ledger, customer->partner_id);
	if (row != NULL) {
		memcpy(&partner, row->body, sizeof(partner));
		if (partner.blocked)
			return WIRE_CODE_PARTNER_BLOCKED;
	}
	return customer->currency == currency ? WIRE_CODE_OK : WIRE_CODE_CURRENCY_MISMATCH;
}

/* Both accounts here: one event. The answer's object is the account that was paid. */
static uint16_t transfer_here(struct decision *decision, uint64_t to_account, int64_t amount)
{
	const struct account_row *customer = ledger_account(decision->ledger, to_account);
	uint16_t code = customer_usable(decision->ledger, customer, decision->currency);

	if (code == WIRE_CODE_OK)
		code = decision_debit(decision, amount);
	if (code == WIRE_CODE_OK)
		code = decision_line_credit(decision, customer, amount);
	return code;
}

/* The transfer knows its key, to set it free when the peer refuses. */
static void transfer_key_keep(struct decision *decision, uint64_t key_id)
{
	struct object_transfer transfer;

	for (unsigned i = 0; i < decision->object_count; i++) {
		struct object_row *object = &decision->objects[i];

		if (object->kind != OBJECT_TRANSFER)
			continue;
		memcpy(&transfer, object->body, sizeof(transfer));
		transfer.partner_key = le64_make(key_id);
		memcpy(object->body, &transfer, sizeof(transfer));
	}
}

uint16_t transfer_judge(struct decision *decision)
{
	const struct wire_request *request = decision->request;
	uint64_t to_account = request->transfer.to_account;
	int64_t amount = request->transfer.amount;
	uint32_t peer;
	uint16_t code;
	int repeat;

	decision->type = EVENT_TRANSFER;
	decision->object_id = to_account;
	decision->amount = amount == INT64_MIN ? INT64_MAX : -amount;
	code = partner_key_judge(decision, request->transfer.partner_key, &repeat);
	if (code != WIRE_CODE_OK || repeat)
		return code; /* REPEATED */
	code = decision_account_usable(decision);
	if (code != WIRE_CODE_OK)
		return code;
	if (amount <= 0 || amount > LIMIT_BALANCE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	if (to_account == decision->account_id)
		return WIRE_CODE_ACCOUNT_SAME;
	if (to_account == 0 || to_account > LIMIT_ACCOUNT_ID_MAX)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	code = ledger_risk_judge(
	    decision, &(struct risk_case){ .amount = amount, .other_account = to_account });
	if (code != WIRE_CODE_OK)
		return code;
	peer = ledger_shard_of(decision->ledger, to_account);
	if (peer == decision->ledger->config.shard) {
		code = transfer_here(decision, to_account, amount);
	} else {
		code = decision_debit(decision, amount);
		if (code == WIRE_CODE_OK) {
			decision->type = EVENT_TRANSFER_OUT;
			code = transfer_out(decision, TRANSFER_MONEY, peer, to_account, amount, 0);
		}
	}
	if (code == WIRE_CODE_OK || code == WIRE_CODE_PENDING)
		transfer_key_keep(
		    decision, partner_key_keep(decision, request->transfer.partner_key, code));
	else
		decision->payout = 0; /* nothing is paid */
	return code;
}

/* An open TRANSFER of this shard. 0; -ENOENT: not known, or closed. */
static int transfer_read(const struct ledger *ledger, uint64_t transfer_id,
    const struct object_row **row, struct object_transfer *transfer)
{
	const struct object_row *found = ledger_object(ledger, transfer_id);

	if (found == NULL || found->kind != OBJECT_TRANSFER || found->state != OBJECT_OPEN)
		return -ENOENT;
	*row = found;
	memcpy(transfer, found->body, sizeof(*transfer));
	return 0;
}

int ledger_parcel_make(
    const struct ledger *ledger, uint64_t transfer_id, struct ledger_parcel *parcel)
{
	const struct object_row *row;
	struct object_transfer transfer;
	int error = transfer_read(ledger, transfer_id, &row, &transfer);

	if (error != 0)
		return error;
	*parcel = (struct ledger_parcel){
		.transfer_id = transfer_id,
		.sequence = le64_get(transfer.sequence),
		.from_account = le64_get(transfer.from_account),
		.to_account = le64_get(transfer.to_account),
		.reference = le64_get(transfer.reference),
		.watermark = le64_get(transfer.watermark),
		.amount = le64s_get(transfer.amount),
		.currency = row->currency,
		.source = (uint8_t)ledger->config.shard,
		.peer = (uint8_t)le16_get(transfer.peer),
		.purpose = transfer.purpose,
		.lease_scope = transfer.lease_scope,
		.lease_selection = transfer.lease_selection,
	};
	return 0;
}

uint64_t ledger_transfer_open(const struct ledger *ledger, uint32_t *row)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_OBJECT);

	for (uint32_t at = *row; at < count; at++) {
		const struct object_row *object = ledger_object_at(ledger, at);

		if (object->kind == OBJECT_TRANSFER && object->state == OBJECT_OPEN &&
		    !ledger_row_retired(ledger, LEDGER_OBJECT, at)) {
			*row = at + 1;
			return object->id;
		}
	}
	*row = count;
	return 0;
}

/* Up to where everything to the peer is closed, when `sequence` is. Receipts come in order but
 * after a restart; then the lowest open one is searched for, now and then. */
static uint64_t out_done_after(
    const struct ledger *ledger, const struct object_link *link, uint64_t sequence)
{
	uint64_t done = le64_get(link->out_done), lowest = le64_get(link->out_last) + 1, id;

	if (sequence == done + 1)
		return sequence;
	if (sequence % DONE_SEARCH_EVERY != 0)
		return done;
	for (uint32_t row = 0; (id = ledger_transfer_open(ledger, &row)) != 0;) {
		struct object_transfer other;

		memcpy(&other, ledger_object_at(ledger, row - 1)->body, sizeof(other));
		if (le16_get(other.peer) == le64_get(link->peer) &&
		    le64_get(other.sequence) != sequence && le64_get(other.sequence) < lowest)
			lowest = le64_get(other.sequence);
	}
	return lowest - 1;
}

/* What a transfer moved goes back. */
static int transfer_reverse(struct decision *decision, const struct object_transfer *transfer)
{
	uint64_t reference = le64_get(transfer->reference);
	int64_t amount = le64s_get(transfer->amount);

	if (transfer->purpose == TRANSFER_CLAIM)
		return claim_reverse(decision, reference, le64_get(transfer->to_account), amount);
	if (transfer->purpose == TRANSFER_LEASE) {
		decision->type = EVENT_LEASE;
		return lease_take(decision, transfer->lease_scope, reference,
		           transfer->lease_selection, amount) == WIRE_CODE_OK
		           ? 0
		           : -EINVAL;
	}
	/* To a frozen account too: it is its money. */
	return decision_credit(decision, amount) == WIRE_CODE_OK ? 0 : -EBUSY;
}

static int receipt_close(struct decision *decision, const struct object_row *row,
    struct object_transfer *transfer, uint16_t code)
{
	struct object_row *object = decision_object(decision, row);
	struct object_link link;
	const struct object_row *link_row =
	    link_find(decision->ledger, le16_get(transfer->peer), &link);
	int error = 0;

	transfer->code = le16_make(code);
	object->state = code == WIRE_CODE_OK ? OBJECT_DONE : OBJECT_REVERSED;
	memcpy(object->body, transfer, sizeof(*transfer));
	link.out_done =
	    le64_make(out_done_after(decision->ledger, &link, le64_get(transfer->sequence)));
	link_keep(decision, link_row, le16_get(transfer->peer), &link);
	if (code != WIRE_CODE_OK) {
		partner_key_free(decision, le64_get(transfer->partner_key), row->id);
		error = transfer_reverse(decision, transfer);
	} else if (transfer->purpose == TRANSFER_CLAIM) {
		claim_finish(
		    decision, le64_get(transfer->reference), le64_get(transfer->to_account));
	}
	return error;
}

int ledger_decide_receipt(struct ledger *ledger, const struct ledger_receipt *receipt,
    uint64_t time_ns, struct event_buffer *event)
{
	const struct object_row *row;
	struct object_transfer transfer;
	struct decision decision;
	uint16_t code = receipt->code;
	int error;

	if (transfer_read(ledger, receipt->transfer_id, &row, &transfer) != 0)
		return 0;
	if (receipt->sequence != le64_get(transfer.sequence) ||
	    receipt->peer != le16_get(transfer.peer) || receipt->source != ledger->config.shard)
		return -EINVAL;
	decision_begin(&decision, ledger, EVENT_TRANSFER_DONE, time_ns);
	decision.object_id = receipt->transfer_id;
	decision.currency = row->currency;
	if (le64_get(transfer.origin.terminal_id) != 0) {
		error = decision_terminal(&decision, le64_get(transfer.origin.terminal_id));
		if (error != 0)
			return error;
		decision.request_id = le64_get(transfer.origin.request_id);
		decision.body_hash[0] = le64_get(transfer.origin.body_hash[0]);
		decision.body_hash[1] = le64_get(transfer.origin.body_hash[1]);
	}
	if (le64_get(transfer.from_account) != 0)
		decision_account(&decision, le64_get(transfer.from_account));
	if (transfer.purpose != TRANSFER_LEASE)
		decision.payout = le64s_get(transfer.amount);
	if (transfer.purpose == TRANSFER_CLAIM)
		transfer.claimer_balance = le64s_make(receipt->balance);
	error = receipt_close(&decision, row, &transfer, code);
	if (error != 0)
		return error;
	/* A lease that comes back is one that was taken: no request waits for its refusal. */
	return decision_write(&decision, decision.type == EVENT_LEASE ? WIRE_CODE_OK : code, event);
}
