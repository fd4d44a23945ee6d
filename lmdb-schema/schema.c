/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/path_sync.h"

static const char *const row_tables[SCHEMA_ROW_TABLE_COUNT] = {
#define SCHEMA_ROW_TABLE_TEXT(name, text) [SCHEMA_##name] = text,
	SCHEMA_ROW_TABLES(SCHEMA_ROW_TABLE_TEXT)
#undef SCHEMA_ROW_TABLE_TEXT
};

static const char *const log_tables[SCHEMA_LOG_TABLE_COUNT] = {
	[SCHEMA_BLOCK] = "block",
	[SCHEMA_REQUEST] = "request",
	[SCHEMA_RUN] = "run",
};

int schema_rows_open(struct db_env **out, const char *directory, int read_only)
{
	char path[PATH_MAX];
	struct db_options options = {
		.directory = path,
		.tables = row_tables,
		.table_count = SCHEMA_ROW_TABLE_COUNT,
		.map_size = SCHEMA_ROWS_MAP_SIZE,
		.read_only = read_only != 0,
	};

	if ((size_t)snprintf(path, sizeof(path), "%s/rows", directory) >= sizeof(path))
		return -ENAMETOOLONG;
	return db_env_open(out, &options);
}

static int log_path(
    char *path, size_t size, const char *directory, uint64_t first_lsn, const char *file)
{
	int length = snprintf(
	    path, size, "%s/log-%016llx%s", directory, (unsigned long long)first_lsn, file);

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int schema_log_open(struct db_env **out, const char *directory, uint64_t first_lsn, int read_only)
{
	char path[PATH_MAX];
	struct db_options options = {
		.directory = path,
		.tables = log_tables,
		.table_count = SCHEMA_LOG_TABLE_COUNT,
		.map_size = SCHEMA_LOG_MAP_SIZE,
		.read_only = read_only != 0,
	};
	int error = log_path(path, sizeof(path), directory, first_lsn, "");

	return error != 0 ? error : db_env_open(out, &options);
}

static int name_first_lsn(const char *name, uint64_t *first_lsn)
{
	uint64_t value = 0;

	if (strncmp(name, "log-", 4) != 0 || strlen(name) != 20)
		return 0;
	for (const char *c = name + 4; *c != '\0'; c++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = strchr(digits, *c);

		if (digit == NULL)
			return 0;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	*first_lsn = value;
	return value != 0;
}

static int compare_lsns(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int has_data(const char *directory, uint64_t first_lsn)
{
	char path[PATH_MAX];
	struct stat status;

	return log_path(path, sizeof(path), directory, first_lsn, "/data.mdb") == 0 &&
	       stat(path, &status) == 0;
}

/* All names, whole or not. */
static int names_list(const char *directory, uint64_t **first_lsns)
{
	DIR *stream = opendir(directory);
	uint64_t *list = NULL;
	size_t count = 0;
	struct dirent *entry;

	if (stream == NULL)
		return -errno;
	while ((entry = readdir(stream)) != NULL) {
		uint64_t first_lsn, *grown;

		if (!name_first_lsn(entry->d_name, &first_lsn))
			continue;
		grown = realloc(list, (count + 1) * sizeof(*list));
		if (grown == NULL) {
			free(list);
			closedir(stream);
			return -ENOMEM;
		}
		list = grown;
		list[count++] = first_lsn;
	}
	closedir(stream);
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_lsns);
	*first_lsns = list;
	return (int)count;
}

int schema_log_list(const char *directory, uint64_t **first_lsns)
{
	int count = names_list(directory, first_lsns), kept = 0;

	for (int i = 0; i < count; i++)
		if (i + 1 == count || has_data(directory, (*first_lsns)[i]))
			(*first_lsns)[kept++] = (*first_lsns)[i];
	return count < 0 ? count : kept;
}

/* A log that is not there has no names to save. */
static int names_save(const char *directory, uint64_t first_lsn)
{
	char path[PATH_MAX];
	int error = log_path(path, sizeof(path), directory, first_lsn, "");

	if (error != 0)
		return error;
	error = path_sync(path);
	return error == -ENOENT ? 0 : error;
}

int schema_log_remove(const char *directory, uint64_t first_lsn)
{
	static const char *const files[] = { "/data.mdb", "/lock.mdb", "" };
	char path[PATH_MAX];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(files); i++) {
		int error = log_path(path, sizeof(path), directory, first_lsn, files[i]);

		if (error != 0)
			return error;
		if ((files[i][0] == '\0' ? rmdir(path) : unlink(path)) != 0 && errno != ENOENT)
			return -errno;
		/* Durable before a younger one is removed: else a power cut could bring this one
		 * back alone, and in front of the hole all would look as if nothing was retired.
		 */
		if (i == 0)
			error = names_save(directory, first_lsn);
		if (error != 0)
			return error;
	}
	return 0;
}

int schema_log_sweep(const char *directory)
{
	uint64_t *list = NULL;
	int count = names_list(directory, &list), error = count < 0 ? count : 0;

	for (int i = 0; error == 0 && i + 1 < count && !has_data(directory, list[i]); i++)
		error = schema_log_remove(directory, list[i]);
	free(list);
	return error;
}

static struct db_bytes text_key(const char *text)
{
	return (struct db_bytes){ text, strlen(text) };
}

int schema_version_read(struct db_txn *txn, uint32_t *version)
{
	struct db_bytes value;
	struct le32 field;
	int error = db_get(txn, SCHEMA_META, text_key("version"), &value);

	if (error != 0)
		return error;
	if (value.size != sizeof(field))
		return -EBADMSG;
	memcpy(&field, value.data, sizeof(field));
	*version = le32_get(field);
	if (*version == 0)
		return -EBADMSG;
	return *version > SCHEMA_VERSION || *version < SCHEMA_VERSION_FIRST ? -EPROTO : 0;
}

int schema_version_write(struct db_txn *txn)
{
	struct le32 field = le32_make(SCHEMA_VERSION);

	return db_put(
	    txn, SCHEMA_META, text_key("version"), (struct db_bytes){ &field, sizeof(field) });
}

int schema_identity_read(struct db_txn *txn, struct record_identity *identity)
{
	struct db_bytes value;
	int error = db_get(txn, SCHEMA_META, text_key("identity"), &value);

	return error != 0 ? error : record_identity_read(value, identity);
}

int schema_identity_write(struct db_txn *txn, const struct record_identity *identity)
{
	return db_put(txn, SCHEMA_META, text_key("identity"),
	    (struct db_bytes){ identity, sizeof(*identity) });
}

int schema_checkpoint_read(struct db_txn *txn, struct record_checkpoint *checkpoint)
{
	struct db_bytes value;
	int error = db_get(txn, SCHEMA_META, text_key("checkpoint"), &value);

	return error != 0 ? error : record_checkpoint_read(value, checkpoint);
}

int schema_checkpoint_write(struct db_txn *txn, const struct record_checkpoint *checkpoint)
{
	return db_put(txn, SCHEMA_META, text_key("checkpoint"),
	    (struct db_bytes){ checkpoint, le16_get(checkpoint->header.size) });
}

int schema_horizon_read(struct db_txn *txn, uint64_t *lsn)
{
	struct db_bytes value;
	struct le64 field;
	int error = db_get(txn, SCHEMA_META, text_key("horizon"), &value);

	if (error == 0 && value.size != sizeof(field))
		error = -EBADMSG;
	if (error == 0)
		memcpy(&field, value.data, sizeof(field));
	else if (error == -ENOENT)
		field = le64_make(0);
	else
		return error;
	*lsn = le64_get(field);
	return 0;
}

int schema_horizon_write(struct db_txn *txn, uint64_t lsn)
{
	struct le64 field = le64_make(lsn);

	return db_put(
	    txn, SCHEMA_META, text_key("horizon"), (struct db_bytes){ &field, sizeof(field) });
}

struct log_begin_record {
	struct le64 first_lsn, incarnation;
};
ASSERT_SIZE(struct log_begin_record, 16);

int schema_log_begin_read(struct db_txn *txn, struct schema_log_begin *begin)
{
	struct log_begin_record record;
	struct db_bytes value;
	int error = db_get(txn, SCHEMA_META, text_key("log"), &value);

	if (error == 0 && value.size != sizeof(record))
		error = -EBADMSG;
	if (error != 0)
		return error;
	memcpy(&record, value.data, sizeof(record));
	*begin =
	    (struct schema_log_begin){ le64_get(record.first_lsn), le64_get(record.incarnation) };
	return 0;
}

int schema_log_begin_write(struct db_txn *txn, const struct schema_log_begin *begin)
{
	struct log_begin_record record = { le64_make(begin->first_lsn),
		le64_make(begin->incarnation) };

	return db_put(
	    txn, SCHEMA_META, text_key("log"), (struct db_bytes){ &record, sizeof(record) });
}

int schema_state_read(struct db_txn *txn, struct record_state *state)
{
	struct db_bytes value;
	int error = db_get(txn, SCHEMA_META, text_key("state"), &value);

	return error != 0 ? error : record_state_read(value, state);
}

int schema_state_write(struct db_txn *txn, uint64_t lsn, uint64_t state_hash)
{
	struct record_state state = {
		.header = record_header_make(RECORD_STATE, sizeof(state)),
		.lsn = le64_make(lsn),
		.state_hash = le64_make(state_hash),
	};

	return db_put(
	    txn, SCHEMA_META, text_key("state"), (struct db_bytes){ &state, sizeof(state) });
}

int schema_past_read(struct db_txn *txn, struct record_past *past)
{
	struct db_bytes value;
	int error = db_get(txn, SCHEMA_META, text_key("past"), &value);

	return error != 0 ? error : record_past_read(value, past);
}

int schema_past_write(struct db_txn *txn, const struct record_past *past)
{
	return db_put(txn, SCHEMA_META, text_key("past"), (struct db_bytes){ past, sizeof(*past) });
}

static int meta_read(struct db_txn *txn, struct schema_rows_meta *meta)
{
	struct record_checkpoint checkpoint;
	int error = schema_version_read(txn, &meta->version);

	if (error == 0)
		error = schema_identity_read(txn, &meta->identity);
	if (error == 0)
		error = schema_horizon_read(txn, &meta->horizon_lsn);
	if (error == 0) {
		error = schema_past_read(txn, &meta->past);
		meta->has_past = error == 0;
		if (error == -ENOENT)
			error = 0;
	}
	if (error == 0) {
		error = schema_log_begin_read(txn, &meta->log_begin);
		if (error == -ENOENT)
			error = 0;
	}
	if (error != 0)
		return error;
	error = schema_checkpoint_read(txn, &checkpoint);
	if (error != 0)
		return error == -ENOENT ? 0 : error;
	meta->checkpoint_lsn = le64_get(checkpoint.begin_lsn);
	meta->incarnation = le64_get(checkpoint.incarnation);
	return 0;
}

int schema_rows_meta_read(const char *directory, struct schema_rows_meta *meta)
{
	struct db_env *env;
	struct db_txn txn;
	int error = schema_rows_open(&env, directory, 1);

	if (error != 0)
		return error;
	memset(meta, 0, sizeof(*meta));
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = meta_read(&txn, meta);
		db_read_close(&txn);
	}
	db_env_close(env);
	return error;
}
