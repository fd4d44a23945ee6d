/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for the codec's tests: random valid ones, and messages to break. */
#ifndef SLUICE_TESTS_WIRE_REQUESTS_H
#define SLUICE_TESTS_WIRE_REQUESTS_H

#include "tests/test.h"
#include "wire/codec.h"

static inline void random_bytes(uint64_t *random, void *out, size_t size)
{
	uint8_t *bytes = out;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)test_random(random);
}

/* Every template, in order of the catalogue. */
static const uint16_t templates[] = { WIRE_HELLO, WIRE_HEARTBEAT, WIRE_KEY_UPDATE, WIRE_GOODBYE,
	WIRE_PLACE_BET, WIRE_BET_STATUS, WIRE_CANCEL_BET, WIRE_REDEEM, WIRE_REPRINT,
	WIRE_OPEN_ACCOUNT, WIRE_BALANCE, WIRE_DEPOSIT, WIRE_WITHDRAW, WIRE_TRANSFER, WIRE_STATEMENT,
	WIRE_TX_STATUS, WIRE_REVERSE, WIRE_FENCE, WIRE_PLAY_SET, WIRE_EVENT_QUERY,
	WIRE_MARKET_QUERY, WIRE_SPRINKLE_CREATE, WIRE_CLAIM, WIRE_SPRINKLE_STATUS, WIRE_ROUND_DEBIT,
	WIRE_ROUND_CREDIT, WIRE_ROUND_ROLLBACK, WIRE_ROUND_CLOSE, WIRE_SHIFT_OPEN,
	WIRE_SHIFT_CLOSE };

static inline uint64_t account_random(uint64_t *random)
{
	return (test_random(random) >> 1) | 1;
}

static inline uint16_t currency_random(uint64_t *random)
{
	return (uint16_t)(1 + test_random(random) % 999);
}

static inline void round_random(
    uint64_t *random, uint16_t template_id, struct wire_request *request)
{
	request->round.account_id = account_random(random);
	request->round.deadline_ns = test_random(random);
	request->round.round = test_random(random);
	request->round.game = (uint32_t)test_random(random);
	request->round.currency = currency_random(random);
	request->round.partner_id = (uint16_t)test_random(random);
	if (template_id == WIRE_ROUND_DEBIT || template_id == WIRE_ROUND_CREDIT)
		request->round.amount = (int64_t)test_random(random);
	if (template_id != WIRE_ROUND_CLOSE)
		request->round.transaction[test_random(random) & 1] = test_random(random) | 1;
	if (template_id == WIRE_ROUND_ROLLBACK)
		request->round.target[test_random(random) & 1] = test_random(random) | 1;
}

/* Random contents put in range, of the templates about accounts. 1 when it was one. */
static inline int wallet_random(
    uint64_t *random, uint16_t template_id, struct wire_request *request)
{
	switch (template_id) {
	case WIRE_OPEN_ACCOUNT:
		request->open_account.account_id = account_random(random);
		request->open_account.currency = currency_random(random);
		return 1;
	case WIRE_BALANCE:
		request->balance.account_id = account_random(random);
		return 1;
	case WIRE_DEPOSIT:
	case WIRE_WITHDRAW:
		request->deposit.account_id = account_random(random);
		request->deposit.currency = currency_random(random);
		return 1;
	case WIRE_TRANSFER:
		request->transfer.from_account = account_random(random);
		request->transfer.to_account = account_random(random);
		request->transfer.currency = currency_random(random);
		return 1;
	case WIRE_STATEMENT:
		request->statement.account_id = account_random(random);
		request->statement.count = (uint8_t)(1 + request->statement.count % 14);
		return 1;
	case WIRE_PLAY_SET:
		request->play_set.account_id = account_random(random);
		for (unsigned i = 0; i < 6; i++)
			request->play_set.limits[i] =
			    (int64_t)(test_random(random) % (LIMIT_BALANCE_MAX + 2)) - 1;
		return 1;
	case WIRE_SPRINKLE_CREATE:
		request->sprinkle_create.account_id = account_random(random);
		request->sprinkle_create.currency = currency_random(random);
		request->sprinkle_create.equal &= 1;
		return 1;
	case WIRE_CLAIM:
		request->claim.account_id = account_random(random);
		return 1;
	default:
		return 0;
	}
}

/* A valid request with random contents. */
static inline void request_random(
    uint64_t *random, uint16_t template_id, struct wire_request *request)
{
	memset(request, 0, sizeof(*request));
	/* The members of the union begin together and none is longer than a bet of ten legs. */
	random_bytes(random, &request->place_bet, sizeof(request->place_bet));
	request->template_id = template_id;
	request->request_id = test_random(random) | 1 | 1ull << 63;
	request->flags = test_random(random) & 1 ? MESSAGE_FLAG_RETRANSMISSION : 0;
	if (wallet_random(random, template_id, request))
		return;
	switch (template_id) {
	case WIRE_HEARTBEAT:
		request->heartbeat.state &= HEARTBEAT_STATE_ALL;
		request->heartbeat.battery_percent %= 101;
		break;
	case WIRE_PLACE_BET:
		request->place_bet.account_id >>= 1; /* 0 is a cash ticket */
		request->place_bet.currency = currency_random(random);
		request->place_bet.odds_policy &= 1;
		request->place_bet.leg_count = (uint8_t)(1 + request->place_bet.leg_count % 10);
		break;
	case WIRE_TX_STATUS:
		request->tx_status.target_request_id |= 1;
		break;
	case WIRE_REVERSE:
		request->reverse.target_request_id = account_random(random);
		break;
	case WIRE_FENCE:
		request->fence.target_request_id = account_random(random);
		break;
	case WIRE_ROUND_DEBIT:
	case WIRE_ROUND_CREDIT:
	case WIRE_ROUND_ROLLBACK:
	case WIRE_ROUND_CLOSE:
		memset(&request->round, 0, sizeof(request->round));
		round_random(random, template_id, request);
		break;
	case WIRE_SHIFT_OPEN:
	case WIRE_SHIFT_CLOSE:
		request->shift.cash = (int64_t)(test_random(random) % (LIMIT_BALANCE_MAX + 1));
		request->shift.cashier_id |= 1;
		request->shift.currency = currency_random(random);
		break;
	default: /* the rest takes anything */
		break;
	}
}

/* A valid message of one leg where there are legs. Returns its size. */
static inline size_t message_valid(uint16_t template_id, uint8_t *message)
{
	struct wire_request request;
	uint64_t random = 7;
	int size;

	request_random(&random, template_id, &request);
	request.flags = 0;
	if (template_id == WIRE_PLACE_BET)
		request.place_bet.leg_count = 1;
	size = wire_request_encode(&request, message, LIMIT_MESSAGE_SIZE_MAX);
	assert_true(size > 0);
	return (size_t)size;
}

static inline uint16_t decode_code(const uint8_t *message, size_t size)
{
	struct wire_request request;

	return wire_request_decode(message, size, &request);
}

/* Sets both length fields to what a message of these sizes would say. */
static inline void lengths_set(uint8_t *message, size_t total, size_t block)
{
	struct message_header header;

	memcpy(&header, message, sizeof(header));
	header.total_length = le16_make((uint16_t)total);
	header.block_length = le16_make((uint16_t)block);
	memcpy(message, &header, sizeof(header));
}

#endif
