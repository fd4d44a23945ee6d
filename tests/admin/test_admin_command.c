/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the admin socket: what a good one becomes, and that every bad one is refused by name. */
#include "dataplane/admin/admin.h"
#include "tests/test.h"

static struct switch_shared shared;

static void context_make(struct admin_context *context)
{
	memset(context, 0, sizeof(*context));
	shared.shard_count = 4;
	shared.slots_max = 100;
	ids_bucket_map_default(&shared.buckets, 4);
	if (shared.slot_home == NULL)
		shared.slot_home = calloc(shared.slots_max, 1);
	for (uint32_t i = 0; i < shared.slots_max; i++)
		atomic_store(&shared.slot_home[i], 0xff);
	context->shared = &shared;
}

static json_t *parse(const char *line, struct admin_request *request)
{
	struct admin_context context;
	json_t *answer = NULL;

	context_make(&context);
	admin_parse(&context, line, strlen(line), request, &answer);
	return answer;
}

#define KEY64 "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\""
#define IV24  "\"0102030405060708090a0b0c\""
#define INSTALL(id, terminal, rights, key)                                                         \
	"{\"cmd\":\"session_install\",\"session_id\":" id ",\"terminal_id\":" terminal             \
	",\"rights\":" rights ",\"epoch\":1,\"current\":true,\"to_switch_key\":" key               \
	",\"to_switch_iv\":" IV24 ",\"to_terminal_key\":" KEY64 ",\"to_terminal_iv\":" IV24        \
	",\"reset_key\":" KEY64 "}"

TEST(session_install_goes_to_the_terminals_home)
{
	struct admin_request request;
	json_t *answer = parse(INSTALL("1048577", "42", "15", KEY64), &request);

	assert_null(answer);
	assert_int_equal(request.kind, ADMIN_ONE_SHARD);
	assert_int_equal(request.command.kind, SHARD_SESSION_INSTALL);
	assert_int_equal(request.shard, shared.buckets.shard[ids_bucket_of_key(42)]);
	assert_int_equal(request.command.install.session_id, 1048577);
	assert_int_equal(request.command.install.to_switch_key[31], 0x1f);
	assert_int_equal(request.command.install.to_terminal_iv[11], 0x0c);
}

TEST(market_set_goes_to_all_shards_with_its_sequence_as_version)
{
	struct admin_request request;
	json_t *answer = parse("{\"cmd\":\"command\",\"sequence\":7,\"type\":\"market_set\","
	                       "\"market_id\":11,\"event_id\":1,\"start_time_ns\":5,\"state\":2,"
	                       "\"kind\":1,\"odds\":[1500,2000,3000]}",
	    &request);

	assert_null(answer);
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_int_equal(request.command.ledger.type, EVENT_MARKET_SET);
	assert_int_equal(request.command.ledger.control_sequence, 7);
	assert_int_equal(le64_get(request.command.ledger.market.version), 7);
	assert_int_equal(request.command.ledger.market.selection_count, 3);
	assert_int_equal(le32_get(request.command.ledger.market.odds[2]), 3000);
}

TEST(rules_set_keeps_defaults_for_what_is_not_given)
{
	struct admin_request request;
	struct risk_rules rules;
	json_t *answer = parse("{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\","
	                       "\"rules\":{\"version\":2,\"stake_single_max\":777}}",
	    &request);

	risk_rules_default(&rules);
	assert_null(answer);
	assert_int_equal(request.command.ledger.rules.version, 2);
	assert_int_equal(request.command.ledger.rules.stake_single_max, 777);
	assert_int_equal(request.command.ledger.rules.stake_daily_max, rules.stake_daily_max);
}

TEST(rules_have_factors_only_when_they_are_given)
{
	struct admin_request request;
	const struct risk_rules_extra *extra = &request.command.ledger.extra;
	struct risk_rules_extra defaults;

	assert_null(parse("{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\","
	                  "\"rules\":{\"version\":2}}",
	    &request));
	assert_int_equal(extra->present, 0);
	assert_null(parse("{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\","
	                  "\"rules\":{\"version\":2,\"factors\":{}}}",
	    &request));
	risk_rules_extra_default(&defaults);
	assert_memory_equal(extra, &defaults, sizeof(defaults));
	assert_null(parse("{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\","
	                  "\"rules\":{\"version\":2,\"report_threshold\":7,"
	                  "\"factors\":{\"late_s\":9,\"points\":{\"stake_ladder\":11}},"
	                  "\"model\":{\"state\":\"active\",\"version\":3},"
	                  "\"currencies\":[{\"currency\":840,\"large_amount\":5}]}}",
	    &request));
	assert_int_equal(extra->report_threshold, 7);
	assert_int_equal(extra->factors.late_s, 9);
	assert_int_equal(extra->factors.ladder_steps, defaults.factors.ladder_steps);
	assert_int_equal(extra->factors.points[RISK_STATE_STAKE_LADDER], 11);
	assert_int_equal(extra->model_state, RISK_MODEL_ACTIVE);
	assert_int_equal(extra->model_version, 3);
	assert_int_equal(extra->currency_count, 1);
	assert_int_equal(extra->currencies[0].currency, 840);
	assert_int_equal(extra->currencies[0].large_amount, 5);
}

TEST(flags_and_cases_become_commands)
{
	struct admin_request request;
	const struct ledger_command *command = &request.command.ledger;

	assert_null(parse("{\"cmd\":\"command\",\"sequence\":1,\"type\":\"account_flags\","
	                  "\"account_id\":7,\"pep\":false,\"sanctioned\":true,"
	                  "\"country_risk\":true,\"country\":408}",
	    &request));
	assert_int_equal(command->type, EVENT_ACCOUNT_FLAGS);
	assert_int_equal(command->account_id, 7);
	assert_int_equal(
	    le16_get(command->account_flags.flags), ACCOUNT_SANCTIONED | ACCOUNT_COUNTRY_RISK);
	assert_int_equal(le16_get(command->account_flags.country), 408);
	assert_null(parse("{\"cmd\":\"command\",\"sequence\":1,\"type\":\"feedback\","
	                  "\"account_id\":7,\"terminal_id\":8,\"transaction_ns\":\"9\","
	                  "\"confirmed\":true}",
	    &request));
	assert_int_equal(command->type, EVENT_FEEDBACK);
	assert_int_equal(le64_get(command->feedback.account_id), 7);
	assert_int_equal(le64_get(command->feedback.terminal_id), 8);
	assert_int_equal(le64_get(command->feedback.transaction_ns), 9);
	assert_int_equal(command->feedback.confirmed, 1);
}

#define NUMBERED(type, fields)                                                                     \
	"{\"cmd\":\"command\",\"sequence\":12,\"type\":\"" type "\"," fields "}"

TEST(a_result_carries_an_outcome_for_each_selection)
{
	struct admin_request request;
	const struct ledger_command *command = &request.command.ledger;
	struct settlement_outcomes outcomes;
	struct settlement_outcomes_disk disk;

	/* A win, a loss, and a dead heat: one place for two winners. */
	assert_null(parse(
	    NUMBERED("market_result", "\"market_id\":7,\"op\":\"set\",\"outcomes\":[1,2,131334]"),
	    &request));
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_int_equal(command->type, EVENT_MARKET_RESULT);
	assert_int_equal(command->market_id, 7);
	assert_int_equal(command->result.op, RESULT_SET);
	assert_int_equal(command->result.selection_count, 3);
	assert_int_equal(le64_get(command->result.version), 12);
	memcpy(&disk, command->result.outcomes, sizeof(disk));
	assert_int_equal(settlement_outcomes_read(&disk, 3, &outcomes), 0);
	assert_int_equal(outcomes.of[0].kind, SETTLEMENT_WIN);
	assert_int_equal(outcomes.of[2].kind, SETTLEMENT_DEAD_HEAT);
	assert_int_equal(outcomes.of[2].places, 1);
	assert_int_equal(outcomes.of[2].winners, 2);
	assert_null(
	    parse(NUMBERED("market_result", "\"market_id\":7,\"op\":\"rollback\""), &request));
	assert_int_equal(command->result.op, RESULT_ROLLBACK);
	assert_true(bytes_all_zero(command->result.outcomes, sizeof(command->result.outcomes)));
}

TEST(money_commands_keep_signs_and_all_64_bits)
{
	struct admin_request request;
	const struct ledger_command *command = &request.command.ledger;

	assert_null(parse(NUMBERED("adjust", "\"account_id\":7,\"amount\":-250,\"currency\":410,"
	                                     "\"reason\":4294967295"),
	    &request));
	assert_int_equal(command->type, EVENT_ADJUST);
	assert_true(command->amount == -250);
	assert_int_equal(command->reason, UINT32_MAX);
	assert_null(parse(NUMBERED("bet_void", "\"bet_id\":\"18446744073709551615\""), &request));
	assert_int_equal(command->type, EVENT_BET_VOID);
	assert_true(command->object_id == UINT64_MAX);
	assert_null(
	    parse(NUMBERED("withdraw_close", "\"withdrawal_id\":\"9\",\"paid\":true"), &request));
	assert_int_equal(command->type, EVENT_WITHDRAW_CLOSE);
	assert_int_equal(command->flags, EVENT_FLAG_PAID);
	assert_null(
	    parse(NUMBERED("withdraw_close", "\"withdrawal_id\":\"9\",\"paid\":false"), &request));
	assert_int_equal(command->flags, 0);
}

TEST(limits_and_partners_come_whole)
{
	struct admin_request request;
	const struct ledger_command *command = &request.command.ledger;

	assert_null(parse(
	    NUMBERED("play_set", "\"account_id\":7,\"limits\":[-1,0,3,4,5,6],\"excluded_until_ns\":"
	                         "\"18446744073709551615\""),
	    &request));
	assert_int_equal(command->type, EVENT_PLAY_SET);
	assert_int_equal(le64_get(command->play.account_id), 7);
	assert_true(le64s_get(command->play.active[PLAY_DEPOSIT_DAY]) == -1);
	assert_int_equal(le64s_get(command->play.active[PLAY_LOSS_WEEK]), 6);
	assert_true(le64_get(command->play.excluded_until_ns) == UINT64_MAX);
	assert_int_equal(le64_get(command->play.cooloff_until_ns), 0);
	assert_null(parse(NUMBERED("partner_set", "\"partner_id\":5,\"keys_max\":10,"
	                                          "\"currency\":410,\"blocked\":true"),
	    &request));
	assert_int_equal(command->type, EVENT_PARTNER_SET);
	assert_int_equal(command->object_id, 5);
	assert_int_equal(le64_get(command->partner.version), 12);
	assert_int_equal(le64s_get(command->partner.exposure_max), 0);
	assert_int_equal(le32_get(command->partner.keys_max), 10);
	assert_int_equal(command->partner.blocked, 1);
}

TEST(questions_go_where_the_answer_is)
{
	struct admin_request request;

	assert_null(parse("{\"cmd\":\"market_show\",\"market_id\":7}", &request));
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_null(
	    parse("{\"cmd\":\"object_show\",\"kind\":\"partner\",\"words\":[5]}", &request));
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_int_equal(request.query.kind, QUERY_OBJECT);
	assert_int_equal(request.query.id, 0);
	assert_int_equal(request.query.key.kind, OBJECT_PARTNER);
	assert_int_equal(request.query.key.words[0], 5);
	assert_null(parse("{\"cmd\":\"withdrawals\",\"shard\":0,\"from_row\":700}", &request));
	assert_int_equal(request.kind, ADMIN_ONE_SHARD);
	assert_int_equal(request.query.id, 700);
	assert_null(
	    parse("{\"cmd\":\"ticket_verify\",\"bet_id\":\"5\",\"ticket\":\"00112233445566\","
	          "\"stake\":10,\"payout\":20,\"placed_at_ns\":\"77\",\"odds\":[1500,2000]}",
	        &request));
	assert_int_equal(request.query.kind, QUERY_TICKET);
	assert_int_equal(request.query.ticket[6], 0x66);
	assert_int_equal(request.query.facts.payout, 20);
	assert_int_equal(request.query.facts.placed_at_ns, 77);
	assert_int_equal(request.query.facts.leg_count, 2);
	assert_int_equal(request.query.facts.odds[1], 2000);
}

#define TERMINAL_SET(fields)                                                                       \
	"{\"cmd\":\"command\",\"sequence\":12,\"type\":\"terminal_set\"," fields "}"

TEST(terminal_set_goes_to_all_shards_with_its_sequence_as_version)
{
	struct admin_request request;
	const struct ledger_command *command = &request.command.ledger;

	assert_null(parse(TERMINAL_SET("\"terminal_id\":42,\"rights\":5,\"blocked\":true,"
	                               "\"daily_max\":7000,\"version\":3"),
	    &request));
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_int_equal(request.command.kind, SHARD_LEDGER);
	assert_int_equal(command->type, EVENT_TERMINAL_SET);
	assert_int_equal(command->control_sequence, 12);
	assert_int_equal(command->terminal_id, 42);
	assert_int_equal(le32_get(command->terminal.rights), 5);
	assert_int_equal(command->terminal.blocked, 1);
	assert_int_equal(le64s_get(command->terminal.daily_max), 7000);
	assert_int_equal(le64_get(command->terminal.version), 12);
	/* The limit may be left out. */
	assert_null(
	    parse(TERMINAL_SET("\"terminal_id\":42,\"rights\":0,\"blocked\":false"), &request));
	assert_int_equal(command->terminal.blocked, 0);
	assert_int_equal(le64s_get(command->terminal.daily_max), 0);
}

TEST(none_is_the_mark_alone)
{
	struct admin_request request;

	assert_null(parse("{\"cmd\":\"command\",\"sequence\":9,\"type\":\"none\"}", &request));
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_int_equal(request.command.kind, SHARD_LEDGER);
	assert_int_equal(request.command.ledger.type, EVENT_COMMAND_MARK);
	assert_int_equal(request.command.ledger.control_sequence, 9);
}

TEST(session_may_have_a_time_to_expire)
{
	struct admin_request request;
	const char line[] = "{\"expires_ns\":1790000000000000123,";
	char all[1024];

	assert_null(parse(INSTALL("1048577", "42", "15", KEY64), &request));
	assert_int_equal(request.command.install.expires_ns, 0);
	snprintf(all, sizeof(all), "%s%s", line, INSTALL("1048577", "42", "15", KEY64) + 1);
	assert_null(parse(all, &request));
	assert_int_equal(request.command.install.expires_ns, 1790000000000000123);
}

#define FREEZE "\"type\":\"account_freeze\",\"account_id\":7,\"frozen\":true}"

TEST(dry_run_checks_the_fields_and_is_a_check_for_all_shards)
{
	static const struct {
		const char *line;
		int good;
	} cases[] = {
		{ "{\"cmd\":\"command\",\"dry_run\":true," FREEZE, 1 },
		{ "{\"cmd\":\"command\",\"dry_run\":true,\"sequence\":5," FREEZE, 1 },
		{ "{\"cmd\":\"command\",\"dry_run\":true,\"type\":\"none\"}", 1 },
		{ "{\"cmd\":\"command\",\"dry_run\":true,\"sequence\":0," FREEZE, 0 },
		{ "{\"cmd\":\"command\",\"dry_run\":1," FREEZE, 0 },
		{ "{\"cmd\":\"command\",\"dry_run\":false," FREEZE, 0 }, /* no sequence */
		{ "{\"cmd\":\"command\",\"dry_run\":true,\"type\":\"market_set\"}", 0 },
	};
	struct admin_request request;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		json_t *answer = parse(cases[i].line, &request);

		assert_case_equal(i, request.kind, cases[i].good ? ADMIN_ALL_SHARDS : ADMIN_ANSWER);
		assert_case_equal(i, answer == NULL, cases[i].good);
		if (cases[i].good)
			assert_case_equal(i, request.command.check, SHARD_CHECK_DRY_RUN);
		else
			assert_string_equal(
			    json_string_value(json_object_get(answer, "kind")), "malformed");
		json_decref(answer);
	}
	/* Without it the same goes on its way. */
	assert_null(
	    parse("{\"cmd\":\"command\",\"dry_run\":false,\"sequence\":5," FREEZE, &request));
	assert_int_equal(request.kind, ADMIN_ALL_SHARDS);
	assert_int_equal(request.command.check, SHARD_DO);
}

#define RANGE(count)                                                                               \
	"{\"cmd\":\"command\",\"sequence\":1,\"type\":\"accounts_open\",\"first\":1,"              \
	"\"count\":" count ",\"currency\":410}"

TEST(a_range_has_100000_accounts_at_most)
{
	struct admin_request request;

	assert_null(parse(RANGE("100000"), &request));
	assert_int_equal(request.command.accounts.count, 100000);
}

TEST(session_end_goes_to_the_terminals_home_before_the_slot_has_one)
{
	static const struct {
		const char *line, *kind;
	} refused[] = {
		{ "{\"cmd\":\"session_end\",\"session_id\":1048577}", "unknown_session" },
		/* A slot this switch does not have. */
		{ "{\"cmd\":\"session_end\",\"session_id\":1048676,\"terminal_id\":42}",
		    "unknown_session" },
		{ "{\"cmd\":\"session_end\",\"session_id\":1048577,\"terminal_id\":0}",
		    "malformed" },
	};
	struct admin_request request;

	assert_null(
	    parse("{\"cmd\":\"session_end\",\"session_id\":1048577,\"terminal_id\":42}", &request));
	assert_int_equal(request.kind, ADMIN_ONE_SHARD);
	assert_int_equal(request.command.kind, SHARD_SESSION_END);
	assert_int_equal(request.command.session_id, 1048577);
	assert_int_equal(request.shard, shared.buckets.shard[ids_bucket_of_key(42)]);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(refused); i++) {
		json_t *answer = parse(refused[i].line, &request);

		assert_case_equal(i, request.kind, ADMIN_ANSWER);
		assert_string_equal(
		    json_string_value(json_object_get(answer, "kind")), refused[i].kind);
		json_decref(answer);
	}
}

static const struct {
	const char *line, *says;
} bad_lines[] = {
	{ "", "not a JSON" },
	{ "{", "not a JSON" },
	{ "[]", "cmd" },
	{ "{}", "cmd" },
	{ "{\"cmd\":7}", "cmd" },
	{ "{\"cmd\":\"fly\"}", "unknown command" },
	{ "{\"cmd\":\"open\",\"cmd\":\"stop\"}", "not a JSON" },
	{ INSTALL("0", "42", "15", KEY64), "session_id" },
	{ INSTALL("1048676", "42", "15", KEY64), "capacity.sessions" },
	{ INSTALL("1048577", "0", "15", KEY64), "terminal_id" },
	{ INSTALL("1048577", "4294967296", "15", KEY64), "terminal_id" },
	{ INSTALL("1048577", "42", "1024", KEY64), "rights" },
	{ INSTALL("1048577", "42", "15", "\"00\""), "to_switch_key" },
	{ INSTALL("1048577", "42", "15", "7"), "to_switch_key" },
	{ "{\"cmd\":\"session_end\",\"session_id\":3}", "no such session" },
	{ "{\"cmd\":\"command\",\"type\":\"market_set\"}", "sequence" },
	{ "{\"cmd\":\"command\",\"sequence\":0,\"type\":\"market_set\"}", "sequence" },
	{ "{\"cmd\":\"command\",\"sequence\":1.5,\"type\":\"market_set\"}", "sequence" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"sing\"}", "type" },
	{ "{\"cmd\":\"command\",\"sequence\":1}", "type" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"market_set\",\"market_id\":11,"
	  "\"event_id\":1,\"start_time_ns\":5,\"state\":2,\"kind\":1,\"odds\":[1000]}",
	    "odds" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"market_set\",\"market_id\":11,"
	  "\"event_id\":1,\"start_time_ns\":5,\"state\":2,\"kind\":1,\"odds\":[]}",
	    "odds" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"market_set\",\"market_id\":11,"
	  "\"event_id\":1,\"start_time_ns\":5,\"state\":9,\"kind\":1,\"odds\":[2000]}",
	    "state" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"accounts_open\",\"first\":0,"
	  "\"count\":1,\"currency\":410}",
	    "first" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"accounts_open\",\"first\":1,"
	  "\"count\":1,\"currency\":410,\"opening_balance\":-1}",
	    "opening_balance" },
	{ RANGE("100001"), "1 to 100000, and open more" },
	{ RANGE("0"), "count" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\",\"rules\":{}}", "version" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\"}", "rules" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"market_set\",\"market_id\":11,"
	  "\"event_id\":1,\"start_time_ns\":5,\"state\":2,\"kind\":99,\"odds\":[2000]}",
	    "kind" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"account_freeze\","
	  "\"account_id\":7}",
	    "frozen" },
	{ TERMINAL_SET("\"rights\":5,\"blocked\":true"), "terminal_id" },
	{ TERMINAL_SET("\"terminal_id\":0,\"rights\":5,\"blocked\":true"), "terminal_id" },
	{ TERMINAL_SET("\"terminal_id\":1,\"rights\":1024,\"blocked\":true"), "rights" },
	{ TERMINAL_SET("\"terminal_id\":1,\"rights\":5"), "blocked" },
	{ TERMINAL_SET("\"terminal_id\":1,\"rights\":5,\"blocked\":1"), "blocked" },
	{ TERMINAL_SET("\"terminal_id\":1,\"rights\":5,\"blocked\":true,"
	               "\"daily_max\":-1"),
	    "daily_max" },
	{ "{\"cmd\":\"command\",\"sequence\":1,\"type\":\"rules_set\",\"rules\":"
	  "{\"version\":2,\"alert_score\":102}}",
	    "alert_score" },
	{ NUMBERED("rules_set", "\"rules\":{\"version\":2,\"model\":{}}"), "factors" },
	{ NUMBERED("rules_set", "\"rules\":{\"version\":2,\"factors\":5}"), "factors" },
	{ NUMBERED("rules_set", "\"rules\":{\"version\":2,\"factors\":{\"ladder_steps\":1}}"),
	    "ladder_steps" },
	{ NUMBERED(
	      "rules_set", "\"rules\":{\"version\":2,\"factors\":{},\"model\":{\"state\":\"on\"}}"),
	    "model.state" },
	{ NUMBERED("rules_set",
	      "\"rules\":{\"version\":2,\"factors\":{},\"currencies\":[{\"currency\":410}]}"),
	    "currencies.currency" },
	{ NUMBERED(
	      "rules_set", "\"rules\":{\"version\":2,\"factors\":{\"points\":{\"late_bet\":101}}}"),
	    "late_bet" },
	{ NUMBERED("account_flags", "\"account_id\":7,\"pep\":true,\"sanctioned\":true"),
	    "country_risk" },
	{ NUMBERED("feedback", "\"confirmed\":true"), "terminal_id" },
	{ NUMBERED("feedback", "\"account_id\":7"), "confirmed" },
	{ NUMBERED("market_result", "\"market_id\":7"), "op" },
	{ NUMBERED("market_result", "\"market_id\":7,\"op\":\"set\""), "outcomes" },
	{ NUMBERED("market_result", "\"market_id\":7,\"op\":\"set\",\"outcomes\":[1,0]"),
	    "outcomes" },
	{ NUMBERED("market_result", "\"market_id\":7,\"op\":\"set\",\"outcomes\":[1,7]"),
	    "outcomes" },
	/* Two places for two winners are none to share. */
	{ NUMBERED("market_result", "\"market_id\":7,\"op\":\"set\",\"outcomes\":[131590]"),
	    "outcomes" },
	{ NUMBERED("bet_void", "\"reason\":1"), "bet_id" },
	{ NUMBERED("bet_void", "\"bet_id\":\"x\""), "bet_id" },
	{ NUMBERED("adjust", "\"account_id\":7,\"amount\":0,\"currency\":410"), "amount" },
	{ NUMBERED("adjust", "\"account_id\":7,\"amount\":\"5\",\"currency\":410"), "amount" },
	{ NUMBERED("adjust", "\"account_id\":7,\"amount\":5"), "currency" },
	{ NUMBERED("withdraw_close", "\"withdrawal_id\":9"), "paid" },
	{ NUMBERED("withdraw_close", "\"withdrawal_id\":0,\"paid\":true"), "withdrawal_id" },
	{ NUMBERED("play_set", "\"account_id\":7,\"limits\":[1,2,3,4,5]"), "limits" },
	{ NUMBERED("play_set", "\"account_id\":7,\"limits\":[1,2,3,4,5,-2]"), "limits" },
	{ NUMBERED("partner_set", "\"partner_id\":65536,\"keys_max\":1,\"currency\":410,"
	                          "\"blocked\":false"),
	    "partner_id" },
	{ NUMBERED("partner_set", "\"partner_id\":5,\"currency\":410,\"blocked\":false"),
	    "keys_max" },
	{ "{\"cmd\":\"object_show\"}", "object_id" },
	{ "{\"cmd\":\"object_show\",\"kind\":\"partner\"}", "words" },
	{ "{\"cmd\":\"withdrawals\",\"shard\":64}", "shard" },
	{ "{\"cmd\":\"ticket_verify\",\"bet_id\":5,\"ticket\":\"00\"}", "ticket" },
	{ "{\"cmd\":\"ticket_verify\",\"bet_id\":5,\"ticket\":\"00112233445566\",\"stake\":10,"
	  "\"payout\":20,\"placed_at_ns\":77,\"odds\":[1500,0]}",
	    "odds" },
};

TEST(bad_lines_are_refused_and_the_field_is_named)
{
	for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
		struct admin_request request;
		json_t *answer = parse(bad_lines[i].line, &request);
		const char *error = json_string_value(json_object_get(answer, "error"));

		assert_case_equal(i, request.kind, ADMIN_ANSWER);
		assert_true(json_is_false(json_object_get(answer, "ok")));
		if (error == NULL || strstr(error, bad_lines[i].says) == NULL)
			fail_msg("case %zu: \"%s\" does not name \"%s\"", i,
			    error == NULL ? "" : error, bad_lines[i].says);
		json_decref(answer);
	}
}

TEST(open_and_stop_set_their_flags)
{
	struct admin_request request;
	json_t *answer = parse("{\"cmd\":\"open\"}", &request);

	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(atomic_load(&shared.open), 1);
	json_decref(answer);
	answer = parse("{\"cmd\":\"stop\"}", &request);
	assert_int_equal(atomic_load(&shared.stop), 1);
	json_decref(answer);
}

/* No line, whatever its bytes, becomes anything but an answer or a checked command. */
TEST(mutated_lines_never_crash)
{
	uint64_t seed = test_seed();
	char line[1024];

	for (int round = 0; round < 20000; round++) {
		struct admin_request request;
		struct admin_context context;
		json_t *answer = NULL;
		size_t size = sizeof(INSTALL("1048577", "42", "15", KEY64)) - 1;

		context_make(&context);
		memcpy(line, INSTALL("1048577", "42", "15", KEY64), size);
		for (int k = 0; k < 1 + round % 4; k++)
			line[test_random(&seed) % size] = (char)test_random(&seed);
		if (round % 3 == 0)
			size = test_random(&seed) % size;
		admin_parse(&context, line, size, &request, &answer);
		assert_true((request.kind == ADMIN_ANSWER) == (answer != NULL));
		json_decref(answer);
	}
}

TEST_MAIN()
