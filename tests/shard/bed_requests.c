/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shard/bed.h"

struct wire_request bed_bet(uint64_t request_id, uint64_t account_id, int64_t stake)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = request_id;
	request.template_id = WIRE_PLACE_BET;
	request.place_bet.account_id = account_id;
	request.place_bet.stake = stake;
	request.place_bet.deadline_ns = NO_DEADLINE;
	request.place_bet.currency = KRW;
	request.place_bet.leg_count = 1;
	request.place_bet.legs[0] = (struct wire_leg){ BED_MARKET, 2000, 0 };
	return request;
}

struct wire_request bed_cancel(uint64_t request_id, uint64_t bet_id)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = request_id;
	request.template_id = WIRE_CANCEL_BET;
	request.cancel_bet.bet_id = bet_id;
	request.cancel_bet.deadline_ns = NO_DEADLINE;
	return request;
}

struct wire_request bed_balance(uint64_t request_id, uint64_t account_id)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = request_id;
	request.template_id = WIRE_BALANCE;
	request.balance.account_id = account_id;
	return request;
}

struct wire_request bed_bet_status(uint64_t request_id, uint64_t bet_id)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = request_id;
	request.template_id = WIRE_BET_STATUS;
	request.bet_status.bet_id = bet_id;
	return request;
}
