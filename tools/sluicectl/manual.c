/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs as a list in mdoc; tools/man/sluicectl.1.in has the rest of the page. */
#include <inttypes.h>
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

/* A line of text: no macro at its beginning, backslashes as they are. */
static void text_print(FILE *out, const char *text)
{
	if (text[0] == '.' || text[0] == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else
			fputc(*text, out);
	}
}

static void argument_item(FILE *out, const struct verb_argument *argument)
{
	char option[VERB_NAME_SIZE_MAX], lowest[32], highest[32];
	char placeholder[VERB_NAME_SIZE_MAX];

	ctl_option_name(argument, option);
	ctl_argument_placeholder(argument, placeholder, sizeof(placeholder));
	if (argument->positional)
		fprintf(out, ".It Ar %s%s\n", option, argument->repeats ? " ..." : "");
	else if (argument->type == VERB_SWITCH)
		fprintf(out, ".It Fl -%s\n", option);
	else
		fprintf(out, ".It Fl -%s Ar %s\n", option, placeholder);
	text_print(out, argument->help);
	if (argument->type == VERB_NUMBER) {
		fprintf(out, ";\n%" PRId64 " to %" PRId64, argument->lowest, argument->highest);
	} else if (argument->type == VERB_ODDS) {
		ctl_odds_text(argument->lowest, lowest);
		ctl_odds_text(argument->highest, highest);
		fprintf(out, ";\n%s to %s", lowest, highest);
	} else if (argument->type == VERB_CHOICE && argument->positional) {
		fprintf(out, ":\n%s", argument->choices);
	}
	fputs(argument->required && !argument->positional ? " (required).\n" : ".\n", out);
}

static void verb_item(FILE *out, const struct verb *verb)
{
	char option[VERB_NAME_SIZE_MAX];
	int has_arguments = verb->argument_count > 0;

	fprintf(out, ".It Cm %s", verb->name);
	for (size_t i = 0; i < verb->argument_count; i++) {
		const struct verb_argument *argument = &verb->arguments[i];

		ctl_option_name(argument, option);
		if (argument->positional)
			fprintf(out, argument->required ? " Ar %s%s" : " Op Ar %s%s", option,
			    argument->repeats ? " ..." : "");
	}
	fputc('\n', out);
	text_print(out, verb->help);
	fputc('\n', out);
	if (!(verb->flags & VERB_LOCAL))
		fprintf(out, "Needs the role\n.Em %s .\n", verb_role_name(verb->role));
	if (verb->flags & VERB_IRREVERSIBLE)
		fputs("It cannot be undone, so it asks.\n", out);
	if (!has_arguments)
		return;
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < verb->argument_count; i++)
		argument_item(out, &verb->arguments[i]);
	fputs(".El\n", out);
}

void ctl_manual_print(FILE *out)
{
	fputs(".Bl -tag -width Ds\n"
	      ".It Cm help Op Ar verb\n"
	      "Lists the verbs, or the arguments of one.\n",
	    out);
	for (size_t i = 0; i < verb_count(); i++)
		verb_item(out, verb_at(i));
	fputs(".El\n", out);
}
