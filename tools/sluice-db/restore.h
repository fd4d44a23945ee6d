/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db restore: what its parts share. */
#ifndef SLUICE_TOOLS_RESTORE_H
#define SLUICE_TOOLS_RESTORE_H

#include <libpq-fe.h>

#include "tools/sluice-db/db.h"

struct restore {
	const struct options *options;
	const char *root;
	/* Where it comes from: makes a shard up to until[], and what to do when that is damaged. */
	int (*shard_make)(struct restore *restore, uint32_t shard);
	const char *source_remedy; /* "; PostgreSQL itself must be restored first" */
	int cut_allowed;
	PGconn *conn;
	struct from_backup *backup; /* backup_restore.c */
	char building[PATH_MAX];    /* ROOT/var/lib/sluice.restoring */
	char finished[PATH_MAX];    /* ROOT/var/lib/sluice */
	char deployment[65];
	uint32_t shard_count;
	struct ids_bucket_map buckets;
	uint64_t events, changes, state_hash;
	uint64_t changes_left_out; /* of control, not later than the cut (backup_control_end.c) */
	uint32_t models;           /* files made of control's database (restore_models.c) */
	uint32_t model_missing;    /* the rules in force ask it, and it is nowhere; 0: none */
	uint64_t until[LIMIT_SHARDS]; /* restore no more than up to this LSN */
	uint64_t cut[LIMIT_SHARDS];   /* events left out by it */
	uint64_t known[LIMIT_SHARDS]; /* last LSN the source has, all behind until[] is left out; 0:
	                               * not told, cut[] says it */
	struct object_link *links[LIMIT_SHARDS]; /* of each shard as made, to all others */
	uint64_t shard_events[LIMIT_SHARDS], shard_hash[LIMIT_SHARDS]; /* in the sums above */
	/* "restored", "kept" (another was there), "none" (its source has none); NULL: not its part.
	 */
	const char *configuration;
	char configuration_in[PATH_MAX]; /* where that of the source lies */
	json_t *shards;
	int code; /* exit code of the failure */
	char message[512];
};

/* Notes the failure (what, where, what to do); returns -1. */
__attribute__((format(printf, 3, 4))) int restore_fail(
    struct restore *restore, int code, const char *format, ...);
/* 1: it is for want of room: -ENOSPC, -EDQUOT, and -EIO where nothing is free (restore_disk.c). */
int restore_disk_is_full(const struct restore *restore, int error);
/* As restore_fail for a file or directory that could not be written; a full disk is told with what
 * is free there and the remedy. */
int restore_unwritten(struct restore *restore, int error, const char *path);
/* Binary result of a query with up to four parameters in text form; NULL: failed, noted. */
PGresult *restore_query(
    struct restore *restore, const char *sql, int count, const char *const values[4]);
uint64_t restore_u64(const PGresult *result, int row, int column);

/* Each: 0, or -1 with the failure noted. */
/* Name, number of shards and the map of buckets of the switch that was replicated. */
int restore_deployment(struct restore *restore);
int restore_shard(struct restore *restore, uint32_t shard);
/* The shards fit together, or are cut so that they do (--cut), or the restore is refused. */
int restore_pairs(struct restore *restore);
int restore_control(struct restore *restore);
/* Files of models out of control's database as it was restored. */
int restore_models(struct restore *restore);
/* The directories; a root that holds data is refused. */
int restore_directories_make(struct restore *restore);
/* Everything is there: it takes its name. */
int restore_names_take(struct restore *restore);
void restore_print(const struct restore *restore, double seconds);
/* A new database of control's with its identity. */
int restore_control_open(struct restore *restore, struct db_env **env);
/* State hash of a store's ledger. */
int restore_hash_make(struct restore *restore, const struct ledger_config *config,
    const struct ledger *ledger, uint64_t *hash);
/* The links of a store's ledger, for restore_pairs; restore_links_free at the very end. */
int restore_links_take(struct restore *restore, uint32_t shard, const struct ledger *ledger);
void restore_links_free(struct restore *restore);
/* A journal behind the shard's last event, and the shard's entry in the report. */
int restore_shard_finish(
    struct restore *restore, uint32_t shard, uint64_t lsn, uint64_t incarnation, uint64_t hash);

#endif
