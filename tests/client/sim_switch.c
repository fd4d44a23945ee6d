/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/sim_switch.h"

#include <string.h>

static void keys_take(struct sim_switch *sim)
{
	uint8_t secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];

	aead_key_wipe(&sim->open_key);
	aead_key_wipe(&sim->seal_key);
	SLUICE_REQUIRE(
	    keys_derive(sim->root, KEYS_TO_SWITCH, sim->epoch, sim->boot_id, secret, iv) == 0);
	SLUICE_REQUIRE(aead_key_init(&sim->open_key, AEAD_OPENSSL, secret, iv) == 0);
	SLUICE_REQUIRE(
	    keys_derive(sim->root, KEYS_TO_TERMINAL, sim->epoch, sim->boot_id, secret, iv) == 0);
	SLUICE_REQUIRE(aead_key_init(&sim->seal_key, AEAD_OPENSSL, secret, iv) == 0);
}

void sim_switch_init(struct sim_switch *sim, uint64_t boot_id, uint16_t epoch)
{
	memset(sim, 0, sizeof(*sim));
	for (unsigned i = 0; i < sizeof(sim->root); i++)
		sim->root[i] = (uint8_t)(i * 7 + 1);
	sim->session_id = 7u << 20 | 5;
	sim_switch_restart(sim, boot_id, epoch);
}

void sim_switch_session(struct sim_switch *sim, uint32_t session_id, uint8_t root_first)
{
	for (unsigned i = 0; i < sizeof(sim->root); i++)
		sim->root[i] = (uint8_t)(i * 7 + root_first);
	sim->session_id = session_id;
	sim_switch_restart(sim, sim->boot_id, sim->epoch);
}

void sim_switch_restart(struct sim_switch *sim, uint64_t boot_id, uint16_t epoch)
{
	sim->boot_id = boot_id;
	sim->epoch = epoch;
	sim->sent = 0;
	replay_reset(&sim->window);
	keys_take(sim);
}

void sim_switch_free(struct sim_switch *sim)
{
	aead_key_wipe(&sim->open_key);
	aead_key_wipe(&sim->seal_key);
}

void sim_switch_reset(struct sim_switch *sim, uint64_t packet_number, uint8_t out[40])
{
	struct frame_reset reset = {
		.header = { .version_kind = WIRE_VERSION << 4 | FRAME_KIND_RESET,
		    .flags = FRAME_FLAG_FROM_SWITCH,
		    .epoch = le16_make(sim->epoch),
		    .session_id = le32_make(sim->session_id),
		    .packet_number = le64_make(packet_number) },
		.boot_id = le64_make(sim->boot_id),
	};
	uint8_t key[KEYS_RESET_SIZE];

	SLUICE_REQUIRE(keys_derive_reset(sim->root, key) == 0);
	SLUICE_REQUIRE(keys_reset_sign(&reset, key) == 0);
	memcpy(out, &reset, sizeof(reset));
	sim->resets_sent++;
}

static struct sim_outcome *outcome_find(struct sim_switch *sim, uint64_t request_id)
{
	for (unsigned i = 0; i < sim->executed; i++)
		if (sim->outcomes[i].request_id == request_id)
			return &sim->outcomes[i];
	return NULL;
}

/* What REVERSE comes to: its target undone, or fenced. */
static uint16_t reverse(struct sim_switch *sim, uint64_t target_id)
{
	const struct sim_outcome *target = outcome_find(sim, target_id);

	if (target == NULL) {
		sim->fenced_id = target_id;
		return WIRE_CODE_FENCED_NOW;
	}
	if (target->code != WIRE_CODE_OK)
		return WIRE_CODE_REQUEST_UNKNOWN;
	sim->reversed++;
	return WIRE_CODE_OK;
}

/* The stored outcome, or a new one: every 7th mutating request is refused. */
static void mutate(struct sim_switch *sim, const struct wire_request *request, uint64_t group_first,
    int busy, struct wire_reply *reply)
{
	struct sim_outcome *outcome;

	for (unsigned i = 0; i < sim->executed; i++) {
		outcome = &sim->outcomes[i];
		if (outcome->request_id != request->request_id)
			continue;
		if (memcmp(outcome->body_hash, request->body_hash, sizeof(outcome->body_hash)) !=
		    0) {
			sim->mismatches++;
			reply->code = WIRE_CODE_MISMATCH;
			return;
		}
		reply->flags = MESSAGE_FLAG_ANSWER_REPLAYED;
		reply->code = outcome->code;
		reply->lsn = outcome->lsn;
		return;
	}
	if (request->request_id == sim->fenced_id) {
		reply->code = WIRE_CODE_FENCED;
		return;
	}
	if (busy || request->request_id == sim->busy_id) {
		reply->code = sim->busy_code != 0 ? sim->busy_code : WIRE_CODE_BUSY;
		reply->detail = sim->busy_detail_ms;
		return;
	}
	SLUICE_REQUIRE(sim->executed < SIM_OUTCOMES_MAX);
	outcome = &sim->outcomes[sim->executed++];
	*outcome = (struct sim_outcome){ .request_id = request->request_id,
		.body_hash = { request->body_hash[0], request->body_hash[1] },
		.lsn = sim->executed,
		.group_first = group_first,
		.template_id = request->template_id,
		.code = sim->executed % 7 == 0 ? WIRE_CODE_FUNDS_INSUFFICIENT : WIRE_CODE_OK };
	if (request->template_id == WIRE_REVERSE)
		outcome->code = reverse(sim, request->reverse.target_request_id);
	if (request->request_id > sim->highest_id)
		sim->highest_id = request->request_id;
	reply->code = outcome->code;
	reply->lsn = outcome->lsn;
}

static size_t answer(struct sim_switch *sim, const uint8_t *message, size_t size,
    uint64_t group_first, int busy, uint8_t *out)
{
	struct wire_request request;
	struct wire_reply reply = { .switch_time_ns = sim->time_ns };

	sim->messages++;
	reply.code = wire_request_decode(message, size, &request);
	SLUICE_REQUIRE(reply.code == WIRE_CODE_OK); /* the client sends nothing malformed */
	reply.request_id = request.request_id;
	reply.template_id = request.template_id;
	if (request.flags & MESSAGE_FLAG_RETRANSMISSION)
		sim->retransmissions++;
	if (request.request_id == sim->deaf_id)
		return 0;
	if (wire_template_mutates(request.template_id))
		mutate(sim, &request, group_first, busy, &reply);
	if (request.template_id == WIRE_TX_STATUS && sim->untold_next > 0) {
		sim->untold_next--;
		reply.code = sim->untold_code;
		reply.detail = 100;
	}
	if (request.template_id == WIRE_HELLO) {
		reply.hello.next_id =
		    sim->hello_next_id != 0 ? sim->hello_next_id : sim->highest_id + 1;
		reply.hello.terminal_id = 77;
		reply.hello.heartbeat_ms = 25000;
	}
	if (request.flags & MESSAGE_FLAG_NO_REPLY)
		return 0;
	return wire_reply_encode(&reply, out);
}

/* Message by message; those of a linked group are busy together. */
static size_t answer_all(struct sim_switch *sim, const uint8_t *text, size_t text_size,
    const uint16_t *offsets, unsigned count, uint8_t *out)
{
	struct message_header header;
	uint64_t group_first = 0;
	size_t written = 0;
	int linked = 0, busy = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : text_size;

		memcpy(&header, text + offsets[i], sizeof(header));
		if (!linked) {
			group_first = le64_get(header.request_id);
			busy = sim->busy_next > 0 &&
			       wire_template_mutates(le16_get(header.template_id)) &&
			       outcome_find(sim, group_first) == NULL;
			sim->busy_next -= (unsigned)busy;
		}
		written += answer(
		    sim, text + offsets[i], end - offsets[i], group_first, busy, out + written);
		linked = (header.flags & MESSAGE_FLAG_LINKED) != 0;
	}
	sim->links_open += (unsigned)linked;
	return written;
}

size_t sim_switch_take(struct sim_switch *sim, const uint8_t *datagram, size_t size,
    uint8_t out[LIMIT_DATAGRAM_SIZE_MAX])
{
	size_t text_size = size - 32, written;
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	uint8_t copy[LIMIT_DATAGRAM_SIZE_MAX];
	struct frame_header header;
	int count;

	SLUICE_REQUIRE(size >= 32 && size <= sizeof(copy) && size % 8 == 0);
	memcpy(copy, datagram, size);
	memcpy(&header, copy, sizeof(header));
	SLUICE_REQUIRE(header.version_kind == 0x11 && header.flags == 0);
	if (le32_get(header.session_id) != sim->session_id) {
		sim->unknown_sessions++;
		return 0;
	}
	if (le16_get(header.epoch) == sim->epoch &&
	    !replay_check(&sim->window, le64_get(header.packet_number))) {
		sim->replays_seen++;
		return 0;
	}
	if (le16_get(header.epoch) != sim->epoch ||
	    aead_open(&sim->open_key, copy, text_size) < 0) {
		if (size < 40)
			return 0;
		sim_switch_reset(sim, le64_get(header.packet_number), out);
		return 40;
	}
	replay_set(&sim->window, le64_get(header.packet_number));
	sim->seen_epoch = le16_get(header.epoch);
	sim->datagrams++;
	count = wire_frame_messages(copy + 16, text_size, offsets);
	SLUICE_REQUIRE(count >= 0);
	if ((unsigned)count > sim->messages_max)
		sim->messages_max = (unsigned)count;
	written = answer_all(sim, copy + 16, text_size, offsets, (unsigned)count, out + 16);
	if (written == 0)
		return 0;
	header.flags = FRAME_FLAG_FROM_SWITCH;
	header.packet_number = le64_make(sim->lane << 56 | ++sim->sent);
	memcpy(out, &header, sizeof(header));
	aead_seal(&sim->seal_key, out, written);
	return written + 32;
}
