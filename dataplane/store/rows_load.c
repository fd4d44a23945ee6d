/* SPDX-License-Identifier: Apache-2.0 */
/* Whole tables into the ledger, and the record of the checkpoint. */
#include <errno.h>

#include "dataplane/store/rows.h"

enum schema_row_table rows_table(enum ledger_table table)
{
	static const enum schema_row_table tables[LEDGER_TABLE_COUNT] = {
		[LEDGER_ACCOUNT] = SCHEMA_ACCOUNT,
		[LEDGER_BET] = SCHEMA_BET,
		[LEDGER_MARKET] = SCHEMA_MARKET,
		[LEDGER_TERMINAL] = SCHEMA_TERMINAL,
		[LEDGER_OBJECT] = SCHEMA_OBJECT,
	};

	SLUICE_REQUIRE(table < LEDGER_TABLE_COUNT);
	return tables[table];
}

enum schema_row_table rows_closed_table(enum ledger_table table)
{
	SLUICE_REQUIRE(table == LEDGER_BET || table == LEDGER_OBJECT);
	return table == LEDGER_BET ? SCHEMA_CLOSED_BET : SCHEMA_CLOSED_OBJECT;
}

void rows_checkpoint_make(struct record_checkpoint *record, const struct shard_row *shard)
{
	*record = (struct record_checkpoint){
		.header = record_header_make(RECORD_CHECKPOINT, sizeof(*record)),
		.begin_lsn = le64_make(shard->lsn),
		.log_lsn = le64_make(shard->lsn),
		.time_ns = le64_make(shard->time_ns),
		.bet_counter = le64_make(shard->bet_counter),
		.control_sequence = le64_make(shard->control_sequence),
		.has_rules = !bytes_all_zero(&shard->rules, sizeof(shard->rules)),
	};
	if (record->has_rules)
		risk_rules_encode(&shard->rules, &record->rules);
	if (shard->extra.present) {
		risk_factor_rules_encode(&shard->extra, &record->factor_rules);
		record->currency_count = shard->extra.currency_count;
		for (unsigned i = 0; i < shard->extra.currency_count; i++)
			risk_amounts_encode(&shard->extra.currencies[i], &record->currencies[i]);
	}
	record->header.size = le16_make((uint16_t)record_checkpoint_size(record));
}

/* The sections are as in an event; those that are not used are zero. */
static int extra_read(const struct record_checkpoint *record, struct shard_row *row)
{
	const struct event_factor_rules *factors = &record->factor_rules;

	if (bytes_all_zero(factors, sizeof(*factors)))
		factors = NULL;
	if (!bytes_all_zero(&record->currencies[record->currency_count],
	        (LIMIT_RULES_CURRENCIES_MAX - record->currency_count) *
	            sizeof(record->currencies[0])))
		return -EBADMSG;
	return risk_rules_extra_decode(
	    &row->rules, factors, record->currencies, record->currency_count, &row->extra);
}

int rows_checkpoint_shard(const struct record_checkpoint *record, struct shard_row *shard)
{
	struct shard_row row;

	memset(&row, 0, sizeof(row));
	if (record->has_rules && risk_rules_decode(&record->rules, &row.rules) != 0)
		return -EBADMSG;
	if (extra_read(record, &row) != 0)
		return -EBADMSG;
	row.lsn = le64_get(record->begin_lsn);
	row.time_ns = le64_get(record->time_ns);
	row.bet_counter = le64_get(record->bet_counter);
	row.control_sequence = le64_get(record->control_sequence);
	*shard = row;
	return 0;
}

#define ROWS_AHEAD 16

static int row_load(struct ledger *ledger, enum ledger_table table, struct db_bytes value,
    struct rows_loaded *loaded)
{
	uint64_t lsn = 0;
	int error = rows_load_one(ledger, table, loaded->key, value, &lsn);

	/*
	 * A bet whose account or market is not there was placed after the checkpoint: a cycle that
	 * was cut short had written the bet and not yet them. Replay makes it again.
	 */
	if (error == -EINVAL && table == LEDGER_BET && lsn > loaded->begin_lsn)
		error = 0;
	if (error != 0)
		return error;
	loaded->rows[table]++;
	if (lsn > loaded->lsn_max)
		loaded->lsn_max = lsn;
	return 0;
}

static int table_load(
    struct db_txn *txn, struct ledger *ledger, enum ledger_table table, struct rows_loaded *loaded)
{
	/* The line of the index each row goes to is fetched this many rows before. */
	struct {
		struct db_bytes value; /* stays where it is while the transaction reads */
		uint64_t key;
	} ahead[ROWS_AHEAD];
	struct db_cursor cursor;
	uint64_t read = 0, taken = 0;
	int error, found;

	loaded->table = rows_table(table);
	error = db_cursor_open(&cursor, txn, loaded->table);
	if (error != 0)
		return error;
	for (found = db_cursor_first(&cursor); error == 0 && (found == 0 || taken < read);) {
		if (found == 0 && read - taken < ROWS_AHEAD) {
			ahead[read % ROWS_AHEAD].value = cursor.value;
			error = db_key_number(cursor.key, &ahead[read % ROWS_AHEAD].key);
			if (error == 0)
				ledger_prefetch_index(ledger, table, ahead[read % ROWS_AHEAD].key);
			read++;
			found = db_cursor_next(&cursor);
			continue;
		}
		loaded->key = ahead[taken % ROWS_AHEAD].key;
		error = row_load(ledger, table, ahead[taken % ROWS_AHEAD].value, loaded);
		taken++;
	}
	db_cursor_close(&cursor);
	if (error == 0 && found != -ENOENT)
		error = found;
	return error;
}

/* Before the rows: exposures are derived while bets are loaded, and the rules have a part in it. */
static int shard_load(struct db_txn *txn, struct ledger *ledger, struct rows_loaded *loaded)
{
	struct record_checkpoint checkpoint;
	struct shard_row shard;
	int error = schema_horizon_read(txn, &loaded->lsn_max);

	loaded->table = SCHEMA_META;
	if (error == 0)
		error = schema_checkpoint_read(txn, &checkpoint);
	if (error == -ENOENT)
		return 0; /* new: nothing was ever checkpointed; what a first cycle left is replayed
		           */
	if (error == 0)
		error = rows_checkpoint_shard(&checkpoint, &shard);
	if (error != 0)
		return error;
	ledger_load_shard(ledger, &shard);
	loaded->begin_lsn = shard.lsn;
	if (shard.lsn > loaded->lsn_max)
		loaded->lsn_max = shard.lsn;
	return 0;
}

/* Of use only where no row is newer than it. */
static int state_load(struct db_txn *txn, struct rows_loaded *loaded)
{
	struct record_state state;
	int error = schema_state_read(txn, &state);

	if (error != 0)
		return error == -ENOENT ? 0 : error;
	if (le64_get(state.lsn) != loaded->begin_lsn || loaded->lsn_max != loaded->begin_lsn)
		return 0;
	loaded->state_hash = le64_get(state.state_hash);
	loaded->has_state = 1;
	return 0;
}

int rows_state_differs(const struct rows_loaded *loaded, struct ledger *ledger)
{
	return loaded->has_state && ledger_state_hash(ledger) != loaded->state_hash;
}

int rows_load(struct db_txn *txn, struct ledger *ledger, struct rows_loaded *loaded)
{
	/* What bets name comes before them: the ledger derives chains and exposures while it loads.
	 */
	static const enum ledger_table order[LEDGER_TABLE_COUNT] = { LEDGER_ACCOUNT, LEDGER_MARKET,
		LEDGER_OBJECT, LEDGER_BET, LEDGER_TERMINAL };
	int error;

	memset(loaded, 0, sizeof(*loaded));
	error = shard_load(txn, ledger, loaded);
	for (unsigned i = 0; i < LEDGER_TABLE_COUNT && error == 0; i++)
		error = table_load(txn, ledger, order[i], loaded);
	if (error == 0) {
		loaded->table = SCHEMA_META;
		error = state_load(txn, loaded);
	}
	if (error == 0)
		ledger_load_horizon(ledger, loaded->lsn_max);
	return error;
}
