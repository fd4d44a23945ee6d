/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/request.h"

#include <string.h>

struct bet_message {
	struct message_header header;
	struct place_bet_request bet;
	struct bet_leg leg;
};
ASSERT_SIZE(struct bet_message, BET_MESSAGE_SIZE);
_Static_assert(sizeof(struct message_header) + sizeof(struct transfer_request) <= BET_MESSAGE_SIZE,
    "the largest of the others fits the room of a bet");

static const struct {
	const char *name;
	uint16_t template_id, permille;
} kinds[] = {
#define REQUEST_ROW(name, share) { #name, WIRE_##name, share },
	REQUEST_SHARES(REQUEST_ROW)
#undef REQUEST_ROW
};
#define REQUEST_ADD(name, share) +share
_Static_assert(0 REQUEST_SHARES(REQUEST_ADD) == 1000, "of 1000");

/* SplitMix64's finaliser: one good 64-bit hash of (seed, terminal, request id). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t draw_what(const struct bet_plan *plan, uint64_t terminal_id, uint64_t request_id)
{
	return mix(mix(plan->seed ^ terminal_id * 0x9e3779b97f4a7c15ull) + request_id);
}

static enum request_kind kind_of(const struct bet_plan *plan, uint64_t random)
{
	uint32_t permille = (uint32_t)(random % 1000), kind = 0;

	if (plan->workload == WORKLOAD_BETS)
		return permille < plan->deposit_permille ? REQUEST_DEPOSIT : REQUEST_PLACE_BET;
	while (permille >= kinds[kind].permille)
		permille -= kinds[kind++].permille;
	return (enum request_kind)kind;
}

enum request_kind request_kind(
    const struct bet_plan *plan, uint64_t terminal_id, uint64_t request_id)
{
	return kind_of(plan, mix(draw_what(plan, terminal_id, request_id)));
}

enum request_kind request_kind_answered(uint16_t template_id)
{
	for (uint32_t i = 0; i < SLUICE_ARRAY_COUNT(kinds); i++)
		if (template_id == (kinds[i].template_id | WIRE_TEMPLATE_REPLY))
			return (enum request_kind)i;
	return REQUEST_KINDS;
}

const char *request_kind_name(enum request_kind kind)
{
	return kinds[kind].name;
}

/* Place of an account, by 32 random bits and 16 others. */
static uint32_t account_of(const struct bet_plan *plan, uint32_t random, uint16_t hot)
{
	if (plan->hot_permille > 0 && (uint32_t)hot * 1000 >> 16 < plan->hot_permille)
		return 0;
	if (plan->zipf != NULL)
		return zipf_draw(plan->zipf, random);
	return (uint32_t)((uint64_t)random * plan->account_count >> 32);
}

static uint32_t block_write(struct message_header *header, uint16_t template_id, const void *block,
    size_t size, uint8_t *out)
{
	header->template_id = le16_make(template_id);
	header->block_length = le16_make((uint16_t)size);
	header->total_length = le16_make((uint16_t)(sizeof(*header) + size));
	memcpy(out, header, sizeof(*header));
	memcpy(out + sizeof(*header), block, size);
	return (uint32_t)(sizeof(*header) + size);
}

static uint32_t bet_write(const struct bet_plan *plan, struct message_header *header,
    uint64_t random, uint64_t account_id, int64_t stake, uint8_t *out)
{
	uint64_t request_id = le64_get(header->request_id);
	uint32_t choice = (uint32_t)(((random >> 32 & 0xffff) * plan->choice_count) >> 16);
	const struct bet_choice *on =
	    &plan->choices[plan->hold == 0 ? choice : request_id / plan->hold % plan->choice_count];
	struct bet_message message = {
		.bet = {
		    .account_id = le64_make(account_id),
		    .stake = le64s_make(stake),
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

	header->template_id = le16_make(WIRE_PLACE_BET);
	header->block_length = le16_make(sizeof(struct place_bet_request));
	header->total_length = le16_make(sizeof(message));
	message.header = *header;
	memcpy(out, &message, sizeof(message));
	return sizeof(message);
}

/* DEPOSIT and WITHDRAW. */
static uint32_t wallet_write(const struct bet_plan *plan, struct message_header *header,
    uint16_t template_id, uint64_t account_id, int64_t amount, uint8_t *out)
{
	struct deposit_request wallet = {
		.account_id = le64_make(account_id),
		.amount = le64s_make(amount),
		.deadline_ns = le64_make(plan->deadline_ns),
		.currency = le16_make(plan->currency),
	};

	return block_write(header, template_id, &wallet, sizeof(wallet), out);
}

static uint32_t transfer_write(const struct bet_plan *plan, struct message_header *header,
    uint64_t random, uint32_t from, int64_t amount, uint8_t *out)
{
	uint32_t to = account_of(plan, (uint32_t)random, (uint16_t)(random >> 32));
	struct transfer_request transfer = {
		.from_account = le64_make(plan->account_first + from),
		.amount = le64s_make(amount),
		.deadline_ns = le64_make(plan->deadline_ns),
		.currency = le16_make(plan->currency),
	};

	if (to == from)
		to = (to + 1) % plan->account_count;
	transfer.to_account = le64_make(plan->account_first + to);
	return block_write(header, WIRE_TRANSFER, &transfer, sizeof(transfer), out);
}

uint32_t request_write(const struct bet_plan *plan, uint64_t terminal_id, uint64_t request_id,
    uint64_t target, uint8_t flags, uint8_t *out)
{
	uint64_t random = draw_what(plan, terminal_id, request_id), second = mix(random);
	uint32_t account = account_of(plan, (uint32_t)random, (uint16_t)(second >> 48));
	uint64_t account_id = plan->account_first + account;
	int64_t amount = plan->stake_min + (int64_t)(((random >> 48) * plan->stake_span) >> 16);
	struct message_header header = {
		.schema_version = WIRE_SCHEMA_VERSION,
		.flags = flags,
		.request_id = le64_make(request_id),
	};
	struct cancel_bet_request cancel = {
		.bet_id = le64_make(target),
		.deadline_ns = le64_make(plan->deadline_ns),
		.reason = le16_make(CANCEL_REASON_PRINT_FAILED),
	};
	struct tx_status_request status = { .target_request_id = le64_make(target) };

	switch (kind_of(plan, second)) {
	case REQUEST_TX_STATUS:
		if (target == 0)
			break;
		return block_write(&header, WIRE_TX_STATUS, &status, sizeof(status), out);
	case REQUEST_CANCEL_BET:
		if (target == 0)
			break;
		return block_write(&header, WIRE_CANCEL_BET, &cancel, sizeof(cancel), out);
	case REQUEST_DEPOSIT:
		return wallet_write(plan, &header, WIRE_DEPOSIT, account_id, amount, out);
	case REQUEST_WITHDRAW:
		return wallet_write(plan, &header, WIRE_WITHDRAW, account_id, amount, out);
	case REQUEST_TRANSFER:
		if (plan->account_count < 2)
			break;
		return transfer_write(plan, &header, mix(second), account, amount, out);
	case REQUEST_PLACE_BET:
	case REQUEST_KINDS:
		break;
	}
	return bet_write(plan, &header, random, account_id, amount, out);
}
