/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sluice-db shadow` over four shards of random streams: by the rules of then nothing changes, so
 * every request was made again as it was and met the state it met; by others exactly those requests
 * change that a count over the log names.
 */
#include <inttypes.h>

#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_model_file.h"
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

static json_t *shadow_run_with(
    const char *root, uint64_t from_ns, const char *rules, const char *more)
{
	char arguments[400], path[128];
	json_t *answer;

	if (rules != NULL)
		rules_write(root, rules, path);
	snprintf(arguments, sizeof(arguments),
	    "shadow --json --root '%s' --from-time %" PRIu64 "%s%s%s", root, from_ns,
	    rules != NULL ? " --rules " : "", rules != NULL ? path : "", more);
	assert_int_equal(root_run(arguments, &answer), 0);
	assert_non_null(answer);
	return answer;
}

static json_t *shadow_run(const char *root, uint64_t from_ns, const char *rules)
{
	return shadow_run_with(root, from_ns, rules, "");
}

/* Changes to a code: rules that the stream sets later, and others do not have, make more. */
static int64_t examples_of(json_t *answer, const char *change, const char *after)
{
	int64_t count = 0;
	json_t *example;
	size_t i;

	json_array_foreach(json_object_get(answer, "examples"), i, example) count +=
	    strcmp(text_of(example, "change"), change) == 0 &&
	    strcmp(text_of(example, "after"), after) == 0;
	return count;
}

/* A game round's debit is one; a win that is reversed has the same type. */
static int is_stake(const struct event_record *record)
{
	uint16_t type = le16_get(record->type);

	return type == EVENT_PLACE_BET ||
	       (type == EVENT_ROUND_DEBIT && (record->flags & EVENT_FLAG_REVERSAL) == 0);
}

/* Accepted stakes in the rules' currency that are higher, not before from_ns. */
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
			if (!is_stake(&view.record) || le16_get(view.record.code) != WIRE_CODE_OK ||
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
	const char *name;
	json_t *value;

	if (json_array_size(json_object_get(answer, "examples")) > 0) {
		char *text = json_dumps(
		    json_array_get(json_object_get(answer, "examples"), 0), JSON_COMPACT);

		fail_msg("%s", text);
	}
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(changes); i++)
		assert_int_equal(number_of(answer, changes[i]), 0);
	/* Every factor has its name. */
	json_object_foreach(json_object_get(json_object_get(answer, "before"), "factors"), name,
	    value) assert_null(strstr(name, "BIT_"));
	assert_int_equal(number_of(answer, "undecided"), 0);
	assert_true(
	    json_equal(json_object_get(answer, "before"), json_object_get(answer, "after")));
}

/* One of the notes says so; NULL: no note at all but those about factors. */
static void check_note(json_t *answer, const char *says)
{
	json_t *notes = json_object_get(answer, "notes"), *note;
	size_t index;
	int found = 0;

	assert_true(json_is_array(notes));
	json_array_foreach(notes, index, note)
	{
		const char *text = json_string_value(note);

		if (says != NULL)
			found |= strstr(text, says) != NULL;
		else if (strstr(text, "factors") == NULL)
			fail_msg("%s", text);
	}
	if (says != NULL && !found)
		fail_msg("no note says \"%s\"", says);
}

TEST(factors_that_are_off_are_told)
{
	struct shards *shards = stream_make(7, 600);
	char root[64];
	json_t *answer;

	root_make(root);
	root_write(shards, root, 1000);
	answer = shadow_run(root, 0, "factors: 0\n");
	check_note(answer, "these rules have the factors of the states off (factors: 0");
	json_decref(answer);
	answer = shadow_run(root, 0, "factors: 1\n");
	check_note(answer, "the rules of then had the factors of the states off");
	json_decref(answer);
	/* The rules of then are what they were: nothing is to be said of a file. */
	answer = shadow_run(root, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "notes")), 0);
	json_decref(answer);
	root_remove(root);
	shards_free(shards);
}

TEST(the_rules_of_then_change_nothing_and_others_what_they_must)
{
	char root[64];

	root_make(root);
	for (uint64_t seed = SEED_FIRST; seed < SEED_FIRST + SEED_COUNT; seed++) {
		struct shards *shards = stream_make(seed, STEPS);
		uint64_t middle = time_of_middle(shards);
		int64_t refused;
		json_t *answer;

		print_message("seed %" PRIu64 "\n", seed);
		root_write(shards, root, 1000);
		answer = shadow_run(root, 0, NULL);
		check_same(answer);
		assert_true(number_of(answer, "requests") > 500);
		json_decref(answer);

		answer = shadow_run_with(
		    root, middle, "stake_single_max: 300 # lower\n", " --examples 1000");
		refused = examples_of(answer, "newly_refused", "LIMIT_SINGLE_STAKE");
		assert_int_equal(refused, high_stakes(shards, middle));
		assert_true(refused > 0);
		assert_int_equal(code_of(answer, "after", "LIMIT_SINGLE_STAKE") -
		                     code_of(answer, "before", "LIMIT_SINGLE_STAKE"),
		    refused + examples_of(answer, "other_refusal", "LIMIT_SINGLE_STAKE"));
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

#define BURST_LIMIT 1000

static struct wire_request bet_of(uint64_t account, int64_t stake)
{
	return (struct wire_request){ .template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account,
		    .stake = stake,
		    .deadline_ns = UINT64_MAX,
		    .currency = KRW,
		    .leg_count = 1,
		    .odds_policy = ODDS_SAME_OR_BETTER,
		    .legs = { { .market_id = 1, .selection = 0, .odds = 2000 } } } };
}

/* At its shard, with what home has counted, or as home refused it; the code it must have. */
static void outcome_make(struct shards *shards, struct wire_request *wire, int64_t counted,
    uint16_t refuse_code, uint16_t code)
{
	shards->asked.terminal_staked_today = counted;
	shards->asked.refuse_code = refuse_code;
	assert_int_equal(shards_code(shards, wire, 1), code);
	shards->asked.terminal_staked_today = 0;
	shards->asked.refuse_code = 0;
}

/*
 * What a terminal sends at once, home counts at once, whatever becomes of it: 600 and 600 are one
 * too many of 1,000, and the refused one still stands against the next 300. Of a group that is
 * refused, the one at fault met what those before it had done, which then was undone.
 */
static void burst_make(struct shards *shards)
{
	struct ledger_command market = { .type = EVENT_MARKET_SET,
		.market_id = 1,
		.market = { .event_id = le64_make(1),
		    .version = le64_make(1),
		    .start_time_ns = le64_make(NOW + HOUR),
		    .state = MARKET_OPEN,
		    .kind = MARKET_KIND_1X2,
		    .selection_count = 3,
		    .odds = { le32_make(2000), le32_make(3000), le32_make(3000) } } };
	struct ledger_command rules = { .type = EVENT_RULES_SET };
	uint64_t near = shards_id_on(shards, 0, 1, 0), far = shards_id_on(shards, 1, 1, 0);
	struct wire_request wire;

	rules.rules = ledger_shard(shards->ledger[0])->rules;
	rules.rules.version++;
	rules.rules.terminal_daily_max = BURST_LIMIT;
	rules.rules.large_amount = 300;
	rules.rules.points_large = rules.rules.alert_score;
	assert_true(shards_command(shards, &rules) > 0);
	assert_true(shards_command(shards, &market) > 0);
	shards_account(shards, near, 1000, KRW);
	shards_account(shards, far, 1000, KRW);
	for (uint32_t shard = 2; shard < SHARDS; shard++)
		shards_account(shards, shards_id_on(shards, shard, 1, 0), 1, KRW);

	wire = bet_of(near, 600);
	outcome_make(shards, &wire, 0, 0, WIRE_CODE_OK);
	wire = bet_of(far, 600);
	outcome_make(shards, &wire, 600, 0, WIRE_CODE_LIMIT_TERMINAL_DAILY);
	wire = bet_of(far, 300);
	outcome_make(shards, &wire, 1200, 0, WIRE_CODE_LIMIT_TERMINAL_DAILY);
	wire = bet_of(far, 300);
	outcome_make(shards, &wire, 600, 0, WIRE_CODE_OK);

	for (unsigned fault = 0; fault < 2; fault++) {
		uint16_t codes[2] = { WIRE_CODE_LINKED_NOT_DONE, WIRE_CODE_LINKED_NOT_DONE };

		shards->time_ns += SECOND;
		codes[fault] = WIRE_CODE_FUNDS_INSUFFICIENT;
		for (unsigned i = 0; i < 2; i++) {
			wire = bet_of(far, 50);
			outcome_make(shards, &wire, 900, codes[i], codes[i]);
		}
	}
}

TEST(bursts_limits_of_terminals_and_refused_groups_change_nothing)
{
	struct shards *shards = shards_new(1);
	char root[64];
	json_t *answer;

	burst_make(shards);
	root_make(root);
	root_write(shards, root, 1000);
	answer = shadow_run(root, 0, NULL);
	check_same(answer);
	/* Of the refused ones only what home had on its way can say why; the rest stands in rows.
	 */
	assert_int_equal(number_of(answer, "home_counts"), 1);
	assert_int_equal(code_of(answer, "before", "LIMIT_TERMINAL_DAILY"), 2);
	assert_int_equal(code_of(answer, "before", "FUNDS_INSUFFICIENT"), 0);
	assert_int_equal(number_of(answer, "requests"), 4);
	json_decref(answer);
	/* A higher limit: what had been one too many of the old one is within it. */
	answer = shadow_run(root, 0, "terminal_daily_max: 10000\n");
	assert_int_equal(number_of(answer, "newly_accepted"), 2);
	json_decref(answer);
	root_remove(root);
	shards_free(shards);
}

/* As older programs left what a hard limit refused: without score and factors. How many had some.
 */
static unsigned limits_unscore(struct shards *shards)
{
	unsigned count = 0;

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		for (uint64_t lsn = 1; lsn <= root_last(shards, shard); lsn++) {
			uint8_t *at = shards->log[shard].bytes + shards->log[shard].at[lsn - 1];
			struct event_record record;

			memcpy(&record, at, sizeof(record));
			if (le16_get(record.code) != WIRE_CODE_LIMIT_TERMINAL_DAILY)
				continue;
			count += record.score > 0 && le32_get(record.factor_bits) != 0;
			record.score = 0;
			record.factor_bits = le32_make(0);
			memcpy(at, &record, sizeof(record));
		}
	return count;
}

TEST(refusals_that_older_programs_did_not_score_change_nothing)
{
	struct shards *shards = shards_new(1);
	int64_t alerts;
	char root[64];
	json_t *answer;

	burst_make(shards);
	root_make(root);
	root_write(shards, root, 1000);
	answer = shadow_run(root, 0, NULL);
	check_same(answer);
	alerts = number_of(json_object_get(answer, "before"), "alerts");
	json_decref(answer);
	root_remove(root);

	root_make(root);
	assert_int_equal(limits_unscore(shards), 2);
	root_write(shards, root, 1000);
	answer = shadow_run(root, 0, NULL);
	check_same(answer);
	assert_int_equal(number_of(json_object_get(answer, "before"), "alerts"), alerts - 2);
	json_decref(answer);
	/* Other rules that let one through are told with what they give it. */
	answer = shadow_run(root, 0, "terminal_daily_max: 10000\n");
	assert_int_equal(number_of(answer, "newly_accepted"), 2);
	json_decref(answer);
	root_remove(root);
	shards_free(shards);
}

/* A model of one tree that gives 100 points to everybody, as a file below the root. */
static void model_write(const char *root, uint32_t version)
{
	struct risk_model *model = calloc(1, risk_model_size(1, 1));
	uint8_t bytes[256];
	char path[200];
	FILE *stream;

	assert_non_null(model);
	*model = (struct risk_model){ .tree_count = 1,
		.depth = 1,
		.feature_count = RISK_FEATURE_COUNT,
		.features_version = RISK_FEATURES_VERSION,
		.margin_zero = 10,
		.margin_alert = 20 };
	risk_model_leaves(model)[0] = risk_model_leaves(model)[1] = 1000;
	snprintf(path, sizeof(path), "mkdir -p %s/var/lib/sluice/models", root);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/models/%u", root, version);
	stream = fopen(path, "wb");
	assert_non_null(stream);
	assert_true(risk_model_file_size(1, 1) <= sizeof(bytes));
	risk_model_file_make(model, version, bytes);
	assert_int_equal(
	    fwrite(bytes, 1, risk_model_file_size(1, 1), stream), risk_model_file_size(1, 1));
	fclose(stream);
	free(model);
}

static int64_t model_of(json_t *answer, const char *key)
{
	return number_of(json_object_get(answer, "model"), key);
}

TEST(a_model_is_asked_and_changes_only_what_rules_let_it)
{
	struct shards *shards = stream_make(7, STEPS);
	json_t *without, *shadow, *active, *missing;
	int64_t asked, refused, scores;
	char root[64];

	root_make(root);
	root_write(shards, root, 1000);
	model_write(root, 3);
	without = shadow_run(root, 0, "factors: 1\n");
	assert_int_equal(model_of(without, "asked"), 0);
	shadow = shadow_run_with(root, 0, "factors: 1\npoints_model_max: 100\n", " --model 3");
	asked = model_of(shadow, "asked");
	assert_true(asked > 500);
	assert_int_equal(model_of(shadow, "with_points"), asked);
	/* Of those asked about some are refused by a limit, whatever their score is. */
	refused = model_of(shadow, "refused_if_active");
	assert_true(refused > 0 && refused < asked);
	assert_true(
	    json_equal(json_object_get(shadow, "after"), json_object_get(without, "after")));

	active = shadow_run(
	    root, 0, "factors: 1\nmodel_version: 3\nmodel_state: 2\npoints_model_max: 100\n");
	assert_int_equal(model_of(active, "asked"), asked);
	scores = code_of(active, "after", "RISK_SCORE");
	assert_int_equal(scores, refused);
	assert_int_equal(number_of(json_object_get(active, "after"), "accepted"), 0);
	/* A limit's refusal that was one, and had no score, has none in the comparison. */
	scores = number_of(json_object_get(json_object_get(active, "after"), "factors"), "MODEL");
	assert_in_range(scores, refused, asked);

	missing = shadow_run(root, 0, "factors: 1\nmodel_version: 9\nmodel_state: 2\n");
	assert_int_equal(model_of(missing, "asked"), 0);
	assert_true(model_of(missing, "missing") >= asked);
	assert_true(
	    json_equal(json_object_get(missing, "after"), json_object_get(without, "after")));
	json_decref(without);
	json_decref(shadow);
	json_decref(active);
	json_decref(missing);
	root_remove(root);
	shards_free(shards);
}

/* The switch could not read the file of the model its rules named; here it is again. */
TEST(what_was_decided_without_its_model_is_decided_anew_without_it)
{
	struct shards *shards = shards_new(1);
	uint64_t account = shards_id_on(shards, 0, 1, 0);
	struct ledger_command rules = { .type = EVENT_RULES_SET };
	struct wire_request wire = { .template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = account,
		    .amount = 100,
		    .currency = KRW,
		    .deadline_ns = UINT64_MAX } };
	char root[64];
	json_t *answer;

	rules.rules = ledger_shard(shards->ledger[0])->rules;
	rules.rules.version++;
	risk_rules_extra_default(&rules.extra);
	rules.extra.model_version = 3;
	rules.extra.model_state = RISK_MODEL_ACTIVE;
	rules.extra.points_model_max = 100;
	assert_true(shards_command(shards, &rules) > 0);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shards_account(shards, shards_id_on(shards, shard, 1, 0), 1000, KRW);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(shards_code(shards, &wire, 1), WIRE_CODE_OK);
	root_make(root);
	root_write(shards, root, 1000);
	model_write(root, 3);
	answer = shadow_run(root, 0, NULL);
	check_same(answer);
	assert_int_equal(model_of(answer, "asked"), 0);
	assert_int_equal(model_of(answer, "missing"), 3);
	json_decref(answer);
	/* Asked for by name it is asked. */
	answer = shadow_run_with(root, 0, NULL, " --model 3");
	assert_int_equal(model_of(answer, "asked"), 3);
	json_decref(answer);
	root_remove(root);
	shards_free(shards);
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
	check_note(answer, NULL);
	json_decref(answer);
	answer = shadow_run(root, last + 1, "stake_single_max: 1\n");
	assert_int_equal(number_of(answer, "range_events"), 0);
	/* Where events are is said, by the log's own times. */
	assert_int_equal(number_of(json_object_get(answer, "logs"), "to_ns"), (int64_t)last);
	check_note(answer, "there is no event in the range asked for; the logs hold events from ");
	json_decref(answer);
	assert_int_equal(
	    say_run(said, "shadow --root '%s' --from-time %" PRIu64, root, last + 1), 0);
	assert_non_null(strstr(said, "Note: there is no event in the range asked for"));

	rules_write(root, "stake_single_max: 0\n", path);
	assert_int_equal(
	    say_run(said, "shadow --root '%s' --from-time 0 --rules '%s'", root, path), 2);
	assert_non_null(
	    strstr(said, "line 1: stake_single_max: expected a whole number from 1 to"));
	assert_int_equal(say_run(said, "shadow --root '%s'", root), 2);
	assert_int_equal(say_run(said, "shadow --root '%s/none' --from-time 0", root), 3);
	root_remove(root);
	shards_free(shards);
}

TEST_MAIN()
