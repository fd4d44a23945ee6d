/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "dataplane/risk/risk.h"

#define DAY_S  86400u
#define YEAR_S (366 * DAY_S)

void risk_rules_default(struct risk_rules *rules)
{
	*rules = (struct risk_rules){
		.version = 1,
		.currency = 410, /* KRW; its minor unit is 1 won */
		.alert_score = 60,
		.refuse_score = 80,
		.stake_single_max = 1000000,
		.stake_daily_max = 10000000,
		.terminal_daily_max = 1000000000,
		.payout_max = 100000000,
		.large_amount = 1000000,
		.longshot_liability = 50000000,
		.longshot_odds = 20000,
		.cancel_window_s = 600,
		.utc_offset_s = 32400,
		.deviation_z_tenths = 25,
		.deviation_observations = 5,
		.frequency_count = 3,
		.frequency_ratio_tenths = 30,
		.points_large = 40,
		.points_behaviour = 25,
		.points_odds = 20,
		.partner_confirmed_tenths = 20,
		.partner_key_hold_s = DAY_S,
		.withdraw_timeout_s = DAY_S,
		.ticket_expiry_s = 365 * DAY_S,
		.result_final_s = DAY_S,
		.limit_raise_delay_s = DAY_S,
		.sprinkle_window_max_s = DAY_S,
	};
}

int risk_rules_check(const struct risk_rules *rules, const char **field)
{
#define RANGE(name, low, high)                                                                     \
	{                                                                                          \
#name, (int64_t)rules->name, (low), (high)                                         \
	}
	const struct {
		const char *name;
		int64_t value, low, high;
	} ranges[] = {
		RANGE(version, 1, UINT32_MAX),
		RANGE(currency, 1, 999),
		/* 101: never, as no score is above 100 */
		RANGE(alert_score, 1, 101),
		RANGE(refuse_score, 1, 101),
		RANGE(stake_single_max, 1, LIMIT_STAKE_MAX),
		RANGE(stake_daily_max, 1, LIMIT_BALANCE_MAX),
		RANGE(terminal_daily_max, 1, LIMIT_BALANCE_MAX),
		RANGE(payout_max, 1, LIMIT_PAYOUT_MAX),
		RANGE(large_amount, 1, LIMIT_BALANCE_MAX),
		RANGE(longshot_liability, 1, LIMIT_PAYOUT_MAX),
		RANGE(longshot_odds, LIMIT_ODDS_MIN, UINT32_MAX),
		RANGE(cancel_window_s, 0, 30 * 86400),
		RANGE(utc_offset_s, 0, 86399),
		RANGE(deviation_z_tenths, 1, 1000),
		RANGE(deviation_observations, 1, 10000),
		RANGE(frequency_count, 0, 65535),
		RANGE(frequency_ratio_tenths, 1, 1000),
		RANGE(points_large, 0, 100),
		RANGE(points_behaviour, 0, 100),
		RANGE(points_odds, 0, 100),
		RANGE(partner_confirmed_tenths, 0, 255),
		RANGE(withdraw_pending_min, 0, LIMIT_STAKE_MAX),
		RANGE(exposure_selection_max, 0, LIMIT_BALANCE_MAX),
		RANGE(exposure_market_max, 0, LIMIT_BALANCE_MAX),
		/* what partners are promised */
		RANGE(partner_key_hold_s, DAY_S, YEAR_S),
		RANGE(withdraw_timeout_s, 1, YEAR_S),
		RANGE(ticket_expiry_s, 1, 10 * YEAR_S),
		RANGE(result_final_s, 1, YEAR_S),
		RANGE(limit_raise_delay_s, 1, YEAR_S),
		RANGE(sprinkle_window_max_s, 1, 30 * DAY_S),
	};
#undef RANGE

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(ranges); i++) {
		if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high) {
			*field = ranges[i].name;
			return -EINVAL;
		}
	}
	return 0;
}

void risk_rules_encode(const struct risk_rules *rules, struct event_rules *out)
{
	*out = (struct event_rules){
		.version = le32_make(rules->version),
		.currency = le16_make(rules->currency),
		.alert_score = rules->alert_score,
		.refuse_score = rules->refuse_score,
		.stake_single_max = le64s_make(rules->stake_single_max),
		.stake_daily_max = le64s_make(rules->stake_daily_max),
		.terminal_daily_max = le64s_make(rules->terminal_daily_max),
		.payout_max = le64s_make(rules->payout_max),
		.large_amount = le64s_make(rules->large_amount),
		.longshot_liability = le64s_make(rules->longshot_liability),
		.longshot_odds = le32_make(rules->longshot_odds),
		.cancel_window_s = le32_make(rules->cancel_window_s),
		.utc_offset_s = le32_make(rules->utc_offset_s),
		.deviation_z_tenths = le16_make(rules->deviation_z_tenths),
		.deviation_observations = le16_make(rules->deviation_observations),
		.frequency_count = le16_make(rules->frequency_count),
		.frequency_ratio_tenths = le16_make(rules->frequency_ratio_tenths),
		.points_large = rules->points_large,
		.points_behaviour = rules->points_behaviour,
		.points_odds = rules->points_odds,
		.partner_confirmed_tenths = rules->partner_confirmed_tenths,
		.withdraw_pending_min = le64s_make(rules->withdraw_pending_min),
		.exposure_selection_max = le64s_make(rules->exposure_selection_max),
		.exposure_market_max = le64s_make(rules->exposure_market_max),
		.partner_key_hold_s = le32_make(rules->partner_key_hold_s),
		.withdraw_timeout_s = le32_make(rules->withdraw_timeout_s),
		.ticket_expiry_s = le32_make(rules->ticket_expiry_s),
		.result_final_s = le32_make(rules->result_final_s),
		.limit_raise_delay_s = le32_make(rules->limit_raise_delay_s),
		.sprinkle_window_max_s = le32_make(rules->sprinkle_window_max_s),
	};
}

int risk_rules_decode(const struct event_rules *in, struct risk_rules *rules)
{
	const char *field;
	struct risk_rules decoded = {
		.version = le32_get(in->version),
		.currency = le16_get(in->currency),
		.alert_score = in->alert_score,
		.refuse_score = in->refuse_score,
		.stake_single_max = le64s_get(in->stake_single_max),
		.stake_daily_max = le64s_get(in->stake_daily_max),
		.terminal_daily_max = le64s_get(in->terminal_daily_max),
		.payout_max = le64s_get(in->payout_max),
		.large_amount = le64s_get(in->large_amount),
		.longshot_liability = le64s_get(in->longshot_liability),
		.longshot_odds = le32_get(in->longshot_odds),
		.cancel_window_s = le32_get(in->cancel_window_s),
		.utc_offset_s = le32_get(in->utc_offset_s),
		.deviation_z_tenths = le16_get(in->deviation_z_tenths),
		.deviation_observations = le16_get(in->deviation_observations),
		.frequency_count = le16_get(in->frequency_count),
		.frequency_ratio_tenths = le16_get(in->frequency_ratio_tenths),
		.points_large = in->points_large,
		.points_behaviour = in->points_behaviour,
		.points_odds = in->points_odds,
		.partner_confirmed_tenths = in->partner_confirmed_tenths,
		.withdraw_pending_min = le64s_get(in->withdraw_pending_min),
		.exposure_selection_max = le64s_get(in->exposure_selection_max),
		.exposure_market_max = le64s_get(in->exposure_market_max),
		.partner_key_hold_s = le32_get(in->partner_key_hold_s),
		.withdraw_timeout_s = le32_get(in->withdraw_timeout_s),
		.ticket_expiry_s = le32_get(in->ticket_expiry_s),
		.result_final_s = le32_get(in->result_final_s),
		.limit_raise_delay_s = le32_get(in->limit_raise_delay_s),
		.sprinkle_window_max_s = le32_get(in->sprinkle_window_max_s),
	};

	if (risk_rules_check(&decoded, &field) != 0)
		return -EBADMSG;
	*rules = decoded;
	return 0;
}
