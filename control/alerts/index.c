/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_index: keys of several forms, told apart by the word in front. Everything in it can be
 * found anew from the alerts (alerts_open), but for the commands of verdicts and what is near its
 * limit.
 */
#include <errno.h>
#include <string.h>

#include "control/alerts/alerts_internal.h"

struct index_key {
	char table[8]; /* "source", "recent", "hit", "verdict", "limit", "counts", "cursor",
	                  "screen" */
	struct le32 first, second;
	struct le64 third, fourth;
};
ASSERT_SIZE(struct index_key, 32);

static struct index_key source_key(uint32_t shard, uint32_t line, uint64_t lsn)
{
	return (struct index_key){ .table = "source",
		.first = le32_make(shard),
		.second = le32_make(line),
		.third = le64_make(lsn) };
}

static struct index_key recent_key(const struct subject *subject, uint32_t factor_bits)
{
	return (struct index_key){ .table = "recent",
		.first = le32_make(subject->kind),
		.second = le32_make(factor_bits),
		.third = le64_make(subject->id) };
}

static struct index_key hit_key(const struct subject *subject, uint32_t list, uint64_t entry)
{
	return (struct index_key){ .table = "hit",
		.first = le32_make(subject->kind),
		.second = le32_make(list),
		.third = le64_make(subject->id),
		.fourth = le64_make(entry) };
}

static int bytes_get(struct db_txn *txn, struct db_bytes key, uint64_t *number)
{
	struct db_bytes value;
	struct le64 field;
	int error = db_get(txn, CONTROL_TABLE_ALERT_INDEX, key, &value);

	if (error != 0)
		return error;
	if (value.size != sizeof(field))
		return -EBADMSG;
	memcpy(&field, value.data, sizeof(field));
	*number = le64_get(field);
	return 0;
}

static int number_get(struct db_txn *txn, const struct index_key *key, uint64_t *number)
{
	return bytes_get(txn, (struct db_bytes){ key, sizeof(*key) }, number);
}

static int number_put(struct db_txn *txn, const struct index_key *key, struct le64 number)
{
	return database_put(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ key, sizeof(*key) },
	    (struct db_bytes){ &number, sizeof(number) });
}

int alert_index_source(
    struct db_txn *txn, uint32_t shard, uint32_t line, uint64_t lsn, uint64_t *number)
{
	struct index_key key = source_key(shard, line, lsn);

	return number_get(txn, &key, number);
}

int alert_index_recent(
    struct db_txn *txn, const struct subject *subject, uint32_t factor_bits, uint64_t *number)
{
	struct index_key key = recent_key(subject, factor_bits);

	return number_get(txn, &key, number);
}

int alert_index_hit(struct db_txn *txn, const struct subject *subject, uint32_t list,
    uint64_t entry, uint64_t *number)
{
	struct index_key key = hit_key(subject, list, entry);

	return number_get(txn, &key, number);
}

int alert_index_put(struct db_txn *txn, const struct record_control_alert *row)
{
	const struct subject subject = { (enum control_subject_kind)row->subject_kind,
		le64_get(row->subject_id) };
	struct index_key key;
	int error;

	switch ((enum control_alert_reason)row->reason) {
	case CONTROL_ALERT_RISK:
		key = source_key(le16_get(row->source_shard), le32_get(row->source_line),
		    le64_get(row->source_lsn));
		error = number_put(txn, &key, row->number);
		if (error != 0)
			return error;
		key = recent_key(&subject, le32_get(row->factor_bits));
		return number_put(txn, &key, row->number);
	case CONTROL_ALERT_WATCH_LIST:
	case CONTROL_ALERT_COUNTRY:
		key = hit_key(&subject, le32_get(row->list), le64_get(row->entry));
		return number_put(txn, &key, row->number);
	case CONTROL_ALERT_MANUAL:
	case CONTROL_ALERT_LIMIT:
		break;
	}
	return 0;
}

static struct index_key verdict_key(uint64_t number)
{
	return (struct index_key){ .table = "verdict", .third = le64_make(number) };
}

int alert_index_verdict(struct db_txn *txn, uint64_t number, uint64_t *sequence)
{
	struct index_key key = verdict_key(number);

	return number_get(txn, &key, sequence);
}

int alert_index_verdict_put(struct db_txn *txn, uint64_t number, uint64_t sequence)
{
	struct index_key key = verdict_key(number);

	return number_put(txn, &key, le64_make(sequence));
}

static struct index_key limit_key(const struct subject *subject, int selection)
{
	return (struct index_key){ .table = "limit",
		.first = le32_make(subject->kind),
		.second = le32_make((uint32_t)(selection + 1)),
		.third = le64_make(subject->id) };
}

int alert_index_limit(
    struct db_txn *txn, const struct subject *subject, int selection, uint64_t *number)
{
	struct index_key key = limit_key(subject, selection);

	return number_get(txn, &key, number);
}

int alert_index_limit_put(
    struct db_txn *txn, const struct subject *subject, int selection, uint64_t number)
{
	struct index_key key = limit_key(subject, selection);

	return number_put(txn, &key, le64_make(number));
}

/* ---- What names were screened as ---- */

struct screened_key {
	char table[8];
	struct le64 kind, id;
};

static struct screened_key screened_key(const struct subject *subject)
{
	return (struct screened_key){
		.table = "screen", .kind = le64_make(subject->kind), .id = le64_make(subject->id)
	};
}

int alerts_screened(struct db_txn *txn, const struct subject *subject, uint64_t *state)
{
	struct screened_key key = screened_key(subject);

	return bytes_get(txn, (struct db_bytes){ &key, sizeof(key) }, state);
}

int alerts_screened_put(struct db_txn *txn, const struct subject *subject, uint64_t state)
{
	struct screened_key key = screened_key(subject);
	struct le64 value = le64_make(state);

	return database_put(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ &key, sizeof(key) },
	    (struct db_bytes){ &value, sizeof(value) });
}

int alert_index_unscreened(struct db_txn *txn, const struct subject *subject)
{
	struct screened_key key = screened_key(subject);
	int error =
	    database_delete(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ &key, sizeof(key) });

	return error == -ENOENT ? 0 : error;
}

/* ---- Counts ---- */

static const struct index_key counts_key = { .table = "counts" };

int alert_counts_row(struct db_txn *txn, struct record_control_alert_counts *row)
{
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_ALERT_INDEX,
	    (struct db_bytes){ &counts_key, sizeof(counts_key) }, &value);

	if (error == 0)
		return record_control_alert_counts_read(value, row);
	if (error == -ENOENT)
		*row = (struct record_control_alert_counts){
			.header = record_control_header(RECORD_CONTROL_ALERT_COUNTS, sizeof(*row)),
		};
	return error;
}

struct le64 *alert_counts_raised(struct record_control_alert_counts *row, unsigned reason)
{
	return reason == CONTROL_ALERT_LIMIT ? &row->raised_limit : &row->raised[reason - 1];
}

int alert_counts_put(struct db_txn *txn, const struct record_control_alert_counts *row)
{
	return database_put(txn, CONTROL_TABLE_ALERT_INDEX,
	    (struct db_bytes){ &counts_key, sizeof(counts_key) },
	    (struct db_bytes){ row, sizeof(*row) });
}

static int counts_body(struct db_txn *txn, void *argument)
{
	struct record_control_alert_counts row;
	struct alerts_counts *counts = argument;
	int error = alert_counts_row(txn, &row);

	if (error != 0 && error != -ENOENT)
		return error;
	for (unsigned i = 0; i < CONTROL_ALERT_SEVERITY_MAX; i++)
		counts->open[i] = le64_get(row.open[i]);
	for (unsigned i = 0; i < CONTROL_ALERT_REASON_MAX; i++)
		counts->raised[i] = le64_get(*alert_counts_raised(&row, i + 1));
	counts->suppressed = le64_get(row.suppressed);
	counts->skipped = le64_get(row.skipped);
	return 0;
}

int alerts_counts(const struct database *database, struct alerts_counts *counts)
{
	return database_read(database, counts_body, counts);
}

int alerts_skipped_add(struct db_txn *txn, uint64_t count)
{
	struct record_control_alert_counts row;
	int error = alert_counts_row(txn, &row);

	if (error != 0 && error != -ENOENT)
		return error;
	row.skipped = le64_make(le64_get(row.skipped) + count);
	return alert_counts_put(txn, &row);
}

/* ---- Cursors ---- */

static struct index_key cursor_key(uint32_t shard)
{
	return (struct index_key){ .table = "cursor", .first = le32_make(shard) };
}

int alerts_cursor_get(
    struct db_txn *txn, uint32_t shard, struct record_control_alert_cursor *cursor)
{
	struct index_key key = cursor_key(shard);
	struct db_bytes value;
	int error =
	    db_get(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ &key, sizeof(key) }, &value);

	return error != 0 ? error : record_control_alert_cursor_read(value, cursor);
}

int alerts_cursor_put(
    struct db_txn *txn, uint32_t shard, uint64_t lsn, uint64_t hash, uint32_t line)
{
	struct record_control_alert_cursor cursor = {
		.header = record_control_header(RECORD_CONTROL_ALERT_CURSOR, sizeof(cursor)),
		.lsn = le64_make(lsn),
		.hash = le64_make(hash),
		.line = le32_make(line),
	};
	struct index_key key = cursor_key(shard);

	return database_put(txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ &key, sizeof(key) },
	    (struct db_bytes){ &cursor, sizeof(cursor) });
}

/* ---- Anew ---- */

static int rebuild_body(struct db_txn *txn, void *argument)
{
	struct record_control_alert_counts counts;
	int error = alert_counts_row(txn, &counts);

	(void)argument;
	if (error != -ENOENT)
		return error;
	for (uint64_t number = 1;; number++) {
		struct record_control_alert row;
		struct le64 *open, *raised;

		error = alert_row(txn, number, &row);
		if (error != 0)
			break;
		error = alert_index_put(txn, &row);
		if (error != 0)
			break;
		open = &counts.open[row.severity - 1];
		if (alert_is_open(&row))
			*open = le64_make(le64_get(*open) + 1);
		raised = alert_counts_raised(&counts, row.reason);
		*raised = le64_make(le64_get(*raised) + 1);
		counts.suppressed =
		    le64_make(le64_get(counts.suppressed) + le32_get(row.count) - 1);
	}
	return error != -ENOENT ? error : alert_counts_put(txn, &counts);
}

int alerts_open(struct database *database)
{
	return database_write(database, rebuild_body, NULL);
}
