/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log of the data plane: one JSON object per line on standard error. Main thread only; libraries
 * never log, they return errors. Never keys, never person data.
 */
#ifndef SLUICE_DATAPLANE_LOG_H
#define SLUICE_DATAPLANE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
};

/* `event` is a stable word for programs, the message a sentence for people. */
void log_line(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct log_number {
	const char *name;
	uint64_t value;
};
/* The same with members of its own for programs. */
void log_numbers(enum log_level level, const char *event, const struct log_number *numbers,
    size_t count, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
