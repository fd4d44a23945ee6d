/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/verify.h"

static int64_t clamped(__int128 sum)
{
	return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

/* {"bets": {"rows","missing","doubled","surplus","differing"}, ...}; *ok: all is as it must be. */
static json_t *tables_make(const struct verify *verify, int *ok)
{
	static const char *const names[] = {
#define VERIFY_TABLE_NAME(name, table) #table,
		VERIFY_TABLES(VERIFY_TABLE_NAME)
#undef VERIFY_TABLE_NAME
	};
	json_t *tables = json_object();

	for (unsigned i = 0; i < VERIFY_TABLE_COUNT; i++) {
		const struct verify_count *count = &verify->tables[i];

		*ok = *ok && count->missing == 0 && count->doubled == 0 && count->surplus == 0 &&
		      count->differing == 0;
		json_object_set_new(tables, names[i],
		    json_pack("{s:I, s:I, s:I, s:I, s:I}", "rows", (json_int_t)count->rows,
		        "missing", (json_int_t)count->missing, "doubled",
		        (json_int_t)count->doubled, "surplus", (json_int_t)count->surplus,
		        "differing", (json_int_t)count->differing));
	}
	json_object_set_new(json_object_get(tables, "bets"), "stake_difference",
	    json_integer(clamped(verify->stakes)));
	json_object_set_new(json_object_get(tables, "bets"), "payout_difference",
	    json_integer(clamped(verify->payouts)));
	json_object_set_new(json_object_get(tables, "bet_legs"), "odds_difference",
	    json_integer(clamped(verify->odds)));
	return tables;
}

/* The members outside of `tables` are of `transactions` and `log_block`. */
static json_t *report_make(const struct verify *verify, json_t *shards, int64_t begun_ms)
{
	const struct verify_count *rows = &verify->tables[VERIFY_TRANSACTIONS];
	const struct verify_count *blocks = &verify->tables[VERIFY_BLOCKS];
	json_t *first = json_null(), *tables;
	int ok =
	    verify->sum == 0 && verify->stakes == 0 && verify->payouts == 0 && verify->odds == 0;

	tables = tables_make(verify, &ok);
	if (verify->what[0] != '\0')
		first = json_pack("{s:s, s:i, s:I, s:s}", "table", verify->what_table, "shard",
		    verify->what_shard, "lsn", (json_int_t)verify->what_lsn, "what", verify->what);
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
	                 "s:f}",
	    "ok", ok, "rows", (json_int_t)rows->rows, "lmdb_events", (json_int_t)verify->events,
	    "missing", (json_int_t)rows->missing, "doubled", (json_int_t)rows->doubled, "surplus",
	    (json_int_t)rows->surplus, "differing", (json_int_t)rows->differing, "sum_difference",
	    (json_int_t)clamped(verify->sum), "blocks", (json_int_t)blocks->rows, "block_errors",
	    (json_int_t)(blocks->differing + blocks->surplus), "retired",
	    (json_int_t)verify->retired, "tables", tables, "first_difference", first, "shards",
	    shards, "seconds", (double)(replication_monotonic_ms() - begun_ms) / 1000);
}

/* Position of each shard in PostgreSQL; what comes later is not looked at. */
static int positions_read(struct session *session, PGresult **result)
{
	return session_query(session,
	    "select shard, lsn, incarnation from sluice.cursor where shard >= 0 order by shard",
	    NULL, result);
}

static int shards_verify(struct verify *verify, struct session *session, const char *root,
    const PGresult *positions, json_t *shards)
{
	int error = 0;

	for (int i = 0; i < PQntuples(positions) && error == 0; i++) {
		uint32_t shard = (uint32_t)strtoul(PQgetvalue(positions, i, 0), NULL, 10);
		uint64_t lsn = strtoull(PQgetvalue(positions, i, 1), NULL, 10);
		uint64_t incarnation = strtoull(PQgetvalue(positions, i, 2), NULL, 10);
		char path[PATH_MAX];

		if (shard >= LIMIT_SHARDS)
			return session_say(session, -EPERM,
			    "PostgreSQL has a cursor of shard %u; there are at most %u", shard,
			    LIMIT_SHARDS);
		source_path(path, root, shard);
		error = verify_shard(verify, session, path, shard, lsn);
		json_array_append_new(
		    shards, json_pack("{s:i, s:I, s:I}", "shard", (int)shard, "incarnation",
		                (json_int_t)incarnation, "lsn", (json_int_t)lsn));
	}
	return error;
}

/* Control's position; 0 where nothing was replicated yet. */
static int change_position(struct session *session, uint64_t *sequence)
{
	PGresult *result;
	int error =
	    session_query(session, "select lsn from sluice.cursor where shard = -1", NULL, &result);

	if (error != 0)
		return error;
	*sequence = PQntuples(result) == 0 ? 0 : strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return 0;
}

/* All of it under one snapshot: what is replicated meanwhile is not seen. */
static int all_verify(struct verify *verify, struct session *session, const char *root,
    struct database *database, json_t *shards)
{
	PGresult *positions = NULL;
	uint64_t sequence;
	int error = verify_prepare(session);

	if (error == 0)
		error = session_run(session, "set jit = off; set work_mem = '32MB'; begin "
		                             "isolation level repeatable read, read only");
	if (error == 0)
		error = positions_read(session, &positions);
	if (error == 0)
		error = change_position(session, &sequence);
	if (error == 0)
		error = shards_verify(verify, session, root, positions, shards);
	PQclear(positions);
	if (error == 0)
		error = verify_surplus(verify, session);
	if (error == 0)
		error = verify_accounts(verify, session);
	if (error == 0)
		error = verify_control(verify, session, database, sequence);
	if (error == 0)
		error = session_run(session, "commit");
	return error;
}

int verify_run(const struct control_config *config, const char *root, struct database *database,
    const _Atomic int *stop, json_t **result, char *message, size_t message_size)
{
	struct session session = { .stop = stop };
	struct verify *verify = calloc(1, sizeof(*verify));
	int64_t begun_ms = replication_monotonic_ms();
	json_t *shards = json_array();
	int error = verify == NULL ? -ENOMEM : 0;

	if (error == 0)
		error = session_open(&session, config->replication.connection,
		    config->replication.password_file, stop);
	if (error == 0)
		error = all_verify(verify, &session, root, database, shards);
	if (error == 0)
		*result = report_make(verify, shards, begun_ms);
	else
		json_decref(shards);
	if (error != 0)
		snprintf(message, message_size, "%s",
		    session.message[0] != '\0' ? session.message : strerror(-error));
	session_close(&session);
	if (verify != NULL)
		typed_free(&verify->typed);
	free(verify);
	return error == 0 || error == -EHOSTDOWN ? error : -EPERM;
}
