/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tests/test.h"
#include "tools/risk-eval/eval.h"

static void expect(
    const float *scores, const uint8_t *labels, size_t count, double roc, double pr, double recall)
{
	struct eval_figures figures;

	eval_figures_make(scores, labels, count, &figures);
	if (fabs(figures.roc_auc - roc) > 1e-9 || fabs(figures.pr_auc - pr) > 1e-9 ||
	    fabs(figures.recall_at_1pct_fpr - recall) > 1e-9)
		fail_msg("%f %f %f, expected %f %f %f", figures.roc_auc, figures.pr_auc,
		    figures.recall_at_1pct_fpr, roc, pr, recall);
}

TEST(known_cases)
{
	expect((float[]){ 4, 3, 2, 1 }, (uint8_t[]){ 1, 1, 0, 0 }, 4, 1, 1, 1);
	expect((float[]){ 4, 3, 2, 1 }, (uint8_t[]){ 0, 0, 1, 1 }, 4, 0, 5.0 / 12, 0);
	expect((float[]){ 4, 3, 2, 1 }, (uint8_t[]){ 1, 0, 1, 0 }, 4, 0.75, 5.0 / 6, 0.5);
	/* Equal scores are one threshold: nothing is told apart. */
	expect((float[]){ 1, 1, 1, 1 }, (uint8_t[]){ 1, 0, 1, 0 }, 4, 0.5, 0.5, 0);
	expect((float[]){ 2, 1, 1, 1 }, (uint8_t[]){ 1, 0, 1, 0 }, 4, 0.75, 0.75, 0.5);
}

TEST(one_percent_is_reached_not_passed)
{
	float scores[202];
	uint8_t labels[202] = { 0 };
	struct eval_figures figures;

	for (unsigned i = 0; i < 202; i++)
		scores[i] = (float)(202 - i);
	/* 200 honest: two of them, 1 %, may be above. */
	labels[2] = labels[4] = 1;
	eval_figures_make(scores, labels, 202, &figures);
	assert_true(figures.recall_at_1pct_fpr == 0.5);
	labels[4] = 0;
	labels[3] = 1;
	eval_figures_make(scores, labels, 202, &figures);
	assert_true(figures.recall_at_1pct_fpr == 1);
	assert_int_equal(figures.rows, 202);
	assert_int_equal(figures.positives, 2);
}

TEST(one_class_has_no_figures)
{
	struct eval_figures figures;

	eval_figures_make((float[]){ 1, 2 }, (uint8_t[]){ 1, 1 }, 2, &figures);
	assert_true(isnan(figures.roc_auc) && isnan(figures.recall_at_1pct_fpr));
	eval_figures_make((float[]){ 1, 2 }, (uint8_t[]){ 0, 0 }, 2, &figures);
	assert_true(isnan(figures.pr_auc));
	eval_figures_make((float[]){ 0 }, (uint8_t[]){ 0 }, 0, &figures);
	assert_true(isnan(figures.roc_auc));
}

TEST_MAIN()
