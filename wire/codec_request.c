/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: the checks of wire/README.md 6, in its order, and the terminal's builder, as far as all
 * templates are alike.
 */
#define XXH_INLINE_ALL
#include <errno.h>
#include <xxhash.h>

#include "wire/codec_internal.h"

#define FLAGS_OF_REQUESTS                                                                          \
	(MESSAGE_FLAG_RETRANSMISSION | MESSAGE_FLAG_LINKED | MESSAGE_FLAG_NO_REPLY)

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
	code = known->request_decode(block, block + block_length, request);
	if (SLUICE_UNLIKELY(code != WIRE_CODE_OK))
		return code;
	if (SLUICE_UNLIKELY((header.flags & ~FLAGS_OF_REQUESTS) != 0))
		return WIRE_CODE_RESERVED_NOT_ZERO;
	if (SLUICE_UNLIKELY((header.flags & MESSAGE_FLAG_LINKED) != 0 && !known->mutates))
		return WIRE_CODE_LINK_INVALID;
	if (SLUICE_UNLIKELY(request->request_id == 0))
		return WIRE_CODE_BAD_REQUEST_ID;
	body_hash(&header, block, body_size, request->body_hash);
	return WIRE_CODE_OK;
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
	known->request_encode(request, out + sizeof(header));
	return (int)size;
}
