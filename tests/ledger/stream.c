/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ledger/stream.h"

#include <errno.h>

#define ACCOUNTS 12
#define MARKETS  10

const uint16_t stream_currencies[2] = { 410, 840 };

uint64_t stream_pick(struct stream *stream, uint64_t bound)
{
	return test_random(&stream->random) % bound;
}

static void make_bet(struct stream *stream, struct wire_request *wire)
{
	unsigned legs =
	    stream_pick(stream, 3) ? 1 : 1 + (unsigned)stream_pick(stream, LIMIT_BET_LEGS_MAX);
	static const uint32_t odds[3] = { 2000, 3500, 25000 };

	wire->template_id = WIRE_PLACE_BET;
	wire->place_bet.account_id = 1 + stream_pick(stream, ACCOUNTS + 2);
	wire->place_bet.stake = (int64_t)(1 + stream_pick(stream, 50000));
	if (stream_pick(stream, 50) == 0)
		wire->place_bet.stake = (int64_t)test_random(&stream->random);
	wire->place_bet.deadline_ns = stream_pick(stream, 20) ? NO_DEADLINE : stream->time_ns - 1;
	wire->place_bet.currency = stream_currencies[wire->place_bet.account_id & 1];
	wire->place_bet.odds_policy = (uint8_t)stream_pick(stream, 2);
	wire->place_bet.leg_count = (uint8_t)legs;
	for (unsigned i = 0; i < legs; i++) {
		struct wire_leg *leg = &wire->place_bet.legs[i];

		/* Mostly distinct markets, so that long bets are accepted too. */
		leg->market_id = stream_pick(stream, 12) ? 1 + (i + wire->request_id) % MARKETS
		                                         : 1 + stream_pick(stream, MARKETS + 1);
		leg->selection = (uint16_t)(stream_pick(stream, 30) ? 0 : stream_pick(stream, 5));
		leg->odds = odds[leg->selection % 3] - (stream_pick(stream, 6) ? 0 : 10);
	}
}

static void make_request(struct stream *stream, struct wire_request *wire, uint64_t terminal)
{
	memset(wire, 0, sizeof(*wire));
	wire->request_id = ++stream->request_id[terminal];
	wire->body_hash[0] = test_random(&stream->random);
	switch (stream_pick(stream, 8)) {
	case 0:
		wire->template_id = WIRE_DEPOSIT;
		wire->deposit.account_id = 1 + stream_pick(stream, ACCOUNTS + 2);
		wire->deposit.amount = (int64_t)stream_pick(stream, 100000);
		if (stream_pick(stream, 30) == 0)
			wire->deposit.amount = LIMIT_BALANCE_MAX;
		wire->deposit.deadline_ns = NO_DEADLINE;
		wire->deposit.currency = stream_currencies[wire->deposit.account_id & 1];
		break;
	case 1:
	case 2:
		wire->template_id = WIRE_CANCEL_BET;
		wire->cancel_bet.bet_id =
		    stream->bet_count == 0 || stream_pick(stream, 20) == 0
		        ? test_random(&stream->random)
		        : stream->bets[stream->bet_count - 1 -
		                       stream_pick(stream,
		                           stream->bet_count < 20 ? stream->bet_count : 20)];
		wire->cancel_bet.deadline_ns = NO_DEADLINE;
		break;
	default:
		make_bet(stream, wire);
		break;
	}
}

static void make_factor_rules(struct stream *stream, struct risk_rules_extra *extra)
{
	if (stream_pick(stream, 4) == 0)
		return;
	risk_rules_extra_default(extra);
	extra->points_watch_list = 30;
	extra->currency_count = (uint8_t)stream_pick(stream, 2);
	if (extra->currency_count > 0)
		extra->currencies[0] =
		    (struct risk_amounts){ .currency = stream_currencies[1], .large_amount = 5000 };
}

static void make_risk_command(struct stream *stream, struct ledger_command *command)
{
	struct event_feedback *feedback = &command->feedback;

	command->control_sequence = 1;
	if (stream_pick(stream, 2) == 0) {
		command->type = EVENT_ACCOUNT_FLAGS;
		command->account_id = 1 + stream_pick(stream, ACCOUNTS);
		command->account_flags.flags =
		    le16_make(stream_pick(stream, 3) ? ACCOUNT_PEP
		                                     : ACCOUNT_SANCTIONED | ACCOUNT_COUNTRY_RISK);
		command->account_flags.country = le16_make((uint16_t)stream_pick(stream, 3));
		return;
	}
	command->type = EVENT_FEEDBACK;
	feedback->account_id = le64_make(stream_pick(stream, ACCOUNTS + 1));
	feedback->terminal_id = le64_make(1 + stream_pick(stream, STREAM_TERMINALS));
	feedback->transaction_ns = le64_make(stream->time_ns);
	feedback->confirmed = (uint8_t)stream_pick(stream, 2);
	feedback->withdrawn = (uint8_t)(stream_pick(stream, 4) == 0);
	if (feedback->withdrawn && stream_pick(stream, 2) == 0)
		feedback->learned_s = le32_make(
		    (uint32_t)(stream->time_ns / 1000000000u) - stream_pick(stream, 3600));
}

static void make_command(
    struct stream *stream, const struct ledger *ledger, struct ledger_command *command)
{
	memset(command, 0, sizeof(*command));
	switch (stream_pick(stream, 11)) {
	case 0:
	case 1:
		command->type = EVENT_ACCOUNT_OPEN;
		command->account_id = 1 + stream_pick(stream, ACCOUNTS);
		command->currency = stream_currencies[command->account_id & 1];
		command->amount = (int64_t)stream_pick(stream, 3) * 1000000;
		break;
	case 2:
	case 3:
	case 4: {
		uint64_t id = 1 + stream_pick(stream, MARKETS);

		*command = fixture_market_command(id, id / (stream_pick(stream, 9) ? 1 : 2) + 1,
		    ++stream->version, stream_pick(stream, 5) ? MARKET_OPEN : MARKET_CLOSED,
		    stream->time_ns + (stream_pick(stream, 6) ? DAY : 2 * SECOND));
		break;
	}
	case 5:
		command->type = EVENT_ACCOUNT_FREEZE;
		command->account_id = 1 + stream_pick(stream, ACCOUNTS);
		command->flags = stream_pick(stream, 3) ? 0 : EVENT_FLAG_FROZEN;
		break;
	case 9:
	case 10:
		make_risk_command(stream, command);
		break;
	case 7:
		command->type = EVENT_TERMINAL_SET;
		command->terminal_id = 1 + stream_pick(stream, STREAM_TERMINALS);
		command->control_sequence = 1;
		command->terminal.version = le64_make(++stream->version);
		command->terminal.rights = le32_make((uint32_t)stream_pick(stream, RIGHT_ALL + 1));
		command->terminal.blocked = (uint8_t)stream_pick(stream, 2);
		command->terminal.daily_max = le64s_make((int64_t)stream_pick(stream, 100000));
		break;
	case 6:
		command->type = EVENT_RULES_SET;
		risk_rules_default(&command->rules);
		command->rules.version = ledger_shard(ledger)->rules.version + 1;
		command->rules.utc_offset_s = (uint32_t)stream_pick(stream, 24) * 3600;
		command->rules.stake_daily_max = 50000 + (int64_t)stream_pick(stream, 100000);
		make_factor_rules(stream, &command->extra);
		break;
	default:
		command->type = stream_pick(stream, 2) ? EVENT_TICK : EVENT_COMMAND_MARK;
		command->control_sequence = ledger_shard(ledger)->control_sequence + 1;
		break;
	}
}

int stream_decide(struct stream *stream, struct ledger *ledger)
{
	struct event_buffer *event = &stream->events[stream->count];
	int length;

	memset(event, 0, sizeof(*event));
	stream->time_ns += stream_pick(stream, 40) ? stream_pick(stream, 3 * SECOND)
	                                           : stream_pick(stream, 8 * HOUR);
	if (stream_pick(stream, 5) == 0) {
		struct ledger_command command;

		make_command(stream, ledger, &command);
		length = ledger_decide_command(ledger, &command, stream->time_ns, event);
		/* Of an unknown account. */
		assert_true(length >= 0 || length == -EINVAL || length == -ENOENT);
	} else {
		uint64_t terminal = 1 + stream_pick(stream, STREAM_TERMINALS);
		struct wire_request wire;
		struct ledger_request request = { .wire = &wire, .terminal_id = terminal };

		make_request(stream, &wire, terminal);
		ledger_prefetch(ledger, &wire);
		ledger_prefetch_terminal(ledger, terminal);
		length = stream_pick(stream, 40)
		             ? ledger_decide(ledger, &request, stream->time_ns, event)
		             : ledger_decide_expired(ledger, &request, stream->time_ns, event);
		assert_true(length > 0);
	}
	return length > 0 ? length : 0;
}

void stream_keep(struct stream *stream, int length)
{
	const struct event_buffer *event = &stream->events[stream->count];

	if (fixture_code(event) == WIRE_CODE_OK &&
	    le16_get(fixture_record(event).type) == EVENT_PLACE_BET)
		stream->bets[stream->bet_count++] = le64_get(fixture_record(event).object_id);
	stream->lengths[stream->count++] = (uint16_t)length;
}

int stream_step(struct stream *stream, struct ledger *ledger)
{
	const struct event_buffer *event = &stream->events[stream->count];
	int length = stream_decide(stream, ledger);

	if (length == 0)
		return 0;
	assert_int_equal(event_check(event->bytes, (size_t)length), 0);
	assert_int_equal(event_check(event->bytes, (size_t)length - 1), -EBADMSG);
	assert_int_equal(ledger_apply(ledger, event->bytes, (size_t)length), 0);
	stream_keep(stream, length);
	return 1;
}

struct stream *stream_new(uint64_t seed)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->random = seed;
	stream->time_ns = NOW;
	return stream;
}

void stream_fill(struct stream *stream, struct ledger *ledger, unsigned events)
{
	while (stream->count < events)
		stream_step(stream, ledger);
}

void stream_apply(struct stream *stream, struct ledger *ledger, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		int error = ledger_apply(ledger, stream->events[i].bytes, stream->lengths[i]);

		if (error != 0)
			fail_msg("event %u: error %d", i + 1, error);
	}
}

void stream_assert_same_state(struct ledger *a, struct ledger *b)
{
	struct ledger_totals totals_a, totals_b;
	const struct market_row_state *markets_a[MARKETS * 2], *markets_b[MARKETS * 2];
	int more_a, more_b;
	unsigned count;

	assert_memory_equal(ledger_shard(a), ledger_shard(b), sizeof(struct shard_row));
	ledger_totals(a, &totals_a);
	ledger_totals(b, &totals_b);
	assert_memory_equal(&totals_a, &totals_b, sizeof(totals_a));
	for (uint32_t i = 0; i < ledger_row_count(a, LEDGER_ACCOUNT); i++) {
		const struct account_row *row = ledger_account_at(a, i);

		assert_non_null(ledger_account(b, row->id));
		assert_memory_equal(row, ledger_account(b, row->id), sizeof(*row));
	}
	for (uint32_t i = 0; i < ledger_row_count(a, LEDGER_BET); i++) {
		struct bet_row bet_a, bet_b;

		ledger_bet_at(a, i, &bet_a);
		assert_int_equal(ledger_bet(b, bet_a.id, &bet_b), 0);
		assert_memory_equal(&bet_a, &bet_b, sizeof(bet_a));
	}
	for (uint32_t i = 0; i < ledger_row_count(a, LEDGER_TERMINAL); i++) {
		const struct terminal_row *row = ledger_terminal_at(a, i);

		assert_memory_equal(row, ledger_terminal(b, row->id), sizeof(*row));
	}
	count = ledger_markets_since(a, 0, markets_a, MARKETS * 2, &more_a);
	assert_int_equal(count, totals_a.markets);
	assert_int_equal(count, ledger_markets_since(b, 0, markets_b, MARKETS * 2, &more_b));
	assert_int_equal(more_a | more_b, 0);
	for (unsigned i = 0; i < count; i++)
		assert_memory_equal(markets_a[i], markets_b[i], sizeof(*markets_a[i]));
	assert_true(ledger_state_hash(a) == ledger_state_hash(b));
	assert_true(ledger_state_hash_full(b) == ledger_state_hash(b));
}
