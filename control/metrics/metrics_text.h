/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/metrics: text exposition format 0.0.4, and the parts of the file. */
#ifndef SLUICE_CONTROL_METRICS_TEXT_H
#define SLUICE_CONTROL_METRICS_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "control/metrics/metrics.h"

struct metrics_text {
	FILE *stream;
	const char *name, *type, *help; /* of the family; help NULL: already written */
};

#define METRICS_LABELS_SIZE 512

/* The samples that follow belong to this family; it is written with the first of them. */
void metrics_family(
    struct metrics_text *text, const char *name, const char *type, const char *help);
/* `labels`: as metrics_labels made them, "" for none. `suffix` (of a histogram) or "". */
void metrics_sample(
    struct metrics_text *text, const char *suffix, const char *labels, uint64_t value);
/* The same in seconds, exactly. */
void metrics_sample_ns(
    struct metrics_text *text, const char *suffix, const char *labels, uint64_t value_ns);
/* Nanoseconds as a decimal number of seconds without needless zeros. */
void metrics_seconds(uint64_t value_ns, char *out, size_t size);
/* Adds name="value", escaped, to labels; value NULL: nothing. Labels that do not fit are left out.
 */
void metrics_label(char labels[METRICS_LABELS_SIZE], const char *name, const char *value);
void metrics_label_number(char labels[METRICS_LABELS_SIZE], const char *name, uint64_t value);

/* Of the data plane's answers. */
void metrics_add_status(struct metrics_text *text, const json_t *status);
void metrics_add_histograms(struct metrics_text *text, const json_t *histograms);
/* Of control itself. */
void metrics_add_control(
    struct metrics_text *text, const struct metrics_sources *sources, int dataplane_up);

#endif
