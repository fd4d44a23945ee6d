/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FEEDBACK: a judged case, given or taken back. Account and terminal learn it when the event is
 * applied (ledger_risk_learn.c). A partner has no row but its object, so it is learned here, and
 * the event holds the object as it is then.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"
#include "dataplane/ledger/ledger_risk.h"

void ledger_feedback_learn(
    struct risk_feedback *feedback, const struct event_feedback *given, uint64_t time_ns)
{
	if (given->withdrawn)
		risk_feedback_withdraw(feedback, time_ns, le64_get(given->transaction_ns),
		    le32_get(given->learned_s), given->confirmed != 0);
	else
		risk_feedback_label(
		    feedback, time_ns, le64_get(given->transaction_ns), given->confirmed != 0);
}

/* The partner is the one the command names, not the account's: a shard without the account must
 * come to the same counts. 1: there is one here. */
static int partner_learn(struct decision *decision, const struct event_feedback *given)
{
	const struct object_row *row =
	    ledger_partner(decision->ledger, le16_get(given->partner_id));
	struct risk_feedback feedback;
	struct object_partner body;

	if (row == NULL)
		return 0;
	memcpy(&body, row->body, sizeof(body));
	risk_feedback_decode(&body.feedback, &feedback);
	ledger_feedback_learn(&feedback, given, decision->time_ns);
	risk_feedback_encode(&feedback, &body.feedback);
	memcpy(decision_object(decision, row)->body, &body, sizeof(body));
	return 1;
}

/*
 * A terminal has a row on each shard whose accounts were at it. One that was at no account of here
 * yet gets its row now: its next customer may be one, and the case would be known on other shards
 * alone. A verdict that is taken back was learned before, or there is nothing to take. Without room
 * for a row the case is of the others: a command must not wait for it.
 */
static void terminal_learn(struct decision *decision, const struct event_feedback *given)
{
	uint64_t id = le64_get(given->terminal_id);
	uint32_t row;

	if (id == 0)
		return;
	row = terminal_find(decision->ledger, id);
	if (row != ROW_NONE)
		decision->terminal = &decision->ledger->terminals[row].row;
	else if (given->withdrawn || !table_room(decision->ledger, LEDGER_TERMINAL, 1))
		return;
	decision->terminal_id = id;
}

/* Who has neither the account nor the partner, and is told of no terminal, has nothing to learn.
 * Nothing in the rows tells that it was done: the caller sends it once, with its number (event and
 * mark are one batch). */
int feedback_command(struct decision *decision, const struct ledger_command *command)
{
	const struct event_feedback *given = &command->feedback;

	if (command->control_sequence == 0 || event_feedback_check(given) != 0)
		return -EINVAL;
	decision_account(decision, le64_get(given->account_id));
	if (decision->account == NULL)
		decision->account_id = 0;
	else
		decision->currency = decision->account->currency;
	terminal_learn(decision, given);
	if (!partner_learn(decision, given) && decision->account == NULL &&
	    decision->terminal_id == 0)
		return 0;
	decision->object_id = command->control_sequence;
	decision->body.feedback = *given;
	return 1;
}
