/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alerts/follow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "control/alerts/alerts.h"
#include "control/log/log.h"

#define TURN_PAUSE_MS   200
#define TURN_EVENTS_MAX 1000000u /* then the rest of the turn has its moment */
#define ERROR_PAUSE_MS  2000
#define THREAD_NICE     10

struct alerts_follow {
	struct alerts_follow_config config;
	struct alerts_reader *reader;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int stopping;              /* under lock */
	_Atomic uint64_t suppress; /* ns; plain value, orders nothing: relaxed both sides */
	int failed;                /* the last turn did: said once */
};

/* 1 when it is time to end. */
static int pause_for(struct alerts_follow *follow, unsigned ms)
{
	struct timespec until;
	int stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&follow->lock);
	while (!follow->stopping &&
	       pthread_cond_timedwait(&follow->wake, &follow->lock, &until) != ETIMEDOUT)
		;
	stopping = follow->stopping;
	pthread_mutex_unlock(&follow->lock);
	return stopping;
}

static void *follow_run(void *argument)
{
	struct alerts_follow *follow = argument;
	unsigned pause_ms = 0;

	/* A reader that is late harms nobody; one that takes the switch's processor would. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), THREAD_NICE);
	while (!pause_for(follow, pause_ms)) {
		int64_t read = alerts_reader_turn(follow->reader,
		    atomic_load_explicit(&follow->suppress, memory_order_relaxed), TURN_EVENTS_MAX,
		    0);

		if (read < 0 && !follow->failed)
			log_event(LOG_ERROR, "alerts", "read_failed", NULL,
			    "the shards' logs cannot be read for alerts: %s; it is tried again "
			    "every 2 s",
			    strerror((int)-read));
		if (read >= 0 && follow->failed)
			log_event(LOG_INFO, "alerts", "read_again", NULL,
			    "the shards' logs are read for alerts again");
		follow->failed = read < 0;
		if (follow->config.on_turn != NULL)
			follow->config.on_turn(follow->config.context);
		pause_ms = read < 0                           ? ERROR_PAUSE_MS
		           : read >= (int64_t)TURN_EVENTS_MAX ? 1
		                                              : TURN_PAUSE_MS;
	}
	(void)!alerts_reader_turn(follow->reader,
	    atomic_load_explicit(&follow->suppress, memory_order_relaxed), TURN_EVENTS_MAX, 1);
	return NULL;
}

int alerts_follow_start(struct alerts_follow **out, const struct alerts_follow_config *config)
{
	struct alerts_follow *follow = calloc(1, sizeof(*follow));
	pthread_condattr_t attributes;
	int error;

	if (follow == NULL)
		return -ENOMEM;
	follow->config = *config;
	alerts_follow_suppress(follow, config->suppress_minutes);
	error = alerts_open(config->database);
	if (error == 0)
		error = alerts_reader_create(&follow->reader, config->root, config->database);
	if (error != 0) {
		free(follow);
		return error;
	}
	pthread_mutex_init(&follow->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&follow->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	error = -pthread_create(&follow->thread, NULL, follow_run, follow);
	if (error != 0) {
		alerts_reader_free(follow->reader);
		free(follow);
		return error;
	}
	*out = follow;
	return 0;
}

void alerts_follow_suppress(struct alerts_follow *follow, uint32_t minutes)
{
	atomic_store_explicit(
	    &follow->suppress, (uint64_t)minutes * 60000000000ull, memory_order_relaxed);
}

void alerts_follow_stop(struct alerts_follow *follow)
{
	if (follow == NULL)
		return;
	pthread_mutex_lock(&follow->lock);
	follow->stopping = 1;
	pthread_cond_signal(&follow->wake);
	pthread_mutex_unlock(&follow->lock);
	pthread_join(follow->thread, NULL);
	pthread_cond_destroy(&follow->wake);
	pthread_mutex_destroy(&follow->lock);
	alerts_reader_free(follow->reader);
	free(follow);
}
