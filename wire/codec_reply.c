/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: the switch's builder and the terminal's reader, as far as all templates are alike.
 */
#include <errno.h>

#include "wire/codec_internal.h"

static size_t reply_block_size(uint16_t template_id)
{
	const struct codec_template *known = codec_template_find(template_id);

	return known != NULL ? known->reply_block : sizeof(struct reply_block);
}

static unsigned reply_rows(const struct wire_reply *reply)
{
	switch (reply->template_id) {
	case WIRE_STATEMENT:
		return reply->statement.row_count;
	case WIRE_EVENT_QUERY:
		return reply->events.row_count;
	case WIRE_MARKET_QUERY:
		return reply->markets.row_count;
	default:
		return 0;
	}
}

size_t wire_reply_size(const struct wire_reply *reply)
{
	const struct codec_template *known = codec_template_find(reply->template_id);
	size_t size = sizeof(struct message_header) + sizeof(struct reply_block);

	if (known == NULL)
		return size;
	size = sizeof(struct message_header) + known->reply_block;
	if (known->row_size != 0) {
		SLUICE_DEBUG_ASSERT(reply_rows(reply) <= known->rows_max);
		size += reply_rows(reply) * known->row_size;
	}
	return size;
}

size_t wire_reply_encode(const struct wire_reply *reply, uint8_t *out)
{
	const struct codec_template *known = codec_template_find(reply->template_id);
	size_t size = wire_reply_size(reply);
	struct message_header header = {
		.block_length = le16_make((uint16_t)reply_block_size(reply->template_id)),
		.template_id = le16_make(reply->template_id | WIRE_TEMPLATE_REPLY),
		.schema_version = WIRE_SCHEMA_VERSION,
		.flags = reply->flags,
		.total_length = le16_make((uint16_t)size),
		.request_id = le64_make(reply->request_id),
	};
	struct reply_block base = {
		.code = le16_make(reply->code),
		.detail = le16_make(reply->detail),
		.shard = reply->shard,
		.lsn = le64_make(reply->lsn),
		.switch_time_ns = le64_make(reply->switch_time_ns),
		.object_id = le64_make(reply->object_id),
	};

	memcpy(out, &header, sizeof(header));
	if (known != NULL)
		known->reply_encode(reply, &base, out + sizeof(header));
	else
		memcpy(out + sizeof(header), &base, sizeof(base));
	return size;
}

int wire_template_answers(uint16_t asked, uint16_t answer)
{
	return asked == answer || (asked == WIRE_EVENT_QUERY && answer == WIRE_MARKET_QUERY);
}

/* The body behind the header of a known template: its block, and exactly the rows it announces. */
static int reply_body_whole(
    const struct codec_template *known, const uint8_t *block, size_t block_length, size_t body_size)
{
	unsigned rows;

	if (known->row_size == 0)
		return body_size == block_length;
	rows = block[known->row_count_at];
	return rows <= known->rows_max &&
	       body_size - block_length == rows * (size_t)known->row_size;
}

int wire_reply_decode(const uint8_t *message, size_t size, struct wire_reply *reply)
{
	const uint8_t *block = message + sizeof(struct message_header);
	const struct codec_template *known;
	struct message_header header;
	struct reply_block base;
	size_t block_length, body_size;
	uint16_t template_id;

	if (size < sizeof(header) || size > LIMIT_MESSAGE_SIZE_MAX)
		return -EBADMSG;
	memcpy(&header, message, sizeof(header));
	if ((le16_get(header.template_id) & WIRE_TEMPLATE_REPLY) == 0 ||
	    header.schema_version != WIRE_SCHEMA_VERSION || le16_get(header.total_length) != size)
		return -EBADMSG;
	template_id = le16_get(header.template_id) & (uint16_t)~WIRE_TEMPLATE_REPLY;
	known = codec_template_find(template_id);
	block_length = le16_get(header.block_length);
	body_size = size - sizeof(header);
	if (block_length < reply_block_size(template_id) || block_length > body_size)
		return -EBADMSG;
	/* The variable part of a template this version does not know cannot be checked. */
	if (known != NULL && !reply_body_whole(known, block, block_length, body_size))
		return -EBADMSG;

	memcpy(&base, block, sizeof(base));
	reply->request_id = le64_get(header.request_id);
	reply->lsn = le64_get(base.lsn);
	reply->switch_time_ns = le64_get(base.switch_time_ns);
	reply->object_id = le64_get(base.object_id);
	reply->template_id = template_id;
	reply->code = le16_get(base.code);
	reply->detail = le16_get(base.detail);
	reply->shard = base.shard;
	reply->flags = header.flags;
	reply->score = 0;
	memset(reply->ticket, 0, sizeof(reply->ticket));
	reply->balance = 0;
	reply->payout = 0;
	if (known != NULL)
		known->reply_decode(block, block + block_length, reply);
	return 0;
}
