/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test doubles linked in place of dep_journal, dep_port and dep_store. The journal makes an LSN
 * durable only when the test says so; the port takes datagrams from the test and gives the ones
 * sent to it; the store holds what the test put there.
 */
#ifndef SLUICE_TESTS_SHARD_FAKE_H
#define SLUICE_TESTS_SHARD_FAKE_H

#include "dataplane/journal/journal.h"
#include "dataplane/ledger/ledger.h"
#include "dataplane/port/port.h"
#include "dataplane/store/store.h"

/* ---- Journal ---- */

#define FAKE_JOURNAL_EVENTS 512

/* Everything up to `lsn` counts as recovered. NULL: out of memory. */
struct journal_writer *fake_journal_create(uint64_t lsn);
/* The writes up to `lsn` complete; it must have been handed over in a closed batch. */
void fake_journal_complete(struct journal_writer *journal, uint64_t lsn);
/* Everything handed over completes. */
void fake_journal_complete_all(struct journal_writer *journal);
/* A write fails: nothing more is durable, no room is given. */
void fake_journal_fail(struct journal_writer *journal, int error);
/* The next `count` calls of journal_writer_reserve give NULL. */
void fake_journal_refuse(struct journal_writer *journal, unsigned count);
/* 1: the open batch counts as nearly full, though every event finds its place; 0: as empty. */
void fake_journal_crowd(struct journal_writer *journal, int crowded);
uint64_t fake_journal_durable(const struct journal_writer *journal);
/* Last LSN in a closed batch. */
uint64_t fake_journal_closed(const struct journal_writer *journal);
/* The event of an LSN appended to this fake, or NULL. */
const struct event_buffer *fake_journal_event(const struct journal_writer *journal, uint64_t lsn);

/* ---- Port ---- */

struct fake_port_sent {
	uint8_t *payload;
	uint16_t size;
	uint16_t queue;
	struct wire_peer peer;
};
typedef void fake_port_sink(void *context, const struct fake_port_sent *sent);

struct port {
	fake_port_sink *sink; /* is given every datagram sent */
	void *context;
	int limited; /* 1: it takes `room` datagrams more and is full then */
	unsigned room;
};

/* Forgets what was not received. */
void fake_port_reset(void);
/* A datagram for a receive queue; the mbuf's data begins with PORT_HEADROOM unused bytes. */
void fake_port_push(uint16_t queue, struct rte_mbuf *mbuf);

/* ---- Store ---- */

struct store {
	uint64_t committed_lsn, checkpoint_lsn;
	uint64_t first_lsn; /* above 1: older events were retired */
};

/* Finds what its journal was given, up to what its store has committed; or fails with `error`. */
/* The one shard a re-sharded switch was before. */
struct log_past {
	struct log_history *history;
	uint64_t last_lsn;
};

struct log_history {
	const struct journal_writer *journal;
	const struct store *store;
	int error;
	/* The only ones that have retired; id 0: none. */
	struct record_bet_full closed_bet;
	struct object_bytes closed_object;
};

#endif
