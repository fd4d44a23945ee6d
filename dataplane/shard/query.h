/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of main about rows and sessions, answered by the worker from its own memory. The asker
 * owns the area; from the push of the command until the result has come back it is the worker's:
 *
 *   main:    fills the question, pushes the command            (T1 of the command ring, release)
 *   worker:  takes the command (T1, acquire), writes the answer, pushes the result (T1, release)
 *   main:    takes the result (T1, acquire), reads the answer
 *
 * A row is answered as it is when it is looked at, and the result waits until that row is durable.
 */
#ifndef SLUICE_SHARD_QUERY_H
#define SLUICE_SHARD_QUERY_H

#include <stdint.h>

#include "dataplane/ledger/ledger.h"
#include "wire/ticket.h"

#define QUERY_SESSIONS_MAX 256
/* Sessions looked at in one turn: each may cost a few cache misses. */
#define QUERY_SESSIONS_PER_TURN 64
#define QUERY_WITHDRAWALS_MAX   128
/* Object rows looked at in one turn for open withdrawals: in order of memory. */
#define QUERY_OBJECTS_PER_TURN 2048

enum shard_query_kind {
	QUERY_ACCOUNT,
	QUERY_BET,
	QUERY_TERMINAL,
	QUERY_WITHDRAWALS, /* of one shard: those that are open, from row number `id` on */
	QUERY_TICKET,      /* is `ticket` the code of bet `id`? */
	/* Asked of all shards at once: each fills the entries that are its own. */
	QUERY_SESSIONS,
	QUERY_MARKET, /* every shard has its row; walks and exposures differ */
	QUERY_OBJECT, /* by id, or by `key`: PARTNER and the like are on every shard */
};

/* The last HEARTBEAT of a terminal; received_ns 0: none since the start. */
struct terminal_heartbeat {
	uint64_t received_ns; /* switch time, Unix ns */
	uint64_t local_time_ns;
	uint32_t sequence, firmware;
	uint16_t error_code;
	uint8_t state, battery_percent;
	uint8_t reserved[4];
};
_Static_assert(sizeof(struct terminal_heartbeat) == 32, "half a cache line a terminal");

struct query_session {
	/* Question. */
	uint32_t slot;
	uint8_t home;
	/* Answer. */
	uint8_t wants_rotation;
	uint16_t epoch;
	uint32_t session_id; /* 0: it has ended meanwhile */
	uint32_t rights;
	uint64_t terminal_id;
	uint64_t last_seen_ns;
	uint64_t datagrams, messages, resends;
	uint64_t open_failed; /* of the epochs held now */
	struct terminal_heartbeat heartbeat;
};

/* What the home shard knows of a terminal. */
struct query_terminal {
	uint32_t rights;
	uint8_t blocked;
	int64_t daily_max;    /* 0: as the rules say */
	int64_t staked_today; /* what its limit is checked against: running requests included */
	uint64_t highest_request_id; /* durably completed */
};

/* An account with what it set for itself. */
struct query_account {
	struct account_row row;
	uint8_t has_play;                   /* 1: it has limits or counters */
	struct object_row limits, counters; /* id 0: none */
};

struct query_market {
	struct market_row_state row;
	int64_t exposure[LIMIT_MARKET_SELECTIONS_MAX]; /* payouts of open bets on this shard */
	int64_t exposure_market;
	uint32_t bets_open;
	uint8_t found;
};

struct query_object {
	struct object_row row;
	int64_t exposure; /* PARTNER: payouts of its customers' open bets on this shard */
	uint8_t found;
};

struct query_withdrawals {
	struct object_row rows[QUERY_WITHDRAWALS_MAX];
	uint32_t count;
	uint32_t next_row; /* 0: the end */
};

struct query_ticket {
	uint8_t genuine; /* 1: the code is this bet's */
	struct bet_row bet;
};

struct shard_query {
	/* Question. */
	enum shard_query_kind kind;
	uint64_t id;
	struct object_key key; /* QUERY_OBJECT with id 0 */
	uint8_t ticket[TICKET_SIZE];
	/* QUERY_TICKET: of a bet that has left memory, by its closed row; bet_id 0: not given. */
	struct ticket_facts facts;
	uint32_t sessions_count;
	/* Answer; what is asked of all shards has the entries only. */
	uint8_t found;
	uint32_t shard;
	uint64_t lsn; /* of the row */
	union {
		struct query_account account;
		struct query_terminal terminal;
		struct query_withdrawals withdrawals;
		struct query_ticket ticket_bet;
		struct bet_row bet;
		struct query_session sessions[QUERY_SESSIONS_MAX];
		struct query_market markets[LIMIT_SHARDS];
		struct query_object objects[LIMIT_SHARDS];
	};
};

#endif
