/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/past.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lmdb-schema/schema.h"
#include "wire/ids.h"

#define GENERATIONS_MAX 64

struct generation {
	struct log_history *shards[LIMIT_SHARDS];
	uint32_t shard_count;
	struct ids_bucket_map buckets;
	uint64_t last_lsn; /* the highest of its shards: what came after it begins behind */
};

struct log_past {
	uint32_t count;
	struct generation *generations; /* oldest first */
};

static int generation_open(struct generation *generation, const char *directory, uint32_t number)
{
	struct schema_rows_meta meta;
	char path[PATH_MAX];
	int error;

	generation->shard_count = 1;
	for (uint32_t i = 0; i < generation->shard_count; i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/history/%u/var/lib/sluice/shard-%u",
		        directory, number, i) >= sizeof(path))
			return -ENAMETOOLONG;
		error = schema_rows_meta_read(path, &meta);
		if (error == 0)
			error = log_history_open(&generation->shards[i], path, i);
		if (error != 0)
			return error;
		/* Its checkpoint is its last event: rows that were left hold all of their log. */
		if (meta.checkpoint_lsn > generation->last_lsn)
			generation->last_lsn = meta.checkpoint_lsn;
		generation->shard_count = le16_get(meta.identity.shard_count);
		if (generation->shard_count > LIMIT_SHARDS)
			return -EBADMSG;
		memcpy(generation->buckets.shard, meta.identity.bucket_shard, LIMIT_BUCKETS);
	}
	return 0;
}

static uint32_t generations_count(const char *directory)
{
	uint32_t count = 0;

	for (; count < GENERATIONS_MAX; count++) {
		char path[PATH_MAX];
		struct stat status;

		if ((size_t)snprintf(path, sizeof(path), "%s/history/%u", directory, count + 1) >=
		        sizeof(path) ||
		    stat(path, &status) != 0)
			break;
	}
	return count;
}

int log_past_open(struct log_past **out, const char *directory)
{
	uint32_t count = generations_count(directory);
	struct log_past *past;

	if (count == 0) {
		*out = NULL;
		return 0;
	}
	past = calloc(1, sizeof(*past));
	if (past != NULL)
		past->generations = calloc(count, sizeof(*past->generations));
	if (past == NULL || past->generations == NULL) {
		free(past);
		return -ENOMEM;
	}
	for (; past->count < count; past->count++) {
		int error =
		    generation_open(&past->generations[past->count], directory, past->count + 1);

		if (error != 0) {
			past->count++;
			log_past_close(past);
			return error;
		}
	}
	*out = past;
	return 0;
}

void log_past_close(struct log_past *past)
{
	if (past == NULL)
		return;
	for (uint32_t i = 0; i < past->count; i++)
		for (uint32_t k = 0; k < LIMIT_SHARDS; k++)
			log_history_close(past->generations[i].shards[k]);
	free(past->generations);
	free(past);
}

int log_past_request(struct log_past *past, uint64_t terminal_id, uint64_t request_id,
    struct event_buffer *event, uint8_t *shard)
{
	for (uint32_t i = past == NULL ? 0 : past->count; i-- > 0;) {
		struct generation *generation = &past->generations[i];

		for (uint32_t k = 0; k < generation->shard_count; k++) {
			int length = log_history_request(
			    generation->shards[k], terminal_id, request_id, event);

			if (length == -ENOENT)
				continue;
			*shard = (uint8_t)k;
			return length;
		}
	}
	return -ENOENT;
}

int log_past_event(
    struct log_past *past, uint64_t account_id, uint64_t lsn, struct event_buffer *event)
{
	for (uint32_t i = past == NULL ? 0 : past->count; i-- > 0;) {
		struct generation *generation = &past->generations[i];
		uint32_t shard = generation->buckets.shard[ids_bucket_of_key(account_id)];
		uint64_t first = shard < generation->shard_count
		                     ? log_history_first_lsn(generation->shards[shard])
		                     : 0;

		if (first != 0 && first <= lsn)
			return log_history_event(generation->shards[shard], lsn, event);
	}
	return -ENOENT;
}

int log_past_fence(struct log_past *past, uint64_t terminal_id, uint64_t target_id,
    struct event_buffer *event, uint8_t *shard)
{
	for (uint32_t i = past == NULL ? 0 : past->count; i-- > 0;) {
		struct generation *generation = &past->generations[i];

		for (uint32_t k = 0; k < generation->shard_count; k++) {
			int length =
			    log_history_fence(generation->shards[k], terminal_id, target_id, event);

			if (length == -ENOENT)
				continue;
			*shard = (uint8_t)k;
			return length;
		}
	}
	return -ENOENT;
}

int log_past_reaches(const struct log_past *past, uint64_t first_lsn)
{
	uint64_t before = 0; /* everything up to here is held */

	for (uint32_t i = 0; i < (past == NULL ? 0 : past->count); i++) {
		const struct generation *generation = &past->generations[i];

		for (uint32_t k = 0; k < generation->shard_count; k++)
			if (log_history_first_lsn(generation->shards[k]) > before + 1)
				return 0;
		before = generation->last_lsn;
	}
	return past != NULL && first_lsn <= before + 1;
}
