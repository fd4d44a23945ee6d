/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "dataplane/ledger/settlement.h"

/*
 * Bounds. A leg's numerator is won * odds + returned * 1,000:
 *   DEAD_HEAT   254 * 10^7             < 2^31.3
 *   HALF_WIN    10^7 + 1,000           < 2^24
 *   WIN         10^7                   < 2^24
 * so it is below 2^32, and stake * numerators is below 2^40 * 2^(10 * 32) = 2^360: twelve limbs of
 * 32 bits (2^384) hold every product. Denominators are at most 255 * 1,000 < 2^18; division is by
 * one of them at a time, which is one rounding: floor(floor(x / a) / b) = floor(x / (a * b)).
 */
#define SETTLEMENT_LIMBS 12
_Static_assert(LIMIT_STAKE_MAX < 1ll << 40, "a stake has 40 bits");
_Static_assert(254ull * LIMIT_ODDS_MAX <= UINT32_MAX, "a numerator has 32 bits");
_Static_assert(40 + 32 * LIMIT_BET_LEGS_MAX <= 32 * SETTLEMENT_LIMBS, "limbs hold the product");

/* ---- Outcomes ---- */

int settlement_outcome_valid(struct settlement_outcome outcome)
{
	if (outcome.kind == SETTLEMENT_DEAD_HEAT)
		return outcome.places >= 1 && outcome.places < outcome.winners;
	return outcome.kind < SETTLEMENT_DEAD_HEAT && outcome.places == 0 && outcome.winners == 0;
}

int settlement_outcomes_complete(const struct settlement_outcomes *outcomes, unsigned count)
{
	if (count < 1 || count > LIMIT_MARKET_SELECTIONS_MAX)
		return 0;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		struct settlement_outcome outcome = outcomes->of[i];

		if (!settlement_outcome_valid(outcome) ||
		    (outcome.kind != SETTLEMENT_OPEN) != (i < count))
			return 0;
	}
	return 1;
}

void settlement_outcomes_write(const struct settlement_outcomes *outcomes, unsigned count,
    struct settlement_outcomes_disk *disk)
{
	SLUICE_REQUIRE(settlement_outcomes_complete(outcomes, count));
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		disk->of[i] = (struct settlement_outcome_disk){
			.kind = outcomes->of[i].kind,
			.places = outcomes->of[i].places,
			.winners = outcomes->of[i].winners,
			.reserved = 0,
		};
}

int settlement_outcomes_read(const struct settlement_outcomes_disk *disk, unsigned count,
    struct settlement_outcomes *outcomes)
{
	struct settlement_outcomes read;

	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		if (disk->of[i].reserved != 0)
			return -EBADMSG;
		read.of[i] = (struct settlement_outcome){
			.kind = disk->of[i].kind,
			.places = disk->of[i].places,
			.winners = disk->of[i].winners,
		};
	}
	if (!settlement_outcomes_complete(&read, count))
		return -EBADMSG;
	*outcomes = read;
	return 0;
}

const char *settlement_kind_name(unsigned kind)
{
	static const char *const names[] = {
		[SETTLEMENT_OPEN] = "open",
		[SETTLEMENT_WIN] = "win",
		[SETTLEMENT_LOSE] = "lose",
		[SETTLEMENT_VOID] = "void",
		[SETTLEMENT_HALF_WIN] = "half_win",
		[SETTLEMENT_HALF_LOSE] = "half_lose",
		[SETTLEMENT_DEAD_HEAT] = "dead_heat",
	};

	return kind < SLUICE_ARRAY_COUNT(names) ? names[kind] : NULL;
}

/* ---- From a score ---- */

static struct settlement_outcome plain(enum settlement_kind kind)
{
	return (struct settlement_outcome){ .kind = (uint8_t)kind };
}

/*
 * By the margin in quarters of a goal. A quarter line is two half stakes, on the lines a quarter
 * below and above: its margins are odd, and 1 makes 0 and 2 of the halves, a push and a win.
 */
static struct settlement_outcome outcome_of_margin(int quarters)
{
	if (quarters >= 2)
		return plain(SETTLEMENT_WIN);
	if (quarters == 1)
		return plain(SETTLEMENT_HALF_WIN);
	if (quarters == 0)
		return plain(SETTLEMENT_VOID);
	return plain(quarters == -1 ? SETTLEMENT_HALF_LOSE : SETTLEMENT_LOSE);
}

static void two_sided(int quarters, struct settlement_outcomes *outcomes)
{
	*outcomes = (struct settlement_outcomes){
		.of = { outcome_of_margin(quarters), outcome_of_margin(-quarters) },
	};
}

void settlement_1x2(struct settlement_score score, struct settlement_outcomes *outcomes)
{
	unsigned winner = score.home > score.away ? 0 : score.home == score.away ? 1 : 2;

	*outcomes = (struct settlement_outcomes){
		.of = { plain(SETTLEMENT_LOSE), plain(SETTLEMENT_LOSE), plain(SETTLEMENT_LOSE) },
	};
	outcomes->of[winner] = plain(SETTLEMENT_WIN);
}

int settlement_over_under(
    struct settlement_score score, int line_quarters, struct settlement_outcomes *outcomes)
{
	if (line_quarters < 1 || line_quarters > SETTLEMENT_LINE_MAX)
		return -EINVAL;
	two_sided(4 * (score.home + score.away) - line_quarters, outcomes);
	return 0;
}

int settlement_handicap(
    struct settlement_score score, int handicap_quarters, struct settlement_outcomes *outcomes)
{
	if (handicap_quarters < -SETTLEMENT_LINE_MAX || handicap_quarters > SETTLEMENT_LINE_MAX)
		return -EINVAL;
	two_sided(4 * (score.home - score.away) + handicap_quarters, outcomes);
	return 0;
}

void settlement_void(unsigned count, struct settlement_outcomes *outcomes)
{
	SLUICE_REQUIRE(count >= 1 && count <= LIMIT_MARKET_SELECTIONS_MAX);
	*outcomes = (struct settlement_outcomes){ .of = { plain(SETTLEMENT_OPEN) } };
	for (unsigned i = 0; i < count; i++)
		outcomes->of[i] = plain(SETTLEMENT_VOID);
}

/* ---- Payout ---- */

/* How an outcome divides the stake: the table of settlement.h. */
struct division {
	uint32_t parts, won, returned;
};

static struct division division_of(struct settlement_outcome outcome)
{
	SLUICE_REQUIRE(settlement_outcome_valid(outcome) && outcome.kind != SETTLEMENT_OPEN);
	switch ((enum settlement_kind)outcome.kind) {
	case SETTLEMENT_WIN:
		return (struct division){ 1, 1, 0 };
	case SETTLEMENT_VOID:
		return (struct division){ 1, 0, 1 };
	case SETTLEMENT_HALF_WIN:
		return (struct division){ 2, 1, 1 };
	case SETTLEMENT_HALF_LOSE:
		return (struct division){ 2, 0, 1 };
	case SETTLEMENT_DEAD_HEAT:
		return (struct division){ outcome.winners, outcome.places, 0 };
	case SETTLEMENT_OPEN:
	case SETTLEMENT_LOSE:
		break;
	}
	return (struct division){ 1, 0, 0 };
}

struct settlement_fraction settlement_leg_value(const struct settlement_leg *leg)
{
	struct division division = division_of(leg->outcome);

	SLUICE_REQUIRE(leg->odds >= LIMIT_ODDS_MIN && leg->odds <= LIMIT_ODDS_MAX);
	if (division.won ==
	    0) /* the odds do not matter: thousandths would only lengthen products */
		return (struct settlement_fraction){ division.returned, division.parts };
	return (struct settlement_fraction){
		.numerator = division.won * leg->odds + division.returned * 1000,
		.denominator = division.parts * 1000,
	};
}

static int64_t limited(unsigned __int128 payout)
{
	return payout > LIMIT_PAYOUT_MAX ? LIMIT_PAYOUT_MAX + 1 : (int64_t)payout;
}

/* Any values: the product in limbs, then one division for each denominator. */
static int64_t scale_wide(int64_t stake, const struct settlement_fraction *values, unsigned count)
{
	uint64_t limbs[SETTLEMENT_LIMBS] = { (uint32_t)stake, (uint64_t)stake >> 32 };
	uint64_t high = 0;

	for (unsigned leg = 0; leg < count; leg++) {
		uint64_t carry = 0;

		for (unsigned i = 0; i < SETTLEMENT_LIMBS; i++) {
			carry +=
			    limbs[i] * values[leg].numerator; /* < 2^32 + (2^32 - 1)^2 < 2^64 */
			limbs[i] = (uint32_t)carry;
			carry >>= 32;
		}
		SLUICE_REQUIRE(carry == 0);
	}
	for (unsigned leg = 0; leg < count; leg++) {
		uint64_t rest = 0; /* below the denominator, so rest << 32 is below 2^50 */

		for (unsigned i = SETTLEMENT_LIMBS; i-- > 0;) {
			rest = rest << 32 | limbs[i];
			limbs[i] = rest / values[leg].denominator;
			rest %= values[leg].denominator;
		}
	}
	for (unsigned i = 2; i < SETTLEMENT_LIMBS; i++)
		high |= limbs[i];
	return high != 0 ? LIMIT_PAYOUT_MAX + 1 : limited(limbs[1] << 32 | limbs[0]);
}

/* floor(stake * values), in 128 bits as long as the product fits: always with one or two legs. */
static int64_t scale(int64_t stake, const struct settlement_fraction *values, unsigned count)
{
	unsigned __int128 product = (unsigned __int128)stake;
	uint64_t divisor = 1;

	for (unsigned leg = 0; leg < count; leg++) {
		if (product >> 96 != 0) /* times 32 bits it might not fit */
			return scale_wide(stake, values, count);
		product *= values[leg].numerator;
	}
	for (unsigned leg = 0; leg < count; leg++) {
		if (divisor >> 46 != 0) { /* times 18 bits it might not fit */
			product /= divisor;
			divisor = 1;
		}
		divisor *= values[leg].denominator;
	}
	return limited(product / divisor);
}

/* Of a bet with every leg known and none lost. */
static enum settlement_class class_of(
    int64_t stake, int64_t payout, const struct settlement_leg *legs, unsigned count)
{
	enum settlement_class class = SETTLEMENT_REFUNDED;

	for (unsigned leg = 0; leg < count; leg++) {
		uint8_t kind = legs[leg].outcome.kind;

		if (kind == SETTLEMENT_WIN)
			class = SETTLEMENT_WON;
		else if (kind != SETTLEMENT_VOID)
			return payout > stake ? SETTLEMENT_PART_WON : SETTLEMENT_PART_LOST;
	}
	return class;
}

struct settlement_result settlement_bet(
    int64_t stake, const struct settlement_leg *legs, unsigned count)
{
	struct settlement_fraction values[LIMIT_BET_LEGS_MAX];
	struct settlement_result result = { .class = SETTLEMENT_UNDECIDED };
	int open = 0;

	SLUICE_REQUIRE(stake >= 0 && stake <= LIMIT_STAKE_MAX);
	SLUICE_REQUIRE(count >= 1 && count <= LIMIT_BET_LEGS_MAX);
	for (unsigned leg = 0; leg < count; leg++) {
		if (legs[leg].outcome.kind == SETTLEMENT_LOSE)
			result.class = SETTLEMENT_LOST;
		if (legs[leg].outcome.kind == SETTLEMENT_OPEN)
			open = 1;
		else
			values[leg] = settlement_leg_value(&legs[leg]);
	}
	if (result.class == SETTLEMENT_LOST || open)
		return result;
	result.payout = scale(stake, values, count);
	result.class = class_of(stake, result.payout, legs, count);
	return result;
}

const char *settlement_class_name(enum settlement_class class)
{
	static const char *const names[] = {
		[SETTLEMENT_UNDECIDED] = "undecided",
		[SETTLEMENT_LOST] = "lost",
		[SETTLEMENT_REFUNDED] = "refunded",
		[SETTLEMENT_WON] = "won",
		[SETTLEMENT_PART_WON] = "part_won",
		[SETTLEMENT_PART_LOST] = "part_lost",
	};

	return (unsigned)class < SLUICE_ARRAY_COUNT(names) ? names[class] : NULL;
}
