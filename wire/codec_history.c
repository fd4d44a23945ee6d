/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of earlier requests: STATEMENT, TX_STATUS, REVERSE, FENCE.
 */
#include "wire/codec_internal.h"

uint16_t codec_statement_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct statement_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!codec_account_valid(le64_get(in.account_id)) || in.count < 1 ||
	    in.count > LIMIT_STATEMENT_ROWS)
		return WIRE_CODE_BAD_FIELD;
	request->statement.account_id = le64_get(in.account_id);
	request->statement.before_lsn = le64_get(in.before_lsn);
	request->statement.count = in.count;
	return WIRE_CODE_OK;
}

void codec_statement_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct statement_request out = {
		.account_id = le64_make(request->statement.account_id),
		.before_lsn = le64_make(request->statement.before_lsn),
		.count = request->statement.count,
	};

	memcpy(block, &out, sizeof(out));
}

void codec_statement_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct statement_reply out = {
		.base = *base,
		.next_lsn = le64_make(reply->statement.next_lsn),
		.currency = le16_make(reply->statement.currency),
		.row_count = reply->statement.row_count,
	};

	memcpy(block, &out, sizeof(out));
	memcpy(block + sizeof(out), reply->statement.rows,
	    reply->statement.row_count * sizeof(struct statement_row));
}

void codec_statement_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct statement_reply in;

	memcpy(&in, block, sizeof(in));
	reply->statement.next_lsn = le64_get(in.next_lsn);
	reply->statement.currency = le16_get(in.currency);
	reply->statement.row_count = in.row_count;
	memcpy(reply->statement.rows, rows, in.row_count * sizeof(struct statement_row));
}

uint16_t codec_tx_status_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct tx_status_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (le64_get(in.target_request_id) == 0)
		return WIRE_CODE_BAD_FIELD;
	request->tx_status.target_request_id = le64_get(in.target_request_id);
	return WIRE_CODE_OK;
}

void codec_tx_status_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct tx_status_request out = { le64_make(request->tx_status.target_request_id) };

	memcpy(block, &out, sizeof(out));
}

void codec_tx_status_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct tx_status_reply out = {
		.base = *base,
		.balance = le64s_make(reply->balance),
		.payout = le64s_make(reply->payout),
		.time_ns = le64_make(reply->tx_status.time_ns),
		.target_code = le16_make(reply->tx_status.target_code),
		.target_template = le16_make(reply->tx_status.target_template),
		.target_shard = reply->tx_status.target_shard,
		.score = reply->score,
	};

	memcpy(block, &out, sizeof(out));
}

void codec_tx_status_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct tx_status_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->balance = le64s_get(in.balance);
	reply->payout = le64s_get(in.payout);
	reply->score = in.score;
	reply->tx_status.time_ns = le64_get(in.time_ns);
	reply->tx_status.target_code = le16_get(in.target_code);
	reply->tx_status.target_template = le16_get(in.target_template);
	reply->tx_status.target_shard = in.target_shard;
}

/*
 * REVERSE and FENCE are about an id below their own: ids count up, so what is to come cannot have
 * been sent. (An own id of 0 is BAD_REQUEST_ID, said later.)
 */
static int target_valid(uint64_t target, const struct wire_request *request)
{
	return target != 0 && (target < request->request_id || request->request_id == 0);
}

uint16_t codec_reverse_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct reverse_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!bytes_all_zero(in.reserved, sizeof(in.reserved)))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (!target_valid(le64_get(in.target_request_id), request))
		return WIRE_CODE_BAD_FIELD;
	request->reverse.target_request_id = le64_get(in.target_request_id);
	request->reverse.deadline_ns = le64_get(in.deadline_ns);
	request->reverse.reason = le16_get(in.reason);
	return WIRE_CODE_OK;
}

void codec_reverse_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct reverse_request out = {
		.target_request_id = le64_make(request->reverse.target_request_id),
		.deadline_ns = le64_make(request->reverse.deadline_ns),
		.reason = le16_make(request->reverse.reason),
	};

	memcpy(block, &out, sizeof(out));
}

uint16_t codec_fence_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct fence_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	if (!target_valid(le64_get(in.target_request_id), request))
		return WIRE_CODE_BAD_FIELD;
	request->fence.target_request_id = le64_get(in.target_request_id);
	request->fence.deadline_ns = le64_get(in.deadline_ns);
	return WIRE_CODE_OK;
}

void codec_fence_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct fence_request out = {
		.target_request_id = le64_make(request->fence.target_request_id),
		.deadline_ns = le64_make(request->fence.deadline_ns),
	};

	memcpy(block, &out, sizeof(out));
}
