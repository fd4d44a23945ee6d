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
#include "dataplane/shard/stats.h"
#include "wire/ticket.h"

#define WORKER_COMMANDS_PER_TURN 16
#define WORKER_ACCOUNTS_PER_TURN 256
#define WORKER_MARKS_MAX         16
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
/* Questions for credit of a limit at a time, and their patience (lease.c). */
#define WORKER_SHORTAGES_MAX 64
/* Receipts that wait for room in the account their money goes back to. */
#define WORKER_RECEIPTS_ASIDE 64
/*
 * Events of a settlement walk, and of timers, in one turn. 32 events are 6 KiB of journal and 40 us
 * of CPU. They begin only while the open batch is no larger than what is closed beside a write in
 * flight, and half of the pending table is free: so a live bet among them waits for writes of 16
 * KiB, which take little longer than the shortest. With whole batches (128 KiB) the median of live
 * bets was 1.0 ms during a walk, with these 0.6 ms, and a walk makes as many events: 700,000 a
 * second (bench/settlement, 300,000 bets, 2 CPUs shared with other work).
 */
#define WORKER_WALK_PER_TURN 32
#define WORKER_WALK_LOOK_MAX 1024
#define WORKER_DUE_PER_TURN  32
#define WORKER_SLOW_ROOM     (LIMIT_JOURNAL_BATCH_SIZE_MAX - LIMIT_JOURNAL_BATCH_CLOSE_SIZE)

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
	uint8_t ticket_key[TICKET_KEY_SIZE]; /* main, before the threads start */
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
	uint8_t opening; /* 0: being looked up */
};

/* The walk of a settlement; one at a time. `ticket` 0: none asks for it, it was left over. */
enum walk_stage {
	WALK_NONE,
	WALK_GOING,
	WALK_ENDING,  /* every bet was dealt with; to be journalled */
	WALK_MARKING, /* that is; the command's number is left */
};

struct walk_command {
	uint8_t active; /* walk_stage */
	uint64_t ticket, control_sequence;
	struct ledger_walk walk;
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

/* A question to the other shards for credit of a limit. */
struct shortage_question {
	struct ledger_shortage shortage; /* id 0: free place */
	uint64_t until_ns; /* waiting: given up then; nothing: remembered until then */
	uint32_t asked;    /* shards asked so far */
	uint8_t nothing;   /* 1: none of them had any */
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
	uint8_t expired;                   /* its deadline had passed at home */
	uint16_t refuse_code;              /* of a group that was undone; 0: none */
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
	struct worker_rings rings;
	uint64_t totals_due_ns, tick_due_ns, expire_due_ns;
	uint32_t expire_slot;
	uint32_t idle_turns;
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
	uint64_t retired_lsn;       /* of the last BET_RETIRE or OBJECT_RETIRE */
	struct ring_request *group; /* LIMIT_LINKED_MAX, of the group being decided */
	struct event_buffer *group_events;
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
struct origin worker_origin(
    const struct worker *worker, const struct session *session, const struct wire_request *request);
/* The shard that decides: by what the request names, else home. */
uint32_t worker_owner(const struct worker *worker, const struct wire_request *request);
/* A place for a request to another shard, with all but `target` filled; NULL: the ring is full.
 * Publish with spsc_ring_publish. */
struct ring_request *worker_forward_reserve(struct worker *worker, uint32_t owner,
    const struct origin *origin, const struct wire_request *request,
    const struct terminal_share *share);
/* Decided here or sent to its shard; abandons it and answers BUSY when that is not possible. */
void worker_route(struct worker *worker, uint32_t owner, const struct worker_ask *ask);
/* What home adds to a request, and reserves of the terminal's limits for it. */
struct terminal_share worker_share(
    struct worker *worker, uint32_t window_index, const struct wire_request *request);
/* Rights and block: OK or the code to answer. */
uint16_t worker_permission(
    const struct worker *worker, const struct session *session, const struct wire_request *request);
/* The answer that a verdict other than ADMITTED, BELOW and BAD_ID stands for. */
void worker_answer_verdict(struct worker *worker, struct session *session,
    const struct wire_request *request, int verdict, const struct window_entry *entry);

/* local.c: answers that need no account. */
void worker_reply_start(const struct worker *worker, const struct wire_request *request,
    uint16_t code, struct wire_reply *reply);
void worker_reply_code(struct worker *worker, struct session *session,
    const struct wire_request *request, uint16_t code);
void worker_reply_send(struct worker *worker, struct session *session,
    const struct wire_request *request, struct wire_reply *reply);
/* 1: answered here; 0: not a message of this kind. */
int worker_local(
    struct worker *worker, struct session *session, const struct wire_request *request);

/* windows.c */
/* The window number of a terminal, made when new; UINT32_MAX when the table is full. */
uint32_t worker_window(struct worker *worker, uint64_t terminal_id);
/* The same without making one: UINT32_MAX when the terminal has none. */
uint32_t worker_window_find(const struct worker *worker, uint64_t terminal_id);
/* Takes over what control allows a terminal at home here, from the ledger's row. */
void worker_window_allow(struct worker *worker, uint64_t terminal_id);
/* Rolls the terminal's day and gives what it has staked today. */
int64_t worker_terminal_staked(struct worker *worker, struct terminal_window *window);
/* Cash of a terminal: what is known, and a change of it. -ENOSPC: one currency too many. */
int64_t worker_cash(const struct worker *worker, uint32_t window, uint16_t currency);
SLUICE_MUST_USE int worker_cash_add(
    struct worker *worker, uint32_t window, uint16_t currency, int64_t amount);

/* complete.c: an outcome arrived home: window, then the terminal. */
void worker_complete(struct worker *worker, const struct outcome *outcome);
/* The reader's answer arrived. */
void worker_found(struct worker *worker, const struct history_found *found);
/* Nothing of an admitted request was journalled: gives back what it held, answers `code`. */
void worker_give_up(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, uint16_t code);

/* history.c: what goes to the reader, and REVERSE, FENCE, TX_STATUS at home. */
void worker_history(struct worker *worker, struct session *session,
    const struct wire_request *request, enum history_kind kind, uint64_t target_id);
void worker_tx_status(
    struct worker *worker, struct session *session, const struct wire_request *request);
/* REVERSE and FENCE once admitted. */
void worker_target(
    struct worker *worker, struct session *session, const struct wire_request *request);
void worker_target_found(struct worker *worker, const struct history_found *found);
/* From the account's, bet's or sprinkle's shard. 0: the reader's ring is full. */
int worker_statement(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, const struct account_row *account);
int worker_closed(
    struct worker *worker, const struct origin *origin, const struct wire_request *request);
int worker_ticket_closed(
    struct worker *worker, const struct origin *origin, const struct wire_request *request);

/* group.c: linked groups. */
/*
 * How many messages of the burst belong together from `first` on: 1 when it is linked to nothing.
 * *invalid: they cannot be a group, all are answered LINK_INVALID.
 */
unsigned worker_group_size(const struct worker *worker, uint32_t first, int *invalid);
void worker_group_request(struct worker *worker, uint32_t first, unsigned count);
/* The owner's side: `count` requests in worker->group. */
void worker_group_decide(struct worker *worker, unsigned count);

/* decide.c: the account's side. */
void worker_decide(struct worker *worker, const struct worker_ask *ask);
/* Its parts, for groups. */
void worker_outcome_start(
    const struct worker *worker, const struct worker_ask *ask, struct outcome *outcome);
void worker_outcome_transient(struct worker *worker, struct outcome *outcome);
void worker_outcome_fill(struct worker *worker, const struct worker_ask *ask,
    const struct event_buffer *event, struct outcome *outcome);
struct ledger_request worker_asked(const struct worker *worker, const struct worker_ask *ask);
/* Event time = max(last, clock): never runs back, whatever the clock does. */
uint64_t worker_event_time(const struct worker *worker);
/* Room for one event, closing and reaping once when the open batch is full. */
struct event_buffer *worker_reserve(struct worker *worker);
/* The same for `count` events that must not be torn apart: they will all fit one batch, if nothing
 * closes it in between. */
struct event_buffer *worker_reserve_events(struct worker *worker, unsigned count);
/* Applies and appends the event just made; returns its LSN. */
uint64_t worker_commit(struct worker *worker, struct event_buffer *event, size_t length);
/* The same for an event that is applied already (a group's). */
uint64_t worker_append(struct worker *worker, const struct event_buffer *event);
void worker_journal(struct worker *worker);
/* 1 while slow work (walks, timers) leaves enough room for live requests. */
int worker_slow_room(struct worker *worker);

/* read.c */
void worker_read(
    struct worker *worker, const struct origin *origin, const struct wire_request *request);

/* outcome.c: what an event says about the request behind it. */
uint16_t outcome_template(const struct event_buffer *event);
/* The ticket of an accepted PLACE_BET, from its event; zeros for any other. */
void outcome_ticket(const uint8_t key[TICKET_KEY_SIZE], const struct event_buffer *event,
    uint8_t ticket[TICKET_SIZE]);

/* Cash that its event put into the drawer of its terminal, in record.currency. */
int64_t outcome_cash(const struct event_buffer *event);

/* transfer.c */
/* A TRANSFER_OUT was journalled: its parcel goes when durable; `outcome` waits for the receipt. */
void worker_transfer_begin(
    struct worker *worker, const struct outcome *outcome, const struct event_record *record);
/* A LEASE or TRANSFER_OUT without anybody waiting. */
void worker_parcel_queue(struct worker *worker, const struct event_record *record);
int worker_transfers_full(const struct worker *worker);
unsigned worker_parcels(struct worker *worker);
/* From the pending queue; 0: no place in the ring. */
int worker_parcel_send(struct worker *worker, uint64_t transfer_id);
/* Before the threads start: what the last life left open. 0 or -ENOMEM. */
SLUICE_MUST_USE int worker_transfers_restore(struct worker *worker);

/* lease.c */
/* A bet lacks credit: 1: others are being asked, answer BUSY; 0: nobody has any. */
int worker_shortage(struct worker *worker, const struct wire_request *request, uint64_t time_ns);
/* Credit has come. */
void worker_shortage_met(struct worker *worker, const struct ledger_parcel *parcel);
unsigned worker_shortages(struct worker *worker);

/* settle.c */
/* Goes on with the walk in progress, or begins one that was left over; what it moved. */
unsigned worker_walk(struct worker *worker);
void worker_walk_begin(
    struct worker *worker, uint64_t market_id, uint64_t ticket, uint64_t control_sequence);
/* What time brings. */
unsigned worker_due(struct worker *worker);

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

void worker_pending_push(struct worker *worker, const struct pending *entry);

/* command.c */
unsigned worker_commands(struct worker *worker);
/* Journals one ledger command. 1 done or nothing to do, 0 no room now, negative: refused. */
int worker_command_event(struct worker *worker, const struct ledger_command *command);
int worker_command_mark(struct worker *worker, uint64_t sequence);
void worker_command_done(
    struct worker *worker, uint64_t ticket, int error, int already, int marked);
/* Publishes the numbers whose marks have become durable. */
void worker_marks_publish(struct worker *worker);
/* Ends a session; its open answer is thrown away. */
int worker_session_end(struct worker *worker, uint32_t session_id);

/* range.c: accounts opened in a range. */
void worker_range_begin(struct worker *worker, const struct shard_command *command);
void worker_range_go_on(struct worker *worker);

/* tick.c */
void worker_tick(struct worker *worker);
/* Ends sessions past their time, a few slots at a time. */
void worker_expire(struct worker *worker);

/* query.c */
/* 1: answered, its result is on the way; 0: not all of it yet, call again next turn. */
int worker_query(struct worker *worker, const struct shard_command *command);
/* Keeps what the terminal says of itself. */
void worker_heartbeat(
    struct worker *worker, const struct session *session, const struct wire_request *request);

/* restore.c: rebuilds windows, drawers and open transfers of all shards, before threads start. */
struct log_history;
SLUICE_MUST_USE int worker_restore(
    struct worker **workers, struct log_history **histories, uint32_t count);

#endif
