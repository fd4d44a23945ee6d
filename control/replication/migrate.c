/* SPDX-License-Identifier: Apache-2.0 */
#include "control/replication/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Nobody else may change the schema at the same time. The number is "sluice" in ASCII. */
static const char begin[] =
    "begin; select pg_advisory_xact_lock(126943972287333);"
    "create schema if not exists sluice;"
    "create table if not exists sluice.migration (version integer primary key,"
    " name text not null, applied timestamptz not null default now())";

static int version_read(struct session *session, int *version)
{
	PGresult *result;
	int error = session_query(
	    session, "select coalesce(max(version), 0) from sluice.migration", NULL, &result);

	if (error != 0)
		return error;
	*version = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return 0;
}

static int apply(struct session *session, const struct migration *migration)
{
	char version[16];
	struct session_params params = { .values = { version, migration->name }, .count = 2 };
	int error = session_run(session, migration->sql);

	snprintf(version, sizeof(version), "%d", migration->version);
	if (error == 0)
		error = session_query(session,
		    "insert into sluice.migration (version, name) values ($1, $2)", &params, NULL);
	return error;
}

/* 1 when the schema is there and needs nothing: a role without rights to create is enough then. */
static int is_current(struct session *session, int *current)
{
	PGresult *result;
	int version, error = session_query(session,
	                 "select to_regclass('sluice.migration') is not null", NULL, &result);

	if (error != 0)
		return error;
	*current = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	if (!*current)
		return 0;
	error = version_read(session, &version);
	*current = version == (int)migration_count;
	return error;
}

int migrate(struct session *session)
{
	int version = 0, current = 0, error = is_current(session, &current);

	if (error != 0 || current)
		return error;
	error = session_run(session, begin);
	if (error == 0)
		error = version_read(session, &version);
	if (error == 0 && version > (int)migration_count)
		error = session_say_fatal(session, -EPERM,
		    "the schema in PostgreSQL has version %d, this program knows %u; install the "
		    "program version that made it, or a newer one",
		    version, migration_count);
	for (unsigned i = (unsigned)version; error == 0 && i < migration_count; i++)
		error = apply(session, &migrations[i]);
	return error != 0 ? error : session_run(session, "commit");
}
