/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's side of a request: decide, apply, append, and the outcome that waits for the disk.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_round.h"
#include "dataplane/shard/worker.h"

struct event_buffer *worker_reserve_events(struct worker *worker, unsigned count)
{
	size_t size = (size_t)count * LIMIT_EVENT_SIZE_MAX;
	void *room;

	/* relaxed: see switch_shared */
	if (SLUICE_UNLIKELY(atomic_load_explicit(&worker->shared->disk_full[worker->shard],
	                        memory_order_relaxed) != 0)) {
		stats_add(&worker->stats.disk_refused, 1);
		return NULL;
	}
	room = journal_writer_reserve(worker->journal, size);
	if (SLUICE_LIKELY(room != NULL))
		return room;
	/* The open batch is full: close it if the depth allows, and try once more. */
	worker_journal(worker);
	return journal_writer_reserve(worker->journal, size);
}

struct event_buffer *worker_reserve(struct worker *worker)
{
	return worker_reserve_events(worker, 1);
}

uint64_t worker_event_time(const struct worker *worker)
{
	uint64_t last = ledger_shard(worker->ledger)->time_ns;

	return worker->now_ns > last ? worker->now_ns : last;
}

static uint64_t commit_note(struct worker *worker, const struct event_record *record)
{
	uint64_t lsn = le64_get(record->lsn);
	uint16_t type = le16_get(record->type);

	if (type == EVENT_BET_RETIRE)
		worker->bets_retired_lsn = lsn;
	else if (type == EVENT_OBJECT_RETIRE)
		worker->objects_retired_lsn = lsn;
	stats_add(&worker->stats.events, 1);
	worker->latency.events++;
	stats_set(&worker->stats.applied_lsn, lsn);
	return lsn;
}

uint64_t worker_commit(struct worker *worker, struct event_buffer *event, size_t length)
{
	const struct event_record *record = worker_event_record(event);

	/* decide() made it from this very state: if it does not apply, the state is broken. What it
	 * says by itself the follower checks. */
	SLUICE_REQUIRE(ledger_apply_own(worker->ledger, event->bytes, length) == 0);
	STAMP(worker, apply);
	journal_writer_append(
	    worker->journal, le64_get(record->lsn), le64_get(record->time_ns), length);
	return commit_note(worker, record);
}

uint64_t worker_append(struct worker *worker, const struct event_buffer *event)
{
	struct event_buffer *room = worker_reserve(worker);
	struct event_record record;

	memcpy(&record, event->bytes, sizeof(record));
	SLUICE_REQUIRE(room != NULL); /* the caller has seen that there is room for all */
	memcpy(room->bytes, event->bytes, le16_get(record.length));
	journal_writer_append(worker->journal, le64_get(record.lsn), le64_get(record.time_ns),
	    le16_get(record.length));
	return commit_note(worker, &record);
}

void worker_outcome_start(
    const struct worker *worker, const struct worker_ask *ask, struct outcome *outcome)
{
	const struct wire_request *request = ask->request;

	memset(outcome, 0, sizeof(*outcome));
	outcome->origin = *ask->origin;
	outcome->request_id = request->request_id;
	outcome->body_hash[0] = request->body_hash[0];
	outcome->body_hash[1] = request->body_hash[1];
	outcome->template_id = request->template_id;
	outcome->shard = (uint8_t)worker->shard;
	outcome->kind =
	    wire_template_mutates(request->template_id) ? OUTCOME_MUTATION : OUTCOME_READ;
	if (request->template_id == WIRE_PLACE_BET || request->template_id == WIRE_ROUND_DEBIT)
		outcome->stake = worker_request_stake(request);
	else if (request->template_id == WIRE_REVERSE)
		outcome->stake = (int64_t)request->reverse.target_request_id;
	else if (request->template_id == WIRE_FENCE)
		outcome->stake = (int64_t)request->fence.target_request_id;
}

void worker_outcome_transient(struct worker *worker, struct outcome *outcome)
{
	outcome->code = journal_writer_error(worker->journal) != 0 ? WIRE_CODE_STORAGE_UNAVAILABLE
	                                                           : WIRE_CODE_BUSY;
	outcome->detail = 5; /* ms */
	worker_answer(worker, 0, outcome);
}

/* What a cancelled bet gives back to its terminal's limit: its stake, if it was placed today and
 * counts in it. */
static int64_t stake_returned(const struct worker *worker, const struct event_record *record)
{
	const struct risk_rules *rules = &ledger_shard(worker->ledger)->rules;
	struct bet_row bet;

	if ((record->flags & EVENT_FLAG_UNCOUNTED) != 0 ||
	    ledger_bet(worker->ledger, le64_get(record->object_id), &bet) != 0 ||
	    risk_day(rules, bet.placed_at_ns) != risk_day(rules, le64_get(record->time_ns)))
		return 0;
	return bet.stake;
}

/* What a game round's debit that is taken back gives back to its terminal's limit: its amount, if
 * it was this terminal's and of today. */
static int64_t round_returned(const struct worker *worker, const struct event_buffer *event)
{
	const struct risk_rules *rules = &ledger_shard(worker->ledger)->rules;
	const struct event_record *record = worker_event_record(event);
	struct ledger_round_stake stake;
	struct event_view view;

	if (event_view_read(event->bytes, le16_get(record->length), &view) != 0 ||
	    !ledger_event_round_stake(&view, &stake) || !stake.back ||
	    !(stake.counted & ROUND_COUNTED_TERMINAL) ||
	    stake.terminal_id != le64_get(record->terminal_id) ||
	    risk_day(rules, stake.done_ns) != risk_day(rules, le64_get(record->time_ns)))
		return 0;
	return stake.amount;
}

static int64_t returned(const struct worker *worker, const struct event_buffer *event)
{
	const struct event_record *record = worker_event_record(event);

	return le16_get(record->type) == EVENT_CANCEL_BET ? stake_returned(worker, record)
	                                                  : round_returned(worker, event);
}

void worker_outcome_fill(struct worker *worker, const struct worker_ask *ask,
    const struct event_buffer *event, struct outcome *outcome)
{
	const struct event_record *record = worker_event_record(event);

	outcome->lsn = le64_get(record->lsn);
	outcome->object_id = le64_get(record->object_id);
	outcome->balance = le64s_get(record->balance);
	outcome->payout = le64s_get(record->payout);
	outcome->currency = le16_get(record->currency);
	outcome->code = le16_get(record->code);
	outcome->score = record->score;
	outcome->journalled = 1;
	outcome->done.cash = outcome_cash(event);
	if (outcome->code == WIRE_CODE_OK && ask->request->template_id == WIRE_PLACE_BET)
		outcome_ticket(worker->shared->ticket_key, event, outcome->done.ticket);
	else if (outcome->code == WIRE_CODE_OK &&
	         (ask->request->template_id == WIRE_CANCEL_BET ||
	             ask->request->template_id == WIRE_REVERSE ||
	             ask->request->template_id == WIRE_ROUND_ROLLBACK))
		outcome->stake = returned(worker, event);
}

/* REDEEM: the code is that of the bet it names. The potential payout follows from the legs, as the
 * row holds what the bet is worth by now. */
static uint8_t ticket_genuine(const struct worker *worker, const struct wire_request *request)
{
	struct ticket_facts facts;
	struct bet_row bet;

	if (ledger_bet(worker->ledger, request->redeem.bet_id, &bet) != 0)
		return 0;
	facts = outcome_ticket_facts(&bet);
	return ticket_verify(worker->shared->ticket_key, &facts, request->redeem.ticket) != 0;
}

struct ledger_request worker_asked(const struct worker *worker, const struct worker_ask *ask)
{
	return (struct ledger_request){
		.wire = ask->request,
		.terminal_id = ask->origin->terminal_id,
		.terminal_staked_today = ask->share->staked_today,
		.terminal_daily_max = ask->share->daily_max,
		.terminal_cash_total = ask->share->cash_total,
		.reverse_target = ask->target,
		.refuse_code = ask->refuse_code,
		.ticket_genuine = ask->request->template_id == WIRE_REDEEM
		                      ? ticket_genuine(worker, ask->request)
		                      : 0,
	};
}

int worker_credit_waits(
    struct worker *worker, const struct worker_ask *ask, const struct event_record *record)
{
	uint16_t code = le16_get(record->code);

	if (code != WIRE_CODE_EXPOSURE_SELECTION && code != WIRE_CODE_EXPOSURE_MARKET &&
	    code != WIRE_CODE_EXPOSURE_PARTNER)
		return 0;
	return ask->refuse_code == 0 && worker_shortage(worker, ask, le64_get(record->time_ns));
}

/*
 * 1 when the decision is not to be taken now: it would open one transfer too many, or credit of a
 * limit may still come from another shard. Nothing of it is kept.
 */
static int decision_waits(
    struct worker *worker, const struct worker_ask *ask, const struct event_buffer *event)
{
	const struct event_record *record = worker_event_record(event);
	uint16_t code = le16_get(record->code);

	if (SLUICE_LIKELY(code == WIRE_CODE_OK))
		return 0;
	if (code == WIRE_CODE_PENDING && le16_get(record->type) == EVENT_TRANSFER_OUT &&
	    worker_transfers_full(worker)) {
		stats_add(&worker->stats.transfers_full, 1);
		return 1;
	}
	return worker_credit_waits(worker, ask, record);
}

/*
 * A ticket whose bet has left memory: it is closed, so the answer is a refusal, and the reader says
 * which; home journals it. 1: the reader was asked, or its ring is full.
 */
static int ticket_elsewhere(struct worker *worker, const struct worker_ask *ask)
{
	struct outcome outcome;
	struct bet_row bet;

	if (ask->expired || ask->refuse_code != 0 ||
	    worker_owner(worker, ask->request) != worker->shard ||
	    ledger_bet(worker->ledger, ask->request->redeem.bet_id, &bet) == 0)
		return 0;
	worker_outcome_start(worker, ask, &outcome);
	if (!worker_ticket_closed(worker, ask->origin, ask->request)) {
		worker_outcome_transient(worker, &outcome);
	} else if (ask->origin->home != worker->shard) {
		/* Home counts what it has sent; the request itself goes on running. */
		outcome.kind = OUTCOME_READ;
		outcome.origin.no_reply = 1;
		worker_answer(worker, 0, &outcome);
	}
	return 1;
}

static void decide_later(struct worker *worker, const struct worker_ask *ask)
{
	struct outcome outcome;

	worker_outcome_start(worker, ask, &outcome);
	worker_outcome_transient(worker, &outcome);
}

/* What was decided, to whoever waits for it. Written where it waits for the disk: a copy of what
 * was just written field by field would wait until it has left the CPU. */
static void decide_tell(
    struct worker *worker, const struct worker_ask *ask, const struct event_buffer *event)
{
	const struct event_record *record = worker_event_record(event);
	struct outcome *outcome, sent;

	if (SLUICE_UNLIKELY(le16_get(record->type) == EVENT_TRANSFER_OUT &&
	                    le16_get(record->code) == WIRE_CODE_PENDING)) {
		worker_outcome_start(worker, ask, &sent);
		worker_outcome_fill(worker, ask, event, &sent);
		worker_transfer_begin(worker, &sent, record);
		return;
	}
	outcome = worker_answer_begin(worker);
	worker_outcome_start(worker, ask, outcome);
	worker_outcome_fill(worker, ask, event, outcome);
	worker_answer(worker, outcome->lsn, outcome);
}

void worker_decide(struct worker *worker, const struct worker_ask *ask)
{
	struct ledger_request asked = worker_asked(worker, ask);
	struct event_buffer *event = worker_reserve(worker);
	uint64_t time_ns = worker_event_time(worker);
	int length;

	STAMP(worker, window);
	if (ask->request->template_id == WIRE_REDEEM && ticket_elsewhere(worker, ask))
		return;
	if (SLUICE_UNLIKELY(event == NULL)) {
		decide_later(worker, ask);
		return;
	}
	STAMP(worker, reserve);
	length = ask->expired ? ledger_decide_expired(worker->ledger, &asked, time_ns, event)
	                      : ledger_decide(worker->ledger, &asked, time_ns, event);
	if (SLUICE_UNLIKELY(length <= 0 || decision_waits(worker, ask, event))) {
		decide_later(worker, ask);
		return;
	}
	STAMP(worker, decide);
	(void)worker_commit(worker, event, (size_t)length);
	STAMP(worker, append);
	latency_note(&worker->latency.decided, ask->origin->received_ns);
	decide_tell(worker, ask, event);
	STAMP(worker, outcome);
}

/* Closes the open batch by the group-commit rule and takes in what has become durable. */
void worker_journal(struct worker *worker)
{
	if (journal_writer_should_close(worker->journal)) {
		uint64_t hash = ledger_state_hash(worker->ledger);
		uint64_t sequence = ledger_shard(worker->ledger)->control_sequence;

		STAMP(worker, hash);
		/* A failed close shows in journal_writer_error: answers turn STORAGE_UNAVAILABLE.
		 */
		if (journal_writer_close_batch(worker->journal, hash, sequence) == 0)
			stats_add(&worker->stats.batches, 1);
		STAMP(worker, close);
		STAMP_COUNT_ADD(worker, closes, 1);
		stats_set(&worker->stats.state_hash, hash);
		stats_set(&worker->stats.control_sequence_applied, sequence);
	}
	worker->durable_lsn = journal_writer_poll(worker->journal);
	latency_writes(&worker->latency, journal_writer_counters(worker->journal));
	/* W4: the reader acquires it to know what history must hold before it may say "never". */
	atomic_store_explicit(
	    &worker->shared->durable_lsn[worker->shard], worker->durable_lsn, memory_order_release);
	stats_set(&worker->stats.durable_lsn, worker->durable_lsn);
}
