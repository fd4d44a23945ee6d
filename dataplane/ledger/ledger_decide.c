/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions on requests of terminals: the table of judges. Reads the state, changes nothing. */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"

typedef uint16_t judge_function(struct decision *decision);

/* What a request says that its event repeats, whatever becomes of it; then the rows it names. */
struct request_facts {
	judge_function *judge;
	uint16_t type;
};

static const struct request_facts *facts_of(uint16_t template_id)
{
	static const struct request_facts facts[] = {
		[WIRE_PLACE_BET] = { bet_judge, EVENT_PLACE_BET },
		[WIRE_CANCEL_BET] = { cancel_judge, EVENT_CANCEL_BET },
		[WIRE_REDEEM] = { redeem_judge, EVENT_REDEEM },
		[WIRE_REPRINT] = { reprint_judge, EVENT_REPRINT },
		[WIRE_OPEN_ACCOUNT] = { open_account_judge, EVENT_ACCOUNT_OPEN },
		[WIRE_DEPOSIT] = { deposit_judge, EVENT_DEPOSIT },
		[WIRE_WITHDRAW] = { withdraw_judge, EVENT_WITHDRAW },
		[WIRE_TRANSFER] = { transfer_judge, EVENT_TRANSFER },
		[WIRE_REVERSE] = { reverse_judge, EVENT_REVERSE },
		[WIRE_FENCE] = { fence_judge, EVENT_FENCE },
		[WIRE_PLAY_SET] = { play_set_judge, EVENT_PLAY_SET },
		[WIRE_SPRINKLE_CREATE] = { sprinkle_create_judge, EVENT_SPRINKLE_CREATE },
		[WIRE_CLAIM] = { claim_judge, EVENT_CLAIM },
		[WIRE_ROUND_DEBIT] = { round_judge, EVENT_ROUND_DEBIT },
		[WIRE_ROUND_CREDIT] = { round_judge, EVENT_ROUND_CREDIT },
		[WIRE_ROUND_ROLLBACK] = { round_judge, EVENT_ROUND_ROLLBACK },
		[WIRE_ROUND_CLOSE] = { round_judge, EVENT_ROUND_CLOSE },
		[WIRE_SHIFT_OPEN] = { shift_judge, EVENT_SHIFT },
		[WIRE_SHIFT_CLOSE] = { shift_judge, EVENT_SHIFT },
	};

	if (template_id >= sizeof(facts) / sizeof(facts[0]) || facts[template_id].judge == NULL)
		return NULL;
	return &facts[template_id];
}

static int64_t negated(int64_t amount)
{
	return amount == INT64_MIN ? INT64_MAX : -amount;
}

static void wallet_fields(
    struct decision *decision, uint64_t account_id, int64_t amount, uint16_t currency)
{
	decision->amount = amount;
	decision->currency = currency;
	decision_account(decision, account_id);
}

static int bet_fields(struct decision *decision, const struct wire_request *request)
{
	if (request->place_bet.leg_count == 0 ||
	    request->place_bet.leg_count > LIMIT_BET_LEGS_MAX ||
	    request->place_bet.odds_policy > ODDS_SAME_OR_BETTER)
		return -EINVAL;
	decision->leg_count = request->place_bet.leg_count;
	decision->odds_policy = request->place_bet.odds_policy;
	decision->cashier_id = request->place_bet.cashier_id;
	wallet_fields(decision, request->place_bet.account_id, negated(request->place_bet.stake),
	    request->place_bet.currency);
	return 0;
}

/* Fields of the event that hold for every outcome; judges find the rest. */
static int request_fields(struct decision *decision, const struct wire_request *request)
{
	switch (request->template_id) {
	case WIRE_PLACE_BET:
		return bet_fields(decision, request);
	case WIRE_CANCEL_BET:
		decision->object_id = request->cancel_bet.bet_id;
		decision->cashier_id = request->cancel_bet.reason;
		break;
	case WIRE_REDEEM:
		decision->object_id = request->redeem.bet_id;
		break;
	case WIRE_REPRINT:
		decision->object_id = request->reprint.bet_id;
		decision->cashier_id = request->reprint.reason;
		break;
	case WIRE_OPEN_ACCOUNT:
		decision->object_id = request->open_account.account_id;
		decision->cashier_id = request->open_account.partner_id;
		wallet_fields(
		    decision, request->open_account.account_id, 0, request->open_account.currency);
		break;
	case WIRE_DEPOSIT:
		wallet_fields(decision, request->deposit.account_id, request->deposit.amount,
		    request->deposit.currency);
		break;
	case WIRE_WITHDRAW:
		wallet_fields(decision, request->deposit.account_id,
		    negated(request->deposit.amount), request->deposit.currency);
		break;
	case WIRE_TRANSFER:
		wallet_fields(decision, request->transfer.from_account,
		    negated(request->transfer.amount), request->transfer.currency);
		break;
	case WIRE_REVERSE:
		decision->object_id = request->reverse.target_request_id;
		decision->cashier_id = request->reverse.reason;
		break;
	case WIRE_FENCE:
		decision->object_id = request->fence.target_request_id;
		break;
	case WIRE_PLAY_SET:
		decision->object_id = request->play_set.account_id;
		decision_account(decision, request->play_set.account_id);
		break;
	case WIRE_SPRINKLE_CREATE:
		wallet_fields(decision, request->sprinkle_create.account_id,
		    negated(request->sprinkle_create.amount), request->sprinkle_create.currency);
		break;
	case WIRE_CLAIM:
		decision->object_id = request->claim.token;
		decision_account(decision, request->claim.account_id);
		break;
	case WIRE_SHIFT_OPEN:
	case WIRE_SHIFT_CLOSE:
		decision->cashier_id = request->shift.cashier_id;
		decision->currency = request->shift.currency;
		break;
	default: /* ROUND_* */
		wallet_fields(decision, request->round.account_id,
		    request->template_id == WIRE_ROUND_DEBIT ? negated(request->round.amount)
		                                             : request->round.amount,
		    request->round.currency);
		break;
	}
	return 0;
}

static int decision_start(struct decision *decision, struct ledger *ledger,
    const struct ledger_request *asked, uint64_t time_ns, judge_function **judge)
{
	const struct wire_request *request = asked->wire;
	const struct request_facts *facts = facts_of(request->template_id);
	int error;

	if (facts == NULL || request->request_id == 0 || asked->terminal_id == 0 ||
	    asked->terminal_id > LIMIT_TERMINAL_ID_MAX)
		return -EINVAL;
	*judge = facts->judge;
	decision_begin(decision, ledger, facts->type, time_ns);
	decision->request = request;
	decision->asked = asked;
	decision->request_id = request->request_id;
	decision->body_hash[0] = request->body_hash[0];
	decision->body_hash[1] = request->body_hash[1];
	decision->deadline_ns = wire_request_deadline(request);
	if (asked->linked)
		decision->flags |= EVENT_FLAG_LINKED;
	error = decision_terminal(decision, asked->terminal_id);
	if (error == 0)
		error = request_fields(decision, request);
	/* No event, line or object could hold it, also of a refusal. */
	return error == 0 && decision->currency > 999 ? -EINVAL : error;
}

/* What a refused event shows: the amount that was asked for, within what an event may hold. */
static void refusal_trim(struct decision *decision)
{
	if (decision->amount > LIMIT_BALANCE_MAX)
		decision->amount = LIMIT_BALANCE_MAX;
	if (decision->amount < -LIMIT_BALANCE_MAX)
		decision->amount = -LIMIT_BALANCE_MAX;
	if (decision->payout < 0 || decision->payout > LIMIT_PAYOUT_MAX)
		decision->payout = 0;
}

int ledger_decide(struct ledger *ledger, const struct ledger_request *request, uint64_t time_ns,
    struct event_buffer *event)
{
	struct decision decision;
	judge_function *judge;
	uint16_t code;
	int error = decision_start(&decision, ledger, request, time_ns, &judge);

	if (error != 0)
		return error;
	if (request->refuse_code != 0)
		code = request->refuse_code;
	else if (decision.time_ns > decision.deadline_ns)
		code = WIRE_CODE_EXPIRED;
	else
		code = judge(&decision);
	if (!event_moves(decision.type, code) && decision.type != EVENT_PLACE_BET)
		refusal_trim(&decision);
	return decision_write(&decision, code, event);
}

int ledger_decide_expired(struct ledger *ledger, const struct ledger_request *request,
    uint64_t time_ns, struct event_buffer *event)
{
	struct ledger_request expired = *request;

	expired.refuse_code = WIRE_CODE_EXPIRED;
	return ledger_decide(ledger, &expired, time_ns, event);
}

int ledger_decide_by_rules(struct ledger *ledger, const struct ledger_request *request,
    const struct risk_rules *rules, const struct risk_rules_extra *extra, uint64_t time_ns,
    struct event_buffer *event)
{
	const struct risk_rules own = ledger->shard.rules;
	const struct risk_rules_extra own_extra = ledger->shard.extra;
	int length;

	/* Judges find the rules in the state; deciding changes nothing of it. */
	ledger->shard.rules = *rules;
	ledger->shard.extra = *extra;
	length = ledger_decide(ledger, request, time_ns, event);
	ledger->shard.rules = own;
	ledger->shard.extra = own_extra;
	ledger->decided.lsn = 0; /* nothing of what these rules saw */
	return length;
}
