/* SPDX-License-Identifier: Apache-2.0 */
/* The way the switch itself would come back: rows of the checkpoint, then every newer event. */
#include <errno.h>
#include <string.h>

#include "dataplane/store/rows.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/derive.h"

#define ROWS_MAX       ((1u << 30) - 1) /* of a ledger's table */
#define MARKETS_MAX    (1u << 28)
#define CURRENCIES_MAX 1000 /* ISO 4217 numbers */

/*
 * Reads all events once: where they end now, and what they can make at most, which sizes tables.
 * Rows are read after this and may be newer, so the second pass reads events to their real end.
 */
int scan_events(struct scan *scan, const char *path, uint32_t shard, struct damage *damage)
{
	uint8_t seen[CURRENCIES_MAX] = { 0 };
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	events.log_only = scan->log_only;
	scan->first_lsn = events.first_lsn;
	while ((result = events_next(&events, &event)) == 1) {
		struct event_record record;
		uint64_t sections;
		uint16_t type;

		memcpy(&record, event.data, sizeof(record));
		sections = (event.size - sizeof(record)) / sizeof(struct event_object);
		type = le16_get(record.type);
		if (scan->first_ns == 0)
			scan->first_ns = le64_get(record.time_ns);
		scan->last_ns = le64_get(record.time_ns);
		if (scan->from_lsn == 0 && le64_get(record.time_ns) >= scan->from_ns)
			scan->from_lsn = le64_get(record.lsn);
		scan->objects += sections;
		scan->accounts += type == EVENT_ACCOUNT_OPEN;
		scan->bets += type == EVENT_PLACE_BET && le16_get(record.code) == WIRE_CODE_OK;
		scan->markets += type == EVENT_MARKET_SET;
		scan->partners += type == EVENT_PARTNER_SET;
		scan->terminals +=
		    le64_get(record.prev_terminal_lsn) == 0 && le64_get(record.terminal_id) != 0;
		if (le16_get(record.currency) < CURRENCIES_MAX &&
		    !seen[le16_get(record.currency)]) {
			seen[le16_get(record.currency)] = 1;
			scan->currencies++;
		}
	}
	scan->last_lsn = events.next_lsn - 1;
	events_close(&events);
	/* The data plane goes on meanwhile. */
	scan->accounts += 65536;
	scan->objects += 65536;
	scan->bets += 65536;
	scan->markets += 4096;
	scan->terminals += 4096;
	return result;
}

static uint32_t room_for(uint64_t rows, uint64_t made, uint32_t most)
{
	uint64_t room = rows + made + 16;

	return room > most ? most : (uint32_t)room;
}

static int ledger_of(struct replay *replay, struct db_txn *txn, const struct scan *scan)
{
	struct record_identity identity;
	struct record_checkpoint checkpoint;
	struct ledger_config config = { 0 };
	uint64_t counts[LEDGER_TABLE_COUNT] = { 0 }, systems;
	int error = schema_version_read(txn, &replay->version);

	if (error == 0)
		error = schema_identity_read(txn, &identity);
	if (error != 0)
		return error;
	error = schema_checkpoint_read(txn, &checkpoint);
	if (error == 0) {
		replay->checkpoint_lsn = le64_get(checkpoint.begin_lsn);
		replay->log_lsn = le64_get(checkpoint.log_lsn);
	} else if (error != -ENOENT) {
		return error;
	}
	for (unsigned i = 0; i < LEDGER_TABLE_COUNT; i++) {
		error = db_count(txn, rows_table((enum ledger_table)i), &counts[i]);
		if (error != 0)
			return error;
	}
	config.shard = le16_get(identity.shard);
	config.shard_count = replay->shard_count = le16_get(identity.shard_count);
	/* System accounts of a currency: one a terminal, partner and shard, and some. */
	systems = (counts[LEDGER_TERMINAL] + scan->terminals + scan->partners + LIMIT_SHARDS +
	              SYSTEM_ACCOUNT_MAX) *
	          (scan->currencies + 1);
	config.accounts_max = room_for(counts[LEDGER_ACCOUNT], scan->accounts + systems, ROWS_MAX);
	config.bets_max = room_for(counts[LEDGER_BET], scan->bets, ROWS_MAX);
	config.markets_max = room_for(counts[LEDGER_MARKET], scan->markets, MARKETS_MAX);
	config.terminals_max = room_for(counts[LEDGER_TERMINAL], scan->terminals, ROWS_MAX);
	config.objects_max = room_for(counts[LEDGER_OBJECT], scan->objects, ROWS_MAX);
	memcpy(config.buckets.shard, identity.bucket_shard, LIMIT_BUCKETS);
	replay->ledger = ledger_create(&config);
	return replay->ledger == NULL ? -ENOMEM : 0;
}

int replay_open_before(struct replay *replay, const char *path, const struct scan *scan,
    uint64_t lsn, struct damage *damage)
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
				error = ledger_of(replay, &txn, scan);
			replay->loaded = error == 0 && replay->checkpoint_lsn < lsn;
			if (replay->loaded)
				error = rows_load(&txn, replay->ledger, &loaded);
			if (error == 0 && replay->loaded)
				replay->differs = rows_state_differs(&loaded, replay->ledger) != 0;
			db_read_close(&txn);
		}
		db_env_close(env);
	}
	if (error == 0) {
		replay->rows_lsn_max = loaded.lsn_max;
		return 0;
	}
	if (error == -EPROTO)
		damage_note(damage, 0,
		    "rows: schema version %u is not this program's %d; use the sluice-db of the "
		    "program that wrote them, or a newer one",
		    replay->version, SCHEMA_VERSION);
	else if (!replay->loaded)
		damage_note(damage, 0,
		    "rows: rows/data.mdb cannot be read (%s); put it back, or see what sluice-db "
		    "repair says",
		    strerror(-error));
	else
		damage_note(damage, 0, "rows: table %d, key %llu: %s", (int)loaded.table,
		    (unsigned long long)loaded.key, strerror(-error));
	return error;
}

int replay_open(
    struct replay *replay, const char *path, const struct scan *scan, struct damage *damage)
{
	return replay_open_before(replay, path, scan, UINT64_MAX, damage);
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

void replay_close(struct replay *replay)
{
	ledger_free(replay->ledger);
	replay->ledger = NULL;
}
