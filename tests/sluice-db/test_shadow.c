/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sluice-db shadow` over four shards of random streams: by the rules of then nothing changes, so
 * every request was made again as it was and met the state it met; by others exactly those requests
 * change that a count over the log names.
 */
#include <inttypes.h>

#include "tests/sluice-db/backup.h"

#define STEPS      6000
#define STAKE_MAX  300
#define SEED_FIRST 11
#define SEED_COUNT 3

static int64_t number_of(json_t *answer, const char *key)
{
	return json_integer_value(json_object_get(answer, key));
}

static int64_t code_of(json_t *answer, const char *side, const char *code)
{
	return number_of(json_object_get(json_object_get(answer, side), "codes"), code);
}

static void rules_write(const char *root, const char *text, char path[128])
{
	FILE *stream;

	snprintf(path, 128, "%s/rules", root);
	stream = fopen(path, "w");
	assert_non_null(stream);
	fputs(text, stream);
	fclose(stream);
}

static json_t *shadow_run(const char *root, uint64_t from_ns, const char *rules)
{
	char arguments[400], path[128];
	json_t *answer;

	if (rules != NULL)
		rules_write(root, rules, path);
	snprintf(arguments, sizeof(arguments),
	    "shadow --json --root '%s' --from-time %" PRIu64 "%s%s", root, from_ns,
	    rules != NULL ? " --rules " : "", rules != NULL ? path : "");
	assert_int_equal(root_run(arguments, &answer), 0);
	assert_non_null(answer);
	return answer;
}

/* Accepted bets in the rules' currency with a higher stake, not before from_ns. */
static int64_t high_stakes(const struct shards *shards, uint64_t from_ns)
{
	int64_t count = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		const struct shard_log *log = &shards->log[shard];

		for (uint64_t lsn = 1; lsn <= root_last(shards, shard); lsn++) {
			struct event_view view;
			int64_t stake;

			assert_int_equal(event_view_read(log->bytes + log->at[lsn - 1],
			                     log->size - log->at[lsn - 1], &view),
			    0);
			if (le16_get(view.record.type) != EVENT_PLACE_BET ||
			    le16_get(view.record.code) != WIRE_CODE_OK ||
			    le16_get(view.record.currency) != KRW ||
			    le64_get(view.record.time_ns) < from_ns)
				continue;
			stake = le64_get(view.record.account_id) != 0
			            ? -le64s_get(view.record.amount)
			            : -view.lines[0].amount;
			count += stake > STAKE_MAX;
		}
	}
	return count;
}

static uint64_t time_of_middle(const struct shards *shards)
{
	uint64_t last = root_last(shards, 0);

	return le64_get(shards_record(shards, 0, last / 2).time_ns);
}

static void root_write(const struct shards *shards, const char *root, unsigned every)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		(void)root_shard_write(shards, shard, root, root_last(shards, shard), every, NULL);
}

static void check_same(json_t *answer)
{
	static const char *const changes[] = { "newly_refused", "newly_accepted", "other_refusal",
		"alert_new", "alert_gone" };

	if (json_array_size(json_object_get(answer, "examples")) > 0) {
		char *text = json_dumps(
		    json_array_get(json_object_get(answer, "examples"), 0), JSON_COMPACT);

		fail_msg("%s", text);
	}
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(changes); i++)
		assert_int_equal(number_of(answer, changes[i]), 0);
	assert_int_equal(number_of(answer, "undecided"), 0);
	assert_true(
	    json_equal(json_object_get(answer, "before"), json_object_get(answer, "after")));
}

TEST(the_rules_of_then_change_nothing_and_others_what_they_must)
{
	char root[64];

	root_make(root);
	for (uint64_t seed = SEED_FIRST; seed < SEED_FIRST + SEED_COUNT; seed++) {
		struct shards *shards = stream_make(seed, STEPS);
		uint64_t middle = time_of_middle(shards);
		json_t *answer;

		print_message("seed %" PRIu64 "\n", seed);
		root_write(shards, root, 1000);
		answer = shadow_run(root, 0, NULL);
		check_same(answer);
		assert_true(number_of(answer, "requests") > 500);
		json_decref(answer);

		answer = shadow_run(root, middle, "stake_single_max: 300 # lower\n");
		assert_int_equal(number_of(answer, "newly_refused"), high_stakes(shards, middle));
		assert_true(number_of(answer, "newly_refused") > 0);
		assert_int_equal(code_of(answer, "after", "LIMIT_SINGLE_STAKE") -
		                     code_of(answer, "before", "LIMIT_SINGLE_STAKE"),
		    number_of(answer, "newly_refused") + number_of(answer, "other_refusal"));
		json_decref(answer);

		/* Exposure of all shards together, when its limits are others than those of then.
		 */
		answer =
		    shadow_run(root, middle, "exposure_selection_max: 1\nexposure_market_max: 1\n");
		assert_int_equal(
		    code_of(answer, "after", "OK") + code_of(answer, "after", "PENDING"),
		    number_of(json_object_get(answer, "after"), "accepted"));
		assert_true(code_of(answer, "after", "EXPOSURE_SELECTION") >
		            code_of(answer, "before", "EXPOSURE_SELECTION"));
		json_decref(answer);

		/* What was refused for exposure is accepted without. */
		answer = shadow_run(root, 0, "exposure_selection_max: 0\nexposure_market_max: 0\n");
		assert_int_equal(code_of(answer, "after", "EXPOSURE_SELECTION"), 0);
		assert_int_equal(number_of(answer, "newly_refused"), 0);
		assert_true(number_of(answer, "newly_accepted") > 0);
		json_decref(answer);
		shards_free(shards);
	}
	root_remove(root);
}

TEST(the_range_may_begin_behind_the_rows)
{
	struct shards *shards = stream_make(5, STEPS);
	uint64_t last = 0;
	char root[64], said[1024], path[128];
	json_t *answer;

	root_make(root);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		struct event_record record = shards_record(shards, shard, root_last(shards, shard));

		if (le64_get(record.time_ns) > last)
			last = le64_get(record.time_ns);
	}
	root_write(shards, root, 2);
	answer = shadow_run(root, last - HOUR, NULL);
	check_same(answer);
	assert_true(number_of(answer, "range_events") > 0);
	assert_true(number_of(answer, "range_events") < number_of(answer, "events"));
	json_decref(answer);
	answer = shadow_run(root, last + 1, "stake_single_max: 1\n");
	assert_int_equal(number_of(answer, "range_events"), 0);
	json_decref(answer);

	rules_write(root, "stake_single_max: 0\n", path);
	assert_int_equal(
	    say_run(said, "shadow --root '%s' --from-time 0 --rules '%s'", root, path), 2);
	assert_non_null(strstr(said, "line 1: stake_single_max: expected 1 to"));
	assert_int_equal(say_run(said, "shadow --root '%s'", root), 2);
	assert_int_equal(say_run(said, "shadow --root '%s/none' --from-time 0", root), 3);
	root_remove(root);
	shards_free(shards);
}

TEST_MAIN()
