/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target: ops_parse_line, ops_parse_arguments. The input is a line of the ops socket. Whatever it
 * is, it becomes either a refusal with a sentence, or a verb with arguments that its handler need
 * not look at again: names, types, ranges and lists as the table of verbs says.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ops-socket/ops_internal.h"
#include "tests/fuzz/fuzz.h"

static void check_refusal(int status, const char *message)
{
	json_t *answer = ops_answer_refused(status, message);

	SLUICE_REQUIRE(status == 2);
	SLUICE_REQUIRE(message[0] != '\0' && strlen(message) < OPS_MESSAGE_SIZE);
	SLUICE_REQUIRE(json_string_length(json_object_get(answer, "error")) > 0);
	json_decref(answer);
}

static void check_value(const struct verb_argument *argument, const json_t *value)
{
	int64_t number = json_integer_value(value);
	size_t length = json_string_length(value);

	switch (argument->type) {
	case VERB_NUMBER:
	case VERB_ODDS:
		SLUICE_REQUIRE(json_is_integer(value));
		SLUICE_REQUIRE(number >= argument->lowest && number <= argument->highest);
		return;
	case VERB_TIME:
		SLUICE_REQUIRE(json_is_integer(value) && number >= 0);
		return;
	case VERB_TEXT:
		SLUICE_REQUIRE(json_is_string(value));
		SLUICE_REQUIRE((int64_t)length >= argument->lowest);
		SLUICE_REQUIRE((int64_t)length <= argument->highest);
		SLUICE_REQUIRE(strlen(json_string_value(value)) == length);
		return;
	case VERB_FILE:
		SLUICE_REQUIRE(length >= 1 && length <= VERB_FILE_SIZE_MAX);
		return;
	case VERB_CHOICE:
		SLUICE_REQUIRE(verb_choice_has(argument->choices, json_string_value(value)));
		return;
	case VERB_SWITCH:
	case VERB_ON_OFF:
		SLUICE_REQUIRE(json_is_boolean(value));
		return;
	case VERB_ID:
		SLUICE_REQUIRE(verb_id_fits(json_string_value(value)));
		return;
	case VERB_OUT:
		break;
	}
	SLUICE_REQUIRE(!"a value that is never sent");
}

static void check_accepted(const struct ops_parsed *parsed)
{
	const struct verb *verb = parsed->verb;
	const char *key;
	json_t *value;

	SLUICE_REQUIRE(!(verb->flags & VERB_LOCAL));
	SLUICE_REQUIRE(!parsed->dry_run || verb->flags & VERB_CHANGES);
	SLUICE_REQUIRE(parsed->object[0] != '\0');
	json_object_foreach(parsed->arguments, key, value)
	{
		const struct verb_argument *argument = verb_argument_find(verb, key);
		const json_t *one;
		size_t index;

		SLUICE_REQUIRE(argument != NULL);
		if (!argument->repeats) {
			check_value(argument, value);
			continue;
		}
		SLUICE_REQUIRE(json_array_size(value) >= 1);
		SLUICE_REQUIRE(json_array_size(value) <= VERB_REPEATS_MAX);
		json_array_foreach(value, index, one)
		{
			check_value(argument, one);
		}
	}
	for (size_t i = 0; i < verb->argument_count; i++)
		SLUICE_REQUIRE(!verb->arguments[i].required ||
		               verb->arguments[i].type == VERB_OUT ||
		               json_object_get(parsed->arguments, verb->arguments[i].name) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ops_parsed parsed;
	char message[OPS_MESSAGE_SIZE] = "";
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	char *line = malloc(size > 0 ? size : 1);
	int status;

	SLUICE_REQUIRE(line != NULL);
	if (size > 0)
		memcpy(line, data, size);
	status = ops_parse_line(line, size, &parsed, message, sizeof(message));
	free(line);
	if (status != 0) {
		SLUICE_REQUIRE(parsed.arguments == NULL);
		check_refusal(status, message);
		return 0;
	}
	status = ops_parse_arguments(&parsed, message, sizeof(message));
	if (status != 0)
		check_refusal(status, message);
	else
		check_accepted(&parsed);
	json_decref(parsed.arguments);
	return 0;
}
