/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's own LMDB environment. Every change of a replicated table is also appended to `change`,
 * in the same transaction, so replication and restore see control's whole history in order.
 *
 * Any thread may read (each with its own handle or transaction) and write (LMDB lets one writer in
 * at a time).
 */
#ifndef SLUICE_CONTROL_DATABASE_H
#define SLUICE_CONTROL_DATABASE_H

#include <stddef.h>
#include <stdint.h>

#include "lmdb-schema/control_rows.h"
#include "wire/assert.h"

struct database;

/* Opens or creates `directory`. 0; -EPROTO newer schema, -EBADMSG another deployment or damage;
 * message says what to do. */
SLUICE_MUST_USE int database_open(struct database **out, const char *directory,
    const char *deployment, char *message, size_t message_size);
void database_close(struct database *database);

/*
 * Runs `body` in one synced write transaction. `body` may run twice (a full map is doubled): it
 * must depend on nothing it changed outside. Its non-zero result aborts and is returned.
 */
SLUICE_MUST_USE int database_write(struct database *database, db_write_body *body, void *context);
/*
 * For this thread, until called with 0: every database_write runs its body and is rolled back, and
 * succeeds if it would have. So that a dry run is the very code of the real one.
 */
void database_dry_run(int on);
/* Inside `body`: puts, and notes the change. */
SLUICE_MUST_USE int database_put(
    struct db_txn *txn, enum control_table table, struct db_bytes key, struct db_bytes value);
SLUICE_MUST_USE int database_delete(
    struct db_txn *txn, enum control_table table, struct db_bytes key);
/* The highest number of a table keyed by numbers; 0 when it is empty. */
SLUICE_MUST_USE int database_last(struct db_txn *txn, enum control_table table, uint64_t *number);

/* A short read: `body` sees one snapshot. Its result is returned. */
SLUICE_MUST_USE int database_read(
    const struct database *database, db_write_body *body, void *context);

/*
 * Whether control can write. 0; -errno of the last write, which the disk refused (a later one may
 * go through); -ENOTRECOVERABLE: not before the database is opened anew, since its head could not
 * be written (db_env_failed). *since_ns: Unix time of the first of them; may be NULL.
 */
int database_trouble(const struct database *database, uint64_t *since_ns);

/* Unix time in ns. */
uint64_t database_now_ns(void);
/* Copies text into a padded field; -ENAMETOOLONG, -EILSEQ (control characters, not UTF-8). */
SLUICE_MUST_USE int database_text(uint8_t *field, size_t size, const char *text);

#endif
