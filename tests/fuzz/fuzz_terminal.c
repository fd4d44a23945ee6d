/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: client_datagram_in with wire_frame_messages and wire_reply_decode, client_poll,
 * client_request: what the network may do to a terminal.
 *
 * The input is a list of steps: what (1 byte), size (2 bytes), bytes. Bits 0 and 1: 0 a datagram as
 * it is; 1 a plaintext, sealed under the switch's key; 2 time passes (8 ms for each byte of size);
 * 3 a RESET of the next boot. Bit 2: in a plaintext, request ids are those the terminal last sent.
 * Bit 3: the terminal asks for something before the step.
 *
 * Ids never go back, no event comes of bytes nobody sealed, and what is sent fits a datagram.
 */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/client/client.h"
#include "wire/codec.h"
#include "wire/frame.h"

#define SESSION_ID (5u | 7u << LIMIT_SESSION_SLOT_BITS)
#define EPOCH      3
#define MS         1000000ull
#define SENT_MAX   16

struct world {
	struct client *client;
	struct aead_key seal_key, open_key;
	uint64_t boot_id, now_ns, packet_number, events, next_id;
	uint64_t sent[SENT_MAX]; /* request ids, newest first in turn */
	unsigned sent_count;
	uint32_t asked;
};

static uint8_t root[KEYS_ROOT_SIZE] = { 1, 2, 3 };

static int extend(void *context, uint64_t next, uint64_t *limit)
{
	(void)context;
	if (next + 1024 < next)
		return -EOVERFLOW;
	*limit = next + 1024;
	return 0;
}

static void on_event(void *context, const struct client_event *event)
{
	struct world *world = context;

	SLUICE_REQUIRE(event->kind != CLIENT_ANSWERED || event->reply != NULL);
	world->events++;
}

/* The switch's keys of this boot. */
static void keys_make(struct world *world)
{
	uint8_t secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];

	aead_key_wipe(&world->seal_key);
	aead_key_wipe(&world->open_key);
	SLUICE_REQUIRE(
	    keys_derive(root, KEYS_TO_TERMINAL, EPOCH, world->boot_id, secret, iv) == 0 &&
	    aead_key_init(&world->seal_key, aead_backend_default(), secret, iv) == 0);
	SLUICE_REQUIRE(keys_derive(root, KEYS_TO_SWITCH, EPOCH, world->boot_id, secret, iv) == 0 &&
	               aead_key_init(&world->open_key, aead_backend_default(), secret, iv) == 0);
	world->packet_number = 0;
}

static void world_make(struct world *world)
{
	struct client_config config = { .session_id = SESSION_ID,
		.boot_id = 1,
		.epoch = EPOCH,
		.messages_max = 4,
		.heartbeat = 1,
		.reverse = 1,
		.request_ids = { .next = 1, .limit = 1, .extend = extend },
		.packet_number_first = 1,
		.on_event = on_event,
		.context = world };

	memcpy(config.root, root, sizeof(root));
	memset(world, 0, sizeof(*world));
	world->boot_id = 1;
	world->now_ns = MS;
	SLUICE_REQUIRE(client_create(&config, &world->client) == 0);
	keys_make(world);
	world->next_id = client_next_id(world->client);
}

/* Remembers whose answers would be believed. */
static void sent_remember(struct world *world, uint8_t *datagram, size_t size)
{
	size_t text_size = size - LIMIT_FRAME_HEADER_SIZE - LIMIT_FRAME_TAG_SIZE;
	const uint8_t *text = datagram + LIMIT_FRAME_HEADER_SIZE;
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	struct message_header header;
	int count;

	if (aead_open(&world->open_key, datagram, text_size) < 0)
		return; /* of an earlier boot */
	count = wire_frame_messages(text, text_size, offsets);
	SLUICE_REQUIRE(count >= 1);
	for (int i = 0; i < count; i++) {
		memcpy(&header, text + offsets[i], sizeof(header));
		world->sent[world->sent_count++ % SENT_MAX] = le64_get(header.request_id);
	}
}

static void poll_all(struct world *world)
{
	static _Alignas(64) uint8_t out[LIMIT_DATAGRAM_SIZE_MAX];

	for (int i = 0; i < 64; i++) {
		int size = client_poll(world->client, world->now_ns, out);

		if (size <= 0)
			return;
		SLUICE_REQUIRE((size_t)size <= LIMIT_DATAGRAM_SIZE_MAX && size % 8 == 0);
		sent_remember(world, out, (size_t)size);
	}
}

static void ask(struct world *world)
{
	struct wire_request request = { .template_id = WIRE_BALANCE };

	if (world->asked++ % 2 == 0) {
		request.template_id = WIRE_DEPOSIT;
		request.deposit.amount = 100;
	}
	request.balance.account_id = 42;
	(void)!client_request(world->client, &request, 500 * MS, world->asked, world->now_ns);
}

static void sealed_in(struct world *world, int true_ids, const uint8_t *text, size_t size)
{
	static _Alignas(64) uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX];
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	struct frame_header header = { .version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.flags = FRAME_FLAG_FROM_SWITCH,
		.epoch = le16_make(EPOCH),
		.session_id = le32_make(SESSION_ID),
		.packet_number = le64_make(++world->packet_number) };
	int count;

	size = size < LIMIT_PAYLOAD_SIZE_MAX ? size : LIMIT_PAYLOAD_SIZE_MAX;
	memcpy(datagram, &header, sizeof(header));
	memcpy(datagram + sizeof(header), text, size);
	text = datagram + sizeof(header);
	count = true_ids && world->sent_count > 0 ? wire_frame_messages(text, size, offsets) : 0;
	for (int i = 0; i < count; i++) {
		struct le64 id = le64_make(
		    world->sent[(world->sent_count - 1 - (unsigned)i) %
		                (world->sent_count < SENT_MAX ? world->sent_count : SENT_MAX)]);

		memcpy(datagram + sizeof(header) + offsets[i] +
		           offsetof(struct message_header, request_id),
		    &id, sizeof(id));
	}
	aead_seal(&world->seal_key, datagram, size);
	size += sizeof(header) + LIMIT_FRAME_TAG_SIZE;
	if (client_datagram_in(world->client, datagram, size, world->now_ns) == DROP_NONE)
		/* The same bytes again are no news. */
		SLUICE_REQUIRE(
		    client_datagram_in(world->client, datagram, size, world->now_ns) != DROP_NONE);
}

static void raw_in(struct world *world, const uint8_t *bytes, size_t size)
{
	static _Alignas(64) uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX + 64];
	uint64_t events = world->events;

	size = size < sizeof(datagram) ? size : sizeof(datagram);
	memcpy(datagram, bytes, size);
	SLUICE_REQUIRE(
	    client_datagram_in(world->client, datagram, size, world->now_ns) != DROP_NONE);
	SLUICE_REQUIRE(world->events == events);
}

static void reset_in(struct world *world)
{
	struct frame_reset reset = {
		.header = { .version_kind = WIRE_VERSION << 4 | FRAME_KIND_RESET,
		    .flags = FRAME_FLAG_FROM_SWITCH,
		    .epoch = le16_make(EPOCH),
		    .session_id = le32_make(SESSION_ID),
		    .packet_number = le64_make(1) },
		.boot_id = le64_make(world->boot_id + 1),
	};
	uint8_t key[KEYS_RESET_SIZE], bytes[sizeof(reset)];

	SLUICE_REQUIRE(keys_derive_reset(root, key) == 0 && keys_reset_sign(&reset, key) == 0);
	memcpy(bytes, &reset, sizeof(reset));
	SLUICE_REQUIRE(
	    client_datagram_in(world->client, bytes, sizeof(bytes), world->now_ns) == DROP_NONE);
	world->boot_id++;
	keys_make(world);
}

static void step(struct world *world, uint8_t what, const uint8_t *bytes, size_t size)
{
	if (what & 8)
		ask(world);
	switch (what & 3) {
	case 0:
		raw_in(world, bytes, size);
		break;
	case 1:
		sealed_in(world, what & 4, bytes, size);
		break;
	case 2:
		world->now_ns += 8 * MS * size;
		break;
	default:
		reset_in(world);
	}
	poll_all(world);
	SLUICE_REQUIRE(client_next_id(world->client) >= world->next_id);
	world->next_id = client_next_id(world->client);
	SLUICE_REQUIRE(client_queued(world->client) <= client_outstanding(world->client));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;

	if (size > 16384)
		return 0;
	world_make(&world);
	poll_all(&world); /* HELLO */
	while (size >= 3) {
		size_t length = data[1] | (size_t)data[2] << 8;
		uint8_t what = data[0];

		data += 3;
		size -= 3;
		length = length < size ? length : size;
		step(&world, what, data, length);
		data += length;
		size -= length;
	}
	client_free(world.client);
	aead_key_wipe(&world.seal_key);
	aead_key_wipe(&world.open_key);
	return 0;
}
