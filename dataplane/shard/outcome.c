/* SPDX-License-Identifier: Apache-2.0 */
/* What an event says about the request behind it: for windows at start, and for history. */
#include "dataplane/shard/worker.h"
#include "lmdb-schema/event_sections.h"

static uint16_t shift_template(const struct event_buffer *event)
{
	struct event_shift shift;

	memcpy(&shift, event->bytes + sizeof(struct event_record), sizeof(shift));
	return shift.op == SHIFT_CLOSE ? WIRE_SHIFT_CLOSE : WIRE_SHIFT_OPEN;
}

uint16_t outcome_template(const struct event_buffer *event)
{
	static const uint16_t templates[EVENT_TYPE_MAX + 1] = {
		[EVENT_ACCOUNT_OPEN] = WIRE_OPEN_ACCOUNT,
		[EVENT_DEPOSIT] = WIRE_DEPOSIT,
		[EVENT_PLACE_BET] = WIRE_PLACE_BET,
		[EVENT_CANCEL_BET] = WIRE_CANCEL_BET,
		[EVENT_WITHDRAW] = WIRE_WITHDRAW,
		[EVENT_WITHDRAW_CLOSE] = WIRE_WITHDRAW,
		[EVENT_TRANSFER] = WIRE_TRANSFER,
		[EVENT_TRANSFER_OUT] = WIRE_TRANSFER,
		[EVENT_TRANSFER_DONE] = WIRE_TRANSFER,
		[EVENT_REDEEM] = WIRE_REDEEM,
		[EVENT_ROUND_DEBIT] = WIRE_ROUND_DEBIT,
		[EVENT_ROUND_CREDIT] = WIRE_ROUND_CREDIT,
		[EVENT_ROUND_ROLLBACK] = WIRE_ROUND_ROLLBACK,
		[EVENT_ROUND_CLOSE] = WIRE_ROUND_CLOSE,
		[EVENT_SPRINKLE_CREATE] = WIRE_SPRINKLE_CREATE,
		[EVENT_CLAIM] = WIRE_CLAIM,
		[EVENT_FENCE] = WIRE_FENCE,
		[EVENT_REVERSE] = WIRE_REVERSE,
		[EVENT_PLAY_SET] = WIRE_PLAY_SET,
		[EVENT_REPRINT] = WIRE_REPRINT,
	};
	struct event_record record;
	uint16_t type;

	memcpy(&record, event->bytes, sizeof(record));
	type = le16_get(record.type);
	/* A reversal is the opposite event, under the REVERSE's id. */
	if (record.flags & EVENT_FLAG_REVERSAL)
		return WIRE_REVERSE;
	if (type == EVENT_SHIFT)
		return shift_template(event);
	/* The share of a sprinkle goes from the pot, not from an account. */
	if ((type == EVENT_TRANSFER_OUT || type == EVENT_TRANSFER_DONE) &&
	    le64_get(record.account_id) == 0)
		return WIRE_CLAIM;
	return type <= EVENT_TYPE_MAX ? templates[type] : 0;
}

void outcome_transfer(
    const struct event_buffer *event, uint64_t *object_id, int64_t *balance, int64_t *payout)
{
	struct event_record record;
	struct event_view view;
	int refused;

	memcpy(&record, event->bytes, sizeof(record));
	if ((le16_get(record.type) != EVENT_TRANSFER_OUT &&
	        le16_get(record.type) != EVENT_TRANSFER_DONE) ||
	    event_view_read(event->bytes, le16_get(record.length), &view) != 0)
		return;
	refused = wire_code_class(le16_get(record.code)) != 0;
	for (unsigned i = 0; i < view.object_count; i++) {
		struct object_transfer transfer;

		memcpy(&transfer, view.objects[i].body, sizeof(transfer));
		if (view.objects[i].kind != OBJECT_TRANSFER)
			continue;
		if (refused)
			*payout = 0;
		if (transfer.purpose == TRANSFER_CLAIM) {
			*object_id = le64_get(transfer.reference);
			*balance = le64s_get(transfer.claimer_balance);
		} else if (refused) {
			*object_id = le64_get(transfer.to_account);
		}
	}
}

uint16_t outcome_withdrawal(uint8_t state)
{
	return state == OBJECT_DONE       ? WIRE_CODE_OK
	       : state == OBJECT_REVERSED ? WIRE_CODE_WITHDRAWAL_CLOSED
	                                  : WIRE_CODE_PENDING;
}

void outcome_ticket(const uint8_t key[TICKET_KEY_SIZE], const struct event_buffer *event,
    uint8_t ticket[TICKET_SIZE])
{
	const struct event_record *record = worker_event_record(event);
	struct ticket_facts facts;
	struct event_view view;

	memset(ticket, 0, TICKET_SIZE);
	if (le16_get(record->type) != EVENT_PLACE_BET || le16_get(record->code) != WIRE_CODE_OK ||
	    record->leg_count > LIMIT_BET_LEGS_MAX)
		return;
	facts = (struct ticket_facts){
		.bet_id = le64_get(record->object_id),
		.stake = -le64s_get(record->amount),
		.payout = le64s_get(record->payout),
		.placed_at_ns = le64_get(record->time_ns),
	};
	if (le64_get(record->account_id) == 0) { /* paid in cash: its only line */
		if (event_view_read(event->bytes, le16_get(record->length), &view) != 0 ||
		    view.line_count == 0)
			return;
		facts.stake = -view.lines[0].amount;
	}
	facts.leg_count = record->leg_count;
	for (unsigned i = 0; i < record->leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, event->bytes + sizeof(*record) + i * sizeof(leg), sizeof(leg));
		facts.odds[i] = le32_get(leg.odds);
	}
	ticket_make(key, &facts, ticket);
}

struct ticket_facts outcome_ticket_facts(const struct bet_row *bet)
{
	struct ticket_facts facts = {
		.bet_id = bet->id,
		.stake = bet->stake,
		.placed_at_ns = bet->placed_at_ns,
		.leg_count = bet->leg_count,
	};

	for (unsigned i = 0; i < bet->leg_count; i++)
		facts.odds[i] = bet->legs[i].odds;
	facts.payout = ledger_payout(bet->stake, facts.odds, bet->leg_count);
	return facts;
}

/*
 * The CASH account of a terminal stands for what the drawer owes, so it changes by the negative. It
 * is the counter account of some types, and a line in others (event.h).
 */
int64_t outcome_cash(const struct event_buffer *event)
{
	const struct event_record *record = worker_event_record(event);
	struct event_view view;
	int64_t counter, line = 0;
	uint64_t cash;
	uint16_t type;

	type = le16_get(record->type);
	if ((type != EVENT_DEPOSIT && type != EVENT_WITHDRAW && type != EVENT_WITHDRAW_CLOSE &&
	        type != EVENT_REDEEM &&
	        ((type != EVENT_PLACE_BET && type != EVENT_CANCEL_BET) ||
	            le64_get(record->account_id) != 0)) ||
	    le16_get(record->code) != WIRE_CODE_OK ||
	    event_view_read(event->bytes, le16_get(record->length), &view) != 0)
		return 0;
	cash = ledger_system_account(
	    SYSTEM_CASH, le16_get(record->currency), le64_get(record->terminal_id));
	counter = le64s_get(record->amount);
	for (unsigned i = 0; i < view.line_count; i++) {
		counter += view.lines[i].amount;
		if (view.lines[i].account_id == cash)
			line -= view.lines[i].amount;
	}
	return type == EVENT_PLACE_BET || type == EVENT_CANCEL_BET ? line : counter;
}
