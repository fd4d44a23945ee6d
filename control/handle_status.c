/* SPDX-License-Identifier: Apache-2.0 */
/* status, shards. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "control/commands/commands.h"
#include "control/control.h"
#include "control/markets/markets.h"
#include "control/terminals/terminals.h"

#define STATUS_ASK_MS 1000

static const char *replication_name(enum replication_state state)
{
	static const char *const names[] = {
		[REPLICATION_OFF] = "off",
		[REPLICATION_CONNECTING] = "connecting",
		[REPLICATION_CATCHING_UP] = "catching_up",
		[REPLICATION_CURRENT] = "current",
		[REPLICATION_PAUSED] = "paused",
		[REPLICATION_FAILED] = "failed",
	};

	return names[state];
}

static uint64_t shard_number(const json_t *shard, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(shard, name));
}

static uint64_t behind(uint64_t ahead, uint64_t follower)
{
	return ahead > follower ? ahead - follower : 0;
}

/* Events of the shard's log that PostgreSQL does not have; null: not replicated. New reference. */
static json_t *replication_lag_json(const json_t *replication, uint32_t number)
{
	const json_t *state = json_object_get(replication, "state");
	json_t *shard;
	size_t index;

	if (state == NULL || strcmp(json_string_value(state), "off") == 0)
		return json_null();
	json_array_foreach(json_object_get(replication, "shards"), index, shard)
	{
		if (shard_number(shard, "shard") == number)
			return json_integer((json_int_t)behind(
			    shard_number(shard, "log_lsn"), shard_number(shard, "lsn")));
	}
	return json_null();
}

/* One shard for people: what it does and how far everything behind it is. */
static json_t *shard_view(struct control *control, const json_t *shard, const json_t *replication)
{
	uint32_t number = (uint32_t)shard_number(shard, "shard");
	struct shard_rate rate = monitor_rate(control, number);
	uint64_t durable = shard_number(shard, "durable_lsn");
	uint64_t applied = shard_number(shard, "store_applied_lsn");
	json_t *view;

	view =
	    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
	              "s:I, s:O, s:I, s:I, s:o}",
	        "shard", (json_int_t)number, "events", (json_int_t)shard_number(shard, "events"),
	        "rate_per_s", (json_int_t)rate.events_per_s, "busy_percent",
	        (json_int_t)(rate.busy_permille / 10), "durable_lsn", (json_int_t)durable,
	        "applied_lsn", (json_int_t)shard_number(shard, "applied_lsn"), "store_lag",
	        (json_int_t)behind(durable, applied), "committed_lsn",
	        (json_int_t)shard_number(shard, "committed_lsn"), "checkpoint_lsn",
	        (json_int_t)shard_number(shard, "checkpoint_lsn"), "control_sequence",
	        (json_int_t)shard_number(shard, "control_sequence"), "rule_version",
	        (json_int_t)shard_number(shard, "rule_version"), "accounts",
	        (json_int_t)shard_number(shard, "accounts"), "bets_open",
	        (json_int_t)shard_number(shard, "bets_open"), "sessions",
	        (json_int_t)shard_number(shard, "sessions"), "divergences",
	        (json_int_t)shard_number(shard, "divergences"), "store_errors",
	        (json_int_t)shard_number(shard, "store_errors"), "state_hash",
	        json_object_get(shard, "state_hash"), "store_lag_ns",
	        (json_int_t)shard_number(shard, "store_lag_ns"), "log_lag",
	        (json_int_t)behind(durable, shard_number(shard, "committed_lsn")),
	        "replication_lag", replication_lag_json(replication, number));
	/* Of its start; and whether its disk has room. */
	json_object_set(view, "recovery", json_object_get(shard, "recovery"));
	json_object_set(view, "disk_state", json_object_get(shard, "disk_state"));
	return view;
}

/* As the data plane says now, or what it said last when it does not answer. New reference. */
static json_t *status_fresh(struct control *control)
{
	json_t *answer = NULL;
	char why[256];

	if (link_ask(control->link, json_pack("{s:s}", "cmd", "status"), STATUS_ASK_MS, &answer,
	        why, sizeof(why)) == 0)
		return answer;
	return link_status(control->link);
}

static json_t *shards_view(struct control *control, const json_t *status)
{
	json_t *replication = replication_status(control->replication);
	json_t *list = json_array();
	json_t *shard;
	size_t index;

	json_array_foreach(json_object_get(status, "shards"), index, shard)
	    json_array_append_new(list, shard_view(control, shard, replication));
	json_decref(replication);
	return list;
}

int handle_shards(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *status = status_fresh(control);

	(void)request;
	if (status == NULL)
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the data plane was not seen yet; see `sluicectl status`");
	*result = json_pack("{s:o}", "shards", shards_view(control, status));
	json_decref(status);
	return CONTROL_DONE;
}

/* ---- status ---- */

static json_t *dataplane_json(struct control *control, const json_t *status)
{
	struct link_report report;
	json_t *object;

	link_report(control->link, &report);
	object = json_pack("{s:s, s:I, s:I, s:I, s:s}", "state", link_state_name(report.state),
	    "boots_seen", (json_int_t)report.boots, "connects", (json_int_t)report.connects,
	    "status_age_ms", (json_int_t)report.status_age_ms, "message", report.message);
	if (status != NULL) {
		json_object_set(object, "version", json_object_get(status, "version"));
		json_object_set(object, "boot_id", json_object_get(status, "boot_id"));
		json_object_set(object, "uptime_ns", json_object_get(status, "uptime_ns"));
		json_object_set(object, "pid", json_object_get(status, "pid"));
		json_object_set(object, "open", json_object_get(status, "open"));
		json_object_set(object, "port_type", json_object_get(status, "port_type"));
		json_object_set(object, "ports", json_object_get(status, "ports"));
	}
	return object;
}

static json_t *control_json(struct control *control)
{
	struct link_report report;
	uint64_t last = 0;

	link_report(control->link, &report);
	if (commands_last(control->database, &last) != 0)
		last = 0;
	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I}", "state", "running", "version",
	    SLUICE_VERSION, "pid", (int)getpid(), "uptime_ns",
	    (json_int_t)(database_now_ns() - control->started_ns), "commands_committed",
	    (json_int_t)last, "commands_done", (json_int_t)report.command_done);
}

static json_t *keys_json(struct control *control)
{
	struct key_server_counts counts = { 0 };
	json_t *object = json_object();

	key_server_counts(control->key_server, &counts);
	json_object_set_new(object, "authority", json_boolean(authority_ready(control->authority)));
	json_object_set_new(object, "listening", json_boolean(counts.listening));
	json_object_set_new(object, "port", json_integer(counts.port));
#define COUNTER(name, text)                                                                        \
	json_object_set_new(object, #name, json_integer((json_int_t)counts.name));
	KEY_SERVER_COUNTERS(COUNTER)
#undef COUNTER
	return object;
}

static json_t *sessions_json(struct control *control)
{
	struct sessions_counts counts;

	sessions_counts(control->sessions, &counts);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "live",
	    (json_int_t)counts.live, "pending", (json_int_t)counts.pending, "ending",
	    (json_int_t)counts.ending, "keyless", (json_int_t)counts.keyless, "established",
	    (json_int_t)counts.established, "ended", (json_int_t)counts.ended, "expired",
	    (json_int_t)counts.expired, "rotations", (json_int_t)counts.rotations, "installs",
	    (json_int_t)counts.installs);
}

static json_t *terminals_counts_json(struct control *control)
{
	uint64_t counts[4];

	if (terminals_count(control->database, counts) != 0)
		return json_object();
	return json_pack("{s:I, s:I, s:I, s:I}", "active",
	    (json_int_t)counts[CONTROL_TERMINAL_ACTIVE], "blocked",
	    (json_int_t)counts[CONTROL_TERMINAL_BLOCKED], "revoked",
	    (json_int_t)counts[CONTROL_TERMINAL_REVOKED], "online",
	    (json_int_t)monitor_online(control));
}

int handle_status(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	static const char *const states[] = { "off", "shadow", "active" };
	struct control *control = context;
	json_t *status = status_fresh(control);
	struct replication_report replication;
	struct rule_set set;
	struct control_config config;

	(void)request;
	(void)message;
	(void)message_size;
	control_config_get(control, &config);
	replication_report(control->replication, &replication);
	if (rules_get(control->database, &set) != 0)
		rule_set_default(&set);
	*result = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:s, s:I, s:I, s:I, s:s}, s:I, "
	                    "s:s, s:o, s:o}",
	    "deployment", config.deployment, "health", health_json(control, status), "control",
	    control_json(control), "dataplane", dataplane_json(control, status), "keys",
	    keys_json(control), "sessions", sessions_json(control), "terminals",
	    terminals_counts_json(control), "replication", "state",
	    replication_name(replication.state), "lag_events", (json_int_t)replication.lag_events,
	    "lag_changes", (json_int_t)replication.lag_changes, "lag_ms",
	    (json_int_t)replication.lag_ms, "message", replication.message, "rule_version",
	    (json_int_t)set.rules.version, "model_state", states[set.extra.model_state],
	    "model_version",
	    set.extra.model_state == RISK_MODEL_OFF
	        ? json_null()
	        : json_integer((json_int_t)set.extra.model_version),
	    "shards", shards_view(control, status));
	json_decref(status);
	return *result != NULL ? CONTROL_DONE : CONTROL_UNREACHABLE;
}
