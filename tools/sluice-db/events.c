/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files are, and all events of a shard in order. Reads only; the data plane may run. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/db.h"

#define LSN_UNKNOWN UINT64_MAX
#define REOPEN_MAX  16 /* of the journal, when its oldest segment is gone */

void shard_path(const struct options *options, uint32_t shard, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/var/lib/sluice/shard-%u", options->root, shard);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

int shards_find_in(const char *directory, int shard, uint32_t shards[LIMIT_SHARDS])
{
	struct dirent *entry;
	int count = 0;
	DIR *stream = opendir(directory);

	if (stream == NULL)
		return -errno;
	while ((entry = readdir(stream)) != NULL) {
		unsigned number;
		char rest;

		if (sscanf(entry->d_name, "shard-%u%c", &number, &rest) != 1 ||
		    number >= LIMIT_SHARDS || count == LIMIT_SHARDS)
			continue;
		if (shard < 0 || (uint32_t)shard == number)
			shards[count++] = number;
	}
	closedir(stream);
	if (count > 1)
		qsort(shards, (size_t)count, sizeof(*shards), compare_numbers);
	return count == 0 ? -ENOENT : count;
}

int shards_find(const struct options *options, uint32_t shards[LIMIT_SHARDS])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/var/lib/sluice", options->root);
	return shards_find_in(path, options->shard, shards);
}

void damage_note(struct damage *damage, uint64_t lsn, const char *format, ...)
{
	va_list arguments;

	if (damage->what[0] != '\0')
		return; /* the first one counts */
	damage->lsn = lsn;
	va_start(arguments, format);
	vsnprintf(damage->what, sizeof(damage->what), format, arguments);
	va_end(arguments);
}

int events_open(struct events *events, const char *path, uint32_t shard, struct damage *damage)
{
	memset(events, 0, sizeof(*events));
	snprintf(events->path, sizeof(events->path), "%s", path);
	events->shard = shard;
	events->damage = damage;
	events->block = malloc(LIMIT_LOG_BLOCK_SIZE);
	events->env_count = schema_log_list(path, &events->first_lsns);
	if (events->block == NULL || events->env_count < 0) {
		int error = events->env_count < 0 ? events->env_count : -ENOMEM;

		events->env_count = 0;
		damage_note(damage, 0, "log cannot be listed: %s", strerror(-error));
		events_close(events);
		return error;
	}
	events->log_last_lsn = LSN_UNKNOWN;
	events->next_lsn = events->env_count > 0 ? events->first_lsns[0] : 1;
	events->first_lsn = events->next_lsn;
	return 0;
}

static void env_leave(struct events *events)
{
	db_read_close(&events->txn);
	db_env_close(events->env);
	events->env = NULL;
}

void events_close(struct events *events)
{
	env_leave(events);
	journal_reader_close(events->reader);
	free(events->first_lsns);
	free(events->block);
	events->first_lsns = NULL;
	events->block = NULL;
	events->reader = NULL;
}

/* Copies the block that holds next_lsn. 0; -ENOENT: this environment ends before it. */
static int block_copy(struct events *events)
{
	struct db_cursor cursor;
	struct db_bytes key, value, skipped;
	struct db_key first;
	int error = db_read_begin(&events->txn);

	if (error != 0)
		return error;
	error = db_cursor_open(&cursor, &events->txn, SCHEMA_BLOCK);
	if (error == 0) {
		error = log_block_find(&cursor, events->next_lsn);
		if (error == 0 && (cursor.value.size > LIMIT_LOG_BLOCK_SIZE ||
		                      db_key_number(cursor.key, &events->block_first) != 0))
			error = -EBADMSG;
		if (error == 0) {
			value = (struct db_bytes){ events->block, cursor.value.size };
			memcpy(events->block, cursor.value.data, cursor.value.size);
		}
		db_cursor_close(&cursor);
	}
	if ((error == 0 || error == -ENOENT) &&
	    log_last_lsn(&events->txn, &events->env_last_lsn) != 0)
		events->env_last_lsn = 0;
	db_read_end(&events->txn);
	if (error != 0)
		return error;
	first = db_key_make(events->block_first);
	key = db_key(&first);
	error = log_walk_begin(&events->walk, key, value, 1);
	while (error == 0 && events->walk.next_lsn < events->next_lsn && events->walk.left > 0) {
		int result = log_walk_next(&events->walk, &skipped);

		error = result < 0 ? result : 0;
	}
	/* The last block there is, and all of it seen. */
	return error == 0 && events->walk.left == 0 ? -ENOENT : error;
}

/* Moves to the next block of the log. 0; -ENOENT: the log is used up. */
static int log_advance(struct events *events)
{
	while (events->env_at < events->env_count) {
		int error = 0;

		if (events->env == NULL) {
			error = schema_log_open(
			    &events->env, events->path, events->first_lsns[events->env_at], 1);
			if (error == 0)
				error = db_read_open(&events->txn, events->env);
		}
		if (error == 0)
			error = block_copy(events);
		if (error != -ENOENT)
			return error;
		/* Nothing holds next_lsn. At the end of the log that is so, before it it is not. */
		if (events->env != NULL && events->env_last_lsn >= events->next_lsn) {
			damage_note(events->damage, events->next_lsn,
			    "log: gap; the event is missing, the log goes on to LSN %llu",
			    (unsigned long long)events->env_last_lsn);
			return -EBADMSG;
		}
		events->walk = (struct log_walk){ 0 };
		env_leave(events);
		events->env_at++;
		if (events->env_at < events->env_count &&
		    events->first_lsns[events->env_at] != events->next_lsn) {
			damage_note(events->damage, events->next_lsn,
			    "log: gap; the next environment begins at LSN %llu: put the log-* "
			    "directory between back, or restore this shard",
			    (unsigned long long)events->first_lsns[events->env_at]);
			return -EBADMSG;
		}
	}
	return -ENOENT;
}

static int from_log(struct events *events, struct db_bytes *event)
{
	for (;;) {
		int result = 0;

		if (events->walk.at != NULL)
			result = log_walk_next(&events->walk, event);
		if (result == 0) {
			events->walk = (struct log_walk){ 0 };
			result = log_advance(events);
			if (result == -ENOENT)
				return 0;
			if (result == 0)
				continue;
		}
		if (result < 0) {
			damage_note(events->damage, events->next_lsn,
			    "log: block damaged (%s) in log-%016llx: put it back, or restore this "
			    "shard",
			    strerror(-result),
			    (unsigned long long)events->first_lsns[events->env_at]);
			return -EBADMSG;
		}
		events->next_lsn++;
		return 1;
	}
}

static int journal_open(struct events *events)
{
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory,
		.shard = events->shard,
		.allow_volatile = 1,
	};
	struct journal_identity identity;
	int error;

	snprintf(directory, sizeof(directory), "%s/journal", events->path);
	error = journal_identity_read(&config, &identity);
	if (error == 0) {
		events->journal_base = identity.base_lsn;
		error = journal_reader_open(&events->reader, &config);
	}
	if (error == -ENOENT)
		return 0;
	/* From the beginning of the segments: their chain is checked as far as it goes back. */
	if (error == 0)
		return 0;
	damage_note(events->damage, events->next_lsn,
	    "journal: cannot be opened (%s): journal.meta is damaged, or cannot be read; sluice-db "
	    "repair says what log and journal still hold",
	    strerror(-error));
	return -EBADMSG;
}

/*
 * The reader met something that is no batch. Above everything known durable it is the end: recovery
 * would cut there. What lies behind it may prove that it was durable: then it is damage, unless a
 * running data plane wrote it since (it is read once more), or recycled the segment under us (then
 * reading begins again at the oldest). 1 again, 0 end, -EBADMSG.
 */
static int journal_end(struct events *events, int result, const char *why)
{
	struct journal_position oldest = { 0 };
	uint64_t at = events->batches == 0 ? events->next_lsn : events->batch_last_lsn + 1;
	/* A journal that was used begins with a valid batch, whatever was recycled. */
	int headless = events->batches == 0 && at > events->journal_base + 1;
	uint64_t newest, floor = 0;

	if (result == 0 || result == -EBADMSG) {
		int error = journal_reader_floor(events->reader, &floor);

		if (error != 0) {
			damage_note(
			    events->damage, at, "journal: cannot be read (%s)", strerror(-error));
			return -EBADMSG;
		}
		if (floor > events->durable_floor)
			events->durable_floor = floor;
		if (at > events->durable_floor && !headless)
			return 0;
		if (events->doubted_lsn != at) {
			events->doubted_lsn = at;
			return 1;
		}
	}
	if (events->batches > 0 &&
	    journal_reader_range(events->reader, &oldest.generation, &newest) == 0 &&
	    oldest.generation > events->batch.generation) {
		journal_reader_seek_position(events->reader, &oldest);
		events->batches = 0;
		return 1;
	}
	/* Its oldest segment may have been used again before it was read: then it is another one.
	 */
	if (headless && events->reopened++ < REOPEN_MAX) {
		journal_reader_close(events->reader);
		events->reader = NULL;
		return journal_open(events) != 0 || events->reader == NULL ? -EBADMSG : 1;
	}
	damage_note(events->damage, at,
	    "journal: %s%s; sluice-db repair says what log and journal still hold",
	    headless ? "its oldest segment does not begin with a valid batch: " : "",
	    why[0] != '\0' ? why : strerror(-result));
	return -EBADMSG;
}

/*
 * The journal goes on behind a gap. While its older segments were read, a running data plane may
 * have taken what is missing into the log and used its segment again. 0: the log has it, and is
 * read on.
 */
static int log_resume(struct events *events)
{
	uint64_t *list = NULL, last = 0;
	int count = schema_log_list(events->path, &list), at = 0, error;
	struct db_env *env;

	if (count <= 0 || list[0] > events->next_lsn) {
		free(list);
		return -ENOENT;
	}
	while (at + 1 < count && list[at + 1] <= events->next_lsn)
		at++;
	error = schema_log_open(&env, events->path, list[at], 1);
	if (error == 0) {
		error = log_env_last(env, list[at], &last);
		db_env_close(env);
	}
	if (error != 0 || last < events->next_lsn) {
		free(list);
		return -ENOENT;
	}
	free(events->first_lsns);
	events->first_lsns = list;
	events->env_count = count;
	events->env_at = at;
	events->walk = (struct log_walk){ 0 };
	events->log_last_lsn = LSN_UNKNOWN;
	events->batches = events->batch_left = 0;
	journal_reader_close(events->reader);
	events->reader = NULL;
	return 0;
}

/* The next batch that reaches past what the log holds. 1, 0 at the end, -EBADMSG; -EAGAIN: the log
 * goes on. */
static int journal_advance(struct events *events)
{
	const struct journal_batch_header *header = &events->batch.header;

	for (;;) {
		const char *why = "";
		int result = journal_reader_next(events->reader, &events->batch, &why);
		uint64_t first, last;

		if (result != 1) {
			result = journal_end(events, result, why);
			if (result != 1)
				return result;
			continue;
		}
		first = le64_get(header->first_lsn);
		last = first + le32_get(header->event_count) - 1;
		if (le64_get(header->durable_through) > events->durable_floor)
			events->durable_floor = le64_get(header->durable_through);
		events->batches++;
		events->batch_last_lsn = last;
		events->batch_state_hash = le64_get(header->state_hash);
		if (last < events->next_lsn)
			continue;
		if (first > events->next_lsn) {
			if (log_resume(events) == 0)
				return -EAGAIN;
			damage_note(events->damage, events->next_lsn,
			    "gap between log and journal: the next batch begins at LSN %llu",
			    (unsigned long long)first);
			return -EBADMSG;
		}
		events->batch_at = events->batch.events;
		events->batch_left = le32_get(header->body_length);
		return 1;
	}
}

static int from_journal(struct events *events, struct db_bytes *event)
{
	for (;;) {
		struct event_record record;
		size_t length;

		if (events->batch_left == 0) {
			int result = journal_advance(events);

			if (result != 1)
				return result;
		}
		if (events->batch_left < sizeof(record))
			break;
		memcpy(&record, events->batch_at, sizeof(record));
		length = le16_get(record.length);
		if (length < sizeof(record) || length > events->batch_left)
			break;
		*event = (struct db_bytes){ events->batch_at, length };
		events->batch_at += length;
		events->batch_left -= (uint32_t)length;
		if (le64_get(record.lsn) < events->next_lsn)
			continue; /* in the log already */
		events->next_lsn++;
		return 1;
	}
	damage_note(events->damage, events->next_lsn, "journal: event length wrong");
	return -EBADMSG;
}

/* The log first, then the journal behind it. -EAGAIN: the log again. */
static int next_once(struct events *events, struct db_bytes *event)
{
	int result;

	if (events->log_last_lsn == LSN_UNKNOWN) {
		result = from_log(events, event);
		if (result != 0)
			return result;
		events->log_last_lsn = events->next_lsn - 1;
		events->durable_floor = events->log_last_lsn;
		result = events->log_only ? 0 : journal_open(events);
		if (result != 0)
			return result;
	}
	return events->reader == NULL ? 0 : from_journal(events, event);
}

int events_next(struct events *events, struct db_bytes *event)
{
	int result;

	do {
		result = next_once(events, event);
	} while (result == -EAGAIN);
	return result;
}

size_t events_rest(const struct events *events)
{
	return events->walk.at != NULL ? (size_t)(events->walk.end - events->walk.at)
	                               : events->batch_left;
}
