/* SPDX-License-Identifier: Apache-2.0 */
/* Families of control itself: link, sessions, key server, replication, terminals, audit log. */
#include <string.h>

#include "control/metrics/metrics_text.h"

#define NS_PER_MS 1000000ull

static void add_counter(
    struct metrics_text *text, const char *name, const char *help, uint64_t value)
{
	metrics_family(text, name, "counter", help);
	metrics_sample(text, "", "", value);
}

static void add_gauge(struct metrics_text *text, const char *name, const char *help, uint64_t value)
{
	metrics_family(text, name, "gauge", help);
	metrics_sample(text, "", "", value);
}

/* One sample for each state, 1 for the one it is in. */
static void add_states(
    struct metrics_text *text, const char *const *names, size_t count, size_t state)
{
	for (size_t i = 0; i < count; i++) {
		char labels[METRICS_LABELS_SIZE] = "";

		metrics_label(labels, "state", names[i]);
		metrics_sample(text, "", labels, i == state);
	}
}

static void add_up(struct metrics_text *text, const char *process, int up)
{
	char labels[METRICS_LABELS_SIZE] = "";

	metrics_label(labels, "process", process);
	metrics_sample(text, "", labels, up != 0);
}

static void add_processes(
    struct metrics_text *text, const struct metrics_sources *sources, int dataplane_up)
{
	const struct replication_report *replication = sources->replication;
	char labels[METRICS_LABELS_SIZE] = "";

	metrics_family(text, "sluice_up", "gauge",
	    "1 when a process can be reached from control; a part that is not configured is left "
	    "out.");
	add_up(text, "control", 1);
	add_up(text, "dataplane", dataplane_up);
	if (sources->keys != NULL)
		add_up(text, "key_server", sources->keys->listening);
	/* Paused: nobody knows. */
	if (replication != NULL && replication->state != REPLICATION_OFF &&
	    replication->state != REPLICATION_PAUSED)
		add_up(text, "postgresql",
		    replication->state == REPLICATION_CATCHING_UP ||
		        replication->state == REPLICATION_CURRENT);
	metrics_family(text, "sluice_build_info", "gauge", "Versions of the running processes.");
	metrics_label(labels, "process", "control");
	metrics_label(labels, "version", SLUICE_VERSION);
	metrics_sample(text, "", labels, 1);
	if (dataplane_up) {
		labels[0] = '\0';
		metrics_label(labels, "process", "dataplane");
		metrics_label(labels, "version",
		    json_string_value(json_object_get(sources->status, "version")));
		metrics_sample(text, "", labels, 1);
	}
	metrics_family(text, "sluice_metrics_written_timestamp_seconds", "gauge",
	    "When control wrote this file.");
	metrics_sample_ns(text, "", "", sources->time_ns);
}

static void add_link(struct metrics_text *text, const struct metrics_sources *sources)
{
	static const char *const states[] = {
		[LINK_DOWN] = "down",
		[LINK_SYNCING] = "syncing",
		[LINK_UP] = "up",
		[LINK_REFUSED] = "refused",
	};
	const struct link_report *link = sources->link;

	metrics_family(text, "sluice_link_state", "gauge",
	    "State of control's connection to the data plane; refused needs an operator.");
	add_states(text, states, SLUICE_ARRAY_COUNT(states), link->state);
	add_counter(text, "sluice_link_connects_total",
	    "Connections to the data plane since control started.", link->connects);
	add_counter(text, "sluice_dataplane_boots_total",
	    "Starts of the data plane seen since control started.", link->boots);
	metrics_family(
	    text, "sluice_status_age_seconds", "gauge", "Age of the data plane's last status.");
	metrics_sample_ns(text, "", "", link->status_age_ms * NS_PER_MS);
	/* Before the first connection nobody knows what the shards have. */
	if (link->boot_id != 0)
		add_gauge(text, "sluice_commands_pending",
		    "Commands committed and not yet durable on all shards.",
		    sources->commands > link->command_done ? sources->commands - link->command_done
		                                           : 0);
}

static void add_sessions(struct metrics_text *text, const struct sessions_counts *sessions)
{
	const struct {
		const char *state;
		uint64_t value;
	} states[] = { { "live", sessions->live }, { "pending", sessions->pending },
		{ "ending", sessions->ending }, { "keyless", sessions->keyless },
		{ "reserved", sessions->reserved } };

	metrics_family(text, "sluice_sessions", "gauge", "Sessions by state.");
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(states); i++) {
		char labels[METRICS_LABELS_SIZE] = "";

		metrics_label(labels, "state", states[i].state);
		metrics_sample(text, "", labels, states[i].value);
	}
	add_counter(text, "sluice_sessions_established_total", "Sessions established.",
	    sessions->established);
	add_counter(text, "sluice_sessions_replaced_total",
	    "Sessions ended because their terminal made a new one.", sessions->replaced);
	add_counter(text, "sluice_sessions_ended_total", "Sessions ended.", sessions->ended);
	add_counter(text, "sluice_sessions_expired_total", "Sessions that came to their hard end.",
	    sessions->expired);
	add_counter(text, "sluice_session_rotations_total", "Changes of a session's key.",
	    sessions->rotations);
	add_counter(text, "sluice_session_installs_total", "Sessions installed in the data plane.",
	    sessions->installs);
	add_counter(text, "sluice_session_install_failures_total",
	    "Installations the data plane refused.", sessions->install_failures);
	metrics_family(
	    text, "sluice_session_epoch_age_max_seconds", "gauge", "Age of the oldest key in use.");
	metrics_sample_ns(text, "", "", sessions->epoch_oldest_ns);
}

static void add_keys(struct metrics_text *text, const struct key_server_counts *keys)
{
#define KEY_SERVER_FAMILY(name, help)                                                              \
	add_counter(text, "sluice_key_server_" #name "_total", "Key server: " help ".", keys->name);
	KEY_SERVER_COUNTERS(KEY_SERVER_FAMILY)
#undef KEY_SERVER_FAMILY
	add_gauge(
	    text, "sluice_key_server_connections_open", "Key server: connections now.", keys->open);
}

static void add_replication(struct metrics_text *text, const struct replication_report *replication)
{
	static const char *const states[] = {
		[REPLICATION_OFF] = "off",
		[REPLICATION_CONNECTING] = "connecting",
		[REPLICATION_CATCHING_UP] = "catching_up",
		[REPLICATION_CURRENT] = "current",
		[REPLICATION_PAUSED] = "paused",
		[REPLICATION_FAILED] = "failed",
	};

	metrics_family(text, "sluice_replication_state", "gauge",
	    "State of replication to PostgreSQL; failed needs an operator.");
	add_states(text, states, SLUICE_ARRAY_COUNT(states), replication->state);
	/* Off, its other figures say nothing. */
	if (replication->state == REPLICATION_OFF)
		return;
	add_counter(
	    text, "sluice_replication_events_total", "Events replicated.", replication->events);
	add_counter(text, "sluice_replication_transactions_total",
	    "Transactions committed in PostgreSQL.", replication->transactions);
	add_counter(text, "sluice_replication_reconnects_total", "Connections made again.",
	    replication->reconnects);
	add_counter(
	    text, "sluice_replication_errors_total", "Errors of PostgreSQL.", replication->errors);
	add_gauge(text, "sluice_replication_lag_events",
	    "Events logged and not yet replicated, all shards.", replication->lag_events);
	add_gauge(text, "sluice_replication_lag_changes",
	    "Changes of control's own tables not yet replicated.", replication->lag_changes);
	metrics_family(text, "sluice_replication_lag_seconds", "gauge",
	    "Age of the oldest event or change not yet replicated.");
	metrics_sample_ns(text, "", "", replication->lag_ms * NS_PER_MS);
	add_gauge(text, "sluice_replication_change_sequence",
	    "Last change of control's own tables replicated.", replication->change_sequence);
}

static void add_alerts(struct metrics_text *text, const struct alerts_counts *alerts)
{
	metrics_family(text, "sluice_alerts_open", "gauge",
	    "Alerts that are new or under investigation, by severity.");
	for (unsigned i = 0; i < CONTROL_ALERT_SEVERITY_MAX; i++) {
		char labels[METRICS_LABELS_SIZE] = "";

		metrics_label(labels, "severity", alert_severity_name(i + 1));
		metrics_sample(text, "", labels, alerts->open[i]);
	}
	metrics_family(text, "sluice_alerts_total", "counter", "Alerts raised, by reason.");
	for (unsigned i = 0; i < CONTROL_ALERT_REASON_MAX; i++) {
		char labels[METRICS_LABELS_SIZE] = "";

		metrics_label(labels, "reason", alert_reason_name(i + 1));
		metrics_sample(text, "", labels, alerts->raised[i]);
	}
	add_counter(text, "sluice_alerts_suppressed_total",
	    "Decisions counted in an alert that stood already.", alerts->suppressed);
	add_counter(text, "sluice_alert_events_skipped_total",
	    "Events that a log no longer held when they were to be read for alerts.",
	    alerts->skipped);
}

static void add_limits(struct metrics_text *text, const struct metrics_sources *sources)
{
	static const char *const scopes[] = { "selection", "market", "partner", "terminal" };

	metrics_family(text, "sluice_limits_near", "gauge",
	    "What is at 80 % of its limit or above, and was not below 70 % since, by scope.");
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(scopes); i++) {
		char labels[METRICS_LABELS_SIZE] = "";

		metrics_label(labels, "scope", scopes[i]);
		metrics_sample(text, "", labels, sources->limits_near[i]);
	}
}

void metrics_add_control(
    struct metrics_text *text, const struct metrics_sources *sources, int dataplane_up)
{
	uint64_t online = sources->terminals_online;

	add_processes(text, sources, dataplane_up);
	if (sources->link != NULL)
		add_link(text, sources);
	metrics_family(text, "sluice_terminals", "gauge", "Enrolled terminals.");
	metrics_sample(text, "", "state=\"online\"", online);
	metrics_sample(text, "", "state=\"offline\"",
	    sources->terminals > online ? sources->terminals - online : 0);
	add_counter(text, "sluice_commands_total", "Commands committed.", sources->commands);
	add_counter(text, "sluice_audit_entries_total", "Entries of the audit log.",
	    sources->audit_entries);
	add_gauge(text, "sluice_adjustments_waiting",
	    "Corrections of balances that wait for a second operator.",
	    sources->adjustments_waiting);
	if (sources->alerts != NULL) {
		add_alerts(text, sources->alerts);
		add_limits(text, sources);
	}
	if (sources->sessions != NULL)
		add_sessions(text, sources->sessions);
	if (sources->keys != NULL)
		add_keys(text, sources->keys);
	if (sources->replication != NULL)
		add_replication(text, sources->replication);
}
