/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which factors fired for an account, when first and last, and how often. Not replicated: every
 * event is in PostgreSQL with its factor bits, so the same can be asked there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/alerts/alerts_internal.h"
#include "dataplane/risk/risk_extra.h"

struct profile_row {
	struct record_control_profile record;
	struct record_control_profile_entry entries[CONTROL_PROFILE_ENTRIES_MAX]; /* by factor */
};

static int row_get(struct db_txn *txn, uint64_t account_id, struct profile_row *row)
{
	struct record_control_profile_entry entries[CONTROL_PROFILE_ENTRIES_MAX];
	struct db_key key = db_key_make(account_id);
	struct db_bytes value;
	unsigned at = 0;
	int error = db_get(txn, CONTROL_TABLE_PROFILE, db_key(&key), &value);

	memset(row, 0, sizeof(*row));
	row->record.header = record_control_header(RECORD_CONTROL_PROFILE, sizeof(row->record));
	row->record.account_id = le64_make(account_id);
	if (error == 0)
		error = record_control_profile_read(value, &row->record, entries);
	if (error != 0)
		return error;
	for (unsigned i = 0; i < CONTROL_PROFILE_ENTRIES_MAX; i++)
		if ((le32_get(row->record.factor_bits) & 1u << i) != 0)
			row->entries[i] = entries[at++];
	return 0;
}

static int row_put(struct db_txn *txn, const struct profile_row *row)
{
	struct {
		struct record_control_profile record;
		struct record_control_profile_entry entries[CONTROL_PROFILE_ENTRIES_MAX];
	} out = { .record = row->record };
	struct db_key key = db_key_make(le64_get(row->record.account_id));
	unsigned count = 0;

	for (unsigned i = 0; i < CONTROL_PROFILE_ENTRIES_MAX; i++)
		if ((le32_get(row->record.factor_bits) & 1u << i) != 0)
			out.entries[count++] = row->entries[i];
	return database_put(txn, CONTROL_TABLE_PROFILE, db_key(&key),
	    (struct db_bytes){ &out, sizeof(out.record) + count * sizeof(out.entries[0]) });
}

int profile_add(struct db_txn *txn, const struct profile_seen *seen)
{
	struct profile_row row;
	int error = row_get(txn, seen->account_id, &row);

	if (error != 0 && error != -ENOENT)
		return error;
	for (unsigned i = 0; i < CONTROL_PROFILE_ENTRIES_MAX; i++) {
		struct record_control_profile_entry *entry = &row.entries[i];

		if ((seen->factor_bits & 1u << i) == 0)
			continue;
		if (le64_get(entry->count) == 0)
			entry->first_ns = le64_make(seen->factors[i].first_ns);
		entry->last_ns = le64_make(seen->factors[i].last_ns);
		entry->count = le64_make(le64_get(entry->count) + seen->factors[i].count);
	}
	row.record.factor_bits = le32_make(le32_get(row.record.factor_bits) | seen->factor_bits);
	if (seen->partner_id != 0)
		row.record.partner_id = le32_make(seen->partner_id);
	return row_put(txn, &row);
}

int profile_partner(struct db_txn *txn, uint64_t account_id, uint32_t *partner_id)
{
	struct profile_row row;
	int error = row_get(txn, account_id, &row);

	*partner_id = error == 0 ? le32_get(row.record.partner_id) : 0;
	return error == -ENOENT ? 0 : error;
}

struct profile_context {
	uint64_t account_id;
	struct profile_row row;
	struct record_control_subject subject;
	int known;
};

static int profile_body(struct db_txn *txn, void *argument)
{
	struct profile_context *context = argument;
	const struct subject subject = { CONTROL_SUBJECT_ACCOUNT, context->account_id };
	int error = row_get(txn, context->account_id, &context->row);

	if (error != 0 && error != -ENOENT)
		return error;
	return subject_row(txn, &subject, &context->subject, &context->known);
}

json_t *profile_json(const struct database *database, uint64_t account_id, unsigned alerts_max)
{
	struct profile_context context = { .account_id = account_id };
	const struct alert_filter filter = { .count = alerts_max,
		.subject = { CONTROL_SUBJECT_ACCOUNT, account_id } };
	json_t *factors = json_array();

	if (database_read(database, profile_body, &context) != 0) {
		json_decref(factors);
		return NULL;
	}
	for (unsigned i = 0; i < RISK_BITS_COUNT && i < CONTROL_PROFILE_ENTRIES_MAX; i++) {
		const struct record_control_profile_entry *entry = &context.row.entries[i];

		if (le64_get(entry->count) > 0)
			json_array_append_new(
			    factors, json_pack("{s:s, s:I, s:I, s:I}", "factor", risk_bit_name(i),
			                 "count", (json_int_t)le64_get(entry->count), "first_ns",
			                 (json_int_t)le64_get(entry->first_ns), "last_ns",
			                 (json_int_t)le64_get(entry->last_ns)));
	}
	return json_pack("{s:I, s:I, s:o, s:o, s:o*}", "account", (json_int_t)account_id, "partner",
	    (json_int_t)le32_get(context.row.record.partner_id), "factors", factors, "holder",
	    subject_json(&context.subject), "alerts", alerts_list(database, &filter));
}
