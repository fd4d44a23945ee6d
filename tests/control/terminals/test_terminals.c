/* SPDX-License-Identifier: Apache-2.0 */
#include "control/terminals/terminals.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control/commands/commands.h"
#include "tests/control/temporary.h"
#include "wire/keying/keying.h"

static const struct audit_entry who = {
	.uid = 7,
	.user = "kim (operator)",
	.action = "terminal enroll",
	.outcome = "done",
};
static const struct terminal_settings keep = { NULL, NULL, -1, -1, -1, -1 };

static struct terminal_certificate certificate(uint8_t mark)
{
	struct terminal_certificate made = { .not_before_s = 1, .not_after_s = 2000000000 };

	memset(made.sha256, mark, sizeof(made.sha256));
	made.serial[0] = mark;
	return made;
}

static struct terminal_change enroll(struct temporary *at, uint64_t terminal_id, uint8_t mark)
{
	struct terminal_certificate made = certificate(mark);
	struct terminal_change change;

	assert_int_equal(
	    terminals_enroll(at->database, terminal_id, &keep, &made, &who, &change), 0);
	return change;
}

static int admit(struct temporary *at, uint64_t terminal_id, uint8_t mark)
{
	struct terminal_certificate made = certificate(mark);
	struct record_control_terminal row;

	return terminals_admit(at->database, terminal_id, made.sha256, &row);
}

static void state_set(struct temporary *at, uint64_t terminal_id, enum control_terminal_state state)
{
	struct terminal_change change;

	assert_int_equal(terminals_state_set(at->database, terminal_id, state, &who, &change), 0);
}

/* Certificate `presented` asks for `mark`. */
static int renew(struct temporary *at, uint64_t terminal_id, uint8_t presented, uint8_t mark)
{
	struct terminal_certificate old = certificate(presented), made = certificate(mark);

	return terminals_renew(at->database, terminal_id, old.sha256, &made, &who);
}

TEST(only_an_enrolled_terminal_with_its_own_certificate_is_admitted)
{
	struct temporary at;

	temporary_begin(&at);
	assert_int_equal(admit(&at, 7, 1), KEYING_REFUSAL_TERMINAL_UNKNOWN);
	assert_int_equal(enroll(&at, 7, 1).sequence, 1);
	enroll(&at, 8, 2);
	temporary_again(&at);
	assert_int_equal(admit(&at, 7, 1), 0);
	assert_int_equal(admit(&at, 7, 2), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(admit(&at, 7, 3), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(admit(&at, 9, 1), KEYING_REFUSAL_TERMINAL_UNKNOWN);
	temporary_end(&at);
}

TEST(blocking_is_undone_and_revoking_is_not)
{
	struct temporary at;
	struct terminal_change change;

	temporary_begin(&at);
	enroll(&at, 7, 1);
	state_set(&at, 7, CONTROL_TERMINAL_BLOCKED);
	assert_int_equal(admit(&at, 7, 1), KEYING_REFUSAL_TERMINAL_BLOCKED);
	state_set(&at, 7, CONTROL_TERMINAL_ACTIVE);
	assert_int_equal(admit(&at, 7, 1), 0);
	state_set(&at, 7, CONTROL_TERMINAL_REVOKED);
	assert_int_equal(admit(&at, 7, 1), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(
	    terminals_state_set(at.database, 7, CONTROL_TERMINAL_ACTIVE, &who, &change), -EPERM);
	enroll(&at, 7, 2);
	assert_int_equal(admit(&at, 7, 2), 0);
	assert_int_equal(admit(&at, 7, 1), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	temporary_end(&at);
}

TEST(a_renewed_certificate_ends_its_predecessor_at_its_first_use)
{
	struct temporary at;

	temporary_begin(&at);
	enroll(&at, 6, 5);
	enroll(&at, 7, 1);
	enroll(&at, 8, 6);
	assert_int_equal(renew(&at, 7, 1, 2), 0);
	assert_int_equal(admit(&at, 7, 1), 0); /* the terminal may have lost the new one */
	assert_int_equal(admit(&at, 7, 2), 0);
	assert_int_equal(admit(&at, 7, 1), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(admit(&at, 6, 5), 0);
	assert_int_equal(admit(&at, 8, 6), 0);
	temporary_end(&at);
}

/* Each was admitted, and then an operator came between. */
TEST(a_renewal_is_refused_once_its_certificate_is_not_good_any_more)
{
	struct temporary at;

	temporary_begin(&at);
	enroll(&at, 7, 1);
	assert_int_equal(renew(&at, 7, 9, 2), -EPERM); /* never issued */
	enroll(&at, 7, 3);
	assert_int_equal(renew(&at, 7, 1, 2), -EPERM); /* the thief's */
	assert_int_equal(admit(&at, 7, 2), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(admit(&at, 7, 3), 0); /* the operator's is untouched */
	state_set(&at, 7, CONTROL_TERMINAL_BLOCKED);
	assert_int_equal(renew(&at, 7, 3, 4), -EPERM);
	state_set(&at, 7, CONTROL_TERMINAL_ACTIVE);
	assert_int_equal(renew(&at, 7, 3, 4), 0);
	assert_int_equal(renew(&at, 7, 3, 5), 0); /* REPLACED: the answer was lost */
	assert_int_equal(admit(&at, 7, 5), 0);
	assert_int_equal(renew(&at, 7, 3, 6), -EPERM);
	temporary_end(&at);
}

TEST(a_first_use_ends_nothing_that_came_after_it_was_admitted)
{
	struct terminal_certificate second = certificate(2), third = certificate(3);
	struct record_control_terminal row;
	struct temporary at;

	temporary_begin(&at);
	enroll(&at, 7, 1);
	assert_int_equal(renew(&at, 7, 1, 2), 0);
	/* Replaced in between: it may still make a session, and ends nothing. */
	assert_int_equal(renew(&at, 7, 2, 3), 0);
	assert_int_equal(terminals_first_use(at.database, 7, second.sha256, &row), 0);
	assert_int_equal(admit(&at, 7, 1), 0);
	assert_int_equal(terminals_first_use(at.database, 7, third.sha256, &row), 0);
	assert_int_equal(admit(&at, 7, 1), KEYING_REFUSAL_CERTIFICATE_REVOKED);
	/* Enrolled again in between. */
	assert_int_equal(renew(&at, 7, 3, 4), 0);
	enroll(&at, 7, 5);
	assert_int_equal(terminals_first_use(at.database, 7, third.sha256, &row),
	    KEYING_REFUSAL_CERTIFICATE_REVOKED);
	assert_int_equal(admit(&at, 7, 5), 0);
	temporary_end(&at);
}

TEST(sessions_are_void_from_the_version_that_ended_them)
{
	struct terminal_settings settings = keep;
	struct record_control_terminal row;
	struct terminal_change change;
	struct temporary at;

	temporary_begin(&at);
	change = enroll(&at, 7, 1);
	assert_int_equal(le64_get(change.row.sessions_void_version), 1);
	settings.rights = RIGHT_BALANCE;
	assert_int_equal(terminals_set(at.database, 7, &settings, &who, &change), 0);
	assert_int_equal(renew(&at, 7, 1, 2), 0);
	assert_int_equal(terminals_get(at.database, 7, &row), 0);
	assert_int_equal(le64_get(row.version), 3);
	assert_int_equal(le64_get(row.sessions_void_version), 1);
	state_set(&at, 7, CONTROL_TERMINAL_BLOCKED);
	state_set(&at, 7, CONTROL_TERMINAL_ACTIVE);
	assert_int_equal(terminals_get(at.database, 7, &row), 0);
	assert_int_equal(le64_get(row.sessions_void_version), 4);
	state_set(&at, 7, CONTROL_TERMINAL_REVOKED);
	change = enroll(&at, 7, 3);
	assert_int_equal(le64_get(change.row.version), 7);
	assert_int_equal(le64_get(change.row.sessions_void_version), 7);
	temporary_end(&at);
}

TEST(a_terminal_is_behind_while_it_can_use_an_earlier_certificate)
{
	struct terminal_certificate expired = certificate(9);
	uint64_t since_s, example = 0;
	struct terminal_change change;
	struct temporary at;
	unsigned count = 99;

	temporary_begin(&at);
	assert_int_equal(terminals_behind_count(at.database, UINT64_MAX, &count, &example), 0);
	assert_int_equal(count, 0);
	enroll(&at, 6, 1);
	enroll(&at, 7, 2);
	enroll(&at, 8, 3);
	state_set(&at, 7, CONTROL_TERMINAL_BLOCKED); /* it may be unblocked */
	state_set(&at, 8, CONTROL_TERMINAL_REVOKED);
	expired.not_after_s = 1;
	assert_int_equal(terminals_enroll(at.database, 9, &keep, &expired, &who, &change), 0);
	since_s = database_now_ns() / 1000000000u;
	assert_int_equal(terminals_behind_count(at.database, since_s, &count, &example), 0);
	assert_int_equal(count, 2);
	assert_int_equal(example, 7);
	state_set(&at, 7, CONTROL_TERMINAL_REVOKED);
	/* A second later it has a new one, and the old one is good until that is used. */
	while (database_now_ns() / 1000000000u == since_s)
		usleep(10000);
	assert_int_equal(renew(&at, 6, 1, 4), 0);
	assert_int_equal(terminals_behind_count(at.database, since_s, &count, &example), 0);
	assert_int_equal(count, 1);
	assert_int_equal(example, 6);
	assert_int_equal(admit(&at, 6, 4), 0);
	assert_int_equal(terminals_behind_count(at.database, since_s, &count, &example), 0);
	assert_int_equal(count, 0);
	temporary_end(&at);
}

TEST(shards_are_told_only_what_concerns_them)
{
	struct terminal_settings settings = keep;
	struct terminal_change change;
	struct temporary at;
	json_t *command = NULL;

	temporary_begin(&at);
	enroll(&at, 7, 1);
	settings.name = "계산대 7";
	assert_int_equal(terminals_set(at.database, 7, &settings, &who, &change), 0);
	assert_int_equal(change.sequence, 0);
	settings.rights = RIGHT_BALANCE;
	settings.daily_max = 5000;
	assert_int_equal(terminals_set(at.database, 7, &settings, &who, &change), 0);
	assert_int_equal(change.sequence, 2);
	assert_int_equal(commands_get(at.database, 2, &command), 0);
	assert_int_equal(json_integer_value(json_object_get(command, "rights")), RIGHT_BALANCE);
	assert_int_equal(json_integer_value(json_object_get(command, "daily_max")), 5000);
	assert_false(json_is_true(json_object_get(command, "blocked")));
	json_decref(command);
	temporary_end(&at);
}

TEST(bad_settings_change_nothing)
{
	static const struct {
		const char *name;
		struct terminal_settings settings;
		int error;
	} cases[] = {
		{ "control character", { "a\nb", NULL, -1, -1, -1, -1 }, -EILSEQ },
		{ "not UTF-8", { "\xc3(", NULL, -1, -1, -1, -1 }, -EILSEQ },
		{ "surrogate", { "\xed\xa0\x80", NULL, -1, -1, -1, -1 }, -EILSEQ },
		{ "too long",
		    { "0123456789012345678901234567890123456789012345678901234567890123", NULL, -1,
		        -1, -1, -1 },
		    -ENAMETOOLONG },
		{ "unknown right", { NULL, NULL, -1, RIGHT_ALL + 1, -1, -1 }, -EINVAL },
		{ "limit", { NULL, NULL, LIMIT_BALANCE_MAX + 1, -1, -1, -1 }, -EINVAL },
	};
	struct terminal_change change;
	struct audit_report report;
	struct temporary at;

	temporary_begin(&at);
	enroll(&at, 7, 1);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t last;

		if (terminals_set(at.database, 7, &cases[i].settings, &who, &change) !=
		    cases[i].error)
			fail_msg("%s", cases[i].name);
		assert_int_equal(commands_last(at.database, &last), 0);
		assert_int_equal(last, 1);
	}
	assert_int_equal(terminals_set(at.database, 9, &keep, &who, &change), -ENOENT);
	assert_int_equal(audit_verify(at.database, &report), 0);
	assert_int_equal(report.entries, 1);
	temporary_end(&at);
}

TEST(lists_and_counts)
{
	struct temporary at;
	uint64_t counts[4];
	json_t *list;

	temporary_begin(&at);
	for (uint64_t id = 1; id <= 5; id++)
		enroll(&at, id * 100, (uint8_t)id);
	enroll(&at, 300, 30);
	state_set(&at, 200, CONTROL_TERMINAL_BLOCKED);
	list = terminals_list(at.database, 200, 2);
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(list, 1), "terminal")), 300);
	json_decref(list);
	list = terminals_certificates(at.database, 300);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	list = terminals_certificates(at.database, 600);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	assert_int_equal(terminals_count(at.database, counts), 0);
	assert_int_equal(counts[CONTROL_TERMINAL_ACTIVE], 4);
	assert_int_equal(counts[CONTROL_TERMINAL_BLOCKED], 1);
	temporary_end(&at);
}

TEST_MAIN()
