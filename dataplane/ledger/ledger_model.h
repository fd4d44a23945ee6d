/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The learned model in the ledger. Rules say which version is asked and whether it acts (shadow,
 * active); whoever owns the ledger hands it the model of that version. A decision that asked a
 * model has version, margin and points in its event: replay never evaluates one.
 *
 * Trees are evaluated for many rows at a time (risk_model.h), so the owner says beforehand what it
 * is about to decide. The result is that of asking one by one: what was reckoned is taken only for
 * the same request, at the same time, when neither account nor terminal has changed since.
 */
#ifndef SLUICE_LEDGER_MODEL_H
#define SLUICE_LEDGER_MODEL_H

#include "dataplane/ledger/ledger.h"
#include "dataplane/risk/risk_model.h"

/* The caller keeps *model as it is until another one is set. NULL: none. Its features are those of
 * this program (risk_model_file_read sees to it). */
void ledger_model_set(struct ledger *ledger, const struct risk_model *model, uint32_t version);
/* 1: the rules ask the model that is set. */
int ledger_model_asked(const struct ledger *ledger);

struct ledger_model_ask {
	const struct wire_request *wire;
	uint64_t terminal_id;
};
/*
 * Before a burst of decisions at time_ns: asks the model about the bets among them, at most
 * RISK_MODEL_BURST. Forgets what it was told before. Nothing when the rules ask no model.
 */
void ledger_model_burst(
    struct ledger *ledger, const struct ledger_model_ask *asks, unsigned count, uint64_t time_ns);

#endif
