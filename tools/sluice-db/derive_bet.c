/* SPDX-License-Identifier: Apache-2.0 */
/* Bets of the derivation: their states, and what STAKES, PAYABLE and HOUSE hold because of them. */
#include <errno.h>
#include <string.h>

#include "tools/sluice-db/derive.h"
#include "wire/codes.h"

static const char *state_name(uint8_t state)
{
	static const char *const names[] = { "none", "open", "cancelled", "settled", "void", "paid",
		"expired" };

	return state < SLUICE_ARRAY_COUNT(names) ? names[state] : "unknown";
}

/* The stake waits. */
static int64_t in_stakes(const struct derived_bet *bet)
{
	return bet->state == BET_OPEN ? bet->stake : 0;
}

/* A cash ticket nobody came for yet. */
static int64_t in_payable(const struct derived_bet *bet)
{
	return bet->account_id == 0 && (bet->state == BET_SETTLED || bet->state == BET_VOID)
	           ? bet->payout
	           : 0;
}

/* What the house won: the stake less what was paid for it, or the ticket expired and kept it all.
 */
static int64_t in_house(const struct derived_bet *bet)
{
	switch (bet->state) {
	case BET_SETTLED:
	case BET_PAID:
		return bet->stake - bet->payout;
	case BET_EXPIRED:
		return bet->stake;
	default:
		return 0;
	}
}

static void expect(struct derive *derive, const struct derived_bet *bet, int sign)
{
	uint16_t currency = bet->currency;

	derive_expect(
	    derive, own_account_id(OWN_STAKES, currency, 0), currency, sign * in_stakes(bet));
	derive_expect(
	    derive, own_account_id(OWN_PAYABLE, currency, 0), currency, sign * in_payable(bet));
	derive_expect(
	    derive, own_account_id(OWN_HOUSE, currency, 0), currency, sign * in_house(bet));
}

/* What it was worth to its owner before. */
static int64_t worth(const struct derived_bet *bet)
{
	return bet->state == BET_OPEN || bet->state == BET_CANCELLED ? 0 : bet->payout;
}

static int place(struct derive *derive, const struct event_view *view)
{
	uint64_t id = le64_get(view->record.object_id);
	int64_t stake = postings_stake(view);
	struct derived_bet *bet;

	if (table_find(&derive->bets, id) != NULL)
		WRONG(derive, "bet %llu: placed twice", (unsigned long long)id);
	if (stake <= 0)
		WRONG(derive, "bet %llu: stake not above zero", (unsigned long long)id);
	if (le64s_get(view->record.payout) < 0)
		WRONG(derive, "bet %llu: payout below zero", (unsigned long long)id);
	bet = table_get(&derive->bets, id);
	bet->lsn = derive->next_lsn;
	bet->account_id = le64_get(view->record.account_id);
	bet->placed_at_ns = derive->time_ns;
	bet->stake = stake;
	bet->reserved = bet->payout = le64s_get(view->record.payout);
	bet->currency = le16_get(view->record.currency);
	bet->state = BET_OPEN;
	expect(derive, bet, 1);
	return derive_legs(derive, bet, view);
}

/* The state an event brings a bet to; 0: it cannot, from this one. */
static uint8_t state_after(uint16_t type, const struct derived_bet *bet, uint8_t to)
{
	int open = bet->state == BET_OPEN, settled = bet->state == BET_SETTLED;
	int ticket = bet->account_id == 0 && (settled || bet->state == BET_VOID);

	switch (type) {
	case EVENT_CANCEL_BET:
		return open ? BET_CANCELLED : 0;
	case EVENT_BET_VOID:
		return open ? BET_VOID : 0;
	case EVENT_REDEEM:
		return ticket ? BET_PAID : 0;
	case EVENT_TICKET_EXPIRE:
		return ticket ? BET_EXPIRED : 0;
	default: /* BET_SETTLE */
		return (to == BET_SETTLED && (open || settled)) || (to == BET_OPEN && settled) ? to
		                                                                               : 0;
	}
}

/* A payout that the bet's reservation covers, and that goes with its new state. */
static int payout_fits(const struct derived_bet *bet, uint16_t type, uint8_t to, int64_t payout)
{
	if (payout < 0 || payout > bet->reserved)
		return 0;
	if (to == BET_OPEN)
		return payout == bet->reserved;
	if (type == EVENT_REDEEM || type == EVENT_TICKET_EXPIRE)
		return payout == bet->payout;
	return type == EVENT_BET_SETTLE || payout == bet->stake;
}

static int change(struct derive *derive, const struct event_view *view)
{
	uint64_t id = le64_get(view->record.object_id);
	struct derived_bet *bet = table_find(&derive->bets, id);
	uint16_t type = le16_get(view->record.type);
	int64_t payout = le64s_get(view->record.payout);
	struct event_bet_change body;
	uint8_t to;

	if (bet == NULL && !derive->complete)
		return 0;
	memcpy(&body, view->body, sizeof(body));
	if (bet == NULL || bet->retired_lsn != 0)
		WRONG(derive, "bet %llu: changed and not there", (unsigned long long)id);
	to = state_after(type, bet, body.to);
	if (to == 0 || body.to != to || body.from != bet->state)
		WRONG(derive, "bet %llu: %s by its events; this one makes it %s out of %s",
		    (unsigned long long)id, state_name(bet->state), state_name(body.to),
		    state_name(body.from));
	if (le64s_get(body.stake) != bet->stake ||
	    le64_get(view->record.account_id) != bet->account_id ||
	    le16_get(view->record.currency) != bet->currency ||
	    le64_get(body.placed_at_ns) != bet->placed_at_ns)
		WRONG(derive, "bet %llu: changed with another stake, account or time",
		    (unsigned long long)id);
	if (le64s_get(body.payout_before) != worth(bet))
		WRONG(derive, "bet %llu: was worth %lld, the event says %lld",
		    (unsigned long long)id, (long long)worth(bet),
		    (long long)le64s_get(body.payout_before));
	if (!payout_fits(bet, type, to, payout))
		WRONG(derive, "bet %llu: %s with %lld; stake %lld, reserved %lld",
		    (unsigned long long)id, state_name(to), (long long)payout,
		    (long long)bet->stake, (long long)bet->reserved);
	if (type == EVENT_BET_SETTLE && derive->complete &&
	    derive_settled(derive, bet, to, payout) != 0)
		return -EBADMSG;
	expect(derive, bet, -1);
	bet->lsn = derive->next_lsn;
	bet->state = to;
	bet->payout = payout;
	expect(derive, bet, 1);
	return 0;
}

int derive_bet(struct derive *derive, const struct event_view *view)
{
	struct derived_bet *bet;

	if (!postings_moves(view))
		return 0;
	switch (le16_get(view->record.type)) {
	case EVENT_PLACE_BET:
		return place(derive, view);
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
	case EVENT_REDEEM:
	case EVENT_TICKET_EXPIRE:
		return change(derive, view);
	case EVENT_REPRINT:
		bet = table_find(&derive->bets, le64_get(view->record.object_id));
		if (bet != NULL)
			bet->lsn = derive->next_lsn;
		return 0;
	default:
		return 0;
	}
}
