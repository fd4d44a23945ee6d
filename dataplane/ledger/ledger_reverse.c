/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REVERSE and FENCE: definite outcomes for a terminal that does not know what became of a request.
 *
 * A reversal is the opposite event of its target, under the REVERSE's own request id, with
 * EVENT_FLAG_REVERSAL and an object REVERSAL that names the target:
 *
 *   target              opposite          refused when
 *   PLACE_BET           CANCEL_BET        the bet is not open, or a leg's market has closed or
 * begun DEPOSIT             WITHDRAW          the money is gone (FUNDS_INSUFFICIENT), account
 * frozen WITHDRAW            DEPOSIT           BALANCE_LIMIT WITHDRAW, PENDING   WITHDRAW_CLOSE it
 * was approved, rejected or timed out (WITHDRAWAL_CLOSED) TRANSFER            TRANSFER back     the
 * receiver has spent it, or is frozen ROUND_DEBIT/CREDIT  ROUND_CREDIT/DEBIT  see ledger_round.h
 *
 * Everything else is NOT_REVERSIBLE: what went to another shard, was claimed, or is no money.
 * Nothing to reverse (the target was refused) is REQUEST_UNKNOWN. No target at all: it is fenced.
 *
 * The cancel window does not hold for reversals: it keeps a customer who has a ticket from changing
 * their mind, and a terminal reverses a bet of which it has no answer, so nobody has one. As long
 * as no leg has begun, nothing can be gained by it.
 *
 * A target can be reversed for less than 24 hours. REVERSAL objects stay 24 hours and more after
 * the reversal (partner_key_hold_s is never less), so there is no time when a target could be
 * reversed twice.
 */
#include "dataplane/ledger/ledger_wallet.h"

#define SECOND_NS      1000000000ull
#define REVERSE_MAX_NS (86400 * SECOND_NS)
#define ROUND_LOOK_MAX 64

/* ---- PLACE_BET ---- */

static int leg_running(const struct decision *decision, uint64_t market_id)
{
	const struct market_row_state *market = ledger_market(decision->ledger, market_id);

	return market == NULL || decision->time_ns >= market->start_time_ns ||
	       (market->state != MARKET_BEFORE && market->state != MARKET_OPEN &&
	           market->state != MARKET_SUSPENDED);
}

static uint16_t bet_reverse(struct decision *decision, const struct event_record *target)
{
	uint32_t row = bet_find(decision->ledger, le64_get(target->object_id));
	const struct bet_slot *bet;

	if (row == ROW_NONE)
		return WIRE_CODE_NOT_REVERSIBLE;
	bet = &decision->ledger->bets[row];
	if (bet->state != BET_OPEN || bet->terminal_id != decision->terminal_id)
		return WIRE_CODE_NOT_REVERSIBLE;
	for (unsigned i = 0; i < bet->leg_count; i++)
		if (leg_running(decision, bet_leg_at(decision->ledger, bet, i)->market_id))
			return WIRE_CODE_NOT_REVERSIBLE;
	decision->type = EVENT_CANCEL_BET;
	decision->object_id = bet->id;
	decision->currency = bet->currency;
	stake_count(decision);
	decision->body_size = sizeof(decision->body.change);
	decision->body.change = (struct event_bet_change){
		.stake = le64s_make(bet->stake),
		.placed_at_ns = le64_make(bet->placed_at_ns),
		.from = BET_OPEN,
		.to = BET_CANCELLED,
	};
	if (bet->account_id == 0) {
		decision->payout = bet->stake;
		decision_line(decision,
		    ledger_system_account(SYSTEM_CASH, bet->currency, decision->terminal_id),
		    bet->stake);
		return WIRE_CODE_OK;
	}
	if (decision->account == NULL)
		return WIRE_CODE_NOT_REVERSIBLE;
	play_count_later(decision, bet->placed_at_ns, 0, -bet->stake, -bet->stake);
	return decision_credit(decision, bet->stake);
}

/* ---- Money ---- */

static uint16_t deposit_reverse(
    struct decision *decision, const struct event_record *target, int64_t amount)
{
	if (decision->account->flags & ACCOUNT_FROZEN)
		return WIRE_CODE_ACCOUNT_FROZEN;
	decision->type = EVENT_WITHDRAW;
	decision->object_id = decision->account_id;
	play_count_later(decision, le64_get(target->time_ns), -amount, 0, 0);
	return decision_debit(decision, amount);
}

static uint16_t withdraw_reverse(
    struct decision *decision, const struct event_record *target, int64_t amount)
{
	const struct object_row *withdrawal;

	if (le16_get(target->code) == WIRE_CODE_OK) {
		decision->type = EVENT_DEPOSIT;
		decision->object_id = decision->account_id;
		return decision_credit(decision, amount);
	}
	withdrawal = ledger_object(decision->ledger, le64_get(target->object_id));
	if (withdrawal == NULL || withdrawal->kind != OBJECT_WITHDRAWAL ||
	    withdrawal->state != OBJECT_OPEN)
		return WIRE_CODE_WITHDRAWAL_CLOSED;
	return withdrawal_give_back(decision, withdrawal);
}

/*
 * The sender stays the event's account, so the answer names no balance of the receiver's (object_id
 * of the target), who gets a line.
 */
static uint16_t transfer_take_back(
    struct decision *decision, const struct event_record *target, int64_t amount)
{
	const struct account_row *receiver =
	    ledger_account(decision->ledger, le64_get(target->object_id));
	uint16_t code;

	if (receiver == NULL || receiver == decision->account || receiver->flags & ACCOUNT_SYSTEM)
		return WIRE_CODE_NOT_REVERSIBLE;
	if (receiver->flags & ACCOUNT_FROZEN)
		return WIRE_CODE_ACCOUNT_FROZEN;
	if (receiver->balance < amount)
		return WIRE_CODE_FUNDS_INSUFFICIENT;
	decision->type = EVENT_TRANSFER;
	decision->object_id = receiver->id;
	/* What the sender owes is a line right behind the sender. */
	code = decision_credit(decision, amount);
	if (code == WIRE_CODE_OK)
		decision->lines[decision->line_count++] =
		    (struct decision_line){ receiver->id, -amount, receiver };
	return code;
}

/*
 * The transaction that the target carried out: among the round's newest, found by the event's
 * position. Older ones are left to ROUND_ROLLBACK, which names them.
 */
static const struct object_row *round_transaction(const struct decision *decision,
    const struct object_row *round_row, const struct event_record *target,
    struct object_round_tx *tx)
{
	const struct object_row *row;
	struct object_round round;
	uint64_t id;

	memcpy(&round, round_row->body, sizeof(round));
	id = le64_get(round.last_tx);
	for (unsigned i = 0; i < ROUND_LOOK_MAX && id != 0; i++) {
		row = ledger_object(decision->ledger, id);
		if (row == NULL || row->kind != OBJECT_ROUND_TX)
			return NULL;
		memcpy(tx, row->body, sizeof(*tx));
		if (le64_get(tx->lsn) == le64_get(target->lsn))
			return row;
		id = le64_get(tx->previous_tx);
	}
	return NULL;
}

static uint16_t round_reverse(struct decision *decision, const struct event_record *target)
{
	const struct object_row *row, *tx_row = NULL;
	struct object_round_tx tx;
	struct object_round round;
	int64_t amount;
	uint16_t code;

	row = ledger_object(decision->ledger, le64_get(target->object_id));
	if (row != NULL && row->kind == OBJECT_ROUND)
		tx_row = round_transaction(decision, row, target, &tx);
	if (tx_row == NULL)
		return WIRE_CODE_NOT_REVERSIBLE;
	if (tx_row->state != OBJECT_DONE)
		return WIRE_CODE_REVERSED_BEFORE;
	memcpy(&round, row->body, sizeof(round));
	amount = le64s_get(tx.amount);
	decision->object_id = row->id;
	if (tx.op == ROUND_OP_DEBIT) {
		decision->type = EVENT_ROUND_CREDIT;
		round.debited = le64s_make(le64s_get(round.debited) - amount);
		play_count_later(decision, le64_get(target->time_ns), 0, -amount, -amount);
		code = decision_credit(decision, amount);
	} else if (decision->account->flags & ACCOUNT_FROZEN) {
		return WIRE_CODE_ACCOUNT_FROZEN;
	} else {
		decision->type = EVENT_ROUND_DEBIT;
		round.credited = le64s_make(le64s_get(round.credited) - amount);
		play_count_later(decision, le64_get(target->time_ns), 0, 0, amount);
		code = decision_debit(decision, amount);
	}
	decision_object(decision, tx_row)->state = OBJECT_REVERSED;
	memcpy(decision_object(decision, row)->body, &round, sizeof(round));
	return code;
}

static uint16_t target_reverse(struct decision *decision, const struct event_record *target)
{
	uint16_t type = le16_get(target->type), code = le16_get(target->code);
	int64_t amount = le64s_get(target->payout);

	if (!event_moves(type, code) || (type == EVENT_TRANSFER_DONE && code != WIRE_CODE_OK))
		return code == WIRE_CODE_REPEATED ? WIRE_CODE_NOT_REVERSIBLE
		                                  : WIRE_CODE_REQUEST_UNKNOWN;
	if (target->flags & EVENT_FLAG_REVERSAL ||
	    decision->time_ns - le64_get(target->time_ns) >= REVERSE_MAX_NS)
		return WIRE_CODE_NOT_REVERSIBLE;
	decision->currency = le16_get(target->currency);
	if (type == EVENT_PLACE_BET)
		return bet_reverse(decision, target);
	if (decision->account == NULL || amount <= 0)
		return WIRE_CODE_NOT_REVERSIBLE;
	switch (type) {
	case EVENT_DEPOSIT:
		return deposit_reverse(decision, target, amount);
	case EVENT_WITHDRAW:
		return withdraw_reverse(decision, target, amount);
	case EVENT_TRANSFER:
		return transfer_take_back(decision, target, amount);
	case EVENT_ROUND_DEBIT:
	case EVENT_ROUND_CREDIT:
		return round_reverse(decision, target);
	default:
		return WIRE_CODE_NOT_REVERSIBLE;
	}
}

/* ---- REVERSE ---- */

static void reversal_keep(
    struct decision *decision, const struct object_key *key, const struct event_record *target)
{
	const struct object_reversal reversal = {
		.terminal_id = le64_make(key->words[0]),
		.target_request_id = le64_make(key->words[1]),
		.lsn = target->lsn,
		.bucket_plus_one = le32_make(event_bucket(target) + 1),
	};
	struct object_row *object = decision_object_key(decision, key);

	object->state = OBJECT_DONE;
	object->currency = decision->currency;
	object->due_ns =
	    decision->time_ns + decision->ledger->shard.rules.partner_key_hold_s * SECOND_NS;
	memcpy(object->body, &reversal, sizeof(reversal));
}

static uint16_t reverse_known(struct decision *decision, const struct event_record *target)
{
	struct object_key key = { .kind = OBJECT_REVERSAL,
		.words = { decision->terminal_id, decision->object_id } };
	uint16_t code;

	/* Another terminal's request learns nothing and changes nothing. */
	if (le64_get(target->terminal_id) != decision->terminal_id ||
	    le64_get(target->request_id) != decision->object_id)
		return WIRE_CODE_NOT_REVERSIBLE;
	decision_account(decision, le64_get(target->account_id));
	if (ledger_object_by_key(decision->ledger, &key) != NULL)
		return WIRE_CODE_REVERSED_BEFORE;
	code = target_reverse(decision, target);
	if (code != WIRE_CODE_OK)
		return code;
	decision->flags |= EVENT_FLAG_REVERSAL;
	reversal_keep(decision, &key, target);
	return WIRE_CODE_OK;
}

/* The target was never seen, and its id is used up now. At the terminal's home. */
static uint16_t fence(struct decision *decision, uint64_t target_request_id)
{
	decision->type = EVENT_FENCE;
	decision->object_id = target_request_id;
	return WIRE_CODE_FENCED_NOW;
}

uint16_t reverse_judge(struct decision *decision)
{
	uint64_t target_request_id = decision->request->reverse.target_request_id;
	const struct event_record *target = decision->asked->reverse_target;
	uint16_t code;

	decision->type = EVENT_REVERSE;
	decision->object_id = target_request_id;
	decision->cashier_id = decision->request->reverse.reason;
	if (target == NULL) {
		decision->flags |= EVENT_FLAG_REVERSAL;
		return fence(decision, target_request_id);
	}
	code = reverse_known(decision, target);
	if (code != WIRE_CODE_OK) {
		/* What was begun of the opposite event is dropped. */
		decision->type = EVENT_REVERSE;
		decision->object_id = target_request_id;
		decision->amount = decision->payout = 0;
		decision->body_size = decision->line_count = decision->object_count = 0;
	}
	return code;
}

/* Home has looked: a target in the window or in history comes as reverse_target. */
uint16_t fence_judge(struct decision *decision)
{
	uint64_t target_request_id = decision->request->fence.target_request_id;

	decision->type = EVENT_FENCE;
	decision->object_id = target_request_id;
	if (decision->asked->reverse_target != NULL)
		return WIRE_CODE_REQUEST_DONE;
	return fence(decision, target_request_id);
}
