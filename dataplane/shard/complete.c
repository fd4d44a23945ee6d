/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outcomes at the terminal's home: the request window, what the terminal had reserved, its drawer,
 * and the answer.
 */
#include "dataplane/shard/worker.h"
#include "wire/canary.h"

/*
 * Gives back what worker_share reserved for a stake that was not accepted, or what a cancelled bet
 * or a debit rolled back had taken (also by a REVERSE): only within the day it was taken in, as the
 * ledger's own row does.
 */
static void stake_release(struct terminal_window *window, const struct outcome *outcome)
{
	int accepted = outcome->journalled && outcome->code == WIRE_CODE_OK;
	int release =
	    outcome->template_id == WIRE_PLACE_BET || outcome->template_id == WIRE_ROUND_DEBIT
	        ? !accepted && outcome->origin.reserved_stake
	    : outcome->template_id == WIRE_CANCEL_BET || outcome->template_id == WIRE_REVERSE ||
	            outcome->template_id == WIRE_ROUND_ROLLBACK
	        ? accepted
	        : 0;

	if (!release || outcome->origin.staked_day != window->staked_day)
		return;
	window->staked_today -= outcome->stake;
	if (window->staked_today < 0)
		window->staked_today = 0;
}

static struct window_outcome outcome_entry(const struct outcome *outcome)
{
	struct window_outcome done = {
		.request_id = outcome->request_id,
		.body_hash = { outcome->body_hash[0], outcome->body_hash[1] },
		.lsn = outcome->lsn,
		.object_id = outcome->object_id,
		.balance = outcome->balance,
		.payout = outcome->payout,
		.code = outcome->code,
		.template_id = outcome->template_id,
		.shard = outcome->shard,
		.score = outcome->score,
	};

	memcpy(done.ticket, outcome->done.ticket, sizeof(done.ticket));
	return done;
}

/* The id a FENCE or REVERSE names: fenced for ever, or free again. */
static void complete_fence(struct terminal_window *window, const struct outcome *outcome)
{
	uint64_t target_id = (uint64_t)outcome->stake;

	if (outcome->template_id != WIRE_FENCE && outcome->template_id != WIRE_REVERSE)
		return;
	if (outcome->journalled && outcome->code == WIRE_CODE_FENCED_NOW)
		window_fence(window, target_id, outcome->shard, outcome->lsn);
	else if (outcome->origin.held)
		window_abandon(window, target_id);
}

void worker_window_slide(struct worker *worker, const struct outcome *outcome)
{
	struct terminal_window *window = &worker->windows[outcome->origin.terminal_index];
	struct window_outcome done = outcome_entry(outcome);

	window_complete(window, &done);
}

static void complete_window(struct worker *worker, const struct outcome *outcome)
{
	struct terminal_window *window = &worker->windows[outcome->origin.terminal_index];

	stake_release(window, outcome);
	if (outcome->done.cash != 0)
		/* One currency too many is not counted: README. */
		(void)!worker_cash_add(
		    worker, outcome->origin.terminal_index, outcome->currency, outcome->done.cash);
	if (!outcome->journalled)
		window_abandon(window, outcome->request_id);
	else if (!SLUICE_CANARY(SLIDE_EARLY) || outcome->shard != worker->shard)
		worker_window_slide(worker, outcome);
	complete_fence(window, outcome);
}

/* What nobody waits for: the terminal is found by its id. */
static void complete_quietly(struct worker *worker, const struct outcome *outcome)
{
	uint32_t window = worker_window(worker, outcome->origin.terminal_id);
	struct window_outcome final;

	if (window == UINT32_MAX)
		return;
	if (outcome->done.cash != 0)
		(void)!worker_cash_add(worker, window, outcome->currency, outcome->done.cash);
	if (outcome->kind != OUTCOME_UPDATE)
		return;
	final = outcome_entry(outcome);
	window_update(&worker->windows[window], &final);
}

/* The live session an answer goes to, or NULL. */
static struct session *session_of(struct worker *worker, const struct origin *origin)
{
	struct session *session;

	if (origin->no_reply)
		return NULL;
	session = session_find(worker->sessions, origin->session_id);
	if (session == NULL || session_expired(session, worker->now_ns)) {
		stats_add(&worker->stats.answers_lost, 1);
		return NULL;
	}
	return session;
}

static void reply_rows(const struct outcome *outcome, struct wire_reply *reply)
{
	switch (outcome->template_id) {
	case WIRE_BET_STATUS:
		reply->bet_status.account_id = outcome->bet.account_id;
		reply->bet_status.placed_at_ns = outcome->bet.placed_at_ns;
		reply->bet_status.stake = outcome->stake;
		reply->bet_status.currency = outcome->currency;
		reply->bet_status.state = outcome->bet_state;
		reply->bet_status.leg_count = outcome->leg_count;
		reply->bet_status.reprints = outcome->reprints;
		break;
	case WIRE_BALANCE:
		reply->balance_row.staked_today = outcome->stake;
		reply->balance_row.currency = outcome->currency;
		break;
	case WIRE_SPRINKLE_STATUS:
		reply->sprinkle.total = outcome->balance;
		reply->sprinkle.remaining = outcome->payout;
		reply->sprinkle.ends_ns = outcome->sprinkle.ends_ns;
		reply->sprinkle.shares = outcome->sprinkle.shares;
		reply->sprinkle.claimed = outcome->sprinkle.claimed;
		reply->sprinkle.currency = outcome->currency;
		reply->sprinkle.state = outcome->bet_state;
		break;
	case WIRE_TX_STATUS:
		reply->tx_status.time_ns = outcome->status.time_ns;
		reply->tx_status.target_code = outcome->status.code;
		reply->tx_status.target_template = outcome->status.template_id;
		reply->tx_status.target_shard = outcome->shard;
		break;
	case WIRE_STATEMENT: /* refused before the reader was asked */
		reply->statement.next_lsn = 0;
		reply->statement.currency = 0;
		reply->statement.row_count = 0;
		break;
	default:
		break;
	}
}

void worker_complete(struct worker *worker, const struct outcome *outcome)
{
	struct wire_reply reply;
	struct session *session;

	if (outcome->kind == OUTCOME_UPDATE || outcome->kind == OUTCOME_CASH) {
		complete_quietly(worker, outcome);
		return;
	}
	if (outcome->kind == OUTCOME_MUTATION)
		complete_window(worker, outcome);
	session = session_of(worker, &outcome->origin);
	if (session == NULL)
		return;
	reply.request_id = outcome->request_id;
	reply.lsn = outcome->lsn;
	reply.switch_time_ns = worker->now_ns;
	reply.object_id = outcome->object_id;
	reply.template_id = outcome->template_id;
	reply.code = outcome->code;
	reply.detail = outcome->detail;
	reply.shard = outcome->shard;
	reply.flags = outcome->flags;
	reply.score = outcome->score;
	reply.balance = outcome->balance;
	reply.payout = outcome->payout;
	if (outcome->kind == OUTCOME_MUTATION)
		memcpy(reply.ticket, outcome->done.ticket, sizeof(reply.ticket));
	else
		memset(reply.ticket, 0, sizeof(reply.ticket));
	reply_rows(outcome, &reply);
	latency_note(&worker->latency.answered, outcome->origin.received_ns);
	worker_reply(worker, session, &reply);
}

void worker_give_up(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, uint16_t code)
{
	const struct worker_ask ask = { .origin = origin, .request = request };
	struct outcome outcome;

	worker_outcome_start(worker, &ask, &outcome);
	outcome.code = code;
	if (wire_code_class(code) == WIRE_CLASS_TRANSIENT)
		outcome.detail = 5; /* ms: a few group commits */
	worker_complete(worker, &outcome);
}

void worker_found(struct worker *worker, const struct history_found *found)
{
	struct wire_reply reply;
	struct session *session;

	if (found->kind == HISTORY_TARGET || found->kind == HISTORY_TICKET) {
		worker_target_found(worker, found);
		return;
	}
	if (found->kind == HISTORY_STATUS && found->found) {
		worker_status_found(worker, found);
		return;
	}
	session = session_of(worker, &found->origin);
	if (session == NULL)
		return;
	reply = found->reply;
	reply.switch_time_ns = worker->now_ns;
	latency_note(&worker->latency.answered, found->origin.received_ns);
	worker_reply(worker, session, &reply);
}
