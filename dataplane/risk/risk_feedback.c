/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_internal.h"

#define EPISODE_GAP_S (10 * RISK_DAY_S)

/* All counts as of now. */
static void feedback_age(struct risk_feedback *feedback, uint32_t now)
{
	uint32_t before = feedback->updated_s;
	struct decay week = decay_make(before, now, RISK_STEP_7D_NS);
	struct decay month = decay_make(before, now, RISK_STEP_30D_NS);

	feedback->confirmed_7d = decayed(feedback->confirmed_7d, week);
	feedback->confirmed_30d = decayed(feedback->confirmed_30d, month);
	feedback->dismissed_7d = decayed(feedback->dismissed_7d, week);
	feedback->dismissed_30d = decayed(feedback->dismissed_30d, month);
	if (now > before)
		feedback->updated_s = now;
}

void risk_feedback_label(
    struct risk_feedback *feedback, uint64_t now_ns, uint64_t transaction_ns, bool confirmed)
{
	uint32_t when = seconds_of(transaction_ns);

	feedback_age(feedback, seconds_of(now_ns));
	if (!confirmed) {
		feedback->dismissed_7d = plus_one(feedback->dismissed_7d);
		feedback->dismissed_30d = plus_one(feedback->dismissed_30d);
		if (feedback->dismissed < UINT16_MAX)
			feedback->dismissed++;
		if (when > feedback->last_s && feedback->clean_run < UINT8_MAX)
			feedback->clean_run++;
		return;
	}
	feedback->confirmed_7d = plus_one(feedback->confirmed_7d);
	feedback->confirmed_30d = plus_one(feedback->confirmed_30d);
	if (feedback->confirmed < UINT16_MAX)
		feedback->confirmed++;
	if (feedback->last_s == 0 || since(feedback->last_s, when) > EPISODE_GAP_S)
		feedback->first_s = when;
	if (when >= feedback->last_s) {
		feedback->last_s = when;
		feedback->clean_run = 0;
	}
}

void risk_feedback_encode(const struct risk_feedback *feedback, struct record_feedback *out)
{
	*out = (struct record_feedback){
		.updated_s = le32_make(feedback->updated_s),
		.first_s = le32_make(feedback->first_s),
		.last_s = le32_make(feedback->last_s),
		.confirmed_7d = le32_make(feedback->confirmed_7d),
		.confirmed_30d = le32_make(feedback->confirmed_30d),
		.dismissed_7d = le32_make(feedback->dismissed_7d),
		.dismissed_30d = le32_make(feedback->dismissed_30d),
		.confirmed = le16_make(feedback->confirmed),
		.dismissed = le16_make(feedback->dismissed),
		.clean_run = feedback->clean_run,
	};
}

void risk_feedback_decode(const struct record_feedback *record, struct risk_feedback *out)
{
	*out = (struct risk_feedback){
		.updated_s = le32_get(record->updated_s),
		.first_s = le32_get(record->first_s),
		.last_s = le32_get(record->last_s),
		.confirmed_7d = le32_get(record->confirmed_7d),
		.confirmed_30d = le32_get(record->confirmed_30d),
		.dismissed_7d = le32_get(record->dismissed_7d),
		.dismissed_30d = le32_get(record->dismissed_30d),
		.confirmed = le16_get(record->confirmed),
		.dismissed = le16_get(record->dismissed),
		.clean_run = record->clean_run,
	};
}

void risk_feedback_look(
    const struct risk_feedback *feedback, uint32_t now_s, struct risk_feedback_view *view)
{
	feedback_look(feedback, now_s, view);
}

/* A count without what one label of learned_s has left in it. */
static uint32_t less_one(uint32_t count, struct decay decay)
{
	uint32_t left = decayed(RISK_COUNT_ONE, decay);

	return count > left ? count - left : 0;
}

/*
 * Of the times of the first and last confirmed one nothing is known but of the newest: they go with
 * the last case that is left.
 */
void risk_feedback_withdraw(struct risk_feedback *feedback, uint64_t now_ns,
    uint64_t transaction_ns, uint32_t learned_s, bool confirmed)
{
	uint32_t now = seconds_of(now_ns), when = seconds_of(transaction_ns);
	uint32_t since_s = learned_s == 0 || learned_s > now ? now : learned_s;
	struct decay week = decay_make(since_s, now, RISK_STEP_7D_NS);
	struct decay month = decay_make(since_s, now, RISK_STEP_30D_NS);

	feedback_age(feedback, now);
	if (!confirmed && feedback->dismissed > 0) {
		feedback->dismissed--;
		feedback->dismissed_7d = less_one(feedback->dismissed_7d, week);
		feedback->dismissed_30d = less_one(feedback->dismissed_30d, month);
		if (feedback->dismissed == 0)
			feedback->dismissed_7d = feedback->dismissed_30d = 0;
		if (when > feedback->last_s && feedback->clean_run > 0)
			feedback->clean_run--;
	}
	if (confirmed && feedback->confirmed > 0) {
		feedback->confirmed--;
		feedback->confirmed_7d = less_one(feedback->confirmed_7d, week);
		feedback->confirmed_30d = less_one(feedback->confirmed_30d, month);
		if (feedback->confirmed == 0) {
			feedback->confirmed_7d = feedback->confirmed_30d = 0;
			feedback->first_s = feedback->last_s = 0;
		}
	}
}
