/* SPDX-License-Identifier: Apache-2.0 */
/* Events as rows of PostgreSQL: one batch, gathered in memory, one COPY per table. */
#ifndef SLUICE_CONTROL_REPLICATION_TYPED_H
#define SLUICE_CONTROL_REPLICATION_TYPED_H

#include "control/replication/copy.h"
#include "lmdb-schema/db.h"
#include "lmdb-schema/event.h"

enum typed_table {
	TYPED_TRANSACTIONS,
	TYPED_BETS,
	TYPED_LEGS,
	TYPED_CANCELS,
	TYPED_BET_CHANGES,
	TYPED_POSTINGS,
	TYPED_OBJECTS,
	TYPED_BLOCKS,
	TYPED_ACCOUNTS, /* into the temporary table account_batch */
	TYPED_TABLE_COUNT,
};
/* COPY statement of each, and the columns of those that are insert-only. */
extern const char *const typed_copy_sql[TYPED_TABLE_COUNT];
#define TYPED_BET_CHANGE_COLUMNS                                                                   \
	"bet, time, lsn, stake, payout, payout_before, from_state, to_state, class, type, shard, " \
	"currency, account, market"
#define TYPED_POSTING_COLUMNS                                                                      \
	"account, time, lsn, amount, line, shard, type, currency, balance, customer"
#define TYPED_OBJECT_COLUMNS                                                                       \
	"id, time, lsn, place, kind, state, shard, due, currency, partner, body"

/* Last state of an account in this batch. */
struct typed_account {
	uint64_t id; /* 0: free slot */
	uint64_t lsn, changed_ns;
	int64_t balance;
	uint16_t currency, shard;
	int8_t frozen;   /* -1: not touched */
	int32_t partner; /* -1: not touched */
};

#define TYPED_MONTHS_MAX 1024 /* a block holds fewer events than half of it */

struct typed {
	struct copy tables[TYPED_TABLE_COUNT];
	struct typed_account *accounts; /* open addressing, a power of two */
	uint32_t account_room, account_count;
	uint64_t events;
	/* Months (Unix ns of their begin) that rows belong to. */
	uint64_t months[TYPED_MONTHS_MAX];
	uint32_t month_count;
	uint64_t month_begin_ns, month_end_ns; /* of the last event */
};

void typed_free(struct typed *typed);
void typed_clear(struct typed *typed);
/* One event. 0; -EBADMSG: malformed; -ENOMEM; -ENOSPC: a batch of more months than there is room
 * for must be sent first (nothing was added). */
SLUICE_MUST_USE int typed_event(struct typed *typed, uint16_t shard, struct db_bytes event);
/* A run of events, exact bytes, with the time of the first. 0, -ENOMEM. */
SLUICE_MUST_USE int typed_block(struct typed *typed, uint16_t shard, uint64_t incarnation,
    uint64_t first_lsn, uint64_t last_lsn, struct db_bytes events);
/* NULL: no event that was carried out named it. */
const struct typed_account *typed_account_find(const struct typed *typed, uint64_t id);
/* Writes the accounts' rows. 0, -ENOMEM. */
SLUICE_MUST_USE int typed_accounts_write(struct typed *typed);

/* The fields of an event's row in `transactions`, without the count in front; returns the end.
 * At most TYPED_TRANSACTION_SIZE bytes. verify compares them with what PostgreSQL gives. */
#define TYPED_TRANSACTION_FIELDS 18
#define TYPED_TRANSACTION_SIZE   (TYPED_TRANSACTION_FIELDS * COPY_FIELD_INT8)
uint8_t *typed_transaction(uint8_t *at, uint16_t shard, const struct event_record *record);
/* Names of these fields, in order, for a select. */
extern const char typed_transaction_columns[];

/* Begin of the month (UTC) of a time, and of the next one. Unix ns. */
void typed_month(uint64_t time_ns, uint64_t *begin_ns, uint64_t *end_ns);

#endif
