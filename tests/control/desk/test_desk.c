/* SPDX-License-Identifier: Apache-2.0 */
/* Adjustments by four eyes, and partners: rows, commands and audit entries of each step. */
#include "control/desk/desk.h"

#include <errno.h>
#include <string.h>

#include "control/commands/commands.h"
#include "tests/control/temporary.h"

static const struct audit_entry kim = {
	.uid = 1001, .user = "kim (operator)", .action = "account adjust", .outcome = "done"
};
static const struct audit_entry lee = {
	.uid = 1002, .user = "lee (operator)", .action = "adjustment approve", .outcome = "done"
};
static const struct adjustment correction = {
	.account_id = 7, .amount = -2500, .reason = 3, .currency = 410, .note = "paid twice"
};

static uint64_t commands(const struct temporary *at)
{
	uint64_t last = 0;

	assert_int_equal(commands_last(at->database, &last), 0);
	return last;
}

static uint64_t audited(const struct temporary *at)
{
	uint64_t count = 0;

	assert_int_equal(audit_count(at->database, &count), 0);
	return count;
}

static uint64_t propose(struct temporary *at)
{
	struct record_control_adjustment row;

	assert_int_equal(adjustments_propose(at->database, &correction, &kim, &row), 0);
	assert_int_equal(row.state, CONTROL_ADJUSTMENT_WAITING);
	return le64_get(row.number);
}

TEST(a_proposal_waits_and_sends_nothing)
{
	struct temporary at;
	uint64_t count, oldest_ns;

	temporary_begin(&at);
	assert_int_equal(propose(&at), 1);
	assert_int_equal(propose(&at), 2);
	assert_int_equal(commands(&at), 0);
	assert_int_equal(audited(&at), 2);
	assert_int_equal(adjustments_waiting(at.database, &count, &oldest_ns), 0);
	assert_int_equal(count, 2);
	assert_true(oldest_ns > 0);
	temporary_end(&at);
}

TEST(only_another_person_approves_and_once)
{
	struct record_control_adjustment row;
	struct temporary at;
	uint64_t sequence = 0, number;
	json_t *command = NULL;

	temporary_begin(&at);
	number = propose(&at);
	assert_int_equal(adjustments_approve(at.database, number, &kim, &sequence, &row), -EPERM);
	assert_int_equal(commands(&at), 0);
	temporary_again(&at);
	assert_int_equal(adjustments_approve(at.database, number, &lee, &sequence, &row), 0);
	assert_int_equal(row.state, CONTROL_ADJUSTMENT_APPROVED);
	assert_int_equal(le64_get(row.command), sequence);
	assert_string_equal((const char *)row.proposed_by, "kim (operator)");
	assert_string_equal((const char *)row.decided_by, "lee (operator)");
	assert_int_equal(commands_get(at.database, sequence, &command), 0);
	assert_string_equal(json_string_value(json_object_get(command, "type")), "adjust");
	assert_int_equal(json_integer_value(json_object_get(command, "amount")), -2500);
	assert_int_equal(json_integer_value(json_object_get(command, "account_id")), 7);
	json_decref(command);
	assert_int_equal(
	    adjustments_approve(at.database, number, &lee, &sequence, &row), -EALREADY);
	assert_int_equal(adjustments_reject(at.database, number, &lee, &row), -EALREADY);
	assert_int_equal(adjustments_approve(at.database, 99, &lee, &sequence, &row), -ENOENT);
	assert_int_equal(commands(&at), 1);
	temporary_end(&at);
}

TEST(anybody_rejects_and_the_list_tells_by_state)
{
	struct record_control_adjustment row;
	struct temporary at;
	json_t *list;

	temporary_begin(&at);
	(void)propose(&at);
	(void)propose(&at);
	assert_int_equal(adjustments_reject(at.database, 1, &kim, &row), 0);
	assert_int_equal(commands(&at), 0);
	list = adjustments_list(at.database, 0, 10, CONTROL_ADJUSTMENT_WAITING);
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(list, 0), "adjustment")), 2);
	json_decref(list);
	list = adjustments_list(at.database, 2, 10, (enum control_adjustment_state)0);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(list, 0), "state")), "rejected");
	json_decref(list);
	assert_int_equal(adjustment_state_parse("waiting"), CONTROL_ADJUSTMENT_WAITING);
	assert_int_equal(adjustment_state_parse("lost"), 0);
	temporary_end(&at);
}

TEST(a_dry_run_leaves_nothing)
{
	struct record_control_adjustment row;
	struct temporary at;

	temporary_begin(&at);
	database_dry_run(1);
	assert_int_equal(adjustments_propose(at.database, &correction, &kim, &row), 0);
	database_dry_run(0);
	assert_int_equal(adjustments_get(at.database, 1, &row), -ENOENT);
	assert_int_equal(audited(&at), 0);
	temporary_end(&at);
}

TEST(a_note_with_control_characters_is_refused)
{
	struct adjustment bad = correction;
	struct record_control_adjustment row;
	struct temporary at;

	temporary_begin(&at);
	bad.note = "two\nlines";
	assert_int_equal(adjustments_propose(at.database, &bad, &kim, &row), -EILSEQ);
	assert_int_equal(audited(&at), 0);
	temporary_end(&at);
}

TEST(a_partner_is_made_changed_and_left_alone)
{
	const struct partner_settings made = { "Games", 5000, 10, -1, -1 };
	const struct partner_settings blocked = { NULL, -1, -1, -1, 1 };
	const struct partner_settings dollars = { NULL, 7000, -1, 840, -1 };
	const struct partner_settings won = { NULL, -1, -1, 410, -1 };
	struct record_control_partner row;
	struct temporary at;
	uint64_t sequence = 0;
	json_t *command = NULL;

	temporary_begin(&at);
	assert_int_equal(partners_set(at.database, 5, &made, 410, &kim, &sequence, &row), 0);
	assert_int_equal(sequence, 1);
	assert_int_equal(le64_get(row.version), 1);
	assert_int_equal(le16_get(row.currency), 410);
	/* The same again: nothing to send, nothing to note. */
	assert_int_equal(partners_set(at.database, 5, &made, 410, &kim, &sequence, &row), 0);
	assert_int_equal(sequence, 0);
	assert_int_equal(commands(&at), 1);
	assert_int_equal(audited(&at), 1);
	/* Another currency is refused whole; the same one is nothing to do. */
	assert_int_equal(
	    partners_set(at.database, 5, &dollars, 410, &kim, &sequence, &row), -EPERM);
	assert_int_equal(commands(&at), 1);
	assert_int_equal(audited(&at), 1);
	assert_int_equal(partners_get(at.database, 5, &row), 0);
	assert_int_equal(le64s_get(row.exposure_max), 5000);
	assert_int_equal(partners_set(at.database, 5, &won, 410, &kim, &sequence, &row), 0);
	assert_int_equal(sequence, 0);
	assert_int_equal(partners_set(at.database, 5, &blocked, 410, &lee, &sequence, &row), 0);
	assert_int_equal(row.blocked, 1);
	assert_string_equal((const char *)row.name, "Games");
	assert_int_equal(commands_get(at.database, sequence, &command), 0);
	assert_true(json_is_true(json_object_get(command, "blocked")));
	assert_int_equal(json_integer_value(json_object_get(command, "exposure_max")), 5000);
	json_decref(command);
	temporary_end(&at);
}

TEST(a_limit_in_another_currency_than_the_rules_is_refused)
{
	const struct partner_settings limited = { "Games", 1000, -1, 840, -1 };
	const struct partner_settings free_of_it = { "Games", 0, -1, 840, -1 };
	const struct partner_settings limit = { NULL, 1000, -1, -1, -1 };
	const struct partner_settings blocked = { NULL, -1, -1, -1, 1 };
	struct record_control_partner row;
	struct temporary at;
	uint64_t sequence = 0;

	temporary_begin(&at);
	assert_int_equal(partners_set(at.database, 5, &limited, 410, &kim, &sequence, &row), -EDOM);
	assert_int_equal(partners_get(at.database, 5, &row), -ENOENT);
	assert_int_equal(partners_set(at.database, 5, &free_of_it, 410, &kim, &sequence, &row), 0);
	/* Not later either; the rest of it can change. */
	assert_int_equal(partners_set(at.database, 5, &limit, 410, &kim, &sequence, &row), -EDOM);
	assert_int_equal(commands(&at), 1);
	assert_int_equal(audited(&at), 1);
	assert_int_equal(partners_set(at.database, 5, &limit, 840, &kim, &sequence, &row), 0);
	/* The rules' currency changed since: it can still be blocked, and its limit taken away. */
	assert_int_equal(partners_set(at.database, 5, &blocked, 410, &kim, &sequence, &row), 0);
	assert_int_equal(partners_set(at.database, 5, &free_of_it, 410, &kim, &sequence, &row), 0);
	assert_int_equal(le64s_get(row.exposure_max), 0);
	temporary_end(&at);
}

TEST(partners_out_of_range_are_refused)
{
	static const struct partner_settings cases[] = {
		{ NULL, LIMIT_BALANCE_MAX + 1, -1, -1, -1 },
		{ NULL, -1, (int64_t)UINT32_MAX + 1, -1, -1 },
		{ NULL, -1, -1, 1000, -1 },
		{ NULL, -1, -1, 0, -1 },
	};
	struct record_control_partner row;
	struct temporary at;
	uint64_t sequence;

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i,
		    partners_set(at.database, 5, &cases[i], 410, &kim, &sequence, &row), -EINVAL);
	assert_int_equal(partners_get(at.database, 5, &row), -ENOENT);
	temporary_end(&at);
}

TEST_MAIN()
