/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit of payout limits from other shards. A bet that lacks credit here is not refused at once:
 * its terminal is answered BUSY and asks again after a few milliseconds, and meanwhile this shard
 * holds a ROUND over the others, for this bet and for all that come to lack credit of the same
 * limit before it is over:
 *
 *   LOOKING    all are asked what they have. Too little for any of the bets: the round is over, and
 *              nothing has moved.
 *   GATHERING  those that have some are asked to give what is wanted, one after the other, each
 * once. A shard gives by a LEASE, whose parcel is the answer. MET        enough has come, and is
 * kept from other shards until the bets have had time to come again. KNOWN      too little. For a
 * moment any bet that lacks more than the others have is refused.
 *
 * What a round came to is kept: a bet that waited for it, comes again, however late, and lacks more
 * than the others had left is refused, and that is final. So is the refusal of one for which
 * ROUNDS_MAX rounds (and two for each leg, as a bet may lack several limits) were in vain, since
 * other bets here were faster every time.
 *
 * A shard that cannot give now (its transfers are all open, those of its last life go first, or it
 * needs its credit for a bet of its own) says "later", and one that gathers says that more may be
 * on its way to it: then nobody knows; a bet that found too little stays BUSY and has another
 * round.
 *
 * A limit that is OVERDRAWN here (overdraft.c) has a round without any bet, or joins the one that
 * goes on: all that the others have is taken, up to what is lacking, and they give it before any
 * bet of their own. Bets that cannot be met move nothing beyond that.
 *
 * Two shards that lack credit of one limit at once do not take it from each other for ever: the one
 * with the lower number keeps its own while it has a round, the other gives.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

/* An answer takes two group commits; a shard that stops says nothing. */
#define SHORTAGE_PATIENCE_NS 1000000000ull
#define SHORTAGE_MEMORY_NS   100000000ull
/* A BUSY names 5 ms. */
#define SHORTAGE_HOLD_NS 50000000ull
#define ROUNDS_MAX       8u
/* Terminals ask again at least every 2 s. */
#define ASKER_MEMORY_NS 30000000000ull

_Static_assert((WORKER_ASKERS_MAX & (WORKER_ASKERS_MAX - 1)) == 0, "a mask finds the place");

static int same_limit(const struct ledger_shortage *left, const struct ledger_shortage *right)
{
	return left->id == right->id && left->scope == right->scope &&
	       left->selection == right->selection;
}

static int is_running(const struct shortage_question *question)
{
	return question->phase == SHORTAGE_LOOKING || question->phase == SHORTAGE_GATHERING;
}

/* The question about this limit; else a free place (id 0); NULL: none. */
static struct shortage_question *question_find(
    struct worker *worker, const struct ledger_shortage *shortage)
{
	struct shortage_question *free_place = NULL, *memory = NULL;

	for (unsigned i = 0; i < WORKER_SHORTAGES_MAX; i++) {
		struct shortage_question *question = &worker->shortages[i];

		if (question->shortage.id != 0 && worker->now_ns >= question->until_ns)
			question->shortage.id = 0;
		if (question->shortage.id == 0)
			free_place = question;
		else if (same_limit(&question->shortage, shortage))
			return question;
		else if (!is_running(question))
			memory = question;
	}
	if (free_place == NULL && memory != NULL) {
		memory->shortage.id = 0;
		free_place = memory;
	}
	return free_place;
}

/* The same without a free place: NULL. */
static struct shortage_question *question_of(
    struct worker *worker, const struct ledger_shortage *shortage)
{
	for (unsigned i = 0; i < WORKER_SHORTAGES_MAX; i++) {
		struct shortage_question *question = &worker->shortages[i];

		if (question->shortage.id != 0 && worker->now_ns < question->until_ns &&
		    same_limit(&question->shortage, shortage))
			return question;
	}
	return NULL;
}

/* ---- Bets that had a round ---- */

/*
 * The bet's place, made its own. Another bet's memory may be lost by that: it has its rounds once
 * more. The low bits alone would not do: terminals count their requests alike.
 */
static struct shortage_asker *asker_find(struct worker *worker, const struct worker_ask *ask)
{
	const uint64_t words[] = { ask->origin->terminal_id, ask->request->request_id };
	uint64_t hash = XXH3_64bits(words, sizeof(words));
	struct shortage_asker *asker = &worker->shortage_askers[hash & (WORKER_ASKERS_MAX - 1)];

	if (asker->terminal_id != words[0] || asker->request_id != words[1] ||
	    asker->body_hash != ask->request->body_hash[0] || worker->now_ns >= asker->until_ns)
		*asker = (struct shortage_asker){
			.terminal_id = words[0],
			.request_id = words[1],
			.body_hash = ask->request->body_hash[0],
		};
	asker->until_ns = worker->now_ns + ASKER_MEMORY_NS;
	return asker;
}

/* ---- A round ---- */

static void result_keep(struct worker *worker, const struct shortage_question *question)
{
	worker->shortage_results[question->round & (WORKER_ASKERS_MAX - 1)] =
	    (struct shortage_result){ question->round, question->elsewhere };
}

/* 1: the bet's last round is over and has shown that no other one will help. */
static int is_final(struct worker *worker, struct shortage_asker *asker,
    const struct ledger_shortage *shortage, unsigned legs)
{
	const struct shortage_result *result =
	    &worker->shortage_results[asker->round & (WORKER_ASKERS_MAX - 1)];

	if (asker->round == 0 || result->round != asker->round)
		return 0;
	if (same_limit(&asker->shortage, shortage) && shortage->amount > result->elsewhere)
		return 1;
	return ++asker->rounds >= ROUNDS_MAX + 2 * legs;
}

/* Over, with too little; or nobody knows. */
static void question_fail(struct worker *worker, struct shortage_question *question)
{
	if (question->later) {
		question->shortage.id = 0;
		return;
	}
	result_keep(worker, question);
	question->phase = SHORTAGE_KNOWN;
	question->until_ns = worker->now_ns + SHORTAGE_MEMORY_NS;
}

static int question_send(
    struct worker *worker, struct shortage_question *question, uint32_t peer, uint8_t what)
{
	const struct ring_shortage item = {
		.shortage = question->shortage,
		.round = question->round,
		.what = what,
		.overdrawn = question->overdraft != 0,
	};

	if (!spsc_ring_push(worker->rings.shortage_out[peer], &item)) {
		question->later = 1;
		return 0;
	}
	stats_add(&worker->stats.shortages_asked, 1);
	question->until_ns = worker->now_ns + SHORTAGE_PATIENCE_NS;
	return 1;
}

/* Asks the next shard that has some to give. */
static void question_gather(struct worker *worker, struct shortage_question *question)
{
	uint32_t count = worker->shared->shard_count;

	while (question->next + 1 < count) {
		question->peer = (worker->shard + 1 + question->next++) % count;
		if (question->has[question->peer] > 0 &&
		    question_send(worker, question, question->peer, SHORTAGE_ASKED))
			return;
	}
	/* All have given what they had. */
	question->elsewhere = 0;
	question_fail(worker, question);
}

/* Everybody has said what he has. */
static void question_looked(struct worker *worker, struct shortage_question *question)
{
	if (question->least > question->elsewhere) {
		if (question->overdraft == 0) {
			question_fail(worker, question);
			return;
		}
		question->shortage.amount = question->overdraft;
	}
	question->phase = SHORTAGE_GATHERING;
	question_gather(worker, question);
}

/* `overdraft` 0: for a bet. */
static void round_begin(struct worker *worker, struct shortage_question *question,
    const struct ledger_shortage *shortage, int64_t overdraft)
{
	*question = (struct shortage_question){
		.shortage = *shortage,
		.round = ++worker->shortage_round,
		.until_ns = worker->now_ns + SHORTAGE_PATIENCE_NS,
		.least = overdraft == 0 ? shortage->amount : INT64_MAX,
		.overdraft = overdraft,
	};
	for (uint32_t peer = 0; peer < worker->shared->shard_count; peer++) {
		if (peer != worker->shard)
			question->unanswered +=
			    (uint32_t)question_send(worker, question, peer, SHORTAGE_LOOK);
	}
	if (question->unanswered == 0)
		question_looked(worker, question);
}

/* One more bet waits for a round: its whole payout is wanted besides. */
static void round_join(struct worker *worker, struct shortage_question *question,
    const struct ledger_shortage *shortage)
{
	if (shortage->amount < question->least)
		question->least = shortage->amount;
	/* A round for an overdrawn limit goes on without looking; it moves nothing for a bet that
	 * cannot be met. */
	if (question->overdraft != 0 && question->phase == SHORTAGE_GATHERING &&
	    shortage->amount > question->elsewhere)
		return;
	question->shortage.amount += shortage->amount +
	                             ledger_credit_free(worker->ledger, shortage) -
	                             ledger_credit_lacks(worker->ledger, shortage);
	if (question->shortage.amount > LIMIT_PAYOUT_MAX)
		question->shortage.amount = LIMIT_PAYOUT_MAX;
}

int worker_shortage(struct worker *worker, const struct worker_ask *ask, uint64_t time_ns)
{
	struct shortage_question *question;
	struct shortage_asker *asker;
	struct ledger_shortage shortage;

	if (worker->shared->shard_count == 1 ||
	    !ledger_shortage(worker->ledger, ask->request, time_ns, &shortage))
		return 0;
	asker = asker_find(worker, ask);
	question = question_find(worker, &shortage);
	if (question == NULL)
		return 1; /* too many limits are short at once: ask again later */
	if (question->shortage.id != 0 && question->round == asker->round && is_running(question))
		return 1;
	if (is_final(worker, asker, &shortage, ask->request->place_bet.leg_count))
		return 0;
	if (question->shortage.id != 0 && is_running(question)) {
		round_join(worker, question, &shortage);
	} else if (question->shortage.id != 0 && question->phase == SHORTAGE_KNOWN &&
	           shortage.amount > question->elsewhere) {
		return 0;
	} else {
		round_begin(worker, question, &shortage, 0);
	}
	asker->shortage = shortage;
	asker->round = question->round;
	return 1;
}

int worker_shortage_gather(struct worker *worker, const struct ledger_shortage *shortage)
{
	struct shortage_question *question = question_of(worker, shortage);
	unsigned running = 0;

	if (question != NULL && is_running(question)) {
		question->overdraft = shortage->amount;
		if (question->shortage.amount < shortage->amount)
			question->shortage.amount = shortage->amount;
		return 1;
	}
	for (unsigned i = 0; i < WORKER_SHORTAGES_MAX; i++) {
		const struct shortage_question *other = &worker->shortages[i];

		running += other->shortage.id != 0 && other->overdraft != 0 && is_running(other) &&
		           worker->now_ns < other->until_ns;
	}
	if (running >= WORKER_OVERDRAFTS_MAX)
		return 0;
	question = question_find(worker, shortage);
	if (question == NULL)
		return 0;
	round_begin(worker, question, shortage, shortage->amount);
	return 1;
}

void worker_shortage_met(struct worker *worker, const struct ledger_parcel *parcel)
{
	const struct ledger_shortage limit = { .id = parcel->reference,
		.scope = parcel->lease_scope,
		.selection = parcel->lease_selection };
	struct shortage_question *question = question_of(worker, &limit);

	if (question == NULL || question->phase != SHORTAGE_GATHERING)
		return;
	if (question->overdraft != 0)
		worker_overdrafts_hurry(worker);
	question->shortage.amount -= parcel->amount;
	question->elsewhere -= parcel->amount;
	if (question->shortage.amount <= 0) {
		result_keep(worker, question);
		question->phase = SHORTAGE_MET;
		question->until_ns = worker->now_ns + SHORTAGE_HOLD_NS;
	} else if (parcel->source == question->peer) {
		question_gather(worker, question);
	}
}

/* ---- The other side ---- */

/* 1: its credit is not for this asker now, as bets here wait for it. */
static int is_held(struct worker *worker, uint32_t asker, const struct ledger_shortage *shortage)
{
	const struct shortage_question *question = question_of(worker, shortage);

	return question != NULL &&
	       (question->phase == SHORTAGE_MET || (is_running(question) && worker->shard < asker));
}

static uint8_t is_gathering(struct worker *worker, const struct ledger_shortage *shortage)
{
	const struct shortage_question *question = question_of(worker, shortage);

	return question != NULL && question->phase == SHORTAGE_GATHERING;
}

/* A lease was given: what is known of the others holds no longer, as they have more now. */
static void question_forget(struct worker *worker, const struct ledger_shortage *shortage)
{
	struct shortage_question *question = question_of(worker, shortage);

	if (question != NULL && question->phase == SHORTAGE_KNOWN)
		question->shortage.id = 0;
}

/* 1: answered, or a parcel is on its way; 0: it stays for a later turn. */
static int shortage_take(struct worker *worker, uint32_t asker, const struct ring_shortage *item)
{
	const struct ledger_shortage *shortage = &item->shortage;
	struct ring_shortage answer = *item;
	struct event_buffer *event;
	struct event_record record;
	int length;

	answer.what = SHORTAGE_LATER;
	if (item->what == SHORTAGE_LOOK) {
		answer.what = SHORTAGE_HAS;
		answer.coming = is_gathering(worker, shortage);
		answer.shortage.amount = ledger_credit_free(worker->ledger, shortage);
	} else if (!worker_transfers_full(worker) &&
	           (item->overdrawn || !is_held(worker, asker, shortage))) {
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
			question_forget(worker, shortage);
			return 1;
		}
		if (length != -EBUSY) /* else a table is full */
			answer.what = SHORTAGE_NOTHING;
	}
	/* A full ring: the asker's patience ends it. */
	(void)!spsc_ring_push(worker->rings.shortage_out[asker], &answer);
	return 1;
}

static void answer_take(struct worker *worker, uint32_t peer, const struct ring_shortage *item)
{
	struct shortage_question *question = question_of(worker, &item->shortage);

	if (question == NULL || question->round != item->round)
		return; /* its patience is over */
	if (item->what == SHORTAGE_HAS && question->phase == SHORTAGE_LOOKING) {
		question->has[peer] = item->shortage.amount;
		question->elsewhere += item->shortage.amount;
		question->later |= item->coming;
		if (--question->unanswered == 0)
			question_looked(worker, question);
	} else if (item->what != SHORTAGE_HAS && question->phase == SHORTAGE_GATHERING) {
		question->later |= item->what == SHORTAGE_LATER;
		question_gather(worker, question);
	}
}

unsigned worker_shortages(struct worker *worker)
{
	unsigned moved = 0;

	for (uint32_t i = 0; i < worker->shared->shard_count; i++) {
		struct spsc_ring *ring = worker->rings.shortage_in[i];
		const struct ring_shortage *item;

		while (ring != NULL && !worker_pending_full(worker) &&
		       (item = spsc_ring_peek(ring)) != NULL) {
			if (item->what != SHORTAGE_LOOK && item->what != SHORTAGE_ASKED)
				answer_take(worker, i, item);
			else if (!shortage_take(worker, i, item))
				break;
			spsc_ring_release(ring);
			moved++;
		}
	}
	return moved;
}
