/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin_fields.h"

#include "dataplane/admin/admin.h"
#include "wire/hex.h"

uint64_t admin_field_number(
    struct admin_fields *fields, const char *name, uint64_t lowest, uint64_t highest)
{
	json_t *value = json_object_get(fields->object, name);
	json_int_t number;

	if (fields->error != NULL)
		return 0;
	if (!json_is_integer(value)) {
		fields->error = admin_error("\"%s\" is missing or not a whole number", name);
		return 0;
	}
	number = json_integer_value(value);
	if (number < 0 || (uint64_t)number < lowest || (uint64_t)number > highest) {
		fields->error = admin_error("\"%s\" is out of range; give %llu to %llu", name,
		    (unsigned long long)lowest, (unsigned long long)highest);
		return 0;
	}
	return (uint64_t)number;
}

uint64_t admin_field_optional(
    struct admin_fields *fields, const char *name, uint64_t highest, uint64_t otherwise)
{
	if (json_object_get(fields->object, name) == NULL)
		return otherwise;
	return admin_field_number(fields, name, 0, highest);
}

int admin_field_bool(struct admin_fields *fields, const char *name)
{
	json_t *value = json_object_get(fields->object, name);

	if (fields->error == NULL && !json_is_boolean(value))
		fields->error = admin_error("\"%s\" is missing or neither true nor false", name);
	return json_is_true(value);
}

void admin_field_hex(struct admin_fields *fields, const char *name, uint8_t *out, size_t size)
{
	const char *text = json_string_value(json_object_get(fields->object, name));

	if (fields->error != NULL)
		return;
	if (text == NULL || strlen(text) != 2 * size) {
		fields->error =
		    admin_error("\"%s\" must be %zu hexadecimal digits", name, 2 * size);
		return;
	}
	if (hex_decode(text, out, size) != 0)
		fields->error =
		    admin_error("\"%s\" holds a character that is not hexadecimal", name);
}

int64_t admin_field_signed(
    struct admin_fields *fields, const char *name, int64_t lowest, int64_t highest)
{
	json_t *value = json_object_get(fields->object, name);

	if (fields->error != NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < lowest ||
	    json_integer_value(value) > highest) {
		fields->error = admin_error("\"%s\" is missing or out of range; give %lld to %lld",
		    name, (long long)lowest, (long long)highest);
		return 0;
	}
	return json_integer_value(value);
}

uint64_t admin_field_id(struct admin_fields *fields, const char *name)
{
	uint64_t id = 0;

	if (fields->error != NULL)
		return 0;
	if (admin_id_read(json_object_get(fields->object, name), &id) != 0 || id == 0)
		fields->error = admin_error("\"%s\" is missing or no id", name);
	return id;
}

uint64_t admin_field_time(struct admin_fields *fields, const char *name)
{
	uint64_t time_ns = 0;

	if (fields->error == NULL && json_object_get(fields->object, name) != NULL &&
	    admin_id_read(json_object_get(fields->object, name), &time_ns) != 0)
		fields->error = admin_error("\"%s\" is no time in Unix ns", name);
	return time_ns;
}
