/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow work in slices: the walk of a settlement, and what time brings. It takes a bounded number of
 * events a turn, after the turn's requests, and only while the journal and the pending table have
 * room to spare. Without such room for a ms, each of the two gets a share of a few events, and
 * takes it before the next turn's requests take all there is: under any load both come to an end,
 * and so do the numbered commands that wait for a walk.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

/* How large slow work may make the open batch: see WORKER_SLOW_BYTES_PER_US. */
static size_t slow_batch_size(const struct worker *worker)
{
	const struct journal_counters *journal = journal_writer_counters(worker->journal);
	uint64_t count = journal->writes, sum = 0, size;

	if (count > JOURNAL_WRITES_RECENT)
		count = JOURNAL_WRITES_RECENT;
	if (count == 0)
		return WORKER_SLOW_BATCH_MIN;
	for (uint64_t i = 0; i < count; i++)
		sum += journal->write_ns_recent[i];
	size = sum / count * WORKER_SLOW_BYTES_PER_US / 1000;
	return size < WORKER_SLOW_BATCH_MIN   ? WORKER_SLOW_BATCH_MIN
	       : size > WORKER_SLOW_BATCH_MAX ? WORKER_SLOW_BATCH_MAX
	                                      : (size_t)size;
}

int worker_slow_room(struct worker *worker, struct slow_share *share)
{
	if (worker->pending_tail - worker->pending_head < PENDING_MAX / 2 &&
	    journal_writer_room(worker->journal) + slow_batch_size(worker) >=
	        LIMIT_JOURNAL_BATCH_SIZE_MAX) {
		*share = (struct slow_share){ .since_ns = worker->now_ns };
		return 1;
	}
	if (worker->now_ns - share->since_ns >= WORKER_SLOW_SHARE_NS)
		*share = (struct slow_share){ worker->now_ns, WORKER_SLOW_SHARE };
	return share->left > 0;
}

static void slow_commit(
    struct worker *worker, struct event_buffer *event, int length, struct slow_share *share)
{
	(void)worker_commit(worker, event, (size_t)length);
	share->left -= share->left > 0;
}

static int slow_is_owed(const struct worker *worker, const struct slow_share *share)
{
	return share->left > 0 || worker->now_ns - share->since_ns >= WORKER_SLOW_SHARE_NS;
}

/* 1: a rollback, which leaves no outcomes. */
static int market_is_open_again(const struct worker *worker, uint64_t market_id)
{
	static const struct settlement_outcomes_disk none;
	const struct market_row_state *market = ledger_market(worker->ledger, market_id);

	return market != NULL && memcmp(&market->outcomes, &none, sizeof(none)) == 0;
}

void worker_walk_begin(
    struct worker *worker, uint64_t market_id, uint64_t ticket, uint64_t control_sequence)
{
	worker->walk = (struct walk_command){
		.active = WALK_GOING,
		.rollback = (uint8_t)market_is_open_again(worker, market_id),
		.ticket = ticket,
		.control_sequence = control_sequence,
		.walk = { .market_id = market_id },
	};
	stats_set(&worker->stats.walks_open, 1);
	if (worker->walk.rollback)
		worker_overdrafts_look(worker);
}

/* Markets whose bets the last life did not get through. */
static int walk_left_over(struct worker *worker)
{
	const struct market_row_state *market;

	if (worker->walks_seen)
		return 0;
	market = ledger_walk_due(worker->ledger, &worker->walk_row);
	worker->walks_seen = market == NULL;
	if (market == NULL)
		return 0;
	worker_walk_begin(worker, market->id, 0, 0);
	return 1;
}

/* Every bet was dealt with: that is journalled, then the command's number, then main hears of it.
 */
static void walk_end(struct worker *worker)
{
	struct walk_command *walk = &worker->walk;
	struct event_buffer *event;
	int result = 1;

	if (walk->active == WALK_ENDING) {
		event = worker_reserve(worker);
		if (event == NULL)
			return;
		result = ledger_decide_walked(
		    worker->ledger, &walk->walk, worker_event_time(worker), event);
		if (result == -EBUSY)
			return;
		SLUICE_REQUIRE(result >= 0);
		if (result > 0)
			(void)worker_commit(worker, event, (size_t)result);
		walk->active = WALK_MARKING;
	}
	if (walk->ticket != 0) {
		result = worker_command_mark(worker, walk->control_sequence);
		if (result == 0)
			return;
		worker_command_done(worker, walk->ticket, result < 0 ? result : 0, 0, result > 0);
	}
	walk->active = 0;
	if (walk->rollback)
		worker_overdrafts_look(worker);
	stats_set(&worker->stats.walks_open, 0);
}

/* One event of the walk. 1: made; 0: not now, or the walk is over. */
static int walk_step(struct worker *worker)
{
	struct walk_command *walk = &worker->walk;
	struct event_buffer *event;
	int length;

	if (walk->paced_ns > worker->now_ns || !worker_slow_room(worker, &worker->walk_share))
		return 0;
	event = worker_reserve(worker);
	if (event == NULL)
		return 0;
	length = ledger_walk_next(
	    worker->ledger, &walk->walk, WORKER_WALK_LOOK_MAX, worker_event_time(worker), event);
	if (length == -EAGAIN || length == -EBUSY)
		return 0;
	SLUICE_REQUIRE(length >= 0);
	if (length == 0) {
		walk->active = WALK_ENDING;
		return 0;
	}
	slow_commit(worker, event, length, &worker->walk_share);
	if (walk->paced_ns + WORKER_WALK_CREDIT_NS < worker->now_ns)
		walk->paced_ns = worker->now_ns - WORKER_WALK_CREDIT_NS;
	walk->paced_ns += WORKER_WALK_EVENT_NS;
	stats_add(&worker->stats.walk_events, 1);
	return 1;
}

unsigned worker_walk(struct worker *worker)
{
	uint64_t lsn = ledger_shard(worker->ledger)->lsn;
	uint64_t looked = worker->walk.walk.looked;

	if (!worker->walk.active && !walk_left_over(worker))
		return 0;
	for (unsigned i = 0; worker->walk.active == WALK_GOING && i < WORKER_WALK_PER_TURN; i++)
		if (!walk_step(worker))
			break;
	if (worker->walk.active > WALK_GOING)
		walk_end(worker);
	return (unsigned)(ledger_shard(worker->ledger)->lsn - lsn) +
	       (worker->walk.walk.looked != looked);
}

unsigned worker_due(struct worker *worker)
{
	uint64_t time_ns = worker_event_time(worker);
	unsigned made = 0, idle = 0;

	while (made < WORKER_DUE_PER_TURN && ledger_due_ns(worker->ledger) <= time_ns &&
	       worker_slow_room(worker, &worker->due_share)) {
		struct event_buffer *event = worker_reserve(worker);
		int length;

		if (event == NULL)
			break;
		length = ledger_decide_due(worker->ledger, time_ns, event);
		/* What cannot be done now must not keep what can be. */
		if (length < 0 && ++idle < WORKER_DUE_IDLE_MAX)
			continue;
		if (length <= 0)
			break;
		slow_commit(worker, event, length, &worker->due_share);
		stats_add(&worker->stats.due_events, 1);
		made++;
	}
	return made;
}

unsigned worker_slow_owed(struct worker *worker)
{
	unsigned moved = 0;

	if (worker->walk.active == WALK_GOING && slow_is_owed(worker, &worker->walk_share))
		moved += worker_walk(worker);
	if (ledger_due_ns(worker->ledger) <= worker_event_time(worker) &&
	    slow_is_owed(worker, &worker->due_share))
		moved += worker_due(worker);
	return moved;
}
