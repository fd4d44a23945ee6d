/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker: the polling loop of one shard. Everything it touches on the packet path is in struct
 * worker or owned by it; other threads reach it only through rings (rings.h) and read its counters.
 *
 * A turn works on a burst stage by stage: receive, open, decode and prefetch, decide, append; then
 * parcels and answers of other shards, commands, what time brings, journal, release of what became
 * durable, transmit.
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
#include "dataplane/shard/stamps.h"
#include "dataplane/shard/stats.h"
#include "wire/ticket.h"

#define WORKER_COMMANDS_PER_TURN 16
#define WORKER_ACCOUNTS_PER_TURN 256
#define WORKER_MARKS_MAX         16
/* Times a turn asks the ports again while it drops what they give. */
#define WORKER_RECEIVE_ROUNDS    4
#define WORKER_REMOTE_PER_TURN   64
#define WORKER_MESSAGES_PER_TURN (LIMIT_BURST * LIMIT_MESSAGES_PER_DATAGRAM)
#define WORKER_HEARTBEAT_MS      25000u
#define WORKER_TICK_NS           1000000000ull
#define WORKER_TOTALS_NS         100000000ull
/* Slots looked at for sessions past their time, and how often: 100,000 slots in 16 s. */
#define WORKER_EXPIRE_SLOTS     64u
#define WORKER_EXPIRE_NS        10000000ull
#define WORKER_PARCELS_PER_TURN 64
/* Currencies of cash kept per terminal. */
#define WORKER_CASH_CURRENCIES 6
/* Rounds for credit of a limit at a time, and bets that are remembered to have had one (lease.c).
 */
#define WORKER_SHORTAGES_MAX 64
#ifdef SLUICE_SMALL_RINGS
#define WORKER_ASKERS_MAX 64
#else
#define WORKER_ASKERS_MAX 4096
#endif
/* Rounds for overdrawn limits among them, so that the rings have room for all their questions; rows
 * looked at in a turn. */
#define WORKER_OVERDRAFTS_MAX     (RING_SHORTAGE_COUNT / 8)
#define WORKER_OVERDRAFT_LOOK_MAX 32u
/* Receipts that wait for room in the account their money goes back to. */
#define WORKER_RECEIPTS_ASIDE 64
/*
 * Events of a settlement walk, and of timers, in one turn: 32 are 6 KiB of journal and 40 us of
 * CPU. They begin only while half of the pending table is free and the open batch is small: a live
 * bet among them waits for those writes. 16 KiB take little longer than the shortest write; with
 * whole batches (128 KiB) the median of live bets was 1.0 ms during a walk, with these 0.6 ms
 * (bench/settlement, 300,000 bets, 2 CPUs shared with other work). Where a write takes long
 * whatever its size, batches grow with it, so that two in flight still carry 80 MB/s: 450,000
 * events a second.
 *
 * A walk makes one event in 1.5 us and no more, with what it missed in half a ms: a million bets
 * are done within 2 s, and as fast as the disk takes them (1.2 s) they took so much of it that the
 * p99 of live bets was 2.3 to 4.1 times what it was without; so it is 1.5 to 2.1 times.
 */
#define WORKER_WALK_PER_TURN     32
#define WORKER_WALK_EVENT_NS     1500u
#define WORKER_WALK_CREDIT_NS    500000u
#define WORKER_WALK_LOOK_MAX     1024
#define WORKER_DUE_PER_TURN      32
#define WORKER_DUE_IDLE_MAX      4 /* looks a turn that come to nothing */
#define WORKER_SLOW_BATCH_MIN    LIMIT_JOURNAL_BATCH_CLOSE_SIZE
#define WORKER_SLOW_BATCH_MAX    (LIMIT_JOURNAL_BATCH_SIZE_MAX / 2)
#define WORKER_SLOW_BYTES_PER_US 40u

/* What walks and timers each may do without that room, so that no load holds them up for ever. */
#define WORKER_SLOW_SHARE    4
#define WORKER_SLOW_SHARE_NS 1000000ull

enum worker_polling {
	POLLING_BUSY,
	POLLING_ADAPTIVE,
};

/* Shared by all threads, written once at start or by main as noted. */
/* A learned model that rules may ask; kept until the process ends, as a worker may be at it. */
struct shard_model {
	struct shard_model *before; /* handed over before this one; NULL: none */
	uint32_t version;
	uint32_t reserved;
	struct risk_model *model; /* own memory */
};

struct switch_shared {
	uint32_t shard_count;
	uint32_t port_count;
	uint32_t slots_max;
	uint64_t boot_id;
	enum worker_polling polling;
	uint32_t budget_percent; /* share of its time a worker may be busy; 0: all of it */
	uint8_t ticket_key[TICKET_KEY_SIZE]; /* main, before the threads start */
	struct ids_bucket_map buckets;
	struct port *ports[LIMIT_PORTS];
	struct rte_mempool *pool;
	/* Main: store release once sessions are in; workers: load acquire (W1). */
	_Atomic uint32_t open;
	/* Main or signal: store release; every loop: load acquire (W2). */
	_Atomic uint32_t stop;
	/* A journal has failed: stopping waits for nothing it held. Main: store relaxed, before
	 * stop (W2). */
	_Atomic uint32_t failed;
	/* Home worker of each session slot, 0xff unknown. Main stores release, workers acquire
	 * (W3). A worker that ended a session past its time stores 0xff: main only stores a home
	 * after that worker has installed a later session there. */
	_Atomic uint8_t *slot_home;
	/* Last durable LSN of each shard. Its worker stores release, the reader acquires (W4). */
	_Atomic uint64_t durable_lsn[LIMIT_SHARDS];
	/* Not 0: the disk of the shard has no room; new events are refused. The store thread
	 * stores, the worker loads, relaxed: it publishes nothing else. */
	_Atomic uint32_t disk_full[LIMIT_SHARDS];
	/* 1 when a stopping worker owes nothing. Worker stores release, workers acquire (W6). */
	_Atomic uint32_t drained[LIMIT_SHARDS];
	/* The model handed over last. Main stores release, workers acquire at the begin of a turn
	 * (W8). */
	struct shard_model *_Atomic model;
};

/* Rings of one worker towards others; [shard] = the other one. */
struct worker_rings {
	struct spsc_ring *handover_in[LIMIT_SHARDS], *handover_out[LIMIT_SHARDS];
	struct spsc_ring *request_in[LIMIT_SHARDS], *request_out[LIMIT_SHARDS];
	struct spsc_ring *answer_in[LIMIT_SHARDS], *answer_out[LIMIT_SHARDS];
	struct spsc_ring *transmit_in[LIMIT_SHARDS], *transmit_out;
	struct spsc_ring *parcel_in[LIMIT_SHARDS], *parcel_out[LIMIT_SHARDS];
	struct spsc_ring *receipt_in[LIMIT_SHARDS], *receipt_out[LIMIT_SHARDS];
	struct spsc_ring *shortage_in[LIMIT_SHARDS], *shortage_out[LIMIT_SHARDS];
	struct spsc_ring *command, *result;
	struct spsc_ring *history_query, *history_found;
};

enum pending_kind {
	PENDING_OUTCOME,
	PENDING_RESULT,  /* a command's result for main */
	PENDING_PARCEL,  /* a TRANSFER_OUT or LEASE: its parcel may go */
	PENDING_RECEIPT, /* a TRANSFER_IN or LEASE: its receipt may go */
};

/* What waits for the durable LSN to reach `gate_lsn`. */
struct pending {
	uint64_t gate_lsn;
	uint64_t kind; /* pending_kind */
	union {
		struct outcome outcome;
		struct {
			uint64_t ticket;
			int32_t error;
			uint8_t already;
		} result;
		uint64_t transfer_id;
		struct ledger_receipt receipt;
	};
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
	uint8_t opening;        /* 0: being looked up */
	uint8_t other_currency; /* 1: one of them is open in another */
};

/* The walk of a settlement; one at a time. `ticket` 0: none asks for it, it was left over. */
enum walk_stage {
	WALK_NONE,
	WALK_GOING,
	WALK_ENDING,  /* every bet was dealt with; to be journalled */
	WALK_MARKING, /* that is; the command's number is left */
};

struct walk_command {
	uint8_t active;    /* walk_stage */
	uint8_t rollback;  /* 1: it opens bets again */
	uint64_t paced_ns; /* what was made is paid for up to here: WORKER_WALK_EVENT_NS */
	uint64_t ticket, control_sequence;
	struct ledger_walk walk;
};

/* Events that slow work may make though there is no room to spare. */
struct slow_share {
	uint64_t since_ns; /* it last had room, or got a share */
	uint32_t left;     /* of the share */
};

/* Who waits for a transfer to be closed; a slot of an open-addressed table by transfer id. */
struct transfer_origin {
	uint64_t transfer_id; /* 0: free */
	struct origin origin;
	uint64_t request_id, body_hash[2];
	int64_t cash;
	uint16_t template_id, currency;
};

/* A transfer left open by the last life of the process, in the order they are sent again. */
struct transfer_resend {
	uint64_t transfer_id, sequence;
};

/* A round over the other shards for credit of a limit (lease.c). */
enum shortage_phase {
	SHORTAGE_LOOKING,   /* all have been asked how much they have */
	SHORTAGE_GATHERING, /* one of them has been asked to give some */
	SHORTAGE_MET,       /* over: enough came, and is held for the bet */
	SHORTAGE_KNOWN,     /* over: what they have was not enough */
};

struct shortage_question {
	struct ledger_shortage shortage; /* id 0: free place; amount: what is still wanted */
	uint64_t round;
	uint64_t until_ns; /* given up then; met: held, known: remembered until then */
	int64_t least;     /* what the bet lacks that lacks least; INT64_MAX: no bet waits */
	int64_t elsewhere; /* what the others have left, by what they said */
	int64_t has[LIMIT_SHARDS];
	uint32_t unanswered; /* looking */
	uint32_t next, peer; /* gathering: who comes next, who was asked last */
	int64_t overdraft;   /* not 0: this shard is overdrawn by that; each gives what it has */
	uint8_t phase;       /* shortage_phase */
	uint8_t later;       /* 1: one of them could not say */
};

/* A bet that waited for a round. */
struct shortage_asker {
	uint64_t terminal_id, request_id, body_hash; /* request id 0: free place */
	struct ledger_shortage shortage;             /* what the last round was about */
	uint64_t round;                              /* the last one; 0: none */
	uint64_t until_ns;
	uint32_t rounds; /* that are over */
	uint32_t reserved;
};

/* What a round came to. */
struct shortage_result {
	uint64_t round;
	int64_t elsewhere; /* what the others had left */
};

/* The walk over all limits for those that are overdrawn (overdraft.c). */
struct overdraft_walk {
	struct ledger_overdrawn_walk walk;
	struct ledger_shortage found; /* waits for a place; id 0: none */
	uint64_t due_ns;              /* the next walk begins then; UINT64_MAX: none is wanted */
	uint64_t pause_ns;            /* after one that has found any */
	uint8_t going;
	uint8_t again; /* 1: something has changed since it began */
	uint8_t any;   /* 1: it has found one */
};

/* Cash of one terminal over all shards, in minus out. */
struct terminal_cash {
	int64_t total[WORKER_CASH_CURRENCIES];
	uint16_t currency[WORKER_CASH_CURRENCIES]; /* 0: free place */
	uint32_t reserved;
};
_Static_assert(sizeof(struct terminal_cash) == 64, "one cache line a terminal");

/* A COMMAND_MARK that was journalled and is not durable yet. */
struct command_mark {
	uint64_t lsn, sequence;
};

/* One request of the burst between the stages. */
struct burst_message {
	struct session *session;
	struct wire_request request;
	uint16_t code; /* of the decoder */
	uint8_t last;  /* of its datagram */
};

/* One request to be decided, from here or from its home by ring. */
struct worker_ask {
	const struct origin *origin;
	const struct wire_request *request;
	const struct terminal_share *share;
	const struct event_record *target; /* REVERSE, FENCE: what history says; NULL: not known */
	uint8_t target_shard;              /* TX_STATUS: whose the target's LSN is */
	uint8_t expired;                   /* its deadline had passed at home */
	uint16_t refuse_code;              /* of a group that was undone; 0: none */
};

/* Datagrams a full port did not take (transmit.c): a ring. */
#define WORKER_HELD_MAX 4096 /* as many answers as wait for the disk at most */
struct transmit_held {
	struct rte_mbuf *ring[WORKER_HELD_MAX];
	uint32_t head, tail;
};

struct worker {
	uint32_t shard;
	uint32_t owns_port_queues; /* 1: polls queue `shard_queue` of every port */
	uint16_t queue;
	uint32_t port_first; /* grows by one each turn: which port is asked first */
	uint64_t now_ns;     /* switch time of this turn: never goes back */
	uint64_t wall_ns;    /* what the wall clock said then */
	uint64_t durable_lsn;
	struct switch_shared *shared;
	struct ledger *ledger;
	const struct shard_model *model; /* that the ledger was given; NULL: none */
	struct journal_writer *journal;
	struct session_table *sessions;
	struct terminal_window *windows;
	uint32_t windows_max, windows_count;
	struct terminal_heartbeat *heartbeats; /* by window number */
	struct terminal_cash *cash;            /* by window number */
	uint32_t *window_index; /* open addressing, power of two; window number + 1 */
	uint32_t window_index_mask;
	struct pending *pending; /* ring of PENDING_MAX */
	uint32_t pending_head, pending_tail;
	uint32_t results_pending; /* entries that are results for main */
	uint32_t remote_running;  /* requests forwarded whose outcome has not come back */
	struct reply_builder builder;
	struct range_command range;
	struct walk_command walk;
	struct slow_share walk_share, due_share;
	uint32_t walk_row;  /* markets looked at for walks left over */
	uint8_t walks_seen; /* 1: there are none left over any more */
	/* A numbered command that must wait (ticket 0: none), so that what is behind it need not.
	 */
	struct shard_command waiting;
	struct command_mark marks[WORKER_MARKS_MAX]; /* oldest first */
	uint32_t marks_count;
	uint32_t query_next; /* of a list of sessions in progress: the next entry */
	struct rte_mbuf *transmit[LIMIT_PORTS][LIMIT_BURST];
	uint16_t transmit_count[LIMIT_PORTS];
	struct transmit_held held[LIMIT_PORTS];
	struct worker_rings rings;
	uint64_t totals_due_ns, tick_due_ns, expire_due_ns;
	uint32_t expire_slot;
	uint32_t idle_turns;
	/* Only with budget_percent: busy time and the thread's CPU time that are accounted for, and
	 * what is to be slept for them. */
	uint64_t budget_busy_ns, budget_ran_ns, budget_owed_ns;
	struct burst_message *burst; /* WORKER_MESSAGES_PER_TURN */
	uint32_t burst_count;
	/* Transfers and leases that left here (transfer.c). */
	struct transfer_origin *origins; /* 2 * TRANSFERS_OPEN_MAX slots */
	uint32_t transfers_open;
	/* By peer: the watermark of closed transfers, and since when it stands; for the status. */
	uint64_t link_done[LIMIT_SHARDS], link_since_ns[LIMIT_SHARDS];
	struct transfer_resend *resend; /* resend_count, from resend_next on; made at start */
	uint32_t resend_count, resend_next;
	struct ledger_receipt aside[WORKER_RECEIPTS_ASIDE]; /* tried again once a second */
	uint32_t aside_count;
	uint64_t aside_due_ns;
	struct shortage_question shortages[WORKER_SHORTAGES_MAX];
	struct shortage_asker shortage_askers[WORKER_ASKERS_MAX];
	struct shortage_result shortage_results[WORKER_ASKERS_MAX];
	uint64_t shortage_round; /* the last one begun */
	struct overdraft_walk overdraft;
	/* Of the last BET_RETIRE and OBJECT_RETIRE: what the closed tables must hold to say "no".
	 */
	uint64_t bets_retired_lsn, objects_retired_lsn;
	struct ring_request *group; /* LIMIT_LINKED_MAX, of the group being decided */
	struct event_buffer *group_events;
	struct worker_stats stats;
	struct worker_latency latency;
#ifdef SLUICE_STAGE_STAMPS
	struct worker_stamps stamps;
#endif

	/* For journal_writer_open in the worker's own thread. */
	const struct journal_config *journal_config;
	const struct journal_report *journal_start;
	struct journal_feed *feed;
	struct journal_keeper *keeper;
	/* 0 starting, 1 running, 2 ended, negative -errno. Worker stores release, main acquires:
	 * W5 for the start, W7 for the end. */
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
/*
 * What worker_run is made of, for those who give the turns themselves: opens the journal, 0 or
 * -errno; one turn, which never waits: what it moved, 0 when the loop would idle; lets the journal
 * go.
 */
SLUICE_MUST_USE int worker_begin(struct worker *worker);
unsigned worker_turn(struct worker *worker, int serving);
void worker_end(struct worker *worker);
/* 1: a stopping worker may end, nothing it could still tell anyone is on its way. */
int worker_owes_nothing(const struct worker *worker);

/* Connects all workers with rings. 0 or -ENOMEM. */
SLUICE_MUST_USE int worker_connect(struct worker **workers, uint32_t count);

#include "dataplane/shard/stages.h"

#endif
