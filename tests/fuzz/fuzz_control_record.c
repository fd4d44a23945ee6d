/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: every record_control_*_read of lmdb-schema/control_rows.h and control_alerts.h.
 *
 * First byte, bits 0 to 4: the record kind, counted from RECORD_CONTROL_IDENTITY; bit 7: the header
 * is made right first. What is accepted is the input, byte for byte, its text and key and value
 * lie inside it and reach exactly to its end; a refusal writes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lmdb-schema/control_alerts.h"
#include "tests/fuzz/fuzz.h"

#define FIX 0x80u

static union {
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
	struct record_control_rules_note rules_note;
	struct record_control_subject subject;
	struct record_control_alert alert;
	struct record_control_alert_history alert_history;
	struct record_control_alert_counts alert_counts;
	struct record_control_alert_cursor alert_cursor;
	struct record_control_profile profile;
	struct record_control_watch_list watch_list;
	struct record_control_watch_name watch_name;
	struct record_control_country country;
	struct record_control_label label;
	uint8_t bytes[1024];
} out;

static const uint16_t sizes[] = {
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
	sizeof(struct record_control_rules_note),
	sizeof(struct record_control_subject),
	sizeof(struct record_control_alert),
	sizeof(struct record_control_alert_history),
	sizeof(struct record_control_alert_counts),
	sizeof(struct record_control_alert_cursor),
	sizeof(struct record_control_profile),
	sizeof(struct record_control_watch_list),
	sizeof(struct record_control_watch_name),
	sizeof(struct record_control_country),
	sizeof(struct record_control_label),
};
#define KINDS (sizeof(sizes) / sizeof(sizes[0]))

static struct record_control_profile_entry entries[CONTROL_PROFILE_ENTRIES_MAX];

/* What follows a profile is its entries, copied. */
static int read_profile(struct db_bytes bytes, struct db_bytes *first)
{
	int result = record_control_profile_read(bytes, &out.profile, entries);

	if (result == 0)
		*first = (struct db_bytes){ (const uint8_t *)bytes.data + sizeof(out.profile),
			bytes.size - sizeof(out.profile) };
	return result;
}

static int read_alert_record(unsigned kind, struct db_bytes bytes, struct db_bytes *first)
{
	switch (kind) {
	case RECORD_CONTROL_RULES_NOTE:
		return record_control_rules_note_read(bytes, &out.rules_note);
	case RECORD_CONTROL_SUBJECT:
		return record_control_subject_read(bytes, &out.subject);
	case RECORD_CONTROL_ALERT:
		return record_control_alert_read(bytes, &out.alert);
	case RECORD_CONTROL_ALERT_HISTORY:
		return record_control_alert_history_read(bytes, &out.alert_history);
	case RECORD_CONTROL_ALERT_COUNTS:
		return record_control_alert_counts_read(bytes, &out.alert_counts);
	case RECORD_CONTROL_ALERT_CURSOR:
		return record_control_alert_cursor_read(bytes, &out.alert_cursor);
	case RECORD_CONTROL_PROFILE:
		return read_profile(bytes, first);
	case RECORD_CONTROL_WATCH_LIST:
		return record_control_watch_list_read(bytes, &out.watch_list);
	case RECORD_CONTROL_WATCH_NAME:
		return record_control_watch_name_read(bytes, &out.watch_name, first);
	case RECORD_CONTROL_COUNTRY:
		return record_control_country_read(bytes, &out.country);
	default:
		return record_control_label_read(bytes, &out.label);
	}
}

static int read_record(
    unsigned kind, struct db_bytes bytes, struct db_bytes *first, struct db_bytes *second)
{
	if (kind >= RECORD_CONTROL_RULES_NOTE)
		return read_alert_record(kind, bytes, first);
	switch (kind) {
	case RECORD_CONTROL_IDENTITY:
		return record_control_identity_read(bytes, &out.identity);
	case RECORD_CONTROL_TERMINAL:
		return record_control_terminal_read(bytes, &out.terminal);
	case RECORD_CONTROL_CERTIFICATE:
		return record_control_certificate_read(bytes, &out.certificate);
	case RECORD_CONTROL_SLOT:
		return record_control_slot_read(bytes, &out.slot);
	case RECORD_CONTROL_MARKET:
		return record_control_market_read(bytes, &out.market);
	case RECORD_CONTROL_RULES:
		return record_control_rules_read(bytes, &out.rules);
	case RECORD_CONTROL_COMMAND:
		return record_control_command_read(bytes, &out.command, first);
	case RECORD_CONTROL_AUDIT:
		return record_control_audit_read(bytes, &out.audit, first);
	case RECORD_CONTROL_PARTNER:
		return record_control_partner_read(bytes, &out.partner);
	case RECORD_CONTROL_ADJUSTMENT:
		return record_control_adjustment_read(bytes, &out.adjustment);
	default:
		return record_control_change_read(bytes, &out.change, first, second);
	}
}

/* Earlier records of these kinds end there and are read with zeros behind it; 0: no other kind. */
static size_t size_earlier(enum record_control_kind kind)
{
	if (kind == RECORD_CONTROL_RULES_NOTE)
		return offsetof(struct record_control_rules_note, refusal);
	if (kind == RECORD_CONTROL_ALERT_COUNTS)
		return offsetof(struct record_control_alert_counts, raised_limit);
	return 0;
}

/* An earlier record is what was in it, behind a header of its new size. */
static void use_earlier(const uint8_t *data, size_t size, size_t size_now)
{
	const size_t header = sizeof(struct record_header);

	SLUICE_REQUIRE(memcmp(out.bytes + header, data + header, size - header) == 0);
	SLUICE_REQUIRE(bytes_all_zero(out.bytes + size, size_now - size));
}

static void use_record(unsigned index, int fix, uint8_t *data, size_t size)
{
	struct db_bytes first = { NULL, 0 }, second = { NULL, 0 };
	enum record_control_kind kind = (enum record_control_kind)(RECORD_CONTROL_IDENTITY + index);
	size_t earlier = size_earlier(kind);
	struct record_header header =
	    record_control_header(kind, size == earlier ? (uint16_t)earlier : sizes[index]);
	int result;

	if (fix && size >= sizeof(header))
		memcpy(data, &header, sizeof(header));
	memset(&out, 0xa5, sizeof(out));
	result = read_record(kind, (struct db_bytes){ data, size }, &first, &second);
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG);
	if (result != 0) {
		for (size_t i = 0; i < sizeof(out); i++)
			SLUICE_REQUIRE(out.bytes[i] == 0xa5);
		SLUICE_REQUIRE(first.data == NULL && second.data == NULL);
		return;
	}
	if (size == earlier) {
		use_earlier(data, size, sizes[index]);
		return;
	}
	SLUICE_REQUIRE(size >= sizes[index] && memcmp(&out, data, sizes[index]) == 0);
	SLUICE_REQUIRE(sizes[index] + first.size + second.size == size);
	SLUICE_REQUIRE(first.data == NULL || first.data == data + sizes[index]);
	SLUICE_REQUIRE(second.data == NULL || second.data == data + sizes[index] + first.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 1 || size > 2 * CONTROL_TEXT_SIZE_MAX || (data[0] & 31u) >= KINDS ||
	    sizes[data[0] & 31u] == 0)
		return 0;
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	copy = malloc(size > 1 ? size - 1 : 1);
	SLUICE_REQUIRE(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	use_record(data[0] & 31u, (data[0] & FIX) != 0, copy, size - 1);
	free(copy);
	return 0;
}
