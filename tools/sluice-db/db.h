/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db: what its commands share. */
#ifndef SLUICE_TOOLS_DB_H
#define SLUICE_TOOLS_DB_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>

#include "dataplane/journal/journal.h"
#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"
#include "tools/sluice-db/damage.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_MISMATCH = 1,
	EXIT_USAGE = 2,
	EXIT_MISSING = 3,
};

struct options {
	const char *root;
	uint64_t from, to;          /* LSNs, inclusive */
	uint64_t terminal, account; /* 0: any */
	int shard;                  /* -1: all */
	int json;
	const char *from_postgres; /* restore: connection string */
	const char *passfile;      /* restore: NULL: libpq's own */
	int cut;                   /* restore: leave out what the shards do not share */
	uint64_t transit_max_s;    /* verify: older transfers must not be open */
	const char *command;
	const char *words[4]; /* behind the command */
	int word_count;
	int quiet;                    /* backup: a step of something else, nothing is printed */
	uint64_t shards_wanted;       /* reshard */
	int dry_run;                  /* migrate */
	const char *label;            /* backup create */
	const char *to_time, *to_lsn; /* backup restore */
	const char
	    *archive; /* backup restore: what goes on behind the backup; journal, archive, verify */
	uint64_t model;                       /* shadow; 0: that of the rules */
	const char *from_time, *rules, *base; /* shadow */
	int examples;                         /* shadow; -1: as many as usual */
	int cut_damaged_tail, yes_lose_acknowledged, rebuild_index, rebuild_rows; /* repair */
};

/* The shard numbers under the root that the options ask for, ascending. Count, or -errno. */
int shards_find(const struct options *options, uint32_t shards[LIMIT_SHARDS]);
/* Those with a directory shard-N in `directory`; shard -1: all. Count, or -errno. */
int shards_find_in(const char *directory, int shard, uint32_t shards[LIMIT_SHARDS]);
void shard_path(const struct options *options, uint32_t shard, char path[PATH_MAX]);

/* ---- What must be there (whole.c) ---- */

/*
 * Every shard that the rows of any shard know of, whatever --shard says. 0, or -EBADMSG and the
 * damage: which is missing.
 */
int root_shards_check(const struct options *options, struct damage *damage);
/*
 * The journal of a shard in use, but in a backup and in the past of a re-sharded switch, which have
 * none. 0, or -EBADMSG and the damage.
 */
int root_journal_check(const struct options *options, uint32_t shard, struct damage *damage);
/* As root_journal_check, of a shard's directory that is known to be no backup's and of no past. */
int shard_journal_check(const char *path, uint32_t shard, struct damage *damage);
/* Whether the log of a shard goes back as far as its rows say; 0 where they do not (no journal, or
 * another one). 0, or -EBADMSG and the damage. */
int shard_log_check(const char *path, uint32_t shard, struct damage *damage);
/* Whether a shard in use has rows that a start can bring up to date: the journal goes back to where
 * they end. 0, or -EBADMSG and the damage. */
int shard_rows_check(const char *path, uint32_t shard, struct damage *damage);
/* 0: a backup, or the logs a re-sharding left (history/N): those have no journal, and need none. */
int root_has_journals(const char *root);
/*
 * The past of a re-sharded switch: as many generations, and as much of their logs, as was left
 * behind. 0, or -EBADMSG and the damage. *generations: how many there are.
 */
int root_past_check(const struct options *options, uint32_t *generations, struct damage *damage);

/* ---- All events of a shard, oldest first: log environments, then the journal behind them ---- */

struct events {
	char path[PATH_MAX];
	uint32_t shard;
	uint64_t *first_lsns; /* of log environments */
	int env_count, env_at;
	struct db_env *env;
	struct db_txn txn;
	uint8_t *block; /* copy of the block being walked: no long read transactions */
	uint64_t block_first;
	struct log_walk walk;
	struct journal_reader *reader; /* NULL: there is no journal, or it is not reached yet */
	struct journal_batch batch;
	const uint8_t *batch_at;
	uint32_t batch_left;
	uint64_t first_lsn; /* of the log; 1 when there is none */
	uint64_t next_lsn;
	uint64_t env_last_lsn;   /* of the log environment being read; 0: it is empty */
	uint64_t doubted_lsn;    /* the journal seemed to end before it; read once more */
	uint64_t log_last_lsn;   /* all ones before the log is used up */
	uint64_t batch_last_lsn; /* last batch of the journal read: its state hash holds there */
	uint64_t batch_state_hash;
	uint64_t batches;
	uint64_t durable_floor; /* highest durable_through seen: damage below it is damage */
	uint64_t journal_base;  /* the journal began behind it; 0: at LSN 1 */
	unsigned reopened;
	uint8_t log_only; /* to be set behind events_open: without the journal */
	struct damage *damage;
};

/* 0, or -errno with `damage` filled. */
int events_open(struct events *events, const char *path, uint32_t shard, struct damage *damage);
/* 1 and the event (valid until the next call); 0 at the end; -EBADMSG, damage noted. */
int events_next(struct events *events, struct db_bytes *event);
/* Bytes that lie behind the last event: the events after it, as far as they are at hand. */
size_t events_rest(const struct events *events);
void events_close(struct events *events);

/* ---- verify, of one shard by itself (verify.c) ---- */

/* What the check is about. */
enum verify_part {
	VERIFY_READING, /* log or journal */
	VERIFY_SEALS,
	VERIFY_EVENTS, /* what events say of money, bets, objects */
	VERIFY_ROWS,
	VERIFY_LOG_END, /* the log against what the rows say of it */
	VERIFY_INDEX,   /* of requests */
};
/* Kept up to date as the check goes on: it says where a process was that did not come to its end.
 */
struct verify_found {
	enum verify_part part;
	uint64_t first_lsn, last_lsn; /* of the events read */
	struct damage damage;         /* what[0] 0: none */
};
/*
 * Checks the shard whose files are in `path`; log_only: log and rows, the journal and its seals are
 * left alone. How long transfers are under way, and other shards, are not looked at.
 */
void verify_shard_alone(const char *path, uint32_t shard, int log_only, struct verify_found *found);

int command_stat(const struct options *options);
int command_dump(const struct options *options);
int command_verify(const struct options *options);
int command_restore(const struct options *options);
int command_shadow(const struct options *options);
int command_journal(const struct options *options);
int command_archive(const struct options *options);
int command_repair(const struct options *options);
/* Seals of a shard against what is left of its segments; none is no damage. */
void seals_verify(
    const char *path, uint32_t shard, struct damage *damage, uint64_t *seals, char chain[65]);

/* ---- The archive of a shard's journal (archive_check.c) ---- */

enum archive_place {
	ARCHIVE_GIVEN,    /* --archive DIR */
	ARCHIVE_MARKED,   /* where the journal's mark says (dataplane/journal/archive_mark.h) */
	ARCHIVE_NONE,     /* the mark says that there is none; ROOT/var/lib/sluice/archive */
	ARCHIVE_SUPPOSED, /* there is no mark; the same */
	ARCHIVE_UNKNOWN,  /* the mark is damaged; the same */
};
/* The directory of this shard's archive, and how it is known. */
enum archive_place archive_of(
    const struct options *options, uint32_t shard, char directory[PATH_MAX]);

struct archive_found {
	char directory[PATH_MAX]; /* "": there is none, as far as anybody knows */
	uint64_t files;           /* archive files that give the bytes that were sealed */
	uint64_t lost;            /* segments that were archived, and are in no place now */
	struct damage damage;
};
/*
 * Each archive file of the shard against the journal's manifest, the manifest's copy there, and
 * what must be there and is not. A backup, and the past of a re-sharded switch, have none.
 */
void archive_verify(const struct options *options, uint32_t shard, struct archive_found *found);

#endif
