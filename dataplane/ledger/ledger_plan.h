/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of applying one event: everything that could be wrong was checked and the rows are
 * found. Included by ledger_plan.c and ledger_apply*.c only.
 *
 * Parts: shard, terminal, account, lines, bet, market, objects, retired rows. A row part is due
 * when the row does not exist or is older than the event (row.lsn < event.lsn); the shard part when
 * the event is the next one.
 */
#ifndef SLUICE_LEDGER_PLAN_H
#define SLUICE_LEDGER_PLAN_H

#include "dataplane/ledger/ledger_internal.h"

struct plan {
	struct event_view view;
	struct ledger_line lines[LEDGER_LINES_MAX];
	uint32_t line_rows[LEDGER_LINES_MAX]; /* ROW_NONE: a system account to be made */
	uint8_t line_due[LEDGER_LINES_MAX];
	uint8_t line_count;
	uint32_t object_rows[EVENT_OBJECTS_MAX];
	uint8_t object_due[EVENT_OBJECTS_MAX];
	uint64_t lsn, time_ns, account_id, terminal_id, object_id;
	int64_t amount;
	uint32_t account, terminal, bet, market; /* rows; ROW_NONE: to be created */
	uint16_t type, code, currency;
	struct bet_place bet_place; /* of a new bet */
	uint8_t moves;              /* event_moves */
	uint8_t own;                /* 1: decided from this very state a moment ago */
	uint8_t plain;              /* 1: a plain bet (ledger_plain.h) with these rows */
	struct decided_bet plain_rows;
	uint8_t account_due, terminal_due, bet_due, market_due, shard_due, retire_due;
	struct event_bet_change change; /* of types that have one */
	uint8_t learns;                 /* the risk states learn from `transaction` */
	/* Both made for it, or the judge's own: they point into what follows, or into the ledger.
	 */
	const struct risk_transaction *transaction;
	const struct risk_traits *traits;
	struct risk_transaction transaction_made;
	struct risk_traits traits_made;
};

/* 1 for types whose fixed body is event_bet_change. */
static inline int type_changes_bet(uint16_t type)
{
	return type == EVENT_CANCEL_BET || type == EVENT_BET_SETTLE || type == EVENT_BET_VOID ||
	       type == EVENT_REDEEM || type == EVENT_TICKET_EXPIRE;
}

/* plan->view was read and checked. 0; -EBADMSG: the event does not fit the state; -ENOSPC: a table
 * is full. Changes nothing. */
SLUICE_MUST_USE int ledger_plan_make(const struct ledger *ledger, struct plan *plan);

/*
 * The row of the ith id of a BET_RETIRE or OBJECT_RETIRE. ROW_NONE: it is not there (*known 0), or
 * it is a newer one under the same natural key, made after this event (*known 1).
 */
uint32_t ledger_retired_row(
    const struct ledger *ledger, const struct plan *plan, unsigned i, int *known);

#endif
