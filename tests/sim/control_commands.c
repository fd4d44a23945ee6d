/* SPDX-License-Identifier: Apache-2.0 */
/* Random commands of control, and those a run begins with. */
#include "tests/sim/world.h"

static void rules_add(struct world *world)
{
	struct ledger_command *command = &control_add(world)->ledger;
	struct risk_rules *rules = &command->rules;

	command->type = EVENT_RULES_SET;
	risk_rules_default(rules);
	rules->version = ++world->control.rules_version;
	rules->refuse_score = (uint8_t)(sim_below(3) ? 101 : 80 + sim_below(20));
	rules->stake_single_max = 100000;
	rules->stake_daily_max = LIMIT_BALANCE_MAX;
	rules->terminal_daily_max = sim_below(4) ? LIMIT_BALANCE_MAX : 200000;
	rules->payout_max = LIMIT_PAYOUT_MAX;
	rules->withdraw_pending_min = 8000;
	rules->withdraw_timeout_s = 7200;
	rules->result_final_s = 40000;
	rules->ticket_expiry_s = 30000;
	rules->limit_raise_delay_s = 3600;
	rules->sprinkle_window_max_s = 3000;
	rules->exposure_selection_max = SELECTION_MAX;
	rules->exposure_market_max = MARKET_MAX;
	if (sim_below(4) != 0)
		risk_rules_extra_default(&command->extra);
	if (command->extra.points_model_max != 0 && sim_below(2)) {
		command->extra.model_state = sim_below(2) ? RISK_MODEL_ACTIVE : RISK_MODEL_SHADOW;
		command->extra.model_version = WORLD_MODEL;
		command->extra.points_model_max = (uint8_t)sim_below(101);
	}
	if (!world->plan.limits_fixed) {
		rules->exposure_selection_max = (int64_t)sim_below(4) * 20000;
		rules->exposure_market_max = (int64_t)sim_below(4) * 40001;
	}
}

static void market_add(struct world *world, uint64_t id)
{
	struct ledger_command *command = &control_add(world)->ledger;

	command->type = EVENT_MARKET_SET;
	command->market_id = id;
	command->market.event_id = le64_make(100 + id / 2);
	command->market.version = le64_make(++world->control.version);
	command->market.start_time_ns =
	    le64_make(world_now() + (sim_below(8) ? 3 * 86400 * SECOND_NS : 3600 * SECOND_NS));
	command->market.state = sim_below(6) ? MARKET_OPEN : MARKET_SUSPENDED;
	command->market.kind = MARKET_KIND_1X2;
	command->market.selection_count = WORLD_SELECTIONS;
	command->market.odds[0] = le32_make(2000);
	command->market.odds[1] = le32_make(3500);
	command->market.odds[2] = le32_make(9000);
}

static void result_add(struct world *world)
{
	struct ledger_command *command = &control_add(world)->ledger;
	struct settlement_outcomes outcomes = { 0 };
	struct settlement_outcomes_disk disk;

	command->type = EVENT_MARKET_RESULT;
	command->market_id = sim_below(4) ? world->control.market_first + sim_below(4)
	                                  : 1 + sim_below(world->control.market_last);
	command->result.selection_count = WORLD_SELECTIONS;
	command->result.op = RESULT_SET;
	if (!world->plan.limits_fixed && sim_below(3) == 0)
		command->result.op = RESULT_ROLLBACK;
	else if (sim_below(12) == 0)
		command->result.op = RESULT_FINAL;
	if (command->result.op == RESULT_FINAL)
		return;
	command->result.version = le64_make(++world->control.version);
	if (command->result.op == RESULT_ROLLBACK)
		return;
	for (unsigned i = 0; i < WORLD_SELECTIONS; i++)
		outcomes.of[i].kind = (uint8_t)(SETTLEMENT_WIN + sim_below(SETTLEMENT_HALF_LOSE));
	if (sim_below(5) == 0)
		outcomes.of[0] = (struct settlement_outcome){ SETTLEMENT_DEAD_HEAT, 1, 2 };
	settlement_outcomes_write(&outcomes, WORLD_SELECTIONS, &disk);
	memcpy(command->result.outcomes, &disk, sizeof(disk));
}

static void partner_add(struct world *world, uint32_t partner_id)
{
	struct ledger_command *command = &control_add(world)->ledger;

	command->type = EVENT_PARTNER_SET;
	command->object_id = partner_id;
	command->partner.version = le64_make(++world->control.partner_version);
	command->partner.exposure_max = le64s_make(PARTNER_MAX);
	if (!world->plan.limits_fixed)
		command->partner.exposure_max = le64s_make((int64_t)sim_below(4) * 50003);
	command->partner.keys_max = le32_make(40);
	command->partner.currency = le16_make(CURRENCY_MAIN);
	command->partner.blocked = (uint8_t)(world->operations > 100 && sim_below(12) == 0);
}

static void account_add(struct world *world)
{
	struct ledger_command *command = &control_add(world)->ledger;

	command->account_id = 1 + sim_below(WORLD_ACCOUNTS);
	switch (sim_below(6)) {
	case 0:
		command->type = EVENT_ACCOUNT_FREEZE;
		command->flags = sim_below(3) ? 0 : EVENT_FLAG_FROZEN;
		break;
	case 1:
		command->type = EVENT_PLAY_SET;
		command->play.account_id = le64_make(command->account_id);
		for (unsigned i = 0; i < PLAY_LIMITS; i++)
			command->play.active[i] =
			    le64s_make(sim_below(2) ? -1 : (int64_t)sim_below(300000));
		memcpy(command->play.wanted, command->play.active, sizeof(command->play.wanted));
		break;
	case 2:
		command->type = EVENT_ACCOUNT_FLAGS;
		command->account_flags.flags =
		    le16_make(sim_below(3) ? 0 : ACCOUNT_PEP | ACCOUNT_COUNTRY_RISK);
		command->account_flags.country = le16_make((uint16_t)sim_below(3));
		break;
	case 3:
		command->type = EVENT_FEEDBACK;
		command->feedback.account_id = le64_make(command->account_id);
		command->feedback.terminal_id =
		    le64_make(world->terminals[sim_below(WORLD_TERMINALS)].id);
		command->feedback.partner_id = le16_make((uint16_t)sim_below(WORLD_PARTNERS + 1));
		command->feedback.transaction_ns = le64_make(sim_below(1u << 30) << 20);
		command->feedback.confirmed = (uint8_t)sim_below(2);
		command->feedback.withdrawn = (uint8_t)(sim_below(4) == 0);
		if (command->feedback.withdrawn)
			command->feedback.learned_s = le32_make(sim_below(1u << 31));
		break;
	default:
		command->type = EVENT_ADJUST;
		command->amount = (int64_t)sim_below(60000) - 20000;
		command->currency = world_currency(command->account_id);
		command->reason = 3;
		break;
	}
}

static void other_add(struct world *world)
{
	struct ledger_command *command = &control_add(world)->ledger;

	switch (sim_below(4)) {
	case 0:
		command->type = EVENT_BET_VOID;
		command->object_id = kept_pick(&world->bets);
		command->reason = 2;
		break;
	case 1:
		command->type = EVENT_TERMINAL_SET;
		command->terminal_id = world->terminals[sim_below(WORLD_TERMINALS)].id;
		command->terminal.version = le64_make(++world->control.terminal_version);
		command->terminal.rights =
		    le32_make(sim_below(8) ? RIGHT_ALL : (uint32_t)sim_below(RIGHT_ALL));
		command->terminal.blocked = (uint8_t)(sim_below(8) == 0);
		break;
	default:
		command->type = EVENT_WITHDRAW_CLOSE;
		command->object_id = kept_pick(&world->withdrawals);
		command->flags = sim_below(2) ? EVENT_FLAG_PAID : 0;
		break;
	}
}

void control_command_make(struct world *world)
{
	struct control *control = &world->control;

	if (control->count + 2 > CONTROL_COMMANDS_MAX)
		return;
	switch (sim_below(24)) {
	case 0:
		rules_add(world);
		break;
	case 1:
		partner_add(world, 1 + (uint32_t)sim_below(WORLD_PARTNERS));
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		result_add(world);
		break;
	case 6:
	case 7:
	case 8:
		if (control->market_last < WORLD_MARKETS) {
			control->market_last++;
			if (control->market_last - control->market_first > 6)
				control->market_first++;
		}
		market_add(world, control->market_last);
		break;
	case 9:
	case 10:
	case 11:
		market_add(world, control->market_first + sim_below(6));
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		account_add(world);
		break;
	default:
		other_add(world);
		break;
	}
}

static void accounts_add(struct world *world, uint64_t first, uint64_t count)
{
	struct shard_command *command = control_add(world);
	uint64_t sequence = command->ledger.control_sequence;

	command->kind = SHARD_ACCOUNTS_OPEN;
	memset(&command->accounts, 0, sizeof(command->accounts));
	command->accounts.first = first;
	command->accounts.count = count;
	command->accounts.control_sequence = sequence;
	command->accounts.currency = world_currency(first);
	command->accounts.opening_balance = 1000 + (int64_t)sim_below(100000);
}

void control_world_make(struct world *world)
{
	struct control *control = &world->control;

	rules_add(world);
	for (uint32_t partner = 1; partner <= WORLD_PARTNERS; partner++)
		partner_add(world, partner);
	control->market_first = 1;
	for (control->market_last = 0; control->market_last < 6;) {
		control->market_last++;
		market_add(world, control->market_last);
	}
	/* The others are opened by terminals, with partners. A range is of one currency. */
	for (uint64_t id = 1; id <= WORLD_ACCOUNTS * 3 / 4; id += 5) {
		accounts_add(world, id, 4);
		accounts_add(world, id + 4, 1);
	}
}
