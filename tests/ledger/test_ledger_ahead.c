/* SPDX-License-Identifier: Apache-2.0 */
/* Looking ahead in a replay changes nothing, whatever it saw. */
#include "tests/ledger/stream.h"

#define EVENTS 1500
#define BATCH  50

struct batch {
	uint8_t bytes[BATCH * LIMIT_EVENT_SIZE_MAX];
	size_t size;
};

/* Events `first` to `first` + BATCH, each as it is or, with `other`, that of another place under
 * its LSN, so that what is remembered of its rows is wrong. */
static void batch_make(struct stream *stream, unsigned first, int other, struct batch *batch)
{
	batch->size = 0;
	for (unsigned i = first; i < first + BATCH; i++) {
		unsigned of = other ? (unsigned)stream_pick(stream, EVENTS) : i;
		struct event_record record = fixture_record(&stream->events[of]);

		record.lsn = le64_make(i + 1);
		memcpy(batch->bytes + batch->size, stream->events[of].bytes, stream->lengths[of]);
		memcpy(batch->bytes + batch->size, &record, sizeof(record));
		batch->size += stream->lengths[of];
	}
}

static void replay(struct stream *stream, struct ledger *ledger, int other)
{
	static struct batch batch;

	for (unsigned first = 0; first < EVENTS; first += BATCH) {
		struct ledger_ahead ahead;

		batch_make(stream, first, other, &batch);
		ledger_ahead_begin(ledger, &ahead, batch.bytes, batch.size);
		for (unsigned i = first; i < first + BATCH; i++) {
			ledger_ahead_step(ledger, &ahead);
			stream_apply(stream, ledger, i, i + 1);
		}
	}
}

TEST(rows_seen_ahead_are_a_hint_only)
{
	struct stream *stream = stream_new(test_seed());
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0);

	stream_fill(stream, ledger, EVENTS);
	for (int other = 0; other < 2; other++) {
		struct ledger *follower = fixture_create(STREAM_CAPACITY, 1);

		replay(stream, follower, other);
		stream_assert_same_state(ledger, follower);
		assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(follower));
		ledger_free(follower);
	}
	ledger_free(ledger);
	free(stream);
}

TEST(bytes_that_are_no_events_end_it)
{
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 1);
	uint64_t random = test_seed();
	uint8_t bytes[4096];

	for (unsigned i = 0; i < 500; i++) {
		size_t size = test_random(&random) % sizeof(bytes);
		struct ledger_ahead ahead;

		for (size_t k = 0; k < size; k++)
			bytes[k] = (uint8_t)(test_random(&random) >> 56 & 63);
		ledger_ahead_begin(ledger, &ahead, bytes, size);
		for (unsigned k = 0; k < 100; k++)
			ledger_ahead_step(ledger, &ahead);
		assert_true(ahead.line <= bytes + size);
	}
	ledger_free(ledger);
}

TEST_MAIN()
