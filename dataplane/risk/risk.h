/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Risk: scores one bet from the account's own profile. Pure: no I/O, no clock, no allocation, no
 * floating point; the same code runs in worker, follower, recovery and tools.
 */
#ifndef SLUICE_RISK_H
#define SLUICE_RISK_H

#include <stdint.h>

#include "dataplane/risk/risk_clock.h"
#include "lmdb-schema/event.h"
#include "wire/assert.h"

/* X(NAME, text): one bit each, in `factor_bits` of an event. */
#define RISK_FACTORS(X)                                                                            \
	X(LARGE, "amount at or above the large-amount threshold")                                  \
	X(AMOUNT_DEVIATION, "amount far from the account's own amounts")                           \
	X(FREQUENCY_DEVIATION, "more bets in 24 h than the account's own habit")                   \
	X(BEHAVIOUR, "share of the deviations that fired")                                         \
	X(ODDS_CLAIMED, "claimed odds differ from the book")                                       \
	X(LONGSHOT, "long odds with a large liability")                                            \
	X(ALERT, "score reached the alert score")

enum risk_factor {
#define RISK_FACTOR_ENUM(name, text) RISK_##name,
	RISK_FACTORS(RISK_FACTOR_ENUM)
#undef RISK_FACTOR_ENUM
	    RISK_FACTOR_COUNT,
};
#define RISK_BIT(name) (1u << RISK_##name)

const char *risk_factor_name(enum risk_factor factor);
const char *risk_factor_text(enum risk_factor factor);

/* Rules in host order; one immutable version. Fields as in struct event_rules. Hashed and copied as
 * bytes. */
struct risk_rules {
	uint32_t version;
	uint16_t currency;
	uint8_t alert_score, refuse_score;
	int64_t stake_single_max, stake_daily_max, terminal_daily_max, payout_max;
	int64_t large_amount, longshot_liability;
	uint32_t longshot_odds, cancel_window_s, utc_offset_s;
	uint16_t deviation_z_tenths, deviation_observations;
	uint16_t frequency_count, frequency_ratio_tenths;
	uint8_t points_large, points_behaviour, points_odds;
	uint8_t partner_confirmed_tenths; /* decayed count of 7 days; 0: none are enough */
	int64_t withdraw_pending_min;     /* 0: no withdrawal waits */
	int64_t exposure_selection_max, exposure_market_max; /* 0: no limit */
	uint32_t partner_key_hold_s, withdraw_timeout_s, ticket_expiry_s, result_final_s;
	uint32_t limit_raise_delay_s, sprinkle_window_max_s;
};
_Static_assert(sizeof(struct risk_rules) == 128, "no padding");

/* Version 1: the defaults of the requirements (KRW, single 1,000,000, day 10,000,000, 60/80). */
void risk_rules_default(struct risk_rules *rules);
/* 0, or -EINVAL with *field set to the name of the first field out of range. */
SLUICE_MUST_USE int risk_rules_check(const struct risk_rules *rules, const char **field);
void risk_rules_encode(const struct risk_rules *rules, struct event_rules *out);
/* 0; -EBADMSG for reserved bytes or a field out of range; *rules is untouched then. */
SLUICE_MUST_USE int risk_rules_decode(const struct event_rules *in, struct risk_rules *rules);

/* Per-account profile: fixed size inside the account row, decayed without scanning. */
struct risk_profile {
	uint64_t updated_ns;  /* time of the last observation */
	uint64_t amount_mean; /* exponentially weighted, minor units << 8 */
	uint64_t
	    amount_spread; /* exponentially weighted mean absolute deviation, minor units << 8 */
	uint64_t amount_max;
	uint64_t count_24h; /* decayed counts, fixed point << 16 */
	uint64_t count_7d;
	uint64_t count_30d;
	uint32_t observations; /* saturating */
	uint32_t cancels;      /* saturating */
	uint64_t first_ns;
	uint8_t profile_score; /* old * 0.7 + new * 0.3, starts at 30 */
	uint8_t reserved0;
	uint16_t country; /* ISO 3166-1 numeric, 0 not known */
	uint8_t reserved[4];
	/* On disk 48 spare bytes follow. In memory that room is the states' (ledger_internal.h). */
};
_Static_assert(sizeof(struct risk_profile) == 80, "profile size is part of the row");

struct risk_amounts; /* risk_extra.h */

struct risk_input {
	uint64_t time_ns;
	int64_t stake;
	int64_t payout;
	uint32_t odds_product; /* combined odds in 1/1000, saturating */
	uint8_t odds_differ;   /* a claimed price differs from the book */
	uint16_t currency;     /* of the stake; amounts in rules apply to rules.currency only */
	/* Those of the stake's currency, whatever it is; NULL: the rules', for theirs. */
	const struct risk_amounts *amounts;
};

struct risk_result {
	uint32_t factor_bits;
	uint8_t score; /* 0..100 */
};

/* Scores `input` against the profile as it was before it. Writes *result always. */
void risk_evaluate(const struct risk_rules *rules, const struct risk_profile *profile,
    const struct risk_input *input, struct risk_result *result);
/* Folds one accepted bet into the profile. Called by apply only. */
void risk_profile_bet(struct risk_profile *profile, uint64_t time_ns, int64_t stake, uint8_t score);
/* The same by a clock as of time_ns. */
void risk_profile_bet_clock(struct risk_profile *profile, const struct risk_clock *clock,
    uint64_t time_ns, int64_t stake, uint8_t score);
void risk_profile_cancel(struct risk_profile *profile);
void risk_profile_init(struct risk_profile *profile, uint64_t time_ns);
/* The numbers the factors of a profile see, the bet judged among them. Counts a day in tenths. */
struct risk_profile_numbers {
	int64_t amount_mean; /* minor units */
	uint64_t z_tenths;
	uint64_t day_tenths, daily_7d_tenths, daily_30d_tenths;
};
void risk_profile_numbers(const struct risk_profile *profile, uint64_t time_ns, int64_t stake,
    struct risk_profile_numbers *numbers);
/* Number of the operator's day that contains time_ns: floor((t + utc_offset) / 86,400 s). */
uint32_t risk_day(const struct risk_rules *rules, uint64_t time_ns);

#endif
