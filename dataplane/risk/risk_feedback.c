/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_internal.h"

#define EPISODE_GAP_S (10 * RISK_DAY_S)

void risk_feedback_label(
    struct risk_feedback *feedback, uint64_t now_ns, uint64_t transaction_ns, bool confirmed)
{
	uint32_t now = seconds_of(now_ns), before = feedback->updated_s;
	uint32_t when = seconds_of(transaction_ns);
	struct decay week = decay_make(before, now, RISK_STEP_7D_NS);
	struct decay month = decay_make(before, now, RISK_STEP_30D_NS);

	feedback->confirmed_7d = decayed(feedback->confirmed_7d, week);
	feedback->confirmed_30d = decayed(feedback->confirmed_30d, month);
	feedback->dismissed_7d = decayed(feedback->dismissed_7d, week);
	feedback->dismissed_30d = decayed(feedback->dismissed_30d, month);
	if (now > before)
		feedback->updated_s = now;
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
