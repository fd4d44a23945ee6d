/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of risk_state.c, risk_view.c, risk_features.c and risk_feedback.c: decay, hashes, times.
 */
#ifndef SLUICE_RISK_INTERNAL_H
#define SLUICE_RISK_INTERNAL_H

#include "dataplane/risk/risk_decay.h"
#include "dataplane/risk/risk_state.h"

#define RISK_SECOND_NS 1000000000ull
#define RISK_DAY_S     86400u
#define RISK_WEEK_S    (7u * RISK_DAY_S)
#define RISK_MONTH_S   (4u * RISK_WEEK_S)

/* A factor of decay, in 1/2^32; made once a window, used for several counts. */
struct decay {
	uint64_t factor;
};

static inline uint32_t seconds_of(uint64_t time_ns)
{
	uint64_t seconds = time_ns / RISK_SECOND_NS;

	return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;
}

/* The number of the step a time is in; `step_ns` is a constant where this is called. */
static inline __attribute__((always_inline)) uint64_t step_of(uint32_t time_s, uint64_t step_ns)
{
	return time_s * RISK_SECOND_NS / step_ns;
}

/* Of step numbers; 1 when the clock stands or went back (RISK_STEPS). */
static inline struct decay decay_between(uint64_t from, uint64_t to)
{
	return (struct decay){ risk_decay_factor(to > from ? to - from : 0) };
}

static inline __attribute__((always_inline)) struct decay decay_make(
    uint32_t from_s, uint32_t to_s, uint64_t step_ns)
{
	return decay_between(step_of(from_s, step_ns), step_of(to_s, step_ns));
}

static inline uint32_t decayed(uint32_t value, struct decay decay)
{
	return (uint32_t)((value * decay.factor) >> 32);
}

static inline uint64_t decayed_sum(uint64_t value, struct decay decay)
{
	return (uint64_t)((unsigned __int128)value * decay.factor >> 32);
}

static inline uint32_t plus_one(uint32_t count)
{
	return count < UINT32_MAX - RISK_COUNT_ONE ? count + RISK_COUNT_ONE : UINT32_MAX;
}

/* Money that leaves the house's accounts or goes to another one, not to be played for. */
static inline bool risk_kind_moves(uint8_t kind)
{
	return kind == RISK_KIND_TRANSFER || kind == RISK_KIND_WITHDRAWAL;
}

static inline uint32_t since(uint32_t then_s, uint32_t now_s)
{
	return now_s > then_s ? now_s - then_s : 0;
}

/* SplitMix64's finaliser: ids are neighbours, hash bits and tags must not be. */
static inline uint64_t party_hash(uint64_t id)
{
	uint64_t z = id + 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint64_t party_bit(uint64_t hash)
{
	return 1ull << (hash & 63);
}

static inline uint16_t party_tag(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);

	return tag != 0 ? tag : 1;
}

/* risk_feedback_look. */
static inline void feedback_look(
    const struct risk_feedback *feedback, uint32_t now, struct risk_feedback_view *view)
{
	struct decay week, month;

	/* Most accounts have no labels: nothing to decay. */
	*view =
	    (struct risk_feedback_view){ .since_last_s = UINT32_MAX, .since_first_s = UINT32_MAX };
	if (feedback->updated_s == 0)
		return;
	week = decay_make(feedback->updated_s, now, RISK_STEP_7D_NS);
	month = decay_make(feedback->updated_s, now, RISK_STEP_30D_NS);
	*view = (struct risk_feedback_view){
		.confirmed_7d = decayed(feedback->confirmed_7d, week),
		.confirmed_30d = decayed(feedback->confirmed_30d, month),
		.since_last_s = feedback->last_s != 0 ? since(feedback->last_s, now) : UINT32_MAX,
		.since_first_s = feedback->last_s != 0 ? since(feedback->first_s, now) : UINT32_MAX,
		.confirmed = feedback->confirmed,
		.dismissed = feedback->dismissed,
		.clean_run = feedback->clean_run,
	};
	view->labelled_7d = view->confirmed_7d + decayed(feedback->dismissed_7d, week);
	view->labelled_30d = view->confirmed_30d + decayed(feedback->dismissed_30d, month);
}

/* Whether a run is about this selection and still inside of its hour. */
static inline bool selection_goes_on(
    const struct risk_selection_run *run, uint16_t tag, uint32_t now)
{
	return run->tag == tag && since(run->begin_s, now) <= RISK_SELECTION_WINDOW_S;
}

static inline uint8_t selection_side(uint64_t hash)
{
	return (uint8_t)(1u << (hash >> 32 & 7));
}

static inline uint8_t parties_rank(const struct risk_parties *parties, uint16_t tag)
{
	for (uint8_t i = 0; i < RISK_TAGS; i++)
		if (parties->tags[i] == tag)
			return (uint8_t)(i + 1);
	return RISK_TAGS + 1;
}

static inline uint8_t slot_share(uint8_t slot, uint16_t total)
{
	return total != 0 ? (uint8_t)(slot * 255u / total) : UINT8_MAX;
}

/* The sets as of a week, without changing them. */
static inline uint64_t parties_seen(const struct risk_parties *parties, uint32_t week)
{
	if (week <= parties->week)
		return parties->seen[0] | parties->seen[1];
	return week == parties->week + 1 ? parties->seen[0] : 0;
}

/* Who was seen before, at both sides. */
static inline void view_parties(struct risk_view *view)
{
	const struct risk_account_state *account = view->account;
	const struct risk_terminal_state *terminal = view->terminal;
	uint64_t partner = party_hash(view->transaction->terminal_id);
	uint32_t week = view->time_s / RISK_WEEK_S;
	uint64_t visitors = parties_seen(&terminal->parties, week);
	uint16_t tag = party_tag(partner);

	view->partner_seen = (parties_seen(&account->parties, week) & party_bit(partner)) != 0;
	view->partner_paid = account->source_tags[0] == tag || account->source_tags[1] == tag ||
	                     account->source_tags[2] == tag;
	view->sources =
	    (uint8_t)(view->time_s / RISK_MONTH_S == account->in_updated_s / RISK_MONTH_S
	                  ? __builtin_popcountll(account->sources)
	                  : 0);
	view->visitors = (uint8_t)__builtin_popcountll(visitors);
	view->visitor_seen = (visitors & party_bit(view->visitor)) != 0;
	view->visitor_rank = parties_rank(&terminal->parties, party_tag(view->visitor));
}

/* risk_view_complete; the counts of what came in only where they are looked at. */
static inline __attribute__((always_inline)) void view_complete(
    struct risk_view *view, bool received)
{
	const struct risk_account_state *account = view->account;
	const struct risk_terminal_state *terminal = view->terminal;
	uint32_t before = account->updated_s, at_terminal = terminal->updated_s;
	uint32_t in_before = account->in_updated_s;
	uint64_t now_24h = step_of(view->time_s, RISK_STEP_24H_NS);
	uint64_t now_7d = step_of(view->time_s, RISK_STEP_7D_NS);
	uint64_t now_30d = step_of(view->time_s, RISK_STEP_30D_NS);
	struct decay day = decay_between(step_of(before, RISK_STEP_24H_NS), now_24h);
	struct decay week = decay_between(step_of(before, RISK_STEP_7D_NS), now_7d);
	struct decay month = decay_between(step_of(before, RISK_STEP_30D_NS), now_30d);

	view_parties(view);
	view->account_idle_s =
	    account->observations != 0 ? since(before, view->time_s) : UINT32_MAX;
	view->terminal_idle_s =
	    terminal->observations != 0 ? since(at_terminal, view->time_s) : UINT32_MAX;
	view->account_counts[RISK_1H] =
	    decayed(account->counts[RISK_1H], decay_make(before, view->time_s, RISK_STEP_1H_NS));
	view->account_counts[RISK_24H] = decayed(account->counts[RISK_24H], day);
	view->account_counts[RISK_7D] = decayed(account->counts[RISK_7D], week);
	view->account_counts[RISK_30D] = decayed(account->counts[RISK_30D], month);
	view->sum_24h = decayed_sum(account->sum_24h, day);
	view->sum_7d = decayed_sum(account->sum_7d, week);
	view->sum_30d = decayed_sum(account->sum_30d, month);
	view->high_7d = decayed(account->high_7d, week);
	view->terminal_counts[RISK_24H] = decayed(terminal->counts[RISK_24H],
	    decay_between(step_of(at_terminal, RISK_STEP_24H_NS), now_24h));
	view->terminal_counts[RISK_30D] = decayed(terminal->counts[RISK_30D],
	    decay_between(step_of(at_terminal, RISK_STEP_30D_NS), now_30d));
	view->hour_share = slot_share(account->hours[view->hour], view->hour_total);
	view->day_share = slot_share(account->days[view->day], view->day_total);
	view->in_24h = view->in_7d = view->in_30d = 0;
	if (!received || in_before == 0)
		return;
	view->in_24h =
	    decayed(account->in_24h, decay_between(step_of(in_before, RISK_STEP_24H_NS), now_24h));
	view->in_7d =
	    decayed(account->in_7d, decay_between(step_of(in_before, RISK_STEP_7D_NS), now_7d));
	view->in_30d =
	    decayed(account->in_30d, decay_between(step_of(in_before, RISK_STEP_30D_NS), now_30d));
}

/* risk_traits_make for who keeps no clock. */
void risk_traits_alone(
    struct risk_traits *traits, const struct risk_transaction *transaction, uint64_t account_id);

extern const uint16_t risk_log2_fraction[33];

/* risk_log2. */
static inline uint32_t log2_of(uint64_t value)
{
	uint64_t number = value < UINT64_MAX ? value + 1 : UINT64_MAX;
	unsigned exponent = 63u - (unsigned)__builtin_clzll(number);
	/* The top bit apart: 16 bits of fraction, 5 of them the place, 11 between two places. */
	uint32_t rest = (uint32_t)((number << (63 - exponent) << 1) >> 48);
	uint32_t low = risk_log2_fraction[rest >> 11], high = risk_log2_fraction[(rest >> 11) + 1];

	return exponent * 256 + low + ((high - low) * (rest & 2047) >> 11);
}

#endif
