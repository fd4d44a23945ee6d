/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ledger/ledger_model.h"
#include "dataplane/shard/worker.h"

#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* The longest turn that counts when the wall clock is behind: it may be set meanwhile. */
#define CLOCK_STEP_MAX_NS 1000000000ull

/*
 * Switch time follows the wall clock, but never goes back: deadlines, timers and what terminals
 * were told depend on it. Where the clock is behind, switch time goes on at half speed until it is
 * not. Standing still instead would refuse everything: deadlines are made of the time in answers.
 */
static void clock_follow(struct worker *worker)
{
	uint64_t wall_ns = clock_ns(CLOCK_REALTIME);
	uint64_t passed_ns = wall_ns > worker->wall_ns ? wall_ns - worker->wall_ns : 0;

	worker->wall_ns = wall_ns;
	if (wall_ns >= worker->now_ns)
		worker->now_ns = wall_ns;
	else
		worker->now_ns +=
		    (passed_ns < CLOCK_STEP_MAX_NS ? passed_ns : CLOCK_STEP_MAX_NS) / 2;
}

/* A linked group at the head of a ring. 1: decided; 0: its home has not sent all of it yet. */
static int group_take(struct worker *worker, struct spsc_ring *ring, unsigned count)
{
	if (spsc_ring_count(ring) < count)
		return 0;
	for (unsigned i = 0; i < count; i++)
		SLUICE_REQUIRE(spsc_ring_pop(ring, &worker->group[i]));
	worker_group_decide(worker, count);
	return 1;
}

static void request_take(struct worker *worker, const struct ring_request *item)
{
	const struct worker_ask ask = {
		.origin = &item->origin,
		.request = &item->request,
		.share = &item->share,
		.target = item->has_target ? &item->target : NULL,
		.target_shard = item->target_shard,
	};

	if (wire_template_mutates(item->request.template_id))
		worker_decide(worker, &ask);
	else
		worker_read(worker, &ask);
}

/* What the model says of the bets that other homes have sent. */
static void remote_score(struct worker *worker)
{
	struct ledger_model_ask asks[RISK_MODEL_BURST];
	unsigned count = 0;

	if (!ledger_model_asked(worker->ledger))
		return;
	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct spsc_ring *ring = worker->rings.request_in[i];
		const struct ring_request *item;

		for (unsigned k = 0;
		     ring != NULL && k < WORKER_REMOTE_PER_TURN && count < RISK_MODEL_BURST &&
		     (item = spsc_ring_peek_at(ring, k)) != NULL;
		     k++)
			asks[count++] =
			    (struct ledger_model_ask){ &item->request, item->origin.terminal_id };
	}
	ledger_model_burst(worker->ledger, asks, count, worker_event_time(worker));
}

/* Requests of other homes for accounts here. */
static unsigned drain_requests(struct worker *worker)
{
	unsigned moved = 0;

	remote_score(worker);

	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct spsc_ring *ring = worker->rings.request_in[i];
		const struct ring_request *item;

		for (unsigned k = 0; ring != NULL && k < WORKER_REMOTE_PER_TURN; k++) {
			if (worker_pending_full(worker) || (item = spsc_ring_peek(ring)) == NULL)
				break;
			moved++;
			if (item->group != 0) {
				if (!group_take(worker, ring, item->group))
					break;
				continue;
			}
			request_take(worker, item);
			spsc_ring_release(ring);
		}
	}
	return moved;
}

/* Outcomes from other shards. Taken without limit: they free the senders. */
static unsigned drain_answers(struct worker *worker)
{
	unsigned moved = 0;

	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct spsc_ring *ring = worker->rings.answer_in[i];
		const struct outcome *item;

		while (ring != NULL && (item = spsc_ring_peek(ring)) != NULL) {
			/* What nobody asked for is not counted. */
			if (item->kind == OUTCOME_READ || item->kind == OUTCOME_MUTATION)
				worker->remote_running--;
			worker_complete(worker, item);
			spsc_ring_release(ring);
			moved++;
		}
	}
	return moved;
}

/* The reader's answers; some go on to be decided, and need a place in the pending table. */
static unsigned drain_found(struct worker *worker)
{
	const struct history_found *item;
	unsigned moved = 0;

	while (!worker_pending_full(worker) &&
	       (item = spsc_ring_peek(worker->rings.history_found)) != NULL) {
		worker_found(worker, item);
		spsc_ring_release(worker->rings.history_found);
		moved++;
	}
	return moved;
}

/* The balance of a system account of this shard, in the rules' currency. */
static int64_t system_balance(const struct worker *worker, enum system_account kind)
{
	uint16_t currency = ledger_shard(worker->ledger)->rules.currency;
	const struct account_row *row =
	    ledger_account(worker->ledger, ledger_system_account(kind, currency, 0));

	return row != NULL ? row->balance : 0;
}

/* How long the watermark of any peer has stood still with something open above it. */
static uint64_t transfer_stuck_ns(struct worker *worker)
{
	uint64_t longest = 0;

	for (uint32_t peer = 0; peer < worker->shared->shard_count; peer++) {
		const struct object_key key = { .words = { peer }, .kind = OBJECT_LINK };
		const struct object_row *row =
		    peer == worker->shard ? NULL : ledger_object_by_key(worker->ledger, &key);
		struct object_link link;

		if (row == NULL)
			continue;
		memcpy(&link, row->body, sizeof(link));
		if (le64_get(link.out_done) != worker->link_done[peer] ||
		    le64_get(link.out_done) == le64_get(link.out_last) ||
		    worker->link_since_ns[peer] == 0) {
			worker->link_done[peer] = le64_get(link.out_done);
			worker->link_since_ns[peer] = worker->now_ns;
		}
		if (worker->now_ns - worker->link_since_ns[peer] > longest)
			longest = worker->now_ns - worker->link_since_ns[peer];
	}
	return longest;
}

/* Before answers go out: who has seen a command done sees its effect in the status. */
static void publish_totals(struct worker *worker, int changed)
{
	const struct journal_counters *journal = journal_writer_counters(worker->journal);
	struct ledger_totals totals;

	if (!changed && worker->now_ns < worker->totals_due_ns)
		return;
	worker->totals_due_ns = worker->now_ns + WORKER_TOTALS_NS;
	ledger_totals(worker->ledger, &totals);
	stats_set(&worker->stats.accounts, totals.accounts);
	stats_set(&worker->stats.bets, totals.bets);
	stats_set(&worker->stats.bets_open, totals.bets_open);
	stats_set(&worker->stats.markets, totals.markets);
	stats_set(&worker->stats.objects, totals.objects);
	stats_set(&worker->stats.suspense, (uint64_t)system_balance(worker, SYSTEM_SUSPENSE));
	stats_set(
	    &worker->stats.receivable, 0 - (uint64_t)system_balance(worker, SYSTEM_RECEIVABLE));
	stats_set(&worker->stats.transfer_stuck_ns, transfer_stuck_ns(worker));
	stats_set(&worker->stats.sessions, session_count(worker->sessions));
	stats_set(&worker->stats.rule_version, ledger_shard(worker->ledger)->rules.version);
	stats_set(&worker->stats.rule_factors, ledger_shard(worker->ledger)->extra.present);
	stats_set(&worker->stats.control_sequence_applied,
	    ledger_shard(worker->ledger)->control_sequence);
	worker_marks_publish(worker);
	stats_set(&worker->stats.pending, worker->pending_tail - worker->pending_head);
	stats_set(&worker->stats.journal_error, (uint64_t)journal_writer_error(worker->journal));
	stats_set(&worker->stats.write_ns_total, journal->write_ns_total);
	stats_set(&worker->stats.write_ns_max, journal->write_ns_max);
	stats_set(&worker->stats.journal_bytes, journal->bytes);
	stats_set(&worker->stats.journal_no_segment, journal->no_segment);
	stats_set(&worker->stats.journal_no_buffer, journal->no_buffer);
	stats_set(&worker->stats.journal_not_lent, journal->buffers_not_lent);
}

/* One turn; `serving` is 0 before the ports open and while stopping. Returns what it moved. */
/* Between two bursts: no decision sees half of two models. */
static void model_follow(struct worker *worker)
{
	/* W8 */
	const struct shard_model *held =
	    atomic_load_explicit(&worker->shared->model, memory_order_acquire);

	if (SLUICE_LIKELY(held == worker->model))
		return;
	worker->model = held;
	ledger_model_set(worker->ledger, held->model, held->version);
}

static unsigned turn(struct worker *worker, int serving)
{
	uint64_t durable = worker->durable_lsn;
	/* relaxed: a turn more or less; walks and timers go on after the restart */
	int going = atomic_load_explicit(&worker->shared->stop, memory_order_relaxed) == 0;
	unsigned moved = 0;

	clock_follow(worker);
	model_follow(worker);
	if (going)
		moved += worker_slow_owed(worker);
	STAMP(worker, clock);
	if (serving) {
		moved += worker_receive(worker);
		worker_requests(worker);
	}
	moved += worker_forward(worker);
	moved += drain_requests(worker);
	moved += drain_answers(worker);
	moved += drain_found(worker);
	moved += worker_parcels(worker);
	moved += worker_shortages(worker);
	moved += worker_commands(worker);
	STAMP(worker, drains);
	if (going) {
		moved += worker_walk(worker);
		moved += worker_due(worker);
		moved += worker_overdrafts(worker);
	}
	worker_tick(worker);
	worker_expire(worker);
	if (latency_appended_due(&worker->latency))
		latency_appended(
		    &worker->latency, ledger_shard(worker->ledger)->lsn, clock_ns(CLOCK_MONOTONIC));
	STAMP(worker, slow);
	worker_journal(worker);
	if (worker->durable_lsn != durable) {
		moved++;
		latency_durable(&worker->latency, worker->durable_lsn, clock_ns(CLOCK_MONOTONIC));
	}
	STAMP(worker, poll);
	publish_totals(worker, worker->results_pending != 0);
	STAMP(worker, totals);
	moved += worker_release(worker);
	worker_reply_flush(worker);
	moved += worker_transmit_flush(worker);
	STAMP(worker, transmit);
	return moved;
}

/* A few microseconds: the next packet of a burst is often that near. */
#define IDLE_SPIN_TURNS 64
/* Pauses of 20 us for a few ms, of 250 us for half a second more, then of 1 ms. */
#define IDLE_SHORT_TURNS  512
#define IDLE_MIDDLE_TURNS 2048

/*
 * Adaptive polling: spin a little, then give the CPU away in growing pieces. With writes in flight
 * the wait is on the ring, so an answer leaves when the disk is done. It blocks rather than yields:
 * the CPU may be the one that completes journal writes.
 */
static void idle(struct worker *worker)
{
	struct timespec pause = { 0, 0 };

	worker->idle_turns++;
	if (worker->shared->polling == POLLING_BUSY || worker->idle_turns < IDLE_SPIN_TURNS) {
		rte_pause();
		return;
	}
	if (journal_writer_in_flight(worker->journal) != 0) {
		journal_writer_wait(worker->journal, 50);
	} else {
		pause.tv_nsec = worker->idle_turns < IDLE_SHORT_TURNS    ? 20000
		                : worker->idle_turns < IDLE_MIDDLE_TURNS ? 250000
		                                                         : 1000000;
		nanosleep(&pause, NULL);
	}
}

static void turn_account(struct worker *worker, uint64_t start_ns, unsigned moved)
{
	uint64_t end_ns, spent;

	stats_add(&worker->stats.turns, 1);
	if (moved == 0)
		return;
	worker->idle_turns = 0;
	end_ns = clock_ns(CLOCK_MONOTONIC);
	latency_end(&worker->latency, end_ns);
	spent = end_ns - start_ns;
	histogram_add(&worker->latency.stages[LATENCY_turn], spent, 1);
	stats_add(&worker->stats.busy_ns, spent);
	if (spent > stats_get(&worker->stats.turn_ns_max))
		stats_set(&worker->stats.turn_ns_max, spent);
	if (spent > 1000000)
		stats_add(&worker->stats.turns_over_1ms, 1);
}

unsigned worker_turn(struct worker *worker, int serving)
{
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	unsigned moved;

	STAMP_TURN_BEGIN(worker);
	latency_begin(&worker->latency, start_ns);
	moved = turn(worker, serving);
	turn_account(worker, start_ns, moved);
	STAMP(worker, account);
	STAMP_TURN_END(worker, moved);
	return moved;
}

/*
 * Nothing waits for the disk, no forwarded request or transfer is on its way. Once a journal has
 * failed, here or elsewhere, what waits for it waits for ever: only our own disk is waited for, and
 * a failed one's only as long as writes are under way.
 */
int worker_owes_nothing(const struct worker *worker)
{
	if (journal_writer_error(worker->journal) != 0)
		return journal_writer_in_flight(worker->journal) == 0;
	if (worker->durable_lsn != ledger_shard(worker->ledger)->lsn)
		return 0;
	/* W2 has made it visible. */
	return atomic_load_explicit(&worker->shared->failed, memory_order_relaxed) != 0 ||
	       (worker->pending_head == worker->pending_tail && worker->remote_running == 0 &&
	           worker->transfers_open == 0);
}

/*
 * Everything owed is out on all workers, and the frames of the others are sent. No worker takes
 * requests in any more, so once all have said so it stays so; the owner of the ports ends with a
 * last look at their frames.
 */
static int all_drained(struct worker *worker)
{
	uint32_t mine = (uint32_t)worker_owes_nothing(worker);

	/* W6: our frames are in the transmit rings before the flag. */
	atomic_store_explicit(&worker->shared->drained[worker->shard], mine, memory_order_release);
	for (uint32_t i = 0; i < worker->shared->shard_count; i++)
		/* W6 */
		if (atomic_load_explicit(&worker->shared->drained[i], memory_order_acquire) == 0)
			return 0;
	(void)worker_forward(worker);
	(void)worker_transmit_flush(worker);
	return 1;
}

/* Shorter sleeps would cost more than they last. */
#define BUDGET_SLEEP_MIN_NS 50000

/*
 * A worker that may be busy for a share of its time only sleeps the rest, as on a CPU that many
 * times slower. What a sleep lasts too long is not owed the next time, and nothing is owed for time
 * in which the machine ran somebody else: a turn cut off for 100 ms would cost two seconds.
 */
static void budget_keep(struct worker *worker)
{
	uint64_t busy_ns = stats_get(&worker->stats.busy_ns), begin_ns, slept_ns, used_ns;
	uint64_t percent = worker->shared->budget_percent,
	         ran_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct timespec pause;

	used_ns = busy_ns - worker->budget_busy_ns;
	if (used_ns > ran_ns - worker->budget_ran_ns)
		used_ns = ran_ns - worker->budget_ran_ns;
	worker->budget_owed_ns += used_ns * (100 - percent) / percent;
	worker->budget_busy_ns = busy_ns;
	worker->budget_ran_ns = ran_ns;
	if (worker->budget_owed_ns < BUDGET_SLEEP_MIN_NS)
		return;
	pause = (struct timespec){ .tv_sec = (time_t)(worker->budget_owed_ns / 1000000000u),
		.tv_nsec = (long)(worker->budget_owed_ns % 1000000000u) };
	begin_ns = clock_ns(CLOCK_MONOTONIC);
	nanosleep(&pause, NULL);
	slept_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
	worker->budget_owed_ns -=
	    slept_ns < worker->budget_owed_ns ? slept_ns : worker->budget_owed_ns;
}

static void loop(struct worker *worker)
{
	uint64_t stop_by_ns = 0;

	for (;;) {
		/* W2, W1 */
		int stop = atomic_load_explicit(&worker->shared->stop, memory_order_acquire) != 0;
		int open = atomic_load_explicit(&worker->shared->open, memory_order_acquire) != 0;

		if (stop && stop_by_ns == 0)
			stop_by_ns = clock_ns(CLOCK_MONOTONIC) + 5000000000ull;
		if (stop && (all_drained(worker) || clock_ns(CLOCK_MONOTONIC) > stop_by_ns))
			break;
		if (worker_turn(worker, open && !stop) == 0)
			idle(worker);
		else if (SLUICE_UNLIKELY(worker->shared->budget_percent != 0))
			budget_keep(worker);
	}
}

int worker_begin(struct worker *worker)
{
	int error =
	    journal_writer_open(&worker->journal, worker->journal_config, worker->journal_start,
	        worker->feed, worker->keeper, worker->message, sizeof(worker->message));

	/* Ahead of the clock only where somebody said --accept-clock. */
	worker->now_ns = ledger_shard(worker->ledger)->time_ns;
	worker->wall_ns = clock_ns(CLOCK_REALTIME);
	worker->durable_lsn = ledger_shard(worker->ledger)->lsn; /* all of it was recovered */
	stats_set(&worker->stats.durable_lsn, worker->durable_lsn);
	stats_set(&worker->stats.applied_lsn, worker->durable_lsn);
	stats_set(&worker->stats.state_hash, ledger_state_hash(worker->ledger));
	stats_set(&worker->stats.control_sequence, ledger_shard(worker->ledger)->control_sequence);
	stats_set(&worker->stats.control_sequence_applied,
	    ledger_shard(worker->ledger)->control_sequence);
	/* W5: what open wrote to `message` is visible to main. */
	atomic_store_explicit(&worker->state, error == 0 ? 1 : error, memory_order_release);
	return error;
}

void worker_end(struct worker *worker)
{
	STAMPS_PRINT(worker);
	journal_writer_free(worker->journal);
	worker->journal = NULL;
}

int worker_run(void *context)
{
	struct worker *worker = context;
	int error;

	/* Sleeps of 20 us must not become 70 us. */
	(void)prctl(PR_SET_TIMERSLACK, 1000);
	error = worker_begin(worker);
	if (error != 0)
		return error;
	loop(worker);
	worker_end(worker);
	/* W7: all that this thread did to what main frees. */
	atomic_store_explicit(&worker->state, 2, memory_order_release);
	return 0;
}
