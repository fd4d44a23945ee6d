/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random streams of requests and commands, small numbers so that everything collides, and what must
 * hold after every event and after every way of getting to a state.
 */
#include <errno.h>

#include "tests/ledger/fixture.h"

#define CAPACITY   4096
#define ACCOUNTS   12
#define MARKETS    10
#define TERMINALS  5
#define EVENTS_MAX 3000

static const uint16_t currencies[] = { 410, 840 };

struct stream {
	uint64_t random;
	uint64_t time_ns;
	uint64_t request_id[TERMINALS + 1];
	uint64_t version;
	uint64_t bets[EVENTS_MAX];
	unsigned bet_count;
	struct event_buffer events[EVENTS_MAX];
	uint16_t lengths[EVENTS_MAX];
	unsigned count;
};

static uint64_t pick(struct stream *stream, uint64_t bound)
{
	return test_random(&stream->random) % bound;
}

static void make_bet(struct stream *stream, struct wire_request *wire)
{
	unsigned legs = pick(stream, 3) ? 1 : 1 + (unsigned)pick(stream, LIMIT_BET_LEGS_MAX);
	static const uint32_t odds[3] = { 2000, 3500, 25000 };

	wire->template_id = WIRE_PLACE_BET;
	wire->place_bet.account_id = 1 + pick(stream, ACCOUNTS + 2);
	wire->place_bet.stake = (int64_t)(1 + pick(stream, 50000));
	if (pick(stream, 50) == 0)
		wire->place_bet.stake = (int64_t)test_random(&stream->random);
	wire->place_bet.deadline_ns = pick(stream, 20) ? NO_DEADLINE : stream->time_ns - 1;
	wire->place_bet.currency = currencies[wire->place_bet.account_id & 1];
	wire->place_bet.odds_policy = (uint8_t)pick(stream, 2);
	wire->place_bet.leg_count = (uint8_t)legs;
	for (unsigned i = 0; i < legs; i++) {
		struct wire_leg *leg = &wire->place_bet.legs[i];

		/* Mostly distinct markets, so that long bets are accepted too. */
		leg->market_id = pick(stream, 12) ? 1 + (i + wire->request_id) % MARKETS
		                                  : 1 + pick(stream, MARKETS + 1);
		leg->selection = (uint16_t)(pick(stream, 30) ? 0 : pick(stream, 5));
		leg->odds = odds[leg->selection % 3] - (pick(stream, 6) ? 0 : 10);
	}
}

static void make_request(struct stream *stream, struct wire_request *wire, uint64_t terminal)
{
	memset(wire, 0, sizeof(*wire));
	wire->request_id = ++stream->request_id[terminal];
	wire->body_hash[0] = test_random(&stream->random);
	switch (pick(stream, 8)) {
	case 0:
		wire->template_id = WIRE_DEPOSIT;
		wire->deposit.account_id = 1 + pick(stream, ACCOUNTS + 2);
		wire->deposit.amount = (int64_t)pick(stream, 100000);
		if (pick(stream, 30) == 0)
			wire->deposit.amount = LIMIT_BALANCE_MAX;
		wire->deposit.deadline_ns = NO_DEADLINE;
		wire->deposit.currency = currencies[wire->deposit.account_id & 1];
		break;
	case 1:
	case 2:
		wire->template_id = WIRE_CANCEL_BET;
		wire->cancel_bet.bet_id =
		    stream->bet_count == 0 || pick(stream, 20) == 0
		        ? test_random(&stream->random)
		        : stream
		              ->bets[stream->bet_count - 1 -
		                     pick(stream, stream->bet_count < 20 ? stream->bet_count : 20)];
		wire->cancel_bet.deadline_ns = NO_DEADLINE;
		break;
	default:
		make_bet(stream, wire);
		break;
	}
}

static void make_command(
    struct stream *stream, const struct ledger *ledger, struct ledger_command *command)
{
	memset(command, 0, sizeof(*command));
	switch (pick(stream, 9)) {
	case 0:
	case 1:
		command->type = EVENT_ACCOUNT_OPEN;
		command->account_id = 1 + pick(stream, ACCOUNTS);
		command->currency = currencies[command->account_id & 1];
		command->amount = (int64_t)pick(stream, 3) * 1000000;
		break;
	case 2:
	case 3:
	case 4: {
		uint64_t id = 1 + pick(stream, MARKETS);

		*command = fixture_market_command(id, id / (pick(stream, 9) ? 1 : 2) + 1,
		    ++stream->version, pick(stream, 5) ? MARKET_OPEN : MARKET_CLOSED,
		    stream->time_ns + (pick(stream, 6) ? DAY : 2 * SECOND));
		break;
	}
	case 5:
		command->type = EVENT_ACCOUNT_FREEZE;
		command->account_id = 1 + pick(stream, ACCOUNTS);
		command->flags = pick(stream, 3) ? 0 : EVENT_FLAG_FROZEN;
		break;
	case 7:
		command->type = EVENT_TERMINAL_SET;
		command->terminal_id = 1 + pick(stream, TERMINALS);
		command->control_sequence = 1;
		command->terminal.version = le64_make(++stream->version);
		command->terminal.rights = le32_make((uint32_t)pick(stream, RIGHT_ALL + 1));
		command->terminal.blocked = (uint8_t)pick(stream, 2);
		command->terminal.daily_max = le64s_make((int64_t)pick(stream, 100000));
		break;
	case 6:
		command->type = EVENT_RULES_SET;
		risk_rules_default(&command->rules);
		command->rules.version = ledger_shard(ledger)->rules.version + 1;
		command->rules.utc_offset_s = (uint32_t)pick(stream, 24) * 3600;
		command->rules.stake_daily_max = 50000 + (int64_t)pick(stream, 100000);
		break;
	default:
		command->type = pick(stream, 2) ? EVENT_TICK : EVENT_COMMAND_MARK;
		command->control_sequence = ledger_shard(ledger)->control_sequence + 1;
		break;
	}
}

/* Makes the next event and applies it. 0 when there was nothing to do. */
static int stream_step(struct stream *stream, struct ledger *ledger)
{
	struct event_buffer *event = &stream->events[stream->count];
	int length;

	memset(event, 0, sizeof(*event));
	stream->time_ns += pick(stream, 40) ? pick(stream, 3 * SECOND) : pick(stream, 8 * HOUR);
	if (pick(stream, 5) == 0) {
		struct ledger_command command;

		make_command(stream, ledger, &command);
		length = ledger_decide_command(ledger, &command, stream->time_ns, event);
		assert_true(length >= 0 || length == -EINVAL); /* freeze of an unknown account */
	} else {
		uint64_t terminal = 1 + pick(stream, TERMINALS);
		struct wire_request wire;
		struct ledger_request request = { .wire = &wire, .terminal_id = terminal };

		make_request(stream, &wire, terminal);
		ledger_prefetch(ledger, &wire);
		ledger_prefetch_terminal(ledger, terminal);
		length = pick(stream, 40)
		             ? ledger_decide(ledger, &request, stream->time_ns, event)
		             : ledger_decide_expired(ledger, &request, stream->time_ns, event);
		assert_true(length > 0);
	}
	if (length <= 0)
		return 0;
	assert_int_equal(event_check(event->bytes, (size_t)length), 0);
	assert_int_equal(event_check(event->bytes, (size_t)length - 1), -EBADMSG);
	assert_int_equal(ledger_apply(ledger, event->bytes, (size_t)length), 0);
	if (fixture_code(event) == WIRE_CODE_OK &&
	    le16_get(fixture_record(event).type) == EVENT_PLACE_BET)
		stream->bets[stream->bet_count++] = le64_get(fixture_record(event).object_id);
	stream->lengths[stream->count++] = (uint16_t)length;
	return 1;
}

static struct stream *stream_new(uint64_t seed)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->random = seed;
	stream->time_ns = NOW;
	return stream;
}

static void stream_fill(struct stream *stream, struct ledger *ledger, unsigned events)
{
	while (stream->count < events)
		stream_step(stream, ledger);
}

static void stream_apply(struct stream *stream, struct ledger *ledger, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		int error = ledger_apply(ledger, stream->events[i].bytes, stream->lengths[i]);

		if (error != 0)
			fail_msg("event %u: error %d", i + 1, error);
	}
}

/* Everything a reader can see is equal. */
static void assert_same_state(struct ledger *a, struct ledger *b)
{
	struct ledger_totals totals_a, totals_b;
	const struct market_row_state *markets_a[MARKETS * 2], *markets_b[MARKETS * 2];
	int more_a, more_b;
	unsigned count;

	assert_memory_equal(ledger_shard(a), ledger_shard(b), sizeof(struct shard_row));
	ledger_totals(a, &totals_a);
	ledger_totals(b, &totals_b);
	assert_memory_equal(&totals_a, &totals_b, sizeof(totals_a));
	for (uint32_t i = 0; i < ledger_row_count(a, LEDGER_ACCOUNT); i++) {
		const struct account_row *row = ledger_account_at(a, i);

		assert_non_null(ledger_account(b, row->id));
		assert_memory_equal(row, ledger_account(b, row->id), sizeof(*row));
	}
	for (uint32_t i = 0; i < ledger_row_count(a, LEDGER_BET); i++) {
		struct bet_row bet_a, bet_b;

		ledger_bet_at(a, i, &bet_a);
		assert_int_equal(ledger_bet(b, bet_a.id, &bet_b), 0);
		assert_memory_equal(&bet_a, &bet_b, sizeof(bet_a));
	}
	for (uint32_t i = 0; i < ledger_row_count(a, LEDGER_TERMINAL); i++) {
		const struct terminal_row *row = ledger_terminal_at(a, i);

		assert_memory_equal(row, ledger_terminal(b, row->id), sizeof(*row));
	}
	count = ledger_markets_since(a, 0, markets_a, MARKETS * 2, &more_a);
	assert_int_equal(count, totals_a.markets);
	assert_int_equal(count, ledger_markets_since(b, 0, markets_b, MARKETS * 2, &more_b));
	assert_int_equal(more_a | more_b, 0);
	for (unsigned i = 0; i < count; i++)
		assert_memory_equal(markets_a[i], markets_b[i], sizeof(*markets_a[i]));
	assert_true(ledger_state_hash(a) == ledger_state_hash(b));
	assert_true(ledger_state_hash_full(b) == ledger_state_hash(b));
}

TEST(invariants_hold_after_every_event)
{
	struct stream *stream = stream_new(test_seed());
	struct ledger *ledger = fixture_create(CAPACITY, 0);
	struct ledger *twin = fixture_create(CAPACITY, 1);
	unsigned by_class[16] = { 0 };

	while (stream->count < EVENTS_MAX) {
		uint64_t before = ledger_state_hash(ledger);

		if (!stream_step(stream, ledger))
			continue;
		stream_apply(stream, twin, stream->count - 1, stream->count);
		by_class[wire_code_class(fixture_code(&stream->events[stream->count - 1]))]++;
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(currencies); i++)
			assert_int_equal(ledger_balance_sum(ledger, currencies[i]), 0);
		assert_true(before != ledger_state_hash(ledger));
		assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(ledger));
		/* The twin hashes now and then only: the same sum all the same. */
		if (stream->count % 37 == 0)
			assert_true(ledger_state_hash(ledger) == ledger_state_hash(twin));
	}
	assert_same_state(ledger, twin);
	/* The stream is worth something: many of each kind of outcome. */
	assert_true(by_class[WIRE_CLASS_DONE] > EVENTS_MAX / 5);
	assert_true(by_class[WIRE_CLASS_BUSINESS] > EVENTS_MAX / 10);
	assert_true(by_class[WIRE_CLASS_POLICY] > 0);
	ledger_free(ledger);
	ledger_free(twin);
	free(stream);
}

TEST(open_stakes_equal_the_stakes_account)
{
	struct stream *stream = stream_new(test_seed() + 1);
	struct ledger *ledger = fixture_create(CAPACITY, 0);

	stream_fill(stream, ledger, 1500);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(currencies); i++) {
		const struct account_row *stakes =
		    ledger_account(ledger, ledger_system_account(SYSTEM_STAKES, currencies[i], 0));
		int64_t open = 0;

		for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_BET); row++) {
			struct bet_row bet;

			ledger_bet_at(ledger, row, &bet);
			if (bet.state == BET_OPEN && bet.currency == currencies[i])
				open += bet.stake;
		}
		assert_int_equal(stakes == NULL ? 0 : stakes->balance, open);
	}
	for (uint32_t row = 0; row < ledger_row_count(ledger, LEDGER_ACCOUNT); row++) {
		const struct account_row *account = ledger_account_at(ledger, row);

		if (!(account->flags & ACCOUNT_SYSTEM))
			assert_true(account->balance >= 0 && account->balance <= LIMIT_BALANCE_MAX);
	}
	ledger_free(ledger);
	free(stream);
}

/* Walking back from each head meets every event of the terminal, and of the account, once. */
TEST(chains_lead_back_to_the_first_event)
{
	struct stream *stream = stream_new(test_seed() + 2);
	struct ledger *ledger = fixture_create(CAPACITY, 0);
	unsigned walked = 0, expected = 0;

	stream_fill(stream, ledger, 1000);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_TERMINAL); i++) {
		const struct terminal_row *row = ledger_terminal_at(ledger, i);
		uint64_t highest = 0;

		/* The newest event may be TERMINAL_SET, which is no request. */
		for (uint64_t lsn = row->lsn; lsn != 0; walked++) {
			struct event_record record = fixture_record(&stream->events[lsn - 1]);

			assert_int_equal(le64_get(record.terminal_id), row->id);
			if (le64_get(record.request_id) > highest)
				highest = le64_get(record.request_id);
			lsn = le64_get(record.prev_terminal_lsn);
		}
		assert_int_equal(row->highest_request_id, highest);
	}
	for (unsigned i = 0; i < stream->count; i++)
		expected += le64_get(fixture_record(&stream->events[i]).terminal_id) != 0;
	assert_int_equal(walked, expected);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_ACCOUNT); i++) {
		const struct account_row *row = ledger_account_at(ledger, i);
		int64_t balance = 0;

		if (row->flags & ACCOUNT_SYSTEM)
			continue;
		for (uint64_t lsn = row->lsn; lsn != 0;) {
			struct event_record record = fixture_record(&stream->events[lsn - 1]);

			assert_int_equal(le64_get(record.account_id), row->id);
			if (le16_get(record.code) == WIRE_CODE_OK)
				balance += le64s_get(record.amount);
			lsn = le64_get(record.prev_account_lsn);
		}
		assert_int_equal(balance, row->balance);
	}
	ledger_free(ledger);
	free(stream);
}

TEST(a_copy_is_equal_and_goes_on_equally)
{
	struct stream *stream = stream_new(test_seed() + 3);
	struct ledger *ledger = fixture_create(CAPACITY, 1), *copy = fixture_create(CAPACITY, 0);

	stream_fill(stream, ledger, 500);
	assert_int_equal(ledger_copy(copy, ledger), 0);
	assert_same_state(ledger, copy);
	stream_fill(stream, ledger, 1000);
	stream_apply(stream, copy, 500, 1000);
	assert_same_state(ledger, copy);
	assert_int_equal(ledger_copy(copy, ledger), -EEXIST);
	ledger_free(ledger);
	ledger_free(copy);
	free(stream);
}

/* Applying what is applied already changes nothing; a jump is refused. */
TEST(applying_again_changes_nothing)
{
	struct stream *stream = stream_new(test_seed() + 4);
	struct ledger *ledger = fixture_create(CAPACITY, 0), *other = fixture_create(CAPACITY, 0);

	stream_fill(stream, ledger, 600);
	stream_apply(stream, other, 0, 600);
	stream_apply(stream, other, 0, 600);
	stream_apply(stream, other, 250, 400);
	assert_same_state(ledger, other);
	ledger_free(other);
	other = fixture_create(CAPACITY, 0);
	stream_apply(stream, other, 0, 10);
	assert_int_equal(
	    ledger_apply(other, stream->events[11].bytes, stream->lengths[11]), -EBADMSG);
	assert_int_equal(ledger_shard(other)->lsn, 10);
	ledger_free(ledger);
	ledger_free(other);
	free(stream);
}

/* ---- A store in memory ---- */

struct rows {
	struct account_row accounts[CAPACITY];
	struct bet_row bets[CAPACITY];
	struct market_row_state markets[CAPACITY];
	struct terminal_row terminals[CAPACITY];
	uint8_t present[LEDGER_TABLE_COUNT][CAPACITY];
	struct shard_row shard;
};

static void rows_put(
    struct rows *rows, const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	rows->present[table][row] = 1;
	if (table == LEDGER_ACCOUNT)
		rows->accounts[row] = *ledger_account_at(ledger, row);
	else if (table == LEDGER_BET)
		ledger_bet_at(ledger, row, &rows->bets[row]);
	else if (table == LEDGER_MARKET)
		rows->markets[row] = *ledger_market_at(ledger, row);
	else
		rows->terminals[row] = *ledger_terminal_at(ledger, row);
}

static void rows_put_all(struct rows *rows, const struct ledger *ledger)
{
	for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++) {
		for (uint32_t i = 0; i < ledger_row_count(ledger, (enum ledger_table)table); i++)
			rows_put(rows, ledger, (enum ledger_table)table, i);
	}
}

/* Loads in a random order of rows, as a store's keys are in no order of ours. */
static struct ledger *rows_load(const struct rows *rows, uint64_t *random)
{
	struct ledger *ledger = fixture_create(CAPACITY, 1);
	uint32_t start = (uint32_t)test_random(random) % CAPACITY;

	for (uint32_t i = 0; i < CAPACITY; i++) {
		uint32_t row = (start + i * 1237) % CAPACITY;

		if (rows->present[LEDGER_ACCOUNT][row])
			assert_int_equal(ledger_load_account(ledger, &rows->accounts[row]), 0);
		if (rows->present[LEDGER_BET][row])
			assert_int_equal(ledger_load_bet(ledger, &rows->bets[row]), 0);
		if (rows->present[LEDGER_MARKET][row])
			assert_int_equal(ledger_load_market(ledger, &rows->markets[row]), 0);
		if (rows->present[LEDGER_TERMINAL][row])
			assert_int_equal(ledger_load_terminal(ledger, &rows->terminals[row]), 0);
	}
	ledger_load_shard(ledger, &rows->shard);
	for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++)
		assert_int_equal(ledger_dirty_count(ledger, (enum ledger_table)table), 0);
	return ledger;
}

/* Rows are written at any time between the checkpoint's begin and the end, some more than once. */
TEST(replay_over_rows_of_different_times_equals_straight_application)
{
	uint64_t seed = test_seed() + 5;

	for (unsigned round = 0; round < 12; round++) {
		struct stream *stream = stream_new(seed + round * 1000);
		struct ledger *ledger = fixture_create(CAPACITY, 0), *replayed;
		struct rows *rows = calloc(1, sizeof(*rows));
		unsigned begin = 200 + (unsigned)pick(stream, 200), end = 700, from;

		assert_non_null(rows);
		stream_fill(stream, ledger, begin);
		rows_put_all(rows, ledger);
		rows->shard = *ledger_shard(ledger);
		while (stream->count < end) {
			stream_step(stream, ledger);
			for (unsigned i = 0; i < 3; i++) {
				enum ledger_table table =
				    (enum ledger_table)pick(stream, LEDGER_TABLE_COUNT);
				uint32_t count = ledger_row_count(ledger, table);

				if (count > 0)
					rows_put(
					    rows, ledger, table, (uint32_t)pick(stream, count));
			}
		}
		replayed = rows_load(rows, &stream->random);
		/* A batch that holds the checkpoint's LSN is replayed from its first event. */
		from = begin - (unsigned)pick(stream, 40);
		stream_apply(stream, replayed, from, end);
		assert_same_state(ledger, replayed);
		/* And both decide alike from here. */
		stream_fill(stream, ledger, end + 100);
		stream_apply(stream, replayed, end, end + 100);
		assert_same_state(ledger, replayed);
		ledger_free(ledger);
		ledger_free(replayed);
		free(rows);
		free(stream);
	}
}

/*
 * The store's way: at begin, note the shard row and the lengths of the dirty lists; take that many
 * rows in slices while events go on; then the checkpoint is complete. Crash anywhere: rows as they
 * are, the shard row of the last complete checkpoint, replay.
 */
TEST(checkpoints_from_the_dirty_lists_survive_a_crash_anywhere)
{
	uint64_t seed = test_seed() + 6;

	for (unsigned round = 0; round < 12; round++) {
		struct stream *stream = stream_new(seed + round * 1000);
		struct ledger *ledger = fixture_create(CAPACITY, 1), *replayed;
		struct rows *rows = calloc(1, sizeof(*rows));
		struct shard_row begun;
		uint32_t left[LEDGER_TABLE_COUNT] = { 0 }, taken[8];
		unsigned crash = 300 + (unsigned)pick(stream, 700), running = 0, complete = 0;

		assert_non_null(rows);
		rows->shard = *ledger_shard(ledger);
		begun = rows->shard;
		while (stream->count < crash) {
			unsigned pending = 0;

			stream_step(stream, ledger);
			for (unsigned table = 0; running && table < LEDGER_TABLE_COUNT; table++) {
				unsigned want = left[table] < 8 ? left[table] : 8;
				unsigned got = ledger_dirty_take(
				    ledger, (enum ledger_table)table, taken, want);

				assert_int_equal(got, want);
				for (unsigned i = 0; i < got; i++)
					rows_put(rows, ledger, (enum ledger_table)table, taken[i]);
				left[table] -= got;
				pending += left[table];
			}
			if (running && pending == 0) {
				rows->shard = begun;
				running = 0;
				complete++;
			} else if (!running && pick(stream, 20) == 0) {
				begun = *ledger_shard(ledger);
				for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++)
					left[table] =
					    ledger_dirty_count(ledger, (enum ledger_table)table);
				running = 1;
			}
		}
		assert_true(complete > 0);
		replayed = rows_load(rows, &stream->random);
		stream_apply(stream, replayed, (unsigned)rows->shard.lsn, crash);
		assert_same_state(ledger, replayed);
		ledger_free(ledger);
		ledger_free(replayed);
		free(rows);
		free(stream);
	}
}

/* A log that is not the one of the rows is noticed, and nothing of the event is applied. */
TEST(an_event_that_does_not_fit_the_rows_is_refused_whole)
{
	struct stream *stream = stream_new(test_seed() + 7);
	struct ledger *ledger = fixture_create(CAPACITY, 0);
	struct ledger *other = fixture_create(CAPACITY, 0);
	unsigned refused = 0;

	stream_fill(stream, ledger, 800);
	stream_apply(stream, other, 0, 1); /* the first may have any time */
	for (unsigned i = 1; i < 800; i++) {
		struct event_buffer broken = stream->events[i];
		struct event_record record = fixture_record(&broken);
		uint64_t before = ledger_state_hash(other);
		struct ledger_totals totals_before, totals_after;
		int error;

		ledger_totals(other, &totals_before);
		switch (pick(stream, 4)) {
		case 0:
			record.balance = le64s_make(le64s_get(record.balance) + 1);
			break;
		case 1:
			record.prev_account_lsn = le64_make(le64_get(record.prev_account_lsn) ^ 1);
			break;
		case 2:
			record.prev_terminal_lsn.raw ^= 1; /* any other */
			break;
		default:
			record.time_ns = le64_make(1);
			break;
		}
		memcpy(broken.bytes, &record, sizeof(record));
		error = ledger_apply(other, broken.bytes, stream->lengths[i]);
		if (error == 0)
			fail_msg("event %u type %u code %x applied though broken", i + 1,
			    le16_get(record.type), le16_get(record.code));
		assert_int_equal(error, -EBADMSG);
		refused++;
		assert_true(ledger_state_hash(other) == before);
		ledger_totals(other, &totals_after);
		assert_memory_equal(&totals_before, &totals_after, sizeof(totals_before));
		stream_apply(stream, other, i, i + 1);
	}
	assert_int_equal(refused, 799);
	assert_same_state(ledger, other);
	ledger_free(ledger);
	ledger_free(other);
	free(stream);
}

TEST_MAIN()
