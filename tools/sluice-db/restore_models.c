/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of models out of control's database, where each lies in pieces. One that the source brought
 * as a file stays; one the rules in force ask and nobody has is named, with the remedy.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/risk/risk_extra.h"
#include "dataplane/risk/risk_model_file.h"
#include "lmdb-schema/control_alerts.h"
#include "tools/sluice-db/backup.h"

struct models {
	struct restore *restore;
	struct risk_model *model; /* room for the largest one */
	size_t room, size;
	uint32_t number; /* whose pieces are in `bytes`; 0: none yet */
	uint32_t asked;  /* by the rules in force; 0: none */
	uint8_t bytes[RISK_MODEL_FILE_MAX];
};

static void path_of(const struct models *models, uint32_t number, char path[PATH_MAX + 32])
{
	snprintf(path, PATH_MAX + 32, "%s/models/%" PRIu32, models->restore->building, number);
}

static int file_make(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wxe");
	int error = file == NULL ? -errno : 0;

	if (error == 0 &&
	    (fwrite(bytes, 1, size, file) != size || fflush(file) != 0 || fsync(fileno(file)) != 0))
		error = -errno;
	if (file != NULL && fclose(file) != 0 && error == 0)
		error = -errno;
	return error;
}

/* All pieces of one are there. What is no model, or has its file, is passed over. */
static int model_end(struct models *models)
{
	char path[PATH_MAX + 32];
	int error;

	if (models->number == 0 || risk_model_file_read(models->bytes, models->size, models->number,
	                               models->model, models->room) != 0)
		return 0;
	snprintf(path, sizeof(path), "%s/models", models->restore->building);
	error = directories_make(path);
	path_of(models, models->number, path);
	if (error == 0 && access(path, F_OK) != 0) {
		error = file_make(path, models->bytes, models->size);
		models->restore->models += error == 0;
	}
	return error == 0 ? 0 : restore_unwritten(models->restore, error, path);
}

static int pieces_walk(struct models *models, struct db_cursor *cursor)
{
	int error = db_cursor_first(cursor), failed = 0;

	for (; error == 0 && failed == 0; error = db_cursor_next(cursor)) {
		uint64_t key;

		if (db_key_number(cursor->key, &key) != 0)
			return restore_fail(
			    models->restore, EXIT_MISMATCH, "control's table of models is damaged");
		if (key >> 32 != models->number) {
			failed = model_end(models);
			models->number = (uint32_t)(key >> 32);
			models->size = 0;
		}
		if (cursor->value.size <= sizeof(models->bytes) - models->size) {
			memcpy(
			    models->bytes + models->size, cursor->value.data, cursor->value.size);
			models->size += cursor->value.size;
		}
	}
	if (failed != 0)
		return failed;
	if (error != -ENOENT)
		return restore_fail(models->restore, EXIT_MISSING,
		    "control's table of models cannot be read: %s", strerror(-error));
	return model_end(models);
}

/* 1: this version is, or was, in force. */
static int was_in_force(struct db_txn *txn, struct db_bytes version)
{
	struct record_control_rules_note note;
	struct db_bytes value;

	return db_get(txn, CONTROL_TABLE_RULES_NOTE, version, &value) != 0 ||
	       record_control_rules_note_read(value, &note) != 0 ||
	       note.state == CONTROL_RULES_SENT;
}

/* The model of the newest version that was in force. */
static void asked_find(struct models *models, struct db_txn *txn)
{
	struct record_control_rules row;
	struct risk_rules_extra extra = { 0 };
	struct risk_rules rules;
	struct db_cursor cursor;
	uint64_t number = 0;
	int error;

	if (db_cursor_open(&cursor, txn, CONTROL_TABLE_RULES) != 0)
		return;
	error = db_cursor_last(&cursor);
	while (error == 0 && !was_in_force(txn, cursor.key)) {
		struct db_key before;

		error = db_key_number(cursor.key, &number);
		before = db_key_make(number - 1);
		if (error == 0)
			error = db_cursor_seek_below(&cursor, db_key(&before));
	}
	if (error == 0 && record_control_rules_read(cursor.value, &row) == 0 &&
	    risk_rules_decode(&row.rules, &rules) == 0 &&
	    risk_rules_extra_decode(&rules, row.factors.section.kind != 0 ? &row.factors : NULL,
	        row.currencies, record_control_rules_currencies(&row), &extra) == 0 &&
	    extra.present && extra.model_state != RISK_MODEL_OFF)
		models->asked = extra.model_version;
	db_cursor_close(&cursor);
}

static int models_make(struct models *models, struct db_env *env)
{
	struct db_cursor cursor;
	struct db_txn txn;
	int error = db_read_open(&txn, env);

	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = db_cursor_open(&cursor, &txn, CONTROL_TABLE_MODEL);
		if (error != 0)
			db_read_close(&txn);
	}
	if (error != 0)
		return restore_fail(models->restore, EXIT_MISSING,
		    "control's database cannot be read: %s", strerror(-error));
	error = pieces_walk(models, &cursor);
	db_cursor_close(&cursor);
	asked_find(models, &txn);
	db_read_close(&txn);
	return error;
}

int restore_models(struct restore *restore)
{
	struct models *models = calloc(1, sizeof(*models));
	char path[PATH_MAX + 32];
	struct db_env *env;
	int error = 0;

	snprintf(path, sizeof(path), "%s/control", restore->building);
	if (access(path, F_OK) != 0) { /* a switch without control */
		free(models);
		return 0;
	}
	if (models != NULL) {
		models->restore = restore;
		models->room = risk_model_size(RISK_MODEL_TREES_MAX, RISK_MODEL_DEPTH_MAX);
		models->model = aligned_alloc(64, (models->room + 63) / 64 * 64);
	}
	if (models == NULL || models->model == NULL)
		error = restore_fail(restore, EXIT_MISSING, "not enough memory");
	else if ((error = control_schema_open(&env, path, 0)) != 0)
		error = restore_unwritten(restore, error, path);
	else {
		error = models_make(models, env);
		db_env_close(env);
	}
	if (error == 0 && models->asked != 0) {
		path_of(models, models->asked, path);
		if (access(path, F_OK) != 0)
			restore->model_missing = models->asked;
	}
	if (models != NULL)
		free(models->model);
	free(models);
	return error;
}
