/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sluice-db/postings.h"

#include <errno.h>
#include <string.h>

#include "wire/codes.h"

#define OWN_BIT (1ull << 63)

uint64_t own_account_id(enum own_account kind, uint16_t currency, uint64_t part)
{
	return OWN_BIT | (uint64_t)kind << 56 | (uint64_t)currency << 40 | (part & 0xffffffffu);
}

int own_account_is(uint64_t id)
{
	unsigned kind = (unsigned)(id >> 56) & 0x7f;

	return (id & OWN_BIT) != 0 && kind >= OWN_FUNDING && kind <= OWN_ACCOUNT_MAX;
}

enum own_account own_account_kind(uint64_t id)
{
	return (enum own_account)((id >> 56) & 0x7f);
}

uint16_t own_account_currency(uint64_t id)
{
	return (uint16_t)(id >> 40);
}

uint32_t own_account_part(uint64_t id)
{
	return (uint32_t)id;
}

const char *own_account_name(uint64_t id)
{
	static const char *const names[OWN_ACCOUNT_MAX + 1] = {
		[OWN_FUNDING] = "FUNDING",
		[OWN_CASH] = "CASH",
		[OWN_STAKES] = "STAKES",
		[OWN_HOUSE] = "HOUSE",
		[OWN_PARTNER] = "PARTNER",
		[OWN_PAYABLE] = "PAYABLE",
		[OWN_RECEIVABLE] = "RECEIVABLE",
		[OWN_SUSPENSE] = "SUSPENSE",
		[OWN_TRANSIT] = "TRANSIT",
		[OWN_POTS] = "POTS",
		[OWN_ADJUSTMENT] = "ADJUSTMENT",
	};

	if ((id & OWN_BIT) == 0)
		return "customer";
	return own_account_is(id) ? names[own_account_kind(id)] : "unknown";
}

/* Whose CASH, TRANSIT or PARTNER account the counter account is. */
enum part {
	PART_NONE,
	PART_TERMINAL, /* the record's */
	PART_ASKER,    /* the terminal that had asked for the withdrawal */
	PART_PEER,
	PART_PROVIDER,
};

static const struct {
	enum own_account counter; /* 0: none */
	enum part part;
} rules[EVENT_TYPE_MAX + 1] = {
	[EVENT_ACCOUNT_OPEN] = { OWN_FUNDING, PART_NONE },
	[EVENT_DEPOSIT] = { OWN_CASH, PART_TERMINAL },
	[EVENT_WITHDRAW] = { OWN_CASH, PART_TERMINAL }, /* PENDING: SUSPENSE */
	[EVENT_WITHDRAW_CLOSE] = { OWN_CASH, PART_ASKER },
	[EVENT_TRANSFER_OUT] = { OWN_TRANSIT, PART_PEER },
	[EVENT_TRANSFER_IN] = { OWN_TRANSIT, PART_PEER },
	[EVENT_TRANSFER_DONE] = { OWN_TRANSIT, PART_PEER },
	[EVENT_ADJUST] = { OWN_ADJUSTMENT, PART_NONE },
	[EVENT_PLACE_BET] = { OWN_STAKES, PART_NONE },
	[EVENT_CANCEL_BET] = { OWN_HOUSE, PART_NONE },
	[EVENT_BET_SETTLE] = { OWN_HOUSE, PART_NONE },
	[EVENT_BET_VOID] = { OWN_HOUSE, PART_NONE },
	[EVENT_REDEEM] = { OWN_CASH, PART_TERMINAL },
	[EVENT_TICKET_EXPIRE] = { OWN_HOUSE, PART_NONE },
	[EVENT_ROUND_DEBIT] = { OWN_PARTNER, PART_PROVIDER },
	[EVENT_ROUND_CREDIT] = { OWN_PARTNER, PART_PROVIDER },
	[EVENT_ROUND_ROLLBACK] = { OWN_PARTNER, PART_PROVIDER },
	[EVENT_SPRINKLE_CREATE] = { OWN_POTS, PART_NONE },
	[EVENT_CLAIM] = { OWN_POTS, PART_NONE },
	[EVENT_SPRINKLE_END] = { OWN_POTS, PART_NONE },
};

static const struct object_bytes *object_of(const struct event_view *view, unsigned kind)
{
	for (unsigned i = 0; i < view->object_count; i++)
		if (view->objects[i].kind == kind)
			return &view->objects[i];
	return NULL;
}

static uint64_t asker_of(const struct event_view *view)
{
	const struct object_bytes *object = object_of(view, OBJECT_WITHDRAWAL);
	struct object_withdrawal withdrawal;

	if (object == NULL)
		return 0;
	memcpy(&withdrawal, object->body, sizeof(withdrawal));
	return le64_get(withdrawal.origin.terminal_id);
}

/* The other shard. 1, or 0 when no object says it. */
static int peer_of(const struct event_view *view, uint64_t *peer)
{
	const struct object_bytes *object = object_of(view, OBJECT_TRANSFER);
	struct object_transfer transfer;
	struct object_transfer_in in;

	if (object != NULL) {
		memcpy(&transfer, object->body, sizeof(transfer));
		*peer = le16_get(transfer.peer);
		return 1;
	}
	object = object_of(view, OBJECT_TRANSFER_IN);
	if (object == NULL)
		return 0;
	memcpy(&in, object->body, sizeof(in));
	*peer = le64_get(in.source);
	return 1;
}

/* 0: there is none. */
static uint64_t counter_of(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type), currency = le16_get(view->record.currency);
	const struct object_bytes *object;
	uint64_t part = 0;

	if (type > EVENT_TYPE_MAX || rules[type].counter == 0)
		return 0;
	switch (rules[type].part) {
	case PART_NONE:
		break;
	case PART_TERMINAL:
		part = le64_get(view->record.terminal_id);
		break;
	case PART_ASKER:
		part = asker_of(view);
		break;
	case PART_PEER:
		if (!peer_of(view, &part))
			return 0;
		break;
	case PART_PROVIDER:
		object = object_of(view, OBJECT_ROUND_TX);
		part = object == NULL ? 0 : le32_get(object->partner_id);
		if (part == 0) /* the house's own games */
			return own_account_id(OWN_HOUSE, currency, 0);
		break;
	}
	if (type == EVENT_WITHDRAW && le16_get(view->record.code) == WIRE_CODE_PENDING)
		return own_account_id(OWN_SUSPENSE, currency, 0);
	return own_account_id(rules[type].counter, currency, part);
}

int postings_moves(const struct event_view *view)
{
	uint16_t code = le16_get(view->record.code);

	return code == WIRE_CODE_OK || code == WIRE_CODE_PENDING ||
	       le16_get(view->record.type) == EVENT_TRANSFER_DONE;
}

/* What STAKES gains or loses by a bet that becomes or stops being open. */
static int64_t stakes_of(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	struct event_bet_change change;

	if (type != EVENT_CANCEL_BET && type != EVENT_BET_SETTLE && type != EVENT_BET_VOID)
		return 0;
	memcpy(&change, view->body, sizeof(change));
	if (change.from == change.to)
		return 0;
	return change.to == BET_OPEN     ? le64s_get(change.stake)
	       : change.from == BET_OPEN ? -le64s_get(change.stake)
	                                 : 0;
}

int64_t postings_stake(const struct event_view *view)
{
	int64_t stake = le64s_get(view->record.amount);

	for (unsigned i = 0; i < view->line_count; i++)
		stake += view->lines[i].amount;
	return -stake;
}

static void add(struct posting *postings, int *count, __int128 *sum, struct posting posting)
{
	*sum += posting.amount;
	postings[(*count)++] = posting;
}

int postings_make(const struct event_view *view, struct posting postings[POSTINGS_MAX])
{
	uint64_t account_id = le64_get(view->record.account_id), owner = account_id, counter;
	uint16_t currency = le16_get(view->record.currency);
	int64_t amount = le64s_get(view->record.amount), stakes;
	__int128 sum = 0;
	int count = 0;

	if (!postings_moves(view))
		return 0;
	if (amount != 0)
		add(postings, &count, &sum,
		    (struct posting){ account_id, amount, le64s_get(view->record.balance),
		        le64_get(view->record.prev_account_lsn), 0, POSTING_RECORD });
	for (unsigned i = 0; i < view->line_count; i++) {
		const struct event_view_line *line = &view->lines[i];
		uint64_t id = line->account_id;

		if (id <= LIMIT_ACCOUNT_ID_MAX)
			owner = id;
		else if (!own_account_is(id) || own_account_currency(id) != currency)
			return -EBADMSG;
		add(postings, &count, &sum,
		    (struct posting){ id, line->amount, line->balance, line->prev_lsn,
		        id == own_account_id(OWN_RECEIVABLE, currency, 0) ? owner : 0,
		        POSTING_LINE });
	}
	stakes = stakes_of(view);
	if (stakes != 0)
		add(postings, &count, &sum,
		    (struct posting){ .account_id = own_account_id(OWN_STAKES, currency, 0),
		        .amount = stakes,
		        .source = POSTING_IMPLIED });
	if (sum == 0)
		return count;
	counter = counter_of(view);
	if (counter == 0 || sum > INT64_MAX || sum < -INT64_MAX)
		return -EBADMSG;
	add(postings, &count, &sum,
	    (struct posting){
	        .account_id = counter, .amount = (int64_t)-sum, .source = POSTING_IMPLIED });
	return count;
}
