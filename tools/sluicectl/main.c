/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/sluicectl/sluicectl.h"

/* Programs that read --json find every end there; people read standard error. */
static enum ctl_status failed(
    const struct ctl_command *command, enum ctl_status status, const char *message)
{
	json_t *object;

	fputs("sluicectl: ", stderr);
	ctl_text_print(stderr, message);
	fputc('\n', stderr);
	if (!command->json)
		return status;
	object = json_pack("{s:s, s:b, s:s, s:i}", "schema", "error/1", "ok", 0, "error", message,
	    "status", (int)status);
	if (object == NULL)
		object = json_pack("{s:s, s:b, s:s, s:i}", "schema", "error/1", "ok", 0, "error",
		    "The reason is not UTF-8 text.", "status", (int)status);
	if (object != NULL)
		json_dumpf(object, stdout, JSON_COMPACT);
	fputc('\n', stdout);
	json_decref(object);
	return status;
}

static enum ctl_status help(const struct ctl_command *command)
{
	if (command->verb != NULL)
		ctl_help_verb(stdout, command->verb);
	else if (command->words[0] != '\0')
		ctl_help_words(stdout, command->words);
	else
		ctl_help_all(stdout);
	return CTL_DONE;
}

static enum ctl_status local_verb(const struct ctl_command *command)
{
	if (strcmp(command->verb->name, "completion") == 0)
		ctl_completion_print(stdout);
	else
		ctl_manual_print(stdout);
	return CTL_DONE;
}

/* CTL_DONE: go on. */
static enum ctl_status confirm(const struct ctl_command *command)
{
	const json_t *value;
	const char *key;
	char answer[16] = "";

	if (!(command->verb->flags & VERB_IRREVERSIBLE) || command->yes || command->dry_run)
		return CTL_DONE;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return failed(command, CTL_USAGE,
		    "This cannot be undone, and there is no terminal to ask. Say --yes.");
	fprintf(stderr, "%s", command->verb->name);
	json_object_foreach(command->arguments, key, value)
	{
		const struct verb_argument *argument = verb_argument_find(command->verb, key);
		char *text;

		if (argument == NULL || argument->type == VERB_FILE)
			continue;
		text = ctl_value_text(key, value);
		fprintf(stderr, " %s ", key);
		ctl_text_print(stderr, text);
		free(text);
	}
	fprintf(stderr, ": %s\nThis cannot be undone. Go on? [y/N] ", command->verb->help);
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
		return CTL_DONE;
	return failed(command, CTL_REFUSED, "Not done.");
}

/* ---- files to write ---- */

static enum ctl_status outs_begin(
    const struct ctl_command *command, struct ctl_out outs[VERB_ARGUMENTS_MAX])
{
	char message[CTL_MESSAGE_SIZE];

	for (size_t i = 0; i < VERB_ARGUMENTS_MAX; i++)
		outs[i].fd = -1;
	for (size_t i = 0; i < VERB_ARGUMENTS_MAX; i++)
		if (command->out_paths[i] != NULL && !command->dry_run &&
		    ctl_out_begin(&outs[i], command->out_paths[i], message, sizeof(message)) != 0)
			return failed(command, CTL_UNREACHABLE, message);
	return CTL_DONE;
}

static void outs_abandon(struct ctl_out outs[VERB_ARGUMENTS_MAX])
{
	for (size_t i = 0; i < VERB_ARGUMENTS_MAX; i++)
		ctl_out_abandon(&outs[i]);
}

/* What was written is not shown again: its member says where it is. */
static enum ctl_status outs_commit(
    const struct ctl_command *command, struct ctl_out outs[VERB_ARGUMENTS_MAX], json_t *result)
{
	char message[CTL_MESSAGE_SIZE];

	for (size_t i = 0; i < VERB_ARGUMENTS_MAX; i++) {
		const json_t *text;
		const char *member;

		if (outs[i].fd < 0)
			continue;
		member = command->verb->arguments[i].choices;
		text = json_object_get(result, member);
		if (!json_is_string(text)) {
			snprintf(message, sizeof(message),
			    "It is done, but the answer has no %s to write to %s.", member,
			    outs[i].path);
			return failed(command, CTL_REFUSED, message);
		}
		if (ctl_out_commit(&outs[i], json_string_value(text), json_string_length(text),
		        message, sizeof(message)) != 0) {
			size_t used = strlen(message);

			snprintf(
			    message + used, sizeof(message) - used, " The verb itself is done.");
			return failed(command, CTL_UNREACHABLE, message);
		}
		if (!command->json)
			json_object_set_new(
			    result, member, json_sprintf("written to %s", outs[i].path));
	}
	return CTL_DONE;
}

/* ---- a verb ---- */

static int is_well(const struct ctl_command *command, const json_t *result)
{
	const json_t *health = json_object_get(result, "health");

	if (json_is_true(json_object_get(command->arguments, "health")))
		return json_is_true(json_object_get(health, "ok"));
	/* Verifications say so at the top. */
	return !json_is_false(json_object_get(result, "ok"));
}

static enum ctl_status show(const struct ctl_command *command, const char *schema, json_t *result)
{
	json_t *object;

	if (!command->json) {
		ctl_render(stdout, command->verb, result);
	} else {
		object = json_pack("{s:s}", "schema", schema);
		json_object_del(result, "schema");
		SLUICE_REQUIRE(object != NULL && json_object_update(object, result) == 0);
		SLUICE_REQUIRE(json_dumpf(object, stdout, JSON_COMPACT) == 0);
		fputc('\n', stdout);
		json_decref(object);
	}
	return is_well(command, result) ? CTL_DONE : CTL_REFUSED;
}

static json_t *request_make(const struct ctl_command *command)
{
	json_t *request =
	    json_pack("{s:s, s:O}", "verb", command->verb->name, "arguments", command->arguments);

	SLUICE_REQUIRE(request != NULL);
	if (command->dry_run)
		json_object_set_new(request, "dry_run", json_true());
	return request;
}

static enum ctl_status call(const struct ctl_command *command)
{
	char path[4096], schema[VERB_NAME_SIZE_MAX], message[CTL_MESSAGE_SIZE] = "";
	struct ctl_out outs[VERB_ARGUMENTS_MAX];
	json_t *request, *result = NULL;
	enum ctl_status status = confirm(command);

	if (status != CTL_DONE)
		return status;
	if (ctl_socket_path(command, path, sizeof(path)) != 0)
		return failed(command, CTL_USAGE, "The path of the socket is too long.");
	status = outs_begin(command, outs);
	if (status != CTL_DONE) {
		outs_abandon(outs);
		return status;
	}
	request = request_make(command);
	status = ctl_call(
	    path, request, ctl_timeout_s(command), &result, schema, message, sizeof(message));
	json_decref(request);
	if (status != CTL_DONE)
		status = failed(command, status, message);
	else if ((status = outs_commit(command, outs, result)) == CTL_DONE)
		status = show(command, schema, result);
	outs_abandon(outs);
	json_decref(result);
	return status;
}

/* Frame after frame, until one cannot be had or somebody interrupts. */
static enum ctl_status live(const struct ctl_command *command)
{
	const struct timespec pause = { .tv_sec = 2 };
	enum ctl_status status;

	if (command->json || !isatty(STDOUT_FILENO) ||
	    json_object_get(command->arguments, "once") != NULL)
		return call(command);
	do {
		fputs("\033[H\033[2J", stdout);
		status = call(command);
		if (fflush(stdout) != 0)
			return CTL_UNREACHABLE;
	} while (status == CTL_DONE && nanosleep(&pause, NULL) == 0);
	return status;
}

int main(int argc, char **argv)
{
	struct ctl_command command;
	char message[CTL_MESSAGE_SIZE] = "";
	enum ctl_status status;

	/* Widths of characters; everything else stays as in "C". */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	status = ctl_command_parse(argc, argv, &command, message, sizeof(message));
	if (status != CTL_DONE)
		status = failed(&command, status, message);
	else if (command.kind == CTL_VERSION)
		printf("sluicectl %s\n", SLUICE_VERSION);
	else if (command.kind == CTL_HELP)
		status = help(&command);
	else if (command.verb->flags & VERB_LOCAL)
		status = local_verb(&command);
	else if (command.verb->flags & VERB_LIVE)
		status = live(&command);
	else
		status = call(&command);
	ctl_command_free(&command);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "sluicectl: Cannot write the answer: %s.\n", strerror(errno));
		status = CTL_UNREACHABLE;
	}
	return (int)status;
}
