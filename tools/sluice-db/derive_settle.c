/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payouts worked out a second time. A leg is worth a fraction n / d of what is staked on it, and a
 * bet pays floor(stake * n1 * ... / (d1 * ...)). Instead of dividing, the payout p that the event
 * names is proven: p * d1 * ... <= stake * n1 * ... < (p + 1) * d1 * ..., in whole numbers of any
 * length.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/derive.h"
#include "wire/codes.h"

/* Outcomes as they lie in event_result (written down again, as all here). */
enum own_outcome {
	OWN_OPEN = 0,
	OWN_WIN = 1,
	OWN_LOSE = 2,
	OWN_VOID = 3,
	OWN_HALF_WIN = 4,
	OWN_HALF_LOSE = 5,
	OWN_DEAD_HEAT = 6,
};

struct derived_market {
	uint64_t id;
	uint8_t outcomes[sizeof(((struct event_result *)NULL)->outcomes)]; /* zero: no result */
};

/* ---- Whole numbers of up to 512 bits, 32 at a time, lowest first ---- */

#define LIMBS 16

struct whole {
	uint32_t limb[LIMBS];
};

static struct whole whole_of(uint64_t value)
{
	struct whole whole = { { (uint32_t)value, (uint32_t)(value >> 32) } };

	return whole;
}

static void whole_times(struct whole *whole, uint32_t factor)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < LIMBS; i++) {
		carry += (uint64_t)whole->limb[i] * factor;
		whole->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
	/* 10 legs of at most 2^32 each and a stake of 2^40 stay far below 2^512. */
	SLUICE_REQUIRE(carry == 0);
}

static int whole_compare(const struct whole *a, const struct whole *b)
{
	for (unsigned i = LIMBS; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] > b->limb[i] ? 1 : -1;
	return 0;
}

/* ---- Legs ---- */

struct fraction {
	uint32_t over, under;
};

/* 0: the outcome is not known. */
static int leg_value(const struct derived_leg *leg, const uint8_t *outcome, struct fraction *value)
{
	uint32_t odds = leg->odds;

	switch ((enum own_outcome)outcome[0]) {
	case OWN_WIN:
		*value = (struct fraction){ odds, 1000 };
		return 1;
	case OWN_LOSE:
		*value = (struct fraction){ 0, 1 };
		return 1;
	case OWN_VOID:
		*value = (struct fraction){ 1, 1 };
		return 1;
	case OWN_HALF_WIN:
		*value = (struct fraction){ odds + 1000, 2000 };
		return 1;
	case OWN_HALF_LOSE:
		*value = (struct fraction){ 1, 2 };
		return 1;
	case OWN_DEAD_HEAT:
		*value = (struct fraction){ odds * outcome[1], 1000u * outcome[2] };
		return 1;
	case OWN_OPEN:
		break;
	}
	return 0;
}

/* The outcome of a leg as results stand now. */
static const uint8_t *leg_outcome(const struct derive *derive, const struct derived_leg *leg)
{
	static const uint8_t open[4];
	const struct derived_market *market = table_find(&derive->markets, leg->market_id);

	return market == NULL || leg->selection >= LIMIT_MARKET_SELECTIONS_MAX
	           ? open
	           : market->outcomes + 4 * leg->selection;
}

/* 1: stake * over / under, rounded down, is the payout. */
static int is_payout(int64_t stake, const struct fraction *values, unsigned count, int64_t payout)
{
	struct whole all = whole_of((uint64_t)stake), low = whole_of((uint64_t)payout),
	             high = whole_of((uint64_t)payout + 1);

	for (unsigned i = 0; i < count; i++) {
		whole_times(&all, values[i].over);
		whole_times(&low, values[i].under);
		whole_times(&high, values[i].under);
	}
	return whole_compare(&low, &all) <= 0 && whole_compare(&all, &high) < 0;
}

/* ---- What the derivation asks ---- */

void derive_results_init(struct derive *derive)
{
	table_init(&derive->markets, sizeof(struct derived_market));
}

int derive_legs(struct derive *derive, struct derived_bet *bet, const struct event_view *view)
{
	static const uint8_t win[4] = { OWN_WIN };
	struct fraction values[LIMIT_BET_LEGS_MAX];
	unsigned count = view->record.leg_count;
	struct derived_leg *legs;

	SLUICE_REQUIRE(count <= LIMIT_BET_LEGS_MAX);
	if (derive->leg_room - derive->leg_count < count) {
		derive->leg_room = derive->leg_room == 0 ? 4096 : 2 * derive->leg_room;
		derive->legs =
		    table_allocate(derive->legs, derive->leg_room * sizeof(*derive->legs));
	}
	legs = derive->legs + derive->leg_count;
	bet->leg_first = derive->leg_count;
	bet->leg_count = (uint8_t)count;
	derive->leg_count += count;
	for (unsigned i = 0; i < count; i++) {
		struct event_leg leg;

		memcpy(&leg, view->body + i * sizeof(leg), sizeof(leg));
		legs[i] = (struct derived_leg){ .market_id = le64_get(leg.market_id),
			.odds = le32_get(leg.odds),
			.selection = le16_get(leg.selection) };
		(void)leg_value(&legs[i], win, &values[i]);
	}
	if (!is_payout(bet->stake, values, count, bet->reserved))
		WRONG(derive, "bet %llu: accepted with %lld, which is not its stake at its odds",
		    (unsigned long long)bet->id, (long long)bet->reserved);
	return 0;
}

int derive_result(struct derive *derive, const struct event_view *view)
{
	struct derived_market *market;
	struct event_result result;

	if (le16_get(view->record.type) != EVENT_MARKET_RESULT)
		return 0;
	memcpy(&result, view->body, sizeof(result));
	if (result.op != RESULT_SET && result.op != RESULT_ROLLBACK)
		return 0;
	market = table_get(&derive->markets, le64_get(view->record.object_id));
	memcpy(market->outcomes, result.outcomes, sizeof(market->outcomes));
	return 0;
}

int derive_settled(struct derive *derive, const struct derived_bet *bet, uint8_t to, int64_t payout)
{
	const struct derived_leg *legs = derive->legs + bet->leg_first;
	struct fraction values[LIMIT_BET_LEGS_MAX];
	unsigned lost = 0, open = 0;

	for (unsigned i = 0; i < bet->leg_count; i++) {
		if (!leg_value(&legs[i], leg_outcome(derive, &legs[i]), &values[i])) {
			values[i] = (struct fraction){ 1, 1 };
			open++;
		}
		lost += values[i].over == 0;
	}
	if (to == BET_OPEN) {
		if (open == 0 || lost > 0)
			WRONG(derive, "bet %llu: opened again, and its results are known",
			    (unsigned long long)bet->id);
		return 0;
	}
	if (open > 0 && lost == 0)
		WRONG(derive, "bet %llu: settled, and a leg has no result",
		    (unsigned long long)bet->id);
	if (!is_payout(bet->stake, values, bet->leg_count, payout))
		WRONG(derive, "bet %llu: stake %lld pays %lld, which its results do not give",
		    (unsigned long long)bet->id, (long long)bet->stake, (long long)payout);
	return 0;
}
