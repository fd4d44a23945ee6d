/* SPDX-License-Identifier: Apache-2.0 */
/* backup: by sluice-db (program.c). */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control/control.h"

#define FOLDER CONTROL_BACKUP_FOLDER

static void folder_make(const struct control *control, char path[PATH_MAX])
{
	static const char *const parts[] = { "var", "var/backups", FOLDER };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(parts); i++) {
		snprintf(path, PATH_MAX, "%.4000s/%s", control->root, parts[i]);
		(void)mkdir(path, i + 1 == SLUICE_ARRAY_COUNT(parts) ? 0700 : 0755);
	}
}

int handle_backup_create(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *label = ops_text(request, "label", "");
	char folder[PATH_MAX], path[2 * PATH_MAX], name[32];
	time_t now = time(NULL);
	struct tm parts;
	char text[65] = "";
	char *const arguments[] = { (char[]){ "sluice-db" }, (char[]){ "backup" },
		(char[]){ "create" }, control->root, path, (char[]){ "--json" },
		(char[]){ "--label" }, text, NULL };
	int status, error;

	gmtime_r(&now, &parts);
	strftime(name, sizeof(name), "%Y%m%dT%H%M%SZ", &parts);
	folder_make(control, folder);
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
