/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: the switch's builder and the terminal's reader.
 */
#include <errno.h>
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_internal.h"

static size_t reply_block_size(uint16_t template_id)
{
	const struct codec_template *known = codec_template_find(template_id);

	return known != NULL ? known->reply_block : sizeof(struct reply_block);
}

size_t wire_reply_size(const struct wire_reply *reply)
{
	size_t size = sizeof(struct message_header) + reply_block_size(reply->template_id);

	if (reply->template_id == WIRE_MARKET_QUERY) {
		SLUICE_DEBUG_ASSERT(reply->markets.row_count <= LIMIT_MARKETS_PER_ANSWER);
		size += reply->markets.row_count * sizeof(struct market_row);
	}
	return size;
}

/* ---- Builder ---- */

static void encode_bet_status(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct bet_status_reply out = {
		.base = *base,
		.account_id = le64_make(reply->bet_status.account_id),
		.stake = le64s_make(reply->bet_status.stake),
		.payout = le64s_make(reply->payout),
		.placed_at_ns = le64_make(reply->bet_status.placed_at_ns),
		.currency = le16_make(reply->bet_status.currency),
		.state = reply->bet_status.state,
		.leg_count = reply->bet_status.leg_count,
	};

	memcpy(block, &out, sizeof(out));
}

static void encode_hello(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct hello_reply out = {
		.base = *base,
		.next_id = le64_make(reply->hello.next_id),
		.in_flight_max = le32_make(LIMIT_IN_FLIGHT_PER_TERMINAL),
		.window = le32_make(LIMIT_REQUEST_WINDOW),
		.heartbeat_ms = le32_make(reply->hello.heartbeat_ms),
		.datagram_size_max = le32_make(LIMIT_DATAGRAM_SIZE_MAX),
		.terminal_id = le64_make(reply->hello.terminal_id),
	};

	memcpy(block, &out, sizeof(out));
}

static void encode_markets(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct market_query_reply out = {
		.base = *base,
		.up_to_version = le64_make(reply->markets.up_to_version),
		.more = reply->markets.more,
		.row_count = reply->markets.row_count,
	};

	memcpy(block, &out, sizeof(out));
	memcpy(block + sizeof(out), reply->markets.rows,
	    reply->markets.row_count * sizeof(struct market_row));
}

static void encode_block(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	switch (reply->template_id) {
	case WIRE_HELLO:
		encode_hello(reply, base, block);
		break;
	case WIRE_PLACE_BET: {
		struct place_bet_reply out = {
			.base = *base,
			.balance = le64s_make(reply->balance),
			.payout = le64s_make(reply->payout),
			.score = reply->score,
		};

		memcpy(block, &out, sizeof(out));
		break;
	}
	case WIRE_BET_STATUS:
		encode_bet_status(reply, base, block);
		break;
	case WIRE_CANCEL_BET:
	case WIRE_DEPOSIT: {
		struct money_reply out = {
			.base = *base,
			.balance = le64s_make(reply->balance),
			.score = reply->score,
		};

		memcpy(block, &out, sizeof(out));
		break;
	}
	case WIRE_BALANCE: {
		struct balance_reply out = {
			.base = *base,
			.balance = le64s_make(reply->balance),
			.staked_today = le64s_make(reply->balance_row.staked_today),
			.currency = le16_make(reply->balance_row.currency),
		};

		memcpy(block, &out, sizeof(out));
		break;
	}
	case WIRE_MARKET_QUERY:
		encode_markets(reply, base, block);
		break;
	default: /* HEARTBEAT and unknown templates: the bare block */
		memcpy(block, base, sizeof(*base));
		break;
	}
}

size_t wire_reply_encode(const struct wire_reply *reply, uint8_t *out)
{
	size_t size = wire_reply_size(reply);
	struct message_header header = {
		.block_length = le16_make((uint16_t)reply_block_size(reply->template_id)),
		.template_id = le16_make(reply->template_id | WIRE_TEMPLATE_REPLY),
		.schema_version = WIRE_SCHEMA_VERSION,
		.flags = reply->flags,
		.total_length = le16_make((uint16_t)size),
		.request_id = le64_make(reply->request_id),
	};
	struct reply_block base = {
		.code = le16_make(reply->code),
		.detail = le16_make(reply->detail),
		.shard = reply->shard,
		.lsn = le64_make(reply->lsn),
		.switch_time_ns = le64_make(reply->switch_time_ns),
		.object_id = le64_make(reply->object_id),
	};

	memcpy(out, &header, sizeof(header));
	encode_block(reply, &base, out + sizeof(header));
	return size;
}

/* ---- Reader ---- */

static void decode_block(const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	union {
		struct hello_reply hello;
		struct place_bet_reply place_bet;
		struct bet_status_reply bet_status;
		struct money_reply money;
		struct balance_reply balance;
		struct market_query_reply markets;
	} in;

	switch (reply->template_id) {
	case WIRE_HELLO:
		memcpy(&in.hello, block, sizeof(in.hello));
		reply->hello.next_id = le64_get(in.hello.next_id);
		reply->hello.terminal_id = le64_get(in.hello.terminal_id);
		reply->hello.heartbeat_ms = le32_get(in.hello.heartbeat_ms);
		break;
	case WIRE_PLACE_BET:
		memcpy(&in.place_bet, block, sizeof(in.place_bet));
		reply->balance = le64s_get(in.place_bet.balance);
		reply->payout = le64s_get(in.place_bet.payout);
		reply->score = in.place_bet.score;
		break;
	case WIRE_BET_STATUS:
		memcpy(&in.bet_status, block, sizeof(in.bet_status));
		reply->payout = le64s_get(in.bet_status.payout);
		reply->bet_status.account_id = le64_get(in.bet_status.account_id);
		reply->bet_status.placed_at_ns = le64_get(in.bet_status.placed_at_ns);
		reply->bet_status.stake = le64s_get(in.bet_status.stake);
		reply->bet_status.currency = le16_get(in.bet_status.currency);
		reply->bet_status.state = in.bet_status.state;
		reply->bet_status.leg_count = in.bet_status.leg_count;
		break;
	case WIRE_CANCEL_BET:
	case WIRE_DEPOSIT:
		memcpy(&in.money, block, sizeof(in.money));
		reply->balance = le64s_get(in.money.balance);
		reply->score = in.money.score;
		break;
	case WIRE_BALANCE:
		memcpy(&in.balance, block, sizeof(in.balance));
		reply->balance = le64s_get(in.balance.balance);
		reply->balance_row.staked_today = le64s_get(in.balance.staked_today);
		reply->balance_row.currency = le16_get(in.balance.currency);
		break;
	case WIRE_MARKET_QUERY:
		memcpy(&in.markets, block, sizeof(in.markets));
		reply->markets.up_to_version = le64_get(in.markets.up_to_version);
		reply->markets.more = in.markets.more;
		reply->markets.row_count = in.markets.row_count;
		memcpy(reply->markets.rows, rows, in.markets.row_count * sizeof(struct market_row));
		break;
	default: /* HEARTBEAT and unknown templates: the bare block */
		break;
	}
}

/* Rows the block announces, or -1 for more than fit. The block is known to be whole. */
static int row_count(uint16_t template_id, const uint8_t *block)
{
	unsigned count;

	if (template_id != WIRE_MARKET_QUERY)
		return 0;
	count = block[offsetof(struct market_query_reply, row_count)];
	return count <= LIMIT_MARKETS_PER_ANSWER ? (int)count : -1;
}

int wire_reply_decode(const uint8_t *message, size_t size, struct wire_reply *reply)
{
	const uint8_t *block = message + sizeof(struct message_header);
	struct message_header header;
	struct reply_block base;
	size_t block_length, body_size;
	uint16_t template_id;
	int rows;

	if (size < sizeof(header) || size > LIMIT_MESSAGE_SIZE_MAX)
		return -EBADMSG;
	memcpy(&header, message, sizeof(header));
	if ((le16_get(header.template_id) & WIRE_TEMPLATE_REPLY) == 0 ||
	    header.schema_version != WIRE_SCHEMA_VERSION || le16_get(header.total_length) != size)
		return -EBADMSG;
	template_id = le16_get(header.template_id) & (uint16_t)~WIRE_TEMPLATE_REPLY;
	block_length = le16_get(header.block_length);
	body_size = size - sizeof(header);
	if (block_length < reply_block_size(template_id) || block_length > body_size)
		return -EBADMSG;
	rows = row_count(template_id, block);
	/* The variable part of a template this version does not know cannot be checked. */
	if (rows < 0 || (codec_template_find(template_id) != NULL &&
	                    body_size - block_length != (size_t)rows * sizeof(struct market_row)))
		return -EBADMSG;

	memcpy(&base, block, sizeof(base));
	reply->request_id = le64_get(header.request_id);
	reply->lsn = le64_get(base.lsn);
	reply->switch_time_ns = le64_get(base.switch_time_ns);
	reply->object_id = le64_get(base.object_id);
	reply->template_id = template_id;
	reply->code = le16_get(base.code);
	reply->detail = le16_get(base.detail);
	reply->shard = base.shard;
	reply->flags = header.flags;
	reply->score = 0;
	reply->balance = 0;
	reply->payout = 0;
	decode_block(block, block + block_length, reply);
	return 0;
}
