/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to PostgreSQL. Every wait is bounded and ends when `stop` is set, whatever the
 * server does. Errors leave a message for a person, and `fatal`: waiting will not help, an operator
 * must. After any error the session is to be closed.
 */
#ifndef SLUICE_CONTROL_REPLICATION_SESSION_H
#define SLUICE_CONTROL_REPLICATION_SESSION_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "control/replication/copy.h"
#include "wire/assert.h"

struct session {
	PGconn *conn; /* NULL: closed */
	const _Atomic int *stop;
	/* Called about every 100 ms while the server is waited for; may be NULL. Must not use the
	 * session. Both are kept by session_open. */
	void (*waiting)(void *context);
	void *waiting_context;
	int fatal;
	char message[256];
};

/*
 * `passfile` may be "". A password in `conninfo` is refused. 0; -EHOSTDOWN: not reachable; -EPERM:
 * refused, or this server cannot be used; -ECANCELED: stopped.
 */
SLUICE_MUST_USE int session_open(
    struct session *session, const char *conninfo, const char *passfile, const _Atomic int *stop);
void session_close(struct session *session);

/* A parameter in text form; NULL: null. */
#define SESSION_PARAMS_MAX 32
struct session_params {
	const char *values[SESSION_PARAMS_MAX];
	int count;
	int binary_result;
};

/* One statement. *result (may be NULL) is the caller's to PQclear. 0, -EHOSTDOWN, -EPERM, -EIO,
 * -ECANCELED. */
SLUICE_MUST_USE int session_query(struct session *session, const char *sql,
    const struct session_params *params, PGresult **result);
/* Statements without parameters and results, one transaction unless they say otherwise. */
SLUICE_MUST_USE int session_run(struct session *session, const char *sql);
/* For tests only, set before a session is open: asked before a statement of session_run is sent and
 * after it was carried out; non-zero loses the connection there. NULL otherwise. */
extern int (*session_fault)(const char *sql, int carried_out);
/* COPY ... FROM STDIN (FORMAT BINARY) of all rows of `copy`, which it ends. Nothing when empty. */
SLUICE_MUST_USE int session_copy(struct session *session, const char *sql, struct copy *copy);
/* Rows the last statement changed, -1 when it cannot tell. */
int64_t session_changed(const PGresult *result);

__attribute__((format(printf, 3, 4))) int session_say(
    struct session *session, int error, const char *format, ...);
__attribute__((format(printf, 3, 4))) int session_say_fatal(
    struct session *session, int error, const char *format, ...);

#endif
