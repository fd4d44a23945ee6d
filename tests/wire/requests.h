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

static const uint16_t templates[] = { WIRE_HELLO, WIRE_HEARTBEAT, WIRE_PLACE_BET, WIRE_BET_STATUS,
	WIRE_CANCEL_BET, WIRE_BALANCE, WIRE_DEPOSIT, WIRE_MARKET_QUERY };

/* A valid request with random contents. */
static inline void request_random(
    uint64_t *random, uint16_t template_id, struct wire_request *request)
{
	memset(request, 0, sizeof(*request));
	request->template_id = template_id;
	request->request_id = test_random(random) | 1;
	request->flags = test_random(random) & 1 ? MESSAGE_FLAG_RETRANSMISSION : 0;
	switch (template_id) {
	case WIRE_HELLO:
		random_bytes(random, &request->hello, sizeof(request->hello));
		break;
	case WIRE_HEARTBEAT:
		random_bytes(random, &request->heartbeat, sizeof(request->heartbeat));
		request->heartbeat.state &= HEARTBEAT_STATE_ALL;
		request->heartbeat.battery_percent %= 101;
		break;
	case WIRE_PLACE_BET:
		random_bytes(random, &request->place_bet, sizeof(request->place_bet));
		request->place_bet.account_id = (request->place_bet.account_id >> 1) | 1;
		request->place_bet.odds_policy &= 1;
		request->place_bet.leg_count = (uint8_t)(1 + request->place_bet.leg_count % 10);
		break;
	case WIRE_BET_STATUS:
		random_bytes(random, &request->bet_status, sizeof(request->bet_status));
		break;
	case WIRE_CANCEL_BET:
		random_bytes(random, &request->cancel_bet, sizeof(request->cancel_bet));
		break;
	case WIRE_BALANCE:
		request->balance.account_id = (test_random(random) >> 1) | 1;
		break;
	case WIRE_DEPOSIT:
		random_bytes(random, &request->deposit, sizeof(request->deposit));
		request->deposit.account_id = (request->deposit.account_id >> 1) | 1;
		break;
	default:
		random_bytes(random, &request->market_query, sizeof(request->market_query));
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
