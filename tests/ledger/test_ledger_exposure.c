/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of what open bets may cost, over all shards, and the credit that moves between them. */
#include <errno.h>

#include "tests/ledger/shards.h"

#define TERMINAL 7
#define MARKET   1 /* odds 2.000, 3.500, 25.000 */
#define OTHER    2 /* another event */
#define PARTNER  3

struct people {
	uint64_t plain[SHARDS], partners[SHARDS], dollars[SHARDS];
};

static void checks(struct shards *shards, uint32_t shard, const struct event_view *view)
{
	(void)view;
	shards_check(shards, shard);
	shards_check_between(shards);
}

static void limits_set(struct shards *shards, int64_t selection_max, int64_t market_max)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	risk_rules_default(&command.rules);
	command.rules.version = ledger_shard(shards->ledger[0])->rules.version + 1;
	command.rules.refuse_score = 101;
	command.rules.exposure_selection_max = selection_max;
	command.rules.exposure_market_max = market_max;
	assert_true(shards_command(shards, &command) > 0);
}

static void partner_set(struct shards *shards, uint64_t version, int64_t exposure_max)
{
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = PARTNER };

	command.partner.version = le64_make(version);
	command.partner.exposure_max = le64s_make(exposure_max);
	command.partner.currency = le16_make(KRW);
	assert_true(shards_command(shards, &command) > 0);
}

static void account_make(struct shards *shards, uint64_t id, uint16_t currency, uint16_t partner_id)
{
	struct wire_request wire = { .template_id = WIRE_OPEN_ACCOUNT,
		.open_account = { .account_id = id,
		    .deadline_ns = NO_DEADLINE,
		    .currency = currency,
		    .partner_id = partner_id } };
	const struct ledger_command money = {
		.type = EVENT_ADJUST, .account_id = id, .amount = 1000000
	};

	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_OK);
	assert_true(shards_command(shards, &money) > 0);
}

static struct shards *world_make(struct people *people)
{
	struct shards *shards = shards_new(1);

	partner_set(shards, 1, 0);
	for (uint64_t id = MARKET; id <= OTHER; id++) {
		const struct ledger_command command =
		    fixture_market_command(id, id, id, MARKET_OPEN, NOW + DAY);

		assert_true(shards_command(shards, &command) > 0);
	}
	for (uint32_t i = 0; i < SHARDS; i++) {
		people->plain[i] = shards_id_on(shards, i, 1, 0);
		people->partners[i] = shards_id_on(shards, i, 1, 1);
		people->dollars[i] = shards_id_on(shards, i, 1, 2);
		account_make(shards, people->plain[i], KRW, 0);
		account_make(shards, people->partners[i], KRW, PARTNER);
		account_make(shards, people->dollars[i], 840, 0);
	}
	shards->watch = checks;
	return shards;
}

static struct wire_request bet_make(uint64_t account, int64_t stake, unsigned selection)
{
	static const uint32_t odds[] = { 2000, 3500, 25000 };
	struct wire_request wire = { .template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account,
		    .stake = stake,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1 } };

	wire.place_bet.legs[0].market_id = MARKET;
	wire.place_bet.legs[0].selection = (uint16_t)selection;
	wire.place_bet.legs[0].odds = odds[selection];
	return wire;
}

static uint16_t bet(struct shards *shards, uint64_t account, int64_t stake, unsigned selection)
{
	struct wire_request wire = bet_make(account, stake, selection);

	return shards_code(shards, &wire, TERMINAL);
}

/* The bases come to the limit: the first shards take the remainder. */
TEST(each_shard_owns_its_base)
{
	const int64_t bases[SHARDS] = { 26, 26, 24, 24 };
	struct people p;
	struct shards *shards = world_make(&p);

	limits_set(shards, 102, 0); /* 25.5 each: bets of payout 2 show 26, 26, 24 (25), 24 (25) */
	for (uint32_t i = 0; i < SHARDS; i++) {
		int64_t placed = 0;

		while (bet(shards, p.plain[i], 1, 0) == WIRE_CODE_OK)
			placed += 2;
		assert_case_equal(i, placed, bases[i]);
		assert_case_equal(
		    i, ledger_market_exposure(shards->ledger[i], MARKET, 0), bases[i]);
		assert_case_equal(i, bet(shards, p.plain[i], 1, 0), WIRE_CODE_EXPOSURE_SELECTION);
		/* Another selection has its own. */
		assert_case_equal(i, bet(shards, p.plain[i], 7, 1), WIRE_CODE_OK);
	}
	shards_check_exposure(shards, 102, 0);
	shards_free(shards);
}

TEST(which_limit_is_passed)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct wire_request accumulator = bet_make(p.plain[1], 100, 0), cancel;
	struct event_buffer event;

	limits_set(shards, 4000, 8000); /* 1,000 and 2,000 a shard */
	assert_int_equal(bet(shards, p.plain[0], 500, 0), WIRE_CODE_OK);
	assert_int_equal(bet(shards, p.plain[0], 1, 0), WIRE_CODE_EXPOSURE_SELECTION);
	assert_int_equal(bet(shards, p.plain[0], 285, 1), WIRE_CODE_OK);            /* 997 */
	assert_int_equal(bet(shards, p.plain[0], 1, 2), WIRE_CODE_EXPOSURE_MARKET); /* 25 */
	/* Each leg's market counts the whole payout. */
	accumulator.place_bet.leg_count = 2;
	accumulator.place_bet.legs[1] = (struct wire_leg){ .market_id = OTHER, .odds = 2000 };
	assert_true(shards_request(shards, &accumulator, TERMINAL, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	assert_int_equal(ledger_market_exposure(shards->ledger[1], MARKET, 0), 400);
	assert_int_equal(ledger_market_exposure(shards->ledger[1], OTHER, -1), 400);
	assert_int_equal(bet(shards, p.plain[1], 301, 0), WIRE_CODE_EXPOSURE_SELECTION);
	assert_int_equal(bet(shards, p.plain[1], 300, 0), WIRE_CODE_OK);
	/* A bet that is cancelled gives its part back. */
	cancel = (struct wire_request){ .template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .bet_id = le64_get(fixture_record(&event).object_id),
		    .deadline_ns = NO_DEADLINE } };
	assert_int_equal(shards_code(shards, &cancel, TERMINAL), WIRE_CODE_OK);
	assert_int_equal(bet(shards, p.plain[1], 200, 0), WIRE_CODE_OK);
	assert_int_equal(ledger_market_exposure(shards->ledger[1], OTHER, -1), 0);
	shards_free(shards);
}

/* What explain and the terminal are told of: the market of the leg, of a partner's limit none. */
TEST(a_refusal_names_the_leg_it_was_for)
{
	static const struct {
		uint64_t full; /* the market whose selection 0 has no room */
		int64_t partner_max;
		uint16_t code;
		uint64_t object_id;
		int64_t limit, counted, credit;
	} cases[] = {
		{ MARKET, 0, WIRE_CODE_EXPOSURE_SELECTION, MARKET, 4000, 1000, 1000 },
		{ OTHER, 0, WIRE_CODE_EXPOSURE_SELECTION, OTHER, 4000, 1000, 1000 },
		{ 0, 4, WIRE_CODE_EXPOSURE_PARTNER, 0, 4, 0, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct people p;
		struct shards *shards = world_make(&p);
		struct wire_request accumulator = bet_make(p.partners[0], 100, 0);
		struct wire_request filler = bet_make(p.plain[0], 500, 0);
		struct event_buffer event;
		struct event_limit told;
		struct event_view view;

		limits_set(shards, 4000, 0);
		if (cases[i].partner_max != 0)
			partner_set(shards, 2, cases[i].partner_max);
		filler.place_bet.legs[0].market_id = cases[i].full;
		if (cases[i].full != 0)
			assert_int_equal(shards_code(shards, &filler, TERMINAL), WIRE_CODE_OK);
		accumulator.place_bet.leg_count = 2;
		accumulator.place_bet.legs[1] =
		    (struct wire_leg){ .market_id = OTHER, .odds = 2000 };
		assert_true(shards_request(shards, &accumulator, TERMINAL, &event) > 0);
		assert_case_equal(i, fixture_code(&event), cases[i].code);
		assert_case_equal(
		    i, le64_get(fixture_record(&event).object_id), cases[i].object_id);
		assert_int_equal(event_view_read(event.bytes, sizeof(event.bytes), &view), 0);
		assert_non_null(view.limit);
		memcpy(&told, view.limit, sizeof(told));
		assert_case_equal(i, le64s_get(told.limit), cases[i].limit);
		assert_case_equal(i, le64s_get(told.counted), cases[i].counted);
		assert_case_equal(i, le64s_get(told.credit), cases[i].credit);
		assert_int_equal(told.selection, 0);
		shards_free(shards);
	}
}

TEST(partners_and_currencies)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct wire_request dollars = bet_make(p.dollars[2], 100000, 0);

	partner_set(shards, 2, 4000);
	assert_int_equal(bet(shards, p.partners[0], 500, 0), WIRE_CODE_OK);
	assert_int_equal(bet(shards, p.partners[0], 1, 1), WIRE_CODE_EXPOSURE_PARTNER);
	assert_int_equal(bet(shards, p.plain[0], 500, 1), WIRE_CODE_OK);
	assert_int_equal(ledger_partner_exposure(shards->ledger[0], PARTNER), 1000);
	limits_set(shards, 100, 100);
	dollars.place_bet.currency = 840;
	assert_int_equal(shards_code(shards, &dollars, TERMINAL), WIRE_CODE_OK);
	assert_int_equal(ledger_market_exposure(shards->ledger[2], MARKET, -1), 0);
	/* A cash ticket is nobody's customer, but counts for the market. */
	assert_int_equal(shards_of_key(shards, TERMINAL) < SHARDS, 1);
	assert_int_equal(bet(shards, 0, 13, 0), WIRE_CODE_EXPOSURE_SELECTION);
	assert_int_equal(bet(shards, 0, 12, 0), WIRE_CODE_OK);
	shards_free(shards);
}

static int64_t credit_of(const struct shards *shards, uint32_t shard)
{
	return ledger_market(shards->ledger[shard], MARKET)->credit_moved[0];
}

/* A lease by hand: its event at the donor. */
static int lease(struct shards *shards, const struct ledger_shortage *shortage, uint32_t donor,
    uint32_t receiver)
{
	struct event_buffer event;
	int length = ledger_decide_lease(shards->ledger[donor], shortage, receiver, NOW, &event);

	if (length > 0)
		shards_take(shards, donor, &event, (size_t)length);
	return length;
}

TEST(a_donor_gives_half_or_what_is_needed)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct wire_request wire;
	struct ledger_shortage shortage;
	/* What the donor has free, what is asked for, what it gives. */
	const struct {
		int64_t used, asked, given;
	} cases[] = {
		{ 0, 100, 500 },
		{ 0, 700, 700 },
		{ 0, 5000, 1000 },
		{ 400, 1, 300 },
		{ 998, 1, 1 },
		{ 998, 2, 2 },
		{ 998, 3, 2 },
		{ 1000, 1, 0 },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct people people;
		struct shards *one = world_make(&people);

		limits_set(one, 4000, 0);
		if (cases[i].used > 0)
			assert_int_equal(
			    bet(one, people.plain[1], cases[i].used / 2, 0), WIRE_CODE_OK);
		shortage = (struct ledger_shortage){ .id = MARKET,
			.amount = cases[i].asked,
			.currency = KRW,
			.scope = LEASE_SELECTION };
		assert_case_equal(i, lease(one, &shortage, 1, 3) > 0, cases[i].given > 0);
		assert_case_equal(i, credit_of(one, 1), -cases[i].given);
		assert_case_equal(i, credit_of(one, 3), 0); /* on its way */
		shards_settle_all(one);
		assert_case_equal(i, credit_of(one, 3), cases[i].given);
		shards_check_replay(one);
		shards_free(one);
	}
	/* What a refused bet says it lacks. */
	limits_set(shards, 4000, 0);
	wire = bet_make(p.plain[0], 800, 0);
	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_EXPOSURE_SELECTION);
	assert_int_equal(ledger_shortage(shards->ledger[0], &wire, NOW, &shortage), 1);
	assert_int_equal(shortage.amount, 600);
	assert_int_equal(shortage.scope, LEASE_SELECTION);
	assert_true(lease(shards, &shortage, 2, 0) > 0);
	assert_int_equal(bet(shards, p.plain[0], 800, 0), WIRE_CODE_EXPOSURE_SELECTION);
	shards_settle_all(shards);
	assert_int_equal(ledger_shortage(shards->ledger[0], &wire, NOW, &shortage), 0);
	assert_int_equal(bet(shards, p.plain[0], 800, 0), WIRE_CODE_OK);
	/* Nothing to give: no limit, another currency, a market nobody has, a shard that is not. */
	shortage.currency = 840;
	assert_int_equal(lease(shards, &shortage, 1, 0), 0);
	shortage.currency = KRW;
	assert_int_equal(lease(shards, &shortage, 1, 1), -EINVAL);
	assert_int_equal(lease(shards, &shortage, 1, SHARDS), -EINVAL);
	shortage.id = 99;
	assert_int_equal(lease(shards, &shortage, 1, 0), 0);
	shortage.id = MARKET;
	limits_set(shards, 0, 0);
	assert_int_equal(lease(shards, &shortage, 1, 0), 0);
	shards_free(shards);
}

/* Nobody may bet on: every shard is full, and all together they are at the limit to the unit. */
static void fill_up(struct shards *shards, const struct people *people)
{
	unsigned idle = 0;

	while (idle < 4 * SHARDS) {
		uint32_t receiver = (uint32_t)shards_pick(shards, SHARDS);
		uint32_t donor =
		    (receiver + 1 + (uint32_t)shards_pick(shards, SHARDS - 1)) % SHARDS;
		struct wire_request wire = bet_make(people->partners[receiver],
		    1 + (int64_t)shards_pick(shards, idle > 0 ? 1 : 40), 0);
		uint16_t code = shards_code(shards, &wire, TERMINAL);
		struct ledger_shortage shortage;

		shards_check_exposure(shards, 3000, 5000);
		shards_check_partner(shards, PARTNER, 4000);
		idle++;
		if (code == WIRE_CODE_OK) {
			idle = 0;
			continue;
		}
		assert_int_equal(
		    ledger_shortage(shards->ledger[receiver], &wire, NOW, &shortage), 1);
		if (lease(shards, &shortage, donor, receiver) > 0 && shards_pick(shards, 3) == 0)
			idle = 0;
		if (shards_pick(shards, 4) == 0)
			shards_settle_all(shards);
		if (shards_pick(shards, 40) == 0)
			shards_crash(shards);
	}
}

TEST(all_shards_at_the_limit)
{
	struct people p;
	struct shards *shards = world_make(&p);
	int64_t sum = 0;

	shards->random = test_seed();
	limits_set(shards, 3000, 5000);
	partner_set(shards, 2, 4000);
	for (uint32_t i = 0; i < SHARDS; i++)
		shards_sync(shards, i);
	for (unsigned i = 0; i < 6; i++) {
		fill_up(shards, &p);
		shards_settle_all(shards);
	}
	for (uint32_t i = 0; i < SHARDS; i++)
		sum += ledger_market_exposure(shards->ledger[i], MARKET, 0);
	/* A unit that is left over at a shard is too little for a bet of payout 2. */
	assert_true(sum <= 3000 && sum >= 3000 - 2 * SHARDS);
	shards_check_replay(shards);
	shards_free(shards);
}

/* What is overdrawn at a shard, by a walk of a few rows a call. */
static unsigned overdrawn(
    const struct shards *shards, uint32_t shard, struct ledger_shortage *found, unsigned max)
{
	struct ledger_overdrawn_walk walk = { 0 };
	unsigned count = 0;
	int result;

	do {
		struct ledger_shortage shortage;

		result = ledger_overdrawn_next(shards->ledger[shard], &walk, 3, &shortage);
		if (result != 1)
			continue;
		assert_true(count < max);
		assert_int_equal(
		    ledger_credit_lacks(shards->ledger[shard], &shortage), shortage.amount);
		assert_int_equal(ledger_credit_free(shards->ledger[shard], &shortage), 0);
		found[count++] = shortage;
	} while (result != 0);
	return count;
}

/* What a shard that is overdrawn does: it takes what it lacks from the others. */
static void make_up(struct shards *shards, uint32_t shard)
{
	struct ledger_shortage found[8];
	unsigned count = overdrawn(shards, shard, found, SLUICE_ARRAY_COUNT(found));

	for (unsigned i = 0; i < count; i++) {
		for (uint32_t donor = 0; donor < SHARDS && found[i].amount > 0; donor++) {
			if (donor != shard)
				(void)lease(shards, &found[i], donor, shard);
			shards_settle_all(shards);
			found[i].amount = ledger_credit_lacks(shards->ledger[shard], &found[i]);
		}
	}
}

/* All that each shard accepts, by bets of payout 2. */
static void sell_out(struct shards *shards, const uint64_t *accounts)
{
	for (uint32_t i = 0; i < SHARDS; i++)
		while (bet(shards, accounts[i], 1, 0) == WIRE_CODE_OK)
			continue;
}

static int64_t sold(const struct shards *shards)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < SHARDS; i++)
		sum += ledger_market_exposure(shards->ledger[i], MARKET, 0);
	return sum;
}

/* A lowered limit takes its part from every base, whatever was sold there. */
TEST(a_lowered_limit)
{
	for (unsigned made_up = 0; made_up < 2; made_up++) {
		struct people p;
		struct shards *shards = world_make(&p);
		struct ledger_shortage shortage = {
			.id = MARKET, .amount = 1, .currency = KRW, .scope = LEASE_SELECTION
		};
		struct ledger_shortage found[1];

		limits_set(shards, 4000, 0);
		assert_true(lease(shards, &shortage, 1, 0) > 0); /* 500 */
		shards_settle_all(shards);
		assert_int_equal(bet(shards, p.plain[0], 700, 0), WIRE_CODE_OK); /* of 1,500 */
		assert_int_equal(overdrawn(shards, 0, found, 1), 0);
		limits_set(shards, 2000, 0);
		/* 0: 500 + 500 - 1,400; 1: 500 - 500; 2 and 3: 500 */
		assert_int_equal(overdrawn(shards, 0, found, 1), 1);
		assert_int_equal(found[0].scope, LEASE_SELECTION);
		assert_int_equal(found[0].id, MARKET);
		assert_int_equal(found[0].amount, 400);
		for (uint32_t i = 1; i < SHARDS; i++)
			assert_case_equal(i, overdrawn(shards, i, &shortage, 1), 0);
		assert_int_equal(bet(shards, p.plain[0], 1, 0), WIRE_CODE_EXPOSURE_SELECTION);
		assert_int_equal(lease(shards, &shortage, 0, 1), 0);
		/* Until the others have given what it lacks, they sell what they have. */
		if (made_up)
			make_up(shards, 0);
		sell_out(shards, p.plain);
		assert_case_equal(made_up, sold(shards), made_up ? 2000 : 2400);
		assert_case_equal(made_up, overdrawn(shards, 0, found, 1), !made_up);
		shards_check_replay(shards);
		shards_free(shards);
	}
}

/* First set where bets are open: of both scopes, and of a partner. */
TEST(a_limit_that_is_first_set)
{
	struct people p;
	struct shards *shards = world_make(&p);
	struct ledger_shortage found[3];

	assert_int_equal(bet(shards, p.partners[2], 1000, 0), WIRE_CODE_OK);
	assert_int_equal(overdrawn(shards, 2, found, 3), 0);
	limits_set(shards, 2400, 2800);
	partner_set(shards, 2, 3200);
	assert_int_equal(overdrawn(shards, 2, found, 3), 3);
	for (unsigned i = 0; i < 3; i++) {
		static const uint8_t scopes[] = { LEASE_SELECTION, LEASE_MARKET, LEASE_PARTNER };

		assert_case_equal(i, found[i].scope, scopes[i]);
		assert_case_equal(i, found[i].id, i < 2 ? MARKET : PARTNER);
		assert_case_equal(i, found[i].amount, 1400 - 100 * (int64_t)i);
	}
	make_up(shards, 2);
	assert_int_equal(overdrawn(shards, 2, found, 3), 0);
	sell_out(shards, p.partners);
	sell_out(shards, p.plain);
	/* 300 on shard 3; shard 2 has 100 of the selection's left, and none of the market's. */
	assert_int_equal(sold(shards), 2300);
	shards_check_exposure(shards, 2400, 2800);
	shards_check_partner(shards, PARTNER, 3200);
	shards_check_replay(shards);
	shards_free(shards);
}

/* The receiver does not know the market: the credit goes back to the donor. */
TEST(a_lease_that_is_refused_goes_back)
{
	struct people p;
	struct shards *shards = world_make(&p);
	const struct ledger_command market =
	    fixture_market_command(5, 5, 5, MARKET_OPEN, NOW + DAY);
	const struct ledger_shortage shortages[] = {
		{ .id = 5,
		    .amount = 10,
		    .currency = KRW,
		    .scope = LEASE_SELECTION,
		    .selection = 2 },
		{ .id = 5, .amount = 10, .currency = KRW, .scope = LEASE_MARKET },
	};

	limits_set(shards, 4000, 8000);
	assert_true(shards_command_on(shards, 1, &market) > 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(lease(shards, &shortages[i], 1, 2) > 0);
		shards_settle_all(shards);
	}
	assert_int_equal(ledger_market(shards->ledger[1], 5)->credit_moved[2], 0);
	assert_int_equal(ledger_market(shards->ledger[1], 5)->credit_moved_market, 0);
	assert_int_equal(shards->by_type[EVENT_LEASE], 4);
	assert_int_equal(shards->by_type[EVENT_TRANSFER_IN], 2);
	shards_check_replay(shards);
	shards_free(shards);
}

TEST_MAIN()
