/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/ops-socket/ops_internal.h"

#define STATUS_USAGE 2

/* Formats into message and is the status to return. */
#define USAGE(...) (snprintf(message, message_size, __VA_ARGS__), STATUS_USAGE)

/* What a stranger's text may look like inside our sentence: short, printable. */
static const char *shown(const char *text, char out[40])
{
	size_t length = 0;

	for (; text[length] != '\0' && length < 32; length++)
		out[length] =
		    (unsigned char)text[length] < 0x20 || (unsigned char)text[length] > 0x7e
		        ? '?'
		        : text[length];
	snprintf(out + length, 40 - length, "%s", text[length] != '\0' ? "..." : "");
	return out;
}

static int parse_members(
    const json_t *request, struct ops_parsed *out, char *message, size_t message_size)
{
	const json_t *arguments = json_object_get(request, "arguments");
	const json_t *dry_run = json_object_get(request, "dry_run");
	const char *name = json_string_value(json_object_get(request, "verb"));
	char text[40];
	const char *key;
	json_t *value;

	if (name == NULL)
		return USAGE("The request names no verb. Send {\"verb\":\"status\"}.");
	out->verb = verb_find(name);
	if (out->verb == NULL || out->verb->flags & VERB_LOCAL) {
		out->verb = NULL;
		return USAGE("This sluice-control knows no verb \"%s\". `sluicectl help` lists "
		             "the verbs; sluicectl and sluice-control should be of one version.",
		    shown(name, text));
	}
	json_object_foreach((json_t *)(uintptr_t)request, key, value)
	{
		if (strcmp(key, "verb") != 0 && strcmp(key, "arguments") != 0 &&
		    strcmp(key, "dry_run") != 0)
			return USAGE("%s: the request has an unknown member \"%s\".",
			    out->verb->name, shown(key, text));
	}
	if (arguments != NULL && !json_is_object(arguments))
		return USAGE("%s: \"arguments\" must be an object.", out->verb->name);
	if (dry_run != NULL && !json_is_boolean(dry_run))
		return USAGE("%s: \"dry_run\" must be true or false.", out->verb->name);
	if (json_is_true(dry_run) && !(out->verb->flags & VERB_CHANGES))
		return USAGE("%s changes nothing, so there is nothing to run dry. Leave "
		             "--dry-run out.",
		    out->verb->name);
	out->dry_run = json_is_true(dry_run);
	return 0;
}

int ops_parse_line(
    const char *line, size_t size, struct ops_parsed *out, char *message, size_t message_size)
{
	json_error_t problem;
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem);
	json_t *arguments;
	int status;

	*out = (struct ops_parsed){ 0 };
	if (request == NULL)
		return USAGE("The request is not JSON: %.100s (byte %d). Send one object a line.",
		    problem.text, problem.position);
	if (!json_is_object(request))
		status = USAGE("The request is not a JSON object. Send {\"verb\":\"status\"}.");
	else
		status = parse_members(request, out, message, message_size);
	if (status == 0) {
		arguments = json_object_get(request, "arguments");
		out->arguments = arguments != NULL ? json_incref(arguments) : json_object();
		SLUICE_REQUIRE(out->arguments != NULL);
	}
	json_decref(request);
	return status;
}

static int has_control_characters(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return 1;
	return 0;
}

static int check_number(const struct verb *verb, const struct verb_argument *argument,
    const json_t *value, char *message, size_t message_size)
{
	int64_t number = json_integer_value(value);

	if (!json_is_integer(value))
		return USAGE("%s: %s must be a whole number.", verb->name, argument->name);
	if (number < argument->lowest || number > argument->highest)
		return USAGE("%s: %s is %" PRId64 "; it must be from %" PRId64 " to %" PRId64 ".",
		    verb->name, argument->name, number, argument->lowest, argument->highest);
	return 0;
}

static int check_text(const struct verb *verb, const struct verb_argument *argument,
    const json_t *value, char *message, size_t message_size)
{
	size_t length = json_string_length(value);
	int64_t highest = argument->type == VERB_FILE ? VERB_FILE_SIZE_MAX : argument->highest;
	char text[40];

	if (!json_is_string(value))
		return USAGE("%s: %s must be text.", verb->name, argument->name);
	if (argument->type == VERB_CHOICE) {
		if (!verb_choice_has(argument->choices, json_string_value(value)))
			return USAGE("%s: %s is \"%s\"; it must be one of %s.", verb->name,
			    argument->name, shown(json_string_value(value), text),
			    argument->choices);
		return 0;
	}
	if ((int64_t)length < argument->lowest || (int64_t)length > highest)
		return USAGE("%s: %s has %zu bytes; it must have from %" PRId64 " to %" PRId64 ".",
		    verb->name, argument->name, length, argument->lowest, highest);
	if (argument->type == VERB_FILE && length == 0)
		return USAGE("%s: the file for %s is empty.", verb->name, argument->name);
	if (argument->type == VERB_TEXT && has_control_characters(json_string_value(value)))
		return USAGE(
		    "%s: %s has control characters. Leave them out.", verb->name, argument->name);
	return 0;
}

static int check_value(const struct verb *verb, const struct verb_argument *argument,
    const json_t *value, char *message, size_t message_size)
{
	switch (argument->type) {
	case VERB_NUMBER:
	case VERB_ODDS:
		return check_number(verb, argument, value, message, message_size);
	case VERB_TIME:
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return USAGE("%s: %s must be a time in Unix nanoseconds.", verb->name,
			    argument->name);
		return 0;
	case VERB_ID:
		if (!verb_id_fits(json_string_value(value)))
			return USAGE("%s: %s must be an id, 1 to 2^64-1, as a string of digits.",
			    verb->name, argument->name);
		return 0;
	case VERB_TEXT:
	case VERB_FILE:
	case VERB_CHOICE:
		return check_text(verb, argument, value, message, message_size);
	case VERB_SWITCH:
	case VERB_ON_OFF:
		if (!json_is_boolean(value))
			return USAGE("%s: %s must be true or false.", verb->name, argument->name);
		return 0;
	case VERB_OUT:
		break;
	}
	return USAGE("%s: %s is not sent.", verb->name, argument->name);
}

static int check_argument(const struct verb *verb, const struct verb_argument *argument,
    const json_t *value, char *message, size_t message_size)
{
	size_t index;
	const json_t *one;

	if (!argument->repeats)
		return check_value(verb, argument, value, message, message_size);
	if (!json_is_array(value) || json_array_size(value) == 0 ||
	    json_array_size(value) > VERB_REPEATS_MAX)
		return USAGE("%s: %s must be a list of 1 to %d values.", verb->name, argument->name,
		    VERB_REPEATS_MAX);
	json_array_foreach(value, index, one)
	{
		int status = check_value(verb, argument, one, message, message_size);

		if (status != 0)
			return status;
	}
	return 0;
}

/* "market 12", from the first positional argument; without one the verb's first word. */
static void object_describe(struct ops_parsed *parsed)
{
	const struct verb *verb = parsed->verb;

	snprintf(parsed->object, sizeof(parsed->object), "%.*s", (int)strcspn(verb->name, " "),
	    verb->name);
	for (size_t i = 0; i < verb->argument_count; i++) {
		const struct verb_argument *argument = &verb->arguments[i];
		const json_t *value = json_object_get(parsed->arguments, argument->name);

		if (!argument->positional || value == NULL)
			continue;
		if (argument->repeats)
			value = json_array_get(value, 0);
		if (json_is_integer(value))
			snprintf(parsed->object, sizeof(parsed->object), "%s %lld", argument->name,
			    (long long)json_integer_value(value));
		else if (json_is_string(value) && argument->type != VERB_FILE)
			snprintf(parsed->object, sizeof(parsed->object), "%s %.100s",
			    argument->name, json_string_value(value));
		return;
	}
}

int ops_parse_arguments(struct ops_parsed *parsed, char *message, size_t message_size)
{
	const struct verb *verb = parsed->verb;
	char text[40];
	const char *key;
	json_t *value;

	json_object_foreach(parsed->arguments, key, value)
	{
		const struct verb_argument *argument = verb_argument_find(verb, key);
		int status;

		if (argument == NULL || argument->type == VERB_OUT)
			return USAGE("%s takes no argument \"%s\". See `sluicectl help %s`.",
			    verb->name, shown(key, text), verb->name);
		status = check_argument(verb, argument, value, message, message_size);
		if (status != 0)
			return status;
	}
	for (size_t i = 0; i < verb->argument_count; i++)
		if (verb->arguments[i].required && verb->arguments[i].type != VERB_OUT &&
		    json_object_get(parsed->arguments, verb->arguments[i].name) == NULL)
			return USAGE("%s: %s is missing. See `sluicectl help %s`.", verb->name,
			    verb->arguments[i].name, verb->name);
	object_describe(parsed);
	return 0;
}

json_t *ops_answer_refused(int status, const char *message)
{
	/* A message cut at its end may break a character. */
	json_t *answer = json_pack("{s:b, s:s, s:i}", "ok", 0, "error", message, "status", status);

	if (answer == NULL)
		answer = json_pack("{s:b, s:s, s:i}", "ok", 0, "error",
		    "Refused, for a reason that is not UTF-8.", "status", status);
	SLUICE_REQUIRE(answer != NULL);
	return answer;
}
