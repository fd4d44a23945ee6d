/* SPDX-License-Identifier: Apache-2.0 */
/* Codec and AEAD. */
#include <stdlib.h>
#include <string.h>

#include "bench/stages/stages.h"
#include "wire/aead.h"
#include "wire/codec.h"

#define BET_SIZE   72
#define BETS_MANY  16
#define TEXT_MAX   (BETS_MANY * BET_SIZE)
#define SEALED_MAX (16 + TEXT_MAX + 16)

struct wire_context {
	/* STAGES_TERMINALS each; the terminals' own, so that opening finds its keys as cold as they
	 * are behind a network. */
	struct aead_key *keys, *peers;
	uint64_t random, packet_number;
	size_t text_size;
	unsigned datagrams;
	uint8_t text[TEXT_MAX]; /* requests, encoded */
	uint32_t terminal[LIMIT_BURST];
	_Alignas(64) uint8_t data[LIMIT_BURST][(SEALED_MAX + 63) / 64 * 64];
	struct wire_reply reply;
	uint8_t out[512];
};

static struct aead_key *keys_make(void)
{
	struct aead_key *keys = stages_alloc(STAGES_TERMINALS * sizeof(*keys));
	uint8_t secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];

	for (unsigned i = 0; i < STAGES_TERMINALS; i++) {
		memset(secret, (int)i, sizeof(secret));
		memset(iv, (int)(i >> 8), sizeof(iv));
		SLUICE_REQUIRE(aead_key_init(&keys[i], aead_backend_default(), secret, iv) == 0);
	}
	return keys;
}

static void keys_free(struct aead_key *keys)
{
	for (unsigned i = 0; i < STAGES_TERMINALS; i++)
		aead_key_wipe(&keys[i]);
	free(keys);
}

static void text_make(struct wire_context *context, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct wire_request request = { .request_id = i + 1,
			.template_id = WIRE_PLACE_BET,
			.place_bet = { .account_id = 1000 + i,
			    .stake = 1000,
			    .deadline_ns = UINT64_MAX,
			    .currency = 410,
			    .leg_count = 1,
			    .legs = { { .market_id = 11, .odds = 2000 } } } };
		int size = wire_request_encode(&request, context->text + context->text_size,
		    sizeof(context->text) - context->text_size);

		SLUICE_REQUIRE(size == BET_SIZE);
		context->text_size += (size_t)size;
	}
}

static struct wire_context *context_make(unsigned datagrams, unsigned messages)
{
	struct wire_context *context = stages_alloc(sizeof(*context));

	context->random = STAGES_SEED;
	context->datagrams = datagrams;
	context->keys = keys_make();
	context->peers = keys_make();
	text_make(context, messages);
	return context;
}

static void *create_one(const char *directory)
{
	(void)directory;
	return context_make(1, 1);
}

static void *create_burst(const char *directory)
{
	(void)directory;
	return context_make(LIMIT_BURST, 1);
}

static void *create_many(const char *directory)
{
	(void)directory;
	return context_make(1, BETS_MANY);
}

static void finish(void *opaque)
{
	struct wire_context *context = opaque;

	keys_free(context->keys);
	keys_free(context->peers);
	free(context);
}

/* ---- codec ---- */

STAGE_RUN(decode)
{
	struct wire_context *context = opaque;
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	struct wire_request request;
	int count = wire_frame_messages(context->text, context->text_size, offsets);

	for (int i = 0; i < count; i++) {
		SLUICE_REQUIRE(wire_request_decode(
		                   context->text + offsets[i], BET_SIZE, &request) == WIRE_CODE_OK);
		stages_keep(request.body_hash[0]);
	}
}

static void prepare_reply(void *opaque)
{
	struct wire_context *context = opaque;
	struct wire_reply *reply = &context->reply;

	*reply = (struct wire_reply){ .request_id = ++context->packet_number,
		.lsn = 12345678,
		.switch_time_ns = 1,
		.object_id = 99,
		.template_id = WIRE_PLACE_BET,
		.code = WIRE_CODE_OK,
		.balance = 999000,
		.payout = 2000 };
}

STAGE_RUN(encode)
{
	struct wire_context *context = opaque;

	stages_keep(wire_reply_size(&context->reply));
	stages_keep(wire_reply_encode(&context->reply, context->out));
}

/* ---- AEAD ---- */

/* Puts the plaintext of each datagram behind a header with the next packet number. */
static void prepare_seal(void *opaque)
{
	struct wire_context *context = opaque;

	for (unsigned i = 0; i < context->datagrams; i++) {
		struct frame_header header = {
			.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
			.packet_number = le64_make(++context->packet_number),
		};

		/* One terminal alone is always the same one: its key stays in the cache. */
		context->terminal[i] =
		    context->datagrams == 1
		        ? 0
		        : (uint32_t)(stages_random(&context->random) % STAGES_TERMINALS);
		memcpy(context->data[i], &header, sizeof(header));
		memcpy(context->data[i] + sizeof(header), context->text, context->text_size);
	}
}

static inline void seal_all(struct wire_context *context, struct aead_key *keys)
{
	for (unsigned i = 0; i < context->datagrams; i++)
		aead_seal(&keys[context->terminal[i]], context->data[i], context->text_size);
}

static inline void open_all(struct wire_context *context)
{
	for (unsigned i = 0; i < context->datagrams; i++)
		SLUICE_REQUIRE(aead_open(&context->keys[context->terminal[i]], context->data[i],
		                   context->text_size) == 0);
}

static void prepare_open(void *opaque)
{
	struct wire_context *context = opaque;

	prepare_seal(context);
	seal_all(context, context->peers);
}

STAGE_RUN(seal)
{
	struct wire_context *context = opaque;

	seal_all(context, context->keys);
}

STAGE_RUN(seal_burst)
{
	struct wire_context *context = opaque;

	seal_all(context, context->keys);
}

STAGE_RUN(seal_16)
{
	struct wire_context *context = opaque;

	seal_all(context, context->keys);
}

STAGE_RUN(open)
{
	open_all(opaque);
}

STAGE_RUN(open_burst)
{
	open_all(opaque);
}

STAGE_RUN(open_16)
{
	open_all(opaque);
}

/* clang-format off */
const struct stage stages_wire[] = {
	{ "decode", "bet", "framing and decoding of one PLACE_BET of 72 B, body hash included",
	    create_one, NULL, stage_run_decode, finish, 1, 0, 0, 0, 0 },
	{ "encode", "answer", "encoding of its answer",
	    create_one, prepare_reply, stage_run_encode, finish, 1, 0, 0, 0, 0 },
	{ "open", "datagram", "AES-256-GCM, one datagram of one bet, always the same key",
	    create_one, prepare_open, stage_run_open, finish, 1, 0, 0, 0, 0 },
	{ "seal", "datagram", "the same, sealed",
	    create_one, prepare_seal, stage_run_seal, finish, 1, 0, 0, 0, 0 },
	{ "open_burst", "datagram", "a burst of 32 datagrams of one bet, random ones of 650 keys",
	    create_burst, prepare_open, stage_run_open_burst, finish, LIMIT_BURST, 0, 0, 0, 0 },
	{ "seal_burst", "datagram", "the same, sealed",
	    create_burst, prepare_seal, stage_run_seal_burst, finish, LIMIT_BURST, 0, 0, 0, 0 },
	{ "open_16", "bet", "one datagram of 16 bets",
	    create_many, prepare_open, stage_run_open_16, finish, BETS_MANY, 0, 0, 0, 0 },
	{ "seal_16", "bet", "the same, sealed",
	    create_many, prepare_seal, stage_run_seal_16, finish, BETS_MANY, 0, 0, 0, 0 },
};
/* clang-format on */
const unsigned stages_wire_count = SLUICE_ARRAY_COUNT(stages_wire);
