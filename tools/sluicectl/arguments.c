/* SPDX-License-Identifier: Apache-2.0 */
/* The command line by the table of verbs. Options of sluicectl itself may stand anywhere. */
#include <string.h>

#include "tools/sluicectl/parser.h"

void ctl_option_name(const struct verb_argument *argument, char out[VERB_NAME_SIZE_MAX])
{
	snprintf(out, VERB_NAME_SIZE_MAX, "%s", argument->name);
	for (char *at = strchr(out, '_'); at != NULL; at = strchr(at, '_'))
		*at = '-';
}

/* The value of an option: behind '=', else the next word. */
static enum ctl_status option_value(
    struct ctl_parser *parser, const char *name, const char *equals, const char **value)
{
	if (equals != NULL) {
		*value = equals + 1;
		return CTL_DONE;
	}
	if (parser->next >= parser->argc)
		return ctl_parser_usage(parser, "--%s needs a value.", name);
	*value = parser->argv[parser->next++];
	return CTL_DONE;
}

static enum ctl_status value_put(struct ctl_parser *parser, const struct verb_argument *argument,
    json_t *value, const char *shown)
{
	json_t *arguments = parser->command->arguments;
	json_t *list = json_object_get(arguments, argument->name);

	if (list != NULL && !argument->repeats) {
		json_decref(value);
		return ctl_parser_usage(parser, "%s is given twice.", shown);
	}
	if (argument->repeats) {
		if (list == NULL) {
			list = json_array();
			json_object_set_new(arguments, argument->name, list);
		}
		if (json_array_size(list) == VERB_REPEATS_MAX) {
			json_decref(value);
			return ctl_parser_usage(parser, "%s: at most %d.", shown, VERB_REPEATS_MAX);
		}
		json_array_append_new(list, value);
	} else {
		json_object_set_new(arguments, argument->name, value);
	}
	return CTL_DONE;
}

/* ---- options ---- */

/* sluicectl's own options. 1: was one, *status says how it went. */
static int own_option(struct ctl_parser *parser, const char *option, size_t length,
    const char *equals, enum ctl_status *status)
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
				*status =
				    ctl_parser_usage(parser, "--%s takes no value.", own[i].name);
			return 1;
		}
		*status = option_value(parser, own[i].name, equals, &value);
		if (*status != CTL_DONE)
			return 1;
		if (own[i].text != NULL) {
			*own[i].text = value;
			if (value[0] == '\0')
				*status =
				    ctl_parser_usage(parser, "--%s: give a path.", own[i].name);
		} else if (ctl_value_number(value, 1, CTL_TIMEOUT_S_MAX, &seconds) != 0) {
			*status = ctl_parser_usage(
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
    struct ctl_parser *parser, const char *option, size_t length, const char *equals)
{
	const struct verb *verb = parser->command->verb;
	const struct verb_argument *argument;
	const char *text = NULL;
	json_t *value = NULL;
	char shown[VERB_NAME_SIZE_MAX + 2];
	enum ctl_status status;

	if (verb == NULL)
		return ctl_parser_usage(parser,
		    "sluicectl has no option --%.*s before the verb. Try `sluicectl help`.",
		    (int)length, option);
	argument = option_argument(verb, option, length);
	if (argument == NULL)
		return ctl_parser_usage(parser, "%s has no option --%.*s. Try `sluicectl help %s`.",
		    verb->name, (int)length, option, verb->name);
	snprintf(shown, sizeof(shown), "--%.*s", (int)length, option);
	if (argument->type == VERB_SWITCH)
		return equals != NULL ? ctl_parser_usage(parser, "%s takes no value.", shown)
		                      : value_put(parser, argument, json_true(), shown);
	status = option_value(parser, shown + 2, equals, &text);
	if (status != CTL_DONE)
		return status;
	if (argument->type == VERB_OUT) {
		const char **path = &parser->command->out_paths[argument - verb->arguments];

		if (*path != NULL)
			return ctl_parser_usage(parser, "%s is given twice.", shown);
		*path = text;
		return text[0] != '\0' ? CTL_DONE
		                       : ctl_parser_usage(parser, "%s: give a path.", shown);
	}
	status = ctl_parser_value(parser, argument, shown, text, &value);
	return status != CTL_DONE ? status : value_put(parser, argument, value, shown);
}

static enum ctl_status option_parse(struct ctl_parser *parser, const char *word)
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
		return ctl_parser_usage(parser,
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
static enum ctl_status verb_word(struct ctl_parser *parser, const char *word)
{
	struct ctl_command *command = parser->command;
	size_t used = strlen(command->words);
	int length = snprintf(command->words + used, sizeof(command->words) - used, "%s%s",
	    used > 0 ? " " : "", word);
	const char *near;

	if (length < 0 || (size_t)length >= sizeof(command->words) - used) {
		command->words[used] = '\0';
		return ctl_parser_usage(parser, "There is no such verb. Try `sluicectl help`.");
	}
	command->verb = verb_find(command->words);
	if (command->verb != NULL || words_begin_a_verb(command->words))
		return CTL_DONE;
	near = ctl_suggest(command->words);
	if (near != NULL)
		return ctl_parser_usage(
		    parser, "There is no verb \"%s\". Did you mean \"%s\"?", command->words, near);
	return ctl_parser_usage(
	    parser, "There is no verb \"%s\". Try `sluicectl help`.", command->words);
}

/* The next positional argument that still wants a value. */
static enum ctl_status positional(struct ctl_parser *parser, const char *text)
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
		status = ctl_parser_value(parser, argument, argument->name, text, &value);
		return status != CTL_DONE ? status
		                          : value_put(parser, argument, value, argument->name);
	}
	return ctl_parser_usage(
	    parser, "%s: %s is too much. Try `sluicectl help %s`.", verb->name, text, verb->name);
}

static enum ctl_status words_missing(struct ctl_parser *parser)
{
	const struct ctl_command *command = parser->command;
	const struct verb *verb = command->verb;
	char option[VERB_NAME_SIZE_MAX];

	if (verb == NULL && command->words[0] == '\0')
		return ctl_parser_usage(parser, "Give a verb. `sluicectl help` lists them.");
	if (verb == NULL)
		return ctl_parser_usage(parser,
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
		return ctl_parser_usage(parser,
		    "%s: %s%s is missing (%s). Try `sluicectl help %s`.", verb->name,
		    argument->positional ? "" : "--", option, argument->help, verb->name);
	}
	if (command->dry_run && !(verb->flags & VERB_CHANGES))
		return ctl_parser_usage(
		    parser, "%s changes nothing, so there is nothing to run dry.", verb->name);
	return CTL_DONE;
}

static enum ctl_status word_parse(struct ctl_parser *parser, const char *word)
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
	struct ctl_parser parser = {
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
