/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_features.h"

#include <stddef.h>

#include "dataplane/risk/risk_internal.h"
#include "dataplane/risk/risk_lanes.h"

#define DAY_S     86400.0f
#define RATIO_MAX 1000.0f
_Static_assert(RISK_FEATURE_LANES % LANES == 0, "bursts are whole vectors");

static const char *const feature_names[RISK_FEATURE_COUNT] = {
#define RISK_FEATURE_NAME(name, text) [RISK_FEATURE_##name] = #name,
	RISK_FEATURES(RISK_FEATURE_NAME)
#undef RISK_FEATURE_NAME
};

static const char *const feature_texts[RISK_FEATURE_COUNT] = {
#define RISK_FEATURE_TEXT(name, text) [RISK_FEATURE_##name] = (text),
	RISK_FEATURES(RISK_FEATURE_TEXT)
#undef RISK_FEATURE_TEXT
};

const char *risk_feature_name(enum risk_feature feature)
{
	return (unsigned)feature < RISK_FEATURE_COUNT ? feature_names[feature] : NULL;
}

const char *risk_feature_text(enum risk_feature feature)
{
	return (unsigned)feature < RISK_FEATURE_COUNT ? feature_texts[feature] : NULL;
}

/* What numbers are divided by when all rows of a burst have theirs: columns behind the features. */
enum whole {
	WHOLE_MEAN = RISK_FEATURE_COUNT,
	WHOLE_SPREAD,
	WHOLE_RECEIVED,
	WHOLE_TERMINAL_MEAN,
	WHOLE_BALANCE,
	WHOLE_END,
};
_Static_assert((int)WHOLE_END == RISK_FEATURE_COLUMNS, "room for all");

static float count_of(uint32_t count)
{
	return (float)count / (float)RISK_COUNT_ONE;
}

/* 0 / 0 is 0; never above RATIO_MAX. */
static inline float ratio(float part, float whole)
{
	float value = part / (whole > 0.0f ? whole : 1.0f);

	value = value < RATIO_MAX ? value : RATIO_MAX;
	return whole > 0.0f ? value : part > 0.0f ? RATIO_MAX : 0.0f;
}

static float log_of(uint64_t value)
{
	return (float)log2_of(value) / 256.0f;
}

/* UINT32_MAX (never) is far above the highest, too. */
static inline float days_of(float seconds)
{
	float days = seconds / DAY_S;

	return days < RISK_NEVER_DAYS ? days : RISK_NEVER_DAYS;
}

static inline float clamp(float value)
{
	value = value < RATIO_MAX ? value : RATIO_MAX;
	return value > -RATIO_MAX ? value : -RATIO_MAX;
}

/* -(2^10)..2^10, for differences of balances over an amount. Mostly there is none. */
static float signed_ratio(int64_t part, int64_t whole)
{
	return part == 0 ? 0.0f : clamp((float)part / (float)(whole > 0 ? whole : 1));
}

#define SET(name, value)   (out[(size_t)RISK_FEATURE_##name * stride] = (value))
#define WHOLE(name, value) (out[(size_t)WHOLE_##name * stride] = (value))

static void put_account(const struct risk_view *view, float *out, uint32_t stride)
{
	const struct risk_account_state *account = view->account;
	float mean = (float)account->amount_mean, amount = (float)view->transaction->amount * 256;
	float count_24h = count_of(view->account_counts[RISK_24H]);
	float spread = (float)account->amount_spread, floor = mean / 8;

	SET(account_age_days, (float)view->account_age_s);
	SET(account_observations_log, log_of(account->observations));
	SET(account_idle_log, log_of(view->account_idle_s));
	SET(account_1h, count_of(view->account_counts[RISK_1H]));
	SET(account_24h, count_24h);
	SET(account_7d, count_of(view->account_counts[RISK_7D]));
	SET(account_30d, count_of(view->account_counts[RISK_30D]));
	SET(account_burst, count_24h * 30);
	WHOLE(MEAN, mean);
	SET(amount_to_mean, amount);
	/* Without a mean there is no distance from it. */
	SET(amount_deviation, mean > 0 ? amount - mean : 0.0f);
	WHOLE(SPREAD, mean > 0 ? (spread > floor ? spread : floor) : 1.0f);
	SET(account_mean_log, log_of(account->amount_mean >> 8));
	/* Sums are in minor units, the mean in 1/256 of them. */
	SET(mean_24h_to_mean, (float)view->sum_24h * 256);
	SET(mean_7d_to_mean, (float)view->sum_7d * 256);
	SET(mean_30d_to_mean, (float)view->sum_30d * 256);
	SET(high_7d, count_of(view->high_7d));
	SET(high_share_7d, count_of(view->high_7d));
	SET(ladder, (float)account->ladder);
	SET(partners, (float)view->partners);
	SET(partner_rank, (float)view->partner_rank);
	SET(partner_seen, (float)view->partner_seen);
	SET(partners_again, (float)account->parties.again);
	SET(partner_paid, (float)view->partner_paid);
	SET(partner_repeats, view->partner_rank == 1 ? (float)account->parties.repeats + 1 : 0.0f);
}

static void put_received(const struct risk_view *view, float *out, uint32_t stride)
{
	int recent = view->received_idle_s <= 86400;

	SET(received_idle_log, log_of(view->received_idle_s));
	SET(received_24h, count_of(view->in_24h));
	SET(received_7d, count_of(view->in_7d));
	SET(received_30d, count_of(view->in_30d));
	SET(sources, (float)view->sources);
	SET(sources_again, (float)view->account->source_again);
	WHOLE(RECEIVED, recent ? (float)view->account->received_amount : 1.0f);
	SET(amount_to_received, recent ? (float)view->transaction->amount : -1.0f);
	SET(staked_to_received, recent ? (float)view->account->staked_since : -1.0f);
}

static void put_terminal(const struct risk_view *view, float *out, uint32_t stride)
{
	const struct risk_terminal_state *terminal = view->terminal;
	float count_24h = count_of(view->terminal_counts[RISK_24H]);

	SET(visitors, (float)view->visitors);
	SET(visitor_rank, (float)view->visitor_rank);
	SET(visitors_again, (float)terminal->parties.again);
	SET(visitor_seen, (float)view->visitor_seen);
	SET(terminal_age_days, (float)view->terminal_age_s);
	SET(terminal_observations_log, log_of(terminal->observations));
	SET(terminal_idle_log, log_of(view->terminal_idle_s));
	SET(terminal_1h, count_of(view->terminal_counts[RISK_1H]));
	SET(terminal_24h, count_24h);
	SET(terminal_7d, count_of(view->terminal_counts[RISK_7D]));
	SET(terminal_30d, count_of(view->terminal_counts[RISK_30D]));
	SET(terminal_burst, count_24h * 30);
	WHOLE(TERMINAL_MEAN, (float)terminal->amount_mean);
	SET(amount_to_terminal_mean, (float)view->transaction->amount * 256);
}

/* Both blocks of feedback features lie in the same order. Few have labels: divided here, if at all.
 */
static void put_feedback(const struct risk_feedback_view *view, float *out, uint32_t stride)
{
	const bool any = view->labelled_7d != 0 || view->labelled_30d != 0 ||
	                 view->confirmed != 0 || view->clean_run != 0 ||
	                 view->since_last_s != UINT32_MAX;
	float values[] = { 0, 0, 0, 0, 0, RISK_NEVER_DAYS, RISK_NEVER_DAYS, 0 };

	_Static_assert(sizeof(values) / sizeof(values[0]) ==
	                   RISK_FEATURE_terminal_confirmed_7d - RISK_FEATURE_account_confirmed_7d,
	    "as many as the list has");
	if (any) {
		values[0] = count_of(view->confirmed_7d);
		values[1] = count_of(view->confirmed_30d);
		values[2] = ratio((float)view->confirmed_7d, (float)view->labelled_7d);
		values[3] = ratio((float)view->confirmed_30d, (float)view->labelled_30d);
		values[4] = (float)view->confirmed;
		values[5] = days_of((float)view->since_last_s);
		values[6] = days_of((float)view->since_first_s);
		values[7] = (float)view->clean_run;
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		out[i * stride] = values[i];
}

static void put_balances(const struct risk_view *view, float *out, uint32_t stride)
{
	const struct risk_transaction *transaction = view->transaction;
	int64_t amount = transaction->amount;
	int64_t signed_amount = transaction->kind == RISK_KIND_DEPOSIT ? -amount : amount;
	int known = transaction->has_balances;

	WHOLE(BALANCE, known ? (float)transaction->balance_before : 1.0f);
	SET(amount_to_balance, known ? (float)amount : -1.0f);
	SET(balance_left, known ? (float)transaction->balance_after : -1.0f);
	SET(balance_error, known ? signed_ratio(transaction->balance_before - signed_amount -
	                                            transaction->balance_after,
	                               amount)
	                         : 0.0f);
	SET(other_error, 0.0f);
	SET(other_before_log, -1.0f);
	if (transaction->has_balances_other) {
		SET(other_error, signed_ratio(transaction->other_before + signed_amount -
		                                  transaction->other_after,
		                     amount));
		SET(other_before_log,
		    log_of(
		        transaction->other_before > 0 ? (uint64_t)transaction->other_before : 0));
	}
}

unsigned risk_features_part(enum risk_feature feature)
{
	if (feature >= RISK_FEATURE_received_idle_log && feature <= RISK_FEATURE_staked_to_received)
		return RISK_PART_RECEIVED;
	return feature >= RISK_FEATURE_amount_to_balance ? RISK_PART_BALANCES : 0;
}

void risk_features_put(
    const struct risk_view *view, float *columns, uint32_t stride, unsigned parts)
{
	float *out = columns;

	SET(kind, (float)view->transaction->kind);
	SET(amount_log, (float)view->amount_log / 256.0f);
	SET(hour, (float)view->hour);
	SET(day, (float)view->day);
	SET(hour_share, (float)view->hour_share);
	SET(day_share, (float)view->day_share);
	put_account(view, columns, stride);
	if ((parts & RISK_PART_RECEIVED) != 0)
		put_received(view, columns, stride);
	put_terminal(view, columns, stride);
	put_feedback(&view->account_feedback,
	    columns + (size_t)RISK_FEATURE_account_confirmed_7d * stride, stride);
	put_feedback(&view->terminal_feedback,
	    columns + (size_t)RISK_FEATURE_terminal_confirmed_7d * stride, stride);
	if ((parts & RISK_PART_BALANCES) != 0)
		put_balances(view, columns, stride);
}

/* ---- Divisions, of all rows at once ---- */

/* part := part / whole, in this order. */
static const struct {
	uint8_t part, whole;
} ratios[] = {
	{ RISK_FEATURE_account_burst, RISK_FEATURE_account_30d },
	{ RISK_FEATURE_amount_to_mean, WHOLE_MEAN },
	{ RISK_FEATURE_mean_24h_to_mean, WHOLE_MEAN },
	{ RISK_FEATURE_mean_24h_to_mean, RISK_FEATURE_account_24h },
	{ RISK_FEATURE_mean_7d_to_mean, WHOLE_MEAN },
	{ RISK_FEATURE_mean_7d_to_mean, RISK_FEATURE_account_7d },
	{ RISK_FEATURE_mean_30d_to_mean, RISK_FEATURE_account_30d },
	{ RISK_FEATURE_high_share_7d, RISK_FEATURE_account_7d },
	{ RISK_FEATURE_amount_to_received, WHOLE_RECEIVED },
	{ RISK_FEATURE_staked_to_received, WHOLE_RECEIVED },
	{ RISK_FEATURE_terminal_burst, RISK_FEATURE_terminal_30d },
	{ RISK_FEATURE_amount_to_terminal_mean, WHOLE_TERMINAL_MEAN },
	{ RISK_FEATURE_amount_to_balance, WHOLE_BALANCE },
	{ RISK_FEATURE_balance_left, WHOLE_BALANCE },
};
static const uint8_t ages[] = { RISK_FEATURE_account_age_days, RISK_FEATURE_terminal_age_days };
static const uint8_t shares[] = { RISK_FEATURE_hour_share, RISK_FEATURE_day_share };

static inline lanes_float lanes_pick(lanes_int which, lanes_float yes, lanes_float no)
{
	return (lanes_float)lanes_choose(which, (lanes_int)yes, (lanes_int)no);
}

static inline lanes_float lanes_all(float value)
{
	return (lanes_float){ 0 } + value;
}

static inline lanes_float lanes_at_most(lanes_float value, float most)
{
	return lanes_pick((lanes_int)(value < most), value, lanes_all(most));
}

/* part / whole; / 1 where there is no whole. */
static inline lanes_float lanes_quotient(lanes_float part, lanes_float whole)
{
	return part / lanes_pick((lanes_int)(whole > 0.0f), whole, lanes_all(1.0f));
}

/* ratio(), of all lanes. */
static inline lanes_float lanes_ratio(lanes_float part, lanes_float whole)
{
	lanes_float value = lanes_at_most(lanes_quotient(part, whole), RATIO_MAX);
	lanes_float none = lanes_pick((lanes_int)(part > 0.0f), lanes_all(RATIO_MAX), lanes_all(0));

	return lanes_pick((lanes_int)(whole > 0.0f), value, none);
}

#define LOAD(column) lanes_load(columns + (size_t)(column)*stride)
#define STORE(column, value)                                                                       \
	do {                                                                                       \
		lanes_float stored = (value);                                                      \
		memcpy(columns + (size_t)(column)*stride, &stored, sizeof(stored));                \
	} while (0)

static void finish_lanes(float *columns, uint32_t stride)
{
	lanes_float deviation =
	    lanes_quotient(LOAD(RISK_FEATURE_amount_deviation), LOAD(WHOLE_SPREAD));

	deviation = lanes_at_most(deviation, RATIO_MAX);
	STORE(RISK_FEATURE_amount_deviation,
	    lanes_pick((lanes_int)(deviation > -RATIO_MAX), deviation, lanes_all(-RATIO_MAX)));
	STORE(RISK_FEATURE_mean_30d_to_mean,
	    lanes_quotient(LOAD(RISK_FEATURE_mean_30d_to_mean), LOAD(WHOLE_MEAN)));
	for (size_t k = 0; k < sizeof(ratios) / sizeof(ratios[0]); k++)
		STORE(ratios[k].part, lanes_ratio(LOAD(ratios[k].part), LOAD(ratios[k].whole)));
	for (size_t k = 0; k < sizeof(ages); k++)
		STORE(ages[k], lanes_at_most(LOAD(ages[k]) / DAY_S, RISK_NEVER_DAYS));
	for (size_t k = 0; k < sizeof(shares); k++)
		STORE(shares[k], LOAD(shares[k]) / 255.0f);
}

void risk_features_finish(float *columns, uint32_t stride, uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row += LANES)
		finish_lanes(columns + row, stride);
}

void risk_features_fill(const struct risk_view *view, float *features, uint32_t stride)
{
	float columns[RISK_FEATURE_COLUMNS * RISK_FEATURE_LANES] = { 0 };

	risk_features_put(view, columns, RISK_FEATURE_LANES, RISK_PARTS);
	risk_features_finish(columns, RISK_FEATURE_LANES, 1);
	for (size_t i = 0; i < RISK_FEATURE_COUNT; i++)
		features[i * stride] = columns[i * RISK_FEATURE_LANES];
}
