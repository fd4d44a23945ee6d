/* SPDX-License-Identifier: Apache-2.0 */
/* What a request or an event names: buckets, counter accounts, and the rows to bring into the
 * cache. */
#include "dataplane/ledger/ledger_internal.h"

/* Ids whose bucket is in their top bits; the others are hashed. */
static int key_is_printed(uint16_t template_id)
{
	switch (template_id) {
	case WIRE_CANCEL_BET:
	case WIRE_BET_STATUS:
	case WIRE_REDEEM:
	case WIRE_REPRINT:
	case WIRE_CLAIM:
	case WIRE_SPRINKLE_STATUS:
		return 1;
	default:
		return 0;
	}
}

static uint64_t request_key(const struct wire_request *request)
{
	switch (request->template_id) {
	case WIRE_PLACE_BET:
		return request->place_bet.account_id;
	case WIRE_DEPOSIT:
	case WIRE_WITHDRAW:
		return request->deposit.account_id;
	case WIRE_BALANCE:
		return request->balance.account_id;
	case WIRE_CANCEL_BET:
		return request->cancel_bet.bet_id;
	case WIRE_BET_STATUS:
		return request->bet_status.bet_id;
	case WIRE_REDEEM:
		return request->redeem.bet_id;
	case WIRE_REPRINT:
		return request->reprint.bet_id;
	case WIRE_OPEN_ACCOUNT:
		return request->open_account.account_id;
	case WIRE_TRANSFER:
		return request->transfer.from_account;
	case WIRE_STATEMENT:
		return request->statement.account_id;
	case WIRE_PLAY_SET:
		return request->play_set.account_id;
	case WIRE_SPRINKLE_CREATE:
		return request->sprinkle_create.account_id;
	case WIRE_CLAIM:
		return request->claim.token;
	case WIRE_SPRINKLE_STATUS:
		return request->sprinkle_status.token;
	case WIRE_ROUND_DEBIT:
	case WIRE_ROUND_CREDIT:
	case WIRE_ROUND_ROLLBACK:
	case WIRE_ROUND_CLOSE:
		return request->round.account_id;
	default:
		return 0;
	}
}

uint64_t ledger_request_bucket_key(const struct wire_request *request, uint32_t *bucket)
{
	uint64_t key = request_key(request);

	if (key != 0)
		*bucket = key_is_printed(request->template_id) ? ids_bucket_of_printed(key)
		                                               : ids_bucket_of_key(key);
	return key;
}

static void request_prefetch_account(const struct ledger *ledger, uint64_t account_id)
{
	uint32_t row = account_find(ledger, account_id);

	if (row != ROW_NONE) {
		const char *slot = (const char *)&ledger->accounts[row], *state;

		__builtin_prefetch(slot, 1);
		__builtin_prefetch(slot + 64, 1);
		__builtin_prefetch(slot + 128, 1);
		if (!ledger->shard.extra.present)
			return;
		state = (const char *)&ledger->account_states[row];
		for (size_t at = 0; at < sizeof(*ledger->account_states); at += 64)
			__builtin_prefetch(state + at, 1);
		__builtin_prefetch(state + sizeof(*ledger->account_states) - 1, 1);
	}
}

/*
 * The look-ups themselves miss, but those of different requests are independent, so over a burst
 * the processor overlaps them; only then is it worth asking for the rest of each row.
 */
void ledger_prefetch(const struct ledger *ledger, const struct wire_request *request)
{
	uint32_t row;

	switch (request->template_id) {
	case WIRE_PLACE_BET:
		request_prefetch_account(ledger, request->place_bet.account_id);
		for (unsigned i = 0; i < request->place_bet.leg_count && i < LIMIT_BET_LEGS_MAX;
		     i++) {
			row = market_find(ledger, request->place_bet.legs[i].market_id);
			if (row != ROW_NONE)
				__builtin_prefetch(&ledger->markets[row].row.odds);
		}
		return;
	case WIRE_DEPOSIT:
	case WIRE_WITHDRAW:
		request_prefetch_account(ledger, request->deposit.account_id);
		return;
	case WIRE_BALANCE:
		request_prefetch_account(ledger, request->balance.account_id);
		return;
	case WIRE_CANCEL_BET:
	case WIRE_BET_STATUS:
		row = bet_find(ledger, request->template_id == WIRE_CANCEL_BET
		                           ? request->cancel_bet.bet_id
		                           : request->bet_status.bet_id);
		if (row != ROW_NONE)
			request_prefetch_account(ledger, ledger->bets[row].account_id);
		return;
	default:
		return;
	}
}

void ledger_prefetch_terminal(const struct ledger *ledger, uint64_t terminal_id)
{
	uint32_t row = terminal_find(ledger, terminal_id);

	if (row == ROW_NONE)
		return;
	__builtin_prefetch(&ledger->terminals[row], 1);
	if (ledger->shard.extra.present) {
		const char *state = (const char *)&ledger->terminal_states[row];

		__builtin_prefetch(state, 1);
		__builtin_prefetch(state + 64, 1);
		__builtin_prefetch(state + sizeof(*ledger->terminal_states) - 1, 1);
	}
}
