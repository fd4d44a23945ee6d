/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ledger/ledger_model.h"

#include "dataplane/ledger/ledger_risk.h"
#include "dataplane/risk/risk_view.h"

void ledger_model_set(struct ledger *ledger, const struct risk_model *model, uint32_t version)
{
	SLUICE_REQUIRE(model == NULL || model->feature_count == RISK_FEATURE_COUNT);
	ledger->scores->model = model;
	ledger->scores->version = model == NULL ? 0 : version;
	ledger->scores->count = 0;
}

int ledger_model_asked(const struct ledger *ledger)
{
	const struct risk_rules_extra *extra = &ledger->shard.extra;

	return extra->model_state != RISK_MODEL_OFF && ledger->scores->model != NULL &&
	       ledger->scores->version == extra->model_version;
}

/* One row alone: the other lanes are zeros. */
static int32_t model_single(const struct ledger *ledger, struct risk_view *view)
{
	_Alignas(64) float features[RISK_FEATURE_COUNT * RISK_MODEL_LANES];
	int32_t margins[RISK_MODEL_LANES];

	risk_view_complete(view);
	memset(features, 0, sizeof(features));
	risk_features_fill(view, features, RISK_MODEL_LANES);
	risk_model_score(ledger->scores->model, features, RISK_MODEL_LANES, 1, margins);
	return margins[0];
}

/* What was reckoned for this very request, if nothing it looks at has changed. */
static const struct model_score *model_score_find(const struct decision *decision)
{
	struct model_scores *scores = decision->ledger->scores;
	uint64_t account_lsn = decision->account == NULL ? 0 : decision->account->lsn;
	uint64_t terminal_lsn = decision->terminal == NULL ? 0 : decision->terminal->lsn;

	if (scores->time_ns != decision->time_ns ||
	    scores->rule_version != decision->ledger->shard.rules.version)
		return NULL;
	for (unsigned i = 0; i < scores->count; i++) {
		const struct model_score *score = &scores->scores[i];

		if (score->request_id == decision->request_id &&
		    score->terminal_id == decision->terminal_id)
			return score->account_lsn == account_lsn &&
			               score->terminal_lsn == terminal_lsn &&
			               score->body_hash == decision->body_hash[0]
			           ? score
			           : NULL;
	}
	return NULL;
}

unsigned ledger_model_judge(struct decision *decision, struct risk_view *view)
{
	const struct risk_rules_extra *extra = &decision->ledger->shard.extra;
	struct event_risk *out = &decision->risk;
	const struct model_score *score;
	unsigned points;
	int32_t margin;

	score = decision->type == EVENT_PLACE_BET ? model_score_find(decision) : NULL;
	margin = score != NULL ? score->margin : model_single(decision->ledger, view);
	points = risk_model_points(decision->ledger->scores->model, margin);
	if (points > extra->points_model_max)
		points = extra->points_model_max;
	out->model_margin = le32_make((uint32_t)margin);
	out->model_version = le32_make(extra->model_version);
	out->model_state = extra->model_state;
	out->points_model = (uint8_t)points;
	return extra->model_state == RISK_MODEL_ACTIVE ? points : 0;
}

/* ---- Bursts ---- */

/* As much of a decision as the view of a bet needs. 0: it will be refused before it is scored. */
static int burst_decision(struct decision *decision, struct ledger *ledger,
    const struct ledger_model_ask *ask, uint64_t time_ns, struct risk_case *bet)
{
	const struct wire_request *wire = ask->wire;
	uint32_t row;

	if (wire->template_id != WIRE_PLACE_BET || wire->place_bet.leg_count == 0 ||
	    wire->place_bet.leg_count > LIMIT_BET_LEGS_MAX || wire->place_bet.stake <= 0 ||
	    wire->place_bet.stake > LIMIT_STAKE_MAX)
		return 0;
	decision->ledger = ledger;
	decision->type = EVENT_PLACE_BET;
	decision->time_ns = time_ns > ledger->shard.time_ns ? time_ns : ledger->shard.time_ns;
	decision->currency = wire->place_bet.currency;
	decision->terminal = NULL;
	decision->terminal_id = ask->terminal_id;
	row = terminal_find(ledger, ask->terminal_id);
	if (row != ROW_NONE)
		decision->terminal = &ledger->terminals[row].row;
	decision_account(decision, wire->place_bet.account_id);
	if (decision->account == NULL && wire->place_bet.account_id != 0)
		return 0;
	*bet = (struct risk_case){ .amount = wire->place_bet.stake };
	for (unsigned i = 0; i < wire->place_bet.leg_count; i++) {
		row = market_find(ledger, wire->place_bet.legs[i].market_id);
		if (row == ROW_NONE || ledger->markets[row].row.start_time_ns <= decision->time_ns)
			return 0;
		bet->close_in_s = ledger_closes_in_s(
		    decision->time_ns, ledger->markets[row].row.start_time_ns, bet->close_in_s);
	}
	bet->selection_id = risk_selection_id(wire->place_bet.leg_count,
	    wire->place_bet.legs[0].market_id, wire->place_bet.legs[0].selection);
	return 1;
}

void ledger_model_burst(
    struct ledger *ledger, const struct ledger_model_ask *asks, unsigned count, uint64_t time_ns)
{
	struct model_scores *scores = ledger->scores;
	struct decision decision;

	scores->count = 0;
	if (!ledger_model_asked(ledger))
		return;
	for (unsigned i = 0; i < count && scores->count < RISK_MODEL_BURST; i++) {
		struct risk_scene scene;
		struct risk_case bet;

		if (!burst_decision(&decision, ledger, &asks[i], time_ns, &bet))
			continue;
		ledger_risk_scene(&decision, &bet, &scene);
		risk_view_complete(&scene.view);
		risk_features_fill(&scene.view, scores->features + scores->count, RISK_MODEL_BURST);
		scores->time_ns = decision.time_ns;
		scores->scores[scores->count++] = (struct model_score){
			.request_id = asks[i].wire->request_id,
			.terminal_id = asks[i].terminal_id,
			.body_hash = asks[i].wire->body_hash[0],
			.account_lsn = decision.account == NULL ? 0 : decision.account->lsn,
			.terminal_lsn = decision.terminal == NULL ? 0 : decision.terminal->lsn,
		};
	}
	scores->rule_version = ledger->shard.rules.version;
	risk_model_score(
	    scores->model, scores->features, RISK_MODEL_BURST, scores->count, scores->margins);
	for (unsigned i = 0; i < scores->count; i++)
		scores->scores[i].margin = scores->margins[i];
}
