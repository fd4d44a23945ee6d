/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of alerts, and what raises them without a person. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/alerts/alerts_internal.h"
#include "dataplane/risk/risk_extra.h"
#include "wire/codes.h"

int alert_row(struct db_txn *txn, uint64_t number, struct record_control_alert *row)
{
	struct db_key key = db_key_make(number);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_ALERT, db_key(&key), &value);

	return error != 0 ? error : record_control_alert_read(value, row);
}

static void count_move(struct le64 *count, int change)
{
	*count = le64_make(le64_get(*count) + (uint64_t)(int64_t)change);
}

static int counts_follow(struct db_txn *txn, const struct record_control_alert *before,
    const struct record_control_alert *row)
{
	struct record_control_alert_counts counts;
	int error = alert_counts_row(txn, &counts);

	if (error != 0 && error != -ENOENT)
		return error;
	if (before != NULL && alert_is_open(before))
		count_move(&counts.open[before->severity - 1], -1);
	if (alert_is_open(row))
		count_move(&counts.open[row->severity - 1], 1);
	if (before == NULL)
		count_move(alert_counts_raised(&counts, row->reason), 1);
	counts.suppressed = le64_make(le64_get(counts.suppressed) + le32_get(row->count) -
	                              (before != NULL ? le32_get(before->count) : 1));
	return alert_counts_put(txn, &counts);
}

static int history_put(struct db_txn *txn, struct record_control_alert *row,
    const struct record_control_alert_history *step)
{
	struct record_control_alert_history record = *step;
	struct db_key key;
	uint64_t last;
	int error = database_last(txn, CONTROL_TABLE_ALERT_HISTORY, &last);

	if (error != 0)
		return error;
	record.number = le64_make(last + 1);
	record.alert = row->number;
	record.previous = row->history_last;
	record.time_ns = row->changed_ns;
	row->history_last = record.number;
	key = db_key_make(last + 1);
	return database_put(txn, CONTROL_TABLE_ALERT_HISTORY, db_key(&key),
	    (struct db_bytes){ &record, sizeof(record) });
}

int alert_put(struct db_txn *txn, const struct record_control_alert *before,
    struct record_control_alert *row, const struct record_control_alert_history *step)
{
	struct db_key key;
	uint64_t last;
	int error = 0;

	row->changed_ns = le64_make(database_now_ns());
	if (before == NULL) {
		error = database_last(txn, CONTROL_TABLE_ALERT, &last);
		if (error != 0)
			return error;
		row->number = le64_make(last + 1);
		row->raised_ns = row->changed_ns;
		if (le64_get(row->first_ns) == 0)
			row->first_ns = row->last_ns = row->raised_ns;
		error = alert_index_put(txn, row);
	}
	if (error == 0 && step != NULL)
		error = history_put(txn, row, step);
	key = db_key_make(le64_get(row->number));
	if (error == 0)
		error = database_put(
		    txn, CONTROL_TABLE_ALERT, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
	return error != 0 ? error : counts_follow(txn, before, row);
}

struct record_control_alert_history alert_step_make(
    enum control_alert_action action, uint32_t uid, const char *user)
{
	struct record_control_alert_history step = {
		.header = record_control_header(RECORD_CONTROL_ALERT_HISTORY, sizeof(step)),
		.uid = le32_make(uid),
		.action = (uint8_t)action,
	};

	/* Names come from the user database: one that does not fit is cut, not refused. */
	if (database_text(step.user, sizeof(step.user), user) != 0)
		memcpy(step.user, "?", 1);
	return step;
}

struct record_control_alert alert_make(enum control_alert_reason reason,
    const struct subject *subject, enum control_alert_severity severity)
{
	return (struct record_control_alert){
		.header = record_control_header(
		    RECORD_CONTROL_ALERT, sizeof(struct record_control_alert)),
		.subject_id = le64_make(subject->id),
		.count = le32_make(1),
		.subject_kind = (uint8_t)subject->kind,
		.reason = (uint8_t)reason,
		.state = CONTROL_ALERT_NEW,
		.severity = (uint8_t)severity,
	};
}

/* ---- Decisions of the shards ---- */

static enum control_alert_severity severity_of(const struct alert_event *event)
{
	enum control_alert_severity severity = event->score >= 95   ? CONTROL_ALERT_CRITICAL
	                                       : event->score >= 80 ? CONTROL_ALERT_HIGH
	                                       : event->score >= 70 ? CONTROL_ALERT_MEDIUM
	                                                            : CONTROL_ALERT_LOW;

	if (event->code == WIRE_CODE_RISK_SCORE && severity < CONTROL_ALERT_HIGH)
		severity = CONTROL_ALERT_HIGH;
	return severity;
}

/* "score 85: LARGE, BEHAVIOUR; refused" */
static void event_describe(const struct alert_event *event, uint8_t text[160])
{
	char line[160];
	int used = snprintf(line, sizeof(line), "score %u", event->score);
	const char *mark = ": ";

	for (unsigned i = 0; i < RISK_BITS_COUNT; i++) {
		if ((event->factor_bits & 1u << i) == 0 || i == RISK_ALERT)
			continue;
		used += snprintf(
		    line + used, sizeof(line) - (size_t)used, "%s%s", mark, risk_bit_name(i));
		if (used >= (int)sizeof(line))
			break;
		mark = ", ";
	}
	if (event->code != WIRE_CODE_OK && used < (int)sizeof(line))
		snprintf(
		    line + used, sizeof(line) - (size_t)used, "; %s", wire_code_name(event->code));
	memset(text, 0, 160);
	memcpy(text, line, strnlen(line, sizeof(line) - 1));
}

static struct record_control_alert event_row(
    const struct alert_event *event, const struct subject *subject, uint32_t factor_bits)
{
	struct record_control_alert row =
	    alert_make(CONTROL_ALERT_RISK, subject, severity_of(event));

	row.first_ns = le64_make(event->time_ns);
	row.last_ns = le64_make(event->last_ns);
	row.terminal_id = le64_make(event->terminal_id);
	row.object_id = le64_make(event->object_id);
	row.source_lsn = le64_make(event->lsn);
	row.source_hash = le64_make(event->hash);
	row.last_lsn = le64_make(event->last_lsn);
	row.amount = le64s_make(event->amount);
	row.source_line = le32_make(event->line);
	row.factor_bits = le32_make(factor_bits);
	row.rule_version = le32_make(event->rule_version);
	row.count = le32_make(event->count);
	row.partner_id = le32_make(event->partner_id);
	row.source_shard = le16_make((uint16_t)event->shard);
	row.code = le16_make(event->code);
	row.currency = le16_make(event->currency);
	row.score = event->score;
	event_describe(event, row.text);
	return row;
}

/* A repetition is worth no person's time while the first is looked at, or was found harmless. */
static int suppresses(
    const struct record_control_alert *row, const struct alert_event *event, uint64_t suppress_ns)
{
	uint64_t begun_ns = le64_get(row->first_ns);

	return (alert_is_open(row) || row->verdict == CONTROL_ALERT_FALSE) &&
	       le16_get(row->source_shard) == event->shard && event->time_ns >= begun_ns &&
	       event->time_ns - begun_ns < suppress_ns;
}

static int event_count(
    struct db_txn *txn, const struct record_control_alert *before, const struct alert_event *event)
{
	struct record_control_alert row = *before;
	enum control_alert_severity severity = severity_of(event);
	uint64_t count = (uint64_t)le32_get(row.count) + event->count;

	if (le32_get(row.source_line) == event->line && le64_get(row.last_lsn) >= event->lsn)
		return 0; /* read again after a restore */
	row.count = le32_make(count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
	row.last_ns = le64_make(event->last_ns);
	if (event->last_lsn > le64_get(row.last_lsn))
		row.last_lsn = le64_make(event->last_lsn);
	if (event->score > row.score) {
		row.score = event->score;
		event_describe(event, row.text);
	}
	if (severity > row.severity)
		row.severity = (uint8_t)severity;
	return alert_put(txn, before, &row, NULL);
}

int alerts_raise_event(
    struct db_txn *txn, const struct alert_event *event, uint64_t suppress_ns, uint64_t *number)
{
	const struct subject subject =
	    event->account_id != 0
	        ? (struct subject){ CONTROL_SUBJECT_ACCOUNT, event->account_id }
	        : (struct subject){ CONTROL_SUBJECT_TERMINAL, event->terminal_id };
	uint32_t factor_bits = event->factor_bits & ~RISK_BIT(ALERT);
	struct record_control_alert_history step =
	    alert_step_make(CONTROL_ALERT_RAISED, AUDIT_UID_CONTROL, "control");
	struct record_control_alert row;
	uint64_t known;
	int error = alert_index_source(txn, event->shard, event->line, event->lsn, &known);

	*number = 0;
	if (error != -ENOENT)
		return error; /* 0: it has its alert */
	error = alert_index_recent(txn, &subject, factor_bits, &known);
	if (error == 0)
		error = alert_row(txn, known, &row);
	if (error == 0 && suppresses(&row, event, suppress_ns))
		return event_count(txn, &row, event);
	if (error != 0 && error != -ENOENT)
		return error;
	row = event_row(event, &subject, factor_bits);
	error = alert_put(txn, NULL, &row, &step);
	if (error == 0)
		*number = le64_get(row.number);
	return error;
}

/* ---- Watch lists and countries ---- */

/* By list and entry: the same pair of names once. */
static int hit_raise(struct db_txn *txn, struct record_control_alert *row, uint64_t *number)
{
	const struct subject subject = { (enum control_subject_kind)row->subject_kind,
		le64_get(row->subject_id) };
	struct record_control_alert_history step =
	    alert_step_make(CONTROL_ALERT_RAISED, AUDIT_UID_CONTROL, "control");
	struct record_control_alert before;
	uint64_t known;
	int error =
	    alert_index_hit(txn, &subject, le32_get(row->list), le64_get(row->entry), &known);

	*number = 0;
	if (error == 0)
		error = alert_row(txn, known, &before);
	if (error == 0 && le64_get(before.name_hash) == le64_get(row->name_hash) &&
	    le64_get(before.entry_hash) == le64_get(row->entry_hash))
		return 0;
	if (error != 0 && error != -ENOENT)
		return error;
	if (subject.kind == CONTROL_SUBJECT_TERMINAL)
		row->terminal_id = row->subject_id;
	if (subject.kind == CONTROL_SUBJECT_PARTNER)
		row->partner_id = le32_make((uint32_t)subject.id);
	error = alert_put(txn, NULL, row, &step);
	if (error == 0)
		*number = le64_get(row->number);
	return error;
}

int alerts_raise_hit(struct db_txn *txn, const struct alert_hit *hit, uint64_t *number)
{
	struct record_control_alert row = alert_make(CONTROL_ALERT_WATCH_LIST, &hit->subject,
	    hit->similarity >= 950 ? CONTROL_ALERT_CRITICAL : CONTROL_ALERT_HIGH);

	row.list = le32_make(hit->list);
	row.entry = le64_make(hit->entry);
	row.name_hash = le64_make(hit->name_hash);
	row.entry_hash = le64_make(hit->entry_hash);
	row.similarity = le16_make(hit->similarity);
	if (database_text(row.text, sizeof(row.text), hit->text) != 0)
		return -EINVAL;
	return hit_raise(txn, &row, number);
}

static uint64_t country_entry(const struct record_control_country *country)
{
	return (uint64_t)country->code[0] << 16 | (uint64_t)country->code[1] << 8 |
	       country->code[2];
}

int alerts_hit_dismissed(struct db_txn *txn, const struct alert_hit *hit, int *dismissed)
{
	struct record_control_alert row;
	uint64_t known;
	int error = alert_index_hit(txn, &hit->subject, hit->list, hit->entry, &known);

	*dismissed = 0;
	if (error == 0)
		error = alert_row(txn, known, &row);
	if (error == 0)
		*dismissed = row.verdict == CONTROL_ALERT_FALSE &&
		             le64_get(row.name_hash) == hit->name_hash &&
		             le64_get(row.entry_hash) == hit->entry_hash;
	return error == -ENOENT ? 0 : error;
}

int alerts_country_dismissed(struct db_txn *txn, const struct subject *subject,
    const struct record_control_country *country, int *dismissed)
{
	const struct alert_hit hit = {
		.subject = *subject, .entry = country_entry(country), .entry_hash = country->level
	};

	return alerts_hit_dismissed(txn, &hit, dismissed);
}

int alerts_raise_country(struct db_txn *txn, const struct subject *subject,
    const struct record_control_country *country, uint64_t *number)
{
	struct record_control_alert row = alert_make(CONTROL_ALERT_COUNTRY, subject,
	    country->level == CONTROL_COUNTRY_HIGH ? CONTROL_ALERT_HIGH : CONTROL_ALERT_MEDIUM);
	char text[160];

	/* The country stands for the entry; another level is another hit. */
	row.entry = le64_make(country_entry(country));
	row.entry_hash = le64_make(country->level);
	snprintf(text, sizeof(text), "country %.3s: %s", (const char *)country->code,
	    (const char *)country->status);
	if (database_text(row.text, sizeof(row.text), text) != 0)
		return -EINVAL;
	return hit_raise(txn, &row, number);
}
