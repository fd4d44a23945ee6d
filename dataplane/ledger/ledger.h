/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledger: the pure state machine of one shard. decide() reads the state and makes an event; apply()
 * changes the state by an event and never decides again. No I/O, no clock, no allocation after
 * ledger_create, no DPDK. The same code runs in worker, follower, recovery and tools.
 *
 * Idempotent apply: every row carries the LSN of the last event that changed it, and an event's
 * part for a row is skipped when the row is not older than the event. Replaying a log over a fuzzy
 * checkpoint therefore ends in the same state as applying it once.
 *
 * State hash: the sum (mod 2^64) of XXH3-64 over every row. Rows changed since the last call are
 * kept on a dirty list and hashed once, at ledger_state_hash (batch close), not per event.
 */
#ifndef SLUICE_LEDGER_H
#define SLUICE_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/risk/risk.h"
#include "lmdb-schema/event.h"
#include "wire/assert.h"
#include "wire/codec.h"
#include "wire/ids.h"

struct ledger; /* opaque; one owning thread */

struct ledger_config {
	uint32_t shard;
	uint32_t shard_count;
	uint32_t accounts_max; /* customer and system accounts of this shard */
	uint32_t bets_max;
	uint32_t markets_max;
	uint32_t terminals_max;
	uint8_t track_checkpoint; /* follower: keep a list of rows not yet written to the store */
	uint8_t
	    populate; /* touch all memory at creation, so no page is met first on the packet path */
	struct ids_bucket_map buckets;
};

/* System accounts: top bit | kind << 56 | currency << 40 | terminal (low 32 bits). Once per shard.
 */
enum system_account {
	SYSTEM_FUNDING = 1,
	SYSTEM_CASH = 2,   /* cash float, one per terminal */
	SYSTEM_STAKES = 3, /* stakes of open bets */
};
#define SYSTEM_ACCOUNT_BIT (1ull << 63)
uint64_t ledger_system_account(enum system_account kind, uint16_t currency, uint64_t terminal_id);

enum account_flag {
	ACCOUNT_FROZEN = 1u << 0,
	ACCOUNT_SYSTEM = 1u << 1, /* may go below zero */
};

/* Rows, in host order. Only the ledger writes them; others read through const pointers. */
struct account_row {
	uint64_t id;
	uint64_t lsn; /* last event that changed the row; also the head of the account's chain */
	int64_t balance;
	int64_t staked_today;
	uint32_t staked_day; /* the day staked_today belongs to */
	uint16_t currency;
	uint16_t flags;
	uint64_t reserved;
	struct risk_profile profile;
};
_Static_assert(sizeof(struct account_row) == 176, "account row");

struct bet_row {
	uint64_t id;
	uint64_t lsn;
	uint64_t account_id;
	uint64_t terminal_id;
	int64_t stake;
	int64_t payout;
	uint64_t placed_at_ns;
	uint16_t currency;
	uint8_t state; /* bet_state */
	uint8_t leg_count;
	uint32_t reserved;
	struct wire_leg legs[LIMIT_BET_LEGS_MAX]; /* in memory: inline up to 4, see ledger_bet.c */
};

struct market_row_state {
	uint64_t id;
	uint64_t lsn;
	uint64_t event_id;
	uint64_t version;
	uint64_t start_time_ns;
	uint8_t state, kind, selection_count;
	uint8_t reserved[5];
	uint32_t odds[LIMIT_MARKET_SELECTIONS_MAX];
};

struct terminal_row {
	uint64_t id;
	uint64_t lsn; /* this terminal's newest event on this shard: head of its chain */
	uint64_t highest_request_id;
	int64_t staked_today;
	uint32_t staked_day;
	/* What control allows it (TERMINAL_SET), kept at its home; elsewhere the defaults stay. */
	uint32_t rights;   /* wire right bits; default all */
	int64_t daily_max; /* stakes a day; 0: as the rules say */
	uint64_t version;  /* of the last TERMINAL_SET, 0 none */
	uint8_t blocked;   /* 1: no request is taken */
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct terminal_row) == 64, "hashed as bytes: no padding");

/* What is not a row of something: one record per shard. */
struct shard_row {
	uint64_t lsn; /* last applied event */
	uint64_t time_ns;
	uint64_t bet_counter;
	uint64_t control_sequence; /* last command done */
	struct risk_rules rules;
};

/*
 * Allocates everything; address space only, unless config->populate: capacity not used costs no
 * memory. Starts with the default rules, LSN 0. NULL when out of memory or a capacity is 0 or above
 * 2^30.
 */
struct ledger *ledger_create(const struct ledger_config *config);
void ledger_free(struct ledger *ledger);

/* The request of a terminal, as the account's shard sees it. */
struct ledger_request {
	const struct wire_request *wire;
	uint64_t terminal_id;
	/* Home's share: what the terminal has staked today over all shards (for its daily limit).
	 */
	int64_t terminal_staked_today;
	/* The terminal's own daily limit; 0: none but the rules'. The lower of the two holds. */
	int64_t terminal_daily_max;
};

/*
 * What owns the decision: the request's account id, or the id of the bet it names; *bucket is set
 * to its bucket. 0 (and *bucket untouched): home decides.
 */
uint64_t ledger_request_bucket_key(const struct wire_request *request, uint32_t *bucket);

/*
 * Decides a mutating request (PLACE_BET, CANCEL_BET, DEPOSIT) at time_ns (event time: the caller
 * gives max(last, clock)). Writes a whole event with its LSN (last + 1) and returns its length; the
 * caller must apply it before the next decide. Refusals are events too. Returns -EBUSY when a table
 * of this shard is full (nothing is written; the terminal gets BUSY), -EINVAL for a request the
 * codec would not have let through (template, leg count, odds policy, request id or terminal id of
 * 0). A time_ns before the last event's is raised to it.
 */
SLUICE_MUST_USE int ledger_decide(struct ledger *ledger, const struct ledger_request *request,
    uint64_t time_ns, struct event_buffer *event);
/* The same for a deadline that has passed before the account's shard was asked: home's EXPIRED. */
SLUICE_MUST_USE int ledger_decide_expired(struct ledger *ledger,
    const struct ledger_request *request, uint64_t time_ns, struct event_buffer *event);
/* Brings the rows a request will touch into the cache; call for the whole burst first. */
void ledger_prefetch(const struct ledger *ledger, const struct wire_request *request);
void ledger_prefetch_terminal(const struct ledger *ledger, uint64_t terminal_id);

/* Commands from control: make the event of one command (or one slice of it). */
struct ledger_command {
	uint16_t type; /* event_type: ACCOUNT_OPEN, MARKET_SET, RULES_SET, COMMAND_MARK, FREEZE,
	                  TICK, TERMINAL_SET */
	uint16_t currency;
	uint8_t flags;
	uint64_t account_id;
	int64_t amount; /* ACCOUNT_OPEN: opening balance */
	uint64_t control_sequence;
	uint64_t market_id;
	uint64_t terminal_id;
	struct event_market market;
	struct event_terminal terminal;
	struct risk_rules rules;
};
/*
 * Length of the event, 0 when there is nothing to do (done before), -EBUSY, -EINVAL.
 * account_id: ACCOUNT_OPEN, ACCOUNT_FREEZE (flags: EVENT_FLAG_FROZEN). market_id, market:
 * MARKET_SET. control_sequence: COMMAND_MARK, where it must follow the last one without a gap;
 * otherwise only recorded (object_id of ACCOUNT_OPEN, ACCOUNT_FREEZE, RULES_SET, TERMINAL_SET).
 * terminal_id, terminal: TERMINAL_SET; a version at or below the row's is nothing to do.
 */
SLUICE_MUST_USE int ledger_decide_command(struct ledger *ledger,
    const struct ledger_command *command, uint64_t time_ns, struct event_buffer *event);

/* Rows a check leaves to live traffic, or not. */
enum ledger_spare {
	LEDGER_SPARE_NONE,
	LEDGER_SPARE_SYSTEM, /* for system accounts that known terminals may still need */
};
/*
 * Whether `missing` new accounts of this opening balance fit now, the funding account included.
 * 0, or -EBUSY: not enough free rows, or the funding account would pass its limit.
 */
SLUICE_MUST_USE int ledger_accounts_fit(const struct ledger *ledger, uint64_t missing,
    int64_t opening_balance, uint16_t currency, enum ledger_spare spare);

/*
 * Applies one event, wholly or not at all. Total: any event decide() made applies. 0; -EBADMSG for
 * an event that is malformed or does not fit the state (damage: the caller stops); -ENOSPC when a
 * table is full. `length` may be more than the event's own (its length field says).
 *
 * LSN: the shard's last + 1, where each row part is guarded by its row's LSN (rows may be newer,
 * after a fuzzy checkpoint); or at or below the last, where every row must have the event already
 * and nothing is done. A jump, or an old event that a row does not have, is -EBADMSG.
 */
SLUICE_MUST_USE int ledger_apply(struct ledger *ledger, const uint8_t *event, size_t length);

/* Structural check of an event's bytes: lengths, type, ranges, reserved bytes. 0 or -EBADMSG. */
SLUICE_MUST_USE int event_check(const uint8_t *event, size_t room);
/* The body of MARKET_SET: state, kind, counts, odds 0 (no price) or in range. 0 or -EINVAL. */
SLUICE_MUST_USE int event_market_check(const struct event_market *market);
/* The body of TERMINAL_SET: version, rights, limit, flags. 0 or -EINVAL. */
SLUICE_MUST_USE int event_terminal_check(const struct event_terminal *terminal);

/* Reads. NULL when there is no such row. */
const struct account_row *ledger_account(const struct ledger *ledger, uint64_t account_id);
const struct market_row_state *ledger_market(const struct ledger *ledger, uint64_t market_id);
const struct terminal_row *ledger_terminal(const struct ledger *ledger, uint64_t terminal_id);
const struct shard_row *ledger_shard(const struct ledger *ledger);
/* Copies the bet out (its legs may be stored apart). 0 or -ENOENT. */
SLUICE_MUST_USE int ledger_bet(const struct ledger *ledger, uint64_t bet_id, struct bet_row *out);
/*
 * Markets with version > since, ascending by version: writes up to `max` row pointers, sets *more.
 * Returns the count.
 */
unsigned ledger_markets_since(const struct ledger *ledger, uint64_t since_version,
    const struct market_row_state **rows, unsigned max, int *more);

/* accounts: of customers; system accounts are not counted. */
struct ledger_totals {
	uint64_t accounts, bets_open, bets, markets, terminals;
};
void ledger_totals(const struct ledger *ledger, struct ledger_totals *totals);
/* What counts against today's limit, of the account or terminal row with these two fields. */
static inline int64_t ledger_staked_on(int64_t staked_today, uint32_t staked_day, uint32_t day)
{
	return staked_day >= day ? staked_today : 0;
}
/* Full potential payout in minor units; saturates just above LIMIT_PAYOUT_MAX. See README:
 * rounding. */
int64_t ledger_payout(int64_t stake, const uint32_t *odds, unsigned count);

/* Sum of all balances of one currency: zero at every LSN. Scans; for checks, not the packet path.
 */
int64_t ledger_balance_sum(const struct ledger *ledger, uint16_t currency);

uint64_t ledger_state_hash(struct ledger *ledger);
/* The same from nothing: hashes every row. For checks; equal to ledger_state_hash. */
uint64_t ledger_state_hash_full(const struct ledger *ledger);

/* ---- For the store ---- */

enum ledger_table {
	LEDGER_ACCOUNT,
	LEDGER_BET,
	LEDGER_MARKET,
	LEDGER_TERMINAL,
	LEDGER_TABLE_COUNT,
};

/* Puts a row read from the store into an empty or partly loaded ledger. 0, -ENOSPC, -EEXIST. */
SLUICE_MUST_USE int ledger_load_account(struct ledger *ledger, const struct account_row *row);
SLUICE_MUST_USE int ledger_load_bet(struct ledger *ledger, const struct bet_row *row);
SLUICE_MUST_USE int ledger_load_market(struct ledger *ledger, const struct market_row_state *row);
SLUICE_MUST_USE int ledger_load_terminal(struct ledger *ledger, const struct terminal_row *row);
void ledger_load_shard(struct ledger *ledger, const struct shard_row *row);
/* Copies all state of `from` (same configuration but for track_checkpoint) into an empty ledger. */
SLUICE_MUST_USE int ledger_copy(struct ledger *to, const struct ledger *from);

/*
 * Rows changed since they were last taken (track_checkpoint only). Takes up to `max` row numbers of
 * one table off the dirty list, longest listed first; a row changed again later is listed again.
 * Returns the count. Row numbers stay valid for the life of the ledger.
 */
unsigned ledger_dirty_take(
    struct ledger *ledger, enum ledger_table table, uint32_t *rows, unsigned max);
uint32_t ledger_dirty_count(const struct ledger *ledger, enum ledger_table table);
/* Row by number. */
const struct account_row *ledger_account_at(const struct ledger *ledger, uint32_t row);
const struct market_row_state *ledger_market_at(const struct ledger *ledger, uint32_t row);
const struct terminal_row *ledger_terminal_at(const struct ledger *ledger, uint32_t row);
void ledger_bet_at(const struct ledger *ledger, uint32_t row, struct bet_row *out);
/* Rows in use: numbers are 0..count-1. For scans. */
uint32_t ledger_row_count(const struct ledger *ledger, enum ledger_table table);

#endif
