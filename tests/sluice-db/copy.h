/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One database, written through the real store and journal, with events that are in the journal
 * only; copies of it to damage; sluice-db run on them.
 */
#ifndef SLUICE_TESTS_SLUICE_DB_COPY_H
#define SLUICE_TESTS_SLUICE_DB_COPY_H

#include <fcntl.h>
#include <jansson.h>
#include <sys/wait.h>

#include "dataplane/journal/segment.h"
#include "lmdb-schema/schema.h"
#include "tests/store/follow.h"

#define BEHIND_LOG 6 /* batches the store has not seen */
#ifndef BASE_BATCHES /* that it has, and operations in each */
#define BASE_BATCHES 60
#define BASE_STEPS   20
#endif

static struct base {
	int ready;
	char path[64];
	uint64_t log_last, last;
	uint64_t block_first[16]; /* the log's blocks */
	uint32_t blocks;
	uint64_t batch_first[BEHIND_LOG]; /* of the batches behind the log */
} base;

static inline void base_remove(void)
{
	directory_remove(base.path);
}

static inline void blocks_list(void)
{
	struct db_env *env;
	struct db_txn txn;
	struct db_cursor cursor;
	int error;

	assert_int_equal(schema_log_open(&env, base.path, 1, 1), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(db_cursor_open(&cursor, &txn, SCHEMA_BLOCK), 0);
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		assert_true(base.blocks < SLUICE_ARRAY_COUNT(base.block_first));
		assert_int_equal(db_key_number(cursor.key, &base.block_first[base.blocks++]), 0);
	}
	db_cursor_close(&cursor);
	db_read_close(&txn);
	db_env_close(env);
	assert_true(base.blocks >= 3);
}

static inline void base_make(void)
{
	struct follow follow;

	if (base.ready)
		return;
	follow_begin(&follow);
	/* Always the same database: what is found first depends on what follows the damage. With
	 * this seed account 1 is not used behind the checkpoint. */
	follow.world->random = 7;
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	for (int i = 0; i < BASE_BATCHES; i++) {
		follow_write(&follow, world_batch(follow.world, BASE_STEPS));
		follow_work(&follow);
	}
	assert_int_equal(store_commit(follow.store), 0);
	assert_int_equal(store_checkpoint_now(follow.store), 0);
	base.log_last = ledger_shard(follow.world->ledger)->lsn;
	for (int i = 0; i < BEHIND_LOG; i++) {
		base.batch_first[i] = ledger_shard(follow.world->ledger)->lsn + 1;
		follow_write(&follow, world_batch(follow.world, 10));
	}
	base.last = ledger_shard(follow.world->ledger)->lsn;
	follow_stop(&follow);
	memcpy(base.path, follow.path, sizeof(base.path));
	world_free(follow.world);
	base.ready = 1;
	assert_int_equal(atexit(base_remove), 0);
	blocks_list();
}

/* ---- A copy, laid out as under a root ---- */

struct copy {
	char root[64], shard[128];
};

static inline void copy_make(struct copy *copy)
{
	char command[256];

	base_make();
	directory_make(copy->root);
	snprintf(copy->shard, sizeof(copy->shard), "%s/var/lib/sluice/shard-0", copy->root);
	snprintf(command, sizeof(command), "mkdir -p '%s'", copy->shard);
	assert_int_equal(system(command), 0);
	directory_copy(base.path, copy->shard);
}

/* Flips a bit in the body of the journal's batch that holds `lsn`; 0: of the first one there. */
static inline void copy_batch_flip(const struct copy *copy, uint64_t lsn)
{
	char path[256], name[JOURNAL_NAME_SIZE];
	struct journal_batch batch;
	struct journal_reader *reader;
	uint8_t byte;
	off_t at;
	int fd;

	snprintf(path, sizeof(path), "%s/journal", copy->shard);
	assert_int_equal(journal_reader_open(&reader,
	                     &(struct journal_config){ .directory = path, .allow_volatile = 1 }),
	    0);
	if (lsn != 0)
		assert_int_equal(journal_reader_seek(reader, lsn), 0);
	assert_int_equal(journal_reader_next(reader, &batch, NULL), 1);
	at = (off_t)(batch.offset + JOURNAL_HEADER_SIZE + 20);
	journal_segment_name(name, batch.generation);
	journal_reader_close(reader);
	snprintf(path, sizeof(path), "%s/journal/%s", copy->shard, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Exit status of `sluice-db` with these arguments; *answer is its JSON or NULL. */
static inline int run(const char *arguments, json_t **answer)
{
	char command[512];
	json_t *json;
	FILE *stream;
	int status;

	assert_non_null(getenv("SLUICE_DB")); /* meson sets it */
	snprintf(command, sizeof(command), "'%s' %s 2>/dev/null", getenv("SLUICE_DB"), arguments);
	stream = popen(command, "r");
	assert_non_null(stream);
	json = json_loadf(stream, 0, NULL);
	while (fgetc(stream) != EOF)
		;
	status = pclose(stream);
	assert_true(WIFEXITED(status));
	if (answer != NULL)
		*answer = json;
	else
		json_decref(json);
	return WEXITSTATUS(status);
}

/* What a damaged copy must be called, at which LSN; then the copy is gone. */
static inline void copy_refused(struct copy *copy, uint64_t lsn, const char *what)
{
	char arguments[128];
	json_t *answer, *damage;
	const char *text;
	int status;

	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", copy->root);
	status = run(arguments, &answer);
	assert_non_null(answer);
	damage = json_object_get(answer, "first_damage");
	text = json_string_value(json_object_get(damage, "what"));
	print_message("  %d, shard %lld, LSN %lld: %s\n", status,
	    (long long)json_integer_value(json_object_get(damage, "shard")),
	    (long long)json_integer_value(json_object_get(damage, "lsn")),
	    text == NULL ? "(nothing)" : text);
	assert_int_equal(status, 1);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_true(json_is_integer(json_object_get(damage, "shard")));
	assert_int_equal(json_integer_value(json_object_get(damage, "shard")), 0);
	assert_int_equal(json_integer_value(json_object_get(damage, "lsn")), lsn);
	assert_non_null(text);
	if (strstr(text, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text, what);
	json_decref(answer);
	directory_remove(copy->root);
}

#endif
