/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "dataplane/risk/risk_internal.h"
#include "wire/assert.h"

#define SUM_MAX      (1ull << 56) /* times 100 it still fits */
#define HABIT_WEIGHT 32           /* means: plain averages first, then exponential with 1/32 */
#define CLIP_AFTER   5
#define CLIP_MEANS   4
#define MOVED_ONE    65536u
#define SPAN_HOURS   24

static uint64_t plus_amount(uint64_t sum, int64_t amount)
{
	return sum < SUM_MAX ? sum + (uint64_t)amount : SUM_MAX;
}

/* A counter that halves with each period. */
static uint16_t halved(uint16_t count, uint32_t from, uint32_t to)
{
	if (to <= from)
		return count;
	return to - from < 16 ? (uint16_t)(count >> (to - from)) : 0;
}

static inline void parties_add(
    struct risk_parties *parties, uint64_t hash, uint16_t tag, uint32_t week)
{
	unsigned rank = parties_rank(parties, tag);

	if (week > parties->week) {
		parties->seen[1] = week == parties->week + 1 ? parties->seen[0] : 0;
		parties->seen[0] = 0;
		parties->again = halved(parties->again, parties->week / 4, week / 4);
		parties->week = week;
	}
	parties->seen[0] |= party_bit(hash);
	if (rank <= RISK_TAGS && parties->again < UINT16_MAX)
		parties->again++;
	if (rank == 1) {
		if (parties->repeats < UINT16_MAX)
			parties->repeats++;
		return;
	}
	parties->repeats = 0;
	if (rank >= RISK_TAGS) /* mostly: in two moves */
		memmove(&parties->tags[1], &parties->tags[0],
		    (RISK_TAGS - 1) * sizeof(parties->tags[0]));
	else
		for (unsigned i = rank - 1; i > 0; i--)
			parties->tags[i] = parties->tags[i - 1];
	parties->tags[0] = tag;
}

/* Of a transaction that has a selection. */
static inline void selection_add(
    struct risk_selection_run *run, uint16_t tag, uint64_t side_hash, uint32_t now)
{
	if (selection_goes_on(run, tag, now)) {
		run->count += run->count < UINT8_MAX;
		run->sides |= selection_side(side_hash);
	} else if (run->count > 1 && since(run->begin_s, now) <= RISK_SELECTION_WINDOW_S) {
		run->count--;
	} else {
		*run = (struct risk_selection_run){ now, tag, 1, selection_side(side_hash) };
	}
}

static void slot_add(uint8_t *slots, unsigned count, unsigned slot)
{
	if (slots[slot] == UINT8_MAX)
		for (unsigned i = 0; i < count; i++)
			slots[i] /= 2;
	slots[slot]++;
}

/* One amount into mean and mean absolute deviation. From the sixth on an outlier is cut. */
static void amount_learn(uint64_t *mean, uint64_t *spread, uint32_t seen, int64_t value)
{
	int64_t amount = value * 256, weight = seen < HABIT_WEIGHT ? seen + 1 : HABIT_WEIGHT;
	int64_t difference, deviation;

	if (seen >= CLIP_AFTER && *mean != 0 && (uint64_t)amount > CLIP_MEANS * *mean)
		amount = (int64_t)(CLIP_MEANS * *mean);
	if (seen == 0) {
		*mean = (uint64_t)amount;
		*spread = 0;
		return;
	}
	difference = amount - (int64_t)*mean;
	deviation = difference < 0 ? -difference : difference;
	/* By a constant where it is one, as it soon is: no division is left of it. */
	if (SLUICE_LIKELY(weight == HABIT_WEIGHT)) {
		*mean = (uint64_t)((int64_t)*mean + difference / HABIT_WEIGHT);
		*spread =
		    (uint64_t)((int64_t)*spread + (deviation - (int64_t)*spread) / HABIT_WEIGHT);
	} else {
		*mean = (uint64_t)((int64_t)*mean + difference / weight);
		*spread = (uint64_t)((int64_t)*spread + (deviation - (int64_t)*spread) / weight);
	}
}

void risk_account_init(struct risk_account_state *account, uint64_t time_ns)
{
	*account = (struct risk_account_state){
		.updated_s = seconds_of(time_ns),
		.first_s = seconds_of(time_ns),
	};
}

void risk_terminal_init(struct risk_terminal_state *terminal, uint64_t time_ns)
{
	*terminal = (struct risk_terminal_state){
		.updated_s = seconds_of(time_ns),
		.first_s = seconds_of(time_ns),
	};
}

void risk_account_begin(struct risk_account_state *account, uint64_t time_ns)
{
	account->first_s = account->updated_s = seconds_of(time_ns);
}

void risk_terminal_begin(struct risk_terminal_state *terminal, uint64_t time_ns)
{
	terminal->first_s = terminal->updated_s = seconds_of(time_ns);
}

void risk_account_near(struct risk_account_state *account, uint64_t time_ns)
{
	account->near_s[1] = account->near_s[0];
	account->near_s[0] = seconds_of(time_ns);
}

/* What each window keeps from one time to another. */
struct decays {
	struct decay of[RISK_WINDOWS];
};

static struct decays decays_make(uint32_t from_s, uint32_t to_s)
{
	return (struct decays){ {
	    [RISK_1H] = decay_make(from_s, to_s, RISK_STEP_1H_NS),
	    [RISK_24H] = decay_make(from_s, to_s, RISK_STEP_24H_NS),
	    [RISK_7D] = decay_make(from_s, to_s, RISK_STEP_7D_NS),
	    [RISK_30D] = decay_make(from_s, to_s, RISK_STEP_30D_NS),
	} };
}

static void counts_decay(uint32_t *counts, const struct decays *decays)
{
	for (unsigned i = 0; i < RISK_WINDOWS; i++)
		counts[i] = decayed(counts[i], decays->of[i]);
}

static void counts_add(uint32_t *counts)
{
	for (unsigned i = 0; i < RISK_WINDOWS; i++)
		counts[i] = plus_one(counts[i]);
}

/* Within a second, where a busy one mostly is, and when the clock steps back: nothing decays. */
static void account_decay(struct risk_account_state *account, uint32_t now)
{
	struct decays decays;

	if (now <= account->updated_s)
		return;
	decays = decays_make(account->updated_s, now);
	counts_decay(account->counts, &decays);
	account->sum_24h = decayed_sum(account->sum_24h, decays.of[RISK_24H]);
	account->sum_7d = decayed_sum(account->sum_7d, decays.of[RISK_7D]);
	account->sum_30d = decayed_sum(account->sum_30d, decays.of[RISK_30D]);
	account->high_7d = decayed(account->high_7d, decays.of[RISK_7D]);
	account->updated_s = now;
}

/* A stake ladder: each amount at least 1.2 times the one before. */
static void ladder_step(struct risk_account_state *account, uint16_t amount)
{
	if (account->observations != 0 && amount >= account->amount_last + RISK_LADDER_STEP_LOG) {
		if (account->ladder < UINT8_MAX)
			account->ladder++;
	} else {
		account->ladder = 0;
	}
	account->amount_last = amount;
}

static uint32_t moved_share(const struct risk_account_state *account)
{
	return (uint32_t)account->moved_high << 8 | account->moved_low;
}

/* part / whole of MOVED_ONE, rounded up: what moved in many small parts is not lost. */
static void moved_set(struct risk_account_state *account, unsigned __int128 part, uint64_t whole)
{
	unsigned __int128 share = whole != 0 ? (part + whole - 1) / whole : 0;
	uint32_t kept = share < MOVED_ONE ? (uint32_t)share : MOVED_ONE - 1;

	account->moved_high = (uint8_t)(kept >> 8);
	account->moved_low = (uint8_t)kept;
}

static void moved_add(struct risk_account_state *account, uint64_t amount)
{
	uint64_t received = account->received_amount;

	moved_set(account,
	    (unsigned __int128)moved_share(account) * received +
	        (unsigned __int128)amount * MOVED_ONE,
	    received);
}

uint64_t risk_account_moved(const struct risk_account_state *account)
{
	return (uint64_t)((unsigned __int128)moved_share(account) * account->received_amount /
	                  MOVED_ONE);
}

void risk_traits_make(struct risk_traits *traits, const struct risk_transaction *transaction,
    uint64_t account_id, const struct risk_moment *moment)
{
	traits->partner = party_hash(transaction->terminal_id);
	traits->visitor = party_hash(account_id);
	traits->moment = *moment;
	traits->partner_tag = party_tag(traits->partner);
	traits->visitor_tag = party_tag(traits->visitor);
	traits->selection_tag = party_tag(party_hash(transaction->selection_id));
	traits->amount_log = (uint16_t)log2_of((uint64_t)transaction->amount);
}

void risk_traits_alone(
    struct risk_traits *traits, const struct risk_transaction *transaction, uint64_t account_id)
{
	struct risk_moment moment;

	(void)risk_moment_set(&moment, transaction->time_ns, transaction->utc_offset_s);
	risk_traits_make(traits, transaction, account_id, &moment);
}

void risk_account_observe_traits(struct risk_account_state *account,
    const struct risk_transaction *transaction, const struct risk_traits *traits)
{
	int64_t amount = transaction->amount;

	account_decay(account, traits->moment.time_s);
	counts_add(account->counts);
	account->sum_24h = plus_amount(account->sum_24h, amount);
	account->sum_7d = plus_amount(account->sum_7d, amount);
	account->sum_30d = plus_amount(account->sum_30d, amount);
	if (account->observations >= CLIP_AFTER &&
	    (uint64_t)amount * 512 > 5 * account->amount_mean)
		account->high_7d = plus_one(account->high_7d);
	amount_learn(&account->amount_mean, &account->amount_spread, account->observations, amount);
	parties_add(&account->parties, traits->partner, traits->partner_tag, traits->moment.week);
	if (transaction->selection_id != 0)
		selection_add(&account->selection, traits->selection_tag, traits->partner,
		    traits->moment.time_s);
	ladder_step(account, traits->amount_log);
	if (transaction->near_report)
		risk_account_near(account, transaction->time_ns);
	if (transaction->kind == RISK_KIND_STAKE)
		account->staked_since = plus_amount(account->staked_since, amount);
	if (transaction->keeps_moved && risk_kind_moves(transaction->kind))
		moved_add(account, (uint64_t)amount);
	slot_add(account->hours, RISK_SLOTS_HOUR, traits->moment.hour);
	slot_add(account->days, RISK_SLOTS_DAY, traits->moment.day);
	if (account->observations < UINT32_MAX)
		account->observations++;
}

void risk_account_observe(
    struct risk_account_state *account, const struct risk_transaction *transaction)
{
	struct risk_traits traits;

	risk_traits_alone(&traits, transaction, 0); /* its own id is nothing that it learns */
	risk_account_observe_traits(account, transaction, &traits);
}

/* Who paid, to the front. */
static void source_add(struct risk_account_state *account, uint16_t tag)
{
	uint16_t *tags = account->source_tags;
	unsigned place = 0;

	while (place < 2 && tags[place] != tag)
		place++;
	if (tags[place] == tag && account->source_again < UINT8_MAX)
		account->source_again++;
	for (; place > 0; place--)
		tags[place] = tags[place - 1];
	tags[0] = tag;
}

void risk_account_receive(
    struct risk_account_state *account, uint64_t time_ns, int64_t amount, uint64_t source_id)
{
	uint32_t before = account->in_updated_s;
	uint32_t now = seconds_of(time_ns) > before ? seconds_of(time_ns) : before;
	uint64_t received;

	if (before == 0 || now - before > RISK_DAY_S ||
	    account->staked_since >= account->received_amount) {
		account->received_amount = account->staked_since = 0;
		account->span_hour = (uint8_t)(now / 3600);
	} else if ((uint8_t)(now / 3600 - account->span_hour) > SPAN_HOURS) {
		account->received_amount -= account->received_amount / 2;
		account->staked_since /= 2;
		account->span_hour = (uint8_t)(now / 3600 - SPAN_HOURS / 2);
	}
	received = account->received_amount;
	risk_account_receive_before(account, time_ns, amount, source_id);
	moved_set(
	    account, (unsigned __int128)moved_share(account) * received, account->received_amount);
}

void risk_account_receive_before(
    struct risk_account_state *account, uint64_t time_ns, int64_t amount, uint64_t source_id)
{
	uint32_t now = seconds_of(time_ns), before = account->in_updated_s;
	uint64_t hash = party_hash(source_id);

	if (before == 0 || since(before, now) > RISK_DAY_S) {
		account->received_amount = 0;
		account->staked_since = 0;
	}
	if (now / RISK_MONTH_S > before / RISK_MONTH_S) {
		account->sources = 0;
		account->source_again = (uint8_t)halved(
		    account->source_again, before / RISK_MONTH_S, now / RISK_MONTH_S);
	}
	account->sources |= party_bit(hash);
	source_add(account, party_tag(hash));
	account->received_amount = plus_amount(account->received_amount, amount);
	account->in_24h =
	    plus_one(decayed(account->in_24h, decay_make(before, now, RISK_STEP_24H_NS)));
	account->in_7d =
	    plus_one(decayed(account->in_7d, decay_make(before, now, RISK_STEP_7D_NS)));
	account->in_30d =
	    plus_one(decayed(account->in_30d, decay_make(before, now, RISK_STEP_30D_NS)));
	if (now > before)
		account->in_updated_s = now;
}

void risk_terminal_observe_traits(struct risk_terminal_state *terminal,
    const struct risk_transaction *transaction, const struct risk_traits *traits)
{
	const uint32_t now = traits->moment.time_s;

	if (now > terminal->updated_s) {
		const struct decays decays = decays_make(terminal->updated_s, now);

		counts_decay(terminal->counts, &decays);
		terminal->updated_s = now;
	}
	counts_add(terminal->counts);
	amount_learn(&terminal->amount_mean, &terminal->amount_spread, terminal->observations,
	    transaction->amount);
	parties_add(&terminal->parties, traits->visitor, traits->visitor_tag, traits->moment.week);
	if (transaction->selection_id != 0)
		selection_add(&terminal->selection, traits->selection_tag, traits->visitor, now);
	if (terminal->observations < UINT32_MAX)
		terminal->observations++;
}

void risk_terminal_observe(struct risk_terminal_state *terminal,
    const struct risk_transaction *transaction, uint64_t account_id)
{
	struct risk_traits traits;

	risk_traits_alone(&traits, transaction, account_id);
	risk_terminal_observe_traits(terminal, transaction, &traits);
}
