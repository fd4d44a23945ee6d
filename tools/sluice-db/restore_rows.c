/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL answers, read: numbers, and whose database it is. */
#include <endian.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/sluice-db/restore.h"

int restore_fail(struct restore *restore, int code, const char *format, ...)
{
	va_list arguments;

	restore->code = code;
	va_start(arguments, format);
	vsnprintf(restore->message, sizeof(restore->message), format, arguments);
	va_end(arguments);
	for (char *c = restore->message; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	return -1;
}

uint64_t restore_u64(const PGresult *result, int row, int column)
{
	uint64_t value = 0;
	int length = PQgetlength(result, row, column);

	if (length > 0 && length <= (int)sizeof(value))
		memcpy((uint8_t *)&value + sizeof(value) - (size_t)length,
		    PQgetvalue(result, row, column), (size_t)length);
	return be64toh(value);
}

#define SCHEMA_KNOWN 3 /* migrations this program understands */

/* So many shards as can be, and no bucket of one beyond them. */
static int map_good(const PGresult *result)
{
	uint64_t shards = restore_u64(result, 0, 1);
	const uint8_t *buckets = (const uint8_t *)PQgetvalue(result, 0, 2);

	if (shards < 1 || shards > LIMIT_SHARDS || PQgetlength(result, 0, 2) != LIMIT_BUCKETS)
		return 0;
	for (unsigned i = 0; i < LIMIT_BUCKETS; i++)
		if (buckets[i] >= shards)
			return 0;
	return 1;
}

int restore_deployment(struct restore *restore)
{
	PGresult *result = restore_query(restore,
	    "select name, shard_count, buckets, (select max(version) from sluice.migration) from "
	    "sluice.deployment",
	    0, NULL);
	int error = 0;

	if (result == NULL)
		return -1;
	if (PQntuples(result) != 1)
		error = restore_fail(
		    restore, EXIT_MISSING, "nothing was replicated into this database");
	else if (restore_u64(result, 0, 3) > SCHEMA_KNOWN)
		error = restore_fail(restore, EXIT_MISMATCH,
		    "the schema in PostgreSQL has version %" PRIu64 ", this program knows %u; use "
		    "the version that made it, or a newer one",
		    restore_u64(result, 0, 3), SCHEMA_KNOWN);
	else if (!map_good(result))
		error = restore_fail(
		    restore, EXIT_MISMATCH, "sluice.deployment is damaged; see its row");
	if (error == 0) {
		snprintf(restore->deployment, sizeof(restore->deployment), "%s",
		    PQgetvalue(result, 0, 0));
		restore->shard_count = (uint32_t)restore_u64(result, 0, 1);
		memcpy(restore->buckets.shard, PQgetvalue(result, 0, 2), LIMIT_BUCKETS);
	}
	PQclear(result);
	return error;
}
