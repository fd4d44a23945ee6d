/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue, what follows from a template alone, and the framing of a plaintext into messages.
 */
#include <errno.h>
#include <stddef.h>

#include "wire/codec_internal.h"

#define REQUEST(name) codec_##name##_request_decode, codec_##name##_request_encode
#define REPLY(name)   codec_##name##_reply_encode, codec_##name##_reply_decode
#define OUTCOME(name, type, right)                                                                 \
	{                                                                                          \
#name, WIRE_##name, sizeof(struct type##_request), sizeof(struct place_bet_reply), \
		    right, 1, 0, 0, 0, REQUEST(type), REPLY(outcome)                               \
	}
#define ROWS(type, row, most) sizeof(struct row), (most), offsetof(struct type##_reply, row_count)

static const struct codec_template templates[] = {
	{ "HELLO", WIRE_HELLO, sizeof(struct hello_request), sizeof(struct hello_reply), 0, 0, 0, 0,
	    0, REQUEST(hello), REPLY(hello) },
	{ "HEARTBEAT", WIRE_HEARTBEAT, sizeof(struct heartbeat_request), sizeof(struct reply_block),
	    0, 0, 0, 0, 0, REQUEST(heartbeat), REPLY(bare) },
	{ "KEY_UPDATE", WIRE_KEY_UPDATE, 0, sizeof(struct key_update_reply), 0, 0, 0, 0, 0,
	    REQUEST(empty), REPLY(key_update) },
	{ "GOODBYE", WIRE_GOODBYE, 0, sizeof(struct reply_block), 0, 0, 0, 0, 0, REQUEST(empty),
	    REPLY(bare) },
	OUTCOME(PLACE_BET, place_bet, RIGHT_BET),
	{ "BET_STATUS", WIRE_BET_STATUS, sizeof(struct bet_status_request),
	    sizeof(struct bet_status_reply), RIGHT_BET, 0, 0, 0, 0, REQUEST(bet_status),
	    REPLY(bet_status) },
	{ "CANCEL_BET", WIRE_CANCEL_BET, sizeof(struct cancel_bet_request),
	    sizeof(struct money_reply), RIGHT_BET, 1, 0, 0, 0, REQUEST(cancel_bet), REPLY(money) },
	OUTCOME(REDEEM, redeem, RIGHT_CASH),
	OUTCOME(REPRINT, reprint, RIGHT_BET),
	OUTCOME(OPEN_ACCOUNT, open_account, RIGHT_ACCOUNT),
	{ "BALANCE", WIRE_BALANCE, sizeof(struct balance_request), sizeof(struct balance_reply),
	    RIGHT_BALANCE, 0, 0, 0, 0, REQUEST(balance), REPLY(balance) },
	{ "DEPOSIT", WIRE_DEPOSIT, sizeof(struct deposit_request), sizeof(struct money_reply),
	    RIGHT_DEPOSIT, 1, 0, 0, 0, REQUEST(deposit), REPLY(money) },
	OUTCOME(WITHDRAW, deposit, RIGHT_WITHDRAW),
	OUTCOME(TRANSFER, transfer, RIGHT_TRANSFER),
	{ "STATEMENT", WIRE_STATEMENT, sizeof(struct statement_request),
	    sizeof(struct statement_reply), RIGHT_BALANCE, 0,
	    ROWS(statement, statement_row, LIMIT_STATEMENT_ROWS), REQUEST(statement),
	    REPLY(statement) },
	{ "TX_STATUS", WIRE_TX_STATUS, sizeof(struct tx_status_request),
	    sizeof(struct tx_status_reply), 0, 0, 0, 0, 0, REQUEST(tx_status), REPLY(tx_status) },
	OUTCOME(REVERSE, reverse, 0),
	OUTCOME(FENCE, fence, 0),
	OUTCOME(PLAY_SET, play_set, RIGHT_ACCOUNT),
	{ "EVENT_QUERY", WIRE_EVENT_QUERY, sizeof(struct event_query_request),
	    sizeof(struct event_query_reply), RIGHT_MARKET, 0,
	    ROWS(event_query, event_row, LIMIT_EVENTS_PER_ANSWER), REQUEST(event_query),
	    REPLY(event_query) },
	{ "MARKET_QUERY", WIRE_MARKET_QUERY, sizeof(struct market_query_request),
	    sizeof(struct market_query_reply), RIGHT_MARKET, 0,
	    ROWS(market_query, market_row, LIMIT_MARKETS_PER_ANSWER), REQUEST(market_query),
	    REPLY(market_query) },
	OUTCOME(SPRINKLE_CREATE, sprinkle_create, RIGHT_SPRINKLE),
	OUTCOME(CLAIM, claim, RIGHT_SPRINKLE),
	{ "SPRINKLE_STATUS", WIRE_SPRINKLE_STATUS, sizeof(struct sprinkle_status_request),
	    sizeof(struct sprinkle_status_reply), RIGHT_SPRINKLE, 0, 0, 0, 0,
	    REQUEST(sprinkle_status), REPLY(sprinkle_status) },
	OUTCOME(ROUND_DEBIT, round, RIGHT_ROUND),
	OUTCOME(ROUND_CREDIT, round, RIGHT_ROUND),
	OUTCOME(ROUND_ROLLBACK, round, RIGHT_ROUND),
	OUTCOME(ROUND_CLOSE, round, RIGHT_ROUND),
	OUTCOME(SHIFT_OPEN, shift, RIGHT_CASH),
	OUTCOME(SHIFT_CLOSE, shift, RIGHT_CASH),
};

/* Index in `templates` + 1 by template id; 0: none. tests/wire checks it against the table. */
static const uint8_t template_index[WIRE_TEMPLATE_MAX + 1] = {
	[WIRE_HELLO] = 1,
	[WIRE_HEARTBEAT] = 2,
	[WIRE_KEY_UPDATE] = 3,
	[WIRE_GOODBYE] = 4,
	[WIRE_PLACE_BET] = 5,
	[WIRE_BET_STATUS] = 6,
	[WIRE_CANCEL_BET] = 7,
	[WIRE_REDEEM] = 8,
	[WIRE_REPRINT] = 9,
	[WIRE_OPEN_ACCOUNT] = 10,
	[WIRE_BALANCE] = 11,
	[WIRE_DEPOSIT] = 12,
	[WIRE_WITHDRAW] = 13,
	[WIRE_TRANSFER] = 14,
	[WIRE_STATEMENT] = 15,
	[WIRE_TX_STATUS] = 16,
	[WIRE_REVERSE] = 17,
	[WIRE_FENCE] = 18,
	[WIRE_PLAY_SET] = 19,
	[WIRE_EVENT_QUERY] = 20,
	[WIRE_MARKET_QUERY] = 21,
	[WIRE_SPRINKLE_CREATE] = 22,
	[WIRE_CLAIM] = 23,
	[WIRE_SPRINKLE_STATUS] = 24,
	[WIRE_ROUND_DEBIT] = 25,
	[WIRE_ROUND_CREDIT] = 26,
	[WIRE_ROUND_ROLLBACK] = 27,
	[WIRE_ROUND_CLOSE] = 28,
	[WIRE_SHIFT_OPEN] = 29,
	[WIRE_SHIFT_CLOSE] = 30,
};

const struct codec_template *codec_template_find(uint16_t template_id)
{
	if (template_id > WIRE_TEMPLATE_MAX || template_index[template_id] == 0)
		return NULL;
	return &templates[template_index[template_id] - 1];
}

uint32_t wire_template_right(uint16_t template_id)
{
	const struct codec_template *found = codec_template_find(template_id);

	return found != NULL ? found->right : 0;
}

uint32_t wire_request_right(const struct wire_request *request)
{
	if (request->template_id == WIRE_PLACE_BET && request->place_bet.account_id == 0)
		return RIGHT_CASH;
	return wire_template_right(request->template_id);
}

int wire_template_mutates(uint16_t template_id)
{
	const struct codec_template *found = codec_template_find(template_id);

	return found != NULL && found->mutates;
}

#define DEADLINE(member) offsetof(struct wire_request, member.deadline_ns)

/* Where a template's deadline is in struct wire_request, 0: it has none. */
static size_t deadline_at(uint16_t template_id)
{
	switch (template_id) {
	case WIRE_PLACE_BET:
		return DEADLINE(place_bet);
	case WIRE_CANCEL_BET:
		return DEADLINE(cancel_bet);
	case WIRE_REDEEM:
		return DEADLINE(redeem);
	case WIRE_REPRINT:
		return DEADLINE(reprint);
	case WIRE_OPEN_ACCOUNT:
		return DEADLINE(open_account);
	case WIRE_DEPOSIT:
	case WIRE_WITHDRAW:
		return DEADLINE(deposit);
	case WIRE_TRANSFER:
		return DEADLINE(transfer);
	case WIRE_REVERSE:
		return DEADLINE(reverse);
	case WIRE_FENCE:
		return DEADLINE(fence);
	case WIRE_PLAY_SET:
		return DEADLINE(play_set);
	case WIRE_SPRINKLE_CREATE:
		return DEADLINE(sprinkle_create);
	case WIRE_CLAIM:
		return DEADLINE(claim);
	case WIRE_ROUND_DEBIT:
	case WIRE_ROUND_CREDIT:
	case WIRE_ROUND_ROLLBACK:
	case WIRE_ROUND_CLOSE:
		return DEADLINE(round);
	case WIRE_SHIFT_OPEN:
	case WIRE_SHIFT_CLOSE:
		return DEADLINE(shift);
	default:
		return 0;
	}
}

uint64_t wire_request_deadline(const struct wire_request *request)
{
	size_t at = deadline_at(request->template_id);
	uint64_t deadline_ns = UINT64_MAX;

	if (at != 0)
		memcpy(&deadline_ns, (const uint8_t *)request + at, sizeof(deadline_ns));
	return deadline_ns;
}

int wire_request_deadline_set(struct wire_request *request, uint64_t deadline_ns)
{
	size_t at = deadline_at(request->template_id);

	if (at == 0)
		return 0;
	memcpy((uint8_t *)request + at, &deadline_ns, sizeof(deadline_ns));
	return 1;
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
