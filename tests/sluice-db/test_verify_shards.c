/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sluice-db verify` over four shards of random streams of everything there is: it finds nothing
 * wrong with them, counts what is under way, and finds what a ledger that miscounts would have
 * written.
 */
#include "tests/ledger/shards_stream.h"
#include "tests/sluice-db/shards_root.h"

#define STEPS 4000

static struct shards *world_make(uint64_t seed, unsigned steps, int finish)
{
	struct shards *shards = shards_new(seed);
	struct shards_stream *stream = shards_stream_new(shards, 0);

	for (unsigned i = 0; i < steps; i++)
		shards_stream_step(stream);
	if (finish)
		shards_stream_finish(stream);
	shards_stream_free(stream);
	return shards;
}

static void root_write(const struct shards *shards, const char *root)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		(void)root_shard_write(
		    shards, shard, root, root_last(shards, shard), 2 + shard, NULL);
}

static const char *damage_text(json_t *answer)
{
	const char *text =
	    json_string_value(json_object_get(json_object_get(answer, "first_damage"), "what"));

	return text == NULL ? "" : text;
}

static int64_t number_of(json_t *answer, const char *key)
{
	return json_integer_value(json_object_get(answer, key));
}

static unsigned transfers_open(const struct shards *shards)
{
	unsigned count = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		for (uint32_t row = 0; ledger_transfer_open(shards->ledger[shard], &row) != 0;)
			count++;
	return count;
}

static uint64_t bets_open(const struct shards *shards)
{
	struct ledger_totals totals;
	uint64_t count = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		ledger_totals(shards->ledger[shard], &totals);
		count += totals.bets_open;
	}
	return count;
}

static void verify_good(const struct shards *shards, const char *root)
{
	char arguments[160];
	json_t *answer, *sum;
	const char *currency;
	uint64_t events = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		events += root_last(shards, shard);
	snprintf(arguments, sizeof(arguments), "verify --json --transit-max 4000000000 --root '%s'",
	    root);
	if (root_run(arguments, &answer) != 0)
		fail_msg("shard %lld, LSN %lld: %s",
		    (long long)number_of(json_object_get(answer, "first_damage"), "shard"),
		    (long long)number_of(json_object_get(answer, "first_damage"), "lsn"),
		    damage_text(answer));
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(number_of(answer, "events"), events);
	assert_int_equal(number_of(answer, "transit_open"), transfers_open(shards));
	assert_int_equal(number_of(answer, "bets_open"), bets_open(shards));
	json_object_foreach(json_object_get(answer, "balance_sum"), currency, sum)
	    assert_int_equal(json_integer_value(sum), 0);
	json_decref(answer);
}

TEST(all_shards_of_random_streams_are_ok)
{
	uint64_t seed = test_seed();

	for (unsigned round = 0; round < 3; round++) {
		struct shards *shards = world_make(seed + round, STEPS, round == 2);
		char root[64];

		root_make(root);
		root_write(shards, root);
		verify_good(shards, root);
		root_remove(root);
		shards_free(shards);
	}
}

/* Nothing may be under way for longer than the bound. */
TEST(a_transfer_that_nobody_answers_is_found)
{
	struct shards *shards = shards_new(1);
	uint64_t from, to;
	struct wire_request wire = { .template_id = WIRE_TRANSFER };
	char root[64], arguments[160];
	json_t *answer;

	from = shards_id_on(shards, 0, 1, 0);
	to = shards_id_on(shards, 1, 1, 0);
	shards_account(shards, from, 10000, KRW);
	shards_account(shards, to, 10000, KRW);
	wire.transfer.from_account = from;
	wire.transfer.to_account = to;
	wire.transfer.amount = 300;
	wire.transfer.currency = KRW;
	wire.transfer.deadline_ns = UINT64_MAX;
	assert_int_equal(shards_code(shards, &wire, 1), WIRE_CODE_PENDING);
	shards->time_ns += 120ull * 1000000000;
	shards_account(shards, shards_id_on(shards, 0, 1, 1), 1, KRW);
	root_make(root);
	root_write(shards, root);
	verify_good(shards, root);
	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", root);
	assert_int_equal(root_run(arguments, &answer), 1);
	assert_non_null(strstr(damage_text(answer), "open for 120 s, the bound is 60"));
	assert_int_equal(number_of(answer, "transit_open"), 1);
	json_decref(answer);
	root_remove(root);
	shards_free(shards);
}

/* ---- What a ledger that miscounts would write: it takes the events itself ---- */

static void record_put(uint8_t *event, const struct event_record *record)
{
	memcpy(event, record, sizeof(*record));
}

/* Raises the 64-bit amount at `offset` of the body of the first object of a kind and state. */
static int object_raise(struct event_view *view, uint8_t *event, unsigned kind, unsigned state,
    size_t offset, int64_t by)
{
	size_t at = sizeof(struct event_record) + view->body_size, length;
	struct event_section section;

	length = le16_get(view->record.length);
	for (; at < length; at += le16_get(section.size)) {
		struct event_object head;
		struct le64s amount;

		memcpy(&section, event + at, sizeof(section));
		if (section.kind != SECTION_OBJECT)
			continue;
		memcpy(&head, event + at, sizeof(head));
		if (head.kind != kind || head.state != state)
			continue;
		memcpy(&amount, event + at + sizeof(head) + offset, sizeof(amount));
		amount = le64s_make(le64s_get(amount) + by);
		memcpy(event + at + sizeof(head) + offset, &amount, sizeof(amount));
		return 1;
	}
	return 0;
}

static int payout_raise(struct event_view *view, uint8_t *event)
{
	struct event_bet_change change;

	memcpy(&change, view->body, sizeof(change));
	if (le16_get(view->record.type) != EVENT_BET_SETTLE || change.to != BET_SETTLED ||
	    le64_get(view->record.account_id) == 0)
		return 0;
	view->record.payout = le64s_make(le64s_get(view->record.payout) + 1);
	record_put(event, &view->record);
	return 1;
}

/* The customer gets one more, and the event says the right payout. */
static int winnings_raise(struct event_view *view, uint8_t *event)
{
	struct event_bet_change change;

	memcpy(&change, view->body, sizeof(change));
	if (le16_get(view->record.type) != EVENT_BET_SETTLE || change.to != BET_SETTLED ||
	    le64s_get(view->record.amount) <= 0)
		return 0;
	view->record.amount = le64s_make(le64s_get(view->record.amount) + 1);
	view->record.balance = le64s_make(le64s_get(view->record.balance) + 1);
	record_put(event, &view->record);
	return 1;
}

static int promise_raise(struct event_view *view, uint8_t *event)
{
	if (le16_get(view->record.type) != EVENT_PLACE_BET ||
	    le16_get(view->record.code) != WIRE_CODE_OK)
		return 0;
	view->record.payout = le64s_make(le64s_get(view->record.payout) + 1);
	record_put(event, &view->record);
	return 1;
}

static int ticket_lower(struct event_view *view, uint8_t *event)
{
	struct event_bet_change change;

	memcpy(&change, view->body, sizeof(change));
	if (le16_get(view->record.type) != EVENT_BET_SETTLE || change.to != BET_SETTLED ||
	    le64_get(view->record.account_id) != 0 || le64s_get(view->record.payout) == 0)
		return 0;
	view->record.payout = le64s_make(le64s_get(view->record.payout) - 1);
	record_put(event, &view->record);
	return 1;
}

static int withdrawal_raise(struct event_view *view, uint8_t *event)
{
	return object_raise(view, event, OBJECT_WITHDRAWAL, OBJECT_OPEN,
	    offsetof(struct object_withdrawal, amount), 1);
}

static int sprinkle_lower(struct event_view *view, uint8_t *event)
{
	return le16_get(view->record.type) == EVENT_CLAIM &&
	       le16_get(view->record.code) == WIRE_CODE_OK &&
	       object_raise(view, event, OBJECT_SPRINKLE, OBJECT_OPEN,
	           offsetof(struct object_sprinkle, total), 5) &&
	       object_raise(view, event, OBJECT_SPRINKLE, OBJECT_OPEN,
	           offsetof(struct object_sprinkle, remaining), 5);
}

static int round_raise(struct event_view *view, uint8_t *event)
{
	/* A rollback's is a tombstone, with which no money moves. */
	return le16_get(view->record.type) != EVENT_ROUND_ROLLBACK &&
	       object_raise(view, event, OBJECT_ROUND_TX, OBJECT_DONE,
	           offsetof(struct object_round_tx, amount), 1);
}

static int arrival_raise(struct event_view *view, uint8_t *event)
{
	return le16_get(view->record.type) == EVENT_TRANSFER_IN &&
	       object_raise(view, event, OBJECT_TRANSFER_IN, OBJECT_DONE,
	           offsetof(struct object_transfer_in, amount), 1);
}

static int departure_raise(struct event_view *view, uint8_t *event)
{
	return le16_get(view->record.type) == EVENT_TRANSFER_OUT &&
	       object_raise(view, event, OBJECT_TRANSFER, OBJECT_OPEN,
	           offsetof(struct object_transfer, amount), 1);
}

static int partner_change(struct event_view *view, uint8_t *event)
{
	size_t at = sizeof(struct event_record);
	struct event_object head;

	if (le16_get(view->record.type) != EVENT_ROUND_DEBIT || view->object_count < 2 ||
	    le32_get(view->objects[0].partner_id) == 0)
		return 0;
	memcpy(&head, event + at, sizeof(head));
	head.partner_id = le32_make(le32_get(head.partner_id) % STREAM_PARTNERS + 1);
	memcpy(event + at, &head, sizeof(head));
	return 1;
}

TEST(money_that_is_miscounted_is_found_at_its_event)
{
	static const struct {
		root_change *change;
		const char *says;
	} cases[] = {
		{ payout_raise, "which its results do not give" },
		{ ticket_lower, "which its results do not give" },
		{ winnings_raise, "HOUSE of currency" },
		{ promise_raise, "which is not its stake at its odds" },
		{ withdrawal_raise, "SUSPENSE of currency" },
		{ sprinkle_lower, "POTS of currency" },
		{ round_raise, " of currency" },
		{ arrival_raise, "TRANSIT of currency" },
		{ departure_raise, "TRANSIT of currency" },
		{ partner_change, "of partner" },
	};
	struct shards *shards = world_make(4711, STEPS, 0);
	char root[64];

	root_make(root);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t lsn = 0;
		uint32_t shard = 0;
		char arguments[160];
		json_t *answer;

		for (; shard < SHARDS && lsn == 0; shard++)
			lsn = root_shard_write(
			    shards, shard, root, root_last(shards, shard), 3, cases[i].change);
		if (lsn == 0)
			fail_msg("case %zu: no such event", i);
		shard--;
		snprintf(arguments, sizeof(arguments), "verify --json --shard %u --root '%s'",
		    shard, root);
		assert_case_equal(i, root_run(arguments, &answer), 1);
		print_message(
		    "  %zu: LSN %llu: %s\n", i, (unsigned long long)lsn, damage_text(answer));
		if (strstr(damage_text(answer), cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", damage_text(answer), cases[i].says);
		assert_case_equal(
		    i, number_of(json_object_get(answer, "first_damage"), "lsn"), lsn);
		json_decref(answer);
	}
	root_remove(root);
	shards_free(shards);
}

/* ---- Between shards ---- */

/* The last event before the first arrival whose answer reached its source. */
static uint64_t before_arrival(const struct shards *shards, uint32_t shard)
{
	for (uint64_t lsn = 1; lsn <= root_last(shards, shard); lsn++) {
		struct event_record record = shards_record(shards, shard, lsn);

		if (le16_get(record.type) == EVENT_TRANSFER_IN)
			return lsn - 1;
	}
	return 0;
}

TEST(a_shard_put_back_to_an_older_state_is_found)
{
	struct shards *shards = world_make(12, STEPS, 1);
	uint64_t last = before_arrival(shards, 2);
	char root[64], arguments[160];
	json_t *answer;

	assert_int_not_equal(last, 0);
	root_make(root);
	root_write(shards, root);
	verify_good(shards, root);
	(void)root_shard_write(shards, 2, root, last, 3, NULL);
	snprintf(arguments, sizeof(arguments), "verify --json --transit-max 4000000000 --root '%s'",
	    root);
	assert_int_equal(root_run(arguments, &answer), 1);
	if (strstr(damage_text(answer), "was closed and is not known to shard 2") == NULL &&
	    strstr(damage_text(answer), "arrived and never left shard 2") == NULL)
		fail_msg("%s", damage_text(answer));
	json_decref(answer);
	/* By itself it is whole. */
	snprintf(arguments, sizeof(arguments),
	    "verify --json --transit-max 4000000000 --shard 2 --root '%s'", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	json_decref(answer);
	root_remove(root);
	shards_free(shards);
}

/* ---- dump ---- */

TEST(every_type_of_event_is_shown)
{
	struct shards *shards = world_make(36, 3 * STEPS, 1);
	uint8_t shown[EVENT_TYPE_MAX + 1] = { 0 };
	char root[64], arguments[160];
	json_t *answer, *event;
	size_t i;

	root_make(root);
	root_write(shards, root);
	snprintf(arguments, sizeof(arguments), "dump --json --root '%s'", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	assert_true(json_is_true(json_object_get(answer, "complete")));
	json_array_foreach(json_object_get(answer, "events"), i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));
		json_t *posting;
		int64_t sum = 0;
		size_t k;

		for (unsigned t = 1; t <= EVENT_TYPE_MAX; t++)
			shown[t] |= strcasecmp(event_type_name(t), type) == 0;
		json_array_foreach(json_object_get(event, "postings"), k, posting) sum +=
		    number_of(posting, "amount");
		assert_int_equal(sum, 0);
	}
	for (unsigned t = 1; t <= EVENT_TYPE_MAX; t++)
		if (!shown[t])
			fail_msg("no %s", event_type_name(t));
	json_decref(answer);
	snprintf(arguments, sizeof(arguments), "dump --root '%s' >/dev/null", root);
	assert_int_equal(root_run(arguments, &answer), 0);
	root_remove(root);
	shards_free(shards);
}

TEST_MAIN()
