/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: wire_frame_messages, wire_request_decode, wire_request_encode, wire_reply_decode,
 * wire_reply_size, wire_reply_encode.
 *
 * The input is a plaintext. Whatever decodes must survive encode and decode unchanged.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/codec.h"

static void check_request(const uint8_t *message, size_t size)
{
	static uint8_t encoded[LIMIT_PAYLOAD_SIZE_MAX];
	struct wire_request request, again;
	int length;

	memset(&request, 0, sizeof(request));
	if (wire_request_decode(message, size, &request) != WIRE_CODE_OK)
		return;
	length = wire_request_encode(&request, encoded, sizeof(encoded));
	SLUICE_REQUIRE(length > 0 && (size_t)length <= size);
	memset(&again, 0, sizeof(again));
	SLUICE_REQUIRE(wire_request_decode(encoded, (size_t)length, &again) == WIRE_CODE_OK);
	SLUICE_REQUIRE(again.request_id == request.request_id);
	SLUICE_REQUIRE(again.template_id == request.template_id);
	/* The body hash covers bytes a later schema may have added; without any it is the same. */
	if ((size_t)length == size)
		SLUICE_REQUIRE(
		    memcmp(again.body_hash, request.body_hash, sizeof(again.body_hash)) == 0);
}

static void check_reply(const uint8_t *message, size_t size)
{
	static uint8_t encoded[LIMIT_DATAGRAM_SIZE_MAX];
	struct wire_reply reply, again;
	size_t length;

	memset(&reply, 0, sizeof(reply));
	if (wire_reply_decode(message, size, &reply) != 0)
		return;
	length = wire_reply_size(&reply);
	SLUICE_REQUIRE(length <= WIRE_REPLY_SIZE_MAX);
	SLUICE_REQUIRE(wire_reply_encode(&reply, encoded) == length);
	SLUICE_REQUIRE(wire_reply_decode(encoded, length, &again) == 0);
	SLUICE_REQUIRE(again.request_id == reply.request_id && again.code == reply.code);
	SLUICE_REQUIRE(again.lsn == reply.lsn && again.object_id == reply.object_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	int count;

	if (size > LIMIT_PAYLOAD_SIZE_MAX)
		return 0;
	count = wire_frame_messages(data, size, offsets);
	SLUICE_REQUIRE(count <= LIMIT_MESSAGES_PER_DATAGRAM);
	for (int i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : size;

		SLUICE_REQUIRE(offsets[i] < end && end <= size);
		check_request(data + offsets[i], end - offsets[i]);
		check_reply(data + offsets[i], end - offsets[i]);
	}
	/* The decoders also stand alone: never past `size`, whatever the header says. */
	if (count < 0 && size >= sizeof(struct message_header)) {
		check_request(data, size);
		check_reply(data, size);
	}
	return 0;
}
