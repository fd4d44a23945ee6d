/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: model_load, risk_model_score; eval_header_parse, eval_line_parse (transactions of
 * risk-eval), risk_features_fill.
 *
 * First byte: 3 a model in XGBoost's JSON, else the format of a file of transactions, its lines
 * observed one after another. A model that is accepted scores inside of its bounds, features are
 * numbers whatever the file says.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "control/model/model_load.h"
#include "tests/fuzz/fuzz.h"
#include "tools/risk-eval/eval.h"

#define MARGIN_MAX (101 * (int64_t)RISK_MODEL_ONE)

static void model_try(const char *text, size_t size)
{
	static float features[RISK_FEATURE_COUNT * RISK_MODEL_LANES];
	int32_t margins[RISK_MODEL_LANES];
	struct risk_model *model = NULL;
	const char *why = NULL;

	if (model_load(text, size, &model, &why) != 0) {
		SLUICE_REQUIRE(model == NULL && why != NULL && why[0] != '\0');
		return;
	}
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(features); i++)
		features[i] = i % 17 == 3 ? NAN : (float)(i * 7919 % 4001) - 2000.0f;
	risk_model_score(model, features, RISK_MODEL_LANES, RISK_MODEL_LANES, margins);
	for (size_t i = 0; i < RISK_MODEL_LANES; i++) {
		SLUICE_REQUIRE(margins[i] <= MARGIN_MAX && margins[i] >= -MARGIN_MAX);
		SLUICE_REQUIRE(risk_model_points(model, margins[i]) <= 100);
	}
	free(model);
}

/* Judged, then observed, as risk-eval does. */
static void row_try(struct risk_account_state *account, struct risk_terminal_state *terminal,
    const struct eval_row *row)
{
	const struct risk_transaction *transaction = &row->transaction;
	float features[RISK_FEATURE_COUNT];
	struct risk_view view;

	SLUICE_REQUIRE(transaction->amount >= 0 && transaction->kind < RISK_KIND_COUNT);
	SLUICE_REQUIRE(row->label <= 1);
	risk_view_make(&view, account, terminal, transaction, row->account_id);
	risk_features_fill(&view, features, 1);
	for (size_t i = 0; i < RISK_FEATURE_COUNT; i++)
		SLUICE_REQUIRE(isfinite(features[i]));
	risk_account_observe(account, transaction);
	risk_account_receive(
	    account, transaction->time_ns, transaction->amount, transaction->terminal_id);
	risk_terminal_observe(terminal, transaction, row->account_id);
	risk_feedback_label(
	    &terminal->feedback, transaction->time_ns, transaction->time_ns, row->label);
}

static void rows_try(enum eval_format format, char *text)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct eval_columns columns = { 0 };
	struct eval_row row;
	char *rest = NULL, *line = strtok_r(text, "\n", &rest);

	if (line == NULL || eval_header_parse(line, format, &columns) != NULL)
		return;
	risk_account_init(&account, 0);
	risk_terminal_init(&terminal, 0);
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL)
		if (eval_line_parse(line, format, &columns, &row) == NULL)
			row_try(&account, &terminal, &row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0 || size > 65536)
		return 0;
	/* A copy of its own size, so that a read behind the end is seen. */
	text = malloc(size);
	SLUICE_REQUIRE(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % 4 == EVAL_FORMATS)
		model_try(text, size - 1);
	else
		rows_try((enum eval_format)(data[0] % 4), text);
	free(text);
	return 0;
}
