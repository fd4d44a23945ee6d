/* SPDX-License-Identifier: Apache-2.0 */
/* The way the switch itself would come back: rows of the checkpoint, then every newer event. */
#include <errno.h>
#include <string.h>

#include "dataplane/store/rows.h"
#include "tools/sluice-db/db.h"

static uint32_t room_for(uint64_t rows, uint64_t events)
{
	uint64_t room = rows + events + 16;

	return room > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)room;
}

static int ledger_of(struct replay *replay, struct db_txn *txn, uint64_t last_lsn)
{
	struct record_identity identity;
	struct record_checkpoint checkpoint;
	struct ledger_config config = { 0 };
	uint64_t counts[LEDGER_TABLE_COUNT] = { 0 }, events;
	uint32_t version;
	int error = schema_version_read(txn, &version);

	if (error == 0)
		error = schema_identity_read(txn, &identity);
	if (error != 0)
		return error;
	error = schema_checkpoint_read(txn, &checkpoint);
	if (error == 0)
		replay->checkpoint_lsn = le64_get(checkpoint.begin_lsn);
	else if (error != -ENOENT)
		return error;
	for (unsigned i = 0; i < LEDGER_TABLE_COUNT; i++) {
		error = db_count(txn, rows_table((enum ledger_table)i), &counts[i]);
		if (error != 0)
			return error;
	}
	events = last_lsn > replay->checkpoint_lsn ? last_lsn - replay->checkpoint_lsn : 0;
	config.shard = le16_get(identity.shard);
	config.shard_count = le16_get(identity.shard_count);
	config.accounts_max = room_for(counts[LEDGER_ACCOUNT], 2 * events);
	config.bets_max = room_for(counts[LEDGER_BET], events);
	config.markets_max = room_for(counts[LEDGER_MARKET], events);
	config.terminals_max = room_for(counts[LEDGER_TERMINAL], events);
	memcpy(config.buckets.shard, identity.bucket_shard, LIMIT_BUCKETS);
	replay->ledger = ledger_create(&config);
	return replay->ledger == NULL ? -ENOMEM : 0;
}

int replay_open(struct replay *replay, const char *path, uint64_t last_lsn, struct damage *damage)
{
	struct rows_loaded loaded = { 0 };
	struct db_env *env;
	struct db_txn txn;
	int error;

	memset(replay, 0, sizeof(*replay));
	error = schema_rows_open(&env, path, 1);
	if (error == -ENOENT)
		return 0;
	if (error == 0) {
		error = db_read_open(&txn, env);
		if (error == 0) {
			error = db_read_begin(&txn);
			if (error == 0)
				error = ledger_of(replay, &txn, last_lsn);
			if (error == 0)
				error = rows_load(&txn, replay->ledger, &loaded);
			db_read_close(&txn);
		}
		db_env_close(env);
	}
	if (error == 0) {
		replay->rows_lsn_max = loaded.lsn_max;
		return 0;
	}
	damage_note(damage, 0,
	    error == -EPROTO ? "rows: schema newer than this program; use a newer sluice-db"
	                     : "rows: table %d, key %llu: %s",
	    (int)loaded.table, (unsigned long long)loaded.key, strerror(-error));
	return error;
}

int replay_event(struct replay *replay, struct db_bytes event, struct damage *damage)
{
	struct event_record record;
	uint64_t lsn;

	if (replay->ledger == NULL)
		return 0;
	memcpy(&record, event.data, sizeof(record));
	lsn = le64_get(record.lsn);
	if (lsn <= ledger_shard(replay->ledger)->lsn)
		return 0;
	if (ledger_apply(replay->ledger, event.data, event.size) != 0) {
		damage_note(damage, lsn, "event does not apply to the rows of the checkpoint");
		return -EBADMSG;
	}
	return 0;
}

static int accounts_compare(
    struct replay *replay, const struct derive *derive, struct damage *damage)
{
	uint64_t lsn = derive->next_lsn - 1;
	uint32_t rows = ledger_row_count(replay->ledger, LEDGER_ACCOUNT);

	for (uint32_t i = 0; i < rows; i++) {
		const struct account_row *row = ledger_account_at(replay->ledger, i);
		const struct derived_account *account = table_find(&derive->accounts, row->id);

		if (account == NULL && !derive->complete)
			continue;
		/* A retired log does not hold all of a system account's past. */
		if (!derive->complete && row->id > LIMIT_ACCOUNT_ID_MAX)
			continue;
		if (account == NULL || account->balance != row->balance) {
			damage_note(damage, lsn,
			    "account %llu: %lld in the rows brought up to date, %lld derived",
			    (unsigned long long)row->id, (long long)row->balance,
			    account == NULL ? 0 : (long long)account->balance);
			return -EBADMSG;
		}
	}
	if (derive->complete && rows != derive->accounts.count) {
		damage_note(damage, lsn, "%u accounts in the rows, %u derived", rows,
		    derive->accounts.count);
		return -EBADMSG;
	}
	return 0;
}

/* Open bets of both sides, and the stakes behind them. */
static int bets_compare(struct replay *replay, const struct derive *derive, struct damage *damage)
{
	uint64_t lsn = derive->next_lsn - 1;
	uint32_t rows = ledger_row_count(replay->ledger, LEDGER_BET);
	struct bet_row row;

	for (uint32_t i = 0; i < derive->bets.count; i++) {
		const struct derived_bet *bet = table_at(&derive->bets, i);

		if (bet->open && ledger_bet(replay->ledger, bet->id, &row) != 0) {
			damage_note(damage, lsn, "bet %llu: open by its events, not in the rows",
			    (unsigned long long)bet->id);
			return -EBADMSG;
		}
	}
	for (uint32_t i = 0; i < rows; i++) {
		const struct derived_bet *bet;

		ledger_bet_at(replay->ledger, i, &row);
		bet = table_find(&derive->bets, row.id);
		if (bet == NULL && !derive->complete)
			continue;
		if (bet == NULL || bet->stake != row.stake || bet->account_id != row.account_id ||
		    bet->currency != row.currency || bet->open != (row.state == BET_OPEN)) {
			damage_note(damage, lsn,
			    "bet %llu: stake %lld, state %u in the rows; %lld, %s by its events",
			    (unsigned long long)row.id, (long long)row.stake, row.state,
			    bet == NULL ? 0 : (long long)bet->stake,
			    bet == NULL ? "unknown"
			    : bet->open ? "open"
			                : "cancelled");
			return -EBADMSG;
		}
	}
	return 0;
}

int replay_compare(struct replay *replay, const struct derive *derive, const struct events *events,
    uint64_t *hash, struct damage *damage)
{
	uint64_t last = derive->next_lsn - 1;
	int error;

	if (replay->ledger == NULL)
		return 0;
	if (ledger_shard(replay->ledger)->lsn != last || replay->rows_lsn_max > last) {
		damage_note(damage, last, "rows hold LSN %llu, log and journal end before it",
		    (unsigned long long)replay->rows_lsn_max);
		return -EBADMSG;
	}
	*hash = ledger_state_hash(replay->ledger);
	/* First what can be named, then the hash, which says only that something differs. */
	error = accounts_compare(replay, derive, damage);
	if (error == 0)
		error = bets_compare(replay, derive, damage);
	if (error != 0)
		return error;
	if (events->batch_last_lsn == last && events->batch_state_hash != *hash) {
		damage_note(damage, last, "state hash %016llx, the journal's batch says %016llx",
		    (unsigned long long)*hash, (unsigned long long)events->batch_state_hash);
		return -EBADMSG;
	}
	return 0;
}

void replay_close(struct replay *replay)
{
	ledger_free(replay->ledger);
	replay->ledger = NULL;
}
