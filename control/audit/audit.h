/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit log: who did what, when, with what before and after; one entry in the same transaction as
 * the change itself. Entries are chained by SHA-256, so that none can be changed, left out or put
 * in without breaking every later one. Kept 7 years: nothing here deletes.
 */
#ifndef SLUICE_CONTROL_AUDIT_H
#define SLUICE_CONTROL_AUDIT_H

#include <jansson.h>
#include <stdint.h>

#include "control/database/database.h"

#define AUDIT_UID_CONTROL UINT32_MAX

struct audit_entry {
	uint32_t uid;           /* AUDIT_UID_CONTROL: control itself, or a terminal through it */
	const char *user;       /* name and role for people, e.g. "kim (operator)" */
	const char *action;     /* verb: "market suspend" */
	const char *object;     /* "market 12" */
	json_t *before, *after; /* borrowed, may be NULL */
	const char *outcome;    /* "done", "refused: ..." */
};

/* Inside a database_write body. 0, -EMSGSIZE, -errno. */
SLUICE_MUST_USE int audit_append(struct db_txn *txn, const struct audit_entry *entry);
/* The same in a transaction of its own, for what changes nothing else (refusals, log-ins). */
SLUICE_MUST_USE int audit_note(struct database *database, const struct audit_entry *entry);

struct audit_report {
	uint64_t entries;
	uint64_t first_bad; /* sequence of the first entry that is wrong, 0: none */
	char what[160];
	char head[65]; /* hash of the newest entry, hexadecimal: note it elsewhere to anchor it */
};
/* Walks the whole chain. 0 (also when it is broken: see first_bad) or -errno. */
SLUICE_MUST_USE int audit_verify(const struct database *database, struct audit_report *report);
/* Entries there are. */
SLUICE_MUST_USE int audit_count(const struct database *database, uint64_t *count);
/* The newest `count` entries before `before_sequence` (0: the end), newest first, as
 * [{"sequence","time_ns","uid","user","action","object","outcome","before","after"}]. New
 * reference.
 */
json_t *audit_tail(const struct database *database, uint64_t before_sequence, unsigned count);

#endif
