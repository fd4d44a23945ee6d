/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stages/bets.h"

#include "bench/stages/stages.h"

void bets_apply(struct ledger *ledger, const struct event_buffer *event, int length)
{
	SLUICE_REQUIRE(length > 0 && ledger_apply_own(ledger, event->bytes, (size_t)length) == 0);
}

static void command_do(struct ledger *ledger, const struct ledger_command *command)
{
	struct event_buffer event;

	bets_apply(ledger, &event, ledger_decide_command(ledger, command, BETS_START, &event));
}

static void markets_open(struct ledger *ledger)
{
	struct ledger_command command = { .type = EVENT_MARKET_SET };

	command.market.start_time_ns = le64_make(BETS_START * 2);
	command.market.state = MARKET_OPEN;
	command.market.kind = MARKET_KIND_1X2;
	command.market.selection_count = 3;
	for (unsigned i = 0; i < 3; i++)
		command.market.odds[i] = le32_make(2000);
	for (command.market_id = 1; command.market_id <= BETS_MARKETS; command.market_id++) {
		command.market.event_id = le64_make(command.market_id);
		command.market.version = le64_make(command.market_id);
		command_do(ledger, &command);
	}
}

struct ledger *bets_ledger_create(
    uint64_t accounts, uint64_t bets_max, int64_t balance, int populate)
{
	struct ledger_config config = { .shard_count = 1,
		.accounts_max = (uint32_t)accounts + 1000,
		.bets_max = (uint32_t)bets_max,
		.markets_max = BETS_MARKETS,
		.terminals_max = 1000,
		.objects_max = 1000,
		.populate = (uint8_t)(populate != 0),
		.track_checkpoint = (uint8_t)(populate == BETS_FOLLOWER) };
	struct ledger_command command = { .type = EVENT_RULES_SET };
	struct ledger *ledger;

	ids_bucket_map_default(&config.buckets, 1);
	ledger = ledger_create(&config);
	if (ledger == NULL)
		return NULL;
	risk_rules_default(&command.rules);
	command.rules.version = 2;
	command.rules.stake_daily_max = LIMIT_BALANCE_MAX;
	command.rules.terminal_daily_max = LIMIT_BALANCE_MAX;
	command.rules.refuse_score = 101;
	command.rules.cancel_window_s = 30 * 86400;
	command_do(ledger, &command);
	command = (struct ledger_command){
		.type = EVENT_ACCOUNT_OPEN, .currency = 410, .amount = balance
	};
	for (command.account_id = 1; command.account_id <= accounts; command.account_id++)
		command_do(ledger, &command);
	markets_open(ledger);
	(void)ledger_state_hash(ledger);
	return ledger;
}

void bets_factors_set(struct ledger *ledger, uint32_t model_version)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	command.rules = ledger_shard(ledger)->rules;
	command.rules.version++;
	risk_rules_extra_default(&command.extra);
	if (model_version != 0) {
		command.extra.model_state = RISK_MODEL_ACTIVE;
		command.extra.model_version = model_version;
	}
	command_do(ledger, &command);
}

void bets_burst_make(struct bets *bets)
{
	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		uint64_t number = stages_random(&bets->random);

		bets->wires[i] = (struct wire_request){ .request_id = ++bets->request_id,
			.template_id = WIRE_PLACE_BET,
			.place_bet = { .account_id = number % bets->accounts + 1,
			    .stake = BETS_STAKE,
			    .deadline_ns = UINT64_MAX,
			    .currency = 410,
			    .leg_count = 1,
			    .legs = { { .market_id = (number >> 40) % BETS_MARKETS + 1,
			        .odds = 2000 } } } };
	}
}
