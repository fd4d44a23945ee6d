/* SPDX-License-Identifier: Apache-2.0 */
/* Random commands of control, and the world they begin with. */
#include "tests/ledger/shards_stream.h"

static uint64_t pick(struct shards_stream *stream, uint64_t bound)
{
	return shards_pick(stream->shards, bound);
}

static void rules_set(struct shards_stream *stream)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };
	struct risk_rules *rules = &command.rules;

	risk_rules_default(rules);
	rules->version = ledger_shard(stream->shards->ledger[0])->rules.version + 1;
	rules->refuse_score = 101;
	rules->stake_single_max = 100000;
	rules->stake_daily_max = LIMIT_BALANCE_MAX;
	rules->payout_max = LIMIT_PAYOUT_MAX;
	rules->withdraw_pending_min = 8000;
	rules->withdraw_timeout_s = 7200;
	rules->result_final_s = 40000;
	rules->ticket_expiry_s = 30000;
	rules->limit_raise_delay_s = 3600;
	rules->sprinkle_window_max_s = 3000;
	rules->exposure_selection_max = STREAM_SELECTION_MAX;
	rules->exposure_market_max = STREAM_MARKET_MAX;
	if (!(stream->options & STREAM_LIMITS_FIXED)) {
		rules->exposure_selection_max = (int64_t)pick(stream, 4) * 20000;
		rules->exposure_market_max = (int64_t)pick(stream, 4) * 40001;
	}
	if (pick(stream, 4) != 0)
		risk_rules_extra_default(&command.extra);
	/* Not all shards hear of it, when a process stops in between. */
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		command.rules.version =
		    ledger_shard(stream->shards->ledger[shard])->rules.version + 1;
		assert_true(shards_command_on(stream->shards, shard, &command) > 0);
	}
}

static void market_set(struct shards_stream *stream, uint64_t id)
{
	struct ledger_command command = fixture_market_command(id, 100 + id / 2, ++stream->version,
	    pick(stream, 6) ? MARKET_OPEN : MARKET_SUSPENDED,
	    stream->shards->time_ns + (pick(stream, 8) ? 3 * DAY : HOUR));

	command.market.odds[2] = le32_make(9000);
	(void)shards_command(stream->shards, &command);
}

static void result_set(struct shards_stream *stream)
{
	uint64_t id = pick(stream, 4) ? stream->market_first + pick(stream, 4)
	                              : 1 + pick(stream, stream->market_last);
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = id };
	struct settlement_outcomes outcomes = { 0 };
	struct settlement_outcomes_disk disk;

	command.result.selection_count = STREAM_SELECTIONS;
	command.result.version = le64_make(++stream->version);
	command.result.op = RESULT_SET;
	if (!(stream->options & STREAM_LIMITS_FIXED) && pick(stream, 3) == 0)
		command.result.op = RESULT_ROLLBACK;
	else if (pick(stream, 12) == 0)
		command.result.op = RESULT_FINAL;
	if (command.result.op == RESULT_SET) {
		for (unsigned i = 0; i < STREAM_SELECTIONS; i++)
			outcomes.of[i].kind =
			    (uint8_t)(SETTLEMENT_WIN + pick(stream, SETTLEMENT_HALF_LOSE));
		if (pick(stream, 5) == 0)
			outcomes.of[0] = (struct settlement_outcome){ SETTLEMENT_DEAD_HEAT, 1, 2 };
		settlement_outcomes_write(&outcomes, STREAM_SELECTIONS, &disk);
		memcpy(command.result.outcomes, &disk, sizeof(disk));
	}
	if (command.result.op == RESULT_FINAL)
		command.result.version = le64_make(0);
	(void)shards_command(stream->shards, &command);
}

static void partner_set(struct shards_stream *stream, uint32_t partner_id)
{
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = partner_id };

	command.partner.version = le64_make(++stream->partner_version);
	command.partner.exposure_max = le64s_make(STREAM_PARTNER_MAX);
	if (!(stream->options & STREAM_LIMITS_FIXED))
		command.partner.exposure_max = le64s_make((int64_t)pick(stream, 4) * 50003);
	command.partner.keys_max = le32_make(40);
	command.partner.currency = le16_make(KRW);
	command.partner.blocked = (uint8_t)(stream->asked_count > 0 && pick(stream, 12) == 0);
	(void)shards_command(stream->shards, &command);
}

static void account_command(struct shards_stream *stream)
{
	struct ledger_command command = { .account_id = 1 + pick(stream, STREAM_ACCOUNTS) };

	switch (pick(stream, 6)) {
	case 0:
		command.type = EVENT_ACCOUNT_FREEZE;
		command.flags = pick(stream, 3) ? 0 : EVENT_FLAG_FROZEN;
		break;
	case 1:
		command.type = EVENT_PLAY_SET;
		memset(&command.play, 0, sizeof(command.play));
		command.play.account_id = le64_make(command.account_id);
		for (unsigned i = 0; i < PLAY_LIMITS; i++)
			command.play.active[i] =
			    le64s_make(pick(stream, 2) ? -1 : (int64_t)pick(stream, 300000));
		memcpy(command.play.wanted, command.play.active, sizeof(command.play.wanted));
		break;
	case 2:
		command.type = EVENT_ACCOUNT_FLAGS;
		command.control_sequence = ++stream->control_sequence;
		command.account_flags.flags =
		    le16_make(pick(stream, 3) ? 0 : ACCOUNT_PEP | ACCOUNT_COUNTRY_RISK);
		command.account_flags.country = le16_make((uint16_t)pick(stream, 3));
		break;
	case 3:
		command.type = EVENT_FEEDBACK;
		command.control_sequence = ++stream->control_sequence;
		command.feedback.account_id = le64_make(command.account_id);
		command.feedback.terminal_id = le64_make(pick(stream, STREAM_TERMINALS + 1));
		command.feedback.partner_id =
		    le16_make((uint16_t)pick(stream, STREAM_PARTNERS + 1));
		command.feedback.transaction_ns = le64_make(stream->shards->time_ns);
		command.feedback.confirmed = (uint8_t)pick(stream, 2);
		command.feedback.withdrawn = (uint8_t)(pick(stream, 4) == 0);
		break;
	default:
		command.type = EVENT_ADJUST;
		command.amount = (int64_t)pick(stream, 60000) - 20000;
		command.reason = 3;
		command.control_sequence = ++stream->control_sequence;
		break;
	}
	(void)shards_command(stream->shards, &command);
}

static void other_command(struct shards_stream *stream)
{
	struct ledger_command command = { 0 };

	switch (pick(stream, 5)) {
	case 0:
		command.type = EVENT_WITHDRAW_CLOSE;
		command.object_id = stream_id(stream, &stream->withdrawals);
		command.flags = pick(stream, 2) ? EVENT_FLAG_PAID : 0;
		break;
	case 1:
		command.type = EVENT_BET_VOID;
		command.object_id = stream_id(stream, &stream->bets);
		command.reason = 2;
		break;
	case 2:
		command.type = EVENT_TERMINAL_SET;
		command.terminal_id = 1 + pick(stream, STREAM_TERMINALS);
		command.control_sequence = 1;
		command.terminal.version = le64_make(++stream->terminal_version);
		command.terminal.rights = le32_make(RIGHT_ALL);
		break;
	case 3:
		command.type = pick(stream, 2) ? EVENT_TICK : EVENT_COMMAND_MARK;
		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			command.control_sequence =
			    ledger_shard(stream->shards->ledger[shard])->control_sequence + 1;
			(void)shards_command_on(stream->shards, shard, &command);
		}
		return;
	default:
		command.type = EVENT_WITHDRAW_CLOSE;
		command.object_id = stream_id(stream, &stream->withdrawals);
		command.flags = pick(stream, 2) ? EVENT_FLAG_PAID : 0;
		break;
	}
	(void)shards_command(stream->shards, &command);
}

void stream_command(struct shards_stream *stream)
{
	switch (pick(stream, 24)) {
	case 0:
		if (pick(stream, 3) == 0)
			rules_set(stream);
		break;
	case 1:
		if (pick(stream, 3) == 0)
			partner_set(stream, 1 + (uint32_t)pick(stream, STREAM_PARTNERS));
		break;
	case 2:
	case 3:
	case 4:
		result_set(stream);
		break;
	case 5:
		if (stream->market_last < STREAM_MARKETS) {
			stream->market_last++;
			if (stream->market_last - stream->market_first > 6)
				stream->market_first++;
		}
		market_set(stream, stream->market_last);
		break;
	case 6:
	case 7:
	case 8:
		market_set(stream, stream->market_first + pick(stream, 7));
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		account_command(stream);
		break;
	default:
		other_command(stream);
		break;
	}
}

static void accounts_make(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;

	for (uint64_t id = 1; id <= STREAM_ACCOUNTS; id++) {
		struct wire_request wire = { .template_id = WIRE_OPEN_ACCOUNT,
			.open_account = { .account_id = id,
			    .deadline_ns = NO_DEADLINE,
			    .currency = stream_currency(id),
			    .partner_id = stream_partner(id) } };
		struct ledger_command money = { .type = EVENT_ADJUST,
			.account_id = id,
			.amount = 1000 + (int64_t)pick(stream, 100000),
			.control_sequence = ++stream->control_sequence };

		if (id % 8 == 3)
			continue; /* opened later, or never */
		assert_int_equal(shards_code(shards, &wire, 1), WIRE_CODE_OK);
		assert_true(shards_command(shards, &money) > 0);
	}
}

void stream_world_make(struct shards_stream *stream)
{
	for (uint32_t partner = 1; partner <= STREAM_PARTNERS; partner++)
		partner_set(stream, partner);
	rules_set(stream);
	stream->market_first = 1;
	for (stream->market_last = 0; stream->market_last < 6;)
		market_set(stream, ++stream->market_last);
	accounts_make(stream);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shards_sync(stream->shards, shard);
}
