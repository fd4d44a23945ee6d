/* SPDX-License-Identifier: Apache-2.0 */
/* Scoring a decision by the states of its account and its terminal; the numbers it saw. */
#include "dataplane/ledger/ledger_risk.h"

#include "dataplane/ledger/ledger_model.h"
#include "dataplane/risk/risk_view.h"

#define SECOND_NS 1000000000ull

/* ---- What a transaction is ---- */

uint8_t ledger_risk_kind(uint16_t type)
{
	switch (type) {
	case EVENT_DEPOSIT:
		return RISK_KIND_DEPOSIT;
	case EVENT_WITHDRAW:
	case EVENT_SPRINKLE_CREATE:
		return RISK_KIND_WITHDRAWAL;
	case EVENT_TRANSFER:
	case EVENT_TRANSFER_OUT:
		return RISK_KIND_TRANSFER;
	default:
		return RISK_KIND_STAKE;
	}
}

int ledger_risk_near_report(int64_t amount, int64_t threshold)
{
	return threshold > 0 && amount < threshold && amount >= threshold - threshold / 10;
}

/* ---- The judge ---- */

static uint16_t risk_u16(uint64_t value)
{
	return value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

static uint16_t risk_tenths(uint32_t count)
{
	return risk_u16((uint64_t)count * 10 / RISK_COUNT_ONE);
}

static uint8_t risk_next(unsigned count)
{
	return count < UINT8_MAX ? (uint8_t)(count + 1) : UINT8_MAX;
}

static unsigned risk_near_before(
    const struct risk_factor_rules *rules, const struct risk_view *view)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t then = view->account->near_s[i];

		count += then != 0 && (then > view->time_s ||
		                          view->time_s - then <= rules->structuring_window_s);
	}
	return count;
}

static void risk_numbers_account(struct event_risk *out, const struct risk_rules_extra *extra,
    const struct risk_view *view, const struct risk_profile_numbers *habit)
{
	const struct risk_account_state *account = view->account;
	int on_ladder = account->observations != 0 &&
	                view->amount_log >= account->amount_last + RISK_LADDER_STEP_LOG;

	out->received_amount = le64s_make((int64_t)account->received_amount);
	out->staked_since = le64s_make((int64_t)account->staked_since);
	out->account_age_s = le32_make(view->account_age_s);
	out->amount_mean = le64s_make(habit->amount_mean);
	out->amount_z_tenths = le16_make(risk_u16(habit->z_tenths));
	out->bets_24h_tenths = le16_make(risk_u16(habit->day_tenths));
	out->bets_daily_7d_tenths = le16_make(risk_u16(habit->daily_7d_tenths));
	out->bets_daily_30d_tenths = le16_make(risk_u16(habit->daily_30d_tenths));
	out->account_confirmed_tenths = le16_make(risk_tenths(view->account_feedback.confirmed_7d));
	out->account_labelled_tenths = le16_make(risk_tenths(view->account_feedback.labelled_7d));
	out->near_report =
	    (uint8_t)(risk_near_before(&extra->factors, view) + view->transaction->near_report);
	out->ladder = on_ladder ? risk_next(account->ladder) : 0;
	if (view->transaction->kind == RISK_KIND_TRANSFER)
		out->transfers_repeated =
		    view->partner_rank == 1 ? risk_next(account->parties.repeats + 1u) : 1;
	out->selection_bets = view->account_selections;
	out->selection_sides = view->account_selection_sides;
	out->counterparties = view->partners;
	out->hour = view->hour;
	out->day = view->day;
	out->time_outside = (uint8_t)(view->hour_outside | view->day_outside << 1);
}

/* `all`: its average, too, which takes divisions. */
static void risk_numbers_terminal(struct event_risk *out, const struct risk_view *view, int all)
{
	uint64_t week = (uint64_t)view->terminal_counts[RISK_7D] + RISK_COUNT_ONE;

	out->terminal_age_s = le32_make(view->terminal_age_s);
	out->terminal_confirmed_tenths =
	    le16_make(risk_tenths(view->terminal_feedback.confirmed_7d));
	out->terminal_labelled_tenths = le16_make(risk_tenths(view->terminal_feedback.labelled_7d));
	out->terminal_1h_tenths =
	    le16_make(risk_tenths(view->terminal_counts[RISK_1H] + RISK_COUNT_ONE));
	if (all)
		out->terminal_hourly_hundredths =
		    le16_make(risk_u16(week * 100 / risk_terminal_hours(view) / RISK_COUNT_ONE));
	out->selection_at_terminal = view->terminal_selections;
}

static void risk_numbers_partner(struct event_risk *out, const struct risk_view *view)
{
	if (view->partner_feedback == NULL)
		return;
	out->partner_confirmed_tenths =
	    le16_make(risk_tenths(view->partner_feedback->confirmed_7d));
	out->partner_labelled_tenths = le16_make(risk_tenths(view->partner_feedback->labelled_7d));
}

/* An account of cash, which has no past: old, so that it is not taken for a new customer. */
static const struct risk_account_state risk_nobody_state = { .updated_s = 1, .first_s = 1 };

static const struct risk_account_state *risk_account_now(
    const struct decision *decision, struct risk_account_state *fresh)
{
	const struct risk_account_state *state;

	if (decision->account == NULL)
		return &risk_nobody_state;
	state = ledger_account_state(decision->ledger, decision->account);
	if (state->first_s != 0)
		return state;
	*fresh = *state; /* labels may have come before the first transaction */
	risk_account_begin(fresh, decision->account->profile.first_ns);
	return fresh;
}

static const struct risk_terminal_state *risk_terminal_now(
    const struct decision *decision, struct risk_terminal_state *fresh)
{
	const struct risk_terminal_state *state;

	if (decision->terminal != NULL) {
		state = ledger_terminal_state(decision->ledger, decision->terminal);
		if (state->first_s != 0)
			return state;
		*fresh = *state;
	} else {
		memset(fresh, 0, sizeof(*fresh));
	}
	risk_terminal_begin(fresh, decision->time_ns);
	return fresh;
}

/* What lists say of the account. */
static unsigned risk_flags_judge(const struct decision *decision, uint32_t *bits)
{
	const struct risk_rules_extra *extra = &decision->ledger->shard.extra;
	unsigned points = 0;

	if (decision->account == NULL)
		return 0;
	if (decision->account->flags & ACCOUNT_COUNTRY_RISK) {
		*bits |= 1u << RISK_BITS_COUNTRY;
		points += extra->points_country;
	}
	if (decision->account->flags & ACCOUNT_SANCTIONED) {
		*bits |= 1u << RISK_BITS_WATCH_LIST;
		points += extra->points_watch_list;
	}
	return points < 100 ? points : 100;
}

/* Of the account's partner. */
static unsigned risk_partner_judge(
    const struct decision *decision, const struct risk_view *view, uint32_t *bits)
{
	const struct shard_row *shard = &decision->ledger->shard;

	if (view->partner_feedback == NULL ||
	    !risk_partner_confirmed(&shard->rules, &shard->extra, view->partner_feedback))
		return 0;
	*bits |= 1u << RISK_BITS_PARTNER;
	return shard->extra.points_partner_confirmed;
}

static uint16_t risk_score_take(struct decision *decision, unsigned score, uint32_t bits)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;

	score = score < 100 ? score : 100;
	bits &= ~RISK_BIT(ALERT);
	if (score >= rules->alert_score)
		bits |= RISK_BIT(ALERT);
	decision->score = (uint8_t)score;
	decision->factor_bits = bits;
	return score >= rules->refuse_score ? WIRE_CODE_RISK_SCORE : WIRE_CODE_OK;
}

/* Field by field: a copy of what was just written in parts waits until it has left the CPU. */
static void risk_transaction_make(struct risk_transaction *transaction,
    const struct decision *decision, const struct risk_case *asked, int64_t report_threshold)
{
	const struct account_row *account = decision->account;
	uint8_t kind = ledger_risk_kind(decision->type);
	int64_t change = kind == RISK_KIND_DEPOSIT ? asked->amount : -asked->amount;

	transaction->time_ns = decision->time_ns;
	transaction->amount = asked->amount;
	transaction->terminal_id =
	    kind == RISK_KIND_TRANSFER ? asked->other_account : decision->terminal_id;
	transaction->selection_id = asked->selection_id;
	transaction->kind = kind;
	transaction->near_report =
	    (uint8_t)ledger_risk_near_report(asked->amount, report_threshold);
	transaction->has_balances = account != NULL;
	transaction->has_balances_other = 0;
	transaction->keeps_moved = 0; /* nothing is observed here */
	transaction->utc_offset_s = decision->ledger->shard.rules.utc_offset_s;
	transaction->close_in_s = asked->close_in_s;
	transaction->balance_before = account != NULL ? account->balance : 0;
	transaction->balance_after = account != NULL ? account->balance + change : 0;
	transaction->other_before = transaction->other_after = 0;
}

/* Amounts are compared with those of bets; the others have no habit of their own
 * (dataplane/risk/README.md, Decisions). */
static void risk_base_judge(const struct decision *decision, const struct risk_case *asked,
    const struct risk_amounts *amounts, const struct risk_profile *profile,
    struct risk_result *result)
{
	const struct risk_input input = {
		.time_ns = decision->time_ns,
		.stake = asked->amount,
		.payout = asked->payout,
		.odds_product = asked->odds_product,
		.odds_differ = asked->odds_differ,
		.currency = decision->currency,
		.amounts = amounts,
	};

	risk_evaluate(&decision->ledger->shard.rules, profile, &input, result);
}

/* The section that tells of the risk, as far as every decision has it. */
static void risk_section_begin(
    struct decision *decision, unsigned base, unsigned state, unsigned flags)
{
	struct event_risk *out = &decision->risk;

	memset(out, 0, sizeof(*out));
	out->section =
	    (struct event_section){ .kind = SECTION_RISK, .size = le16_make(sizeof(*out)) };
	out->points_base = (uint8_t)base;
	out->points_state = (uint8_t)state;
	out->points_flags = (uint8_t)flags;
	decision->has_risk = 1;
}

/* The numbers that factors saw. Those that take divisions only where their own factor fired, or the
 * score is one that people look at: most scores are of one factor and let through. */
static void risk_numbers_keep(struct decision *decision, const struct risk_view *view,
    const struct risk_profile *profile, uint32_t bits, unsigned score)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	const int looked_at = score >= rules->alert_score || score >= rules->refuse_score;
	const uint32_t of_moved = RISK_STATE_BIT(RAPID_MOVEMENT) << RISK_STATE_SHIFT;
	const uint32_t of_terminal = RISK_STATE_BIT(TERMINAL_VELOCITY) << RISK_STATE_SHIFT;
	struct event_risk *out = &decision->risk;
	struct risk_profile_numbers habit = { 0 };

	if (looked_at || (bits & ((1u << RISK_STATE_SHIFT) - 1)) != 0)
		risk_profile_numbers(profile, decision->time_ns, view->transaction->amount, &habit);
	risk_numbers_account(out, &decision->ledger->shard.extra, view, &habit);
	risk_numbers_terminal(out, view, looked_at || (bits & of_terminal) != 0);
	if (looked_at || (bits & of_moved) != 0)
		out->moved_percent = risk_moved_percent(view);
	risk_numbers_partner(out, view);
	out->close_in_s = le32_make(view->transaction->close_in_s);
	if (decision->account != NULL) {
		out->country = le16_make(decision->account->profile.country);
		out->account_flags = le16_make(decision->account->flags & ACCOUNT_LIST_FLAGS);
	}
}

/* Accounts of no partner, and partners without cases, cost a look at a number. */
static void risk_partner_look(const struct decision *decision, struct risk_scene *scene)
{
	const struct object_row *row;
	struct risk_feedback feedback;
	struct object_partner partner;

	if (decision->account == NULL || decision->account->partner_id == 0)
		return;
	row = ledger_partner(decision->ledger, decision->account->partner_id);
	if (row == NULL)
		return;
	memcpy(&partner, row->body, sizeof(partner));
	if (le32_get(partner.feedback.updated_s) == 0)
		return;
	risk_feedback_decode(&partner.feedback, &feedback);
	risk_feedback_look(&feedback, scene->view.time_s, &scene->partner);
	scene->view.partner_feedback = &scene->partner;
}

void ledger_risk_scene(const struct decision *decision, const struct risk_case *asked,
    int64_t report_threshold, struct risk_scene *scene, struct risk_fresh *fresh)
{
	risk_transaction_make(&scene->transaction, decision, asked, report_threshold);
	risk_traits_make(&scene->traits, &scene->transaction, decision->account_id,
	    &ledger_clock(decision->ledger, decision->time_ns)->moment);
	risk_view_begin_traits(&scene->view, risk_account_now(decision, &fresh->account),
	    risk_terminal_now(decision, &fresh->terminal), &scene->transaction, &scene->traits);
	risk_partner_look(decision, scene);
}

/* By the states, when the rules have factors for them. */
static uint16_t risk_states_judge(struct decision *decision, const struct risk_case *asked,
    const struct risk_amounts *amounts, const struct risk_profile *profile)
{
	const struct risk_rules_extra *extra = &decision->ledger->shard.extra;
	int model = ledger_model_asked(decision->ledger);
	const struct model_score *said = model ? ledger_model_find(decision) : NULL;
	const struct risk_scene *scene = ledger_model_scene(decision, said, asked);
	unsigned flags, partner, score, points = 0;
	struct risk_state_result states;
	struct risk_result base;
	struct risk_fresh fresh;
	uint32_t bits = 0;

	decision->flags |= EVENT_FLAG_SCORED;
	if (ledger_risk_kind(decision->type) != RISK_KIND_STAKE)
		decision->flags |= EVENT_FLAG_MOVED;
	if (scene == NULL) {
		scene = &decision->ledger->scores->single;
		ledger_risk_scene(decision, asked, amounts->report_threshold,
		    &decision->ledger->scores->single, &fresh);
	}
	decision->scene = scene;
	risk_base_judge(decision, asked, amounts, profile, &base);
	risk_factors_evaluate(&extra->factors, &scene->view, base.factor_bits, &states);
	flags = risk_flags_judge(decision, &bits);
	partner = risk_partner_judge(decision, &scene->view, &bits);
	states.points = (uint8_t)(states.points + partner < 100 ? states.points + partner : 100);
	bits |= (base.factor_bits & ~RISK_BIT(ALERT)) | states.factor_bits << RISK_STATE_SHIFT;
	if (bits != 0 || model)
		risk_section_begin(decision, base.score, states.points, flags);
	if (model)
		points = ledger_model_judge(decision, &scene->view, said);
	if (points > 0)
		bits |= 1u << RISK_BITS_MODEL;
	score = base.score + states.points + flags + points;
	if (bits != 0)
		risk_numbers_keep(decision, &scene->view, profile, bits, score);
	return risk_score_take(decision, score, bits);
}

uint16_t ledger_risk_judge(struct decision *decision, const struct risk_case *asked)
{
	const struct shard_row *shard = &decision->ledger->shard;
	int bet = decision->type == EVENT_PLACE_BET;
	const struct risk_profile *profile;
	struct risk_profile nobody;
	const struct risk_amounts *amounts = asked->amounts;
	struct risk_amounts looked_up;
	struct risk_result base;

	if (!bet && !shard->extra.present)
		return WIRE_CODE_OK;
	if (bet && decision->account != NULL) {
		profile = &decision->account->profile;
	} else {
		risk_profile_init(&nobody, decision->time_ns);
		profile = &nobody;
	}
	if (amounts == NULL) {
		(void)risk_amounts_of(&shard->rules, &shard->extra, decision->currency, &looked_up);
		amounts = &looked_up;
	}
	if (shard->extra.present)
		return risk_states_judge(decision, asked, amounts, profile);
	risk_base_judge(decision, asked, amounts, profile, &base);
	return risk_score_take(decision, base.score, base.factor_bits);
}
