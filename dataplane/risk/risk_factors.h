/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factors that need more of the past than struct risk_profile has. Pure functions of a view, beside
 * risk_evaluate (risk.h): its points and these are added, at most 100 together. Every threshold is
 * at, not above: a value that reaches it fires, but where "above" is written.
 */
#ifndef SLUICE_RISK_FACTORS_H
#define SLUICE_RISK_FACTORS_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_state.h"

/* X(NAME, text): bits 0.. of `factor_bits` here; the worker shifts them behind those of risk.h. */
#define RISK_STATE_FACTORS(X)                                                                      \
	X(TIME_DEVIATION, "hour or day outside of those with 90 % of the account's past")          \
	X(STRUCTURING, "third amount just below the report threshold within the window")           \
	X(RAPID_MOVEMENT, "most of the deposits leaves soon, hardly staked")                       \
	X(STAKE_LADDER, "amounts that grow one after another")                                     \
	X(REPEATED_TRANSFER, "transfers to the same account one after another")                    \
	X(SELECTION_REPEATED, "one selection again and again within an hour")                      \
	X(SELECTION_TERMINALS, "one selection from several terminals within an hour")              \
	X(SELECTION_AT_TERMINAL, "one selection again and again at one terminal")                  \
	X(LATE_BET, "bet just before the market closes")                                           \
	X(COUNTERPARTIES, "many different counterparties in two weeks")                            \
	X(TERMINAL_VELOCITY, "terminal's rate above its own average")                              \
	X(ACCOUNT_CONFIRMED, "confirmed fraud of the account")                                     \
	X(TERMINAL_CONFIRMED, "confirmed fraud at the terminal")                                   \
	X(COMPOSITE, "factors that say more together")

enum risk_state_factor {
#define RISK_STATE_FACTOR_ENUM(name, text) RISK_STATE_##name,
	RISK_STATE_FACTORS(RISK_STATE_FACTOR_ENUM)
#undef RISK_STATE_FACTOR_ENUM
	    RISK_STATE_FACTOR_COUNT,
};
#define RISK_STATE_BIT(name) (1u << RISK_STATE_##name)

const char *risk_state_factor_name(enum risk_state_factor factor);
const char *risk_state_factor_text(enum risk_state_factor factor);

/* Hashed as bytes, like all of struct risk_rules_extra: a field that is moved changes the state
 * hash of every root. A new one takes reserved bytes, and is 0 in the rules of older logs. */
struct risk_factor_rules {
	uint32_t structuring_window_s;           /* 48 h */
	uint32_t rapid_window_s;                 /* 24 h, at most 24 h */
	uint8_t rapid_moved_percent;             /* 80 of the deposit */
	uint8_t rapid_staked_percent;            /* below 20 of it staked */
	uint8_t ladder_steps;                    /* 4 amounts larger than the one before */
	uint8_t repeated_transfers;              /* the third in a row */
	uint8_t selection_repeats;               /* the 6th bet on it within an hour */
	uint8_t selection_terminals;             /* 3 of 8 hash bits */
	uint8_t selection_at_terminal;           /* the 100th at the terminal */
	uint8_t late_s;                          /* at most 5 s before; 0: never */
	uint8_t counterparties;                  /* 24 of 64 hash bits, about 30 different ones */
	uint8_t velocity_count;                  /* above 5 in an hour */
	uint8_t velocity_ratio_tenths;           /* above 3.0 times the hourly average of 7 days */
	uint8_t confirmed_percent;               /* 15 of the labelled of 7 days */
	uint8_t confirmed_tenths;                /* decayed count of 7 days, 0.3 */
	uint8_t points[RISK_STATE_FACTOR_COUNT]; /* of COMPOSITE: the most it gives */
	uint8_t terminal_confirmed_tenths;       /* of a terminal 1.1; 0: confirmed_tenths */
	uint8_t reserved[4];
	uint32_t young_s; /* an account is new for so long: 7 days */
};
_Static_assert(sizeof(struct risk_factor_rules) == 44, "no padding");

void risk_factor_rules_default(struct risk_factor_rules *rules);

/* Factors that say more together: COMPOSITE adds the points of all that are there, up to its own.
 */
struct risk_composite {
	uint32_t base_bits, bits; /* RISK_BIT, RISK_STATE_BIT; all of them */
	bool young;               /* and the account is new: young_s */
	uint8_t points;
};
const struct risk_composite *risk_composites(size_t *count);
/* Do these bits, of an account that is new or not, make it? */
bool risk_composite_holds(
    const struct risk_composite *composite, uint32_t base_bits, uint32_t bits, bool young);

struct risk_state_result {
	uint32_t factor_bits;
	uint8_t points; /* 0 to 100 */
};

/*
 * STAKE_LADDER to LATE_BET are one factor in the score, "pattern": the points of the highest count.
 * `base_bits`: what risk_evaluate found (RISK_BIT). Writes *result always.
 */
void risk_factors_evaluate(const struct risk_factor_rules *rules, const struct risk_view *view,
    uint32_t base_bits, struct risk_state_result *result);

/* Of what came in, what has moved on with this one, in percent, rounded down; 255: that and more. 0
 * of what is neither a withdrawal nor a transfer, and when nothing came in. */
uint8_t risk_moved_percent(const struct risk_view *view);

#endif
