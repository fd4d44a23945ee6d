/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HELLO, HEARTBEAT, KEY_UPDATE, GOODBYE.
 */
#include "wire/codec_internal.h"

uint16_t codec_empty_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	(void)block;
	(void)legs;
	(void)request;
	return WIRE_CODE_OK;
}

void codec_empty_request_encode(const struct wire_request *request, uint8_t *block)
{
	(void)request;
	(void)block;
}

void codec_bare_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	(void)reply;
	memcpy(block, base, sizeof(*base));
}

void codec_bare_reply_decode(const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	(void)block;
	(void)rows;
	(void)reply;
}

uint16_t codec_hello_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct hello_request in;

	(void)legs;
	memcpy(&in, block, sizeof(in));
	request->hello.last_id_sent = le64_get(in.last_id_sent);
	request->hello.last_id_answered = le64_get(in.last_id_answered);
	return WIRE_CODE_OK;
}

void codec_hello_request_encode(const struct wire_request *request, uint8_t *block)
{
	struct hello_request out = {
		.last_id_sent = le64_make(request->hello.last_id_sent),
		.last_id_answered = le64_make(request->hello.last_id_answered),
	};

	memcpy(block, &out, sizeof(out));
}

void codec_hello_reply_encode(
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

void codec_hello_reply_decode(const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct hello_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->hello.next_id = le64_get(in.next_id);
	reply->hello.terminal_id = le64_get(in.terminal_id);
	reply->hello.heartbeat_ms = le32_get(in.heartbeat_ms);
}

uint16_t codec_heartbeat_request_decode(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request)
{
	struct heartbeat_request in;

	(void)legs;
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

void codec_heartbeat_request_encode(const struct wire_request *request, uint8_t *block)
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

void codec_key_update_reply_encode(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block)
{
	struct key_update_reply out = {
		.base = *base,
		.boot_id = le64_make(reply->key_update.boot_id),
		.epoch = le16_make(reply->key_update.epoch),
	};

	memcpy(block, &out, sizeof(out));
}

void codec_key_update_reply_decode(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)
{
	struct key_update_reply in;

	(void)rows;
	memcpy(&in, block, sizeof(in));
	reply->key_update.boot_id = le64_get(in.boot_id);
	reply->key_update.epoch = le16_get(in.epoch);
}
