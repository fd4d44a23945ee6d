/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Re-sharding: the same switch with another number of shards. Only offline, and only with nothing
 * under way between shards.
 *
 * WHAT MOVES. Every row goes to the shard that the new table of buckets names for it: accounts by
 * their number; bets, withdrawals, sprinkles by the bucket in their printed id (so what was printed
 * stays good); claims with their sprinkle; rounds, partners' keys and limits of play with their
 * account; a reversal to the shard that would be asked again, to all where neither it nor a log
 * tells which that is. Markets, rules and partners are on all shards. A terminal's rows of all
 * shards become one at its home, and what was learned of it goes to all of them: judged cases of
 * the shard that knows most, the rest of the one with the longest past. Links, and what arrived
 * over them, end: sequences between the new shards begin at 1.
 *
 * MONEY. Customers keep their balances. STAKES, PAYABLE, SUSPENSE, POTS and RECEIVABLE of a new
 * shard are what its rows come to; over all shards that must be what they held before, or nothing
 * is done. CASH goes to its terminal's home; FUNDING, HOUSE, ADJUSTMENT and PARTNER to shard 0.
 * What a shard then lacks or has too much, it has against shard 0: in TRANSIT, as if the money had
 * been sent. So each shard comes to zero by itself, in each currency, and the TRANSIT accounts of
 * every pair come to zero.
 *
 * POSITIONS. Every new shard begins behind the highest LSN of any old one: rows keep the LSN of the
 * event that changed them last. The new logs hold nothing yet; the old ones stay readable as they
 * are, in history/N (lmdb-schema/past.h), where the switch looks up old outcomes and statements.
 * Printed ids go on above the highest counter of any old shard.
 *
 * CREDIT of payout limits is shared out anew, so that no shard is above its own.
 */
#ifndef SLUICE_TOOLS_RESHARD_H
#define SLUICE_TOOLS_RESHARD_H

#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/past.h"
#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/table.h"

/* A system account over all old shards. */
struct reshard_sum {
	uint64_t
	    id; /* CASH, PARTNER: of one terminal, one partner; TRANSIT: of all peers together */
	int64_t balance;
	uint16_t currency;
};

struct reshard_terminal {
	uint64_t id;
	struct terminal_row row;
	struct risk_terminal_state state;
	uint8_t settled; /* the settings are those of its old home */
};

struct reshard_shard {
	char path[PATH_MAX + 64];
	struct ledger *ledger;
	struct ledger_config config;
	struct log_history *history; /* of old ones */
	uint64_t last_lsn, incarnation, hash;
};

#define RESHARD_LOCKS_MAX (LIMIT_SHARDS + 2) /* journals; data plane and control */

struct reshard {
	struct restore restore; /* the new root in the making */
	int locks[RESHARD_LOCKS_MAX];
	long holder; /* of one that could not be taken; 0: not known */
	unsigned lock_count;
	const struct options *options;
	struct reshard_shard from[LIMIT_SHARDS], to[LIMIT_SHARDS];
	struct log_past *past;   /* what the old shards were before; NULL: nothing */
	struct record_past left; /* what they are themselves from now on */
	uint32_t from_count, to_count;
	struct ids_bucket_map from_map, to_map;
	struct shard_row shard;  /* of every new shard */
	struct table sums;       /* struct reshard_sum */
	struct table terminals;  /* struct reshard_terminal */
	struct table currencies; /* struct derived_sum's shape: currency, sum of customers */
	uint64_t accounts, bets, objects, moved;
};

/* Each: 0, or -1 with the failure noted in restore. */
/* Nobody writes into the old root, until reshard_unlock (reshard_lock.c). */
int reshard_lock(struct reshard *reshard, const char *root);
void reshard_unlock(struct reshard *reshard);
/* Nothing is under way, all shards have done the same commands (reshard_check.c). */
int reshard_check(struct reshard *reshard);
/* The new ledgers (reshard_build.c) and their system accounts (reshard_money.c). */
int reshard_build(struct reshard *reshard);
int reshard_money(struct reshard *reshard);
/* Rows, closed rows, an empty log, read again and compared (reshard_write.c). */
int reshard_write(struct reshard *reshard);
/* The old root, read past the copy, has as many rows and as much money as the new shards, and all
 * its events were taken over (reshard_compare.c). */
int reshard_compare(struct reshard *reshard, const char *root);

/* The new shard of an object of an old one; RESHARD_EVERY_SHARD: nobody can tell any more. */
#define RESHARD_EVERY_SHARD UINT32_MAX
uint32_t reshard_object_shard(
    const struct reshard *reshard, uint32_t from, const struct object_bytes *object);

#endif
