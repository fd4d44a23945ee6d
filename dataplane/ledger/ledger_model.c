/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ledger/ledger_model.h"

#include "dataplane/ledger/ledger_risk.h"

/* What of the features it looks at. Nodes that stand for none look at the first. */
static unsigned model_parts(const struct risk_model *model)
{
	unsigned parts = 0;

	for (uint32_t i = 0; model != NULL && i < model->tree_count << model->depth; i++)
		parts |= risk_features_part((enum risk_feature)model->nodes[i].feature);
	return parts;
}

void ledger_model_set(struct ledger *ledger, const struct risk_model *model, uint32_t version)
{
	SLUICE_REQUIRE(model == NULL || model->feature_count <= RISK_FEATURE_COUNT);
	ledger->scores->model = model;
	ledger->scores->version = model == NULL ? 0 : version;
	ledger->scores->parts = model_parts(model);
	ledger->scores->count = ledger->scores->next = 0;
}

int ledger_model_asked(const struct ledger *ledger)
{
	const struct risk_rules_extra *extra = &ledger->shard.extra;

	return extra->model_state != RISK_MODEL_OFF && ledger->scores->model != NULL &&
	       ledger->scores->version == extra->model_version;
}

static int32_t model_single(const struct ledger *ledger, const struct risk_view *asked)
{
	_Alignas(64) float columns[RISK_FEATURE_ROW];
	struct risk_view view = *asked;

	risk_features_row(&view, columns, ledger->scores->parts);
	return risk_model_score_one(ledger->scores->model, columns, 1);
}

const struct model_score *ledger_model_find(const struct decision *decision)
{
	struct model_scores *scores = decision->ledger->scores;
	uint64_t account_lsn = decision->account == NULL ? 0 : decision->account->lsn;
	uint64_t terminal_lsn = decision->terminal == NULL ? 0 : decision->terminal->lsn;

	if (decision->type != EVENT_PLACE_BET || scores->time_ns != decision->time_ns ||
	    scores->rule_version != decision->ledger->shard.rules.version)
		return NULL;
	/* Decided in the order they were asked about, so the next one is mostly it. */
	for (uint32_t i = 0, at = scores->next; i < scores->count; i++, at++) {
		const struct model_score *score;

		at = at < scores->count ? at : 0;
		score = &scores->scores[at];
		if (score->request_id != decision->request_id ||
		    score->terminal_id != decision->terminal_id)
			continue;
		scores->next = at + 1;
		return score->account_lsn == account_lsn && score->terminal_lsn == terminal_lsn &&
		               score->body_hash == decision->body_hash[0]
		           ? score
		           : NULL;
	}
	return NULL;
}

const struct risk_scene *ledger_model_scene(
    const struct decision *decision, const struct model_score *score, const struct risk_case *asked)
{
	struct model_scores *scores = decision->ledger->scores;
	struct risk_scene *scene;

	if (score == NULL || !score->has_scene)
		return NULL;
	scene = &scores->scenes[score - scores->scores];
	/* No model looks at it, and markets were not looked up for the burst. */
	scene->transaction.close_in_s = asked->close_in_s;
	return scene;
}

unsigned ledger_model_judge(
    struct decision *decision, const struct risk_view *view, const struct model_score *score)
{
	const struct risk_rules_extra *extra = &decision->ledger->shard.extra;
	struct event_risk *out = &decision->risk;
	unsigned points;
	int32_t margin;

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

/* One of the burst: its request, and the rows it is about; ROW_NONE: none. */
struct burst_bet {
	const struct ledger_model_ask *ask;
	uint32_t account, terminal;
};

static void burst_prefetch(const void *state, size_t size)
{
	for (size_t at = 0; at < size; at += SLUICE_CACHE_LINE_SIZE)
		__builtin_prefetch((const char *)state + at, 1);
}

/* 0: it will be refused before it is scored. (Some of the others will be, too: for their markets.)
 */
static int burst_find(
    const struct ledger *ledger, const struct ledger_model_ask *ask, struct burst_bet *bet)
{
	const struct wire_request *wire = ask->wire;
	uint64_t account_id = wire->place_bet.account_id;

	if (wire->template_id != WIRE_PLACE_BET || wire->place_bet.leg_count == 0 ||
	    wire->place_bet.leg_count > LIMIT_BET_LEGS_MAX || wire->place_bet.stake <= 0 ||
	    wire->place_bet.stake > LIMIT_STAKE_MAX)
		return 0;
	*bet = (struct burst_bet){ ask, ROW_NONE, terminal_find(ledger, ask->terminal_id) };
	if (account_id != 0 && account_id <= LIMIT_ACCOUNT_ID_MAX)
		bet->account = account_find(ledger, account_id);
	if (bet->account == ROW_NONE && account_id != 0)
		return 0;
	if (bet->account != ROW_NONE)
		burst_prefetch(
		    &ledger->account_states[bet->account], sizeof(*ledger->account_states));
	if (bet->terminal != ROW_NONE)
		burst_prefetch(
		    &ledger->terminal_states[bet->terminal], sizeof(*ledger->terminal_states));
	return 1;
}

/* As much of a decision as the view of a bet needs. */
static void burst_decision(struct decision *decision, struct ledger *ledger,
    const struct burst_bet *bet, uint64_t time_ns, struct risk_case *asked)
{
	const struct wire_request *wire = bet->ask->wire;

	decision->ledger = ledger;
	decision->type = EVENT_PLACE_BET;
	decision->time_ns = time_ns > ledger->shard.time_ns ? time_ns : ledger->shard.time_ns;
	decision->currency = wire->place_bet.currency;
	decision->terminal_id = bet->ask->terminal_id;
	decision->terminal =
	    bet->terminal != ROW_NONE ? &ledger->terminals[bet->terminal].row : NULL;
	decision->account_id = wire->place_bet.account_id;
	decision->account = bet->account != ROW_NONE ? &ledger->accounts[bet->account].row : NULL;
	*asked = (struct risk_case){ .amount = wire->place_bet.stake };
	asked->selection_id = risk_selection_id(wire->place_bet.leg_count,
	    wire->place_bet.legs[0].market_id, wire->place_bet.legs[0].selection);
}

/* Looks at the bet, and puts what the model looks at. */
static void burst_put(
    struct ledger *ledger, const struct burst_bet *bet, uint32_t at, uint64_t time_ns)
{
	struct model_scores *scores = ledger->scores;
	struct risk_scene *scene = &scores->scenes[at];
	struct decision decision;
	struct risk_amounts amounts;
	struct risk_fresh fresh;
	struct risk_case asked;

	burst_decision(&decision, ledger, bet, time_ns, &asked);
	(void)risk_amounts_of(
	    &ledger->shard.rules, &ledger->shard.extra, decision.currency, &amounts);
	ledger_risk_scene(&decision, &asked, amounts.report_threshold, scene, &fresh);
	risk_features_put(&scene->view, scores->columns + at % RISK_MODEL_STRIDE, RISK_MODEL_STRIDE,
	    scores->parts);
	scores->time_ns = decision.time_ns;
	scores->scores[at] = (struct model_score){
		.request_id = bet->ask->wire->request_id,
		.terminal_id = bet->ask->terminal_id,
		.body_hash = bet->ask->wire->body_hash[0],
		.account_lsn = decision.account == NULL ? 0 : decision.account->lsn,
		.terminal_lsn = decision.terminal == NULL ? 0 : decision.terminal->lsn,
		.has_scene = scene->view.account != &fresh.account &&
		             scene->view.terminal != &fresh.terminal,
	};
}

void ledger_model_burst(
    struct ledger *ledger, const struct ledger_model_ask *asks, unsigned count, uint64_t time_ns)
{
	struct model_scores *scores = ledger->scores;
	struct burst_bet bets[RISK_MODEL_BURST];
	uint32_t bet_count = 0;

	scores->count = scores->next = 0;
	if (!ledger_model_asked(ledger))
		return;
	/* All of them are found first, so that their states are on their way. */
	for (unsigned i = 0; i < count && bet_count < RISK_MODEL_BURST; i++)
		bet_count += burst_find(ledger, &asks[i], &bets[bet_count]) != 0;
	for (uint32_t first = 0; first < bet_count; first += RISK_MODEL_STRIDE) {
		uint32_t rows =
		    bet_count - first < RISK_MODEL_STRIDE ? bet_count - first : RISK_MODEL_STRIDE;

		for (uint32_t i = first; i < first + rows; i++)
			burst_put(ledger, &bets[i], i, time_ns);
		risk_features_finish(scores->columns, RISK_MODEL_STRIDE, rows, scores->parts);
		risk_model_score_numbers(
		    scores->model, scores->columns, RISK_MODEL_STRIDE, rows, scores->margins);
		for (uint32_t i = 0; i < rows; i++)
			scores->scores[first + i].margin = scores->margins[i];
	}
	scores->count = bet_count;
	scores->rule_version = ledger->shard.rules.version;
}
