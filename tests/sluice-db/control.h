/* SPDX-License-Identifier: Apache-2.0 */
/* A database of control's, change by change, without a control process. */
#ifndef SLUICE_TESTS_SLUICE_DB_CONTROL_H
#define SLUICE_TESTS_SLUICE_DB_CONTROL_H

#include "lmdb-schema/control_rows.h"
#include "tests/test.h"

struct control_line {
	uint64_t time_ns;
	enum control_table table;
	uint64_t number; /* its key */
};

struct control_lines {
	const struct control_line *lines;
	unsigned count;
	uint64_t first;      /* sequence of the first of them */
	uint64_t timed_from; /* noted unless 0 */
	char value;
};

static inline struct db_bytes control_key(const char *text)
{
	return (struct db_bytes){ text, strlen(text) };
}

static inline int control_meta_put(struct db_txn *txn, const struct control_lines *lines)
{
	struct record_control_identity identity = {
		.header = record_control_header(RECORD_CONTROL_IDENTITY, sizeof(identity)),
		.deployment = "test",
		.created_ns = le64_make(1),
	};
	struct le32 version = le32_make(CONTROL_SCHEMA_VERSION);
	struct le64 first = le64_make(lines->timed_from);
	int error = db_put(txn, CONTROL_TABLE_META, control_key("version"),
	    (struct db_bytes){ &version, sizeof(version) });

	if (error == 0)
		error = db_put(txn, CONTROL_TABLE_META, control_key("identity"),
		    (struct db_bytes){ &identity, sizeof(identity) });
	if (error == 0 && lines->timed_from != 0)
		error = db_put(txn, CONTROL_TABLE_META, control_key(CONTROL_CHANGE_TIMES),
		    (struct db_bytes){ &first, sizeof(first) });
	return error;
}

static inline int control_body(struct db_txn *txn, void *context)
{
	const struct control_lines *lines = context;
	int error = control_meta_put(txn, lines);

	for (unsigned i = 0; i < lines->count && error == 0; i++) {
		const struct control_line *line = &lines->lines[i];
		struct db_key key = db_key_make(line->number);
		struct db_key sequence = db_key_make(lines->first + i);
		struct {
			struct record_control_change change;
			uint8_t key[8], value[1];
		} bytes = {
			.change = { .header = record_control_header(
			                RECORD_CONTROL_CHANGE, sizeof(bytes.change)),
			    .sequence = le64_make(lines->first + i),
			    .time_ns = le64_make(line->time_ns),
			    .value_length = le32_make(1),
			    .key_length = le16_make(8),
			    .table = (uint8_t)line->table },
			.value = { (uint8_t)lines->value },
		};

		memcpy(bytes.key, db_key(&key).data, sizeof(bytes.key));
		error = db_put(txn, line->table, db_key(&key),
		    (struct db_bytes){ bytes.value, sizeof(bytes.value) });
		if (error == 0)
			error = db_put(txn, CONTROL_TABLE_CHANGE, db_key(&sequence),
			    (struct db_bytes){ &bytes, sizeof(bytes.change) + 9 });
	}
	return error;
}

/* Appends to the database under a root, which is made if it is not there. */
static inline void control_write(const char *root, const struct control_lines *lines)
{
	char path[160];
	struct db_env *env;

	snprintf(path, sizeof(path), "%s/var/lib/sluice/control", root);
	assert_int_equal(control_schema_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, control_body, (void *)(uintptr_t)lines), 0);
	db_env_close(env);
}

#endif
