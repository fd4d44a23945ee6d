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
void report_print(const json_t *report);
/* 1 when nothing was lost, doubled or contradicted and something was acknowledged. */
int report_is_good(const struct load *load);

#endif
