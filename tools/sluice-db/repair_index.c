/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair --rebuild-index: the index of requests of a shard's log made anew from the log's events,
 * each environment in one transaction. An event that is damaged itself stands against it: then the
 * index stays as it is. A report is written before the first change and after the last.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lmdb-schema/log_index.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/repair_check.h"
#include "tools/sluice-db/repair_index.h"

struct environment {
	uint64_t first_lsn, last_lsn, runs, runs_now;
	int damaged, was_damaged;
};

struct rebuild {
	const struct options *options;
	const char *path;
	char report_path[PATH_MAX + 64], when[REPAIR_WHEN_SIZE];
	struct environment *list;
	int count;
	uint32_t shard;
};

/* 0 with `environment` filled; -errno. */
static int environment_look(const char *path, struct environment *environment)
{
	struct db_env *env;
	struct db_txn txn;
	int error = schema_log_open(&env, path, environment->first_lsn, 1), result;

	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = db_count(&txn, SCHEMA_RUN, &environment->runs_now);
		if (error == 0) {
			result = log_last_lsn(&txn, &environment->last_lsn);
			error = result == -ENOENT ? 0 : result;
		}
		if (error == 0) {
			result = log_index_check(&txn, environment->first_lsn);
			environment->damaged = result == -EBADMSG;
			error = environment->damaged ? 0 : result;
		}
		db_read_close(&txn);
	}
	db_env_close(env);
	return error;
}

/* Number of environments whose index is damaged; -errno. */
static int look(struct rebuild *rebuild)
{
	uint64_t *list = NULL;
	int count = schema_log_list(rebuild->path, &list), damaged = 0, error = 0;

	if (count < 0)
		return count;
	rebuild->list = calloc((size_t)count + 1, sizeof(*rebuild->list));
	if (rebuild->list == NULL) {
		free(list);
		return -ENOMEM;
	}
	rebuild->count = count;
	for (int i = 0; i < count && error == 0; i++) {
		rebuild->list[i].first_lsn = list[i];
		error = environment_look(rebuild->path, &rebuild->list[i]);
		rebuild->list[i].runs = rebuild->list[i].runs_now;
		rebuild->list[i].was_damaged = rebuild->list[i].damaged;
		damaged += rebuild->list[i].damaged;
	}
	free(list);
	return error != 0 ? error : damaged;
}

/* ---- Report ---- */

static json_t *report_json(const struct rebuild *rebuild, const char *state)
{
	json_t *list = json_array();

	for (int i = 0; i < rebuild->count; i++) {
		const struct environment *environment = &rebuild->list[i];

		json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:b}", "first_lsn",
		                                (json_int_t)environment->first_lsn, "last_lsn",
		                                (json_int_t)environment->last_lsn, "runs_before",
		                                (json_int_t)environment->runs, "runs_now",
		                                (json_int_t)environment->runs_now, "was_damaged",
		                                environment->was_damaged));
	}
	return json_pack("{s:s, s:s, s:i, s:s, s:o}", "schema", "sluice-db.repair-index/1", "state",
	    state, "shard", (int)rebuild->shard, "time", rebuild->when, "environments", list);
}

int repair_report_write(const char *path, json_t *json)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_INDENT(2));
	int result = -ENOMEM, fd;

	json_decref(json);
	if (text == NULL)
		return result;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	errno = EIO;
	result = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	                 write(fd, "\n", 1) == 1 && fsync(fd) == 0
	             ? 0
	             : -errno;
	if (fd >= 0)
		close(fd);
	free(text);
	return result;
}

static int report_write(const struct rebuild *rebuild, const char *state)
{
	return repair_report_write(rebuild->report_path, report_json(rebuild, state));
}

/* ---- Doing it ---- */

static int rebuild_body(struct db_txn *txn, void *context)
{
	(void)context;
	return log_index_rebuild(txn);
}

static int environment_rebuild(const char *path, struct environment *environment)
{
	struct db_env *env;
	int error = schema_log_open(&env, path, environment->first_lsn, 0);

	if (error != 0)
		return error;
	error = db_write(env, rebuild_body, NULL);
	db_env_close(env);
	return error == 0 ? environment_look(path, environment) : error;
}

static int say(const struct rebuild *rebuild, const char *text)
{
	fprintf(stderr, "sluice-db: shard %u: %s\n", rebuild->shard, text);
	return EXIT_MISMATCH;
}

static int carry_out(struct rebuild *rebuild)
{
	for (int i = 0; i < rebuild->count; i++) {
		int error = environment_rebuild(rebuild->path, &rebuild->list[i]);

		if (error == 0 && !rebuild->list[i].damaged)
			continue;
		fprintf(stderr,
		    "sluice-db: shard %u: log environment %016" PRIx64 ": %s; its index is as it "
		    "was\n",
		    rebuild->shard, rebuild->list[i].first_lsn,
		    error == -EBADMSG ? "events are damaged too: restore this shard (sluice-db "
		                        "backup restore, or restore --from-postgres)"
		                      : strerror(-error));
		return EXIT_MISMATCH;
	}
	if (report_write(rebuild, "done") != 0)
		return say(rebuild, "done, but the report could not be completed");
	return EXIT_DONE;
}

static void tell(const struct rebuild *rebuild)
{
	if (rebuild->options->json) {
		json_t *json = report_json(rebuild, "done");

		json_dumpf(json, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(json);
		return;
	}
	for (int i = 0; i < rebuild->count; i++)
		printf("shard %u: log environment %016" PRIx64 ": index made anew, %" PRIu64
		       " runs were there, %" PRIu64 " are now\n",
		    rebuild->shard, rebuild->list[i].first_lsn, rebuild->list[i].runs,
		    rebuild->list[i].runs_now);
	printf("  the report is %s\n  next: sluice-db verify\n", rebuild->report_path);
}

int repair_index(const struct options *options, uint32_t shard, const char *path)
{
	struct rebuild rebuild = { .options = options, .path = path, .shard = shard };
	static const struct repair_name name = { "repair-index-", ".json" };
	int code;

	repair_when_make(rebuild.when, path, &name, 1);
	snprintf(rebuild.report_path, sizeof(rebuild.report_path), "%s/repair-index-%s.json", path,
	    rebuild.when);
	if (look(&rebuild) < 0)
		code = say(&rebuild,
		    "the log cannot be read: restore this shard (sluice-db backup restore, or "
		    "restore --from-postgres)");
	else if (report_write(&rebuild, "begun") != 0)
		code = say(&rebuild, "the report cannot be written; nothing was done");
	else
		code = carry_out(&rebuild);
	if (code == EXIT_DONE)
		tell(&rebuild);
	free(rebuild.list);
	return code;
}
