/* SPDX-License-Identifier: Apache-2.0 */
/* Double entry: which accounts an event changes besides its own, by how much (event.h, head). */
#include <errno.h>

#include "dataplane/ledger/ledger_internal.h"
#include "dataplane/ledger/ledger_round.h"

/* Fields of the object of a kind that an event carries; 0 when there is none. */
static const struct object_bytes *object_of(const struct event_view *view, enum object_kind kind)
{
	for (unsigned i = 0; i < view->object_count; i++)
		if (view->objects[i].kind == kind)
			return &view->objects[i];
	return NULL;
}

static uint64_t transit_account(const struct event_view *view, uint16_t currency)
{
	const struct object_bytes *object = object_of(view, OBJECT_TRANSFER);
	struct object_transfer out;
	struct object_transfer_in in;

	if (object != NULL) {
		memcpy(&out, object->body, sizeof(out));
		return ledger_system_account(SYSTEM_TRANSIT, currency, le16_get(out.peer));
	}
	object = object_of(view, OBJECT_TRANSFER_IN);
	if (object == NULL)
		return 0;
	memcpy(&in, object->body, sizeof(in));
	return ledger_system_account(SYSTEM_TRANSIT, currency, le64_get(in.source));
}

/* CASH of the terminal that asked for the withdrawal. */
static uint64_t withdrawal_cash(const struct event_view *view, uint16_t currency)
{
	const struct object_bytes *object = object_of(view, OBJECT_WITHDRAWAL);
	struct object_withdrawal withdrawal;

	if (object == NULL)
		return 0;
	memcpy(&withdrawal, object->body, sizeof(withdrawal));
	return ledger_system_account(
	    SYSTEM_CASH, currency, le64_get(withdrawal.origin.terminal_id));
}

static uint64_t round_account(const struct event_view *view, uint16_t currency)
{
	const struct object_bytes *object = object_of(view, OBJECT_ROUND_TX);
	uint32_t partner_id = object == NULL ? 0 : le32_get(object->partner_id);

	return partner_id == 0 ? ledger_system_account(SYSTEM_HOUSE, currency, 0)
	                       : ledger_system_account(SYSTEM_PARTNER, currency, partner_id);
}

/* The account that takes what is missing to zero; 0: none may be. */
static uint64_t counter_account(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type), currency = le16_get(view->record.currency);
	uint64_t terminal_id = le64_get(view->record.terminal_id);

	switch (type) {
	case EVENT_ACCOUNT_OPEN:
		return ledger_system_account(SYSTEM_FUNDING, currency, 0);
	case EVENT_WITHDRAW:
		if (le16_get(view->record.code) == WIRE_CODE_PENDING)
			return ledger_system_account(SYSTEM_SUSPENSE, currency, 0);
		return ledger_system_account(SYSTEM_CASH, currency, terminal_id);
	case EVENT_DEPOSIT:
	case EVENT_REDEEM:
		return ledger_system_account(SYSTEM_CASH, currency, terminal_id);
	case EVENT_WITHDRAW_CLOSE:
		return withdrawal_cash(view, currency);
	case EVENT_TRANSFER_OUT:
	case EVENT_TRANSFER_IN:
	case EVENT_TRANSFER_DONE:
		return transit_account(view, currency);
	case EVENT_ADJUST:
		return ledger_system_account(SYSTEM_ADJUSTMENT, currency, 0);
	case EVENT_PLACE_BET:
		return ledger_system_account(SYSTEM_STAKES, currency, 0);
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
	case EVENT_TICKET_EXPIRE:
		return ledger_system_account(SYSTEM_HOUSE, currency, 0);
	case EVENT_ROUND_DEBIT:
	case EVENT_ROUND_CREDIT:
	case EVENT_ROUND_ROLLBACK:
		return round_account(view, currency);
	case EVENT_SPRINKLE_CREATE:
	case EVENT_CLAIM:
	case EVENT_SPRINKLE_END:
		return ledger_system_account(SYSTEM_POTS, currency, 0);
	default:
		return 0;
	}
}

/* STAKES by the bet's change of state; PLACE_BET's is its counter account. */
static int64_t stakes_change(const struct event_view *view)
{
	struct event_bet_change change;

	switch (le16_get(view->record.type)) {
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
		break;
	default:
		return 0;
	}
	memcpy(&change, view->body, sizeof(change));
	return ((change.to == BET_OPEN) - (change.from == BET_OPEN)) * le64s_get(change.stake);
}

int ledger_lines(const struct event_view *view, struct ledger_line lines[LEDGER_LINES_MAX])
{
	uint16_t currency = le16_get(view->record.currency);
	uint64_t receivable = ledger_system_account(SYSTEM_RECEIVABLE, currency, 0), counter;
	int64_t sum = le64s_get(view->record.amount), stakes;
	int8_t owner = -1;
	int count = 0;

	if (!event_moves(le16_get(view->record.type), le16_get(view->record.code)))
		return 0;
	if (le16_get(view->record.type) == EVENT_PLACE_BET && view->line_count == 0 && sum < 0) {
		/* By far the most frequent, and always the same. */
		lines[0] = (struct ledger_line){
			.account_id = ledger_system_account(SYSTEM_STAKES, currency, 0),
			.amount = -sum,
		};
		return sum == INT64_MIN ? -EBADMSG : 1;
	}
	for (unsigned i = 0; i < view->line_count; i++) {
		const struct event_view_line *line = &view->lines[i];

		if (line->account_id <= LIMIT_ACCOUNT_ID_MAX)
			owner = (int8_t)count;
		if (__builtin_add_overflow(sum, line->amount, &sum))
			return -EBADMSG;
		lines[count++] = (struct ledger_line){
			.account_id = line->account_id,
			.amount = line->amount,
			.balance = line->balance,
			.prev_lsn = line->prev_lsn,
			.explicit = 1,
			.owner = line->account_id == receivable ? owner : -1,
		};
	}
	stakes = stakes_change(view);
	if (stakes != 0) {
		if (__builtin_add_overflow(sum, stakes, &sum))
			return -EBADMSG;
		lines[count++] = (struct ledger_line){
			.account_id = ledger_system_account(SYSTEM_STAKES, currency, 0),
			.amount = stakes,
		};
	}
	if (sum == 0)
		return count;
	counter = counter_account(view);
	if (counter == 0 || sum == INT64_MIN)
		return -EBADMSG;
	lines[count++] = (struct ledger_line){ .account_id = counter, .amount = -sum };
	return count;
}

int64_t ledger_event_stake(const struct event_view *view)
{
	uint64_t cash = ledger_system_account(
	    SYSTEM_CASH, le16_get(view->record.currency), le64_get(view->record.terminal_id));

	if (le64_get(view->record.account_id) != 0)
		return -le64s_get(view->record.amount);
	for (unsigned i = 0; i < view->line_count; i++)
		if (view->lines[i].account_id == cash)
			return -view->lines[i].amount;
	return 0;
}

int ledger_event_round_stake(const struct event_view *view, struct ledger_round_stake *stake)
{
	uint16_t type = le16_get(view->record.type);
	const struct object_bytes *object;
	struct object_round_tx tx;

	if ((type != EVENT_ROUND_DEBIT && type != EVENT_ROUND_CREDIT &&
	        type != EVENT_ROUND_ROLLBACK) ||
	    !event_moves(type, le16_get(view->record.code)))
		return 0;
	object = object_of(view, OBJECT_ROUND_TX);
	if (object == NULL)
		return 0;
	memcpy(&tx, object->body, sizeof(tx));
	*stake = (struct ledger_round_stake){
		.amount = le64s_get(tx.amount),
		.done_ns = le64_get(tx.done_ns),
		.terminal_id = le32_get(tx.terminal_id),
		.counted = tx.counted,
		.back = object->state == OBJECT_REVERSED,
	};
	return tx.op == ROUND_OP_DEBIT && tx.counted != 0;
}

int ledger_event_counts(const struct event_view *view)
{
	struct event_lease lease;

	if (!event_moves(le16_get(view->record.type), le16_get(view->record.code)))
		return 0;
	switch (le16_get(view->record.type)) {
	case EVENT_PLACE_BET:
	case EVENT_TRANSFER_OUT:
	case EVENT_SPRINKLE_CREATE:
		return 1;
	case EVENT_WITHDRAW:
		return le16_get(view->record.code) == WIRE_CODE_PENDING;
	case EVENT_LEASE:
		memcpy(&lease, view->body, sizeof(lease));
		return le64s_get(lease.amount) < 0;
	default:
		return 0;
	}
}
