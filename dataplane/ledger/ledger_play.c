/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responsible play: a customer's own limits, self-exclusion and breaks.
 *
 * An account with limits (ACCOUNT_PLAY) has two objects: the limits, and what counts against them.
 * Both are made by the first PLAY_SET, so accounts without limits cost one test of a flag. What was
 * staked on the day before the limits were set counts; deposits and losses count from then on.
 *
 * A stake counts as lost when it is placed, so that open bets cannot add up to more than the limit.
 * What comes back of it later (payout, cancellation, void, a reversal), or is taken back again (a
 * result rolled back), belongs to the day and week the stake was placed in and counts in them
 * alone, while they last: a win of an earlier day gives no room for more losses today. So what
 * counts as lost may be negative within a period. Stakes from before the limits were set stay out
 * of it altogether. Credits of game rounds name no stake: they count when they come.
 *
 * A lower limit acts at once. A higher one (or none) waits limit_raise_delay_s; asking for more
 * while one waits starts the delay again for all that wait, asking for less does not. Exclusion and
 * break end when they end: neither the customer nor an operator can shorten them.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"

#define SECOND_NS 1000000000ull
#define NO_LIMIT  (-1)

enum {
	PERIOD_DAY,
	PERIOD_WEEK,
	PERIODS,
};

static const struct object_row *play_row(
    const struct decision *decision, enum object_kind kind, uint64_t account_id)
{
	struct object_key key = { .kind = (uint8_t)kind, .words = { account_id } };

	return ledger_object_by_key(decision->ledger, &key);
}

/* ---- What counts ---- */

/* A day or week never runs backwards: a later one that was begun goes on. */
static void counters_roll(const struct decision *decision, struct object_play_counters *counters)
{
	uint32_t day = risk_day(&decision->ledger->shard.rules, decision->time_ns);
	uint32_t week = (day + 3) / 7;

	if (day > le32_get(counters->day)) {
		counters->deposited[PERIOD_DAY] = counters->staked[PERIOD_DAY] =
		    counters->lost[PERIOD_DAY] = le64s_make(0);
		counters->day = le32_make(day);
	}
	if (week > le32_get(counters->week)) {
		counters->deposited[PERIOD_WEEK] = counters->staked[PERIOD_WEEK] =
		    counters->lost[PERIOD_WEEK] = le64s_make(0);
		counters->week = le32_make(week);
	}
}

/* The counters as of now; from what the account's row knows when there are none yet. */
static const struct object_row *counters_read(
    const struct decision *decision, struct object_play_counters *counters)
{
	const struct account_row *account = decision->account;
	const struct object_row *row = play_row(decision, OBJECT_PLAY_COUNTERS, account->id);
	int64_t staked;

	if (row != NULL) {
		memcpy(counters, row->body, sizeof(*counters));
		counters_roll(decision, counters);
		return row;
	}
	*counters = (struct object_play_counters){ .account_id = le64_make(account->id),
		.since_ns = le64_make(decision->time_ns) };
	counters_roll(decision, counters);
	staked =
	    ledger_staked_on(account->staked_today, account->staked_day, le32_get(counters->day));
	counters->staked[PERIOD_DAY] = counters->staked[PERIOD_WEEK] = le64s_make(staked);
	return NULL;
}

static void counters_write(struct decision *decision, const struct object_row *row,
    const struct object_play_counters *counters)
{
	struct object_key key = { .kind = OBJECT_PLAY_COUNTERS,
		.words = { decision->account->id } };
	struct object_row *object =
	    row != NULL ? decision_object(decision, row) : decision_object_key(decision, &key);

	object->state = OBJECT_OPEN;
	object->currency = decision->account->currency;
	memcpy(object->body, counters, sizeof(*counters));
}

static void counter_add(struct le64s *counter, int64_t change, int64_t low)
{
	int64_t sum;

	if (__builtin_add_overflow(le64s_get(*counter), change, &sum))
		sum = change < 0 ? INT64_MIN : INT64_MAX;
	*counter = le64s_make(sum < low ? low : sum);
}

void play_count(struct decision *decision, int64_t deposited, int64_t staked, int64_t lost)
{
	struct object_play_counters counters;
	const struct object_row *row;

	if (decision->account == NULL || !(decision->account->flags & ACCOUNT_PLAY))
		return;
	row = counters_read(decision, &counters);
	/* What is taken back may have counted in a period that is over. */
	for (unsigned i = 0; i < PERIODS; i++) {
		counter_add(&counters.deposited[i], deposited, 0);
		counter_add(&counters.staked[i], staked, 0);
		counter_add(&counters.lost[i], lost, INT64_MIN);
	}
	counters_write(decision, row, &counters);
}

void play_count_later(
    struct decision *decision, uint64_t then_ns, int64_t deposited, int64_t staked, int64_t lost)
{
	uint32_t day = risk_day(&decision->ledger->shard.rules, then_ns);
	struct object_play_counters counters, before;
	const struct object_row *row;
	int runs[PERIODS], known;

	if (decision->account == NULL || !(decision->account->flags & ACCOUNT_PLAY))
		return;
	row = counters_read(decision, &counters);
	before = counters;
	known = then_ns >= le64_get(counters.since_ns);
	runs[PERIOD_DAY] = day >= le32_get(counters.day);
	runs[PERIOD_WEEK] = (day + 3) / 7 >= le32_get(counters.week);
	for (unsigned i = 0; i < PERIODS; i++) {
		/* Stakes of the day the limits were set on count from its begin. */
		if (runs[PERIOD_DAY] || (runs[i] && known))
			counter_add(&counters.staked[i], staked, 0);
		if (runs[i] && known) {
			counter_add(&counters.deposited[i], deposited, 0);
			counter_add(&counters.lost[i], lost, INT64_MIN);
		}
	}
	if (memcmp(&counters, &before, sizeof(counters)) != 0)
		counters_write(decision, row, &counters);
}

/* ---- Judging ---- */

/* 1 when `amount` more would pass one of the two limits. */
static int passes(struct decision *decision, const struct object_play_limits *limits,
    enum play_limit first, const struct le64s sums[PERIODS], int64_t amount)
{
	for (unsigned i = 0; i < PERIODS; i++) {
		int64_t limit = le64s_get(limits->active[first + i]), sum;

		if (limit == NO_LIMIT)
			continue;
		if (__builtin_add_overflow(le64s_get(sums[i]), amount, &sum) || sum > limit) {
			decision_limit(decision, limit, le64s_get(sums[i]))->own =
			    (uint8_t)(first + i + 1);
			return 1;
		}
	}
	return 0;
}

/* The limits of an account that has some and is not excluded; *limited 0: it has none. */
static uint16_t play_begin(const struct decision *decision, struct object_play_limits *limits,
    struct object_play_counters *counters, int *limited)
{
	const struct object_row *row;

	*limited = 0;
	if (decision->account == NULL || !(decision->account->flags & ACCOUNT_PLAY))
		return WIRE_CODE_OK;
	row = play_row(decision, OBJECT_PLAY_LIMITS, decision->account->id);
	if (row == NULL)
		return WIRE_CODE_OK;
	memcpy(limits, row->body, sizeof(*limits));
	if (le64_get(limits->excluded_until_ns) > decision->time_ns)
		return WIRE_CODE_SELF_EXCLUDED;
	if (le64_get(limits->cooloff_until_ns) > decision->time_ns)
		return WIRE_CODE_COOLING_OFF;
	*limited = 1;
	(void)counters_read(decision, counters);
	return WIRE_CODE_OK;
}

uint16_t play_judge_deposit(struct decision *decision, int64_t amount)
{
	struct object_play_counters counters;
	struct object_play_limits limits;
	int limited;
	uint16_t code = play_begin(decision, &limits, &counters, &limited);

	if (code == WIRE_CODE_OK && limited &&
	    passes(decision, &limits, PLAY_DEPOSIT_DAY, counters.deposited, amount))
		return WIRE_CODE_LIMIT_DEPOSIT;
	return code;
}

uint16_t play_judge_stake(struct decision *decision, int64_t stake)
{
	struct object_play_counters counters;
	struct object_play_limits limits;
	int limited;
	uint16_t code = play_begin(decision, &limits, &counters, &limited);

	if (code != WIRE_CODE_OK || !limited)
		return code;
	if (passes(decision, &limits, PLAY_STAKE_DAY, counters.staked, stake))
		return WIRE_CODE_LIMIT_STAKE;
	if (passes(decision, &limits, PLAY_LOSS_DAY, counters.lost, stake))
		return WIRE_CODE_LIMIT_LOSS;
	return WIRE_CODE_OK;
}

/* ---- PLAY_SET ---- */

struct play_wish {
	int64_t limits[PLAY_LIMITS];
	uint64_t excluded_until_ns, cooloff_until_ns;
};

static int wish_invalid(const struct play_wish *wish)
{
	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		if (wish->limits[i] < NO_LIMIT || wish->limits[i] > LIMIT_BALANCE_MAX)
			return 1;
	return 0;
}

static int looser(int64_t limit, int64_t than)
{
	return than != NO_LIMIT && (limit == NO_LIMIT || limit > than);
}

static void limits_read(const struct decision *decision, const struct object_row *row,
    struct object_play_limits *limits)
{
	if (row != NULL) {
		memcpy(limits, row->body, sizeof(*limits));
		return;
	}
	*limits = (struct object_play_limits){ .account_id = le64_make(decision->account->id) };
	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		limits->active[i] = limits->wanted[i] = le64s_make(NO_LIMIT);
}

static struct le64 later(struct le64 until, uint64_t wish)
{
	return wish > le64_get(until) ? le64_make(wish) : until;
}

/* 1 when what is wished for differs from what is there; the objects are in the decision then. */
static int play_change(struct decision *decision, const struct play_wish *wish)
{
	struct object_key key = { .kind = OBJECT_PLAY_LIMITS, .words = { decision->account->id } };
	const struct object_row *row = play_row(decision, OBJECT_PLAY_LIMITS, key.words[0]);
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	struct object_play_counters counters;
	struct object_play_limits limits, old;
	uint64_t due_ns = row == NULL ? 0 : row->due_ns;
	struct object_row *object;
	int waits = 0, more = 0;

	limits_read(decision, row, &old);
	limits = old;
	for (unsigned i = 0; i < PLAY_LIMITS; i++) {
		limits.wanted[i] = le64s_make(wish->limits[i]);
		if (!looser(wish->limits[i], le64s_get(old.active[i]))) {
			limits.active[i] = limits.wanted[i];
			continue;
		}
		waits = 1;
		more |= looser(wish->limits[i], le64s_get(old.wanted[i]));
	}
	if (!waits)
		due_ns = 0;
	else if (more || due_ns == 0)
		due_ns = decision->time_ns + rules->limit_raise_delay_s * SECOND_NS;
	limits.excluded_until_ns = later(limits.excluded_until_ns, wish->excluded_until_ns);
	limits.cooloff_until_ns = later(limits.cooloff_until_ns, wish->cooloff_until_ns);
	if (memcmp(&limits, &old, sizeof(limits)) == 0 && due_ns == (row == NULL ? 0 : row->due_ns))
		return 0;
	object = row != NULL ? decision_object(decision, row) : decision_object_key(decision, &key);
	object->state = OBJECT_OPEN;
	object->currency = decision->account->currency;
	object->due_ns = due_ns;
	memcpy(object->body, &limits, sizeof(limits));
	if (counters_read(decision, &counters) == NULL)
		counters_write(decision, NULL, &counters);
	return 1;
}

/* Also for a frozen account: nothing keeps a customer from limiting themselves. */
uint16_t play_set_judge(struct decision *decision)
{
	const struct wire_request *wire = decision->request;
	struct play_wish wish = { .excluded_until_ns = wire->play_set.excluded_until_ns,
		.cooloff_until_ns = wire->play_set.cooloff_until_ns };

	if (decision->account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	decision->currency = decision->account->currency;
	memcpy(wish.limits, wire->play_set.limits, sizeof(wish.limits));
	if (wish_invalid(&wish))
		return WIRE_CODE_AMOUNT_INVALID;
	(void)play_change(decision, &wish);
	return WIRE_CODE_OK;
}

int play_set_command(struct decision *decision, const struct ledger_command *command)
{
	struct play_wish wish = { .excluded_until_ns = le64_get(command->play.excluded_until_ns),
		.cooloff_until_ns = le64_get(command->play.cooloff_until_ns) };

	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		wish.limits[i] = le64s_get(command->play.active[i]);
	if (wish_invalid(&wish))
		return -EINVAL;
	decision_account(decision, command->account_id);
	if (decision->account == NULL)
		return -ENOENT;
	decision->type = EVENT_PLAY_SET;
	decision->currency = decision->account->currency;
	return play_change(decision, &wish);
}

/* The delay is over: what was asked for acts. */
int play_due(struct decision *decision, const struct object_row *row)
{
	struct object_play_limits limits;
	struct object_row *object;

	memcpy(&limits, row->body, sizeof(limits));
	decision->type = EVENT_PLAY_SET;
	decision->flags |= EVENT_FLAG_TIMER;
	decision_account(decision, le64_get(limits.account_id));
	SLUICE_REQUIRE(decision->account != NULL);
	decision->currency = decision->account->currency;
	memcpy(limits.active, limits.wanted, sizeof(limits.active));
	object = decision_object(decision, row);
	object->due_ns = 0;
	memcpy(object->body, &limits, sizeof(limits));
	return 1;
}
