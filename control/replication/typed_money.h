/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the double entry and of objects; used by typed.c. 0; -EBADMSG; -ENOMEM. */
#ifndef SLUICE_CONTROL_REPLICATION_TYPED_MONEY_H
#define SLUICE_CONTROL_REPLICATION_TYPED_MONEY_H

#include "control/replication/copy.h"
#include "lmdb-schema/event_sections.h"

/* `postings`: account, time, lsn, amount, line, shard, type, currency, balance, customer. */
SLUICE_MUST_USE int typed_postings(
    struct copy *copy, uint16_t shard, const struct event_view *view);
/* `bet_changes`: bet, time, lsn, stake, payout, payout_before, from_state, to_state, class, type,
 * shard, currency, account, market. Nothing for other types. */
SLUICE_MUST_USE int typed_bet_change(
    struct copy *copy, uint16_t shard, const struct event_view *view);
/* `object_changes`: id, time, lsn, place, kind, state, shard, due, currency, partner, body. */
SLUICE_MUST_USE int typed_objects(struct copy *copy, uint16_t shard, const struct event_view *view);

#endif
