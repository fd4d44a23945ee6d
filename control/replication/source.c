/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/replication/replication_internal.h"
#include "lmdb-schema/schema.h"

int64_t replication_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void source_path(char path[PATH_MAX], const char *root, uint32_t shard)
{
	snprintf(path, PATH_MAX, "%s/var/lib/sluice/shard-%u", root, shard);
}

static int identity_of(struct db_txn *txn, struct source_identity *identity)
{
	struct record_identity record;
	struct record_checkpoint checkpoint;
	uint32_t version;
	int error = schema_version_read(txn, &version);

	if (error == 0)
		error = schema_identity_read(txn, &record);
	if (error != 0)
		return error;
	identity->shard_count = le16_get(record.shard_count);
	memcpy(identity->buckets, record.bucket_shard, sizeof(identity->buckets));
	identity->incarnation = 0;
	error = schema_checkpoint_read(txn, &checkpoint);
	if (error == 0)
		identity->incarnation = le64_get(checkpoint.incarnation);
	return error == -ENOENT ? 0 : error;
}

int source_identity_read(const char *path, struct source_identity *identity)
{
	struct db_env *env;
	struct db_txn txn;
	int error = schema_rows_open(&env, path, 1);

	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0) {
			error = identity_of(&txn, identity);
			db_read_end(&txn);
		}
		db_read_close(&txn);
	}
	db_env_close(env);
	return error;
}
