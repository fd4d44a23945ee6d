/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/control_alerts.h"

#include "lmdb-schema/control_read.h"

int control_country_code_fits(const uint8_t code[3])
{
	for (unsigned i = 0; i < 3; i++)
		if (code[i] < 'A' || code[i] > 'Z')
			return 0;
	return 1;
}

int record_control_rules_note_read(struct db_bytes bytes, struct record_control_rules_note *out)
{
	struct record_control_rules_note record = { 0 };
	size_t size = bytes.size < sizeof(record)
	                  ? offsetof(struct record_control_rules_note, refusal)
	                  : sizeof(record);

	if (control_fixed_read(bytes, RECORD_CONTROL_RULES_NOTE, &record, size) != 0 ||
	    le32_get(record.version) == 0 || record.state > CONTROL_RULES_STATE_MAX ||
	    !control_text_fits(record.refusal, sizeof(record.refusal)) ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !control_text_fits(record.user, sizeof(record.user)) ||
	    !control_text_fits(record.note, sizeof(record.note)))
		return -EBADMSG;
	*out = record;
	return 0;
}

static int subject_fits(uint8_t kind, uint64_t id)
{
	switch ((enum control_subject_kind)kind) {
	case CONTROL_SUBJECT_ACCOUNT:
		return id > 0 && id <= LIMIT_ACCOUNT_ID_MAX;
	case CONTROL_SUBJECT_TERMINAL:
		return id > 0 && id <= LIMIT_TERMINAL_ID_MAX;
	case CONTROL_SUBJECT_PARTNER:
		return id > 0 && id <= LIMIT_PARTNER_ID_MAX;
	case CONTROL_SUBJECT_MARKET:
		return id > 0;
	default:
		return 0;
	}
}

int record_control_subject_read(struct db_bytes bytes, struct record_control_subject *out)
{
	struct record_control_subject record;

	if (control_fixed_read(bytes, RECORD_CONTROL_SUBJECT, &record, sizeof(record)) != 0 ||
	    record.kind == CONTROL_SUBJECT_MARKET ||
	    !subject_fits(record.kind, le64_get(record.id)) ||
	    (!bytes_all_zero(record.country, sizeof(record.country)) &&
	        !control_country_code_fits(record.country)) ||
	    record.told > CONTROL_TOLD_ALL || record.told_waits > 1 ||
	    le16_get(record.told_country) > 999 ||
	    !control_text_fits(record.name, sizeof(record.name)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_profile_read(struct db_bytes bytes, struct record_control_profile *out,
    struct record_control_profile_entry *entries)
{
	struct record_control_profile record;
	size_t count;

	if (!control_header_fits(bytes, RECORD_CONTROL_PROFILE, sizeof(record)))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	count = (size_t)__builtin_popcount(le32_get(record.factor_bits));
	if (!subject_fits(CONTROL_SUBJECT_ACCOUNT, le64_get(record.account_id)) ||
	    le32_get(record.partner_id) > LIMIT_PARTNER_ID_MAX ||
	    bytes.size != sizeof(record) + count * sizeof(entries[0]))
		return -EBADMSG;
	memcpy(entries, (const uint8_t *)bytes.data + sizeof(record), count * sizeof(entries[0]));
	*out = record;
	return 0;
}

static int alert_source_fits(const struct record_control_alert *record)
{
	int is_risk = record->reason == CONTROL_ALERT_RISK;
	int is_hit = record->reason == CONTROL_ALERT_WATCH_LIST;

	return (le64_get(record->source_lsn) != 0) == is_risk &&
	       le64_get(record->last_lsn) >= le64_get(record->source_lsn) &&
	       le16_get(record->source_shard) < LIMIT_SHARDS &&
	       (le32_get(record->list) != 0) == is_hit && le16_get(record->similarity) <= 1000;
}

int record_control_alert_read(struct db_bytes bytes, struct record_control_alert *out)
{
	struct record_control_alert record;

	if (control_fixed_read(bytes, RECORD_CONTROL_ALERT, &record, sizeof(record)) != 0 ||
	    le64_get(record.number) == 0 || le32_get(record.count) == 0 || record.reason == 0 ||
	    record.reason > CONTROL_ALERT_REASON_MAX || record.state == 0 ||
	    record.state > CONTROL_ALERT_STATE_MAX || record.severity == 0 ||
	    record.severity > CONTROL_ALERT_SEVERITY_MAX || record.verdict > CONTROL_ALERT_FALSE ||
	    (record.verdict != CONTROL_ALERT_OPEN) != (record.state == CONTROL_ALERT_CLOSED) ||
	    !alert_source_fits(&record) || le32_get(record.partner_id) > LIMIT_PARTNER_ID_MAX ||
	    le64_get(record.terminal_id) > LIMIT_TERMINAL_ID_MAX ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !control_text_fits(record.assignee, sizeof(record.assignee)) ||
	    !control_text_fits(record.report, sizeof(record.report)) ||
	    !control_text_fits(record.text, sizeof(record.text)))
		return -EBADMSG;
	/* A cash ticket has no account: the terminal that sold it is the subject then. */
	if (!subject_fits(record.subject_kind, le64_get(record.subject_id)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_alert_history_read(
    struct db_bytes bytes, struct record_control_alert_history *out)
{
	struct record_control_alert_history record;

	if (control_fixed_read(bytes, RECORD_CONTROL_ALERT_HISTORY, &record, sizeof(record)) != 0 ||
	    le64_get(record.number) == 0 || le64_get(record.alert) == 0 ||
	    le64_get(record.previous) >= le64_get(record.number) || record.action == 0 ||
	    record.action > CONTROL_ALERT_ACTION_MAX || record.verdict > CONTROL_ALERT_FALSE ||
	    !control_text_fits(record.user, sizeof(record.user)) ||
	    !control_text_fits(record.text, sizeof(record.text)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_alert_counts_read(struct db_bytes bytes, struct record_control_alert_counts *out)
{
	struct record_control_alert_counts record = { 0 };
	size_t size = bytes.size < sizeof(record)
	                  ? offsetof(struct record_control_alert_counts, raised_limit)
	                  : sizeof(record);

	if (control_fixed_read(bytes, RECORD_CONTROL_ALERT_COUNTS, &record, size) != 0)
		return -EBADMSG;
	record.header.size = le16_make(sizeof(record));
	*out = record;
	return 0;
}

int record_control_alert_cursor_read(struct db_bytes bytes, struct record_control_alert_cursor *out)
{
	struct record_control_alert_cursor record;

	if (control_fixed_read(bytes, RECORD_CONTROL_ALERT_CURSOR, &record, sizeof(record)) != 0 ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_label_read(struct db_bytes bytes, struct record_control_label *out)
{
	struct record_control_label record;

	if (control_fixed_read(bytes, RECORD_CONTROL_LABEL, &record, sizeof(record)) != 0 ||
	    le32_get(record.count) == 0 || record.confirmed > 1 ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_watch_list_read(struct db_bytes bytes, struct record_control_watch_list *out)
{
	struct record_control_watch_list record;

	if (control_fixed_read(bytes, RECORD_CONTROL_WATCH_LIST, &record, sizeof(record)) != 0 ||
	    le32_get(record.number) == 0 || le32_get(record.version) == 0 ||
	    le64_get(record.names) < le64_get(record.entries) || record.name[0] == '\0' ||
	    !control_text_fits(record.name, sizeof(record.name)) ||
	    !control_text_fits(record.dated, sizeof(record.dated)) ||
	    !control_text_fits(record.imported_by, sizeof(record.imported_by)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_watch_name_read(
    struct db_bytes bytes, struct record_control_watch_name *out, struct db_bytes *name)
{
	struct record_control_watch_name record;
	size_t length;

	if (!control_header_fits(bytes, RECORD_CONTROL_WATCH_NAME, sizeof(record)))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	length = le16_get(record.length);
	if (length == 0 || length > CONTROL_WATCH_NAME_SIZE_MAX ||
	    bytes.size != sizeof(record) + length || record.alias > 1 ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	*name = (struct db_bytes){ (const uint8_t *)bytes.data + sizeof(record), length };
	*out = record;
	return 0;
}

int record_control_country_read(struct db_bytes bytes, struct record_control_country *out)
{
	struct record_control_country record;

	if (control_fixed_read(bytes, RECORD_CONTROL_COUNTRY, &record, sizeof(record)) != 0 ||
	    !control_country_code_fits(record.code) || record.level > CONTROL_COUNTRY_HIGH ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !control_text_fits(record.dated, sizeof(record.dated)) ||
	    !control_text_fits(record.status, sizeof(record.status)))
		return -EBADMSG;
	*out = record;
	return 0;
}
