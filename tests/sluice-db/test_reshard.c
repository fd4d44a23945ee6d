/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Re-sharding over random streams of everything there is: 4 shards become 1, 3 and 2; every account
 * is what it was, system accounts hold what is behind them, every shard comes to zero and verifies.
 * What is under way between shards stands against it.
 */
#include <errno.h>
#include <inttypes.h>

#include "tests/sluice-db/reshard.h"

static const uint16_t currencies[] = { KRW, 840, 392 };

/* The labels of a terminal that any old shard knows are known to each new one. */
static unsigned labels_compare(
    const struct shards *shards, struct ledger *const *now, uint32_t count)
{
	uint32_t most[STREAM_TERMINALS + 1] = { 0 };
	unsigned known = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		for (uint64_t id = 1; id <= STREAM_TERMINALS; id++) {
			const struct risk_terminal_state *state =
			    ledger_terminal_risk(shards->ledger[shard], id);
			uint32_t labels = state == NULL ? 0
			                                : (uint32_t)state->feedback.confirmed +
			                                      state->feedback.dismissed;

			most[id] = labels > most[id] ? labels : most[id];
		}
	for (uint64_t id = 1; id <= STREAM_TERMINALS; id++)
		for (uint32_t k = 0; k < count && most[id] > 0; k++) {
			const struct risk_terminal_state *state = ledger_terminal_risk(now[k], id);

			assert_non_null(state);
			assert_int_equal(
			    state->feedback.confirmed + state->feedback.dismissed, most[id]);
			known++;
		}
	return known;
}

/* Customers as they were, at home; open bets and their exposure as they were, in all. The number of
 * terminals' states with labels. */
static unsigned content_compare(const struct shards *shards, const char *root, uint32_t count)
{
	struct ledger *now[SHARDS];
	struct ids_bucket_map map;
	struct ledger_totals totals;
	uint64_t bets_before = 0, bets_now = 0;
	int64_t cash_before = 0, cash_now = 0;
	unsigned labels;

	ids_bucket_map_default(&map, count);
	for (uint32_t i = 0; i < count; i++) {
		now[i] = rows_of(root, i, count);
		ledger_totals(now[i], &totals);
		bets_now += totals.bets_open;
		for (unsigned c = 0; c < SLUICE_ARRAY_COUNT(currencies); c++)
			assert_int_equal(ledger_balance_sum(now[i], currencies[c]), 0);
	}
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		const struct ledger *ledger = shards->ledger[shard];

		ledger_totals(ledger, &totals);
		bets_before += totals.bets_open;
		for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_ACCOUNT); i++) {
			const struct account_row *row = ledger_account_at(ledger, i), *is;

			if (row->flags & ACCOUNT_SYSTEM) {
				if (row->id ==
				    ledger_system_account(SYSTEM_CASH, row->currency, row->id))
					cash_before += row->balance * row->currency;
				continue;
			}
			is = ledger_account(now[map.shard[ids_bucket_of_key(row->id)]], row->id);
			assert_non_null(is);
			assert_memory_equal(is, row, sizeof(*row));
		}
	}
	for (uint32_t k = 0; k < count; k++)
		for (uint32_t i = 0; i < ledger_row_count(now[k], LEDGER_ACCOUNT); i++) {
			const struct account_row *row = ledger_account_at(now[k], i);

			if (row->id == ledger_system_account(SYSTEM_CASH, row->currency, row->id)) {
				cash_now += row->balance * row->currency;
				/* At its terminal's home. */
				assert_int_equal(
				    map.shard[ids_bucket_of_key(row->id & UINT32_MAX)], k);
			}
		}
	assert_int_equal(bets_before, bets_now);
	assert_int_equal(cash_before, cash_now);
	labels = labels_compare(shards, now, count);
	for (uint32_t i = 0; i < count; i++)
		ledger_free(now[i]);
	return labels;
}

TEST(every_account_is_what_it_was_whatever_the_number_of_shards)
{
	static const uint32_t counts[] = { 1, 3, 2 };
	uint64_t seed = test_seed();
	unsigned labels = 0;

	for (unsigned round = 0; round < 2; round++) {
		struct shards *shards = alike_make(seed + round);
		char top[64], before[96], root[96], arguments[300];
		json_t *answer;

		root_make(top);
		snprintf(before, sizeof(before), "%s/root", top);
		root_write(shards, before);
		if (round == 1) {
			uint64_t last[SHARDS];

			for (uint32_t shard = 0; shard < SHARDS; shard++)
				last[shard] = root_last(shards, shard);
			root_logs_rotate(before, last);
		}
		/* One out of the other: a switch may be re-sharded any number of times. */
		for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(counts); i++) {
			snprintf(root, sizeof(root), "%s/root-%u", top, i);
			snprintf(arguments, sizeof(arguments),
			    "reshard '%s' '%s' --shards %u --json", before, root, counts[i]);
			assert_int_equal(root_run(arguments, &answer), 0);
			assert_int_equal(
			    json_integer_value(json_object_get(answer, "shards_now")), counts[i]);
			json_decref(answer);
			must_run("verify --root '%s'", root);
			labels += content_compare(shards, root, counts[i]);
			/* The past is there as it was, and proves itself. */
			must_run("verify --root '%s/var/lib/sluice/history/%u' --transit-max "
			         "999999999",
			    root, i + 1);
			must_run("backup create '%s' '%s/backup-%u'", root, top, i);
			must_run("backup verify '%s/backup-%u'", top, i);
			memcpy(before, root, sizeof(before));
		}
		root_remove(top);
		shards_free(shards);
	}
	/* By some seeds a stream has none. */
	assert_true(labels > 0);
}

/* One key on accounts of two shards: as it is kept now, or as older logs have it, under one id. */
static int key_made_older(struct event_view *view, uint8_t *event)
{
	for (unsigned i = 0; i < view->object_count; i++) {
		struct object_bytes *object = &view->objects[i];
		struct object_key key;
		struct le64 id;

		if (object->kind != OBJECT_PARTNER_KEY)
			continue;
		assert_int_equal(
		    object_key_of(object->kind, le32_get(object->partner_id), object->body, &key),
		    0);
		key.words[3] = 0;
		id = le64_make(object_key_hash(&key));
		for (size_t at = sizeof(struct event_record);; at += 8)
			if (memcmp(event + at, &object->id, sizeof(id)) == 0) {
				memcpy(event + at, &id, sizeof(id));
				return 1;
			}
	}
	return 0;
}

TEST(a_partner_key_on_accounts_of_two_shards_is_moved)
{
	for (unsigned older = 0; older <= 1; older++) {
		struct shards *shards = shards_new(1);
		struct ledger_command partner = { .type = EVENT_PARTNER_SET,
			.object_id = 1,
			.partner = { .version = le64_make(1), .keys_max = le32_make(100) } };
		char top[64], root[96];
		struct ledger *ledger;

		assert_true(shards_command(shards, &partner) > 0);
		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			uint64_t id = shards_id_on(shards, shard, 1, 0);
			struct wire_request open = { .template_id = WIRE_OPEN_ACCOUNT,
				.open_account = { .account_id = id,
				    .currency = KRW,
				    .partner_id = 1,
				    .deadline_ns = UINT64_MAX } };
			struct wire_request deposit = { .template_id = WIRE_DEPOSIT,
				.deposit = { .account_id = id,
				    .amount = 100,
				    .currency = KRW,
				    .deadline_ns = UINT64_MAX,
				    .partner_key = { 5, 6 } } };

			assert_int_equal(shards_code(shards, &open, 1), WIRE_CODE_OK);
			assert_int_equal(shards_code(shards, &deposit, 1), WIRE_CODE_OK);
		}
		root_make(top);
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			(void)root_shard_write(shards, shard, top, root_last(shards, shard), 3,
			    older ? key_made_older : NULL);
		snprintf(root, sizeof(root), "%s/new", top);
		must_run("reshard '%s' '%s' --shards 1", top, root);
		must_run("verify --root '%s'", root);
		ledger = rows_of(root, 0, 1);
		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			struct object_key key = { .kind = OBJECT_PARTNER_KEY,
				.words = { 5, 6, 1, shards_id_on(shards, shard, 1, 0) } };

			assert_non_null(ledger_object_by_key(ledger, &key));
		}
		ledger_free(ledger);
		root_remove(top);
		shards_free(shards);
	}
}

/* On an account of each shard by one terminal, under a partner's key. */
static struct wire_request key_deposit(const struct shards *shards, uint32_t shard)
{
	return (struct wire_request){ .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = shards_id_on(shards, shard, 1, 0),
		    .amount = 100,
		    .currency = KRW,
		    .deadline_ns = UINT64_MAX,
		    .partner_key = { 5, 6 } } };
}

/* Such deposits, taken back again. */
static void deposits_reversed(struct shards *shards, uint64_t requests[SHARDS])
{
	struct ledger_command partner = { .type = EVENT_PARTNER_SET,
		.object_id = 1,
		.partner = { .version = le64_make(1), .keys_max = le32_make(100) } };

	assert_true(shards_command(shards, &partner) > 0);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		struct wire_request deposit = key_deposit(shards, shard);
		struct wire_request open = { .template_id = WIRE_OPEN_ACCOUNT,
			.open_account = { .account_id = deposit.deposit.account_id,
			    .currency = KRW,
			    .partner_id = 1,
			    .deadline_ns = UINT64_MAX } };
		struct wire_request reverse = { .template_id = WIRE_REVERSE,
			.reverse = { .deadline_ns = UINT64_MAX } };
		struct event_buffer event;
		struct event_record target;

		assert_int_equal(shards_code(shards, &open, 1), WIRE_CODE_OK);
		assert_int_equal(shards_code(shards, &deposit, 1), WIRE_CODE_OK);
		requests[shard] = deposit.request_id;
		target = shards_record(shards, shard, ledger_shard(shards->ledger[shard])->lsn);
		reverse.reverse.target_request_id = deposit.request_id;
		shards->asked.reverse_target = &target;
		assert_true(shards_request_on(shards, shard, &reverse, 1, &event) > 0);
		assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
		shards->asked.reverse_target = NULL;
	}
}

/*
 * As older logs have it, which do not tell the bucket of what was reversed: zeros at the end of a
 * body are not there.
 */
static int reversal_made_older(struct event_view *view, uint8_t *event)
{
	struct event_record *record = (struct event_record *)event;
	size_t length = le16_get(record->length);
	struct event_object object;

	for (size_t at = sizeof(*record); at + sizeof(object) <= length; at += 8) {
		size_t size = offsetof(struct object_reversal, bucket_plus_one);
		size_t end = at + sizeof(object) + size;

		memcpy(&object, event + at, sizeof(object));
		if (object.section.kind != SECTION_OBJECT || object.kind != OBJECT_REVERSAL ||
		    le16_get(object.section.size) !=
		        sizeof(object) + sizeof(struct object_reversal))
			continue;
		object.section.size = le16_make((uint16_t)(sizeof(object) + size));
		memcpy(event + at, &object, sizeof(object));
		memmove(event + end, event + end + 8, length - end - 8);
		record->length = le16_make((uint16_t)(length - 8));
		return 1;
	}
	(void)view;
	return 0;
}

/* Shards of a root that hold the reversal of the request. */
static unsigned reversals_count(const char *root, uint32_t count, uint64_t request_id)
{
	const struct object_key key = { .kind = OBJECT_REVERSAL, .words = { 1, request_id } };
	unsigned found = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct ledger *ledger = rows_of(root, i, count);

		found += ledger_object_by_key(ledger, &key) != NULL;
		ledger_free(ledger);
	}
	return found;
}

static uint16_t code_on(struct ledger *ledger, struct shards *shards, struct wire_request *wire,
    const struct event_record *target)
{
	struct ledger_request asked = { .wire = wire, .terminal_id = 1, .reverse_target = target };
	struct event_buffer event;

	wire->request_id = ++shards->request_id[1];
	assert_true(ledger_decide(ledger, &asked, shards->time_ns, &event) > 0);
	return fixture_code(&event);
}

/* Neither the request nor the partner's key of it can be had once more, where its account is now.
 */
static void reversed_check(
    struct shards *shards, const uint64_t requests[SHARDS], const char *root, uint32_t count)
{
	struct ids_bucket_map map;

	ids_bucket_map_default(&map, count);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		struct wire_request deposit = key_deposit(shards, shard);
		struct wire_request reverse = { .template_id = WIRE_REVERSE,
			.reverse = {
			    .target_request_id = requests[shard], .deadline_ns = UINT64_MAX } };
		uint64_t id = deposit.deposit.account_id;
		struct ledger *ledger = rows_of(root, map.shard[ids_bucket_of_key(id)], count);
		struct event_record target;
		uint64_t lsn = 0;

		do
			target = shards_record(shards, shard, ++lsn);
		while (le64_get(target.request_id) != requests[shard]);
		assert_int_equal(
		    code_on(ledger, shards, &reverse, &target), WIRE_CODE_REVERSED_BEFORE);
		assert_int_equal(
		    code_on(ledger, shards, &deposit, NULL), WIRE_CODE_REVERSED_BEFORE);
		ledger_free(ledger);
	}
}

/*
 * Where the target's account is, REVERSE is decided: a reversal that is elsewhere would let it be
 * taken back once more. One of an older log does not tell where that is: its target does, in the
 * log of one of the shards of before, and when that is gone too, every shard keeps the reversal.
 */
TEST(a_reversal_stays_with_its_target_over_re_shardings)
{
	static const struct {
		unsigned older, gone, held; /* held: shards that keep it after the second one */
	} cases[] = { { 0, 0, 1 }, { 1, 0, 1 }, { 1, 1, 3 } };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct shards *shards = shards_new(1);
		uint64_t requests[SHARDS];
		char top[64], one[96], three[96], two[96];

		deposits_reversed(shards, requests);
		root_make(top);
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			(void)root_shard_write(shards, shard, top, root_last(shards, shard), 1,
			    cases[i].older ? reversal_made_older : NULL);
		snprintf(one, sizeof(one), "%s/one", top);
		snprintf(three, sizeof(three), "%s/three", top);
		snprintf(two, sizeof(two), "%s/two", top);
		/* All logs are retired: rows are all that is left. */
		for (uint32_t shard = 0; shard < SHARDS && cases[i].gone; shard++)
			root_log_remove(top, shard, root_last(shards, shard), 1);
		must_run("reshard '%s' '%s' --shards 1", top, one);
		must_run("reshard '%s' '%s' --shards 3", one, three);
		reversed_check(shards, requests, three, 3);
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			assert_int_equal(reversals_count(three, 3, requests[shard]), cases[i].held);
		must_run("verify --root '%s'", three);
		/* What several shards hold becomes one again. */
		if (cases[i].gone) {
			must_run("reshard '%s' '%s' --shards 2", three, two);
			reversed_check(shards, requests, two, 2);
			must_run("verify --root '%s'", two);
		}
		root_remove(top);
		shards_free(shards);
	}
}

TEST(what_is_under_way_stands_against_it)
{
	struct shards *shards = shards_new(1);
	uint64_t from, to;
	struct wire_request wire = { .template_id = WIRE_TRANSFER };
	char top[64], said[1024];

	from = shards_id_on(shards, 0, 1, 0);
	to = shards_id_on(shards, 1, 1, 0);
	shards_account(shards, from, 10000, KRW);
	shards_account(shards, to, 10000, KRW);
	for (uint32_t shard = 2; shard < SHARDS; shard++)
		shards_account(shards, shards_id_on(shards, shard, 1, 0), 1, KRW);
	wire.transfer.from_account = from;
	wire.transfer.to_account = to;
	wire.transfer.amount = 300;
	wire.transfer.currency = KRW;
	wire.transfer.deadline_ns = UINT64_MAX;
	assert_int_equal(shards_code(shards, &wire, 1), WIRE_CODE_PENDING);
	root_make(top);
	root_write(shards, top);
	assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
	print_message("  %s", said);
	assert_non_null(strstr(said, "of 300 (currency 410) is under way from shard 0 to shard 1"));
	/* Nothing is left of the attempt, so that the next one begins anew. */
	assert_int_equal(say_run(said, "reshard '%s' '%s/new' --shards 2", top, top), 1);
	assert_non_null(strstr(said, "is under way"));
	assert_int_equal(say_run(said, "reshard '%s' '%s/new'", top, top), 2);
	root_remove(top);
	shards_free(shards);
}

TEST_MAIN()
