/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts: what wants a person's look. They come out of the shards' logs (follow.h), from watch
 * lists, from limits that are near, and by hand.
 *
 *   NEW --> INVESTIGATING --> CLOSED, confirmed or false
 *                         \-> REPORTED, with a reference --> CLOSED
 *   CLOSED --> INVESTIGATING: looked at again; its verdict is taken back
 *
 * Every step is a row of history, and one by a person an audit entry too, in the same transaction.
 * Closing one of a score, or one that a person raised, counts a confirmed or dismissed case of the
 * account, its terminal and its partner.
 */
#ifndef SLUICE_CONTROL_ALERTS_H
#define SLUICE_CONTROL_ALERTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/database/database.h"
#include "control/subjects/subjects.h"
#include "lmdb-schema/control_alerts.h"

/* ---- Raising; inside a database_write body ---- */

/* One decision of the log, with those like it (same account and factors) that followed it. */
struct alert_event {
	uint32_t shard, line;
	uint64_t lsn, last_lsn;
	uint64_t time_ns, last_ns;
	uint64_t hash; /* of the event at lsn */
	uint64_t account_id, terminal_id, object_id;
	int64_t amount;
	uint32_t partner_id, factor_bits, rule_version, count;
	uint16_t code, currency;
	uint8_t score; /* the highest */
};
/*
 * Raises an alert, or counts the event in one that stands: same account and factors, begun less
 * than suppress_ns before, and not confirmed or reported. *number: 0 when none was raised. An event
 * that has its alert already, or is counted already, changes nothing.
 */
SLUICE_MUST_USE int alerts_raise_event(
    struct db_txn *txn, const struct alert_event *event, uint64_t suppress_ns, uint64_t *number);

/* A name like one on a watch list. */
struct alert_hit {
	struct subject subject;
	uint32_t list;
	uint64_t entry, name_hash, entry_hash;
	uint16_t similarity; /* 1/1000 */
	const char *text;
};
/* *number: 0 when this pair of names has had its alert, whatever was decided. */
SLUICE_MUST_USE int alerts_raise_hit(
    struct db_txn *txn, const struct alert_hit *hit, uint64_t *number);

/* By the country of a subject; once for each subject and country level. */
SLUICE_MUST_USE int alerts_raise_country(struct db_txn *txn, const struct subject *subject,
    const struct record_control_country *country, uint64_t *number);

/* What is counted up to a limit: payouts of open bets, stakes of a day. */
struct alert_limit {
	struct subject subject;
	int selection; /* of a market; -1: none */
	int64_t amount, limit;
	uint16_t currency;
	const char *text; /* whose */
};
#define ALERT_LIMIT_NEAR_PERCENT 80
#define ALERT_LIMIT_AWAY_PERCENT 70
/*
 * An alert when it comes to 80 % of its limit; no other before it was below 70 % again, whatever
 * control or the alert come to meanwhile. *near: it counts as near now. *number: of the alert, 0:
 * none was raised. Writes only at a crossing.
 */
SLUICE_MUST_USE int alerts_limit_see(
    struct database *database, const struct alert_limit *limit, int *near, uint64_t *number);

/* Was the alert of such a hit, or of such a country, closed as false? Only the pair of names it was
 * raised for counts; of a hit nothing but subject, list, entry and hashes is looked at. */
SLUICE_MUST_USE int alerts_hit_dismissed(
    struct db_txn *txn, const struct alert_hit *hit, int *dismissed);
SLUICE_MUST_USE int alerts_country_dismissed(struct db_txn *txn, const struct subject *subject,
    const struct record_control_country *country, int *dismissed);

/* What the subject's name was screened as last, a hash of the screening's own; -ENOENT: it was not,
 * or a verdict on one of its hits was given or taken back since. */
SLUICE_MUST_USE int alerts_screened(
    struct db_txn *txn, const struct subject *subject, uint64_t *state);
SLUICE_MUST_USE int alerts_screened_put(
    struct db_txn *txn, const struct subject *subject, uint64_t state);

/* Brings alert_index back when it is missing (a database restored from PostgreSQL). */
SLUICE_MUST_USE int alerts_open(struct database *database);
/* Where reading a shard's log goes on; -ENOENT: nowhere yet. */
SLUICE_MUST_USE int alerts_cursor_get(
    struct db_txn *txn, uint32_t shard, struct record_control_alert_cursor *cursor);
SLUICE_MUST_USE int alerts_cursor_put(
    struct db_txn *txn, uint32_t shard, uint64_t lsn, uint64_t hash, uint32_t line);
/* Counts events that could not be read. */
SLUICE_MUST_USE int alerts_skipped_add(struct db_txn *txn, uint64_t count);

/* ---- By people ---- */

struct alert_manual {
	struct subject subject;
	uint64_t terminal_id; /* 0: none */
	enum control_alert_severity severity;
	const char *text;
};
/* 0 with the row; -ENAMETOOLONG, -EILSEQ; -EINVAL: no such subject can be. */
SLUICE_MUST_USE int alerts_create(struct database *database, const struct alert_manual *manual,
    const struct audit_entry *who, struct record_control_alert *row);

/* One step. NULL and 0: nothing of the kind. */
struct alert_step {
	enum control_alert_state state; /* INVESTIGATING, CLOSED (with verdict), REPORTED */
	enum control_alert_verdict verdict;
	const char *report;   /* REPORTED: the reference */
	const char *assignee; /* "": nobody's */
	enum control_alert_severity severity;
	const char *note;
};
/* 0 with the row as it is then; -ENOENT; -EPERM: from its state there is no such step;
 * -ENAMETOOLONG, -EILSEQ (a text). */
SLUICE_MUST_USE int alerts_step(struct database *database, uint64_t number,
    const struct alert_step *step, const struct audit_entry *who, struct record_control_alert *row);

/* ---- Looking ---- */

SLUICE_MUST_USE int alerts_get(
    const struct database *database, uint64_t number, struct record_control_alert *row);
struct alert_filter {
	uint64_t before; /* 0: the newest */
	unsigned count;
	unsigned state, severity, reason; /* 0: any */
	int open;                         /* 1: only NEW and INVESTIGATING */
	struct subject subject;           /* kind 0: any */
	const char *assignee;             /* NULL: any */
};
/* Newest first. New reference. */
json_t *alerts_list(const struct database *database, const struct alert_filter *filter);
json_t *alert_json(const struct record_control_alert *row);
/* Every step of one, oldest first. New reference. */
json_t *alerts_history(const struct database *database, const struct record_control_alert *row);

struct alerts_counts {
	uint64_t open[CONTROL_ALERT_SEVERITY_MAX]; /* by severity - 1 */
	uint64_t raised[CONTROL_ALERT_REASON_MAX]; /* by reason - 1 */
	uint64_t suppressed, skipped;
};
SLUICE_MUST_USE int alerts_counts(const struct database *database, struct alerts_counts *counts);

/* "new", "low", "risk", "confirmed"; NULL for another number. Parsers give 0 for another word. */
const char *alert_state_name(unsigned state);
const char *alert_severity_name(unsigned severity);
const char *alert_reason_name(unsigned reason);
const char *alert_verdict_name(unsigned verdict);
enum control_alert_state alert_state_parse(const char *name);
enum control_alert_severity alert_severity_parse(const char *name);
enum control_alert_reason alert_reason_parse(const char *name);

/* ---- Profiles (profiles.c) ---- */

/* What was seen of one account since its row was last written. */
struct profile_seen {
	uint64_t account_id;
	uint32_t factor_bits, partner_id; /* partner 0: not told */
	int opened;
	struct {
		uint64_t first_ns, last_ns, count;
	} factors[CONTROL_PROFILE_ENTRIES_MAX];
};
SLUICE_MUST_USE int profile_add(struct db_txn *txn, const struct profile_seen *seen);
/* 0: nobody's, or not known. */
SLUICE_MUST_USE int profile_partner(struct db_txn *txn, uint64_t account_id, uint32_t *partner_id);
/* {"account","partner","factors":[{"factor","count","first_ns","last_ns"}],"subject":{...},
 * "alerts":[...]}, with nothing in it for an account nobody knows of. New reference; NULL. */
json_t *profile_json(const struct database *database, uint64_t account_id, unsigned alerts_max);

#endif
