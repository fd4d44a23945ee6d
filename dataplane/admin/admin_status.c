/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *shard_status(const struct admin_context *context, uint32_t shard)
{
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
	return object;
}

static json_t *drops_status(const struct admin_context *context)
{
	json_t *object = json_object();

	for (int reason = 0; reason < DROP_REASON_COUNT; reason++) {
		uint64_t sum = 0;

		for (uint32_t i = 0; i < context->shared->shard_count; i++)
			sum += stats_get(&context->workers[i]->stats.drops[reason]);
		set_number(object, drop_reason_name((enum drop_reason)reason), sum);
	}
	return object;
}

static json_t *codes_status(const struct admin_context *context)
{
	json_t *object = json_object();

	for (unsigned index = 0; index < wire_code_count(); index++) {
		uint64_t sum = 0;

		for (uint32_t i = 0; i < context->shared->shard_count; i++)
			sum += stats_get(&context->workers[i]->stats.codes[index]);
		set_number(object, wire_code_name(wire_code_at(index)), sum);
	}
	return object;
}

static json_t *ports_status(const struct admin_context *context)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < context->config->ports_count; i++) {
		const struct config_port *port = &context->config->ports[i];

		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:i}", "type", port_type(context->shared->ports[i]),
		              "address", port->address, "udp_port", (int)port->udp_port));
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

json_t *admin_status(const struct admin_context *context)
{
	json_t *shards = json_array();
	char boot_id[24];

	snprintf(boot_id, sizeof(boot_id), "%" PRIu64, context->shared->boot_id);
	for (uint32_t i = 0; i < context->shared->shard_count; i++)
		json_array_append_new(shards, shard_status(context, i));
	return json_pack("{s:b, s:s, s:s, s:s, s:i, s:b, s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:o}",
	    "ok", 1, "schema", "dataplane-status/1", "version", SLUICE_VERSION, "boot_id", boot_id,
	    "epoch", 1, "open",
	    /* own store; see W1 */
	    (int)atomic_load_explicit(&context->shared->open, memory_order_relaxed), "pid",
	    (int)getpid(), "port_type", port_type(context->shared->ports[0]), "recovery_ns",
	    (json_int_t)context->recovered_ns, "ports", ports_status(context), "shards", shards,
	    "drops", drops_status(context), "codes", codes_status(context), "cpu_placement",
	    placement_status(context));
}
