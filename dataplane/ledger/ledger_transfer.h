/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about transfers, leases and sprinkles share. Included by ledger_*.c only. */
#ifndef SLUICE_LEDGER_TRANSFER_H
#define SLUICE_LEDGER_TRANSFER_H

#include "dataplane/ledger/ledger_decision.h"

/* The shard an account, market or terminal id lives on. */
static inline uint32_t ledger_shard_of(const struct ledger *ledger, uint64_t id)
{
	return ledger->config.buckets.shard[ids_bucket_of_key(id)];
}

/* A customer who is not the decision's: ACCOUNT_UNKNOWN (NULL), ACCOUNT_FROZEN, PARTNER_BLOCKED,
 * CURRENCY_MISMATCH, or OK. */
uint16_t customer_usable(
    const struct ledger *ledger, const struct account_row *customer, uint16_t currency);

struct transfer_order {
	uint64_t to_account, reference;
	int64_t amount;
	uint32_t peer;
	uint8_t purpose; /* transfer_purpose */
	uint8_t lease_scope, lease_selection;
};
/* TRANSFER and LINK objects of one more sequence to the peer; object_id is its id. */
void transfer_open(struct decision *decision, const struct transfer_order *order);

/* The link to a peer, zeros but for the peer when there is none yet. NULL: there is none. */
const struct object_row *link_find(
    const struct ledger *ledger, uint32_t peer, struct object_link *link);
/* The link as it shall be goes with the event; row: as found, or NULL. */
void link_keep(struct decision *decision, const struct object_row *row, uint32_t peer,
    const struct object_link *link);

/* ---- Closed rows that may retire (for ledger_due.c) ---- */

/* 1 when the source needs the answer kept in this TRANSFER_IN no more: it is at or below the
 * source's watermark. */
int transfer_in_retirable(const struct ledger *ledger, const struct object_row *in);
/*
 * OBJECT_RETIRE of a sprinkle that has ended: up to EVENT_IDS_MAX of its newest claims, the
 * sprinkle's chain cut behind them (its object goes with the event), and with the last claims the
 * sprinkle itself. 1: write it; 0: not now, a claim is on its way to another shard.
 */
int sprinkle_retire(struct decision *decision, const struct object_row *sprinkle);

/* A claim that was refused at the claimer's shard: the share goes back into the sprinkle, or to the
 * giver when it has ended. 0, or -EBUSY: the giver's account is full. */
SLUICE_MUST_USE int claim_reverse(
    struct decision *decision, uint64_t token, uint64_t account_id, int64_t amount);
/* A claim that was accepted there. */
void claim_finish(struct decision *decision, uint64_t token, uint64_t account_id);

/* ---- Leases (ledger_exposure.c) ---- */

/* Credit that comes here. OK, or MARKET_UNKNOWN, PARTNER_UNKNOWN. Sets body and objects. */
uint16_t lease_take(
    struct decision *decision, unsigned scope, uint64_t id, unsigned selection, int64_t amount);

#endif
