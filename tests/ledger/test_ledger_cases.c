/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the ledger: one line per case, with the state, the request and the expected code and
 * event (ledger_cases.inc), and the same for the commands of control (ledger_command_cases.inc).
 * Every case begins in the same world (cases.h). What any outcome must look like is checked for all
 * of them: the books agree, a refusal moves nothing, the request is in its terminal's chain, and
 * the event alone brings a second ledger to the same state.
 */
#include "lmdb-schema/event_sections.h"
#include "tests/ledger/cases.h"

typedef void change(struct cases_world *world);

/* ---- States ---- */

#define as_is NULL

static void rules_set(struct cases_world *world, const struct risk_rules *rules)
{
	struct ledger_command command = { .type = EVENT_RULES_SET, .rules = *rules };

	command.rules.version = ledger_shard(world->betting.ledger)->rules.version + 1;
	world_command(world, command);
}

#define RULES(name, field, value)                                                                  \
	static void name(struct cases_world *world)                                                \
	{                                                                                          \
		struct risk_rules rules = ledger_shard(world->betting.ledger)->rules;              \
                                                                                                   \
		rules.field = (value);                                                             \
		rules_set(world, &rules);                                                          \
	}
RULES(payout_max_1999, payout_max, 1999)
RULES(payout_max_2000, payout_max, 2000)
RULES(refuse_at_20, refuse_score, 20)
RULES(refuse_at_21, refuse_score, 21)
RULES(no_window, cancel_window_s, 0)
RULES(selection_full, exposure_selection_max, 3999)
RULES(selection_just, exposure_selection_max, 4000)
RULES(market_full, exposure_market_max, 3999)
RULES(none_waits, withdraw_pending_min, 0)
RULES(short_windows, sprinkle_window_max_s, 59)

static void in_dollars(struct cases_world *world)
{
	struct risk_rules rules = ledger_shard(world->betting.ledger)->rules;

	rules.currency = USD;
	rules_set(world, &rules);
}

static void wide_open(struct cases_world *world)
{
	struct risk_rules rules = ledger_shard(world->betting.ledger)->rules;

	rules.stake_single_max = LIMIT_STAKE_MAX;
	rules.stake_daily_max = rules.terminal_daily_max = LIMIT_BALANCE_MAX;
	rules.payout_max = LIMIT_PAYOUT_MAX;
	rules.refuse_score = 101;
	rules_set(world, &rules);
}

#define AT(name, time)                                                                             \
	static void name(struct cases_world *world)                                                \
	{                                                                                          \
		world->betting.now_ns = (time);                                                    \
	}
AT(an_hour_later, NOW + HOUR)
AT(a_minute_later, NOW + 60 * SECOND)
AT(cancel_just, NOW + 540 * SECOND)
AT(cancel_over, NOW + 540 * SECOND + 1)
AT(a_day_later, NOW + DAY)
AT(two_days_later, NOW + 2 * DAY)

#define SETS(name, field, value)                                                                   \
	static void name(struct cases_world *world)                                                \
	{                                                                                          \
		world->field = (value);                                                            \
	}
SETS(at_other, terminal, OTHER)
SETS(at_new, terminal, NEW)
SETS(forged, genuine, 0)
SETS(terminal_full, terminal_staked, 1000000000 - 999)
SETS(terminal_nearly_full, terminal_staked, 1000000000 - 1000)
SETS(terminal_own_limit, terminal_daily_max, 999)

static void cash_in(struct cases_world *world)
{
	world->terminal = OTHER;
	world->cash_total = -2500;
}

static void partner_full(struct cases_world *world)
{
	world_command(world, (struct ledger_command){ .type = EVENT_PARTNER_SET,
	                         .object_id = PARTNER,
	                         .partner = { .version = le64_make(9),
	                             .exposure_max = le64s_make(3998),
	                             .keys_max = le32_make(4),
	                             .currency = le16_make(KRW) } });
}

static void no_keys(struct cases_world *world)
{
	world_command(world, (struct ledger_command){ .type = EVENT_PARTNER_SET,
	                         .object_id = PARTNER,
	                         .partner = { .version = le64_make(9),
	                             .keys_max = le32_make(2),
	                             .currency = le16_make(KRW) } });
}

static void unblocked(struct cases_world *world)
{
	world_command(world, (struct ledger_command){ .type = EVENT_PARTNER_SET,
	                         .object_id = PARTNER_BLOCKED,
	                         .partner = { .version = le64_make(9) } });
}

static void unfrozen(struct cases_world *world)
{
	world_freeze(world, FROZEN, 0);
}

static void claimer_frozen(struct cases_world *world)
{
	world_freeze(world, CLAIMER, EVENT_FLAG_FROZEN);
}

static void customer_frozen(struct cases_world *world)
{
	world_freeze(world, CUSTOMER, EVENT_FLAG_FROZEN);
}

static void m2_closed(struct cases_world *world)
{
	world_market(world, M2, 102, MARKET_CLOSED, NOW + DAY);
}

static void m2_suspended(struct cases_world *world)
{
	world_market(world, M2, 102, MARKET_SUSPENDED, NOW + DAY);
}

static void m2_settled(struct cases_world *world)
{
	betting_settle(&world->betting, M2, 0);
}

static void m2_refunded(struct cases_world *world)
{
	betting_settle(&world->betting, M2, 3);
}

static void tickets_expired(struct cases_world *world)
{
	world->betting.now_ns = NOW + 366 * DAY;
	betting_final(&world->betting, SETTLED);
	betting_due(&world->betting);
}

/* Just so far that T_WON is expired and not yet retired. */
static void ticket_expiring(struct cases_world *world)
{
	struct betting *betting = &world->betting;

	betting->now_ns = NOW + 366 * DAY;
	while (betting_row(betting, world->bets[T_WON]).state != BET_EXPIRED) {
		betting_apply(
		    betting, ledger_decide_due(betting->ledger, betting->now_ns, &betting->event));
		assert_true(betting->length != 0);
	}
}

static void full_again(struct cases_world *world)
{
	world_ok(
	    world, ASK(DEPOSIT(FULL, LIMIT_BALANCE_MAX - betting_balance(&world->betting, FULL))));
}

static void second_key(struct cases_world *world)
{
	world_ok(world, ASK(DEPOSIT(CUSTOMER, 5, KEY(901))));
}

static void key_reversed(struct cases_world *world)
{
	world_ok(world, ASK(DEPOSIT(CUSTOMER, 1000, KEY(903))));
	world_save(world, R_REVERSED);
	world_reverse(world, R_REVERSED);
}

static void limited_staked(struct cases_world *world)
{
	world_ok(world, ASK(BET(.account_id = LIMITED, .stake = 1000)));
}

static void limited_lost(struct cases_world *world)
{
	world_ok(world, ASK(BET(.account_id = LIMITED, .stake = 600)));
	betting_settle(&world->betting, M1, 1);
}

static void limited_deposited(struct cases_world *world)
{
	world_ok(world, ASK(DEPOSIT(LIMITED, 900)));
}

static void waiting_frozen(struct cases_world *world)
{
	world_freeze(world, RICH, EVENT_FLAG_FROZEN);
}

static void withdrawal_given_back(struct cases_world *world)
{
	world_command(world,
	    (struct ledger_command){ .type = EVENT_WITHDRAW_CLOSE, .object_id = world->waiting });
}

static void rich_is_poor(struct cases_world *world)
{
	none_waits(world);
	world_ok(world, ASK(WITHDRAW(RICH, betting_balance(&world->betting, RICH) - 1000)));
}

static void claimer_is_poor(struct cases_world *world)
{
	world_ok(world, ASK(WITHDRAW(CLAIMER, betting_balance(&world->betting, CLAIMER))));
}

static void shift_at_counter(struct cases_world *world)
{
	world_ok(world, ASK(SHIFT_BEGIN(1, 0)));
	world_ok(world, ASK(SHIFT_END(1, 0)));
}

static void customer_spent(struct cases_world *world)
{
	world_ok(world, ASK(TRANSFER(CUSTOMER, RICH, betting_balance(&world->betting, CUSTOMER))));
}

/* ---- Cases ---- */

struct request_case {
	const char *name;
	change *change;
	uint16_t code, type;
	struct wire_request request;
};

#define CASE(name, state, code, type, ...)                                                         \
	{ name, state, WIRE_CODE_##code, EVENT_##type, __VA_ARGS__ },
static const struct request_case requests[] = {
#include "tests/ledger/ledger_cases.inc"
};
#undef CASE

struct command_case {
	const char *name;
	change *change;
	int result; /* 1: the event of the command's type; 0, -errno: none */
	struct ledger_command command;
};

#define CASE(name, state, result, event_type, ...)                                                 \
	{ name, state, result, { .type = EVENT_##event_type, __VA_ARGS__ } },
static const struct command_case commands[] = {
#include "tests/ledger/ledger_command_cases.inc"
};
#undef CASE

_Static_assert(SLUICE_ARRAY_COUNT(requests) + SLUICE_ARRAY_COUNT(commands) >= 300,
    "the ledger's table has 300 lines and more");

/* ---- Carrying them out ---- */

/* All wrong lines are shown, not only the first. */
static unsigned failures;
#define fail_case(...) (failures++, print_error(__VA_ARGS__), print_error("\n"))

/* Numbers of the table stand for the ids of this world. */
static void request_resolve(
    const struct cases_world *world, struct wire_request *wire, const struct event_record **target)
{
	uint64_t *id = NULL;

	*target = NULL;
	switch (wire->template_id) {
	case WIRE_CANCEL_BET:
		id = &wire->cancel_bet.bet_id;
		break;
	case WIRE_REDEEM:
		id = &wire->redeem.bet_id;
		break;
	case WIRE_REPRINT:
		id = &wire->reprint.bet_id;
		break;
	case WIRE_CLAIM:
		if (wire->claim.token < SPRINKLES)
			wire->claim.token = world->sprinkles[wire->claim.token];
		return;
	case WIRE_REVERSE:
	case WIRE_FENCE:
		id = wire->template_id == WIRE_REVERSE ? &wire->reverse.target_request_id
		                                       : &wire->fence.target_request_id;
		if (*id < REVERSIBLE) {
			*target = &world->reversible[*id];
			*id = le64_get((*target)->request_id);
		}
		return;
	default:
		return;
	}
	if (*id < BETS)
		*id = world->bets[*id];
}

struct balances {
	int64_t of[256], owed[256];
	uint32_t count;
	struct ledger_totals totals;
};

static void balances_take(const struct ledger *ledger, struct balances *balances)
{
	balances->count = ledger_row_count(ledger, LEDGER_ACCOUNT);
	for (uint32_t i = 0; i < balances->count; i++) {
		balances->of[i] = ledger_account_at(ledger, i)->balance;
		balances->owed[i] = ledger_account_at(ledger, i)->owed;
	}
	ledger_totals(ledger, &balances->totals);
}

static void nothing_moved(const char *name, const struct ledger *ledger, const struct balances *was)
{
	struct balances now;

	balances_take(ledger, &now);
	if (now.count != was->count || memcmp(now.of, was->of, 8 * was->count) != 0 ||
	    memcmp(now.owed, was->owed, 8 * was->count) != 0 ||
	    now.totals.objects != was->totals.objects || now.totals.bets != was->totals.bets ||
	    now.totals.bets_open != was->totals.bets_open)
		fail_case("%s: it moved something", name);
}

/* The event alone says all: a copy of the state before comes to the state after. */
static void copy_follows(const char *name, const struct cases_world *world, struct ledger *copy)
{
	const struct betting *betting = &world->betting;
	struct ledger *ledger = betting->ledger;

	assert_int_equal(ledger_apply(copy, betting->event.bytes, (size_t)betting->length), 0);
	if (ledger_state_hash(copy) != ledger_state_hash(ledger))
		fail_case("%s: a copy came to another state", name);
	assert_int_equal(
	    ledger_market_exposure(copy, M1, 0), ledger_market_exposure(ledger, M1, 0));
	assert_int_equal(
	    ledger_partner_exposure(copy, PARTNER), ledger_partner_exposure(ledger, PARTNER));
	/* Once more is once. */
	assert_int_equal(ledger_apply(copy, betting->event.bytes, (size_t)betting->length), 0);
	assert_int_equal(ledger_state_hash(copy), ledger_state_hash_full(copy));
}

static struct ledger *copy_make(const struct cases_world *world)
{
	struct ledger_config config = fixture_config(256, 1);
	struct ledger *copy;

	config.shard_count = 2;
	copy = ledger_create(&config);
	assert_non_null(copy);
	assert_int_equal(ledger_copy(copy, world->betting.ledger), 0);
	return copy;
}

static void request_check(const struct request_case *one)
{
	struct cases_world world;
	struct wire_request wire = one->request;
	struct ledger_request request = { .wire = &wire };
	struct betting *betting = &world.betting;
	const struct terminal_row *terminal;
	struct event_record record;
	struct balances before;
	struct ledger *copy;

	world_make(&world);
	if (one->change != NULL)
		one->change(&world);
	request_resolve(&world, &wire, &request.reverse_target);
	wire.request_id = betting->request_id + 10;
	wire.body_hash[0] = 11;
	request.terminal_id = world.terminal;
	request.terminal_staked_today = world.terminal_staked;
	request.terminal_daily_max = world.terminal_daily_max;
	request.terminal_cash_total = world.cash_total;
	request.ticket_genuine = world.genuine;
	balances_take(betting->ledger, &before);
	copy = copy_make(&world);
	betting_apply(
	    betting, ledger_decide(betting->ledger, &request, betting->now_ns, &betting->event));
	assert_true(betting->length > 0);
	record = fixture_record(&betting->event);
	if (le16_get(record.code) != one->code || le16_get(record.type) != one->type)
		fail_case("%s: code %s of %s, expected %s of %s", one->name,
		    wire_code_name(le16_get(record.code)), event_type_name(le16_get(record.type)),
		    wire_code_name(one->code), event_type_name(one->type));
	assert_int_equal(le64_get(record.terminal_id), world.terminal);
	assert_int_equal(le64_get(record.request_id), wire.request_id);
	assert_int_equal(le64_get(record.body_hash[0]), 11);
	terminal = ledger_terminal(betting->ledger, world.terminal);
	assert_int_equal(terminal->lsn, le64_get(record.lsn));
	assert_int_equal(terminal->highest_request_id, wire.request_id);
	if (!event_moves(one->type, one->code))
		nothing_moved(one->name, betting->ledger, &before);
	copy_follows(one->name, &world, copy);
	ledger_free(copy);
	ledger_free(betting->ledger);
}

TEST(every_request_of_the_table)
{
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(requests); i++)
		request_check(&requests[i]);
	assert_int_equal(failures, 0);
}

static void command_resolve(const struct cases_world *world, struct ledger_command *command)
{
	uint64_t version = world->betting.version + 1;

	if (command->type == EVENT_BET_VOID && command->object_id < BETS)
		command->object_id = world->bets[command->object_id];
	if (command->type == EVENT_WITHDRAW_CLOSE && command->object_id == 1)
		command->object_id = world->waiting;
	if (command->type == EVENT_WITHDRAW_CLOSE && command->object_id == 2)
		command->object_id = world->approved;
	/* All ones: the next one. */
	if (le64_get(command->market.version) == UINT64_MAX)
		command->market.version = le64_make(version);
	if (le64_get(command->result.version) == UINT64_MAX)
		command->result.version = le64_make(version);
	if (command->type == EVENT_RULES_SET) {
		uint32_t number = command->rules.version;
		uint8_t score = command->rules.refuse_score;

		command->rules = ledger_shard(world->betting.ledger)->rules;
		command->rules.version = number;
		command->rules.refuse_score = score;
	}
}

static void command_check(const struct command_case *one)
{
	struct cases_world world;
	struct ledger_command command = one->command;
	struct balances before;
	struct ledger *copy;
	uint64_t lsn;
	int result;

	world_make(&world);
	if (one->change != NULL)
		one->change(&world);
	command_resolve(&world, &command);
	balances_take(world.betting.ledger, &before);
	lsn = ledger_shard(world.betting.ledger)->lsn;
	copy = copy_make(&world);
	result = betting_command(&world.betting, &command);
	if ((result > 0) != (one->result > 0) || (result <= 0 && result != one->result))
		fail_case("%s: %d, expected %d", one->name, result, one->result);
	if (result > 0) {
		assert_int_equal(
		    le16_get(fixture_record(&world.betting.event).type), one->command.type);
		copy_follows(one->name, &world, copy);
		assert_int_equal(ledger_shard(world.betting.ledger)->lsn, lsn + 1);
	} else {
		nothing_moved(one->name, world.betting.ledger, &before);
		assert_int_equal(ledger_shard(world.betting.ledger)->lsn, lsn);
	}
	ledger_free(copy);
	ledger_free(world.betting.ledger);
}

TEST(every_command_of_the_table)
{
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(commands); i++)
		command_check(&commands[i]);
	assert_int_equal(failures, 0);
}

/* Each type of request that changes something is in the table, done and refused. */
TEST(the_table_has_every_message)
{
	for (uint16_t template_id = 1; template_id <= WIRE_TEMPLATE_MAX; template_id++) {
		unsigned done = 0, refused = 0;

		if (!wire_template_mutates(template_id))
			continue;
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(requests); i++) {
			if (requests[i].request.template_id != template_id)
				continue;
			if (event_moves(requests[i].type, requests[i].code) ||
			    requests[i].code == WIRE_CODE_FENCED_NOW)
				done++;
			else
				refused++;
		}
		if (done == 0 || refused == 0)
			fail_msg("template %04x: %u done, %u refused", template_id, done, refused);
	}
}

TEST_MAIN()
