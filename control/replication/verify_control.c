/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's changes in LMDB against `control_change`, byte for byte, and its typed tables against
 * what these changes leave: of each key the last change counts. In memory: 24 bytes for each key
 * (twice that at worst), pages of changes and rows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/changes.h"
#include "control/replication/verify.h"

#define PAGE 2000

enum expectation { FREE, DELETED, PRESENT };

struct expected {
	uint64_t key, row; /* change_values_hash */
	uint8_t state;
	uint8_t table; /* control_table */
};

struct map {
	struct expected *slots; /* open addressing, a power of two */
	size_t room, count;
};

static struct expected *map_slot(const struct map *map, uint64_t key)
{
	size_t at = (size_t)key & (map->room - 1);

	while (map->slots[at].state != FREE && map->slots[at].key != key)
		at = (at + 1) & (map->room - 1);
	return &map->slots[at];
}

static int map_put(struct map *map, const struct expected *expected)
{
	struct expected *slot;

	if (map->count * 2 >= map->room) {
		struct map grown = { .room = map->room == 0 ? 1024 : map->room * 2 };

		grown.count = map->count;
		grown.slots = calloc(grown.room, sizeof(*grown.slots));
		if (grown.slots == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < map->room; i++)
			if (map->slots[i].state != FREE)
				*map_slot(&grown, map->slots[i].key) = map->slots[i];
		free(map->slots);
		*map = grown;
	}
	slot = map_slot(map, expected->key);
	map->count += slot->state == FREE;
	*slot = *expected;
	return 0;
}

/* ---- Changes ---- */

static int changes_expect(
    const struct changes *changes, uint64_t through, struct copy *raw, struct map *map)
{
	int error = 0;

	copy_clear(raw);
	for (unsigned i = 0; i < changes_count(changes) && error == 0; i++) {
		struct expected expected = { 0 };
		struct change_view view;
		int typed;

		error = changes_at(changes, i, &view);
		if (error != 0 || le64_get(view.change.sequence) > through)
			return error;
		error = change_raw_add(raw, &view);
		typed = change_expected(view.change.table, view.key,
		    view.deleted ? NULL : &view.value, &expected.key, &expected.row);
		expected.state = typed == 1 ? PRESENT : DELETED;
		expected.table = view.change.table;
		if (error == 0 && typed >= 0)
			error = map_put(map, &expected);
	}
	return error;
}

static uint64_t change_key(const uint8_t *row, uint64_t number)
{
	uint64_t key;

	(void)number;
	memcpy(&key, row + 2 + 4, sizeof(key));
	return be64toh(key);
}

static int page_compare(struct verify *verify, struct session *session, uint64_t first,
    uint64_t last, const struct copy *raw)
{
	char texts[2][24];
	struct session_params params = {
		.values = { texts[0], texts[1] }, .count = 2, .binary_result = 1
	};
	PGresult *result;
	int error;

	snprintf(texts[0], sizeof(texts[0]), "%" PRIu64, first);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, last);
	error = session_query(session,
	    "select sequence, time_ns, table_number, key, value, sequence as number from "
	    "sluice.control_change where sequence between $1 and $2 order by sequence",
	    &params, &result);
	if (error != 0)
		return error;
	verify_merge(verify, VERIFY_CHANGES, CURSOR_CONTROL, raw, change_key, result);
	PQclear(result);
	return 0;
}

static int changes_compare(struct verify *verify, struct session *session,
    struct database *database, uint64_t through, struct map *map)
{
	struct changes *changes = changes_create();
	struct copy raw = { 0 };
	uint64_t after = 0, last = 0;
	int error = changes == NULL ? -ENOMEM : 0;

	while (error == 0 && after < through) {
		error = changes_gather(changes, database, after, &last);
		if (error == 0 && last == after)
			error = -ENODATA;
		if (error == 0)
			error = changes_expect(changes, through, &raw, map);
		if (error != 0) {
			session_say(session, error,
			    "control's database behind change %" PRIu64 ": %s", after,
			    strerror(-error));
			break;
		}
		last = last > through ? through : last;
		error = page_compare(verify, session, after + 1, last, &raw);
		after = last;
	}
	copy_free(&raw);
	changes_free(changes);
	return error;
}

static int changes_surplus(struct verify *verify, struct session *session)
{
	PGresult *result;
	int error = session_query(session,
	    "select count(*), min(sequence) from sluice.control_change where sequence not between "
	    "1 and coalesce((select lsn from sluice.cursor where shard = -1), 0)",
	    NULL, &result);
	uint64_t count;

	if (error != 0)
		return error;
	count = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	verify->tables[VERIFY_CHANGES].surplus += count;
	if (count > 0)
		verify_note(verify, VERIFY_CHANGES, CURSOR_CONTROL,
		    strtoull(PQgetvalue(result, 0, 1), NULL, 10), "a change above the cursor");
	PQclear(result);
	return 0;
}

/* ---- Typed tables: columns as the texts changes_typed.c sends, the key first ---- */

#define TIME(column)                                                                               \
	"to_char(nullif(" column ", 'epoch'::timestamptz), 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
#define HEX(column) "'\\x' || encode(" column ", 'hex')"

static const struct typed_source {
	enum control_table from;
	enum verify_table to;
	const char *table, *key, *columns;
} sources[] = {
	{ CONTROL_TABLE_TERMINAL, VERIFY_TERMINALS, "terminals", "id",
	    "id, version, name, location, state, rights, daily_max, rate_per_s, rate_burst, " HEX(
	        "certificate") ", " TIME("created") ", " TIME("changed") },
	{ CONTROL_TABLE_CERTIFICATE, VERIFY_CERTIFICATES, "certificates", "sha256",
	    HEX("sha256") ", " HEX("serial") ", terminal, state, "
	                                     "extract(epoch from not_before)::bigint, "
	                                     "extract(epoch from not_after)::bigint, " TIME(
	                                         "issued") ", " TIME("revoked") },
	{ CONTROL_TABLE_MARKET, VERIFY_MARKETS, "markets", "id",
	    "id, event, version, name, state, kind, line, final, " TIME(
	        "start_time") ", '{\"names\": ' || to_jsonb(selections)::text || ', \"odds\": ' || "
	                      "to_jsonb(odds)::text || ', \"outcomes\": ' || "
	                      "to_jsonb(outcomes)::text || '}'" },
	{ CONTROL_TABLE_RULES, VERIFY_RULES, "rules", "version",
	    "version, " TIME("\"set\"") ", currency, alert_score, refuse_score, " HEX("record") },
	{ CONTROL_TABLE_COMMAND, VERIFY_COMMANDS, "commands", "sequence",
	    "sequence, state, " TIME("committed") ", " TIME("done") ", detail" },
	{ CONTROL_TABLE_AUDIT, VERIFY_AUDIT, "audit", "sequence",
	    "sequence, " TIME("time") ", uid, " HEX("previous") ", " HEX("hash") ", detail" },
	{ CONTROL_TABLE_PARTNER, VERIFY_PARTNERS, "partners", "id",
	    "id, version, name, exposure_max, keys_max, currency, blocked, " TIME(
	        "created") ", " TIME("changed") },
	{ CONTROL_TABLE_ADJUSTMENT, VERIFY_ADJUSTMENTS, "adjustments", "number",
	    "number, state, account, amount, currency, reason, proposed_by, " TIME(
	        "proposed") ", decided_by, " TIME("decided") ", command, note" },
	{ CONTROL_TABLE_RULES_NOTE, VERIFY_RULES_NOTES, "rules_notes", "version",
	    "version, copied_from, uid, set_by, note" },
	{ CONTROL_TABLE_SUBJECT, VERIFY_SUBJECTS, "subjects", "subject",
	    "subject, kind, id, name, country, confirmed, dismissed, " TIME("changed") },
	{ CONTROL_TABLE_ALERT, VERIFY_ALERTS, "alerts", "number",
	    "number, state, severity, reason, verdict, subject_kind, subject, terminal, partner, "
	    "bet, "
	    "amount, currency, score, code, factor_bits, rule_version, events, shard, lsn, "
	    "last_lsn, "
	    "watch_list, entry, similarity, assignee, report, " TIME("raised") ", " TIME(
	        "changed") ", " TIME("first") ", " TIME("last") ", text" },
	{ CONTROL_TABLE_ALERT_HISTORY, VERIFY_ALERT_HISTORY, "alert_history", "number",
	    "number, alert, " TIME("time") ", uid, action, \"from\", \"to\", verdict, by, text" },
	{ CONTROL_TABLE_WATCH_LIST, VERIFY_WATCH_LISTS, "watch_lists", "number",
	    "number, version, name, dated, entries, names, " HEX("sha256") ", imported_by, " TIME(
	        "imported") },
	{ CONTROL_TABLE_COUNTRY, VERIFY_COUNTRIES, "countries", "code",
	    "code, level, status, dated, " TIME("changed") },
};

/* 1 when it is one that is expected, as it is or not; 0 when not. */
static int typed_compare(struct verify *verify, const struct map *map,
    const struct typed_source *source, const PGresult *result, int row)
{
	struct verify_count *count = &verify->tables[source->to];
	const char *values[SESSION_PARAMS_MAX];
	const struct expected *expected;
	int fields = PQnfields(result);

	for (int i = 0; i < fields; i++)
		values[i] = PQgetisnull(result, row, i) ? NULL : PQgetvalue(result, row, i);
	count->rows++;
	expected =
	    map->room == 0 ? NULL : map_slot(map, change_values_hash(source->from, values, 1));
	if (expected == NULL || expected->state != PRESENT) {
		count->surplus++;
		verify_note(verify, source->to, CURSOR_CONTROL, 0, "a row of no change");
		return 0;
	}
	if (expected->row != change_values_hash(source->from, values, fields)) {
		count->differing++;
		verify_note(verify, source->to, CURSOR_CONTROL, 0,
		    "a row that differs from its last change");
	}
	return 1;
}

static int typed_table(struct verify *verify, struct session *session, const struct map *map,
    const struct typed_source *source)
{
	char after[80], sql[1024];
	struct session_params params = { .values = { after } };
	uint64_t found = 0, wanted = 0;
	int rows;

	do {
		PGresult *result;
		int error;

		snprintf(sql, sizeof(sql), "select %s from sluice.%s %s%s%s order by %s limit %d",
		    source->columns, source->table, params.count == 0 ? "" : "where ",
		    params.count == 0 ? "" : source->key, params.count == 0 ? "" : " > $1",
		    source->key, PAGE);
		error = session_query(session, sql, &params, &result);
		if (error != 0)
			return error;
		rows = PQntuples(result);
		for (int row = 0; row < rows; row++)
			found += typed_compare(verify, map, source, result, row) != 0;
		if (rows > 0)
			snprintf(after, sizeof(after), "%s", PQgetvalue(result, rows - 1, 0));
		params.count = 1;
		PQclear(result);
	} while (rows == PAGE);
	for (size_t i = 0; i < map->room; i++)
		wanted += map->slots[i].state == PRESENT && map->slots[i].table == source->from;
	if (found < wanted) {
		verify->tables[source->to].missing += wanted - found;
		verify_note(verify, source->to, CURSOR_CONTROL, 0, "a row is missing");
	}
	return 0;
}

int verify_control(
    struct verify *verify, struct session *session, struct database *database, uint64_t through)
{
	struct map map = { 0 };
	int error = changes_compare(verify, session, database, through, &map);

	if (error == 0)
		error = changes_surplus(verify, session);
	for (size_t i = 0; error == 0 && i < SLUICE_ARRAY_COUNT(sources); i++)
		error = typed_table(verify, session, &map, &sources[i]);
	free(map.slots);
	return error;
}
