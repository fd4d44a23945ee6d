/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
	struct risk_rules rules;
	uint64_t sequence = 0;
	int error =
	    rules_set(at->database, settings, dry_run, &who, &sequence, &rules, message, 256);

	json_decref(settings);
	return error;
}

TEST(a_setting_changes_one_rule_under_a_new_version)
{
	struct risk_rules before, rules;
	struct temporary at;
	char message[256];
	json_t *command = NULL;

	temporary_begin(&at);
	assert_int_equal(rules_get(at.database, &before), 0);
	assert_int_equal(before.version, 1);
	assert_int_equal(set(&at, "stake_single_max=5000", 0, message), 0);
	assert_int_equal(set(&at, "points_odds=7", 0, message), 0);
	temporary_again(&at);
	assert_int_equal(rules_get(at.database, &rules), 0);
	assert_int_equal(rules.version, 3);
	assert_int_equal(rules.stake_single_max, 5000);
	assert_int_equal(rules.points_odds, 7);
	assert_int_equal(rules.stake_daily_max, before.stake_daily_max);
	assert_int_equal(commands_get(at.database, 2, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(
	                     json_object_get(command, "rules"), "stake_single_max")),
	    5000);
	assert_int_equal(json_object_size(json_object_get(command, "rules")), 29);
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
		{ "stake_single_max=", "not a whole number" },
		{ "stake_single_max=1.5", "not a whole number" },
		{ "stake_single_max=99999999999999999999", "not a whole number" },
		{ "stake_single_max=-1", "out of range" },
		{ "stake_single_max=0", "stake_single_max is out of range" },
		{ "points_odds=256", "out of range" },
		{ "points_odds=101", "points_odds is out of range" },
		{ "version=9", "no rule" },
	};
	struct risk_rules rules;
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
	assert_int_equal(rules.version, 1);
	temporary_end(&at);
}

TEST_MAIN()
