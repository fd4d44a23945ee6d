/* SPDX-License-Identifier: Apache-2.0 */
/* What reversals share with the wallet. Included by ledger_*.c only. */
#ifndef SLUICE_LEDGER_WALLET_H
#define SLUICE_LEDGER_WALLET_H

#include "dataplane/ledger/ledger_decision.h"

/*
 * WITHDRAW_CLOSE of an open withdrawal whose money goes back to the customer: type, account,
 * currency, object_id, lines and object of the decision. BALANCE_LIMIT, or OK.
 */
uint16_t withdrawal_give_back(struct decision *decision, const struct object_row *withdrawal);

#endif
