/* SPDX-License-Identifier: Apache-2.0 */
#include "control/replication/session.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS   10000
#define STATEMENT_TIMEOUT_MS 120000 /* ours; the server's own is shorter */
#define WAIT_MS              100    /* between looks at `stop` */
#define COPY_PIECE           (256u << 10)

static const char session_options[] =
    "-c statement_timeout=90s -c lock_timeout=30s -c idle_in_transaction_session_timeout=120s "
    "-c timezone=UTC -c datestyle=ISO -c client_min_messages=warning "
    "-c standard_conforming_strings=on -c search_path=pg_catalog";

__attribute__((format(printf, 2, 0))) static void say(
    struct session *session, const char *format, va_list arguments)
{
	vsnprintf(session->message, sizeof(session->message), format, arguments);
	for (char *c = session->message; *c != '\0'; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	for (size_t i = strlen(session->message); i > 0 && session->message[i - 1] == ' '; i--)
		session->message[i - 1] = '\0';
}

int session_say(struct session *session, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(session, format, arguments);
	va_end(arguments);
	return error;
}

int session_say_fatal(struct session *session, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(session, format, arguments);
	va_end(arguments);
	session->fatal = 1;
	return error;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the socket until `until_ms`. */
static int wait_socket(struct session *session, short events, int64_t until_ms)
{
	struct pollfd socket = { .fd = PQsocket(session->conn), .events = events };

	for (;;) {
		int64_t left = until_ms - monotonic_ms();
		int ready;

		if (atomic_load_explicit(session->stop, memory_order_acquire)) /* R1 */
			return session_say(session, -ECANCELED, "stopped");
		if (left <= 0)
			return session_say(session, -EHOSTDOWN,
			    "PostgreSQL does not answer; check the server and the network");
		ready = poll(&socket, 1, left < WAIT_MS ? (int)left : WAIT_MS);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return session_say(session, -EHOSTDOWN, "poll: %s", strerror(errno));
		if (session->waiting != NULL)
			session->waiting(session->waiting_context);
	}
}

/* What SQLSTATEs mean: those that waiting does not cure need an operator. */
static int error_from(struct session *session, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	static const char *const fatal[] = { "0A", "22", "23", "28", "3D", "3F", "42" };

	if (state == NULL || PQstatus(session->conn) == CONNECTION_BAD)
		return session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(fatal); i++)
		if (strncmp(state, fatal[i], 2) == 0)
			return session_say_fatal(session, -EPERM, "PostgreSQL refuses: %s (%s)",
			    text == NULL ? "" : text, state);
	return session_say(session, -EIO, "PostgreSQL: %s (%s)", text == NULL ? "" : text, state);
}

static int flush_all(struct session *session, int64_t until_ms)
{
	int left, error;

	while ((left = PQflush(session->conn)) == 1) {
		error = wait_socket(session, POLLIN | POLLOUT, until_ms);
		if (error != 0)
			return error;
		if (PQconsumeInput(session->conn) == 0)
			break;
	}
	return left == 0 ? 0
	                 : session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
}

/* The next result of what was sent; NULL when there is none left. */
static int result_next(struct session *session, int64_t until_ms, PGresult **result)
{
	int error = flush_all(session, until_ms);

	while (error == 0 && PQisBusy(session->conn)) {
		error = wait_socket(session, POLLIN, until_ms);
		if (error == 0 && PQconsumeInput(session->conn) == 0)
			error =
			    session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
	}
	if (error == 0)
		*result = PQgetResult(session->conn);
	return error;
}

/* All results of a statement; keeps the last. The first that failed decides. */
static int results(struct session *session, ExecStatusType wanted, PGresult **kept)
{
	int64_t until_ms = monotonic_ms() + STATEMENT_TIMEOUT_MS;
	PGresult *result, *last = NULL;
	int error, failed = 0;

	while ((error = result_next(session, until_ms, &result)) == 0 && result != NULL) {
		ExecStatusType status = PQresultStatus(result);

		if (failed == 0 && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		    status != wanted)
			failed = error_from(session, result);
		PQclear(last);
		last = result;
		if (status == PGRES_COPY_IN)
			break; /* the data comes next */
	}
	if (error == 0)
		error = failed;
	if (error == 0 && kept != NULL)
		*kept = last;
	else
		PQclear(last);
	return error;
}

int session_query(struct session *session, const char *sql, const struct session_params *params,
    PGresult **result)
{
	static const struct session_params none;

	if (params == NULL)
		params = &none;
	if (PQsendQueryParams(session->conn, sql, params->count, NULL, params->values, NULL, NULL,
	        params->binary_result) == 0)
		return session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
	return results(session, PGRES_TUPLES_OK, result);
}

int (*session_fault)(const char *sql, int carried_out);

static int fault(struct session *session, const char *sql, int carried_out)
{
	return session_fault != NULL && session_fault(sql, carried_out)
	           ? session_say(session, -EHOSTDOWN, "the connection was lost (by a test)")
	           : 0;
}

int session_run(struct session *session, const char *sql)
{
	int error = fault(session, sql, 0);

	if (error != 0)
		return error;
	if (PQsendQuery(session->conn, sql) == 0)
		return session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
	error = results(session, PGRES_COMMAND_OK, NULL);
	return error == 0 ? fault(session, sql, 1) : error;
}

static int copy_send(struct session *session, const struct copy *copy)
{
	int64_t until_ms = monotonic_ms() + STATEMENT_TIMEOUT_MS;
	size_t at = 0;

	while (at < copy->size) {
		size_t piece = copy->size - at < COPY_PIECE ? copy->size - at : COPY_PIECE;
		int error,
		    put = PQputCopyData(session->conn, (const char *)copy->bytes + at, (int)piece);

		if (put < 0)
			return session_say(
			    session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
		if (put == 1)
			at += piece;
		error = flush_all(session, until_ms);
		if (error != 0)
			return error;
	}
	while (PQputCopyEnd(session->conn, NULL) == 0) {
		int error = flush_all(session, until_ms);

		if (error != 0)
			return error;
	}
	return 0;
}

int session_copy(struct session *session, const char *sql, struct copy *copy)
{
	PGresult *result = NULL;
	int error;

	if (copy->rows == 0 && !copy->failed)
		return 0;
	if (copy_finish(copy) != 0)
		return session_say(session, -ENOMEM, "out of memory for a batch");
	if (PQsendQuery(session->conn, sql) == 0)
		return session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
	error = results(session, PGRES_COPY_IN, &result);
	if (error == 0 && PQresultStatus(result) != PGRES_COPY_IN)
		error = session_say(session, -EIO, "PostgreSQL does not take COPY");
	PQclear(result);
	result = NULL;
	if (error == 0)
		error = copy_send(session, copy);
	if (error == 0)
		error = results(session, PGRES_COMMAND_OK, &result);
	if (error == 0 && session_changed(result) != (int64_t)copy->rows)
		error = session_say(session, -EIO, "COPY took %lld of %llu rows",
		    (long long)session_changed(result), (unsigned long long)copy->rows);
	PQclear(result);
	return error;
}

int64_t session_changed(const PGresult *result)
{
	/* PQcmdTuples only reads, but wants it writable. */
	union {
		const PGresult *read;
		PGresult *write;
	} pointer = { .read = result };
	const char *text = result == NULL ? "" : PQcmdTuples(pointer.write);
	char *end;
	long long value = strtoll(text, &end, 10);

	return end == text ? -1 : (int64_t)value;
}

/* The server must keep texts as they are, and know what the schema uses. */
static int server_check(struct session *session)
{
	const char *encoding = PQparameterStatus(session->conn, "server_encoding");

	if (PQserverVersion(session->conn) < 140000)
		return session_say_fatal(session, -EPERM,
		    "PostgreSQL %d is too old; 14 or newer is needed",
		    PQserverVersion(session->conn) / 10000);
	if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
		return session_say_fatal(session, -EPERM,
		    "the database's encoding is %s; create it with encoding UTF8",
		    encoding == NULL ? "unknown" : encoding);
	return 0;
}

/* 1 when the connection string holds a password: it would end up in listings and logs. */
static int conninfo_check(struct session *session, const char *conninfo)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &why);
	int error = 0;

	if (options == NULL) {
		error = session_say_fatal(session, -EPERM,
		    "the connection string cannot be read: %s", why == NULL ? "" : why);
		PQfreemem(why);
		return error;
	}
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (strcmp(option->keyword, "password") == 0 && option->val != NULL)
			error = session_say_fatal(session, -EPERM,
			    "the connection string holds a password; put it into the password "
			    "file (replication.password_file) and change it");
	PQconninfoFree(options);
	return error;
}

static int connect_poll(struct session *session)
{
	int64_t until_ms = monotonic_ms() + CONNECT_TIMEOUT_MS;
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		int error = 0;

		if (status == PGRES_POLLING_FAILED)
			return PQconnectionNeedsPassword(session->conn)
			           ? session_say_fatal(session, -EPERM,
			                 "PostgreSQL wants a password; name a password file "
			                 "(replication.password_file) that holds it")
			           : session_say(
			                 session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
		if (status == PGRES_POLLING_READING)
			error = wait_socket(session, POLLIN, until_ms);
		else if (status == PGRES_POLLING_WRITING)
			error = wait_socket(session, POLLOUT, until_ms);
		if (error != 0)
			return error;
		status = PQconnectPoll(session->conn);
	}
	return 0;
}

/* Warnings of the server would go to standard error. */
static void notice_ignore(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

int session_open(
    struct session *session, const char *conninfo, const char *passfile, const _Atomic int *stop)
{
	const char *keys[] = { "dbname", "application_name", "client_encoding", "options",
		"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"passfile", NULL };
	const char *values[] = { conninfo, "sluice-control", "UTF8", session_options, "10", "5",
		"3", "30000", passfile, NULL };
	int error;

	*session = (struct session){ .stop = stop,
		.waiting = session->waiting,
		.waiting_context = session->waiting_context };
	error = conninfo_check(session, conninfo);
	if (error != 0)
		return error;
	if (passfile[0] == '\0')
		keys[8] = NULL;
	session->conn = PQconnectStartParams(keys, values, 1);
	if (session->conn == NULL)
		return session_say(session, -ENOMEM, "out of memory");
	PQsetNoticeReceiver(session->conn, notice_ignore, NULL);
	error = PQstatus(session->conn) == CONNECTION_BAD
	            ? session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn))
	            : connect_poll(session);
	if (error == 0 && PQsetnonblocking(session->conn, 1) != 0)
		error = session_say(session, -EHOSTDOWN, "%s", PQerrorMessage(session->conn));
	if (error == 0)
		error = server_check(session);
	if (error != 0)
		session_close(session);
	return error;
}

void session_close(struct session *session)
{
	if (session->conn != NULL)
		PQfinish(session->conn);
	session->conn = NULL;
}
