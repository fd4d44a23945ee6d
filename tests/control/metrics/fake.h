/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of metrics with every figure set, each to another number. */
#ifndef SLUICE_TESTS_CONTROL_METRICS_FAKE_H
#define SLUICE_TESTS_CONTROL_METRICS_FAKE_H

#include "control/metrics/metrics.h"

struct fake {
	struct metrics_sources sources;
	json_t *status, *histograms;
	struct link_report link;
	struct alerts_counts alerts;
	struct sessions_counts sessions;
	struct key_server_counts keys;
	struct replication_report replication;
};

/* `shards` of the data plane; it runs well, but work and money wait, since each figure is set. */
void fake_make(struct fake *fake, unsigned shards);
/* Nothing waits: no rule of alerts.yml fires, not even one that waits an hour. */
void fake_healthy(struct fake *fake);
/* Makes it ill: slow journal, errors, lag, a divergence. */
void fake_ill(struct fake *fake);
void fake_free(struct fake *fake);

#endif
