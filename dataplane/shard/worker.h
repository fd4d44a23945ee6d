/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker: the polling loop of one shard. Everything it touches on the packet path is in struct
 * worker or owned by it; other threads reach it only through rings (rings.h) and read its counters.
 *
 * A turn works on a burst stage by stage: receive, open, decode and prefetch, decide, append; then
 * answers of other shards, commands, journal, release of what became durable, transmit.
 */
#ifndef SLUICE_SHARD_WORKER_H
#define SLUICE_SHARD_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "dataplane/journal/journal.h"
#include "dataplane/ledger/ledger.h"
#include "dataplane/port/port.h"
#include "dataplane/session/session.h"
#include "dataplane/session/window.h"
#include "dataplane/shard/latency.h"
#include "dataplane/shard/rings.h"
#include "dataplane/shard/stats.h"

#define WORKER_COMMANDS_PER_TURN 16
#define WORKER_ACCOUNTS_PER_TURN 256
#define WORKER_MARKS_MAX         16
#define WORKER_REMOTE_PER_TURN   64
#define WORKER_MESSAGES_PER_TURN (LIMIT_BURST * LIMIT_MESSAGES_PER_DATAGRAM)
#define WORKER_HEARTBEAT_MS      25000u
#define WORKER_TICK_NS           1000000000ull
#define WORKER_TOTALS_NS         100000000ull
/* Slots looked at for sessions past their time, and how often: 100,000 slots in 16 s. */
#define WORKER_EXPIRE_SLOTS 64u
#define WORKER_EXPIRE_NS    10000000ull

enum worker_polling {
	POLLING_BUSY,
	POLLING_ADAPTIVE,
};

/* Shared by all threads, written once at start or by main as noted. */
struct switch_shared {
	uint32_t shard_count;
	uint32_t port_count;
	uint32_t slots_max;
	uint64_t boot_id;
	enum worker_polling polling;
	struct ids_bucket_map buckets;
	struct port *ports[LIMIT_PORTS];
	struct rte_mempool *pool;
	/* Main: store release once sessions are in; workers: load acquire (W1). */
	_Atomic uint32_t open;
	/* Main or signal: store release; every loop: load acquire (W2). */
	_Atomic uint32_t stop;
	/* Home worker of each session slot, 0xff unknown. Main stores release, workers acquire
	 * (W3). A worker that ended a session past its time stores 0xff: main only stores a home
	 * after that worker has installed a later session there. */
	_Atomic uint8_t *slot_home;
	/* Last durable LSN of each shard. Its worker stores release, the reader acquires (W4). */
	_Atomic uint64_t durable_lsn[LIMIT_SHARDS];
	/* 1 when a stopping worker owes nothing. Worker stores release, workers acquire (W6). */
	_Atomic uint32_t drained[LIMIT_SHARDS];
};

/* Rings of one worker towards others; [shard] = the other one. */
struct worker_rings {
	struct spsc_ring *handover_in[LIMIT_SHARDS], *handover_out[LIMIT_SHARDS];
	struct spsc_ring *request_in[LIMIT_SHARDS], *request_out[LIMIT_SHARDS];
	struct spsc_ring *answer_in[LIMIT_SHARDS], *answer_out[LIMIT_SHARDS];
	struct spsc_ring *transmit_in[LIMIT_SHARDS], *transmit_out;
	struct spsc_ring *command, *result;
	struct spsc_ring *history_query, *history_found;
};

/* An outcome, or a command's result, that waits for the durable LSN to reach `gate_lsn`. */
struct pending {
	uint64_t gate_lsn;
	uint64_t ticket; /* not 0: a command's result for main, in outcome.stake and .flags */
	struct outcome outcome;
};
_Static_assert(sizeof(struct pending) == 144, "no more than the outcome needs");

/* Answer datagram being filled. */
struct reply_builder {
	struct rte_mbuf *mbuf;
	struct session *session;
	uint16_t text_size;
	uint16_t messages;
};

/*
 * A range command in progress, or the check of one. First all its ids are looked up: only a range
 * that fits as a whole is begun.
 */
struct range_command {
	uint64_t ticket; /* 0: none */
	uint64_t first, next, end, control_sequence;
	uint64_t missing; /* accounts at home here that are not open yet */
	int64_t opening_balance;
	uint16_t currency;
	enum shard_check check;
	uint8_t opening; /* 0: being looked up */
};

/* A COMMAND_MARK that was journalled and is not durable yet. */
struct command_mark {
	uint64_t lsn, sequence;
};

/* One request of the burst between the stages. */
struct burst_message {
	struct session *session;
	struct wire_request request;
	uint16_t code; /* of the decoder */
};

struct worker {
	uint32_t shard;
	uint32_t owns_port_queues; /* 1: polls queue `shard_queue` of every port */
	uint16_t queue;
	uint64_t now_ns; /* switch time of this turn */
	uint64_t durable_lsn;
	struct switch_shared *shared;
	struct ledger *ledger;
	struct journal_writer *journal;
	struct session_table *sessions;
	struct terminal_window *windows;
	uint32_t windows_max, windows_count;
	struct terminal_heartbeat *heartbeats; /* by window number */
	uint32_t *window_index; /* open addressing, power of two; window number + 1 */
	uint32_t window_index_mask;
	struct pending *pending; /* ring of PENDING_MAX */
	uint32_t pending_head, pending_tail;
	uint32_t results_pending; /* entries that are results for main */
	uint32_t remote_running;  /* requests forwarded whose outcome has not come back */
	struct reply_builder builder;
	struct range_command range;
	/* A numbered command that must wait (ticket 0: none), so that what is behind it need not.
	 */
	struct shard_command waiting;
	struct command_mark marks[WORKER_MARKS_MAX]; /* oldest first */
	uint32_t marks_count;
	uint32_t query_next; /* of a list of sessions in progress: the next entry */
	struct rte_mbuf *transmit[LIMIT_PORTS][LIMIT_BURST];
	uint16_t transmit_count[LIMIT_PORTS];
	struct worker_rings rings;
	uint64_t totals_due_ns, tick_due_ns, expire_due_ns;
	uint32_t expire_slot;
	uint32_t idle_turns;
	struct burst_message *burst; /* WORKER_MESSAGES_PER_TURN */
	uint32_t burst_count;
	struct worker_stats stats;
	struct worker_latency latency;

	/* For journal_writer_open in the worker's own thread. */
	const struct journal_config *journal_config;
	const struct journal_report *journal_start;
	struct journal_feed *feed;
	struct journal_keeper *keeper;
	/* 0 starting, 1 running, negative -errno. Worker stores release, main acquires (W5). */
	_Atomic int32_t state;
	char message[256];
};

struct worker_config {
	uint32_t shard;
	uint32_t terminals_max;
	struct switch_shared *shared;
	struct ledger *ledger; /* the worker's own copy; ownership passes */
};

/* Allocates all a worker ever needs. NULL when out of memory. */
struct worker *worker_create(const struct worker_config *config);
void worker_free(struct worker *worker);
/* The lcore function: opens the journal, loops until stop. 0 or -errno. */
int worker_run(void *worker);

/* Connects all workers with rings. 0 or -ENOMEM. */
SLUICE_MUST_USE int worker_connect(struct worker **workers, uint32_t count);

/* ---- Stages; private to dataplane/shard ---- */

/* receive.c: moves packets in; returns how many it moved. */
unsigned worker_receive(struct worker *worker);
/* Sends what other workers sealed, for the owner of the ports' queues; returns how many. */
unsigned worker_forward(struct worker *worker);
/* request.c: the home side of every request in the burst. */
void worker_requests(struct worker *worker);
void worker_request(struct worker *worker, struct session *session, struct wire_request *request);
/* The window number of a terminal, made when new; UINT32_MAX when the table is full. */
uint32_t worker_window(struct worker *worker, uint64_t terminal_id);
/* The same without making one: UINT32_MAX when the terminal has none. */
uint32_t worker_window_find(const struct worker *worker, uint64_t terminal_id);
/* Takes over what control allows a terminal at home here, from the ledger's row. */
void worker_window_allow(struct worker *worker, uint64_t terminal_id);
/* Rolls the terminal's day and gives what it has staked today. */
int64_t worker_terminal_staked(struct worker *worker, struct terminal_window *window);
/* An outcome arrived home: window, then the terminal. */
void worker_complete(struct worker *worker, const struct outcome *outcome);

/* decide.c: the account's side. */
void worker_decide(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, const struct terminal_share *share, int expired);
void worker_read(
    struct worker *worker, const struct origin *origin, const struct wire_request *request);
/* Room for one event, closing and reaping once when the open batch is full. */
struct event_buffer *worker_reserve(struct worker *worker);
/* Applies and appends the event just made; returns its LSN. */
uint64_t worker_commit(struct worker *worker, struct event_buffer *event, size_t length);
void worker_journal(struct worker *worker);

/* answer.c */
/* Queues an outcome behind gate_lsn; goes out at once when that is durable already. */
void worker_answer(struct worker *worker, uint64_t gate_lsn, const struct outcome *outcome);
void worker_result(
    struct worker *worker, uint64_t gate_lsn, uint64_t ticket, int error, int already);
int worker_pending_full(const struct worker *worker);
unsigned worker_release(struct worker *worker);
/* Adds one answer to the terminal's datagram. */
void worker_reply(struct worker *worker, struct session *session, struct wire_reply *reply);
void worker_reply_flush(struct worker *worker);
/* Throws the open answer datagram away when it is for this session. */
void worker_reply_discard(struct worker *worker, uint32_t session_id);
void worker_transmit(struct worker *worker, uint32_t port_index, struct rte_mbuf *mbuf);
void worker_transmit_flush(struct worker *worker);
void worker_drop(struct worker *worker, enum drop_reason reason);

/* command.c */
unsigned worker_commands(struct worker *worker);
/* Publishes the numbers whose marks have become durable. */
void worker_marks_publish(struct worker *worker);
void worker_tick(struct worker *worker);
/* Ends sessions past their time, a few slots at a time. */
void worker_expire(struct worker *worker);

/* query.c */
/* 1: answered, its result is on the way; 0: not all of it yet, call again next turn. */
int worker_query(struct worker *worker, const struct shard_command *command);
/* Keeps what the terminal says of itself. */
void worker_heartbeat(
    struct worker *worker, const struct session *session, const struct wire_request *request);

/* restore.c: rebuilds windows from the logs of all shards, before threads start. */
struct log_history;
SLUICE_MUST_USE int worker_restore(
    struct worker **workers, struct log_history **histories, uint32_t count);

#endif
