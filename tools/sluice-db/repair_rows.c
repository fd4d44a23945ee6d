/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair --rebuild-rows: damaged rows made anew by playing the whole log, beside the shard, proven
 * there as `verify` proves a shard, and put in their place in one step.
 *
 *   report "begun" -> rows-rebuild/: links to log and journal, new rows -> proof -> the new rows
 *   take the name rows.damaged-TIME -> the two names are exchanged -> report "done"
 * Cut short before the exchange the damaged rows are where they were, and it can be run again;
 * after it the new ones are in use. Nothing of the old rows is ever written or removed.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/store/store.h"
#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/repair_check.h"
#include "tools/sluice-db/repair_index.h"

struct rows_repair {
	const struct options *options;
	const struct verify_found *damaged;
	uint32_t shard;
	const char *path;
	char building[PATH_MAX + 16], aside[PATH_MAX + 64], report_path[PATH_MAX + 64];
	char when[REPAIR_WHEN_SIZE];
	struct store_config config;
	uint64_t incarnation;
	uint8_t had_rows; /* there is something to be put aside */
};

static int say(const struct rows_repair *repair, const char *text)
{
	fprintf(stderr, "sluice-db: shard %u: %s\n", repair->shard, text);
	return EXIT_MISMATCH;
}

/* ---- Which shard of how many ---- */

struct identity {
	const char *path;
	struct schema_rows_meta meta;
};

static int identity_run(void *shared)
{
	struct identity *identity = shared;

	return schema_rows_meta_read(identity->path, &identity->meta);
}

static int is_alone(const struct options *options)
{
	struct schema_made_shard made[LIMIT_SHARDS];
	char data[PATH_MAX];
	int known;

	snprintf(data, sizeof(data), "%s/var/lib/sluice", options->root);
	known = schema_made_read(data, made, LIMIT_SHARDS);
	for (uint32_t shard = 1; shard < LIMIT_SHARDS && known == 1; shard++)
		if (made[shard].incarnation != 0)
			return 0;
	return known >= 0;
}

/*
 * As its own rows say, else those of another shard; without any there is one shard, which has all,
 * unless the mark beside the shards knows of more. 0; -EPROTO another version wrote them; -ENOENT
 * it cannot be told.
 */
static int identity_find(struct rows_repair *repair)
{
	struct ledger_config *ledger = &repair->config.ledger;
	struct options all = *repair->options;
	uint32_t shards[LIMIT_SHARDS];
	int count;

	all.shard = -1;
	count = shards_find(&all, shards);
	ledger->shard = repair->shard;
	for (int i = -1; i < count; i++) {
		struct identity identity = { 0 };
		char path[PATH_MAX];
		int error;

		shard_path(&all, i < 0 ? repair->shard : shards[i], path);
		identity.path = path;
		error = repair_guarded(identity_run, &identity, sizeof(identity));
		if (error == -EPROTO && i < 0)
			return error;
		if (error != 0)
			continue;
		ledger->shard_count = le16_get(identity.meta.identity.shard_count);
		memcpy(ledger->buckets.shard, identity.meta.identity.bucket_shard, LIMIT_BUCKETS);
		return repair->shard < ledger->shard_count ? 0 : -ENOENT;
	}
	if (count != 1 || repair->shard != 0 || !is_alone(&all))
		return -ENOENT;
	ledger->shard_count = 1;
	ids_bucket_map_default(&ledger->buckets, 1);
	return 0;
}

/* ---- Report ---- */

static json_t *report_json(const struct rows_repair *repair, const char *state)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:I, s:s}", "schema", "sluice-db.repair-rows/1",
	    "state", state, "shard", (int)repair->shard, "time", repair->when, "damage",
	    repair->damaged->damage.what, "made_to_lsn", (json_int_t)repair->damaged->last_lsn,
	    "original_kept_in", repair->had_rows ? repair->aside : "");
}

static int report_write(const struct rows_repair *repair, const char *state)
{
	return repair_report_write(repair->report_path, report_json(repair, state));
}

/* ---- Building ---- */

/* A directory that looks like the shard, but for its rows. */
static int links_make(const struct rows_repair *repair)
{
	char to[PATH_MAX + 300], name[PATH_MAX + 300];
	DIR *directory;
	struct dirent *entry;
	int error = tree_remove(repair->building);

	if (error == 0 && mkdir(repair->building, 0750) != 0)
		error = -errno;
	directory = error == 0 ? opendir(repair->path) : NULL;
	if (error == 0 && directory == NULL)
		error = -errno;
	while (error == 0 && (entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, "log-", 4) != 0 && strcmp(entry->d_name, "journal") != 0)
			continue;
		snprintf(to, sizeof(to), "../%s", entry->d_name);
		snprintf(name, sizeof(name), "%s/%s", repair->building, entry->d_name);
		if (symlink(to, name) != 0)
			error = -errno;
	}
	if (directory != NULL)
		closedir(directory);
	return error;
}

/* New rows by every event of the log, and a checkpoint at its end. The log is only read. */
static int rows_make(struct rows_repair *repair)
{
	struct store_report report = { 0 };
	struct store *store = NULL;
	int error = backup_ledger_size(repair->building, repair->damaged->last_lsn,
	    repair->config.ledger.shard_count, &repair->config.ledger);

	repair->config.directory = repair->building;
	repair->config.shard = repair->shard;
	if (error == 0)
		error = store_open(&store, &repair->config, &report);
	if (error == 0)
		error = store_load(store, &report);
	if (error == 0)
		error = store_join_journal(
		    store, repair->incarnation, repair->damaged->last_lsn, &report);
	if (error == 0)
		error = store_checkpoint_now(store);
	store_close(store);
	if (error != 0)
		fprintf(stderr, "sluice-db: shard %u: the new rows cannot be made (%s); %s\n",
		    repair->shard, strerror(-error),
		    report.message[0] != '\0' ? report.message : "the old ones are as they were");
	return error;
}

/* ---- Doing it ---- */

static int put_in_place(const struct rows_repair *repair)
{
	char fresh[PATH_MAX + 32], rows[PATH_MAX + 8];

	snprintf(fresh, sizeof(fresh), "%s/rows", repair->building);
	snprintf(rows, sizeof(rows), "%s/rows", repair->path);
	return repair_exchange(repair->path, fresh, repair->aside, rows);
}

static int carry_out(struct rows_repair *repair)
{
	struct verify_found proof;

	if (report_write(repair, "begun") != 0)
		return say(repair, "the report cannot be written; nothing was done");
	if (links_make(repair) != 0)
		return say(repair, "there is no room to make rows beside the old ones; nothing was "
		                   "done");
	if (rows_make(repair) != 0)
		return EXIT_MISMATCH;
	repair_check(repair->building, repair->shard, 0, &proof);
	if (proof.damage.what[0] != '\0') {
		fprintf(stderr,
		    "sluice-db: shard %u: the rows made anew do not agree with log and journal: "
		    "LSN %" PRIu64 ": %s; the old ones are as they were: restore the root "
		    "(sluice-db backup restore, or restore --from-postgres)\n",
		    repair->shard, proof.damage.lsn, proof.damage.what);
		return EXIT_MISMATCH;
	}
	if (put_in_place(repair) != 0)
		return say(
		    repair, "the rows could not be moved aside; the old ones are as they were");
	(void)tree_remove(repair->building);
	return report_write(repair, "done") == 0
	           ? EXIT_DONE
	           : say(repair, "done, but the report could not be completed");
}

static void tell(const struct rows_repair *repair)
{
	if (repair->options->json) {
		json_t *json = report_json(repair, "done");

		json_dumpf(json, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(json);
		return;
	}
	printf("shard %u: rows made anew from %" PRIu64 " events of the log, and proven against "
	       "log and journal\n  the damaged ones are %s, the report %s\n  next: sluice-db "
	       "verify\n",
	    repair->shard, repair->damaged->last_lsn,
	    repair->had_rows ? repair->aside : "not there", repair->report_path);
}

int repair_rows(const struct options *options, uint32_t shard, const char *path,
    const struct verify_found *damaged)
{
	struct rows_repair repair = {
		.options = options, .damaged = damaged, .shard = shard, .path = path
	};
	char directory[PATH_MAX + 16];
	struct journal_config journal = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	static const struct repair_name names[] = { { "rows.damaged-", "" },
		{ "repair-rows-", ".json" } };
	struct journal_identity identity;
	int code;

	repair_when_make(repair.when, path, names, SLUICE_ARRAY_COUNT(names));
	snprintf(repair.building, sizeof(repair.building), "%s/rows-rebuild", path);
	snprintf(repair.aside, sizeof(repair.aside), "%s/rows.damaged-%s", path, repair.when);
	snprintf(repair.report_path, sizeof(repair.report_path), "%s/repair-rows-%s.json", path,
	    repair.when);
	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (journal_identity_read(&journal, &identity) != 0)
		return say(&repair,
		    "journal.meta cannot be read, and rows belong to one journal: restore the root "
		    "(sluice-db backup restore, or restore --from-postgres)");
	repair.incarnation = identity.incarnation;
	snprintf(directory, sizeof(directory), "%s/rows", path);
	repair.had_rows = access(directory, F_OK) == 0;
	code = identity_find(&repair);
	if (code != 0)
		return say(&repair,
		    code == -EPROTO
		        ? "the rows are of another version: sluice-db migrate, or the sluice-db of "
		          "the program that wrote them; nothing was done"
		        : "no rows are left that say which shard of how many this is: restore the "
		          "root (sluice-db backup restore, or restore --from-postgres)");
	code = carry_out(&repair);
	if (code == EXIT_DONE)
		tell(&repair);
	return code;
}
