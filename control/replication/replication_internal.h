/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of replication. Private to control/replication. */
#ifndef SLUICE_CONTROL_REPLICATION_INTERNAL_H
#define SLUICE_CONTROL_REPLICATION_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "control/replication/replication.h"
#include "control/replication/session.h"
#include "control/replication/typed.h"
#include "lmdb-schema/log_tail.h"
#include "lmdb-schema/rows.h"

#define CURSOR_CONTROL (-1) /* shard number of control's own row in sluice.cursor */

/* ---- What lies in a shard's directory ---- */

struct source_identity {
	uint16_t shard_count;
	uint8_t buckets[LIMIT_BUCKETS];
	uint64_t incarnation; /* 0: no checkpoint yet */
};
void source_path(char path[PATH_MAX], const char *root, uint32_t shard);
/* 0; -ENOENT: not there yet; -EBADMSG, others. */
SLUICE_MUST_USE int source_identity_read(const char *path, struct source_identity *identity);

/* ---- position.c: the last known cursors, across a restart of control ---- */

/* In table `meta` under "replication"; not replicated itself. */
struct record_control_replication {
	struct record_header header;
	struct le64 connection_xxh3; /* XXH3-64 of replication.connection */
	struct le64 change_sequence; /* 0: not known */
	struct {
		struct le64 incarnation; /* 0: not known, lsn is 0 too */
		struct le64 lsn;
	} shards[LIMIT_SHARDS];
};
ASSERT_SIZE(struct record_control_replication, 24 + 16 * LIMIT_SHARDS);

struct position {
	uint64_t change_sequence;
	struct {
		uint64_t incarnation, lsn;
	} shards[LIMIT_SHARDS];
};
struct record_control_replication record_control_replication_make(
    const struct position *position, uint64_t connection_xxh3);
/* 0, or -EBADMSG with nothing written, whatever the bytes. */
SLUICE_MUST_USE int record_control_replication_read(
    struct db_bytes bytes, struct position *position, uint64_t *connection_xxh3);
/* 0; -ENOENT: none, or of another connection; -EBADMSG, others. Nothing is written then. */
SLUICE_MUST_USE int position_load(const struct database *database,
    const struct control_config *config, struct position *position);
/* One synced write. 0, -errno. */
SLUICE_MUST_USE int position_store(struct database *database, const struct control_config *config,
    const struct position *position);

/* ---- Streaming ---- */

struct stream_shard {
	uint32_t shard;
	char path[PATH_MAX];
	struct log_tail *tail;
	uint64_t incarnation;     /* of the log; 0: not known yet, nothing is read */
	uint64_t lsn;             /* cursor in PostgreSQL */
	uint64_t lsn_incarnation; /* of the log `lsn` is of; kept by stream_end; 0: not known */
	uint64_t gathered;        /* last LSN in the batch being made */
	uint64_t log_lsn;         /* last in the log */
	uint64_t oldest_ns;       /* event time of the first event behind the cursor; 0 none */
};

struct stream {
	struct session session;
	const struct control_config *config;
	const char *root;
	struct database *database;
	struct stream_shard shards[LIMIT_SHARDS];
	uint32_t shard_count;                 /* 0: not known yet */
	uint64_t change_lsn, change_gathered; /* of control's change table */
	uint64_t change_last;                 /* in control's database */
	uint64_t change_oldest_ns;            /* time of the first behind the cursor; 0 none */
	struct position recalled;             /* as it was when control ended */
	struct changes *changes;              /* gathered */
	struct typed typed;
	uint64_t months_known[TYPED_MONTHS_MAX]; /* partitions that exist, begin of month */
	uint32_t month_known_count;
	int64_t ahead_made_ms; /* when the partitions ahead were last looked after */
	int64_t sources_read_ms;
	int64_t gather_begun_ms; /* of the batch being made; 0: it is empty */
	uint64_t events, transactions;
};

/* Connects, brings the schema up to date, reads the cursor. Errors of session.h. */
SLUICE_MUST_USE int stream_begin(struct stream *stream, const _Atomic int *stop);
/*
 * One step: gathers, and sends when the batch is full or old enough. 1: a transaction was
 * committed; 0: nothing to send yet; negative: close and begin again.
 */
SLUICE_MUST_USE int stream_work(struct stream *stream);
/* Closes the connection and forgets what was gathered. */
void stream_end(struct stream *stream);
void stream_free(struct stream *stream);
/* Reads the last LSNs of the logs, and how old what is missing is. Connected or not. */
void stream_log_positions(struct stream *stream);
/* Events in the logs behind the cursor. */
uint64_t stream_lag(const struct stream *stream);
/* Control's changes behind the cursor. */
uint64_t stream_lag_changes(const struct stream *stream);
/* Unix time of the oldest event or change behind the cursors; 0: none. */
uint64_t stream_oldest_ns(const struct stream *stream);
/* Starts from the position kept in control's database, if there is one. */
void stream_recall(struct stream *stream);

/* stream_start.c: identities of the shards, the deployment's row, the cursors. */
SLUICE_MUST_USE int stream_sources(struct stream *stream);
SLUICE_MUST_USE int stream_partitions(struct stream *stream);
/* The partitions of one month exist from now on. */
SLUICE_MUST_USE int stream_month_make(struct stream *stream, uint64_t begin_ns, unsigned months);

/* supersede.c: the log has a higher incarnation than the cursor. In a transaction of its own:
 * rows above the last common event go, the cursor moves there. */
SLUICE_MUST_USE int supersede(
    struct stream *stream, struct stream_shard *shard, uint64_t incarnation_old, uint64_t lsn_old);

/* The same incarnation: the newest raw run in PostgreSQL must be in the log, byte for byte. */
SLUICE_MUST_USE int cursor_check(struct stream *stream, struct stream_shard *shard, uint64_t lsn);

/* ---- Changes of control's tables ---- */

#define CHANGES_MAX 1000u

struct changes;
struct changes *changes_create(void);
void changes_free(struct changes *changes);
void changes_clear(struct changes *changes);
unsigned changes_count(const struct changes *changes);
/* Copies the changes behind `after`. *last: the last one taken. 0; -ENODATA: there is a gap. */
SLUICE_MUST_USE int changes_gather(
    struct changes *changes, struct database *database, uint64_t after, uint64_t *last);
/* One of those gathered; key and value point into `changes`. 0, -EBADMSG. */
struct change_view {
	struct record_control_change change;
	struct db_bytes key, value;
	int deleted;
};
SLUICE_MUST_USE int changes_at(
    const struct changes *changes, unsigned number, struct change_view *view);
/* Its row in control_change. 0, -ENOMEM. */
SLUICE_MUST_USE int change_raw_add(struct copy *copy, const struct change_view *view);
/* Sends them: raw rows by COPY, then the typed tables. Inside the caller's transaction. */
SLUICE_MUST_USE int changes_send(struct changes *changes, struct session *session);
/* Last change in control's database. */
SLUICE_MUST_USE int changes_last(struct database *database, uint64_t *last);
/* Also the time of the first change behind `after`; 0: there is none. */
SLUICE_MUST_USE int changes_behind(
    struct database *database, uint64_t after, uint64_t *last, uint64_t *oldest_ns);

/* verify_report.c: the whole of replication_verify. */
SLUICE_MUST_USE int verify_run(const struct control_config *config, const char *root,
    struct database *database, const _Atomic int *stop, json_t **result, char *message,
    size_t message_size);

/* report.c: the whole of replication_report_partners and _receivables. */
SLUICE_MUST_USE int report_partners_run(const struct control_config *config, uint64_t from_ns,
    uint64_t to_ns, const _Atomic int *stop, json_t **out, char *message, size_t message_size);
SLUICE_MUST_USE int report_receivables_run(const struct control_config *config, int64_t partner,
    const _Atomic int *stop, json_t **out, char *message, size_t message_size);

int64_t replication_monotonic_ms(void);

#endif
