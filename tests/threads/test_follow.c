/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker and store thread as the data plane runs them, on a real journal: this thread decides and
 * writes, another follows the feed and keeps the segments, two more read the figures.
 */
#include <pthread.h>
#include <sched.h>

#include "tests/store/follow.h"

#define BATCHES  400
#define BUFFERS  8 /* few: the feed has gaps, and the store reads the files */
#define WATCHERS 2

struct threads {
	struct follow follow;
	_Atomic uint64_t durable_lsn; /* of the worker: release, the store thread acquires */
	_Atomic uint8_t ended;        /* the worker writes no more: release, all acquire */
	_Atomic uint32_t pieces;      /* of work of the store thread */
};

static void *store_run(void *context)
{
	struct threads *threads = context;
	struct follow *follow = &threads->follow;
	struct store_status status;
	int ended, work;

	do {
		ended = atomic_load_explicit(&threads->ended, memory_order_acquire);
		follow->now += 1000000;
		work = store_work(follow->store, follow->feed, follow->reader, follow->now);
		SLUICE_REQUIRE(work >= 0);
		SLUICE_REQUIRE(
		    journal_keeper_work(follow->keeper, store_checkpoint_lsn(follow->store)) >= 0);
		if (work > 0)
			atomic_fetch_add(&threads->pieces, 1);
		else
			sched_yield();
		store_status(follow->store, &status);
		/* Not before its first checkpoint: a quick worker may be done before that. */
	} while (
	    !ended || status.checkpoint_lsn == 0 ||
	    status.applied_lsn < atomic_load_explicit(&threads->durable_lsn, memory_order_acquire));
	return NULL;
}

/* As the admin socket and the status do: from another thread, at any time. */
static void *watcher_run(void *context)
{
	struct threads *threads = context;
	struct store_status status, last = { .applied_lsn = 0 };

	while (!atomic_load_explicit(&threads->ended, memory_order_acquire)) {
		store_status(threads->follow.store, &status);
		SLUICE_REQUIRE(status.applied_lsn >= last.applied_lsn);
		SLUICE_REQUIRE(status.committed_lsn >= last.committed_lsn);
		SLUICE_REQUIRE(status.checkpoint_lsn >= last.checkpoint_lsn);
		SLUICE_REQUIRE(status.divergences == 0 && status.errors == 0);
		last = status;
		(void)journal_keeper_ready(threads->follow.keeper);
		sched_yield();
	}
	return NULL;
}

static void event_write(struct follow *follow, uint64_t lsn, const uint8_t *event, size_t length)
{
	struct event_record record;
	void *room;

	memcpy(&record, event, sizeof(record));
	/* No buffer or no segment now: the other thread will see to it. */
	while ((room = journal_writer_reserve(follow->writer, length)) == NULL) {
		assert_int_equal(journal_writer_error(follow->writer), 0);
		journal_writer_wait(follow->writer, 1000);
		(void)journal_writer_poll(follow->writer);
	}
	memcpy(room, event, length);
	journal_writer_append(follow->writer, lsn, le64_get(record.time_ns), length);
}

/* One batch of the world, durable. */
static void batch_write(struct threads *threads, const struct world_batch *batch)
{
	struct follow *follow = &threads->follow;
	uint64_t first = le64_get(batch->header.first_lsn), durable;
	uint32_t count = le32_get(batch->header.event_count);
	const uint8_t *at = batch->events;

	for (uint32_t i = 0; i < count; i++) {
		struct event_record record;

		memcpy(&record, at, sizeof(record));
		event_write(follow, first + i, at, le16_get(record.length));
		at += le16_get(record.length);
	}
	assert_int_equal(
	    journal_writer_close_batch(follow->writer, le64_get(batch->header.state_hash), 0), 0);
	while ((durable = journal_writer_poll(follow->writer)) < first + count - 1) {
		assert_int_equal(journal_writer_error(follow->writer), 0);
		journal_writer_wait(follow->writer, 1000);
	}
	/* Pairs with the store thread's acquire. */
	atomic_store_explicit(&threads->durable_lsn, durable, memory_order_release);
}

TEST(worker_and_store_thread_agree_and_nobody_waits_for_the_other)
{
	static struct threads threads;
	struct follow *follow = &threads.follow;
	pthread_t store, watchers[WATCHERS];
	struct store_status status;

	follow_begin(follow);
	follow->config.checkpoint_interval_ms = 1;
	follow_start(follow, BUFFERS);
	assert_int_equal(pthread_create(&store, NULL, store_run, &threads), 0);
	for (int i = 0; i < WATCHERS; i++)
		assert_int_equal(pthread_create(&watchers[i], NULL, watcher_run, &threads), 0);
	world_provision(follow->world);
	batch_write(&threads, world_close(follow->world));
	for (int i = 0; i < BATCHES; i++)
		batch_write(&threads, world_batch(follow->world, 20));
	/* Pairs with the acquires of all others. */
	atomic_store_explicit(&threads.ended, 1, memory_order_release);
	pthread_join(store, NULL);
	for (int i = 0; i < WATCHERS; i++)
		pthread_join(watchers[i], NULL);
	store_status(follow->store, &status);
	assert_int_equal(status.applied_lsn, ledger_shard(follow->world->ledger)->lsn);
	assert_int_equal(status.errors, 0);
	assert_true(status.checkpoint_lsn > 0);
	assert_true(atomic_load(&threads.pieces) > 0);
	assert_true(store_hash(follow->store) == ledger_state_hash(follow->world->ledger));
	follow_stop(follow);
	follow_end(follow);
}

TEST_MAIN()
