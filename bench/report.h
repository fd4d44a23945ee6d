/* SPDX-License-Identifier: Apache-2.0 */
/* The result of a run, as JSON (schema sluice-bench/1) or as a table for a person. */
#ifndef SLUICE_BENCH_REPORT_H
#define SLUICE_BENCH_REPORT_H

#include "bench/load.h"
#include "bench/observe.h"
#include "bench/options.h"

struct report_input {
	const struct bench_options *options;
	const struct load *load;
	const struct observer *observer;          /* begin and end of the measured time */
	const struct observation *before, *after; /* of the whole run */
	const struct probe_write *write;          /* NULL: W was not measured */
	unsigned journal_files, journal_files_direct;
};

/* The JSON object; owned by the caller. */
json_t *report_make(const struct report_input *input);
/* Its `ok`: no problems. */
int report_is_good(const json_t *report);
void report_print(const json_t *report);
/*
 * Why this run is no good, as an array of sentences; empty when it is: something was acknowledged,
 * nothing lost, doubled or failed, at least 99 of 100 accepted, and the log grew by what was
 * acknowledged. Owned by the caller.
 */
json_t *report_problems(const struct report_input *input);
/* NULL when durable may be claimed, else why not. */
const char *report_durable_refusal(const struct report_input *input);

#endif
