/* SPDX-License-Identifier: Apache-2.0 */
/* Events of control's commands. Each is done once: asking again finds nothing to do. */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"
#include "dataplane/ledger/ledger_derived.h"

static int command_write(const struct ledger *ledger, struct event_record *record, uint64_t time_ns,
    const void *body, size_t body_length, struct event_buffer *event)
{
	const struct shard_row *shard = &ledger->shard;
	size_t length = sizeof(*record) + body_length;

	record->lsn = le64_make(shard->lsn + 1);
	record->time_ns = le64_make(time_ns > shard->time_ns ? time_ns : shard->time_ns);
	record->length = le16_make((uint16_t)length);
	memcpy(event->bytes, record, sizeof(*record));
	if (body_length > 0)
		memcpy(event->bytes + sizeof(*record), body, body_length);
	return (int)length;
}

static int account_open(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	uint64_t funding = ledger_system_account(SYSTEM_FUNDING, command->currency, 0);
	uint32_t row;
	uint32_t needed = 1 + system_rows_kept(ledger);

	if (command->account_id == 0 || command->account_id > LIMIT_ACCOUNT_ID_MAX ||
	    command->currency == 0 || command->currency > 999 || command->amount < 0 ||
	    command->amount > LIMIT_BALANCE_MAX)
		return -EINVAL;
	if (account_find(ledger, command->account_id) != ROW_NONE)
		return 0;
	if (command->amount > 0) {
		row = account_find(ledger, funding);
		if (row == ROW_NONE)
			needed++;
		else if (ledger->accounts[row].row.balance < command->amount - SYSTEM_BALANCE_MAX)
			return -EBUSY;
	}
	if (!table_room(ledger, LEDGER_ACCOUNT, needed))
		return -EBUSY;
	record->account_id = le64_make(command->account_id);
	record->amount = record->balance = le64s_make(command->amount);
	record->currency = le16_make(command->currency);
	record->object_id = le64_make(command->control_sequence);
	return 1;
}

/* Each terminal has one cash account at most in one currency; stakes and funding come on top. */
static uint64_t system_rows_spare(const struct ledger *ledger)
{
	uint64_t wanted = (uint64_t)ledger->tables[LEDGER_TERMINAL].count + 2;

	return wanted > ledger->system_count ? wanted - ledger->system_count : 0;
}

int ledger_accounts_fit(const struct ledger *ledger, uint64_t missing, int64_t opening_balance,
    uint16_t currency, enum ledger_spare spare)
{
	const struct ledger_table_core *core = &ledger->tables[LEDGER_ACCOUNT];
	uint64_t needed = missing + system_rows_kept(ledger);
	int64_t balance = 0, total;

	if (missing == 0)
		return 0;
	if (missing > LEDGER_TABLE_MAX)
		return -EBUSY;
	if (opening_balance > 0) {
		uint32_t row =
		    account_find(ledger, ledger_system_account(SYSTEM_FUNDING, currency, 0));

		if (row == ROW_NONE)
			needed++;
		else
			balance = ledger->accounts[row].row.balance;
		if (__builtin_mul_overflow(missing, opening_balance, &total) ||
		    total > SYSTEM_BALANCE_MAX || balance < total - SYSTEM_BALANCE_MAX)
			return -EBUSY;
	}
	if (spare == LEDGER_SPARE_SYSTEM)
		needed += system_rows_spare(ledger);
	return core->capacity - core->count >= needed ? 0 : -EBUSY;
}

static int account_freeze(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	const struct account_row *account;
	int freeze = (command->flags & EVENT_FLAG_FROZEN) != 0;

	if (command->flags & ~EVENT_FLAG_FROZEN || command->account_id > LIMIT_ACCOUNT_ID_MAX)
		return -EINVAL;
	account = ledger_account(ledger, command->account_id);
	if (account == NULL)
		return -EINVAL;
	if (freeze == ((account->flags & ACCOUNT_FROZEN) != 0))
		return 0;
	record->flags = command->flags;
	record->account_id = le64_make(account->id);
	record->prev_account_lsn = le64_make(account->lsn);
	record->balance = le64s_make(account->balance);
	record->currency = le16_make(account->currency);
	record->object_id = le64_make(command->control_sequence);
	return 1;
}

/*
 * Kind, line and number of selections are what bets were placed on: a bet names its selection by
 * number alone, and would be settled by another line than the one that was sold. They stay as they
 * are while there are bets, and while one may come in at any moment, on this shard or another: so
 * whether the market can change does not depend on when each shard is asked.
 */
static int market_shape_stays(const struct ledger *ledger, const struct market_row_state *market,
    const struct event_market *set)
{
	const struct derived_market *derived = derived_market_find(ledger, market->id);

	if (set->kind == market->kind && (int16_t)le16_get(set->line) == market->line &&
	    set->selection_count == market->selection_count)
		return 0;
	return market->state == MARKET_OPEN || (derived != NULL && derived->bets > 0);
}

static int command_market_set(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	const struct market_row_state *market;

	if (command->market_id == 0 || event_market_check(&command->market) != 0)
		return -EINVAL;
	market = ledger_market(ledger, command->market_id);
	if (market != NULL && le64_get(command->market.version) <= market->version)
		return 0;
	/* A result is taken back by MARKET_RESULT, never by the way. */
	if (market != NULL && (market->state == MARKET_SETTLED || market->state == MARKET_VOID))
		return -EALREADY;
	if (market != NULL && market_shape_stays(ledger, market, &command->market))
		return -EALREADY;
	if (market == NULL && !table_room(ledger, LEDGER_MARKET, 1))
		return -EBUSY;
	record->object_id = le64_make(command->market_id);
	return 1;
}

static int rules_set(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	const char *field;

	if (risk_rules_check(&command->rules, &field) != 0 ||
	    risk_rules_extra_check(&command->rules, &command->extra, &field) != 0)
		return -EINVAL;
	if (command->rules.version <= ledger->shard.rules.version)
		return 0;
	record->object_id = le64_make(command->control_sequence);
	record->rule_version = le32_make(command->rules.version);
	return 1;
}

/* Body and sections of a RULES_SET. */
struct rules_body {
	struct event_rules rules;
	struct event_factor_rules factors;
	struct event_rules_currency currencies[LIMIT_RULES_CURRENCIES_MAX];
};
_Static_assert(sizeof(struct rules_body) ==
                   sizeof(struct event_rules) + sizeof(struct event_factor_rules) +
                       LIMIT_RULES_CURRENCIES_MAX * sizeof(struct event_rules_currency),
    "no padding");

static size_t rules_body_make(const struct ledger_command *command, struct rules_body *body)
{
	risk_rules_encode(&command->rules, &body->rules);
	if (!command->extra.present)
		return sizeof(body->rules);
	risk_factor_rules_encode(&command->extra, &body->factors);
	for (unsigned i = 0; i < command->extra.currency_count; i++)
		risk_amounts_encode(&command->extra.currencies[i], &body->currencies[i]);
	return offsetof(struct rules_body, currencies) +
	       command->extra.currency_count * sizeof(body->currencies[0]);
}

/* Names the account the command is about in the record. NULL: not here. */
static const struct account_row *account_name(
    const struct ledger *ledger, uint64_t account_id, struct event_record *record)
{
	const struct account_row *account = NULL;

	if (account_id != 0 && account_id <= LIMIT_ACCOUNT_ID_MAX)
		account = ledger_account(ledger, account_id);
	if (account == NULL)
		return NULL;
	record->account_id = le64_make(account->id);
	record->prev_account_lsn = le64_make(account->lsn);
	record->balance = le64s_make(account->balance);
	record->currency = le16_make(account->currency);
	return account;
}

static int account_flags_set(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	const struct event_account_flags *wanted = &command->account_flags;
	const struct account_row *account;

	/* Without a number the event would not be one of control's. */
	if (command->control_sequence == 0 || event_account_flags_check(wanted) != 0)
		return -EINVAL;
	account = account_name(ledger, command->account_id, record);
	if (account == NULL)
		return -ENOENT;
	if ((account->flags & ACCOUNT_LIST_FLAGS) == le16_get(wanted->flags) &&
	    account->profile.country == le16_get(wanted->country))
		return 0;
	record->object_id = le64_make(command->control_sequence);
	return 1;
}

static int command_mark(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	if (command->control_sequence <= ledger->shard.control_sequence)
		return 0;
	if (command->control_sequence != ledger->shard.control_sequence + 1)
		return -EINVAL;
	record->object_id = le64_make(command->control_sequence);
	return 1;
}

static int terminal_set(
    struct ledger *ledger, const struct ledger_command *command, struct event_record *record)
{
	const struct terminal_row *terminal;

	/* Without a number the event would not be one of control's. */
	if (command->terminal_id == 0 || command->terminal_id > LIMIT_TERMINAL_ID_MAX ||
	    command->control_sequence == 0 || event_terminal_check(&command->terminal) != 0)
		return -EINVAL;
	terminal = ledger_terminal(ledger, command->terminal_id);
	if (terminal != NULL && le64_get(command->terminal.version) <= terminal->version)
		return 0;
	if (terminal == NULL && !table_room(ledger, LEDGER_TERMINAL, 1))
		return -EBUSY;
	record->terminal_id = le64_make(command->terminal_id);
	record->prev_terminal_lsn = le64_make(terminal == NULL ? 0 : terminal->lsn);
	record->object_id = le64_make(command->control_sequence);
	return 1;
}

/* Commands that are made by the builder of decisions. */
static int command_decide(struct ledger *ledger, const struct ledger_command *command,
    uint64_t time_ns, struct event_buffer *event)
{
	typedef int decider(struct decision *, const struct ledger_command *);
	struct decision decision;
	decider *decide;
	int todo;

	switch (command->type) {
	case EVENT_WITHDRAW_CLOSE:
		decide = withdraw_close_command;
		break;
	case EVENT_ADJUST:
		decide = adjust_command;
		break;
	case EVENT_BET_VOID:
		decide = bet_void_command;
		break;
	case EVENT_MARKET_RESULT:
		decide = market_result_command;
		break;
	case EVENT_PLAY_SET:
		decide = play_set_command;
		break;
	case EVENT_PARTNER_SET:
		decide = partner_set_command;
		break;
	case EVENT_FEEDBACK:
		decide = feedback_command;
		break;
	default:
		return -EINVAL;
	}
	decision_begin(&decision, ledger, command->type, time_ns);
	todo = decide(&decision, command);
	return todo <= 0 ? todo : decision_write(&decision, WIRE_CODE_OK, event);
}

int ledger_command_bucket(const struct ledger_command *command, uint32_t *bucket)
{
	switch (command->type) {
	case EVENT_ACCOUNT_FREEZE:
	case EVENT_ACCOUNT_FLAGS:
	case EVENT_ADJUST:
	case EVENT_PLAY_SET:
		*bucket = ids_bucket_of_key(command->account_id);
		return 1;
	case EVENT_TERMINAL_SET:
		*bucket = ids_bucket_of_key(command->terminal_id);
		return 1;
	case EVENT_WITHDRAW_CLOSE:
	case EVENT_BET_VOID:
		*bucket = ids_bucket_of_printed(command->object_id);
		return 1;
	default:
		return 0;
	}
}

int ledger_decide_command(struct ledger *ledger, const struct ledger_command *command,
    uint64_t time_ns, struct event_buffer *event)
{
	struct event_record record = {
		.type = le16_make(command->type),
		.code = le16_make(WIRE_CODE_OK),
		.rule_version = le32_make(ledger->shard.rules.version),
	};
	struct rules_body rules;
	const void *body = NULL;
	size_t body_length = 0;
	int todo;

	switch (command->type) {
	case EVENT_ACCOUNT_OPEN:
		todo = account_open(ledger, command, &record);
		break;
	case EVENT_ACCOUNT_FREEZE:
		todo = account_freeze(ledger, command, &record);
		break;
	case EVENT_MARKET_SET:
		todo = command_market_set(ledger, command, &record);
		body = &command->market;
		body_length = sizeof(command->market);
		break;
	case EVENT_RULES_SET:
		todo = rules_set(ledger, command, &record);
		if (todo > 0)
			body_length = rules_body_make(command, &rules);
		body = &rules;
		break;
	case EVENT_ACCOUNT_FLAGS:
		todo = account_flags_set(ledger, command, &record);
		body = &command->account_flags;
		body_length = sizeof(command->account_flags);
		break;
	case EVENT_TERMINAL_SET:
		todo = terminal_set(ledger, command, &record);
		body = &command->terminal;
		body_length = sizeof(command->terminal);
		break;
	case EVENT_COMMAND_MARK:
		todo = command_mark(ledger, command, &record);
		break;
	case EVENT_TICK:
		todo = 1;
		break;
	default:
		return command_decide(ledger, command, time_ns, event);
	}
	if (todo <= 0)
		return todo;
	return command_write(ledger, &record, time_ns, body, body_length, event);
}
