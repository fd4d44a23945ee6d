/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile bytes: each field of each kind of event broken, then bytes at random. */
#include <errno.h>

#include "tests/ledger/fixture.h"

/* One good event of each kind, made by the ledger itself. */
enum kind {
	KIND_OPEN,
	KIND_MARKET,
	KIND_BET,
	KIND_REFUSED,
	KIND_CANCEL,
	KIND_DEPOSIT,
	KIND_RULES,
	KIND_MARK,
	KIND_FREEZE,
	KIND_FLAGS,
	KIND_FEEDBACK,
	KIND_FACTORS, /* rules with sections */
	KIND_TICK,
	KIND_COUNT,
};

struct good {
	struct event_buffer event;
	int length;
};

static void good_command(
    struct ledger *ledger, const struct ledger_command *command, struct good *good)
{
	good->length = ledger_decide_command(ledger, command, NOW, &good->event);
	assert_true(good->length > 0);
	assert_int_equal(ledger_apply(ledger, good->event.bytes, (size_t)good->length), 0);
}

static void good_make_risk(struct ledger *ledger, struct good goods[KIND_COUNT])
{
	struct ledger_command command = {
		.type = EVENT_ACCOUNT_FLAGS,
		.account_id = 1,
		.control_sequence = 2,
		.account_flags = { .flags = le16_make(ACCOUNT_PEP), .country = le16_make(408) },
	};

	good_command(ledger, &command, &goods[KIND_FLAGS]);
	command = (struct ledger_command){
		.type = EVENT_FEEDBACK,
		.control_sequence = 3,
		.feedback = { .account_id = le64_make(1),
		    .terminal_id = le64_make(5),
		    .transaction_ns = le64_make(NOW),
		    .confirmed = 1 },
	};
	good_command(ledger, &command, &goods[KIND_FEEDBACK]);
	command = (struct ledger_command){ .type = EVENT_RULES_SET };
	risk_rules_default(&command.rules);
	command.rules.version = 3;
	risk_rules_extra_default(&command.extra);
	command.extra.currency_count = 2;
	command.extra.currencies[0].currency = 840;
	command.extra.currencies[1] =
	    (struct risk_amounts){ .currency = 978, .report_threshold = 1000000 };
	good_command(ledger, &command, &goods[KIND_FACTORS]);
}

static void good_make(struct good goods[KIND_COUNT])
{
	struct ledger *ledger = fixture_create(16, 0);
	struct ledger_command command = { .type = EVENT_ACCOUNT_OPEN,
		.account_id = 1,
		.amount = 100000,
		.currency = KRW,
		.control_sequence = 9 };
	struct wire_request wire = { .request_id = 1,
		.template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = 1,
		    .stake = 1000,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 2,
		    .legs = { { 1, 2000, 0 }, { 2, 2000, 0 } } } };

	memset(goods, 0, KIND_COUNT * sizeof(*goods));
	good_command(ledger, &command, &goods[KIND_OPEN]);
	command = fixture_market_command(1, 1, 1, MARKET_OPEN, NOW + DAY);
	good_command(ledger, &command, &goods[KIND_MARKET]);
	fixture_market(ledger, 2, 2, 2, MARKET_OPEN, NOW + DAY);
	goods[KIND_BET].length = fixture_request(ledger, &wire, 5, 0, NOW, &goods[KIND_BET].event);
	wire.request_id = 2;
	wire.place_bet.stake = 200000;
	goods[KIND_REFUSED].length =
	    fixture_request(ledger, &wire, 5, 0, NOW, &goods[KIND_REFUSED].event);
	wire = (struct wire_request){ .request_id = 3,
		.template_id = WIRE_CANCEL_BET,
		.cancel_bet = {
		    .bet_id = ids_make(ids_bucket_of_key(1), 1), .deadline_ns = NO_DEADLINE } };
	goods[KIND_CANCEL].length =
	    fixture_request(ledger, &wire, 5, 0, NOW, &goods[KIND_CANCEL].event);
	wire = (struct wire_request){ .request_id = 4,
		.template_id = WIRE_DEPOSIT,
		.deposit = {
		    .account_id = 1, .amount = 5, .deadline_ns = NO_DEADLINE, .currency = KRW } };
	goods[KIND_DEPOSIT].length =
	    fixture_request(ledger, &wire, 5, 0, NOW, &goods[KIND_DEPOSIT].event);
	command = (struct ledger_command){ .type = EVENT_RULES_SET };
	risk_rules_default(&command.rules);
	command.rules.version = 2;
	good_command(ledger, &command, &goods[KIND_RULES]);
	command = (struct ledger_command){ .type = EVENT_COMMAND_MARK, .control_sequence = 1 };
	good_command(ledger, &command, &goods[KIND_MARK]);
	command = (struct ledger_command){
		.type = EVENT_ACCOUNT_FREEZE, .account_id = 1, .flags = EVENT_FLAG_FROZEN
	};
	good_command(ledger, &command, &goods[KIND_FREEZE]);
	good_make_risk(ledger, goods);
	command = (struct ledger_command){ .type = EVENT_TICK };
	good_command(ledger, &command, &goods[KIND_TICK]);
	ledger_free(ledger);
}

TEST(what_the_ledger_makes_passes_at_its_length_and_longer_not_shorter)
{
	struct good goods[KIND_COUNT];

	good_make(goods);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		size_t length = (size_t)goods[kind].length;

		assert_int_equal(event_check(goods[kind].event.bytes, length), 0);
		assert_int_equal(event_check(goods[kind].event.bytes, LIMIT_EVENT_SIZE_MAX), 0);
		for (size_t room = 0; room < length; room++)
			assert_int_equal(event_check(goods[kind].event.bytes, room), -EBADMSG);
	}
	assert_int_equal(fixture_code(&goods[KIND_REFUSED].event), WIRE_CODE_FUNDS_INSUFFICIENT);
	assert_int_equal(fixture_code(&goods[KIND_CANCEL].event), WIRE_CODE_OK);
}

#define FIELD(name) offsetof(struct event_record, name), sizeof(((struct event_record *)0)->name)
/* Of the sections behind the rules. */
#define FACTORS(name)                                                                              \
	sizeof(struct event_record) + sizeof(struct event_rules) +                                 \
	    offsetof(struct event_factor_rules, name),                                             \
	    sizeof(((struct event_factor_rules *)0)->name)
#define CURRENCY(i, name)                                                                          \
	sizeof(struct event_record) + sizeof(struct event_rules) +                                 \
	    sizeof(struct event_factor_rules) + (i) * sizeof(struct event_rules_currency) +        \
	    offsetof(struct event_rules_currency, name),                                           \
	    sizeof(((struct event_rules_currency *)0)->name)
#define BODY(type, name)                                                                           \
	sizeof(struct event_record) + offsetof(struct type, name), sizeof(((struct type *)0)->name)

/* A field of an event set to a value it must not have. */
static const struct {
	enum kind kind;
	size_t offset, size;
	uint64_t value;
} broken[] = {
	{ KIND_TICK, FIELD(lsn), 0 },
	{ KIND_TICK, FIELD(type), 0 },
	{ KIND_TICK, FIELD(type), 10 },
	{ KIND_TICK, FIELD(type), 0xffff },
	{ KIND_TICK, FIELD(length), 0 },
	{ KIND_TICK, FIELD(length), 128 },
	{ KIND_TICK, FIELD(length), 144 },
	{ KIND_TICK, FIELD(code), WIRE_CODE_EXPIRED },
	{ KIND_TICK, FIELD(leg_count), 1 },
	{ KIND_TICK, FIELD(score), 1 },
	{ KIND_TICK, FIELD(terminal_id), 1 },
	{ KIND_TICK, FIELD(request_id), 1 },
	{ KIND_TICK, FIELD(body_hash), 1 },
	{ KIND_TICK, FIELD(prev_terminal_lsn), 1 },
	{ KIND_TICK, FIELD(account_id), 1 },
	{ KIND_TICK, FIELD(prev_account_lsn), 1 },
	{ KIND_TICK, FIELD(amount), 1 },
	{ KIND_TICK, FIELD(balance), 1 },
	{ KIND_TICK, FIELD(object_id), 1 },
	{ KIND_TICK, FIELD(payout), 1 },
	{ KIND_TICK, FIELD(factor_bits), 1 },
	{ KIND_TICK, FIELD(flags), 1 },
	{ KIND_TICK, FIELD(odds_policy), 1 },
	{ KIND_TICK, FIELD(cashier_id), 1 },
	{ KIND_TICK, FIELD(deadline_ns), 1 },
	{ KIND_MARK, FIELD(object_id), 0 },
	{ KIND_OPEN, FIELD(account_id), 0 },
	{ KIND_OPEN, FIELD(account_id), LIMIT_ACCOUNT_ID_MAX + 1 },
	{ KIND_OPEN, FIELD(amount), (uint64_t)-1 },
	{ KIND_OPEN, FIELD(amount), 100001 },
	{ KIND_OPEN, FIELD(balance), 100001 },
	{ KIND_OPEN, FIELD(currency), 0 },
	{ KIND_OPEN, FIELD(currency), 1000 },
	{ KIND_BET, FIELD(currency), 1000 },
	{ KIND_REFUSED, FIELD(currency), 5000 },
	{ KIND_OPEN, FIELD(flags), 1 },
	{ KIND_FREEZE, FIELD(flags), 2 },
	{ KIND_FREEZE, FIELD(account_id), 0 },
	{ KIND_FREEZE, FIELD(amount), 1 },
	{ KIND_FREEZE, FIELD(prev_account_lsn), 1ull << 60 },
	{ KIND_BET, FIELD(leg_count), 0 },
	{ KIND_BET, FIELD(leg_count), 1 },
	{ KIND_BET, FIELD(leg_count), 3 },
	{ KIND_BET, FIELD(leg_count), 255 },
	{ KIND_BET, FIELD(length), 0xffff },
	{ KIND_BET, FIELD(code), WIRE_CODE_BUSY },
	{ KIND_BET, FIELD(code), WIRE_CODE_BAD_FIELD },
	{ KIND_BET, FIELD(code), WIRE_CODE_MISMATCH },
	{ KIND_BET, FIELD(code), WIRE_CODE_OUTCOME_UNKNOWN },
	{ KIND_BET, FIELD(code), 0x0001 },
	{ KIND_BET, FIELD(code), 0xf001 },
	{ KIND_BET, FIELD(score), 101 },
	{ KIND_BET, FIELD(factor_bits), 1u << RISK_FACTOR_COUNT },
	{ KIND_BET, FIELD(terminal_id), 0 },
	{ KIND_BET, FIELD(terminal_id), LIMIT_TERMINAL_ID_MAX + 1 },
	{ KIND_BET, FIELD(request_id), 0 },
	{ KIND_BET, FIELD(prev_terminal_lsn), 4 },
	{ KIND_BET, FIELD(account_id), 0 },
	{ KIND_BET, FIELD(account_id), LIMIT_ACCOUNT_ID_MAX + 1 },
	{ KIND_BET, FIELD(amount), 0 },
	{ KIND_BET, FIELD(amount), 1000 },
	{ KIND_BET, FIELD(amount), (uint64_t)-LIMIT_STAKE_MAX - 1 },
	{ KIND_BET, FIELD(balance), (uint64_t)-1 },
	{ KIND_BET, FIELD(balance), LIMIT_BALANCE_MAX + 1 },
	{ KIND_BET, FIELD(object_id), 0 },
	{ KIND_BET, FIELD(payout), 0 },
	{ KIND_BET, FIELD(payout), LIMIT_PAYOUT_MAX + 1 },
	{ KIND_BET, FIELD(payout), (uint64_t)-1 },
	{ KIND_BET, FIELD(flags), 1 },
	{ KIND_BET, FIELD(odds_policy), 2 },
	{ KIND_BET, BODY(event_leg, market_id), 0 },
	{ KIND_BET, BODY(event_leg, selection), LIMIT_MARKET_SELECTIONS_MAX },
	{ KIND_BET, BODY(event_leg, reserved), 1 },
	{ KIND_BET, BODY(event_leg, odds), LIMIT_ODDS_MIN - 1 },
	{ KIND_BET, BODY(event_leg, odds), LIMIT_ODDS_MAX + 1 },
	{ KIND_REFUSED, BODY(event_leg, reserved), 1 },
	{ KIND_REFUSED, FIELD(account_id), 0 },
	{ KIND_REFUSED, FIELD(account_id), UINT64_MAX },
	{ KIND_CANCEL, FIELD(amount), (uint64_t)-1 },
	{ KIND_CANCEL, FIELD(object_id), 0 },
	{ KIND_CANCEL, FIELD(cashier_id), 65536 },
	{ KIND_CANCEL, FIELD(score), 1 },
	{ KIND_CANCEL, FIELD(payout), LIMIT_PAYOUT_MAX + 1 },
	{ KIND_CANCEL, FIELD(odds_policy), 1 },
	{ KIND_DEPOSIT, FIELD(amount), 0 },
	{ KIND_DEPOSIT, FIELD(amount), LIMIT_BALANCE_MAX + 1 },
	{ KIND_DEPOSIT, FIELD(object_id), 1 },
	{ KIND_DEPOSIT, FIELD(cashier_id), 1 },
	{ KIND_DEPOSIT, FIELD(factor_bits), 1 },
	{ KIND_MARKET, FIELD(object_id), 0 },
	{ KIND_MARKET, BODY(event_market, event_id), 0 },
	{ KIND_MARKET, BODY(event_market, version), 0 },
	{ KIND_MARKET, BODY(event_market, state), 0 },
	{ KIND_MARKET, BODY(event_market, state), 5 },
	{ KIND_MARKET, BODY(event_market, kind), 4 },
	{ KIND_MARKET, BODY(event_market, selection_count), 0 },
	{ KIND_MARKET, BODY(event_market, selection_count), 2 },
	{ KIND_MARKET, BODY(event_market, selection_count), 17 },
	{ KIND_MARKET, BODY(event_market, reserved), 1 },
	{ KIND_MARKET, BODY(event_market, odds[0]), 1000 },
	{ KIND_MARKET, BODY(event_market, odds[0]), LIMIT_ODDS_MAX + 1 },
	{ KIND_MARKET, BODY(event_market, odds[15]), 2000 },
	{ KIND_RULES, FIELD(rule_version), 1 },
	{ KIND_RULES, BODY(event_rules, version), 0 },
	{ KIND_RULES, BODY(event_rules, stake_single_max), 0 },
	{ KIND_FLAGS, FIELD(account_id), 0 },
	{ KIND_FLAGS, FIELD(object_id), 0 },
	{ KIND_FLAGS, FIELD(terminal_id), 5 },
	{ KIND_FLAGS, BODY(event_account_flags, flags), ACCOUNT_FROZEN },
	{ KIND_FLAGS, BODY(event_account_flags, country), 1000 },
	{ KIND_FLAGS, BODY(event_account_flags, reserved), 1 },
	{ KIND_FEEDBACK, FIELD(object_id), 0 },
	{ KIND_FEEDBACK, FIELD(account_id), 2 },
	{ KIND_FEEDBACK, FIELD(terminal_id), 6 },
	{ KIND_FEEDBACK, FIELD(request_id), 1 },
	{ KIND_FEEDBACK, BODY(event_feedback, account_id), 3 },
	{ KIND_FEEDBACK, BODY(event_feedback, terminal_id), 3 },
	{ KIND_FEEDBACK, BODY(event_feedback, confirmed), 2 },
	{ KIND_FEEDBACK, BODY(event_feedback, withdrawn), 2 },
	{ KIND_FEEDBACK, BODY(event_feedback, learned_s), 1 },
	{ KIND_FEEDBACK, BODY(event_feedback, account_id), LIMIT_ACCOUNT_ID_MAX + 1 },
	{ KIND_FACTORS, FACTORS(section.kind), 0 },
	{ KIND_FACTORS, FACTORS(section.kind), SECTION_RISK },
	{ KIND_FACTORS, FACTORS(section.size), 56 },
	{ KIND_FACTORS, FACTORS(section.reserved), 1 },
	{ KIND_FACTORS, FACTORS(report_threshold), (uint64_t)-1 },
	{ KIND_FACTORS, FACTORS(structuring_window_s), 0 },
	{ KIND_FACTORS, FACTORS(rapid_window_high), 2 }, /* above a day */
	{ KIND_FACTORS, FACTORS(model_state), RISK_MODEL_STATE_MAX + 1 },
	{ KIND_FACTORS, FACTORS(model_state), RISK_MODEL_ACTIVE }, /* without a version */
	{ KIND_FACTORS, FACTORS(ladder_steps), 1 },
	{ KIND_FACTORS, FACTORS(points[13]), 101 },
	{ KIND_FACTORS, FACTORS(points_watch_list), 101 },
	{ KIND_FACTORS, FACTORS(points_partner_confirmed), 101 },
	{ KIND_FACTORS, CURRENCY(0, section.kind), SECTION_FACTOR_RULES },
	{ KIND_FACTORS, CURRENCY(0, currency), 0 },
	{ KIND_FACTORS, CURRENCY(0, currency), KRW }, /* the rules' own */
	{ KIND_FACTORS, CURRENCY(1, currency), 840 }, /* twice */
	{ KIND_FACTORS, CURRENCY(1, stake_single_max), LIMIT_STAKE_MAX + 1 },
	{ KIND_FACTORS, CURRENCY(1, report_threshold), (uint64_t)-1 },
	{ KIND_FACTORS, CURRENCY(1, reserved), 1 },
	{ KIND_TICK, FIELD(flags), EVENT_FLAG_SCORED },
	{ KIND_CANCEL, FIELD(flags), EVENT_FLAG_SCORED },
	{ KIND_DEPOSIT, FIELD(flags), EVENT_FLAG_MOVED }, /* of scored ones only */
	{ KIND_BET, FIELD(flags), EVENT_FLAG_MOVED | EVENT_FLAG_SCORED },
};

/* Bits of the states, and the numbers that factors saw, only where the states were looked at. */
TEST(bits_and_numbers_of_states_need_their_flag)
{
	struct good goods[KIND_COUNT];
	struct event_risk risk = {
		.section = { .kind = SECTION_RISK, .size = le16_make(sizeof(risk)) },
		.hour = 23,
		.day = 6,
	};

	good_make(goods);
	for (unsigned kind = KIND_BET; kind <= KIND_DEPOSIT; kind++) {
		struct event_buffer event = goods[kind].event;
		struct event_record record = fixture_record(&event);
		size_t length = le16_get(record.length);
		int may = kind != KIND_CANCEL;

		memcpy(event.bytes + length, &risk, sizeof(risk));
		record.length = le16_make((uint16_t)(length + sizeof(risk)));
		memcpy(event.bytes, &record, sizeof(record));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
		record.flags |= EVENT_FLAG_SCORED;
		record.factor_bits = le32_make(1u << (RISK_BITS_COUNT - 1));
		memcpy(event.bytes, &record, sizeof(record));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), may ? 0 : -EBADMSG);
		event.bytes[length + offsetof(struct event_risk, hour)] = 24;
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
		event.bytes[length + offsetof(struct event_risk, hour)] = 0;
		record.factor_bits = le32_make(1u << RISK_BITS_COUNT);
		memcpy(event.bytes, &record, sizeof(record));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
	}
}

/* What a refusal compared: of a bet, a debit or a deposit that was refused. */
TEST(a_limit_is_told_by_refusals_alone)
{
	struct event_limit good = {
		.section = { .kind = SECTION_LIMIT, .size = le16_make(sizeof(good)) },
		.limit = le64s_make(1000),
		.counted = le64s_make(-1),
		.own = PLAY_LIMITS,
		.selection = LIMIT_MARKET_SELECTIONS_MAX - 1,
	};
	struct good goods[KIND_COUNT];

	good_make(goods);
	for (unsigned kind = KIND_BET; kind <= KIND_DEPOSIT; kind++) {
		struct event_buffer event = goods[kind].event;
		struct event_record record = fixture_record(&event);
		size_t length = le16_get(record.length);
		struct event_limit bad = good;
		int may = kind != KIND_CANCEL ? 0 : -EBADMSG;

		memcpy(event.bytes + length, &good, sizeof(good));
		record.length = le16_make((uint16_t)(length + sizeof(good)));
		memcpy(event.bytes, &record, sizeof(record));
		assert_case_equal(kind, event_check(event.bytes, sizeof(event.bytes)),
		    kind == KIND_REFUSED ? 0 : -EBADMSG);
		record.code = le16_make(WIRE_CODE_LIMIT_DEPOSIT);
		record.payout = le64s_make(0);
		record.object_id = le64_make(0);
		memcpy(event.bytes, &record, sizeof(record));
		assert_case_equal(kind, event_check(event.bytes, sizeof(event.bytes)), may);
		bad.own = PLAY_LIMITS + 1;
		memcpy(event.bytes + length, &bad, sizeof(bad));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
		bad = good;
		bad.selection = LIMIT_MARKET_SELECTIONS_MAX;
		memcpy(event.bytes + length, &bad, sizeof(bad));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
		bad = good;
		bad.reserved[5] = 1;
		memcpy(event.bytes + length, &bad, sizeof(bad));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
	}
}

/* Of objects a case changes that of its own partner, and no other. */
TEST(a_case_changes_no_object_but_that_of_its_partner)
{
	static const struct {
		uint32_t partner;
		uint8_t kind, sections;
		int result;
	} cases[] = {
		{ 0, OBJECT_PARTNER, 0, 0 },
		{ 7, OBJECT_PARTNER, 1, 0 },
		{ 8, OBJECT_PARTNER, 1, -EBADMSG },
		{ 7, OBJECT_LINK, 1, -EBADMSG },
		{ 7, OBJECT_PARTNER, 2, -EBADMSG },
	};
	struct good goods[KIND_COUNT];

	good_make(goods);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct event_buffer event = goods[KIND_FEEDBACK].event;
		struct event_record record = fixture_record(&event);
		size_t length = le16_get(record.length);
		struct event_object object = {
			.section = { .kind = SECTION_OBJECT, .size = le16_make(sizeof(object)) },
			.kind = cases[i].kind,
			.state = OBJECT_OPEN,
			.partner_id = le32_make(cases[i].partner),
		};

		event.bytes[sizeof(record) + offsetof(struct event_feedback, partner_id)] = 7;
		for (unsigned k = 0; k < cases[i].sections; k++) {
			object.id = le64_make(100 + k);
			memcpy(event.bytes + length, &object, sizeof(object));
			length += sizeof(object);
		}
		record.length = le16_make((uint16_t)length);
		memcpy(event.bytes, &record, sizeof(record));
		assert_case_equal(
		    i, event_check(event.bytes, sizeof(event.bytes)), cases[i].result);
	}
}

TEST(every_broken_field_is_refused)
{
	struct good goods[KIND_COUNT];

	good_make(goods);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(broken); i++) {
		struct event_buffer event = goods[broken[i].kind].event;
		struct le64 value = le64_make(broken[i].value);

		memcpy(event.bytes + broken[i].offset, &value,
		    broken[i].size < sizeof(value) ? broken[i].size : sizeof(value));
		assert_case_equal(i, event_check(event.bytes, sizeof(event.bytes)), -EBADMSG);
	}
}

/* The check and the apply behind it stand any bytes; what is applied leaves the sums at zero. */
TEST(random_damage_never_breaks_the_state)
{
	uint64_t random = test_seed();
	struct good goods[KIND_COUNT];
	unsigned passed = 0;

	good_make(goods);
	for (unsigned round = 0; round < 200; round++) {
		struct ledger *ledger = fixture_create(16, 1);
		struct ledger_totals totals;

		fixture_account(ledger, 1, 5000, KRW);
		fixture_market(ledger, 1, 1, 1, MARKET_OPEN, NOW + DAY);
		for (unsigned step = 0; step < 200; step++) {
			struct good good = goods[test_random(&random) % KIND_COUNT];
			uint64_t before = ledger_state_hash(ledger);
			struct event_record record = fixture_record(&good.event);
			const struct terminal_row *terminal = ledger_terminal(ledger, 5);
			const struct account_row *account = ledger_account(ledger, 1);

			/* Near the state, so that more than the first check is met. */
			record.lsn =
			    le64_make(ledger_shard(ledger)->lsn + test_random(&random) % 3);
			if (le64_get(record.terminal_id) != 0)
				record.prev_terminal_lsn =
				    le64_make(terminal == NULL ? 0 : terminal->lsn);
			if (le64_get(record.account_id) == 1) {
				record.prev_account_lsn = le64_make(account->lsn);
				record.balance = le64s_make(
				    account->balance + (fixture_code(&good.event) == WIRE_CODE_OK
				                               ? le64s_get(record.amount)
				                               : 0));
			}
			memcpy(good.event.bytes, &record, sizeof(record));
			for (uint64_t flips = test_random(&random) % 3; flips > 0; flips--)
				good.event.bytes[test_random(&random) % (size_t)good.length] ^=
				    (uint8_t)(1u << test_random(&random) % 8);
			if (ledger_apply(ledger, good.event.bytes, sizeof(good.event.bytes)) == 0)
				passed++;
			else
				assert_true(ledger_state_hash(ledger) == before);
			for (uint16_t currency = 0; currency < 1000; currency += 410)
				assert_int_equal(ledger_balance_sum(ledger, currency), 0);
		}
		ledger_totals(ledger, &totals);
		assert_true(totals.bets_open <= totals.bets);
		assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(ledger));
		ledger_free(ledger);
	}
	assert_true(passed > 1000);
}

/* The customer's row is newer than the event, the terminal's cash account does not exist yet. */
TEST(an_old_event_is_never_applied_in_part)
{
	struct ledger *ledger = fixture_create(16, 0);
	struct good goods[KIND_COUNT];
	struct event_record record;
	uint64_t hash;

	good_make(goods);
	fixture_market(ledger, 1, 1, 1, MARKET_OPEN, NOW + DAY);
	fixture_account(ledger, 1, 5000, KRW);
	hash = ledger_state_hash(ledger);
	record = fixture_record(&goods[KIND_DEPOSIT].event);
	record.lsn = le64_make(1);
	record.prev_terminal_lsn = record.prev_account_lsn = le64_make(0);
	memcpy(goods[KIND_DEPOSIT].event.bytes, &record, sizeof(record));
	assert_int_equal(event_check(goods[KIND_DEPOSIT].event.bytes, sizeof(record)), 0);
	assert_int_equal(
	    ledger_apply(ledger, goods[KIND_DEPOSIT].event.bytes, sizeof(record)), -EBADMSG);
	assert_int_equal(ledger_balance_sum(ledger, KRW), 0);
	assert_true(ledger_state_hash(ledger) == hash);
	ledger_free(ledger);
}

TEST(random_bytes_never_pass)
{
	uint64_t random = test_seed() + 1;
	struct event_buffer event;

	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < sizeof(event.bytes); i += 8) {
			uint64_t word = test_random(&random);

			memcpy(event.bytes + i, &word, sizeof(word));
		}
		assert_int_equal(
		    event_check(event.bytes, round % (sizeof(event.bytes) + 1)), -EBADMSG);
	}
}

TEST_MAIN()
