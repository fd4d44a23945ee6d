/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair: log and rows are checked first, then the journal, then all of them together. A journal
 * that is damaged is taken aside and a new one begun behind the last event that can be had: the
 * journal is followed over damaged places as long as the log holds what is missing there. Nothing
 * is changed where it lies: the old directory keeps every byte, under another name.
 *
 *   examine (writes nothing) -> report "begun" -> events of the journal that the log lacks into the
 *   log, state hashes compared -> journal_begin beside it, with a manifest that follows the old one
 *   -> the directories change places -> report "done"
 * Cut short before that the damaged journal is in its place, and it can be run again; behind it,
 * the data plane starts as if restored.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal/manifest.h"
#include "dataplane/journal/segment.h"
#include "dataplane/store/store.h"
#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/repair_check.h"
#include "tools/sluice-db/repair_index.h"

struct repair {
	const struct options *options;
	uint32_t shard;
	char path[PATH_MAX], journal[PATH_MAX + 16], aside[PATH_MAX + 64],
	    report_path[PATH_MAX + 64];
	char when[REPAIR_WHEN_SIZE];
	struct journal_config config;
	struct store_config store;
	struct record_checkpoint checkpoint;
	uint64_t log_lsn;   /* the log ends there */
	uint64_t chain_lsn; /* the journal's valid beginning ends there; 0: not known */
	uint64_t keep_lsn;
	struct journal_report found;
	struct journal_salvage salvage;
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

		error = schema_log_open(&env, repair->path, list[count - 1], 1);
		if (error == 0) {
			error = log_env_last(env, list[count - 1], &repair->log_lsn);
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

/* Over damaged places, where the log holds what is missing. */
static int follow_on(struct repair *repair)
{
	int error = journal_salvage(&repair->config, repair->log_lsn, NULL, NULL, &repair->salvage);

	/* Without journal.meta nothing in the segments can be trusted. */
	if (error != 0 && error != -ENOENT && error != -EBADMSG)
		return error;
	if (repair->found.end.next_lsn != 0)
		repair->chain_lsn = repair->found.cut_lsn;
	repair->keep_lsn = repair->salvage.last_lsn;
	if (repair->salvage.floor_lsn > repair->found.floor_lsn) {
		repair->found.floor_lsn = repair->salvage.floor_lsn;
		repair->found.floor_source = "journal.meta or a batch";
	}
	return 0;
}

/* 0 with repair->error; an exit code when it cannot be told or must not be touched. */
static int examine(struct repair *repair)
{
	int error = rows_read(repair);

	if (error == 0)
		error = log_read(repair);
	if (error != 0)
		return say(repair, EXIT_MISMATCH,
		    "log or rows cannot be read: restore the root (sluice-db backup restore, or "
		    "restore --from-postgres)");
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
		return say(repair, EXIT_MISMATCH,
		    "the journal directory is missing, and with it what only the journal had: put "
		    "it back, or restore the root (sluice-db backup restore with the archive, or "
		    "restore --from-postgres); without either, an empty directory in its place "
		    "lets --cut-damaged-tail go on from what the log has");
	default:
		fprintf(stderr,
		    "sluice-db: shard %u: %s (%s); copy the disk before anything else, and repair "
		    "the copy\n",
		    repair->shard, repair->found.damage, strerror(-repair->error));
		return EXIT_MISMATCH;
	}
	error = follow_on(repair);
	return error == 0 ? 0
	                  : say(repair, EXIT_MISMATCH,
	                        "the journal cannot be read; copy the disk before anything else, "
	                        "and repair the copy");
}

/*
 * What a start does not look at: damage below the checkpoint, whose events the log holds. Without a
 * place the journal is damaged in a way that following it does not show.
 */
static int examine_old(struct repair *repair, const struct verify_found *found)
{
	const struct journal_hole *hole = &repair->salvage.holes[0];
	char name[JOURNAL_NAME_SIZE];

	if (repair->salvage.hole_count == 0)
		return repair_part_tell(repair->options, repair->shard, found, 1);
	journal_segment_name(name, hole->generation);
	snprintf(repair->found.damage, sizeof(repair->found.damage),
	    "%s offset %" PRIu64 ": %.100s; a start does not need it, the log has its events", name,
	    hole->offset, found->damage.what);
	repair->found.damage_generation = hole->generation;
	repair->found.damage_offset = hole->offset;
	repair->found.damage_lsn = hole->from_lsn;
	repair->error = -EBADMSG;
	return 0;
}

/* What was acknowledged and cannot be had. Not known: the journal says nothing at all. */
static int loss_known(const struct repair *repair)
{
	return repair->found.end.next_lsn != 0 || repair->salvage.seen_lsn != 0;
}

static int loses(const struct repair *repair)
{
	return !loss_known(repair) || repair->found.floor_lsn > repair->keep_lsn;
}

/* ---- Report ---- */

static json_t *report_json(const struct repair *repair, const char *state)
{
	const struct journal_report *found = &repair->found;
	json_t *lost = json_null(), *holes = json_array(), *json;

	for (uint32_t i = 0; i < repair->salvage.hole_count && i < JOURNAL_HOLES_MAX; i++) {
		const struct journal_hole *hole = &repair->salvage.holes[i];

		json_array_append_new(holes,
		    json_pack("{s:I, s:I, s:I, s:I}", "segment", (json_int_t)hole->generation,
		        "offset", (json_int_t)hole->offset, "from_lsn", (json_int_t)hole->from_lsn,
		        "to_lsn", (json_int_t)hole->to_lsn));
	}
	if (loses(repair))
		lost = json_pack("{s:I, s:o}", "from_lsn", (json_int_t)repair->keep_lsn + 1,
		    "to_lsn",
		    loss_known(repair) ? json_integer((json_int_t)found->floor_lsn) : json_null());
	json = json_pack(
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
	json_object_set_new(json, "log_fills", holes);
	return json;
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
	if (repair->salvage.hole_count > 0)
		printf("  the log holds what is damaged in %u place(s); the journal goes on behind "
		       "the last to LSN %" PRIu64 "\n",
		    repair->salvage.hole_count, repair->salvage.seen_lsn);
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

static int follow(void *context, const struct journal_batch *batch)
{
	return store_apply_batch(context, batch);
}

/*
 * Events the journal has and the log lacks. The rows are brought to the log's end by the log, so no
 * damaged place is in the way; then each batch must come to the state its header says, which also
 * proves that it goes on from this log. Nothing is written before all of them have.
 */
static int log_complete(struct repair *repair)
{
	struct journal_identity identity;
	struct journal_salvage found = { 0 };
	struct store_report report;
	struct store *store = NULL;
	int error = backup_ledger_size(repair->path, repair->keep_lsn,
	    repair->store.ledger.shard_count, &repair->store.ledger);

	if (error == 0)
		error = store_open(&store, &repair->store, &report);
	if (error == 0)
		error = store_load(store, &report);
	if (error == 0)
		error = journal_identity_read(&repair->config, &identity);
	if (error == 0)
		error = store_join_journal(store, identity.incarnation, repair->log_lsn, &report);
	if (error == 0)
		error = journal_salvage(&repair->config, repair->log_lsn, follow, store, &found);
	if (error == 0 && found.last_lsn != repair->keep_lsn)
		error = -EBADMSG;
	if (error == 0)
		error = store_commit(store);
	if (error == 0)
		error = store_checkpoint_now(store);
	store_close(store);
	return error;
}

/* The seals go on: the new manifest names the chain of the old one. */
static void seals_follow(struct repair *repair, const char *fresh)
{
	struct journal_manifest manifest;
	int old = open(repair->journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int new = open(fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int known = old >= 0 && journal_manifest_read(old, repair->shard, repair->found.incarnation,
	                            &manifest, NULL, 0) == 0;

	if (new >= 0 && journal_manifest_begin(new, repair->shard, repair->incarnation, 1,
	                    known ? manifest.chain : NULL) != 0)
		(void)say(repair, 0, "the manifest could not be begun; the next start does it");
	if (old >= 0)
		close(old);
	if (new >= 0)
		close(new);
}

/* The new journal is made beside the old one, and they change places in one step. */
static int replace(struct repair *repair)
{
	struct journal_config config = repair->config;
	uint64_t above = le64_get(repair->checkpoint.incarnation);
	char message[256] = "", fresh[PATH_MAX + 32];
	int error;

	if (repair->found.incarnation > above)
		above = repair->found.incarnation;
	snprintf(fresh, sizeof(fresh), "%s/journal-rebuild", repair->path);
	error = tree_remove(fresh);
	config.directory = fresh;
	/* Without any event the next start makes a new journal of an empty directory. */
	if (error == 0)
		error = repair->keep_lsn == 0 ? directories_make(fresh)
		                              : journal_begin(&config, repair->keep_lsn, above,
		                                    &repair->incarnation, message, sizeof(message));
	if (error != 0)
		return say(repair, EXIT_MISMATCH,
		    message[0] != '\0' ? message : "the new journal cannot be made");
	if (repair->keep_lsn != 0)
		seals_follow(repair, fresh);
	if (repair_exchange(repair->path, fresh, repair->aside, repair->journal) != 0)
		return say(
		    repair, EXIT_MISMATCH, "the journal could not be moved aside; it is as it was");
	return EXIT_DONE;
}

static int carry_out(struct repair *repair)
{
	int code;

	if (report_write(repair, "begun") != 0)
		return say(repair, EXIT_MISMATCH, "the report cannot be written; nothing was done");
	if (repair->keep_lsn > repair->log_lsn && log_complete(repair) != 0)
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

struct others {
	const struct options *options;
	struct damage missing;
};

static int others_run(void *shared)
{
	struct others *others = shared;

	return root_shards_check(others->options, &others->missing);
}

/* The journal is one a start takes: whether all is well, or what is not. */
static int repair_whole(struct repair *repair)
{
	static const char all[] = "nothing is damaged: journal, log and rows of this shard were "
	                          "checked against each other";
	struct others others = { .options = repair->options };
	struct verify_found found;

	repair_check(repair->path, repair->shard, 0, &found);
	if (found.damage.what[0] != '\0' && found.part == VERIFY_READING)
		return examine_old(repair, &found);
	if (found.damage.what[0] != '\0')
		return repair_part_tell(repair->options, repair->shard, &found, 1);
	if (repair_guarded(others_run, &others, sizeof(others)) == 0)
		return say(repair, EXIT_MISMATCH, all);
	damage_note(&others.missing, 0,
	    "rows of another shard cannot be read: run repair for each of them");
	fprintf(
	    stderr, "sluice-db: shard %u: %s; but %s\n", repair->shard, all, others.missing.what);
	return EXIT_MISMATCH;
}

static int repair_journal(struct repair *repair)
{
	const struct options *options = repair->options;
	int code = examine(repair);

	if (code == EXIT_DONE && repair->error == 0)
		code = repair_whole(repair);
	if (code != EXIT_DONE)
		return code;
	if (!options->cut_damaged_tail) {
		tell(repair, "examined");
		return say(repair, EXIT_MISMATCH,
		    "the journal is damaged, log and rows are whole; nothing was done; "
		    "--cut-damaged-tail does it, after you have looked for a backup or PostgreSQL "
		    "that has more");
	}
	if (loses(repair) && !options->yes_lose_acknowledged) {
		tell(repair, "examined");
		return say(repair, EXIT_MISMATCH,
		    "nothing was done: acknowledged events would be lost; say so with "
		    "--yes-lose-acknowledged, or restore from a backup or PostgreSQL");
	}
	return carry_out(repair);
}

/* Log and rows first: only what they hold can be kept when the journal is damaged too. */
static int repair_shard(struct repair *repair)
{
	const struct options *options = repair->options;
	struct verify_found found;
	int mendable;

	repair_check(repair->path, repair->shard, 1, &found);
	if (found.damage.what[0] != '\0') {
		mendable = found.part == VERIFY_ROWS || found.part == VERIFY_LOG_END;
		if (options->rebuild_rows && mendable && found.first_lsn == 1)
			return repair_rows(options, repair->shard, repair->path, &found);
		return repair_part_tell(options, repair->shard, &found, 0);
	}
	if (options->rebuild_rows)
		return say(repair, EXIT_MISMATCH,
		    "the rows agree with the log; nothing was done (without --rebuild-rows the "
		    "journal is looked at too)");
	return repair_journal(repair);
}

static void names_make(struct repair *repair)
{
	static const struct repair_name names[] = { { "journal.damaged-", "" },
		{ "repair-", ".json" } };

	repair_when_make(repair->when, repair->path, names, SLUICE_ARRAY_COUNT(names));
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
	names_make(repair);
	code = options->rebuild_index ? repair_index(options, repair->shard, repair->path)
	                              : repair_shard(repair);
	free(repair);
	close(lock);
	return code;
}
