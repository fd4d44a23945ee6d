/* SPDX-License-Identifier: Apache-2.0 */
/* top: one frame of what goes on; sluicectl asks for one after the other. */
#include <errno.h>
#include <string.h>

#include "control/alerts/alerts.h"
#include "control/control.h"

#define ASK_MS       1000
#define TERMINALS    20u
#define ALERTS_SHOWN 5u

static json_int_t member(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static json_t *shards_rows(struct control *control, const json_t *status)
{
	json_t *rows = json_array(), *shard;
	size_t index;

	json_array_foreach(json_object_get(status, "shards"), index, shard)
	{
		struct shard_rate rate = monitor_rate(control, (uint32_t)index);
		json_int_t lag = member(shard, "durable_lsn") - member(shard, "store_applied_lsn");

		json_array_append_new(
		    rows, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "shard", (json_int_t)index,
		              "rate_per_s", (json_int_t)rate.events_per_s, "busy_percent",
		              (json_int_t)(rate.busy_permille / 10), "store_lag", lag > 0 ? lag : 0,
		              "sessions", member(shard, "sessions"), "bets_open",
		              member(shard, "bets_open")));
	}
	return rows;
}

/* Those that were heard of, the busiest of these first. */
static json_t *terminals_rows(struct control *control)
{
	json_t *all = monitor_terminals(control), *rows = json_array();

	while (json_array_size(rows) < TERMINALS && json_array_size(all) > 0) {
		size_t best = 0;

		for (size_t i = 1; i < json_array_size(all); i++)
			if (member(json_array_get(all, i), "messages") >
			    member(json_array_get(all, best), "messages"))
				best = i;
		json_array_append(rows, json_array_get(all, best));
		json_array_remove(all, best);
	}
	json_decref(all);
	return rows;
}

static json_t *alerts_open_json(struct control *control)
{
	struct alerts_counts counts = { 0 };
	json_t *object = json_object();

	if (alerts_counts(control->database, &counts) != 0)
		return object;
	for (unsigned i = CONTROL_ALERT_SEVERITY_MAX; i-- > 0;)
		json_object_set_new(
		    object, alert_severity_name(i + 1), json_integer((json_int_t)counts.open[i]));
	return object;
}

static json_t *limits_json(struct control *control)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < LIMIT_SCOPES; i++)
		json_object_set_new(object, limits_scope_name(i),
		    json_integer((json_int_t)atomic_load_explicit(
		        &control->limits.near[i], memory_order_relaxed))); /* a figure */
	return object;
}

int handle_top(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const struct alert_filter newest = { .count = ALERTS_SHOWN, .open = 1 };
	json_t *status = NULL, *exposure;
	struct link_report report;
	char why[256];
	int cut;

	(void)message;
	(void)message_size;
	if (link_ask(control->link, json_pack("{s:s}", "cmd", "status"), ASK_MS, &status, why,
	        sizeof(why)) != 0)
		status = link_status(control->link);
	link_report(control->link, &report);
	exposure = handle_liability_top(control, (size_t)ops_number(request, "count", 15), &cut);
	*result = json_pack("{s:I, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "time_ns",
	    (json_int_t)database_now_ns(), "dataplane", link_state_name(report.state),
	    "terminals_online", (json_int_t)monitor_online(control), "markets_left_out", cut,
	    "alerts_open", alerts_open_json(control), "limits_near", limits_json(control), "shards",
	    shards_rows(control, status), "exposure", exposure != NULL ? exposure : json_array(),
	    "terminals", terminals_rows(control), "alerts",
	    alerts_list(control->database, &newest));
	json_decref(status);
	return *result != NULL ? CONTROL_DONE : CONTROL_UNREACHABLE;
}
