/* SPDX-License-Identifier: Apache-2.0 */
/* The command line by the table of verbs. Options of sluicectl itself may stand anywhere. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

struct parser {
	int argc, next;
	char **argv;
	struct ctl_command *command;
	int only_positional; /* after "--" */
	int help;
	const char *standard_input; /* name of the argument that takes it */
	char *message;
	size_t message_size;
};

__attribute__((format(printf, 2, 3))) static enum ctl_status usage(
    struct parser *parser, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(parser->message, parser->message_size, format, arguments);
	va_end(arguments);
	return CTL_USAGE;
}

void ctl_option_name(const struct verb_argument *argument, char out[VERB_NAME_SIZE_MAX])
{
	snprintf(out, VERB_NAME_SIZE_MAX, "%s", argument->name);
	for (char *at = strchr(out, '_'); at != NULL; at = strchr(at, '_'))
		*at = '-';
}

/* The value of an option: behind '=', else the next word. */
static enum ctl_status option_value(
    struct parser *parser, const char *name, const char *equals, const char **value)
{
	if (equals != NULL) {
		*value = equals + 1;
		return CTL_DONE;
	}
	if (parser->next >= parser->argc)
		return usage(parser, "--%s needs a value.", name);
	*value = parser->argv[parser->next++];
	return CTL_DONE;
}

/* ---- values ---- */

static enum ctl_status number_value(struct parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	int64_t number = 0;

	if (ctl_value_number(text, argument->lowest, argument->highest, &number) != 0)
		return usage(parser,
		    "%s: give a whole number from %" PRId64 " to %" PRId64 ", not %s.", shown,
		    argument->lowest, argument->highest, text);
	*value = json_integer(number);
	return CTL_DONE;
}

static enum ctl_status odds_value(struct parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	char lowest[32], highest[32];
	int64_t number = 0;

	ctl_odds_text(argument->lowest, lowest);
	ctl_odds_text(argument->highest, highest);
	if (ctl_value_odds(text, argument->lowest, argument->highest, &number) != 0)
		return usage(parser,
		    "%s: give decimal odds like 1.85 (three digits behind the point at most) from "
		    "%s "
		    "to %s, not %s.",
		    shown, lowest, highest, text);
	*value = json_integer(number);
	return CTL_DONE;
}

static enum ctl_status text_value(struct parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	if ((int64_t)strlen(text) < argument->lowest || (int64_t)strlen(text) > argument->highest)
		return usage(parser, "%s: give %" PRId64 " to %" PRId64 " bytes of text.", shown,
		    argument->lowest, argument->highest);
	*value = json_string(text);
	if (*value == NULL)
		return usage(parser, "%s is not UTF-8 text.", shown);
	return CTL_DONE;
}

static enum ctl_status file_value(
    struct parser *parser, const char *shown, const char *path, json_t **value)
{
	if (strcmp(path, "-") == 0) {
		if (parser->standard_input != NULL)
			return usage(parser, "Only one of %s and %s can be standard input.",
			    parser->standard_input, shown);
		parser->standard_input = shown;
	}
	return ctl_file_read(path, value, parser->message, parser->message_size) == 0
	           ? CTL_DONE
	           : CTL_UNREACHABLE;
}

static enum ctl_status value_parse(struct parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	int64_t time = 0;
	int on = 0;

	switch (argument->type) {
	case VERB_NUMBER:
		return number_value(parser, argument, shown, text, value);
	case VERB_ODDS:
		return odds_value(parser, argument, shown, text, value);
	case VERB_TEXT:
		return text_value(parser, argument, shown, text, value);
	case VERB_FILE:
		return file_value(parser, shown, text, value);
	case VERB_TIME:
		if (ctl_value_time(text, &time) != 0)
			return usage(parser,
			    "%s: give a time with its zone, like 2026-11-21T12:00:00Z or "
			    "2026-11-21T21:00+09:00, not %s.",
			    shown, text);
		*value = json_integer(time);
		return CTL_DONE;
	case VERB_CHOICE:
		if (!verb_choice_has(argument->choices, text))
			return usage(
			    parser, "%s: give one of %s, not %s.", shown, argument->choices, text);
		*value = json_string(text);
		return CTL_DONE;
	case VERB_ON_OFF:
		if (ctl_value_on_off(text, &on) != 0)
			return usage(parser, "%s: give on or off, not %s.", shown, text);
		*value = json_boolean(on);
		return CTL_DONE;
	case VERB_OUT:
	case VERB_SWITCH:
	case VERB_FRACTION:
		break;
	}
	return usage(parser, "%s cannot be given.", shown);
}

static enum ctl_status value_put(
    struct parser *parser, const struct verb_argument *argument, json_t *value, const char *shown)
{
	json_t *arguments = parser->command->arguments;
	json_t *list = json_object_get(arguments, argument->name);

	if (list != NULL && !argument->repeats) {
		json_decref(value);
		return usage(parser, "%s is given twice.", shown);
	}
	if (argument->repeats) {
		if (list == NULL) {
			list = json_array();
			json_object_set_new(arguments, argument->name, list);
		}
		if (json_array_size(list) == VERB_REPEATS_MAX) {
			json_decref(value);
			return usage(parser, "%s: at most %d.", shown, VERB_REPEATS_MAX);
		}
		json_array_append_new(list, value);
	} else {
		json_object_set_new(arguments, argument->name, value);
	}
	return CTL_DONE;
}

/* ---- options ---- */

/* sluicectl's own options. 1: was one, *status says how it went. */
static int own_option(struct parser *parser, const char *option, size_t length, const char *equals,
    enum ctl_status *status)
{
	struct ctl_command *command = parser->command;
	const struct {
		const char *name;
		int *flag;
		const char **text;
	} own[] = {
		{ "json", &command->json, NULL },
		{ "yes", &command->yes, NULL },
		{ "dry-run", &command->dry_run, NULL },
		{ "help", &parser->help, NULL },
		{ "root", NULL, &command->root },
		{ "socket", NULL, &command->socket },
		{ "timeout", NULL, NULL },
	};
	const char *value = NULL;
	int64_t seconds = 0;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(own); i++) {
		if (strlen(own[i].name) != length || strncmp(own[i].name, option, length) != 0)
			continue;
		*status = CTL_DONE;
		if (own[i].flag != NULL) {
			*own[i].flag = 1;
			if (equals != NULL)
				*status = usage(parser, "--%s takes no value.", own[i].name);
			return 1;
		}
		*status = option_value(parser, own[i].name, equals, &value);
		if (*status != CTL_DONE)
			return 1;
		if (own[i].text != NULL) {
			*own[i].text = value;
			if (value[0] == '\0')
				*status = usage(parser, "--%s: give a path.", own[i].name);
		} else if (ctl_value_number(value, 1, CTL_TIMEOUT_S_MAX, &seconds) != 0) {
			*status = usage(
			    parser, "--timeout: give seconds from 1 to %d.", CTL_TIMEOUT_S_MAX);
		}
		if (own[i].text == NULL)
			command->timeout_s = (uint32_t)seconds;
		return 1;
	}
	return 0;
}

static const struct verb_argument *option_argument(
    const struct verb *verb, const char *option, size_t length)
{
	char name[VERB_NAME_SIZE_MAX];

	for (size_t i = 0; i < verb->argument_count; i++) {
		ctl_option_name(&verb->arguments[i], name);
		if (!verb->arguments[i].positional && strlen(name) == length &&
		    strncmp(name, option, length) == 0)
			return &verb->arguments[i];
	}
	return NULL;
}

static enum ctl_status verb_option(
    struct parser *parser, const char *option, size_t length, const char *equals)
{
	const struct verb *verb = parser->command->verb;
	const struct verb_argument *argument;
	const char *text = NULL;
	json_t *value = NULL;
	char shown[VERB_NAME_SIZE_MAX + 2];
	enum ctl_status status;

	if (verb == NULL)
		return usage(parser,
		    "sluicectl has no option --%.*s before the verb. Try `sluicectl help`.",
		    (int)length, option);
	argument = option_argument(verb, option, length);
	if (argument == NULL)
		return usage(parser, "%s has no option --%.*s. Try `sluicectl help %s`.",
		    verb->name, (int)length, option, verb->name);
	snprintf(shown, sizeof(shown), "--%.*s", (int)length, option);
	if (argument->type == VERB_SWITCH)
		return equals != NULL ? usage(parser, "%s takes no value.", shown)
		                      : value_put(parser, argument, json_true(), shown);
	status = option_value(parser, shown + 2, equals, &text);
	if (status != CTL_DONE)
		return status;
	if (argument->type == VERB_OUT) {
		const char **path = &parser->command->out_paths[argument - verb->arguments];

		if (*path != NULL)
			return usage(parser, "%s is given twice.", shown);
		*path = text;
		return text[0] != '\0' ? CTL_DONE : usage(parser, "%s: give a path.", shown);
	}
	status = value_parse(parser, argument, shown, text, &value);
	return status != CTL_DONE ? status : value_put(parser, argument, value, shown);
}

static enum ctl_status option_parse(struct parser *parser, const char *word)
{
	const char *option = word + 2;
	const char *equals = strchr(option, '=');
	size_t length = equals != NULL ? (size_t)(equals - option) : strlen(option);
	enum ctl_status status = CTL_DONE;

	if (strncmp(word, "--", 2) != 0) {
		if (strcmp(word, "-h") == 0) {
			parser->help = 1;
			return CTL_DONE;
		}
		return usage(parser,
		    "There is no option %s. Options are long: --json. Try `sluicectl "
		    "help`.",
		    word);
	}
	if (own_option(parser, option, length, equals, &status))
		return status;
	return verb_option(parser, option, length, equals);
}

/* ---- words ---- */

static int words_begin_a_verb(const char *words)
{
	size_t length = strlen(words);

	for (size_t i = 0; i < verb_count(); i++)
		if (strncmp(verb_at(i)->name, words, length) == 0 &&
		    verb_at(i)->name[length] == ' ')
			return 1;
	return 0;
}

/* One more word of the verb's name. */
static enum ctl_status verb_word(struct parser *parser, const char *word)
{
	struct ctl_command *command = parser->command;
	size_t used = strlen(command->words);
	int length = snprintf(command->words + used, sizeof(command->words) - used, "%s%s",
	    used > 0 ? " " : "", word);
	const char *near;

	if (length < 0 || (size_t)length >= sizeof(command->words) - used) {
		command->words[used] = '\0';
		return usage(parser, "There is no such verb. Try `sluicectl help`.");
	}
	command->verb = verb_find(command->words);
	if (command->verb != NULL || words_begin_a_verb(command->words))
		return CTL_DONE;
	near = ctl_suggest(command->words);
	if (near != NULL)
		return usage(
		    parser, "There is no verb \"%s\". Did you mean \"%s\"?", command->words, near);
	return usage(parser, "There is no verb \"%s\". Try `sluicectl help`.", command->words);
}

/* The next positional argument that still wants a value. */
static enum ctl_status positional(struct parser *parser, const char *text)
{
	const struct verb *verb = parser->command->verb;
	json_t *value = NULL;

	for (size_t i = 0; i < verb->argument_count; i++) {
		const struct verb_argument *argument = &verb->arguments[i];
		enum ctl_status status;

		if (!argument->positional ||
		    (json_object_get(parser->command->arguments, argument->name) != NULL &&
		        !argument->repeats))
			continue;
		status = value_parse(parser, argument, argument->name, text, &value);
		return status != CTL_DONE ? status
		                          : value_put(parser, argument, value, argument->name);
	}
	return usage(
	    parser, "%s: %s is too much. Try `sluicectl help %s`.", verb->name, text, verb->name);
}

static enum ctl_status words_missing(struct parser *parser)
{
	const struct ctl_command *command = parser->command;
	const struct verb *verb = command->verb;
	char option[VERB_NAME_SIZE_MAX];

	if (verb == NULL && command->words[0] == '\0')
		return usage(parser, "Give a verb. `sluicectl help` lists them.");
	if (verb == NULL)
		return usage(parser,
		    "\"%s\" is not all of a verb. `sluicectl help %s` lists those that "
		    "begin so.",
		    command->words, command->words);
	for (size_t i = 0; i < verb->argument_count; i++) {
		const struct verb_argument *argument = &verb->arguments[i];

		if (!argument->required ||
		    json_object_get(command->arguments, argument->name) != NULL ||
		    command->out_paths[i] != NULL)
			continue;
		ctl_option_name(argument, option);
		return usage(parser, "%s: %s%s is missing (%s). Try `sluicectl help %s`.",
		    verb->name, argument->positional ? "" : "--", option, argument->help,
		    verb->name);
	}
	if (command->dry_run && !(verb->flags & VERB_CHANGES))
		return usage(
		    parser, "%s changes nothing, so there is nothing to run dry.", verb->name);
	return CTL_DONE;
}

static enum ctl_status word_parse(struct parser *parser, const char *word)
{
	struct ctl_command *command = parser->command;

	if (!parser->only_positional && strcmp(word, "--") == 0) {
		parser->only_positional = 1;
		return CTL_DONE;
	}
	if (!parser->only_positional && word[0] == '-' && word[1] != '\0') {
		if (strcmp(word, "--version") == 0) {
			command->kind = CTL_VERSION;
			return CTL_DONE;
		}
		return option_parse(parser, word);
	}
	if (command->verb != NULL)
		return positional(parser, word);
	if (command->words[0] == '\0' && strcmp(word, "help") == 0 && !parser->help) {
		parser->help = 1;
		return CTL_DONE;
	}
	return verb_word(parser, word);
}

enum ctl_status ctl_command_parse(
    int argc, char **argv, struct ctl_command *command, char *message, size_t message_size)
{
	struct parser parser = {
		.argc = argc,
		.next = 1,
		.argv = argv,
		.command = command,
		.message = message,
		.message_size = message_size,
	};
	enum ctl_status status = CTL_DONE;

	*command = (struct ctl_command){ .kind = CTL_CALL, .arguments = json_object() };
	SLUICE_REQUIRE(command->arguments != NULL);
	/* Before anything else: errors of the line are told as JSON too. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		command->json |= strcmp(argv[i], "--json") == 0;
	while (status == CTL_DONE && command->kind != CTL_VERSION && parser.next < argc)
		status = word_parse(&parser, argv[parser.next++]);
	if (status != CTL_DONE || command->kind == CTL_VERSION)
		return status;
	if (parser.help) {
		command->kind = CTL_HELP;
		return CTL_DONE;
	}
	return words_missing(&parser);
}

void ctl_command_free(struct ctl_command *command)
{
	json_decref(command->arguments);
	command->arguments = NULL;
}
