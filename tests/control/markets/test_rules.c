/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets.h"
#include "tests/control/temporary.h"

static const struct audit_entry who = {
	.user = "lee (risk)", .action = "rules set", .outcome = "done"
};

static int set(struct temporary *at, const char *setting, int dry_run, char *message)
{
	json_t *settings = json_pack("[s]", setting);
	struct rule_set rules;
	uint64_t sequence = 0;
	int error =
	    rules_set(at->database, settings, dry_run, &who, &sequence, &rules, message, 256);

	json_decref(settings);
	return error;
}

TEST(a_setting_changes_one_rule_under_a_new_version)
{
	struct rule_set before, rules;
	struct temporary at;
	char message[256];
	json_t *command = NULL;

	temporary_begin(&at);
	assert_int_equal(rules_get(at.database, &before), 0);
	assert_int_equal(before.rules.version, 1);
	assert_int_equal(set(&at, "stake_single_max=5000", 0, message), 0);
	assert_int_equal(set(&at, "points_odds=7", 0, message), 0);
	temporary_again(&at);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 3);
	assert_int_equal(rules.rules.stake_single_max, 5000);
	assert_int_equal(rules.rules.points_odds, 7);
	assert_int_equal(rules.rules.stake_daily_max, before.rules.stake_daily_max);
	assert_int_equal(commands_get(at.database, 2, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(
	                     json_object_get(command, "rules"), "stake_single_max")),
	    5000);
	assert_int_equal(json_object_size(json_object_get(command, "rules")), 30);
	json_decref(command);
	temporary_end(&at);
}

TEST(bad_settings_and_dry_runs_change_nothing)
{
	static const struct {
		const char *setting, *says;
	} cases[] = {
		{ "stake_single_max", "not KEY=VALUE" },
		{ "stake_max=5", "no rule \"stake_max\"" },
		{ "stake_single_max=", "stake_single_max: expected a whole number" },
		{ "stake_single_max=1.5", "expected a whole number" },
		{ "stake_single_max=99999999999999999999", "expected a whole number" },
		{ "stake_single_max=-1",
		    "stake_single_max: expected a whole number from 1 to 1000000000000 (minor "
		    "units), found -1" },
		{ "stake_single_max=0", "found 0" },
		{ "points_odds=256", "points_odds: expected a whole number from 0 to 100" },
		{ "points_odds=101", "found 101" },
		{ "currency.840.large_amount=1",
		    "currency.840.large_amount is of the factors of the states; set factors to 1" },
		{ "version=9", "no rule" },
	};
	struct rule_set rules;
	struct temporary at;
	char message[256];

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		assert_int_equal(set(&at, cases[i].setting, 0, message), -EINVAL);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].setting, message);
	}
	assert_int_equal(set(&at, "points_odds=7", 1, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 1);
	temporary_end(&at);
}

static int change(struct temporary *at, struct rules_change wanted, char *message)
{
	struct rule_set rules;
	uint64_t sequence = 0;

	message[0] = '\0';
	return rules_change(at->database, &wanted, 0, &who, &sequence, &rules, message, 256);
}

TEST(a_file_is_taken_whole)
{
	struct temporary at;
	struct rule_set rules, again;
	char message[256], *text;

	temporary_begin(&at);
	assert_int_equal(
	    change(&at,
	        (struct rules_change){ .file = "# ours\n large_amount : 700000 # won\r\n"
	                                       "\nalert_score: 101",
	            .note = "after the audit" },
	        message),
	    0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.large_amount, 700000);
	assert_int_equal(rules.rules.alert_score, 101);
	assert_int_equal(rules.rules.version, 2);
	/* What is written is read as the same. */
	text = rules_file_text(&rules);
	assert_int_equal(change(&at, (struct rules_change){ .file = text }, message), 0);
	free(text);
	assert_int_equal(rules_get(at.database, &again), 0);
	again.rules.version = rules.rules.version;
	assert_memory_equal(&rules, &again, sizeof(rules));
	temporary_end(&at);
}

TEST(a_wrong_file_changes_nothing_and_is_told_where)
{
	static const struct {
		const char *file, *says;
	} cases[] = {
		{ "points_odds: 7\n\nlarge_amont: 5\n",
		    "line 3: there is no rule \"large_amont\"" },
		{ "points_odds 7\n", "line 1: \"points_odds 7\" is not key: value" },
		{ "points_odds: \n", "line 1: points_odds: expected a whole number from 0 to 100" },
		{ "points_odds: 7%\n", "found \"7%\"" },
		{ "points_odds: 101\n", "line 1: points_odds: expected a whole number from 0 to "
		                        "100 (points), found 101" },
		{ "cancel_window_s: -1\n", "from 0 to 2592000 (s), found -1" },
		{ "currency: 99999999\n", "from 1 to 999" },
		{ "factors: 1\ncurrency.840.large_amount: -1\n",
		    "line 2: currency.840.large_amount: expected a whole number from 0 to "
		    "1000000000000000 (minor units; 0: none), found \"-1\"" },
		{ "factors: 1\ncurrency.840.large_amount: much\n", "found \"much\"" },
		{ "factors: 1\ncurrency.410.large_amount: 5\n",
		    "line 2: currency.410.large_amount: 410 is the rules' own currency; set "
		    "large_amount itself" },
		{ "factors: 1\ncurrency.840.large_amount: 5\ncurrency.840.large_amount: 5\n",
		    "line 3: currency.840.large_amount is named in line 2 already" },
		{ "factors: 1\ncurrency.840.large_amount: 5\ncurrency: 840\n",
		    "line 3: currency: 840 has amounts of its own (currency.840...)" },
		{ "factors: 1\nmodel_state: shadow\n",
		    "line 2: model_state: a model that is on needs its number" },
		{ "factors: 1\nmodel_state: 3\n",
		    "model_state: expected off, shadow or active, found \"3\"" },
		{ "factors: 1\nmodel_state: on\n",
		    "model_state: expected off, shadow or active, found \"on\"" },
		{ "points_odds: 1\nlarge_amount: 2\npoints_odds: 1\n",
		    "line 3: points_odds is named in line 1 already" },
		{ "points_odds: 99999999999999999999\n", "expected a whole number" },
	};
	struct temporary at;
	struct rule_set rules;
	char message[256];

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		assert_int_equal(
		    change(&at, (struct rules_change){ .file = cases[i].file }, message), -EINVAL);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", message, cases[i].says);
	}
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 1);
	temporary_end(&at);
}

TEST(alerts_begin_no_higher_than_refusals_unless_never)
{
	static const struct {
		const char *file;
		unsigned alert, refuse; /* 0: refused */
	} cases[] = {
		{ "alert_score: 81\n", 0, 0 },
		{ "refuse_score: 59\n", 0, 0 },
		{ "alert_score: 100\nrefuse_score: 99\n", 0, 0 },
		{ "alert_score: 80\n", 80, 80 },
		{ "alert_score: 90\nrefuse_score: 95\n", 90, 95 }, /* in any order */
		{ "refuse_score: 50\nalert_score: 40\n", 40, 50 },
		{ "alert_score: 101\n", 101, 50 },
		{ "refuse_score: 101\nalert_score: 60\n", 60, 101 },
	};
	struct temporary at;
	struct rule_set rules;
	char message[256];

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		int error = change(&at, (struct rules_change){ .file = cases[i].file }, message);

		assert_int_equal(error, cases[i].alert != 0 ? 0 : -EINVAL);
		if (error != 0)
			assert_non_null(strstr(message, "is above refuse_score"));
		assert_int_equal(rules_get(at.database, &rules), 0);
		if (error == 0) {
			assert_int_equal(rules.rules.alert_score, cases[i].alert);
			assert_int_equal(rules.rules.refuse_score, cases[i].refuse);
		}
	}
	temporary_end(&at);
}

TEST(scores_in_force_since_before_hold_up_no_other_change)
{
	struct rule_set before, now;
	char message[256] = "";

	rule_set_default(&before);
	before.rules.alert_score = 90;
	now = before;
	now.rules.large_amount = 5;
	assert_int_equal(rule_scores_check(&before, &now, message, sizeof(message)), 0);
	assert_int_equal(rule_scores_check(NULL, &now, message, sizeof(message)), -EINVAL);
	assert_string_equal(message,
	    "alert_score 90 is above refuse_score 80: bets between them would be refused without "
	    "an alert; set alert_score to 80 or less, or to 101 for no alerts at all");
	now.rules.refuse_score = 85;
	assert_int_equal(rule_scores_check(&before, &now, message, sizeof(message)), -EINVAL);
}

TEST(an_older_version_comes_back_as_a_new_one)
{
	struct temporary at;
	struct rule_set rules, first, second;
	json_t *versions, *diff, *newest;
	char message[256];

	temporary_begin(&at);
	assert_int_equal(set(&at, "points_odds=7", 0, message), 0);
	assert_int_equal(set(&at, "points_large=30", 0, message), 0);
	assert_int_equal(
	    change(&at, (struct rules_change){ .copy_version = 2, .note = "too mild" }, message),
	    0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 4);
	assert_int_equal(rules.rules.points_odds, 7);
	assert_int_equal(rules.rules.points_large, 40);
	assert_int_equal(change(&at, (struct rules_change){ .copy_version = 9 }, message), -ENOENT);
	versions = rules_versions(at.database, 10);
	assert_int_equal(json_array_size(versions), 4);
	newest = json_array_get(versions, 0);
	assert_int_equal(json_integer_value(json_object_get(newest, "version")), 4);
	assert_int_equal(json_integer_value(json_object_get(newest, "copied_from")), 2);
	assert_string_equal(json_string_value(json_object_get(newest, "note")), "too mild");
	assert_string_equal(json_string_value(json_object_get(newest, "set_by")), "lee (risk)");
	json_decref(versions);
	assert_int_equal(rules_get_version(at.database, 1, &first), 0);
	assert_int_equal(rules_get_version(at.database, 3, &second), 0);
	diff = rules_diff(&first, &second);
	assert_int_equal(json_array_size(diff), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(diff, 0), "from")), 40);
	json_decref(diff);
	temporary_end(&at);
}

static const char *state_at(struct temporary *at, uint32_t version)
{
	static char state[16];
	json_t *list = rules_versions(at->database, 100), *row;
	size_t index;

	json_array_foreach(list, index, row)
	{
		if (json_integer_value(json_object_get(row, "version")) == version)
			snprintf(state, sizeof(state), "%.15s",
			    json_string_value(json_object_get(row, "state")));
	}
	json_decref(list);
	return state;
}

TEST(what_is_stored_is_in_force_when_it_is_activated_and_not_before)
{
	struct temporary at;
	struct rule_set rules, stored;
	char message[256] = "";

	temporary_begin(&at);
	assert_int_equal(
	    change(&at, (struct rules_change){ .file = "points_odds: 7", .stage = 1 }, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 1);
	assert_string_equal(state_at(&at, 2), "stored");
	assert_string_equal(state_at(&at, 1), "in_force");
	/* A stored version has its number for good: the next change takes another. */
	assert_int_equal(
	    change(&at, (struct rules_change){ .file = "points_odds: 8" }, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 3);
	assert_int_equal(
	    change(&at, (struct rules_change){ .file = "points_odds: 9", .stage = 1 }, message), 0);
	assert_int_equal(rules_get_version(at.database, 4, &stored), 0);
	assert_int_equal(stored.rules.points_odds, 9);
	/* Newer than the one in force: as it is. */
	assert_int_equal(change(&at, (struct rules_change){ .activate_version = 4 }, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_memory_equal(&rules, &stored, sizeof(rules));
	assert_string_equal(state_at(&at, 4), "in_force");
	assert_string_equal(state_at(&at, 3), "past");
	assert_int_equal(
	    change(&at, (struct rules_change){ .activate_version = 4 }, message), -EALREADY);
	/* Older: shards take no version below theirs, so its content gets a new number. */
	assert_int_equal(change(&at, (struct rules_change){ .activate_version = 2 }, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 5);
	assert_int_equal(rules.rules.points_odds, 7);
	assert_string_equal(state_at(&at, 2), "stored");
	assert_int_equal(
	    change(&at, (struct rules_change){ .activate_version = 99 }, message), -ENOENT);
	temporary_end(&at);
}

TEST(factors_and_amounts_of_other_currencies_are_kept_shown_and_sent)
{
	struct temporary at;
	struct rule_set before, rules, again;
	char message[256] = "", *text;
	json_t *object, *diff;

	temporary_begin(&at);
	assert_int_equal(
	    change(&at, (struct rules_change){ .file = "late_s: 3" }, message), -EINVAL);
	assert_string_equal(
	    message, "line 1: late_s is of the factors of the states; set factors to 1 before it");
	assert_int_equal(
	    change(&at, (struct rules_change){ .file = "currency.840.payout_max: 3" }, message),
	    -EINVAL);
	assert_int_equal(set(&at, "late_s=3", 0, message), -EINVAL);
	assert_int_equal(rules_get(at.database, &before), 0);
	assert_int_equal(change(&at,
	                     (struct rules_change){ .file = "factors: 1\nlate_s: 7\n"
	                                                    "points_structuring: 35\n"
	                                                    "model_version: 4\nmodel_state: 1\n"
	                                                    "currency.840.large_amount: 900\n"
	                                                    "currency.392.payout_max: 5000\n"
	                                                    "currency.840.payout_max: 70000\n" },
	                     message),
	    0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.extra.present, 1);
	assert_int_equal(rules.extra.factors.late_s, 7);
	assert_int_equal(rules.extra.factors.points[RISK_STATE_STRUCTURING], 35);
	assert_int_equal(rules.extra.model_version, 4);
	assert_int_equal(rules.extra.currency_count, 2);
	assert_int_equal(rules.extra.currencies[0].currency, 392);
	assert_int_equal(rules.extra.currencies[1].large_amount, 900);
	assert_int_equal(rules.extra.currencies[1].payout_max, 70000);
	/* Its own file says the same. */
	text = rules_file_text(&rules);
	again = before;
	assert_int_equal(rules_file_apply(text, &again, message, sizeof(message)), 0);
	again.rules.version = rules.rules.version;
	assert_memory_equal(&rules, &again, sizeof(rules));
	free(text);
	object = rules_object(&rules);
	assert_int_equal(
	    json_integer_value(json_object_get(
	        json_object_get(json_object_get(object, "factors"), "points"), "structuring")),
	    35);
	assert_int_equal(json_array_size(json_object_get(object, "currencies")), 2);
	json_decref(object);
	diff = rules_diff(&before, &rules);
	assert_true(json_array_size(diff) > 30);
	json_decref(diff);
	/* A currency without amounts goes; so does everything with factors. */
	assert_int_equal(set(&at, "currency.392.payout_max=0", 0, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.extra.currency_count, 1);
	assert_int_equal(set(&at, "currency.410.payout_max=1", 0, message), -EINVAL);
	assert_int_equal(set(&at, "factors=0", 0, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_true(bytes_all_zero(&rules.extra, sizeof(rules.extra)));
	temporary_end(&at);
}

static int mend(
    void *context, struct db_txn *txn, uint64_t sequence, const json_t *command, const char *why)
{
	(void)context;
	(void)sequence;
	return rules_refused(txn, command, why, &who);
}

static void versions_expect(struct temporary *at, const char *states)
{
	json_t *list = rules_versions(at->database, 10), *row;
	char text[128] = "";
	size_t i;

	json_array_foreach(list, i, row) snprintf(text + strlen(text), sizeof(text) - strlen(text),
	    "%d %s ", (int)json_integer_value(json_object_get(row, "version")),
	    json_string_value(json_object_get(row, "state")));
	json_decref(list);
	assert_string_equal(text, states);
}

TEST(what_the_shards_refuse_is_not_in_force)
{
	const struct commands_refusal refusal = { .refused = mend };
	struct rule_set rules;
	struct temporary at;
	char message[256];
	json_t *list;

	temporary_begin(&at);
	commands_refusal_set(&refusal);
	assert_int_equal(set(&at, "points_odds=7", 0, message), 0);
	assert_int_equal(set(&at, "points_odds=9", 0, message), 0);
	assert_int_equal(commands_mark(at.database, 1, 1, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(commands_refuse(at.database, 2, "no such model\x01"), 0);
	/* A second time changes nothing, nor does it of one that is done. */
	assert_int_equal(commands_refuse(at.database, 2, "another"), 0);
	assert_int_equal(commands_refuse(at.database, 1, "another"), 0);
	temporary_again(&at);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 2);
	assert_int_equal(rules.rules.points_odds, 7);
	versions_expect(&at, "3 refused 2 in_force 1 past ");
	list = rules_versions(at.database, 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "refusal")),
	    "no such model?");
	json_decref(list);
	/* The next one is made of what is in force. */
	assert_int_equal(set(&at, "points_large=5", 0, message), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 4);
	assert_int_equal(rules.rules.points_odds, 7);
	/* What was refused can be tried again, and be refused again: 4 stays. */
	assert_int_equal(change(&at, (struct rules_change){ .activate_version = 3 }, message), 0);
	versions_expect(&at, "5 in_force 4 past 3 refused 2 past 1 past ");
	assert_int_equal(commands_refuse(at.database, 4, "again"), 0);
	versions_expect(&at, "5 refused 4 in_force 3 refused 2 past 1 past ");
	commands_refusal_set(NULL);
	temporary_end(&at);
}

TEST(rules_the_shards_never_got_are_found_by_their_version)
{
	struct rule_set rules;
	struct temporary at;
	char message[256];

	temporary_begin(&at);
	assert_int_equal(set(&at, "points_odds=7", 0, message), 0);
	assert_int_equal(set(&at, "points_odds=9", 0, message), 0);
	assert_int_equal(rules_lost(at.database, 2, 1, &who), -EALREADY);
	assert_int_equal(rules_lost(at.database, 3, 3, &who), -EINVAL);
	assert_int_equal(rules_lost(at.database, 3, 2, &who), 0);
	versions_expect(&at, "3 refused 2 in_force 1 past ");
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.points_odds, 7);
	temporary_end(&at);
}

TEST(a_new_installation_begins_with_the_factors_and_an_old_one_keeps_its_rules)
{
	struct temporary at;
	struct rule_set rules;
	uint64_t last = 0;
	char message[256];

	temporary_begin(&at);
	assert_int_equal(rules_first(at.database, &who), 0);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.rules.version, 2);
	assert_int_equal(rules.extra.present, 1);
	assert_int_equal(rules.extra.model_state, RISK_MODEL_OFF);
	assert_int_equal(rules_first(at.database, &who), -EALREADY);
	assert_int_equal(commands_last(at.database, &last), 0);
	assert_int_equal(last, 1);
	temporary_end(&at);
	temporary_begin(&at);
	assert_int_equal(set(&at, "points_odds=7", 0, message), 0);
	assert_int_equal(rules_first(at.database, &who), -EALREADY);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.extra.present, 0);
	temporary_end(&at);
}

TEST_MAIN()
