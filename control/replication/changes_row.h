/* SPDX-License-Identifier: Apache-2.0 */
/* Making one typed row of a change. Private to control/replication. */
#ifndef SLUICE_CONTROL_REPLICATION_CHANGES_ROW_H
#define SLUICE_CONTROL_REPLICATION_CHANGES_ROW_H

#include "control/replication/changes.h"

/* Parameters of one row, with room for their texts. */
struct row {
	struct session_params params;
	char texts[SESSION_PARAMS_MAX][80];
	char *large; /* one long text; malloc */
	char *second;
};

void row_number(struct row *row, int64_t value);
/* ISO 8601 in UTC, microseconds; null for 0. PostgreSQL rounds nothing away. */
void row_time(struct row *row, uint64_t time_ns);
void row_bytes(struct row *row, const uint8_t *bytes, size_t size);
/* A padded text of at most 79 bytes; null when it is none that PostgreSQL takes. */
void row_text(struct row *row, const uint8_t *field, size_t size);
/* The same of any length; one a row. */
void row_text_long(struct row *row, const uint8_t *field, size_t size);
/* The key of a subject, "account 1000". 0 when it is none. */
int row_subject(struct row *row, struct db_bytes key);

/* Fills in the row of a value; the statement that puts it, or NULL for a record that cannot be
 * read. */
typedef const char *row_maker(struct row *row, struct db_bytes value);
/* changes_alerts.c */
row_maker change_rules_note_row, change_subject_row, change_alert_row, change_alert_history_row,
    change_watch_list_row, change_country_row;

#endif
