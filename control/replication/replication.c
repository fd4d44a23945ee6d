/* SPDX-License-Identifier: Apache-2.0 */
/* The thread: connects, streams, backs off; and what others may ask of it. */
#include "control/replication/replication.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "control/log/log.h"
#include "control/replication/replication_internal.h"

#define IDLE_MS        20 /* between looks for new events */
#define BACKOFF_MS_MIN 100
#define POSITIONS_MS   200   /* between readings of the logs' ends */
#define LOG_PAUSE_MS   60000 /* the same trouble is logged once in this time */
#define RATE_WINDOW_MS 2000
#define WAIT_LOOK_MS   500  /* between looks at the logs while waiting to try again */
#define KEEP_MS        1000 /* between writes of the position */
#define KEEP_SHARE     20   /* and at least so many times as long as the last one took */

struct shard_view {
	uint64_t incarnation, lsn, log_lsn;
};

struct replication {
	struct control_config config;
	char root[PATH_MAX];
	struct database *database;
	pthread_t thread;
	_Atomic int stop; /* W1 in replication_stop, R1 in session.c and here */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under the lock. */
	int paused;
	struct replication_report report;
	struct shard_view shards[LIMIT_SHARDS];
	uint32_t shard_count;
	uint64_t events_per_s;
	uint64_t oldest_ns; /* time of the oldest event or change not replicated; 0 none */
	/* The thread's own. */
	struct position kept; /* in control's database */
	int64_t keep_ms;      /* when it may be written again */
	struct stream stream;
	uint64_t random;
	int64_t positions_ms, logged_ms, rate_ms;
	uint64_t rate_events;
	char logged[256];
};

static int stopping(const struct replication *replication)
{
	return atomic_load_explicit(&replication->stop, memory_order_acquire); /* R1 */
}

/* 1 when it was woken. */
static int sleep_ms(struct replication *replication, uint64_t ms)
{
	struct timespec until;
	int woken = 1;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&replication->lock);
	if (!stopping(replication))
		woken = pthread_cond_timedwait(&replication->wake, &replication->lock, &until) == 0;
	pthread_mutex_unlock(&replication->lock);
	return woken;
}

/* At the time it is asked: it grows whether or not the thread has anything to tell. */
static uint64_t age_ms(uint64_t time_ns)
{
	uint64_t now = database_now_ns();

	return time_ns == 0 || time_ns > now ? 0 : (now - time_ns) / 1000000u;
}

static void publish(
    struct replication *replication, enum replication_state state, const char *message)
{
	struct stream *stream = &replication->stream;
	struct replication_report *report = &replication->report;
	int64_t ms = replication_monotonic_ms();

	if (ms - replication->positions_ms >= POSITIONS_MS) {
		stream_log_positions(stream);
		replication->positions_ms = ms;
	}
	pthread_mutex_lock(&replication->lock);
	report->state = state;
	report->events = stream->events;
	report->transactions = stream->transactions;
	report->lag_events = stream_lag(stream);
	report->lag_changes = stream_lag_changes(stream);
	replication->oldest_ns = stream_oldest_ns(stream);
	report->change_sequence = stream->change_lsn;
	if (message != NULL)
		snprintf(report->message, sizeof(report->message), "%s", message);
	replication->shard_count = stream->shard_count;
	for (uint32_t i = 0; i < stream->shard_count; i++)
		replication->shards[i] = (struct shard_view){ stream->shards[i].incarnation,
			stream->shards[i].lsn, stream->shards[i].log_lsn };
	if (ms - replication->rate_ms >= RATE_WINDOW_MS) {
		replication->events_per_s = (stream->events - replication->rate_events) * 1000 /
		                            (uint64_t)(ms - replication->rate_ms);
		replication->rate_ms = ms;
		replication->rate_events = stream->events;
	}
	pthread_mutex_unlock(&replication->lock);
}

/* A server that does not answer holds the thread: what is known goes on being published. */
static void waiting(void *context)
{
	struct replication *replication = context;

	if (replication->stream.shard_count > 0) /* not while it begins */
		publish(replication, replication->report.state, NULL);
}

/*
 * The position as it is known, into control's database. It only makes the lag right after a
 * restart: an error is not one of replication, and is tried again.
 */
static void position_keep(struct replication *replication, int at_end)
{
	const struct stream *stream = &replication->stream;
	int64_t begun_ms = replication_monotonic_ms();
	struct position position = stream->recalled; /* of a shard not known yet */

	if (!at_end && begun_ms < replication->keep_ms)
		return;
	position.change_sequence = stream->change_lsn;
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		if (stream->shards[i].lsn_incarnation == 0)
			continue;
		position.shards[i].incarnation = stream->shards[i].lsn_incarnation;
		position.shards[i].lsn = stream->shards[i].lsn;
	}
	if (memcmp(&position, &replication->kept, sizeof(position)) == 0)
		return;
	if (position_store(replication->database, &replication->config, &position) == 0)
		replication->kept = position;
	replication->keep_ms = begun_ms + KEEP_MS;
	begun_ms += KEEP_SHARE * (replication_monotonic_ms() - begun_ms);
	if (begun_ms > replication->keep_ms)
		replication->keep_ms = begun_ms;
}

/* Waits to try again; what the logs gain meanwhile is told. */
static void wait_telling(struct replication *replication, enum replication_state state, int ms)
{
	while (ms > 0 && !stopping(replication)) {
		int piece = ms < WAIT_LOOK_MS ? ms : WAIT_LOOK_MS;

		if (sleep_ms(replication, (uint64_t)piece))
			return;
		ms -= piece;
		publish(replication, state, NULL);
	}
}

static void trouble(struct replication *replication, int *backoff_ms)
{
	struct stream *stream = &replication->stream;
	const struct control_config *config = &replication->config;
	enum replication_state state =
	    stream->session.fatal ? REPLICATION_FAILED : REPLICATION_CONNECTING;
	int64_t ms = replication_monotonic_ms();
	char message[256];
	int max = (int)config->replication.backoff_ms_max, wait;

	snprintf(message, sizeof(message), "%s", stream->session.message);
	stream_end(stream);
	if (stopping(replication))
		return;
	if (strcmp(message, replication->logged) != 0 ||
	    ms - replication->logged_ms >= LOG_PAUSE_MS) {
		log_event(state == REPLICATION_FAILED ? LOG_ERROR : LOG_WARNING, "replication",
		    state == REPLICATION_FAILED ? "replication_failed" : "replication_interrupted",
		    NULL, "%s", message);
		snprintf(replication->logged, sizeof(replication->logged), "%s", message);
		replication->logged_ms = ms;
	}
	pthread_mutex_lock(&replication->lock);
	replication->report.errors++;
	pthread_mutex_unlock(&replication->lock);
	publish(replication, state, message);
	/* Half of it at least, the rest by chance: many do not come back in step. */
	replication->random = replication->random * 6364136223846793005ull + 1442695040888963407ull;
	wait = *backoff_ms / 2 + (int)((replication->random >> 33) % (unsigned)*backoff_ms / 2);
	wait_telling(replication, state, state == REPLICATION_FAILED ? max : wait);
	*backoff_ms = *backoff_ms * 2 > max ? max : *backoff_ms * 2;
}

static int is_paused(struct replication *replication)
{
	int paused;

	pthread_mutex_lock(&replication->lock);
	paused = replication->paused;
	pthread_mutex_unlock(&replication->lock);
	return paused;
}

static int connected_step(struct replication *replication)
{
	struct stream *stream = &replication->stream;
	int result = stream_work(stream);
	enum replication_state state;

	if (result < 0)
		return result;
	if (replication->logged[0] != '\0') {
		log_event(LOG_INFO, "replication", "replication_resumed", NULL,
		    "replication to PostgreSQL goes on");
		replication->logged[0] = '\0';
	}
	state = stream_lag(stream) > replication->config.replication.batch_events_max
	            ? REPLICATION_CATCHING_UP
	            : REPLICATION_CURRENT;
	publish(replication, state, "");
	position_keep(replication, 0);
	if (result == 0)
		(void)sleep_ms(replication, IDLE_MS);
	return 0;
}

static void reconnect_count(struct replication *replication, int begun)
{
	pthread_mutex_lock(&replication->lock);
	replication->report.reconnects += begun != 0;
	pthread_mutex_unlock(&replication->lock);
}

static void *thread_main(void *context)
{
	struct replication *replication = context;
	struct stream *stream = &replication->stream;
	int backoff_ms = BACKOFF_MS_MIN, begun = 0;

	stream->session.waiting = waiting;
	stream->session.waiting_context = replication;
	stream_recall(stream);
	replication->kept = stream->recalled;
	publish(replication, REPLICATION_CONNECTING, NULL);
	while (!stopping(replication)) {
		int result = 0;

		if (is_paused(replication)) {
			stream_end(stream);
			publish(replication, REPLICATION_PAUSED, "paused");
			(void)sleep_ms(replication, 1000);
			continue;
		}
		if (stream->session.conn == NULL) {
			reconnect_count(replication, begun);
			result = stream_begin(stream, &replication->stop);
		} else {
			result = connected_step(replication);
			begun = 1;
			if (result == 0)
				backoff_ms = BACKOFF_MS_MIN;
		}
		if (result < 0)
			trouble(replication, &backoff_ms);
	}
	stream_end(stream);
	position_keep(replication, 1);
	return NULL;
}

static int parts_create(struct replication *replication)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&replication->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&replication->lock, NULL);
	replication->stream.changes = changes_create();
	if (replication->stream.changes == NULL)
		return -ENOMEM;
	if (getrandom(&replication->random, sizeof(replication->random), 0) < 0)
		replication->random = 1;
	return 0;
}

int replication_start(struct replication **out, const struct control_config *config,
    const char *root, struct database *database)
{
	struct replication *replication = calloc(1, sizeof(*replication));
	int error;

	if (replication == NULL)
		return -ENOMEM;
	replication->config = *config;
	replication->database = database;
	snprintf(replication->root, sizeof(replication->root), "%s", root);
	replication->stream.config = &replication->config;
	replication->stream.root = replication->root;
	replication->stream.database = database;
	error = parts_create(replication);
	if (error == 0 && config->replication.connection[0] != '\0') {
		replication->report.state = REPLICATION_CONNECTING;
		error = -pthread_create(&replication->thread, NULL, thread_main, replication);
	}
	if (error != 0) {
		replication->config.replication.connection[0] = '\0'; /* there is no thread */
		replication_stop(replication);
		return error;
	}
	*out = replication;
	return 0;
}

void replication_stop(struct replication *replication)
{
	if (replication == NULL)
		return;
	if (replication->config.replication.connection[0] != '\0') {
		pthread_mutex_lock(&replication->lock);
		atomic_store_explicit(&replication->stop, 1, memory_order_release); /* W1 */
		pthread_cond_broadcast(&replication->wake);
		pthread_mutex_unlock(&replication->lock);
		pthread_join(replication->thread, NULL);
	}
	stream_free(&replication->stream);
	pthread_cond_destroy(&replication->wake);
	pthread_mutex_destroy(&replication->lock);
	free(replication);
}

void replication_report(struct replication *replication, struct replication_report *report)
{
	pthread_mutex_lock(&replication->lock);
	*report = replication->report;
	report->lag_ms = age_ms(replication->oldest_ns);
	pthread_mutex_unlock(&replication->lock);
}

void replication_pause(struct replication *replication, int paused)
{
	pthread_mutex_lock(&replication->lock);
	replication->paused = paused != 0;
	pthread_cond_broadcast(&replication->wake);
	pthread_mutex_unlock(&replication->lock);
}

json_t *replication_status(struct replication *replication)
{
	static const char *const states[] = { "off", "connecting", "catching_up", "current",
		"paused", "failed" };
	const struct replication_report *report = &replication->report;
	json_t *shards = json_array(), *status;

	pthread_mutex_lock(&replication->lock);
	for (uint32_t i = 0; i < replication->shard_count; i++) {
		const struct shard_view *shard = &replication->shards[i];

		json_array_append_new(
		    shards, json_pack("{s:i, s:I, s:I, s:I}", "shard", (int)i, "incarnation",
		                (json_int_t)shard->incarnation, "lsn", (json_int_t)shard->lsn,
		                "log_lsn", (json_int_t)shard->log_lsn));
	}
	status = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o}", "state",
	    states[report->state], "lag_events", (json_int_t)report->lag_events, "lag_changes",
	    (json_int_t)report->lag_changes, "lag_ms", (json_int_t)age_ms(replication->oldest_ns),
	    "events_per_s", (json_int_t)replication->events_per_s, "events",
	    (json_int_t)report->events, "transactions", (json_int_t)report->transactions,
	    "reconnects", (json_int_t)report->reconnects, "errors", (json_int_t)report->errors,
	    "change_sequence", (json_int_t)report->change_sequence, "message", report->message,
	    "shards", shards);
	pthread_mutex_unlock(&replication->lock);
	return status;
}

/* 1 when there is a server to ask. */
static int is_configured(const struct replication *replication, char *message, size_t message_size)
{
	if (replication->config.replication.connection[0] != '\0')
		return 1;
	snprintf(message, message_size, "no replication is configured (replication.connection)");
	return 0;
}

int replication_verify(
    struct replication *replication, json_t **result, char *message, size_t message_size)
{
	if (!is_configured(replication, message, message_size))
		return -EPERM;
	return verify_run(&replication->config, replication->root, replication->database,
	    &replication->stop, result, message, message_size);
}

int replication_report_partners(struct replication *replication, uint64_t from_ns, uint64_t to_ns,
    json_t **result, char *message, size_t message_size)
{
	if (!is_configured(replication, message, message_size))
		return -EPERM;
	return report_partners_run(&replication->config, from_ns, to_ns, &replication->stop, result,
	    message, message_size);
}

int replication_report_receivables(struct replication *replication, int64_t partner,
    json_t **result, char *message, size_t message_size)
{
	if (!is_configured(replication, message, message_size))
		return -EPERM;
	return report_receivables_run(
	    &replication->config, partner, &replication->stop, result, message, message_size);
}
