/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen of terminals and shards. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "wire/messages.h"

void monitor_init(struct monitor *monitor)
{
	pthread_mutex_init(&monitor->lock, NULL);
	monitor->terminals = json_object();
}

void monitor_free(struct monitor *monitor)
{
	json_decref(monitor->terminals);
	pthread_mutex_destroy(&monitor->lock);
}

/* A number, or one written as a string because it may pass 2^53. */
static uint64_t member_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10)
	                             : (uint64_t)json_integer_value(value);
}

void monitor_session(void *context, const json_t *session)
{
	struct control *control = context;
	char key[24];
	json_t *copy = json_deep_copy(session);

	if (copy == NULL)
		return;
	snprintf(key, sizeof(key), "%" PRIu64, member_number(session, "terminal_id"));
	pthread_mutex_lock(&control->monitor.lock);
	json_object_set_new(control->monitor.terminals, key, copy);
	pthread_mutex_unlock(&control->monitor.lock);
}

void monitor_sample(struct control *control)
{
	struct monitor *monitor = &control->monitor;
	uint64_t now_ns = database_now_ns();
	json_t *status = link_status(control->link);
	uint64_t boot_id = member_number(status, "boot_id");
	uint64_t passed_ns;
	json_t *shard;
	size_t index;

	pthread_mutex_lock(&monitor->lock);
	passed_ns = now_ns - monitor->sampled_ns;
	json_array_foreach(json_object_get(status, "shards"), index, shard)
	{
		struct shard_rate *rate;
		uint64_t events = member_number(shard, "events");
		uint64_t busy_ns = member_number(shard, "busy_ns");

		if (index >= LIMIT_SHARDS)
			break;
		rate = &monitor->rates[index];
		if (boot_id == monitor->boot_id && passed_ns > 0 && events >= rate->events &&
		    busy_ns >= rate->busy_ns) {
			rate->events_per_s = (events - rate->events) * 1000000000ull / passed_ns;
			rate->busy_permille = (busy_ns - rate->busy_ns) * 1000 / passed_ns;
		} else {
			rate->events_per_s = rate->busy_permille = 0;
		}
		rate->events = events;
		rate->busy_ns = busy_ns;
	}
	monitor->sampled_ns = now_ns;
	monitor->boot_id = boot_id;
	pthread_mutex_unlock(&monitor->lock);
	json_decref(status);
}

struct shard_rate monitor_rate(struct control *control, uint32_t shard)
{
	struct shard_rate rate;

	pthread_mutex_lock(&control->monitor.lock);
	rate = control->monitor.rates[shard < LIMIT_SHARDS ? shard : 0];
	pthread_mutex_unlock(&control->monitor.lock);
	return rate;
}

/* How long a terminal may be silent before it counts as offline. */
static uint64_t silence_ns_max(struct control *control)
{
	struct control_config config;

	control_config_get(control, &config);
	return config.terminals.silent_intervals * CONTROL_HEARTBEAT_NS;
}

static json_t *paper_json(uint64_t state)
{
	return json_string((state & 2) != 0 ? "out" : (state & 1) != 0 ? "low" : "ok");
}

/* One terminal as people see it. */
static json_t *terminal_view(const json_t *session, uint64_t silent_max_ns)
{
	uint64_t last_seen_ns = member_number(session, "last_seen_ns");
	uint64_t now_ns = database_now_ns();
	uint64_t silent_ns = now_ns > last_seen_ns ? now_ns - last_seen_ns : 0;
	uint64_t messages = member_number(session, "messages");
	const json_t *heartbeat = json_object_get(session, "heartbeat");
	json_t *view = json_pack("{s:I, s:I, s:b, s:I, s:I, s:I, s:I}", "terminal",
	    (json_int_t)member_number(session, "terminal_id"), "session",
	    (json_int_t)member_number(session, "session_id"), "online",
	    last_seen_ns != 0 && silent_ns <= silent_max_ns, "last_seen_ns",
	    (json_int_t)last_seen_ns, "silent_s", (json_int_t)(silent_ns / 1000000000ull),
	    "messages", (json_int_t)messages, "resend_percent",
	    (json_int_t)(messages > 0 ? member_number(session, "resends") * 100 / messages : 0));

	if (view == NULL || !json_is_object(heartbeat))
		return view;
	json_object_set_new(view, "paper", paper_json(member_number(heartbeat, "state")));
	json_object_set_new(view, "printer",
	    json_string((member_number(heartbeat, "state") & 4) != 0 ? "fault" : "ok"));
	json_object_set_new(view, "door",
	    json_string((member_number(heartbeat, "state") & 8) != 0 ? "open" : "closed"));
	json_object_set(view, "battery", json_object_get(heartbeat, "battery"));
	json_object_set(view, "error", json_object_get(heartbeat, "error_code"));
	json_object_set(view, "firmware", json_object_get(heartbeat, "firmware"));
	json_object_set_new(view, "clock_offset_ms",
	    json_integer((json_int_t)(member_number(heartbeat, "local_time_ns") -
	                              member_number(heartbeat, "received_ns")) /
	                 1000000));
	return view;
}

json_t *monitor_terminal(struct control *control, uint64_t terminal_id)
{
	uint64_t silent_max_ns = silence_ns_max(control);
	const json_t *session;
	json_t *view = NULL;
	char key[24];

	snprintf(key, sizeof(key), "%" PRIu64, terminal_id);
	pthread_mutex_lock(&control->monitor.lock);
	session = json_object_get(control->monitor.terminals, key);
	if (session != NULL)
		view = terminal_view(session, silent_max_ns);
	pthread_mutex_unlock(&control->monitor.lock);
	return view;
}

json_t *monitor_terminals(struct control *control)
{
	uint64_t silent_max_ns = silence_ns_max(control);
	json_t *list = json_array();
	const char *key;
	json_t *session;

	pthread_mutex_lock(&control->monitor.lock);
	json_object_foreach(control->monitor.terminals, key, session)
	    json_array_append_new(list, terminal_view(session, silent_max_ns));
	pthread_mutex_unlock(&control->monitor.lock);
	return list;
}

uint64_t monitor_online(struct control *control)
{
	uint64_t silent_max_ns = silence_ns_max(control);
	uint64_t now_ns = database_now_ns(), online = 0;
	const char *key;
	json_t *session;

	pthread_mutex_lock(&control->monitor.lock);
	json_object_foreach(control->monitor.terminals, key, session) online +=
	    member_number(session, "last_seen_ns") + silent_max_ns >= now_ns;
	pthread_mutex_unlock(&control->monitor.lock);
	return online;
}
