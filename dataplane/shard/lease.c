/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit of payout limits from other shards. A bet that lacks credit here is not refused at once:
 * its terminal is answered BUSY and asks again after a few milliseconds, and meanwhile the other
 * shards are asked one after the other. A shard that has credit gives it by a LEASE, whose parcel
 * is the answer; one that has none says so. When all have said so, bets short of this limit are
 * refused for a moment without asking again: that refusal is final and journalled. One that cannot
 * give now (its transfers are all open, or those of its last life go first) says "later": then
 * nobody knows whether there is credit, and the bet stays BUSY and asks anew.
 *
 * One question about a limit is on its way at a time, so no more credit moves than was asked for.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

/* An answer takes two group commits; a shard that stops says nothing. */
#define SHORTAGE_PATIENCE_NS 1000000000ull
#define SHORTAGE_MEMORY_NS   100000000ull

static int same_limit(const struct ledger_shortage *left, const struct ledger_shortage *right)
{
	return left->id == right->id && left->scope == right->scope &&
	       left->selection == right->selection;
}

/* The question about this limit; else a free place (id 0), or one that is over; NULL: none. */
static struct shortage_question *question_find(
    struct worker *worker, const struct ledger_shortage *shortage)
{
	struct shortage_question *free_place = NULL;

	for (unsigned i = 0; i < WORKER_SHORTAGES_MAX; i++) {
		struct shortage_question *question = &worker->shortages[i];

		if (question->shortage.id != 0 && worker->now_ns >= question->until_ns)
			question->shortage.id = 0;
		if (question->shortage.id == 0)
			free_place = question;
		else if (same_limit(&question->shortage, shortage))
			return question;
	}
	return free_place;
}

/* Asks the next shard; with none left, remembers that nobody has any, if all have said so. */
static void question_ask(struct worker *worker, struct shortage_question *question)
{
	struct ring_shortage item = { .shortage = question->shortage, .what = SHORTAGE_ASKED };

	while (question->asked < worker->shared->shard_count) {
		uint32_t peer = question->asked++;

		if (peer == worker->shard)
			continue;
		if (!spsc_ring_push(worker->rings.shortage_out[peer], &item)) {
			question->later = 1;
			continue;
		}
		stats_add(&worker->stats.shortages_asked, 1);
		question->until_ns = worker->now_ns + SHORTAGE_PATIENCE_NS;
		return;
	}
	if (question->later) {
		question->shortage.id = 0;
		return;
	}
	question->nothing = 1;
	question->until_ns = worker->now_ns + SHORTAGE_MEMORY_NS;
}

int worker_shortage(struct worker *worker, const struct wire_request *request, uint64_t time_ns)
{
	struct shortage_question *question;
	struct ledger_shortage shortage;

	if (worker->shared->shard_count == 1 ||
	    !ledger_shortage(worker->ledger, request, time_ns, &shortage))
		return 0;
	question = question_find(worker, &shortage);
	if (question == NULL)
		return 1; /* too many limits are short at once: ask again later */
	if (question->shortage.id != 0)
		return !question->nothing;
	*question = (struct shortage_question){ .shortage = shortage };
	question_ask(worker, question);
	return !question->nothing;
}

void worker_shortage_met(struct worker *worker, const struct ledger_parcel *parcel)
{
	const struct ledger_shortage limit = { .id = parcel->reference,
		.scope = parcel->lease_scope,
		.selection = parcel->lease_selection };
	struct shortage_question *question = question_find(worker, &limit);

	if (question != NULL)
		question->shortage.id = 0;
}

/* ---- The other side ---- */

/* 1: answered, or a parcel is on its way; 0: it stays for a later turn. */
static int shortage_take(
    struct worker *worker, uint32_t asker, const struct ledger_shortage *shortage)
{
	struct ring_shortage answer = { .shortage = *shortage, .what = SHORTAGE_LATER };
	struct event_buffer *event;
	struct event_record record;
	int length;

	if (!worker_transfers_full(worker)) {
		event = worker_reserve(worker);
		if (event == NULL)
			return 0;
		length = ledger_decide_lease(
		    worker->ledger, shortage, asker, worker_event_time(worker), event);
		if (length > 0) {
			(void)worker_commit(worker, event, (size_t)length);
			memcpy(&record, event->bytes, sizeof(record));
			worker_parcel_queue(worker, &record);
			stats_add(&worker->stats.leases_given, 1);
			return 1;
		}
		if (length != -EBUSY) /* else a table is full */
			answer.what = SHORTAGE_NOTHING;
	}
	/* A full ring: the asker's patience ends it. */
	(void)!spsc_ring_push(worker->rings.shortage_out[asker], &answer);
	return 1;
}

/* One shard has none, or cannot say: the next is asked. */
static void answer_take(struct worker *worker, const struct ring_shortage *item)
{
	struct shortage_question *question = question_find(worker, &item->shortage);

	if (question == NULL || question->shortage.id == 0 || question->nothing)
		return;
	question->later |= item->what == SHORTAGE_LATER;
	question_ask(worker, question);
}

unsigned worker_shortages(struct worker *worker)
{
	unsigned moved = 0;

	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct spsc_ring *ring = worker->rings.shortage_in[i];
		const struct ring_shortage *item;

		while (ring != NULL && !worker_pending_full(worker) &&
		       (item = spsc_ring_peek(ring)) != NULL) {
			if (item->what != SHORTAGE_ASKED)
				answer_take(worker, item);
			else if (!shortage_take(worker, i, &item->shortage))
				break;
			spsc_ring_release(ring);
			moved++;
		}
	}
	return moved;
}
