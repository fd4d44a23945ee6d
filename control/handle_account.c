/* SPDX-License-Identifier: Apache-2.0 */
/* account, bet show: questions to the shards, and commands about accounts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/control.h"

#define ASK_MS 5000

/* Asks the data plane about one object; CONTROL_REFUSED when it is not there. */
static int ask_show(struct control *control, json_t *question, const char *what, json_t **result,
    char *message, size_t message_size)
{
	json_t *answer = NULL;
	char why[256] = "";
	int error = link_ask(control->link, question, ASK_MS, &answer, why, sizeof(why));

	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size, "%s", why);
	if (error != 0)
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the data plane does not answer (%s); see `sluicectl status`",
		    why[0] != '\0' ? why : strerror(-error));
	if (!json_is_true(json_object_get(answer, "found"))) {
		json_decref(answer);
		return handle_error(-ENOENT, what, message, message_size);
	}
	json_object_del(answer, "ok");
	json_object_del(answer, "found");
	*result = answer;
	return CONTROL_DONE;
}

static uint64_t account_of(const struct ops_request *request)
{
	return (uint64_t)ops_number(request, "account", 0);
}

static json_t *account_question(uint64_t account_id)
{
	return json_pack("{s:s, s:I}", "cmd", "account_show", "account_id", (json_int_t)account_id);
}

int handle_account_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	int status = ask_show(context, account_question(account_of(request)), "account", result,
	    message, message_size);

	if (status == CONTROL_DONE)
		view_account(*result);
	return status;
}

int handle_bet_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	json_t *bet = json_object_get(request->arguments, "bet");
	json_t *question = json_pack("{s:s, s:O}", "cmd", "bet_show", "bet_id", bet);
	int status = ask_show(context, question, "bet", result, message, message_size);

	if (status == CONTROL_DONE)
		view_bet(*result);
	return status;
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

/* What an account is before a change of it, as far as the data plane tells; NULL. New reference. */
static json_t *account_before(struct control *control, uint64_t account_id)
{
	json_t *answer = NULL, *before = NULL;
	char why[256];

	if (link_ask(control->link, account_question(account_id), ASK_MS, &answer, why,
	        sizeof(why)) != 0)
		return NULL;
	if (json_is_true(json_object_get(answer, "found")))
		before = json_pack("{s:I, s:O?, s:O?, s:O?}", "account", (json_int_t)account_id,
		    "frozen", json_object_get(answer, "frozen"), "currency",
		    json_object_get(answer, "currency"), "balance",
		    json_object_get(answer, "balance"));
	json_decref(answer);
	return before;
}

/* Commits `command`, asks for what was before `after`, and waits. Both are released here; the
 * result is `after`. */
static int command_do(struct control *control, struct ops_request *request, json_t *command,
    json_t *after, uint64_t account_id, const char *object, json_t **result, char *message,
    size_t message_size)
{
	struct command_context context = { command, &request->audit, 0 };
	json_t *check = json_deep_copy(command), *answer = NULL;
	char why[256] = "";
	int error;

	/* The data plane has the last word on what it will take, before anything is committed. */
	json_object_set_new(check, "cmd", json_string("command"));
	json_object_set_new(check, "dry_run", json_true());
	error = link_ask(control->link, check, ASK_MS, &answer, why, sizeof(why));
	json_decref(answer);
	if (error == -EPERM) {
		json_decref(command);
		json_decref(after);
		return handle_refuse(CONTROL_REFUSED, message, message_size, "%s", why);
	}
	request->audit.object = object;
	request->audit.before =
	    error == 0 && !request->dry_run ? account_before(control, account_id) : NULL;
	request->audit.after = after;
	handle_dry_run(request, 1);
	error = database_write(control->database, command_body, &context);
	handle_dry_run(request, 0);
	json_decref(request->audit.before);
	request->audit.before = request->audit.after = NULL;
	json_decref(command);
	if (error != 0) {
		json_decref(after);
		return handle_error(error, "command", message, message_size);
	}
	*result = after;
	return handle_wait(control, request, context.sequence, result, message, message_size);
}

int handle_account_open(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	int64_t first = ops_number(request, "first", 0), count = ops_number(request, "count", 1);
	json_t *command = json_pack("{s:s, s:I, s:I, s:I, s:I}", "type", "accounts_open", "first",
	    (json_int_t)first, "count", (json_int_t)count, "currency",
	    (json_int_t)ops_number(request, "currency", 410), "opening_balance",
	    (json_int_t)ops_number(request, "opening_balance", 0));
	json_t *after = json_deep_copy(command);
	char object[64];

	json_object_del(after, "type");
	snprintf(
	    object, sizeof(object), "account %" PRId64 " and %" PRId64 " more", first, count - 1);
	if (count == 1)
		snprintf(object, sizeof(object), "account %" PRId64, first);
	return command_do(context, request, command, after, (uint64_t)first, object, result,
	    message, message_size);
}

static int account_freeze(struct control *control, struct ops_request *request, int frozen,
    json_t **result, char *message, size_t message_size)
{
	json_t *command = json_pack("{s:s, s:I, s:b}", "type", "account_freeze", "account_id",
	    (json_int_t)account_of(request), "frozen", frozen);
	char object[40];

	snprintf(object, sizeof(object), "account %" PRIu64, account_of(request));
	return command_do(control, request, command,
	    json_pack("{s:I, s:b}", "account", (json_int_t)account_of(request), "frozen", frozen),
	    account_of(request), object, result, message, message_size);
}

int handle_account_freeze(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return account_freeze(context, request, 1, result, message, message_size);
}

int handle_account_unfreeze(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return account_freeze(context, request, 0, result, message, message_size);
}
