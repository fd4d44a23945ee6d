/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef SLUICE_CONTROL_MARKETS_INTERNAL_H
#define SLUICE_CONTROL_MARKETS_INTERNAL_H

#include "control/markets/markets.h"

#define MARKET_OUTCOME_SIZE 24

/* Inside a transaction. -ENOENT. */
SLUICE_MUST_USE int market_row_get(
    struct db_txn *txn, uint64_t market_id, struct record_control_market *row);
SLUICE_MUST_USE int market_row_put(struct db_txn *txn, const struct record_control_market *row);
/* The entry of one market's change. */
SLUICE_MUST_USE int market_audit(struct db_txn *txn, const struct audit_entry *who,
    const struct record_control_market *before, const struct record_control_market *after);

/* The outcomes a row holds. 0; -EBADMSG: none, or not one for each selection. */
SLUICE_MUST_USE int market_row_outcomes(
    const struct record_control_market *row, struct settlement_outcomes *outcomes);
/* "half_win", "dead_heat 1/2". */
void market_outcome_text(struct settlement_outcome outcome, char out[MARKET_OUTCOME_SIZE]);

/* ---- Rules: the fields operators may set ---- */

struct rule_field {
	const char *name, *unit, *help;
	size_t offset, size;
};
extern const struct rule_field rule_fields[];
extern const size_t rule_fields_count;
int64_t rule_field_get(const struct risk_rules *rules, const struct rule_field *field);
/* 0 or -ERANGE when the field is too narrow. */
SLUICE_MUST_USE int rule_field_set(
    struct risk_rules *rules, const struct rule_field *field, int64_t value);
/* By the first `length` characters of a name; NULL. */
const struct rule_field *rule_field_find(const char *name, size_t length);
/* What the checks take for a field beside the others of `rules`, which are good. */
void rule_field_range(const struct risk_rules *rules, const struct rule_field *field,
    int64_t *lowest, int64_t *highest);
/* Applies a file (rules_file.c). 0; -EINVAL with `message` naming the line. */
SLUICE_MUST_USE int rules_file_apply(
    const char *text, struct risk_rules *rules, char *message, size_t message_size);
/* The rules of one version, inside a transaction; -ENOENT. */
SLUICE_MUST_USE int rules_version_get(
    struct db_txn *txn, uint32_t version, struct risk_rules *rules);

#endif
