/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion script for bash: four tables out of the table of verbs, and one function.
 *   next    "market" -> the words that may follow
 *   options "market list" -> its options
 *   values  "market list --state" -> words, @file, or nothing; not there: the option takes no value
 *   place   "market import 1" -> the same for the first positional argument
 */
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

static const char function_text[] =
    "# Words of `values` or `place`: choices, or file names.\n"
    "_sluicectl_offer()\n"
    "{\n"
    "\tif [[ $1 == @file ]]; then\n"
    "\t\tcompopt -o filenames 2>/dev/null\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$2\")\n"
    "\telse\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\")\n"
    "\tfi\n"
    "}\n"
    "\n"
    "_sluicectl()\n"
    "{\n"
    "\tlocal IFS=$' \\t\\n' cur=${COMP_WORDS[COMP_CWORD]} word words=\"\" option=\"\" i place=1 "
    "done=0\n"
    "\tCOMPREPLY=()\n"
    "\t# bash splits --name=value into three words.\n"
    "\t[[ $cur == \"=\" ]] && cur=\"\"\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tword=${COMP_WORDS[i]}\n"
    "\t\t[[ $word == \"=\" ]] && continue\n"
    "\t\tif [[ -n $option ]]; then\n"
    "\t\t\toption=\"\"\n"
    "\t\telif [[ $word == --* ]]; then\n"
    "\t\t\tif [[ -n ${_sluicectl_values[$word]+x} ]]; then\n"
    "\t\t\t\toption=$word\n"
    "\t\t\telif [[ -n ${_sluicectl_values[\"$words $word\"]+x} ]]; then\n"
    "\t\t\t\toption=\"$words $word\"\n"
    "\t\t\tfi\n"
    "\t\telif ((done)); then\n"
    "\t\t\tplace=$((place + 1))\n"
    "\t\telif [[ $word != help || -n $words ]]; then\n"
    "\t\t\twords=\"${words:+$words }$word\"\n"
    "\t\t\t[[ -n ${_sluicectl_options[$words]+x} ]] && done=1\n"
    "\t\tfi\n"
    "\tdone\n"
    "\tif [[ -n $option ]]; then\n"
    "\t\t_sluicectl_offer \"${_sluicectl_values[$option]}\" \"$cur\"\n"
    "\telif [[ $cur == -* ]]; then\n"
    "\t\t_sluicectl_offer \"--root --socket --json --timeout --help --version"
    " ${_sluicectl_options[${words:-@}]-}\" \"$cur\"\n"
    "\telif ((done)); then\n"
    "\t\twhile ((place > 1)) && [[ -z ${_sluicectl_place[\"$words $place\"]+x} ]]; do\n"
    "\t\t\tplace=$((place - 1))\n"
    "\t\tdone\n"
    "\t\t_sluicectl_offer \"${_sluicectl_place[\"$words $place\"]-}\" \"$cur\"\n"
    "\telse\n"
    "\t\t_sluicectl_offer \"${_sluicectl_next[${words:-@}]-}\" \"$cur\"\n"
    "\tfi\n"
    "}\n"
    "complete -F _sluicectl sluicectl\n";

/* Each first word once, then what may follow it. */
static void next_print(FILE *out)
{
	fputs("declare -gA _sluicectl_next=(\n\t[@]=\"help", out);
	for (size_t i = 0; i < verb_count(); i++) {
		const char *name = verb_at(i)->name;
		size_t length = strcspn(name, " "), seen = 0;

		for (size_t j = 0; j < i; j++)
			seen |= strcspn(verb_at(j)->name, " ") == length &&
			        strncmp(verb_at(j)->name, name, length) == 0;
		if (!seen)
			fprintf(out, " %.*s", (int)length, name);
	}
	fputs("\"\n", out);
	for (size_t i = 0; i < verb_count(); i++) {
		const char *name = verb_at(i)->name;
		size_t length = strcspn(name, " "), seen = 0;

		for (size_t j = 0; j < i; j++)
			seen |= strncmp(verb_at(j)->name, name, length + 1) == 0;
		if (seen || name[length] == '\0')
			continue;
		fprintf(out, "\t[%.*s]=\"", (int)length, name);
		for (size_t j = i; j < verb_count(); j++)
			if (strncmp(verb_at(j)->name, name, length + 1) == 0)
				fprintf(
				    out, "%s%s", j > i ? " " : "", verb_at(j)->name + length + 1);
		fputs("\"\n", out);
	}
	fputs(")\n", out);
}

static void options_print(FILE *out)
{
	char option[VERB_NAME_SIZE_MAX];

	fputs("declare -gA _sluicectl_options=(\n", out);
	for (size_t i = 0; i < verb_count(); i++) {
		const struct verb *verb = verb_at(i);

		fprintf(out, "\t[\"%s\"]=\"", verb->name);
		for (size_t j = 0; j < verb->argument_count; j++) {
			ctl_option_name(&verb->arguments[j], option);
			if (!verb->arguments[j].positional)
				fprintf(out, "--%s ", option);
		}
		fprintf(out, "%s%s\"\n", verb->flags & VERB_CHANGES ? "--dry-run " : "",
		    verb->flags & VERB_IRREVERSIBLE ? "--yes" : "");
	}
	fputs(")\n", out);
}

static void value_print(FILE *out, const struct verb_argument *argument)
{
	if (argument->type == VERB_FILE || argument->type == VERB_OUT)
		fputs("@file", out);
	else if (argument->type == VERB_ON_OFF)
		fputs("on off", out);
	for (const char *at = argument->type == VERB_CHOICE ? argument->choices : ""; *at != '\0';
	     at++)
		fputc(*at == '|' ? ' ' : *at, out);
}

/* `positional`: of `place`, else of `values`. */
static void values_print(FILE *out, int positional)
{
	char option[VERB_NAME_SIZE_MAX];

	if (positional)
		fputs("declare -gA _sluicectl_place=(\n", out);
	else
		fputs("declare -gA _sluicectl_values=(\n"
		      "\t[--root]=@file\n\t[--socket]=@file\n\t[--timeout]=\"\"\n",
		    out);
	for (size_t i = 0; i < verb_count(); i++) {
		const struct verb *verb = verb_at(i);
		unsigned place = 0;

		for (size_t j = 0; j < verb->argument_count; j++) {
			const struct verb_argument *argument = &verb->arguments[j];

			if (argument->positional != positional || argument->type == VERB_SWITCH)
				continue;
			ctl_option_name(argument, option);
			if (positional)
				fprintf(out, "\t[\"%s %u\"]=\"", verb->name, ++place);
			else
				fprintf(out, "\t[\"%s --%s\"]=\"", verb->name, option);
			value_print(out, argument);
			fputs("\"\n", out);
		}
	}
	fputs(")\n", out);
}

void ctl_completion_print(FILE *out)
{
	fputs("# bash completion of sluicectl, made by `sluicectl completion`. To use it:\n"
	      "#   sluicectl completion > /etc/bash_completion.d/sluicectl   (or: source it)\n",
	    out);
	next_print(out);
	options_print(out);
	values_print(out, 0);
	values_print(out, 1);
	fputs(function_text, out);
}
