/* SPDX-License-Identifier: Apache-2.0 */
/* Private to arguments.c and argument_value.c: a command line while it is read. */
#ifndef SLUICE_SLUICECTL_PARSER_H
#define SLUICE_SLUICECTL_PARSER_H

#include "tools/sluicectl/sluicectl.h"

struct ctl_parser {
	int argc, next;
	char **argv;
	struct ctl_command *command;
	int only_positional; /* after "--" */
	int help;
	const char *standard_input; /* name of the argument that takes it */
	char *message;
	size_t message_size;
};

/* Formats the message; CTL_USAGE. */
__attribute__((format(printf, 2, 3))) enum ctl_status ctl_parser_usage(
    struct ctl_parser *parser, const char *format, ...);
/* Text to the value sent, by the argument's type; `shown` names it in messages. */
SLUICE_MUST_USE enum ctl_status ctl_parser_value(struct ctl_parser *parser,
    const struct verb_argument *argument, const char *shown, const char *text, json_t **value);

#endif
