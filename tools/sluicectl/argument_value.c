/* SPDX-License-Identifier: Apache-2.0 */
/* One value of a command line, by the type of its argument. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tools/sluicectl/parser.h"

enum ctl_status ctl_parser_usage(struct ctl_parser *parser, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(parser->message, parser->message_size, format, arguments);
	va_end(arguments);
	return CTL_USAGE;
}

static enum ctl_status number_value(struct ctl_parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	int64_t number = 0;

	if (ctl_value_number(text, argument->lowest, argument->highest, &number) != 0)
		return ctl_parser_usage(parser,
		    "%s: give a whole number from %" PRId64 " to %" PRId64 ", not %s.", shown,
		    argument->lowest, argument->highest, text);
	*value = json_integer(number);
	return CTL_DONE;
}

static enum ctl_status odds_value(struct ctl_parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	char lowest[32], highest[32];
	int64_t number = 0;

	ctl_odds_text(argument->lowest, lowest);
	ctl_odds_text(argument->highest, highest);
	if (ctl_value_odds(text, argument->lowest, argument->highest, &number) != 0)
		return ctl_parser_usage(parser,
		    "%s: give decimal odds like 1.85 (three digits behind the point at most) from "
		    "%s "
		    "to %s, not %s.",
		    shown, lowest, highest, text);
	*value = json_integer(number);
	return CTL_DONE;
}

static enum ctl_status text_value(struct ctl_parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	if ((int64_t)strlen(text) < argument->lowest || (int64_t)strlen(text) > argument->highest)
		return ctl_parser_usage(parser,
		    "%s: give %" PRId64 " to %" PRId64 " bytes of text.", shown, argument->lowest,
		    argument->highest);
	*value = json_string(text);
	if (*value == NULL)
		return ctl_parser_usage(parser, "%s is not UTF-8 text.", shown);
	return CTL_DONE;
}

static enum ctl_status file_value(
    struct ctl_parser *parser, const char *shown, const char *path, json_t **value)
{
	if (strcmp(path, "-") == 0) {
		if (parser->standard_input != NULL)
			return ctl_parser_usage(parser,
			    "Only one of %s and %s can be standard input.", parser->standard_input,
			    shown);
		parser->standard_input = shown;
	}
	return ctl_file_read(path, value, parser->message, parser->message_size) == 0
	           ? CTL_DONE
	           : CTL_UNREACHABLE;
}

enum ctl_status ctl_parser_value(struct ctl_parser *parser, const struct verb_argument *argument,
    const char *shown, const char *text, json_t **value)
{
	int64_t time = 0;
	int on = 0;

	switch (argument->type) {
	case VERB_NUMBER:
		return number_value(parser, argument, shown, text, value);
	case VERB_ODDS:
		return odds_value(parser, argument, shown, text, value);
	case VERB_ID:
		if (!verb_id_fits(text))
			return ctl_parser_usage(
			    parser, "%s: give an id, a whole number from 1, not %s.", shown, text);
		*value = json_string(text);
		return CTL_DONE;
	case VERB_TEXT:
		return text_value(parser, argument, shown, text, value);
	case VERB_FILE:
		return file_value(parser, shown, text, value);
	case VERB_TIME:
		if (ctl_value_time(text, &time) != 0)
			return ctl_parser_usage(parser,
			    "%s: give a time with its zone, like 2026-11-21T12:00:00Z or "
			    "2026-11-21T21:00+09:00, not %s.",
			    shown, text);
		*value = json_integer(time);
		return CTL_DONE;
	case VERB_CHOICE:
		if (!verb_choice_has(argument->choices, text))
			return ctl_parser_usage(
			    parser, "%s: give one of %s, not %s.", shown, argument->choices, text);
		*value = json_string(text);
		return CTL_DONE;
	case VERB_ON_OFF:
		if (ctl_value_on_off(text, &on) != 0)
			return ctl_parser_usage(parser, "%s: give on or off, not %s.", shown, text);
		*value = json_boolean(on);
		return CTL_DONE;
	case VERB_OUT:
	case VERB_SWITCH:
		break;
	}
	return ctl_parser_usage(parser, "%s cannot be given.", shown);
}
