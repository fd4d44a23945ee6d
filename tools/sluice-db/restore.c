/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-db restore: a whole root out of what replication brought to PostgreSQL. Everything is
 * built in a directory of its own, which takes its name only when all of it is there and synced: a
 * data plane never meets half of a switch.
 */
#include "tools/sluice-db/backup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

PGresult *restore_query(
    struct restore *restore, const char *sql, int count, const char *const values[4])
{
	PGresult *result = PQexecParams(restore->conn, sql, count, NULL, values, NULL, NULL, 1);

	if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	restore_fail(restore, EXIT_MISSING, "PostgreSQL: %s", PQerrorMessage(restore->conn));
	PQclear(result);
	return NULL;
}

static int has_password(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	int found = 0;

	for (const PQconninfoOption *at = options; at != NULL && at->keyword != NULL; at++)
		found |= strcmp(at->keyword, "password") == 0 && at->val != NULL;
	PQconninfoFree(options);
	return found;
}

static void notice_ignore(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

static int connect(struct restore *restore)
{
	const struct options *options = restore->options;
	const char *keys[] = { "dbname", "application_name", "client_encoding", "options",
		"connect_timeout", "passfile", NULL };
	const char *values[] = { options->from_postgres, "sluice-db", "UTF8",
		"-c timezone=UTC -c search_path=pg_catalog "
		"-c default_transaction_read_only=on",
		"10", options->passfile, NULL };
	PGresult *result;
	int locked;

	if (has_password(options->from_postgres))
		return restore_fail(restore, EXIT_USAGE,
		    "the connection string holds a password, which everybody on this machine can "
		    "read now; use --passfile, and change it");
	if (options->passfile == NULL)
		keys[5] = NULL;
	restore->conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(restore->conn) != CONNECTION_OK)
		return restore_fail(restore, EXIT_MISSING, "PostgreSQL cannot be reached: %s",
		    PQerrorMessage(restore->conn));
	PQsetNoticeReceiver(restore->conn, notice_ignore, NULL);
	/* The lock replication holds while it is connected. */
	result = restore_query(restore, "select pg_try_advisory_lock(32199642169500513)", 0, NULL);
	if (result == NULL)
		return -1;
	locked = PQgetvalue(result, 0, 0)[0] != 0;
	PQclear(result);
	if (!locked)
		return restore_fail(restore, EXIT_MISMATCH,
		    "a sluice-control still replicates into this database; stop that switch "
		    "first: there must be one only");
	return 0;
}

int restore_directories_make(struct restore *restore)
{
	static const char *const parts[] = { "", "/var", "/var/lib" };
	const char *root = restore->root;
	char path[PATH_MAX], why[400];

	snprintf(restore->finished, sizeof(restore->finished), "%s/var/lib/sluice", root);
	snprintf(restore->building, sizeof(restore->building), "%s/var/lib/sluice.restoring", root);
	if (directory_is_filled(restore->finished))
		return restore_fail(restore, EXIT_MISMATCH,
		    "%.300s holds data; restore goes into an empty root only. Choose another root, "
		    "or move it away",
		    restore->finished);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(parts); i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		if (path[0] != '\0' && mkdir(path, 0755) != 0 && errno != EEXIST)
			return restore_unwritten(restore, -errno, path);
	}
	if (directory_claim(restore->building, 0755, why, sizeof(why)) != 0)
		return restore_fail(restore, EXIT_MISMATCH, "%s", why);
	return 0;
}

int restore_names_take(struct restore *restore)
{
	char parent[PATH_MAX];
	int error = schema_made_write(restore->building, NULL, 0);

	if (error != 0) {
		snprintf(parent, sizeof(parent), "%.3900s/" SCHEMA_MADE_NAME, restore->building);
		return restore_unwritten(restore, error, parent);
	}
	snprintf(parent, sizeof(parent), "%s/var/lib", restore->root);
	if (path_sync(restore->building) != 0 ||
	    rename(restore->building, restore->finished) != 0 || path_sync(parent) != 0)
		return restore_fail(restore, EXIT_MISSING,
		    "%.300s could not be renamed to %.300s: %s", restore->building,
		    restore->finished, strerror(errno));
	return 0;
}

void restore_print(const struct restore *restore, double seconds)
{
	char hash[24];
	size_t i;
	json_t *shard;

	snprintf(hash, sizeof(hash), "%016" PRIx64, restore->state_hash);
	if (restore->options->json) {
		json_t *root = json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:f, s:s, s:O}",
		    "schema", "sluice-db.restore/1", "ok", 1, "deployment", restore->deployment,
		    "events", (json_int_t)restore->events, "changes", (json_int_t)restore->changes,
		    "changes_left_out", (json_int_t)restore->changes_left_out, "models",
		    (json_int_t)restore->models, "seconds", seconds, "state_hash", hash, "shards",
		    restore->shards);

		if (restore->model_missing != 0)
			json_object_set_new(
			    root, "model_missing", json_integer(restore->model_missing));
		configuration_report(restore, root);
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(root);
		return;
	}
	printf("deployment %s: %" PRIu64 " events and %" PRIu64 " changes of control restored into "
	       "%s in %.1f s\n",
	    restore->deployment, restore->events, restore->changes, restore->root, seconds);
	if (restore->changes_left_out != 0)
		printf("control: the last %" PRIu64 " changes before the cut were left out: what "
		       "they began is not known to have ended by then\n",
		    restore->changes_left_out);
	json_array_foreach(restore->shards, i, shard)
	    printf("shard %zu: LSN %" JSON_INTEGER_FORMAT ", state hash %s, %" JSON_INTEGER_FORMAT
	           " events left out\n",
	        i, json_integer_value(json_object_get(shard, "lsn")),
	        json_string_value(json_object_get(shard, "state_hash")),
	        json_integer_value(json_object_get(shard, "cut")));
	if (restore->model_missing != 0)
		printf("model %" PRIu32
		       " NOT restored: the rules in force ask it, and nothing has its file; "
		       "copy var/lib/sluice/models/%" PRIu32
		       " of the lost root, or of a backup, to %s/models/%" PRIu32
		       " before the start\n",
		    restore->model_missing, restore->model_missing, restore->finished,
		    restore->model_missing);
	configuration_report(restore, NULL);
}

int command_restore(const struct options *options)
{
	struct restore restore = {
		.options = options,
		.root = options->root,
		.shard_make = restore_shard,
		.source_remedy = "; PostgreSQL itself must be restored first",
		.cut_allowed = options->cut,
		.shards = json_array(),
	};
	struct timespec begun, ended;
	int error;

	if (options->from_postgres == NULL) {
		fprintf(stderr, "sluice-db: restore needs --from-postgres CONNINFO\n");
		json_decref(restore.shards);
		return EXIT_USAGE;
	}
	memset(restore.until, 0xff, sizeof(restore.until));
	clock_gettime(CLOCK_MONOTONIC, &begun);
	error = connect(&restore);
	if (error == 0)
		error = restore_deployment(&restore);
	if (error == 0)
		error = restore_directories_make(&restore);
	for (uint32_t shard = 0; error == 0 && shard < restore.shard_count; shard++)
		error = restore_shard(&restore, shard);
	if (error == 0)
		error = restore_pairs(&restore);
	if (error == 0)
		error = restore_control(&restore);
	if (error == 0)
		error = restore_models(&restore);
	if (error == 0)
		error = restore_names_take(&restore);
	PQfinish(restore.conn);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	if (error == 0)
		restore_print(&restore, (double)(ended.tv_sec - begun.tv_sec) +
		                            (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	else
		fprintf(stderr, "sluice-db: %s\n", restore.message);
	restore_links_free(&restore);
	json_decref(restore.shards);
	return error == 0 ? EXIT_DONE : restore.code;
}
