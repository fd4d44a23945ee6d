/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RISK_EVAL_IDS_H
#define SLUICE_RISK_EVAL_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

struct eval_ids_entry;
struct eval_ids {
	struct eval_ids_entry *entries;
	size_t size, count;
};

/* The number of an id, from 0 in order of first sight; fewer than 2^32 - 1 ids. 0 or -ENOMEM. */
SLUICE_MUST_USE int eval_ids_number(struct eval_ids *ids, uint64_t id, uint32_t *number);
void eval_ids_free(struct eval_ids *ids);

#endif
