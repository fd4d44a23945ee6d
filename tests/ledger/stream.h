/* SPDX-License-Identifier: Apache-2.0 */
/* Random streams of requests and commands, small numbers so that everything collides. */
#ifndef SLUICE_TESTS_LEDGER_STREAM_H
#define SLUICE_TESTS_LEDGER_STREAM_H

#include "tests/ledger/fixture.h"

/* Rows of each table of a ledger that takes a stream. */
#define STREAM_CAPACITY   4096
#define STREAM_TERMINALS  5
#define STREAM_EVENTS_MAX 3000

extern const uint16_t stream_currencies[2];

struct stream {
	uint64_t random;
	uint64_t time_ns;
	uint64_t request_id[STREAM_TERMINALS + 1];
	uint64_t version;
	uint64_t bets[STREAM_EVENTS_MAX];
	unsigned bet_count;
	struct event_buffer events[STREAM_EVENTS_MAX];
	uint16_t lengths[STREAM_EVENTS_MAX];
	unsigned count;
};

/* Below `bound`. */
uint64_t stream_pick(struct stream *stream, uint64_t bound);
/* To be freed with free(). */
struct stream *stream_new(uint64_t seed);
/* Makes the next event, events[count], from this ledger: its length, 0 when there was nothing to
 * do. Once it is applied, stream_keep takes it into the stream. */
int stream_decide(struct stream *stream, struct ledger *ledger);
void stream_keep(struct stream *stream, int length);
/* Makes the next event and applies it. 0 when there was nothing to do. */
int stream_step(struct stream *stream, struct ledger *ledger);
/* Steps until the stream has so many events. */
void stream_fill(struct stream *stream, struct ledger *ledger, unsigned events);
/* Applies the events [from, to) to another ledger. */
void stream_apply(struct stream *stream, struct ledger *ledger, unsigned from, unsigned to);
/* Everything a reader can see is equal. */
void stream_assert_same_state(struct ledger *a, struct ledger *b);

#endif
