/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about one row, on the shard that has it. The answer waits until the row is durable. */
#include "dataplane/shard/worker.h"
#include "wire/canary.h"

static uint64_t read_balance(
    struct worker *worker, const struct wire_request *request, struct outcome *outcome)
{
	const struct account_row *account =
	    ledger_account(worker->ledger, request->balance.account_id);
	uint32_t day = risk_day(&ledger_shard(worker->ledger)->rules, worker->now_ns);

	outcome->object_id = request->balance.account_id;
	if (account == NULL) {
		outcome->code = WIRE_CODE_ACCOUNT_UNKNOWN;
		return 0;
	}
	outcome->balance = account->balance;
	outcome->stake = account->staked_day == day ? account->staked_today : 0;
	outcome->currency = account->currency;
	outcome->lsn = account->lsn;
	return account->lsn;
}

/* 1; 0: not here (any more). */
static int read_sprinkle(
    struct worker *worker, const struct wire_request *request, struct outcome *outcome)
{
	const struct object_row *row =
	    ledger_object(worker->ledger, request->sprinkle_status.token);
	struct object_sprinkle sprinkle;

	outcome->object_id = request->sprinkle_status.token;
	if (row == NULL || row->kind != OBJECT_SPRINKLE)
		return 0;
	memcpy(&sprinkle, row->body, sizeof(sprinkle));
	outcome->balance = le64s_get(sprinkle.total);
	outcome->payout = le64s_get(sprinkle.remaining);
	outcome->sprinkle.ends_ns = le64_get(sprinkle.ends_ns);
	outcome->sprinkle.shares = le32_get(sprinkle.shares);
	outcome->sprinkle.claimed = le32_get(sprinkle.claimed);
	outcome->currency = row->currency;
	outcome->bet_state = row->state == OBJECT_OPEN ? 1 : 2;
	outcome->lsn = row->lsn;
	return 1;
}

static void read_bet(const struct bet_row *bet, struct outcome *outcome)
{
	outcome->bet.account_id = bet->account_id;
	outcome->bet.placed_at_ns = bet->placed_at_ns;
	outcome->stake = bet->stake;
	outcome->payout = bet->payout;
	outcome->currency = bet->currency;
	outcome->bet_state = bet->state;
	outcome->leg_count = bet->leg_count;
	outcome->reprints = bet->reprints;
	outcome->lsn = bet->lsn;
}

/*
 * A withdrawal that waited for approval, as of now. The reader has looked at the closed rows before
 * and it was not there: not here either means that it left memory since, and the next checkpoint
 * will show it.
 */
static uint64_t read_status(
    struct worker *worker, const struct worker_ask *ask, struct outcome *outcome)
{
	const struct event_record *record = ask->target;
	const struct object_row *row = ledger_object(worker->ledger, le64_get(record->object_id));

	if (row == NULL || row->kind != OBJECT_WITHDRAWAL) {
		outcome->code = WIRE_CODE_IN_PROGRESS;
		outcome->detail = 100; /* ms */
		return 0;
	}
	outcome->lsn = le64_get(record->lsn);
	outcome->object_id = row->id;
	outcome->balance = le64s_get(record->balance);
	outcome->shard = ask->target_shard;
	outcome->score = record->score;
	outcome->status.time_ns = le64_get(record->time_ns);
	outcome->status.template_id = WIRE_WITHDRAW;
	outcome->status.code = outcome_withdrawal(row->state);
	outcome->payout =
	    outcome->status.code == WIRE_CODE_WITHDRAWAL_CLOSED ? 0 : le64s_get(record->payout);
	return row->lsn;
}

/* 1: the reader answers; the outcome is its refusal otherwise. */
static int read_history(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, struct outcome *outcome)
{
	const struct account_row *account;
	int asked;

	if (request->template_id == WIRE_STATEMENT) {
		account = ledger_account(worker->ledger, request->statement.account_id);
		outcome->object_id = request->statement.account_id;
		if (account == NULL || account->flags & ACCOUNT_SYSTEM) {
			outcome->code = WIRE_CODE_ACCOUNT_UNKNOWN;
			return 0;
		}
		asked = worker_statement(worker, origin, request, account);
	} else {
		asked = worker_closed(worker, origin, request);
	}
	if (asked && origin->home != worker->shard) {
		/* Home counts what it has sent: this shard is done with it. */
		outcome->origin.no_reply = 1;
		worker_answer(worker, 0, outcome);
	}
	if (!asked) {
		outcome->code = WIRE_CODE_BUSY;
		outcome->detail = 5; /* ms */
	}
	return asked;
}

void worker_read(struct worker *worker, const struct worker_ask *ask)
{
	const struct origin *origin = ask->origin;
	const struct wire_request *request = ask->request;
	struct outcome outcome;
	uint64_t gate_lsn = 0;
	struct bet_row bet;

	worker_outcome_start(worker, ask, &outcome);
	outcome.code = WIRE_CODE_OK;
	switch (request->template_id) {
	case WIRE_BALANCE:
		gate_lsn = read_balance(worker, request, &outcome);
		break;
	case WIRE_SPRINKLE_STATUS:
		if (!read_sprinkle(worker, request, &outcome) &&
		    read_history(worker, origin, request, &outcome))
			return;
		gate_lsn = outcome.lsn;
		break;
	case WIRE_BET_STATUS:
		outcome.object_id = request->bet_status.bet_id;
		if (ledger_bet(worker->ledger, request->bet_status.bet_id, &bet) == 0) {
			read_bet(&bet, &outcome);
			gate_lsn = bet.lsn;
			break;
		}
		if (read_history(worker, origin, request, &outcome))
			return;
		break;
	case WIRE_TX_STATUS:
		SLUICE_REQUIRE(ask->target != NULL);
		gate_lsn = read_status(worker, ask, &outcome);
		break;
	default: /* STATEMENT */
		if (read_history(worker, origin, request, &outcome))
			return;
		break;
	}
	worker_answer(worker, SLUICE_CANARY(READ_EARLY) ? 0 : gate_lsn, &outcome);
}
