/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain bet: accepted, paid by an account, without lines or objects, the shard's next event,
 * and account, terminal and STAKES have rows. It is nearly all there is, so it is carried out in
 * one piece, with nothing looked at that it cannot have. Everything else, and a bet of which not
 * all is due, goes through ledger_plan.c and the parts of ledger_apply.c, which come to the same.
 * Included by ledger_*.c only.
 */
#ifndef SLUICE_LEDGER_PLAIN_H
#define SLUICE_LEDGER_PLAIN_H

#include "dataplane/ledger/ledger_internal.h"

struct plain_bet {
	const struct event_record *record;
	const uint8_t *legs;     /* its fixed body */
	struct decided_bet rows; /* account, terminal, stakes */
	struct bet_place place;
	/* What the risk states learn; NULL: nothing. */
	const struct risk_transaction *transaction;
	const struct risk_traits *traits;
};

/* 1: what the event assumes is so, of the shard and of these rows, which may be anybody's. The
 * record is that of an accepted bet with an amount below zero. */
int ledger_plain_fits(
    const struct ledger *ledger, const struct event_record *record, const struct decided_bet *rows);

/* Of a bet that fits, and has its markets and its place in the index. Cannot fail. */
void ledger_plain_apply(struct ledger *ledger, const struct plain_bet *bet);

/* The event of the bet that was decided last, from the decision's own rows. 0: it is not that, or
 * not a plain one, or something does not fit: nothing was done, the planners find out. */
SLUICE_MUST_USE int ledger_plain_apply_decided(
    struct ledger *ledger, const uint8_t *event, size_t length);

#endif
