/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair of one shard, damaged in one part after the other: what is said of journal, log, index and
 * rows, what is kept of a journal whose damage the log covers, rows made anew, and that a repair
 * cut short can be done again. The journal has several segments; a start begins to read in the
 * last one.
 */
#define BASE_BATCHES 900
#define BASE_STEPS   1

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "dataplane/journal/manifest.h"
#include "dataplane/journal/segment.h"
#include "lmdb-schema/log_index.h"
#include "tests/sluice-db/copy.h"
#include "tests/sluice-db/say.h"

/* ---- Damage ---- */

static void file_write(const struct copy *copy, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", copy->shard, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The first record of a table with one byte changed `from_end` bytes before its end. */
static void record_change(struct db_env *env, unsigned table, size_t from_end)
{
	static uint8_t value[LIMIT_LOG_BLOCK_SIZE], key_bytes[16];
	struct db_bytes key = { key_bytes, 0 };
	struct db_cursor cursor;
	struct db_txn txn;
	size_t size;

	assert_int_equal(db_write_begin(&txn, env), 0);
	assert_int_equal(db_cursor_open(&cursor, &txn, table), 0);
	assert_int_equal(db_cursor_first(&cursor), 0);
	size = cursor.value.size;
	key.size = cursor.key.size;
	assert_true(size <= sizeof(value) && key.size <= sizeof(key_bytes));
	memcpy(value, cursor.value.data, size);
	memcpy(key_bytes, cursor.key.data, key.size);
	db_cursor_close(&cursor);
	value[size - from_end] ^= 1;
	assert_int_equal(db_put(&txn, table, key, (struct db_bytes){ value, size }), 0);
	assert_int_equal(db_write_commit(&txn), 0);
	db_env_close(env);
}

static void log_flip(const struct copy *copy)
{
	struct db_env *env;

	assert_int_equal(schema_log_open(&env, copy->shard, 1, 0), 0);
	record_change(env, SCHEMA_BLOCK, 1);
}

static int index_complete(struct db_txn *txn, void *context)
{
	(void)context;
	return log_index_complete(txn);
}

static void index_flip(const struct copy *copy)
{
	struct db_env *env;

	assert_int_equal(schema_log_open(&env, copy->shard, 1, 0), 0);
	assert_int_equal(db_write(env, index_complete, NULL), 0);
	record_change(env, SCHEMA_RUN, 9);
}

static void balance_flip(const struct copy *copy)
{
	struct db_env *env;

	assert_int_equal(schema_rows_open(&env, copy->shard, 0), 0);
	record_change(env, SCHEMA_ACCOUNT,
	    sizeof(struct record_account) - offsetof(struct record_account, balance));
}

static void database_cut(const struct copy *copy, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/data.mdb", copy->shard, name);
	assert_int_equal(truncate(path, 3 * 4096), 0);
}

static void rows_cut(const struct copy *copy)
{
	database_cut(copy, "rows");
}

static void rows_scramble(const struct copy *copy)
{
	file_write(copy, "rows/data.mdb", "this is no database");
}

static void log_cut(const struct copy *copy)
{
	database_cut(copy, "log-0000000000000001");
}

static void part_take(const struct copy *copy, const char *name)
{
	char path[140];

	assert_true(snprintf(path, sizeof(path), "%s/%s", copy->shard, name) < (int)sizeof(path));
	directory_remove(path);
}

static void rows_take(const struct copy *copy)
{
	part_take(copy, "rows");
}

static void rows_empty(const struct copy *copy)
{
	char path[256];

	rows_take(copy);
	snprintf(path, sizeof(path), "%s/rows", copy->shard);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void rows_file_empty(const struct copy *copy)
{
	file_write(copy, "rows/data.mdb", "");
}

static int identity_write(struct db_txn *txn, void *context)
{
	int error = schema_version_write(txn);

	return error != 0 ? error : schema_identity_write(txn, context);
}

/* As a start leaves them that found none, and was refused. */
static void rows_begin(const struct copy *copy)
{
	struct schema_rows_meta meta;
	struct db_env *env;

	assert_int_equal(schema_rows_meta_read(copy->shard, &meta), 0);
	rows_take(copy);
	assert_int_equal(schema_rows_open(&env, copy->shard, 0), 0);
	assert_int_equal(db_write(env, identity_write, &meta.identity), 0);
	db_env_close(env);
}

static void log_take(const struct copy *copy)
{
	part_take(copy, "log-0000000000000001");
}

/* ---- What is there afterwards ---- */

static void state_of(const struct copy *copy, char hash[24], uint64_t *last)
{
	char arguments[128];
	json_t *answer, *damage;

	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", copy->root);
	if (run(arguments, &answer) != 0) {
		damage = json_object_get(answer, "first_damage");
		fail_msg("%s", text_of(damage, "what"));
	}
	snprintf(hash, 24, "%s", text_of(answer, "state_hash"));
	*last = (uint64_t)json_integer_value(
	    json_object_get(json_array_get(json_object_get(answer, "shards"), 0), "last_lsn"));
	json_decref(answer);
}

/* Files of the shard whose names begin so. */
static unsigned named(const struct copy *copy, const char *begin)
{
	DIR *directory = opendir(copy->shard);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		count += strncmp(entry->d_name, begin, strlen(begin)) == 0;
	closedir(directory);
	return count;
}

static int repair_run(const struct copy *copy, const char *flags, json_t **answer)
{
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "repair --json --root '%s' --shard 0 %s", copy->root,
	    flags);
	return run(arguments, answer);
}

static uint64_t number_of(json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* The switch starts on what repair left, as recovery of journal and store. */
static void starts(const struct copy *copy, uint64_t last)
{
	char path[256];
	struct journal_config config = { .directory = path,
		.segment_size = LIMIT_JOURNAL_SEGMENT_SIZE_MIN,
		.segments_ready = 1,
		.segments_max = 2,
		.depth = 1,
		.allow_volatile = 1 };
	struct journal_report report;

	snprintf(path, sizeof(path), "%s/journal", copy->shard);
	if (journal_recover(&config, last + 1, last, follow_apply, NULL, &report) != 0)
		fail_msg("%s", report.damage);
	assert_int_equal(report.cut_lsn, last);
}

/* ---- Journal ---- */

#define NOTHING 0
/* Below the segment a start begins with, held by the log, and behind the log. */
#define OLD    1
#define COVER  2
#define COVER2 3
#define BEHIND 4

static uint64_t place_of(int place)
{
	switch (place) {
	case OLD:
		return base.log_last / 2;
	case COVER:
		return base.log_last - 40;
	case COVER2:
		return base.log_last - 20;
	default:
		return base.batch_first[2];
	}
}

TEST(a_damaged_journal_is_kept_as_far_as_the_log_covers_the_damage)
{
	static const struct {
		const char *name;
		int damaged[2];
		int manifest; /* journal.manifest is no manifest */
		int loses;
		unsigned holes;
	} cases[] = {
		{ "below what a start reads", { OLD, NOTHING }, 0, 0, 1 },
		{ "held by the log", { COVER, NOTHING }, 0, 0, 1 },
		{ "two places held by the log", { COVER, COVER2 }, 0, 0, 2 },
		{ "in both segments", { OLD, COVER }, 0, 0, 2 },
		{ "behind the log", { BEHIND, NOTHING }, 0, 1, 0 },
		{ "held by the log, and behind it", { COVER, BEHIND }, 0, 1, 1 },
		{ "the manifest", { NOTHING, NOTHING }, 1, 0, 0 },
	};
	char whole_hash[24], hash[24];
	struct copy whole;
	uint64_t last;

	copy_make(&whole);
	state_of(&whole, whole_hash, &last);
	assert_int_equal(last, base.last);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t keep = cases[i].loses ? base.batch_first[2] - 1 : base.last;
		struct copy copy;
		json_t *answer, *lost;

		print_message("  %s\n", cases[i].name);
		copy_make(&copy);
		for (size_t k = 0; k < 2 && cases[i].damaged[k] != NOTHING; k++) {
			copy_batch_flip(&copy, place_of(cases[i].damaged[k]));
		}
		if (cases[i].manifest)
			file_write(
			    &copy, "journal/" JOURNAL_MANIFEST_NAME, "nothing of the kind\n");
		assert_case_equal(i, repair_run(&copy, "", &answer), 1);
		assert_non_null(answer);
		assert_string_equal(text_of(answer, "state"), "examined");
		assert_case_equal(i, number_of(answer, "kept_to_lsn"), keep);
		assert_case_equal(i, number_of(answer, "log_to_lsn"), base.log_last);
		assert_case_equal(
		    i, json_array_size(json_object_get(answer, "log_fills")), cases[i].holes);
		assert_case_equal(i,
		    strstr(text_of(answer, "damage"), "a start does not need") != NULL,
		    cases[i].damaged[0] == OLD && cases[i].damaged[1] == NOTHING);
		lost = json_object_get(answer, "acknowledged_lost");
		assert_case_equal(i, json_is_null(lost), !cases[i].loses);
		if (cases[i].loses) {
			assert_case_equal(i, number_of(lost, "from_lsn"), keep + 1);
			json_decref(answer);
			assert_case_equal(i, repair_run(&copy, "--cut-damaged-tail", &answer), 1);
		}
		json_decref(answer);
		assert_case_equal(i, named(&copy, "repair-"), 0);

		assert_case_equal(
		    i, repair_run(&copy, "--cut-damaged-tail --yes-lose-acknowledged", &answer), 0);
		assert_string_equal(text_of(answer, "state"), "done");
		json_decref(answer);
		assert_case_equal(i, named(&copy, "repair-"), 1);
		assert_case_equal(i, named(&copy, "journal.damaged-"), 1);
		assert_case_equal(i, named(&copy, "journal-rebuild"), 0);
		state_of(&copy, hash, &last);
		assert_case_equal(i, last, keep);
		assert_case_equal(i, strcmp(hash, whole_hash) == 0, !cases[i].loses);
		starts(&copy, keep);
		directory_remove(copy.root);
	}
	directory_remove(whole.root);
}

/*
 * Names that a repair in these minutes would put the old directory under. `from`: when they were
 * taken; who gives them back says the same, for the clock has gone on since.
 */
static void names_take(const struct copy *copy, const char *begin, time_t from, int take)
{
	char path[256], when[24];

	for (time_t at = from; at < from + 600; at++) {
		struct tm utc;

		gmtime_r(&at, &utc);
		(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc);
		snprintf(path, sizeof(path), "%s/%s.damaged-%s", copy->shard, begin, when);
		if (take)
			assert_int_equal(mkdir(path, 0700), 0);
		else
			assert_int_equal(rmdir(path), 0);
	}
}

/*
 * As a power cut leaves it right before the directories change places: the log has what the journal
 * had, the new journal lies beside it. And with rests of an earlier one that was cut short.
 */
TEST(a_repair_cut_short_is_done_again)
{
	char hash[24], whole_hash[24], path[256];
	uint64_t last;
	struct copy copy, whole;
	json_t *answer;
	time_t from;

	copy_make(&whole);
	state_of(&whole, whole_hash, &last);
	copy_make(&copy);
	copy_batch_flip(&copy, base.log_last - 40);
	from = time(NULL);
	names_take(&copy, "journal", from, 1);
	assert_int_equal(repair_run(&copy, "--cut-damaged-tail", NULL), 1);
	names_take(&copy, "journal", from, 0);
	assert_int_equal(named(&copy, "journal-rebuild"), 1);
	assert_int_equal(named(&copy, "journal.damaged-"), 0);
	snprintf(path, sizeof(path), "%s/journal-rebuild/rest", copy.shard);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(repair_run(&copy, "", &answer), 1);
	assert_int_equal(number_of(answer, "log_to_lsn"), base.last);
	assert_true(json_is_null(json_object_get(answer, "acknowledged_lost")));
	json_decref(answer);
	assert_int_equal(repair_run(&copy, "--cut-damaged-tail", NULL), 0);
	state_of(&copy, hash, &last);
	assert_int_equal(last, base.last);
	assert_string_equal(hash, whole_hash);
	starts(&copy, base.last);
	directory_remove(copy.root);

	copy_make(&copy);
	balance_flip(&copy);
	from = time(NULL);
	names_take(&copy, "rows", from, 1);
	assert_int_equal(repair_run(&copy, "--rebuild-rows", NULL), 1);
	names_take(&copy, "rows", from, 0);
	assert_int_equal(named(&copy, "rows.damaged-"), 0);
	assert_int_equal(repair_run(&copy, "--rebuild-rows", NULL), 0);
	state_of(&copy, hash, &last);
	assert_string_equal(hash, whole_hash);
	assert_int_equal(named(&copy, "rows.damaged-"), 1);
	assert_int_equal(named(&copy, "rows-rebuild"), 0);
	directory_remove(copy.root);
	directory_remove(whole.root);
}

/* ---- Log, index, rows ---- */

TEST(each_part_is_named_with_its_remedy)
{
	static const struct {
		const char *name;
		void (*damage)(const struct copy *copy);
		const char *part, *remedy, *flag; /* flag: mends it */
	} cases[] = {
		{ "an event of the log", log_flip, "log", "backup restore", NULL },
		{ "the log's file, cut short", log_cut, "log", "backup restore", NULL },
		{ "the index of requests", index_flip, "index", "--rebuild-index",
		    "--rebuild-index" },
		{ "a balance", balance_flip, "rows", "--rebuild-rows", "--rebuild-rows" },
		{ "the rows' file, cut short", rows_cut, "rows", "--rebuild-rows",
		    "--rebuild-rows" },
		{ "the rows' file, something else", rows_scramble, "rows", "--rebuild-rows",
		    "--rebuild-rows" },
		{ "the rows' file, empty", rows_file_empty, "rows", "--rebuild-rows",
		    "--rebuild-rows" },
		{ "the rows' folder, gone", rows_take, "rows", "--rebuild-rows", "--rebuild-rows" },
		{ "the rows' folder, empty", rows_empty, "rows", "--rebuild-rows",
		    "--rebuild-rows" },
		{ "rows begun anew", rows_begin, "rows", "--rebuild-rows", "--rebuild-rows" },
		{ "the log's folder, gone", log_take, "log", "log-* directory", NULL },
	};
	char whole_hash[24], hash[24];
	struct copy copy;
	uint64_t last;

	copy_make(&copy);
	state_of(&copy, whole_hash, &last);
	directory_remove(copy.root);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char said[1024];
		json_t *answer;

		print_message("  %s\n", cases[i].name);
		copy_make(&copy);
		cases[i].damage(&copy);
		/* What cannot be read to its end is said on stderr. */
		assert_true(say_run(said, "verify --root '%s'", copy.root) != 0);
		if (strstr(said, "NOT OK: shard 0") == NULL && strstr(said, "read") == NULL)
			fail_msg("%s", said);
		assert_case_equal(
		    i, repair_run(&copy, "--cut-damaged-tail --yes-lose-acknowledged", &answer), 1);
		assert_non_null(answer);
		assert_string_equal(text_of(answer, "part"), cases[i].part);
		if (strstr(text_of(answer, "remedy"), cases[i].remedy) == NULL)
			fail_msg("%s", text_of(answer, "remedy"));
		json_decref(answer);
		assert_case_equal(i, say_run(said, "repair --shard 0 --root '%s'", copy.root), 1);
		if (strstr(said, cases[i].part) == NULL ||
		    strstr(said, "nothing is damaged") != NULL)
			fail_msg("%s", said);
		assert_case_equal(i, named(&copy, "repair-"), 0);
		if (cases[i].flag != NULL) {
			assert_case_equal(i, repair_run(&copy, cases[i].flag, NULL), 0);
			assert_case_equal(i, named(&copy, "repair-"), 1);
			state_of(&copy, hash, &last);
			assert_case_equal(i, last, base.last);
			assert_string_equal(hash, whole_hash);
		} else {
			assert_case_equal(i, repair_run(&copy, "--rebuild-rows", NULL), 1);
		}
		directory_remove(copy.root);
	}
}

TEST(nothing_is_damaged_is_said_of_journal_log_and_rows_together)
{
	struct copy copy;
	char said[1024];

	copy_make(&copy);
	assert_int_equal(say_run(said, "repair --shard 0 --root '%s'", copy.root), 1);
	assert_non_null(strstr(said, "nothing is damaged: journal, log and rows of this shard"));
	assert_int_equal(
	    say_run(said, "repair --rebuild-rows --shard 0 --root '%s'", copy.root), 1);
	assert_non_null(strstr(said, "the rows agree with the log; nothing was done"));
	directory_remove(copy.root);
}

/* Rows cannot be proven against a journal that is damaged itself, and the old ones stay. */
TEST(rows_are_not_made_anew_beside_a_damaged_journal)
{
	struct copy copy;
	char said[1024];

	copy_make(&copy);
	balance_flip(&copy);
	copy_batch_flip(&copy, base.batch_first[2]);
	assert_int_equal(
	    say_run(said, "repair --rebuild-rows --shard 0 --root '%s'", copy.root), 1);
	assert_non_null(strstr(said, "the old ones are as they were"));
	assert_int_equal(named(&copy, "rows.damaged-"), 0);
	/* Nor is the journal cut beside rows that are wrong. */
	assert_int_equal(repair_run(&copy, "--cut-damaged-tail --yes-lose-acknowledged", NULL), 1);
	assert_int_equal(named(&copy, "journal.damaged-"), 0);
	directory_remove(copy.root);

	copy_make(&copy);
	rows_take(&copy);
	copy_batch_flip(&copy, base.batch_first[2]);
	assert_int_equal(repair_run(&copy, "--rebuild-rows", NULL), 1);
	assert_int_equal(named(&copy, "rows"), 1); /* rows-rebuild */
	directory_remove(copy.root);
}

/* Two repairs in one second: the second was refused, or wrote over the report of the first. */
TEST(a_repair_takes_no_name_that_an_earlier_one_has)
{
	enum { SECONDS = 5 };
	static const char mine[] = "an earlier report\n";
	time_t now = time(NULL);
	struct copy copy;
	char name[64];

	copy_make(&copy);
	balance_flip(&copy);
	for (time_t at = now; at < now + SECONDS; at++) {
		char when[24];
		struct tm utc;

		gmtime_r(&at, &utc);
		(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc);
		snprintf(name, sizeof(name), "repair-rows-%s.json", when);
		file_write(&copy, name, mine);
		snprintf(name, sizeof(name), "rows.damaged-%s", when);
		file_write(&copy, name, mine);
	}
	assert_int_equal(repair_run(&copy, "--rebuild-rows", NULL), 0);
	assert_int_equal(named(&copy, "repair-rows-"), SECONDS + 1);
	assert_int_equal(named(&copy, "rows.damaged-"), SECONDS + 1);
	directory_remove(copy.root);
}

/* Which buckets a shard has its rows alone say, or another shard's. */
TEST(rows_that_are_gone_are_not_made_anew_where_nothing_says_of_which_shards)
{
	struct schema_made_shard made[2] = { { 1, 1 }, { 2, 1 } };
	char data[128], said[1024];
	struct copy copy;

	copy_make(&copy);
	rows_take(&copy);
	snprintf(data, sizeof(data), "%s/var/lib/sluice", copy.root);
	assert_int_equal(schema_made_write(data, made, 2), 0);
	assert_int_equal(
	    say_run(said, "repair --rebuild-rows --shard 0 --root '%s'", copy.root), 1);
	assert_non_null(strstr(said, "which shard of how many"));
	assert_int_equal(named(&copy, "rows"), 0);
	assert_int_equal(schema_made_write(data, made, 1), 0);
	assert_int_equal(repair_run(&copy, "--rebuild-rows", NULL), 0);
	directory_remove(copy.root);
}

/* The whole folder: what only it had is lost, and nobody says that it is known how much. */
TEST(a_journal_that_is_gone_is_begun_anew_on_demand_only)
{
	char path[256], said[1024], hash[24];
	struct copy copy;
	json_t *answer;
	uint64_t last;

	copy_make(&copy);
	part_take(&copy, "journal");
	assert_int_equal(repair_run(&copy, "--cut-damaged-tail --yes-lose-acknowledged", NULL), 1);
	assert_int_equal(say_run(said, "repair --shard 0 --root '%s'", copy.root), 1);
	assert_non_null(strstr(said, "the journal directory is missing"));
	assert_int_equal(named(&copy, "journal"), 0);
	snprintf(path, sizeof(path), "%s/journal", copy.shard);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(repair_run(&copy, "--cut-damaged-tail", &answer), 1);
	assert_false(json_is_null(json_object_get(answer, "acknowledged_lost")));
	json_decref(answer);
	assert_int_equal(repair_run(&copy, "--cut-damaged-tail --yes-lose-acknowledged", NULL), 0);
	state_of(&copy, hash, &last);
	assert_int_equal(last, base.log_last);
	starts(&copy, base.log_last);
	directory_remove(copy.root);
}

TEST_MAIN()
