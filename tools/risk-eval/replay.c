/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replay: labels that are due, then look, judge, observe, row after row in time order, as the
 * worker does it; the model over bursts of RISK_MODEL_STRIDE.
 */
#include "tools/risk-eval/eval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_factors.h"
#include "dataplane/risk/risk_view.h"
#include "tools/risk-eval/ids.h"

#define DAY_NS       86400000000000ull
#define NS_MAX       4096
#define TIMED_ONE_IN 8 /* bursts */
#define LATER_NS     3600000000000ull
#define BURST_FLOATS (RISK_FEATURE_COLUMNS * RISK_MODEL_STRIDE)

/* Times of one kind of decision, each the mean of a burst; the median is what is told. */
struct part_times {
	uint32_t counts[NS_MAX];
	uint64_t total;
};

enum part { PART_RULES, PART_MODEL, PART_BOTH, PART_TREES, PARTS };

struct place {
	uint32_t account, terminal, other; /* other: the account that receives, if one does */
};

struct replay {
	const struct eval_options *options;
	const struct risk_model *model;
	const struct eval_row *rows;
	size_t count, labelled;
	uint64_t from_ns;
	struct place *places;
	struct risk_account_state *accounts;
	struct risk_profile *profiles;
	struct risk_terminal_state *terminals;
	struct risk_rules rules;
	struct risk_factor_rules factor_rules;
	struct eval_export *export;
	struct eval_scores *scores;
	struct part_times times[PARTS];
	uint64_t sink; /* so that what is only timed is not left out */
	float features[BURST_FLOATS] SLUICE_CACHE_ALIGNED;
	float rules_scores[RISK_MODEL_STRIDE];
	bool judged[RISK_MODEL_STRIDE];
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void part_add(struct replay *replay, enum part part, uint64_t ns)
{
	replay->times[part].counts[ns < NS_MAX ? ns : NS_MAX - 1]++;
	replay->times[part].total++;
}

static double part_median(const struct replay *replay, enum part part)
{
	const struct part_times *times = &replay->times[part];
	uint64_t seen = 0;

	for (unsigned ns = 0; ns < NS_MAX; ns++) {
		seen += times->counts[ns];
		if (seen * 2 >= times->total)
			return ns;
	}
	return NS_MAX;
}

/* Numbers for all ids, so that the states can be allocated at once. */
static int places_make(struct replay *replay, size_t *accounts, size_t *terminals)
{
	struct eval_ids account_ids = { 0 }, terminal_ids = { 0 };
	int result = 0;

	for (size_t i = 0; result == 0 && i < replay->count; i++) {
		const struct eval_row *row = &replay->rows[i];
		struct place *place = &replay->places[i];

		result = eval_ids_number(&account_ids, row->account_id, &place->account);
		if (result == 0)
			result = eval_ids_number(
			    &terminal_ids, row->transaction.terminal_id, &place->terminal);
		if (result == 0 && row->credits)
			result = eval_ids_number(
			    &account_ids, row->transaction.terminal_id, &place->other);
	}
	*accounts = account_ids.count;
	*terminals = terminal_ids.count;
	eval_ids_free(&account_ids);
	eval_ids_free(&terminal_ids);
	return result;
}

/* A state begins with the first transaction; zero first_s says it has not. */
static void states_begin(struct replay *replay, size_t at)
{
	const struct place *place = &replay->places[at];
	uint64_t now = replay->rows[at].transaction.time_ns;

	if (replay->accounts[place->account].first_s == 0) {
		risk_account_init(&replay->accounts[place->account], now);
		risk_profile_init(&replay->profiles[place->account], now);
	}
	if (replay->terminals[place->terminal].first_s == 0)
		risk_terminal_init(&replay->terminals[place->terminal], now);
	if (replay->rows[at].credits && replay->accounts[place->other].first_s == 0) {
		risk_account_init(&replay->accounts[place->other], now);
		risk_profile_init(&replay->profiles[place->other], now);
	}
}

/* A worker has its rows in the cache before it decides: it fetches those of a burst ahead. */
static void states_fetch(const struct replay *replay, size_t at)
{
	const struct place *place = &replay->places[at];
	const char *account = (const char *)&replay->accounts[place->account];
	const char *terminal = (const char *)&replay->terminals[place->terminal];
	const char *profile = (const char *)&replay->profiles[place->account];

	for (size_t i = 0; i < sizeof(struct risk_account_state); i += SLUICE_CACHE_LINE_SIZE)
		__builtin_prefetch(account + i);
	__builtin_prefetch(account + sizeof(struct risk_account_state) - 1);
	for (size_t i = 0; i < sizeof(struct risk_terminal_state); i += SLUICE_CACHE_LINE_SIZE)
		__builtin_prefetch(terminal + i);
	__builtin_prefetch(terminal + sizeof(struct risk_terminal_state) - 1);
	__builtin_prefetch(profile);
	__builtin_prefetch(profile + sizeof(struct risk_profile) - 1);
}

/* Labels of transactions that are old enough by now. */
static void labels_deliver(struct replay *replay, uint64_t now)
{
	uint64_t delay = replay->options->label_delay_days * DAY_NS;

	if (replay->options->label_delay_days == EVAL_LABELS_NEVER)
		return;
	for (; replay->labelled < replay->count; replay->labelled++) {
		const struct eval_row *row = &replay->rows[replay->labelled];
		const struct place *place = &replay->places[replay->labelled];
		uint64_t when = row->transaction.time_ns;

		/* Nothing of the same moment or later, whatever the delay. */
		if (when + delay > now || when >= now)
			return;
		risk_feedback_label(
		    &replay->accounts[place->account].feedback, when + delay, when, row->label);
		risk_feedback_label(
		    &replay->terminals[place->terminal].feedback, when + delay, when, row->label);
		if (row->credits)
			risk_feedback_label(&replay->accounts[place->other].feedback, when + delay,
			    when, row->label);
	}
}

static float rules_judge(const struct replay *replay, size_t at, const struct risk_view *view)
{
	const struct risk_transaction *transaction = view->transaction;
	struct risk_input input = {
		.time_ns = transaction->time_ns,
		.stake = transaction->amount,
		.currency = replay->rules.currency,
	};
	struct risk_state_result state_result;
	struct risk_result result;

	risk_evaluate(
	    &replay->rules, &replay->profiles[replay->places[at].account], &input, &result);
	risk_factors_evaluate(&replay->factor_rules, view, result.factor_bits, &state_result);
	return (float)(result.score + state_result.points);
}

static void observe(struct replay *replay, size_t at, float score)
{
	const struct eval_row *row = &replay->rows[at];
	const struct risk_transaction *transaction = &row->transaction;
	const struct place *place = &replay->places[at];

	if (transaction->kind == RISK_KIND_DEPOSIT)
		risk_account_receive(&replay->accounts[place->account], transaction->time_ns,
		    transaction->amount, transaction->terminal_id);
	else
		risk_account_observe(&replay->accounts[place->account], transaction);
	risk_terminal_observe(&replay->terminals[place->terminal], transaction, row->account_id);
	if (row->credits)
		risk_account_receive(&replay->accounts[place->other], transaction->time_ns,
		    transaction->amount, row->account_id);
	risk_profile_bet(&replay->profiles[place->account], transaction->time_ns,
	    transaction->amount, (uint8_t)(score < 100 ? score : 100));
}

static bool row_is_judged(const struct replay *replay, size_t at)
{
	return at >= replay->options->history_rows &&
	       replay->rows[at].transaction.time_ns >= replay->from_ns;
}

static void row_replay(struct replay *replay, size_t at, uint32_t lane)
{
	const struct eval_row *row = &replay->rows[at];
	const struct place *place = &replay->places[at];
	struct risk_view view;

	states_begin(replay, at);
	labels_deliver(replay, row->transaction.time_ns);
	risk_view_begin(&view, &replay->accounts[place->account],
	    &replay->terminals[place->terminal], &row->transaction, row->account_id);
	replay->rules_scores[lane] = rules_judge(replay, at, &view);
	risk_features_put(&view, replay->features + lane, RISK_MODEL_STRIDE, RISK_PARTS);
	observe(replay, at, replay->rules_scores[lane]);
	replay->judged[lane] = row_is_judged(replay, at);
}

/* Scores of a burst go out, those of rows that are judged. */
static int burst_finish(struct replay *replay, size_t first, uint32_t rows)
{
	int32_t margins[RISK_MODEL_STRIDE] = { 0 };
	struct eval_scores *scores = replay->scores;
	int result = 0;

	risk_features_finish(replay->features, RISK_MODEL_STRIDE, rows, RISK_PARTS);
	if (replay->model != NULL)
		risk_model_score(replay->model, replay->features, RISK_MODEL_STRIDE, rows, margins);
	for (uint32_t lane = 0; result == 0 && lane < rows; lane++) {
		const struct eval_row *row = &replay->rows[first + lane];
		float margin = (float)margins[lane] / (float)RISK_MODEL_ONE;

		if (!replay->judged[lane])
			continue;
		scores->labels[scores->count] = row->label;
		scores->rules[scores->count] = replay->rules_scores[lane];
		if (replay->model != NULL) {
			scores->model[scores->count] = margin;
			/* 200 points of rules weigh as much as a factor of e in the odds. */
			scores->both[scores->count] = margin + replay->rules_scores[lane] / 200;
		}
		scores->count++;
		if (replay->export != NULL)
			result = eval_export_row(
			    replay->export, row, replay->features + lane, RISK_MODEL_STRIDE);
	}
	return result;
}

/* The decisions of a burst once more, an hour later, to be timed: the rows are in the cache. */
static void burst_decide(struct replay *replay, size_t first, enum part part)
{
	int32_t margins[RISK_MODEL_STRIDE] = { 0 };
	uint64_t begin = clock_ns();

	for (uint32_t lane = 0; lane < RISK_MODEL_STRIDE && part != PART_TREES; lane++) {
		const struct eval_row *row = &replay->rows[first + lane];
		const struct place *place = &replay->places[first + lane];
		struct risk_transaction later = row->transaction;
		struct risk_view view;

		later.time_ns += LATER_NS;
		risk_view_begin(&view, &replay->accounts[place->account],
		    &replay->terminals[place->terminal], &later, row->account_id);
		if (part != PART_MODEL)
			replay->sink += (uint64_t)rules_judge(replay, first + lane, &view);
		if (part != PART_RULES)
			risk_features_put(
			    &view, replay->features + lane, RISK_MODEL_STRIDE, RISK_PARTS);
	}
	if (part != PART_RULES && part != PART_TREES)
		risk_features_finish(
		    replay->features, RISK_MODEL_STRIDE, RISK_MODEL_STRIDE, RISK_PARTS);
	if (part != PART_RULES && replay->model != NULL)
		risk_model_score(
		    replay->model, replay->features, RISK_MODEL_STRIDE, RISK_MODEL_STRIDE, margins);
	part_add(replay, part, (clock_ns() - begin) / RISK_MODEL_STRIDE);
	replay->sink += (uint64_t)(margins[0] + margins[RISK_MODEL_STRIDE - 1]);
}

static void burst_time(struct replay *replay, size_t first, uint32_t rows)
{
	if (first / RISK_MODEL_STRIDE % TIMED_ONE_IN != 0 || rows != RISK_MODEL_STRIDE)
		return;
	for (unsigned part = 0; part < PARTS; part++)
		burst_decide(replay, first, (enum part)part);
}

static int replay_run(struct replay *replay)
{
	int result = 0;

	for (size_t at = 0; result == 0 && at < replay->count; at += RISK_MODEL_STRIDE) {
		size_t left = replay->count - at;
		uint32_t rows = left < RISK_MODEL_STRIDE ? (uint32_t)left : RISK_MODEL_STRIDE;

		for (uint32_t lane = 0; lane < rows; lane++)
			states_fetch(replay, at + lane);
		for (uint32_t lane = 0; lane < rows; lane++)
			row_replay(replay, at + lane, lane);
		result = burst_finish(replay, at, rows);
		burst_time(replay, at, rows);
	}
	return result;
}

static void times_tell(const struct replay *replay, struct eval_scores *scores)
{
	scores->ns_rules = part_median(replay, PART_RULES);
	scores->ns_model = part_median(replay, PART_MODEL);
	scores->ns_both = part_median(replay, PART_BOTH);
	scores->ns_trees = part_median(replay, PART_TREES);
}

static size_t rows_judged(const struct replay *replay)
{
	size_t count = 0;

	for (size_t i = 0; i < replay->count; i++)
		count += row_is_judged(replay, i);
	return count;
}

static int replay_prepare(struct replay *replay)
{
	size_t accounts = 0, terminals = 0, judged = rows_judged(replay);
	struct eval_scores *scores = replay->scores;
	int result;

	replay->places = calloc(replay->count, sizeof(*replay->places));
	if (replay->places == NULL)
		return -ENOMEM;
	result = places_make(replay, &accounts, &terminals);
	if (result != 0)
		return result;
	replay->accounts = calloc(accounts, sizeof(*replay->accounts));
	replay->profiles = calloc(accounts, sizeof(*replay->profiles));
	replay->terminals = calloc(terminals, sizeof(*replay->terminals));
	scores->rules = calloc(judged + 1, sizeof(float));
	scores->model = calloc(judged + 1, sizeof(float));
	scores->both = calloc(judged + 1, sizeof(float));
	scores->labels = calloc(judged + 1, 1);
	if (replay->accounts == NULL || replay->profiles == NULL || replay->terminals == NULL ||
	    scores->rules == NULL || scores->model == NULL || scores->both == NULL ||
	    scores->labels == NULL)
		return -ENOMEM;
	if (replay->options->export_path == NULL)
		return 0;
	return eval_export_open(replay->options->export_path, judged, &replay->export);
}

int eval_replay(const struct eval_options *options, struct eval_rows *rows,
    const struct risk_model *model, struct eval_scores *scores)
{
	struct replay *replay = aligned_alloc(SLUICE_CACHE_LINE_SIZE,
	    (sizeof(*replay) + SLUICE_CACHE_LINE_SIZE - 1) & ~(size_t)(SLUICE_CACHE_LINE_SIZE - 1));
	int result;

	if (replay == NULL)
		return -ENOMEM;
	memset(replay, 0, sizeof(*replay));
	replay->options = options;
	replay->model = model;
	replay->rows = rows->rows;
	replay->count = rows->count;
	replay->scores = scores;
	replay->from_ns = rows->rows[options->history_rows].transaction.time_ns / DAY_NS * DAY_NS +
	                  options->from_day * DAY_NS;
	risk_rules_default(&replay->rules);
	risk_factor_rules_default(&replay->factor_rules);
	result = replay_prepare(replay);
	if (result == 0)
		result = replay_run(replay);
	if (replay->export != NULL) {
		int closed = eval_export_close(replay->export);

		result = result != 0 ? result : closed;
	}
	times_tell(replay, scores);
	free(replay->places);
	free(replay->accounts);
	free(replay->profiles);
	free(replay->terminals);
	free(replay);
	return result;
}
