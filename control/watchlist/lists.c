/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in the database: import, and what there is. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/subjects/subjects.h"
#include "control/watchlist/watchlist.h"

#define NAMES_MAX 1000000u

struct import {
	const char *name, *dated;
	const struct watch_files *files;
	const struct audit_entry *who;
	struct record_control_watch_list row;
	uint64_t entries, names;
	uint64_t *keys; /* of the names read, sorted before they are looked for */
	EVP_MD_CTX *digest;
	const char *file; /* being read */
	char *message;
	size_t message_size;
};

static int line_refused(const struct import *import, unsigned line, const char *what)
{
	snprintf(
	    import->message, import->message_size, "%s, line %u: %s", import->file, line, what);
	return -EINVAL;
}

static int name_put(struct db_txn *txn, struct import *import, unsigned line, uint64_t entry,
    int alias, const char *text)
{
	struct {
		struct record_control_watch_name record;
		uint8_t text[CONTROL_WATCH_NAME_SIZE_MAX + 1];
	} out = { 0 };
	size_t length = strlen(text), size = sizeof(out.record) + length;
	struct db_bytes known;
	struct db_key key;
	int error;

	if (length == 0)
		return line_refused(import, line, "there is no name");
	if (database_text(out.text, sizeof(out.text), text) != 0)
		return line_refused(import, line, "the name is too long, or is not UTF-8");
	if (import->names >= NAMES_MAX)
		return line_refused(import, line, "these are more names than a list may have");
	out.record = (struct record_control_watch_name){
		.header = record_control_header(RECORD_CONTROL_WATCH_NAME, sizeof(out.record)),
		.entry = le64_make(entry),
		.length = le16_make((uint16_t)length),
		.alias = (uint8_t)alias,
	};
	import->entries += !alias;
	import->keys[import->names] = XXH3_64bits(&out, size);
	key = db_key_make_pair(le32_get(import->row.number), import->keys[import->names++]);
	if (EVP_DigestUpdate(import->digest, &out, size) != 1)
		return -EIO;
	/* One that was there stays: a list that changes a little is a small change. */
	error = db_get(txn, CONTROL_TABLE_WATCH_NAME, db_key(&key), &known);
	if (error != -ENOENT)
		return error;
	return database_put(
	    txn, CONTROL_TABLE_WATCH_NAME, db_key(&key), (struct db_bytes){ &out, size });
}

static int csv_put(
    struct db_txn *txn, struct import *import, const char *text, unsigned column, int alias)
{
	struct csv csv;
	int more, error = 0;

	csv_begin(&csv, text, strlen(text));
	while (error == 0 && (more = csv_next(&csv)) != 0) {
		char *end;
		uint64_t entry;

		if (more < 0)
			return line_refused(
			    import, csv.line, "is too long, or holds a quote that is not closed");
		/* OFAC's files end with a control-Z; a heading says ent_num. */
		if (csv.fields[0][0] == '\x1a' || strcmp(csv.fields[0], "ent_num") == 0)
			continue;
		errno = 0;
		entry = strtoull(csv.fields[0], &end, 10);
		if (*end != '\0' || end == csv.fields[0] || errno != 0 || csv.count <= column)
			return line_refused(import, csv.line,
			    alias ? "expected number,number,kind,alias" : "expected number,name");
		error = name_put(txn, import, csv.line, entry, alias, csv.fields[column]);
	}
	return error;
}

static int lines_put(struct db_txn *txn, struct import *import, const char *text)
{
	unsigned line = 0;
	int error = 0;

	text = text_begin(text);
	while (error == 0 && *text != '\0') {
		char name[CONTROL_WATCH_NAME_SIZE_MAX + 2];
		size_t length = strcspn(text, "\r\n"), kept = length;

		line++;
		if (kept > CONTROL_WATCH_NAME_SIZE_MAX + 1)
			kept = CONTROL_WATCH_NAME_SIZE_MAX + 1; /* too long: name_put says so */
		memcpy(name, text, kept);
		name[kept] = '\0';
		if (kept > 0)
			error = name_put(txn, import, line, line, 0, name);
		text += length;
		text += *text == '\r';
		text += *text == '\n';
	}
	return error;
}

/* The row of a list by its name; -ENOENT with the number a new one gets. */
static int row_find(struct db_txn *txn, struct import *import)
{
	uint64_t last;
	int error = database_last(txn, CONTROL_TABLE_WATCH_LIST, &last);

	for (uint64_t number = 1; error == 0 && number <= last; number++) {
		struct db_key key = db_key_make(number);
		struct db_bytes value;

		error = db_get(txn, CONTROL_TABLE_WATCH_LIST, db_key(&key), &value);
		if (error == 0)
			error = record_control_watch_list_read(value, &import->row);
		if (error == 0 && strcmp((const char *)import->row.name, import->name) == 0)
			return 0;
	}
	if (error != 0)
		return error;
	import->row = (struct record_control_watch_list){
		.header = record_control_header(RECORD_CONTROL_WATCH_LIST, sizeof(import->row)),
		.number = le32_make((uint32_t)last + 1),
	};
	return database_text(import->row.name, sizeof(import->row.name), import->name);
}

static int key_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The first key of the list from `from` on. -ENOENT: none. */
static int key_next(struct db_txn *txn, const struct import *import, uint64_t from, uint64_t *found)
{
	struct db_key key = db_key_make_pair(le32_get(import->row.number), from);
	uint64_t words[2] = { 0 };
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_WATCH_NAME);

	if (error != 0)
		return error;
	error = db_cursor_seek_below(&cursor, db_key(&key));
	if (error == -ENOENT)
		error = db_cursor_first(&cursor);
	else if (error == 0 &&
	         (cursor.key.size != key.size || memcmp(cursor.key.data, key.bytes, key.size) != 0))
		error = db_cursor_next(&cursor);
	if (error == 0 && cursor.key.size != sizeof(words))
		error = -EBADMSG;
	if (error == 0)
		memcpy(words, cursor.key.data, sizeof(words));
	db_cursor_close(&cursor);
	if (error == 0 && be64toh(words[0]) != le32_get(import->row.number))
		error = -ENOENT;
	if (error == 0)
		*found = be64toh(words[1]);
	return error;
}

/* Names that are on the list no more. */
static int old_delete(struct db_txn *txn, const struct import *import)
{
	uint64_t at = 0;
	int error;

	qsort(import->keys, import->names, sizeof(import->keys[0]), key_compare);
	while ((error = key_next(txn, import, at, &at)) == 0) {
		struct db_key key = db_key_make_pair(le32_get(import->row.number), at);

		if (bsearch(&at, import->keys, import->names, sizeof(at), key_compare) == NULL)
			error = database_delete(txn, CONTROL_TABLE_WATCH_NAME, db_key(&key));
		if (error != 0 || at == UINT64_MAX)
			return error;
		at++;
	}
	return error == -ENOENT ? 0 : error;
}

static int files_put(struct db_txn *txn, struct import *import)
{
	const struct watch_files *files = import->files;
	int error = 0;

	import->entries = import->names = 0;
	import->file = "sdn";
	if (files->sdn != NULL)
		error = csv_put(txn, import, files->sdn, 1, 0);
	import->file = "alt";
	if (error == 0 && files->alt != NULL)
		error = csv_put(txn, import, files->alt, 3, 1);
	import->file = "names";
	if (error == 0 && files->names != NULL)
		error = lines_put(txn, import, files->names);
	if (error == 0 && import->names == 0) {
		snprintf(import->message, import->message_size, "the files hold no name");
		error = -EINVAL;
	}
	return error;
}

static int import_body(struct db_txn *txn, void *argument)
{
	struct import *import = argument;
	struct record_control_watch_list *row = &import->row;
	struct audit_entry entry = *import->who;
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct db_key key;
	char object[48];
	int error = row_find(txn, import);

	if (error != 0)
		return error;
	if (EVP_DigestInit_ex(import->digest, EVP_sha256(), NULL) != 1)
		return -EIO;
	entry.before = le32_get(row->version) > 0 ? watchlist_json(row) : NULL;
	error = files_put(txn, import);
	if (error == 0)
		error = old_delete(txn, import);
	if (error == 0 && EVP_DigestFinal_ex(import->digest, digest, NULL) != 1)
		error = -EIO;
	if (error == 0)
		error = database_text(row->dated, sizeof(row->dated), import->dated);
	if (error != 0) {
		json_decref(entry.before);
		return error;
	}
	memcpy(row->sha256, digest, sizeof(row->sha256));
	row->version = le32_make(le32_get(row->version) + 1);
	row->imported_ns = le64_make(database_now_ns());
	row->entries = le64_make(import->entries);
	row->names = le64_make(import->names);
	if (database_text(row->imported_by, sizeof(row->imported_by), import->who->user) != 0)
		memset(row->imported_by, 0, sizeof(row->imported_by));
	key = db_key_make(le32_get(row->number));
	error = database_put(
	    txn, CONTROL_TABLE_WATCH_LIST, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
	snprintf(object, sizeof(object), "watch list %.32s", (const char *)row->name);
	entry.object = object;
	entry.after = watchlist_json(row);
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

int watchlist_import(struct database *database, const char *name, const char *dated,
    const struct watch_files *files, const struct audit_entry *who,
    struct record_control_watch_list *row, char *message, size_t message_size)
{
	struct import import = { .name = name,
		.dated = dated,
		.files = files,
		.who = who,
		.digest = EVP_MD_CTX_new(),
		.message = message,
		.message_size = message_size };
	int error = -ENOMEM;

	import.keys = malloc(NAMES_MAX * sizeof(import.keys[0]));
	if (import.digest != NULL && import.keys != NULL)
		error = database_write(database, import_body, &import);
	EVP_MD_CTX_free(import.digest);
	free(import.keys);
	if (error == 0)
		*row = import.row;
	return error;
}

json_t *watchlist_json(const struct record_control_watch_list *row)
{
	char hash[2 * sizeof(row->sha256) + 1];

	for (size_t i = 0; i < sizeof(row->sha256); i++)
		snprintf(hash + 2 * i, 3, "%02x", row->sha256[i]);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:s}", "list",
	    (const char *)row->name, "number", (json_int_t)le32_get(row->number), "version",
	    (json_int_t)le32_get(row->version), "entries", (json_int_t)le64_get(row->entries),
	    "names", (json_int_t)le64_get(row->names), "dated", (const char *)row->dated,
	    "imported_by", (const char *)row->imported_by, "imported_ns",
	    (json_int_t)le64_get(row->imported_ns), "sha256", hash);
}

static int list_body(struct db_txn *txn, void *argument)
{
	json_t *list = argument;
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_WATCH_LIST);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_watch_list row;

		error = record_control_watch_list_read(cursor.value, &row);
		if (error != 0)
			break;
		json_array_append_new(list, watchlist_json(&row));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *watchlists_list(const struct database *database)
{
	json_t *list = json_array();

	if (list != NULL && database_read(database, list_body, list) != 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}
