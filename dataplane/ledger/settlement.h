/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of settlement: from a score to the outcome of each selection, from outcomes to
 * the payout of a bet. Pure: no state, no I/O, no clock, no allocation, no floating point.
 *
 * An outcome divides a leg's stake into equal parts: `won` of them are paid at the odds, `returned`
 * come back as they are, the rest is lost.
 *
 *              parts  won  returned     value of the leg, odds o in 1/1,000
 *   WIN            1    1         0     o / 1000
 *   LOSE           1    0         0     0
 *   VOID           1    0         1     1               a push, a void market: odds 1
 *   HALF_WIN       2    1         1     (o + 1000) / 2000
 *   HALF_LOSE      2    0         1     1 / 2
 *   DEAD_HEAT      n    m         0     o * m / (1000 n)    n winners share m places, m < n
 *
 * Payout = floor(stake * value_1 * ... * value_n) in minor units: the product is exact and rounded
 * down once. With every leg won it is ledger_payout() of the bet. A value is never above o / 1000
 * (o is at least 1,001), so a settled payout is never above the one the bet was accepted with.
 */
#ifndef SLUICE_DATAPLANE_LEDGER_SETTLEMENT_H
#define SLUICE_DATAPLANE_LEDGER_SETTLEMENT_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/bytes.h"
#include "wire/limits.h"

/* A line or handicap is in quarters of a goal: 2.25 is 9, -0.75 is -3. */
#define SETTLEMENT_LINE_MAX  4000 /* 1,000 goals or points, either sign */
#define SETTLEMENT_GOALS_MAX UINT16_MAX

/* Numbers on disk: never given to another meaning. */
enum settlement_kind {
	SETTLEMENT_OPEN = 0, /* not known, or no such selection */
	SETTLEMENT_WIN = 1,
	SETTLEMENT_LOSE = 2,
	SETTLEMENT_VOID = 3,
	SETTLEMENT_HALF_WIN = 4,
	SETTLEMENT_HALF_LOSE = 5,
	SETTLEMENT_DEAD_HEAT = 6,
};

/* The outcome of one selection. DEAD_HEAT: 1 <= places < winners; otherwise both 0. Not reduced:
 * 2 places for 4 winners stays so, for the record. */
struct settlement_outcome {
	uint8_t kind; /* settlement_kind */
	uint8_t places;
	uint8_t winners;
};

/* Outcomes of a market, by index of the selection; OPEN beyond the last one. */
struct settlement_outcomes {
	struct settlement_outcome of[LIMIT_MARKET_SELECTIONS_MAX];
};

/*
 * The same on disk: 16 entries of 4 bytes, one a selection in order, all zero beyond the last.
 *   offset 0  kind (settlement_kind)
 *          1  places    DEAD_HEAT: 1..254; otherwise 0
 *          2  winners   DEAD_HEAT: 2..255; otherwise 0
 *          3  reserved, 0
 */
struct settlement_outcome_disk {
	uint8_t kind;
	uint8_t places;
	uint8_t winners;
	uint8_t reserved;
};
ASSERT_SIZE(struct settlement_outcome_disk, 4);
ASSERT_OFFSET(struct settlement_outcome_disk, places, 1);
ASSERT_OFFSET(struct settlement_outcome_disk, winners, 2);

struct settlement_outcomes_disk {
	struct settlement_outcome_disk of[LIMIT_MARKET_SELECTIONS_MAX];
};
ASSERT_SIZE(struct settlement_outcomes_disk, 64);

/* ---- Outcomes ---- */

/* 1 for a known kind with the right places and winners. OPEN is valid. */
int settlement_outcome_valid(struct settlement_outcome outcome);

/* 1 for a complete result: each of `count` (1..16) selections valid and not OPEN, OPEN beyond. It
 * is the check of outcomes given by an operator too. That somebody wins is not asked: the winner
 * may not have been on offer. */
int settlement_outcomes_complete(const struct settlement_outcomes *outcomes, unsigned count);

/* SLUICE_REQUIREs a complete result. */
void settlement_outcomes_write(const struct settlement_outcomes *outcomes, unsigned count,
    struct settlement_outcomes_disk *disk);

/* From bytes of any origin: 0; -EBADMSG when they are not a complete result of `count` selections.
 * *outcomes is untouched then. */
SLUICE_MUST_USE int settlement_outcomes_read(const struct settlement_outcomes_disk *disk,
    unsigned count, struct settlement_outcomes *outcomes);

/* "win", "lose", "void", "half_win", "half_lose", "dead_heat", "open"; NULL for another number. */
const char *settlement_kind_name(unsigned kind);

/* ---- From a score ---- */

/* Goals or points of the time the market is about (90 minutes and added time, say). */
struct settlement_score {
	uint16_t home;
	uint16_t away;
};

/* Three selections: home, draw, away. */
void settlement_1x2(struct settlement_score score, struct settlement_outcomes *outcomes);

/* Two selections: over, under a line of 1..SETTLEMENT_LINE_MAX quarters. -EINVAL for another line.
 */
SLUICE_MUST_USE int settlement_over_under(
    struct settlement_score score, int line_quarters, struct settlement_outcomes *outcomes);

/*
 * Two selections: home with `handicap_quarters` added to its goals, away with as many taken off.
 * 0 is "draw no bet". -EINVAL outside -SETTLEMENT_LINE_MAX..SETTLEMENT_LINE_MAX.
 */
SLUICE_MUST_USE int settlement_handicap(
    struct settlement_score score, int handicap_quarters, struct settlement_outcomes *outcomes);

/* Match abandoned or not played, market void: every one of `count` (1..16) selections is VOID. */
void settlement_void(unsigned count, struct settlement_outcomes *outcomes);

/* ---- Payout ---- */

struct settlement_leg {
	struct settlement_outcome outcome;
	uint32_t odds; /* as booked, LIMIT_ODDS_MIN..LIMIT_ODDS_MAX */
};

/* Lowest terms are not promised. numerator < 2^32, 1 <= denominator <= 255,000. */
struct settlement_fraction {
	uint32_t numerator;
	uint32_t denominator;
};

/* What one unit staked on the leg comes to. SLUICE_REQUIREs a valid outcome, not OPEN. */
struct settlement_fraction settlement_leg_value(const struct settlement_leg *leg);

/* Of a bet, for reports. */
enum settlement_class {
	SETTLEMENT_UNDECIDED = 0, /* a leg is open and none is lost */
	SETTLEMENT_LOST,          /* a leg is lost; the others need not be known */
	SETTLEMENT_REFUNDED,      /* every leg is void: the payout is the stake */
	SETTLEMENT_WON,           /* every leg is won or void, and one is won */
	SETTLEMENT_PART_WON,      /* a leg in parts, and the payout is above the stake */
	SETTLEMENT_PART_LOST,     /* a leg in parts, and the payout is the stake or less */
};

struct settlement_result {
	enum settlement_class class;
	int64_t payout; /* minor units; 0 when UNDECIDED or LOST; LIMIT_PAYOUT_MAX + 1: above it */
};

/*
 * Settles a bet of 1..LIMIT_BET_LEGS_MAX legs with a stake of 0..LIMIT_STAKE_MAX. LOST as soon as
 * one leg is lost. A bet that was accepted never comes to LIMIT_PAYOUT_MAX + 1 (see above).
 */
struct settlement_result settlement_bet(
    int64_t stake, const struct settlement_leg *legs, unsigned count);

/* "undecided", "lost", "refunded", "won", "part_won", "part_lost". */
const char *settlement_class_name(enum settlement_class class);

#endif
