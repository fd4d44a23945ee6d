/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/object_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "lmdb-schema/object_fields.h"
#include "wire/codes.h"
#include "wire/hex.h"

json_t *object_json_digits(uint64_t value)
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
		return object_json_digits(value);
	case OBJECT_FIELD_CODE:
		return json_string(wire_code_name((uint16_t)value));
	case OBJECT_FIELD_FLAG:
		return json_boolean(value != 0);
	default:
		return json_integer((json_int_t)value);
	}
}

void object_json_fields(json_t *object, unsigned kind, const uint8_t body[OBJECT_BODY_SIZE])
{
	size_t count = 0;
	const struct object_field *fields = object_fields(kind, &count);

	for (size_t i = 0; i < count; i++) {
		json_t *value;

		if (fields[i].count == 1) {
			value = field_json(&fields[i], body, 0);
		} else {
			value = json_array();
			for (unsigned k = 0; k < fields[i].count; k++)
				json_array_append_new(value, field_json(&fields[i], body, k));
		}
		json_object_set_new(object, fields[i].name, value);
	}
}
