/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XGBoost's JSON model files as struct risk_model. Whatever the text holds, a model is returned
 * only if all of it was understood: trees for binary:logistic, the features of this version by name
 * and order, finite numbers, whole trees not deeper than RISK_MODEL_DEPTH_MAX.
 */
#ifndef SLUICE_CONTROL_MODEL_LOAD_H
#define SLUICE_CONTROL_MODEL_LOAD_H

#include <stddef.h>

#include "dataplane/risk/risk_model.h"
#include "wire/assert.h"

#define MODEL_TEXT_MAX (64u << 20)

/* 0 and a model to be freed with free(); -EBADMSG or -ENOMEM with *why, which is never freed. */
SLUICE_MUST_USE int model_load(
    const char *text, size_t size, struct risk_model **out, const char **why);

#endif
