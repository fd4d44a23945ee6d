/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check of events read from outside: journal, log, another process. Trusts nothing. What lengths
 * and sections there are event_view_read has checked; here it is what a type may say. Fixed bodies
 * are in event_check_body.c.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_internal.h"

/* What a type may and must have. */
enum rule {
	REQUEST = 1u << 0,      /* comes from a terminal's request: terminal, request id, hash */
	MAYBE = 1u << 1,        /* the same or none of the three */
	REFUSABLE = 1u << 2,    /* classes 5 and 6 too */
	ACCOUNT = 1u << 3,      /* done: names a customer */
	ACCOUNT_NONE = 1u << 4, /* never names one */
	OBJECT_ID = 1u << 5,    /* done: object_id is not 0 */
	PENDING = 1u << 6,      /* code PENDING */
	TERMINAL = 1u << 7,     /* names a terminal without a request */
	SCORED = 1u << 8,       /* score and factors */
	LINES = 1u << 9,        /* done: may have line sections */
	OBJECTS = 1u << 10,     /* done: may have object sections */
	OBJECTS_REFUSED = 1u << 11,
	REPEATED = 1u << 12, /* code REPEATED: nothing moves */
	PAYOUT = 1u << 13,   /* the answer names an amount */
	STATES = 1u << 14,   /* score and factors too, with EVENT_FLAG_SCORED */
	TERMINAL_MAYBE = 1u << 15,
};

struct type_facts {
	uint32_t rules;
	uint8_t flags; /* event_flag allowed */
	int64_t amount_low, amount_high;
};

#define ANY      LIMIT_BALANCE_MAX
#define WALLET   (REQUEST | REFUSABLE | OBJECTS | PAYOUT)
#define LINKED   EVENT_FLAG_LINKED
#define REVERSAL (EVENT_FLAG_LINKED | EVENT_FLAG_REVERSAL)
#define NO_COUNT EVENT_FLAG_UNCOUNTED
#define JUDGED   EVENT_FLAG_SCORED
#define MOVED    (EVENT_FLAG_SCORED | EVENT_FLAG_MOVED)

static const struct type_facts types[EVENT_TYPE_MAX + 1] = {
	[EVENT_ACCOUNT_OPEN] = { MAYBE | REFUSABLE | ACCOUNT | REPEATED, LINKED, 0, ANY },
	[EVENT_DEPOSIT] = { WALLET | ACCOUNT | LINES | REPEATED | STATES, REVERSAL | MOVED, 0,
	    ANY },
	[EVENT_PLACE_BET] = { WALLET | OBJECT_ID | SCORED | STATES | LINES,
	    LINKED | NO_COUNT | JUDGED, -LIMIT_STAKE_MAX, 0 },
	[EVENT_CANCEL_BET] = { WALLET | OBJECT_ID | LINES, REVERSAL | NO_COUNT, 0,
	    LIMIT_STAKE_MAX },
	[EVENT_MARKET_SET] = { ACCOUNT_NONE | OBJECT_ID, 0, 0, 0 },
	[EVENT_RULES_SET] = { ACCOUNT_NONE, 0, 0, 0 },
	[EVENT_COMMAND_MARK] = { ACCOUNT_NONE | OBJECT_ID, 0, 0, 0 },
	[EVENT_TICK] = { ACCOUNT_NONE, 0, 0, 0 },
	[EVENT_ACCOUNT_FREEZE] = { ACCOUNT, EVENT_FLAG_FROZEN, 0, 0 },
	[EVENT_TERMINAL_SET] = { ACCOUNT_NONE | TERMINAL | OBJECT_ID, 0, 0, 0 },
	[EVENT_WITHDRAW] = { WALLET | ACCOUNT | PENDING | LINES | REPEATED | STATES,
	    REVERSAL | MOVED, -ANY, 0 },
	[EVENT_WITHDRAW_CLOSE] = { MAYBE | ACCOUNT | OBJECT_ID | LINES | OBJECTS | REFUSABLE |
	                               PAYOUT,
	    EVENT_FLAG_PAID | EVENT_FLAG_TIMER | REVERSAL, 0, ANY },
	[EVENT_TRANSFER] = { WALLET | ACCOUNT | LINES | REPEATED | STATES, REVERSAL | MOVED, -ANY,
	    ANY },
	[EVENT_TRANSFER_OUT] = { WALLET | OBJECT_ID | PENDING | LINES | STATES, LINKED | MOVED,
	    -ANY, 0 },
	[EVENT_TRANSFER_IN] = { REFUSABLE | PAYOUT | LINES | OBJECTS | OBJECTS_REFUSED | STATES,
	    MOVED, 0, ANY },
	[EVENT_TRANSFER_DONE] = { MAYBE | PAYOUT | REFUSABLE | OBJECT_ID | LINES | OBJECTS |
	                              OBJECTS_REFUSED,
	    0, 0, ANY },
	[EVENT_ADJUST] = { ACCOUNT | LINES | OBJECTS | PAYOUT, 0, -ANY, ANY },
	[EVENT_BET_SETTLE] = { OBJECT_ID | LINES | OBJECTS | PAYOUT, 0, -ANY, ANY },
	[EVENT_BET_VOID] = { OBJECT_ID | LINES | OBJECTS | PAYOUT, 0, 0, LIMIT_STAKE_MAX },
	[EVENT_MARKET_RESULT] = { ACCOUNT_NONE | OBJECT_ID, 0, 0, 0 },
	[EVENT_REDEEM] = { WALLET | OBJECT_ID | LINES, LINKED, 0, 0 },
	[EVENT_TICKET_EXPIRE] = { ACCOUNT_NONE | OBJECT_ID | LINES | PAYOUT, EVENT_FLAG_TIMER, 0,
	    0 },
	[EVENT_BET_RETIRE] = { ACCOUNT_NONE, EVENT_FLAG_TIMER, 0, 0 },
	[EVENT_OBJECT_RETIRE] = { ACCOUNT_NONE | OBJECTS, EVENT_FLAG_TIMER, 0, 0 },
	[EVENT_ROUND_DEBIT] = { WALLET | ACCOUNT | LINES | REPEATED | STATES, REVERSAL | JUDGED,
	    -ANY, ANY },
	[EVENT_ROUND_CREDIT] = { WALLET | ACCOUNT | LINES | REPEATED, REVERSAL, -ANY, ANY },
	[EVENT_ROUND_ROLLBACK] = { WALLET | ACCOUNT | LINES | REPEATED, LINKED, -ANY, ANY },
	[EVENT_ROUND_CLOSE] = { MAYBE | REFUSABLE | OBJECTS | PAYOUT | ACCOUNT | REPEATED,
	    EVENT_FLAG_TIMER | LINKED, 0, 0 },
	[EVENT_SPRINKLE_CREATE] = { WALLET | ACCOUNT | OBJECT_ID | STATES, LINKED | MOVED, -ANY,
	    0 },
	[EVENT_CLAIM] = { WALLET | ACCOUNT | LINES, LINKED, 0, ANY },
	[EVENT_SPRINKLE_END] = { OBJECT_ID | LINES | OBJECTS | PAYOUT, EVENT_FLAG_TIMER, 0, ANY },
	[EVENT_FENCE] = { REQUEST | REFUSABLE | ACCOUNT_NONE | OBJECT_ID, REVERSAL, 0, 0 },
	[EVENT_REVERSE] = { WALLET, LINKED, -ANY, ANY },
	[EVENT_PLAY_SET] = { MAYBE | REFUSABLE | OBJECTS | ACCOUNT, EVENT_FLAG_TIMER | LINKED, 0,
	    0 },
	[EVENT_SHIFT] = { REQUEST | REFUSABLE | PAYOUT, LINKED, -ANY, ANY },
	[EVENT_REPRINT] = { REQUEST | REFUSABLE | OBJECT_ID | PAYOUT, LINKED, 0, 0 },
	[EVENT_PARTNER_SET] = { ACCOUNT_NONE | OBJECTS | OBJECT_ID, 0, 0, 0 },
	[EVENT_LEASE] = { ACCOUNT_NONE | OBJECTS, 0, 0, 0 },
	[EVENT_ACCOUNT_FLAGS] = { ACCOUNT | OBJECT_ID, 0, 0, 0 },
	[EVENT_FEEDBACK] = { TERMINAL_MAYBE | OBJECT_ID | OBJECTS, 0, 0, 0 },
};

/*
 * What follows is told type and code instead of reading them, and is compiled twice: for the plain
 * bets that are nearly all of a replay, where the compiler knows them and most of it is decided
 * then, and for everything.
 */
#define CHECK static inline __attribute__((always_inline))

CHECK int code_valid(uint16_t type, uint16_t code, uint32_t rules)
{
	unsigned class = wire_code_class(code);

	if (code == WIRE_CODE_OK)
		/* A transfer to another shard is open until its TRANSFER_DONE. */
		return type != EVENT_TRANSFER_OUT;
	if (code == WIRE_CODE_PENDING)
		return (rules & PENDING) != 0;
	if (code == WIRE_CODE_REPEATED)
		return (rules & REPEATED) != 0;
	if (code == WIRE_CODE_FENCED_NOW)
		return type == EVENT_FENCE;
	return (rules & REFUSABLE) && (class == WIRE_CLASS_BUSINESS || class == WIRE_CLASS_POLICY);
}

/* Terminal, request id and hash: all three, or none. */
CHECK int asker_valid(const struct event_record *record, uint32_t rules)
{
	uint64_t terminal_id = le64_get(record->terminal_id);
	int has_request = le64_get(record->request_id) != 0;

	if (terminal_id > LIMIT_TERMINAL_ID_MAX)
		return 0;
	if (terminal_id == 0 && le64_get(record->prev_terminal_lsn) != 0)
		return 0;
	if ((rules & REQUEST) || ((rules & MAYBE) && terminal_id != 0))
		return terminal_id != 0 && has_request;
	if (has_request || !bytes_all_zero(record->body_hash, sizeof(record->body_hash)) ||
	    le64_get(record->deadline_ns) != 0)
		return 0;
	if (rules & TERMINAL_MAYBE)
		return 1;
	return (rules & TERMINAL) ? terminal_id != 0 : terminal_id == 0;
}

CHECK int record_account_valid(const struct event_record *record, uint32_t rules, int moves)
{
	uint64_t account_id = le64_get(record->account_id);

	/* None, or one that does not exist here, has no balance and no past. */
	if (account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX)
		return le64s_get(record->balance) == 0 && le64_get(record->prev_account_lsn) == 0 &&
		       (!moves || (account_id == 0 && !(rules & ACCOUNT) &&
		                      le64s_get(record->amount) == 0));
	return !(rules & ACCOUNT_NONE);
}

/* Bits of the states only where they were looked at. */
CHECK int scores_valid(const struct event_record *record, uint32_t rules)
{
	int states = (record->flags & EVENT_FLAG_SCORED) != 0; /* the type allows the flag */
	unsigned bits = states ? RISK_BITS_COUNT : RISK_FACTOR_COUNT;

	if (!states && (record->flags & EVENT_FLAG_MOVED) != 0)
		return 0;
	if (record->score > 100 || le32_get(record->factor_bits) >> bits != 0 ||
	    record->odds_policy > ODDS_SAME_OR_BETTER)
		return 0;
	if (!(rules & SCORED) && record->odds_policy != 0)
		return 0;
	return (rules & SCORED) || states ||
	       (record->score == 0 && le32_get(record->factor_bits) == 0);
}

/* The numbers that factors saw, and what only some types may have. */
CHECK int risk_sections_valid(const struct event_view *view, uint16_t type)
{
	struct event_risk risk;

	if (type != EVENT_RULES_SET && (view->factor_rules != NULL || view->currency_count > 0))
		return 0;
	if (view->risk == NULL)
		return 1;
	memcpy(&risk, view->risk, sizeof(risk));
	return (view->record.flags & EVENT_FLAG_SCORED) != 0 &&
	       risk.model_state <= RISK_MODEL_STATE_MAX && risk.hour < 24 && risk.day < 7 &&
	       risk.time_outside <= 3 && risk.points_base <= 100 && risk.points_state <= 100 &&
	       risk.points_flags <= 100 && risk.points_model <= 100 &&
	       (le16_get(risk.account_flags) & ~ACCOUNT_LIST_FLAGS) == 0 &&
	       le16_get(risk.country) <= 999;
}

static int limit_valid(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	struct event_limit limit;

	memcpy(&limit, view->limit, sizeof(limit));
	return (type == EVENT_PLACE_BET || type == EVENT_ROUND_DEBIT || type == EVENT_DEPOSIT) &&
	       !event_moves(type, le16_get(view->record.code)) && limit.own <= PLAY_LIMITS &&
	       limit.selection < LIMIT_MARKET_SELECTIONS_MAX &&
	       bytes_all_zero(limit.reserved, sizeof(limit.reserved));
}

CHECK int legs_count_valid(const struct event_record *record, uint16_t type)
{
	if (type == EVENT_PLACE_BET || type == EVENT_BET_RETIRE || type == EVENT_OBJECT_RETIRE)
		return record->leg_count >= 1;
	return record->leg_count == 0;
}

CHECK int sections_valid(const struct event_view *view, uint32_t rules, int moves)
{
	if (view->line_count > 0 && !(moves && (rules & LINES)))
		return 0;
	if (view->object_count > 0 &&
	    !((moves && (rules & OBJECTS)) || (!moves && (rules & OBJECTS_REFUSED))))
		return 0;
	for (unsigned i = 0; i < view->line_count; i++) {
		const struct event_view_line *line = &view->lines[i];
		int customer = line->account_id <= LIMIT_ACCOUNT_ID_MAX;
		unsigned kind = (unsigned)(line->account_id >> 56) & 0x7f;

		/* A customer's line of 0 names whose debt the next line repays. */
		if (line->account_id == 0 || (line->amount == 0 && !customer) ||
		    !in_range(line->amount, -ANY, ANY) ||
		    line->prev_lsn >= le64_get(view->record.lsn))
			return 0;
		if (customer ? !in_range(line->balance, 0, LIMIT_BALANCE_MAX) ||
		                   line->account_id == le64_get(view->record.account_id)
		             : kind == 0 || kind > SYSTEM_ACCOUNT_MAX ||
		                   (uint16_t)(line->account_id >> 40) !=
		                       le16_get(view->record.currency) ||
		                   line->balance != 0 || line->prev_lsn != 0)
			return 0;
	}
	/* No object twice. */
	for (unsigned i = 0; i < view->object_count; i++)
		for (unsigned k = 0; k < i; k++)
			if (le64_get(view->objects[i].id) == le64_get(view->objects[k].id))
				return 0;
	return 1;
}

/* Numbers that only some types use. */
CHECK int extras_valid(const struct event_record *record, uint16_t type, int moves)
{
	uint32_t extra = le32_get(record->cashier_id);

	switch (type) {
	case EVENT_ACCOUNT_OPEN:
		return extra <= LIMIT_PARTNER_ID_MAX &&
		       (!moves || (in_range(le16_get(record->currency), 1, 999) &&
		                      le64s_get(record->amount) == le64s_get(record->balance) &&
		                      le64_get(record->prev_account_lsn) == 0));
	case EVENT_REPRINT:
		return extra <= UINT16_MAX &&
		       (!moves || in_range(le64s_get(record->payout), 1, BET_REPRINTS_MAX));
	case EVENT_CANCEL_BET:
	case EVENT_REVERSE:
	case EVENT_FENCE:
		return extra <= UINT16_MAX;
	case EVENT_PLACE_BET:
		return !moves ||
		       (le64s_get(record->payout) > 0 &&
		           (le64_get(record->account_id) == 0) == (le64s_get(record->amount) == 0));
	default: /* a reversal keeps its reason */
		return type == EVENT_SHIFT || type == EVENT_ADJUST || type == EVENT_BET_VOID ||
		       extra == 0 || (record->flags & EVENT_FLAG_REVERSAL);
	}
}

/* DEPOSIT and WITHDRAW, carried out: a deposit may go wholly or in part to what was owed. */
static int wallet_valid(const struct event_view *view)
{
	const struct event_record *record = &view->record;
	int64_t amount = le64s_get(record->amount), payout = le64s_get(record->payout);

	if (payout <= 0)
		return 0;
	if (le16_get(record->type) == EVENT_WITHDRAW)
		return amount == -payout && view->line_count == 0;
	return (amount == payout) == (view->line_count == 0) && amount <= payout &&
	       (le64_get(record->object_id) == 0 || (record->flags & EVENT_FLAG_REVERSAL));
}

CHECK int record_valid_as(const struct event_view *view, uint16_t type, uint16_t code)
{
	const struct event_record *record = &view->record;
	const struct type_facts *facts = &types[type];
	int moves = event_moves(type, code);
	uint64_t lsn = le64_get(record->lsn);

	if (lsn == 0 || le64_get(record->prev_terminal_lsn) >= lsn ||
	    le64_get(record->prev_account_lsn) >= lsn ||
	    !in_range(le64s_get(record->balance), 0, LIMIT_BALANCE_MAX) ||
	    le16_get(record->currency) > 999 ||
	    /* Of a shift: counted less expected, below zero when cash is missing. */
	    !in_range(le64s_get(record->payout), type == EVENT_SHIFT ? -LIMIT_PAYOUT_MAX : 0,
	        LIMIT_PAYOUT_MAX))
		return 0;
	if ((record->flags & ~facts->flags) != 0 || !code_valid(type, code, facts->rules) ||
	    !asker_valid(record, facts->rules) || !legs_count_valid(record, type) ||
	    !scores_valid(record, facts->rules) ||
	    !record_account_valid(record, facts->rules, moves))
		return 0;
	if (!(facts->rules & PAYOUT) && le64s_get(record->payout) != 0)
		return 0;
	if (type == EVENT_TICK && le64_get(record->object_id) != 0)
		return 0;
	if (moves && ((facts->rules & OBJECT_ID) && le64_get(record->object_id) == 0))
		return 0;
	if (moves && !in_range(le64s_get(record->amount), facts->amount_low, facts->amount_high))
		return 0;
	if (moves && (type == EVENT_DEPOSIT || type == EVENT_WITHDRAW) && !wallet_valid(view))
		return 0;
	return extras_valid(record, type, moves) && risk_sections_valid(view, type) &&
	       (view->limit == NULL || limit_valid(view)) &&
	       sections_valid(view, facts->rules, moves);
}

static int record_valid(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type), code = le16_get(view->record.code);

	if (SLUICE_LIKELY(type == EVENT_PLACE_BET && code == WIRE_CODE_OK))
		return record_valid_as(view, EVENT_PLACE_BET, WIRE_CODE_OK);
	return record_valid_as(view, type, code);
}

int event_view_values_check(const struct event_view *view)
{
	return record_valid(view) && event_body_valid(view) ? 0 : -EBADMSG;
}

int event_view_check(const struct event_view *view)
{
	struct ledger_line lines[LEDGER_LINES_MAX];
	int error = event_view_values_check(view);

	if (error != 0)
		return error;
	return ledger_lines(view, lines) < 0 ? -EBADMSG : 0;
}

int event_check(const uint8_t *event, size_t room)
{
	struct event_view view;
	int error = event_view_read(event, room, &view);

	return error != 0 ? error : event_view_check(&view);
}
