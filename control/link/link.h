/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that talks to the data plane's admin socket, and the only one that does.
 *
 *   DOWN --connected, status read--> SYNCING --commands resent from the lowest number, sessions of
 *   this boot id installed--> "open" --> UP --connection lost--> DOWN (again after 50 ms .. 2 s)
 *   SYNCING, UP --a shard has a number control never gave out--> REFUSED, until `command adopt` or
 *   the next start of control (with a newer database)
 *   SYNCING --a shard that no restore began has done fewer commands than it had--> REFUSED, until
 *   `command adopt` or another boot of the data plane
 *
 * REFUSED, sessions are still ended and questions answered, and commands_append refuses: a number
 * given out then would be one the shards already have. So it does until control's numbers were
 * compared with a data plane's once after the start.
 *
 * UP, each turn: ends of sessions, commands not sent yet, installs, questions, once a second the
 * status, every 5 s the list of sessions: those that want a new epoch get one, those control does
 * not know are ended. Revocation goes before everything else.
 */
#ifndef SLUICE_CONTROL_LINK_H
#define SLUICE_CONTROL_LINK_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/database/database.h"
#include "control/sessions/sessions.h"

enum link_state {
	LINK_DOWN,
	LINK_SYNCING,
	LINK_UP,
	LINK_REFUSED,
};
const char *link_state_name(enum link_state state);

struct link;

struct link_config {
	const char *root; /* SLUICE_ROOT: the socket is root/run/sluice/admin.sock */
	struct database *database;
	struct sessions *sessions;
	/* Told about each session of the list, with its terminal's state (link thread). */
	void (*on_session)(void *context, const json_t *session);
	void *context;
};

SLUICE_MUST_USE int link_start(struct link **out, const struct link_config *config);
/* Ends the connection and every wait of other threads, which may still call here until link_stop.
 */
void link_cancel(struct link *link);
void link_stop(struct link *link);

/* There is something new to send. Any thread; also safe before the link is up. */
void link_wake(struct link *link);
/*
 * May commands be committed now? 0; -EAGAIN: not compared with a data plane since the start (waits
 * a moment when one is about to be reached); -EPERM: a shard was ahead. With a sentence in message.
 * commands_append asks the same once more, inside its transaction.
 */
SLUICE_MUST_USE int link_commands_open(struct link *link, char *message, size_t message_size);
/* The numbers were adopted; commands_adopt says so by itself. They are compared again, and what a
 * shard lost is given up. */
void link_adopted(struct link *link);
/* 1: a shard of this boot has lost what it had done, and waits for a restore or an adoption. */
int link_is_lost(struct link *link);
/*
 * Waits until command `sequence` is durable on all shards. 0; -ETIMEDOUT: it is committed and will
 * be done when the data plane is there; -EPERM: refused, nothing was changed (message says why).
 */
SLUICE_MUST_USE int link_command_wait(
    struct link *link, uint64_t sequence, unsigned timeout_ms, char *message, size_t message_size);
/*
 * One question ({"cmd":"account_show",...} or a dry run); `request` is released. 0 with *answer the
 * caller's; -EHOSTDOWN no data plane, -EPERM refused (its sentence in message), -ETIMEDOUT.
 */
SLUICE_MUST_USE int link_ask(struct link *link, json_t *request, unsigned timeout_ms,
    json_t **answer, char *message, size_t message_size);

struct link_report {
	enum link_state state;
	uint64_t boot_id;  /* 0: never connected */
	uint64_t connects; /* since control started */
	uint64_t boots;    /* boot ids seen since control started, the first too */
	uint64_t command_sent, command_done; /* highest */
	uint64_t status_age_ms;
	char message[512]; /* why it is DOWN or REFUSED, and the remedy */
};
void link_report(struct link *link, struct link_report *report);
/* A copy of the data plane's last "status" answer, NULL when there was none. The caller's. */
json_t *link_status(struct link *link);
/* The last "histograms" answer, as above. */
json_t *link_histograms(struct link *link);

#endif
