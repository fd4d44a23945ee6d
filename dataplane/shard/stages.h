/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a worker's turn, file by file: what the files of dataplane/shard give each other.
 * Included at the end of worker.h, whose types it uses; private to dataplane/shard but for
 * worker_restore.
 */
#ifndef SLUICE_SHARD_STAGES_H
#define SLUICE_SHARD_STAGES_H

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
/* The stake of a PLACE_BET or ROUND_DEBIT that may be accepted; 0 of others. */
int64_t worker_request_stake(const struct wire_request *request);
/* Rolls the terminal's day and gives what it has staked today. */
int64_t worker_terminal_staked(struct worker *worker, struct terminal_window *window);
/* Cash of a terminal: what is known, and a change of it. -ENOSPC: one currency too many. */
int64_t worker_cash(const struct worker *worker, uint32_t window, uint16_t currency);
SLUICE_MUST_USE int worker_cash_add(
    struct worker *worker, uint32_t window, uint16_t currency, int64_t amount);

/* complete.c: an outcome arrived home: window, then the terminal. */
void worker_complete(struct worker *worker, const struct outcome *outcome);
/* The request is done: its window slides. Part of worker_complete. */
void worker_window_slide(struct worker *worker, const struct outcome *outcome);
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
/* TX_STATUS of a withdrawal: its shard is asked what has become of it. */
void worker_status_found(struct worker *worker, const struct history_found *found);
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
int worker_slow_room(struct worker *worker, struct slow_share *share);
/* Before a turn's requests: the slow work that has had no room for a ms. What it moved. */
unsigned worker_slow_owed(struct worker *worker);

/* read.c */
void worker_read(struct worker *worker, const struct worker_ask *ask);

/*
 * The record of an event just decided, where it lies. Not copied: it was written field by field a
 * moment ago, and can be read in larger pieces only when it has left the CPU's store buffer.
 */
static inline const struct event_record *worker_event_record(const struct event_buffer *event)
{
	_Static_assert(_Alignof(struct event_record) <= _Alignof(struct event_buffer), "in place");
	return (const struct event_record *)(const void *)event->bytes;
}
/* outcome.c: what an event says about the request behind it. */
uint16_t outcome_template(const struct event_buffer *event);
/*
 * A TRANSFER or CLAIM that went to another shard: the event names the transfer, what was sent and,
 * of a CLAIM, no account. The answer of a CLAIM names the token and the claimer's balance; a
 * refusal, what one on this shard does: nothing was paid, to the account asked for. Others: all
 * stay as they are.
 */
void outcome_transfer(
    const struct event_buffer *event, uint64_t *object_id, int64_t *balance, int64_t *payout);
/* What has become of a withdrawal that waited, by the state of its object. */
uint16_t outcome_withdrawal(uint8_t state);
/* What was sold: the payout at the odds of the legs, as the row holds what it is worth by now. */
struct ticket_facts outcome_ticket_facts(const struct bet_row *bet);
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

/* decide.c: 1 when a bet's refusal is for want of credit that another shard may still give. */
int worker_credit_waits(
    struct worker *worker, const struct worker_ask *ask, const struct event_record *record);

/* lease.c */
/* A bet lacks credit: 1: others are being asked, answer BUSY; 0: the refusal is final. */
int worker_shortage(struct worker *worker, const struct worker_ask *ask, uint64_t time_ns);
/* Credit has come. */
void worker_shortage_met(struct worker *worker, const struct ledger_parcel *parcel);
unsigned worker_shortages(struct worker *worker);
/* A limit is overdrawn: gathers `amount`, or what there is, from the others. 0: no place now. */
int worker_shortage_gather(struct worker *worker, const struct ledger_shortage *shortage);

/* overdraft.c */
/* Something has changed that may leave a limit overdrawn. */
void worker_overdrafts_look(struct worker *worker);
/* Looks on; 1 while it is not through. */
unsigned worker_overdrafts(struct worker *worker);
/* Credit has come for one of them. */
void worker_overdrafts_hurry(struct worker *worker);

/* settle.c */
/* Goes on with the walk in progress, or begins one that was left over; what it moved. */
unsigned worker_walk(struct worker *worker);
void worker_walk_begin(
    struct worker *worker, uint64_t market_id, uint64_t ticket, uint64_t control_sequence);
/* What time brings. */
unsigned worker_due(struct worker *worker);

/* answer.c */
/* Where worker_answer would queue an outcome, to be written there by whoever gives it to that next:
 * nothing else may be queued in between. There must be room. */
struct outcome *worker_answer_begin(struct worker *worker);
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
/* How many datagrams went that had waited for a full port. */
unsigned worker_transmit_flush(struct worker *worker);
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
