/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "tools/sluicectl/sluicectl.h"

#define SUGGEST_MAX 64

void ctl_argument_placeholder(const struct verb_argument *argument, char *out, size_t size)
{
	static const char *const words[] = {
		[VERB_NUMBER] = "N",
		[VERB_ID] = "ID",
		[VERB_TEXT] = "TEXT",
		[VERB_ODDS] = "ODDS",
		[VERB_TIME] = "TIME",
		[VERB_FILE] = "FILE",
		[VERB_OUT] = "FILE",
		[VERB_ON_OFF] = "on|off",
	};

	if (argument->type == VERB_CHOICE && !argument->positional)
		snprintf(out, size, "%s", argument->choices);
	else if (!argument->positional)
		snprintf(out, size, "%s",
		    argument->type < SLUICE_ARRAY_COUNT(words) && words[argument->type] != NULL
		        ? words[argument->type]
		        : "");
	else
		snprintf(out, size, "%s", argument->name);
	for (char *at = out; argument->positional && *at != '\0'; at++)
		*at = *at == '_' ? '-' : (char)toupper((unsigned char)*at);
}

/* "--wait-ms N", "MARKET", "ODDS..." */
static void argument_synopsis(const struct verb_argument *argument, char *out, size_t size)
{
	char option[VERB_NAME_SIZE_MAX], placeholder[VERB_NAME_SIZE_MAX];

	ctl_option_name(argument, option);
	ctl_argument_placeholder(argument, placeholder, sizeof(placeholder));
	if (argument->positional)
		snprintf(out, size, "%s%s", placeholder, argument->repeats ? "..." : "");
	else if (argument->type == VERB_SWITCH)
		snprintf(out, size, "--%s", option);
	else
		snprintf(out, size, "--%s %s", option, placeholder);
}

static void synopsis(FILE *out, const struct verb *verb)
{
	char text[3 * VERB_NAME_SIZE_MAX];

	fprintf(out, "Usage: sluicectl %s", verb->name);
	for (int options = 0; options < 2; options++) {
		for (size_t i = 0; i < verb->argument_count; i++) {
			const struct verb_argument *argument = &verb->arguments[i];

			if (argument->positional == options)
				continue;
			argument_synopsis(argument, text, sizeof(text));
			fprintf(out, argument->required ? " %s" : " [%s]", text);
		}
	}
	if (verb->flags & VERB_CHANGES)
		fputs(" [--dry-run]", out);
	if (verb->flags & VERB_IRREVERSIBLE)
		fputs(" [--yes]", out);
	fputc('\n', out);
}

static void argument_range(FILE *out, const struct verb_argument *argument)
{
	char lowest[32], highest[32];

	if (argument->type == VERB_NUMBER) {
		fprintf(out, "; %" PRId64 " to %" PRId64, argument->lowest, argument->highest);
	} else if (argument->type == VERB_ODDS) {
		ctl_odds_text(argument->lowest, lowest);
		ctl_odds_text(argument->highest, highest);
		fprintf(out, "; %s to %s", lowest, highest);
	} else if (argument->type == VERB_TEXT) {
		fprintf(out, "; at most %" PRId64 " bytes", argument->highest);
	} else if (argument->type == VERB_TIME) {
		fputs("; like 2026-11-21T12:00:00Z", out);
	} else if (argument->type == VERB_FILE) {
		fputs("; - is standard input", out);
	} else if (argument->type == VERB_CHOICE && argument->positional) {
		fprintf(out, ": %s", argument->choices);
	}
}

void ctl_help_verb(FILE *out, const struct verb *verb)
{
	char text[3 * VERB_NAME_SIZE_MAX], schema[VERB_NAME_SIZE_MAX];

	synopsis(out, verb);
	fprintf(out, "\n%s\n\n", verb->help);
	for (size_t i = 0; i < verb->argument_count; i++) {
		argument_synopsis(&verb->arguments[i], text, sizeof(text));
		fprintf(out, "  %-24s %s", text, verb->arguments[i].help);
		argument_range(out, &verb->arguments[i]);
		fputc('\n', out);
	}
	if (verb->flags & VERB_CHANGES)
		fprintf(out, "  %-24s %s\n", "--dry-run", "check all of it, change nothing");
	if (verb->flags & VERB_IRREVERSIBLE)
		fprintf(out, "  %-24s %s\n", "--yes", "it cannot be undone: do not ask");
	if (verb->argument_count > 0 || verb->flags & VERB_CHANGES)
		fputc('\n', out);
	if (verb->flags & VERB_LOCAL) {
		fputs("Needs no sluice-control.\n", out);
		return;
	}
	verb_schema(verb, schema);
	fprintf(out, "Role: %s. With --json: schema \"%s\"", verb_role_name(verb->role), schema);
	if (verb->rows != NULL)
		fprintf(out, ", rows under \"%s\"", verb->rows);
	fputs(".\n", out);
}

size_t ctl_help_words(FILE *out, const char *words)
{
	size_t length = strlen(words), count = 0;

	for (size_t i = 0; i < verb_count(); i++) {
		const struct verb *verb = verb_at(i);

		if (length > 0 && (strncmp(verb->name, words, length) != 0 ||
		                      (verb->name[length] != ' ' && verb->name[length] != '\0')))
			continue;
		fprintf(out, "  %-20s %s\n", verb->name, verb->help);
		count++;
	}
	return count;
}

void ctl_help_all(FILE *out)
{
	fputs("Usage: sluicectl [OPTION...] VERB [ARGUMENT...]\n"
	      "\n"
	      "Operates a switch through sluice-control.\n"
	      "\n",
	    out);
	ctl_help_words(out, "");
	fputs("\n"
	      "  help [VERB]          this, or the arguments of one verb\n"
	      "\n"
	      "Options, anywhere on the line:\n"
	      "  --root DIR           root of the instance (SLUICE_ROOT, else build/sluice)\n"
	      "  --socket PATH        control's socket (ROOT/run/sluice/control.sock)\n"
	      "  --json               one JSON object on standard output, with \"schema\"\n"
	      "                       (help, manual and completion print text)\n"
	      "  --timeout S          how long to wait for an answer, in seconds\n"
	      "  --dry-run            check all of a change, make none of it\n"
	      "  --yes                do not ask before what cannot be undone\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit status: 0 done, 1 refused or not well, 2 usage, 3 control unreachable or file\n"
	      "unreadable.\n",
	    out);
}

/* ---- the verb nearest to a mistyped one ---- */

/* Letters changed, added or left out (Levenshtein). */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t row[SUGGEST_MAX + 1];

	if (a_length > SUGGEST_MAX || b_length > SUGGEST_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[b_length];
}

const char *ctl_suggest(const char *words)
{
	static char found[VERB_NAME_SIZE_MAX];
	int two = strchr(words, ' ') != NULL;
	size_t length = strlen(words), best = length / 3 + 1;

	found[0] = '\0';
	for (size_t i = 0; i < verb_count(); i++) {
		const char *name = verb_at(i)->name;
		const char *space = strchr(name, ' ');
		/* Compared with as many words as were typed. */
		size_t compared = two || space == NULL ? strlen(name) : (size_t)(space - name);
		size_t far = distance(words, length, name, compared);

		if (!two && space != NULL && strcmp(space + 1, words) == 0) {
			/* "suspend": the word is right, its place is not. */
			compared = strlen(name);
			far = 0;
		}
		if (far < best) {
			best = far;
			snprintf(found, sizeof(found), "%.*s", (int)compared, name);
		}
	}
	return found[0] != '\0' ? found : NULL;
}
