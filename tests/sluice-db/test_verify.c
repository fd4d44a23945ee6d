/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sluice-db verify` must fail where it must: log and rows. Each case damages a copy of one
 * database and names what verify has to say. Events at or below the checkpoint are changed in the
 * log, where nothing but verify looks at them again.
 */
#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "tests/sluice-db/copy.h"

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

/* Exit status of a backup of it. */
static int backup_make(const struct copy *copy)
{
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "backup create --json '%s' '%s/backup'", copy->root,
	    copy->root);
	return run(arguments, NULL);
}

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
	assert_int_equal(backup_make(&copy), 0);
	directory_remove(copy.root);
}

TEST(flipped_byte_in_a_log_block)
{
	struct copy copy;

	copy_make(&copy);
	log_damage(&copy, 1, is_bet, EDIT_FLIP, NULL);
	assert_int_equal(backup_make(&copy), 1);
	/* The checksum is of the block: nothing in it can be trusted. */
	copy_refused(&copy, base.block_first[1], "log: block damaged");
}

static int run_damage(struct db_txn *txn, void *context)
{
	struct db_cursor cursor;
	uint8_t bytes[65536], key[8];
	size_t size;

	(void)context;
	assert_int_equal(log_index_complete(txn), 0);
	assert_int_equal(db_cursor_open(&cursor, txn, SCHEMA_RUN), 0);
	assert_int_equal(db_cursor_last(&cursor), 0);
	size = cursor.value.size;
	assert_true(size > sizeof(struct log_run_header) && size <= sizeof(bytes));
	memcpy(bytes, cursor.value.data, size);
	memcpy(key, cursor.key.data, sizeof(key));
	db_cursor_close(&cursor);
	bytes[size - sizeof(struct log_run_entry)] ^= 1; /* a terminal's id */
	return db_put(txn, SCHEMA_RUN, (struct db_bytes){ key, sizeof(key) },
	    (struct db_bytes){ bytes, size });
}

TEST(flipped_byte_in_the_index_of_requests)
{
	struct copy copy;
	struct db_env *env;

	copy_make(&copy);
	assert_int_equal(schema_log_open(&env, copy.shard, 1, 0), 0);
	assert_int_equal(db_write(env, run_damage, NULL), 0);
	db_env_close(env);
	copy_refused(&copy, 1, "log: its index of requests is damaged");
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
		assert_int_equal(backup_make(&copy), 1);
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

TEST(currency_of_an_event_changed)
{
	struct copy copy;
	uint64_t lsn;

	copy_make(&copy);
	lsn = log_damage(&copy, 1, is_deposit, EDIT_PUT_SUM, currency_change);
	copy_refused(&copy, lsn, "of currency 410, moved in 840");
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
	copy_refused(&copy, base.last, "stake 1, state 1, payout");
}

TEST(row_of_an_open_bet_deleted)
{
	struct copy copy;

	copy_make(&copy);
	row_damage(&copy, SCHEMA_BET, row_bet_delete);
	copy_refused(&copy, base.last, "open by its events, not in the rows");
}

TEST_MAIN()
