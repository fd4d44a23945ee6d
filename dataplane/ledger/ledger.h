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

#include "dataplane/ledger/ledger_ahead.h"
#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_extra.h"
#include "dataplane/risk/risk_state.h"
#include "lmdb-schema/event.h"
#include "lmdb-schema/object.h"
#include "dataplane/ledger/settlement.h"
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
	uint32_t objects_max;
	uint8_t track_checkpoint; /* follower: keep a list of rows not yet written to the store */
	/* Touch memory at creation, so that hardly a page is met first on the packet path: of all
	 * rows but those of `spare`, and not what only few rows use (ledger_arena_spare). */
	uint8_t populate;
	uint32_t bets_spare, objects_spare; /* of bets_max, objects_max: hardly ever used */
	struct ids_bucket_map buckets;
};

/* System accounts: top bit | kind << 56 | currency << 40 | terminal (low 32 bits). Once per shard.
 */
enum system_account {
	SYSTEM_FUNDING = 1,
	SYSTEM_CASH = 2,       /* cash float, one per terminal */
	SYSTEM_STAKES = 3,     /* stakes of open bets */
	SYSTEM_HOUSE = 4,      /* what the house won and lost */
	SYSTEM_PARTNER = 5,    /* game rounds; low 32 bits: partner */
	SYSTEM_PAYABLE = 6,    /* winnings of cash tickets nobody came for yet */
	SYSTEM_RECEIVABLE = 7, /* what customers owe: never above zero */
	SYSTEM_SUSPENSE = 8,   /* withdrawals that wait for approval */
	SYSTEM_TRANSIT = 9,    /* between shards; low 32 bits: the peer */
	SYSTEM_POTS = 10,      /* sprinkles: what is not claimed yet */
	SYSTEM_ADJUSTMENT = 11,
};
#define SYSTEM_ACCOUNT_MAX SYSTEM_ADJUSTMENT
#define SYSTEM_ACCOUNT_BIT (1ull << 63)
static inline uint64_t ledger_system_account(
    enum system_account kind, uint16_t currency, uint64_t terminal_id)
{
	return SYSTEM_ACCOUNT_BIT | (uint64_t)kind << 56 | (uint64_t)currency << 40 |
	       (terminal_id & 0xffffffffull);
}

enum account_flag {
	ACCOUNT_FROZEN = 1u << 0,
	ACCOUNT_SYSTEM = 1u << 1, /* may go below zero */
	ACCOUNT_PLAY = 1u << 2,   /* has PLAY_LIMITS and PLAY_COUNTERS objects */
	/* What control's lists say (ACCOUNT_FLAGS). */
	ACCOUNT_PEP = 1u << 3,          /* politically exposed: told in events, no points */
	ACCOUNT_SANCTIONED = 1u << 4,   /* on a watch list */
	ACCOUNT_COUNTRY_RISK = 1u << 5, /* from a high-risk country */
};
#define ACCOUNT_LIST_FLAGS (ACCOUNT_PEP | ACCOUNT_SANCTIONED | ACCOUNT_COUNTRY_RISK)

/* Rows, in host order. Only the ledger writes them; others read through const pointers. */
struct account_row {
	uint64_t id;
	uint64_t lsn; /* last event that changed the row; also the head of the account's chain */
	int64_t balance;
	int64_t staked_today;
	uint16_t staked_day; /* the day staked_today belongs to; days since 1970, good to 2149 */
	uint16_t partner_id; /* whose customer, 0 nobody's */
	uint16_t currency;
	uint16_t flags;
	int64_t owed; /* to the house, after reversals; repaid first by every credit */
	struct risk_profile profile;
};
_Static_assert(sizeof(struct account_row) == 128, "account row");

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
	uint8_t reprints;
	uint8_t reserved[3];
	struct wire_leg legs[LIMIT_BET_LEGS_MAX]; /* in memory: inline up to 4, see ledger_bet.c */
};

struct market_row_state {
	uint64_t id;
	uint64_t lsn;
	uint64_t event_id;
	uint64_t version;
	uint64_t start_time_ns;
	uint8_t state, kind, selection_count;
	uint8_t walked; /* 1: every bet was dealt with after the last result or rollback */
	int16_t line;   /* quarters */
	uint8_t final;  /* 1: no rollback any more */
	uint8_t reserved;
	uint32_t odds[LIMIT_MARKET_SELECTIONS_MAX];
	struct settlement_outcomes_disk outcomes; /* all zero: no result */
	uint64_t walked_ns;                       /* event time of RESULT_WALKED, 0 before */
	/* Leases: credit of the limits that came here minus what was given away. */
	int64_t credit_moved[LIMIT_MARKET_SELECTIONS_MAX];
	int64_t credit_moved_market;
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
	uint8_t shift_open;
	uint16_t shift_currency; /* of the open shift; 0: opened before it was kept, the rules' */
	uint32_t cashier_id;     /* of the open shift */
	uint32_t shift_number;
	uint32_t reserved1;
	int64_t shift_cash;       /* in the drawer at its begin */
	int64_t shift_cash_total; /* event_shift.cash_total at its begin */
	uint64_t shift_opened_ns;
};
_Static_assert(sizeof(struct terminal_row) == 96, "hashed as bytes: no padding");

/* One object: withdrawal, transfer, sprinkle ... (lmdb-schema/object.h). */
struct object_row {
	uint64_t id;
	uint64_t lsn;
	uint64_t due_ns;
	uint8_t kind;  /* object_kind */
	uint8_t state; /* object_state */
	uint16_t currency;
	uint32_t partner_id;
	_Alignas(8) uint8_t body[OBJECT_BODY_SIZE]; /* struct object_<kind>, little-endian */
};
_Static_assert(sizeof(struct object_row) == 160, "hashed as bytes: no padding");

/* What is not a row of something: one record per shard. */
struct shard_row {
	uint64_t lsn; /* last applied event */
	uint64_t time_ns;
	uint64_t bet_counter;
	uint64_t control_sequence; /* last command done */
	struct risk_rules rules;
	struct risk_rules_extra extra; /* all zero: absent, and then no part of the state hash */
};

/*
 * Allocates everything; address space only, unless config->populate: capacity not used costs no
 * memory. Starts with the default rules, LSN 0. NULL when out of memory or a capacity is 0 or above
 * 2^30.
 */
struct ledger *ledger_create(const struct ledger_config *config);
void ledger_free(struct ledger *ledger);
/* What its tables take when all their rows are in use. */
uint64_t ledger_bytes(const struct ledger *ledger);
/* How much of it `populate` takes (or would take) at the start. */
uint64_t ledger_bytes_populated(const struct ledger *ledger);

/* The request of a terminal, as the account's shard sees it. */
struct ledger_request {
	const struct wire_request *wire;
	uint64_t terminal_id;
	/* Home's share: what the terminal has staked today over all shards (for its daily limit).
	 */
	int64_t terminal_staked_today;
	/* The terminal's own daily limit; 0: none but the rules'. The lower of the two holds. */
	int64_t terminal_daily_max;
	/* Cash of the terminal over all shards, in minus out (SHIFT_OPEN, SHIFT_CLOSE). */
	int64_t terminal_cash_total;
	/* REDEEM: the ticket code is the bet's (the key is the worker's). */
	uint8_t ticket_genuine;
	/* Part of a linked group that goes on behind it: EVENT_FLAG_LINKED. */
	uint8_t linked;
	/* Not 0: refuse with this code whatever the state (a member of a group that was undone). */
	uint16_t refuse_code;
	/* REVERSE: what history says of the target; NULL: not known, the target is fenced. */
	const struct event_record *reverse_target;
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
 * codec would not have let through (template, leg count, odds policy, currency above 999, request
 * id or terminal id of 0). A time_ns before the last event's is raised to it.
 */
SLUICE_MUST_USE int ledger_decide(struct ledger *ledger, const struct ledger_request *request,
    uint64_t time_ns, struct event_buffer *event);
/* The same for a deadline that has passed before the account's shard was asked: home's EXPIRED. */
SLUICE_MUST_USE int ledger_decide_expired(struct ledger *ledger,
    const struct ledger_request *request, uint64_t time_ns, struct event_buffer *event);
/* What-if: the same decision by other rules than the state's. Its event is to be looked at, not to
 * be applied. */
SLUICE_MUST_USE int ledger_decide_by_rules(struct ledger *ledger,
    const struct ledger_request *request, const struct risk_rules *rules,
    const struct risk_rules_extra *extra, uint64_t time_ns, struct event_buffer *event);
/* Brings what a request will touch into the cache: the indexes first, for the whole burst, then the
 * rows. */
void ledger_prefetch_begin(
    const struct ledger *ledger, const struct wire_request *request, uint64_t terminal_id);
void ledger_prefetch(const struct ledger *ledger, const struct wire_request *request);
void ledger_prefetch_terminal(const struct ledger *ledger, uint64_t terminal_id);

/*
 * Linked groups: begin, then decide and apply each member, then commit, or undo to put back the
 * state before begin (rows, lists and state hash; new rows are gone). At most LIMIT_LINKED_MAX
 * members. No other call may come between. Only on a ledger without track_checkpoint.
 */
void ledger_group_begin(struct ledger *ledger);
void ledger_group_commit(struct ledger *ledger);
void ledger_group_undo(struct ledger *ledger);

/* Commands from control: make the event of one command (or one slice of it). */
struct ledger_command {
	uint16_t type; /* event_type: ACCOUNT_OPEN, MARKET_SET, RULES_SET, COMMAND_MARK, FREEZE,
	                  TICK, TERMINAL_SET, WITHDRAW_CLOSE, ADJUST, BET_VOID, MARKET_RESULT,
	                  PLAY_SET, PARTNER_SET, ACCOUNT_FLAGS, FEEDBACK */
	uint16_t currency;
	uint8_t flags;
	uint64_t account_id;
	int64_t amount; /* ACCOUNT_OPEN: opening balance */
	uint64_t control_sequence;
	uint64_t market_id;
	uint64_t terminal_id;
	uint64_t object_id; /* BET_VOID: bet; WITHDRAW_CLOSE: withdrawal; PARTNER_SET: partner */
	uint32_t reason;    /* ADJUST, BET_VOID */
	struct event_market market;
	struct event_terminal terminal;
	struct event_result result;     /* MARKET_RESULT; op SET, ROLLBACK or FINAL */
	struct object_play_limits play; /* PLAY_SET: account_id, active = the new limits */
	struct object_partner partner;  /* PARTNER_SET: version, exposure_max, keys_max,
	                                   currency, blocked; the rest 0 */
	struct risk_rules rules;        /* RULES_SET, with extra (all zero: absent) */
	struct risk_rules_extra extra;
	struct event_account_flags account_flags; /* ACCOUNT_FLAGS: account_id */
	struct event_feedback feedback;           /* FEEDBACK */
};

/* What a command is about lives on one shard only: 1, and *bucket; 0: on all (or FINAL et al). */
int ledger_command_bucket(const struct ledger_command *command, uint32_t *bucket);
/*
 * Length of the event, 0 when there is nothing to do (done before), -EBUSY, -EINVAL.
 * account_id: ACCOUNT_OPEN, ACCOUNT_FREEZE (flags: EVENT_FLAG_FROZEN). market_id, market:
 * MARKET_SET. control_sequence: COMMAND_MARK, where it must follow the last one without a gap;
 * otherwise only recorded (object_id of ACCOUNT_OPEN, ACCOUNT_FREEZE, RULES_SET, TERMINAL_SET).
 * terminal_id, terminal: TERMINAL_SET; a version at or below the row's is nothing to do.
 */
SLUICE_MUST_USE int ledger_decide_command(struct ledger *ledger,
    const struct ledger_command *command, uint64_t time_ns, struct event_buffer *event);

/*
 * Negative results of these commands, beside those below: -ENOENT no such bet, withdrawal, account
 * or market; -EALREADY not in a state for it (bet not open, withdrawal closed, market settled, or
 * its kind, line or number of selections are to change while it is open or has bets in memory);
 * -ERANGE the amount does not fit (ADJUST below the balance); -EACCES a withdrawal is to be paid
 * from a frozen account or one of a blocked partner; -EPERM from one that owes the house.
 */

/* ---- Settlement: the walk over a market's bets, one event a call ---- */

struct ledger_walk {
	uint64_t market_id;
	uint32_t next; /* bet row + 1, as of the last call; 0: at the begin */
	uint8_t started;
	uint64_t looked; /* bets seen so far */
};
/*
 * After MARKET_RESULT, or whenever market->walked is 0: finds the next bet of the market whose
 * state differs from what the results say, looking at no more than `look_max` bets, and makes its
 * BET_SETTLE event. Length; -EAGAIN: looked at look_max, call again; 0: the walk is at its end: the
 * RESULT_WALKED event comes from ledger_decide_walked.
 */
SLUICE_MUST_USE int ledger_walk_next(struct ledger *ledger, struct ledger_walk *walk,
    unsigned look_max, uint64_t time_ns, struct event_buffer *event);
SLUICE_MUST_USE int ledger_decide_walked(struct ledger *ledger, const struct ledger_walk *walk,
    uint64_t time_ns, struct event_buffer *event);
/* The next market, from row number *row on, that has a walk to do (result or rollback, not walked);
 * NULL and *row at the end when there is none. For the start of the process. */
const struct market_row_state *ledger_walk_due(const struct ledger *ledger, uint32_t *row);

/* ---- Time: what is due by event time ---- */

/*
 * The next thing that is due at time_ns: pending withdrawals, sprinkles past their window,
 * unclaimed tickets, limits to be raised, partner keys, closed rows that retire. (When a result is
 * final is control's to say, by MARKET_RESULT.) Length of its event, 0 when nothing is due, -EAGAIN
 * when it looked at enough for one call.
 */
SLUICE_MUST_USE int ledger_decide_due(
    struct ledger *ledger, uint64_t time_ns, struct event_buffer *event);
/* When ledger_decide_due has something to do; UINT64_MAX never. O(1). */
uint64_t ledger_due_ns(const struct ledger *ledger);

/* ---- Between shards ---- */

/* What goes from the source's shard to the peer once the TRANSFER_OUT or LEASE is durable. */
struct ledger_parcel {
	uint64_t transfer_id, sequence;
	uint64_t from_account, to_account, reference;
	uint64_t watermark; /* the source has closed every sequence up to here, durably */
	int64_t amount;
	uint16_t currency;
	uint8_t source, peer; /* shards */
	uint8_t purpose;      /* transfer_purpose */
	uint8_t lease_scope, lease_selection;
	uint8_t reserved;
};

/* Its answer, once that is durable at the peer. */
struct ledger_receipt {
	uint64_t transfer_id, sequence;
	int64_t balance; /* of a claim: what the claimer has there; else 0 */
	uint16_t code;   /* OK, or why the peer refused */
	uint8_t source, peer;
	uint8_t reserved[4];
};

/* The parcel of an open TRANSFER object. 0; -ENOENT: not known, or closed. */
SLUICE_MUST_USE int ledger_parcel_make(
    const struct ledger *ledger, uint64_t transfer_id, struct ledger_parcel *parcel);
/*
 * At the peer: length of the TRANSFER_IN (or LEASE) event, *receipt its answer; 0: done before,
 * *receipt the same answer again; -EAGAIN: an earlier sequence has not come yet; -ESTALE: another
 * transfer came under this sequence (the source has gone back in time), no answer; -EBUSY.
 */
SLUICE_MUST_USE int ledger_decide_parcel(struct ledger *ledger, const struct ledger_parcel *parcel,
    uint64_t time_ns, struct event_buffer *event, struct ledger_receipt *receipt);
/*
 * At the source: length of the TRANSFER_DONE event, 0: closed before; -EBUSY: a table is full, or
 * the account the money goes back to: later. Receipts may come in any order. -EINVAL: of another
 * transfer.
 */
SLUICE_MUST_USE int ledger_decide_receipt(struct ledger *ledger,
    const struct ledger_receipt *receipt, uint64_t time_ns, struct event_buffer *event);
/* Open TRANSFERs to be sent again at start: the next from row number *row on; 0 none left. */
uint64_t ledger_transfer_open(const struct ledger *ledger, uint32_t *row);

/*
 * Credit of payout limits (leases). After a bet was refused with an EXPOSURE_* code: 1, and what it
 * lacked here and of which limit; 0: no credit can help, as its payout alone is above a whole
 * limit. ledger_credit_free is what another shard could give, 0 or more. ledger_decide_lease there
 * gives what it has, up to `amount` or half of it: length of its LEASE event (with a TRANSFER
 * object: send its parcel), 0: nothing to give.
 */
struct ledger_shortage {
	uint64_t id; /* market or partner */
	int64_t amount;
	uint16_t currency;
	uint8_t scope; /* lease_scope */
	uint8_t selection;
};
int ledger_shortage(const struct ledger *ledger, const struct wire_request *request,
    uint64_t time_ns, struct ledger_shortage *shortage);
int64_t ledger_credit_free(const struct ledger *ledger, const struct ledger_shortage *shortage);
/* What the limit is overdrawn by here, 0 or more. */
int64_t ledger_credit_lacks(const struct ledger *ledger, const struct ledger_shortage *shortage);
/*
 * The next limit that is overdrawn here, of all there are; begin with zeros. 1: it, and `amount`
 * what it lacks; -EAGAIN: looked at look_max rows, call again; 0: no other.
 */
struct ledger_overdrawn_walk {
	uint32_t market, partner;
	uint8_t limit, by_number;
};
SLUICE_MUST_USE int ledger_overdrawn_next(const struct ledger *ledger,
    struct ledger_overdrawn_walk *walk, unsigned look_max, struct ledger_shortage *shortage);
SLUICE_MUST_USE int ledger_decide_lease(struct ledger *ledger,
    const struct ledger_shortage *shortage, uint32_t receiver, uint64_t time_ns,
    struct event_buffer *event);

/* Rows a check leaves to live traffic, or not. */
enum ledger_spare {
	LEDGER_SPARE_NONE,
	LEDGER_SPARE_SYSTEM, /* for system accounts that known terminals may still need */
};
/*
 * Whether `missing` new accounts of this opening balance fit now, the funding account included, and
 * the rows kept for system accounts (64 + 2 x shards, in tables of 1,024 rows and more) stay free.
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

/*
 * The same for an event that a ledger_decide* has just made from this very state: what it says by
 * itself is not checked again, what it says of the rows is. The follower, which reads the event
 * back from the journal, checks everything before anything of it reaches the store.
 */
SLUICE_MUST_USE int ledger_apply_own(struct ledger *ledger, const uint8_t *event, size_t length);

/* Structural check of an event's bytes: lengths, type, ranges, reserved bytes. 0 or -EBADMSG. */
SLUICE_MUST_USE int event_check(const uint8_t *event, size_t room);
/* The body of MARKET_SET: state, kind, counts, odds 0 (no price) or in range. 0 or -EINVAL. */
SLUICE_MUST_USE int event_market_check(const struct event_market *market);
/* The body of MARKET_RESULT: op, version, outcomes. 0 or -EINVAL. */
SLUICE_MUST_USE int event_result_check(const struct event_result *result);
/* The body of TERMINAL_SET: version, rights, limit, flags. 0 or -EINVAL. */
SLUICE_MUST_USE int event_terminal_check(const struct event_terminal *terminal);

/* The body of ACCOUNT_FLAGS; of FEEDBACK. 0 or -EINVAL. */
SLUICE_MUST_USE int event_account_flags_check(const struct event_account_flags *flags);
SLUICE_MUST_USE int event_feedback_check(const struct event_feedback *feedback);

/* Reads. NULL when there is no such row. */
const struct account_row *ledger_account(const struct ledger *ledger, uint64_t account_id);
/* NULL: no such row, or a state that never learned. */
const struct risk_account_state *ledger_account_risk(
    const struct ledger *ledger, uint64_t account_id);
const struct risk_terminal_state *ledger_terminal_risk(
    const struct ledger *ledger, uint64_t terminal_id);
const struct market_row_state *ledger_market(const struct ledger *ledger, uint64_t market_id);
const struct terminal_row *ledger_terminal(const struct ledger *ledger, uint64_t terminal_id);
const struct object_row *ledger_object(const struct ledger *ledger, uint64_t object_id);
const struct object_row *ledger_object_by_key(
    const struct ledger *ledger, const struct object_key *key);
const struct shard_row *ledger_shard(const struct ledger *ledger);
/*
 * Payouts of open bets on this shard: with a leg on the selection; selection -1: on the market; and
 * of one partner's customers. Derived from the bets, so neither row nor hash holds them.
 */
int64_t ledger_market_exposure(const struct ledger *ledger, uint64_t market_id, int selection);
int64_t ledger_partner_exposure(const struct ledger *ledger, uint32_t partner_id);
/* Open bets on the market on this shard. Once it is walked: those that another leg keeps open, and
 * those whose payout had no room in its account. */
uint32_t ledger_market_open(const struct ledger *ledger, uint64_t market_id);
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
	uint64_t accounts, bets_open, bets, markets, terminals, objects;
};
void ledger_totals(const struct ledger *ledger, struct ledger_totals *totals);
/* What counts against today's limit, of the account or terminal row with these two fields. */
static inline int64_t ledger_staked_on(int64_t staked_today, uint32_t staked_day, uint32_t day)
{
	return staked_day >= day ? staked_today : 0;
}
/*
 * Events: markets grouped by event_id, derived from the market rows. The newest version of each
 * event above `since`, ascending; a market's version makes its event appear once, at its newest.
 */
unsigned ledger_events_since(const struct ledger *ledger, uint64_t since_version,
    struct event_row *rows, unsigned max, int *more, uint64_t *up_to);
/* The markets of one event, in order of their versions above since; as ledger_markets_since. */
unsigned ledger_event_markets(const struct ledger *ledger, uint64_t event_id,
    uint64_t since_version, const struct market_row_state **rows, unsigned max, int *more);

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
	LEDGER_OBJECT,
	LEDGER_TABLE_COUNT,
};

/* Puts a row read from the store into an empty or partly loaded ledger. 0, -ENOSPC, -EEXIST. */
SLUICE_MUST_USE int ledger_load_account(struct ledger *ledger, const struct account_row *row);
SLUICE_MUST_USE int ledger_load_bet(struct ledger *ledger, const struct bet_row *row);
SLUICE_MUST_USE int ledger_load_market(struct ledger *ledger, const struct market_row_state *row);
SLUICE_MUST_USE int ledger_load_terminal(struct ledger *ledger, const struct terminal_row *row);
SLUICE_MUST_USE int ledger_load_object(struct ledger *ledger, const struct object_row *row);
/* The risk state of a row that was just loaded. 0, -ENOENT. */
SLUICE_MUST_USE int ledger_load_account_state(
    struct ledger *ledger, uint64_t account_id, const struct risk_account_state *state);
SLUICE_MUST_USE int ledger_load_terminal_state(
    struct ledger *ledger, uint64_t terminal_id, const struct risk_terminal_state *state);
/*
 * The newest LSN of any loaded row: events up to it may name rows that have retired since. Replay
 * passes over their parts. Set after loading, before the first ledger_apply.
 */
void ledger_load_horizon(struct ledger *ledger, uint64_t lsn_max);
/* For loading: the line of the index that a row with this id will be entered in or is found by. */
void ledger_prefetch_index(const struct ledger *ledger, enum ledger_table table, uint64_t id);

void ledger_load_shard(struct ledger *ledger, const struct shard_row *row);

/*
 * For replay: the memory of LEDGER_POPULATE_ROWS bets from row `first` on, before the rows are
 * made; with first 0 the whole index too. Changes no content, so another thread than the owner's
 * may call it. Ends at the capacity; where the kernel cannot, memory comes when it is touched.
 */
#define LEDGER_POPULATE_ROWS 16384u
void ledger_bets_populate(const struct ledger *ledger, uint64_t first);
/* Copies all state of `from` (same configuration but for track_checkpoint) into an empty ledger. */
SLUICE_MUST_USE int ledger_copy(struct ledger *to, const struct ledger *from);

/*
 * Rows changed since they were last taken (track_checkpoint only). Takes up to `max` row numbers of
 * one table off the dirty list, longest listed first; a row changed again later is listed again.
 * Returns the count. Row numbers stay valid until the row retires.
 */
unsigned ledger_dirty_take(
    struct ledger *ledger, enum ledger_table table, uint32_t *rows, unsigned max);
uint32_t ledger_dirty_count(const struct ledger *ledger, enum ledger_table table);
/*
 * Rows that retired are taken like changed ones: 1 for a bet or object row that has left the index
 * and only waits to be written to its closed table. ledger_row_release frees its number after that.
 */
int ledger_row_retired(const struct ledger *ledger, enum ledger_table table, uint32_t row);
void ledger_row_release(struct ledger *ledger, enum ledger_table table, uint32_t row);
/* Row by number. */
const struct object_row *ledger_object_at(const struct ledger *ledger, uint32_t row);
const struct account_row *ledger_account_at(const struct ledger *ledger, uint32_t row);
const struct market_row_state *ledger_market_at(const struct ledger *ledger, uint32_t row);
const struct terminal_row *ledger_terminal_at(const struct ledger *ledger, uint32_t row);
/* Risk state by row number, part of the row: its LSN covers it. NULL: none, it never learned. */
const struct risk_account_state *ledger_account_state_at(const struct ledger *ledger, uint32_t row);
const struct risk_terminal_state *ledger_terminal_state_at(
    const struct ledger *ledger, uint32_t row);
void ledger_bet_at(const struct ledger *ledger, uint32_t row, struct bet_row *out);
uint64_t ledger_bet_id_at(const struct ledger *ledger, uint32_t row);
/* Brings a row, with its risk state, into the cache. */
void ledger_prefetch_row(const struct ledger *ledger, enum ledger_table table, uint32_t row);
/* Rows in use: numbers are 0..count-1. For scans. */
uint32_t ledger_row_count(const struct ledger *ledger, enum ledger_table table);
/* How many rows can still be made; a row that has retired takes one up until it is released. */
uint32_t ledger_rows_free(const struct ledger *ledger, enum ledger_table table);

#endif
