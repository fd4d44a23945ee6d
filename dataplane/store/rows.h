/* SPDX-License-Identifier: Apache-2.0 */
/* Between the ledger's rows (host order) and lmdb-schema's records (bytes). Used by store and
 * tools. */
#ifndef SLUICE_STORE_ROWS_H
#define SLUICE_STORE_ROWS_H

#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/schema.h"

/* A record of any table, ready to be put. */
struct rows_record {
	union {
		struct record_account_full account;
		struct record_bet_full bet;
		struct record_market market;
		struct record_terminal_full terminal;
		struct object_bytes object;
	};
	uint64_t id, lsn;
	size_t size;
};

/* The record of one row of the ledger, by number. */
void rows_record_make(
    struct rows_record *record, const struct ledger *ledger, enum ledger_table table, uint32_t row);
/* Risk states: rows_state.c. What record_account_read and record_terminal_read accept decodes. */
void rows_account_state_make(
    struct record_account_state *record, const struct risk_account_state *state);
void rows_account_state_read(
    const struct record_account_state *record, struct risk_account_state *state);
void rows_terminal_state_make(
    struct record_terminal_state *record, const struct risk_terminal_state *state);
void rows_terminal_state_read(
    const struct record_terminal_state *record, struct risk_terminal_state *state);

/* Id of a row, by number: the key. */
uint64_t rows_id(const struct ledger *ledger, enum ledger_table table, uint32_t row);
/* Table of the rows environment. */
enum schema_row_table rows_table(enum ledger_table table);
/* Where its rows go when they retire; of bets and objects. */
enum schema_row_table rows_closed_table(enum ledger_table table);

void rows_checkpoint_make(struct record_checkpoint *record, const struct shard_row *shard);
/* 0, or -EBADMSG for rules out of range. */
SLUICE_MUST_USE int rows_checkpoint_shard(
    const struct record_checkpoint *record, struct shard_row *shard);

struct rows_loaded {
	uint64_t lsn_max;   /* no row is newer, nor retired by a newer event: from here on state
	                       hashes compare */
	uint64_t begin_lsn; /* of the checkpoint */
	/* What the rows said of their own state; has_state 0: nothing that holds for these. */
	uint64_t state_hash;
	uint8_t has_state;
	uint64_t rows[LEDGER_TABLE_COUNT];
	/* On failure. */
	enum schema_row_table table;
	uint64_t key;
};

/*
 * Loads all rows of the transaction's snapshot into an empty ledger, the shard row of the
 * checkpoint and the horizon. 0; -EBADMSG: a row is damaged (table and key tell which); -ENOSPC:
 * the ledger's tables are too small; others.
 */
SLUICE_MUST_USE int rows_load(
    struct db_txn *txn, struct ledger *ledger, struct rows_loaded *loaded);

/*
 * 1: the rows as loaded, with nothing applied since, are not the state that was written down with
 * them: bits in them have changed. 0: they are, or nothing tells.
 */
int rows_state_differs(const struct rows_loaded *loaded, struct ledger *ledger);

/*
 * One record into the ledger (as rows_load does): the hostile-bytes entry. -EINVAL, with *lsn set:
 * a bet whose account or market is not loaded.
 */
SLUICE_MUST_USE int rows_load_one(struct ledger *ledger, enum ledger_table table, uint64_t key,
    struct db_bytes value, uint64_t *lsn);

#endif
