/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to wire/codec*.c: the catalogue of templates as one table. codec_request.c and
 * codec_reply.c do what is the same for all of them; the functions of one template, both ways, are
 * in the file of its group.
 */
#ifndef SLUICE_WIRE_CODEC_INTERNAL_H
#define SLUICE_WIRE_CODEC_INTERNAL_H

#include <stdint.h>
#include <string.h>

#include "wire/codec.h"

/* Reserved bytes, then ranges; `block` has at least its known length, and `legs` is where the
 * variable part begins, which is whole. */
typedef uint16_t (*codec_request_decode_fn)(
    const uint8_t *block, const uint8_t *legs, struct wire_request *request);
typedef void (*codec_request_encode_fn)(const struct wire_request *request, uint8_t *block);
typedef void (*codec_reply_encode_fn)(
    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block);
/* `block` is whole, and so are the rows it announces. */
typedef void (*codec_reply_decode_fn)(
    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply);

struct codec_template {
	const char *name;
	uint16_t template_id;
	uint16_t request_block; /* bytes */
	uint16_t reply_block;
	uint32_t right; /* session_right, 0 none */
	uint8_t mutates;
	/* Rows of the answer: bytes of one (0: it has none), most, and where the count lies. */
	uint8_t row_size, rows_max, row_count_at;
	codec_request_decode_fn request_decode;
	codec_request_encode_fn request_encode;
	codec_reply_encode_fn reply_encode;
	codec_reply_decode_fn reply_decode;
};

/* NULL for an id outside the catalogue. */
const struct codec_template *codec_template_find(uint16_t template_id);

static inline int codec_account_valid(uint64_t account_id)
{
	return account_id != 0 && account_id <= LIMIT_ACCOUNT_ID_MAX;
}

/* ISO 4217 has three digits. */
static inline int codec_currency_valid(uint16_t currency)
{
	return currency != 0 && currency <= 999;
}

#define CODEC_REQUEST(name)                                                                        \
	uint16_t codec_##name##_request_decode(                                                    \
	    const uint8_t *block, const uint8_t *legs, struct wire_request *request);              \
	void codec_##name##_request_encode(const struct wire_request *request, uint8_t *block)
#define CODEC_REPLY(name)                                                                          \
	void codec_##name##_reply_encode(                                                          \
	    const struct wire_reply *reply, const struct reply_block *base, uint8_t *block);       \
	void codec_##name##_reply_decode(                                                          \
	    const uint8_t *block, const uint8_t *rows, struct wire_reply *reply)

/* codec_session.c; `empty` is a request without a block, `bare` an answer of the base alone. */
CODEC_REQUEST(empty);
CODEC_REPLY(bare);
CODEC_REQUEST(hello);
CODEC_REPLY(hello);
CODEC_REQUEST(heartbeat);
CODEC_REPLY(key_update);

/* codec_bet.c; `outcome` is struct place_bet_reply, of most mutating messages. */
CODEC_REQUEST(place_bet);
CODEC_REPLY(outcome);
CODEC_REQUEST(bet_status);
CODEC_REPLY(bet_status);
CODEC_REQUEST(cancel_bet);
CODEC_REPLY(money);

/* codec_counter.c */
CODEC_REQUEST(redeem);
CODEC_REQUEST(reprint);
CODEC_REQUEST(shift);

/* codec_wallet.c */
CODEC_REQUEST(open_account);
CODEC_REQUEST(balance);
CODEC_REPLY(balance);
CODEC_REQUEST(deposit);
CODEC_REQUEST(transfer);
CODEC_REQUEST(play_set);

/* codec_history.c */
CODEC_REQUEST(statement);
CODEC_REPLY(statement);
CODEC_REQUEST(tx_status);
CODEC_REPLY(tx_status);
CODEC_REQUEST(reverse);
CODEC_REQUEST(fence);

/* codec_game.c */
CODEC_REQUEST(sprinkle_create);
CODEC_REQUEST(claim);
CODEC_REQUEST(sprinkle_status);
CODEC_REPLY(sprinkle_status);
CODEC_REQUEST(round);

/* codec_market.c */
CODEC_REQUEST(event_query);
CODEC_REPLY(event_query);
CODEC_REQUEST(market_query);
CODEC_REPLY(market_query);

#endif
