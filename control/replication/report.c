/* SPDX-License-Identifier: Apache-2.0 */
/* Reports out of PostgreSQL, over a connection of their own. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/replication_internal.h"

static json_int_t number_at(const PGresult *result, int row, int column)
{
	return (json_int_t)strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/* The columns by their names; all are numbers. */
static json_t *rows_json(const PGresult *result)
{
	json_t *list = json_array();

	for (int row = 0; row < PQntuples(result); row++) {
		json_t *object = json_object();

		for (int column = 0; column < PQnfields(result); column++)
			json_object_set_new(object, PQfname(result, column),
			    json_integer(number_at(result, row, column)));
		json_array_append_new(list, object);
	}
	return list;
}

/* How much of the period is in PostgreSQL: the newest event it has. */
static int through_read(struct session *session, json_int_t *through_ns)
{
	PGresult *result;
	int error = session_query(session,
	    "select coalesce((extract(epoch from max(time)) * 1000000)::bigint * 1000, 0) from "
	    "sluice.transactions",
	    NULL, &result);

	if (error != 0)
		return error;
	*through_ns = number_at(result, 0, 0);
	PQclear(result);
	return 0;
}

/* The connection, how far PostgreSQL is, and one question. *result is cleared by the caller. */
static int report_ask(const struct control_config *config, const _Atomic int *stop,
    const char *question, const struct session_params *params, PGresult **result,
    json_int_t *through_ns, char *message, size_t message_size)
{
	struct session session = { .stop = stop };
	int error = session_open(
	    &session, config->replication.connection, config->replication.password_file, stop);

	if (error == 0)
		error = through_read(&session, through_ns);
	if (error == 0)
		error = session_query(&session, question, params, result);
	if (error != 0)
		snprintf(message, message_size, "%s",
		    session.message[0] != '\0' ? session.message : strerror(-error));
	session_close(&session);
	return error == 0 || error == -EHOSTDOWN ? error : -EPERM;
}

int report_partners_run(const struct control_config *config, uint64_t from_ns, uint64_t to_ns,
    const _Atomic int *stop, json_t **out, char *message, size_t message_size)
{
	char texts[2][32];
	struct session_params params = { .values = { texts[0], texts[1] }, .count = 2 };
	json_int_t through_ns = 0;
	PGresult *result = NULL;
	int error;

	snprintf(texts[0], sizeof(texts[0]), "%" PRIu64, from_ns / 1000);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, to_ns / 1000);
	error = report_ask(config, stop,
	    "select * from sluice.partner_report("
	    "'epoch'::timestamptz + $1::bigint * '1 microsecond'::interval, "
	    "'epoch'::timestamptz + $2::bigint * '1 microsecond'::interval)",
	    &params, &result, &through_ns, message, message_size);
	if (error != 0)
		return error;
	*out = json_pack("{s:o, s:I, s:I, s:I}", "partners", rows_json(result), "from_ns",
	    (json_int_t)from_ns, "to_ns", (json_int_t)to_ns, "replicated_through_ns", through_ns);
	PQclear(result);
	return 0;
}

/* What the accounts in `rows` owe together: one sum for each currency, by currency. */
static json_t *sums_json(json_t *rows)
{
	json_int_t sums[1000] = { 0 }, accounts[1000] = { 0 };
	json_t *list = json_array(), *row;
	size_t index;

	json_array_foreach(rows, index, row)
	{
		json_int_t currency = json_integer_value(json_object_get(row, "currency"));

		if (currency < 0 || currency > 999)
			continue; /* no event has one */
		sums[currency] += json_integer_value(json_object_get(row, "owed"));
		accounts[currency]++;
	}
	for (int currency = 0; currency < 1000; currency++)
		if (accounts[currency] > 0)
			json_array_append_new(
			    list, json_pack("{s:i, s:I, s:I}", "currency", currency, "accounts",
			              accounts[currency], "owed", sums[currency]));
	return list;
}

int report_receivables_run(const struct control_config *config, int64_t partner,
    const _Atomic int *stop, json_t **out, char *message, size_t message_size)
{
	char text[32];
	struct session_params params = { .values = { text }, .count = 1 };
	json_int_t through_ns = 0;
	PGresult *result = NULL;
	json_t *rows;
	int error;

	snprintf(text, sizeof(text), "%" PRId64, partner);
	error = report_ask(config, stop,
	    "select r.account, coalesce(a.partner, 0) as partner, r.currency, r.owed "
	    "from sluice.receivables r left join sluice.accounts a on a.id = r.account "
	    "where r.owed > 0 and $1::bigint in (-1, coalesce(a.partner, 0)) order by r.account",
	    &params, &result, &through_ns, message, message_size);
	if (error != 0)
		return error;
	rows = rows_json(result);
	PQclear(result);
	*out = json_pack("{s:o, s:o, s:I}", "receivables", rows, "sums", sums_json(rows),
	    "replicated_through_ns", through_ns);
	return 0;
}
