/* SPDX-License-Identifier: Apache-2.0 */
/* Random requests of every mutating message. */
#include "tests/ledger/shards_stream.h"

static uint64_t pick(struct shards_stream *stream, uint64_t bound)
{
	return shards_pick(stream->shards, bound);
}

uint64_t stream_id(struct shards_stream *stream, const struct stream_ids *ids)
{
	unsigned known = ids->count < STREAM_KEPT ? ids->count : STREAM_KEPT;

	if (known == 0 || pick(stream, 40) == 0)
		return 1 + pick(stream, UINT64_MAX - 1);
	return ids->ids[pick(stream, known)];
}

static uint64_t account_pick(struct shards_stream *stream)
{
	return 1 + pick(stream, STREAM_ACCOUNTS + (pick(stream, 20) == 0));
}

static int64_t amount_pick(struct shards_stream *stream)
{
	switch (pick(stream, 40)) {
	case 0:
		return 0;
	case 1:
		return pick(stream, 4) ? 1 : LIMIT_BALANCE_MAX - (int64_t)pick(stream, 3);
	case 2:
		return -(int64_t)pick(stream, 100);
	default:
		return (int64_t)(1 + pick(stream, 20000));
	}
}

static uint16_t currency_pick(struct shards_stream *stream, uint64_t account_id)
{
	return pick(stream, 50) == 0 ? 392 : stream_currency(account_id);
}

static uint64_t deadline_pick(struct shards_stream *stream)
{
	return pick(stream, 50) ? NO_DEADLINE : stream->shards->time_ns - 1;
}

static void key_pick(struct shards_stream *stream, uint64_t key[2])
{
	if (pick(stream, 8) == 0)
		key[0] = 1 + pick(stream, 60);
}

static void bet_make(struct shards_stream *stream, struct wire_request *wire)
{
	static const uint32_t odds[STREAM_SELECTIONS] = { 2000, 3500, 9000 };
	unsigned legs = pick(stream, 3) ? 1 : 1 + (unsigned)pick(stream, 6);
	uint64_t markets = stream->market_last - stream->market_first + 1;
	uint64_t first = pick(stream, markets);

	wire->template_id = WIRE_PLACE_BET;
	wire->place_bet.account_id = pick(stream, 4) ? account_pick(stream) : 0;
	wire->place_bet.stake =
	    pick(stream, 30) ? (int64_t)(1 + pick(stream, 5000)) : amount_pick(stream);
	wire->place_bet.deadline_ns = deadline_pick(stream);
	wire->place_bet.currency = wire->place_bet.account_id == 0 && pick(stream, 3)
	                               ? KRW
	                               : currency_pick(stream, wire->place_bet.account_id);
	wire->place_bet.odds_policy = (uint8_t)pick(stream, 2);
	wire->place_bet.leg_count = (uint8_t)legs;
	for (unsigned i = 0; i < legs; i++) {
		struct wire_leg *leg = &wire->place_bet.legs[i];

		leg->market_id = stream->market_first +
		                 (pick(stream, 25) ? (first + i) % markets : pick(stream, markets));
		leg->selection = (uint16_t)(pick(stream, 3) ? 0 : pick(stream, STREAM_SELECTIONS));
		leg->odds = odds[leg->selection];
	}
}

static void wallet_make(struct shards_stream *stream, struct wire_request *wire)
{
	uint64_t account_id = account_pick(stream), to = account_pick(stream);

	switch (pick(stream, 4)) {
	case 0:
		wire->template_id = pick(stream, 4) ? WIRE_WITHDRAW : WIRE_DEPOSIT;
		wire->deposit.account_id = account_id;
		wire->deposit.amount = amount_pick(stream);
		wire->deposit.currency = currency_pick(stream, account_id);
		wire->deposit.deadline_ns = deadline_pick(stream);
		key_pick(stream, wire->deposit.partner_key);
		break;
	case 1:
		wire->template_id = WIRE_DEPOSIT;
		wire->deposit.account_id = account_id;
		wire->deposit.amount = amount_pick(stream);
		wire->deposit.currency = currency_pick(stream, account_id);
		wire->deposit.deadline_ns = deadline_pick(stream);
		key_pick(stream, wire->deposit.partner_key);
		break;
	default:
		wire->template_id = WIRE_TRANSFER;
		wire->transfer.from_account = account_id;
		wire->transfer.to_account = to;
		wire->transfer.amount = amount_pick(stream);
		wire->transfer.currency = currency_pick(stream, account_id);
		wire->transfer.deadline_ns = deadline_pick(stream);
		key_pick(stream, wire->transfer.partner_key);
		break;
	}
}

static void sprinkle_make(struct shards_stream *stream, struct wire_request *wire)
{
	if (stream->tokens.count == 0 || pick(stream, 6) == 0) {
		uint64_t account_id = account_pick(stream);

		wire->template_id = WIRE_SPRINKLE_CREATE;
		wire->sprinkle_create.account_id = account_id;
		wire->sprinkle_create.amount = amount_pick(stream);
		wire->sprinkle_create.room = pick(stream, 20) == 0;
		wire->sprinkle_create.shares = (uint32_t)pick(stream, pick(stream, 2) ? 4 : 12);
		wire->sprinkle_create.window_s = (uint32_t)pick(stream, 4000);
		wire->sprinkle_create.equal = (uint8_t)pick(stream, 2);
		wire->sprinkle_create.currency = currency_pick(stream, account_id);
		wire->sprinkle_create.deadline_ns = deadline_pick(stream);
		return;
	}
	wire->template_id = WIRE_CLAIM;
	wire->claim.token = pick(stream, 4)
	                        ? stream->tokens.ids[(stream->tokens.count - 1) % STREAM_KEPT]
	                        : stream_id(stream, &stream->tokens);
	wire->claim.account_id = account_pick(stream);
	wire->claim.room = pick(stream, 30) == 0;
	wire->claim.deadline_ns = deadline_pick(stream);
}

static void round_make(struct shards_stream *stream, struct wire_request *wire)
{
	static const uint16_t templates[] = { WIRE_ROUND_DEBIT, WIRE_ROUND_DEBIT, WIRE_ROUND_CREDIT,
		WIRE_ROUND_ROLLBACK, WIRE_ROUND_CLOSE };
	uint64_t account_id = account_pick(stream);

	wire->template_id = templates[pick(stream, SLUICE_ARRAY_COUNT(templates))];
	wire->round.account_id = account_id;
	wire->round.deadline_ns = deadline_pick(stream);
	wire->round.currency = currency_pick(stream, account_id);
	wire->round.partner_id = stream_partner(account_id);
	wire->round.game = (uint32_t)pick(stream, 2);
	wire->round.round = 1 + stream->transactions / 60;
	if (wire->template_id == WIRE_ROUND_DEBIT || wire->template_id == WIRE_ROUND_CREDIT)
		wire->round.amount = amount_pick(stream);
	if (wire->template_id != WIRE_ROUND_CLOSE)
		wire->round.transaction[0] = pick(stream, 10)
		                                 ? ++stream->transactions
		                                 : 1 + pick(stream, stream->transactions + 5);
	if (wire->template_id == WIRE_ROUND_ROLLBACK)
		wire->round.target[0] = stream->transactions < 30
		                            ? 1 + pick(stream, 40)
		                            : stream->transactions + 3 - pick(stream, 30);
}

static void play_make(struct shards_stream *stream, struct wire_request *wire)
{
	wire->template_id = WIRE_PLAY_SET;
	wire->play_set.account_id = account_pick(stream);
	wire->play_set.deadline_ns = deadline_pick(stream);
	for (unsigned i = 0; i < 6; i++)
		wire->play_set.limits[i] = pick(stream, 3) ? -1 : (int64_t)pick(stream, 200000);
	if (pick(stream, 10) == 0)
		wire->play_set.cooloff_until_ns = stream->shards->time_ns + pick(stream, 4 * HOUR);
	if (pick(stream, 40) == 0)
		wire->play_set.excluded_until_ns = stream->shards->time_ns + pick(stream, DAY);
}

static void counter_make(
    struct shards_stream *stream, struct wire_request *wire, uint64_t terminal_id)
{
	switch (pick(stream, 4)) {
	case 0:
		wire->template_id = pick(stream, 2) ? WIRE_SHIFT_OPEN : WIRE_SHIFT_CLOSE;
		wire->shift.cash = (int64_t)pick(stream, 100000);
		wire->shift.cashier_id = 1 + (uint32_t)(pick(stream, 20) == 0);
		wire->shift.currency = KRW;
		wire->shift.deadline_ns = deadline_pick(stream);
		break;
	case 1:
		wire->template_id = WIRE_FENCE;
		wire->fence.target_request_id =
		    stream->shards->request_id[terminal_id] + 1000 + pick(stream, 10);
		wire->fence.deadline_ns = deadline_pick(stream);
		break;
	case 2:
		wire->template_id = WIRE_REPRINT;
		wire->reprint.bet_id = stream_id(stream, &stream->bets);
		wire->reprint.deadline_ns = deadline_pick(stream);
		break;
	default: {
		uint64_t account_id = 1 + pick(stream, STREAM_ACCOUNTS);

		wire->template_id = WIRE_OPEN_ACCOUNT;
		wire->open_account.account_id = account_id;
		wire->open_account.currency = currency_pick(stream, account_id);
		wire->open_account.partner_id = stream_partner(account_id);
		wire->open_account.deadline_ns = deadline_pick(stream);
		break;
	}
	}
}

static void ticket_make(
    struct shards_stream *stream, struct wire_request *wire, uint64_t terminal_id)
{
	uint64_t bet_id = stream_id(stream, &stream->bets);
	(void)terminal_id;
	if (pick(stream, 3) == 0) {
		wire->template_id = WIRE_CANCEL_BET;
		wire->cancel_bet.bet_id = bet_id;
		wire->cancel_bet.deadline_ns = deadline_pick(stream);
		return;
	}
	wire->template_id = WIRE_REDEEM;
	wire->redeem.bet_id = bet_id;
	wire->redeem.deadline_ns = deadline_pick(stream);
	stream->shards->asked.ticket_genuine = pick(stream, 30) != 0;
}

uint64_t stream_request_make(struct shards_stream *stream, struct wire_request *wire)
{
	uint64_t terminal_id = 1 + pick(stream, STREAM_TERMINALS);

	memset(wire, 0, sizeof(*wire));
	wire->body_hash[0] = test_random(&stream->shards->random);
	switch (pick(stream, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		wallet_make(stream, wire);
		break;
	case 4:
	case 5:
	case 6:
		sprinkle_make(stream, wire);
		break;
	case 7:
	case 8:
		round_make(stream, wire);
		break;
	case 9:
		counter_make(stream, wire, terminal_id);
		break;
	case 10:
	case 11:
		ticket_make(stream, wire, terminal_id);
		break;
	case 12:
		if (pick(stream, 8) == 0) {
			play_make(stream, wire);
			break;
		}
		bet_make(stream, wire);
		break;
	default:
		bet_make(stream, wire);
		break;
	}
	return terminal_id;
}
