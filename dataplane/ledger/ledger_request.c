/* SPDX-License-Identifier: Apache-2.0 */
/* What a request or an event names: buckets, counter accounts, and the rows to bring into the
 * cache. */
#include "dataplane/ledger/ledger_internal.h"

uint64_t ledger_counter_account(uint16_t type, uint16_t currency, uint64_t terminal_id)
{
	switch (type) {
	case EVENT_ACCOUNT_OPEN:
		return ledger_system_account(SYSTEM_FUNDING, currency, 0);
	case EVENT_DEPOSIT:
		return ledger_system_account(SYSTEM_CASH, currency, terminal_id);
	case EVENT_PLACE_BET:
	case EVENT_CANCEL_BET:
		return ledger_system_account(SYSTEM_STAKES, currency, 0);
	default:
		return 0;
	}
}

uint64_t ledger_request_bucket_key(const struct wire_request *request, uint32_t *bucket)
{
	uint64_t key = 0;

	switch (request->template_id) {
	case WIRE_PLACE_BET:
		key = request->place_bet.account_id;
		break;
	case WIRE_DEPOSIT:
		key = request->deposit.account_id;
		break;
	case WIRE_BALANCE:
		key = request->balance.account_id;
		break;
	case WIRE_CANCEL_BET:
		key = request->cancel_bet.bet_id;
		break;
	case WIRE_BET_STATUS:
		key = request->bet_status.bet_id;
		break;
	default:
		break;
	}
	if (key == 0)
		return 0;
	if (request->template_id == WIRE_CANCEL_BET || request->template_id == WIRE_BET_STATUS)
		*bucket = ids_bucket_of_printed(key);
	else
		*bucket = ids_bucket_of_key(key);
	return key;
}

static void prefetch_account(const struct ledger *ledger, uint64_t account_id)
{
	uint32_t row = account_find(ledger, account_id);

	if (row != ROW_NONE) {
		const char *slot = (const char *)&ledger->accounts[row];

		__builtin_prefetch(slot, 1);
		__builtin_prefetch(slot + 64, 1);
		__builtin_prefetch(slot + 128, 1);
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
		prefetch_account(ledger, request->place_bet.account_id);
		for (unsigned i = 0; i < request->place_bet.leg_count && i < LIMIT_BET_LEGS_MAX;
		     i++) {
			row = market_find(ledger, request->place_bet.legs[i].market_id);
			if (row != ROW_NONE)
				__builtin_prefetch(&ledger->markets[row].row.odds);
		}
		return;
	case WIRE_DEPOSIT:
		prefetch_account(ledger, request->deposit.account_id);
		return;
	case WIRE_BALANCE:
		prefetch_account(ledger, request->balance.account_id);
		return;
	case WIRE_CANCEL_BET:
	case WIRE_BET_STATUS:
		row = bet_find(ledger, request->template_id == WIRE_CANCEL_BET
		                           ? request->cancel_bet.bet_id
		                           : request->bet_status.bet_id);
		if (row != ROW_NONE)
			prefetch_account(ledger, ledger->bets[row].account_id);
		return;
	default:
		return;
	}
}

void ledger_prefetch_terminal(const struct ledger *ledger, uint64_t terminal_id)
{
	uint32_t row = terminal_find(ledger, terminal_id);

	if (row != ROW_NONE)
		__builtin_prefetch(&ledger->terminals[row], 1);
}
