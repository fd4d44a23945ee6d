/* SPDX-License-Identifier: Apache-2.0 */
/* The model of LMDB, through lmdb-schema's own door. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/db.h"
#include "tests/sim/sim.h"
#include "tests/test.h"

#define ENV  SIM_ROOT "/env"
#define KEYS 300u

static const char *const tables[] = { "first", "second" };

static struct db_env *env_open(uint64_t map_size)
{
	struct db_options options = {
		.directory = ENV, .tables = tables, .table_count = 2, .map_size = map_size
	};
	struct db_env *env;

	assert_int_equal(db_env_open(&env, &options), 0);
	return env;
}

static void begin(uint64_t seed)
{
	sim_seed(seed);
	sim_disk_reset();
}

/* Values of the keys 0 .. KEYS - 1; 0: not there. */
struct reference {
	uint64_t values[2][KEYS];
};

static void put(struct db_txn *txn, unsigned table, uint64_t number, uint64_t value)
{
	struct db_key key = db_key_make(number);
	uint8_t bytes[3000];
	size_t size = 8 + value % 2000;

	memset(bytes, (int)(value & 0xff), sizeof(bytes));
	memcpy(bytes, &value, 8);
	assert_int_equal(db_put(txn, table, db_key(&key), (struct db_bytes){ bytes, size }), 0);
}

static uint64_t get(struct db_txn *txn, unsigned table, uint64_t number)
{
	struct db_key key = db_key_make(number);
	struct db_bytes value;
	uint64_t found;
	int error = db_get(txn, table, db_key(&key), &value);

	if (error == -ENOENT)
		return 0;
	assert_int_equal(error, 0);
	memcpy(&found, value.data, 8);
	assert_int_equal(value.size, 8 + found % 2000);
	return found;
}

static void change(struct db_txn *txn, struct reference *reference)
{
	for (uint64_t i = 1 + sim_below(30); i > 0; i--) {
		unsigned table = (unsigned)sim_below(2);
		uint64_t number = sim_below(KEYS), value = 1 + sim_below(1u << 30);
		struct db_key key = db_key_make(number);

		if (sim_below(3) > 0) {
			put(txn, table, number, value);
			reference->values[table][number] = value;
		} else {
			int error = db_delete(txn, table, db_key(&key));

			assert_int_equal(
			    error, reference->values[table][number] != 0 ? 0 : -ENOENT);
			reference->values[table][number] = 0;
		}
	}
}

/* Every key, in order, by look-up and by cursor. */
static void check(struct db_txn *txn, const struct reference *reference)
{
	for (unsigned table = 0; table < 2; table++) {
		struct db_cursor cursor;
		uint64_t count = 0, counted, number;
		int error;

		assert_int_equal(db_cursor_open(&cursor, txn, table), 0);
		error = db_cursor_first(&cursor);
		for (uint64_t i = 0; i < KEYS; i++) {
			assert_true(get(txn, table, i) == reference->values[table][i]);
			if (reference->values[table][i] == 0)
				continue;
			assert_int_equal(error, 0);
			assert_int_equal(db_key_number(cursor.key, &number), 0);
			assert_int_equal(number, i);
			count++;
			error = db_cursor_next(&cursor);
		}
		assert_int_equal(error, -ENOENT);
		assert_int_equal(db_count(txn, table, &counted), 0);
		assert_int_equal(counted, count);
		for (uint64_t i = 0; i < KEYS; i += 7) {
			struct db_key key = db_key_make(i);
			uint64_t below = i + 1;

			while (below > 0 && reference->values[table][below - 1] == 0)
				below--;
			error = db_cursor_seek_below(&cursor, db_key(&key));
			assert_int_equal(error, below == 0 ? -ENOENT : 0);
			if (below == 0)
				continue;
			assert_int_equal(db_key_number(cursor.key, &number), 0);
			assert_int_equal(number, below - 1);
		}
		db_cursor_close(&cursor);
	}
}

static void check_env(struct db_env *env, const struct reference *reference)
{
	struct db_txn txn;

	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	check(&txn, reference);
	db_read_end(&txn);
	db_read_close(&txn);
}

TEST(commits_are_whole_and_readers_keep_their_state)
{
	struct reference committed = { 0 };
	uint64_t seed = test_seed(), commits;
	struct db_env *env;

	begin(seed);
	env = env_open(1u << 26);
	for (int round = 0; round < 300; round++) {
		struct reference open = committed;
		struct db_txn reader, writer;
		uint64_t what = sim_below(10);

		assert_int_equal(db_read_open(&reader, env), 0);
		assert_int_equal(db_read_begin(&reader), 0);
		assert_int_equal(db_write_begin(&writer, env), 0);
		change(&writer, &open);
		check(&writer, &open);
		check(&reader, &committed); /* sees nothing of it */
		if (what < 6) {
			assert_int_equal(db_write_commit(&writer), 0);
			check(&reader, &committed); /* still */
			committed = open;
		} else if (what < 8) {
			sim_lmdb_fail_next(EIO);
			assert_int_equal(db_write_commit(&writer), -EIO);
		} else {
			db_write_abort(&writer);
		}
		db_read_end(&reader);
		db_read_close(&reader);
		check_env(env, &committed);
		if (what % 3 != 0)
			continue;
		/* A cut, or a kill, with a transaction open that nobody ends. */
		assert_int_equal(db_write_begin(&writer, env), 0);
		open = committed;
		change(&writer, &open);
		commits = sim_lmdb_commits();
		sim_disk_power_off(what == 3);
		assert_int_equal(db_write_commit(&writer), -EIO);
		db_env_close(env);
		sim_disk_power_on();
		assert_int_equal(sim_lmdb_commits(), commits);
		env = env_open(1u << 26);
		check_env(env, &committed);
	}
	db_env_close(env);
}

static int fill_body(struct db_txn *txn, void *context)
{
	const uint64_t *count = context;

	for (uint64_t i = 0; i < *count; i++) {
		struct db_key key = db_key_make(i);
		uint8_t bytes[1000] = { 0 };
		int error = db_put(txn, 0, db_key(&key), (struct db_bytes){ bytes, sizeof(bytes) });

		if (error != 0)
			return error;
	}
	return 0;
}

TEST(a_full_map_fails_until_it_is_grown)
{
	uint64_t count = 1000; /* a megabyte */
	struct db_env *env;

	begin(1);
	env = env_open(64 * 1024);
	assert_int_equal(db_write(env, fill_body, &count), 0); /* which doubles the map */
	assert_true(db_env_map_size(env) >= 1000000);
	assert_true(db_env_used(env) >= 1000000 && db_env_used(env) <= db_env_map_size(env));
	sim_lmdb_fail_next(MDB_MAP_FULL);
	assert_int_equal(db_write(env, fill_body, &count), 0);
	db_env_close(env);
	env = env_open(64 * 1024); /* the larger file wins */
	assert_true(db_env_map_size(env) >= 1000000);
	db_env_close(env);
}

TEST(append_wants_the_highest_key)
{
	struct db_key low = db_key_make(5), high = db_key_make(9);
	struct db_bytes value = { "x", 1 };
	struct db_txn txn;
	struct db_env *env;

	begin(1);
	env = env_open(1u << 20);
	assert_int_equal(db_write_begin(&txn, env), 0);
	assert_int_equal(db_append(&txn, 0, db_key(&high), value), 0);
	assert_int_equal(db_append(&txn, 0, db_key(&high), value), -EEXIST);
	assert_int_equal(db_append(&txn, 0, db_key(&low), value), -EEXIST);
	assert_int_equal(db_put(&txn, 0, db_key(&low), value), 0);
	db_write_abort(&txn);
	db_env_close(env);
}

/* An environment is as durable as the name of its file: lmdb-schema syncs it at the open. */
TEST(an_environment_goes_with_its_file)
{
	struct reference committed = { 0 }, nothing = { 0 };
	struct db_txn txn;
	struct db_env *env;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		begin(seed);
		env = env_open(1u << 26);
		assert_int_equal(db_write_begin(&txn, env), 0);
		change(&txn, &committed);
		assert_int_equal(db_write_commit(&txn), 0);
		sim_disk_power_off(0);
		db_env_close(env);
		sim_disk_power_on();
		env = env_open(1u << 26);
		check_env(env, &committed);
		db_env_close(env);
		assert_int_equal(unlink(ENV "/data.mdb"), 0);
		env = env_open(1u << 26);
		check_env(env, &nothing);
		db_env_close(env);
		memset(&committed, 0, sizeof(committed));
	}
}

TEST(a_copy_holds_what_was_committed)
{
	struct reference committed = { 0 }, later;
	struct db_txn txn;
	struct db_env *env, *copy;
	struct db_options options = {
		.directory = SIM_ROOT "/copy", .tables = tables, .table_count = 2, .map_size = 4096
	};

	begin(7);
	env = env_open(1u << 26);
	assert_int_equal(db_write_begin(&txn, env), 0);
	change(&txn, &committed);
	assert_int_equal(db_write_commit(&txn), 0);
	assert_int_equal(mkdir(options.directory, 0700), 0);
	assert_int_equal(db_env_copy(env, options.directory), 0);
	later = committed;
	assert_int_equal(db_write_begin(&txn, env), 0);
	change(&txn, &later);
	assert_int_equal(db_write_commit(&txn), 0);
	assert_int_equal(db_env_open(&copy, &options), 0);
	check_env(copy, &committed);
	check_env(env, &later);
	db_env_close(copy);
	db_env_close(env);
}

TEST_MAIN()
