/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Game rounds of providers: debit (a stake in the game), credit (a win), rollback, close.
 *
 * Provider, game, round and account name a round; the first debit opens it. Every debit and credit
 * has the provider's transaction id, unique per provider and account: sent again with the same data
 * under whatever request id it is answered REPEATED with the first amount, with other data
 * TRANSACTION_REPEATED. A rollback names its target; one whose target never came leaves a
 * tombstone, and a late target is then refused TRANSACTION_ROLLED_BACK. The rollback's own id is
 * not kept: it is told apart by its target, so it may be the target's (as some providers have it),
 * but not the id of another transaction.
 *
 * A rollback of a credit takes what is there; the rest is owed. Closed rounds take no debits and no
 * credits, but rollbacks as long as the transaction is kept: with its round until
 * partner_key_hold_s after the close, and so long by itself. A provider must not roll back later.
 *
 * A round of which no transaction was heard for ROUND_IDLE_HOLDS x partner_key_hold_s is closed by
 * time, as its provider will not do it any more; then it leaves memory as other closed rounds do.
 *
 * A debit is a stake: it meets the limits that bets meet, and counts in the account's and the
 * terminal's day until it is taken back on that day; in the terminal's, by the same terminal.
 *
 * The provider is the account's partner (0: the house's own games). Undoing and closing is allowed
 * to frozen accounts and blocked partners, as cancelling a bet is.
 */
#include "dataplane/ledger/ledger_decision.h"

#define NS_PER_S         1000000000ull
#define ROUND_IDLE_HOLDS 30

struct round_facts {
	struct object_key key;
	const struct object_row *row; /* NULL: not there */
	struct object_round round;
};

static uint64_t hold_until(const struct decision *decision)
{
	return decision->time_ns + decision->ledger->shard.rules.partner_key_hold_s * NS_PER_S;
}

static void round_find(const struct decision *decision, struct round_facts *facts)
{
	const struct wire_request *request = decision->request;

	*facts = (struct round_facts){
		.key = { .kind = OBJECT_ROUND,
		    .words = { request->round.partner_id, request->round.game, request->round.round,
		        decision->account_id } },
	};
	facts->row = ledger_object_by_key(decision->ledger, &facts->key);
	if (facts->row != NULL)
		memcpy(&facts->round, facts->row->body, sizeof(facts->round));
}

static struct object_key transaction_key(
    const struct decision *decision, const uint64_t transaction[2])
{
	return (struct object_key){ .kind = OBJECT_ROUND_TX,
		.words = { transaction[0], transaction[1], decision->account_id,
		    decision->request->round.partner_id } };
}

/* NULL: there is none. */
static const struct object_row *transaction_find(
    const struct decision *decision, const uint64_t transaction[2], struct object_round_tx *tx)
{
	struct object_key key = transaction_key(decision, transaction);
	const struct object_row *row = ledger_object_by_key(decision->ledger, &key);

	if (row != NULL)
		memcpy(tx, row->body, sizeof(*tx));
	return row;
}

/* ---- Objects ---- */

/* The round as it shall be; its copy in the decision. */
static struct object_row *round_keep(struct decision *decision, struct round_facts *facts)
{
	struct object_row *object;

	if (facts->row != NULL) {
		object = decision_object(decision, facts->row);
	} else {
		object = decision_object_key(decision, &facts->key);
		object->state = OBJECT_OPEN;
		object->partner_id = (uint32_t)facts->key.words[0];
		facts->round = (struct object_round){
			.game = le32_make((uint32_t)facts->key.words[1]),
			.round = le64_make(facts->key.words[2]),
			.account_id = le64_make(facts->key.words[3]),
			.opened_ns = le64_make(decision->time_ns),
		};
	}
	if (object->state == OBJECT_OPEN)
		object->due_ns =
		    decision->time_ns +
		    ROUND_IDLE_HOLDS * decision->ledger->shard.rules.partner_key_hold_s * NS_PER_S;
	decision->object_id = object->id;
	return object;
}

static void round_write(const struct round_facts *facts, struct object_row *object)
{
	memcpy(object->body, &facts->round, sizeof(facts->round));
}

static struct object_row *transaction_keep(
    struct decision *decision, const uint64_t transaction[2], struct object_round_tx *tx)
{
	struct object_key key = transaction_key(decision, transaction);
	struct object_row *object = decision_object_key(decision, &key);

	object->state = OBJECT_DONE;
	object->partner_id = decision->request->round.partner_id;
	object->due_ns = hold_until(decision);
	tx->transaction[0] = le64_make(transaction[0]);
	tx->transaction[1] = le64_make(transaction[1]);
	tx->account_id = le64_make(decision->account_id);
	tx->lsn = le64_make(decision->ledger->shard.lsn + 1);
	tx->done_ns = le64_make(decision->time_ns);
	memcpy(object->body, tx, sizeof(*tx));
	return object;
}

/* ---- ROUND_DEBIT, ROUND_CREDIT ---- */

/* It came before. */
static uint16_t transaction_again(struct decision *decision, const struct object_row *row,
    const struct object_round_tx *tx, const struct round_facts *facts, uint8_t op)
{
	int64_t amount = decision->request->round.amount;

	if (tx->op == ROUND_OP_TOMBSTONE)
		return WIRE_CODE_TRANSACTION_ROLLED_BACK;
	if (tx->op != op || le64s_get(tx->amount) != amount || facts->row == NULL ||
	    le64_get(tx->round_id) != facts->row->id)
		return WIRE_CODE_TRANSACTION_REPEATED;
	if (row->state == OBJECT_REVERSED)
		return WIRE_CODE_TRANSACTION_ROLLED_BACK;
	decision->object_id = facts->row->id;
	decision->payout = amount;
	return WIRE_CODE_REPEATED;
}

static uint16_t money_judge(struct decision *decision, struct round_facts *facts, uint8_t op)
{
	const struct shard_row *shard = &decision->ledger->shard;
	int64_t amount = decision->request->round.amount;
	struct risk_amounts amounts;
	uint16_t code;

	if (amount <= 0 || amount > LIMIT_BALANCE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	if (facts->row == NULL && op == ROUND_OP_CREDIT)
		return WIRE_CODE_ROUND_UNKNOWN;
	if (facts->row != NULL && facts->row->state != OBJECT_OPEN)
		return WIRE_CODE_ROUND_CLOSED;
	if (op == ROUND_OP_CREDIT)
		return decision_credit(decision, amount);
	(void)risk_amounts_of(&shard->rules, &shard->extra, decision->currency, &amounts);
	code = stake_limits_judge(decision, &amounts, amount);
	if (code == WIRE_CODE_OK)
		code = play_judge_stake(decision, amount);
	code = ledger_risk_judge_limited(decision, &(struct risk_case){ .amount = amount }, code);
	return code == WIRE_CODE_OK ? decision_debit(decision, amount) : code;
}

/* The days it counts in are said by the event, so that what takes it back knows them, and the
 * debits of older logs, which say none, count in none. */
static void debit_count(const struct decision *decision, struct object_round_tx *tx)
{
	tx->counted = ROUND_COUNTED_ACCOUNT;
	if (decision->currency == decision->ledger->shard.rules.currency)
		tx->counted |= ROUND_COUNTED_TERMINAL;
	tx->terminal_id = le32_make((uint32_t)decision->terminal_id);
}

static uint16_t transaction_judge(struct decision *decision, struct round_facts *facts, uint8_t op)
{
	const uint64_t *transaction = decision->request->round.transaction;
	int64_t amount = decision->request->round.amount;
	struct object_round_tx tx;
	const struct object_row *row = transaction_find(decision, transaction, &tx);
	struct object_row *object, *tx_object;
	uint16_t code;

	if (row != NULL)
		return transaction_again(decision, row, &tx, facts, op);
	code = decision_account_usable(decision);
	if (code == WIRE_CODE_OK)
		code = money_judge(decision, facts, op);
	if (code != WIRE_CODE_OK)
		return code;
	object = round_keep(decision, facts);
	tx = (struct object_round_tx){
		.round_id = le64_make(object->id),
		.previous_tx = facts->round.last_tx,
		.amount = le64s_make(amount),
		.op = op,
	};
	if (op == ROUND_OP_DEBIT)
		debit_count(decision, &tx);
	tx_object = transaction_keep(decision, transaction, &tx);
	facts->round.last_tx = le64_make(tx_object->id);
	if (op == ROUND_OP_DEBIT) {
		facts->round.debited = le64s_make(le64s_get(facts->round.debited) + amount);
		play_count(decision, 0, amount, amount);
	} else {
		facts->round.credited = le64s_make(le64s_get(facts->round.credited) + amount);
		play_count(decision, 0, 0, -amount);
	}
	round_write(facts, object);
	return WIRE_CODE_OK;
}

/* ---- ROUND_ROLLBACK ---- */

/* When the transaction was carried out: each undoes what counted in that day and week. One of an
 * older log does not tell: then its hold is taken to be the rule's of now. */
static uint64_t transaction_ns(const struct decision *decision, const struct object_row *target,
    const struct object_round_tx *tx)
{
	if (le64_get(tx->done_ns) != 0)
		return le64_get(tx->done_ns);
	return target->due_ns - decision->ledger->shard.rules.partner_key_hold_s * NS_PER_S;
}

static uint16_t target_undo(struct decision *decision, const struct object_row *target,
    const struct object_round_tx *tx, struct round_facts *facts)
{
	int64_t amount = le64s_get(tx->amount);
	struct object_row *object;
	uint16_t code;

	if (tx->op == ROUND_OP_DEBIT) {
		code = decision_credit(decision, amount);
		if (code != WIRE_CODE_OK)
			return code;
		play_count_later(
		    decision, transaction_ns(decision, target, tx), 0, -amount, -amount);
	} else {
		decision_debit_owing(decision, amount);
		play_count_later(decision, transaction_ns(decision, target, tx), 0, 0, amount);
	}
	decision->payout = amount;
	object = decision_object(decision, target);
	object->state = OBJECT_REVERSED;
	/* Retired before: the transaction outlived it. */
	if (facts->row == NULL)
		return WIRE_CODE_OK;
	if (tx->op == ROUND_OP_DEBIT)
		facts->round.debited = le64s_make(le64s_get(facts->round.debited) - amount);
	else
		facts->round.credited = le64s_make(le64s_get(facts->round.credited) - amount);
	round_write(facts, round_keep(decision, facts));
	return WIRE_CODE_OK;
}

/* The target belongs to another round than the one that is named. Where neither is there any more
 * the transaction has outlived its round. */
static int round_is_other(
    const struct decision *decision, const struct round_facts *facts, uint64_t round_id)
{
	const struct object_row *own;

	if (facts->row != NULL)
		return round_id != facts->row->id;
	own = ledger_object(decision->ledger, round_id);
	return own != NULL && own->kind == OBJECT_ROUND;
}

static uint16_t rollback_judge(struct decision *decision, struct round_facts *facts)
{
	const struct wire_request *request = decision->request;
	const uint64_t *own = request->round.transaction, *named = request->round.target;
	struct object_round_tx tx, other;
	const struct object_row *target = transaction_find(decision, named, &tx);

	decision->amount = 0;
	if ((own[0] != named[0] || own[1] != named[1]) &&
	    transaction_find(decision, own, &other) != NULL)
		return WIRE_CODE_TRANSACTION_REPEATED;
	if (target == NULL) {
		tx = (struct object_round_tx){ .op = ROUND_OP_TOMBSTONE };
		decision->object_id = transaction_keep(decision, named, &tx)->id;
		return WIRE_CODE_OK;
	}
	if (tx.op != ROUND_OP_TOMBSTONE && round_is_other(decision, facts, le64_get(tx.round_id)))
		return WIRE_CODE_ROUND_UNKNOWN;
	if (tx.op == ROUND_OP_TOMBSTONE || target->state == OBJECT_REVERSED) {
		decision->object_id =
		    tx.op == ROUND_OP_TOMBSTONE ? target->id : le64_get(tx.round_id);
		decision->payout = le64s_get(tx.amount);
		return WIRE_CODE_REPEATED;
	}
	decision->object_id = le64_get(tx.round_id);
	return target_undo(decision, target, &tx, facts);
}

/* ---- ROUND_CLOSE ---- */

static void round_close(
    struct decision *decision, struct round_facts *facts, struct object_row *object)
{
	object->state = OBJECT_DONE;
	object->due_ns = hold_until(decision);
	facts->round.closed_ns = le64_make(decision->time_ns);
	round_write(facts, object);
}

static uint16_t close_judge(struct decision *decision, struct round_facts *facts)
{
	decision->amount = 0;
	if (facts->row == NULL)
		return WIRE_CODE_ROUND_UNKNOWN;
	decision->object_id = facts->row->id;
	if (facts->row->state != OBJECT_OPEN)
		return WIRE_CODE_REPEATED;
	round_close(decision, facts, round_keep(decision, facts));
	return WIRE_CODE_OK;
}

/* The provider has forgotten it. */
int round_due(struct decision *decision, const struct object_row *row)
{
	struct round_facts facts = { .row = row };

	memcpy(&facts.round, row->body, sizeof(facts.round));
	decision->type = EVENT_ROUND_CLOSE;
	decision->flags |= EVENT_FLAG_TIMER;
	decision_account(decision, le64_get(facts.round.account_id));
	SLUICE_REQUIRE(decision->account != NULL);
	decision->currency = row->currency;
	decision->object_id = row->id;
	round_close(decision, &facts, decision_object(decision, row));
	return 1;
}

uint16_t round_judge(struct decision *decision)
{
	const struct account_row *account = decision->account;
	struct round_facts facts;

	if (account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (account->partner_id != decision->request->round.partner_id)
		return WIRE_CODE_PARTNER_UNKNOWN;
	if (account->currency != decision->currency)
		return WIRE_CODE_CURRENCY_MISMATCH;
	round_find(decision, &facts);
	switch (decision->type) {
	case EVENT_ROUND_DEBIT:
		return transaction_judge(decision, &facts, ROUND_OP_DEBIT);
	case EVENT_ROUND_CREDIT:
		return transaction_judge(decision, &facts, ROUND_OP_CREDIT);
	case EVENT_ROUND_ROLLBACK:
		return rollback_judge(decision, &facts);
	default:
		return close_judge(decision, &facts);
	}
}
