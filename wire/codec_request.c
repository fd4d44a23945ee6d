/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: the checks of wire/README.md 6, in its order, and the terminal's builder.
 */
#define XXH_INLINE_ALL
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "wire/codec.h"
#include "wire/codec_internal.h"

#define FLAGS_OF_REQUESTS                                                                          \
	(MESSAGE_FLAG_RETRANSMISSION | MESSAGE_FLAG_LINKED | MESSAGE_FLAG_NO_REPLY)

static int account_id_valid(uint64_t account_id)
{
	return account_id != 0 && account_id <= LIMIT_ACCOUNT_ID_MAX;
}

/* ---- One decoder per template: reserved bytes, then ranges; `block` has its known length ---- */

static uint16_t decode_hello(const uint8_t *block, struct wire_request *request)
{
	struct hello_request in;

	memcpy(&in, block, sizeof(in));
	request->hello.last_id_sent = le64_get(in.last_id_sent);
	request->hello.last_id_answered = le64_get(in.last_id_answered);
	return WIRE_CODE_OK;
}

static uint16_t decode_heartbeat(const uint8_t *block, struct wire_request *request)
{
	struct heartbeat_request in;

	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if ((in.state & ~HEARTBEAT_STATE_ALL) != 0)
		return WIRE_CODE_BAD_FIELD;
	if (in.battery_percent > 100 && in.battery_percent != 255)
		return WIRE_CODE_BAD_FIELD;
	request->heartbeat.answered_below = le64_get(in.answered_below);
	request->heartbeat.local_time_ns = le64_get(in.local_time_ns);
	request->heartbeat.sequence = le32_get(in.sequence);
	request->heartbeat.firmware = le32_get(in.firmware);
	request->heartbeat.error_code = le16_get(in.error_code);
	request->heartbeat.state = in.state;
	request->heartbeat.battery_percent = in.battery_percent;
	return WIRE_CODE_OK;
}

/* `legs` follow the whole block, whatever its length; the caller has checked that they are all
 * there. */
static uint16_t decode_place_bet(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct place_bet_request in;
	struct bet_leg leg;

	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved0, sizeof(in.reserved0)) ||
	    !bytes_all_zero(in.reserved1, sizeof(in.reserved1)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	for (unsigned i = 0; i < in.leg_count; i++) {
		memcpy(&leg, legs + i * sizeof(leg), sizeof(leg));
		if (!bytes_all_zero(leg.reserved, sizeof(leg.reserved)))
			return WIRE_CODE_RESERVED_NOT_ZERO;
	}
	if (in.leg_count < 1 || in.leg_count > LIMIT_BET_LEGS_MAX)
		return WIRE_CODE_BAD_FIELD;
	if (in.odds_policy > ODDS_SAME_OR_BETTER || !account_id_valid(le64_get(in.account_id)))
		return WIRE_CODE_BAD_FIELD;

	request->place_bet.account_id = le64_get(in.account_id);
	request->place_bet.stake = le64s_get(in.stake);
	request->place_bet.deadline_ns = le64_get(in.deadline_ns);
	request->place_bet.cashier_id = le32_get(in.cashier_id);
	request->place_bet.currency = le16_get(in.currency);
	request->place_bet.odds_policy = in.odds_policy;
	request->place_bet.leg_count = in.leg_count;
	for (unsigned i = 0; i < in.leg_count; i++) {
		struct wire_leg *out = &request->place_bet.legs[i];

		memcpy(&leg, legs + i * sizeof(leg), sizeof(leg));
		memset(out, 0, sizeof(*out)); /* padding too: rows of legs are hashed as bytes */
		out->market_id = le64_get(leg.market_id);
		out->odds = le32_get(leg.odds);
		out->selection = le16_get(leg.selection);
	}
	return WIRE_CODE_OK;
}

static uint16_t decode_bet_status(const uint8_t *block, struct wire_request *request)
{
	struct bet_status_request in;

	memcpy(&in, block, sizeof(in));
	request->bet_status.bet_id = le64_get(in.bet_id);
	return WIRE_CODE_OK;
}

static uint16_t decode_cancel_bet(const uint8_t *block, struct wire_request *request)
{
	struct cancel_bet_request in;

	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	request->cancel_bet.bet_id = le64_get(in.bet_id);
	request->cancel_bet.deadline_ns = le64_get(in.deadline_ns);
	request->cancel_bet.reason = le16_get(in.reason);
	return WIRE_CODE_OK;
}

static uint16_t decode_balance(const uint8_t *block, struct wire_request *request)
{
	struct balance_request in;

	memcpy(&in, block, sizeof(in));
	if (!account_id_valid(le64_get(in.account_id)))
		return WIRE_CODE_BAD_FIELD;
	request->balance.account_id = le64_get(in.account_id);
	return WIRE_CODE_OK;
}

static uint16_t decode_deposit(const uint8_t *block, struct wire_request *request)
{
	struct deposit_request in;

	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!account_id_valid(le64_get(in.account_id)))
		return WIRE_CODE_BAD_FIELD;
	request->deposit.account_id = le64_get(in.account_id);
	request->deposit.amount = le64s_get(in.amount);
	request->deposit.deadline_ns = le64_get(in.deadline_ns);
	request->deposit.currency = le16_get(in.currency);
	return WIRE_CODE_OK;
}

static uint16_t decode_market_query(const uint8_t *block, struct wire_request *request)
{
	struct market_query_request in;

	memcpy(&in, block, sizeof(in));
	request->market_query.since_version = le64_get(in.since_version);
	request->market_query.market_id = le64_get(in.market_id);
	return WIRE_CODE_OK;
}

/* Block and legs in [block, block + block_length) and behind it; lengths are checked. */
static uint16_t decode_body(
    uint16_t template_id, const uint8_t *block, size_t block_length, struct wire_request *request)
{
	switch (template_id) {
	case WIRE_HELLO:
		return decode_hello(block, request);
	case WIRE_HEARTBEAT:
		return decode_heartbeat(block, request);
	case WIRE_PLACE_BET:
		return decode_place_bet(block, block + block_length, request);
	case WIRE_BET_STATUS:
		return decode_bet_status(block, request);
	case WIRE_CANCEL_BET:
		return decode_cancel_bet(block, request);
	case WIRE_BALANCE:
		return decode_balance(block, request);
	case WIRE_DEPOSIT:
		return decode_deposit(block, request);
	case WIRE_MARKET_QUERY:
		return decode_market_query(block, request);
	default:
		return WIRE_CODE_UNKNOWN_TEMPLATE;
	}
}

/* Bytes of legs that the block announces. The block is known to be whole. */
static size_t variable_length(uint16_t template_id, const uint8_t *block)
{
	if (template_id != WIRE_PLACE_BET)
		return 0;
	return block[offsetof(struct place_bet_request, leg_count)] * sizeof(struct bet_leg);
}

/*
 * XXH3-128 over everything behind the header, seeded with template and schema version: hashed where
 * it lies, without a copy that puts the two in front.
 */
static void body_hash(
    const struct message_header *header, const uint8_t *body, size_t body_size, uint64_t hash[2])
{
	uint64_t seed = le16_get(header->template_id) | (uint64_t)header->schema_version << 16;
	XXH128_hash_t result = XXH3_128bits_withSeed(body, body_size, seed);

	hash[0] = result.low64;
	hash[1] = result.high64;
}

uint16_t wire_request_decode(const uint8_t *message, size_t size, struct wire_request *request)
{
	const uint8_t *block = message + sizeof(struct message_header);
	const struct codec_template *known;
	struct message_header header;
	size_t block_length, body_size;
	uint16_t code;

	request->request_id = 0;
	request->template_id = 0;
	request->flags = 0;
	if (size < sizeof(header) || size > LIMIT_MESSAGE_SIZE_MAX)
		return WIRE_CODE_BAD_LENGTH;
	memcpy(&header, message, sizeof(header));
	request->request_id = le64_get(header.request_id);
	request->template_id = le16_get(header.template_id);
	request->flags = header.flags;

	known = codec_template_find(request->template_id);
	if (SLUICE_UNLIKELY(known == NULL))
		return WIRE_CODE_UNKNOWN_TEMPLATE;
	if (SLUICE_UNLIKELY(header.schema_version != WIRE_SCHEMA_VERSION))
		return WIRE_CODE_BAD_SCHEMA_VERSION;
	block_length = le16_get(header.block_length);
	body_size = size - sizeof(header);
	if (SLUICE_UNLIKELY(
	        le16_get(header.total_length) != size || size % 8 != 0 ||
	        block_length < known->request_block || block_length > body_size ||
	        body_size - block_length != variable_length(request->template_id, block)))
		return WIRE_CODE_BAD_LENGTH;
	code = decode_body(request->template_id, block, block_length, request);
	if (SLUICE_UNLIKELY(code != WIRE_CODE_OK))
		return code;
	if (SLUICE_UNLIKELY((header.flags & ~FLAGS_OF_REQUESTS) != 0))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (SLUICE_UNLIKELY((header.flags & MESSAGE_FLAG_LINKED) != 0))
		return WIRE_CODE_LINK_UNSUPPORTED;
	if (SLUICE_UNLIKELY(request->request_id == 0))
		return WIRE_CODE_BAD_REQUEST_ID;
	body_hash(&header, block, body_size, request->body_hash);
	return WIRE_CODE_OK;
}

/* ---- Builder ---- */

static void encode_heartbeat(const struct wire_request *request, uint8_t *block)
{
	struct heartbeat_request out = {
		.answered_below = le64_make(request->heartbeat.answered_below),
		.local_time_ns = le64_make(request->heartbeat.local_time_ns),
		.sequence = le32_make(request->heartbeat.sequence),
		.firmware = le32_make(request->heartbeat.firmware),
		.error_code = le16_make(request->heartbeat.error_code),
		.state = request->heartbeat.state,
		.battery_percent = request->heartbeat.battery_percent,
	};

	memcpy(block, &out, sizeof(out));
}

static void encode_place_bet(const struct wire_request *request, uint8_t *block)
{
	struct place_bet_request out = {
		.account_id = le64_make(request->place_bet.account_id),
		.stake = le64s_make(request->place_bet.stake),
		.deadline_ns = le64_make(request->place_bet.deadline_ns),
		.currency = le16_make(request->place_bet.currency),
		.odds_policy = request->place_bet.odds_policy,
		.leg_count = request->place_bet.leg_count,
		.cashier_id = le32_make(request->place_bet.cashier_id),
	};
	uint8_t *at = block + sizeof(out);

	memcpy(block, &out, sizeof(out));
	for (unsigned i = 0; i < request->place_bet.leg_count; i++) {
		struct bet_leg leg = {
			.market_id = le64_make(request->place_bet.legs[i].market_id),
			.selection = le16_make(request->place_bet.legs[i].selection),
			.odds = le32_make(request->place_bet.legs[i].odds),
		};

		memcpy(at, &leg, sizeof(leg));
		at += sizeof(leg);
	}
}

static void encode_body(const struct wire_request *request, uint8_t *block)
{
	union {
		struct hello_request hello;
		struct bet_status_request bet_status;
		struct cancel_bet_request cancel_bet;
		struct balance_request balance;
		struct deposit_request deposit;
		struct market_query_request market_query;
	} out;

	memset(&out, 0, sizeof(out));
	switch (request->template_id) {
	case WIRE_HELLO:
		out.hello.last_id_sent = le64_make(request->hello.last_id_sent);
		out.hello.last_id_answered = le64_make(request->hello.last_id_answered);
		memcpy(block, &out.hello, sizeof(out.hello));
		break;
	case WIRE_HEARTBEAT:
		encode_heartbeat(request, block);
		break;
	case WIRE_PLACE_BET:
		encode_place_bet(request, block);
		break;
	case WIRE_BET_STATUS:
		out.bet_status.bet_id = le64_make(request->bet_status.bet_id);
		memcpy(block, &out.bet_status, sizeof(out.bet_status));
		break;
	case WIRE_CANCEL_BET:
		out.cancel_bet.bet_id = le64_make(request->cancel_bet.bet_id);
		out.cancel_bet.deadline_ns = le64_make(request->cancel_bet.deadline_ns);
		out.cancel_bet.reason = le16_make(request->cancel_bet.reason);
		memcpy(block, &out.cancel_bet, sizeof(out.cancel_bet));
		break;
	case WIRE_BALANCE:
		out.balance.account_id = le64_make(request->balance.account_id);
		memcpy(block, &out.balance, sizeof(out.balance));
		break;
	case WIRE_DEPOSIT:
		out.deposit.account_id = le64_make(request->deposit.account_id);
		out.deposit.amount = le64s_make(request->deposit.amount);
		out.deposit.deadline_ns = le64_make(request->deposit.deadline_ns);
		out.deposit.currency = le16_make(request->deposit.currency);
		memcpy(block, &out.deposit, sizeof(out.deposit));
		break;
	default: /* WIRE_MARKET_QUERY: the caller has checked the template */
		out.market_query.since_version = le64_make(request->market_query.since_version);
		out.market_query.market_id = le64_make(request->market_query.market_id);
		memcpy(block, &out.market_query, sizeof(out.market_query));
		break;
	}
}

int wire_request_encode(const struct wire_request *request, uint8_t *out, size_t out_size)
{
	const struct codec_template *known = codec_template_find(request->template_id);
	struct message_header header;
	size_t size;

	if (known == NULL)
		return -EINVAL;
	size = sizeof(header) + known->request_block;
	if (request->template_id == WIRE_PLACE_BET) {
		if (request->place_bet.leg_count < 1 ||
		    request->place_bet.leg_count > LIMIT_BET_LEGS_MAX)
			return -EINVAL;
		size += request->place_bet.leg_count * sizeof(struct bet_leg);
	}
	if (size > out_size)
		return -ENOSPC;
	header = (struct message_header){
		.block_length = le16_make(known->request_block),
		.template_id = le16_make(request->template_id),
		.schema_version = WIRE_SCHEMA_VERSION,
		.flags = request->flags,
		.total_length = le16_make((uint16_t)size),
		.request_id = le64_make(request->request_id),
	};
	memcpy(out, &header, sizeof(header));
	encode_body(request, out + sizeof(header));
	return (int)size;
}
