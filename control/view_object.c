/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and system accounts out of records, in the form of the data plane's answers. */
#include <inttypes.h>
#include <stdio.h>

#include "control/control.h"
#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/object_fields.h"
#include "wire/hex.h"

static json_t *text_json(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

static json_t *field_json(const struct object_field *field, const uint8_t *body, unsigned index)
{
	char text[2 * OBJECT_BODY_SIZE + 1];
	uint64_t value;

	if (field->form == OBJECT_FIELD_HEX) {
		hex_encode(body + field->offset, field->size, text);
		return json_string(text);
	}
	value = object_field_value(field, body, index);
	switch (field->form) {
	case OBJECT_FIELD_ID:
	case OBJECT_FIELD_TIME:
		return text_json(value);
	case OBJECT_FIELD_CODE:
		return json_string(wire_code_name((uint16_t)value));
	case OBJECT_FIELD_FLAG:
		return json_boolean(value != 0);
	default:
		return json_integer((json_int_t)value);
	}
}

json_t *view_object_bytes(const struct object_bytes *object)
{
	size_t count = 0;
	const struct object_field *fields = object_fields(object->kind, &count);
	const char *state = object_state_name(object->state);
	const char *kind = object_kind_name(object->kind);
	json_t *view = json_pack("{s:s, s:s, s:i, s:I, s:I}", "kind",
	    kind != NULL ? kind : "unknown", "state", state != NULL ? state : "unknown", "currency",
	    (int)le16_get(object->currency), "partner_id", (json_int_t)le32_get(object->partner_id),
	    "lsn", (json_int_t)le64_get(object->lsn));

	json_object_set_new(view, "object_id", text_json(le64_get(object->id)));
	json_object_set_new(view, "due_ns", text_json(le64_get(object->due_ns)));
	for (size_t i = 0; i < count; i++) {
		json_t *value;

		if (fields[i].count == 1) {
			value = field_json(&fields[i], object->body, 0);
		} else {
			value = json_array();
			for (unsigned k = 0; k < fields[i].count; k++)
				json_array_append_new(
				    value, field_json(&fields[i], object->body, k));
		}
		json_object_set_new(view, fields[i].name, value);
	}
	return view;
}

const char *view_system_account(uint64_t account_id)
{
	static const char *const names[SYSTEM_ACCOUNT_MAX + 1] = {
		[SYSTEM_FUNDING] = "funding",
		[SYSTEM_CASH] = "cash",
		[SYSTEM_STAKES] = "stakes",
		[SYSTEM_HOUSE] = "house",
		[SYSTEM_PARTNER] = "partner",
		[SYSTEM_PAYABLE] = "payable",
		[SYSTEM_RECEIVABLE] = "receivable",
		[SYSTEM_SUSPENSE] = "suspense",
		[SYSTEM_TRANSIT] = "transit",
		[SYSTEM_POTS] = "pots",
		[SYSTEM_ADJUSTMENT] = "adjustment",
	};
	unsigned kind = account_id >> 56 & 0x7f;

	return kind <= SYSTEM_ACCOUNT_MAX && names[kind] != NULL ? names[kind] : "unknown";
}
