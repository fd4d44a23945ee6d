/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of which database control is restored, and up to which change.
 *
 * WHICH: with an archive that has one, there are two. One must begin with all the other has, change
 * by change; then it is the newer. If neither does, they are of two histories, and which is wanted
 * nobody can know.
 *
 * HOW FAR: behind a whole transaction only. All changes of one have one time, so a cut by time
 * falls between two. Changes of older programs (in front of change_times) have a time each; there
 * every transaction somebody asked for ends with its entry in the audit log, and only behind one is
 * cut: what came behind it and not later than the cut is left out, and counted.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/from_backup.h"

/* ---- Which ---- */

/* Both from the first change on, as far as both go. Same: the number compared in *common. */
static int changes_compare(struct db_txn *one, struct db_txn *other, uint64_t *common, int *longer)
{
	struct db_cursor left, right;
	int at_left, at_right = -ENOENT;

	*common = 0;
	at_left = db_cursor_open(&left, one, CONTROL_TABLE_CHANGE);
	if (at_left != 0)
		return at_left;
	at_left = db_cursor_open(&right, other, CONTROL_TABLE_CHANGE);
	if (at_left != 0) {
		db_cursor_close(&left);
		return at_left;
	}
	at_left = db_cursor_first(&left);
	at_right = db_cursor_first(&right);
	while (at_left == 0 && at_right == 0 && left.key.size == right.key.size &&
	       memcmp(left.key.data, right.key.data, left.key.size) == 0 &&
	       left.value.size == right.value.size &&
	       memcmp(left.value.data, right.value.data, left.value.size) == 0) {
		++*common;
		at_left = db_cursor_next(&left);
		at_right = db_cursor_next(&right);
	}
	db_cursor_close(&left);
	db_cursor_close(&right);
	if (at_left == 0 && at_right == 0)
		return -ESTALE;
	if ((at_left != 0 && at_left != -ENOENT) || (at_right != 0 && at_right != -ENOENT))
		return at_left != 0 && at_left != -ENOENT ? at_left : at_right;
	*longer = at_right == 0;
	return 0;
}

/* *longer: the archive's goes on where the base's ends. */
static int newer_find(struct db_env *base, struct db_env *archive, uint64_t *common, int *longer)
{
	struct db_txn one, other;
	int error = db_read_open(&one, base);

	if (error != 0)
		return error;
	error = db_read_open(&other, archive);
	if (error == 0) {
		error = db_read_begin(&one);
		if (error == 0)
			error = db_read_begin(&other);
		if (error == 0)
			error = changes_compare(&one, &other, common, longer);
		db_read_close(&other);
	}
	db_read_close(&one);
	return error;
}

/* A backup as its own archive: LMDB opens nothing twice. */
static int is_same(const char *one, const char *other)
{
	struct stat left, right;

	return stat(one, &left) == 0 && stat(other, &right) == 0 && left.st_dev == right.st_dev &&
	       left.st_ino == right.st_ino;
}

/* 0; a path that does not exist gives NULL. */
static int source_open(struct restore *restore, const char *path, struct db_env **env)
{
	int error;

	*env = NULL;
	if (access(path, F_OK) != 0)
		return 0;
	error = control_schema_open(env, path, 1);
	return error == 0 ? 0
	                  : restore_fail(restore, EXIT_MISSING, "%.300s cannot be read: %s", path,
	                        strerror(-error));
}

int backup_control_source(struct restore *restore, struct db_env **out)
{
	const struct from_backup *from = restore->backup;
	char path[PATH_MAX + 64], other[PATH_MAX + 64];
	struct db_env *base, *archive = NULL;
	uint64_t common = 0;
	int error, longer = 0;

	*out = NULL;
	snprintf(path, sizeof(path), "%s/" BACKUP_DATA "/control", from->base.path);
	if (source_open(restore, path, &base) != 0)
		return -1;
	if (from->archive_path[0] != '\0') {
		snprintf(other, sizeof(other), "%s/control", from->archive_path);
		if (!is_same(path, other) && source_open(restore, other, &archive) != 0) {
			db_env_close(base);
			return -1;
		}
	}
	if (base == NULL || archive == NULL) {
		*out = base == NULL ? archive : base;
		return 0;
	}
	error = newer_find(base, archive, &common, &longer);
	*out = longer ? archive : base;
	db_env_close(longer ? base : archive);
	if (error == 0)
		return 0;
	db_env_close(*out);
	*out = NULL;
	return error == -ESTALE
	           ? restore_fail(restore, EXIT_MISMATCH,
	                 "control's databases of backup and --archive are of two histories from "
	                 "change %" PRIu64
	                 " on, as after a restore between them; give the archive of the history "
	                 "wanted, or leave it out",
	                 common + 1)
	           : restore_fail(restore, EXIT_MISMATCH,
	                 "control's databases of backup and --archive cannot be compared behind "
	                 "change %" PRIu64 ": %s",
	                 common, strerror(-error));
}

/* ---- How far ---- */

struct search {
	uint64_t time_max, commands_min;
	uint64_t highest;              /* command seen */
	uint64_t last, time_ns;        /* change seen, and its time */
	uint8_t table;                 /* of it */
	uint64_t whole, whole_highest; /* the last change a transaction is known to end with */
	int end;
};

/* Whether the transaction in front of `change` has ended. */
static int is_whole(
    const struct search *search, const struct control_end *end, uint64_t sequence, uint64_t time_ns)
{
	if (search->last == 0 || sequence == end->timed_from)
		return 1;
	return sequence > end->timed_from ? time_ns != search->time_ns
	                                  : search->table == CONTROL_TABLE_AUDIT;
}

static void change_see(
    struct search *search, struct control_end *end, const struct record_control_change *change)
{
	uint64_t sequence = le64_get(change->sequence), time_ns = le64_get(change->time_ns);
	int later = time_ns > search->time_max;

	if (is_whole(search, end, sequence, time_ns)) {
		search->whole = sequence - 1;
		search->whole_highest = search->highest;
	}
	/* In the middle of an older one: back to where it began. */
	if (later && search->whole_highest >= search->commands_min) {
		search->end = 1;
		end->last = search->whole;
		end->left_out = sequence - 1 - search->whole;
		return;
	}
	search->last = end->last = sequence;
	search->time_ns = time_ns;
	search->table = change->table;
}

static int end_search(struct search *search, struct control_end *end, struct db_cursor *cursor)
{
	int error = db_cursor_first(cursor);

	while (error == 0) {
		struct record_control_change change;
		struct db_bytes key, value;
		uint64_t number;

		error = record_control_change_read(cursor->value, &change, &key, &value);
		if (error == 0 && le64_get(change.sequence) != search->last + 1)
			error = -ENODATA;
		if (error != 0)
			return error;
		change_see(search, end, &change);
		if (search->end)
			return 0;
		if (change.table == CONTROL_TABLE_COMMAND && db_key_number(key, &number) == 0 &&
		    number > search->highest)
			search->highest = number;
		error = db_cursor_next(cursor);
	}
	search->whole_highest = search->highest; /* all of it */
	return error == -ENOENT ? 0 : error;
}

static int timed_from_read(struct db_txn *txn, uint64_t *timed_from)
{
	struct db_bytes value;
	struct le64 first;
	int error = db_get(txn, CONTROL_TABLE_META,
	    (struct db_bytes){ CONTROL_CHANGE_TIMES, strlen(CONTROL_CHANGE_TIMES) }, &value);

	*timed_from = UINT64_MAX;
	if (error == 0 && value.size != sizeof(first))
		error = -EBADMSG;
	if (error != 0)
		return error == -ENOENT ? 0 : error;
	memcpy(&first, value.data, sizeof(first));
	*timed_from = le64_get(first);
	return 0;
}

int backup_control_end(struct restore *restore, struct db_env *source, struct control_end *end)
{
	const struct from_backup *from = restore->backup;
	struct search search = {
		.time_max = from->target == TARGET_LATEST ? UINT64_MAX
		            : from->target == TARGET_TIME ? from->time_ns
		                                          : from->cut_time_ns,
		.commands_min = from->command_sequence,
	};
	struct db_cursor cursor;
	struct db_txn txn;
	int error = db_read_open(&txn, source);

	*end = (struct control_end){ 0 };
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = timed_from_read(&txn, &end->timed_from);
		if (error == 0)
			error = db_cursor_open(&cursor, &txn, CONTROL_TABLE_CHANGE);
		if (error == 0) {
			error = end_search(&search, end, &cursor);
			db_cursor_close(&cursor);
		}
		db_read_close(&txn);
	}
	if (error != 0)
		return restore_fail(restore, EXIT_MISMATCH,
		    "control's changes from %" PRIu64 " on cannot be restored: %s", search.last + 1,
		    error == -ENODATA ? "there is a gap" : strerror(-error));
	if (search.whole_highest < from->command_sequence)
		return restore_fail(restore, EXIT_MISMATCH,
		    "a shard has done command %" PRIu64 ", control's database ends at %" PRIu64
		    "; use a backup whose control's database is newer",
		    from->command_sequence, search.whole_highest);
	return 0;
}
