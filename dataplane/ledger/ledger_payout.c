/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ledger/ledger.h"

/* stake < 2^40 and ten odds < 2^24 each: 280 bits, nine limbs of 32 bits. */
#define PAYOUT_LIMBS 9

static int64_t payout_wide(int64_t stake, const uint32_t *odds, unsigned count)
{
	uint64_t limbs[PAYOUT_LIMBS] = { (uint32_t)stake, (uint64_t)stake >> 32 };
	uint64_t high = 0;

	for (unsigned leg = 0; leg < count; leg++) {
		uint64_t carry = 0;

		for (unsigned i = 0; i < PAYOUT_LIMBS; i++) {
			carry += limbs[i] * odds[leg];
			limbs[i] = (uint32_t)carry;
			carry >>= 32;
		}
		SLUICE_REQUIRE(carry == 0);
	}
	/* floor(floor(x / 1,000) / 1,000) = floor(x / 1,000,000): still one rounding. */
	for (unsigned leg = 0; leg < count; leg++) {
		uint64_t rest = 0;

		for (unsigned i = PAYOUT_LIMBS; i-- > 0;) {
			rest = rest << 32 | limbs[i];
			limbs[i] = rest / 1000;
			rest %= 1000;
		}
	}
	for (unsigned i = 2; i < PAYOUT_LIMBS; i++)
		high |= limbs[i];
	if (high != 0 || (limbs[1] << 32 | limbs[0]) > LIMIT_PAYOUT_MAX)
		return LIMIT_PAYOUT_MAX + 1;
	return (int64_t)(limbs[1] << 32 | limbs[0]);
}

int64_t ledger_payout(int64_t stake, const uint32_t *odds, unsigned count)
{
	unsigned __int128 product;
	uint64_t divisor = 1000;

	SLUICE_REQUIRE(stake >= 0 && stake <= LIMIT_STAKE_MAX && count <= LIMIT_BET_LEGS_MAX);
	for (unsigned leg = 0; leg < count; leg++)
		SLUICE_REQUIRE(odds[leg] <= LIMIT_ODDS_MAX);
	if (count == 1) { /* 10^12 * 10^7 < 2^64 */
		uint64_t payout = (uint64_t)stake * odds[0] / 1000;

		return payout > LIMIT_PAYOUT_MAX ? LIMIT_PAYOUT_MAX + 1 : (int64_t)payout;
	}
	if (count > 3)
		return payout_wide(stake, odds, count);
	if (count == 0)
		return stake;
	product = (unsigned __int128)((uint64_t)stake * odds[0]); /* three legs: 10^33 < 2^128 */
	for (unsigned leg = 1; leg < count; leg++) {
		product *= odds[leg];
		divisor *= 1000;
	}
	product /= divisor;
	return product > LIMIT_PAYOUT_MAX ? LIMIT_PAYOUT_MAX + 1 : (int64_t)product;
}
