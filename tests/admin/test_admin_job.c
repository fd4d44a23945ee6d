/* SPDX-License-Identifier: Apache-2.0 */
/* Commands on their way: clients that go, checks before commands, connections one after another. */
#include <errno.h>

#include "tests/admin/place.h"

TEST(a_client_gone_in_the_middle_gives_its_place_up_but_not_its_area)
{
	struct shard_command first[ADMIN_JOBS_MAX], other;
	int fds[ADMIN_CLIENTS_MAX], fd;

	begin();
	/* Twice as many as there are places: then the areas are all in use. */
	for (unsigned i = 0; i < ADMIN_JOBS_MAX; i++) {
		fd = client_open();
		say(fd, question);
		first[i] = take(0);
		for (unsigned k = 0; k < i; k++)
			assert_true(first[i].query != first[k].query);
		close(fd);
		work(5);
	}
	/* There is a place, and what needs no shard is answered; a question waits for an area. */
	fd = client_open();
	say(fd, "{\"cmd\":\"open\"}\n");
	hear_ok(fd, 1);
	say(fd, question);
	work(20);
	assert_int_equal(spsc_ring_count(place.workers[0]->rings.command), 0);
	question_answer(&first[3]);
	finish(0, first[3].ticket, 0);
	other = take(0);
	assert_ptr_equal(other.query, first[3].query);
	/* Results of the gone ones do not become its answer, nor does one nobody waits for. */
	for (unsigned i = 0; i < ADMIN_JOBS_MAX; i++)
		if (i != 3)
			finish(0, first[i].ticket, 0);
	finish(0, 999999, 0);
	finish(0, first[3].ticket, 0);
	work(10);
	question_answer(&other);
	finish(0, other.ticket, 0);
	hear_ok(fd, 1);
	close(fd);
	work(5);
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		fds[i] = client_open();
		say(fds[i], "{\"cmd\":\"open\"}\n");
		hear_ok(fds[i], 1);
	}
	fd = client_open();
	hear_ok(fd, 0);
	close(fd);
	for (unsigned i = 0; i < ADMIN_CLIENTS_MAX; i++)
		close(fds[i]);
	end();
}

/* What all shards were sent, which must be alike. */
static struct shard_command take_all(enum shard_command_kind kind, enum shard_check check)
{
	struct shard_command command = { 0 };

	for (uint32_t i = 0; i < SHARDS; i++) {
		command = take(i);
		assert_int_equal(command.kind, kind);
		assert_int_equal(command.check, check);
	}
	return command;
}

static void finish_all(const struct shard_command *command, int first, int second)
{
	finish(0, command->ticket, first);
	finish(1, command->ticket, second);
}

#define COMMAND(fields) "{\"cmd\":\"command\"," fields "}\n"
#define RANGE           "\"type\":\"accounts_open\",\"first\":1,\"count\":9,\"currency\":410"
#define FREEZE          "\"type\":\"account_freeze\",\"account_id\":7,\"frozen\":true"

TEST(a_command_that_does_not_fit_everywhere_is_sent_nowhere)
{
	struct shard_command command;
	int fd;

	begin();
	fd = client_open();
	say(fd, COMMAND("\"sequence\":1," RANGE));
	command = take_all(SHARD_ACCOUNTS_OPEN, SHARD_CHECK);
	finish_all(&command, 0, -EBUSY);
	hear_kind(fd, "full");
	assert_int_equal(waiting(0) + waiting(1), 0);
	/* Sent again, it fits. */
	say(fd, COMMAND("\"sequence\":1," RANGE));
	command = take_all(SHARD_ACCOUNTS_OPEN, SHARD_CHECK);
	finish(0, command.ticket, 0);
	assert_int_equal(waiting(0), 0); /* not before all have answered */
	finish(1, command.ticket, 0);
	command = take_all(SHARD_ACCOUNTS_OPEN, SHARD_DO);
	assert_int_equal(command.accounts.count, 9);
	finish_all(&command, 0, 0);
	hear_kind(fd, NULL);
	/* Refused for good, its number is used up by all shards alike. */
	say(fd, COMMAND("\"sequence\":1," RANGE));
	command = take_all(SHARD_ACCOUNTS_OPEN, SHARD_CHECK);
	finish_all(&command, 0, -EALREADY);
	command = take_all(SHARD_LEDGER, SHARD_DO);
	assert_int_equal(command.ledger.type, EVENT_COMMAND_MARK);
	assert_int_equal(command.ledger.control_sequence, 1);
	finish_all(&command, 0, 0);
	hear_kind(fd, "refused");
	/* What no table can refuse is done at once. */
	say(fd, COMMAND("\"sequence\":1," FREEZE));
	command = take_all(SHARD_LEDGER, SHARD_DO);
	finish_all(&command, -ENOENT, 0);
	hear_kind(fd, "refused");
	close(fd);
	end();
}

#define MARKET                                                                                     \
	"\"type\":\"market_set\",\"market_id\":11,\"event_id\":1,\"start_time_ns\":5,\"state\":2," \
	"\"kind\":1,\"odds\":[1500,2000,3000]"

/* A market has bets on one shard and none on another: all shards keep it as it is. */
TEST(what_one_shard_refuses_no_shard_does_and_all_use_up_the_number)
{
	static const int errors[] = { -EALREADY, -EINVAL };
	struct shard_command command;
	int fd;

	begin();
	fd = client_open();
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(errors); i++) {
		say(fd, COMMAND("\"sequence\":1," MARKET));
		command = take_all(SHARD_LEDGER, SHARD_CHECK);
		assert_int_equal(command.ledger.type, EVENT_MARKET_SET);
		finish_all(&command, i == 0 ? errors[i] : 0, i == 0 ? 0 : errors[i]);
		command = take_all(SHARD_LEDGER, SHARD_DO);
		assert_int_equal(command.ledger.type, EVENT_COMMAND_MARK);
		assert_int_equal(command.ledger.control_sequence, 1);
		finish_all(&command, 0, 0);
		hear_kind(fd, "refused");
	}
	/* Nothing of it stays with the next one; and a number that cannot be marked is not over. */
	say(fd, COMMAND("\"sequence\":1," MARKET));
	command = take_all(SHARD_LEDGER, SHARD_CHECK);
	finish_all(&command, -EALREADY, -EALREADY);
	command = take_all(SHARD_LEDGER, SHARD_DO);
	finish_all(&command, 0, -EIO);
	hear_kind(fd, "failed");
	say(fd, COMMAND("\"sequence\":1," MARKET));
	command = take_all(SHARD_LEDGER, SHARD_CHECK);
	finish_all(&command, 0, 0);
	command = take_all(SHARD_LEDGER, SHARD_DO);
	assert_int_equal(command.ledger.type, EVENT_MARKET_SET);
	finish_all(&command, 0, 0);
	hear_kind(fd, NULL);
	close(fd);
	end();
}

TEST(a_field_that_a_shard_refuses_is_no_reason_to_send_the_command_again)
{
	struct shard_command command;
	int fd;

	begin();
	fd = client_open();
	say(fd, COMMAND("\"sequence\":1," FREEZE));
	command = take_all(SHARD_LEDGER, SHARD_DO);
	finish_all(&command, -EINVAL, 0);
	hear_kind(fd, "refused");
	close(fd);
	end();
}

TEST(a_dry_run_asks_all_shards_and_goes_no_further)
{
	static const struct {
		int first, second;
		const char *kind;
	} cases[] = {
		{ 0, 0, NULL },
		{ -ENOENT, 0, "refused" },
		{ 0, -EBUSY, "full" },
		{ -ENOENT, -EBUSY, "full" },
	};
	struct shard_command command;
	int fd;

	begin();
	fd = client_open();
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		/* The number does not matter, or it may be left out. */
		say(fd, i % 2 == 0 ? COMMAND("\"dry_run\":true," FREEZE)
		                   : COMMAND("\"dry_run\":true,\"sequence\":77," FREEZE));
		command = take_all(SHARD_LEDGER, SHARD_CHECK_DRY_RUN);
		finish_all(&command, cases[i].first, cases[i].second);
		hear_kind(fd, cases[i].kind);
		assert_case_equal(i, waiting(0) + waiting(1), 0);
	}
	close(fd);
	end();
}

TEST(one_numbered_command_at_a_time_and_a_dead_client_does_not_hold_it)
{
	struct shard_command command, asked;
	int fd, other, third;

	begin();
	fd = client_open();
	other = client_open();
	third = client_open();
	say(fd, COMMAND("\"sequence\":1," RANGE));
	command = take_all(SHARD_ACCOUNTS_OPEN, SHARD_CHECK);
	say(other, COMMAND("\"dry_run\":true," FREEZE));
	say(third, question);
	asked = take(0);
	assert_int_equal(asked.kind, SHARD_QUERY); /* goes on beside it */
	assert_int_equal(waiting(0) + waiting(1), 0);
	/* Gone while it was only checked: not done, and the next one is taken. */
	close(fd);
	finish_all(&command, 0, 0);
	command = take_all(SHARD_LEDGER, SHARD_CHECK_DRY_RUN);
	finish_all(&command, 0, 0);
	hear_kind(other, NULL);
	/* Gone while it is done: it holds the others until the shards have answered. */
	fd = client_open();
	say(fd, COMMAND("\"sequence\":1," FREEZE));
	command = take_all(SHARD_LEDGER, SHARD_DO);
	close(fd);
	say(other, COMMAND("\"dry_run\":true," FREEZE));
	assert_int_equal(waiting(0) + waiting(1), 0);
	finish_all(&command, 0, 0);
	command = take_all(SHARD_LEDGER, SHARD_CHECK_DRY_RUN);
	finish_all(&command, 0, 0);
	hear_kind(other, NULL);
	question_answer(&asked);
	finish(0, asked.ticket, 0);
	hear_ok(third, 1);
	close(other);
	close(third);
	end();
}

TEST(a_session_whose_installer_has_gone_still_gets_its_home)
{
	struct shard_command command;
	uint32_t home;
	int fd;

	begin();
	home = place.shared.buckets.shard[ids_bucket_of_key(42)];
	fd = client_open();
	say_install(fd);
	command = take(home);
	assert_int_equal(command.kind, SHARD_SESSION_INSTALL);
	close(fd);
	work(5);
	assert_int_equal(atomic_load(&place.shared.slot_home[5]), 0xff);
	finish(home, command.ticket, 0);
	work(5);
	assert_int_equal(atomic_load(&place.shared.slot_home[5]), home);
	end();
}

TEST(an_end_over_a_new_connection_follows_the_installation_of_the_old_one)
{
	struct shard_command install, ended;
	uint32_t home;
	int old, fd;

	begin();
	home = place.shared.buckets.shard[ids_bucket_of_key(42)];
	old = client_open();
	say_install(old);
	work(5);
	close(old);
	fd = client_open();
	say(fd, ending);
	install = take(home);
	ended = take(home);
	assert_int_equal(install.kind, SHARD_SESSION_INSTALL);
	assert_int_equal(ended.kind, SHARD_SESSION_END);
	finish(home, install.ticket, 0);
	finish(home, ended.ticket, 0);
	hear_ok(fd, 1);
	assert_int_equal(atomic_load(&place.shared.slot_home[5]), 0xff);
	close(fd);
	end();
}

TEST(what_a_closed_connection_had_not_begun_never_comes_after_a_newer_one)
{
	struct shard_command asked, ended;
	uint32_t home;
	int old, fd;

	begin();
	home = place.shared.buckets.shard[ids_bucket_of_key(42)];
	old = client_open();
	say(old, question);
	asked = take(0);
	say_install(old); /* behind what is under way: unread, or read and waiting */
	work(5);
	close(old);
	fd = client_open();
	say(fd, ending);
	ended = take(home);
	assert_int_equal(ended.kind, SHARD_SESSION_END);
	question_answer(&asked);
	finish(0, asked.ticket, 0);
	finish(home, ended.ticket, -ENOENT);
	hear_kind(fd, "unknown_session");
	assert_int_equal(waiting(0) + waiting(1), 0);
	close(fd);
	end();
}

TEST(a_line_that_waits_for_room_is_dropped_with_its_connection)
{
	struct shard_command command, filler = { .ticket = 999, .kind = SHARD_SESSION_END };
	unsigned fillers = 0;
	uint32_t home;
	int low, old, fd;

	begin();
	home = place.shared.buckets.shard[ids_bucket_of_key(42)];
	while (spsc_ring_push(place.workers[home]->rings.command, &filler))
		fillers++;
	/* The newer connection gets the place that is looked at first. */
	low = client_open();
	work(2);
	old = client_open();
	say_install(old);
	work(5);
	close(low);
	work(2);
	close(old);
	fd = client_open();
	say(fd, ending);
	work(5);
	while (fillers-- > 0)
		assert_int_equal(take(home).ticket, 999);
	command = take(home);
	assert_int_equal(command.kind, SHARD_SESSION_END);
	assert_int_equal(waiting(home), 0);
	finish(home, command.ticket, -ENOENT);
	hear_kind(fd, "unknown_session");
	close(fd);
	end();
}

TEST(refusals_of_sessions_say_their_kind)
{
	static const struct {
		int error;
		const char *install, *end;
	} cases[] = {
		{ -EEXIST, "slot_live", NULL },
		{ -ENOSPC, "full", NULL },
		{ -EINVAL, "refused", NULL },
		{ -ENOMEM, "failed", NULL },
		{ -ENOENT, NULL, "unknown_session" },
	};
	uint32_t home;
	int fd;

	begin();
	home = place.shared.buckets.shard[ids_bucket_of_key(42)];
	fd = client_open();
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		if (cases[i].install != NULL)
			say_install(fd);
		else
			say(fd, ending);
		finish(home, take(home).ticket, cases[i].error);
		hear_kind(fd, cases[i].install != NULL ? cases[i].install : cases[i].end);
	}
	live(5, (uint8_t)!home);
	say_install(fd);
	hear_kind(fd, "slot_live");
	close(fd);
	end();
}

TEST_MAIN()
