/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts and money over the counter: OPEN_ACCOUNT, DEPOSIT, WITHDRAW, pending withdrawals and the
 * operator's adjustments.
 *
 * A withdrawal of at least rules.withdraw_pending_min (in the rules' currency) leaves the account
 * at once but waits in SUSPENSE: approved, it is paid from the CASH of the terminal that asked;
 * rejected or timed out, it goes back. Nobody can spend it twice meanwhile.
 */
#include "dataplane/ledger/ledger_wallet.h"

#include "dataplane/ledger/ledger_risk.h"

#include <errno.h>

#define SECOND_NS 1000000000ull
/* A closed withdrawal stays in memory for so long: a command or REVERSE that comes late finds it.
 */
#define WITHDRAWAL_KEPT_NS (86400 * SECOND_NS)
/* How long an adjustment's number is remembered against being carried out twice. */
#define ADJUST_KEPT_NS (30 * 86400 * SECOND_NS)

static int amount_invalid(int64_t amount)
{
	return amount <= 0 || amount > LIMIT_BALANCE_MAX;
}

/* ---- OPEN_ACCOUNT ---- */

/*
 * The account id is the partner's own choice, so asking for the same account again, under another
 * request id, is a repetition: REPEATED when all data are the same, ACCOUNT_EXISTS when not.
 */
uint16_t open_account_judge(struct decision *decision)
{
	const struct wire_request *wire = decision->request;
	uint64_t account_id = wire->open_account.account_id;
	uint32_t partner_id = wire->open_account.partner_id;
	struct object_partner partner;
	const struct object_row *row;

	if (account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (decision->account != NULL)
		return decision->account->currency == decision->currency &&
		               decision->account->partner_id == partner_id
		           ? WIRE_CODE_REPEATED
		           : WIRE_CODE_ACCOUNT_EXISTS;
	if (partner_id == 0)
		return WIRE_CODE_OK;
	row = ledger_partner(decision->ledger, partner_id);
	if (row == NULL)
		return WIRE_CODE_PARTNER_UNKNOWN;
	memcpy(&partner, row->body, sizeof(partner));
	return partner.blocked ? WIRE_CODE_PARTNER_BLOCKED : WIRE_CODE_OK;
}

/* ---- DEPOSIT ---- */

/* What a deposit and a withdrawal are asked first. */
static uint16_t movement_judge(struct decision *decision)
{
	const struct wire_request *wire = decision->request;
	uint16_t code;
	int repeat;

	code = partner_key_judge(decision, wire->deposit.partner_key, &repeat);
	if (code != WIRE_CODE_OK)
		return code;
	code = decision_account_usable(decision);
	if (code != WIRE_CODE_OK)
		return code;
	return amount_invalid(wire->deposit.amount) ? WIRE_CODE_AMOUNT_INVALID : WIRE_CODE_OK;
}

uint16_t deposit_judge(struct decision *decision)
{
	const struct wire_request *wire = decision->request;
	int64_t amount = wire->deposit.amount;
	uint16_t code = movement_judge(decision);

	if (code != WIRE_CODE_OK)
		return code;
	code = play_judge_deposit(decision, amount);
	code = ledger_risk_judge_limited(decision, &(struct risk_case){ .amount = amount }, code);
	if (code != WIRE_CODE_OK)
		return code;
	code = decision_credit(decision, amount);
	if (code != WIRE_CODE_OK) {
		decision->payout = 0;
		return code;
	}
	play_count(decision, amount, 0, 0);
	partner_key_keep(decision, wire->deposit.partner_key, WIRE_CODE_OK);
	return WIRE_CODE_OK;
}

/* ---- WITHDRAW ---- */

static int withdrawal_waits(const struct decision *decision, int64_t amount)
{
	const struct shard_row *shard = &decision->ledger->shard;
	struct risk_amounts amounts;

	(void)risk_amounts_of(&shard->rules, &shard->extra, decision->currency, &amounts);
	return amounts.withdraw_pending_min > 0 && amount >= amounts.withdraw_pending_min;
}

static void withdrawal_make(struct decision *decision, int64_t amount)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	const struct object_withdrawal withdrawal = {
		.origin = {
			.terminal_id = le64_make(decision->terminal_id),
			.request_id = le64_make(decision->request_id),
			.body_hash = { le64_make(decision->body_hash[0]),
			    le64_make(decision->body_hash[1]) },
		},
		.account_id = le64_make(decision->account_id),
		.amount = le64s_make(amount),
		.created_ns = le64_make(decision->time_ns),
	};
	struct object_row *object = decision_object_new(
	    decision, OBJECT_WITHDRAWAL, decision_new_id(decision, decision->account_id));

	object->state = OBJECT_OPEN;
	object->currency = decision->currency;
	object->partner_id = decision->account->partner_id;
	object->due_ns = decision->time_ns + rules->withdraw_timeout_s * SECOND_NS;
	memcpy(object->body, &withdrawal, sizeof(withdrawal));
}

uint16_t withdraw_judge(struct decision *decision)
{
	const struct wire_request *wire = decision->request;
	int64_t amount = wire->deposit.amount;
	uint16_t code = movement_judge(decision);

	if (code != WIRE_CODE_OK)
		return code;
	code = ledger_risk_judge(decision, &(struct risk_case){ .amount = amount });
	if (code != WIRE_CODE_OK)
		return code;
	/* Self-exclusion and limits do not keep a customer from taking the money out. */
	code = decision_debit(decision, amount);
	if (code != WIRE_CODE_OK) {
		decision->payout = 0; /* nothing is paid */
		return code;
	}
	if (withdrawal_waits(decision, amount)) {
		withdrawal_make(decision, amount);
		code = WIRE_CODE_PENDING;
	}
	partner_key_keep(decision, wire->deposit.partner_key, code);
	return code;
}

/* ---- Pending withdrawals ---- */

static void withdrawal_close(struct decision *decision, const struct object_row *row,
    const struct object_withdrawal *withdrawal, uint8_t state)
{
	uint64_t hold_ns = decision->ledger->shard.rules.partner_key_hold_s * SECOND_NS;
	struct object_withdrawal closed = *withdrawal;
	struct object_row *object;

	decision_line(decision, ledger_system_account(SYSTEM_SUSPENSE, row->currency, 0),
	    -le64s_get(withdrawal->amount));
	closed.closed_ns = le64_make(decision->time_ns);
	object = decision_object(decision, row);
	object->state = state;
	/* At least as long as a partner key may name it: a repeat asks what became of it. */
	object->due_ns =
	    decision->time_ns + (hold_ns > WITHDRAWAL_KEPT_NS ? hold_ns : WITHDRAWAL_KEPT_NS);
	memcpy(object->body, &closed, sizeof(closed));
}

static void withdrawal_begin(
    struct decision *decision, const struct object_row *row, struct object_withdrawal *withdrawal)
{
	memcpy(withdrawal, row->body, sizeof(*withdrawal));
	decision->type = EVENT_WITHDRAW_CLOSE;
	decision->currency = row->currency;
	decision->object_id = row->id;
	decision_account(decision, le64_get(withdrawal->account_id));
	SLUICE_REQUIRE(decision->account != NULL);
}

uint16_t withdrawal_give_back(struct decision *decision, const struct object_row *row)
{
	struct object_withdrawal withdrawal;
	uint16_t code;

	withdrawal_begin(decision, row, &withdrawal);
	code = decision_credit(decision, le64s_get(withdrawal.amount));
	if (code == WIRE_CODE_OK)
		withdrawal_close(decision, row, &withdrawal, OBJECT_REVERSED);
	return code;
}

/*
 * Approved (flags: EVENT_FLAG_PAID) or rejected. The same decision again is nothing to do, as a
 * command may come twice; the other one is -EALREADY. Nothing is paid from an account that was
 * frozen, or whose partner was blocked, meanwhile (-EACCES): whoever did it may not know of this.
 * Nor from one that owes the house (-EPERM): rejected, the money repays that first.
 */
int withdraw_close_command(struct decision *decision, const struct ledger_command *command)
{
	const struct object_row *row = ledger_object(decision->ledger, command->object_id);
	uint8_t wanted = command->flags & EVENT_FLAG_PAID ? OBJECT_DONE : OBJECT_REVERSED;
	struct object_withdrawal withdrawal;

	if (command->flags & ~EVENT_FLAG_PAID)
		return -EINVAL;
	if (row == NULL || row->kind != OBJECT_WITHDRAWAL)
		return -ENOENT;
	if (row->state != OBJECT_OPEN)
		return row->state == wanted ? 0 : -EALREADY;
	if (wanted == OBJECT_REVERSED)
		return withdrawal_give_back(decision, row) == WIRE_CODE_OK ? 1 : -ERANGE;
	withdrawal_begin(decision, row, &withdrawal);
	if (decision->account->flags & ACCOUNT_FROZEN || decision_partner_blocked(decision))
		return -EACCES;
	if (decision->account->owed > 0)
		return -EPERM;
	decision->flags |= EVENT_FLAG_PAID;
	decision->payout = le64s_get(withdrawal.amount);
	withdrawal_close(decision, row, &withdrawal, OBJECT_DONE);
	return 1;
}

/*
 * Nobody approved it in time: it goes back. When the account has meanwhile become too full for it,
 * it goes on waiting for another time-out: the event then has no amount and leaves the object open.
 */
int withdraw_due(struct decision *decision, const struct object_row *row)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;

	decision->flags |= EVENT_FLAG_TIMER;
	if (withdrawal_give_back(decision, row) != WIRE_CODE_OK) {
		decision->amount = decision->payout = 0;
		decision->line_count = decision->object_count = 0;
		decision_object(decision, row)->due_ns =
		    decision->time_ns + rules->withdraw_timeout_s * SECOND_NS;
	}
	return 1;
}

/* ---- ADJUST ---- */

/*
 * A command may be sent again after its event was written and before its number was marked as done.
 * Every other command finds its own effect in the rows then; an adjustment leaves a key under
 * partner 0, which no customer has: its number, and the account.
 */
static struct object_key adjust_key(const struct ledger_command *command)
{
	return (struct object_key){ .kind = OBJECT_PARTNER_KEY,
		.words = {
		    command->control_sequence, command->account_id, 0, command->account_id } };
}

static void adjust_keep(struct decision *decision, const struct ledger_command *command)
{
	struct object_key key = adjust_key(command);
	const struct object_partner_key kept = {
		.key = { le64_make(key.words[0]), le64_make(key.words[1]) },
		.account_id = le64_make(decision->account_id),
		.object_id = le64_make(command->control_sequence),
		.payout = le64s_make(decision->payout),
		.lsn = le64_make(decision->ledger->shard.lsn + 1),
		.code = le16_make(WIRE_CODE_OK),
	};
	struct object_row *object = decision_object_key(decision, &key);

	object->state = OBJECT_DONE;
	object->currency = decision->currency;
	object->due_ns = decision->time_ns + ADJUST_KEPT_NS;
	memcpy(object->body, &kept, sizeof(kept));
}

/* -EALREADY: the account has another currency. */
int adjust_command(struct decision *decision, const struct ledger_command *command)
{
	struct object_key key = adjust_key(command);
	int64_t amount = command->amount;
	uint16_t code;

	if (amount == 0 || amount > LIMIT_BALANCE_MAX || amount < -LIMIT_BALANCE_MAX)
		return -EINVAL;
	decision_account(decision, command->account_id);
	if (decision->account == NULL)
		return -ENOENT;
	if (command->currency != 0 && command->currency != decision->account->currency)
		return -EALREADY;
	if (command->control_sequence != 0 && partner_key_find(decision->ledger, &key) != NULL)
		return 0;
	decision->currency = decision->account->currency;
	decision->object_id = command->control_sequence;
	decision->cashier_id = command->reason;
	if (amount > 0)
		code = decision_credit(decision, amount);
	else
		code = decision_debit(decision, -amount);
	if (code != WIRE_CODE_OK)
		return -ERANGE;
	if (command->control_sequence != 0)
		adjust_keep(decision, command);
	return 1;
}
