/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of control: one YAML file, read with libcyaml. One table (config_table.h) gives for
 * every key its name, type, range, default, unit, whether it may change at run time, and its help;
 * parsing, checking, `sluicectl config show`, completion and the reference page come from it.
 */
#ifndef SLUICE_CONTROL_CONFIG_H
#define SLUICE_CONTROL_CONFIG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

/* Text values are never NULL: "" when not given. */
struct control_config {
	char deployment[65]; /* same name as the data plane's */

	struct {
		char address[64]; /* where terminals reach the key server (TCP) */
		uint32_t port;
		uint32_t handshakes_parallel_max;
		uint32_t handshake_timeout_ms;
		uint32_t address_rate_per_s, address_burst; /* handshakes per source address */
		uint32_t session_hours;                     /* life of a session, hard end */
		uint32_t epoch_minutes;                     /* between rotations */
		uint32_t terminal_certificate_days, server_certificate_days, authority_days;
		char switch_address[16]; /* told to terminals; "": they know */
		uint32_t switch_udp_port, switch_udp_port_count;
	} keys;

	struct {
		uint32_t session_rate_per_s, session_burst; /* default of terminals */
		uint32_t silent_intervals;                  /* heartbeats missed: offline */
		uint32_t sessions_max; /* as capacity.sessions of the data plane */
	} terminals;

	struct {
		char connection[512]; /* libpq conninfo or URI without password; "": no replication
		                       */
		char password_file[256]; /* libpq passfile */
		uint32_t batch_events_max;
		uint32_t batch_delay_ms; /* longest wait for a batch to fill */
		uint32_t backoff_ms_max;
		uint32_t months_ahead; /* partitions made in advance */
	} replication;

	struct {
		char directory[256]; /* of the text file; "": ROOT/var/lib/sluice/node-exporter */
		uint32_t interval_ms;
	} metrics;

	struct {
		/* Names of system groups; root is always admin. "": nobody. */
		char viewer_group[33], operator_group[33], risk_group[33], admin_group[33];
		uint32_t clients_max;
	} access;

	struct {
		/* Minor units, whatever the currency; 0: every adjustment waits, and no account is
		 * opened with a balance. */
		uint32_t adjustment_min;
	} approval;

	struct {
		uint32_t suppress_minutes;
		uint32_t name_similarity_permille;
	} alerts;

	struct {
		char level[8]; /* debug, info, warning, error */
	} log;
};

/*
 * Reads and checks a file (or `size` bytes). 0, or -ENOENT, -EINVAL ... with `message` naming file,
 * line, key, what was expected and the remedy; *out untouched then.
 */
SLUICE_MUST_USE int control_config_load(
    const char *path, struct control_config *out, char *message, size_t message_size);
SLUICE_MUST_USE int control_config_parse(const uint8_t *text, size_t size, const char *name,
    struct control_config *out, char *message, size_t message_size);
void control_config_default(struct control_config *out);

/* A number of the data plane's file, as it is written there now ("capacity.markets"). 0; -ENOENT:
 * no such file, or no such key in it; another -errno: not read. */
SLUICE_MUST_USE int config_switch_number(const char *path, const char *key, uint64_t *number);

/* Every key: [{"key":"keys.port","value":..,"default":..,"unit":..,"change":"restart"|"reload",
 * "help":..}]. New reference. */
json_t *control_config_show(const struct control_config *config);

/*
 * Takes over from `fresh` what may change at run time. Keys that differ and need a restart are
 * named in `restart_keys` (comma-separated, "" none). Returns the number of values changed.
 */
int control_config_reload(struct control_config *current, const struct control_config *fresh,
    char *restart_keys, size_t restart_keys_size);

/* The reference page in Markdown, for control/config/README.md; checked against it by a test. */
void control_config_reference(char *out, size_t size);

#endif
