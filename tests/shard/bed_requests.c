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

struct wire_request bed_request(uint16_t template_id, uint64_t request_id)
{
	struct wire_request request;

	memset(&request, 0, sizeof(request));
	request.request_id = request_id;
	request.template_id = template_id;
	return request;
}

struct wire_request bed_transfer(uint64_t request_id, uint64_t from, uint64_t to, int64_t amount)
{
	struct wire_request request = bed_request(WIRE_TRANSFER, request_id);

	request.transfer.from_account = from;
	request.transfer.to_account = to;
	request.transfer.amount = amount;
	request.transfer.deadline_ns = NO_DEADLINE;
	request.transfer.currency = KRW;
	return request;
}

struct wire_request bed_deposit(uint64_t request_id, uint64_t account_id, int64_t amount)
{
	struct wire_request request = bed_request(WIRE_DEPOSIT, request_id);

	request.deposit.account_id = account_id;
	request.deposit.amount = amount;
	request.deposit.deadline_ns = NO_DEADLINE;
	request.deposit.currency = KRW;
	return request;
}

struct wire_request bed_target(uint16_t template_id, uint64_t request_id, uint64_t target_id)
{
	struct wire_request request = bed_request(template_id, request_id);

	if (template_id == WIRE_FENCE) {
		request.fence.target_request_id = target_id;
		request.fence.deadline_ns = NO_DEADLINE;
	} else if (template_id == WIRE_REVERSE) {
		request.reverse.target_request_id = target_id;
		request.reverse.deadline_ns = NO_DEADLINE;
	} else {
		request.tx_status.target_request_id = target_id;
	}
	return request;
}

struct wire_reply bed_ask(struct bed *bed, unsigned terminal, struct wire_request request)
{
	struct wire_reply reply;

	bed_send(bed, terminal, request);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 1);
	reply = bed_take(bed);
	assert_int_equal(reply.request_id, request.request_id);
	return reply;
}

int64_t bed_money(const struct bed *bed, uint64_t account_id)
{
	uint32_t shard = bed->shared.buckets.shard[ids_bucket_of_key(account_id)];
	const struct account_row *row = ledger_account(bed->workers[shard]->ledger, account_id);

	assert_non_null(row);
	return row->balance;
}
