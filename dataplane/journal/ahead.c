/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of bytes between two threads. Two semaphores count what was put and what was given back;
 * as long as neither side waits they cost no system call.
 */
#include "dataplane/journal/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRY_ALIGNMENT 64u
#define RING_ALIGNMENT  (2u << 20)

/* In front of the events of a batch. */
struct entry {
	size_t size; /* with the events, a multiple of ENTRY_ALIGNMENT; 0: the ring begins anew */
	struct journal_batch batch;
};

struct journal_ahead {
	uint8_t *ring;
	size_t size;
	sem_t put;   /* a batch was put, or the thread has ended */
	sem_t taken; /* a batch was given back, or all are to stop */
	/* Bytes ever put, and ever given back. H1: stored with release by the thread, loaded with
	 * acquire by the caller. H2: the other way round. */
	_Atomic uint64_t head, tail;
	_Atomic int stopped; /* H3: released by the caller, acquired by the thread */
	uint64_t held;       /* end of the batch the caller has; its own */
	journal_ahead_run *run;
	void *context;
	int result; /* of `run`; read after the join */
	pthread_t thread;
};

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0 && errno == EINTR)
		;
}

/* The process may have pinned its main thread, whose CPUs this one got: it is to use others. */
static void unpin(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	(void)pthread_setaffinity_np(pthread_self(), sizeof(all), &all); /* a wish */
}

static void *thread_run(void *context)
{
	struct journal_ahead *ahead = context;

	unpin();
	ahead->result = ahead->run(ahead->context, ahead);
	sem_post(&ahead->put); /* nothing behind it: the end */
	return NULL;
}

int journal_ahead_start(
    struct journal_ahead **out, size_t size, journal_ahead_run *run, void *context)
{
	struct journal_ahead *ahead = calloc(1, sizeof(*ahead));
	int error;

	if (ahead == NULL)
		return -ENOMEM;
	ahead->size = (size + RING_ALIGNMENT - 1) / RING_ALIGNMENT * RING_ALIGNMENT;
	ahead->ring = aligned_alloc(RING_ALIGNMENT, ahead->size);
	if (ahead->ring == NULL) {
		free(ahead);
		return -ENOMEM;
	}
	(void)madvise(ahead->ring, ahead->size, MADV_HUGEPAGE); /* advice: works without */
	ahead->run = run;
	ahead->context = context;
	sem_init(&ahead->put, 0, 0);
	sem_init(&ahead->taken, 0, 0);
	error = pthread_create(&ahead->thread, NULL, thread_run, ahead);
	if (error != 0) {
		free(ahead->ring);
		free(ahead);
		return -error;
	}
	*out = ahead;
	return 0;
}

static struct entry *entry_at(const struct journal_ahead *ahead, uint64_t position)
{
	return (struct entry *)(void *)(ahead->ring + position % ahead->size);
}

int journal_ahead_put(struct journal_ahead *ahead, const struct journal_batch *batch)
{
	uint32_t length = le32_get(batch->header.body_length);
	size_t size = (sizeof(struct entry) + length + ENTRY_ALIGNMENT - 1) / ENTRY_ALIGNMENT *
	              ENTRY_ALIGNMENT;
	uint64_t head = atomic_load_explicit(&ahead->head, memory_order_relaxed); /* own */
	size_t rest = ahead->size - head % ahead->size;
	size_t skip = rest < size ? rest : 0; /* an entry lies in one piece */
	struct entry *entry;

	SLUICE_REQUIRE(size <= ahead->size / 2);
	for (;;) {
		if (atomic_load_explicit(&ahead->stopped, memory_order_acquire)) /* H3 */
			return -ECANCELED;
		/* H2 */
		if (head + skip + size - atomic_load_explicit(&ahead->tail, memory_order_acquire) <=
		    ahead->size)
			break;
		wait_for(&ahead->taken);
	}
	if (skip != 0)
		entry_at(ahead, head)->size = 0;
	head += skip;
	entry = entry_at(ahead, head);
	entry->size = size;
	entry->batch = *batch;
	entry->batch.events = (const uint8_t *)(entry + 1);
	memcpy(entry + 1, batch->events, length);
	atomic_store_explicit(&ahead->head, head + size, memory_order_release); /* H1 */
	sem_post(&ahead->put);
	return 0;
}

int journal_ahead_next(struct journal_ahead *ahead, struct journal_batch *batch)
{
	const struct entry *entry;
	uint64_t at = ahead->held;

	if (at != 0) {
		atomic_store_explicit(&ahead->tail, at, memory_order_release); /* H2 */
		sem_post(&ahead->taken);
	}
	wait_for(&ahead->put);
	if (atomic_load_explicit(&ahead->head, memory_order_acquire) == at) /* H1 */
		return 0;
	if (entry_at(ahead, at)->size == 0)
		at += ahead->size - at % ahead->size;
	entry = entry_at(ahead, at);
	*batch = entry->batch;
	ahead->held = at + entry->size;
	return 1;
}

int journal_ahead_end(struct journal_ahead *ahead)
{
	int result;

	atomic_store_explicit(&ahead->stopped, 1, memory_order_release); /* H3 */
	sem_post(&ahead->taken);
	(void)pthread_join(ahead->thread, NULL);
	result = ahead->result;
	sem_destroy(&ahead->put);
	sem_destroy(&ahead->taken);
	free(ahead->ring);
	free(ahead);
	return result;
}
