/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups: what one is made of. This comment is the specification of the layout, version 1.
 *
 *   DIR/manifest.json                          what this is; written last
 *   DIR/var/lib/sluice/shard-N/rows/data.mdb   rows at a fuzzy checkpoint (lmdb-schema/schema.h)
 *   DIR/var/lib/sluice/shard-N/log-<LSN>/...   the log: all events up to the manifest's last_lsn
 *   DIR/var/lib/sluice/control/data.mdb        control's database, if there was one
 *   DIR/var/lib/sluice/<file>                  other files there: ticket.key
 *   DIR/var/lib/sluice/history/...             the past of a re-sharded switch (lmdb-schema/past.h)
 *   DIR/var/lib/sluice/models/...              learned models, which rules name by number
 *   DIR/etc/sluice/...                         configuration and the certificate authority
 * Symbolic links of the root are files here, with the content of what they name.
 *
 * It is shaped like a root without a journal, so everything that reads a root's logs and rows reads
 * a backup. What was in the journal alone is the newest log environment here, which begins where
 * the copied log ends.
 *
 * A directory is a backup if and only if manifest.json is in it. It is built under another name
 * (DIR.tmp), every file and directory is synced, and it takes its name by rename at the very end:
 * after a crash at any moment there is a whole backup or a DIR.tmp that is none.
 *
 * ORDER, while the switch runs. Per shard: rows, then the log; the log is committed before rows, so
 * the copy of the log reaches to every row. When all shards are copied: the journal's tails, one
 * shard right behind the other. Then control's database: what shards have of its commands is in it.
 *
 * MANIFEST, JSON. Times are ns of Unix time, hashes hexadecimal texts.
 *   format "sluice-backup", version 1, software, label, deployment, begun_ns, ended_ns
 *   formats { journal, schema, control }       versions of what the files hold
 *   shard_count
 *   shards [ { shard, incarnation, first_lsn (1: whole history), last_lsn, first_time_ns,
 *              last_time_ns, horizon_lsn (rows are not ahead of it), horizon_time_ns, covered_ns,
 *              control_sequence, state_hash (after last_lsn) } ]
 *   control { changes, commands }              last numbers; null without a database
 *   files [ { path, size, sha256 } ]           all but the manifest, sorted by path
 *   digest                                     SHA-256 of this object without the member digest, as
 *                                              JSON with sorted keys and no white space
 * Everything that was acknowledged before covered_ns is in the shard's copy, so all shards cut at
 * one time up to the lowest covered_ns fit together: a shard's event time never runs backwards, and
 * what arrives is never earlier than what left.
 *
 * A newer version of the manifest, or of anything in `formats`, is refused by every reader.
 */
#ifndef SLUICE_TOOLS_BACKUP_H
#define SLUICE_TOOLS_BACKUP_H

#include <stdio.h>

#include "lmdb-schema/path_sync.h"
#include "tools/sluice-db/db.h"
#include "tools/sluice-db/restore.h"

#define BACKUP_FORMAT   "sluice-backup"
#define BACKUP_VERSION  1
#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_DATA     "var/lib/sluice"
#define SHA256_TEXT     65

/* Folders beside the shards that a backup has, those that are there. */
#define BACKUP_FOLDERS 2
extern const char *const backup_folders[BACKUP_FOLDERS];

struct backup_shard {
	uint64_t incarnation;
	uint64_t first_lsn, last_lsn; /* first_lsn above last_lsn: no event */
	uint64_t first_time_ns, last_time_ns;
	uint64_t horizon_lsn, horizon_time_ns;
	uint64_t covered_ns;
	uint64_t control_sequence;
	uint64_t state_hash;
};

struct backup {
	char path[PATH_MAX];
	char label[65], deployment[65], software[65];
	char digest[SHA256_TEXT];
	uint64_t begun_ns, ended_ns;
	uint32_t journal_version, schema_version, control_version;
	uint32_t shard_count;
	struct backup_shard shards[LIMIT_SHARDS];
	uint8_t has_control;
	uint64_t changes, commands;
	json_t *files; /* as in the manifest */
	char message[512];
};

/* Notes what is wrong and what to do; returns -1. */
__attribute__((format(printf, 2, 3))) int backup_say(
    struct backup *backup, const char *format, ...);

/* ---- Manifest (backup_manifest.c) ---- */

/* Each: 0, or -1 with the message set. */
int backup_manifest_write(struct backup *backup, const char *directory);
int backup_manifest_read(struct backup *backup, const char *directory);
void backup_free(struct backup *backup);
/* Every file is as the manifest says, and there is no other. 0 or -1. */
int backup_files_check(struct backup *backup);
/* An event time or label for people: UTC. */
void backup_time_text(uint64_t time_ns, char text[32]);
/* "2026-11-21T10:00:00Z", with up to nine digits of a fraction if wanted, or ns since 1970 in
 * digits; nothing before or behind it; up to 2554-07-21. 0 or -1. */
int backup_time_read(const char *text, uint64_t *time_ns);

/* ---- Files (backup_files.c); each 0 or -errno ---- */

int file_sha256(const char *path, char text[SHA256_TEXT], uint64_t *size);
/* Symbolic links met by a copy. */
struct links {
	json_t *followed; /* the link's path: what it names; an object of the caller's */
	char refused[PATH_MAX];
};

/* Content and mode; synced. A link is refused (-ELOOP). */
int file_copy(const char *from, const char *to);
/*
 * The same of what a link names, if that is a regular file; the copy is one. Anything else, and
 * without `links` any link, is refused: -ELOOP, its path in links->refused.
 */
int file_take(const char *from, const char *to, struct links *links);
/*
 * Files and directories, synced; locks of LMDB are left out. -ENOENT: no `from`. Links as by
 * file_take; `from` itself may also be one to a directory.
 */
int tree_copy(const char *from, const char *to, struct links *links);
int tree_remove(const char *path);
/* mkdir -p; the names are synced. */
int directories_make(const char *path);
/*
 * Makes `path`, which nobody may make at the same time: it is this process's until it ends. 0;
 * -EEXIST it is left of a process that is no more, -EBUSY one makes it now, or -errno: `why` says
 * it, with the remedy (claim.c).
 */
int directory_claim(const char *path, unsigned mode, char *why, size_t why_size);
/* The process that has locked an open file (flock), as the kernel tells; 0: it does not. */
long lock_holder(int fd);
/* 1 when there is something in it. */
int directory_is_filled(const char *path);

/* ---- Shards ---- */

/* Reading begins at `lsn`, which the log or the journal must hold; call right after events_open. */
void events_seek(struct events *events, uint64_t lsn);
/*
 * Capacities of `config` for the rows of the shard in `path`, if there are any, and what the events
 * behind them, up to `last_lsn`, can make at most: address space only. 0 or -errno.
 */
int backup_ledger_size(
    const char *path, uint64_t last_lsn, uint32_t shards, struct ledger_config *config);
/*
 * State hash of the rows brought up to date by all events of the log, by the ledger's own code, and
 * the last command done. 0 or -errno, damage noted.
 */
int backup_state_hash(const char *shard_path, uint32_t shard, uint64_t last_lsn, uint64_t *hash,
    uint64_t *control_sequence, struct damage *damage);
/* A shard's ledger, rows and all events behind them. 0 or -errno, damage noted. */
int backup_ledger_load(const char *shard_path, uint32_t shard, uint64_t last_lsn,
    struct ledger **out, struct ledger_config *config, struct damage *damage);

/* ---- ROOT/etc/sluice (configuration.c) ---- */

/*
 * Makes it of the directory `from`, whole or not at all; dataplane.yaml names the new root and so
 * many shards (0: as they are). An etc/sluice with anything in it stays. `named`: where a person
 * finds `from`. 0 with restore->configuration set, or -1 with the failure noted.
 */
int configuration_place(
    struct restore *restore, const char *from, const char *named, uint32_t shards);
/* Tells what became of it: in the report, or (NULL) as text. */
void configuration_report(const struct restore *restore, json_t *report);

/* What `sluice-db verify` finds under a root, without printing it (verify.c). A new reference. */
json_t *verify_root(const struct options *options, int *exit_code);

int backup_create(const struct options *options, const char *root, const char *directory);
int backup_verify(const struct options *options, const char *directory);
int backup_list(const struct options *options, const char *directory);
int backup_restore(const struct options *options, const char *directory, const char *root);
int command_backup(const struct options *options);
int command_reshard(const struct options *options);
int command_migrate(const struct options *options);

#endif
