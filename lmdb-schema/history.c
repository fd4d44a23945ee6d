/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in the log environments and the rows environment of one shard. Each environment keeps
 * one read transaction, reset between calls. The list of log environments is read again when
 * something is not found: the log may have been rotated or retired since.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lmdb-schema/history.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/schema.h"

/* The chain of one terminal near one id is short; more means it does not lead anywhere. */
#define CHAIN_STEPS_MAX 65536u

struct history_env {
	uint64_t first_lsn;
	struct db_env *env;
	struct db_txn txn;
	struct log_checked checked;
};

struct log_history {
	char *directory;
	struct history_env *envs; /* ascending */
	uint32_t count;
	struct db_env *rows; /* NULL: not asked for yet */
	struct db_txn rows_txn;
	struct log_damage damage;
};

static void env_close(struct history_env *env)
{
	db_read_close(&env->txn);
	db_env_close(env->env);
	log_checked_free(&env->checked);
}

static int damage_note(struct log_history *history, const struct history_env *env, uint64_t lsn)
{
	history->damage.count++;
	history->damage.env_first_lsn = env->first_lsn;
	history->damage.lsn = lsn;
	return -EIO;
}

static int env_open(struct history_env *env, const char *directory, uint64_t first_lsn)
{
	int error;

	memset(env, 0, sizeof(*env));
	env->first_lsn = first_lsn;
	error = schema_log_open(&env->env, directory, first_lsn, 1);
	if (error != 0)
		return error;
	error = db_read_open(&env->txn, env->env);
	if (error != 0)
		db_env_close(env->env);
	return error;
}

/*
 * Takes over what is open already, opens what is new, closes what is retired: the oldest. One that
 * is gone while an older one is there was taken away by somebody, and its requests would look as if
 * they had never been carried out: it stays open, and its file is there as long.
 */
static int refresh(struct log_history *history)
{
	uint64_t *list = NULL;
	int count = schema_log_list(history->directory, &list);
	struct history_env *envs;
	uint32_t old = 0, kept = 0;
	int error, failed = 0;

	if (count < 0)
		return count;
	envs = calloc((size_t)count + history->count + 1, sizeof(*envs));
	if (envs == NULL) {
		free(list);
		return -ENOMEM;
	}
	for (int i = 0; i < count; i++) {
		for (; old < history->count && history->envs[old].first_lsn < list[i]; old++) {
			if (kept > 0)
				envs[kept++] = history->envs[old];
			else
				env_close(&history->envs[old]);
		}
		if (old < history->count && history->envs[old].first_lsn == list[i])
			envs[kept++] = history->envs[old++];
		else if ((error = env_open(&envs[kept], history->directory, list[i])) == 0)
			kept++;
		else if (error != -ENOENT && failed == 0)
			failed = error; /* not retired under our eyes: its events exist */
	}
	for (; old < history->count; old++) {
		if (kept > 0)
			envs[kept++] = history->envs[old];
		else
			env_close(&history->envs[old]);
	}
	free(history->envs);
	free(list);
	history->envs = envs;
	history->count = kept;
	return failed;
}

int log_history_open(struct log_history **out, const char *directory, uint32_t shard)
{
	struct log_history *history = calloc(1, sizeof(*history));
	int error = -ENOMEM;

	(void)shard; /* the directory is the shard's */
	if (history == NULL)
		return error;
	history->directory = strdup(directory);
	if (history->directory != NULL)
		error = refresh(history);
	if (error != 0) {
		log_history_close(history);
		return error;
	}
	*out = history;
	return 0;
}

void log_history_close(struct log_history *history)
{
	if (history == NULL)
		return;
	for (uint32_t i = 0; i < history->count; i++)
		env_close(&history->envs[i]);
	if (history->rows != NULL)
		db_read_close(&history->rows_txn);
	db_env_close(history->rows);
	free(history->envs);
	free(history->directory);
	free(history);
}

/* The event out of the block that should hold it. Its length, -ENOENT, -EIO. */
static int event_from_block(
    const struct db_cursor *cursor, uint64_t lsn, int check, struct event_buffer *event)
{
	struct log_walk walk;
	struct db_bytes found;
	int result;

	if (log_walk_begin(&walk, cursor->key, cursor->value, check) != 0)
		return -EIO;
	while ((result = log_walk_next(&walk, &found)) == 1) {
		if (walk.next_lsn - 1 != lsn)
			continue;
		memcpy(event->bytes, found.data, found.size);
		return (int)found.size;
	}
	return result == 0 ? -ENOENT : -EIO;
}

static int event_in_env(
    struct history_env *env, uint64_t lsn, int check, struct event_buffer *event)
{
	struct db_cursor cursor;
	int result = db_read_begin(&env->txn);

	if (result != 0)
		return -EIO;
	result = db_cursor_open(&cursor, &env->txn, SCHEMA_BLOCK);
	if (result == 0) {
		result = log_block_find(&cursor, lsn);
		if (result == 0)
			result = event_from_block(&cursor, lsn, check, event);
		db_cursor_close(&cursor);
	}
	db_read_end(&env->txn);
	return result >= 0 || result == -ENOENT ? result : -EIO;
}

/* check: its block's checksum too, each time; what may be told of it is money. */
static int event_known(
    struct log_history *history, uint64_t lsn, int check, struct event_buffer *event)
{
	for (uint32_t i = history->count; i-- > 0;) {
		int result;

		if (history->envs[i].first_lsn > lsn)
			continue;
		result = event_in_env(&history->envs[i], lsn, check, event);
		return result == -EIO ? damage_note(history, &history->envs[i], lsn) : result;
	}
	return -ENOENT;
}

int log_history_event(struct log_history *history, uint64_t lsn, struct event_buffer *event)
{
	int result = event_known(history, lsn, 1, event);

	if (result != -ENOENT)
		return result;
	if (refresh(history) != 0)
		return -EIO;
	return event_known(history, lsn, 1, event);
}

typedef int index_find(struct db_txn *txn, struct log_checked *checked, uint64_t terminal_id,
    uint64_t id, uint64_t *lsn);

/* What `find` says of the id in the newest file that has it: 0, -ENOENT or -EIO. */
static int newest_lsn(
    struct log_history *history, index_find *find, uint64_t terminal_id, uint64_t id, uint64_t *lsn)
{
	int error = -ENOENT;

	for (uint32_t i = history->count; i-- > 0 && error == -ENOENT;) {
		struct history_env *env = &history->envs[i];

		env->checked.damaged_lsn = 0;
		error = db_read_begin(&env->txn);
		if (error == 0) {
			error = find(&env->txn, &env->checked, terminal_id, id, lsn);
			db_read_end(&env->txn);
		} else if (error == -ENOENT) {
			error = -EIO;
		}
		if (error != 0 && error != -ENOENT)
			return damage_note(history, env, env->checked.damaged_lsn);
	}
	return error;
}

/* An event that index or chain name: behind the begin of the log it is there, or lost. */
static int event_named(
    struct log_history *history, uint64_t lsn, int check, struct event_buffer *event)
{
	int result = event_known(history, lsn, check, event);

	if (result != -ENOENT || history->count == 0 || lsn < history->envs[0].first_lsn)
		return result;
	for (uint32_t i = history->count; i-- > 0;)
		if (history->envs[i].first_lsn <= lsn)
			return damage_note(history, &history->envs[i], lsn);
	return -EIO;
}

/*
 * Walks back along the terminal's events, from `lsn` on. When an event with id Y was journalled,
 * the terminal's window reached to Y + 63 at most, so behind an event with an id 128 below the
 * wanted one the wanted one cannot be.
 */
static int chain_walk(struct log_history *history, uint64_t terminal_id, uint64_t request_id,
    uint64_t lsn, int check, struct event_buffer *event)
{
	for (uint32_t step = 0; step < CHAIN_STEPS_MAX; step++) {
		struct event_buffer candidate;
		struct event_record record;
		uint64_t previous, id;
		int result = event_named(history, lsn, check, &candidate);

		if (result < 0)
			return result;
		memcpy(&record, candidate.bytes, sizeof(record));
		id = le64_get(record.request_id);
		if (le64_get(record.terminal_id) != terminal_id)
			return -EIO;
		if (id == request_id)
			return event_named(history, lsn, 1, event);
		previous = le64_get(record.prev_terminal_lsn);
		/* An event without an id (TERMINAL_SET) is only passed over; the end of a transfer
		 * that was open over a restart may be of an id long gone by. */
		if (previous == 0 || (id != 0 && le16_get(record.type) != EVENT_TRANSFER_DONE &&
		                         id + 2 * LIMIT_REQUEST_WINDOW <= request_id))
			return -ENOENT;
		if (previous >= lsn)
			return -EIO;
		lsn = previous;
	}
	return -EIO;
}

/* An event of a request that has another one once it is over. */
static int is_begin(const struct event_buffer *event)
{
	struct event_record record;

	memcpy(&record, event->bytes, sizeof(record));
	return le16_get(record.type) == EVENT_TRANSFER_OUT;
}

/*
 * An event that is found tells of itself, so its block alone is checked; the way there, some
 * hundred blocks, only when there is nothing at its end, or what another event may have ended.
 */
static int request_known(struct log_history *history, uint64_t terminal_id, uint64_t request_id,
    struct event_buffer *event)
{
	uint64_t lsn;
	int result = newest_lsn(history, log_index_find, terminal_id, request_id, &lsn);

	if (result < 0)
		return result;
	result = chain_walk(history, terminal_id, request_id, lsn, 0, event);
	if (result > 0 && !is_begin(event))
		return result;
	return chain_walk(history, terminal_id, request_id, lsn, 1, event);
}

int log_history_request(struct log_history *history, uint64_t terminal_id, uint64_t request_id,
    struct event_buffer *event)
{
	int result;

	if (terminal_id == 0 || request_id == 0)
		return -ENOENT;
	result = request_known(history, terminal_id, request_id, event);
	/* What is in no log that is known may be in one begun since, the end of a transfer too. */
	if (result != -ENOENT && !(result > 0 && is_begin(event)))
		return result;
	if (refresh(history) != 0)
		return -EIO;
	return request_known(history, terminal_id, request_id, event);
}

/* ---- Fenced ids ---- */

int log_history_fence(struct log_history *history, uint64_t terminal_id, uint64_t target_id,
    struct event_buffer *event)
{
	struct event_buffer found;
	struct event_record record;
	uint64_t lsn;
	int result;

	if (terminal_id == 0 || target_id == 0)
		return -ENOENT;
	result = newest_lsn(history, log_index_find_fence, terminal_id, target_id, &lsn);
	if (result == -ENOENT)
		result = refresh(history) != 0 ? -EIO
		                               : newest_lsn(history, log_index_find_fence,
		                                     terminal_id, target_id, &lsn);
	if (result == 0)
		result = event_named(history, lsn, 1, &found);
	if (result < 0)
		return result;
	memcpy(&record, found.bytes, sizeof(record));
	if (le16_get(record.type) != EVENT_FENCE || le64_get(record.terminal_id) != terminal_id)
		return -EIO;
	if (le64_get(record.object_id) != target_id)
		return -ENOENT; /* of the top bit's other id */
	memcpy(event->bytes, found.bytes, (size_t)result);
	return result;
}

/* ---- Rows that have retired ---- */

static int rows_open(struct log_history *history)
{
	struct db_env *env;
	uint32_t version;
	int error = schema_rows_open(&env, history->directory, 1);

	if (error != 0)
		return error;
	error = db_read_open(&history->rows_txn, env);
	if (error == 0) {
		error = db_read_begin(&history->rows_txn);
		if (error == 0) {
			error = schema_version_read(&history->rows_txn, &version);
			db_read_end(&history->rows_txn);
		}
		if (error != 0)
			db_read_close(&history->rows_txn);
	}
	if (error != 0) {
		db_env_close(env);
		return error;
	}
	history->rows = env;
	return 0;
}

/* The value under `id` of the closed table, copied out. Its size, -ENOENT, -EAGAIN, -EIO. */
static int closed_get(struct log_history *history, enum schema_row_table closed,
    enum schema_row_table open, uint64_t id, void *out, size_t room)
{
	struct db_key key = db_key_make(id);
	struct db_bytes value;
	int error = 0, result = -EIO;

	if (history->rows == NULL)
		error = rows_open(history);
	if (error == 0)
		error = db_read_begin(&history->rows_txn);
	if (error != 0)
		return error == -ENOENT ? -ENOENT : -EIO;
	error = db_get(&history->rows_txn, closed, db_key(&key), &value);
	if (error == 0 && value.size <= room) {
		memcpy(out, value.data, value.size);
		result = (int)value.size;
	} else if (error == -ENOENT) {
		error = db_get(&history->rows_txn, open, db_key(&key), &value);
		result = error == 0 ? -EAGAIN : error == -ENOENT ? -ENOENT : -EIO;
	}
	db_read_end(&history->rows_txn);
	return result;
}

int log_history_closed_bet(
    struct log_history *history, uint64_t bet_id, struct record_bet_full *bet)
{
	struct record_bet_full bytes;
	int size =
	    closed_get(history, SCHEMA_CLOSED_BET, SCHEMA_BET, bet_id, &bytes, sizeof(bytes));

	if (size < 0)
		return size;
	return record_bet_read((struct db_bytes){ &bytes, (size_t)size }, bet) != 0 ||
	               le64_get(bytes.bet.id) != bet_id
	           ? -EIO
	           : 0;
}

int log_history_closed_object(
    struct log_history *history, uint64_t object_id, struct object_bytes *object)
{
	struct object_bytes bytes;
	int size = closed_get(
	    history, SCHEMA_CLOSED_OBJECT, SCHEMA_OBJECT, object_id, &bytes, sizeof(bytes));

	if (size < 0)
		return size;
	return record_object_read((struct db_bytes){ &bytes, (size_t)size }, object) != 0 ||
	               le64_get(bytes.id) != object_id
	           ? -EIO
	           : 0;
}

int log_history_refresh(struct log_history *history)
{
	return refresh(history);
}

struct log_damage log_history_damage(const struct log_history *history)
{
	return history->damage;
}

uint64_t log_history_first_lsn(const struct log_history *history)
{
	return history->count == 0 ? 0 : history->envs[0].first_lsn;
}
