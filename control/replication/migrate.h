/* SPDX-License-Identifier: Apache-2.0 */
/* The schema in PostgreSQL: made and brought up to date in one transaction. */
#ifndef SLUICE_CONTROL_REPLICATION_MIGRATE_H
#define SLUICE_CONTROL_REPLICATION_MIGRATE_H

#include "control/replication/session.h"

struct migration {
	int version;
	const char *name, *sql;
};
/* Made from migrations/ when building. */
extern const struct migration migrations[];
extern const unsigned migration_count;

/* Applies what is missing. 0; -EPERM: the schema is newer than this program's; others. */
SLUICE_MUST_USE int migrate(struct session *session);

#endif
