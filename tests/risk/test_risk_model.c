/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model_file.h"
#include "tests/test.h"
#include "wire/assert.h"

#define FEATURES 9
#define STRIDE   RISK_MODEL_STRIDE

static struct risk_model *model_make(uint32_t trees, uint32_t depth, uint64_t *state)
{
	struct risk_model *model = calloc(1, risk_model_size(trees, depth));

	assert_non_null(model);
	model->tree_count = trees;
	model->depth = depth;
	model->feature_count = FEATURES;
	model->base = -RISK_MODEL_ONE;
	model->margin_alert = RISK_MODEL_ONE;
	for (uint32_t i = 0; i < trees << depth; i++) {
		model->nodes[i].feature = (uint16_t)(test_random(state) % FEATURES);
		model->nodes[i].missing_left = (uint16_t)(test_random(state) % 2);
		model->nodes[i].threshold = (float)(test_random(state) % 16);
		risk_model_leaves(model)[i] = (int32_t)(test_random(state) % 2000) - 1000;
	}
	return model;
}

/* The definition: from the root down, one node after another. */
static int32_t walk(struct risk_model *model, const float *features, uint32_t row)
{
	int32_t sum = model->base;

	for (uint32_t tree = 0; tree < model->tree_count; tree++) {
		uint32_t place = 0, first = tree << model->depth;

		for (uint32_t level = 0; level < model->depth; level++) {
			const struct risk_model_node *node = &model->nodes[first + place];
			float value = features[node->feature * STRIDE + row];
			bool left = isnan(value) ? node->missing_left : value < node->threshold;

			place = 2 * place + (left ? 1 : 2);
		}
		sum += risk_model_leaves(model)[first + place + 1 - (1u << model->depth)];
	}
	return sum;
}

/* Values on the thresholds, beside them, infinite and missing; any number of rows; with the tables
 * of small models and without. */
TEST(margins_are_those_of_a_walk_down_the_trees)
{
	uint64_t draws = test_seed();

	for (unsigned round = 0; round < 240; round++) {
		uint32_t depth = round % RISK_MODEL_DEPTH_MAX + 1;
		uint32_t trees = (uint32_t)(test_random(&draws) % 70) + 1;
		uint32_t rows = (uint32_t)(test_random(&draws) % STRIDE) + 1;
		struct risk_model *model = model_make(trees, depth, &draws);
		float features[FEATURES * STRIDE];
		int32_t margins[STRIDE];

		if (round % 4 != 0) {
			risk_model_prepare(model);
			assert_case_equal(round, model->quick, trees <= 64 && depth <= 4);
		}
		for (unsigned i = 0; i < FEATURES * STRIDE; i++) {
			uint64_t draw = test_random(&draws) % 40;

			features[i] = draw < 34   ? (float)draw / 2
			              : draw < 36 ? INFINITY
			                          : -INFINITY;
			if (draw == 39 && round % 2 == 0)
				features[i] = NAN;
		}
		if (round % 2 == 0)
			risk_model_score(model, features, STRIDE, rows, margins);
		else
			risk_model_score_numbers(model, features, STRIDE, rows, margins);
		for (uint32_t row = 0; row < rows; row++) {
			int32_t right = walk(model, features, row);

			assert_case_equal(row, margins[row], right);
			assert_case_equal(
			    row, risk_model_score_one(model, features + row, STRIDE), right);
		}
		free(model);
	}
}

TEST(missing_goes_where_the_node_says)
{
	uint64_t draws = 1;
	struct risk_model *model = model_make(1, 1, &draws);
	float features[FEATURES * STRIDE];
	int32_t margins[STRIDE];

	for (unsigned i = 0; i < FEATURES * STRIDE; i++)
		features[i] = NAN;
	model->base = 0;
	risk_model_leaves(model)[0] = 10;
	risk_model_leaves(model)[1] = 20;
	for (uint16_t left = 0; left < 2; left++) {
		model->nodes[0].missing_left = left;
		risk_model_score(model, features, STRIDE, 1, margins);
		assert_int_equal(margins[0], left ? 10 : 20);
		assert_int_equal(risk_model_score_one(model, features, STRIDE), left ? 10 : 20);
	}
	free(model);
}

TEST(points_of_a_margin)
{
	struct risk_model model = { .margin_zero = -2000, .margin_alert = 4000 };
	static const struct {
		int32_t margin;
		uint8_t points;
	} cases[] = { { INT32_MIN, 0 }, { -2001, 0 }, { -2000, 0 }, { -1901, 0 }, { -1900, 1 },
		{ 3999, 59 }, { 4000, 60 }, { 4100, 61 }, { 7999, 99 }, { 8000, 100 },
		{ INT32_MAX, 100 } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i, risk_model_points(&model, cases[i].margin), cases[i].points);
}

/* ---- As a file ---- */

static struct risk_model *small_model(void)
{
	struct risk_model *model = calloc(1, risk_model_size(3, 2));
	int32_t *leaves;

	assert_non_null(model);
	*model = (struct risk_model){ .tree_count = 3,
		.depth = 2,
		.feature_count = RISK_FEATURE_COUNT,
		.features_version = RISK_FEATURES_VERSION,
		.base = -5,
		.margin_zero = -7,
		.margin_alert = 9 };
	leaves = risk_model_leaves(model);
	for (unsigned i = 0; i < 12; i++) {
		model->nodes[i] = (struct risk_model_node){ (float)i - 3.5f, (uint16_t)i, i % 2 };
		leaves[i] = (int32_t)i - 6;
	}
	return model;
}

TEST(a_file_holds_the_model)
{
	size_t size = risk_model_file_size(3, 2), room = risk_model_size(3, 2);
	struct risk_model *model = small_model(), *back = calloc(1, room);
	uint8_t *file = malloc(size);

	risk_model_file_make(model, 4, file);
	risk_model_prepare(model); /* as reading does */
	assert_int_equal(risk_model_file_read(file, size, 4, back, room), 0);
	assert_memory_equal(back, model, room);
	assert_int_equal(risk_model_file_read(file, size, 5, back, room), -EBADMSG);
	assert_int_equal(risk_model_file_read(file, size, 4, back, room - 1), -ENOSPC);
	for (size_t short_of = 0; short_of < size; short_of++)
		assert_int_equal(risk_model_file_read(file, short_of, 4, back, room), -EBADMSG);
	for (size_t i = 0; i < size; i++) {
		file[i] ^= 1;
		assert_case_equal(i, risk_model_file_read(file, size, 4, back, room), -EBADMSG);
		file[i] ^= 1;
	}
	free(file);
	free(back);
	free(model);
}

/* As a model of the first version of the features. */
static struct risk_model *older_make(struct risk_model *model)
{
	model->features_version = 1;
	model->feature_count = risk_features_count(1);
	return model;
}

/* Its features are the first of this version's: it goes on as it is. */
TEST(a_file_of_older_features_holds_the_model)
{
	size_t size = risk_model_file_size(3, 2), room = risk_model_size(3, 2);
	struct risk_model *model = older_make(small_model()), *back = calloc(1, room);
	uint8_t *file = malloc(size);

	model->nodes[3].feature = (uint16_t)(model->feature_count - 1);
	risk_model_file_make(model, 4, file);
	risk_model_prepare(model);
	assert_int_equal(risk_model_file_read(file, size, 4, back, room), 0);
	assert_memory_equal(back, model, room);
	free(file);
	free(back);
	free(model);
}

/* What a model itself must not say, with the checksum made right. */
TEST(a_file_of_a_model_that_cannot_be_is_refused)
{
	size_t size = risk_model_file_size(3, 2), room = risk_model_size(3, 2);
	struct risk_model *back = calloc(1, room);
	uint8_t *file = malloc(size);

	for (unsigned i = 0; i < 9; i++) {
		struct risk_model *model = small_model();

		if (i == 0)
			model->nodes[3].threshold = INFINITY;
		else if (i == 1)
			model->nodes[3].feature = RISK_FEATURE_COUNT;
		else if (i == 2)
			model->nodes[3].missing_left = 2;
		else if (i == 3)
			model->features_version++;
		else if (i == 4)
			model->margin_zero = model->margin_alert;
		else if (i == 5)
			risk_model_leaves(model)[0] = INT32_MIN;
		else if (i == 6)
			model->feature_count--;
		else if (i == 7)
			model->features_version = model->feature_count = 0;
		else
			older_make(model)->nodes[3].feature = (uint16_t)risk_features_count(1);
		risk_model_file_make(model, 4, file);
		assert_case_equal(i, risk_model_file_read(file, size, 4, back, room), -EBADMSG);
		free(model);
	}
	free(file);
	free(back);
}

TEST_MAIN()
