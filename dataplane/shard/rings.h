/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between the threads of the data plane. One SPSC ring per direction and pair; every
 * ring is bounded, and a full one is answered BUSY or counted, never waited for.
 *
 *   worker i -> worker j   handover  a datagram whose session lives with j
 *                          request   a request whose account lives with j
 *                          answer    j's durable outcome for a terminal of i
 *                          transmit  sealed frames for the worker that owns the port's queue
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
 */
#define RING_HANDOVER_COUNT 1024
#define RING_REQUEST_COUNT  1024
#define RING_ANSWER_COUNT   32768
#define RING_TRANSMIT_COUNT 2048
#define RING_COMMAND_COUNT  64
#define RING_HISTORY_COUNT  256
#define PENDING_MAX         16384
_Static_assert(RING_ANSWER_COUNT >= PENDING_MAX + RING_REQUEST_COUNT,
    "a shard can always hand over every answer it owes");

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
	uint8_t reserved[2];
	uint64_t received_ns; /* when home's turn that took it in began (shard/latency.h) */
};

/* What home knows of the terminal's daily limit; the account's shard decides with it. */
struct terminal_share {
	int64_t staked_today; /* over all shards */
	int64_t daily_max;    /* the terminal's own; 0: none */
};

struct ring_request {
	struct origin origin;
	struct terminal_share share;
	struct wire_request request;
};

/* One outcome on its way to the terminal. Smaller than struct wire_reply: no market rows. */
struct outcome {
	struct origin origin;
	uint64_t request_id;
	uint64_t body_hash[2];
	uint64_t lsn, object_id;
	int64_t balance, payout;
	uint16_t template_id, code, detail;
	uint8_t shard, score, flags;
	uint8_t journalled; /* 1: complete the window; 0: abandon it, or a query */
	uint8_t mutates;
	uint8_t bet_state, leg_count;
	uint16_t currency;
	uint64_t account_id, placed_at_ns;
	int64_t
	    stake; /* BET_STATUS; BALANCE: staked today; PLACE_BET: the stake reserved at home */
};
_Static_assert(sizeof(struct outcome) == 128, "two cache lines");

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

/* Worker to reader: the outcome of an old request is wanted. */
struct history_query {
	struct origin origin;
	uint64_t request_id;
	uint64_t body_hash[2];
	uint16_t template_id;
	uint8_t below_durable; /* 64 or more below the highest durable id: can never be admitted */
};

#endif
