/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_quick.h"

#include <math.h>

/* ---- Making one ---- */

/* Thresholds of a feature, ascending, each once. Returns how many. */
static uint32_t thresholds_of(
    const struct risk_model *model, uint32_t feature, float values[RISK_QUICK_NODES])
{
	uint32_t per_tree = 1u << model->depth, count = 0;

	for (uint32_t i = 0; i < model->tree_count * per_tree; i++) {
		const struct risk_model_node *node = &model->nodes[i];
		uint32_t at = 0;

		if (i % per_tree == per_tree - 1 || node->feature != feature)
			continue;
		while (at < count && values[at] < node->threshold)
			at++;
		if (at < count && values[at] == node->threshold)
			continue;
		memmove(values + at + 1, values + at, (count - at) * sizeof(*values));
		values[at] = node->threshold;
		count++;
	}
	return count;
}

/* The leaves that are left when a node is gone right at; `place` counts from the root, by levels.
 */
static uint16_t leaves_left(uint32_t depth, uint32_t place)
{
	uint32_t level = 31u - (uint32_t)__builtin_clz(place + 1);
	uint32_t width = 1u << (depth - level), first = (place + 1 - (1u << level)) * width;

	return (uint16_t) ~(((1u << width / 2) - 1) << first);
}

/* From the row below a threshold the one from it on. */
static void row_make(const struct risk_model *model, uint32_t feature, float threshold,
    const uint16_t *below, uint16_t *row)
{
	uint32_t per_tree = 1u << model->depth;

	memcpy(row, below, sizeof(uint16_t) * RISK_QUICK_TREES);
	for (uint32_t tree = 0; tree < model->tree_count; tree++)
		for (uint32_t place = 0; place < per_tree - 1; place++) {
			const struct risk_model_node *node = &model->nodes[tree * per_tree + place];

			if (node->feature == feature && node->threshold == threshold)
				row[tree] &= leaves_left(model->depth, place);
		}
}

/* Slots in the order of their number of thresholds, so that those of a group are about as many. */
static void slots_order(struct risk_quick *quick, const struct risk_model *model,
    uint16_t counts[RISK_QUICK_SLOTS], float values[RISK_QUICK_NODES])
{
	for (uint16_t feature = 0; feature < RISK_QUICK_SLOTS; feature++) {
		uint16_t count = (uint16_t)thresholds_of(model, feature, values);
		uint32_t at = quick->features;

		if (count == 0)
			continue;
		for (; at > 0 && counts[at - 1] < count; at--) {
			counts[at] = counts[at - 1];
			quick->order[at] = quick->order[at - 1];
		}
		counts[at] = count;
		quick->order[at] = feature;
		quick->features++;
	}
}

bool risk_quick_make(const struct risk_model *model, struct risk_quick *quick)
{
	uint16_t counts[RISK_QUICK_SLOTS] = { 0 };
	float values[RISK_QUICK_NODES];
	uint32_t row = 0, line = 0;

	for (uint32_t i = 0; i < model->tree_count << model->depth; i++)
		if (model->nodes[i].feature >= RISK_QUICK_SLOTS)
			return false;
	memset(quick, 0, sizeof(*quick));
	slots_order(quick, model, counts, values);
	quick->groups = (quick->features + LANES - 1) / LANES;
	for (uint32_t i = 0; i < RISK_QUICK_NODES; i++)
		for (uint32_t lane = 0; lane < LANES; lane++)
			quick->thresholds[i][lane] = NAN;
	for (uint32_t slot = 0; slot < quick->features; slot++) {
		uint32_t feature = quick->order[slot], group = slot / LANES;

		if (slot % LANES == 0) {
			line += slot == 0 ? 0 : quick->heights[group - 1];
			quick->heights[group] = counts[slot];
		}
		(void)thresholds_of(model, feature, values);
		quick->first[slot] = (int32_t)row;
		memset(quick->rows[row], 0xff, sizeof(quick->rows[row]));
		for (uint32_t i = 0; i < counts[slot]; i++, row++) {
			quick->thresholds[line + i][slot % LANES] = values[i];
			row_make(model, feature, values[i], quick->rows[row], quick->rows[row + 1]);
		}
		row++;
	}
	return true;
}

/* ---- Asking one ---- */

#define PIECES (sizeof(uint16_t) * RISK_QUICK_TREES / sizeof(lanes_int))

/* Of each slot its row. false: one has no number. */
static bool rows_find(const struct risk_quick *quick, const float *features, uint32_t stride,
    int32_t rows[RISK_QUICK_SLOTS])
{
	const float(*line)[LANES] = quick->thresholds;
	_Alignas(64) float values[RISK_QUICK_SLOTS];
	lanes_int missing = { 0 };
	int32_t any = 0;

	for (uint32_t slot = 0; slot < quick->groups * LANES; slot++)
		values[slot] = features[(size_t)quick->order[slot] * stride];
	for (uint32_t group = 0; group < quick->groups; group++) {
		lanes_float value = lanes_load(values + group * LANES);
		lanes_int row;

		memcpy(&row, quick->first + group * LANES, sizeof(row));
		for (uint32_t i = 0; i < quick->heights[group]; i++, line++)
			row -= (lanes_int)(value >= lanes_load(*line));
		missing |= (lanes_int)(value != value);
		memcpy(rows + group * LANES, &row, sizeof(row));
	}
	for (unsigned i = 0; i < LANES; i++)
		any |= missing[i];
	return any == 0;
}

bool risk_quick_score(const struct risk_model *model, const struct risk_quick *quick,
    const int32_t *leaves, const float *features, uint32_t stride, int32_t *margin)
{
	_Alignas(64) int32_t rows[RISK_QUICK_SLOTS];
	uint16_t possible[RISK_QUICK_TREES];
	uint32_t depth = model->depth;
	lanes_int left[PIECES];
	int32_t sum = model->base;

	if (!rows_find(quick, features, stride, rows))
		return false;
	memset(left, 0xff, sizeof(left));
	for (uint32_t slot = 0; slot < quick->features; slot++) {
		const uint16_t *row = quick->rows[rows[slot]];

		for (size_t i = 0; i < PIECES; i++) {
			lanes_int piece;

			memcpy(&piece, row + i * sizeof(piece) / sizeof(*row), sizeof(piece));
			left[i] &= piece;
		}
	}
	memcpy(possible, left, sizeof(possible));
	for (uint32_t tree = 0; tree < model->tree_count; tree++)
		sum += leaves[(tree << depth) + (uint32_t)__builtin_ctz(possible[tree])];
	*margin = sum;
	return true;
}
