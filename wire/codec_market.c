/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EVENT_QUERY, MARKET_QUERY.
 */
#include "wire/codec_internal.h"

uint16_t codec_event_query_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct event_query_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	request->event_query.since_version = le64_get(in.since_version);
	request->event_query.event_id = le64_get(in.event_id);
	return WIRE_CODE_OK;
}

void codec_event_query_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct event_query_request out = {
		.since_version = le64_make(request->event_query.since_version),
		.event_id = le64_make(request->event_query.event_id),
	};

	memcpy(block, &out, sizeof(out));
}

void codec_event_query_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct event_query_reply out = {
		.base = *base,
		.up_to_version = le64_make(reply->events.up_to_version),
		.more = reply->events.more,
		.row_count = reply->events.row_count,
	};

	memcpy(block, &out, sizeof(out));
	memcpy(block + sizeof(out), reply->events.rows,
	    reply->events.row_count * sizeof(struct event_row));
}

void codec_event_query_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct event_query_reply in;

	memcpy(&in, block, sizeof(in));
	reply->events.up_to_version = le64_get(in.up_to_version);
	reply->events.more = in.more;
	reply->events.row_count = in.row_count;
	memcpy(reply->events.rows, rows, in.row_count * sizeof(struct event_row));
}

uint16_t codec_market_query_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct market_query_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	request->market_query.since_version = le64_get(in.since_version);
	request->market_query.market_id = le64_get(in.market_id);
	return WIRE_CODE_OK;
}

void codec_market_query_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct market_query_request out = {
		.since_version = le64_make(request->market_query.since_version),
		.market_id = le64_make(request->market_query.market_id),
	};

	memcpy(block, &out, sizeof(out));
}

void codec_market_query_reply_encode(
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

void codec_market_query_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct market_query_reply in;

	memcpy(&in, block, sizeof(in));
	reply->markets.up_to_version = le64_get(in.up_to_version);
	reply->markets.more = in.more;
	reply->markets.row_count = in.row_count;
	memcpy(reply->markets.rows, rows, in.row_count * sizeof(struct market_row));
}
