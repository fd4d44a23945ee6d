/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/terminal.h"

#include <errno.h>
#include <string.h>

int terminal_init(struct bench_terminal *terminal, const struct session_entry *entry)
{
	memset(terminal, 0, sizeof(*terminal));
	terminal->entry = entry;
	terminal->next_id = 1;
	terminal->due_ns = UINT64_MAX;
	return keys_derive_reset(entry->root, terminal->reset_key);
}

int terminal_rekey(struct bench_terminal *terminal, uint64_t boot_id, uint16_t epoch)
{
	uint8_t secret[2][AEAD_KEY_SIZE], iv[2][AEAD_IV_SIZE];
	enum aead_backend backend = aead_backend_default();
	int result =
	    keys_derive(terminal->entry->root, KEYS_TO_SWITCH, epoch, boot_id, secret[0], iv[0]);

	if (result == 0)
		result = keys_derive(
		    terminal->entry->root, KEYS_TO_TERMINAL, epoch, boot_id, secret[1], iv[1]);
	if (result == 0) {
		aead_key_wipe(&terminal->to_switch);
		aead_key_wipe(&terminal->to_terminal);
		result = aead_key_init(&terminal->to_switch, backend, secret[0], iv[0]);
	}
	if (result == 0)
		result = aead_key_init(&terminal->to_terminal, backend, secret[1], iv[1]);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(iv, sizeof(iv));
	if (result != 0)
		return result;
	terminal->boot_id = boot_id;
	terminal->epoch = epoch;
	terminal->packet_counter = 0;
	return 0;
}

int terminal_reset(struct bench_terminal *terminal, const uint8_t *datagram, size_t size)
{
	struct frame_reset reset;
	uint64_t boot_id;
	uint16_t epoch;
	int result;

	if (size != sizeof(reset))
		return -EBADMSG;
	memcpy(&reset, datagram, sizeof(reset));
	result = keys_reset_verify(&reset, terminal->reset_key);
	if (result != 0)
		return result;
	boot_id = le64_get(reset.boot_id);
	epoch = le16_get(reset.header.epoch);
	if (boot_id < terminal->boot_id ||
	    (boot_id == terminal->boot_id && epoch <= terminal->epoch))
		return 0;
	result = terminal_rekey(terminal, boot_id, epoch);
	if (result != 0)
		return result;
	for (unsigned i = 0; i < LIMIT_REQUEST_WINDOW; i++)
		terminal->slots[i].due_ns = 0;
	if (terminal->waiting > 0)
		terminal->due_ns = 0;
	terminal->hello_ns = 0;
	return 1;
}

void terminal_wipe(struct bench_terminal *terminal)
{
	aead_key_wipe(&terminal->to_switch);
	aead_key_wipe(&terminal->to_terminal);
	explicit_bzero(terminal->reset_key, sizeof(terminal->reset_key));
}

uint32_t terminal_seal(struct bench_terminal *terminal, uint8_t *data, size_t text_size)
{
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(terminal->epoch),
		.session_id = le32_make(terminal->entry->session_id),
		.packet_number = le64_make(++terminal->packet_counter),
	};

	memcpy(data, &header, sizeof(header));
	aead_seal(&terminal->to_switch, data, text_size);
	return (uint32_t)(sizeof(header) + text_size + LIMIT_FRAME_TAG_SIZE);
}

int terminal_open(struct bench_terminal *terminal, uint8_t *data, size_t size)
{
	size_t text_size = size - LIMIT_FRAME_HEADER_SIZE - LIMIT_FRAME_TAG_SIZE;

	if (size < LIMIT_DATAGRAM_SIZE_MIN || size > LIMIT_DATAGRAM_SIZE_MAX)
		return -EBADMSG;
	if (aead_open(&terminal->to_terminal, data, text_size) != 0)
		return -EBADMSG;
	return (int)text_size;
}

/* What the request of this id is about. A bet is cancelled once. */
static uint64_t target_take(
    struct bench_terminal *terminal, const struct bet_plan *plan, uint64_t request_id)
{
	enum request_kind kind = request_kind(plan, terminal->entry->terminal_id, request_id);
	uint64_t target = 0;

	if (kind == REQUEST_TX_STATUS)
		return terminal->id_last;
	if (kind == REQUEST_CANCEL_BET) {
		target = terminal->bet_last;
		terminal->bet_last = 0;
	}
	return target;
}

uint32_t terminal_compose(struct bench_terminal *terminal, const struct bet_plan *plan,
    unsigned count, uint64_t intended_ns, uint64_t step_ns, uint64_t due_ns, uint8_t *data)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t id = terminal->next_id++;

		terminal->slots[id % LIMIT_REQUEST_WINDOW] = (struct bench_slot){
			.request_id = id,
			.intended_ns = intended_ns + i * step_ns,
			.due_ns = due_ns,
			.target =
			    plan->workload == WORKLOAD_BETS ? 0 : target_take(terminal, plan, id),
			.sends = 1,
			.state = SLOT_WAITING,
		};
		size += request_write(plan, terminal->entry->terminal_id, id,
		    terminal->slots[id % LIMIT_REQUEST_WINDOW].target, 0,
		    data + LIMIT_FRAME_HEADER_SIZE + size);
	}
	terminal->waiting = (uint16_t)(terminal->waiting + count);
	if (due_ns < terminal->due_ns)
		terminal->due_ns = due_ns;
	return terminal_seal(terminal, data, size);
}

uint32_t terminal_resend(struct bench_terminal *terminal, const struct bet_plan *plan,
    uint64_t now_ns, uint64_t due_next_ns, uint8_t *data)
{
	uint64_t earliest = UINT64_MAX;
	uint32_t size;

	for (unsigned i = 0; i < LIMIT_REQUEST_WINDOW; i++) {
		struct bench_slot *slot = &terminal->slots[i];

		if (slot->state != SLOT_WAITING)
			continue;
		if (slot->due_ns <= now_ns) {
			slot->due_ns = due_next_ns;
			if (slot->sends < UINT16_MAX)
				slot->sends++;
			size = request_write(plan, terminal->entry->terminal_id, slot->request_id,
			    slot->target, MESSAGE_FLAG_RETRANSMISSION,
			    data + LIMIT_FRAME_HEADER_SIZE);
			return terminal_seal(terminal, data, size);
		}
		if (slot->due_ns < earliest)
			earliest = slot->due_ns;
	}
	terminal->due_ns = earliest;
	return 0;
}
