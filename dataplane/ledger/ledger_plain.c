/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out plain bets (ledger_plain.h), also straight from their decision. */
#include "dataplane/ledger/ledger_plain.h"

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_risk.h"

static int stakes_fit(const struct account_row *stakes, uint16_t currency, int64_t amount)
{
	int64_t balance;

	return stakes->id == ledger_system_account(SYSTEM_STAKES, currency, 0) &&
	       !__builtin_add_overflow(stakes->balance, amount, &balance) &&
	       balance <= SYSTEM_BALANCE_MAX && balance >= -SYSTEM_BALANCE_MAX;
}

int ledger_plain_fits(
    const struct ledger *ledger, const struct event_record *record, const struct decided_bet *rows)
{
	const struct shard_row *shard = &ledger->shard;
	const struct account_row *account = &ledger->accounts[rows->account].row;
	const struct account_row *stakes = &ledger->accounts[rows->stakes].row;
	const struct terminal_row *terminal = &ledger->terminals[rows->terminal].row;
	uint16_t currency = le16_get(record->currency);
	int64_t amount = le64s_get(record->amount), after;

	if (le64_get(record->lsn) != shard->lsn + 1 || le64_get(record->time_ns) < shard->time_ns ||
	    (le64_get(record->object_id) & IDS_COUNTER_MAX) != shard->bet_counter + 1)
		return 0;
	if (account->id != le64_get(record->account_id) || account->currency != currency ||
	    account->lsn != le64_get(record->prev_account_lsn) ||
	    __builtin_add_overflow(account->balance, amount, &after) ||
	    after != le64s_get(record->balance))
		return 0;
	/* STAKES that is as new as the event is of a fuzzy checkpoint: this posting is in it. */
	return terminal->id == le64_get(record->terminal_id) &&
	       terminal->lsn == le64_get(record->prev_terminal_lsn) && stakes->lsn <= shard->lsn &&
	       stakes_fit(stakes, currency, -amount) && table_room(ledger, LEDGER_BET, 1);
}

/* ---- The rows ---- */

static void plain_stake_count(
    int64_t *staked_today, uint16_t *staked_day, uint32_t day, int64_t stake)
{
	if (*staked_day < day) {
		*staked_day = (uint16_t)day;
		*staked_today = 0;
	}
	SLUICE_REQUIRE(!__builtin_add_overflow(*staked_today, stake, staked_today));
}

static void plain_money_move(struct ledger *ledger, const struct plain_bet *bet, uint64_t lsn)
{
	struct account_slot *account = &ledger->accounts[bet->rows.account];
	struct account_slot *stakes = &ledger->accounts[bet->rows.stakes];
	int64_t amount = le64s_get(bet->record->amount);

	SLUICE_REQUIRE(amount < 0 && stakes->row.currency == account->row.currency);
	SLUICE_REQUIRE(
	    !__builtin_add_overflow(account->row.balance, amount, &account->row.balance) &&
	    !__builtin_sub_overflow(stakes->row.balance, amount, &stakes->row.balance));
	SLUICE_REQUIRE(account->row.balance >= 0 && account->row.balance <= LIMIT_BALANCE_MAX &&
	               account->row.balance == le64s_get(bet->record->balance));
	account->row.lsn = stakes->row.lsn = lsn;
	ledger_row_changed(ledger, LEDGER_ACCOUNT, bet->rows.account, &account->meta);
	ledger_row_changed(ledger, LEDGER_ACCOUNT, bet->rows.stakes, &stakes->meta);
	ledger->stakes_seen = bet->rows.stakes;
}

static void plain_days_count(
    struct ledger *ledger, const struct plain_bet *bet, uint64_t time_ns, int64_t stake)
{
	struct account_row *account = &ledger->accounts[bet->rows.account].row;
	struct terminal_row *terminal = &ledger->terminals[bet->rows.terminal].row;
	const struct risk_clock *clock = ledger_clock(ledger, time_ns);
	uint16_t day = (uint16_t)terminal->staked_day;

	plain_stake_count(&account->staked_today, &account->staked_day, clock->local_day, stake);
	risk_profile_bet_clock(&account->profile, clock, time_ns, stake, bet->record->score);
	if ((bet->record->flags & EVENT_FLAG_UNCOUNTED) != 0)
		return;
	plain_stake_count(&terminal->staked_today, &day, clock->local_day, stake);
	terminal->staked_day = day;
}

static uint32_t plain_row_make(
    struct ledger *ledger, const struct plain_bet *bet, uint64_t lsn, int64_t stake)
{
	const struct event_record *record = bet->record;
	unsigned leg_count = record->leg_count;
	uint32_t overflow, row;

	row = ledger_bet_begin(
	    ledger, le64_get(record->object_id), leg_count, &bet->place, &overflow);
	ledger->bets[row] = (struct bet_slot){
		.id = le64_get(record->object_id),
		.lsn = lsn,
		.account_id = le64_get(record->account_id),
		.terminal_id = le64_get(record->terminal_id),
		.stake = stake,
		.payout = le64s_get(record->payout),
		.placed_at_ns = le64_get(record->time_ns),
		.currency = le16_get(record->currency),
		.state = BET_OPEN,
		.leg_count = leg_count & 15u,
		.overflow = overflow,
	};
	for (unsigned i = 0; i < leg_count; i++) {
		struct event_leg leg;

		memcpy(&leg, bet->legs + i * sizeof(leg), sizeof(leg));
		ledger_bet_leg_set(ledger, row, i,
		    (struct bet_leg_kept){ .market_id = le64_get(leg.market_id),
		        .odds = le32_get(leg.odds),
		        .selection = le16_get(leg.selection) });
	}
	return row;
}

/* For ledger_group_undo. */
static void plain_rows_save(struct ledger *ledger, const struct plain_bet *bet)
{
	ledger_group_save(ledger, LEDGER_ACCOUNT, bet->rows.account, 0);
	ledger_group_save(ledger, LEDGER_ACCOUNT, bet->rows.stakes, 0);
	ledger_group_save(ledger, LEDGER_TERMINAL, bet->rows.terminal, 0);
}

void ledger_plain_apply(struct ledger *ledger, const struct plain_bet *bet)
{
	const struct event_record *record = bet->record;
	struct terminal_slot *terminal = &ledger->terminals[bet->rows.terminal];
	uint64_t lsn = le64_get(record->lsn), time_ns = le64_get(record->time_ns);
	uint64_t request_id = le64_get(record->request_id);
	int64_t stake = -le64s_get(record->amount);
	uint32_t row;

	if (SLUICE_UNLIKELY(ledger->group->active))
		plain_rows_save(ledger, bet);
	plain_money_move(ledger, bet, lsn);
	plain_days_count(ledger, bet, time_ns, stake);
	if (bet->transaction != NULL)
		ledger_risk_learn_bet(ledger, &bet->rows, bet->transaction, bet->traits);
	if (request_id > terminal->row.highest_request_id)
		terminal->row.highest_request_id = request_id;
	terminal->row.lsn = lsn;
	ledger_row_changed(ledger, LEDGER_TERMINAL, bet->rows.terminal, &terminal->meta);
	row = plain_row_make(ledger, bet, lsn, stake);
	ledger_bet_enter_open(ledger, row, bet->rows.account);
	ledger_group_save(ledger, LEDGER_BET, row, 1);
	ledger_row_changed(ledger, LEDGER_BET, row, &ledger->bet_meta[row]);
	ledger->shard.lsn = lsn;
	ledger->shard.time_ns = time_ns;
	ledger->shard.bet_counter++;
}

/* ---- From the decision ---- */

/* Legs, and at most the numbers of the risk behind them: no lines, no objects. */
static int plain_shape(const struct event_record *record, const uint8_t *event, size_t length)
{
	size_t at = sizeof(*record) + record->leg_count * sizeof(struct event_leg);

	if (record->leg_count == 0 || record->leg_count > LIMIT_BET_LEGS_MAX ||
	    le16_get(record->length) != length)
		return 0;
	return length == at ||
	       (length == at + sizeof(struct event_risk) &&
	           event[at + offsetof(struct event_section, kind)] == SECTION_RISK);
}

/* 1: its judge's look is what the states learn from, or they learn nothing. */
static int plain_scene(
    const struct event_record *record, const struct decided_bet *decided, struct plain_bet *bet)
{
	const struct risk_scene *scene = decided->scene;

	bet->transaction = NULL;
	bet->traits = NULL;
	if ((record->flags & EVENT_FLAG_SCORED) == 0)
		return 1;
	if (scene == NULL || scene->transaction.time_ns != le64_get(record->time_ns) ||
	    scene->transaction.amount != -le64s_get(record->amount) ||
	    scene->transaction.terminal_id != le64_get(record->terminal_id))
		return 0;
	bet->transaction = &scene->transaction;
	bet->traits = &scene->traits;
	return 1;
}

int ledger_plain_apply_decided(struct ledger *ledger, const uint8_t *event, size_t length)
{
	const struct event_record *record = (const struct event_record *)(const void *)event;
	struct plain_bet bet = { .record = record, .legs = event + sizeof(*record) };

	if (ledger->decided.lsn == 0 || (uintptr_t)event % _Alignof(struct event_record) != 0 ||
	    length < sizeof(*record) || ledger->decided.lsn != le64_get(record->lsn) ||
	    le16_get(record->type) != EVENT_PLACE_BET || le16_get(record->code) != WIRE_CODE_OK ||
	    le64s_get(record->amount) >= 0 || !plain_shape(record, event, length) ||
	    !ledger_plain_fits(ledger, record, &ledger->decided) ||
	    !plain_scene(record, &ledger->decided, &bet) ||
	    bet_find_place(ledger, le64_get(record->object_id), &bet.place) != ROW_NONE)
		return 0;
	bet.rows = ledger->decided;
	ledger_plain_apply(ledger, &bet);
	return 1;
}
