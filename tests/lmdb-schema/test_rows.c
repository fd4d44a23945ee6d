/* SPDX-License-Identifier: Apache-2.0 */
/* Records: what goes out comes back; no bytes whatever get past the checks into a crash. */
#include <errno.h>

#include "dataplane/store/rows.h"
#include "tests/test.h"

static const struct terminal_row terminal_filled = { .id = 3,
	.lsn = 9,
	.highest_request_id = 12,
	.staked_today = 50,
	.staked_day = 19000,
	.rights = RIGHT_BET | RIGHT_MARKET,
	.daily_max = 70000,
	.version = 4,
	.blocked = 1,
	.shift_open = 1,
	.shift_currency = 410,
	.cashier_id = 17,
	.shift_number = 5,
	.shift_cash = 1000,
	.shift_cash_total = -400,
	.shift_opened_ns = 99 };

/* What bets name comes first. */
static const enum ledger_table load_order[LEDGER_TABLE_COUNT] = { LEDGER_ACCOUNT, LEDGER_MARKET,
	LEDGER_BET, LEDGER_TERMINAL, LEDGER_OBJECT };

static void accounts_fill(struct ledger *ledger)
{
	struct account_row account = { .id = 5,
		.lsn = 9,
		.balance = 77,
		.staked_today = 3,
		.staked_day = 19000,
		.currency = 410,
		.flags = ACCOUNT_FROZEN | ACCOUNT_PLAY,
		.partner_id = 3,
		.owed = 44 };
	struct account_row stakes = { .id = ledger_system_account(SYSTEM_STAKES, 410, 0),
		.lsn = 9,
		.balance = -77,
		.currency = 410,
		.flags = ACCOUNT_SYSTEM };

	account.profile = (struct risk_profile){ .updated_ns = 1,
		.amount_mean = 2,
		.amount_spread = 3,
		.amount_max = 4,
		.count_24h = 5,
		.count_7d = 6,
		.count_30d = 7,
		.observations = 8,
		.cancels = 9,
		.first_ns = 10,
		.profile_score = 100 };
	assert_int_equal(ledger_load_account(ledger, &account), 0);
	assert_int_equal(ledger_load_account(ledger, &stakes), 0);
}

static void betting_fill(struct ledger *ledger)
{
	struct bet_row bet = { .id = 99,
		.lsn = 8,
		.account_id = 5,
		.terminal_id = 3,
		.stake = 50,
		.payout = 500,
		.placed_at_ns = 123,
		.currency = 410,
		.state = BET_OPEN,
		.leg_count = 10,
		.reprints = 3 };
	struct market_row_state market = { .id = 11,
		.lsn = 2,
		.event_id = 6,
		.version = 4,
		.start_time_ns = 10,
		.state = MARKET_SETTLED,
		.kind = MARKET_KIND_1X2,
		.selection_count = 3,
		.line = -3,
		.walked = 1,
		.walked_ns = 12,
		.odds = { 2000, 3000, 4000 },
		.outcomes = { { { SETTLEMENT_WIN, 0, 0, 0 }, { SETTLEMENT_LOSE, 0, 0, 0 },
		    { SETTLEMENT_DEAD_HEAT, 1, 2, 0 } } },
		.credit_moved = { 5, -6, 7 },
		.credit_moved_market = -8 };

	for (unsigned i = 0; i < bet.leg_count; i++)
		bet.legs[i] = (struct wire_leg){
			.market_id = i + 1, .odds = 1001 + i, .selection = (uint16_t)i
		};
	assert_int_equal(ledger_load_market(ledger, &market), 0);
	for (market.id = 1; market.id <= bet.leg_count; market.id++) {
		market.version++;
		assert_int_equal(ledger_load_market(ledger, &market), 0);
	}
	assert_int_equal(ledger_load_bet(ledger, &bet), 0);
}

static void object_fill(struct ledger *ledger)
{
	struct object_withdrawal withdrawal = {
		.account_id = le64_make(5), .amount = le64s_make(1000), .created_ns = le64_make(9)
	};
	struct object_row object = { .id = 1234,
		.lsn = 5,
		.due_ns = 77,
		.kind = OBJECT_WITHDRAWAL,
		.state = OBJECT_OPEN,
		.currency = 410,
		.partner_id = 3 };

	memcpy(object.body, &withdrawal, sizeof(withdrawal));
	assert_int_equal(ledger_load_object(ledger, &object), 0);
}

/* Every byte another value, within what a state may hold. */
static void states_fill(struct ledger *ledger)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;

	for (unsigned i = 0; i < sizeof(account); i++)
		((uint8_t *)&account)[i] = (uint8_t)(i + 1);
	for (unsigned i = 0; i < sizeof(terminal); i++)
		((uint8_t *)&terminal)[i] = (uint8_t)(i + 1);
	for (unsigned i = 0; i < 7; i++) /* sums and means come first */
		((uint64_t *)&account)[i] &= (1ull << 56) - 1;
	terminal.amount_mean &= (1ull << 56) - 1;
	terminal.amount_spread &= (1ull << 56) - 1;
	memset(account.feedback.reserved, 0, sizeof(account.feedback.reserved));
	memset(terminal.feedback.reserved, 0, sizeof(terminal.feedback.reserved));
	assert_int_equal(ledger_load_account_state(ledger, 5, &account), 0);
	assert_int_equal(ledger_load_terminal_state(ledger, terminal_filled.id, &terminal), 0);
	assert_int_equal(ledger_load_account_state(ledger, 6, &account), -ENOENT);
	assert_int_equal(ledger_load_terminal_state(ledger, 1, &terminal), -ENOENT);
}

static struct ledger *ledger_make(int filled)
{
	struct ledger_config config = { .shard_count = 1,
		.accounts_max = 4000,
		.bets_max = 4000,
		.markets_max = 4000,
		.terminals_max = 4000,
		.objects_max = 4000 };
	struct ledger *ledger;

	ids_bucket_map_default(&config.buckets, 1);
	ledger = ledger_create(&config);
	assert_non_null(ledger);
	if (!filled)
		return ledger;
	accounts_fill(ledger);
	betting_fill(ledger);
	object_fill(ledger);
	assert_int_equal(ledger_load_terminal(ledger, &terminal_filled), 0);
	states_fill(ledger);
	return ledger;
}

TEST(every_row_comes_back_as_it_was)
{
	struct ledger *from = ledger_make(1), *to = ledger_make(0);

	for (unsigned n = 0; n < LEDGER_TABLE_COUNT; n++) {
		enum ledger_table table = load_order[n];
		uint32_t rows = ledger_row_count(from, table);

		assert_true(rows > 0);
		for (uint32_t i = 0; i < rows; i++) {
			struct rows_record record;
			uint64_t lsn;

			rows_record_make(&record, from, table, i);
			assert_int_equal(rows_load_one(to, table, record.id,
			                     (struct db_bytes){ &record, record.size }, &lsn),
			    0);
			assert_int_equal(lsn, record.lsn);
		}
	}
	assert_true(ledger_state_hash(from) == ledger_state_hash(to));
	ledger_free(from);
	ledger_free(to);
}

/* A state is behind the row; a row without one is as long as it was before there were states. */
TEST(only_rows_that_learned_have_a_state)
{
	static const enum ledger_table tables[] = { LEDGER_ACCOUNT, LEDGER_TERMINAL };
	static const size_t without[] = { sizeof(struct record_account),
		sizeof(struct record_terminal) };
	static const size_t with[] = { sizeof(struct record_account_full),
		sizeof(struct record_terminal_full) };
	struct ledger *from = ledger_make(1);

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(tables); i++) {
		struct ledger *to = ledger_make(0);
		struct rows_record record;
		struct db_bytes bytes = { &record, without[i] };
		struct record_header *header = (struct record_header *)&record;
		uint64_t lsn;

		rows_record_make(&record, from, tables[i], 0);
		assert_int_equal(record.size, with[i]);
		/* Of zeros, it must not be there. */
		memset((uint8_t *)&record + without[i], 0, with[i] - without[i]);
		assert_int_equal(rows_load_one(to, tables[i], record.id,
		                     (struct db_bytes){ &record, with[i] }, &lsn),
		    -EBADMSG);
		header->size = le16_make((uint16_t)without[i]);
		assert_int_equal(rows_load_one(to, tables[i], record.id, bytes, &lsn), 0);
		rows_record_make(&record, to, tables[i], 0);
		assert_int_equal(record.size, without[i]);
		ledger_free(to);
	}
	ledger_free(from);
}

/* Changes that must be refused: table, byte, value put there. */
static const struct {
	enum ledger_table table;
	size_t offset;
	uint8_t value;
} hostile[] = {
	{ LEDGER_ACCOUNT, 0, 1 },                           /* size */
	{ LEDGER_ACCOUNT, 2, RECORD_BET },                  /* kind */
	{ LEDGER_ACCOUNT, 3, 1 },                           /* version */
	{ LEDGER_ACCOUNT, 3, 3 }, { LEDGER_ACCOUNT, 4, 1 }, /* reserved */
	{ LEDGER_ACCOUNT, 15, 0x80 },       /* id of a system account without the flag */
	{ LEDGER_ACCOUNT, 16, 0 },          /* LSN 0 */
	{ LEDGER_ACCOUNT, 31, 0x80 },       /* balance below zero */
	{ LEDGER_ACCOUNT, 30, 0x7f },       /* balance above the limit */
	{ LEDGER_ACCOUNT, 39, 0x80 },       /* staked below zero */
	{ LEDGER_ACCOUNT, 46, 64 },         /* unknown flag */
	{ LEDGER_ACCOUNT, 46, 2 },          /* the flag of a system account */
	{ LEDGER_ACCOUNT, 55, 0x80 },       /* owes less than nothing */
	{ LEDGER_ACCOUNT, 56 + 72, 101 },   /* profile score */
	{ LEDGER_ACCOUNT, 56 + 127, 1 },    /* reserved slots */
	{ LEDGER_ACCOUNT, 184 + 7, 0xff },  /* a sum that no sum comes to */
	{ LEDGER_ACCOUNT, 184 + 31, 0xff }, /* a mean */
	{ LEDGER_ACCOUNT, 184 + 195, 1 },   /* reserved, of judged cases */
	{ LEDGER_BET, 0, 1 }, { LEDGER_BET, 2, RECORD_ACCOUNT }, { LEDGER_BET, 3, 1 },
	{ LEDGER_BET, 8, 1 },                            /* another id than its key */
	{ LEDGER_BET, 16, 0 }, { LEDGER_BET, 31, 0x80 }, /* account id */
	{ LEDGER_BET, 37, 1 },                           /* terminal id */
	{ LEDGER_BET, 40, 0 },                           /* stake 0 */
	{ LEDGER_BET, 47, 0x80 },                        /* stake below zero */
	{ LEDGER_BET, 55, 0x80 },                        /* payout below zero */
	{ LEDGER_BET, 66, 7 },                           /* state */
	{ LEDGER_BET, 66, 0 }, { LEDGER_BET, 67, 0 },    /* legs */
	{ LEDGER_BET, 67, 9 }, { LEDGER_BET, 67, 255 }, { LEDGER_BET, 69, 1 },
	{ LEDGER_BET, 72, 0 },                              /* market of the first leg */
	{ LEDGER_BET, 80, 16 },                             /* selection */
	{ LEDGER_BET, 82, 1 }, { LEDGER_BET, 87, 0x7f },    /* odds */
	{ LEDGER_MARKET, 3, 1 }, { LEDGER_MARKET, 48, 0 },  /* state */
	{ LEDGER_MARKET, 48, 7 }, { LEDGER_MARKET, 50, 0 }, /* selections */
	{ LEDGER_MARKET, 50, 17 }, { LEDGER_MARKET, 51, 1 },
	{ LEDGER_MARKET, 54, 1 },       /* behind the line */
	{ LEDGER_MARKET, 119, 1 },      /* odds of a selection there is not */
	{ LEDGER_MARKET, 120, 2 },      /* walked */
	{ LEDGER_MARKET, 120, 0 },      /* not walked, and when */
	{ LEDGER_MARKET, 121, 2 },      /* final */
	{ LEDGER_MARKET, 122, 1 },      /* reserved */
	{ LEDGER_MARKET, 136, 7 },      /* an outcome there is not */
	{ LEDGER_MARKET, 136, 0 },      /* one that is not known among those that are */
	{ LEDGER_MARKET, 136 + 12, 1 }, /* one of a selection there is not */
	{ LEDGER_MARKET, 136 + 9, 2 },  /* dead heat of two for two places */
	{ LEDGER_TERMINAL, 8, 0 },      /* id */
	{ LEDGER_TERMINAL, 12, 1 },     /* id above 32 bits */
	{ LEDGER_TERMINAL, 16, 0 }, { LEDGER_TERMINAL, 39, 0x80 },
	{ LEDGER_TERMINAL, 3, 2 },                           /* older version */
	{ LEDGER_TERMINAL, 3, 4 },                           /* newer version */
	{ LEDGER_TERMINAL, 47, 0x80 },                       /* right there is not */
	{ LEDGER_TERMINAL, 55, 0x80 },                       /* limit below zero */
	{ LEDGER_TERMINAL, 56, 0 },                          /* settings that no command made */
	{ LEDGER_TERMINAL, 64, 2 },                          /* neither blocked nor not */
	{ LEDGER_TERMINAL, 65, 2 },                          /* neither open nor closed */
	{ LEDGER_TERMINAL, 65, 0 },                          /* no shift, and its cashier */
	{ LEDGER_TERMINAL, 67, 4 },                          /* a currency above 999 */
	{ LEDGER_TERMINAL, 104 + 7, 0xff },                  /* a mean */
	{ LEDGER_TERMINAL, 104 + 111, 1 },                   /* reserved */
	{ LEDGER_TERMINAL, 76, 1 }, { LEDGER_OBJECT, 0, 9 }, /* another id than its key */
	{ LEDGER_OBJECT, 8, 0 },                             /* LSN 0 */
	{ LEDGER_OBJECT, 24, 0 },                            /* kind */
	{ LEDGER_OBJECT, 24, 99 }, { LEDGER_OBJECT, 25, 0 }, /* state */
	{ LEDGER_OBJECT, 25, OBJECT_REFUSED }, { LEDGER_OBJECT, 79, 0x80 }, /* amount below zero */
	{ LEDGER_OBJECT, 159, 1 }, /* behind the kind's body */
};
TEST(hostile_fields_are_refused)
{
	struct ledger *from = ledger_make(1);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(hostile); i++) {
		struct ledger *to = ledger_make(0);
		struct rows_record record;
		uint64_t lsn = 42;

		rows_record_make(&record, from, hostile[i].table, 0);
		((uint8_t *)&record)[hostile[i].offset] = hostile[i].value;
		assert_case_equal(i,
		    rows_load_one(to, hostile[i].table, record.id,
		        (struct db_bytes){ &record, record.size }, &lsn),
		    -EBADMSG);
		assert_case_equal(i, lsn, 42);
		assert_case_equal(i, ledger_row_count(to, hostile[i].table), 0);
		ledger_free(to);
	}
	ledger_free(from);
}

TEST(every_other_length_and_key_is_refused)
{
	struct ledger *from = ledger_make(1), *to = ledger_make(0);

	for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++) {
		struct rows_record record;
		uint64_t lsn;

		rows_record_make(&record, from, (enum ledger_table)table, 0);
		for (size_t size = 0; size <= sizeof(record); size++) {
			if (size == record.size)
				continue;
			assert_case_equal(size,
			    rows_load_one(to, (enum ledger_table)table, record.id,
			        (struct db_bytes){ &record, size }, &lsn),
			    -EBADMSG);
		}
		assert_int_equal(rows_load_one(to, (enum ledger_table)table, record.id + 1,
		                     (struct db_bytes){ &record, record.size }, &lsn),
		    -EBADMSG);
	}
	ledger_free(from);
	ledger_free(to);
}

TEST(random_damage_never_crashes_and_what_passes_is_written_back_the_same)
{
	uint64_t random = test_seed();
	struct ledger *from = ledger_make(1);

	for (int i = 0; i < 200000; i++) {
		enum ledger_table table =
		    (enum ledger_table)(test_random(&random) % LEDGER_TABLE_COUNT);
		struct record_account_full account;
		struct record_bet_full bet;
		struct record_market market;
		struct record_terminal_full terminal;
		struct object_bytes object;
		struct rows_record record;
		struct db_bytes bytes;
		uint8_t *at = (uint8_t *)&record;

		rows_record_make(&record, from, table, 0);
		for (uint64_t n = 1 + test_random(&random) % 3; n > 0; n--)
			at[test_random(&random) % record.size] ^= (uint8_t)test_random(&random);
		bytes = (struct db_bytes){ &record, record.size };
		if (table == LEDGER_ACCOUNT && record_account_read(bytes, &account) == 0)
			assert_memory_equal(&account, bytes.data, bytes.size);
		if (table == LEDGER_BET && record_bet_read(bytes, &bet) == 0)
			assert_memory_equal(&bet, bytes.data, bytes.size);
		if (table == LEDGER_MARKET && record_market_read(bytes, &market) == 0)
			assert_memory_equal(&market, bytes.data, bytes.size);
		if (table == LEDGER_TERMINAL && record_terminal_read(bytes, &terminal) == 0)
			assert_memory_equal(&terminal, bytes.data, bytes.size);
		if (table == LEDGER_OBJECT && record_object_read(bytes, &object) == 0)
			assert_memory_equal(&object, bytes.data, bytes.size);
	}
	ledger_free(from);
}

/* Without factor rules it is as long as it always was; with them, whole. */
TEST(checkpoint_keeps_the_factor_rules)
{
	struct shard_row shard = { .lsn = 7 }, back;
	struct record_checkpoint record, read;

	risk_rules_default(&shard.rules);
	rows_checkpoint_make(&record, &shard);
	assert_int_equal(le16_get(record.header.size), RECORD_CHECKPOINT_SIZE_SHORT);
	risk_rules_extra_default(&shard.extra);
	shard.extra.model_version = 5;
	shard.extra.model_state = RISK_MODEL_SHADOW;
	shard.extra.currency_count = 1;
	shard.extra.currencies[0] = (struct risk_amounts){ .currency = 840, .large_amount = 9 };
	rows_checkpoint_make(&record, &shard);
	assert_int_equal(le16_get(record.header.size), sizeof(record));
	assert_int_equal(
	    record_checkpoint_read((struct db_bytes){ &record, sizeof(record) }, &read), 0);
	assert_int_equal(rows_checkpoint_shard(&read, &back), 0);
	assert_memory_equal(&back, &shard, sizeof(shard));
	read.currencies[1].currency = le16_make(978); /* behind those that are used */
	assert_int_equal(rows_checkpoint_shard(&read, &back), -EBADMSG);
	record.currency_count = LIMIT_RULES_CURRENCIES_MAX + 1;
	assert_int_equal(
	    record_checkpoint_read((struct db_bytes){ &record, sizeof(record) }, &read), -EBADMSG);
}

TEST(a_state_hash_is_read_as_it_was_written_and_nothing_else_is)
{
	struct record_state hash = { .header = record_header_make(RECORD_STATE, sizeof(hash)),
		.lsn = le64_make(7),
		.state_hash = le64_make(9) };
	struct record_state read;

	assert_int_equal(record_state_read((struct db_bytes){ &hash, sizeof(hash) }, &read), 0);
	assert_memory_equal(&read, &hash, sizeof(hash));
	for (size_t size = 0; size < sizeof(hash); size++)
		assert_case_equal(
		    size, record_state_read((struct db_bytes){ &hash, size }, &read), -EBADMSG);
	hash.header = record_header_make(RECORD_IDENTITY, sizeof(hash));
	assert_int_equal(
	    record_state_read((struct db_bytes){ &hash, sizeof(hash) }, &read), -EBADMSG);
}

TEST(what_a_past_was_is_read_as_it_was_written_and_nothing_else_is)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} wrong[] = {
		{ 2, RECORD_STATE }, { 8, 0 },    /* generation */
		{ 10, 0 }, { 10, 65 }, { 12, 1 }, /* reserved */
		{ 16, 0 },                        /* begins nowhere */
		{ 24, 3 },                        /* ends before it begins */
		{ 16 + 32, 1 },                   /* a shard there is not */
	};
	struct record_past past = { .header = record_header_make(RECORD_PAST, sizeof(past)),
		.generation = le16_make(1),
		.shard_count = le16_make(2),
		.logs = { { le64_make(5), le64_make(9) }, { le64_make(7), le64_make(6) } } };
	struct record_past read;

	assert_int_equal(record_past_read((struct db_bytes){ &past, sizeof(past) }, &read), 0);
	assert_memory_equal(&read, &past, sizeof(past));
	for (size_t size = 0; size < sizeof(past); size++)
		assert_case_equal(
		    size, record_past_read((struct db_bytes){ &past, size }, &read), -EBADMSG);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++) {
		struct record_past bad = past;

		((uint8_t *)&bad)[wrong[i].offset] = wrong[i].value;
		assert_case_equal(
		    i, record_past_read((struct db_bytes){ &bad, sizeof(bad) }, &read), -EBADMSG);
	}
}

TEST(checkpoint_keeps_the_shard_row)
{
	struct shard_row shard = {
		.lsn = 7, .time_ns = 8, .bet_counter = 9, .control_sequence = 10
	};
	struct record_checkpoint record, read;
	struct shard_row back;

	risk_rules_default(&shard.rules);
	rows_checkpoint_make(&record, &shard);
	assert_int_equal(record_checkpoint_read(
	                     (struct db_bytes){ &record, le16_get(record.header.size) }, &read),
	    0);
	assert_int_equal(rows_checkpoint_shard(&read, &back), 0);
	assert_memory_equal(&back, &shard, sizeof(shard));
	record.log_lsn = le64_make(6); /* the log behind the checkpoint */
	assert_int_equal(record_checkpoint_read(
	                     (struct db_bytes){ &record, le16_get(record.header.size) }, &read),
	    -EBADMSG);
	record.log_lsn = le64_make(7);
	record.clean = 2;
	assert_int_equal(record_checkpoint_read(
	                     (struct db_bytes){ &record, le16_get(record.header.size) }, &read),
	    -EBADMSG);
}

TEST_MAIN()
