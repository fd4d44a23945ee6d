/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/control/metrics/fake.h"

#include "control/metrics/metrics_table.h"
#include "wire/codes.h"
#include "wire/drop.h"

#define BOUNDS 97 /* four to each power of two from 2^10 to 2^34, as the data plane's */

static void set(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* Drop reasons and codes of one shard; a healthy one mostly says OK. */
static void set_counts(json_t *object, uint64_t first)
{
	json_t *drops = json_object(), *codes = json_object();

	for (int reason = 0; reason < DROP_REASON_COUNT; reason++)
		set(drops, drop_reason_name((enum drop_reason)reason), first + (uint64_t)reason);
	for (unsigned i = 0; i < wire_code_count(); i++)
		set(codes, wire_code_name(wire_code_at(i)), i == 0 ? 100000 : first + i);
	json_object_set_new(object, "drops", drops);
	json_object_set_new(object, "codes", codes);
}

static json_t *shard_make(unsigned shard)
{
	json_t *object = json_object();
	uint64_t value = 1000u * (shard + 1);

	set(object, "shard", shard);
#define FIELD(field, name, type, scale, help) set(object, #field, value++);
	METRICS_SHARD(FIELD)
#undef FIELD
	json_object_set_new(object, "state_hash", json_string("00112233445566ff"));
	set(object, "busy_ns", 1234567890);
	set(object, "turn_ns_max", 987654);
	set(object, "write_ns_total", 5000000000);
	set(object, "write_ns_max", 3000000);
	set(object, "journal_error", 0);
	set(object, "durable_lsn", 5000);
	set(object, "applied_lsn", 5003);
	set(object, "store_applied_lsn", 4990);
	set(object, "store_lag_ns", 2500000);
	set(object, "committed_lsn", 4900);
	set(object, "checkpoint_lsn", 4000);
	set(object, "divergences", 0);
	set(object, "store_errors", 0);
	json_object_set_new(object, "queues", json_pack("{s:i, s:i}", "command", 1, "handover", 2));
	set_counts(object, 10 * shard);
	return object;
}

static json_t *status_make(unsigned shards)
{
	json_t *status = json_object(), *list = json_array();

	for (unsigned i = 0; i < shards; i++)
		json_array_append_new(list, shard_make(i));
	json_object_set_new(status, "ok", json_true());
	json_object_set_new(status, "schema", json_string("dataplane-status/1"));
	json_object_set_new(status, "version", json_string("0.1.0"));
	json_object_set_new(status, "boot_id", json_string("4294967297"));
	json_object_set_new(status, "open", json_true());
	set(status, "recovery_ns", 1500000);
	json_object_set_new(status, "started_ns", json_string("1795230000500000000"));
	json_object_set_new(status, "ports",
	    json_pack(
	        "[{s:s, s:s, s:i}]", "type", "af_xdp", "address", "198.18.0.1", "udp_port", 7400));
	json_object_set_new(status, "shards", list);
	set_counts(status, 0);
	return status;
}

static json_t *stage_make(unsigned slot, uint64_t count)
{
	json_t *counts = json_array();

	for (unsigned i = 0; i <= BOUNDS; i++)
		json_array_append_new(counts, json_integer((json_int_t)(i == slot     ? count
		                                                        : i == BOUNDS ? 1
		                                                                      : 0)));
	return json_pack("{s:o, s:I}", "counts", counts, "sum_ns", (json_int_t)(count * 1000000));
}

/* `slot` is the bucket most journal writes lie in. */
static json_t *histograms_make(unsigned shards, unsigned slot, uint64_t count)
{
	static const char *const stages[] = { "decide", "durable", "answer", "total",
		"journal_write", "turn" };
	json_t *bounds = json_array(), *list = json_array();

	for (unsigned i = 0; i < BOUNDS; i++) {
		uint64_t power = 1ull << (10 + i / 4);

		json_array_append_new(
		    bounds, json_integer((json_int_t)(power + i % 4 * (power / 4))));
	}
	for (unsigned shard = 0; shard < shards; shard++) {
		json_t *object = json_object();

		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(stages); i++)
			json_object_set_new(object, stages[i], stage_make(slot, count));
		json_array_append_new(
		    list, json_pack("{s:i, s:o}", "shard", (int)shard, "stages", object));
	}
	return json_pack("{s:b, s:o, s:o}", "ok", 1, "bounds_ns", bounds, "shards", list);
}

void fake_make(struct fake *fake, unsigned shards)
{
	*fake = (struct fake){
		.status = status_make(shards),
		.histograms = histograms_make(shards, 30, 100),
		.link = { .state = LINK_UP,
		    .boot_id = 7,
		    .connects = 3,
		    .boots = 2,
		    .command_sent = 40,
		    .command_done = 39,
		    .status_age_ms = 250 },
		.sessions = { .live = 650,
		    .pending = 2,
		    .ending = 1,
		    .keyless = 3,
		    .reserved = 4,
		    .established = 700,
		    .replaced = 20,
		    .ended = 30,
		    .expired = 5,
		    .rotations = 60,
		    .installs = 800,
		    .install_failures = 6,
		    .epoch_oldest_ns = 3600500000000 },
		.keys = { .open = 8, .listening = 1, .port = 7402 },
		.replication = { .state = REPLICATION_CURRENT,
		    .events = 4000,
		    .transactions = 50,
		    .reconnects = 1,
		    .errors = 2,
		    .lag_events = 90,
		    .lag_changes = 3,
		    .lag_ms = 125,
		    .change_sequence = 77 },
	};
	uint64_t value = 100;

#define COUNTER(name, text) fake->keys.name = value++;
	KEY_SERVER_COUNTERS(COUNTER)
#undef COUNTER
	fake->alerts = (struct alerts_counts){
		.open = { 4, 3, 2, 1 }, .raised = { 40, 3, 2, 1 }, .suppressed = 17, .skipped = 5
	};
	fake->sources = (struct metrics_sources){
		.status = fake->status,
		.histograms = fake->histograms,
		.link = &fake->link,
		.sessions = &fake->sessions,
		.keys = &fake->keys,
		.replication = &fake->replication,
		.terminals = 650,
		.terminals_online = 640,
		.audit_entries = 1234,
		.alerts = &fake->alerts,
		.adjustments_waiting = 2,
		.commands = 41,
		.time_ns = 1795233321123456789,
	};
}

void fake_healthy(struct fake *fake)
{
	/* Figures that a rule fires on above 0. A new rule: the end-to-end test says which. */
	static const char *const none[] = { "walks_open", "suspense", "receivable", "disk_state",
		"store_waiting", "seals_damaged", "verify_bad", "waiting_segments",
		"archive_error" };
	json_t *shards = json_object_get(fake->status, "shards"), *shard;
	size_t i;

	json_array_foreach(shards, i, shard)
	{
		for (size_t j = 0; j < SLUICE_ARRAY_COUNT(none); j++)
			set(shard, none[j], 0);
	}
	fake->sources.adjustments_waiting = 0;
	fake->alerts = (struct alerts_counts){ 0 };
}

void fake_ill(struct fake *fake)
{
	json_t *shards = json_object_get(fake->status, "shards"), *shard;
	size_t i;

	json_array_foreach(shards, i, shard)
	{
		set(shard, "divergences", 1);
		set(shard, "journal_error", 5);
		set(shard, "durable_lsn", 9000000);
	}
	json_decref(fake->histograms);
	fake->histograms = histograms_make((unsigned)json_array_size(shards), 70, 100000);
	fake->sources.histograms = fake->histograms;
	fake->link.state = LINK_REFUSED;
	fake->replication.state = REPLICATION_FAILED;
	fake->replication.lag_ms = 90000;
}

void fake_free(struct fake *fake)
{
	json_decref(fake->status);
	json_decref(fake->histograms);
}
