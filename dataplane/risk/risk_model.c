/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_model.h"

#include <stdbool.h>
#include <string.h>

/* The compiler's vectors, as wide as the machine's: no intrinsics, and it builds everywhere. */
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
_Static_assert(RISK_MODEL_LANES % LANES == 0, "callers' bursts are whole vectors");
typedef float lanes_float __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES)));

#define POINTS_ALERT 60
#define POINTS_MAX   100

size_t risk_model_size(uint32_t tree_count, uint32_t depth)
{
	return sizeof(struct risk_model) +
	       ((size_t)tree_count << depth) * (sizeof(struct risk_model_node) + sizeof(int32_t));
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

static inline lanes_float lanes_load(const float *values)
{
	lanes_float lanes;

	memcpy(&lanes, values, sizeof(lanes));
	return lanes;
}

static inline lanes_int choose(lanes_int right, lanes_int yes, lanes_int no)
{
	return (right & yes) | (~right & no);
}

/* Lanes of all ones that go right at this node. */
static inline lanes_int goes_right(
    const struct risk_model_node *node, const float *features, uint32_t stride, bool missing)
{
	lanes_float value = lanes_load(features + (size_t)node->feature * stride);
	lanes_int right = (lanes_int)(value >= node->threshold);

	if (missing)
		right |= (lanes_int)(value != value) & (int32_t)(node->missing_left - 1);
	return right;
}

/* `depth` and `missing` are constants where this is called, so that all loops are unrolled. */
static inline __attribute__((always_inline)) void score_lanes(const struct risk_model *model,
    const float *features, uint32_t stride, int32_t *margins, const uint32_t depth,
    const bool missing)
{
	const struct risk_model_node *nodes = model->nodes;
	const int32_t *leaves = leaves_of(model);
	lanes_int sum = (lanes_int){ 0 } + model->base;

	for (uint32_t tree = 0; tree < model->tree_count; tree++) {
		lanes_int values[1u << (RISK_MODEL_DEPTH_MAX - 1)];
		uint32_t width = 1u << (depth - 1);

		for (uint32_t i = 0; i < width; i++)
			values[i] = choose(
			    goes_right(&nodes[width - 1 + i], features, stride, missing),
			    (lanes_int){ 0 } + leaves[2 * i + 1], (lanes_int){ 0 } + leaves[2 * i]);
		for (width /= 2; width != 0; width /= 2)
			for (uint32_t i = 0; i < width; i++)
				values[i] = choose(
				    goes_right(&nodes[width - 1 + i], features, stride, missing),
				    values[2 * i + 1], values[2 * i]);
		sum += values[0];
		nodes += 1u << depth;
		leaves += 1u << depth;
	}
	memcpy(margins, &sum, sizeof(sum));
}

#define SCORE_DEPTH(depth)                                                                         \
	static void score_##depth(const struct risk_model *model, const float *features,           \
	    uint32_t stride, int32_t *margins, bool missing)                                       \
	{                                                                                          \
		if (missing)                                                                       \
			score_lanes(model, features, stride, margins, depth, true);                \
		else                                                                               \
			score_lanes(model, features, stride, margins, depth, false);               \
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

void risk_model_score(const struct risk_model *model, const float *features, uint32_t stride,
    uint32_t rows, int32_t *margins)
{
	static void (*const by_depth[RISK_MODEL_DEPTH_MAX + 1])(const struct risk_model *,
	    const float *, uint32_t, int32_t *,
	    bool) = { NULL, score_1, score_2, score_3, score_4, score_5, score_6 };

	for (uint32_t row = 0; row < rows; row += LANES)
		by_depth[model->depth](model, features + row, stride, margins + row,
		    any_missing(model, features + row, stride));
}

uint8_t risk_model_points(const struct risk_model *model, int32_t margin)
{
	int64_t span = (int64_t)model->margin_alert - model->margin_zero;
	int64_t points = ((int64_t)margin - model->margin_zero) * POINTS_ALERT / span;

	if (points < 0)
		return 0;
	return (uint8_t)(points < POINTS_MAX ? points : POINTS_MAX);
}
