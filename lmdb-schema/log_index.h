/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of requests of a log environment: for (terminal, group of 256 request ids) the LSN of
 * the newest event, from which the terminal's chain leads back to each request of the group. An
 * event that fences an id, which may be sent any number of ids later, is noted under that very id
 * too, as a group of its own (LOG_FENCE_GROUP).
 *
 * It is kept in runs. A run is one record of table `run`: header, and entries sorted by terminal
 * and group; it covers the events first_lsn to its key, the last one. Runs follow each other
 * without gaps from the begin of the environment; events behind the last run (LOG_RUN_EVENTS and
 * one commit's at most) are found by walking their blocks. A run is written in the transaction of a
 * commit of blocks and never covers an event that is not in the environment. It takes over the one
 * before it while that one covers less than twice as many events, so runs are few (the logarithm of
 * the events), unless the two together would be too large for one commit.
 *
 * An environment whose table `request` holds anything is of schema version 2: there the index is
 * that table alone, key (terminal, group), value the LSN. Nothing is appended to such a one.
 */
#ifndef SLUICE_LMDB_SCHEMA_LOG_INDEX_H
#define SLUICE_LMDB_SCHEMA_LOG_INDEX_H

#include "lmdb-schema/db.h"
#include "lmdb-schema/event.h"
#include "lmdb-schema/log_checked.h"
#include "wire/bytes.h"

#define LOG_REQUEST_GROUP(request_id) ((request_id) >> 8)
/* No group of requests has this bit. An id that has it itself is noted as if it had not. */
#define LOG_FENCE_GROUP(target_id) ((target_id) | 1ull << 63)
/* Groups an event is noted under, at most. */
#define LOG_GROUPS_MAX 2

/* A run becomes due after so many events: what a look-up walks through at most, some 600 KB. */
#define LOG_RUN_EVENTS 4096u
/* Runs are merged up to this size, 480 KB: the journal's writes wait behind a commit's. */
#define LOG_RUN_ENTRIES_MAX 20000u
/* Room for what is not in a run yet: distinct groups. */
#define LOG_NOTES_MAX 16384u

struct log_run_header {
	struct le64 first_lsn;
	struct le64 count;    /* of the entries behind this header */
	struct le64 checksum; /* XXH3-64 over the entries, seed first_lsn */
};
ASSERT_SIZE(struct log_run_header, 24);

struct log_run_entry {
	struct le64 terminal_id;
	struct le64 group;
	struct le64 lsn;
};
ASSERT_SIZE(struct log_run_entry, 24);

/* A run of any origin: its header and size agree. */
struct log_run {
	uint64_t first_lsn, last_lsn;
	uint64_t count;
	const uint8_t *entries; /* log_run_entry */
};

/* Entry number `at`, below run->count. */
struct log_run_entry log_run_entry_at(const struct log_run *run, uint64_t at);
/* Below 0, 0, above 0: how the entry lies to (terminal, group). */
int log_run_compare(const struct log_run_entry *entry, uint64_t terminal_id, uint64_t group);

/*
 * 0; -EBADMSG: not a run. With check_all, also that the checksum is right, and that entries ascend
 * and name events that the run covers.
 */
SLUICE_MUST_USE int log_run_read(
    struct log_run *run, struct db_bytes key, struct db_bytes value, int check_all);

/*
 * Newest LSN of the request's group in this environment. 0; -ENOENT; -EBADMSG: a run or a block is
 * damaged (checked->damaged_lsn), so nothing is known. Every block that is looked at is checked;
 * a run unless it is in `checked`, which is of this environment alone.
 */
SLUICE_MUST_USE int log_index_find(struct db_txn *txn, struct log_checked *checked,
    uint64_t terminal_id, uint64_t request_id, uint64_t *lsn);
/* The newest event that fences the id. 0; -ENOENT; -EBADMSG. */
SLUICE_MUST_USE int log_index_find_fence(struct db_txn *txn, struct log_checked *checked,
    uint64_t terminal_id, uint64_t target_id, uint64_t *lsn);
/* The groups an event is noted under. Their number. */
unsigned log_index_groups(const struct event_record *record, uint64_t groups[LOG_GROUPS_MAX]);
/*
 * Looks at every run of an environment that begins at `first_lsn`: whole, one behind the other,
 * none beyond the last event. 0; -EBADMSG; -errno.
 */
SLUICE_MUST_USE int log_index_check(struct db_txn *txn, uint64_t first_lsn);
/* 1: the index is that of schema version 2, so nothing may be appended. 0; -errno. */
SLUICE_MUST_USE int log_index_is_old(struct db_txn *txn);

/* ---- Writing: notes of events, until they are in a run. One owner. ---- */

struct log_index;

/* run_events: LOG_RUN_EVENTS, or fewer in tests. NULL: no memory. */
struct log_index *log_index_create(uint32_t run_events);
void log_index_free(struct log_index *index);
/* Forgets all notes; the next event will be `first_lsn`. */
void log_index_begin(struct log_index *index, uint64_t first_lsn);
/* Notes the event with the next LSN. There must be room. */
void log_index_note(struct log_index *index, const struct event_record *record);
/* Fetches what noting this event will touch, at random places of 768 KiB. Changes nothing. */
void log_index_ahead(const struct log_index *index, const struct event_record *record);
/* Events that there is room for, whatever they are. */
uint32_t log_index_room(const struct log_index *index);
/* Events noted since the last run. */
uint64_t log_index_events(const struct log_index *index);
/* 1: the next commit should write a run. */
int log_index_due(const struct log_index *index);
/*
 * Puts a run of all notes, whose events must be in the environment as of this transaction. Notes
 * stay: log_index_begin when it is committed. `closes`: nothing will be appended to the environment
 * any more, so that runs are merged whatever they cover. 0; -EBADMSG: the last run does not end
 * before the notes, or is damaged; -errno.
 */
SLUICE_MUST_USE int log_index_put(struct log_index *index, struct db_txn *txn, int closes);
/*
 * Notes what the blocks hold behind the last run, in an environment that begins at `first_lsn`.
 * 0; 1: there is more than there is room for, to go on with after a run is put and the notes are
 * begun behind it; -EBADMSG: a block is damaged.
 */
SLUICE_MUST_USE int log_index_resume(
    struct log_index *index, struct db_txn *txn, uint64_t first_lsn);
/* Puts runs of everything that is in no run; an index of version 2 is replaced. 0 or -errno. */
SLUICE_MUST_USE int log_index_complete(struct db_txn *txn);
/* The same with all runs made anew. -EBADMSG: a block is damaged. */
SLUICE_MUST_USE int log_index_rebuild(struct db_txn *txn);

#endif
