/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_features.h"

#include <stddef.h>

#define DAY_S     86400.0f
#define RATIO_MAX 1000.0f

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

static float count_of(uint32_t count)
{
	return (float)count / (float)RISK_COUNT_ONE;
}

/* 0 / 0 is 0; never above RATIO_MAX. */
static float ratio(float part, float whole)
{
	if (whole <= 0.0f)
		return part > 0.0f ? RATIO_MAX : 0.0f;
	part /= whole;
	return part < RATIO_MAX ? part : RATIO_MAX;
}

static float log_of(uint64_t value)
{
	return (float)risk_log2(value) / 256.0f;
}

static float days_of(uint32_t seconds)
{
	if (seconds == UINT32_MAX)
		return RISK_NEVER_DAYS;
	return (float)seconds / DAY_S < RISK_NEVER_DAYS ? (float)seconds / DAY_S : RISK_NEVER_DAYS;
}

/* -(2^10)..2^10, for differences of balances over an amount. */
static float signed_ratio(int64_t part, int64_t whole)
{
	float value = (float)part / (float)(whole > 0 ? whole : 1);

	if (value > RATIO_MAX)
		return RATIO_MAX;
	return value < -RATIO_MAX ? -RATIO_MAX : value;
}

#define SET(name, value) (out[(size_t)RISK_FEATURE_##name * stride] = (value))

static void fill_account(const struct risk_view *view, float *out, uint32_t stride)
{
	const struct risk_account_state *account = view->account;
	float mean = (float)account->amount_mean, amount = (float)view->transaction->amount * 256;
	float count_24h = count_of(view->account_counts[RISK_24H]);
	float count_7d = count_of(view->account_counts[RISK_7D]);
	float count_30d = count_of(view->account_counts[RISK_30D]);
	float spread = (float)account->amount_spread, floor = mean / 8;

	SET(account_age_days, days_of(view->account_age_s));
	SET(account_observations_log, log_of(account->observations));
	SET(account_idle_log, log_of(view->account_idle_s));
	SET(account_1h, count_of(view->account_counts[RISK_1H]));
	SET(account_24h, count_24h);
	SET(account_7d, count_7d);
	SET(account_30d, count_30d);
	SET(account_burst, ratio(count_24h * 30, count_30d));
	SET(amount_to_mean, ratio(amount, mean));
	SET(amount_deviation,
	    mean > 0 ? (amount >= mean ? ratio(amount - mean, spread > floor ? spread : floor)
	                               : -ratio(mean - amount, spread > floor ? spread : floor))
	             : 0.0f);
	SET(account_mean_log, log_of(account->amount_mean >> 8));
	/* Sums are in minor units, the mean in 1/256 of them. */
	SET(mean_24h_to_mean, ratio(ratio((float)view->sum_24h * 256, mean), count_24h));
	SET(mean_7d_to_mean, ratio(ratio((float)view->sum_7d * 256, mean), count_7d));
	SET(mean_30d_to_mean, ratio((float)view->sum_30d * 256 / (mean > 0 ? mean : 1), count_30d));
	SET(high_7d, count_of(view->high_7d));
	SET(high_share_7d, ratio(count_of(view->high_7d), count_7d));
	SET(ladder, (float)account->ladder);
	SET(partners, (float)view->partners);
	SET(partner_rank, (float)view->partner_rank);
	SET(partner_seen, (float)view->partner_seen);
	SET(partners_again, (float)account->parties.again);
	SET(partner_paid, (float)view->partner_paid);
	SET(partner_repeats, view->partner_rank == 1 ? (float)account->parties.repeats + 1 : 0.0f);
}

static void fill_received(const struct risk_view *view, float *out, uint32_t stride)
{
	float received = (float)view->account->received_amount;
	int recent = view->received_idle_s <= 86400;

	SET(received_idle_log, log_of(view->received_idle_s));
	SET(received_24h, count_of(view->in_24h));
	SET(received_7d, count_of(view->in_7d));
	SET(received_30d, count_of(view->in_30d));
	SET(sources, (float)view->sources);
	SET(sources_again, (float)view->account->source_again);
	SET(amount_to_received, recent ? ratio((float)view->transaction->amount, received) : -1.0f);
	SET(staked_to_received,
	    recent ? ratio((float)view->account->staked_since, received) : -1.0f);
}

static void fill_terminal(const struct risk_view *view, float *out, uint32_t stride)
{
	const struct risk_terminal_state *terminal = view->terminal;
	float count_24h = count_of(view->terminal_counts[RISK_24H]);
	float count_30d = count_of(view->terminal_counts[RISK_30D]);

	SET(visitors, (float)view->visitors);
	SET(visitor_rank, (float)view->visitor_rank);
	SET(visitors_again, (float)terminal->parties.again);
	SET(visitor_seen, (float)view->visitor_seen);
	SET(terminal_age_days, days_of(view->terminal_age_s));
	SET(terminal_observations_log, log_of(terminal->observations));
	SET(terminal_idle_log, log_of(view->terminal_idle_s));
	SET(terminal_1h, count_of(view->terminal_counts[RISK_1H]));
	SET(terminal_24h, count_24h);
	SET(terminal_7d, count_of(view->terminal_counts[RISK_7D]));
	SET(terminal_30d, count_30d);
	SET(terminal_burst, ratio(count_24h * 30, count_30d));
	SET(amount_to_terminal_mean,
	    ratio((float)view->transaction->amount * 256, (float)terminal->amount_mean));
}

/* Both blocks of feedback features lie in the same order. */
static void fill_feedback(const struct risk_feedback_view *view, float *out, uint32_t stride)
{
	const float values[] = {
		count_of(view->confirmed_7d),
		count_of(view->confirmed_30d),
		ratio((float)view->confirmed_7d, (float)view->labelled_7d),
		ratio((float)view->confirmed_30d, (float)view->labelled_30d),
		(float)view->confirmed,
		days_of(view->since_last_s),
		days_of(view->since_first_s),
		(float)view->clean_run,
	};

	_Static_assert(sizeof(values) / sizeof(values[0]) ==
	                   RISK_FEATURE_terminal_confirmed_7d - RISK_FEATURE_account_confirmed_7d,
	    "as many as the list has");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		out[i * stride] = values[i];
}

static void fill_balances(const struct risk_view *view, float *out, uint32_t stride)
{
	const struct risk_transaction *transaction = view->transaction;
	int64_t amount = transaction->amount;
	int64_t signed_amount = transaction->kind == RISK_KIND_DEPOSIT ? -amount : amount;

	SET(amount_to_balance, -1.0f);
	SET(balance_error, 0.0f);
	SET(balance_left, -1.0f);
	SET(other_error, 0.0f);
	SET(other_before_log, -1.0f);
	if (transaction->has_balances) {
		SET(amount_to_balance, ratio((float)amount, (float)transaction->balance_before));
		SET(balance_error, signed_ratio(transaction->balance_before - signed_amount -
		                                    transaction->balance_after,
		                       amount));
		SET(balance_left,
		    ratio((float)transaction->balance_after, (float)transaction->balance_before));
	}
	if (transaction->has_balances_other) {
		SET(other_error, signed_ratio(transaction->other_before + signed_amount -
		                                  transaction->other_after,
		                     amount));
		SET(other_before_log,
		    log_of(
		        transaction->other_before > 0 ? (uint64_t)transaction->other_before : 0));
	}
}

void risk_features_fill(const struct risk_view *view, float *features, uint32_t stride)
{
	float *out = features;

	SET(kind, (float)view->transaction->kind);
	SET(amount_log, (float)view->amount_log / 256.0f);
	SET(hour, (float)view->hour);
	SET(day, (float)view->day);
	SET(hour_share, (float)view->hour_share / 255.0f);
	SET(day_share, (float)view->day_share / 255.0f);
	fill_account(view, features, stride);
	fill_received(view, features, stride);
	fill_terminal(view, features, stride);
	fill_feedback(&view->account_feedback,
	    features + (size_t)RISK_FEATURE_account_confirmed_7d * stride, stride);
	fill_feedback(&view->terminal_feedback,
	    features + (size_t)RISK_FEATURE_terminal_confirmed_7d * stride, stride);
	fill_balances(view, features, stride);
}
