/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What earlier versions wrote (tests/fixtures) is read by this one, to the same state; what a later
 * version would write is refused by every reader, and says so.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/journal/meta.h"
#include "lmdb-schema/control_rows.h"
#include "lmdb-schema/schema.h"
#include "tests/sluice-db/backup.h"

#define DATA "var/lib/sluice"

static const char *fixtures(void)
{
	const char *path = getenv("SLUICE_FIXTURES"); /* meson sets it */

	assert_non_null(path);
	return path;
}

static void unpack(const char *version, char root[64])
{
	char command[600];

	root_make(root);
	snprintf(
	    command, sizeof(command), "tar -xzf '%s/%s.tar.gz' -C '%s'", fixtures(), version, root);
	assert_int_equal(system(command), 0);
}

static json_t *expected_read(const char *version)
{
	char path[500];
	json_t *expected;

	snprintf(path, sizeof(path), "%s/%s.json", fixtures(), version);
	expected = json_load_file(path, 0, NULL);
	assert_non_null(expected);
	return expected;
}

static void state_check(const char *root, json_t *expected)
{
	char arguments[200];
	json_t *answer;

	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	assert_string_equal(text_of(answer, "state_hash"), text_of(expected, "state_hash"));
	assert_int_equal(json_integer_value(json_object_get(answer, "events")),
	    json_integer_value(json_object_get(expected, "events")));
	assert_int_equal(json_integer_value(json_object_get(answer, "bets_open")),
	    json_integer_value(json_object_get(expected, "bets_open")));
	json_decref(answer);
}

static void balances_check(const char *root, json_t *expected)
{
	char arguments[200], account[24];
	json_t *answer, *event, *balance, *last = json_object();
	const char *key;
	size_t i;

	snprintf(arguments, sizeof(arguments), "dump --json --root '%s'", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	json_array_foreach(json_object_get(answer, "events"), i, event)
	{
		if (json_integer_value(json_object_get(event, "account")) == 0 ||
		    strcmp(text_of(event, "code"), "OK") != 0)
			continue;
		snprintf(account, sizeof(account), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(json_object_get(event, "account")));
		json_object_set(last, account, json_object_get(event, "balance"));
	}
	assert_true(json_object_size(last) > 20);
	json_object_foreach(json_object_get(expected, "balances"), key, balance)
	    assert_true(json_equal(balance, json_object_get(last, key)));
	json_decref(last);
	json_decref(answer);
}

TEST(every_fixture_reads_to_the_state_it_was_written_with)
{
	static const char *const versions[] = { "v2", "v3", "v3-factors" };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(versions); i++) {
		json_t *expected = expected_read(versions[i]);
		char root[64];

		unpack(versions[i], root);
		must_run("migrate '%s'", root);
		state_check(root, expected);
		balances_check(root, expected);
		/* What is made of it is of the same state. */
		must_run("backup create '%s' '%s/backup'", root, root);
		must_run("backup verify '%s/backup'", root);
		must_run("backup restore '%s/backup' '%s/restored'", root, root);
		{
			char restored[96];

			snprintf(restored, sizeof(restored), "%s/restored", root);
			state_check(restored, expected);
		}
		root_remove(root);
		json_decref(expected);
	}
}

/* ---- What is not there ---- */

TEST(a_shard_that_is_missing_is_named_by_every_reader)
{
	static const struct {
		const char *command, *target, *options;
	} commands[] = {
		{ "verify --root", "", "" },
		{ "journal verify --root", "", "" },
		{ "backup create", "/backup", "" },
		{ "reshard", "/new", "--shards 3" },
		{ "repair --shard 0 --root", "", "" },
	};
	char root[64], command[200], said[1024];

	unpack("v3", root);
	must_run("migrate '%s'", root);
	snprintf(command, sizeof(command), "rm -r '%s/" DATA "/shard-1'", root);
	assert_int_equal(system(command), 0);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(commands); i++) {
		snprintf(command, sizeof(command), "%s '%s' %s%s %s", commands[i].command, root,
		    commands[i].target[0] == '\0' ? "" : root, commands[i].target,
		    commands[i].options);
		if (say_run(said, "%s", command) != 1 ||
		    strstr(said, DATA "/shard-1 is missing: shard 0 knows of 2 shards") == NULL)
			fail_msg("%s: %s", command, said);
	}
	/* A shard by itself can still be looked at. */
	must_run("verify --shard 0 --root '%s'", root);
	root_remove(root);
}

TEST(a_root_in_use_without_its_journal_is_refused)
{
	static const char *const gone[] = { "journal", "journal/journal.meta" };
	char root[64], command[200], said[1024];

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(gone); i++) {
		unpack("v3", root);
		must_run("migrate '%s'", root);
		must_run("backup create '%s' '%s/whole'", root, root);
		snprintf(command, sizeof(command), "rm -r '%s/" DATA "/shard-1/%s'", root, gone[i]);
		assert_int_equal(system(command), 0);
		assert_int_equal(say_run(said, "verify --root '%s'", root), 1);
		assert_non_null(strstr(said, "shard-1/journal/journal.meta is missing"));
		assert_int_equal(say_run(said, "journal verify --root '%s'", root), 1);
		assert_non_null(strstr(said, "shard-1/journal/journal.meta is missing"));
		assert_int_equal(say_run(said, "backup create '%s' '%s/backup'", root, root), 1);
		assert_non_null(strstr(said, "shard-1/journal/journal.meta is missing"));
		assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 3", root, root), 1);
		assert_non_null(strstr(said, "shard-1/journal/journal.meta is missing"));
		/* A backup has none, and is whole. */
		must_run("verify --transit-max 999999999 --root '%s/whole'", root);
		root_remove(root);
	}
}

TEST(a_file_that_was_cut_short_is_an_error_with_words)
{
	static const char *const files[] = { "rows/data.mdb", "log-*/data.mdb" };
	char root[64], command[200], said[1024];

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(files); i++) {
		int status;

		unpack("v3", root);
		snprintf(command, sizeof(command), "truncate -s 32768 '%s'/" DATA "/shard-0/%s",
		    root, files[i]);
		assert_int_equal(system(command), 0);
		status = say_run(said, "verify --root '%s'", root);
		if ((status != 1 && status != 3) || said[0] == '\0')
			fail_msg("%s: exit status %d: %s", files[i], status, said);
		root_remove(root);
	}
}

/* ---- Newer ---- */

static int version_put(struct db_txn *txn, void *context)
{
	const struct le32 *version = context;

	return db_put(txn, 0, (struct db_bytes){ "version", 7 },
	    (struct db_bytes){ version, sizeof(*version) });
}

static void rows_version_set(const char *root, uint32_t number)
{
	struct le32 version = le32_make(number);
	struct db_env *env;
	char path[200];

	snprintf(path, sizeof(path), "%s/" DATA "/shard-1", root);
	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, version_put, &version), 0);
	db_env_close(env);
}

static void rows_newer(const char *root)
{
	rows_version_set(root, SCHEMA_VERSION + 1);
}

static void rows_older(const char *root)
{
	rows_version_set(root, 1);
}

static void control_newer(const char *root)
{
	struct le32 version = le32_make(CONTROL_SCHEMA_VERSION + 1);
	struct db_env *env;
	char path[200];

	snprintf(path, sizeof(path), "%s/" DATA "/control", root);
	assert_int_equal(control_schema_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, version_put, &version), 0);
	db_env_close(env);
}

/* The checksum is right: it is a newer one, not a damaged one. */
static void journal_newer(const char *root)
{
	struct journal_meta_block block;
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/" DATA "/shard-0/journal/journal.meta", root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &block, sizeof(block), 0), sizeof(block));
	block.version = le16_make(JOURNAL_META_VERSION + 1);
	block.checksum = le64_make(XXH3_128bits(&block, sizeof(block) - 8).low64);
	assert_int_equal(pwrite(fd, &block, sizeof(block), 0), sizeof(block));
	close(fd);
}

/* The newest row of a kind, of a layout nobody knows yet. */
static int record_change(struct db_txn *txn, void *context)
{
	struct db_cursor cursor;
	struct record_header header;
	uint8_t bytes[512], key[16];
	size_t size = 0, key_size = 0;
	int error = db_cursor_open(&cursor, txn, SCHEMA_ACCOUNT);

	(void)context;
	if (error == 0)
		error = db_cursor_first(&cursor);
	if (error == 0) {
		size = cursor.value.size;
		key_size = cursor.key.size;
		assert_true(size <= sizeof(bytes) && key_size <= sizeof(key));
		memcpy(bytes, cursor.value.data, size);
		memcpy(key, cursor.key.data, key_size);
	}
	db_cursor_close(&cursor);
	memcpy(&header, bytes, sizeof(header));
	header.version++;
	memcpy(bytes, &header, sizeof(header));
	return error != 0 ? error
	                  : db_put(txn, SCHEMA_ACCOUNT, (struct db_bytes){ key, key_size },
	                        (struct db_bytes){ bytes, size });
}

static void record_newer(const char *root)
{
	struct db_env *env;
	char path[200];

	snprintf(path, sizeof(path), "%s/" DATA "/shard-0", root);
	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, record_change, NULL), 0);
	db_env_close(env);
}

/* Each %s of a command is the root. */
static void arguments_make(char *out, size_t size, const char *command, const char *root)
{
	size_t used = 0;

	for (; *command != '\0' && used + 70 < size; command++) {
		if (command[0] == '%' && command[1] == 's') {
			used += (size_t)snprintf(out + used, size - used, "%s", root);
			command++;
		} else {
			out[used++] = *command;
		}
	}
	out[used] = '\0';
}

TEST(what_is_newer_or_of_no_release_is_refused_by_every_reader)
{
	static const struct {
		void (*change)(const char *root);
		const char *command, *said;
	} cases[] = {
		{ rows_newer, "migrate '%s'", "schema version 4 is newer than this program's 3" },
		{ rows_newer, "verify --root '%s'", "schema version 4 is not this program's 3" },
		{ rows_newer, "backup create '%s' %s/b", "schema version 4, this program knows 3" },
		{ rows_newer, "reshard '%s' %s/n --shards 1", "schema version 4" },
		{ rows_older, "migrate '%s'", "nothing was released before version 2" },
		{ rows_older, "migrate '%s' --dry-run", "nothing was released before version 2" },
		{ control_newer, "migrate '%s'",
		    "control's schema version 3 is newer than this program's 2" },
		{ control_newer, "backup create '%s' %s/b", "control's schema version 3 is newer" },
		{ journal_newer, "migrate '%s'", "the journal is of a newer version" },
		{ journal_newer, "verify --root '%s'", "journal: cannot be opened" },
		{ journal_newer, "backup create '%s' %s/b", "the journal is of a newer version" },
		{ record_newer, "verify --root '%s'", "rows: table 1" },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char root[64], said[1024], arguments[300];

		unpack("v2", root);
		cases[i].change(root);
		arguments_make(arguments, sizeof(arguments), cases[i].command, root);
		assert_int_equal(say_run(said, "%s", arguments), 1);
		if (strstr(said, cases[i].said) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", arguments, said, cases[i].said);
		root_remove(root);
	}
}

/* Format numbers are in the fixtures' names and in their readers: a change of one needs both. */
TEST(a_new_format_needs_a_new_fixture)
{
	assert_int_equal(SCHEMA_VERSION, 3);
	assert_int_equal(CONTROL_SCHEMA_VERSION, 2);
	assert_int_equal(JOURNAL_VERSION, 1);
	assert_int_equal(JOURNAL_META_VERSION, 2);
}

TEST_MAIN()
