/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_decay.h"
#include "dataplane/risk/risk_extra.h"

#define NANOSECONDS 1000000000ull
#define DAY_NS      (86400ull * NANOSECONDS)
#define COUNT_ONE   (1ull << 16)
#define COUNT_MAX   (1ull << 48)
#define SCORE_START 30

static const char *const factor_names[RISK_FACTOR_COUNT] = {
#define RISK_FACTOR_NAME(name, text) [RISK_##name] = #name,
	RISK_FACTORS(RISK_FACTOR_NAME)
#undef RISK_FACTOR_NAME
};

static const char *const factor_texts[RISK_FACTOR_COUNT] = {
#define RISK_FACTOR_TEXT(name, text) [RISK_##name] = (text),
	RISK_FACTORS(RISK_FACTOR_TEXT)
#undef RISK_FACTOR_TEXT
};

const char *risk_factor_name(enum risk_factor factor)
{
	return (unsigned)factor < RISK_FACTOR_COUNT ? factor_names[factor] : NULL;
}

const char *risk_factor_text(enum risk_factor factor)
{
	return (unsigned)factor < RISK_FACTOR_COUNT ? factor_texts[factor] : NULL;
}

uint32_t risk_day(const struct risk_rules *rules, uint64_t time_ns)
{
	return (uint32_t)((time_ns / NANOSECONDS + rules->utc_offset_s) / 86400u);
}

/*
 * z > limit, with z = (stake - mean) / max(sd, floor). For a normal distribution sd is 1.2533 times
 * the mean absolute deviation; 5/4 is used. The floor is 1/8 of the mean (at least one minor unit),
 * so an account that always stakes the same amount is not alarmed by a small change.
 */
static uint64_t deviation_unit(const struct risk_profile *profile)
{
	uint64_t unit = profile->amount_mean >> 3;

	if (unit < 256)
		unit = 256;
	if (unit < profile->amount_spread + profile->amount_spread / 4)
		unit = profile->amount_spread + profile->amount_spread / 4;
	return unit;
}

static int amount_deviates(const struct risk_rules *rules, const struct risk_profile *profile,
    const struct risk_input *input)
{
	uint64_t stake = (uint64_t)input->stake << 8;
	uint64_t unit = deviation_unit(profile);

	if (stake <= profile->amount_mean)
		return 0;
	return (stake - profile->amount_mean) * 10 > rules->deviation_z_tenths * unit;
}

/*
 * More than frequency_count bets in 24 h, the one being judged included, and more than the ratio
 * times the daily average of 7 or of 30 days. A young account has not filled its windows yet; each
 * count is therefore set against tau * (1 - e^(-age / tau)), what a steady bet a day would have
 * brought it to. A steady habit then gives a ratio of one at any age.
 */
static int frequency_deviates(
    const struct risk_rules *rules, const struct risk_profile *profile, uint64_t now_ns)
{
	uint64_t updated = profile->updated_ns, first = profile->first_ns;
	uint64_t day = COUNT_ONE + risk_decay(profile->count_24h,
	                               RISK_STEPS(updated, now_ns, RISK_STEP_24H_NS));

	if (day <= (uint64_t)rules->frequency_count << 16)
		return 0;

	uint64_t week =
	    COUNT_ONE + risk_decay(profile->count_7d, RISK_STEPS(updated, now_ns, RISK_STEP_7D_NS));
	uint64_t month = COUNT_ONE + risk_decay(profile->count_30d,
	                                 RISK_STEPS(updated, now_ns, RISK_STEP_30D_NS));
	uint64_t day_full =
	    COUNT_ONE - risk_decay(COUNT_ONE, RISK_STEPS(first, now_ns, RISK_STEP_24H_NS));
	uint64_t week_full =
	    7 * COUNT_ONE - risk_decay(7 * COUNT_ONE, RISK_STEPS(first, now_ns, RISK_STEP_7D_NS));
	uint64_t month_full = 30 * COUNT_ONE - risk_decay(30 * COUNT_ONE,
	                                           RISK_STEPS(first, now_ns, RISK_STEP_30D_NS));
	uint64_t allowed = rules->frequency_ratio_tenths * day_full;

	return (unsigned __int128)day * (10 * week_full) > (unsigned __int128)week * allowed ||
	       (unsigned __int128)day * (10 * month_full) > (unsigned __int128)month * allowed;
}

void risk_evaluate(const struct risk_rules *rules, const struct risk_profile *profile,
    const struct risk_input *input, struct risk_result *result)
{
	unsigned fired = 0, considered = 0, score = 0;
	uint32_t bits = 0;
	int64_t large = 0, liability = 0;

	if (input->amounts != NULL) {
		large = input->amounts->large_amount;
		liability = input->amounts->longshot_liability;
	} else if (input->currency == rules->currency) {
		large = rules->large_amount;
		liability = rules->longshot_liability;
	}
	if (large > 0 && input->stake >= large) {
		bits |= RISK_BIT(LARGE);
		score += rules->points_large;
	}
	if (profile->observations >= rules->deviation_observations) {
		considered++;
		if (amount_deviates(rules, profile, input)) {
			bits |= RISK_BIT(AMOUNT_DEVIATION);
			fired++;
		}
	}
	/* A habit per day needs a day. */
	if (profile->observations > 0 && input->time_ns >= profile->first_ns + DAY_NS) {
		considered++;
		if (frequency_deviates(rules, profile, input->time_ns)) {
			bits |= RISK_BIT(FREQUENCY_DEVIATION);
			fired++;
		}
	}
	if (fired > 0) {
		bits |= RISK_BIT(BEHAVIOUR);
		score += rules->points_behaviour * fired >> (considered - 1); /* considered: 1, 2 */
	}
	if (input->odds_differ)
		bits |= RISK_BIT(ODDS_CLAIMED);
	if (liability > 0 && input->odds_product >= rules->longshot_odds &&
	    input->payout - input->stake >= liability)
		bits |= RISK_BIT(LONGSHOT);
	if (bits & (RISK_BIT(ODDS_CLAIMED) | RISK_BIT(LONGSHOT)))
		score += rules->points_odds;
	if (score > 100)
		score = 100;
	if (score >= rules->alert_score)
		bits |= RISK_BIT(ALERT);
	result->factor_bits = bits;
	result->score = (uint8_t)score;
}

/* count / full a day, both with COUNT_ONE as one, in tenths. */
static uint64_t daily_tenths(uint64_t count, uint64_t full)
{
	return full == 0 ? 0 : count * 10 / full;
}

void risk_profile_numbers(const struct risk_profile *profile, uint64_t time_ns, int64_t stake,
    struct risk_profile_numbers *numbers)
{
	uint64_t updated = profile->updated_ns, first = profile->first_ns;
	uint64_t amount = (uint64_t)stake << 8;

	*numbers = (struct risk_profile_numbers){
		.amount_mean = (int64_t)(profile->amount_mean >> 8),
		.day_tenths = (COUNT_ONE + risk_decay(profile->count_24h,
		                               RISK_STEPS(updated, time_ns, RISK_STEP_24H_NS))) *
		              10 / COUNT_ONE,
		.daily_7d_tenths =
		    daily_tenths(COUNT_ONE + risk_decay(profile->count_7d,
		                                 RISK_STEPS(updated, time_ns, RISK_STEP_7D_NS)),
		        7 * COUNT_ONE -
		            risk_decay(7 * COUNT_ONE, RISK_STEPS(first, time_ns, RISK_STEP_7D_NS))),
		.daily_30d_tenths =
		    daily_tenths(COUNT_ONE + risk_decay(profile->count_30d,
		                                 RISK_STEPS(updated, time_ns, RISK_STEP_30D_NS)),
		        30 * COUNT_ONE - risk_decay(30 * COUNT_ONE,
		                             RISK_STEPS(first, time_ns, RISK_STEP_30D_NS))),
	};
	/* An amount is at most 10^15: its 256 parts, ten times, fit. */
	if (profile->observations > 0 && amount > profile->amount_mean)
		numbers->z_tenths = (amount - profile->amount_mean) * 10 / deviation_unit(profile);
}

void risk_profile_init(struct risk_profile *profile, uint64_t time_ns)
{
	*profile = (struct risk_profile){
		.updated_ns = time_ns,
		.first_ns = time_ns,
		.profile_score = SCORE_START,
	};
}

/* Plain averages over the first 16 bets, from then on exponential with weight 1/16. */
static void profile_amount(struct risk_profile *profile, int64_t stake)
{
	static const int16_t weights[16] = { 4096, 2048, 1365, 1024, 819, 683, 585, 512, 455, 410,
		372, 341, 315, 293, 273, 256 }; /* 4,096 / n */
	uint32_t seen = profile->observations;
	int64_t amount = stake * 256; /* stake <= 10^12: 2.6 * 10^14, times 4,096 fits */

	if (seen == 0) {
		profile->amount_mean = (uint64_t)amount;
		profile->amount_spread = 0;
	} else {
		int64_t weight = weights[seen < 16 ? seen : 15];
		int64_t mean = (int64_t)profile->amount_mean;
		int64_t spread = (int64_t)profile->amount_spread;
		int64_t difference = amount - mean;
		int64_t deviation = difference < 0 ? -difference : difference;

		/* Shifts of negative numbers round down (gcc, clang); neither sum can pass zero. */
		profile->amount_mean = (uint64_t)(mean + (difference * weight >> 12));
		profile->amount_spread = (uint64_t)(spread + ((deviation - spread) * weight >> 12));
	}
	if ((uint64_t)stake > profile->amount_max)
		profile->amount_max = (uint64_t)stake;
}

static uint64_t count_add(uint64_t count)
{
	uint64_t sum = count + COUNT_ONE;

	return sum < COUNT_MAX ? sum : COUNT_MAX;
}

static void profile_decay(struct risk_profile *profile, uint64_t time_ns)
{
	uint64_t updated = profile->updated_ns;

	profile->count_24h =
	    risk_decay(profile->count_24h, RISK_STEPS(updated, time_ns, RISK_STEP_24H_NS));
	profile->count_7d =
	    risk_decay(profile->count_7d, RISK_STEPS(updated, time_ns, RISK_STEP_7D_NS));
	profile->count_30d =
	    risk_decay(profile->count_30d, RISK_STEPS(updated, time_ns, RISK_STEP_30D_NS));
}

/* Its counts are those of now. */
static inline void profile_learn(
    struct risk_profile *profile, uint64_t time_ns, int64_t stake, uint8_t score)
{
	profile_amount(profile, stake);
	profile->count_24h = count_add(profile->count_24h);
	profile->count_7d = count_add(profile->count_7d);
	profile->count_30d = count_add(profile->count_30d);
	if (time_ns > profile->updated_ns)
		profile->updated_ns = time_ns;
	if (profile->observations < UINT32_MAX)
		profile->observations++;
	profile->profile_score = (uint8_t)((profile->profile_score * 7u + score * 3u + 5u) / 10u);
}

void risk_profile_bet(struct risk_profile *profile, uint64_t time_ns, int64_t stake, uint8_t score)
{
	profile_decay(profile, time_ns);
	profile_learn(profile, time_ns, stake, score);
}

void risk_profile_bet_clock(struct risk_profile *profile, const struct risk_clock *clock,
    uint64_t time_ns, int64_t stake, uint8_t score)
{
	/* Since the last step of any window began, as mostly: nothing has decayed. */
	if (SLUICE_UNLIKELY(profile->updated_ns < clock->steps_ns))
		profile_decay(profile, time_ns);
	profile_learn(profile, time_ns, stake, score);
}

void risk_profile_cancel(struct risk_profile *profile)
{
	if (profile->cancels < UINT32_MAX)
		profile->cancels++;
}
