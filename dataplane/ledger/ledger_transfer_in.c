/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from other shards: each sequence is taken once, in order (ledger_transfer.c, head). */
#include <errno.h>

#include "dataplane/ledger/ledger_transfer.h"

static const struct object_row *transfer_in_find(
    const struct ledger *ledger, uint32_t source, uint64_t sequence)
{
	const struct object_key key = { .kind = OBJECT_TRANSFER_IN, .words = { source, sequence } };

	return ledger_object_by_key(ledger, &key);
}

int transfer_in_retirable(const struct ledger *ledger, const struct object_row *in)
{
	struct object_transfer_in body;
	struct object_link link;

	memcpy(&body, in->body, sizeof(body));
	(void)link_find(ledger, (uint32_t)le64_get(body.source), &link);
	return le64_get(body.sequence) <= le64_get(link.in_kept);
}

/* For the answer of a CLAIM alone: who sends money does not hear what the receiver has. */
static int64_t claimer_balance(const struct ledger *ledger, const struct ledger_parcel *parcel)
{
	const struct account_row *account = ledger_account(ledger, parcel->to_account);

	return parcel->purpose == TRANSFER_CLAIM && account != NULL ? account->balance : 0;
}

/*
 * The answer that was given before, to this very parcel. Another one with its sequence is of a
 * source that went back in time (restored alone, or to another moment than this shard): its money
 * was never taken here, so there is no answer and its transfer stays open, to be seen. The same for
 * one whose row has retired: the source had closed that transfer, durably, before it gave the
 * watermark, so what it asks for now is another one.
 */
static int receipt_again(
    const struct ledger *ledger, const struct ledger_parcel *parcel, struct ledger_receipt *receipt)
{
	const struct object_row *row = transfer_in_find(ledger, parcel->source, parcel->sequence);
	struct object_transfer_in in;

	if (row == NULL)
		return -ESTALE;
	memcpy(&in, row->body, sizeof(in));
	if (le64_get(in.transfer_id) != parcel->transfer_id ||
	    le64_get(in.account_id) != parcel->to_account ||
	    le64s_get(in.amount) != parcel->amount || in.purpose != parcel->purpose ||
	    row->currency != parcel->currency)
		return -ESTALE;
	receipt->code = le16_get(in.code);
	receipt->balance = claimer_balance(ledger, parcel);
	return 0;
}

/* Money or a share of a sprinkle. */
static uint16_t parcel_judge(struct decision *decision, const struct ledger_parcel *parcel)
{
	uint16_t code;

	decision_account(decision, parcel->to_account);
	decision->amount = parcel->amount;
	code = decision_account_usable(decision);
	if (code == WIRE_CODE_OK)
		code = decision_credit(decision, parcel->amount);
	return code;
}

/* The answer, and the link that has taken one more sequence, whatever the answer is. */
static void parcel_keep(struct decision *decision, const struct ledger_parcel *parcel,
    uint16_t code, const struct object_row *link_row, struct object_link *link)
{
	const struct object_key key = { .kind = OBJECT_TRANSFER_IN,
		.words = { parcel->source, parcel->sequence } };
	struct object_row *object = decision_object_key(decision, &key);
	const struct object_transfer_in in = {
		.source = le64_make(parcel->source),
		.sequence = le64_make(parcel->sequence),
		.transfer_id = le64_make(parcel->transfer_id),
		.account_id = le64_make(parcel->to_account),
		.amount = le64s_make(parcel->amount),
		.code = le16_make(code),
		.purpose = parcel->purpose,
		.from_account =
		    le64_make(decision->flags & EVENT_FLAG_SCORED ? parcel->from_account : 0),
	};

	object->state = code == WIRE_CODE_OK ? OBJECT_DONE : OBJECT_REFUSED;
	object->currency = parcel->currency;
	memcpy(object->body, &in, sizeof(in));
	link->in_last = le64_make(parcel->sequence);
	if (parcel->watermark > le64_get(link->in_kept))
		link->in_kept = le64_make(parcel->watermark);
	link_keep(decision, link_row, parcel->source, link);
}

static int parcel_valid(const struct ledger *ledger, const struct ledger_parcel *parcel)
{
	return parcel->source != ledger->config.shard && parcel->peer == ledger->config.shard &&
	       parcel->source < LIMIT_SHARDS && parcel->sequence > 0 &&
	       parcel->watermark < parcel->sequence && parcel->amount > 0 &&
	       parcel->purpose >= TRANSFER_MONEY && parcel->purpose <= TRANSFER_LEASE;
}

int ledger_decide_parcel(struct ledger *ledger, const struct ledger_parcel *parcel,
    uint64_t time_ns, struct event_buffer *event, struct ledger_receipt *receipt)
{
	const struct object_row *link_row;
	struct object_link link;
	struct decision decision;
	struct ledger_receipt answer = {
		.transfer_id = parcel->transfer_id,
		.sequence = parcel->sequence,
		.source = parcel->source,
		.peer = parcel->peer,
	};
	int length;

	if (!parcel_valid(ledger, parcel))
		return -EINVAL;
	link_row = link_find(ledger, parcel->source, &link);
	if (parcel->sequence <= le64_get(link.in_last)) {
		length = receipt_again(ledger, parcel, &answer);
		if (length == 0)
			*receipt = answer;
		return length;
	}
	if (parcel->sequence != le64_get(link.in_last) + 1)
		return -EAGAIN;
	decision_begin(&decision, ledger,
	    parcel->purpose == TRANSFER_LEASE ? EVENT_LEASE : EVENT_TRANSFER_IN, time_ns);
	decision.currency = parcel->currency;
	decision.object_id = parcel->transfer_id;
	if (parcel->purpose == TRANSFER_LEASE)
		answer.code = lease_take(&decision, parcel->lease_scope, parcel->reference,
		    parcel->lease_selection, parcel->amount);
	else
		answer.code = parcel_judge(&decision, parcel);
	if (answer.code != WIRE_CODE_OK) {
		decision.type = EVENT_TRANSFER_IN;
		decision.line_count = decision.object_count = 0;
		decision.amount = decision.account_id != 0 ? parcel->amount : 0;
		decision.payout = 0;
	}
	answer.balance = claimer_balance(ledger, parcel);
	if (answer.code == WIRE_CODE_OK && parcel->purpose == TRANSFER_CLAIM)
		answer.balance += decision.amount; /* less than the share when it owed */
	/* Nothing is judged here, but the receiver's state learns what came. */
	if (answer.code == WIRE_CODE_OK && parcel->purpose == TRANSFER_MONEY &&
	    ledger->shard.extra.present)
		decision.flags |= EVENT_FLAG_SCORED | EVENT_FLAG_MOVED;
	parcel_keep(&decision, parcel, answer.code, link_row, &link);
	length = decision_write(&decision, answer.code, event);
	if (length > 0)
		*receipt = answer;
	return length;
}
