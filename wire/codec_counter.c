/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work at a counter: REDEEM, REPRINT, SHIFT_OPEN, SHIFT_CLOSE.
 */
#include "wire/codec_internal.h"

uint16_t codec_redeem_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct redeem_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (in.reserved != 0)
		return WIRE_CODE_RESERVED_NOT_ZERO;
	request->redeem.bet_id = le64_get(in.bet_id);
	request->redeem.deadline_ns = le64_get(in.deadline_ns);
	memcpy(request->redeem.ticket, in.ticket, sizeof(in.ticket));
	return WIRE_CODE_OK;
}

void codec_redeem_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct redeem_request out = {
		.bet_id = le64_make(request->redeem.bet_id),
		.deadline_ns = le64_make(request->redeem.deadline_ns),
	};

	memcpy(out.ticket, request->redeem.ticket, sizeof(out.ticket));
	memcpy(block, &out, sizeof(out));
}

uint16_t codec_reprint_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct reprint_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	request->reprint.bet_id = le64_get(in.bet_id);
	request->reprint.deadline_ns = le64_get(in.deadline_ns);
	request->reprint.reason = le16_get(in.reason);
	return WIRE_CODE_OK;
}

void codec_reprint_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct reprint_request out = {
		.bet_id = le64_make(request->reprint.bet_id),
		.deadline_ns = le64_make(request->reprint.deadline_ns),
		.reason = le16_make(request->reprint.reason),
	};

	memcpy(block, &out, sizeof(out));
}

uint16_t codec_shift_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct shift_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (le64s_get(in.cash) < 0 || le64s_get(in.cash) > LIMIT_BALANCE_MAX ||
	    le32_get(in.cashier_id) == 0 || !codec_currency_valid(le16_get(in.currency)))
		return WIRE_CODE_BAD_FIELD;
	request->shift.cash = le64s_get(in.cash);
	request->shift.deadline_ns = le64_get(in.deadline_ns);
	request->shift.cashier_id = le32_get(in.cashier_id);
	request->shift.currency = le16_get(in.currency);
	return WIRE_CODE_OK;
}

void codec_shift_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct shift_request out = {
		.cash = le64s_make(request->shift.cash),
		.deadline_ns = le64_make(request->shift.deadline_ns),
		.cashier_id = le32_make(request->shift.cashier_id),
		.currency = le16_make(request->shift.currency),
	};

	memcpy(block, &out, sizeof(out));
}
