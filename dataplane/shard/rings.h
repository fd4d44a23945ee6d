/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between the threads of the data plane. One SPSC ring per direction and pair; every
 * ring is bounded, and a full one is answered BUSY or counted, never waited for.
 *
 *   worker i -> worker j   handover  a datagram whose session lives with j
 *                          request   a request whose account lives with j
 *                          answer    j's durable outcome for a terminal of i
 *                          transmit  sealed frames for the worker that owns the port's queue
 *                          parcel    money or credit that has left i durably
 *                          receipt   j's durable answer to a parcel of i
 *                          shortage  i asks j for credit of a limit, or says what it has
 *   main -> worker         command    worker -> main    result
 *   worker -> reader       query      reader -> worker  found
 */
#ifndef SLUICE_SHARD_RINGS_H
#define SLUICE_SHARD_RINGS_H

#include <stdint.h>

#include "dataplane/ledger/ledger.h"
#include "dataplane/port/port.h"
#include "dataplane/session/session.h"
#include "dataplane/shard/query.h"
#include "wire/codec.h"
#include "wire/spsc.h"

/*
 * Ring sizes. A terminal has at most LIMIT_REQUEST_WINDOW requests running and every request leaves
 * at most one answer, so an answer ring as large as the request ring plus the pending table of the
 * answering shard could still fill up; PENDING_MAX bounds what a shard owes, and the answer ring
 * holds that many, so a shard can always hand over what it owes: two shards cannot block each
 * other.
 *
 * Parcels: a shard has at most TRANSFERS_OPEN_MAX transfers and leases open, whoever they are for,
 * and each is in the ring once, so a parcel ring is never full; a parcel leaves one receipt, so
 * neither is a receipt ring. One more transfer is answered BUSY.
 */
#ifdef SLUICE_SMALL_RINGS
/* For the simulator: rings and tables that are full now and then, and quickly made. */
#define RING_HANDOVER_COUNT 16
#define RING_REQUEST_COUNT  32
#define RING_ANSWER_COUNT   2048
#define RING_TRANSMIT_COUNT 64
#define RING_COMMAND_COUNT  16
#define RING_HISTORY_COUNT  16
#define RING_PARCEL_COUNT   64
#define RING_SHORTAGE_COUNT 16
#define PENDING_MAX         1024
#define TRANSFERS_OPEN_MAX  64
#else
#define RING_HANDOVER_COUNT 1024
#define RING_REQUEST_COUNT  1024
#define RING_ANSWER_COUNT   32768
#define RING_TRANSMIT_COUNT 2048
#define RING_COMMAND_COUNT  64
#define RING_HISTORY_COUNT  256
#define RING_PARCEL_COUNT   2048
#define RING_SHORTAGE_COUNT 256
#define PENDING_MAX         16384
#define TRANSFERS_OPEN_MAX  2048
#endif
_Static_assert(RING_ANSWER_COUNT >= PENDING_MAX + RING_REQUEST_COUNT,
    "a shard can always hand over every answer it owes");

_Static_assert(RING_PARCEL_COUNT >= TRANSFERS_OPEN_MAX, "parcels and receipts always find a place");

struct ring_handover {
	struct rte_mbuf *mbuf;
	struct port_packet packet;
};

struct ring_transmit {
	struct rte_mbuf *mbuf;
	uint32_t port_index;
};

/* Who asked: enough to complete the window and to find the session again. */
struct origin {
	uint64_t terminal_id;
	uint32_t session_id;
	uint32_t terminal_index; /* of the window in the home worker */
	uint32_t staked_day;     /* the day the stake was reserved in at home */
	uint8_t home;            /* shard of the terminal */
	uint8_t no_reply;
	uint8_t held;           /* FENCE, REVERSE: the target's entry of the window is held */
	uint8_t reserved_stake; /* 1: its stake was added to what the terminal staked */
	uint64_t received_ns;   /* when home's turn that took it in began (shard/latency.h) */
};

/* What home knows of the terminal; the account's shard decides with it. */
struct terminal_share {
	int64_t staked_today; /* over all shards */
	int64_t daily_max;    /* the terminal's own; 0: none */
	int64_t cash_total;   /* over all shards, in minus out; SHIFT_OPEN, SHIFT_CLOSE */
};

struct ring_request {
	struct origin origin;
	struct terminal_share share;
	uint8_t group;        /* members of a linked group from here on; 0: not of one */
	uint8_t has_target;   /* REVERSE: `target` is what history says */
	uint8_t target_shard; /* TX_STATUS: whose the target's LSN is */
	struct event_record target;
	struct wire_request request;
};

enum outcome_kind {
	OUTCOME_READ,     /* of a question; or an old outcome */
	OUTCOME_MUTATION, /* of a request in the window */
	OUTCOME_UPDATE,   /* final outcome of a request restored as PENDING: nobody waits for it */
	OUTCOME_CASH,     /* a command moved cash of the terminal */
};

/* One outcome on its way to the terminal. Smaller than struct wire_reply: no rows. */
struct outcome {
	struct origin origin;
	uint64_t request_id;
	uint64_t body_hash[2];
	uint64_t lsn, object_id;
	int64_t balance, payout; /* SPRINKLE_STATUS: total, remaining */
	uint16_t template_id, code, detail, currency;
	uint8_t shard, score, flags;
	uint8_t journalled; /* 1: complete the window; 0: abandon it, or a query */
	uint8_t kind;       /* outcome_kind */
	uint8_t bet_state;  /* SPRINKLE_STATUS: 1 open, 2 ended */
	uint8_t leg_count, reprints;
	union {
		struct {
			uint64_t account_id, placed_at_ns;
		} bet; /* BET_STATUS */
		struct {
			uint64_t ends_ns;
			uint32_t shares, claimed;
		} sprinkle;
		struct {
			int64_t cash; /* into the terminal's drawer, in `currency` */
			uint8_t ticket[TICKET_SIZE];
			uint8_t reserved;
		} done; /* what changed something */
		struct {
			uint64_t time_ns;
			uint16_t code, template_id;
			uint8_t reserved[4];
		} status; /* TX_STATUS of a withdrawal that its shard was asked about */
	};
	int64_t stake; /* BET_STATUS; BALANCE: staked today; PLACE_BET: the stake reserved at home;
	                  FENCE, REVERSE: the target's request id */
};
_Static_assert(sizeof(struct outcome) == 128, "two cache lines");

/* Between shards: questions about credit of a limit, and their answers (lease.c). */
enum shortage_what {
	SHORTAGE_LOOK,    /* how much have you? */
	SHORTAGE_HAS,     /* answer: `amount` */
	SHORTAGE_ASKED,   /* give `amount`; the answer is a LEASE, or one of these: */
	SHORTAGE_NOTHING, /* it has no credit */
	SHORTAGE_LATER,   /* it may have some and cannot send it now */
};

struct ring_shortage {
	struct ledger_shortage shortage;
	uint64_t round; /* the asker's; its answers carry the same */
	uint8_t what;   /* shortage_what */
	uint8_t coming; /* HAS: 1: it gathers, so more may be on its way to it */
	/* ASKED: 1: the asker is overdrawn; no bet of the other side comes before that. */
	uint8_t overdrawn;
};

/* Main to worker. */
enum shard_command_kind {
	SHARD_SESSION_INSTALL,
	SHARD_SESSION_END,
	SHARD_LEDGER,        /* one ledger command, then its sequence is marked done */
	SHARD_ACCOUNTS_OPEN, /* a range of accounts in slices, then the mark */
	SHARD_QUERY,         /* a question about rows or sessions: query.h */
};

/*
 * A numbered command may be asked about first: 0 when this shard can do it, else -EBUSY (a table is
 * full) or -ENOENT (no such account). Nothing is journalled.
 */
enum shard_check {
	SHARD_DO,
	SHARD_CHECK,         /* of a command about to be sent; one done already can be "done" */
	SHARD_CHECK_DRY_RUN, /* whatever its number; leaves rows for system accounts free */
};

struct shard_command {
	uint64_t ticket;
	enum shard_command_kind kind;
	enum shard_check check; /* of SHARD_LEDGER, SHARD_ACCOUNTS_OPEN */
	union {
		struct session_install install;
		uint32_t session_id;
		struct ledger_command ledger;
		struct {
			uint64_t first, count, control_sequence;
			int64_t opening_balance;
			uint16_t currency;
		} accounts;
		struct shard_query *query; /* the asker's; see query.h for whose when */
	};
};

struct shard_result {
	uint64_t ticket;
	int32_t error;   /* 0, or -errno */
	uint8_t already; /* the command had been done before */
};

/* What a worker wants to know from history. */
enum history_kind {
	HISTORY_OUTCOME,   /* the outcome of a request sent again */
	HISTORY_STATUS,    /* TX_STATUS */
	HISTORY_TARGET,    /* the event that REVERSE or FENCE names */
	HISTORY_STATEMENT, /* STATEMENT, from the account's shard */
	HISTORY_BET,       /* BET_STATUS of a bet that has left memory, from its shard */
	HISTORY_SPRINKLE,  /* SPRINKLE_STATUS, the same */
	HISTORY_TICKET,    /* REDEEM of such a bet: why it is refused */
};

/* Worker to reader. The answer goes to the terminal's home, whoever asks. */
struct history_query {
	struct origin origin;
	uint64_t request_id;
	uint64_t body_hash[2];
	uint16_t template_id;
	uint8_t kind;          /* history_kind */
	uint8_t below_durable; /* below what durable outcomes have moved: can never be admitted */
	uint8_t shard;         /* STATEMENT, BET: where */
	uint8_t count;         /* STATEMENT: rows */
	uint16_t currency;     /* STATEMENT: of the account */
	uint64_t id;           /* the request id, account id, bet id or token looked for */
	uint64_t lsn;          /* STATEMENT: the newest event; BET: what a checkpoint must hold */
	struct wire_request request; /* STATUS, TARGET, TICKET: to go on with */
};

/* Reader to home worker. */
struct history_found {
	struct origin origin;
	uint8_t kind;  /* history_kind */
	uint8_t found; /* TARGET: 1 when `target` holds; STATUS: 1 when `target` is a withdrawal
	                  that waited for approval and its shard must be asked about it */
	uint8_t shard; /* TARGET, STATUS: where it lies */
	uint8_t target_shard; /* STATUS: whose its LSN is: another one before a re-sharding */
	uint16_t code; /* TARGET: not OK: it could not be looked up, the answer; TICKET: or the
	                  refusal */
	union {
		struct wire_reply reply; /* of all other kinds; of STATUS without `found` */
		struct {
			struct wire_request request;
			struct event_record target;
		};
	};
};

#endif
