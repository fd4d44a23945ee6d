/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_factors.h"

#include <stddef.h>

#include "dataplane/risk/risk_decay.h"
#include "dataplane/risk/risk_internal.h"

#define HOURS_7D   168u
#define POINTS_MAX 100u

static const char *const factor_names[RISK_STATE_FACTOR_COUNT] = {
#define RISK_FACTOR_NAME(name, text) [RISK_STATE_##name] = #name,
	RISK_STATE_FACTORS(RISK_FACTOR_NAME)
#undef RISK_FACTOR_NAME
};

static const char *const factor_texts[RISK_STATE_FACTOR_COUNT] = {
#define RISK_FACTOR_TEXT(name, text) [RISK_STATE_##name] = (text),
	RISK_STATE_FACTORS(RISK_FACTOR_TEXT)
#undef RISK_FACTOR_TEXT
};

static const struct risk_composite composites[] = {
	{ RISK_BIT(LARGE), 0, true, 20 },
	{ 0, RISK_STATE_BIT(STRUCTURING) | RISK_STATE_BIT(RAPID_MOVEMENT), false, 30 },
	{ RISK_BIT(AMOUNT_DEVIATION), RISK_STATE_BIT(ACCOUNT_CONFIRMED), false, 20 },
	{ RISK_BIT(AMOUNT_DEVIATION), RISK_STATE_BIT(TERMINAL_CONFIRMED), false, 20 },
	{ RISK_BIT(AMOUNT_DEVIATION), RISK_STATE_BIT(TIME_DEVIATION), false, 10 },
	{ RISK_BIT(FREQUENCY_DEVIATION), RISK_STATE_BIT(TERMINAL_VELOCITY), false, 10 },
	{ 0, RISK_STATE_BIT(RAPID_MOVEMENT), true, 10 },
	{ 0, RISK_STATE_BIT(REPEATED_TRANSFER) | RISK_STATE_BIT(ACCOUNT_CONFIRMED), false, 20 },
};

const char *risk_state_factor_name(enum risk_state_factor factor)
{
	return (unsigned)factor < RISK_STATE_FACTOR_COUNT ? factor_names[factor] : NULL;
}

const char *risk_state_factor_text(enum risk_state_factor factor)
{
	return (unsigned)factor < RISK_STATE_FACTOR_COUNT ? factor_texts[factor] : NULL;
}

const struct risk_composite *risk_composites(size_t *count)
{
	*count = sizeof(composites) / sizeof(composites[0]);
	return composites;
}

bool risk_composite_holds(
    const struct risk_composite *composite, uint32_t base_bits, uint32_t bits, bool young)
{
	return (base_bits & composite->base_bits) == composite->base_bits &&
	       (bits & composite->bits) == composite->bits && (!composite->young || young);
}

void risk_factor_rules_default(struct risk_factor_rules *rules)
{
	*rules = (struct risk_factor_rules){
		.structuring_window_s = 2 * RISK_DAY_S,
		.rapid_window_s = RISK_DAY_S,
		.rapid_moved_percent = 80,
		.rapid_staked_percent = 20,
		.ladder_steps = 4,
		.repeated_transfers = 3,
		.selection_repeats = 6,
		.selection_terminals = 3,
		.selection_at_terminal = 100,
		.late_s = 5,
		.counterparties = 24,
		.velocity_count = 5,
		.velocity_ratio_tenths = 30,
		.confirmed_percent = 15,
		.confirmed_tenths = 3,
		.terminal_confirmed_tenths = 11, /* one case never comes to it */
		.young_s = 7 * RISK_DAY_S,
		.points = {
			[RISK_STATE_TIME_DEVIATION] = 8, /* a third of behaviour's 25 */
			[RISK_STATE_STRUCTURING] = 30,
			[RISK_STATE_RAPID_MOVEMENT] = 30,
			[RISK_STATE_STAKE_LADDER] = 20,
			[RISK_STATE_REPEATED_TRANSFER] = 20,
			[RISK_STATE_SELECTION_REPEATED] = 20,
			[RISK_STATE_SELECTION_TERMINALS] = 20,
			[RISK_STATE_SELECTION_AT_TERMINAL] = 10,
			[RISK_STATE_LATE_BET] = 10,
			[RISK_STATE_COUNTERPARTIES] = 20,
			[RISK_STATE_TERMINAL_VELOCITY] = 15,
			[RISK_STATE_ACCOUNT_CONFIRMED] = 30,
			[RISK_STATE_TERMINAL_CONFIRMED] = 35, /* with LARGE no refusal yet */
			[RISK_STATE_COMPOSITE] = 40,
		},
	};
}

/* This one and the two before it, the older of them still inside of the window. */
static bool structuring(const struct risk_factor_rules *rules, const struct risk_view *view)
{
	return view->transaction->near_report && view->account->near_s[1] != 0 &&
	       since(view->account->near_s[1], view->time_s) <= rules->structuring_window_s;
}

/* This one and those before it, so that a movement in parts is one. */
static bool rapid_movement(const struct risk_factor_rules *rules, const struct risk_view *view)
{
	uint64_t received = view->account->received_amount, moved;

	if (!risk_kind_moves(view->transaction->kind) || received == 0 ||
	    view->received_idle_s > rules->rapid_window_s)
		return false;
	moved = risk_account_moved(view->account) + (uint64_t)view->transaction->amount;
	return moved * 100 >= received * rules->rapid_moved_percent &&
	       view->account->staked_since * 100 < received * rules->rapid_staked_percent;
}

uint8_t risk_moved_percent(const struct risk_view *view)
{
	uint64_t received = view->account->received_amount, percent;

	if (!risk_kind_moves(view->transaction->kind) || received == 0)
		return 0;
	percent = (risk_account_moved(view->account) + (uint64_t)view->transaction->amount) * 100 /
	          received;
	return percent < UINT8_MAX ? (uint8_t)percent : UINT8_MAX;
}

/* This stake would be the step that completes the ladder. What is paid at a terminal is one as
 * well: risk-eval's card payments are what a bet is here. */
static bool stake_ladder(const struct risk_factor_rules *rules, const struct risk_view *view)
{
	uint8_t kind = view->transaction->kind;

	return (kind == RISK_KIND_STAKE || kind == RISK_KIND_PAYMENT) &&
	       view->account->observations != 0 &&
	       view->amount_log >= view->account->amount_last + RISK_LADDER_STEP_LOG &&
	       view->account->ladder + 1u >= rules->ladder_steps;
}

static bool repeated_transfer(const struct risk_factor_rules *rules, const struct risk_view *view)
{
	return view->transaction->kind == RISK_KIND_TRANSFER && view->partner_rank == 1 &&
	       view->account->parties.repeats + 2u >= rules->repeated_transfers;
}

/*
 * The transaction judged is part of the hour. The average is that of a full week: what a steady
 * rate since the first day would have filled of it, 7 days * (1 - e^(-age / 7 days)).
 */
static bool terminal_velocity(const struct risk_factor_rules *rules, const struct risk_view *view)
{
	uint64_t hour = (uint64_t)view->terminal_counts[RISK_1H] + RISK_COUNT_ONE;
	uint64_t week = (uint64_t)view->terminal_counts[RISK_7D] + RISK_COUNT_ONE;
	uint64_t full = 1ull << 32, filled;

	if (view->terminal_age_s < RISK_DAY_S || hour <= rules->velocity_count * RISK_COUNT_ONE)
		return false;
	filled =
	    full - risk_decay(full, RISK_STEPS((uint64_t)view->terminal->first_s * RISK_SECOND_NS,
	                                view->time_s * RISK_SECOND_NS, RISK_STEP_7D_NS));
	return (unsigned __int128)hour * HOURS_7D * 10 * filled >
	       (unsigned __int128)week * rules->velocity_ratio_tenths * full;
}

static bool confirmed(const struct risk_factor_rules *rules,
    const struct risk_feedback_view *feedback, uint8_t tenths)
{
	return feedback->confirmed != 0 &&
	       (uint64_t)feedback->confirmed_7d * 10 >= (uint64_t)tenths * RISK_COUNT_ONE &&
	       (uint64_t)feedback->confirmed_7d * 100 >=
	           (uint64_t)feedback->labelled_7d * rules->confirmed_percent;
}

static unsigned composite(const struct risk_factor_rules *rules, const struct risk_view *view,
    uint32_t base_bits, uint32_t bits)
{
	bool young = view->account_age_s < rules->young_s;
	unsigned points = 0;

	for (size_t i = 0; i < sizeof(composites) / sizeof(composites[0]); i++)
		if (risk_composite_holds(&composites[i], base_bits, bits, young))
			points += composites[i].points;
	return points < rules->points[RISK_STATE_COMPOSITE] ? points
	                                                    : rules->points[RISK_STATE_COMPOSITE];
}

/* All but COMPOSITE. */
static inline uint32_t factors_fired(
    const struct risk_factor_rules *rules, const struct risk_view *view)
{
	const uint8_t at_terminal = rules->terminal_confirmed_tenths != 0
	                                ? rules->terminal_confirmed_tenths
	                                : rules->confirmed_tenths;
	const uint32_t close_in_s = view->transaction->close_in_s;
	uint32_t bits = 0;

#define FIRED(name, condition) (bits |= (uint32_t)(condition) << RISK_STATE_##name)
	FIRED(TIME_DEVIATION, view->hour_outside | view->day_outside);
	FIRED(STRUCTURING, structuring(rules, view));
	FIRED(RAPID_MOVEMENT, rapid_movement(rules, view));
	FIRED(STAKE_LADDER, stake_ladder(rules, view));
	FIRED(REPEATED_TRANSFER, repeated_transfer(rules, view));
	FIRED(SELECTION_REPEATED, view->account_selections >= rules->selection_repeats);
	FIRED(SELECTION_TERMINALS, view->account_selection_sides >= rules->selection_terminals);
	FIRED(SELECTION_AT_TERMINAL, view->terminal_selections >= rules->selection_at_terminal);
	FIRED(LATE_BET, close_in_s != 0 && close_in_s <= rules->late_s);
	FIRED(COUNTERPARTIES, view->partners >= rules->counterparties);
	FIRED(TERMINAL_VELOCITY, terminal_velocity(rules, view));
	FIRED(
	    ACCOUNT_CONFIRMED, confirmed(rules, &view->account_feedback, rules->confirmed_tenths));
	FIRED(TERMINAL_CONFIRMED, confirmed(rules, &view->terminal_feedback, at_terminal));
#undef FIRED
	return bits;
}

/* Most transactions have no factor, or one. */
static unsigned factors_points(const struct risk_factor_rules *rules, uint32_t bits)
{
	unsigned points = 0, pattern = 0;

	for (; bits != 0; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits), own = rules->points[i];

		if (i >= RISK_STATE_STAKE_LADDER && i <= RISK_STATE_LATE_BET)
			pattern = own > pattern ? own : pattern;
		else
			points += own;
	}
	return points + pattern;
}

void risk_factors_evaluate(const struct risk_factor_rules *rules, const struct risk_view *view,
    uint32_t base_bits, struct risk_state_result *result)
{
	uint32_t bits = factors_fired(rules, view);
	unsigned points = factors_points(rules, bits), together;

	/* Each needs a factor at least. */
	if ((base_bits | bits) != 0) {
		together = composite(rules, view, base_bits, bits);
		if (together != 0)
			bits |= RISK_STATE_BIT(COMPOSITE);
		points += together;
	}
	result->factor_bits = bits;
	result->points = (uint8_t)(points < POINTS_MAX ? points : POINTS_MAX);
}
