/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts, subjects, watch lists, countries and notes to rules as rows. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/replication/changes_row.h"
#include "lmdb-schema/control_alerts.h"

int row_subject(struct row *row, struct db_bytes key)
{
	static const char *const kinds[] = { NULL, "account", "terminal", "partner" };
	char *text = row->texts[row->params.count];
	uint64_t words[2];

	memcpy(words, key.data, sizeof(words));
	words[0] = be64toh(words[0]);
	words[1] = be64toh(words[1]);
	if (words[0] == 0 || words[0] >= SLUICE_ARRAY_COUNT(kinds))
		return 0;
	snprintf(text, sizeof(row->texts[0]), "%s %" PRIu64, kinds[words[0]], words[1]);
	row->params.values[row->params.count++] = text;
	return 1;
}

const char *change_rules_note_row(struct row *row, struct db_bytes value)
{
	struct record_control_rules_note record;

	if (record_control_rules_note_read(value, &record) != 0)
		return NULL;
	row_number(row, le32_get(record.version));
	row_number(row, le32_get(record.copied_from));
	row_number(row, le32_get(record.uid));
	row_text(row, record.user, sizeof(record.user));
	row_text_long(row, record.note, sizeof(record.note));
	return "insert into sluice.rules_notes (version, copied_from, uid, set_by, note) "
	       "values ($1, $2, $3, $4, $5)";
}

const char *change_subject_row(struct row *row, struct db_bytes value)
{
	struct record_control_subject record;
	struct db_key key;

	if (record_control_subject_read(value, &record) != 0)
		return NULL;
	key = db_key_make_pair(record.kind, le64_get(record.id));
	if (!row_subject(row, db_key(&key)))
		return NULL;
	row_number(row, record.kind);
	row_number(row, (int64_t)le64_get(record.id));
	row_text_long(row, record.name, sizeof(record.name));
	row_text(row, record.country, sizeof(record.country));
	row_number(row, le32_get(record.confirmed));
	row_number(row, le32_get(record.dismissed));
	row_time(row, le64_get(record.changed_ns));
	return "insert into sluice.subjects (subject, kind, id, name, country, confirmed, "
	       "dismissed, changed) values ($1, $2, $3, $4, $5, $6, $7, "
	       "coalesce($8, 'epoch'::timestamptz))";
}

const char *change_alert_row(struct row *row, struct db_bytes value)
{
	struct record_control_alert record;

	if (record_control_alert_read(value, &record) != 0)
		return NULL;
	row_number(row, (int64_t)le64_get(record.number));
	row_number(row, record.state);
	row_number(row, record.severity);
	row_number(row, record.reason);
	row_number(row, record.verdict);
	row_number(row, record.subject_kind);
	row_number(row, (int64_t)le64_get(record.subject_id));
	row_number(row, (int64_t)le64_get(record.terminal_id));
	row_number(row, le32_get(record.partner_id));
	row_number(row, (int64_t)le64_get(record.object_id));
	row_number(row, le64s_get(record.amount));
	row_number(row, le16_get(record.currency));
	row_number(row, record.score);
	row_number(row, le16_get(record.code));
	row_number(row, le32_get(record.factor_bits));
	row_number(row, le32_get(record.rule_version));
	row_number(row, le32_get(record.count));
	row_number(row, le16_get(record.source_shard));
	row_number(row, (int64_t)le64_get(record.source_lsn));
	row_number(row, (int64_t)le64_get(record.last_lsn));
	row_number(row, le32_get(record.list));
	row_number(row, (int64_t)le64_get(record.entry));
	row_number(row, le16_get(record.similarity));
	row_text(row, record.assignee, sizeof(record.assignee));
	row_text(row, record.report, sizeof(record.report));
	row_time(row, le64_get(record.raised_ns));
	row_time(row, le64_get(record.changed_ns));
	row_time(row, le64_get(record.first_ns));
	row_time(row, le64_get(record.last_ns));
	row_text_long(row, record.text, sizeof(record.text));
	return "insert into sluice.alerts (number, state, severity, reason, verdict, subject_kind, "
	       "subject, terminal, partner, bet, amount, currency, score, code, factor_bits, "
	       "rule_version, events, shard, lsn, last_lsn, watch_list, entry, similarity, "
	       "assignee, report, raised, changed, first, last, text) values ($1, $2, $3, $4, $5, "
	       "$6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, "
	       "$23, $24, $25, coalesce($26, 'epoch'::timestamptz), "
	       "coalesce($27, 'epoch'::timestamptz), coalesce($28, 'epoch'::timestamptz), "
	       "coalesce($29, 'epoch'::timestamptz), $30)";
}

const char *change_alert_history_row(struct row *row, struct db_bytes value)
{
	struct record_control_alert_history record;

	if (record_control_alert_history_read(value, &record) != 0)
		return NULL;
	row_number(row, (int64_t)le64_get(record.number));
	row_number(row, (int64_t)le64_get(record.alert));
	row_time(row, le64_get(record.time_ns));
	row_number(row, le32_get(record.uid));
	if (le32_get(record.uid) == UINT32_MAX)
		row->params.values[row->params.count - 1] = NULL;
	row_number(row, record.action);
	row_number(row, record.from);
	row_number(row, record.to);
	row_number(row, record.verdict);
	row_text(row, record.user, sizeof(record.user));
	row_text_long(row, record.text, sizeof(record.text));
	return "insert into sluice.alert_history (number, alert, time, uid, action, \"from\", "
	       "\"to\", verdict, by, text) values ($1, $2, coalesce($3, 'epoch'::timestamptz), $4, "
	       "$5, $6, $7, $8, $9, $10)";
}

const char *change_watch_list_row(struct row *row, struct db_bytes value)
{
	struct record_control_watch_list record;

	if (record_control_watch_list_read(value, &record) != 0)
		return NULL;
	row_number(row, le32_get(record.number));
	row_number(row, le32_get(record.version));
	row_text(row, record.name, sizeof(record.name));
	row_text(row, record.dated, sizeof(record.dated));
	row_number(row, (int64_t)le64_get(record.entries));
	row_number(row, (int64_t)le64_get(record.names));
	row_bytes(row, record.sha256, sizeof(record.sha256));
	row_text(row, record.imported_by, sizeof(record.imported_by));
	row_time(row, le64_get(record.imported_ns));
	return "insert into sluice.watch_lists (number, version, name, dated, entries, names, "
	       "sha256, imported_by, imported) values ($1, $2, $3, $4, $5, $6, $7, $8, "
	       "coalesce($9, 'epoch'::timestamptz))";
}

const char *change_country_row(struct row *row, struct db_bytes value)
{
	struct record_control_country record;

	if (record_control_country_read(value, &record) != 0)
		return NULL;
	row_text(row, record.code, sizeof(record.code));
	row_number(row, record.level);
	row_text(row, record.status, sizeof(record.status));
	row_text(row, record.dated, sizeof(record.dated));
	row_time(row, le64_get(record.changed_ns));
	return "insert into sluice.countries (code, level, status, dated, changed) values ($1, $2, "
	       "$3, $4, coalesce($5, 'epoch'::timestamptz))";
}
