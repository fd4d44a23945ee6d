/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sluice-db verify` must fail where it must. One database is written through the real store and
 * journal, with events that are in the journal only; each case damages a copy of it and names what
 * verify has to say. Events at or below the checkpoint are changed in the log, where nothing but
 * verify looks at them again.
 */
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "dataplane/journal/segment.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/schema.h"
#include "tests/store/follow.h"

#define BEHIND_LOG 6 /* batches the store has not seen */

static struct base {
	int ready;
	char path[64];
	uint64_t log_last, last;
	uint64_t block_first[16]; /* the log's blocks */
	uint32_t blocks;
	uint64_t batch_first[BEHIND_LOG]; /* of the batches behind the log */
} base;

static void base_remove(void)
{
	directory_remove(base.path);
}

static void blocks_list(void)
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

static void base_make(void)
{
	struct follow follow;

	if (base.ready)
		return;
	follow_begin(&follow);
	/* Always the same database: what is found first depends on what follows the damage. */
	follow.world->random = 1;
	follow_start(&follow, 16);
	world_provision(follow.world);
	follow_write(&follow, world_close(follow.world));
	for (int i = 0; i < 60; i++) {
		follow_write(&follow, world_batch(follow.world, 20));
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

static void copy_make(struct copy *copy)
{
	char command[256];

	base_make();
	directory_make(copy->root);
	snprintf(copy->shard, sizeof(copy->shard), "%s/var/lib/sluice/shard-0", copy->root);
	snprintf(command, sizeof(command), "mkdir -p '%s'", copy->shard);
	assert_int_equal(system(command), 0);
	directory_copy(base.path, copy->shard);
}

/* Exit status of `sluice-db` with these arguments; *answer is its JSON or NULL. */
static int run(const char *arguments, json_t **answer)
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
static void copy_refused(struct copy *copy, uint64_t lsn, const char *what)
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

/* ---- Changing the log ---- */

/* Where an event lies in its block. */
struct place {
	uint8_t *block;
	uint32_t size, offset, length; /* of the block; of the event in it */
	struct event_record record;
};

enum edit {
	EDIT_PUT,      /* changed in place */
	EDIT_PUT_SUM,  /* the same, and the block's checksum made right again */
	EDIT_DROP,     /* the event taken out, count and checksum made right */
	EDIT_FLIP,     /* one bit of the event's last byte */
	EDIT_NO_BLOCK, /* the whole block taken out */
};

typedef int event_choose(const struct event_record *record);
typedef void event_change(struct event_record *record);

static void block_put(struct db_env *env, uint64_t first_lsn, const struct place *place, int keep)
{
	struct db_key key = db_key_make(first_lsn);
	struct db_txn txn;

	assert_int_equal(db_write_begin(&txn, env), 0);
	if (keep)
		assert_int_equal(db_put(&txn, SCHEMA_BLOCK, db_key(&key),
		                     (struct db_bytes){ place->block, place->size }),
		    0);
	else
		assert_int_equal(db_delete(&txn, SCHEMA_BLOCK, db_key(&key)), 0);
	assert_int_equal(db_write_commit(&txn), 0);
}

static void block_get(struct db_env *env, uint64_t first_lsn, struct place *place)
{
	struct db_key key = db_key_make(first_lsn);
	struct db_bytes value;
	struct db_txn txn;

	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(db_get(&txn, SCHEMA_BLOCK, db_key(&key), &value), 0);
	assert_true(value.size <= LIMIT_LOG_BLOCK_SIZE);
	memcpy(place->block, value.data, value.size);
	place->size = (uint32_t)value.size;
	db_read_close(&txn);
}

/* The first event of the block that is chosen, else (choose NULL) its last one. */
static int place_find(struct place *place, event_choose *choose)
{
	int found = 0;

	for (uint32_t at = sizeof(struct log_block_header); at < place->size;) {
		struct event_record record;

		memcpy(&record, place->block + at, sizeof(record));
		if (choose == NULL || choose(&record)) {
			place->record = record;
			place->offset = at;
			place->length = le16_get(record.length);
			found = 1;
			if (choose != NULL)
				return 1;
		}
		at += le16_get(record.length);
	}
	return found;
}

static void place_edit(struct place *place, enum edit edit, event_change *change)
{
	struct log_block_header header;
	uint8_t *event = place->block + place->offset;
	uint32_t behind = place->offset + place->length, count;

	memcpy(&header, place->block, sizeof(header));
	count = le32_get(header.count);
	if (change != NULL) {
		change(&place->record);
		memcpy(event, &place->record, sizeof(place->record));
	}
	if (edit == EDIT_FLIP)
		event[place->length - 1] ^= 1;
	if (edit == EDIT_DROP) {
		memmove(event, place->block + behind, place->size - behind);
		place->size -= place->length;
		count--;
	}
	if (edit == EDIT_PUT_SUM || edit == EDIT_DROP)
		log_block_seal(place->block, count, place->size - (uint32_t)sizeof(header));
}

/* Damages the log of a copy from block number `from` on. Returns the LSN of the event chosen. */
static uint64_t log_damage(const struct copy *copy, uint32_t from, event_choose *choose,
    enum edit edit, event_change *change)
{
	struct place place = { .block = malloc(LIMIT_LOG_BLOCK_SIZE) };
	struct db_env *env;
	uint64_t lsn = 0;

	assert_non_null(place.block);
	assert_int_equal(schema_log_open(&env, copy->shard, 1, 0), 0);
	for (uint32_t i = from; i < base.blocks && lsn == 0; i++) {
		block_get(env, base.block_first[i], &place);
		if (!place_find(&place, choose))
			continue;
		lsn = le64_get(place.record.lsn);
		place_edit(&place, edit, change);
		block_put(env, base.block_first[i], &place, edit != EDIT_NO_BLOCK);
	}
	db_env_close(env);
	free(place.block);
	assert_int_not_equal(lsn, 0);
	assert_true(lsn <= base.log_last);
	return lsn;
}

static int is_done(const struct event_record *record, enum event_type type)
{
	return le16_get(record->type) == type && le16_get(record->code) == WIRE_CODE_OK;
}

static int is_deposit(const struct event_record *record)
{
	return is_done(record, EVENT_DEPOSIT);
}

static int is_bet(const struct event_record *record)
{
	return is_done(record, EVENT_PLACE_BET);
}

static int is_terminals(const struct event_record *record)
{
	return le64_get(record->terminal_id) != 0 && le64_get(record->prev_terminal_lsn) != 0;
}

static void balance_raise(struct event_record *record)
{
	record->balance = le64s_make(le64s_get(record->balance) + 1);
}

static void account_chain_break(struct event_record *record)
{
	record->prev_account_lsn = le64_make(le64_get(record->prev_account_lsn) - 1);
}

static void terminal_chain_break(struct event_record *record)
{
	record->prev_terminal_lsn = le64_make(le64_get(record->prev_terminal_lsn) - 1);
}

static void currency_change(struct event_record *record)
{
	record->currency = le16_make(840);
}

static void stake_remove(struct event_record *record)
{
	record->balance = le64s_make(le64s_get(record->balance) - le64s_get(record->amount));
	record->amount = le64s_make(0);
}

/* ---- Cases ---- */

TEST(untouched_database_is_ok)
{
	char arguments[128];
	struct copy copy;
	json_t *answer;

	copy_make(&copy);
	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", copy.root);
	assert_int_equal(run(arguments, &answer), 0);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_true(json_is_null(json_object_get(answer, "first_damage")));
	assert_int_equal(json_integer_value(json_object_get(answer, "events")), base.last);
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(answer, "balance_sum"), "410")), 0);
	json_decref(answer);
	snprintf(arguments, sizeof(arguments), "verify --root '%s'", copy.root);
	assert_int_equal(run(arguments, NULL), 0);
	directory_remove(copy.root);
}

TEST(flipped_byte_in_a_log_block)
{
	struct copy copy;

	copy_make(&copy);
	log_damage(&copy, 1, is_bet, EDIT_FLIP, NULL);
	/* The checksum is of the block: nothing in it can be trusted. */
	copy_refused(&copy, base.block_first[1], "log: block damaged");
}

TEST(event_dropped_inside_a_block)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 1, is_bet, EDIT_DROP, NULL);
	copy_refused(&copy, lsn, "log: ");
}

TEST(event_dropped_at_the_end_of_a_block_though_the_journal_has_it)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 0, NULL, EDIT_DROP, NULL);
	assert_int_equal(lsn, base.block_first[1] - 1);
	copy_refused(&copy, lsn, "gap");
}

TEST(whole_block_dropped)
{
	for (uint32_t block = 0; block < 2; block++) {
		struct copy copy;

		copy_make(&copy);
		log_damage(&copy, block, NULL, EDIT_NO_BLOCK, NULL);
		copy_refused(&copy, base.block_first[block], "gap");
	}
}

TEST(balance_of_an_event_changed_with_the_checksum_made_right)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 1, is_deposit, EDIT_PUT_SUM, balance_raise);
	copy_refused(&copy, lsn, "in the event");
	copy_make(&copy);
	log_damage(&copy, 1, is_deposit, EDIT_PUT, balance_raise);
	copy_refused(&copy, base.block_first[1], "log: block damaged");
}

TEST(chain_of_an_account_broken)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 1, is_bet, EDIT_PUT_SUM, account_chain_break);
	copy_refused(&copy, lsn, "chain names LSN");
}

TEST(chain_of_a_terminal_broken)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 1, is_terminals, EDIT_PUT_SUM, terminal_chain_break);
	copy_refused(&copy, lsn, "terminal");
}

TEST(balances_of_a_currency_do_not_sum_to_zero)
{
	struct copy copy;

	copy_make(&copy);
	log_damage(&copy, 1, is_deposit, EDIT_PUT_SUM, currency_change);
	copy_refused(&copy, base.last, "sum to");
}

TEST(stake_of_a_bet_removed_from_its_event)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 1, is_bet, EDIT_PUT_SUM, stake_remove);
	copy_refused(&copy, lsn, "malformed");
}

/* ---- Rows ---- */

/* The first row of a table for which `change` says 1 (write) or 2 (delete). */
static void row_damage(
    const struct copy *copy, unsigned table, int (*change)(uint8_t *value, size_t size))
{
	uint8_t value[512], key_bytes[16];
	struct db_bytes key = { key_bytes, 0 };
	struct db_cursor cursor;
	struct db_env *env;
	struct db_txn txn;
	size_t size = 0;
	int error, action = 0;

	assert_int_equal(schema_rows_open(&env, copy->shard, 0), 0);
	assert_int_equal(db_write_begin(&txn, env), 0);
	assert_int_equal(db_cursor_open(&cursor, &txn, table), 0);
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		assert_true(
		    cursor.value.size <= sizeof(value) && cursor.key.size <= sizeof(key_bytes));
		size = cursor.value.size;
		memcpy(value, cursor.value.data, size);
		memcpy(key_bytes, cursor.key.data, cursor.key.size);
		key.size = cursor.key.size;
		action = change(value, size);
		if (action != 0)
			break;
	}
	db_cursor_close(&cursor);
	assert_int_not_equal(action, 0);
	if (action == 1)
		assert_int_equal(db_put(&txn, table, key, (struct db_bytes){ value, size }), 0);
	else
		assert_int_equal(db_delete(&txn, table, key), 0);
	assert_int_equal(db_write_commit(&txn), 0);
	db_env_close(env);
}

static int row_balance_raise(uint8_t *value, size_t size)
{
	struct record_account record;

	if (size != sizeof(record))
		return 0;
	memcpy(&record, value, sizeof(record));
	record.balance = le64s_make(le64s_get(record.balance) + 1);
	memcpy(value, &record, sizeof(record));
	return 1;
}

static int row_stake_remove(uint8_t *value, size_t size)
{
	struct record_bet record;

	if (size < sizeof(record))
		return 0;
	memcpy(&record, value, sizeof(record));
	if (record.state != BET_OPEN)
		return 0;
	record.stake = le64s_make(1);
	memcpy(value, &record, sizeof(record));
	return 1;
}

static int row_bet_delete(uint8_t *value, size_t size)
{
	struct record_bet record;

	if (size < sizeof(record))
		return 0;
	memcpy(&record, value, sizeof(record));
	return record.state == BET_OPEN ? 2 : 0;
}

TEST(balance_of_a_row_changed)
{
	struct copy copy;

	copy_make(&copy);
	row_damage(&copy, SCHEMA_ACCOUNT, row_balance_raise);
	copy_refused(&copy, base.last, "account 1:");
}

TEST(stake_of_an_open_bet_changed_in_its_row)
{
	struct copy copy;

	copy_make(&copy);
	row_damage(&copy, SCHEMA_BET, row_stake_remove);
	copy_refused(&copy, base.last, "stake 1, state 1 in the rows");
}

TEST(row_of_an_open_bet_deleted)
{
	struct copy copy;

	copy_make(&copy);
	row_damage(&copy, SCHEMA_BET, row_bet_delete);
	copy_refused(&copy, base.last, "open by its events, not in the rows");
}

/* ---- Journal ---- */

/* Flips a byte of the body of the batch that begins with `first_lsn` (0: the first one there). */
static void journal_damage(const struct copy *copy, uint64_t first_lsn)
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
	do {
		assert_int_equal(journal_reader_next(reader, &batch, NULL), 1);
	} while (first_lsn != 0 && le64_get(batch.header.first_lsn) != first_lsn);
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

TEST(flipped_byte_in_a_batch_that_a_later_header_proves_durable)
{
	struct copy copy;

	/* The last header of the chain before it knows of nothing that far. */
	copy_make(&copy);
	journal_damage(&copy, base.batch_first[BEHIND_LOG - 3]);
	copy_refused(&copy, base.batch_first[BEHIND_LOG - 3], "body checksum wrong");
}

TEST(flipped_byte_in_a_batch_the_log_holds_too)
{
	struct copy copy;
	const uint64_t second = WORLD_ACCOUNTS + WORLD_MARKETS + 1; /* batch of the journal */

	copy_make(&copy);
	journal_damage(&copy, second);
	copy_refused(&copy, second, "body checksum wrong");
}

TEST(flipped_byte_in_the_first_batch_of_the_journal)
{
	struct copy copy;

	copy_make(&copy);
	journal_damage(&copy, 0);
	copy_refused(&copy, base.log_last + 1, "does not begin with a valid batch");
}

/* Nothing says that the last batch was acknowledged: recovery cuts it, and verify agrees. */
TEST(flipped_byte_in_the_very_last_batch_is_a_crash_not_damage)
{
	char arguments[128];
	struct copy copy;
	json_t *answer;

	copy_make(&copy);
	journal_damage(&copy, base.batch_first[BEHIND_LOG - 1]);
	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", copy.root);
	assert_int_equal(run(arguments, &answer), 0);
	assert_int_equal(json_integer_value(json_object_get(answer, "events")),
	    base.batch_first[BEHIND_LOG - 1] - 1);
	json_decref(answer);
	directory_remove(copy.root);
}

/* ---- Command line ---- */

TEST(nothing_there_is_3)
{
	assert_int_equal(run("verify --root /nonexistent/sluice", NULL), 3);
	assert_int_equal(run("verify --json --root /nonexistent/sluice", NULL), 3);
}

TEST(usage_is_2)
{
	static const char *const wrong[] = { "", "verfy", "verify verify", "verify --surprise",
		"verify --shard x", "verify --shard 100000", "verify --root" };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++)
		assert_case_equal(i, run(wrong[i], NULL), 2);
}

TEST_MAIN()
