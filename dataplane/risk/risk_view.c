/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_view.h"

#include <stddef.h>
#include <string.h>

#include "dataplane/risk/risk_internal.h"
#include "wire/bytes.h"

uint32_t risk_log2(uint64_t value)
{
	return log2_of(value);
}

/* round(256 * log2(1 + i / 32)) */
const uint16_t risk_log2_fraction[33] = { 0, 11, 22, 33, 44, 54, 63, 73, 82, 92, 100, 109, 118, 126,
	134, 142, 150, 157, 165, 172, 179, 186, 193, 200, 207, 213, 220, 226, 232, 238, 244, 250,
	256 };

/* Eight slots at a time are four sums of 16 bits, twice: of all, and of those busier than one. */
#define SUMS 0x0001000100010001ull
struct slot_sums {
	uint64_t all, busier;
	uint64_t limit; /* added to a slot it sets the top bit of 16 when that is busier */
};

static inline void slots_add(struct slot_sums *sums, uint64_t slots)
{
	for (unsigned half = 0; half < 2; half++) {
		uint64_t four = slots >> 8 * half & 0xff * SUMS;

		sums->all += four;
		sums->busier += four & ((four + sums->limit) >> 15 & SUMS) * 0xffff;
	}
}

static inline uint64_t slots_limit(uint8_t slot)
{
	return (0x7fffull - slot) * SUMS;
}

/* Whether busier slots hold 90 %; all of them together. */
static inline bool slots_outside(const struct slot_sums *sums, uint16_t *total)
{
	uint64_t all = sums->all * SUMS >> 48, busier = sums->busier * SUMS >> 48;

	*total = (uint16_t)all;
	return all != 0 && busier * 10 >= all * 9;
}

static void slots_look(struct risk_view *view, const struct risk_account_state *account)
{
	struct slot_sums hours = { .limit = slots_limit(account->hours[view->hour]) };
	struct slot_sums days = { .limit = slots_limit(account->days[view->day]) };
	struct le64 slots[4];

	_Static_assert(offsetof(struct risk_account_state, days) ==
	                       offsetof(struct risk_account_state, hours) + RISK_SLOTS_HOUR &&
	                   offsetof(struct risk_account_state, span_hour) ==
	                       offsetof(struct risk_account_state, days) + RISK_SLOTS_DAY,
	    "24 hours, 7 days and a byte that is none");
	memcpy(slots, (const uint8_t *)account + offsetof(struct risk_account_state, hours),
	    sizeof(slots));
	slots_add(&hours, le64_get(slots[0]));
	slots_add(&hours, le64_get(slots[1]));
	slots_add(&hours, le64_get(slots[2]));
	slots_add(&days, le64_get(slots[3]) << 8 >> 8);
	view->hour_outside = slots_outside(&hours, &view->hour_total);
	view->day_outside = slots_outside(&days, &view->day_total);
}

static void view_account(
    struct risk_view *view, const struct risk_account_state *account, uint32_t now)
{
	uint32_t in_before = account->in_updated_s;

	view->received_idle_s = in_before != 0 ? since(in_before, now) : UINT32_MAX;
	view->account_age_s = since(account->first_s, now);
	view->hour_total = view->day_total = 0;
	view->hour_outside = view->day_outside = false;
	if (account->observations >= RISK_SLOTS_OBSERVED_MIN)
		slots_look(view, account);
	feedback_look(&account->feedback, now, &view->account_feedback);
}

/* Within a second, as mostly at a busy terminal: nothing has decayed. */
static inline __attribute__((always_inline)) uint32_t terminal_count(
    const struct risk_terminal_state *terminal, enum risk_window window, uint32_t now,
    uint64_t step_ns)
{
	uint32_t count = terminal->counts[window];

	return now <= terminal->updated_s
	           ? count
	           : decayed(count, decay_make(terminal->updated_s, now, step_ns));
}

static void view_terminal(
    struct risk_view *view, const struct risk_terminal_state *terminal, uint32_t now)
{
	view->terminal_counts[RISK_1H] = terminal_count(terminal, RISK_1H, now, RISK_STEP_1H_NS);
	view->terminal_counts[RISK_7D] = terminal_count(terminal, RISK_7D, now, RISK_STEP_7D_NS);
	view->terminal_age_s = since(terminal->first_s, now);
	feedback_look(&terminal->feedback, now, &view->terminal_feedback);
}

/* As of this bet, which is part of it. Only an account's run has its sides looked at. */
static void view_selections(struct risk_view *view, const struct risk_traits *traits)
{
	const struct risk_selection_run *account = &view->account->selection;
	const struct risk_selection_run *at_terminal = &view->terminal->selection;
	uint64_t selection = view->transaction->selection_id;
	uint16_t tag = traits->selection_tag;
	uint8_t side = selection_side(traits->partner);

	view->account_selections = view->account_selection_sides = view->terminal_selections = 0;
	if (selection == 0)
		return;
	view->account_selections = view->account_selection_sides = view->terminal_selections = 1;
	if (selection_goes_on(account, tag, view->time_s)) {
		view->account_selections =
		    (uint8_t)(account->count < UINT8_MAX ? account->count + 1 : UINT8_MAX);
		view->account_selection_sides = (uint8_t)__builtin_popcount(account->sides | side);
	}
	if (selection_goes_on(at_terminal, tag, view->time_s))
		view->terminal_selections =
		    (uint8_t)(at_terminal->count < UINT8_MAX ? at_terminal->count + 1 : UINT8_MAX);
}

uint32_t risk_terminal_hours(const struct risk_view *view)
{
	uint64_t week = 168ull << 32;
	uint64_t filled =
	    week - risk_decay(week, RISK_STEPS((uint64_t)view->terminal->first_s * RISK_SECOND_NS,
	                                view->time_s * RISK_SECOND_NS, RISK_STEP_7D_NS));
	uint32_t hours = (uint32_t)(filled >> 32);

	return hours > 0 ? hours : 1;
}

void risk_view_begin_traits(struct risk_view *view, const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    const struct risk_traits *traits)
{
	uint64_t partners = parties_seen(&account->parties, traits->moment.week);

	view->account = account;
	view->terminal = terminal;
	view->partner_feedback = NULL;
	view->transaction = transaction;
	view->visitor = traits->visitor;
	view->time_s = traits->moment.time_s;
	view->amount_log = traits->amount_log;
	view->hour = traits->moment.hour;
	view->day = traits->moment.day;
	view->partners = (uint8_t)__builtin_popcountll(partners);
	view->partner_rank = parties_rank(&account->parties, traits->partner_tag);
	view_account(view, account, traits->moment.time_s);
	view_terminal(view, terminal, traits->moment.time_s);
	view_selections(view, traits);
}

void risk_view_begin(struct risk_view *view, const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    uint64_t account_id)
{
	struct risk_traits traits;

	risk_traits_alone(&traits, transaction, account_id);
	risk_view_begin_traits(view, account, terminal, transaction, &traits);
}

void risk_view_complete(struct risk_view *view)
{
	view_complete(view, true);
}

void risk_view_make(struct risk_view *view, const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    uint64_t account_id)
{
	risk_view_begin(view, account, terminal, transaction, account_id);
	risk_view_complete(view);
}
