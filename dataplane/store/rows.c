/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/store/rows.h"

#include <errno.h>

static void profile_encode(struct record_profile *out, const struct risk_profile *in)
{
	*out = (struct record_profile){
		.updated_ns = le64_make(in->updated_ns),
		.amount_mean = le64_make(in->amount_mean),
		.amount_spread = le64_make(in->amount_spread),
		.amount_max = le64_make(in->amount_max),
		.count_24h = le64_make(in->count_24h),
		.count_7d = le64_make(in->count_7d),
		.count_30d = le64_make(in->count_30d),
		.observations = le32_make(in->observations),
		.cancels = le32_make(in->cancels),
		.first_ns = le64_make(in->first_ns),
		.profile_score = in->profile_score,
		.country = le16_make(in->country),
	};
}

static void profile_decode(struct risk_profile *out, const struct record_profile *in)
{
	*out = (struct risk_profile){
		.updated_ns = le64_get(in->updated_ns),
		.amount_mean = le64_get(in->amount_mean),
		.amount_spread = le64_get(in->amount_spread),
		.amount_max = le64_get(in->amount_max),
		.count_24h = le64_get(in->count_24h),
		.count_7d = le64_get(in->count_7d),
		.count_30d = le64_get(in->count_30d),
		.observations = le32_get(in->observations),
		.cancels = le32_get(in->cancels),
		.first_ns = le64_get(in->first_ns),
		.profile_score = in->profile_score,
		.country = le16_get(in->country),
	};
}

static void account_make(struct rows_record *record, const struct account_row *row,
    const struct risk_account_state *state)
{
	struct record_account *out = &record->account.account;

	*out = (struct record_account){
		.header = record_header_make(RECORD_ACCOUNT, sizeof(*out)),
		.id = le64_make(row->id),
		.lsn = le64_make(row->lsn),
		.balance = le64s_make(row->balance),
		.staked_today = le64s_make(row->staked_today),
		.staked_day = le16_make(row->staked_day),
		.partner_id = le16_make(row->partner_id),
		.currency = le16_make(row->currency),
		.flags = le16_make(row->flags),
		.owed = le64s_make(row->owed),
	};
	profile_encode(&out->profile, &row->profile);
	record->id = row->id;
	record->lsn = row->lsn;
	record->size = state != NULL ? sizeof(record->account) : sizeof(*out);
	out->header.size = le16_make((uint16_t)record->size);
	if (state != NULL)
		rows_account_state_make(&record->account.state, state);
}

static int account_load(struct ledger *ledger, uint64_t key, struct db_bytes value, uint64_t *lsn)
{
	struct record_account_full full;
	struct risk_account_state state;
	struct record_account in;
	struct account_row row;
	int error = record_account_read(value, &full);

	if (error == 0 && le64_get(full.account.id) != key)
		error = -EBADMSG;
	if (error != 0)
		return error;
	in = full.account;
	memset(&row, 0, sizeof(row)); /* rows are hashed as bytes */
	row.id = key;
	row.lsn = *lsn = le64_get(in.lsn);
	row.balance = le64s_get(in.balance);
	row.staked_today = le64s_get(in.staked_today);
	row.staked_day = le16_get(in.staked_day);
	row.partner_id = le16_get(in.partner_id);
	row.currency = le16_get(in.currency);
	row.flags = le16_get(in.flags);
	row.owed = le64s_get(in.owed);
	profile_decode(&row.profile, &in.profile);
	error = ledger_load_account(ledger, &row);
	if (error != 0 || value.size == sizeof(in))
		return error;
	rows_account_state_read(&full.state, &state);
	return ledger_load_account_state(ledger, key, &state);
}

static void bet_make(struct rows_record *record, const struct bet_row *row)
{
	struct record_bet *out = &record->bet.bet;

	SLUICE_REQUIRE(row->leg_count <= LIMIT_BET_LEGS_MAX);
	record->id = row->id;
	record->lsn = row->lsn;
	record->size = sizeof(*out) + row->leg_count * sizeof(struct event_leg);
	*out = (struct record_bet){
		.header = record_header_make(RECORD_BET, record->size),
		.id = le64_make(row->id),
		.lsn = le64_make(row->lsn),
		.account_id = le64_make(row->account_id),
		.terminal_id = le64_make(row->terminal_id),
		.stake = le64s_make(row->stake),
		.payout = le64s_make(row->payout),
		.placed_at_ns = le64_make(row->placed_at_ns),
		.currency = le16_make(row->currency),
		.state = row->state,
		.leg_count = row->leg_count,
		.reprints = row->reprints,
	};
	for (unsigned i = 0; i < row->leg_count; i++)
		record->bet.legs[i] = (struct event_leg){
			.market_id = le64_make(row->legs[i].market_id),
			.selection = le16_make(row->legs[i].selection),
			.odds = le32_make(row->legs[i].odds),
		};
}

static int bet_load(struct ledger *ledger, uint64_t key, struct db_bytes value, uint64_t *lsn)
{
	struct record_bet_full in;
	struct bet_row row;
	int error = record_bet_read(value, &in);

	if (error == 0 && le64_get(in.bet.id) != key)
		error = -EBADMSG;
	if (error != 0)
		return error;
	memset(&row, 0, sizeof(row));
	row.id = key;
	row.lsn = *lsn = le64_get(in.bet.lsn);
	row.account_id = le64_get(in.bet.account_id);
	row.terminal_id = le64_get(in.bet.terminal_id);
	row.stake = le64s_get(in.bet.stake);
	row.payout = le64s_get(in.bet.payout);
	row.placed_at_ns = le64_get(in.bet.placed_at_ns);
	row.currency = le16_get(in.bet.currency);
	row.state = in.bet.state;
	row.leg_count = in.bet.leg_count;
	row.reprints = in.bet.reprints;
	for (unsigned i = 0; i < row.leg_count; i++) {
		row.legs[i].market_id = le64_get(in.legs[i].market_id);
		row.legs[i].selection = le16_get(in.legs[i].selection);
		row.legs[i].odds = le32_get(in.legs[i].odds);
	}
	return ledger_load_bet(ledger, &row);
}

static void market_make(struct rows_record *record, const struct market_row_state *row)
{
	struct record_market *out = &record->market;

	*out = (struct record_market){
		.header = record_header_make(RECORD_MARKET, sizeof(*out)),
		.id = le64_make(row->id),
		.lsn = le64_make(row->lsn),
		.market = {
			.event_id = le64_make(row->event_id),
			.version = le64_make(row->version),
			.start_time_ns = le64_make(row->start_time_ns),
			.state = row->state,
			.kind = row->kind,
			.selection_count = row->selection_count,
			.line = le16_make((uint16_t)row->line),
		},
		.walked = row->walked,
		.final = row->final,
		.walked_ns = le64_make(row->walked_ns),
		.credit_moved_market = le64s_make(row->credit_moved_market),
	};
	memcpy(out->outcomes, &row->outcomes, sizeof(out->outcomes));
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		out->market.odds[i] = le32_make(row->odds[i]);
		out->credit_moved[i] = le64s_make(row->credit_moved[i]);
	}
	record->id = row->id;
	record->lsn = row->lsn;
	record->size = sizeof(*out);
}

/* All zero, or a complete result: settlement relies on it. */
static int outcomes_check(const struct record_market *in)
{
	struct settlement_outcomes_disk disk;
	struct settlement_outcomes outcomes;

	if (bytes_all_zero(in->outcomes, sizeof(in->outcomes)))
		return 0;
	memcpy(&disk, in->outcomes, sizeof(disk));
	return settlement_outcomes_read(&disk, in->market.selection_count, &outcomes);
}

static int market_load(struct ledger *ledger, uint64_t key, struct db_bytes value, uint64_t *lsn)
{
	struct record_market in;
	struct market_row_state row;
	int error = record_market_read(value, &in);

	if (error == 0)
		error = outcomes_check(&in);
	if (error == 0 && le64_get(in.id) != key)
		error = -EBADMSG;
	if (error != 0)
		return error;
	memset(&row, 0, sizeof(row));
	row.id = key;
	row.lsn = *lsn = le64_get(in.lsn);
	row.event_id = le64_get(in.market.event_id);
	row.version = le64_get(in.market.version);
	row.start_time_ns = le64_get(in.market.start_time_ns);
	row.state = in.market.state;
	row.kind = in.market.kind;
	row.selection_count = in.market.selection_count;
	row.line = (int16_t)le16_get(in.market.line);
	row.walked = in.walked;
	row.final = in.final;
	row.walked_ns = le64_get(in.walked_ns);
	row.credit_moved_market = le64s_get(in.credit_moved_market);
	memcpy(&row.outcomes, in.outcomes, sizeof(row.outcomes));
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		row.odds[i] = le32_get(in.market.odds[i]);
		row.credit_moved[i] = le64s_get(in.credit_moved[i]);
	}
	return ledger_load_market(ledger, &row);
}

static void terminal_make(struct rows_record *record, const struct terminal_row *row,
    const struct risk_terminal_state *state)
{
	struct record_terminal *out = &record->terminal.terminal;

	*out = (struct record_terminal){
		.header = record_header_make(RECORD_TERMINAL, sizeof(*out)),
		.id = le64_make(row->id),
		.lsn = le64_make(row->lsn),
		.highest_request_id = le64_make(row->highest_request_id),
		.staked_today = le64s_make(row->staked_today),
		.staked_day = le32_make(row->staked_day),
		.rights = le32_make(row->rights),
		.daily_max = le64s_make(row->daily_max),
		.version = le64_make(row->version),
		.blocked = row->blocked,
		.shift_open = row->shift_open,
		.shift_currency = le16_make(row->shift_currency),
		.cashier_id = le32_make(row->cashier_id),
		.shift_number = le32_make(row->shift_number),
		.shift_cash = le64s_make(row->shift_cash),
		.shift_cash_total = le64s_make(row->shift_cash_total),
		.shift_opened_ns = le64_make(row->shift_opened_ns),
	};
	record->id = row->id;
	record->lsn = row->lsn;
	record->size = state != NULL ? sizeof(record->terminal) : sizeof(*out);
	out->header.size = le16_make((uint16_t)record->size);
	if (state != NULL)
		rows_terminal_state_make(&record->terminal.state, state);
}

static int terminal_load(struct ledger *ledger, uint64_t key, struct db_bytes value, uint64_t *lsn)
{
	struct record_terminal_full full;
	struct risk_terminal_state state;
	struct record_terminal in;
	struct terminal_row row;
	int error = record_terminal_read(value, &full);

	if (error == 0 && le64_get(full.terminal.id) != key)
		error = -EBADMSG;
	if (error != 0)
		return error;
	in = full.terminal;
	memset(&row, 0, sizeof(row));
	row.id = key;
	row.lsn = *lsn = le64_get(in.lsn);
	row.highest_request_id = le64_get(in.highest_request_id);
	row.staked_today = le64s_get(in.staked_today);
	row.staked_day = le32_get(in.staked_day);
	row.rights = le32_get(in.rights);
	row.daily_max = le64s_get(in.daily_max);
	row.version = le64_get(in.version);
	row.blocked = in.blocked;
	row.shift_open = in.shift_open;
	row.shift_currency = le16_get(in.shift_currency);
	row.cashier_id = le32_get(in.cashier_id);
	row.shift_number = le32_get(in.shift_number);
	row.shift_cash = le64s_get(in.shift_cash);
	row.shift_cash_total = le64s_get(in.shift_cash_total);
	row.shift_opened_ns = le64_get(in.shift_opened_ns);
	error = ledger_load_terminal(ledger, &row);
	if (error != 0 || value.size == sizeof(in))
		return error;
	rows_terminal_state_read(&full.state, &state);
	return ledger_load_terminal_state(ledger, key, &state);
}

static void object_make(struct rows_record *record, const struct object_row *row)
{
	struct object_bytes *out = &record->object;

	*out = (struct object_bytes){
		.id = le64_make(row->id),
		.lsn = le64_make(row->lsn),
		.due_ns = le64_make(row->due_ns),
		.kind = row->kind,
		.state = row->state,
		.currency = le16_make(row->currency),
		.partner_id = le32_make(row->partner_id),
	};
	memcpy(out->body, row->body, sizeof(out->body));
	record->id = row->id;
	record->lsn = row->lsn;
	record->size = sizeof(*out);
}

static int object_load(struct ledger *ledger, uint64_t key, struct db_bytes value, uint64_t *lsn)
{
	struct object_bytes in;
	struct object_row row;
	int error = record_object_read(value, &in);

	if (error == 0 && le64_get(in.id) != key)
		error = -EBADMSG;
	if (error != 0)
		return error;
	memset(&row, 0, sizeof(row));
	row.id = key;
	row.lsn = *lsn = le64_get(in.lsn);
	row.due_ns = le64_get(in.due_ns);
	row.kind = in.kind;
	row.state = in.state;
	row.currency = le16_get(in.currency);
	row.partner_id = le32_get(in.partner_id);
	memcpy(row.body, in.body, sizeof(row.body));
	return ledger_load_object(ledger, &row);
}

uint64_t rows_id(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	switch (table) {
	case LEDGER_ACCOUNT:
		return ledger_account_at(ledger, row)->id;
	case LEDGER_BET:
		return ledger_bet_id_at(ledger, row);
	case LEDGER_MARKET:
		return ledger_market_at(ledger, row)->id;
	case LEDGER_TERMINAL:
		return ledger_terminal_at(ledger, row)->id;
	case LEDGER_OBJECT:
		return ledger_object_at(ledger, row)->id;
	case LEDGER_TABLE_COUNT:
		break;
	}
	SLUICE_REQUIRE(!"table");
	return 0;
}

void rows_record_make(
    struct rows_record *record, const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	struct bet_row bet;

	/* Each writes all of what `size` tells. */
	switch (table) {
	case LEDGER_ACCOUNT:
		account_make(
		    record, ledger_account_at(ledger, row), ledger_account_state_at(ledger, row));
		return;
	case LEDGER_BET:
		ledger_bet_at(ledger, row, &bet);
		bet_make(record, &bet);
		return;
	case LEDGER_MARKET:
		market_make(record, ledger_market_at(ledger, row));
		return;
	case LEDGER_TERMINAL:
		terminal_make(
		    record, ledger_terminal_at(ledger, row), ledger_terminal_state_at(ledger, row));
		return;
	case LEDGER_OBJECT:
		object_make(record, ledger_object_at(ledger, row));
		return;
	case LEDGER_TABLE_COUNT:
		break;
	}
	SLUICE_REQUIRE(!"table");
}

int rows_load_one(struct ledger *ledger, enum ledger_table table, uint64_t key,
    struct db_bytes value, uint64_t *lsn)
{
	typedef int load(struct ledger *, uint64_t, struct db_bytes, uint64_t *);
	static load *const loads[LEDGER_TABLE_COUNT] = {
		[LEDGER_ACCOUNT] = account_load,
		[LEDGER_BET] = bet_load,
		[LEDGER_MARKET] = market_load,
		[LEDGER_TERMINAL] = terminal_load,
		[LEDGER_OBJECT] = object_load,
	};
	uint64_t row_lsn = 0;
	int error;

	SLUICE_REQUIRE(table < LEDGER_TABLE_COUNT);
	error = loads[table](ledger, key, value, &row_lsn);
	if (error == 0 || error == -EINVAL)
		*lsn = row_lsn;
	return error;
}
