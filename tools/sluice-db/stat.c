/* SPDX-License-Identifier: Apache-2.0 */
/* What is there, without reading the events. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/sluice-db/db.h"

static void stat_rows(json_t *object, const char *path)
{
	static const char *const names[] = {
#define STAT_NAME(name, text) [SCHEMA_##name] = text,
		SCHEMA_ROW_TABLES(STAT_NAME)
#undef STAT_NAME
	};
	struct record_checkpoint checkpoint;
	uint32_t version = 0;
	struct db_env *env;
	struct db_txn txn;

	if (schema_rows_open(&env, path, 1) != 0)
		return;
	if (db_read_open(&txn, env) == 0) {
		if (db_read_begin(&txn) == 0) {
			(void)!schema_version_read(&txn, &version);
			json_object_set_new(object, "schema_version", json_integer(version));
			for (unsigned i = SCHEMA_ACCOUNT; i < SCHEMA_ROW_TABLE_COUNT; i++) {
				uint64_t count = 0;
				char name[32];

				(void)!db_count(&txn, i, &count);
				snprintf(name, sizeof(name), "%s_rows", names[i]);
				json_object_set_new(object, name, json_integer((json_int_t)count));
			}
			if (schema_checkpoint_read(&txn, &checkpoint) == 0) {
				json_object_set_new(object, "checkpoint_lsn",
				    json_integer((json_int_t)le64_get(checkpoint.begin_lsn)));
				json_object_set_new(
				    object, "clean", json_boolean(checkpoint.clean));
			}
		}
		db_read_close(&txn);
	}
	json_object_set_new(object, "row_bytes", json_integer((json_int_t)db_env_used(env)));
	db_env_close(env);
}

static void stat_log(json_t *object, const char *path)
{
	uint64_t *list = NULL, bytes = 0, last = 0;
	int count = schema_log_list(path, &list);

	for (int i = 0; i < count; i++) {
		struct db_env *env;

		if (schema_log_open(&env, path, list[i], 1) != 0)
			continue;
		bytes += db_env_used(env);
		if (log_env_last(env, list[i], &last) != 0)
			last = list[i] - 1; /* for verify to say */
		db_env_close(env);
	}
	json_object_set_new(object, "log_environments", json_integer(count < 0 ? 0 : count));
	json_object_set_new(
	    object, "log_first_lsn", json_integer(count > 0 ? (json_int_t)list[0] : 0));
	json_object_set_new(object, "log_last_lsn", json_integer((json_int_t)last));
	json_object_set_new(object, "log_bytes", json_integer((json_int_t)bytes));
	free(list);
}

static void stat_journal(json_t *object, const char *path, uint32_t shard)
{
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	uint64_t oldest = 0, newest = 0;
	struct journal_reader *reader;

	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (journal_reader_open(&reader, &config) != 0)
		return;
	(void)!journal_reader_range(reader, &oldest, &newest);
	journal_reader_close(reader);
	json_object_set_new(object, "journal_oldest", json_integer((json_int_t)oldest));
	json_object_set_new(object, "journal_newest", json_integer((json_int_t)newest));
}

int command_stat(const struct options *options)
{
	uint32_t shards[LIMIT_SHARDS];
	int count = shards_find(options, shards);
	json_t *list, *root;

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		return EXIT_MISSING;
	}
	list = json_array();
	for (int i = 0; i < count; i++) {
		json_t *object = json_pack("{s:i}", "shard", (int)shards[i]);
		char path[PATH_MAX];

		shard_path(options, shards[i], path);
		stat_rows(object, path);
		stat_log(object, path);
		stat_journal(object, path, shards[i]);
		json_array_append_new(list, object);
	}
	if (options->json) {
		root = json_pack("{s:s, s:O}", "schema", "sluice-db.stat/1", "shards", list);
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(root);
	} else {
		size_t i;
		json_t *object, *value;
		const char *name;

		json_array_foreach(list, i, object) json_object_foreach(object, name, value)
		    printf("%-18s %" JSON_INTEGER_FORMAT "\n", name,
		        json_is_boolean(value) ? json_is_true(value) : json_integer_value(value));
	}
	json_decref(list);
	return EXIT_DONE;
}
