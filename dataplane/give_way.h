/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a shard's follower and sealing give way to the walk of a settlement: pure, so that it is
 * tested by a table.
 *
 * A walk makes a bet's event in 1.5 us; the follower takes as long for one, on the CPU that
 * completes the journal's writes, and writes it to the same disk once more. Live bets waited behind
 * that (bench/HISTORY.md, "Settlement"). What is left undone is done behind the walk; the journal
 * holds it until then.
 */
#ifndef SLUICE_DATAPLANE_GIVE_WAY_H
#define SLUICE_DATAPLANE_GIVE_WAY_H

#include <stdint.h>

/* No more than this is left undone: half a second of following, 400 MB of journal. */
#define GIVE_WAY_EVENTS_MAX (2u * 1024u * 1024u)
/* No longer than this in one walk: one that cannot go on may wait for what is held. */
#define GIVE_WAY_NS_MAX 5000000000ull

/* What is seen in one turn of the store thread. */
struct give_way_look {
	int walking;          /* the worker runs, and walks over a market's bets */
	int journal_crowded;  /* segments could run out: journal_keeper_crowded */
	uint64_t events_left; /* durable and not followed yet */
	uint64_t now_ns;      /* monotonic */
};

/* `*since_ns` is 0 at first and belongs to this function. 1: nothing is to be done now, else 0. */
int give_way_judge(uint64_t *since_ns, const struct give_way_look *look);

#endif
