/* SPDX-License-Identifier: Apache-2.0 */
/* Private to tools/sluicectl. Everything about single verbs comes from control/ops-socket/verbs.h.
 */
#ifndef SLUICE_SLUICECTL_H
#define SLUICE_SLUICECTL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/ops-socket/verbs.h"
#include "wire/assert.h"

enum ctl_status {
	CTL_DONE = 0,
	CTL_REFUSED = 1,
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3,
};

#define CTL_MESSAGE_SIZE  1024
#define CTL_TIMEOUT_S_MAX 86400

/* One command line, parsed. ctl_command_free releases. */
struct ctl_command {
	enum {
		CTL_CALL,    /* a verb */
		CTL_HELP,    /* of `verb`, or of everything that begins with `words` */
		CTL_VERSION, /* program and version */
	} kind;
	const char *root;   /* --root, NULL: SLUICE_ROOT, else build/sluice */
	const char *socket; /* --socket, NULL: below root */
	uint32_t timeout_s; /* --timeout, 0: by the verb */
	int json, yes, dry_run;
	const struct verb *verb;
	char words[VERB_NAME_SIZE_MAX];
	json_t *arguments;                         /* to send */
	const char *out_paths[VERB_ARGUMENTS_MAX]; /* VERB_OUT, by index of the argument */
};

/* ---- arguments.c ---- */

/*
 * Parses argv[1..]. VERB_FILE values are read here ("-": standard input). 0 (CTL_DONE), or
 * CTL_USAGE or CTL_UNREACHABLE (a file that cannot be read) with `message`.
 */
SLUICE_MUST_USE enum ctl_status ctl_command_parse(
    int argc, char **argv, struct ctl_command *command, char *message, size_t message_size);
void ctl_command_free(struct ctl_command *command);
/* Option of an argument: rate_burst -> "rate-burst". */
void ctl_option_name(const struct verb_argument *argument, char out[VERB_NAME_SIZE_MAX]);

/* ---- values.c: text to the value sent, digit by digit ---- */

/* All return 0, -EINVAL (not of this form) or -ERANGE. */
SLUICE_MUST_USE int ctl_value_number(
    const char *text, int64_t lowest, int64_t highest, int64_t *value);
/* "1.85" -> 1850; at most three digits behind the point. */
SLUICE_MUST_USE int ctl_value_odds(
    const char *text, int64_t lowest, int64_t highest, int64_t *value);
/* "2026-11-21T12:00:00Z", "2026-11-21T21:00+09:00" -> Unix ns. */
SLUICE_MUST_USE int ctl_value_time(const char *text, int64_t *value);
SLUICE_MUST_USE int ctl_value_on_off(const char *text, int *value);
/* Thousandths as decimal odds: 1850 -> "1.850". */
void ctl_odds_text(int64_t thousandths, char out[32]);

/* ---- files.c ---- */

/* Reads a file of UTF-8 text of at most VERB_FILE_SIZE_MAX bytes into a JSON string. */
SLUICE_MUST_USE int ctl_file_read(
    const char *path, json_t **text, char *message, size_t message_size);

/* A file that appears whole or not at all, mode 0644. Made before the verb is sent, so that a
 * folder that cannot be written stops it. */
struct ctl_out {
	int fd; /* -1: none */
	const char *path;
	char temporary[4096];
};
SLUICE_MUST_USE int ctl_out_begin(
    struct ctl_out *out, const char *path, char *message, size_t message_size);
SLUICE_MUST_USE int ctl_out_commit(
    struct ctl_out *out, const char *text, size_t size, char *message, size_t message_size);
void ctl_out_abandon(struct ctl_out *out);

/* ---- client.c ---- */

/* ROOT/run/sluice/control.sock, or the path given. 0 or -ENAMETOOLONG. */
SLUICE_MUST_USE int ctl_socket_path(const struct ctl_command *command, char *out, size_t size);
/* How long to wait for an answer, from --timeout, the verb and its wait_ms. */
uint32_t ctl_timeout_s(const struct ctl_command *command);
/* A line of the server's, as ctl_call gives it. */
SLUICE_MUST_USE enum ctl_status ctl_answer_read(const char *text, size_t size, json_t **result,
    char schema[VERB_NAME_SIZE_MAX], char *message, size_t message_size);
/*
 * Sends one request and takes its answer. CTL_DONE with *result (a new reference) and `schema`, or
 * what the server said, or CTL_UNREACHABLE; with `message`.
 */
SLUICE_MUST_USE enum ctl_status ctl_call(const char *path, const json_t *request,
    uint32_t timeout_s, json_t **result, char schema[VERB_NAME_SIZE_MAX], char *message,
    size_t message_size);

/* ---- text.c: what goes to a terminal ---- */

/* Columns that UTF-8 text takes on a terminal: 2 for a Korean syllable. */
size_t ctl_text_width(const char *text);
/* Writes text with control characters and direction marks as '?', so that no name can move the
 * cursor. Returns its width. */
size_t ctl_text_print(FILE *out, const char *text);

/* ---- render.c, table.c, change.c ---- */

/* A value as people read it; `name` decides about time, money and odds. A new string. */
char *ctl_value_text(const char *name, const json_t *value);
/* True for members that are times, with or without "_ns". */
int ctl_name_is_time(const char *name);
/* True for Unix nanoseconds, by name and size. */
int ctl_value_is_time(const char *name, const json_t *value);
/* What differs between "before" and "after" of a row: "state open -> closed". A new string. */
char *ctl_change_text(const json_t *row);
/* The result of a verb for people. */
void ctl_render(FILE *out, const struct verb *verb, const json_t *result);
/* `rows`: array of objects; `columns` "id state", NULL: those of all rows. */
void ctl_table_render(FILE *out, const json_t *rows, const char *columns);

/* ---- help.c, completion.c, manual.c ---- */

void ctl_help_all(FILE *out);
void ctl_help_verb(FILE *out, const struct verb *verb);
/* Verbs that begin with these words; returns how many. */
size_t ctl_help_words(FILE *out, const char *words);
/* The verb nearest to what was typed; NULL when nothing is near. */
const char *ctl_suggest(const char *words);
/* "terminal set TERMINAL [--name TEXT] ..."; also used by the manual. */
void ctl_argument_placeholder(const struct verb_argument *argument, char *out, size_t size);
void ctl_completion_print(FILE *out);
void ctl_manual_print(FILE *out);

#endif
