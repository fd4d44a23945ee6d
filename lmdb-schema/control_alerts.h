/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's records of alerts, of whom they are about (subjects), of watch lists and countries.
 * Rules and tables: control_rows.h.
 */
#ifndef SLUICE_LMDB_SCHEMA_CONTROL_ALERTS_H
#define SLUICE_LMDB_SCHEMA_CONTROL_ALERTS_H

#include "lmdb-schema/control_rows.h"

/* ---- Rules: who set a version, and why ---- */

enum control_rules_state {
	CONTROL_RULES_SENT = 0,    /* in force, or was */
	CONTROL_RULES_STORED = 1,  /* and was never in force */
	CONTROL_RULES_REFUSED = 2, /* by the shards: was never in force */
};
#define CONTROL_RULES_STATE_MAX CONTROL_RULES_REFUSED

struct record_control_rules_note {
	struct record_header header;
	struct le32 version;
	struct le32 copied_from; /* rollback: whose content it has; 0: its own */
	struct le32 uid;
	uint8_t state; /* control_rules_state */
	uint8_t reserved[3];
	uint8_t user[64];
	uint8_t note[160];
	uint8_t refusal[240]; /* REFUSED: the shards' words; earlier records end before it */
};
ASSERT_SIZE(struct record_control_rules_note, 488);
ASSERT_OFFSET(struct record_control_rules_note, refusal, 248);

/* ---- Subjects ---- */

enum control_subject_kind {
	CONTROL_SUBJECT_ACCOUNT = 1,
	CONTROL_SUBJECT_TERMINAL = 2,
	CONTROL_SUBJECT_PARTNER = 3,
	CONTROL_SUBJECT_MARKET = 4, /* of alerts alone: it has no row of a subject */
};
#define CONTROL_SUBJECT_KIND_MAX CONTROL_SUBJECT_MARKET

enum control_told {
	CONTROL_TOLD_PEP = 1,
	CONTROL_TOLD_SANCTIONED = 2,
	CONTROL_TOLD_COUNTRY_RISK = 4,
};
#define CONTROL_TOLD_ALL 7

/* What control knows of one account, terminal or partner besides its own row. */
struct record_control_subject {
	struct record_header header;
	struct le64 id;
	struct le64 changed_ns;
	struct le32 confirmed, dismissed; /* cases */
	uint8_t kind;                     /* control_subject_kind */
	uint8_t country[3];               /* ISO 3166-1 alpha-3, zero: not known */
	/* ACCOUNT: what the shards were told of it last, and whether they refused that for want of
	 * such an account. */
	uint8_t told; /* control_told bits */
	uint8_t told_waits;
	struct le16 told_country; /* ISO 3166-1 numeric, 0: none */
	uint8_t name[128]; /* of the holder; empty: not known, or the terminal's or partner's own */
};
ASSERT_SIZE(struct record_control_subject, 168);
ASSERT_OFFSET(struct record_control_subject, kind, 32);
ASSERT_OFFSET(struct record_control_subject, name, 40);

/* Followed by one entry for each bit of factor_bits, lowest first. */
struct record_control_profile {
	struct record_header header; /* size: of this record without the entries */
	struct le64 account_id;
	struct le32 factor_bits;
	struct le32 partner_id; /* whose customer; 0: nobody's, or opened before control looked */
};
ASSERT_SIZE(struct record_control_profile, 24);
struct record_control_profile_entry {
	struct le64 first_ns, last_ns, count;
};
ASSERT_SIZE(struct record_control_profile_entry, 24);
#define CONTROL_PROFILE_ENTRIES_MAX 32

/* ---- Alerts ---- */

enum control_alert_state {
	CONTROL_ALERT_NEW = 1,
	CONTROL_ALERT_INVESTIGATING = 2,
	CONTROL_ALERT_CLOSED = 3,
	CONTROL_ALERT_REPORTED = 4, /* to the authority, under `report` */
};
#define CONTROL_ALERT_STATE_MAX CONTROL_ALERT_REPORTED

enum control_alert_severity {
	CONTROL_ALERT_LOW = 1,
	CONTROL_ALERT_MEDIUM = 2,
	CONTROL_ALERT_HIGH = 3,
	CONTROL_ALERT_CRITICAL = 4,
};
#define CONTROL_ALERT_SEVERITY_MAX CONTROL_ALERT_CRITICAL

enum control_alert_reason {
	CONTROL_ALERT_RISK = 1,       /* a decision's score */
	CONTROL_ALERT_WATCH_LIST = 2, /* a name like one on a list */
	CONTROL_ALERT_COUNTRY = 3,    /* a subject of a country on the list */
	CONTROL_ALERT_MANUAL = 4,
	CONTROL_ALERT_LIMIT = 5, /* something is near its limit */
};
#define CONTROL_ALERT_REASON_MAX CONTROL_ALERT_LIMIT

enum control_alert_verdict {
	CONTROL_ALERT_OPEN = 0, /* none yet */
	CONTROL_ALERT_CONFIRMED = 1,
	CONTROL_ALERT_FALSE = 2,
};

struct record_control_alert {
	struct record_header header;
	struct le64 number; /* from 1 */
	struct le64 raised_ns, changed_ns;
	struct le64 first_ns, last_ns; /* of what is counted in it */
	struct le64 subject_id;
	struct le64 terminal_id;
	struct le64 object_id;   /* RISK: the bet */
	struct le64 source_lsn;  /* RISK: of the first event; 0 */
	struct le64 source_hash; /* RISK: XXH3-64 of its bytes */
	struct le64 last_lsn;    /* RISK: of the last event counted */
	struct le64s amount;
	struct le64 entry;                 /* WATCH_LIST: the list's own number of the entry */
	struct le64 name_hash, entry_hash; /* WATCH_LIST: XXH3-64 of both names, normalised */
	struct le64 history_last;          /* number of its newest step */
	struct le32 source_line;           /* RISK: which log of the shard, see the cursor */
	struct le32 factor_bits, rule_version;
	struct le32 count; /* events in it; those behind the first were suppressed */
	struct le32 list;  /* WATCH_LIST */
	struct le32 partner_id;
	struct le16 source_shard, code, currency;
	struct le16 similarity; /* WATCH_LIST: 1/1000 */
	uint8_t subject_kind;   /* control_subject_kind */
	uint8_t reason, state, severity, verdict, score;
	uint8_t reserved[2];
	uint8_t assignee[64];
	uint8_t report[64]; /* REPORTED: the authority's or our own reference */
	uint8_t text[160];  /* what it is about */
};
ASSERT_SIZE(struct record_control_alert, 464);
ASSERT_OFFSET(struct record_control_alert, source_line, 136);
ASSERT_OFFSET(struct record_control_alert, subject_kind, 168);
ASSERT_OFFSET(struct record_control_alert, assignee, 176);

enum control_alert_action {
	CONTROL_ALERT_RAISED = 1,
	CONTROL_ALERT_STATE = 2, /* from and to: control_alert_state */
	CONTROL_ALERT_ASSIGNED = 3,
	CONTROL_ALERT_NOTED = 4,
	CONTROL_ALERT_RATED = 5, /* from and to: control_alert_severity */
};
#define CONTROL_ALERT_ACTION_MAX CONTROL_ALERT_RATED

struct record_control_alert_history {
	struct record_header header;
	struct le64 number;   /* over all alerts, from 1 */
	struct le64 alert;    /* whose */
	struct le64 previous; /* step of the same alert, 0: this is the first */
	struct le64 time_ns;
	struct le32 uid; /* all ones: control itself */
	uint8_t action, from, to;
	uint8_t verdict; /* STATE: the verdict given with it */
	uint8_t user[64];
	uint8_t text[512]; /* note, new assignee, reference */
};
ASSERT_SIZE(struct record_control_alert_history, 624);
ASSERT_OFFSET(struct record_control_alert_history, uid, 40);

/* In alert_index. */
struct record_control_alert_counts {
	struct record_header header;
	struct le64 open[CONTROL_ALERT_SEVERITY_MAX]; /* NEW and INVESTIGATING, by severity - 1 */
	struct le64 raised[CONTROL_ALERT_MANUAL];     /* by reason - 1 */
	struct le64 suppressed;
	struct le64 skipped;      /* events that a log no longer held when they were to be read */
	struct le64 raised_limit; /* earlier records end before it */
};
ASSERT_SIZE(struct record_control_alert_counts, 96);
ASSERT_OFFSET(struct record_control_alert_counts, raised_limit, 88);

/* In alert_index, by shard: the next event to be read is behind it. */
struct record_control_alert_cursor {
	struct record_header header;
	struct le64 lsn;
	struct le64 hash; /* XXH3-64 of the event at lsn; with lsn 0: 0 */
	struct le32 line; /* counts up when the log turns out to be another (a restored switch) */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct record_control_alert_cursor, 32);

/* By subject, verdict and time, or by reference: labels of files that were counted. */
struct record_control_label {
	struct record_header header;
	struct le32 count; /* how many alike; with a reference 1 */
	uint8_t confirmed;
	uint8_t reserved[3];
};
ASSERT_SIZE(struct record_control_label, 16);

/* ---- Watch lists, countries ---- */

struct record_control_watch_list {
	struct record_header header;
	struct le32 number;  /* from 1 */
	struct le32 version; /* counts imports */
	struct le64 imported_ns;
	struct le64 entries, names; /* an entry has one name or more */
	uint8_t sha256[32];         /* of all names, in order */
	uint8_t name[32];
	uint8_t dated[16]; /* what the operator said: "2026-03-22" */
	uint8_t imported_by[64];
};
ASSERT_SIZE(struct record_control_watch_list, 184);

struct record_control_watch_name {   /* followed by the name, as the list has it */
	struct record_header header; /* size: of this record without the name */
	struct le64 entry;
	struct le16 length;
	uint8_t alias; /* 1: not the entry's main name */
	uint8_t reserved[5];
};
ASSERT_SIZE(struct record_control_watch_name, 24);
#define CONTROL_WATCH_NAME_SIZE_MAX 400

enum control_country_level {
	CONTROL_COUNTRY_NONE = 0,
	CONTROL_COUNTRY_MONITORED = 1, /* FATF: increased monitoring */
	CONTROL_COUNTRY_HIGH = 2,      /* FATF: call for action */
};

struct record_control_country {
	struct record_header header;
	struct le64 changed_ns;
	uint8_t code[3]; /* ISO 3166-1 alpha-3 */
	uint8_t level;   /* control_country_level */
	uint8_t reserved[4];
	uint8_t dated[16];
	uint8_t status[64]; /* the list's own words */
};
ASSERT_SIZE(struct record_control_country, 104);

/* 0, or -EBADMSG with nothing written. What points, points into `bytes`. */
SLUICE_MUST_USE int record_control_rules_note_read(
    struct db_bytes bytes, struct record_control_rules_note *out);
SLUICE_MUST_USE int record_control_subject_read(
    struct db_bytes bytes, struct record_control_subject *out);
/* `entries` has room for CONTROL_PROFILE_ENTRIES_MAX. */
SLUICE_MUST_USE int record_control_profile_read(struct db_bytes bytes,
    struct record_control_profile *out, struct record_control_profile_entry *entries);
SLUICE_MUST_USE int record_control_alert_read(
    struct db_bytes bytes, struct record_control_alert *out);
SLUICE_MUST_USE int record_control_alert_history_read(
    struct db_bytes bytes, struct record_control_alert_history *out);
SLUICE_MUST_USE int record_control_alert_counts_read(
    struct db_bytes bytes, struct record_control_alert_counts *out);
SLUICE_MUST_USE int record_control_alert_cursor_read(
    struct db_bytes bytes, struct record_control_alert_cursor *out);
SLUICE_MUST_USE int record_control_label_read(
    struct db_bytes bytes, struct record_control_label *out);
SLUICE_MUST_USE int record_control_watch_list_read(
    struct db_bytes bytes, struct record_control_watch_list *out);
SLUICE_MUST_USE int record_control_watch_name_read(
    struct db_bytes bytes, struct record_control_watch_name *out, struct db_bytes *name);
SLUICE_MUST_USE int record_control_country_read(
    struct db_bytes bytes, struct record_control_country *out);
/* 1 for three letters A-Z. */
int control_country_code_fits(const uint8_t code[3]);

#endif
