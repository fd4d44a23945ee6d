/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target: admin_parse. The input is a line of the admin socket. Whatever it is, it becomes either
 * an answer that says ok or why not, or a command a shard can take without looking at it again.
 * `status` and `histograms` are left out: they only read counters, of workers that are not here.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/admin/admin.h"
#include "tests/fuzz/fuzz.h"

#define SLOTS 100u

static struct switch_shared shared;

static void start(void)
{
	if (shared.slot_home != NULL)
		return;
	shared.shard_count = 4;
	shared.slots_max = SLOTS;
	ids_bucket_map_default(&shared.buckets, 4);
	shared.slot_home = calloc(SLOTS, sizeof(*shared.slot_home));
	SLUICE_REQUIRE(shared.slot_home != NULL);
	for (uint32_t i = 0; i < SLOTS; i++) /* every second slot is live */
		atomic_store(&shared.slot_home[i], (uint8_t)(i % 2 ? 0xff : i % 4));
}

static int is_figures(const uint8_t *data, size_t size)
{
	json_error_t problem;
	json_t *line = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &problem);
	const char *name = json_string_value(json_object_get(line, "cmd"));
	int figures =
	    name != NULL && (strcmp(name, "status") == 0 || strcmp(name, "histograms") == 0);

	json_decref(line);
	return figures;
}

static void check_answer(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	SLUICE_REQUIRE(json_is_object(answer) && json_is_boolean(json_object_get(answer, "ok")));
	SLUICE_REQUIRE(
	    json_is_true(json_object_get(answer, "ok")) || (error != NULL && error[0] != '\0'));
}

/* A question becomes an area that says of whom and what; nobody has answered it: found nothing. */
static void check_query(const struct admin_request *request)
{
	const struct admin_context context = { .shared = &shared };
	static struct shard_query query; /* no shard has filled an entry */
	json_t *answer;
	enum shard_query_kind kind = request->query.kind;
	int of_all = kind == QUERY_SESSIONS || kind == QUERY_MARKET || kind == QUERY_OBJECT;

	SLUICE_REQUIRE(of_all == (request->kind == ADMIN_ALL_SHARDS));
	if (kind == QUERY_SESSIONS)
		SLUICE_REQUIRE(request->query.id < LIMIT_SESSION_SLOTS);
	else if (kind == QUERY_OBJECT && request->query.id == 0)
		SLUICE_REQUIRE(object_kind_name(request->query.key.kind) != NULL);
	else if (kind == QUERY_WITHDRAWALS)
		SLUICE_REQUIRE(request->query.id <= UINT32_MAX);
	else
		SLUICE_REQUIRE(request->query.id != 0);
	admin_query_prepare(&context, request, &query);
	SLUICE_REQUIRE(query.sessions_count <= QUERY_SESSIONS_MAX);
	for (uint32_t i = 0; i < query.sessions_count; i++)
		SLUICE_REQUIRE(query.sessions[i].slot < SLOTS && query.sessions[i].home < 4);
	answer = admin_query_answer(&context, &query);
	check_answer(answer);
	json_decref(answer);
}

static void check_one(const struct admin_request *request)
{
	const struct session_install *install = &request->command.install;

	SLUICE_REQUIRE(request->shard < shared.shard_count);
	if (request->command.kind == SHARD_QUERY) {
		check_query(request);
		return;
	}
	if (request->command.kind == SHARD_SESSION_END)
		return;
	SLUICE_REQUIRE(request->command.kind == SHARD_SESSION_INSTALL);
	SLUICE_REQUIRE((install->session_id & (LIMIT_SESSION_SLOTS - 1)) < SLOTS);
	SLUICE_REQUIRE(install->terminal_id >= 1 && install->terminal_id <= LIMIT_TERMINAL_ID_MAX);
	SLUICE_REQUIRE((install->rights & ~(uint32_t)RIGHT_ALL) == 0);
}

static void check_market(const struct event_market *market)
{
	SLUICE_REQUIRE(market->state >= MARKET_BEFORE && market->state <= MARKET_CLOSED);
	SLUICE_REQUIRE(
	    market->selection_count >= 1 && market->selection_count <= LIMIT_MARKET_SELECTIONS_MAX);
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		uint32_t odds = le32_get(market->odds[i]);

		/* 0: not on offer. */
		SLUICE_REQUIRE(odds == 0 || (i < market->selection_count &&
		                                odds >= LIMIT_ODDS_MIN && odds <= LIMIT_ODDS_MAX));
	}
}

static void check_result(const struct event_result *result)
{
	struct settlement_outcomes_disk disk;
	struct settlement_outcomes outcomes;

	memcpy(&disk, result->outcomes, sizeof(disk));
	if (result->op == RESULT_SET)
		SLUICE_REQUIRE(
		    settlement_outcomes_read(&disk, result->selection_count, &outcomes) == 0);
	else
		SLUICE_REQUIRE((result->op == RESULT_ROLLBACK || result->op == RESULT_FINAL) &&
		               bytes_all_zero(result->outcomes, sizeof(result->outcomes)));
}

/* Of commands about one account, bet, withdrawal or partner. */
static void check_about_one(const struct ledger_command *command)
{
	switch (command->type) {
	case EVENT_COMMAND_MARK:
		return;
	case EVENT_BET_VOID:
	case EVENT_WITHDRAW_CLOSE:
		SLUICE_REQUIRE(command->object_id != 0);
		return;
	case EVENT_PARTNER_SET:
		SLUICE_REQUIRE(
		    command->object_id >= 1 && command->object_id <= LIMIT_PARTNER_ID_MAX);
		return;
	case EVENT_ADJUST:
		SLUICE_REQUIRE(command->amount != 0 && command->amount <= LIMIT_BALANCE_MAX &&
		               command->amount >= -LIMIT_BALANCE_MAX);
		break;
	case EVENT_FEEDBACK:
		SLUICE_REQUIRE(event_feedback_check(&command->feedback) == 0);
		return;
	case EVENT_ACCOUNT_FLAGS:
		SLUICE_REQUIRE(event_account_flags_check(&command->account_flags) == 0);
		break;
	default:
		SLUICE_REQUIRE(
		    command->type == EVENT_ACCOUNT_FREEZE || command->type == EVENT_PLAY_SET);
	}
	SLUICE_REQUIRE(command->account_id >= 1 && command->account_id <= LIMIT_ACCOUNT_ID_MAX);
}

static void check_all(const struct admin_request *request)
{
	const struct ledger_command *command = &request->command.ledger;
	const char *field = NULL;

	if (request->command.kind == SHARD_QUERY) {
		check_query(request);
		return;
	}
	if (request->command.kind == SHARD_ACCOUNTS_OPEN) {
		SLUICE_REQUIRE(request->command.accounts.control_sequence >= 1);
		SLUICE_REQUIRE(request->command.accounts.first >= 1);
		SLUICE_REQUIRE(request->command.accounts.count >= 1);
		/* The last id opened is a customer's: no overflow into system accounts. */
		SLUICE_REQUIRE(request->command.accounts.first + request->command.accounts.count <=
		               LIMIT_ACCOUNT_ID_MAX);
		SLUICE_REQUIRE(request->command.accounts.opening_balance >= 0);
		return;
	}
	SLUICE_REQUIRE(request->command.kind == SHARD_LEDGER);
	SLUICE_REQUIRE(command->control_sequence >= 1);
	if (command->type == EVENT_MARKET_SET)
		check_market(&command->market);
	else if (command->type == EVENT_RULES_SET)
		SLUICE_REQUIRE(risk_rules_check(&command->rules, &field) == 0);
	else if (command->type == EVENT_TERMINAL_SET)
		SLUICE_REQUIRE(command->terminal_id >= 1 &&
		               command->terminal_id <= LIMIT_TERMINAL_ID_MAX &&
		               event_terminal_check(&command->terminal) == 0);
	else if (command->type == EVENT_MARKET_RESULT)
		check_result(&command->result);
	else
		check_about_one(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct admin_context context = { .shared = &shared };
	struct admin_request request;
	json_t *answer = NULL;
	char *line;

	if (size > ADMIN_LINE_SIZE_MAX || is_figures(data, size))
		return 0;
	start();
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	line = malloc(size > 0 ? size : 1);
	SLUICE_REQUIRE(line != NULL);
	if (size > 0)
		memcpy(line, data, size);
	admin_parse(&context, line, size, &request, &answer);
	free(line);
	SLUICE_REQUIRE((answer != NULL) == (request.kind == ADMIN_ANSWER));
	if (request.kind == ADMIN_ANSWER)
		check_answer(answer);
	else if (request.kind == ADMIN_ONE_SHARD)
		check_one(&request);
	else
		check_all(&request);
	json_decref(answer);
	return 0;
}
