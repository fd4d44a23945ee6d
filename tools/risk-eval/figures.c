/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/risk-eval/eval.h"

#include <math.h>
#include <stdlib.h>

#define FALSE_SHARE_MAX 0.01

struct scored {
	float score;
	uint8_t label;
};

static int by_score_down(const void *left, const void *right)
{
	const struct scored *a = left, *b = right;

	return a->score > b->score ? -1 : a->score < b->score;
}

/* One threshold after another, from the highest score down; equal scores are one threshold. */
static void curve_walk(
    const struct scored *sorted, size_t count, uint64_t positives, struct eval_figures *figures)
{
	uint64_t negatives = count - positives, hits = 0, misses = 0;
	double area = 0, precision_area = 0, recall = 0;

	for (size_t i = 0; i < count;) {
		uint64_t hits_before = hits, misses_before = misses;
		float score = sorted[i].score;

		for (; i < count && sorted[i].score == score; i++) {
			hits += sorted[i].label;
			misses += !sorted[i].label;
		}
		area += (double)(misses - misses_before) * (double)(hits + hits_before) / 2;
		precision_area +=
		    (double)(hits - hits_before) * (double)hits / (double)(hits + misses);
		if ((double)misses <= FALSE_SHARE_MAX * (double)negatives)
			recall = (double)hits / (double)positives;
	}
	figures->roc_auc = area / ((double)positives * (double)negatives);
	figures->pr_auc = precision_area / (double)positives;
	figures->recall_at_1pct_fpr = recall;
}

void eval_figures_make(
    const float *scores, const uint8_t *labels, size_t count, struct eval_figures *figures)
{
	struct scored *sorted = malloc((count + 1) * sizeof(*sorted));

	*figures = (struct eval_figures){ (double)NAN, (double)NAN, (double)NAN, count, 0 };
	SLUICE_REQUIRE(sorted != NULL);
	for (size_t i = 0; i < count; i++) {
		sorted[i] = (struct scored){ scores[i], labels[i] };
		figures->positives += labels[i];
	}
	qsort(sorted, count, sizeof(*sorted), by_score_down);
	if (figures->positives != 0 && figures->positives != count)
		curve_walk(sorted, count, figures->positives, figures);
	free(sorted);
}
