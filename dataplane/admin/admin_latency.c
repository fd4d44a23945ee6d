/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to "histograms". */
#include "dataplane/admin/admin.h"

static json_t *histogram_json(const struct histogram *histogram)
{
	json_t *counts = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		json_array_append_new(
		    counts, json_integer((json_int_t)stats_get(&histogram->counts[i])));
	return json_pack(
	    "{s:o, s:I}", "counts", counts, "sum_ns", (json_int_t)stats_get(&histogram->sum_ns));
}

json_t *admin_histograms(const struct admin_context *context)
{
	json_t *bounds = json_array(), *shards = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++)
		json_array_append_new(bounds, json_integer((json_int_t)histogram_bound(i)));
	for (uint32_t shard = 0; shard < context->shared->shard_count; shard++) {
		const struct worker_latency *latency = &context->workers[shard]->latency;
		json_t *stages = json_object();

		for (unsigned stage = 0; stage < LATENCY_STAGE_COUNT; stage++)
			json_object_set_new(stages, latency_stage_name((enum latency_stage)stage),
			    histogram_json(&latency->stages[stage]));
		json_array_append_new(
		    shards, json_pack("{s:i, s:o}", "shard", (int)shard, "stages", stages));
	}
	return json_pack("{s:b, s:o, s:o}", "ok", 1, "bounds_ns", bounds, "shards", shards);
}
