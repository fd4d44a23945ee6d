/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view in two steps: what factors look at, and the decayed counts and sums that only a model
 * does. Most decisions ask no model, and the second step is most of the cost.
 */
#ifndef SLUICE_RISK_VIEW_H
#define SLUICE_RISK_VIEW_H

#include "dataplane/risk/risk_state.h"

/* Everything but account_counts, the sums, high_7d, in_*, the terminal's counts of 24 h and 30
 * days, the shares, both states' idle times, sources, visitors, the visitor's rank, and who was
 * seen or has paid: these are not set. */
void risk_view_begin(struct risk_view *view, const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    uint64_t account_id);
/* The same, of a transaction whose traits the caller has made. */
void risk_view_begin_traits(struct risk_view *view, const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    const struct risk_traits *traits);
/* The rest; both together are risk_view_make. */
void risk_view_complete(struct risk_view *view);

#endif
