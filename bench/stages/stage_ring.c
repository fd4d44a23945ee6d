/* SPDX-License-Identifier: Apache-2.0 */
/* A ring between two workers. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/stages/stages.h"
#include "wire/spsc.h"

#define ELEMENT_SIZE 256 /* about a forwarded request */
#define HOPS         256 /* there and back, of one run */

struct ring_context {
	struct spsc_ring *there, *back;
	pthread_t echo;
	atomic_int stop; /* stored by finish, loaded by the echo; orders nothing else */
	uint8_t element[ELEMENT_SIZE];
};

static struct ring_context *rings_make(void)
{
	struct ring_context *context = stages_alloc(sizeof(*context));

	context->there = spsc_ring_create(1024, ELEMENT_SIZE);
	context->back = spsc_ring_create(1024, ELEMENT_SIZE);
	SLUICE_REQUIRE(context->there != NULL && context->back != NULL);
	return context;
}

static void rings_free(struct ring_context *context)
{
	spsc_ring_free(context->there);
	spsc_ring_free(context->back);
	free(context);
}

static void *create_ring(const char *directory)
{
	(void)directory;
	return rings_make();
}

static void finish_ring(void *opaque)
{
	rings_free(opaque);
}

STAGE_RUN(ring)
{
	struct ring_context *context = opaque;

	for (unsigned i = 0; i < HOPS; i++) {
		SLUICE_REQUIRE(spsc_ring_push(context->there, context->element));
		SLUICE_REQUIRE(spsc_ring_pop(context->there, context->element));
	}
}

static void *echo(void *opaque)
{
	struct ring_context *context = opaque;
	uint8_t element[ELEMENT_SIZE];

	/* Pairs with the store in finish_hop. */
	while (!atomic_load_explicit(&context->stop, memory_order_relaxed))
		if (spsc_ring_pop(context->there, element))
			SLUICE_REQUIRE(spsc_ring_push(context->back, element));
	return NULL;
}

/* On any CPU but this one, whatever this thread is bound to; refused: where the kernel likes. */
static void elsewhere(pthread_t thread)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF) && cpu < CPU_SETSIZE; cpu++)
		if (cpu != sched_getcpu())
			CPU_SET((size_t)cpu, &cpus);
	(void)pthread_setaffinity_np(thread, sizeof(cpus), &cpus);
}

static void *create_hop(const char *directory)
{
	struct ring_context *context = rings_make();

	(void)directory;
	if (pthread_create(&context->echo, NULL, echo, context) == 0) {
		elsewhere(context->echo);
		return context;
	}
	rings_free(context);
	return NULL;
}

static void finish_hop(void *opaque)
{
	struct ring_context *context = opaque;

	atomic_store_explicit(&context->stop, 1, memory_order_relaxed); /* pairs with echo */
	pthread_join(context->echo, NULL);
	rings_free(context);
}

STAGE_RUN(ring_hop)
{
	struct ring_context *context = opaque;

	for (unsigned i = 0; i < HOPS; i++) {
		SLUICE_REQUIRE(spsc_ring_push(context->there, context->element));
		while (!spsc_ring_pop(context->back, context->element))
			;
	}
}

/* clang-format off */
const struct stage stages_ring[] = {
	{ "ring", "element", "one element of 256 B into a ring and out again, one thread",
	    create_ring, NULL, stage_run_ring, finish_ring, HOPS, 0, 0, 0, 0 },
	{ "ring_hop", "hop", "to a thread that waits on another CPU: half of there and back",
	    create_hop, NULL, stage_run_ring_hop, finish_hop, 2 * HOPS, 0, 0, 1, 1 },
};
/* clang-format on */
const unsigned stages_ring_count = SLUICE_ARRAY_COUNT(stages_ring);
