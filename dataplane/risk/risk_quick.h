/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The margin of one row without walking down its trees, after QuickScorer (Lucchese et al., 2015).
 * Of each feature it is told between which of the model's thresholds its value lies; a row of bits
 * for that place has, for every tree, the leaves that are still possible: a node that is gone right
 * at takes those on its left away. What all features leave, lowest bit first, is the leaf. The same
 * leaves as a walk, and so the same sum. Inside of risk_model.c; built once a model is read.
 */
#ifndef SLUICE_RISK_QUICK_H
#define SLUICE_RISK_QUICK_H

#include <stdbool.h>

#include "dataplane/risk/risk_lanes.h"
#include "dataplane/risk/risk_model.h"

#define RISK_QUICK_TREES 64
#define RISK_QUICK_DEPTH 4 /* leaves of a tree are bits of 16 */
#define RISK_QUICK_SLOTS 80
#define RISK_QUICK_NODES (RISK_QUICK_TREES * ((1 << RISK_QUICK_DEPTH) - 1))
_Static_assert(RISK_QUICK_SLOTS % LANES == 0, "slots are compared a vector at a time");

/* Parts begin at multiples of 64. A model that is not at one itself is no error, so none is asked
 * of the compiler. */
struct risk_quick {
	uint32_t features;                  /* that nodes look at; the slots in use */
	uint32_t groups;                    /* of LANES slots */
	uint16_t order[RISK_QUICK_SLOTS];   /* of a slot its feature */
	uint16_t heights[RISK_QUICK_SLOTS]; /* of a group: most thresholds of a slot */
	uint8_t reserved[56];
	int32_t first[RISK_QUICK_SLOTS]; /* of a slot: the row below all thresholds */
	/* Ascending, one behind the other in each lane of a group; NaN: no more. */
	float thresholds[RISK_QUICK_NODES][LANES];
	uint16_t rows[RISK_QUICK_NODES + RISK_QUICK_SLOTS][RISK_QUICK_TREES];
};

_Static_assert(offsetof(struct risk_quick, first) % 64 == 0 &&
                   offsetof(struct risk_quick, thresholds) % 64 == 0 &&
                   offsetof(struct risk_quick, rows) % 64 == 0,
    "vectors lie in one line");

/* Whether a model of this size can have one. */
static inline bool risk_quick_fits(uint32_t tree_count, uint32_t depth)
{
	return tree_count <= RISK_QUICK_TREES && depth <= RISK_QUICK_DEPTH;
}
/* false: a node looks at a feature behind the slots. */
bool risk_quick_make(const struct risk_model *model, struct risk_quick *quick);
/* As risk_model_score_one; false, *margin untouched: a value is missing, walk. */
bool risk_quick_score(const struct risk_model *model, const struct risk_quick *quick,
    const int32_t *leaves, const float *features, uint32_t stride, int32_t *margin);

#endif
