/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cash tickets: redeeming, reprinting, expiry.
 *
 * A ticket is paid at any terminal, out of that terminal's cash. PAID and EXPIRED are final: what
 * is in the customer's hands cannot be taken back, so later results and rollbacks pass over such a
 * bet (ledger_settle.c). The code is judged before the state, so a guessed number learns nothing
 * but that there is such a bet.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"

/* The payable amount of a ticket leaves PAYABLE for good. */
static void payable_take(struct decision *decision, const struct bet_slot *bet, uint8_t to)
{
	decision->object_id = bet->id;
	decision->currency = bet->currency;
	decision->amount = 0;
	decision->payout = bet->payout;
	decision->body.change = (struct event_bet_change){
		.stake = le64s_make(bet->stake),
		.placed_at_ns = le64_make(bet->placed_at_ns),
		.payout_before = le64s_make(bet->payout),
		.from = bet->state,
		.to = to,
	};
	decision_line(
	    decision, ledger_system_account(SYSTEM_PAYABLE, bet->currency, 0), -bet->payout);
}

uint16_t redeem_judge(struct decision *decision)
{
	uint32_t row = bet_find(decision->ledger, decision->object_id);
	const struct bet_slot *bet;

	if (row == ROW_NONE)
		return WIRE_CODE_BET_UNKNOWN;
	bet = &decision->ledger->bets[row];
	if (!decision->asked->ticket_genuine)
		return WIRE_CODE_TICKET_INVALID;
	decision->currency = bet->currency;
	switch (bet->state) {
	case BET_PAID:
		return WIRE_CODE_TICKET_PAID;
	case BET_EXPIRED:
		return WIRE_CODE_TICKET_EXPIRED;
	case BET_SETTLED:
	case BET_VOID:
		break;
	default: /* OPEN: not yet; CANCELLED: the money was given back */
		return WIRE_CODE_TICKET_NOT_PAYABLE;
	}
	/* A bet of an account has its money there. */
	if (bet->account_id != 0 || bet->payout == 0)
		return WIRE_CODE_TICKET_NOT_PAYABLE;
	payable_take(decision, bet, BET_PAID);
	return WIRE_CODE_OK;
}

/* Only where the ticket was sold, and while it is worth something. */
uint16_t reprint_judge(struct decision *decision)
{
	uint32_t row = bet_find(decision->ledger, decision->object_id);
	const struct bet_slot *bet;

	if (row == ROW_NONE)
		return WIRE_CODE_BET_UNKNOWN;
	bet = &decision->ledger->bets[row];
	if (bet->terminal_id != decision->terminal_id)
		return WIRE_CODE_NOT_YOUR_BET;
	if (bet->state == BET_CANCELLED || bet->state == BET_PAID || bet->state == BET_EXPIRED ||
	    (bet->state == BET_SETTLED && bet->payout == 0))
		return WIRE_CODE_BET_NOT_OPEN;
	decision->currency = bet->currency;
	decision->payout =
	    bet_reprints(bet) < BET_REPRINTS_MAX ? bet_reprints(bet) + 1 : BET_REPRINTS_MAX;
	return WIRE_CODE_OK;
}

int ticket_due(struct decision *decision, uint32_t bet_row)
{
	const struct bet_slot *bet = &decision->ledger->bets[bet_row];

	if (bet->account_id != 0 || bet->payout == 0 ||
	    (bet->state != BET_SETTLED && bet->state != BET_VOID))
		return 0;
	decision->type = EVENT_TICKET_EXPIRE;
	decision->flags |= EVENT_FLAG_TIMER;
	payable_take(decision, bet, BET_EXPIRED);
	return 1;
}
