/* SPDX-License-Identifier: Apache-2.0 */
#include "control/replication/changes_row.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void row_number(struct row *row, int64_t value)
{
	char *text = row->texts[row->params.count];

	snprintf(text, sizeof(row->texts[0]), "%" PRId64, value);
	row->params.values[row->params.count++] = text;
}

void row_time(struct row *row, uint64_t time_ns)
{
	char *text = row->texts[row->params.count];
	uint64_t seconds = time_ns / 1000000000u;
	time_t time = (time_t)seconds;
	struct tm parts;

	gmtime_r(&time, &parts);
	snprintf(text, sizeof(row->texts[0]), "%04d-%02d-%02d %02d:%02d:%02d.%06u+00",
	    parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
	    parts.tm_sec, (unsigned)(time_ns % 1000000000u / 1000u));
	row->params.values[row->params.count++] = time_ns == 0 ? NULL : text;
}

void row_bytes(struct row *row, const uint8_t *bytes, size_t size)
{
	char *text = row->texts[row->params.count];

	SLUICE_REQUIRE(2 + 2 * size < sizeof(row->texts[0]));
	snprintf(text, sizeof(row->texts[0]), "\\x");
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 + 2 * i, 3, "%02x", bytes[i]);
	row->params.values[row->params.count++] = text;
}

int change_text_valid(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size;) {
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
		uint8_t byte = text[i++];
		unsigned more = byte < 0x80             ? 0
		                : (byte & 0xe0) == 0xc0 ? 1
		                : (byte & 0xf0) == 0xe0 ? 2
		                : (byte & 0xf8) == 0xf0 ? 3
		                                        : 4;
		uint32_t point = more == 0 ? byte : byte & (0x3fu >> more);

		if (byte == 0 || more == 4 || size - i < more)
			return 0;
		for (unsigned k = 0; k < more; k++, i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			point = point << 6 | (text[i] & 0x3f);
		}
		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			return 0;
	}
	return 1;
}

void row_text(struct row *row, const uint8_t *field, size_t size)
{
	char *text = row->texts[row->params.count];
	size_t length = strnlen((const char *)field, size);

	SLUICE_REQUIRE(size <= sizeof(row->texts[0]));
	snprintf(text, sizeof(row->texts[0]), "%.*s", (int)length, (const char *)field);
	row->params.values[row->params.count++] = change_text_valid(field, length) ? text : NULL;
}

void row_text_long(struct row *row, const uint8_t *field, size_t size)
{
	size_t length = strnlen((const char *)field, size);

	row->large = change_text_valid(field, length) ? strndup((const char *)field, length) : NULL;
	row->params.values[row->params.count++] = row->large;
}

static void row_detail(struct row *row, struct db_bytes text)
{
	row->large = change_text_valid(text.data, text.size) ? malloc(text.size + 1) : NULL;
	if (row->large != NULL) {
		memcpy(row->large, text.data, text.size);
		row->large[text.size] = '\0';
	}
	row->params.values[row->params.count++] = row->large;
}

static const char *terminal_row(struct row *row, struct db_bytes value)
{
	struct record_control_terminal record;

	if (record_control_terminal_read(value, &record) != 0)
		return NULL;
	row_number(row, (int64_t)le64_get(record.id));
	row_number(row, (int64_t)le64_get(record.version));
	row_text(row, record.name, sizeof(record.name));
	row_text(row, record.location, sizeof(record.location));
	row_number(row, record.state);
	row_number(row, le32_get(record.rights));
	row_number(row, le64s_get(record.daily_max));
	row_number(row, le32_get(record.rate_per_s));
	row_number(row, le32_get(record.rate_burst));
	row_bytes(row, record.certificate, sizeof(record.certificate));
	row_time(row, le64_get(record.created_ns));
	row_time(row, le64_get(record.changed_ns));
	return "insert into sluice.terminals (id, version, name, location, state, rights, "
	       "daily_max, "
	       "rate_per_s, rate_burst, certificate, created, changed) values ($1, $2, $3, $4, $5, "
	       "$6, $7, $8, $9, $10, coalesce($11, 'epoch'::timestamptz), "
	       "coalesce($12, 'epoch'::timestamptz))";
}

static const char *certificate_row(struct row *row, struct db_bytes value)
{
	struct record_control_certificate record;

	if (record_control_certificate_read(value, &record) != 0)
		return NULL;
	row_bytes(row, record.sha256, sizeof(record.sha256));
	row_bytes(row, record.serial, sizeof(record.serial));
	row_number(row, (int64_t)le64_get(record.terminal_id));
	row_number(row, record.state);
	row_number(row, (int64_t)le64_get(record.not_before_s));
	row_number(row, (int64_t)le64_get(record.not_after_s));
	row_time(row, le64_get(record.issued_ns));
	row_time(row, le64_get(record.revoked_ns));
	return "insert into sluice.certificates (sha256, serial, terminal, state, not_before, "
	       "not_after, issued, revoked) values ($1, $2, $3, $4, "
	       "to_timestamp($5::double precision), to_timestamp($6::double precision), "
	       "coalesce($7, 'epoch'::timestamptz), $8)";
}

static const char *market_row(struct row *row, struct db_bytes value)
{
	struct record_control_market record;
	json_t *names, *odds, *outcomes, *lists;

	if (record_control_market_read(value, &record) != 0)
		return NULL;
	names = json_array();
	odds = json_array();
	outcomes = json_array();
	for (unsigned i = 0; i < record.market.selection_count; i++) {
		const uint8_t *text = record.selections[i];
		size_t length = strnlen((const char *)text, sizeof(record.selections[i]));

		json_array_append_new(names, change_text_valid(text, length)
		                                 ? json_stringn((const char *)text, length)
		                                 : json_string(""));
		json_array_append_new(odds, json_integer(le32_get(record.market.odds[i])));
		/* settlement_outcome: kind | places << 8 | winners << 16 */
		json_array_append_new(outcomes,
		    json_integer(record.outcomes[4 * i] | record.outcomes[4 * i + 1] << 8 |
		                 record.outcomes[4 * i + 2] << 16));
	}
	row_number(row, (int64_t)le64_get(record.id));
	row_number(row, (int64_t)le64_get(record.market.event_id));
	row_number(row, (int64_t)le64_get(record.market.version));
	row->large = malloc(sizeof(record.name) + 1);
	if (row->large != NULL)
		snprintf(row->large, sizeof(record.name) + 1, "%.*s", (int)sizeof(record.name),
		    (const char *)record.name);
	row->params.values[row->params.count++] =
	    row->large != NULL && change_text_valid((const uint8_t *)row->large, strlen(row->large))
	        ? row->large
	        : NULL;
	row_number(row, record.market.state);
	row_number(row, record.market.kind);
	row_number(row, (int16_t)le16_get(record.market.line));
	row_number(row, record.final);
	row_time(row, le64_get(record.market.start_time_ns));
	lists = json_pack("{s:o, s:o, s:o}", "names", names, "odds", odds, "outcomes", outcomes);
	row->second = json_dumps(lists, 0);
	json_decref(lists);
	row->params.values[row->params.count++] = row->second;
	return "insert into sluice.markets (id, event, version, name, state, kind, line, final, "
	       "start_time, selections, odds, outcomes) select $1, $2, $3, $4, $5, $6, $7, $8, "
	       "coalesce($9, 'epoch'::timestamptz), "
	       "array(select jsonb_array_elements_text($10::jsonb -> 'names')), "
	       "array(select jsonb_array_elements_text($10::jsonb -> 'odds')::bigint), "
	       "array(select jsonb_array_elements_text($10::jsonb -> 'outcomes')::bigint)";
}

static const char *rules_row(struct row *row, struct db_bytes value)
{
	struct record_control_rules record;
	char *text;

	if (record_control_rules_read(value, &record) != 0)
		return NULL;
	row_number(row, le32_get(record.rules.version));
	row_time(row, le64_get(record.set_ns));
	row_number(row, le16_get(record.rules.currency));
	row_number(row, record.rules.alert_score);
	row_number(row, record.rules.refuse_score);
	text = malloc(2 + 2 * value.size + 1);
	if (text != NULL) {
		const uint8_t *bytes = value.data;

		snprintf(text, 3, "\\x");
		for (size_t i = 0; i < value.size; i++)
			snprintf(text + 2 + 2 * i, 3, "%02x", bytes[i]);
	}
	row->large = text;
	row->params.values[row->params.count++] = text;
	return "insert into sluice.rules (version, set, currency, alert_score, refuse_score, "
	       "record) "
	       "values ($1, coalesce($2, 'epoch'::timestamptz), $3, $4, $5, $6)";
}

static const char *command_row(struct row *row, struct db_bytes value)
{
	struct record_control_command record;
	struct db_bytes text;

	if (record_control_command_read(value, &record, &text) != 0)
		return NULL;
	row_number(row, (int64_t)le64_get(record.sequence));
	row_number(row, record.state);
	row_time(row, le64_get(record.committed_ns));
	row_time(row, le64_get(record.done_ns));
	row_detail(row, text);
	return "insert into sluice.commands (sequence, state, committed, done, detail) "
	       "values ($1, $2, coalesce($3, 'epoch'::timestamptz), $4, $5)";
}

static const char *audit_row(struct row *row, struct db_bytes value)
{
	struct record_control_audit record;
	struct db_bytes text;
	uint32_t uid;

	if (record_control_audit_read(value, &record, &text) != 0)
		return NULL;
	uid = le32_get(record.uid);
	row_number(row, (int64_t)le64_get(record.sequence));
	row_time(row, le64_get(record.time_ns));
	row_number(row, uid);
	if (uid == UINT32_MAX)
		row->params.values[row->params.count - 1] = NULL;
	row_bytes(row, record.previous, sizeof(record.previous));
	row_bytes(row, record.hash, sizeof(record.hash));
	row_detail(row, text);
	return "insert into sluice.audit (sequence, time, uid, previous, hash, detail) "
	       "values ($1, coalesce($2, 'epoch'::timestamptz), $3, $4, $5, $6)";
}

static const char *partner_row(struct row *row, struct db_bytes value)
{
	struct record_control_partner record;

	if (record_control_partner_read(value, &record) != 0)
		return NULL;
	row_number(row, (int64_t)le64_get(record.id));
	row_number(row, (int64_t)le64_get(record.version));
	row_text(row, record.name, sizeof(record.name));
	row_number(row, le64s_get(record.exposure_max));
	row_number(row, le32_get(record.keys_max));
	row_number(row, le16_get(record.currency));
	row_number(row, record.blocked);
	row_time(row, le64_get(record.created_ns));
	row_time(row, le64_get(record.changed_ns));
	return "insert into sluice.partners (id, version, name, exposure_max, keys_max, currency, "
	       "blocked, created, changed) values ($1, $2, $3, $4, $5, $6, $7, "
	       "coalesce($8, 'epoch'::timestamptz), coalesce($9, 'epoch'::timestamptz))";
}

static const char *adjustment_row(struct row *row, struct db_bytes value)
{
	struct record_control_adjustment record;

	if (record_control_adjustment_read(value, &record) != 0)
		return NULL;
	row_number(row, (int64_t)le64_get(record.number));
	row_number(row, record.state);
	row_number(row, (int64_t)le64_get(record.account_id));
	row_number(row, le64s_get(record.amount));
	row_number(row, le16_get(record.currency));
	row_number(row, le32_get(record.reason));
	row_text(row, record.proposed_by, sizeof(record.proposed_by));
	row_time(row, le64_get(record.proposed_ns));
	row_text(row, record.decided_by, sizeof(record.decided_by));
	row_time(row, le64_get(record.decided_ns));
	row_number(row, (int64_t)le64_get(record.command));
	row_text_long(row, record.note, sizeof(record.note));
	return "insert into sluice.adjustments (number, state, account, amount, currency, reason, "
	       "proposed_by, proposed, decided_by, decided, command, note) values ($1, $2, $3, $4, "
	       "$5, $6, $7, coalesce($8, 'epoch'::timestamptz), $9, $10, $11, $12)";
}

/* The key as the text of the row's first column; 0 when the table has no such keys. */
static int row_key(struct row *row, struct db_bytes key)
{
	uint64_t number;

	/* A certificate's: its terminal's id, then its SHA-256 (lmdb-schema/control_rows.h). */
	if (key.size == 8 + 32)
		row_bytes(row, (const uint8_t *)key.data + 8, 32);
	else if (key.size == 3)
		row_text(row, key.data, key.size);
	else if (key.size == 16)
		return row_subject(row, key);
	else if (db_key_number(key, &number) == 0)
		row_number(row, (int64_t)number);
	else
		return 0;
	return 1;
}

static int row_delete(struct session *session, const char *sql, struct db_bytes key)
{
	struct row row = { 0 };

	return row_key(&row, key) ? session_query(session, sql, &row.params, NULL) : 0;
}

static const struct {
	row_maker *make;
	const char *delete_sql;
} tables[CONTROL_TABLE_COUNT] = {
	[CONTROL_TABLE_TERMINAL] = { terminal_row, "delete from sluice.terminals where id = $1" },
	[CONTROL_TABLE_CERTIFICATE] = { certificate_row,
	    "delete from sluice.certificates where sha256 = $1" },
	[CONTROL_TABLE_MARKET] = { market_row, "delete from sluice.markets where id = $1" },
	[CONTROL_TABLE_RULES] = { rules_row, "delete from sluice.rules where version = $1" },
	[CONTROL_TABLE_COMMAND] = { command_row,
	    "delete from sluice.commands where sequence = $1" },
	[CONTROL_TABLE_AUDIT] = { audit_row, "delete from sluice.audit where sequence = $1" },
	[CONTROL_TABLE_PARTNER] = { partner_row, "delete from sluice.partners where id = $1" },
	[CONTROL_TABLE_ADJUSTMENT] = { adjustment_row,
	    "delete from sluice.adjustments where number = $1" },
	[CONTROL_TABLE_RULES_NOTE] = { change_rules_note_row,
	    "delete from sluice.rules_notes where version = $1" },
	[CONTROL_TABLE_SUBJECT] = { change_subject_row,
	    "delete from sluice.subjects where subject = $1" },
	[CONTROL_TABLE_ALERT] = { change_alert_row, "delete from sluice.alerts where number = $1" },
	[CONTROL_TABLE_ALERT_HISTORY] = { change_alert_history_row,
	    "delete from sluice.alert_history where number = $1" },
	[CONTROL_TABLE_WATCH_LIST] = { change_watch_list_row,
	    "delete from sluice.watch_lists where number = $1" },
	[CONTROL_TABLE_COUNTRY] = { change_country_row,
	    "delete from sluice.countries where code = $1" },
};

int change_typed(
    struct session *session, unsigned table, struct db_bytes key, const struct db_bytes *value)
{
	struct row row = { 0 };
	const char *sql;
	int error = 0;

	if (table >= CONTROL_TABLE_COUNT || tables[table].make == NULL)
		return 0;
	sql = value == NULL ? NULL : tables[table].make(&row, *value);
	if (value == NULL || sql != NULL)
		error = row_delete(session, tables[table].delete_sql, key);
	if (error == 0 && sql != NULL)
		error = session_query(session, sql, &row.params, NULL);
	free(row.large);
	free(row.second);
	return error;
}

uint64_t change_values_hash(unsigned table, const char *const *values, int count)
{
	uint64_t hash = table + 1;

	for (int i = 0; i < count; i++)
		hash = values[i] == NULL
		           ? XXH3_64bits_withSeed("", 0, hash)
		           : XXH3_64bits_withSeed(values[i], strlen(values[i]) + 1, hash);
	return hash;
}

int change_expected(unsigned table, struct db_bytes key, const struct db_bytes *value,
    uint64_t *key_hash, uint64_t *row_hash)
{
	struct row row = { 0 };
	int result = -ENOENT;

	if (table >= CONTROL_TABLE_COUNT || tables[table].make == NULL || !row_key(&row, key))
		return -ENOENT;
	*key_hash = change_values_hash(table, row.params.values, 1);
	if (value == NULL)
		return 0;
	row.params.count = 0;
	if (tables[table].make(&row, *value) != NULL) {
		*row_hash = change_values_hash(table, row.params.values, row.params.count);
		result = 1;
	}
	free(row.large);
	free(row.second);
	return result;
}
