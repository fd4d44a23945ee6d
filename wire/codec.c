/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue and the framing of a plaintext into messages.
 */
#include "wire/codec.h"

#include <errno.h>
#include <string.h>

#include "wire/codec_internal.h"

static const struct codec_template templates[] = {
	{ "HELLO", WIRE_HELLO, sizeof(struct hello_request), sizeof(struct hello_reply), 0, 0 },
	{ "HEARTBEAT", WIRE_HEARTBEAT, sizeof(struct heartbeat_request), sizeof(struct reply_block),
	    0, 0 },
	{ "PLACE_BET", WIRE_PLACE_BET, sizeof(struct place_bet_request),
	    sizeof(struct place_bet_reply), RIGHT_BET, 1 },
	{ "BET_STATUS", WIRE_BET_STATUS, sizeof(struct bet_status_request),
	    sizeof(struct bet_status_reply), RIGHT_BET, 0 },
	{ "CANCEL_BET", WIRE_CANCEL_BET, sizeof(struct cancel_bet_request),
	    sizeof(struct money_reply), RIGHT_BET, 1 },
	{ "BALANCE", WIRE_BALANCE, sizeof(struct balance_request), sizeof(struct balance_reply),
	    RIGHT_BALANCE, 0 },
	{ "DEPOSIT", WIRE_DEPOSIT, sizeof(struct deposit_request), sizeof(struct money_reply),
	    RIGHT_DEPOSIT, 1 },
	{ "MARKET_QUERY", WIRE_MARKET_QUERY, sizeof(struct market_query_request),
	    sizeof(struct market_query_reply), RIGHT_MARKET, 0 },
};

/* Index in `templates` + 1 by template id; 0: none. Every id of the catalogue is below 64. */
static const uint8_t template_index[64] = {
	[WIRE_HELLO] = 1,
	[WIRE_HEARTBEAT] = 2,
	[WIRE_PLACE_BET] = 3,
	[WIRE_BET_STATUS] = 4,
	[WIRE_CANCEL_BET] = 5,
	[WIRE_BALANCE] = 6,
	[WIRE_DEPOSIT] = 7,
	[WIRE_MARKET_QUERY] = 8,
};

const struct codec_template *codec_template_find(uint16_t template_id)
{
	if (template_id >= SLUICE_ARRAY_COUNT(template_index) || template_index[template_id] == 0)
		return NULL;
	return &templates[template_index[template_id] - 1];
}

uint32_t wire_template_right(uint16_t template_id)
{
	const struct codec_template *found = codec_template_find(template_id);

	return found != NULL ? found->right : 0;
}

int wire_template_mutates(uint16_t template_id)
{
	const struct codec_template *found = codec_template_find(template_id);

	return found != NULL && found->mutates;
}

const char *wire_template_name(uint16_t template_id)
{
	const struct codec_template *found = codec_template_find(template_id);

	return found != NULL ? found->name : NULL;
}

int wire_frame_messages(
    const uint8_t *text, size_t text_size, uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM])
{
	uint16_t found[LIMIT_MESSAGES_PER_DATAGRAM];
	struct message_header header;
	size_t at = 0;
	int count = 0;

	if (text_size > LIMIT_PAYLOAD_SIZE_MAX)
		return -EBADMSG;
	while (at < text_size) {
		size_t total;

		if (text_size - at < sizeof(header))
			return -EBADMSG;
		memcpy(&header, text + at, sizeof(header));
		total = le16_get(header.total_length);
		if (total < LIMIT_MESSAGE_SIZE_MIN || total % 8 != 0 || total > text_size - at)
			return -EBADMSG;
		if (count == LIMIT_MESSAGES_PER_DATAGRAM)
			return -E2BIG;
		found[count++] = (uint16_t)at;
		at += total;
	}
	memcpy(offsets, found, (size_t)count * sizeof(found[0]));
	return count;
}
