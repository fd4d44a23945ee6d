/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of metrics with every figure set, each to another number. */
#ifndef SLUICE_TESTS_CONTROL_METRICS_FAKE_H
#define SLUICE_TESTS_CONTROL_METRICS_FAKE_H

#include "control/metrics/metrics.h"

struct fake {
	struct metrics_sources sources;
	json_t *status, *histograms;
	struct link_report link;
	struct sessions_counts sessions;
	struct key_server_counts keys;
	struct replication_report replication;
};

/* `shards` of the data plane; a healthy switch. */
void fake_make(struct fake *fake, unsigned shards);
/* Makes it ill: slow journal, errors, lag, a divergence. */
void fake_ill(struct fake *fake);
void fake_free(struct fake *fake);

#endif
