/* SPDX-License-Identifier: Apache-2.0 */
/* backup: by sluice-db (program.c). */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control/control.h"

#define FOLDER    CONTROL_BACKUP_FOLDER
#define NAME_SIZE 32

static void folder_make(const struct control *control, char path[PATH_MAX])
{
	static const char *const parts[] = { "var", "var/backups", FOLDER };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(parts); i++) {
		snprintf(path, PATH_MAX, "%.4000s/%s", control->root, parts[i]);
		(void)mkdir(path, i + 1 == SLUICE_ARRAY_COUNT(parts) ? 0700 : 0755);
	}
}

/*
 * Its name is the time, "20261121T100000Z"; the second one of a second has "-2" behind it. With
 * `take` nobody else is given it, which the folder alone could not tell: clients are served side by
 * side, and the directory is made by sluice-db a moment later.
 */
static void name_make(const char *folder, int take, char name[NAME_SIZE])
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char last_second[NAME_SIZE];
	static unsigned last_number;
	char second[NAME_SIZE], path[2 * PATH_MAX];
	time_t now = time(NULL);
	struct stat status;
	struct tm parts;
	unsigned number;
	int there;

	gmtime_r(&now, &parts);
	strftime(second, sizeof(second), "%Y%m%dT%H%M%SZ", &parts);
	pthread_mutex_lock(&lock);
	number = strcmp(second, last_second) == 0 ? last_number : 0;
	do {
		number++;
		if (number == 1)
			snprintf(name, NAME_SIZE, "%s", second);
		else
			snprintf(name, NAME_SIZE, "%.16s-%u", second, number);
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		there = stat(path, &status) == 0;
		snprintf(
		    path, sizeof(path), "%s/%s.tmp", folder, name); /* being made, or cut short */
		there |= stat(path, &status) == 0;
	} while (there);
	if (take) {
		snprintf(last_second, sizeof(last_second), "%s", second);
		last_number = number;
	}
	pthread_mutex_unlock(&lock);
}

int handle_backup_create(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *label = ops_text(request, "label", "");
	char folder[PATH_MAX], path[2 * PATH_MAX], name[NAME_SIZE];
	char text[65] = "";
	char *const arguments[] = { (char[]){ "sluice-db" }, (char[]){ "backup" },
		(char[]){ "create" }, control->root, path, (char[]){ "--json" },
		(char[]){ "--label" }, text, NULL };
	int status, error;

	folder_make(control, folder);
	name_make(folder, !request->dry_run, name);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (request->dry_run) {
		*result = json_pack("{s:s, s:b}", "directory", path, "dry_run", 1);
		return CONTROL_DONE;
	}
	snprintf(text, sizeof(text), "%s", label);
	status = control_program_run(arguments, result, message, message_size);
	if (status != CONTROL_DONE)
		return status;
	request->audit.object = "backup";
	request->audit.after = *result;
	error = audit_note(control->database, &request->audit);
	request->audit.after = NULL;
	if (error == 0)
		return CONTROL_DONE;
	json_decref(*result);
	*result = NULL;
	return handle_unaudited(error, message, message_size);
}

int handle_backup_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	char folder[PATH_MAX];
	char *const arguments[] = { (char[]){ "sluice-db" }, (char[]){ "backup" },
		(char[]){ "list" }, folder, (char[]){ "--json" }, NULL };

	(void)request;
	folder_make(context, folder);
	return control_program_run(arguments, result, message, message_size);
}

int handle_backup_verify(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *name = ops_text(request, "name", NULL);
	char folder[PATH_MAX], path[2 * PATH_MAX];
	char *const arguments[] = { (char[]){ "sluice-db" }, (char[]){ "backup" },
		(char[]){ "verify" }, path, (char[]){ "--json" }, NULL };

	if (name == NULL || strchr(name, '/') != NULL || name[0] == '.')
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "a backup is named as `sluicectl backup list` does");
	folder_make(context, folder);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return control_program_run(arguments, result, message, message_size);
}
