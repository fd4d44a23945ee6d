/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What control knows of accounts, terminals and partners besides their rows: name of the holder,
 * country, confirmed and dismissed cases. And the list of countries.
 */
#ifndef SLUICE_CONTROL_SUBJECTS_H
#define SLUICE_CONTROL_SUBJECTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/database/database.h"
#include "lmdb-schema/control_alerts.h"

struct subject {
	enum control_subject_kind kind;
	uint64_t id;
};

/* "account"; NULL for another number. 0 for another word. */
const char *subject_kind_name(unsigned kind);
enum control_subject_kind subject_kind_parse(const char *name);
/* "account 1000" */
#define SUBJECT_TEXT_SIZE 40
void subject_text(const struct subject *subject, char out[SUBJECT_TEXT_SIZE]);

/* Inside a transaction: the row, or one that says nothing where there is none (*known 0). */
SLUICE_MUST_USE int subject_row(struct db_txn *txn, const struct subject *subject,
    struct record_control_subject *row, int *known);
/* Inside a transaction: notes a change of the row, if there is one, so that its name is looked at.
 */
SLUICE_MUST_USE int subject_touch(struct db_txn *txn, const struct subject *subject);
SLUICE_MUST_USE int subjects_get(const struct database *database, const struct subject *subject,
    struct record_control_subject *row, int *known);

/* What is to change; NULL: as it is, "": none. */
struct subject_settings {
	const char *name, *country;
};
/* 0 with the row as it is then; -ENAMETOOLONG, -EILSEQ (the name), -EINVAL (the country). */
SLUICE_MUST_USE int subjects_set(struct database *database, const struct subject *subject,
    const struct subject_settings *settings, const struct audit_entry *who,
    struct record_control_subject *row);
/* {"kind","id","name","country","confirmed","dismissed","changed_ns"}. New reference. */
json_t *subject_json(const struct record_control_subject *row);
/* Those of one kind (0: all) from `first_id` on, at most `count`. New reference. */
json_t *subjects_list(const struct database *database, enum control_subject_kind kind,
    uint64_t first_id, unsigned count);

/* ---- Feedback (feedback.c) ---- */

struct feedback_case {
	uint64_t account_id, terminal_id, partner_id; /* 0: none */
	uint64_t time_ns;                             /* of what was judged */
	int confirmed, dismissed;                     /* +1, -1 (taken back), 0 */
	/* Taken back: the number feedback_apply gave for the verdict; 0: it is not known, and the
	 * verdict was given at given_ns. */
	uint64_t given, given_ns;
};
/* Inside a database_write body: counts a judged case for whoever it is about, and hands it on to
 * the shards (feedback_send). *sequence: the command's number; 0: the shards need not know. */
SLUICE_MUST_USE int feedback_apply(
    struct db_txn *txn, const struct feedback_case *judged, uint64_t *sequence);

/* ---- Files of labels (labels.c) ---- */

/* So many lines are counted at a time. */
#define LABELS_LOT 64

struct label_counts {
	unsigned labels; /* in the file */
	unsigned added;
	unsigned already;       /* imported before */
	unsigned repeated;      /* the reference stands in the file already */
	unsigned contradicting; /* imported before with the other verdict, which stays */
	unsigned unknown;       /* of a terminal or partner that there is not */
};
/* {"labels","added","skipped","already_imported","repeated","contradicting","unknown"}. New
 * reference. */
json_t *label_counts_json(const struct label_counts *counts);

struct label_import {
	const char *text; /* "kind,id,label,date[,reference]" in CSV, with or without a heading */
	size_t size;
	uint64_t now_ns;
	uint32_t utc_offset_s; /* of dates without a zone */
	const struct audit_entry *who;
	/* Called between two lots: returns once the shards have the command. Not 0: no more is
	 * counted. NULL: all in one transaction. */
	int (*wait)(void *context, uint64_t sequence);
	void *context;
	struct label_counts counts; /* out */
	uint64_t sequence;          /* out: of the last command; 0: none */
};
/*
 * account|terminal|partner, its id, confirmed|false, 2026-11-21 or with a time, and what was
 * judged (its request, bet or event: any text that is the same each time). Nothing of it is counted
 * when a line is wrong: -EINVAL with `message` naming it. What `wait` returned, with a message: the
 * lines before it are counted. -errno without a message.
 */
SLUICE_MUST_USE int feedback_import(
    struct database *database, struct label_import *import, char *message, size_t message_size);

/*
 * At a start: labels that an older program noted where they were not replicated are noted anew, so
 * that backup, re-sharding and replication have them. 0 or -errno.
 */
SLUICE_MUST_USE int feedback_labels_take(struct database *database);

/* ---- What lists say, on the shards (flags.c); inside a database_write body ---- */

/* Tells the shards when it is another than before (*told 1: there is a command): control_told bits,
 * number of the country. -EAGAIN, -ESTALE: not now, as commands_append says. */
SLUICE_MUST_USE int subject_flags_tell(
    struct db_txn *txn, uint64_t account_id, unsigned flags, uint16_t country, int *told);
/* The shards refused this command. Nothing to do for any but that of flags. */
SLUICE_MUST_USE int subject_flags_refused(struct db_txn *txn, const json_t *command);
/* The account was opened: what waited for that is told by the next screening. */
SLUICE_MUST_USE int subject_flags_opened(struct db_txn *txn, uint64_t account_id);

/* ---- Countries (countries.c) ---- */

/* ISO 3166-1 numeric of three letters; 0: there is no such country. */
uint16_t country_number(const uint8_t letters[3]);
/* The other way round: "KOR"; NULL for a number of no country. */
const char *country_letters(uint16_t number);

/* "none", "monitored", "high" */
const char *country_level_name(unsigned level);
/* -1 for another word. */
int country_level_parse(const char *name);
/* -ENOENT: not on the list. */
SLUICE_MUST_USE int country_row(
    struct db_txn *txn, const uint8_t code[3], struct record_control_country *row);
SLUICE_MUST_USE int country_set(struct database *database, const char *code,
    enum control_country_level level, const struct audit_entry *who,
    struct record_control_country *row);
/* "iso3,fatf_status" with a heading line; replaces the list. -EINVAL with `message`. */
SLUICE_MUST_USE int countries_import(struct database *database, const char *text, size_t size,
    const char *dated, const struct audit_entry *who, unsigned *count, char *message,
    size_t message_size);
json_t *country_json(const struct record_control_country *row);
/* New reference. */
json_t *countries_list(const struct database *database);

/* ---- Lines of CSV (csv.c) ---- */

/* Behind a byte order mark, which says nothing in UTF-8. */
const char *text_begin(const char *text);

#define CSV_FIELDS_MAX 16
struct csv {
	const char *at, *end;
	unsigned line; /* of the row just read, from 1 */
	unsigned count;
	const char *fields[CSV_FIELDS_MAX]; /* into `buffer` */
	char buffer[4096];
};
void csv_begin(struct csv *csv, const char *text, size_t size);
/* The next row, quotes taken off ("" is one), blanks around fields too; empty lines are passed
 * over. 1; 0: the end; -EINVAL: a row too long, with too many fields, a quote left open, or a zero
 * byte. */
SLUICE_MUST_USE int csv_next(struct csv *csv);

#endif
