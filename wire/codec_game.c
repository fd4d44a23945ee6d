/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPRINKLE_CREATE, CLAIM, SPRINKLE_STATUS; ROUND_DEBIT, ROUND_CREDIT, ROUND_ROLLBACK, ROUND_CLOSE.
 */
#include "wire/codec_internal.h"

uint16_t codec_sprinkle_create_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct sprinkle_create_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!codec_account_valid(le64_get(in.account_id)) ||
	    !codec_currency_valid(le16_get(in.currency)) || in.equal > 1)
		return WIRE_CODE_BAD_FIELD;
	request->sprinkle_create.account_id = le64_get(in.account_id);
	request->sprinkle_create.amount = le64s_get(in.amount);
	request->sprinkle_create.room = le64_get(in.room);
	request->sprinkle_create.deadline_ns = le64_get(in.deadline_ns);
	request->sprinkle_create.window_s = le32_get(in.window_s);
	request->sprinkle_create.shares = le32_get(in.shares);
	request->sprinkle_create.currency = le16_get(in.currency);
	request->sprinkle_create.equal = in.equal;
	return WIRE_CODE_OK;
}

void codec_sprinkle_create_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct sprinkle_create_request out = {
		.account_id = le64_make(request->sprinkle_create.account_id),
		.amount = le64s_make(request->sprinkle_create.amount),
		.room = le64_make(request->sprinkle_create.room),
		.deadline_ns = le64_make(request->sprinkle_create.deadline_ns),
		.window_s = le32_make(request->sprinkle_create.window_s),
		.shares = le32_make(request->sprinkle_create.shares),
		.currency = le16_make(request->sprinkle_create.currency),
		.equal = request->sprinkle_create.equal,
	};

	memcpy(block, &out, sizeof(out));
}

uint16_t codec_claim_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct claim_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!codec_account_valid(le64_get(in.account_id)))
		return WIRE_CODE_BAD_FIELD;
	request->claim.token = le64_get(in.token);
	request->claim.account_id = le64_get(in.account_id);
	request->claim.room = le64_get(in.room);
	request->claim.deadline_ns = le64_get(in.deadline_ns);
	return WIRE_CODE_OK;
}

void codec_claim_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct claim_request out = {
		.token = le64_make(request->claim.token),
		.account_id = le64_make(request->claim.account_id),
		.room = le64_make(request->claim.room),
		.deadline_ns = le64_make(request->claim.deadline_ns),
	};

	memcpy(block, &out, sizeof(out));
}

uint16_t codec_sprinkle_status_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct sprinkle_status_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	request->sprinkle_status.token = le64_get(in.token);
	return WIRE_CODE_OK;
}

void codec_sprinkle_status_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct sprinkle_status_request out = { le64_make(request->sprinkle_status.token) };

	memcpy(block, &out, sizeof(out));
}

void codec_sprinkle_status_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct sprinkle_status_reply out = {
		.base = *base,
		.total = le64s_make(reply->sprinkle.total),
		.remaining = le64s_make(reply->sprinkle.remaining),
		.ends_ns = le64_make(reply->sprinkle.ends_ns),
		.shares = le32_make(reply->sprinkle.shares),
		.claimed = le32_make(reply->sprinkle.claimed),
		.currency = le16_make(reply->sprinkle.currency),
		.state = reply->sprinkle.state,
	};

	memcpy(block, &out, sizeof(out));
}

void codec_sprinkle_status_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct sprinkle_status_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->sprinkle.total = le64s_get(in.total);
	reply->sprinkle.remaining = le64s_get(in.remaining);
	reply->sprinkle.ends_ns = le64_get(in.ends_ns);
	reply->sprinkle.shares = le32_get(in.shares);
	reply->sprinkle.claimed = le32_get(in.claimed);
	reply->sprinkle.currency = le16_get(in.currency);
	reply->sprinkle.state = in.state;
}

/* What a round message must not hold: see the table in wire/README.md 7. */
static int round_fields_valid(const struct round_request *in, uint16_t template_id)
{
	int moves = template_id == WIRE_ROUND_DEBIT || template_id == WIRE_ROUND_CREDIT;
	int has_transaction = !bytes_all_zero(in->transaction, sizeof(in->transaction));
	int has_target = !bytes_all_zero(in->target, sizeof(in->target));

	return codec_account_valid(le64_get(in->account_id)) &&
	       codec_currency_valid(le16_get(in->currency)) &&
	       (moves || le64s_get(in->amount) == 0) &&
	       has_transaction == (template_id != WIRE_ROUND_CLOSE) &&
	       has_target == (template_id == WIRE_ROUND_ROLLBACK);
}

uint16_t codec_round_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct round_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!round_fields_valid(&in, request->template_id))
		return WIRE_CODE_BAD_FIELD;
	request->round.account_id = le64_get(in.account_id);
	request->round.amount = le64s_get(in.amount);
	request->round.deadline_ns = le64_get(in.deadline_ns);
	request->round.round = le64_get(in.round);
	request->round.game = le32_get(in.game);
	request->round.currency = le16_get(in.currency);
	request->round.partner_id = le16_get(in.partner_id);
	for (unsigned i = 0; i < 2; i++) {
		request->round.transaction[i] = le64_get(in.transaction[i]);
		request->round.target[i] = le64_get(in.target[i]);
	}
	return WIRE_CODE_OK;
}

void codec_round_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct round_request out = {
		.account_id = le64_make(request->round.account_id),
		.amount = le64s_make(request->round.amount),
		.deadline_ns = le64_make(request->round.deadline_ns),
		.round = le64_make(request->round.round),
		.game = le32_make(request->round.game),
		.currency = le16_make(request->round.currency),
		.partner_id = le16_make(request->round.partner_id),
	};

	for (unsigned i = 0; i < 2; i++) {
		out.transaction[i] = le64_make(request->round.transaction[i]);
		out.target[i] = le64_make(request->round.target[i]);
	}
	memcpy(block, &out, sizeof(out));
}
