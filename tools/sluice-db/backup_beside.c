/* SPDX-License-Identifier: Apache-2.0 */
/* What a backup holds beside the shards: control's database, keys, configuration, history. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/create.h"

#define FOLDER_TRIES 10

const char *const backup_folders[BACKUP_FOLDERS] = { "history", "models" };

static int last_number(struct db_txn *txn, unsigned table, uint64_t *number)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, table);

	*number = 0;
	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	if (error == 0)
		error = db_key_number(cursor.key, number);
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int version_check(struct backup *backup, struct db_txn *txn)
{
	struct db_bytes value;
	struct le32 version;
	int error = db_get(txn, CONTROL_TABLE_META, (struct db_bytes){ "version", 7 }, &value);

	if (error == 0 && value.size != sizeof(version))
		error = -EBADMSG;
	if (error != 0)
		return error;
	memcpy(&version, value.data, sizeof(version));
	if (le32_get(version) == CONTROL_SCHEMA_VERSION)
		return 0;
	(void)backup_say(backup,
	    "control's schema version %u is %s than this program's %u; use the sluice-db of the "
	    "program that wrote it",
	    le32_get(version), le32_get(version) > CONTROL_SCHEMA_VERSION ? "newer" : "older",
	    CONTROL_SCHEMA_VERSION);
	return -EPROTO;
}

static int control_read(struct create *create, const char *directory)
{
	struct record_control_identity identity;
	struct backup *backup = &create->backup;
	struct db_bytes value;
	struct db_env *env;
	struct db_txn txn;
	int error = control_schema_open(&env, directory, 1);

	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = version_check(backup, &txn);
		if (error == 0)
			error = db_get(
			    &txn, CONTROL_TABLE_META, (struct db_bytes){ "identity", 8 }, &value);
		if (error == 0)
			error = record_control_identity_read(value, &identity);
		if (error == 0)
			error = last_number(&txn, CONTROL_TABLE_CHANGE, &backup->changes);
		if (error == 0)
			error = last_number(&txn, CONTROL_TABLE_COMMAND, &backup->commands);
		db_read_close(&txn);
	}
	db_env_close(env);
	if (error == 0)
		snprintf(backup->deployment, sizeof(backup->deployment), "%.64s",
		    (const char *)identity.deployment);
	return error;
}

int create_control_copy(struct create *create)
{
	char from[PATH_MAX + 32], to[PATH_MAX + 32];
	struct db_env *env;
	int error;

	snprintf(from, sizeof(from), "%s/" BACKUP_DATA "/control", create->options.root);
	snprintf(to, sizeof(to), "%s/" BACKUP_DATA "/control", create->building);
	if (access(from, F_OK) != 0)
		return 0; /* this switch never had a control process */
	error = control_schema_open(&env, from, 1);
	if (error == 0) {
		error = db_env_copy(env, to);
		db_env_close(env);
	}
	if (error == 0)
		error = control_read(create, to);
	create->backup.has_control = 1;
	if (error == -EPROTO && create->backup.message[0] != '\0')
		return -1;
	return error == 0 ? 0
	                  : backup_say(&create->backup, "%.300s cannot be copied: %s", from,
	                        strerror(-error));
}

/* Whole, also when control removes or renames a file of it meanwhile; none is right. */
static int folder_copy(const char *from, const char *to, struct links *links)
{
	int error = tree_copy(from, to, links);

	for (unsigned i = 0; i < FOLDER_TRIES && error == -ENOENT && access(from, F_OK) == 0; i++) {
		error = tree_remove(to);
		if (error == 0)
			error = tree_copy(from, to, links);
	}
	return error == -ENOENT && access(from, F_OK) != 0 ? 0 : error;
}

/* Directories are copied on their own, or are no part of a backup, linked or not. */
static int beside_copy(struct create *create)
{
	char from[PATH_MAX + 300], to[PATH_MAX + 300];
	struct dirent *entry;
	struct stat status;
	int error = 0;
	DIR *stream;

	snprintf(from, sizeof(from), "%s/" BACKUP_DATA, create->options.root);
	stream = opendir(from);
	if (stream == NULL)
		return -errno;
	while (error == 0 && (entry = readdir(stream)) != NULL) {
		snprintf(from, sizeof(from), "%s/" BACKUP_DATA "/%s", create->options.root,
		    entry->d_name);
		snprintf(to, sizeof(to), "%s/" BACKUP_DATA "/%s", create->building, entry->d_name);
		if (stat(from, &status) != 0 || !S_ISDIR(status.st_mode))
			error = file_take(from, to, &create->links);
		if (error == -ENOENT)
			error = 0; /* removed meanwhile */
	}
	closedir(stream);
	return error;
}

static int place_copy(struct create *create, const char *place)
{
	char from[PATH_MAX + 300], to[PATH_MAX + 300];

	snprintf(from, sizeof(from), "%s/%s", create->options.root, place);
	snprintf(to, sizeof(to), "%s/%s", create->building, place);
	return folder_copy(from, to, &create->links);
}

/* The files beside the shards' directories, and etc/sluice. */
int create_files_copy(struct create *create)
{
	char path[PATH_MAX + 300];
	int error = beside_copy(create);

	for (unsigned i = 0; error == 0 && i < BACKUP_FOLDERS; i++) {
		snprintf(path, sizeof(path), BACKUP_DATA "/%s", backup_folders[i]);
		error = place_copy(create, path);
	}
	snprintf(path, sizeof(path), "%s/etc", create->building);
	if (error == 0)
		error = directories_make(path);
	if (error == 0)
		error = place_copy(create, "etc/sluice");
	if (error == 0)
		return 0;
	if (create->links.refused[0] != '\0')
		return backup_say(&create->backup,
		    "%.300s is neither a file nor a link to one that is there, so it cannot be "
		    "backed up; put the file there, or a link to it, or move it away",
		    create->links.refused);
	return backup_say(&create->backup,
	    "what lies beside the shards of %.300s cannot be copied: %s", create->options.root,
	    strerror(-error));
}
