/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db: what its commands share. */
#ifndef SLUICE_TOOLS_DB_H
#define SLUICE_TOOLS_DB_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>

#include "dataplane/journal/journal.h"
#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_MISMATCH = 1,
	EXIT_USAGE = 2,
	EXIT_MISSING = 3,
};

struct options {
	const char *root;
	uint64_t from, to;          /* LSNs, inclusive */
	uint64_t terminal, account; /* 0: any */
	int shard;                  /* -1: all */
	int json;
	const char *from_postgres; /* restore: connection string */
	const char *passfile;      /* restore: NULL: libpq's own */
};

/* The shard numbers under the root that the options ask for, ascending. Count, or -errno. */
int shards_find(const struct options *options, uint32_t shards[LIMIT_SHARDS]);
void shard_path(const struct options *options, uint32_t shard, char path[PATH_MAX]);

/* The first thing found wrong in a shard. */
struct damage {
	uint32_t shard;
	uint64_t lsn;
	char what[160]; /* empty: none */
};
__attribute__((format(printf, 3, 4))) void damage_note(
    struct damage *damage, uint64_t lsn, const char *format, ...);

/* ---- All events of a shard, oldest first: log environments, then the journal behind them ---- */

struct events {
	char path[PATH_MAX];
	uint32_t shard;
	uint64_t *first_lsns; /* of log environments */
	int env_count, env_at;
	struct db_env *env;
	struct db_txn txn;
	uint8_t *block; /* copy of the block being walked: no long read transactions */
	uint64_t block_first;
	struct log_walk walk;
	struct journal_reader *reader; /* NULL: there is no journal, or it is not reached yet */
	struct journal_batch batch;
	const uint8_t *batch_at;
	uint32_t batch_left;
	uint64_t first_lsn; /* of the log; 1 when there is none */
	uint64_t next_lsn;
	uint64_t env_last_lsn;   /* of the log environment being read; 0: it is empty */
	uint64_t doubted_lsn;    /* the journal seemed to end before it; read once more */
	uint64_t log_last_lsn;   /* all ones before the log is used up */
	uint64_t batch_last_lsn; /* last batch of the journal read: its state hash holds there */
	uint64_t batch_state_hash;
	uint64_t batches;
	uint64_t durable_floor; /* highest durable_through seen: damage below it is damage */
	uint64_t journal_base;  /* the journal began behind it; 0: at LSN 1 */
	struct damage *damage;
};

/* 0, or -errno with `damage` filled. */
int events_open(struct events *events, const char *path, uint32_t shard, struct damage *damage);
/* 1 and the event (valid until the next call); 0 at the end; -EBADMSG, damage noted. */
int events_next(struct events *events, struct db_bytes *event);
void events_close(struct events *events);

/* ---- A growing table of fixed-size entries by a 64-bit key ---- */

struct table {
	uint8_t *entries; /* each begins with its key */
	uint32_t *slots;  /* entry number + 1; 0 free */
	size_t entry_size;
	uint32_t count, room, slot_count;
};
void table_init(struct table *table, size_t entry_size);
void *table_find(const struct table *table, uint64_t key);
/* The entry, new ones zeroed but for the key; ends the program when out of memory. */
void *table_get(struct table *table, uint64_t key);
void *table_at(const struct table *table, uint32_t number);
void table_free(struct table *table);

/* ---- Own derivation of balances from events alone ---- */

struct derived_account {
	uint64_t id, lsn;
	int64_t balance;
	uint16_t currency;
};

struct derived_bet {
	uint64_t id, account_id;
	int64_t stake;
	uint16_t currency;
	uint8_t open;
};

struct derived_sum {
	uint64_t currency; /* key */
	int64_t balances;  /* of all accounts */
	int64_t stakes;    /* of open bets */
	int64_t stakes_account;
};

struct derive {
	struct table accounts, terminals, bets;
	uint64_t next_lsn, time_ns, events, customers;
	uint8_t complete; /* the log begins at LSN 1 */
	struct damage *damage;
};
void derive_init(struct derive *derive, uint64_t first_lsn, struct damage *damage);
/* 0 or -EBADMSG with the damage noted. */
int derive_event(struct derive *derive, struct db_bytes event);
/* Sums by currency into `sums` (struct derived_sum), checked when complete. 0 or -EBADMSG. */
int derive_sums(struct derive *derive, struct table *sums);
void derive_free(struct derive *derive);

/* ---- Rows of the checkpoint, brought up to date by the ledger's own code ---- */

struct replay {
	struct ledger *ledger; /* NULL: no rows environment */
	uint64_t checkpoint_lsn, rows_lsn_max;
};
/* `last_lsn`: bound of the events to come, for the size of the tables. */
int replay_open(struct replay *replay, const char *path, uint64_t last_lsn, struct damage *damage);
int replay_event(struct replay *replay, struct db_bytes event, struct damage *damage);
/* Compares with what was derived; sets *hash. 0 or -EBADMSG. */
int replay_compare(struct replay *replay, const struct derive *derive, const struct events *events,
    uint64_t *hash, struct damage *damage);
void replay_close(struct replay *replay);

int command_stat(const struct options *options);
int command_dump(const struct options *options);
int command_verify(const struct options *options);
int command_restore(const struct options *options);

#endif
