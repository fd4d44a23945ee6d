/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of control's tables, with texts that are hard to quote. */
#ifndef SLUICE_TESTS_CONTROL_REPLICATION_CONTROL_ROWS_H
#define SLUICE_TESTS_CONTROL_REPLICATION_CONTROL_ROWS_H

#include "lmdb-schema/control_alerts.h"
#include "tests/control/replication/bed.h"

static inline void put(
    struct db_txn *txn, enum control_table table, uint64_t number, const void *record, size_t size)
{
	struct db_key key = db_key_make(number);

	assert_int_equal(
	    database_put(txn, table, db_key(&key), (struct db_bytes){ record, size }), 0);
}

static inline void terminal_put(struct db_txn *txn, uint64_t id, const char *name, uint8_t state)
{
	struct record_control_terminal record = {
		.header = record_control_header(RECORD_CONTROL_TERMINAL, sizeof(record)),
		.id = le64_make(id),
		.version = le64_make(1),
		.created_ns = le64_make(BED_TIME),
		.changed_ns = le64_make(BED_TIME + 123456789),
		.rights = le32_make(7),
		.state = state,
	};

	assert_int_equal(database_text(record.name, sizeof(record.name), name), 0);
	put(txn, CONTROL_TABLE_TERMINAL, id, &record, sizeof(record));
}

static inline void command_put(
    struct db_txn *txn, uint64_t sequence, uint8_t state, const char *text)
{
	struct record_control_command record = {
		.header = record_control_header(RECORD_CONTROL_COMMAND, sizeof(record)),
		.sequence = le64_make(sequence),
		.committed_ns = le64_make(BED_TIME),
		.done_ns = le64_make(state == CONTROL_COMMAND_COMMITTED ? 0 : BED_TIME + 5000),
		.text_length = le32_make((uint32_t)strlen(text)),
		.state = state,
	};
	uint8_t bytes[256];

	memcpy(bytes, &record, sizeof(record));
	memcpy(bytes + sizeof(record), text, strlen(text));
	put(txn, CONTROL_TABLE_COMMAND, sequence, bytes, sizeof(record) + strlen(text));
}

static inline void audit_put(struct db_txn *txn, uint64_t sequence, const char *text)
{
	struct record_control_audit record = {
		.header = record_control_header(RECORD_CONTROL_AUDIT, sizeof(record)),
		.sequence = le64_make(sequence),
		.time_ns = le64_make(BED_TIME),
		.uid = le32_make(UINT32_MAX),
		.text_length = le32_make((uint32_t)strlen(text)),
	};
	uint8_t bytes[256];

	memset(record.hash, 0xab, sizeof(record.hash));
	memcpy(bytes, &record, sizeof(record));
	memcpy(bytes + sizeof(record), text, strlen(text));
	put(txn, CONTROL_TABLE_AUDIT, sequence, bytes, sizeof(record) + strlen(text));
}

static inline void market_put(struct db_txn *txn)
{
	struct record_control_market record = {
		.header = record_control_header(RECORD_CONTROL_MARKET, sizeof(record)),
		.id = le64_make(11),
		.market = { .event_id = le64_make(3),
		    .version = le64_make(9),
		    .start_time_ns = le64_make(BED_TIME),
		    .state = MARKET_OPEN,
		    .kind = MARKET_KIND_1X2,
		    .selection_count = 3 },
	};
	static const char *const names[] = { "O'Brien \"United\"", "Draw, {1}", "K\xc3\xb6ln\\" };

	assert_int_equal(database_text(record.name, sizeof(record.name), "A v B"), 0);
	for (unsigned i = 0; i < 3; i++) {
		record.market.odds[i] = le32_make(1500 + i);
		assert_int_equal(
		    database_text(record.selections[i], sizeof(record.selections[i]), names[i]), 0);
	}
	put(txn, CONTROL_TABLE_MARKET, 11, &record, sizeof(record));
}

/* Under the key control uses: terminal id, then SHA-256. */
static inline void certificate_put(struct db_txn *txn, uint8_t state)
{
	struct record_control_certificate record = {
		.header = record_control_header(RECORD_CONTROL_CERTIFICATE, sizeof(record)),
		.state = state,
		.terminal_id = le64_make(1),
		.not_before_s = le64_make(1600000000),
		.not_after_s = le64_make(1700000000),
		.issued_ns = le64_make(BED_TIME),
		.revoked_ns = le64_make(state == CONTROL_CERTIFICATE_REVOKED ? BED_TIME + 7000 : 0),
	};
	struct db_key terminal = db_key_make(1);
	uint8_t key[8 + 32];

	memset(record.sha256, 0xc5, sizeof(record.sha256));
	memset(record.serial, 0x11, sizeof(record.serial));
	memcpy(key, terminal.bytes, 8);
	memcpy(key + 8, record.sha256, 32);
	assert_int_equal(
	    database_put(txn, CONTROL_TABLE_CERTIFICATE, (struct db_bytes){ key, sizeof(key) },
	        (struct db_bytes){ &record, sizeof(record) }),
	    0);
}

static inline void partner_put(struct db_txn *txn)
{
	struct record_control_partner record = {
		.header = record_control_header(RECORD_CONTROL_PARTNER, sizeof(record)),
		.id = le64_make(5),
		.version = le64_make(3),
		.created_ns = le64_make(BED_TIME),
		.changed_ns = le64_make(BED_TIME + 5000),
		.exposure_max = le64s_make(70000),
		.keys_max = le32_make(10),
		.currency = le16_make(410),
	};

	assert_int_equal(database_text(record.name, sizeof(record.name), "Games"), 0);
	put(txn, CONTROL_TABLE_PARTNER, 5, &record, sizeof(record));
}

static inline void adjustment_put(struct db_txn *txn)
{
	struct record_control_adjustment record = {
		.header = record_control_header(RECORD_CONTROL_ADJUSTMENT, sizeof(record)),
		.number = le64_make(1),
		.account_id = le64_make(7),
		.amount = le64s_make(-2000000),
		.proposed_ns = le64_make(BED_TIME),
		.currency = le16_make(410),
		.state = CONTROL_ADJUSTMENT_WAITING,
	};

	assert_int_equal(database_text(record.proposed_by, sizeof(record.proposed_by), "kim"), 0);
	assert_int_equal(database_text(record.note, sizeof(record.note), "paid 'twice'"), 0);
	put(txn, CONTROL_TABLE_ADJUSTMENT, 1, &record, sizeof(record));
}

static inline void alerts_put(struct db_txn *txn)
{
	struct record_control_alert alert = {
		.header = record_control_header(RECORD_CONTROL_ALERT, sizeof(alert)),
		.number = le64_make(1),
		.raised_ns = le64_make(BED_TIME),
		.changed_ns = le64_make(BED_TIME + 1000),
		.first_ns = le64_make(BED_TIME - 5000),
		.last_ns = le64_make(BED_TIME - 3000),
		.subject_id = le64_make(7),
		.object_id = le64_make(UINT64_MAX),
		.source_lsn = le64_make(12),
		.last_lsn = le64_make(14),
		.amount = le64s_make(-5000),
		.history_last = le64_make(1),
		.factor_bits = le32_make(0x80000001u),
		.count = le32_make(2),
		.source_shard = le16_make(1),
		.subject_kind = CONTROL_SUBJECT_ACCOUNT,
		.reason = CONTROL_ALERT_RISK,
		.state = CONTROL_ALERT_CLOSED,
		.severity = CONTROL_ALERT_HIGH,
		.verdict = CONTROL_ALERT_FALSE,
		.score = 85,
	};
	struct record_control_alert_history step = {
		.header = record_control_header(RECORD_CONTROL_ALERT_HISTORY, sizeof(step)),
		.number = le64_make(1),
		.alert = le64_make(1),
		.time_ns = le64_make(BED_TIME),
		.uid = le32_make(UINT32_MAX),
		.action = CONTROL_ALERT_RAISED,
	};

	assert_int_equal(database_text(alert.text, sizeof(alert.text), "score 85: LARGE"), 0);
	assert_int_equal(database_text(step.user, sizeof(step.user), "control"), 0);
	put(txn, CONTROL_TABLE_ALERT_HISTORY, 1, &step, sizeof(step));
	put(txn, CONTROL_TABLE_ALERT, 1, &alert, sizeof(alert));
}

static inline void subjects_put(struct db_txn *txn)
{
	struct record_control_subject subject = {
		.header = record_control_header(RECORD_CONTROL_SUBJECT, sizeof(subject)),
		.id = le64_make(INT64_MAX),
		.changed_ns = le64_make(BED_TIME),
		.confirmed = le32_make(2),
		.kind = CONTROL_SUBJECT_ACCOUNT,
		.country = "KOR",
	};
	struct record_control_country country = {
		.header = record_control_header(RECORD_CONTROL_COUNTRY, sizeof(country)),
		.changed_ns = le64_make(BED_TIME),
		.code = "PRK",
		.level = CONTROL_COUNTRY_HIGH,
	};
	struct record_control_watch_list list = {
		.header = record_control_header(RECORD_CONTROL_WATCH_LIST, sizeof(list)),
		.number = le32_make(1),
		.version = le32_make(3),
		.imported_ns = le64_make(BED_TIME),
		.entries = le64_make(10),
		.names = le64_make(15),
	};
	struct record_control_rules_note note = {
		.header = record_control_header(RECORD_CONTROL_RULES_NOTE, sizeof(note)),
		.version = le32_make(2),
		.uid = le32_make(1001),
	};
	struct db_key key = db_key_make_pair(CONTROL_SUBJECT_ACCOUNT, INT64_MAX);

	assert_int_equal(database_text(subject.name, sizeof(subject.name), "J\xc3\xb6rg \\x"), 0);
	assert_int_equal(database_text(list.name, sizeof(list.name), "ofac"), 0);
	assert_int_equal(database_text(note.note, sizeof(note.note), "after the audit"), 0);
	assert_int_equal(database_put(txn, CONTROL_TABLE_SUBJECT, db_key(&key),
	                     (struct db_bytes){ &subject, sizeof(subject) }),
	    0);
	assert_int_equal(
	    database_put(txn, CONTROL_TABLE_COUNTRY, (struct db_bytes){ country.code, 3 },
	        (struct db_bytes){ &country, sizeof(country) }),
	    0);
	put(txn, CONTROL_TABLE_WATCH_LIST, 1, &list, sizeof(list));
	put(txn, CONTROL_TABLE_RULES_NOTE, 2, &note, sizeof(note));
	put(txn, CONTROL_TABLE_LABEL, 7, "", 1); /* imported: in control_change alone */
}

#define CONTROL_ROWS_CHANGES 20 /* of the body below */

static inline int control_rows_body(struct db_txn *txn, void *context)
{
	struct db_key gone = db_key_make(2);

	(void)context;
	terminal_put(txn, 1, "kiosk", CONTROL_TERMINAL_ACTIVE);
	terminal_put(txn, 2, "to be deleted", CONTROL_TERMINAL_ACTIVE);
	terminal_put(txn, 3, "Caf\xc3\xa9 'x'", CONTROL_TERMINAL_ACTIVE);
	terminal_put(txn, 1, "kiosk", CONTROL_TERMINAL_BLOCKED);
	assert_int_equal(database_delete(txn, CONTROL_TABLE_TERMINAL, db_key(&gone)), 0);
	command_put(txn, 1, CONTROL_COMMAND_COMMITTED, "{\"command\": \"a\"}");
	command_put(txn, 1, CONTROL_COMMAND_DONE, "{\"command\": \"a\"}");
	audit_put(txn, 1, "{\"verb\": \"x\"}");
	market_put(txn);
	certificate_put(txn, CONTROL_CERTIFICATE_VALID);
	certificate_put(txn, CONTROL_CERTIFICATE_REVOKED);
	partner_put(txn);
	adjustment_put(txn);
	alerts_put(txn);
	subjects_put(txn);
	return 0;
}

#endif
