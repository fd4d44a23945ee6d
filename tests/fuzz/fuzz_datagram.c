/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: session_peek, session_open, session_charge, session_seal, wire_frame_messages,
 * wire_request_decode.
 *
 * The first byte chooses: even: the rest is a datagram as it comes from the network; odd: the rest
 * is a plaintext that is sealed under the session's key first, since no fuzzer finds a tag.
 */
#include <string.h>

#include "dataplane/session/session.h"
#include "tests/fuzz/fuzz.h"
#include "wire/codec.h"

#define SESSION_ID (3u | 1u << LIMIT_SESSION_SLOT_BITS)

static struct session_table *table;
static struct aead_key terminal_key;
static uint64_t packet_number, now_ns = 1000000000ull;

static void start(void)
{
	struct session_install install = { .session_id = SESSION_ID,
		.rights = RIGHT_ALL,
		.terminal_id = 9,
		.epoch = 1,
		.current = 1,
		.rate_per_s = 1000000,
		.rate_burst = 1000000,
		.to_switch_key = { 1 },
		.to_terminal_key = { 2 },
		.reset_key = { 3 } };

	if (table != NULL)
		return;
	table = session_table_create(16, 1);
	SLUICE_REQUIRE(table != NULL);
	SLUICE_REQUIRE(session_install(table, &install, now_ns) == 0);
	SLUICE_REQUIRE(aead_key_init(&terminal_key, aead_backend_default(), install.to_switch_key,
	                   install.to_switch_iv) == 0);
}

static size_t seal(uint8_t *datagram, const uint8_t *text, size_t text_size)
{
	struct frame_header header = { .version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(1),
		.session_id = le32_make(SESSION_ID),
		.packet_number = le64_make(++packet_number) };

	memcpy(datagram, &header, sizeof(header));
	memcpy(datagram + sizeof(header), text, text_size);
	aead_seal(&terminal_key, datagram, text_size);
	return sizeof(header) + text_size + LIMIT_FRAME_TAG_SIZE;
}

static void use(struct session *session, const uint8_t *text, size_t text_size)
{
	static _Alignas(64) uint8_t answer[LIMIT_DATAGRAM_SIZE_MAX];
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	int count = wire_frame_messages(text, text_size, offsets);

	SLUICE_REQUIRE(session != NULL && session->session_id == SESSION_ID);
	for (int i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : text_size;
		struct wire_request request;

		uint16_t code = wire_request_decode(text + offsets[i], end - offsets[i], &request);

		SLUICE_REQUIRE(code == WIRE_CODE_OK || wire_code_class(code) == WIRE_CLASS_FRAME);
	}
	if (count > 0)
		session_charge(session, (unsigned)count);
	/* A switch that got a datagram can answer one of the same size. */
	memcpy(answer + LIMIT_FRAME_HEADER_SIZE, text, text_size);
	SLUICE_REQUIRE(session_seal(table, session, answer, text_size) ==
	               (int)(text_size + LIMIT_FRAME_HEADER_SIZE + LIMIT_FRAME_TAG_SIZE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(64) uint8_t datagram[LIMIT_DATAGRAM_SIZE_MAX + 64];
	const struct wire_peer peer = { .ipv4 = 1, .udp_port = 2 };
	struct session *session = NULL;
	enum drop_reason reason;
	uint8_t *text = NULL;
	size_t text_size = 0;
	uint32_t id;
	int sealed;

	start();
	now_ns += 1000000000ull; /* buckets fill up between inputs */
	if (size < 1)
		return 0;
	sealed = data[0] & 1;
	data++, size--;
	if (size > (sealed ? (size_t)LIMIT_PAYLOAD_SIZE_MAX : sizeof(datagram)))
		return 0;
	if (sealed)
		size = seal(datagram, data, size);
	else
		memcpy(datagram, data, size);
	(void)session_peek(datagram, size, &id);
	reason = session_open(table, datagram, size, &peer, now_ns, &session, &text, &text_size);
	SLUICE_REQUIRE(reason >= DROP_NONE && reason < DROP_REASON_COUNT);
	if (sealed && size % 8 == 0)
		SLUICE_REQUIRE(reason == DROP_NONE && text_size == size - 32);
	if (!sealed)
		SLUICE_REQUIRE(reason != DROP_NONE); /* nobody without the key gets in */
	if (reason == DROP_NONE)
		use(session, text, text_size);
	return 0;
}
