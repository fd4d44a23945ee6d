/* SPDX-License-Identifier: Apache-2.0 */
/* Structural check of events read from outside: journal, log, another process. Trusts nothing. */
#include <errno.h>

#include "dataplane/ledger/ledger.h"

static size_t event_length(const struct event_record *record)
{
	size_t length = sizeof(*record);

	switch (le16_get(record->type)) {
	case EVENT_PLACE_BET:
		length += record->leg_count * sizeof(struct event_leg);
		break;
	case EVENT_MARKET_SET:
		length += sizeof(struct event_market);
		break;
	case EVENT_RULES_SET:
		length += sizeof(struct event_rules);
		break;
	case EVENT_TERMINAL_SET:
		length += sizeof(struct event_terminal);
		break;
	default:
		break;
	}
	return length;
}

static int in_range(int64_t value, int64_t low, int64_t high)
{
	return value >= low && value <= high;
}

/* What a type that comes from a terminal must hold when it was carried out. */
static int request_done_valid(const struct event_record *record)
{
	uint64_t account_id = le64_get(record->account_id);
	uint64_t object_id = le64_get(record->object_id);
	int64_t amount = le64s_get(record->amount);
	uint16_t type = le16_get(record->type);

	if (account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX)
		return 0;
	if (type == EVENT_PLACE_BET)
		return object_id != 0 && in_range(amount, -LIMIT_STAKE_MAX, -1) &&
		       le64s_get(record->payout) > 0;
	if (type == EVENT_CANCEL_BET)
		return object_id != 0 && in_range(amount, 1, LIMIT_STAKE_MAX);
	return object_id == 0 && in_range(amount, 1, LIMIT_BALANCE_MAX);
}

static int request_valid(const struct event_record *record)
{
	uint16_t type = le16_get(record->type), code = le16_get(record->code);
	uint64_t terminal_id = le64_get(record->terminal_id);
	unsigned class = wire_code_class(code);
	int is_bet = type == EVENT_PLACE_BET;

	if (terminal_id == 0 || terminal_id > LIMIT_TERMINAL_ID_MAX ||
	    le64_get(record->request_id) == 0)
		return 0;
	if (is_bet ? record->leg_count == 0 || record->leg_count > LIMIT_BET_LEGS_MAX
	           : record->leg_count != 0)
		return 0;
	if (!is_bet && (record->score != 0 || le32_get(record->factor_bits) != 0 ||
	                   le64s_get(record->payout) != 0 || record->odds_policy != 0))
		return 0;
	if (record->odds_policy > ODDS_SAME_OR_BETTER || record->flags != 0)
		return 0;
	if (type == EVENT_CANCEL_BET ? le32_get(record->cashier_id) > UINT16_MAX
	                             : type == EVENT_DEPOSIT && le32_get(record->cashier_id) != 0)
		return 0;
	if (code == WIRE_CODE_OK)
		return request_done_valid(record);
	if (class != WIRE_CLASS_BUSINESS && class != WIRE_CLASS_POLICY)
		return 0;
	/* An account that does not exist has no balance and no past. */
	if (le64_get(record->account_id) == 0 ||
	    le64_get(record->account_id) > LIMIT_ACCOUNT_ID_MAX)
		return le64s_get(record->balance) == 0 && le64_get(record->prev_account_lsn) == 0;
	return 1;
}

static int command_valid(const struct event_record *record)
{
	uint16_t type = le16_get(record->type);
	uint64_t account_id = le64_get(record->account_id);
	int has_account = type == EVENT_ACCOUNT_OPEN || type == EVENT_ACCOUNT_FREEZE;
	int64_t amount = le64s_get(record->amount);

	if (le16_get(record->code) != WIRE_CODE_OK || record->leg_count != 0 || record->score != 0)
		return 0;
	if (type == EVENT_TERMINAL_SET
	        ? le64_get(record->terminal_id) == 0 ||
	              le64_get(record->terminal_id) > LIMIT_TERMINAL_ID_MAX
	        : le64_get(record->terminal_id) != 0 || le64_get(record->prev_terminal_lsn) != 0)
		return 0;
	if (le64_get(record->request_id) != 0 ||
	    !bytes_all_zero(record->body_hash, sizeof(record->body_hash)))
		return 0;
	if (le64s_get(record->payout) != 0 || le32_get(record->factor_bits) != 0 ||
	    record->odds_policy != 0 || le32_get(record->cashier_id) != 0 ||
	    le64_get(record->deadline_ns) != 0)
		return 0;
	if (record->flags & ~(type == EVENT_ACCOUNT_FREEZE ? EVENT_FLAG_FROZEN : 0u))
		return 0;
	if (has_account ? account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX : account_id != 0)
		return 0;
	if (!has_account &&
	    (le64s_get(record->balance) != 0 || le64_get(record->prev_account_lsn) != 0))
		return 0;
	if (type == EVENT_ACCOUNT_OPEN)
		return in_range(amount, 0, LIMIT_BALANCE_MAX) &&
		       amount == le64s_get(record->balance) &&
		       le64_get(record->prev_account_lsn) == 0 &&
		       in_range(le16_get(record->currency), 1, 999);
	if (amount != 0)
		return 0;
	if (type == EVENT_MARKET_SET || type == EVENT_COMMAND_MARK || type == EVENT_TERMINAL_SET)
		return le64_get(record->object_id) != 0;
	return type != EVENT_TICK || le64_get(record->object_id) == 0;
}

static int legs_valid(const struct event_record *record, const uint8_t *legs)
{
	int done = le16_get(record->code) == WIRE_CODE_OK;

	for (unsigned i = 0; i < record->leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, legs + i * sizeof(leg), sizeof(leg));
		if (!bytes_all_zero(leg.reserved, sizeof(leg.reserved)))
			return 0;
		if (done &&
		    (le64_get(leg.market_id) == 0 ||
		        le16_get(leg.selection) >= LIMIT_MARKET_SELECTIONS_MAX ||
		        le32_get(leg.odds) < LIMIT_ODDS_MIN || le32_get(leg.odds) > LIMIT_ODDS_MAX))
			return 0;
	}
	return 1;
}

int event_market_check(const struct event_market *market)
{
	if (market->state < MARKET_BEFORE || market->state > MARKET_CLOSED ||
	    market->selection_count == 0 || market->selection_count > LIMIT_MARKET_SELECTIONS_MAX)
		return -EINVAL;
	if (market->kind != MARKET_KIND_1X2 && market->kind != MARKET_KIND_OVER_UNDER &&
	    market->kind != MARKET_KIND_OTHER)
		return -EINVAL;
	if (!bytes_all_zero(market->reserved, sizeof(market->reserved)) ||
	    le64_get(market->version) == 0 || le64_get(market->event_id) == 0)
		return -EINVAL;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		uint32_t odds = le32_get(market->odds[i]);

		if (odds != 0 && (i >= market->selection_count || odds < LIMIT_ODDS_MIN ||
		                     odds > LIMIT_ODDS_MAX))
			return -EINVAL;
	}
	return 0;
}

int event_terminal_check(const struct event_terminal *terminal)
{
	if (le64_get(terminal->version) == 0 || (le32_get(terminal->rights) & ~RIGHT_ALL) != 0 ||
	    terminal->blocked > 1 ||
	    !in_range(le64s_get(terminal->daily_max), 0, LIMIT_BALANCE_MAX) ||
	    !bytes_all_zero(terminal->reserved, sizeof(terminal->reserved)))
		return -EINVAL;
	return 0;
}

static int body_valid(const struct event_record *record, const uint8_t *body)
{
	struct event_terminal terminal;
	struct event_market market;
	struct event_rules rules;
	struct risk_rules decoded;

	switch (le16_get(record->type)) {
	case EVENT_PLACE_BET:
		return legs_valid(record, body);
	case EVENT_MARKET_SET:
		memcpy(&market, body, sizeof(market));
		return event_market_check(&market) == 0;
	case EVENT_RULES_SET:
		memcpy(&rules, body, sizeof(rules));
		return risk_rules_decode(&rules, &decoded) == 0 &&
		       decoded.version == le32_get(record->rule_version);
	case EVENT_TERMINAL_SET:
		memcpy(&terminal, body, sizeof(terminal));
		return event_terminal_check(&terminal) == 0;
	default:
		return 1;
	}
}

int event_check(const uint8_t *event, size_t room)
{
	struct event_record record;
	uint64_t lsn;
	int valid;

	if (room < sizeof(record))
		return -EBADMSG;
	memcpy(&record, event, sizeof(record));
	lsn = le64_get(record.lsn);
	if (le16_get(record.length) > room || le16_get(record.length) != event_length(&record))
		return -EBADMSG;
	if (lsn == 0 || le64_get(record.prev_terminal_lsn) >= lsn ||
	    le64_get(record.prev_account_lsn) >= lsn)
		return -EBADMSG;
	if (record.score > 100 || le32_get(record.factor_bits) >> RISK_FACTOR_COUNT != 0 ||
	    !in_range(le64s_get(record.balance), 0, LIMIT_BALANCE_MAX) ||
	    !in_range(le64s_get(record.payout), 0, LIMIT_PAYOUT_MAX))
		return -EBADMSG;
	switch (le16_get(record.type)) {
	case EVENT_DEPOSIT:
	case EVENT_PLACE_BET:
	case EVENT_CANCEL_BET:
		valid = request_valid(&record);
		break;
	case EVENT_ACCOUNT_OPEN:
	case EVENT_MARKET_SET:
	case EVENT_RULES_SET:
	case EVENT_COMMAND_MARK:
	case EVENT_TICK:
	case EVENT_ACCOUNT_FREEZE:
	case EVENT_TERMINAL_SET:
		valid = command_valid(&record);
		break;
	default:
		valid = 0;
		break;
	}
	return valid && body_valid(&record, event + sizeof(record)) ? 0 : -EBADMSG;
}
