/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits that are overdrawn here: more is open than this shard's credit, as the limit was lowered
 * or first set, or a rollback has opened bets again (ledger_exposure.c). The others must not sell
 * what is lacking, so it is gathered from them (lease.c) without waiting for a bet.
 *
 * New rules, a partner's row, a rollback and the start of the process begin a walk over all
 * markets and partners, some rows a turn; a rollback's walk over its bets has it repeated while it
 * lasts. A limit that finds no place among the rounds holds the walk up until there is one. While
 * any limit is overdrawn the walk is repeated, as a shard that was asked may not have had the new
 * limit yet or have been unable to give, or may have credit again: after 2 ms, then more and more
 * seldom, at last once a second; a little sooner when credit has come. One shard alone never walks.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

#define PAUSE_MIN_NS   2000000ull
#define PAUSE_HURRY_NS 50000000ull
#define PAUSE_MAX_NS   1000000000ull

void worker_overdrafts_look(struct worker *worker)
{
	struct overdraft_walk *overdraft = &worker->overdraft;

	overdraft->again = overdraft->going;
	overdraft->due_ns = 0;
	overdraft->pause_ns = PAUSE_MIN_NS;
}

void worker_overdrafts_hurry(struct worker *worker)
{
	struct overdraft_walk *overdraft = &worker->overdraft;

	if (overdraft->pause_ns > PAUSE_HURRY_NS)
		overdraft->pause_ns = PAUSE_HURRY_NS;
	if (overdraft->due_ns != UINT64_MAX && overdraft->due_ns > worker->now_ns + PAUSE_HURRY_NS)
		overdraft->due_ns = worker->now_ns + PAUSE_HURRY_NS;
}

/* A rollback's walk opens more and more bets. */
static int rollback_goes_on(const struct worker *worker)
{
	return worker->walk.active && worker->walk.rollback;
}

static void overdrafts_end(struct worker *worker)
{
	struct overdraft_walk *overdraft = &worker->overdraft;

	overdraft->going = 0;
	if (overdraft->again) {
		overdraft->due_ns = 0;
	} else if (overdraft->any || rollback_goes_on(worker)) {
		overdraft->due_ns = worker->now_ns + overdraft->pause_ns;
		overdraft->pause_ns *= 2;
		if (overdraft->pause_ns > PAUSE_MAX_NS)
			overdraft->pause_ns = PAUSE_MAX_NS;
	} else {
		overdraft->due_ns = UINT64_MAX;
	}
}

/* 1: the limit found has a round, or needs none any more. */
static int found_gather(struct worker *worker)
{
	struct ledger_shortage *found = &worker->overdraft.found;

	found->amount = ledger_credit_lacks(worker->ledger, found);
	if (found->amount > 0 && !worker_shortage_gather(worker, found))
		return 0;
	found->id = 0;
	return 1;
}

unsigned worker_overdrafts(struct worker *worker)
{
	struct overdraft_walk *overdraft = &worker->overdraft;

	if (worker->now_ns < overdraft->due_ns || worker->shared->shard_count == 1)
		return 0;
	if (!overdraft->going) {
		overdraft->walk = (struct ledger_overdrawn_walk){ 0 };
		overdraft->going = 1;
		overdraft->again = 0;
		overdraft->any = 0;
		if (overdraft->pause_ns == 0)
			overdraft->pause_ns = PAUSE_MIN_NS;
	}
	if (overdraft->found.id != 0 && !found_gather(worker))
		return 0;
	for (unsigned i = 0; i < WORKER_OVERDRAFT_LOOK_MAX; i++) {
		int result = ledger_overdrawn_next(
		    worker->ledger, &overdraft->walk, WORKER_OVERDRAFT_LOOK_MAX, &overdraft->found);

		if (result == 0)
			overdrafts_end(worker);
		if (result <= 0)
			break;
		overdraft->any = 1;
		if (!found_gather(worker))
			break;
	}
	return 1;
}
