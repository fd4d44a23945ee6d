/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of control's configuration: every key with its type, range, default, unit, whether
 * it may change at run time, and its help. From it come libcyaml's schema, the defaults, the
 * checks, `config show`, reload and the reference page (README.md). A new key: its member in
 * config.h, its row here, its line in the README (the test prints it).
 *
 *   NUMBER(section, key, lowest, highest, default, unit, change, help)    member uint32_t
 *   TEXT(section, key, form, default, change, help)                       member char[]
 *
 * The member has the key's name. Changes: RESTART or RELOAD. Forms: config.c, forms[].
 */
#ifndef SLUICE_CONTROL_CONFIG_TABLE_H
#define SLUICE_CONTROL_CONFIG_TABLE_H

/* X(section, what it is about) */
#define CONFIG_SECTIONS(X)                                                                         \
	X(keys, "key server and certificates")                                                     \
	X(terminals, "terminals")                                                                  \
	X(replication, "replication to PostgreSQL")                                                \
	X(metrics, "text file for the Prometheus node exporter")                                   \
	X(access, "who may use sluicectl")                                                         \
	X(approval, "what a second operator must approve")                                         \
	X(alerts, "alerts and watch lists")                                                        \
	X(log, "log")

#define CONFIG_ROWS_keys(NUMBER, TEXT)                                                             \
	TEXT(keys, address, HOST, "0.0.0.0", RESTART, "address the key server listens at (TCP)")   \
	NUMBER(keys, port, 1, 65535, 7402, "", RESTART, "its TCP port")                            \
	NUMBER(keys, handshakes_parallel_max, 1, 4096, 64, "", RELOAD,                             \
	    "connections of terminals at once; more are refused")                                  \
	NUMBER(keys, handshake_timeout_ms, 100, 60000, 5000, "ms", RELOAD,                         \
	    "a connection that takes longer is closed")                                            \
	NUMBER(keys, address_rate_per_s, 1, 100000, 20, "/s", RELOAD,                              \
	    "connections a second from one source address")                                        \
	NUMBER(keys, address_burst, 1, 100000, 100, "", RELOAD,                                    \
	    "connections at once from one source address")                                         \
	NUMBER(keys, session_hours, 1, 168, 24, "h", RELOAD,                                       \
	    "life of a session; then the terminal makes a new handshake")                          \
	NUMBER(                                                                                    \
	    keys, epoch_minutes, 1, 1440, 60, "min", RELOAD, "between changes of a session's key") \
	NUMBER(keys, terminal_certificate_days, 1, 3650, 90, "days", RELOAD,                       \
	    "life of a terminal's certificate")                                                    \
	NUMBER(keys, server_certificate_days, 1, 3650, 90, "days", RELOAD,                         \
	    "life of the key server's certificate")                                                \
	NUMBER(keys, authority_days, 1, 36500, 3650, "days", RELOAD,                               \
	    "life of an authority made by `ca init`")                                              \
	TEXT(keys, switch_address, IPV4, "", RELOAD,                                               \
	    "the switch's address told to terminals; empty: they know")                            \
	NUMBER(keys, switch_udp_port, 1, 65535, 7400, "", RELOAD,                                  \
	    "the switch's first UDP port, told to terminals")                                      \
	NUMBER(keys, switch_udp_port_count, 1, 64, 1, "", RELOAD, "UDP ports from there on")

#define CONFIG_ROWS_terminals(NUMBER, TEXT)                                                        \
	NUMBER(terminals, session_rate_per_s, 1, 1000000, 100, "/s", RELOAD,                       \
	    "datagrams a second of a terminal that has no rate of its own")                        \
	NUMBER(terminals, session_burst, 1, 1000000, 200, "", RELOAD,                              \
	    "datagrams at once of such a terminal")                                                \
	NUMBER(terminals, silent_intervals, 1, 100, 3, "heartbeats", RELOAD,                       \
	    "missed in a row: the terminal counts as offline")                                     \
	NUMBER(terminals, sessions_max, 1, 1048575, 1024, "", RESTART,                             \
	    "sessions at once; capacity.sessions of the data plane's file")

#define CONFIG_ROWS_replication(NUMBER, TEXT)                                                      \
	TEXT(replication, connection, CONNECTION, "", RESTART,                                     \
	    "libpq connection string or URI without password; empty: no replication")              \
	TEXT(replication, password_file, PATH, "", RESTART,                                        \
	    "libpq passfile (mode 0600); empty: libpq's own")                                      \
	NUMBER(replication, batch_events_max, 1, 1000000, 20000, "events", RESTART,                \
	    "events in one transaction, at most")                                                  \
	NUMBER(replication, batch_delay_ms, 1, 10000, 200, "ms", RESTART,                          \
	    "longest wait for a batch to fill")                                                    \
	NUMBER(replication, backoff_ms_max, 100, 600000, 10000, "ms", RESTART,                     \
	    "longest wait before connecting again")                                                \
	NUMBER(replication, months_ahead, 1, 24, 3, "months", RESTART, "partitions made in advance")

#define CONFIG_ROWS_metrics(NUMBER, TEXT)                                                          \
	TEXT(metrics, directory, PATH, "", RELOAD,                                                 \
	    "of sluice.prom; empty: ROOT/var/lib/sluice/node-exporter")                            \
	NUMBER(metrics, interval_ms, 100, 15000, 1000, "ms", RELOAD, "between two writings")

#define CONFIG_ROWS_access(NUMBER, TEXT)                                                           \
	TEXT(access, viewer_group, GROUP, "", RELOAD, "system group that may look; empty: nobody") \
	TEXT(access, operator_group, GROUP, "", RELOAD,                                            \
	    "system group that may run terminals and markets; empty: nobody")                      \
	TEXT(access, risk_group, GROUP, "", RELOAD,                                                \
	    "system group that may change rules and limits; empty: nobody")                        \
	TEXT(access, admin_group, GROUP, "", RELOAD,                                               \
	    "system group that may do everything, as root may; empty: nobody")                     \
	NUMBER(access, clients_max, 1, 1024, 32, "", RELOAD, "connections of sluicectl at once")

#define CONFIG_ROWS_approval(NUMBER, TEXT)                                                         \
	NUMBER(approval, adjustment_min, 0, 4294967295, 1000000, "minor units", RELOAD,            \
	    "account adjust: from this amount on, added or taken, another operator must approve; " \
	    "account open: opening balances below it in all")

#define CONFIG_ROWS_alerts(NUMBER, TEXT)                                                           \
	NUMBER(alerts, suppress_minutes, 0, 10080, 60, "min", RELOAD,                              \
	    "the same account with the same factors again so soon is counted, no new alert")       \
	NUMBER(alerts, name_similarity_permille, 500, 1000, 780, "1/1000", RELOAD,                 \
	    "a name this like one of a watch list is a hit")

#define CONFIG_ROWS_log(NUMBER, TEXT)                                                              \
	TEXT(log, level, LEVEL, "info", RELOAD, "lowest level that is written")

/* deployment stands alone at the top, and is the one key that must be there. */
#define CONFIG_ROW_DEPLOYMENT(TEXT)                                                                \
	TEXT(deployment, NAME, "", RESTART, "name of the switch, as in the data plane's file")

#endif
