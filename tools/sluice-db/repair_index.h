/* SPDX-License-Identifier: Apache-2.0 */
/* The index of requests of a shard's log, made anew from the log's events. */
#ifndef SLUICE_TOOLS_REPAIR_INDEX_H
#define SLUICE_TOOLS_REPAIR_INDEX_H

#include "tools/sluice-db/db.h"

/* Makes that of each environment in `path` anew and leaves a report. An exit code. */
int repair_index(const struct options *options, uint32_t shard, const char *path);
/* Writes the report of any repair to the file, synced; releases `json`, which may be NULL. 0 or
 * -errno. */
SLUICE_MUST_USE int repair_report_write(const char *path, json_t *json);

#endif
