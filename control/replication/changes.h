/* SPDX-License-Identifier: Apache-2.0 */
/* One change of a table of control as a row of PostgreSQL's typed tables. */
#ifndef SLUICE_CONTROL_REPLICATION_CHANGES_H
#define SLUICE_CONTROL_REPLICATION_CHANGES_H

#include "control/replication/session.h"
#include "lmdb-schema/control_rows.h"

/*
 * Puts (value) or deletes (NULL) the row. A record this version cannot read leaves the typed table
 * as it is: the raw change is kept in any case. Errors of the session.
 */
SLUICE_MUST_USE int change_typed(
    struct session *session, unsigned table, struct db_bytes key, const struct db_bytes *value);
/*
 * What verify expects of the typed row: hashes of its key and of its columns, as texts. 1; 0: the
 * row is deleted (only *key_hash); -ENOENT: this change does not touch a typed row.
 */
SLUICE_MUST_USE int change_expected(unsigned table, struct db_bytes key,
    const struct db_bytes *value, uint64_t *key_hash, uint64_t *row_hash);
/* The same hash, of columns read back; a key's is that of the first column alone. */
uint64_t change_values_hash(unsigned table, const char *const *values, int count);
/* 1 for valid UTF-8 without NUL: what PostgreSQL takes as text. */
int change_text_valid(const uint8_t *text, size_t size);

#endif
