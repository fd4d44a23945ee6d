/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication to PostgreSQL: reads the shards' logs and control's `change` table from LMDB, sends
 * typed rows and the raw events by COPY, and moves the cursor in the same transaction. Exactly once
 * by construction: what a transaction brought and where it ended commit together.
 *
 * The lag counts events and control's changes, grows in every state but OFF, and starts after a
 * restart from the cursors known last, kept in control's database (table `meta`, "replication").
 *
 * Own thread. The data plane never knows. Schema and migrations: control/replication/README.md.
 */
#ifndef SLUICE_CONTROL_REPLICATION_H
#define SLUICE_CONTROL_REPLICATION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/config.h"
#include "control/database/database.h"

struct replication;

enum replication_state {
	REPLICATION_OFF,        /* not configured */
	REPLICATION_CONNECTING, /* backing off */
	REPLICATION_CATCHING_UP,
	REPLICATION_CURRENT,
	REPLICATION_PAUSED,
	REPLICATION_FAILED, /* needs an operator: message */
};

/* `root`: SLUICE_ROOT, where shard-N directories are found. */
SLUICE_MUST_USE int replication_start(struct replication **out, const struct control_config *config,
    const char *root, struct database *database);
void replication_stop(struct replication *replication);

struct replication_report {
	enum replication_state state;
	uint64_t events, transactions, reconnects, errors; /* since start */
	uint64_t lag_events;      /* logged and not replicated, all shards */
	uint64_t lag_changes;     /* of control's change table, not replicated */
	uint64_t lag_ms;          /* age now of the oldest of both, 0: none */
	uint64_t change_sequence; /* of control's change table */
	char message[256];
};
void replication_report(struct replication *replication, struct replication_report *report);
/*
 * {"state","lag_events","lag_changes","lag_ms","events_per_s",
 * "shards":[{"shard","incarnation","lsn","log_lsn"}],...}. New reference.
 */
json_t *replication_status(struct replication *replication);
void replication_pause(struct replication *replication, int paused);
/*
 * Compares every event up to the cursor with PostgreSQL's rows: {"ok","rows","lmdb_events",
 * "missing","doubled","sum_difference",...}. Own connection; takes as long as it takes. 0 with
 * *result; -EHOSTDOWN, -EPERM with message.
 */
SLUICE_MUST_USE int replication_verify(
    struct replication *replication, json_t **result, char *message, size_t message_size);
/*
 * What each partner's customers staked and won from one time to the other (Unix ns, the second not
 * included), as far as PostgreSQL has it: {"partners":[{"partner","currency","bets","stakes",...}],
 * "replicated_through_ns",...}; members: migrations/002, sluice.partner_report. 0 with *result;
 * -EHOSTDOWN, -EPERM with message.
 */
SLUICE_MUST_USE int replication_report_partners(struct replication *replication, uint64_t from_ns,
    uint64_t to_ns, json_t **result, char *message, size_t message_size);
/*
 * Customers who owe (a reversal or a result taken back asked for more than they had), as far as
 * PostgreSQL has it; of one partner, 0 nobody's, -1 all: {"receivables":[{"account","partner",
 * "currency","owed"}],"sums":[{"currency","accounts","owed"}],"replicated_through_ns"}. As above.
 */
SLUICE_MUST_USE int replication_report_receivables(struct replication *replication, int64_t partner,
    json_t **result, char *message, size_t message_size);

#endif
