/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account's side of a request: decide, apply, append, and the answer that waits for the disk.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

struct event_buffer *worker_reserve(struct worker *worker)
{
	void *room = journal_writer_reserve(worker->journal, LIMIT_EVENT_SIZE_MAX);

	if (SLUICE_LIKELY(room != NULL))
		return room;
	/* The open batch is full: close it if the depth allows, and try once more. */
	worker_journal(worker);
	return journal_writer_reserve(worker->journal, LIMIT_EVENT_SIZE_MAX);
}

uint64_t worker_commit(struct worker *worker, struct event_buffer *event, size_t length)
{
	struct event_record record;
	uint64_t lsn;

	memcpy(&record, event->bytes, sizeof(record));
	lsn = le64_get(record.lsn);
	/* decide() made it from this very state: if it does not apply, the state is broken. */
	SLUICE_REQUIRE(ledger_apply(worker->ledger, event->bytes, length) == 0);
	journal_writer_append(worker->journal, lsn, le64_get(record.time_ns), length);
	stats_add(&worker->stats.events, 1);
	worker->latency.events++;
	stats_set(&worker->stats.applied_lsn, lsn);
	return lsn;
}

static void outcome_start(const struct worker *worker, const struct origin *origin,
    const struct wire_request *request, struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->origin = *origin;
	outcome->request_id = request->request_id;
	outcome->body_hash[0] = request->body_hash[0];
	outcome->body_hash[1] = request->body_hash[1];
	outcome->template_id = request->template_id;
	outcome->shard = (uint8_t)worker->shard;
	outcome->mutates = (uint8_t)wire_template_mutates(request->template_id);
	if (request->template_id == WIRE_PLACE_BET && request->place_bet.stake > 0 &&
	    request->place_bet.stake <= LIMIT_STAKE_MAX)
		outcome->stake = request->place_bet.stake;
}

static void outcome_transient(struct worker *worker, struct outcome *outcome)
{
	outcome->code = journal_writer_error(worker->journal) != 0 ? WIRE_CODE_STORAGE_UNAVAILABLE
	                                                           : WIRE_CODE_BUSY;
	outcome->detail = 5; /* ms */
	worker_answer(worker, 0, outcome);
}

/* What a cancelled bet gives back to its terminal's limit: its stake, if it was placed today. */
static int64_t stake_returned(const struct worker *worker, const struct event_record *record)
{
	const struct risk_rules *rules = &ledger_shard(worker->ledger)->rules;
	struct bet_row bet;

	if (ledger_bet(worker->ledger, le64_get(record->object_id), &bet) != 0 ||
	    risk_day(rules, bet.placed_at_ns) != risk_day(rules, le64_get(record->time_ns)))
		return 0;
	return bet.stake;
}

void worker_decide(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, const struct terminal_share *share, int expired)
{
	struct ledger_request asked = {
		.wire = request,
		.terminal_id = origin->terminal_id,
		.terminal_staked_today = share->staked_today,
		.terminal_daily_max = share->daily_max,
	};
	struct event_buffer *event = worker_reserve(worker);
	struct event_record record;
	struct outcome outcome;
	uint64_t time_ns;
	int length;

	outcome_start(worker, origin, request, &outcome);
	if (SLUICE_UNLIKELY(event == NULL)) {
		outcome_transient(worker, &outcome);
		return;
	}
	/* Event time = max(last, clock): never runs back, whatever the clock does. */
	time_ns = ledger_shard(worker->ledger)->time_ns;
	if (worker->now_ns > time_ns)
		time_ns = worker->now_ns;
	length = expired ? ledger_decide_expired(worker->ledger, &asked, time_ns, event)
	                 : ledger_decide(worker->ledger, &asked, time_ns, event);
	if (SLUICE_UNLIKELY(length <= 0)) {
		outcome_transient(worker, &outcome);
		return;
	}
	(void)worker_commit(worker, event, (size_t)length);
	latency_note(&worker->latency.decided, origin->received_ns);
	memcpy(&record, event->bytes, sizeof(record));
	outcome.lsn = le64_get(record.lsn);
	outcome.object_id = le64_get(record.object_id);
	outcome.balance = le64s_get(record.balance);
	outcome.payout = le64s_get(record.payout);
	outcome.code = le16_get(record.code);
	outcome.score = record.score;
	outcome.journalled = 1;
	if (request->template_id == WIRE_CANCEL_BET && outcome.code == WIRE_CODE_OK)
		outcome.stake = stake_returned(worker, &record);
	worker_answer(worker, outcome.lsn, &outcome);
}

static uint64_t read_balance(
    struct worker *worker, const struct wire_request *request, struct outcome *outcome)
{
	const struct account_row *account =
	    ledger_account(worker->ledger, request->balance.account_id);
	uint32_t day = risk_day(&ledger_shard(worker->ledger)->rules, worker->now_ns);

	outcome->object_id = request->balance.account_id;
	if (account == NULL) {
		outcome->code = WIRE_CODE_ACCOUNT_UNKNOWN;
		return 0;
	}
	outcome->balance = account->balance;
	outcome->stake = account->staked_day == day ? account->staked_today : 0;
	outcome->currency = account->currency;
	outcome->lsn = account->lsn;
	return account->lsn;
}

static uint64_t read_bet(
    struct worker *worker, const struct wire_request *request, struct outcome *outcome)
{
	struct bet_row bet;

	outcome->object_id = request->bet_status.bet_id;
	if (ledger_bet(worker->ledger, request->bet_status.bet_id, &bet) != 0) {
		outcome->code = WIRE_CODE_BET_UNKNOWN;
		return 0;
	}
	outcome->account_id = bet.account_id;
	outcome->stake = bet.stake;
	outcome->payout = bet.payout;
	outcome->placed_at_ns = bet.placed_at_ns;
	outcome->currency = bet.currency;
	outcome->bet_state = bet.state;
	outcome->leg_count = bet.leg_count;
	outcome->lsn = bet.lsn;
	return bet.lsn;
}

void worker_read(
    struct worker *worker, const struct origin *origin, const struct wire_request *request)
{
	struct outcome outcome;
	uint64_t gate_lsn;

	outcome_start(worker, origin, request, &outcome);
	outcome.code = WIRE_CODE_OK;
	if (request->template_id == WIRE_BALANCE)
		gate_lsn = read_balance(worker, request, &outcome);
	else
		gate_lsn = read_bet(worker, request, &outcome);
	worker_answer(worker, gate_lsn, &outcome);
}

/* Closes the open batch by the group-commit rule and takes in what has become durable. */
void worker_journal(struct worker *worker)
{
	if (journal_writer_should_close(worker->journal)) {
		uint64_t hash = ledger_state_hash(worker->ledger);
		uint64_t sequence = ledger_shard(worker->ledger)->control_sequence;

		/* A failed close shows in journal_writer_error: answers turn STORAGE_UNAVAILABLE.
		 */
		if (journal_writer_close_batch(worker->journal, hash, sequence) == 0)
			stats_add(&worker->stats.batches, 1);
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
