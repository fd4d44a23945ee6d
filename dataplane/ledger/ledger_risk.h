/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Risk in the ledger. Judges ask ledger_risk_judge before money moves; apply lets the states learn
 * from what was accepted (flag SCORED). Both look at an event through the same eyes: what apply
 * learns is what the judge saw. Included by ledger_*.c only.
 */
#ifndef SLUICE_LEDGER_RISK_H
#define SLUICE_LEDGER_RISK_H

#include "dataplane/ledger/ledger_decision.h"
#include "dataplane/ledger/ledger_plan.h"

/* What a judge knows of the transaction beyond its decision. */
struct risk_case {
	int64_t amount;
	int64_t payout;         /* of a bet */
	uint32_t odds_product;  /* of a bet */
	uint32_t close_in_s;    /* of a bet: until its first market starts; 0: not known */
	uint64_t selection_id;  /* of a single bet */
	uint64_t other_account; /* of a transfer */
	const struct risk_amounts *amounts; /* of its currency, if they are at hand; NULL */
	uint8_t odds_differ;
};

/*
 * Scores the decision: score, factor bits, flag SCORED and the numbers behind them, of which its
 * event tells. RISK_SCORE, or OK. Without factor rules only bets are scored, by their own profile.
 */
uint16_t ledger_risk_judge(struct decision *decision, const struct risk_case *asked);

/*
 * The same where hard limits were asked before: `limit`, their refusal or OK. It stands whatever
 * the score is, and the event tells the score all the same.
 */
static inline uint16_t ledger_risk_judge_limited(
    struct decision *decision, const struct risk_case *asked, uint16_t limit)
{
	uint16_t code = ledger_risk_judge(decision, asked);

	return limit != WIRE_CODE_OK ? limit : code;
}

/* risk_kind of an event's type. Game rounds are stakes: money that is played for. Who sprinkles
 * money takes it out. */
uint8_t ledger_risk_kind(uint16_t type);
/* Just below the threshold: at least 90 % of it. 0 is no threshold. */
int ledger_risk_near_report(int64_t amount, int64_t threshold);

/* States of an account and a terminal that have none yet. */
struct risk_fresh {
	struct risk_account_state account;
	struct risk_terminal_state terminal;
};
void ledger_risk_scene(const struct decision *decision, const struct risk_case *asked,
    int64_t report_threshold, struct risk_scene *scene, struct risk_fresh *fresh);

struct model_score;
/* What the model was asked about this very request beforehand, if nothing it looks at has changed;
 * NULL. */
const struct model_score *ledger_model_find(const struct decision *decision);
/* The scene it was asked with, NULL: none that holds for `asked`. */
const struct risk_scene *ledger_model_scene(const struct decision *decision,
    const struct model_score *score, const struct risk_case *asked);
/* Asks the model that the rules ask (score: NULL, or the answer it gave beforehand): fills its part
 * of decision->risk; the points that count. */
unsigned ledger_model_judge(
    struct decision *decision, const struct risk_view *view, const struct model_score *score);

/* Whole seconds until the first of the matches begins, at least 1; `least`: of those before it. */
static inline uint32_t ledger_closes_in_s(uint64_t time_ns, uint64_t start_time_ns, uint32_t least)
{
	uint64_t left = (start_time_ns - time_ns) / 1000000000ull;

	if (left == 0)
		left = 1;
	return least != 0 && least <= left ? least
	       : left < UINT32_MAX         ? (uint32_t)left
	                                   : UINT32_MAX;
}

/* The selection of a single bet as one number, 0 for a combination. */
static inline uint64_t risk_selection_id(unsigned legs, uint64_t market_id, unsigned selection)
{
	return legs == 1 ? market_id << 8 | (selection + 1u) : 0;
}

/* ---- Apply: called for rows whose part is due, before their LSN is set ---- */

/* What is learned from the event, made once for all its rows: before any of them changes. */
void ledger_risk_learn_prepare(struct ledger *ledger, struct plan *plan);

/* A case of a FEEDBACK at time_ns into the counts of whoever it is about (ledger_feedback.c). */
void ledger_feedback_learn(
    struct risk_feedback *feedback, const struct event_feedback *given, uint64_t time_ns);

/* The record's own account; a second customer, who gets money by a line; the terminal. */
void ledger_risk_learn_account(struct ledger *ledger, const struct plan *plan, uint32_t row);
void ledger_risk_learn_receiver(
    struct ledger *ledger, const struct plan *plan, uint32_t row, int64_t amount);
void ledger_risk_learn_terminal(struct ledger *ledger, const struct plan *plan, uint32_t row);
/* A plain bet's account and terminal at once. */
void ledger_risk_learn_bet(struct ledger *ledger, const struct decided_bet *rows,
    const struct risk_transaction *transaction, const struct risk_traits *traits);

#endif
