/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_features.h"

#include <stddef.h>

#include "dataplane/risk/risk_internal.h"
#include "dataplane/risk/risk_lanes.h"
#include "dataplane/risk/risk_model.h"

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

unsigned risk_features_count(uint32_t version)
{
	static const unsigned counts[] = { 0, RISK_FEATURE_partner_confirmed_7d,
		RISK_FEATURE_COUNT };

	_Static_assert(SLUICE_ARRAY_COUNT(counts) == RISK_FEATURES_VERSION + 1, "one each");
	return version < SLUICE_ARRAY_COUNT(counts) ? counts[version] : 0;
}

/*
 * Columns behind the features: what numbers are divided by, and the amount. Some features have
 * nothing of their own put: they are made of these and of other features.
 */
enum behind {
	BEHIND_AMOUNT = RISK_FEATURE_COUNT, /* in 1/256, as means are */
	BEHIND_MEAN,
	BEHIND_SPREAD,
	BEHIND_RECEIVED,
	BEHIND_TERMINAL_MEAN,
	BEHIND_BALANCE,
	BEHIND_ACCOUNT_LABELLED_7D,
	BEHIND_ACCOUNT_LABELLED_30D,
	BEHIND_TERMINAL_LABELLED_7D,
	BEHIND_TERMINAL_LABELLED_30D,
	BEHIND_PARTNER_LABELLED_7D,
	BEHIND_PARTNER_LABELLED_30D,
	BEHIND_DAY,  /* seconds of one */
	BEHIND_SLOT, /* a whole habit */
	BEHIND_END,
};
_Static_assert((int)BEHIND_END == RISK_FEATURE_COLUMNS, "room for all");

/* ---- What a row puts: integers as they are, to be converted a vector at a time ---- */

/* Of each column, what its integer is multiplied with; 0: a float was put, or nothing. */
#define INTEGER 1.0f
#define COUNT   (1.0f / (float)RISK_COUNT_ONE)
#define LOG     (1.0f / 256.0f)
#define F(name) RISK_FEATURE_##name
static const float scales[RISK_FEATURE_ROW] = {
	[F(kind)] = INTEGER,
	[F(amount_log)] = LOG,
	[F(hour)... F(account_age_days)] = INTEGER,
	[F(account_observations_log)... F(account_idle_log)] = LOG,
	[F(account_1h)... F(account_30d)] = COUNT,
	[F(account_mean_log)] = LOG,
	[F(high_7d)] = COUNT,
	[F(ladder)... F(visitors_again)] = INTEGER,
	[F(received_idle_log)] = LOG,
	[F(received_24h)... F(received_30d)] = COUNT,
	[F(sources)... F(sources_again)] = INTEGER,
	[F(terminal_age_days)] = INTEGER,
	[F(terminal_observations_log)... F(terminal_idle_log)] = LOG,
	[F(terminal_1h)... F(terminal_30d)] = COUNT,
	[F(account_confirmed_7d)... F(account_confirmed_30d)] = COUNT,
	[F(account_confirmed)... F(account_clean_run)] = INTEGER,
	[F(terminal_confirmed_7d)... F(terminal_confirmed_30d)] = COUNT,
	[F(terminal_confirmed)... F(terminal_clean_run)] = INTEGER,
	[F(partner_confirmed_7d)... F(partner_confirmed_30d)] = COUNT,
	[F(partner_confirmed)... F(partner_clean_run)] = INTEGER,
	[BEHIND_ACCOUNT_LABELLED_7D... BEHIND_PARTNER_LABELLED_30D] = COUNT,
};

static inline void put_word(float *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

#define PUT(column, value)       put_word(out + (size_t)(column)*stride, (uint32_t)(value))
#define PUT_FLOAT(column, value) (out[(size_t)(column)*stride] = (value))

/* `stride` is a constant where these are called with the usual ones. */
#define INLINE static inline __attribute__((always_inline))

INLINE void put_account(const struct risk_view *view, float *restrict out, const uint32_t stride)
{
	const struct risk_account_state *account = view->account;

	PUT(F(account_age_days), view->account_age_s);
	PUT(F(account_observations_log), account->observations); /* the logarithm later */
	PUT(F(account_idle_log), view->account_idle_s);          /* the logarithm later */
	PUT(F(account_1h), view->account_counts[RISK_1H]);
	PUT(F(account_24h), view->account_counts[RISK_24H]);
	PUT(F(account_7d), view->account_counts[RISK_7D]);
	PUT(F(account_30d), view->account_counts[RISK_30D]);
	PUT_FLOAT(BEHIND_MEAN, (float)account->amount_mean);
	PUT_FLOAT(BEHIND_SPREAD, (float)account->amount_spread);
	PUT(F(account_mean_log), log2_of(account->amount_mean >> 8));
	/* Sums are in minor units, the mean in 1/256 of them. */
	PUT_FLOAT(F(mean_24h_to_mean), (float)view->sum_24h * 256);
	PUT_FLOAT(F(mean_7d_to_mean), (float)view->sum_7d * 256);
	PUT_FLOAT(F(mean_30d_to_mean), (float)view->sum_30d * 256);
	PUT(F(high_7d), view->high_7d);
	PUT(F(ladder), account->ladder);
	PUT(F(partners), view->partners);
	PUT(F(partner_rank), view->partner_rank);
	PUT(F(partner_seen), view->partner_seen);
	PUT(F(partners_again), account->parties.again);
	PUT(F(partner_paid), view->partner_paid);
	PUT(F(partner_repeats), view->partner_rank == 1 ? account->parties.repeats + 1u : 0);
}

INLINE void put_received(const struct risk_view *view, float *restrict out, const uint32_t stride)
{
	int recent = view->received_idle_s <= 86400;

	PUT(F(received_idle_log), log2_of(view->received_idle_s));
	PUT(F(received_24h), view->in_24h);
	PUT(F(received_7d), view->in_7d);
	PUT(F(received_30d), view->in_30d);
	PUT(F(sources), view->sources);
	PUT(F(sources_again), view->account->source_again);
	PUT_FLOAT(BEHIND_RECEIVED, recent ? (float)view->account->received_amount : 1.0f);
	PUT_FLOAT(F(amount_to_received), recent ? (float)view->transaction->amount : -1.0f);
	PUT_FLOAT(F(staked_to_received), recent ? (float)view->account->staked_since : -1.0f);
}

INLINE void put_terminal(const struct risk_view *view, float *restrict out, const uint32_t stride)
{
	const struct risk_terminal_state *terminal = view->terminal;

	PUT(F(visitors), view->visitors);
	PUT(F(visitor_rank), view->visitor_rank);
	PUT(F(visitors_again), terminal->parties.again);
	PUT(F(visitor_seen), view->visitor_seen);
	PUT(F(terminal_age_days), view->terminal_age_s);
	PUT(F(terminal_observations_log), terminal->observations); /* the logarithm later */
	PUT(F(terminal_idle_log), view->terminal_idle_s);          /* the logarithm later */
	PUT(F(terminal_1h), view->terminal_counts[RISK_1H]);
	PUT(F(terminal_24h), view->terminal_counts[RISK_24H]);
	PUT(F(terminal_7d), view->terminal_counts[RISK_7D]);
	PUT(F(terminal_30d), view->terminal_counts[RISK_30D]);
	PUT_FLOAT(BEHIND_TERMINAL_MEAN, (float)terminal->amount_mean);
}

/* All blocks of feedback features lie in the same order. */
INLINE void put_feedback(const struct risk_feedback_view *view, float *restrict out,
    const uint32_t stride, const int first, const int labelled)
{
	PUT(first, view->confirmed_7d);
	PUT(first + 1, view->confirmed_30d);
	PUT(first + 4, view->confirmed);
	PUT(first + 5, view->since_last_s);
	PUT(first + 6, view->since_first_s);
	PUT(first + 7, view->clean_run);
	PUT(labelled, view->labelled_7d);
	PUT(labelled + 1, view->labelled_30d);
}
_Static_assert(F(account_clean_run) - F(account_confirmed_7d) == 7 &&
                   F(terminal_clean_run) - F(terminal_confirmed_7d) == 7 &&
                   F(partner_clean_run) - F(partner_confirmed_7d) == 7,
    "as many as the list has");

/* Of a partner: it has none, or there is no partner. */
static const struct risk_feedback_view partner_none = { .since_last_s = UINT32_MAX,
	.since_first_s = UINT32_MAX };

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

INLINE void put_balances(const struct risk_view *view, float *restrict out, const uint32_t stride)
{
	const struct risk_transaction *transaction = view->transaction;
	int64_t amount = transaction->amount;
	int64_t signed_amount = transaction->kind == RISK_KIND_DEPOSIT ? -amount : amount;
	int known = transaction->has_balances;

	PUT_FLOAT(BEHIND_BALANCE, known ? (float)transaction->balance_before : 1.0f);
	PUT_FLOAT(F(amount_to_balance), known ? (float)amount : -1.0f);
	PUT_FLOAT(F(balance_left), known ? (float)transaction->balance_after : -1.0f);
	PUT_FLOAT(F(balance_error),
	    known ? signed_ratio(
	                transaction->balance_before - signed_amount - transaction->balance_after,
	                amount)
	          : 0.0f);
	PUT_FLOAT(F(other_error), 0.0f);
	PUT_FLOAT(F(other_before_log), -1.0f);
	if (transaction->has_balances_other) {
		int64_t before = transaction->other_before;

		PUT_FLOAT(F(other_error),
		    signed_ratio(before + signed_amount - transaction->other_after, amount));
		PUT_FLOAT(F(other_before_log),
		    (float)log2_of(before > 0 ? (uint64_t)before : 0) / 256.0f);
	}
}

unsigned risk_features_part(enum risk_feature feature)
{
	if (feature >= RISK_FEATURE_received_idle_log && feature <= RISK_FEATURE_staked_to_received)
		return RISK_PART_RECEIVED;
	if (feature >= RISK_FEATURE_partner_confirmed_7d)
		return RISK_PART_PARTNER;
	return feature >= RISK_FEATURE_amount_to_balance ? RISK_PART_BALANCES : 0;
}

INLINE void put_all(
    const struct risk_view *view, float *restrict out, const uint32_t stride, unsigned parts)
{
	PUT(F(kind), view->transaction->kind);
	PUT(F(amount_log), view->amount_log);
	PUT(F(hour), view->hour);
	PUT(F(day), view->day);
	PUT(F(hour_share), view->hour_share);
	PUT(F(day_share), view->day_share);
	PUT_FLOAT(BEHIND_AMOUNT, (float)view->transaction->amount * 256);
	PUT_FLOAT(BEHIND_DAY, DAY_S);
	PUT_FLOAT(BEHIND_SLOT, 255.0f);
	put_account(view, out, stride);
	put_terminal(view, out, stride);
	put_feedback(&view->account_feedback, out, stride, F(account_confirmed_7d),
	    BEHIND_ACCOUNT_LABELLED_7D);
	put_feedback(&view->terminal_feedback, out, stride, F(terminal_confirmed_7d),
	    BEHIND_TERMINAL_LABELLED_7D);
	if ((parts & RISK_PART_RECEIVED) != 0)
		put_received(view, out, stride);
	if ((parts & RISK_PART_BALANCES) != 0)
		put_balances(view, out, stride);
	if ((parts & RISK_PART_PARTNER) != 0)
		put_feedback(
		    view->partner_feedback != NULL ? view->partner_feedback : &partner_none, out,
		    stride, F(partner_confirmed_7d), BEHIND_PARTNER_LABELLED_7D);
}

void risk_features_put(struct risk_view *view, float *columns, uint32_t stride, unsigned parts)
{
	view_complete(view, (parts & RISK_PART_RECEIVED) != 0);
	if (stride == RISK_MODEL_STRIDE)
		put_all(view, columns, RISK_MODEL_STRIDE, parts);
	else
		put_all(view, columns, stride, parts);
}

/* ---- Divisions ---- */

/* out := ratio of part to whole, all of them at once ... */
struct quotient {
	uint8_t out, part, whole;
};
static const struct quotient ratios[] = {
	{ F(hour_share), F(hour_share), BEHIND_SLOT },
	{ F(day_share), F(day_share), BEHIND_SLOT },
	{ F(account_age_days), F(account_age_days), BEHIND_DAY },
	{ F(terminal_age_days), F(terminal_age_days), BEHIND_DAY },
	{ F(account_burst), F(account_burst), F(account_30d) },
	{ F(amount_to_mean), BEHIND_AMOUNT, BEHIND_MEAN },
	{ F(amount_deviation), F(amount_deviation), BEHIND_SPREAD },
	{ F(mean_24h_to_mean), F(mean_24h_to_mean), BEHIND_MEAN },
	{ F(mean_7d_to_mean), F(mean_7d_to_mean), BEHIND_MEAN },
	{ F(high_share_7d), F(high_7d), F(account_7d) },
	{ F(terminal_burst), F(terminal_burst), F(terminal_30d) },
	{ F(amount_to_terminal_mean), BEHIND_AMOUNT, BEHIND_TERMINAL_MEAN },
};
/* ... then these, of what came of the first. */
static const struct quotient ratios_then[] = {
	{ F(mean_24h_to_mean), F(mean_24h_to_mean), F(account_24h) },
	{ F(mean_7d_to_mean), F(mean_7d_to_mean), F(account_7d) },
	{ F(mean_30d_to_mean), F(mean_30d_to_mean), F(account_30d) },
};
static const struct quotient ratios_account[] = {
	{ F(account_confirmed_rate_7d), F(account_confirmed_7d), BEHIND_ACCOUNT_LABELLED_7D },
	{ F(account_confirmed_rate_30d), F(account_confirmed_30d), BEHIND_ACCOUNT_LABELLED_30D },
	{ F(account_confirmed_last_days), F(account_confirmed_last_days), BEHIND_DAY },
	{ F(account_confirmed_first_days), F(account_confirmed_first_days), BEHIND_DAY },
};
static const struct quotient ratios_terminal[] = {
	{ F(terminal_confirmed_rate_7d), F(terminal_confirmed_7d), BEHIND_TERMINAL_LABELLED_7D },
	{ F(terminal_confirmed_rate_30d), F(terminal_confirmed_30d), BEHIND_TERMINAL_LABELLED_30D },
	{ F(terminal_confirmed_last_days), F(terminal_confirmed_last_days), BEHIND_DAY },
	{ F(terminal_confirmed_first_days), F(terminal_confirmed_first_days), BEHIND_DAY },
};
static const struct quotient ratios_partner[] = {
	{ F(partner_confirmed_rate_7d), F(partner_confirmed_7d), BEHIND_PARTNER_LABELLED_7D },
	{ F(partner_confirmed_rate_30d), F(partner_confirmed_30d), BEHIND_PARTNER_LABELLED_30D },
	{ F(partner_confirmed_last_days), F(partner_confirmed_last_days), BEHIND_DAY },
	{ F(partner_confirmed_first_days), F(partner_confirmed_first_days), BEHIND_DAY },
};
static const struct quotient ratios_received[] = {
	{ F(amount_to_received), F(amount_to_received), BEHIND_RECEIVED },
	{ F(staked_to_received), F(staked_to_received), BEHIND_RECEIVED },
};
static const struct quotient ratios_balances[] = {
	{ F(amount_to_balance), F(amount_to_balance), BEHIND_BALANCE },
	{ F(balance_left), F(balance_left), BEHIND_BALANCE },
};
_Static_assert((int)RISK_NEVER_DAYS == (int)RATIO_MAX, "a ratio's most is what never is in days");

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

/* 0 / 0 is 0; never above RATIO_MAX. */
static inline lanes_float lanes_ratio(lanes_float part, lanes_float whole)
{
	lanes_float value = lanes_at_most(lanes_quotient(part, whole), RATIO_MAX);
	lanes_float none = lanes_pick((lanes_int)(part > 0.0f), lanes_all(RATIO_MAX), lanes_all(0));

	return lanes_pick((lanes_int)(whole > 0.0f), value, none);
}

static inline lanes_word lanes_words(const float *columns)
{
	lanes_word words;

	memcpy(&words, columns, sizeof(words));
	return words;
}

#define LOAD(column) lanes_load(columns + (size_t)(column)*stride)
#define STORE(column, value)                                                                       \
	do {                                                                                       \
		lanes_float stored = (value);                                                      \
		memcpy(columns + (size_t)(column)*stride, &stored, sizeof(stored));                \
	} while (0)

INLINE void convert(float *columns, const uint32_t stride, unsigned first, unsigned last)
{
	for (unsigned k = first; k <= last; k++)
		if (scales[k] != 0.0f)
			STORE(k, __builtin_convertvector(
			             lanes_words(columns + (size_t)k * stride), lanes_float) *
			             scales[k]);
}

/* Columns of 32 bits whose logarithm is the feature. */
static const uint8_t logarithms[] = { F(account_observations_log), F(account_idle_log),
	F(terminal_observations_log), F(terminal_idle_log) };

#if defined(LANES_LOOK_UP)
/* risk_log2_fraction, and from each to the next. */
static const uint32_t log2_low[32] = { 0, 11, 22, 33, 44, 54, 63, 73, 82, 92, 100, 109, 118, 126,
	134, 142, 150, 157, 165, 172, 179, 186, 193, 200, 207, 213, 220, 226, 232, 238, 244, 250 };
static const uint32_t log2_step[32] = { 11, 11, 11, 11, 10, 9, 10, 9, 10, 8, 9, 9, 8, 8, 8, 8, 7, 8,
	7, 7, 7, 7, 7, 7, 6, 7, 6, 6, 6, 6, 6, 6 };

/* log2_of, of all lanes. */
INLINE lanes_word lanes_log2(lanes_word value)
{
	lanes_word number = value + 1, zeros = lanes_zeros(number);
	lanes_word rest = number << (zeros & 31) << 1 >> 16;
	lanes_word log = (31 - zeros) * 256 + lanes_look_up(log2_low, rest >> 11) +
	                 (lanes_look_up(log2_step, rest >> 11) * (rest & 2047) >> 11);
	lanes_word full = (lanes_word)(number == 0); /* 2^32 */

	return (full & 32 * 256) | (~full & log);
}
#else
INLINE lanes_word lanes_log2(lanes_word value)
{
	for (unsigned i = 0; i < LANES; i++)
		value[i] = log2_of(value[i]);
	return value;
}
#endif

INLINE void logarithms_make(float *columns, const uint32_t stride)
{
	for (unsigned k = 0; k < sizeof(logarithms); k++) {
		float *column = columns + (size_t)logarithms[k] * stride;
		lanes_word log = lanes_log2(lanes_words(column));

		memcpy(column, &log, sizeof(log));
	}
}

INLINE void divide(float *columns, const uint32_t stride, const struct quotient *of, size_t count)
{
	for (size_t k = 0; k < count; k++)
		STORE(of[k].out, lanes_ratio(LOAD(of[k].part), LOAD(of[k].whole)));
}
#define DIVIDE(of) divide(columns, stride, of, sizeof(of) / sizeof((of)[0]))

/* Whether any row of these has labels; mostly none has. */
static bool any_labels(const float *columns, uint32_t stride, int labelled, int last)
{
	lanes_word found = lanes_words(columns + (size_t)labelled * stride) |
	                   lanes_words(columns + (size_t)(labelled + 1) * stride) |
	                   ~lanes_words(columns + (size_t)last * stride);
	uint32_t any = 0;

	for (unsigned i = 0; i < LANES; i++)
		any |= found[i];
	return any != 0;
}

/* What comes of no labels, without dividing. */
INLINE void no_labels(float *columns, const uint32_t stride, const struct quotient *of)
{
	STORE(of[0].out, lanes_all(0));
	STORE(of[1].out, lanes_all(0));
	STORE(of[2].out, lanes_all(RISK_NEVER_DAYS));
	STORE(of[3].out, lanes_all(RISK_NEVER_DAYS));
}

INLINE void finish_lanes(float *columns, const uint32_t stride, unsigned parts)
{
	bool account =
	    any_labels(columns, stride, BEHIND_ACCOUNT_LABELLED_7D, F(account_confirmed_last_days));
	bool terminal = any_labels(
	    columns, stride, BEHIND_TERMINAL_LABELLED_7D, F(terminal_confirmed_last_days));
	lanes_float mean = LOAD(BEHIND_MEAN), spread = LOAD(BEHIND_SPREAD);
	lanes_int habit = (lanes_int)(mean > 0.0f);

	logarithms_make(columns, stride);
	convert(columns, stride, 0, F(visitors_again));
	convert(columns, stride, F(terminal_age_days), F(terminal_clean_run));
	convert(columns, stride, BEHIND_ACCOUNT_LABELLED_7D, BEHIND_TERMINAL_LABELLED_30D);
	STORE(F(account_burst), LOAD(F(account_24h)) * 30.0f);
	STORE(F(terminal_burst), LOAD(F(terminal_24h)) * 30.0f);
	/* Without a mean there is no distance from it. */
	STORE(F(amount_deviation), lanes_pick(habit, LOAD(BEHIND_AMOUNT) - mean, lanes_all(0)));
	spread = lanes_pick((lanes_int)(spread > mean / 8.0f), spread, mean / 8.0f);
	STORE(BEHIND_SPREAD, lanes_pick(habit, spread, lanes_all(1.0f)));
	STORE(F(mean_30d_to_mean), lanes_quotient(LOAD(F(mean_30d_to_mean)), mean));
	DIVIDE(ratios);
	DIVIDE(ratios_then);
	if (account)
		DIVIDE(ratios_account);
	else
		no_labels(columns, stride, ratios_account);
	if (terminal)
		DIVIDE(ratios_terminal);
	else
		no_labels(columns, stride, ratios_terminal);
	if ((parts & RISK_PART_RECEIVED) != 0) {
		convert(columns, stride, F(received_idle_log), F(sources_again));
		DIVIDE(ratios_received);
	}
	if ((parts & RISK_PART_BALANCES) != 0)
		DIVIDE(ratios_balances);
	if ((parts & RISK_PART_PARTNER) != 0) {
		convert(columns, stride, F(partner_confirmed_7d), F(partner_clean_run));
		convert(columns, stride, BEHIND_PARTNER_LABELLED_7D, BEHIND_PARTNER_LABELLED_30D);
		DIVIDE(ratios_partner);
	}
}

void risk_features_finish(float *columns, uint32_t stride, uint32_t rows, unsigned parts)
{
	for (uint32_t row = 0; row < rows; row += LANES) {
		if (stride == RISK_MODEL_STRIDE)
			finish_lanes(columns + row, RISK_MODEL_STRIDE, parts);
		else
			finish_lanes(columns + row, stride, parts);
	}
}

/* ---- One row alone: a lane is a column ---- */

#define TOGETHER_MAX 32

struct together {
	uint8_t out[TOGETHER_MAX];
	float part[TOGETHER_MAX], whole[TOGETHER_MAX];
	unsigned count;
};

INLINE void together_add(
    struct together *set, const float *columns, const struct quotient *of, size_t count)
{
	for (size_t k = 0; k < count; k++, set->count++) {
		set->out[set->count] = of[k].out;
		set->part[set->count] = columns[of[k].part];
		set->whole[set->count] = columns[of[k].whole];
	}
}
#define ADD(of) together_add(&set, columns, of, sizeof(of) / sizeof((of)[0]))

static void together_divide(struct together *set, float *columns)
{
	for (unsigned k = 0; k < set->count; k += LANES) {
		lanes_float value =
		    lanes_ratio(lanes_load(set->part + k), lanes_load(set->whole + k));

		memcpy(set->part + k, &value, sizeof(value));
	}
	for (unsigned k = 0; k < set->count; k++)
		columns[set->out[k]] = set->part[k];
	set->count = 0;
}

static void convert_row(float *columns)
{
	for (unsigned k = 0; k < RISK_FEATURE_COLUMNS; k += LANES) {
		lanes_float scale = lanes_load(scales + k), value = lanes_load(columns + k);
		lanes_float made =
		    __builtin_convertvector(lanes_words(columns + k), lanes_float) * scale;

		value = lanes_pick((lanes_int)(scale != 0.0f), made, value);
		memcpy(columns + k, &value, sizeof(value));
	}
}

void risk_features_row(struct risk_view *view, float *columns, unsigned parts)
{
	struct together set = { .count = 0 };
	float mean, spread;

	view_complete(view, (parts & RISK_PART_RECEIVED) != 0);
	put_all(view, columns, 1, parts);
	for (unsigned k = 0; k < sizeof(logarithms); k++) {
		uint32_t word;

		memcpy(&word, &columns[logarithms[k]], sizeof(word));
		put_word(&columns[logarithms[k]], log2_of(word));
	}
	convert_row(columns);
	mean = columns[BEHIND_MEAN];
	spread = columns[BEHIND_SPREAD];
	columns[F(account_burst)] = columns[F(account_24h)] * 30.0f;
	columns[F(terminal_burst)] = columns[F(terminal_24h)] * 30.0f;
	columns[F(amount_deviation)] = mean > 0.0f ? columns[BEHIND_AMOUNT] - mean : 0.0f;
	spread = spread > mean / 8.0f ? spread : mean / 8.0f;
	columns[BEHIND_SPREAD] = mean > 0.0f ? spread : 1.0f;
	columns[F(mean_30d_to_mean)] /= mean > 0.0f ? mean : 1.0f;
	ADD(ratios);
	ADD(ratios_account);
	ADD(ratios_terminal);
	if ((parts & RISK_PART_RECEIVED) != 0)
		ADD(ratios_received);
	if ((parts & RISK_PART_BALANCES) != 0)
		ADD(ratios_balances);
	if ((parts & RISK_PART_PARTNER) != 0)
		ADD(ratios_partner);
	together_divide(&set, columns);
	ADD(ratios_then);
	together_divide(&set, columns);
}

void risk_features_fill(const struct risk_view *view, float *features, uint32_t stride)
{
	float columns[RISK_FEATURE_ROW] = { 0 };
	struct risk_view own;

	memcpy(&own, view, sizeof(own));
	risk_features_row(&own, columns, RISK_PARTS);
	for (size_t i = 0; i < RISK_FEATURE_COUNT; i++)
		features[i * stride] = columns[i];
}
