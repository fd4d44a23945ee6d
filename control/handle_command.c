/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs about rows of the shards share: a question, and a command with its audit entry. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/control.h"

#define ASK_MS 5000

int handle_ask(
    struct control *control, json_t *question, json_t **answer, char *message, size_t message_size)
{
	char why[256] = "";
	int error = link_ask(control->link, question, ASK_MS, answer, why, sizeof(why));

	if (error == 0)
		return CONTROL_DONE;
	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size, "%s", why);
	return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
	    "the data plane does not answer (%s); see `sluicectl status`",
	    why[0] != '\0' ? why : strerror(-error));
}

int handle_ask_error(int error, const char *what, char *message, size_t message_size)
{
	char why[256];

	if (error == -ENOENT)
		return handle_error(-ENOENT, what, message, message_size);
	if (error == -EPERM)
		return CONTROL_REFUSED; /* in the data plane's words */
	snprintf(why, sizeof(why), "%.200s", message[0] != '\0' ? message : strerror(-error));
	return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
	    "the data plane does not answer (%s); see `sluicectl status`", why);
}

int handle_show(struct control *control, json_t *question, const char *what, json_t **result,
    char *message, size_t message_size)
{
	json_t *answer = NULL;
	int status = handle_ask(control, question, &answer, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	if (!json_is_true(json_object_get(answer, "found"))) {
		json_decref(answer);
		return handle_error(-ENOENT, what, message, message_size);
	}
	json_object_del(answer, "ok");
	json_object_del(answer, "found");
	*result = answer;
	return CONTROL_DONE;
}

int handle_check(struct control *control, const json_t *command, char *message, size_t message_size)
{
	json_t *check = json_deep_copy(command), *answer = NULL;
	char why[256] = "";
	int error;

	json_object_set_new(check, "cmd", json_string("command"));
	json_object_set_new(check, "dry_run", json_true());
	error = link_ask(control->link, check, ASK_MS, &answer, why, sizeof(why));
	json_decref(answer);
	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size, "%s", why);
	return CONTROL_DONE;
}

/* One command and its audit entry in one transaction. */
struct command_context {
	const json_t *command;
	const struct audit_entry *entry;
	uint64_t sequence;
};

static int command_body(struct db_txn *txn, void *argument)
{
	struct command_context *context = argument;
	int error = commands_append(txn, context->command, &context->sequence);

	return error != 0 ? error : audit_append(txn, context->entry);
}

int handle_command(struct control *control, struct ops_request *request, json_t *command,
    const char *object, json_t *after, json_t **result, char *message, size_t message_size)
{
	struct command_context context = { command, &request->audit, 0 };
	int status = handle_check(control, command, message, message_size), error = 0;

	request->audit.object = object;
	request->audit.after = after;
	if (status == CONTROL_DONE) {
		handle_dry_run(request, 1);
		error = database_write(control->database, command_body, &context);
		handle_dry_run(request, 0);
		if (error != 0)
			status = handle_error(error, "command", message, message_size);
	}
	json_decref(request->audit.before);
	request->audit.before = request->audit.after = NULL;
	json_decref(command);
	if (status != CONTROL_DONE) {
		json_decref(after);
		return status;
	}
	*result = after;
	return handle_wait(control, request, context.sequence, result, message, message_size);
}
