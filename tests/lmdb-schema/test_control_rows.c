/* SPDX-License-Identifier: Apache-2.0 */
/* Records of control's environment: each good one is read, each broken field refused. */
#include <errno.h>

#include "lmdb-schema/control_rows.h"
#include "tests/test.h"

#define TEXT       "{\"type\":\"none\"}"
#define KIND_FIRST RECORD_CONTROL_IDENTITY
#define KIND_LAST  RECORD_CONTROL_ADJUSTMENT

/* One record with what follows it. */
union record {
	struct record_control_identity identity;
	struct record_control_terminal terminal;
	struct record_control_certificate certificate;
	struct record_control_slot slot;
	struct record_control_market market;
	struct record_control_rules rules;
	struct record_control_command command;
	struct record_control_audit audit;
	struct record_control_change change;
	struct record_control_partner partner;
	struct record_control_adjustment adjustment;
	uint8_t bytes[1024];
};

static const uint16_t fixed_sizes[] = {
	sizeof(struct record_control_identity),
	sizeof(struct record_control_terminal),
	sizeof(struct record_control_certificate),
	sizeof(struct record_control_slot),
	sizeof(struct record_control_market),
	offsetof(struct record_control_rules, factors),
	sizeof(struct record_control_command),
	sizeof(struct record_control_audit),
	sizeof(struct record_control_change),
	0, /* RECORD_CONTROL_REPLICATION is read elsewhere */
	sizeof(struct record_control_partner),
	sizeof(struct record_control_adjustment),
};

static size_t fixed_size(enum record_control_kind kind)
{
	return fixed_sizes[kind - KIND_FIRST];
}

static unsigned kind_next(unsigned kind)
{
	return kind + 1 == RECORD_CONTROL_REPLICATION ? kind + 2 : kind + 1;
}

static void market_make(struct record_control_market *record)
{
	record->id = le64_make(11);
	record->market.state = MARKET_OPEN;
	record->market.kind = MARKET_KIND_1X2;
	record->market.selection_count = 3;
	for (unsigned i = 0; i < 3; i++) {
		record->market.odds[i] = le32_make(1850 + i);
		memcpy(record->selections[i], "home", 4);
	}
	memcpy(record->name, "A - B", 5);
}

static void plain_make(enum record_control_kind kind, union record *record)
{
	if (kind == RECORD_CONTROL_IDENTITY) {
		memcpy(record->identity.deployment, "test", 4);
	} else if (kind == RECORD_CONTROL_TERMINAL) {
		record->terminal.id = le64_make(7);
		record->terminal.version = le64_make(3);
		record->terminal.daily_max = le64s_make(5000);
		record->terminal.rights = le32_make(RIGHT_ALL);
		record->terminal.state = CONTROL_TERMINAL_ACTIVE;
		memcpy(record->terminal.name, "Counter 7", 9);
	} else if (kind == RECORD_CONTROL_CERTIFICATE) {
		record->certificate.state = CONTROL_CERTIFICATE_VALID;
		record->certificate.terminal_id = le64_make(7);
	} else if (kind == RECORD_CONTROL_SLOT) {
		record->slot.session_id = le32_make(3u << LIMIT_SESSION_SLOT_BITS | 1u);
		record->slot.state = CONTROL_SLOT_LIVE;
		record->slot.terminal_id = le64_make(7);
	} else if (kind == RECORD_CONTROL_MARKET) {
		market_make(&record->market);
	} else if (kind == RECORD_CONTROL_PARTNER) {
		record->partner.id = le64_make(9);
		record->partner.exposure_max = le64s_make(1000);
		record->partner.keys_max = le32_make(5);
		record->partner.currency = le16_make(410);
		memcpy(record->partner.name, "Games", 5);
	} else if (kind == RECORD_CONTROL_ADJUSTMENT) {
		record->adjustment.number = le64_make(4);
		record->adjustment.account_id = le64_make(11);
		record->adjustment.amount = le64s_make(-700);
		record->adjustment.currency = le16_make(410);
		record->adjustment.state = CONTROL_ADJUSTMENT_WAITING;
	} else {
		record->rules.rules.version = le32_make(8);
	}
}

/* A good record of `kind`; returns its length. */
static size_t good_make(enum record_control_kind kind, union record *record)
{
	size_t size = fixed_size(kind), text = sizeof(TEXT) - 1;
	struct record_header header = record_control_header(kind, size);

	memset(record, 0, sizeof(*record));
	if (kind == RECORD_CONTROL_COMMAND) {
		record->command.sequence = le64_make(5);
		record->command.text_length = le32_make((uint32_t)text);
		record->command.state = CONTROL_COMMAND_DONE;
	} else if (kind == RECORD_CONTROL_AUDIT) {
		record->audit.sequence = le64_make(1);
		record->audit.text_length = le32_make((uint32_t)text);
	} else if (kind == RECORD_CONTROL_CHANGE) {
		record->change.sequence = le64_make(1);
		record->change.table = CONTROL_TABLE_TERMINAL;
		record->change.key_length = le16_make(8);
		record->change.value_length = le32_make((uint32_t)text - 8);
	} else {
		plain_make(kind, record);
		text = 0;
	}
	memcpy(record->bytes, &header, sizeof(header));
	memcpy(record->bytes + size, TEXT, text);
	return size + text;
}

static int record_read(enum record_control_kind kind, struct db_bytes bytes, union record *out,
    struct db_bytes *first, struct db_bytes *second)
{
	switch (kind) {
	case RECORD_CONTROL_IDENTITY:
		return record_control_identity_read(bytes, &out->identity);
	case RECORD_CONTROL_TERMINAL:
		return record_control_terminal_read(bytes, &out->terminal);
	case RECORD_CONTROL_CERTIFICATE:
		return record_control_certificate_read(bytes, &out->certificate);
	case RECORD_CONTROL_SLOT:
		return record_control_slot_read(bytes, &out->slot);
	case RECORD_CONTROL_MARKET:
		return record_control_market_read(bytes, &out->market);
	case RECORD_CONTROL_RULES:
		return record_control_rules_read(bytes, &out->rules);
	case RECORD_CONTROL_COMMAND:
		return record_control_command_read(bytes, &out->command, first);
	case RECORD_CONTROL_AUDIT:
		return record_control_audit_read(bytes, &out->audit, first);
	case RECORD_CONTROL_CHANGE:
		return record_control_change_read(bytes, &out->change, first, second);
	case RECORD_CONTROL_PARTNER:
		return record_control_partner_read(bytes, &out->partner);
	case RECORD_CONTROL_ADJUSTMENT:
		return record_control_adjustment_read(bytes, &out->adjustment);
	case RECORD_CONTROL_RULES_NOTE: /* these: tests/control/alerts and fuzz_control_record */
	case RECORD_CONTROL_SUBJECT:
	case RECORD_CONTROL_ALERT:
	case RECORD_CONTROL_ALERT_HISTORY:
	case RECORD_CONTROL_ALERT_COUNTS:
	case RECORD_CONTROL_ALERT_CURSOR:
	case RECORD_CONTROL_PROFILE:
	case RECORD_CONTROL_WATCH_LIST:
	case RECORD_CONTROL_WATCH_NAME:
	case RECORD_CONTROL_COUNTRY:
	case RECORD_CONTROL_LABEL:
		break;
	}
	return -EINVAL;
}

/* Reads a copy of exactly `size` bytes. A refusal must write nothing. */
static int attempt(enum record_control_kind kind, const union record *record, size_t size)
{
	struct db_bytes first = { NULL, 0 }, second = { NULL, 0 };
	uint8_t *copy = malloc(size + 1);
	union record out, before;
	int result;

	assert_non_null(copy);
	memcpy(copy, record, size);
	memset(&before, 0xa5, sizeof(before));
	out = before;
	result = record_read(kind, (struct db_bytes){ copy, size }, &out, &first, &second);
	if (result == 0) {
		assert_memory_equal(&out, copy, fixed_size(kind));
		assert_int_equal(fixed_size(kind) + first.size + second.size, size);
		if (size > fixed_size(kind))
			assert_ptr_equal(first.data, copy + fixed_size(kind));
	} else {
		assert_memory_equal(&out, &before, sizeof(out));
		assert_null(first.data);
		assert_null(second.data);
	}
	free(copy);
	return result;
}

TEST(every_kind_is_read_when_good)
{
	for (unsigned kind = KIND_FIRST; kind <= KIND_LAST; kind = kind_next(kind)) {
		union record record;
		size_t size = good_make((enum record_control_kind)kind, &record);

		assert_case_equal(kind, attempt((enum record_control_kind)kind, &record, size), 0);
	}
}

TEST(every_kind_is_refused_at_any_other_length)
{
	for (unsigned kind = KIND_FIRST; kind <= KIND_LAST; kind = kind_next(kind)) {
		union record record;
		size_t size = good_make((enum record_control_kind)kind, &record);

		for (size_t length = 0; length <= size + 16; length++)
			assert_case_equal(kind,
			    attempt((enum record_control_kind)kind, &record, length),
			    length == size ? 0 : -EBADMSG);
	}
}

TEST(every_kind_is_refused_under_another_header)
{
	for (unsigned kind = KIND_FIRST; kind <= KIND_LAST; kind = kind_next(kind)) {
		for (unsigned at = 0; at < sizeof(struct record_header); at++) {
			union record record;
			size_t size = good_make((enum record_control_kind)kind, &record);

			record.bytes[at] ^= 1; /* size, kind, version, each reserved byte */
			assert_case_equal(kind * 10 + at,
			    attempt((enum record_control_kind)kind, &record, size), -EBADMSG);
		}
	}
}

#define FIELD(type, field)                                                                         \
	offsetof(struct record_control_##type, field),                                             \
	    sizeof(((struct record_control_##type *)0)->field)
#define MARKET_FIELD(field)                                                                        \
	offsetof(struct record_control_market, market) + offsetof(struct event_market, field),     \
	    sizeof(((struct event_market *)0)->field)
#define MARKET_ODDS(i)                                                                             \
	offsetof(struct record_control_market, market) + offsetof(struct event_market, odds) +     \
	    4 * (i),                                                                               \
	    4
#define RULES_FIELD(field)                                                                         \
	offsetof(struct record_control_rules, rules) + offsetof(struct event_rules, field),        \
	    sizeof(((struct event_rules *)0)->field)

/* `value` goes little-endian into the field's first 8 bytes, zeros into the rest. */
static const struct field_case {
	enum record_control_kind kind;
	size_t offset, size;
	uint64_t value;
	int expected;
} field_cases[] = {
	{ RECORD_CONTROL_IDENTITY, FIELD(identity, deployment), 0, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, id), 0, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, id), LIMIT_TERMINAL_ID_MAX, 0 },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, id), LIMIT_TERMINAL_ID_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, daily_max), LIMIT_BALANCE_MAX, 0 },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, daily_max), LIMIT_BALANCE_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, daily_max), UINT64_MAX, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, sessions_void_version), 3, 0 },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, sessions_void_version), 4, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, rights), 0, 0 },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, rights), RIGHT_ALL + 1, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, state), 0, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, state), CONTROL_TERMINAL_REVOKED, 0 },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, state), CONTROL_TERMINAL_REVOKED + 1, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, reserved), 1, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, reserved), 0x10000, -EBADMSG },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, name), 0, 0 },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, name), 0x410041, -EBADMSG },
	{ RECORD_CONTROL_CERTIFICATE, FIELD(certificate, state), 0, -EBADMSG },
	{ RECORD_CONTROL_CERTIFICATE, FIELD(certificate, state), CONTROL_CERTIFICATE_REVOKED, 0 },
	{ RECORD_CONTROL_CERTIFICATE, FIELD(certificate, state), CONTROL_CERTIFICATE_REVOKED + 1,
	    -EBADMSG },
	{ RECORD_CONTROL_CERTIFICATE, FIELD(certificate, reserved), 0x10000, -EBADMSG },
	{ RECORD_CONTROL_CERTIFICATE, FIELD(certificate, terminal_id), 0, -EBADMSG },
	{ RECORD_CONTROL_CERTIFICATE, FIELD(certificate, terminal_id), LIMIT_TERMINAL_ID_MAX + 1,
	    -EBADMSG },
	/* Generation 0, slot 0. */
	{ RECORD_CONTROL_SLOT, FIELD(slot, session_id), 1, -EBADMSG },
	{ RECORD_CONTROL_SLOT, FIELD(slot, session_id), 3u << LIMIT_SESSION_SLOT_BITS, -EBADMSG },
	{ RECORD_CONTROL_SLOT, FIELD(slot, state), CONTROL_SLOT_OVER, 0 },
	{ RECORD_CONTROL_SLOT, FIELD(slot, state), CONTROL_SLOT_ENDING, 0 },
	{ RECORD_CONTROL_SLOT, FIELD(slot, state), CONTROL_SLOT_ENDING + 1, -EBADMSG },
	{ RECORD_CONTROL_SLOT, FIELD(slot, reserved), 0x10000, -EBADMSG },
	{ RECORD_CONTROL_SLOT, FIELD(slot, terminal_id), LIMIT_TERMINAL_ID_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, FIELD(market, id), 0, -EBADMSG },
	{ RECORD_CONTROL_MARKET, FIELD(market, id), LIMIT_ACCOUNT_ID_MAX, 0 },
	{ RECORD_CONTROL_MARKET, FIELD(market, id), LIMIT_ACCOUNT_ID_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(state), MARKET_BEFORE - 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(state), MARKET_CLOSED, 0 },
	/* A result needs its outcomes. */
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(state), MARKET_SETTLED, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(state), MARKET_VOID + 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(kind), 0, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(selection_count), 0, -EBADMSG },
	/* One more than odds are given for: it is not on offer. One less. */
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(selection_count), 4, 0 },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(selection_count), 2, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(selection_count), 255, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(reserved), 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_FIELD(reserved_tail), 0x100, -EBADMSG },
	{ RECORD_CONTROL_MARKET, FIELD(market, final), 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, FIELD(market, outcomes), 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_ODDS(0), LIMIT_ODDS_MIN, 0 },
	{ RECORD_CONTROL_MARKET, MARKET_ODDS(0), LIMIT_ODDS_MIN - 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_ODDS(2), LIMIT_ODDS_MAX, 0 },
	{ RECORD_CONTROL_MARKET, MARKET_ODDS(2), LIMIT_ODDS_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_MARKET, MARKET_ODDS(15), 1, -EBADMSG },
	{ RECORD_CONTROL_RULES, RULES_FIELD(version), 0, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, id), 0, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, id), LIMIT_PARTNER_ID_MAX, 0 },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, id), LIMIT_PARTNER_ID_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, exposure_max), UINT64_MAX, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, exposure_max), LIMIT_BALANCE_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, currency), 0, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, currency), 1000, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, blocked), 1, 0 },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, blocked), 2, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, reserved), 1, -EBADMSG },
	{ RECORD_CONTROL_PARTNER, FIELD(partner, name), 0x410041, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, number), 0, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, account_id), 0, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, amount), 0, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, amount), LIMIT_BALANCE_MAX, 0 },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, amount), LIMIT_BALANCE_MAX + 1, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, currency), 0, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, state), 0, -EBADMSG },
	/* Decided, but no time of it. */
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, state), CONTROL_ADJUSTMENT_REJECTED,
	    -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, decided_ns), 1, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, command), 1, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, reserved), 1, -EBADMSG },
	{ RECORD_CONTROL_ADJUSTMENT, FIELD(adjustment, note), 0x410041, -EBADMSG },
	{ RECORD_CONTROL_COMMAND, FIELD(command, sequence), 0, -EBADMSG },
	{ RECORD_CONTROL_COMMAND, FIELD(command, text_length), 0, -EBADMSG },
	{ RECORD_CONTROL_COMMAND, FIELD(command, text_length), UINT32_MAX, -EBADMSG },
	{ RECORD_CONTROL_COMMAND, FIELD(command, state), 0, -EBADMSG },
	{ RECORD_CONTROL_COMMAND, FIELD(command, state), CONTROL_COMMAND_REFUSED + 1, -EBADMSG },
	{ RECORD_CONTROL_COMMAND, FIELD(command, reserved), 0x10000, -EBADMSG },
	{ RECORD_CONTROL_AUDIT, FIELD(audit, sequence), 0, -EBADMSG },
	{ RECORD_CONTROL_AUDIT, FIELD(audit, text_length), UINT32_MAX, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, sequence), 0, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, value_length), 0, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, value_length), UINT32_MAX, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, value_length), UINT32_MAX - 1, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, key_length), 0, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, key_length), UINT16_MAX, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, table), CONTROL_TABLE_META, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, table), CONTROL_TABLE_CHANGE, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, table), CONTROL_TABLE_AUDIT, 0 },
	{ RECORD_CONTROL_CHANGE, FIELD(change, table), CONTROL_TABLE_COUNT, -EBADMSG },
	{ RECORD_CONTROL_CHANGE, FIELD(change, reserved), 1, -EBADMSG },
};

TEST(each_field_is_held_to_its_range)
{
	for (size_t i = 0; i < sizeof(field_cases) / sizeof(field_cases[0]); i++) {
		const struct field_case *field = &field_cases[i];
		struct le64 value = le64_make(field->value);
		union record record;
		size_t size = good_make(field->kind, &record);

		memset(record.bytes + field->offset, 0, field->size);
		memcpy(record.bytes + field->offset, &value,
		    field->size < sizeof(value) ? field->size : sizeof(value));
		assert_case_equal(i, attempt(field->kind, &record, size), field->expected);
	}
}

static const struct text_case {
	enum record_control_kind kind;
	size_t offset, size;
} text_cases[] = {
	{ RECORD_CONTROL_IDENTITY, FIELD(identity, deployment) },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, name) },
	{ RECORD_CONTROL_TERMINAL, FIELD(terminal, location) },
	{ RECORD_CONTROL_MARKET, FIELD(market, name) },
	{ RECORD_CONTROL_MARKET, FIELD(market, selections[0]) },
	{ RECORD_CONTROL_MARKET, FIELD(market, selections[15]) },
};

TEST(a_text_ends_inside_its_field_with_nothing_behind)
{
	for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
		const struct text_case *text = &text_cases[i];
		union record record;
		size_t size = good_make(text->kind, &record);
		uint8_t *field = record.bytes + text->offset;

		memset(field, 'a', text->size);
		assert_case_equal(i, attempt(text->kind, &record, size), -EBADMSG);
		field[text->size - 1] = 0;
		assert_case_equal(i, attempt(text->kind, &record, size), 0);
		field[1] = 0;
		assert_case_equal(i, attempt(text->kind, &record, size), -EBADMSG);
	}
}

TEST(a_deletion_has_a_key_and_no_value)
{
	union record record;
	size_t size = good_make(RECORD_CONTROL_CHANGE, &record) - (sizeof(TEXT) - 1 - 8);

	record.change.value_length = le32_make(UINT32_MAX);
	assert_int_equal(attempt(RECORD_CONTROL_CHANGE, &record, size), 0);
	assert_int_equal(attempt(RECORD_CONTROL_CHANGE, &record, size + 1), -EBADMSG);
	assert_int_equal(attempt(RECORD_CONTROL_CHANGE, &record, size - 1), -EBADMSG);
}

TEST(a_key_has_at_most_64_bytes)
{
	for (uint16_t length = 64; length <= 65; length++) {
		union record record;

		good_make(RECORD_CONTROL_CHANGE, &record);
		record.change.key_length = le16_make(length);
		record.change.value_length = le32_make(0);
		assert_case_equal(length,
		    attempt(RECORD_CONTROL_CHANGE, &record, sizeof(record.change) + length),
		    length == 64 ? 0 : -EBADMSG);
	}
}

/* The longest text, and one byte more though the length says so too. */
TEST(a_text_has_at_most_its_largest_size)
{
	for (uint32_t over = 0; over <= 1; over++) {
		size_t size = sizeof(struct record_control_audit) + CONTROL_TEXT_SIZE_MAX + over;
		uint8_t *bytes = calloc(1, size);
		union record record;
		struct record_control_audit out;
		struct db_bytes text = { NULL, 0 };

		assert_non_null(bytes);
		good_make(RECORD_CONTROL_AUDIT, &record);
		record.audit.text_length = le32_make(CONTROL_TEXT_SIZE_MAX + over);
		memcpy(bytes, &record, sizeof(record.audit));
		assert_case_equal(over,
		    record_control_audit_read((struct db_bytes){ bytes, size }, &out, &text),
		    over ? -EBADMSG : 0);
		assert_int_equal(text.size, over ? 0 : CONTROL_TEXT_SIZE_MAX);
		free(bytes);
	}
}

TEST(tables_have_names_and_only_replicated_ones_go_into_change)
{
	for (unsigned i = 0; i < CONTROL_TABLE_COUNT; i++)
		assert_non_null(control_table_name(i));
	assert_null(control_table_name(CONTROL_TABLE_COUNT));
	assert_string_equal(control_table_name(CONTROL_TABLE_AUDIT), "audit");
	assert_true(control_table_replicated(CONTROL_TABLE_AUDIT));
	assert_true(control_table_replicated(CONTROL_TABLE_LABEL));
	assert_false(control_table_replicated(CONTROL_TABLE_META));
	assert_false(control_table_replicated(CONTROL_TABLE_SLOT));
	assert_false(control_table_replicated(CONTROL_TABLE_CHANGE));
	assert_false(control_table_replicated(CONTROL_TABLE_COUNT));
}

TEST_MAIN()
