/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the states learn when an event is applied: from transactions that were carried out and were
 * judged by them (SCORED), and from judged cases. An event without the flag teaches nothing, so
 * logs from before there were states replay to the state they had.
 */
#include "dataplane/ledger/ledger_risk.h"

/* What moved: of a deposit and of what comes from another shard gross of what was owed. */
static int64_t risk_amount_of(const struct plan *plan)
{
	switch (plan->type) {
	case EVENT_PLACE_BET:
		return ledger_event_stake(&plan->view);
	case EVENT_DEPOSIT:
	case EVENT_TRANSFER_IN:
		return le64s_get(plan->view.record.payout);
	default:
		return -plan->amount;
	}
}

/* The receiver of a transfer: here, a line; elsewhere, its object says it. */
static uint64_t risk_other_account(const struct plan *plan)
{
	struct object_transfer transfer;

	for (unsigned i = 0; i < plan->view.line_count; i++)
		if (plan->view.lines[i].account_id <= LIMIT_ACCOUNT_ID_MAX)
			return plan->view.lines[i].account_id;
	for (unsigned i = 0; i < plan->view.object_count; i++) {
		if (plan->view.objects[i].kind != OBJECT_TRANSFER)
			continue;
		memcpy(&transfer, plan->view.objects[i].body, sizeof(transfer));
		return le64_get(transfer.to_account);
	}
	return 0;
}

/* Who paid what came from another shard: its object says it. */
static uint64_t risk_source_of(const struct plan *plan)
{
	struct object_transfer_in in;

	for (unsigned i = 0; i < plan->view.object_count; i++) {
		if (plan->view.objects[i].kind != OBJECT_TRANSFER_IN)
			continue;
		memcpy(&in, plan->view.objects[i].body, sizeof(in));
		return le64_get(in.from_account);
	}
	return 0;
}

static void risk_transaction_of(
    const struct ledger *ledger, const struct plan *plan, struct risk_transaction *transaction)
{
	const struct shard_row *shard = &ledger->shard;
	struct risk_amounts amounts;
	struct event_leg leg;

	*transaction = (struct risk_transaction){
		.time_ns = plan->time_ns,
		.amount = risk_amount_of(plan),
		.terminal_id = plan->terminal_id,
		.kind = ledger_risk_kind(plan->type),
		.keeps_moved = (plan->view.record.flags & EVENT_FLAG_MOVED) != 0,
		.utc_offset_s = shard->rules.utc_offset_s,
	};
	if (transaction->kind == RISK_KIND_TRANSFER)
		transaction->terminal_id = risk_other_account(plan);
	if (plan->type == EVENT_PLACE_BET) {
		memcpy(&leg, plan->view.body, sizeof(leg));
		transaction->selection_id = risk_selection_id(
		    plan->view.record.leg_count, le64_get(leg.market_id), le16_get(leg.selection));
	}
	(void)risk_amounts_of(&shard->rules, &shard->extra, plan->currency, &amounts);
	transaction->near_report =
	    (uint8_t)ledger_risk_near_report(transaction->amount, amounts.report_threshold);
}

void ledger_risk_learn_prepare(struct ledger *ledger, struct plan *plan)
{
	plan->learns = plan->moves && (plan->view.record.flags & EVENT_FLAG_SCORED) != 0;
	if (!plan->learns)
		return;
	/* Nothing of an amount that no judge would have let through: a state holds no such thing.
	 */
	plan->learns = in_range(risk_amount_of(plan), 1, LIMIT_BALANCE_MAX);
	if (!plan->learns)
		return;
	risk_transaction_of(ledger, plan, &plan->transaction_made);
	risk_traits_make(&plan->traits_made, &plan->transaction_made, plan->account_id,
	    &ledger_clock(ledger, plan->time_ns)->moment);
	plan->transaction = &plan->transaction_made;
	plan->traits = &plan->traits_made;
}

static struct risk_account_state *risk_account_learning(
    struct ledger *ledger, uint64_t time_ns, uint32_t row)
{
	struct account_slot *slot = &ledger->accounts[row];
	struct risk_account_state *state = &ledger->account_states[row];
	uint64_t first_ns = slot->row.profile.first_ns;

	slot->meta.listed |= LISTED_STATE;
	if (state->first_s == 0)
		risk_account_begin(state, first_ns != 0 ? first_ns : time_ns);
	return state;
}

static void risk_feedback_learn(struct risk_feedback *feedback, const struct plan *plan)
{
	struct event_feedback given;

	memcpy(&given, plan->view.body, sizeof(given));
	ledger_feedback_learn(feedback, &given, plan->time_ns);
}

static void risk_account_came_in(
    struct risk_account_state *state, const struct plan *plan, int64_t amount, uint64_t source_id)
{
	if (plan->transaction->keeps_moved)
		risk_account_receive(state, plan->time_ns, amount, source_id);
	else
		risk_account_receive_before(state, plan->time_ns, amount, source_id);
}

void ledger_risk_learn_account(struct ledger *ledger, const struct plan *plan, uint32_t row)
{
	const struct risk_transaction *transaction = plan->transaction;
	struct risk_account_state *state;

	if (plan->type == EVENT_FEEDBACK) {
		risk_feedback_learn(
		    &risk_account_learning(ledger, plan->time_ns, row)->feedback, plan);
		return;
	}
	if (!plan->learns)
		return;
	state = risk_account_learning(ledger, plan->time_ns, row);
	if (plan->type == EVENT_TRANSFER_IN) {
		risk_account_came_in(state, plan, transaction->amount, risk_source_of(plan));
	} else if (transaction->kind == RISK_KIND_DEPOSIT) {
		risk_account_came_in(state, plan, transaction->amount, transaction->terminal_id);
		if (transaction->near_report)
			risk_account_near(state, plan->time_ns);
	} else {
		risk_account_observe_traits(state, transaction, plan->traits);
	}
}

void ledger_risk_learn_receiver(
    struct ledger *ledger, const struct plan *plan, uint32_t row, int64_t amount)
{
	if (!plan->learns || plan->type != EVENT_TRANSFER || amount <= 0)
		return;
	risk_account_came_in(
	    risk_account_learning(ledger, plan->time_ns, row), plan, amount, plan->account_id);
}

static struct risk_terminal_state *risk_terminal_learning(
    struct ledger *ledger, uint64_t time_ns, uint32_t row)
{
	struct risk_terminal_state *state = &ledger->terminal_states[row];

	ledger->terminals[row].meta.listed |= LISTED_STATE;
	if (state->first_s == 0)
		risk_terminal_begin(state, time_ns);
	return state;
}

void ledger_risk_learn_terminal(struct ledger *ledger, const struct plan *plan, uint32_t row)
{
	struct risk_terminal_state *state;

	if (plan->type != EVENT_FEEDBACK && !plan->learns)
		return;
	state = risk_terminal_learning(ledger, plan->time_ns, row);
	if (plan->type == EVENT_FEEDBACK)
		risk_feedback_learn(&state->feedback, plan);
	else
		risk_terminal_observe_traits(state, plan->transaction, plan->traits);
}

void ledger_risk_learn_bet(struct ledger *ledger, const struct decided_bet *rows,
    const struct risk_transaction *transaction, const struct risk_traits *traits)
{
	uint64_t time_ns = transaction->time_ns;

	risk_account_observe_traits(
	    risk_account_learning(ledger, time_ns, rows->account), transaction, traits);
	risk_terminal_observe_traits(
	    risk_terminal_learning(ledger, time_ns, rows->terminal), transaction, traits);
}
