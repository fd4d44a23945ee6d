/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log of control: one JSON object per line on standard error: time, level, component, event, ids,
 * message. Safe from any thread. Never keys, never personal data. Only control's own modules that
 * run by themselves (main, link, key server, replication, ops socket) log; others return errors.
 */
#ifndef SLUICE_CONTROL_LOG_H
#define SLUICE_CONTROL_LOG_H

#include <stdint.h>

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARNING,
	LOG_ERROR,
};

/* Changeable at run time. */
void log_level_set(enum log_level level);
enum log_level log_level_get(void);
/* "info" */
const char *log_level_name(enum log_level level);
/* "info" -> LOG_INFO; -1 for another word. */
int log_level_parse(const char *text);

/* Ids that belong to a line; 0: left out. */
struct log_ids {
	uint64_t terminal, account, session, command, shard_plus_1;
};

/* `component`: the module; `event`: a stable name for programs ("session_established"). */
__attribute__((format(printf, 5, 6))) void log_event(enum log_level level, const char *component,
    const char *event, const struct log_ids *ids, const char *format, ...);

#endif
