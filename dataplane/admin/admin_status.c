/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin.h"

#include "dataplane/admin/admin_sample.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* Over `count` shards from `first` on. */
static json_t *drops_status(const struct admin_context *context, uint32_t first, uint32_t count)
{
	json_t *object = json_object();

	for (int reason = 0; reason < DROP_REASON_COUNT; reason++) {
		uint64_t sum = 0;

		for (uint32_t i = first; i < first + count; i++)
			sum += stats_get(&context->workers[i]->stats.drops[reason]);
		set_number(object, drop_reason_name((enum drop_reason)reason), sum);
	}
	return object;
}

static json_t *codes_status(const struct admin_context *context, uint32_t first, uint32_t count)
{
	json_t *object = json_object();

	for (unsigned index = 0; index < wire_code_count(); index++) {
		uint64_t sum = 0;

		for (uint32_t i = first; i < first + count; i++)
			sum += stats_get(&context->workers[i]->stats.codes[index]);
		set_number(object, wire_code_name(wire_code_at(index)), sum);
	}
	return object;
}

static uint64_t rings_waiting(struct spsc_ring *const *rings, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		if (rings[i] != NULL)
			sum += spsc_ring_count(rings[i]);
	return sum;
}

/* What waits to be taken by the worker of a shard; history: by the reader. */
static json_t *queues_status(const struct admin_context *context, uint32_t shard)
{
	const struct worker_rings *rings = &context->workers[shard]->rings;
	uint32_t count = context->shared->shard_count;
	json_t *object = json_object();

	set_number(object, "command", rings_waiting(&rings->command, 1));
	set_number(object, "handover", rings_waiting(rings->handover_in, count));
	set_number(object, "request", rings_waiting(rings->request_in, count));
	set_number(object, "answer", rings_waiting(rings->answer_in, count));
	set_number(object, "transmit", rings_waiting(rings->transmit_in, count));
	set_number(object, "history", rings_waiting(&rings->history_query, 1));
	return object;
}

/* 64 bits do not fit a JSON number. */
static void set_text(json_t *object, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_object_set_new(object, name, json_string(text));
}

static void set_figure(json_t *object, const char *name, const _Atomic uint64_t *figure)
{
	set_number(object, name, atomic_load_explicit(figure, memory_order_relaxed));
}

static json_t *recovery_status(const struct shard_background *background)
{
	const struct journal_report *report = &background->recovery;
	json_t *object = json_object();

	set_number(object, "checkpoint_lsn", background->recovery_checkpoint_lsn);
	set_number(object, "replayed_events", report->events);
	set_number(object, "kept_lsn", report->cut_lsn);
	set_number(object, "floor_lsn", report->floor_lsn);
	set_number(object, "sealed_lsn", report->sealed_lsn);
	set_number(object, "cut_batches", report->batches_discarded);
	set_number(object, "cut_bytes", report->bytes_discarded);
	set_number(object, "cut_to_lsn", report->discarded_lsn);
	set_number(object, "base_lsn", report->base_lsn);
	set_text(object, "incarnation", report->incarnation);
	set_number(object, "duration_ns", background->recovery_ns);
	return object;
}

/* What runs beside the worker. */
static void background_status(json_t *object, const struct shard_background *background)
{
	struct journal_sealer_status seals;
	char chain[JOURNAL_SHA256_TEXT], text[256];

	set_figure(object, "disk_state", &background->disk_state);
	set_figure(object, "disk_used_bytes", &background->disk_used);
	set_figure(object, "disk_free_bytes", &background->disk_free);
	set_figure(object, "keeper_errors", &background->keeper_errors);
	/* relaxed: a figure of the store thread */
	set_number(object, "keeper_error",
	    (uint64_t)-atomic_load_explicit(&background->keeper_error, memory_order_relaxed));
	json_object_set_new(object, "recovery", recovery_status(background));
	if (background->sealer == NULL)
		return;
	journal_sealer_status(background->sealer, &seals);
#define FIGURE(name) set_number(object, #name, seals.name);
	JOURNAL_SEALER_FIGURES(FIGURE)
#undef FIGURE
	journal_sealer_chain(background->sealer, chain);
	journal_sealer_verify_text(background->sealer, text, sizeof(text));
	json_object_set_new(object, "archive", json_string(background->archive));
	json_object_set_new(object, "seal_chain", json_string(chain));
	json_object_set_new(object, "verify_text", json_string(text));
}

static json_t *shard_status(const struct admin_context *context, uint32_t shard)
{
	const struct admin_samples *samples = context->samples;
	uint64_t now_ns = admin_clock_ns(CLOCK_MONOTONIC);
	const struct worker_stats *stats = &context->workers[shard]->stats;
	json_t *object = json_object();
	struct store_status store;
	char hash[20];

	set_number(object, "shard", shard);
#define COUNTER(name, text) set_number(object, #name, stats_get(&stats->name));
	WORKER_COUNTERS(COUNTER)
#undef COUNTER
	/* 64 bits do not fit a JSON number. */
	snprintf(hash, sizeof(hash), "%016" PRIx64, stats_get(&stats->state_hash));
	json_object_set_new(object, "state_hash", json_string(hash));
	set_number(object, "busy_messages", stats_get(&stats->messages_out));
	store_status(context->stores[shard], &store);
	set_number(object, "store_applied_lsn", store.applied_lsn);
	set_number(object, "committed_lsn", store.committed_lsn);
	set_number(object, "checkpoint_lsn", store.checkpoint_lsn);
	set_number(object, "batches_from_files", store.batches_from_files);
	set_number(object, "divergences", store.divergences);
	set_number(object, "store_errors", store.errors);
	set_number(object, "log_bytes", store.log_bytes);
	set_number(object, "row_bytes", store.row_bytes);
	set_number(object, "log_map_bytes", store.log_map);
	set_number(object, "row_map_bytes", store.row_map);
	set_number(object, "store_waiting", store.waiting);
	set_number(object, "store_waits", store.waits);
	if (context->background != NULL)
		background_status(object, &context->background[shard]);
	if (samples != NULL) {
		set_number(
		    object, "store_lag_ns", admin_lag_ns(&samples->store_lag[shard], now_ns));
		set_number(object, "busy_permille", samples->busy[shard].permille);
	}
	if (context->workers[shard]->keeper != NULL)
		set_number(object, "segments_ready",
		    journal_keeper_ready(context->workers[shard]->keeper));
	json_object_set_new(object, "queues", queues_status(context, shard));
	json_object_set_new(object, "drops", drops_status(context, shard, 1));
	json_object_set_new(object, "codes", codes_status(context, shard, 1));
	return object;
}

static json_t *ports_status(const struct admin_context *context)
{
	json_t *list = json_array();
	struct port_counters counters;

	for (uint32_t i = 0; i < context->config->ports_count; i++) {
		const struct config_port *port = &context->config->ports[i];

		json_t *object =
		    json_pack("{s:s, s:s, s:i}", "type", port_type(context->shared->ports[i]),
		        "address", port->address, "udp_port", (int)port->udp_port);

		if (port_counters_read(context->shared->ports[i], &counters) == 0) {
			set_number(object, "received", counters.received);
			set_number(object, "sent", counters.sent);
			set_number(object, "missed", counters.missed);
			set_number(object, "no_buffer", counters.no_buffer);
			set_number(object, "errors", counters.errors);
		}
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *placement_status(const struct admin_context *context)
{
	json_t *workers = json_array();

	for (uint32_t i = 0; i < context->config->lcores.workers_count; i++)
		json_array_append_new(
		    workers, json_integer((json_int_t)context->config->lcores.workers[i]));
	return json_pack("{s:i, s:o, s:i, s:i}", "main", (int)context->config->lcores.main,
	    "workers", workers, "store", (int)context->config->lcores.store,
	    "journal_interrupt_cpu", context->journal_interrupt_cpu);
}

/* The model that the workers have, 0: none. Rules that name another one are without it. */
static uint32_t model_status(const struct admin_context *context)
{
	/* own store */
	const struct shard_model *held =
	    atomic_load_explicit(&context->shared->model, memory_order_relaxed);

	return held != NULL ? held->version : 0;
}

json_t *admin_status(const struct admin_context *context)
{
	uint64_t clock_ns = admin_clock_ns(CLOCK_REALTIME);
	uint64_t uptime_ns = admin_clock_ns(CLOCK_MONOTONIC) - context->started_ns;
	uint32_t count = context->shared->shard_count;
	json_t *shards = json_array(), *status;
	char boot_id[24];

	snprintf(boot_id, sizeof(boot_id), "%" PRIu64, context->shared->boot_id);
	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(shards, shard_status(context, i));
	status = json_pack("{s:b, s:s, s:s, s:s, s:i, s:b, s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:o}",
	    "ok", 1, "schema", "dataplane-status/1", "version", SLUICE_VERSION, "boot_id", boot_id,
	    "epoch", 1, "open",
	    /* own store; see W1 */
	    (int)atomic_load_explicit(&context->shared->open, memory_order_relaxed), "pid",
	    (int)getpid(), "port_type", port_type(context->shared->ports[0]), "recovery_ns",
	    (json_int_t)context->recovered_ns, "ports", ports_status(context), "shards", shards,
	    "drops", drops_status(context, 0, count), "codes", codes_status(context, 0, count),
	    "cpu_placement", placement_status(context));
	if (status == NULL)
		return NULL;
	set_text(status, "clock_ns", clock_ns);
	set_text(status, "started_ns", clock_ns - uptime_ns);
	set_number(status, "uptime_ns", uptime_ns);
	set_number(status, "model_version", model_status(context));
	return status;
}
