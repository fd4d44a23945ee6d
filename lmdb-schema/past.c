/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/past.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lmdb-schema/log.h"
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

/* Names what is wrong: format, then the error. */
struct wrong {
	char *what;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int say(
    const struct wrong *wrong, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (wrong->what != NULL)
		vsnprintf(wrong->what, wrong->size, format, arguments);
	va_end(arguments);
	return error;
}

/* ---- Where a log begins and ends ---- */

static int env_last_lsn(const char *directory, uint64_t first_lsn, uint64_t *last_lsn)
{
	struct db_env *env;
	int error = schema_log_open(&env, directory, first_lsn, 1);

	if (error != 0)
		return error;
	error = log_env_last(env, first_lsn, last_lsn);
	db_env_close(env);
	return error;
}

int log_past_range(const char *shard_directory, uint64_t *first_lsn, uint64_t *last_lsn)
{
	uint64_t *list = NULL;
	int count = schema_log_list(shard_directory, &list), error = 0;

	if (count < 0)
		return count;
	if (count == 0)
		error = -ENOENT;
	else
		*first_lsn = list[0];
	for (int i = 0; i < count && error == 0; i++)
		error = i > 0 && list[i] != *last_lsn + 1
		            ? -EBADMSG
		            : env_last_lsn(shard_directory, list[i], last_lsn);
	free(list);
	return error;
}

/* ---- One generation ---- */

#define SHARD_NAME "history/%u/var/lib/sluice/shard-%u"

/* Rows that were left hold all of their log; and it is what it was when it was left. */
static int log_check(const char *path, uint32_t number, uint32_t shard, uint64_t rows_lsn,
    const struct record_past *left, const struct wrong *wrong)
{
	uint64_t first = 0, last = 0, from, to;
	int error = log_past_range(path, &first, &last);

	if (error == -ENOENT)
		return say(wrong, -EBADMSG, SHARD_NAME ": its log is missing", number, shard);
	if (error != 0)
		return say(wrong, error, SHARD_NAME ": its log %s", number, shard,
		    error == -EBADMSG ? "lacks an environment" : "cannot be read");
	from = left == NULL ? first : le64_get(left->logs[shard].first_lsn);
	to = left == NULL ? rows_lsn : le64_get(left->logs[shard].last_lsn);
	if (first != from || last != to || last != rows_lsn)
		return say(wrong, -EBADMSG,
		    SHARD_NAME ": its log holds LSN %llu to %llu, what was left is %llu to %llu",
		    number, shard, (unsigned long long)first, (unsigned long long)last,
		    (unsigned long long)from, (unsigned long long)to);
	return 0;
}

/* `meta` gets what its rows say, the newest shard's last. */
static int generation_open(struct generation *generation, const char *directory, uint32_t number,
    const struct record_past *left, struct schema_rows_meta *meta, const struct wrong *wrong)
{
	char path[PATH_MAX];
	int error;

	generation->shard_count = 1;
	for (uint32_t i = 0; i < generation->shard_count; i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/" SHARD_NAME, directory, number, i) >=
		    sizeof(path))
			return say(wrong, -ENAMETOOLONG, "the root's path is too long");
		error = schema_rows_meta_read(path, meta);
		if (error != 0)
			return say(wrong, error, SHARD_NAME " %s", number, i,
			    error == -ENOENT ? "is missing, or has no rows" : "cannot be read");
		generation->shard_count = le16_get(meta->identity.shard_count);
		if (generation->shard_count > LIMIT_SHARDS ||
		    (left != NULL && le16_get(left->shard_count) != generation->shard_count))
			return say(wrong, -EBADMSG, SHARD_NAME " is of %u shards, %u were left",
			    number, i, generation->shard_count,
			    left == NULL ? 0u : (unsigned)le16_get(left->shard_count));
		error = log_check(path, number, i, meta->checkpoint_lsn, left, wrong);
		if (error != 0)
			return error;
		error = log_history_open(&generation->shards[i], path, i);
		if (error != 0)
			return say(wrong, error, SHARD_NAME ": its log cannot be read", number, i);
		/* Its checkpoint is its last event. */
		if (meta->checkpoint_lsn > generation->last_lsn)
			generation->last_lsn = meta->checkpoint_lsn;
		memcpy(generation->buckets.shard, meta->identity.bucket_shard, LIMIT_BUCKETS);
	}
	return 0;
}

/* ---- All of them ---- */

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

int log_past_left(const char *directory, struct record_past *left)
{
	uint32_t count = 1;
	int found = 0;

	for (uint32_t i = 0; i < count && i < LIMIT_SHARDS; i++) {
		struct schema_rows_meta meta;
		char path[PATH_MAX];

		if ((size_t)snprintf(path, sizeof(path), "%s/shard-%u", directory, i) >=
		        sizeof(path) ||
		    schema_rows_meta_read(path, &meta) != 0)
			continue; /* who needs them says so */
		count = le16_get(meta.identity.shard_count);
		if (!meta.has_past)
			continue;
		if (found && memcmp(left, &meta.past, sizeof(*left)) != 0)
			return -EBADMSG;
		*left = meta.past;
		found = 1;
	}
	return found;
}

/* From the newest to the oldest: each says what was left before it. */
static int generations_open(struct log_past *past, const char *directory,
    const struct record_past *left, const struct wrong *wrong)
{
	struct record_past before;

	for (uint32_t number = past->count; number > 0; number--) {
		struct schema_rows_meta meta;
		int error;

		if (left != NULL && le16_get(left->generation) != number)
			return say(wrong, -EBADMSG, "history/%u is generation %u of the past",
			    number, (unsigned)le16_get(left->generation));
		error = generation_open(
		    &past->generations[number - 1], directory, number, left, &meta, wrong);
		if (error != 0)
			return error;
		before = meta.past;
		left = meta.has_past ? &before : NULL;
	}
	return left == NULL ? 0
	                    : say(wrong, -EBADMSG, "history/1 is generation %u of the past",
	                          (unsigned)le16_get(left->generation) + 1u);
}

int log_past_open(struct log_past **out, const char *directory, const struct record_past *left,
    char *what, size_t size)
{
	const struct wrong wrong = { what, size };
	uint32_t count = left == NULL ? generations_count(directory) : le16_get(left->generation);
	struct log_past *past;
	int error;

	if (what != NULL && size > 0)
		what[0] = '\0';
	*out = NULL;
	if (count == 0)
		return 0;
	if (count > GENERATIONS_MAX)
		return say(&wrong, -EBADMSG, "there are %u generations, of %u at most", count,
		    GENERATIONS_MAX);
	past = calloc(1, sizeof(*past));
	if (past != NULL)
		past->generations = calloc(count, sizeof(*past->generations));
	if (past == NULL || past->generations == NULL) {
		free(past);
		return say(&wrong, -ENOMEM, "out of memory");
	}
	past->count = count;
	error = generations_open(past, directory, left, &wrong);
	if (error != 0) {
		log_past_close(past);
		return error;
	}
	*out = past;
	return 0;
}

uint32_t log_past_count(const struct log_past *past)
{
	return past == NULL ? 0 : past->count;
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

		for (uint32_t k = 0; k < generation->shard_count; k++) {
			uint64_t first = log_history_first_lsn(generation->shards[k]);

			/* 0: it was there when the past was opened, and is gone. */
			if (first == 0 || first > before + 1)
				return 0;
		}
		before = generation->last_lsn;
	}
	return past != NULL && first_lsn <= before + 1;
}
