/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: raised once, counted, worked on step by step; what each step leaves behind. */
#include "control/commands/commands.h"
#include "control/alerts/alerts.h"

#include <errno.h>
#include <string.h>

#include "dataplane/risk/risk.h"
#include "tests/control/temporary.h"
#include "wire/codes.h"

#define MINUTE 60000000000ull

static const struct audit_entry kim = {
	.uid = 1001, .user = "kim (risk)", .action = "alert step", .outcome = "done"
};

struct raise {
	struct alert_event event;
	uint64_t suppress_ns, number;
};

static int raise_body(struct db_txn *txn, void *argument)
{
	struct raise *raise = argument;

	return alerts_raise_event(txn, &raise->event, raise->suppress_ns, &raise->number);
}

static struct alert_event event_at(uint64_t lsn, uint64_t account_id, uint64_t minute)
{
	return (struct alert_event){ .shard = 1,
		.lsn = lsn,
		.last_lsn = lsn,
		.time_ns = (minute + 1) * MINUTE,
		.last_ns = (minute + 1) * MINUTE,
		.hash = lsn * 7,
		.account_id = account_id,
		.terminal_id = 5,
		.partner_id = 3,
		.object_id = 900 + lsn,
		.amount = -5000,
		.factor_bits = RISK_BIT(LARGE) | RISK_BIT(ALERT),
		.rule_version = 2,
		.count = 1,
		.code = WIRE_CODE_OK,
		.currency = 410,
		.score = 65 };
}

/* The number of the alert that was raised, 0: none. */
static uint64_t raise_event(struct temporary *at, struct alert_event event)
{
	struct raise raise = { event, 60 * MINUTE, 0 };

	assert_int_equal(database_write(at->database, raise_body, &raise), 0);
	return raise.number;
}

static struct record_control_alert row_of(const struct temporary *at, uint64_t number)
{
	struct record_control_alert row;

	assert_int_equal(alerts_get(at->database, number, &row), 0);
	return row;
}

static struct alerts_counts counts_of(const struct temporary *at)
{
	struct alerts_counts counts;

	assert_int_equal(alerts_counts(at->database, &counts), 0);
	return counts;
}

static int step(struct temporary *at, uint64_t number, struct alert_step wanted)
{
	struct record_control_alert row;

	return alerts_step(at->database, number, &wanted, &kim, &row);
}

static int subject_counts(const struct temporary *at, enum control_subject_kind kind, uint64_t id,
    unsigned confirmed, unsigned dismissed)
{
	const struct subject subject = { kind, id };
	struct record_control_subject row;
	int known;

	assert_int_equal(subjects_get(at->database, &subject, &row, &known), 0);
	return le32_get(row.confirmed) == confirmed && le32_get(row.dismissed) == dismissed;
}

TEST(an_event_has_one_alert_however_often_it_is_read)
{
	struct temporary at;

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 0);
	temporary_again(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 0);
	assert_int_equal(le32_get(row_of(&at, 1).count), 1);
	assert_int_equal(counts_of(&at).raised[CONTROL_ALERT_RISK - 1], 1);
	/* Another log of the same shard has other events under the same numbers. */
	struct alert_event other = event_at(10, 8, 0);

	other.line = 1;
	assert_int_equal(raise_event(&at, other), 2);
	temporary_end(&at);
}

TEST(the_same_factors_of_the_same_account_are_counted_within_the_window)
{
	struct temporary at;
	struct alert_event other = event_at(13, 7, 30);

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	assert_int_equal(raise_event(&at, event_at(11, 7, 59)), 0); /* just inside */
	assert_int_equal(raise_event(&at, event_at(11, 7, 59)), 0); /* read again */
	assert_int_equal(raise_event(&at, event_at(12, 9, 20)), 2); /* another account */
	other.factor_bits |= RISK_BIT(LONGSHOT);
	assert_int_equal(raise_event(&at, other), 3);               /* other factors */
	assert_int_equal(raise_event(&at, event_at(14, 7, 60)), 4); /* the window is over */
	assert_int_equal(le32_get(row_of(&at, 1).count), 2);
	assert_int_equal(le64_get(row_of(&at, 1).last_lsn), 11);
	assert_int_equal(counts_of(&at).suppressed, 1);
	assert_int_equal(counts_of(&at).open[CONTROL_ALERT_LOW - 1], 4);
	temporary_end(&at);
}

TEST(a_repetition_that_scores_higher_raises_the_severity)
{
	struct temporary at;
	struct alert_event worse = event_at(11, 7, 1);

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	worse.score = 96;
	assert_int_equal(raise_event(&at, worse), 0);
	assert_int_equal(row_of(&at, 1).severity, CONTROL_ALERT_CRITICAL);
	assert_int_equal(row_of(&at, 1).score, 96);
	assert_int_equal(counts_of(&at).open[CONTROL_ALERT_LOW - 1], 0);
	assert_int_equal(counts_of(&at).open[CONTROL_ALERT_CRITICAL - 1], 1);
	temporary_end(&at);
}

/* A refusal, or points alone. */
TEST(severity_follows_score_and_refusal)
{
	static const struct {
		uint8_t score;
		uint16_t code;
		enum control_alert_severity severity;
	} cases[] = {
		{ 60, WIRE_CODE_OK, CONTROL_ALERT_LOW },
		{ 69, WIRE_CODE_OK, CONTROL_ALERT_LOW },
		{ 70, WIRE_CODE_OK, CONTROL_ALERT_MEDIUM },
		{ 79, WIRE_CODE_OK, CONTROL_ALERT_MEDIUM },
		{ 80, WIRE_CODE_OK, CONTROL_ALERT_HIGH },
		{ 94, WIRE_CODE_OK, CONTROL_ALERT_HIGH },
		{ 95, WIRE_CODE_OK, CONTROL_ALERT_CRITICAL },
		{ 65, WIRE_CODE_RISK_SCORE, CONTROL_ALERT_HIGH },
	};
	struct temporary at;

	temporary_begin(&at);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct alert_event event = event_at(10 + i, 100 + i, 0);

		event.score = cases[i].score;
		event.code = cases[i].code;
		assert_int_equal(raise_event(&at, event), i + 1);
		assert_int_equal(row_of(&at, i + 1).severity, cases[i].severity);
	}
	assert_string_equal((const char *)row_of(&at, 8).text, "score 65: LARGE; RISK_SCORE");
	temporary_end(&at);
}

TEST(a_cash_ticket_is_about_its_terminal)
{
	struct temporary at;
	struct alert_event event = event_at(10, 0, 0);
	struct record_control_alert row;

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event), 1);
	row = row_of(&at, 1);
	assert_int_equal(row.subject_kind, CONTROL_SUBJECT_TERMINAL);
	assert_int_equal(le64_get(row.subject_id), 5);
	temporary_end(&at);
}

#define TO(the_state)                                                                              \
	{                                                                                          \
		.state = CONTROL_ALERT_##the_state                                                 \
	}

TEST(only_the_steps_there_are_can_be_taken)
{
	struct temporary at;
	const struct alert_step close = { .state = CONTROL_ALERT_CLOSED,
		.verdict = CONTROL_ALERT_FALSE };
	const struct alert_step begin = TO(INVESTIGATING);
	const struct alert_step report = { .state = CONTROL_ALERT_REPORTED, .report = "KoFIU 17" };

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	assert_int_equal(step(&at, 1, close), -EPERM);
	assert_int_equal(step(&at, 1, report), -EPERM);
	assert_int_equal(step(&at, 2, begin), -ENOENT);
	assert_int_equal(step(&at, 1, begin), 0);
	assert_int_equal(step(&at, 1, begin), -EPERM);
	assert_int_equal(step(&at, 1, report), 0);
	assert_string_equal((const char *)row_of(&at, 1).report, "KoFIU 17");
	assert_int_equal(step(&at, 1, begin), -EPERM);
	assert_int_equal(step(&at, 1, close), 0);
	assert_int_equal(step(&at, 1, report), -EPERM);
	assert_int_equal(step(&at, 1, begin), 0); /* taken up again */
	temporary_end(&at);
}

TEST(a_verdict_counts_for_account_terminal_and_partner_and_is_taken_back)
{
	struct temporary at;
	struct alert_step close = { .state = CONTROL_ALERT_CLOSED,
		.verdict = CONTROL_ALERT_CONFIRMED };

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	assert_int_equal(step(&at, 1, (struct alert_step)TO(INVESTIGATING)), 0);
	assert_int_equal(counts_of(&at).open[CONTROL_ALERT_LOW - 1], 1);
	assert_int_equal(step(&at, 1, close), 0);
	assert_int_equal(counts_of(&at).open[CONTROL_ALERT_LOW - 1], 0);
	assert_true(subject_counts(&at, CONTROL_SUBJECT_ACCOUNT, 7, 1, 0));
	assert_true(subject_counts(&at, CONTROL_SUBJECT_TERMINAL, 5, 1, 0));
	assert_true(subject_counts(&at, CONTROL_SUBJECT_PARTNER, 3, 1, 0));
	assert_int_equal(step(&at, 1, (struct alert_step)TO(INVESTIGATING)), 0);
	assert_true(subject_counts(&at, CONTROL_SUBJECT_ACCOUNT, 7, 0, 0));
	close.verdict = CONTROL_ALERT_FALSE;
	assert_int_equal(step(&at, 1, close), 0);
	assert_true(subject_counts(&at, CONTROL_SUBJECT_ACCOUNT, 7, 0, 1));
	assert_true(subject_counts(&at, CONTROL_SUBJECT_TERMINAL, 5, 0, 1));
	temporary_end(&at);
}

static void command_expect(struct temporary *at, uint64_t sequence, const char *text)
{
	json_t *command = NULL;
	char *found;

	assert_int_equal(commands_get(at->database, sequence, &command), 0);
	json_object_del(command, "cmd");
	json_object_del(command, "sequence");
	json_object_del(command, "transaction_ns");
	found = json_dumps(command, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(found, text);
	free(found);
	json_decref(command);
}

TEST(the_shards_hear_of_each_verdict_once_and_of_one_that_is_taken_back)
{
	struct temporary at;
	struct alert_step close = { .state = CONTROL_ALERT_CLOSED,
		.verdict = CONTROL_ALERT_CONFIRMED };
	uint64_t last = 0;

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(step(&at, 1, (struct alert_step)TO(INVESTIGATING)), 0);
		assert_int_equal(step(&at, 1, close), 0);
	}
	assert_int_equal(commands_last(at.database, &last), 0);
	assert_int_equal(last, 3);
	command_expect(&at, 1,
	    "{\"account_id\":7,\"confirmed\":true,\"partner_id\":3,\"terminal_id\":5,\"type\":"
	    "\"feedback\"}");
	/* Not done yet: the shards learn it right before it is taken back. */
	command_expect(&at, 2,
	    "{\"account_id\":7,\"confirmed\":true,\"learned_s\":0,\"partner_id\":3,"
	    "\"terminal_id\":5,\"type\":\"feedback\",\"withdrawn\":true}");
	/* One the shards refused was never learnt. */
	assert_int_equal(commands_mark(at.database, 1, 2, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(commands_refuse(at.database, 3, "no"), 0);
	assert_int_equal(step(&at, 1, (struct alert_step)TO(INVESTIGATING)), 0);
	assert_int_equal(commands_last(at.database, &last), 0);
	assert_int_equal(last, 3);
	close.verdict = CONTROL_ALERT_FALSE;
	assert_int_equal(step(&at, 1, close), 0);
	assert_int_equal(commands_mark(at.database, 4, 4, CONTROL_COMMAND_DONE), 0);
	assert_int_equal(step(&at, 1, (struct alert_step)TO(INVESTIGATING)), 0);
	{
		json_t *command = NULL;

		assert_int_equal(commands_get(at.database, 5, &command), 0);
		assert_false(json_is_true(json_object_get(command, "confirmed")));
		assert_true(json_integer_value(json_object_get(command, "learned_s")) > 1700000000);
		json_decref(command);
	}
	temporary_end(&at);
}

static uint64_t limit_see(struct temporary *at, int64_t amount, int expected)
{
	const struct alert_limit limit = { .subject = { CONTROL_SUBJECT_MARKET, 21 },
		.selection = 1,
		.amount = amount,
		.limit = 1000,
		.currency = 410,
		.text = "Home - Away" };
	uint64_t number = 0;
	int near = -1;

	assert_int_equal(alerts_limit_see(at->database, &limit, &near, &number), 0);
	assert_int_equal(near, expected);
	return number;
}

TEST(what_comes_near_its_limit_is_one_alert_for_each_crossing)
{
	struct temporary at;
	struct alert_step close = { .state = CONTROL_ALERT_CLOSED,
		.verdict = CONTROL_ALERT_CONFIRMED };
	uint64_t last = 0;

	temporary_begin(&at);
	assert_int_equal(limit_see(&at, 799, 0), 0);
	assert_int_equal(limit_see(&at, 800, 1), 1);
	assert_int_equal(row_of(&at, 1).severity, CONTROL_ALERT_MEDIUM);
	assert_string_equal(
	    (const char *)row_of(&at, 1).text, "80 % of its limit: 800 of 1000, Home - Away");
	/* Up and down above 70 %, whatever people and control do meanwhile. */
	assert_int_equal(limit_see(&at, 999, 1), 0);
	assert_int_equal(step(&at, 1, (struct alert_step)TO(INVESTIGATING)), 0);
	assert_int_equal(step(&at, 1, close), 0);
	temporary_again(&at);
	assert_int_equal(limit_see(&at, 700, 1), 0);
	assert_int_equal(limit_see(&at, 900, 1), 0);
	assert_int_equal(limit_see(&at, 699, 0), 0);
	assert_int_equal(limit_see(&at, 960, 1), 2);
	assert_int_equal(row_of(&at, 2).severity, CONTROL_ALERT_HIGH);
	assert_int_equal(counts_of(&at).raised[CONTROL_ALERT_LIMIT - 1], 2);
	/* No case against anybody. */
	assert_int_equal(commands_last(at.database, &last), 0);
	assert_int_equal(last, 0);
	temporary_end(&at);
}

static int namesake_body(struct db_txn *txn, void *number)
{
	const struct alert_hit hit = { { CONTROL_SUBJECT_ACCOUNT, 7 }, 1, 900, 1, 2, 950, "one" };

	return alerts_raise_hit(txn, &hit, number);
}

TEST(a_verdict_on_a_namesake_is_no_label)
{
	struct temporary at;
	struct alert_step close = { .state = CONTROL_ALERT_CLOSED };
	uint64_t last = 0, one;

	temporary_begin(&at);
	assert_int_equal(database_write(at.database, namesake_body, &one), 0);
	for (close.verdict = CONTROL_ALERT_CONFIRMED; close.verdict <= CONTROL_ALERT_FALSE;
	     close.verdict++) {
		assert_int_equal(step(&at, one, (struct alert_step)TO(INVESTIGATING)), 0);
		assert_int_equal(step(&at, one, close), 0);
	}
	assert_int_equal(commands_last(at.database, &last), 0);
	assert_true(last == 0 && subject_counts(&at, CONTROL_SUBJECT_ACCOUNT, 7, 0, 0));
	temporary_end(&at);
}

TEST(a_false_alarm_is_not_raised_again_within_the_window_a_confirmed_one_is)
{
	struct temporary at;
	struct alert_step close = { .state = CONTROL_ALERT_CLOSED, .verdict = CONTROL_ALERT_FALSE };

	temporary_begin(&at);
	for (uint64_t account = 1; account <= 2; account++) {
		assert_int_equal(raise_event(&at, event_at(10 + account, account, 0)), account);
		assert_int_equal(step(&at, account, (struct alert_step)TO(INVESTIGATING)), 0);
		assert_int_equal(step(&at, account, close), 0);
		close.verdict = CONTROL_ALERT_CONFIRMED;
	}
	assert_int_equal(raise_event(&at, event_at(20, 1, 5)), 0);
	assert_int_equal(raise_event(&at, event_at(21, 2, 5)), 3);
	temporary_end(&at);
}

TEST(every_step_is_in_the_history_and_in_the_audit_log)
{
	struct temporary at;
	struct record_control_alert row;
	json_t *history, *audit;
	uint64_t entries;

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	assert_int_equal(raise_event(&at, event_at(11, 8, 0)), 2);
	assert_int_equal(audit_count(at.database, &entries), 0);
	assert_int_equal(entries, 0); /* what control raises, the journal proves */
	assert_int_equal(step(&at, 1,
	                     (struct alert_step){ .state = CONTROL_ALERT_INVESTIGATING,
	                         .assignee = "kim",
	                         .note = "asked the shop" }),
	    0);
	assert_int_equal(step(&at, 1, (struct alert_step){ .severity = CONTROL_ALERT_HIGH }), 0);
	row = row_of(&at, 1);
	history = alerts_history(at.database, &row);
	assert_int_equal(json_array_size(history), 5);
	static const char *const actions[] = { "raised", "assigned", "state", "note", "severity" };

	for (size_t i = 0; i < 5; i++)
		assert_string_equal(
		    json_string_value(json_object_get(json_array_get(history, i), "action")),
		    actions[i]);
	assert_string_equal(json_string_value(json_object_get(json_array_get(history, 3), "text")),
	    "asked the shop");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(history, 0), "user")), "control");
	json_decref(history);
	assert_int_equal(audit_count(at.database, &entries), 0);
	assert_int_equal(entries, 4);
	audit = audit_tail(at.database, 0, 1);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(audit, 0), "object")), "alert 1");
	json_decref(audit);
	temporary_end(&at);
}

TEST(one_made_by_hand_says_what_it_says)
{
	struct temporary at;
	const struct alert_manual manual = { .subject = { CONTROL_SUBJECT_PARTNER, 9 },
		.severity = CONTROL_ALERT_CRITICAL,
		.text = "a tip by telephone" };
	struct alert_manual wrong = manual;
	struct record_control_alert row;
	uint64_t entries;

	temporary_begin(&at);
	assert_int_equal(alerts_create(at.database, &manual, &kim, &row), 0);
	assert_int_equal(le64_get(row.number), 1);
	assert_int_equal(le32_get(row.partner_id), 9);
	wrong.subject.id = LIMIT_PARTNER_ID_MAX + 1;
	assert_int_equal(alerts_create(at.database, &wrong, &kim, &row), -EINVAL);
	wrong = manual;
	wrong.text = "a\nb";
	assert_int_equal(alerts_create(at.database, &wrong, &kim, &row), -EILSEQ);
	assert_int_equal(audit_count(at.database, &entries), 0);
	assert_int_equal(entries, 1);
	database_dry_run(1);
	assert_int_equal(alerts_create(at.database, &manual, &kim, &row), 0);
	database_dry_run(0);
	assert_int_equal(alerts_get(at.database, 2, &row), -ENOENT);
	temporary_end(&at);
}

static size_t listed(const struct temporary *at, struct alert_filter filter)
{
	json_t *list;
	size_t count;

	filter.count = 100;
	list = alerts_list(at->database, &filter);
	count = json_array_size(list);
	json_decref(list);
	return count;
}

TEST(the_list_is_newest_first_and_filters)
{
	struct temporary at;
	json_t *list;

	temporary_begin(&at);
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(raise_event(&at, event_at(10 + i, i, 0)), i);
	assert_int_equal(step(&at, 2, (struct alert_step)TO(INVESTIGATING)), 0);
	assert_int_equal(step(&at, 2,
	                     (struct alert_step){
	                         .state = CONTROL_ALERT_CLOSED, .verdict = CONTROL_ALERT_FALSE }),
	    0);
	list = alerts_list(at.database, &(struct alert_filter){ .count = 2, .before = 5 });
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "alert")), 4);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	assert_int_equal(listed(&at, (struct alert_filter){ .open = 1 }), 4);
	assert_int_equal(listed(&at, (struct alert_filter){ .state = CONTROL_ALERT_CLOSED }), 1);
	assert_int_equal(listed(&at, (struct alert_filter){ .severity = CONTROL_ALERT_HIGH }), 0);
	assert_int_equal(
	    listed(&at, (struct alert_filter){ .subject = { CONTROL_SUBJECT_ACCOUNT, 3 } }), 1);
	assert_int_equal(listed(&at, (struct alert_filter){ .assignee = "" }), 5);
	temporary_end(&at);
}

static int index_delete_body(struct db_txn *txn, void *argument)
{
	int error = 0;

	(void)argument;
	while (error == 0) {
		struct db_cursor cursor;
		uint8_t key[64];
		size_t size = 0;

		error = db_cursor_open(&cursor, txn, CONTROL_TABLE_ALERT_INDEX);
		assert_int_equal(error, 0);
		error = db_cursor_first(&cursor);
		if (error == 0) {
			size = cursor.key.size;
			memcpy(key, cursor.key.data, size);
		}
		db_cursor_close(&cursor);
		if (error == 0)
			error = db_delete(
			    txn, CONTROL_TABLE_ALERT_INDEX, (struct db_bytes){ key, size });
	}
	return error == -ENOENT ? 0 : error;
}

/* As after `sluice-db restore --from-postgres`, which brings back replicated tables only. */
TEST(the_index_is_found_anew)
{
	struct temporary at;
	struct alerts_counts before, after;

	temporary_begin(&at);
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 1);
	assert_int_equal(raise_event(&at, event_at(11, 7, 1)), 0);
	assert_int_equal(raise_event(&at, event_at(12, 8, 1)), 2);
	assert_int_equal(step(&at, 2, (struct alert_step)TO(INVESTIGATING)), 0);
	assert_int_equal(step(&at, 2,
	                     (struct alert_step){
	                         .state = CONTROL_ALERT_CLOSED, .verdict = CONTROL_ALERT_FALSE }),
	    0);
	before = counts_of(&at);
	assert_int_equal(database_write(at.database, index_delete_body, NULL), 0);
	assert_int_equal(counts_of(&at).raised[0], 0);
	assert_int_equal(alerts_open(at.database), 0);
	after = counts_of(&at);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(raise_event(&at, event_at(10, 7, 0)), 0);
	assert_int_equal(raise_event(&at, event_at(13, 7, 2)), 0);
	assert_int_equal(le32_get(row_of(&at, 1).count), 3);
	temporary_end(&at);
}

static int profile_body(struct db_txn *txn, void *argument)
{
	return profile_add(txn, argument);
}

TEST(a_profile_keeps_first_last_and_count_of_each_factor)
{
	struct temporary at;
	struct profile_seen seen = {
		.account_id = 7, .factor_bits = RISK_BIT(LARGE) | RISK_BIT(ALERT), .partner_id = 4
	};
	json_t *profile, *factors;

	temporary_begin(&at);
	seen.factors[RISK_LARGE].first_ns = 100;
	seen.factors[RISK_LARGE].last_ns = 200;
	seen.factors[RISK_LARGE].count = 3;
	seen.factors[RISK_ALERT].first_ns = seen.factors[RISK_ALERT].last_ns = 150;
	seen.factors[RISK_ALERT].count = 1;
	assert_int_equal(database_write(at.database, profile_body, &seen), 0);
	seen.factor_bits = RISK_BIT(LARGE) | RISK_BIT(LONGSHOT);
	seen.partner_id = 0;
	seen.factors[RISK_LARGE].first_ns = 300;
	seen.factors[RISK_LARGE].last_ns = 400;
	seen.factors[RISK_LONGSHOT].first_ns = seen.factors[RISK_LONGSHOT].last_ns = 300;
	seen.factors[RISK_LONGSHOT].count = 1;
	assert_int_equal(database_write(at.database, profile_body, &seen), 0);
	profile = profile_json(at.database, 7, 10);
	assert_int_equal(json_integer_value(json_object_get(profile, "partner")), 4);
	factors = json_object_get(profile, "factors");
	assert_int_equal(json_array_size(factors), 3);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(factors, 0), "factor")), "LARGE");
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(factors, 0), "count")), 6);
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(factors, 0), "first_ns")), 100);
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(factors, 0), "last_ns")), 400);
	json_decref(profile);
	profile = profile_json(at.database, 8, 10);
	assert_int_equal(json_array_size(json_object_get(profile, "factors")), 0);
	json_decref(profile);
	temporary_end(&at);
}

TEST_MAIN()
