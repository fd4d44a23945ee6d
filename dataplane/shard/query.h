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

#define QUERY_SESSIONS_MAX 256
/* Sessions looked at in one turn: each may cost a few cache misses. */
#define QUERY_SESSIONS_PER_TURN 64

enum shard_query_kind {
	QUERY_ACCOUNT,
	QUERY_BET,
	QUERY_TERMINAL,
	QUERY_MARKET,
	QUERY_SESSIONS, /* asked of all shards at once: each fills the entries it is home of */
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

struct shard_query {
	/* Question. */
	enum shard_query_kind kind;
	uint64_t id;
	uint32_t sessions_count;
	/* Answer; QUERY_SESSIONS has the entries only. */
	uint8_t found;
	uint32_t shard;
	uint64_t lsn; /* of the row */
	union {
		struct account_row account;
		struct bet_row bet;
		struct market_row_state market;
		struct query_terminal terminal;
		struct query_session sessions[QUERY_SESSIONS_MAX];
	};
};

#endif
