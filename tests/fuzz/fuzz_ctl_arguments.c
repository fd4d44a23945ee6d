/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: ctl_command_parse (with the values of every type, and ctl_suggest), and what control
 * makes of the same command: whatever sluicectl sends, control's parser takes. Control characters
 * in a text are the one thing that control alone refuses.
 *
 * The input is a command line, a word a line. No word is a path outside the working directory.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ops-socket/ops_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tools/sluicectl/sluicectl.h"

#define WORDS_MAX 64

/* As sluicectl's request_make. */
static void check_sent(const struct ctl_command *command)
{
	struct ops_parsed parsed;
	char message[OPS_MESSAGE_SIZE] = "";
	json_t *request =
	    json_pack("{s:s, s:O}", "verb", command->verb->name, "arguments", command->arguments);
	char *line;

	SLUICE_REQUIRE(request != NULL);
	if (command->dry_run)
		json_object_set_new(request, "dry_run", json_true());
	line = json_dumps(request, JSON_COMPACT);
	SLUICE_REQUIRE(line != NULL);
	SLUICE_REQUIRE(ops_parse_line(line, strlen(line), &parsed, message, sizeof(message)) == 0);
	SLUICE_REQUIRE(parsed.verb == command->verb && parsed.dry_run == command->dry_run);
	if (ops_parse_arguments(&parsed, message, sizeof(message)) != 0)
		SLUICE_REQUIRE(strstr(message, "has control characters") != NULL);
	else
		SLUICE_REQUIRE(json_equal(parsed.arguments, command->arguments));
	json_decref(parsed.arguments);
	json_decref(request);
	free(line);
}

static void use_line(int argc, char **argv)
{
	struct ctl_command command;
	char message[CTL_MESSAGE_SIZE] = "", path[4096];
	enum ctl_status status = ctl_command_parse(argc, argv, &command, message, sizeof(message));

	if (status != CTL_DONE) {
		SLUICE_REQUIRE(status == CTL_USAGE || status == CTL_UNREACHABLE);
		SLUICE_REQUIRE(message[0] != '\0' && strlen(message) < sizeof(message));
	} else if (command.kind == CTL_CALL) {
		SLUICE_REQUIRE(command.verb != NULL && command.timeout_s <= CTL_TIMEOUT_S_MAX);
		SLUICE_REQUIRE(!command.dry_run || command.verb->flags & VERB_CHANGES);
		SLUICE_REQUIRE(ctl_timeout_s(&command) >= 1);
		(void)!ctl_socket_path(&command, path, sizeof(path));
		if (!(command.verb->flags & VERB_LOCAL))
			check_sent(&command);
	}
	ctl_command_free(&command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[WORDS_MAX + 2], program[] = "sluicectl", *text, *rest = NULL;
	int argc = 1;

	if (size > 8192)
		return 0;
	text = malloc(size + 1);
	SLUICE_REQUIRE(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	for (char *at = text; (at = strchr(at, '/')) != NULL;)
		*at = '_';
	argv[0] = program;
	for (char *word = strtok_r(text, "\n", &rest); word != NULL && argc <= WORDS_MAX;
	     word = strtok_r(NULL, "\n", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	use_line(argc, argv);
	free(text);
	return 0;
}
