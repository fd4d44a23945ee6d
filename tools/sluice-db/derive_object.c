/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of the derivation: what SUSPENSE, POTS, PARTNER and TRANSIT hold because of them,
 * transfers between shards, and what retires.
 */
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tools/sluice-db/derive.h"
#include "wire/codes.h"

#define READ(type, name, object)                                                                   \
	struct type name;                                                                          \
	memcpy(&name, (object)->body, sizeof(name))

/* The system account an object stands behind, and with how much. 0: none. */
static uint64_t behind(const struct object_bytes *object, int64_t *amount)
{
	uint16_t currency = le16_get(object->currency);
	uint32_t partner_id = le32_get(object->partner_id);

	*amount = 0;
	switch (object->kind) {
	case OBJECT_WITHDRAWAL: {
		READ(object_withdrawal, withdrawal, object);
		if (object->state == OBJECT_OPEN)
			*amount = le64s_get(withdrawal.amount);
		return own_account_id(OWN_SUSPENSE, currency, 0);
	}
	case OBJECT_SPRINKLE: {
		READ(object_sprinkle, sprinkle, object);
		*amount = le64s_get(sprinkle.remaining);
		return own_account_id(OWN_POTS, currency, 0);
	}
	case OBJECT_TRANSFER: {
		READ(object_transfer, transfer, object);
		if (transfer.purpose == TRANSFER_LEASE)
			return 0;
		if (object->state != OBJECT_REVERSED)
			*amount = le64s_get(transfer.amount);
		return own_account_id(OWN_TRANSIT, currency, le16_get(transfer.peer));
	}
	case OBJECT_TRANSFER_IN: {
		READ(object_transfer_in, in, object);
		if (in.purpose == TRANSFER_LEASE)
			return 0;
		if (object->state == OBJECT_DONE)
			*amount = -le64s_get(in.amount);
		return own_account_id(OWN_TRANSIT, currency, le64_get(in.source));
	}
	case OBJECT_ROUND_TX: {
		READ(object_round_tx, tx, object);
		if (object->state == OBJECT_DONE && tx.op != ROUND_OP_TOMBSTONE)
			*amount =
			    tx.op == ROUND_OP_DEBIT ? le64s_get(tx.amount) : -le64s_get(tx.amount);
		return partner_id == 0 ? own_account_id(OWN_HOUSE, currency, 0)
		                       : own_account_id(OWN_PARTNER, currency, partner_id);
	}
	default:
		return 0;
	}
}

/* ---- Kinds that need more than a sum ---- */

static int withdrawal_next(struct derive *derive, struct derived_object *known, int is_new,
    const struct event_view *view, const struct object_bytes *object)
{
	uint16_t type = le16_get(view->record.type);
	READ(object_withdrawal, withdrawal, object);

	/* Where the log does not begin at its first event, it may have been asked for before. */
	if (is_new && !derive->complete && type != EVENT_WITHDRAW) {
		known->asker = le64_get(withdrawal.origin.terminal_id);
	} else if (is_new) {
		if (type != EVENT_WITHDRAW || object->state != OBJECT_OPEN)
			WRONG(derive, "withdrawal %llu: closed before it was asked for",
			    (unsigned long long)known->id);
		known->asker = le64_get(view->record.terminal_id);
	}
	if (le64_get(withdrawal.origin.terminal_id) != known->asker)
		WRONG(derive, "withdrawal %llu: terminal %llu asked, the event says %llu",
		    (unsigned long long)known->id, (unsigned long long)known->asker,
		    (unsigned long long)le64_get(withdrawal.origin.terminal_id));
	if (!is_new && known->state != OBJECT_OPEN && object->state != known->state)
		WRONG(derive, "withdrawal %llu: closed twice", (unsigned long long)known->id);
	if (object->state != OBJECT_OPEN && known->state == OBJECT_OPEN && !is_new &&
	    (object->state == OBJECT_DONE) != ((view->record.flags & EVENT_FLAG_PAID) != 0))
		WRONG(derive, "withdrawal %llu: paid and given back at once",
		    (unsigned long long)known->id);
	return 0;
}

static struct derived_transfer *transfer_take(
    struct derive *derive, const struct object_bytes *object, const struct object_transfer *in)
{
	struct derived_transfer *transfer = table_get(&derive->transfers, le64_get(object->id));

	transfer->sequence = le64_get(in->sequence);
	transfer->to_account = le64_get(in->to_account);
	transfer->reference = le64_get(in->reference);
	transfer->amount = le64s_get(in->amount);
	transfer->currency = le16_get(object->currency);
	transfer->peer = le16_get(in->peer);
	transfer->purpose = in->purpose;
	return transfer;
}

static int transfer_opened(struct derive *derive, const struct object_bytes *object)
{
	READ(object_transfer, in, object);
	uint64_t id = le64_get(object->id), sequence = le64_get(in.sequence);
	uint16_t peer = le16_get(in.peer);
	struct derived_transfer *transfer;

	if (peer >= LIMIT_SHARDS || object->state != OBJECT_OPEN)
		WRONG(derive, "transfer %llu: closed before it was opened", (unsigned long long)id);
	if (derive->out_last[peer] + 1 != sequence &&
	    (derive->complete || derive->out_last[peer] != 0))
		WRONG(derive, "transfer %llu to shard %u: sequence %llu behind %llu",
		    (unsigned long long)id, peer, (unsigned long long)sequence,
		    (unsigned long long)derive->out_last[peer]);
	if (derive->out_last[peer] == 0)
		derive->out_floor[peer] = sequence - 1;
	derive->out_last[peer] = sequence;
	transfer = transfer_take(derive, object, &in);
	transfer->open_ns = derive->time_ns;
	transfer->open_lsn = derive->next_lsn;
	return 0;
}

static int transfer_next(
    struct derive *derive, const struct event_view *view, const struct object_bytes *object)
{
	uint64_t id = le64_get(object->id);
	struct derived_transfer *transfer = table_find(&derive->transfers, id);
	uint16_t type = le16_get(view->record.type);
	READ(object_transfer, in, object);

	if (transfer == NULL && (object->state == OBJECT_OPEN || derive->complete))
		return transfer_opened(derive, object);
	if (transfer == NULL) /* left before the first event kept: open_lsn 0 */
		transfer = transfer_take(derive, object, &in);
	if (transfer->done_lsn != 0 || object->state == OBJECT_OPEN)
		WRONG(derive, "transfer %llu: opened or closed twice", (unsigned long long)id);
	if (le64s_get(in.amount) != transfer->amount || le16_get(in.peer) != transfer->peer ||
	    le64_get(in.sequence) != transfer->sequence || in.purpose != transfer->purpose)
		WRONG(derive, "transfer %llu: closed with another amount, peer or sequence",
		    (unsigned long long)id);
	transfer->code = le16_get(in.code);
	if ((transfer->code == WIRE_CODE_OK) != (object->state == OBJECT_DONE) ||
	    (type == EVENT_TRANSFER_DONE && le16_get(view->record.code) != transfer->code))
		WRONG(
		    derive, "transfer %llu: its state and its code differ", (unsigned long long)id);
	transfer->done_lsn = derive->next_lsn;
	return 0;
}

static int arrival_next(struct derive *derive, const struct object_bytes *object)
{
	READ(object_transfer_in, in, object);
	uint64_t source = le64_get(in.source), sequence = le64_get(in.sequence), key;
	struct derived_arrival *arrival;

	if (source >= LIMIT_SHARDS)
		WRONG(
		    derive, "transfer from shard %llu: there is none", (unsigned long long)source);
	if (derive->in_last[source] + 1 != sequence &&
	    (derive->complete || derive->in_last[source] != 0))
		WRONG(derive, "transfer from shard %llu: sequence %llu behind %llu",
		    (unsigned long long)source, (unsigned long long)sequence,
		    (unsigned long long)derive->in_last[source]);
	if (derive->in_last[source] == 0)
		derive->in_floor[source] = sequence - 1;
	derive->in_last[source] = sequence;
	key = derived_arrival_key(source, sequence);
	if ((le16_get(in.code) == WIRE_CODE_OK) != (object->state == OBJECT_DONE))
		WRONG(derive, "transfer %llu that came: its state and its code differ",
		    (unsigned long long)le64_get(in.transfer_id));
	arrival = table_get(&derive->arrivals, key);
	arrival->lsn = derive->next_lsn;
	arrival->transfer_id = le64_get(in.transfer_id);
	arrival->account_id = le64_get(in.account_id);
	arrival->amount = le64s_get(in.amount);
	arrival->currency = le16_get(object->currency);
	arrival->code = le16_get(in.code);
	arrival->purpose = in.purpose;
	return 0;
}

/* A round's money is between the customer and the customer's own partner. */
static int round_next(
    struct derive *derive, const struct event_view *view, const struct object_bytes *object)
{
	uint64_t account_id = le64_get(view->record.account_id);
	const struct derived_account *account = table_find(&derive->accounts, account_id);

	if (account != NULL && derive->complete &&
	    account->partner_id != le32_get(object->partner_id))
		WRONG(derive, "account %llu: of partner %u, its round of partner %u",
		    (unsigned long long)account_id, account->partner_id,
		    le32_get(object->partner_id));
	return 0;
}

/* ---- All ---- */

static int object_next(
    struct derive *derive, const struct event_view *view, const struct object_bytes *object)
{
	uint64_t id = le64_get(object->id), account_id;
	struct derived_object *known = table_get(&derive->objects, id);
	int is_new = known->kind == 0 || known->retired_lsn != 0, error = 0;
	int64_t amount;

	if (!is_new && known->kind != object->kind)
		WRONG(derive, "object %llu: a %s and then a %s", (unsigned long long)id,
		    object_kind_name(known->kind), object_kind_name(object->kind));
	if (is_new)
		*known = (struct derived_object){ .id = id, .kind = object->kind };
	if (object->kind == OBJECT_WITHDRAWAL)
		error = withdrawal_next(derive, known, is_new, view, object);
	else if (object->kind == OBJECT_TRANSFER)
		error = transfer_next(derive, view, object);
	else if (object->kind == OBJECT_TRANSFER_IN)
		error = arrival_next(derive, object);
	else if (object->kind == OBJECT_ROUND || object->kind == OBJECT_ROUND_TX)
		error = round_next(derive, view, object);
	if (error != 0)
		return error;
	account_id = behind(object, &amount);
	if (account_id != 0)
		derive_expect(
		    derive, account_id, le16_get(object->currency), amount - known->amount);
	known->lsn = derive->next_lsn;
	known->hash = XXH3_64bits(object, sizeof(*object));
	known->account_id = account_id;
	known->amount = amount;
	known->state = object->state;
	return 0;
}

static int links_check(struct derive *derive, const struct event_view *view)
{
	for (unsigned i = 0; i < view->object_count; i++) {
		const struct object_bytes *object = &view->objects[i];
		uint64_t peer;

		if (object->kind != OBJECT_LINK)
			continue;
		READ(object_link, link, object);
		peer = le64_get(link.peer);
		if (peer < LIMIT_SHARDS && derive->complete &&
		    (le64_get(link.out_last) != derive->out_last[peer] ||
		        le64_get(link.in_last) != derive->in_last[peer]))
			WRONG(derive, "link to shard %llu: its sequences are not the last ones",
			    (unsigned long long)peer);
	}
	return 0;
}

int derive_objects(struct derive *derive, const struct event_view *view)
{
	int error = 0;

	for (unsigned i = 0; i < view->object_count && error == 0; i++)
		error = object_next(derive, view, &view->objects[i]);
	return error != 0 ? error : links_check(derive, view);
}

/* ---- What leaves memory: nothing that still holds money ---- */

static int bet_retired(struct derive *derive, uint64_t id)
{
	struct derived_bet *bet = table_find(&derive->bets, id);

	if (bet == NULL && derive->complete)
		WRONG(derive, "bet %llu: retired and never placed", (unsigned long long)id);
	if (bet == NULL)
		return 0;
	if (bet->state == BET_OPEN || bet->retired_lsn != 0)
		WRONG(derive, "bet %llu: retired %s", (unsigned long long)id,
		    bet->state == BET_OPEN ? "while it is open" : "twice");
	if (bet->account_id == 0 && bet->payout > 0 &&
	    (bet->state == BET_SETTLED || bet->state == BET_VOID))
		WRONG(derive, "bet %llu: retired with %lld nobody came for yet",
		    (unsigned long long)id, (long long)bet->payout);
	bet->retired_lsn = derive->next_lsn;
	return 0;
}

static int object_retired(struct derive *derive, uint64_t id)
{
	struct derived_object *object = table_find(&derive->objects, id);
	const struct derived_transfer *transfer;

	if (object == NULL || object->kind == 0)
		return 0;
	transfer = object->kind == OBJECT_TRANSFER ? table_find(&derive->transfers, id) : NULL;
	if (object->retired_lsn != 0 ||
	    ((object->kind == OBJECT_WITHDRAWAL || object->kind == OBJECT_SPRINKLE) &&
	        object->amount != 0) ||
	    (transfer != NULL && transfer->done_lsn == 0))
		WRONG(derive, "%s %llu: retired while it still holds money, or twice",
		    object_kind_name(object->kind), (unsigned long long)id);
	object->retired_lsn = derive->next_lsn;
	return 0;
}

int derive_retired(struct derive *derive, const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	int error = 0;

	if (type != EVENT_BET_RETIRE && type != EVENT_OBJECT_RETIRE)
		return 0;
	for (unsigned i = 0; i < view->record.leg_count && error == 0; i++) {
		struct le64 id;

		memcpy(&id, view->body + i * sizeof(id), sizeof(id));
		error = type == EVENT_BET_RETIRE ? bet_retired(derive, le64_get(id))
		                                 : object_retired(derive, le64_get(id));
	}
	return error;
}
