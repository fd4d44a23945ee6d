/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/control_rows.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lmdb-schema/control_read.h"

static const char *const table_names[CONTROL_TABLE_COUNT] = {
#define CONTROL_TABLE_TEXT(name, text, replicated) [CONTROL_TABLE_##name] = text,
	CONTROL_TABLES(CONTROL_TABLE_TEXT)
#undef CONTROL_TABLE_TEXT
};

static const uint8_t table_replicated[CONTROL_TABLE_COUNT] = {
#define CONTROL_TABLE_REPLICATED(name, text, replicated) [CONTROL_TABLE_##name] = replicated,
	CONTROL_TABLES(CONTROL_TABLE_REPLICATED)
#undef CONTROL_TABLE_REPLICATED
};

int control_schema_open(struct db_env **out, const char *directory, int read_only)
{
	struct db_options options = {
		.directory = directory,
		.tables = table_names,
		.table_count = CONTROL_TABLE_COUNT,
		.map_size = CONTROL_MAP_SIZE,
		.read_only = read_only != 0,
	};

	return db_env_open(out, &options);
}

const char *control_table_name(unsigned table)
{
	return table < CONTROL_TABLE_COUNT ? table_names[table] : NULL;
}

int control_table_replicated(unsigned table)
{
	return table < CONTROL_TABLE_COUNT && table_replicated[table];
}

struct record_header record_control_header(enum record_control_kind kind, size_t size)
{
	return (struct record_header){
		.size = le16_make((uint16_t)size),
		.kind = (uint8_t)kind,
		.version = RECORD_VERSION,
	};
}

int record_control_identity_read(struct db_bytes bytes, struct record_control_identity *out)
{
	struct record_control_identity record;

	if (control_fixed_read(bytes, RECORD_CONTROL_IDENTITY, &record, sizeof(record)) != 0 ||
	    record.deployment[0] == '\0' ||
	    !control_text_fits(record.deployment, sizeof(record.deployment)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_terminal_read(struct db_bytes bytes, struct record_control_terminal *out)
{
	struct record_control_terminal record;

	if (control_fixed_read(bytes, RECORD_CONTROL_TERMINAL, &record, sizeof(record)) != 0 ||
	    le64_get(record.id) == 0 || le64_get(record.id) > LIMIT_TERMINAL_ID_MAX ||
	    record.state < CONTROL_TERMINAL_ACTIVE || record.state > CONTROL_TERMINAL_REVOKED ||
	    le64_get(record.sessions_void_version) > le64_get(record.version) ||
	    (le32_get(record.rights) & ~(uint32_t)RIGHT_ALL) != 0 ||
	    le64s_get(record.daily_max) < 0 || le64s_get(record.daily_max) > LIMIT_BALANCE_MAX ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !control_text_fits(record.name, sizeof(record.name)) ||
	    !control_text_fits(record.location, sizeof(record.location)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_certificate_read(struct db_bytes bytes, struct record_control_certificate *out)
{
	struct record_control_certificate record;

	if (control_fixed_read(bytes, RECORD_CONTROL_CERTIFICATE, &record, sizeof(record)) != 0 ||
	    record.state < CONTROL_CERTIFICATE_VALID ||
	    record.state > CONTROL_CERTIFICATE_REVOKED || le64_get(record.terminal_id) == 0 ||
	    le64_get(record.terminal_id) > LIMIT_TERMINAL_ID_MAX ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_slot_read(struct db_bytes bytes, struct record_control_slot *out)
{
	struct record_control_slot record;

	if (control_fixed_read(bytes, RECORD_CONTROL_SLOT, &record, sizeof(record)) != 0 ||
	    record.state > CONTROL_SLOT_ENDING ||
	    (le32_get(record.session_id) & (LIMIT_SESSION_SLOTS - 1)) == 0 ||
	    le32_get(record.session_id) >> LIMIT_SESSION_SLOT_BITS == 0 ||
	    le64_get(record.terminal_id) > LIMIT_TERMINAL_ID_MAX ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)))
		return -EBADMSG;
	*out = record;
	return 0;
}

/* Outcomes of every selection while there is a result, and nothing otherwise. What the numbers mean
 * is dataplane/ledger/settlement.h's. */
static int market_result_fits(const struct record_control_market *record)
{
	unsigned count = record->market.selection_count;

	if (record->final > 1 || !bytes_all_zero(record->reserved, sizeof(record->reserved)))
		return 0;
	if (record->market.state < MARKET_SETTLED)
		return record->final == 0 &&
		       bytes_all_zero(record->outcomes, sizeof(record->outcomes));
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		if ((record->outcomes[4 * i] != 0) != (i < count) ||
		    (i >= count && !bytes_all_zero(record->outcomes + 4 * (size_t)i, 4)))
			return 0;
	return 1;
}

int record_control_market_read(struct db_bytes bytes, struct record_control_market *out)
{
	struct record_control_market record;
	const struct event_market *market = &record.market;

	if (control_fixed_read(bytes, RECORD_CONTROL_MARKET, &record, sizeof(record)) != 0 ||
	    le64_get(record.id) == 0 || le64_get(record.id) > LIMIT_ACCOUNT_ID_MAX ||
	    market->state < MARKET_BEFORE || market->state > MARKET_VOID || market->kind == 0 ||
	    market->selection_count == 0 || market->selection_count > LIMIT_MARKET_SELECTIONS_MAX ||
	    !bytes_all_zero(market->reserved, sizeof(market->reserved)) ||
	    !bytes_all_zero(market->reserved_tail, sizeof(market->reserved_tail)) ||
	    !control_text_fits(record.name, sizeof(record.name)) || !market_result_fits(&record))
		return -EBADMSG;
	for (unsigned i = 0; i < LIMIT_MARKET_SELECTIONS_MAX; i++) {
		uint32_t odds = le32_get(market->odds[i]);

		if (!control_text_fits(record.selections[i], sizeof(record.selections[i])) ||
		    (odds != 0 && (i >= market->selection_count || odds < LIMIT_ODDS_MIN ||
		                      odds > LIMIT_ODDS_MAX)))
			return -EBADMSG;
	}
	*out = record;
	return 0;
}

unsigned record_control_rules_currencies(const struct record_control_rules *record)
{
	unsigned count = 0;

	while (count < LIMIT_RULES_CURRENCIES_MAX && record->currencies[count].section.kind != 0)
		count++;
	return count;
}

size_t record_control_rules_size(const struct record_control_rules *record)
{
	if (record->factors.section.kind == 0)
		return offsetof(struct record_control_rules, factors);
	return offsetof(struct record_control_rules, currencies) +
	       record_control_rules_currencies(record) * sizeof(record->currencies[0]);
}

int record_control_rules_read(struct db_bytes bytes, struct record_control_rules *out)
{
	struct record_control_rules record = { 0 };

	if (bytes.size < offsetof(struct record_control_rules, factors) ||
	    bytes.size > sizeof(record) ||
	    control_fixed_read(bytes, RECORD_CONTROL_RULES, &record, bytes.size) != 0 ||
	    record_control_rules_size(&record) != bytes.size || le32_get(record.rules.version) == 0)
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_partner_read(struct db_bytes bytes, struct record_control_partner *out)
{
	struct record_control_partner record;

	if (control_fixed_read(bytes, RECORD_CONTROL_PARTNER, &record, sizeof(record)) != 0 ||
	    le64_get(record.id) == 0 || le64_get(record.id) > LIMIT_PARTNER_ID_MAX ||
	    le64s_get(record.exposure_max) < 0 ||
	    le64s_get(record.exposure_max) > LIMIT_BALANCE_MAX || le16_get(record.currency) == 0 ||
	    le16_get(record.currency) > 999 || record.blocked > 1 ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !control_text_fits(record.name, sizeof(record.name)))
		return -EBADMSG;
	*out = record;
	return 0;
}

int record_control_adjustment_read(struct db_bytes bytes, struct record_control_adjustment *out)
{
	struct record_control_adjustment record;
	int waiting;

	if (control_fixed_read(bytes, RECORD_CONTROL_ADJUSTMENT, &record, sizeof(record)) != 0)
		return -EBADMSG;
	waiting = record.state == CONTROL_ADJUSTMENT_WAITING;
	if (le64_get(record.number) == 0 || le64_get(record.account_id) == 0 ||
	    le64_get(record.account_id) > LIMIT_ACCOUNT_ID_MAX || le64s_get(record.amount) == 0 ||
	    le64s_get(record.amount) > LIMIT_BALANCE_MAX ||
	    le64s_get(record.amount) < -LIMIT_BALANCE_MAX || le16_get(record.currency) == 0 ||
	    le16_get(record.currency) > 999 || record.state < CONTROL_ADJUSTMENT_WAITING ||
	    record.state > CONTROL_ADJUSTMENT_REJECTED ||
	    (le64_get(record.decided_ns) == 0) != waiting ||
	    (le64_get(record.command) != 0) != (record.state == CONTROL_ADJUSTMENT_APPROVED) ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !control_text_fits(record.proposed_by, sizeof(record.proposed_by)) ||
	    !control_text_fits(record.decided_by, sizeof(record.decided_by)) ||
	    !control_text_fits(record.note, sizeof(record.note)))
		return -EBADMSG;
	*out = record;
	return 0;
}

/* What follows the fixed part must be exactly `length` bytes. */
static int tail_fits(struct db_bytes bytes, size_t fixed, uint64_t length, struct db_bytes *tail)
{
	if (length > CONTROL_TEXT_SIZE_MAX || bytes.size - fixed != length)
		return 0;
	*tail = (struct db_bytes){ (const uint8_t *)bytes.data + fixed, (size_t)length };
	return 1;
}

int record_control_command_read(
    struct db_bytes bytes, struct record_control_command *out, struct db_bytes *text)
{
	struct record_control_command record;
	struct db_bytes tail;

	if (!control_header_fits(bytes, RECORD_CONTROL_COMMAND, sizeof(record)))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	if (le64_get(record.sequence) == 0 || record.state < CONTROL_COMMAND_COMMITTED ||
	    record.state > CONTROL_COMMAND_REFUSED ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    !tail_fits(bytes, sizeof(record), le32_get(record.text_length), &tail))
		return -EBADMSG;
	*out = record;
	*text = tail;
	return 0;
}

int record_control_audit_read(
    struct db_bytes bytes, struct record_control_audit *out, struct db_bytes *text)
{
	struct record_control_audit record;
	struct db_bytes tail;

	if (!control_header_fits(bytes, RECORD_CONTROL_AUDIT, sizeof(record)))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	if (le64_get(record.sequence) == 0 ||
	    !tail_fits(bytes, sizeof(record), le32_get(record.text_length), &tail))
		return -EBADMSG;
	*out = record;
	*text = tail;
	return 0;
}

int record_control_change_read(struct db_bytes bytes, struct record_control_change *out,
    struct db_bytes *key, struct db_bytes *value)
{
	struct record_control_change record;
	struct db_bytes tail;
	uint64_t value_length;
	uint16_t key_length;

	if (!control_header_fits(bytes, RECORD_CONTROL_CHANGE, sizeof(record)))
		return -EBADMSG;
	memcpy(&record, bytes.data, sizeof(record));
	key_length = le16_get(record.key_length);
	value_length = le32_get(record.value_length);
	/* A deletion has no value at all; a value is a record with its text. */
	if (value_length == UINT32_MAX)
		value_length = 0;
	if (le64_get(record.sequence) == 0 || !control_table_replicated(record.table) ||
	    key_length == 0 || key_length > 64 || value_length > CONTROL_TEXT_SIZE_MAX + 1024 ||
	    !bytes_all_zero(record.reserved, sizeof(record.reserved)) ||
	    bytes.size - sizeof(record) != key_length + value_length)
		return -EBADMSG;
	tail = (struct db_bytes){ (const uint8_t *)bytes.data + sizeof(record), key_length };
	*key = tail;
	*value = (struct db_bytes){ (const uint8_t *)tail.data + key_length, (size_t)value_length };
	*out = record;
	return 0;
}
