/* SPDX-License-Identifier: Apache-2.0 */
#include "control/audit/audit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/hex.h"

/* SHA-256 of the record with `hash` zero, then the text. */
static int entry_hash(
    const struct record_control_audit *record, struct db_bytes text, uint8_t hash[32])
{
	struct record_control_audit bare = *record;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int good;

	memset(bare.hash, 0, sizeof(bare.hash));
	good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
	       EVP_DigestUpdate(context, &bare, sizeof(bare)) == 1 &&
	       EVP_DigestUpdate(context, text.data, text.size) == 1 &&
	       EVP_DigestFinal_ex(context, hash, NULL) == 1;
	EVP_MD_CTX_free(context);
	return good ? 0 : -EIO;
}

/* The newest entry's number and hash; 0 and zeros when there is none. */
static int chain_end(struct db_txn *txn, uint64_t *sequence, uint8_t hash[32])
{
	struct record_control_audit record;
	struct db_bytes text;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_AUDIT);

	if (error != 0)
		return error;
	error = db_cursor_last(&cursor);
	if (error == 0)
		error = record_control_audit_read(cursor.value, &record, &text);
	db_cursor_close(&cursor);
	if (error == -ENOENT) {
		*sequence = 0;
		memset(hash, 0, 32);
		return 0;
	}
	if (error == 0) {
		*sequence = le64_get(record.sequence);
		memcpy(hash, record.hash, 32);
	}
	return error;
}

static char *entry_text(const struct audit_entry *entry)
{
	json_t *object = json_pack("{s:s?, s:s?, s:s?, s:s?}", "user", entry->user, "action",
	    entry->action, "object", entry->object, "outcome", entry->outcome);
	char *text;

	if (object == NULL)
		return NULL;
	if (entry->before != NULL)
		json_object_set(object, "before", entry->before);
	if (entry->after != NULL)
		json_object_set(object, "after", entry->after);
	text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(object);
	return text;
}

int audit_append(struct db_txn *txn, const struct audit_entry *entry)
{
	struct record_control_audit record = {
		.header = record_control_header(RECORD_CONTROL_AUDIT, sizeof(record)),
		.time_ns = le64_make(database_now_ns()),
		.uid = le32_make(entry->uid),
	};
	char *text = entry_text(entry);
	size_t length = text != NULL ? strlen(text) : 0;
	uint8_t *bytes = NULL;
	struct db_key key;
	uint64_t last;
	int error = text == NULL ? -ENOMEM : length > CONTROL_TEXT_SIZE_MAX ? -EMSGSIZE : 0;

	if (error == 0)
		error = chain_end(txn, &last, record.previous);
	if (error != 0)
		goto out;
	record.sequence = le64_make(last + 1);
	record.text_length = le32_make((uint32_t)length);
	error = entry_hash(&record, (struct db_bytes){ text, length }, record.hash);
	bytes = malloc(sizeof(record) + length);
	if (error == 0 && bytes == NULL)
		error = -ENOMEM;
	if (error != 0)
		goto out;
	memcpy(bytes, &record, sizeof(record));
	memcpy(bytes + sizeof(record), text, length);
	key = db_key_make(last + 1);
	error = database_put(txn, CONTROL_TABLE_AUDIT, db_key(&key),
	    (struct db_bytes){ bytes, sizeof(record) + length });
out:
	free(bytes);
	free(text);
	return error;
}

static int note_body(struct db_txn *txn, void *entry)
{
	return audit_append(txn, entry);
}

int audit_note(struct database *database, const struct audit_entry *entry)
{
	struct audit_entry copy = *entry;

	return database_write(database, note_body, &copy);
}

/* ---- Verification ---- */

struct verify_context {
	struct audit_report report;
	uint8_t previous[32];
};

__attribute__((format(printf, 3, 4))) static int entry_bad(
    struct verify_context *context, uint64_t sequence, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(context->report.what, sizeof(context->report.what), format, arguments);
	va_end(arguments);
	context->report.first_bad = sequence;
	return 0;
}

/* 1 the entry is good, 0 it is noted as bad, -errno. */
static int entry_verify(struct verify_context *context, const struct db_cursor *cursor)
{
	uint64_t expected = context->report.entries + 1, number = 0;
	struct record_control_audit record;
	struct db_bytes text;
	uint8_t hash[32];
	int error;

	if (db_key_number(cursor->key, &number) != 0 ||
	    record_control_audit_read(cursor->value, &record, &text) != 0)
		return entry_bad(
		    context, expected, "entry %llu is damaged", (unsigned long long)expected);
	if (number != expected || le64_get(record.sequence) != expected)
		return entry_bad(
		    context, expected, "entry %llu is missing", (unsigned long long)expected);
	if (memcmp(record.previous, context->previous, 32) != 0)
		return entry_bad(context, expected,
		    "entry %llu does not continue the one before it: an entry was changed, "
		    "removed or put in",
		    (unsigned long long)expected);
	error = entry_hash(&record, text, hash);
	if (error != 0)
		return error;
	if (memcmp(hash, record.hash, 32) != 0)
		return entry_bad(context, expected, "entry %llu was changed: its hash is wrong",
		    (unsigned long long)expected);
	memcpy(context->previous, record.hash, 32);
	context->report.entries = expected;
	return 1;
}

static int verify_body(struct db_txn *txn, void *argument)
{
	struct verify_context *context = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_AUDIT);
	int good = 1;

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0 && good == 1;
	     error = good == 1 ? db_cursor_next(&cursor) : 0)
		good = entry_verify(context, &cursor);
	db_cursor_close(&cursor);
	return good < 0 ? good : error == -ENOENT ? 0 : error;
}

int audit_verify(const struct database *database, struct audit_report *report)
{
	struct verify_context context = { 0 };
	int error = database_read(database, verify_body, &context);

	if (error != 0)
		return error;
	hex_encode(context.previous, 32, context.report.head);
	*report = context.report;
	return 0;
}

/* ---- Reading ---- */

static int count_body(struct db_txn *txn, void *count)
{
	return database_last(txn, CONTROL_TABLE_AUDIT, count);
}

int audit_count(const struct database *database, uint64_t *count)
{
	return database_read(database, count_body, count);
}

struct tail_context {
	json_t *list;
	uint64_t before;
	unsigned count;
};

static int tail_add(json_t *list, struct db_bytes value)
{
	struct record_control_audit record;
	struct db_bytes text;
	json_t *object;

	if (record_control_audit_read(value, &record, &text) != 0)
		return -EBADMSG;
	object = json_loadb(text.data, text.size, 0, NULL);
	if (object == NULL)
		return -EBADMSG;
	json_object_set_new(
	    object, "sequence", json_integer((json_int_t)le64_get(record.sequence)));
	json_object_set_new(object, "time_ns", json_integer((json_int_t)le64_get(record.time_ns)));
	if (le32_get(record.uid) != AUDIT_UID_CONTROL)
		json_object_set_new(object, "uid", json_integer(le32_get(record.uid)));
	json_array_append_new(list, object);
	return 0;
}

static int tail_body(struct db_txn *txn, void *argument)
{
	struct tail_context *context = argument;
	uint64_t at = context->before - 1;
	int error = 0;

	if (context->before == 0)
		error = database_last(txn, CONTROL_TABLE_AUDIT, &at);
	for (unsigned i = 0; error == 0 && i < context->count && at > 0; i++, at--) {
		struct db_key key = db_key_make(at);
		struct db_bytes value;

		error = db_get(txn, CONTROL_TABLE_AUDIT, db_key(&key), &value);
		if (error == 0)
			error = tail_add(context->list, value);
		else if (error == -ENOENT)
			error = 0; /* `before` above the end: nothing there */
	}
	return error;
}

json_t *audit_tail(const struct database *database, uint64_t before_sequence, unsigned count)
{
	struct tail_context context = { json_array(), before_sequence, count };

	if (context.list != NULL && database_read(database, tail_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
