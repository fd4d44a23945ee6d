/* SPDX-License-Identifier: Apache-2.0 */
/* Events that came from elsewhere: a restored log, and the journal that begins behind it. */
#include <errno.h>
#include <stdio.h>

#include "dataplane/store/store_internal.h"

static uint64_t applied_lsn(const struct store *store)
{
	return ledger_shard(store->ledger)->lsn;
}

/* Applies the events of one block that are due. 0, -EBADMSG. */
static int block_replay(struct store *store, const struct db_cursor *cursor, uint64_t to_lsn)
{
	struct log_walk walk;
	struct db_bytes event;
	int result = log_walk_begin(&walk, cursor->key, cursor->value, 1);

	if (result != 0)
		return result;
	while (applied_lsn(store) < to_lsn && (result = log_walk_next(&walk, &event)) == 1) {
		uint64_t lsn = walk.next_lsn - 1;

		if (lsn <= applied_lsn(store))
			continue;
		if (lsn != applied_lsn(store) + 1)
			return -EBADMSG;
		result = store_event_apply(store, event.data, event.size);
		if (result != 0)
			return result;
	}
	return result < 0 ? result : 0;
}

static int blocks_replay(struct store *store, struct db_txn *txn, uint64_t to_lsn)
{
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, SCHEMA_BLOCK);

	if (error != 0)
		return error;
	error = log_block_find(&cursor, applied_lsn(store) + 1);
	while (error == 0 && applied_lsn(store) < to_lsn) {
		error = block_replay(store, &cursor, to_lsn);
		if (error == 0)
			error = db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int env_replay(struct store *store, uint64_t first_lsn, uint64_t to_lsn)
{
	struct db_env *env;
	struct db_txn txn;
	int error = schema_log_open(&env, store->directory, first_lsn, 1);

	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0) {
			error = blocks_replay(store, &txn, to_lsn);
			db_read_end(&txn);
		}
		db_read_close(&txn);
	}
	db_env_close(env);
	return error;
}

/*
 * Brings the follower's ledger from the checkpoint to to_lsn by the store's own log. Room that had
 * to be made may have retired environments of the list: it is looked through anew each time.
 */
static int log_replay(struct store *store, uint64_t to_lsn)
{
	const struct log_writer *log = &store->log;

	while (applied_lsn(store) < to_lsn) {
		uint64_t before = applied_lsn(store);
		uint32_t i = 0;
		int error;

		while (i + 1 < log->env_count && log->envs[i + 1].first_lsn <= before + 1)
			i++;
		if (i == log->env_count)
			return -EBADMSG;
		error = env_replay(store, log->envs[i].first_lsn, to_lsn);
		if (error != 0)
			return error;
		if (applied_lsn(store) == before)
			return -EBADMSG;
	}
	return 0;
}

#define SAY(report, ...) snprintf((report)->message, sizeof((report)->message), __VA_ARGS__)

static int log_begin_body(struct db_txn *txn, void *context)
{
	return schema_log_begin_write(txn, context);
}

int store_log_begin_set(struct store *store, uint64_t first_lsn)
{
	struct schema_log_begin begin = { first_lsn, store->incarnation };
	int error;

	/* Without a journal, as of a shard that is being restored, there is nothing to be said. */
	if (begin.incarnation == 0 || memcmp(&begin, &store->log_begin, sizeof(begin)) == 0)
		return 0;
	error = db_write(store->rows, log_begin_body, &begin);
	if (error == 0)
		store->log_begin = begin;
	return error;
}

/* Nothing was retired but what the rows say. Those of another journal, or of an older program, say
 * nothing: what is there is taken, and said from now on. */
static int log_begin_check(struct store *store, uint64_t incarnation, struct store_report *report)
{
	uint64_t first_lsn = store->log.envs[0].first_lsn;

	if (store->log_begin.incarnation != incarnation || first_lsn <= store->log_begin.first_lsn)
		return 0;
	SAY(report,
	    "%s: the log begins with log-%016llx, and nothing was retired behind LSN %llu: the "
	    "oldest log-* directories are missing. Put them back, or restore this shard.",
	    store->directory, (unsigned long long)first_lsn,
	    (unsigned long long)store->log_begin.first_lsn - 1);
	return -EBADMSG;
}

int store_join_journal(
    struct store *store, uint64_t incarnation, uint64_t base_lsn, struct store_report *report)
{
	int error;

	SLUICE_REQUIRE(store->loaded);
	if (base_lsn > store->log.committed_lsn) {
		SAY(report,
		    "%s: the journal begins behind LSN %llu, the log ends at %llu. Restore log and "
		    "journal of the same moment.",
		    store->directory, (unsigned long long)base_lsn,
		    (unsigned long long)store->log.committed_lsn);
		return -EBADMSG;
	}
	if (store->incarnation != 0 && store->incarnation != incarnation &&
	    (incarnation < store->incarnation || store->checkpoint.lsn > base_lsn)) {
		SAY(report,
		    "%s: the journal is not the one these rows came from. Put the right journal "
		    "back, or restore this shard.",
		    store->directory);
		return -EBADMSG;
	}
	error = log_begin_check(store, incarnation, report);
	if (error != 0)
		return error;
	if (applied_lsn(store) < base_lsn) {
		error = log_replay(store, base_lsn);
		if (error != 0) {
			SAY(report,
			    "%s: the log cannot be replayed behind LSN %llu (%s). Restore this "
			    "shard.",
			    store->directory, (unsigned long long)applied_lsn(store),
			    strerror(-error));
			return store_fail(store, error);
		}
	}
	store->incarnation = incarnation;
	/* Of the same journal it says so already. On a full disk the next checkpoint does. */
	error = store->log_begin.incarnation == incarnation
	            ? 0
	            : store_log_begin_set(store, store->log.envs[0].first_lsn);
	if (error != 0 && error != -ENOSPC && error != -EXFULL) {
		SAY(report, "%s/rows: cannot be written (%s).", store->directory, strerror(-error));
		return store_fail(store, error);
	}
	store_publish(store);
	return 0;
}

int store_restore_events(struct store *store, const uint8_t *events, size_t size)
{
	struct event_record record;
	int error = 0;

	SLUICE_REQUIRE(store->loaded);
	if (store->failed != 0)
		return store->failed;
	if (store->log.last_lsn != applied_lsn(store))
		return -EINVAL;
	while (size > 0 && error == 0) {
		size_t length;

		if (size < sizeof(record))
			return store_fail(store, -EBADMSG);
		memcpy(&record, events, sizeof(record));
		length = le16_get(record.length);
		if (length < sizeof(record) || length > size ||
		    le64_get(record.lsn) != applied_lsn(store) + 1)
			return store_fail(store, -EBADMSG);
		error = store_event_apply(store, events, length);
		if (error == 0)
			error = log_writer_append(&store->log, events, length);
		events += length;
		size -= length;
	}
	return error != 0 ? store_fail(store, error) : 0;
}
