/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/shard/latency.h"

static uint64_t elapsed(uint64_t since_ns, uint64_t now_ns)
{
	/* The clock of another worker's turn may be a little ahead of what was read here. */
	return now_ns > since_ns ? now_ns - since_ns : 0;
}

static void settle(struct latency_runs *runs, struct histogram *histogram, uint64_t now_ns)
{
	for (uint32_t i = 0; i < runs->count; i++)
		histogram_add(
		    histogram, elapsed(runs->runs[i].since_ns, now_ns), runs->runs[i].messages);
	runs->count = 0;
}

void latency_appended(struct worker_latency *latency, uint64_t lsn, uint64_t now_ns)
{
	uint32_t last = (latency->appended_tail - 1) % LATENCY_APPENDED;

	settle(&latency->decided, &latency->stages[LATENCY_decide], now_ns);
	if (latency->events == 0)
		return;
	if (latency->appended_tail - latency->appended_head == LATENCY_APPENDED) {
		/* A thousand turns wait for one write: they count from the turn before. */
		latency->appended[last].lsn = lsn;
		latency->appended[last].events += latency->events;
	} else {
		last = latency->appended_tail++ % LATENCY_APPENDED;
		latency->appended[last].lsn = lsn;
		latency->appended[last].events = latency->events;
		latency->appended[last].time_ns = now_ns;
	}
	latency->events = 0;
}

void latency_durable(struct worker_latency *latency, uint64_t lsn, uint64_t now_ns)
{
	struct histogram *histogram = &latency->stages[LATENCY_durable];

	latency->durable_ns = now_ns;
	while (latency->appended_head != latency->appended_tail) {
		uint32_t first = latency->appended_head % LATENCY_APPENDED;
		uint64_t waiting =
		    latency->appended[first].lsn > lsn ? latency->appended[first].lsn - lsn : 0;
		uint64_t spent = elapsed(latency->appended[first].time_ns, now_ns);

		if (waiting >= latency->appended[first].events)
			return;
		histogram_add(histogram, spent, latency->appended[first].events - waiting);
		latency->appended[first].events = waiting;
		if (waiting != 0)
			return;
		latency->appended_head++;
	}
}

void latency_writes(struct worker_latency *latency, const struct journal_counters *journal)
{
	while (latency->writes != journal->writes)
		histogram_add(&latency->stages[LATENCY_journal_write],
		    journal->write_ns_recent[latency->writes++ % JOURNAL_WRITES_RECENT], 1);
}

void latency_end(struct worker_latency *latency, uint64_t now_ns)
{
	settle(&latency->answered, &latency->stages[LATENCY_total], now_ns);
	if (latency->released != 0)
		histogram_add(&latency->stages[LATENCY_answer],
		    elapsed(latency->durable_ns, now_ns), latency->released);
	latency->released = 0;
}

const char *latency_stage_name(enum latency_stage stage)
{
	static const char *const names[LATENCY_STAGE_COUNT] = {
#define LATENCY_STAGE_TEXT(name, text) #name,
		LATENCY_STAGES(LATENCY_STAGE_TEXT)
#undef LATENCY_STAGE_TEXT
	};

	return stage < LATENCY_STAGE_COUNT ? names[stage] : "?";
}
