/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmdb-schema/schema.h"
#include "tests/test.h"

static void directory_make(char path[64])
{
	memcpy(path, "/var/tmp/sluice-schema-XXXXXX", sizeof("/var/tmp/sluice-schema-XXXXXX"));
	assert_non_null(mkdtemp(path));
}

static void directory_remove(const char *path)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static const char *const tables[] = { "a", "b" };

static struct db_options options_of(const char *path, uint64_t map_size)
{
	return (struct db_options){
		.directory = path, .tables = tables, .table_count = 2, .map_size = map_size
	};
}

TEST(one_environment_per_process_is_shared)
{
	struct db_options options;
	struct db_env *first, *second;
	char path[64], other[96];

	directory_make(path);
	snprintf(other, sizeof(other), "%s/../%s", path, strrchr(path, '/') + 1);
	options = options_of(path, 1 << 20);
	assert_int_equal(db_env_open(&first, &options), 0);
	options = options_of(other, 1 << 20);
	options.read_only = 1;
	assert_int_equal(db_env_open(&second, &options), 0);
	assert_ptr_equal(first, second);
	db_env_close(second);
	db_env_close(first);
	/* Read-only first: a writer must not get a handle that cannot write. */
	assert_int_equal(db_env_open(&first, &options), 0);
	options = options_of(path, 1 << 20);
	assert_int_equal(db_env_open(&second, &options), -EBUSY);
	db_env_close(first);
	options.read_only = 1;
	snprintf(other, sizeof(other), "%s/none", path);
	options.directory = other;
	assert_int_equal(db_env_open(&first, &options), -ENOENT);
	directory_remove(path);
}

struct fill {
	uint64_t first, count;
	unsigned runs;
};

static int fill_body(struct db_txn *txn, void *context)
{
	static const uint8_t value[4000];
	struct fill *fill = context;

	fill->runs++;
	for (uint64_t i = fill->first; i < fill->first + fill->count; i++) {
		struct db_key key = db_key_make(i);
		int error = db_put(txn, 0, db_key(&key), (struct db_bytes){ value, sizeof(value) });

		if (error != 0)
			return error;
	}
	return 0;
}

TEST(full_map_grows_and_the_transaction_runs_again)
{
	struct fill fill = { .first = 1, .count = 500 };
	struct db_options options;
	struct db_env *env;
	struct db_txn read;
	uint64_t count;
	char path[64];

	directory_make(path);
	options = options_of(path, 128 * 1024);
	assert_int_equal(db_env_open(&env, &options), 0);
	assert_int_equal(db_read_open(&read, env), 0); /* reset, so it does not hold the map */
	assert_int_equal(db_write(env, fill_body, &fill), 0);
	assert_true(fill.runs > 1);
	assert_true(db_env_map_size(env) >= 2000000);
	assert_int_equal(db_read_begin(&read), 0);
	assert_int_equal(db_count(&read, 0, &count), 0);
	assert_int_equal(count, 500);
	db_read_end(&read);
	count = db_env_used(env);
	assert_int_equal(db_env_reserve(env, 64 << 20), 0);
	assert_true(db_env_map_size(env) >= count + (64 << 20));
	db_read_close(&read);
	db_env_close(env);
	/* A file larger than the configured map opens. */
	assert_int_equal(db_env_open(&env, &options), 0);
	fill.first = 501;
	assert_int_equal(db_write(env, fill_body, &fill), 0);
	db_env_close(env);
	directory_remove(path);
}

TEST(map_grown_by_another_process_is_taken_over)
{
	struct fill fill = { .first = 1, .count = 400 };
	struct db_options options;
	struct db_env *env;
	struct db_txn txn;
	uint64_t count = 0;
	char path[64];
	pid_t child;
	int go[2], status;
	char byte = 0;

	directory_make(path);
	assert_int_equal(pipe(go), 0);
	options = options_of(path, 128 * 1024);
	child = fork(); /* before any environment is open: none may cross a fork */
	if (child == 0) {
		struct db_env *mine;

		if (read(go[0], &byte, 1) != 1 || db_env_open(&mine, &options) != 0 ||
		    db_write(mine, fill_body, &fill) != 0)
			_exit(1);
		db_env_close(mine);
		_exit(0);
	}
	assert_int_equal(db_env_open(&env, &options), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(write(go[1], &byte, 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(db_count(&txn, 0, &count), 0);
	assert_int_equal(count, 400);
	db_read_close(&txn);
	db_env_close(env);
	close(go[0]);
	close(go[1]);
	directory_remove(path);
}

static int failing_body(struct db_txn *txn, void *context)
{
	struct db_key key = db_key_make(7);

	(void)context;
	assert_int_equal(db_put(txn, 1, db_key(&key), (struct db_bytes){ "x", 1 }), 0);
	return -ECANCELED;
}

TEST(body_that_fails_leaves_nothing)
{
	struct db_options options;
	struct db_bytes value;
	struct db_env *env;
	struct db_txn txn;
	struct db_key key = db_key_make(7);
	char path[64];

	directory_make(path);
	options = options_of(path, 1 << 20);
	assert_int_equal(db_env_open(&env, &options), 0);
	assert_int_equal(db_write(env, failing_body, NULL), -ECANCELED);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(db_get(&txn, 1, db_key(&key), &value), -ENOENT);
	db_read_close(&txn);
	db_env_close(env);
	directory_remove(path);
}

TEST(keys_sort_as_numbers_and_seek_finds_the_one_below)
{
	static const uint64_t numbers[] = { 1, 255, 256, 65535, 1ull << 40, 1ull << 63 };
	struct db_options options;
	struct db_cursor cursor;
	struct db_env *env;
	struct db_txn txn;
	struct db_key key;
	uint64_t number, i = 0;
	char path[64];

	directory_make(path);
	options = options_of(path, 1 << 20);
	assert_int_equal(db_env_open(&env, &options), 0);
	assert_int_equal(db_write_begin(&txn, env), 0);
	for (size_t n = SLUICE_ARRAY_COUNT(numbers); n-- > 0;) {
		key = db_key_make(numbers[n]);
		assert_int_equal(db_put(&txn, 0, db_key(&key), (struct db_bytes){ "", 0 }), 0);
	}
	key = db_key_make(2);
	assert_int_equal(db_append(&txn, 0, db_key(&key), (struct db_bytes){ "", 0 }), -EEXIST);
	assert_int_equal(db_write_commit(&txn), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(db_cursor_open(&cursor, &txn, 0), 0);
	for (int error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		assert_int_equal(db_key_number(cursor.key, &number), 0);
		assert_true(number == numbers[i++]);
	}
	assert_int_equal(i, SLUICE_ARRAY_COUNT(numbers));
	key = db_key_make(300);
	assert_int_equal(db_cursor_seek_below(&cursor, db_key(&key)), 0);
	assert_int_equal(db_key_number(cursor.key, &number), 0);
	assert_int_equal(number, 256);
	key = db_key_make(UINT64_MAX);
	assert_int_equal(db_cursor_seek_below(&cursor, db_key(&key)), 0);
	key = db_key_make(0);
	assert_int_equal(db_cursor_seek_below(&cursor, db_key(&key)), -ENOENT);
	db_cursor_close(&cursor);
	db_read_close(&txn);
	db_env_close(env);
	directory_remove(path);
}

TEST_MAIN()

/* Every write through LMDB's second descriptor of this file, that of its heads, fails from now on:
 * the same file, open for reading only, takes its place. */
static void heads_break(const char *path)
{
	char file[96], link[64], target[PATH_MAX];
	int broken = 0;

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	for (int fd = 3; fd < 64; fd++) {
		ssize_t length;
		int reading;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		length = readlink(link, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		if (strcmp(target, file) != 0 || (fcntl(fd, F_GETFL) & O_DSYNC) == 0)
			continue;
		reading = open(file, O_RDONLY);
		assert_int_equal(dup2(reading, fd), fd);
		close(reading);
		broken = 1;
	}
	assert_true(broken);
}

TEST(a_head_that_was_not_written_is_told_of_and_what_was_before_stays)
{
	struct db_options options;
	struct fill fill = { .first = 1, .count = 5 };
	struct db_env *env;
	struct db_txn txn;
	uint64_t count = 0;
	char path[64];

	directory_make(path);
	options = options_of(path, 1 << 20);
	assert_int_equal(db_env_open(&env, &options), 0);
	assert_int_equal(db_write(env, fill_body, &fill), 0);
	assert_int_equal(db_env_failed(env), 0);
	heads_break(path);
	fill.first = 6;
	assert_int_equal(db_write(env, fill_body, &fill), -EBADF);
	/* LMDB gives nothing any more, and says so with the next begin. */
	assert_int_equal(db_write(env, fill_body, &fill), -EBADMSG);
	assert_int_equal(db_env_failed(env), 1);
	assert_int_equal(db_read_open(&txn, env), -EBADMSG);
	db_env_close(env);
	assert_int_equal(db_env_open(&env, &options), 0);
	assert_int_equal(db_env_failed(env), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(db_count(&txn, 0, &count), 0);
	assert_int_equal(count, 5);
	db_read_close(&txn);
	db_env_close(env);
	directory_remove(path);
}
