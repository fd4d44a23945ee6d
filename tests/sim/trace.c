/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/trace.h"

#include <string.h>

#include "tests/sim/sim.h"

#define STEPS_KEPT 1024u

struct step {
	uint64_t number, time_ns, values[4];
	enum trace_kind kind;
};

static struct {
	struct step steps[STEPS_KEPT];
	uint64_t count, hash;
	int print_all;
} trace;

void trace_reset(int print_all)
{
	trace.count = 0;
	trace.hash = 0;
	trace.print_all = print_all;
}

static void step_print(FILE *to, const struct step *step)
{
	static const char *const texts[TRACE_KIND_COUNT] = {
#define TRACE_TEXT(name, text) [TRACE_##name] = text,
		TRACE_KINDS(TRACE_TEXT)
#undef TRACE_TEXT
	};
	char line[200];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(line, sizeof(line), texts[step->kind], (unsigned long long)step->values[0],
	    (unsigned long long)step->values[1], (unsigned long long)step->values[2],
	    (unsigned long long)step->values[3]);
#pragma GCC diagnostic pop
	fprintf(to, "%8llu %14.6f ms  %s\n", (unsigned long long)step->number,
	    (double)step->time_ns / 1e6, line);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

void trace_note(enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct step *step = &trace.steps[trace.count % STEPS_KEPT];

	*step = (struct step){ trace.count++, sim_clock_ns(), { a, b, c, d }, kind };
	trace.hash = mix(trace.hash, step->time_ns);
	trace.hash = mix(trace.hash, (uint64_t)kind);
	for (unsigned i = 0; i < 4; i++)
		trace.hash = mix(trace.hash, step->values[i]);
	if (trace.print_all)
		step_print(stdout, step);
}

uint64_t trace_hash(void)
{
	return trace.hash;
}

void trace_print(FILE *to, unsigned count)
{
	uint64_t kept = trace.count < STEPS_KEPT ? trace.count : STEPS_KEPT;

	if (count < kept)
		kept = count;
	for (uint64_t i = trace.count - kept; i < trace.count; i++)
		step_print(to, &trace.steps[i % STEPS_KEPT]);
}
