/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server of the ops socket (verbs.h). One thread per connection, bounded; peer credentials give the
 * role: root, control's own user and members of access.admin_group are admin, and so on; nobody
 * else is let in, but is told which group to join. Every verb with VERB_CHANGES is audited by its
 * handler in the change's own transaction; a refusal of one, for want of a role or by its handler,
 * by audit_note here.
 */
#ifndef SLUICE_CONTROL_OPS_H
#define SLUICE_CONTROL_OPS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/config/config.h"
#include "control/ops-socket/verbs.h"

struct ops;

struct ops_caller {
	uint32_t uid;
	enum verb_role role;
	char user[64]; /* "kim (operator)" */
};

struct ops_request {
	const struct verb *verb;
	const struct ops_caller *caller;
	json_t *arguments; /* checked against the verb's table: types, ranges, required */
	int dry_run;
	/* uid, user, action, outcome "done" and an object ("market 12") are filled in; all live
	 * until the handler returns. */
	struct audit_entry audit;
};

/*
 * Does one verb. 0 with *result (a new reference, an object), or the exit status for sluicectl
 * (1 refused, 2 usage, 3 unreachable) with `message` saying what, where and the remedy.
 */
typedef int ops_handler(void *context, struct ops_request *request, json_t **result, char *message,
    size_t message_size);

struct ops_config {
	const char *path;
	const struct control_config *config;
	ops_handler *const *handlers; /* by verb_index; none is NULL, local verbs apart */
	void *context;
	struct database *database; /* for refusals in the audit log */
	/* A client may be silent this long between lines, and take this long for a line or to take
	 * an answer; 0: a minute, 10 s. */
	uint32_t idle_timeout_ms, line_timeout_ms;
};
/*
 * Binds and serves. 0, or -errno with `message` (-EADDRINUSE: another sluice-control is there).
 * Strings and arrays of `config` stay the caller's and must live until ops_stop; config->config is
 * copied.
 */
SLUICE_MUST_USE int ops_start(
    struct ops **out, const struct ops_config *config, char *message, size_t message_size);
/* Other groups and clients_max, from the next connection on. */
void ops_reload(struct ops *ops, const struct control_config *config);
/*
 * Lets nobody in any more, lets handlers that run end and their answers go out, joins all threads,
 * removes the socket. A handler that waits must be told to end by its owner first. NULL is fine.
 */
void ops_stop(struct ops *ops);

/* Arguments of a checked request; the fallback when it was not given. */
int64_t ops_number(const struct ops_request *request, const char *name, int64_t fallback);
const char *ops_text(const struct ops_request *request, const char *name, const char *fallback);
int ops_switch(const struct ops_request *request, const char *name);

#endif
