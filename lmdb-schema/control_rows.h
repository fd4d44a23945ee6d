/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's own environment, ROOT/var/lib/sluice/control: tables and records. Same rules as rows.h:
 * little-endian, kind, version and size in front, record_*_read as the only way from bytes.
 * Texts are UTF-8, padded with zeros, always with at least one zero at the end.
 *
 *   meta         "version", "identity", "boot_id", "replication", "journals" (how far each was
 *                seen: control/link/seen.c), "change_times" (number of a change: from it on all
 *                changes of one transaction have one time; missing: none)
 *   terminal     terminal id -> record_control_terminal
 *   certificate  terminal id, SHA-256 of the DER encoding -> record_control_certificate
 *   slot         session slot -> record_control_slot: generations, so that no id comes twice
 *   market       market id -> record_control_market
 *   rules        version -> record_control_rules
 *   command      control sequence -> record_control_command, JSON of the command
 *   audit        sequence -> record_control_audit, JSON of what was done
 *   partner      partner id -> record_control_partner
 *   adjustment   number -> record_control_adjustment: proposals that wait, or waited, for approval
 *   rules_note   version of rules -> record_control_rules_note: who set them and why
 *   subject      kind and id -> record_control_subject (lmdb-schema/control_alerts.h, this and
 * below) alert        number -> record_control_alert alert_history  number ->
 * record_control_alert_history: every step of every alert alert_index  found anew from `alert` when
 * it is missing: which alert an event, a hit or a pattern already has; counts; where reading the
 * logs goes on profile      account -> record_control_profile: factors seen, first, last, how often
 *   watch_list   number -> record_control_watch_list: a list of names, as imported
 *   watch_name   list, hash of the record -> record_control_watch_name: its names
 *   country      ISO 3166 letters -> record_control_country
 *   label        subject, verdict and time of a judged case, or its reference
 *                (control/subjects/labels.c) -> record_control_label; of older programs: subject,
 *                verdict and day -> one zero byte
 *   model        number and piece (4 bytes each) -> so much of the model's file
 *                (dataplane/risk/risk_model_file.h, which has a checksum), CONTROL_MODEL_PIECE a
 *                piece: what a restore makes the file of
 *   change       sequence -> record_control_change, key, value: every put of a replicated table in
 *                order; what replication sends and restore replays
 */
#ifndef SLUICE_LMDB_SCHEMA_CONTROL_ROWS_H
#define SLUICE_LMDB_SCHEMA_CONTROL_ROWS_H

#include "lmdb-schema/rows.h"

/* X(NAME, name, replicated) */
#define CONTROL_TABLES(X)                                                                          \
	X(META, "meta", 0)                                                                         \
	X(TERMINAL, "terminal", 1)                                                                 \
	X(CERTIFICATE, "certificate", 1)                                                           \
	X(SLOT, "slot", 0)                                                                         \
	X(MARKET, "market", 1)                                                                     \
	X(RULES, "rules", 1)                                                                       \
	X(COMMAND, "command", 1)                                                                   \
	X(AUDIT, "audit", 1)                                                                       \
	X(CHANGE, "change", 0)                                                                     \
	X(PARTNER, "partner", 1)                                                                   \
	X(ADJUSTMENT, "adjustment", 1)                                                             \
	X(RULES_NOTE, "rules_note", 1)                                                             \
	X(SUBJECT, "subject", 1)                                                                   \
	X(ALERT, "alert", 1)                                                                       \
	X(ALERT_HISTORY, "alert_history", 1)                                                       \
	X(ALERT_INDEX, "alert_index", 0)                                                           \
	X(PROFILE, "profile", 0)                                                                   \
	X(WATCH_LIST, "watch_list", 1)                                                             \
	X(WATCH_NAME, "watch_name", 1)                                                             \
	X(COUNTRY, "country", 1)                                                                   \
	X(LABEL, "label", 1)                                                                       \
	X(MODEL, "model", 1)

enum control_table {
#define CONTROL_TABLE_ENUM(name, text, replicated) CONTROL_TABLE_##name,
	CONTROL_TABLES(CONTROL_TABLE_ENUM)
#undef CONTROL_TABLE_ENUM
	    CONTROL_TABLE_COUNT,
};

/* Behind those of rows.h. */
enum record_control_kind {
	RECORD_CONTROL_IDENTITY = 32,
	RECORD_CONTROL_TERMINAL = 33,
	RECORD_CONTROL_CERTIFICATE = 34,
	RECORD_CONTROL_SLOT = 35,
	RECORD_CONTROL_MARKET = 36,
	RECORD_CONTROL_RULES = 37,
	RECORD_CONTROL_COMMAND = 38,
	RECORD_CONTROL_AUDIT = 39,
	RECORD_CONTROL_CHANGE = 40,
	/* 41: RECORD_CONTROL_REPLICATION below */
	RECORD_CONTROL_PARTNER = 42,
	RECORD_CONTROL_ADJUSTMENT = 43,
	RECORD_CONTROL_RULES_NOTE = 44,
	RECORD_CONTROL_SUBJECT = 45,
	RECORD_CONTROL_ALERT = 46,
	RECORD_CONTROL_ALERT_HISTORY = 47,
	RECORD_CONTROL_ALERT_COUNTS = 48,
	RECORD_CONTROL_ALERT_CURSOR = 49,
	RECORD_CONTROL_PROFILE = 50,
	RECORD_CONTROL_WATCH_LIST = 51,
	RECORD_CONTROL_WATCH_NAME = 52,
	RECORD_CONTROL_COUNTRY = 53,
	RECORD_CONTROL_LABEL = 54,
	/* 55: RECORD_CONTROL_SEEN below */
};

/* Taken: the record of control/replication/position.c, in meta; read and written only there. */
#define RECORD_CONTROL_REPLICATION 41
/* Taken: the record of control/link/seen.c, likewise. */
#define RECORD_CONTROL_SEEN 55

struct record_control_identity {
	struct record_header header;
	uint8_t deployment[72];
	struct le64 created_ns;
};
ASSERT_SIZE(struct record_control_identity, 88);

enum control_terminal_state {
	CONTROL_TERMINAL_ACTIVE = 1,
	CONTROL_TERMINAL_BLOCKED = 2, /* refused until unblocked */
	CONTROL_TERMINAL_REVOKED = 3, /* its certificates are worth nothing; enrol anew */
};

struct record_control_terminal {
	struct record_header header;
	struct le64 id;
	struct le64 version; /* counts changes of this terminal */
	/* The version that last ended its sessions (block, revoke, enrolment), 0: none did. A
	 * session admitted under an earlier version is void, whatever a crash kept from being told.
	 */
	struct le64 sessions_void_version;
	struct le64 created_ns, changed_ns;
	struct le64s daily_max; /* stakes a day; 0: the rules' limit */
	struct le32 rights;
	struct le32 rate_per_s, rate_burst; /* 0: the configured default */
	uint8_t state;                      /* control_terminal_state */
	uint8_t reserved[3];
	uint8_t certificate[32]; /* key of the newest one, zero: none */
	uint8_t name[64];
	uint8_t location[64];
};
ASSERT_SIZE(struct record_control_terminal, 232);
ASSERT_OFFSET(struct record_control_terminal, rights, 56);
ASSERT_OFFSET(struct record_control_terminal, certificate, 72);

enum control_certificate_state {
	CONTROL_CERTIFICATE_VALID = 1,
	CONTROL_CERTIFICATE_REPLACED = 2, /* renewed; good until its successor is used once */
	CONTROL_CERTIFICATE_REVOKED = 3,
};

struct record_control_certificate {
	struct record_header header;
	uint8_t sha256[32];
	uint8_t serial[20]; /* big-endian */
	uint8_t state;      /* control_certificate_state */
	uint8_t reserved[3];
	struct le64 terminal_id;
	struct le64 not_before_s, not_after_s; /* Unix time */
	struct le64 issued_ns, revoked_ns;
};
ASSERT_SIZE(struct record_control_certificate, 104);

enum control_slot_state {
	CONTROL_SLOT_OVER = 0,   /* the session is known to have ended */
	CONTROL_SLOT_LIVE = 1,   /* not ended as far as control knows */
	CONTROL_SLOT_ENDING = 2, /* to be ended; the data plane may still have it */
};

struct record_control_slot {
	struct record_header header;
	struct le32 session_id; /* the last one given out in this slot */
	uint8_t state;          /* control_slot_state */
	uint8_t reserved[3];
	struct le64 terminal_id;
	struct le64 terminal_version; /* of the terminal's row that admitted it */
	struct le64 established_ns, expires_ns;
};
ASSERT_SIZE(struct record_control_slot, 48);

struct record_control_market {
	struct record_header header;
	struct le64 id;
	struct event_market market; /* as last committed; version = its control sequence */
	uint8_t name[96];
	uint8_t selections[LIMIT_MARKET_SELECTIONS_MAX][32];
	uint8_t outcomes[4 * LIMIT_MARKET_SELECTIONS_MAX]; /* settlement_outcomes_disk while the
	                                                      state is SETTLED or VOID, else zero */
	uint8_t final; /* 1: the result was made final, by an operator or in time */
	uint8_t reserved[7];
};
ASSERT_SIZE(struct record_control_market, 792);
ASSERT_OFFSET(struct record_control_market, outcomes, 720);

/* Stored as far as it is used (record_control_rules_size): without factors 144 B, as ever. */
struct record_control_rules {
	struct record_header header;
	struct event_rules rules;
	struct le64 set_ns;
	struct event_factor_rules factors; /* section kind 0: there are none */
	struct event_rules_currency currencies[LIMIT_RULES_CURRENCIES_MAX];
};
ASSERT_OFFSET(struct record_control_rules, factors, 144);
ASSERT_OFFSET(struct record_control_rules, currencies, 208);
/* Of them that are used; bytes of the record. */
unsigned record_control_rules_currencies(const struct record_control_rules *record);
size_t record_control_rules_size(const struct record_control_rules *record);

enum control_command_state {
	CONTROL_COMMAND_COMMITTED = 1, /* will be done; not known to be durable on all shards */
	CONTROL_COMMAND_DONE = 2,
	CONTROL_COMMAND_REFUSED = 3, /* the number is used up, nothing was changed */
};

struct record_control_command {      /* followed by text_length bytes of JSON, without sequence */
	struct record_header header; /* size: of this record without the text */
	struct le64 sequence;
	struct le64 committed_ns, done_ns;
	struct le32 text_length;
	uint8_t state; /* control_command_state */
	uint8_t reserved[3];
};
ASSERT_SIZE(struct record_control_command, 40);

struct record_control_audit {        /* followed by text_length bytes of JSON */
	struct record_header header; /* size: of this record without the text */
	struct le64 sequence;        /* from 1, gapless */
	struct le64 time_ns;
	struct le32 uid; /* of the caller, all ones: control itself */
	struct le32 text_length;
	uint8_t previous[32]; /* hash of the entry before, zero for the first */
	uint8_t hash[32];     /* SHA-256 of this record with `hash` zero, then the text */
};
ASSERT_SIZE(struct record_control_audit, 96);
ASSERT_OFFSET(struct record_control_audit, previous, 32);

struct record_control_change {       /* followed by key_length and value_length bytes */
	struct record_header header; /* size: of this record alone */
	struct le64 sequence;
	struct le64 time_ns;
	struct le32 value_length; /* all ones: the key was deleted */
	struct le16 key_length;
	uint8_t table; /* control_table */
	uint8_t reserved[1];
};
ASSERT_SIZE(struct record_control_change, 32);

struct record_control_partner {
	struct record_header header;
	struct le64 id;      /* 1..LIMIT_PARTNER_ID_MAX */
	struct le64 version; /* the number of the command that set it */
	struct le64 created_ns, changed_ns;
	struct le64s exposure_max; /* payouts of its customers' open bets; 0: no limit */
	struct le32 keys_max;      /* idempotency keys held at a time */
	struct le16 currency;      /* of exposure_max */
	uint8_t blocked;
	uint8_t reserved[1];
	uint8_t name[64];
};
ASSERT_SIZE(struct record_control_partner, 120);
ASSERT_OFFSET(struct record_control_partner, keys_max, 48);

enum control_adjustment_state {
	CONTROL_ADJUSTMENT_WAITING = 1,
	CONTROL_ADJUSTMENT_APPROVED = 2, /* its command was committed */
	CONTROL_ADJUSTMENT_REJECTED = 3,
};

/* An adjustment that somebody else must approve. */
struct record_control_adjustment {
	struct record_header header;
	struct le64 number; /* from 1 */
	struct le64 account_id;
	struct le64s amount;                 /* signed change of the balance */
	struct le64 proposed_ns, decided_ns; /* decided_ns 0: not yet */
	struct le64 command;                 /* APPROVED: its control sequence number */
	struct le32 reason;
	struct le32 proposed_uid, decided_uid;
	struct le16 currency;
	uint8_t state; /* control_adjustment_state */
	uint8_t reserved[1];
	uint8_t proposed_by[64], decided_by[64]; /* name and role, as in the audit log */
	uint8_t note[96];
};
ASSERT_SIZE(struct record_control_adjustment, 296);
ASSERT_OFFSET(struct record_control_adjustment, reason, 56);
ASSERT_OFFSET(struct record_control_adjustment, proposed_by, 72);

/* Key in meta. Older programs know nothing of it, and need not. */
#define CONTROL_CHANGE_TIMES "change_times"

#define CONTROL_SCHEMA_VERSION 2
#define CONTROL_MAP_SIZE       (64ull << 20)
#define CONTROL_TEXT_SIZE_MAX  (256u << 10) /* JSON of one command or audit entry */

#define CONTROL_MODEL_PIECE (128u << 10)

/* Opens `directory` (its tables made unless read_only). No version check. */
SLUICE_MUST_USE int control_schema_open(struct db_env **out, const char *directory, int read_only);
/* The table's name; NULL out of range. 1 when its puts belong into `change`. */
const char *control_table_name(unsigned table);
int control_table_replicated(unsigned table);

struct record_header record_control_header(enum record_control_kind kind, size_t size);

/* 0, or -EBADMSG with nothing written. `text` points into bytes. */
SLUICE_MUST_USE int record_control_identity_read(
    struct db_bytes bytes, struct record_control_identity *out);
SLUICE_MUST_USE int record_control_terminal_read(
    struct db_bytes bytes, struct record_control_terminal *out);
SLUICE_MUST_USE int record_control_certificate_read(
    struct db_bytes bytes, struct record_control_certificate *out);
SLUICE_MUST_USE int record_control_slot_read(
    struct db_bytes bytes, struct record_control_slot *out);
SLUICE_MUST_USE int record_control_market_read(
    struct db_bytes bytes, struct record_control_market *out);
SLUICE_MUST_USE int record_control_rules_read(
    struct db_bytes bytes, struct record_control_rules *out);
SLUICE_MUST_USE int record_control_command_read(
    struct db_bytes bytes, struct record_control_command *out, struct db_bytes *text);
SLUICE_MUST_USE int record_control_audit_read(
    struct db_bytes bytes, struct record_control_audit *out, struct db_bytes *text);
SLUICE_MUST_USE int record_control_partner_read(
    struct db_bytes bytes, struct record_control_partner *out);
SLUICE_MUST_USE int record_control_adjustment_read(
    struct db_bytes bytes, struct record_control_adjustment *out);
SLUICE_MUST_USE int record_control_change_read(struct db_bytes bytes,
    struct record_control_change *out, struct db_bytes *key, struct db_bytes *value);

#endif
