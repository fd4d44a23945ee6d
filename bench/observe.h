/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the data plane from outside at the begin and the end of the measured time, in a thread
 * of its own that sleeps in between: the generator's loop never waits for the admin socket.
 */
#ifndef SLUICE_BENCH_OBSERVE_H
#define SLUICE_BENCH_OBSERVE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "bench/probe.h"
#include "wire/assert.h"

struct observation {
	json_t *status; /* the data plane's, NULL when it could not be asked */
	uint64_t time_ns;
	uint64_t bench_cpu_ns, dataplane_cpu_ns; /* CPU time used so far; 0 when unknown */
	struct probe_disk disk;
	int has_disk;
};

struct observer {
	const char *admin_path;    /* NULL: not asked */
	const char *directory;     /* of the journal, NULL: not looked at */
	uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
	struct observation begin, end;
	pthread_t thread;
	int started;
	atomic_int finished; /* the load has ended */
};

/* Observes now. Status and disk are released by observation_release. */
void observation_take(
    struct observation *observation, const char *admin_path, const char *directory);
void observation_release(struct observation *observation);

/* Observes at begin_ns and end_ns. 0 or -errno. The observer must stay where it is until finish. */
SLUICE_MUST_USE int observer_start(struct observer *observer);
/* The load has ended, in time or before (SIGTERM): takes at once what has not been taken. */
void observer_finish(struct observer *observer);

/* Sum over all shards of one figure of a status; 0 for a NULL status. */
uint64_t status_sum(const json_t *status, const char *name);

#endif
