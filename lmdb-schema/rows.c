/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/rows.h"

#include <errno.h>

#define SYSTEM_BIT          (1ull << 63) /* account ids above LIMIT_ACCOUNT_ID_MAX */
#define ACCOUNT_FLAGS_ALL   63u          /* account_flag of the ledger */
#define ACCOUNT_FLAG_SYSTEM 2u

static uint8_t record_version(enum record_kind kind)
{
	switch (kind) {
	case RECORD_ACCOUNT:
		return RECORD_VERSION_ACCOUNT;
	case RECORD_BET:
		return RECORD_VERSION_BET;
	case RECORD_MARKET:
		return RECORD_VERSION_MARKET;
	case RECORD_TERMINAL:
		return RECORD_VERSION_TERMINAL;
	case RECORD_IDENTITY:
	case RECORD_CHECKPOINT:
	case RECORD_STATE:
	case RECORD_PAST:
		break;
	}
	return RECORD_VERSION;
}

struct record_header record_header_make(enum record_kind kind, size_t size)
{
	return (struct record_header){
		.size = le16_make((uint16_t)size),
		.kind = (uint8_t)kind,
		.version = record_version(kind),
	};
}

/* Kind, version, reserved bytes, and that the size in the header is the size there is. */
static int header_fits(struct db_bytes bytes, enum record_kind kind, size_t size_min)
{
	struct record_header header;

	if (bytes.size < size_min)
		return 0;
	memcpy(&header, bytes.data, sizeof(header));
	return header.kind == kind && header.version == record_version(kind) &&
	       le16_get(header.size) == bytes.size &&
	       bytes_all_zero(header.reserved, sizeof(header.reserved));
}

static int money_fits(int64_t amount, int64_t low, int64_t high)
{
	return amount >= low && amount <= high;
}

static int profile_fits(const struct record_profile *profile)
{
	return profile->profile_score <= 100 && profile->reserved0 == 0 &&
	       le16_get(profile->country) <= 999 &&
	       bytes_all_zero(profile->reserved, sizeof(profile->reserved)) &&
	       bytes_all_zero(profile->reserved_slots, sizeof(profile->reserved_slots));
}

/* A row with a state, or without one: then as it was before there were states, and never zeros. */
static int state_size_fits(struct db_bytes bytes, size_t without, size_t with)
{
	const uint8_t *at = bytes.data;

	return bytes.size == without ||
	       (bytes.size == with && !bytes_all_zero(at + without, with - without));
}

static int feedback_fits(const struct record_feedback *feedback)
{
	return bytes_all_zero(feedback->reserved, sizeof(feedback->reserved));
}

/* Means are amounts << 8, sums are cut at 2^56: nothing that is computed with them overflows. */
static int amounts_fit(struct le64 mean, struct le64 spread)
{
	return le64_get(mean) <= (uint64_t)LIMIT_BALANCE_MAX << 8 &&
	       le64_get(spread) <= (uint64_t)LIMIT_BALANCE_MAX << 8;
}

static int account_state_fits(const struct record_account_state *state)
{
	const uint64_t sum_max = 1ull << 57;

	return amounts_fit(state->amount_mean, state->amount_spread) &&
	       le64_get(state->sum_24h) <= sum_max && le64_get(state->sum_7d) <= sum_max &&
	       le64_get(state->sum_30d) <= sum_max && le64_get(state->received_amount) <= sum_max &&
	       le64_get(state->staked_since) <= sum_max && feedback_fits(&state->feedback);
}

int record_account_read(struct db_bytes bytes, struct record_account_full *out)
{
	struct record_account_full full = { 0 };
	struct record_account record;
	uint64_t id;
	uint16_t flags;
	int system;

	if (!header_fits(bytes, RECORD_ACCOUNT, sizeof(record)) ||
	    !state_size_fits(bytes, sizeof(record), sizeof(full)))
		return -EBADMSG;
	memcpy(&full, bytes.data, bytes.size);
	record = full.account;
	id = le64_get(record.id);
	flags = le16_get(record.flags);
	system = (id & SYSTEM_BIT) != 0;
	if (id == 0 || le64_get(record.lsn) == 0 || (flags & ~ACCOUNT_FLAGS_ALL) != 0 ||
	    ((flags & ACCOUNT_FLAG_SYSTEM) != 0) != system)
		return -EBADMSG;
	/* System accounts are sums over many customers: any balance may be right. Only customers
	 * owe and have a partner. */
	if (!system && !money_fits(le64s_get(record.balance), 0, LIMIT_BALANCE_MAX))
		return -EBADMSG;
	if (system && (le64s_get(record.owed) != 0 || le16_get(record.partner_id) != 0 ||
	                  flags != ACCOUNT_FLAG_SYSTEM))
		return -EBADMSG;
	if (le64s_get(record.owed) < 0 || le64s_get(record.staked_today) < 0 ||
	    !profile_fits(&record.profile) || !account_state_fits(&full.state))
		return -EBADMSG;
	*out = full;
	return 0;
}

int record_bet_read(struct db_bytes bytes, struct record_bet_full *out)
{
	struct record_bet_full record = { 0 };
	const struct record_bet *bet = &record.bet;
	size_t legs_size;

	if (!header_fits(bytes, RECORD_BET, sizeof(record.bet)) || bytes.size > sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, bytes.size);
	legs_size = bet->leg_count * sizeof(struct event_leg);
	if (bet->leg_count == 0 || bet->leg_count > LIMIT_BET_LEGS_MAX ||
	    bytes.size != sizeof(record.bet) + legs_size)
		return -EBADMSG;
	if (le64_get(bet->id) == 0 || le64_get(bet->lsn) == 0 ||
	    le64_get(bet->account_id) > LIMIT_ACCOUNT_ID_MAX ||
	    le64_get(bet->terminal_id) > LIMIT_TERMINAL_ID_MAX || bet->state < BET_OPEN ||
	    bet->state > BET_STATE_MAX || !bytes_all_zero(bet->reserved, sizeof(bet->reserved)))
		return -EBADMSG;
	if (!money_fits(le64s_get(bet->stake), 1, LIMIT_STAKE_MAX) ||
	    !money_fits(le64s_get(bet->payout), 0, LIMIT_PAYOUT_MAX))
		return -EBADMSG;
	for (unsigned i = 0; i < bet->leg_count; i++) {
		const struct event_leg *leg = &record.legs[i];

		if (le64_get(leg->market_id) == 0 ||
		    le16_get(leg->selection) >= LIMIT_MARKET_SELECTIONS_MAX ||
		    le32_get(leg->odds) < LIMIT_ODDS_MIN || le32_get(leg->odds) > LIMIT_ODDS_MAX ||
		    !bytes_all_zero(leg->reserved, sizeof(leg->reserved)))
			return -EBADMSG;
	}
	*out = record;
	return 0;
}

int record_market_read(struct db_bytes bytes, struct record_market *out)
{
	struct record_market record;
	const struct event_market *market = &record.market;

	if (!header_fits(bytes, RECORD_MARKET, sizeof(record)) || bytes.size != sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	if (le64_get(record.id) == 0 || le64_get(record.lsn) == 0 ||
	    market->state < MARKET_BEFORE || market->state > MARKET_VOID || market->kind == 0 ||
	    market->selection_count == 0 || market->selection_count > LIMIT_MARKET_SELECTIONS_MAX ||
	    !bytes_all_zero(market->reserved, sizeof(market->reserved)) ||
	    !bytes_all_zero(market->reserved_tail, sizeof(market->reserved_tail)) ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	/* Outcomes themselves are the loader's to check (dataplane/store/rows.c). */
	if (record.walked > 1 || record.final > 1 ||
	    (le64_get(record.walked_ns) != 0 && !record.walked) ||
	    (market->state >= MARKET_SETTLED &&
	        bytes_all_zero(record.outcomes, sizeof(record.outcomes))))
		return -EBADMSG;
	for (unsigned i = market->selection_count; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		if (le32_get(market->odds[i]) != 0)
			return -EBADMSG;
	*out = record;
	return 0;
}

static int shift_fits(const struct record_terminal *record)
{
	if (record->shift_open == 1)
		return le16_get(record->shift_currency) <= 999;
	return record->shift_open == 0 && le16_get(record->shift_currency) == 0 &&
	       le32_get(record->cashier_id) == 0 && le64s_get(record->shift_cash) == 0 &&
	       le64s_get(record->shift_cash_total) == 0 && le64_get(record->shift_opened_ns) == 0;
}

int record_terminal_read(struct db_bytes bytes, struct record_terminal_full *out)
{
	struct record_terminal_full full = { 0 };
	struct record_terminal record;

	if (!header_fits(bytes, RECORD_TERMINAL, sizeof(record)) ||
	    !state_size_fits(bytes, sizeof(record), sizeof(full)))
		return -EBADMSG;
	memcpy(&full, bytes.data, bytes.size);
	record = full.terminal;
	if (!amounts_fit(full.state.amount_mean, full.state.amount_spread) ||
	    !feedback_fits(&full.state.feedback))
		return -EBADMSG;
	if ((le32_get(record.rights) & ~RIGHT_ALL) != 0 || record.blocked > 1 ||
	    !money_fits(le64s_get(record.daily_max), 0, LIMIT_BALANCE_MAX))
		return -EBADMSG;
	if (le64_get(record.version) == 0 &&
	    (le32_get(record.rights) != RIGHT_ALL || record.blocked != 0 ||
	        le64s_get(record.daily_max) != 0))
		return -EBADMSG;
	if (le64_get(record.id) == 0 || le64_get(record.id) > LIMIT_TERMINAL_ID_MAX ||
	    le64_get(record.lsn) == 0 || le64s_get(record.staked_today) < 0 ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) || !shift_fits(&record))
		return -EBADMSG;
	*out = full;
	return 0;
}

int record_identity_read(struct db_bytes bytes, struct record_identity *out)
{
	struct record_identity record;
	uint16_t count;

	if (!header_fits(bytes, RECORD_IDENTITY, sizeof(record)) || bytes.size != sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	count = le16_get(record.shard_count);
	if (count == 0 || count > LIMIT_SHARDS || le16_get(record.shard) >= count ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	for (unsigned i = 0; i < LIMIT_BUCKETS; i++)
		if (record.bucket_shard[i] >= count)
			return -EBADMSG;
	*out = record;
	return 0;
}

size_t record_checkpoint_size(const struct record_checkpoint *record)
{
	return bytes_all_zero(
	           &record->currency_count, sizeof(*record) - RECORD_CHECKPOINT_SIZE_SHORT)
	           ? RECORD_CHECKPOINT_SIZE_SHORT
	           : sizeof(*record);
}

int record_checkpoint_read(struct db_bytes bytes, struct record_checkpoint *out)
{
	struct record_checkpoint record = { 0 };

	if (!header_fits(bytes, RECORD_CHECKPOINT, RECORD_CHECKPOINT_SIZE_SHORT) ||
	    (bytes.size != RECORD_CHECKPOINT_SIZE_SHORT && bytes.size != sizeof(record)))
		return -EBADMSG;
	memcpy(&record, bytes.data, bytes.size);
	if (record.clean > 1 || record.has_rules > 1 ||
	    le64_get(record.log_lsn) < le64_get(record.begin_lsn) ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    (!record.has_rules && !bytes_all_zero(&record.rules, sizeof(record.rules))))
		return -EBADMSG;
	/* The rules themselves are the loader's to check (dataplane/store/rows_load.c). */
	if (bytes.size != record_checkpoint_size(&record) ||
	    record.currency_count > LIMIT_RULES_CURRENCIES_MAX ||
	    !bytes_all_zero(record.reserved_extra, sizeof(record.reserved_extra)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_state_read(struct db_bytes bytes, struct record_state *out)
{
	if (!header_fits(bytes, RECORD_STATE, sizeof(*out)) || bytes.size != sizeof(*out))
		return -EBADMSG;
	memcpy(out, bytes.data, sizeof(*out));
	return 0;
}

int record_past_read(struct db_bytes bytes, struct record_past *out)
{
	struct record_past record;
	uint16_t count;

	if (!header_fits(bytes, RECORD_PAST, sizeof(record)) || bytes.size != sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	count = le16_get(record.shard_count);
	if (le16_get(record.generation) == 0 || count == 0 || count > LIMIT_SHARDS ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !bytes_all_zero(&record.logs[count], (LIMIT_SHARDS - count) * sizeof(record.logs[0])))
		return -EBADMSG;
	for (unsigned i = 0; i < count; i++)
		if (le64_get(record.logs[i].first_lsn) == 0 ||
		    le64_get(record.logs[i].last_lsn) < le64_get(record.logs[i].first_lsn) - 1)
			return -EBADMSG;
	*out = record;
	return 0;
}

int record_object_read(struct db_bytes bytes, struct object_bytes *out)
{
	struct object_bytes record;

	if (bytes.size != sizeof(record))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	if (le64_get(record.id) == 0 || le64_get(record.lsn) == 0 || object_check(&record) != 0)
		return -EBADMSG;
	*out = record;
	return 0;
}
