/* SPDX-License-Identifier: Apache-2.0 */
/* Sprinkles: the split, who may claim, the end, and claims from other shards. */
#include "tests/ledger/shards.h"

#define TERMINAL 7
#define ROOM     5
#define PEOPLE   12

struct people {
	uint64_t of[SHARDS][PEOPLE]; /* 0: the giver of the shard */
	uint64_t dollars[SHARDS], frozen[SHARDS], full[SHARDS];
};

static void checks(struct shards *shards, uint32_t shard, const struct event_view *view)
{
	(void)view;
	shards_check(shards, shard);
	shards_check_between(shards);
}

static void freeze(struct shards *shards, uint64_t id, uint8_t flags)
{
	const struct ledger_command command = {
		.type = EVENT_ACCOUNT_FREEZE, .account_id = id, .flags = flags
	};

	assert_true(shards_command(shards, &command) > 0);
}

static struct shards *world_make(struct people *people)
{
	struct shards *shards = shards_new(1);

	for (uint32_t i = 0; i < SHARDS; i++) {
		for (unsigned k = 0; k < PEOPLE; k++) {
			people->of[i][k] = shards_id_on(shards, i, 1, k);
			shards_account(shards, people->of[i][k], k == 0 ? 1000000 : 0, KRW);
		}
		people->dollars[i] = shards_id_on(shards, i, 1, PEOPLE);
		people->frozen[i] = shards_id_on(shards, i, 1, PEOPLE + 1);
		people->full[i] = shards_id_on(shards, i, 1, PEOPLE + 2);
		shards_account(shards, people->dollars[i], 0, 840);
		shards_account(shards, people->frozen[i], 0, KRW);
		shards_account(shards, people->full[i], LIMIT_BALANCE_MAX, KRW);
		freeze(shards, people->frozen[i], EVENT_FLAG_FROZEN);
	}
	shards->watch = checks;
	return shards;
}

static struct wire_request create_make(uint64_t giver, int64_t amount, uint32_t shares)
{
	return (struct wire_request){ .template_id = WIRE_SPRINKLE_CREATE,
		.sprinkle_create = { .account_id = giver,
		    .amount = amount,
		    .room = ROOM,
		    .deadline_ns = NO_DEADLINE,
		    .window_s = 60,
		    .shares = shares,
		    .currency = KRW } };
}

static uint64_t create(
    struct shards *shards, uint64_t giver, int64_t amount, uint32_t shares, uint8_t equal)
{
	struct wire_request wire = create_make(giver, amount, shares);
	struct event_buffer event;

	wire.sprinkle_create.equal = equal;
	assert_true(shards_request(shards, &wire, TERMINAL, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	return le64_get(fixture_record(&event).object_id);
}

static uint16_t claim(struct shards *shards, uint64_t token, uint64_t account_id, int64_t *share)
{
	struct wire_request wire = { .template_id = WIRE_CLAIM,
		.claim = { .token = token,
		    .account_id = account_id,
		    .room = ROOM,
		    .deadline_ns = NO_DEADLINE } };
	struct event_buffer event;

	assert_true(shards_request(shards, &wire, TERMINAL, &event) > 0);
	if (share != NULL)
		*share = le64s_get(fixture_record(&event).payout);
	return fixture_code(&event);
}

static struct object_sprinkle sprinkle_of(
    const struct shards *shards, uint32_t shard, uint64_t token)
{
	struct object_sprinkle sprinkle;
	const struct object_row *row = ledger_object(shards->ledger[shard], token);

	assert_non_null(row);
	memcpy(&sprinkle, row->body, sizeof(sprinkle));
	return sprinkle;
}

static int64_t balance_of(const struct shards *shards, uint64_t id)
{
	return ledger_account(shards->ledger[shards_of_key(shards, id)], id)->balance;
}

TEST(what_may_be_created)
{
	struct people p;
	struct shards *shards = world_make(&p);
	const struct {
		uint64_t giver;
		int64_t amount;
		uint32_t shares, window_s;
		uint16_t currency, code;
	} cases[] = {
		{ p.of[0][0], 10, 10, 60, KRW, WIRE_CODE_OK },
		{ p.of[0][0], 10, 1, 86400, KRW, WIRE_CODE_OK },
		{ p.of[0][0], 20000, 10000, 1, KRW, WIRE_CODE_OK },
		{ p.of[0][0], 10, 11, 60, KRW, WIRE_CODE_SHARES_INVALID },
		{ p.of[0][0], 10, 0, 60, KRW, WIRE_CODE_SHARES_INVALID },
		{ p.of[0][0], 20000, 10001, 60, KRW, WIRE_CODE_SHARES_INVALID },
		{ p.of[0][0], 10, 5, 0, KRW, WIRE_CODE_SHARES_INVALID },
		{ p.of[0][0], 10, 5, 86401, KRW, WIRE_CODE_SHARES_INVALID },
		{ p.of[0][0], 0, 5, 60, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.of[0][0], -1, 5, 60, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.of[0][0], INT64_MIN, 5, 60, KRW, WIRE_CODE_AMOUNT_INVALID },
		{ p.of[0][0], 10, 5, 60, 840, WIRE_CODE_CURRENCY_MISMATCH },
		{ p.of[0][0], 2000000, 5, 60, KRW, WIRE_CODE_FUNDS_INSUFFICIENT },
		{ p.frozen[0], 10, 5, 60, KRW, WIRE_CODE_ACCOUNT_FROZEN },
		{ 777777, 10, 5, 60, KRW, WIRE_CODE_ACCOUNT_UNKNOWN },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct wire_request wire =
		    create_make(cases[i].giver, cases[i].amount, cases[i].shares);

		wire.sprinkle_create.window_s = cases[i].window_s;
		wire.sprinkle_create.currency = cases[i].currency;
		assert_case_equal(i, shards_code(shards, &wire, TERMINAL), cases[i].code);
	}
	assert_int_equal(balance_of(shards, p.of[0][0]), 1000000 - 10 - 10 - 20000);
	shards_free(shards);
}

TEST(who_may_claim)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.of[0][0], 100, 2, 1);
	struct wire_request other_room = { .template_id = WIRE_CLAIM,
		.claim = { .token = token,
		    .account_id = p.of[0][1],
		    .room = ROOM + 1,
		    .deadline_ns = NO_DEADLINE } };
	int64_t share;

	assert_int_equal(shards_code(shards, &other_room, TERMINAL), WIRE_CODE_SPRINKLE_UNKNOWN);
	assert_int_equal(claim(shards, token + 1, p.of[0][1], NULL), WIRE_CODE_SPRINKLE_UNKNOWN);
	assert_int_equal(claim(shards, token, p.of[0][0], NULL), WIRE_CODE_CLAIM_OWN);
	assert_int_equal(claim(shards, token, p.dollars[0], NULL), WIRE_CODE_CURRENCY_MISMATCH);
	assert_int_equal(claim(shards, token, p.frozen[0], NULL), WIRE_CODE_ACCOUNT_FROZEN);
	assert_int_equal(claim(shards, token, p.full[0], NULL), WIRE_CODE_BALANCE_LIMIT);
	assert_int_equal(claim(shards, token, shards_id_on(shards, 0, 9000, 0), NULL),
	    WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(claim(shards, token, UINT64_MAX, NULL), WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(claim(shards, token, p.of[0][1], &share), WIRE_CODE_OK);
	assert_int_equal(share, 50);
	assert_int_equal(balance_of(shards, p.of[0][1]), 50);
	assert_int_equal(claim(shards, token, p.of[0][1], NULL), WIRE_CODE_CLAIMED_BEFORE);
	assert_int_equal(claim(shards, token, p.of[0][2], NULL), WIRE_CODE_OK);
	assert_int_equal(claim(shards, token, p.of[0][3], NULL), WIRE_CODE_SPRINKLE_EMPTY);
	token = create(shards, p.of[0][0], 100, 2, 1);
	shards->time_ns += 60 * SECOND - 1;
	assert_int_equal(claim(shards, token, p.of[0][2], NULL), WIRE_CODE_OK);
	shards->time_ns += 1;
	assert_int_equal(claim(shards, token, p.of[0][3], NULL), WIRE_CODE_SPRINKLE_ENDED);
	shards_free(shards);
}

TEST(an_equal_split_gives_the_remainder_first)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.of[0][0], 11, 4, 1);
	const int64_t shares[] = { 3, 3, 3, 2 };

	for (unsigned i = 0; i < 4; i++) {
		int64_t share;

		assert_int_equal(claim(shards, token, p.of[0][1 + i], &share), WIRE_CODE_OK);
		assert_case_equal(i, share, shares[i]);
	}
	shards_free(shards);
}

/* Every share at least 1, the sum exact, none above what two means allow; not all the same. */
TEST(a_random_split_is_exact)
{
	struct people p;
	struct shards *shards = world_make(&p);
	unsigned different = 0;

	shards->watch = NULL;
	for (unsigned round = 0; round < 300; round++) {
		uint32_t shares = 1 + round % (PEOPLE - 1);
		int64_t amount = shares + (int64_t)(round * round) % 300, left = amount, first = 0;
		uint64_t token = create(shards, p.of[0][0], amount, shares, 0);
		struct object_sprinkle sprinkle = sprinkle_of(shards, 0, token);
		const uint64_t seed_of[2] = { token, shards->time_ns };

		assert_true(le64_get(sprinkle.seed) == XXH3_64bits(seed_of, sizeof(seed_of)));
		for (uint32_t i = 0; i < shares; i++) {
			int64_t share;

			assert_int_equal(
			    claim(shards, token, p.of[0][1 + i], &share), WIRE_CODE_OK);
			assert_true(share >= 1);
			assert_true(
			    i == shares - 1 || share <= 2 * left / (int64_t)(shares - i) - 1);
			left -= share;
			if (i == 0)
				first = share;
			different += share != first;
		}
		assert_int_equal(left, 0);
		/* Claimers give it back, or the giver runs dry. */
		shards->time_ns += SECOND;
	}
	assert_true(different > 300);
	shards_check(shards, 0);
	shards_free(shards);
}

TEST(the_rest_goes_back_to_the_giver)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.of[0][0], 100, 4, 1);
	struct event_record record;

	assert_int_equal(claim(shards, token, p.of[0][1], NULL), WIRE_CODE_OK);
	freeze(shards, p.of[0][0], EVENT_FLAG_FROZEN);
	assert_int_equal(shards_due(shards, 0, 10), 0);
	shards->time_ns += 60 * SECOND;
	assert_true(ledger_due_ns(shards->ledger[0]) <= shards->time_ns);
	assert_true(shards_due(shards, 0, 1) == 1);
	record = shards_record(shards, 0, ledger_shard(shards->ledger[0])->lsn);
	assert_int_equal(le16_get(record.type), EVENT_SPRINKLE_END);
	assert_int_equal(record.flags, EVENT_FLAG_TIMER);
	assert_int_equal(le64s_get(record.payout), 75);
	assert_int_equal(balance_of(shards, p.of[0][0]), 1000000 - 25);
	/* Who comes late is told so; then it retires, with its claim. */
	(void)shards_due(shards, 0, 1000);
	assert_int_equal(claim(shards, token, p.of[0][2], NULL), WIRE_CODE_SPRINKLE_ENDED);
	shards->time_ns += HOUR;
	(void)shards_due(shards, 0, 1000);
	assert_null(ledger_object(shards->ledger[0], token));
	assert_int_equal(claim(shards, token, p.of[0][2], NULL), WIRE_CODE_SPRINKLE_UNKNOWN);
	shards_check_replay(shards);
	shards_free(shards);
}

/* A giver whose account is full gets the rest later. */
TEST(a_full_giver_waits)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.full[0], 100, 4, 1);
	struct wire_request fill = { .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = p.full[0],
		    .amount = 100,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
	struct wire_request drain = { .template_id = WIRE_WITHDRAW,
		.deposit = { .account_id = p.full[0],
		    .amount = 100,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };

	assert_int_equal(shards_code(shards, &fill, TERMINAL), WIRE_CODE_OK);
	shards->time_ns += 60 * SECOND;
	assert_int_equal(shards_due(shards, 0, 10), 1);
	assert_int_equal(ledger_object(shards->ledger[0], token)->state, OBJECT_OPEN);
	assert_int_equal(claim(shards, token, p.of[0][1], NULL), WIRE_CODE_SPRINKLE_ENDED);
	assert_int_equal(shards_code(shards, &drain, TERMINAL), WIRE_CODE_OK);
	shards->time_ns += HOUR;
	assert_true(shards_due(shards, 0, 1) == 1);
	assert_int_equal(ledger_object(shards->ledger[0], token)->state, OBJECT_DONE);
	assert_int_equal(balance_of(shards, p.full[0]), LIMIT_BALANCE_MAX);
	shards_free(shards);
}

TEST(claims_of_other_shards)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.of[0][0], 100, 4, 1);
	struct event_record record;
	int64_t share;

	assert_int_equal(claim(shards, token, p.of[1][1], &share), WIRE_CODE_PENDING);
	assert_int_equal(share, 25);
	assert_int_equal(claim(shards, token, p.of[1][1], NULL), WIRE_CODE_CLAIMED_BEFORE);
	record = shards_record(shards, 0, ledger_shard(shards->ledger[0])->lsn - 1);
	assert_int_equal(le16_get(record.type), EVENT_TRANSFER_OUT);
	assert_true(le64_get(record.account_id) == 0);
	shards_settle_all(shards);
	record = shards_record(shards, 0, ledger_shard(shards->ledger[0])->lsn);
	assert_int_equal(le16_get(record.type), EVENT_TRANSFER_DONE);
	assert_int_equal(le16_get(record.code), WIRE_CODE_OK);
	assert_int_equal(le64s_get(record.payout), 25);
	assert_int_equal(balance_of(shards, p.of[1][1]), 25);
	assert_int_equal(claim(shards, token, p.of[1][1], NULL), WIRE_CODE_CLAIMED_BEFORE);
	/* Refused there: the share is there again, for the others and for the same account. */
	assert_int_equal(claim(shards, token, p.frozen[2], NULL), WIRE_CODE_PENDING);
	assert_int_equal(le32_get(sprinkle_of(shards, 0, token).claimed), 2);
	shards_settle_all(shards);
	record = shards_record(shards, 0, ledger_shard(shards->ledger[0])->lsn);
	assert_int_equal(le16_get(record.code), WIRE_CODE_ACCOUNT_FROZEN);
	assert_int_equal(le32_get(sprinkle_of(shards, 0, token).claimed), 1);
	assert_int_equal(le64s_get(sprinkle_of(shards, 0, token).remaining), 75);
	freeze(shards, p.frozen[2], 0);
	assert_int_equal(claim(shards, token, p.frozen[2], NULL), WIRE_CODE_PENDING);
	shards_settle_all(shards);
	assert_int_equal(balance_of(shards, p.frozen[2]), 25);
	assert_int_equal(claim(shards, token, p.of[0][1], NULL), WIRE_CODE_OK);
	assert_int_equal(claim(shards, token, p.of[3][1], NULL), WIRE_CODE_PENDING);
	assert_int_equal(claim(shards, token, p.of[3][2], NULL), WIRE_CODE_SPRINKLE_EMPTY);
	shards_settle_all(shards);
	assert_int_equal(balance_of(shards, p.of[3][1]), 25);
	shards_check_replay(shards);
	shards_free(shards);
}

/* A claim comes back after the end: to the giver, whose balance the claimer does not see. */
TEST(a_claim_refused_after_the_end)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.of[0][0], 100, 4, 1);
	struct event_record record;

	assert_int_equal(claim(shards, token, p.dollars[1], NULL), WIRE_CODE_PENDING);
	shards->time_ns += 60 * SECOND;
	assert_true(shards_due(shards, 0, 1) == 1);
	assert_int_equal(balance_of(shards, p.of[0][0]), 1000000 - 25);
	/* It cannot retire with a claim on its way. */
	shards->time_ns += 10 * DAY;
	(void)shards_due(shards, 0, 100);
	assert_non_null(ledger_object(shards->ledger[0], token));
	shards_settle_all(shards);
	record = shards_record(shards, 0, ledger_shard(shards->ledger[0])->lsn);
	assert_int_equal(le16_get(record.code), WIRE_CODE_CURRENCY_MISMATCH);
	assert_true(le64_get(record.account_id) == 0 && le64s_get(record.balance) == 0);
	assert_int_equal(balance_of(shards, p.of[0][0]), 1000000);
	shards->time_ns += 10 * DAY;
	(void)shards_due(shards, 0, 100);
	assert_null(ledger_object(shards->ledger[0], token));
	shards_check_replay(shards);
	shards_free(shards);
}

/* More claims than one event can retire. */
TEST(many_claims_retire)
{
	struct people p;
	struct shards *shards = world_make(&p);
	uint64_t token = create(shards, p.of[0][0], 1000, 200, 0);
	struct ledger_totals totals;

	shards->watch = NULL;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t id = shards_id_on(shards, 0, 100000, i);

		shards_account(shards, id, 0, KRW);
		assert_int_equal(claim(shards, token, id, NULL), WIRE_CODE_OK);
	}
	ledger_totals(shards->ledger[0], &totals);
	assert_int_equal(totals.objects, 201);
	shards->time_ns += DAY;
	assert_int_equal(shards_due(shards, 0, 100), 1);
	shards->time_ns += HOUR;
	assert_true(shards_due(shards, 0, 100) > 1); /* an event retires 64 at most */
	ledger_totals(shards->ledger[0], &totals);
	assert_int_equal(totals.objects, 0);
	shards_check(shards, 0);
	shards_check_replay(shards);
	shards_free(shards);
}

TEST_MAIN()
