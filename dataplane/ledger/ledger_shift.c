/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shifts at the counter: SHIFT_OPEN and SHIFT_CLOSE, decided at the terminal's home.
 *
 * Cash accounts are per terminal on every shard; home is told their sum over all shards with the
 * request. Expected at the close = cash in the drawer at the open + what came in meanwhile. Both
 * sums are of one currency, that of the open. The answer's payout, and the event's, is counted -
 * expected: negative when cash is missing. Nothing is posted for it: who answers for the difference
 * is decided by people, with an adjustment.
 */
#include "dataplane/ledger/ledger_decision.h"

/* Sums of cash are far from the ends of 64 bits; a wrong one must not pass for a right one. */
static int64_t sum_of(int64_t left, int64_t right)
{
	int64_t sum;

	if (__builtin_add_overflow(left, right, &sum))
		return right < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static int64_t difference_of(int64_t left, int64_t right)
{
	int64_t difference;

	if (__builtin_sub_overflow(left, right, &difference))
		return right > 0 ? INT64_MIN : INT64_MAX;
	return difference;
}

static uint16_t shift_open(struct decision *decision, struct event_shift *shift)
{
	const struct terminal_row *terminal = decision->terminal;

	if (terminal != NULL && terminal->shift_open)
		return WIRE_CODE_SHIFT_OPEN_ALREADY;
	shift->op = SHIFT_OPEN;
	shift->number = le32_make(terminal == NULL ? 1 : terminal->shift_number + 1);
	return WIRE_CODE_OK;
}

/* A shift opened before this was kept has none: held to be the rules'. */
static uint16_t shift_currency(const struct decision *decision)
{
	return decision->terminal->shift_currency != 0 ? decision->terminal->shift_currency
	                                               : decision->ledger->shard.rules.currency;
}

static uint16_t shift_close(struct decision *decision, struct event_shift *shift)
{
	const struct terminal_row *terminal = decision->terminal;
	int64_t expected, moved;

	if (terminal == NULL || !terminal->shift_open)
		return WIRE_CODE_SHIFT_NOT_OPEN;
	if (terminal->cashier_id != decision->cashier_id)
		return WIRE_CODE_CASHIER_OTHER;
	/* The sum told is of the request's currency; of another it says nothing of the drawer. */
	if (decision->currency != shift_currency(decision))
		return WIRE_CODE_CURRENCY_MISMATCH;
	moved = difference_of(decision->asked->terminal_cash_total, terminal->shift_cash_total);
	expected = sum_of(terminal->shift_cash, moved);
	shift->op = SHIFT_CLOSE;
	shift->number = le32_make(terminal->shift_number);
	shift->expected = le64s_make(expected);
	decision->payout = difference_of(le64s_get(shift->cash), expected);
	/* Beyond what an answer can name; the event has both numbers. */
	if (decision->payout > LIMIT_PAYOUT_MAX)
		decision->payout = LIMIT_PAYOUT_MAX;
	if (decision->payout < -LIMIT_PAYOUT_MAX)
		decision->payout = -LIMIT_PAYOUT_MAX;
	return WIRE_CODE_OK;
}

uint16_t shift_judge(struct decision *decision)
{
	const struct wire_request *wire = decision->request;
	int is_open = wire->template_id == WIRE_SHIFT_OPEN;
	struct event_shift *shift = &decision->body.shift;
	uint16_t code;

	decision->cashier_id = wire->shift.cashier_id;
	decision->body_size = sizeof(*shift);
	*shift = (struct event_shift){
		.op = is_open ? SHIFT_OPEN : SHIFT_CLOSE,
		.cash = le64s_make(wire->shift.cash),
		.cash_total = le64s_make(decision->asked->terminal_cash_total),
	};
	if (wire->shift.cash < 0 || wire->shift.cash > LIMIT_BALANCE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	code = is_open ? shift_open(decision, shift) : shift_close(decision, shift);
	if (code == WIRE_CODE_OK)
		decision->object_id = le32_get(shift->number);
	return code;
}
