/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of one worker. One writer (the worker), any number of readers (main): each field is
 * atomic so that a reader never sees half a value, but the writer's add is a plain load and store,
 * not a read-modify-write.
 */
#ifndef SLUICE_SHARD_STATS_H
#define SLUICE_SHARD_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/codes.h"
#include "wire/drop.h"

#define STATS_CODES_MAX 128

/* X(name, what it counts) */
#define WORKER_COUNTERS(X)                                                                         \
	X(turns, "loop turns")                                                                     \
	X(busy_ns, "time in turns that moved anything, system calls included")                     \
	X(turn_ns_max, "longest turn that moved anything")                                         \
	X(turns_over_1ms, "turns longer than 1 ms")                                                \
	X(datagrams_in, "datagrams opened")                                                        \
	X(messages_in, "requests decoded")                                                         \
	X(datagrams_out, "answer datagrams sent")                                                  \
	X(messages_out, "answers sent")                                                            \
	X(datagrams_held, "datagrams that waited because their port was full")                     \
	X(events, "events appended to the journal")                                                \
	X(batches, "journal batches closed")                                                       \
	X(resets_sent, "RESET datagrams sent")                                                     \
	X(arp_icmp_answered, "ARP and ICMP echo answered")                                         \
	X(handed_over, "datagrams handed to their home worker")                                    \
	X(requests_remote, "requests sent to another shard")                                       \
	X(answers_lost, "answers whose session had ended")                                         \
	X(history_asked, "requests looked up in history")                                          \
	X(accounts, "account rows")                                                                \
	X(bets, "bet rows")                                                                        \
	X(bets_open, "open bets")                                                                  \
	X(markets, "markets")                                                                      \
	X(sessions, "live sessions")                                                               \
	X(durable_lsn, "last durable LSN")                                                         \
	X(applied_lsn, "last LSN applied by the worker")                                           \
	X(state_hash, "state hash at the last closed batch")                                       \
	X(control_sequence, "last control command whose mark is durable")                          \
	X(control_sequence_applied, "last control command applied, perhaps not durable yet")       \
	X(rule_version, "rules in force")                                                          \
	X(rule_factors, "1: they have factors of the states of accounts and terminals")            \
	X(pending, "answers waiting for durability")                                               \
	X(journal_error, "errno of the failed journal write, 0 when healthy")                      \
	X(write_ns_total, "time of journal writes, submit to completion")                          \
	X(write_ns_max, "longest journal write")                                                   \
	X(journal_bytes, "bytes written to the journal")                                           \
	X(journal_no_segment, "times no journal segment was ready")                                \
	X(journal_no_buffer, "times the open journal batch had no room")                           \
	X(disk_refused, "times an event was refused: disk quota, or too little free space")        \
	X(journal_not_lent, "durable batches the store must read from the files")                  \
	X(pending_full, "requests answered BUSY: too many answers wait for the disk")              \
	X(window_full, "requests answered BUSY: 64 ids away from one that is running")             \
	X(request_ring_full, "requests answered BUSY: the ring to the account's shard was full")   \
	X(history_ring_full, "requests answered BUSY: too many ask for old outcomes")              \
	X(resends, "requests marked as sent again")                                                \
	X(heartbeats, "HEARTBEAT messages")                                                        \
	X(objects, "objects: withdrawals, transfers, rounds and the like")                         \
	X(suspense, "withdrawals that wait for approval, in the rules' currency")                  \
	X(receivable, "what customers owe after reversals, in the rules' currency")                \
	X(transfer_stuck_ns, "how long the oldest open transfer to a shard has been the oldest")   \
	X(transfers_open, "transfers and leases sent to other shards and not closed")              \
	X(transfers_full, "requests answered BUSY: too many transfers are open")                   \
	X(parcels_early, "parcels of other shards dropped because one before was missing")         \
	X(parcels_stale, "parcels refused: another transfer came under their number before")       \
	X(shortages_asked, "questions to other shards for credit of a limit")                      \
	X(leases_given, "credit of a limit given to another shard")                                \
	X(groups, "linked groups carried out")                                                     \
	X(groups_undone, "linked groups undone because a member was refused")                      \
	X(walks_open, "settlements being walked")                                                  \
	X(walk_events, "bets settled or opened again by walks")                                    \
	X(due_events, "events made because their time had come")

struct worker_stats {
#define WORKER_COUNTER_FIELD(name, text) _Atomic uint64_t name;
	WORKER_COUNTERS(WORKER_COUNTER_FIELD)
#undef WORKER_COUNTER_FIELD
	_Atomic uint64_t drops[DROP_REASON_COUNT];
	_Atomic uint64_t codes[STATS_CODES_MAX]; /* by index in the code registry */
};

/* Writer only. Relaxed: a counter publishes nothing but itself. */
static inline void stats_add(_Atomic uint64_t *counter, uint64_t amount)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

static inline void stats_set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t stats_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
