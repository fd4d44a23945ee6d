/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of the logs and of control's changes with PostgreSQL. Private to control/replication.
 */
#ifndef SLUICE_CONTROL_REPLICATION_VERIFY_H
#define SLUICE_CONTROL_REPLICATION_VERIFY_H

#include "control/replication/replication_internal.h"

/* Events in memory: at most this many LSNs, and their bytes. */
#define VERIFY_STRETCH      32768u
#define VERIFY_STRETCH_SIZE (VERIFY_STRETCH * (size_t)LIMIT_EVENT_SIZE_MAX)

struct verify_stretch {
	uint64_t first, last;
	size_t size;
	size_t offsets[VERIFY_STRETCH + 1];
	uint8_t bytes[VERIFY_STRETCH_SIZE];
};

/* X(NAME, table in the schema) */
#define VERIFY_TABLES(X)                                                                           \
	X(TRANSACTIONS, transactions)                                                              \
	X(BETS, bets)                                                                              \
	X(LEGS, bet_legs)                                                                          \
	X(CANCELS, bet_cancels)                                                                    \
	X(BET_CHANGES, bet_changes)                                                                \
	X(POSTINGS, postings)                                                                      \
	X(OBJECTS, object_changes)                                                                 \
	X(BLOCKS, log_block)                                                                       \
	X(ACCOUNTS, accounts)                                                                      \
	X(CHANGES, control_change)                                                                 \
	X(TERMINALS, terminals)                                                                    \
	X(CERTIFICATES, certificates)                                                              \
	X(MARKETS, markets)                                                                        \
	X(RULES, rules)                                                                            \
	X(COMMANDS, commands)                                                                      \
	X(AUDIT, audit)                                                                            \
	X(PARTNERS, partners)                                                                      \
	X(ADJUSTMENTS, adjustments)                                                                \
	X(RULES_NOTES, rules_notes)                                                                \
	X(SUBJECTS, subjects)                                                                      \
	X(ALERTS, alerts)                                                                          \
	X(ALERT_HISTORY, alert_history)                                                            \
	X(WATCH_LISTS, watch_lists)                                                                \
	X(COUNTRIES, countries)

enum verify_table {
#define VERIFY_TABLE_ENUM(name, table) VERIFY_##name,
	VERIFY_TABLES(VERIFY_TABLE_ENUM)
#undef VERIFY_TABLE_ENUM
	    VERIFY_TABLE_COUNT,
};

struct verify_count {
	uint64_t rows; /* found where they are looked for; surplus ones elsewhere are not in it */
	uint64_t missing, doubled, surplus, differing;
};

struct verify {
	struct verify_count tables[VERIFY_TABLE_COUNT];
	uint64_t events;
	uint64_t retired; /* events the log does not hold any more: not compared */
	uint64_t retired_rows[VERIFY_TABLE_COUNT]; /* of legs and cancels: not compared */
	uint64_t log_first[LIMIT_SHARDS];
	__int128 sum; /* of amounts: PostgreSQL's less the log's */
	__int128 stakes, payouts, odds;
	uint64_t block_next;
	struct typed typed; /* rows expected of a stretch, accounts of all */
	/* The first thing found wrong. */
	char what[64];
	const char *what_table;
	int what_shard; /* CURSOR_CONTROL: lsn is a change's sequence, or 0 */
	uint64_t what_lsn;
};

SLUICE_MUST_USE int verify_prepare(struct session *session);
/* All events of a shard up to `through`. Errors of the session, or of the log with its message. */
SLUICE_MUST_USE int verify_shard(struct verify *verify, struct session *session, const char *path,
    uint32_t shard, uint64_t through);

/* verify_rows.c: the typed rows of a stretch. */
SLUICE_MUST_USE int verify_rows(struct verify *verify, struct session *session, uint32_t shard,
    const struct verify_stretch *stretch);
/* The shard's log begins at `first`: rows below are counted, not compared. */
SLUICE_MUST_USE int verify_retired(
    struct verify *verify, struct session *session, uint32_t shard, uint64_t first);
/* Rows above the cursors, of unknown shards, of no event; after all shards. */
SLUICE_MUST_USE int verify_surplus(struct verify *verify, struct session *session);
SLUICE_MUST_USE int verify_accounts(struct verify *verify, struct session *session);

/* verify_control.c: control's changes up to `through`, and its tables as they leave them. */
SLUICE_MUST_USE int verify_control(
    struct verify *verify, struct session *session, struct database *database, uint64_t through);

/*
 * Compares rows as COPY would send them with a result whose last column is `key`, ascending, as
 * `key_of` makes it of an expected row (`number` counts from 0).
 */
typedef uint64_t verify_key(const uint8_t *row, uint64_t number);
void verify_merge(struct verify *verify, enum verify_table table, int shard,
    const struct copy *expected, verify_key *key_of, const PGresult *result);
void verify_note(
    struct verify *verify, enum verify_table table, int shard, uint64_t lsn, const char *what);
uint64_t verify_value(const PGresult *result, int row, int column);

#endif
