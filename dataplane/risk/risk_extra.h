/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule set says beyond struct risk_rules: factors of the states, the model, flags of lists,
 * and amounts in other currencies. Sections of the RULES_SET event, so a set without them (older
 * logs, and sites that want none of it) means and hashes what it always did.
 */
#ifndef SLUICE_RISK_EXTRA_H
#define SLUICE_RISK_EXTRA_H

#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_factors.h"

enum risk_model_state {
	RISK_MODEL_OFF,
	RISK_MODEL_SHADOW, /* scored and recorded, adds no points */
	RISK_MODEL_ACTIVE,
};
#define RISK_MODEL_STATE_MAX RISK_MODEL_ACTIVE

/* Amounts of one currency; 0: no such limit or threshold. */
struct risk_amounts {
	int64_t stake_single_max, stake_daily_max, payout_max;
	int64_t large_amount, longshot_liability;
	int64_t report_threshold; /* amounts in [90 %, 100 %) of it are near: STRUCTURING */
	int64_t withdraw_pending_min;
	uint16_t currency;
	uint8_t reserved[6];
};
_Static_assert(sizeof(struct risk_amounts) == 64, "no padding");

/* Fields by which the rules of factors are read, shown and checked: X(name, lowest, highest). */
#define RISK_FACTOR_RULES(X)                                                                       \
	X(structuring_window_s, 1, 30 * 86400)                                                     \
	X(rapid_window_s, 1, 86400)                                                                \
	X(rapid_moved_percent, 1, 100)                                                             \
	X(rapid_staked_percent, 0, 100)                                                            \
	X(ladder_steps, 2, 255)                                                                    \
	X(repeated_transfers, 2, 255)                                                              \
	X(selection_repeats, 2, 255)                                                               \
	X(selection_terminals, 2, 9)                                                               \
	X(selection_at_terminal, 2, 255)                                                           \
	X(late_s, 0, 255)                                                                          \
	X(counterparties, 1, 65)                                                                   \
	X(velocity_count, 0, 255)                                                                  \
	X(velocity_ratio_tenths, 1, 255)                                                           \
	X(confirmed_percent, 1, 100)                                                               \
	X(terminal_confirmed_tenths, 0, 255)                                                       \
	X(confirmed_tenths, 1, 255)                                                                \
	X(young_s, 0, 366 * 86400)

/* Hashed and copied as bytes. All zero: absent. */
struct risk_rules_extra {
	uint8_t present; /* 1; 0: all of it is zero, states are neither learnt nor looked at */
	uint8_t model_state;
	uint8_t points_country, points_watch_list;
	uint8_t points_model_max;
	uint8_t currency_count;
	uint8_t points_partner_confirmed; /* rules.partner_confirmed_tenths */
	uint8_t reserved[1];
	uint32_t model_version; /* 0: none */
	struct risk_factor_rules factors;
	int64_t report_threshold; /* in the rules' currency; 0: none */
	struct risk_amounts currencies[LIMIT_RULES_CURRENCIES_MAX]; /* not used: zero */
};
_Static_assert(
    sizeof(struct risk_rules_extra) == 64 + LIMIT_RULES_CURRENCIES_MAX * 64, "no padding");

/* Factors with their defaults, 20 points for the country and for the partner, 100 for the watch
 * list, report threshold 10,000,000 won, model off. */
void risk_rules_extra_default(struct risk_rules_extra *extra);
/* Absent, or 0; or -EINVAL with *field set to the name of the first field out of range. */
SLUICE_MUST_USE int risk_rules_extra_check(
    const struct risk_rules *rules, const struct risk_rules_extra *extra, const char **field);

/* The sections, with their heads. */
void risk_factor_rules_encode(const struct risk_rules_extra *extra, struct event_factor_rules *out);
void risk_amounts_encode(const struct risk_amounts *amounts, struct event_rules_currency *out);
/*
 * From sections: `factors` NULL: absent (then count is 0). 0; -EBADMSG: reserved bytes, or a field
 * out of range; *extra is untouched then.
 */
SLUICE_MUST_USE int risk_rules_extra_decode(const struct risk_rules *rules,
    const struct event_factor_rules *factors, const struct event_rules_currency *currencies,
    unsigned count, struct risk_rules_extra *extra);

/* The amounts that hold for a currency: 1; 0 and all of them 0: the rules have none. */
int risk_amounts_of(const struct risk_rules *rules, const struct risk_rules_extra *extra,
    uint16_t currency, struct risk_amounts *out);

/*
 * Whether the partner's judged cases are PARTNER_CONFIRMED: at least rules.partner_confirmed_tenths
 * of 7 days, and factors.confirmed_percent of the labelled.
 */
bool risk_partner_confirmed(const struct risk_rules *rules, const struct risk_rules_extra *extra,
    const struct risk_feedback_view *feedback);

/*
 * Bits of an event's factor_bits: those of risk.h, of risk_factors.h, then these. MODEL: an active
 * model added points.
 */
#define RISK_STATE_SHIFT     RISK_FACTOR_COUNT
#define RISK_BITS_COUNTRY    (RISK_FACTOR_COUNT + RISK_STATE_FACTOR_COUNT)
#define RISK_BITS_WATCH_LIST (RISK_BITS_COUNTRY + 1)
#define RISK_BITS_MODEL      (RISK_BITS_COUNTRY + 2)
#define RISK_BITS_PARTNER    (RISK_BITS_COUNTRY + 3)
#define RISK_BITS_COUNT      (RISK_BITS_COUNTRY + 4)
_Static_assert((int)RISK_BITS_COUNT == 25, "bits are in logs: add behind");

/* "LARGE", "amount at or above ..."; NULL for a bit without a meaning. */
const char *risk_bit_name(unsigned bit);
const char *risk_bit_text(unsigned bit);

#endif
