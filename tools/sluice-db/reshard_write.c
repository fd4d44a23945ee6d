/* SPDX-License-Identifier: Apache-2.0 */
/* The new shards on disk: rows with their share of credit, closed rows, an empty log; then read
 * again and compared with what was meant. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dataplane/store/rows.h"
#include "tools/sluice-db/reshard.h"

#define ROWS_A_PIECE 2000

static int fail(struct reshard *reshard, uint32_t shard, int error)
{
	return restore_fail(&reshard->restore, EXIT_MISSING, "shard %u cannot be written: %s",
	    shard, strerror(-error));
}

/* ---- Credit: nobody above its own, together what the limit gives ---- */

/* What shard `shard` gets beside its base of a limit, by the exposures of all. */
static int64_t credit_of(const int64_t *exposures, uint32_t count, uint32_t shard, int64_t limit)
{
	int64_t moved[LIMIT_SHARDS] = { 0 };

	if (limit == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		int64_t base = limit / count + (i < limit % count);
		int64_t lacks = exposures[i] - base;

		for (uint32_t k = 0; k < count && lacks > moved[i]; k++) {
			int64_t spare =
			    limit / count + (k < limit % count) + moved[k] - exposures[k];
			int64_t give = lacks - moved[i] < spare ? lacks - moved[i] : spare;

			if (k == i || give <= 0)
				continue;
			moved[k] -= give;
			moved[i] += give;
		}
	}
	return moved[shard];
}

static void market_credit(
    const struct reshard *reshard, uint32_t shard, uint64_t id, struct record_market *record)
{
	const struct risk_rules *rules = &reshard->shard.rules;
	int64_t exposures[LIMIT_SHARDS];

	for (int selection = -1; selection < (int)LIMIT_MARKET_SELECTIONS_MAX; selection++) {
		int64_t limit =
		    selection < 0 ? rules->exposure_market_max : rules->exposure_selection_max;
		struct le64s credit;

		for (uint32_t i = 0; i < reshard->to_count; i++)
			exposures[i] = ledger_market_exposure(reshard->to[i].ledger, id, selection);
		credit = le64s_make(credit_of(exposures, reshard->to_count, shard, limit));
		if (selection < 0)
			record->credit_moved_market = credit;
		else
			record->credit_moved[selection] = credit;
	}
}

static void partner_credit(
    const struct reshard *reshard, uint32_t shard, struct object_bytes *object)
{
	int64_t exposures[LIMIT_SHARDS];
	struct object_partner partner;

	memcpy(&partner, object->body, sizeof(partner));
	for (uint32_t i = 0; i < reshard->to_count; i++)
		exposures[i] =
		    ledger_partner_exposure(reshard->to[i].ledger, le32_get(object->partner_id));
	partner.credit_moved = le64s_make(
	    credit_of(exposures, reshard->to_count, shard, le64s_get(partner.exposure_max)));
	memcpy(object->body, &partner, sizeof(partner));
}

/* ---- Rows ---- */

struct rows_piece {
	struct reshard *reshard;
	uint32_t shard, first;
	enum ledger_table table;
};

static int rows_body(struct db_txn *txn, void *context)
{
	const struct rows_piece *piece = context;
	const struct ledger *ledger = piece->reshard->to[piece->shard].ledger;
	uint32_t count = ledger_row_count(ledger, piece->table);
	int error = 0;

	for (uint32_t i = piece->first; i < count && i < piece->first + ROWS_A_PIECE && error == 0;
	     i++) {
		struct rows_record record;
		struct db_key key;

		rows_record_make(&record, ledger, piece->table, i);
		key = db_key_make(record.id);
		if (piece->table == LEDGER_MARKET)
			market_credit(piece->reshard, piece->shard, record.id, &record.market);
		if (piece->table == LEDGER_OBJECT && record.object.kind == OBJECT_PARTNER)
			partner_credit(piece->reshard, piece->shard, &record.object);
		error = db_put(txn, rows_table(piece->table), db_key(&key),
		    (struct db_bytes){ &record, record.size });
	}
	return error;
}

static int rows_put(struct reshard *reshard, uint32_t shard, struct db_env *env)
{
	struct rows_piece piece = { .reshard = reshard, .shard = shard };
	int error = 0;

	for (unsigned t = 0; t < LEDGER_TABLE_COUNT && error == 0; t++) {
		uint32_t count = ledger_row_count(reshard->to[shard].ledger, (enum ledger_table)t);

		piece.table = (enum ledger_table)t;
		for (piece.first = 0; piece.first < count && error == 0;
		     piece.first += ROWS_A_PIECE)
			error = db_write(env, rows_body, &piece);
	}
	return error;
}

/* ---- Closed rows ---- */

struct closed_piece {
	const struct reshard *reshard;
	struct db_env *source;
	enum schema_row_table table;
	uint32_t from, to;
	uint64_t next; /* key the piece begins at */
	uint64_t reached;
	int end;
};

static int closed_is_ours(const struct closed_piece *piece, uint64_t id, struct db_bytes value)
{
	struct object_bytes object;
	uint32_t shard;

	if (piece->table == SCHEMA_CLOSED_BET)
		return piece->reshard->to_map.shard[ids_bucket_of_printed(id)] == piece->to;
	if (record_object_read(value, &object) != 0)
		return -EBADMSG;
	/* Links and what came over them are between shards that are no more. */
	if (object.kind == OBJECT_TRANSFER_IN || object.kind == OBJECT_LINK)
		return 0;
	shard = reshard_object_shard(piece->reshard, piece->from, &object);
	return shard == piece->to || shard == RESHARD_EVERY_SHARD;
}

static int closed_put(struct db_txn *txn, struct db_cursor *cursor, struct closed_piece *piece)
{
	int error = 0;

	for (unsigned i = 0; error == 0 && i < ROWS_A_PIECE; i++) {
		int ours = 0;
		uint64_t id;

		error = db_key_number(cursor->key, &id);
		if (error == 0 && id >= piece->next)
			ours = closed_is_ours(piece, id, cursor->value);
		if (error == 0 && ours < 0)
			error = ours;
		if (error == 0 && ours)
			error = db_put(txn, piece->table, cursor->key, cursor->value);
		if (error == 0) {
			piece->reached = id + 1;
			error = db_cursor_next(cursor);
		}
	}
	return error;
}

static int closed_body(struct db_txn *txn, void *context)
{
	struct closed_piece *piece = context;
	struct db_key first = db_key_make(piece->next);
	struct db_cursor cursor;
	struct db_txn source;
	int error = db_read_open(&source, piece->source);

	if (error != 0)
		return error;
	error = db_read_begin(&source);
	if (error == 0)
		error = db_cursor_open(&cursor, &source, piece->table);
	if (error == 0) {
		error = db_cursor_seek_below(&cursor, db_key(&first));
		/* Nothing at or below it: the first one is above. */
		if (error == -ENOENT)
			error = db_cursor_first(&cursor);
		if (error == 0)
			error = closed_put(txn, &cursor, piece);
		db_cursor_close(&cursor);
	}
	piece->end = error == -ENOENT;
	db_read_close(&source);
	return error == -ENOENT ? 0 : error;
}

static int closed_move(
    struct reshard *reshard, uint32_t to, struct db_env *env, enum schema_row_table table)
{
	int error = 0;

	for (uint32_t from = 0; from < reshard->from_count && error == 0; from++) {
		struct closed_piece piece = {
			.reshard = reshard, .table = table, .from = from, .to = to
		};

		error = schema_rows_open(&piece.source, reshard->from[from].path, 1);
		while (error == 0 && !piece.end) {
			error = db_write(env, closed_body, &piece);
			piece.next = piece.reached;
		}
		db_env_close(piece.source);
	}
	return error;
}

/* ---- A shard ---- */

struct meta {
	const struct reshard *reshard;
	uint32_t shard;
};

static int meta_body(struct db_txn *txn, void *context)
{
	const struct meta *meta = context;
	const struct reshard *reshard = meta->reshard;
	struct record_identity identity = {
		.header = record_header_make(RECORD_IDENTITY, sizeof(identity)),
		.shard = le16_make((uint16_t)meta->shard),
		.shard_count = le16_make((uint16_t)reshard->to_count),
	};
	struct record_checkpoint checkpoint;
	int error = schema_version_write(txn);

	memcpy(identity.bucket_shard, reshard->to_map.shard, LIMIT_BUCKETS);
	if (error == 0)
		error = schema_identity_write(txn, &identity);
	rows_checkpoint_make(&checkpoint, &reshard->shard);
	if (error == 0)
		error = schema_checkpoint_write(txn, &checkpoint);
	if (error == 0)
		error = schema_past_write(txn, &reshard->left);
	return error == 0 ? schema_horizon_write(txn, reshard->shard.lsn) : error;
}

static int shard_write(struct reshard *reshard, uint32_t shard)
{
	struct meta meta = { .reshard = reshard, .shard = shard };
	const char *path = reshard->to[shard].path;
	struct db_env *env, *log;
	int error = directories_make(path);

	if (error != 0)
		return error;
	error = schema_rows_open(&env, path, 0);
	if (error != 0)
		return error;
	error = rows_put(reshard, shard, env);
	if (error == 0)
		error = closed_move(reshard, shard, env, SCHEMA_CLOSED_BET);
	if (error == 0)
		error = closed_move(reshard, shard, env, SCHEMA_CLOSED_OBJECT);
	/* The last: rows without it are of no shard. */
	if (error == 0)
		error = db_write(env, meta_body, &meta);
	db_env_close(env);
	/* Its name tells where the log begins. */
	if (error == 0)
		error = schema_log_open(&log, path, reshard->shard.lsn + 1, 0);
	if (error == 0)
		db_env_close(log);
	return error;
}

/* ---- What lies there now, against the old shards ---- */

static int account_compare(const struct reshard *reshard, const struct account_row *row)
{
	const struct account_row *now = ledger_account(
	    reshard->to[reshard->to_map.shard[ids_bucket_of_key(row->id)]].ledger, row->id);

	return now != NULL && memcmp(now, row, sizeof(*row)) == 0 ? 0 : -1;
}

static int accounts_compare(struct reshard *reshard, const struct ledger *old)
{
	uint32_t count = ledger_row_count(old, LEDGER_ACCOUNT);

	for (uint32_t i = 0; i < count; i++) {
		const struct account_row *row = ledger_account_at(old, i);

		if (row->id <= LIMIT_ACCOUNT_ID_MAX && account_compare(reshard, row) != 0)
			return restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "account %" PRIu64
			    " is not what it was; nothing was changed in the old "
			    "root",
			    row->id);
	}
	return 0;
}

static int shard_read_again(struct reshard *reshard, uint32_t shard)
{
	struct reshard_shard *to = &reshard->to[shard];
	struct damage damage = { .shard = shard };
	int error;

	ledger_free(to->ledger);
	to->ledger = NULL;
	error = backup_ledger_load(
	    to->path, shard, reshard->shard.lsn, &to->ledger, &to->config, &damage);
	if (error != 0)
		return restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "shard %u does not read again: %s", shard,
		    damage.what[0] != '\0' ? damage.what : strerror(-error));
	to->hash = ledger_state_hash(to->ledger);
	for (uint32_t i = 0; i < reshard->currencies.count; i++) {
		const uint64_t *currency = table_at(&reshard->currencies, i);

		if (ledger_balance_sum(to->ledger, (uint16_t)*currency) != 0)
			return restore_fail(&reshard->restore, EXIT_MISMATCH,
			    "shard %u does not come to zero in currency %" PRIu64, shard,
			    *currency);
	}
	return 0;
}

/* Of the rows as they were read and compared: the new journal has no batch that says it. */
static int state_body(struct db_txn *txn, void *context)
{
	const struct meta *meta = context;

	return schema_state_write(
	    txn, meta->reshard->shard.lsn, meta->reshard->to[meta->shard].hash);
}

static int state_write(struct reshard *reshard, uint32_t shard)
{
	struct meta meta = { .reshard = reshard, .shard = shard };
	struct db_env *env;
	int error = schema_rows_open(&env, reshard->to[shard].path, 0);

	if (error == 0) {
		error = db_write(env, state_body, &meta);
		db_env_close(env);
	}
	return error == 0 ? 0 : fail(reshard, shard, error);
}

int reshard_write(struct reshard *reshard)
{
	struct ledger_totals totals;
	uint64_t accounts = 0, bets = 0;
	int error = 0;

	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++) {
		snprintf(reshard->to[i].path, sizeof(reshard->to[i].path), "%s/shard-%u",
		    reshard->restore.building, i);
		error = shard_write(reshard, i);
		if (error != 0)
			return fail(reshard, i, error);
	}
	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++) {
		error = shard_read_again(reshard, i);
		if (error == 0) {
			ledger_totals(reshard->to[i].ledger, &totals);
			accounts += totals.accounts;
			bets += totals.bets;
		}
	}
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++)
		error = accounts_compare(reshard, reshard->from[i].ledger);
	if (error == 0 && (accounts != reshard->accounts || bets != reshard->bets))
		error = restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "%" PRIu64 " of %" PRIu64 " accounts and %" PRIu64 " of %" PRIu64
		    " bets are there again",
		    accounts, reshard->accounts, bets, reshard->bets);
	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++)
		error = state_write(reshard, i);
	return error;
}
