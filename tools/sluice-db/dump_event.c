/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lmdb-schema/object_fields.h"
#include "tools/sluice-db/dump.h"
#include "tools/sluice-db/postings.h"
#include "wire/codes.h"

const char *event_type_text(unsigned type)
{
	static char text[32];
	const char *name = event_type_name(type);
	size_t used = 0;

	if (name == NULL)
		return "UNKNOWN";
	for (; name[used] != '\0' && used + 1 < sizeof(text); used++)
		text[used] = (char)toupper((unsigned char)name[used]);
	text[used] = '\0';
	return text;
}

/* "customer 1000", "CASH of terminal 9", "TRANSIT of shard 3", "HOUSE". */
static void account_text(uint64_t id, char *text, size_t size)
{
	const char *part;

	if (id <= LIMIT_ACCOUNT_ID_MAX) {
		snprintf(text, size, "customer %" PRIu64, id);
		return;
	}
	if (!own_account_is(id)) {
		snprintf(text, size, "unknown account %" PRIu64, id);
		return;
	}
	part = own_account_kind(id) == OWN_CASH      ? " of terminal"
	       : own_account_kind(id) == OWN_PARTNER ? " of partner"
	       : own_account_kind(id) == OWN_TRANSIT ? " of shard"
	                                             : NULL;
	if (part == NULL)
		snprintf(text, size, "%s", own_account_name(id));
	else
		snprintf(text, size, "%s%s %u", own_account_name(id), part, own_account_part(id));
}

/* ---- Text ---- */

static void postings_text(const struct event_view *view)
{
	struct posting postings[POSTINGS_MAX];
	int count = postings_make(view, postings);
	char account[64];

	for (int i = 0; i < count; i++) {
		account_text(postings[i].account_id, account, sizeof(account));
		printf("    %+" PRId64 " %s", postings[i].amount, account);
		if (postings[i].account_id <= LIMIT_ACCOUNT_ID_MAX)
			printf(", then %" PRId64, postings[i].balance);
		printf("\n");
	}
}

static void field_text(const struct object_field *field, const uint8_t *body)
{
	printf(" %s=", field->name);
	if (field->form == OBJECT_FIELD_HEX) {
		for (unsigned i = 0; i < field->size; i++)
			printf("%02x", body[field->offset + i]);
		return;
	}
	for (unsigned i = 0; i < field->count; i++) {
		uint64_t value = object_field_value(field, body, i);

		if (field->form == OBJECT_FIELD_AMOUNT)
			printf("%s%" PRId64, i > 0 ? "," : "", (int64_t)value);
		else if (field->form == OBJECT_FIELD_CODE)
			printf("%s%s", i > 0 ? "," : "", wire_code_name((uint16_t)value));
		else
			printf("%s%" PRIu64, i > 0 ? "," : "", value);
	}
}

static void object_text(const struct object_bytes *object)
{
	const struct object_field *fields;
	size_t count = 0;

	fields = object_fields(object->kind, &count);
	printf("    %s %" PRIu64 " %s", object_kind_name(object->kind), le64_get(object->id),
	    object_state_name(object->state));
	if (le64_get(object->due_ns) != 0)
		printf(", due %" PRIu64, le64_get(object->due_ns));
	printf(":");
	for (size_t i = 0; i < count; i++)
		field_text(&fields[i], object->body);
	if (le32_get(object->partner_id) != 0)
		printf(" partner_id=%u", le32_get(object->partner_id));
	printf("\n");
}

static void flags_text(uint8_t flags)
{
	static const char *const names[] = { "frozen", "paid", "by time", "a reversal",
		"linked with the next" };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(names); i++)
		if (flags >> i & 1)
			printf(" (%s)", names[i]);
}

void event_text(uint32_t shard, const struct event_view *view)
{
	const struct event_record *record = &view->record;

	printf("%u %" PRIu64 " %" PRIu64 " %-15s %-24s terminal %" PRIu64 "/%" PRIu64
	       " account %" PRIu64 " amount %" PRId64 " balance %" PRId64 " object %" PRIu64
	       " score %u",
	    shard, le64_get(record->lsn), le64_get(record->time_ns),
	    event_type_text(le16_get(record->type)), wire_code_name(le16_get(record->code)),
	    le64_get(record->terminal_id), le64_get(record->request_id),
	    le64_get(record->account_id), le64s_get(record->amount), le64s_get(record->balance),
	    le64_get(record->object_id), record->score);
	flags_text(record->flags);
	printf("\n");
	event_body_text(view);
	postings_text(view);
	for (unsigned i = 0; i < view->object_count; i++)
		object_text(&view->objects[i]);
}

/* ---- JSON ---- */

/* Ids use all 64 bits; JSON numbers here are signed. */
static json_t *digits(uint64_t number)
{
	return json_sprintf("%" PRIu64, number);
}

static json_t *field_json(const struct object_field *field, const uint8_t *body)
{
	char hex[2 * OBJECT_BODY_SIZE + 1] = "";
	json_t *list;

	if (field->form == OBJECT_FIELD_HEX) {
		for (unsigned i = 0; i < field->size; i++)
			snprintf(hex + 2 * i, 3, "%02x", body[field->offset + i]);
		return json_string(hex);
	}
	list = json_array();
	for (unsigned i = 0; i < field->count; i++) {
		uint64_t value = object_field_value(field, body, i);
		json_t *one;

		if (field->form == OBJECT_FIELD_ID || field->form == OBJECT_FIELD_TIME)
			one = digits(value);
		else if (field->form == OBJECT_FIELD_CODE)
			one = json_string(wire_code_name((uint16_t)value));
		else if (field->form == OBJECT_FIELD_FLAG)
			one = json_boolean(value != 0);
		else
			one = json_integer((json_int_t)value);
		json_array_append_new(list, one);
	}
	if (field->count == 1) {
		json_t *only = json_incref(json_array_get(list, 0));

		json_decref(list);
		return only;
	}
	return list;
}

static json_t *object_json(const struct object_bytes *object)
{
	const struct object_field *fields;
	size_t count = 0;
	json_t *json =
	    json_pack("{s:s, s:o, s:s, s:o, s:i, s:i}", "kind", object_kind_name(object->kind),
	        "id", digits(le64_get(object->id)), "state", object_state_name(object->state),
	        "due_ns", digits(le64_get(object->due_ns)), "currency",
	        (int)le16_get(object->currency), "partner_id", (int)le32_get(object->partner_id));

	fields = object_fields(object->kind, &count);
	for (size_t i = 0; i < count; i++)
		json_object_set_new(json, fields[i].name, field_json(&fields[i], object->body));
	return json;
}

static void sections_json(const struct event_view *view, json_t *object)
{
	static const char *const sources[] = { "record", "line", "implied" };
	struct posting postings[POSTINGS_MAX];
	json_t *list = json_array();
	int count = postings_make(view, postings);
	char account[64];

	for (int i = 0; i < count; i++) {
		const struct posting *posting = &postings[i];
		json_t *json;

		account_text(posting->account_id, account, sizeof(account));
		json = json_pack("{s:s, s:o, s:I, s:s}", "account", account, "account_id",
		    digits(posting->account_id), "amount", (json_int_t)posting->amount, "from",
		    sources[posting->source]);
		if (posting->account_id <= LIMIT_ACCOUNT_ID_MAX)
			json_object_set_new(
			    json, "balance", json_integer((json_int_t)posting->balance));
		json_array_append_new(list, json);
	}
	json_object_set_new(object, "postings", list);
	if (view->object_count == 0)
		return;
	list = json_array();
	for (unsigned i = 0; i < view->object_count; i++)
		json_array_append_new(list, object_json(&view->objects[i]));
	json_object_set_new(object, "objects", list);
}

json_t *event_json(uint32_t shard, const struct event_view *view)
{
	const struct event_record *record = &view->record;
	json_t *object = json_object();

#define NUMBER(name, value) json_object_set_new(object, name, json_integer((json_int_t)(value)))
	NUMBER("shard", shard);
	NUMBER("lsn", le64_get(record->lsn));
	NUMBER("time_ns", le64_get(record->time_ns));
	json_object_set_new(object, "type", json_string(event_type_text(le16_get(record->type))));
	json_object_set_new(object, "code", json_string(wire_code_name(le16_get(record->code))));
	NUMBER("terminal", le64_get(record->terminal_id));
	NUMBER("request", le64_get(record->request_id));
	NUMBER("account", le64_get(record->account_id));
	NUMBER("amount", le64s_get(record->amount));
	NUMBER("balance", le64s_get(record->balance));
	NUMBER("currency", le16_get(record->currency));
	json_object_set_new(object, "object", digits(le64_get(record->object_id)));
	NUMBER("payout", le64s_get(record->payout));
	NUMBER("score", record->score);
	NUMBER("factor_bits", le32_get(record->factor_bits));
	NUMBER("rule_version", le32_get(record->rule_version));
	NUMBER("flags", record->flags);
	NUMBER("extra", le32_get(record->cashier_id)); /* cashier, reason, partner: see the type */
	NUMBER("prev_terminal_lsn", le64_get(record->prev_terminal_lsn));
	NUMBER("prev_account_lsn", le64_get(record->prev_account_lsn));
#undef NUMBER
	event_body_json(view, object);
	sections_json(view, object);
	return object;
}
