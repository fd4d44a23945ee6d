/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A learned model: boosted trees, flattened. Every tree is complete to the same depth, nodes in
 * order of level, so a decision follows no pointer and takes no branch: all nodes of a tree are
 * compared, for RISK_MODEL_LANES rows at once, and the leaves chosen from the bottom up.
 *
 * Leaves are integers in 1/2^24 of a margin (log of the odds). The sum is therefore the same on
 * every machine and in any order. control/model makes a model from XGBoost's file; this code only
 * evaluates one. Pure; no allocation.
 */
#ifndef SLUICE_RISK_MODEL_H
#define SLUICE_RISK_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define RISK_MODEL_LANES     16
#define RISK_MODEL_BURST     64 /* rows a caller gathers */
#define RISK_MODEL_STRIDE    32 /* of them together; any multiple of the lanes is right */
#define RISK_MODEL_TREES_MAX 1024
#define RISK_MODEL_DEPTH_MAX 6
#define RISK_MODEL_ONE       (1 << 24) /* a margin of 1 */

struct risk_model_node {
	float threshold;       /* value < threshold goes left */
	uint16_t feature;      /* number in the feature vector */
	uint16_t missing_left; /* 1: a value that is not a number goes left, 0: right */
};

/* Followed by nodes[tree_count << depth] (the last of each tree unused), as many leaves and, of
 * small models, the tables of risk_quick.h. */
struct risk_model {
	uint32_t tree_count;
	uint32_t depth; /* 1..RISK_MODEL_DEPTH_MAX */
	uint32_t feature_count;
	uint32_t features_version;
	int32_t base;                      /* margin without any tree */
	int32_t margin_zero, margin_alert; /* 0 points and 60 points; zero < alert */
	uint32_t quick;                    /* 1: risk_model_prepare has made its tables */
	struct risk_model_node nodes[];
};

/* Bytes of a model; tree_count and depth in range. Beginning at a multiple of 64 it is fastest. */
size_t risk_model_size(uint32_t tree_count, uint32_t depth);
/* When nodes and leaves are there: makes what small models answer for single rows faster with.
 * Without it the answers are the same. */
void risk_model_prepare(struct risk_model *model);
int32_t *risk_model_leaves(struct risk_model *model);
/*
 * Margins of `rows` rows. Feature f of row r is features[f * stride + r]; stride is a multiple of
 * RISK_MODEL_LANES, not below rows, and all of it can be read; margins has room for `stride`.
 */
void risk_model_score(const struct risk_model *model, const float *features, uint32_t stride,
    uint32_t rows, int32_t *margins);
/* The same where no value of a row is missing, as with our own features: that is not looked for. */
void risk_model_score_numbers(const struct risk_model *model, const float *features,
    uint32_t stride, uint32_t rows, int32_t *margins);
/* The margin of one row, feature f of which is features[f * stride]: the same, by its tables or by
 * a walk down each tree. Cheaper than lanes that stay empty. */
int32_t risk_model_score_one(
    const struct risk_model *model, const float *features, uint32_t stride);
/* Points a margin adds to the score: 0 at margin_zero, 60 at margin_alert, 0 to 100. */
uint8_t risk_model_points(const struct risk_model *model, int32_t margin);

#endif
