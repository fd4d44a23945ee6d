/* SPDX-License-Identifier: Apache-2.0 */
/* replication, audit, command, config, log. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/control.h"
#include "control/log/log.h"

int handle_replication_status(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;

	(void)request;
	*result = replication_status(control->replication);
	if (*result != NULL)
		return CONTROL_DONE;
	return handle_error(-ENOMEM, "replication", message, message_size);
}

int handle_replication_verify(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int error = replication_verify(control->replication, result, message, message_size);

	(void)request;
	if (error == -EPERM)
		return CONTROL_REFUSED;
	return error == 0 ? CONTROL_DONE : CONTROL_UNREACHABLE;
}

/*
 * Audits what was done outside the database, with what was before and is after (released here), and
 * answers "done" or, as a dry run, what would be.
 */
static int system_done(struct control *control, struct ops_request *request, const char *object,
    json_t *before, json_t *after, json_t **result, char *message, size_t message_size)
{
	int error = 0;

	request->audit.object = object;
	request->audit.before = before;
	request->audit.after = after;
	if (!request->dry_run)
		error = audit_note(control->database, &request->audit);
	request->audit.before = request->audit.after = NULL;
	json_decref(before);
	if (error != 0) {
		json_decref(after);
		return handle_unaudited(error, message, message_size);
	}
	*result = after != NULL ? after : json_object();
	json_object_set_new(*result, request->dry_run ? "dry_run" : "done", json_true());
	return CONTROL_DONE;
}

static int replication_switch(struct control *control, struct ops_request *request, int paused,
    json_t **result, char *message, size_t message_size)
{
	struct replication_report report;

	replication_report(control->replication, &report);
	if (!request->dry_run)
		replication_pause(control->replication, paused);
	return system_done(control, request, "replication",
	    json_pack("{s:b}", "paused", report.state == REPLICATION_PAUSED),
	    json_pack("{s:b}", "paused", paused), result, message, message_size);
}

int handle_replication_pause(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return replication_switch(context, request, 1, result, message, message_size);
}

int handle_replication_resume(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return replication_switch(context, request, 0, result, message, message_size);
}

int handle_audit_tail(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *entries = audit_tail(control->database, (uint64_t)ops_number(request, "before", 0),
	    (unsigned)ops_number(request, "count", 100));

	if (entries == NULL)
		return handle_error(-EIO, "audit log", message, message_size);
	*result = json_pack("{s:o}", "entries", entries);
	return CONTROL_DONE;
}

int handle_audit_verify(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct audit_report report;
	int error = audit_verify(control->database, &report);

	(void)request;
	if (error != 0)
		return handle_error(error, "audit log", message, message_size);
	if (report.first_bad != 0)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "the audit log is not whole: %s; %" PRIu64 " entries before it are good. "
		    "Compare with PostgreSQL's copy or a backup",
		    report.what, report.entries);
	*result = json_pack(
	    "{s:b, s:I, s:s}", "ok", 1, "entries", (json_int_t)report.entries, "head", report.head);
	return CONTROL_DONE;
}

int handle_command_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *list = commands_list(control->database, (uint64_t)ops_number(request, "before", 0),
	    (unsigned)ops_number(request, "count", 100));

	if (list == NULL)
		return handle_error(-EIO, "command", message, message_size);
	*result = json_pack("{s:o}", "commands", list);
	return CONTROL_DONE;
}

int handle_command_adopt(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *status = link_status(control->link);
	uint64_t known = 0, highest = 0;
	char object[64];
	json_t *shard;
	size_t index;
	int error = commands_last(control->database, &known);

	json_array_foreach(json_object_get(status, "shards"), index, shard)
	{
		uint64_t sequence =
		    (uint64_t)json_integer_value(json_object_get(shard, "control_sequence"));

		if (sequence > highest)
			highest = sequence;
	}
	json_decref(status);
	if (error == 0 && highest <= known && link_is_lost(control->link)) {
		if (!request->dry_run)
			link_adopted(control->link);
		return system_done(control, request, "a data plane that lost data",
		    json_pack("{s:I}", "commands_on_shards", (json_int_t)highest),
		    json_pack("{s:I}", "commands_on_shards", (json_int_t)known), result, message,
		    message_size);
	}
	if (error == 0 && highest <= known)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "there is nothing to adopt: the shards are at command %" PRIu64
		    ", this database at %" PRIu64,
		    highest, known);
	snprintf(object, sizeof(object), "commands %" PRIu64 " to %" PRIu64, known + 1, highest);
	if (error == 0 && !request->dry_run)
		error = commands_adopt(control->database, highest);
	if (error != 0)
		return handle_error(error, "command", message, message_size);
	if (!request->dry_run)
		link_wake(control->link);
	return system_done(control, request, object,
	    json_pack("{s:I}", "commands_committed", (json_int_t)known),
	    json_pack("{s:I}", "commands_committed", (json_int_t)highest), result, message,
	    message_size);
}

int handle_config_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct control_config config;

	(void)request;
	(void)message;
	(void)message_size;
	control_config_get(control, &config);
	*result = json_pack("{s:o}", "keys", control_config_show(&config));
	return CONTROL_DONE;
}

int handle_config_check(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *text = ops_text(request, "file", "");
	struct control_config config;

	(void)context;
	if (control_config_parse(
	        (const uint8_t *)text, strlen(text), "file", &config, message, message_size) != 0)
		return CONTROL_REFUSED;
	*result = json_pack("{s:b}", "ok", 1);
	return CONTROL_DONE;
}

int handle_config_reload(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct reload_report report = { 0 };
	json_t *changed;
	int status = control_reload(control, request->dry_run, &report, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	changed = json_copy(report.after);
	status = system_done(control, request, "configuration", report.before, report.after, result,
	    message, message_size);
	if (status == CONTROL_DONE) {
		json_decref(*result);
		*result = json_pack("{s:b, s:O, s:s}", request->dry_run ? "dry_run" : "done", 1,
		    "changed", changed, "restart_needed_for", report.restart_keys);
	}
	json_decref(changed);
	return status;
}

int handle_log_level(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	int level = log_level_parse(ops_text(request, "level", ""));
	json_t *before;

	if (level < 0)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "level: give debug, info, warning or error");
	before = json_pack("{s:s}", "level", log_level_name(log_level_get()));
	if (!request->dry_run)
		log_level_set((enum log_level)level);
	return system_done(context, request, "log level", before,
	    json_pack("{s:s}", "level", log_level_name((enum log_level)level)), result, message,
	    message_size);
}
