/* SPDX-License-Identifier: Apache-2.0 */
/* What has changed in a re-sharded root, or is gone from it, is found: its rows, and its past. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lmdb-schema/past.h"
#include "tests/sluice-db/reshard.h"

/* One bit in a balance of a customer who has money. */
static int bit_flip(struct db_txn *txn, void *context)
{
	struct record_account_full record;
	struct db_cursor cursor;
	struct db_key key;
	int error = db_cursor_open(&cursor, txn, SCHEMA_ACCOUNT);

	(void)context;
	for (error = error == 0 ? db_cursor_first(&cursor) : error; error == 0;
	     error = db_cursor_next(&cursor)) {
		assert_int_equal(record_account_read(cursor.value, &record), 0);
		if (le64_get(record.account.id) <= LIMIT_ACCOUNT_ID_MAX &&
		    le64s_get(record.account.balance) > 0)
			break;
	}
	db_cursor_close(&cursor);
	assert_int_equal(error, 0);
	record.account.balance = le64s_make(le64s_get(record.account.balance) ^ 1 << 22);
	key = db_key_make(le64_get(record.account.id));
	return db_put(txn, SCHEMA_ACCOUNT, db_key(&key),
	    (struct db_bytes){ &record, le16_get(record.account.header.size) });
}

/* No event and no batch says what a new root's rows must be: their own hash does. */
TEST(a_bit_in_the_rows_of_a_new_root_is_found)
{
	struct shards *shards = alike_make(test_seed());
	char top[64], root[96], path[200], arguments[200], said[1024];
	uint64_t accounts = 0, bets = 0;
	struct ledger_totals totals;
	struct db_env *env;
	json_t *answer;

	root_make(top);
	root_write(shards, top);
	snprintf(root, sizeof(root), "%s/new", top);
	must_run("reshard '%s' '%s' --shards 3", top, root);
	for (uint32_t i = 0; i < 3; i++) {
		struct ledger *ledger = rows_of(root, i, 3);

		ledger_totals(ledger, &totals);
		bets += totals.bets_open;
		for (uint32_t k = 0; k < ledger_row_count(ledger, LEDGER_ACCOUNT); k++)
			accounts += ledger_account_at(ledger, k)->id <= LIMIT_ACCOUNT_ID_MAX;
		ledger_free(ledger);
	}
	/* What is there is counted, though no event tells of it; and said to be not derived. */
	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	assert_true(accounts > 0);
	assert_int_equal(json_integer_value(json_object_get(answer, "accounts")), accounts);
	assert_int_equal(json_integer_value(json_object_get(answer, "bets_open")), bets);
	assert_true(json_object_size(json_object_get(answer, "balance_sum")) > 0);
	json_decref(answer);
	assert_int_equal(say_run(said, "verify --root '%s'", root), 0);
	assert_non_null(strstr(said, "was not derived"));
	assert_null(strstr(said, "each backed"));

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-1", root);
	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, bit_flip, NULL), 0);
	db_env_close(env);
	assert_int_equal(say_run(said, "verify --root '%s'", root), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "NOT OK: shard 1"));
	assert_int_equal(say_run(said, "backup create '%s' '%s/backup'", root, top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "shard 1"));
	root_remove(top);
	shards_free(shards);
}

__attribute__((format(printf, 1, 2))) static void must_do(const char *format, ...)
{
	char command[1000];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof(command), format, list);
	va_end(list);
	assert_int_equal(system(command), 0);
}

/*
 * "Never carried out" may be said of an id only when the logs of the past have no gap, up to where
 * those of today begin; and of a fenced one the past says so itself.
 */
TEST(the_past_knows_what_was_fenced_and_where_it_has_a_gap)
{
	struct wire_request fence = { .template_id = WIRE_FENCE,
		.fence = { .target_request_id = 7, .deadline_ns = UINT64_MAX } };
	struct shards *shards = shards_new(1);
	char top[64], one[96], three[96], path[200];
	struct log_history *today;
	struct event_buffer event;
	struct log_past *past;
	struct record_past left;
	uint64_t first_lsn;
	uint8_t shard;

	shards->request_id[1] = 700;
	assert_int_equal(shards_code(shards, &fence, 1), WIRE_CODE_FENCED_NOW);
	for (uint32_t i = 0; i < SHARDS; i++)
		shards_account(shards, shards_id_on(shards, i, 1, 0), 1, KRW);
	root_make(top);
	for (uint32_t i = 0; i < SHARDS; i++)
		(void)root_shard_write(shards, i, top, root_last(shards, i), 1, NULL);
	snprintf(one, sizeof(one), "%s/one", top);
	snprintf(three, sizeof(three), "%s/three", top);
	must_run("reshard '%s' '%s' --shards 1", top, one);
	must_run("reshard '%s' '%s' --shards 3", one, three);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-0", three);
	assert_int_equal(log_history_open(&today, path, 0), 0);
	first_lsn = log_history_first_lsn(today);
	log_history_close(today);
	assert_true(first_lsn > 1);

	snprintf(path, sizeof(path), "%s/var/lib/sluice", three);
	assert_int_equal(log_past_left(path, &left), 1);
	assert_int_equal(le16_get(left.generation), 2);
	assert_int_equal(log_past_open(&past, path, &left, NULL, 0), 0);
	assert_int_equal(log_past_count(past), 2);
	assert_true(log_past_fence(past, 1, 7, &event, &shard) > 0);
	assert_int_equal(le16_get(fixture_record(&event).type), EVENT_FENCE);
	assert_int_equal(shard, shards_of_key(shards, 1));
	assert_int_equal(log_past_fence(past, 1, 8, &event, &shard), -ENOENT);
	assert_int_equal(log_past_fence(past, 2, 7, &event, &shard), -ENOENT);
	assert_int_equal(log_past_reaches(past, first_lsn), 1);
	assert_int_equal(log_past_reaches(past, first_lsn + 1), 0);
	log_past_close(past);
	/* Gone while the past is in use: nobody can tell any more. */
	assert_int_equal(log_past_open(&past, path, &left, NULL, 0), 0);
	must_do("rm -r '%s/history/1/var/lib/sluice/shard-1'/log-*", path);
	assert_int_equal(log_past_request(past, 1, 4711, &event, &shard), -ENOENT);
	assert_int_equal(log_past_reaches(past, first_lsn), 0);
	log_past_close(past);
	/* The log of one of the first shards had been put away before. */
	root_log_remove(top, 0, root_last(shards, 0), 1);
	must_run("reshard '%s' '%s/gap' --shards 1", top, top);
	snprintf(path, sizeof(path), "%s/gap/var/lib/sluice", top);
	assert_int_equal(log_past_left(path, &left), 1);
	assert_int_equal(log_past_open(&past, path, &left, NULL, 0), 0);
	assert_int_equal(log_past_reaches(past, le64_get(left.logs[0].last_lsn) + 1), 0);
	log_past_close(past);
	root_remove(top);
	shards_free(shards);
}

/* A log nobody retired would take what was fenced, and what was acknowledged, out of the past. */
TEST(a_root_without_its_oldest_log_is_not_re_sharded)
{
	struct shards *shards = shards_new(1);
	char top[64], said[1024];

	for (uint32_t i = 0; i < SHARDS; i++)
		shards_account(shards, shards_id_on(shards, i, 1, 0), 10000, KRW);
	root_make(top);
	for (uint32_t i = 0; i < SHARDS; i++)
		(void)root_shard_write(shards, i, top, root_last(shards, i), 1, NULL);
	root_log_remove(top, 2, root_last(shards, 2), 0);
	assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "shard 2: log: it begins at LSN"));
	assert_non_null(
	    strstr(said, "the oldest log-* directories are missing; put it back, or restore all "
	                 "(sluice-db backup restore, restore --from-postgres)"));
	root_remove(top);
	shards_free(shards);
}

/* The past under a data directory, as the start opens it. */
static int open_past(const char *data, char *what, size_t size)
{
	struct record_past left;
	struct log_past *past;
	int found = log_past_left(data, &left), error;

	assert_true(found >= 0);
	error = log_past_open(&past, data, found ? &left : NULL, what, size);
	log_past_close(past);
	return error;
}

static int past_forget(struct db_txn *txn, void *context)
{
	(void)context;
	return db_delete(txn, SCHEMA_META, (struct db_bytes){ "past", 4 });
}

/* Who was acknowledged before a re-sharding is answered out of what it left: all of it, or no
 * start. */
TEST(a_past_that_is_not_whole_is_named)
{
#define SHARD_OF(number) "/var/lib/sluice/shard-" #number
	static const struct {
		const char *gone, *says;
	} cases[] = {
		{ "history", "history/2" SHARD_OF(0) " is missing" },
		{ "history/2", "history/2" SHARD_OF(0) " is missing" },
		{ "history/1", "history/1" SHARD_OF(0) " is missing" },
		{ "history/1" SHARD_OF(2), "history/1" SHARD_OF(2) " is missing" },
		{ "history/1" SHARD_OF(0) "/log-*",
		    "history/1" SHARD_OF(0) ": its log is missing" },
		{ "history/2" SHARD_OF(0) "/log-*",
		    "history/2" SHARD_OF(0) ": its log is missing" },
	};
	struct shards *shards = shards_new(1);
	char top[64], data[128], path[256], what[256], said[1024];
	struct db_env *env;

	for (uint32_t i = 0; i < SHARDS; i++)
		shards_account(shards, shards_id_on(shards, i, 1, 0), 10000, KRW);
	root_make(top);
	root_write(shards, top);
	must_run("reshard '%s' '%s/one' --shards 1", top, top);
	must_run("reshard '%s/one' '%s/two' --shards 2", top, top);
	snprintf(data, sizeof(data), "%s/two/var/lib/sluice", top);
	assert_int_equal(open_past(data, what, sizeof(what)), 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		must_do("mkdir '%s/away' && mv '%s'/%s '%s/away'", top, data, cases[i].gone, top);
		assert_true(open_past(data, what, sizeof(what)) < 0);
		print_message("  %s\n", what);
		assert_non_null(strstr(what, cases[i].says));
		assert_int_equal(say_run(said, "verify --root '%s/two'", top), 1);
		assert_non_null(strstr(said, cases[i].says));
		assert_int_equal(say_run(said, "backup create '%s/two' '%s/backup'", top, top), 1);
		assert_non_null(strstr(said, cases[i].says));
		assert_int_equal(
		    say_run(said, "reshard '%s/two' '%s/three' --shards 3", top, top), 1);
		assert_non_null(strstr(said, cases[i].says));
		must_do("rm -rf '%s/three'; cd '%s/away' && mv * '%s/'\"$(dirname %s)\"", top, top,
		    data, cases[i].gone);
		must_do("rmdir '%s/away'", top);
		must_run("verify --root '%s/two'", top);
	}
	/* A log that ends too early, and a row that is not what it was. */
	must_do("cp -r '%s/two' '%s/short'", top, top);
	snprintf(path, sizeof(path), "%s/short/var/lib/sluice/history/1" SHARD_OF(1), top);
	assert_int_equal(schema_log_cut(path, root_last(shards, 1) - 1), 0);
	assert_int_equal(say_run(said, "verify --root '%s/short'", top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "its log holds LSN 1 to"));
	snprintf(path, sizeof(path), "%s/history/1" SHARD_OF(1), data);
	assert_int_equal(schema_rows_open(&env, path, 0), 0);
	assert_int_equal(db_write(env, bit_flip, NULL), 0);
	db_env_close(env);
	assert_int_equal(say_run(said, "verify --root '%s/two'", top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "history/1: account"));
	/* A root of before says nothing of its past: what is there is taken. */
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/shard-%u", data, i);
		assert_int_equal(schema_rows_open(&env, path, 0), 0);
		assert_int_equal(db_write(env, past_forget, NULL), 0);
		db_env_close(env);
	}
	assert_int_equal(open_past(data, what, sizeof(what)), 0);
	root_remove(top);
	shards_free(shards);
}

/* A second re-sharding of the same root while the first one runs is told who that is. */
TEST(a_root_that_is_re_sharded_already_says_so)
{
	struct shards *shards = shards_new(1);
	char top[64], path[256], said[1024], process[40];
	int ready[2], end[2];
	pid_t child;
	char byte;

	for (uint32_t i = 0; i < SHARDS; i++)
		shards_account(shards, shards_id_on(shards, i, 1, 0), 10000, KRW);
	root_make(top);
	root_write(shards, top);
	must_do("mkdir -p '%s/run/sluice' && touch '%s/run/sluice/dataplane.pid'", top, top);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) { /* as far as anybody can see, one of sluice-db with the lock */
		int fd;

		close(end[1]);
		snprintf(path, sizeof(path), "%s/run/sluice/dataplane.pid", top);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (prctl(PR_SET_NAME, "sluice-db") != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
	print_message("  %s", said);
	snprintf(process, sizeof(process), "process %d, sluice-db", (int)child);
	assert_non_null(strstr(said, process));
	assert_non_null(strstr(said, "wait for its end"));
	assert_null(strstr(said, "data plane"));
	close(end[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	must_run("reshard '%s' '%s/new' --shards 2", top, top);
	close(ready[0]);
	close(end[0]);
	root_remove(top);
	shards_free(shards);
}

/* As those do who write: what came in meanwhile would be in neither root. */
TEST(a_root_that_somebody_uses_is_not_re_sharded)
{
	static const struct {
		const char *lock, *says;
		uint8_t is_lmdb;
	} cases[] = {
		{ "run/sluice/dataplane.pid", "data plane", 0 },
		{ "var/lib/sluice/shard-2/journal", "data plane", 0 },
		{ "run/sluice/control.pid", "sluice-control", 0 },
		{ "var/lib/sluice/control/lock.mdb", "sluice-control", 1 },
	};
	struct shards *shards = shards_new(1);
	char top[64], path[256], said[1024];

	for (uint32_t i = 0; i < SHARDS; i++)
		shards_account(shards, shards_id_on(shards, i, 1, 0), 10000, KRW);
	root_make(top);
	root_write(shards, top);
	must_do("cd '%s' && mkdir -p run/sluice var/lib/sluice/shard-2/journal old/control && "
	        "touch run/sluice/dataplane.pid run/sluice/control.pid old/control/lock.mdb",
	    top);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
		int fd;

		if (cases[i].is_lmdb)
			must_do("mv '%s/old/control' '%s/var/lib/sluice/'", top, top);
		snprintf(path, sizeof(path), "%s/%s", top, cases[i].lock);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		if (cases[i].is_lmdb)
			assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
		else
			assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
		assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
		print_message("  %s", said);
		assert_non_null(strstr(said, cases[i].says));
		assert_int_equal(close(fd), 0);
	}
	must_do("rm -r '%s/var/lib/sluice/control'", top);
	/* What an earlier one left is named all at once. */
	must_do("mkdir -p '%s/new/reshard.tmp/copy' '%s/new/var/lib/sluice.restoring'", top, top);
	assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "/new/reshard.tmp and "));
	assert_non_null(strstr(said, "/new/var/lib/sluice.restoring are left"));
	must_do("rm -r '%s/new'", top);
	must_run("reshard '%s' '%s/new' --shards 2", top, top);
	root_remove(top);
	shards_free(shards);
}

TEST_MAIN()
