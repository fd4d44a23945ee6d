/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_extra.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(((struct event_factor_rules *)0)->points) == RISK_STATE_FACTOR_COUNT,
    "points by factor are in logs");

void risk_rules_extra_default(struct risk_rules_extra *extra)
{
	memset(extra, 0, sizeof(*extra));
	extra->present = 1;
	extra->points_country = 20;
	extra->points_watch_list = 100;
	extra->points_model_max = 40;
	extra->points_partner_confirmed = 20;
	extra->report_threshold = 10000000;
	risk_factor_rules_default(&extra->factors);
}

static const char *amounts_fault(const struct risk_amounts *amounts)
{
	const struct {
		const char *name;
		int64_t value, high;
	} ranges[] = {
		{ "currencies.stake_single_max", amounts->stake_single_max, LIMIT_STAKE_MAX },
		{ "currencies.stake_daily_max", amounts->stake_daily_max, LIMIT_BALANCE_MAX },
		{ "currencies.payout_max", amounts->payout_max, LIMIT_PAYOUT_MAX },
		{ "currencies.large_amount", amounts->large_amount, LIMIT_BALANCE_MAX },
		{ "currencies.longshot_liability", amounts->longshot_liability, LIMIT_PAYOUT_MAX },
		{ "currencies.report_threshold", amounts->report_threshold, LIMIT_BALANCE_MAX },
		{ "currencies.withdraw_pending_min", amounts->withdraw_pending_min,
		    LIMIT_STAKE_MAX },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(ranges); i++)
		if (ranges[i].value < 0 || ranges[i].value > ranges[i].high)
			return ranges[i].name;
	if (amounts->currency == 0 || amounts->currency > 999 ||
	    !bytes_all_zero(amounts->reserved, sizeof(amounts->reserved)))
		return "currencies.currency";
	return NULL;
}

static const char *currencies_fault(
    const struct risk_rules *rules, const struct risk_rules_extra *extra)
{
	if (extra->currency_count > LIMIT_RULES_CURRENCIES_MAX)
		return "currencies";
	for (unsigned i = 0; i < extra->currency_count; i++) {
		const struct risk_amounts *amounts = &extra->currencies[i];
		const char *fault = amounts_fault(amounts);

		if (fault != NULL)
			return fault;
		if (amounts->currency == rules->currency)
			return "currencies.currency";
		for (unsigned k = 0; k < i; k++)
			if (extra->currencies[k].currency == amounts->currency)
				return "currencies.currency";
	}
	return bytes_all_zero(&extra->currencies[extra->currency_count],
	           (LIMIT_RULES_CURRENCIES_MAX - extra->currency_count) *
	               sizeof(extra->currencies[0]))
	           ? NULL
	           : "currencies";
}

static const char *factors_fault(const struct risk_factor_rules *factors)
{
#define RISK_RULE_RANGE(name, low, high) { #name, factors->name, (low), (high) },
	const struct {
		const char *name;
		int64_t value, low, high;
	} ranges[] = { RISK_FACTOR_RULES(RISK_RULE_RANGE) };
#undef RISK_RULE_RANGE

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(ranges); i++)
		if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
			return ranges[i].name;
	for (unsigned i = 0; i < RISK_STATE_FACTOR_COUNT; i++)
		if (factors->points[i] > 100)
			return "points";
	return bytes_all_zero(factors->reserved, sizeof(factors->reserved)) ? NULL : "reserved";
}

int risk_rules_extra_check(
    const struct risk_rules *rules, const struct risk_rules_extra *extra, const char **field)
{
	const char *fault = NULL;

	if (bytes_all_zero(extra, sizeof(*extra)))
		return 0;
	if (extra->present != 1 || !bytes_all_zero(extra->reserved, sizeof(extra->reserved)))
		fault = "present";
	else if (extra->model_state > RISK_MODEL_STATE_MAX ||
	         (extra->model_state != RISK_MODEL_OFF && extra->model_version == 0))
		fault = "model";
	else if (extra->points_country > 100)
		fault = "points_country";
	else if (extra->points_watch_list > 100)
		fault = "points_watch_list";
	else if (extra->points_model_max > 100)
		fault = "points_model_max";
	else if (extra->points_partner_confirmed > 100)
		fault = "points_partner_confirmed";
	else if (extra->report_threshold < 0 || extra->report_threshold > LIMIT_BALANCE_MAX)
		fault = "report_threshold";
	if (fault == NULL)
		fault = factors_fault(&extra->factors);
	if (fault == NULL)
		fault = currencies_fault(rules, extra);
	if (fault == NULL)
		return 0;
	*field = fault;
	return -EINVAL;
}

void risk_factor_rules_encode(const struct risk_rules_extra *extra, struct event_factor_rules *out)
{
	const struct risk_factor_rules *factors = &extra->factors;

	*out = (struct event_factor_rules){
		.section = { .kind = SECTION_FACTOR_RULES, .size = le16_make(sizeof(*out)) },
		.report_threshold = le64s_make(extra->report_threshold),
		.structuring_window_s = le32_make(factors->structuring_window_s),
		.rapid_window_s = le16_make((uint16_t)factors->rapid_window_s),
		.rapid_window_high = (uint8_t)(factors->rapid_window_s >> 16),
		.young_s = le32_make(factors->young_s),
		.model_version = le32_make(extra->model_version),
		.model_state = extra->model_state,
		.rapid_moved_percent = factors->rapid_moved_percent,
		.rapid_staked_percent = factors->rapid_staked_percent,
		.ladder_steps = factors->ladder_steps,
		.repeated_transfers = factors->repeated_transfers,
		.selection_repeats = factors->selection_repeats,
		.selection_terminals = factors->selection_terminals,
		.selection_at_terminal = factors->selection_at_terminal,
		.late_s = factors->late_s,
		.counterparties = factors->counterparties,
		.velocity_count = factors->velocity_count,
		.velocity_ratio_tenths = factors->velocity_ratio_tenths,
		.confirmed_percent = factors->confirmed_percent,
		.confirmed_tenths = factors->confirmed_tenths,
		.terminal_confirmed_tenths = factors->terminal_confirmed_tenths,
		.points_country = extra->points_country,
		.points_watch_list = extra->points_watch_list,
		.points_model_max = extra->points_model_max,
		.points_partner_confirmed = extra->points_partner_confirmed,
	};
	memcpy(out->points, factors->points, sizeof(out->points));
}

static void factor_rules_decode(const struct event_factor_rules *in, struct risk_rules_extra *extra)
{
	extra->present = 1;
	extra->report_threshold = le64s_get(in->report_threshold);
	extra->model_version = le32_get(in->model_version);
	extra->model_state = in->model_state;
	extra->points_country = in->points_country;
	extra->points_watch_list = in->points_watch_list;
	extra->points_model_max = in->points_model_max;
	extra->points_partner_confirmed = in->points_partner_confirmed;
	extra->factors = (struct risk_factor_rules){
		.structuring_window_s = le32_get(in->structuring_window_s),
		.rapid_window_s = le16_get(in->rapid_window_s) | (uint32_t)in->rapid_window_high
		                                                     << 16,
		.young_s = le32_get(in->young_s),
		.rapid_moved_percent = in->rapid_moved_percent,
		.rapid_staked_percent = in->rapid_staked_percent,
		.ladder_steps = in->ladder_steps,
		.repeated_transfers = in->repeated_transfers,
		.selection_repeats = in->selection_repeats,
		.selection_terminals = in->selection_terminals,
		.selection_at_terminal = in->selection_at_terminal,
		.late_s = in->late_s,
		.counterparties = in->counterparties,
		.velocity_count = in->velocity_count,
		.velocity_ratio_tenths = in->velocity_ratio_tenths,
		.confirmed_percent = in->confirmed_percent,
		.confirmed_tenths = in->confirmed_tenths,
		.terminal_confirmed_tenths = in->terminal_confirmed_tenths,
	};
	memcpy(extra->factors.points, in->points, sizeof(extra->factors.points));
}

void risk_amounts_encode(const struct risk_amounts *amounts, struct event_rules_currency *out)
{
	*out = (struct event_rules_currency){
		.section = { .kind = SECTION_RULES_CURRENCY, .size = le16_make(sizeof(*out)) },
		.stake_single_max = le64s_make(amounts->stake_single_max),
		.stake_daily_max = le64s_make(amounts->stake_daily_max),
		.payout_max = le64s_make(amounts->payout_max),
		.large_amount = le64s_make(amounts->large_amount),
		.longshot_liability = le64s_make(amounts->longshot_liability),
		.report_threshold = le64s_make(amounts->report_threshold),
		.withdraw_pending_min = le64s_make(amounts->withdraw_pending_min),
		.currency = le16_make(amounts->currency),
	};
}

static int section_fits(const struct event_section *section, unsigned kind, size_t size)
{
	return section->kind == kind && le16_get(section->size) == size &&
	       section->reserved0 == 0 &&
	       bytes_all_zero(section->reserved, sizeof(section->reserved));
}

static int amounts_decode(const struct event_rules_currency *in, struct risk_amounts *out)
{
	if (!section_fits(&in->section, SECTION_RULES_CURRENCY, sizeof(*in)) ||
	    !bytes_all_zero(in->reserved, sizeof(in->reserved)))
		return -EBADMSG;
	*out = (struct risk_amounts){
		.stake_single_max = le64s_get(in->stake_single_max),
		.stake_daily_max = le64s_get(in->stake_daily_max),
		.payout_max = le64s_get(in->payout_max),
		.large_amount = le64s_get(in->large_amount),
		.longshot_liability = le64s_get(in->longshot_liability),
		.report_threshold = le64s_get(in->report_threshold),
		.withdraw_pending_min = le64s_get(in->withdraw_pending_min),
		.currency = le16_get(in->currency),
	};
	return 0;
}

int risk_rules_extra_decode(const struct risk_rules *rules,
    const struct event_factor_rules *factors, const struct event_rules_currency *currencies,
    unsigned count, struct risk_rules_extra *extra)
{
	struct risk_rules_extra decoded;
	const char *field;

	memset(&decoded, 0, sizeof(decoded));
	if (count > LIMIT_RULES_CURRENCIES_MAX || (factors == NULL && count > 0))
		return -EBADMSG;
	if (factors != NULL) {
		if (!section_fits(&factors->section, SECTION_FACTOR_RULES, sizeof(*factors)))
			return -EBADMSG;
		factor_rules_decode(factors, &decoded);
	}
	decoded.currency_count = (uint8_t)count;
	for (unsigned i = 0; i < count; i++)
		if (amounts_decode(&currencies[i], &decoded.currencies[i]) != 0)
			return -EBADMSG;
	if (risk_rules_extra_check(rules, &decoded, &field) != 0)
		return -EBADMSG;
	*extra = decoded;
	return 0;
}

int risk_amounts_of(const struct risk_rules *rules, const struct risk_rules_extra *extra,
    uint16_t currency, struct risk_amounts *out)
{
	if (currency == rules->currency) {
		*out = (struct risk_amounts){
			.stake_single_max = rules->stake_single_max,
			.stake_daily_max = rules->stake_daily_max,
			.payout_max = rules->payout_max,
			.large_amount = rules->large_amount,
			.longshot_liability = rules->longshot_liability,
			.report_threshold = extra->report_threshold,
			.withdraw_pending_min = rules->withdraw_pending_min,
			.currency = currency,
		};
		return 1;
	}
	for (unsigned i = 0; i < extra->currency_count; i++) {
		if (extra->currencies[i].currency == currency) {
			*out = extra->currencies[i];
			return 1;
		}
	}
	*out = (struct risk_amounts){ .currency = currency };
	return 0;
}

bool risk_partner_confirmed(const struct risk_rules *rules, const struct risk_rules_extra *extra,
    const struct risk_feedback_view *feedback)
{
	return rules->partner_confirmed_tenths != 0 && feedback->confirmed != 0 &&
	       (uint64_t)feedback->confirmed_7d * 10 >=
	           (uint64_t)rules->partner_confirmed_tenths * RISK_COUNT_ONE &&
	       (uint64_t)feedback->confirmed_7d * 100 >=
	           (uint64_t)feedback->labelled_7d * extra->factors.confirmed_percent;
}

const char *risk_bit_name(unsigned bit)
{
	static const char *const names[] = { "COUNTRY", "WATCH_LIST", "MODEL",
		"PARTNER_CONFIRMED" };

	if (bit < RISK_FACTOR_COUNT)
		return risk_factor_name((enum risk_factor)bit);
	if (bit < RISK_BITS_COUNTRY)
		return risk_state_factor_name((enum risk_state_factor)(bit - RISK_STATE_SHIFT));
	return bit < RISK_BITS_COUNT ? names[bit - RISK_BITS_COUNTRY] : NULL;
}

const char *risk_bit_text(unsigned bit)
{
	static const char *const texts[] = {
		"high-risk country",
		"on a watch list",
		"the model's points",
		"confirmed fraud at the partner's accounts",
	};

	if (bit < RISK_FACTOR_COUNT)
		return risk_factor_text((enum risk_factor)bit);
	if (bit < RISK_BITS_COUNTRY)
		return risk_state_factor_text((enum risk_state_factor)(bit - RISK_STATE_SHIFT));
	return bit < RISK_BITS_COUNT ? texts[bit - RISK_BITS_COUNTRY] : NULL;
}
