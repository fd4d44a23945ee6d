/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/settle.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "bench/observe.h"
#include "wire/admin/admin_client.h"

#define SETTLE_TIMEOUT_S   60
#define SETTLE_POLL_NS     2000000l
#define OUTCOME_WIN        1
#define OUTCOME_LOSE       2
#define SETTLE_PATIENCE_NS (SETTLE_TIMEOUT_S * 1000000000ull)

static uint64_t clock_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

void settle_init(struct settle *settle)
{
	*settle = (struct settle){ 0 };
	atomic_init(&settle->started_ns, UINT64_MAX);
	atomic_init(&settle->ended_ns, UINT64_MAX);
}

static int fail(struct settle *settle, const char *text)
{
	snprintf(settle->message, sizeof(settle->message), "%s", text);
	settle->failed = 1;
	return -1;
}

static json_t *status_get(struct settle *settle, struct admin_client *admin)
{
	json_t *status = NULL;

	if (admin_client_call(admin, json_pack("{s:s}", "cmd", "status"), &status) == 0)
		return status;
	(void)fail(settle, admin->message);
	return NULL;
}

/* Sends the result; returns when it is durable, its walk begun. */
static int result_send(struct settle *settle, struct admin_client *admin, uint64_t sequence)
{
	json_t *outcomes = json_array();

	for (uint32_t i = 0; i < settle->selection_count; i++)
		json_array_append_new(outcomes, json_integer(i == 0 ? OUTCOME_WIN : OUTCOME_LOSE));
	if (admin_client_call(admin,
	        json_pack("{s:s, s:I, s:s, s:I, s:s, s:o}", "cmd", "command", "sequence",
	            (json_int_t)sequence, "type", "market_result", "market_id",
	            (json_int_t)settle->market_id, "op", "set", "outcomes", outcomes),
	        NULL) == 0)
		return 0;
	return fail(settle, admin->message);
}

/* Until no shard walks and what the walks wrote is durable. */
static int walk_wait(struct settle *settle, struct admin_client *admin, uint64_t events_before)
{
	static const struct timespec pause = { .tv_nsec = SETTLE_POLL_NS };
	uint64_t until_ns = clock_ns() + SETTLE_PATIENCE_NS, applied = 0;

	for (;;) {
		json_t *status = status_get(settle, admin);
		uint64_t durable, open;

		if (status == NULL)
			return -1;
		durable = status_sum(status, "durable_lsn");
		open = status_sum(status, "walks_open");
		settle->bets = status_sum(status, "walk_events") - events_before;
		if (open == 0 && applied == 0)
			applied = status_sum(status, "applied_lsn");
		json_decref(status);
		if (applied != 0 && durable >= applied)
			return 0;
		if (clock_ns() > until_ns)
			return fail(settle, "the settlement did not end in time");
		nanosleep(&pause, NULL);
	}
}

static void *settle_main(void *context)
{
	struct settle *settle = context;
	struct timespec begin = { .tv_sec = (time_t)(settle->begin_ns / 1000000000u),
		.tv_nsec = (long)(settle->begin_ns % 1000000000u) };
	struct admin_client_status known;
	struct admin_client admin = { .fd = -1 };
	uint64_t events = 0;
	json_t *status = NULL;

	if (admin_client_open(&admin, settle->admin_path, SETTLE_TIMEOUT_S) != 0)
		(void)fail(settle, admin.message);
	else
		status = status_get(settle, &admin);
	if (status != NULL && admin_client_status_parse(&admin, status, &known) != 0)
		(void)fail(settle, admin.message);
	events = status_sum(status, "walk_events");
	json_decref(status);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &begin, NULL) != 0)
		;
	if (!settle->failed) {
		/* S1: a latency a moment before counts as undisturbed; it was. */
		atomic_store_explicit(&settle->started_ns, clock_ns(), memory_order_relaxed);
		if (result_send(settle, &admin, known.control_sequence + 1) == 0)
			(void)walk_wait(settle, &admin, events);
		atomic_store_explicit(&settle->ended_ns, clock_ns(), memory_order_relaxed);
	}
	admin_client_close(&admin);
	return NULL;
}

int settle_start(struct settle *settle)
{
	int error = pthread_create(&settle->thread, NULL, settle_main, settle);

	settle->running = error == 0;
	return -error;
}

void settle_finish(struct settle *settle)
{
	if (settle->running)
		pthread_join(settle->thread, NULL);
	settle->running = 0;
}
