/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_model.h"

#include <stdbool.h>

#include "dataplane/risk/risk_lanes.h"
#include "dataplane/risk/risk_quick.h"

_Static_assert(RISK_MODEL_LANES % LANES == 0, "callers' bursts are whole vectors");

#define POINTS_ALERT 60
#define POINTS_MAX   100

#define ALIGNMENT 64
/* Up to so many rows that fill no vector are asked about one by one. */
#define SINGLE_ROWS 3

/* Where the tables of a small model begin. */
static size_t quick_at(uint32_t tree_count, uint32_t depth)
{
	size_t size =
	    sizeof(struct risk_model) +
	    ((size_t)tree_count << depth) * (sizeof(struct risk_model_node) + sizeof(int32_t));

	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t risk_model_size(uint32_t tree_count, uint32_t depth)
{
	return quick_at(tree_count, depth) +
	       (risk_quick_fits(tree_count, depth) ? sizeof(struct risk_quick) : 0);
}

void risk_model_prepare(struct risk_model *model)
{
	size_t at = quick_at(model->tree_count, model->depth);

	model->quick = 0;
	if (risk_quick_fits(model->tree_count, model->depth))
		model->quick = risk_quick_make(model, (void *)((uint8_t *)model + at));
}

static const int32_t *leaves_of(const struct risk_model *model)
{
	return (const int32_t *)(const void *)(model->nodes +
	                                       ((size_t)model->tree_count << model->depth));
}

int32_t *risk_model_leaves(struct risk_model *model)
{
	return (int32_t *)(void *)(model->nodes + ((size_t)model->tree_count << model->depth));
}

/* Lanes that go right at this node. */
static inline __attribute__((always_inline)) lanes_mask goes_right(
    const struct risk_model_node *node, const float *features, uint32_t stride, bool missing)
{
	lanes_float value = lanes_load(features + (size_t)node->feature * stride);
	lanes_mask right = lanes_at_least(value, node->threshold);

	if (missing)
		right |= lanes_missing(value) & lanes_mask_all(!node->missing_left);
	return right;
}

/*
 * `depth`, `vectors`, `stride` of a burst and `missing` are constants where this is called, so that
 * all loops are unrolled. Two vectors share what is read of a node: a burst is two of the widest.
 */
static inline LANES_INLINE void score_lanes(const struct risk_model *model, const float *features,
    const uint32_t stride, int32_t *margins, const uint32_t depth, const uint32_t vectors,
    const bool missing)
{
	const struct risk_model_node *nodes = model->nodes;
	const int32_t *leaves = leaves_of(model);
	lanes_int sum[2] = { (lanes_int){ 0 } + model->base, (lanes_int){ 0 } + model->base };

	for (uint32_t tree = 0; tree < model->tree_count; tree++) {
		lanes_int values[1u << (RISK_MODEL_DEPTH_MAX - 1)][2];
		const uint32_t wide = 1u << (depth - 1);

		LANES_UNROLL(32)
		for (uint32_t i = 0; i < wide; i++) {
			LANES_UNROLL(2)
			for (uint32_t k = 0; k < vectors; k++)
				values[i][k] = lanes_mix(goes_right(&nodes[wide - 1 + i],
				                             features + k * LANES, stride, missing),
				    (lanes_int){ 0 } + leaves[2 * i + 1],
				    (lanes_int){ 0 } + leaves[2 * i]);
		}
		LANES_UNROLL(8)
		for (uint32_t level = 1; level < depth; level++) {
			LANES_UNROLL(16)
			for (uint32_t i = 0; i < wide >> level; i++) {
				LANES_UNROLL(2)
				for (uint32_t k = 0; k < vectors; k++)
					values[i][k] =
					    lanes_mix(goes_right(&nodes[(wide >> level) - 1 + i],
					                  features + k * LANES, stride, missing),
					        values[2 * i + 1][k], values[2 * i][k]);
			}
		}
		for (uint32_t k = 0; k < vectors; k++)
			sum[k] += values[0][k];
		nodes += 1u << depth;
		leaves += 1u << depth;
	}
	for (uint32_t k = 0; k < vectors; k++)
		memcpy(margins + k * LANES, &sum[k], sizeof(sum[k]));
}

#define SCORE_DEPTH(depth)                                                                         \
	static void score_##depth(const struct risk_model *model, const float *features,           \
	    uint32_t stride, int32_t *margins, bool two, bool missing)                             \
	{                                                                                          \
		if (missing && two)                                                                \
			score_lanes(model, features, stride, margins, depth, 2, true);             \
		else if (missing)                                                                  \
			score_lanes(model, features, stride, margins, depth, 1, true);             \
		else if (two && stride == RISK_MODEL_STRIDE)                                       \
			score_lanes(model, features, RISK_MODEL_STRIDE, margins, depth, 2, false); \
		else if (two)                                                                      \
			score_lanes(model, features, stride, margins, depth, 2, false);            \
		else                                                                               \
			score_lanes(model, features, stride, margins, depth, 1, false);            \
	}
SCORE_DEPTH(1)
SCORE_DEPTH(2)
SCORE_DEPTH(3)
SCORE_DEPTH(4)
SCORE_DEPTH(5)
SCORE_DEPTH(6)

/* Our own features are always numbers: then the cheaper comparison does. */
static bool any_missing(const struct risk_model *model, const float *features, uint32_t stride)
{
	lanes_int found = { 0 };
	int32_t any = 0;

	for (uint32_t i = 0; i < model->feature_count; i++) {
		lanes_float value = lanes_load(features + (size_t)i * stride);

		found |= (lanes_int)(value != value);
	}
	for (unsigned i = 0; i < LANES; i++)
		any |= found[i];
	return any != 0;
}

/* A walk down each tree. */
static int32_t walk(const struct risk_model *model, const float *features, uint32_t stride)
{
	const struct risk_model_node *nodes = model->nodes;
	const int32_t *leaves = leaves_of(model);
	uint32_t depth = model->depth;
	int32_t sum = model->base;

	for (uint32_t tree = 0; tree < model->tree_count; tree++) {
		uint32_t at = 0;

		for (uint32_t level = 0; level < depth; level++) {
			const struct risk_model_node *node = &nodes[at];
			float value = features[(size_t)node->feature * stride];
			uint32_t right = (uint32_t)(value >= node->threshold) |
			                 ((uint32_t)(value != value) & (node->missing_left ^ 1u));

			at = 2 * at + 1 + right;
		}
		sum += leaves[at - ((1u << depth) - 1)];
		nodes += 1u << depth;
		leaves += 1u << depth;
	}
	return sum;
}

int32_t risk_model_score_one(const struct risk_model *model, const float *features, uint32_t stride)
{
	const uint8_t *tables = (const uint8_t *)model + quick_at(model->tree_count, model->depth);
	int32_t margin;

	if (model->quick && risk_quick_score(model, (const void *)tables, leaves_of(model),
	                        features, stride, &margin))
		return margin;
	return walk(model, features, stride);
}

/* `numbers`: no value is missing. */
static void score_rows(const struct risk_model *model, const float *features, uint32_t stride,
    uint32_t rows, int32_t *margins, bool numbers)
{
	static void (*const by_depth[RISK_MODEL_DEPTH_MAX + 1])(const struct risk_model *,
	    const float *, uint32_t, int32_t *, bool,
	    bool) = { NULL, score_1, score_2, score_3, score_4, score_5, score_6 };

	for (uint32_t row = 0; row < rows;) {
		if (model->quick && rows - row <= SINGLE_ROWS) {
			margins[row] = risk_model_score_one(model, features + row, stride);
			row++;
			continue;
		}
		bool two = row + LANES < rows;
		bool missing =
		    !numbers && (any_missing(model, features + row, stride) ||
		                    (two && any_missing(model, features + row + LANES, stride)));

		by_depth[model->depth](model, features + row, stride, margins + row, two, missing);
		row += two ? 2 * LANES : LANES;
	}
}

void risk_model_score(const struct risk_model *model, const float *features, uint32_t stride,
    uint32_t rows, int32_t *margins)
{
	score_rows(model, features, stride, rows, margins, false);
}

void risk_model_score_numbers(const struct risk_model *model, const float *features,
    uint32_t stride, uint32_t rows, int32_t *margins)
{
	score_rows(model, features, stride, rows, margins, true);
}

uint8_t risk_model_points(const struct risk_model *model, int32_t margin)
{
	int64_t span = (int64_t)model->margin_alert - model->margin_zero;
	int64_t points;

	if (margin <= model->margin_zero) /* mostly */
		return 0;
	points = ((int64_t)margin - model->margin_zero) * POINTS_ALERT / span;
	return (uint8_t)(points < POINTS_MAX ? points : POINTS_MAX);
}
