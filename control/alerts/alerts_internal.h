/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef SLUICE_CONTROL_ALERTS_INTERNAL_H
#define SLUICE_CONTROL_ALERTS_INTERNAL_H

#include "control/alerts/alerts.h"

/* Inside a transaction. -ENOENT. */
SLUICE_MUST_USE int alert_row(
    struct db_txn *txn, uint64_t number, struct record_control_alert *row);
/*
 * Puts a row, its step of history (`step`; NULL: none) and the counts; `before` NULL: a new one,
 * which gets its number here, and its place in alert_index.
 */
SLUICE_MUST_USE int alert_put(struct db_txn *txn, const struct record_control_alert *before,
    struct record_control_alert *row, const struct record_control_alert_history *step);
/* A step by `user`; action and texts are the caller's to fill in. */
struct record_control_alert_history alert_step_make(
    enum control_alert_action action, uint32_t uid, const char *user);
/* Of a new alert. */
struct record_control_alert alert_make(enum control_alert_reason reason,
    const struct subject *subject, enum control_alert_severity severity);
SLUICE_MUST_USE int alert_counts_row(struct db_txn *txn, struct record_control_alert_counts *row);
struct le64 *alert_counts_raised(struct record_control_alert_counts *row, unsigned reason);
SLUICE_MUST_USE int alert_counts_put(
    struct db_txn *txn, const struct record_control_alert_counts *row);

static inline int alert_is_open(const struct record_control_alert *row)
{
	return row->state == CONTROL_ALERT_NEW || row->state == CONTROL_ALERT_INVESTIGATING;
}

/* alert_index: which alert there is already. 0 with *number, -ENOENT. */
SLUICE_MUST_USE int alert_index_source(
    struct db_txn *txn, uint32_t shard, uint32_t line, uint64_t lsn, uint64_t *number);
SLUICE_MUST_USE int alert_index_recent(
    struct db_txn *txn, const struct subject *subject, uint32_t factor_bits, uint64_t *number);
SLUICE_MUST_USE int alert_index_hit(struct db_txn *txn, const struct subject *subject,
    uint32_t list, uint64_t entry, uint64_t *number);
/* Notes where `row` is to be found by the three above. */
SLUICE_MUST_USE int alert_index_put(struct db_txn *txn, const struct record_control_alert *row);

/* The alert that stands for a limit that was come near to, 0: none does. -ENOENT: none ever did. */
SLUICE_MUST_USE int alert_index_limit(
    struct db_txn *txn, const struct subject *subject, int selection, uint64_t *number);
SLUICE_MUST_USE int alert_index_limit_put(
    struct db_txn *txn, const struct subject *subject, int selection, uint64_t number);
/* The command that told the shards of an alert's last verdict, 0: none did. -ENOENT: not known. */
SLUICE_MUST_USE int alert_index_verdict(struct db_txn *txn, uint64_t number, uint64_t *sequence);
SLUICE_MUST_USE int alert_index_verdict_put(struct db_txn *txn, uint64_t number, uint64_t sequence);
/* The subject's name is to be screened again: alerts_screened knows it no more. */
SLUICE_MUST_USE int alert_index_unscreened(struct db_txn *txn, const struct subject *subject);

#endif
