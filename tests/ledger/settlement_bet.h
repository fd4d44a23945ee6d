/* SPDX-License-Identifier: Apache-2.0 */
/* A bet as the tests of settlement hold it. */
#ifndef SLUICE_TESTS_SETTLEMENT_BET_H
#define SLUICE_TESTS_SETTLEMENT_BET_H

#include "dataplane/ledger/settlement.h"

#define SETTLEMENT_KINDS 7
#define TOO_MUCH         (LIMIT_PAYOUT_MAX + 1)

struct bet {
	int64_t stake;
	unsigned count;
	struct settlement_leg legs[LIMIT_BET_LEGS_MAX];
};

static inline struct settlement_result settle(const struct bet *bet)
{
	return settlement_bet(bet->stake, bet->legs, bet->count);
}

#endif
