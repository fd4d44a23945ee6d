/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers a learned model looks at. The same function serves the export for training and the
 * decision, so that both cannot drift apart. Floating point lives here and in risk_model.c only.
 *
 * The value of every feature is finite; what is not known has a value of its own (NEVER_DAYS, -1).
 * Only conversions, divisions and the logarithm by table: the same bits on every machine. Models
 * name the RISK_FEATURES_VERSION they were trained on; a new one only adds features behind the
 * others, so that a model of an older one looks at what it was trained on.
 */
#ifndef SLUICE_RISK_FEATURES_H
#define SLUICE_RISK_FEATURES_H

#include "dataplane/risk/risk_state.h"

#define RISK_FEATURES_VERSION 2

/* X(name, text) */
#define RISK_FEATURES(X)                                                                           \
	X(kind, "risk_kind")                                                                       \
	X(amount_log, "log2 of the amount")                                                        \
	X(hour, "local hour of day")                                                               \
	X(day, "day of week, 0 is Thursday")                                                       \
	X(hour_share, "share of the account's past in this hour of day")                           \
	X(day_share, "share of the account's past on this day of week")                            \
	X(account_age_days, "since the account was first seen")                                    \
	X(account_observations_log, "log2 of transactions so far")                                 \
	X(account_idle_log, "log2 of seconds since the last transaction")                          \
	X(account_1h, "decayed count")                                                             \
	X(account_24h, "decayed count")                                                            \
	X(account_7d, "decayed count")                                                             \
	X(account_30d, "decayed count")                                                            \
	X(account_burst, "24 h count over the daily average of 30 days")                           \
	X(amount_to_mean, "amount over the account's mean")                                        \
	X(amount_deviation, "distance from the mean in mean deviations")                           \
	X(account_mean_log, "log2 of the account's mean")                                          \
	X(mean_24h_to_mean, "mean amount of 24 h over the mean")                                   \
	X(mean_7d_to_mean, "mean amount of 7 days over the mean")                                  \
	X(mean_30d_to_mean, "mean amount of 30 days over the mean")                                \
	X(high_7d, "decayed count of amounts above 2.5 means")                                     \
	X(high_share_7d, "the same over the count of 7 days")                                      \
	X(ladder, "growing amounts in a row")                                                      \
	X(partners, "hash bits of counterparties, two weeks")                                      \
	X(partner_rank, "place of this counterparty among the last four, 5: not there")            \
	X(partner_seen, "counterparty's hash bit set in two weeks")                                \
	X(partner_repeats, "the last counterparty in a row")                                       \
	X(partners_again, "times one of the last four came again, halved in 4 weeks")              \
	X(partner_paid, "the counterparty is among the last three who paid")                       \
	X(visitors, "hash bits of the terminal's accounts, two weeks")                             \
	X(visitor_rank, "place of this account among the terminal's last four")                    \
	X(visitor_seen, "account's hash bit set at the terminal")                                  \
	X(visitors_again, "the same of the terminal's accounts")                                   \
	X(received_idle_log, "log2 of seconds since money came in")                                \
	X(received_24h, "decayed count of money coming in")                                        \
	X(received_7d, "decayed count")                                                            \
	X(received_30d, "decayed count")                                                           \
	X(sources, "hash bits of who paid in")                                                     \
	X(sources_again, "the same of the last three who paid")                                    \
	X(amount_to_received, "amount over what came in within 24 h")                              \
	X(staked_to_received, "staked since, over what came in")                                   \
	X(terminal_age_days, "since the terminal was first seen")                                  \
	X(terminal_observations_log, "log2 of transactions so far")                                \
	X(terminal_idle_log, "log2 of seconds since the last transaction")                         \
	X(terminal_1h, "decayed count")                                                            \
	X(terminal_24h, "decayed count")                                                           \
	X(terminal_7d, "decayed count")                                                            \
	X(terminal_30d, "decayed count")                                                           \
	X(terminal_burst, "24 h count over the daily average of 30 days")                          \
	X(amount_to_terminal_mean, "amount over the terminal's mean")                              \
	X(account_confirmed_7d, "decayed count of confirmed labels")                               \
	X(account_confirmed_30d, "decayed count")                                                  \
	X(account_confirmed_rate_7d, "confirmed over labelled")                                    \
	X(account_confirmed_rate_30d, "confirmed over labelled")                                   \
	X(account_confirmed, "labels confirmed ever")                                              \
	X(account_confirmed_last_days, "age of the last transaction confirmed")                    \
	X(account_confirmed_first_days, "age of the first of that run")                            \
	X(account_clean_run, "dismissed since the last confirmed")                                 \
	X(terminal_confirmed_7d, "decayed count of confirmed labels")                              \
	X(terminal_confirmed_30d, "decayed count")                                                 \
	X(terminal_confirmed_rate_7d, "confirmed over labelled")                                   \
	X(terminal_confirmed_rate_30d, "confirmed over labelled")                                  \
	X(terminal_confirmed, "labels confirmed ever")                                             \
	X(terminal_confirmed_last_days, "age of the last transaction confirmed")                   \
	X(terminal_confirmed_first_days, "age of the first of that run")                           \
	X(terminal_clean_run, "dismissed since the last confirmed")                                \
	X(amount_to_balance, "amount over the balance before; -1: balances unknown")               \
	X(balance_error, "balance before - amount - after, over the amount")                       \
	X(balance_left, "balance after over before")                                               \
	X(other_error, "the same of the other account")                                            \
	X(other_before_log, "log2 of the other account's balance before")                          \
	X(partner_confirmed_7d, "decayed count of confirmed labels of whose customer it is")       \
	X(partner_confirmed_30d, "decayed count")                                                  \
	X(partner_confirmed_rate_7d, "confirmed over labelled")                                    \
	X(partner_confirmed_rate_30d, "confirmed over labelled")                                   \
	X(partner_confirmed, "labels confirmed ever")                                              \
	X(partner_confirmed_last_days, "age of the last transaction confirmed")                    \
	X(partner_confirmed_first_days, "age of the first of that run")                            \
	X(partner_clean_run, "dismissed since the last confirmed")

enum risk_feature {
#define RISK_FEATURE_ENUM(name, text) RISK_FEATURE_##name,
	RISK_FEATURES(RISK_FEATURE_ENUM)
#undef RISK_FEATURE_ENUM
	    RISK_FEATURE_COUNT,
};

#define RISK_NEVER_DAYS 1000.0f /* of ages: never */

const char *risk_feature_name(enum risk_feature feature);
const char *risk_feature_text(enum risk_feature feature);
/* How many features, from the first on, a version has; 0: this code has no such version. */
unsigned risk_features_count(uint32_t version);

/* Fills RISK_FEATURE_COUNT floats, `stride` floats apart: risk_model.h takes bursts turned over.
 * The view is begun, at least. */
void risk_features_fill(const struct risk_view *view, float *features, uint32_t stride);

#define RISK_FEATURE_LANES   16
#define RISK_FEATURE_COLUMNS (RISK_FEATURE_COUNT + 14)
#define RISK_PART_RECEIVED   1u /* received_idle_log to staked_to_received */
#define RISK_PART_BALANCES   2u /* amount_to_balance to other_before_log */
#define RISK_PART_PARTNER    4u /* from partner_confirmed_7d on */
#define RISK_PARTS           (RISK_PART_RECEIVED | RISK_PART_BALANCES | RISK_PART_PARTNER)
/* The part a feature is of; 0: of none, it is always made. Few models look at all of them. */
unsigned risk_features_part(enum risk_feature feature);

/*
 * The same for the rows of a burst, in two steps: each row's numbers are put, which completes its
 * view, then all of them are converted and divided together, a vector at a time, once.
 * RISK_FEATURE_COLUMNS columns of `stride` floats; stride is a multiple of the lanes, and all lanes
 * up to the next multiple of them behind `rows` are worked on, whatever is in them. Columns of
 * parts that are not in `parts` are left as they are.
 */
void risk_features_put(struct risk_view *view, float *columns, uint32_t stride, unsigned parts);
void risk_features_finish(float *columns, uint32_t stride, uint32_t rows, unsigned parts);

/* The same of one row: its features one behind the other, in an array of RISK_FEATURE_ROW, in which
 * nothing need be. */
#define RISK_FEATURE_ROW (RISK_FEATURE_COLUMNS + RISK_FEATURE_LANES)
void risk_features_row(struct risk_view *view, float *columns, unsigned parts);

#endif
