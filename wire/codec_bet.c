/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PLACE_BET, BET_STATUS, CANCEL_BET, and the two answers that mutating messages share.
 */
#include "wire/codec_internal.h"

uint16_t codec_place_bet_request_decode(
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
	/* Account 0 is a cash ticket. */
	if (in.odds_policy > ODDS_SAME_OR_BETTER ||
	    le64_get(in.account_id) > LIMIT_ACCOUNT_ID_MAX ||
	    !codec_currency_valid(le16_get(in.currency)))
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

void codec_place_bet_request_encode(const struct wire_request *request, uint8_t *block)
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

void codec_outcome_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct place_bet_reply out = {
		.base = *base,
		.balance = le64s_make(reply->balance),
		.payout = le64s_make(reply->payout),
		.score = reply->score,
	};

	if (reply->template_id == WIRE_PLACE_BET)
		memcpy(out.ticket, reply->ticket, sizeof(out.ticket));
	memcpy(block, &out, sizeof(out));
}

void codec_outcome_reply_decode(const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct place_bet_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->balance = le64s_get(in.balance);
	reply->payout = le64s_get(in.payout);
	reply->score = in.score;
	if (reply->template_id == WIRE_PLACE_BET)
		memcpy(reply->ticket, in.ticket, sizeof(reply->ticket));
}

uint16_t codec_bet_status_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct bet_status_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	request->bet_status.bet_id = le64_get(in.bet_id);
	return WIRE_CODE_OK;
}

void codec_bet_status_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct bet_status_request out = { le64_make(request->bet_status.bet_id) };

	memcpy(block, &out, sizeof(out));
}

void codec_bet_status_reply_encode(
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
		.reprints = reply->bet_status.reprints,
	};

	memcpy(block, &out, sizeof(out));
}

void codec_bet_status_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct bet_status_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->payout = le64s_get(in.payout);
	reply->bet_status.account_id = le64_get(in.account_id);
	reply->bet_status.placed_at_ns = le64_get(in.placed_at_ns);
	reply->bet_status.stake = le64s_get(in.stake);
	reply->bet_status.currency = le16_get(in.currency);
	reply->bet_status.state = in.state;
	reply->bet_status.leg_count = in.leg_count;
	reply->bet_status.reprints = in.reprints;
}

uint16_t codec_cancel_bet_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct cancel_bet_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	request->cancel_bet.bet_id = le64_get(in.bet_id);
	request->cancel_bet.deadline_ns = le64_get(in.deadline_ns);
	request->cancel_bet.reason = le16_get(in.reason);
	return WIRE_CODE_OK;
}

void codec_cancel_bet_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct cancel_bet_request out = {
		.bet_id = le64_make(request->cancel_bet.bet_id),
		.deadline_ns = le64_make(request->cancel_bet.deadline_ns),
		.reason = le16_make(request->cancel_bet.reason),
	};

	memcpy(block, &out, sizeof(out));
}

void codec_money_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct money_reply out = {
		.base = *base,
		.balance = le64s_make(reply->balance),
		.score = reply->score,
	};

	memcpy(block, &out, sizeof(out));
}

void codec_money_reply_decode(const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct money_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->balance = le64s_get(in.balance);
	reply->score = in.score;
}
