/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration again, by a verb or by SIGHUP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/audit/audit.h"
#include "control/control.h"
#include "control/log/log.h"

/* The values that differ, by key. */
static void config_differences(const struct control_config *old, const struct control_config *new,
    struct reload_report *report)
{
	json_t *before = control_config_show(old), *after = control_config_show(new), *row;
	size_t index;

	report->before = json_object();
	report->after = json_object();
	json_array_foreach(after, index, row)
	{
		const char *key = json_string_value(json_object_get(row, "key"));
		json_t *was = json_object_get(json_array_get(before, index), "value");
		json_t *is = json_object_get(row, "value");

		if (key == NULL || json_equal(was, is))
			continue;
		json_object_set(report->before, key, was);
		json_object_set(report->after, key, is);
	}
	json_decref(before);
	json_decref(after);
}

int control_reload(struct control *control, int dry_run, struct reload_report *report,
    char *message, size_t message_size)
{
	struct control_config fresh, old, new;
	int error = control_config_load(control->config_path, &fresh, message, message_size);

	if (error != 0)
		return error == -ENOENT ? CONTROL_UNREACHABLE : CONTROL_REFUSED;
	pthread_mutex_lock(&control->config_lock);
	old = new = control->config;
	control_config_reload(&new, &fresh, report->restart_keys, sizeof(report->restart_keys));
	if (!dry_run)
		control->config = new;
	pthread_mutex_unlock(&control->config_lock);
	config_differences(&old, &new, report);
	if (!dry_run)
		control_settings_apply(control);
	return CONTROL_DONE;
}

void control_reload_by_signal(struct control *control)
{
	struct reload_report report = { 0 };
	char message[512] = "", outcome[640] = "done";
	int error, status = control_reload(control, 0, &report, message, sizeof(message));
	struct audit_entry entry = {
		.uid = AUDIT_UID_CONTROL,
		.user = "control",
		.action = "config reload",
		.object = "configuration",
		.before = report.before,
		.after = report.after,
		.outcome = outcome,
	};

	if (status != CONTROL_DONE) {
		snprintf(outcome, sizeof(outcome), "refused: %s", message);
		log_event(LOG_ERROR, "main", "reload_refused", NULL, "%s", message);
	} else {
		log_event(LOG_INFO, "main", "reloaded", NULL, "configuration read again%s%s",
		    report.restart_keys[0] != '\0' ? "; a restart is needed for " : "",
		    report.restart_keys);
	}
	error = audit_note(control->database, &entry);
	if (error != 0)
		log_event(LOG_ERROR, "main", "audit_failed", NULL,
		    "Cannot write the reload to the audit log: %s.", strerror(-error));
	json_decref(report.before);
	json_decref(report.after);
}
