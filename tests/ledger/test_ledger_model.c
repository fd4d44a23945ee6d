/* SPDX-License-Identifier: Apache-2.0 */
/* A learned model in the ledger: what it adds, what the event says, and bursts. */
#include <stdlib.h>

#include "dataplane/ledger/ledger_model.h"
#include "dataplane/risk/risk_features.h"
#include "lmdb-schema/event_sections.h"
#include "tests/ledger/fixture.h"

#define ACCOUNTS  8
#define TERMINALS 4
#define VERSION   7
#define BURST_MAX (RISK_MODEL_STRIDE + RISK_MODEL_LANES + 3)

/* Trees of depth 1: half of the margin for stakes from 2^12 on, the rest for the 24 h count. */
static struct risk_model *model_make(void)
{
	struct risk_model *model = calloc(1, risk_model_size(2, 1));
	int32_t *leaves;

	assert_non_null(model);
	*model = (struct risk_model){ .tree_count = 2,
		.depth = 1,
		.feature_count = RISK_FEATURE_COUNT,
		.features_version = RISK_FEATURES_VERSION,
		.margin_alert = RISK_MODEL_ONE };
	model->nodes[0] = (struct risk_model_node){ 12.0f, RISK_FEATURE_amount_log, 0 };
	model->nodes[2] = (struct risk_model_node){ 2.5f, RISK_FEATURE_account_24h, 0 };
	leaves = risk_model_leaves(model);
	leaves[1] = RISK_MODEL_ONE / 2;
	leaves[3] = RISK_MODEL_ONE / 4;
	return model;
}

static void rules_set(struct ledger *ledger, uint8_t state, uint8_t most)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	command.rules = ledger_shard(ledger)->rules;
	command.rules.version++;
	command.rules.refuse_score = 101;
	command.rules.stake_daily_max = LIMIT_BALANCE_MAX;
	risk_rules_extra_default(&command.extra);
	memset(command.extra.factors.points, 0, sizeof(command.extra.factors.points));
	command.extra.model_state = state;
	command.extra.model_version = VERSION;
	command.extra.points_model_max = most;
	assert_true(fixture_command(ledger, &command, NOW) > 0);
}

static struct ledger *ledger_make(const struct risk_model *model)
{
	struct ledger *ledger = fixture_create(2048, 0);

	for (uint64_t id = 1; id <= ACCOUNTS; id++)
		fixture_account(ledger, id, 1000000000, KRW);
	for (uint64_t id = 1; id <= 4; id++)
		fixture_market(ledger, id, id, id, MARKET_OPEN, NOW + DAY);
	ledger_model_set(ledger, model, VERSION);
	return ledger;
}

static struct wire_request bet_make(uint64_t request_id, uint64_t account, int64_t stake)
{
	return (struct wire_request){ .request_id = request_id,
		.body_hash = { request_id, 1 },
		.template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account,
		    .stake = stake,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1,
		    .legs = { { 1 + request_id % 4, 2000, 0 } } } };
}

static struct event_risk numbers(const struct event_buffer *event)
{
	struct event_view view;
	struct event_risk risk = { 0 };

	assert_int_equal(event_view_read(event->bytes, sizeof(event->bytes), &view), 0);
	if (view.risk != NULL)
		memcpy(&risk, view.risk, sizeof(risk));
	return risk;
}

TEST(a_model_says_what_it_thinks_and_acts_only_when_it_is_active)
{
	static const struct {
		uint8_t state, most;
		int64_t stake;
		int asked;
		uint8_t points, score;
	} cases[] = {
		{ RISK_MODEL_OFF, 40, 5000, 0, 0, 0 },
		{ RISK_MODEL_SHADOW, 40, 4000, 1, 0, 0 },
		{ RISK_MODEL_SHADOW, 40, 5000, 1, 30, 0 },
		{ RISK_MODEL_ACTIVE, 40, 4000, 1, 0, 0 },
		{ RISK_MODEL_ACTIVE, 40, 5000, 1, 30, 30 },
		{ RISK_MODEL_ACTIVE, 10, 5000, 1, 10, 10 },
	};
	struct risk_model *model = model_make();

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct ledger *ledger = ledger_make(model);
		struct wire_request wire = bet_make(1, 1, cases[i].stake);
		struct event_buffer event;
		struct event_risk risk;
		struct event_record record;

		rules_set(ledger, cases[i].state, cases[i].most);
		assert_true(fixture_request(ledger, &wire, 1, 0, NOW, &event) > 0);
		record = fixture_record(&event);
		risk = numbers(&event);
		assert_case_equal(i, le32_get(risk.model_version), cases[i].asked ? VERSION : 0);
		assert_case_equal(i, risk.model_state, cases[i].state);
		assert_case_equal(i, risk.points_model, cases[i].points);
		assert_case_equal(i, record.score, cases[i].score);
		assert_case_equal(
		    i, le32_get(record.factor_bits) >> RISK_BITS_MODEL & 1, cases[i].score > 0);
		ledger_free(ledger);
	}
	free(model);
}

/* A version the rules do not name, or none at all: nobody is asked, and bets go on. */
TEST(another_version_is_not_asked)
{
	struct risk_model *model = model_make();
	struct ledger *ledger = ledger_make(model);
	struct wire_request wire = bet_make(1, 1, 5000);
	struct event_buffer event;

	rules_set(ledger, RISK_MODEL_ACTIVE, 40);
	assert_int_equal(ledger_model_asked(ledger), 1);
	ledger_model_set(ledger, model, VERSION + 1);
	assert_int_equal(ledger_model_asked(ledger), 0);
	assert_true(fixture_request(ledger, &wire, 1, 0, NOW, &event) > 0);
	assert_int_equal(le32_get(numbers(&event).model_version), 0);
	ledger_model_set(ledger, NULL, 0);
	assert_int_equal(ledger_model_asked(ledger), 0);
	ledger_free(ledger);
	free(model);
}

/* The same bets, in bursts and one by one: the same bytes, also when accounts meet in a burst. */
TEST(bursts_and_single_bets_make_the_same_events)
{
	uint64_t random = test_seed(), request_id = 0;
	struct risk_model *model = model_make();
	struct ledger *burst = ledger_make(model), *single = ledger_make(model);
	unsigned asked = 0;

	rules_set(burst, RISK_MODEL_ACTIVE, 40);
	rules_set(single, RISK_MODEL_ACTIVE, 40);
	for (unsigned turn = 0; turn < 60; turn++) {
		struct wire_request wires[BURST_MAX];
		struct ledger_model_ask asks[BURST_MAX];
		uint64_t now = NOW + turn * 600 * SECOND;
		unsigned count = 1 + (unsigned)(test_random(&random) % BURST_MAX);

		for (unsigned i = 0; i < count; i++) {
			wires[i] = bet_make(++request_id, 1 + test_random(&random) % ACCOUNTS,
			    1 + (int64_t)(test_random(&random) % 9000));
			if (test_random(&random) % 8 == 0)
				wires[i].place_bet.legs[0].market_id = 99;
			asks[i] = (struct ledger_model_ask){ &wires[i],
				1 + test_random(&random) % TERMINALS };
		}
		ledger_model_burst(burst, asks, count, now);
		for (unsigned i = 0; i < count; i++) {
			struct event_buffer a = { 0 }, b = { 0 };

			assert_true(
			    fixture_request(burst, &wires[i], asks[i].terminal_id, 0, now, &a) > 0);
			assert_true(fixture_request(
			                single, &wires[i], asks[i].terminal_id, 0, now, &b) > 0);
			assert_memory_equal(&a, &b, sizeof(a));
			asked += le32_get(numbers(&a).model_version) == VERSION;
		}
	}
	assert_true(asked > 100);
	assert_true(ledger_state_hash(burst) == ledger_state_hash(single));
	ledger_free(burst);
	ledger_free(single);
	free(model);
}

/* ---- A model that looks at the partner's cases ---- */

#define PARTNER             1
#define OF_PARTNER(account) ((account) % 2 == 0) /* whose customer the account is */

/* Half of the margin when there was one case of late. */
static struct risk_model *partner_model_make(void)
{
	struct risk_model *model = model_make();

	model->nodes[0] = (struct risk_model_node){ 0.5f, RISK_FEATURE_partner_confirmed_7d, 0 };
	risk_model_leaves(model)[3] = 0;
	risk_model_prepare(model);
	return model;
}

static struct ledger *partner_ledger_make(const struct risk_model *model)
{
	struct ledger *ledger = fixture_create(2048, 0);
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = PARTNER };

	command.partner.version = le64_make(1);
	command.partner.currency = le16_make(KRW);
	assert_true(fixture_command(ledger, &command, OPENED) > 0);
	for (uint64_t id = 1; id <= ACCOUNTS; id++) {
		const struct wire_request open = { .request_id = 1000 + id,
			.body_hash = { id, 1 },
			.template_id = WIRE_OPEN_ACCOUNT,
			.open_account = { .account_id = id,
			    .currency = KRW,
			    .partner_id = OF_PARTNER(id) ? PARTNER : 0,
			    .deadline_ns = NO_DEADLINE } };
		const struct wire_request deposit = { .request_id = 2000 + id,
			.body_hash = { id, 2 },
			.template_id = WIRE_DEPOSIT,
			.deposit = { .account_id = id,
			    .amount = 1000000,
			    .currency = KRW,
			    .deadline_ns = NO_DEADLINE } };
		struct event_buffer event;

		assert_true(fixture_request(ledger, &open, 1, 0, OPENED, &event) > 0);
		assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
		assert_true(fixture_request(ledger, &deposit, 1, 0, OPENED, &event) > 0);
		assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	}
	for (uint64_t id = 1; id <= 4; id++)
		fixture_market(ledger, id, id, id, MARKET_OPEN, NOW + 30 * DAY);
	ledger_model_set(ledger, model, VERSION);
	rules_set(ledger, RISK_MODEL_ACTIVE, 40);
	return ledger;
}

static void partner_case(struct ledger *ledger, uint64_t sequence, uint64_t now, int withdrawn)
{
	const struct ledger_command command = {
		.type = EVENT_FEEDBACK,
		.control_sequence = sequence,
		.feedback = { .partner_id = le16_make(PARTNER),
		    .transaction_ns = le64_make(now - DAY),
		    .confirmed = 1,
		    .withdrawn = (uint8_t)withdrawn },
	};

	assert_true(fixture_command(ledger, &command, now) > 0);
}

/*
 * A case comes, fades and is taken back, each time in the middle of a burst that was asked about
 * before: the partner's accounts get points as long as there is one of late, others never, and a
 * burst makes the events of single bets.
 */
TEST(a_model_looks_at_the_cases_of_the_partner)
{
	static const struct {
		uint64_t after_s; /* since the step before */
		int cases;        /* that come in the middle; negative: are taken back */
		uint8_t before, behind;
	} steps[] = {
		{ 60, 0, 0, 0 },
		{ 60, 1, 0, 30 },
		{ 86400, 0, 30, 30 },   /* e^(-1/7) is 0.87 */
		{ 5 * 86400, 0, 0, 0 }, /* 0.42 */
		{ 60, 1, 0, 30 },
		{ 60, -1, 30, 0 },
		{ 60, 2, 0, 30 },
	};
	struct risk_model *model = partner_model_make();
	struct ledger *burst = partner_ledger_make(model), *single = partner_ledger_make(model);
	uint64_t request_id = 0, sequence = 0, now = NOW;

	for (size_t step = 0; step < SLUICE_ARRAY_COUNT(steps); step++) {
		struct wire_request wires[4 * ACCOUNTS];
		struct ledger_model_ask asks[4 * ACCOUNTS];
		int cases = steps[step].cases;

		now += steps[step].after_s * SECOND;
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wires); i++) {
			wires[i] = bet_make(++request_id, 1 + i % ACCOUNTS, 1000);
			asks[i] = (struct ledger_model_ask){ &wires[i], 1 + i % TERMINALS };
		}
		ledger_model_burst(burst, asks, SLUICE_ARRAY_COUNT(wires), now);
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wires); i++) {
			int half = i < ACCOUNTS / 2;
			struct event_buffer a = { 0 }, b = { 0 };
			struct event_risk risk;

			for (int k = 0; i == ACCOUNTS / 2 && k < (cases < 0 ? -cases : cases);
			     k++) {
				partner_case(burst, ++sequence, now, cases < 0);
				partner_case(single, sequence, now, cases < 0);
			}
			assert_true(
			    fixture_request(burst, &wires[i], asks[i].terminal_id, 0, now, &a) > 0);
			assert_true(fixture_request(
			                single, &wires[i], asks[i].terminal_id, 0, now, &b) > 0);
			assert_memory_equal(&a, &b, sizeof(a));
			assert_case_equal(step, fixture_code(&a), WIRE_CODE_OK);
			risk = numbers(&a);
			assert_case_equal(step, le32_get(risk.model_version), VERSION);
			assert_case_equal(step, risk.points_model,
			    !OF_PARTNER(1 + i % ACCOUNTS) ? 0
			    : half                        ? steps[step].before
			                                  : steps[step].behind);
		}
	}
	assert_true(ledger_state_hash(burst) == ledger_state_hash(single));
	ledger_free(burst);
	ledger_free(single);
	free(model);
}

TEST_MAIN()
