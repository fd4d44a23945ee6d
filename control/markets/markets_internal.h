/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef SLUICE_CONTROL_MARKETS_INTERNAL_H
#define SLUICE_CONTROL_MARKETS_INTERNAL_H

#include "control/markets/markets.h"
#include "control/markets/rule_fields.h"

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

/* The rules of one version, inside a transaction; -ENOENT. */
SLUICE_MUST_USE int rules_version_get(struct db_txn *txn, uint32_t version, struct rule_set *set);

/* Those in force. */
SLUICE_MUST_USE int rules_in_force_get(struct db_txn *txn, struct rule_set *set);

#endif
