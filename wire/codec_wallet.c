/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OPEN_ACCOUNT, BALANCE, DEPOSIT, WITHDRAW, TRANSFER, PLAY_SET.
 */
#include "wire/codec_internal.h"

static void key_get(const struct le64 in[2], uint64_t out[2])
{
	out[0] = le64_get(in[0]);
	out[1] = le64_get(in[1]);
}

static void key_put(const uint64_t in[2], struct le64 out[2])
{
	out[0] = le64_make(in[0]);
	out[1] = le64_make(in[1]);
}

uint16_t codec_open_account_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct open_account_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!codec_account_valid(le64_get(in.account_id)) ||
	    !codec_currency_valid(le16_get(in.currency)))
		return WIRE_CODE_BAD_FIELD;
	request->open_account.account_id = le64_get(in.account_id);
	request->open_account.deadline_ns = le64_get(in.deadline_ns);
	request->open_account.currency = le16_get(in.currency);
	request->open_account.partner_id = le16_get(in.partner_id);
	return WIRE_CODE_OK;
}

void codec_open_account_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct open_account_request out = {
		.account_id = le64_make(request->open_account.account_id),
		.deadline_ns = le64_make(request->open_account.deadline_ns),
		.currency = le16_make(request->open_account.currency),
		.partner_id = le16_make(request->open_account.partner_id),
	};

	memcpy(block, &out, sizeof(out));
}

uint16_t codec_balance_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct balance_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!codec_account_valid(le64_get(in.account_id)))
		return WIRE_CODE_BAD_FIELD;
	request->balance.account_id = le64_get(in.account_id);
	return WIRE_CODE_OK;
}

void codec_balance_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct balance_request out = { le64_make(request->balance.account_id) };

	memcpy(block, &out, sizeof(out));
}

void codec_balance_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct balance_reply out = {
		.base = *base,
		.balance = le64s_make(reply->balance),
		.staked_today = le64s_make(reply->balance_row.staked_today),
		.currency = le16_make(reply->balance_row.currency),
	};

	memcpy(block, &out, sizeof(out));
}

void codec_balance_reply_decode(const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct balance_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->balance = le64s_get(in.balance);
	reply->balance_row.staked_today = le64s_get(in.staked_today);
	reply->balance_row.currency = le16_get(in.currency);
}

/* WITHDRAW too. */
uint16_t codec_deposit_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct deposit_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!codec_account_valid(le64_get(in.account_id)) ||
	    !codec_currency_valid(le16_get(in.currency)))
		return WIRE_CODE_BAD_FIELD;
	request->deposit.account_id = le64_get(in.account_id);
	request->deposit.amount = le64s_get(in.amount);
	request->deposit.deadline_ns = le64_get(in.deadline_ns);
	request->deposit.currency = le16_get(in.currency);
	key_get(in.partner_key, request->deposit.partner_key);
	return WIRE_CODE_OK;
}

void codec_deposit_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct deposit_request out = {
		.account_id = le64_make(request->deposit.account_id),
		.amount = le64s_make(request->deposit.amount),
		.deadline_ns = le64_make(request->deposit.deadline_ns),
		.currency = le16_make(request->deposit.currency),
	};

	key_put(request->deposit.partner_key, out.partner_key);
	memcpy(block, &out, sizeof(out));
}

uint16_t codec_transfer_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct transfer_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!codec_account_valid(le64_get(in.from_account)) ||
	    !codec_account_valid(le64_get(in.to_account)) ||
	    !codec_currency_valid(le16_get(in.currency)))
		return WIRE_CODE_BAD_FIELD;
	request->transfer.from_account = le64_get(in.from_account);
	request->transfer.to_account = le64_get(in.to_account);
	request->transfer.amount = le64s_get(in.amount);
	request->transfer.deadline_ns = le64_get(in.deadline_ns);
	request->transfer.currency = le16_get(in.currency);
	key_get(in.partner_key, request->transfer.partner_key);
	return WIRE_CODE_OK;
}

void codec_transfer_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct transfer_request out = {
		.from_account = le64_make(request->transfer.from_account),
		.to_account = le64_make(request->transfer.to_account),
		.amount = le64s_make(request->transfer.amount),
		.deadline_ns = le64_make(request->transfer.deadline_ns),
		.currency = le16_make(request->transfer.currency),
	};

	key_put(request->transfer.partner_key, out.partner_key);
	memcpy(block, &out, sizeof(out));
}

uint16_t codec_play_set_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct play_set_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!codec_account_valid(le64_get(in.account_id)))
		return WIRE_CODE_BAD_FIELD;
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(in.limits); i++) {
		if (le64s_get(in.limits[i]) < -1 || le64s_get(in.limits[i]) > LIMIT_BALANCE_MAX)
			return WIRE_CODE_BAD_FIELD;
	}
	request->play_set.account_id = le64_get(in.account_id);
	request->play_set.deadline_ns = le64_get(in.deadline_ns);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(in.limits); i++)
		request->play_set.limits[i] = le64s_get(in.limits[i]);
	request->play_set.excluded_until_ns = le64_get(in.excluded_until_ns);
	request->play_set.cooloff_until_ns = le64_get(in.cooloff_until_ns);
	return WIRE_CODE_OK;
}

void codec_play_set_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct play_set_request out = {
		.account_id = le64_make(request->play_set.account_id),
		.deadline_ns = le64_make(request->play_set.deadline_ns),
		.excluded_until_ns = le64_make(request->play_set.excluded_until_ns),
		.cooloff_until_ns = le64_make(request->play_set.cooloff_until_ns),
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(out.limits); i++)
		out.limits[i] = le64s_make(request->play_set.limits[i]);
	memcpy(block, &out, sizeof(out));
}
