/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/control/link/bed.h"

TEST_MAIN()

TEST(commands_and_sessions_are_there_before_the_ports_open)
{
	struct bed *bed = bed_make(0);
	uint32_t id;
	char text[16];

	for (int i = 0; i < 200; i++)
		command_commit(bed, "market_set");
	for (uint64_t terminal = 1; terminal <= 100; terminal++)
		id = establish(bed, terminal);
	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	state_await(bed, LINK_UP);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->opens, 1);
	assert_int_equal(bed->fake->last_at_open, 200);
	assert_int_equal(bed->fake->sessions_at_open, 100);
	pthread_mutex_unlock(&bed->fake->mutex);
	journals_check(bed, 200, 0);
	assert_string_equal(state_of(bed, 1, text), "done");
	assert_string_equal(state_of(bed, 200, text), "done");
	command_await(bed, command_commit(bed, "market_set"), 0);
	bed_free(bed);
}

TEST(what_all_shards_have_is_done_without_being_sent_again)
{
	struct bed *bed = bed_make(0);
	struct link_report report;
	char text[16];

	/* Control died after the shards had them and before it noted so. */
	bed->fake = fake_start(bed->root, 1);
	for (int64_t i = 1; i <= 3; i++) {
		command_commit(bed, "market_set");
		for (unsigned shard = 0; shard < FAKE_SHARDS; shard++) {
			bed->fake->what[shard][i] = i;
			bed->fake->last[shard] = (uint64_t)i;
		}
	}
	bed_link(bed);
	command_await(bed, 3, 0);
	state_await(bed, LINK_UP);
	assert_string_equal(state_of(bed, 1, text), "done");
	assert_string_equal(state_of(bed, 3, text), "done");
	link_report(bed->link, &report);
	assert_int_equal(report.command_sent, 3);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->command_lines, 0);
	pthread_mutex_unlock(&bed->fake->mutex);
	bed_free(bed);
}

TEST(a_refused_command_is_told_and_the_next_goes_on)
{
	struct bed *bed = bed_make(0);
	char message[512], text[16];
	uint64_t refused;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	command_commit(bed, "market_set");
	refused = command_commit(bed, "refuse_me");
	command_commit(bed, "market_set");
	assert_int_equal(
	    link_command_wait(bed->link, refused, WAIT_MS, message, sizeof(message)), -EPERM);
	assert_string_equal(message, "there is no such account");
	command_await(bed, 3, 0);
	command_await(bed, 1, 0);
	assert_string_equal(state_of(bed, refused, text), "refused");
	journals_check(bed, 3, refused);
	/* A later life of control reads it from the database. */
	bed_unlink(bed);
	bed_link(bed);
	command_await(bed, refused, -EPERM);
	bed_free(bed);
}

/* Until `good`, nothing can be written behind the heads of any database of this process. */
static void disk_set(int good)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = good ? limit.rlim_max : 8192;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(marks_that_cannot_be_written_wait_and_a_refusal_stays_one)
{
	struct bed *bed = bed_make(0);
	struct link_report report;
	char message[512], text[16];

	/* Committed before the data plane is there, and the disk fails as their answers come. */
	command_commit(bed, "market_set");
	command_commit(bed, "refuse_me");
	command_commit(bed, "market_set");
	disk_set(0);
	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	assert_int_equal(
	    link_command_wait(bed->link, 2, WAIT_MS, message, sizeof(message)), -EPERM);
	command_await(bed, 3, 0);
	state_await(bed, LINK_UP);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		link_report(bed->link, &report);
		if (report.message[0] != '\0')
			break;
		usleep(1000);
	}
	assert_non_null(strstr(report.message, "1 to 3 are over"));
	assert_string_equal(state_of(bed, 1, text), "committed");
	assert_string_equal(state_of(bed, 2, text), "committed");
	assert_true(database_trouble(bed->database, NULL) == -EFBIG);
	disk_set(1);
	/* Sent behind the marks only. */
	command_await(bed, command_commit(bed, "market_set"), 0);
	assert_string_equal(state_of(bed, 1, text), "done");
	assert_string_equal(state_of(bed, 2, text), "refused");
	assert_string_equal(state_of(bed, 3, text), "done");
	assert_int_equal(database_trouble(bed->database, NULL), 0);
	link_report(bed->link, &report);
	assert_string_equal(report.message, "");
	journals_check(bed, 4, 2);
	bed_free(bed);
}

TEST(a_malformed_command_gives_its_number_to_one_that_changes_nothing)
{
	struct bed *bed = bed_make(0);
	uint64_t malformed;
	char text[16];

	bed->fake = fake_start(bed->root, 1);
	for (int i = 0; i < 10; i++)
		command_commit(bed, "market_set");
	malformed = command_commit(bed, "malformed_me");
	for (int i = 0; i < 10; i++)
		command_commit(bed, "market_set");
	bed_link(bed);
	command_await(bed, 21, 0);
	command_await(bed, malformed, -EPERM);
	assert_string_equal(state_of(bed, malformed, text), "refused");
	assert_string_equal(state_of(bed, malformed + 1, text), "done");
	journals_check(bed, 21, malformed);
	bed_free(bed);
}

TEST(a_command_longer_than_a_line_is_refused_without_being_sent)
{
	struct bed *bed = bed_make(0);
	static char type[80000];
	uint64_t sequence;

	memset(type, 'x', sizeof(type) - 1);
	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	command_commit(bed, "market_set");
	sequence = command_commit(bed, type);
	command_commit(bed, "market_set");
	command_await(bed, 3, 0);
	command_await(bed, sequence, -EPERM);
	journals_check(bed, 3, sequence);
	bed_free(bed);
}

TEST(a_failed_command_holds_up_later_ones_and_neither_ports_nor_sessions)
{
	struct bed *bed = bed_make(0);
	struct link_report report;
	char message[512];
	uint32_t id = establish(bed, 1);

	bed->fake = fake_start(bed->root, 1);
	bed->fake->fail_left = UINT32_MAX;
	command_commit(bed, "market_set");
	command_commit(bed, "fail_me");
	command_commit(bed, "market_set");
	bed_link(bed);
	assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	state_await(bed, LINK_UP);
	link_report(bed->link, &report);
	assert_int_equal(report.command_done, 1);
	assert_non_null(strstr(report.message, "Command 2 is not done"));
	assert_int_equal(link_command_wait(bed->link, 3, 1, message, sizeof(message)), -ETIMEDOUT);
	assert_non_null(strstr(message, "a table of the switch is full"));
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->fail_left = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
	command_await(bed, 3, 0);
	link_report(bed->link, &report);
	assert_string_equal(report.message, "");
	journals_check(bed, 3, 0);
	bed_free(bed);
}

TEST(a_shard_ahead_of_control_is_refused_until_the_numbers_are_adopted)
{
	struct bed *bed = bed_make(0);
	struct link_report report;

	bed->fake = fake_start(bed->root, 1);
	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		bed->fake->last[i] = 5;
	bed->fake->last[1] = 6;
	command_commit(bed, "market_set");
	bed_link(bed);
	state_await(bed, LINK_REFUSED);
	link_report(bed->link, &report);
	assert_non_null(strstr(report.message, "Shard 1 "));
	assert_non_null(strstr(report.message, "command 6, "));
	assert_non_null(strstr(report.message, "sluicectl command adopt"));
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->opens, 0);
	pthread_mutex_unlock(&bed->fake->mutex);
	assert_int_equal(commands_adopt(bed->database, 6), 0);
	state_await(bed, LINK_UP);
	command_await(bed, command_commit(bed, "market_set"), 0);
	pthread_mutex_lock(&bed->fake->mutex);
	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		assert_int_equal(bed->fake->what[i][7], 7);
	pthread_mutex_unlock(&bed->fake->mutex);
	bed_free(bed);
}

/* Nothing to send, then a data plane of another boot that has fewer commands. */
static void shard_lose(struct bed *bed, unsigned shard, int64_t base)
{
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->last[shard] = 1;
	memset(&bed->fake->what[shard][2], 0, 4 * sizeof(bed->fake->what[shard][0]));
	bed->fake->base[shard] = base;
	bed->fake->opens = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
	fake_reboot(bed->fake);
}

TEST(a_shard_that_lost_what_it_had_done_is_refused_until_it_is_given_up)
{
	struct bed *bed = bed_make(0);
	struct link_report report;
	char message[512] = "";

	bed->fake = fake_start(bed->root, 1);
	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		bed->fake->base[i] = 0;
	for (unsigned i = 0; i < 4; i++)
		command_commit(bed, "market_set");
	bed_link(bed);
	state_await(bed, LINK_UP);
	command_await(bed, 4, 0);
	assert_int_equal(link_is_lost(bed->link), 0);
	shard_lose(bed, 1, 0);
	state_await(bed, LINK_REFUSED);
	link_report(bed->link, &report);
	assert_non_null(strstr(report.message, "Shard 1 of the data plane has done commands up to "
	                                       "1, and up to 4 before"));
	assert_non_null(strstr(report.message, "backup restore"));
	assert_int_equal(link_commands_open(bed->link, message, sizeof(message)), -EPERM);
	assert_non_null(strstr(message, "Shard 1 of the data plane has lost its data"));
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->opens, 0);
	assert_int_equal(bed->fake->last[1], 1);
	pthread_mutex_unlock(&bed->fake->mutex);
	assert_int_equal(link_is_lost(bed->link), 1);
	link_adopted(bed->link);
	state_await(bed, LINK_UP);
	journals_check(bed, 4, 0);
	bed_free(bed);
}

/* What a restore began has rightly fewer, and of a data plane that does not say nothing is known.
 */
TEST(a_shard_that_a_restore_began_gets_its_commands_again)
{
	static const int64_t bases[] = { -1, 1 };

	for (unsigned k = 0; k < 2; k++) {
		struct bed *bed = bed_make(0);

		bed->fake = fake_start(bed->root, 1);
		for (unsigned i = 0; i < 4; i++)
			command_commit(bed, "market_set");
		bed_link(bed);
		command_await(bed, 4, 0);
		shard_lose(bed, 2, bases[k]);
		for (uint64_t opens = 0; opens == 0; usleep(1000)) {
			pthread_mutex_lock(&bed->fake->mutex);
			opens = bed->fake->opens;
			pthread_mutex_unlock(&bed->fake->mutex);
		}
		state_await(bed, LINK_UP);
		journals_check(bed, 4, 0);
		bed_free(bed);
	}
}

static int commands_open(struct bed *bed)
{
	char message[512] = "";

	return link_commands_open(bed->link, message, sizeof(message));
}

static int append_try(struct bed *bed)
{
	json_t *command = json_pack("{s:s, s:i}", "type", "market_set", "mark", 99);
	uint64_t sequence = 0;
	void *arguments[2] = { command, &sequence };
	int error = database_write(bed->database, append_body, arguments);

	json_decref(command);
	return error;
}

static uint64_t last_of(struct bed *bed)
{
	uint64_t last = 99;

	assert_int_equal(commands_last(bed->database, &last), 0);
	return last;
}

TEST(no_number_is_given_out_before_the_numbers_were_compared)
{
	struct bed *bed = bed_make(0);
	char message[512];

	bed_link(bed);
	assert_int_equal(link_commands_open(bed->link, message, sizeof(message)), -EAGAIN);
	assert_non_null(strstr(message, "Start the data plane"));
	assert_int_equal(append_try(bed), -EAGAIN);
	assert_int_equal(last_of(bed), 0);
	bed->fake = fake_start(bed->root, 1);
	state_await(bed, LINK_UP);
	assert_int_equal(commands_open(bed), 0);
	/* Once is enough: what is committed while it is away comes later. */
	fake_stop(bed->fake);
	state_await(bed, LINK_DOWN);
	assert_int_equal(commands_open(bed), 0);
	assert_int_equal(append_try(bed), 0);
	bed_unlink(bed);
	assert_int_equal(append_try(bed), 0); /* no link, no gate */
	bed_free_stopped(bed);
}

/* Else commands would be committed until control's number reaches the shard's, and count as done.
 */
TEST(while_a_shard_is_ahead_no_number_is_given_out)
{
	struct bed *bed = bed_make(0);
	char message[512];

	bed->fake = fake_start(bed->root, 1);
	bed->fake->last[1] = 3;
	bed_link(bed);
	state_await(bed, LINK_REFUSED);
	assert_int_equal(link_commands_open(bed->link, message, sizeof(message)), -EPERM);
	assert_non_null(strstr(message, "sluicectl command adopt"));
	for (int i = 0; i < 4; i++)
		assert_int_equal(append_try(bed), -ESTALE);
	assert_int_equal(last_of(bed), 0);
	/* Neither a new connection nor shards that are not ahead any more end it. */
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->last[1] = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
	fake_reboot(bed->fake);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		struct link_report report;

		link_report(bed->link, &report);
		if (report.boots == 2 && report.state == LINK_REFUSED &&
		    strstr(report.message, "Restart control") != NULL)
			break;
		usleep(1000);
		assert_true(i + 1 < WAIT_MS);
	}
	assert_int_equal(append_try(bed), -ESTALE);
	/* The next start does. */
	bed_unlink(bed);
	bed_link(bed);
	command_await(bed, command_commit(bed, "market_set"), 0);
	journals_check(bed, 1, 0);
	bed_free(bed);
}

/* Asks the gate, and commits only once a shard was found ahead. */
static int late_body(struct db_txn *txn, void *context)
{
	void **arguments = context;
	struct bed *bed = arguments[2];
	int error = commands_append(txn, arguments[0], arguments[1]);

	pthread_mutex_lock(&bed->fake->mutex);
	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		bed->fake->last[i] = 2;
	pthread_mutex_unlock(&bed->fake->mutex);
	for (unsigned i = 0; i < WAIT_MS && commands_open(bed) != -EPERM; i++)
		usleep(1000);
	return error;
}

TEST(a_number_given_out_as_a_shard_is_found_ahead_is_refused)
{
	struct bed *bed = bed_make(0);
	json_t *command = json_pack("{s:s, s:i}", "type", "market_set", "mark", 99);
	uint64_t sequence = 0;
	void *arguments[3] = { command, &sequence, bed };
	char text[16];

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	state_await(bed, LINK_UP);
	assert_int_equal(database_write(bed->database, late_body, arguments), 0);
	json_decref(command);
	assert_int_equal(sequence, 1);
	command_await(bed, 1, -EPERM);
	state_await(bed, LINK_REFUSED);
	assert_int_equal(commands_adopt(bed->database, 2), 0);
	state_await(bed, LINK_UP);
	assert_string_equal(state_of(bed, 1, text), "refused");
	command_await(bed, 1, -EPERM);
	assert_int_equal(command_commit(bed, "market_set"), 3);
	command_await(bed, 3, 0);
	bed_free(bed);
}

struct waiter {
	struct bed *bed;
	pthread_t thread;
	uint64_t sequence; /* 0: a question */
	unsigned timeout_ms;
	int result;
};

static void *waiter_run(void *argument)
{
	struct waiter *waiter = argument;
	char message[512];
	json_t *answer = NULL;

	if (waiter->sequence != 0)
		waiter->result = link_command_wait(waiter->bed->link, waiter->sequence,
		    waiter->timeout_ms, message, sizeof(message));
	else
		waiter->result = link_ask(waiter->bed->link,
		    json_pack("{s:s, s:i}", "cmd", "account_show", "account_id", 1),
		    waiter->timeout_ms, &answer, message, sizeof(message));
	json_decref(answer);
	return NULL;
}

static void waiter_start(
    struct waiter *waiter, struct bed *bed, uint64_t sequence, unsigned timeout_ms)
{
	*waiter = (struct waiter){ .bed = bed, .sequence = sequence, .timeout_ms = timeout_ms };
	assert_int_equal(pthread_create(&waiter->thread, NULL, waiter_run, waiter), 0);
}

#define STALLED_MAX 66

/* All 64 places are taken by askers who give up; then whoever waits for a place gets one. */
TEST(a_place_for_a_question_that_becomes_free_is_told)
{
	static struct waiter hasty[STALLED_MAX];
	struct bed *bed = bed_make(0);
	struct waiter patient;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	state_await(bed, LINK_UP);
	pthread_mutex_lock(&bed->fake->mutex); /* no answers */
	for (unsigned i = 0; i < STALLED_MAX; i++)
		waiter_start(&hasty[i], bed, 0, 300);
	usleep(100000);
	waiter_start(&patient, bed, 0, WAIT_MS);
	for (unsigned i = 0; i < STALLED_MAX; i++) {
		pthread_join(hasty[i].thread, NULL);
		assert_int_equal(hasty[i].result, -ETIMEDOUT);
	}
	pthread_mutex_unlock(&bed->fake->mutex);
	pthread_join(patient.thread, NULL);
	assert_int_equal(patient.result, 0);
	bed_free(bed);
}

TEST(cancelling_ends_all_waits_and_later_ones_do_not_begin)
{
	struct bed *bed = bed_make(0);
	struct waiter command, asked, late[2];
	uint64_t begun_ns;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	state_await(bed, LINK_UP);
	pthread_mutex_lock(&bed->fake->mutex); /* no answers */
	waiter_start(&command, bed, command_commit(bed, "market_set"), 10 * WAIT_MS);
	waiter_start(&asked, bed, 0, 10 * WAIT_MS);
	usleep(50000);
	begun_ns = database_now_ns();
	link_cancel(bed->link);
	pthread_join(command.thread, NULL);
	pthread_join(asked.thread, NULL);
	waiter_start(&late[0], bed, 2, 10 * WAIT_MS);
	waiter_start(&late[1], bed, 0, 10 * WAIT_MS);
	pthread_join(late[0].thread, NULL);
	pthread_join(late[1].thread, NULL);
	pthread_mutex_unlock(&bed->fake->mutex);
	assert_int_equal(command.result, -ETIMEDOUT);
	assert_int_equal(asked.result, -EHOSTDOWN);
	assert_int_equal(late[0].result, -ETIMEDOUT);
	assert_int_equal(late[1].result, -EHOSTDOWN);
	/* Not the waits' own ends. */
	assert_true(database_now_ns() - begun_ns < 10ull * WAIT_MS * 1000000);
	link_cancel(bed->link); /* again is fine */
	bed_free(bed);
}
