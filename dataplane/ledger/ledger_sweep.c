/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time does to bets and markets: tickets that expire, bets of final results that retire (see
 * ledger_due.c). Passes over a market's chain, in slices, one at a time.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"
#include "dataplane/ledger/ledger_derived.h"

#define NS_PER_S 1000000000ull
#define LOOK_MAX 256 /* bets looked at in one call */

/* ---- Bets that can retire ---- */

static int bet_final(const struct ledger *ledger, const struct bet_slot *bet)
{
	for (unsigned i = 0; i < bet->leg_count; i++) {
		uint32_t row = market_find(ledger, bet_leg_at(ledger, bet, i)->market_id);

		/* Final and not walked: the same result was given again, and its walk must not lose
		 * the bets it stands on. */
		if (row == ROW_NONE || !ledger->markets[row].row.final ||
		    !ledger->markets[row].row.walked)
			return 0;
	}
	return 1;
}

/* Its money has come to its owner, or there is none, and no result can change it. */
static int bet_retirable(const struct ledger *ledger, const struct bet_slot *bet)
{
	switch (bet->state) {
	case BET_OPEN:
		return 0;
	case BET_SETTLED:
	case BET_VOID:
		if (bet->account_id == 0 && bet->payout != 0)
			return 0;
		break;
	default:
		break;
	}
	return bet_final(ledger, bet);
}

void ledger_due_unqueue(struct ledger *ledger, uint32_t bet_row)
{
	struct ledger_derived *derived = ledger->derived;
	struct bet_queue_links *own = &derived->queue[bet_row];

	if (!own->queued)
		return;
	if (own->prev != 0)
		derived->queue[own->prev - 1].next = own->next;
	else
		derived->queue_first = own->next;
	if (own->next != 0)
		derived->queue[own->next - 1].prev = own->prev;
	else
		derived->queue_last = own->prev;
	*own = (struct bet_queue_links){ 0 };
	derived->queue_count--;
}

void due_bet_note(struct ledger *ledger, uint32_t bet_row)
{
	struct ledger_derived *derived = ledger->derived;
	struct bet_queue_links *own = &derived->queue[bet_row];

	if (!bet_retirable(ledger, &ledger->bets[bet_row])) {
		ledger_due_unqueue(ledger, bet_row);
		return;
	}
	if (own->queued)
		return;
	*own = (struct bet_queue_links){ .prev = derived->queue_last, .queued = 1 };
	if (derived->queue_last != 0)
		derived->queue[derived->queue_last - 1].next = bet_row + 1;
	else
		derived->queue_first = bet_row + 1;
	derived->queue_last = bet_row + 1;
	derived->queue_count++;
}

int due_retire_write(struct decision *decision, unsigned count, struct event_buffer *event)
{
	decision->flags |= EVENT_FLAG_TIMER;
	decision->leg_count = (uint8_t)count;
	return decision_write(decision, WIRE_CODE_OK, event);
}

/* Up to 64 bets off the queue; they leave it when they retire. */
int due_queue_decide(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	struct ledger_derived *derived = ledger->derived;
	struct decision decision;
	unsigned count = 0;

	decision_begin(&decision, ledger, EVENT_BET_RETIRE, time_ns);
	for (uint32_t at = derived->queue_first; at != 0 && count < EVENT_IDS_MAX;) {
		uint32_t next = derived->queue[at - 1].next;

		if (bet_retirable(ledger, &ledger->bets[at - 1]))
			decision.body.ids[count++] = le64_make(ledger->bets[at - 1].id);
		else
			ledger_due_unqueue(ledger, at - 1);
		at = next;
	}
	return count == 0 ? -EAGAIN : due_retire_write(&decision, count, event);
}

/* ---- Markets ---- */

static int market_walked(const struct market_row_state *market)
{
	return market->walked && (market->state == MARKET_SETTLED || market->state == MARKET_VOID);
}

static uint64_t tickets_due(const struct ledger *ledger, const struct market_row_state *market)
{
	return market->walked_ns + ledger->shard.rules.ticket_expiry_s * NS_PER_S;
}

static uint64_t market_due(const struct ledger *ledger, uint32_t market_row)
{
	const struct market_row_state *market = &ledger->markets[market_row].row;
	const struct derived_market *record = derived_market_find(ledger, market->id);
	uint64_t due = UINT64_MAX, tickets;

	if (!market_walked(market) || record == NULL)
		return UINT64_MAX;
	if (market->final && !(record->swept & SWEPT_CLOSED) && record->bets != 0)
		due = 0;
	if (!(record->swept & SWEPT_TICKETS)) {
		tickets = tickets_due(ledger, market);
		if (tickets < due)
			due = tickets;
	}
	return due;
}

void due_market_note(struct ledger *ledger, uint32_t market_row)
{
	struct ledger_derived *derived = ledger->derived;
	struct derived_market *record = derived_market_enter(ledger, market_row);

	if (!market_walked(&ledger->markets[market_row].row)) {
		record->swept = 0;
		if (derived->sweep.market_id == record->market_id)
			derived->sweep.market_id = 0;
	}
	due_set(
	    derived, due_item(ledger, LEDGER_MARKET, market_row), market_due(ledger, market_row));
}

/* Its key comes back at the end; meanwhile the heap shows what else is due. */
static void sweep_begin(struct ledger *ledger, uint32_t market_row, uint8_t what)
{
	const struct derived_market *record =
	    derived_market_find(ledger, ledger->markets[market_row].row.id);

	ledger->derived->sweep = (struct derived_sweep){
		.market_id = record->market_id,
		.market = (uint32_t)(record - ledger->derived->markets),
		.what = what,
	};
	due_set(ledger->derived, due_item(ledger, LEDGER_MARKET, market_row), UINT64_MAX);
}

static void sweep_end(struct ledger *ledger)
{
	struct derived_sweep *sweep = &ledger->derived->sweep;
	struct derived_market *record = &ledger->derived->markets[sweep->market];
	uint32_t row = market_find(ledger, sweep->market_id);

	record->swept |= sweep->what;
	sweep->market_id = 0;
	SLUICE_REQUIRE(row != ROW_NONE);
	due_set(ledger->derived, due_item(ledger, LEDGER_MARKET, row), market_due(ledger, row));
}

/* Every market of the ticket was walked, and its time since the last of them is over. */
static int ticket_over(const struct ledger *ledger, const struct bet_slot *bet, uint64_t time_ns)
{
	if (bet->account_id != 0 || bet->payout == 0 ||
	    (bet->state != BET_SETTLED && bet->state != BET_VOID))
		return 0;
	for (unsigned i = 0; i < bet->leg_count; i++) {
		uint32_t row = market_find(ledger, bet_leg_at(ledger, bet, i)->market_id);

		if (row == ROW_NONE || !market_walked(&ledger->markets[row].row) ||
		    tickets_due(ledger, &ledger->markets[row].row) > time_ns)
			return 0;
	}
	return 1;
}

static uint32_t sweep_link(const struct ledger *ledger)
{
	const struct derived_sweep *sweep = &ledger->derived->sweep;

	return sweep->last == 0 ? ledger->derived->markets[sweep->market].first
	                        : ledger_chain_next(ledger, sweep->market_id, sweep->last);
}

/* `last` stays on bets that remain in the chain: those that retire are taken out behind it. */
static int sweep_closed(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	struct derived_sweep *sweep = &ledger->derived->sweep;
	uint32_t link = sweep_link(ledger), last = sweep->last;
	struct decision decision;
	unsigned count = 0;

	decision_begin(&decision, ledger, EVENT_BET_RETIRE, time_ns);
	for (unsigned looked = 0; link != 0 && looked < LOOK_MAX && count < EVENT_IDS_MAX;
	     looked++) {
		uint32_t row = link_row(link);

		if (bet_retirable(ledger, &ledger->bets[row]))
			decision.body.ids[count++] = le64_make(ledger->bets[row].id);
		else if (count == 0)
			last = link;
		link = ledger_chain_next(ledger, sweep->market_id, link);
	}
	sweep->last = last;
	if (count > 0)
		return due_retire_write(&decision, count, event);
	if (link == 0)
		sweep_end(ledger);
	return -EAGAIN;
}

static int sweep_tickets(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	struct derived_sweep *sweep = &ledger->derived->sweep;
	uint32_t link = sweep_link(ledger);

	for (unsigned looked = 0; link != 0 && looked < LOOK_MAX; looked++) {
		struct decision decision;
		uint32_t row = link_row(link);

		if (ticket_over(ledger, &ledger->bets[row], time_ns)) {
			decision_begin(&decision, ledger, EVENT_TICKET_EXPIRE, time_ns);
			SLUICE_REQUIRE(ticket_due(&decision, row) == 1);
			return decision_write(&decision, WIRE_CODE_OK, event);
		}
		sweep->last = link;
		link = ledger_chain_next(ledger, sweep->market_id, link);
	}
	if (link == 0)
		sweep_end(ledger);
	return -EAGAIN;
}

int due_market_decide(struct ledger *ledger, uint32_t market_row, uint64_t time_ns)
{
	const struct market_row_state *market = &ledger->markets[market_row].row;
	const struct derived_market *record = derived_market_find(ledger, market->id);

	SLUICE_REQUIRE(record != NULL);
	/* The rules have changed since. */
	if (market_due(ledger, market_row) > time_ns) {
		due_set(ledger->derived, due_item(ledger, LEDGER_MARKET, market_row),
		    market_due(ledger, market_row));
		return -EAGAIN;
	}
	if (!(record->swept & SWEPT_TICKETS) && tickets_due(ledger, market) <= time_ns) {
		sweep_begin(ledger, market_row, SWEPT_TICKETS);
		return -EAGAIN;
	}
	sweep_begin(ledger, market_row, SWEPT_CLOSED);
	return -EAGAIN;
}

int due_sweep_decide(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	return ledger->derived->sweep.what == SWEPT_TICKETS ? sweep_tickets(ledger, time_ns, event)
	                                                    : sweep_closed(ledger, time_ns, event);
}
