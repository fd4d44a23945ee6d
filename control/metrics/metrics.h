/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text file for the Prometheus node exporter's textfile collector (text exposition format
 * 0.0.4), written beside its place and renamed. Names: sluice_<noun>_<unit>[_total].
 */
#ifndef SLUICE_CONTROL_METRICS_H
#define SLUICE_CONTROL_METRICS_H

#include <jansson.h>
#include <stddef.h>

#include "control/alerts/alerts.h"
#include "control/keys/key_server.h"
#include "control/link/link.h"
#include "control/replication/replication.h"
#include "control/sessions/sessions.h"

/* What one file is made of; NULL: that part is not there now. */
struct metrics_sources {
	const json_t *status;     /* of the data plane */
	const json_t *histograms; /* of the data plane */
	const struct link_report *link;
	const struct sessions_counts *sessions;
	const struct key_server_counts *keys;
	const struct replication_report *replication;
	const struct alerts_counts *alerts;
	uint64_t terminals, terminals_online, audit_entries, commands;
	uint64_t adjustments_waiting; /* for a second operator */
	uint64_t limits_near[4];      /* selections, markets, partners, terminals */
	uint64_t time_ns;
};

/* Renders into a string of the caller's to free(); NULL: out of memory. */
char *metrics_render(const struct metrics_sources *sources);
/* Writes `text` to directory/sluice.prom atomically; the directory itself is made, its parents are
 * not. 0 or -errno. */
SLUICE_MUST_USE int metrics_write(const char *directory, const char *text);

#endif
