/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair: a journal that recovery refuses is taken aside and a new one begun behind the last event
 * that can be had, from the log or from the journal's valid beginning, whichever goes further.
 * Nothing is changed where it lies: the old directory keeps every byte, under another name.
 *
 *   examine (writes nothing) -> report "begun" -> events of the journal that the log lacks into the
 *   log -> rename of the directory -> journal_begin -> manifest that follows the old one ->
 *   report "done"
 * Cut short before the rename it can be run again; behind it, the data plane starts as if restored,
 * or (no journal.meta yet) refuses, and `repair` is run again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/journal/manifest.h"
#include "dataplane/store/rows.h"
#include "dataplane/store/store.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/repair_index.h"

#define ROOM_MAX ((1u << 30) - 1)

struct repair {
	const struct options *options;
	uint32_t shard;
	char path[PATH_MAX], journal[PATH_MAX + 16], aside[PATH_MAX + 64],
	    report_path[PATH_MAX + 64];
	char when[24];
	struct journal_config config;
	struct store_config store;
	struct record_checkpoint checkpoint;
	uint64_t counts[LEDGER_TABLE_COUNT];
	uint64_t log_lsn;   /* the log ends there */
	uint64_t chain_lsn; /* the journal's valid beginning ends there; 0: not known */
	uint64_t keep_lsn;
	struct journal_report found;
	int error;            /* of the examination: 0 nothing is damaged */
	uint64_t incarnation; /* new */
};

static int say(const struct repair *repair, int code, const char *text)
{
	fprintf(stderr, "sluice-db: shard %u: %s\n", repair->shard, text);
	return code;
}

/* ---- What is there ---- */

static int rows_read(struct repair *repair)
{
	struct record_identity identity;
	struct db_env *env;
	struct db_txn txn;
	int error = schema_rows_open(&env, repair->path, 1);

	if (error != 0)
		return error;
	error = db_read_open(&txn, env);
	if (error == 0) {
		error = db_read_begin(&txn);
		if (error == 0)
			error = schema_identity_read(&txn, &identity);
		if (error == 0 && schema_checkpoint_read(&txn, &repair->checkpoint) != 0)
			memset(&repair->checkpoint, 0, sizeof(repair->checkpoint));
		for (unsigned i = 0; i < LEDGER_TABLE_COUNT && error == 0; i++)
			error =
			    db_count(&txn, rows_table((enum ledger_table)i), &repair->counts[i]);
		db_read_close(&txn);
	}
	db_env_close(env);
	if (error != 0)
		return error;
	repair->store = (struct store_config){ .directory = repair->path,
		.shard = repair->shard,
		.ledger = {
		    .shard = repair->shard, .shard_count = le16_get(identity.shard_count) } };
	memcpy(repair->store.ledger.buckets.shard, identity.bucket_shard, LIMIT_BUCKETS);
	return 0;
}

/* Where the log ends: its newest environment that holds anything, or the name of the newest. */
static int log_read(struct repair *repair)
{
	uint64_t *list = NULL;
	int count = schema_log_list(repair->path, &list), error = 0;

	if (count < 0)
		return count;
	repair->log_lsn = count == 0 ? 0 : list[count - 1] - 1;
	if (count > 0) {
		struct db_env *env;
		struct db_txn txn;

		error = schema_log_open(&env, repair->path, list[count - 1], 1);
		if (error == 0) {
			error = db_read_open(&txn, env);
			if (error == 0) {
				error = db_read_begin(&txn);
				if (error == 0)
					error = log_last_lsn(&txn, &repair->log_lsn);
				if (error == -ENOENT)
					error = 0;
				db_read_close(&txn);
			}
			db_env_close(env);
		}
	}
	free(list);
	return error;
}

static int pass_over(void *context, const struct journal_batch *batch)
{
	(void)context, (void)batch;
	return 0;
}

static uint64_t from_lsn(const struct repair *repair)
{
	struct journal_identity identity = { 0 };
	uint64_t checkpoint = le64_get(repair->checkpoint.begin_lsn);

	if (journal_identity_read(&repair->config, &identity) == 0 &&
	    identity.base_lsn > checkpoint)
		checkpoint = identity.base_lsn;
	return checkpoint + 1;
}

/* 0 with repair->error; an exit code when it cannot be told or must not be touched. */
static int examine(struct repair *repair)
{
	int error = rows_read(repair);

	if (error == 0)
		error = log_read(repair);
	if (error != 0)
		return say(repair, EXIT_MISMATCH,
		    "log or rows cannot be read, and only what they hold could be kept: restore "
		    "this shard (sluice-db backup restore, or restore --from-postgres)");
	repair->error = journal_inspect(
	    &repair->config, from_lsn(repair), repair->log_lsn, pass_over, NULL, &repair->found);
	switch (repair->error) {
	case 0:
	case -EBADMSG:
		break;
	case -EBUSY:
		return say(repair, EXIT_MISMATCH,
		    "a process uses this journal: stop the data plane first");
	case -EPROTO:
		return say(repair, EXIT_MISMATCH, repair->found.damage);
	case -ENOENT:
		return say(repair, EXIT_MISSING, "there is no journal here");
	default:
		fprintf(stderr,
		    "sluice-db: shard %u: %s (%s); copy the disk before anything else, and repair "
		    "the copy\n",
		    repair->shard, repair->found.damage, strerror(-repair->error));
		return EXIT_MISMATCH;
	}
	/* A chain that begins behind the log's end is of no use. */
	if (repair->found.end.next_lsn != 0)
		repair->chain_lsn = repair->found.cut_lsn;
	repair->keep_lsn =
	    repair->chain_lsn > repair->log_lsn ? repair->chain_lsn : repair->log_lsn;
	return 0;
}

/* What was acknowledged and cannot be had. Not known: the journal says nothing at all. */
static int loss_known(const struct repair *repair)
{
	return repair->found.end.next_lsn != 0;
}

static int loses(const struct repair *repair)
{
	return !loss_known(repair) || repair->found.floor_lsn > repair->keep_lsn;
}

/* ---- Report ---- */

static json_t *report_json(const struct repair *repair, const char *state)
{
	const struct journal_report *found = &repair->found;
	json_t *lost = json_null();

	if (loses(repair))
		lost = json_pack("{s:I, s:o}", "from_lsn", (json_int_t)repair->keep_lsn + 1,
		    "to_lsn",
		    loss_known(repair) ? json_integer((json_int_t)found->floor_lsn) : json_null());
	return json_pack(
	    "{s:s, s:s, s:i, s:s, s:s, s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:s, s:o, s:{s:I, "
	    "s:I, s:I}, s:I, s:s}",
	    "schema", "sluice-db.repair/1", "state", state, "shard", (int)repair->shard, "time",
	    repair->when, "damage", found->damage, "place", "segment",
	    (json_int_t)found->damage_generation, "offset", (json_int_t)found->damage_offset, "lsn",
	    (json_int_t)found->damage_lsn, "journal_valid_to_lsn", (json_int_t)repair->chain_lsn,
	    "log_to_lsn", (json_int_t)repair->log_lsn, "kept_to_lsn", (json_int_t)repair->keep_lsn,
	    "acknowledged_to_lsn", (json_int_t)found->floor_lsn, "acknowledged_says",
	    found->floor_source == NULL ? "" : found->floor_source, "acknowledged_lost", lost,
	    "behind_the_damage", "intact_batches", (json_int_t)found->batches_discarded, "bytes",
	    (json_int_t)found->bytes_discarded, "to_lsn", (json_int_t)found->discarded_lsn,
	    "incarnation", (json_int_t)repair->incarnation, "original_kept_in", repair->aside);
}

static int report_write(const struct repair *repair, const char *state)
{
	return repair_report_write(repair->report_path, report_json(repair, state));
}

static void tell(const struct repair *repair, const char *state)
{
	const struct journal_report *found = &repair->found;
	json_t *json;

	if (repair->options->json) {
		json = report_json(repair, state);
		json_dumpf(json, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(json);
		return;
	}
	printf("shard %u: %s\n", repair->shard, found->damage);
	printf("  kept: events up to LSN %" PRIu64 " (the log has them to %" PRIu64
	       ", the journal's valid beginning to %" PRIu64 ")\n",
	    repair->keep_lsn, repair->log_lsn, repair->chain_lsn);
	if (!loses(repair))
		printf("  lost: nothing that was acknowledged\n");
	else if (loss_known(repair))
		printf("  LOST: acknowledged events, LSN %" PRIu64 " to %" PRIu64 "\n",
		    repair->keep_lsn + 1, found->floor_lsn);
	else
		printf("  LOST: acknowledged events from LSN %" PRIu64
		       " on, if there were any: the journal does not say\n",
		    repair->keep_lsn + 1);
	printf("  behind the damage: %" PRIu64 " intact batches up to LSN %" PRIu64 "\n",
	    found->batches_discarded, found->discarded_lsn);
}

/* ---- Doing it ---- */

static uint32_t room(uint64_t rows, uint64_t more, uint32_t most)
{
	return rows + more > most ? most : (uint32_t)(rows + more);
}

static int follow(void *context, const struct journal_batch *batch)
{
	return store_apply_batch(context, batch);
}

/* Events the journal has and the log lacks: the way recovery would take them. */
static int log_complete(struct repair *repair)
{
	struct ledger_config *ledger = &repair->store.ledger;
	uint64_t more = 4 * (repair->chain_lsn - le64_get(repair->checkpoint.begin_lsn)) + 65536;
	struct journal_identity identity;
	struct journal_report found;
	struct store_report report;
	struct store *store;
	int error;

	ledger->accounts_max = room(repair->counts[LEDGER_ACCOUNT], more, ROOM_MAX);
	ledger->bets_max = room(repair->counts[LEDGER_BET], more, ROOM_MAX);
	ledger->markets_max = room(repair->counts[LEDGER_MARKET], more, ROOM_MAX / 4);
	ledger->terminals_max = room(repair->counts[LEDGER_TERMINAL], more, ROOM_MAX);
	ledger->objects_max = room(repair->counts[LEDGER_OBJECT], more, ROOM_MAX);
	error = store_open(&store, &repair->store, &report);
	if (error == 0)
		error = store_load(store, &report);
	else
		store = NULL;
	if (error == 0)
		error = journal_identity_read(&repair->config, &identity);
	if (error == 0)
		error = store_join_journal(store, identity.incarnation, identity.base_lsn, &report);
	if (error == 0) {
		error = journal_inspect(
		    &repair->config, from_lsn(repair), repair->log_lsn, follow, store, &found);
		/* The damage is still there; what counts is that all in front of it was taken. */
		error = error == -EBADMSG && found.cut_lsn == repair->chain_lsn ? 0 : -EBADMSG;
	}
	if (error == 0)
		error = store_commit(store);
	if (error == 0)
		error = store_checkpoint_now(store);
	store_close(store);
	return error;
}

static int directory_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

/* The seals go on: the new manifest names the chain of the old one. */
static void seals_follow(struct repair *repair, uint64_t old_incarnation)
{
	struct journal_manifest manifest;
	int old = open(repair->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int new = open(repair->journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int known = old >= 0 && journal_manifest_read(
	                            old, repair->shard, old_incarnation, &manifest, NULL, 0) == 0;

	if (new >= 0 && journal_manifest_begin(new, repair->shard, repair->incarnation, 1,
	                    known ? manifest.chain : NULL) != 0)
		(void)say(repair, 0, "the manifest could not be begun; the next start does it");
	if (old >= 0)
		close(old);
	if (new >= 0)
		close(new);
}

static int replace(struct repair *repair)
{
	uint64_t above = le64_get(repair->checkpoint.incarnation);
	char message[256] = "";
	int error;

	if (repair->found.incarnation > above)
		above = repair->found.incarnation;
	if (renameat2(AT_FDCWD, repair->journal, AT_FDCWD, repair->aside, RENAME_NOREPLACE) != 0 ||
	    (error = directory_sync(repair->path)) != 0)
		return say(repair, EXIT_MISMATCH, "the journal could not be moved aside");
	if (repair->keep_lsn == 0)
		return EXIT_DONE; /* no event at all: the next start makes a new journal */
	error = journal_begin(&repair->config, repair->keep_lsn, above, &repair->incarnation,
	    message, sizeof(message));
	if (error != 0)
		return say(repair, EXIT_MISMATCH, message);
	seals_follow(repair, repair->found.incarnation);
	return EXIT_DONE;
}

static int carry_out(struct repair *repair)
{
	int code;

	if (report_write(repair, "begun") != 0)
		return say(repair, EXIT_MISMATCH, "the report cannot be written; nothing was done");
	if (repair->chain_lsn > repair->log_lsn && log_complete(repair) != 0)
		return say(repair, EXIT_MISMATCH,
		    "the journal's valid events could not be taken into the log; the journal is "
		    "as it was");
	code = replace(repair);
	if (code == EXIT_DONE && report_write(repair, "done") != 0)
		code = say(repair, EXIT_MISMATCH, "done, but the report could not be completed");
	if (code == EXIT_DONE)
		tell(repair, "done");
	if (code == EXIT_DONE && !repair->options->json)
		printf("  done; the original is %s, the report %s\n  next: sluice-db verify; with "
		       "replication, compare PostgreSQL's position: it may hold more\n",
		    repair->aside, repair->report_path);
	return code;
}

static int repair_shard(struct repair *repair)
{
	const struct options *options = repair->options;
	struct damage missing = { 0 };
	struct tm utc;
	time_t now = time(NULL);
	int code;

	gmtime_r(&now, &utc);
	(void)strftime(repair->when, sizeof(repair->when), "%Y%m%dT%H%M%SZ", &utc);
	snprintf(repair->journal, sizeof(repair->journal), "%s/journal", repair->path);
	snprintf(repair->aside, sizeof(repair->aside), "%s/journal.damaged-%s", repair->path,
	    repair->when);
	snprintf(repair->report_path, sizeof(repair->report_path), "%s/repair-%s.json",
	    repair->path, repair->when);
	repair->config = (struct journal_config){ .directory = repair->journal,
		.shard = repair->shard,
		.segment_size = LIMIT_JOURNAL_SEGMENT_SIZE_MIN,
		.segments_ready = 1,
		.segments_max = 2,
		.depth = 1,
		.allow_volatile = 1 };
	code = examine(repair);
	if (code != EXIT_DONE)
		return code;
	if (repair->error == 0 && root_shards_check(options, &missing) != 0) {
		fprintf(
		    stderr, "sluice-db: shard %u is whole, but %s\n", repair->shard, missing.what);
		return EXIT_MISMATCH;
	}
	if (repair->error == 0)
		return say(repair, EXIT_MISMATCH,
		    repair_index_damaged(repair->path) > 0
		        ? "the journal is whole; the log's index of requests is damaged: "
		          "--rebuild-index makes it anew from the log's events"
		        : "nothing is damaged: the data plane starts on it as it is");
	if (!options->cut_damaged_tail) {
		tell(repair, "examined");
		return say(repair, EXIT_MISMATCH,
		    "nothing was done; --cut-damaged-tail does it, after you have looked for a "
		    "backup or PostgreSQL that has more");
	}
	if (loses(repair) && !options->yes_lose_acknowledged) {
		tell(repair, "examined");
		return say(repair, EXIT_MISMATCH,
		    "nothing was done: acknowledged events would be lost; say so with "
		    "--yes-lose-acknowledged, or restore from a backup or PostgreSQL");
	}
	return carry_out(repair);
}

/* The lock of a running data plane; -1: held by one. */
static int process_lock(const struct options *options)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/run/sluice/dataplane.pid", options->root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return -1;
}

int command_repair(const struct options *options)
{
	uint32_t shards[LIMIT_SHARDS];
	int count = shards_find(options, shards), code, lock;
	struct repair *repair;

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		return EXIT_MISSING;
	}
	if (count != 1) {
		fprintf(stderr, "sluice-db: repair one shard at a time: --shard N\n");
		return EXIT_USAGE;
	}
	lock = process_lock(options);
	if (lock < 0) {
		fprintf(stderr,
		    "sluice-db: a data plane runs under %s: stop it first; nothing was done\n",
		    options->root);
		return EXIT_MISMATCH;
	}
	repair = calloc(1, sizeof(*repair));
	if (repair == NULL) {
		close(lock);
		return EXIT_MISSING;
	}
	repair->options = options;
	repair->shard = shards[0];
	shard_path(options, repair->shard, repair->path);
	code = options->rebuild_index ? repair_index(options, repair->shard, repair->path)
	                              : repair_shard(repair);
	free(repair);
	close(lock);
	return code;
}
