/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/verify.h"

static json_t *report_make(const struct verify *verify, json_t *shards, int64_t begun_ms)
{
	int64_t sum = verify->sum > INT64_MAX   ? INT64_MAX
	              : verify->sum < INT64_MIN ? INT64_MIN
	                                        : (int64_t)verify->sum;
	json_t *first = json_null();
	int ok = verify->missing == 0 && verify->doubled == 0 && verify->surplus == 0 &&
	         verify->differing == 0 && verify->block_errors == 0 && verify->sum == 0;

	if (verify->what[0] != '\0')
		first = json_pack("{s:i, s:I, s:s}", "shard", (int)verify->what_shard, "lsn",
		    (json_int_t)verify->what_lsn, "what", verify->what);
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:f}",
	    "ok", ok, "rows", (json_int_t)(verify->rows + verify->surplus), "lmdb_events",
	    (json_int_t)verify->events, "missing", (json_int_t)verify->missing, "doubled",
	    (json_int_t)verify->doubled, "surplus", (json_int_t)verify->surplus, "differing",
	    (json_int_t)verify->differing, "sum_difference", (json_int_t)sum, "blocks",
	    (json_int_t)verify->blocks, "block_errors", (json_int_t)verify->block_errors, "retired",
	    (json_int_t)verify->retired, "first_difference", first, "shards", shards, "seconds",
	    (double)(replication_monotonic_ms() - begun_ms) / 1000);
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

		source_path(path, root, shard);
		error = verify_shard(verify, session, path, shard, lsn);
		json_array_append_new(
		    shards, json_pack("{s:i, s:I, s:I}", "shard", (int)shard, "incarnation",
		                (json_int_t)incarnation, "lsn", (json_int_t)lsn));
	}
	return error;
}

int verify_run(const struct control_config *config, const char *root, const _Atomic int *stop,
    json_t **result, char *message, size_t message_size)
{
	struct session session = { .stop = stop };
	struct verify *verify = calloc(1, sizeof(*verify));
	int64_t begun_ms = replication_monotonic_ms();
	PGresult *positions = NULL;
	json_t *shards = json_array();
	int error = verify == NULL ? -ENOMEM : 0;

	if (error == 0)
		error = session_open(&session, config->replication.connection,
		    config->replication.password_file, stop);
	if (error == 0)
		error = verify_prepare(&session);
	if (error == 0)
		error = positions_read(&session, &positions);
	if (error == 0)
		error = shards_verify(verify, &session, root, positions, shards);
	PQclear(positions);
	if (error == 0)
		*result = report_make(verify, shards, begun_ms);
	else
		json_decref(shards);
	if (error != 0)
		snprintf(message, message_size, "%s",
		    session.message[0] != '\0' ? session.message : strerror(-error));
	session_close(&session);
	free(verify);
	return error == 0 || error == -EHOSTDOWN ? error : -EPERM;
}
