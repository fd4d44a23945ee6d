/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a request goes, as histograms by stage. What it may cost: at most two clock
 * reads a turn besides those the loop makes anyway, and no clock read, histogram or new cache line
 * for a message. So times are those of turns:
 *
 *   a request is received when the turn that took it in begins (how long it waited in the port
 *   before, nobody here knows); it is decided, and its event appended, at the end of that turn's
 *   requests; durable at the turn's look at the journal; handed to the port at the turn's end.
 *
 * Requests that share a turn share a time: they are counted as runs, one histogram entry each.
 * The clock is CLOCK_MONOTONIC.
 */
#ifndef SLUICE_SHARD_LATENCY_H
#define SLUICE_SHARD_LATENCY_H

#include <stdint.h>

#include "dataplane/journal/journal.h"
#include "dataplane/shard/histogram.h"

/* X(name, what it is) */
#define LATENCY_STAGES(X)                                                                          \
	X(decide, "request received to its event appended, on whatever shard decides")             \
	X(durable, "event appended to its batch durable")                                          \
	X(answer, "batch durable to the answers handed to the port or to the terminal's shard")    \
	X(total, "request received to its answer handed to the port, on the terminal's shard")     \
	X(journal_write, "one journal write, submit to completion")                                \
	X(turn, "one loop turn that moved anything")

enum latency_stage {
#define LATENCY_STAGE_NAME(name, text) LATENCY_##name,
	LATENCY_STAGES(LATENCY_STAGE_NAME)
#undef LATENCY_STAGE_NAME
	    LATENCY_STAGE_COUNT,
};

#define LATENCY_RUNS     64
#define LATENCY_APPENDED 1024

/* Messages of one turn by the turn they came in with. */
struct latency_runs {
	uint32_t count;
	struct {
		uint64_t since_ns;
		uint64_t messages;
	} runs[LATENCY_RUNS];
};

struct worker_latency {
	struct histogram stages[LATENCY_STAGE_COUNT];
	uint64_t turn_ns;    /* when this turn began */
	uint64_t durable_ns; /* its look at the journal, or turn_ns when nothing became durable */
	uint32_t released;   /* outcomes that waited for the disk and left in this turn */
	uint32_t events;     /* appended and not yet in `appended` */
	uint64_t writes;     /* journal writes counted */
	struct latency_runs decided, answered;
	/* Events not yet durable, by the turn they were appended in: last LSN, how many. */
	uint32_t appended_head, appended_tail;
	struct {
		uint64_t lsn, events, time_ns;
	} appended[LATENCY_APPENDED];
};

/* The loop, at the beginning of a turn. */
static inline void latency_begin(struct worker_latency *latency, uint64_t now_ns)
{
	latency->turn_ns = latency->durable_ns = now_ns;
	latency->released = 0;
}

/* One message that came in with the turn `since_ns`. With no place left it joins the last run. */
static inline void latency_note(struct latency_runs *runs, uint64_t since_ns)
{
	uint32_t last = runs->count - 1;

	if (runs->count == 0 ||
	    (runs->runs[last].since_ns != since_ns && runs->count < LATENCY_RUNS)) {
		last = runs->count++;
		runs->runs[last].since_ns = since_ns;
		runs->runs[last].messages = 0;
	}
	runs->runs[last].messages++;
}

/* 1 when latency_appended wants the time: something was decided or appended in this turn. */
static inline int latency_appended_due(const struct worker_latency *latency)
{
	return latency->events != 0 || latency->decided.count != 0;
}
/* After the turn's requests and commands; `lsn` is the last one appended. */
void latency_appended(struct worker_latency *latency, uint64_t lsn, uint64_t now_ns);
/* The events up to `lsn` are durable. */
void latency_durable(struct worker_latency *latency, uint64_t lsn, uint64_t now_ns);
/* The journal writes that have completed since the last call. */
void latency_writes(struct worker_latency *latency, const struct journal_counters *journal);
/* The end of a turn that moved anything: its answers are with the port. */
void latency_end(struct worker_latency *latency, uint64_t now_ns);
/* Looks nothing up, changes nothing: the name of a stage for the admin socket. */
const char *latency_stage_name(enum latency_stage stage);

#endif
