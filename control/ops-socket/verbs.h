/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of sluicectl: one table drives parsing, help, completion, man page, roles and audit.
 * Shared by control (server) and tools/sluicectl (client); no I/O here.
 *
 * Socket: ROOT/run/sluice/control.sock, one JSON object per line each way, answers in order:
 *   {"verb":"market suspend","arguments":{"market":12},"dry_run":false}
 *   {"ok":true,"schema":"market-suspend/1","result":{...}}
 *   {"ok":false,"error":"what, where, what to do","status":1}     status = sluicectl's exit status
 * dry_run (only with VERB_CHANGES) and arguments may be left out. A result is an object; a table in
 * it is an array of objects under the key named by verb.rows.
 */
#ifndef SLUICE_CONTROL_VERBS_H
#define SLUICE_CONTROL_VERBS_H

#include <stddef.h>
#include <stdint.h>

#define VERB_LINE_SIZE_MAX (8u << 20)
#define VERB_ARGUMENTS_MAX 20
/* Values of a repeated argument. */
#define VERB_REPEATS_MAX 64
/* A file sent as a value: JSON may write a byte of text as two. */
#define VERB_FILE_SIZE_MAX (VERB_LINE_SIZE_MAX / 2 - 4096)
#define VERB_NAME_SIZE_MAX 64

enum verb_role {
	VERB_ROLE_VIEWER = 1,
	VERB_ROLE_OPERATOR,
	VERB_ROLE_RISK,
	VERB_ROLE_ADMIN,
};
const char *verb_role_name(enum verb_role role);
/* Admin may everything; operator and risk each what is theirs and all of viewer. */
int verb_role_may(enum verb_role has, enum verb_role needs);

enum verb_flag {
	VERB_CHANGES = 1u << 0,      /* audited; takes --dry-run */
	VERB_IRREVERSIBLE = 1u << 1, /* asks, or --yes */
	VERB_LOCAL = 1u << 2,        /* answered by sluicectl itself */
	VERB_LIVE = 1u << 4, /* on a terminal asked again every other second, unless --once */
	VERB_SLOW = 1u << 3, /* may take many minutes: sluicectl waits an hour */
};

enum verb_type {
	VERB_NUMBER, /* whole number in [lowest, highest] */
	VERB_TEXT,   /* lowest..highest bytes of UTF-8 without control characters */
	VERB_ODDS,   /* decimal odds "1.85", sent in thousandths */
	VERB_TIME,   /* 2026-11-21T12:00:00Z or with +09:00, sent as Unix ns */
	VERB_CHOICE, /* one of `choices`, separated by '|' */
	VERB_FILE,   /* path: sluicectl reads it, its text is sent */
	VERB_OUT,    /* path: sluicectl writes the result's member `choices` there, is not sent */
	VERB_SWITCH, /* --name alone; sent as true */
	VERB_ON_OFF, /* on | off; sent as a boolean */
	VERB_ID,     /* 1..2^64-1, sent as a string of digits: bet ids use all 64 bits */
};

struct verb_argument {
	const char *name; /* of the JSON member and the option: rate_burst is --rate-burst */
	enum verb_type type;
	uint8_t positional; /* 1: in the order of the table, without --name; the last may repeat */
	uint8_t required;
	uint8_t repeats; /* sent as an array */
	int64_t lowest, highest;
	const char *choices;
	const char *help;
};

struct verb {
	const char *name; /* "market suspend" */
	enum verb_role role;
	uint32_t flags; /* verb_flag */
	const struct verb_argument *arguments;
	size_t argument_count;
	const char *rows;    /* key of the result's table, NULL: a list of key and value */
	const char *columns; /* "id state name": what the table for people shows, in order */
	const char *help;    /* one sentence */
};

/* verbs_risk.c: a part of the table, for verb_at. */
extern const struct verb verbs_risk[];
extern const size_t verbs_risk_count;

const struct verb *verb_find(const char *name);
const struct verb *verb_at(size_t index);
size_t verb_count(void);
size_t verb_index(const struct verb *verb);
/* The argument of this name (JSON member, with '_'); NULL. */
const struct verb_argument *verb_argument_find(const struct verb *verb, const char *name);
/* "market suspend" -> "market-suspend/1", the schema of its result. */
void verb_schema(const struct verb *verb, char out[VERB_NAME_SIZE_MAX]);
/* True when `text` is one of `choices` ("open|closed"). */
int verb_choice_has(const char *choices, const char *text);

/* 1 for the digits of a number from 1 to 2^64 - 1, without sign or leading zeros. NULL is none. */
int verb_id_fits(const char *text);

#endif
