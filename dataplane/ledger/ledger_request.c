/* SPDX-License-Identifier: Apache-2.0 */
/* What a request or an event names: buckets, counter accounts, and the rows to bring into the
 * cache. */
#include "dataplane/ledger/ledger_derived.h"
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

/*
 * First for all requests of a burst the lines of the indexes, then the rows they name; neither
 * waits for memory. A row is taken by its tag alone, as comparing the id would be to wait for it.
 */
static uint32_t row_by_tag(const struct ledger *ledger, enum ledger_table table, uint64_t hash)
{
	const struct ledger_table_core *core = &ledger->tables[table];
	uint32_t tag = (uint32_t)hash;
	uint64_t at = index_start_of(hash);
	struct index_entry entry = core->index[at & core->index_mask];

	while (entry.row_plus_one != 0 && entry.tag != tag)
		entry = core->index[++at & core->index_mask];
	return entry.row_plus_one - 1; /* 0, empty: ROW_NONE */
}

static void request_prefetch_lines(const void *from, size_t size)
{
	const char *bytes = from;

	for (size_t at = 0; at < size; at += SLUICE_CACHE_LINE_SIZE)
		__builtin_prefetch(bytes + at, 1);
	__builtin_prefetch(bytes + size - 1, 1);
}

uint32_t ledger_prefetch_account(const struct ledger *ledger, uint64_t hash)
{
	uint32_t row = row_by_tag(ledger, LEDGER_ACCOUNT, hash);

	if (row == ROW_NONE)
		return row;
	request_prefetch_lines(&ledger->accounts[row], sizeof(*ledger->accounts));
	if (ledger->shard.extra.present)
		request_prefetch_lines(
		    &ledger->account_states[row], sizeof(*ledger->account_states));
	return row;
}

uint32_t ledger_prefetch_market(const struct ledger *ledger, uint64_t hash, uint32_t *record)
{
	uint32_t row = row_by_tag(ledger, LEDGER_MARKET, hash);

	*record = 0;
	if (row == ROW_NONE)
		return row;
	__builtin_prefetch(&ledger->markets[row]);
	__builtin_prefetch(&ledger->markets[row].row.odds);
	*record = derived_market_prefetch(ledger, hash);
	return row;
}

/* The account, and bet, that the request names first; 0: none. */
static uint64_t request_prefetch_names(const struct wire_request *request, uint64_t *bet_id)
{
	*bet_id = 0;
	switch (request->template_id) {
	case WIRE_CANCEL_BET:
		*bet_id = request->cancel_bet.bet_id;
		return 0;
	case WIRE_BET_STATUS:
		*bet_id = request->bet_status.bet_id;
		return 0;
	case WIRE_PLACE_BET:
	case WIRE_DEPOSIT:
	case WIRE_WITHDRAW:
	case WIRE_BALANCE:
		return request_key(request);
	default:
		return 0;
	}
}

void ledger_prefetch_begin(
    const struct ledger *ledger, const struct wire_request *request, uint64_t terminal_id)
{
	uint64_t bet_id, account_id = request_prefetch_names(request, &bet_id);

	if (account_id != 0)
		ledger_prefetch_index(ledger, LEDGER_ACCOUNT, account_id);
	if (bet_id != 0)
		ledger_prefetch_index(ledger, LEDGER_BET, bet_id);
	ledger_prefetch_index(ledger, LEDGER_TERMINAL, terminal_id);
	if (request->template_id != WIRE_PLACE_BET)
		return;
	for (unsigned i = 0; i < request->place_bet.leg_count && i < LIMIT_BET_LEGS_MAX; i++)
		ledger_prefetch_index(ledger, LEDGER_MARKET, request->place_bet.legs[i].market_id);
}

void ledger_prefetch(const struct ledger *ledger, const struct wire_request *request)
{
	uint64_t bet_id, account_id = request_prefetch_names(request, &bet_id);
	uint32_t record;

	if (account_id != 0) {
		(void)ledger_prefetch_account(ledger, ledger_mix(account_id));
	} else if (bet_id != 0) {
		/* Its account is in the bet's row: this one is waited for. */
		uint32_t row = bet_find(ledger, bet_id);

		if (row != ROW_NONE && ledger->bets[row].account_id != 0)
			(void)ledger_prefetch_account(
			    ledger, ledger_mix(ledger->bets[row].account_id));
	}
	if (request->template_id != WIRE_PLACE_BET)
		return;
	for (unsigned i = 0; i < request->place_bet.leg_count && i < LIMIT_BET_LEGS_MAX; i++)
		(void)ledger_prefetch_market(
		    ledger, ledger_mix(request->place_bet.legs[i].market_id), &record);
}

uint32_t ledger_prefetch_terminal_row(const struct ledger *ledger, uint64_t hash)
{
	uint32_t row = row_by_tag(ledger, LEDGER_TERMINAL, hash);

	if (row == ROW_NONE)
		return row;
	__builtin_prefetch(&ledger->terminals[row], 1);
	if (ledger->shard.extra.present)
		request_prefetch_lines(
		    &ledger->terminal_states[row], sizeof(*ledger->terminal_states));
	return row;
}

void ledger_prefetch_terminal(const struct ledger *ledger, uint64_t terminal_id)
{
	(void)ledger_prefetch_terminal_row(ledger, ledger_mix(terminal_id));
}
