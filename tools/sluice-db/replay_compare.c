/* SPDX-License-Identifier: Apache-2.0 */
/* What the ledger's own code made of rows and events against what was derived, row by row. */
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/store/rows.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/derive.h"

static int accounts_compare(
    const struct replay *replay, struct derive *derive, struct damage *damage)
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
		if (derive->complete &&
		    (account->owed != row->owed || account->partner_id != row->partner_id)) {
			damage_note(damage, lsn,
			    "account %llu: owes %lld in the rows, %lld derived; of partner %u, %u",
			    (unsigned long long)row->id, (long long)row->owed,
			    (long long)account->owed, row->partner_id, account->partner_id);
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

static int bet_same(const struct derived_bet *bet, const struct bet_row *row)
{
	return bet->stake == row->stake && bet->account_id == row->account_id &&
	       bet->currency == row->currency && bet->state == row->state &&
	       bet->payout == row->payout && bet->placed_at_ns == row->placed_at_ns;
}

static void bet_differs(struct damage *damage, uint64_t lsn, const struct derived_bet *bet,
    const struct bet_row *row, const char *where)
{
	static const struct derived_bet none;

	if (bet == NULL)
		bet = &none;
	damage_note(damage, lsn,
	    "bet %llu: stake %lld, state %u, payout %lld in the %s; %lld, %u, %lld by its events",
	    (unsigned long long)row->id, (long long)row->stake, row->state, (long long)row->payout,
	    where, (long long)bet->stake, bet->state, (long long)bet->payout);
}

/* Bets in memory, of both sides. */
static int bets_compare(
    const struct replay *replay, const struct derive *derive, struct damage *damage)
{
	uint64_t lsn = derive->next_lsn - 1;
	uint32_t rows = ledger_row_count(replay->ledger, LEDGER_BET);
	struct bet_row row;

	for (uint32_t i = 0; i < derive->bets.count; i++) {
		const struct derived_bet *bet = table_at(&derive->bets, i);

		if (bet->retired_lsn == 0 && ledger_bet(replay->ledger, bet->id, &row) != 0) {
			damage_note(damage, lsn, "bet %llu: %s by its events, not in the rows",
			    (unsigned long long)bet->id,
			    bet->state == BET_OPEN ? "open" : "closed and kept");
			return -EBADMSG;
		}
	}
	for (uint32_t i = 0; i < rows; i++) {
		const struct derived_bet *bet;

		if (ledger_row_retired(replay->ledger, LEDGER_BET, i))
			continue;
		ledger_bet_at(replay->ledger, i, &row);
		bet = table_find(&derive->bets, row.id);
		if (bet == NULL && !derive->complete)
			continue;
		if (bet == NULL || bet->retired_lsn != 0 || !bet_same(bet, &row)) {
			bet_differs(damage, lsn, bet, &row, "rows");
			return -EBADMSG;
		}
	}
	return 0;
}

static int objects_compare(
    const struct replay *replay, const struct derive *derive, struct damage *damage)
{
	uint64_t lsn = derive->next_lsn - 1;
	uint32_t rows = ledger_row_count(replay->ledger, LEDGER_OBJECT);

	for (uint32_t i = 0; i < derive->objects.count; i++) {
		const struct derived_object *object = table_at(&derive->objects, i);

		if (object->retired_lsn == 0 && ledger_object(replay->ledger, object->id) == NULL) {
			damage_note(damage, lsn, "%s %llu: there by its events, not in the rows",
			    object_kind_name(object->kind), (unsigned long long)object->id);
			return -EBADMSG;
		}
	}
	for (uint32_t i = 0; i < rows; i++) {
		const struct derived_object *object;
		struct rows_record record;

		if (ledger_row_retired(replay->ledger, LEDGER_OBJECT, i))
			continue;
		rows_record_make(&record, replay->ledger, LEDGER_OBJECT, i);
		object = table_find(&derive->objects, record.id);
		if (object == NULL && !derive->complete)
			continue;
		if (object == NULL || object->retired_lsn != 0 ||
		    object->hash != XXH3_64bits(&record.object, sizeof(record.object))) {
			damage_note(damage, lsn, "%s %llu: in the rows not as by its events",
			    object_kind_name(record.object.kind), (unsigned long long)record.id);
			return -EBADMSG;
		}
	}
	return 0;
}

/* ---- Closed tables ---- */

static int closed_bet(struct derive *derive, struct db_bytes value, struct damage *damage)
{
	struct record_bet_full record;
	struct derived_bet *bet;
	struct bet_row row;

	if (record_bet_read(value, &record) != 0) {
		damage_note(damage, 0, "closed_bet: a row is damaged");
		return -EBADMSG;
	}
	row = (struct bet_row){
		.id = le64_get(record.bet.id),
		.lsn = le64_get(record.bet.lsn),
		.account_id = le64_get(record.bet.account_id),
		.stake = le64s_get(record.bet.stake),
		.payout = le64s_get(record.bet.payout),
		.placed_at_ns = le64_get(record.bet.placed_at_ns),
		.currency = le16_get(record.bet.currency),
		.state = record.bet.state,
	};
	bet = table_find(&derive->bets, row.id);
	/* Newer than the events read, or older than those kept. */
	if (row.lsn >= derive->next_lsn || (bet == NULL && !derive->complete))
		return 0;
	if (bet == NULL || bet->lsn != row.lsn || !bet_same(bet, &row)) {
		bet_differs(damage, row.lsn, bet, &row, "closed table");
		return -EBADMSG;
	}
	bet->closed = 1;
	return 0;
}

static int closed_object(struct derive *derive, struct db_bytes value, struct damage *damage)
{
	struct derived_object *object;
	struct object_bytes record;

	if (record_object_read(value, &record) != 0) {
		damage_note(damage, 0, "closed_object: a row is damaged");
		return -EBADMSG;
	}
	object = table_find(&derive->objects, le64_get(record.id));
	if (object == NULL)
		return 0;
	/* One that was made again under the same id, behind the events read, and has retired too:
	 * it is where the one before it was. */
	if (le64_get(record.lsn) >= derive->next_lsn) {
		object->closed = 1;
		return 0;
	}
	if (object->lsn == le64_get(record.lsn) &&
	    object->hash != XXH3_64bits(&record, sizeof(record))) {
		damage_note(damage, le64_get(record.lsn),
		    "%s %llu: in the closed table not as by its events",
		    object_kind_name(object->kind), (unsigned long long)object->id);
		return -EBADMSG;
	}
	object->closed = object->lsn == le64_get(record.lsn);
	return 0;
}

static int table_walk(
    struct db_txn *txn, enum schema_row_table table, struct derive *derive, struct damage *damage)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, table);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		error = table == SCHEMA_CLOSED_BET ? closed_bet(derive, cursor.value, damage)
		                                   : closed_object(derive, cursor.value, damage);
		if (error != 0)
			break;
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

/* What retired up to the checkpoint is in the closed tables. */
static int closed_missing(
    const struct replay *replay, const struct derive *derive, struct damage *damage)
{
	uint64_t through = replay->checkpoint_lsn;

	for (uint32_t i = 0; i < derive->bets.count; i++) {
		const struct derived_bet *bet = table_at(&derive->bets, i);

		if (bet->retired_lsn != 0 && bet->retired_lsn <= through && !bet->closed) {
			damage_note(damage, bet->retired_lsn,
			    "bet %llu: retired, and not in the closed table",
			    (unsigned long long)bet->id);
			return -EBADMSG;
		}
	}
	for (uint32_t i = 0; i < derive->objects.count; i++) {
		const struct derived_object *object = table_at(&derive->objects, i);

		if (object->retired_lsn != 0 && object->retired_lsn <= through && !object->closed) {
			damage_note(damage, object->retired_lsn,
			    "%s %llu: retired, and not in the closed table",
			    object_kind_name(object->kind), (unsigned long long)object->id);
			return -EBADMSG;
		}
	}
	return 0;
}

int replay_closed(
    const struct replay *replay, const char *path, struct derive *derive, struct damage *damage)
{
	struct db_env *env;
	struct db_txn txn;
	int error;

	if (replay->ledger == NULL)
		return 0;
	error = schema_rows_open(&env, path, 1);
	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = table_walk(&txn, SCHEMA_CLOSED_BET, derive, damage);
		if (error == 0)
			error = table_walk(&txn, SCHEMA_CLOSED_OBJECT, derive, damage);
		db_read_close(&txn);
	}
	db_env_close(env);
	return error != 0 ? error : closed_missing(replay, derive, damage);
}

int replay_log_end(const struct replay *replay, const struct events *events, struct damage *damage)
{
	uint64_t held =
	    replay->rows_lsn_max > replay->log_lsn ? replay->rows_lsn_max : replay->log_lsn;

	if (replay->ledger == NULL || held <= events->log_last_lsn)
		return 0;
	damage_note(damage, events->log_last_lsn,
	    "log: it ends at LSN %llu, the rows hold LSN %llu: the newest log-* directory is "
	    "missing or old; put it back, or see what sluice-db repair says",
	    (unsigned long long)events->log_last_lsn, (unsigned long long)held);
	return -EBADMSG;
}

int replay_compare(struct replay *replay, struct derive *derive, const struct events *events,
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
	if (error == 0)
		error = objects_compare(replay, derive, damage);
	if (error != 0)
		return error;
	if (replay->differs) {
		damage_note(damage, replay->checkpoint_lsn, ROWS_DIFFER);
		return -EBADMSG;
	}
	if (events->batch_last_lsn != 0 && events->batch_last_lsn == last &&
	    events->batch_state_hash != *hash) {
		damage_note(damage, last, "state hash %016llx, the journal's batch says %016llx",
		    (unsigned long long)*hash, (unsigned long long)events->batch_state_hash);
		return -EBADMSG;
	}
	return 0;
}
