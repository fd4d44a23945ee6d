/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/terminal.h"

#include <errno.h>
#include <string.h>

struct bet_message {
	struct message_header header;
	struct place_bet_request bet;
	struct bet_leg leg;
};
ASSERT_SIZE(struct bet_message, BET_MESSAGE_SIZE);

struct deposit_message {
	struct message_header header;
	struct deposit_request deposit;
};
_Static_assert(sizeof(struct deposit_message) <= BET_MESSAGE_SIZE, "room of a bet");

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

/* SplitMix64's finaliser: one good 64-bit hash of (seed, terminal, request id). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint32_t terminal_bet(const struct bench_terminal *terminal, const struct bet_plan *plan,
    uint64_t request_id, uint8_t flags, uint8_t *out)
{
	uint64_t random = mix(
	    mix(plan->seed ^ terminal->entry->terminal_id * 0x9e3779b97f4a7c15ull) + request_id);
	uint64_t account = ((random & 0xffffffff) * plan->account_count) >> 32;
	uint32_t choice = (uint32_t)(((random >> 32 & 0xffff) * plan->choice_count) >> 16);
	uint32_t stake = (uint32_t)(((random >> 48) * plan->stake_span) >> 16);
	const struct bet_choice *on =
	    &plan->choices[plan->hold == 0 ? choice : request_id / plan->hold % plan->choice_count];
	struct bet_message message = {
		.header = {
		    .block_length = le16_make(sizeof(struct place_bet_request)),
		    .template_id = le16_make(WIRE_PLACE_BET),
		    .schema_version = WIRE_SCHEMA_VERSION,
		    .flags = flags,
		    .total_length = le16_make(BET_MESSAGE_SIZE),
		    .request_id = le64_make(request_id),
		},
		.bet = {
		    .account_id = le64_make(plan->account_first + account),
		    .stake = le64s_make(plan->stake_min + stake),
		    .deadline_ns = le64_make(plan->deadline_ns),
		    .currency = le16_make(plan->currency),
		    .odds_policy = ODDS_EXACT,
		    .leg_count = 1,
		},
		.leg = {
		    .market_id = le64_make(on->market_id),
		    .selection = le16_make(on->selection),
		    .odds = le32_make(on->odds),
		},
	};

	/* Bits that neither account nor stake nor choice are made of alone. */
	if ((uint32_t)(mix(random) % 1000) < plan->deposit_permille) {
		struct deposit_message deposit = {
			.header = message.header,
			.deposit = {
			    .account_id = message.bet.account_id,
			    .amount = message.bet.stake,
			    .deadline_ns = message.bet.deadline_ns,
			    .currency = message.bet.currency,
			},
		};

		deposit.header.block_length = le16_make(sizeof(struct deposit_request));
		deposit.header.total_length = le16_make(sizeof(deposit));
		deposit.header.template_id = le16_make(WIRE_DEPOSIT);
		memcpy(out, &deposit, sizeof(deposit));
		return sizeof(deposit);
	}
	memcpy(out, &message, sizeof(message));
	return sizeof(message);
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
			.sends = 1,
			.state = SLOT_WAITING,
		};
		size += terminal_bet(terminal, plan, id, 0, data + LIMIT_FRAME_HEADER_SIZE + size);
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
			size = terminal_bet(terminal, plan, slot->request_id,
			    MESSAGE_FLAG_RETRANSMISSION, data + LIMIT_FRAME_HEADER_SIZE);
			return terminal_seal(terminal, data, size);
		}
		if (slot->due_ns < earliest)
			earliest = slot->due_ns;
	}
	terminal->due_ns = earliest;
	return 0;
}
